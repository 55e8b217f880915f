"""Counts that a release gives away together with all that is published already (docs/disclosure.md).

A submission is judged alone by schemas/rules/disclosure.py. Two datasets, or two versions of one, may each be safe and
reveal a count together: the total in one, women in the other.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from vaven.publisher.integrity.constraints import Violation
from vaven.schemas.disclosure.count_tables import POSSIBLE, counts_of, counts_query, suspect_groups
from vaven.schemas.disclosure.intervals import deadline_in, intervals
from vaven.schemas.disclosure.kpi_system import kpi_system
from vaven.schemas.disclosure.proposals import revealed, unpublished
from vaven.schemas.disclosure.system import Cell, Count, LinearSystem
from vaven.schemas.kpi_view import create_kpi_view, create_register_kpis
from vaven.schemas.standard.sql import text
from vaven.schemas.standard.thresholds import Thresholds
from vaven.vocab.areas import level_of

log = logging.getLogger(__name__)
MEMORY = "512MB"
OBSERVATIONS, OBSERVATIONS_CSV, NEIGHBOURHOODS = "observations.parquet", "observations.csv", "neighbourhoods.parquet"
# Exceptions for a file that is damaged or missing.
UNREADABLE = (duckdb.Error, OSError)
KEY = ("neighbourhood", "kpi", "period", "sex", "age_group")
# RE2 pattern of the codes of län, municipalities, DeSO and RegSO (vocab/areas).
OFFICIAL = "[0-9]{2}|[0-9]{4}([ABC][0-9]{4}|R[0-9]{3})?"
# Names of the violations: a count is revealed, or it was not decided in time whether it is.
REVEALED, UNDECIDED = "disclosure", "disclosure-undecided"
# Datasets that a message names.
NAMED = 3


@dataclass(frozen=True)
class PublishedTable:
    """The tables of a version, 0 before its publication; `local` returns the path of a file by its name."""

    dataset: str
    version: int
    local: Callable[[str], Path]
    has_neighbourhoods: bool = False

    @classmethod
    def in_folder(cls, dataset: str, version: int, folder: Path) -> Self:
        """Return the tables of a release's folder."""
        return cls(dataset, version, folder.joinpath, (folder / NEIGHBOURHOODS).exists())


@dataclass(frozen=True)
class _Group:
    """The counts of one KPI and year, each with the number of its table."""

    kpi: str
    counts: Sequence[Count]
    sources: Sequence[int]


def revealing_violations(
    own: PublishedTable, others: Sequence[PublishedTable], thresholds: Thresholds
) -> Iterator[Violation]:
    """Yield the counts that a release reveals together with the other published tables, but not what they reveal.

    Cost: one scan of the rows with the KPIs and years of the release, and the systems of those with suppressed counts.
    """
    if not others:
        return
    deadline = deadline_in(thresholds.disclosure_seconds)
    tables = [own, *others]
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        _create_counts(work, tables)
        own_areas = dict(_own_areas(work, tables))
        for kpi, year in suspect_groups(work, "cells", own_areas, thresholds.small_count):
            group = _group(work, kpi, year, own_areas)
            if len(set(group.sources)) > 1:
                yield from _violations(group, own_areas, tables, thresholds, deadline)


def extent(own: PublishedTable) -> tuple[set[str], set[int], set[str]]:
    """Return the KPIs, the years and the län of a table, those of the parts of its own areas included."""
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        table = work.read_parquet(str(own.local(OBSERVATIONS)))
        kpis, periods, codes = (
            {value for (value,) in table.select(column).distinct().fetchall()}
            for column in ("kpi", "period", "neighbourhood")
        )
        parts = {part for _, parts in _own_areas(work, [own]) for part in parts}
    years = {int(period[:4]) for period in periods if re.match("[0-9]{4}", period)}
    return kpis, years, {code[:2] for code in codes | parts if level_of(code)}


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
    cells, undecided = _revealed_cells(system, enough, deadline)
    # What was not decided before may be what this release reveals.
    revealed_before, _ = _revealed_cells(before, enough, deadline)
    cells = (cells | _published_elsewhere(group)) - revealed_before
    undecided -= cells | revealed_before
    names = sorted({f"{tables[s].dataset} version {tables[s].version}" for s in group.sources if s})
    others = ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    rows = {count.cell: count for count, source in zip(group.counts, group.sources, strict=True) if not source}
    for constraint, cell in [(REVEALED, cell) for cell in sorted(cells)] + [(UNDECIDED, c) for c in sorted(undecided)]:
        located = cell if cell in rows else _beside(system, cell, rows)
        area = located.area.rpartition("/")[2]
        key = (area, group.kpi, located.period, located.sex, located.age)
        yield Violation(constraint, cells=dict(zip(KEY, key, strict=True)), texts={"actual": others})


def _revealed_cells(system: LinearSystem, enough: int, deadline: float) -> tuple[set[Cell], set[Cell]]:
    """Return the cells that a system reveals, and the suppressed ones of which it is not decided in time."""
    result = intervals(system, unpublished(system), enough=enough, deadline=deadline)
    numbers = revealed(system, result, enough=enough)
    undecided = {number for number in result.undecided - numbers if system.counts[number].is_suppressed}
    return {system.counts[n].cell for n in numbers}, {system.counts[n].cell for n in undecided}


