"""Cells outside the largest sheet of a spreadsheet, which readers count up to or drop."""

import re
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from tests.reading import refused, rows_of
from vaven.schemas.tables.read import read

LABELS, ROW = ["Område", "Nyckeltal", "Period", "Värde"], ["0180C1010", "trygg-morker", "2023", "57.5"]
NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
CELL = '<table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>'
EMPTY = "<table:table-cell/>"


def xlsx(path: Path, rows: str, *, only: bool = False) -> Path:
    """Write a workbook whose sheet ends with `rows`, or has no others."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet
    sheet.title = "Observationer"
    sheet.append(LABELS)
    sheet.append(ROW)
    workbook.save(path.with_suffix(".base"))
    with zipfile.ZipFile(path.with_suffix(".base")) as source, zipfile.ZipFile(path, "w", 8) as archive:
        for name in source.namelist():
            text = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                text = re.sub(b"<sheetData>.*</sheetData>", b"<sheetData></sheetData>", text) if only else text
                text = text.replace(b"</sheetData>", rows.encode() + b"</sheetData>")
            archive.writestr(name, text)
    return path


def ods(path: Path, rows: str, before: str = "") -> Path:
    """Write a workbook with one sheet that ends with `rows`; `before` is another sheet."""
    texts = (f'<table:table-cell office:value-type="string"><text:p>{t}</text:p></table:table-cell>' for t in LABELS)
    values = (f'<table:table-cell office:value-type="string"><text:p>{t}</text:p></table:table-cell>' for t in ROW)
    head = "".join(f"<table:table-row>{''.join(cells)}</table:table-row>" for cells in (texts, values))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        archive.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{manifest}"/>')
        content = (
            f'<office:document-content {NAMESPACES} office:version="1.2"><office:body><office:spreadsheet>{before}'
            f'<table:table table:name="Observationer">{head}{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>"
        )
        archive.writestr("content.xml", content, zipfile.ZIP_DEFLATED)
    return path


def repeated(count: int, cells: str) -> str:
    return f'<table:table-row table:number-rows-repeated="{count}">{cells}</table:table-row>'


@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ('<row r="4000000000"><c r="A4000000000"><v>1</v></c></row>', "row 4000000000"),
        ('<row r="999999999999"><c r="A999999999999"><v>1</v></c></row>', "row 999999999999"),
        ("<row r = '1048577'><c r='A1048577'><v>1</v></c></row>", "row 1048577"),
        ('<row r="4000000000"><c><v>1</v></c></row>', "row 4000000000"),
        ('<row><c\n r="A4000000000"><v>1</v></c></row>', "cell A4000000000"),
        ('<row r="5"><c r="XFE5"><v>1</v></c></row>', "cell XFE5"),
        ('<row r="5"><c r="zzzz5"><v>1</v></c></row>', "cell zzzz5"),
    ],
)
def test_a_far_cell_of_an_xlsx_is_refused_at_once(tmp_path: Path, rows: str, where: str, only: bool) -> None:
    path = xlsx(tmp_path / "a.xlsx", rows, only=only)
    began = time.monotonic()
    reason = refused(path)
    assert (reason.code, reason.params["sheet"]) == ("not-readable-outside", "Observationer")
    assert reason.params["where_en"] == where
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("offset", range(0, 40, 3))
def test_a_far_reference_across_two_blocks_is_refused(tmp_path: Path, offset: int) -> None:
    start = len('<?xml version="1.0"?>')
    filler = f"<!--{'x' * ((1 << 14) - start - 500 - offset)}-->"
    path = xlsx(tmp_path / "a.xlsx", filler + '<row r="4000000000"><c><v>1</v></c></row>')
    assert refused(path).code == "not-readable-outside"


def test_the_last_row_and_column_of_excel_are_no_far_cells(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", '<row r="1048576"><c r="A1048576"><v>1</v></c></row>', only=True)
    assert refused(path).code == "not-readable-no-rows"
    path = xlsx(tmp_path / "b.xlsx", '<row r="5"><c r="XFD5"><v>1</v></c></row>')
    assert refused(path).code == "not-readable-cells"


def test_a_number_or_style_that_looks_like_a_far_row_is_read(tmp_path: Path) -> None:
    cells = "".join(f'<c r="{c}3" t="str"><v>{v}</v></c>' for c, v in zip("ABC", ROW, strict=False))
    path = xlsx(tmp_path / "a.xlsx", f'<row r="3" ht="4000000000">{cells}<c r="D3"><v>4000000000</v></c></row>')
    with read(path) as tables:
        assert [row["value"] for row in rows_of(tables)] == ["57.5", "4000000000"]


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        (repeated(4_000_000_000, CELL), "row 4000000002"),
        (repeated(4_000_000_000, EMPTY) + repeated(1, CELL), "row 4000000003"),
        (repeated(1_048_570, EMPTY) * 3 + repeated(1, CELL), "row 3145713"),
        (repeated(1_048_574, EMPTY) + f"<table:table-row>{CELL}</table:table-row>", "row 1048577"),
        (repeated(1, CELL.replace(" ", ' table:number-columns-repeated="16385" ', 1)), "cell XFE3"),
        (repeated(1, f'<table:table-cell table:number-columns-repeated="16384"/>{CELL}'), "cell XFE3"),
    ],
)
def test_a_far_cell_of_an_ods_is_refused_rather_than_dropped(tmp_path: Path, rows: str, where: str) -> None:
    reason = refused(ods(tmp_path / "a.ods", rows))
    assert (reason.code, reason.params["sheet"]) == ("not-readable-outside", "Observationer")
    assert reason.params["where_en"] == where


@pytest.mark.parametrize(
    "rows",
    [
        repeated(1_048_574, EMPTY),
        repeated(4_000_000_000, EMPTY),
        repeated(1, '<table:table-cell table:number-columns-repeated="16384"/>'),
    ],
)
def test_empty_rows_to_the_end_of_an_ods_are_no_cells(tmp_path: Path, rows: str) -> None:
    other = f'<table:table table:name="Blad1">{repeated(1_048_576, EMPTY)}</table:table>'
    with read(ods(tmp_path / "a.ods", rows, other)) as tables:
        assert [row["value"] for row in rows_of(tables)] == ["57.5"]
