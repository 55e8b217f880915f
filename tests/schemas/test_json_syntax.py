"""Silent loss in JSON: duplicate keys, and numbers that native code does not survive."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reading import refused, rows_of
from vaven.schemas.formats.json_syntax import MAX_DIGITS
from vaven.schemas.tables.read import read

RECORD = '{"Område": "0180C1010", "Nyckeltal": "trygg-morker", "Period": "2023", "Värde": 57}'
TWICE = RECORD.replace("}", ', "Värde": 75}')
CUBE = {
    "version": "2.0",
    "class": "dataset",
    "id": ["Område"],
    "size": [2],
    "dimension": {"Område": {"category": {"index": ["0180", "1480"]}}},
    "value": {"0": 1, "1": 2},
    "status": {"0": "a"},
}


@pytest.mark.parametrize(
    ("text", "key", "where"),
    [
        (f"[{RECORD}, {TWICE}]", "Värde", "rad 2"),
        (f"{RECORD}\n\n{TWICE}\n", "Värde", "rad 3"),
        (f'{{"data": [{RECORD}, {TWICE}]}}', "Värde", "objektet data på rad 2"),
        (f'{{"data": [{RECORD}], "data": [{RECORD}]}}', "data", "det yttersta objektet"),
        (f'[{RECORD}, {RECORD[:-1]}, "x": {{"a": 1, "b": {{}}, "a": 2}}}}]', "a", "objektet x på rad 2"),
        (f'{RECORD}\n{RECORD[:-1]}, "x": [{{"a": 1, "a": 2}}]}}\n', "a", "rad 2"),
        # The same key in two objects, or in an object within another one, is none twice.
        (json.dumps(CUBE).replace('"0": "a"', '"0": "a", "0": "e"'), "0", "objektet status"),
        (json.dumps(CUBE).replace('"index":', '"index": ["0180"], "index":'), "index", "objektet dimension/Område/cat"),
        # An escape is another notation of the same key.
        (f'[{RECORD[:-1]}, "V\\u00e4rde": 75}}]', "Värde", "rad 1"),
    ],
)
def test_a_duplicate_key_is_refused_with_key_and_row(
    text_file: Callable[..., Path], text: str, key: str, where: str
) -> None:
    reason = refused(text_file(text, "a.json"))
    assert (reason.code, reason.params["key"]) == ("not-readable-json-key", key)
    assert str(reason.params["where_sv"]).startswith(where)


def test_a_key_may_occur_in_several_objects(text_file: Callable[..., Path]) -> None:
    nested = RECORD[:-1] + ', "Anmärkning": {"Värde": {"Värde": 1}}}'
    with read(text_file(f"[{nested}, {nested.replace('2023', '2022')}]", "a.json")) as tables:
        assert [row["value"] for row in rows_of(tables)] == ["57", "57"]


@pytest.mark.parametrize(
    ("text", "key", "where"),
    [
        ('{"name": "a", "resources": [], "name": "b"}', "name", "det yttersta objektet"),
        (
            '{"resources": [{"name": "a", "path": "a.csv"}, {"name": "b", "path": "b.csv", "path": "a.csv"}]}',
            "path",
            "objektet resources/2",
        ),
    ],
)
@pytest.mark.parametrize("name", ["datapackage.json", "other.json"])
def test_a_duplicate_key_of_a_descriptor_is_refused(
    text_file: Callable[..., Path], text: str, key: str, where: str, name: str
) -> None:
    reason = refused(text_file(text, name))
    assert (reason.code, reason.params["key"], reason.params["where_sv"]) == ("not-readable-json-key", key, where)


def long_number(digits: int, text: str = '[{"neighbourhood": "0114A0010", "value": NUMBER}]') -> str:
    return text.replace("NUMBER", "9" * digits)


@pytest.mark.parametrize(
    "text",
    [
        '[{"neighbourhood": "0114A0010", "value": NUMBER}]',
        '[\n{"neighbourhood": "0114A0010", "value": -NUMBER}]',
        '{"a": [{"value": 0.NUMBER}]}',
        '{"value": NUMBER}\n{"value": 1}\n',
        '{"value": 1}\n{"value": NUMBER}\n',
        '{"resources": NUMBER}',
        '[{"value": 1eNUMBER}]',
    ],
)
@pytest.mark.parametrize("digits", [MAX_DIGITS + 1, 66_000, 200_000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_number_that_native_code_does_not_survive_is_refused(
    text_file: Callable[..., Path], text: str, digits: int, encoding: str
) -> None:
    reason = refused(text_file(long_number(digits, text), "a.json", encoding))
    line = text[: text.index("NUMBER")].count("\n") + 1
    assert (reason.code, reason.params["row"]) == ("not-readable-number", line)


@pytest.mark.parametrize("offset", [65_536 - 1_001, 65_536 - 500, 65_536 - 1, 65_536])
def test_a_long_number_across_two_blocks_of_the_stream_is_refused(text_file: Callable[..., Path], offset: int) -> None:
    lines = "\n" * (offset - len('[{"value":'))
    reason = refused(text_file(f'[{{"value":{lines}{"9" * (MAX_DIGITS + 1)}}}]', "a.json"))
    assert (reason.code, reason.params["row"]) == ("not-readable-number", len(lines) + 1)


@pytest.mark.parametrize("digits", [MAX_DIGITS, 66_000, 200_000])
def test_digits_in_a_text_are_no_number(text_file: Callable[..., Path], digits: int) -> None:
    text = RECORD.replace("57", "5.5").replace("}", f', "Anmärkning": "{"9" * digits}"}}')
    with read(text_file(f"[{text}]", "a.json")) as tables:
        assert [(row["value"], len(row["note"])) for row in rows_of(tables)] == [("5.5", digits)]


def test_a_number_of_a_thousand_digits_is_read_with_every_digit(text_file: Callable[..., Path]) -> None:
    with read(text_file(f"[{RECORD.replace('57', '9' * MAX_DIGITS)}]", "a.json")) as tables:
        assert rows_of(tables)[0]["value"] == "9" * MAX_DIGITS
