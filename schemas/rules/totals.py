"""Rules about parts and their total: whether they agree, and whether a hidden part can be worked out from the others.

Parts are women and men, age groups that do not overlap, and the areas that make up a municipality or an own area.
Registers move counts a little to protect people (SCB's Cell Key Method from 2025) and some people have no known
sex or age, so a total that differs is asked about and never refused (DOMAIN section 4).
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vaven.schemas.rules.registry import Checking, RuleMatch, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.tables.compile import key_of
from vaven.schemas.tables.sql import quoted, text
from vaven.vocab.areas import VINTAGES, areas
from vaven.vocab.messages import LANGUAGES
from vaven.vocab.register import SUPPRESSED, TOTAL

SEXES = ("F", "M")
AGES = re.compile(r"(\d{1,3})(?:-(\d{1,3})|(\+))?")
# Stands for the end of "80+".
OPEN = 1_000
# Both may be rounded to one decimal.
ROUNDING = 0.051
# How many people a row is about, from whichever of its numbers say so.
COUNT = """coalesce(numerator_n,
    CASE WHEN kpi_ratio AND kpi_multiplier > 0 THEN value_n * denominator_n / kpi_multiplier
    WHEN kpi_sum THEN value_n END)"""


@dataclass(frozen=True)
class _Parts:
    """A breakdown of a table: its column, the codes beside the total, and whether they make up the total wholly."""

    field: str
    codes: Sequence[str]
    is_complete: bool

    @property
    def code(self) -> str:
        """SQL of a row's code, where an empty cell means the total."""
        return f"coalesce({quoted(self.field)}, '{TOTAL}')"


def _breakdowns(on: Checking) -> Iterator[_Parts]:
    """The breakdowns that the table's texts allow a judgement of."""
    if not on.has("neighbourhood", "kpi", "period"):
        return
    for name, parts in (("sex", _sexes), ("age_group", _ages)):
        if on.has(name):
            codes = {cell for (cell,) in on.work.execute(f"SELECT cell FROM {on.distinct(name)}").fetchall()}
            if breakdown := parts(codes - {TOTAL}):
                yield breakdown


def _sexes(codes: set[str]) -> _Parts | None:
    return _Parts("sex", SEXES, is_complete=True) if codes >= set(SEXES) else None


def _ages(codes: set[str]) -> _Parts | None:
    """Age groups that follow each other without a gap; from 0 with an open end they are everybody."""
    spans = sorted(span for code in codes if (span := _span(code)))
    ends = itertools.pairwise(spans)
    if len(spans) < 2 or any(end + 1 != start for (_, end, _), (start, _, _) in ends):
        return None
    return _Parts("age_group", [code for _, _, code in spans], is_complete=spans[0][0] == 0 and spans[-1][1] == OPEN)


def _span(code: str) -> tuple[int, int, str] | None:
    if match := AGES.fullmatch(code):
        start = int(match[1])
        return start, OPEN if match[3] else int(match[2] or start), code
    return None


def _rest(on: Checking, without: str) -> str:
    """SQL of the key without one of its columns, as a list."""
    named = zip(key_of(on.table, on.schema), on.schema.primary_key, strict=True)
    return ", ".join(part for part, name in named if name != without)


def _about(on: Checking, field: str) -> dict[str, object]:
    return {f"by_{language}": on.schema[field].label(language).lower() for language in LANGUAGES}


@wide_rule("parts-sum", Severity.WARNING, "observations")
def parts_sum(on: Checking) -> Iterator[RuleMatch]:
    """Counts whose parts make more or less than their total, beyond protection, rounding and people not placed.

    The limits are ours. Of age groups that leave some ages out only too large a sum is a fault.
    """
    units, share = on.thresholds.parts_units, on.thresholds.parts_share
    for parts in _breakdowns(on):
        differs = "abs(total - parts)" if parts.is_complete else "parts - total"
        wrong = f"{differs} > greatest({units}, {share} * abs(total))"
        for name in ("value", "numerator", "denominator"):
            if not on.occurs(name) or not (name != "value" or _has_sums(on)):
                continue
            number = f"CASE WHEN kpi_sum THEN {name}_n END" if name == "value" else f"{name}_n"
            query = f"SELECT _row, cell, parts FROM ({_grouped(on, parts, name, number)}) WHERE {wrong} ORDER BY _row"
            for row, cell, total in _wrong_totals(on, parts, number, wrong, query):
                yield RuleMatch(row, name, cell, {"sum": f"{total:.10g}", **_about(on, parts.field)})


