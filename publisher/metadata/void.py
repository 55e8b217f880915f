"""Statistics of a dataset's graph as RDF in VoID (W3C Interest Group Note 2011-03-03).

All numbers are counted, never estimated: a test compares them with the endpoint's.
"""

from rdflib import RDF, VOID, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from vaven.publisher.rdf.triple_counts import ObservationCounts, Statistics, statistics_of
from vaven.publisher.releases.release import Release
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.literals import new_graph
from vaven.vocab.rdf.namespaces import FORMATS

# Prefixes of the vocabularies that observations and metadata use.
VOCABULARIES = ("qb", "sdmx-dimension", "sdmx-measure", "sdmx-attribute", "cube", "cids", "skos", "dcat", "prov", "dqv")
FEATURES = ("Turtle", "N-Triples", "RDF_XML", "JSON-LD")
MAX_ROUNDS = 5


def add_void(graph: Graph, iris: Iris, release: Release, counts: ObservationCounts) -> None:
    """Describe the contents of a dataset's named graph, including this description.

    `graph` may also describe resources that datasets share; these are in no dataset's own graph.
    """
    dataset = URIRef(iris.dataset(release.dataset))
    # Shared resources are in a graph of their own (shared_graph.py).
    own = [t for t in graph if isinstance(t[0], BNode) or iris.owner(str(t[0])) is not None]
    own_subjects, without_void = {t[0] for t in own}, statistics_of(own) + counts.own + counts.shared
    total = without_void
    # The description counts its own triples, so it is rewritten until its numbers no longer change.
    for _ in range(MAX_ROUNDS):
        description = new_graph(iris)
        _add_access(description, iris, release, dataset, counts.example)
        add_counts(description, dataset, total)
        added = statistics_of(description)
        new_subjects = len(set(description.subjects()) - own_subjects)
        recounted = without_void + Statistics(added.triples, new_subjects, added.classes, added.properties)
        if recounted == total:
            break
        total = recounted
    graph += description


def add_counts(graph: Graph, node: Node, counts: Statistics) -> None:
    """Add triples, distinct subjects, and partitions by class and by property (VoID, sections 4.5 and 4.6)."""
    graph.add((node, VOID.triples, Literal(counts.triples)))
    graph.add((node, VOID.distinctSubjects, Literal(counts.subjects)))
    graph.add((node, VOID.classes, Literal(len(counts.classes))))
    graph.add((node, VOID.properties, Literal(len(counts.properties))))
    for predicate, key, count, parts in (
        (VOID.classPartition, VOID["class"], VOID.entities, counts.classes),
        (VOID.propertyPartition, VOID.property, VOID.triples, counts.properties),
    ):
        for iri, number in sorted(parts.items()):
            part = BNode()
            graph.add((node, predicate, part))
            graph.add((part, key, URIRef(iri)))
            graph.add((part, count, Literal(number)))


def _add_access(graph: Graph, iris: Iris, release: Release, node: URIRef, example: str) -> None:
    """Add access information (VoID, sections 3 and 4.1-4.2).

    There is no void:dataDump, which would have to contain all these triples: the release's files hold only its
    observations.
    """
    graph.add((node, RDF.type, VOID.Dataset))
    graph.add((node, VOID.sparqlEndpoint, URIRef(iris.endpoint)))
    graph.add((node, VOID.uriSpace, Literal(iris.observation_prefix(release.dataset))))
    graph.add((node, VOID.exampleResource, URIRef(example)))
    for prefix in VOCABULARIES:
        graph.add((node, VOID.vocabulary, URIRef(NAMESPACES[prefix])))
    for name in FEATURES:
        graph.add((node, VOID.feature, FORMATS[name]))
