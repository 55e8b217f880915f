"""Annotated copy of a submitted workbook: a comment in each cell with a finding, and a sheet that lists all findings.

A CSV file becomes a workbook with the same rows. The original is never changed.
"""

import shutil
import warnings
import zlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from pyexpat import ExpatError
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.child import INVALID_TITLE_REGEX

from vaven.schemas.formats.csv import read_delimited
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.formats.workbook import read_workbook
from vaven.schemas.formats.xlsx_stream import large_parts
from vaven.schemas.reports.copy_check import check_copy
from vaven.schemas.reports.xlsx_cells import restore_formula_values
from vaven.schemas.standard.finding import Finding, Report, Severity
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.errors import WrongUse
from vaven.vocab.messages import messages

# openpyxl warns on stderr about content that it drops from a copy; losses that matter are refused below.
warnings.filterwarnings("ignore", module="openpyxl")

FILLS = {Severity.ERROR: "F8C9BF", Severity.WARNING: "FFE9A8", Severity.NOTE: "D5E6F2"}
COMMENT_SIZE = (420, 160)
MAX_COMMENT = 1_500
MAX_TITLE = 31
# Exceptions that openpyxl raises for malformed parts; calamine, which reads submissions, is more tolerant. Both XML
# parsers raise a SyntaxError for a part that is not well-formed.
UNREADABLE = (
    InvalidFileException, BadZipFile, zlib.error, EOFError, OSError, SyntaxError,
    LookupError, ValueError, TypeError, AttributeError, ExpatError,
)  # fmt: skip
# openpyxl keeps the whole workbook in memory: about 6 kB per row of twelve cells.
MAX_ROWS = 100_000
MAX_UNPACKED_BYTES = 150_000_000


def annotate(
    source: Path, report: Report, target: Path, *, language: str = "sv", choices: ReadOptions = DETECT
) -> Path:
    """Write the annotated copy of `source`, read with `choices`, to `target`.

    Raises WrongUse for a source that is not a single tabular file, or has more than MAX_ROWS rows.
    """
    if sum(report.rows.values()) > MAX_ROWS:
        raise WrongUse("schemas.too-many-rows-to-annotate", rows=MAX_ROWS)
    if report.cells is None:
        # A sheet that our own reader can't open: the copy could not be compared.
        raise WrongUse("schemas.workbook-not-written", file=source.name)
    book = editable_copy(source, choices)
    for finding in report.findings:
        if finding.row and finding.column:
            _mark(book, finding, language)
    _add_summary(book, report, language)
    with TemporaryDirectory(prefix="vaven-annotate-") as folder:
        # Moved when complete and compared, so that `target` is never partial.
        copy = Path(folder) / "copy.xlsx"
        save(book, copy, formulas_of=source if is_xlsx(source) else None)
        of_workbook = replace(choices, encoding=None, delimiter=None)
        check_copy(source, copy, choices=choices, copy_choices=of_workbook, as_written=_writable, added_sheets=1)
        shutil.move(copy, target)
    return target


def save(book: Workbook, target: Path, *, formulas_of: Path | None = None) -> None:
    """Write a workbook from `editable_copy`, with the formulas' values of the XLSX that it was loaded from.

    Raises WrongUse if openpyxl can't write it.
    """
    try:
        with target.open("wb") as file:
            book.save(file)
        if formulas_of:
            restore_formula_values(formulas_of, target)
    except UNREADABLE as cause:
        raise WrongUse("schemas.workbook-not-written", file=(formulas_of or target).name) from cause


def can_annotate(source: Path, report: Report, choices: ReadOptions = DETECT) -> bool:
    """Return whether `annotate` supports the source."""
    is_small = 0 < sum(report.rows.values()) <= MAX_ROWS
    return is_small and content_of(source, choices.encoding).kind in ("text", "workbook")


def editable_copy(source: Path, choices: ReadOptions = DETECT) -> Workbook:
    """Load a CSV file or workbook as an editable workbook; XLS and ODS keep their texts but not their formats."""
    content = content_of(source, choices.encoding)
    if content.kind == "text":
        book = Workbook()
        # By this name, the sheet is read as the text is.
        book.active.title = standard()["observations"].label("sv")
        _fill(book.active, read_delimited(source, content.encoding, choices).rows)
        return book
    if content.kind != "workbook":
        raise WrongUse("schemas.not-annotated")
    if not is_xlsx(source):
        return _from_sheets(source)
    with ZipFile(source) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise WrongUse("schemas.too-large-to-annotate", file=source.name)
    try:
        # From an open file, since openpyxl rejects paths by their extension.
        with source.open("rb") as file, ZipFile(file) as archive:
            book = load_workbook(file)
            # openpyxl drops sheets that it can't parse, with only a warning.
            if lost := large_parts(archive, -1).keys() - set(book.sheetnames):
                raise KeyError(min(lost))
            return book
    except UNREADABLE as cause:
        raise WrongUse("schemas.workbook-not-written", file=source.name) from cause


