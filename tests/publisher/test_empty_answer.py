"""Explanations of empty results from a real store: the failing node, and a suggestion from the data."""

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
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.query_facts import read_facts
from vaven.vocab.errors import QueryRefused, QuerySyntaxError, QueryTooMany
from vaven.vocab.iris import Iris

IRIS = Iris("http://site.example/")
JSON = "application/sparql-results+json"
TRIPLES_TYPE = "application/n-triples"
ABBREVIATIONS = {
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
        <Sid/m/1> <Vshare> ""^^<https://cube.link/Undefined> .
        <Sid/m/2> <Vshare> "50"^^<Xinteger> .
        <Sid/m/1> <Vgap> ""^^<https://cube.link/Undefined> .
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
        written = reduce(lambda triples, short: triples.replace(short, ABBREVIATIONS[short]), ABBREVIATIONS, text)
        (home / f"{name}.nt").write_text(written, "utf-8")
        graphs[f"http://site.example/id/dataset/{name}"] = [home / f"{name}.nt"]
    EmbeddedStore(home / "graph", Iris("http://example.org/")).replace(graphs, contents={})
    cached_engine = CachedEngine(
        EmbeddedEngine(home / "graph", iris=IRIS, seconds=20.0), max_bytes=1 << 20, wait_seconds=20.0
    )
    yield cached_engine
    cached_engine.close()


def explained(
    engine: CachedEngine, query: str, seconds: float = 20.0, **graphs: tuple[str, ...]
) -> EmptyResultExplanation:
    request = QueryRequest(PREFIX + query, JSON, client="test", **graphs)  # type: ignore[arg-type]
    return explain(engine, request, seconds, IRIS, lambda: KNOWN)


def only_reason(engine: CachedEngine, query: str, **graphs: tuple[str, ...]) -> EmptyReason:
    """Return the only reason for an empty result."""
    explanation = explained(engine, query, **graphs)
    assert (explanation.outcome, explanation.is_minimal) == ("empty", True)
    (finding,) = explanation.findings
    return finding


def only_suggestion(engine: CachedEngine, query: str, **graphs: tuple[str, ...]) -> Suggestion:
    (only_suggestion,) = only_reason(engine, query, **graphs).suggestions
    return only_suggestion


GOOD = "?o v:kpi ?k . ?k v:label ?l"


@pytest.mark.parametrize(
    ("query", "reason", "nodes"),
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
def test_the_failing_node_is_found(engine: CachedEngine, query: str, reason: str, nodes: list[str]) -> None:
    finding = only_reason(engine, query)
    assert (finding.reason, [node.text for node in finding.nodes]) == (reason, nodes)


def test_each_branch_of_a_union_is_explained(engine: CachedEngine) -> None:
    explanation = explained(engine, "SELECT * { { ?a v:none ?b } UNION { ?a v:kpi ?b FILTER (?b = 1) } }")
    assert [finding.reason for finding in explanation.findings] == ["pattern", "filter"]


def test_positions_are_those_in_the_query(engine: CachedEngine) -> None:
    (node,) = only_reason(engine, "SELECT * {\n  ?o v:kpi ?k ;\n     v:none ?x .\n}").nodes
    assert (node.line, node.column, node.end_line, node.end_column) == (5, 6, 5, 15)


def test_rows_before_an_offset_are_counted(engine: CachedEngine) -> None:
    assert only_reason(engine, "SELECT DISTINCT ?k { ?o v:kpi ?k } OFFSET 5").count == 2


@pytest.mark.parametrize(
    ("pattern", "kind", "text"),
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
def test_a_suggested_replacement_returns_rows(engine: CachedEngine, pattern: str, kind: str, text: str) -> None:
    query = f"SELECT * {{ {pattern} }}"
    replacement = only_suggestion(engine, query)
    assert replacement.node is not None
    if kind != "ending":
        assert (replacement.kind, replacement.text) == (kind, text)
    assert explained(engine, replace_node(query, replacement)).outcome == "not-empty"


def replace_node(query: str, replacement: Suggestion) -> str:
    """Return the query with a node replaced, as the editor's button does it."""
    node = replacement.node
    assert node is not None
    lines = (PREFIX + query).split("\n")
    line = lines[node.line - 1]
    assert line[node.column - 1 : node.end_column - 1] == node.text
    lines[node.line - 1] = line[: node.column - 1] + replacement.text + line[node.end_column - 1 :]
    return "\n".join(lines).removeprefix(PREFIX)


@pytest.mark.parametrize(
    "namespace", ["https://voc.example/ns#", "http://voc.example/ns/", "http://elsewhere.example/"]
)
def test_a_wrong_prefix_is_corrected_in_its_declaration(engine: CachedEngine, namespace: str) -> None:
    query = f"PREFIX w: <{namespace}> SELECT * {{ ?k w:label ?l }}"
    replacement = only_suggestion(engine, query)
    assert (replacement.kind, replacement.text) == ("prefix", "<http://voc.example/ns#>")
    assert explained(engine, replace_node(query, replacement)).outcome == "not-empty"


@pytest.mark.parametrize(
    ("query", "kind", "params"),
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
        # A comparison over a missing value is an error, so only numbers are samples.
        ("SELECT * { ?o v:share ?v FILTER (?v > 60) }", "samples", {"variable": "?v", "values": "50"}),
        ("SELECT * { ?o v:gap ?v FILTER (?v > 60) }", "missing", {"variable": "?v"}),
        ("SELECT * { { ?o v:gap ?v } UNION { ?o v:nothing ?v } FILTER (?v < 60) }", "missing", {"variable": "?v"}),
        ("SELECT (AVG(?v) AS ?n) { ?o v:share ?v } HAVING (AVG(?v) > 10)", "missing-in-group", {"variable": "?v"}),
        ("SELECT ?k (COUNT(*) AS ?n) { ?o v:kpi ?k } GROUP BY ?k HAVING (?n > 9)", "alias",
            {"variables": "?n", "instead": "HAVING (COUNT(*) > 9)"}),
        ("SELECT * { ?o v:note ?n . ?x v:area ?n }", "apart", {"variable": "?n", "here": '"x"', "there": '"A"'}),
    ],
)  # fmt: skip
def test_suggestions_quote_the_data(engine: CachedEngine, query: str, kind: str, params: dict[str, str]) -> None:
    advice = only_suggestion(engine, query)
    assert (advice.kind, advice.params | params) == (kind, advice.params)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT ?k (COUNT(*) AS ?n) { ?o v:kpi ?k } GROUP BY ?k HAVING(?n > 0)", "HAVING(COUNT(*) > 0)"),
        ("SELECT (SUM(?v) + 1 AS ?n) { ?o v:value ?v } HAVING ($n * 2 = 16 && '?n' != 'x')",
            "HAVING ((SUM(?v) + 1) * 2 = 16 && '?n' != 'x')"),
        ("SELECT ?k (COUNT(?o) AS ?n) (MAX(?o) AS ?m) { ?o v:kpi ?k } GROUP BY ?k\nHAVING (?n = 1) (?m = v:no)", ""),
    ],
)  # fmt: skip
def test_an_alias_in_having_is_replaced_by_its_expression(engine: CachedEngine, query: str, text: str) -> None:
    """SPARQL 1.1 Query Language, sections 18.2.4.2 and 18.2.4.4: columns are named after HAVING."""
    advice = only_suggestion(engine, query)
    assert advice.kind == "alias"
    if text:
        assert advice.text == text
        assert explained(engine, replace_node(query, advice)).outcome == "not-empty"
    else:
        # With the expressions there is no group either, so nothing can be put in its place.
        assert (advice.node, advice.params["variables"]) == (None, "?m, ?n")


