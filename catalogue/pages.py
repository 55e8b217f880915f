"""The pages that people read: start, datasets, KPIs, areas, investments, help, and the data behind each."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, g, render_template, request, send_file

from vaven.catalogue import i18n
from vaven.catalogue.chart import WIDE, WIDTH, Chart, Labeller, draw
from vaven.catalogue.downloads import table_response
from vaven.publisher.collection import AreaEntry, Collection, Dataset, ReleaseEntry, Series
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES
from vaven.schemas.standard import standard
from vaven.vocab import register
from vaven.vocab.areas import areas as official_areas
from vaven.vocab.messages import messages
from vaven.vocab.register import Kpi

CHARTED_AREAS = 4
SEARCH_LIMIT = 60
SERIES_COLUMNS = (
    "dataset",
    "area",
    "area_name",
    "kommun",
    "kpi",
    "kpi_label",
    "unit",
    "period",
    "sex",
    "age_group",
    "value",
    "ci_lower",
    "ci_upper",
    "status",
    "method",
    "note",
    "iri",
)


@dataclass(frozen=True)
class KpiCard:
    """A KPI in an area: its total series, the chart of it with its parts, and what changed."""

    kpi: Kpi
    total: Series
    chart: Chart | None
    rows: tuple[Series, ...]
    change: float | None
    verdict: str
    decimals: int


def blueprint(collection: Collection) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def start() -> str:
        every = collection.areas()
        counts = {
            "areas": len(every),
            "kpis": len({k for a in every for k in a.kpis}),
            "datasets": len(collection.datasets()),
        }
        return render_template(
            "start.html",
            datasets=collection.datasets()[:6],
            counts=counts,
            themes=_themes(_used(every)),
            areas=every[:8],
        )

    @pages.get("/datasets")
    def datasets() -> str:
        return render_template("datasets.html", datasets=collection.datasets())

    @pages.get("/dataset/<slug>")
    def dataset(slug: str) -> str:
        found = collection.dataset(slug)
        return _release_page(collection, found, found.current)

    @pages.get("/dataset/<slug>/<int:version>")
    def version(slug: str, version: int) -> str:
        return _release_page(collection, collection.dataset(slug), collection.release(slug, version))

    @pages.get("/kpis")
    def kpis() -> str:
        return render_template("kpis.html", themes=_themes(register.kpis()), used=_used(collection.areas()))

    @pages.get("/theme/<slug>")
    def theme(slug: str) -> str:
        if slug not in register.themes():
            abort(404)
        found = {slug: _themes(register.kpis())[slug]}
        return render_template("kpis.html", themes=found, used=_used(collection.areas()), theme=register.themes()[slug])

    @pages.get("/kpi/<slug>")
    def kpi(slug: str) -> str:
        return _kpi_page(collection, _kpi(slug))

    @pages.get("/kpi/<slug>.<any(csv, json, xlsx):form>")
    def kpi_data(slug: str, form: str) -> Response:
        return table_response(form, slug, SERIES_COLUMNS, _rows(collection.series(kpi=_kpi(slug).id)))

    @pages.get("/areas")
    def areas() -> str:
        return _search_page(collection, request.args.get("q", "").strip())

    @pages.get("/area/<division>/<code>")
    def area(division: str, code: str) -> str:
        return _area_page(collection, division, code)

    @pages.get("/area/<division>/<code>.<any(csv, json, xlsx):form>")
    def area_data(division: str, code: str, form: str) -> Response:
        found = collection.area(division, code) or abort(404)
        return table_response(form, code, SERIES_COLUMNS, _rows(collection.series(area=found)))

    @pages.get("/investment/<slug>")
    def investment(slug: str) -> str:
        found = collection.investment(slug) or abort(404)
        return render_template("investment.html", investment=found, kpis=register.kpis())

    @pages.get("/template.xlsx")
    def template() -> Response:
        return _template(request.args.get("kommun") or None)

    @pages.get("/help")
    def help_index() -> str:
        return render_template("help.html", codes=_help_codes(), schemas=standard().schemas, words=messages(g.lang))

    @pages.get("/help/<code>")
    def help_page(code: str) -> str:
        if code.startswith("sparql-"):
            return _query_error_page(code.removeprefix("sparql-"))
        words = messages(g.lang)
        if not words.get(f"rule.{code}.title"):
            abort(404)
        return render_template("rule.html", code=code, words=words)

    @pages.get("/about")
    def about() -> str:
        return render_template("about.html")

    @pages.get("/healthz")
    def health() -> Response:
        return Response("ok\n", mimetype="text/plain")

    return pages


def _kpi(slug: str) -> Kpi:
    return register.kpis().get(slug) or abort(404)


def _used(entries: Iterable[AreaEntry]) -> dict[str, Kpi]:
    """The KPIs that some area has values of, in the register's order."""
    used = {slug for entry in entries for slug in entry.kpis}
    return {slug: kpi for slug, kpi in register.kpis().items() if slug in used}


