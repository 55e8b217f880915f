"""A changed cell changes the report or the values that are read: no cell is ignored without a trace."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, suppress
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import openpyxl
import pytest
from frictionless import FrictionlessException
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.reading import examples
from tests.schemas.test_cell_account import (
    CHOICES,
    SHEET_WRITERS,
    Merged,
    Rows,
    Sheets,
    layouts,
    tables,
    written_csv,
    written_records,
)
from tests.schemas.test_cell_account_formats import json_stats, px_files
from tests.schemas.test_cells_of_own_schemas import DIALECTS, RECORDS, SCHEMAS, judged
from tests.schemas.test_copies import inputs
from vaven.schemas.check import check
from vaven.schemas.formats.csv import delimiter_of
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.reports.fix import ALL
from vaven.schemas.reports.text_and_json import as_dict
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.cell_account import cells_of
from vaven.schemas.tables.read import read
from vaven.schemas.tableschema.file_cells import FileCells
from vaven.vocab.errors import NotReadable

TODAY = date(2026, 1, 1)
# A change of these says nothing about the cell.
OF_THE_FILE = ("source", "sha256", "checked_at")


pytestmark = pytest.mark.usefixtures("workbooks_in_this_process")


def outcome(path: Path, options: ReadOptions = DETECT) -> tuple[object, ...] | None:
    """Return all that a report states, without the file's own hash, and the texts that a release would have.

    None for a file that is not checked: all of its cells are left out, and the report says so.
    """
    try:
        with chdir(path.parent), read(path, slug="file", choices=options) as tables:
            texts = []
            for table in tables.tables.values():
                names = ", ".join(f'"{column.name}"' for column in table.columns)
                query = f"SELECT _row, {names} FROM {table.relation} ORDER BY ALL"
                texts.append((names, tables.workspace.execute(query).fetchall()))
            report = as_dict(check(tables, today=TODAY, max_findings=ALL), "sv")
            return *(value for key, value in report.items() if key not in OF_THE_FILE), texts, tables.about
    except NotReadable:
        return None


def changed(text: str) -> str:
    """Return another text of the same kind: another last digit of a number or code, another word."""
    text = text.strip()
    return f"{text[:-1]}{(int(text[-1]) + 1) % 10}" if text[-1:].isdecimal() else f"{text}x"


@st.composite
def changes(draw: st.DrawFn) -> tuple[Sheets, Sheets, Merged]:
    """Sheets, the same sheets with another text in one cell, and their merged cells."""
    sheets, merged = draw(layouts())
    cells = [
        (name, i, j)
        for name, rows in sheets.items()
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
        if text.strip() and not _is_covered(merged.get(name), i + 1, j + 1)
    ]
    assume(cells)
    name, i, j = draw(st.sampled_from(cells))
    rows = [list(row) for row in sheets[name]]
    rows[i][j] = changed(rows[i][j])
    return sheets, {**sheets, name: rows}, merged


def _is_covered(merged: tuple[int, int, int] | None, row: int, column: int) -> bool:
    return merged is not None and column == merged[2] and merged[0] < row <= merged[1]


def assert_differs(
    write: Callable[[Path], object], write_changed: Callable[[Path], object], name: str, options: ReadOptions = DETECT
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        content, before = path.read_bytes(), outcome(path, options)
        write_changed(path)
        # A cell beyond the labels of a record is not written.
        assume(path.read_bytes() != content)
        after = outcome(path, options)
        assume(before or after)
        assert after != before


@settings(max_examples=examples(30), deadline=None)
@given(
    rows=tables(),
    delimiter=st.sampled_from([";", ",", "\t"]),
    choices=CHOICES,
    data=st.data(),
)
def test_a_changed_cell_of_a_text_is_not_ignored(
    rows: Rows, delimiter: str, choices: ReadOptions, data: st.DataObject
) -> None:
    cells = [(i, j) for i, row in enumerate(rows) for j, text in enumerate(row) if text.strip()]
    i, j = data.draw(st.sampled_from(cells))
    others = [list(row) for row in rows]
    others[i][j] = changed(rows[i][j])
    options = ReadOptions(**{**choices.non_default, "delimiter": delimiter})
    assert_differs(
        lambda path: written_csv(path, rows, delimiter, csv.QUOTE_MINIMAL, "utf-8"),
        lambda path: written_csv(path, others, delimiter, csv.QUOTE_MINIMAL, "utf-8"),
        "text.csv",
        options,
    )


@pytest.mark.parametrize(("name", "write"), SHEET_WRITERS)
def test_a_changed_cell_of_a_sheet_is_not_ignored(name: str, write: Callable[[Path, Sheets, Merged], int]) -> None:
    @settings(max_examples=examples(10), deadline=None)
    @given(change=changes(), choices=CHOICES)
    def check_change(change: tuple[Sheets, Sheets, Merged], choices: ReadOptions) -> None:
        sheets, others, merged = change
        if write is written_records:
            assume(sheets["Observationer"] != others["Observationer"])
        assert_differs(
            lambda path: write(path, sheets, merged), lambda path: write(path, others, merged), name, choices
        )

    check_change()


# --- archives and packages


def csv_text(rows: Rows, delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return text.getvalue()


def written_zip(path: Path, files: Mapping[str, str | bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@st.composite
def changed_tables(draw: st.DrawFn, count: int) -> tuple[list[Rows], list[Rows]]:
    """Tables, and the same tables with another text in one cell."""
    rows = [draw(tables()) for _ in range(count)]
    number, i, j = draw(
        st.sampled_from(
            [
                (n, i, j)
                for n in range(count)
                for i, row in enumerate(rows[n])
                for j, text in enumerate(row)
                if text.strip()
            ]
        )
    )
    others = [[list(row) for row in table] for table in rows]
    others[number][i][j] = changed(rows[number][i][j])
    return rows, others


@settings(max_examples=examples(15), deadline=None)
@given(change=changed_tables(3), names=st.sampled_from([("2021", "2022", "2023"), ("Observationer", "Om", "Insatser")]))
def test_a_changed_cell_of_an_archive_is_not_ignored(
    change: tuple[list[Rows], list[Rows]], names: tuple[str, str, str]
) -> None:
    write, write_changed = (
        partial(written_zip, files={f"{name}.csv": csv_text(rows) for name, rows in zip(names, one, strict=True)})
        for one in change
    )
    assert_differs(write, write_changed, "all.zip")


PARTS = ("2022.csv", "2023.csv")
MISSING = st.sampled_from([[], ["..", "ej svar", "Summa"]])


def package_of(rows: Sequence[Rows], missing: Sequence[str], book: bytes) -> Mapping[str, str | bytes]:
    observations = {"name": "observations", "path": [*PARTS], "schema": {"missingValues": missing}}
    actors = {"name": "actors", "path": "actors.xlsx", "dialect": {"sheetName": "Observationer"}}
    descriptor = json.dumps({"name": "trygghet", "resources": [observations, actors]})
    return {"datapackage.json": descriptor, "actors.xlsx": book} | dict(zip(PARTS, map(csv_text, rows), strict=True))


def workbook_bytes(sheets: Sheets, merged: Merged) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.xlsx"
        SHEET_WRITERS[0][1](path, sheets, merged)
        return path.read_bytes()


@settings(max_examples=examples(15), deadline=None)
@given(change=changed_tables(2), layout=layouts(), missing=MISSING)
def test_a_changed_cell_of_a_package_is_not_ignored(
    change: tuple[list[Rows], list[Rows]], layout: tuple[Sheets, Merged], missing: list[str]
) -> None:
    book = workbook_bytes(*layout)
    write, write_changed = (partial(written_zip, files=package_of(rows, missing, book)) for rows in change)
    assert_differs(write, write_changed, "package.zip")


@settings(max_examples=examples(15), deadline=None)
@given(rows=st.lists(tables(), min_size=2, max_size=2), change=changes(), missing=MISSING)
def test_a_changed_cell_of_a_workbook_in_a_package_is_not_ignored(
    rows: list[Rows], change: tuple[Sheets, Sheets, Merged], missing: list[str]
) -> None:
    sheets, others, merged = change
    write, write_changed = (
        partial(written_zip, files=package_of(rows, missing, workbook_bytes(each, merged))) for each in (sheets, others)
    )
    assert_differs(write, write_changed, "package.zip")


# --- tables with a schema of their own


def outcome_of_own_schema(folder: Path) -> tuple[object, ...]:
    """Return the errors, the labels and values that Frictionless reads, and the account, of a package's tables."""
    read_values, errors = [], []
    with TemporaryDirectory() as copies:
        files = FileCells(Path(copies))
        for table, result in judged(folder, files):
            errors.append((result.counts, [error.message for error in result.errors]))
            with suppress(FrictionlessException), table.to_copy() as copy:
                read_values.append((copy.labels, [list(row.items()) for row in copy.row_stream]))  # type: ignore[attr-defined]
        others = [(grid.sheet, grid.is_hidden) for grid in files.omit_others()]
        cells = None if files.uncounted else cells_of(files.accounts)
        return errors, read_values, others, cells and asdict(cells)


