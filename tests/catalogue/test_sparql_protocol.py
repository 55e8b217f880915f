"""SPARQL 1.1 Protocol with third-party clients, against a real server process.

test_endpoint.py has the basic requests of each kind; here are formats, corner cases and hostile requests.
"""

import csv
import http.client
import io
import json
import socket
import tempfile
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

import pytest
import rdflib
import requests
from SPARQLWrapper import CSV, JSON, JSONLD, N3, POST, RDFXML, TSV, TURTLE, XML, SPARQLWrapper

from tests.conftest import Site
from vaven.publisher.rdf.compression import compressor

KPIS = (
    "PREFIX skos: <http://www.w3.org/2004/02/skos/core#> SELECT ?s ?l { ?s skos:prefLabel ?l } ORDER BY ?l ?s LIMIT 20"
)
# In order, since the solutions that LIMIT keeps may be others in another request.
SOME = """CONSTRUCT { ?s ?p ?o } WHERE {
    { SELECT * { ?s ?p ?o FILTER(!isBlank(?s) && !isBlank(?o)) } ORDER BY ?s ?p ?o LIMIT 50 } }"""
RESULTS_JSON = "application/sparql-results+json"
ENDLESS = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?a"


@dataclass(frozen=True)
class EndpointResponse:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def kind(self) -> str:
        return self.headers["Content-Type"].split(";")[0]


def get(site: Site, query: str | None = None, accept: str = RESULTS_JSON, **parameters: str) -> EndpointResponse:
    params = parameters | ({} if query is None else {"query": query})
    response = requests.get(site.url + "sparql", params=params, headers={"Accept": accept}, timeout=60)
    response.encoding = "utf-8"
    return EndpointResponse(response.status_code, response.headers, response.text)


def post(site: Site, body: bytes, kind: str, accept: str = RESULTS_JSON, parameters: str = "") -> EndpointResponse:
    headers = {"Accept": accept, "Content-Type": kind}
    response = requests.post(f"{site.url}sparql{parameters}", data=body, headers=headers, timeout=60)
    response.encoding = "utf-8"
    return EndpointResponse(response.status_code, response.headers, response.text)


def wrapper(site: Site, query: str, form: str, method: str = "GET") -> SPARQLWrapper:
    client = SPARQLWrapper(site.url + "sparql", returnFormat=form)
    client.setQuery(query)
    client.setMethod(method)
    return client


@pytest.mark.parametrize("method", ["GET", POST])
def test_sparqlwrapper_gets_the_same_rows_in_all_four_formats(whole_way: Site, method: str) -> None:
    document = wrapper(whole_way, KPIS, JSON, method).queryAndConvert()
    expected = [(b["s"]["value"], b["l"]["value"]) for b in document["results"]["bindings"]]
    assert len(expected) == 20
    xml = wrapper(whole_way, KPIS, XML, method).queryAndConvert()
    rows = ET.fromstring(xml.toxml()).iter("{http://www.w3.org/2005/sparql-results#}result")
    assert [tuple(binding[0].text for binding in row) for row in rows] == expected
    lines = wrapper(whole_way, KPIS, CSV, method).queryAndConvert().decode()
    assert [tuple(row) for row in csv.reader(io.StringIO(lines))] == [("s", "l"), *expected]
    lines = wrapper(whole_way, KPIS, TSV, method).queryAndConvert().decode()
    assert lines.splitlines()[0] == "?s\t?l"
    assert [line.split("\t")[0].strip("<>") for line in lines.splitlines()[1:]] == [s for s, _ in expected]


def test_sparqlwrapper_gets_booleans(whole_way: Site) -> None:
    for query, expected in (("ASK { ?s ?p ?o }", True), ("ASK { <a:a> <a:a> <a:a> }", False)):
        assert wrapper(whole_way, query, JSON).queryAndConvert()["boolean"] is expected
        xml = wrapper(whole_way, query, XML).queryAndConvert().toxml()
        assert f"<boolean>{str(expected).lower()}</boolean>" in xml