@wide_rule("total-outside-parts", Severity.WARNING, "observations")
def total_outside_parts(on: Checking) -> Iterator[RuleMatch]:
    """A share or a mean for all that is below each of its parts, or above: no weights can make it so."""
    units, share = on.thresholds.parts_units, on.thresholds.parts_share
    for parts in _breakdowns(on):
        if not parts.is_complete or not on.has("value"):
            continue
        outside = "total < lowest - ({allowed}) OR total > highest + ({allowed})"
        least = f"{ROUNDING} + {share} * abs(total)"
        wrong = outside.format(allowed=f"({least} + coalesce(multiplier * {units} / base, 0))")
        mean = "CASE WHEN kpi_mean THEN value_n END"
        query = f"""SELECT _row, cell, lowest, highest FROM ({_grouped(on, parts, "value", mean)})
            WHERE {wrong} ORDER BY _row"""
        for row, cell, low, high in _wrong_totals(on, parts, mean, outside.format(allowed=least), query):
            yield RuleMatch(
                row, "value", cell, {"low": f"{low:.10g}", "high": f"{high:.10g}", **_about(on, parts.field)}
            )


def _has_sums(on: Checking) -> bool:
    """Whether some KPI of the table is a sum by itself, such as participants."""
    kpis = f"SELECT 1 FROM {on.distinct('kpi')} JOIN register_kpis ON cell = id WHERE is_sum LIMIT 1"
    return on.work.execute(kpis).fetchone() is not None


def _wrong_totals(on: Checking, parts: _Parts, number: str, wrong: str, query: str) -> Iterable[tuple[Any, ...]]:
    """The rows of a query over `_grouped`.

    Which groups may be `wrong` is found first, by a few numbers each: the texts beside them take as long again.
    """
    total, part = _selects(parts)
    on.work.execute(
        f"""CREATE OR REPLACE TEMP TABLE suspected AS SELECT h FROM (
            SELECT hash({_rest(on, parts.field)}) AS h, max(number) FILTER ({total}) AS total,
                sum(number) FILTER ({part}) AS parts, min(number) FILTER ({part}) AS lowest,
                max(number) FILTER ({part}) AS highest
            FROM (SELECT *, {number} AS number FROM {on.view}) WHERE number IS NOT NULL GROUP BY h
            HAVING count(*) > {len(parts.codes)})
        WHERE {wrong}"""
    )
    has_any = on.work.execute("SELECT 1 FROM suspected LIMIT 1").fetchone()
    return on.rows(query) if has_any else ()


def _selects(parts: _Parts) -> tuple[str, str]:
    """SQL that tells whether a row is a total, and whether it is one of its parts."""
    return f"{parts.code} = '{TOTAL}'", f"{parts.code} IN ({', '.join(text(c) for c in parts.codes)})"


def _grouped(on: Checking, parts: _Parts, name: str, number: str) -> str:
    """SQL of each total among the suspected groups that has all of its parts: its `_row` and cell, and what `number`
    is in it and in them.
    """
    total, part = _selects(parts)
    base = "min(denominator_n) FILTER (denominator_n > 0)" if on.has("denominator") else "NULL"
    key = f"hash({_rest(on, parts.field)})"
    return f"""SELECT max(_row) FILTER ({total}) AS _row, max({quoted(name)}) FILTER ({total}) AS cell,
            max(number) FILTER ({total}) AS total, sum(number) FILTER ({part}) AS parts,
            min(number) FILTER ({part}) AS lowest, max(number) FILTER ({part}) AS highest,
            any_value(kpi_multiplier) AS multiplier, {base} AS base
        FROM (SELECT *, {number} AS number FROM {on.view})
        WHERE number IS NOT NULL AND {key} IN (SELECT h FROM suspected)
        GROUP BY {key}
        HAVING count(*) FILTER ({total}) = 1 AND count(*) FILTER ({part}) = {len(parts.codes)}"""


@wide_rule("suppression-reversible", Severity.ERROR, "observations")
def suppression_reversible(on: Checking) -> Iterator[RuleMatch]:
    """A count that is kept back and can be worked out from what is shown beside it (secondary suppression).

    Each breakdown is one equation, as in the usual practice of hiding a second part (DOMAIN section 4).
    """
    if not on.has("neighbourhood", "kpi", "period", "value"):
        return
    by_row: dict[int, RuleMatch] = {}
    matches = (
        _missing_sex(on) if not _has_suppressed(on) else (*_beside(on), *_one_of(on), *_one_area(on), *_missing_sex(on))
    )
    for match in matches:
        by_row.setdefault(match.row or 0, match)
    yield from (by_row[row] for row in sorted(by_row))


def _has_suppressed(on: Checking) -> bool:
    query = f"SELECT 1 FROM {on.distinct('status')} WHERE cell = '{SUPPRESSED}'" if on.has("status") else None
    return query is not None and on.work.execute(query).fetchone() is not None


def _beside(on: Checking) -> Iterator[RuleMatch]:
    """The value is left out, but what it is made of is shown in the same row."""
    if on.has("numerator"):
        query = f"""SELECT _row, numerator FROM {on.table.relation}
            WHERE status = '{SUPPRESSED}' AND value IS NULL AND numerator IS NOT NULL ORDER BY _row"""
        for row, cell in on.rows(query):
            yield RuleMatch(row, "numerator", cell, {"beside": "numerator"})


