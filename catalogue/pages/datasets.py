"""Pages of datasets and their versions."""

from collections.abc import Iterable

from flask import Blueprint, g, render_template

from vaven.catalogue.http.page_cache import PageCache
from vaven.catalogue.pages import schema_org
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.values import Dataset, Preview, PublishedRelease
from vaven.schemas.rules.metadata import effects
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab import register
from vaven.vocab.areas import areas as official_areas
from vaven.vocab.errors import DamagedFile

AREA_LIMIT = 60
PREVIEW_ROWS = 12


def blueprint(collection: Collection, cache: PageCache) -> Blueprint:
    pages = Blueprint("datasets", __name__)
    cache.cover(pages, collection.state)

    @pages.get("/datasets")
    def index() -> str:
        datasets = collection.datasets()
        catalogue = schema_org.catalogue(collection.settings.iris, datasets, g.lang)
        return render_template("datasets/index.html", datasets=datasets, structured=catalogue)

    @pages.get("/dataset/<slug>")
    def dataset(slug: str) -> str:
        current = collection.dataset(slug)
        return _release_page(collection, current, current.current)

    @pages.get("/dataset/<slug>/<int:version>")
    def version(slug: str, version: int) -> str:
        return _release_page(collection, collection.dataset(slug), collection.release(slug, version))

    return pages


def current_releases(collection: Collection, slugs: Iterable[str]) -> dict[str, PublishedRelease]:
    """Return the current releases by dataset, each looked up once however often its slug occurs."""
    return {slug: collection.dataset(slug).current for slug in dict.fromkeys(slugs)}


def _preview(collection: Collection, slug: str, version: int) -> Preview | None:
    """Return the first rows of a release; None if they differ from what was published."""
    try:
        return collection.preview(slug, version, "observations", PREVIEW_ROWS)
    except DamagedFile:
        return None


def _release_page(collection: Collection, dataset: Dataset, release: PublishedRelease) -> str:
    return render_template(
        "datasets/dataset.html",
        structured=schema_org.dataset(collection.settings.iris, dataset, release, g.lang),
        dataset=dataset,
        release=release,
        damaged=collection.damaged_tables(dataset.slug, release.version),
        preview=_preview(collection, dataset.slug, release.version),
        areas=[area for area in collection.areas() if dataset.slug in area.datasets],
        area_limit=AREA_LIMIT,
        kpis=[register.kpis()[slug] for slug in release.kpis],
        defaults=effects(release.defaults, g.lang),
        licence=register.codes("licences").get(release.about.licence),
        sector=register.codes("sectors").get(release.about.publisher_sector),
        kommuner=[official_areas().kommuner[code].name for code in release.kommuner],
        labels={field.name: field.label(g.lang) for field in standard()["observations"].fields},
        numeric={field.name for field in standard()["observations"].fields if field.type in ("number", "integer")},
    )