@pytest.mark.parametrize("kind", ["construct", "describe"])
def test_graphs_are_the_same_in_all_formats(whole_way: Site, kind: str) -> None:
    query = SOME if kind == "construct" else f"DESCRIBE <{whole_way.url}id/kpi/trygg-morker>"
    graphs = [
        rdflib.Graph().parse(data=get(whole_way, query, accept).text, format=form)
        for accept, form in (
            ("application/n-triples", "nt"),
            ("text/turtle", "turtle"),
            ("application/rdf+xml", "xml"),
            ("application/ld+json", "json-ld"),
        )
    ]
    assert len(graphs[0]) > 5
    assert all(set(graph) == set(graphs[0]) for graph in graphs)
    # SPARQLWrapper's default is XML, which for a graph is RDF/XML.
    wrapped = [wrapper(whole_way, query, form).queryAndConvert() for form in (XML, RDFXML, JSONLD)]
    assert all(set(graph) == set(graphs[0]) for graph in wrapped)
    for form in (TURTLE, N3):
        assert set(rdflib.Graph().parse(data=wrapper(whole_way, query, form).queryAndConvert())) == set(graphs[0])


def test_rdflib_queries_as_a_store(whole_way: Site) -> None:
    remote = rdflib.Graph(store="SPARQLStore")
    remote.open(whole_way.url + "sparql")
    assert len(list(remote.query(KPIS))) == 20


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", RESULTS_JSON),
        ("text/html;q=0.1, application/sparql-results+json", RESULTS_JSON),
        ("application/sparql-results+xml, text/html;q=0.9", "application/sparql-results+xml"),
        ("text/html, application/sparql-results+json;q=0.9", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/sparql-results+json;q=0, */*", "application/sparql-results+xml"),
        ("text/*", "text/csv"),
        ("application/json;q=0.2, text/csv;q=0.3", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("image/png, text/tab-separated-values;q=0.001", "text/tab-separated-values"),
        # Jena's own header.
        (
            "application/sparql-results+json, application/sparql-results+xml;q=0.9, text/tab-separated-values;q=0.7, "
            "text/csv;q=0.5, application/json;q=0.2, application/xml;q=0.2, */*;q=0.1",
            RESULTS_JSON,
        ),
    ],
)
def test_weights_decide_the_media_type(whole_way: Site, accept: str, expected: str) -> None:
    response = get(whole_way, "SELECT * { ?s ?p ?o } LIMIT 1", accept)
    assert (response.status, response.kind) == (200, expected)
    assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize("accept", ["application/sparql-results+json;q=0", "text/turtle", "image/*", "text/csv;q=zero"])
def test_no_acceptable_media_type_is_406(whole_way: Site, accept: str) -> None:
    response = get(whole_way, "SELECT * { ?s ?p ?o } LIMIT 1", accept)
    assert (response.status, response.kind) == (406, "application/problem+json")


@pytest.mark.parametrize(
    ("query", "form", "expected"),
    [
        ("ASK {}", "json", RESULTS_JSON),
        ("ASK {}", "csv", "text/csv"),
        ("SELECT (1 AS ?n) {}", "tsv", "text/tab-separated-values"),
        ("SELECT (1 AS ?n) {}", "application/sparql-results+xml", "application/sparql-results+xml"),
        ("CONSTRUCT { <a:a> <a:a> 1 } {}", "ttl", "text/turtle"),
        ("CONSTRUCT { <a:a> <a:a> 1 } {}", "jsonld", "application/ld+json"),
        ("CONSTRUCT { <a:a> <a:a> 1 } {}", "csv", "application/problem+json"),
    ],
)
def test_format_overrides_accept_even_in_a_browser(whole_way: Site, query: str, form: str, expected: str) -> None:
    response = get(whole_way, query, "text/html", format=form)
    assert (response.kind, response.status) == (expected, 406 if "problem" in expected else 200)


