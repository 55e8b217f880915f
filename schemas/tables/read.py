"""Read a partner's file into tables of text, with a note of each assumption."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb

from vaven.schemas.formats.grid import Grid, GridRow
from vaven.schemas.formats.open import grids_of
from vaven.schemas.formats.sniff import Content, content_of
from vaven.schemas.formats.submission import submission_files
from vaven.schemas.spreadsheets.cell_faults import TableRange, faults_in_sheet
from vaven.schemas.spreadsheets.label_units import factor_name
from vaven.schemas.spreadsheets.sheet_findings import table_findings
from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.about import SHEET_NAMES, about_of_descriptor, about_of_file, about_of_sheet, with_answers
from vaven.schemas.tables.area_vintage import single_vintage, vintage_note
from vaven.schemas.tables.cell_account import CellAccount, account_of, cells_of, with_errors
from vaven.schemas.tables.data_rows import fill_down_notes, filled_down
from vaven.schemas.tables.header import Header, account_for_labels, label_problems, missing_columns
from vaven.schemas.tables.load import LoadedTable, columns_of, fields_of_parts, load
from vaven.schemas.tables.normalise import normalise
from vaven.schemas.tables.sheets import (
    TEMPLATE_SHEETS,
    ColumnsBeside,
    OpenSheet,
    columns_beside,
    constant_notes,
    different_sheet,
    finding_about_sheet,
    first_filled,
    label_notes,
    open_sheet,
    open_sheets,
    part_of,
    resource_of_numbered_sheet,
    rows_until,
    sheet_notes,
    together_notes,
    value_labels,
)
from vaven.schemas.tables.tables import PART_STRIDE, STRIDE, About, AboutSource, Table, Tables, open_workspace
from vaven.schemas.tables.unknown_table import not_the_standard
from vaven.vocab.errors import NotReadable

# A million observations fit; ten million spill, and the whole process stays below a gigabyte.
MEMORY_MB = 500
# Rows of a table that does not follow the standard in which we look for area codes: more than Sweden has areas.
HINT_ROWS = 10_000


@dataclass
class _Reading:
    """State of reading a source."""

    work: duckdb.DuckDBPyConnection
    distinct: DistinctTexts
    folder: Path
    choices: ReadOptions = DETECT
    progress: Progress = no_progress
    tables: dict[str, Table] = field(default_factory=dict)
    # A sheet declares areas of its own, so that names of municipalities are not accepted as codes.
    has_own_areas: bool = False
    problems: list[Finding] = field(default_factory=list)
    unlisted: Counter[str] = field(default_factory=Counter)
    notes: list[Finding] = field(default_factory=list)
    # Vintages in SCB's suffixes of area codes.
    vintages: set[str] = field(default_factory=set)
    accounts: list[CellAccount] = field(default_factory=list)
    texts_beside: list[str] = field(default_factory=list)
    about_source: AboutSource = field(default_factory=AboutSource)

    def account(self, grid: Grid, resource: str | None = None) -> CellAccount:
        """Open the account of a sheet's cells; every sheet has one."""
        self.accounts.append(account_of(grid))
        self.texts_beside += grid.texts_beside
        self.accounts[-1].resource = resource
        return self.accounts[-1]

    def omit(self, grid: Grid, reason: str) -> None:
        self.account(grid).omit_sheet(reason, grid.rows)


def read(
    source: Path,
    *,
    slug: str | None = None,
    choices: ReadOptions = DETECT,
    progress: Progress = no_progress,
    memory_mb: int = MEMORY_MB,
) -> Tables:
    """Read a CSV, workbook or data package (folder, JSON or zip). Nothing outside the source is opened.

    Raises NotReadable with a reason. Memory is bounded by `memory_mb` for DuckDB, which spills to the workspace's
    folder, and by a batch of rows; the reader of a workbook holds all of it.
    """
    source = Path(source)
    content = content_of(source, choices.encoding)
    folder = Path(tempfile.mkdtemp(prefix="vaven-read-"))
    work = open_workspace(source, content.kind, folder)
    try:
        work.execute(f"SET memory_limit = '{int(memory_mb)}MB'")
        work.execute(f"SET temp_directory = '{folder}/spill'")
        reading = _Reading(work, DistinctTexts(work), folder, choices, progress)
        progress("opening", 0)
        about = _read_into(reading, source, content, slug, folder)
        if not reading.tables and not reading.problems:
            raise NotReadable("not-readable-no-rows", file=source.name)
        about = replace(with_answers(about, choices), area_vintage=_vintage(reading, about))
        return Tables(
            source=source,
            sha256=submission_files(source, choices.encoding, content).sha256,
            about=about,
            tables=reading.tables,
            workspace=work,
            distinct=reading.distinct,
            folder=folder,
            problems=with_errors(
                reading.problems, [p for account in reading.accounts for p in account.problems(reading.problems)]
            ),
            unlisted=dict(reading.unlisted),
            assumptions=tuple(reading.notes),
            choices=choices,
            cells=cells_of(reading.accounts),
            about_source=reading.about_source,
            omitted_numbers=tuple(number for account in reading.accounts for number in account.numbers),
            texts_beside=tuple(reading.texts_beside),
        )
    except BaseException:
        work.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _vintage(reading: _Reading, about: About) -> str:
    """Determine the area vintage of areas without one, by the user's option, the descriptor or SCB's suffixes.

    The result is noted.
    """
    reading.vintages |= {about.area_vintage} - {""}
    area_vintage = reading.choices.vintage or single_vintage(reading.vintages)
    table = reading.tables.get("observations")
    if area_vintage is None:
        resource, sheet = (table.resource, table.sheet) if table else (None, None)
        params = {"vintages": ", ".join(sorted(reading.vintages))}
        reading.problems.append(Finding("area-vintages-mixed", Severity.ERROR, resource, sheet, params=params))
        return ""
    if table and table.column("neighbourhood") and "neighbourhoods" not in reading.tables:
        reading.notes += vintage_note(reading.distinct, table, area_vintage)
    return area_vintage


