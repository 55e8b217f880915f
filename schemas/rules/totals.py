"""Rules about parts and totals: consistency, and suppressed values that can be derived from other values.

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
from vaven.vocab.areas import VINTAGES, areas
from vaven.vocab.messages import LANGUAGES
from vaven.vocab.register import SUPPRESSED, TOTAL

SEXES = ("F", "M")
AGES = re.compile(r"(\d{1,3})(?:-(\d{1,3})|(\+))?")
# Upper limit of an open age group such as "80+".
OPEN = 1_000
# Total and parts may both be rounded to one decimal.
ROUNDING = 0.051
# SQL of the number of people in a row, from its numerator, its ratio or its sum.
COUNT = """coalesce(numerator_n,
    CASE WHEN kpi_ratio AND kpi_multiplier > 0 THEN value_n * denominator_n / kpi_multiplier
    WHEN kpi_sum THEN value_n END)"""


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


@wide_rule("suppression-reversible", Severity.ERROR, "observations")
def suppression_reversible(on: Checking) -> Iterator[RuleMatch]:
    """A suppressed count that can be derived from published values, for lack of secondary suppression.

    Each breakdown is one equation, hence the usual practice of suppressing a second part (DOMAIN section 4).
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
    """Yield suppressed values whose numerator is in the same row."""
    if on.has("numerator"):
        query = f"""SELECT _row, numerator FROM {on.table.relation}
            WHERE status = '{SUPPRESSED}' AND value IS NULL AND numerator IS NOT NULL ORDER BY _row"""
        for row, cell in on.rows(query):
            yield RuleMatch(row, "numerator", cell, {"beside": "numerator"})


def _counted(on: Checking) -> str:
    """Return SQL of the rows with their published count (`shown`) and whether it is suppressed (`hidden`)."""
    return f"""SELECT *, {COUNT} AS shown, {COUNT} IS NULL AND status = '{SUPPRESSED}' AS hidden FROM {on.view}"""


def _one_of(on: Checking) -> Iterator[RuleMatch]:
    """Yield values that are alone in being suppressed among the total and all parts by sex or by age."""
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
    """Yield rows of one sex beside a total whose difference, the missing other sex, is a small count."""
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
    """Yield values of the only suppressed DeSO of a municipality or own area with a published total."""
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
    """Yield municipalities and own areas that contain any of the codes, with all of their DeSO codes."""
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