def test_the_dataset_of_the_protocol_overrides_the_query(whole_way: Site) -> None:
    graph = f"{whole_way.url}ns"
    everything = int(get(whole_way, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", "text/csv").text.split()[1])
    query = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
    one = int(get(whole_way, query, "text/csv", **{"default-graph-uri": graph}).text.split()[1])
    assert 0 < one < everything
    named = "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }"
    assert int(get(whole_way, named, "text/csv", **{"named-graph-uri": graph}).text.split()[1]) == one
    body = urllib.parse.urlencode([("query", query), ("default-graph-uri", graph)]).encode()
    assert int(post(whole_way, body, "application/x-www-form-urlencoded", "text/csv").text.split()[1]) == one
    parameters = "?" + urllib.parse.urlencode({"default-graph-uri": graph})
    direct = post(whole_way, query.encode(), "application/sparql-query; charset=utf-8", "text/csv", parameters)
    assert int(direct.text.split()[1]) == one
    wrong = get(whole_way, query, "text/csv", **{"default-graph-uri": "not an iri"})
    assert (wrong.status, wrong.kind) == (400, "application/problem+json")


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "kind", "parameters", "expected"),
    [
        (b"ASK {}", "application/sparql-query", "?query=ASK%20%7B%7D", 400),
        (b"query=ASK%20%7B%7D&query=ASK%20%7B%7D", FORM, "", 400),
        (b"", "application/sparql-query", "", 400),
        (b"other=1", FORM, "", 400),
        (b"ASK { ?s ?p '\xff' }", "application/sparql-query", "", 400),
        (b"ASK { ?s ?p ", "application/sparql-query", "", 400),
        (b"CLEAR ALL", "application/sparql-update", "", 403),
        (b"CLEAR ALL", "application/sparql-query", "", 403),
        (b"query=ASK%20%7B%7D&update=CLEAR%20ALL", FORM, "", 403),
        (b"ASK {}", "multipart/form-data; boundary=x", "", 415),
        (b"ASK {}", "", "", 415),
        (b"ASK {} #" + b"x" * 900_000, "application/sparql-query", "", 413),
        (b"query=" + b"x" * 900_000, FORM, "", 413),
        (("ASK {} #" + "å" * 250_000).encode(), "application/sparql-query", "", 413),
    ],
)
def test_invalid_posts_get_the_right_status(
    whole_way: Site, body: bytes, kind: str, parameters: str, expected: int
) -> None:
    response = post(whole_way, body, kind, parameters=parameters)
    assert (response.status, response.kind) == (expected, "application/problem+json"), response.text
    problem = json.loads(response.text)
    assert problem["status"] == expected
    assert problem["title"]


def test_the_type_of_each_error_is_a_page(whole_way: Site) -> None:
    for query, kind in (("SELECT", "syntax"), ("SELECT * { SERVICE <a:b> {} }", "refused")):
        problem = json.loads(get(whole_way, query).text)
        assert problem["type"] == f"{whole_way.url}help/sparql-{kind}"
        assert problem["remedy"]
        assert requests.get(problem["type"], timeout=10).status_code == 200


@pytest.mark.timeout(120)
def test_a_query_expensive_to_lex_does_not_block_the_server(whole_way: Site) -> None:
    hostile = ("SELECT * { " + "a." * 90_000 + "}").encode()
    response = post(whole_way, hostile, "application/sparql-query")
    assert response.status in (400, 507)
    assert get(whole_way, "ASK {}").status == 200


def test_unicode_is_preserved(whole_way: Site) -> None:
    text = "Södra Sånga – 東京 🏘"
    response = get(whole_way, f"SELECT ('{text}' AS ?x) {{}}")
    assert json.loads(response.text)["results"]["bindings"][0]["x"]["value"] == text
    assert (
        text in post(whole_way, f"SELECT ('{text}' AS ?x) {{}}".encode(), "application/sparql-query", "text/csv").text
    )


def test_head_options_and_cors(whole_way: Site) -> None:
    address = whole_way.url + "sparql"
    got = requests.get(address, params={"query": KPIS}, headers={"Origin": "http://elsewhere.example"}, timeout=20)
    head = requests.head(address, params={"query": KPIS}, timeout=20)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert head.headers["ETag"] == got.headers["ETag"]
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    preflight = requests.options(
        address,
        headers={"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"},
        timeout=20,
    )
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    assert get(whole_way, "SELECT").headers["Access-Control-Allow-Origin"] == "*"
    assert requests.delete(address, timeout=20).status_code == 405


