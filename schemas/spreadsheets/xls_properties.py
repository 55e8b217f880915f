"""Properties of the cells of an XLS (BIFF5 and BIFF8, [MS-XLS] 2.4).

calamine gives an error value as an empty cell, and no number formats.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import olefile

from vaven.schemas.spreadsheets.number_formats import BUILT_IN, NumberFormat, sections_of
from vaven.schemas.spreadsheets.sheet_properties import ERRORS, UNKNOWN_ERROR, SheetProperties

FORMULA, EOF, DATEMODE, FILEPASS, COLINFO, BOUNDSHEET = 0x06, 0x0A, 0x22, 0x2F, 0x7D, 0x85
MULRK, XF, NUMBER, BOOLERR, ROW, RK, FORMAT, BOF = 0xBD, 0xE0, 0x203, 0x205, 0x208, 0x27E, 0x41E, 0x809
STREAMS = ("Workbook", "Book")
BIFF8 = 0x600
# The result of a formula, where it is no number, ends in two bytes of ones; its first byte is the type.
NO_NUMBER, ERROR, EMPTY_TEXT = b"\xff\xff", 2, 3
# Written by programs that calculate; a library such as xlwt writes an empty text as the result of every formula.
RECALCID = 0x1C1


@dataclass
class _Globals:
    """The workbook's formats by the number of the cell format, its sheets by their positions, and its calendar."""

    formats: dict[int, Sequence[NumberFormat]] = field(default_factory=dict)
    sheets: list[tuple[str, int]] = field(default_factory=list)
    is_1904: bool = False
    is_calculated: bool = False


@dataclass
class _Formulas:
    """Number of a sheet's formulas, and the cells of those with an empty text as their result."""

    count: int = 0
    empty: list[tuple[int, int]] = field(default_factory=list)


def xls_properties(path: Path) -> Mapping[str, SheetProperties]:
    """Return the properties of each sheet by its name; none for a protected workbook or one without a stream.

    A damaged stream has the properties up to the damage: calamine reports it.
    """
    with olefile.OleFileIO(path) as compound:
        name = next((name for name in STREAMS if compound.exists(name)), None)
        stream = compound.openstream(name).read() if name else b""
    try:
        workbook = _globals(stream)
        return {name: _sheet(stream, start, workbook) for name, start in workbook.sheets if start < len(stream)}
    except (struct.error, IndexError):
        return {}


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of the records of one substream; those of embedded charts are skipped."""
    depth = 0
    while start + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, start)
        if kind == BOF:
            depth += 1
        elif kind == EOF:
            depth -= 1
            if depth <= 0:
                return
        if depth <= 1:
            yield kind, stream[start + 4 : start + 4 + length]
        start += 4 + length


def _globals(stream: bytes) -> _Globals:
    workbook, codes, is_biff8 = _Globals(), dict(BUILT_IN), True
    numbers: list[int] = []
    for kind, content in _records(stream, 0):
        if kind == BOF:
            is_biff8 = struct.unpack_from("<H", content)[0] >= BIFF8
        elif kind == FILEPASS:
            return _Globals()
        elif kind == DATEMODE:
            workbook.is_1904 = content[0] == 1
        elif kind == RECALCID:
            workbook.is_calculated = True
        elif kind == FORMAT:
            length = 2 if is_biff8 else 1
            codes[struct.unpack_from("<H", content)[0]] = _text(content[2:], length, has_flags=is_biff8)
        elif kind == XF:
            numbers.append(struct.unpack_from("<H", content, 2)[0])
        elif kind == BOUNDSHEET:
            name = _text(content[6:], 1, has_flags=is_biff8)
            workbook.sheets.append((name, struct.unpack_from("<I", content)[0]))
    formats = {i: sections_of(codes.get(number, "")) for i, number in enumerate(numbers)}
    workbook.formats = {i: sections for i, sections in formats.items() if not all(s.is_plain for s in sections)}
    return workbook


def _text(content: bytes, length_bytes: int, *, has_flags: bool) -> str:
    """Decode a string with its length before it; the lowest flag states two bytes for a character."""
    length = int.from_bytes(content[:length_bytes], "little")
    text = content[length_bytes:]
    if not has_flags:
        return text[:length].decode("cp1252", "replace")
    is_wide = bool(text[0] & 1)
    return (
        text[1 : 1 + length * 2].decode("utf-16-le", "replace") if is_wide else text[1 : 1 + length].decode("latin-1")
    )


def _sheet(stream: bytes, start: int, workbook: _Globals) -> SheetProperties:
    properties, formulas = SheetProperties(), _Formulas()

    def number(row: int, column: int, style: int, value: float) -> None:
        if style in workbook.formats:
            properties.number(row + 1, column, value, workbook.formats[style], is_1904=workbook.is_1904)

    try:
        for kind, content in _records(stream, start):
            if kind == NUMBER:
                number(*struct.unpack_from("<HHHd", content))
            elif kind == RK:
                row, column, style, bits = struct.unpack_from("<HHHI", content)
                number(row, column, style, rk_number(bits))
            elif kind == MULRK:
                row, first = struct.unpack_from("<HH", content)
                for i in range((len(content) - 6) // 6):
                    style, bits = struct.unpack_from("<HI", content, 4 + 6 * i)
                    number(row, first + i, style, rk_number(bits))
            elif kind == BOOLERR and content[7]:
                row, column = struct.unpack_from("<HH", content)
                properties.error(row + 1, column, ERRORS.get(content[6], UNKNOWN_ERROR))
            elif kind == FORMULA:
                _add_formula(content, properties, formulas, number)
            elif kind == ROW and struct.unpack_from("<H", content, 12)[0] & 0x20:
                properties.hide_row(struct.unpack_from("<H", content)[0] + 1)
            elif kind == COLINFO and struct.unpack_from("<H", content, 8)[0] & 1:
                properties.hide_columns(*struct.unpack_from("<HH", content))
    except (struct.error, IndexError):
        return properties
    if not workbook.is_calculated and len(formulas.empty) == formulas.count:
        for row, column in formulas.empty:
            properties.uncalculated(row, column, "")
    return properties


def _add_formula(
    content: bytes, properties: SheetProperties, formulas: _Formulas, number: Callable[[int, int, int, float], None]
) -> None:
    row, column, style = struct.unpack_from("<HHH", content)
    result = content[6:14]
    formulas.count += 1
    if not result.endswith(NO_NUMBER):
        number(row, column, style, struct.unpack("<d", result)[0])
    elif result[0] == ERROR:
        properties.error(row + 1, column, ERRORS.get(result[2], UNKNOWN_ERROR))
    elif result[0] == EMPTY_TEXT:
        formulas.empty.append((row + 1, column))


def rk_number(bits: int) -> float:
    """Decode a number of 30 bits: an integer or the upper bits of a double, perhaps times 100 ([MS-XLS] 2.5.217)."""
    if bits & 2:
        value = float((bits >> 2) - (1 << 30) if bits & 0x80000000 else bits >> 2)
    else:
        (value,) = struct.unpack("<d", struct.pack("<Q", (bits & 0xFFFFFFFC) << 32))
    return value / 100 if bits & 1 else value
