"""The reader by columns must return exactly the rows of the exact reader, for every file that it accepts."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaven.schemas.formats.csv import read_delimited
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.standard.distinct_values import DistinctTexts
from vaven.schemas.tables import load_csv
from vaven.schemas.tables import read as reading
from vaven.schemas.tables.cell_account import cells_of
from vaven.schemas.tables.header import Header, detect_header
from vaven.schemas.tables.read import read
from vaven.vocab.errors import NotReadable

HEADER = ["neighbourhood", "kpi", "period", "value", "note"]
CELL = st.one_of(
    st.sampled_from(
        ["", "0180C6070", "trygg-morker", "2024", "57,5", "1 234", '"', "..", " x ", "a;b", "a\nb", "ä", "\u00a0"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=6),
)


def texts_of(tables: reading.Tables) -> list[tuple[object, ...]]:
    return tables.workspace.execute("SELECT * FROM observations ORDER BY _row").fetchall()


def exact(path: Path) -> reading.Tables:
    """Read a file by the exact reader, from a grid that may not be read by columns."""
    with_rows_only = replace(read_delimited(path, content_of(path).encoding), plain=None)
    work = duckdb.connect()
    state = reading._Reading(work, DistinctTexts(work), path.parent)
    reading._read_grid(state, with_rows_only, "observations")
    about = reading.about_of_file(path, None)
    return reading.Tables(
        source=path,
        sha256="",
        about=replace(about, area_vintage=reading._vintage(state, about)),
        tables=state.tables,
        workspace=work,
        distinct=state.distinct,
        folder=path.parent / "none",
        problems=tuple(state.problems),
        assumptions=tuple(state.notes),
        cells=cells_of(state.accounts),
    )


def outcome(way: Callable[[Path], reading.Tables], path: Path) -> object:
    """Return everything that a reader reports about a file."""
    try:
        with way(path) as tables:
            columns = {name: table.columns for name, table in tables.tables.items()}
            return tables.problems, tables.assumptions, tables.cells, columns, texts_of(tables) if columns else []
    except NotReadable as reason:
        return reason.code


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELL, min_size=4, max_size=6), min_size=1, max_size=12),
    delimiter=st.sampled_from([";", ",", "\t"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    blank=st.integers(-1, 12),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_both_readers_return_the_same_rows(
    tmp_path: Path, rows: list[list[str]], delimiter: str, ending: str, blank: int, encoding: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending)
    writer.writerow(HEADER)
    for i, row in enumerate(rows):
        if i == blank:
            text.write(ending)
        writer.writerow(row)
    path = tmp_path / "table.csv"
    path.write_bytes(text.getvalue().encode(encoding, "ignore"))
    assert outcome(read, path) == outcome(exact, path)


def by_columns(work: duckdb.DuckDBPyConnection, path: Path, header: Header) -> tuple[object, ...] | None:
    judged = {"neighbourhood", "value"}
    return load_csv.load_csv(work, DistinctTexts(work), path, "utf-8", ",", header, "raw", path.parent, judged)


def test_a_clean_file_is_read_by_columns(tmp_path: Path) -> None:
    path = tmp_path / "clean.csv"
    path.write_text(
        "neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2023,57.5\n0180C6070,trygg-morker,2024, 58 \n"
    )
    header = detect_header([(1, HEADER[:4])], "observations")
    assert header is not None
    with duckdb.connect() as work:
        assert by_columns(work, path, header) == (2, {}, {}, {})
        assert work.execute("SELECT _row, value FROM raw").fetchall() == [(2, "57.5"), (3, "58")]


def test_a_blank_line_or_a_cell_of_two_lines_is_left_to_the_exact_reader(tmp_path: Path) -> None:
    header = detect_header([(1, HEADER[:4])], "observations")
    assert header is not None
    for body in ("a,b,1,2\n\na,b,1,3\n", 'a,b,1,"2\n3"\n', "a,b,1\n", "a,b,1,2,3\n", "a,,,\n", 'a,b,1,"2'):
        path = tmp_path / "odd.csv"
        path.write_text("neighbourhood,kpi,period,value\n" + body)
        with duckdb.connect() as work:
            assert by_columns(work, path, header) is None, body
