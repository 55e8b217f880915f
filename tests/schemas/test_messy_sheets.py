"""Sheets laid out for human readers: the parts that are recognised, and the options of the user."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.reading import rows_of, validate
from vaven.schemas.reports.fix import fix
from vaven.schemas.standard.finding import Verdict
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.read import read

LONG = ["Område", "Nyckeltal", "Period", "Värde"]
KPI = "trygg-morker"


def observations(path: Path, choices: ReadOptions | None = None) -> list[tuple[Any, ...]]:
    with read(path, choices=choices or ReadOptions()) as tables:
        return [
            tuple(row.get(n) for n in ("neighbourhood", "kpi", "period", "sex", "value")) for row in rows_of(tables)
        ]


def notes(path: Path, choices: ReadOptions | None = None) -> dict[str, str]:
    return {n.code: n.message("sv") for n in validate(path, choices=choices or ReadOptions()).assumptions}


def sheet(path: Path, rows: list[list[Any]], merged: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cells in merged:
        book.active.merge_cells(cells)
    book.save(path)
    return path


@pytest.fixture
def messy(tmp_path: Path) -> Callable[..., Path]:
    return lambda rows, *merged: sheet(tmp_path / "blad.xlsx", rows, merged)


# --- labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_merged", [True, False])
def test_years_above_sexes_are_one_header_of_two_rows(messy: Callable[..., Path], is_merged: bool) -> None:
    rows = [
        ["Arbetslöshet i länet"],
        ["Kommun", "Nyckeltal", 2023, None, 2024, None],
        [None, None, "Kvinnor", "Män", "Kvinnor", "Män"],
        ["0180", "Arbetslöshet", 5.5, 6.5, 5, 6],
    ]
    path = messy(rows, *(("C2:D2", "E2:F2", "A2:A3") if is_merged else ()))
    assert [row[2:] for row in observations(path)] == [
        ("2023", "F", "5.5"),
        ("2023", "M", "6.5"),
        ("2024", "F", "5"),
        ("2024", "M", "6"),
    ]
    messages = notes(path)
    assert "rad 2–3" in messages["assumed-header-rows"]
    assert "Rubrikraden är rad 2" in messages["assumed-preamble"]


def test_a_row_of_data_below_a_blank_label_is_not_a_second_header_row(messy: Callable[..., Path]) -> None:
    path = messy([["Område", "", *LONG[1:]], ["0180C1010", "Vasastan", KPI, 2023, 57]])
    assert observations(path) == [("0180C1010", KPI, "2023", "T", "57")]
    assert "assumed-header-rows" not in notes(path)


def test_names_beside_codes_are_ignored_whatever_their_label(messy: Callable[..., Path]) -> None:
    path = messy([["Område", "Områdeskod", *LONG[1:]], ["Vasastan", "0180C1010", KPI, 2023, 57]])
    assert validate(path).verdict == Verdict.VALID
    assert observations(path) == [("0180C1010", KPI, "2023", "T", "57")]
    assert "Kolumnen ”Område” lästes som namn" in notes(path)["assumed-names"]
    two = messy([["Område", "Kommunkod", *LONG[1:]], ["0180C1010", "0180", KPI, 2023, 57]])
    assert "duplicate-label" in validate(two).counts, "both are codes, and only the partner knows which are meant"


def test_years_beside_an_area_identify_the_header_row_and_the_user_chooses_the_kpi(
    messy: Callable[..., Path],
) -> None:
    rows = [["Bostads AB Tallen"], [], ["Område", "Kod", 2022, 2023], ["Kv Eken", "0180C1010", "57,5", ".."]]
    path = messy(rows)
    (finding,) = validate(path).findings
    assert (finding.code, finding.row) == ("not-the-standard", 3)
    assert finding.params["labels"] == ["Område", "Kod", "2022", "2023"]
    chosen = ReadOptions(constants={"kpi": KPI})
    assert observations(path, chosen) == [
        ("0180C1010", KPI, "2022", "T", "57.5"),
        ("0180C1010", KPI, "2023", "T", None),
    ]
    assert validate(path, choices=chosen).verdict == Verdict.VALID


# --- rows -------------------------------------------------------------------------------------------------------


def test_merged_cells_have_their_text_in_each_row(messy: Callable[..., Path]) -> None:
    rows = [
        LONG,
        ["0180C1010", KPI, 2022, 57],
        [None, None, 2023, 58],
        ["0180C1020", KPI, 2022, 61],
        [None, None, 2023],
    ]
    path = messy([*rows[:4], [None, None, 2023, None]], "A2:A3", "B2:B3", "A4:A5", "B4:B5", "D4:D5")
    assert observations(path)[1] == ("0180C1010", KPI, "2023", "T", "58")
    # A value merged over two years is one value: nothing is made up.
    assert observations(path)[3] == ("0180C1020", KPI, "2023", "T", None)
    assert "antal rader: 5" in notes(path)["assumed-merged"]


def test_empty_cells_repeat_the_value_above_only_on_request(messy: Callable[..., Path]) -> None:
    path = messy([LONG, ["0180C1010", KPI, 2022, 57], [None, None, 2023, 58], [], ["0180C1020", KPI, 2022, 61]])
    assert validate(path).counts == {"required-missing": 2, "blank-row": 1}
    chosen = ReadOptions(fill_down=True)
    assert observations(path, chosen)[1] == ("0180C1010", KPI, "2023", "T", "58")
    assert validate(path, choices=chosen).counts == {"blank-row": 1}
    assert "assumed-fill-down" in notes(path, chosen)


def test_empty_cells_of_a_csv_repeat_the_value_above_on_request_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{','.join(LONG)}\n0180C1010,{KPI},2022,57\n,,2023,58\n")
    assert observations(path, ReadOptions(fill_down=True))[1] == ("0180C1010", KPI, "2023", "T", "58")


@pytest.mark.parametrize("ending", [".xlsx", ".csv"])
@pytest.mark.parametrize("gap", [[], [["", "", "", ""]]])
def test_a_row_of_sums_is_skipped_and_reported(tmp_path: Path, ending: str, gap: list[list[Any]]) -> None:
    rows = [LONG, ["0180C1010", KPI, "2022", "57"], ["0180C1020", KPI, "2022", "58"], *gap, ["Totalt", "", "", "115"]]
    path = tmp_path / f"a{ending}"
    if ending == ".xlsx":
        sheet(path, rows)
    else:
        path.write_text("".join(",".join(row) + "\n" for row in rows))
    assert len(observations(path)) == 2
    assert "”Totalt” är en summa" in notes(path)["assumed-total-row"]
    assert validate(path).verdict == Verdict.VALID


def test_totals_of_sex_and_totals_between_rows_are_data(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Kön,{','.join(LONG)}\nKvinnor,0180C1010,{KPI},2022,57\nTotalt,0180C1010,{KPI},2022,58\n")
    assert len(observations(path)) == 2
    path.write_text(f"{','.join(LONG)}\nTotalt,{KPI},2022,58\n0180C1010,{KPI},2022,57\n")
    assert validate(path).counts == {"area-unknown": 1}


def test_the_user_chooses_the_last_row(messy: Callable[..., Path]) -> None:
    rows = [LONG, ["0180C1010", KPI, 2022, 57], ["Not om mätningen"], [], ["0180C1020", KPI, 2022, "preliminärt 58"]]
    path = messy(rows)
    assert "type-error" in validate(path).counts
    assert validate(path, choices=ReadOptions(last_row=2)).verdict == Verdict.VALID
    assert "Rad 2 är den sista" in notes(path, ReadOptions(last_row=2))["assumed-last-row"]
    # What would be a footnote is data where the user says that the table goes on to there.
    assert "required-missing" in validate(path, choices=ReadOptions(last_row=3)).counts


def test_hidden_sheets_are_reported(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Observationer"
    for row in (LONG, ["0180C1010", KPI, 2022, 57]):
        book.active.append(row)
    for state, title in (("hidden", "Rådata"), ("veryHidden", "Gammalt"), ("hidden", "Listor")):
        book.create_sheet(title).sheet_state = state
    book.save(tmp_path / "a.xlsx")
    report = validate(tmp_path / "a.xlsx")
    assert [n.sheet for n in report.assumptions if n.code == "sheet-hidden"] == ["Rådata", "Gammalt"]
    assert report.verdict == Verdict.VALID


# --- cells ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Stockholm", "0180"),
        ("Göteborgs stad", "1480"),
        ("botkyrka kommun", "0127"),
        ("Habo", "0643"),
        ("Håbo", "0305"),
    ],
)
def test_the_name_of_a_municipality_is_read_as_its_code(messy: Callable[..., Path], name: str, code: str) -> None:
    path = messy([LONG, [name, KPI, 2022, 57]])
    assert observations(path)[0][0] == code
    assert f"{name} → {code}" in notes(path)["assumed-code"]
    assert validate(path).verdict == Verdict.VALID


def test_an_own_area_may_have_the_name_of_a_municipality_as_its_code(workbook: Callable[..., Path]) -> None:
    own = ["Kod", "Nivå", "Årgång", "Namn", "DeSO-koder"]
    sheets = {
        "Observationer": [LONG, ["Solna", KPI, 2022, 57]],
        "Områden": [own, ["Solna", "own", "", "Kvarteret Solna", "0180C1010"]],
    }
    path = workbook(sheets)
    assert observations(path)[0][0] == "Solna"
    assert "reference-missing" not in validate(path).counts


@pytest.mark.parametrize(
    ("dates", "periods"),
    [
        ([date(2022, 12, 31), date(2023, 12, 31)], ["2022", "2023"]),
        ([date(2022, 1, 1), date(2023, 1, 1)], ["2022", "2023"]),
        ([date(2022, 1, 1), date(2022, 2, 1)], ["2022-01", "2022-02"]),
        ([date(2022, 1, 31), date(2022, 2, 28)], ["2022-01", "2022-02"]),
        ([date(2022, 1, 1), date(2022, 2, 14)], ["2022-01-01", "2022-02-14"]),
    ],
)
def test_dates_that_represent_years_or_months_are_read_as_periods(
    messy: Callable[..., Path], dates: list[date], periods: list[str]
) -> None:
    path = messy([["Område", "Nyckeltal", "Datum", "Utfall"], *(["0180C1010", KPI, day, 57] for day in dates)])
    assert [row[2] for row in observations(path)] == periods
    assert validate(path).is_publishable == (len(periods[0]) < len("2022-01-01"))


def test_shares_are_converted_to_per_cent_on_request(messy: Callable[..., Path]) -> None:
    areas = ("0180C1010", "0180C1020", "0180C1030")
    rows = [[area, KPI, 2022, value] for area, value in zip(areas, (0.571, 0.6, 0), strict=True)]
    path = messy([LONG, *rows, ["0180C1010", "ohalsotal", 2022, 0.5], ["0180C1020", KPI, 2023, "ca 0,5"]])
    assert validate(path).counts == {"kpi-scale": 1, "type-error": 1}
    chosen = ReadOptions(shares=True)
    assert [row[4] for row in observations(path, chosen)] == ["57.1", "60", "0", "0.5", "ca 0,5"]
    report = validate(path, choices=chosen)
    assert [(f.code, f.address, f.text) for f in report.findings] == [("type-error", "Sheet!D6", "ca 0,5")]
    assert "multiplicerades med 100" in notes(path, chosen)["assumed-shares"]


def test_a_unit_after_a_number_is_removed_in_the_corrected_copy_if_it_is_the_kpis(tmp_path: Path) -> None:
    path = sheet(
        tmp_path / "a.xlsx",
        [
            LONG,
            ["0180", "investerat-belopp", 2022, "3 161 000 kr"],
            ["0180", KPI, 2022, "57,5 %"],
            ["0180", KPI, 2023, "57 kr"],
            ["0180", KPI, 2021, "ungefär 57 %"],
        ],
    )
    report = validate(path)
    assert [(f.address, f.fix.text if f.fix else None) for f in report.findings] == [
        ("Sheet!D2", "3 161 000"),
        ("Sheet!D3", "57,5"),
        ("Sheet!D4", None),
        ("Sheet!D5", "57 (E)"),
    ]
    assert len(fix(path, report, tmp_path / "b.xlsx")) == 3
    assert validate(tmp_path / "b.xlsx").counts == {"type-error": 1}


def test_a_label_or_code_of_many_values_is_reported_once(messy: Callable[..., Path]) -> None:
    rows = [
        ["Kod", "Nyckeltal", 2021, 2022, 2099],
        ["180", KPI, 57, 58, 59],
        ["Okänt", KPI, 57, "x", 59],
        ["", KPI, 1, 2, 3],
    ]
    report = validate(messy(rows))
    assert set(report.counts.values()) == {1}
    assert {(f.code, f.address) for f in report.findings} == {
        ("area-leading-zero", "Sheet!A2"),
        ("area-unknown", "Sheet!A3"),
        ("required-missing", "Sheet!A4"),
        ("type-error", "Sheet!D3"),
        ("period-future", "Sheet!E1"),
    }


def test_numbers_in_a_swedish_sentence_have_a_comma(messy: Callable[..., Path]) -> None:
    path = messy([LONG, ["0180C1010", KPI, 2022, 20.5], ["0180C1010", KPI, 2023, 60]])
    (finding,) = validate(path).findings
    assert "2022 var det 20,5" in finding.message("sv")
    assert "20.5" in finding.message("en")
