"""Sheets of one table: one for each year or area, "Observationer (2)", the files of a zip.

They are read together if they have the same columns. A column that all of them lack may be in their names.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, islice
from typing import Any

from vaven.schemas.formats.grid import Grid, GridRow, column_letter, filled_count
from vaven.schemas.spreadsheets.cell_faults import property_notes
from vaven.schemas.spreadsheets.sheet_findings import hidden_column_notes
from vaven.schemas.standard.data_like import YEAR, is_area, is_number
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import PERIOD, fold, resource_of_sheet, values_in_label
from vaven.schemas.standard.period_forms import MONTHS, period_of
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.cell_account import CellAccount
from vaven.schemas.tables.compile import describe_field
from vaven.schemas.tables.header import HEADER_SEARCH_ROWS, Header, detect_header
from vaven.schemas.tables.tables import Column, TablePart
from vaven.vocab.areas import areas, level_of
from vaven.vocab.messages import LANGUAGES

SAMPLE_ROWS = 500
# Sheets of our own template without data.
TEMPLATE_SHEETS = frozenset(("las mig", "read me", "listor", "lists"))
# Folded labels that a pivot table has, of whose values the source is another sheet.
PIVOT_LABEL = re.compile(
    r"(radetiketter|kolumnetiketter|row labels|column labels|(summa|antal|medel|medelvarde|max|min) av .+"
    r"|(sum|count|average|max|min) of .+)"
)
# Ours: a single row may be an example.
MIN_ROWS_WITH_VALUES = 2
# Two digits are the code of a county, and in a name of a sheet its number.
MAX_COUNTY_CODE = 2
# A word that makes a period of the year beside it that is not the whole year.
PART_OF_YEAR = re.compile(r"(vt|ht|var|host|v|vecka|week|k|kv|kvartal|q|quarter)\d*|.*terminen?")
# Ending that a spreadsheet gives to the name of a copy.
COPY = re.compile(r"\s*\(\d{1,3}\)$")
# Endings that a spreadsheet or a person gives to the name of another sheet of the same kind.
NUMBERED = re.compile(r"\s*(\(\d{1,3}\)|[ _-]\d{1,2}|[ _-](del|part)\s?\d{1,2})$", re.IGNORECASE)


# Columns without a field of the standard, each with its own column in the sheets that have it, by their number.
ColumnsBeside = Mapping[Column, Mapping[int, Column]]


@dataclass(frozen=True)
class OpenSheet:
    """A sheet with its first rows, which its grid no longer has, and its header.

    `named` are fields that no column has, with the text that the sheet's name gives for all its rows.
    """

    grid: Grid
    sample: Sequence[GridRow]
    header: Header | None
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def following(self) -> list[GridRow]:
        return [row for row in self.sample if self.header and row[0] > self.header.row]

    @property
    def has_rows(self) -> bool:
        return any(any(cells) for _, cells in self.following)

    @property
    def complete_grid(self) -> Grid:
        """The grid with all of its rows."""
        return replace(self.grid, rows=chain(self.sample, self.grid.rows))

    def is_ours(self, resource: str) -> bool:
        """Return True for a table with columns of the standard."""
        required = {f.name for f in standard()[resource].fields if f.required} | {"value"}
        header = self.header
        return header is not None and len((header.field_names - set(header.constants)) & required) >= 2

    def has_columns_of(self, other: "OpenSheet") -> bool:
        mine, others = self.header, other.header
        if mine is None or others is None:
            return False
        return (mine.field_names, mine.label_fields) == (others.field_names, others.label_fields)


def open_sheet(grid: Grid, resource: str, choices: ReadOptions) -> OpenSheet:
    sample = list(islice(grid.rows, max(SAMPLE_ROWS, HEADER_SEARCH_ROWS)))
    return OpenSheet(grid, sample, detect_header(sample, resource, choices))


def open_sheets(grids: Iterable[Grid], resource: str, choices: ReadOptions) -> list[OpenSheet]:
    """Open sheets that may belong to one table; fields that no column has are taken from their names."""
    sheets = [open_sheet(grid, resource, choices) for grid in grids]
    if resource != "observations" or len(sheets) < 2:
        return sheets
    named = [_with_name(sheet, choices) for sheet in sheets]
    tables = [sheet for sheet in named if sheet.has_rows and sheet.is_ours(resource)]
    fields = {frozenset(sheet.named) for sheet in tables}
    # Names that all say the same (a day of export) or different things do not tell the sheets apart.
    if len(fields) != 1 or not any(fields) or len({tuple(sheet.named.values()) for sheet in tables}) < 2:
        return sheets
    return named


def _with_name(sheet: OpenSheet, choices: ReadOptions) -> OpenSheet:
    """Return a sheet with the fields of its name that it has no column of."""
    columns = sheet.header.field_names if sheet.header else frozenset[str]()
    values = {name: text for name, text in values_in_name(sheet.grid.sheet or "").items() if name not in columns}
    if not values:
        return sheet
    header = detect_header(sheet.sample, "observations", replace(choices, constants={**choices.constants, **values}))
    return replace(sheet, header=header, named=values)


@cache
def values_in_name(name: str) -> Mapping[str, str]:
    """Return the fields that a name of a sheet or file states: {"period": "2023"}, {"neighbourhood": "0180"}.

    A year is found beside other words ("trygghet_2023"), an area only by its code or its full name.
    """
    text = COPY.sub("", " ".join(name.replace("_", " ").split()))
    values = dict(values_in_label(text))
    periods = [period_of(match[0]) for match in PERIOD.finditer(text)]
    is_part_of_year = any(PART_OF_YEAR.fullmatch(word) or word in MONTHS for word in fold(text).split())
    if len(periods) == 1 and periods[0] and not is_part_of_year:
        values.setdefault("period", periods[0])
    rest = " ".join(PERIOD.sub(" ", text).split())
    # Without the year: 1980 is the code of a municipality, too.
    codes = {word for word in rest.split() if len(word) > MAX_COUNTY_CODE and level_of(word)}
    if len(codes) == 1 or _is_municipality(rest):
        values.setdefault("neighbourhood", codes.pop() if codes else rest)
    return values


def _is_municipality(name: str) -> bool:
    """Return True for the name of a municipality, which is read as its code like any cell of the column."""
    folded = name.casefold()
    plain = re.sub(r" (kommun|stad)$", "", folded)
    return not {folded, plain, plain.removesuffix("s")}.isdisjoint(_municipality_names())


@cache
def _municipality_names() -> frozenset[str]:
    # With diacritics: Habo and Håbo are two municipalities.
    return frozenset(area.name.casefold() for area in areas().kommuner.values())


def resource_of_numbered_sheet(name: str) -> str | None:
    """Return the resource of a sheet by its name, also of "Observationer (2)"."""
    own_name = name.rpartition("/")[2]
    return resource_of_sheet(own_name) or resource_of_sheet(NUMBERED.sub("", own_name))


def rows_until(rows: Iterable[GridRow], last: int, account: CellAccount) -> Iterator[GridRow]:
    """Yield the rows up to the number `last`; later ones are left out."""
    for row in rows:
        if row[0] <= last:
            yield row
        else:
            account.omit_row("after-last-row", row)


def first_filled(sheets: Sequence[OpenSheet]) -> int | None:
    """Return the number of the first sheet with a cell."""
    return next((i for i, sheet in enumerate(sheets) if any(any(cells) for _, cells in sheet.sample)), None)


def columns_beside(sheets: Sequence[OpenSheet]) -> ColumnsBeside:
    """Return the columns without a field of the standard: those with one label in several sheets are one column."""
    parts: dict[str, dict[int, Column]] = {}
    for i, sheet in enumerate(sheets):
        for column in sheet.header.beside if sheet.header else ():
            own = parts.setdefault(fold(column.label or "") or f" {column.letter}", {})
            own.setdefault(i, column)
    if len(sheets) == 1:
        return {column: {0: column} for column in (sheets[0].header.beside if sheets[0].header else ())}
    firsts = [next(iter(own.values())) for own in parts.values()]
    names = [replace(column, name=f"c{n}") for n, column in enumerate(firsts)]
    return dict(zip(names, parts.values(), strict=True))


def value_labels(sheets: Sequence[OpenSheet]) -> dict[int, str]:
    """Return the labels of a wide table's columns of values by position, those of several sheets joined."""
    labels: dict[int, dict[str, None]] = {}
    for sheet in sheets:
        for i in sheet.header.wide if sheet.header else ():
            labels.setdefault(i, {})[sheet.header.labels[i]] = None  # type: ignore[union-attr]
    return {i: "; ".join(own) for i, own in labels.items()}


