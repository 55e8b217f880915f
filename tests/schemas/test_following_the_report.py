"""An analyst gets a sheet accepted by what its report says alone: commands, options and edits, in order.

The first two sheets are in the folder of shared data, the third is a wide export of a survey tool.
"""

import contextlib
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from tests.reading import validate
from vaven.catalogue.cli.main import main
from vaven.catalogue.cli.next_commands import next_commands
from vaven.schemas.reports.text_and_json import harmless
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.read import read

ANSWERED = ("--licence", "cc-by", "--publisher", "Bostads AB Almgården")
SAFETY = "Hur trygg känner du dig utomhus i ditt bostadsområde när det är mörkt?"
SATISFACTION = "Hur nöjd är du med ditt bostadsområde som helhet?"
TRUST = "Litar du på de flesta som bor i ditt bostadsområde?"
RESULTS = {
    "1480C1010": (0.641, 0.702, 0.55),
    "1480C1020": (0.583, 0.66, 0.514),
    "1480C1030": (0.497, 0.628, 0.473),
    "1480C1040": (0.71, 0.745, 0.602),
}
Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `vaven` in the analyst's folder; returns what it prints."""

    def run(*arguments: str) -> str:
        with contextlib.chdir(tmp_path):
            main(arguments)
        return capsys.readouterr().out

    return run


def test_the_sheet_of_a_housing_company_is_accepted(shared: Path, tmp_path: Path, command: Command) -> None:
    shutil.copy(shared / "wild-cases" / "sheets" / "1-almgarden.xlsx", tmp_path)
    first = command("validate", "1-almgarden.xlsx")
    assert first.startswith("INTE GODKÄND")
    for text in (
        "NKI 2023!G6: Skriv 100 skattat värde (E) i cellen.",
        "Kolumn C är dold i Excel. Den lästes inte.",
        "Raden ”Genomsnitt” är en summa eller ett medelvärde av raderna ovanför.",
        "vaven fix 1-almgarden.xlsx  rättar 13 celler i en kopia av filen",
        "--column 'Upplåtelseform='",
    ):
        assert text in first
    fixed = command("fix", "1-almgarden.xlsx")
    assert "NKI 2023!F8: 44,9 % (prel) → 44,9 (P)" in fixed
    assert "NKI 2023!H8: ”*” i Värde är inte ett tal." in fixed
    assert "Om värdet saknas skriver du orsaken i cellen: saknas (O), undertryckt (Q)" in fixed
    edit(tmp_path / "1-almgarden-rättad.xlsx", "NKI 2023", {"H8": "undertryckt (Q)"})
    last = command("validate", "1-almgarden-rättad.xlsx", "--column", "Upplåtelseform=", *ANSWERED)
    assert last.startswith("GODKÄND MED VARNINGAR")
    assert "H6: Värdet är 71. År 2022 var det 100." in last
    options = ReadOptions(columns={"Upplåtelseform": ""})
    assert values(tmp_path / "1-almgarden-rättad.xlsx", options) == {
        ("1280C1010", "trygg-morker", "2021"): ("52.5", None),
        ("1280C1010", "trygg-morker", "2022"): ("54.1", None),
        ("1280C1010", "trygg-morker", "2023"): ("57.0", None),
        ("1280C1010", "hyresgast-nojdhet", "2022"): ("100", "E"),
        ("1280C1010", "hyresgast-nojdhet", "2023"): ("71", None),
        ("1280C1020", "trygg-morker", "2021"): ("49.5", None),
        ("1280C1020", "trygg-morker", "2022"): (None, "O"),
        ("1280C1020", "trygg-morker", "2023"): ("51.0", None),
        ("1280C1020", "hyresgast-nojdhet", "2022"): ("68", None),
        ("1280C1020", "hyresgast-nojdhet", "2023"): ("70", None),
        ("1280C1030", "trygg-morker", "2021"): ("41.0", None),
        ("1280C1030", "trygg-morker", "2022"): ("43.2", None),
        ("1280C1030", "trygg-morker", "2023"): ("44.9", "P"),
        ("1280C1030", "hyresgast-nojdhet", "2022"): ("61", None),
        ("1280C1030", "hyresgast-nojdhet", "2023"): (None, "Q"),
    }


def test_the_text_file_of_a_housing_company_is_accepted(shared: Path, tmp_path: Path, command: Command) -> None:
    shutil.copy(shared / "wild-cases" / "sheets" / "2-malardalen.txt", tmp_path)
    first = command("validate", "2-malardalen.txt")
    assert first.startswith("INTE GODKÄND")
    for text in (
        "F4: Skriv 34,5 i cellen.",
        "Skriv terminen som datum: 2023-01-01/2023-06-30.",
        "Om värdet inte får visas skriver du undertryckt (Q) i cellen.",
        "kan inte vara 1 234. Möjliga värden: 0–100.",
        "vaven fix 2-malardalen.txt",
    ):
        assert text in first.replace("\u00a0", " ")
    assert "3 celler rättade" in command("fix", "2-malardalen.txt")
    path = tmp_path / "2-malardalen-rättad.txt"
    with path.open(encoding="utf-16", newline="") as file:
        text = file.read()
    # The source has the right value for the one out of range.
    for old, new in {"VT 2023": "2023-01-01/2023-06-30", "1 234": "23,4", "<5": "undertryckt (Q)"}.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    with path.open("w", encoding="utf-16", newline="") as file:
        file.write(text)
    assert command("validate", path.name, *ANSWERED).startswith("GODKÄND  ")
    assert values(path, ReadOptions(), "sex") == {
        ("1980C1010", "otrygg-sen-kvall", "2023-Q1", "F"): ("34.5", None),
        ("1980C1010", "otrygg-sen-kvall", "2023-Q1", "M"): ("21.0", None),
        ("1980C1010", "otrygg-sen-kvall", "2023-01-01/2023-06-30", "F"): ("33.0", None),
        ("1980C1020", "otrygg-sen-kvall", "2023-Q2", "F"): ("23.4", None),
        ("1980C1020", "otrygg-sen-kvall", "2023-Q2", "M"): (None, "Q"),
    }


