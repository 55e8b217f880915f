"""Single cells of an XLSX in place (ECMA-376 part 1, 18.3): all other bytes of its parts are copied as they are.

openpyxl, which writes whole workbooks, drops the values of formulas and everything that it does not know.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pyexpat import ParserCreate
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from vaven.schemas.formats.grid import column_index, column_letter
from vaven.schemas.formats.xlsx_stream import DIGITS, large_parts, open_workbook

STYLES = "xl/styles.xml"
# Number of the format "@" (18.8.30), in which Excel keeps a code of digits as text.
TEXT_FORMAT = "49"
# Spans are in bytes, so that a part must have an encoding in which markup is ASCII.
WIDE_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"\0<", b"<\0")
# An underscore that would begin an escape (22.9.2.19).
ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")

Span = tuple[int, int]


@dataclass(frozen=True)
class CellElement:
    """An element `c` of a sheet's part, and the bytes that it and its formula occupy.

    `value` is the text of `v`, "" for an inline string, and None in a cell without content.
    """

    name: str
    reference: str
    attributes: Mapping[str, str]
    span: Span
    formula: Span | None
    value: str | None


def replace_texts(source: Path, target: Path, texts: Mapping[str, Mapping[str, str]]) -> dict[str, set[str]]:
    """Copy a workbook with new texts in the cells of `texts` (by sheet and reference), formatted as text.

    Returns the replaced cells by sheet: an empty cell stays empty, and one with a formula keeps it.
    """
    with ZipFile(source) as archive:
        names = large_parts(archive, -1)
        sheets = {sheet: _checked(archive.read(names[sheet])) for sheet in texts}
        styles = _checked(archive.read(STYLES)) if STYLES in archive.namelist() else b""
    elements = {
        sheet: [e for e in cell_elements(part, texts[sheet].__contains__) if not e.formula and e.value is not None]
        for sheet, part in sheets.items()
    }
    used = {int(e.attributes.get("s", 0)) for own in elements.values() for e in own}
    new_styles, numbers = _with_text_formats(styles, used) if styles else (b"", {})
    parts = {STYLES: new_styles} if styles else {}
    for sheet, part in sheets.items():
        edits = ((e.span, _text_cell(e, texts[sheet], numbers)) for e in elements[sheet])
        parts[names[sheet]] = _spliced(part, edits)
    rewrite(source, target, parts)
    return {sheet: {e.reference for e in own} for sheet, own in elements.items()}


def restore_formula_values(original: Path, copy: Path) -> None:
    """Write the stored value of each formula of `original` into the same cell of `copy`, where it has a formula."""
    parts = {}
    with ZipFile(original) as source, ZipFile(copy) as archive:
        names = large_parts(archive, -1)
        book = None
        for sheet, name in large_parts(source, -1).items():
            part = source.read(name)
            # Most sheets have no formula, and are not parsed.
            if sheet not in names or (b"<f" not in part and b":f" not in part):
                continue
            book = book or open_workbook(source, {})
            values = {e.reference: e for e in cell_elements(_checked(part), has_formula=True)}
            written = archive.read(names[sheet])
            edits = (
                (e.span, _formula_cell(written, e, values[e.reference], book.strings))
                for e in cell_elements(written, values.__contains__, has_formula=True)
            )
            parts[names[sheet]] = _spliced(written, edits)
    if parts:
        complete = copy.with_name(f"{copy.name}.values")
        rewrite(copy, complete, parts)
        complete.replace(copy)


def rewrite(source: Path, target: Path, parts: Mapping[str, bytes]) -> None:
    """Copy a ZIP archive with other bytes in `parts`."""
    with ZipFile(source) as archive, ZipFile(target, "w", ZIP_DEFLATED) as copy:
        for entry in archive.infolist():
            new = ZipInfo(entry.filename, entry.date_time)
            new.external_attr = entry.external_attr
            new.compress_type = ZIP_STORED if entry.compress_type == ZIP_STORED else ZIP_DEFLATED
            copy.writestr(new, parts[entry.filename] if entry.filename in parts else archive.read(entry))


def _checked(part: bytes) -> bytes:
    if part.startswith(WIDE_ENCODINGS):
        raise ValueError("encoding of a part")
    return part


def cell_elements(
    part: bytes, is_selected: Callable[[str], bool] = lambda _: True, *, has_formula: bool = False
) -> list[CellElement]:
    """Return the cells with a selected reference in document order; with `has_formula`, only those with a formula."""
    scan = _CellScan(part, is_selected, has_formula)
    parser = scan.parser
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = scan.start, scan.end
    parser.CharacterDataHandler = scan.take
    parser.Parse(part, True)
    return scan.elements


@dataclass
class _CellScan:
    """State of a parse of a sheet's part for `cell_elements`."""

    part: bytes
    is_selected: Callable[[str], bool]
    has_formula: bool
    parser: Any = field(default_factory=ParserCreate)
    elements: list[CellElement] = field(default_factory=list)
    row: int = 0
    column: int = 0
    cell: tuple[str, str, Mapping[str, str], int] | None = None
    formula_start: int | None = None
    formula: Span | None = None
    value: list[str] | None = None
    is_value: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rsplit(":", 1)[-1]
        if local == "c":
            reference = attributes.get("r", "").upper()
            # A cell without a reference follows the one before (18.3.1.4).
            self.column = column_index(reference.rstrip(DIGITS)) + 1 if reference else self.column + 1
            reference = reference or f"{column_letter(self.column - 1)}{self.row}"
            self.formula_start = self.formula = self.value = None
            self.cell = (name, reference, attributes, self.parser.CurrentByteIndex)
        elif local == "row":
            self.row, self.column = int(attributes.get("r") or self.row + 1), 0
        elif self.cell and local == "f":
            self.formula_start = self.parser.CurrentByteIndex
        elif self.cell and local == "v":
            self.value, self.is_value = [], True
        elif self.cell and local == "is":
            self.value = []

    def end(self, name: str) -> None:
        local = name.rsplit(":", 1)[-1]
        if local == "v":
            self.is_value = False
        elif local == "f" and self.formula_start is not None:
            self.formula = self.formula_start, end_of(self.part, name, self.parser.CurrentByteIndex)
        elif local == "c" and self.cell:
            element, reference, attributes, start = self.cell
            if (self.formula or not self.has_formula) and self.is_selected(reference):
                span = start, end_of(self.part, name, self.parser.CurrentByteIndex)
                text = None if self.value is None else "".join(self.value)
                self.elements.append(CellElement(element, reference, attributes, span, self.formula, text))
            self.cell = None

    def take(self, text: str) -> None:
        if self.is_value and self.value is not None:
            self.value.append(text)


