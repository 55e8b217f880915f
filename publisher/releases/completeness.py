"""Comparison of a release's files with the checked tables: no value that was read may be absent."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path

import duckdb

from vaven.schemas.standard.sql import DECIMALS, quoted, text
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.compile import key_of
from vaven.schemas.tables.tables import Table
from vaven.vocab.errors import NotPublishable

BATCH_ROWS = 10_000


def check_complete(workspace: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    """Count the values of each field in the checked table and in its Parquet and CSV, which are read for it.

    Of rows with the same key, of which a release has one, each field counts once, and rows without a value do not count
    beside one with a value. A default makes the release's number larger. Raises NotPublishable.
    """
    schema = standard()[table.resource]
    names = [field.name for field in schema.fields if table.column(field.name)]
    where = f"WHERE {quoted('value')} IS NOT NULL" if "value" in names else ""
    counts = ", ".join(f"count({quoted(name)})" for name in names)
    firsts = ", ".join(f"any_value({quoted(name)}) AS {quoted(name)}" for name in names)
    key = ", ".join(part for part in key_of(table, schema) if '"' in part)
    rows = f"{table.relation} {where}"
    (count,) = workspace.execute(f"SELECT count(*) FROM {rows}").fetchone() or (0,)
    for path in (folder / f"{table.resource}.parquet", folder / f"{table.resource}.csv"):
        is_csv = path.suffix == ".csv"
        read = _csv(path, [field.name for field in schema.fields]) if is_csv else text(str(path))
        count_released, *released = workspace.execute(f"SELECT count(*), {counts} FROM {read} {where}").fetchone() or ()
        # Grouping by the key takes longer, and only repeated rows need it.
        own = rows if count == count_released else f"(SELECT {firsts} FROM {rows} GROUP BY {key})"
        expected = workspace.execute(f"SELECT {counts} FROM {own}").fetchone() or ()
        for name, values, written in zip(names, expected, released, strict=True):
            if written < values:
                field = schema[name]
                labels = {f"field_{language}": field.label(language) for language in ("sv", "en")}
                raise NotPublishable("publisher.release-incomplete", file=path.name, count=values - written, **labels)


def _csv(path: Path, columns: Sequence[str]) -> str:
    """Return SQL of a CSV as `write_table` writes it. To detect its dialect takes half as long as to read it."""
    types = ", ".join(f"{text(name)}: 'VARCHAR'" for name in columns)
    dialect = """delim = ',', quote = '"', escape = '"', header = true, auto_detect = false"""
    return f"read_csv({text(str(path))}, columns = {{{types}}}, {dialect})"


def check_workbook(workbook: Path, resources: Iterable[str]) -> None:
    """Compare the sheets of a release's workbook with its Parquet, cell by cell. Raises NotPublishable.

    Cost: a fifth of the time to write it.
    """
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(str(workbook))
    with duckdb.connect() as reading:
        for resource in resources:
            schema = standard()[resource]
            sheet = book.get_sheet_by_name(schema.label("sv"))
            cells = map(_texts, islice(sheet.iter_rows(), 1, None))
            table = text(str(workbook.with_name(f"{resource}.parquet")))
            rows = map(_texts, _fetched(reading.execute(f"SELECT * FROM {table}")))
            for written, released in zip_longest(cells, rows, fillvalue=()):
                different = [i for i, cell in enumerate(released) if written[i : i + 1] != (cell,)]
                if different:
                    field = schema.fields[different[0]]
                    labels = {f"field_{language}": field.label(language) for language in ("sv", "en")}
                    raise NotPublishable("publisher.release-incomplete", file=workbook.name, count=1, **labels)


def _fetched(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
    while batch := cursor.fetchmany(BATCH_ROWS):
        yield from batch


def _texts(row: Iterable[object]) -> tuple[object, ...]:
    """Return a row with one form of empty cells, numbers and line breaks."""
    return tuple(_text(cell) for cell in row)


def _text(cell: object) -> object:
    if isinstance(cell, float):
        cell = workbook_number(cell)
    if isinstance(cell, str):
        # XML has one form of line break.
        return cell.replace("\r\n", "\n").replace("\r", "\n")
    return "" if cell is None else float(cell) if isinstance(cell, int) else cell


def workbook_number(number: float) -> float | str:
    """Return a number as a workbook can hold it: as text, if it has more than the 15 digits that Excel shows."""
    return number if float(f"{number:.15g}") == number else f"{number:.{DECIMALS}f}".rstrip("0").rstrip(".")