def _counted(on: Checking) -> str:
    """SQL of the rows with the count that each shows, and whether it is kept back."""
    return f"""SELECT *, {COUNT} AS shown, {COUNT} IS NULL AND status = '{SUPPRESSED}' AS hidden FROM {on.view}"""


def _one_of(on: Checking) -> Iterator[RuleMatch]:
    """One of women, men and the total, or of all ages and the total, is kept back and the others are shown."""
    for parts in _breakdowns(on):
        if not parts.is_complete:
            continue
        codes = ", ".join(text(c) for c in (TOTAL, *parts.codes))
        query = f"""SELECT min(_row) FILTER (hidden) FROM ({_counted(on)}) WHERE {parts.code} IN ({codes})
            GROUP BY hash({_rest(on, parts.field)})
            HAVING count(*) FILTER (hidden) = 1 AND count(shown) = {len(parts.codes)} ORDER BY 1"""
        for (row,) in on.rows(query):
            yield RuleMatch(row, "value", None, {"beside": parts.field})


def _missing_sex(on: Checking) -> Iterator[RuleMatch]:
    """The total and one sex are shown, and the other is not there: what is missing is a small count."""
    parts = next((p for p in _breakdowns_of_sex(on)), None)
    if parts is None or not (on.occurs("numerator") or on.occurs("denominator") or _has_sums(on)):
        return
    real = "coalesce(method, '') <> 'illustrative'" if on.has("method") else "TRUE"
    query = f"""SELECT max(_row) FILTER ({parts.code} <> '{TOTAL}') FROM (SELECT *, {COUNT} AS shown FROM {on.view})
        WHERE {real} GROUP BY hash({_rest(on, "sex")})
        HAVING count(*) = 2 AND count(shown) = 2 AND count(*) FILTER ({parts.code} = '{TOTAL}') = 1
            AND max(shown) - min(shown) BETWEEN 0.5 AND {on.thresholds.small_count} - 0.5
            AND max(shown) FILTER ({parts.code} = '{TOTAL}') = max(shown) ORDER BY 1"""
    for (row,) in on.rows(query):
        yield RuleMatch(row, "sex", None, {"beside": "sex"})


def _breakdowns_of_sex(on: Checking) -> Iterator[_Parts]:
    if on.has("sex"):
        query = f"SELECT 1 FROM {on.distinct('sex')} WHERE cell IN {SEXES} LIMIT 1"
        if on.work.execute(query).fetchone():
            yield _Parts("sex", SEXES, is_complete=True)


def _one_area(on: Checking) -> Iterator[RuleMatch]:
    """One DeSO of a municipality or of an own area is kept back, and all others and the whole are shown."""
    query = f"SELECT DISTINCT neighbourhood FROM ({_counted(on)}) WHERE hidden"
    hidden = {code for (code,) in on.work.execute(query).fetchall()}
    wholes = list(_wholes(on, hidden))
    if not wholes:
        return
    on.work.execute("CREATE OR REPLACE TEMP TABLE wholes (nr BIGINT, whole VARCHAR, part VARCHAR, parts BIGINT)")
    rows = [(nr, code, part, len(parts)) for nr, (code, parts) in enumerate(wholes) for part in parts]
    on.work.execute(
        "INSERT INTO wholes SELECT unnest($1::BIGINT[]), unnest($2::VARCHAR[]), unnest($3::VARCHAR[]), "
        "unnest($4::BIGINT[])",
        [list(column) for column in zip(*rows, strict=True)],
    )
    rest = _rest(on, "neighbourhood")
    query = f"""WITH counted AS ({_counted(on)}),
        parts AS (SELECT nr, whole, hash({rest}) AS h, min(_row) FILTER (hidden) AS _row FROM counted
            JOIN wholes ON neighbourhood = part GROUP BY nr, whole, h
            HAVING count(*) FILTER (hidden) = 1 AND count(shown) = any_value(parts) - 1)
        SELECT p._row FROM parts p SEMI JOIN (SELECT *, hash({rest}) AS h FROM counted WHERE shown IS NOT NULL) t
            ON t.neighbourhood = p.whole AND t.h = p.h ORDER BY 1"""
    for (row,) in on.rows(query):
        yield RuleMatch(row, "value", None, {"beside": "neighbourhood"})


def _wholes(on: Checking, hidden: set[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Areas that some of the codes are parts of, with all of their parts: municipalities, and the table's own areas."""
    for vintage in VINTAGES["deso"]:
        deso_areas = areas().by_code("deso", vintage)
        for kommun in sorted({deso_areas[code].kommun for code in hidden if code in deso_areas}):
            yield kommun, [code for code, area in deso_areas.items() if area.kommun == kommun]
    declared = on.tables.tables.get("neighbourhoods")
    if declared is not None and declared.column("code") and declared.column("deso_codes"):
        query = f"SELECT code, deso_codes FROM {declared.relation} WHERE code IS NOT NULL AND deso_codes IS NOT NULL"
        for code, cell in on.work.execute(query).fetchall():
            parts = [part.strip() for part in cell.split(";") if part.strip()]
            if hidden.intersection(parts):
                yield code, parts
