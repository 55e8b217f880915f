"""Workbooks (XLSX, XLS, ODS) and Parquet files as grids.

Workbooks are read by python-calamine, which is fast and accepts files that Excel itself repairs. It allocates a sheet's
whole used range at once: a file of 6 kB with one cell at XFD1048576 requests 550 GB and ends the process. A workbook is
therefore opened in a child process with bounded memory and time, which writes the sheets' rows to a folder as JSON.
Large sheets of an XLSX are parsed as a stream (xlsx_stream).

Cells become the text that a user sees in a column of codes and numbers: 2024.0 is "2024", a date is ISO.
"""

import json
import math
import resource
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path
from pyexpat import ExpatError
from types import NoneType
from typing import Any

import olefile

from vaven.schemas.formats.child_process import ExitReason, ended, enter, limit, read_result, run, write_result
from vaven.schemas.formats.grid import MAX_CELLS, MAX_COLUMNS, CellCount, Grid, GridRow, filled_count
from vaven.schemas.formats.xlsx_stream import SheetRows, StreamedWorkbook, TooManyCells, large_parts, open_workbook
from vaven.schemas.formats.xml_safety import (
    MAX_SHEET_COLUMNS,
    MAX_SHEET_ROWS,
    far_opendocument_cells,
    far_reference,
)
from vaven.schemas.spreadsheets.ods_properties import ods_properties
from vaven.schemas.spreadsheets.sheet_properties import SheetProperties, properties_of_json
from vaven.schemas.spreadsheets.texts_beside import texts_beside
from vaven.schemas.spreadsheets.xls_properties import xls_properties
from vaven.schemas.spreadsheets.xlsb_properties import XlsbProperties
from vaven.schemas.spreadsheets.xlsx_properties import XlsxProperties
from vaven.schemas.standard.read_options import Progress, no_progress
from vaven.vocab.errors import NotReadable, is_full_disk

# Ours: 50 million cells are 1.6 GB in calamine, and 100,000 rows of 12 columns take a second.
MAX_BYTES = 3_000_000_000
MAX_SECONDS = 300
# Limit of cells merged downwards: no table for people has as many.
MAX_MERGED = 200_000
# Exceptions of the stream for a damaged part.
BROKEN = (ExpatError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError)
ROWS_A_LINE = 500
SHEETS = "sheets.json"
ROWS_A_BATCH = 10_000
# Message codes of exits that the file causes.
UNREADABLE = {
    ExitReason.TIMED_OUT: "not-readable-heavy",
    ExitReason.KILLED: "not-readable-heavy",
    ExitReason.OUT_OF_MEMORY: "not-readable-heavy",
    ExitReason.PANICKED: "not-readable-damaged",
}


def read_workbook(path: Path, folder: Path, progress: Progress = no_progress) -> Iterator[Grid]:
    """Yield the sheets in order, hidden ones marked; an empty one is a grid without rows.

    A hidden sheet that can't be opened safely has no rows, and its cells are not counted.

    `folder` is for the rows until they are iterated; it must not exist and the caller removes it. Raises NotReadable
    for a workbook that is protected, damaged, or too large to open safely.
    """
    folder.mkdir(parents=True)
    child = run("vaven.schemas.formats.workbook", str(path.resolve()), str(folder), seconds=MAX_SECONDS)
    if child.has_crashed:
        raise ended(path, 0, child.code)
    if code := UNREADABLE.get(child.reason):
        raise NotReadable(code, file=path.name)
    child.check()
    for sheet in read_result(child, folder / SHEETS):
        rows = _read_rows(folder / sheet["rows"], progress) if sheet["rows"] else iter(())
        merged = frozenset((row, column) for row, column in sheet["merged"])
        count = CellCount(sheet["cell_count"])
        grid = Grid(path.name, sheet["name"], rows, merged=merged, is_hidden=sheet["is_hidden"], cell_count=count)
        yield replace(
            grid, properties=properties_of_json(sheet["properties"]), texts_beside=sheet.get("texts_beside", ())
        )


