"""Readers of PC-Axis, JSON, Parquet, compressed files and described packages; files with several tables."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.reading import HEADER, ROW, assert_speaks, codes, refused, rows_of, validate
from vaven.schemas.standard.finding import Verdict
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.read import read
from vaven.vocab.errors import NotReadable

AREA, KPI = "0180C1010", "arbetsloshet"
RECORDS = [
    {"neighbourhood": AREA, "kpi": KPI, "period": "2022", "value": 5.25},
    {"neighbourhood": AREA, "kpi": KPI, "period": "2023", "value": None, "status": "Q"},
]
TEXT = f"{HEADER}\n{ROW}\n"
PX = """CHARSET="ANSI";
AXIS-VERSION="2013";
LANGUAGE="sv";
CONTENTS="Arbetslöshet";
STUB="Område";
HEADING="Period";
VALUES("Område")="Hjällbo","Rosengård";
CODES("Område")="1480C1010","1280C1010";
VALUES("Period")="2021","2022","2023";
DATA=
5.5 ".." 6
7 7.25 "..";
"""


def values_of(path: Path, choices: ReadOptions | None = None) -> list[tuple[str | None, ...]]:
    names = ("neighbourhood", "kpi", "period", "value", "status")
    with read(path, choices=choices or ReadOptions()) as tables:
        return [tuple(row.get(name) for name in names) for row in rows_of(tables)]


# --- PC-Axis ----------------------------------------------------------------------------------------------------


def test_a_px_file_has_one_observation_per_cell(text_file: Callable[..., Path]) -> None:
    rows = values_of(text_file(PX, "a.px", encoding="cp1252"))
    hjallbo = [("1480C1010", KPI, "2021", "5.5", None), ("1480C1010", KPI, "2022", None, "O")]
    assert rows[:2] == hjallbo
    assert [row[3] for row in rows] == ["5.5", None, "6", "7", "7.25", None]
    assert [row[2] for row in rows] == ["2021", "2022", "2023"] * 2


def test_a_px_file_with_keys_may_omit_rows(text_file: Callable[..., Path]) -> None:
    keyed = PX.replace('DATA=\n5.5 ".." 6\n7 7.25 "..";', 'KEYS("Område")=CODES;\nDATA=\n"1280C1010", 7 7.25 "..";')
    rows = values_of(text_file(keyed, "a.px"))
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("1280C1010", "2021", "7"),
        ("1280C1010", "2022", "7.25"),
        ("1280C1010", "2023", None),
    ]


def test_a_px_file_with_keys_truncated_between_rows_is_refused(text_file: Callable[..., Path]) -> None:
    keyed = PX.replace('DATA=\n5.5 ".." 6\n7 7.25 "..";', 'KEYS("Område")=CODES;\nDATA=\n"1280C1010", 7 7.25 ".."\n')
    assert refused(text_file(keyed, "a.px")).code == "not-readable-pcaxis"


def px_files() -> Iterator[Path]:
    from tests.conftest import SHARED

    return (p for p in sorted((SHARED / "px").rglob("*")) if p.suffix.lower() == ".px")


def test_every_px_file_of_statistics_sweden_is_read(shared: Path) -> None:
    """Statistics Sweden's examples of the format: hierarchies, keys, languages, quoted cells, months, weeks."""
    assert len(list(px_files())) > 50
    for path in px_files():
        report = validate(path, choices=ReadOptions(constants={"kpi": "trygg-morker"}))
        # Population by county is none of our neighbourhoods, which the findings say; but every file was read.
        assert report.verdict is not Verdict.NOT_CHECKED or report.findings[0].code == "not-readable-no-rows", path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DATA=", "DATUM="),
        ('VALUES("Period")', 'VALUE("Period")'),
        ('7 7.25 "..";', "7 7.25;"),
        ('7 7.25 "..";', '7 7.25 "-" 8;'),
        # Cut off within the last number, which is then another one.
        ('7 7.25 "..";\n', "7 7.25 1"),
        ('"2023";\nDATA', '"2023;\nDATA'),
        ('STUB="Område";', "STUB;"),
        ('STUB="Område";', ""),
    ],
)
def test_a_broken_px_file_is_refused_with_the_missing_part(text_file: Callable[..., Path], old: str, new: str) -> None:
    assert old in PX
    assert refused(text_file(PX.replace(old, new), "a.px")).code in ("not-readable-pcaxis", "not-readable-no-rows")


