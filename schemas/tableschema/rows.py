"""Loading of a Frictionless resource's rows as text into the workspace, with Frictionless's row numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from frictionless import Dialect
from frictionless.formats import CsvControl
from frictionless.resources import TableResource
from frictionless.table.row import create_cell_handlers

from vaven.schemas.formats.csv import filled_cells
from vaven.schemas.standard.sql import BLANKS, checksum, quoted, text
from vaven.schemas.tableschema.row_account import RowAccount

BATCH_ROWS = 20_000
BLOCK = 1 << 22
# Maximum number of rows of another width, which are stored in full.
MAX_ODD_ROWS = 100_000
# Width from which a table with few rows is faster row by row: DuckDB's time grows with the square of the width.
WIDE = 200
# Columns of one query: the time for a query grows with the square of its expressions.
COUNTED_COLUMNS = 50
# Maximum length of a line for DuckDB. The csv module's limit on cells does not apply: Frictionless raises it.
MAX_LINE = 1_000_000


class NotColumnar(Exception):
    """The resource can't be validated by columns. Internal: `judge` falls back to Frictionless."""


@dataclass
class ReadColumn:
    """A field of the data: its column in the relation, and Frictionless's reader of its texts.

    `error_counts` has the number of type errors and of other errors of each invalid text.
    """

    number: int
    field: Any
    reader: Callable[[Any], tuple[Any, Any]]
    error_counts: dict[str | None, tuple[int, int]] = field(default_factory=dict)
    blanks: set[str | None] = field(default_factory=set)

    @property
    def sql(self) -> str:
        return f"c{self.number}"


@dataclass
class LoadedRows:
    """Rows of a resource in the relation `name` (`_row`, c0 …); `odd` has the complete rows of another width.

    `missing` are the schema's missing values.
    """

    name: str
    columns: list[ReadColumn]
    count: int
    odd: dict[int, list[Any]]
    handlers: Any
    missing: tuple[str, ...]


def load_rows(
    resource: TableResource, work: duckdb.DuckDBPyConnection, name: str, account: RowAccount | None = None
) -> LoadedRows:
    """Load the rows of an open resource as text: by DuckDB if its rows are provably the same, else by Frictionless.

    `account` counts the labels and the rows that are dropped.
    """
    handlers = create_cell_handlers(resource.header.get_expected_fields())
    columns = [ReadColumn(i, handler.field, handler.reader) for i, handler in enumerate(handlers.values())]
    if not columns:
        raise NotColumnar
    work.execute(f"DROP TABLE IF EXISTS {name}")
    count = None
    if lines := _plain_lines(resource, len(columns)):
        control = CsvControl.from_dialect(resource.dialect)
        text_file = Path(str(resource.normpath)), str(resource.encoding), control.delimiter, len(columns)
        # The thread ends here, since a process must not fork beside it.
        with ThreadPoolExecutor(1) as beside:
            total = beside.submit(filled_cells, *text_file) if account else None
            count = _by_duckdb(work, name, lines, *text_file)
        if account and total and count is not None:
            account.enter_header(resource, total.result())
    odd: dict[int, list[Any]] = {}
    if count is None:
        rows = resource.dialect.read_enumerated_content_stream(resource.cell_stream)
        count = _walked(account.entered(rows) if account else rows, work, name, len(columns), odd)
    return LoadedRows(name, columns, count, odd, handlers, tuple(map(str, resource.schema.missing_values)))


def _plain_lines(resource: TableResource, width: int) -> int | None:
    """Return the number of lines of a text; None if quotes, line ends or ragged lines could make DuckDB's rows differ.

    So could options of the dialect.
    """
    path = Path(resource.normpath) if resource.normpath and not resource.extrapaths else None
    control = CsvControl.from_dialect(resource.dialect)
    is_plain = resource.format in ("csv", "tsv") and not resource.compression and _is_plain(resource.dialect)
    # In a table of one column, DuckDB reads a blank line as a row, Frictionless as a row without cells.
    if (
        not path
        or not is_plain
        or width == 1
        or len(resource.labels) != width
        or control.skip_initial_space
        or control.escape_char
    ):
        return None
    if resource.encoding not in ("utf-8", "ascii") or control.null_sequence is not None or control.quote_char != '"':
        return None
    if not control.double_quote or len(control.delimiter) != 1 or not control.delimiter.isascii():
        return None
    return _lines(path, control.delimiter.encode(), width)


def _by_duckdb(
    work: duckdb.DuckDBPyConnection, name: str, lines: int, path: Path, _encoding: str, delimiter: str, width: int
) -> int | None:
    """Load by DuckDB's reader, which takes UTF-8; None if blank lines make its rows differ."""
    names = {f"c{i}": "VARCHAR" for i in range(width)}
    cells = ", ".join(f"coalesce(c{i}, '') AS c{i}" for i in range(width))
    options = (
        # DuckDB would infer compression from the extension, even of an uncompressed file.
        f"columns = {names}, auto_detect = false, compression = 'none', header = false, "
        f"skip = 1, delim = {text(delimiter)}, "
        f"quote = '', escape = '', null_padding = false, max_line_size = {MAX_LINE}"
    )
    with suppress(duckdb.InvalidInputException):
        source = f"SELECT {cells} FROM read_csv({text(path)}, {options})"
        work.execute(f"CREATE TABLE {quoted(name)} AS SELECT row_number() OVER () + 1 AS _row, * FROM ({source})")
        if (count := number_of(work, f"SELECT count(*) FROM {name}")) == lines - 1:
            return count
    work.execute(f"DROP TABLE IF EXISTS {name}")
    return None


