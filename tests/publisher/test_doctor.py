"""`vaven doctor`: every kind of damage is reported, and what the releases determine is repaired."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import SAMPLE, environment, vaven
from tests.damage import flip, publish_other
from vaven.catalogue.app import create_app
from vaven.publisher.graph.snapshot import current_snapshot
from vaven.publisher.operations.doctor import examine, repair
from vaven.publisher.publish import publish
from vaven.publisher.releases.record_copies import RecordCopies
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.errors import DamagedFile

SLUG = "exempel-tre-kommuner"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with two datasets, of which one has a withdrawn version, to copy."""
    folder = tmp_path_factory.mktemp("published")
    settings = Settings(home=folder / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    for value in ("57,5", "61,5"):
        publish_other(settings, folder, value=value)
    withdraw(settings, "annan", 1, reason="Fel enkät")
    return settings.home


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    return Settings(home=Path(shutil.copytree(published, tmp_path / "home")))


def state(settings: Settings) -> tuple[object, object, object]:
    """Return what a site shows: records without their times of steps, tombstones, and the contents of the graph."""
    snapshot = current_snapshot(settings.graph_folder)
    with Records(settings.database) as records:
        return records.finished(), records.withdrawals(), snapshot and snapshot.contents


def execute(settings: Settings, statement: str) -> None:
    with sqlite3.connect(settings.home / "records.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def release(settings: Settings) -> Path:
    return settings.home / "releases" / SLUG / "1"


def contents(settings: Settings) -> Path:
    snapshot = current_snapshot(settings.graph_folder)
    assert snapshot
    return snapshot.folder / "contents.json"


REPAIRED: dict[str, tuple[str, Callable[[Settings], object]]] = {
    "database-lost": ("records", lambda s: (s.home / "records.sqlite").unlink()),
    "database-damaged": ("records", lambda s: (s.home / "records.sqlite").write_bytes(b"no database " * 999)),
    "database-empty": ("records", lambda s: (s.home / "records.sqlite").write_bytes(b"")),
    "database-flipped": ("records", lambda s: flip(s.home / "records.sqlite")),
    "record-lost": ("records", lambda s: execute(s, "DELETE FROM releases WHERE dataset = 'annan'")),
    "record-changed": ("records", lambda s: execute(s, f"UPDATE releases SET content_sha256 = '{'a' * 64}'")),
    "manifest-changed": (
        "records",
        lambda s: execute(
            s, "UPDATE releases SET manifest = replace(manifest, 'observations.csv', 'observations.cSv')"
        ),
    ),
    "record-ahead": (
        "records",
        lambda s: RecordCopies(s.record_storage).write(
            replace(RecordCopies(s.record_storage).read().releases[SLUG, 1], visible_at=None)
        ),
    ),
    "tombstone-lost": ("records", lambda s: execute(s, "DELETE FROM withdrawals")),
    "tables-lost": ("records", lambda s: execute(s, "DROP TABLE releases")),
    "copies-lost": ("records", lambda s: shutil.rmtree(s.home / "records")),
    "copy-damaged": ("records", lambda s: flip(s.home / "records" / SLUG / "1.release.json")),
    "tombstone-copy-lost": ("records", lambda s: (s.home / "records" / "annan" / "1.withdrawal.json").unlink()),
    "csv-damaged": ("files", lambda s: flip(release(s) / "observations.csv")),
    "csv-lost": ("files", lambda s: (release(s) / "investments.csv").unlink()),
    "triples-damaged": ("files", lambda s: flip(release(s) / "observations.nt.gz")),
    "triples-lost": ("files", lambda s: (release(s) / "observations.nt.zst").unlink()),
    "graph-lost": ("graph", lambda s: shutil.rmtree(s.graph_folder)),
    "graph-of-another-time": ("graph", lambda s: contents(s).write_text(json.dumps({SLUG: 1, "annan": 1}))),
    "graph-lacks-a-dataset": ("graph", lambda s: contents(s).write_text(json.dumps({SLUG: 1}))),
    "columns-flipped": ("graph", lambda s: flip(contents(s).with_name("columns.duckdb"))),
    "staged-release": ("leftovers", lambda s: (s.home / ".release-abc" / "release").mkdir(parents=True)),
    "part-of-a-snapshot": ("leftovers", lambda s: (s.graph_folder / "snapshots" / ".part-1").mkdir()),
}


@pytest.mark.parametrize("damage", REPAIRED)
def test_damage_is_reported_and_repaired(settings: Settings, damage: str) -> None:
    before = state(settings)
    assert examine(settings) == []
    part, inflict = REPAIRED[damage]
    inflict(settings)
    assert part in {defect.part for defect in examine(settings)}
    reported = []
    assert repair(settings, progress=reported.append) == []
    assert part in {defect.part for defect in reported}
    assert all(defect.error.remedy(language) for defect in reported for language in ("sv", "en"))
    assert examine(settings) == []
    assert state(settings) == before


@pytest.mark.parametrize("name", ["observations.parquet", "metadata.ttl", "report.json", "datapackage.json"])
def test_a_file_that_cannot_be_derived_is_put_into_quarantine(settings: Settings, name: str) -> None:
    content = (release(settings) / name).read_bytes()
    flip(release(settings) / name)
    damaged = (release(settings) / name).read_bytes()
    remaining = repair(settings)
    assert [name in defect.error.text("en") for defect in remaining if defect.part == "files"] == [True]
    assert (settings.home / "quarantine" / SLUG / "1" / name).read_bytes() == damaged
    (release(settings) / name).write_bytes(content)
    assert repair(settings) == []


def test_an_unknown_folder_is_reported_and_stays(settings: Settings) -> None:
    folder = settings.home / "releases" / "okand" / "1"
    folder.mkdir(parents=True)
    (folder / "observations.csv").write_text("")
    (defect,) = repair(settings)
    assert not defect.is_repairable
    assert "okand/1" in defect.error.text("en")
    assert folder.exists()


@pytest.mark.parametrize("name", ["observations.csv", "observations.parquet", "observations.nt.gz"])
def test_the_same_content_restores_the_files_of_its_version(settings: Settings, name: str) -> None:
    content = (release(settings) / name).read_bytes()
    flip(release(settings) / name)
    done = publish(SAMPLE / "exempel.xlsx", settings)
    assert (done.version, done.is_new) == (1, False)
    assert (release(settings) / name).read_bytes() == content
    assert examine(settings) == []


def test_the_same_content_is_not_unchanged_while_a_file_is_damaged(settings: Settings) -> None:
    (release(settings) / "metadata.ttl").unlink()
    with pytest.raises(DamagedFile, match=r"metadata\.ttl"):
        publish(SAMPLE / "exempel.xlsx", settings)


@pytest.mark.parametrize("damage", ["database-lost", "database-empty", "record-lost", "tombstone-lost"])
def test_a_publication_restores_lost_records(settings: Settings, tmp_path: Path, damage: str) -> None:
    """Otherwise it would use the number of a version again."""
    releases, tombstones, _ = state(settings)
    REPAIRED[damage][1](settings)
    done = publish_other(settings, tmp_path, value="63,5")
    assert done.version == 3
    with Records(settings.database) as records:
        assert [r for r in records.finished() if (r.dataset, r.version) != ("annan", 3)] == releases
        assert records.withdrawals() == tombstones
    assert examine(settings) == []


def test_a_site_starts_after_the_database_was_lost(settings: Settings) -> None:
    (settings.home / "records.sqlite").unlink()
    app = create_app(settings)
    pages = [app.test_client().get(path) for path in ("/datasets", f"/dataset/{SLUG}", "/readyz")]
    app.extensions["vaven"].close()
    assert [page.status_code for page in pages] == [200] * 3
    assert pages[-1].json["status"] == "ready"


def test_the_command_prints_each_fault_with_its_remedy(settings: Settings, tmp_path: Path) -> None:
    variables = environment(tmp_path, 8000) | {"VAVEN_HOME": str(settings.home)}
    done = vaven("doctor", environment=variables)
    assert (done.returncode, done.stdout) == (0, "Allt är helt.\n"), done.stderr
    (release(settings) / "observations.csv").unlink()
    (settings.home / "records.sqlite").write_bytes(b"")
    done = vaven("doctor", "--lang", "en", environment=variables)
    assert done.returncode == 1
    assert done.stdout.startswith("Database: ")
    assert "  → " in done.stdout
    done = vaven("doctor", "--repair", "--lang", "en", environment=variables)
    assert done.returncode == 0
    assert done.stdout.endswith("Everything is sound.\n")
    assert "Traceback" not in done.stderr
