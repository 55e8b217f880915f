"""Where the table lies on a sheet and what its columns are: preamble, header row, footnotes, known labels."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest

from vaven.schemas.formats.grid import GridRow, column_letter
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold, known_labels, values_in_label
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.tables import Column
from vaven.vocab.areas import level_of, split_suffix

HEADER_SEARCH_ROWS = 50
# What stands for an area in the row below a table that sums it up.
SUMS = frozenset(("summa", "totalt", "total", "summa totalt", "totalsumma", "sum", "grand total", "medel", "snitt"))
# A cell may be empty here, but a table of observations without the column says nothing.
ESSENTIAL = frozenset(("value",))


@dataclass(frozen=True)
class Header:
    """The header row's number, its labels by position, and the standard's field for each position that has one.

    `wide` gives what the label of a position says of all values below it, where columns are years, KPIs or sexes.
    `constants` are the texts that the user gave to fields for all rows, `left_out` the positions that do not count
    because the user said so. `names` are columns that only name what another column has the codes of, by field.
    `top` is the row above, where the labels stand in two rows.
    """

    row: int
    labels: tuple[str, ...]
    fields: tuple[str | None, ...]
    wide: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[int] = frozenset()
    names: Mapping[int, str] = field(default_factory=dict)
    top: int | None = None

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


def find_header(rows: Sequence[GridRow], resource: str, choices: ReadOptions = DETECT) -> Header | None:
    """The likeliest header among the first rows: the one with most known labels, else the first that is full.

    None where no row has two filled cells (or one, in a sheet of a single column), or where the row that the user
    named is not among them.
    """
    if choices.header_row is not None:
        named = next((_header(n, cells, resource, choices) for n, cells in rows if n == choices.header_row), None)
        return named and _by_content(named, rows)
    headers = [_header(number, cells, resource, choices) for number, cells in rows[:HEADER_SEARCH_ROWS]]
    double = [h for pair in pairwise(rows[:HEADER_SEARCH_ROWS]) if (h := _double(*pair, resource, choices))]
    # A row of labels over another counts where the two together say more than either.
    best = max((*headers, *double), key=_knows, default=None)
    if best and _knows(best) >= min(2, len(best.labels)):
        return _by_content(best, rows)
    # Years beside an area say nothing without a KPI, but show where the header is.
    if resource == "observations" and choices.wide is None:
        as_wide = [_header(n, cells, resource, replace(choices, wide=True)) for n, cells in rows[:HEADER_SEARCH_ROWS]]
        widest = max(range(len(as_wide)), key=lambda i: _knows(as_wide[i]), default=None)
        if widest is not None and _knows(as_wide[widest]) >= 2:
            return headers[widest]
    usual = max((_filled(cells) for _, cells in rows), default=0)
    for share in (0.9, 0.6):
        full = [h for h in headers if _filled(h.labels) >= max(usual * share, min(usual, 2), 1)]
        if found := next((h for h in full if not _is_numeric(h.labels)), None):
            return found
    # A header of years is numbers; only where no fuller row of words exists is it taken for one.
    return next(iter(full), None) or next((h for h in headers if _filled(h.labels)), None)


def _knows(header: Header) -> int:
    return len(header.known) - len(header.constants)


def _double(upper: GridRow, lower: GridRow, resource: str, choices: ReadOptions) -> Header | None:
    """Labels in two rows, such as years merged over women and men, as one header; None where the two are not that."""
    (top, above), (number, below) = upper, lower
    gaps = [i for i, cell in enumerate(below) if cell and (i >= len(above) or not above[i])]
    if number != top + 1 or not gaps or _filled(below) < 2 or not _filled(above):
        return None
    return replace(_header(number, list(_joined(above, below)), resource, choices), top=top)


def _joined(above: Sequence[str], below: Sequence[str]) -> Iterator[str]:
    """Each label below with the one above it, which goes on to the right for as long as it stands over labels."""
    carried = ""
    for over, under in zip_longest(above, below, fillvalue=""):
        carried = over or (carried if under else "")
        yield f"{carried} {under}".strip() if under else over


def _by_content(header: Header, rows: Sequence[GridRow]) -> Header:
    """The header with the column of area codes chosen by what stands in it, where several are labelled as areas."""
    if "neighbourhood" not in header.fields:
        return header
    known = known_labels("observations")
    twins = [i for i, label in enumerate(header.labels) if known.get(fold(label)) == "neighbourhood"]
    twins = [i for i in twins if i not in header.left_out and header.fields[i] in (None, "neighbourhood")]
    below = [cells for number, cells in rows if number > header.row]
    coded = {i: sum(_is_code(cells[i]) for cells in below if i < len(cells)) for i in twins}
    if len(twins) < 2 or min(coded.values()) > 0:
        return header
    best = max(coded, key=lambda i: coded[i])
    fields = list(header.fields)
    fields[header.fields.index("neighbourhood")], fields[best] = None, "neighbourhood"
    return replace(
        header, fields=tuple(fields), names={i: "neighbourhood" for i in twins if not coded[i] and i != best}
    )


def _is_code(cell: str) -> bool:
    code, _ = split_suffix(cell.split(" ", 1)[0])
    return level_of(code) is not None or level_of("0" + code) is not None


def _header(number: int, cells: Sequence[str], resource: str, choices: ReadOptions) -> Header:
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
    labels: Sequence[str], found: Sequence[str | None], left_out: frozenset[int], choices: ReadOptions
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
        if found[i] is None and label and i not in left_out and (meant := values_in_label(label))
    }
    kinds = Counter(frozenset(meant) for meant in says.values() if not known & meant.keys())
    kind, count = max(kinds.items(), key=lambda pair: pair[1], default=(frozenset[str](), 0))
    has_kpi = choices.wide or "kpi" in kind | known | set(choices.constants)
    if (count < 2 and not kind & {"kpi", "period"}) or not has_kpi:
        return {}
    return {i: meant for i, meant in says.items() if meant.keys() == kind}


def _filled(cells: Sequence[str]) -> int:
    return len(cells) - cells.count("")


def _is_numeric(cells: Iterable[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return sum(cell.replace(",", "").replace(".", "").replace(" ", "").isdigit() for cell in filled) > len(filled) / 2


def label_problems(header: Header, place: Mapping[str, str | None], resource: str, filled: set[int]) -> list[Finding]:
    """What is wrong with the labels. `filled` are the positions that have a value in some row."""
    found = []
    known = known_labels(resource)
    seen: set[str] = set()
    for i, label in enumerate(header.labels):
        if i in header.wide or i in header.left_out or i in header.names:
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


def is_header(cells: Sequence[str], resource: str, choices: ReadOptions = DETECT) -> bool:
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
    choices: ReadOptions = DETECT
    repeated: list[int] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)

    def rows(self, rows: Iterable[GridRow]) -> Iterator[GridRow]:
        labels = list(self.header.labels)
        least = min(2, _filled(labels))
        waiting: list[GridRow] = []
        is_ours = True
        for row in rows:
            filled = _filled(row[1])
            if filled < least:
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


def body(rows: Iterable[GridRow], header: Header, *, has_end: bool = False) -> Iterator[tuple[GridRow, str]]:
    """Data rows with their kind: "row", "blank" (between data rows), "footnote" or "total".

    Blank rows at the end are dropped. Rows at the end with words in the first cell only are footnotes, and after
    a blank row any with the first cell only; one that sums up the column is a total. Where a fuller row follows, all
    of them were data; as they are where the user said which row is the last (`has_end`).
    """
    width = len(header.labels)
    area = header.fields.index("neighbourhood") if "neighbourhood" in header.fields else None
    waiting: list[GridRow] = []
    for row in rows:
        filled = _filled(row[1])
        is_remark = width > 2 and filled == 1 and bool(row[1][0]) and (bool(waiting) or " " in row[1][0])
        is_remark = not has_end and (is_remark or _sums_up(row[1], area))
        if is_remark or not filled:
            # A sheet may end in a million formatted empty rows: only their numbers are kept.
            waiting.append(row if filled else (row[0], []))
            continue
        yield from ((held, "row" if _filled(held[1]) else "blank") for held in waiting)
        waiting = []
        yield row, "row"
    yield from ((held, "total" if _sums_up(held[1], area) else "footnote") for held in waiting if _filled(held[1]))


def _sums_up(cells: Sequence[str], area: int | None) -> bool:
    """Whether a word for the sum of what stands above takes the place of an area, or stands first where none is given.

    In other columns the same words are all sexes and ages.
    """
    if area is None:
        return False
    given = cells[area] if area < len(cells) else ""
    return (given or next((cell for cell in cells if cell), "")).casefold().strip(" :") in SUMS
