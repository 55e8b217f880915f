"""Reading a partner's file: rows with their positions, assumptions, and refusals with a reason."""

import csv
import io
import json
import os
import re
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.reading import HEADER, OBSERVATIONS, ROW, assert_speaks, codes, refused, rows_of
from vaven.schemas.formats.csv import read_delimited
from vaven.schemas.formats.sniff import content_of
from vaven.schemas.formats.workbook import cell_text
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.tables.normalise import number_style
from vaven.schemas.tables.read import read
from vaven.schemas.tables.tables import Tables
from vaven.vocab import register
from vaven.vocab.errors import NotReadable

SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared source data is not beside this checkout")

SV = ["Område", "Nyckeltal", "Period", "Värde"]


# --- rows and columns -------------------------------------------------------------------------------------------


def test_rows_have_the_number_of_their_first_line(text_file: Callable[..., Path]) -> None:
    more = '0180C1010,arbetsloshet,2022,T,T,5.0,A,"two\nlines"'
    last = "0180C1010,arbetsloshet,2021,T,T,4.5,A,x"
    with read(text_file(f"{HEADER}\n{ROW}\n{more}\n\n{last}\n\n\n")) as tables:
        assert [row["_row"] for row in rows_of(tables)] == [2, 3, 6]
        assert [(f.code, f.row) for f in tables.problems] == [("blank-row", 5)]
        assert rows_of(tables)[1]["note"] == "two\nlines"


def test_ragged_rows_are_reported_at_their_cell(text_file: Callable[..., Path]) -> None:
    with read(text_file(f"{HEADER}\n{ROW},surplus\n0180C1010,arbetsloshet,2022,T,T,5.0\n")) as tables:
        findings = [(f.code, f.address, f.text) for f in tables.problems]
        assert findings == [("extra-cell", "I2", "surplus"), ("missing-cell", "G3", None)]
        assert tables.tables["observations"].row_count == 2


def test_a_million_invalid_rows_are_counted_but_not_all_listed(text_file: Callable[..., Path]) -> None:
    with read(text_file(f"{HEADER}\n" + f"{ROW},surplus\n" * 3_000)) as tables:
        assert len(tables.problems) == 1_000
        assert dict(tables.unlisted) == {"extra-cell": 2_000}


def test_duplicate_unknown_and_missing_labels_are_reported(text_file: Callable[..., Path]) -> None:
    text = "neighbourhood,kpi,Period,År,value,värdee,\n0180C1010,arbetsloshet,2023,2023,5.5,1,stray\n"
    with read(text_file(text)) as tables:
        assert [(f.code, f.address) for f in tables.problems] == [
            ("duplicate-label", "D1"),
            ("blank-label", "G1"),
            ("column-left-out", "F"),
        ]
        assert tables.problems[-1].text == "värdee"
        for finding in (*tables.problems, *tables.assumptions):
            assert_speaks(finding)


def test_missing_columns_of_observations_are_reported(text_file: Callable[..., Path]) -> None:
    with read(text_file("Område;Period;Andel kvinnor\n0180C1010;2023;5\n")) as tables:
        missing = [f.field for f in tables.problems if f.code == "missing-column"]
        assert missing == ["kpi", "value"]


@pytest.mark.parametrize(
    "labels",
    [
        ("Område", "Nyckeltal", "Period", "Värde"),
        ("NEIGHBOURHOOD", " kpi ", "period", "Value"),
        ("omrade", "nyckeltal", "AR", "varde"),
        ("DeSO-kod", "indikator", "År", "resultat"),
    ],
)
def test_headers_are_recognised_in_either_language_with_or_without_diacritics(
    text_file: Callable[..., Path], labels: tuple[str, ...]
) -> None:
    with read(text_file(",".join(labels) + "\n0180C1010,arbetsloshet,2023,5.5\n")) as tables:
        assert rows_of(tables)[0]["value"] == "5.5"
        assert not tables.problems


def test_a_column_read_by_a_synonym_is_an_assumption(text_file: Callable[..., Path]) -> None:
    with read(text_file("Region,Nyckeltal,Period,Värde\n0180C1010,arbetsloshet,2023,5.5\n")) as tables:
        note = next(f for f in tables.assumptions if f.code == "assumed-header")
        assert (note.field, note.text, note.column) == ("neighbourhood", "Region", "A")
        assert "Område" in note.message("sv")


