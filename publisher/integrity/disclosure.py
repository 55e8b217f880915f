"""Counts that a release gives away together with all that is published already (docs/disclosure.md).

A submission is judged alone by schemas/rules/disclosure.py. Two datasets, or two versions of one, may each be safe and
reveal a count together: the total in one, women in the other.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from vaven.publisher.integrity.constraints import Violation
from vaven.publisher.releases.release import Release
from vaven.schemas.disclosure.intervals import intervals
from vaven.schemas.disclosure.kpi_system import kpi_system, kpis_about_people
from vaven.schemas.disclosure.proposals import revealed, unpublished
from vaven.schemas.disclosure.system import Cell, Count, LinearSystem
from vaven.schemas.standard.sql import text
from vaven.schemas.standard.thresholds import Thresholds
from vaven.vocab import register
from vaven.vocab.areas import level_of
from vaven.vocab.register import SUPPRESSED, TOTAL

MEMORY = "512MB"
KEY = ("neighbourhood", "kpi", "period", "sex", "age_group")
# Columns of `counts`, which are those of a Count and of its KPI; `source` is 0 for the release itself.
COUNTS = """CREATE TABLE counts (source INTEGER, kpi VARCHAR, year VARCHAR, area VARCHAR, sex VARCHAR, age VARCHAR,
    period VARCHAR, low DOUBLE, high DOUBLE, base DOUBLE, suppressed BOOLEAN)"""
# Datasets that a message names.
NAMED = 3


@dataclass(frozen=True)
class PublishedTable:
    """The observations of a published version, with the parts of its own areas."""

    dataset: str
    version: int
    observations: Path
    neighbourhoods: Path | None = None


@dataclass
class _Group:
    """The counts of one KPI and year, each with the number of its table."""

    kpi: str
    counts: list[Count] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)


def revealing_violations(
    release: Release, others: Sequence[PublishedTable], thresholds: Thresholds
) -> Iterator[Violation]:
    """Yield the counts that the release reveals together with the other published tables, but not what they reveal.

    Cost: one scan of the rows with the KPIs and years of the release, and the systems of those with suppressed counts.
    """
    deadline = time.monotonic() + thresholds.disclosure_seconds
    own = PublishedTable(release.dataset, release.version, release.table("observations"), _existing(release))
    tables = [own, *others]
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        _create_counts(work, tables)
        own_areas = dict(_own_areas(work, tables))
        for kpi, year in _groups(work):
            group = _group(work, kpi, year, own_areas)
            if len(set(group.sources)) > 1:
                yield from _violations(group, own_areas, tables, thresholds, deadline)


def _existing(release: Release) -> Path | None:
    path = release.table("neighbourhoods")
    return path if path.exists() else None


def _violations(
    group: _Group,
    own_areas: Mapping[str, Sequence[str]],
    tables: Sequence[PublishedTable],
    thresholds: Thresholds,
    deadline: float,
) -> Iterator[Violation]:
    """Yield a violation for each count of the group that the release helps to reveal."""
    enough = int(thresholds.small_count) - 1
    system = kpi_system(group.kpi, group.counts, own_areas)
    before = kpi_system(group.kpi, [c for c, s in zip(group.counts, group.sources, strict=True) if s], own_areas)
    cells = _revealed_cells(system, enough, deadline) | _published_elsewhere(group)
    cells -= _revealed_cells(before, enough, deadline)
    names = sorted({f"{tables[s].dataset} {tables[s].version}" for s in group.sources if s})
    others = ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    rows = {count.cell: count for count, source in zip(group.counts, group.sources, strict=True) if not source}
    for cell in sorted(cells):
        located = cell if cell in rows else _beside(system, cell, rows)
        area = located.area.rpartition("/")[2]
        key = (area, group.kpi, located.period, located.sex, located.age)
        yield Violation("disclosure", cells=dict(zip(KEY, key, strict=True)), texts={"actual": others})


def _revealed_cells(system: LinearSystem, enough: int, deadline: float) -> set[Cell]:
    """Return the cells that a system reveals; one that is not decided in time counts as revealed."""
    result = intervals(system, unpublished(system), enough=enough, deadline=deadline)
    undecided = {number for number in result.undecided if system.counts[number].is_suppressed}
    return {system.counts[number].cell for number in revealed(system, result, enough=enough) | undecided}


def _published_elsewhere(group: _Group) -> set[Cell]:
    """Return the cells that are suppressed in one table and published in another, one of which is the release's."""
    suppressed: dict[Cell, set[bool]] = defaultdict(set)
    published: dict[Cell, set[bool]] = defaultdict(set)
    for count, source in zip(group.counts, group.sources, strict=True):
        if count.is_suppressed:
            suppressed[count.cell].add(source == 0)
        elif count.high - count.low < 1:
            published[count.cell].add(source == 0)
    return {cell for cell, own in suppressed.items() if {True, False} <= own | published.get(cell, own)}


def _beside(system: LinearSystem, cell: Cell, rows: Mapping[Cell, Count]) -> Cell:
    """Return a cell of the release in an equation with a cell that is in another table."""
    number = system.numbers[cell]
    equations = [e for e in system.equations if number in (e.total, *e.parts)]
    near = (system.counts[n].cell for equation in equations for n in (*equation.parts, equation.total))
    return next((other for other in near if other in rows), min(rows))


# --- the counts of all tables


