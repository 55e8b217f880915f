"""Texts that apply to the rows below them: of merged cells, and by the user's option of each empty required cell."""

from collections.abc import Iterable, Iterator
from typing import Any

from vaven.schemas.formats.grid import Grid, GridRow
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.cell_account import RepeatedText
from vaven.schemas.tables.header import Header


def filled_down(
    rows: Iterable[GridRow], header: Header, grid: Grid, choices: ReadOptions, resource: str
) -> Iterator[GridRow]:
    """Repeat the text of cells merged downwards in each row.

    With the user's option, every empty required cell repeats the row above. Numbers are never repeated.
    """
    schema = standard()[resource]
    texts = [i for i, name in enumerate(header.fields) if name and schema[name].type not in ("number", "integer")]
    required = {i for i in texts if choices.fill_down and schema[header.fields[i] or ""].required}
    last: dict[int, str] = {}
    for number, cells in rows:
        filled = list(cells)
        for i in texts if any(cells) else ():
            is_below = i in required or (number, i) in grid.merged
            if is_below and i < len(filled) and not filled[i]:
                filled[i] = RepeatedText(last.get(i, ""))
            last[i] = filled[i] if i < len(filled) else ""
        yield number, filled


def fill_down_notes(grid: Grid, header: Header, choices: ReadOptions, location: dict[str, Any]) -> Iterator[Finding]:
    """Yield the notes on merged cells and on the user's option."""
    count = sum(1 for row, _ in grid.merged if row > header.row)
    if count:
        yield Finding("assumed-merged", Severity.NOTE, **location, params={"count": count})
    if choices.fill_down:
        yield Finding("assumed-fill-down", Severity.NOTE, **location)
