"""Every corrected or annotated copy is read as its original: a differential test over the inputs of all cases."""

import re
import shlex
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from python_calamine import CalamineWorkbook

from tests.schemas.test_cases import FOLDERS
from tests.schemas.test_far_cells import ods
from vaven.catalogue.cli.main import build_parser
from vaven.catalogue.cli.read_options import read_options
from vaven.schemas.check import check, validate
from vaven.schemas.reports.annotated_workbook import annotate, can_annotate
from vaven.schemas.reports.fix import ALL, fix, fixes
from vaven.schemas.reports.xlsx_cells import replace_texts, rewrite
from vaven.schemas.spreadsheets.value_status import split_status
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.read import read
from vaven.vocab.errors import NotReadable, WrongUse

TODAY = date(2026, 1, 1)
# The cases are divided, since each is read six times.
PARTS = 8
# Rules with cases that can be fixed.
FIXED_RULES = ("area-leading-zero", "garbled-text", "pattern-mismatch", "type-error")
# A process for each workbook would take most of the time.
pytestmark = pytest.mark.usefixtures("workbooks_in_this_process")
# Texts of a table by resource, row key and field.
Texts = dict[tuple[str, int, str], str | None]


@dataclass(frozen=True)
class Reading:
    """A source as the checks see it. `cells` are row and column letter of each text."""

    texts: Texts
    cells: dict[tuple[str, int, str], tuple[int, str | None]]
    report: Report | None


def reading_of(path: Path, options: ReadOptions = DETECT, *, checked: bool = True) -> Reading:
    texts: Texts = {}
    cells: dict[tuple[str, int, str], tuple[int, str | None]] = {}
    with read(path, choices=options) as tables:
        for resource, table in tables.tables.items():
            names = [column.name for column in table.columns]
            columns = ", ".join(f'"{name}"' for name in names)
            for key, *row in tables.workspace.execute(f"SELECT _row, {columns} FROM {table.relation}").fetchall():
                for name, text in zip(names, row, strict=True):
                    texts[resource, key, name] = text
                    cells[resource, key, name] = table.cell_reference(key, name)
        return Reading(texts, cells, check(tables, today=TODAY, max_findings=ALL) if checked else None)


def inputs() -> Iterator[tuple[Path, ReadOptions]]:
    """Yield the input of each case of the standard, with the options of its command."""
    for folder in FOLDERS:
        _, *words = shlex.split((folder / "cmd").read_text("utf-8"))
        arguments = build_parser().parse_args(words)
        if arguments.schema is None:
            yield folder / arguments.files[0], read_options(arguments)


def readable(path: Path, options: ReadOptions) -> Reading | None:
    try:
        with chdir(path.parent):
            return reading_of(path, options)
    except NotReadable:
        return None


@pytest.mark.parametrize("part", range(PARTS))
def test_the_copies_of_every_case_have_the_observations_of_the_original(tmp_path: Path, part: int) -> None:
    annotated_cases = 0
    for number, (path, options) in enumerate([*inputs()][part::PARTS]):
        original = readable(path, options)
        if original is None or original.report is None:
            continue
        label = path.parent.parent.name + "/" + path.parent.name
        if fixes(original.report):
            copy = tmp_path / f"{number}{path.suffix}"
            done = fix(path, original.report, copy, choices=options)
            assert [f.address for f in done] == [f.address for f in fixes(original.report)], label
            after = reading_of(copy, options)
            fixed_cells = {(f.resource, f.row, f.column): f.fix.text for f in done if f.fix}
            for key, text in original.texts.items():
                # A status without a column may be in the cell of its value.
                is_inside = key[2] == "status" and original.cells[key][1] is None
                row, column = original.cells[(*key[:2], "value") if is_inside else key]
                fixed = fixed_cells.get((key[0], row, column))
                value, status = split_status(fixed or "") or (fixed, None)
                # A number is fixed in its file's notation, and read in the standard's.
                standard = ["".join(value.split()).replace(",", ".")] if value else []
                allowed = [text] if fixed is None else [status] if is_inside else [fixed, *standard]
                assert after.texts[key] in allowed, (label, key)
            assert after.texts.keys() == original.texts.keys(), label
            assert after.report, label
            assert not fixes(after.report), label
        if can_annotate(path, original.report, options):
            copy = annotate(path, original.report, tmp_path / f"{number}-annotated.xlsx", choices=options)
            after = reading_of(copy, replace(options, encoding=None, delimiter=None), checked=False)
            assert after.texts == original.texts, label
            annotated_cases += 1
    assert annotated_cases > 20


def test_several_cases_have_fixes() -> None:
    cases = [pair for pair in inputs() if pair[0].parent.parent.name in FIXED_RULES]
    fixed = [case for case in cases if (original := readable(*case)) and original.report and fixes(original.report)]
    assert len(fixed) >= 3


