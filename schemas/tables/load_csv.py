"""Columnar loading of a regular CSV: DuckDB reads it by columns, in parallel.

DuckDB skips blank lines silently and does not report the line on which a record begins. Its result is therefore used
only if every line after the header is exactly one record of the header's width; other files are loaded row by row
(load._Loader), which costs some ten times as much and has every row's number.
"""

import shutil
from collections.abc import Iterator, Set
from pathlib import Path

import duckdb

from vaven.schemas.standard.data_like import NUMBER
from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.standard.sql import BLANKS, checksum, quoted, text
from vaven.schemas.tables.data_rows import TOTAL_WORDS
from vaven.schemas.tables.header import Header

BLOCK = 1 << 22


def load_csv(
    work: duckdb.DuckDBPyConnection,
    distinct: DistinctTexts,
    path: Path,
    encoding: str,
    delimiter: str,
    header: Header,
    raw: str,
    folder: Path,
    coded: Set[str],
) -> tuple[int, dict[int, int], dict[int, int], dict[int, int]] | None:
    """Create the table `raw` from a text file, as load._Loader does. `folder` is for a copy in UTF-8.

    Returns the number of rows and, by position, the numbers of non-empty cells and of numbers in each column that is
    not read, and the checksum of its texts; None, and no table, if the file must be loaded by rows. `coded` are the
    columns whose distinct texts are needed later anyway.
    """
    names = {f"c{i}": "VARCHAR" for i in range(len(header.labels))}
    options = (
        # A text may be named .gz, and DuckDB would rely on that.
        f"columns = {names}, auto_detect = false, compression = 'none', header = false, "
        f"skip = {header.row}, delim = {text(delimiter)}, "
        "quote = '\"', escape = '\"', null_padding = false, allow_quoted_nulls = true, max_line_size = 1000000"
    )
    path = path if encoding.startswith("utf-8") else _utf8_copy(path, encoding, folder / f"{raw}.utf8")
    lines = _line_count(path)
    labelled = ", ".join(f"c{i} AS {quoted(name)}" for i, name in enumerate(header.fields) if name)
    # Columns that are not read may tell rows apart; of those excluded by the user, the number of cells is needed.
    others = "".join(f", nullif(trim(c{i}, {text(BLANKS)}), '') AS c{i}" for i in header.unread)
    source = f"SELECT {labelled}{others} FROM read_csv({text(path)}, {options})"
    try:
        work.execute(f"CREATE TABLE {raw}_lines AS {source}")
    except duckdb.InvalidInputException:
        # A ragged row, an unclosed quotation mark, a line beyond the limit: loading by rows reports row and reason.
        return None
    (count,) = work.execute(f"SELECT count(*) FROM {raw}_lines").fetchone() or (0,)
    if count == 0 or count != lines - header.row:
        work.execute(f"DROP TABLE {raw}_lines")
        return None
    table = _trimmed(work, distinct, raw, header, coded)
    if _has_sparse_rows(work, table, header) or _has_total(work, distinct, table, header):
        work.execute(f"DROP TABLE {table}")
        distinct.forget(table)
        return None
    columns = _unread_columns(work, table, header)
    work.execute(f"CREATE VIEW {raw} AS SELECT rowid + {header.row + 1} AS _row, * FROM {table}")
    for name in coded:
        distinct.alias(raw, name, table)
    return int(count), *columns


def _trimmed(
    work: duckdb.DuckDBPyConnection, distinct: DistinctTexts, raw: str, header: Header, coded: Set[str]
) -> str:
    """Return the table of lines, replaced by a trimmed one if some cell has surrounding blanks.

    Trimming every cell takes half as long as reading, so the distinct texts are tested first.
    """
    lines = f"{raw}_lines"
    blank = set(_with_blanks(work, distinct, lines, header, coded))
    if not blank:
        return lines
    cells = ", ".join(
        f"nullif(trim({quoted(name)}, {text(BLANKS)}), '') AS {quoted(name)}" if name in blank else quoted(name)
        for name in header.fields
        if name
    )
    others = "".join(f", c{i}" for i in header.unread)
    work.execute(f"CREATE TABLE {raw}_trimmed AS SELECT {cells}{others} FROM {lines}")
    work.execute(f"DROP TABLE {lines}")
    for name in coded - blank:
        distinct.alias(f"{raw}_trimmed", name, lines)
    return f"{raw}_trimmed"


