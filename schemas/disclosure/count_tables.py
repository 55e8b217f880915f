"""Counts of people as SQL: from a table of observations to the counts of each KPI and year, with what is known of them.

A value with its denominator gives the numerator to within half of the value's last decimal. Illustrative values concern
no real person where all values of a KPI are illustrative.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import duckdb

from vaven.schemas.disclosure.kpi_system import kpis_about_people
from vaven.schemas.disclosure.system import Cell, Count
from vaven.schemas.standard.sql import text
from vaven.vocab.register import SUPPRESSED, TOTAL

# SQL of a numerator by its value and denominator, before rounding.
QUOTIENT = "(value_n * denominator_n / nullif(kpi_multiplier, 0))"
# SQL of rows whose value and denominator allow some number of people.
POSSIBLE = "(low IS NULL OR low <= high)"
# SQL of the parts, of the total and of the rest of the key in each breakdown.
BREAKDOWNS = (
    (f"sex <> '{TOTAL}'", f"sex = '{TOTAL}'", "area, age, period"),
    (f"age <> '{TOTAL}'", f"age = '{TOTAL}'", "area, sex, period"),
    ("length(period) > 4", "length(period) = 4", "area, sex, age, year"),
    ("length(area) = 9", "length(area) = 4", "left(area, 4), sex, age, period"),
    ("length(area) = 4", "length(area) = 2", "left(area, 2), sex, age, period"),
)


def numerator_bounds(present: Collection[str]) -> tuple[str, str]:
    """Return SQL of the lowest and highest numerator that a rounded value and its denominator allow.

    The relation has the columns of schemas/kpi_view.sql; `present` are the fields of the table.
    """
    if "denominator" not in present:
        return "NULL::DOUBLE", "NULL::DOUBLE"
    half = "0.5 * pow(10, -length(split_part(value::VARCHAR, '.', 2)))"
    low, high = (f"(value_n {sign} {half}) * denominator_n / kpi_multiplier" for sign in "-+")
    # The greatest of NULL and a number is the number.
    known = "kpi_ratio AND kpi_multiplier > 0 AND value_n IS NOT NULL AND denominator_n IS NOT NULL"
    return (
        f"CASE WHEN {known} THEN greatest(0, ceil({low} - 1e-6)) END",
        f"CASE WHEN {known} THEN floor({high} + 1e-6) END",
    )


def counts_query(
    work: duckdb.DuckDBPyConnection, relation: str, present: Collection[str], *, key: str, area: str = "neighbourhood"
) -> str:
    """Return SQL of the counts of a relation with the columns of schemas/kpi_view.sql.

    Columns: key, kpi, year, area, sex, age, period, low and high (NULL for an unknown count), near (a number close to
    both, much cheaper to compute), base (the denominator of a share), suppressed. `key` and `area` are SQL of what
    identifies a row, and of the area's code.
    """
    numerator = "numerator_n" if "numerator" in present else "NULL::DOUBLE"
    quotient = f"CASE WHEN kpi_ratio THEN {QUOTIENT} END" if "denominator" in present else "NULL::DOUBLE"
    low, high, near = (
        f"coalesce({numerator}, CASE WHEN kpi_sum THEN value_n ELSE {bound} END)"
        for bound in (*numerator_bounds(present), quotient)
    )
    base = "CASE WHEN kpi_share THEN denominator_n END" if "denominator" in present else "NULL::DOUBLE"
    sex, age = (f"coalesce({name}, '{TOTAL}')" if name in present else f"'{TOTAL}'" for name in ("sex", "age_group"))
    is_suppressed = f"coalesce(status = '{SUPPRESSED}', FALSE)" if "status" in present else "FALSE"
    people = ", ".join(map(text, sorted(set(kpis_about_people()) - _illustrative(work, relation, present))))
    return f"""SELECT {key} AS key, kpi, left(period, 4) AS year, {area} AS area, {sex} AS sex, {age} AS age, period,
            {low} AS low, {high} AS high, {near} AS near, {base} AS base,
            {near} IS NULL AND value IS NULL AND {is_suppressed} AS suppressed
        FROM {relation} WHERE kpi IN ({people}) AND neighbourhood IS NOT NULL AND period IS NOT NULL"""


def _illustrative(work: duckdb.DuckDBPyConnection, relation: str, present: Collection[str]) -> set[str]:
    """Return the KPIs of which all values are illustrative."""
    if "method" not in present:
        return set()
    query = f"SELECT kpi FROM {relation} GROUP BY kpi HAVING bool_and(coalesce(method, '') = 'illustrative')"
    return {kpi for (kpi,) in work.execute(query).fetchall()}


def suspect_groups(
    work: duckdb.DuckDBPyConnection, counts: str, own_areas: Mapping[str, Sequence[str]], small_count: float
) -> list[tuple[str, str]]:
    """Return KPI and year of the counts (a relation of `counts_query`) among which something may be revealed.

    Some count is suppressed, or published parts lack so little of their total that a small count is in no row.
    `own_areas` have the codes that they consist of.
    """
    tests = ", ".join(f"bool_or({part})" for part, _, _ in BREAKDOWNS)
    has_suppressed, *has_parts = work.execute(f"SELECT bool_or(suppressed), {tests} FROM {counts}").fetchone() or ()
    queries = [f"SELECT kpi, year FROM {counts} WHERE suppressed"] if has_suppressed else []
    for (part, total, others), is_in_table in zip(BREAKDOWNS, has_parts, strict=True):
        if is_in_table:
            rest = f"min(near) FILTER ({total}) - sum(near) FILTER ({part})"
            queries.append(
                f"""SELECT any_value(kpi), any_value(year) FROM {counts} WHERE near IS NOT NULL
                GROUP BY hash(kpi, {others}) HAVING {rest} BETWEEN 0.5 AND {small_count} - 0.5"""
            )
    if own_areas:
        pairs = [(total, part) for total, parts in own_areas.items() for part in parts]
        columns = [list(column) for column in zip(*pairs, strict=True)] or [[], []]
        pairs_query = "SELECT unnest(?::VARCHAR[]) AS own, unnest(?::VARCHAR[]) AS part"
        work.execute(f"CREATE OR REPLACE TEMP TABLE own_parts AS {pairs_query}", columns)
        others = "kpi, year, sex, age, period"
        queries.append(
            f"""SELECT any_value(kpi), any_value(year) FROM (
                SELECT own, {others}, near, TRUE AS is_total FROM {counts} JOIN (SELECT DISTINCT own FROM own_parts)
                    ON area = own
                UNION ALL SELECT own, {others}, near, FALSE FROM {counts} JOIN own_parts ON area = part)
            WHERE near IS NOT NULL GROUP BY own, {others}
            HAVING min(near) FILTER (is_total) - sum(near) FILTER (NOT is_total) BETWEEN 0.5 AND {small_count} - 0.5"""
        )
    if not queries:
        return []
    query = f"SELECT DISTINCT * FROM ({' UNION ALL '.join(queries)}) groups(kpi, year) ORDER BY ALL"
    return work.execute(query).fetchall()


def counts_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[Count]:
    """Yield the counts of rows of area, sex, age, period, low, high, base, suppressed and the number of the row."""
    for area, sex, age, period, low, high, base, is_suppressed, row in rows:
        unknown = (0.0, math.inf if base is None else base)
        least, greatest = unknown if low is None else (low, high)
        yield Count(Cell(area, sex, age, period), least, greatest, is_suppressed, row, base)
