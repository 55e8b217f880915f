"""Description of one resource as a small graph: its statements, the links to it, and the names of all of these.

The graph is bounded: an area with a hundred thousand observations lists none of them, and the document states their
number. A resource with a million values of one property lists EACH of them.

Terms are the engine's own (pyoxigraph), so that every literal keeps the lexical form that it was published with.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pyoxigraph import BlankNode, Dataset, Literal, NamedNode, Quad, RdfFormat, parse

from vaven.vocab import media_types
from vaven.vocab.errors import QuerySyntaxError
from vaven.vocab.iris import NAMESPACES, Iris

# Statements that are listed in full; of a resource with more, EACH of one property are.
LINKS = 400
EACH = 100
MOST_NAMED = 1_000
# The properties of resource-names.rq, the preferred one first.
NAMES = tuple(
    NamedNode(NAMESPACES[prefix] + name)
    for prefix, name in (("skos", "prefLabel"), ("rdfs", "label"), ("foaf", "name"), ("dcterms", "title"))
)
# Properties to query of a resource with more statements than LINKS, beside those of its first statements.
USUAL = tuple(
    NAMESPACES[prefix] + name
    for prefix, names in {
        "rdf": "type",
        "dcterms": "description identifier publisher issued modified license conformsTo spatial temporal language",
        "dcat": "landingPage contactPoint keyword theme service dataset distribution hasVersion version endpointURL",
        "skos": "definition inScheme broader notation",
        "foaf": "homepage",
        "qb": "structure",
        "cube": "observedBy observationConstraint",
        "void": "sparqlEndpoint dataDump triples entities",
    }.items()
    for name in names.split()
)
TRIPLES = media_types.N_TRIPLES
# A query and the media type of its result in, the complete result out. Raises QueryError.
Execute = Callable[[str, str], bytes]


@dataclass(frozen=True)
class Resource:
    """A resource with its graph.

    `cut` are the properties of which only EACH values are listed; `cut_inverse` those by which more than EACH other
    resources link to it, with their number.
    """

    iri: str
    graph: Dataset
    cut: tuple[str, ...] = ()
    cut_inverse: Mapping[str, int] = field(default_factory=dict)

    def names(self, iri: str | None = None) -> dict[str, str]:
        """Return the names of a resource in the graph by language; "" is the key of a name without a language."""
        statements = list(self.graph.quads_for_subject(NamedNode(iri or self.iri)))
        for property in NAMES:
            names = [q.object for q in statements if q.predicate == property and isinstance(q.object, Literal)]
            if names:
                # The first of several in one language by alphabet, so that it is always the same.
                return {name.language or "": name.value for name in sorted(names, key=_value, reverse=True)}
        return {}


def exists(execute: Execute, iri: str) -> bool:
    """Check that a resource is the subject or object of a statement."""
    try:
        # Most resources have statements, and the links to one take longer to find.
        return any(
            b"true" in execute(_query(name, iri=iri), media_types.SPARQL_JSON)
            for name in ("resource-statement", "resource-link")
        )
    except QuerySyntaxError:
        # A text with characters that no IRI may contain identifies nothing.
        return False


def gather(execute: Execute, iris: Iris, iri: str) -> Resource | None:
    """Return a resource with the graph of its document; None if there is no statement about it and no link to it.

    Cost: two to four small queries, and some dozens more for the few resources with very many statements.
    """
    try:
        first = _triples(execute, "resource", iri=iri, links=str(LINKS + 1), inverse=str(EACH + 1))
    except QuerySyntaxError:
        return None
    node = NamedNode(iri)
    if not len(first):
        return None
    own = [quad for quad in first if quad.subject == node]
    if len(own) > LINKS:
        graph, cut = _first_values(execute, node, own)
    else:
        graph, cut = _description(execute, node, own), ()
    links, counts = _links(execute, iris, node, [quad for quad in first if quad.subject != node])
    for quad in links:
        graph.add(quad)
    for quad in _names(execute, graph, node):
        graph.add(quad)
    return Resource(iri, graph, cut, counts)


def bounded(quads: Iterable[Quad], start: Iterable[NamedNode | BlankNode]) -> Dataset:
    """Return the concise bounded description of nodes: their statements, and those of the blank nodes they lead to."""
    graph, description = Dataset(quads), Dataset()
    nodes = list(start)
    while nodes:
        for quad in graph.quads_for_subject(nodes.pop()):
            if isinstance(quad.object, BlankNode) and not any(True for _ in description.quads_for_subject(quad.object)):
                nodes.append(quad.object)
            description.add(quad)
    return description


def _description(execute: Execute, node: NamedNode, own: list[Quad]) -> Dataset:
    """Return a resource's statements, its blank nodes, and its parts with a fragment after its IRI (httpRange-14)."""
    parts = _parts(node, own)
    if parts or any(isinstance(quad.object, BlankNode) for quad in own):
        # Some engines add all links to a resource to the result of DESCRIBE.
        quads = _triples(execute, "resource-description", resources=_joined([node, *parts]))
        return bounded(quads, [node, *parts])
    return Dataset(own)


