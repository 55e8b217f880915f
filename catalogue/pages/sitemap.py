"""Sitemaps (Sitemaps protocol 0.9) and robots.txt (RFC 9309) for search engines.

Dataset search engines, such as Google Dataset Search, discover our datasets by these pages.
"""

from collections.abc import Iterator
from datetime import date
from xml.sax.saxutils import escape

from flask import Blueprint, Response, abort, g

from vaven.publisher.published.collection import Collection
from vaven.vocab import register
from vaven.vocab.iris import Iris, segment
from vaven.vocab.messages import LANGUAGES

# Maximum number of URLs in one file, set by the protocol.
MOST = 50_000
TOP = ("", "areas", "kpis", "datasets", "validate", "sparql", "publications", "help", "about")
# Each of these pages costs a query, or is private to a user.
CLOSED = ("/sparql?query=", "/api/", "/validate/", "/*?format=")
XML = "application/xml; charset=utf-8"


def blueprint(collection: Collection, iris: Iris) -> Blueprint:
    files = Blueprint("sitemap", __name__)

    def parts() -> list[list[tuple[str, date | None]]]:
        every = [*pages(collection)]
        # Each page has a URL in each language.
        most = MOST // len(LANGUAGES)
        return [every[first : first + most] for first in range(0, len(every), most)]

    @files.before_request
    def say_nothing_in_a_language() -> None:
        g.is_same_in_every_language = True

    @files.get("/robots.txt")
    def robots() -> Response:
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in CLOSED), f"Sitemap: {iris.base}sitemap.xml"]
        return Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")

    @files.get("/sitemap.xml")
    def index() -> Response:
        sitemaps = "".join(
            f"<sitemap><loc>{iris.base}sitemap-{i}.xml</loc></sitemap>\n" for i, _ in enumerate(parts(), 1)
        )
        return _xml("sitemapindex", "", sitemaps)

    @files.get("/sitemap-<int:number>.xml")
    def part(number: int) -> Response:
        groups = parts()
        if not 1 <= number <= len(groups):
            abort(404)
        urls = "".join(_url(iris.base + path, changed) for path, changed in groups[number - 1])
        return _xml("urlset", ' xmlns:xhtml="http://www.w3.org/1999/xhtml"', urls)

    return files


def pages(collection: Collection) -> Iterator[tuple[str, date | None]]:
    """Yield the path of each HTML page, without its leading slash, and the date of its newest release if known."""
    released = {dataset.slug: dataset.current.released_at.date() for dataset in collection.datasets()}
    yield from ((path, None) for path in TOP)
    yield from ((f"theme/{slug}", None) for slug in register.themes())
    yield from ((f"kpi/{slug}", None) for slug in register.kpis())
    yield from ((f"dataset/{segment(slug)}", day) for slug, day in released.items())
    yield from ((f"investment/{segment(i.id)}", released.get(i.dataset)) for i in collection.investments())
    for area in collection.areas():
        yield f"area/{area.area_vintage}/{segment(area.code)}", max(released[slug] for slug in area.datasets)


def _url(address: str, changed: date | None) -> str:
    """Return the `url` elements of a page in each language, with `hreflang` links to all of them and a default."""
    plain = escape(address)
    forms = {"sv": f"{plain}?lang=sv", "en": f"{plain}?lang=en", "x-default": plain}
    links = "".join(f'<xhtml:link rel="alternate" hreflang="{name}" href="{to}"/>' for name, to in forms.items())
    day = f"<lastmod>{changed.isoformat()}</lastmod>" if changed else ""
    return "".join(f"<url><loc>{forms[language]}</loc>{day}{links}</url>\n" for language in LANGUAGES)


def _xml(root: str, more: str, inside: str) -> Response:
    opening = f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"{more}>\n'
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}{inside}</{root}>\n', content_type=XML)
