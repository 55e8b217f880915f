"""How many statements there are, of what: as values, and as RDF with VoID (W3C Interest Group Note 2011-03-03).

Counted, never estimated: a test asks the endpoint the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from rdflib import RDF, VOID, BNode, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from vaven.publisher.release import Release
from vaven.vocab.concepts import new_graph
from vaven.vocab.iris import NAMESPACES, Iris

# What our data is made of, as its readers know it.
VOCABULARIES = ("qb", "sdmx-dimension", "sdmx-measure", "sdmx-attribute", "cube", "cids", "skos", "dcat", "prov", "dqv")
FORMATS = Namespace("http://www.w3.org/ns/formats/")
FEATURES = ("Turtle", "N-Triples", "RDF_XML", "JSON-LD")
ROUNDS = 5


@dataclass(frozen=True)
class Statistics:
    """Counts of a set of triples. `classes` are instances and `properties` triples, by IRI; `subjects` are distinct."""

    triples: int = 0
    subjects: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    properties: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Statistics") -> "Statistics":
        """Of both together, where they have no triple and no subject in common."""
        return Statistics(
            self.triples + other.triples,
            self.subjects + other.subjects,
            dict(Counter(self.classes) + Counter(other.classes)),
            dict(Counter(self.properties) + Counter(other.properties)),
        )

    def scaled(self, nodes: int) -> "Statistics":
        """Of `nodes` subjects that look like these, which all look alike."""
        share = {"classes": self.classes, "properties": self.properties}
        counts = {name: {iri: n * nodes // self.subjects for iri, n in found.items()} for name, found in share.items()}
        return Statistics(self.triples * nodes // self.subjects, nodes, **counts) if nodes else Statistics()


@dataclass(frozen=True)
class Census:
    """What a release's observations became: `own` are the triples of each observation, `shared` the nodes that several
    of them name and that look all alike, `example` is the IRI of one observation."""

    own: Statistics
    shared: Statistics
    example: str = ""


def statistics_of(triples: Iterable[tuple[Node, Node, Node]]) -> Statistics:
    """Count triples, each of which comes once. Cost: about three seconds a million."""
    subjects: set[Node] = set()
    properties: Counter[Node] = Counter()
    classes: Counter[Node] = Counter()
    for subject, predicate, value in triples:
        subjects.add(subject)
        properties[predicate] += 1
        if predicate == RDF.type:
            classes[value] += 1
    named = ({str(node): count for node, count in counted.items()} for counted in (classes, properties))
    return Statistics(properties.total(), len(subjects), *named)


def counted_from(manifest: Mapping[str, Any]) -> Statistics:
    """Of a release's observations with their nodes, from the Census in its record; nothing for one older than that."""
    found = manifest.get("statistics", {})
    return reduce(add, (Statistics(**found[part]) for part in ("own", "shared") if part in found), Statistics())


def add_void(graph: Graph, iris: Iris, release: Release, census: Census) -> None:
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


def _add_access(graph: Graph, iris: Iris, release: Release, node: URIRef, census: Census) -> None:
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