def test_cors_allows_conditional_requests_and_post_is_never_conditional(whole_way: Site) -> None:
    address = whole_way.url + "sparql"
    preflight_headers = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
    preflight = requests.options(
        address, headers={"Origin": "http://elsewhere.example", **preflight_headers}, timeout=20
    )
    assert "If-None-Match" in preflight.headers["Access-Control-Allow-Headers"].split(", ")
    tag = get(whole_way, "ASK {}").headers["ETag"]
    headers = {"Accept": RESULTS_JSON, "If-None-Match": tag}
    assert requests.get(address, params={"query": "ASK {}"}, headers=headers, timeout=20).status_code == 304
    assert requests.post(address, data={"query": "ASK {}"}, headers=headers, timeout=20).status_code == 200


def test_compression_is_deterministic() -> None:
    outputs = set()
    for _ in range(2):
        with tempfile.NamedTemporaryFile() as target:
            with compressor("gzip", target) as file:
                file.write(b"Rinkeby" * 1000)
            target.seek(0)
            outputs.add(target.read())
    assert len(outputs) == 1


def test_exactly_one_query_in_utf_8_is_accepted(whole_way: Site) -> None:
    address, form = whole_way.url + "sparql", {"Accept": RESULTS_JSON}
    both = requests.post(f"{address}?query=ASK%20%7B%7D", data={"query": "ASK {}"}, headers=form, timeout=20)
    assert (both.status_code, both.json()["title"]) == (400, "Bad Request")
    latin = requests.get(f"{address}?query=ASK%20%7B%20%3Fs%20%3Fp%20%22%E5%22%20%7D", headers=form, timeout=20)
    assert (latin.status_code, "not UTF-8" in latin.json()["detail"]) == (400, True)
    assert post(whole_way, b"\xef\xbb\xbfASK {}", "application/sparql-query").status == 200


def test_an_entity_tag_depends_on_query_media_type_and_dataset(whole_way: Site) -> None:
    tags = {
        get(whole_way, "SELECT (1 AS ?n) {}", "text/csv").headers["ETag"],
        get(whole_way, "SELECT (1 AS ?n) {}", RESULTS_JSON).headers["ETag"],
        get(whole_way, "SELECT (2 AS ?n) {}", "text/csv").headers["ETag"],
        get(whole_way, "SELECT (1 AS ?n) {}", "text/csv", **{"default-graph-uri": "a:a"}).headers["ETag"],
        get(whole_way, "SELECT (1 AS ?n) {}", "text/csv", **{"named-graph-uri": "a:a"}).headers["ETag"],
    }
    assert len(tags) == 5
    assert "ETag" not in get(whole_way, "SELECT").headers


def test_disconnected_clients_do_not_block_the_endpoint(whole_way: Site) -> None:
    server = urllib.parse.urlsplit(whole_way.url)
    for _ in range(3):
        with socket.create_connection((server.hostname, server.port)) as client:
            address = "/sparql?" + urllib.parse.urlencode({"query": ENDLESS})
            client.sendall(f"GET {address} HTTP/1.1\r\nHost: {server.netloc}\r\n\r\n".encode())
    assert get(whole_way, "ASK {}").status in (200, 503)
    # The deadline of the test site is 8 s; urllib3 waits as long as Retry-After says.
    for _ in range(30):
        response = get(whole_way, "ASK {}")
        if response.status == 200:
            break
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert response.status == 200


def test_an_incomplete_body_is_not_a_query(whole_way: Site) -> None:
    server = urllib.parse.urlsplit(whole_way.url)
    connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=5)
    connection.putrequest("POST", "/sparql")
    connection.putheader("Content-Type", "application/sparql-query")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"ASK {")
    connection.close()
    assert get(whole_way, "ASK {}").status == 200


def test_the_editor_page_is_in_both_languages_and_keeps_the_query(whole_way: Site) -> None:
    for language in ("sv", "en"):
        page = get(whole_way, None, "text/html", lang=language)
        assert (page.status, page.kind) == (200, "text/html")
        assert f'<html lang="{language}">' in page.text
    page = get(whole_way, 'SELECT ("<script>" AS ?x) {}', "text/html")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "format=csv" in page.text
    assert "format=json" in page.text