def is_xlsx(source: Path) -> bool:
    if not is_zipfile(source):
        return False
    with ZipFile(source) as archive:
        return "xl/workbook.xml" in archive.namelist()


def _from_sheets(source: Path) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    with TemporaryDirectory(prefix="vaven-copy-") as folder:
        for grid in read_workbook(source, Path(folder) / "sheets"):
            sheet = book.create_sheet(_title(grid.sheet or ""))
            sheet.sheet_state = "hidden" if grid.is_hidden else "visible"
            _fill(sheet, grid.rows)
            _merge(sheet, grid.merged)
    return book


def _merge(sheet: Any, merged: Set[tuple[int, int]]) -> None:
    """Merge cells downwards again: `merged` are row and column (from 0) of those below a first row."""
    for row, column in sorted(merged, key=lambda cell: (cell[1], cell[0])):
        if (row - 1, column) not in merged:
            last = next(r for r in count(row) if (r + 1, column) not in merged)
            sheet.merge_cells(start_row=row - 1, end_row=last, start_column=column + 1, end_column=column + 1)


def _title(sheet: str) -> str:
    """Return a sheet's name as Excel allows it; OpenDocument allows more characters."""
    return INVALID_TITLE_REGEX.sub("_", sheet)[:MAX_TITLE] or "_"


def sheet_of(book: Workbook, finding: Finding) -> Any:
    """Return the sheet of a finding in a workbook from `editable_copy`."""
    if not finding.sheet:
        return book.worksheets[0]
    return book[finding.sheet if finding.sheet in book.sheetnames else _title(finding.sheet)]


def _fill(sheet: Any, rows: Iterable[tuple[int, list[str]]]) -> None:
    for number, cells in rows:
        for column, text in enumerate(cells, start=1):
            if text:
                # Written as text, so that codes keep leading zeros and no cell is evaluated as a formula.
                cell = sheet.cell(number, column)
                cell.value, cell.data_type = _writable(text), "s"


def _writable(text: str) -> str:
    """Replace the control characters that XML can't represent."""
    cleaned: str = ILLEGAL_CHARACTERS_RE.sub("�", text)
    return cleaned


def _mark(book: Workbook, finding: Finding, language: str) -> None:
    sheet = sheet_of(book, finding)
    cell = sheet[finding.cell]
    if isinstance(cell, MergedCell):
        # Only the first of merged cells can have a comment.
        cell = next(sheet.cell(r.min_row, r.min_col) for r in sheet.merged_cells.ranges if finding.cell in r)
    words = _writable(f"{finding.message(language)}\n→ {finding.remedy(language)}")
    before = f"{cell.comment.text}\n\n" if cell.comment else ""
    cell.comment = Comment((before + words)[:MAX_COMMENT], "Väven", *reversed(COMMENT_SIZE))
    cell.fill = PatternFill("solid", start_color=FILLS[finding.severity])


def _add_summary(book: Workbook, report: Report, language: str) -> None:
    """Insert a first sheet with the verdict and every finding in the report, each linked to its cell."""
    words = messages(language, "schemas")
    title = words("report.sheet")
    sheet = book.create_sheet(title if title not in book.sheetnames else f"Väven {title}", 0)
    sheet.append([words(f"report.verdict.{report.verdict.value}")])
    sheet.append([words(f"report.meaning.{report.verdict.value}")])
    sheet.append([])
    sheet.append([words(f"report.column.{name}") for name in ("cell", "severity", "message", "remedy")])
    for finding in chain(report.findings, report.assumptions):
        severity = words(f"report.severity.{finding.severity.value}")
        row = (finding.address, severity, finding.message(language), finding.remedy(language))
        sheet.append([_writable(text) for text in row])
        if finding.row and finding.column:
            name = sheet_of(book, finding).title if finding.sheet else book.worksheets[1].title
            sheet.cell(sheet.max_row, 1).hyperlink = f"#'{name}'!{finding.column}{finding.row}"
    _lay_out(sheet)
    book.active = 0


def _lay_out(sheet: Any) -> None:
    sheet["A1"].font = Font(bold=True, size=16)
    for cell in sheet[4]:
        cell.font = Font(bold=True)
    widths: Mapping[str, int] = {"A": 24, "B": 12, "C": 80, "D": 90}
    for column, width in widths.items():
        sheet.column_dimensions[column].width = width
    sheet.freeze_panes = "A5"
