"""Findings about merged cells of several values, and about hidden rows and columns that are read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from vaven.schemas.spreadsheets.cell_faults import TableRange, faults_outside_table
from vaven.schemas.spreadsheets.sheet_properties import SheetProperties, column_letter
from vaven.schemas.standard.finding import Finding, Severity

# Ranges of rows or columns that a message lists.
MAX_LISTED = 5


def merged_values(
    properties: SheetProperties, read: Set[int], numbers: Set[int], first_row: int
) -> Mapping[int, Sequence[tuple[int, str]]]:
    """Return the column and range of merged cells that stand for several values, by their first row.

    A range has several values if it spans two columns that are read, or two rows of a column of numbers. Text merged
    downwards is repeated (fill_down) and is none of them.
    """
    ranges: dict[int, list[tuple[int, str]]] = {}
    for top, left, bottom, right in properties.merged:
        columns = read & set(range(left, right + 1))
        row = max(top, first_row)
        if bottom >= row and columns and (len(columns) > 1 or (bottom > row and columns & numbers)):
            area = f"{column_letter(left)}{top}:{column_letter(right)}{bottom}"
            ranges.setdefault(row, []).append((left, area))
    return ranges


def table_findings(properties: SheetProperties, table: TableRange) -> Iterator[Finding]:
    """Yield the findings about a sheet with a table.

    Columns that the user excludes have none, nor have rows below the last.
    """
    yield from hidden_parts(properties, table)
    yield from faults_outside_table(properties, table)


def hidden_parts(properties: SheetProperties, table: TableRange) -> Iterator[Finding]:
    """Yield a warning about hidden rows, filtered ones too, and one about hidden columns, if they are read."""
    rows = [(max(first, table.first_row), last) for first, last in properties.hidden_rows if last >= table.first_row]
    if rows:
        params = {
            "count": sum(last - first + 1 for first, last in rows),
            "rows": _range_texts([map(str, r) for r in rows]),
        }
        yield Finding("hidden-rows", Severity.WARNING, **table.location, row=rows[0][0], params=params)
    columns = sorted(c for first, last in properties.hidden_columns for c in table.read if first <= c <= last)
    if columns:
        letters = [column_letter(column) for column in columns]
        params = {"count": len(columns), "columns": _range_texts([(letter, letter) for letter in letters])}
        yield Finding(
            "hidden-columns",
            Severity.WARNING,
            **table.location,
            row=table.first_row - 1,
            column=letters[0],
            params=params,
        )


def hidden_column_notes(
    properties: SheetProperties, location: Mapping[str, Any], unread: Iterable[int]
) -> Iterator[Finding]:
    """Yield a note for each hidden column with a label that is not read (`unread` are the positions of such columns).

    The findings about such a column name a cell that the sender does not see.
    """
    for position in sorted(unread):
        if any(first <= position <= last for first, last in properties.hidden_columns):
            letter = column_letter(position)
            yield Finding("assumed-hidden", Severity.NOTE, **location, column=letter, params={"column": letter})


def _range_texts(ranges: Sequence[Any]) -> str:
    texts = ["–".join(dict.fromkeys(ends)) for ends in ranges[:MAX_LISTED]]
    return ", ".join(texts) + (" …" if len(ranges) > MAX_LISTED else "")
