"""Tables as reading produces them, built from rows in a test: for tests of checking alone."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.tables import About, Column, Table, Tables

Row = Mapping[str, str | None]


def tables_of(resources: Mapping[str, Sequence[Row]]) -> Tables:
    """Build a table per resource with the columns of its first row, in the standard's order; the header is row 1."""
    folder = Path(tempfile.mkdtemp(prefix="vaven-by-hand-"))
    work = duckdb.connect(str(folder / "workspace.duckdb"))
    tables = {name: _table(work, name, rows) for name, rows in resources.items()}
    about = About("by-hand", {}, publisher_name="Den sociala väven", licence="cc-by")
    return Tables(folder / "by-hand", "0" * 64, about, tables, work, DistinctTexts(work), folder)


def columns_of(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}" VARCHAR' for name in names)


def _table(work: duckdb.DuckDBPyConnection, resource: str, rows: Sequence[Row]) -> Table:
    names = [name for name in standard()[resource].names if name in rows[0]]
    work.execute(f"CREATE TABLE {resource} (_row BIGINT, {columns_of(names)})")
    marks = ", ".join("?" * (len(names) + 1))
    cells = [[number, *(row.get(name) or None for name in names)] for number, row in enumerate(rows, start=2)]
    work.executemany(f"INSERT INTO {resource} VALUES ({marks})", cells)
    columns = tuple(Column(name, name, chr(ord("A") + i)) for i, name in enumerate(names))
    return Table(resource, f"{resource}.csv", None, 1, columns, resource, len(rows), resource)
