"""Where the table lies on a sheet and what its columns are: preamble, header row, footnotes, known labels."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vaven.schemas.choices import AS_FOUND, Choices
from vaven.schemas.finding import Finding, Severity
from vaven.schemas.grid import GridRow, column_letter
from vaven.schemas.labels import fold, known_labels, meaning
from vaven.schemas.standard import standard
from vaven.schemas.tables import Column

HEADER_SEARCH_ROWS = 50
# A cell may be empty here, but a table of observations without the column says nothing.
ESSENTIAL = frozenset(("value",))


@dataclass(frozen=True)
class Header:
    """The header row's number, its labels by position, and the standard's field for each position that has one.

    `wide` gives what the label of a position says of all values below it, where columns are years, KPIs or sexes.
    `constants` are the texts that the user gave to fields for all rows, `left_out` the positions that do not count
    because the user said so.
    """

    row: int
    labels: tuple[str, ...]
    fields: tuple[str | None, ...]
    wide: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[int] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """The fields that every row has a cell for."""
        values = {"value"} if self.wide else set()
        return frozenset(name for name in self.fields if name) | self.spread | set(self.constants) | values

    @property
    def spread(self) -> frozenset[str]:
        """The fields that stand in the labels of columns of values."""
        return frozenset(name for says in self.wide.values() for name in says)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the standard knows, leftmost first."""
        return tuple(
            Column(name, self.labels[i], column_letter(i)) for i, name in enumerate(self.fields) if name is not None
        )


def find_header(rows: Sequence[GridRow], resource: str, choices: Choices = AS_FOUND) -> Header | None:
    """The likeliest header among the first rows: the one with most known labels, else the first that is full.

    None where no row has two filled cells (or one, in a sheet of a single column), or where the row that the user
    named is not among them.
    """
    if choices.header_row is not None:
        return next((_header(n, cells, resource, choices) for n, cells in rows if n == choices.header_row), None)
    headers = [_header(number, cells, resource, choices) for number, cells in rows[:HEADER_SEARCH_ROWS]]
    best = max(headers, key=lambda h: len(h.known) - len(h.constants), default=None)
    if best and len(best.known) - len(best.constants) >= min(2, len(best.labels)):
        return best
    usual = max((_filled(cells) for _, cells in rows), default=0)
    for share in (0.9, 0.6):
        full = [h for h in headers if _filled(h.labels) >= max(usual * share, min(usual, 2), 1)]
        if found := next((h for h in full if not _is_numeric(h.labels)), None):
            return found
    # A header of years is numbers; only where no fuller row of words exists is it taken for one.
    return next(iter(full), None) or next((h for h in headers if _filled(h.labels)), None)


def _header(number: int, cells: Sequence[str], resource: str, choices: Choices) -> Header:
    names = set(standard()[resource].names)
    constants = {name: given for name, given in choices.constants.items() if name in names}
    known = {**known_labels(resource), **{fold(label): name for label, name in choices.columns.items()}}
    found: list[str | None] = []
    for cell in cells:
        name = known.get(fold(cell)) if cell else None
        found.append(name if name in names - set(found) - set(constants) else None)
    labels = tuple(" ".join(cell.split()) for cell in cells)
    left_out = frozenset(i for i, label in enumerate(labels) if label and known.get(fold(label)) in {"", *constants})
    wide = _wide(labels, found, left_out, choices) if resource == "observations" and choices.wide is not False else {}
    return Header(number, labels, tuple(found), wide, constants, left_out)


def _wide(
    labels: Sequence[str], found: Sequence[str | None], left_out: frozenset[int], choices: Choices
) -> Mapping[int, Mapping[str, str]]:
    """The columns of values and what their labels say; none where the table has one column of values.

    All of them must speak of the same fields, and of none that has a column of its own. A single such column counts
    where its label is a KPI or a period; a mere "Kvinnor" or "Totalt" is no table. The KPI must stand in the table
    or be given by the user: any table of statistics has years in its header, and most are none of ours.
    """
    known = {name for name in found if name}
    if "value" in known or not known:
        return {}
    says = {
        i: meant
        for i, label in enumerate(labels)
        if found[i] is None and label and i not in left_out and (meant := meaning(label))
    }
    kinds = Counter(frozenset(meant) for meant in says.values() if not known & meant.keys())
    kind, count = max(kinds.items(), key=lambda pair: pair[1], default=(frozenset[str](), 0))
    has_kpi = choices.wide or "kpi" in kind | known | set(choices.constants)
    if (count < 2 and not kind & {"kpi", "period"}) or not has_kpi:
        return {}
    return {i: meant for i, meant in says.items() if meant.keys() == kind}