def part_of(sheet: OpenSheet, number: int, beside: ColumnsBeside) -> TablePart:
    assert sheet.header is not None
    letters = {column.name: column.letter or "" for column in sheet.header.columns}
    letters |= {column.name: own.letter or "" for column, parts in beside.items() if (own := parts.get(number))}
    return TablePart(sheet.grid.sheet, sheet.header.row, letters)


def together_notes(sheets: Sequence[OpenSheet], resource: str) -> Iterator[Finding]:
    """Yield the notes that sheets were read as one table, and which of its fields are in their names."""
    if len(sheets) < 2:
        return
    names = ", ".join(str(sheet.grid.sheet) for sheet in sheets)
    yield Finding("assumed-one-table", Severity.NOTE, resource, params={"examples": names})
    for sheet in sheets:
        for name, text in sheet.named.items():
            words = describe_field(standard()[resource][name])
            yield Finding(
                "assumed-sheet-name", Severity.NOTE, resource, sheet.grid.sheet, field=name, text=text, params=words
            )


def different_sheet(sheet: OpenSheet, first: OpenSheet, resource: str) -> Finding:
    """Return the error about a sheet with other columns than those that are read."""
    schema = standard()[resource]
    mine, others = (s.header.field_names if s.header else frozenset[str]() for s in (sheet, first))
    params: dict[str, object] = {"sheet": first.grid.sheet or first.grid.file}
    for language in LANGUAGES:
        labels = [schema[name].label(language) for name in schema.names if name in mine ^ others]
        params[f"columns_{language}"] = ", ".join(labels)
    return Finding("columns-differ", Severity.ERROR, resource, sheet.grid.sheet, params=params)