def _themes(kpis: Mapping[str, Kpi]) -> dict[str, list[Kpi]]:
    """KPIs by theme, in the order of themes.csv; empty themes are left out."""
    grouped = {slug: [k for k in kpis.values() if k.theme == slug] for slug in register.themes()}
    return {slug: listed for slug, listed in grouped.items() if listed}


def _release_page(collection: Collection, found: Dataset, entry: ReleaseEntry) -> str:
    return render_template(
        "dataset.html",
        dataset=found,
        release=entry,
        preview=collection.preview(found.slug, entry.version, "observations", 12),
        areas=[a for a in collection.areas() if found.slug in a.datasets],
        kpis=[register.kpis()[slug] for slug in entry.kpis],
        licence=register.codes("licences").get(entry.about.licence),
        sector=register.codes("sectors").get(entry.about.publisher_sector),
        kommuner=[official_areas().kommuner[code].name for code in entry.kommuner],
        labels={f.name: f.label(g.lang) for f in standard()["observations"].fields},
    )


def _kpi_page(collection: Collection, kpi: Kpi) -> str:
    totals = [s for s in collection.series(kpi=kpi.id) if _is_total(s)]
    latest = sorted(
        (s for s in totals if _latest(s)), key=lambda s: (_latest(s) or (0.0, ""))[0], reverse=kpi.direction != "lower"
    )
    chosen = [s for s in totals if s.area.code in request.args.getlist("area")] or latest[:CHARTED_AREAS]
    return render_template(
        "kpi.html",
        kpi=kpi,
        theme=register.themes()[kpi.theme],
        chart=_chart(chosen, kpi, _area_label(chosen), WIDE),
        decimals=_decimals(totals),
        chosen=chosen,
        rows=[(s, _latest(s), _change(s)) for s in latest],
        matches=[m for m in kpi.matches if m.status == "verified"],
    )


def _area_page(collection: Collection, division: str, code: str) -> str:
    found = collection.area(division, code) or abort(404)
    series = collection.series(area=found)
    cards = [_card(kpi, [s for s in series if s.kpi == kpi.id]) for kpi in _used([found]).values()]
    return render_template(
        "area.html",
        area=found,
        themes={slug: [c for c in cards if c.kpi.theme == slug] for slug in _themes(_used([found]))},
        investments=collection.investments(found),
        datasets=[collection.dataset(slug) for slug in found.datasets],
        division_name=i18n.t(f"division.{division}"),
    )


def _card(kpi: Kpi, series: Sequence[Series]) -> KpiCard:
    total = next((s for s in series if _is_total(s)), series[0])
    change = _change(total)
    chart = _chart(series, kpi, _group_label)
    return KpiCard(kpi, total, chart, tuple(series), change, _verdict(kpi, change), _decimals(series))


def _decimals(series: Iterable[Series]) -> int:
    """One decimal for all figures of a KPI, or none where all are whole."""
    return int(any(p.value is not None and not p.value.is_integer() for s in series for p in s.points))


