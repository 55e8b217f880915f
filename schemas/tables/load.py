"""Load the rows below a header into the workspace as text: by columns if that is safe, else row by row."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import duckdb

from vaven.schemas.formats.csv import filled_cells
from vaven.schemas.formats.grid import Grid, GridRow, column_index, column_letter, filled_count
from vaven.schemas.spreadsheets.cell_faults import fault_code
from vaven.schemas.spreadsheets.cell_units import OF_FIELD, OF_KPI
from vaven.schemas.spreadsheets.label_units import factor_name, factor_of_amount
from vaven.schemas.spreadsheets.sheet_findings import merged_values
from vaven.schemas.standard.cells import RepeatedText, checksum_of, filled_in_file
from vaven.schemas.standard.data_like import delimiter_within, is_number
from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.finding import MAX_FINDINGS, Finding, Severity
from vaven.schemas.standard.period_parts import join_periods
from vaven.schemas.standard.personal_number_forms import LIKE_A_NUMBER_SQL, SHORTEST
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables import unpivot
from vaven.schemas.tables.cell_account import MAX_NUMBERS, CellAccount
from vaven.schemas.tables.data_rows import Sections, body
from vaven.schemas.tables.group_rows import read_group_rows
from vaven.schemas.tables.header import Header, unread_name
from vaven.schemas.tables.load_csv import load_csv
from vaven.schemas.tables.tables import STRIDE, Column
from vaven.vocab.errors import NotReadable

BATCH_ROWS = 20_000


@dataclass
class LoadedTable:
    """A loaded relation (as Table.original_relation), its row count, and the cell counts of columns without a field.

    `numbers` counts those of these cells that are numbers; `checksums` are of their texts. `problems` are about the
    rows' shape; `unlisted` counts by code those beyond the limit. `repeated` has the first and the last of
    consecutive rows with texts that are repeated in empty cells, by field. `added` are the fields that only group rows
    state, and `factors` those with factors (label_units.factor_name).
    """

    relation: str
    count: int
    unread: Mapping[int, int]
    numbers: Mapping[int, int]
    checksums: Mapping[int, int]
    problems: list[Finding] = field(default_factory=list)
    unlisted: Counter[str] = field(default_factory=Counter)
    notes: list[Finding] = field(default_factory=list)
    repeated: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()


def load(
    work: duckdb.DuckDBPyConnection,
    distinct: DistinctTexts,
    folder: Path,
    grid: Grid,
    header: Header,
    rows: Iterable[GridRow],
    raw: str,
    location: dict[str, str | None],
    account: CellAccount,
    choices: ReadOptions = DETECT,
) -> LoadedTable:
    """Create the relation `raw` (or one named after it) from the table's rows; wide tables are unpivoted.

    Every cell of the rows is accounted for.
    """
    loaded_header = unpivot.header_for_loading(header)
    has_columns = grid.plain and any(loaded_header.fields)
    # The distinct texts of a wide table are computed after unpivoting.
    coded = _coded_fields(str(location["resource"])) if not header.wide else frozenset[str]()
    coded &= {name for name in loaded_header.fields if name}
    columnar = None
    if grid.plain and has_columns:
        # The thread ends here, since a process must not fork beside it.
        with ThreadPoolExecutor(1) as beside:
            cell_count = beside.submit(filled_cells, *grid.plain, len(header.labels))
            columnar = load_csv(work, distinct, *grid.plain, loaded_header, raw, folder, coded)
    if columnar:
        loaded = LoadedTable(raw, *columnar)
        grid.cell_count.total = cell_count.result()
        _search_excluded(work, raw, header, account)
    else:
        sections = Sections(header, str(location["resource"]), account, choices)
        loaded = _load_rows(work, sections, loaded_header, rows, raw, location, _merged_values(grid, header, location))
        _read_group_rows(work, loaded, header, loaded_header, location, account)
    for i, count in loaded.unread.items():
        reason, numbers = header.unread.get(i, "extra-cell"), loaded.numbers.get(i, 0)
        account.omit_column(reason, i, count, loaded.checksums[i], numbers=numbers)
    own_cells = _own_cells(work, raw, [name for name in header.fields if name], loaded.repeated)
    if header.wide:
        cells = loaded.count * len(header.wide)
        loaded.count, mixed = unpivot.unpivot(work, raw, loaded.relation, header, loaded.added)
        if mixed.get("count"):
            loaded.notes.append(Finding("assumed-row-status", Severity.NOTE, **location, field="status", params=mixed))  # type: ignore[arg-type]
        loaded.relation = f"{raw}_long"
        loaded.notes.append(unpivot.wide_table_note(header, location, str(location["resource"]), cells - loaded.count))
        unpivot.account_for_rows(work, account, raw, header, own_cells)
    else:
        counts = ", ".join(f"count({cell})" for cell in own_cells)
        account.use(sum(work.execute(f"SELECT {counts} FROM {raw}").fetchone() or ()))
    if not loaded.count:
        raise NotReadable("not-readable-no-rows", file=grid.file)
    if header.constants:
        constants = ", ".join(f"{text(constant)} AS {quoted(name)}" for name, constant in header.constants.items())
        work.execute(f"CREATE VIEW {raw}_given AS SELECT *, {constants} FROM {loaded.relation}")
        loaded.relation = f"{raw}_given"
    loaded.relation, loaded.factors = _with_factors(work, loaded.relation, header)
    loaded.relation, notes = join_periods(work, loaded.relation, header.fields, header.labels, location)
    loaded.notes += notes
    return loaded


def _read_group_rows(
    work: duckdb.DuckDBPyConnection,
    loaded: LoadedTable,
    header: Header,
    loaded_header: Header,
    location: Mapping[str, str | None],
    account: CellAccount,
) -> None:
    """Read rows with one text that applies to the rows below, and account for their cells."""
    names = [*(name for name in loaded_header.fields if name), *(column.name for column in loaded_header.beside)]
    groups = read_group_rows(work, loaded.relation, header, names, location)
    loaded.relation, loaded.added = groups.relation, groups.added
    loaded.count -= len(groups.read) + len(groups.refused)
    loaded.notes += groups.notes
    loaded.problems += groups.problems[:MAX_FINDINGS]
    loaded.unlisted["group-row"] += len(groups.problems[MAX_FINDINGS:])
    account.use(len(groups.read))
    for row, _ in groups.refused:
        account.omit_cells("group-row", row, 1, checksum_of(row, [groups.texts[row]]))
    positions = {column.name: column_index(column.letter or "") for column in header.beside}
    moved = Counter(positions[name] for _, name in (*groups.read, *groups.refused) if name in positions)
    loaded.unread = {i: count - moved[i] for i, count in loaded.unread.items()}


def _own_cells(
    work: duckdb.DuckDBPyConnection, raw: str, fields: Sequence[str], repeated: Mapping[str, Sequence[tuple[int, int]]]
) -> list[str]:
    """Return for each field the SQL of its cell, NULL also for a repeated text."""
    # DuckDB counts a bare column several times faster than rows with a condition.
    cells = {name: quoted(name) for name in fields}
    if repeated:
        work.execute(f"CREATE TABLE {raw}_repeated (field VARCHAR, _row BIGINT)")
    for name, ranges in repeated.items():
        firsts, lasts = ([row[i] for row in ranges] for i in (0, 1))
        rows = "SELECT unnest($2::BIGINT[]) AS first_row, unnest($3::BIGINT[]) AS last_row"
        query = f"SELECT $1, unnest(range(first_row, last_row + 1)) FROM ({rows})"
        work.execute(f"INSERT INTO {raw}_repeated {query}", [name, firsts, lasts])
        repeated_rows = f"SELECT _row FROM {raw}_repeated WHERE field = {text(name)}"
        cells[name] = f"CASE WHEN _row NOT IN ({repeated_rows}) THEN {quoted(name)} END"
    return list(cells.values())


def _search_excluded(work: duckdb.DuckDBPyConnection, raw: str, header: Header, account: CellAccount) -> None:
    """Search the columns that the user excludes for personal identity numbers; rules search the others."""
    beside = {column.name for column in header.beside}
    for i in header.unread:
        if i < len(header.labels) and (name := unread_name(i)) not in beside:
            is_like = f"strlen({name}) >= {SHORTEST} AND regexp_matches({name}, '{LIKE_A_NUMBER_SQL}')"
            texts = work.execute(f"SELECT DISTINCT {name} FROM {raw} WHERE {is_like} LIMIT {MAX_NUMBERS}").fetchall()
            account.search((text for (text,) in texts), column=column_letter(i))


def _coded_fields(resource: str) -> frozenset[str]:
    """Return the fields whose distinct texts are checked, which are all but free text."""
    fields = standard()[resource].fields
    return frozenset(f.name for f in fields if f.type != "string" or f.constraints or f.descriptor.get("codes"))


def columns_of(header: Header, added: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of the loaded relation: those with a label, then fields of wide labels and constants.

    `added` are the fields of group rows.
    """
    other_fields = [*sorted(header.label_fields), *(["value"] if header.wide else []), *header.constants, *added]
    return (*header.columns, *(Column(name, None, None) for name in other_fields))


