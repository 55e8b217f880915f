"""Read a partner's file into tables of text, and say what was taken for granted."""

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from vaven.schemas.about import SHEET_NAMES, about_of_descriptor, about_of_file, about_of_sheet
from vaven.schemas.choices import AS_FOUND, Choices, Progress, quietly
from vaven.schemas.columnar import load_columns
from vaven.schemas.content import content_of
from vaven.schemas.delimited import read_delimited
from vaven.schemas.distinct import Distinct
from vaven.schemas.finding import Finding, Severity
from vaven.schemas.foreign import not_the_standard
from vaven.schemas.grid import Grid, GridRow, column_letter
from vaven.schemas.layout import (
    HEADER_SEARCH_ROWS,
    Header,
    body,
    find_header,
    fold,
    label_problems,
    missing_columns,
    resource_of_sheet,
)
from vaven.schemas.standard import standard
from vaven.schemas.tables import About, Table, Tables
from vaven.schemas.tidy import tidy
from vaven.schemas.workbook import read_workbook
from vaven.vocab.errors import NotReadable

BATCH_ROWS = 20_000
# A million observations fit; ten million spill, and the whole process stays below a gigabyte.
MEMORY_MB = 500
IN_MEMORY_BYTES = 150_000_000
SAMPLE_ROWS = 500
# How far into a table that is not ours we look for area codes: more than Sweden has areas.
HINT_ROWS = 10_000
# How many rows of one kind of bad shape are listed; the counts go on.
LISTED = 1_000
# Sheets of our own template that hold no data.
TEMPLATE_SHEETS = frozenset(("las mig", "read me", "listor", "lists"))


@dataclass
class _Reading:
    """What grows while a source is read."""

    work: duckdb.DuckDBPyConnection
    distinct: Distinct
    folder: Path
    tables: dict[str, Table] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    unlisted: Counter[str] = field(default_factory=Counter)
    notes: list[Finding] = field(default_factory=list)


def read(
    source: Path,
    *,
    slug: str | None = None,
    choices: Choices = AS_FOUND,
    progress: Progress = quietly,
    memory_mb: int = MEMORY_MB,
) -> Tables:
    """Read a CSV, workbook or data package (folder, json or zip). Nothing outside the source is opened.

    Raises NotReadable with a reason. Memory is bounded by `memory_mb` for DuckDB, which spills to the
    workspace's folder, and by a batch of rows; a workbook is held whole by its reader.
    """
    source = Path(source)
    content = content_of(source)
    folder = Path(tempfile.mkdtemp(prefix="vaven-read-"))
    # A large file is kept on disk from the start; DuckDB would else write it out again and again.
    is_large = source.is_file() and source.stat().st_size > IN_MEMORY_BYTES
    work = duckdb.connect(str(folder / "workspace.duckdb") if is_large else ":memory:")
    try:
        work.execute(f"SET memory_limit = '{int(memory_mb)}MB'")
        work.execute(f"SET temp_directory = '{folder}/spill'")
        reading = _Reading(work, Distinct(work), folder)
        about = _read_into(reading, source, content.kind, content.encoding, slug, folder)
        if not reading.tables and not reading.problems:
            raise NotReadable("not-readable-no-rows", file=source.name)
        return Tables(
            source=source,
            sha256=_sha256(source),
            about=about,
            tables=reading.tables,
            workspace=work,
            distinct=reading.distinct,
            folder=folder,
            problems=tuple(reading.problems),
            unlisted=dict(reading.unlisted),
            assumptions=tuple(reading.notes),
        )
    except BaseException:
        work.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _read_into(reading: _Reading, source: Path, kind: str, encoding: str, slug: str | None, folder: Path) -> About:
    match kind:
        case "text":
            _read_grid(reading, read_delimited(source, encoding), "observations")
            return about_of_file(source, slug)
        case "workbook":
            return _read_sheets(reading, source, slug, folder / "sheets")
    # Frictionless takes longer to load than most files take to check, and only packages need it.
    from vaven.schemas.package import read_descriptor, resource_grids, unpack

    path = unpack(source, folder / "package") if kind == "package" else source
    file = path / "datapackage.json" if path.is_dir() else path
    descriptor = read_descriptor(file)
    for resource, grid in resource_grids(descriptor, file.parent, folder / "sheets"):
        _read_grid(reading, grid, resource)
    return about_of_descriptor(descriptor, file, slug)


