"""Data that no table with a schema of its own is read from is an error until the sender excludes it."""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pytest

from tests.reading import assert_speaks
from tests.schemas.test_cell_account import SHEET_WRITERS, Merged, Sheets, written_ods
from tests.schemas.test_cells_of_own_schemas import judged, written_package
from vaven.catalogue.cli.main import main
from vaven.catalogue.cli.next_commands import next_commands
from vaven.schemas import validate
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tableschema.file_cells import FileCells

FIELDS = [{"name": "omrade", "type": "string"}, {"name": "ar", "type": "year"}, {"name": "antal", "type": "integer"}]
TABLE = [["omrade", "ar", "antal"], ["Rinkeby", "2022", "10"], ["Tensta", "2023", "20"]]
WRITERS = SHEET_WRITERS[:3]
# Text cells of a workbook are no numbers for Frictionless.
TEXT_FIELDS = [{"name": field["name"]} for field in FIELDS]
WITH_DATA = {
    "same-columns": TABLE,
    "another-order": [["Antal", "År", "Område"], ["1", "2022", "Husby"]],
    "below-a-title": [["Statistik för Husby"], [], *TABLE],
    "one-column-more": [[*row, "x"] for row in TABLE],
    "areas-and-numbers": [["Kommun", "Invånare"], ["Stockholm", "984748"], ["Malmö", "362133"]],
}
WITHOUT_DATA = {
    "explanations": [["Kolumn", "Betydelse"], ["omrade", "namn"], ["ar", "år"], ["antal", "antal personer"]],
    "sentence": [["Uppgifterna gäller den 31 december 2023."]],
    "code-list": [["kod", "namn"], ["1", "Rinkeby"], ["2", "Tensta"]],
    "code-list-of-areas": [["id", "kommun"], ["1", "Stockholm"], ["2", "Malmö"]],
    "list-of-a-column": [["omrade"], ["Rinkeby"], ["Tensta"]],
    "labels-alone": TABLE[:1],
    "empty": [],
}


def checked(path: Path, fields: Sequence[dict[str, str]] = FIELDS, sheet: str | None = None) -> Report:
    schema = path.with_name("schema.json")
    schema.write_text(json.dumps({"fields": fields}), "utf-8")
    return validate(path, schema=schema, choices=ReadOptions(sheet=sheet))


def codes(report: Report) -> list[tuple[str, str | None]]:
    for finding in report.findings:
        assert_speaks(finding)
    assert report.cells
    assert report.cells.is_complete
    return [(finding.code, finding.sheet) for finding in report.findings]


