"""Rewritten queries return the same rows in the same order, and only eligible queries are rewritten."""

import io
import re
from typing import Any

import pytest
import requests
from pyoxigraph import QueryResultsFormat, QuerySolutions, RdfFormat, Store

from tests.conftest import Site
from vaven.publisher.sparql.query_facts import read_facts

PREFIXES = "PREFIX : <http://example.org/>\nPREFIX order: <http://example.org/order/>\n"
TRIPLES = """@prefix : <http://example.org/> .
:a :p 3, 1, 2 ; :q "x"@sv, "ORDER BY ?s" . :b :p 1, 2 ; :q "y", "{" . :c :p 2 . :d :q "z"@en . _:e :p 1 ; :q "}" .
"""
# Each sorts by all its columns, so that the order is unambiguous.
REWRITTEN = [
    "SELECT DISTINCT ?s { ?s :p ?n FILTER isIRI(?s) } ORDER BY ?s",
    "SELECT DISTINCT ?n WHERE { ?s :p ?n } ORDER BY DESC(?n)",
    "SELECT DISTINCT ?s $n WHERE { ?s :p ?n FILTER isIRI(?s) } ORDER BY DESC(?n) ASC(?s) LIMIT 3 OFFSET 1",
    "SELECT DISTINCT ?s (STR(?n) AS ?text) WHERE { ?s :p ?n FILTER isIRI(?s) } ORDER BY $s ?text",
    "SELECT DISTINCT (COUNT(?s) AS ?many) WHERE { ?s :p ?n } GROUP BY ?n HAVING (COUNT(?s) > 1) ORDER BY ?many",
    "select distinct * where { :a :p ?n ; :q ?q } order by ?n ?q offset 1 limit 4 # SELECT",
    "SELECT DISTINCT ?q { ?s :q ?q FILTER (STR(?q) != '} ORDER BY ?s') } # the end } of it\nORDER BY STR(?q) ?q",
    "SELECT DISTINCT ?q { { SELECT DISTINCT ?q { ?s :q ?q } ORDER BY ?q LIMIT 3 } FILTER (?q != '{') } ORDER BY ?q",
    "SELECT DISTINCT ?n {?s :p ?n}ORDER BY(?n)",
    "SELECT DISTINCT ?n { ?s :p ?n OPTIONAL { ?s :q ?q } MINUS { ?s :q 'y' } } ORDER BY ?n",
]
UNCHANGED = [
    "SELECT ?s { ?s :p ?n } ORDER BY ?s ?n",
    "SELECT REDUCED ?s { ?s :p ?n } ORDER BY ?s",
    "SELECT DISTINCT ?s { ?s :p ?n FILTER isIRI(?s) }",
    "SELECT DISTINCT ?s { ?s :p ?n FILTER isIRI(?s) } ORDER BY ?s ?n",
    "SELECT DISTINCT ?n { ?s :p ?n } GROUP BY ?n ORDER BY COUNT(*) ?n",
    "SELECT DISTINCT ?n { ?s :p ?n } ORDER BY (0 - ?n)",
    "SELECT DISTINCT ?n { ?s :p ?n } ORDER BY ?n VALUES ?n { 1 2 }",
    "SELECT DISTINCT ?n FROM <http://example.org/> { ?s :p ?n } ORDER BY ?n",
    "SELECT ?n { { SELECT DISTINCT ?n { ?s :p ?n } ORDER BY ?n } }",
    "ASK { { SELECT DISTINCT ?n { ?s :p ?n } ORDER BY ?n } }",
    "CONSTRUCT { ?s :p ?n } WHERE { { SELECT DISTINCT ?s ?n { ?s :p ?n } ORDER BY ?n } }",
]
INVALID = [
    "SELECT DISTINCT",
    "SELECT DISTINCT ?s",
    "SELECT DISTINCT ?s { ?s ?p ?o ORDER BY ?s",
    "SELECT DISTINCT ?s } ORDER BY ?s {",
    "SELECT DISTINCT ( ?s { ?s ?p ?o } ORDER BY ?s )",
    "SELECT DISTINCT ?s { ?s ?p ?o } ORDER BY",
    "SELECT DISTINCT ?s { ?s ?p ?o } } ORDER BY ?s",
    "",
]


@pytest.fixture(scope="module")
def store() -> Store:
    new_store = Store()
    new_store.load(TRIPLES, RdfFormat.TURTLE)
    return new_store


def rewritten(query: str) -> str:
    return read_facts(query).text_to_run


def rows(store: Store, query: str) -> bytes:
    solutions = store.query(query)
    if not isinstance(solutions, QuerySolutions):
        return b""
    output = io.BytesIO()
    solutions.serialize(output, QueryResultsFormat.TSV)
    return re.sub(rb"_:\w+", b"_:b", output.getvalue())