def assert_differs_by_own_schema(
    write: Callable[[Path], object], write_changed: Callable[[Path], object], resource: Mapping[str, Any]
) -> None:
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        for folder, written in ((Path(first), write), (Path(second), write_changed)):
            written(folder)
            (folder / "datapackage.json").write_text(json.dumps({"resources": [resource]}), "utf-8")
        before, after = outcome_of_own_schema(Path(first)), outcome_of_own_schema(Path(second))
        # A table that could not be read to its end is not valid, and its cells are not counted.
        assume(before[-1] or after[-1])
        assert after != before


@settings(max_examples=examples(40), deadline=None)
@given(change=changed_tables(2), schema=SCHEMAS, dialect=DIALECTS)
def test_a_changed_cell_of_a_table_with_its_own_schema_is_not_ignored(
    change: tuple[list[Rows], list[Rows]], schema: Any, dialect: Any
) -> None:
    def write(folder: Path, tables: list[Rows]) -> None:
        for name, rows in zip(PARTS, tables, strict=True):
            (folder / name).write_text(csv_text(rows), "utf-8", newline="")

    resource = {"name": "t", "path": [*PARTS], "schema": schema, "dialect": {"delimiter": ",", **dialect}}
    assert_differs_by_own_schema(partial(write, tables=change[0]), partial(write, tables=change[1]), resource)


