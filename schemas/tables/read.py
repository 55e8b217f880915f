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

from vaven.schemas.formats.grid import Grid, GridRow, column_letter
from vaven.schemas.formats.open import grids_of
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.formats.submission import submission_files
from vaven.schemas.spreadsheets.cell_faults import faults_in_sheet, property_notes
from vaven.schemas.spreadsheets.sheet_findings import table_findings
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold, resource_of_sheet
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.about import SHEET_NAMES, about_of_descriptor, about_of_file, about_of_sheet, with_answers
from vaven.schemas.tables.area_vintage import single_vintage, vintage_note
from vaven.schemas.tables.cell_account import CellAccount, account_of, cells_of
from vaven.schemas.tables.compile import describe_field
from vaven.schemas.tables.data_rows import fill_down_notes, filled_down
from vaven.schemas.tables.distinct_values import DistinctTexts
from vaven.schemas.tables.header import (
    HEADER_SEARCH_ROWS,
    Header,
    account_for_labels,
    detect_header,
    label_problems,
    missing_columns,
)
from vaven.schemas.tables.load import columns_of, load
from vaven.schemas.tables.normalise import normalise
from vaven.schemas.tables.tables import About, AboutSource, Table, Tables
from vaven.schemas.tables.unknown_table import not_the_standard
from vaven.vocab.errors import NotReadable

