"""Data packages: their descriptors are followed, and nothing outside them is opened."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.reading import HEADER, METADATA_RULES, OBSERVATIONS, ROW, assert_speaks, refused, rows_of, validate
from vaven.catalogue.cli.next_commands import next_commands
from vaven.schemas.standard.finding import Verdict
from vaven.schemas.tables.read import read


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    def write(descriptor: Any = None, name: str = "package", **files: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        text = descriptor if isinstance(descriptor, str) else json.dumps(descriptor or {"resources": [OBSERVATIONS]})
        (folder / "datapackage.json").write_text(text, "utf-8")
        (folder / "o.csv").write_text(f"{HEADER}\n{ROW}\n", "utf-8")
        for file, content in files.items():
            (folder / file.replace("_csv", ".csv")).write_text(content, "utf-8")
        return folder

    return write


def test_a_folder_its_descriptor_and_its_zip_have_the_same_report(package: Callable[..., Path], tmp_path: Path) -> None:
    descriptor = {
        "name": "trygghet-2024",
        "title": "Trygghet",
        "licenses": [{"name": "CC-BY-4.0", "path": "https://creativecommons.org/licenses/by/4.0/deed.sv"}],
        "resources": [OBSERVATIONS],
        "vaven": {
            "title": {"en": "Safety"},
            "publisher": {"name": "Bolaget", "organisation_number": "556036-0793", "sector": "private"},
            "keywords": {"sv": ["trygghet"]},
        },
    }
    folder = package(descriptor)
    zip_path = tmp_path / "package.zip"
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"inner/{file.name}")
    for source in (folder, folder / "datapackage.json", zip_path):
        with read(source) as tables:
            about = tables.about
            assert (about.slug, about.licence, about.publisher_name) == ("trygghet-2024", "cc-by", "Bolaget")
            assert (about.titles, about.keywords) == ({"sv": "Trygghet", "en": "Safety"}, {"sv": ("trygghet",)})
            assert rows_of(tables)[0]["value"] == "5.5"


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../o.csv", "a/../../o.csv", "https://example.org/o.csv", "file:///o.csv", "..\\o.csv"]
)
def test_no_path_out_of_a_package_is_followed(package: Callable[..., Path], path: str) -> None:
    reason = refused(package({"resources": [{"name": "observations", "path": path}]}))
    assert (reason.code, reason.params["path"]) == ("not-readable-path", path)


@pytest.mark.parametrize("pointer", ["schema", "dialect"])
def test_no_url_in_a_descriptor_is_fetched(package: Callable[..., Path], pointer: str) -> None:
    address = "http://127.0.0.1:9/x.json"
    assert refused(package({"resources": [{**OBSERVATIONS, pointer: address}]})).code == "not-readable-path"


def test_a_profile_url_is_not_fetched(package: Callable[..., Path]) -> None:
    """Port 9 (discard) refuses connections: if the profile were fetched, the descriptor would be unreadable."""
    address = "http://127.0.0.1:9/profile.json"
    descriptor = {"profile": address, "$schema": address, "resources": [{**OBSERVATIONS, "profile": address}]}
    with read(package(descriptor)) as tables:
        assert tables.tables["observations"].row_count == 1


def test_a_symbolic_link_out_of_a_package_is_refused(package: Callable[..., Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(f"{HEADER}\n{ROW}\n")
    folder = package()
    (folder / "o.csv").unlink()
    (folder / "o.csv").symlink_to(outside)
    assert refused(folder).code == "not-readable-path"


@pytest.mark.parametrize(
    ("descriptor", "code"),
    [
        ("{", "not-readable-json"),
        ("[" * 100_000, "not-readable-json-table"),
        ("null", "not-readable-descriptor"),
        ({"resources": []}, "not-readable-descriptor"),
        ({"resources": [{"name": "targets", "path": "o.csv"}]}, "not-readable-descriptor"),
        ({"resources": [OBSERVATIONS, OBSERVATIONS]}, "not-readable-descriptor"),
        ({"name": "Not A Slug", "resources": [OBSERVATIONS]}, "not-readable-descriptor"),
        ({"resources": [{"name": "observations", "path": ["o.csv", "gone.csv"]}]}, "not-readable-missing"),
        ({"resources": [{"name": "observations", "path": ["o.csv", "../o.csv"]}]}, "not-readable-path"),
        ({"resources": [{"name": "observations", "path": "gone.csv"}]}, "not-readable-missing"),
        ({"resources": [{"name": "observations", "path": "x" * 400}]}, "not-readable-missing"),
        ({"resources": [{"name": "observations", "path": "datapackage.json"}]}, "not-readable-resource"),
    ],
)
def test_an_invalid_descriptor_is_refused_with_the_reason(
    package: Callable[..., Path], descriptor: Any, code: str
) -> None:
    assert refused(package(descriptor)).code == code


# --- sheets of workbooks

KPI = "trygg-morker"
ROWS = [["Område", "Nyckeltal", "Period", "Värde"], ["0180", KPI, 2022, 54], ["1280", KPI, 2022, 55]]


def workbook_package(folder: Path, dialect: Mapping[str, Any], **hidden: bool) -> Path:
    """Write a package of a workbook with the sheet Data and others, each hidden or visible."""
    book = openpyxl.Workbook()
    for name, is_hidden in {"Data": False, **hidden}.items():
        sheet = book.create_sheet(name)
        for row in ROWS:
            sheet.append(row)
        sheet.sheet_state = "hidden" if is_hidden else "visible"
    book.remove(book.worksheets[0])
    book.save(folder / "a.xlsx")
    resources = [{"name": "observations", "path": "a.xlsx", "dialect": dialect}]
    (folder / "datapackage.json").write_text(json.dumps({"name": "trygghet", "resources": resources}), "utf-8")
    return folder


@pytest.mark.parametrize("dialect", [{}, {"sheetName": "Data"}])
def test_a_hidden_sheet_with_values_that_no_resource_names_is_an_error(
    tmp_path: Path, dialect: Mapping[str, Any]
) -> None:
    report = validate(workbook_package(tmp_path, dialect, Gammalt=True))
    (finding,) = [finding for finding in report.findings if finding.code not in METADATA_RULES]
    assert (finding.code, finding.sheet, report.verdict) == ("values-hidden", "Gammalt", Verdict.INVALID)
    assert_speaks(finding)
    assert "datapackage.json" in finding.remedy("sv")
    assert "--sheet" not in next_commands(report, "sv")
    assert report.cells
    assert [(part.reason, part.sheet, part.count) for part in report.cells.omitted] == [("sheet-hidden", "Gammalt", 12)]


def test_a_visible_sheet_with_values_is_an_error_unless_a_resource_chooses_another_one(tmp_path: Path) -> None:
    assert validate(workbook_package(tmp_path, {}, Mer=False)).counts.keys() - METADATA_RULES == {"values-left-out"}
    report = validate(workbook_package(tmp_path, {"sheetName": "Data"}, Mer=False))
    assert report.verdict is not Verdict.INVALID
    assert [note.code for note in report.assumptions if note.sheet == "Mer"] == ["sheet-skipped"]


def test_a_hidden_sheet_that_a_resource_names_is_read(tmp_path: Path) -> None:
    report = validate(workbook_package(tmp_path, {"sheetName": "Gammalt"}, Gammalt=True))
    assert (report.counts.keys() - METADATA_RULES, report.rows) == (set(), {"observations": 2})
