"""Non-empty cells of the files that tables are read from, counted by other readers than Frictionless.

Texts are split by the csv module with the dialect that was detected, workbooks are read by calamine, and JSON is
counted by its events. What Frictionless's readers of files drop before it has rows is counted here, too: other sheets,
the first line of each further file, members of JSON outside the table, and keys that the first record lacks.
"""

import bz2
import csv
import gzip
import lzma
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import ijson
from frictionless.formats import CsvControl, ExcelControl, JsonControl, OdsControl
from frictionless.resources import TableResource

from vaven.schemas.formats.grid import Grid, column_index
from vaven.schemas.formats.open import grids_of
from vaven.schemas.formats.workbook import read_workbook
from vaven.schemas.spreadsheets.cell_faults import TableRange, faults_in_sheet
from vaven.schemas.spreadsheets.sheet_findings import hidden_parts
from vaven.schemas.standard.cells import OmittedCells, checksum_of
from vaven.schemas.standard.finding import Finding
from vaven.schemas.standard.labels import fold
from vaven.schemas.tables.cell_account import CellAccount, account_of
from vaven.schemas.tableschema.declared_range import refuse_narrow_range, refuse_wide_range
from vaven.schemas.tableschema.other_sheets import (
    CheckedColumns,
    OtherSheet,
    checked_columns,
    has_data,
    sample_of,
    tables_in,
)
from vaven.schemas.tableschema.row_account import JSON, RowAccount, texts_in
from vaven.vocab.errors import NotReadable

