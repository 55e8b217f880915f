"""The columns of a snapshot have the triples that are published, and snapshots share the columns of their releases."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

import pytest
from pyoxigraph import Literal, NamedNode, Quad, QuerySolutions, Store

from tests.published_files import PublishedFiles
from tests.reading import LICENCE_AND_PUBLISHER
from tests.sparql.release import BASE, FOLDER
from vaven.publisher.columnar.context import Context, QueryDataset
from vaven.publisher.columnar.query_algebra import query_algebra
from vaven.publisher.columnar.run import Solutions, run
from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION, PART_BITS, QUANTITY
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import decode, encode
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.graph.snapshot import Snapshot, current_snapshot
from vaven.publisher.operations.loading import load_graphs
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.withdraw import withdraw

Rows = list[tuple[str | None, ...]]
KANTER, GRANNAR = FOLDER / "kanter" / "datapackage.json", FOLDER / "grannar.csv"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("columns"), base_iri=BASE)
    publish(KANTER, settings)
    publish(GRANNAR, settings, choices=LICENCE_AND_PUBLISHER)
    return settings


def snapshot(settings: Settings) -> Snapshot:
    current = current_snapshot(settings.graph_folder)
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


@pytest.fixture(scope="module")
def published(settings: Settings) -> list[Quad]:
    """All triples as their files have them."""
    store = PublishedFiles()
    with Records(settings.database) as records:
        load_graphs(settings, records, store, {"kanter": 1, "grannar": 1}, "", ())
    return store.quads


@pytest.fixture(scope="module")
def oxigraph(published: list[Quad]) -> Store:
    store = Store()
    store.extend(published)
    return store


def counted(rows: Rows) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple(map(stored, row)) for row in rows)


def unlabelled(rows: Iterable[tuple[str | None, ...]]) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple("_" if term and term[0] == "_" else term for term in row) for row in rows)


def test_every_published_triple_is_in_the_columns_as_it_is_written(published: list[Quad], columns: Columns) -> None:
    written = {(q.subject, q.predicate, q.object, q.graph_name) for q in published}
    expected: Rows = [tuple(map(encode, quad)) for quad in written]  # type: ignore[arg-type]
    assert len(expected) > 10_000
    assert unlabelled(ask(columns, "SELECT ?s ?p ?o ?g { GRAPH ?g { ?s ?p ?o } }")) == unlabelled(expected)


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
    oxigraph: Store, columns: Columns, query: str
) -> None:
    solutions = oxigraph.query(query, use_default_graph_as_union=True)
    assert isinstance(solutions, QuerySolutions)
    expected = [tuple(None if t is None else encode(t) for t in row) for row in solutions]  # type: ignore[arg-type]
    assert expected
    assert counted(ask(columns, query)) == counted(expected)


@pytest.fixture(scope="module")
def terms(published: list[Quad]) -> list[str]:
    """A subject and an object of each property and each type in the syntax of a query, and terms that nothing has."""
    chosen = dict[object, Quad]()
    for quad in sorted(published, key=str):
        chosen.setdefault((quad.predicate, quad.object if "type" in str(quad.predicate) else None), quad)
        if isinstance(quad.object, Literal):
            chosen.setdefault((quad.predicate, quad.object.datatype, quad.object.language), quad)
    nodes = [node for quad in chosen.values() for node in (quad.subject, quad.object, quad.graph_name)]
    missing = [
        "<urn:none>",
        "'none'",
        f"<{BASE}id/observation/kanter/x/y/2024/T/T>",
        f"<{BASE}id/quantity/x/y/1.0>",
    ]
    # Oxigraph matches a number by its value, and 40.0 is another term than 40.
    known = {str(node) for node in nodes if isinstance(node, NamedNode | Literal)}
    return sorted(term for term in known if not WITHOUT_DECIMALS.match(term)) + missing


@pytest.mark.parametrize(
    "pattern",
    [
        "?s ?p {t}",
        "VALUES ?x { {t} } ?s ?p ?x",
        "VALUES ?x { {t} <urn:none> } ?x ?p ?o",
        "VALUES (?x ?o) { ({t} UNDEF) (UNDEF {t}) } ?x ?p ?o",
        "VALUES ?x { {t} } OPTIONAL { ?x ?p ?o }",
        "?x ?p ?o OPTIONAL { ?o ?q ?z } VALUES ?z { {t} }",
        "?x <http://www.w3.org/2004/02/skos/core#broader> ?o MINUS { ?o ?q ?z FILTER (?z = {t}) }",
        "VALUES ?z { {t} } { SELECT ?z (COUNT(*) AS ?n) { ?s ?p ?z } GROUP BY ?z }",
        "?x ?p ?o FILTER (?p = {t} || ?x = {t})",
        "?x ?p ?o FILTER (?p != <urn:none> && ?x = {t})",
        "{ ?x ?p ?o } UNION { ?s ?p ?x } FILTER (?x IN ({t}, <urn:none>))",
        "GRAPH ?g { ?s ?p ?o } VALUES ?p { {t} }",
    ],
)  # fmt: skip
@pytest.mark.timeout(600)
def test_a_query_that_leaves_few_terms_has_the_same_solutions(
    oxigraph: Store, columns: Columns, terms: list[str], pattern: str
) -> None:
    """Only columns that may have them are read (publisher/columnar/algebra.py, `narrowed`)."""
    assert len(terms) > 150
    count = 0
    for term in terms[sum(map(ord, pattern)) % 10 :: 10] + terms[-5:]:
        query = f"SELECT * {{ {pattern.replace('{t}', term)} }}"
        solutions = oxigraph.query(query, use_default_graph_as_union=True)
        assert isinstance(solutions, QuerySolutions)
        names = [variable.value for variable in solutions.variables]
        expected = [tuple(None if t is None else encode(t) for t in row) for row in solutions]  # type: ignore[arg-type]
        result = ask(columns, query.replace("*", " ".join(f"?{name}" for name in names), 1))
        assert counted(result) == counted(expected), query
        count += len(expected)
    assert count


def test_an_observation_is_described_by_its_iri(columns: Columns) -> None:
    (iri,) = ask(columns, "SELECT ?o { ?o <http://purl.org/linked-data/cube#dataSet> ?d } ORDER BY ?o LIMIT 1")[0]
    assert iri
    assert len(ask(columns, f"DESCRIBE {iri}>")) > 12
    assert ask(columns, f"ASK {{ {iri}> ?p ?o }}") == [("True",)]
    assert ask(columns, f"ASK {{ {iri}x> ?p ?o }}") == [("False",)]


WITHOUT_DECIMALS = re.compile(r'"-?\d+(\.0*)?"\^')
VALUE = "<http://purl.org/linked-data/sdmx/2009/measure#obsValue>"
BROADER = "<http://www.w3.org/2004/02/skos/core#broader>"
KPI = f"<{BASE}id/kpi/tillit>"


def test_a_relative_iri_is_resolved_against_the_base_of_its_own_query(columns: Columns) -> None:
    bases = ("http://one.example/a/", "http://two.example/b/c")
    results = [ask(columns, f"BASE <{base}> SELECT (IRI('d') AS ?x) {{}}") for base in bases]
    assert results == [[("<http://one.example/a/d",)], [("<http://two.example/b/d",)]]


def test_a_variable_that_contradictory_patterns_bind_has_no_solution(columns: Columns) -> None:
    area = "<http://purl.org/linked-data/sdmx/2009/dimension#refArea>"
    query = f"SELECT ?x {{ ?y {area} ?x . ?x {VALUE} ?v FILTER NOT EXISTS {{ ?z {area} ?x }} }}"
    assert ask(columns, query) == []
    assert ask(columns, f"SELECT (STR(?x) AS ?t) {{ ?y {area} ?x . ?x {VALUE} ?v }}") == []


def test_blank_nodes_of_a_query_are_no_part_of_its_distinct_solutions(columns: Columns) -> None:
    kpi = f"<{BASE}ns#kpi>"
    number = len(ask(columns, f"SELECT DISTINCT ?k {{ ?o {kpi} ?k }}"))
    for pattern in (f"[] {kpi} ?k", f"?k ^{kpi}/{kpi} ?k", f"_:o {kpi} ?k ; ?p _:v . FILTER (?p = {kpi})"):
        counted_once = ask(columns, f"SELECT (STR(COUNT(DISTINCT *)) AS ?n) {{ {pattern} }}")
        assert counted_once == [(f'""{number}',)], pattern


@pytest.mark.parametrize(
    "expression", ["IF(RAND() < 0.5, 'a', 'b')", "STR(RAND() < 0.5)", "IF(RAND() < 0.5, 1, 2) + 1"]
)
def test_a_random_condition_has_one_value_in_a_solution(columns: Columns, expression: str) -> None:
    rows = ask(columns, f"SELECT ({expression} AS ?r) {{ ?s ?p ?o }} LIMIT 500")
    assert len({row[0] for row in rows}) == 2
    assert (None,) not in rows


@pytest.mark.parametrize("path", [f"{BROADER}*", f"{BROADER}?", f"({BROADER}|^{BROADER})*", f"{VALUE}?"])
@pytest.mark.parametrize("graph", ["", "GRAPH ?g", f"GRAPH <{BASE}id/dataset/grannar>", f"GRAPH <{BASE}id/reference>"])
def test_every_node_of_a_graph_is_the_end_of_a_path_of_length_zero(columns: Columns, path: str, graph: str) -> None:
    nodes = "{ ?x ?p ?o } UNION { ?s ?q ?x }"
    expected = ask(columns, f"SELECT DISTINCT ?x {'?g' if '?g' in graph else ''} {{ {graph} {{ {nodes} }} }}")
    paths = ask(columns, f"SELECT ?x {'?g' if '?g' in graph else ''} {{ {graph} {{ ?x {path} ?x }} }}")
    assert Counter(paths) == Counter(expected)


@pytest.mark.parametrize("graph", ["", "GRAPH ?g"])
def test_a_path_of_length_zero_begins_at_the_value_of_an_observation(columns: Columns, graph: str) -> None:
    observed = f"?o <{BASE}ns#kpi> {KPI} ; {VALUE} ?v"
    expected = ask(columns, f"SELECT ?o ?v {{ {graph} {{ {observed} }} }}")
    assert len(expected) > 10
    for pattern in (f"?v {BROADER}? ?w", f"?w {BROADER}* ?v"):
        assert Counter(ask(columns, f"SELECT ?o ?w {{ {graph} {{ {observed} . {pattern} }} }}")) == Counter(expected)


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


def test_ids_of_a_hundred_million_releases_fit_into_64_bits() -> None:
    largest = FIRST_OBSERVATION + (10**8 << PART_BITS) + (1 << PART_BITS) - 1
    assert largest < QUANTITY
    assert largest + QUANTITY < 1 << 63


def test_patterns_in_graphs_without_observations_do_not_read_them(settings: Settings, columns: Columns) -> None:
    graphs = [settings.iris.dataset("kanter"), *settings.iris.shared_graphs]
    ids = columns.ids([f"<{graph}" for graph in graphs])
    own, *shared = (ids[f"<{graph}"] for graph in graphs)
    context = Context(columns, BASE, {})
    for dataset in (QueryDataset(), QueryDataset(graph=own), QueryDataset(graph=" g"), QueryDataset((own, *shared))):
        assert context.has_observations(dataset)
    for graph in shared:
        assert not context.has_observations(QueryDataset(graph=graph))
    assert not context.has_observations(QueryDataset(tuple(shared)))
    assert not context.has_observations(QueryDataset(named=tuple(shared), graph=" g"))


def test_a_query_that_ends_early_leaves_the_connection_to_the_next(columns: Columns) -> None:
    """DuckDB creates no function beside an unfinished result."""
    assert ask(columns, "ASK { ?s ?p ?o }") == [("True",)]
    assert ask(columns, "SELECT (SHA384('a') AS ?x) {}")[0][0]
    (observation,) = ask(columns, "SELECT ?o { ?o a <http://purl.org/linked-data/cube#Observation> } LIMIT 1")[0]
    assert ask(columns, f"SELECT (SHA512(STR(?o)) AS ?x) {{ {observation}> ?p ?o }} LIMIT 1")
    tree = parse_tree("SELECT * { ?s ?p ?o }")
    assert not isinstance(tree, SyntaxStop)
    rows = run(columns, query_algebra(tree, BASE))
    assert isinstance(rows, Solutions)
    assert next(rows.rows)
    assert ask(columns, "SELECT (SHA256(STR(?s)) AS ?x) { ?s ?p ?o } LIMIT 1")


def test_many_observations_and_quantities_are_looked_up_by_their_iris(columns: Columns) -> None:
    value = "<http://ontology.eil.utoronto.ca/ISO21972/iso21972#value>"
    rows = ask(columns, f"SELECT ?o ?m {{ ?o {value} ?m }}")
    iris = sorted({str(term) for row in rows for term in row})
    assert len(iris) > 50
    columns._observation_ids.clear()
    ids = columns.ids(iris)
    assert ids.keys() == set(iris)
    columns._observation_ids.clear()
    assert [columns.ids([iri])[iri] for iri in iris[::20]] == [ids[iri] for iri in iris[::20]]
    for iri in (iri for iri in iris if "/id/quantity/" in iri):
        _, _, digits = iri.rpartition("/")
        others = [f"{iri}0" if "." in digits else f"{iri}.0", iri.replace(digits, f"0{digits}"), f"{iri}²", f"{iri}e0"]
        others += [iri.removesuffix(digits) + "-0"]
        assert columns.ids(others).keys() & set(others) == set(others) & set(iris)


def test_columns_of_terms_are_known_after_others_were_forgotten(
    columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaven.publisher.columns.open.MOST_REMEMBERED", 1)
    kpi, area = (columns.ids([term])[term] for (term,) in (ask(columns, f"SELECT ?x {{ ?o {p} ?x }} LIMIT 1")[0]
        for p in (f"<{BASE}ns#kpi>", "<http://purl.org/linked-data/sdmx/2009/dimension#refArea>")))  # fmt: skip
    for ids in ([kpi], [area], [-7], [kpi, -8, area]):
        assert columns.coded_columns(ids) == {name for name, number in (("kpi", kpi), ("area", area)) if number in ids}
