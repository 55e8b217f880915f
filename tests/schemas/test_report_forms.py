"""The report as HTML and as a report of Frictionless, and the command's options."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import frictionless
import openpyxl
import pytest

from tests.conftest import ROOT, VAVEN, vaven
from tests.reading import validate
from vaven.schemas.reports.formats import FORMS, media_type, render
from vaven.schemas.reports.html import faulty_tables
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.personal_number_forms import masked

CASES = ROOT / "tests" / "cases"
ROWS = """Område;KPI;Period;Värde;Kommentar
114C1010;trygg-morker;2023;62,5;<script>alert(1)</script>
0180C1010;trygg-morker;2024;120;\u202eabc
0180C1010;trygg-morker;2023;62,5;19750615-0007
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "fil.csv"
    path.write_text(ROWS, "utf-8")
    return path


@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_html_report_is_self_contained_and_has_no_scripts(faulty: Path, language: str) -> None:
    page = render("html", validate(faulty), language)
    assert f'<html lang="{language}">' in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "@page" in page


def test_invalid_cells_are_shown_in_their_rows_as_submitted(faulty: Path) -> None:
    report = validate(faulty)
    (table,) = faulty_tables(report, "sv")
    assert [row for row, _ in table.rows] == [2, 3, 4]
    marked = {(row, cell.text): cell.severity for row, cells in table.rows for cell in cells if cell.severity}
    assert marked[2, "114C1010"] == Severity.ERROR
    assert marked[3, "120"] == Severity.ERROR
    assert "62,5" in {cell.text for _, cells in table.rows for cell in cells}
    (only,) = faulty_tables(report, "sv", code="kpi-range")
    assert [row for row, _ in only.rows] == [3]
    assert faulty_tables(report, "sv", severity=Severity.NOTE) == []


def test_no_form_of_the_report_contains_a_personal_number(tmp_path: Path) -> None:
    path = tmp_path / "fil.csv"
    # Constructed: a date and a number nobody is asked for, with the check digit that Luhn gives them.
    numbers = [number for i in range(100, 200) if masked(number := f"750615-0{i}") != number][:10]
    rows = "".join(f"0180C1010;trygg-morker;{2010 + i};62,5;{number}\n" for i, number in enumerate(numbers))
    path.write_text("Område;KPI;Period;Värde;Kommentar\n" + rows, "utf-8")
    report = validate(path)
    assert "personal-number" in report.counts
    for form in FORMS:
        assert not [number for number in numbers if number in render(form, report, "sv")], form


def test_frictionless_reads_the_report_of_every_case() -> None:
    seen = 0
    for source in sorted(CASES.glob("*/*/input.*")):
        report = validate(source)
        parsed = frictionless.Report.from_descriptor(json.loads(render("frictionless", report, "sv")))
        assert parsed.valid == report.is_publishable, source
        errors = [f for f in report.findings if f.severity == Severity.ERROR]
        assert len(errors) == sum(len(task.errors) for task in parsed.tasks) + len(parsed.errors), source
        assert parsed.to_summary() or not parsed.tasks, source
        seen += 1
    assert seen > 50


def test_the_command_writes_each_form(faulty: Path, tmp_path: Path) -> None:
    assert {media_type(form) for form in FORMS} >= {"text/html", "application/json", "text/plain"}
    for form in FORMS:
        target = tmp_path / f"rapport.{form}"
        assert vaven("validate", faulty, "--format", form, "--output", target).returncode == 1
        assert target.stat().st_size > 500


def test_several_files_are_reported_in_turn_and_the_worst_sets_the_exit_code(faulty: Path, tmp_path: Path) -> None:
    good, empty = tmp_path / "bra.csv", tmp_path / "tom.csv"
    good.write_text("Område,KPI,Period,Värde\n0180C1010,trygg-morker,2023,62.5\n")
    empty.write_text("")
    done = vaven("validate", good, faulty)
    assert done.returncode == 1
    assert done.stdout.index("bra.csv") < done.stdout.index("fil.csv")
    assert vaven("validate", good, empty, faulty).returncode == 2
    assert vaven("validate", good, faulty, "--output", tmp_path / "x").returncode == 2


def test_read_options_are_set_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "fil.csv"
    path.write_text("skräp\nPlats|2022|2023\n0180C1010|57,1|58\n0180C1020|51|52\n", "cp1252")
    options = ("--delimiter", "|", "--header-row", "2", "--column", "Plats=neighbourhood", "--set", "kpi=trygg-morker")
    done = vaven("validate", path, "--encoding", "cp1252", *options, "--format", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["rows"]) == (0, {"observations": 4})
    assert report["choices"] == {
        "encoding": "cp1252", "delimiter": "|", "header_row": 2,
        "columns": {"Plats": "neighbourhood"}, "constants": {"kpi": "trygg-morker"},
    }  # fmt: skip


def test_every_read_option_is_a_command_line_option(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Första"
    other = book.create_sheet("Andra")
    for row in (
        ["Område", "KPI", 2022, 2023],
        ["0180C1010", "trygg-morker", "0,571", 0.58],
        [None, None, 0.6, 0.61],
        ["x"],
    ):
        other.append(row)
    book.save(tmp_path / "a.xlsx")
    options = ("--sheet", "Andra", "--last-row", "3", "--fill-down", "--shares", "--wide", "--decimal", ",")
    licence_and_publisher = ("--licence", "CC BY 4.0", "--publisher", "Bolaget")
    report = json.loads(
        vaven("validate", tmp_path / "a.xlsx", *options, *licence_and_publisher, "--format", "json").stdout
    )
    assert report["choices"] == {
        "sheet": "Andra", "last_row": 3, "fill_down": True, "shares": True, "wide": True, "decimal": ",",
        "licence": "CC BY 4.0", "publisher": "Bolaget",
    }  # fmt: skip
    assert (report["counts"], report["rows"]) == ({"duplicate-key": 2}, {"observations": 4})


def test_a_custom_schema_excludes_read_options(faulty: Path) -> None:
    done = vaven("validate", faulty, "--schema", "schema.json", "--last-row", "3", "--decimal", ",")
    assert done.returncode == 2
    assert "--decimal, --last-row kan inte användas tillsammans med --schema" in done.stderr


def test_output_is_coloured_in_a_terminal_or_on_request(faulty: Path) -> None:
    painted = "\x1b[1;31mINTE GODKÄND\x1b[0m"
    assert painted not in vaven("validate", faulty).stdout
    assert painted in vaven("validate", faulty, environment={**os.environ, "FORCE_COLOR": "1"}).stdout
    both = {**os.environ, "FORCE_COLOR": "1", "NO_COLOR": "1"}
    assert painted not in vaven("validate", faulty, environment=both).stdout
    terminal, its_end = pty.openpty()
    environment = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run([VAVEN, "validate", faulty], stdout=its_end, env=environment, check=False, timeout=60)
    assert painted in os.read(terminal, 4096).decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoding", "rot13"], "utf-8"),
        (["--delimiter", "ab"], "Ange ett tecken"),
        (["--header-row", "0"], "från 1"),
        (["--column", "Plats=ort"], "neighbourhood"),
        (["--set", "kpi"], "NAMN=TEXT"),
    ],
)
def test_an_invalid_option_is_refused_with_the_valid_values(faulty: Path, options: list[str], message: str) -> None:
    done = vaven("validate", faulty, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