@pytest.fixture
def rich_workbook(tmp_path: Path) -> Path:
    """A wide table with formulas of each type, dates, shares, an error, a hidden sheet and text around the table."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Trygghet"
    rows = [["Uttag ur enkäten", datetime(2024, 3, 1)], [], ["Kommun", "Nyckeltal", 2022, 2023, "Kommentar"]]
    rows += [[180, "trygg-morker", "=1+F1", "=D5*2", '=A1&"!"'], ["1480", "trygg-morker", 58, 59.5, "=1/0"]]
    for row in [*rows, [], ["Källa: enkät", None, None, 0.45, "#N/A"]]:
        sheet.append(row)
    sheet["C4"].number_format, sheet["D7"].number_format, sheet["A4"].number_format = "0.0", "0 %", "0000"
    sheet["D7"].comment = Comment("Ungefär.", "Partner")
    hidden = book.create_sheet("Underlag")
    hidden.append(["summa", "=SUM(A1)", True])
    hidden.sheet_state = "hidden"
    return with_stored_values(
        book,
        tmp_path / "bok.xlsx",
        {"C4": ("", "57"), "D4": ("", "119"), "E4": ("str", " å &lt;\n "), "E5": ("e", "#DIV/0!"), "B1": ("", "12")},
    )


def with_stored_values(book: Workbook, path: Path, values: dict[str, tuple[str, str]]) -> Path:
    """Save a workbook with the values of its formulas, as Excel does; `values` are type and XML by cell."""
    book.save(path.with_suffix(".base"))
    parts = {}
    with ZipFile(path.with_suffix(".base")) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/sheet"):
                text = archive.read(name).decode()
                for cell, (kind, value) in values.items():
                    stored = rf'<c r="{cell}"\1{kind and f" t={chr(34)}{kind}{chr(34)}"}>\2<v>{value}</v></c>'
                    text = re.sub(rf'<c r="{cell}"([^>]*)>(<f>[^<]*</f>)<v\s*/?>(?:</v>)?</c>', stored, text)
                parts[name] = text.encode()
    rewrite(path.with_suffix(".base"), path, parts)
    return path


def stored_cells(path: Path) -> dict[str, list[list[object]]]:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def test_a_corrected_workbook_keeps_all_other_cells_and_parts(rich_workbook: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ut.xlsx"
    report = validate(rich_workbook, max_findings=ALL)
    assert [f.address for f in fix(rich_workbook, report, copy)] == ["Trygghet!A4"]
    before, after = stored_cells(rich_workbook), stored_cells(copy)
    assert before["Trygghet"][3][2:5] == [57, 119, " å <\n "]
    assert (before["Trygghet"][3][0], after["Trygghet"][3][0]) == (180, "0180")
    before["Trygghet"][3][0] = "0180"
    assert after == before
    with ZipFile(rich_workbook) as original, ZipFile(copy) as archive:
        assert archive.namelist() == original.namelist()
        changed = [name for name in original.namelist() if original.read(name) != archive.read(name)]
    assert changed == ["xl/worksheets/sheet1.xml", "xl/styles.xml"]
    sheet = load_workbook(copy)["Trygghet"]
    assert (sheet["A4"].number_format, sheet["C4"].number_format, sheet["D4"].value) == ("@", "0.0", "=D5*2")


def test_an_annotated_workbook_keeps_the_values_of_formulas(rich_workbook: Path, tmp_path: Path) -> None:
    copy = annotate(rich_workbook, validate(rich_workbook), tmp_path / "ut.xlsx")
    report, *sheets = stored_cells(copy).items()
    assert sheets == list(stored_cells(rich_workbook).items())
    assert report[0] == "Rapport"
    book = load_workbook(copy)
    assert [sheet.sheet_state for sheet in book] == ["visible", "visible", "hidden"]
    assert book["Trygghet"]["D4"].value == "=D5*2"
    assert "Ungefär." in book["Trygghet"]["D7"].comment.text


def test_a_finding_in_merged_cells_is_a_comment_in_the_first_of_them(tmp_path: Path) -> None:
    book = Workbook()
    for row in (
        ["Kommun", "Nyckeltal", "Period", "Värde"],
        [180, "trygg-morker", 2022, 57],
        [None, "trygg-morker", 2023, 58],
    ):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(tmp_path / "bok.xlsx")
    report = validate(tmp_path / "bok.xlsx")
    assert {f.cell for f in fixes(report)} == {"A2", "A3"}
    copy = annotate(tmp_path / "bok.xlsx", report, tmp_path / "ut.xlsx")
    assert load_workbook(copy)["Sheet"]["A2"].comment.text.count("→") == 2


def test_a_code_that_a_formula_computes_is_not_replaced(tmp_path: Path) -> None:
    book = Workbook()
    for row in (
        ["Kommun", "Nyckeltal", "Period", "Värde"],
        ["=90*2", "trygg-morker", 2023, 57],
        [180, "trygg-morker", 2022, 57],
    ):
        book.active.append(row)
    path = with_stored_values(book, tmp_path / "bok.xlsx", {"A2": ("", "180")})
    report = validate(path)
    assert [f.address for f in fixes(report)] == ["Sheet!A2", "Sheet!A3"]
    assert [f.address for f in fix(path, report, tmp_path / "ut.xlsx")] == ["Sheet!A3"]
    assert [f.address for f in fixes(validate(tmp_path / "ut.xlsx"))] == ["Sheet!A2"]


@pytest.mark.parametrize(
    ("row", "fixed"),
    [
        (
            '<row r="7"><c t="n"><v>1</v></c><c s="0"/><c><v>180</v></c></row>',
            '<c r="C7" s="1" t="inlineStr"><is><t xml:space="preserve">å_x005F_x0041_&amp;</t></is></c>',
        ),
        ('<x:row><x:c r="C7" t="s" s="0" ><x:v>3</x:v ></x:c></x:row>', '<x:c r="C7" s="1" t="inlineStr"><x:is>'),
        (
            '<row r="7"><c r="A7"/><c r="C7" t="inlineStr"><is><r><t>18</t></r><r><t>0</t></r></is></c></row>',
            "</c></row>",
        ),
    ],
)
def test_a_cell_is_found_and_replaced_in_every_way_to_write_it(tmp_path: Path, row: str, fixed: str) -> None:
    book = Workbook()
    for _ in range(6):
        book.active.append(["a"])
    book.save(tmp_path / "bas.xlsx")
    with ZipFile(tmp_path / "bas.xlsx") as archive:
        part = archive.read("xl/worksheets/sheet1.xml").decode()
    part = part.replace("</sheetData>", row + "</sheetData>").replace("<worksheet ", '<worksheet xmlns:x="urn:x" ')
    rewrite(tmp_path / "bas.xlsx", tmp_path / "bok.xlsx", {"xl/worksheets/sheet1.xml": part.encode()})
    texts = {"Sheet": {"C7": "å_x0041_&", "B7": "x", "A9": "y"}}
    assert replace_texts(tmp_path / "bok.xlsx", tmp_path / "ut.xlsx", texts) == {"Sheet": {"C7"}}
    with ZipFile(tmp_path / "ut.xlsx") as archive:
        after = archive.read("xl/worksheets/sheet1.xml").decode()
    assert after.startswith(part[: part.index(row)])
    assert after.endswith(part[part.index(row) + len(row) :])
    assert fixed in after.replace("&#229;", "å")


def test_a_copy_of_ods_has_hidden_sheets_and_merged_cells(tmp_path: Path) -> None:
    def cell(text: str, attributes: str = "") -> str:
        return f'<table:table-cell office:value-type="string" {attributes}><text:p>{text}</text:p></table:table-cell>'

    merged = cell("180", 'table:number-rows-spanned="2"')
    below = f"<table:covered-table-cell/>{cell('trygg-morker')}{cell('2023')}{cell('58')}"
    rows = f"<table:table-row>{merged}{cell('trygg-morker')}{cell('2022')}{cell('57')}</table:table-row>"
    notes = f'<table:table table:name="Noter"><table:table-row>{cell("prel.")}</table:table-row></table:table>'
    path = ods(tmp_path / "bok.ods", f"{rows}<table:table-row>{below}</table:table-row>", notes)
    original, copy = reading_of(path), tmp_path / "ut.xlsx"
    assert original.report
    assert [f.cell for f in fix(path, original.report, copy)] == ["A3"]
    after = reading_of(copy, checked=False)
    assert after.texts == {
        key: "0180" if key[2] == "neighbourhood" and text == "180" else text for key, text in original.texts.items()
    }
    assert stored_cells(copy)["Noter"] == [["prel."]]


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_copy_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    rows = [["Kommun", "Nyckeltal", "Period", "Värde"], ["180", "trygg-morker", "2023", "57"]]
    path, target = tmp_path / f"fil{ending}", tmp_path / f"ut{ending}"
    if ending == ".csv":
        path.write_text("".join(",".join(row) + "\n" for row in rows))
        monkeypatch.setattr("vaven.schemas.reports.fix._fix_record", lambda *_: "0180,trygg-morker,2023,5\n")
    else:
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
        monkeypatch.setattr("vaven.schemas.reports.xlsx_cells._text_cell", lambda *_: b'<c r="A2"><v>181</v></c>')
    with pytest.raises(WrongUse, match="D2" if ending == ".csv" else "A2"):
        fix(path, validate(path), target)
    assert not target.exists()
