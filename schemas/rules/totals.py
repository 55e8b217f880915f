"""Rules about parts and totals that do not agree.

Parts are women and men, disjoint age groups, and the areas of a municipality or own area. Registers perturb counts to
protect people (SCB's Cell Key Method from 2025) and the sex or age of some people is unknown, so that an inconsistent
total is a warning and never an error (DOMAIN section 4).
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.tables.compile import key_of
from vaven.vocab.messages import LANGUAGES
from vaven.vocab.register import TOTAL

SEXES = ("F", "M")
AGES = re.compile(r"(\d{1,3})(?:-(\d{1,3})|(\+))?")
# Upper limit of an open age group such as "80+".
OPEN = 1_000
# Total and parts may both be rounded to one decimal.
ROUNDING = 0.051


@dataclass(frozen=True)
class _Parts:
    """A breakdown of a table: its column, the codes other than the total, and whether they cover the total."""

    field: str
    codes: Sequence[str]
    is_complete: bool

    @property
    def code(self) -> str:
        """SQL of a row's code; an empty cell means the total."""
        return f"coalesce({quoted(self.field)}, '{TOTAL}')"


def _breakdowns(on: Checking) -> Iterator[_Parts]:
    """Yield the breakdowns of the table whose parts can be compared with a total."""
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
    """Return the breakdown by age if the groups are contiguous; it is complete from 0 to an open group."""
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
    """Return an SQL list of the primary key without one of its columns."""
    named = zip(key_of(on.table, on.schema), on.schema.primary_key, strict=True)
    return ", ".join(part for part, name in named if name != without)


def _about(on: Checking, field: str) -> dict[str, object]:
    return {f"by_{language}": on.schema[field].label(language).lower() for language in LANGUAGES}


@wide_rule("parts-sum", Severity.WARNING, "observations")
def parts_sum(on: Checking) -> Iterator[Matches]:
    """Parts whose sum differs from the total beyond disclosure control, rounding and people without a known part.

    The limits are ours. For age groups that do not cover all ages, only a sum above the total is reported.
    """
    units, share = on.thresholds.parts_units, on.thresholds.parts_share
    for parts in _breakdowns(on):
        differs = "abs(total - parts)" if parts.is_complete else "parts - total"
        wrong = f"{differs} > greatest({units}, {share} * abs(total))"
        for name in ("value", "numerator", "denominator"):
            if not on.occurs(name) or not (name != "value" or _has_sums(on)):
                continue
            number = f"CASE WHEN kpi_sum THEN {name}_n END" if name == "value" else f"{name}_n"
            query = f"SELECT _row, cell, parts FROM ({_grouped(on, parts, name, number)}) WHERE {wrong}"
            if _select_suspected(on, parts, number, wrong):
                yield from on.matches(query, _sum_match(name, _about(on, parts.field)), field=name)


@wide_rule("total-outside-parts", Severity.WARNING, "observations")
def total_outside_parts(on: Checking) -> Iterator[Matches]:
    """A total share or mean outside the range of its parts, which no weighting can produce."""
    units, share = on.thresholds.parts_units, on.thresholds.parts_share
    for parts in _breakdowns(on):
        if not parts.is_complete or not on.has("value"):
            continue
        outside = "total < lowest - ({allowed}) OR total > highest + ({allowed})"
        least = f"{ROUNDING} + {share} * abs(total)"
        wrong = outside.format(allowed=f"({least} + coalesce(multiplier * {units} / base, 0))")
        mean = "CASE WHEN kpi_mean THEN value_n END"
        query = f"""SELECT _row, cell, lowest, highest FROM ({_grouped(on, parts, "value", mean)})
            WHERE {wrong}"""
        if _select_suspected(on, parts, mean, outside.format(allowed=least)):
            yield from on.matches(query, _range_match(_about(on, parts.field)), field="value")


def _sum_match(field: str, params: dict[str, object]) -> Callable[[int, str, float], RuleMatch]:
    return lambda row, cell, total: RuleMatch(row, field, cell, {"sum": f"{total:.10g}", **params})


def _range_match(params: dict[str, object]) -> Callable[[int, str, float, float], RuleMatch]:
    return lambda row, cell, low, high: RuleMatch(
        row, "value", cell, {"low": f"{low:.10g}", "high": f"{high:.10g}", **params}
    )


def _has_sums(on: Checking) -> bool:
    """Return whether the table has a KPI that is a sum, such as participants."""
    kpis = f"SELECT 1 FROM {on.distinct('kpi')} JOIN register_kpis ON cell = id WHERE is_sum LIMIT 1"
    return on.work.execute(kpis).fetchone() is not None


def _select_suspected(on: Checking, parts: _Parts, number: str, wrong: str) -> bool:
    """Select the groups for which `wrong` may hold, for `_grouped`, and return whether there are any.

    The selection uses a few numbers per group; reading the texts for all groups would double the time.
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
    return on.work.execute("SELECT 1 FROM suspected LIMIT 1").fetchone() is not None


def _selects(parts: _Parts) -> tuple[str, str]:
    """Return the SQL conditions for a total and for a part."""
    return f"{parts.code} = '{TOTAL}'", f"{parts.code} IN ({', '.join(text(c) for c in parts.codes)})"


def _grouped(on: Checking, parts: _Parts, name: str, number: str) -> str:
    """Return SQL of the totals of suspected groups with all parts present.

    Columns are `_row` and cell of the total, and `number` of the total and aggregated over its parts.
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
