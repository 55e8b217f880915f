"""CSV, TSV and other delimited text as a grid: the delimiter is detected, rows have physical line numbers."""

import csv
from collections import Counter
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

from vaven.schemas.formats.grid import MAX_COLUMNS, Grid, GridRow
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


def read_delimited(path: Path, encoding: str, choices: ReadOptions = DETECT, progress: Progress = no_progress) -> Grid:
    """Read a text file as one grid. A row's number is the line on which its record begins."""
    delimiter = delimiter_of(path, encoding, choices)
    notes = []
    if encoding in ENCODING_NAMES and choices.encoding is None:
        notes.append(Finding("assumed-encoding", Severity.NOTE, params={"encoding": ENCODING_NAMES[encoding]}))
    if delimiter != "," and choices.delimiter is None:
        params = {"delimiter": DELIMITER_NAMES[delimiter]}
        notes.append(Finding("assumed-delimiter", Severity.NOTE, params=params))
    rows = _rows(path, encoding, delimiter, progress)
    return Grid(path.name, None, rows, delimiter != ",", tuple(notes), (path, encoding, delimiter))


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
