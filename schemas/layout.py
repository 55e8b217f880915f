"""Where the table lies on a sheet and what its columns are: preamble, header row, footnotes, known labels."""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from vaven.schemas.finding import Finding, Severity
from vaven.schemas.grid import GridRow, column_letter
from vaven.schemas.standard import RESOURCES, TableSchema, standard
from vaven.schemas.tables import Column

HEADER_SEARCH_ROWS = 50
# A cell may be empty here, but a table of observations without the column says nothing.
ESSENTIAL = frozenset(("value",))


@dataclass(frozen=True)
class Header:
    """The header row's number, its labels by position, and the standard's field for each position that has one."""

    row: int
    labels: tuple[str, ...]
    fields: tuple[str | None, ...]

    @property
    def known(self) -> frozenset[str]:
        return frozenset(name for name in self.fields if name)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the standard knows, leftmost first."""
        return tuple(
            Column(name, self.labels[i], column_letter(i)) for i, name in enumerate(self.fields) if name is not None
        )


def fold(text: str) -> str:
    """A label as it is compared: lower case, no diacritics, words joined by single blanks, no marks at its ends."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().replace("_", " ").replace("-", " ").split()).strip(" .:*")


@cache
def known_labels(resource: str) -> Mapping[str, str]:
    """Folded label to field name: the standard's name, its labels in both languages, then synonyms."""
    found: dict[str, str] = {}
    schema = standard()[resource]
    for spelled in (_own_names, _synonyms):
        for field_name, label in spelled(schema):
            found.setdefault(fold(label), field_name)
    return found


def _own_names(schema: TableSchema) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        yield from ((field.name, label) for label in (field.name, field.label("sv"), field.label("en")))


def _synonyms(schema: TableSchema) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        yield from ((field.name, label) for label in field.descriptor.get("synonyms", ()))


def resource_of_sheet(name: str) -> str | None:
    """The resource whose sheet is called so, in either language or by a synonym."""
    wanted = fold(name)
    for resource in RESOURCES:
        schema = standard()[resource]
        names = (resource, schema.label("sv"), schema.label("en"), *schema.descriptor["sheets"])
        if wanted in {fold(n) for n in names}:
            return resource
    return None


def find_header(rows: Sequence[GridRow], resource: str) -> Header | None:
    """The likeliest header among the first rows: the one with most known labels, else the first that is full.

    None where no row has two filled cells (or one, in a sheet of a single column).
    """
    headers = [_header(number, cells, resource) for number, cells in rows[:HEADER_SEARCH_ROWS]]
    best = max(headers, key=lambda h: len(h.known), default=None)
    if best and len(best.known) >= min(2, len(best.labels)):
        return best
    usual = max((_filled(cells) for _, cells in rows), default=0)
    for share in (0.9, 0.6):
        full = [h for h in headers if _filled(h.labels) >= max(usual * share, min(usual, 2), 1)]
        if found := next((h for h in full if not _is_numeric(h.labels)), None):
            return found
    # A header of years is numbers; only where no fuller row of words exists is it taken for one.
    return next(iter(full), None) or next((h for h in headers if _filled(h.labels)), None)


def _header(number: int, cells: Sequence[str], resource: str) -> Header:
    known = known_labels(resource)
    found: list[str | None] = []
    for cell in cells:
        name = known.get(fold(cell)) if cell else None
        found.append(name if name not in found else None)
    return Header(number, tuple(" ".join(cell.split()) for cell in cells), tuple(found))


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
