"""Accounting for cells of tables with a schema of their own: another reader counts as many as are used and left out."""

import csv
import gzip
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import openpyxl
import pytest
import xlwt
from frictionless import Package
from frictionless.resources import TableResource
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reading import assert_speaks, examples
from tests.schemas.test_cell_account import SHEET_WRITERS, Merged, Sheets, layouts
from vaven.schemas import validate
from vaven.schemas.formats.child_process import ChildExit, ExitReason
from vaven.schemas.reports.cells import cells_sentence
from vaven.schemas.reports.formats import render
from vaven.schemas.standard.cells import Cells, OmittedCells
from vaven.schemas.standard.finding import Report, Verdict
from vaven.schemas.tables.cell_account import cells_of
from vaven.schemas.tableschema import check
from vaven.schemas.tableschema.by_rows import TableResult
from vaven.schemas.tableschema.columns import judge
from vaven.schemas.tableschema.file_cells import FileCells
from vaven.vocab.messages import LANGUAGES

warnings.filterwarnings("ignore", category=UserWarning)
pytestmark = pytest.mark.usefixtures("workbooks_in_this_process")

# Errors of Frictionless after which it reads no further row.
SOURCE_ERRORS = {"source-error", "error", "header-error", "blank-header", "schema-error", "format-error"}
FIELDS = [{"name": "id", "type": "string"}, {"name": "n", "type": "string"}]
SCHEMA = {"fields": FIELDS}
TEXTS = st.sampled_from(["", " ", "\xa0", "a", "b c", "-", "#x", 'sade "ja"', "å;ä", "12", "\u2003", "rad 1\nrad 2"])
ROWS = st.lists(st.lists(TEXTS, max_size=4), min_size=1, max_size=8)
SCHEMAS = st.sampled_from(
    [
        SCHEMA,
        {**SCHEMA, "missingValues": ["", "-", "a"]},
        {**SCHEMA, "fieldsMatch": "subset"},
        {"fields": [{"name": "n", "type": "integer"}], "fieldsMatch": "partial"},
        {"fields": [FIELDS[0], {"name": "n", "type": "any", "missingValues": ["12"]}], "primaryKey": ["id"]},
    ]
)
DIALECTS = st.sampled_from(
    [
        {},
        {"commentChar": "#"},
        {"commentRows": [2, 3]},
        {"headerRows": [2]},
        {"headerRows": [1, 2]},
        {"header": False},
        {"skipBlankRows": True},
        {"skipInitialSpace": True},
    ]
)