def _read_into(reading: _Reading, source: Path, content: Content, slug: str | None, folder: Path) -> About:
    if content.kind not in ("package", "descriptor"):
        return _read_tables(reading, source, content, slug, folder / "sheets")
    # Frictionless takes longer to load than most files take to check, and only packages need it.
    from vaven.schemas.formats.datapackage import read_descriptor, resource_grids, unpack

    path = unpack(source, folder / "package") if content.kind == "package" else source
    file = path / "datapackage.json" if path.is_dir() else path
    descriptor = read_descriptor(file)
    reading.has_own_areas = any(resource["name"] == "neighbourhoods" for resource in descriptor["resources"])
    for resource, grids, chosen in resource_grids(descriptor, file.parent, folder / "sheets"):
        if resource is None:
            _omit_sheets(reading, grids, chosen, is_package=True)
        else:
            _read_together(reading, grids, resource)
    about, reading.about_source = about_of_descriptor(descriptor, file, slug)
    return about


def _read_tables(reading: _Reading, source: Path, content: Content, slug: str | None, folder: Path) -> About:
    """Read a single table as observations, sheets of a workbook and files of a zip by their names."""
    grids = grids_of(source, folder, reading.choices, reading.progress, content)
    first = next(grids, None)
    if first is None:
        raise NotReadable("not-readable-no-rows", file=source.name)
    if first.sheet is not None:
        return _read_sheets(reading, chain([first], grids), source, slug)
    _read_grid(reading, first, "observations")
    return about_of_file(source, slug)


def _read_sheets(reading: _Reading, grids: Iterable[Grid], source: Path, slug: str | None) -> About:
    """Read sheets by their names, and any others with the columns of observations as such."""
    about = about_of_file(source, slug)
    by_resource: dict[str, list[Grid]] = {}
    hidden: list[Grid] = []
    others: list[Grid] = []
    chosen = reading.choices.sheet
    grids = list(grids)
    resources = [resource_of_numbered_sheet(grid.sheet or "") for grid in grids]
    reading.has_own_areas = "neighbourhoods" in resources
    for grid, resource in zip(grids, resources, strict=True):
        name = fold((grid.sheet or "").rpartition("/")[2])
        if chosen is not None and fold(chosen) == fold(grid.sheet or ""):
            by_resource.setdefault("observations", []).append(grid)
        elif name in TEMPLATE_SHEETS:
            reading.omit(grid, "sheet-of-template")
        elif grid.is_hidden:
            hidden.append(grid)
        elif name in SHEET_NAMES:
            about, reading.about_source, repeated = about_of_sheet(grid, source, slug, reading.account(grid))
            reading.problems += [*repeated, *faults_in_sheet(grid.properties, grid.sheet)]
        elif resource and not (chosen and resource == "observations"):
            by_resource.setdefault(resource, []).append(grid)
        else:
            others.append(grid)
    if chosen is None:
        others = _find_observations(reading, by_resource, others)
    elif "observations" not in by_resource:
        raise NotReadable("not-readable-sheet", file=source.name, sheet=chosen)
    for resource, sheets in by_resource.items():
        _read_together(reading, sheets, resource)
    _omit_sheets(reading, [*hidden, *others], chosen)
    return about


