"""Dereferencing of every IRI that we mint: 303 to a page or to a document (DESIGN section 5).

Cool URIs for the Semantic Web, sections 4.2 and 4.4: `id/…` names a thing, which is no document; `doc/…` is a document
about it, `doc/….ttl` one form of that.
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
from vaven.catalogue.linked_data.documents import document, written
from vaven.catalogue.linked_data.lookup import ResourceLookup
from vaven.catalogue.linked_data.statements import inverse_rows, own_rows, title
from vaven.vocab import media_types
from vaven.vocab.iris import Iris

LONGEST_NAME = 2_000
# Pages about one thing, whose address says which: the endpoint's name and the path behind `id/`.
PAGES_OF_THINGS = {
    "kpis.kpi": "kpi/{slug}",
    "kpis.theme": "theme/{slug}",
    "areas.area": "area/{area_vintage}/{code}",
    "datasets.dataset": "dataset/{slug}",
    "datasets.version": "dataset/{slug}/{version}",
    "investments.investment": "investment/{slug}",
}


def blueprint(things: ResourceLookup, iris: Iris) -> Blueprint:
    pages = Blueprint("identifiers", __name__)

    # A code may hold two slashes in a row, which Flask would make one.
    @pages.get("/id/<path:name>", merge_slashes=False)
    def thing(name: str) -> Response:
        return _see_other(things, iris, name)

    @pages.get("/doc/<path:name>", merge_slashes=False)
    def about(name: str) -> Response:
        stem, _, ending = name.rpartition(".")
        if stem and ending in DOCUMENT_FORMATS and _is_fit(stem) and things.knows(stem):
            return _document(things, iris, stem, ending)
        answer = _negotiated(things, iris, name)
        answer.vary.add("Accept")
        return answer

    @pages.after_request
    def depend_on_what_is_asked(answer: Response) -> Response:
        if answer.status_code >= 400:
            # An error is a page or problem details.
            answer.vary.add("Accept")
        return answer

    @pages.after_app_request
    def signpost(answer: Response) -> Response:
        if answer.status_code == 200 and answer.mimetype == media_types.HTML and request.endpoint in PAGES_OF_THINGS:
            name = PAGES_OF_THINGS[request.endpoint].format(**(request.view_args or {}))
            if (iri := things.iri(name)) and things.page(name):
                answer.headers["Link"] = links([(iri, "cite-as", ""), *_forms(iris, iri, "describedby")])
        return answer

    return pages


def _see_other(things: ResourceLookup, iris: Iris, name: str) -> Response:
    """303 to what is known of a thing, in the form that the client likes best."""
    g.is_same_in_every_language = True
    answer = _refused(name) or (None if things.knows(name) else _unknown(things, iris, name))
    if answer is None:
        iri = things.iri(name) or abort(404)
        ending = requested_format(request)
        if ending is None:
            answer = not_acceptable(_addresses(iris, iri))
        else:
            # A browser is led to the address that is good for everybody: who passes it on passes on all forms.
            is_shared = ending == "html" and not request.args.get("format")
            page = things.page(name) if ending == "html" else ""
            answer = see_other(page or _local(iris, iris.document(iri, "" if is_shared else ending)))
            answer.headers["Link"] = links(_forms(iris, iri, "describedby"))
    answer.vary.add("Accept")
    return answer


def _negotiated(things: ResourceLookup, iris: Iris, name: str) -> Response:
    """The document about a thing in the form that the client likes best, under the address that has no ending."""
    if refused := _refused(name):
        return refused
    if not things.knows(name):
        return _unknown(things, iris, name)
    ending = requested_format(request)
    if ending is None:
        return not_acceptable(_addresses(iris, things.iri(name) or ""))
    answer = _document(things, iris, name, ending)
    if answer.status_code in (200, 304):
        answer.headers["Content-Location"] = f"/{iris.document(things.iri(name) or '', ending).removeprefix(iris.base)}"
    return answer


def _document(things: ResourceLookup, iris: Iris, name: str, ending: str) -> Response:
    """One form of the document about a thing. Unchanged while the graph is: 304, with nothing looked up."""
    iri = things.iri(name) or ""
    g.is_same_in_every_language = ending != "html"
    page = things.page(name)
    tag = _tag(things.state(), iri, ending)
    asked = request.if_none_match
    if tag and not asked.star_tag and asked.contains_weak(tag):
        answer = Response(status=304)
    else:
        body = _page(things, iris, name) if ending == "html" else _written(things, iris, name, ending)
        if body is None:
            return _unknown(things, iris, name)
        kind = DOCUMENT_FORMATS[ending]
        answer = Response(body, content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
    if tag:
        answer.set_etag(tag, weak=True)
    else:
        answer.add_etag()
    answer.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    answer.headers["Link"] = links(_relations(iris, iri, ending, page))
    if answer.status_code == 200:
        answer.make_conditional(request)
    return answer


def _written(things: ResourceLookup, iris: Iris, name: str, ending: str) -> bytes | None:
    found = things.find(name)
    if found is None:
        return None
    page = things.page(name)
    address = f"{iris.base.rstrip('/')}{page}" if page else ""
    return written(document(iris, found, address, things.observed(name)), ending, iris)


def _page(things: ResourceLookup, iris: Iris, name: str) -> str | None:
    """All statements about a thing for people, also for those things that have a page of their own."""
    found = things.find(name)
    if found is None:
        return None
    return render_template(
        "linked_data/resource.html",
        iri=found.iri,
        title=title(found),
        rows=own_rows(found, iris.prefixes),
        inverse=inverse_rows(found, iris.prefixes),
        observed=things.observed(name),
        page=things.page(name),
        path=iris.document(found.iri).removeprefix(iris.base),
        formats=FORMAT_NAMES,
    )


def _relations(iris: Iris, iri: str, ending: str, page: str) -> Iterator[tuple[str, str, str]]:
    """A document's Link header: what it is about, its other forms, and the address that stands for all of them."""
    yield iri, "describes", ""
    yield (page if ending == "html" and page else _local(iris, iris.document(iri))), "canonical", ""
    yield from (form for form in _forms(iris, iri, "alternate", page) if form[2] != DOCUMENT_FORMATS[ending])


