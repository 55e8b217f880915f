"""The pages that people read: start, datasets, KPIs, areas, investments, help, and the data behind each."""

import io
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, g, render_template, request, send_file

from vaven.catalogue.http import i18n
from vaven.catalogue.http.page_cache import PageCache
from vaven.catalogue.pages import kpi_cards, schema_org
from vaven.catalogue.pages.line_chart import COLOURS, WIDE
from vaven.catalogue.pages.table_download import table_response
from vaven.publisher.integrity.run import CODES as INTEGRITY
from vaven.publisher.metadata.rules import rule_texts
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.values import Dataset, PublishedArea, PublishedRelease
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.standard.thresholds import USED_BY
from vaven.vocab import register
from vaven.vocab.areas import areas as official_areas
from vaven.vocab.messages import messages
from vaven.vocab.rdf import mappings
from vaven.vocab.register import Kpi

CHARTED_AREAS = 4
SEARCH_LIMIT = 60
ROW_LIMIT = 300
NEWEST = 6


@cache
def _examples() -> Mapping[str, Any]:
    """A bad case of each rule, for its help page (made of the cases that tests run)."""
    found: dict[str, Any] = json.loads((files(__package__) / "examples.json").read_text("utf-8"))
    return found


def blueprint(collection: Collection, kept: PageCache) -> Blueprint:
    pages = Blueprint("pages", __name__)
    kept.cover(pages, collection.state)

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
            datasets=sorted(collection.datasets(), key=lambda d: d.current.released_at, reverse=True)[:NEWEST],
            counts=counts,
            themes=_themes(_used(every)),
            areas=every[:8],
        )

    @pages.get("/datasets")
    def datasets() -> str:
        found = collection.datasets()
        listing = schema_org.catalogue(collection.settings.iris, found, g.lang)
        return render_template("datasets.html", datasets=found, structured=listing)

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
        return table_response(form, slug, kpi_cards.COLUMNS, kpi_cards.rows(collection.series(kpi=_kpi(slug).id)))

    @pages.get("/areas")
    def areas() -> str:
        return _search_page(collection, request.args.get("q", "").strip())

    @pages.get("/area/<division>/<path:code>")
    def area(division: str, code: str) -> str:
        return _area_page(collection, division, code)

    @pages.get("/area/<division>/<path:code>.<any(csv, json, xlsx):form>")
    def area_data(division: str, code: str, form: str) -> Response:
        found = collection.area(division, code) or abort(404)
        return table_response(form, code, kpi_cards.COLUMNS, kpi_cards.rows(collection.series(area=found)))

    @pages.get("/investment/<slug>")
    def investment(slug: str) -> str:
        found = collection.investment(slug) or abort(404)
        return render_template("investment.html", investment=found, kpis=register.kpis())

    @pages.get("/template.xlsx")
    def template() -> Response:
        return _template(request.args.get("kommun") or None)

    @pages.get("/help")
    def help_index() -> str:
        words = rule_texts(g.lang)

        def by_title(codes: Iterable[str]) -> list[str]:
            return sorted(codes, key=lambda code: words(f"rule.{code}.title").casefold())

        listed = by_title({*RULES, *SCHEMA_RULES, *READING_RULES}), by_title(INTEGRITY)
        return render_template("help.html", codes=listed, schemas=standard().schemas, words=words)

    @pages.get("/help/<code>")
    def help_page(code: str) -> str:
        if code.startswith("sparql-"):
            return _query_error_page(code.removeprefix("sparql-"))
        words = rule_texts(g.lang)
        if not words.get(f"rule.{code}.title"):
            abort(404)
        limits = {name: getattr(collection.settings.thresholds, name) for name in USED_BY.get(code, ())}
        return render_template("rule.html", code=code, words=words, example=_examples().get(code), limits=limits)

    @pages.get("/about")
    def about() -> str:
        return render_template("about.html")

    @pages.get("/healthz")
    def health() -> Response:
        return Response("ok\n", mimetype="text/plain")

    return pages


def _kpi(slug: str) -> Kpi:
    return register.kpis().get(slug) or abort(404)


def _used(entries: Iterable[PublishedArea]) -> dict[str, Kpi]:
    """The KPIs that some area has values of, in the register's order."""
    used = {slug for entry in entries for slug in entry.kpis}
    return {slug: kpi for slug, kpi in register.kpis().items() if slug in used}


def _themes(kpis: Mapping[str, Kpi]) -> dict[str, list[Kpi]]:
    """KPIs by theme, in the order of themes.csv; empty themes are left out."""
    grouped = {slug: [k for k in kpis.values() if k.theme == slug] for slug in register.themes()}
    return {slug: listed for slug, listed in grouped.items() if listed}


def _release_page(collection: Collection, found: Dataset, entry: PublishedRelease) -> str:
    return render_template(
        "dataset.html",
        structured=schema_org.dataset(collection.settings.iris, found, entry, g.lang),
        dataset=found,
        release=entry,
        preview=collection.preview(found.slug, entry.version, "observations", 12),
        areas=[a for a in collection.areas() if found.slug in a.datasets],
        shown=SEARCH_LIMIT,
        kpis=[register.kpis()[slug] for slug in entry.kpis],
        licence=register.codes("licences").get(entry.about.licence),
        sector=register.codes("sectors").get(entry.about.publisher_sector),
        kommuner=[official_areas().kommuner[code].name for code in entry.kommuner],
        labels={f.name: f.label(g.lang) for f in standard()["observations"].fields},
    )


