"""The range of cells that a sheet of an XLSX declares (18.3.1.35, dimension), by which openpyxl reads it.

Frictionless gets no cell outside the range, and an empty one for each inside it that the file does not have. A range
that is wrong is an error of the file: calamine reads the cells that exist.
"""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from vaven.schemas.formats.grid import MAX_COLUMNS, Grid, GridRow
from vaven.schemas.formats.xlsx_stream import large_parts
from vaven.vocab.errors import NotReadable

DIMENSION = re.compile(rb"""<(?:\w+:)?dimension\s[^>]*?ref\s*=\s*["']([A-Za-z0-9:$]+)["']""")
# The element is one of the first of a sheet.
HEAD_BYTES = 65_536


def refuse_wide_range(path: Path, sheet: Grid) -> None:
    """Raise NotReadable for a sheet that declares more columns than any grid has."""
    reference = _declared(path, sheet)
    bounds = _bounds(reference)
    if bounds and bounds[2] - bounds[0] >= MAX_COLUMNS:
        raise _wrong_range(path, sheet, reference)


def refuse_narrow_range(path: Path, sheet: Grid) -> None:
    """Raise NotReadable for a sheet with a cell outside the range that it declares. Costs a pass over its rows."""
    reference = _declared(path, sheet)
    bounds = _bounds(reference)
    if bounds and _is_outside(bounds, sheet.rows):
        raise _wrong_range(path, sheet, reference)


def _declared(path: Path, sheet: Grid) -> str:
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        part = large_parts(archive, -1).get(sheet.sheet or "")
        if part is None:
            return ""
        with archive.open(part) as content:
            match = DIMENSION.search(content.read(HEAD_BYTES))
    return match[1].decode().upper() if match else ""


def _bounds(reference: str) -> tuple[int, int, int, int] | None:
    """Return the first column and row and the last ones, from 1; None for an invalid or open range."""
    # It takes 0.4 s to load, and no other format needs it.
    from openpyxl.utils import range_boundaries

    try:
        left, top, right, bottom = range_boundaries(reference)
    except (ValueError, TypeError):
        return None
    return None if None in (left, top, right, bottom) else (left, top, right, bottom)


def _is_outside(bounds: tuple[int, int, int, int], rows: Iterable[GridRow]) -> bool:
    left, top, right, bottom = bounds
    return any(
        cell and not (top <= number <= bottom and left <= column <= right)
        for number, cells in rows
        for column, cell in enumerate(cells, start=1)
    )


def _wrong_range(path: Path, sheet: Grid, reference: str) -> NotReadable:
    return NotReadable("not-readable-range", file=path.name, sheet=sheet.sheet or "", text=reference)