def _find_observations(reading: _Reading, by_resource: dict[str, list[Grid]], others: list[Grid]) -> list[Grid]:
    """Add the sheets with the columns of observations to `by_resource`. Returns the others.

    If the file has no table of the standard, the first sheet with rows is one for its description.
    """
    by_name = by_resource.get("observations", [])
    sheets = open_sheets([*by_name, *others], "observations", reading.choices)
    by_name[:] = [sheet.complete_grid for sheet in sheets[: len(by_name)]]
    sheets = sheets[len(by_name) :]
    ours = [sheet.has_rows and sheet.is_ours("observations") for sheet in sheets]
    grids = [sheet.complete_grid for sheet in sheets]
    if not by_resource and not any(ours):
        ours = [i == first_filled(sheets) for i in range(len(sheets))]
    if any(ours):
        own = by_resource.setdefault("observations", [])
        own += [grid for grid, is_ours in zip(grids, ours, strict=True) if is_ours]
    return [grid for grid, is_ours in zip(grids, ours, strict=True) if not is_ours]


def _omit_sheets(reading: _Reading, grids: Iterable[Grid], chosen: str | None, *, is_package: bool = False) -> None:
    """Leave out sheets without a table of the standard; one with values is an error unless the sender has `chosen`."""
    has_observations = "observations" in reading.tables
    for grid in grids:
        sheet = open_sheet(grid, "observations", reading.choices)
        finding = finding_about_sheet(sheet, chosen, has_observations=has_observations, is_package=is_package)
        (reading.problems if finding.severity == Severity.ERROR else reading.notes).append(finding)
        reason = finding.code if finding.code in ("sheet-not-chosen", "sheet-skipped") else "sheet-skipped"
        reading.omit(sheet.complete_grid, "sheet-hidden" if grid.is_hidden else reason)


def _read_together(reading: _Reading, grids: Sequence[Grid], resource: str) -> None:
    """Read sheets as one table of a resource; one with other columns than the first is an error."""
    sheets = open_sheets(grids, resource, _choices_for(reading, resource))
    filled = [sheet for sheet in sheets if sheet.has_rows]
    # A sheet by the resource's name has precedence; if it is no table, its description is the finding.
    first = next((sheet for sheet in filled if sheet.is_ours(resource)), (filled or sheets)[0])
    same = [sheet for sheet in filled if sheet is first or sheet.has_columns_of(first)]
    if len(same) > 1:
        reading.notes += together_notes(same, resource)
    _read_as_table(reading, same or [first], resource)
    for sheet in sheets:
        if sheet in filled and sheet not in same:
            reading.problems.append(different_sheet(sheet, first, resource))
            reading.omit(sheet.complete_grid, "sheet-skipped")
        elif sheet not in same and sheet is not first:
            reading.omit(sheet.complete_grid, "table-without-rows")


def _choices_for(reading: _Reading, resource: str) -> ReadOptions:
    # The user's header row is that of the observations; other sheets have their own.
    return reading.choices if resource == "observations" else replace(reading.choices, header_row=None)


def _read_grid(reading: _Reading, grid: Grid, resource: str) -> None:
    _read_as_table(reading, [open_sheet(grid, resource, _choices_for(reading, resource))], resource)


def _read_as_table(reading: _Reading, sheets: Sequence[OpenSheet], resource: str) -> None:
    """Read sheets as a resource: a table if they have the standard's columns, else a finding that describes it."""
    sheet = sheets[0]
    grid, header, choices = sheet.grid, sheet.header, _choices_for(reading, resource)
    if header is None and choices.header_row is not None:
        raise NotReadable("not-readable-header-row", file=grid.file, row=choices.header_row)
    if header is None or not sheet.has_rows:
        # An optional sheet of the template may be empty, the table of observations may not.
        if resource == "observations":
            raise NotReadable("not-readable-no-rows", file=grid.file)
        reading.omit(sheet.complete_grid, "table-without-rows")
        return
    if sheet.is_ours(resource):
        _load(reading, sheets, resource)
        return
    location: dict[str, Any] = {"resource": resource, "sheet": grid.sheet}
    account = reading.account(grid, resource)
    notes = [*grid.notes, *sheet_notes(sheet, location)]
    reading.notes += notes
    hint_rows = list(islice(chain(sheet.following, grid.rows), HINT_ROWS))
    reading.problems.append(not_the_standard(header, hint_rows, location))
    above = (row for row in sheet.sample if row[0] <= header.row)
    account.omit_sheet("not-the-standard", chain(above, hint_rows, grid.rows))