def test_an_alias_over_missing_values_has_two_reasons(engine: CachedEngine) -> None:
    query = "SELECT (AVG(?v) AS ?n) { ?o v:share ?v } HAVING (?n > 10)"
    alias, missing = only_reason(engine, query).suggestions
    assert (alias.kind, alias.node, missing.kind) == ("alias", None, "missing-in-group")
    assert missing.params == {"variable": "?v", "value": '""^^<https://cube.link/Undefined>'}
    fixed = query.replace("?v }", "?v FILTER (isNumeric(?v)) }").replace("?n > 10", "AVG(?v) > 10")
    assert explained(engine, fixed).outcome == "not-empty"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { ?o v:area <id/area/deso2018/0180C9999> }",
        "SELECT * { <id/area/deso2018/0180C9999> v:label ?l }",
        "SELECT * { ?o v:kpi ?a FILTER (?a = <id/area/deso2018/0180C9999>) }",
        "SELECT * { ?o v:kpi ?a VALUES ?a { <id/area/deso2018/0180C9999> } }",
        "DESCRIBE <id/area/deso2018/0180C9999>",
    ],
)
def test_an_area_of_an_older_version_is_named_with_its_version(engine: CachedEngine, query: str) -> None:
    known = KnownTerms(KNOWN.properties, older={"http://site.example/id/area/deso2018/0180C9999": ("provet", 3)})
    request = QueryRequest(PREFIX + query, JSON if "SELECT" in query else TRIPLES_TYPE)
    (finding,) = explain(engine, request, 20.0, IRIS, lambda: known).findings
    (advice,) = finding.suggestions
    assert (advice.kind, advice.params["version"]) == ("older", 3)
    assert advice.params["page"] == "http://site.example/dataset/provet/3"


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
def test_another_graph_with_matches_is_suggested(
    engine: CachedEngine, query: str, graphs: dict[str, tuple[str, ...]], kind: str
) -> None:
    advice = only_suggestion(engine, query, **graphs)
    assert (advice.kind, advice.params["graphs"]) == (kind, "<http://site.example/id/dataset/people>")