@pytest.mark.parametrize("unseen", ["\x01", "\x0b", "\x1f\x7f", "\ufffe"])
def test_invisible_characters_are_read_as_blanks_and_reported(text_file: Callable[..., Path], unseen: str) -> None:
    rows = f"0180C1010,arbetsloshet,2023,T,T,5.5,A,en{unseen}rad\n0180C1010,arbetsloshet,2022,T,T,5.5,A,{unseen}\n"
    with read(text_file(f"{HEADER}\n{rows}0180C1010,arbetsloshet,2021,T,T,5.5,A,två\tord\n")) as tables:
        assert [row["note"] for row in rows_of(tables)] == ["en rad", None, "två\tord"]
        (note,) = [f for f in tables.assumptions if f.code == "assumed-unseen"]
        assert (note.field, note.column) == ("note", "H")
        assert_speaks(note)


# --- text: encodings, delimiters, preambles, footnotes ----------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encoding_delimiter_and_line_end_are_detected(
    text_file: Callable[..., Path], encoding: str, delimiter: str, end: str
) -> None:
    lines = [delimiter.join(SV), delimiter.join(("0180C1010", "arbetsloshet", "2023", "5.5"))]
    with read(text_file(end.join(lines) + end, encoding=encoding)) as tables:
        assert rows_of(tables)[0]["value"] == "5.5"
        assert ("assumed-encoding" in codes(tables.assumptions)) == (encoding == "cp1252")
        assert ("assumed-delimiter" in codes(tables.assumptions)) == (delimiter != ",")


def test_preamble_and_footnotes_are_skipped_and_reported(text_file: Callable[..., Path]) -> None:
    text = (
        "Uttag ur vårt system\nSkapad;2024-02-01\n\n" + ";".join(SV) + "\n"
        "0180C1010;arbetsloshet;2023;5,5\n0180C1020;arbetsloshet;2023;6,5\n\nKälla: vår egen räkning\n1) preliminärt\n"
    )
    with read(text_file(text)) as tables:
        assert [row["_row"] for row in rows_of(tables)] == [5, 6]
        assert tables.tables["observations"].header_row == 4
        notes = {f.code: dict(f.params) for f in tables.assumptions}
        assert notes["assumed-preamble"] == {"count": 3}
        assert notes["assumed-footnotes"] == {"count": 2}
        assert not tables.problems


def test_a_footnote_directly_below_the_table_is_not_a_row(text_file: Callable[..., Path]) -> None:
    text = ";".join(SV) + "\n0180C1010;arbetsloshet;2023;5,5\nKälla: egen räkning;;;\n"
    with read(text_file(text)) as tables:
        assert len(rows_of(tables)) == 1
        assert "assumed-footnotes" in codes(tables.assumptions)


def test_a_partly_filled_last_row_is_data(text_file: Callable[..., Path]) -> None:
    with read(text_file(";".join(SV) + "\n0180C1010;arbetsloshet;2023;5,5\n0180C1020;;;\n")) as tables:
        assert len(rows_of(tables)) == 2


def test_trivial_assumptions_are_not_reported(text_file: Callable[..., Path]) -> None:
    with read(text_file(f"{HEADER}\n{ROW}\n")) as tables:
        # Of which division an area is, is nothing trivial.
        assert codes(tables.assumptions) == ["assumed-vintage"]
        assert tables.problems == ()


