"""CSV, TSV and other delimited text as a grid: the delimiter is detected, rows have physical line numbers."""

import csv
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from io import StringIO, TextIOWrapper
from itertools import islice
from pathlib import Path

from vaven.schemas.formats.grid import MAX_COLUMNS, CellCount, Grid, GridRow, counted
from vaven.schemas.standard.data_like import DELIMITERS, is_record_line
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold, known_labels
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.vocab.errors import NotReadable

DELIMITER_NAMES = {";": ";", ",": ",", "\t": "tab", "|": "|"}
# Encodings that are guessed, by the names that programs show to users.
ENCODING_NAMES = {"cp1252": "Windows-1252", "mac-roman": "Mac Roman", "cp850": "DOS (CP850)"}
SAMPLE_LINES = 100
# A quoted cell of more lines than this is an unclosed quotation mark, not a long note.
MAX_RECORD_LINES = 200
MAX_CELL = 1_000_000
ABSORBED = "not-readable-quote"
PROGRESS_ROWS = 5_000
APOSTROPHES = re.compile("'[^']*'")
BLANKS_AFTER_QUOTE = re.compile(r'"[ \t]+(?=[;,\t|\r\n]|$)')
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
    return Grid(path.name, None, rows, delimiter != ",", tuple(notes), plain, is_text=True, cell_count=count)


def delimiter_of(path: Path, encoding: str, choices: ReadOptions) -> str:
    """Return the user's delimiter, or detect it in the file's first lines.

    Raises NotReadable if cells are quoted with apostrophes.
    """
    # The limit is global in the process, and other libraries (Frictionless) raise it.
    csv.field_size_limit(MAX_CELL)
    sample = first_lines(path, encoding)
    delimiter = choices.delimiter or find_delimiter(sample)
    for row, line in enumerate(sample, 1):
        if sum(APOSTROPHES.fullmatch(cell.strip()) is not None for cell in line.split(delimiter)) > 1:
            raise NotReadable("not-readable-apostrophe", file=path.name, row=row)
    return delimiter


def first_lines(path: Path, encoding: str) -> list[str]:
    """Return the lines that a delimiter is detected in, each up to a length."""
    with path.open(encoding=encoding, newline="") as lines:
        return [line[:10_000] for line in islice(lines, SAMPLE_LINES)]


def find_delimiter(sample: list[str]) -> str:
    """Return the delimiter that splits a line into labels of the standard, else that of the most regular records.

    It splits the largest share of records into the same number of cells, two at least. It is a share, since a wrong
    delimiter also splits quoted cells of several lines into more records. A single column is comma separated by
    definition (RFC 4180).
    """
    known = known_labels("observations").keys()

    def fitness(delimiter: str) -> tuple[int, float, int]:
        records = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        widths = Counter(map(len, records))
        several = {width: count for width, count in widths.items() if width > 1}
        width, count = max(several.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
        # Decimal commas and notes may make a wrong delimiter the more regular one.
        labels = max((len({fold(cell) for cell in row} & known) for row in records), default=0)
        return labels if labels > 1 else 0, count / max(widths.total(), 1), width

    best = max(DELIMITERS, key=fitness)
    return best if any(fitness(best)[:2]) else ","


class _Lines(Iterator[str]):
    """Lines of a text, of which those since the last `begin` are stored."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.record: list[str] = []

    def __next__(self) -> str:
        self.record.append(line := next(self._lines))
        return line

    def begin(self) -> None:
        self.record.clear()


def _rows(path: Path, encoding: str, delimiter: str, progress: Progress) -> Iterator[GridRow]:
    size = path.stat().st_size
    with path.open("rb") as file, TextIOWrapper(file, encoding=encoding, newline="") as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=delimiter)
        before = width = 0
        try:
            for number, record in enumerate(reader):
                if number % PROGRESS_ROWS == 0:
                    progress("reading", file.tell() / size)
                if len(record) > MAX_COLUMNS:
                    raise NotReadable("not-readable-columns", file=path.name, column_count=MAX_COLUMNS)
                if reader.line_num - before > 1 or '"' in lines.record[0]:
                    _check_quotes(path, record, lines.record, delimiter, before + 1, {width, len(record)})
                yield before + 1, [cell.strip() for cell in record]
                before, width = reader.line_num, len(record)
                lines.begin()
        except csv.Error as cause:
            if len(lines.record) > 1:
                raise _absorbed(path, before + 1, reader.line_num) from cause
            raise NotReadable("not-readable-line", file=path.name, row=before + 1) from cause


def check_absorbed_rows(path: Path, encoding: str, delimiter: str) -> None:
    """Raise NotReadable for a cell with rows of the table in it, which an unclosed quotation mark has absorbed."""
    with path.open("rb") as file:
        if not any(b'"' in block for block in iter(lambda: file.read(BLOCK), b"")):
            return
    try:
        for _ in _rows(path, encoding, delimiter, no_progress):
            pass
    except NotReadable as reason:
        # Readers of other formats accept text after a closing quotation mark.
        if reason.code == ABSORBED:
            raise


def _check_quotes(
    path: Path, record: Sequence[str], lines: Sequence[str], delimiter: str, row: int, widths: Collection[int]
) -> None:
    """Raise NotReadable for a stray quotation mark: a cell has text after one, is unclosed or has rows in it."""
    last = row + len(lines) - 1
    without_blanks = (BLANKS_AFTER_QUOTE.sub('"', line) for line in lines)
    if len(lines) > MAX_RECORD_LINES:
        raise _absorbed(path, row, last)
    try:
        # The reader closes a quoted cell at the end of the file, and accepts text after a closing quotation mark.
        list(csv.reader(without_blanks, delimiter=delimiter, strict=True))
    except csv.Error as cause:
        if last == row:
            raise NotReadable("not-readable-stray-quote", file=path.name, row=row) from cause
        raise _absorbed(path, row, last) from cause
    texts = (line for cell in record if len(parts := cell.splitlines()) > 1 for line in parts)
    if any(is_record_line(line.strip(), delimiter, widths) for line in texts):
        raise _absorbed(path, row, last)


def _absorbed(path: Path, row: int, last: int) -> NotReadable:
    return NotReadable(ABSORBED, file=path.name, row=row, top=row + 1, other=last)


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
