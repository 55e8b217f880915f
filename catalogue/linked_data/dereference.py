"""Dereferencing of all IRIs that we mint: 303 to a page or to a document (DESIGN section 5).

Cool URIs for the Semantic Web, sections 4.2 and 4.4: `id/…` identifies a resource that is no document; `doc/…` is a
document about it, `doc/….ttl` that document in one format.
"""

import hashlib
from collections.abc import Iterable, Iterator

from flask import Blueprint, Response, abort, g, render_template, request

from vaven.catalogue.http.content_negotiation import (
    DOCUMENT_FORMATS,
    FORMAT_NAMES,
    links,
    prefers_html,
    requested_format,
    see_other,
)
from vaven.catalogue.http.problem_details import not_acceptable, problem
from vaven.catalogue.linked_data.documents import document, serialized
from vaven.catalogue.linked_data.lookup import ResourceLookup
from vaven.catalogue.linked_data.statements import inverse_rows, own_rows, title
from vaven.vocab import media_types
from vaven.vocab.iris import Iris

LONGEST_NAME = 2_000
# Pages about one resource: the endpoint's name and the path after `id/`, with the parameters of its URL.
RESOURCE_PAGES = {
    "kpis.kpi": "kpi/{slug}",
    "kpis.theme": "theme/{slug}",
    "areas.area": "area/{area_vintage}/{code}",
    "datasets.dataset": "dataset/{slug}",
    "datasets.version": "dataset/{slug}/{version}",
    "investments.investment": "investment/{slug}",
}


def blueprint(resources: ResourceLookup, iris: Iris) -> Blueprint:
    pages = Blueprint("identifiers", __name__)

    # A code may contain two slashes in a row, which Flask would merge.
    @pages.get("/id/<path:name>", merge_slashes=False)
    def identifier(name: str) -> Response:
        return _see_other(resources, iris, name)

    @pages.get("/doc/<path:name>", merge_slashes=False)
    def document_of(name: str) -> Response:
        base, _, extension = name.rpartition(".")
        if base and extension in DOCUMENT_FORMATS and _has_valid_length(base) and resources.knows(base):
            return _document(resources, iris, base, extension)
        response = _negotiated(resources, iris, name)
        response.vary.add("Accept")
        return response

    @pages.after_request
    def vary_errors(response: Response) -> Response:
        if response.status_code >= 400:
            # An error is a page or problem details, by Accept.
            response.vary.add("Accept")
        return response

    @pages.after_app_request
    def add_signposting(response: Response) -> Response:
        if response.status_code == 200 and response.mimetype == media_types.HTML and request.endpoint in RESOURCE_PAGES:
            name = RESOURCE_PAGES[request.endpoint].format(**(request.view_args or {}))
            if (iri := resources.iri(name)) and resources.page(name):
                response.headers["Link"] = links([(iri, "cite-as", ""), *_formats(iris, iri, "describedby")])
        return response

    return pages


def _see_other(resources: ResourceLookup, iris: Iris, name: str) -> Response:
    """Redirect (303) to the document about a resource in the format that the client prefers."""
    g.is_same_in_every_language = True
    response = _refused(name) or (None if resources.knows(name) else _unknown(resources, iris, name))
    if response is None:
        iri = resources.iri(name) or abort(404)
        extension = requested_format(request)
        if extension is None:
            response = not_acceptable(_documents(iris, iri))
        else:
            # A browser is redirected to the IRI without extension, which is the one to share: it has all formats.
            is_shared = extension == "html" and not request.args.get("format")
            page = resources.page(name) if extension == "html" else ""
            response = see_other(page or _local(iris, iris.document(iri, "" if is_shared else extension)))
            response.headers["Link"] = links(_formats(iris, iri, "describedby"))
    response.vary.add("Accept")
    return response


def _negotiated(resources: ResourceLookup, iris: Iris, name: str) -> Response:
    """Return the document about a resource in the format that the client prefers, at the IRI without extension."""
    if refused := _refused(name):
        return refused
    if not resources.knows(name):
        return _unknown(resources, iris, name)
    extension = requested_format(request)
    if extension is None:
        return not_acceptable(_documents(iris, resources.iri(name) or ""))
    response = _document(resources, iris, name, extension)
    if response.status_code in (200, 304):
        response.headers["Content-Location"] = (
            f"/{iris.document(resources.iri(name) or '', extension).removeprefix(iris.base)}"
        )
    return response


