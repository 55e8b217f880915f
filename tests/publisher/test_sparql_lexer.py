"""Guarantees of the lexer: SERVICE is found in every spelling, and no other token is taken for it."""

import random
import time
from collections.abc import Iterator

import pytest
from pyoxigraph import Literal, NamedNode, Quad, Store

from tests.servers.listener import Listener
from vaven.publisher.sparql.lexer import DecodedQuery, check_allowed, compact, escape_service, tokens
from vaven.vocab.errors import QueryRefused

FUZZED_QUERIES = 6_000

# Each of these made Oxigraph 0.5.13 connect to LISTENER when run unchanged.
REFUSED = [
    "SELECT * { SERVICE <LISTENER> { ?s ?p ?o } }",
    "SELECT * { sErViCe SILENT <LISTENER> { ?s ?p ?o } }",
    "SELECT * { SERVICESILENT<LISTENER> { ?s ?p ?o } }",
    "SELECT * { SERVICE # a comment {\n <LISTENER> { ?s ?p ?o } }",
    "SELECT * { ?s ?p ?o # x\rSERVICE <LISTENER> { ?s ?p ?o } }",
    "SELECT * { ?s ?p ?o.SERVICE <LISTENER> { ?s ?p ?o } }",
    "SELECT * { ?s ?p ?o MINUS{SERVICE<LISTENER>{ ?s ?p ?o } } }",
    "SELECT * { ?s ?p 1SERVICE <LISTENER> { ?s ?p ?o } }",
    "SELECT * { ?s ?p trueSERVICE <LISTENER> { ?s ?p ?o } }",
    "PREFIX : <LISTENER> SELECT * { ?s ?p true.SERVICE:x { ?s ?p ?o } }",
    "PREFIX : <LISTENER> SELECT * { SERVICE:x { ?s ?p ?o } }",
    "PREFIX : <LISTENER> SELECT * { SERVICE:x # {\n{ ?s ?p ?o } }",
    "PREFIX : <LISTENER> SELECT * { SERVICESILENT:x { ?s ?p ?o } }",
    "PREFIX a: <LISTENER> SELECT * { SERVICEa:x { ?s ?p ?o } }",
    "SELECT * { VALUES ?x { <LISTENER> } SERVICE ?x { ?s ?p ?o } }",
    "SELECT * { { SELECT * { SERVICE <LISTENER> { ?s ?p ?o } } } }",
    "SELECT * { ?s ?p ?o FILTER NOT EXISTS { SERVICE <LISTENER> { ?s ?p ?o } } }",
    "SELECT * { LATERAL { SERVICE <LISTENER> { ?s ?p ?o } } }",
    'SELECT * { OPTIONAL { ?s ?p "a\\u0022b" . } SERVICE <LISTENER> { ?s ?p ?o } } #"',
    'SELECT * { OPTIONAL { ?s ?p "a\\u005C" . } SERVICE <LISTENER> { ?s ?p ?o } } #"',
    "CONSTRUCT { ?s ?p ?o } { SERVICE <LISTENER> { ?s ?p ?o } }",
]
# Here Oxigraph reads an operator where the standard's longest match is an IRI. Escaped, they are invalid queries.
DISARMED = [
    "SELECT * { ?s ?p ?o FILTER(1<2)SERVICE#>\n<LISTENER> { ?s ?p ?o } }",
    "SELECT * { ?s ?p ?z BIND(1<2AS?q)SERVICE#>\n<LISTENER> { ?s ?p ?o } }",
    "SELECT * { ?s ?p ?o FILTER('a'<'x>y')SERVICE <LISTENER> { ?s ?p ?o } } #'",
    "SELECT * { ?s ?p ?o FILTER(1<2#>'''\n)SERVICE <LISTENER> { ?s ?p ?o } } #'''",
]
ACCEPTED = [
    "SELECT * { ?s ?p 'SERVICE' } # SERVICE <x> {",
    'SELECT ?SERVICE { ?SERVICE ?p """a service\n"SERVICE" <x> { """ }',
    "PREFIX service: <http://x/> SELECT * { ?s service:SERVICE <http://x/SERVICE#service> }",
    "PREFIX x: <http://x/service#> SELECT * { ?s x:service ?o ; x:a.SERVICE ?q }",
    "BASE <http://x/service/> SELECT * { ?s ?p <service> FILTER(?s = 'it\\'s service') }",
    "SELECT * { _:SERVICE ?p 'x'@en-SERVICE } LIMIT 1",
    "SELECT * { ?s <http://x/caf\\u00E9/service> ?o }",
]
UPDATES = [
    "INSERT DATA { <a:b> <a:b> <a:b> }",
    "PREFIX select: <a:b> DELETE WHERE { ?s ?p ?o }",
    "# SELECT\nWITH <a:b> DELETE { ?s ?p ?o } INSERT { ?s ?p ?o } WHERE { ?s ?p ?o }",
    "LOAD <http://x/>",
    "clear all",
    "DROP SILENT GRAPH <a:b>",
    "CREATE GRAPH <a:b>",
    "COPY DEFAULT TO <a:b>",
    "MOVE <a:b> TO <a:c>",
    "ADD <a:b> TO <a:c>",
    "\\u0049NSERT DATA { <a:b> <a:b> <a:b> }",
]