def _read_sheets(reading: _Reading, source: Path, slug: str | None, folder: Path) -> About:
    """Sheets go by their names. Where none is called observations, the first that looks like a table is it."""
    about = about_of_file(source, slug)
    unnamed: list[Grid] = []
    named: set[str] = set()
    for grid in read_workbook(source, folder):
        name = fold(grid.sheet or "")
        resource = resource_of_sheet(grid.sheet or "")
        if name in SHEET_NAMES:
            about = about_of_sheet(grid.rows, source, slug)
        elif resource and resource not in named:
            named.add(resource)
            _read_grid(reading, grid, resource)
        elif name not in TEMPLATE_SHEETS:
            unnamed.append(grid)
    if "observations" not in named:
        unnamed = _read_first(reading, unnamed)
    reading.notes += [Finding("sheet-skipped", Severity.NOTE, sheet=grid.sheet) for grid in unnamed]
    return about


def _read_first(reading: _Reading, grids: list[Grid]) -> list[Grid]:
    """Read the first sheet that has our columns as observations; the others come back.

    Where none has, the first with rows is read to say what it is, unless the standard's other sheets were there.
    """
    samples = [list(islice(grid.rows, SAMPLE_ROWS)) for grid in grids]
    filled = [i for i, rows in enumerate(samples) if any(any(cells) for _, cells in rows)]
    ours = [
        i for i in filled if (header := find_header(samples[i], "observations")) and _is_ours(header, "observations")
    ]
    for i in ours or ([] if reading.tables else filled):
        rows = chain(samples[i], grids[i].rows)
        _read_grid(reading, replace(grids[i], rows=rows), "observations")
        return [grid for j, grid in enumerate(grids) if j != i]
    return grids


def _read_grid(reading: _Reading, grid: Grid, resource: str) -> None:
    """Read one sheet as a resource: a table where its columns are ours, else a problem that says what it is."""
    place: dict[str, Any] = {"resource": resource, "sheet": grid.sheet}
    sample = list(islice(grid.rows, max(SAMPLE_ROWS, HEADER_SEARCH_ROWS)))
    header = find_header(sample, resource)
    following = [row for row in sample if header and row[0] > header.row]
    if header is None or not any(any(cells) for _, cells in following):
        # An empty optional sheet of the template says nothing; an empty table of observations is the whole file.
        if resource == "observations":
            raise NotReadable("not-readable-no-rows", file=grid.file)
        return
    reading.notes += grid.notes
    if header.row > (sample[0][0] if sample else 1):
        preamble = sum(1 for row in sample if row[0] < header.row)
        params = {"count": preamble}
        note = Finding("assumed-preamble", Severity.NOTE, **place, row=header.row, params=params)
        reading.notes.append(note)
    if not _is_ours(header, resource):
        reading.problems.append(not_the_standard(header, list(islice(chain(following, grid.rows), HINT_ROWS)), place))
        return
    _load(reading, grid, resource, header, chain(following, grid.rows))


def _is_ours(header: Header, resource: str) -> bool:
    required = {f.name for f in standard()[resource].fields if f.required} | {"value"}
    return len(header.known & required) >= 2


def _load(reading: _Reading, grid: Grid, resource: str, header: Header, rows: Iterable[GridRow]) -> None:
    place: dict[str, Any] = {"resource": resource, "sheet": grid.sheet}
    raw, relation = f"raw_{resource}", resource
    fast = load_columns(reading.work, *grid.plain, header, raw, reading.folder) if grid.plain and header.known else None
    count, filled = fast or _load_rows(reading, grid, header, rows, raw, place)
    reading.problems += label_problems(header, place, resource, filled)
    reading.problems += missing_columns(header, place, resource)
    done = tidy(
        reading.distinct,
        reading.work,
        raw,
        relation,
        header.columns,
        standard()[resource],
        place,
        decimal_comma=grid.decimal_comma,
    )
    reading.notes += _note_labels(header, place, resource) + done.notes
    reading.tables[resource] = Table(
        resource,
        grid.file,
        grid.sheet,
        header.row,
        done.columns,
        relation,
        count,
        written=relation if done.is_view else raw,
    )


