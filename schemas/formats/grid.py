"""Grid: a sheet before interpretation, as rows of text cells with the row numbers that the partner sees."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from vaven.schemas.spreadsheets import sheet_properties
from vaven.schemas.spreadsheets.sheet_properties import SheetProperties
from vaven.schemas.standard.cells import CategoryTexts, OmittedCells, omitted_texts
from vaven.schemas.standard.finding import Finding

# Ours, for all formats: the widest of our tables has sixteen columns, a wide one some hundreds.
MAX_COLUMNS = 2_000
MAX_CELLS = 50_000_000

# Letters are the name of a column in a grid, too.
column_letter = sheet_properties.column_letter

# A row: its number in the partner's program (from 1), and its cells as stripped text ("" is empty).
GridRow = tuple[int, list[str]]


@dataclass
class CellCount:
    """Number of a grid's non-empty cells, as its reader comes upon them and before any of them is interpreted.

    It is complete after iteration of the rows. None if the cells can't be counted.
    """

    total: int | None = 0


@dataclass(frozen=True)
class Grid:
    """A sheet as rows of text cells; `rows` can be iterated once. `sheet` is None in a text file.

    `notes` state how the text was read. `decimal_comma` is True if commas in numbers are more likely decimal (Swedish)
    than grouping (English). `plain` is the path, encoding and delimiter of a text file, which can be read by columns
    instead. `merged` are the cells (row, column from 0) below the first row of merged ones. `is_text`: numbers are
    written as in a text file. `cell_count` is of all cells, of which the reader itself drops those of `omitted`.
    `properties` are those of a workbook's sheet. `texts_beside` are texts of the file that are in no cell; those of a
    workbook are with its first sheet.
    """

    file: str
    sheet: str | None
    rows: Iterator[GridRow]
    decimal_comma: bool = True
    notes: tuple[Finding, ...] = field(default=())
    plain: tuple[Path, str, str] | None = None
    merged: Set[tuple[int, int]] = frozenset()
    is_hidden: bool = False
    is_text: bool = False
    cell_count: CellCount = field(default_factory=CellCount)
    omitted: list[OmittedCells] = field(default_factory=list)
    properties: SheetProperties = field(default_factory=SheetProperties)
    texts_beside: Sequence[str] = ()


def filled_count(cells: Sequence[str]) -> int:
    return len(cells) - cells.count("")


def counted(rows: Iterable[GridRow], count: CellCount) -> Iterator[GridRow]:
    """Yield rows as they are, and add their non-empty cells to `count`."""
    for row in rows:
        count.total = (count.total or 0) + filled_count(row[1])
        yield row


def first_uses(
    rows: Iterable[GridRow], categories: CategoryTexts, outside: list[str], omitted: list[OmittedCells], file: str
) -> Iterator[GridRow]:
    """Yield rows in which each text of `categories` is a cell of the file once.

    After the last row, the texts of no row and those `outside` the table are `omitted`.
    """
    for number, cells in rows:
        yield number, categories.first(cells)
    omitted += omitted_texts("outside-tables", [*outside, *categories.unused], file)


def column_index(letters: str) -> int:
    """Return the zero-based index of a column, the inverse of `column_letter`."""
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1