def _published_elsewhere(group: _Group) -> set[Cell]:
    """Return the cells that are suppressed in one table and published in another, one of which is the release's."""
    suppressed: dict[Cell, set[bool]] = defaultdict(set)
    published: dict[Cell, set[bool]] = defaultdict(set)
    for count, source in zip(group.counts, group.sources, strict=True):
        if count.is_suppressed:
            suppressed[count.cell].add(source == 0)
        elif count.high - count.low < 1:
            published[count.cell].add(source == 0)
    both = suppressed.keys() & published.keys()
    return {cell for cell in both if {True, False} <= suppressed[cell] | published[cell]}


def _beside(system: LinearSystem, cell: Cell, rows: Mapping[Cell, Count]) -> Cell:
    """Return a cell of the release in an equation with a cell that is in another table."""
    number = system.numbers[cell]
    equations = [e for e in system.equations if number in (e.total, *e.parts)]
    near = (system.counts[n].cell for equation in equations for n in (*equation.parts, equation.total))
    return next((other for other in near if other in rows), min(rows))


# --- the counts of all tables


def _create_counts(work: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]) -> None:
    """Create the table `counts` of all rows with the KPIs and years of the release; its key is the table's number.

    The table `cells` has each count once, though several tables publish it. A damaged file of another dataset does not
    stop the release.
    """
    create_register_kpis(work)
    release, *others = tables
    query = _counts_of(work, 0, release, OBSERVATIONS)
    work.execute(f"CREATE TABLE counts AS SELECT * FROM ({query}) WHERE {POSSIBLE}")
    work.execute("CREATE TABLE own_groups AS SELECT DISTINCT kpi, year FROM counts")
    for source, table in enumerate(others, start=1):
        for name in (OBSERVATIONS, OBSERVATIONS_CSV):
            try:
                query = _counts_of(work, source, table, name)
                related = f"SELECT * FROM ({query}) SEMI JOIN own_groups USING (kpi, year) WHERE {POSSIBLE}"
                work.execute(f"INSERT INTO counts {related}")
                break
            except UNREADABLE as error:
                log.warning("%s %s is not judged by %s: %s", table.dataset, table.version, name, error)
    work.execute(
        """CREATE TABLE cells AS SELECT kpi, year, area, sex, age, period, min(near) AS near,
            bool_or(suppressed) AS suppressed FROM counts GROUP BY ALL"""
    )


def _counts_of(work: duckdb.DuckDBPyConnection, source: int, table: PublishedTable, name: str) -> str:
    """Return SQL of the counts of a released table, from its file with this name."""
    relation = _relation(table.local(name))
    view, present = f"observations_{source}", _columns(work, relation)
    numbers = ", ".join(
        f"{f'{name}::DOUBLE' if name in present else 'NULL::DOUBLE'} AS {name}_n"
        for name in ("value", "numerator", "denominator")
    )
    create_kpi_view(work, view, relation, numbers)
    # The same code of two datasets is two areas, unless it is official.
    own = f"{text(table.dataset + '/')} || neighbourhood"
    area = f"CASE WHEN regexp_full_match(neighbourhood, '{OFFICIAL}') THEN neighbourhood ELSE {own} END"
    return counts_query(work, view, present, key=f"{source}", area=area)


def _columns(work: duckdb.DuckDBPyConnection, relation: str) -> set[str]:
    return {name for (name, *_) in work.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def _relation(path: Path) -> str:
    if path.suffix == ".csv":
        return f"read_csv({text(str(path))}, all_varchar = true)"
    return f"read_parquet({text(str(path))})"


def _group(work: duckdb.DuckDBPyConnection, kpi: str, year: str, own_areas: Mapping[str, Sequence[str]]) -> _Group:
    """Return the counts of a KPI and year in the län of the release, and those of own areas."""
    areas = "SELECT DISTINCT area FROM counts WHERE kpi = ? AND year = ? AND key = 0"
    present = [area for (area,) in work.execute(areas, [kpi, year]).fetchall()]
    lans = {code[:2] for area in present for code in (area, *own_areas.get(area, ()))}
    query = """SELECT area, sex, age, period, low, high, base, suppressed, key FROM counts
        WHERE kpi = ? AND year = ? AND (contains(area, '/') OR left(area, 2) IN (SELECT unnest(?::VARCHAR[])))
        ORDER BY key, area, sex, age, period"""
    rows = work.execute(query, [kpi, year, sorted(lans)]).fetchall()
    return _Group(kpi, list(counts_of(rows)), [row[-1] for row in rows])


def _own_areas(
    work: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each own area of the tables with the codes that it consists of."""
    for table in tables:
        if not table.has_neighbourhoods:
            continue
        try:
            relation = _relation(table.local(NEIGHBOURHOODS))
            names = _columns(work, relation)
            query = f"SELECT code, deso_codes FROM {relation} WHERE deso_codes IS NOT NULL"
            rows = work.execute(query).fetchall() if {"code", "deso_codes"} <= names else []
        except UNREADABLE as error:
            log.warning("The areas of %s %s are not judged: %s", table.dataset, table.version, error)
            continue
        for code, cell in rows:
            own = code if level_of(code) else f"{table.dataset}/{code}"
            yield own, [part.strip() for part in cell.split(";") if part.strip()]
