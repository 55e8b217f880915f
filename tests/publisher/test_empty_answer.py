"""Why an answer is empty, told from a real store: the piece at fault, and the remedy where the data know one."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import pytest

from tests.publisher.test_sparql_query_tree import queries
from vaven.publisher.engine.cache import CachedEngine
from vaven.publisher.engine.interface import QueryRequest
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.explain.empty_answer import EmptyReason, EmptyResultExplanation, explain
from vaven.publisher.explain.suggestions import KnownTerms, Suggestion
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.sparql.lexer import query_form
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryRefused, QuerySyntaxError, QueryTooMany
from vaven.vocab.iris import Iris

IRIS = Iris("http://site.example/")
JSON = "application/sparql-results+json"
TRIPLES_TYPE = "application/n-triples"
SHORT = {
    "<S": "<http://site.example/",
    "<V": "<http://voc.example/ns#",
    "<X": "<http://www.w3.org/2001/XMLSchema#",
    "<TYPE>": "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>",
}
TRIPLES = {
    "people": """
        <Sid/kpi/tillit> <Vlabel> "Trygghet"@sv .
        <Sid/kpi/tillit> <Vlabel> "Andel som känner tillit" .
        <Sid/kpi/tillit> <Vyear> "2023"^^<XgYear> .
        <Sid/kpi/tillit> <TYPE> <VKpi> .
        <Sid/o/1> <Vkpi> <Sid/kpi/tillit> .
        <Sid/o/1> <Vvalue> "7"^^<Xinteger> .
        <Sid/o/2> <Vkpi> <Sid/kpi/annat> .
        <Sid/o/2> <Vnote> "x" .
    """,
    "other": """
        <Sid/o/3> <Varea> "A" .
        <Sid/o/3> <Vperiod> <http://time.example/2023> .
    """,
}  # fmt: skip
KNOWN = KnownTerms(
    tuple(f"http://voc.example/ns#{name}" for name in ("label", "year", "kpi", "value", "note", "area", "period")),
    ("http://voc.example/ns#Kpi",),
    ("http://site.example/id/kpi/tillit", "http://site.example/id/kpi/annat"),
)
PREFIX = "PREFIX v: <http://voc.example/ns#>\nPREFIX xsd: <http://www.w3.org/2001/XMLSchema#>\n"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CachedEngine]:
    home = tmp_path_factory.mktemp("emptiness")
    graphs: dict[str, list[Path]] = {}
    for name, text in TRIPLES.items():
        written = reduce(lambda given, short: given.replace(short, SHORT[short]), SHORT, text)
        (home / f"{name}.nt").write_text(written, "utf-8")
        graphs[f"http://site.example/id/dataset/{name}"] = [home / f"{name}.nt"]
    EmbeddedStore(home / "graph").replace(graphs, contents={})
    found = CachedEngine(EmbeddedEngine(home / "graph", iris=IRIS, seconds=20.0), room=1 << 20, patience=20.0)
    yield found
    found.close()


def told(engine: CachedEngine, query: str, seconds: float = 20.0, **graphs: tuple[str, ...]) -> EmptyResultExplanation:
    question = QueryRequest(PREFIX + query, JSON, client="test", **graphs)  # type: ignore[arg-type]
    return explain(engine, question, seconds, IRIS, lambda: KNOWN)


def found(engine: CachedEngine, query: str, **graphs: tuple[str, ...]) -> EmptyReason:
    """The one reason why a query is empty."""
    emptiness = told(engine, query, **graphs)
    assert (emptiness.answer, emptiness.is_least) == ("empty", True)
    (finding,) = emptiness.findings
    return finding


def remedy(engine: CachedEngine, query: str, **graphs: tuple[str, ...]) -> Suggestion:
    (given,) = found(engine, query, **graphs).remedies
    return given


GOOD = "?o v:kpi ?k . ?k v:label ?l"


@pytest.mark.parametrize(
    ("query", "reason", "pieces"),
    [
        (f"SELECT * {{ {GOOD} . ?k v:none ?x . ?k v:nil ?y }}", "pattern", ["?k v:none ?x"]),
        ("SELECT * { ?o v:kpi [ v:label ?l ; v:none ?x ] }", "pattern", ["[] v:none ?x"]),
        ("SELECT * { ?o v:kpi ?k . { ?k v:label ?l . ?k v:none ?x } }", "pattern", ["?k v:none ?x"]),
        ("SELECT * { ?o v:kpi ?k . GRAPH ?g { ?k v:none ?x } }", "pattern", ["?k v:none ?x"]),
        ("SELECT * { ?o v:kpi ?k . { SELECT ?k { ?k v:none ?x } } }", "pattern", ["?k v:none ?x"]),
        (f"SELECT * {{ {GOOD} FILTER EXISTS {{ ?k v:none ?x }} }}", "pattern", ["?k v:none ?x"]),
        ("SELECT * { GRAPH v:nowhere { ?s ?p ?o } }", "graph", ["v:nowhere"]),
        ("SELECT * { ?o v:kpi ?k VALUES ?x {} }", "values", ["VALUES ?x {}"]),
        (f"SELECT * {{ {GOOD} . ?o v:note ?n . ?x v:area ?a }}", "join",
            ["?o v:note ?n", "?o v:kpi ?k", "?k v:label ?l"]),
        (f"SELECT * {{ {GOOD} . ?o v:area ?a }}", "join", ["?o v:area ?a", "?o v:kpi ?k"]),
        ("SELECT * { ?o v:note ?n OPTIONAL { ?o v:kpi ?k } ?k v:label ?l }", "join",
            ["?k v:label ?l", "?o v:note ?n", "OPTIONAL { ?o v:kpi ?k }"]),
        ("SELECT * { ?o v:kpi ?k MINUS { ?o v:kpi ?x } ?k v:label ?l }", "minus", ["MINUS { ?o v:kpi ?x }"]),
        (f"SELECT * {{ {GOOD} FILTER (?l != 'a') FILTER (?l = 'b') }}", "filter", ["FILTER (?l = 'b')"]),
        (f"SELECT * {{ {GOOD} FILTER NOT EXISTS {{ ?o v:kpi ?x }} }}", "not-exists",
            ["FILTER NOT EXISTS { ?o v:kpi ?x }"]),
        (f"SELECT * {{ {GOOD} FILTER EXISTS {{ ?o v:area ?x }} }}", "exists", ["FILTER EXISTS { ?o v:area ?x }"]),
        (f"SELECT * {{ {GOOD} FILTER (lang(?l) = 'sv') FILTER (lang(?l) = '') }}", "filters",
            ["FILTER (lang(?l) = '')", "FILTER (lang(?l) = 'sv')"]),
        ("SELECT ?k (COUNT(*) AS ?n) { ?o v:kpi ?k } GROUP BY ?k HAVING (?n > 9)", "having", ["HAVING (?n > 9)"]),
        ("SELECT * { ?o v:kpi ?k } VALUES ?k { v:no }", "rows", ["VALUES ?k { v:no }"]),
        ("SELECT * { ?o v:kpi ?k } ORDER BY ?k LIMIT 0", "limit", ["LIMIT 0"]),
        ("SELECT * { ?o v:kpi ?k } ORDER BY ?k OFFSET 2", "offset", ["OFFSET 2"]),
        ("CONSTRUCT { ?o v:x ?zz } { ?o v:kpi ?k }", "template", []),
        ("DESCRIBE ?l { ?k v:label ?l }", "described", []),
        ("DESCRIBE v:nothing", "resource", ["v:nothing"]),
        ("ASK { ?k v:none ?x }", "pattern", ["?k v:none ?x"]),
    ],
)  # fmt: skip
def test_the_piece_at_fault_is_found(engine: CachedEngine, query: str, reason: str, pieces: list[str]) -> None:
    finding = found(engine, query)
    assert (finding.reason, [piece.text for piece in finding.pieces]) == (reason, pieces)


def test_each_branch_of_a_union_is_told(engine: CachedEngine) -> None:
    emptiness = told(engine, "SELECT * { { ?a v:none ?b } UNION { ?a v:kpi ?b FILTER (?b = 1) } }")
    assert [finding.reason for finding in emptiness.findings] == ["pattern", "filter"]


def test_places_are_those_in_the_query(engine: CachedEngine) -> None:
    (piece,) = found(engine, "SELECT * {\n  ?o v:kpi ?k ;\n     v:none ?x .\n}").pieces
    assert (piece.line, piece.column, piece.end_line, piece.end_column) == (5, 6, 5, 15)


def test_beyond_the_end_the_rows_are_counted(engine: CachedEngine) -> None:
    assert found(engine, "SELECT DISTINCT ?k { ?o v:kpi ?k } OFFSET 5").count == 2


@pytest.mark.parametrize(
    ("pattern", "kind", "instead"),
    [
        ('?k v:label "Trygghet"', "language", '"Trygghet"@sv'),
        ('?k v:label "Trygghet"@en', "language", '"Trygghet"@sv'),
        ('?k v:label "trygghet"@sv', "letters", '"Trygghet"@sv'),
        ('?k v:year "2023"', "datatype", '"2023"^^xsd:gYear'),
        ("?k v:year 2023", "datatype", '"2023"^^xsd:gYear'),
        ('?o v:value "7"', "datatype", '"7"^^xsd:integer'),
        ("?o v:kpis ?k", "nearest", "v:kpi"),
        ("?o v:kip ?k", "nearest", "v:kpi"),
        ("?k a v:KPI", "letters", "v:Kpi"),
        ("?k a v:Kpii", "nearest", "v:Kpi"),
        ("?o v:kpi <id/kpi/Tillit>", "letters", "<id/kpi/tillit>"),
        ("?o v:kpi <id/kpi/tilit>", "nearest", "<id/kpi/tillit>"),
        ("?o v:kpi <id/kpi/tillit/>", "ending", "<http://site.example/id/kpi/tillit>"),
        ("?o v:kpi <https://site.example/id/kpi/tillit>", "scheme", "<http://site.example/id/kpi/tillit>"),
        ("?o v:kpi <http://localhost:8000/id/kpi/tillit>", "base", "<http://site.example/id/kpi/tillit>"),
        ("?o v:period <https://time.example/2023>", "scheme", "<http://time.example/2023>"),
        ("<id/kpi/Tillit> v:label ?l", "letters", "<id/kpi/tillit>"),
        ("?o v:kpi/v:lable ?l", "nearest", "v:label"),
        ('?k v:label ?l FILTER (?l = "Trygghet")', "language", '"Trygghet"@sv'),
        ("?o v:kpi ?k FILTER (?k IN (v:x, <id/kpi/Tillit>))", "letters", "<id/kpi/tillit>"),
        ("?o v:kpi ?k VALUES ?k { <id/kpi/Tillit> }", "letters", "<id/kpi/tillit>"),
    ],
)
def test_what_may_have_been_meant_gives_rows_when_written(
    engine: CachedEngine, pattern: str, kind: str, instead: str
) -> None:
    query = f"SELECT * {{ {pattern} }}"
    given = remedy(engine, query)
    assert given.piece is not None
    if kind != "ending":
        assert (given.kind, given.text) == (kind, instead)
    assert told(engine, mended(query, given)).answer == "not-empty"


def mended(query: str, given: Suggestion) -> str:
    """The query with the piece replaced, as the editor's button does it."""
    piece = given.piece
    assert piece is not None
    lines = (PREFIX + query).split("\n")
    line = lines[piece.line - 1]
    assert line[piece.column - 1 : piece.end_column - 1] == piece.text
    lines[piece.line - 1] = line[: piece.column - 1] + given.text + line[piece.end_column - 1 :]
    return "\n".join(lines).removeprefix(PREFIX)