def _load(reading: _Reading, sheets: Sequence[OpenSheet], resource: str) -> None:
    """Load sheets into one relation, normalise it, and add it to the tables."""
    sheet, header = sheets[0].grid.sheet if len(sheets) == 1 else None, sheets[0].header
    assert header is not None
    location: dict[str, Any] = {"resource": resource, "sheet": sheet}
    loaded = [_load_sheet(reading, part, resource, f"_{i}" if i else "") for i, part in enumerate(sheets)]
    is_one = len(loaded) == 1
    beside = columns_beside(sheets)
    raw = loaded[0].relation if is_one else _united(reading, loaded, header, resource, beside)
    decimal, (added, factors) = reading.choices.decimal, fields_of_parts(loaded)
    normalised = normalise(
        reading.distinct,
        reading.work,
        raw,
        resource,
        columns_of(header, added),
        tuple(beside),
        standard()[resource],
        location,
        decimal_comma=all(part.grid.decimal_comma for part in sheets) if decimal is None else decimal == ",",
        is_decided=decimal is not None,
        shares=bool(reading.choices.shares),
        is_text=all(part.grid.is_text for part in sheets),
        names_are_codes=not reading.has_own_areas,
        factors=factors,
    )
    reading.notes += [*constant_notes(header, sheets[0].named, location, resource), *normalised.notes]
    reading.problems += (p if is_one else replace(p, row=None) for p in normalised.problems)
    reading.vintages |= normalised.vintages
    reading.tables[resource] = Table(
        resource,
        sheets[0].grid.file,
        sheet,
        header.row,
        normalised.columns,
        resource,
        sum(part.count for part in loaded),
        original_relation=resource if normalised.is_view else raw,
        wide=header.label_fields,
        beside=tuple(beside),
        parts=() if is_one else tuple(part_of(part, i, beside) for i, part in enumerate(sheets)),
        value_labels=value_labels(sheets),
    )


def _load_sheet(reading: _Reading, sheet: OpenSheet, resource: str, suffix: str) -> LoadedTable:
    """Load one sheet's rows with its notes and problems; the names of its relations end with `suffix`."""
    grid, header, choices = sheet.grid, sheet.header, reading.choices
    assert header is not None
    location: dict[str, Any] = {"resource": resource, "sheet": grid.sheet}
    account = reading.account(grid, resource)
    reading.notes += [note for note in grid.notes if note not in reading.notes]
    reading.notes += sheet_notes(sheet, location)
    account_for_labels(account, header, sheet.sample, is_chosen=resource == "observations" and bool(choices.header_row))
    table = TableRange(header.read_columns, header.omitted, location, header.row + 1, choices.last_row)
    reading.problems += table_findings(grid.properties, table)
    rows: Iterator[GridRow] = chain(sheet.following, grid.rows)
    # The user's options about rows apply to the sheet of observations.
    if resource == "observations" and choices.last_row:
        rows, grid = rows_until(rows, choices.last_row, account), replace(grid, plain=None)
        reading.notes.append(Finding("assumed-last-row", Severity.NOTE, **location, row=choices.last_row))
    if grid.merged or choices.fill_down:
        rows, grid = filled_down(rows, header, grid, choices, resource), replace(grid, plain=None)
        reading.notes += fill_down_notes(grid, header, choices, location)
    work, raw = reading.work, f"raw_{resource}{suffix}"
    loaded = load(work, reading.distinct, reading.folder, grid, header, rows, raw, location, account, choices)
    reading.problems += loaded.problems
    reading.unlisted += loaded.unlisted
    reading.notes += loaded.notes
    # The same label in the same column of the sheets before needs one note.
    noted = {(note.code, note.column, note.text) for note in reading.notes if note.resource == resource}
    reading.notes += [
        note for note in label_notes(header, location, resource) if (note.code, note.column, note.text) not in noted
    ]
    reading.problems += label_problems(header, location, resource, {i for i, count in loaded.unread.items() if count})
    reading.problems += missing_columns(header, location, resource, loaded.added)
    return loaded


def _united(
    reading: _Reading, loaded: Sequence[LoadedTable], header: Header, resource: str, beside: ColumnsBeside
) -> str:
    """Create the relation of all sheets' rows, whose keys have the number of the sheet (Table.cell_reference)."""
    stride = PART_STRIDE * (STRIDE if header.wide else 1)
    selects = []
    for i, part in enumerate(loaded):
        names = [column.name for column in columns_of(header, part.added)] + list(map(factor_name, part.factors))
        others = (f", {parts[i].name if i in parts else 'NULL'} AS {column.name}" for column, parts in beside.items())
        texts = ", ".join(map(quoted, names)) + "".join(others)
        selects.append(f"SELECT _row + {i * stride} AS _row, {texts} FROM {part.relation}")
    raw = f"raw_{resource}_united"
    reading.work.execute(f"CREATE TABLE {raw} AS {' UNION ALL BY NAME '.join(selects)}")
    return raw