def _load_rows(
    reading: _Reading, grid: Grid, header: Header, rows: Iterable[GridRow], raw: str, place: dict[str, Any]
) -> tuple[int, set[int]]:
    """The exact way: row by row, with every row's number and shape. Rows read and unlabelled positions in use."""
    loader = _Loader(reading.work, raw, header, place)
    for row, kind in body(rows, len(header.labels)):
        loader.take(row, kind)
    loader.flush()
    if not loader.count:
        raise NotReadable("not-readable-no-rows", file=grid.file)
    reading.problems += loader.problems
    reading.unlisted += loader.counts - Counter(p.code for p in loader.problems)
    if loader.footnotes:
        params = {"count": loader.footnotes}
        reading.notes.append(Finding("assumed-footnotes", Severity.NOTE, **place, params=params))
    return loader.count, loader.filled


class _Loader:
    """Puts rows into the workspace in batches and notes what is wrong with their shape."""

    def __init__(self, work: duckdb.DuckDBPyConnection, raw: str, header: Header, place: dict[str, str | None]) -> None:
        self.work, self.raw, self.header, self.place = work, raw, header, place
        self.positions = [(i, name) for i, name in enumerate(header.fields) if name]
        self.count = self.footnotes = 0
        self.filled: set[int] = set()
        self.problems: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self._batch: list[GridRow] = []
        self._unlabelled = [i for i, label in enumerate(header.labels) if not label]
        columns = ", ".join(f'"{name}" VARCHAR' for _, name in self.positions)
        work.execute(f"CREATE TABLE {raw} (_row BIGINT, {columns})")

    def take(self, row: GridRow, kind: str) -> None:
        number, cells = row
        if kind == "footnote":
            self.footnotes += 1
            return
        if kind == "blank":
            self._problem("blank-row", Severity.WARNING, number)
            return
        self._check_width(number, cells)
        self.count += 1
        self._batch.append(row)
        if len(self._batch) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self._batch:
            return
        columns = {"_row": pa.array([number for number, _ in self._batch], pa.int64())}
        for i, name in self.positions:
            texts = [(cells[i] if i < len(cells) else None) or None for _, cells in self._batch]
            columns[name] = pa.array(texts, pa.string())
        batch = pa.table(columns)
        self.work.register("batch", batch)
        self.work.execute(f"INSERT INTO {self.raw} SELECT * FROM batch")
        self.work.unregister("batch")
        self._batch = []

    def _check_width(self, number: int, cells: list[str]) -> None:
        width = len(self.header.labels)
        if len(cells) < width and any(self.header.labels[len(cells) :]):
            missing = next(i for i in range(len(cells), width) if self.header.labels[i])
            self._problem("missing-cell", Severity.ERROR, number, column_letter(missing))
        for i in range(width, len(cells)):
            if cells[i]:
                self._problem("extra-cell", Severity.ERROR, number, column_letter(i), cells[i])
        self.filled |= {i for i in self._unlabelled if i < len(cells) and cells[i]}

    def _problem(
        self, code: str, severity: Severity, row: int, column: str | None = None, text: str | None = None
    ) -> None:
        self.counts[code] += 1
        if self.counts[code] <= LISTED:
            resource, sheet = self.place["resource"], self.place["sheet"]
            self.problems.append(Finding(code, severity, resource, sheet, row, column, None, text))


def _note_labels(header: Header, place: dict[str, str | None], resource: str) -> list[Finding]:
    """Say which columns were recognised by a synonym rather than by a name of the standard."""
    schema = standard()[resource]
    own = {fold(t) for f in schema.fields for t in (f.name, f.label("sv"), f.label("en"))}
    return [
        Finding(
            "assumed-header",
            Severity.NOTE,
            place["resource"],
            place["sheet"],
            header.row,
            column.letter,
            column.name,
            column.label,
            {"label_sv": schema[column.name].label("sv"), "label_en": schema[column.name].label("en")},
        )
        for column in header.columns
        if fold(column.label or "") not in own
    ]


def _sha256(source: Path) -> str:
    """Of the file, or of all files of a folder in the order of their names."""
    digest = hashlib.sha256()
    paths: list[Path] = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    for path in paths:
        with path.open("rb") as content:
            whole = hashlib.file_digest(content, "sha256")
        if source.is_file():
            return whole.hexdigest()
        digest.update(whole.digest())
    return digest.hexdigest()
