"""Empty XLSX template generated from the standard: headers, help texts, drop-downs and areas.

All content comes from the descriptors, the register and schemas/messages/template.*.toml, so that `read` recognises
each sheet name, header and code of a completed template.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from vaven.schemas.formats.grid import column_letter
from vaven.schemas.standard.table_schemas import RESOURCES, Field, TableSchema, standard
from vaven.vocab import register
from vaven.vocab.areas import Area, areas
from vaven.vocab.errors import WrongUse
from vaven.vocab.messages import messages

# Excel's last row; drop-downs and formats extend to it, so that they also apply to a long pasted list.
LAST_ROW = 1_048_576
DARK, LIGHT = PatternFill("solid", fgColor="1F4E5F"), PatternFill("solid", fgColor="D6E6EC")
ON_DARK, ON_LIGHT = Font(bold=True, color="FFFFFF"), Font(bold=True, color="1F2D33")
FORMATS = {"string": "@", "date": "yyyy-mm-dd", "number": "General", "integer": "0"}
ABOUT_ORDER = (
    "title_sv",
    "title_en",
    "description_sv",
    "description_en",
    "publisher_name",
    "publisher_number",
    "publisher_sector",
    "contact_name",
    "contact_email",
    "licence",
    "keywords_sv",
    "keywords_en",
    "slug",
    "series_sv",
    "version_note",
)
ABOUT_LISTS = {"publisher_sector": "sectors", "licence": "licences"}
README_LINES = 8
# Excel truncates longer input messages and refuses the file (ECMA-376, 18.3.1.32).
MAX_PROMPT = 255
MAX_ERROR = 225
# Validation types of numeric cells; without limits of the field they only reject text.
RULE_TYPES = {"number": "decimal", "integer": "whole"}
ANY = 10**15


@dataclass(frozen=True)
class _Writing:
    """The workbook being written, its language, and the cell range of each code list."""

    book: Workbook
    language: str
    ranges: dict[str, str]

    def say(self, key: str, **params: object) -> str:
        return messages(self.language, "schemas")(f"template.{key}", **params)


def write_template(path: Path | BinaryIO, *, language: str = "sv", kommun: str | None = None) -> None:
    """Write an XLSX template in "sv" or "en" to `path`, replacing an existing file.

    `kommun` is a municipality's code (with or without its leading zero) or name; its DeSO of 2018 are entered on the
    sheet of neighbourhoods. Raises WrongUse for an unknown municipality.
    """
    writing = _Writing(Workbook(), language, {})
    filled = _areas_of(writing, kommun) if kommun else []
    writing.book.remove(writing.book.active)
    _write_readme(writing)
    about = writing.book.create_sheet(writing.say("sheet.about"))
    sheets = {name: writing.book.create_sheet(standard()[name].label(language)) for name in RESOURCES}
    _write_lists(writing)
    _write_about(writing, about)
    for name, sheet in sheets.items():
        _write_table(writing, sheet, standard()[name])
    for i, area in enumerate(filled, start=2):
        _write_area(sheets["neighbourhoods"], standard()["neighbourhoods"], i, area)
    if filled:
        _offer_areas(sheets, len(filled))
    writing.book.active = writing.book.sheetnames.index(sheets["observations"].title)
    writing.book.save(path)


def _areas_of(writing: _Writing, kommun: str) -> list[Area]:
    known = areas()
    by_name = {area.name.casefold(): code for code, area in known.kommuner.items()}
    code = by_name.get(kommun.strip().casefold(), kommun.strip().zfill(4))
    if code not in known.kommuner:
        raise WrongUse("schemas.kommun-unknown", kommun=kommun)
    return [area for area in known.deso2018.values() if area.kommun == code]


def _write_readme(writing: _Writing) -> None:
    sheet = writing.book.create_sheet(writing.say("sheet.readme"))
    sheet.column_dimensions["A"].width = 100
    sheet["A1"] = writing.say("readme.title")
    sheet["A1"].font = Font(bold=True, size=14)
    for i in range(1, README_LINES + 1):
        cell = sheet.cell(i + 2, 1, f"{i}. {writing.say(f'readme.{i}')}")
        cell.alignment = Alignment(wrap_text=True, vertical="top")


def _write_lists(writing: _Writing) -> None:
    """Write the sheet of code lists, side by side: codes and labels, and for KPIs also unit and theme."""
    sheet = writing.book.create_sheet(writing.say("sheet.lists"))
    column = 1
    for name, columns in _lists(writing).items():
        for offset, (heading, cells) in enumerate(columns.items()):
            _write_column(sheet, column + offset, heading, cells)
        codes = next(iter(columns.values()))
        letter = column_letter(column - 1)
        writing.ranges[name] = f"'{sheet.title}'!${letter}$2:${letter}${len(codes) + 1}"
        column += len(columns) + 1
    sheet.freeze_panes = "A2"


def _write_column(sheet: Worksheet, column: int, heading: str, cells: Iterable[str]) -> None:
    top = sheet.cell(1, column, heading)
    top.font, top.fill = ON_LIGHT, LIGHT
    width = len(heading)
    for row, text in enumerate(cells, start=2):
        cell = sheet.cell(row, column, text)
        cell.number_format = "@"
        width = max(width, len(text))
    sheet.column_dimensions[column_letter(column - 1)].width = min(width + 2, 60)


def _lists(writing: _Writing) -> Mapping[str, Mapping[str, list[str]]]:
    """Return the columns of each code list, codes first. An enum of a single field has the field's name."""
    language, say = writing.language, writing.say
    kpis = register.kpis().values()
    lists = {
        "kpis": {
            standard()["observations"]["kpi"].label(language): [kpi.id for kpi in kpis],
            say("list.label"): [kpi.text(language) for kpi in kpis],
            say("list.unit"): [kpi.unit(language) for kpi in kpis],
            say("list.theme"): [register.themes()[kpi.theme].text(language) for kpi in kpis],
        }
    }
    for schema in standard().schemas.values():
        for field in schema.fields:
            name = _list_name(field)
            if name and name not in lists:
                lists[name] = _list_columns(writing, name, field.label(language), field)
    lists["licences"] = _list_columns(writing, "licences", say("about.licence"), None)
    return lists


