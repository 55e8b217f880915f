"""A snapshot that is lost or damaged: the next start or publication builds it again from the releases."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SAMPLE
from tests.damage import flip, publish_other
from vaven.publisher.columns.open import Columns
from vaven.publisher.graph.snapshot import Snapshot, current_snapshot
from vaven.publisher.operations.rebuilding import renew
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings

SLUG = "exempel-tre-kommuner"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with three datasets, to copy."""
    folder = tmp_path_factory.mktemp("published")
    settings = Settings(home=folder / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    for name in ("annan", "tredje"):
        publish_other(settings, folder, name)
    return settings.home


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    return Settings(home=Path(shutil.copytree(published, tmp_path / "home")))


def current(settings: Settings) -> Snapshot:
    snapshot = current_snapshot(settings.graph_folder)
    assert snapshot
    return snapshot


def observations(settings: Settings) -> dict[int, int]:
    """Return the number of observations of each release in the snapshot; all of them are read."""
    columns = Columns(current(settings).folder)
    try:
        query = "SELECT observation_set, count(*), bit_xor(hash(o)) FROM observations o GROUP BY ALL"
        return {key: count for key, count, _ in columns.connection.execute(query).fetchall()}
    finally:
        columns.close()


def part(settings: Settings, dataset: str) -> Path:
    return current(settings).folder / "parts" / f"{dataset}-1.duckdb"


LOSSES: dict[str, Callable[[Settings], object]] = {
    "graph-gone": lambda s: shutil.rmtree(s.graph_folder),
    "pointer-gone": lambda s: (s.graph_folder / "current").unlink(),
    "pointer-empty": lambda s: (s.graph_folder / "current").write_text(""),
    "pointer-elsewhere": lambda s: (s.graph_folder / "current").write_text("../../releases"),
    "pointer-to-nothing": lambda s: (s.graph_folder / "current").write_text("0" * 20),
    "pointer-binary": lambda s: (s.graph_folder / "current").write_bytes(b"\xff\xfe\x00"),
    "snapshot-gone": lambda s: shutil.rmtree(current(s).folder),
    "contents-cut": lambda s: (current(s).folder / "contents.json").write_text('{"a'),
    "contents-other": lambda s: (current(s).folder / "contents.json").write_text("[1, 2]"),
    "contents-gone": lambda s: (current(s).folder / "contents.json").unlink(),
    "digests-gone": lambda s: (current(s).folder / "digests.json").unlink(),
    "digests-binary": lambda s: (current(s).folder / "digests.json").write_bytes(b"\xff"),
    "columns-flipped": lambda s: flip(current(s).folder / "columns.duckdb"),
    "columns-gone": lambda s: (current(s).folder / "columns.duckdb").unlink(),
    "part-flipped": lambda s: flip(part(s, "annan")),
    "part-gone": lambda s: part(s, "annan").unlink(),
    "parts-gone": lambda s: shutil.rmtree(current(s).folder / "parts"),
    "lock-gone": lambda s: (current(s).folder / "lock").unlink(),
    "other-format": lambda s: (current(s).folder / "format").write_text("0"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_start_builds_it_again(settings: Settings, loss: str) -> None:
    before = observations(settings)
    LOSSES[loss](settings)
    renew(settings)
    assert sorted(observations(settings).values()) == sorted(before.values())
    assert current(settings).contents == {SLUG: 1, "annan": 1, "tredje": 1}
    assert current(settings).is_sound
    # Nothing is built again without a reason.
    snapshot = current(settings).id
    renew(settings)
    assert current(settings).id == snapshot


@pytest.mark.parametrize(
    ("loss", "value"),
    [("graph-gone", "57,5"), ("graph-gone", "61,5"), ("contents-cut", "57,5"), ("part-flipped", "61,5")],
)
def test_a_publication_restores_every_dataset(settings: Settings, tmp_path: Path, loss: str, value: str) -> None:
    """Of a dataset whose content is unchanged, too."""
    LOSSES[loss](settings)
    done = publish_other(settings, tmp_path, value=value)
    assert current(settings).contents == {SLUG: 1, "annan": done.version, "tredje": 1}
    assert len(observations(settings)) == 3
    assert current(settings).is_sound


def test_a_damaged_release_is_left_out_until_it_is_restored(settings: Settings, tmp_path: Path) -> None:
    table = settings.home / "releases" / "annan" / "1" / "observations.parquet"
    shutil.copy2(table, tmp_path / "copy")
    flip(table)
    shutil.rmtree(settings.graph_folder)
    renew(settings)
    assert len(observations(settings)) == 2
    # Readers see the page of the dataset, which says what is missing.
    assert set(current(settings).contents) == {SLUG, "annan", "tredje"}
    publish_other(settings, tmp_path, "fjarde")
    assert len(observations(settings)) == 3
    shutil.copy2(tmp_path / "copy", table)
    renew(settings)
    assert len(observations(settings)) == 4


def test_digests_are_of_all_files(settings: Settings) -> None:
    folder = current(settings).folder
    digests = json.loads((folder / "digests.json").read_text())
    assert set(digests) == {"columns.duckdb", *(f"parts/{name}-1.duckdb" for name in (SLUG, "annan", "tredje"))}