def read_parquet(path: Path, folder: Path) -> Grid:
    """Read the table of a Parquet file, as `read_workbook` does. A row's number is that of the record, from 1."""
    (grid,) = read_workbook(path, folder)
    return replace(grid, sheet=None, decimal_comma=False)


def _read_rows(path: Path, progress: Progress) -> Iterator[GridRow]:
    size, position = path.stat().st_size, 0
    # The rows are ASCII, so a line's length is its number of bytes.
    with path.open(encoding="ascii") as lines:
        for line in lines:
            position += len(line)
            progress("reading", position / size)
            yield from ((number, cells) for number, cells in json.loads(line))


def extract_sheets(path: Path, folder: Path) -> list[dict[str, object]]:
    """Write the rows of each visible sheet to a file in `folder`. Returns the properties of each sheet for `Grid`."""
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return [_sheet("", "0.jsonl", _write(_records(path), folder / "0.jsonl"))]
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        sheets = list(_sheets(path, CalamineWorkbook.from_path(_link_by_kind(path, folder)), folder))
        if sheets and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                sheets[0]["texts_beside"] = list(texts_beside(archive))
        return sheets
    except PasswordError as cause:
        raise NotReadable("not-readable-password", file=path.name) from cause
    except CalamineError as cause:
        if "limit exceeded" in str(cause):
            raise _too_many_cells(path, "") from cause
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    except (*BROKEN, OSError) as cause:
        if is_full_disk(cause):
            raise
        raise NotReadable("not-readable-damaged", file=path.name) from cause


def _sheets(path: Path, workbook: Any, folder: Path) -> Iterator[dict[str, object]]:
    """Write the sheets of a workbook one by one through calamine; large ones of an XLSX as a stream."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path)) if zipfile.is_zipfile(path) else None
        parts = large_parts(archive, -1) if archive else {}
        far_cells = far_opendocument_cells(archive) if archive else {}
        large = large_parts(archive) if archive else {}
        properties = _Properties(path, archive, parts)
        book = open_workbook(archive, large) if archive and large else None
        for i, sheet in enumerate(s for s in workbook.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet):
            target = folder / f"{i}.jsonl"
            is_hidden = sheet.visible != SheetVisibleEnum.Visible
            try:
                far = far_reference(archive, parts[sheet.name]) if archive and sheet.name in parts else None
                if far := far or far_cells.get(sheet.name):
                    raise _outside_sheet(path, sheet.name, far)
                of_sheet = properties.of_sheet(sheet.name)
                if book and sheet.name in large:
                    count = _stream_sheet(path, book, sheet.name, target, of_sheet)
                else:
                    count = _write_sheet(path, workbook, sheet.name, target, of_sheet)
            except NotReadable:
                if not is_hidden:
                    raise
                # No table is read from a hidden sheet, which is therefore no reason to refuse the others.
                yield _sheet(sheet.name, "", None, is_hidden=True)
            else:
                yield _sheet(sheet.name, target.name, count, of_sheet, is_hidden=is_hidden)


@dataclass
class _Properties:
    """Properties of a workbook's sheets by their names, read from its container."""

    path: Path
    archive: zipfile.ZipFile | None
    parts: Mapping[str, str]

    def of_sheet(self, name: str) -> SheetProperties:
        if self.archive and name in self.parts:
            return self._xlsx.of_sheet(self.parts[name])
        return self._others.get(name) or SheetProperties()

    @cached_property
    def _xlsx(self) -> XlsxProperties:
        assert self.archive is not None
        return XlsxProperties(self.archive)

    @cached_property
    def _others(self) -> Mapping[str, SheetProperties]:
        if self.archive:
            xlsb = XlsbProperties(self.archive)
            return {name: xlsb.of_sheet(name) for name in xlsb.parts} or ods_properties(self.archive)
        return xls_properties(self.path) if olefile.isOleFile(self.path) else {}