CELL = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), include_characters="\n\t"), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6),
    delimiter=st.sampled_from(";,\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_cells_are_read_unchanged_with_their_row_numbers(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[tuple[str, str, str]],
    delimiter: str,
    encoding: str,
    quoting: int,
    end: str,
) -> None:
    if encoding == "cp1252":
        table = [tuple(cell.encode("cp1252", "ignore").decode("cp1252") for cell in row) for row in table]  # type: ignore[misc]
    lines, expected, line = io.StringIO(), [], 1
    writer = csv.writer(lines, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    for record in [("Område", "Fråga", "Anmärkning"), *table]:
        before = lines.tell()
        writer.writerow(record)
        expected.append((line, [cell.strip() for cell in record]))
        line += len(re.findall(r"\r\n|\r|\n", lines.getvalue()[before:]))
    path = tmp_path_factory.mktemp("round") / "t.csv"
    path.write_bytes(lines.getvalue().encode(encoding))
    grid = read_delimited(path, content_of(path).encoding)
    assert list(grid.rows) == expected


# --- numbers, codes and marks -----------------------------------------------------------------------------------


def values(tables: Tables) -> list[str | None]:
    return [row["value"] for row in rows_of(tables)]


def column(text_file: Callable[..., Path], cells: list[str], delimiter: str = ";") -> Path:
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=delimiter)
    writer.writerows([SV, *(["0180C1010", "arbetsloshet", str(2000 + i), c] for i, c in enumerate(cells))])
    return text_file(lines.getvalue())


@pytest.mark.parametrize(
    ("cells", "delimiter", "expected"),
    [
        (["1 234,5", "12,25", "7"], ";", ["1234.5", "12.25", "7"]),
        (["1\u00a0234,5", "1\u202f000"], ";", ["1234.5", "1000"]),
        (["1.234,5", "2.000"], ";", ["1234.5", "2000"]),
        (["4,726", "12,001", "900"], ",", ["4726", "12001", "900"]),
        (["4,726", "12,5"], ",", ["4.726", "12.5"]),
        (["1,234.5", "4,726"], ";", ["1234.5", "4726"]),
        (["0,125", "0,250"], ",", ["0.125", "0.250"]),
        (["−5,5", "-  23", "+4"], ";", ["-5.5", "-23", "+4"]),
        (["1e3", "56.0"], ";", ["1e3", "56.0"]),
    ],
)
def test_numbers_are_read_as_plain_decimals(
    text_file: Callable[..., Path], cells: list[str], delimiter: str, expected: list[str]
) -> None:
    with read(column(text_file, cells, delimiter)) as tables:
        assert values(tables) == expected
        for note in tables.assumptions:
            assert_speaks(note)


@pytest.mark.parametrize("cell", ["~100", "12 5", "1,2,3", "12 %", "5-10", "ca 5", "1 23,5", "12,", "0x1f", "-"])
def test_text_that_is_not_a_number_is_unchanged(text_file: Callable[..., Path], cell: str) -> None:
    with read(column(text_file, [cell, "1,5"])) as tables:
        assert values(tables) == [cell, "1.5"]


@pytest.mark.parametrize(
    ("counts", "comma", "expected"),
    [
        ((0, 0, 0, 0, 0), True, "plain"),
        ((3, 3, 0, 0, 0), True, "decimal-comma"),
        ((3, 3, 0, 0, 0), False, "grouping-comma"),
        ((3, 2, 0, 0, 0), False, "decimal-comma"),
        ((3, 3, 0, 1, 0), True, "grouping-comma"),
        ((3, 3, 0, 0, 1), False, "decimal-comma"),
    ],
)
def test_a_comma_is_interpreted_by_the_other_values_of_its_column(
    counts: tuple[int, ...], comma: bool, expected: str
) -> None:
    assert number_style(*counts, decimal_comma=comma) == expected  # type: ignore[misc]


def test_symbols_of_swedish_statistics_are_read_as_missing_values_with_a_status(text_file: Callable[..., Path]) -> None:
    text = "Område;Nyckeltal;Period;Värde;Status\n"
    text += "".join(
        f"0180C1010;arbetsloshet;{year};{value};{status}\n"
        for year, value, status in ((2020, "..", ""), (2021, ".", ""), (2022, "..", "Q"), (2023, "5,5", "p"))
    )
    with read(text_file(text)) as tables:
        values = [(row["value"], row["status"]) for row in rows_of(tables)]
        assert values == [(None, "O"), (None, "M"), (None, "Q"), ("5.5", "P")]
        notes = {f.params["mark"]: f.params["count"] for f in tables.assumptions if f.code == "assumed-missing"}
        assert notes == {"..": 2, ".": 1}


