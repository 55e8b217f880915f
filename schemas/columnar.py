"""The fast way into the workspace for a CSV without surprises: DuckDB reads it by columns, in parallel.

DuckDB skips blank lines without a word and can't say on which line a record began. So its result is taken
only where every line after the header is exactly one record of the header's width; all else goes the exact
way, row by row (read._Loader), which costs some ten times as much and knows every row's number.
"""

import shutil
from pathlib import Path

import duckdb

from vaven.schemas.layout import Header
from vaven.schemas.quoting import quoted, text

BLOCK = 1 << 22
# What Python's str.strip takes away and a partner's file holds: blanks, tabs, and the three unbreakable ones.
BLANKS = " \t\u00a0\u202f\u2009"
ODD_BLANKS = [blank.encode() for blank in BLANKS[1:]]


def load_columns(
    work: duckdb.DuckDBPyConnection,
    path: Path,
    encoding: str,
    delimiter: str,
    header: Header,
    raw: str,
    folder: Path,
) -> tuple[int, set[int]] | None:
    """Make the table `raw` of a text file (as read._Loader does). Rows read and positions without a label that hold
    something; None, and no table, where the file needs the exact way. `folder` is for a copy in UTF-8.
    """
    names = {f"c{i}": "VARCHAR" for i in range(len(header.labels))}
    options = (
        # A text may be called .gz, and DuckDB would go by that.
        f"columns = {names}, auto_detect = false, compression = 'none', header = false, "
        f"skip = {header.row}, delim = {text(delimiter)}, "
        "quote = '\"', escape = '\"', null_padding = false, max_line_size = 1000000"
    )
    path = path if encoding.startswith("utf-8") else _in_utf8(path, encoding, folder / f"{raw}.utf8")
    lines, has_odd_blanks = _walk(path, delimiter)
    # Trimming by a set of characters takes as long as all the reading, so it is done only where it may matter.
    trimmed = f", {text(BLANKS)}" if has_odd_blanks else ""
    known = ", ".join(
        f"nullif(trim(c{i}{trimmed}), '') AS {quoted(name)}" for i, name in enumerate(header.fields) if name
    )
    others = "".join(f", c{i}" for i in _unlabelled(header))
    source = f"SELECT {known}{others} FROM read_csv({text(path)}, {options})"
    try:
        work.execute(f"CREATE TABLE {raw}_lines AS {source}")
    except duckdb.InvalidInputException:
        # A ragged row, a broken quote, a line beyond the limit: the exact way tells which row and what of it.
        return None
    (count,) = work.execute(f"SELECT count(*) FROM {raw}_lines").fetchone() or (0,)
    if count == 0 or count != lines - header.row or _has_sparse_rows(work, raw, header):
        work.execute(f"DROP TABLE {raw}_lines")
        return None
    filled = _filled(work, raw, header)
    work.execute(f"CREATE VIEW {raw} AS SELECT rowid + {header.row + 1} AS _row, * FROM {raw}_lines")
    return int(count), filled


def _in_utf8(path: Path, encoding: str, copy: Path) -> Path:
    """A copy that DuckDB can read; line breaks stay what they are."""
    with path.open(encoding=encoding, newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
        shutil.copyfileobj(source, target, BLOCK)
    return copy


def _unlabelled(header: Header) -> list[int]:
    return [i for i, label in enumerate(header.labels) if not label]


def _walk(path: Path, delimiter: str) -> tuple[int, bool]:
    """Physical lines (a last one without a line break counts), and whether there are blanks other than spaces."""
    count, last, has_odd_blanks = 0, b"\n", False
    odd = [blank for blank in ODD_BLANKS if blank != delimiter.encode()]
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n")
            # Looking for a byte is quick, for a sequence of them slow, and ASCII holds only the tab of these.
            wanted = [b for b in odd if len(b) == 1] if block.isascii() else odd
            # A character may lie across two blocks; its first byte alone is reason enough to look closer.
            has_odd_blanks = has_odd_blanks or any(b in block or block.endswith(b[:1]) for b in wanted)
            last = block[-1:]
    return count + (last != b"\n"), has_odd_blanks


def _has_sparse_rows(work: duckdb.DuckDBPyConnection, raw: str, header: Header) -> bool:
    """Whether some row is none of data: with fewer than two filled cells it may be blank or a footnote, which only its
    place tells, and with the header's own labels it is a header again.
    """
    cells = [(quoted(name), header.labels[i]) for i, name in enumerate(header.fields) if name]
    filled = " + ".join(f"({cell} IS NOT NULL)::INT" for cell, _ in cells)
    repeated = " AND ".join(f"{cell} = {text(label)}" for cell, label in cells[:2])
    found = work.execute(f"SELECT count(*) FROM {raw}_lines WHERE {filled} < 2 OR ({repeated})").fetchone()
    return bool(found and found[0])


def _filled(work: duckdb.DuckDBPyConnection, raw: str, header: Header) -> set[int]:
    positions = _unlabelled(header)
    if not positions:
        return set()
    counts = ", ".join(f"count(*) FILTER (trim(c{i}) <> '')" for i in positions)
    found = work.execute(f"SELECT {counts} FROM {raw}_lines").fetchone() or ()
    return {i for i, count in zip(positions, found, strict=True) if count}