def _kpi_page(collection: Collection, kpi: Kpi) -> str:
    totals = collection.series(kpi=kpi.id, totals_only=True)
    decimals = kpi_cards.precision(totals)
    ranked = [(s, found) for s in totals if (found := kpi_cards.latest(s, kpi, decimals))]
    ranked.sort(key=lambda row: row[1].point.value or 0.0, reverse=kpi.direction != "lower")
    wanted = request.args.getlist("area")
    asked = [s for s, _ in ranked if f"{s.area.division}/{s.area.code}" in wanted or s.area.code in wanted]
    chosen = (asked or [s for s, _ in ranked[:CHARTED_AREAS]])[:COLOURS]
    entries = _entries(collection, (s.dataset for s in totals))
    titles = {slug: i18n.words(entry.about.titles) for slug, entry in entries.items()}
    is_drawn = any(sum(p.value is not None for p in s.points) > 1 for s in chosen)
    label = kpi_cards.area_labels(chosen, titles)
    return render_template(
        "kpi.html",
        structured=schema_org.kpi(collection.settings.iris, kpi, totals, entries, g.lang),
        kpi=kpi,
        theme=register.themes()[kpi.theme],
        charts=kpi_cards.charts(chosen, kpi, decimals, label, WIDE) if is_drawn else None,
        decimals=decimals,
        chosen=chosen,
        rows=ranked[:ROW_LIMIT],
        count=len(ranked),
        without=len(totals) - len(ranked),
        greatest=max((found.point.value or 0.0 for _, found in ranked), default=0.0),
        is_positive=all((found.point.value or 0.0) >= 0 for _, found in ranked),
        titles=titles,
        matches=[(m, register.codes("outside_registers")[m.scheme], mappings.page(m)) for m in kpi.matches],
    )


def _entries(collection: Collection, slugs: Iterable[str]) -> dict[str, PublishedRelease]:
    """The current releases by dataset, each looked up once however often it is named."""
    return {slug: collection.dataset(slug).current for slug in dict.fromkeys(slugs)}


def _area_page(collection: Collection, division: str, code: str) -> str:
    found = collection.area(division, code) or abort(404)
    series = collection.series(area=found)
    cards = [c for kpi in _used([found]).values() for c in kpi_cards.cards(kpi, [s for s in series if s.kpi == kpi.id])]
    return render_template(
        "area.html",
        structured=schema_org.area(
            collection.settings.iris, found, series, _entries(collection, found.datasets), g.lang
        ),
        area=found,
        cards=cards,
        themes={slug: [c for c in cards if c.kpi.theme == slug] for slug in _themes(_used([found]))},
        investments=collection.investments(found),
        datasets={slug: collection.dataset(slug) for slug in found.datasets},
        division_name=i18n.t(f"division.{division}"),
    )


def _search_page(collection: Collection, query: str) -> str:
    """Areas that have figures, by name, code or municipality; then official areas that have none yet."""
    every = collection.areas()
    kommuner = {a.code: a.name for a in official_areas().kommuner.values()}
    found = [a for a in every if _fits(query, f"{a.name} {a.code} {a.kommun_name}")]
    known = {a.code for a in every}
    others = [
        area
        for area in official_areas().deso2018.values()
        if len(query) > 1
        and area.code not in known
        and _fits(query, f"{area.name} {area.code} {kommuner[area.kommun]}")
    ]
    others.sort(key=lambda area: _nearness(query, area.name, kommuner[area.kommun]))
    return render_template(
        "areas.html",
        query=query,
        found=sorted(found, key=lambda a: _nearness(query, a.name, a.kommun_name))[:ROW_LIMIT],
        found_count=len(found),
        others=others[:SEARCH_LIMIT],
        others_count=len(others),
        kommuner=kommuner,
    )


def _nearness(query: str, name: str, kommun: str) -> int:
    """0 for what is called so, 1 for what lies in the municipality called so, 2 for what begins so, 3 for the rest."""
    wanted = query.casefold()
    ranks = (name.casefold() == wanted, kommun.casefold() == wanted, name.casefold().startswith(wanted), True)
    return ranks.index(True)


def _fits(query: str, text: str) -> bool:
    """Whether each word of the query stands in the text, in any order and case."""
    folded = text.casefold()
    return all(word in folded for word in query.casefold().split())


def _query_error_page(kind: str) -> str:
    """What the types of the endpoint's problem details mean (RFC 9457, section 3.1.1)."""
    words = messages(g.lang, "catalogue")
    if not words.get(f"sparql.error.{kind}"):
        abort(404)
    return render_template("query_error.html", kind=kind)


def _template(kommun: str | None) -> Response:
    from vaven.schemas.reports.template import write_template

    if kommun and kommun not in official_areas().kommuner:
        abort(404)
    content = io.BytesIO()
    write_template(content, language=g.lang, kommun=kommun)
    content.seek(0)
    name = f"vaven-{'mall' if g.lang == 'sv' else 'template'}{'-' + kommun if kommun else ''}.xlsx"
    return send_file(content, download_name=name, as_attachment=True)
