"""A file with twenty planted faults, one per rule, has exactly twenty findings at the right cells."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils import get_column_letter

from tests.reading import validate
from vaven.schemas.reports.text_and_json import as_json, as_text
from vaven.schemas.standard.finding import Verdict
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.messages import LANGUAGES

Row = Mapping[str, str]


@dataclass(frozen=True)
class Plant:
    """A fault: the rows that cause it (each as its differences from a clean row), and the location of its finding."""

    code: str
    field: str
    rows: Sequence[Row]

    @property
    def last(self) -> bool:
        """True if the finding is at the last of the rows; rules about all values of a KPI name the first."""
        return self.code != "kpi-scale"


CLEAN: dict[str, Row] = {
    "observations": {
        "neighbourhood": "0180C1010",
        "kpi": "arbetsloshet",
        "sex": "T",
        "age_group": "T",
        "value": "5.5",
        "status": "A",
        "method": "register",
    },
    "neighbourhoods": {
        "code": "0180C1010",
        "level": "deso",
        "vintage": "2018",
        "name": "Norrmalm",
        "municipality": "0180",
    },
    "actors": {"organisation_number": "212000-0142", "name": "Stockholms stad", "sector": "public"},
    "investments": {
        "name": "Ljusare gångvägar",
        "neighbourhoods": "0180C1010",
        "actors": "aktor-1",
        "start": "2022-01-01",
        "end": "2023-12-31",
        "amount": "1200000",
        "kind": "safety",
        "kpis": "trygg-morker",
    },
}
RATIO = {"numerator": "55", "denominator": "1000"}


def plant(code: str, field: str, *rows: Row) -> Plant:
    return Plant(code, field, rows)


IN_CELLS = (
    plant("required-missing", "kpi", {"kpi": ""}),
    plant("type-error", "sample_size", {"sample_size": "cirka 100"}),
    plant("dash-ambiguous", "value", {"value": "-"}),
    plant("pattern-mismatch", "age_group", {"age_group": "unga vuxna"}),
    plant("not-in-list", "kpi", {"kpi": "arbetslöshetten"}),
    plant("below-minimum", "denominator", {"denominator": "-5"}),
    plant("kpi-range", "value", {"value": "101"}),
    plant("ratio-disagrees", "value", {**RATIO, "value": "6.5"}),
    plant("numerator-over-denominator", "numerator", {**RATIO, "numerator": "2000"}),
    plant("status-missing", "value", {"value": "", "status": ""}),
    plant("status-contradicts", "status", {"status": "Q"}),
    plant("confidence-interval", "ci_lower", {"ci_lower": "6", "ci_upper": "7"}),
    plant("confidence-interval-open", "ci_upper", {"ci_upper": "7"}),
    plant("duplicate-key", "neighbourhood", {"period": "1999"}, {"period": "1999", "value": "9.9"}),
)
IN_LONE_TABLE = (
    *IN_CELLS,
    plant("area-leading-zero", "neighbourhood", {"neighbourhood": "180C1010"}),
    plant("area-unknown", "neighbourhood", {"neighbourhood": "0180C9999"}),
    plant("period-impossible", "period", {"period": "2012/2010"}),
    plant("period-future", "period", {"period": "3001"}),
    plant("period-too-old", "period", {"period": "1801"}),
    plant(
        "kpi-scale",
        "value",
        *({"kpi": "tillit", "value": value, "period": year} for value, year in (("0.5", "2001"), ("0.6", "2002"))),
        {"kpi": "tillit", "value": "0.55", "period": "2003"},
    ),
)
IN_WORKBOOK = {
    "observations": (*IN_CELLS, plant("reference-missing", "neighbourhood", {"neighbourhood": "gula-husen"})),
    "neighbourhoods": (
        plant("area-vintage", "vintage", {"code": "0114C1060", "vintage": "2025", "municipality": "0114"}),
        plant("municipality-disagrees", "municipality", {"code": "0180C1020", "municipality": "0184"}),
    ),
    "actors": (plant("organisation-number", "organisation_number", {"organisation_number": "212000-0143"}),),
    "investments": (
        plant("investment-dates", "end", {"end": "2021-12-31"}),
        plant("list-member-unknown", "actors", {"actors": "ingen-sadan"}),
    ),
}


def rows_of(resource: str, plants: Sequence[Plant]) -> tuple[list[Row], list[tuple[str, str, int]]]:
    """Clean rows with the faults among them, and (code, field, row) of each; the header is row 1."""
    rows: list[Row] = [_row(resource, {}, 0)]
    expected = []
    for plant in plants:
        first = len(rows) + 2
        rows += [_row(resource, change, len(rows) + i) for i, change in enumerate(plant.rows)]
        expected.append((plant.code, plant.field, first + len(plant.rows) - 1 if plant.last else first))
    return [*rows, _row(resource, {}, len(rows))] if resource == "observations" else rows, expected


def _row(resource: str, change: Row, number: int) -> Row:
    """Return a clean row with a key of its own and the change."""
    own = {"observations": {"period": f"{1960 + number}"}, "neighbourhoods": {}}.get(resource, _named(resource, number))
    return {**CLEAN[resource], **own, **change}


def _named(resource: str, number: int) -> Row:
    return {"id": f"{'aktor' if resource == 'actors' else 'insats'}-{number + 1}"}


def grid(resource: str, rows: Sequence[Row], language: str) -> list[list[str]]:
    schema = standard()[resource]
    labels = [field.label(language) for field in schema.fields]
    return [labels, *([row.get(name, "") for name in schema.names] for row in rows)]


def address(resource: str, field: str, row: int, sheet: str | None = None) -> str:
    cell = f"{get_column_letter(standard()[resource].names.index(field) + 1)}{row}"
    return f"{sheet}!{cell}" if sheet else cell


def assert_found(source: Path, expected: list[tuple[str, str]]) -> None:
    report = validate(source)
    assert sorted((f.code, f.address) for f in report.findings) == sorted(expected)
    assert len(report.findings) == sum(report.counts.values()) == 20
    assert len(report.counts) == 20
    assert report.verdict is Verdict.INVALID
    for language in LANGUAGES:
        findings = json.loads(as_json(report, language))["findings"]
        assert [f["cell"] for f in findings] == [f.address for f in report.findings]
        text = as_text(report, language)
        for finding in report.findings:
            assert f"{finding.address}: {finding.message(language)}" in text
            assert f"[{finding.code}]" in text
            assert finding.title(language) in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_twenty_faults_in_a_csv_are_reported(tmp_path: Path, language: str) -> None:
    rows, expected = rows_of("observations", IN_LONE_TABLE)
    path = tmp_path / "faults.csv"
    with path.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows(grid("observations", rows, language))
    assert_found(path, [(code, address("observations", field, row)) for code, field, row in expected])


@pytest.mark.parametrize("language", LANGUAGES)
def test_twenty_faults_in_a_workbook_are_reported(tmp_path: Path, language: str) -> None:
    book, expected = openpyxl.Workbook(), []
    book.remove(book.active)
    for resource, plants in IN_WORKBOOK.items():
        rows, planted = rows_of(resource, plants)
        name = standard()[resource].label(language)
        sheet = book.create_sheet(name)
        for row in grid(resource, rows, language):
            sheet.append([_number(text) for text in row])
        expected += [(code, address(resource, field, row, name)) for code, field, row in planted]
    book.save(tmp_path / "faults.xlsx")
    assert_found(tmp_path / "faults.xlsx", expected)


def _number(text: str) -> str | float | None:
    """Numbers as a spreadsheet holds them; codes stay text."""
    return float(text) if text.count(".") == 1 and text.replace(".", "").isdigit() else text or None
