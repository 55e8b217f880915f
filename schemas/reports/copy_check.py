"""Comparison of a copy with its original, cell by cell, by the readers that read every submission."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from vaven.schemas.formats.grid import Grid, column_index, column_letter
from vaven.schemas.formats.open import grids_of
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.vocab.errors import NotReadable, WrongUse

# A row with text: the position of its sheet, its number, and its cells up to the last with text.
Row = tuple[int, int, list[str]]
# New texts by sheet ("" in a text file), row and column from 0.
Changes = Mapping[tuple[str, int], Mapping[int, str]]


def check_copy(
    original: Path,
    copy: Path,
    *,
    name: str = "",
    choices: ReadOptions = DETECT,
    copy_choices: ReadOptions = DETECT,
    changes: Changes | None = None,
    as_written: Callable[[str], str] | None = None,
    added_sheets: int = 0,
) -> None:
    """Read both files and compare their non-empty cells; of the copy, the first `added_sheets` are skipped.

    `as_written` converts a text as the copy must have it. Raises WrongUse, which names the first cell that differs, or
    states that the copy can't be read.
    """
    name = name or original.name
    sheets: list[str] = []
    with TemporaryDirectory(prefix="vaven-compare-") as folder:
        try:
            grids = grids_of(original, Path(folder) / "original", choices)
            copies = list(grids_of(copy, Path(folder) / "copy", copy_choices))[added_sheets:]
            rows = _changed(_rows(grids, sheets), sheets, changes or {}, as_written)
            different = next(((a, b) for a, b in zip_longest(rows, _rows(copies, [])) if a != b), None)
        except NotReadable as cause:
            raise WrongUse("schemas.copy-not-read", file=name) from cause
    if different:
        raise WrongUse("schemas.copy-differs", file=name, cell=_first_cell(*different, sheets))


def changes_of(cells: Iterable[tuple[str, int, str, str]]) -> Changes:
    """Return the changes of cells given as sheet, row, column letter and new text."""
    changes: dict[tuple[str, int], dict[int, str]] = {}
    for sheet, row, column, text in cells:
        changes.setdefault((sheet, row), {})[column_index(column)] = text.strip()
    return changes


def _rows(grids: Iterable[Grid], sheets: list[str]) -> Iterator[Row]:
    for position, grid in enumerate(grids):
        sheets.append(grid.sheet or "")
        for number, cells in grid.rows:
            width = len(cells)
            while width and not cells[width - 1]:
                width -= 1
            if width:
                yield position, number, cells[:width]


def _changed(
    rows: Iterable[Row], sheets: list[str], changes: Changes, as_written: Callable[[str], str] | None
) -> Iterator[Row]:
    for position, number, own in rows:
        cells = [as_written(cell) for cell in own] if as_written else own
        for column, text in changes.get((sheets[position], number), {}).items():
            cells[column] = text
        yield position, number, cells


def _first_cell(own: Row | None, other: Row | None, sheets: list[str]) -> str:
    """Return the address of the first cell in which two rows differ."""
    position, number, cells = min(row for row in (own, other) if row)
    column = next((i for i, cell in enumerate(cells) if cell), 0)
    if own and other and own[:2] == other[:2]:
        pairs = zip_longest(own[2], other[2], fillvalue="")
        column = next(i for i, (before, after) in enumerate(pairs) if before != after)
    sheet = sheets[position] if position < len(sheets) else ""
    return "!".join(part for part in (sheet, f"{column_letter(column)}{number}") if part)