class CalledListener(Listener):
    """A listener with an engine that could connect to it."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        for value in (Literal(1), Literal(True), Literal("SERVICE"), NamedNode("http://x/SERVICE")):
            self.store.add(Quad(NamedNode("a:a"), NamedNode("a:b"), value, NamedNode("a:g")))

    def is_called_by(self, query: str) -> bool:
        """Return whether the engine tries to call out: it connects, or complains about the service's name."""
        before = self.connections
        try:
            list(self.store.query(query, use_default_graph_as_union=True))  # type: ignore[arg-type]
        except SyntaxError:
            return False
        except RuntimeError as error:
            return "service" in str(error)
        except OSError:
            time.sleep(0.01)
        return self.connections > before


@pytest.fixture(scope="module")
def listener() -> Iterator[CalledListener]:
    called_listener = CalledListener()
    yield called_listener
    called_listener.close()


@pytest.mark.parametrize("text", REFUSED)
def test_service_is_refused_in_every_spelling_the_engine_accepts(listener: CalledListener, text: str) -> None:
    query = text.replace("LISTENER", listener.address)
    with pytest.raises(QueryRefused, match="SERVICE"):
        check_allowed(query)


def test_the_engine_would_call_each_refused_query(listener: CalledListener) -> None:
    harmless = [t for t in REFUSED + DISARMED if not listener.is_called_by(t.replace("LISTENER", listener.address))]
    assert harmless == []


@pytest.mark.parametrize("text", DISARMED)
def test_a_query_parsed_differently_by_the_engine_makes_no_connection(listener: CalledListener, text: str) -> None:
    query = text.replace("LISTENER", listener.address)
    check_allowed(query)
    for sent in (query, DecodedQuery(query).text, compact(query)):
        assert not listener.is_called_by(escape_service(sent))


@pytest.mark.parametrize("query", ACCEPTED)
def test_the_word_service_elsewhere_is_accepted_and_keeps_its_meaning(listener: CalledListener, query: str) -> None:
    check_allowed(query)
    expected = sorted(map(str, listener.store.query(query, use_default_graph_as_union=True)))  # type: ignore[arg-type]
    solutions = sorted(map(str, listener.store.query(escape_service(query), use_default_graph_as_union=True)))  # type: ignore[arg-type]
    assert solutions == expected


def test_an_escaped_string_still_matches_its_triples(listener: CalledListener) -> None:
    for query in ("SELECT * { ?s ?p 'SERVICE' }", "SELECT * { ?s ?p <http://x/SERVICE> }"):
        assert escape_service(query) != query
        assert len(list(listener.store.query(escape_service(query), use_default_graph_as_union=True))) == 1  # type: ignore[arg-type]


# Openings and closings of strings, comments, IRIs, groups and expressions, and halves of them.
FRAGMENTS = (
    "?s ?p ?o",
    " . ",
    "FILTER(1<2)",
    "FILTER(1<2#>",
    "FILTER(?s<'x>y')",
    "'",
    "'''",
    '"',
    '"""',
    "#",
    "\n",
    ">",
    "<",
    "\\u0022",
    "\\u0027",
    "\\u003E",
    "\\",
    "true",
    "OPTIONAL{",
    "}",
    "GRAPH ",
    "?x",
    "<a:b>",
    "<a:'#>",
    "'x'",
    "'a>'",
    '"a#"',
    "BIND(1<2AS?q)",
    "a:b",
    "FILTER",
    "(",
    ")",
    "1<",
    "2#>",
    "{",
    "a:b.",
    "@en",
    ";",
    "MINUS{",
    "VALUES ?z {1}",
    "UNION",
    "1 ",
    "FILTER(?o<?o&&?o>",
    "\\'",
    "^^",
)
# fmt: on


