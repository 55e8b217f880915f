"""Cells whose value alone does not say what they contain: errors, formulas, number formats."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pytest

from tests.reading import validate
from vaven.schemas.formats import workbook
from vaven.schemas.spreadsheets.number_formats import sections_of, shown_text
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.read import read

LABELS = ("Område", "Nyckeltal", "Period", "Kön", "Ålder", "Värde")
AREA, OTHER, KPI = "0180C1010", "0180C1020", "trygg-morker"
ROW = (AREA, KPI, 2023, "T", "T", 57)
NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text", "style")
)
NUMBERS = 'xmlns:number="urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0"'
CALCEXT = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'


def xlsx(path: Path, rows: Sequence[Sequence[object]], formats: Mapping[str, str] | None = None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, code in (formats or {}).items():
        book.active[cell].number_format = code
    book.save(path)
    return path


def ods(path: Path, *rows: Sequence[object], styles: str = "", hidden: int | None = None) -> Path:
    """Write a sheet; a cell that begins with "<" is XML. `hidden` is the position of a filtered row."""

    def cell(value: object) -> str:
        if str(value).startswith("<"):
            return str(value)
        kind = f'float" office:value="{value}' if isinstance(value, (int, float)) else "string"
        return f'<table:table-cell office:value-type="{kind}"><text:p>{value}</text:p></table:table-cell>'

    states = ["", ' table:visibility="filter"']
    lines = "".join(
        f"<table:table-row{states[i == hidden]}>{''.join(map(cell, row))}</table:table-row>"
        for i, row in enumerate(rows)
    )
    content = (
        f"<office:document-content {NAMESPACES} {NUMBERS} {CALCEXT}><office:automatic-styles>{styles}"
        f'</office:automatic-styles><office:body><office:spreadsheet><table:table table:name="Observationer">{lines}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis"/>')
        archive.writestr("content.xml", f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return path


def values(path: Path, name: str = "value", choices: ReadOptions | None = None) -> list[str | None]:
    with read(path, choices=choices or ReadOptions()) as tables:
        query = f"SELECT {name} FROM observations ORDER BY _row"
        return [text for (text,) in tables.workspace.execute(query).fetchall()]


def cells(report: Report, code: str) -> list[str]:
    return [finding.cell for finding in report.findings if finding.code == code]


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (0.512, "0.0%", "51.2 %"),
        (0.57, "0\\ %", "57 %"),
        (-0.5, "0%;[Red]-0%", "-50 %"),
        (57.0, '0"%"', "57 %"),
        (1250.0, '0" tkr"', "1250 tkr"),
        (1_250_000.0, '#,##0," tkr"', "1250 tkr"),
        (1_250_000.0, "#,##0,", None),
        (57.0, '_-* #,##0.00\\ "kr"_-;\\-* #,##0.00\\ "kr"_-;_-* "-"??\\ "kr"_-;_-@_-', "57 kr"),
        (57.0, "#,##0.00\\ [$kr-41D]", "57 kr"),
        (57.0, "[$€-2] #,##0.00", "57 €"),
        (3000.0, '[>=1000000]0.0,,"M";[>=1000]0.0,"k";0', "3 k"),
        (3.0, '[>=1000000]0.0,,"M";[>=1000]0.0,"k";0', None),
        (44562.0, "mmm-yy", "2022-01"),
        (44562.0, "[$-41D]mmmm yyyy;@", "2022-01"),
        (44562.0, "yyyy", "2022"),
        (2023.0, "yyyy-mm-dd", "2023"),
        (45424.0, "d-mmm", None),
        (45000.0, "yyyy-mm-dd", None),
        (0.5, "h:mm", None),
        (12.0, "0.00E+00", None),
        (180.0, "0000", None),
        (57.0, "General", None),
        (57.0, '"dag" 0', None),
        (57.0, "#,##0_ ;[Red]\\-#,##0\\ ", None),
        (2023.0, "0%", None),
    ],
)
def test_a_number_format_says_what_the_cell_shows(number: float, code: str, text: str | None) -> None:
    result = shown_text(number, sections_of(code))
    assert (result and result.replace("\u202f", " ")) == text


def test_percent_formats_are_read_as_per_cent_in_any_column_and_mixed_with_plain_numbers(tmp_path: Path) -> None:
    labels = (*LABELS, "Konfidensintervall nedre", "Konfidensintervall övre")
    rows = [labels, (*ROW[:5], 0.57, 0.51, 62), (OTHER, *ROW[1:5], 0.005, None, None)]
    path = xlsx(tmp_path / "a.xlsx", rows, {"F2": "0.0%", "G2": "0%", "F3": "0.0%"})
    with read(path) as tables:
        names = [c.name for c in tables.tables["observations"].columns]
        rows = tables.workspace.execute("SELECT * FROM observations ORDER BY _row").fetchall()
        assert [row[names.index("value") + 1] for row in rows] == ["57", "0.5"]
    assert not validate(path).counts.get("kpi-scale")


def test_a_share_option_does_not_scale_a_percent_format_again(tmp_path: Path) -> None:
    rows = [LABELS, (*ROW[:5], 0.57), (OTHER, *ROW[1:5], 0.61)]
    path = xlsx(tmp_path / "a.xlsx", rows, {"F2": "0.0%"})
    assert values(path, choices=ReadOptions(shares=True)) == ["57", "61"]


def test_percent_formats_in_a_wide_table_are_read_as_per_cent(tmp_path: Path) -> None:
    rows = [("Område", "Nyckeltal", 2022, 2023), (AREA, KPI, 0.57, 58), (OTHER, KPI, 0.61, 0.62)]
    path = xlsx(tmp_path / "a.xlsx", rows, {"C2": "0%", "C3": "0.0 %", "D3": "0%", "D1": "0%"})
    assert values(path) == ["57", "58", "61", "62"]
    assert validate(path).verdict == "valid"


def test_money_is_converted_to_the_unit_of_its_kpi(tmp_path: Path) -> None:
    numbers = (1250, 1.5, 1_250_000, 1_250_000, 75)
    rows = [LABELS, *((f"0180C10{i}0", "investerat-belopp", 2023, "T", "T", n) for i, n in enumerate(numbers, 1))]
    formats = {"F2": '0" tkr"', "F3": '0.0" mkr"', "F4": "#,##0,", "F5": '#,##0," tkr"', "F6": '0" kr"'}
    assert values(xlsx(tmp_path / "a.xlsx", rows, formats)) == ["1250000", "1500000", "1250000", "1250000", "75"]


def test_the_percentages_of_an_ods_are_per_cent(tmp_path: Path) -> None:
    style = (
        '<number:percentage-style style:name="P1"><number:number/><number:text>%</number:text>'
        '</number:percentage-style><style:style style:name="c1" style:family="table-cell" style:data-style-name="P1"/>'
        '<number:number-style style:name="N1"><number:number number:display-factor="1000"/>'
        "<number:text> tkr</number:text></number:number-style>"
        '<style:style style:name="c2" style:family="table-cell" style:data-style-name="N1"/>'
    )

    def number(kind: str, value: float) -> str:
        return f'<table:table-cell office:value-type="{kind} office:value="{value}"/>'

    percentage, styled = number('percentage"', 0.61), number('float" table:style-name="c1"', 0.55)
    money = number('float" table:style-name="c2"', 1_250_000)
    rows = [(*ROW[:5], percentage), (OTHER, *ROW[1:5], styled), (AREA, "investerat-belopp", 2023, "T", "T", money)]
    path = ods(tmp_path / "a.ods", LABELS, *rows, styles=style)
    assert values(path) == ["61", "55", "1250000"]


def test_error_values_and_formulas_of_an_ods_are_errors_in_every_column(tmp_path: Path) -> None:
    def formula(kind: str, text: str) -> str:
        return f'<table:table-cell table:formula="of:=X" {kind}><text:p>{text}</text:p></table:table-cell>'

    error = formula('office:value-type="string" office:string-value="" calcext:value-type="error"', "#N/A")
    old_error = formula('office:value-type="float" office:value="0"', "Err:502")
    path = ods(
        tmp_path / "a.ods",
        (*LABELS, "Anmärkning"),
        (*ROW[:3], error, *ROW[4:], formula("", "")),
        (OTHER, *ROW[1:5], old_error, formula('office:value-type="string"', "klar")),
    )
    report = validate(path)
    assert cells(report, "error-value") == ["D2", "F3"]
    assert cells(report, "formula-without-value") == ["G2"]
    assert report.cells is not None
    assert (report.cells.is_complete, report.cells.total) == (True, 21)


def test_a_repeated_error_value_of_an_ods_is_an_error_in_each_cell(tmp_path: Path) -> None:
    error = (
        '<table:table-cell table:number-columns-repeated="2" table:formula="of:=NA()" office:value-type="string" '
        'calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>'
    )
    path = ods(tmp_path / "a.ods", ("Område", "Nyckeltal", "2022", "2023"), (AREA, KPI, 57, 58), (OTHER, KPI, error))
    assert cells(validate(path), "error-value") == ["C3", "D3"]


def test_error_values_outside_the_columns_of_the_table_are_errors(tmp_path: Path) -> None:
    rows = [("Källa", "=1/0"), (*LABELS, "#REF!"), (*ROW, 5), ("Summa", None, None, None, None, "#DIV/0!")]
    path = xlsx(tmp_path / "a.xlsx", rows)
    report = validate(path)
    assert cells(report, "formula-without-value") == ["B1"]
    assert cells(report, "error-value") == ["G2", "F4"]


def test_an_error_value_in_an_excluded_column_is_no_finding(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", [(*LABELS, "Kontroll"), (*ROW, "#N/A")])
    assert cells(validate(path), "error-value") == ["G2"]
    assert validate(path, choices=ReadOptions(columns={"Kontroll": ""})).verdict == "valid"


def test_an_error_value_in_the_description_is_an_error(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(xlsx(tmp_path / "a.xlsx", [LABELS, ROW]))
    book.active.title = "Observationer"
    about = book.create_sheet("Om")
    about.append(("Titel", "Trygghet"))
    about.append(("Utgivare", "#REF!"))
    book.save(tmp_path / "b.xlsx")
    report = validate(tmp_path / "b.xlsx")
    assert [f.address for f in report.findings if f.code == "error-value"] == ["Om!B2"]


@pytest.mark.parametrize("prefix", [b"", b"x:"])
def test_formulas_without_a_value_are_told_from_empty_results(tmp_path: Path, prefix: bytes) -> None:
    path = xlsx(tmp_path / "a.xlsx", [(*LABELS, "Anmärkning"), (*ROW, "=1"), (OTHER, *ROW[1:], "=2")])
    source = zipfile.ZipFile(path)
    target = tmp_path / "b.xlsx"
    with zipfile.ZipFile(target, "w") as archive:
        for entry in source.namelist():
            content = source.read(entry)
            if entry == "xl/worksheets/sheet1.xml":
                empty = b'<c r="G2" t="str"><f>IF(F2&gt;0,"","")</f><v></v></c>'
                content = content.replace(b'<c r="G2"><f>1</f><v></v></c>', empty)
                content = content.replace(b"<", b"<" + prefix).replace(b"<" + prefix + b"/", b"</" + prefix)
                content = content.replace(b"xmlns=", b"xmlns:x=") if prefix else content
                assert b"IF(F2" in content
            archive.writestr(entry, content)
    report = validate(target)
    assert cells(report, "formula-without-value") == ["G3"]
    assert report.findings[0].text == "=\u202f2"


def test_large_sheets_have_the_same_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [LABELS, (*ROW[:5], 0.57), (OTHER, KPI, 44562, "#N/A", "T", "=1"), (OTHER, KPI, 2023, "T", "T", 61)]
    path = xlsx(tmp_path / "a.xlsx", rows, {"F2": "0.0%", "C3": "mmm-yy", "C4": "yyyy-mm-dd"})
    read_rows = []
    for limit in (workbook.large_parts.__defaults__[0], 0):
        folder = tmp_path / str(limit)
        folder.mkdir()
        monkeypatch.setattr(workbook.large_parts, "__defaults__", (limit,))
        (sheet,) = workbook.extract_sheets(path, folder)
        read_rows.append([json.loads(line) for line in (folder / str(sheet["rows"])).open()])
        assert sheet["properties"]["years"] == 1
    assert read_rows[0] == read_rows[1]
    texts = [cells for _, cells in read_rows[0][0]]
    assert [texts[1][5], *texts[2][2:4], texts[2][5]] == ["57\u202f%", "2022-01", "#N/A", "=\u202f1"]
    assert texts[3][2] == "2023"


def test_hidden_rows_and_merged_cells_of_an_ods_are_told(tmp_path: Path) -> None:
    value = 'office:value-type="float" office:value="57"'
    merged = f'<table:table-cell table:number-rows-spanned="2" {value}/>'
    path = ods(tmp_path / "a.ods", LABELS, ROW, (OTHER, *ROW[1:5], merged), (AREA, KPI, 2022, "T", "T"), hidden=1)
    report = validate(path)
    assert [(f.code, f.cell) for f in report.findings][:2] == [("hidden-rows", "2"), ("merged-value", "F3")]


def test_a_value_merged_over_many_rows_is_told_once(tmp_path: Path) -> None:
    rows = [LABELS, ROW, *((f"0180C10{i}0", *ROW[1:5], None) for i in range(2, 6))]
    book = openpyxl.load_workbook(xlsx(tmp_path / "a.xlsx", rows))
    book.active.merge_cells("F2:F6")
    book.save(tmp_path / "b.xlsx")
    findings = [f for f in validate(tmp_path / "b.xlsx").findings if f.code == "merged-value"]
    assert [(f.cell, f.text) for f in findings] == [("F2", "F2:F6")]
    assert "F2:F6" in findings[0].message("sv")


@pytest.mark.parametrize(
    ("field", "day", "number_format", "example"),
    [
        ("E", 45632, "d-mmm", "6-12"),
        ("F", 45424, "d-mmm", "12,5"),
        ("F", 57, "yyyy-mm-dd", "57"),
        ("F", 29281, "mmm-yy", "3-80"),
        ("F", 0.5, "h:mm", "12:00"),
        ("E", 45632, "yyyy-mm-dd", "6-12"),
    ],
)
def test_a_conversion_to_a_date_is_named_with_what_was_meant(
    tmp_path: Path, field: str, day: float, number_format: str, example: str
) -> None:
    row = [*ROW]
    row["ABCDEF".index(field)] = day
    path = xlsx(tmp_path / "a.xlsx", [LABELS, row], {f"{field}2": number_format})
    (finding,) = validate(path).findings
    assert (finding.code, finding.cell) == ("converted-to-date", f"{field}2")
    assert f"”{example}”" in finding.message("sv")
