"""The processes of `vaven serve`: which of them end and start again, and how a signal ends them all."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.conftest import SAMPLE, Serving, environment, free_port, vaven
from tests.whole.test_servers import descendants
from vaven.schemas.formats.child_process import Backoff

WAIT_SECONDS = 60
# A query that takes seconds: DuckDB compares all pairs of triples.
LONG = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . FILTER(STR(?c) < STR(?f)) }"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    port = free_port()
    settings = environment(tmp_path, port)
    done = vaven("publish", SAMPLE / "exempel.xlsx", environment=settings)
    assert done.returncode == 0, done.stderr
    server = Serving(tmp_path, port, settings)
    with server:
        yield server


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def started(serving: Serving, words: str) -> list[int]:
    """Return the processes below the server whose command has these words, the eldest first."""
    return sorted(pid for pid, _ in descendants(serving.pid) if words in command_of(pid))


def wait_for(serving: Serving, words: str, but: int) -> int:
    """Return the process with these words in its command that has replaced another one."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if others := [pid for pid in started(serving, words) if pid != but]:
            return others[0]
        time.sleep(0.1)
    raise AssertionError(f"no other process with {words!r}")


def test_a_web_process_that_is_killed_is_replaced_and_clients_wait(serving: Serving) -> None:
    first, web, *_ = started(serving, " serve ")
    assert requests.get(serving.site.url, timeout=WAIT_SECONDS).status_code == 200
    os.kill(web, signal.SIGKILL)
    # The port is the supervisor's: no connection is refused.
    assert requests.get(serving.site.url, timeout=WAIT_SECONDS).status_code == 200
    assert wait_for(serving, " serve ", first) != web
    assert "SIGKILL" in (serving.site.home / "serve.log").read_text()


def test_the_process_of_queued_jobs_is_replaced(serving: Serving) -> None:
    (jobs, *_) = started(serving, " jobs ")
    os.kill(jobs, signal.SIGKILL)
    other = wait_for(serving, " jobs ", jobs)
    assert other != jobs
    upload = {"file": ("tomt.csv", b"neighbourhood,kpi\n", "text/csv")}
    response = requests.post(f"{serving.site.url}validate", files=upload, timeout=WAIT_SECONDS)
    assert response.status_code in (200, 202)


def test_sigterm_completes_the_responses_that_have_begun(serving: Serving) -> None:
    responses: list[requests.Response] = []

    def ask() -> None:
        address = f"{serving.site.url}sparql?query={quote(LONG)}"
        responses.append(requests.get(address, headers={"Accept": "text/csv"}, timeout=WAIT_SECONDS))

    client = threading.Thread(target=ask)
    client.start()
    time.sleep(0.3)
    everything = [serving.pid, *(pid for pid, _ in descendants(serving.pid))]
    os.kill(started(serving, " serve ")[0], signal.SIGTERM)
    client.join(WAIT_SECONDS)
    assert responses[0].status_code == 200, responses[0].text
    assert int(responses[0].text.split()[1]) > 1_000_000
    deadline = time.monotonic() + WAIT_SECONDS
    while (left := [pid for pid in everything if " serve " in command_of(pid) or " jobs " in command_of(pid)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    assert left == []
    with pytest.raises(requests.ConnectionError):
        requests.get(serving.site.url, timeout=5)


def test_nothing_outlives_a_supervisor_that_is_killed(serving: Serving) -> None:
    (supervisor, *_) = started(serving, " serve ")
    everything = [pid for pid, _ in descendants(serving.pid)]
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_SECONDS
    while (left := [pid for pid in everything if command_of(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def test_a_process_that_fails_again_and_again_starts_later_each_time() -> None:
    backoff = Backoff()
    assert [backoff.after(1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(3600) == 0.5


def test_a_start_that_fails_says_why_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for setting, value in (("VAVEN_HOME", str(tmp_path / "file")), ("VAVEN_DATABASE_URL", "no address")):
        settings = environment(tmp_path, free_port()) | {setting: value}
        for command in (["serve", "--port", str(free_port())], ["publish", SAMPLE / "exempel.xlsx"]):
            done = vaven(*command, environment=settings)
            assert done.returncode in (1, 2), done.stderr
            assert "Traceback" not in done.stderr
            assert done.stderr.count("vaven: ") == 1


def test_a_site_starts_without_its_graph_and_its_records(tmp_path: Path) -> None:
    port = free_port()
    settings = environment(tmp_path, port)
    home = Path(settings["VAVEN_HOME"])
    home.mkdir(exist_ok=True)
    (home / "graph").touch()
    (home / "records.sqlite").write_bytes(b"no database " * 1000)
    with Serving(tmp_path, port, settings) as site:
        statuses = {
            path: requests.get(f"{site.url}{path}", timeout=WAIT_SECONDS).status_code
            for path in ("healthz", "validate", "datasets", "sparql?query=ASK%7B%7D")
        }
        ready = requests.get(f"{site.url}readyz", timeout=WAIT_SECONDS)
        log = (site.home / "serve.log").read_text()
    assert statuses["healthz"] == statuses["validate"] == 200
    assert statuses["datasets"] == 503
    assert statuses["sparql?query=ASK%7B%7D"] == 503
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    # What only operators may know is in the log.
    assert "not a database" not in ready.text
    assert "not a database" in log
    assert "vaven doctor" in log
    assert "Traceback" not in log
