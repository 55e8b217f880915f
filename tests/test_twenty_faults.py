"""A workbook with twenty planted faults, one a rule, gives exactly twenty findings at the right cells."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.conftest import vaven
from vaven.schemas.check import validate
from vaven.schemas.standard import standard

Sheet = list[list[object]]

AREAS: Sheet = [
    ["0180C6070", "deso", "2018", "Rinkeby", "0180", None],
    ["0180C6090", "deso", "2018", "Rinkeby", "0180", None],
    ["1280C1430", "deso", "2018", "Holma", "1280", None],
]
ACTORS: Sheet = [["bolaget", "556036-0793", "Bolaget", "private"]]
INVESTMENTS: Sheet = [
    ["insats", "Insats", "0180C6070", "bolaget", "2022-01-01", "2024-12-31", 100000, "safety", "trygg-morker"]
]
HEADERS = {
    "observations": ["Område", "Nyckeltal", "Period", "Kön", "Ålder", "Värde", "Täljare", "Nämnare", "Antal svar",
                     "Konfidensintervall nedre", "Konfidensintervall övre", "Status"],
    "neighbourhoods": ["Kod", "Nivå", "Årgång", "Namn", "Kommun", "DeSO-koder"],
    "actors": ["Id", "Organisationsnummer", "Namn", "Sektor"],
    "investments": ["Id", "Namn", "Områden", "Aktörer", "Start", "Slut", "Belopp", "Typ", "Nyckeltal"],
}  # fmt: skip


def observation(code: str, kpi: str, period: str, value: object, **more: object) -> list[object]:
    row: dict[str, object] = {
        "sex": "T",
        "age": "T",
        "num": None,
        "den": None,
        "n": None,
        "lo": None,
        "hi": None,
        "status": "A",
    }
    row |= more
    return [
        code,
        kpi,
        period,
        row["sex"],
        row["age"],
        value,
        *(row[k] for k in ("num", "den", "n", "lo", "hi", "status")),
    ]


def clean() -> dict[str, Sheet]:
    """A valid submission: every area has the KPI trygg-morker for twelve years."""
    rows = [
        observation(str(area[0]), "trygg-morker", str(year), 60.0 + (year - 2010) / 10)
        for area in AREAS
        for year in range(2010, 2022)
    ]
    return {
        "observations": rows,
        "neighbourhoods": [list(r) for r in AREAS],
        "actors": [list(r) for r in ACTORS],
        "investments": [list(r) for r in INVESTMENTS],
    }


def faulty() -> tuple[dict[str, Sheet], set[tuple[str, str]]]:
    """The same with twenty faults, and (code, address) of each."""
    sheets, planted = clean(), set()

    def plant(code: str, resource: str, letter: str, row: list[object]) -> None:
        sheets[resource].append(row)
        sheet = standard()[resource].label("sv")
        planted.add((code, f"{sheet}!{letter}{len(sheets[resource]) + 1}"))

    area = "0180C6070"
    plant("type-error", "observations", "G", observation(area, "tillit", "2010", 50, num="många"))
    plant("required-missing", "observations", "C", observation(area, "tillit", "", 50))
    plant("not-in-list", "observations", "B", observation(area, "trygghet-natt", "2022", 50))
    plant("pattern-mismatch", "observations", "E", observation(area, "tillit", "2011", 50, age="sexton"))
    plant("below-minimum", "observations", "I", observation(area, "tillit", "2012", 50, n=-4))
    plant("dash-ambiguous", "observations", "F", observation(area, "tillit", "2013", "-"))
    plant("kpi-range", "observations", "F", observation("0180C6090", "bra-halsa", "2014", 117))
    plant("ratio-disagrees", "observations", "F", observation(area, "sysselsatta", "2014", 70, num=500, den=1000))
    plant(
        "numerator-over-denominator",
        "observations",
        "G",
        observation(area, "uvas-16-24", "2014", None, num=30, den=20, status="Q"),
    )
    plant("status-missing", "observations", "F", observation(area, "tillit", "2015", None))
    plant("status-contradicts", "observations", "L", observation(area, "tillit", "2016", 50, status="Q"))
    plant("confidence-interval", "observations", "J", observation(area, "tillit", "2017", 50, lo=55, hi=60))
    plant("duplicate-key", "observations", "A", observation(area, "trygg-morker", "2010", 61.5))
    plant("reference-missing", "observations", "A", observation("0180C6100", "tillit", "2018", 50))
    plant("period-impossible", "observations", "C", observation(area, "tillit", "2020/2018", 50))
    plant("area-unknown", "neighbourhoods", "A", ["0180C9999", "deso", "2018", "Ingenstans", "0180", None])
    plant("municipality-disagrees", "neighbourhoods", "E", ["1480C3730", "deso", "2018", "Hammarkullen", "0180", None])
    plant("own-area-empty", "neighbourhoods", "F", ["kvarteret", "own", None, "Kvarteret", "0180", None])
    plant("organisation-number", "actors", "B", ["annat", "556036-0794", "Annat bolag", "private"])
    plant("investment-dates", "investments", "F",
          ["bakvand", "Bakvänd", area, "bolaget", "2024-01-01", "2023-01-01", 1, "safety", "tillit"])  # fmt: skip
    return sheets, planted


def write_workbook(path: Path, sheets: dict[str, Sheet]) -> Path:
    book = Workbook()
    book.remove(book.active)
    for resource, rows in sheets.items():
        sheet = book.create_sheet(standard()[resource].label("sv"))
        sheet.append(HEADERS[resource])
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_clean_workbook_is_valid_without_a_remark(tmp_path: Path) -> None:
    report = validate(write_workbook(tmp_path / "ren.xlsx", clean()))
    assert (report.verdict.value, report.findings) == ("valid", ())


def test_twenty_faults_give_twenty_findings_at_their_cells(tmp_path: Path) -> None:
    sheets, planted = faulty()
    report = validate(write_workbook(tmp_path / "fel.xlsx", sheets))
    found = [(f.code, f.address) for f in report.findings]
    assert len(planted) == 20
    assert sorted(found) == sorted(planted)
    assert report.verdict.value == "invalid"


@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_command_says_them_all_in_both_languages(tmp_path: Path, language: str) -> None:
    sheets, planted = faulty()
    path = write_workbook(tmp_path / "fel.xlsx", sheets)
    done = vaven("validate", path, "--format", "json", "--lang", language)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert {(f["code"], f["cell"]) for f in report["findings"]} == planted
    assert all(f["message"] and f["remedy"] for f in report["findings"])
    text = vaven("validate", path, "--lang", language)
    assert text.stdout.startswith({"sv": "UNDERKÄND", "en": "INVALID"}[language])
    assert all(address in text.stdout for _, address in planted)


def columns(rows: Sequence[Sequence[object]]) -> list[str]:
    return [";".join("" if cell is None else str(cell).replace(".", ",") for cell in row) for row in rows]


def test_a_lone_csv_has_its_faults_at_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "fel.csv"
    rows = [
        ["Område", "Nyckeltal", "Period", "Värde"],
        ["0180C6070", "trygg-morker", "2023", 57.5],
        ["180C6070", "trygg-morker", "2024", 58.5],
        ["0180C6070", "trygg-morker", "2031", 59.5],
        ["0180C6070", "trygg-morker", "1823", 59.5],
    ]
    path.write_text("\n".join(columns(rows)), "utf-8")
    report = validate(path)
    assert [(f.code, f.address) for f in report.findings] == [
        ("area-leading-zero", "A3"),
        ("period-future", "C4"),
        ("period-too-old", "C5"),
    ]
    assert report.findings[0].fix is not None
    assert report.findings[0].fix.text == "0180C6070"
