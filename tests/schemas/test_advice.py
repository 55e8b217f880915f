"""A remedy says what to write for the kind of text in a cell, and a fix loses nothing."""

from pathlib import Path

import pytest

from tests.reading import validate
from vaven.schemas.reports.text_and_json import as_text
from vaven.schemas.rules.advice import advice_on_area, advice_on_number, advice_on_period
from vaven.schemas.standard.period_forms import period_of
from vaven.vocab import register


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("Q3 2023", "2023-Q3"),
        ("kvartal 3, 2023", "2023-Q3"),
        ("2:a kvartalet 2023", "2023-Q2"),
        ("2023 K4", "2023-Q4"),
        ("Jan 2023", "2023-01"),
        ("maj 2023", "2023-05"),
        ("2023-december", "2023-12"),
        ("202312", "2023-12"),
        ("12/2023", "2023-12"),
        ("1.2023", "2023-01"),
        ("2023-9", "2023-09"),
        ("2023,0", "2023"),
        ("2022 – 2024", "2022/2024"),
        ("2023-01-01 till 2023-06-30", "2023-01-01/2023-06-30"),
    ],
)
def test_a_period_of_certain_meaning_is_read(text: str, period: str) -> None:
    assert period_of(text) == period


@pytest.mark.parametrize(
    ("text", "key", "period"),
    [
        ("VT 2023", "period.term", "2023-01-01/2023-06-30"),
        ("ht-23", "period.term", "2023-07-01/2023-12-31"),
        ("höstterminen 2023", "period.term", "2023-07-01/2023-12-31"),
        ("2023 HT", "period.term", "2023-07-01/2023-12-31"),
        ("2022/23", "period.two-years", "2022-07-01/2023-06-30"),
        ("2012-13", "period.two-years", "2012-07-01/2013-06-30"),
        ("Läsåret 2022/2023", "period.school-year", "2022-07-01/2023-06-30"),
        ("2023-4", "period.digit", "2023-04"),
        ("2023-W01", "period.week", "2023-01-02/2023-01-08"),
        ("2023 (p)", "period.provisional", "2023"),
        ("jan 2023*", "period.footnote", "2023-01"),
        ("2023 2)", "period.footnote", "2023"),
        ("'23", "period.short-year", "2023"),
        ("2023-06-30 00:00:00", "period.day", "2023-06"),
    ],
)
def test_a_period_of_uncertain_meaning_has_advice(text: str, key: str, period: str) -> None:
    advice = advice_on_period(text)
    assert period_of(text) is None
    assert advice
    assert (advice.key, advice.params["period"]) == (key, period)


@pytest.mark.parametrize("text", ["2023", "2023-Q1", "2023 Q5", "2023-13", "", "maj", "2022/24", "x" * 500])
def test_other_texts_have_no_advice_on_periods(text: str) -> None:
    assert advice_on_period(text) is None


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("'57,5", "value.number", "57,5"),
        ("1'234,5", "value.number", "1234,5"),
        ("12¼", "value.number", "12,25"),
        ("57,5 %", "value.number", "57,5"),
        ("57.5procent", "value.number", "57.5"),
        ("57 1)", "value.footnote", "57"),
        ("57²", "value.footnote", "57"),
        ("57*", "value.footnote", None),
        ("57 ‰", "value.converted", "5,7"),
        ("57 (prel.)", "value.marked", None),
        ("57 p", "value.marked", None),
        ("57 kr", "value.unit", None),
        ("57 tkr", "value.unit", None),
        ("c:a 57 %", "value.approximate", None),
        ("färre än 5", "value.below", None),
        ("≤5", "value.below", None),
        ("minst 95", "value.above", None),
        ("57 till 60", "value.range", None),
        ("N/A", "value.missing", None),
        ("[uppgift saknas]", "value.missing", None),
        ("Sekretess", "value.missing", None),
    ],
)
def test_a_text_in_a_column_of_numbers_has_advice(text: str, key: str, fix: str | None) -> None:
    advice = advice_on_number(text, register.kpis()["trygg-morker"], has_status=True)
    assert advice
    assert (advice.key, advice.fix.text if advice.fix else None) == (key, fix)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("1,2 mkr", "1200000"),
        ("0,35 mnkr", "350000"),
        ("350 tkr", "350000"),
        ("1,05 kkr", "1050"),
        ("2 mdkr", "2000000000"),
    ],
)
def test_an_amount_in_thousands_or_millions_is_converted(text: str, fix: str) -> None:
    advice = advice_on_number(text, register.kpis()["investerat-belopp"], has_status=True)
    assert advice
    assert advice.fix
    assert advice.fix.text == fix


def test_an_amount_is_converted_exactly() -> None:
    advice = advice_on_number("2,675 tkr", register.kpis()["investerat-belopp"], has_status=True)
    assert advice
    assert advice.fix
    assert advice.fix.text == "2675"


def test_advice_on_areas_names_the_nearest_municipality() -> None:
    assert advice_on_area("Riket", "").key == "area.country"
    assert advice_on_area("Genomsnitt", "").key == "area.summary"
    assert advice_on_area("Goteborg", "1480").fix
    assert advice_on_area("Götebrog", "1480").fix is None
    assert advice_on_area("Kv Eken", "").key == "area.name"


def test_the_text_report_shows_each_remedy_with_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        "Område;Nyckeltal;Period;Värde;Status\n"
        "0180C1010;trygg-morker;2023;~57;\n0180C1020;trygg-morker;2023;~57;\n0180C1030;trygg-morker;2023;n/a;\n",
        "utf-8",
    )
    lines = as_text(validate(path), "sv").splitlines()
    remedies = [line for line in lines if line.startswith("  →")]
    assert remedies[0] == "  → D2:D3: Skriv 57 i cellen och skattat värde (E) i Status."
    assert remedies[1].startswith("  → D4: Lämna cellen tom och skriv saknas (O) i Status.")
