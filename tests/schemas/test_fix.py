"""`vaven fix` applies only safe fixes, to a copy; the original is never changed."""

import json
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from tests.conftest import ROOT, vaven
from tests.reading import validate
from vaven.schemas.reports.fix import ALL, fix, fixes
from vaven.vocab.errors import WrongUse

SAMPLE = ROOT / "catalogue" / "sample"
LINES = [
    '"Område";KPI;Period;Värde;Kommentar',
    '114C1010;trygg-morker;2023;62,5;"a ; ""b"""',
    '"114C1010";trygg-morker;2024;62,5;',
    '0180C1010;trygg-morker;2023;57;"två\r\nrader"',
    "114C1020;trygg-morker;2023;57",
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_only_the_fixed_cells_of_a_text_file_change(tmp_path: Path, encoding: str, ending: str) -> None:
    path, target = tmp_path / "fil.csv", tmp_path / "rättad.csv"
    before = ending.join(LINES).encode(encoding)
    path.write_bytes(before)
    fixed = fix(path, validate(path), target)
    assert [(f.address, f.text, f.fix.text) for f in fixed if f.fix] == [
        ("A2", "114C1010", "0114C1010"),
        ("A3", "114C1010", "0114C1010"),
        ("A6", "114C1020", "0114C1020"),
    ]
    assert path.read_bytes() == before
    right = before.decode(encoding).replace('"114C', '"0114C').replace(f"{ending}114C", f"{ending}0114C")
    assert target.read_bytes() == right.encode(encoding)
    assert not fixes(validate(target))


def test_the_command_lists_its_fixes_and_ends_with_the_verdict_on_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "fil.csv"
    path.write_text("Område,KPI,Period,Värde\n114C1010,trygg-morker,2023,62.5\n")
    done = vaven("fix", path)
    assert done.returncode == 0
    assert "A2: 114C1010 → 0114C1010" in done.stdout
    assert "GODKÄND" in done.stdout
    assert (tmp_path / "fil-rättad.csv").read_text().endswith("0114C1010,trygg-morker,2023,62.5\n")
    again = vaven("fix", path, "--lang", "en")
    assert (tmp_path / "fil-fixed.csv").exists()
    assert again.returncode == 0
    third = vaven("fix", path)
    assert third.returncode == 2
    assert "finns redan" in third.stderr


def test_no_file_is_written_without_a_fix(tmp_path: Path) -> None:
    path = tmp_path / "fil.csv"
    path.write_text("Område,KPI,Period,Värde\n0180C1010,trygg-morker,2023,162.5\n")
    done = vaven("fix", path)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == [path]
    unreadable = tmp_path / "tom.csv"
    unreadable.write_text("")
    assert vaven("fix", unreadable).returncode == 2


def test_the_other_cells_and_formats_of_a_workbook_are_unchanged(tmp_path: Path) -> None:
    book = Workbook()
    book.active.title = "Observationer"
    for row in (
        ["Område", "KPI", "Period", "Värde"],
        ["0180C1010", "trygg-morker", 2023, 57],
        [180, "trygg-morker", 2023, 5],
    ):
        book.active.append(row)
    book.active["D2"].number_format = "0.0"
    book.active["F1"] = "=SUM(D2:D3)"
    path, target = tmp_path / "bok.xlsx", tmp_path / "ut.xlsx"
    book.save(path)
    (fixed,) = fix(path, validate(path), target)
    assert fixed.address == "Observationer!A3"
    sheet = load_workbook(target)["Observationer"]
    assert (sheet["A3"].value, sheet["A3"].data_type) == ("0180", "s")
    assert (sheet["D2"].number_format, sheet["F1"].value) == ("0.0", "=SUM(D2:D3)")


@pytest.mark.parametrize("form", ["folder", "descriptor", "zip"])
def test_a_package_is_copied_with_its_table_fixed(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "paket"
    folder.mkdir()
    for path in (SAMPLE / "package").iterdir():
        text = path.read_text("utf-8")
        (folder / path.name).write_text(text.replace("\n0180C6070,", "\n180C6070,"), "utf-8")
    descriptor = json.loads((folder / "datapackage.json").read_text())
    for resource in descriptor["resources"]:
        resource["bytes"] = (folder / resource["path"]).stat().st_size
    (folder / "datapackage.json").write_text(json.dumps(descriptor))
    source = {"folder": folder, "descriptor": folder / "datapackage.json", "zip": tmp_path / "paket.zip"}[form]
    if form == "zip":
        with zipfile.ZipFile(source, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, path.name)
    target = tmp_path / ("ut.zip" if form == "zip" else "ut")
    report = validate(source, max_findings=ALL)
    assert report.verdict == "invalid"
    fixed = fix(source, report, target)
    assert {f.code for f in fixed} == {"area-leading-zero"}
    after = validate(target)
    assert after.verdict == "valid", after.findings
    if form != "zip":
        package = json.loads((target / "datapackage.json").read_text())
        assert [r["bytes"] for r in package["resources"]] == [
            (target / r["path"]).stat().st_size for r in package["resources"]
        ]


def test_cells_beyond_the_report_s_limit_are_fixed_too(tmp_path: Path) -> None:
    path, target = tmp_path / "många.csv", tmp_path / "ut.csv"
    rows = "".join(f"180C1010,trygg-morker,{1960 + i % 60},{i // 60}\n" for i in range(3000))
    path.write_text("Område,KPI,Period,Värde\n" + rows)
    assert len(fixes(validate(path))) == 1000
    assert len(fix(path, validate(path, max_findings=ALL), target)) == 3000
    assert "area-leading-zero" not in validate(target).counts


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "fil.csv"
    path.write_text("Område,KPI,Period,Värde\n114C1010,trygg-morker,2023,62.5\n")
    with pytest.raises(WrongUse, match="already exists"):
        fix(path, validate(path), path)
