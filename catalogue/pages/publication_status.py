"""Publication status of each release, as a page and as JSON (publisher/operations/publication_status.py)."""

import json

from flask import Blueprint, Response, abort, g, render_template, request

from vaven.catalogue.http.page_cache import exclude_from_cache
from vaven.publisher.operations.publication_status import Publications, PublicationState, Status, as_dict, problem_texts
from vaven.vocab import media_types
from vaven.vocab.errors import UnknownDataset
from vaven.vocab.messages import messages

PAGE_SIZE = 50


def blueprint(publications: Publications) -> Blueprint:
    pages = Blueprint("publications", __name__)

    @pages.get("/publications")
    def page() -> str:
        return _page(selected_status(publications))

    @pages.get("/publications.json")
    def data() -> Response:
        return as_json(selected_status(publications))

    @pages.app_context_processor
    def for_pages_of_datasets() -> dict[str, object]:
        return {"places_of": lambda slug: _current_states(publications, slug), "told": messages(g.lang, "publisher")}

    pages.add_app_template_filter(_host, "host")
    return pages


def as_json(status: Status) -> Response:
    text = json.dumps(as_dict(status, g.lang), ensure_ascii=False) + "\n"
    response = Response(text, mimetype=media_types.JSON)
    response.headers["Cache-Control"] = "no-cache"
    return response


def selected_status(publications: Publications) -> Status:
    """Return the status of the requested dataset, or of all datasets. Raises UnknownDataset."""
    slug = request.args.get("dataset") or None
    status = publications.status(slug)
    if slug and not status.datasets:
        raise UnknownDataset("publisher.no-dataset", dataset=slug)
    return status


def _page(status: Status) -> str:
    count = max(-(-len(status.datasets) // PAGE_SIZE), 1)
    number = request.args.get("page", 1, int)
    if not 1 <= number <= count:
        abort(404)
    return render_template(
        "publications.html",
        status=status,
        attention=[(d, v, p, problem_texts(d, v, p, g.lang)) for d, v, p in status.attention],
        listed=status.datasets[(number - 1) * PAGE_SIZE : number * PAGE_SIZE],
        pages=(number, count),
        asked=request.args.get("dataset") or "",
        sentences=lambda dataset, version, state: problem_texts(dataset, version, state, g.lang),
    )


def _current_states(publications: Publications, slug: str) -> tuple[PublicationState, ...]:
    """Return the publication states of a dataset's current version, for its page."""
    exclude_from_cache()
    datasets = publications.status(slug).datasets
    return datasets[0].states if datasets else ()


def _host(address: str) -> str:
    """Return the URL of an instance without its scheme."""
    return address.partition("://")[2]
