"""Servers that tests start end with the test run, also where it is killed by SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.servers.process import ServerProcess

START_SECONDS, END_SECONDS = 540, 10
# Parts of the names of processes that run while a server of each kind is held.
NAMES = {"virtuoso-t", "oxigraph", "java", "postgres", "redis-server", "gunicorn", "vaven", "node", "chrom"}


def processes() -> dict[tuple[int, int], tuple[int, str]]:
    """Return the parent and the name of each process that has not ended, by its id and start time."""
    running = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            start, _, rest = entry.read_text(errors="replace").rpartition(") ")
            fields = rest.split()
            if fields[0] not in "ZX":
                running[int(entry.parent.name), int(fields[19])] = int(fields[1]), start.partition(" (")[2]
    return running


def descendants(pid: int) -> dict[tuple[int, int], str]:
    """Return the names of the processes that a process has started, directly or not."""
    running = processes()
    family = {pid}
    while True:
        children = {own for (own, _), (parent, _) in running.items() if parent in family} - family
        if not children:
            return {key: name for key, (_, name) in running.items() if key[0] in family - {pid}}
        family |= children


@pytest.mark.timeout(START_SECONDS + 60)
def test_no_process_of_a_killed_run_remains(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    held = "tests/whole/hold_a_server.py"
    command = [sys.executable, "-m", "pytest", "-q", "-n1", "--timeout=0", f"--basetemp={tmp_path / 'run'}", held]
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "READY": str(ready)}, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while not ready.exists():
        assert run.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.2)
    started = descendants(run.pid)
    assert {part for part in NAMES if not any(part in name for name in started.values())} == set(), started
    run.kill()
    run.wait()
    deadline = time.monotonic() + END_SECONDS
    while (remaining := started.keys() & processes().keys()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid, _ in remaining:
        os.kill(pid, signal.SIGKILL)
    assert not {started[key] for key in remaining}


def test_a_stopped_server_leaves_no_descendant() -> None:
    """A descendant in a session of its own outlives its parent, as PostgreSQL's and Chromium's processes would."""
    server = ServerProcess(["sh", "-c", "setsid sleep 600 & setsid sleep 600 & wait"])
    while len(started := [key for key, name in descendants(server.pid).items() if name == "sleep"]) < 2:
        time.sleep(0.05)
    server.stop()
    assert server.returncode == -signal.SIGTERM
    assert not set(started) & processes().keys()


def test_a_killed_server_ends_at_once_with_the_status_of_sigkill() -> None:
    server = ServerProcess(["sleep", "600"])
    while not descendants(server.pid):
        time.sleep(0.05)
    server.kill()
    assert server.wait(5) == -signal.SIGKILL