def _list_name(field: Field) -> str | None:
    code_list: str | None = field.descriptor.get("codes")
    return code_list or (field.name if "enum" in field.constraints else None)


def _list_columns(writing: _Writing, name: str, heading: str, field: Field | None) -> dict[str, list[str]]:
    if field and not field.descriptor.get("codes"):
        return {heading: [str(code) for code in field.constraints["enum"]]}
    codes = register.codes(name).values()
    return {
        heading: [code.id for code in codes],
        writing.say("list.label"): [code.text(writing.language) for code in codes],
    }


def _write_about(writing: _Writing, sheet: Worksheet) -> None:
    for column, key in enumerate(("about.heading", "about.value"), start=1):
        cell = sheet.cell(1, column, writing.say(key))
        cell.font, cell.fill = ON_DARK, DARK
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 28, 70
    for row, key in enumerate(ABOUT_ORDER, start=2):
        label, text = writing.say(f"about.{key}"), writing.say(f"about.{key}.help")
        sheet.cell(row, 1, label).comment = Comment(text, "Väven")
        value = sheet.cell(row, 2)
        value.number_format = "@"
        value.alignment = Alignment(wrap_text=True, vertical="top")
        source = writing.ranges.get(ABOUT_LISTS.get(key, ""))
        _add(sheet, _validation(label, text, source), f"B{row}")


def _write_table(writing: _Writing, sheet: Worksheet, schema: TableSchema) -> None:
    for i, field in enumerate(schema.fields):
        letter = column_letter(i)
        label = field.label(writing.language)
        need = writing.say("required" if field.required else "optional")
        text = f"{field.describe(writing.language)} {need}"
        top = sheet.cell(1, i + 1, label)
        top.font, top.fill = (ON_DARK, DARK) if field.required else (ON_LIGHT, LIGHT)
        top.comment = Comment(text, "Väven", width=280, height=110)
        dimension = sheet.column_dimensions[letter]
        dimension.width = max(len(label) + 4, 14)
        # Text, so that Excel keeps leading zeros of codes.
        dimension.number_format = FORMATS[field.type]
        source = writing.ranges.get(_list_name(field) or "")
        _add(sheet, _validation(label, text, source, field), f"{letter}2:{letter}{LAST_ROW}")
    sheet.freeze_panes = "A2"


def _validation(label: str, text: str, source: str | None, field: Field | None = None) -> DataValidation:
    """Return the data validation of a cell: input message, and a drop-down of `source` or the limits of a number.

    Invalid entries give a warning instead of a refusal: the reader also accepts the labels of codes.
    """
    rule = DataValidation(type="list", formula1=source) if source else _numeric_rule(field)
    rule.promptTitle, rule.prompt = label[:32], text[:MAX_PROMPT]
    rule.errorTitle, rule.error = label[:32], text[:MAX_ERROR]
    rule.showInputMessage, rule.showErrorMessage = True, rule.type is not None
    rule.allow_blank, rule.errorStyle = True, "warning"
    return rule


def _numeric_rule(field: Field | None) -> DataValidation:
    if field is None or field.type not in RULE_TYPES:
        return DataValidation()
    low, high = (field.constraints.get(name, limit) for name, limit in (("minimum", -ANY), ("maximum", ANY)))
    return DataValidation(type=RULE_TYPES[field.type], operator="between", formula1=str(low), formula2=str(high))


def _add(sheet: Worksheet, rule: DataValidation, cells: str) -> None:
    rule.add(cells)
    sheet.add_data_validation(rule)


def _write_area(sheet: Worksheet, schema: TableSchema, row: int, area: Area) -> None:
    texts = {"code": area.code, "level": area.level, "vintage": area.vintage, "name": area.name}
    texts["municipality"] = area.kommun
    for name, text in texts.items():
        cell = sheet.cell(row, schema.names.index(name) + 1, text)
        cell.number_format = "@"


def _offer_areas(sheets: Mapping[str, Worksheet], count: int) -> None:
    """Add drop-downs of the codes on the sheet of neighbourhoods, with room to add as many, to the area columns."""
    source = f"'{sheets['neighbourhoods'].title}'!$A$2:$A${2 * count + 100}"
    for resource in ("observations", "targets", "survey"):
        letter = column_letter(standard()[resource].names.index("neighbourhood"))
        for rule in sheets[resource].data_validations.dataValidation:
            if str(rule.sqref).startswith(f"{letter}2:"):
                rule.type, rule.formula1, rule.showErrorMessage = "list", source, True
