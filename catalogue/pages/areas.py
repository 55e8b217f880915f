"""Pages of areas, the search over areas, and the values of an area as CSV, JSON and XLSX."""

from flask import Blueprint, Response, abort, g, render_template, request

from vaven.catalogue.http import i18n
from vaven.catalogue.http.page_cache import PageCache
from vaven.catalogue.pages import kpi_cards, schema_org
from vaven.catalogue.pages.datasets import current_releases
from vaven.catalogue.pages.kpi_groups import by_theme, kpis_with_values
from vaven.catalogue.pages.table_download import table_response
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.values import PublishedArea
from vaven.vocab.areas import Area
from vaven.vocab.areas import areas as official_areas

MATCH_LIMIT = 300
UNPUBLISHED_LIMIT = 60


def blueprint(collection: Collection, cache: PageCache) -> Blueprint:
    pages = Blueprint("areas", __name__)
    cache.cover(pages, collection.state)

    @pages.get("/areas")
    def index() -> str:
        return _search_page(collection, request.args.get("q", "").strip())

    @pages.get("/area/<area_vintage>/<path:code>")
    def area(area_vintage: str, code: str) -> str:
        return _area_page(collection, collection.area(area_vintage, code) or abort(404))

    @pages.get("/area/<area_vintage>/<path:code>.<any(csv, json, xlsx):form>")
    def data(area_vintage: str, code: str, form: str) -> Response:
        published = collection.area(area_vintage, code) or abort(404)
        return table_response(form, code, kpi_cards.COLUMNS, kpi_cards.rows(collection.series(area=published)))

    return pages


def _area_page(collection: Collection, area: PublishedArea) -> str:
    series = collection.series(area=area)
    kpis = kpis_with_values([area])
    cards = [
        card for kpi in kpis.values() for card in kpi_cards.cards(kpi, [one for one in series if one.kpi == kpi.id])
    ]
    releases = current_releases(collection, area.datasets)
    return render_template(
        "areas/area.html",
        structured=schema_org.area(collection.settings.iris, area, series, releases, g.lang),
        area=area,
        cards=cards,
        themes={slug: [card for card in cards if card.kpi.theme == slug] for slug in by_theme(kpis)},
        investments=collection.investments(area),
        datasets={slug: collection.dataset(slug) for slug in area.datasets},
        vintage_label=i18n.t(f"division.{area.area_vintage}"),
    )


def _search_page(collection: Collection, query: str) -> str:
    """Render the areas with values that match by name, code or municipality, then the official areas without any."""
    published = collection.areas()
    matches = [area for area in published if _matches(query, f"{area.name} {area.code} {area.kommun_name}")]
    kommuner = {kommun.code: kommun.name for kommun in official_areas().kommuner.values()}
    unpublished = _unpublished(query, {area.code for area in published}, kommuner)
    return render_template(
        "areas/index.html",
        query=query,
        matches=sorted(matches, key=lambda area: _rank(query, area.name, area.kommun_name))[:MATCH_LIMIT],
        match_count=len(matches),
        unpublished=unpublished[:UNPUBLISHED_LIMIT],
        unpublished_count=len(unpublished),
        kommuner=kommuner,
    )


def _unpublished(query: str, published: set[str], kommuner: dict[str, str]) -> list[Area]:
    """Return the official areas that match and have no values yet; none for a query of one character."""
    if len(query) < 2:
        return []
    matches = [
        area
        for area in official_areas().deso2018.values()
        if area.code not in published and _matches(query, f"{area.name} {area.code} {kommuner[area.kommun]}")
    ]
    return sorted(matches, key=lambda area: _rank(query, area.name, kommuner[area.kommun]))


def _rank(query: str, name: str, kommun: str) -> int:
    """Rank a match: 0 for the same name, 1 for the municipality's name, 2 for a name that starts so, 3 for the rest."""
    folded = query.casefold()
    ranks = (name.casefold() == folded, kommun.casefold() == folded, name.casefold().startswith(folded), True)
    return ranks.index(True)


def _matches(query: str, text: str) -> bool:
    """Check that each word of the query occurs in the text, in any order and case."""
    folded = text.casefold()
    return all(word in folded for word in query.casefold().split())