def end_of(part: bytes, name: str, index: int) -> int:
    """Return the position behind an element, from expat's index at its end.

    The index is that of the end tag; of an empty-element tag, it is already behind it.
    """
    tag = b"</" + name.encode()
    following = part[index + len(tag) : index + len(tag) + 1]
    is_end_tag = part.startswith(tag, index) and (following == b">" or following.isspace())
    return part.index(b">", index) + 1 if is_end_tag else index


def _spliced(part: bytes, edits: Iterable[tuple[Span, bytes]]) -> bytes:
    """Replace spans, which are in order and do not overlap."""
    chunks, last = [], 0
    for (start, end), content in edits:
        chunks += [part[last:start], content]
        last = end
    return b"".join([*chunks, part[last:]])


def _tag(element: CellElement, kind: str, style: str | None) -> str:
    """Return the start tag of a cell with a type (18.18.11) and the number of its format."""
    other = {key: text for key, text in element.attributes.items() if key not in ("r", "s", "t")}
    attributes = {"r": element.reference, **({"s": style} if style else {}), **({"t": kind} if kind else {}), **other}
    return f"<{element.name}" + "".join(f' {key}="{_attribute(text)}"' for key, text in attributes.items()) + ">"


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _content(text: str) -> str:
    return escape(text, {"\r": "&#13;"})