def written_package(folder: Path, *resources: Mapping[str, Any], **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    (folder / "datapackage.json").write_text(json.dumps({"resources": list(resources)}), "utf-8")
    return folder


def judged(folder: Path, files: FileCells) -> Iterator[tuple[TableResource, TableResult]]:
    """Yield the tables of a package with their results, and account for their cells, as `validate` does."""
    with duckdb.connect() as work:
        for table in Package(str(folder / "datapackage.json")).resources:
            assert isinstance(table, TableResource)
            sheet = files.sheet_of(table)
            result = judge(table, work, sheet=sheet)
            files.add(result.name, result.account, sheet)
            yield table, result


def account(folder: Path) -> Cells | None:
    """Return the account of a package, as `validate` makes it, in this process; None if a table has an error for it."""
    with TemporaryDirectory() as copies:
        files = FileCells(Path(copies))
        for _, result in judged(folder, files):
            assert not files.uncounted or SOURCE_ERRORS & result.counts.keys(), (result, result.errors)
        assert list(files.omit_others()) is not None
        return None if files.uncounted else cells_of(files.accounts)


def assert_complete(cells: Cells | None, total: int) -> None:
    assert cells is not None
    assert (cells.total, cells.used + sum(part.count for part in cells.omitted)) == (total, total), cells
    assert all(part.count > 0 for part in cells.omitted)
    for language in LANGUAGES:
        assert "{" not in cells_sentence(cells, language)


@settings(max_examples=examples(150), deadline=None)
@given(rows=ROWS, schema=SCHEMAS, dialect=DIALECTS, quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_cells_of_a_text_add_up(rows: Sequence[list[str]], schema: Any, dialect: Any, quoting: Any) -> None:
    rows = [["id", "n", "extra"][: len(rows[0])] or ["id"], *rows]
    with TemporaryDirectory() as name:
        folder = Path(name)
        # Blanks after a delimiter are no part of a cell with this option, so a quotation mark would not be the first.
        with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=quoting, lineterminator="\n").writerows(rows)
        stated = {"delimiter": ",", "quoteChar": '"', **dialect}
        written_package(folder, {"name": "t", "path": "t.csv", "schema": schema, "dialect": stated})
        with (folder / "t.csv").open(encoding="utf-8", newline="") as file:
            total = sum(1 for row in csv.reader(file) for cell in row if cell.strip())
        cells = account(folder)
        if cells is not None:
            assert_complete(cells, total)


@settings(max_examples=examples(40), deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.sampled_from(["", " ", "a", "-", "\u2003", "12"])] * 3), max_size=6), schema=SCHEMAS
)
def test_cells_that_duckdb_reads_add_up(rows: Sequence[Sequence[str]], schema: Any) -> None:
    with TemporaryDirectory() as name:
        lines = [["id", "n", "extra"], *rows]
        text = "".join(f"{','.join(row)}\n" for row in lines)
        folder = written_package(Path(name), {"name": "t", "path": "t.csv", "schema": schema}, t_csv=text)
        assert_complete(account(folder), sum(1 for row in lines for cell in row if cell.strip()))


@pytest.mark.parametrize(("name", "write"), SHEET_WRITERS[:3])
def test_cells_of_workbooks_add_up(name: str, write: Callable[[Path, Sheets, Merged], int]) -> None:
    @settings(max_examples=examples(25), deadline=None)
    @given(layout=layouts(), schema=SCHEMAS, dialect=DIALECTS, position=st.integers(1, 2))
    def check(layout: tuple[Sheets, Merged], schema: Any, dialect: Any, position: int) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            total = write(path, *layout)
            kind = "ods" if name.endswith("ods") else "excel"
            stated = {**dialect, kind: {"sheet": min(position, len(layout[0]))}}
            written_package(Path(folder), {"name": "t", "path": name, "schema": schema, "dialect": stated})
            cells = account(Path(folder))
            if cells is not None:
                assert_complete(cells, total)

    check()


VALUES = st.recursive(st.none() | st.booleans() | st.integers(0, 99) | TEXTS, lambda inner: st.lists(inner, max_size=2))
RECORDS = st.lists(st.dictionaries(st.sampled_from(["id", "n", "z"]), VALUES, min_size=1), min_size=1, max_size=5)


def filled_scalars(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(filled_scalars, value.values() if isinstance(value, dict) else value))
    return int(value is not None and bool(str(value).strip()))


