"""Large sheets are read as a stream: the same texts as calamine's, in a fraction of its memory."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from python_calamine import CalamineError, CalamineWorkbook

from tests.catalogue.test_hostile import book, changed
from tests.conftest import ROOT
from vaven.schemas.formats import workbook, xlsx_stream
from vaven.schemas.formats.workbook import cell_text

FORMATS = (
    "yyyy-mm-dd", "hh:mm", "yyyy-mm-dd hh:mm", "[h]:mm", "0.00", "0%", "d mmm", "mmm-yy", "General", '"dag" 0', "@",
    "[Red]0.0", "h:mm:ss", "[$-41D]d mmmm yyyy", '#,##0 "kr"', "0.00E+00", "mm:ss.0", r"\d0",
)  # fmt: skip
NUMBERS = (0, 0.5, 1, 59, 60, 61, 45000, 45000.25, 45000.9999999, 2.5, 0.999999999, -3.2, 1e-9, 123456.789)
SHEET = "xl/worksheets/sheet1.xml"
# Prints the peak of its own memory alone, in kB; what getrusage tells begins with that of the process above.
PEAK = """
import sys; from pathlib import Path; from vaven.schemas.formats.workbook import extract_sheets
extract_sheets(Path(sys.argv[1]), Path(sys.argv[2]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def every_kind_of_cell(path: Path, *, is_1904: bool) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row, number_format in enumerate(FORMATS, start=1):
        for column, number in enumerate(NUMBERS, start=2):
            sheet.cell(row, column, number).number_format = number_format
    for row, value in enumerate(("text", " å ", True, False, "=1+1", "#N/A", "a\nb", "<&>", ""), start=30):
        sheet.cell(row, 3, value)
    sheet.merge_cells("C40:D44")
    workbook.epoch = openpyxl.utils.datetime.MAC_EPOCH if is_1904 else openpyxl.utils.datetime.WINDOWS_EPOCH
    workbook.save(path)
    return path


def rows_of(rows: Iterator[tuple[int, list[str]]]) -> dict[int, list[str]]:
    """Return the filled rows by number, without empty cells at their end."""
    filled_rows = {}
    for number, cells in rows:
        filled = len(cells) - next((i for i, cell in enumerate(reversed(cells)) if cell), len(cells))
        if filled:
            filled_rows[number] = cells[:filled]
    return filled_rows


def assert_same(path: Path) -> int:
    """Both ways give the same rows and merged cells of every sheet; how many sheets there were."""
    laid_out = CalamineWorkbook.from_path(path)
    with zipfile.ZipFile(path) as archive:
        parts = xlsx_stream.large_parts(archive, -1)
        opened = xlsx_stream.open_workbook(archive, parts)
        for name, part in parts.items():
            sheet = laid_out.get_sheet_by_name(name)
            walk = xlsx_stream.SheetRows(opened, part)
            streamed = rows_of((n, [cell_text(cell) for cell in cells]) for n, cells in walk.rows())
            assert streamed == rows_of(workbook._rows(sheet.iter_rows(), sheet.start)), name
            assert sorted(walk.merged) == sorted(sheet.merged_cell_ranges or [])
    return len(parts)


@pytest.mark.parametrize("is_1904", [False, True])
def test_every_kind_of_cell_has_the_same_text(tmp_path: Path, is_1904: bool) -> None:
    assert assert_same(every_kind_of_cell(tmp_path / "a.xlsx", is_1904=is_1904)) == 1


def test_real_workbooks_have_the_same_texts(shared: Path) -> None:
    paths = [*shared.rglob("*.xlsx"), *(ROOT / "catalogue" / "sample").glob("*.xlsx")]
    counted = 0
    for path in paths:
        try:
            CalamineWorkbook.from_path(path)
        except CalamineError:
            # A fixture of frictionless-py that is no workbook at all.
            continue
        counted += assert_same(path)
    assert counted > 40


def test_prefixes_formulas_rich_text_and_missing_cell_references_are_read(tmp_path: Path) -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rows = (
        '<x:row r="2"><x:c t="inlineStr"><x:is><x:r><x:t>Fet</x:t></x:r><x:r><x:t> text</x:t></x:r>'
        "<x:rPh><x:t>uttal</x:t></x:rPh></x:is></x:c><x:c><x:f>1+1</x:f><x:v>2</x:v></x:c></x:row>"
        '<x:row><x:c r="D3" t="str"><x:v>svar</x:v></x:c><x:c t="e"><x:v>#N/A</x:v></x:c></x:row>'
    )
    sheet = f'<x:worksheet xmlns:x="{main}"><x:sheetData>{rows}</x:sheetData></x:worksheet>'
    path = changed(book(tmp_path / "a.xlsx"), SHEET, lambda _: sheet)
    with zipfile.ZipFile(path) as archive:
        parts = xlsx_stream.large_parts(archive, -1)
        walk = xlsx_stream.SheetRows(xlsx_stream.open_workbook(archive, parts), parts["Observationer"])
        assert list(walk.rows()) == [(1, []), (2, ["Fet text", 2.0]), (3, ["", "", "", "svar", ""])]


@pytest.mark.parametrize(
    "text",
    ["morker_x000D_", "_x0041_b_x00e9_", "_x005F_x0041_", "_x005f_x005f_x0041_", "_X0041_ _x41_", "_xD83D_ _xFFFE_"],
)
@pytest.mark.parametrize("kind", ["inlineStr", "str", "s"])
def test_escaped_characters_are_decoded_as_by_calamine(tmp_path: Path, text: str, kind: str) -> None:
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as workbook:
        workbook.add_worksheet().write_string("A1", "shared")
    shared = '<c r="A1" t="s"><v>0</v></c>'
    part, old, new = {
        "s": ("xl/sharedStrings.xml", "<t>shared</t>", f"<t>{text}</t>"),
        "str": (SHEET, shared, f'<c r="A1" t="str"><f>B1</f><v>{text}</v></c>'),
        "inlineStr": (SHEET, shared, f'<c r="A1" t="inlineStr"><is><t>{text}</t></is></c>'),
    }[kind]

    def with_text(text: str) -> str:
        assert text.count(old) == 1
        return text.replace(old, new)

    assert_same(changed(tmp_path / "a.xlsx", part, with_text))


@pytest.mark.parametrize("number_format", ["[h]:mm", "yyyy-mm-dd", "General"])
def test_a_number_formatted_as_a_time_outside_the_calendar_is_a_number(tmp_path: Path, number_format: str) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = 1e15
    book.active["A1"].number_format = number_format
    book.save(tmp_path / "a.xlsx")
    (grid,) = workbook.read_workbook(tmp_path / "a.xlsx", tmp_path / "out")
    assert next(iter(grid.rows))[1][0] in ("1000000000000000", "1e+15")


@pytest.mark.parametrize("reference", ["ZZZ1", "A99999999", "$1"])
def test_a_cell_reference_outside_the_sheet_limits_is_refused(tmp_path: Path, reference: str) -> None:
    row = reference.lstrip("ABCZ$")
    cell = f'<sheetData><row r="{row}"><c r="{reference}"><v>1</v></c></row></sheetData>'
    path = changed(book(tmp_path / "a.xlsx"), SHEET, lambda _: f"<worksheet>{cell}</worksheet>")
    with zipfile.ZipFile(path) as archive:
        parts = xlsx_stream.large_parts(archive, -1)
        with pytest.raises(xlsx_stream.TooManyCells):
            list(xlsx_stream.SheetRows(xlsx_stream.open_workbook(archive, parts), parts["Observationer"]).rows())


def test_a_large_sheet_takes_little_memory(tmp_path: Path) -> None:
    rows = (
        f'<row r="{i}">'
        + "".join(f'<c r="{"ABCDEFGHIJKL"[j]}{i}"><v>{i * 7 + j}.5</v></c>' for j in range(12))
        + "</row>"
        for i in range(1, 300_001)
    )
    sheet = f"<worksheet><sheetData>{''.join(rows)}</sheetData></worksheet>"
    assert len(sheet) > xlsx_stream.STREAMED_BYTES
    path = changed(book(tmp_path / "a.xlsx"), SHEET, lambda _: sheet)
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path, tmp_path / "out"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) / 1024 < 80
    with (tmp_path / "out" / "0.jsonl").open() as lines:
        assert next(lines).startswith('[[1,["7.5","8.5"')
