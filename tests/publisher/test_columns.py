"""The columns of a snapshot have the triples that are published, and snapshots share the columns of their releases."""

import os
from collections import Counter
from functools import cache

import pytest
from pyoxigraph import Literal, NamedNode, Quad, QuerySolutions, Store

from tests.reading import LICENCE_AND_PUBLISHER
from tests.sparql.release import BASE, FOLDER
from vaven.publisher.columnar.query_algebra import query_algebra
from vaven.publisher.columnar.run import Solutions, run
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import decode, encode
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.graph.snapshot import Snapshot
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.withdraw import withdraw

Rows = list[tuple[str | None, ...]]
KANTER, GRANNAR = FOLDER / "kanter" / "datapackage.json", FOLDER / "grannar.csv"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A site whose first release was published before its snapshots had columns."""
    home = tmp_path_factory.mktemp("columns")
    publish(KANTER, Settings(home=home, base_iri=BASE))
    settings = Settings(home=home, base_iri=BASE, sparql_engine="columns")
    publish(GRANNAR, settings, choices=LICENCE_AND_PUBLISHER)
    return settings


def snapshot(settings: Settings) -> Snapshot:
    current = EmbeddedStore(settings.graph_folder).current()
    assert current
    return current


@pytest.fixture(scope="module")
def columns(settings: Settings) -> Columns:
    return Columns(snapshot(settings).folder)


def ask(columns: Columns, query: str) -> Rows:
    """Return the solutions of a query, its triples, or its truth value as one row."""
    tree = parse_tree(query)
    assert not isinstance(tree, SyntaxStop)
    result = run(columns, query_algebra(tree, BASE))
    if isinstance(result, Solutions):
        return list(result.rows)
    return [(str(result),)] if isinstance(result, bool) else list(result)


@cache
def stored(term: str | None) -> str | None:
    """Return a term as Oxigraph has it, which keeps values and no lexical forms; blank nodes have no labels."""
    if term is None or term[0] != '"':
        return "_" if term and term[0] == "_" else term
    store = Store()
    store.add(Quad(NamedNode(BASE), NamedNode(BASE), decode(term)))
    (quad,) = store
    assert isinstance(quad.object, Literal)
    return encode(quad.object)


def counted(rows: Rows) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple(map(stored, row)) for row in rows)


def test_every_published_triple_is_in_the_columns(settings: Settings, columns: Columns) -> None:
    store = Store.read_only(str(snapshot(settings).data))
    quads = [(q.subject, q.predicate, q.object, q.graph_name) for q in store]
    expected: Rows = [tuple(map(encode, quad)) for quad in quads]  # type: ignore[arg-type]
    assert counted(ask(columns, "SELECT ?s ?p ?o ?g { GRAPH ?g { ?s ?p ?o } }")) == counted(expected)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT (COUNT(*) AS ?n) (COUNT(DISTINCT ?p) AS ?m) { ?s ?p ?o }",
        "SELECT ?t (COUNT(*) AS ?n) { ?s a ?t } GROUP BY ?t",
        "SELECT ?p (COUNT(*) AS ?n) { ?s a <http://purl.org/linked-data/cube#Observation> ; ?p ?o } GROUP BY ?p",
        "SELECT ?o { ?set <https://cube.link/observation> ?o }",
        "SELECT ?r ?m ?n { ?r <http://ontology.eil.utoronto.ca/ISO21972/iso21972#value> ?m . ?m ?q ?n }",
        "SELECT ?m ?n { ?m <http://ontology.eil.utoronto.ca/ISO21972/iso21972#hasNumericalValue> ?n }",
        "SELECT ?s { ?s ?p <http://data.example/id/kpi/tillit> }",
        "SELECT ?e ?v { ?d <http://rdfs.org/ns/void#exampleResource> ?e . "
        "?e <http://purl.org/linked-data/sdmx/2009/measure#obsValue> ?v }",
    ],
)
def test_a_query_over_both_kinds_of_triples_has_the_same_solutions(
    settings: Settings, columns: Columns, query: str
) -> None:
    store = Store.read_only(str(snapshot(settings).data))
    solutions = store.query(query, use_default_graph_as_union=True)
    assert isinstance(solutions, QuerySolutions)
    expected = [tuple(None if t is None else encode(t) for t in row) for row in solutions]  # type: ignore[arg-type]
    assert expected
    assert counted(ask(columns, query)) == counted(expected)


def test_an_observation_is_described_by_its_iri(columns: Columns) -> None:
    (iri,) = ask(columns, "SELECT ?o { ?o <http://purl.org/linked-data/cube#dataSet> ?d } ORDER BY ?o LIMIT 1")[0]
    assert iri
    assert len(ask(columns, f"DESCRIBE {iri}>")) > 12
    assert ask(columns, f"ASK {{ {iri}> ?p ?o }}") == [("True",)]
    assert ask(columns, f"ASK {{ {iri}x> ?p ?o }}") == [("False",)]


def test_a_new_snapshot_links_to_the_columns_of_unchanged_releases(settings: Settings) -> None:
    before = snapshot(settings)
    file = "parts/grannar-1.duckdb"
    number = (before.folder / file).stat().st_ino
    withdraw(settings, "kanter", reason="test")
    after = snapshot(settings)
    assert after.id != before.id
    assert (after.folder / file).stat().st_ino == number
    assert sorted(os.listdir(after.folder / "parts")) == ["grannar-1.duckdb"]
    opened = Columns(after.folder)
    datasets = ask(opened, "SELECT DISTINCT ?d { ?o <http://purl.org/linked-data/cube#dataSet> ?d }")
    assert datasets == [(f"<{BASE}id/dataset/grannar",)]
    assert ask(opened, f"ASK {{ GRAPH <{BASE}id/dataset/kanter> {{ ?s ?p ?o }} }}") == [("False",)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT ?x { VALUES ?x { <urn:a> } } LIMIT 99999999999999999999999999", [("<urn:a",)]),
        ("SELECT ?x { VALUES ?x { <urn:a> } } OFFSET 18446744073709551616", []),
        ("SELECT ?x { VALUES ?x { '{o} {j}' '%' } FILTER (?x = '{o} {j}') }", [('""{o} {j}',)]),
        ("SELECT ?x ?X { VALUES (?x ?X) { (UNDEF <urn:b>) } }", [(None, "<urn:b")]),
        ("SELECT (1 AS ?n) { VALUES () { () () } }", [('"^http://www.w3.org/2001/XMLSchema#integer"1',)] * 2),
        (f"ASK {{ FILTER ({'9' * 5000} > 1) }}", [("False",)]),
    ],
)
def test_a_hostile_query_has_the_result_of_any_other(columns: Columns, query: str, expected: Rows) -> None:
    assert ask(columns, query) == expected


def test_many_constants_need_no_more_memory_than_a_worker_has(settings: Settings) -> None:
    engine = EmbeddedEngine(settings.graph_folder, iris=settings.iris, seconds=60.0)
    query = f"SELECT (COUNT(DISTINCT ?x) AS ?n) {{ VALUES ?x {{ {' '.join(f'<urn:{i}>' for i in range(15_000))} }} }}"
    result = engine.query(query, media_type="text/csv")
    assert result.file.read() == b"n\r\n15000\r\n"
    result.close()
    engine.close()