@settings(max_examples=examples(100), deadline=None)
@given(records=RECORDS, schema=SCHEMAS, form=st.sampled_from(["json", "property", "jsonl", "inline"]))
def test_cells_of_records_add_up(records: list[dict[str, Any]], schema: Any, form: str) -> None:
    total = filled_scalars(records) + len({key for record in records for key in record})
    with TemporaryDirectory() as name:
        folder = Path(name)
        resource: dict[str, Any] = {"name": "t", "schema": schema}
        if form == "inline":
            resource |= {"data": records, "format": "inline"}
        elif form == "jsonl":
            resource |= {"path": "t.jsonl"}
            (folder / "t.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        else:
            document = {"titel": "Trygghet", "tid": [2022, None], "rader": records} if form == "property" else records
            (folder / "t.json").write_text(json.dumps(document), "utf-8")
            resource |= {"path": "t.json", "type": "table"}
            if form == "property":
                total += 2
                resource |= {"dialect": {"json": {"property": "rader"}}}
        assert_complete(account(written_package(folder, resource)), total)


@settings(max_examples=examples(40), deadline=None)
@given(parts=st.lists(ROWS, min_size=2, max_size=3), end=st.sampled_from(["\n", "\r\n", ""]), data=st.data())
def test_cells_of_a_table_in_several_files_add_up(
    parts: Sequence[Sequence[list[str]]], end: str, data: st.DataObject
) -> None:
    total = 0
    with TemporaryDirectory() as name:
        folder, paths = Path(name), []
        for i, rows in enumerate(parts):
            paths.append(f"{i}.csv")
            # Frictionless splits files by lines, and joins the last of one with the first of the next.
            cells = [[cell.replace("\n", " ").replace('"', "") or "x" for cell in row] or ["x"] for row in rows]
            labels = [["id", "n"]] if i == 0 or data.draw(st.booleans()) else []
            text = "\n".join(";".join(row) for row in [*labels, *cells])
            (folder / paths[-1]).write_text(text + end, "utf-8", newline="")
            with (folder / paths[-1]).open(encoding="utf-8", newline="") as file:
                total += sum(1 for row in csv.reader(file, delimiter=";") for cell in row if cell.strip())
        resource = {"name": "t", "path": paths, "schema": SCHEMA, "dialect": {"delimiter": ";"}, "encoding": "utf-8"}
        assert_complete(account(written_package(folder, resource)), total)


# --- reasons


def report_of(folder: Path, *resources: Mapping[str, Any], **files: str) -> Report:
    return validate(written_package(folder, *resources, **files))


def omitted(report: Report) -> list[OmittedCells]:
    assert report.cells
    assert report.cells.is_complete
    return list(report.cells.omitted)


TABLE = {"name": "t", "path": "t.csv", "schema": SCHEMA}


def test_rows_that_a_dialect_skips_are_omitted(tmp_path: Path) -> None:
    dialect = {"headerRows": [2], "commentChar": "#"}
    schema = {**SCHEMA, "missingValues": ["", "-"]}
    text = "Titel\nid,n\n1,-\n#not,x\n2,y,z\n"
    report = report_of(tmp_path, {**TABLE, "dialect": dialect, "schema": schema}, t_csv=text)
    assert omitted(report) == [
        OmittedCells("preamble", 1, None, (1, 1)),
        OmittedCells("comment", 2, None, (4, 4)),
        OmittedCells("missing-value", 1, column="B"),
        OmittedCells("extra-cell", 1, column="C"),
    ]
    assert report.cells is not None
    assert (report.cells.total, report.cells.used) == (10, 5)


def test_columns_without_a_field_are_omitted(tmp_path: Path) -> None:
    schema = {**SCHEMA, "fieldsMatch": "subset"}
    report = report_of(tmp_path, {**TABLE, "schema": schema}, t_csv="n,x,id\n1,2,3\n4,,5\n")
    assert report.verdict is Verdict.VALID
    assert omitted(report) == [OmittedCells("column-unknown", 2, column="B")]


def test_the_first_line_of_a_further_file_is_an_error_unless_it_repeats_the_labels(tmp_path: Path) -> None:
    resource = {**TABLE, "path": ["t.csv", "u.csv"]}
    report = report_of(tmp_path, resource, t_csv="id,n\n1,x\n", u_csv="id,n\n2,y\n")
    assert (report.verdict, omitted(report)) == (Verdict.VALID, [OmittedCells("repeated-header", 2, "u.csv", (1, 1))])
    report = report_of(tmp_path, resource, t_csv="id,n\n1,x\n", u_csv="2,y\n3,z\n")
    assert (report.counts, omitted(report)) == (
        {"table-first-row": 1},
        [OmittedCells("first-row", 2, "u.csv", (1, 1))],
    )
    for finding in report.findings:
        assert_speaks(finding)


def test_a_file_without_a_line_break_at_its_end_is_an_error(tmp_path: Path) -> None:
    resource = {**TABLE, "path": ["t.csv", "u.csv"]}
    report = report_of(tmp_path, resource, t_csv="id,n\n1,x", u_csv="id,n\n2,y\n")
    assert "table-joined-row" in report.counts
    assert OmittedCells("joined-row", 1, "u.csv", (2, 2)) in omitted(report)


def test_keys_that_the_first_record_lacks_are_an_error(tmp_path: Path) -> None:
    records = json.dumps([{"id": "1", "n": "x"}, {"id": "2", "n": "y", "z": "mer"}, {"id": "3", "z": None}])
    resource = {**TABLE, "path": "t.json"}
    report = report_of(tmp_path, resource, t_json=records)
    assert (report.counts, omitted(report)) == ({"table-unread-key": 1}, [OmittedCells("key-unknown", 2)])
    tolerant = {**resource, "schema": {**SCHEMA, "fieldsMatch": "subset"}}
    assert report_of(tmp_path, tolerant, t_json=records).verdict is Verdict.VALID


def test_a_formula_without_a_value_is_an_error(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "n"], ["1", "=1+1"], ["2", "x"]):
        book.active.append(row)
    hidden = book.create_sheet("Dolt")
    hidden.append(["a", "b"])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "t.xlsx")
    report = report_of(tmp_path, {**TABLE, "path": "t.xlsx"})
    assert [(f.code, f.address) for f in report.findings] == [("formula-without-value", "B2")]
    assert omitted(report) == [
        OmittedCells("formula-without-value", 1, "Sheet", column="B"),
        OmittedCells("sheet-hidden", 2, "Dolt"),
    ]
    assert [(note.code, note.sheet) for note in report.assumptions[1:]] == [("sheet-hidden", "Dolt")]


