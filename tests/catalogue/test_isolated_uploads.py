"""No upload ends or blocks the server: readers crash, loop and exhaust the memory in processes of their own."""

import io
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from flask import Flask

from tests.conftest import ROOT, VAVEN, Serving, environment, free_port
from tests.hostile_uploads import left_after, processes_below, send_hostile, send_small, started_processes
from tests.isolated_work import abort, echo, refuse, wait, work_forever
from tests.reading import HEADER, ROW
from vaven.catalogue.app import create_app
from vaven.catalogue.validation.fork_server import ForkServer
from vaven.catalogue.validation.jobs import WORKERS
from vaven.catalogue.validation.store import LARGE, SMALL, SMALL_BYTES, limits_of
from vaven.publisher.settings import Settings
from vaven.schemas.isolation import SHARE_SECONDS
from vaven.vocab.errors import NotReadable

API = "/api/v1/validations"
CONTENT = f"{HEADER}\n{ROW}\n"
# Loaded by every Python process with this folder on its path: a file "crash" ends its reader, "wait" occupies it.
READER = """
import os, time
try:
    from vaven.schemas.tables import read
except ImportError:
    read = None
if read:
    whole = read._read_into
    def crash(reading, source, *arguments):
        if "crash" in source.name:
            os.abort()
        if "wait" in source.name:
            time.sleep(600)
        return whole(reading, source, *arguments)
    read._read_into = crash
"""


@pytest.fixture(scope="module", autouse=True)
def path_of_tests() -> Iterator[None]:
    """Let the readers find the work of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture(scope="module")
def readers() -> Iterator[ForkServer]:
    readers = ForkServer()
    yield readers
    readers.close()


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, str]:
    """Settings of a server whose readers crash and wait."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "sitecustomize.py").write_text(READER)
    (tmp_path / "temporary").mkdir()
    return {"PYTHONPATH": str(tmp_path / "modules"), "TMPDIR": str(tmp_path / "temporary")}


def test_a_reader_returns_values_progress_and_refusals(readers: ForkServer) -> None:
    steps: list[tuple[str, float]] = []
    folder = readers(Path("a"), echo, progress=lambda *step: steps.append(step))
    assert steps == [("reading", 0.5)]
    assert not Path(folder).exists()
    with pytest.raises(NotReadable, match="not-readable-empty"):
        readers(Path("a"), refuse)


def test_a_crash_ends_neither_the_readers_of_others_nor_their_process(readers: ForkServer) -> None:
    for _ in range(3):
        with pytest.raises(NotReadable, match="not-readable-ended") as error:
            readers(Path("a"), abort)
        assert "(code -6)" in error.value.message("en")
        assert readers(Path("a"), echo)


def test_another_process_takes_the_place_of_a_killed_one(readers: ForkServer) -> None:
    readers(Path("a"), echo)
    assert readers._forking._process
    readers._forking._process.kill()
    readers._forking._process.wait()
    assert readers(Path("a"), echo)


def test_a_reader_makes_room_only_after_its_share_of_processor_time(readers: ForkServer) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        readers(Path("a"), work_forever, limits=replace(SMALL, seconds=200, yields=False), is_crowded=lambda: True)
    assert time.monotonic() - started > SHARE_SECONDS - 0.5
    assert readers(Path("a"), echo, is_crowded=lambda: True)
    with pytest.raises(NotReadable, match="not-readable-ended"):
        readers(Path("a"), wait, limits=replace(SMALL, seconds=1), is_crowded=lambda: True)


def test_closing_ends_all_readers_and_removes_their_files(readers: ForkServer) -> None:
    own = ForkServer()
    folder = Path(own(Path("a"), echo)).parent.parent
    assert folder.is_dir()
    # Systems delete temporary files that are days old.
    folder.rmdir()
    assert Path(own(Path("a"), echo)).parent.parent == folder
    own.close()
    assert not folder.exists()
    assert readers(Path("a"), echo)


def test_large_files_get_more_time(tmp_path: Path) -> None:
    (tmp_path / "small").touch()
    (tmp_path / "large").write_bytes(b"x" * (SMALL_BYTES + 1))
    assert limits_of(tmp_path / "small") == SMALL
    assert limits_of(tmp_path / "large").seconds > LARGE.seconds
    assert SMALL.seconds < 60


