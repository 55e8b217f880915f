"""The report as an annotated workbook and as SARIF."""

import json
import shlex
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from openpyxl import Workbook, load_workbook

from tests.conftest import SAMPLE, vaven
from tests.reading import validate
from tests.schemas.test_cases import FOLDERS
from vaven.schemas.reports.sarif import as_sarif
from vaven.vocab.messages import LANGUAGES

CSV = "Område;Nyckeltal;Period;Värde\n180C6070;trygg-morker;2023;64,5\n0180C6070;tryg-morker;2024;=1+1\n"


COMMENTED = {"Observationer!A2", "Observationer!B3", "Observationer!D4"}


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """A sheet with a lost zero, an unknown KPI and a value out of range."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Observationer"
    sheet.append(["Område", "Nyckeltal", "Period", "Värde"])
    sheet.append(["180C6070", "trygg-morker", 2023, 64.5])
    sheet.append(["0180C6070", "tryg-morker", 2024, 60])
    sheet.append(["0180C6070", "trygg-morker", 2022, 164.5])
    book.save(tmp_path / "fel.xlsx")
    return tmp_path / "fel.xlsx"


def test_the_annotated_workbook_has_a_comment_in_each_invalid_cell(workbook: Path) -> None:
    before = workbook.read_bytes()
    done = vaven("validate", workbook, "--format", "xlsx", "--lang", "sv")
    assert done.returncode == 1
    assert done.stdout.strip().endswith("fel-kontrollerad.xlsx")
    book = load_workbook(done.stdout.strip())
    commented = {
        f"{sheet.title}!{cell.coordinate}"
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.comment
    }
    assert commented == COMMENTED
    summary = book.worksheets[0]
    assert summary["A1"].value == "Inte godkänd"
    addresses = [row[0] for row in summary.iter_rows(min_row=5, values_only=True)]
    assert set(addresses) >= COMMENTED
    # The first finding is about the file.
    assert summary["A5"].hyperlink is None
    assert summary["A6"].hyperlink.location or summary["A6"].hyperlink.target
    assert workbook.read_bytes() == before


def test_a_csv_is_annotated_as_a_workbook_with_unchanged_cells(tmp_path: Path) -> None:
    path = tmp_path / "fel.csv"
    path.write_text(CSV, "utf-8")
    target = tmp_path / "ut.xlsx"
    assert vaven("validate", path, "--format", "xlsx", "--output", target, "--lang", "en").returncode == 1
    sheet = load_workbook(target).worksheets[1]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [line.split(";") for line in CSV.splitlines()]
    assert sheet["D3"].data_type == "s"
    assert "did you mean 0180C6070?" in sheet["A2"].comment.text


def test_the_original_is_never_overwritten(workbook: Path) -> None:
    done = vaven("validate", workbook, "--format", "xlsx", "--output", workbook)
    assert done.returncode == 2
    assert "--output" in done.stderr


def test_sarif_names_rule_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "fel.csv"
    path.write_text(CSV, "utf-8")
    log = json.loads(vaven("validate", path, "--format", "sarif", "--lang", "en").stdout)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    regions = [(r["ruleId"], r["locations"][0]["physicalLocation"].get("region", {})) for r in run["results"]]
    results = {(code, region.get("startLine"), region.get("startColumn")) for code, region in regions}
    assert ("area-leading-zero", 2, 1) in results
    assert ("not-in-list", 3, 2) in results
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_sarif_conforms_to_its_schema(tmp_path: Path, language: str) -> None:
    """The schema is OASIS's (SARIF 2.1.0, 2020), as the crate serde-sarif carries it."""
    schema = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text("utf-8"))
    judge = Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)
    (tmp_path / "blad 1 å%.pdf").write_bytes(b"%PDF-1.7")
    sources = [folder / shlex.split((folder / "cmd").read_text())[2] for folder in FOLDERS]
    for source in (*sources, tmp_path / "blad 1 å%.pdf"):
        log = json.loads(as_sarif(validate(source), language))
        assert list(judge.iter_errors(log)) == [], source
    assert log["runs"][0]["artifacts"] == [{"location": {"uri": "blad%201%20%C3%A5%25.pdf"}}]


def test_an_xls_workbook_is_annotated_as_xlsx_with_its_texts(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "ut.xlsx"
    done = vaven("validate", shared / "frictionless-py-data" / "table.xls", "--format", "xlsx", "--output", target)
    assert done.returncode == 1
    sheet = load_workbook(target).worksheets[1]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(max_row=2)] == [["id", "name"], ["1", "english"]]


def test_a_valid_workbook_remains_valid_when_annotated(tmp_path: Path) -> None:
    target = tmp_path / "ut.xlsx"
    assert vaven("validate", SAMPLE / "exempel.xlsx", "--format", "xlsx", "--output", target).returncode == 0
    assert load_workbook(target).worksheets[0]["A1"].value.startswith("Godkänd")
    assert vaven("validate", target).returncode == 0


def test_an_unreadable_file_is_reported_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "rapport.csv"
    path.write_bytes(b"%PDF-1.7 ...")
    for form in ("text", "json", "html", "sarif", "frictionless", "xlsx"):
        done = vaven("validate", path, "--format", form)
        assert done.returncode == 2
        assert "PDF" in done.stdout