DOTS = PX.replace('5.5 ".." 6\n7 7.25 "..";', '"." ".." "..."\n"...." "....." "......";')


def test_all_symbols_of_px_are_missing_values(text_file: Callable[..., Path]) -> None:
    assert [row[3:] for row in values_of(text_file(DOTS, "a.px"))] == [(None, "M"), *[(None, "O")] * 5]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Sekretess", "Q"),
        ("Uppgift är sekretessbelagd", "Q"),
        ("Undertryckt", "Q"),
        ("Uppgift saknas", "O"),
        ("Uppgiften ej tillgänglig", "O"),
        ("Ej tillämpligt", "M"),
        ("Not applicable", "M"),
        ("Ej insamlat", "L"),
        ("Uppgift saknas eller sekretess", "O"),
        ("..", "O"),
        (".", "M"),
    ],
)
def test_a_symbol_of_px_has_the_status_that_its_text_states(
    text_file: Callable[..., Path], text: str, status: str
) -> None:
    for keyword, symbol in (("DATASYMBOL1", "."), ("DATASYMBOL4", "...."), ("DATASYMBOLNIL", "-")):
        if text == symbol:
            continue
        px = PX.replace('".."', f'"{symbol}"', 1).replace("DATA=", f'{keyword}="{text}";\nDATA=')
        path = text_file(px, "a.px")
        assert [row[3:] for row in values_of(path)][1] == (None, status), keyword
        with read(path) as tables:
            (note,) = [f for f in tables.assumptions if f.code == "assumed-pcaxis-symbol"]
        assert_speaks(note)
        assert (note.params["mark"], note.params["status"]) == (symbol, status)


@pytest.mark.parametrize("text", ["Noll", "Normalt värde", "A", "magnitude nil"])
def test_a_text_of_px_that_states_no_reason_changes_nothing(text_file: Callable[..., Path], text: str) -> None:
    px = PX.replace("DATA=", f'DATASYMBOL2="{text}";\nDATASYMBOLNIL="{text}";\nDATA=')
    assert values_of(text_file(px, "a.px")) == values_of(text_file(PX, "b.px"))
    assert "dash-ambiguous" in validate(text_file(px.replace('".."', '"-"', 1), "c.px")).counts


@pytest.mark.parametrize("keyword", ["NOTE", "NOTEX", 'VALUENOTE("Område","Hjällbo")', "INFO"])
def test_texts_that_continue_a_note_of_px_are_skipped(text_file: Callable[..., Path], keyword: str) -> None:
    px = PX.replace("STUB", f'{keyword}="Första.";\n"Andra.";\n"Tredje"\n"delen";\nSTUB')
    assert values_of(text_file(px, "a.px")) == values_of(text_file(PX, "b.px"))
    assert refused(text_file(PX.replace("STUB", '"Andra.";\nSTUB'), "c.px")).params["what"] == "Andra."


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("STUB=", 'SOURCE=SCB";\nSTUB=', "SOURCE on line 5,"),
        ('LANGUAGE="sv"', 'LANGUAGE="sv', "LANGUAGE on line 3,"),
        ('"2023";\nDATA', '"2023;\nDATA', 'VALUES("Period") on line 9,'),
        ("STUB=", 'NOTE="två\nrader\ntill;\nSTUB=', "NOTE on line 5,"),
    ],
)
def test_an_unclosed_quote_of_px_is_located(text_file: Callable[..., Path], old: str, new: str, where: str) -> None:
    assert old in PX
    reason = refused(text_file(PX.replace(old, new), "a.px"))
    assert (reason.code, str(reason.params["what_en"]).startswith(where)) == ("not-readable-pcaxis", True), (
        reason.params
    )


def test_missing_codes_of_px_are_counted(text_file: Callable[..., Path]) -> None:
    with read(text_file(PX.replace('"1480C1010","1280C1010"', '"1480C1010"'), "a.px")) as tables:
        (note,) = [f for f in tables.assumptions if f.code == "assumed-pcaxis-codes"]
    assert_speaks(note)
    assert note.params == {"label": "Område", "count": 1, "expected": 2}


