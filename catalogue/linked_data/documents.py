"""Documents about things: what they say of themselves, how many observations they leave out, and their forms.

A document says the same in all its forms; its own IRI is without an ending (Cool URIs, section 4.2).
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
# Behind these mostly stand slashes, which a prefixed name has to escape.
LEFT_OUT_PREFIXES = ("area", "dataset")
# By the first segment of a thing's path, the property by which observations are of it.
OBSERVED_BY = {
    "area": NAMESPACES["sdmx-dimension"] + "refArea",
    "period": NAMESPACES["sdmx-dimension"] + "refPeriod",
    "age": NAMESPACES["sdmx-dimension"] + "age",
    "status": NAMESPACES["sdmx-attribute"] + "obsStatus",
    "dataset": NAMESPACES["qb"] + "dataSet",
}


@dataclass(frozen=True)
class Observed:
    """The observations of a thing, which its document counts and does not list: how many, and where they are.

    `query` lists their IRIs; `addresses` are of the query's answer and of files that hold them.
    """

    count: int
    query: str
    addresses: tuple[str, ...]


def observed(iris: Iris, iri: str, kind: str, count: int, files: Iterable[str]) -> Observed:
    property = OBSERVED_BY.get(kind, iris.ontology + kind)
    query = f"SELECT ?observation WHERE {{ ?observation <{property}> <{iri}> }}"
    return Observed(count, query, (*files, query_link(iris, query)))


def query_link(iris: Iris, query: str) -> str:
    """The address of a query's answer."""
    return f"{iris.base}sparql?{urlencode({'query': query})}"


def document(iris: Iris, thing: Resource, page: str, found: Observed | None) -> list[Quad]:
    """All triples of the document in the order that people read them: itself, the thing, the rest.

    `page` is the address of the thing's own page, "" where it has none.
    """
    said = [*_self(iris, thing), *_notes(iris, thing)]
    if page:
        said.append(_quad(thing.iri, "foaf:page", NamedNode(page)))
    if found:
        said += _observations(iris, thing.iri, found)
    about = {NamedNode(iris.document(thing.iri)): 0, NamedNode(thing.iri): 1}
    return sorted([*said, *thing.graph], key=lambda q: (about.get(q.subject, 2), str(q)))


def written(quads: Iterable[Quad], ending: str, iris: Iris) -> bytes:
    """Triples in the form of an ending of RDF_FORMATS, with the prefixes that they use."""
    triples = [quad.triple for quad in quads]
    text = " ".join(map(str, triples))
    prefixes = {prefix: ns for prefix, ns in iris.prefixes.items() if prefix not in LEFT_OUT_PREFIXES and ns in text}
    body = serialize(triples, format=SERIALISERS[ending], prefixes=prefixes) or b""
    return _in_order(body) if ending == "ttl" else typed(body) if ending == "jsonld" else body


def _in_order(turtle: bytes) -> bytes:
    """Turtle with its prefixes by name; pyoxigraph writes them in another order each time."""
    lines = turtle.split(b"\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith(b"@prefix ")), len(lines))
    return b"\n".join([*sorted(lines[:count]), *([b""] if count else []), *lines[count:]])


def _self(iris: Iris, thing: Resource) -> Iterator[Quad]:
    about = iris.document(thing.iri)
    yield _quad(about, "rdf:type", NamedNode(NAMESPACES["foaf"] + "Document"))
    yield _quad(about, "foaf:primaryTopic", NamedNode(thing.iri))
    for ending in DOCUMENT_FORMATS:
        yield _quad(about, "dcterms:hasFormat", NamedNode(iris.document(thing.iri, ending)))


def _notes(iris: Iris, thing: Resource) -> Iterator[Quad]:
    """A sentence for each property that the document does not list whole, and where the whole is."""
    about = iris.document(thing.iri)
    for property in [*thing.cut, *thing.cut_inverse]:
        total = thing.cut_inverse.get(property)
        for language in LANGUAGES:
            say, short = messages(language, "catalogue"), shortened(iris.prefixes, property)
            text = say("resource.cut_inverse", count=EACH, total=total, property=short) if total else ""
            text = text or say("resource.cut", count=EACH, property=short)
            yield _quad(about, "rdfs:comment", Literal(text, language=language))
        pattern = f"?thing <{property}> <{thing.iri}>" if total else f"<{thing.iri}> <{property}> ?thing"
        yield _quad(about, "rdfs:seeAlso", NamedNode(query_link(iris, f"SELECT ?thing WHERE {{ {pattern} }}")))


def _observations(iris: Iris, iri: str, found: Observed) -> Iterator[Quad]:
    """The observations as a subset of the data (VoID, sections 4.5 and 4.6), with the places where they are."""
    about, subset = iris.document(iri), f"{iris.document(iri)}#observations"
    integer = NamedNode(NAMESPACES["xsd"] + "integer")
    yield _quad(about, "dcterms:references", NamedNode(subset))
    yield _quad(subset, "rdf:type", NamedNode(NAMESPACES["void"] + "Dataset"))
    yield _quad(subset, "dcterms:subject", NamedNode(iri))
    yield _quad(subset, "void:entities", Literal(str(found.count), datatype=integer))
    yield _quad(subset, "void:sparqlEndpoint", NamedNode(f"{iris.base}sparql"))
    for address in found.addresses:
        yield _quad(subset, "rdfs:seeAlso", NamedNode(address))
    for language in LANGUAGES:
        text = messages(language, "catalogue")("resource.observations", count=found.count)
        yield _quad(subset, "rdfs:label", Literal(text, language=language))


def _quad(subject: str, property: str, value: NamedNode | Literal) -> Quad:
    prefix, name = property.split(":")
    return Quad(NamedNode(subject), NamedNode(NAMESPACES[prefix] + name), value)


def shortened(prefixes: Mapping[str, str], iri: str) -> str:
    """An IRI as prefix:name by the longest namespace that fits."""
    fitting = [(len(ns), prefix) for prefix, ns in prefixes.items() if iri.startswith(ns)]
    if not fitting:
        return iri
    length, prefix = max(fitting)
    return f"{prefix}:{iri[length:]}"
