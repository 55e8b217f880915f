"""Values of a KPI prepared for pages: precision, latest value, change and its verdict, charts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g

from vaven.catalogue.http import i18n
from vaven.catalogue.pages.line_chart import COLOURS, NARROW, WIDTH, Chart, ChartText, draw
from vaven.publisher.published.values import Point, Series
from vaven.vocab import register
from vaven.vocab.register import Kpi

COLUMNS = (
    *("dataset", "area", "area_name", "kommun", "kpi", "kpi_label", "unit", "period", "sex", "age_group"),
    *("value", "ci_lower", "ci_upper", "status", "method", "note", "iri"),
)


@dataclass(frozen=True)
class Latest:
    """The last value, and the change to it from the first. `verdict` is better, worse, same or neutral.

    `since` is None if there is only one value, or if a break in the series forbids the comparison.
    """

    point: Point
    since: Point | None
    change: float
    verdict: str
    is_illustrative: bool


@dataclass(frozen=True)
class KpiCard:
    """A KPI of a dataset in an area. `total` is its most general series; `group` labels that, "" if it is everybody.

    `missing` are the points without a value after the latest one. The first `charted` of the `rows` are in the charts.
    """

    id: str
    kpi: Kpi
    dataset: str
    total: Series
    group: str
    latest: Latest | None
    missing: tuple[Point, ...]
    charts: tuple[Chart, Chart] | None
    charted: int
    rows: tuple[Series, ...]
    periods: tuple[str, ...]
    decimals: int


def cards(kpi: Kpi, series: Sequence[Series]) -> list[KpiCard]:
    """Return one card per dataset, so that measurements of two partners are never drawn as one."""
    datasets = list(dict.fromkeys(s.dataset for s in series))
    cards = []
    for i, dataset in enumerate(datasets):
        card_id = kpi.id if i == 0 else f"{kpi.id}-{dataset}"
        cards.append(_card(card_id, kpi, dataset, [s for s in series if s.dataset == dataset]))
    return cards


def _card(card_id: str, kpi: Kpi, dataset: str, series: Sequence[Series]) -> KpiCard:
    total = next((s for s in series if is_total(s)), series[0])
    decimals = precision(series)
    newest = latest(total, kpi, decimals)
    charted = _charted(series)
    is_drawn = any(len([p for p in s.points if p.value is not None]) > 1 for s in charted)
    return KpiCard(
        id=card_id,
        kpi=kpi,
        dataset=dataset,
        total=total,
        group="" if is_total(total) else group_label(total),
        latest=newest,
        missing=tuple(p for p in total.points if p.value is None and (not newest or p.period > newest.point.period)),
        charts=charts(charted, kpi, decimals, group_label) if is_drawn else None,
        charted=len(charted),
        rows=tuple(series),
        periods=tuple(sorted({p.period for s in series for p in s.points})),
        decimals=decimals,
    )


def _charted(series: Sequence[Series]) -> Sequence[Series]:
    """Select series by sex if there are several, else by age; at most as many as there are colours."""
    by_sex = [s for s in series if s.age_group == register.TOTAL]
    by_age = [s for s in series if s.sex == register.TOTAL]
    return (by_sex if len(by_sex) > 1 else by_age if len(by_age) > 1 else series)[:COLOURS]


def charts(
    series: Sequence[Series], kpi: Kpi, decimals: int, label: Any, width: int = WIDTH
) -> tuple[Chart, Chart] | None:
    """Draw the chart for a desktop and for a phone."""
    text = ChartText(
        unit=kpi.unit(g.lang),
        number=lambda value: i18n.number(value, decimals),
        axis=i18n.axis_number,
        label=label,
        status=lambda code: register.codes("statuses")[code].text(g.lang),
        target=i18n.t("chart.target"),
        baseline=i18n.t("chart.baseline"),
    )
    wide, narrow = draw(series, text, width=width), draw(series, text, width=NARROW)
    return (wide, narrow) if wide and narrow else None


def precision(series: Iterable[Series]) -> int:
    """Return the number of decimals to show for all values of a KPI: as many as they have, up to about three digits."""
    values = [p.value for s in series for p in s.points if p.value is not None]
    greatest = max(map(abs, values), default=0.0)
    bound = 1 if greatest >= 10 else 2 if greatest >= 1 else 3
    return max((len(f"{v:.{bound}f}".rstrip("0").partition(".")[2]) for v in values), default=0)


def latest(series: Series, kpi: Kpi, decimals: int) -> Latest | None:
    """Return the latest value of a series with its change; None if it has no value."""
    points = [p for p in series.points if p.value is not None]
    if not points:
        return None
    # Values before a break were measured differently (SDMX CL_OBS_STATUS, B), so they can't be compared.
    since_break = next((i for i in reversed(range(len(points))) if points[i].status == "B"), 0)
    comparable = points[since_break:]
    change = round((comparable[-1].value or 0.0) - (comparable[0].value or 0.0), decimals)
    return Latest(
        point=points[-1],
        since=comparable[0] if len(comparable) > 1 else None,
        change=change,
        verdict=_verdict(kpi, change),
        is_illustrative=any(p.method == "illustrative" for p in points),
    )


def _verdict(kpi: Kpi, change: float) -> str:
    """Judge a change by the KPI's direction; one that is zero in the decimals shown is "same"."""
    if change == 0:
        return "same"
    if kpi.direction == "neutral":
        return "neutral"
    return "better" if (change > 0) == (kpi.direction == "higher") else "worse"


def is_total(series: Series) -> bool:
    return series.sex == register.TOTAL and series.age_group == register.TOTAL


def group_label(series: Series) -> str:
    sex = register.codes("sexes")[series.sex].text(g.lang)
    return sex if series.age_group == register.TOTAL else f"{sex}, {i18n.age(series.age_group)}"


def area_labels(series: Sequence[Series], titles: Mapping[str, str]) -> Any:
    """Return a function that labels areas by name; with the code, or the dataset, where names are equal."""
    names = [s.area.name for s in series]
    codes = [s.area.code for s in series]

    def label(s: Series) -> str:
        if codes.count(s.area.code) > 1:
            return f"{s.area.name}, {titles[s.dataset]}"
        return f"{s.area.name} {s.area.code}" if names.count(s.area.name) > 1 else s.area.name

    return label


def rows(series: Iterable[Series]) -> Iterable[tuple[Any, ...]]:
    """Return the values as rows of COLUMNS."""
    for s in series:
        kpi = register.kpis()[s.kpi]
        start = (s.dataset, s.area.code, s.area.name, s.area.kommun, s.kpi, kpi.text(g.lang), kpi.unit(g.lang))
        for p in s.points:
            end = (p.value, p.ci_lower, p.ci_upper, p.status, p.method, p.note, p.iri)
            yield (*start, p.period, s.sex, s.age_group, *end)
