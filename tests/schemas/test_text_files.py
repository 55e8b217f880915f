"""Text files with stray quotation marks, changing delimiters and garbled letters: nothing is absorbed or dropped."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.reading import LICENCE_AND_PUBLISHER, rows_of
from vaven.schemas import validate as validate_with
from vaven.schemas.standard.finding import Finding, Report, Verdict
from vaven.schemas.standard.labels import fold, values_in_label, without_marks
from vaven.schemas.tables.read import read

LABELS = ["Område", "Nyckeltal", "Period", "Värde", "Anmärkning"]
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def text_file(text: str) -> Path:
        path = tmp_path / "fil.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return text_file


def line(row: int, note: str = "", delimiter: str = ";") -> str:
    return delimiter.join(["0180" if row % 2 else "1280", "trygg-morker", str(2000 + row // 2), "57", note])


def table(lines: Sequence[str], delimiter: str = ";") -> str:
    return "\n".join([delimiter.join(LABELS), *lines]) + "\n"


def validate(path: Path, **choices: Any) -> Report:
    return validate_with(path, choices=replace(LICENCE_AND_PUBLISHER, **choices))


def errors(report: Report) -> list[tuple[str, int | None]]:
    return [(f.code, f.row) for f in report.findings if f.severity == "error"]


def only(report: Report) -> Finding:
    (finding,) = report.findings
    return finding


# --- quotation marks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("absorbed", [1, 2, 150, 250, 40_000])
@pytest.mark.parametrize("end", ["", '"', 'klart"'])
def test_rows_in_a_quoted_cell_are_named(write: Write, delimiter: str, absorbed: int, end: str) -> None:
    rows = [line(1, '"Rättat', delimiter), *[line(2 + i % 40, "", delimiter) for i in range(absorbed)]]
    report = validate(write(table(rows, delimiter).removesuffix("\n") + end))
    finding = only(report)
    assert (report.verdict, finding.code) == (Verdict.NOT_CHECKED, "not-readable-quote")
    assert (finding.params["row"], finding.params["top"]) == (2, 3)
    if absorbed < 1000:
        assert finding.params["other"] == 2 + absorbed


def test_rows_absorbed_by_the_first_column_are_named(write: Write) -> None:
    rows = ['"' + line(1), line(2), line(3).replace(";", '";', 1), line(4)]
    assert only(validate(write(table(rows)))).code == "not-readable-quote"


@pytest.mark.parametrize("cell", ['"Rättat" efter samtal', '"57"5', '"Enligt \\"enkäten"', '"utan slut'])
def test_a_quotation_mark_inside_a_quoted_cell_is_named(write: Write, cell: str) -> None:
    assert only(validate(write(table([line(1), line(2, cell)])))).params["row"] == 3


@pytest.mark.parametrize(
    "cell",
    [
        '"Rättat efter samtal,\nse protokollet; 57 var fel\noch beslut 2023"',
        '"Han sade ""ja""\n\noch gick; 2023"',
        '"a;b" ',
        '5" rör',
        '"57,5; 58 och 59"',
    ],
)
def test_notes_with_line_breaks_and_quotation_marks_are_read(write: Write, cell: str) -> None:
    report = validate(write(table([line(1), line(2, cell), line(3)])))
    assert (report.verdict, report.rows) == (Verdict.VALID, {"observations": 3})


@pytest.mark.parametrize("header", [True, False])
def test_apostrophes_as_quotation_marks_are_named(write: Write, header: bool) -> None:
    quoted = [";".join(f"'{cell}'" for cell in text.split(";")) for text in (";".join(LABELS), line(1, "a"))]
    text = "\n".join(quoted if header else [";".join(LABELS), quoted[1]]) + "\n"
    finding = only(validate(write(text)))
    assert (finding.code, finding.params["row"]) == ("not-readable-apostrophe", 1 if header else 2)


# --- delimiters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [(";", ","), (";", "\t"), (";", "|"), ("\t", ";"), (",", ";"), ("|", ",")]
)
def test_rows_with_another_delimiter_are_errors_and_no_footnotes(write: Write, first: str, second: str) -> None:
    rows = [line(i, "", first) for i in range(8)] + [line(i, "", second) for i in range(8, 11)]
    report = validate(write(table(rows, first)))
    assert errors(report) == [("other-delimiter", row) for row in (10, 11, 12)]


def test_the_delimiter_of_the_labels_is_found_in_a_ragged_file(write: Write) -> None:
    rows = [line(1).replace("57", "51,5"), "0180;trygg-morker;2023;51,5", "1280;trygg-morker;2023;52,5"]
    report = validate(write(table(rows)))
    assert errors(report) == [("missing-cell", 3), ("missing-cell", 4)]


@pytest.mark.parametrize("note", ["Källa: SCB, enkät, 2023, n=1200", "Stockholm, Malmö, Göteborg, Lund, 2023", "a;b"])
def test_a_footnote_with_delimiters_is_a_footnote(write: Write, note: str) -> None:
    assert validate(write(table([line(1), line(2), "", f'"{note}"']))).verdict == Verdict.VALID


# --- letters and marks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac-roman", "cp850"])
@pytest.mark.parametrize("row", [1, 3])
def test_text_that_was_decoded_twice_is_named(write: Write, encoding: str, row: int) -> None:
    lines = table([line(1), line(2, "väntar på svar från Örebro")]).splitlines()
    lines[row - 1] = lines[row - 1].encode().decode(encoding)
    finding = only(validate(write("\n".join(lines))))
    assert (finding.code, finding.params["row"]) == ("not-readable-mojibake", row)


@pytest.mark.parametrize("mark", ["¹", "*", " 1)", " (1)", "²,³", "†", " a)", "1)", "\u200b", "\u00ad"])
def test_labels_are_read_without_marks_of_footnotes(mark: str) -> None:
    assert values_in_label(f"2023{mark}") == {"period": "2023"}
    assert fold(f"Värde{mark}") == "varde"


@pytest.mark.parametrize("label", ["Ålder (16-24)", "Yta m²", "16–24 år", "2022/2024", "Andel (%)", "(1)", "*"])
def test_other_endings_of_labels_are_no_marks(label: str) -> None:
    assert without_marks(label) == label


# --- data that is left out --------------------------------------------------------------------------------------


def test_a_column_of_numbers_may_be_left_out_by_the_option_alone(write: Write) -> None:
    path = write("Område;Nyckeltal;Period;Värde;Poäng\n0180;trygg-morker;2023;57;12\n")
    assert [code for code, _ in errors(validate(path))] == ["column-left-out"]
    assert validate(path, columns={"Poäng": ""}).verdict == Verdict.VALID


@pytest.mark.parametrize("is_long", [False, True])
def test_a_column_of_numbers_is_an_error_by_rows_and_by_columns(write: Write, is_long: bool) -> None:
    rows = [f"0180;trygg-morker;{2000 + i};57;{i}" for i in range(20)]
    end = "\nKälla: enkäten\n" if is_long else "\n"
    report = validate(write("\n".join(["Område;Nyckeltal;Period;Värde;Poäng", *rows]) + end))
    assert errors(report) == [("column-left-out", None)]


def test_data_above_the_header_is_confirmed_by_its_row(write: Write) -> None:
    path = write("Kommun;Andel;\n0180;55;\n1280;56;\n;;\nOmråde;Nyckeltal;Period;Värde\n0180;trygg-morker;2023;57\n")
    assert errors(validate(path)) == [("rows-left-out", 2)]
    assert validate(path, header_row=5).verdict == Verdict.VALID


# --- headers ----------------------------------------------------------------------------------------------------

ROWS = ["0180;trygg-morker;2023;57", "1280;trygg-morker;2023;61"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_a_file_without_a_header_is_read_where_each_column_is_certain(write: Write, order: Sequence[int]) -> None:
    report = validate(write("\n".join(";".join(row.split(";")[i] for i in order) for row in ROWS)))
    assert (report.verdict, report.rows) == (Verdict.VALID, {"observations": 2})
    assert "assumed-no-header" in {note.code for note in report.assumptions}


@pytest.mark.parametrize("rest", [";12", ";Ja"])
def test_other_files_without_a_header_are_told_so(write: Write, rest: str) -> None:
    rows = [row.replace("trygg-morker", "Trygghet ute") + rest for row in ROWS]
    assert errors(validate(write("\n".join(rows)))) == [("header-missing", 1)]


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_text_beside_a_row_is_no_header(write: Write, position: int) -> None:
    rows = [f"0180C10{i}0;{30 + i}.5;{1000 + i};;" for i in range(1, 6)]
    rows[position] = rows[position][:-1] + '"Källa: eget uttag, samtliga hushåll"'
    (finding,) = [f for f in validate(write("\n".join(["deso;Inkomst;Antal;;", *rows]))).findings if f.row]
    assert (finding.code, finding.row) == ("not-the-standard", 1)


@pytest.mark.parametrize("areas", [("0180 Stockholm", "1480 Göteborg"), ("Stockholm", "Göteborg"), ("0180", "1480")])
def test_an_area_column_without_a_label_is_read(write: Write, areas: tuple[str, str]) -> None:
    path = write(f"Trygghet;;\n;2022;2023\n{areas[0]};57;58\n{areas[1]};55;56\n")
    report = validate(path, constants={"kpi": "trygg-morker"})
    assert (report.verdict, report.rows) == (Verdict.VALID, {"observations": 4})
    assert "assumed-unlabelled" in {note.code for note in report.assumptions}


def test_a_column_without_a_label_may_be_named_by_its_letter(write: Write) -> None:
    path = write(";Nyckeltal;Period;Värde;\nKv. Eken;trygg-morker;2023;57;9\nKv. Asken;trygg-morker;2023;58;7\n")
    report = validate(path, columns={"A": "neighbourhood", "E": ""})
    assert {code for code, _ in errors(report)} == {"area-unknown"}


@pytest.mark.parametrize("kpi", [True, False])
def test_labels_in_three_rows_are_read_together(write: Write, kpi: bool) -> None:
    top = "Område;Period;trygg-morker;;;;tillit;;;" if kpi else "Område;Nyckeltal;2022;;;;2023;;;"
    rows = [top, ";;Kvinnor;;Män;;Kvinnor;;Män;", ";;16-24;25-44;16-24;25-44;16-24;25-44;16-24;25-44"]
    values = ";".join(str(50 + i) for i in range(8))
    report = validate(write("\n".join([*rows, f"0180;{'2023' if kpi else 'trygg-morker'};{values}\n"])))
    assert (report.verdict, report.rows) == (Verdict.VALID, {"observations": 8})
    assert report.cells is not None
    assert report.cells.omitted == ()


def test_a_suppressed_row_behind_a_group_row_is_data(write: Write) -> None:
    rows = ["Skåne län;;;", "Malmö;trygg-morker;..;..", "Lund;trygg-morker;66;67"]
    report = validate(write("\n".join(["Kommun;Nyckeltal;2022;2023", "Solna;trygg-morker;57;58", *rows])))
    assert (report.verdict, report.rows) == (Verdict.VALID, {"observations": 6})


# --- points and commas ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "delimiter", "doubtful"),
    [
        (["1.234,5", "57.5", "812.25"], ";", {"1.234,5", "57.5", "812.25"}),
        (["1.250", "12.400", "812"], ";", {"1.250", "12.400"}),
        (["12,5", "1.250"], "\t", {"1.250"}),
        (["57.5", "12,5", "1.234"], ";", {"1.234"}),
        (["12.5", "1,250"], ";", {"1,250"}),
        (["1,234,567", "12,5"], ";", {"1,234,567", "12,5"}),
        (["57.5", "12,5"], ";", set()),
        (["1.234,5", "1.250", "12,5"], ";", set()),
        (["12.5", "1,250"], ",", set()),
        (["57.125", "0.5"], ";", set()),
        (["1,250", "2,375"], ";", set()),
        (["1 234,5", "57,5"], ";", set()),
    ],
)
def test_a_cell_that_could_be_read_in_two_ways_is_an_error(
    write: Write, values: Sequence[str], delimiter: str, doubtful: set[str]
) -> None:
    rows = [["Område", "Nyckeltal", "Period", "Värde"]]
    rows += [["0180", "ideella-timmar", str(2000 + i), value] for i, value in enumerate(values)]
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in rows]
    report = validate(write("\n".join(delimiter.join(row) for row in quoted)))
    ambiguous = [f for f in report.findings if f.code == "number-ambiguous"]
    assert {f.text for f in ambiguous} == doubtful
    assert all(f.row == values.index(f.text or "") + 2 and f.column == "D" for f in ambiguous)


def test_an_ambiguous_number_of_a_wide_table_has_its_cell(write: Write) -> None:
    report = validate(write("Område;Nyckeltal;2022;2023\n0180;ideella-timmar;1.234,5;57.5\n"))
    assert {f.address for f in report.findings if f.code == "number-ambiguous"} == {"C2", "D2"}


@pytest.mark.parametrize(("decimal", "value"), [(",", "1250"), (".", "1.250")])
def test_the_chosen_decimal_sign_decides(write: Write, decimal: str, value: str) -> None:
    path = write("Område;Nyckeltal;Period;Värde\n0180;ideella-timmar;2023;1.250\n1280;ideella-timmar;2023;7\n")
    assert not errors(validate(path, decimal=decimal))
    with read(path, choices=replace(LICENCE_AND_PUBLISHER, decimal=decimal)) as tables:
        assert rows_of(tables)[0]["value"] == value


@pytest.mark.timeout(30)
@pytest.mark.parametrize("mark", ["†", "*", "* ", ", *", "1) ", "(1)"])
def test_a_label_with_a_row_of_marks_is_compared_in_time(mark: str) -> None:
    label = f"{mark * 3000}Värde"
    assert without_marks(label) == label
    assert without_marks(f"Värde {'*' * 3000}") == "Värde"