def test_cells_merged_by_the_dialect_are_one_cell_of_the_file(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "n"], ["1", "x"], [None, "y"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(tmp_path / "t.xlsx")
    report = report_of(tmp_path, {**TABLE, "path": "t.xlsx", "dialect": {"excel": {"fillMergedCells": True}}})
    assert (report.verdict, report.cells) == (Verdict.VALID, Cells(5, 5))


def test_cells_of_an_old_workbook_add_up(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    for name in ("Data", "Mer"):
        sheet = book.add_sheet(name)
        for i, row in enumerate((["id", "n"], ["1", 2.5], ["2", True])):
            for j, cell in enumerate(row):
                sheet.write(i, j, cell)
    book.save(tmp_path / "t.xls")
    report = report_of(tmp_path, {**TABLE, "path": "t.xls", "schema": {"fields": [{"name": "id"}, {"name": "n"}]}})
    assert report.cells == Cells(12, 6, (OmittedCells("sheet-skipped", 6, "Mer"),))


def test_other_members_of_an_archive_are_omitted(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("a.csv", "id,n\n1,x\n")
        archive.writestr("b.csv", "id,n\n2,y\n3,z\n")
    (tmp_path / "u.csv.gz").write_bytes(gzip.compress(b"id,n\n1,x\n"))
    report = report_of(tmp_path, {**TABLE, "path": "t.csv.zip"}, {**TABLE, "name": "u", "path": "u.csv.gz"})
    assert report.cells == Cells(14, 8, (OmittedCells("sheet-skipped", 6, "b.csv"),))
    assert [(f.code, f.sheet, f.params) for f in report.findings] == [
        ("table-unread-sheet", "b.csv", {"advice": "file-of-archive"})
    ]
    assert_speaks(report.findings[0])


def test_a_workbook_of_several_resources_is_counted_once(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "a"
    for sheet in (book.active, book.create_sheet("b"), book.create_sheet("c")):
        sheet.append(["id", "n"])
        sheet.append(["1", "x"])
    book.save(tmp_path / "t.xlsx")
    resources = [{**TABLE, "name": n, "path": "t.xlsx", "dialect": {"excel": {"sheet": n}}} for n in ("a", "b")]
    report = report_of(tmp_path, *resources)
    assert report.cells == Cells(12, 8, (OmittedCells("sheet-skipped", 4, "c"),))


# --- tables that are not counted, or not read completely


@pytest.mark.parametrize("reference", ["A1:B2", "A1", "A1:XFD1048576"])
def test_a_range_of_a_sheet_that_is_not_that_of_its_cells_is_named(reference: str, tmp_path: Path) -> None:
    """Frictionless reads no cell outside the range, and takes a minute for the labels of 16,384 columns."""
    book = openpyxl.Workbook()
    for row in (["id", "n"], ["1", "x"], ["2", "y"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "t.xlsx", "w") as target:
        for name in source.namelist():
            declared = f'<dimension ref="{reference}"'.encode()
            target.writestr(name, source.read(name).replace(b'<dimension ref="A1:B3"', declared))
    report = report_of(tmp_path, {**TABLE, "path": "t.xlsx"})
    assert (report.verdict, report.counts) == (Verdict.NOT_CHECKED, {"not-readable-range": 1})
    assert reference in report.findings[0].message("sv")
    assert_speaks(report.findings[0])


def test_a_wide_table_is_checked_row_by_row(tmp_path: Path) -> None:
    """DuckDB takes 7 s of processor time for 2,000 columns, and more than 4 GB for 20,000."""
    labels = [f"k{i}" for i in range(1_000)]
    schema = {"fields": [{"name": label, "type": "integer"} for label in labels]}
    text = "\n".join([",".join(labels), ",".join(["1"] * 1_000), ",".join(["1"] * 999 + ["x"])]) + "\n"
    report = report_of(tmp_path, {**TABLE, "schema": schema}, t_csv=text)
    assert [(f.code, f.address) for f in report.findings] == [("table-type-error", "ALL3")]
    assert (report.engine, report.cells) == ("frictionless (t)", Cells(3_000, 3_000))


@pytest.mark.parametrize(("name", "code"), [("t.csv", "not-readable-memory"), ("t.xlsx", "not-readable-heavy")])
def test_a_message_about_memory_suits_the_format(
    name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 GB would take minutes to exhaust."""
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), "utf-8")
    (tmp_path / "t.csv").write_text("id,n\n1,x\n", "utf-8")
    openpyxl.Workbook().save(tmp_path / "t.xlsx")
    monkeypatch.setattr(check, "run", lambda *_, **__: ChildExit(ExitReason.OUT_OF_MEMORY, 1))
    report = validate(tmp_path / name, schema=tmp_path / "schema.json")
    (finding,) = report.findings
    assert finding.code == code
    assert_speaks(finding)
    for language in LANGUAGES:
        assert "Excel" not in finding.title(language) + finding.message(language)


def test_a_table_that_ends_with_an_error_is_not_counted(tmp_path: Path) -> None:
    report = report_of(tmp_path, {**TABLE, "path": "t.json"}, t_json='[{"id": "1", "n": "x"}, [1, 2]]')
    assert (report.verdict, report.cells) == (Verdict.INVALID, None)
    note = report.assumptions[-1]
    assert note.code == "assumed-described-uncounted"
    assert_speaks(note)
    assert json.loads(render("json", report, "sv"))["cells"] is None


def test_errors_of_a_workbook_are_counted_beyond_those_that_are_listed(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "n"])
    for number in range(1_500):
        book.active.append([number, "x"])
    book.save(tmp_path / "t.xlsx")
    schema = {"fields": [{"name": "id", "type": "integer"}, {"name": "n", "type": "integer"}]}
    report = report_of(tmp_path, {**TABLE, "path": "t.xlsx", "schema": schema})
    assert (report.counts, len(report.findings)) == ({"table-type-error": 1_500}, 1_000)
    assert report.cells == Cells(3_002, 3_002)


def test_reports_state_the_account(tmp_path: Path) -> None:
    report = report_of(tmp_path, TABLE, t_csv="id,n\n1,x\n2,y,z\n")
    sentence = "7 ifyllda celler: 6 användes, 1 användes inte: kolumn C (till höger om rubrikerna)"
    assert sentence in render("text", report, "sv")
    assert sentence in render("html", report, "sv")
    cells = json.loads(render("json", report, "sv"))["cells"]
    assert (cells["total"], cells["used"], [part["count"] for part in cells["left_out"]]) == (7, 6, [1])