def hostile_query(rng: random.Random, address: str) -> str:
    """Return a query with SERVICE between fragments that open and close strings, comments, IRIs and expressions."""
    word = rng.choice(["SERVICE", "service SILENT", "SERVICESILENT", "\\u0053ERVICE", "SERVICE:x", "trueSERVICEa:x"])
    target = "" if word.endswith(":x") else rng.choice([f"<{address}>", "?t", "a:x"])
    before = "".join(rng.choices(FRAGMENTS, k=rng.randint(0, 5)))
    gap = rng.choice(["", " ", "\n", "#>\n", "#'''\n"])
    after = rng.choice(["}", "} #'", "} #'''", '} #"', "} #>", "}}"])
    first = rng.choice(["", "?s ?p ?o ", "?s ?p true"])
    prologue = f"PREFIX : <{address}> PREFIX a: <{address}> PREFIX SERVICE: <{address}> "
    return f"{prologue}SELECT * {{ {first}{before}{word}{gap}{target} {{ ?s ?p ?o }} {after}"


def test_no_accepted_random_query_makes_a_connection(listener: CalledListener) -> None:
    rng = random.Random(20261123)
    called = 0
    for _ in range(FUZZED_QUERIES):
        query = hostile_query(rng, listener.address)
        try:
            check_allowed(query)
        except QueryRefused:
            called += listener.is_called_by(query) if called < 100 else 0
            continue
        for sent in {query, DecodedQuery(query).text, DecodedQuery(compact(query)).text}:
            assert not listener.is_called_by(escape_service(sent)), query
    assert called == 100, "the scraps make queries that the engine would have called out for"


@pytest.mark.parametrize("query", UPDATES)
def test_updates_are_refused(query: str) -> None:
    with pytest.raises(QueryRefused, match="changes data"):
        check_allowed(query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ASK { ?\\u0061rea a\\u003Ab ?\\U000000E5r }", "ASK { ?area a:b ?år }"),
        ("\\u0041\\u0053K\\u007B }", "ASK{ }"),
        ("ASK { ?s ?p <http://x/caf\\u00e9> , 'caf\\u00E9' } # \\u0041", "ASK { ?s ?p <http://x/café> , 'café' } # A"),
        # These would end the string, or change it.
        (r"ASK { ?s ?p '\u0027', '\u005c', '\u000A' }", r"ASK { ?s ?p '\u0027', '\u005c', '\u000A' }"),
        (r"ASK { ?s ?p 'C:\\u0041', '\t\u0041' }", r"ASK { ?s ?p 'C:\\u0041', '\tA' }"),
        # No characters (surrogates, beyond Unicode), and no escapes.
        (r"ASK { ?s ?p '\uD800\UFFFFFFFF\u00\q' }", r"ASK { ?s ?p '\uD800\UFFFFFFFF\u00\q' }"),
    ],
)
def test_escapes_are_replaced_before_the_query_is_parsed(query: str, text: str) -> None:
    decoded = DecodedQuery(query)
    assert decoded.text == text
    assert decoded.written(0, len(text)) == query
    assert DecodedQuery(text).text == text, "replacing is idempotent"
    lines = query.split("\n")
    for token in decoded.tokens():
        written = decoded.written(token.start, token.end)
        assert lines[token.line - 1][token.column - 1 :].startswith(written)
        assert DecodedQuery(written).text.upper() == token.text.upper()


def test_the_position_of_a_refusal_counts_lines_and_columns_from_one() -> None:
    with pytest.raises(QueryRefused, match="line 3, column 5"):
        check_allowed('SELECT * {\n ?s ?p """a\nb" SERVICE SERVICE <a:b> {} }'.replace('b" ', 'b"""'))
    token_list = [(t.kind, t.text, t.line, t.column) for t in tokens("SELECT ?x # no\r\n{ a:b 'c\\'' }")]
    assert token_list[0] == ("word", "SELECT", 1, 1)
    assert token_list[2:5] == [("mark", "{", 2, 1), ("prefixed", "a:b", 2, 3), ("string", "'c\\''", 2, 7)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scrap", ["a.", "a-", "a", '"', "'''\"\"\"", '\\"""', "<a", "_:a.", ":a.", "@a-", "#", "1e"])
def test_lexing_is_linear_in_the_length_of_the_query(scrap: str) -> None:
    # Before prefixes were bounded, 200,000 characters of "a.a.a.…" took 191 seconds.
    query = "SELECT * { " + scrap * (200_000 // len(scrap))
    # With that word, all tokens are read.
    check_allowed(query + " #service")