def _filled(cells: Iterable[str]) -> int:
    return sum(1 for cell in cells if cell)


def _is_numeric(cells: Iterable[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return sum(cell.replace(",", "").replace(".", "").replace(" ", "").isdigit() for cell in filled) > len(filled) / 2


def label_problems(header: Header, place: Mapping[str, str | None], resource: str, filled: set[int]) -> list[Finding]:
    """What is wrong with the labels. `filled` are the positions that have a value in some row."""
    found = []
    known = known_labels(resource)
    seen: set[str] = set()
    for i, label in enumerate(header.labels):
        if i in header.wide or i in header.left_out:
            continue
        at = {**place, "row": header.row, "column": column_letter(i), "text": label}
        if not label:
            if i in filled:
                found.append(Finding("blank-label", Severity.WARNING, **at))  # type: ignore[arg-type]
        elif known.get(fold(label)) in seen or (header.fields[i] is None and fold(label) in known):
            found.append(Finding("duplicate-label", Severity.ERROR, **at))  # type: ignore[arg-type]
        elif header.fields[i] is None:
            near = difflib.get_close_matches(fold(label), known, n=1, cutoff=0.75)
            params = {"nearest": standard()[resource][known[near[0]]].label("sv") if near else ""}
            found.append(Finding("unknown-column", Severity.WARNING, params=params, **at))  # type: ignore[arg-type]
        seen |= {header.fields[i] or ""} - {""}
    return found


def missing_columns(header: Header, place: Mapping[str, str | None], resource: str) -> list[Finding]:
    """One finding for each column that the standard requires and the header lacks."""
    return [
        Finding(
            "missing-column",
            Severity.ERROR,
            **place,  # type: ignore[arg-type]
            row=header.row,
            field=field.name,
            params={"label_sv": field.label("sv"), "label_en": field.label("en")},
        )
        for field in standard()[resource].fields
        if (field.required or field.name in ESSENTIAL) and field.name not in header.known
    ]


def is_header(cells: Sequence[str], resource: str, choices: Choices = AS_FOUND) -> bool:
    """Whether a row below a gap is a header again: it has two labels that the standard knows, or, since every
    observation has a period or an area code, not one digit.
    """
    header = _header(0, cells, resource, choices)
    knows = len({name for name in header.fields if name} | header.spread) >= 2
    return knows or (resource == "observations" and not any(c.isdigit() for cell in cells for c in cell))


@dataclass
class Sections:
    """The rows below a header without the other tables of the sheet. What was found is known once they are walked.

    `repeated` are the rows that repeat the header (the table goes on below them), `others` those with another
    header: what follows is a table of its own and is left out, with the rows of words or nothing just above.
    """

    header: Header
    resource: str
    choices: Choices = AS_FOUND
    repeated: list[int] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)

    def rows(self, rows: Iterable[GridRow]) -> Iterator[GridRow]:
        labels = list(self.header.labels)
        waiting: list[GridRow] = []
        is_ours = True
        for row in rows:
            filled = _filled(row[1])
            if filled < min(2, _filled(labels)):
                # A sheet may end in a million formatted empty rows: only their numbers are kept.
                waiting.append(row if filled else (row[0], []))
                continue
            is_same = row[1][: len(labels)] == labels
            # Only a gap, or the very same labels, announces another table; data is not looked at word by word.
            if is_same or (waiting and is_header(row[1], self.resource, self.choices)):
                is_ours = is_same
                self._note(row, is_same=is_same)
            elif is_ours:
                yield from waiting
                yield row
            waiting = []
        if is_ours:
            yield from waiting

    def _note(self, row: GridRow, *, is_same: bool) -> None:
        if is_same:
            self.repeated.append(row[0])
        else:
            self.others.append((row[0], next(cell for cell in row[1] if cell)))


def body(rows: Iterable[GridRow], width: int) -> Iterator[tuple[GridRow, str]]:
    """Data rows with their kind: "row", "blank" (between data rows) or "footnote".

    Blank rows at the end are dropped. Rows at the end with words in the first cell only are footnotes, and after
    a blank row any with the first cell only; where a fuller row follows, all of them were data.
    """
    waiting: list[GridRow] = []
    for row in rows:
        filled = _filled(row[1])
        is_remark = width > 2 and filled == 1 and bool(row[1][0]) and (bool(waiting) or " " in row[1][0])
        if is_remark or not filled:
            # A sheet may end in a million formatted empty rows: only their numbers are kept.
            waiting.append(row if filled else (row[0], []))
            continue
        yield from ((held, "row" if _filled(held[1]) else "blank") for held in waiting)
        waiting = []
        yield row, "row"
    yield from ((held, "footnote") for held in waiting if _filled(held[1]))
