"""Rows below a header: other tables of the sheet, footnotes and totals, and texts that apply to rows below them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaven.schemas.formats.grid import Grid, GridRow, filled_count
from vaven.schemas.standard.cells import RepeatedText
from vaven.schemas.standard.data_like import delimiter_within, is_area
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.cell_account import CellAccount
from vaven.schemas.tables.header import Header, header_of

# Labels in place of an area in a total row below a table.
TOTAL_WORDS = frozenset(
    ("summa", "totalt", "total", "summa totalt", "totalsumma", "sum", "grand total", "medel", "snitt", "genomsnitt",
     "medelvärde", "medeltal", "median", "average", "mean", "samtliga områden", "alla områden", "all areas")
)  # fmt: skip


def is_header(cells: Sequence[str], resource: str, choices: ReadOptions = DETECT) -> bool:
    """Return True for a row below a gap that is another header: two known labels, or no digit.

    Every observation has a digit in its period or area code.
    """
    header = header_of(0, cells, resource, choices)
    if any(map(is_area, cells)):
        return False
    has_known_labels = len({name for name in header.fields if name} | header.label_fields) >= 2
    return has_known_labels or (resource == "observations" and not any(c.isdigit() for cell in cells for c in cell))


@dataclass
class Sections:
    """The rows below a header without the other tables of the sheet. The fields are complete after iteration.

    `repeated` are rows that repeat the header (the table continues below them), `others` those with another header: a
    table of its own follows, which is omitted with the rows of text or blanks just above it. `account` has their cells.
    """

    header: Header
    resource: str
    account: CellAccount
    choices: ReadOptions = DETECT
    repeated: list[int] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)

    def rows(self, rows: Iterable[GridRow]) -> Iterator[GridRow]:
        labels = list(self.header.labels)
        least = min(2, filled_count(labels))
        waiting: list[GridRow] = []
        is_ours = True
        for row in rows:
            filled = filled_count(row[1])
            if filled < least:
                # A sheet may end in a million formatted empty rows: only their numbers are stored.
                waiting.append(row if filled else (row[0], []))
                continue
            is_same = row[1][: len(labels)] == labels
            # Only a gap, or the same labels, announces another table; rows of data are not searched for labels.
            if is_same or (waiting and is_header(row[1], self.resource, self.choices)):
                is_ours = is_same
                self._omit([*waiting, row], "repeated-header" if is_same else "other-table")
                self._note(row, is_same=is_same)
            elif is_ours:
                yield from waiting
                yield row
            else:
                self._omit([*waiting, row], "other-table")
            waiting = []
        if is_ours:
            yield from waiting
        else:
            self._omit(waiting, "other-table")

    def _omit(self, rows: Iterable[GridRow], reason: str) -> None:
        for row in rows:
            self.account.omit_row(reason, row)

    def _note(self, row: GridRow, *, is_same: bool) -> None:
        if is_same:
            self.repeated.append(row[0])
        else:
            self.others.append((row[0], next(cell for cell in row[1] if cell)))


def body(rows: Iterable[GridRow], header: Header, *, has_end: bool = False) -> Iterator[tuple[GridRow, str]]:
    """Yield rows with their kind: "row", "blank" (between data rows), "footnote", "total" or "other-delimiter".

    Blank rows at the end are dropped. Rows at the end with several words in the first cell only are footnotes, and
    after a blank row any with the first cell only; one labelled as a sum is a total. If a fuller row follows, all of
    them are data, as they are if the user has set the last row (`has_end`).
    """
    width = len(header.labels)
    area = header.fields.index("neighbourhood") if "neighbourhood" in header.fields else None
    waiting: list[GridRow] = []
    for row in rows:
        filled = filled_count(row[1])
        if filled == 1 and width > 1 and delimiter_within(next(cell for cell in row[1] if cell), width):
            yield row, "other-delimiter"
            continue
        is_remark = width > 2 and filled == 1 and bool(row[1][0]) and (bool(waiting) or " " in row[1][0])
        is_remark = not has_end and (is_remark or _is_total(row[1], area))
        if is_remark or not filled:
            # A sheet may end in a million formatted empty rows: only their numbers are stored.
            waiting.append(row if filled else (row[0], []))
            continue
        yield from ((pending, "row" if filled_count(pending[1]) else "blank") for pending in waiting)
        waiting = []
        yield row, "row"
    yield from (
        (pending, "total" if _is_total(pending[1], area) else "footnote")
        for pending in waiting
        if filled_count(pending[1])
    )


def _is_total(cells: Sequence[str], area: int | None) -> bool:
    """Return True if a word for a total is in place of the area, or first in a row without an area.

    In other columns these words mean all sexes or ages.
    """
    if area is None:
        return False
    label = cells[area] if area < len(cells) else ""
    return (label or next((cell for cell in cells if cell), "")).casefold().strip(" :") in TOTAL_WORDS


def filled_down(
    rows: Iterable[GridRow], header: Header, grid: Grid, choices: ReadOptions, resource: str
) -> Iterator[GridRow]:
    """Repeat the text of cells merged downwards in each row.

    With the user's option, every empty required cell repeats the row above. Numbers are never repeated.
    """
    numbers = {field.name for field in standard()[resource].fields if field.type in ("number", "integer")}
    names_required = {field.name for field in standard()[resource].fields if field.required}
    texts = [i for i, name in enumerate(header.fields) if name and name not in numbers]
    required = {i for i in texts if choices.fill_down and header.fields[i] in names_required}
    last: dict[int, str] = {}
    for number, cells in rows:
        filled = list(cells)
        for i in texts if any(cells) else ():
            # A text alone is that of a group (group_rows), and has the rows below it.
            is_below = (i in required and filled_count(cells) > 1) or (number, i) in grid.merged
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