@pytest.mark.parametrize(
    "namespace", ["https://voc.example/ns#", "http://voc.example/ns/", "http://elsewhere.example/"]
)
def test_a_prefix_declared_wrong_is_mended_where_it_is_declared(engine: CachedEngine, namespace: str) -> None:
    query = f"PREFIX w: <{namespace}> SELECT * {{ ?k w:label ?l }}"
    given = remedy(engine, query)
    assert (given.kind, given.text) == ("prefix", "<http://voc.example/ns#>")
    assert told(engine, mended(query, given)).answer == "not-empty"


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("SELECT * { ?o v:nonsensical ?k }", "no-property", {"term": "v:nonsensical"}),
        ("SELECT * { ?o a v:Nonsensical }", "no-class", {"term": "v:Nonsensical"}),
        ("SELECT * { v:nonsensical v:kpi ?k }", "no-thing", {"term": "v:nonsensical"}),
        ("SELECT * { ?k v:year 1999 }", "values", {"property": "v:year", "values": '"2023"^^xsd:gYear'}),
        ('SELECT * { ?k v:label "tillit" }', "within", {"values": '"Andel som känner tillit"'}),
        ('SELECT * { <id/o/1> v:kpi <id/kpi/annat> }', "values", {"values": "<http://site.example/id/kpi/tillit>"}),
        ("SELECT * { <id/o/2> v:value ?x }", "properties", {"term": "<id/o/2>"}),
        ("SELECT * { ?o v:kpi ?key FILTER (?kei = 1) }", "unbound-nearest", {"variable": "?kei", "nearest": "?key"}),
        ("SELECT * { ?o v:kpi ?key { ?k v:label ?l FILTER (?key = ?k) } }", "unbound", {"variable": "?key"}),
        ("SELECT * { ?o v:value ?v FILTER (?v > 10) }", "samples", {"variable": "?v", "values": "7"}),
        ("SELECT * { ?o v:note ?n . ?x v:area ?n }", "apart", {"variable": "?n", "here": '"x"', "there": '"A"'}),
    ],
)  # fmt: skip
def test_what_the_data_have_is_said(engine: CachedEngine, query: str, kind: str, words: dict[str, str]) -> None:
    given = remedy(engine, query)
    assert (given.kind, given.given | words) == (kind, given.given)


