"""Ontology of Väven under `ns`: a page with an anchor for each term, and the same in RDF.

A hash namespace (Cool URIs, section 4.1): dereferencing `ns#kpi` requests `ns`, which describes all terms.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from flask import Blueprint, Response, g, render_template, request
from pyoxigraph import Dataset, NamedNode, Quad, RdfFormat, parse

from vaven.catalogue.http.content_negotiation import DOCUMENT_FORMATS, FORMAT_NAMES, links, requested_format
from vaven.catalogue.http.problem_details import not_acceptable
from vaven.catalogue.linked_data.documents import serialized
from vaven.catalogue.linked_data.resource import Resource
from vaven.catalogue.linked_data.statements import StatementRow, own_rows, title
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.vocabulary import ONTOLOGY_FILES

# A term belongs to the first group whose class it has; the last group has all other terms.
GROUPS = {
    "class": "owl:Class",
    "dimension": "qb:DimensionProperty",
    "measure": "qb:MeasureProperty",
    "attribute": "qb:AttributeProperty",
    "property": "rdf:Property",
    "structure": "",
}


@dataclass(frozen=True)
class OntologyTerm:
    """A term for the page: `anchor` is its name after the #."""

    anchor: str
    title: str
    rows: tuple[StatementRow, ...]


def blueprint(iris: Iris) -> Blueprint:
    pages = Blueprint("ontology", __name__)

    @pages.get("/ns")
    def negotiated() -> Response:
        extension = requested_format(request)
        if extension is None:
            response = not_acceptable(_formats(iris))
        else:
            response = _document(iris, extension)
            response.headers["Content-Location"] = f"/ns.{extension}"
        response.vary.add("Accept")
        return response

    @pages.get("/ns.<any(html, ttl, jsonld, nt, rdf):extension>")
    def in_format(extension: str) -> Response:
        return _document(iris, extension)

    return pages


def _document(iris: Iris, extension: str) -> Response:
    g.is_same_in_every_language = extension != "html"
    media_type = DOCUMENT_FORMATS[extension]
    body = _page(iris) if extension == "html" else _serialized(iris, extension)
    is_text = media_type.startswith("text/")
    response = Response(body, content_type=f"{media_type}; charset=utf-8" if is_text else media_type)
    response.add_etag()
    response.headers["Cache-Control"] = "public, max-age=3600"
    alternates = [(iri, "alternate", name) for name, iri in _formats(iris).items() if name != response.mimetype]
    response.headers["Link"] = links([("/ns", "canonical", ""), *alternates])
    response.make_conditional(request)
    return response


@lru_cache(maxsize=2 * len(DOCUMENT_FORMATS))
def _serialized(iris: Iris, extension: str) -> bytes:
    """Serialize the ontology once, so that its entity tag is stable: the order of prefixes is not."""
    return serialized(terms(iris), extension, iris)


def _formats(iris: Iris) -> Mapping[str, str]:
    """Return the IRIs of the ontology by media type."""
    return {media_type: f"{iris.base}ns.{extension}" for extension, media_type in DOCUMENT_FORMATS.items()}


@lru_cache(maxsize=2)
def terms(iris: Iris) -> tuple[Quad, ...]:
    """Return the triples of the ontology and the data structure definition, in the order of their files."""
    quads: list[Quad] = []
    for name in ONTOLOGY_FILES:
        text = (files("vaven.vocab.rdf") / name).read_bytes()
        quads += parse(text, RdfFormat.TURTLE, base_iri=iris.base)
    return tuple(quads)


def _page(iris: Iris) -> str:
    grouped = list(_terms_by_group(iris))
    groups = {group: [term for own, term in grouped if own == group] for group in GROUPS}
    return render_template(
        "linked_data/ontology.html",
        groups=groups,
        namespace=iris.ontology,
        formats=FORMAT_NAMES,
        endings=DOCUMENT_FORMATS,
    )


def _terms_by_group(iris: Iris) -> Iterator[tuple[str, OntologyTerm]]:
    """Return each term of our namespace with its group, in the order of the files."""
    graph = Dataset(terms(iris))
    nodes = dict.fromkeys(
        q.subject for q in terms(iris) if isinstance(q.subject, NamedNode) and q.subject.value.startswith(iris.ontology)
    )
    for node in nodes:
        if node.value == iris.ontology:
            continue
        resource = Resource(node.value, graph)
        classes = {q.object.value for q in graph.quads_for_subject(node) if isinstance(q.object, NamedNode)}
        group = next(name for name, own in GROUPS.items() if not own or _expanded(own) in classes)
        anchor = node.value.removeprefix(iris.ontology)
        yield group, OntologyTerm(anchor, title(resource), own_rows(resource, iris.prefixes))


def _expanded(short: str) -> str:
    prefix, name = short.split(":")
    return NAMESPACES[prefix] + name
