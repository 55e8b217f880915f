"""Workbooks (XLSX, XLS, ODS) as grids, through python-calamine: fast, and it reads what Excel itself repairs.

Cells become the text that a person sees in a column of codes and figures: 2024.0 is "2024", a date is ISO.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum

from vaven.schemas.grid import Grid, GridRow
from vaven.vocab.errors import NotReadable

MAX_CELLS = 50_000_000
MAX_COLUMNS = 2_000


def read_workbook(path: Path) -> Iterator[Grid]:
    """The visible sheets in their order; an empty one gives a grid without rows."""
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        shown = [s.name for s in workbook.sheets_metadata if s.visible == SheetVisibleEnum.Visible]
        for name in shown:
            sheet = workbook.get_sheet_by_name(name)
            _refuse_too_large(path, sheet)
            yield Grid(path.name, name, _rows(sheet))
    except PasswordError as cause:
        raise NotReadable("not-readable-password", file=path.name) from cause
    except CalamineError as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause


def _refuse_too_large(path: Path, sheet: CalamineSheet) -> None:
    if sheet.total_height * sheet.total_width > MAX_CELLS or sheet.total_width > MAX_COLUMNS:
        raise NotReadable("not-readable-cells", file=path.name, sheet=sheet.name, cells=MAX_CELLS, columns=MAX_COLUMNS)


def _rows(sheet: CalamineSheet) -> Iterator[GridRow]:
    if sheet.start is None:
        return
    # calamine walks from the first row of the sheet, but from the first column that is used.
    lead = [""] * sheet.start[1]
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        yield number, lead + [cell_text(cell) for cell in cells]


def cell_text(cell: object) -> str:
    """A cell as stripped text. Floats are rounded to the 15 significant digits that a spreadsheet shows."""
    match cell:
        case str():
            return cell.strip()
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else _plain(cell)
        case datetime():
            return (cell.date() if cell.time() == time() else cell).isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
    return str(cell)


def _plain(number: float) -> str:
    """Decimal notation without exponent, as a spreadsheet shows it."""
    text = f"{number:.15g}"
    return f"{number:.20f}".rstrip("0") if "e-" in text else text