def _with_factors(work: duckdb.DuckDBPyConnection, relation: str, header: Header) -> tuple[str, tuple[str, ...]]:
    """Create a view with the factors of amounts in labels, if there are any. Returns it and their fields."""
    labels = {name: header.labels[i] for i, name in enumerate(header.fields) if name in (*OF_KPI, *OF_FIELD)}
    factors = {name: str(factor) for name, label in labels.items() if (factor := factor_of_amount(label))}
    by_position = {i: factor for i in header.wide if (factor := factor_of_amount(header.labels[i]))}
    if by_position:
        cases = " ".join(f"WHEN {i} THEN {factor}" for i, factor in by_position.items())
        factors["value"] = f"CASE _row % {STRIDE} {cases} END"
    if not factors:
        return relation, ()
    columns = ", ".join(f"{factor} AS {factor_name(name)}" for name, factor in factors.items())
    work.execute(f"CREATE VIEW {relation}_factors AS SELECT *, {columns} FROM {relation}")
    return f"{relation}_factors", tuple(factors)


def fields_of_parts(loaded: Sequence[LoadedTable]) -> tuple[list[str], list[str]]:
    """Return the fields that only group rows state, and those with a column of factors, of all sheets."""
    return sorted({name for part in loaded for name in part.added}), sorted(
        {name for part in loaded for name in part.factors}
    )


