"""Start page, and page about the catalogue."""

from flask import Blueprint, render_template

from vaven.catalogue.http.page_cache import PageCache
from vaven.catalogue.pages.kpi_groups import by_theme, kpis_with_values
from vaven.publisher.published.collection import Collection

NEWEST_DATASETS = 6
EXAMPLE_AREAS = 8


def blueprint(collection: Collection, cache: PageCache) -> Blueprint:
    pages = Blueprint("start", __name__)
    cache.cover(pages, collection.state)

    @pages.get("/")
    def index() -> str:
        return _index_page(collection)

    @pages.get("/about")
    def about() -> str:
        return render_template("start/about.html")

    return pages


def _index_page(collection: Collection) -> str:
    areas = collection.areas()
    datasets = collection.datasets()
    counts = {
        "areas": len(areas),
        "kpis": len({kpi for area in areas for kpi in area.kpis}),
        "datasets": len(datasets),
    }
    return render_template(
        "start/index.html",
        datasets=sorted(datasets, key=lambda d: d.current.released_at, reverse=True)[:NEWEST_DATASETS],
        counts=counts,
        themes=by_theme(kpis_with_values(areas)),
        areas=areas[:EXAMPLE_AREAS],
    )