def _forms(iris: Iris, iri: str, relation: str, page: str = "") -> Iterator[tuple[str, str, str]]:
    for ending, kind in DOCUMENT_FORMATS.items():
        yield (page if ending == "html" and page else _local(iris, iris.document(iri, ending))), relation, kind


def _addresses(iris: Iris, iri: str) -> dict[str, str]:
    return {kind: iris.document(iri, ending) for ending, kind in DOCUMENT_FORMATS.items()}


def _local(iris: Iris, address: str) -> str:
    return "/" + address.removeprefix(iris.base)


def _tag(state: str, *parts: str) -> str:
    """An entity tag that changes with the graph; "" where the engine can't name its state. A page is in a language."""
    if not state:
        return ""
    return hashlib.sha256("\0".join((state, *parts, g.lang if "html" in parts else "")).encode()).hexdigest()[:32]


def _is_fit(name: str) -> bool:
    return len(name) <= LONGEST_NAME


def _refused(name: str) -> Response | None:
    if _is_fit(name):
        return None
    return problem(404, "Nothing has this identifier", f"None of ours is longer than {LONGEST_NAME} characters.")


def _unknown(things: ResourceLookup, iris: Iris, name: str) -> Response:
    """404, or 410 for what was withdrawn; a closing slash too much, or a document's ending, leads to what was meant."""
    stem, _, ending = name.rpartition(".")
    bare = name.rstrip("/")
    if request.endpoint == "identifiers.thing" and ending in DOCUMENT_FORMATS and stem and things.knows(stem):
        return see_other(_local(iris, iris.document(things.iri(stem) or "", ending)))
    if bare != name and bare and things.knows(bare):
        place = "id/" if request.endpoint == "identifiers.thing" else "doc/"
        path = (things.iri(bare) or "").removeprefix(f"{iris.base}id/")
        return Response(status=308, headers={"Location": f"/{place}{path}"})
    if reason := things.withdrawn(name) or things.left_out(name):
        raise reason
    if prefers_html(request):
        abort(404)
    near = next((iri for iri in _near(things, name)), None)
    remedy = f"Did you mean {near}? Identifiers tell small letters from capital ones." if near else ""
    return problem(404, "Nothing has this identifier", things.iri(name) or "", remedy=remedy)


def _near(things: ResourceLookup, name: str) -> Iterable[str | None]:
    """What a name is with its last part in small or in capital letters, where that is something."""
    head, _, last = name.rpartition("/")
    for meant in (f"{head}/{last.lower()}", f"{head.lower()}/{last.upper()}", name.lower()):
        if meant != name and things.knows(meant):
            yield things.iri(meant)