def _stream_sheet(path: Path, book: StreamedWorkbook, name: str, target: Path, properties: SheetProperties) -> int:
    """Write a sheet's rows as a stream. Returns the number of its non-empty cells, and adds merged cells."""
    sheet = SheetRows(book, book.parts[name])
    rows = ((number, [cell_text(cell) for cell in cells]) for number, cells in properties.applied(sheet.rows()))
    try:
        count = _write(rows, target)
    except TooManyCells as cause:
        raise _too_many_cells(path, name) from cause
    properties.merge(sheet.merged)
    return count


def _write_sheet(path: Path, workbook: Any, name: str, target: Path, properties: SheetProperties) -> int:
    """Write a sheet's rows that calamine holds in memory. Returns as `_stream_sheet`."""
    sheet = workbook.get_sheet_by_name(name)
    if sheet.total_height > MAX_SHEET_ROWS:
        raise _outside_sheet(path, name, str(sheet.total_height))
    if sheet.total_height * sheet.total_width > MAX_CELLS or sheet.total_width > MAX_COLUMNS:
        raise _too_many_cells(path, name)
    try:
        count = _write(properties.applied(_rows(sheet.iter_rows(), sheet.start)), target)
    except OverflowError:
        # calamine fails for a number in a time format that is beyond all calendars.
        with zipfile.ZipFile(path) as archive:
            return _stream_sheet(path, open_workbook(archive, large_parts(archive, -1)), name, target, properties)
    properties.merge(sheet.merged_cell_ranges or ())
    return count


def _too_many_cells(path: Path, sheet: str) -> NotReadable:
    return NotReadable("not-readable-cells", file=path.name, sheet=sheet, cells=MAX_CELLS, column_count=MAX_COLUMNS)


def _outside_sheet(path: Path, sheet: str, reference: str) -> NotReadable:
    """Return the error for a cell ("ABCD5"), or a row ("4000000000"), which no spreadsheet can show."""
    row = reference.isdigit()
    where = {
        "where_sv": f"{'rad' if row else 'cell'} {reference}",
        "where_en": f"{'row' if row else 'cell'} {reference}",
    }
    limits = {"maximum": MAX_SHEET_ROWS, "column_count": MAX_SHEET_COLUMNS}
    return NotReadable("not-readable-outside", file=path.name, sheet=sheet, **where, **limits)


def _sheet(
    name: str, rows: str, cell_count: int | None, properties: SheetProperties | None = None, *, is_hidden: bool = False
) -> dict[str, object]:
    """Return the properties of a sheet for `read_workbook`; `merged` are the cells below the first row of merged ones.

    Of these, only those in the first column of their range are listed.
    """
    properties = properties or SheetProperties()
    merged = list(_merged_cells(properties.merged))
    of_rows = {"rows": rows, "cell_count": cell_count, "merged": merged, "is_hidden": is_hidden}
    return {"name": name, **of_rows, "properties": properties.to_json()}