def _load_rows(
    work: duckdb.DuckDBPyConnection,
    sections: Sections,
    header: Header,
    rows: Iterable[GridRow],
    raw: str,
    location: dict[str, str | None],
    merged: Mapping[int, Sequence[tuple[int, str]]],
) -> LoadedTable:
    """Load row by row, with every row's number and shape."""
    loader = _Loader(work, raw, header, location, sections.account, merged)
    has_end = sections.choices.last_row is not None and sections.resource == "observations"
    for row, kind in body(sections.rows(rows), header, has_end=has_end):
        loader.add(row, kind)
    loader.flush()
    notes = [
        Finding("assumed-total-row", Severity.NOTE, **location, row=number, text=text)  # type: ignore[arg-type]
        for number, text in loader.totals
    ]
    if loader.footnotes:
        params = {"count": loader.footnotes}
        notes.append(Finding("assumed-footnotes", Severity.NOTE, **location, params=params))  # type: ignore[arg-type]
    if sections.repeated:
        params = {"count": len(sections.repeated)}
        first = sections.repeated[0]
        notes.append(Finding("assumed-continued", Severity.NOTE, **location, row=first, params=params))  # type: ignore[arg-type]
    for number, label in sections.others:
        loader.problem("other-table", Severity.ERROR, number, None, label)
    unlisted = loader.counts - Counter(p.code for p in loader.problems)
    return LoadedTable(
        raw,
        loader.count,
        loader.unread,
        loader.numbers,
        loader.checksums,
        loader.problems,
        unlisted,
        notes,
        loader.repeated,
    )


def _merged_values(
    grid: Grid, header: Header, location: Mapping[str, str | None]
) -> Mapping[int, Sequence[tuple[int, str]]]:
    schema = standard()[str(location["resource"])]
    fields = {i: schema[name] for i, name in enumerate(header.fields) if name in schema.names}
    numbers = {i for i, field in fields.items() if field.type in ("number", "integer")} | set(header.wide)
    return merged_values(grid.properties, header.read_columns, numbers, header.row + 1)


