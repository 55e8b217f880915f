"""Sheets of a workbook, members of a zip and lists of JSON that no table is read from: those with data are errors.

A sheet has data if it has the columns of a table that is checked, rows like those of the table below no labels of its
own, or numbers of areas. Explanations and code lists have none of them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaven.schemas.formats.grid import Grid, GridRow
from vaven.schemas.formats.sniff import TABLES
from vaven.schemas.standard.data_like import YEAR, is_area, is_number
from vaven.schemas.standard.labels import fold
from vaven.schemas.tables.header import HEADER_SEARCH_ROWS
from vaven.schemas.tables.sheets import MIN_ROWS_WITH_VALUES, PIVOT_LABEL, SAMPLE_ROWS

if TYPE_CHECKING:
    # It loads Frictionless, which the process that reports does not need.
    from vaven.schemas.tableschema.row_account import RowAccount

# Ours: a sheet has the columns of a table if it lacks at most this share of them. A code list has two of three.
LACKING_SHARE = 0.25
NUMBERS = ("integer", "number")
# Types with a value for any text.
UNTYPED = ("string", "any")


@dataclass(frozen=True)
class OtherSheet:
    """A sheet that no table is read from. `chosen` is the sheet that the sender chose instead, if any.

    `is_data`: it has data that the sender has not excluded by a choice of sheets. `advice` is the remedy's key in a
    package.
    """

    sheet: str | None
    is_hidden: bool
    is_data: bool
    chosen: str | None = None
    advice: str = "sheet-of-package"


@dataclass(frozen=True)
class CheckedColumns:
    """Columns of a table that is checked: their folded labels, those of numbers, and a reader of each cell of a row.

    A reader returns None for a text that is no value of its field, and whether it would refuse some text.
    """

    labels: Collection[str]
    numbers: Collection[str]
    readers: Sequence[Callable[[str], tuple[Any, bool]]]

    def are_labels(self, cells: Iterable[str]) -> bool:
        """Return whether a row has the labels of the table, in any order."""
        row = set(map(fold, cells))
        lacking = sum(label not in row for label in self.labels)
        has_numbers = not self.numbers or not row.isdisjoint(self.numbers)
        return bool(self.labels) and lacking <= len(self.labels) * LACKING_SHARE and (not lacking or has_numbers)

    def is_row(self, cells: Sequence[str]) -> bool:
        """Return whether a row is like those of the table: as wide, and with values of all its types."""
        cells = _without_empty_end(cells)
        if len(cells) != len(self.readers) or len(cells) < 2:
            return False
        read = [reader(cell) for reader, cell in zip(self.readers, cells, strict=True)]
        return all(value is not None for value, _ in read) and any(is_typed for _, is_typed in read)


def tables_in(names: Iterable[str]) -> list[str]:
    """Return the members of a zip that are tables by their extensions, apart from the metadata files of macOS."""
    return [name for name in names if Path(name).suffix.lower() in TABLES and not name.startswith("__MACOSX/")]


def checked_columns(rows: "RowAccount") -> CheckedColumns | None:
    """Return the columns of a table that has been read; None if it has no fields."""
    fields = rows.fields
    if not fields:
        return None
    labels = {fold(field.name) for field in fields}
    numbers = {fold(field.name) for field in fields if field.type in NUMBERS}
    return CheckedColumns(labels, numbers, [_reader(field) for field in fields])


def _reader(field: Any) -> Callable[[str], tuple[Any, bool]]:
    read = field.create_cell_reader()
    is_typed = field.type not in UNTYPED or bool({"enum", "pattern"} & field.constraints.keys())

    def reader(cell: str) -> tuple[Any, bool]:
        value, notes = read(cell)
        return (None if notes else value), is_typed

    return reader


def sample_of(grid: Grid) -> list[GridRow]:
    """Return the first rows of a grid, which it no longer has."""
    return list(islice(grid.rows, SAMPLE_ROWS))


def has_data(grid: Grid, sample: Sequence[GridRow], tables: Iterable[CheckedColumns]) -> bool:
    """Return whether a sheet has data; `sample` are its first rows, `tables` those that are checked.

    The cells of a hidden sheet that is too large are not counted, and may be data.
    """
    rows = [cells for _, cells in sample if any(cells)]
    if grid.cell_count.total is None:
        return grid.is_hidden or bool(rows)
    return any(_has_rows_of(rows, columns) for columns in tables) or _has_numbers_of_areas(rows)


def _has_rows_of(rows: Sequence[Sequence[str]], columns: CheckedColumns) -> bool:
    if any(columns.are_labels(cells) for cells in rows[:HEADER_SEARCH_ROWS][: len(rows) - 1]):
        return True
    is_table = len(rows) >= MIN_ROWS_WITH_VALUES and columns.is_row(rows[0])
    return is_table and sum(map(columns.is_row, rows)) >= MIN_ROWS_WITH_VALUES


def _has_numbers_of_areas(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether rows have an area and, to the right of it, a number: a code comes first in a code list."""
    labels = (cell for cells in rows[:HEADER_SEARCH_ROWS] for cell in cells if cell)
    if any(PIVOT_LABEL.fullmatch(fold(cell)) for cell in labels):
        return False
    return sum(any(_numbers_of_area(cells)) for cells in rows) >= MIN_ROWS_WITH_VALUES


def _numbers_of_area(cells: Sequence[str]) -> Iterator[bool]:
    has_area = False
    for cell in cells:
        if cell and is_area(cell):
            has_area = True
        elif has_area:
            yield is_number(cell) and not YEAR.fullmatch(cell)


def _without_empty_end(cells: Sequence[str]) -> Sequence[str]:
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]
