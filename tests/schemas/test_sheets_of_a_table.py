"""A table spread over sheets, files of a zip or lists of a JSON document is read as one, or the report names them."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from vaven.schemas.check import validate as validated
from vaven.schemas.formats.grid import MAX_COLUMNS
from vaven.schemas.reports.annotated_workbook import annotate
from vaven.schemas.reports.fix import ALL, fix
from vaven.schemas.reports.formats import render
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.read import read
from vaven.schemas.tables.sheets import values_in_name

Rows = Sequence[Sequence[Any]]
KPI = "trygg-morker"
LONG = ["Område", "Nyckeltal", "Period", "Värde"]


def book(path: Path, sheets: Mapping[str, Rows], hidden: Sequence[str] = ()) -> Path:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    workbook.save(path)
    return path


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def text(rows: Rows) -> bytes:
    return "".join(";".join(map(str, row)) + "\n" for row in rows).encode()


def validate(path: Path, choices: ReadOptions = DETECT, **options: Any) -> Report:
    """Check a file whose sender has answered the questions about licence and publisher."""
    return validated(path, choices=replace(choices, licence="cc-by", publisher="Exempelstaden"), **options)


def values(path: Path, choices: ReadOptions = DETECT) -> list[tuple[Any, ...]]:
    """Read area, KPI, period, sex and value of each observation, in the order of rows, with a complete account."""
    with read(path, choices=choices) as tables:
        assert tables.cells is not None
        assert tables.cells.is_complete
        query = "SELECT neighbourhood, kpi, period, sex, value FROM observations ORDER BY _row"
        return tables.workspace.execute(query).fetchall()


def messages_of(report: Report) -> dict[str | None, str]:
    return {f.sheet: f.message("sv") for f in report.findings}


def test_columns_in_another_order_are_the_same_and_findings_name_sheet_and_cell(tmp_path: Path) -> None:
    other = [["Värde", "Period", "Nyckeltal", "Område", "Anteckning"], [55, 2023, KPI, "0180", "x"]]
    sheets = {"2022": [["Trygghet"], [], LONG, ["0180", KPI, 2022, 54]], "2023": [*other, ["hög", 2023, KPI, "1480"]]}
    path = book(tmp_path / "a.xlsx", sheets)
    assert [row[-1] for row in values(path)] == ["54", "55", "hög"]
    report = validate(path)
    assert {(f.code, f.address) for f in report.findings} == {("type-error", "2023!A3"), ("unknown-column", "2023!E1")}
    assert report.rows == {"observations": 3}
    (excerpt,) = report.excerpts
    assert (excerpt.sheet, excerpt.row, excerpt.columns["value"], excerpt.texts["value"]) == ("2023", 3, "A", "hög")
    assert "hög" in render("html", report, "sv")


def test_a_column_that_all_sheets_lack_is_in_their_names(tmp_path: Path) -> None:
    wide = [["Kommun", "2022", "2023"], ["0180", 54, 55]]
    by_kpi = book(tmp_path / "kpi.xlsx", {"Trygg-morker": wide, "Arbetsloshet": [wide[0], ["0180", 5, 6]]})
    assert values(by_kpi) == [
        ("0180", KPI, "2022", "T", "54"),
        ("0180", KPI, "2023", "T", "55"),
        ("0180", "arbetsloshet", "2022", "T", "5"),
        ("0180", "arbetsloshet", "2023", "T", "6"),
    ]
    rows = [["Nyckeltal", "Period", "Värde"], [KPI, 2022, 54]]
    by_area = book(tmp_path / "area.xlsx", {"Håbo": rows, "Botkyrka kommun": rows, "1480": rows})
    assert [row[0] for row in values(by_area)] == ["0305", "0127", "1480"]
    by_sex = book(
        tmp_path / "sex.xlsx", {"Kvinnor": [LONG, ["0180", KPI, 2022, 54]], "Män": [LONG, ["0180", KPI, 2022, 4]]}
    )
    assert [row[3] for row in values(by_sex)] == ["F", "M"]
    notes = [n.message("sv") for n in validate(by_sex).assumptions if n.code == "assumed-sheet-name"]
    assert notes == [f"Kolumnen Kön saknas. Bladets namn lästes som {sex}." for sex in "FM"]


@pytest.mark.parametrize("names", [("Export 2024-05", "Export 2024-05 (2)"), ("a", "b"), ("2022", "Fler")])
def test_names_that_do_not_tell_sheets_apart_give_no_column(tmp_path: Path, names: Sequence[str]) -> None:
    rows = [["Nyckeltal", "Värde"], [KPI, 54]]
    report = validate(book(tmp_path / "a.xlsx", dict.fromkeys(names, rows)))
    assert report.verdict is Verdict.INVALID
    assert report.counts["missing-column"] == 4


def test_a_name_states_only_what_is_certain() -> None:
    assert values_in_name("trygghet_2023") == {"period": "2023"}
    assert values_in_name("Kvinnor 2023") == {"sex": "F", "period": "2023"}
    assert values_in_name("2022-2023") == {"period": "2022/2023"}
    assert values_in_name("Håbo 2023 (2)") == {"neighbourhood": "Håbo", "period": "2023"}
    # 1980 is also the code of Västerås.
    assert values_in_name("1980") == {"period": "1980"}
    assert values_in_name("0180C1010") == {"neighbourhood": "0180C1010"}
    assert values_in_name("jan 2023") == {"period": "2023-01"}
    assert [values_in_name(name) for name in ("Trygg jan 2023", "VT 2023", "trygg_kv1_2023")] == [{}] * 3
    assert [values_in_name(name) for name in ("Blad1", "2022 och 2023", "Del 12", "Rinkeby", "")] == [{}] * 5


def test_files_of_a_zip_are_one_table(tmp_path: Path) -> None:
    rows = [["Kommun", "Nyckeltal", "Värde"], ["0180", KPI, 54]]
    folders = zipped(tmp_path / "folders.zip", {f"{year}/data.csv": text(rows) for year in (2022, 2023)})
    assert [row[2] for row in values(folders)] == ["2022", "2023"]
    books = {}
    for year in (2022, 2023):
        content = io.BytesIO(book(tmp_path / "b.xlsx", {"Blad1": rows}).read_bytes())
        books[f"trygghet {year}.xlsx"] = content.getvalue()
    assert [row[2] for row in values(zipped(tmp_path / "books.zip", books))] == ["2022", "2023"]
    mixed = {"2022.csv": text(rows), "2023.json": json.dumps([dict(zip(rows[0], rows[1], strict=True))]).encode()}
    assert [row[2] for row in values(zipped(tmp_path / "mixed.zip", mixed))] == ["2022", "2023"]


def test_lists_of_a_json_document_are_one_table(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    row = {"Kommun": "0180", "Nyckeltal": KPI, "Värde": 54}
    path.write_text(json.dumps({"2022": [row], "2023": [row]}), "utf-8")
    assert [value[2] for value in values(path)] == ["2022", "2023"]


def test_a_sheet_with_other_columns_is_an_error_that_a_choice_resolves(tmp_path: Path) -> None:
    sheets = {
        "2022": [["Område", "Nyckeltal", "Period", "Kön", "Värde"], ["0180", KPI, 2022, "F", 54]],
        "2023": [LONG, ["0180", KPI, 2023, 55]],
    }
    path = book(tmp_path / "a.xlsx", sheets)
    report = validate(path)
    assert messages_of(report) == {
        "2023": "Bladet har värden men inte samma kolumner som 2022. Kolumner som bara finns på det ena bladet: Kön. "
        "Bladet lästes inte."
    }
    assert report.verdict is Verdict.INVALID
    assert validate(path, choices=ReadOptions(sheet="2023")).verdict is Verdict.VALID
    assert values(path, ReadOptions(sheet="2023")) == [("0180", KPI, "2023", "T", "55")]


def test_a_hidden_sheet_with_values_is_an_error_that_a_choice_resolves(tmp_path: Path) -> None:
    rows = {"Data": [LONG, ["0180", KPI, 2022, 54]], "Gammalt": [LONG, ["0180", KPI, 2021, 53]]}
    path = book(tmp_path / "a.xlsx", rows, hidden=["Gammalt"])
    assert {(f.code, f.sheet) for f in validate(path).findings} == {("values-hidden", "Gammalt")}
    assert validate(path, choices=ReadOptions(sheet="Data")).verdict is Verdict.VALID
    assert values(path, ReadOptions(sheet="Gammalt")) == [("0180", KPI, "2021", "T", "53")]


def test_a_hidden_sheet_that_is_too_large_to_count_is_an_error_that_a_choice_resolves(tmp_path: Path) -> None:
    rows = {"Data": [LONG, ["0180", KPI, 2022, 54]], "Stort": [["text", *[None] * MAX_COLUMNS * 2, "långt bort"]]}
    path = book(tmp_path / "a.xlsx", rows, hidden=["Stort"])
    report = validate(path)
    assert {(f.code, f.sheet) for f in report.findings} == {("values-hidden", "Stort")}
    assert report.cells is None
    assert validate(path, choices=ReadOptions(sheet="Data")).verdict is Verdict.VALID


def test_an_empty_sheet_for_the_next_year_is_no_error(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"2022": [LONG, ["0180", KPI, 2022, 54]], "2023": [LONG]})
    assert validate(path).verdict is Verdict.VALID
    assert len(values(path)) == 1


def test_fixes_and_comments_are_in_the_cells_of_their_sheets(tmp_path: Path) -> None:
    sheets = {
        "2022": [LONG, ["0180", KPI, 2022, 54]],
        "2023": [["Trygghet"], LONG, [180, KPI, 2023, "hög"], [180, KPI, 2024, 56]],
    }
    path = book(tmp_path / "a.xlsx", sheets)
    fixed = fix(path, validate(path, max_findings=ALL), tmp_path / "fixed.xlsx")
    assert {finding.address for finding in fixed} == {"2023!A3", "2023!A4"}
    copy = openpyxl.load_workbook(tmp_path / "fixed.xlsx")
    assert [copy["2023"][cell].value for cell in ("A3", "A4")] == ["0180", "0180"]
    assert [copy["2022"][cell].value for cell in ("A1", "A2")] == ["Område", "0180"]
    marked = openpyxl.load_workbook(annotate(path, validate(path), tmp_path / "marked.xlsx"))
    assert [marked["2023"][cell].comment is not None for cell in ("A3", "D3", "C3")] == [True, True, False]
    assert marked["2022"]["A2"].comment is None


def test_wide_sheets_share_no_cells(tmp_path: Path) -> None:
    head = ["Område", "Nyckeltal", "2022", "9999"]
    sheets = {name: [head, ["0180", KPI, 54, 55], ["finns ej", KPI, 5, 6]] for name in ("Blad1", "Blad2")}
    sheets["Blad2"] = [head, ["1480", KPI, 54, 55], ["saknas", KPI, 5, 6]]
    report = validate(book(tmp_path / "a.xlsx", sheets), choices=ReadOptions(wide=True))
    cells = {f.address for f in report.findings if f.code == "area-unknown"}
    assert cells == {"Blad1!A3", "Blad2!A3"}
