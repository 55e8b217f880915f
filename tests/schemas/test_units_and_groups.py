"""No value is read in another unit, period or group than the one that the file states."""

from pathlib import Path

import pytest

from tests.reading import validate
from vaven.schemas.rules.units import unit_of
from vaven.schemas.standard.finding import Report, code_words
from vaven.schemas.standard.labels import age_of, code_of
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.read import read
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES


def checked(folder: Path, text: str, **choices: object) -> Report:
    path = folder / "in.csv"
    path.write_text(text, "utf-8")
    return validate(path, choices=ReadOptions(**choices))  # type: ignore[arg-type]


def periods(folder: Path, text: str) -> list[str]:
    path = folder / "in.csv"
    path.write_text(text, "utf-8")
    with read(path) as tables:
        query = "SELECT period FROM observations ORDER BY _row"
        return [period for (period,) in tables.workspace.execute(query).fetchall()]


@pytest.mark.parametrize(
    ("label", "unit"),
    [
        ("Antal 2023", "count"),
        ("2023, antal", "count"),
        ("Andel (%)", "percent"),
        ("Procent 2023", "percent"),
        ("Promille", "per-1000"),
        ("per 1 000", "per-1000"),
        ("Antal per 100 000 invånare", "per-100000"),
        ("Värde (tkr)", "thousands"),
        ("Belopp, mkr", "millions"),
        ("Värde kr", "amount"),
        ("Antal svarande", "count"),
        ("Värde", None),
        ("2023", None),
        ("Utfall", None),
    ],
)
def test_a_label_states_its_unit(label: str, unit: str | None) -> None:
    assert unit_of(label) == unit


@pytest.mark.parametrize("label", ["Antal 2023", "Promille 2023", "2023 (antal)", "Antal, 2023"])
def test_a_wide_label_with_another_unit_is_an_error(label: str, tmp_path: Path) -> None:
    report = checked(tmp_path, f'Område\tNyckeltal\t2022\t"{label}"\n0180\ttrygg-morker\t57\t58\n')
    assert "unit-disagrees" in report.counts or report.verdict.value == "invalid"


def test_a_count_is_the_unit_of_a_kpi_in_persons(tmp_path: Path) -> None:
    report = checked(tmp_path, "Område;Nyckeltal;Antal 2022;Antal 2023\n0180;deltagare;57;58\n")
    assert report.counts == {}


def test_a_month_beside_a_year_is_part_of_the_period(tmp_path: Path) -> None:
    head = "Område;Nyckeltal;År;Månad;Värde\n"
    rows = ["2023;1", "2023;mars", "2023;12,0", "2023-04;4", "2022;Totalt", "2021;"]
    text = head + "".join(f"0180;trygg-morker;{row};57\n" for row in rows)
    assert periods(tmp_path, text) == ["2023-01", "2023-03", "2023-12", "2023-04", "2022", "2021"]
    wide = "Område;Nyckeltal;Kvartal;2022;2023\n0180;trygg-morker;kv 1;57;58\n"
    assert periods(tmp_path, wide) == ["2022-Q1", "2023-Q1"]


