"""Areas are read by the register's names in their usual forms, and by no other names."""

from pathlib import Path

import pytest

from tests.reading import validate
from vaven.schemas.standard.finding import Report
from vaven.vocab.areas.names import is_name_of, kommun_of, similar_kommun, split_name


def checked(folder: Path, text: str) -> Report:
    path = folder / "in.csv"
    path.write_text(text, "utf-8")
    return validate(path)


@pytest.mark.parametrize(
    "text",
    [
        "0180 Stockholm",
        "0180\N{NO-BREAK SPACE}Stockholm",
        "0180 - Stockholms stad",
        "0180: STOCKHOLM",
        "180 Stockholm",
        "Stockholm (0180)",
        "Stockholm, 0180",
        "Stockholms kommun 0180",
        "0180_Stockholm",
        "0180 Stockholm totalt",
    ],
)
def test_a_code_may_stand_with_its_own_name(text: str) -> None:
    both = split_name(text)
    assert both
    assert both[0] == "0180"
    assert is_name_of(*both)


@pytest.mark.parametrize(
    "text",
    [
        "0180 Rinkeby",
        "Rinkeby (0180)",
        "0180 Stockholms län",
        "01 Stockholm",
        "01 Region Stockholm",
        "0180 Solna",
        "0180C1010 Rinkeby",
        "0180C1010 Solna",
        "0180R001 Solna",
        "0180 Kv Eken",
    ],
)
def test_the_name_of_another_area_is_no_name_of_the_code(text: str) -> None:
    both = split_name(text)
    assert both
    assert not is_name_of(*both)


@pytest.mark.parametrize("text", ["Norra 14", "Kvarter 3", "0180", "0180C1010", "0180C1010_DeSO2018", "9999 Stockholm"])
def test_a_text_without_a_code_and_a_name_is_not_split(text: str) -> None:
    assert split_name(text) is None


def test_names_of_municipalities_are_read_in_their_usual_forms() -> None:
    forms = {
        "Falu kommun": "2080", "Region Gotland": "0980", "Upplands-Väsby": "0114", "upplands väsby": "0114",
        "Kommun: Solna": "0184", "Borås Stad": "1490", "Göteborgs stad": "1480", "Habo": "0643", "Håbo": "0305",
    }  # fmt: skip
    assert {form: kommun_of(form) for form in forms} == forms
    assert kommun_of("Goteborg") is None
    assert similar_kommun("Goteborg") == similar_kommun("Götebrog") == "1480"
    assert similar_kommun("Kv Eken") is None


@pytest.mark.parametrize("label", ["Namn", "Stadsdel", "Område", "Bostadsområde", "Kvarter", "Name"])
def test_a_part_beside_the_code_of_its_municipality_is_an_error(label: str, tmp_path: Path) -> None:
    wide = checked(tmp_path, f"{label};Kommunkod;Nyckeltal;2022;2023\nKv Eken;0180;trygg-morker;41;43\n")
    assert [(f.code, f.cell) for f in wide.findings if f.code != "unknown-column"] == [("area-name", "A2")]
    long = checked(tmp_path, f"Kommunkod;{label};Nyckeltal;Period;Värde\n0180;Kv Eken;trygg-morker;2023;41\n")
    assert ("area-name", "B2") in [(f.code, f.cell) for f in long.findings]


def test_a_name_within_the_area_of_a_small_code_is_accepted(tmp_path: Path) -> None:
    report = checked(
        tmp_path,
        "Namn;Kommun;DeSO;Nyckeltal;Period;Värde\n"
        "Odenplan;Stockholm;0180C1010;trygg-morker;2023;41\n"
        "Farsta;Stockholms stad;0180C1020;trygg-morker;2023;42\n",
    )
    assert "area-name" not in report.counts


def test_a_small_area_beside_another_municipality_is_an_error(tmp_path: Path) -> None:
    report = checked(tmp_path, "Kommun;DeSO;Nyckeltal;Period;Värde\nSolna;0180C1010;trygg-morker;2023;41\n")
    assert [(f.code, f.cell, f.text) for f in report.findings] == [("area-name", "A2", "Solna")]
