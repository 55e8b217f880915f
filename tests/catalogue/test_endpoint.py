"""The endpoint with hostile and ordinary clients, in a real server process."""

import html
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message

import pytest

from tests.conftest import Site
from tests.servers.listener import Listener
from vaven.publisher.sparql.lexer import check_allowed, tokens
from vaven.vocab.errors import QueryRefused

ENDLESS = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?a"
JSON = "application/sparql-results+json"


def query_endpoint(
    site: Site,
    query: str | None = None,
    *,
    accept: str = JSON,
    method: str = "GET",
    body: bytes | None = None,
    kind: str = "",
    **params: str,
) -> tuple[int, Message, bytes]:
    parameters = ([("query", query)] if query is not None else []) + list(params.items())
    headers = {"Accept": accept} | ({"Content-Type": kind} if kind else {})
    address = f"{site.url}sparql?{urllib.parse.urlencode(parameters)}" if parameters else site.url + "sparql"
    request = urllib.request.Request(address, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


REFUSED_QUERIES = [
    "SELECT * { SERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } }",
    "SELECT * { service silent <http://127.0.0.1:PORT/> { ?s ?p ?o } }",
    "SELECT * { SERVICE#x\n<http://127.0.0.1:PORT/> { ?s ?p ?o } }",
    "PREFIX a: <http://127.0.0.1:PORT/> SELECT * { SERVICE a:x { ?s ?p ?o } }",
    "SELECT * { { SELECT * { SERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } } } }",
    "SELECT * { \\u0053ERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } }",
    "SELECT * { BIND('x' AS ?x) SERVICE ?x { ?s ?p ?o } }",
    "SELECT * { ?s ?p 'a\\'SERVICE' . SERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } }",
    'SELECT * { ?s ?p """a""" . OPTIONAL { SERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } } }',
    "ASK { FILTER EXISTS { SERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } } }",
    "DESCRIBE ?s { SERVICE <http://127.0.0.1:PORT/> { ?s ?p ?o } }",
    "LOAD <http://127.0.0.1:PORT/>",
    "INSERT DATA { <a:b> <a:b> <a:b> }",
    "PREFIX select: <a:b> DROP ALL",
]


@pytest.mark.parametrize("query", REFUSED_QUERIES)
def test_federated_queries_and_updates_are_refused(whole_way: Site, listener: Listener, query: str) -> None:
    status, headers, body = query_endpoint(whole_way, query.replace("PORT", str(listener.port)))
    assert status == 403, body
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["remedy"]
    time.sleep(0.3)
    assert listener.connections == 0


def test_a_foreign_graph_iri_is_not_fetched(whole_way: Site, listener: Listener) -> None:
    status, _, body = query_endpoint(whole_way, f"SELECT * FROM <http://127.0.0.1:{listener.port}/> {{ ?s ?p ?o }}")
    assert (status, json.loads(body)["results"]["bindings"]) == (200, [])
    status, _, body = query_endpoint(
        whole_way, "SELECT * { ?s ?p ?o }", **{"default-graph-uri": f"http://127.0.0.1:{listener.port}/"}
    )
    assert (status, json.loads(body)["results"]["bindings"]) == (200, [])
    assert listener.connections == 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?s ?p 'SERVICE' } # SERVICE",
        'SELECT ?SERVICE { ?SERVICE ?p """SERVICE <x> { """ }',
        "PREFIX service: <http://x/> SELECT * { ?s service:SERVICE <http://x/SERVICE> }",
        "SELECT * { ?s ?p 'insert'@en . _:SERVICE ?p ?o }",
    ],
)
def test_the_word_service_elsewhere_is_accepted(whole_way: Site, query: str) -> None:
    assert query_endpoint(whole_way, query)[0] == 200


