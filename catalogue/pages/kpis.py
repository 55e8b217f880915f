"""Pages of KPIs and themes, and the values of a KPI as CSV, JSON and XLSX."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, g, render_template, request

from vaven.catalogue.http import i18n
from vaven.catalogue.http.page_cache import PageCache
from vaven.catalogue.pages import kpi_cards, schema_org
from vaven.catalogue.pages.datasets import current_releases
from vaven.catalogue.pages.kpi_groups import by_theme, kpis_with_values
from vaven.catalogue.pages.line_chart import COLOURS, WIDE, Chart
from vaven.catalogue.pages.table_download import table_response
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.values import Series
from vaven.vocab import register
from vaven.vocab.rdf import mappings
from vaven.vocab.register import Kpi

DEFAULT_CHART_AREAS = 4
ROW_LIMIT = 300


def blueprint(collection: Collection, cache: PageCache) -> Blueprint:
    pages = Blueprint("kpis", __name__)
    cache.cover(pages, collection.state)

    @pages.get("/kpis")
    def index() -> str:
        used = kpis_with_values(collection.areas())
        return render_template("kpis/index.html", themes=by_theme(register.kpis()), used=used)

    @pages.get("/theme/<slug>")
    def theme(slug: str) -> str:
        if slug not in register.themes():
            abort(404)
        used = kpis_with_values(collection.areas())
        members = {slug: by_theme(register.kpis())[slug]}
        return render_template("kpis/index.html", themes=members, used=used, theme=register.themes()[slug])

    @pages.get("/kpi/<slug>")
    def kpi(slug: str) -> str:
        return _kpi_page(collection, _kpi(slug))

    @pages.get("/kpi/<slug>.<any(csv, json, xlsx):form>")
    def data(slug: str, form: str) -> Response:
        return table_response(form, slug, kpi_cards.COLUMNS, kpi_cards.rows(collection.series(kpi=_kpi(slug).id)))

    return pages


def _kpi(slug: str) -> Kpi:
    return register.kpis().get(slug) or abort(404)


def _kpi_page(collection: Collection, kpi: Kpi) -> str:
    totals = collection.series(kpi=kpi.id, totals_only=True)
    decimals = kpi_cards.precision(totals)
    ranked = _ranked(totals, kpi, decimals)
    charted = _charted([series for series, _ in ranked])
    releases = current_releases(collection, (series.dataset for series in totals))
    titles = {slug: i18n.words(release.about.titles) for slug, release in releases.items()}
    values = [latest.point.value or 0.0 for _, latest in ranked]
    return render_template(
        "kpis/kpi.html",
        structured=schema_org.kpi(collection.settings.iris, kpi, totals, releases, g.lang),
        kpi=kpi,
        theme=register.themes()[kpi.theme],
        charts=_charts(charted, kpi, decimals, kpi_cards.area_labels(charted, titles)),
        decimals=decimals,
        charted=charted,
        rows=ranked[:ROW_LIMIT],
        count=len(ranked),
        without=len(totals) - len(ranked),
        greatest=max(values, default=0.0),
        is_positive=all(value >= 0 for value in values),
        titles=titles,
        matches=[(m, register.codes("outside_registers")[m.scheme], mappings.page(m)) for m in kpi.matches],
    )


def _ranked(totals: Sequence[Series], kpi: Kpi, decimals: int) -> list[tuple[Series, kpi_cards.Latest]]:
    """Return the series that have a value, with their latest one, the best first."""
    ranked = [(series, latest) for series in totals if (latest := kpi_cards.latest(series, kpi, decimals))]
    ranked.sort(key=lambda row: row[1].point.value or 0.0, reverse=kpi.direction != "lower")
    return ranked


def _charted(ranked: Sequence[Series]) -> Sequence[Series]:
    """Return the series selected by ?area=, or the first ones, at most one for each colour."""
    names = request.args.getlist("area")
    selected = [s for s in ranked if f"{s.area.area_vintage}/{s.area.code}" in names or s.area.code in names]
    return (selected or ranked[:DEFAULT_CHART_AREAS])[:COLOURS]


def _charts(charted: Sequence[Series], kpi: Kpi, decimals: int, label: Any) -> tuple[Chart, Chart] | None:
    """Return the charts, or None where no series has two values to join."""
    has_line = any(sum(point.value is not None for point in series.points) > 1 for series in charted)
    return kpi_cards.charts(charted, kpi, decimals, label, WIDE) if has_line else None