def test_where_no_reader_becomes_free_a_program_is_told_and_the_api_queues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaven.catalogue.validation.uploads.WAIT_SECONDS", 0)
    app: Flask = create_app(Settings(home=tmp_path))
    try:
        uploads = app.extensions["vaven"].uploads
        uploads._slots.close()
        client = app.test_client()

        busy = client.post("/validate?format=json", data={"file": (io.BytesIO(CONTENT.encode()), "a.csv")})
        assert busy.status_code == 503
        queued = client.post(API, data={"file": (io.BytesIO(CONTENT.encode()), "a.csv")})
        assert (queued.status_code, queued.get_json()["state"]) == (202, "waiting")
    finally:
        app.extensions["vaven"].close()


# A real server.


def test_a_crash_is_a_verdict_and_a_killed_server_leaves_nothing(tmp_path: Path, modules: dict[str, str]) -> None:
    (tmp_path / "home").mkdir()
    port = free_port()
    serving = Serving(tmp_path / "home", port, environment(tmp_path / "home", port, **modules))
    with serving as site:
        for prefer in ("", "respond-async"):
            file = {"file": ("crash.csv", CONTENT)}
            response = requests.post(site.url + API[1:], files=file, headers={"Prefer": prefer}, timeout=120)
            status = until_done(site.url, response.json())
            assert (status["verdict"], status["counts"]) == ("not-checked", {"not-readable-ended": 1})
        send_small(site)
        with pytest.raises(requests.Timeout):
            requests.post(site.url + API[1:], files={"file": ("wait.csv", CONTENT)}, timeout=3)
        tree = processes_below(serving.pid)
        assert sum("fork_server" in line for line in tree.values()) == 3
        # The arbiter started the web process.
        server, _ = sorted(process for process, line in tree.items() if "serve" in line.split() and "jobs" not in line)
        os.kill(server, signal.SIGKILL)
        assert still_running(tree) == []
    assert list(Path(modules["TMPDIR"]).glob("vaven-*")) == []


def test_a_killed_consumer_leaves_no_worker(tmp_path: Path) -> None:
    consumer = subprocess.Popen([VAVEN, "jobs"], env=environment(tmp_path, free_port()), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(workers := processes_below(consumer.pid)) < WORKERS + 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    consumer.kill()
    consumer.wait()
    assert len(workers) == WORKERS + 1
    assert still_running(workers) == []


def test_hostile_files_leave_the_server_to_others(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    port = free_port()
    settings = environment(tmp_path, port, VAVEN_UPLOADS_A_MINUTE="1000", TMPDIR=str(tmp_path / "temporary"))
    serving = Serving(tmp_path, port, settings)
    with serving as site:
        before = started_processes(serving, site)
        outcome = send_hostile(site, 10, senders=4)
        assert sum(outcome.verdicts.values()) == 10
        assert all(verdict.startswith(("not-checked", "invalid")) for verdict in outcome.verdicts), outcome.verdicts
        assert outcome.small_seconds
        assert requests.get(site.url + "healthz", timeout=30).ok
        assert left_after(serving.pid, before) == []
    assert list((tmp_path / "temporary").iterdir()) == []


def until_done(url: str, status: dict[str, object], seconds: float = 120) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    while status["state"] in ("waiting", "checking") and time.monotonic() < deadline:
        time.sleep(0.1)
        links = status["links"]
        assert isinstance(links, dict)
        status = requests.get(url.rstrip("/") + links["self"], timeout=30).json()
    return status


def still_running(processes: dict[int, str], seconds: float = 20) -> list[str]:
    """Return the processes, without the supervisor's own, that have not ended after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        left = [line for process, line in processes.items() if is_running(process)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_process_that_forks_has_a_single_thread(readers: ForkServer) -> None:
    assert readers(Path("a"), echo)
    assert readers._forking._process
    status = Path(f"/proc/{readers._forking._process.pid}/status").read_text()
    assert "\nThreads:\t1\n" in status