@pytest.mark.parametrize(
    ("query", "graphs", "kind"),
    [
        ("SELECT * { GRAPH <id/dataset/other> { ?o v:kpi ?k } }", {}, "other-graph"),
        ("SELECT * { GRAPH <id/dataset/none> { ?o v:kpi ?k } }", {}, "other-graph"),
        ("SELECT * FROM <id/dataset/other> { ?o v:kpi ?k }", {}, "other-dataset"),
        ("SELECT * FROM NAMED <id/dataset/people> { ?o v:kpi ?k }", {}, "other-dataset"),
        ("SELECT * { ?o v:kpi ?k }", {"default_graphs": ("http://site.example/id/dataset/other",)}, "other-dataset"),
    ],
)
def test_another_graph_has_it(engine: CachedEngine, query: str, graphs: dict[str, tuple[str, ...]], kind: str) -> None:
    given = remedy(engine, query, **graphs)
    assert (given.kind, given.given["graphs"]) == (kind, "<http://site.example/id/dataset/people>")


def test_codes_that_differ_in_a_figure_are_not_taken_for_each_other(engine: CachedEngine) -> None:
    known = KnownTerms(things=("http://site.example/id/o/1",))
    question = QueryRequest(f"{PREFIX}SELECT * {{ <id/o/9> v:kpi ?k }}", JSON)
    (given,) = explain(engine, question, 20.0, IRIS, lambda: known).findings[0].remedies
    assert given.kind == "no-thing"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * {{ {GOOD} }}",
        "SELECT (COUNT(*) AS ?n) { ?o v:kpi ?k }",
        "ASK { ?o v:kpi ?k }",
        "CONSTRUCT { ?o v:x ?k } { ?o v:kpi ?k }",
        "DESCRIBE <id/o/1> v:nothing",
        "SELECT * {}",
    ],
)
def test_of_a_query_that_is_not_empty_it_is_said(engine: CachedEngine, query: str) -> None:
    emptiness = told(engine, query)
    assert emptiness.answer == "not-empty"
    assert emptiness.findings == ()


