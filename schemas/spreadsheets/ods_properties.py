"""Properties of the cells of an ODS (OpenDocument 1.2 part 1, 9.1 and 16.27).

calamine gives an error value as an empty cell, a formula without a stored value too, and no number formats.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import log10
from pyexpat import ParserCreate
from typing import Any

from vaven.schemas.spreadsheets.number_formats import EPOCHS, NumberFormat
from vaven.schemas.spreadsheets.sheet_properties import SheetProperties

BLOCK = 1 << 16
PARTS = ("styles.xml", "content.xml")
# Without any of these, no cell says more than its value, and nothing is hidden.
NOTABLE = re.compile(
    rb"formula=|:percentage|:currency|:date-style|display-factor|value-type=\"(p|c|d)|visibility=|number:text"
)
ERROR_TEXT = re.compile(r"#[A-ZÅÄÖ/0-9?]+[!?]?|(?:Err|Fel):[0-9]{3}")
DATA_STYLES = ("number-style", "percentage-style", "currency-style", "date-style", "time-style")
DATE_PARTS = {"year": "y", "month": "m", "day": "d", "hours": "h", "minutes": "h", "seconds": "h"}
# Cells that one repeated cell stands for.
MAX_REPEATED = 2_000_000


@dataclass
class _Cell:
    """A cell while its element is open; `attributes` are without the prefix of their namespace."""

    attributes: Mapping[str, str]
    paragraphs: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.paragraphs).strip()


@dataclass
class _Reader:
    """State of parsing a document: its styles, and the position in a table."""

    sheets: dict[str, SheetProperties] = field(default_factory=dict)
    formats: dict[str, NumberFormat] = field(default_factory=dict)
    cell_formats: dict[str, NumberFormat] = field(default_factory=dict)
    data_style: str = ""
    in_text: bool = False
    has_number: bool = False
    properties: SheetProperties = field(default_factory=SheetProperties)
    # Styles of columns: first and last column, and the style of cells without their own.
    columns: list[tuple[int, int, str]] = field(default_factory=list)
    row: int = 0
    row_repeat: int = 1
    column: int = 0
    cell: _Cell | None = None
    annotations: int = 0

    def start(self, tag: str, prefixed: Mapping[str, str]) -> None:
        name = tag.rsplit(":", 1)[-1]
        attributes = {key.rsplit(":", 1)[-1]: value for key, value in prefixed.items()}
        if "calcext:value-type" in prefixed:
            attributes["error-type"] = prefixed["calcext:value-type"]
            attributes["value-type"] = prefixed.get("office:value-type", "")
        if name in ("table-cell", "covered-table-cell"):
            self.cell = _Cell(attributes)
        elif name == "annotation":
            self.annotations += 1
        elif name == "table-row":
            self.row, self.column = self.row + self.row_repeat, 0
            self.row_repeat = _number(attributes, "number-rows-repeated")
            if attributes.get("visibility") in ("collapse", "filter"):
                self.properties.hide_row(self.row, self.row + self.row_repeat - 1)
        elif name == "table-column":
            self._start_column(attributes)
        elif name == "table":
            self.properties = self.sheets.setdefault(attributes.get("name", ""), SheetProperties())
            self.row, self.row_repeat, self.columns = 0, 1, []
        else:
            self._start_style(name, attributes)

    def _start_column(self, attributes: Mapping[str, str]) -> None:
        first = self.columns[-1][1] + 1 if self.columns else 0
        last = first + _number(attributes, "number-columns-repeated") - 1
        self.columns.append((first, last, attributes.get("default-cell-style-name", "")))
        if attributes.get("visibility") in ("collapse", "filter"):
            self.properties.hide_columns(first, last)

    def _start_style(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in DATA_STYLES:
            self.data_style, self.has_number = attributes.get("name", ""), False
            self.formats[self.data_style] = NumberFormat(2 if name == "percentage-style" else 0)
        elif name == "style" and attributes.get("family") == "table-cell":
            own = self.formats.get(attributes.get("data-style-name", ""))
            inherited = self.cell_formats.get(attributes.get("parent-style-name", ""))
            if form := own or inherited:
                self.cell_formats[attributes.get("name", "")] = form
        elif self.data_style:
            form = self.formats[self.data_style]
            if name in DATE_PARTS:
                self.formats[self.data_style] = replace(form, date_parts=form.date_parts | {DATE_PARTS[name]})
            elif name == "number":
                self.has_number = True
                scale = form.scale - round(log10(_number(attributes, "display-factor")))
                self.formats[self.data_style] = replace(form, scale=scale)
            self.in_text = name in ("text", "currency-symbol")

    def end(self, tag: str) -> None:
        name = tag.rsplit(":", 1)[-1]
        if name in ("table-cell", "covered-table-cell") and self.cell:
            self._end_cell(self.cell)
            self.cell = None
        elif name == "annotation":
            self.annotations -= 1
        elif name in DATA_STYLES:
            self.data_style = ""
        self.in_text = False

    def take(self, characters: str) -> None:
        if self.cell and not self.annotations:
            self.cell.paragraphs.append(characters)
        elif self.data_style and self.in_text and any(c.isalpha() or c in "%‰€$£" for c in characters):
            form = self.formats[self.data_style]
            if not form.date_parts and (self.has_number or characters.strip() in ("€", "$", "£", "kr")):
                unit = f"{form.unit} {characters}".replace("\u00a0", " ")
                self.formats[self.data_style] = replace(form, unit=" ".join(unit.split()))

    def _end_cell(self, cell: _Cell) -> None:
        repeat = _number(cell.attributes, "number-columns-repeated")
        first, self.column = self.column, self.column + repeat
        self._add_merged(cell.attributes, first)
        kind = cell.attributes.get("value-type", "")
        is_error = cell.attributes.get("error-type") == "error" or (
            "formula" in cell.attributes and ERROR_TEXT.fullmatch(cell.text)
        )
        is_uncalculated = "formula" in cell.attributes and not kind and not cell.text
        if not (is_error or is_uncalculated or kind in ("float", "percentage", "currency", "date")):
            return
        for row in range(self.row, self.row + self.row_repeat):
            for column in range(first, min(first + repeat, first + MAX_REPEATED // self.row_repeat + 1)):
                if is_error:
                    self.properties.error(row, column, cell.text)
                elif is_uncalculated:
                    self.properties.uncalculated(row, column, cell.attributes["formula"].partition("=")[2])
                else:
                    self._add_number(row, column, cell.attributes, kind)

    def _add_merged(self, attributes: Mapping[str, str], left: int) -> None:
        rows, columns = _number(attributes, "number-rows-spanned"), _number(attributes, "number-columns-spanned")
        if rows > 1 or columns > 1:
            self.properties.merge([((self.row - 1, left), (self.row + rows - 2, left + columns - 1))])

    def _add_number(self, row: int, column: int, attributes: Mapping[str, str], kind: str) -> None:
        style = attributes.get("style-name") or next((s for a, b, s in self.columns if a <= column <= b), "")
        form = self.cell_formats.get(style, NumberFormat())
        number = _serial(attributes.get("date-value", "")) if kind == "date" else _float(attributes.get("value", ""))
        if kind == "date":
            form = form if form.date_parts else NumberFormat(date_parts=frozenset("ymd"))
        elif kind == "percentage":
            form = form if form.unit else NumberFormat(2, "%")
        elif kind == "currency" and not form.unit:
            form = replace(form, unit=attributes.get("currency", ""))
        elif form.date_parts:
            form = NumberFormat()
        if number is not None:
            self.properties.number(row, column, number, (form,))


def _number(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "1").partition(".")[0]
    return max(int(text[:7]), 1) if text.isascii() and text.isdigit() else 1


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _serial(text: str) -> float | None:
    """Return the number of days of an ISO date, as a spreadsheet counts them."""
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=None) - EPOCHS[False]).total_seconds() / 86_400
    except ValueError:
        return None


def ods_properties(archive: zipfile.ZipFile) -> Mapping[str, SheetProperties]:
    """Return the properties of each table by its name; none if no cell has any, or if the archive is no ODS.

    Raises the errors of zipfile and expat for a damaged part.
    """
    parts = [part for part in PARTS if part in archive.namelist()]
    if "content.xml" not in parts or not any(_is_notable(archive, part) for part in parts):
        return {}
    reader = _Reader()
    for name in parts:
        parser: Any = ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
        parser.CharacterDataHandler = reader.take
        with archive.open(name) as part:
            parser.ParseFile(part)
    return reader.sheets


def _is_notable(archive: zipfile.ZipFile, part: str) -> bool:
    end = b""
    with archive.open(part) as blocks:
        while block := blocks.read(BLOCK):
            if NOTABLE.search(end + block):
                return True
            end = block[-100:]
    return False
