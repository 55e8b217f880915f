"""The published graph against external test suites for cubes, vocabularies and catalogues."""

from pathlib import Path

import pyshacl
import pytest
from pyoxigraph import QueryBoolean, QuerySolutions, RdfFormat, Store
from rdflib import DCAT, SH, XSD, Graph, Literal

from tests.conftest import SHARED, Site
from vaven.publisher.integrity.constraints import normalise, sparql_violations
from vaven.publisher.integrity.run import SKOS_CONDITIONS
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.shapes import release_shapes, swedish_profile

FOLDER = SHARED / "qb-skos-tests"
BYTE_SIZE = DCAT.byteSize
# These are entailments, not conditions: the other direction of a match is inferred (SKOS Reference, S43 and S44).
ENTAILED = {"S43.sparql", "S44.sparql"}
QUERIES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.sparql") if path.name not in ENTAILED)
# Updates that plant a violation, by the external query that finds it, with the own query that also finds it.
PLANTED = {
    "qb/qb-extra/01-unique-dimensions.sparql": (
        "INSERT { ?s qb:component [ qb:dimension sdmx-dimension:sex ] } WHERE { ?s a qb:DataStructureDefinition }",
        "",
    ),
    "skos/spec/S13.sparql": ("INSERT { ?s skos:altLabel ?o } WHERE { ?s skos:prefLabel ?o }", "skos-s13"),
    "skos/spec/S14.sparql": ("INSERT { ?s skos:prefLabel 'Annat'@sv } WHERE { ?s a skos:Concept }", "skos-s14"),
    "skos/spec/S27.sparql": (
        "INSERT { ?s skos:related ?o ; skos:broaderTransitive ?o } WHERE { ?s skos:broader ?o }",
        "skos-s27",
    ),
    "skos/spec/S37-2.sparql": ("INSERT { ?s a skos:Concept } WHERE { ?s a skos:ConceptScheme }", "skos-s9"),
    "skos/spec/S46-1.sparql": (
        "INSERT DATA { <urn:a> skos:exactMatch <urn:b> ; skos:relatedMatch <urn:b> }",
        "skos-s46",
    ),
}


@pytest.fixture
def graph(published_triples: bytes) -> Store:
    store = Store()
    store.load(published_triples, RdfFormat.N_TRIPLES)
    normalise(store)
    return store


def has_matches(graph: Store, shared: Path, name: str) -> bool:
    query = (shared / "qb-skos-tests" / name).read_text("utf-8")
    result = graph.query(query, prefixes=NAMESPACES)
    if isinstance(result, QueryBoolean):
        return bool(result)
    assert isinstance(result, QuerySolutions)
    return next(result, None) is not None


@pytest.mark.parametrize("name", QUERIES)
def test_no_external_query_finds_a_violation(graph: Store, shared: Path, name: str) -> None:
    assert not has_matches(graph, shared, name)


@pytest.mark.parametrize("name", PLANTED)
def test_external_and_own_queries_find_planted_violations(graph: Store, shared: Path, name: str) -> None:
    update, condition = PLANTED[name]
    graph.update(update, prefixes=NAMESPACES)
    assert has_matches(graph, shared, name)
    assert not condition or list(sparql_violations(graph, [condition]))


def test_no_own_condition_is_violated(graph: Store) -> None:
    assert list(sparql_violations(graph, SKOS_CONDITIONS)) == []


@pytest.mark.parametrize("shapes", ["dcat-ap", "dcat-ap-se", "release"])
def test_no_shape_is_violated_by_the_published_graph(
    published_triples: bytes, shared: Path, whole_way: Site, shapes: str
) -> None:
    iris = Iris(whole_way.url)
    known = {
        "dcat-ap": lambda: Graph().parse(shared / "dcat-ap-3" / "3.0.1" / "html" / "shacl" / "shapes.ttl"),
        "dcat-ap-se": lambda: swedish_profile(iris),
        "release": lambda: release_shapes(iris),
    }
    graph = Graph().parse(data=published_triples, format="nt")
    _, results, text = pyshacl.validate(graph, shacl_graph=known[shapes]())
    assert isinstance(results, Graph)
    violated = {results.value(node, SH.resultPath) for node in results.subjects(SH.resultSeverity, SH.Violation)}
    assert violated == set(), text
    # As the feed and metadata.ttl have them.
    sizes = {size for _, size in graph.subject_objects(BYTE_SIZE) if isinstance(size, Literal)}
    assert {size.datatype for size in sizes} == {XSD.nonNegativeInteger}
