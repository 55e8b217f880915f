"""Disclosure control: rules about counts so small that they could identify a person, and about what reveals them.

The thresholds are our proposal (DOMAIN section 4), not law, and the help page says so.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from vaven.schemas.disclosure.count_tables import (
    POSSIBLE,
    QUOTIENT,
    counts_of,
    counts_query,
    numerator_bounds,
    suspect_groups,
)
from vaven.schemas.disclosure.intervals import Intervals, deadline_in, intervals
from vaven.schemas.disclosure.kpi_system import kpi_system, kpis_about_people
from vaven.schemas.disclosure.proposals import further_counts, revealed, unpublished
from vaven.schemas.disclosure.system import Count, Equation, LinearSystem
from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, row_rule, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.sql import text
from vaven.schemas.tables.compile import Check
from vaven.vocab import register
from vaven.vocab.register import SUPPRESSED

# Cells that a message names.
NAMED_CELLS = 20
# RE2 pattern of a number in a note that may be the suppressed count or share: not a year, a date or an age.
COUNT_IN_TEXT = (
    r"(?i)(^|[^\d.,–-])\d{1,3}([.,]\d+)? ?(%|procent|per cent|st|stycken|person|personer|elev|elever|people|persons|"
    r"pupils|svar|svarande|respondents|av \d|of \d|/ ?\d)"
)


@row_rule("small-count", Severity.ERROR, "observations")
def small_count(on: Checking) -> Iterator[Check]:
    """A count of one to four people, or a share of so few people that the count can be derived.

    Our thresholds (DOMAIN section 4, schemas/standard/thresholds.py) concern counts, shares of few people in a
    register, and shares of few respondents in a survey. Illustrative values are exempt: they concern no real person.
    """
    limits = on.thresholds
    base = limits.small_base_register
    real = "coalesce(method, '') <> 'illustrative'" if on.has("method") else "TRUE"
    has_value = "value_n IS NOT NULL"
    few = f"> 0 AND {{number}} < {limits.small_count}"
    if on.has("kpi") and on.occurs_between("numerator", 0, limits.small_count):
        of_people = f"kpi IN ({', '.join(repr(slug) for slug in kpis_about_people())})"
        where = f"{real} AND {of_people} AND numerator_n {few.format(number='numerator_n')}"
        yield Check("small-count", "numerator", where, {"limit": f"'{limits.small_count}'"})
    person_kpis = ", ".join(text(k.id) for k in register.kpis().values() if k.unit("en") == "persons")
    if on.has("value") and on.occurs("kpi", f"cell IN ({person_kpis})"):
        where = f"{real} AND kpi IN ({person_kpis}) AND value_n {few.format(number='value_n')}"
        yield Check("small-count", "value", where, {"limit": f"'{limits.small_count}'"})
    if on.has("value", "kpi") and on.occurs_between("denominator", 0, base):
        where = f"{real} AND {has_value} AND kpi_share AND denominator_n > 0 AND denominator_n < {base}"
        yield Check("small-count", "denominator", where, {"limit": f"'{base}'"})
    if on.has("value", "kpi") and on.occurs_between("sample_size", 0, limits.small_base_survey):
        where = (
            f"{real} AND {has_value} AND kpi_share AND sample_size_n > 0 AND sample_size_n < {limits.small_base_survey}"
        )
        yield Check("small-count", "sample_size", where, {"limit": f"'{limits.small_base_survey}'"})


@row_rule("small-count-derived", Severity.ERROR, "observations")
def small_count_derived(on: Checking) -> Iterator[Check]:
    """A count of one to four people that follows from value and denominator, without a numerator."""
    if on.has("value", "kpi") and on.occurs("denominator"):
        few = " AND ".join(f"{bound} {_few(on)}" for bound in numerator_bounds(_present(on)))
        without = "numerator_n IS NULL AND " if on.has("numerator") else ""
        where = _then(f"{without}{_near(on, QUOTIENT)}", f"{_of_people(on)} AND {few}")
        yield Check("small-count-derived", "value", where, {"limit": f"'{on.thresholds.small_count}'"})


@row_rule("small-count-outside", Severity.ERROR, "observations")
def small_count_outside(on: Checking) -> Iterator[Check]:
    """A share that all but one to four people are part of: 997 of 1,000 says as much as 3 of 1,000."""
    if on.has("value", "kpi") and on.occurs("denominator"):
        count, *own = (
            f"coalesce(numerator_n, {bound})" if on.has("numerator") else bound
            for bound in (QUOTIENT, *numerator_bounds(_present(on)))
        )
        outside = " AND ".join(f"denominator_n - {bound} {_few(on)}" for bound in own)
        near = _near(on, f"denominator_n - {count}")
        where = _then(f"{near} AND kpi_share", f"{_of_people(on)} AND {outside}")
        yield Check("small-count-outside", "value", where, {"limit": f"'{on.thresholds.small_count}'"})


def _near(on: Checking, count: str) -> str:
    """Return SQL that excludes most rows, at a fraction of the cost of exact bounds."""
    return f"{count} BETWEEN 0 AND {on.thresholds.small_count}"


def _then(cheap: str, exact: str) -> str:
    """Return SQL of both conditions. DuckDB computes both parts of an AND for all rows, those of a CASE for some."""
    return f"CASE WHEN {cheap} THEN {exact} ELSE FALSE END"


def _few(on: Checking) -> str:
    return f"BETWEEN 1 AND {on.thresholds.small_count} - 1"


def _of_people(on: Checking) -> str:
    """Return SQL of a count of real people, among so many that the base itself is no finding."""
    real = "coalesce(method, '') <> 'illustrative' AND " if on.has("method") else ""
    people = ", ".join(map(text, kpis_about_people()))
    return f"{real}kpi IN ({people}) AND denominator_n >= {on.thresholds.small_base_register}"


# --- what published counts reveal


@wide_rule("suppression-reversible", Severity.ERROR, "observations")
def suppression_reversible(on: Checking) -> Iterator[Matches]:
    """A count that is not published, and that others give away for lack of secondary suppression."""
    for match in on.once("revealed counts", _revealed_counts):
        if match.params.get("beside") is not None:
            yield match


@wide_rule("suppression-undecided", Severity.ERROR, "observations")
def suppression_undecided(on: Checking) -> Iterator[Matches]:
    """Suppressed counts of which it could not be computed in time whether others give them away."""
    for match in on.once("revealed counts", _revealed_counts):
        if match.params.get("beside") is None:
            yield match


def _revealed_counts(on: Checking) -> list[RuleMatch]:
    if not on.has("neighbourhood", "kpi", "period", "value"):
        return []
    by_row = {match.row or 0: match for match in _revealed_by_own_row(on)}
    deadline = deadline_in(on.thresholds.disclosure_seconds)
    for kpi, year in _groups(on):
        for match in _matches_of(on, kpi, year, deadline):
            by_row.setdefault(match.row or 0, match)
    return [by_row[row] for row in sorted(by_row)]


def _revealed_by_own_row(on: Checking) -> Iterator[RuleMatch]:
    """Yield suppressed values whose row still has the numerator, an end of the interval, or a count in its note.

    The number of respondents is the value itself where that is a number of people, but beside a share it is why that
    is suppressed.
    """
    conditions = {
        "note": f"regexp_matches(note, '{COUNT_IN_TEXT}')",
        "sample_size": "kpi_sum AND sample_size IS NOT NULL",
    }
    if not on.occurs("status", f"cell = '{SUPPRESSED}'"):
        return
    for name, kind in (
        ("numerator", "numerator"),
        ("ci_lower", "interval"),
        ("ci_upper", "interval"),
        ("sample_size", "sample_size"),
        ("note", "note"),
    ):
        if not on.has(name):
            continue
        says = conditions.get(name, f"{name} IS NOT NULL")
        query = f"""SELECT _row, {name} FROM {on.view}
            WHERE status = '{SUPPRESSED}' AND value IS NULL AND {says} ORDER BY _row"""
        for row, cell in on.rows(query):
            yield RuleMatch(row, name, None if name == "note" else cell, {"beside": kind})


def _groups(on: Checking) -> list[tuple[str, str]]:
    """Return KPI and year of the counts among which something may be revealed, and create their table `counts`."""
    sums = ", ".join(text(kpi.id) for kpi in register.kpis().values() if kpi.is_sum)
    sources = {
        "status": f"cell = '{SUPPRESSED}'",
        "numerator": "TRUE",
        "denominator": "TRUE",
        "kpi": f"cell IN ({sums})",
    }
    if not any(on.occurs(name, condition) for name, condition in sources.items()):
        return []
    query = counts_query(on.work, on.view, _present(on), key="_row")
    on.work.execute(f"CREATE OR REPLACE TEMP VIEW all_counts AS {query}")
    groups = suspect_groups(on.work, "all_counts", _own_areas(on), on.thresholds.small_count)
    if groups:
        # The view computes the bounds anew for each query.
        query = f"SELECT * FROM all_counts WHERE {POSSIBLE} AND kpi || ' ' || year IN (SELECT unnest(?::VARCHAR[]))"
        names = [f"{kpi} {year}" for kpi, year in groups]
        on.work.execute(f"CREATE OR REPLACE TEMP TABLE counts AS {query}", [names])
    return groups


def _present(on: Checking) -> set[str]:
    return {column.name for column in on.table.columns}


def _matches_of(on: Checking, kpi: str, year: str, deadline: float) -> Iterator[RuleMatch]:
    """Yield the matches of one KPI and year, those of counts that are certainly revealed first."""
    system = kpi_system(kpi, list(_counts(on, kpi, year)), _own_areas(on))
    enough = int(on.thresholds.small_count) - 1
    result = intervals(system, unpublished(system), enough=enough, deadline=deadline)
    numbers = revealed(system, result, enough=enough)
    if numbers:
        yield from _revealed_matches(on, system, result, numbers, deadline)
    # Of these, exact elimination has shown that none is revealed, but not that none can be.
    for number in result.undecided - numbers:
        if (row := system.counts[number].row) is not None:
            yield RuleMatch(row, "value", None)


def _revealed_matches(
    on: Checking, system: LinearSystem, result: Intervals, numbers: set[int], deadline: float
) -> Iterator[RuleMatch]:
    enough = int(on.thresholds.small_count) - 1
    further = further_counts(system, result, enough=enough, deadline=deadline)
    parameters = _further(on, system, further)
    equations: dict[int, list[Equation]] = defaultdict(list)
    for equation in system.equations:
        for number in numbers.intersection((equation.total, *equation.parts)):
            equations[number].append(equation)
    for number in sorted(numbers):
        kind, row = _reason(system, number, equations[number])
        if row is not None:
            field = kind if system.counts[number].row is None and on.has(kind) else "value"
            yield RuleMatch(row, field, None, {"beside": kind, **parameters})


def _reason(system: LinearSystem, number: int, equations: list[Equation]) -> tuple[str, int | None]:
    """Return the kind of equation that gives a count away, and its row, or that of another count of the equation."""
    own = system.counts[number].row
    equations.sort(key=lambda e: len(system.unknown(e)))
    kind = equations[0].kind if equations else "denominator"
    rows = (system.counts[n].row for e in equations for n in (*e.parts, e.total))
    return kind, own if own is not None else next((row for row in rows if row is not None), None)


def _further(on: Checking, system: LinearSystem, further: Sequence[int] | None) -> dict[str, object]:
    """Return the parameters that name the further cells to suppress."""
    if not further:
        return {}
    rows = [row for n in further if (row := system.counts[n].row) is not None]
    cells = [f"{letter or ''}{number}" for number, letter in (on.table.cell_reference(row, "value") for row in rows)]
    rest = len(cells) - NAMED_CELLS
    names = ", ".join(cells[:NAMED_CELLS]) + (f" + {rest}" if rest > 0 else "")
    return {"cells": names, "advice": "suppress-further"}


def _counts(on: Checking, kpi: str, year: str) -> Iterator[Count]:
    query = "SELECT area, sex, age, period, low, high, base, suppressed, key FROM counts WHERE kpi = ? AND year = ?"
    yield from counts_of(on.rows(f"{query} ORDER BY key", [kpi, year]))


def _own_areas(on: Checking) -> dict[str, list[str]]:
    declared = on.tables.tables.get("neighbourhoods")
    if declared is None or not declared.column("code") or not declared.column("deso_codes"):
        return {}
    query = f"SELECT code, deso_codes FROM {declared.relation} WHERE code IS NOT NULL AND deso_codes IS NOT NULL"
    rows = on.work.execute(query).fetchall()
    return {code: [part.strip() for part in cell.split(";") if part.strip()] for code, cell in rows}
