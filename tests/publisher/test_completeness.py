"""A release has every value of the checked tables, or is refused."""

import csv
import gzip
import random
import re
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.tables_by_hand import tables_of
from vaven.publisher.cube.observations import emit
from vaven.publisher.releases import release as releases
from vaven.publisher.releases.release import Release, release, write_workbook
from vaven.vocab.errors import NotPublishable
from vaven.vocab.iris import Iris

ROW = {"neighbourhood": "0180C1010", "kpi": "trygg-morker", "period": "2023", "value": "57", "note": "prel."}


def released(folder: Path, *rows: dict[str, str | None]) -> int:
    folder.mkdir()
    with tables_of({"observations": rows}) as tables:
        return release(tables, folder).rows["observations"]


def test_repeated_rows_without_other_values_are_released_once(tmp_path: Path) -> None:
    assert released(tmp_path / "a", ROW, ROW, {**ROW, "note": None}, {**ROW, "value": None}) == 1
    assert released(tmp_path / "b", {**ROW, "value": None}, {**ROW, "note": None}) == 1
    assert released(tmp_path / "c", {**ROW, "value": None}, {**ROW, "period": "2024"}) == 2


def test_a_value_that_only_a_repeated_row_has_is_not_dropped(tmp_path: Path) -> None:
    with pytest.raises(NotPublishable, match=r"1 values of Note .*observations\.parquet"):
        released(tmp_path / "a", {**ROW, "note": None}, ROW)


@pytest.mark.parametrize("column", ["value", "note", "period"])
def test_a_release_without_a_value_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    text_select = releases.text_select
    shorter = f"SELECT * FROM ({{}}) WHERE {column} IS DISTINCT FROM '2024'"
    monkeypatch.setattr(releases, "text_select", lambda *a: shorter.format(text_select(*a)))
    assert released(tmp_path / "a", ROW) == 1
    lost = {**ROW, "period": "2024"} if column == "period" else {**ROW, column: "2024", "period": "2022"}
    with pytest.raises(NotPublishable, match=r"observations\.csv"):
        released(tmp_path / "b", ROW, lost)


NOTES = ["=1+1", "_x0041_", " två\nrader ", "+46", "#N/A", "2023-01-01", "1,5", "å&<>", "TRUE", "'a", "a\x0b"]


def with_workbook(folder: Path) -> Release:
    folder.mkdir()
    periods = [{"period": str(2000 + i), "note": note} for i, note in enumerate(NOTES)]
    rows = [ROW, {**ROW, "period": "2022", "value": None, "status": "O"}, *({**ROW, **own} for own in periods)]
    with tables_of({"observations": rows}) as tables:
        return release(tables, folder)


def test_the_workbook_of_a_release_has_every_text_as_it_is(tmp_path: Path) -> None:
    released_files = with_workbook(tmp_path / "a")
    write_workbook(released_files)
    sheet = load_workbook(tmp_path / "a" / "observations.xlsx").active
    labels, *rows = sheet.values
    texts = {row[labels.index("Anmärkning")] for row in rows}
    # A release marks the texts that a program would compute.
    assert texts >= {"'=1+1", "'+46", "#N/A", " två\nrader ", "2023-01-01", "1,5", "å&<>", "TRUE"}
    assert all(cell.data_type not in ("f", "e") for row in sheet.iter_rows() for cell in row)


def test_a_workbook_that_lacks_a_value_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell_of = releases._workbook_cell
    monkeypatch.setattr(releases, "_workbook_cell", lambda sheet, text: None if text == "1,5" else cell_of(sheet, text))
    with pytest.raises(NotPublishable, match=r"Note .*observations\.xlsx"):
        write_workbook(with_workbook(tmp_path / "a"))


def amounts() -> dict[str, str]:
    """Return numbers with at most 10 decimals and 15 significant digits, and numbers with more and what is released."""
    draw = random.Random(15)
    exact = {"0.1", "-0.0000000001", "351394.53", "984771481.22", "68007134226.74", "99999.99999", "99999.0000000001"}
    for _ in range(400):
        decimals = draw.randrange(11)
        digits = draw.randrange(1, 16)
        exact.add(f"{draw.choice((1, -1)) * Decimal(draw.randrange(1, 10**digits)).scaleb(-decimals):f}")
    more = {
        "0.12345678901": "0.123456789",
        "351394.53000000003": "351394.53",
        "1234567.89012345678": "1234567.89012346",
        "1e6": "1000000",
        "1234567890123456789": "1234567890123456768",
        "999999999999999.9": "999999999999999.875",
        "-999999999999999": "-999999999999999",
        "999999999999998.9": "999999999999999",
        "1e15": "1000000000000000",
        "-0": "0",
    }
    return {number: number for number in exact} | more


def test_a_release_has_all_digits_of_a_number(tmp_path: Path) -> None:
    """In its CSV, its workbook, and as xsd:decimal."""
    numbers, periods = amounts(), [f"{year}-{month:02}" for year in range(1970, 2020) for month in range(1, 13)]
    keys = dict(zip(periods, numbers, strict=False))
    assert len(keys) == len(numbers)
    rows = [{**ROW, "period": p, "kpi": "investerat-belopp", "value": value} for p, value in keys.items()]
    with tables_of({"observations": rows}) as t:
        released_files = release(t, tmp_path)
    write_workbook(released_files)
    expected = {period: Decimal(numbers[value]) for period, value in keys.items()}
    with (tmp_path / "observations.csv").open() as file:
        assert {row["period"]: Decimal(row["value"]) for row in csv.DictReader(file)} == expected
    labels, *cells = load_workbook(tmp_path / "observations.xlsx").active.values
    written = {row[labels.index("Period")]: Decimal(str(row[labels.index("Värde")])) for row in cells}
    assert {period: value for period, value in written.items() if value != expected[period]} == {}
    emission = emit(released_files, Iris("http://data.example/"))
    with gzip.open(emission.path, "rt") as lines:
        decimals = {line.split('"')[1] for line in lines if "measure#obsValue>" in line}
    assert set(map(Decimal, decimals)) == set(expected.values())
    assert all(re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", number) for number in decimals)