MEASURES = """CHARSET="ANSI";
CONTENTS="trygg-morker";
STUB="Område"STUBS;
HEADING=HEADS;
VALUES("Område")="0180C1010","0180C1020";
VALUES("Mått")="Andel","Undre gräns","Övre gräns","Antal svar";
VALUES("År")="2022","2023";
DATA=
"""
BY_YEAR = """50 49 51 200 60 59 61 300
".." ".." ".." "..." 80 79 81 400;
"""
BY_MEASURE = """50 60 49 59 51 61 200 300
".." 80 ".." 79 ".." 81 "..." 400;
"""


@pytest.mark.parametrize(
    ("stubs", "heads", "cells"),
    [
        ("", '"År","Mått"', BY_YEAR),
        ("", '"Mått","År"', BY_MEASURE),
        (',"Mått"', '"År"', BY_MEASURE),
        (',"År","Mått"', "", BY_YEAR),
    ],
)
def test_bounds_and_responses_of_px_are_read_beside_their_value(
    text_file: Callable[..., Path], stubs: str, heads: str, cells: str
) -> None:
    px = MEASURES.replace("STUBS", stubs).replace("HEADS", heads or '""').replace('HEADING="";\n', "")
    names = ("neighbourhood", "kpi", "period", "value", "ci_lower", "ci_upper", "sample_size", "status")
    with read(text_file(px + cells, "a.px")) as tables:
        rows = sorted(tuple(row[name] for name in names[:7]) for row in rows_of(tables) if row["value"])
        missing = [row for row in rows_of(tables) if not row["value"]]
    assert rows == [
        ("0180C1010", "trygg-morker", "2022", "50", "49", "51", "200"),
        ("0180C1010", "trygg-morker", "2023", "60", "59", "61", "300"),
        ("0180C1020", "trygg-morker", "2023", "80", "79", "81", "400"),
    ]
    assert [[row[name] for name in names[3:]] for row in missing] == [[None, None, None, None, "O"]]


def test_bounds_of_px_are_no_value_where_the_row_of_the_value_is_missing(text_file: Callable[..., Path]) -> None:
    px = MEASURES.replace("STUBS", ',"Mått"').replace("HEADS", '"År"')
    keyed = px.replace("DATA=", 'KEYS("Område")=VALUES;\nKEYS("Mått")=VALUES;\nDATA=') + (
        '"0180C1010","Undre gräns" 49 59\n"0180C1010","Övre gräns" 51 ".."\n'
        '"0180C1020","Andel" 70 80\n"0180C1020","Undre gräns" 69 79;\n'
    )
    with read(text_file(keyed, "a.px")) as tables:
        rows = [[row[name] for name in ("neighbourhood", "value", "ci_lower", "ci_upper")] for row in rows_of(tables)]
    assert sorted(rows, key=str) == [
        ["0180C1010", None, "49", "51"],
        ["0180C1010", None, "59", None],
        ["0180C1020", "70", "69", None],
        ["0180C1020", "80", "79", None],
    ]


def test_a_contents_variable_of_px_with_several_values_is_not_put_together(text_file: Callable[..., Path]) -> None:
    px = MEASURES.replace("STUBS", "").replace("HEADS", '"År","Mått"').replace("Övre gräns", "Median") + BY_YEAR
    with read(text_file(px, "a.px")) as tables:
        assert len(rows_of(tables)) == 16


def test_a_decimal_comma_in_px_is_named(text_file: Callable[..., Path]) -> None:
    reason = refused(text_file(PX.replace("5.5", "5,5").replace("7.25", "7,25"), "a.px"))
    assert "”5,5” har decimalkomma" in reason.message("sv")
    # Commas may separate the values.
    commas = PX.replace('5.5 ".." 6\n7 7.25 "..";', '5,"..",6,7,8,"..";')
    assert [row[3] for row in values_of(text_file(commas, "b.px"))] == ["5", None, "6", "7", "8", None]


