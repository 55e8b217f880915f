"""Rows of wide and long tables without a value of their own: groups of the rows below, and areas with a status."""

import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.read import read

CASES = ROOT / "tests" / "cases"


def rows_of(path: Path, names: str, choices: ReadOptions | None = None) -> list[tuple[str | None, ...]]:
    with read(path, choices=choices or ReadOptions()) as tables:
        return tables.workspace.execute(f"SELECT {names} FROM observations ORDER BY _row").fetchall()


@pytest.mark.parametrize(
    ("case", "names", "values"),
    [
        ("sexes-above-a-wide-table/input.ods", "neighbourhood, sex", [("0180", "F"), ("0184", "F"), ("0180", "M")]),
        (
            "sexes-merged-over-the-columns/input.xlsx",
            "neighbourhood, sex",
            [("0180", "F"), ("0184", "F"), ("0180", "M")],
        ),
        (
            "areas-above-a-wide-table/input.xlsx",
            "neighbourhood, kpi",
            [("0180", "trygg-morker"), ("0180", "arbetsloshet")],
        ),
        (
            "areas-above-a-long-table/input.csv",
            "neighbourhood, period",
            [("0180", "2021"), ("0180", "2022"), ("0184", "2021")],
        ),
        (
            "sexes-within-areas/input.csv",
            "neighbourhood, sex",
            [("0180", "F"), ("0180", "M"), ("0184", "F"), ("0184", "M")],
        ),
        (
            "kpis-above-a-long-table/input.csv",
            "neighbourhood, kpi",
            [("0186", "trygg-morker"), ("0187", "trygg-morker"), ("0186", "arbetsloshet")],
        ),
        (
            "counties-above-municipalities/input.xlsx",
            "neighbourhood, sex",
            [("0180", "T"), ("0184", "T"), ("0380", "T")],
        ),
    ],
)
def test_the_text_of_a_group_is_that_of_the_rows_below(case: str, names: str, values: list[tuple[str, ...]]) -> None:
    distinct = list(dict.fromkeys(rows_of(CASES / "group-row" / case, names)))
    assert distinct[: len(values)] == values


def test_groups_of_one_sheet_are_not_those_of_the_other(tmp_path: Path) -> None:
    header = "Område;Nyckeltal;2021;2022\n"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Observationer.csv", f"{header}Kvinnor;;;\n0180;trygg-morker;50;51\n")
        archive.writestr("Observationer (2).csv", f"{header}0184;trygg-morker;60;61\n")
    rows = rows_of(tmp_path / "a.zip", "neighbourhood, sex, value")
    assert set(rows) == {("0180", "F", "50"), ("0180", "F", "51"), ("0184", None, "60"), ("0184", None, "61")}


def test_the_status_of_a_wide_row_is_that_of_its_empty_cells() -> None:
    path = CASES / "status-missing" / "status-of-a-wide-row" / "input.xlsx"
    rows = rows_of(path, "neighbourhood, period, value, status")
    assert [row for row in rows if row[0] == "0184"] == [("0184", year, None, "Q") for year in ("2021", "2022", "2023")]
    assert [row[1:] for row in rows if row[0] == "0186"] == [
        ("2021", "10.1", None),
        ("2022", None, "Q"),
        ("2023", "12.3", None),
    ]
