"""Properties of the cells of an XLSX sheet (ECMA-376 part 1, 18.3).

calamine gives an error value as an empty cell, a formula without a stored value too, and no number formats. Notable
cells are found by a regular expression in the part's bytes, at a fifth of the cost of parsing all elements.
"""

import codecs
import html
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pyexpat import ParserCreate
from typing import IO

from vaven.schemas.spreadsheets.number_formats import BUILT_IN, NumberFormat, sections_of
from vaven.schemas.spreadsheets.sheet_properties import SheetProperties

BLOCK = 1 << 18
DIGITS = "0123456789"
# Cells with an error value, a notable format or a formula; hidden rows and columns. `P` is the prefix of elements.
NOTABLE = (
    rb"""<Pc(?=\s)(?:([^>]*?\s(?:t\s*=\s*["']e["']STYLES)[^>]*?)(?:/>|>(.*?)</Pc>)|([^>]*)>(\s*<Pf[\s/>].*?)</Pc>)"""
    rb"""|<(Prow|Pcol)(?=\s)([^>]*?\shidden\s*=\s*["'](?:1|true)["'][^>]*)>"""
)
# One of them is in every block with a match, unless cells have notable formats.
SIGNS = (b'"e"', b"'e'", b"<f", b":f", b"hidden")
ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
ROOT = re.compile(rb"<(?:([\w.-]+):)?worksheet[\s>]")
VALUE = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^>]*)?(?:/>|>(.*?)</)", re.DOTALL)
FORMULA = re.compile(rb"<(?:[\w.-]+:)?f(?:\s[^>]*?)?(?:/>|>(.*?)</)", re.DOTALL)
REFERENCE = re.compile("([A-Za-z]{1,3})([0-9]{1,7})")


def _elements(part: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield local name and attributes of every element in document order."""
    elements: list[tuple[str, dict[str, str]]] = []
    parser = ParserCreate()
    parser.StartElementHandler = lambda name, attributes: elements.append((name.rsplit(":", 1)[-1], attributes))
    while block := part.read(BLOCK):
        parser.Parse(block, False)
        yield from elements
        elements.clear()


@dataclass
class XlsxProperties:
    """Number formats and calculation settings of a workbook, and the properties of its sheets by their parts."""

    archive: zipfile.ZipFile

    @cached_property
    def formats(self) -> Mapping[str, Sequence[NumberFormat]]:
        """The formats that say more than a value, by the number of the cell format."""
        if "xl/styles.xml" not in self.archive.namelist():
            return {}
        codes, numbers = dict(BUILT_IN), list[int]()
        is_cells = False
        with self.archive.open("xl/styles.xml") as part:
            for name, attributes in _elements(part):
                if name == "numFmt":
                    codes[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
                elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
                    is_cells = name == "cellXfs"
                elif name == "xf" and is_cells:
                    numbers.append(int(attributes.get("numFmtId", "0")))
        formats = {str(i): sections_of(codes.get(number, "")) for i, number in enumerate(numbers)}
        return {i: sections for i, sections in formats.items() if not all(s.is_plain for s in sections)}

    @cached_property
    def _settings(self) -> tuple[bool, bool]:
        """Return whether dates count from 1904, and whether the file's writer left all calculation to others."""
        is_1904 = is_uncalculated = False
        with self.archive.open("xl/workbook.xml") as part:
            for name, attributes in _elements(part):
                if name == "workbookPr":
                    is_1904 = attributes.get("date1904") in ("1", "true")
                elif name == "calcPr":
                    is_uncalculated = attributes.get("fullCalcOnLoad") in ("1", "true")
        return is_1904, is_uncalculated

    def of_sheet(self, part: str) -> SheetProperties:
        """Return the properties of the sheet in a part. Raises the errors of zipfile for a damaged part."""
        properties = SheetProperties()
        pattern = end = None
        with self.archive.open(part) as blocks:
            rest = b""
            for block in _utf8_blocks(blocks):
                rest += block
                if pattern is None and (root := ROOT.search(rest)):
                    prefix = root[1] + b":" if root[1] else b""
                    pattern, end = self._pattern(prefix), b"</" + prefix + b"row>"
                if pattern and end and (cut := rest.rfind(end)) >= 0:
                    self._add(pattern, rest[:cut], properties)
                    rest = rest[cut:]
            if pattern:
                self._add(pattern, rest, properties)
        return properties

    def _pattern(self, prefix: bytes) -> re.Pattern[bytes]:
        styles = "|".join(self.formats).encode()
        cells = rb"""|s\s*=\s*["'](?:%b)["']""" % styles if styles else b""
        return re.compile(NOTABLE.replace(b"P", re.escape(prefix)).replace(b"STYLES", cells), re.DOTALL)

    def _add(self, pattern: re.Pattern[bytes], rows: bytes, properties: SheetProperties) -> None:
        # A search for constants takes a tenth of the time.
        if not self.formats and not any(sign in rows for sign in SIGNS):
            return
        for match in pattern.finditer(rows):
            noted, body, plain, formula_body, element, hidden = match.groups()
            if element:
                _hide(element, _attributes(hidden), properties)
            else:
                self._add_cell(_attributes(noted or plain), body or formula_body or b"", properties)

    def _add_cell(self, attributes: Mapping[str, str], body: bytes, properties: SheetProperties) -> None:
        reference = REFERENCE.fullmatch(attributes.get("r", ""))
        # A cell without a reference is written by no program that formats cells or calculates.
        if reference is None:
            return
        row, column = int(reference[2]), _column(reference[1])
        kind, (is_1904, is_uncalculated) = attributes.get("t", "n"), self._settings
        value, formula = VALUE.search(body), FORMULA.search(body)
        text = html.unescape((value[1] or b"").decode("utf-8", "replace")).strip() if value else ""
        if kind == "e":
            properties.error(row, column, text)
        elif formula and (
            (not text and not (value and kind == "str")) or (text == "0" and kind == "n" and is_uncalculated)
        ):
            properties.uncalculated(row, column, html.unescape((formula[1] or b"").decode("utf-8", "replace")))
        elif text and kind == "n" and (sections := self.formats.get(attributes.get("s", ""))):
            properties.number(row, column, float(text), sections, is_1904=is_1904)


def _utf8_blocks(part: IO[bytes]) -> Iterator[bytes]:
    first = part.read(BLOCK)
    utf16 = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8")("replace")
    while first:
        yield decoder.decode(first).encode() if utf16 else first
        first = part.read(BLOCK)


def _attributes(text: bytes) -> dict[str, str]:
    return {
        match[1].decode("utf-8", "replace"): (match[2] if match[2] is not None else match[3]).decode("utf-8", "replace")
        for match in ATTRIBUTE.finditer(text)
    }


def _hide(element: bytes, attributes: Mapping[str, str], properties: SheetProperties) -> None:
    if element.endswith(b"row") and attributes.get("r", "").isdigit():
        properties.hide_row(int(attributes["r"]))
    elif attributes.get("min", "").isdigit() and attributes.get("max", "").isdigit():
        properties.hide_columns(int(attributes["min"]) - 1, int(attributes["max"]) - 1)


def _column(letters: str) -> int:
    """Return 0 for A and 26 for AA."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1