TEXTS, WORKBOOKS = ("csv", "tsv"), ("xlsx", "xls", "ods")
OPEN: Mapping[str, Callable[[Path], Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}


class DroppedData(NamedTuple):
    """Error about data that Frictionless drops without one; `column` is a number from 1."""

    kind: str
    text: str
    row: int | None = None
    column: int | None = None


@dataclass
class FileCells:
    """Accounts of the tables of a submission and of the sheets that no table is read from; `folder` is for copies.

    `chosen` is the sheet that the sender chose on the command line. `uncounted` are the names of tables of which the
    cells could not be counted; `warnings` are about hidden rows and columns that are read.
    """

    folder: Path
    chosen: str | None = None
    accounts: list[CellAccount] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    _books: dict[str, list[Grid]] = field(default_factory=dict)
    _read: set[tuple[str, str | None]] = field(default_factory=set)
    _members: list[Grid] = field(default_factory=list)
    _tables: list[CheckedColumns] = field(default_factory=list)
    # Workbooks of which a dialect names the sheet that is read.
    _named: set[str] = field(default_factory=set)
    # Lists in JSON beside those that tables are read from, by file and path in it, and whether they have data.
    _lists: dict[tuple[str, str], bool] = field(default_factory=dict)

    def sheet_of(self, table: TableResource) -> Grid | None:
        """Return the sheet of a workbook that a table is read from; None for other formats and for a missing sheet."""
        if table.format not in WORKBOOKS or not table.normpath or table.extrapaths:
            return None
        control = OdsControl if table.format == "ods" else ExcelControl
        dialect = control.from_dialect(table.dialect)
        chosen = dialect.sheet
        if table.package and "sheet" in dialect.list_defined():
            self._named.add(table.normpath)
        try:
            grids = self._book(table)
        except NotReadable:
            return None
        for number, grid in enumerate(grids, start=1):
            if chosen in (grid.sheet, number):
                self._read.add((table.normpath, grid.sheet))
                if table.format == "xlsx" and not table.compression:
                    refuse_wide_range(Path(table.normpath), grid)
                return grid
        return None

    def with_sheet(self, table: TableResource) -> TableResource:
        """Make a table read the sheet, or the member of a zip, that the sender chose; else the first visible sheet.

        Frictionless reads the first sheet even if it is hidden. Raises NotReadable if there is none of that name.
        """
        name = self.chosen
        if table.compression == "zip":
            name = self._set_member(table, name) if name is not None else None
        if table.format in WORKBOOKS:
            self._set_sheet(table, name)
        elif name:
            raise NotReadable("not-readable-sheet", file=Path(str(table.path)).name, sheet=name)
        return table

    def _set_member(self, table: TableResource, name: str) -> str | None:
        """Set the member of a zip. Returns the rest of the name, which is that of a sheet in the member."""
        with zipfile.ZipFile(str(table.normpath)) as archive:
            members = tables_in(archive.namelist())
        for member in members:
            for own in (member, Path(member).name, Path(member).stem):
                if fold(name) == fold(own) or name.startswith(f"{own}/"):
                    table.innerpath, table.format = member, Path(member).suffix.lower().removeprefix(".")
                    return name[len(own) + 1 :] or None
        return name

    def _set_sheet(self, table: TableResource, name: str | None) -> None:
        grids = self._book(table)
        if name is None:
            first = next((grid for grid in grids if not grid.is_hidden), grids[0])
            if first is grids[0]:
                return
        else:
            matches = [grid for grid in grids if fold(grid.sheet or "") == fold(name)]
            if not matches:
                raise NotReadable("not-readable-sheet", file=Path(str(table.path)).name, sheet=name)
            first = matches[0]
        control = OdsControl if table.format == "ods" else ExcelControl
        table.dialect.add_control(control(sheet=first.sheet or 1))

    def name_of_sheet(self, table: TableResource) -> str | None:
        """Return the name that chooses the sheet or the member which a table is read from; None for other files."""
        sheet = next((sheet for path, sheet in self._read if path == table.normpath), None)
        return sheet if table.compression != "zip" else "/".join(filter(None, (table.innerpath, sheet)))

    def add(self, name: str, rows: RowAccount | None, sheet: Grid | None) -> list[DroppedData]:
        """Add the account of a table that has been read. Returns the errors about data that Frictionless drops."""
        dropped = _Dropped()
        if rows is None or not rows.is_complete or not _count(rows, sheet, dropped):
            self.uncounted.append(name)
            return []
        try:
            self._members += self._other_members(rows.resource)
        except NotReadable:
            self.uncounted.append(name)
        rows.account.reader_omitted += dropped.cells
        resource = rows.resource
        if (
            sheet
            and resource
            and resource.format == "xlsx"
            and not resource.compression
            and not rows.account.is_complete
        ):
            refuse_narrow_range(Path(str(resource.normpath)), sheet)
        rows.account.file = Path(rows.resource.path).name if rows.resource and rows.resource.path else name
        self.accounts.append(rows.account)
        if columns := checked_columns(rows):
            self._tables.append(columns)
            self._add_lists(rows, columns, dropped)
        self.warnings += _hidden_parts(name, rows, sheet) if sheet else ()
        findings = faults_in_sheet(sheet.properties, sheet.sheet) if sheet else ()
        return dropped.errors + [
            DroppedData(finding.code, finding.text or "", finding.row, column_index(finding.column or "A") + 1)
            for finding in findings
            if finding.code == "formula-without-value"
        ]

    def _add_lists(self, rows: RowAccount, columns: CheckedColumns, dropped: "_Dropped") -> None:
        if rows.resource and dropped.own_list:
            path = str(rows.resource.normpath)
            self._read.add((path, dropped.own_list))
            for name, keys in dropped.lists.items():
                self._lists[path, name] = self._lists.get((path, name), False) or columns.are_labels(keys)

    def omit_others(self) -> Iterator[OtherSheet]:
        """Add the accounts of sheets and of members of archives that no table is read from, and yield them."""
        sheets = [
            (grid, self.chosen is not None or (path in self._named and not grid.is_hidden))
            for path, grids in self._books.items()
            for grid in grids
            if (path, grid.sheet) not in self._read
        ]
        yield from (self._omit(grid, is_excluded=is_excluded) for grid, is_excluded in sheets)
        for grid in self._members:
            yield self._omit(grid, is_excluded=self.chosen is not None, advice="file-of-archive")
        # Their cells are in the account of the table.
        for key, is_data in self._lists.items():
            if is_data and key not in self._read:
                yield OtherSheet(key[1].removesuffix(".item"), is_hidden=False, is_data=True, advice="list-of-file")

    def _omit(self, grid: Grid, *, is_excluded: bool, advice: str = "sheet-of-package") -> OtherSheet:
        sample = sample_of(grid)
        is_data = not is_excluded and has_data(grid, sample, self._tables)
        account = account_of(grid)
        reason = "sheet-hidden" if grid.is_hidden else "sheet-not-chosen" if self.chosen else "sheet-skipped"
        account.omit_sheet(reason, chain(sample, grid.rows))
        self.accounts.append(account)
        return OtherSheet(grid.sheet, grid.is_hidden, is_data, self.chosen, advice)

    def _other_members(self, table: TableResource | None) -> Iterator[Grid]:
        """Yield the tables in a zip beside the one that Frictionless reads, which is the first."""
        if not table or table.compression != "zip" or table.extrapaths:
            return
        with zipfile.ZipFile(str(table.normpath)) as archive:
            for i, name in enumerate(tables_in(archive.namelist())):
                if name != (table.innerpath or archive.namelist()[0]):
                    folder = self.folder / f"member-{len(self.accounts)}-{i}"
                    folder.mkdir()
                    with archive.open(name) as member, (folder / Path(name).name).open("wb") as copy:
                        shutil.copyfileobj(member, copy)
                    grids = list(grids_of(folder / Path(name).name, folder / "rows"))
                    yield from (replace(grid, sheet=f"{name}/{grid.sheet}" if grid.sheet else name) for grid in grids)

    def _book(self, table: TableResource) -> list[Grid]:
        path = str(table.normpath)
        if path not in self._books:
            source = Path(path)
            if table.compression:
                source = self.folder / f"book-{len(self._books)}"
                with _opened(Path(path), table) as content, source.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
            self._books[path] = list(read_workbook(source, self.folder / f"sheets-{len(self._books)}"))
        return self._books[path]


def _hidden_parts(name: str, rows: RowAccount, sheet: Grid) -> Iterator[Finding]:
    """Yield the warnings about hidden rows and columns of a sheet that is read as the table `name`."""
    location = {"resource": name or None, "sheet": sheet.sheet}
    table = TableRange(rows.columns_with_field, frozenset(), location, rows.header_row + 1, None)
    for finding in hidden_parts(sheet.properties, table):
        yield replace(finding, params={**finding.params, "advice": "hidden-in-table"})


@dataclass
class _Dropped:
    """Cells that a reader of Frictionless drops, and the errors about them.

    `own_list` is the path of the list in JSON that is read; `lists` are the keys of the records in all others.
    """

    cells: list[OmittedCells] = field(default_factory=list)
    errors: list[DroppedData] = field(default_factory=list)
    own_list: str = ""
    lists: dict[str, set[str]] = field(default_factory=dict)

    def add(self, reason: str, texts: Sequence[str], rows: tuple[int, int] | None = None, file: str = "") -> None:
        if texts:
            checksum = checksum_of(0, texts)
            self.cells.append(OmittedCells(reason, len(texts), file or None, rows, checksum=checksum))


def _count(rows: RowAccount, sheet: Grid | None, dropped: _Dropped) -> bool:
    """Count the cells of a table's files into the total of its account. Returns False if they can't be counted."""
    table = rows.resource
    assert table is not None
    total: int | None = None
    if table.format in WORKBOOKS:
        total = sheet.cell_count.total if sheet else None
    elif table.format in TEXTS:
        total = _count_texts(table, rows, dropped)
    elif table.data is not None:
        total = _count_records(rows, list(table.data), dropped)
    elif table.format == "json":
        total = _count_json(table, rows, dropped)
    elif table.format in JSON:
        total = _count_lines(table, rows, dropped)
    rows.account.total.total = total
    return total is not None


# --- texts


def _count_texts(table: TableResource, rows: RowAccount, dropped: _Dropped) -> int:
    control = CsvControl.from_dialect(table.dialect)
    if rows.text_total is not None:
        return rows.text_total
    total, last = 0, _LastLine()
    for i, path in enumerate(_paths(table)):
        is_skipped = i > 0 and table.format == "csv" and bool(table.dialect.header)
        with _opened(path, table) as file, TextIOWrapper(file, table.encoding, newline="") as text:
            lines = last.of(text, first=int(is_skipped))
            for number, record in enumerate(csv.reader(lines, control.to_python()), start=1):
                total += sum(map(bool, map(str.strip, record)))
                if is_skipped and number == 1:
                    _drop_first_row(path, record, rows, dropped)
                    continue
                continues = number == 1 + is_skipped and last.is_open
                last.record = _joined(path, record, last.record, number, dropped) if continues else record
    return total


class _LastLine:
    """The last row of the files before, and whether its line does not end, so that Frictionless joins the next one."""

    def __init__(self) -> None:
        self.record: list[str] = []
        self.is_open = False
        self._line = ""

    def of(self, lines: Iterable[str], first: int) -> Iterator[str]:
        """Yield the lines of a file, of which Frictionless reads those from the `first`."""
        self.is_open = bool(self._line) and not self._line.endswith(("\n", "\r"))
        for i, line in enumerate(lines):
            self._line = line if i >= first else self._line
            yield line


def _drop_first_row(path: Path, record: Sequence[str], rows: RowAccount, dropped: _Dropped) -> None:
    """Leave out the first line of a further file, which should repeat the labels."""
    is_repeated = record == rows.label_row
    dropped.add("repeated-header" if is_repeated else "first-row", texts_in(record), (1, 1), path.name)
    if not is_repeated and texts_in(record):
        dropped.errors.append(DroppedData("first-row", path.name, 1))


def _joined(path: Path, record: list[str], before: list[str], number: int, dropped: _Dropped) -> list[str]:
    """Return a row that continues the last row of the file before, and leave out the cell that continues its last."""
    dropped.errors.append(DroppedData("joined-row", path.name, number))
    if texts_in(record[:1]) and texts_in(before[-1:]):
        dropped.add("joined-row", texts_in(record[:1]), (number, number), path.name)
    return [*before[:-1], "".join((*before[-1:], *record[:1])), *record[1:]]


def _paths(table: TableResource) -> list[Path]:
    return [Path(path) for path in (table.normpaths if table.extrapaths else [str(table.normpath)])]


@contextmanager
def _opened(path: Path, table: TableResource) -> Iterator[IO[bytes]]:
    """Open a file as uncompressed bytes; of a zip, the member that Frictionless reads."""
    compression = path.suffix.lower().removeprefix(".") if table.extrapaths else table.compression
    if compression == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(table.innerpath or archive.namelist()[0]) as member:
            yield member
    else:
        with OPEN.get(compression or "", Path.open)(path, "rb") as file:
            yield file


# --- JSON


def _count_json(table: TableResource, rows: RowAccount, dropped: _Dropped) -> int:
    control = JsonControl.from_dialect(table.dialect)
    path = f"{control.property}.item" if control.property is not None else "item"
    keys: set[str] = set()
    outside: list[str] = []
    total = 0
    dropped.own_list = path
    with _opened(_paths(table)[0], table) as file:
        for prefix, event, value in ijson.parse(file):
            if event == "map_key" and prefix == path:
                keys.add(value)
            elif event == "map_key" and prefix.endswith(".item") and not prefix.startswith(f"{path}."):
                dropped.lists.setdefault(prefix, set()).add(value)
            elif event in ("string", "number", "boolean") and (texts := texts_in(value)):
                total += 1
                if prefix != path and not prefix.startswith(f"{path}."):
                    outside += texts
    dropped.add("outside-tables", outside)
    if rows.is_keyed:
        total += _count_keys(rows, keys)
        if others := _others(rows, keys):
            with _opened(_paths(table)[0], table) as file:
                _drop_members(rows, ijson.items(file, path), others, dropped)
    return total


def _count_lines(table: TableResource, rows: RowAccount, dropped: _Dropped) -> int:
    with _opened(_paths(table)[0], table) as file, TextIOWrapper(file, table.encoding) as text:
        records = [value for line in text if line.strip() for value in ijson.items(line.encode(), "")]
    return _count_records(rows, records, dropped)


def _count_records(rows: RowAccount, records: Sequence[Any], dropped: _Dropped) -> int:
    total = sum(len(texts_in(record)) for record in records)
    if rows.is_keyed:
        keys = {str(key) for record in records for key in record}
        total += _count_keys(rows, keys)
        _drop_members(rows, records, _others(rows, keys), dropped)
    return total


def _count_keys(rows: RowAccount, keys: Iterable[str]) -> int:
    """Return the number of non-empty keys, each of which is one cell. Those that are labels are used."""
    own = [key for key in keys if key.strip()]
    rows.use_labels(own)
    return len(own)


def _others(rows: RowAccount, keys: Iterable[str]) -> list[str]:
    return sorted(set(keys) - set(rows.label_row))


def _drop_members(
    rows: RowAccount, records: Iterable[Mapping[str, Any]], keys: Sequence[str], dropped: _Dropped
) -> None:
    """Leave out the members of records with other keys than the labels, which are those of the first record."""
    texts = [text for record in records for key in keys for text in texts_in(record.get(key))]
    dropped.add("key-unknown", [*(key for key in keys if key.strip()), *texts])
    schema = rows.resource.schema if rows.resource else None
    tolerates_others = schema is not None and schema.fields_match in ("subset", "partial")
    own = schema.field_names if schema else []
    dropped.errors += [DroppedData("unread-key", key) for key in keys if key in own or not tolerates_others]