def test_the_page_shows_a_thousand_rows_and_mentions_more(whole_way: Site) -> None:
    page = get(whole_way, "SELECT ?s { ?s ?p ?o } LIMIT 1001", "text/html", lang="en").text
    assert page.count("<tr>") == 1001
    assert "There are more" in page
    page = get(whole_way, "SELECT ?s { ?s ?p ?o } LIMIT 1000", "text/html", lang="en").text
    assert page.count("<tr>") == 1001
    assert "There are more" not in page


def test_the_page_shows_terms_without_syntax(whole_way: Site) -> None:
    query = r'SELECT * { VALUES (?a ?b ?c ?d) { ("tab\tand \"quote\"\nline"@sv <http://x/?a=1&b=2> 1.5 UNDEF) } }'
    page = get(whole_way, query, "text/html").text
    cells = ["tab\tand &#34;quote&#34;\nline", "http://x/?a=1&amp;b=2", "1.5", ""]
    assert "".join(f"<td>{cell}</td>" for cell in cells) in page


def test_the_page_shortens_a_geometry_of_150_000_characters(whole_way: Site) -> None:
    query = f'SELECT ("POLYGON(({"18.1 59.3, " * 14_000}))" AS ?wkt) {{}}'
    body = urllib.parse.urlencode({"query": query}).encode()
    page = post(whole_way, body, FORM, "text/html")
    assert page.status == 200
    # The page contains the query itself six times: in the editor, and in the links to its formats.
    assert page.text.count("59.3") < 6 * 14_000 + 100
    assert "…</td>" in page.text
    complete = post(whole_way, body, FORM, "text/csv")
    assert complete.text.count("59.3") == 14_000


def test_a_browser_gets_an_error_with_its_remedy_under_the_query(whole_way: Site) -> None:
    page = get(whole_way, "SELECT * { ?s skos:prefLabel ?o }", "text/html")
    assert page.status == 400
    assert "PREFIX skos: &lt;http://www.w3.org/2004/02/skos/core#&gt;" in page.text
    assert "SELECT * { ?s skos:prefLabel ?o }</textarea>" in page.text


@pytest.mark.parametrize(
    "accept", ["text/turtle", "application/ld+json", "application/n-triples", "application/rdf+xml"]
)
def test_the_service_description_is_available_in_all_formats(whole_way: Site, accept: str) -> None:
    response = get(whole_way, None, accept)
    assert (response.status, response.kind) == (200, accept)
    form = {"text/turtle": "turtle", "application/ld+json": "json-ld", "application/n-triples": "nt"}.get(accept, "xml")
    graph = rdflib.Graph().parse(data=response.text, format=form)
    sd = rdflib.Namespace("http://www.w3.org/ns/sparql-service-description#")
    (service,) = graph.subjects(rdflib.RDF.type, sd.Service)
    assert graph.value(service, sd.endpoint) == rdflib.URIRef(whole_way.url + "sparql")
    assert (service, sd.feature, sd.UnionDefaultGraph) in graph


@pytest.mark.parametrize("function", ["now()", "rand()", "struuid()", "UUID()", "\\u004eOW()"])
def test_functions_of_time_and_chance_are_evaluated_each_time(whole_way: Site, function: str) -> None:
    responses = [get(whole_way, f"SELECT ({function} AS ?it) {{}}", "text/csv") for _ in range(2)]
    if function.startswith("\\"):
        # An escape outside of strings and names is for the engine to refuse, or to replace.
        assert {one.status for one in responses} <= {200, 400}
    else:
        assert [one.status for one in responses] == [200, 200]
        assert responses[0].text != responses[1].text
    assert not any("ETag" in one.headers for one in responses)
    assert "ETag" in get(whole_way, 'SELECT ("now()" AS ?it) {}', "text/csv").headers


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/ld+json"),
        ("application/xml", "application/rdf+xml"),
        ("text/n3", "text/turtle"),
        ("application/x-turtle;q=0.9, application/json;q=0.1", "text/turtle"),
    ],
)
def test_general_media_types_select_a_graph_format(whole_way: Site, accept: str, kind: str) -> None:
    response = get(whole_way, SOME, accept)
    assert (response.status, response.kind) == (200, kind)


