"""Rules about units: that of a label or a column of units, and values in fractions among values in per cent."""

import re
from collections.abc import Iterator, Mapping

from vaven.schemas.rules.registry import Checking, RuleMatch, wide_rule
from vaven.schemas.rules.spreadsheet_values import has_unit
from vaven.schemas.spreadsheets.label_units import FIELDS_OF_KPI, field_and_unit, words_for_unit
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.labels import fold
from vaven.schemas.tables.tables import STRIDE
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES

# Units in labels, the more specific first: "antal per 1 000 invånare" is a rate.
PATTERNS: Mapping[str, re.Pattern[str]] = {
    "per-100000": re.compile(r"per\s*100[\s.,]?000"),
    "per-1000": re.compile(r"per\s*1[\s.,]?000\b|promille|per mille|‰"),
    "percent": re.compile(r"%|\b(procent|per cent|percent|proc\.)"),
    "thousands": re.compile(r"\b(tkr|kkr|ksek|tsek|tusen kr|tusen kronor|tusental kronor|1000 kr|1 000 kr)\b"),
    "millions": re.compile(
        r"\b(mkr|mnkr|msek|milj\.? kr|miljoner kr|miljoner kronor|mdkr|mdr kr|miljarder kr|miljarder kronor)\b"
    ),
    "amount": re.compile(r"\b(kr|kronor|sek)\b"),
    "count": re.compile(r"^antal\b|\bantal$|[(,]\s*antal\b|^number\b|^count\b|\bcount$|\bstycken\b|\b\(st\)"),
}
# KPIs' units (in English) that agree with the unit of a label. Counts of days or years are numbers of them.
AGREEING: Mapping[str, frozenset[str]] = {
    "per-100000": frozenset(("per 100,000 residents",)),
    "per-1000": frozenset(("per 1,000 residents",)),
    "percent": frozenset(("%",)),
    "thousands": frozenset(),
    "millions": frozenset(),
    "amount": frozenset(("SEK",)),
    "count": frozenset(("persons", "dwellings", "meeting places", "hours", "days", "years", "points")),
}
UNIT_LABELS = frozenset(("enhet", "mattenhet", "enheter", "unit", "units", "unit of measure"))
# Criteria for fractions among values in per cent, ours: the gap between them as a factor, and the range that the
# fractions have in per cent, compared with the others.
GAP, WIDE_GAP, NEAR = 8, 30, 3


def unit_of(label: str) -> str | None:
    """Return the unit (a key of PATTERNS) in a label, or None."""
    plain = " ".join(label.casefold().split())
    return next((unit for unit, pattern in PATTERNS.items() if pattern.search(plain)), None)


@wide_rule("unit-disagrees", Severity.ERROR, "observations")
def unit_disagrees(on: Checking) -> Iterator[RuleMatch]:
    """A label, or a cell in a column of units, with another unit than that of its KPI."""
    if not on.has("kpi", "value"):
        return
    units = {kpi.id: kpi.unit("en") for kpi in register.kpis().values()}
    for label, kpi, row, field in _stated_units(on):
        if kpi in units and _disagrees(label, units[kpi], is_column=field[1:].isdigit()):
            words = {f"unit_{language}": register.kpis()[kpi].unit(language) for language in LANGUAGES}
            yield RuleMatch(row, field, label, {"kpi": kpi, "stated": label, **words})


def _disagrees(label: str, unit: str, *, is_column: bool) -> bool:
    """Return True if a label states another unit than that of a KPI, by its English name.

    Amounts in thousands or millions are converted if a label states them (label_units), but not by a column of units.
    """
    stated, both = unit_of(label), field_and_unit(label, "observations")
    if stated in ("thousands", "millions") and not is_column:
        return unit != "SEK"
    if both and both[0] in FIELDS_OF_KPI and not stated:
        return both[1] not in words_for_unit(unit)
    return stated is not None and unit not in AGREEING[stated]


def _stated_units(on: Checking) -> Iterator[tuple[str, str, int, str]]:
    """Yield label, KPI, row key and field of each unit that is stated, for each of its KPIs."""
    relation = on.table.relation
    if any(unit_of(label) for label in on.table.value_labels.values()):
        query = f"SELECT _row % {STRIDE}, kpi, min(_row) FROM {relation} WHERE kpi IS NOT NULL GROUP BY ALL ORDER BY 3"
        for position, kpi, row in on.work.execute(query).fetchall():
            yield on.table.value_labels.get(position, ""), kpi, row, next(iter(sorted(on.table.wide)))
    query = f"SELECT kpi, min(_row) FROM {relation} WHERE kpi IS NOT NULL GROUP BY kpi ORDER BY 2"
    for column in (column for name in FIELDS_OF_KPI if (column := on.table.column(name)) and column.label):
        if unit_of(column.label or "") or field_and_unit(column.label or "", "observations"):
            rows = on.work.execute(query).fetchall()
            yield from ((column.label or "", kpi, row, column.name) for kpi, row in rows)
    for column in on.table.beside:
        if fold(column.label or "") in UNIT_LABELS:
            query = f"""SELECT {column.name}, kpi, min(_row) FROM {relation}
                WHERE {column.name} IS NOT NULL AND kpi IS NOT NULL GROUP BY ALL ORDER BY 3"""
            yield from ((text, kpi, row, column.name) for text, kpi, row in on.work.execute(query).fetchall())


@wide_rule("kpi-scale-mixed", Severity.ERROR, "observations")
def kpi_scale_mixed(on: Checking) -> Iterator[RuleMatch]:
    """Values from 0 to 1 among values in per cent, with a gap between them: fractions, by our criteria.

    The fractions are in the range of the others once they are multiplied by 100, and have more decimals, or the gap is
    wide. The user may state that all values are in per cent (`shares` of ReadOptions).
    """
    if not on.has("kpi") or on.tables.choices.shares is not None or not on.occurs_between("value", 0.0001, 0.9999):
        return
    # A number format in per cent shows the unit of its value.
    low, high = f"value_n > 0 AND value_n < 1 AND NOT ({has_unit(on)})", "value_n > 1"
    query = f"""SELECT kpi FROM {on.view} WHERE kpi_percent GROUP BY kpi
        HAVING min(value_n) FILTER ({high}) >= {GAP} * max(value_n) FILTER ({low})
            AND 100 * min(value_n) FILTER ({low}) <= {NEAR} * max(value_n)
            AND 100 * max(value_n) FILTER ({low}) * {NEAR} >= min(value_n) FILTER ({high})"""
    for (kpi,) in on.work.execute(query).fetchall():
        decimals = "length(regexp_extract(value, '\\.(\\d*)$', 1))"
        query = f"""SELECT count(*) FILTER ({low}), min({decimals}) FILTER ({low}), max({decimals}) FILTER ({high}),
            min(value_n) FILTER ({high}) / max(value_n) FILTER ({low}) FROM {on.view} WHERE kpi = ?"""
        count, fewest, most, gap = on.work.execute(query, [kpi]).fetchone() or (0, 0, 0, 0)
        if gap >= WIDE_GAP or (fewest >= 2 and (fewest > most or count >= 3)):
            rows = f"SELECT _row, value FROM {on.view} WHERE kpi = ? AND {low} ORDER BY _row"
            yield from (RuleMatch(row, "value", cell, {"kpi": kpi}) for row, cell in on.rows(rows, [kpi]))