def test_the_export_of_a_survey_tool_is_accepted(tmp_path: Path, command: Command) -> None:
    write_survey_export(tmp_path / "enkat.xlsx")
    first = command("validate", "enkat.xlsx")
    assert first.startswith("INTE GODKÄND")
    assert "ett nyckeltals värden" in first
    assert "4 av 6 är DeSO 2018" in first
    assert "--column 'Rubrik=trygg-morker'" in first
    columns = {SAFETY: "trygg-morker", SATISFACTION: "hyresgast-nojdhet", TRUST: "tillit"}
    chosen = [text for label, kpi in columns.items() for text in ("--column", f"{label}={kpi}")]
    second = command("validate", "enkat.xlsx", *chosen)
    for line in (
        "Rubrikraden saknar kolumnen Period.",
        "--set period=2024",
        "A5: Ta bort raden: den har antal svarande och gäller inget område.",
        "A10: Om raden är en summa eller ett medelvärde tar du bort den.",
    ):
        assert line in second
    edit(tmp_path / "enkat.xlsx", "Resultat", {}, (10, 5))
    last = command("validate", "enkat.xlsx", *chosen, "--set", "period=2024", *ANSWERED)
    assert last.startswith("GODKÄND  ")
    assert "12 tal lästes med den enhet som Excel visar, till exempel ”47,3 %”" in " ".join(last.split())
    options = ReadOptions(columns=columns, constants={"period": "2024"})
    assert values(tmp_path / "enkat.xlsx", options) == {
        (area, kpi, "2024"): (f"{100 * share:.1f}".removesuffix(".0"), None)
        for area, shares in RESULTS.items()
        for kpi, share in zip(columns.values(), shares, strict=True)
    }


def test_a_question_that_is_not_chosen_is_not_left_out_silently(tmp_path: Path, command: Command) -> None:
    write_survey_export(tmp_path / "enkat.xlsx")
    edit(tmp_path / "enkat.xlsx", "Resultat", {}, (10, 5))
    options = ("--column", f"{SAFETY}=trygg-morker", "--set", "period=2024", *ANSWERED)
    report = command("validate", "enkat.xlsx", *options)
    assert report.startswith("INTE GODKÄND")
    assert "[column-left-out]" in report
    assert "--column '*='" in report
    assert command("validate", "enkat.xlsx", *options, "--column", "*=").startswith("GODKÄND  ")


def write_survey_export(path: Path) -> None:
    """Write a crosstab: a question in each column, per cent by area, and the number of respondents in its own row."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Resultat"
    sheet.append(["Boendeenkäten 2024, exporterad 2024-11-04 10:12"])
    sheet.append(["Filter: alla svarande. Andel som svarat 4 eller 5 på en femgradig skala."])
    sheet.append([])
    sheet.append(["Område", SAFETY, SATISFACTION, TRUST])
    sheet.append(["n", 412, 409, 398])
    for area, shares in RESULTS.items():
        sheet.append([area, *shares])
    sheet.append(["Samtliga", 0.608, 0.684, 0.535])
    for row in sheet.iter_rows(min_row=6, min_col=2):
        for cell in row:
            cell.number_format = "0.0%"
    book.save(path)


def edit(path: Path, sheet: str, texts: Mapping[str, str], rows: tuple[int, ...] = ()) -> None:
    """Write texts into cells and delete rows, the lowest first, as in a spreadsheet program."""
    book = load_workbook(path)
    for cell, text in texts.items():
        book[sheet][cell] = text
    for row in rows:
        book[sheet].delete_rows(row)
    book.save(path)


def values(path: Path, options: ReadOptions, *more: str) -> dict[tuple[str, ...], tuple[str | None, str | None]]:
    """Return value and status of each observation by area, KPI and period, and `more` fields."""
    with read(path, choices=options) as tables:
        fields = ", ".join(("neighbourhood", "kpi", "period", *more, '"value"', '"status"'))
        rows = tables.workspace.execute(f"SELECT {fields} FROM {tables.tables['observations'].relation}").fetchall()
    assert len({row[:-2] for row in rows}) == len(rows)
    return {row[:-2]: row[-2:] for row in rows}


def test_a_label_of_the_file_is_no_command_of_the_shell(tmp_path: Path) -> None:
    label = "Antal' | touch pwned | echo '\x1b[31m"
    path = tmp_path / "fil.csv"
    path.write_text(f"Område;Nyckeltal;Period;Värde;{label}\n0180;tillit;2022;50;7\n1480;tillit;2023;51;8\n", "utf-8")
    lines = next_commands(validate(path), "sv")
    assert "\x1b" not in lines
    (option,) = [line.strip() for line in lines.splitlines() if "touch pwned" in line and "trygg-morker" in line]
    assert shlex.split(option)[1] == f"{harmless(label)}=trygg-morker"
