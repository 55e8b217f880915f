"""Large sheets of an XLSX as a stream of rows (ECMA-376 part 1, 18.3), in the memory of the shared strings.

calamine is faster, but allocates all cells of a sheet at once, some 70 bytes each: a million rows of twelve columns
take 800 MB. Sheets beyond STREAMED_BYTES are therefore parsed here. `cell_text` converts cells of both.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pyexpat import ParserCreate
from typing import IO, Any

from vaven.schemas.formats.grid import MAX_CELLS, MAX_COLUMNS

# Uncompressed size of a sheet's part; about a quarter of a million rows of twelve columns.
STREAMED_BYTES = 100_000_000
BLOCK = 1 << 16
# Excel has half as many.
MAX_ROWS = 1 << 21
MAX_MERGED = 50_000
MILLISECONDS = 86_400_000
DIGITS = "0123456789"
# Elements of a value and of an inline string.
# A cell has 32,767 characters at most; a text of this many bytes is passed on whole, so that no escape is cut in two.
TEXT_BYTES = 1 << 18
ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
TEXTS = frozenset(("v", "t"))
# Built-in number formats of dates and times, which have no format code (18.8.30).
DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
DURATION_FORMATS = {46}
# In a format code: literal text and sections without meaning for dates; then elapsed time, and dates or times.
LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
DATED = re.compile(r"[ymdhs]", re.IGNORECASE)
# Day 0 of the two date systems; the first has a 29 February 1900, which shifts the days before it.
EPOCHS = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}


class TooManyCells(Exception):
    """A sheet exceeds the limits of `grid`; the reader names the file."""


@dataclass
class StreamedWorkbook:
    """The parts of a workbook that its rows depend on: shared strings, and the styles of dates and durations."""

    archive: zipfile.ZipFile
    parts: Mapping[str, str]
    strings: Sequence[str]
    dates: frozenset[str]
    durations: frozenset[str]
    is_1904: bool

    def value(self, kind: str | None, style: str | None, text: str) -> Any:
        """Return the value of a cell by its type (18.18.11) and the number of its format."""
        match kind:
            case "s":
                index = int(text)
                return self.strings[index] if index < len(self.strings) else ""
            case "str" | "inlineStr":
                return text
            case "b":
                return text == "1"
            case "e":
                return ""
            case "d":
                return datetime.fromisoformat(text)
        if style in self.dates or style in self.durations:
            return _date_value(float(text), is_1904=self.is_1904, is_duration=style in self.durations)
        return float(text)


def large_parts(archive: zipfile.ZipFile, limit: int = STREAMED_BYTES) -> dict[str, str]:
    """Return the parts of sheets larger than `limit` bytes uncompressed, by name; none if the file is no XLSX."""
    names = set(archive.namelist())
    if "xl/workbook.xml" not in names:
        return {}
    parts = {name: part for name, part in _parts(archive).items() if part in names}
    return {name: part for name, part in parts.items() if archive.getinfo(part).file_size > limit}


def open_workbook(archive: zipfile.ZipFile, parts: Mapping[str, str]) -> StreamedWorkbook:
    dates, durations = _styles(archive)
    return StreamedWorkbook(archive, parts, _strings(archive), dates, durations, _is_1904(archive))


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]


def _elements(part: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield local name and attributes of every element in document order."""
    elements: list[tuple[str, dict[str, str]]] = []
    parser = ParserCreate()
    parser.StartElementHandler = lambda name, attributes: elements.append((_local(name), attributes))
    while block := part.read(BLOCK):
        parser.Parse(block, False)
        yield from elements
        elements.clear()


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the part names by sheet name, from the relationships of the workbook (18.2.19)."""
    with archive.open("xl/_rels/workbook.xml.rels") as part:
        targets = {a["Id"]: a["Target"] for name, a in _elements(part) if name == "Relationship"}
    with archive.open("xl/workbook.xml") as part:
        sheets = [a for name, a in _elements(part) if name == "sheet"]
    parts = {}
    for attributes in sheets:
        key = next((text for name, text in attributes.items() if _local(name) == "id"), "")
        if key in targets:
            target = targets[key]
            parts[attributes["name"]] = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
    return parts


def _is_1904(archive: zipfile.ZipFile) -> bool:
    with archive.open("xl/workbook.xml") as part:
        return any(a.get("date1904") in ("1", "true") for name, a in _elements(part) if name == "workbookPr")


def _styles(archive: zipfile.ZipFile) -> tuple[frozenset[str], frozenset[str]]:
    """Return the numbers of the cell formats of dates or times, and of those of durations."""
    if "xl/styles.xml" not in archive.namelist():
        return frozenset(), frozenset()
    dates, durations = set(DATE_FORMATS), set(DURATION_FORMATS)
    formats: list[int] = []
    is_cells = False
    with archive.open("xl/styles.xml") as part:
        for name, attributes in _elements(part):
            if name == "numFmt":
                number, code = int(attributes["numFmtId"]), LITERAL.sub("", attributes.get("formatCode", ""))
                (durations if ELAPSED.search(code) else dates if DATED.search(code) else set()).add(number)
            elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
                is_cells = name == "cellXfs"
            elif name == "xf" and is_cells:
                formats.append(int(attributes.get("numFmtId", "0")))
    numbered = list(enumerate(formats))
    return frozenset(str(i) for i, n in numbered if n in dates), frozenset(
        str(i) for i, n in numbered if n in durations
    )


def _strings(archive: zipfile.ZipFile) -> list[str]:
    """Return the shared strings (18.4) without their phonetic runs."""
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    strings: list[str] = []
    texts = _Texts()
    parser = ParserCreate()
    parser.buffer_text, parser.buffer_size = True, TEXT_BYTES

    def end(name: str) -> None:
        texts.end(name)
        if _local(name) == "si":
            strings.append("".join(texts.parts))
            texts.parts.clear()

    parser.StartElementHandler, parser.EndElementHandler = texts.start, end
    parser.CharacterDataHandler = texts.take
    with archive.open("xl/sharedStrings.xml") as part:
        parser.ParseFile(part)
    return strings


@dataclass
class _Texts:
    """Collector of the text of elements `t` outside phonetic runs."""

    parts: list[str] = field(default_factory=list)
    is_text: bool = False
    is_phonetic: bool = False

    def start(self, name: str, _: object) -> None:
        name = _local(name)
        self.is_text = name == "t" and not self.is_phonetic
        self.is_phonetic = self.is_phonetic or name == "rPh"

    def end(self, name: str) -> None:
        self.is_text = False
        if _local(name) == "rPh":
            self.is_phonetic = False

    def take(self, text: str) -> None:
        if self.is_text:
            self.parts.append(_unescaped(text))


@dataclass
class SheetRows:
    """The rows of one sheet as values for `cell_text`. `merged` is complete after iteration."""

    book: StreamedWorkbook
    part: str
    merged: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield number and cells of each row from the first; a row is as wide as the widest so far.

        Raises TooManyCells, and the errors of zipfile and expat for a damaged part.
        """
        ready: list[tuple[int, list[Any]]] = []
        parser = self._parser(ready)
        last, width, count = 0, 0, 0
        with self.book.archive.open(self.part) as part:
            while block := part.read(BLOCK):
                parser.Parse(block, False)
                for number, cells in ready:
                    yield from ((gap, []) for gap in range(last + 1, number))
                    last, width, count = number, max(width, len(cells)), count + len(cells)
                    if width > MAX_COLUMNS or count > MAX_CELLS:
                        raise TooManyCells
                    yield number, cells + [""] * (width - len(cells))
                ready.clear()
        parser.Parse(b"", True)

    def _parser(self, ready: list[tuple[int, list[Any]]]) -> Any:
        """Return a parser that appends each row to `ready`. Called millions of times, it has its state in variables."""
        value_of, columns = self.book.value, _Columns()
        number = column = 0
        cells: list[Any] = []
        text: list[str] = []
        kind = style = None
        is_text = is_phonetic = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal number, column, cells, kind, style, is_text, is_phonetic
            name = name if ":" not in name else _local(name)
            if name == "c":
                kind, style = attributes.get("t"), attributes.get("s")
                reference = attributes.get("r")
                column = columns[reference.rstrip(DIGITS)] if reference else column + 1
                text.clear()
            elif name in TEXTS:
                is_text = not is_phonetic
            elif name == "row":
                number, column, cells = _row_number(attributes, number), 0, []
            elif name == "rPh":
                is_phonetic = True
            elif name == "mergeCell" and len(self.merged) < MAX_MERGED:
                self.merged += _range(attributes.get("ref", ""))

        def end(name: str) -> None:
            nonlocal is_text, is_phonetic
            name = name if ":" not in name else _local(name)
            if name in TEXTS:
                is_text = False
            elif name == "c" and text:
                if len(cells) < column - 1:
                    cells.extend([""] * (min(column, MAX_COLUMNS + 1) - 1 - len(cells)))
                cells[column - 1 :] = [value_of(kind, style, "".join(text))]
            elif name == "row":
                ready.append((number, cells))
            elif name == "rPh":
                is_phonetic = False

        def take(characters: str) -> None:
            if is_text:
                text.append(_unescaped(characters))

        parser = ParserCreate()
        parser.buffer_text, parser.buffer_size = True, TEXT_BYTES
        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, take
        return parser