def test_a_px_file_that_declares_a_billion_cells_is_refused(text_file: Callable[..., Path]) -> None:
    many = ",".join(f'"{i}"' for i in range(40_000))
    text = PX.replace('"Hjällbo","Rosengård"', many).replace('"2021","2022","2023"', many)
    assert refused(text_file(text, "a.px")).code == "not-readable-cells"


# --- JSON -------------------------------------------------------------------------------------------------------

EXPECTED = [(AREA, KPI, "2022", "5.25", None), (AREA, KPI, "2023", None, "Q")]


def as_rows() -> list[list[Any]]:
    labels = ["neighbourhood", "kpi", "period", "value", "status"]
    return [labels, *([record.get(label) for label in labels] for record in RECORDS)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        json.dumps(as_rows()),
        json.dumps({"source": "own", "values": RECORDS}),
        "\n".join(map(json.dumps, RECORDS)),
        "\n\n".join(map(json.dumps, RECORDS)) + "\n",
    ],
    ids=["records", "indented", "rows", "in an object", "lines", "lines with gaps"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_in_its_usual_forms_is_read_as_a_table(text_file: Callable[..., Path], text: str, encoding: str) -> None:
    assert values_of(text_file(text, "a.json", encoding)) == EXPECTED


def test_an_object_with_several_arrays_is_read_as_several_tables(text_file: Callable[..., Path]) -> None:
    areas = [{"id": "gatan", "name": "Gatan", "municipality": "0180", "level": "own"}]
    path = text_file(json.dumps({"neighbourhoods": areas, "observations": RECORDS}), "a.json")
    with read(path) as tables:
        assert set(tables.tables) == {"neighbourhoods", "observations"}


def test_numbers_of_json_are_read_with_every_digit(text_file: Callable[..., Path]) -> None:
    text = json.dumps(RECORDS).replace("5.25", "12345678901234567890.125")
    assert values_of(text_file(text, "a.json"))[0][3] == "12345678901234567890.125"


@pytest.mark.parametrize("sparse", [False, True])
def test_json_stat_has_one_observation_per_value(text_file: Callable[..., Path], sparse: bool) -> None:
    """JSON-stat 2.0, https://json-stat.org/full/: values as an array or as an object by position."""
    cube = {
        "version": "2.0",
        "class": "dataset",
        "id": ["Område", "Nyckeltal", "Period"],
        "size": [1, 1, 3],
        "dimension": {
            "Område": {"label": "Område", "category": {"index": {AREA: 0}, "label": {AREA: "Bromma"}}},
            "Nyckeltal": {"category": {"index": ["a"], "label": {"a": "Arbetslöshet"}}},
            "Period": {"category": {"label": {"2021": "2021"}, "index": {"2023": 2, "2022": 1, "2021": 0}}},
        },
        "value": {"0": 5.5, "2": 6} if sparse else [5.5, None, 6],
        "status": {"1": ".."},
    }
    rows = values_of(text_file(json.dumps(cube), "a.json"))
    assert rows == [(AREA, KPI, "2021", "5.5", None), (AREA, KPI, "2022", None, "O"), (AREA, KPI, "2023", "6", None)]


def stat(values: Any, status: Any) -> str:
    dimension = {
        "Område": {"category": {"index": [AREA]}},
        "Nyckeltal": {"category": {"index": [KPI]}},
        "Period": {"category": {"index": ["2021", "2022", "2023"]}},
    }
    cube = {"version": "2.0", "class": "dataset", "id": list(dimension), "size": [1, 1, 3], "dimension": dimension}
    return json.dumps({**cube, "value": values, "status": status})


@pytest.mark.parametrize(
    ("values", "status", "expected"),
    [
        ([1, None, 3], {"1": "..", "2": "e"}, [("1", None), (None, "O"), ("3", "E")]),
        ([1, None, 3], [None, "Q", "p"], [("1", None), (None, "Q"), ("3", "P")]),
        ({"0": 1, "2": 3}, {"1": "Sekretess", "2": "preliminärt"}, [("1", None), (None, "Q"), ("3", "P")]),
        ([1, 2, 3], "e", [("1", "E"), ("2", "E"), ("3", "E")]),
        ([1, None, 3], ["", "..", ""], [("1", None), (None, "O"), ("3", None)]),
        # Contradictory, which the rules report.
        ([1, 2, 3], {"1": ".."}, [("1", None), ("2", ".."), ("3", None)]),
    ],
)
def test_the_status_of_json_stat_is_read(
    text_file: Callable[..., Path], values: Any, status: Any, expected: list[tuple[str | None, str | None]]
) -> None:
    assert [row[3:] for row in values_of(text_file(stat(values, status), "a.json"))] == expected


def pxweb(contents: list[str], *rows: list[list[str]]) -> str:
    columns = [{"code": "Region", "text": "region", "type": "d"}, {"code": "Tid", "text": "år", "type": "t"}]
    columns += [{"code": text, "text": text, "type": "c"} for text in contents]
    data = [{"key": key, "values": values} for key, values in rows]
    return json.dumps({"columns": columns, "comments": [], "data": data})


def test_the_first_json_format_of_pxweb_is_read(text_file: Callable[..., Path]) -> None:
    text = pxweb(["Arbetslöshet"], [[AREA, "2022"], ["5.5"]], [[AREA, "2023"], [".."]])
    expected = [(AREA, KPI, "2022", "5.5", None), (AREA, KPI, "2023", None, "O")]
    assert values_of(text_file(text, "a.json")) == expected
    path = text_file(pxweb(["Folkmängd"], [[AREA, "2022"], ["5.5"]]), "b.json")
    assert values_of(path, ReadOptions(constants={"kpi": KPI})) == expected[:1]


def test_two_columns_of_values_in_pxweb_are_read_as_a_wide_table(text_file: Callable[..., Path]) -> None:
    text = pxweb(["Arbetslöshet", "trygg-morker"], [[AREA, "2022"], ["5.5", "57.5"]])
    assert values_of(text_file(text, "a.json")) == [
        (AREA, KPI, "2022", "5.5", None),
        (AREA, "trygg-morker", "2022", "57.5", None),
    ]


@pytest.mark.parametrize("row", [[[AREA], ["5.5"]], [[AREA, "2023"], ["5.5", "6"]], [[AREA, "2023"], "5"]])
def test_a_pxweb_row_of_another_width_is_refused(text_file: Callable[..., Path], row: list[Any]) -> None:
    reason = refused(text_file(pxweb(["Arbetslöshet"], [[AREA, "2022"], ["5.5"]], row), "a.json"))
    assert reason.code == "not-readable-json-table"
    assert "JSON-stat 2" in reason.message("sv")
    assert "2" in str(reason.params["what_sv"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[", "not-readable-json"),
        ("[1, 2, 3]", "not-readable-json-table"),
        ('[{"a": 1}, [2]]', "not-readable-json-table"),
        ('[{"a": 1}, ', "not-readable-json"),
        ("[" * 100_000, "not-readable-json-table"),
        ('{"a": ' * 100_000, "not-readable-json-table"),
        ("[]", "not-readable-no-rows"),
        ("[{}]", "not-readable-no-rows"),
        ('{"a": 1}', "not-readable-no-rows"),
        ('{"a": 1}\n{"a": }\n', "not-readable-json"),
        ('{"a": 1}\n[2]\n', "not-readable-json"),
        ("[" + json.dumps({str(i): i for i in range(3000)}) + "]", "not-readable-columns"),
        ('{"id": ["a"], "size": [9], "dimension": {}, "value": []}', "not-readable-json-table"),
        ('{"id": "a", "size": [9], "dimension": {}, "value": []}', "not-readable-json-table"),
        ('[{"a": 1e999999999}]', "not-the-standard"),
    ],
)
def test_json_without_a_table_is_refused_with_the_reason(text_file: Callable[..., Path], text: str, code: str) -> None:
    report = validate(text_file(text, "a.json"))
    assert code in report.counts, report.findings


# --- Parquet ----------------------------------------------------------------------------------------------------


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    columns = {
        "neighbourhood": pa.array([AREA, AREA]).dictionary_encode(),
        "kpi": [KPI, KPI],
        "period": pa.array([2022, 2023], pa.int16()),
        "value": pa.array([5.25, None], pa.float64()),
        "status": [None, "Q"],
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert values_of(tmp_path / "a.parquet") == EXPECTED


@pytest.mark.parametrize("kind", [pa.float32(), pa.float16()])
def test_narrow_floats_of_parquet_are_read_as_the_decimals_that_were_written(tmp_path: Path, kind: pa.DataType) -> None:
    texts = ["57.3", "61.1", "0.1", "99.9", "-0.05", "12", "1024", "0.001", "2.75"]
    values = pa.array([float(text) for text in texts]).cast(kind)
    for column in (values, values.dictionary_encode()) if kind == pa.float32() else (values,):
        columns = {"neighbourhood": [AREA] * len(texts), "kpi": [KPI] * len(texts), "value": column}
        periods = [str(2010 + i) for i in range(len(texts))]
        parquet.write_table(pa.table({**columns, "period": periods}), tmp_path / "a.parquet")
        assert [row[3] for row in values_of(tmp_path / "a.parquet")] == texts


@pytest.mark.parametrize(("number", "text"), [(16777217.0, "16777216"), (123456.789, "123456.79"), (1e-7, "0.0000001")])
def test_a_narrow_float_keeps_what_it_can_hold(tmp_path: Path, number: float, text: str) -> None:
    columns = {"neighbourhood": [AREA], "kpi": [KPI], "period": ["2023"], "value": pa.array([number], pa.float32())}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert values_of(tmp_path / "a.parquet")[0][3] == text


def test_a_nested_column_of_parquet_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"kpi": [KPI], "value": [[1, 2]]}), tmp_path / "a.parquet")
    reason = refused(tmp_path / "a.parquet")
    assert (reason.code, reason.params["column"]) == ("not-readable-nested", "value")