def _number(cell: str) -> str:
    """Return SQL of a cell's whole number, -1 for another number (data_like.is_number), NULL for any other text."""
    # The first character rules most texts out.
    digits = ", ".join(map(str, range(ord("0"), ord("9") + 1)))
    begins = f"ascii({cell}) IN ({ord('+')}, {ord('-')}, {ord('−')}, {digits})"
    is_number = f"{begins} AND regexp_full_match({cell}, {text(NUMBER.pattern)})"
    return f"CASE WHEN {is_number} THEN coalesce(TRY_CAST({cell} AS BIGINT), -1) END"


def _with_blanks(
    work: duckdb.DuckDBPyConnection, distinct: DistinctTexts, lines: str, header: Header, coded: Set[str]
) -> Iterator[str]:
    for name in (name for name in header.fields if name):
        cell = quoted(name)
        source = f"(SELECT cell AS {cell} FROM {distinct.of(lines, name)})" if name in coded else lines
        query = f"SELECT 1 FROM {source} WHERE {cell} <> trim({cell}, {text(BLANKS)}) LIMIT 1"
        if work.execute(query).fetchone():
            yield name


def _utf8_copy(path: Path, encoding: str, copy: Path) -> Path:
    """Write a copy that DuckDB can read, with the same line breaks."""
    with path.open(encoding=encoding, newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
        shutil.copyfileobj(source, target, BLOCK)
    return copy


def _line_count(path: Path) -> int:
    """Count physical lines, including a last one without a line break; -1 if a line ends in a carriage return alone.

    DuckDB takes it for the end of a record, which could hide a line break in a quoted cell from the count.
    """
    count, last, returns, pairs = 0, b"\n", 0, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            pairs += last == b"\r" and block.startswith(b"\n")
            if b"\r" in block:
                returns += block.count(b"\r")
                pairs += block.count(b"\r\n")
            last = block[-1:]
    return count + (last != b"\n") if returns == pairs else -1


def _has_sparse_rows(work: duckdb.DuckDBPyConnection, table: str, header: Header) -> bool:
    """Return True if some row may not be data: fewer than two filled cells, or the header's own labels.

    The former may be blank or a footnote, depending on its position; the latter repeats the header.
    """
    cells = [(quoted(name), header.labels[i]) for i, name in enumerate(header.fields) if name]
    filled = " + ".join(f"({cell} IS NOT NULL)::INT" for cell, _ in cells)
    repeated = " AND ".join(f"{cell} = {text(label)}" for cell, label in cells[:2])
    count = work.execute(f"SELECT count(*) FROM {table} WHERE {filled} < 2 OR ({repeated})").fetchone()
    return bool(count and count[0])


def _has_total(work: duckdb.DuckDBPyConnection, distinct: DistinctTexts, table: str, header: Header) -> bool:
    """Return True if some row may be a total row (data_rows.body)."""
    if "neighbourhood" not in header.fields:
        return False
    is_total = f"trim(lower({{cell}}), ' :') IN ({', '.join(map(text, sorted(TOTAL_WORDS)))})"
    if distinct.has(table, "neighbourhood", is_total.format(cell="cell")):
        return True
    words = " OR ".join(is_total.format(cell=quoted(name)) for name in header.fields if name)
    query = f"SELECT 1 FROM (SELECT * FROM {table} WHERE neighbourhood IS NULL) WHERE {words} LIMIT 1"
    return work.execute(query).fetchone() is not None


def _unread_columns(
    work: duckdb.DuckDBPyConnection, table: str, header: Header
) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """Return the non-empty cells of each column that is not read, those with numbers, and a checksum of the texts.

    The numbers of rows in a column without a label do not count.
    """
    positions = list(header.unread)
    if not positions:
        return {}, {}, {}
    cells = ", ".join(f"c{i}, {_number(f'c{i}')} AS n{i}" for i in positions)
    checksums_of = {
        i: f"coalesce(bit_xor({checksum('rowid', f'c{i}')}) FILTER (c{i} IS NOT NULL), 0)" for i in positions
    }
    counts = ", ".join(f"count(c{i}), {_numbers(i, header)}, {checksums_of[i]}" for i in positions)
    counted = work.execute(f"SELECT {counts} FROM (SELECT rowid, {cells} FROM {table})").fetchone() or ()
    filled, numbers, checksums = (dict(zip(positions, counted[i::3], strict=True)) for i in range(3))
    return filled, numbers, checksums


def _numbers(position: int, header: Header) -> str:
    number = f"n{position}"
    if header.labels[position]:
        return f"count({number})"
    is_consecutive = f"max({number}) - min({number}) + 1 = count(*) AND count(DISTINCT {number}) = count(*)"
    return f"CASE WHEN min({number}) IN (0, 1) AND {is_consecutive} THEN 0 ELSE count({number}) END"
