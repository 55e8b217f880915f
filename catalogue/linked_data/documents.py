"""Documents about resources, in each format: self-description, notes on omissions, and the number of observations.

A document has the same content in all formats; its own IRI has no extension (Cool URIs, section 4.2).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, serialize

from vaven.catalogue.http.content_negotiation import DOCUMENT_FORMATS
from vaven.catalogue.linked_data.resource import EACH, Resource
from vaven.publisher.rdf.json_ld import typed
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages

SERIALISERS = {
    "ttl": RdfFormat.TURTLE,
    "jsonld": RdfFormat.JSON_LD,
    "nt": RdfFormat.N_TRIPLES,
    "rdf": RdfFormat.RDF_XML,
}
# Local names with these prefixes mostly have slashes, which a prefixed name has to escape.
UNUSED_PREFIXES = ("area", "dataset")
# The property that links observations to a resource, by the first segment of its path.
OBSERVED_BY = {
    "area": NAMESPACES["sdmx-dimension"] + "refArea",
    "period": NAMESPACES["sdmx-dimension"] + "refPeriod",
    "age": NAMESPACES["sdmx-dimension"] + "age",
    "status": NAMESPACES["sdmx-attribute"] + "obsStatus",
    "dataset": NAMESPACES["qb"] + "dataSet",
}


@dataclass(frozen=True)
class Observed:
    """The observations of a resource, which its document counts and does not list.

    `query` lists their IRIs; `links` lead to its result and to files with the observations.
    """

    count: int
    query: str
    links: tuple[str, ...]


def observed_of(iris: Iris, iri: str, kind: str, count: int, files: Iterable[str]) -> Observed:
    property = OBSERVED_BY.get(kind, iris.ontology + kind)
    query = f"SELECT ?observation WHERE {{ ?observation <{property}> <{iri}> }}"
    return Observed(count, query, (*files, query_link(iris, query)))


def query_link(iris: Iris, query: str) -> str:
    """Return the URL of a query's result."""
    return f"{iris.base}sparql?{urlencode({'query': query})}"


def document(iris: Iris, resource: Resource, page: str, observed: Observed | None) -> list[Quad]:
    """Return all triples of a document in reading order: itself, the resource, all others.

    `page` is the URL of the resource's page, "" if it has none.
    """
    quads = [*_self(iris, resource), *_notes(iris, resource)]
    if page:
        quads.append(_quad(resource.iri, "foaf:page", NamedNode(page)))
    if observed:
        quads += _observations(iris, resource.iri, observed)
    about = {NamedNode(iris.document(resource.iri)): 0, NamedNode(resource.iri): 1}
    return sorted([*quads, *resource.graph], key=lambda q: (about.get(q.subject, 2), str(q)))


def serialized(quads: Iterable[Quad], extension: str, iris: Iris) -> bytes:
    """Serialize triples in a format of RDF_FORMATS, with the prefixes that they use."""
    triples = [quad.triple for quad in quads]
    text = " ".join(map(str, triples))
    prefixes = {prefix: ns for prefix, ns in iris.prefixes.items() if prefix not in UNUSED_PREFIXES and ns in text}
    body = serialize(triples, format=SERIALISERS[extension], prefixes=prefixes) or b""
    return _with_sorted_prefixes(body) if extension == "ttl" else typed(body) if extension == "jsonld" else body


def _with_sorted_prefixes(turtle: bytes) -> bytes:
    """Sort the prefixes of Turtle by name; pyoxigraph writes them in a different order each time."""
    lines = turtle.split(b"\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith(b"@prefix ")), len(lines))
    return b"\n".join([*sorted(lines[:count]), *([b""] if count else []), *lines[count:]])


def _self(iris: Iris, resource: Resource) -> Iterator[Quad]:
    about = iris.document(resource.iri)
    yield _quad(about, "rdf:type", NamedNode(NAMESPACES["foaf"] + "Document"))
    yield _quad(about, "foaf:primaryTopic", NamedNode(resource.iri))
    for extension in DOCUMENT_FORMATS:
        yield _quad(about, "dcterms:hasFormat", NamedNode(iris.document(resource.iri, extension)))


def _notes(iris: Iris, resource: Resource) -> Iterator[Quad]:
    """Return a note on each property that the document cuts, and a link to all its values."""
    about = iris.document(resource.iri)
    for property in [*resource.cut, *resource.cut_inverse]:
        total = resource.cut_inverse.get(property)
        for language in LANGUAGES:
            sentence, short = messages(language, "catalogue"), shortened(iris.prefixes, property)
            text = sentence("resource.cut_inverse", count=EACH, total=total, property=short) if total else ""
            text = text or sentence("resource.cut", count=EACH, property=short)
            yield _quad(about, "rdfs:comment", Literal(text, language=language))
        pattern = f"?thing <{property}> <{resource.iri}>" if total else f"<{resource.iri}> <{property}> ?thing"
        yield _quad(about, "rdfs:seeAlso", NamedNode(query_link(iris, f"SELECT ?thing WHERE {{ {pattern} }}")))


def _observations(iris: Iris, iri: str, observed: Observed) -> Iterator[Quad]:
    """Return the observations as a subset of the data (VoID, sections 4.5 and 4.6), with links to them."""
    about, subset = iris.document(iri), f"{iris.document(iri)}#observations"
    integer = NamedNode(NAMESPACES["xsd"] + "integer")
    yield _quad(about, "dcterms:references", NamedNode(subset))
    yield _quad(subset, "rdf:type", NamedNode(NAMESPACES["void"] + "Dataset"))
    yield _quad(subset, "dcterms:subject", NamedNode(iri))
    yield _quad(subset, "void:entities", Literal(str(observed.count), datatype=integer))
    yield _quad(subset, "void:sparqlEndpoint", NamedNode(f"{iris.base}sparql"))
    for link in observed.links:
        yield _quad(subset, "rdfs:seeAlso", NamedNode(link))
    for language in LANGUAGES:
        text = messages(language, "catalogue")("resource.observations", count=observed.count)
        yield _quad(subset, "rdfs:label", Literal(text, language=language))


def _quad(subject: str, property: str, value: NamedNode | Literal) -> Quad:
    prefix, name = property.split(":")
    return Quad(NamedNode(subject), NamedNode(NAMESPACES[prefix] + name), value)


def shortened(prefixes: Mapping[str, str], iri: str) -> str:
    """Return an IRI as prefix:name by the longest namespace that it starts with."""
    matches = [(len(ns), prefix) for prefix, ns in prefixes.items() if iri.startswith(ns)]
    if not matches:
        return iri
    length, prefix = max(matches)
    return f"{prefix}:{iri[length:]}"
