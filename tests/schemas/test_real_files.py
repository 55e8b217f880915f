"""Files from external sources have a useful report, and the unreadable ones are reported as such."""

from pathlib import Path

import pytest
from msoffcrypto.format.ooxml import OOXMLFile
from openpyxl import Workbook

from tests.conftest import SAMPLE, SHARED, vaven
from tests.reading import validate
from vaven.schemas.reports.text_and_json import as_text

FOLDERS = ("scb-deso", "scb-population", "skolverket", "forsakringskassan", "val2022", "uk-imd", "uk-cni", "no-oslo")
FILES = sorted(p for folder in FOLDERS for p in (SHARED / folder).glob("*") if p.suffix in (".csv", ".xlsx"))


def test_all_real_files_exist(shared: Path) -> None:
    assert len(FILES) == 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_file_gets_a_useful_report(path: Path) -> None:
    done = vaven("validate", path, "--lang", "sv")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("INTE GODKÄND")
    # What it has, what is needed, and where to begin.
    assert "mallen" in done.stdout or "Lägg till kolumnen" in done.stdout
    assert as_text(validate(path), "en").startswith("INVALID")


def test_scbs_table_is_recognised_by_its_area_codes(shared: Path) -> None:
    done = vaven("validate", shared / "scb-deso" / "age_demographics_deso.csv")
    assert "5984 av 5984 är DeSO 2018" in done.stdout


@pytest.mark.parametrize("name", ["tom.csv", "rapport.csv", "utan-rader.xlsx", "skyddad.xlsx", "finns-inte.csv"])
@pytest.mark.parametrize(("language", "verdict"), [("sv", "INTE KONTROLLERAD"), ("en", "NOT CHECKED")])
def test_an_unreadable_file_is_not_checked_and_reported_with_the_reason(
    tmp_path: Path, name: str, language: str, verdict: str
) -> None:
    path = tmp_path / name
    if name == "tom.csv":
        path.write_bytes(b"")
    elif name == "rapport.csv":
        path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj")
    elif name == "utan-rader.xlsx":
        book = Workbook()
        book.active.title = "Observationer"
        book.active.append(["Område", "Nyckeltal", "Period", "Värde"])
        book.save(path)
    elif name == "skyddad.xlsx":
        protect(SAMPLE / "exempel.xlsx", path)
    done = vaven("validate", path, "--lang", language)
    assert done.returncode == 2
    assert done.stdout.startswith(verdict)
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) >= 4
    reasons = {"tom.csv": "tom", "rapport.csv": "PDF", "skyddad.xlsx": "lösenord", "finns-inte.csv": "finns inte"}
    assert language == "en" or reasons.get(name, "rader") in done.stdout


def protect(source: Path, target: Path) -> None:
    """Encrypt a workbook with a password, as Excel does (MS-OFFCRYPTO 2.3.4, agile encryption)."""
    with source.open("rb") as plain, target.open("wb") as encrypted:
        OOXMLFile(plain).encrypt("hemligt", encrypted)
