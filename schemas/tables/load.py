"""Put the rows under a header into the workspace as text: by columns where that is safe, else row by row."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import duckdb

from vaven.schemas.formats.grid import Grid, GridRow, column_letter
from vaven.schemas.standard.finding import LISTED, Finding, Severity
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables import unpivot
from vaven.schemas.tables.distinct_values import Distinct
from vaven.schemas.tables.header import Header, Sections, body
from vaven.schemas.tables.load_csv import load_csv
from vaven.schemas.tables.sql import quoted, text
from vaven.schemas.tables.tables import Column
from vaven.vocab.errors import NotReadable

BATCH_ROWS = 20_000


@dataclass
class LoadedTable:
    """`relation` as schemas.tables.Table.written, `count` its rows, `filled` the unlabelled positions in use.

    `problems` are about the rows' shape; `unlisted` counts by code those that are too many to list.
    """

    relation: str
    count: int
    filled: set[int]
    problems: list[Finding] = field(default_factory=list)
    unlisted: Counter[str] = field(default_factory=Counter)
    notes: list[Finding] = field(default_factory=list)


def load(
    work: duckdb.DuckDBPyConnection,
    distinct: Distinct,
    folder: Path,
    grid: Grid,
    header: Header,
    rows: Iterable[GridRow],
    raw: str,
    place: dict[str, str | None],
    choices: ReadOptions = DETECT,
) -> LoadedTable:
    """Make the relation `raw` (or one named after it) of the table's rows; wide tables become long."""
    under = unpivot.loading(header)
    has_columns = grid.plain and any(under.fields)
    # What a wide table's columns hold is asked for once it is long.
    judged = _judged(str(place["resource"])) if not header.wide else frozenset[str]()
    judged &= {name for name in under.fields if name}
    fast = load_csv(work, distinct, *grid.plain, under, raw, folder, judged) if grid.plain and has_columns else None
    loaded = (
        LoadedTable(raw, *fast)
        if fast
        else _load_rows(work, Sections(header, str(place["resource"]), choices), under, rows, raw, place)
    )
    if header.wide:
        cells = loaded.count * len(header.wide)
        loaded.relation, loaded.count = unpivot.lengthen(work, raw, header)
        loaded.notes.append(unpivot.note(header, place, str(place["resource"]), cells - loaded.count))
    if not loaded.count:
        raise NotReadable("not-readable-no-rows", file=grid.file)
    if header.constants:
        given = ", ".join(f"{text(constant)} AS {quoted(name)}" for name, constant in header.constants.items())
        work.execute(f"CREATE VIEW {raw}_given AS SELECT *, {given} FROM {loaded.relation}")
        loaded.relation = f"{raw}_given"
    return loaded


def _judged(resource: str) -> frozenset[str]:
    """The fields whose texts are judged one by one; free text is none of them."""
    fields = standard()[resource].fields
    return frozenset(f.name for f in fields if f.type != "string" or f.constraints or f.descriptor.get("codes"))


def columns_of(header: Header) -> tuple[Column, ...]:
    """The columns of the loaded relation: those with a label of their own, then what labels and the user say."""
    beside = [*sorted(header.spread), *(["value"] if header.wide else []), *header.constants]
    return (*header.columns, *(Column(name, None, None) for name in beside))


def _load_rows(
    work: duckdb.DuckDBPyConnection,
    sections: Sections,
    header: Header,
    rows: Iterable[GridRow],
    raw: str,
    place: dict[str, str | None],
) -> LoadedTable:
    """The exact way: row by row, with every row's number and shape."""
    loader = _Loader(work, raw, header, place)
    has_end = sections.choices.last_row is not None and sections.resource == "observations"
    for row, kind in body(sections.rows(rows), header, has_end=has_end):
        loader.take(row, kind)
    loader.flush()
    notes = [
        Finding("assumed-total-row", Severity.NOTE, **place, row=number, text=text)  # type: ignore[arg-type]
        for number, text in loader.totals
    ]
    if loader.footnotes:
        params = {"count": loader.footnotes}
        notes.append(Finding("assumed-footnotes", Severity.NOTE, **place, params=params))  # type: ignore[arg-type]
    if sections.repeated:
        params = {"count": len(sections.repeated)}
        first = sections.repeated[0]
        notes.append(Finding("assumed-continued", Severity.NOTE, **place, row=first, params=params))  # type: ignore[arg-type]
    for number, label in sections.others:
        loader.problem("other-table", Severity.ERROR, number, None, label)
    unlisted = loader.counts - Counter(p.code for p in loader.problems)
    return LoadedTable(raw, loader.count, loader.filled, loader.problems, unlisted, notes)


class _Loader:
    """Puts rows into the workspace in batches and notes what is wrong with their shape."""

    def __init__(self, work: duckdb.DuckDBPyConnection, raw: str, header: Header, place: dict[str, str | None]) -> None:
        self.work, self.raw, self.header, self.place = work, raw, header, place
        self.positions = [(i, name) for i, name in enumerate(header.fields) if name]
        self.count = self.footnotes = 0
        self.totals: list[tuple[int, str]] = []
        self.filled: set[int] = set()
        self.problems: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self._batch: list[GridRow] = []
        self._unlabelled = [i for i, label in enumerate(header.labels) if not label]
        columns = ", ".join(f'"{name}" VARCHAR' for _, name in self.positions)
        work.execute(f"CREATE TABLE {raw} (_row BIGINT, {columns})")

    def take(self, row: GridRow, kind: str) -> None:
        number, cells = row
        if kind == "total":
            self.totals.append((number, next(cell for cell in cells if cell)))
            return
        if kind == "footnote":
            self.footnotes += 1
            return
        if kind == "blank":
            self.problem("blank-row", Severity.WARNING, number)
            return
        self._check_width(number, cells)
        self.count += 1
        self._batch.append(row)
        if len(self._batch) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self._batch:
            return
        # Most files are read by columns, and loading it takes as long as checking a small one.
        import pyarrow as pa

        columns = {"_row": pa.array([number for number, _ in self._batch], pa.int64())}
        texts = list(zip_longest(*(cells for _, cells in self._batch), fillvalue=""))
        none = [""] * len(self._batch)
        for i, name in self.positions:
            columns[name] = pa.array(texts[i] if i < len(texts) else none, pa.string())
        batch = pa.table(columns)
        cells = ", ".join(f"nullif({quoted(name)}, '')" for _, name in self.positions)
        self.work.register("batch", batch)
        self.work.execute(f"INSERT INTO {self.raw} SELECT _row, {cells} FROM batch")
        self.work.unregister("batch")
        self._batch = []

    def _check_width(self, number: int, cells: list[str]) -> None:
        width = len(self.header.labels)
        if len(cells) < width and any(self.header.labels[len(cells) :]):
            missing = next(i for i in range(len(cells), width) if self.header.labels[i])
            self.problem("missing-cell", Severity.ERROR, number, column_letter(missing))
        for i in range(width, len(cells)):
            if cells[i]:
                self.problem("extra-cell", Severity.ERROR, number, column_letter(i), cells[i])
        if self._unlabelled:
            self.filled |= {i for i in self._unlabelled if i < len(cells) and cells[i]}

    def problem(
        self, code: str, severity: Severity, row: int, column: str | None = None, text: str | None = None
    ) -> None:
        self.counts[code] += 1
        if self.counts[code] <= LISTED:
            resource, sheet = self.place["resource"], self.place["sheet"]
            self.problems.append(Finding(code, severity, resource, sheet, row, column, None, text))
