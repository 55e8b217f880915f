"""`vaven backup` and `vaven restore`: the same site from an empty data folder, with each kind of store."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.conftest import SAMPLE, environment, vaven
from tests.damage import publish_other
from tests.servers.ckan.services import postgres as started_postgres
from vaven.catalogue.app import create_app
from vaven.publisher.operations.backup import back_up
from vaven.publisher.operations.doctor import examine
from vaven.publisher.operations.restore import restore_backup
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.errors import DamagedFile, WrongUse

SLUG = "exempel-tre-kommuner"
PATHS = (
    "/",
    "/datasets",
    f"/dataset/{SLUG}",
    "/dataset/annan",
    "/dataset/annan/1",
    "/catalog.ttl",
)
# Blank nodes have other labels in each snapshot.
QUERY = "SELECT * { ?s ?p ?o FILTER(isIRI(?s) && !isBlank(?o)) } ORDER BY ?s ?p ?o"


def publish_three(settings: Settings, folder: Path) -> None:
    """Publish a dataset, and two versions of another one, of which the first is withdrawn."""
    publish(SAMPLE / "exempel.xlsx", settings)
    for value in ("57,5", "61,5"):
        publish_other(settings, folder, value=value)
    withdraw(settings, "annan", 1, reason="Fel enkät")


def responses(settings: Settings) -> list[tuple[int, bytes]]:
    app = create_app(settings)
    client = app.test_client()
    try:
        return [
            (r.status_code, r.data) for r in (client.get(path) for path in (*PATHS, f"/sparql?query={quote(QUERY)}"))
        ]
    finally:
        app.extensions["vaven"].close()


def rows(settings: Settings) -> object:
    with Records(settings.database) as records:
        dump = records.dump()
    return {table: [{k: v for k, v in row.items() if k != "id"} for row in content] for table, content in dump.items()}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("published")
    settings = Settings(home=folder / "home")
    publish_three(settings, folder)
    return settings


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="vaven-postgres-") as folder, started_postgres(Path(folder)) as port:
        with psycopg.connect(f"postgresql://ckan@127.0.0.1:{port}/postgres", autocommit=True) as admin:
            for name in ("here", "there"):
                admin.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://ckan@127.0.0.1:{port}/"


def test_a_restored_backup_is_the_same_site(published: Settings, tmp_path: Path) -> None:
    count, copied = back_up(published, tmp_path / "backup")
    assert count == copied > 30
    other = replace(published, home=tmp_path / "other")
    assert restore_backup(other, tmp_path / "backup") == 3
    assert responses(other) == responses(published)
    assert rows(other) == rows(published)
    assert examine(other) == []


def test_with_postgresql_and_a_bucket(postgres: str, tmp_path: Path) -> None:
    """The bucket is fsspec's in memory; test_object_storage.py uses the same calls with S3's protocol."""
    here, there = (
        Settings(
            home=tmp_path / name,
            database_url=postgres + name,
            storage_url=f"memory://backup-{name}",
            originals_url=f"memory://backup-{name}-originals",
        )
        for name in ("here", "there")
    )
    publish_three(here, tmp_path)
    back_up(here, tmp_path / "backup")
    restore_backup(there, tmp_path / "backup")
    assert rows(there) == rows(here)
    assert responses(there) == responses(here)
    assert examine(there) == []
    # The numbers of steps go on.
    publish_other(there, tmp_path, value="63,5")


def test_only_new_files_are_copied(published: Settings, tmp_path: Path) -> None:
    home = Path(shutil.copytree(published.home, tmp_path / "home"))
    settings, folder = replace(published, home=home), tmp_path / "backup"
    count, _ = back_up(settings, folder)
    assert back_up(settings, folder) == (count, 0)
    publish_other(settings, tmp_path, value="63,5")
    copied = list[str]()
    back_up(settings, folder, copied.append)
    assert {path.split("/")[0] for path in copied} == {"releases", "originals"}
    assert all("annan/3/" in path or path.startswith("originals/") for path in copied)
    # A damaged file of the backup is copied again.
    (folder / "releases" / SLUG / "1" / "observations.csv").write_bytes(b"")
    copied.clear()
    back_up(settings, folder, copied.append)
    assert copied == [f"releases/{SLUG}/1/observations.csv"]


def test_a_damaged_release_is_not_backed_up_in_silence(published: Settings, tmp_path: Path) -> None:
    home = Path(shutil.copytree(published.home, tmp_path / "home"))
    (home / "releases" / SLUG / "1" / "metadata.ttl").write_bytes(b"")
    with pytest.raises(DamagedFile, match=r"metadata\.ttl"):
        back_up(replace(published, home=home), tmp_path / "backup")
    assert not (tmp_path / "backup" / "backup.json").exists()


def test_a_damaged_backup_is_not_restored(published: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    back_up(published, folder)
    (folder / "releases" / SLUG / "1" / "metadata.ttl").write_bytes(b"")
    other = replace(published, home=tmp_path / "other")
    with pytest.raises(DamagedFile, match=r"metadata\.ttl"):
        restore_backup(other, folder)
    with Records(other.database) as records:
        assert records.finished() == []


def test_nothing_is_overwritten(published: Settings, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(WrongUse):
        back_up(published, tmp_path / "other")
    back_up(published, tmp_path / "backup")
    with pytest.raises(WrongUse):
        restore_backup(published, tmp_path / "backup")
    with pytest.raises(WrongUse):
        restore_backup(replace(published, home=tmp_path / "new"), tmp_path / "nothing")
    index = tmp_path / "backup" / "backup.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"version": 99}))
    with pytest.raises(WrongUse, match="newer"):
        restore_backup(replace(published, home=tmp_path / "new"), tmp_path / "backup")


def test_a_backup_while_somebody_publishes_is_of_one_moment(published: Settings, tmp_path: Path) -> None:
    home = Path(shutil.copytree(published.home, tmp_path / "home"))
    settings = replace(published, home=home)
    code = (
        "import sys; from pathlib import Path; from tests.publisher.test_backup import *\n"
        "settings = Settings(home=Path(sys.argv[1]))\n"
        "for n in range(4):\n"
        "    publish_other(settings, Path(sys.argv[2]), value=f'6{n},5')"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home), str(tmp_path)]) as publishing:
        counts = set[int]()
        while publishing.poll() is None:
            back_up(settings, tmp_path / "backup")
            other = replace(published, home=tmp_path / f"other-{len(counts)}")
            shutil.rmtree(other.home, ignore_errors=True)
            counts.add(restore_backup(other, tmp_path / "backup"))
            assert examine(other) == []
    assert publishing.returncode == 0
    assert counts


def test_the_commands_say_how_much_was_copied(published: Settings, tmp_path: Path) -> None:
    here = environment(published.home, 8000)
    done = vaven("backup", tmp_path / "backup", environment=here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Säkerhetskopian är klar. ")
    done = vaven("restore", tmp_path / "backup", environment=environment(tmp_path / "home", 8000))
    assert (done.returncode, done.stdout) == (0, "Återställda versioner: 3.\n"), done.stderr
    done = vaven("restore", tmp_path / "backup", "--lang", "en", environment=here)
    assert done.returncode == 2
    assert "empty data folder" in done.stderr
