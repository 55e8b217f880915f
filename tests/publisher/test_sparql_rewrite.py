"""A query that is said in another way gives the same rows in the same order, and only such queries are."""

import io
import re
from typing import Any

import pytest
import requests
from pyoxigraph import QueryResultsFormat, QuerySolutions, RdfFormat, Store

from tests.conftest import Site
from vaven.publisher.sparql.rewrite import in_order, sorted_last

PREFIXES = "PREFIX : <http://example.org/>\nPREFIX order: <http://example.org/order/>\n"
TRIPLES = """@prefix : <http://example.org/> .
:a :p 3, 1, 2 ; :q "x"@sv, "ORDER BY ?s" . :b :p 1, 2 ; :q "y", "{" . :c :p 2 . :d :q "z"@en . _:e :p 1 ; :q "}" .
"""
# Each sorts by all that it shows, so that there is one right order.
MOVED = [
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
LEFT = [
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
BROKEN = [
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
    made = Store()
    made.load(TRIPLES, RdfFormat.TURTLE)
    return made


def rows(store: Store, query: str) -> bytes:
    found = store.query(query)
    if not isinstance(found, QuerySolutions):
        return b""
    written = io.BytesIO()
    found.serialize(written, QueryResultsFormat.TSV)
    return re.sub(rb"_:\w+", b"_:b", written.getvalue())


@pytest.mark.parametrize("query", MOVED)
def test_the_same_rows_come_in_the_same_order(store: Store, query: str) -> None:
    other = sorted_last(PREFIXES + query)
    assert rows(store, other) == rows(store, PREFIXES + query)
    assert rows(store, other).count(b"\n") > 1


def test_those_that_are_sorted_by_their_columns_are_moved() -> None:
    moved = [query for query in MOVED if sorted_last(PREFIXES + query) != PREFIXES + query]
    # An expression is left where it is.
    assert [query for query in MOVED if query not in moved] == [query for query in MOVED if "STR(?q) ?q" in query]


@pytest.mark.parametrize("query", LEFT)
def test_others_stay_as_they_are(query: str) -> None:
    assert sorted_last(PREFIXES + query) == PREFIXES + query


@pytest.mark.parametrize("query", BROKEN)
def test_what_is_no_query_becomes_none(store: Store, query: str) -> None:
    with pytest.raises(SyntaxError):
        store.query(sorted_last(query))


def test_a_second_rewriting_changes_nothing() -> None:
    for query in MOVED:
        once = sorted_last(PREFIXES + query)
        assert sorted_last(once) == once


def test_a_fault_is_told_by_its_place_in_the_text_that_was_sent(whole_way: Site) -> None:
    query = "SELECT DISTINCT ?s\nWHERE { ?s ?p ?o . FILTER (?o = ) }\nORDER BY ?s"
    assert sorted_last(query) != query
    # Oxigraph names the farthest place that it came to.
    with pytest.raises(SyntaxError, match="error at 3:11"):
        Store().query(query)
    status, answer = _ask(whole_way, query)
    assert status == 400
    assert (answer["line"], answer["column"]) == (2, 33)


def test_the_endpoint_gives_each_row_once_and_sorted(whole_way: Site) -> None:
    status, answer = _ask(whole_way, "SELECT DISTINCT ?p { ?s ?p ?o } ORDER BY DESC(?p) LIMIT 20")
    seen = [row["p"]["value"] for row in answer["results"]["bindings"]]
    assert status == 200
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 20


def _ask(site: Site, query: str) -> tuple[int, dict[str, Any]]:
    answer = requests.get(site.url + "sparql", params={"query": query}, timeout=60)
    return answer.status_code, answer.json()


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
def test_all_columns_come_as_the_query_names_them(whole_way: Site, store: Store, query: str, columns: str) -> None:
    """The same rows, whatever the engine's own order of columns is."""
    found = store.query(PREFIXES + query)
    assert isinstance(found, QuerySolutions)
    names = [variable.value for variable in found.variables]
    assert set(names) == set(columns.split())
    rewritten = in_order(PREFIXES + query, names)
    assert values(store, rewritten, columns) == values(store, PREFIXES + query, columns)
    asked = {"query": PREFIXES + query, "format": "csv"}
    answer = requests.get(whole_way.url + "sparql", params=asked, timeout=60)
    assert answer.text.splitlines()[0].split(",") == (columns.split() or [""]) or not columns


def values(store: Store, query: str, columns: str) -> list[list[str]]:
    found = store.query(query)
    assert isinstance(found, QuerySolutions)
    return sorted([str(row[name]) for name in columns.split()] for row in found)
