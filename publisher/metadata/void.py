"""How many statements there are, of what: as values, and as RDF with VoID (W3C Interest Group Note 2011-03-03).

Counted, never estimated: a test asks the endpoint the same.
"""

from rdflib import RDF, VOID, BNode, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from vaven.publisher.rdf.triple_counts import ObservationCounts, Statistics, statistics_of
from vaven.publisher.releases.release import Release
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.vocabulary import new_graph

# What our data is made of, as its readers know it.
VOCABULARIES = ("qb", "sdmx-dimension", "sdmx-measure", "sdmx-attribute", "cube", "cids", "skos", "dcat", "prov", "dqv")
FORMATS = Namespace("http://www.w3.org/ns/formats/")
FEATURES = ("Turtle", "N-Triples", "RDF_XML", "JSON-LD")
ROUNDS = 5


def add_void(graph: Graph, iris: Iris, release: Release, census: ObservationCounts) -> None:
    """Say of a dataset's named graph what it holds, this description included.

    `graph` may also describe what the dataset has in common with others: that is in no dataset's graph.
    """
    dataset = URIRef(iris.dataset(release.dataset))
    # What datasets have in common is in a graph of its own (reference.py).
    own = [t for t in graph if isinstance(t[0], BNode) or iris.owner(str(t[0])) is not None]
    there, before = {t[0] for t in own}, statistics_of(own) + census.own + census.shared
    whole = before
    for _ in range(ROUNDS):
        said = new_graph(iris)
        _add_access(said, iris, release, dataset, census)
        add_counts(said, dataset, whole)
        counted = statistics_of(said)
        fresh = len(set(said.subjects()) - there)
        again = before + Statistics(counted.triples, fresh, counted.classes, counted.properties)
        if again == whole:
            break
        whole = again
    graph += said


def add_counts(graph: Graph, node: Node, counts: Statistics) -> None:
    """Triples, distinct subjects, and partitions by class and by property (VoID, sections 4.5 and 4.6)."""
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


def _add_access(graph: Graph, iris: Iris, release: Release, node: URIRef, census: ObservationCounts) -> None:
    """Where and how to get at it (VoID, sections 3 and 4.1-4.2).

    Without a void:dataDump, which would be of all these triples: the release's files hold its observations alone.
    """
    graph.add((node, RDF.type, VOID.Dataset))
    graph.add((node, VOID.sparqlEndpoint, URIRef(iris.endpoint)))
    graph.add((node, VOID.uriSpace, Literal(iris.observation_stem(release.dataset))))
    graph.add((node, VOID.exampleResource, URIRef(census.example)))
    for prefix in VOCABULARIES:
        graph.add((node, VOID.vocabulary, URIRef(NAMESPACES[prefix])))
    for name in FEATURES:
        graph.add((node, VOID.feature, FORMATS[name]))