def _parts(node: NamedNode, quads: Iterable[Quad]) -> set[NamedNode]:
    objects = (quad.object for quad in quads)
    return {part for part in objects if isinstance(part, NamedNode) and part.value.startswith(f"{node.value}#")}


def _first_values(execute: Execute, node: NamedNode, own: list[Quad]) -> tuple[Dataset, tuple[str, ...]]:
    """Return the first values of each property, and the properties that have more."""
    graph, cut = Dataset(), []
    for property in sorted({q.predicate.value for q in own} | {p.value for p in NAMES} | set(USUAL)):
        quads = list(_triples(execute, "resource-property", iri=node.value, property=property, limit=str(EACH + 1)))
        if len(quads) > EACH:
            cut.append(property)
        for quad in quads[:EACH]:
            graph.add(quad)
    if parts := _parts(node, graph):
        # No other document describes them.
        for quad in bounded(_triples(execute, "resource-description", resources=_joined(parts)), parts):
            graph.add(quad)
    return graph, tuple(cut)


def _links(execute: Execute, iris: Iris, node: NamedNode, first: list[Quad]) -> tuple[list[Quad], dict[str, int]]:
    """Return links to a resource except those of observations, and their number by each property that has too many."""
    if len(first) > EACH:
        first = list(_triples(execute, "resource-inverse", iri=node.value, base=iris.base, limit=str(EACH + 1)))
    counts: Counter[str] = Counter()
    links = []
    for quad in first:
        if isinstance(quad.subject, NamedNode) and not quad.subject.value.startswith(iris.observations):
            counts[quad.predicate.value] += 1
            if counts[quad.predicate.value] <= EACH:
                links.append(quad)
    many = sorted(property for property, count in counts.items() if count > EACH)
    return links, {property: _count(execute, node, property) for property in many}


def _count(execute: Execute, node: NamedNode, property: str) -> int:
    query = _query("resource-count", iri=node.value, property=property)
    result = json.loads(execute(query, media_types.SPARQL_JSON))
    return int(result["results"]["bindings"][0]["count"]["value"])


def _names(execute: Execute, graph: Dataset, node: NamedNode) -> Iterable[Quad]:
    """Return the names of all resources in a graph except the described one, whose statements include them."""
    nodes = {term for q in graph for term in (q.subject, q.predicate, q.object) if isinstance(term, NamedNode)}
    others = sorted(nodes - {node}, key=_value)[:MOST_NAMED]
    return _triples(execute, "resource-names", resources=_joined(others)) if others else ()


def _joined(nodes: Iterable[NamedNode]) -> str:
    return " ".join(map(str, nodes))


def _value(term: NamedNode | Literal) -> str:
    return term.value


def _triples(execute: Execute, name: str, **values: str) -> Dataset:
    return Dataset(_parsed(execute(_query(name, **values), TRIPLES)))


def _parsed(triples: bytes) -> Iterator[Quad]:
    yield from parse(triples, RdfFormat.N_TRIPLES)


@cache
def _text(name: str) -> str:
    return (files(__package__) / "queries" / f"{name}.rq").read_text("utf-8")


def _query(name: str, **values: str) -> str:
    """Fill in the values of a query of queries/; IRIs are escaped as minted, so they cannot inject SPARQL."""
    lines = [line for line in _text(name).split("\n") if not line.startswith("#")]
    query = "\n".join(lines)
    for key, value in values.items():
        query = query.replace(f"{{{key}}}", value)
    return query