@pytest.mark.parametrize(("name", "write"), SHEET_WRITERS[:3])
def test_a_changed_cell_of_a_workbook_with_its_own_schema_is_not_ignored(
    name: str, write: Callable[[Path, Sheets, Merged], int]
) -> None:
    @settings(max_examples=examples(15), deadline=None)
    @given(change=changes(), schema=SCHEMAS, dialect=DIALECTS)
    def check_change(change: tuple[Sheets, Sheets, Merged], schema: Any, dialect: Any) -> None:
        sheets, others, merged = change
        resource = {"name": "t", "path": name, "schema": schema, "dialect": dialect}
        assert_differs_by_own_schema(
            lambda folder: write(folder / name, sheets, merged),
            lambda folder: write(folder / name, others, merged),
            resource,
        )

    check_change()


@settings(max_examples=examples(60), deadline=None)
@given(records=RECORDS, schema=SCHEMAS, data=st.data())
def test_a_changed_value_of_records_with_their_own_schema_is_not_ignored(
    records: list[dict[str, Any]], schema: Any, data: st.DataObject
) -> None:
    document = {"titel": "Trygghet", "rader": records}
    other = with_scalar(document, *data.draw(st.sampled_from(replaced_scalars(document))))
    resource = {
        "name": "t",
        "type": "table",
        "path": "t.json",
        "schema": schema,
        "dialect": {"json": {"property": "rader"}},
    }
    assert_differs_by_own_schema(
        lambda folder: (folder / "t.json").write_text(json.dumps(document), "utf-8"),
        lambda folder: (folder / "t.json").write_text(json.dumps(other), "utf-8"),
        resource,
    )


# --- PC-Axis and JSON-stat

# Texts in a PX file that tell how it is written.
OF_THE_FORMAT = ("CHARSET", "CODEPAGE", "AXIS-VERSION", "LANGUAGE", "KEYS")


def px_texts(text: str) -> list[tuple[int, int]]:
    """Return start and end of each text and number of a PX file."""
    statements = [match.span() for match in re.finditer(r'[^;"]*(?:"[^"]*"[^;"]*)*;', text)]
    spans = []
    for start, end in statements:
        value = start + text[start:end].index("=")
        if not text[start:end].strip().startswith(OF_THE_FORMAT):
            matches = re.finditer(r'"([^"]+)"|([^\s",;=()]+)', text[value:end])
            spans += [(value + span[0], value + span[1]) for m in matches if (span := m.span(1 if m[1] else 2))]
    return spans