def _merged_cells(ranges: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield row (from 1) and column (from 0) of the cells in merged ranges' first column, below their first row."""
    cells = (
        (row, left) for top, left, bottom, _ in ranges for row in range(top + 1, min(bottom, top + MAX_MERGED) + 1)
    )
    yield from islice(cells, MAX_MERGED)


def _link_by_kind(path: Path, folder: Path) -> Path:
    """Link the workbook under the extension of its format: calamine relies on it, and reports errors less well else."""
    names: Sequence[str] = ()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    kinds = (("xl/workbook.xml", ".xlsx"), ("xl/workbook.bin", ".xlsb"), ("mimetype", ".ods"))
    link = folder / f"workbook{next((ending for name, ending in kinds if name in names), '.xls')}"
    link.symlink_to(path)
    return link


def _write(rows: Iterator[GridRow], path: Path) -> int:
    """Write rows to a file, and return the number of their non-empty cells."""
    count = 0
    with path.open("w", encoding="utf-8") as lines:
        while batch := list(islice(rows, ROWS_A_LINE)):
            count += sum(filled_count(cells) for _, cells in batch)
            lines.write(json.dumps(batch, separators=(",", ":")) + "\n")
    return count


def _records(path: Path) -> Iterator[GridRow]:
    """Yield header (row 0) and records of a Parquet file, a batch of rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Memory-mapped and unbuffered reading trust the file's offsets; plain reading is bounded by this process.
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if len(names) > MAX_COLUMNS or file.metadata.num_rows * len(names) > MAX_CELLS:
            raise _too_many_cells(path, "")
        for name, kind in zip(names, file.schema_arrow.types, strict=True):
            if pa.types.is_nested(kind):
                raise NotReadable("not-readable-nested", file=path.name, column=name)
        yield 0, [name.strip() for name in names]
        number = 0
        for batch in file.iter_batches(batch_size=ROWS_A_BATCH):
            for cells in zip(*map(_column_cells, batch.columns), strict=True):
                number += 1
                yield number, [cell_text(cell) for cell in cells]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause


def _column_cells(column: Any) -> list[Any]:
    """Return the cells of a column; narrow floats as the shortest decimal of the same float, as their writer had it."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    cells: list[Any] = column.to_pylist()
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        form, digits = ("f", range(6, 10)) if pa.types.is_float32(kind) else ("e", range(3, 6))
        return [cell if cell is None else _shortest(float(cell), form, digits) for cell in cells]
    return cells


def _shortest(number: float, form: str, digits: Sequence[int]) -> float:
    """Return the number with the fewest of `digits` that `form` (of struct) stores as the same float: 57.3."""
    if not math.isfinite(number) or number.is_integer():
        return number
    texts = (f"{number:.{count}g}" for count in digits)
    return next((float(t) for t in texts if struct.unpack(form, struct.pack(form, float(t)))[0] == number), number)


def _rows(cells: Iterator[Sequence[object]], start: tuple[int, int] | None) -> Iterator[GridRow]:
    if start is None:
        return
    # calamine iterates from the first row of the sheet, but from the first used column.
    lead = [""] * start[1]
    for number, row in enumerate(cells, start=1):
        yield number, lead + [cell_text(cell) for cell in row]


def cell_text(cell: object) -> str:
    """Return a cell as stripped text. Floats are rounded to the 15 significant digits that a spreadsheet shows."""
    if type(cell) is str:
        return cell.strip()
    return _TEXTS.get(type(cell), str)(cell)


def _number_text(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else _plain(number)


def _moment_text(moment: datetime) -> str:
    return (moment.date() if moment.time() == time() else moment).isoformat()


def _plain(number: float) -> str:
    """Format in decimal notation without exponent, as a spreadsheet shows it."""
    text = f"{number:.15g}"
    return f"{number:.20f}".rstrip("0") if "e-" in text else text


# A lookup by type instead of a chain of conditions: a large workbook has ten million cells.
_TEXTS: Mapping[type, Callable[[Any], str]] = {
    float: _number_text,
    NoneType: lambda _: "",
    bool: lambda cell: "true" if cell else "false",
    Decimal: lambda cell: f"{cell:f}",
    bytes: lambda cell: cell.decode("utf-8", "replace"),
    datetime: _moment_text,
    date: date.isoformat,
    time: time.isoformat,
}


def main(path: Path, folder: Path) -> int:
    """Write the list of a workbook's sheets, or the reason for none, to a file in `folder`. Returns the exit code."""
    limit(resource.RLIMIT_AS, MAX_BYTES)
    return write_result(folder / SHEETS, lambda: extract_sheets(path, folder))


if __name__ == "__main__":
    sys.exit(main(*map(Path, enter(sys.argv[1:]))))
