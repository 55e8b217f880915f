"""The fast way into the workspace for a CSV without surprises: DuckDB reads it by columns, in parallel.

DuckDB skips blank lines without a word and can't say on which line a record began. So its result is taken
only where every line after the header is exactly one record of the header's width; all else goes the exact
way, row by row (read._Loader), which costs some ten times as much and knows every row's number.
"""

import shutil
from collections.abc import Iterator, Set
from pathlib import Path

import duckdb

from vaven.schemas.tables.distinct_values import Distinct
from vaven.schemas.tables.header import SUMS, Header
from vaven.schemas.tables.sql import quoted, text

BLOCK = 1 << 22
# What Python's str.strip takes away, which the exact way uses.
BLANKS = "".join(chr(i) for i in range(0x3001) if chr(i).isspace())


def load_csv(
    work: duckdb.DuckDBPyConnection,
    distinct: Distinct,
    path: Path,
    encoding: str,
    delimiter: str,
    header: Header,
    raw: str,
    folder: Path,
    judged: Set[str],
) -> tuple[int, set[int]] | None:
    """Make the table `raw` of a text file (as read._Loader does). Rows read and positions without a label that hold
    something; None, and no table, where the file needs the exact way. `folder` is for a copy in UTF-8.

    `judged` are the columns whose different texts will be asked for anyway.
    """
    names = {f"c{i}": "VARCHAR" for i in range(len(header.labels))}
    options = (
        # A text may be called .gz, and DuckDB would go by that.
        f"columns = {names}, auto_detect = false, compression = 'none', header = false, "
        f"skip = {header.row}, delim = {text(delimiter)}, "
        "quote = '\"', escape = '\"', null_padding = false, allow_quoted_nulls = true, max_line_size = 1000000"
    )
    path = path if encoding.startswith("utf-8") else _in_utf8(path, encoding, folder / f"{raw}.utf8")
    lines = _lines(path)
    known = ", ".join(f"c{i} AS {quoted(name)}" for i, name in enumerate(header.fields) if name)
    others = "".join(f", c{i}" for i in _unlabelled(header))
    source = f"SELECT {known}{others} FROM read_csv({text(path)}, {options})"
    try:
        work.execute(f"CREATE TABLE {raw}_lines AS {source}")
    except duckdb.InvalidInputException:
        # A ragged row, a broken quote, a line beyond the limit: the exact way tells which row and what of it.
        return None
    (count,) = work.execute(f"SELECT count(*) FROM {raw}_lines").fetchone() or (0,)
    if count == 0 or count != lines - header.row:
        work.execute(f"DROP TABLE {raw}_lines")
        return None
    table = _trimmed(work, distinct, raw, header, judged)
    if _has_sparse_rows(work, table, header) or _has_total(work, distinct, table, header):
        work.execute(f"DROP TABLE {table}")
        distinct.forget(table)
        return None
    filled = _filled(work, table, header)
    work.execute(f"CREATE VIEW {raw} AS SELECT rowid + {header.row + 1} AS _row, * FROM {table}")
    for name in judged:
        distinct.alias(raw, name, table)
    return int(count), filled


def _trimmed(work: duckdb.DuckDBPyConnection, distinct: Distinct, raw: str, header: Header, judged: Set[str]) -> str:
    """The table of lines, made anew where some cell has blanks around its text.

    To trim every cell takes half as long as all the reading, so the different texts are looked at first.
    """
    lines = f"{raw}_lines"
    blank = set(_with_blanks(work, distinct, lines, header, judged))
    if not blank:
        return lines
    cells = ", ".join(
        f"nullif(trim({quoted(name)}, {text(BLANKS)}), '') AS {quoted(name)}" if name in blank else quoted(name)
        for name in header.fields
        if name
    )
    others = "".join(f", c{i}" for i in _unlabelled(header))
    work.execute(f"CREATE TABLE {raw}_trimmed AS SELECT {cells}{others} FROM {lines}")
    work.execute(f"DROP TABLE {lines}")
    for name in judged - blank:
        distinct.alias(f"{raw}_trimmed", name, lines)
    return f"{raw}_trimmed"


def _with_blanks(
    work: duckdb.DuckDBPyConnection, distinct: Distinct, lines: str, header: Header, judged: Set[str]
) -> Iterator[str]:
    for name in (name for name in header.fields if name):
        cell = quoted(name)
        source = f"(SELECT cell AS {cell} FROM {distinct.of(lines, name)})" if name in judged else lines
        query = f"SELECT 1 FROM {source} WHERE {cell} <> trim({cell}, {text(BLANKS)}) LIMIT 1"
        if work.execute(query).fetchone():
            yield name


def _in_utf8(path: Path, encoding: str, copy: Path) -> Path:
    """A copy that DuckDB can read; line breaks stay what they are."""
    with path.open(encoding=encoding, newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
        shutil.copyfileobj(source, target, BLOCK)
    return copy


def _unlabelled(header: Header) -> list[int]:
    return [i for i, label in enumerate(header.labels) if not label]


def _lines(path: Path) -> int:
    """Physical lines; a last one without a line break counts."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def _has_sparse_rows(work: duckdb.DuckDBPyConnection, table: str, header: Header) -> bool:
    """Whether some row is none of data: with fewer than two filled cells it may be blank or a footnote, which only its
    place tells, and with the header's own labels it is a header again.
    """
    cells = [(quoted(name), header.labels[i]) for i, name in enumerate(header.fields) if name]
    filled = " + ".join(f"({cell} IS NOT NULL)::INT" for cell, _ in cells)
    repeated = " AND ".join(f"{cell} = {text(label)}" for cell, label in cells[:2])
    found = work.execute(f"SELECT count(*) FROM {table} WHERE {filled} < 2 OR ({repeated})").fetchone()
    return bool(found and found[0])


def _has_total(work: duckdb.DuckDBPyConnection, distinct: Distinct, table: str, header: Header) -> bool:
    """Whether some row may sum up the others (layout.body)."""
    if "neighbourhood" not in header.fields:
        return False
    says = f"trim(lower({{cell}}), ' :') IN ({', '.join(map(text, sorted(SUMS)))})"
    if distinct.has(table, "neighbourhood", says.format(cell="cell")):
        return True
    words = " OR ".join(says.format(cell=quoted(name)) for name in header.fields if name)
    query = f"SELECT 1 FROM (SELECT * FROM {table} WHERE neighbourhood IS NULL) WHERE {words} LIMIT 1"
    return work.execute(query).fetchone() is not None


def _filled(work: duckdb.DuckDBPyConnection, table: str, header: Header) -> set[int]:
    positions = _unlabelled(header)
    if not positions:
        return set()
    counts = ", ".join(f"count(*) FILTER (trim(c{i}) <> '')" for i in positions)
    found = work.execute(f"SELECT {counts} FROM {table}").fetchone() or ()
    return {i for i, count in zip(positions, found, strict=True) if count}