def test_an_endless_query_ends_at_the_deadline_while_others_succeed(whole_way: Site) -> None:
    ended: list[tuple[int, bytes]] = []

    def endless() -> None:
        status, _, body = query_endpoint(whole_way, ENDLESS)
        ended.append((status, body))

    thread = threading.Thread(target=endless)
    started = time.monotonic()
    thread.start()
    time.sleep(0.5)
    answered = 0
    while thread.is_alive() and answered < 20:
        assert query_endpoint(whole_way, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")[0] == 200
        answered += 1
    assert not ended, "the other client was answered before the endless query ended"
    thread.join()
    ((status, body),) = ended
    assert status in (504, 507)
    assert json.loads(body)["type"].endswith(("help/sparql-timeout", "help/sparql-memory"))
    assert time.monotonic() - started < 30
    assert query_endpoint(whole_way, "ASK { ?s ?p ?o }")[0] == 200


def test_a_long_query_without_memory_use_ends_at_the_deadline(whole_way: Site) -> None:
    """Counting needs no memory, so only the deadline (8 s here) can end it."""
    started = time.monotonic()
    status, _, body = query_endpoint(whole_way, "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }")
    assert (status, json.loads(body)["type"].endswith("help/sparql-timeout")) == (504, True)
    assert time.monotonic() - started >= 8


def test_too_many_endless_queries_are_refused_with_retry(whole_way: Site) -> None:
    statuses: list[int] = []
    # Counting takes no memory, so only the deadline ends it.
    countless = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(?a != <urn:NAME>) }"

    def run(i: int) -> None:
        statuses.append(query_endpoint(whole_way, countless.replace("NAME", str(i)))[0])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {429, 503, 504, 507}
    assert statuses.count(429) == 4
    assert 504 in statuses
    assert query_endpoint(whole_way, "ASK { ?s ?p ?o }")[0] == 200


def test_pages_are_served_while_queries_hang(whole_way: Site) -> None:
    threads = [threading.Thread(target=query_endpoint, args=(whole_way, ENDLESS)) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    with urllib.request.urlopen(whole_way.url + "kpi/trygg-morker", timeout=5) as page:
        assert page.status == 200
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/sparql-results+xml", "application/sparql-results+xml"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, text/tab-separated-values", "text/tab-separated-values; charset=utf-8"),
    ],
)
def test_select_results_have_the_requested_media_type(whole_way: Site, accept: str, expected: str) -> None:
    status, headers, _ = query_endpoint(whole_way, "SELECT * { ?s ?p ?o } LIMIT 1", accept=accept)
    assert (status, headers["Content-Type"]) == (200, expected)
    assert "Accept" in headers["Vary"]


@pytest.mark.parametrize(
    "accept", ["text/turtle", "application/n-triples", "application/rdf+xml", "application/ld+json"]
)
def test_construct_results_have_the_requested_media_type(whole_way: Site, accept: str) -> None:
    status, headers, body = query_endpoint(whole_way, "CONSTRUCT { ?s ?p ?o } { ?s ?p ?o } LIMIT 3", accept=accept)
    assert (status, headers["Content-Type"].split(";")[0]) == (200, accept)
    assert body


def test_both_forms_of_post_and_head_work(whole_way: Site) -> None:
    form = urllib.parse.urlencode({"query": "ASK {}"}).encode()
    assert query_endpoint(whole_way, method="POST", body=form, kind="application/x-www-form-urlencoded")[0] == 200
    assert query_endpoint(whole_way, method="POST", body=b"ASK {}", kind="application/sparql-query")[0] == 200
    status, headers, body = query_endpoint(whole_way, "ASK {}", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"query": ""}, 400),
        ({"query": "ASK {}", "accept": "image/png"}, 406),
        ({"query": "CONSTRUCT {} {}", "accept": "text/csv"}, 406),
        ({"method": "POST", "body": b"ASK {}", "kind": "text/plain"}, 415),
        ({"method": "POST", "body": b"", "kind": "application/x-www-form-urlencoded"}, 400),
        ({"method": "PUT", "body": b"x"}, 405),
        ({"update": "CLEAR ALL"}, 403),
        ({"method": "POST", "body": b"update=CLEAR+ALL", "kind": "application/x-www-form-urlencoded"}, 403),
        ({"query": "SELECT * { ?s ?p }"}, 400),
    ],
)
def test_invalid_requests_get_the_right_status(whole_way: Site, arguments: dict[str, str], expected: int) -> None:
    status, headers, body = query_endpoint(whole_way, **arguments)  # type: ignore[arg-type]
    assert status == expected
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["title"]


def test_two_queries_in_one_request_are_refused(whole_way: Site) -> None:
    address = whole_way.url + "sparql?query=ASK%7B%7D&query=ASK%7B%7D"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address, timeout=10)
    assert refused.value.code == 400


def test_a_syntax_error_has_its_position_and_a_known_prefix_its_declaration(whole_way: Site) -> None:
    body = json.loads(query_endpoint(whole_way, "SELECT *\n{ ?s skos:prefLabel ?o }")[2])
    assert (body["line"], body["remedy"]) == (
        2,
        "Begin the query with: PREFIX skos: <http://www.w3.org/2004/02/skos/core#>",
    )
    assert json.loads(query_endpoint(whole_way, "SELECT * {\n\n?s ?p }")[2])["line"] == 3