def _unescaped(text: str) -> str:
    """Decode the escapes `_xHHHH_` of an element's text (ECMA-376 Part 1, 22.9.2.19); `_x005F_` is an underscore."""
    if "_x" not in text:
        return text
    return ESCAPE.sub(lambda match: _character(int(match[1], 16)) or match[0], text)


def _character(number: int) -> str:
    """Return the character of a UTF-16 code unit; "" for a surrogate and for what is no character."""
    return "" if 0xD800 <= number <= 0xDFFF or number >= 0xFFFE else chr(number)


class _Columns(dict[str, int]):
    """Column numbers by letters, 1 for A."""

    def __missing__(self, letters: str) -> int:
        is_column = letters.isascii() and letters.isalpha()
        self[letters] = number = _column_of(letters) if is_column else MAX_COLUMNS + 1
        return number


def _row_number(attributes: Mapping[str, str], last: int) -> int:
    number = int(attributes.get("r") or last + 1)
    if number > MAX_ROWS:
        raise TooManyCells
    return number


def _column_of(letters: str) -> int:
    """Return 1 for A, 27 for AA; a number beyond all limits for other characters."""
    number = 0
    for letter in letters[:4]:
        number = number * 26 + ord(letter.upper()) - 64
    return number


def _range(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield first and last cell of "A1:B3" as row and column from 0."""
    match = re.fullmatch(r"([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})", text)
    if match:
        left, top, right, bottom = match.groups()
        yield (int(top) - 1, _column_of(left) - 1), (int(bottom) - 1, _column_of(right) - 1)


def _date_value(number: float, *, is_1904: bool, is_duration: bool) -> object:
    """Convert a number of days to the date, time of day or duration that the cell shows."""
    try:
        elapsed = timedelta(milliseconds=round(number * MILLISECONDS))
        moment = EPOCHS[is_1904] + elapsed
    except (OverflowError, ValueError):
        # A number beyond the calendar, or NaN.
        return number
    if is_duration:
        return elapsed
    if not is_1904 and 0 < number < 60:
        moment += timedelta(days=1)
    if number < 1:
        return moment.time()
    return moment.date() if moment.time() == time() else moment