def test_other_spellings_of_a_code_are_recognised(text_file: Callable[..., Path]) -> None:
    label = register.kpis()["arbetsloshet"].text("sv")
    text = (
        "Område,Nyckeltal,År,Kön,Ålder,Värde\n"
        f'0114A0010_DeSO2025,"{label}",2023.0,Kvinnor,16–24 år,5\n'
        "0180 Stockholm,arbetsloshet,2023,båda könen,samtliga,5\n"
    )
    with read(text_file(text)) as tables:
        first, second = rows_of(tables)
        assert (first["neighbourhood"], first["kpi"], first["period"]) == ("0114A0010", "arbetsloshet", "2023")
        assert (first["sex"], first["age_group"]) == ("F", "16-24")
        assert (second["neighbourhood"], second["sex"], second["age_group"]) == ("0180", "T", "T")
        assert "assumed-code" in codes(tables.assumptions)


@pytest.mark.parametrize(
    ("written", "age"),
    [
        ("16–24 år", "16-24"),
        ("Samtliga 16-64 år", "16-64"),
        ("80+", "80+"),
        ("80-år", "80+"),
        ("65 år och äldre", "65+"),
        ("65 years and over", "65+"),
        ("Alla åldrar", "T"),
        ("unga", "unga"),
    ],
)
def test_ages_are_recognised_as_statistics_write_them(text_file: Callable[..., Path], written: str, age: str) -> None:
    with read(text_file(f"Område,Nyckeltal,Period,Ålder,Värde\n0180,arbetsloshet,2023,{written},5\n")) as tables:
        assert rows_of(tables)[0]["age_group"] == age


def test_a_lost_leading_zero_is_left_for_the_check(text_file: Callable[..., Path]) -> None:
    with read(text_file(",".join(SV) + "\n180,arbetsloshet,2023,5\n")) as tables:
        assert rows_of(tables)[0]["neighbourhood"] == "180"


def test_missing_sex_and_age_are_totals(text_file: Callable[..., Path]) -> None:
    with read(text_file(",".join(SV) + "\n0180,arbetsloshet,2023,5\n")) as tables:
        assert (rows_of(tables)[0]["sex"], rows_of(tables)[0]["age_group"]) == ("T", "T")
        assert codes(tables.assumptions) == ["assumed-default", "assumed-default"]
        sex = tables.tables["observations"].column("sex")
        assert sex is not None
        assert sex.letter is None


# --- workbooks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (2024.0, "2024"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (True, "true"),
        ("  x ", "x"),
        (1234567.25, "1234567.25"),
    ],
)
def test_a_cell_is_read_as_the_spreadsheet_shows_it(cell: object, text: str) -> None:
    assert cell_text(cell) == text


def test_a_table_below_titles_and_right_of_other_columns_is_read(workbook: Callable[..., Path]) -> None:
    rows = [
        ["Befolkning och arbete"],
        [],
        [None, None, *SV],
        [None, None, "0180C1010", "arbetsloshet", 2023, 0.1 + 0.2],
    ]
    with read(workbook({"Blad1": rows})) as tables:
        row = rows_of(tables)[0]
        assert (row["_row"], row["period"], row["value"]) == (4, "2023", "0.3")
        value = tables.tables["observations"].column("value")
        assert value is not None
        assert value.letter == "F"
        assert "assumed-preamble" in codes(tables.assumptions)


def test_sheets_are_recognised_by_their_names_in_either_language(workbook: Callable[..., Path]) -> None:
    sheets = {
        "Läs mig": [["Så här gör du"]],
        "Om": [
            ["Titel", "Vår statistik"],
            ["Licens", "CC BY 4.0"],
            ["Sektor", "Privat"],
            ["Kortnamn", "var-statistik"],
        ],
        "Data": [SV, ["0180C1010", "arbetsloshet", 2023, 5.5]],
        "Neighbourhoods": [["Code", "Level", "Name", "Municipality"], ["kvarteret", "own", "Kvarteret", "0180"]],
        "Anteckningar": [["hej"]],
        "Aktörer": [["Id", "Organisationsnummer", "Namn", "Sektor"]],
    }
    with read(workbook(sheets)) as tables:
        assert set(tables.tables) == {"observations", "neighbourhoods"}
        assert [f.sheet for f in tables.assumptions if f.code == "sheet-skipped"] == ["Anteckningar"]
        assert (tables.about.titles["sv"], tables.about.licence) == ("Vår statistik", "cc-by")
        assert (tables.about.publisher_sector, tables.about.slug) == ("private", "var-statistik")


