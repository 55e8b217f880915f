"""A disk that is full or read-only: what is published is served, all else fails cleanly and leaves nothing behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import SAMPLE, Serving, environment, free_port, vaven
from tests.damage import other_submission
from tests.reading import LICENCE_AND_PUBLISHER

SLUG = "exempel-tre-kommuner"
SECONDS = 60
PATHS = (
    "", "datasets", f"dataset/{SLUG}", f"dataset/{SLUG}/1/observations.csv", "kpis", "catalog.ttl", "publications",
    "sparql?query=ASK%7B%7D",
)  # fmt: skip


def fill(disk: Path) -> None:
    with (disk / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


DISKS: list[Callable[[Path], None]] = [fill, make_read_only]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB with a published dataset."""
    mounted_at = tmp_path / "disk"
    mounted_at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(mounted_at)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        published = vaven("publish", SAMPLE / "exempel.xlsx", environment=environment(mounted_at / "home", 8000))
        assert published.returncode == 0, published.stderr
        yield mounted_at
    finally:
        subprocess.run(["umount", "--lazy", str(mounted_at)], check=True)


def names(disk: Path) -> set[str]:
    """Return what is on the disk but for the log of databases and derived files, which may go at any time."""
    paths = (path.relative_to(disk).as_posix() for path in disk.rglob("*"))
    return {p for p in paths if p.split("/")[1:2] not in (["made"], ["cache"]) and not p.endswith(("-wal", "-shm"))}


@pytest.mark.parametrize("limit", DISKS, ids=["full", "read-only"])
def test_a_site_serves_from_a_disk_that_cannot_be_written(
    disk: Path, tmp_path: Path, limit: Callable[[Path], None]
) -> None:
    limit(disk)
    port = free_port()
    with Serving(tmp_path, port, environment(disk / "home", port)) as site:
        statuses = {path: requests.get(site.url + path, timeout=SECONDS).status_code for path in PATHS}
        ready = requests.get(f"{site.url}readyz", timeout=SECONDS)
        with (SAMPLE / "exempel.xlsx").open("rb") as file:
            upload = requests.post(f"{site.url}validate", files={"file": file}, timeout=SECONDS)
    log = (tmp_path / "serve.log").read_text()
    assert statuses == dict.fromkeys(statuses, 200)
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert [problem["part"] for problem in ready.json()["problems"]] == ["disk"]
    assert upload.status_code == 503
    assert upload.json()["remedy"]
    assert "Traceback" not in log


@pytest.mark.parametrize("limit", DISKS, ids=["full", "read-only"])
def test_commands_fail_with_the_remedy_and_leave_nothing(
    disk: Path, tmp_path: Path, limit: Callable[[Path], None]
) -> None:
    settings = environment(disk / "home", 8000)
    other = other_submission(tmp_path)
    options = ["--dataset", "annan", "--licence", LICENCE_AND_PUBLISHER.licence, "--publisher", "Provbolaget"]
    limit(disk)
    before = names(disk)
    for command in (["publish", other, *options], ["withdraw", SLUG, "1", "--reason", "Fel enkät"]):
        done = vaven(*command, environment=settings)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert "Frigör utrymme" in done.stderr
        assert names(disk) == before
    assert vaven("doctor", environment=settings).returncode == 0


def test_temporary_files_are_in_the_data_folder_and_removed_at_the_next_start(tmp_path: Path) -> None:
    port = free_port()
    settings = environment(tmp_path, port) | {"TMPDIR": "/nowhere"}
    left = tmp_path / "tmp" / "vaven-isolated-left"
    left.mkdir(parents=True)
    (left / "file").touch()
    an_hour_ago = time.time() - 3600
    os.utime(left, (an_hour_ago, an_hour_ago))
    server = Serving(tmp_path, port, settings)
    with server:
        assert not left.exists()
        (own,) = (tmp_path / "tmp").iterdir()
        os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS
        while own.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not own.exists()
