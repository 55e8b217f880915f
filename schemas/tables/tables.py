"""Tables: a submission after reading and before checking, as text columns in a DuckDB workspace.

DuckDB holds the cells instead of Python objects, so that a check is a scan over columns, and a table beyond memory
spills to the workspace's folder.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from vaven.schemas.formats.grid import column_letter
from vaven.schemas.standard.cells import Cells
from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.finding import Finding
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.cell_account import OmittedNumber

# The row key of a wide table is the cell's row times this, plus its column (Excel has 16,384 columns).
STRIDE = 1 << 14
# A row's number in a later part of a table is increased by this for each part before it.
PART_STRIDE = 1 << 32
# Larger files have their workspace on disk.
IN_MEMORY_BYTES = 150_000_000
# Some thousand rows.
UNPLANNED_BYTES = 200_000


@dataclass(frozen=True)
class Column:
    """A column: `name` is the standard's field name, `label` the partner's, `letter` the spreadsheet column.

    A missing column with a default (sex, age_group) has no letter and no label.
    """

    name: str
    label: str | None
    letter: str | None


@dataclass(frozen=True)
class TablePart:
    """A sheet of a table that is spread over several: its header row and the column letters of its fields."""

    sheet: str | None
    header_row: int
    letters: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """The table of one resource in the workspace.

    `relation` names a DuckDB table with `_row` BIGINT (the row number in the partner's program, from 1, including the
    header) and a VARCHAR column for each of `columns`, by its standard name; an empty cell is NULL, and surrounding
    blanks are removed. `original_relation` has the same columns as the partner wrote them.

    `beside` are the columns without a field of the standard, c0, c1 …, which `relation` also has.

    `value_labels` are the labels of a wide table's columns of values, by position.

    `wide` names the fields in the labels of a wide table's columns of values; `_row` is then the cell's key (see
    `cell_reference`). `parts` are the sheets of a table that is spread over several (`sheet` is then None, and
    `header_row` and the letters are those of the first); `_row` has the number of the part, too.
    """

    resource: str
    file: str
    sheet: str | None
    header_row: int
    columns: tuple[Column, ...]
    relation: str
    row_count: int
    original_relation: str
    wide: frozenset[str] = frozenset()
    beside: tuple[Column, ...] = ()
    parts: tuple[TablePart, ...] = ()
    value_labels: Mapping[int, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        return next((c for c in (*self.columns, *self.beside) if c.name == name), None)

    def cell_reference(self, key: int, name: str | None) -> tuple[int, str | None]:
        """Return row and column letter in the partner's program of a field in the row with this `_row`."""
        column = self.column(name) if name else None
        part, number, position = self._split(key)
        letter = part.letters.get(name or "") if part else column.letter if column else None
        if not self.wide:
            return number, letter
        if name in self.wide:
            return part.header_row if part else self.header_row, column_letter(position)
        return number, column_letter(position) if name == "value" else letter

    def sheet_of(self, key: int | None) -> str | None:
        """Return the sheet of the row with this `_row`, or the table's own."""
        part = self._split(key)[0] if key is not None else None
        return part.sheet if part else self.sheet

    def _split(self, key: int) -> tuple[TablePart | None, int, int]:
        """Return the part, the row and the column (from 0) in a `_row`."""
        row, position = divmod(key, STRIDE) if self.wide else (key, 0)
        number, row = divmod(row, PART_STRIDE)
        return self.parts[number] if self.parts else None, row, position

    def cell_key(self, name: str | None) -> str:
        """Return SQL that identifies a field's cell in the file: rows of a wide table share labels and codes."""
        if not self.wide or name is None or name == "value":
            return "_row"
        if name in self.wide:
            # Labels of the same column in several parts are different cells.
            part = f" + _row // {STRIDE * PART_STRIDE} * {STRIDE}" if self.parts else ""
            return f"(_row % {STRIDE}{part})"
        return f"_row // {STRIDE}"


@dataclass(frozen=True)
class About:
    """The submission's description of itself. Texts are by language ("sv", "en"); a language may be absent.

    `slug` is the dataset's short name; `licence` is an id of vocab/licences.csv; `series` is the short name of the
    dataset series that it belongs to; `area_vintage` is the one (of vocab.areas.AREA_VINTAGES) of areas without a
    vintage, "" for the oldest that lists them; the rest may be empty.
    """

    slug: str
    titles: Mapping[str, str]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    publisher_name: str = ""
    publisher_number: str = ""
    publisher_sector: str = ""
    contact_name: str = ""
    contact_email: str = ""
    licence: str = ""
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version_note: str = ""
    series: str = ""
    series_titles: Mapping[str, str] = field(default_factory=dict)
    area_vintage: str = ""


@dataclass(frozen=True)
class AboutCell:
    """The cell of a property on the sheet "Om": its label as written, its row, and the letter of its value's column."""

    label: str
    row: int
    column: str


@dataclass(frozen=True)
class AboutSource:
    """The place where a submission describes itself: a "sheet", a "descriptor", or nowhere ("file").

    Properties have the names of tables.about.KEYS. `stated` are those with a text, `cells` those with a label on the
    sheet; `unread` are texts that are in no code list. `texts` are the stated texts by property, and all other texts
    together under "other".
    """

    kind: str = "file"
    sheet: str | None = None
    stated: frozenset[str] = frozenset()
    cells: Mapping[str, AboutCell] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tables:
    """All tables of one source, as a context manager that drops the workspace.

    `problems` are findings of reading (ragged rows, unknown columns); `unlisted` counts by code those beyond the limit
    of the list; `assumptions` are notes of what was detected, `choices` the user's options. `cells` is the account of
    the source's cells, None if a hidden sheet is too large to count; `about_source` is the place of `about`.
    """

    source: Path
    sha256: str
    about: About
    tables: Mapping[str, Table]
    workspace: duckdb.DuckDBPyConnection
    distinct: DistinctTexts
    folder: Path
    problems: tuple[Finding, ...] = ()
    unlisted: Mapping[str, int] = field(default_factory=dict)
    assumptions: tuple[Finding, ...] = ()
    choices: ReadOptions = DETECT
    cells: Cells | None = None
    about_source: AboutSource = field(default_factory=AboutSource)
    omitted_numbers: tuple[OmittedNumber, ...] = ()
    texts_beside: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the workspace and delete its folder; repeated calls are harmless."""
        self.workspace.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def open_workspace(source: Path, kind: str, folder: Path) -> duckdb.DuckDBPyConnection:
    """Return the database for a submission's tables, sized for it; `folder` is for what does not fit into memory."""
    size = source.stat().st_size if source.is_file() else IN_MEMORY_BYTES
    if kind == "text" and size <= UNPLANNED_BYTES:
        # Threads and plans of hundreds of statements take longer than the few rows.
        work = duckdb.connect(config={"threads": 1})
        work.execute("PRAGMA disable_optimizer")
        return work
    # The workspace of a large file is on disk from the start; DuckDB would else spill it repeatedly.
    return duckdb.connect(str(folder / "workspace.duckdb") if size > IN_MEMORY_BYTES else ":memory:")