def test_turtle_has_the_prefixes_of_the_query(whole_way: Site) -> None:
    names = {"z": "http://www.w3.org/2004/02/skos/core#", "k": f"{whole_way.url}id/kpi/", "a": "http://x.example/"}
    # One is relative, and one is not a valid IRI.
    lines = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in names.items())
    lines += "PREFIX v: <ns#> PREFIX odd: <http://x.example/\\u00e5>\n"
    query = lines + "CONSTRUCT { k:tillit z:prefLabel ?l ; a v:Kpi } WHERE { k:tillit z:prefLabel ?l }"
    turtle = get(whole_way, query, "text/turtle").text
    head = [line for line in turtle.splitlines() if line.startswith("@prefix")]
    assert head == sorted(head)
    assert f"@prefix v: <{whole_way.url}ns#> ." in head
    assert "k:tillit z:prefLabel" in turtle.replace("\n\t", " ") or "k:tillit a v:Kpi" in turtle.replace("\n\t", " ")
    plain = get(whole_way, query, "application/n-triples").text
    one, two = (rdflib.Graph().parse(data=text, format=form) for text, form in ((turtle, "turtle"), (plain, "nt")))
    assert len(one) == 3
    assert set(one) == set(two)
    assert get(whole_way, lines + "CONSTRUCT WHERE { k:nothing z:prefLabel ?l }", "text/turtle").status == 200


@pytest.mark.parametrize("name", ["default-graph-uri", "named-graph-uri"])
@pytest.mark.parametrize("graph", ["", "id/reference", "http://a b/"])
def test_a_graph_is_named_by_its_absolute_iri(whole_way: Site, name: str, graph: str) -> None:
    response = get(whole_way, "ASK {}", **{name: graph})
    problem = json.loads(response.text)
    assert (response.status, "not the IRI of a graph" in problem["detail"]) == (400, True)
    assert name in problem["detail"]
    assert f"“{graph}”" in problem["detail"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("BASE <http://b.example/x/> PREFIX s: <core#>", "@prefix s: <http://b.example/x/core#> ."),
        ("PREFIX s: <ns#> BASE <http://b.example/>", "@prefix s: <{base}ns#> ."),
        ("BASE <http://b.example/> BASE <y/> PREFIX s: <z#>", "@prefix s: <http://b.example/y/z#> ."),
        ("PREFIX s: <http://one.example/> PREFIX s: <http://two.example/>", "@prefix s: <http://two.example/> ."),
    ],
)
def test_prefixes_are_resolved_against_the_preceding_base(whole_way: Site, lines: str, expected: str) -> None:
    response = get(whole_way, f"{lines} CONSTRUCT {{ s:a s:b 1 }} WHERE {{}}", "text/turtle")
    assert expected.format(base=whole_way.url) in response.text.splitlines()


@pytest.mark.parametrize("accept", ["application/rdf+xml", "application/sparql-results+xml"])
@pytest.mark.parametrize("text", ["\\u0001", "\\uFFFE", "\\u000B"])
def test_characters_not_allowed_in_xml_are_an_error(whole_way: Site, accept: str, text: str) -> None:
    is_graph = "rdf" in accept
    query = f'CONSTRUCT {{ <a:a> <a:b> "a{text}" }} {{}}' if is_graph else f'SELECT ("a{text}" AS ?a) {{}}'
    response = get(whole_way, query, accept)
    assert response.status == 400
    assert "XML can't hold" in json.loads(response.text)["detail"]
    assert get(whole_way, query, "text/turtle" if is_graph else RESULTS_JSON).status == 200


def test_a_property_without_an_xml_name_is_an_error(whole_way: Site) -> None:
    query = 'CONSTRUCT { <http://x/s> <http://x/1> "<oxprefix: a"; <http://x/a/> "m" } WHERE {}'
    assert get(whole_way, query, "application/rdf+xml").status == 400
    fine = 'CONSTRUCT { <http://x/s> <http://x/a> "<oxprefix: a\\t" } WHERE {}'
    assert len(rdflib.Graph().parse(data=get(whole_way, fine, "application/rdf+xml").text, format="xml")) == 1


