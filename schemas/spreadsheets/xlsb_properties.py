"""Properties of the cells of an XLSB ([MS-XLSB] 2.1.4 and 2.2.1).

calamine gives an error value as an empty cell, and no number formats.
"""

import posixpath
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree

from vaven.schemas.spreadsheets.number_formats import BUILT_IN, NumberFormat, sections_of
from vaven.schemas.spreadsheets.sheet_properties import ERRORS, UNKNOWN_ERROR, SheetProperties
from vaven.schemas.spreadsheets.xls_properties import rk_number

WORKBOOK, STYLES, RELATIONS = "xl/workbook.bin", "xl/styles.bin", "xl/_rels/workbook.bin.rels"
# Types of records.
ROW, RK, ERROR, REAL, FORMULA_NUMBER, FORMULA_ERROR, COLUMNS = 0, 2, 3, 5, 9, 11, 60
FORMAT, CELL_FORMAT, SETTINGS, SHEET, BEGIN_CELL_FORMATS, END_CELL_FORMATS = 44, 47, 153, 156, 617, 618


@dataclass
class XlsbProperties:
    """Number formats and calendar of a workbook, and the properties of its sheets by their parts."""

    archive: zipfile.ZipFile

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """The parts of sheets by their names; none if the archive is no XLSB."""
        if not {WORKBOOK, RELATIONS} <= set(self.archive.namelist()):
            return {}
        relations = ElementTree.fromstring(self.archive.read(RELATIONS))
        targets = {str(element.get("Id")): str(element.get("Target")) for element in relations}
        parts = {}
        for kind, content in _records(self.archive.read(WORKBOOK)):
            if kind == SHEET:
                relation, end = _text(content, 8)
                name, _ = _text(content, end)
                parts[name] = posixpath.normpath(posixpath.join("/xl", targets.get(relation, ""))).lstrip("/")
        return parts

    @cached_property
    def _is_1904(self) -> bool:
        return any(k == SETTINGS and content[0] & 1 for k, content in _records(self.archive.read(WORKBOOK)))

    @cached_property
    def _formats(self) -> Mapping[int, Sequence[NumberFormat]]:
        codes, numbers, is_cells = dict(BUILT_IN), list[int](), False
        for kind, content in _records(self.archive.read(STYLES)) if STYLES in self.archive.namelist() else ():
            if kind == FORMAT:
                codes[struct.unpack_from("<H", content)[0]] = _text(content, 2)[0]
            elif kind in (BEGIN_CELL_FORMATS, END_CELL_FORMATS):
                is_cells = kind == BEGIN_CELL_FORMATS
            elif kind == CELL_FORMAT and is_cells:
                numbers.append(struct.unpack_from("<H", content, 2)[0])
        formats = {i: sections_of(codes.get(number, "")) for i, number in enumerate(numbers)}
        return {i: sections for i, sections in formats.items() if not all(s.is_plain for s in sections)}

    def of_sheet(self, name: str) -> SheetProperties:
        """Return the properties of a sheet by its name; up to the damage if its part is damaged."""
        properties = SheetProperties()
        if self.parts.get(name) not in self.archive.namelist():
            return properties
        row = 0
        try:
            for kind, content in _records(self.archive.read(self.parts[name])):
                if kind == ROW:
                    row = struct.unpack_from("<I", content)[0] + 1
                    if content[11] & 0x10:
                        properties.hide_row(row)
                elif kind == COLUMNS and struct.unpack_from("<H", content, 16)[0] & 1:
                    properties.hide_columns(*struct.unpack_from("<II", content))
                elif kind in (ERROR, FORMULA_ERROR):
                    column = struct.unpack_from("<I", content)[0]
                    properties.error(row, column, ERRORS.get(content[8], UNKNOWN_ERROR))
                elif kind in (RK, REAL, FORMULA_NUMBER):
                    self._add_number(kind, content, row, properties)
        except (struct.error, IndexError):
            return properties
        return properties

    def _add_number(self, kind: int, content: bytes, row: int, properties: SheetProperties) -> None:
        column, style = struct.unpack_from("<II", content)
        if sections := self._formats.get(style & 0xFFFFFF):
            (number,) = struct.unpack_from("<I" if kind == RK else "<d", content, 8)
            number = rk_number(number) if kind == RK else number
            properties.number(row, column, number, sections, is_1904=self._is_1904)


def _records(part: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each record; type and length have seven bits in a byte."""
    position = 0
    while position < len(part):
        kind, position = _number_at(part, position, 2)
        length, position = _number_at(part, position, 4)
        yield kind, part[position : position + length]
        position += length


def _number_at(part: bytes, position: int, most: int) -> tuple[int, int]:
    number = 0
    for i in range(most):
        byte = part[position + i] if position + i < len(part) else 0
        number |= (byte & 0x7F) << (7 * i)
        if not byte & 0x80:
            return number, position + i + 1
    return number, position + most


def _text(content: bytes, position: int) -> tuple[str, int]:
    """Return a string with its length of four bytes before it, and the position after it."""
    (length,) = struct.unpack_from("<I", content, position)
    end = position + 4 + 2 * length
    return content[position + 4 : end].decode("utf-16-le", "replace"), end