def test_a_count_of_nothing_is_explained_too(engine: CachedEngine) -> None:
    emptiness = told(engine, "SELECT (COUNT(*) AS ?n) { ?o v:none ?k }")
    assert (emptiness.answer, [f.reason for f in emptiness.findings]) == ("aggregate", ["pattern"])


HARD = " . ".join(f"?a{i} ?b{i} ?c{i}" for i in range(12))


def test_what_is_too_hard_ends_in_time_and_says_so(engine: CachedEngine) -> None:
    began = time.monotonic()
    emptiness = told(engine, f"SELECT * {{ {HARD} FILTER (?a0 = ?c11 && ?a1 = ?b11) }}", 3.0)
    assert emptiness.answer == "unfinished"
    assert emptiness.seconds < 4.0
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "query", ["SELECT * { ?k v:none ?x }", "DESCRIBE v:nothing", "CONSTRUCT { ?o v:x ?zz } { ?o v:kpi ?k }"]
)
def test_without_time_it_is_unfinished_and_no_error(engine: CachedEngine, query: str) -> None:
    assert told(engine, query, 0.001) == EmptyResultExplanation("unfinished", (), 0, pytest.approx(0, abs=5))  # type: ignore[arg-type]


def test_an_easy_reason_is_found_in_a_hard_query(engine: CachedEngine) -> None:
    emptiness = told(engine, f"SELECT * {{ {HARD} FILTER (?a0 = ?c11 && ?a1 = ?b11) ?k v:none ?x }}", 6.0)
    assert emptiness.answer == "empty"
    assert [piece.text for piece in emptiness.findings[0].pieces] == ["?k v:none ?x"]


