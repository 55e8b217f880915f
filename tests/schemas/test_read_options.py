"""Read options, which replace our assumptions, and wide tables; the report states both."""

from pathlib import Path

import openpyxl
import pytest

from tests.reading import validate
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.standard.labels import values_in_label
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.read import read

WIDE = """Andel trygga i våra områden;;;;
Område;KPI;2021;2022;2023
0180C1010;trygg-morker;62,5;64,1;
0180C1020;trygg-morker;55,0;..;58,9
0180C1030;trygg-morker;57;120,5;58,9
"""


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "fil.csv"
    path.write_text(text, encoding)
    return path


def observations(path: Path, choices: ReadOptions, columns: str) -> list[tuple[object, ...]]:
    with read(path, choices=choices) as tables:
        return tables.workspace.execute(f"SELECT {columns} FROM observations ORDER BY _row").fetchall()


def cells_of(report: Report) -> set[tuple[str, str, str | None]]:
    return {(f.code, f.address, f.text) for f in report.findings}


def test_a_table_with_a_column_per_year_is_read_with_a_row_per_value_and_findings_at_their_cells(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, WIDE)
    report = validate(path)
    assert cells_of(report) == {("kpi-range", "D5", "120,5")}
    assert report.rows == {"observations": 8}
    (note,) = [n for n in report.assumptions if n.code == "assumed-wide"]
    assert "3 kolumner, från C (2021) till E (2023), lästes som Period" in note.message("sv")
    assert note.params["empty"] == 1
    assert observations(path, ReadOptions(), "neighbourhood, period, value, status")[:4] == [
        ("0180C1010", "2021", "62.5", None),
        ("0180C1010", "2022", "64.1", None),
        ("0180C1020", "2021", "55.0", None),
        ("0180C1020", "2022", None, "O"),
    ]


def test_columns_of_kpis_with_years_and_sexes_are_read(tmp_path: Path) -> None:
    label = "Svarande som är trygga utomhus i området när det är mörkt"
    path = written(tmp_path, f"DeSO;{label} 2022, kvinnor;{label} 2031 män\n0180C1010;62,5;64\n")
    assert observations(path, ReadOptions(), "kpi, period, sex, value") == [
        ("trygg-morker", "2022", "F", "62.5"),
        ("trygg-morker", "2031", "M", "64"),
    ]
    assert cells_of(validate(path)) == {("period-future", "C1", "2031")}


def test_findings_in_a_wide_workbook_name_cells_of_its_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Trygghet"
    for row in (["Områdeskod", "Indikator", 2022, 2023], ["0180C1010", "trygg-morker", 61.5, "ca 60"]):
        book.active.append(row)
    book.save(tmp_path / "bred.xlsx")
    report = validate(tmp_path / "bred.xlsx")
    assert cells_of(report) == {("type-error", "Trygghet!D2", "ca 60")}


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("2023", {"period": "2023"}),
        ("År 2023", {"period": "2023"}),
        ("2023 kv 1", {"period": "2023-Q1"}),
        ("2022–2024", {"period": "2022/2024"}),
        ("2023-06", {"period": "2023-06"}),
        ("Andel kvinnor 2023", {"period": "2023", "sex": "F"}),
        ("Kvinnor 16–24 år", {"sex": "F", "age_group": "16-24"}),
        ("trygg-morker 2023", {"period": "2023", "kpi": "trygg-morker"}),
        ("Kommentar", {}),
        ("Antal svarande", {}),
        ("12023", {}),
        ("2023 män kvinnor", {}),
        ("Befolkning 2023", {}),
        ("1,2023", {}),
    ],
)
def test_a_label_is_interpreted_completely_or_not_at_all(label: str, says: dict[str, str]) -> None:
    assert values_in_label(label) == says