def refuse_wide(resource: TableResource) -> None:
    """Raise NotColumnar for a text that is faster row by row, before it is opened, which takes as long for it."""
    width = len(resource.schema.fields)
    if width < WIDE or resource.format not in ("csv", "tsv") or resource.compression or resource.extrapaths:
        return
    if resource.normpath and _has_fewer_lines(Path(resource.normpath), width // 2):
        raise NotColumnar


def _has_fewer_lines(path: Path, count: int) -> bool:
    with path.open("rb") as file:
        while count > 0 and (block := file.read(BLOCK)):
            count -= block.count(b"\n")
    return count > 0


def _is_plain(dialect: Dialect) -> bool:
    usual = Dialect()
    names = ("header", "header_rows", "comment_char", "comment_rows", "skip_blank_rows")
    return all(getattr(dialect, name) == getattr(usual, name) for name in names)


def _lines(path: Path, delimiter: bytes, width: int) -> int | None:
    """Count the lines of a text in which each line is a row of `width` cells.

    Returns None for texts with quotes, NULs, mixed line ends or a byte order mark. Delimiters are counted too, since
    DuckDB ignores a superfluous one at the end of a line.
    """
    count, last, returns, pairs, delimiters = 0, b"\n", 0, 0, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if b'"' in block or b"\0" in block or (last == b"\n" and not count and block.startswith(b"\xef\xbb\xbf")):
                return None
            returns += block.count(b"\r")
            pairs += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
            count += block.count(b"\n")
            delimiters += block.count(delimiter)
            last = block[-1:]
    lines = count + (last != b"\n")
    is_even = returns == pairs and pairs in (0, count) and delimiters == lines * (width - 1)
    return lines if is_even else None


def _walked(
    rows: Iterator[tuple[int, list[Any]]],
    work: duckdb.DuckDBPyConnection,
    name: str,
    width: int,
    odd: dict[int, list[Any]],
) -> int:
    """Load rows from Frictionless's own parser, in batches, and return their number."""
    names = [f"c{i}" for i in range(width)]
    work.execute(f"CREATE TABLE {name} (_row BIGINT, {', '.join(f'{n} VARCHAR' for n in names)})")
    count = 0
    while batch := list(islice(rows, BATCH_ROWS)):
        count += len(batch)
        for number, cells in batch:
            if len(cells) != width:
                odd[number] = list(cells)
        if len(odd) > MAX_ODD_ROWS:
            raise NotColumnar
        columns = zip(*((*cells, *[None] * (width - len(cells)))[:width] for _, cells in batch), strict=True)
        try:
            texts = {n: pa.array(cells, pa.string()) for n, cells in zip(names, columns, strict=True)}
        except (pa.ArrowException, UnicodeError) as cause:
            # Cells that are not text: numbers and dates of a workbook or of JSON.
            raise NotColumnar from cause
        _insert(work, name, pa.table({"_row": pa.array([n for n, _ in batch], pa.int64()), **texts}))
    return count


def count_cells(work: duckdb.DuckDBPyConnection, loaded: LoadedRows, account: RowAccount) -> None:
    """Count the cells of a relation, once the `blanks` of its columns are known."""
    for first in range(0, len(loaded.columns), COUNTED_COLUMNS):
        columns = loaded.columns[first : first + COUNTED_COLUMNS]
        conditions = [_filled_and_missing(column) for column in columns]
        counts = ", ".join(f"count(*) FILTER ({where})" for pair in conditions for where in pair)
        numbers = iter(work.execute(f"SELECT {counts} FROM {loaded.name}").fetchone() or ())
        for column, (filled, missing) in zip(columns, conditions, strict=True):
            omitted = missing if account.has_field(column.number) else f"({filled}) OR ({missing})"
            account.enter_column(column.number, next(numbers), next(numbers), _checksum(work, loaded, column, omitted))
    for number, cells in loaded.odd.items():
        account.omit_extra_cells(number, cells, len(loaded.columns))


def _filled_and_missing(column: ReadColumn) -> tuple[str, str]:
    """Return SQL conditions for a column's cells with a value, and for its non-empty cells with a missing value."""
    # Trimming each cell would take longer than all else: most texts begin with a visible character of ASCII.
    filled = (
        f"CASE WHEN {column.sql} >= '!' AND {column.sql} < '\x7f' THEN true "
        f"ELSE trim({column.sql}, {text(BLANKS)}) <> '' END"
    )
    missing = ", ".join(text(cell) for cell in column.blanks if cell and cell.strip())
    if not missing:
        return filled, "false"
    return f"{filled} AND {column.sql} NOT IN ({missing})", f"{column.sql} IN ({missing})"


def _checksum(work: duckdb.DuckDBPyConnection, loaded: LoadedRows, column: ReadColumn, where: str) -> int:
    if where == "false":
        return 0
    query = f"SELECT bit_xor({checksum('_row', column.sql)}) FROM {loaded.name} WHERE {where}"
    (combined,) = work.execute(query).fetchone() or (None,)
    return int(combined or 0)


def _insert(work: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    work.register("batch", rows)
    work.execute(f"INSERT INTO {name} SELECT * FROM batch")
    work.unregister("batch")


def number_of(work: duckdb.DuckDBPyConnection, query: str) -> int:
    (number,) = work.execute(query).fetchone() or (0,)
    return int(number)


def create_table(
    work: duckdb.DuckDBPyConnection, name: str, kinds: Mapping[str, pa.DataType], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Create a table of the rows, or replace it; `kinds` are the types of its columns."""
    arrays = {n: pa.array([row[i] for row in rows], kind) for i, (n, kind) in enumerate(kinds.items())}
    work.execute(f"DROP TABLE IF EXISTS {name}")
    work.register("batch", pa.table(arrays))
    work.execute(f"CREATE TABLE {name} AS SELECT * FROM batch")
    work.unregister("batch")