def test_damaged_parquet_is_refused_without_a_crash(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(RECORDS * 50), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    dice = random.Random(1)
    for _ in range(12):
        cut = bytearray(content[: dice.randrange(8, len(content))] if dice.random() < 0.4 else content)
        for _ in range(5):
            cut[dice.randrange(4, len(cut))] = dice.randrange(256)
        (tmp_path / "b.parquet").write_bytes(cut)
        report = validate(tmp_path / "b.parquet")
        assert report.verdict is not Verdict.VALID or report.rows["observations"] == 100


# --- packed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data.csv.gz", "data.gz", "data.csv"])
def test_a_gzipped_table_is_read(text_file: Callable[..., Path], name: str) -> None:
    assert values_of(text_file(gzip.compress(TEXT.encode()), name)) == [(AREA, KPI, "2023", "5.5", "A")]


def zipped(path: Path, **files: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def test_a_zip_of_one_table_is_read_as_that_table(tmp_path: Path) -> None:
    assert len(values_of(zipped(tmp_path / "a.zip", vad_som_helst__csv=TEXT))) == 1


def test_files_of_a_zip_are_recognised_by_their_names(tmp_path: Path) -> None:
    areas = "id,name,municipality,level\ngatan,Gatan,0180,own\n"
    with read(
        zipped(tmp_path / "a.zip", Områden__csv=areas, Observationer__csv=TEXT, rest__csv="a,b\n1,2\n")
    ) as tables:
        assert set(tables.tables) == {"neighbourhoods", "observations"}
        assert [f.sheet for f in tables.assumptions if f.code == "sheet-skipped"] == ["rest"]


def test_zip_bombs_and_nested_archives_are_refused(text_file: Callable[..., Path], tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as compressed:
        for _ in range(120):
            compressed.write(bytes([0x20]) * 1_000_000)
    assert refused(text_file(bomb.getvalue(), "a.csv.gz")).code == "not-readable-too-large"
    assert refused(text_file(gzip.compress(gzip.compress(TEXT.encode())), "b.csv.gz")).code == "not-readable-format"
    inner = zipped(tmp_path / "inner.zip", a__csv=TEXT).read_bytes()
    assert refused(zipped(tmp_path / "outer.zip", b__csv=inner)).code == "not-readable-format"
    assert refused(zipped(tmp_path / "many.zip", **{f"f{i}__csv": TEXT for i in range(200)})).code == (
        "not-readable-files"
    )


BROKEN = {"no body": b"\x1f\x8b\x08" + bytes(50), "cut off": gzip.compress(TEXT.encode(), mtime=0)[:-9]}


@pytest.mark.parametrize("content", list(BROKEN.values()), ids=list(BROKEN))
def test_a_broken_gzip_is_damaged(text_file: Callable[..., Path], content: bytes) -> None:
    assert refused(text_file(content, "a.csv.gz")).code == "not-readable-damaged"


# --- what a descriptor says of a file ---------------------------------------------------------------------------


def described(folder: Path, content: bytes, name: str = "o.csv", **resource: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    resources = [{"name": "observations", "path": name, **resource}]
    (folder / "datapackage.json").write_text(json.dumps({"resources": resources}), "utf-8")
    return folder


def test_dialect_encoding_and_missing_values_of_a_resource_are_followed(tmp_path: Path) -> None:
    content = "Område|Nyckeltal|Period|Värde|Status\n0180C1010|Arbetslöshet|2023|5,5|saknas\n".encode("mac-roman")
    folder = described(
        tmp_path / "p",
        content,
        encoding="mac-roman",
        dialect={"delimiter": "|"},
        schema={"fields": [], "missingValues": ["", "saknas"]},
    )
    assert values_of(folder) == [(AREA, KPI, "2023", "5.5", None)]


def test_the_parts_of_a_table_are_concatenated(tmp_path: Path) -> None:
    folder = described(tmp_path / "p", TEXT.encode(), path=["o.csv", "more.csv"])
    (folder / "more.csv").write_text(TEXT.replace("2023", "2022"))
    assert [row[2] for row in values_of(folder)] == ["2023", "2022"]


def test_a_resource_may_be_gzipped_json_parquet_or_a_sheet(tmp_path: Path) -> None:
    assert values_of(described(tmp_path / "gz", gzip.compress(TEXT.encode()), "o.csv.gz"))
    assert values_of(described(tmp_path / "json", json.dumps(RECORDS).encode(), "o.json")) == EXPECTED
    parquet.write_table(
        pa.table(dict(zip(as_rows()[0], zip(*as_rows()[1:], strict=True), strict=True))), tmp_path / "o.parquet"
    )
    assert values_of(described(tmp_path / "pq", (tmp_path / "o.parquet").read_bytes(), "o.parquet")) == EXPECTED
    book = openpyxl.Workbook()
    book.active.append(["nothing"])
    for row in as_rows():
        book.create_sheet("Två") if "Två" not in book.sheetnames else None
        book["Två"].append(row)
    book.save(tmp_path / "o.xlsx")
    sheet = described(tmp_path / "x", (tmp_path / "o.xlsx").read_bytes(), "o.xlsx", dialect={"excel": {"sheet": "Två"}})
    assert values_of(sheet) == EXPECTED


@pytest.mark.parametrize("dialect", [{"quoteChar": "'"}, {"header": False}, {"commentChar": "#"}])
def test_an_unsupported_dialect_is_refused_and_never_ignored(tmp_path: Path, dialect: dict[str, Any]) -> None:
    reason = refused(described(tmp_path / "p", TEXT.encode(), dialect=dialect))
    assert (reason.code, reason.params["property"]) == ("not-readable-dialect", next(iter(dialect)))


def test_an_unknown_encoding_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotReadable):
        read(described(tmp_path / "p", TEXT.encode(), encoding="utf-99"))


# --- several tables on a sheet ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", ["", "\n", "\n\n", "Tabell 2\n", "\nTabell 2\n\n"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_repeated_header_continues_the_table(text_file: Callable[..., Path], gap: str, delimiter: str) -> None:
    text = f"{TEXT}{gap}{TEXT.replace('2023', '2022')}".replace(",", delimiter)
    with read(text_file(text)) as tables:
        assert [row["period"] for row in rows_of(tables)] == ["2023", "2022"]
        assert tables.problems == ()
        assert "assumed-continued" in codes(tables.assumptions)


def test_a_table_beside_the_table_is_reported(text_file: Callable[..., Path]) -> None:
    report = validate(text_file(f"{HEADER},,{HEADER}\n{ROW},,{ROW}\n"))
    assert report.counts["duplicate-label"] == len(HEADER.split(","))