class _Loader:
    """Batches of rows for the workspace, with findings about the rows' shape."""

    def __init__(
        self,
        work: duckdb.DuckDBPyConnection,
        raw: str,
        header: Header,
        location: dict[str, str | None],
        account: CellAccount,
        merged: Mapping[int, Sequence[tuple[int, str]]],
    ) -> None:
        self.merged = merged
        self.work, self.raw, self.header, self.location, self.account = work, raw, header, location, account
        self.positions = [(i, name) for i, name in enumerate(header.fields) if name]
        self.unread_positions = [(column_index(c.letter or ""), c.name) for c in header.beside]
        self.beside = {i for i, _ in self.unread_positions}
        self.count = self.footnotes = 0
        self.totals: list[tuple[int, str]] = []
        self.unread: Counter[int] = Counter()
        self.numbers: Counter[int] = Counter()
        self.checksums: Counter[int] = Counter()
        self.repeated: dict[str, list[tuple[int, int]]] = {}
        self.problems: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self._batch: list[GridRow] = []
        columns = ", ".join(f'"{name}" VARCHAR' for _, name in [*self.positions, *self.unread_positions])
        work.execute(f"CREATE TABLE {raw} (_row BIGINT, {columns})")

    def add(self, row: GridRow, kind: str) -> None:
        number, cells = row
        if kind in ("total", "footnote", "other-delimiter"):
            self.account.omit_row(kind, row)
            self._note_faults(row)
        if kind == "total":
            self.totals.append((number, next(cell for cell in cells if cell)))
            return
        if kind == "footnote":
            self.footnotes += 1
            return
        if kind == "other-delimiter":
            self.problem("other-delimiter", Severity.ERROR, number, "A", next(cell for cell in cells if cell))
            return
        if kind == "blank":
            self.problem("blank-row", Severity.WARNING, number)
            return
        self._check_width(number, cells)
        # A text merged over the columns of values is that of a group row.
        is_text = self.merged and filled_count(cells) == 1 and not any(map(is_number, cells))
        for column, area in self.merged.get(number, ()) if self.merged and not is_text else ():
            self.problem("merged-value", Severity.ERROR, number, column_letter(column), area)
        self.count += 1
        self._batch.append(row)
        if len(self._batch) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self._batch:
            return
        # Most files are read by columns, and importing pyarrow takes as long as checking a small one.
        import pyarrow as pa

        columns = {"_row": pa.array([number for number, _ in self._batch], pa.int64())}
        texts = list(zip_longest(*(cells for _, cells in self._batch), fillvalue=""))
        none = [""] * len(self._batch)
        for i, name in self.positions:
            columns[name] = pa.array(texts[i] if i < len(texts) else none, pa.string())
            self._note_repeated(name, texts[i] if i < len(texts) else ())
        for i in set(range(len(texts))) - {i for i, _ in self.positions}:
            self.unread[i] += filled_in_file(texts[i])
            self.checksums[i] ^= checksum_of(self._batch[0][0], texts[i])
            if i not in self.beside:
                self.account.search(texts[i], column=column_letter(i))
            if i >= len(self.header.labels) or self.header.labels[i] or not self._are_row_numbers(i, texts[i]):
                self.numbers[i] += sum(count for cell, count in Counter(texts[i]).items() if is_number(cell))
        for i, name in self.unread_positions:
            columns[name] = pa.array(texts[i] if i < len(texts) else none, pa.string())
        batch = pa.table(columns)
        cells = ", ".join(f"nullif({quoted(name)}, '')" for name in columns if name != "_row")
        self.work.register("batch", batch)
        self.work.execute(f"INSERT INTO {self.raw} SELECT _row, {cells} FROM batch")
        self.work.unregister("batch")
        self._batch = []

    def _are_row_numbers(self, position: int, texts: Sequence[str]) -> bool:
        """Return True for the consecutive numbers from 0 or 1 that programs write before each row."""
        start = self.unread[position] - len(texts)
        return any(all(cell == str(n) for n, cell in enumerate(texts, start + first)) for first in (0, 1))

    def _note_faults(self, row: GridRow) -> None:
        """Report error values in a row that is omitted; rules report those in the table."""
        number, cells = row
        for i, name in self.positions:
            if name and i < len(cells) and (code := fault_code(cells[i])):
                self.problem(code, Severity.ERROR, number, column_letter(i), cells[i])

    def _check_width(self, number: int, cells: list[str]) -> None:
        width = len(self.header.labels)
        if len(cells) < width and any(self.header.labels[len(cells) :]):
            if cell := next((c for c in cells if delimiter_within(c, width)), None):
                self.problem("other-delimiter", Severity.ERROR, number, column_letter(cells.index(cell)), cell)
                return
            missing = next(i for i in range(len(cells), width) if self.header.labels[i])
            self.problem("missing-cell", Severity.ERROR, number, column_letter(missing))
        for i in range(width, len(cells)):
            if cells[i]:
                self.problem("extra-cell", Severity.ERROR, number, column_letter(i), cells[i])

    def _note_repeated(self, name: str, texts: Sequence[str]) -> None:
        # Most files have none, and a set of types is faster than a look at each cell in Python.
        if RepeatedText in set(map(type, texts)):
            ranges = self.repeated.setdefault(name, [])
            # The texts of categories are repeated in nearly all rows of a PX file.
            for (number, _), cell in zip(self._batch, texts, strict=True):
                if type(cell) is RepeatedText:
                    first = ranges.pop()[0] if ranges and ranges[-1][1] == number - 1 else number
                    ranges.append((first, number))

    def problem(
        self, code: str, severity: Severity, row: int, column: str | None = None, text: str | None = None
    ) -> None:
        self.counts[code] += 1
        if self.counts[code] <= MAX_FINDINGS:
            resource, sheet = self.location["resource"], self.location["sheet"]
            self.problems.append(Finding(code, severity, resource, sheet, row, column, None, text))