# A million observations fit; ten million spill, and the whole process stays below a gigabyte.
MEMORY_MB = 500
IN_MEMORY_BYTES = 150_000_000
SAMPLE_ROWS = 500
# Rows of a table that does not follow the standard in which we look for area codes: more than Sweden has areas.
HINT_ROWS = 10_000
# Sheets of our own template without data.
TEMPLATE_SHEETS = frozenset(("las mig", "read me", "listor", "lists"))


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
    about_source: AboutSource = field(default_factory=AboutSource)

    def account(self, grid: Grid) -> CellAccount:
        """Open the account of a sheet's cells; every sheet has one."""
        self.accounts.append(account_of(grid))
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
    # The workspace of a large file is on disk from the start; DuckDB would else spill it repeatedly.
    is_large = source.is_file() and source.stat().st_size > IN_MEMORY_BYTES
    work = duckdb.connect(str(folder / "workspace.duckdb") if is_large else ":memory:")
    try:
        work.execute(f"SET memory_limit = '{int(memory_mb)}MB'")
        work.execute(f"SET temp_directory = '{folder}/spill'")
        reading = _Reading(work, DistinctTexts(work), folder, choices, progress)
        progress("opening", 0)
        about = _read_into(reading, source, content.kind, slug, folder)
        if not reading.tables and not reading.problems:
            raise NotReadable("not-readable-no-rows", file=source.name)
        about = replace(with_answers(about, choices), area_vintage=_vintage(reading, about))
        return Tables(
            source=source,
            sha256=submission_files(source, choices.encoding).sha256,
            about=about,
            tables=reading.tables,
            workspace=work,
            distinct=reading.distinct,
            folder=folder,
            problems=(*reading.problems, *(p for a in reading.accounts for p in a.problems(reading.problems))),
            unlisted=dict(reading.unlisted),
            assumptions=tuple(reading.notes),
            choices=choices,
            cells=cells_of(reading.accounts),
            about_source=reading.about_source,
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


def _read_into(reading: _Reading, source: Path, kind: str, slug: str | None, folder: Path) -> About:
    if kind not in ("package", "descriptor"):
        return _read_tables(reading, source, slug, folder / "sheets")
    # Frictionless takes longer to load than most files take to check, and only packages need it.
    from vaven.schemas.formats.datapackage import read_descriptor, resource_grids, unpack

    path = unpack(source, folder / "package") if kind == "package" else source
    file = path / "datapackage.json" if path.is_dir() else path
    descriptor = read_descriptor(file)
    reading.has_own_areas = any(resource["name"] == "neighbourhoods" for resource in descriptor["resources"])
    for resource, grid in resource_grids(descriptor, file.parent, folder / "sheets"):
        if resource is None:
            reading.omit(grid, "sheet-hidden" if grid.is_hidden else "sheet-skipped")
        else:
            _read_grid(reading, grid, resource)
    about, reading.about_source = about_of_descriptor(descriptor, file, slug)
    return about


def _read_tables(reading: _Reading, source: Path, slug: str | None, folder: Path) -> About:
    """Read a single table as observations, sheets of a workbook and files of a zip by their names."""
    grids = grids_of(source, folder, reading.choices, reading.progress)
    first = next(grids, None)
    if first is None:
        raise NotReadable("not-readable-no-rows", file=source.name)
    if first.sheet is not None:
        return _read_sheets(reading, chain([first], grids), source, slug)
    _read_grid(reading, first, "observations")
    return about_of_file(source, slug)


def _read_sheets(reading: _Reading, grids: Iterable[Grid], source: Path, slug: str | None) -> About:
    """Read sheets by their names. If none is named observations, it is the first that looks like a table."""
    about = about_of_file(source, slug)
    other_grids: list[Grid] = []
    resources: set[str] = set()
    sheet = reading.choices.sheet
    grids = list(grids)
    reading.has_own_areas = any(resource_of_sheet(grid.sheet or "") == "neighbourhoods" for grid in grids)
    for grid in grids:
        name = fold(grid.sheet or "")
        resource = resource_of_sheet(grid.sheet or "")
        if grid.is_hidden:
            reading.omit(grid, "sheet-of-template" if name in TEMPLATE_SHEETS else "sheet-hidden")
            if name not in TEMPLATE_SHEETS:
                reading.notes.append(Finding("sheet-hidden", Severity.NOTE, sheet=grid.sheet))
        elif name in SHEET_NAMES:
            about, reading.about_source = about_of_sheet(grid, source, slug, reading.account(grid))
            reading.problems += faults_in_sheet(grid.properties, grid.sheet)
        elif sheet is not None and name == fold(sheet):
            resources.add("observations")
            _read_grid(reading, grid, "observations")
        elif resource and resource not in resources and not (sheet and resource == "observations"):
            resources.add(resource)
            _read_grid(reading, grid, resource)
        elif name in TEMPLATE_SHEETS:
            reading.omit(grid, "sheet-of-template")
        else:
            other_grids.append(grid)
    if sheet is not None and "observations" not in resources:
        raise NotReadable("not-readable-sheet", file=source.name, sheet=sheet)
    if "observations" not in resources:
        other_grids = _read_first(reading, other_grids)
    for grid in other_grids:
        reading.omit(grid, "sheet-skipped")
        reading.notes.append(Finding("sheet-skipped", Severity.NOTE, sheet=grid.sheet))
    return about


def _read_first(reading: _Reading, grids: list[Grid]) -> list[Grid]:
    """Read the first sheet with the standard's columns as observations. Returns the other sheets.

    If there is none, the first sheet with rows is read for its description, unless the standard's other sheets exist.
    """
    samples = [list(islice(grid.rows, SAMPLE_ROWS)) for grid in grids]
    filled = [i for i, rows in enumerate(samples) if any(any(cells) for _, cells in rows)]
    ours = [
        i
        for i in filled
        if (header := detect_header(samples[i], "observations", reading.choices)) and _is_ours(header, "observations")
    ]
    grids = [replace(grid, rows=chain(sample, grid.rows)) for grid, sample in zip(grids, samples, strict=True)]
    for i in ours or ([] if reading.tables else filled):
        _read_grid(reading, grids[i], "observations")
        return [grid for j, grid in enumerate(grids) if j != i]
    return grids


def _read_grid(reading: _Reading, grid: Grid, resource: str) -> None:
    """Read one sheet as a resource: a table if it has the standard's columns, else a finding that describes it."""
    location: dict[str, Any] = {"resource": resource, "sheet": grid.sheet}
    sample = list(islice(grid.rows, max(SAMPLE_ROWS, HEADER_SEARCH_ROWS)))
    # The user's header row is that of the observations; other sheets have their own.
    choices = reading.choices if resource == "observations" else replace(reading.choices, header_row=None)
    header = detect_header(sample, resource, choices)
    if header is None and choices.header_row is not None:
        raise NotReadable("not-readable-header-row", file=grid.file, row=choices.header_row)
    following = [row for row in sample if header and row[0] > header.row]
    if header is None or not any(any(cells) for _, cells in following):
        # An optional sheet of the template may be empty, the table of observations may not.
        if resource == "observations":
            raise NotReadable("not-readable-no-rows", file=grid.file)
        reading.omit(replace(grid, rows=chain(sample, grid.rows)), "table-without-rows")
        return
    account = reading.account(grid)
    account.resource = resource
    reading.notes += grid.notes
    reading.notes += _header_notes(header, sample, location)
    reading.notes += property_notes(grid.properties, location)
    if not _is_ours(header, resource):
        hint_rows = list(islice(chain(following, grid.rows), HINT_ROWS))
        reading.problems.append(not_the_standard(header, hint_rows, location))
        above = (row for row in sample if row[0] <= header.row)
        account.omit_sheet("not-the-standard", chain(above, hint_rows, grid.rows))
        return
    account_for_labels(account, header, sample, is_chosen=choices.header_row is not None)
    at_rows = header.row + 1, choices.last_row
    reading.problems += table_findings(grid.properties, header.read_columns, header.omitted, location, *at_rows)
    rows: Iterator[GridRow] = chain(following, grid.rows)
    # The user's options about rows apply to the sheet of observations.
    if resource == "observations" and choices.last_row:
        rows, grid = _until(rows, choices.last_row, account), replace(grid, plain=None)
        reading.notes.append(Finding("assumed-last-row", Severity.NOTE, **location, row=choices.last_row))
    if grid.merged or choices.fill_down:
        rows, grid = filled_down(rows, header, grid, choices, resource), replace(grid, plain=None)
        reading.notes += fill_down_notes(grid, header, choices, location)
    _load(reading, grid, resource, header, rows, account)


def _until(rows: Iterable[GridRow], last: int, account: CellAccount) -> Iterator[GridRow]:
    for row in rows:
        if row[0] <= last:
            yield row
        else:
            account.omit_row("after-last-row", row)


def _header_notes(header: Header, sample: Sequence[GridRow], location: dict[str, Any]) -> Iterator[Finding]:
    """Yield the notes on rows above the labels, labels in two rows, and columns of names beside one of codes."""
    first = header.top or header.row
    if first > (sample[0][0] if sample else 1):
        params = {"count": sum(1 for row in sample if row[0] < first)}
        yield Finding("assumed-preamble", Severity.NOTE, **location, row=first, params=params)
    if header.top:
        yield Finding(
            "assumed-header-rows", Severity.NOTE, **location, row=header.row or None, params={"top": header.top}
        )
    for i, name in header.names.items():
        at = {**location, "row": header.row or None, "column": column_letter(i), "text": header.labels[i]}
        codes = header.labels[header.fields.index(name)]
        yield Finding("assumed-names", Severity.NOTE, **at, params={"codes": codes})


def _is_ours(header: Header, resource: str) -> bool:
    required = {f.name for f in standard()[resource].fields if f.required} | {"value"}
    return len((header.field_names - set(header.constants)) & required) >= 2


def _load(
    reading: _Reading, grid: Grid, resource: str, header: Header, rows: Iterable[GridRow], account: CellAccount
) -> None:
    location: dict[str, Any] = {"resource": resource, "sheet": grid.sheet}
    loaded = load(
        reading.work,
        reading.distinct,
        reading.folder,
        grid,
        header,
        rows,
        f"raw_{resource}",
        location,
        account,
        reading.choices,
    )
    reading.problems += loaded.problems
    reading.unlisted += loaded.unlisted
    reading.notes += loaded.notes
    reading.problems += label_problems(header, location, resource, {i for i, count in loaded.unread.items() if count})
    reading.problems += missing_columns(header, location, resource)
    decimal = reading.choices.decimal
    normalised = normalise(
        reading.distinct,
        reading.work,
        loaded.relation,
        resource,
        columns_of(header),
        header.beside,
        standard()[resource],
        location,
        decimal_comma=grid.decimal_comma if decimal is None else decimal == ",",
        is_decided=decimal is not None,
        shares=bool(reading.choices.shares),
        names_are_codes=not reading.has_own_areas,
    )
    reading.notes += [
        *_label_notes(header, location, resource),
        *_constant_notes(header, location, resource),
        *normalised.notes,
    ]
    reading.vintages |= normalised.vintages
    reading.tables[resource] = Table(
        resource,
        grid.file,
        grid.sheet,
        header.row,
        normalised.columns,
        resource,
        loaded.count,
        original_relation=resource if normalised.is_view else loaded.relation,
        wide=header.label_fields,
        beside=header.beside,
    )


def _label_notes(header: Header, location: dict[str, str | None], resource: str) -> list[Finding]:
    """Return the notes on columns recognised by a synonym instead of a name of the standard."""
    schema = standard()[resource]
    own = {fold(t) for f in schema.fields for t in (f.name, f.label("sv"), f.label("en"))}
    return [
        Finding(
            "assumed-header",
            Severity.NOTE,
            location["resource"],
            location["sheet"],
            header.row or None,
            column.letter,
            column.name,
            column.label,
            {"label_sv": schema[column.name].label("sv"), "label_en": schema[column.name].label("en")},
        )
        for column in header.columns
        if fold(column.label or "") not in own
    ]


def _constant_notes(header: Header, location: dict[str, str | None], resource: str) -> list[Finding]:
    """Return the notes on columns with the user's constant text."""
    schema = standard()[resource]
    notes = []
    for name, text in header.constants.items():
        params = describe_field(schema[name])
        notes.append(Finding("assumed-constant", Severity.NOTE, **location, field=name, text=text, params=params))  # type: ignore[arg-type]
    return notes
