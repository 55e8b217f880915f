"""Cells that contain an error value or a formula without a stored value, in a workbook or copied to text."""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from vaven.schemas.spreadsheets.number_formats import UNIT_SPACE
from vaven.schemas.spreadsheets.sheet_properties import UNCALCULATED, SheetProperties, column_letter
from vaven.schemas.standard.finding import Finding, Severity

# Error values of Excel, in English and Swedish, and of LibreOffice; number signs fill a column that is too narrow.
ERROR_VALUES = (
    "#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!",
    "#CONNECT!", "#UNKNOWN!", "#GETTING_DATA", "#SAKNAS!", "#REFERENS!", "#DIVISION/0!", "#VÄRDEFEL!", "#NAMN?",
    "#SKÄRNING!", "#OGILTIGT!", "#SPILLD!", "#BERÄKNA!",
)  # fmt: skip
ERROR_PATTERN = r"(Err|Fel):[0-9]{3}|#{2,}"
# A day, a month or a time as the readers of workbooks write it.
DATE_LIKE = r"[0-9]{4}-(0[1-9]|1[0-2])(-[0-9]{2}([T ].*)?)?|[0-9]{2}:[0-9]{2}(:[0-9]{2}.*)?"
ERROR = re.compile(f"(?i:{'|'.join(map(re.escape, ERROR_VALUES))})|{ERROR_PATTERN}")


@dataclass(frozen=True)
class TableRange:
    """Range of a sheet that is read as a table: from `first_row` to the `last_row` that the user chose, if any.

    `read` are the positions of its columns, `excluded` of those that the user leaves out; `location` are the arguments
    of a Finding about it.
    """

    read: Set[int]
    excluded: Set[int]
    location: Mapping[str, Any]
    first_row: int
    last_row: int | None


def is_error_value(cell: str) -> str:
    """Return SQL of the condition that a cell is an error value."""
    # The first comparison spares the others in nearly all cells.
    values = ", ".join(f"'{value}'" for value in ERROR_VALUES)
    return (
        f"((starts_with({cell}, '#') AND (upper({cell}) IN ({values}) OR regexp_full_match({cell}, '{ERROR_PATTERN}')))"
        f" OR ((starts_with({cell}, 'Err:') OR starts_with({cell}, 'Fel:')) AND "
        f"regexp_full_match({cell}, '{ERROR_PATTERN}')))"
    )


def is_uncalculated(cell: str) -> str:
    """Return SQL of the condition that a cell is a formula without a stored value."""
    return f"starts_with({cell}, '{UNCALCULATED}')"


def is_date_like(cell: str) -> str:
    """Return SQL of the condition that a cell is a date, a month or a time of day."""
    return f"regexp_full_match({cell}, '{DATE_LIKE}')"


def shows_unit(cell: str) -> str:
    """Return SQL of the condition that a cell is a number with the unit of its number format."""
    return f"(contains({cell}, '{UNIT_SPACE}') AND NOT {is_uncalculated(cell)})"


def fault_code(cell: str) -> str | None:
    """Return the code of the finding about a cell, or None if it is neither an error value nor a formula."""
    if cell.startswith(UNCALCULATED):
        return "formula-without-value"
    return "error-value" if ERROR.fullmatch(cell) else None


def faults_outside_table(properties: SheetProperties, table: TableRange) -> Iterator[Finding]:
    """Yield findings about faults in labels, above the table, and in columns that are not read.

    Rules report those in the table's own columns from its first row. Columns that the user excludes are skipped, and
    rows below the last.
    """
    for row, column, text in properties.invalid_cells:
        is_in_table = column in table.read and row >= table.first_row
        if row <= (table.last_row or row) and column not in table.excluded and not is_in_table:
            yield _finding(text, table.location, row, column)


def faults_in_sheet(properties: SheetProperties, sheet: str | None) -> Iterator[Finding]:
    """Yield findings about all faults of a sheet that is not a table."""
    location = {"resource": None, "sheet": sheet}
    return (_finding(text, location, row, column) for row, column, text in properties.invalid_cells)


def property_notes(properties: SheetProperties, location: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the notes on cells that are read otherwise than their number formats show them."""
    if properties.years:
        yield Finding("assumed-year", Severity.NOTE, **location, params={"count": properties.years})


def _finding(text: str, location: Mapping[str, Any], row: int, column: int) -> Finding:
    code = fault_code(text) or "error-value"
    return Finding(code, Severity.ERROR, **location, row=row, column=column_letter(column), text=text)
