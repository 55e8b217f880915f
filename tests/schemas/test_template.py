"""The template for partners, and reading it back into the right tables."""

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.reading import validate
from tests.servers.process import run_supervised
from vaven.schemas.formats.grid import column_letter
from vaven.schemas.reports.template import ABOUT_ORDER, write_template
from vaven.schemas.standard.finding import Severity, Verdict
from vaven.schemas.standard.table_schemas import RESOURCES, standard
from vaven.schemas.tables.read import read
from vaven.vocab import register
from vaven.vocab.errors import NotReadable, WrongUse
from vaven.vocab.messages import LANGUAGES, messages

ROWS: dict[str, dict[str, Any]] = {
    "observations": {"neighbourhood": "0180C1010", "kpi": "trygg-morker", "period": "2024", "sex": "T", "value": 71.5},
    "neighbourhoods": {"code": "kvarteret", "level": "own", "name": "Kvarteret", "municipality": "0180"},
    "actors": {"id": "bolaget", "organisation_number": "556036-0793", "name": "Bolaget", "sector": "private"},
    "investments": {
        "id": "gard",
        "name": "Fritidsgård",
        "neighbourhoods": "kvarteret",
        "actors": "bolaget",
        "start": "2024-01-15",
        "amount": 250000,
        "kind": "meeting-place",
        "kpis": "trygg-morker",
    },
    "targets": {
        "neighbourhood": "0180C1010",
        "kpi": "trygg-morker",
        "period": "2030",
        "baseline_period": "2024",
        "baseline_value": 71.5,
        "target_value": 80,
    },
    "survey": {"neighbourhood": "kvarteret", "question": "Trivs du?", "answer": "Ja", "period": "2024", "share": 82.5},
}
ABOUT = {
    "title_sv": "Trygghet i våra områden",
    "title_en": "Safety in our areas",
    "description_sv": "Ur vår enkät.",
    "description_en": "From our survey.",
    "publisher_name": "Bolaget",
    "publisher_number": "5560360793",
    "publisher_sector": "private",
    "contact_name": "Statistik",
    "contact_email": "statistik@example.org",
    "licence": "cc0",
    "keywords_sv": "trygghet; enkät",
    "keywords_en": "safety",
    "slug": "trygghet",
    "series_sv": "Trygghetsmätningen",
    "version_note": "Första",
}


def fill(path: Path, language: str) -> None:
    """Fill in the template as a partner does: under the headers, beside the labels."""
    book = openpyxl.load_workbook(path)
    for resource, row in ROWS.items():
        schema = standard()[resource]
        sheet = book[schema.label(language)]
        labels = [cell.value for cell in sheet[1]]
        for name, value in row.items():
            sheet.cell(2, labels.index(schema[name].label(language)) + 1, value)
    about = book[messages(language, "schemas")("template.sheet.about")]
    for cells in about.iter_rows(min_row=2):
        key = next(
            key for key in ABOUT_ORDER if messages(language, "schemas")(f"template.about.{key}") == cells[0].value
        )
        cells[1].value = ABOUT[key]
    book.save(path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_filled_template_reads_back_into_the_right_tables(tmp_path: Path, language: str) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, language=language)
    fill(path, language)
    with read(path) as tables:
        assert tuple(sorted(tables.tables)) == tuple(sorted(RESOURCES))
        assert (tables.problems, tables.assumptions) == ((), ())
        for resource, row in ROWS.items():
            table = tables.tables[resource]
            names = ", ".join(row)
            rows = tables.workspace.execute(f"SELECT {names} FROM {table.relation}").fetchall()
            assert rows == [tuple(str(value) for value in row.values())]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_about_sheet_fills_the_submission_s_metadata(tmp_path: Path, language: str) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, language=language)
    fill(path, language)
    with read(path) as tables:
        about = tables.about
    assert about.titles == {"sv": ABOUT["title_sv"], "en": ABOUT["title_en"]}
    assert about.descriptions == {"sv": ABOUT["description_sv"], "en": ABOUT["description_en"]}
    assert about.keywords == {"sv": ("trygghet", "enkät"), "en": ("safety",)}
    assert (about.publisher_name, about.publisher_number, about.publisher_sector) == (
        "Bolaget",
        "5560360793",
        "private",
    )
    assert (about.contact_name, about.contact_email) == ("Statistik", "statistik@example.org")
    assert (about.licence, about.slug, about.version_note) == ("cc0", "trygghet", "Första")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_template_is_not_checked(tmp_path: Path, language: str) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, language=language)
    with pytest.raises(NotReadable, match="not-readable-no-rows"):
        read(path)