def _verdict(kpi: Kpi, change: float | None) -> str:
    """better, worse, same or neutral, by the KPI's direction."""
    if change is None or kpi.direction == "neutral":
        return "neutral"
    if abs(change) < 0.05:
        return "same"
    return "better" if (change > 0) == (kpi.direction == "higher") else "worse"


def _is_total(series: Series) -> bool:
    return series.sex == "T" and series.age_group == "T"


def _latest(series: Series) -> tuple[float, str] | None:
    """The last value that there is, with its period."""
    return next(((p.value, p.period) for p in reversed(series.points) if p.value is not None), None)


def _change(series: Series) -> float | None:
    """From the first value to the last; None for fewer than two."""
    values = [p.value for p in series.points if p.value is not None]
    return values[-1] - values[0] if len(values) > 1 else None


def _group_label(series: Series) -> str:
    sex = register.codes("sexes")[series.sex].text(g.lang)
    if series.age_group == "T":
        return sex
    return f"{sex}, {series.age_group} {i18n.t('area.years')}"


def _area_label(series: Sequence[Series]) -> Labeller:
    """Areas by name; those that share one by name and code."""
    names = [s.area.name for s in series]
    return lambda s: f"{s.area.name} {s.area.code}" if names.count(s.area.name) > 1 else s.area.name


def _chart(series: Sequence[Series], kpi: Kpi, label: Labeller, width: int = WIDTH) -> Chart | None:
    goal_words = {"target": i18n.t("chart.target"), "baseline": i18n.t("chart.baseline")}
    return draw(series, unit=kpi.unit(g.lang), number=i18n.number, label=label, goal_words=goal_words, width=width)


def _search_page(collection: Collection, query: str) -> str:
    """Areas that have figures, by name, code or municipality; then official areas that have none yet."""
    wanted = query.casefold()
    every = collection.areas()
    found = [a for a in every if wanted in f"{a.name} {a.code} {a.kommun_name}".casefold()]
    known = {a.code for a in every}
    others = [
        area
        for area in official_areas().deso2018.values()
        if wanted and len(wanted) > 1 and area.code not in known and wanted in f"{area.name} {area.code}".casefold()
    ]
    kommuner = {a.code: a.name for a in official_areas().kommuner.values()}
    return render_template(
        "areas.html",
        query=query,
        found=found,
        others=others[:SEARCH_LIMIT],
        others_count=len(others),
        kommuner=kommuner,
    )


def _rows(series: Iterable[Series]) -> Iterable[tuple[Any, ...]]:
    kpis = register.kpis()
    for s in series:
        kpi = kpis[s.kpi]
        start = (s.dataset, s.area.code, s.area.name, s.area.kommun, s.kpi, kpi.text(g.lang), kpi.unit(g.lang))
        for p in s.points:
            yield (
                *start,
                p.period,
                s.sex,
                s.age_group,
                p.value,
                p.ci_lower,
                p.ci_upper,
                p.status,
                p.method,
                p.note,
                p.iri,
            )


def _help_codes() -> list[str]:
    return sorted({*RULES, *SCHEMA_RULES, *READING_RULES})


def _query_error_page(kind: str) -> str:
    """What the types of the endpoint's problem details mean (RFC 9457, section 3.1.1)."""
    words = messages(g.lang, "vaven.catalogue")
    if not words.get(f"sparql.error.{kind}"):
        abort(404)
    return render_template("query_error.html", kind=kind)


def _template(kommun: str | None) -> Response:
    from vaven.schemas.template import write_template

    if kommun and kommun not in official_areas().kommuner:
        abort(404)
    content = io.BytesIO()
    write_template(content, language=g.lang, kommun=kommun)
    content.seek(0)
    name = f"vaven-{'mall' if g.lang == 'sv' else 'template'}{'-' + kommun if kommun else ''}.xlsx"
    return send_file(content, download_name=name, as_attachment=True)