def test_the_sheet_with_our_columns_is_found_behind_others(workbook: Callable[..., Path]) -> None:
    sheets = {
        "Försättsblad": [["Kontakt", "Anna"], ["Datum", "2024-01-01"]],
        "Blad2": [SV, ["0180C1010", "arbetsloshet", 2023, 5.5]],
    }
    with read(workbook(sheets)) as tables:
        assert tables.tables["observations"].sheet == "Blad2"


def test_dates_and_codes_of_a_workbook_become_text(workbook: Callable[..., Path]) -> None:
    head = ["Id", "Namn", "Områden", "Aktörer", "Start", "Belopp", "Typ", "Nyckeltal"]
    row = ["insats", "Insats", 180, "a", datetime(2024, 5, 1), 1250000.0, "safety", "trygg-morker"]
    sheets = {"Observationer": [SV, ["0180", "trygg-morker", 2023, 5]], "Insatser": [head, row]}
    with read(workbook(sheets)) as tables:
        investment = rows_of(tables, "investments")[0]
        assert (investment["start"], investment["amount"], investment["neighbourhoods"]) == (
            "2024-05-01",
            "1250000",
            "180",
        )


@pytest.mark.parametrize("name", ["wrong.csv", "wrong.xls", "wrong", "wrong.pdf"])
def test_a_workbook_is_recognised_by_its_content(workbook: Callable[..., Path], name: str) -> None:
    with read(workbook({"Blad1": [SV, ["0180", "trygg-morker", 2023, 5]]}, name)) as tables:
        assert tables.tables["observations"].row_count == 1


# --- not checked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not-readable-empty"),
        (b"\n \n", "not-readable-no-rows"),
        (HEADER.encode() + b"\n", "not-readable-no-rows"),
        (HEADER.encode() + b"\n,,,,,,,\n", "not-readable-no-rows"),
        (b"a,b\n1,\x002\n", "not-readable-binary"),
        (b"a" * 5000 + b"\x00", "not-readable-binary"),
        (b"\x81\x8d,x\n1,2\n", "not-readable-encoding"),
        ("a,b\n1,2\n".encode("utf-32"), "not-readable-binary"),
        (f'{HEADER}\n"0180,never closed\n'.encode() + b"x,y\n" * 1000, "not-readable-quote"),
        (f"{HEADER}\n".encode() + b"a" * 1_100_000 + b",b\n", "not-readable-line"),
    ],
)
def test_an_unreadable_text_file_is_refused_with_the_reason(
    text_file: Callable[..., Path], content: bytes, code: str
) -> None:
    assert refused(text_file(content)).code == code


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "JPEG"),
        (b"<!DOCTYPE html><table><tr><td>1</td></tr></table>", "HTML/XML"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_an_unsupported_file_is_refused_by_the_name_of_its_format(
    text_file: Callable[..., Path], content: bytes, name: str, ending: str
) -> None:
    reason = refused(text_file(content, f"renamed.{ending}"))
    assert (reason.code, reason.params["format"]) == ("not-readable-format", name)


def test_missing_files_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.csv").code == "not-readable-missing"
    assert refused(tmp_path).code == "not-readable-folder"
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").code == "not-readable-access"


def test_an_empty_sheet_is_not_checked(workbook: Callable[..., Path]) -> None:
    assert refused(workbook({"Observationer": []})).code == "not-readable-no-rows"
    assert refused(workbook({"Observationer": [SV]})).code == "not-readable-no-rows"


def compound_file(stream: str) -> bytes:
    """A compound file (MS-CFB, version 3) with one stream of 4,096 bytes: FAT in sector 0, directory in sector 1."""
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    chain = [0xFFFFFFFD, end, *range(3, 10), end]
    fat = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        text = (name + "\0").encode("utf-16-le") if name else b""
        links = struct.pack("<III", free, free, child)
        return (
            text.ljust(64, b"\0")
            + struct.pack("<HBB", len(text), kind, 1)
            + links
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    folder = entry("Root Entry", 5, 1, end, 0) + entry(stream, 2, free, 2, 4096) + entry("", 0, free, 0, 0) * 2
    return head + fat + folder + bytes(4096)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("EncryptedPackage", "not-readable-password"),
        ("WordDocument", "not-readable-format"),
        ("Workbook", "not-readable-no-rows"),
    ],
)
def test_a_protected_workbook_is_distinguished_from_other_compound_files(
    text_file: Callable[..., Path], stream: str, code: str
) -> None:
    assert refused(text_file(compound_file(stream), "protected.xlsx")).code == code


