"""Dereferencing of every IRI that we mint: 303 to a page or to a document (DESIGN section 5).

Cool URIs for the Semantic Web, section 4.2: `id/…` names a thing, `doc/….ttl` is a document about it.
"""

from collections.abc import Mapping

from flask import Blueprint, Response, abort, render_template, request
from rdflib import Graph, URIRef

from vaven.catalogue.negotiate import RDF_FORMATS, choose, prefers_html, see_other
from vaven.catalogue.problem import problem
from vaven.publisher.answer import QueryEngine
from vaven.publisher.collection import Collection
from vaven.vocab.errors import QuerySyntaxError, UnknownDataset
from vaven.vocab.iris import Iris, segment

# Things that have a page of their own; the rest is shown as a list of its statements.
PAGES = ("kpi", "theme", "area", "dataset", "investment")
# An own area's code may hold a slash, which HTTP servers undo from its escape: how many segments stand
# before and after the code in the paths that have one.
AROUND_CODE = {"area": (2, 0), "observation": (2, 4), "target": (2, 2)}
VERSION_DIGITS = 9
PARSERS = {"text/turtle": "turtle", "application/n-triples": "nt"}


def blueprint(engine: QueryEngine, collection: Collection, iris: Iris) -> Blueprint:
    pages = Blueprint("identifiers", __name__)

    @pages.get("/id/<path:name>")
    def thing(name: str) -> Response:
        return _see_other(engine, collection, iris, name)

    @pages.get("/ns")
    def ontology() -> Response:
        chosen = choose(request.headers.get("Accept"), list(RDF_FORMATS.values())) or RDF_FORMATS["ttl"]
        query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{iris.ontology.rstrip('#')}> {{ ?s ?p ?o }} }}"
        return _document(engine, query, chosen)

    @pages.get("/doc/<path:name>")
    def document(name: str) -> Response:
        stem, _, ending = name.rpartition(".")
        if ending in RDF_FORMATS and stem:
            return describe(engine, collection, iris, stem, RDF_FORMATS[ending])
        return _page(engine, collection, iris, name)

    return pages


def exists(engine: QueryEngine, iri: str) -> bool:
    query = f"ASK {{ {{ <{iri}> ?p ?o }} UNION {{ ?s ?p <{iri}> }} }}"
    try:
        answer = engine.answer(query, media_type="application/sparql-results+json")
    except QuerySyntaxError:
        # Characters that no IRI may hold name nothing.
        return False
    try:
        return b"true" in answer.file.read()
    finally:
        answer.close()


def describe(engine: QueryEngine, collection: Collection, iris: Iris, name: str, media_type: str) -> Response:
    """The statements about a thing in one format; from the graph, or of an older version from its release."""
    iri = _iri(iris, name)
    if iri and exists(engine, iri):
        return _document(engine, f"DESCRIBE <{iri}>", media_type)
    if iri and (kept := _older_version(collection, iris, name)):
        form = {"application/ld+json": "json-ld", "application/rdf+xml": "xml"}.get(media_type) or PARSERS[media_type]
        return Response(kept.serialize(format=form), mimetype=media_type)
    return _unknown(iri or name)


def _unknown(iri: str) -> Response:
    if prefers_html(request):
        abort(404)
    return _varied(problem(404, "Nothing has this identifier", iri))


def _see_other(engine: QueryEngine, collection: Collection, iris: Iris, name: str) -> Response:
    iri = _iri(iris, name)
    if not iri or not (exists(engine, iri) or _older_version(collection, iris, name)):
        return _unknown(iri or name)
    chosen = choose(request.headers.get("Accept"), ["text/html", *RDF_FORMATS.values()])
    if chosen is None:
        offered = ", ".join(["text/html", *RDF_FORMATS.values()])
        return _varied(problem(406, "Not acceptable", f"Ask for one of {offered}."))
    path = iri.removeprefix(iris.base + "id/")
    if chosen == "text/html":
        return _varied(see_other(f"/{path}" if _has_page(collection, name) else f"/doc/{path}"))
    ending = next(ending for ending, kind in RDF_FORMATS.items() if kind == chosen)
    return _varied(see_other(f"/doc/{path}.{ending}"))


def _has_page(collection: Collection, name: str) -> bool:
    """Municipalities and counties are areas too, but have no figures of their own and so no page."""
    kind, *rest = _segments(name)
    if kind == "area":
        return len(rest) == 2 and collection.area(rest[0], rest[1]) is not None
    if kind == "investment":
        return collection.investment("/".join(rest)) is not None
    return kind in PAGES and len(rest) in ((1, 2) if kind == "dataset" else (1,))


def _varied(answer: Response) -> Response:
    answer.vary.add("Accept")
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def _iri(iris: Iris, name: str) -> str | None:
    """The IRI of a path as it is minted; None where it holds what no IRI may (so no query can be smuggled in)."""
    if any(ord(c) < 32 for c in name):
        return None
    # Flask has undone the escapes of the path; IRIs are minted with them.
    return iris.base + "id/" + "/".join(map(segment, _segments(name)))


def _segments(name: str) -> list[str]:
    """The parts of a path as they were before a slash inside a code was undone from its escape."""
    parts = name.split("/")
    before, after = AROUND_CODE.get(parts[0], (len(parts), 0))
    end = len(parts) - after
    return [*parts[:before], "/".join(parts[before:end]), *parts[end:]] if end > before else parts


def _document(engine: QueryEngine, query: str, media_type: str) -> Response:
    answer = engine.answer(query, media_type=media_type)
    try:
        return _varied(Response(answer.file.read(), mimetype=media_type))
    finally:
        answer.close()


def _older_version(collection: Collection, iris: Iris, name: str) -> Graph | None:
    """What an earlier release says of its own version or file; the graph holds current releases only."""
    parts = name.split("/")
    if len(parts) < 3 or parts[0] != "dataset" or not parts[2].isdecimal() or len(parts[2]) > VERSION_DIGITS:
        return None
    try:
        with collection.open(parts[1], int(parts[2]), "metadata.ttl") as file:
            whole = Graph().parse(file, format="turtle")
    except UnknownDataset:
        return None
    found = whole.cbd(URIRef(_iri(iris, name) or ""))
    return found if len(found) else None


def _page(engine: QueryEngine, collection: Collection, iris: Iris, name: str) -> Response:
    """All statements about a thing as a table, for things without a page of their own."""
    answer = describe(engine, collection, iris, name, "application/n-triples")
    if answer.status_code != 200:
        return answer
    graph = Graph().parse(data=answer.get_data(as_text=True), format="nt")
    subject = URIRef(_iri(iris, name) or "")
    rows = sorted(
        (_short(iris.prefixes, str(p)), str(o), isinstance(o, URIRef)) for p, o in graph.predicate_objects(subject)
    )
    path = str(subject).removeprefix(iris.base + "id/")
    page = render_template("resource.html", iri=str(subject), rows=rows, name=name, path=path, formats=RDF_FORMATS)
    return _varied(Response(page, mimetype="text/html"))


def _short(prefixes: Mapping[str, str], iri: str) -> str:
    """An IRI as prefix:name by the longest namespace that fits."""
    fitting = [(len(ns), prefix) for prefix, ns in prefixes.items() if iri.startswith(ns)]
    if not fitting:
        return iri
    length, prefix = max(fitting)
    return f"{prefix}:{iri[length:]}"
