"""A release has every value of the checked tables, or is refused."""

from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.tables_by_hand import tables_of
from vaven.publisher.releases import release as releases
from vaven.publisher.releases.release import Release, release, write_workbook
from vaven.vocab.errors import NotPublishable

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