def finding_about_sheet(
    sheet: OpenSheet, chosen: str | None, *, has_observations: bool, is_package: bool = False
) -> Finding:
    """Return the finding about a sheet that is not read: an error if it has values that the sender has not excluded.

    `chosen` is the user's sheet of observations; the others are then left out by that choice. That of a package is the
    sheet of a resource, which says nothing about hidden ones.
    """
    name, is_hidden = sheet.grid.sheet, sheet.grid.is_hidden
    # The cells of a sheet that is too large are not counted, and may be values.
    may_have_values = sheet.grid.cell_count.total is None or (sheet.has_rows and sheet.is_ours("observations"))
    is_excluded = chosen is not None and not (is_package and is_hidden)
    params: dict[str, object] = {"advice": "sheet-of-package"} if is_package else {}
    if is_hidden and may_have_values and not is_excluded:
        return Finding("values-hidden", Severity.ERROR, sheet=name, params=params)
    if has_observations and not is_excluded and _has_values(sheet):
        return Finding("values-left-out", Severity.ERROR, sheet=name, params=params)
    if is_hidden:
        return Finding("sheet-hidden", Severity.NOTE, sheet=name, params=params)
    if chosen is not None and not is_package:
        return Finding("sheet-not-chosen", Severity.NOTE, sheet=name, params={"sheet": chosen})
    return Finding("sheet-skipped", Severity.NOTE, sheet=name, params=params)