def test_what_is_no_query_is_an_error_with_its_place(engine: CachedEngine) -> None:
    with pytest.raises(QuerySyntaxError) as error:
        told(engine, "SELECT * {\n ?s ?p }")
    assert error.value.line == 4
    with pytest.raises(QueryRefused):
        told(engine, "SELECT * { SERVICE <http://x/> { ?s ?p ?o } }")


def test_what_is_not_taken_apart_is_said_and_not_guessed(engine: CachedEngine) -> None:
    assert told(engine, "SELECT * { ?o v:none ?k . LATERAL { ?k v:label ?l } }").answer == "not-understood"


def test_every_reduced_query_counts_as_one_of_the_client(engine: CachedEngine) -> None:
    asked: list[str] = []

    def admit(client: str) -> None:
        asked.append(client)
        if len(asked) > 3:
            raise QueryTooMany(query_message("waiting"), remedy=query_message("again.remedy"))

    limited = CachedEngine(engine, room=0, patience=20.0, admit=admit)
    with pytest.raises(QueryTooMany):
        told(limited, f"SELECT * {{ {GOOD} . ?o v:area ?a }}")
    assert asked == ["test"] * 4


def test_another_clients_equal_question_does_not_end_with_a_shorter_one(engine: CachedEngine) -> None:
    short = QueryRequest(f"{PREFIX}SELECT * {{ {GOOD} }}", JSON, seconds=5.0)
    assert short == QueryRequest(short.query, JSON), "so that its answer is kept for both"
    answer = engine.ask(short)
    assert len(json.load(answer.file)["results"]["bindings"]) == 2
    answer.close()


def test_of_the_w3c_queries_every_empty_one_has_its_reason_and_no_other(engine: CachedEngine, shared: Path) -> None:
    """Against our data most of them find nothing; what is said must be what their answers say."""
    told_of: Counter[str] = Counter()
    odd = []
    for query in queries(shared):
        question = QueryRequest(query, TRIPLES_TYPE if is_graph(query) else JSON)
        emptiness = explain(engine, question, 20.0, IRIS, lambda: KNOWN)
        told_of[emptiness.answer] += 1
        has_none = is_empty(engine, question)
        is_right = emptiness.answer in (("empty",) if has_none else ("not-empty", "aggregate"))
        if not is_right or bool(emptiness.findings) == (emptiness.answer == "not-empty"):
            odd.append((query, emptiness))
    assert odd == []
    assert told_of["empty"] > 150
    assert told_of["not-empty"] > 50


def is_graph(query: str) -> bool:
    return query_form(query) in ("CONSTRUCT", "DESCRIBE")


def is_empty(engine: CachedEngine, question: QueryRequest) -> bool:
    answer = engine.ask(question)
    text = answer.file.read()
    answer.close()
    if is_graph(question.query):
        return not text
    found = json.loads(text)
    return not (found["boolean"] if "boolean" in found else found["results"]["bindings"])
