"""CSV, TSV and other delimited text as a grid: the delimiter is detected, rows have physical line numbers."""

import csv
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from io import StringIO, TextIOWrapper
from itertools import islice
from pathlib import Path

from vaven.schemas.formats.grid import MAX_COLUMNS, CellCount, Grid, GridRow, counted
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.vocab.errors import NotReadable

DELIMITERS = (";", ",", "\t", "|")
DELIMITER_NAMES = {";": ";", ",": ",", "\t": "tab", "|": "|"}
# Encodings that are guessed, by the names that programs show to users.
ENCODING_NAMES = {"cp1252": "Windows-1252", "mac-roman": "Mac Roman", "cp850": "DOS (CP850)"}
SAMPLE_LINES = 100
# A quoted cell of more lines than this is an unclosed quotation mark, not a long note.
MAX_RECORD_LINES = 200
MAX_CELL = 1_000_000
PROGRESS_ROWS = 5_000
BLOCK = 1 << 20
# The characters that str.strip removes.
ASCII_BLANKS = bytes(code for code in range(128) if chr(code).isspace())
WIDE_BLANKS = [chr(code).encode() for code in range(128, 0x3001) if chr(code).isspace()]


def read_delimited(path: Path, encoding: str, choices: ReadOptions = DETECT, progress: Progress = no_progress) -> Grid:
    """Read a text file as one grid. A row's number is the line on which its record begins."""
    delimiter = delimiter_of(path, encoding, choices)
    notes = []
    if encoding in ENCODING_NAMES and choices.encoding is None:
        notes.append(Finding("assumed-encoding", Severity.NOTE, params={"encoding": ENCODING_NAMES[encoding]}))
    if delimiter != "," and choices.delimiter is None:
        params = {"delimiter": DELIMITER_NAMES[delimiter]}
        notes.append(Finding("assumed-delimiter", Severity.NOTE, params=params))
    count = CellCount()
    rows = counted(_rows(path, encoding, delimiter, progress), count)
    plain = (path, encoding, delimiter)
    return Grid(path.name, None, rows, delimiter != ",", tuple(notes), plain, cell_count=count)


def delimiter_of(path: Path, encoding: str, choices: ReadOptions) -> str:
    """Return the user's delimiter, or detect it in the file's first lines."""
    # The limit is global in the process, and other libraries (Frictionless) raise it.
    csv.field_size_limit(MAX_CELL)
    with path.open(encoding=encoding, newline="") as lines:
        sample = [line[:10_000] for line in islice(lines, SAMPLE_LINES)]
    return choices.delimiter or find_delimiter(sample)


def find_delimiter(sample: list[str]) -> str:
    """Return the delimiter that splits the largest share of records into the same number of cells, two at least.

    It is a share, since a wrong delimiter also splits quoted cells of several lines into more records. A single column
    is comma separated by definition (RFC 4180).
    """

    def fitness(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        several = {width: count for width, count in widths.items() if width > 1}
        width, count = max(several.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
        return count / max(widths.total(), 1), width

    best = max(DELIMITERS, key=fitness)
    return best if fitness(best)[0] else ","


def _rows(path: Path, encoding: str, delimiter: str, progress: Progress) -> Iterator[GridRow]:
    size = path.stat().st_size
    with path.open("rb") as file, TextIOWrapper(file, encoding=encoding, newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter)
        before = 0
        try:
            for number, record in enumerate(reader):
                if number % PROGRESS_ROWS == 0:
                    progress("reading", file.tell() / size)
                if len(record) > MAX_COLUMNS:
                    raise NotReadable("not-readable-columns", file=path.name, columns=MAX_COLUMNS)
                if reader.line_num - before > MAX_RECORD_LINES:
                    raise NotReadable("not-readable-quote", file=path.name, row=before + 1)
                yield before + 1, [cell.strip() for cell in record]
                before = reader.line_num
        except csv.Error as cause:
            raise NotReadable("not-readable-line", file=path.name, row=before + 1) from cause


def filled_cells(path: Path, encoding: str, delimiter: str, width: int) -> int:
    """Count the non-empty cells of a text without line breaks in cells, each of whose records has `width` cells.

    Bytes are counted without splitting them, at a fifth of the cost of parsing. Only a block with a delimiter in a
    quoted cell is split, which has more delimiters than its records need.
    """
    count = 0
    for i, block in enumerate(_blocks_of_lines(path, encoding)):
        # Rows above the header, which are in the first block, may have any width.
        count += _filled_in_block(block, delimiter, width if i else None)
    return count


def _blocks_of_lines(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the text in UTF-8, in blocks that end with a line."""
    rest = b""
    for block in _utf8_blocks(path, encoding):
        lines, line_feed, begun = block.rpartition(b"\n")
        if line_feed:
            yield rest + lines + line_feed
            rest = begun
        else:
            rest += block
    yield rest


def _utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    if encoding.startswith("utf-8"):
        with path.open("rb") as file:
            yield file.read(BLOCK).removeprefix(BOM_UTF8 if encoding == "utf-8-sig" else b"")
            yield from iter(lambda: file.read(BLOCK), b"")
    else:
        with path.open(encoding=encoding, newline="") as text:
            yield from (block.encode() for block in iter(lambda: text.read(BLOCK), ""))


def _filled_in_block(block: bytes, delimiter: str, width: int | None) -> int:
    separator = delimiter.encode()
    for blank in WIDE_BLANKS if not block.isascii() else ():
        # Looking for each byte is faster than for the character, and most texts lack one of them.
        if all(byte in block for byte in blank):
            block = block.replace(blank, b" ")
    if b'"' in block and (b'"""' in block or not _has_plain_cells(block, separator, width)):
        marked = None if b'"""' in block else _with_quoted_cells_marked(block, separator)
        if marked is None:
            reader = csv.reader(StringIO(block.decode(), newline=""), delimiter=delimiter)
            return sum(1 for record in reader for cell in record if cell.strip())
        block = marked
    # Every separator becomes a line feed and any other character an x, so that each cell begins with the same bytes.
    table = bytes(10 if code in (10, separator[0]) else 120 for code in range(256))
    marks = block.translate(table, bytes(set(ASCII_BLANKS + b'"') - {10, separator[0]}))
    return marks.count(b"\nx") + marks.startswith(b"x")


def _with_quoted_cells_marked(block: bytes, separator: bytes) -> bytes | None:
    """Replace each quoted text by an x unless it is blank; None if a quotation mark is inside an unquoted cell."""
    parts = block.split(b'"')
    before, after = (b"", separator, b"\n"), (b"", separator, b"\n", b"\r")
    between = parts[2:-1:2]
    if parts[0][-1:] not in before or parts[-1][:1] not in after or not len(parts) % 2:
        return None
    if {part[-1:] for part in between}.difference(before) or {part[:1] for part in between}.difference(after):
        return None
    parts[1::2] = [b"x" if part.strip(ASCII_BLANKS) else b"" for part in parts[1::2]]
    return b"".join(parts)


def _has_plain_cells(block: bytes, separator: bytes, width: int | None) -> bool:
    """Return True if no delimiter is in a quoted cell, so that all of them separate cells."""
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    return width is not None and block.count(separator) == (width - 1) * lines
