"""Page of a social investment."""

from flask import Blueprint, abort, render_template

from vaven.catalogue.http.page_cache import PageCache
from vaven.publisher.published.collection import Collection
from vaven.vocab import register


def blueprint(collection: Collection, cache: PageCache) -> Blueprint:
    pages = Blueprint("investments", __name__)
    cache.cover(pages, collection.state)

    @pages.get("/investment/<slug>")
    def investment(slug: str) -> str:
        published = collection.investment(slug) or abort(404)
        return render_template("investment.html", investment=published, kpis=register.kpis())

    return pages
