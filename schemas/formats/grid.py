"""A sheet as it lies before anyone knows what it means: rows of text cells with the numbers people see."""

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from vaven.schemas.standard.finding import Finding

# Ours, for every reader: the widest of our tables has sixteen columns, a wide one some hundreds.
MAX_COLUMNS = 2_000
MAX_CELLS = 50_000_000

# A row: its number as the partner's program counts it (from 1), and its cells as stripped text ("" is empty).
GridRow = tuple[int, list[str]]


@dataclass(frozen=True)
class Grid:
    """`rows` can be walked once. `sheet` is None in a text file. `notes` say how the text was read.

    `decimal_comma` tells whether commas in numbers are likelier decimal (Swedish) than grouping (English).
    `plain` is set for a text file, which may be read by columns instead: its path, encoding and delimiter.
    `merged` are the places (row, column from 0) that lie below the first row of cells merged into one. A sheet that is
    hidden has rows too, but is not read.
    """

    file: str
    sheet: str | None
    rows: Iterator[GridRow]
    decimal_comma: bool = True
    notes: tuple[Finding, ...] = field(default=())
    plain: tuple[Path, str, str] | None = None
    merged: Set[tuple[int, int]] = frozenset()
    is_hidden: bool = False


def column_letter(index: int) -> str:
    """Spreadsheet name of the column at a zero-based index: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def column_index(letters: str) -> int:
    """The inverse of `column_letter`."""
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1