# --- errors


def failed(site: Site, query: str = "SELECT * { ?s skos:prefLabel ?o }", **headers: str) -> requests.Response:
    headers_sent = {"Accept": RESULTS_JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    with requests.Session() as session:
        # requests sends a default Accept-Language otherwise.
        session.headers.clear()
        return session.get(site.url + "sparql", params={"query": query}, headers=headers_sent, timeout=60)


def test_errors_are_in_the_language_of_the_request(whole_way: Site) -> None:
    for language in ("sv", "sv-SE,sv;q=0.9,en;q=0.8"):
        swedish = failed(whole_way, Accept_Language=language)
        assert (swedish.status_code, swedish.headers["Content-Language"]) == (400, "sv")
        assert swedish.json()["title"] == "Frågan har ett syntaxfel"
        assert swedish.json()["detail"] == "Prefixet skos: är inte deklarerat."
    for headers in ({}, {"Accept_Language": "*"}, {"Accept_Language": "fr"}, {"Accept_Language": "en-GB,sv;q=0.5"}):
        english = failed(whole_way, **headers)
        assert english.headers["Content-Language"] == "en"
        assert english.json()["detail"] == "The prefix skos: is not declared."
        assert {"Accept", "Accept-Language"} <= {name.strip() for name in english.headers["Vary"].split(",")}
    assert "Accept-Language" not in failed(whole_way, "ASK {}").headers["Vary"]


def test_the_title_names_the_kind_of_error_and_the_detail_the_error(whole_way: Site) -> None:
    one, other = failed(whole_way, "SELECT * { ?s ?p }").json(), failed(whole_way, "SELECT ?s ?s {}").json()
    assert (one["type"], one["title"]) == (other["type"], other["title"])
    assert one["detail"] != other["detail"]


def test_a_line_that_repairs_a_query_is_a_field_of_the_error(whole_way: Site) -> None:
    line = failed(whole_way).json()["repair"]
    assert line == "PREFIX skos: <http://www.w3.org/2004/02/skos/core#>"
    assert failed(whole_way, f"{line} SELECT * {{ ?s skos:prefLabel ?o }} LIMIT 1").status_code == 200
    assert "repair" not in failed(whole_way, "SELECT * { ?s other:name ?o }").json()


def test_a_browser_gets_a_page_for_an_invalid_request(whole_way: Site) -> None:
    page = get(whole_way, "  ", "text/html")
    assert (page.status, page.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    faulty = get(whole_way, "SELECT * { ?s ?p }", "text/html", lang="sv").text
    assert "är inte tillåtet på rad 1, kolumn 18" in unescape(faulty)


def test_the_format_of_a_posted_query_may_be_in_the_url(whole_way: Site) -> None:
    form, direct = ("application/x-www-form-urlencoded", b"query=ASK%7B%7D"), ("application/sparql-query", b"ASK{}")
    for kind, body in (form, direct):
        response = post(whole_way, body, kind, parameters="?format=xml")
        assert response.headers["Content-Type"] == "application/sparql-results+xml"


def test_json_ld_writes_types_as_its_algorithm_does(whole_way: Site) -> None:
    query = "CONSTRUCT { ?s a ?class } { { SELECT ?s ?class { ?s a ?class } ORDER BY ?s ?class LIMIT 50 } }"
    nodes = json.loads(get(whole_way, query, "application/ld+json").text)
    assert nodes
    assert all(node.keys() == {"@id", "@type"} for node in nodes)


@pytest.mark.parametrize("query", ["CONSTRUCT WHERE { ?s ?p ?o FILTER(?o > 1) }", "DESCRIBE"])
def test_a_syntax_error_is_reported_whatever_format_was_requested(whole_way: Site, query: str) -> None:
    assert failed(whole_way, query).status_code == 400
    assert failed(whole_way, "CONSTRUCT WHERE { ?s ?p ?o }").status_code == 406