@pytest.mark.parametrize("kommun", ["0180", "180", "Stockholm", " stockholm "])
def test_the_template_lists_the_areas_of_the_municipality(tmp_path: Path, kommun: str) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, kommun=kommun)
    sheet = openpyxl.load_workbook(path)["Områden"]
    rows = list(sheet.iter_rows(min_row=2, max_col=5, values_only=True))
    assert len(rows) == 544
    assert all(code.startswith("0180") and level == "deso" and name for code, level, _, name, _ in rows)
    assert {(vintage, municipality) for _, _, vintage, _, municipality in rows} == {("2018", "0180")}


def test_an_unknown_municipality_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="9999") as caught:
        write_template(tmp_path / "template.xlsx", kommun="9999")
    assert caught.value.remedy("en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_drop_down_lists_contain_the_register(tmp_path: Path, language: str) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path, language=language)
    book = openpyxl.load_workbook(path)
    sheet = book[standard()["observations"].label(language)]
    offered = {}
    for rule in sheet.data_validations.dataValidation:
        if rule.type == "list":
            sheet_name, cells = rule.formula1.split("!")
            column = book[sheet_name.strip("'")][cells.replace("$", "")]
            offered[str(rule.sqref).split("2:")[0]] = [cell[0].value for cell in column]
    assert offered["B"] == list(register.kpis())
    assert offered["D"] == list(register.codes("sexes"))
    assert list(register.codes("statuses")) in offered.values()


def test_codes_are_formatted_as_text_and_every_column_has_an_explanation(tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    write_template(path)
    book = openpyxl.load_workbook(path)
    for resource in RESOURCES:
        schema = standard()[resource]
        sheet = book[schema.label("sv")]
        for cell, field in zip(sheet[1], schema.fields, strict=True):
            assert cell.comment is not None
            assert field.describe("sv") in cell.comment.text
            if field.type == "string":
                assert sheet.column_dimensions[cell.column_letter].number_format == "@"
        assert all(len(rule.prompt) <= 255 for rule in sheet.data_validations.dataValidation)


def in_libreoffice(folder: Path, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Run tests/schemas/in_libreoffice.py; returns the cell rules. The copies that the plan names are saved."""
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    done = run_supervised(["/usr/bin/python3", Path(__file__).with_name("in_libreoffice.py"), path], timeout=180)
    assert done.returncode == 0, done.stdout
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen


def test_libreoffice_offers_lists_warns_of_invalid_cells_and_saves_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "mall.xlsx"
    write_template(path, language="sv", kommun="0180")
    schema = standard()["observations"]
    sheet = schema.label("sv")
    letters = {name: column_letter(i) for i, name in enumerate(schema.names)}
    looked = ("neighbourhood", "kpi", "sex", "status", "value", "sample_size", "note")
    wrong = {"neighbourhood": "180C1010", "kpi": "trygg-morker", "period": "2024", "value": 71.5, "sample_size": 212}
    right = wrong | {"neighbourhood": "0180C1010"}
    copies = [str(tmp_path / f"ifylld.{ending}") for ending in ("xlsx", "ods", "xls")]
    seen = in_libreoffice(
        tmp_path,
        {
            "workbook": str(path),
            "look": [[sheet, f"{letters[name]}2"] for name in looked],
            "fill": [[sheet, f"{letters[name]}2", value] for name, value in right.items()],
            "save": copies,
        },
    )
    rules = dict(zip(looked, seen, strict=True))
    assert "0180C1010" in rules["neighbourhood"]["entries"]
    assert rules["kpi"]["entries"] == list(register.kpis())
    assert rules["sex"]["entries"] == list(schema["sex"].constraints["enum"])
    assert (rules["value"]["type"], rules["sample_size"]["type"]) == ("DECIMAL", "WHOLE")
    assert float(rules["sample_size"]["limits"][0]) == schema["sample_size"].constraints["minimum"]
    assert rules["note"]["type"] == "ANY"
    assert all(rule["warns"] for name, rule in rules.items() if name != "note")
    assert all(rule["prompt"] for rule in seen)
    for copy in copies:
        report = validate(copy)
        # The sheet about the dataset is empty.
        assert report.verdict is Verdict.VALID_WITH_WARNINGS, (copy, report.findings)
        assert report.counts == {"metadata-requested": 1}
        assert report.rows == {"observations": 1, "neighbourhoods": report.rows["neighbourhoods"]}
    changed = str(tmp_path / "ändrad.xlsx")
    plan = {"workbook": copies[0], "look": [], "save": [changed]}
    in_libreoffice(tmp_path, plan | {"fill": [[sheet, f"{letters['neighbourhood']}2", wrong["neighbourhood"]]]})
    assert [f.code for f in validate(changed).findings if f.severity is Severity.ERROR] == ["area-leading-zero"]