def _has_values(sheet: OpenSheet) -> bool:
    """Return True for a sheet with numbers beside areas, or in a column of values, but not for a pivot table."""
    fields = sheet.header.fields if sheet.header else ()
    named, values = (fields.index(name) if name in fields else None for name in ("neighbourhood", "value"))
    first = sheet.header.row if sheet.header else 0
    if any(
        PIVOT_LABEL.fullmatch(fold(cell)) for _, cells in sheet.sample[:HEADER_SEARCH_ROWS] for cell in cells if cell
    ):
        return False
    rows = [cells for number, cells in sheet.sample if number > first]
    return sum(_has_value_of_area(cells, named) or _has_number(cells, values) for cells in rows) >= MIN_ROWS_WITH_VALUES


def _has_number(cells: Sequence[str], position: int | None) -> bool:
    """Return True for a row with a number at a position, and another cell."""
    return position is not None and position < len(cells) and is_number(cells[position]) and filled_count(cells) > 1


def _has_value_of_area(cells: Sequence[str], named: int | None) -> bool:
    """Return True for a row with an area, in the column `named` if known, and a number that is no year or code."""
    if named is not None:
        areas_in_row = {named} if named < len(cells) and cells[named] else set[int]()
    else:
        areas_in_row = {i for i, cell in enumerate(cells) if cell and is_area(cell)}
    numbers = (cell for i, cell in enumerate(cells) if i not in areas_in_row and is_number(cell))
    return bool(areas_in_row) and any(not YEAR.fullmatch(cell) for cell in numbers)


def sheet_notes(sheet: OpenSheet, location: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the notes on the labels of a sheet, the rows above them, number formats and hidden columns."""
    if sheet.header:
        yield from _header_notes(sheet.header, sheet.sample, location)
        yield from property_notes(sheet.grid.properties, location)
        yield from hidden_column_notes(sheet.grid.properties, location, sheet.header.unread)


def _header_notes(header: Header, sample: Sequence[GridRow], location: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the notes on rows above the labels, labels in two rows, and columns of names beside one of codes."""
    first = header.top or header.row
    if first > (sample[0][0] if sample else 1):
        params = {"count": sum(1 for row in sample if row[0] < first)}
        yield Finding("assumed-preamble", Severity.NOTE, **location, row=first, params=params)
    if header.top:
        example = header.labels[min(header.wide)] if header.wide else max(header.labels, key=len)
        words = {"top": header.top, "example": example}
        yield Finding("assumed-header-rows", Severity.NOTE, **location, row=header.row or None, params=words)
    if header.is_absent:
        columns = ", ".join(f"{column.letter}: {column.label}" for column in header.columns)
        yield Finding("assumed-no-header", Severity.NOTE, **location, params={"columns": columns})
    for i, name in header.names.items():
        at = {**location, "row": header.row or None, "column": column_letter(i), "text": header.labels[i]}
        codes = header.labels[header.fields.index(name)]
        yield Finding("assumed-names", Severity.NOTE, **at, params={"codes": codes})


def label_notes(header: Header, location: Mapping[str, str | None], resource: str) -> list[Finding]:
    """Return the notes on columns recognised by a synonym instead of a name of the standard."""
    schema = standard()[resource]
    own = {fold(t) for f in schema.fields for t in (f.name, f.label("sv"), f.label("en"))}
    return [
        Finding(
            "assumed-header" if column.label else "assumed-unlabelled",
            Severity.NOTE,
            location["resource"],
            location["sheet"],
            header.row or None,
            column.letter,
            column.name,
            column.label,
            {**describe_field(schema[column.name]), "column": column.letter},
        )
        for column in header.columns
        if fold(column.label or "") not in own
    ]


def constant_notes(
    header: Header, named: Mapping[str, str], location: dict[str, str | None], resource: str
) -> list[Finding]:
    """Return the notes on columns with the user's constant text; those `named` by the sheet have another."""
    schema = standard()[resource]
    notes = []
    for name, text in ((name, text) for name, text in header.constants.items() if name not in named):
        params = describe_field(schema[name])
        notes.append(Finding("assumed-constant", Severity.NOTE, **location, field=name, text=text, params=params))  # type: ignore[arg-type]
    return notes