def test_statistics_without_a_kpi_are_a_wide_table_only_on_request(tmp_path: Path) -> None:
    path = written(tmp_path, "region,2022,2023\n0180,57,58\n0184,51,52\n")
    assert set(validate(path).counts) == {"not-the-standard"}
    assert set(validate(path, choices=ReadOptions(wide=True)).counts) == {"missing-column"}
    chosen = validate(path, choices=ReadOptions(constants={"kpi": "trygg-morker"}))
    assert chosen.verdict == Verdict.VALID
    assert chosen.rows == {"observations": 4}
    assert "är ”trygg-morker” på alla rader" in [n.message("sv") for n in chosen.assumptions][2]


def test_a_table_is_not_read_as_wide_if_the_user_declines(tmp_path: Path) -> None:
    assert set(validate(written(tmp_path, WIDE), choices=ReadOptions(wide=False)).counts) >= {"missing-column"}


def test_a_constant_replaces_a_column(tmp_path: Path) -> None:
    path = written(tmp_path, "Område,KPI,Period,Värde\n0180C1010,skräp,2023,57\n0180C1020,,2023,58\n")
    options = ReadOptions(constants={"kpi": "Trygg utomhus i området efter mörkrets inbrott"})
    assert validate(path, choices=options).verdict == Verdict.VALID
    assert observations(path, options, "kpi, value") == [("trygg-morker", "57"), ("trygg-morker", "58")]


def test_a_column_is_mapped_or_ignored_as_the_user_chooses(tmp_path: Path) -> None:
    path = written(tmp_path, "Plats,KPI,Period,Andel,Resultat\n0180C1010,trygg-morker,2023,0.57,57\n")
    assert "missing-column" in validate(path).counts
    choices = ReadOptions(columns={"plats": "neighbourhood", "ANDEL": "", "Resultat": "value"})
    report = validate(path, choices=choices)
    assert observations(path, choices, "neighbourhood, value") == [("0180C1010", "57")]
    assert set(report.counts) <= {"unknown-column"}


def test_the_user_chooses_the_decimal_sign(tmp_path: Path) -> None:
    path = written(tmp_path, "Område;KPI;Period;Värde\n0180C1010;folkmangd;2023;4,726\n")
    assert observations(path, ReadOptions(), "value") == [("4.726",)]
    assert observations(path, ReadOptions(decimal="."), "value") == [("4726",)]
    assert not [n for n in validate(path, choices=ReadOptions(decimal=".")).assumptions if n.code == "assumed-decimal"]


def test_the_user_chooses_header_row_delimiter_and_encoding(tmp_path: Path) -> None:
    text = "Område|KPI|Period|Värde\nfel|rad|är|detta\nOmråde|KPI|Period|Värde\n0180C1010|trygg-morker|2023|57\n"
    path = written(tmp_path, text, "utf-16-le")
    assert validate(path).verdict == Verdict.NOT_CHECKED
    choices = ReadOptions(encoding="utf-16-le", delimiter="|", header_row=3)
    assert observations(path, choices, "_row, value") == [(4, "57")]
    missing = validate(path, choices=ReadOptions(encoding="utf-16-le", header_row=700))
    assert set(missing.counts) == {"not-readable-header-row"}
    assert set(validate(path, choices=ReadOptions(encoding="utf-8")).counts) == {"not-readable-encoding"}


def test_the_user_chooses_the_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Observationer"
    book.active.append(["Område", "KPI", "Period", "Värde"])
    book.active.append(["0180C1010", "trygg-morker", 2023, 1])
    other = book.create_sheet("Ny version")
    other.append(["Område", "KPI", "Period", "Värde"])
    other.append(["0180C1010", "trygg-morker", 2023, 57])
    path = tmp_path / "två.xlsx"
    book.save(path)
    assert observations(path, ReadOptions(), "value") == [("1",), ("57",)]
    assert observations(path, ReadOptions(sheet="ny version"), "value") == [("57",)]
    assert set(validate(path, choices=ReadOptions(sheet="Borta")).counts) == {"not-readable-sheet"}
