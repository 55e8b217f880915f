"""A release has every value of the checked tables, or is refused."""

from pathlib import Path

import pytest

from tests.tables_by_hand import tables_of
from vaven.publisher.releases import release as releases
from vaven.publisher.releases.release import release
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