@settings(max_examples=examples(15), deadline=None)
@given(text=px_files(), data=st.data())
def test_a_changed_text_of_pcaxis_is_not_ignored(text: str, data: st.DataObject) -> None:
    start, end = data.draw(st.sampled_from(px_texts(text)))
    other = text[:start] + changed(text[start:end]) + text[end:]
    assert_differs(lambda path: path.write_text(text, "utf-8"), lambda path: path.write_text(other, "utf-8"), "a.px")


def replaced_scalars(value: Any, steps: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the steps to each scalar of a document, with another value."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        return [scalar for step, member in members for scalar in replaced_scalars(member, (*steps, step))]
    if isinstance(value, bool) or value is None or not str(value).strip():
        return []
    return [(steps, value + 1 if isinstance(value, int | float) else changed(value))]


def with_scalar(value: Any, steps: tuple[Any, ...], new: Any) -> Any:
    if not steps:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[steps[0]] = with_scalar(copy[steps[0]], steps[1:], new)
    return copy


@settings(max_examples=examples(15), deadline=None)
@given(document=json_stats(), data=st.data())
def test_a_changed_value_of_json_stat_is_not_ignored(document: Any, data: st.DataObject) -> None:
    other = with_scalar(document, *data.draw(st.sampled_from(replaced_scalars(document))))
    assert_differs(
        lambda path: path.write_text(json.dumps(document), "utf-8"),
        lambda path: path.write_text(json.dumps(other), "utf-8"),
        "a.json",
    )


# --- the inputs of the cases

# Every case takes a minute; `make fuzz` takes all of them, several times.
SHARE_OF_CASES = 0.05


def changed_csv(path: Path, copies: tuple[Path, Path], options: ReadOptions, random: Random) -> bool:
    encoding = content_of(path, options.encoding).encoding
    delimiter = delimiter_of(path, encoding, options)
    with path.open(encoding=encoding, newline="") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    cells = [(i, j) for i, row in enumerate(rows) for j, text in enumerate(row) if text.strip()]
    i, j = random.choice(cells)
    for copy in copies:
        with copy.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
        rows[i][j] = changed(rows[i][j])
    return True


def changed_workbook(path: Path, copies: tuple[Path, Path], options: ReadOptions, random: Random) -> bool:
    book = openpyxl.load_workbook(path)
    # A number is shown in the format of its cell, which may hide a part of it.
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row if isinstance(c.value, str)]
    cells = [cell for cell in cells if cell.value.strip() and not cell.value.startswith("=")]
    cell = random.choice(cells)
    for copy in copies:
        book.save(copy)
        cell.value = changed(cell.value)
    return True


def changed_px(path: Path, copies: tuple[Path, Path], options: ReadOptions, random: Random) -> bool:
    text = path.read_text("utf-8")
    start, end = random.choice(px_texts(text))
    copies[0].write_text(text, "utf-8")
    copies[1].write_text(text[:start] + changed(text[start:end]) + text[end:], "utf-8")
    return True


def changed_json(path: Path, copies: tuple[Path, Path], options: ReadOptions, random: Random) -> bool:
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError:
        return False
    copies[0].write_text(json.dumps(document), "utf-8")
    copies[1].write_text(json.dumps(with_scalar(document, *random.choice(replaced_scalars(document)))), "utf-8")
    return True


CHANGES = {".csv": changed_csv, ".xlsx": changed_workbook, ".px": changed_px, ".json": changed_json}


def test_a_changed_cell_of_a_case_is_not_ignored(tmp_path: Path) -> None:
    count = 0
    for number, (path, options) in enumerate(inputs()):
        for seed in range(max(1, examples(1) // 10)):
            random = Random(f"{number} {seed}")
            if random.random() > SHARE_OF_CASES * examples(1) or path.suffix not in CHANGES:
                continue
            # The names of files and folders may state a year.
            copies = tuple((tmp_path / f"{number}-{seed}-{name}" / path.name) for name in "ab")
            for copy in copies:
                copy.parent.mkdir()
            before = outcome(path, options)
            if before and CHANGES[path.suffix](path, copies, options, random):
                assert outcome(copies[0], options) != outcome(copies[1], options), copies
                count += 1
    assert count > 5