def _create_counts(work: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]) -> None:
    """Fill the table `counts` with the rows of the release, and those of other tables with its KPIs and years."""
    kpis = [register.kpis()[slug] for slug in kpis_about_people()]
    values = ", ".join(
        f"({text(k.id)}, {k.multiplier}, {k.is_ratio}, {k.is_sum}, {k.unit('en') == '%' and k.maximum == 100})"
        for k in kpis
    )
    columns = "id, multiplier, is_ratio, is_sum, is_share"
    work.execute(f"CREATE TABLE people_kpis AS SELECT * FROM (VALUES {values}) v({columns})")
    work.execute(COUNTS)
    for source, table in enumerate(tables):
        present = _columns(work, table.observations)
        related = "WHERE (kpi, year) IN (SELECT DISTINCT kpi, year FROM counts WHERE source = 0)" if source else ""
        work.execute(f"INSERT INTO counts SELECT * FROM ({_counts_of(source, table, present)}) {related}")


def _columns(work: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    return {name for (name, *_) in work.execute(f"DESCRIBE SELECT * FROM {_parquet(path)}").fetchall()}


def _parquet(path: Path) -> str:
    return f"read_parquet({text(str(path))})"


def _counts_of(source: int, table: PublishedTable, present: set[str]) -> str:
    """Return SQL of the counts of one table, without those of KPIs of which all values are illustrative."""

    def column(name: str, default: str) -> str:
        return f"coalesce(o.{name}, {default})" if name in present else default

    numerator, denominator, value = (
        f"o.{name}::DOUBLE" if name in present else "NULL::DOUBLE" for name in ("numerator", "denominator", "value")
    )
    half = "0.5 * pow(10, -length(split_part(o.value::VARCHAR, '.', 2)))" if "value" in present else "0"
    is_known = f"is_ratio AND multiplier > 0 AND {value} IS NOT NULL AND {denominator} IS NOT NULL"
    low, high = (f"({value} {sign} {half}) * {denominator} / multiplier" for sign in "-+")
    bounds = (
        f"coalesce({numerator}, CASE WHEN is_sum THEN {value} WHEN {is_known} THEN {bound} END)"
        for bound in (f"greatest(0, ceil({low} - 1e-6))", f"floor({high} + 1e-6)")
    )
    lowest, highest = bounds
    # The same code of two datasets is two areas, unless it is official.
    own = f"{text(table.dataset + '/')} || o.neighbourhood"
    area = f"CASE WHEN regexp_matches(o.neighbourhood, '^[0-9]') THEN o.neighbourhood ELSE {own} END"
    return f"""SELECT {source} AS source, kpi, left(period, 4) AS year, area, sex, age, period, low, high, base,
            low IS NULL AND value IS NULL AND status = '{SUPPRESSED}' AS suppressed
        FROM (SELECT o.kpi, {area} AS area, {column("sex", f"'{TOTAL}'")} AS sex,
                {column("age_group", f"'{TOTAL}'")} AS age, o.period, {lowest} AS low, {highest} AS high,
                CASE WHEN is_share THEN {denominator} END AS base, {value} AS value,
                {column("status", "'A'")} AS status,
                bool_and({column("method", "''")} = 'illustrative') OVER (PARTITION BY o.kpi) AS illustrative
            FROM {_parquet(table.observations)} o JOIN people_kpis k ON k.id = o.kpi)
        WHERE NOT illustrative AND (low IS NULL OR low <= high)"""


def _groups(work: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return KPI and year of the release's counts that other tables have counts of, too."""
    query = """SELECT kpi, year FROM counts GROUP BY kpi, year
        HAVING bool_or(source = 0) AND bool_or(source > 0) ORDER BY ALL"""
    return work.execute(query).fetchall()


def _group(work: duckdb.DuckDBPyConnection, kpi: str, year: str, own_areas: Mapping[str, Sequence[str]]) -> _Group:
    """Return the counts of a KPI and year in the län of the release, and those of own areas."""
    group = _Group(kpi)
    areas = "SELECT DISTINCT area FROM counts WHERE kpi = ? AND year = ? AND source = 0"
    present = [area for (area,) in work.execute(areas, [kpi, year]).fetchall()]
    lans = {code[:2] for area in present for code in (area, *own_areas.get(area, ()))}
    query = """SELECT source, area, sex, age, period, low, high, suppressed, base FROM counts
        WHERE kpi = ? AND year = ? AND (contains(area, '/') OR left(area, 2) IN (SELECT unnest(?::VARCHAR[])))
        ORDER BY source, area, sex, age, period"""
    rows: list[tuple[Any, ...]] = work.execute(query, [kpi, year, sorted(lans)]).fetchall()
    for row, (source, area, sex, age, period, low, high, is_suppressed, base) in enumerate(rows):
        unknown = (0.0, math.inf if base is None else base)
        least, greatest = unknown if low is None else (low, high)
        group.counts.append(Count(Cell(area, sex, age, period), least, greatest, is_suppressed, row, base))
        group.sources.append(source)
    return group


def _own_areas(
    work: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each own area of the tables with the codes that it consists of."""
    for table in tables:
        if table.neighbourhoods is None:
            continue
        if {"code", "deso_codes"} <= _columns(work, table.neighbourhoods):
            query = f"SELECT code, deso_codes FROM {_parquet(table.neighbourhoods)} WHERE deso_codes IS NOT NULL"
            for code, cell in work.execute(query).fetchall():
                own = code if level_of(code) else f"{table.dataset}/{code}"
                yield own, [part.strip() for part in cell.split(";") if part.strip()]