def written(path: Path, sheets: dict[str, list[list[str]]], hidden: Sequence[str] = ()) -> Path:
    """Write a workbook whose texts of digits are numbers."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([int(cell) if cell.isdigit() else cell for cell in row])
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    book.save(path)
    return path


def archive(path: Path, **members: list[list[str]]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, rows in members.items():
            file.writestr(name.replace("_", "."), "".join(f"{','.join(row)}\n" for row in rows))
    return path


def others_with_data(path: Path, fields: Sequence[dict[str, str]] = FIELDS) -> list[str | None]:
    """Return the sheets with data that no table is read from, as `validate` does, in this process."""
    written_package(path.parent, {"name": "t", "path": path.name, "schema": {"fields": fields}})
    with TemporaryDirectory() as copies:
        files = FileCells(Path(copies))
        assert all(result.is_valid for _, result in judged(path.parent, files))
        return [other.sheet for other in files.omit_others() if other.is_data]


@pytest.mark.usefixtures("workbooks_in_this_process")
@pytest.mark.parametrize(("name", "write"), WRITERS)
@pytest.mark.parametrize("rows", WITH_DATA.values(), ids=WITH_DATA)
def test_another_sheet_with_data_is_recognised(
    rows: list[list[str]], name: str, write: Callable[[Path, Sheets, Merged], int], tmp_path: Path
) -> None:
    write(tmp_path / name, {"Data": TABLE, "Mer": rows}, {})
    assert others_with_data(tmp_path / name, TEXT_FIELDS) == ["Mer"]


@pytest.mark.usefixtures("workbooks_in_this_process")
@pytest.mark.parametrize("rows", WITHOUT_DATA.values(), ids=WITHOUT_DATA)
def test_explanations_and_code_lists_are_no_data(rows: list[list[str]], tmp_path: Path) -> None:
    for hidden in (["Mer"], []):
        assert others_with_data(written(tmp_path / "t.xlsx", {"Data": TABLE, "Mer": rows}, hidden)) == []


@pytest.mark.usefixtures("workbooks_in_this_process")
def test_rows_that_continue_on_a_sheet_without_labels_are_data(tmp_path: Path) -> None:
    assert others_with_data(written(tmp_path / "t.xlsx", {"Data": TABLE, "Mer": TABLE[1:]})) == ["Mer"]
    assert others_with_data(written(tmp_path / "t.xlsx", {"Data": TABLE, "Mer": [["x", "år", "1"]] * 3})) == []


def test_data_on_another_sheet_is_an_error_until_a_sheet_is_chosen(tmp_path: Path) -> None:
    written_ods(path := tmp_path / "t.ods", {"Data": TABLE, "Mer": TABLE}, {})
    report = checked(path, TEXT_FIELDS)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, [("table-unread-sheet", "Mer")])
    assert "--sheet 'Data'" in next_commands(report, "sv")
    chosen = checked(path, TEXT_FIELDS, "data")
    assert (chosen.verdict, codes(chosen), chosen.choices) == (Verdict.VALID, [], {"sheet": "data"})
    assert [(note.code, note.sheet) for note in chosen.assumptions[1:]] == [("sheet-not-chosen", "Mer")]


def test_a_hidden_sheet_with_data_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "t.xlsx", {"Data": TABLE, "Gammalt": TABLE}, ["Gammalt"])
    assert codes(checked(path)) == [("table-hidden-sheet", "Gammalt")]
    assert checked(path, sheet="Data").verdict is Verdict.VALID


def test_the_first_visible_sheet_is_read(tmp_path: Path) -> None:
    codes_of_areas = WITHOUT_DATA["code-list"]
    report = checked(written(tmp_path / "t.xlsx", {"Koder": codes_of_areas, "Data": TABLE}, ["Koder"]))
    assert (report.verdict, report.rows) == (Verdict.VALID, {"table": 2})
    report = checked(written(tmp_path / "t.xlsx", {"Gammalt": TABLE, "Data": TABLE}, ["Gammalt"]))
    assert codes(report) == [("table-hidden-sheet", "Gammalt")]


def test_hidden_rows_and_columns_that_are_read_are_warnings(tmp_path: Path) -> None:
    path = written(tmp_path / "t.xlsx", {"Data": TABLE})
    book = openpyxl.load_workbook(path)
    book["Data"].row_dimensions[3].hidden = book["Data"].column_dimensions["C"].hidden = True
    book.save(path)
    report = checked(path)
    assert [(f.code, f.address) for f in report.findings] == [("hidden-rows", "Data!3"), ("hidden-columns", "Data!C1")]
    assert (report.verdict, report.counts) == (Verdict.VALID_WITH_WARNINGS, {"hidden-rows": 1, "hidden-columns": 1})
    assert codes(report)


def test_another_table_in_a_zip_is_an_error_until_one_is_chosen(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.zip", a_csv=TABLE, b_csv=TABLE, readme_txt=[["En fil"]])
    report = checked(path)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, [("table-unread-sheet", "b.csv")])
    assert "--sheet 'a.csv'" in next_commands(report, "en")
    for name in ("b.csv", "b"):
        assert checked(path, sheet=name).verdict is Verdict.VALID
    refused = checked(path, sheet="c")
    assert (refused.verdict, refused.counts) == (Verdict.NOT_CHECKED, {"not-readable-sheet": 1})
    assert checked(archive(tmp_path / "u.csv.zip", a_csv=TABLE, readme_txt=[["En fil"]])).verdict is Verdict.VALID


def test_a_sheet_of_a_workbook_in_a_zip_can_be_chosen(tmp_path: Path) -> None:
    book = written(tmp_path / "t.xlsx", {"Data": TABLE, "Mer": TABLE})
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as file:
        file.write(book, "t.xlsx")
    report = checked(tmp_path / "t.zip")
    assert codes(report) == [("table-unread-sheet", "Mer")]
    assert "--sheet 't.xlsx/Data'" in next_commands(report, "sv")
    assert checked(tmp_path / "t.zip", sheet="t.xlsx/Mer").verdict is Verdict.VALID


def test_the_dialect_of_a_package_excludes_visible_sheets_alone(tmp_path: Path) -> None:
    written(tmp_path / "t.xlsx", {"Data": TABLE, "Mer": TABLE, "Gammalt": TABLE}, ["Gammalt"])
    resource = {"name": "t", "path": "t.xlsx", "schema": {"fields": FIELDS}}
    for dialect, expected in (
        ({}, [("table-unread-sheet", "Mer"), ("table-hidden-sheet", "Gammalt")]),
        ({"excel": {"sheet": "Data"}}, [("table-hidden-sheet", "Gammalt")]),
    ):
        (tmp_path / "datapackage.json").write_text(json.dumps({"resources": [{**resource, "dialect": dialect}]}))
        report = validate(tmp_path)
        assert codes(report) == expected
        assert "--sheet" not in next_commands(report, "sv")


def test_another_list_of_json_is_an_error_unless_a_resource_reads_it(tmp_path: Path) -> None:
    records = [{"omrade": "Rinkeby", "ar": 2022, "antal": 10}]
    document = {"rader": records, "fler": records, "koder": [{"kod": 1}]}
    (tmp_path / "t.json").write_text(json.dumps(document), "utf-8")
    resources = [
        {"name": name, "path": "t.json", "type": "table", "dialect": {"json": {"property": name}}, "schema": schema}
        for name, schema in (("rader", {"fields": FIELDS}), ("fler", {"fields": FIELDS}))
    ]
    (tmp_path / "datapackage.json").write_text(json.dumps({"resources": resources[:1]}))
    assert codes(validate(tmp_path)) == [("table-unread-sheet", "fler")]
    (tmp_path / "datapackage.json").write_text(json.dumps({"resources": resources}))
    assert validate(tmp_path).findings == ()


def test_the_command_takes_a_sheet_of_a_schema_and_no_other_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "t.xlsx", {"Data": TABLE, "Mer": TABLE})
    (tmp_path / "schema.json").write_text(json.dumps({"fields": FIELDS}))
    command = ["validate", str(path), "--schema", str(tmp_path / "schema.json"), "--lang", "sv"]
    assert main(command) == 1
    assert main([*command, "--sheet", "Mer"]) == 0
    assert main([*command, "--sheet", "Mer", "--decimal", ","]) == 2
    assert "--decimal kan inte användas" in capsys.readouterr().err