@pytest.mark.parametrize("cut", [10, 100, 1_000, 4_000])
def test_a_damaged_workbook_is_not_checked(workbook: Callable[..., Path], cut: int) -> None:
    path = workbook({"Observationer": [SV, ["0180", "arbetsloshet", 2023, 5]]})
    path.write_bytes(path.read_bytes()[:cut])
    assert refused(path).code == "not-readable-damaged"


def test_a_workbook_whose_parts_are_garbage_is_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "garbage.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook")
    assert refused(path).code == "not-readable-damaged"


# --- limits -----------------------------------------------------------------------------------------------------


def test_a_zip_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(80):
                sheet.write(bytes(1_000_000))
    started = time.monotonic()
    assert refused(path).code == "not-readable-too-large"
    assert time.monotonic() - started < 2


def test_a_zip_with_countless_entries_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(10_001):
            archive.writestr(f"{i}", "")
    assert refused(path).code == "not-readable-too-large"


def test_a_sheet_with_one_cell_far_out_is_refused(workbook: Callable[..., Path]) -> None:
    """calamine would allocate 550 GB and end the process, so it runs in a child process."""
    path = workbook({"Observationer": [SV, ["0180", "arbetsloshet", 2023, 5]]})
    book = openpyxl.load_workbook(path)
    book.active["XFD1048576"] = "far"
    book.save(path)
    assert refused(path).code == "not-readable-heavy"
    book.active["XFD1048576"] = None
    book.active["WZZ3"] = "wide"
    book.save(path)
    assert refused(path).code == "not-readable-cells"
    # Excel's last column is XFD.
    book.active["ZZZ3"] = "wider"
    book.save(path)
    assert refused(path).code == "not-readable-outside"


@pytest.mark.parametrize(
    "files",
    [{"a": "x", "a/b": "y"}, {"n" * 300: "x"}],
    ids=["a file that is also a folder", "a name too long"],
)
def test_a_zip_that_cannot_be_extracted_is_damaged(tmp_path: Path, files: dict[str, str]) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("datapackage.json", json.dumps({"resources": [OBSERVATIONS]}))
        for name, content in files.items():
            archive.writestr(name, content)
    assert refused(path).code == "not-readable-damaged"


def test_a_zip_entry_that_points_outside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("datapackage.json", json.dumps({"resources": [OBSERVATIONS]}))
        archive.writestr("../o.csv", f"{HEADER}\n{ROW}\n")
    assert refused(path).code == "not-readable-path"


def test_an_encrypted_zip_asks_for_its_password(tmp_path: Path) -> None:
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("datapackage.json", json.dumps({"resources": [OBSERVATIONS]}))
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\x03\x04") + 6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert refused(path).code == "not-readable-password"


