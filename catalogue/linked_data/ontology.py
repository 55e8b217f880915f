"""Väven's own terms under `ns`: a page with an anchor for each, and the same in RDF.

A hash namespace (Cool URIs, section 4.1): who looks up `ns#kpi` asks for `ns`, and finds all terms there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from flask import Blueprint, Response, g, render_template, request
from pyoxigraph import Dataset, NamedNode, Quad, RdfFormat, parse

from vaven.catalogue.http.content_negotiation import DOCUMENT_FORMATS, FORMAT_NAMES, links, requested_format
from vaven.catalogue.http.problem_details import not_acceptable
from vaven.catalogue.linked_data.documents import written
from vaven.catalogue.linked_data.resource import Resource
from vaven.catalogue.linked_data.statements import StatementRow, own_rows, title
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.vocabulary import ONTOLOGY_FILES

# A term stands in the first group whose class it has; the last takes the rest.
GROUPS = {
    "class": "owl:Class",
    "dimension": "qb:DimensionProperty",
    "measure": "qb:MeasureProperty",
    "attribute": "qb:AttributeProperty",
    "property": "rdf:Property",
    "structure": "",
}


@dataclass(frozen=True)
class Entry:
    """A term as its page shows it: `anchor` is its name behind the #."""

    anchor: str
    title: str
    rows: tuple[StatementRow, ...]


def blueprint(iris: Iris) -> Blueprint:
    pages = Blueprint("ontology", __name__)

    @pages.get("/ns")
    def negotiated() -> Response:
        ending = requested_format(request)
        if ending is None:
            answer = not_acceptable(_forms(iris))
        else:
            answer = _document(iris, ending)
            answer.headers["Content-Location"] = f"/ns.{ending}"
        answer.vary.add("Accept")
        return answer

    @pages.get("/ns.<any(html, ttl, jsonld, nt, rdf):ending>")
    def form(ending: str) -> Response:
        return _document(iris, ending)

    return pages


def _document(iris: Iris, ending: str) -> Response:
    g.is_same_in_every_language = ending != "html"
    kind = DOCUMENT_FORMATS[ending]
    body = _page(iris) if ending == "html" else _written(iris, ending)
    answer = Response(body, content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
    answer.add_etag()
    answer.headers["Cache-Control"] = "public, max-age=3600"
    alternates = [(address, "alternate", kind) for kind, address in _forms(iris).items() if kind != answer.mimetype]
    answer.headers["Link"] = links([("/ns", "canonical", ""), *alternates])
    answer.make_conditional(request)
    return answer


@lru_cache(maxsize=2 * len(DOCUMENT_FORMATS))
def _written(iris: Iris, ending: str) -> bytes:
    """Made once, so that its entity tag stays the same: the order of prefixes does not."""
    return written(terms(iris), ending, iris)


def _forms(iris: Iris) -> Mapping[str, str]:
    return {kind: f"{iris.base}ns.{ending}" for ending, kind in DOCUMENT_FORMATS.items()}


@lru_cache(maxsize=2)
def terms(iris: Iris) -> tuple[Quad, ...]:
    """The triples of the ontology and the data structure, in the order of their files."""
    found: list[Quad] = []
    for name in ONTOLOGY_FILES:
        text = (files("vaven.vocab.rdf") / name).read_bytes()
        found += parse(text, RdfFormat.TURTLE, base_iri=iris.base)
    return tuple(found)


def _page(iris: Iris) -> str:
    listed = list(_entries(iris))
    groups = {group: [entry for found, entry in listed if found == group] for group in GROUPS}
    return render_template(
        "linked_data/ontology.html",
        groups=groups,
        namespace=iris.ontology,
        formats=FORMAT_NAMES,
        endings=DOCUMENT_FORMATS,
    )


def _entries(iris: Iris) -> Iterator[tuple[str, Entry]]:
    """Each term of our namespace with its group, in the order of the files."""
    graph = Dataset(terms(iris))
    ours = dict.fromkeys(
        q.subject for q in terms(iris) if isinstance(q.subject, NamedNode) and q.subject.value.startswith(iris.ontology)
    )
    for term in ours:
        if term.value == iris.ontology:
            continue
        thing = Resource(term.value, graph)
        kinds = {q.object.value for q in graph.quads_for_subject(term) if isinstance(q.object, NamedNode)}
        group = next(name for name, kind in GROUPS.items() if not kind or _expanded(kind) in kinds)
        anchor = term.value.removeprefix(iris.ontology)
        yield group, Entry(anchor, title(thing), own_rows(thing, iris.prefixes))


def _expanded(short: str) -> str:
    prefix, name = short.split(":")
    return NAMESPACES[prefix] + name