@pytest.mark.parametrize("query", REWRITTEN)
def test_a_rewritten_query_returns_the_same_rows_in_order(store: Store, query: str) -> None:
    other = rewritten(PREFIXES + query)
    assert rows(store, other) == rows(store, PREFIXES + query)
    assert rows(store, other).count(b"\n") > 1


def test_queries_sorted_by_their_columns_are_rewritten() -> None:
    changed = [query for query in REWRITTEN if rewritten(PREFIXES + query) != PREFIXES + query]
    # An expression is not moved.
    assert [query for query in REWRITTEN if query not in changed] == [
        query for query in REWRITTEN if "STR(?q) ?q" in query
    ]


def test_booleans_are_accepted_in_any_case(store: Store) -> None:
    """As in the W3C test case-insensitive-booleans; Oxigraph knows them in lower case only."""
    query = "SELECT (TRUE AS ?t) (False AS ?f) { FILTER (tRUE = true) } # TRUE"
    assert rows(store, rewritten(query)) == b"?t\t?f\ntrue\tfalse\n"


@pytest.mark.parametrize("query", UNCHANGED)
def test_other_queries_are_unchanged(query: str) -> None:
    assert rewritten(PREFIXES + query) == PREFIXES + query


@pytest.mark.parametrize("query", INVALID)
def test_an_invalid_query_stays_invalid(store: Store, query: str) -> None:
    with pytest.raises(SyntaxError):
        store.query(rewritten(query))


def test_rewriting_is_idempotent() -> None:
    for query in REWRITTEN:
        once = rewritten(PREFIXES + query)
        assert rewritten(once) == once


def test_a_syntax_error_has_its_position_in_the_submitted_text(whole_way: Site) -> None:
    query = "SELECT DISTINCT ?s\nWHERE { ?s ?p ?o . BIND (1 AS ?o) }\nORDER BY ?s"
    assert rewritten(query) != query
    status, document = _query(whole_way, query)
    assert status == 400
    assert (document["line"], document["column"]) == (2, 31)
    query = query.replace("BIND (1 AS ?o)", "FILTER (?o = )")
    # Oxigraph reports the furthest position it reached.
    with pytest.raises(SyntaxError, match="error at 3:11"):
        Store().query(query)
    status, document = _query(whole_way, query)
    assert status == 400
    assert (document["line"], document["column"]) == (2, 33)


def test_the_endpoint_returns_distinct_sorted_rows(whole_way: Site) -> None:
    status, document = _query(whole_way, "SELECT DISTINCT ?p { ?s ?p ?o } ORDER BY DESC(?p) LIMIT 20")
    seen = [row["p"]["value"] for row in document["results"]["bindings"]]
    assert status == 200
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 20


def _query(site: Site, query: str) -> tuple[int, dict[str, Any]]:
    response = requests.get(site.url + "sparql", params={"query": query}, timeout=60)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT * { ?s :p ?n ; :q ?a }", "s n a"),
        ("select distinct * where { ?z :p ?n OPTIONAL { ?z :q $b } } order by ?b", "z n b"),
        ("SELECT REDUCED * { ?s :p ?n { SELECT ?s (MAX(?q) AS ?a) { ?s :q ?q } GROUP BY ?s } }", "s n a"),
        ("SELECT * { ?s :p ?n MINUS { ?s :q ?hidden } FILTER NOT EXISTS { ?s :none ?also } }", "s n"),
        ("SELECT * { ?s :p ?n . BIND (?n * 2 AS ?double) FILTER (?n * 2 > 1) }", "s n double"),
        ("SELECT ?n ?s { ?s :p ?n { SELECT * { ?s :q ?a } } }", "n s"),
        ("SELECT * {}", ""),
        ("SELECT * { :a :p 1 }", ""),
    ],
)
def test_the_columns_of_select_star_are_in_the_order_of_the_query(
    whole_way: Site, store: Store, query: str, columns: str
) -> None:
    """The rows are the same, whatever the engine's own order of columns."""
    solutions = store.query(PREFIXES + query)
    assert isinstance(solutions, QuerySolutions)
    names = [variable.value for variable in solutions.variables]
    assert set(names) == set(columns.split())
    solutions = store.query(rewritten(PREFIXES + query))
    assert isinstance(solutions, QuerySolutions)
    assert [variable.value for variable in solutions.variables] == columns.split()
    assert values(store, rewritten(PREFIXES + query), columns) == values(store, PREFIXES + query, columns)
    params = {"query": PREFIXES + query, "format": "csv"}
    response = requests.get(whole_way.url + "sparql", params=params, timeout=60)
    assert response.text.splitlines()[0].split(",") == (columns.split() or [""]) or not columns


def values(store: Store, query: str, columns: str) -> list[list[str]]:
    solutions = store.query(query)
    assert isinstance(solutions, QuerySolutions)
    return sorted([str(row[name]) for name in columns.split()] for row in solutions)