def test_no_temporary_files_remain(text_file: Callable[..., Path], tmp_path: Path) -> None:
    """A separate process reads the files, with its own folder for temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    good, bad = text_file(f"{HEADER}\n{ROW}\n", "good.csv"), text_file(f"{HEADER}\n", "bad.csv")
    script = (
        "import sys; from pathlib import Path; from vaven.schemas.tables.read import read; "
        "from vaven.vocab.errors import NotReadable\n"
        "with read(Path(sys.argv[1])) as tables: assert tables.folder.parent == Path(sys.argv[3])\n"
        "try: read(Path(sys.argv[2]))\nexcept NotReadable: print('refused')\n"
    )
    command = [sys.executable, "-c", script, str(good), str(bad), str(folder)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"
    assert list(folder.iterdir()) == []


@settings(max_examples=100, deadline=None)
@given(
    content=st.one_of(st.binary(max_size=300), st.text(alphabet='a;,"\n\r\t|1. \ufeffå', max_size=120).map(str.encode))
)
def test_any_bytes_are_read_or_refused_with_a_reason(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "any.csv"
    path.write_bytes(content)
    try:
        read(path).close()
    except NotReadable as reason:
        assert_speaks(Finding(reason.code, Severity.ERROR, params=reason.params))


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.tuples(*[st.text(max_size=6)] * 5), min_size=1, max_size=4))
def test_any_cells_under_our_headers_are_read_or_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, ...]]
) -> None:
    lines = io.StringIO()
    csv.writer(lines).writerows([[*SV, "Status"], *cells])
    path = tmp_path_factory.mktemp("cells") / "any.csv"
    path.write_bytes(lines.getvalue().encode("utf-8", "ignore"))
    try:
        read(path).close()
    except NotReadable as reason:
        assert_speaks(Finding(reason.code, Severity.ERROR, params=reason.params))


# --- real files that nobody here wrote --------------------------------------------------------------------------

FOLDERS = ("scb-deso", "scb-population", "skolverket", "forsakringskassan", "val2022", "uk-imd", "uk-cni", "no-oslo")


def real_files(*folders: str) -> list[Path]:
    return [p for folder in folders for p in sorted((SHARED / folder).rglob("*")) if p.is_file()]


@needs_shared
@pytest.mark.parametrize("path", real_files(*FOLDERS), ids=lambda path: path.name)
def test_a_real_file_is_read_and_its_missing_columns_are_reported(path: Path) -> None:
    with read(path) as tables:
        assert {f.code for f in tables.problems} & {"not-the-standard", "missing-column"}
        for finding in (*tables.problems, *tables.assumptions):
            assert_speaks(finding)


EXPECTED = {
    "age_demographics_deso.csv": (1, "kolumn A (deso): 5984 av 5984 är DeSO 2018"),
    "deso2025_stockholm_lan_indicators_2024.csv": (1, "kolumn A (desokod): 1362 av 1362 är DeSO 2025"),
    "population_kommun_2020-24.xlsx": (3, "kolumn A: 290 av 290 är kommuner; årtal i rubrikerna: 2020–2024"),
    "Grundskola - Kostnader per kommun 2024 Kommun.csv": (7, "kolumn B (Kommunkod)"),
    "Grundskola - Antal elever per årskurs 2024 Kommun.csv": (6, "kolumn B (Kommun-kod)"),
    "Eieform(2015-2017-v01).csv": (1, "kolumn H (År): årtal"),
    "riksdag_2022.csv": (1, ""),
}


@needs_shared
@pytest.mark.parametrize("path", [p for p in real_files(*FOLDERS) if p.name in EXPECTED], ids=lambda path: path.name)
def test_a_table_outside_the_standard_is_reported_with_a_remedy(path: Path) -> None:
    row, hint = EXPECTED[path.name]
    with read(path) as tables:
        finding = next(f for f in tables.problems if f.code == "not-the-standard")
        assert finding.row == row
        assert hint in finding.remedy("sv")
        preamble = [f.params["count"] for f in tables.assumptions if f.code == "assumed-preamble"]
        assert preamble == ([row - 1] if row > 1 else [])


@needs_shared
def test_fixtures_of_other_validators_are_read_without_a_traceback() -> None:
    seen = 0
    for path in real_files("frictionless-py-data", "csvlint-fixtures"):
        seen += 1
        try:
            with read(path) as tables:
                assert tables.problems or tables.tables, path
        except NotReadable as reason:
            assert_speaks(Finding(reason.code, Severity.ERROR, params=reason.params))
    assert seen > 300


@pytest.mark.parametrize(("status", "code"), [("a", "A"), ("A ", "A"), ("Ä", "Ä"), ("Å", "Å"), ("A\u0308", "A\u0308")])
def test_a_letter_with_a_diacritic_is_no_code_without(text_file: Callable[..., Path], status: str, code: str) -> None:
    text = f"neighbourhood,kpi,period,value,status\n0180C1010,arbetsloshet,2023,5.5,{status}\n"
    with read(text_file(text)) as tables:
        assert [row["status"] for row in rows_of(tables)] == [code]