def _text_cell(element: CellElement, texts: Mapping[str, str], numbers: Mapping[int, int]) -> bytes:
    style = numbers.get(int(element.attributes.get("s", 0)))
    prefix = element.name[: -len("c")]
    text = ESCAPED.sub("_x005F_", texts[element.reference])
    inner = f'<{prefix}is><{prefix}t xml:space="preserve">{_content(text)}</{prefix}t></{prefix}is>'
    start = _tag(element, "inlineStr", element.attributes.get("s") if style is None else str(style))
    return _ascii(f"{start}{inner}</{element.name}>")


def _formula_cell(written: bytes, element: CellElement, original: CellElement, strings: Any) -> bytes:
    """Return a cell of a copy with its own formula and the type and value of the original's cell."""
    assert element.formula
    kind, value = original.attributes.get("t", ""), original.value
    if kind == "s" and value:
        # The copy has shared strings of its own.
        kind, value = "str", ESCAPED.sub("_x005F_", strings[int(value)])
    prefix, formula = element.name[: -len("c")], written[slice(*element.formula)]
    inner = "" if value is None else f'<{prefix}v xml:space="preserve">{_content(value)}</{prefix}v>'
    if kind not in ("str", "s"):
        inner = inner.replace(' xml:space="preserve"', "", 1)
    return _ascii(_tag(element, kind, element.attributes.get("s"))) + formula + _ascii(f"{inner}</{element.name}>")


def _ascii(markup: str) -> bytes:
    """Encode with character references, which are valid in all encodings of a part."""
    return markup.encode("ascii", "xmlcharrefreplace")


def _with_text_formats(styles: bytes, numbers: Iterable[int]) -> tuple[bytes, dict[int, int]]:
    """Append to the cell formats (18.8.10) one like each of `numbers`, but for text.

    Returns the part and the new number of each of them.
    """
    formats = _CellFormats(styles)
    formats.parser.StartElementHandler, formats.parser.EndElementHandler = formats.start, formats.end
    formats.parser.Parse(styles, True)
    new_numbers: dict[int, int] = {}
    new_formats: list[bytes] = []
    for number in sorted(numbers):
        if number < len(formats.spans):
            new_numbers[number] = len(formats.spans) + len(new_formats)
            new_formats.append(_as_text_format(styles[slice(*formats.spans[number])]))
    if not new_formats:
        return styles, {}
    opened = formats.opened
    end_of_tag = styles.index(b">", opened) + 1
    count = str(len(formats.spans) + len(new_formats)).encode()
    tag = re.sub(rb"""(\scount\s*=\s*)(["'])\d*\2""", rb"\g<1>\g<2>" + count + rb"\g<2>", styles[opened:end_of_tag])
    end = formats.spans[-1][1]
    return styles[:opened] + tag + styles[end_of_tag:end] + b"".join(new_formats) + styles[end:], new_numbers


@dataclass
class _CellFormats:
    """State of a parse of the styles: the spans of the cell formats, and where their list begins."""

    part: bytes
    parser: Any = field(default_factory=ParserCreate)
    spans: list[Span] = field(default_factory=list)
    opened: int = 0
    is_open: bool = False
    begun: int = 0

    def start(self, name: str, _: object) -> None:
        local = name.rsplit(":", 1)[-1]
        if local == "cellXfs":
            self.opened, self.is_open = self.parser.CurrentByteIndex, True
        elif local == "xf":
            self.begun = self.parser.CurrentByteIndex

    def end(self, name: str) -> None:
        local = name.rsplit(":", 1)[-1]
        if local == "xf" and self.is_open:
            self.spans.append((self.begun, end_of(self.part, name, self.parser.CurrentByteIndex)))
        elif local == "cellXfs":
            self.is_open = False


def _as_text_format(element: bytes) -> bytes:
    """Return an element `xf` with the number format of text."""
    end = element.index(b">")
    start = re.sub(rb"""\s(numFmtId|applyNumberFormat)\s*=\s*("[^"]*"|'[^']*')""", b"", element[:end])
    name = re.match(rb"<[^\s/>]+", start)
    if name is None:
        raise ValueError("cell format")
    attributes = f' numFmtId="{TEXT_FORMAT}" applyNumberFormat="1"'.encode()
    return name[0] + attributes + start[name.end() :] + element[end:]
