"""XLS and XLSB: errors, formulas without a value, number formats and hidden parts, as in XLSX."""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import xlwt

from tests.reading import validate
from tests.schemas.test_spreadsheet_cells import AREA, KPI, LABELS, OTHER, ROW, values
from vaven.schemas.spreadsheets.xls_properties import rk_number
from vaven.schemas.spreadsheets.xlsb_properties import XlsbProperties

PERCENT, TKR, MONTH, DAY = "0.0%", '0" tkr"', "mmm-yy", "yyyy-mm-dd"
NOT_AVAILABLE = 0x2A


def xls(
    path: Path, rows: Sequence[Sequence[object]], formats: dict[tuple[int, int], str] | None = None
) -> xlwt.Worksheet:
    """Write rows; a formula is an xlwt.Formula. Returns the sheet, whose book is to be saved again after a change."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Observationer")
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if value is not None:
                sheet.write(i, j, value, xlwt.easyxf(num_format_str=(formats or {}).get((i, j), "General")))
    book.save(str(path))
    return sheet


def record(kind: int, content: bytes = b"") -> bytes:
    number = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length = len(content)
    size = bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
    return number + size + content


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb(path: Path, rows: Sequence[Sequence[object]], formats: Sequence[str] = (), hidden: int | None = None) -> Path:
    """Write rows of texts and numbers; a number with the position of its format is a pair, an error is bytes."""

    def cell(column: int, value: object) -> bytes:
        number, style = value if isinstance(value, tuple) else (value, -1)
        start = struct.pack("<II", column, style + 1)
        if isinstance(number, str):
            return record(6, start + wide(number))
        if isinstance(number, bytes):
            return record(3, start + number)
        return record(5, start + struct.pack("<d", number))

    def row(number: int) -> bytes:
        return record(0, struct.pack("<IIHBBB", number, 0, 300, 0, 0x10 * (number == hidden), 0) + struct.pack("<I", 0))

    body = b"".join(row(i) + b"".join(cell(j, value) for j, value in enumerate(line)) for i, line in enumerate(rows))
    size = struct.pack("<IIII", 0, len(rows) - 1, 0, max(map(len, rows)) - 1)
    sheet = record(129) + record(148, size) + record(145) + body + record(146) + record(130)
    codes = b"".join(record(44, struct.pack("<H", 164 + i) + wide(code)) for i, code in enumerate(formats))
    styles = b"".join(record(47, struct.pack("<HH", 0, number)) for number in (0, *range(164, 164 + len(formats))))
    relation = '<Relationship Id="rId1" Type="http://x/worksheet" Target="worksheets/sheet1.bin"/>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/workbook.bin", record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("Observationer"))
        )
        archive.writestr("xl/_rels/workbook.bin.rels", f'<Relationships xmlns="x">{relation}</Relationships>')
        archive.writestr(
            "xl/styles.bin", codes + record(617, struct.pack("<I", 1 + len(formats))) + styles + record(618)
        )
        archive.writestr("xl/worksheets/sheet1.bin", sheet)
    return path


def test_the_number_formats_of_an_xls_are_respected(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    rows = [LABELS, (*ROW[:5], 0.571), (OTHER, *ROW[1:5], 0.5), (AREA, "investerat-belopp", 2023, "T", "T", 1250)]
    rows += [(AREA, KPI, 44562, "T", "T", 56), (AREA, KPI, 2022, "T", "T", 55)]
    xls(path, rows, {(1, 5): PERCENT, (2, 5): PERCENT, (3, 5): TKR, (4, 2): MONTH, (5, 2): DAY})
    assert values(path) == ["57.1", "50", "1250000", "56", "55"]
    assert values(path, "period") == ["2023", "2023", "2023", "2022-01", "2022"]


def test_error_values_formulas_and_hidden_rows_of_an_xls_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    sheet = xls(path, [LABELS, ROW, (OTHER, *ROW[1:5], xlwt.Formula("57/2")), (OTHER, KPI, 2022, None, "T", 5)])
    sheet.row(3).set_cell_error(3, NOT_AVAILABLE)
    sheet.row(1).hidden = True
    sheet.get_parent().save(str(path))
    report = validate(path)
    assert [(f.code, f.cell) for f in report.findings] == [
        ("hidden-rows", "2"), ("formula-without-value", "F3"), ("error-value", "D4"),
    ]  # fmt: skip
    assert report.cells is not None
    assert (report.cells.is_complete, report.cells.total) == (True, 24)


def test_the_cells_of_an_xlsb_have_the_same_properties(tmp_path: Path) -> None:
    rows = [
        LABELS,
        (*ROW[:5], (0.571, 0)),
        (OTHER, *ROW[1:5], 61.0),
        (OTHER, KPI, (44562.0, 1), bytes([NOT_AVAILABLE]), "T", bytes([0x07])),
    ]
    with zipfile.ZipFile(xlsb(tmp_path / "a.xlsb", rows, [PERCENT, MONTH], hidden=1)) as archive:
        properties = XlsbProperties(archive).of_sheet("Observationer")
    assert properties.texts == {2: {5: "57.1\u202f%"}, 4: {2: "2022-01", 3: "#N/A", 5: "#DIV/0!"}}
    assert [cell[:2] for cell in properties.invalid_cells] == [(4, 3), (4, 5)]
    assert properties.hidden_rows == [(2, 2)]


def test_a_workbook_that_ends_too_early_is_damaged(tmp_path: Path) -> None:
    # calamine reads records after those of the sheets.
    report = validate(xlsb(tmp_path / "a.xlsb", [LABELS, ROW]))
    assert [f.code for f in report.findings] == ["not-readable-damaged"]


@pytest.mark.parametrize(
    ("bits", "number"), [(0x3FF00000, 1.0), (0x3FF00001, 0.01), (0x7D2 << 2 | 2, 2002.0), (0xFFFFFFFE, -1.0)]
)
def test_packed_numbers_are_decoded(bits: int, number: float) -> None:
    assert rk_number(bits) == number