def test_columns_of_women_and_men_are_no_months(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("Område;Nyckeltal;År;Kvinnor;Män\n0180;trygg-morker;2023;57;58\n;;2022;57;58\n", "utf-8")
    report = validate(path, choices=ReadOptions(fill_down=True))
    assert report.counts == {}
    assert report.rows == {"observations": 4}


def test_a_month_may_be_filled_down(tmp_path: Path) -> None:
    text = "Område;Nyckeltal;År;Månad;Värde\n0180;trygg-morker;2023;3;57\n;;;4;58\n"
    assert checked(tmp_path, text, fill_down=True).counts == {}


@pytest.mark.parametrize("row", ["2023;13", "2023;vår", "2022/2023;1", "2023-04;5"])
def test_a_month_that_does_not_fit_its_year_is_an_error(row: str, tmp_path: Path) -> None:
    report = checked(tmp_path, f"Område;Nyckeltal;År;Månad;Värde\n0180;trygg-morker;{row};57\n")
    assert report.counts == {"pattern-mismatch": 1}


def test_the_cells_of_a_month_are_used(tmp_path: Path) -> None:
    report = checked(tmp_path, "Område;Nyckeltal;År;Månad;Värde\n0180;trygg-morker;2023;3;57\n")
    assert report.cells
    assert (report.cells.total, report.cells.used) == (10, 10)


def test_dates_among_months_are_no_years(tmp_path: Path) -> None:
    head = "Område;Nyckeltal;Period;Värde\n"
    rows = ["2023-01-01", "feb 2023", "2023-03"]
    text = head + "".join(f"0180;trygg-morker;{row};57\n" for row in rows)
    assert periods(tmp_path, text) == ["2023-01", "2023-02", "2023-03"]


@pytest.mark.parametrize("label", ["Huvudman", "Typ", "Boendeform", "Kategori", "Hustyp", "Ägarform"])
def test_a_column_of_groups_is_an_error_that_names_it(label: str, tmp_path: Path) -> None:
    groups = "".join(
        f"0180;{group};trygg-morker;{year};5{i}\n" for year in (2021, 2022, 2023) for i, group in enumerate(("A", "B"))
    )
    report = checked(tmp_path, f"Område;{label};Nyckeltal;Period;Värde\n{groups}")
    findings = {f.code: f for f in report.findings}
    assert findings["qualifying-column"].address == "B1"
    assert f"”{label}”" in findings["duplicate-key"].remedy("sv")
    excluded = checked(tmp_path, f"Område;{label};Nyckeltal;Period;Värde\n{groups}", columns={label: ""})
    assert "qualifying-column" not in excluded.counts


@pytest.mark.parametrize("label", ["Tema", "Typ", "Källkod", "Uppdaterad", "Kommentarer"])
def test_a_property_of_area_kpi_or_row_is_no_group(label: str, tmp_path: Path) -> None:
    rows = "".join(f"0{code}80;{code};trygg-morker;{year};57\n" for year in (2021, 2022, 2023) for code in (1, 3))
    report = checked(tmp_path, f"Område;{label};Nyckeltal;Period;Värde\n{rows}")
    assert "qualifying-column" not in report.counts


def test_per_cent_stated_by_the_user_is_per_cent(tmp_path: Path) -> None:
    text = "Område;Nyckeltal;Period;Värde\n0180;trygg-morker;2022;57\n0380;trygg-morker;2022;0.61\n"
    assert checked(tmp_path, text).counts == {"kpi-scale-mixed": 1}
    assert "kpi-scale-mixed" not in checked(tmp_path, text, shares=False).counts


def test_every_label_that_is_shown_is_read() -> None:
    lists = {f.descriptor["codes"] for s in standard().schemas.values() for f in s.fields if f.descriptor.get("codes")}
    for code_list in lists:
        codes = register.kpis().values() if code_list == "kpis" else register.codes(code_list).values()
        for entry in codes:
            for language in LANGUAGES:
                label = entry.text(language)
                texts = [label, label.upper(), f"{label} ({entry.id})", f"{entry.id} – {label}", f"{entry.id}: {label}"]
                if code_list != "kpis":
                    texts.append(code_words(code_list, entry.id, language))
                assert {text: code_of(code_list, text) for text in texts} == dict.fromkeys(texts, entry.id)
    assert {age_of(text) for text in ("alla (T)", "Alla åldrar (T)", "Totalt", "total (T)")} == {register.TOTAL}


@pytest.mark.parametrize("space", ["\u00ad", "\u200b", "\u200f", "\u202e", "\u2060", "\u2069", "\ufeff"])
def test_invisible_characters_change_no_value(tmp_path: Path, space: str) -> None:
    """At the start, within, and at the end of a cell."""
    text = (
        f"Område;Nyckeltal;Period;Värde\n{space}0{space}180{space};{space}trygg-morker{space};{space}2023;57,5{space}\n"
    )
    report = checked(tmp_path, text)
    assert report.counts == {}
    with read(tmp_path / "in.csv") as tables:
        row = tables.workspace.execute("SELECT neighbourhood, kpi, period, value FROM observations").fetchone()
    assert row == ("0180", "trygg-morker", "2023", "57.5")
