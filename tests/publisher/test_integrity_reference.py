"""All that is published, against what others test cubes, vocabularies and catalogues with."""

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
# Entailments and no conditions: who wants the other direction of a match infers it (SKOS Reference, S43 and S44).
ENTAILED = {"S43.sparql", "S44.sparql"}
QUERIES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.sparql") if path.name not in ENTAILED)
# A fault that a query of theirs finds, and one of ours by another name.
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


def is_found(graph: Store, shared: Path, name: str) -> bool:
    query = (shared / "qb-skos-tests" / name).read_text("utf-8")
    found = graph.query(query, prefixes=NAMESPACES)
    if isinstance(found, QueryBoolean):
        return bool(found)
    assert isinstance(found, QuerySolutions)
    return next(found, None) is not None


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_that_others_test_for_is_found(graph: Store, shared: Path, name: str) -> None:
    assert not is_found(graph, shared, name)


@pytest.mark.parametrize("name", PLANTED)
def test_their_queries_and_ours_would_notice(graph: Store, shared: Path, name: str) -> None:
    fault, condition = PLANTED[name]
    graph.update(fault, prefixes=NAMESPACES)
    assert is_found(graph, shared, name)
    assert not condition or list(sparql_violations(graph, [condition]))


def test_no_condition_of_ours_is_broken(graph: Store) -> None:
    assert list(sparql_violations(graph, SKOS_CONDITIONS)) == []


@pytest.mark.parametrize("shapes", ["dcat-ap", "dcat-ap-se", "release"])
def test_no_shape_is_violated_by_all_that_is_published(
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
    assert violated == ({BYTE_SIZE} if shapes != "release" else set()), text
    # Oxigraph keeps whole numbers of every kind as xsd:integer. In the feed and in metadata.ttl the sizes have their
    # type; a remote store keeps it too.
    sizes = {size for _, size in graph.subject_objects(BYTE_SIZE) if isinstance(size, Literal)}
    assert {size.datatype for size in sizes} == {XSD.integer}
