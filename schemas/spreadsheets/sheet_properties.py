"""Properties of a sheet's cells: texts that replace values, faults, and hidden rows and columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from vaven.schemas.spreadsheets.number_formats import UNIT_SPACE, YEARS, NumberFormat, shown_text

# Begins the text of a cell whose formula has no stored value; typed text has no such space.
UNCALCULATED = f"={UNIT_SPACE}"
# Characters of a formula in that text.
FORMULA_LENGTH = 60
# Error values of Excel and LibreOffice (ECMA-376 part 1, 18.17.3) by their number in binary formats.
ERRORS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}  # fmt: skip
UNKNOWN_ERROR = "#VALUE!"
# Ranges of hidden rows and columns; a sheet for people has fewer.
MAX_RANGES = 10_000
# Faults by their positions; rules find all of them in the columns of a table.
MAX_FAULTS = 10_000


@dataclass
class SheetProperties:
    """Properties of one sheet. Rows are numbered from 1, columns from 0.

    `texts` replace the values of cells, by row and column: an error value, a formula without a stored value, or a
    number with its unit. `invalid_cells` are those with the former two, `years` the number of years in a date format.
    `hidden_rows` and `hidden_columns` are first and last of each range; after `applied`, only rows that are not empty.
    `merged` are the ranges of merged cells: top, left, bottom, right.
    """

    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    invalid_cells: list[tuple[int, int, str]] = field(default_factory=list)
    years: int = 0
    hidden_rows: list[tuple[int, int]] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)

    def error(self, row: int, column: int, text: str) -> None:
        self._add_invalid(row, column, text or UNKNOWN_ERROR)

    def uncalculated(self, row: int, column: int, formula: str) -> None:
        """Add a formula without a stored value; `formula` may be "" if it is not known."""
        self._add_invalid(row, column, UNCALCULATED + (formula.strip()[:FORMULA_LENGTH] or "…"))

    def number(
        self, row: int, column: int, number: float, sections: Sequence[NumberFormat], *, is_1904: bool = False
    ) -> None:
        """Add the text of a number, if its format says more than its value."""
        text = shown_text(number, sections, is_1904=is_1904)
        if text is not None:
            self.texts.setdefault(row, {})[column] = text
            self.years += bool(text.isdigit() and number == int(text) and int(text) in YEARS)

    def hide_row(self, row: int, last: int | None = None) -> None:
        """Add a hidden row, or the rows up to `last`; rows are added from the top."""
        ranges = self.hidden_rows
        if ranges and ranges[-1][1] + 1 >= row:
            ranges[-1] = (ranges[-1][0], max(last or row, ranges[-1][1]))
        elif len(ranges) < MAX_RANGES:
            ranges.append((row, last or row))

    def hide_columns(self, first: int, last: int) -> None:
        if len(self.hidden_columns) < MAX_RANGES:
            self.hidden_columns.append((first, last))

    def merge(self, ranges: Iterable[tuple[tuple[int, int], tuple[int, int]]]) -> None:
        """Add ranges of merged cells, as first and last row and column from 0."""
        self.merged += [
            (top + 1, left, bottom + 1, right) for (top, left), (bottom, right) in islice(ranges, MAX_RANGES)
        ]

    def _add_invalid(self, row: int, column: int, text: str) -> None:
        self.texts.setdefault(row, {})[column] = text
        if len(self.invalid_cells) < MAX_FAULTS:
            self.invalid_cells.append((row, column, text))

    def applied(self, rows: Iterable[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
        """Yield rows of values with the texts in place of values, and rows that have texts alone."""
        hidden, self.hidden_rows = list(reversed(self.hidden_rows)), []
        for number, cells in self._with_texts(rows):
            while hidden and hidden[-1][1] < number:
                hidden.pop()
            if hidden and hidden[-1][0] <= number and any(cell not in ("", None) for cell in cells):
                self.hide_row(number)
            yield number, cells

    def _with_texts(self, rows: Iterable[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
        waiting = sorted(self.texts, reverse=True)
        for number, cells in rows:
            while waiting and waiting[-1] < number:
                yield waiting[-1], self._replaced(waiting.pop(), [])
            if waiting and waiting[-1] == number:
                yield number, self._replaced(waiting.pop(), cells)
            else:
                yield number, cells
        while waiting:
            yield waiting[-1], self._replaced(waiting.pop(), [])

    def _replaced(self, row: int, cells: list[Any]) -> list[Any]:
        texts = self.texts[row]
        cells = cells + [""] * (max(texts) + 1 - len(cells))
        for column, text in texts.items():
            cells[column] = text
        return cells

    def to_json(self) -> Mapping[str, Any]:
        """Return all but the texts, which are in the rows."""
        return {name: value for name, value in vars(self).items() if name != "texts"}


def properties_of_json(values: Mapping[str, Any]) -> SheetProperties:
    properties = SheetProperties(years=values["years"])
    for name in ("invalid_cells", "hidden_rows", "hidden_columns", "merged"):
        setattr(properties, name, [tuple(item) for item in values[name]])
    return properties


def column_letter(index: int) -> str:
    """Return the spreadsheet name of the column at a zero-based index: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