def test_codes_that_differ_in_a_digit_are_not_suggested(engine: CachedEngine) -> None:
    known = KnownTerms(resources=("http://site.example/id/o/1",))
    request = QueryRequest(f"{PREFIX}SELECT * {{ <id/o/9> v:kpi ?k }}", JSON)
    (advice,) = explain(engine, request, 20.0, IRIS, lambda: known).findings[0].suggestions
    assert advice.kind == "no-thing"


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
def test_a_nonempty_result_is_reported_as_such(engine: CachedEngine, query: str) -> None:
    explanation = explained(engine, query)
    assert explanation.outcome == "not-empty"
    assert explanation.findings == ()


def test_a_count_of_nothing_is_explained(engine: CachedEngine) -> None:
    explanation = explained(engine, "SELECT (COUNT(*) AS ?n) { ?o v:none ?k }")
    assert (explanation.outcome, [f.reason for f in explanation.findings]) == ("aggregate", ["pattern"])


HARD = " . ".join(f"?a{i} ?b{i} ?c{i}" for i in range(12))


def test_a_too_hard_query_is_reported_as_unfinished_in_time(engine: CachedEngine) -> None:
    began = time.monotonic()
    condition = "STR(?a0) = CONCAT(STR(?c11), STR(?b11), STR(?c5))"
    explanation = explained(engine, f"SELECT * {{ {HARD} FILTER ({condition}) }}", 3.0)
    assert explanation.outcome == "unfinished"
    assert explanation.seconds < 4.0
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "query", ["SELECT * { ?k v:none ?x }", "DESCRIBE v:nothing", "CONSTRUCT { ?o v:x ?zz } { ?o v:kpi ?k }"]
)
def test_without_time_the_explanation_is_unfinished_and_not_an_error(engine: CachedEngine, query: str) -> None:
    assert explained(engine, query, 0.001) == EmptyResultExplanation("unfinished", (), 0, pytest.approx(0, abs=5))  # type: ignore[arg-type]


def test_an_easy_reason_is_found_in_a_hard_query(engine: CachedEngine) -> None:
    explanation = explained(engine, f"SELECT * {{ {HARD} FILTER (?a0 = ?c11 && ?a1 = ?b11) ?k v:none ?x }}", 6.0)
    assert explanation.outcome == "empty"
    assert [node.text for node in explanation.findings[0].nodes] == ["?k v:none ?x"]


def test_an_invalid_query_is_an_error_with_its_position(engine: CachedEngine) -> None:
    with pytest.raises(QuerySyntaxError) as error:
        explained(engine, "SELECT * {\n ?s ?p }")
    assert error.value.line == 4
    with pytest.raises(QueryRefused):
        explained(engine, "SELECT * { SERVICE <http://x/> { ?s ?p ?o } }")


def test_unsupported_syntax_is_an_error_and_not_guessed(engine: CachedEngine) -> None:
    with pytest.raises(QuerySyntaxError, match="LATERAL"):
        explained(engine, "SELECT * { ?o v:none ?k . LATERAL { ?k v:label ?l } }")


def test_every_reduced_query_counts_for_the_client(engine: CachedEngine) -> None:
    admitted: list[str] = []

    def admit(client: str) -> None:
        admitted.append(client)
        if len(admitted) > 3:
            raise QueryTooMany(query_message("waiting"), remedy=query_message("again.remedy"))

    limited = CachedEngine(engine, max_bytes=0, wait_seconds=20.0, admit=admit)
    with pytest.raises(QueryTooMany):
        explained(limited, f"SELECT * {{ {GOOD} . ?o v:area ?a }}")
    assert admitted == ["test"] * 4


def test_an_equal_request_does_not_end_with_a_shorter_time_limit(engine: CachedEngine) -> None:
    short = QueryRequest(f"{PREFIX}SELECT * {{ {GOOD} }}", JSON, seconds=5.0)
    assert short == QueryRequest(short.query, JSON), "so that its answer is kept for both"
    result = engine.execute(short)
    assert len(json.load(result.file)["results"]["bindings"]) == 2
    result.close()


def test_every_empty_w3c_query_has_a_reason_and_no_other(engine: CachedEngine, shared: Path) -> None:
    """Most of them match nothing in our data; the explanations must agree with the results."""
    outcomes: Counter[str] = Counter()
    odd = []
    for query in queries(shared):
        request = QueryRequest(query, TRIPLES_TYPE if is_graph(query) else JSON)
        explanation = explain(engine, request, 20.0, IRIS, lambda: KNOWN)
        outcomes[explanation.outcome] += 1
        is_empty_result = is_empty(engine, request)
        is_expected = explanation.outcome in (("empty",) if is_empty_result else ("not-empty", "aggregate"))
        if not is_expected or bool(explanation.findings) == (explanation.outcome == "not-empty"):
            odd.append((query, explanation))
    assert odd == []
    assert outcomes["empty"] > 150
    assert outcomes["not-empty"] > 50


def is_graph(query: str) -> bool:
    return read_facts(query).form in ("CONSTRUCT", "DESCRIBE")


def is_empty(engine: CachedEngine, request: QueryRequest) -> bool:
    result = engine.execute(request)
    text = result.file.read()
    result.close()
    if is_graph(request.query):
        return not text
    document = json.loads(text)
    return not (document["boolean"] if "boolean" in document else document["results"]["bindings"])
