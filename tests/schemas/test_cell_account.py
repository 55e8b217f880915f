"""Accounting for cells: another reader counts as many non-empty cells as are used and left out together."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import openpyxl
import pytest
import xlrd
import xlwt
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from vaven.schemas import validate
from vaven.schemas.formats.csv import BLOCK, filled_cells
from vaven.schemas.reports.cells import cells_sentence
from vaven.schemas.reports.formats import render
from vaven.schemas.standard.cells import Cells, OmittedCells
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.read import read
from vaven.vocab.errors import NotReadable
from vaven.vocab.messages import LANGUAGES, messages

Rows = list[list[str]]
Sheets = Mapping[str, Rows]
# Ranges of merged cells by sheet: the first and the last row in a column, all from 1.
Merged = Mapping[str, tuple[int, int, int]]

LONG = ["Område", "Nyckeltal", "Period", "Värde"]
WIDE = ["Område", "Nyckeltal", "2022", "2023"]
TWO_ROWS = [["Område", "Nyckeltal", "2022", "", "2023", ""], ["", "", "Kvinnor", "Män", "Kvinnor", "Män"]]
AREAS = st.sampled_from(["0180", "1280", "0114A0010"])
VALUES = st.sampled_from(["51.5", "40", "..", "", " ", "\xa0", "ej svar"])
TEXTS = st.sampled_from(["Trygghet 2023", "Källa: enkäten", "Forts.", "a;b", 'sade "ja"', "Summa", "0180", "\u2003"])
OTHER_TABLE = [[], ["Kön", "Antal"], ["Kvinnor", "12"], ["Män", "13"]]


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """A table with text, gaps, totals and other tables around and between its rows."""
    labels = draw(st.sampled_from([[LONG], [WIDE], TWO_ROWS]))
    extra = draw(st.sampled_from([None, "", "Kommentar", "Värde"]))
    position = draw(st.integers(0, len(labels[0])))
    header = [list(row) for row in labels]
    for row in header:
        if extra is not None:
            row.insert(position, extra)
    rows = [[text] for text in draw(st.lists(TEXTS, max_size=2))] + header
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["row"] * 6 + ["gap", "text", "total", "header", "other", "short", "long"]))
        row = [draw(AREAS), "trygg-morker", *(draw(VALUES) for _ in labels[0][2:])]
        if labels == [LONG]:
            row[2] = draw(st.sampled_from(["2022", "2023", ""]))
        if extra is not None:
            row.insert(position, draw(TEXTS | st.just("")))
        rows += {
            "row": [row],
            "gap": [[]],
            "text": [[draw(TEXTS)]],
            "total": [["Summa", "", "", "12"]],
            "header": [[draw(TEXTS)], header[-1]],
            "other": OTHER_TABLE,
            "short": [row[:2]],
            "long": [[*row, "", draw(TEXTS)]],
        }[kind]
    return rows + [[text] for text in draw(st.lists(TEXTS, max_size=2))]


ABOUT = [["Titel", "Trygghet", "visas i katalogen"], ["Utgivare", ""], ["Titel", "Igen"], ["Sagt av", "någon"], ["Ort"]]
SHEETS = st.fixed_dictionaries(
    {"Observationer": tables()},
    optional={
        "2022": tables(),
        "Anteckningar": st.lists(st.lists(TEXTS, max_size=3), max_size=3),
        "Om": st.just(ABOUT),
        "Läs mig": st.just([["Så här gör du"]]),
        "Insatser": st.sampled_from([[["Id", "Aktörer"]], []]),
    },
)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Sheets, Merged]:
    sheets: Sheets = draw(SHEETS)
    merged = {}
    for name, rows in sheets.items():
        if len(rows) > 3 and draw(st.booleans()):
            first = draw(st.integers(1, len(rows) - 1))
            merged[name] = (first, draw(st.integers(first + 1, len(rows))), draw(st.integers(1, 2)))
    return sheets, merged


def written_csv(path: Path, rows: Rows, delimiter: str, quoting: Any, encoding: str) -> int:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    with path.open(encoding=encoding, newline="") as file:
        return sum(1 for row in csv.reader(file, delimiter=delimiter) for cell in row if cell.strip())


def written_xlsx(path: Path, sheets: Sheets, merged: Merged) -> int:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([float(cell) if cell in ("51.5", "40") else cell or None for cell in row])
        if name in merged:
            first, last, column = merged[name]
            sheet.merge_cells(start_row=first, end_row=last, start_column=column, end_column=column)
        sheet.sheet_state = "hidden" if name == "Anteckningar" else "visible"
    book.save(path)
    cells = [cell for sheet in openpyxl.load_workbook(path) for row in sheet.values for cell in row]
    return sum(1 for cell in cells if cell is not None and str(cell).strip())


def written_xls(path: Path, sheets: Sheets, merged: Merged) -> int:
    book = xlwt.Workbook(encoding="utf-8")
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        first, last, column = merged.get(name, (0, 0, 0))
        for i, row in enumerate(rows, start=1):
            for j, cell in enumerate(row, start=1):
                # A merged range has the text of its first cell alone.
                if cell and not (j == column and first < i <= last):
                    sheet.write(i - 1, j - 1, float(cell) if cell in ("51.5", "40") else cell)
        if name in merged:
            sheet.merge(first - 1, last - 1, column - 1, column - 1)
        sheet.visibility = int(name == "Anteckningar")
    book.save(str(path))
    cells = [cell for sheet in xlrd.open_workbook(path).sheets() for row in sheet.get_rows() for cell in row]
    return sum(1 for cell in cells if cell.ctype != xlrd.XL_CELL_EMPTY and str(cell.value).strip())


NAMES = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "table", "text")}


def written_ods(path: Path, sheets: Sheets, merged: Merged) -> int:
    declared = " ".join(f'xmlns:{name}="{iri}"' for name, iri in NAMES.items())
    body = "".join(
        f'<table:table table:name="{name}">{"".join(_ods_rows(rows, merged.get(name)))}</table:table>'
        for name, rows in sheets.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        archive.writestr("META-INF/manifest.xml", f'<manifest xmlns="{manifest}"/>')
        archive.writestr(
            "content.xml",
            f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {declared} office:version="1.3">'
            f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>",
        )
    with zipfile.ZipFile(path) as archive:
        document = ElementTree.fromstring(archive.read("content.xml"))
    texts = ["".join(cell.itertext()) for cell in document.iter(f"{{{NAMES['table']}}}table-cell")]
    return sum(1 for text in texts if text.strip())


def _ods_rows(rows: Rows, merged: tuple[int, int, int] | None) -> list[str]:
    first, last, column = merged or (0, 0, 0)
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = []
        for i, cell in enumerate(row, start=1):
            content = f"<text:p>{escape(cell)}</text:p>" if cell else ""
            kind = 'office:value-type="string"' if cell else ""
            if i == column and first < number <= last:
                cells.append("<table:covered-table-cell/>")
            elif i == column and number == first:
                span = f'table:number-rows-spanned="{last - first + 1}" table:number-columns-spanned="1"'
                cells.append(f"<table:table-cell {kind} {span}>{content}</table:table-cell>")
            else:
                cells.append(f"<table:table-cell {kind}>{content}</table:table-cell>")
        lines.append(f"<table:table-row>{''.join(cells) or '<table:table-cell/>'}</table:table-row>")
    return lines


def written_json(path: Path, sheets: Sheets, _: Merged) -> int:
    metadata = {"Titel": "Trygghet", "Tid": {"år": 2023, "månad": None, "rättad": False, "not": " "}}
    path.write_text(json.dumps({**metadata, **{name: rows for name, rows in sheets.items() if rows}}), "utf-8")
    document = json.loads(path.read_text("utf-8"))
    title, time = document.pop("Titel"), document.pop("Tid")
    scalars = [title, *(str(value) for value in time.values() if value is not None)]
    return sum(
        1 for cell in [*scalars, *(c for rows in document.values() for row in rows for c in row)] if cell.strip()
    )


def written_records(path: Path, sheets: Sheets, _: Merged) -> int:
    labels, *rows = sheets["Observationer"]
    records = [{label: cell for label, cell in zip(labels, row, strict=False) if label} for row in rows if row]
    path.write_text(json.dumps(records), "utf-8")
    items = json.loads(path.read_text("utf-8"))
    keys = {key for item in items for key in item}
    return sum(1 for key in keys if key.strip()) + sum(1 for item in items for cell in item.values() if cell.strip())


def account(path: Path, choices: ReadOptions = DETECT) -> Cells:
    with read(path, choices=choices) as submission:
        assert submission.cells is not None
        return submission.cells


def check_account(path: Path, total: int, choices: ReadOptions = DETECT) -> None:
    """Assert that the cells add up, and that each part left out is one for which there is a text."""
    try:
        cells = account(path, choices)
    except NotReadable:
        reject()
    assert (cells.total, cells.used + sum(part.count for part in cells.omitted)) == (total, total), cells
    assert all(part.count > 0 for part in cells.omitted)
    for language in LANGUAGES:
        assert "{" not in cells_sentence(cells, language)


CHOICES = st.sampled_from(
    [DETECT, ReadOptions(last_row=4), ReadOptions(fill_down=True), ReadOptions(columns={"Kommentar": "", "Värde": ""})]
)


@settings(max_examples=200, deadline=None)
@given(
    rows=tables(),
    delimiter=st.sampled_from([";", ",", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    choices=CHOICES,
)
def test_cells_of_a_text_add_up(rows: Rows, delimiter: str, quoting: Any, encoding: str, choices: ReadOptions) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "text.csv"
        total = written_csv(path, rows, delimiter, quoting, encoding)
        # Another delimiter makes other cells, and the detected one may differ in texts with both.
        check_account(path, total, replace(choices, delimiter=delimiter))


# Writers of sheets, by the name of the file.
SHEET_WRITERS = [
    ("book.xlsx", written_xlsx),
    ("book.ods", written_ods),
    ("book.xls", written_xls),
    ("many.json", written_json),
    ("one.json", written_records),
]


@pytest.mark.parametrize(("name", "write"), SHEET_WRITERS)
def test_cells_of_sheets_add_up(name: str, write: Callable[[Path, Sheets, Merged], int]) -> None:
    @settings(max_examples=30, deadline=None)
    @given(layout=layouts(), choices=CHOICES)
    def check(layout: tuple[Sheets, Merged], choices: ReadOptions) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            check_account(path, write(path, *layout), choices)

    check()


CELLS = st.sampled_from(["", " ", "\xa0", "\u2009", "ä", "a b", "–", "a;b", '"', 'a"b', '""', "\u3000x", "\ufeff"])


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6),
    repeat=st.sampled_from([1, 1, 1, BLOCK // 20]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_bytes_are_counted_as_the_parser_counts_cells(rows: Rows, repeat: int, encoding: str, quoting: Any) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=";", quoting=quoting, lineterminator="\n").writerows(rows * repeat)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "text.csv"
        path.write_text(text.getvalue(), encoding, newline="")
        assert filled_cells(path, encoding, ";", 3) == sum(1 for row in rows for cell in row if cell.strip()) * repeat


ROW = ["0180", "trygg-morker", "2023", "51"]
WITH_SUMS = [["Trygghet"], LONG, ROW, [], ["Summa", "", "", "51"], ["Källa: enkäten"]]
# An input for every reason, with the part and number of the cells.
REASONS: Mapping[str, tuple[Sheets, ReadOptions, OmittedCells]] = {
    "preamble": ({"Blad1": WITH_SUMS}, DETECT, OmittedCells("preamble", 1, "Blad1", (1, 1))),
    "preamble-chosen": (
        {"Blad1": WITH_SUMS},
        ReadOptions(header_row=2),
        OmittedCells("preamble-chosen", 1, "Blad1", (1, 1)),
    ),
    "total": ({"Blad1": WITH_SUMS}, DETECT, OmittedCells("total", 2, "Blad1", (5, 5))),
    "footnote": ({"Blad1": WITH_SUMS}, DETECT, OmittedCells("footnote", 1, "Blad1", (6, 6))),
    "repeated-header": (
        {"Blad1": [LONG, ROW, ["Forts."], LONG, [*ROW[:2], "2022", "5"]]},
        DETECT,
        OmittedCells("repeated-header", 5, "Blad1", (3, 4)),
    ),
    "other-table": ({"Blad1": [LONG, ROW, *OTHER_TABLE]}, DETECT, OmittedCells("other-table", 6, "Blad1", (4, 6))),
    "after-last-row": (
        {"Blad1": [LONG, ROW, ROW, ["x"]]},
        ReadOptions(last_row=2),
        OmittedCells("after-last-row", 5, "Blad1", (3, 4)),
    ),
    "row-without-values": (
        {"Blad1": [WIDE, [*ROW[:2], "5", "6"], ["1280", "trygg-morker"]]},
        DETECT,
        OmittedCells("row-without-values", 2, "Blad1", (3, 3)),
    ),
    "group-row": (
        {"Blad1": [WIDE, ["Hyresrätt"], [*ROW[:2], "5", "6"]]},
        DETECT,
        OmittedCells("group-row", 1, "Blad1", (2, 2)),
    ),
    "about": ({"Observationer": [LONG, ROW], "Om": ABOUT}, DETECT, OmittedCells("about", 7, "Om", (1, 5))),
    "column-excluded": (
        {"Blad1": [[*LONG, "Not"], [*ROW, "x"]]},
        ReadOptions(columns={"Not": ""}),
        OmittedCells("column-excluded", 2, "Blad1", column="E"),
    ),
    "column-of-names": (
        {"Blad1": [["Område", "Områdeskod", *LONG[1:]], ["Stockholm", *ROW]]},
        DETECT,
        OmittedCells("column-of-names", 2, "Blad1", column="A"),
    ),
    "column-unknown": (
        {"Blad1": [[*LONG, "Färg"], [*ROW, "röd"]]},
        DETECT,
        OmittedCells("column-unknown", 2, "Blad1", column="E"),
    ),
    "column-unlabelled": (
        {"Blad1": [["", *LONG], ["1", *ROW], ["2", *ROW]]},
        DETECT,
        OmittedCells("column-unlabelled", 2, "Blad1", column="A"),
    ),
    "sheet-hidden": (
        {"Observationer": [LONG, ROW], "Anteckningar": [["a", "b"]]},
        DETECT,
        OmittedCells("sheet-hidden", 2, "Anteckningar"),
    ),
    "sheet-of-template": (
        {"Observationer": [LONG, ROW], "Läs mig": [["a"]]},
        DETECT,
        OmittedCells("sheet-of-template", 1, "Läs mig"),
    ),
    "sheet-skipped": (
        {"Blad1": [LONG, ROW], "2022": [[*LONG, "Kön"], [*ROW, "K"]]},
        DETECT,
        OmittedCells("sheet-skipped", 10, "2022"),
    ),
    "sheet-not-chosen": (
        {"Blad1": [LONG, ROW], "2022": [LONG, ROW]},
        ReadOptions(sheet="Blad1"),
        OmittedCells("sheet-not-chosen", 8, "2022"),
    ),
    "not-the-standard": (
        {"Blad1": [["Färg", "Antal"], ["röd", "2"]]},
        DETECT,
        OmittedCells("not-the-standard", 4, "Blad1"),
    ),
    "table-without-rows": (
        {"Observationer": [LONG, ROW], "Insatser": [["Id", "Aktörer"]]},
        DETECT,
        OmittedCells("table-without-rows", 2, "Insatser"),
    ),
}


# The reasons that no workbook gives.
REASONS_OF_OTHER_FORMATS = ("extra-cell", "missing-value", "other-delimiter", "outside-tables")
# The reasons that no table of the standard gives (tests/schemas/test_cells_of_own_schemas.py).
REASONS_OF_OWN_SCHEMAS = ("comment", "first-row", "formula-without-value", "joined-row", "key-unknown")


@pytest.mark.parametrize("reason", REASONS)
def test_cells_left_out_have_their_place_and_reason(tmp_path: Path, reason: str) -> None:
    sheets, choices, part = REASONS[reason]
    total = written_xlsx(tmp_path / "book.xlsx", sheets, {})
    cells = account(tmp_path / "book.xlsx", choices)
    assert (cells.total, cells.used + cells.omitted_count) == (total, total)
    assert [omitted for omitted in cells.omitted if omitted.reason == reason] == [part]


def test_cells_to_the_right_of_the_labels_are_left_out_by_column(tmp_path: Path) -> None:
    # Only texts have rows that are longer than the header.
    path = tmp_path / "text.csv"
    total = written_csv(path, [LONG, ROW, [*ROW, "", "x"], [*ROW, "", "y"]], ",", csv.QUOTE_MINIMAL, "utf-8")
    cells = account(path)
    assert (cells.total, cells.used, cells.omitted) == (total, 16, (OmittedCells("extra-cell", 2, column="F"),))


def test_values_beside_the_arrays_of_a_document_are_left_out(tmp_path: Path) -> None:
    total = written_json(tmp_path / "one.json", {"Observationer": [LONG, ROW]}, {})
    cells = account(tmp_path / "one.json")
    assert (cells.total, cells.used) == (total, 8)
    assert cells.omitted == (OmittedCells("outside-tables", 3, "one.json"),)


def test_sheets_that_no_resource_of_a_package_names_are_left_out(tmp_path: Path) -> None:
    sheets = {"Observationer": [LONG, ROW], "Mer": [LONG, ROW], "Anteckningar": [["a"]]}
    total = written_xlsx(tmp_path / "book.xlsx", sheets, {})
    resource = {"name": "observations", "path": "book.xlsx", "dialect": {"sheetName": "Observationer"}}
    descriptor = {"name": "trygghet", "resources": [resource]}
    (tmp_path / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    cells = account(tmp_path)
    assert (cells.total, cells.used) == (total, 8)
    assert cells.omitted == (OmittedCells("sheet-skipped", 8, "Mer"), OmittedCells("sheet-hidden", 1, "Anteckningar"))


def test_missing_values_of_a_package_are_left_out_by_column(package: Path) -> None:
    file = package / "datapackage.json"
    descriptor = json.loads(file.read_text("utf-8"))
    (resource,) = [r for r in descriptor["resources"] if r["name"] == "observations"]
    resource["schema"] = {**resource.get("schema", {}), "missingValues": ["", "T"]}
    file.write_text(json.dumps(descriptor), "utf-8")
    cells = account(package)
    assert cells.is_complete
    assert {p.column for p in cells.omitted if p.reason == "missing-value" and p.sheet == resource["path"]} >= {"D"}


def test_every_reason_has_a_text_and_an_input() -> None:
    for language in LANGUAGES:
        keys = {key for key in messages(language, "schemas").texts if key.startswith("cells.reason.")}
        reasons = (*REASONS, *REASONS_OF_OTHER_FORMATS, *REASONS_OF_OWN_SCHEMAS)
        assert keys == {f"cells.reason.{reason}" for reason in reasons}


def test_a_merged_text_is_one_cell_in_all_of_its_rows(tmp_path: Path) -> None:
    rows = [LONG, ROW, [*ROW[:2], "2022", "5"], ["", "", "2021", "6"]]
    total = written_xlsx(tmp_path / "book.xlsx", {"Blad1": rows}, {"Blad1": (2, 4, 1)})
    cells = account(tmp_path / "book.xlsx")
    assert (cells.total, cells.used, cells.omitted) == (total, total, ())


def test_reports_state_the_account(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    written_csv(
        path, [["Trygghet"], ["Forts.", "2"], LONG, ROW, *[[*ROW[:3], "5"]] * 2], ";", csv.QUOTE_MINIMAL, "utf-8"
    )
    report = validate(path)
    assert report.cells == Cells(19, 16, (OmittedCells("preamble", 3, None, (1, 2)),))
    sentence = "19 ifyllda celler: 16 användes, 3 användes inte: rad 1–2 (text ovanför tabellen)"
    assert sentence in render("text", report, "sv").splitlines()[3]
    assert sentence in render("html", report, "sv")
    assert json.loads(render("json", report, "sv"))["cells"] == {
        "total": 19,
        "used": 16,
        "left_out": [
            {
                "sheet": None,
                "rows": [1, 2],
                "column": None,
                "count": 3,
                "reason": "preamble",
                "checksum": f"{report.cells.omitted[0].checksum:016x}",
            }
        ],
    }
    all_used = Cells(1200, 1200)
    assert cells_sentence(all_used, "sv") == "1\xa0200 ifyllda celler: alla användes"
    assert cells_sentence(all_used, "en") == "1,200 non-empty cells: all were used"


def test_the_sentence_names_the_first_places() -> None:
    parts: Sequence[OmittedCells] = [OmittedCells("footnote", 2, "Blad1", (row, row)) for row in range(1, 10)]
    sentence = cells_sentence(Cells(20, 2, tuple(parts)), "en")
    assert sentence.startswith(
        "20 non-empty cells: 2 were used, 18 were not used: Blad1, row 1 (footnote), Blad1, row 2"
    )
    assert sentence.endswith("Blad1, row 6 (footnote) … and 3 more")