def test_an_unchanged_result_is_not_sent_twice(whole_way: Site) -> None:
    _, headers, _ = query_endpoint(whole_way, "SELECT * { ?s ?p ?o } LIMIT 5")
    address = whole_way.url + "sparql?" + urllib.parse.urlencode({"query": "SELECT * { ?s ?p ?o } LIMIT 5"})
    request = urllib.request.Request(address, headers={"Accept": JSON, "If-None-Match": headers["ETag"]})
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        urllib.request.urlopen(request, timeout=10)
    assert unchanged.value.code == 304


def test_a_request_without_a_query_gets_the_service_description(whole_way: Site) -> None:
    status, headers, body = query_endpoint(whole_way, accept="text/turtle")
    assert (status, headers["Content-Type"]) == (200, "text/turtle; charset=utf-8")
    assert b"sd:Service" in body
    assert query_endpoint(whole_way, accept="text/html")[1]["Content-Type"].startswith("text/html")


def test_a_browser_gets_errors_and_results_in_the_page(whole_way: Site) -> None:
    status, _, body = query_endpoint(whole_way, "SELECT * { SERVICE <a:b> {} }", accept="text/html")
    assert (status, b"SERVICE" in body) == (403, True)
    assert "skos:" in query_endpoint(whole_way, "ASK { ?s skos:x ?o }", accept="text/html")[2].decode()
    assert b"<table>" in query_endpoint(whole_way, "SELECT * { ?s ?p ?o } LIMIT 2", accept="text/html")[2]


def test_tokens_have_positions() -> None:
    token_list = [(t.kind, t.text, t.line, t.column) for t in tokens("SELECT ?x # no\n{ a:b 'c\\'' }")]
    assert token_list[0] == ("word", "SELECT", 1, 1)
    assert token_list[2] == ("mark", "{", 2, 1)
    assert token_list[4] == ("string", "'c\\''", 2, 7)
    with pytest.raises(QueryRefused, match="line 2, column 3"):
        check_allowed("SELECT *\n{ SERVICE <a:b> {} }")


def test_every_example_of_the_editor_returns_rows(whole_way: Site) -> None:
    page = query_endpoint(whole_way, accept="text/html")[2].decode()
    links = [
        html.unescape(part.split('"')[0])
        for part in page.split('<li><a href="')[1:]
        if part.startswith("/sparql?query=")
    ]
    assert len(links) >= 12
    for link in links:
        query = urllib.parse.parse_qs(link.split("?", 1)[1])["query"][0]
        assert json.loads(query_endpoint(whole_way, query)[2])["results"]["bindings"], query


def test_escapes_anywhere_are_replaced_before_the_query_is_parsed(whole_way: Site) -> None:
    """SPARQL 1.1 Query Language, section 19.2; the engine replaces them in strings and IRIs only."""
    status, _, body = query_endpoint(whole_way, "SEL\\u0045CT * { BIND (1 AS ?\\u0061rea) }")
    document = json.loads(body)
    assert (status, document["head"]["vars"]) == (200, ["area"])
    assert [row["area"]["value"] for row in document["results"]["bindings"]] == ["1"]
    status, _, body = query_endpoint(whole_way, "SELECT * {\n BIND (1 AS ?\\u0061rea) ?x }")
    assert (status, json.loads(body)["line"], json.loads(body)["column"]) == (400, 2, 28)
    status, _, body = query_endpoint(whole_way, "# \u0023 no\nASK { ?s ?p ?o \\u0023 a comment }\n}")
    assert (status, json.loads(body)["boolean"]) == (200, True)


def test_a_comparison_that_is_an_iri_by_the_standard_is_an_error_at_its_position(whole_way: Site) -> None:
    """The W3C test syn-bad-26: the longest token is an IRI."""
    query = "PREFIX : <http://example/>\nSELECT * WHERE\n{\n  ?x :p ?a ; :q ?b , ?y\n  FILTER (?x<?a&&?b>?y)\n}"
    status, _, body = query_endpoint(whole_way, query)
    problem = json.loads(body)
    assert (status, problem["line"], problem["column"]) == (400, 5, 13)
    assert "put spaces around" in problem["remedy"]
    assert query_endpoint(whole_way, query.replace("<?a&&?b>", " < ?a && ?b > "))[0] == 200