def _document(resources: ResourceLookup, iris: Iris, name: str, extension: str) -> Response:
    """Return the document about a resource in one format; 304 without a lookup while the graph is unchanged."""
    iri = resources.iri(name) or ""
    g.is_same_in_every_language = extension != "html"
    page = resources.page(name)
    tag = _tag(resources.state(), iri, extension)
    client_tags = request.if_none_match
    if tag and not client_tags.star_tag and client_tags.contains_weak(tag):
        response = Response(status=304)
    else:
        body = _page(resources, iris, name) if extension == "html" else _serialized(resources, iris, name, extension)
        if body is None:
            return _unknown(resources, iris, name)
        media_type = DOCUMENT_FORMATS[extension]
        is_text = media_type.startswith("text/")
        response = Response(body, content_type=f"{media_type}; charset=utf-8" if is_text else media_type)
    if tag:
        response.set_etag(tag, weak=True)
    else:
        response.add_etag()
    response.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    response.headers["Link"] = links(_relations(iris, iri, extension, page))
    if response.status_code == 200:
        response.make_conditional(request)
    return response


def _serialized(resources: ResourceLookup, iris: Iris, name: str, extension: str) -> bytes | None:
    resource = resources.find(name)
    if resource is None:
        return None
    page = resources.page(name)
    url = f"{iris.base.rstrip('/')}{page}" if page else ""
    return serialized(document(iris, resource, url, resources.observed(name)), extension, iris)


def _page(resources: ResourceLookup, iris: Iris, name: str) -> str | None:
    """Render all statements about a resource as a page, also for a resource with a page of its own."""
    resource = resources.find(name)
    if resource is None:
        return None
    return render_template(
        "linked_data/resource.html",
        iri=resource.iri,
        title=title(resource),
        rows=own_rows(resource, iris.prefixes),
        inverse=inverse_rows(resource, iris.prefixes),
        observed=resources.observed(name),
        page=resources.page(name),
        path=iris.document(resource.iri).removeprefix(iris.base),
        formats=FORMAT_NAMES,
    )


def _relations(iris: Iris, iri: str, extension: str, page: str) -> Iterator[tuple[str, str, str]]:
    """Return the links of a document: its resource, its canonical IRI, and its other formats."""
    yield iri, "describes", ""
    yield (page if extension == "html" and page else _local(iris, iris.document(iri))), "canonical", ""
    links = _formats(iris, iri, "alternate", page)
    yield from (link for link in links if link[2] != DOCUMENT_FORMATS[extension])


def _formats(iris: Iris, iri: str, relation: str, page: str = "") -> Iterator[tuple[str, str, str]]:
    for extension, media_type in DOCUMENT_FORMATS.items():
        target = page if extension == "html" and page else _local(iris, iris.document(iri, extension))
        yield target, relation, media_type


def _documents(iris: Iris, iri: str) -> dict[str, str]:
    """Return the IRIs of a resource's documents by media type."""
    return {media_type: iris.document(iri, extension) for extension, media_type in DOCUMENT_FORMATS.items()}


def _local(iris: Iris, iri: str) -> str:
    """Return the path of an IRI of ours."""
    return "/" + iri.removeprefix(iris.base)


def _tag(state: str, *parts: str) -> str:
    """Return an entity tag that changes with the graph; "" if the engine's state is unknown. A page has a language."""
    if not state:
        return ""
    return hashlib.sha256("\0".join((state, *parts, g.lang if "html" in parts else "")).encode()).hexdigest()[:32]


def _has_valid_length(name: str) -> bool:
    return len(name) <= LONGEST_NAME


def _refused(name: str) -> Response | None:
    if _has_valid_length(name):
        return None
    return problem(404, "catalogue.identifier-too-long", limit=LONGEST_NAME)


def _unknown(resources: ResourceLookup, iris: Iris, name: str) -> Response:
    """Return 404 or 410 (withdrawn); redirect where only a trailing slash or a document's extension is too much."""
    base, _, extension = name.rpartition(".")
    bare = name.rstrip("/")
    is_identifier = request.endpoint == "identifiers.identifier"
    if is_identifier and extension in DOCUMENT_FORMATS and base and resources.knows(base):
        return see_other(_local(iris, iris.document(resources.iri(base) or "", extension)))
    if bare != name and bare and resources.knows(bare):
        prefix = "id/" if is_identifier else "doc/"
        path = (resources.iri(bare) or "").removeprefix(f"{iris.base}id/")
        return Response(status=308, headers={"Location": f"/{prefix}{path}"})
    if error := resources.withdrawn(name) or resources.no_longer_included(name):
        raise error
    if prefers_html(request):
        abort(404)
    similar = next((iri for iri in _similar(resources, name)), None)
    iri = resources.iri(name) or f"{iris.base}id/{name}"
    if similar:
        return problem(404, "catalogue.identifier-in-other-case", iri=iri, similar=similar)
    return problem(404, "catalogue.unknown-identifier", iri=iri)


def _similar(resources: ResourceLookup, name: str) -> Iterable[str | None]:
    """Return the IRIs of resources whose names differ in case only."""
    head, _, last = name.rpartition("/")
    for candidate in (f"{head}/{last.lower()}", f"{head.lower()}/{last.upper()}", name.lower()):
        if candidate != name and resources.knows(candidate):
            yield resources.iri(candidate)
