"""`make fuzz`: hostile files sent to a running server, while another client sends small ones.

The server must go on, check each small file within SMALL_SECONDS, and have no reader left a minute after the last file.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from tests.conftest import Serving, Site, environment, free_port
from tests.hostile_files import hostile_files
from tests.reading import HEADER, ROW

API = "api/v1/validations"
SMALL_SECONDS = 10
SENDERS = 8
PAUSE_SECONDS = 0.5
# The other client's own address; all of 127.0.0.0/8 is this machine.
OTHER_ADDRESS = "127.0.0.2"


class _FromAddress(HTTPAdapter):
    """Connect from an address of its own, as another client does."""

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=(OTHER_ADDRESS, 0), **options)  # type: ignore[arg-type]


@dataclass
class Outcome:
    """Verdicts and seconds of the hostile files, seconds of the small ones, and what was left afterwards."""

    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    small_seconds: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def send_hostile(site: Site, count: int, seed: int = 0, senders: int = SENDERS) -> Outcome:
    """Send `count` hostile files by as many threads as `senders`, and small ones meanwhile."""
    outcome, has_ended = Outcome(), threading.Event()
    files = hostile_files(count, seed)
    other = threading.Thread(target=_send_small, args=(site, outcome, has_ended))
    other.start()
    try:
        with ThreadPoolExecutor(senders) as pool:
            for name, verdict, seconds in pool.map(lambda file: _send(site, *file), files):
                outcome.verdicts[verdict] += 1
                outcome.seconds[name] = seconds
    finally:
        has_ended.set()
        other.join()
    return outcome


def _send(site: Site, name: str, content: bytes) -> tuple[str, str, float]:
    """Upload a file by the API, or as a program that waits for the report; return name, verdict and seconds."""
    start = time.monotonic()
    url = site.url + (API if len(content) % 2 else "validate?format=json")
    response = requests.post(url, files={"file": (name, content)}, timeout=600)
    is_json = "json" in response.headers["Content-Type"]
    body = response.json() if is_json else {}
    verdict = str(body.get("verdict") or response.status_code)
    if verdict == "not-checked" and len(content) % 2:
        verdict = f"not-checked: {', '.join(body['counts'])}"
    return name, verdict, time.monotonic() - start


def _send_small(site: Site, outcome: Outcome, has_ended: threading.Event) -> None:
    """Check a small file again and again, and note the seconds until its report is there."""
    while not has_ended.is_set():
        outcome.small_seconds.append(send_small(site))
        has_ended.wait(PAUSE_SECONDS)


def started_processes(serving: Serving, site: Site) -> dict[int, str]:
    """Return the processes of a server that has read files at once and from its queue."""
    send_small(site)
    send_small(site, prefer="respond-async")
    return processes_below(serving.pid)


def send_small(site: Site, prefer: str = "") -> float:
    """Check a small file from another address; return the seconds until its report is there."""
    start = time.monotonic()
    with requests.Session() as client:
        client.mount("http://", _FromAddress())
        file = {"file": ("small.csv", f"{HEADER}\n{ROW}\n")}
        status = client.post(site.url + API, files=file, headers={"Prefer": prefer}, timeout=600).json()
        while status.get("state") in ("waiting", "checking"):
            time.sleep(0.1)
            status = client.get(site.url.rstrip("/") + status["links"]["self"], timeout=60).json()
    assert str(status.get("verdict")).startswith("valid"), status
    return time.monotonic() - start


def processes_below(root: int) -> dict[int, str]:
    """Return the command lines of the descendants of a process (proc(5)), by their ids; a zombie's is empty."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            process, parent = int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents[process], lines[process] = parent, (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    below: set[int] = set()
    while more := {process for process, parent in parents.items() if parent in below | {root}} - below:
        below |= more
    return {process: lines[process] for process in below}


def left_after(root: int, before: Collection[int], seconds: float = 60) -> list[str]:
    """Return the processes below `root`, beyond those of `before`, that are still there after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        left = [line for process, line in processes_below(root).items() if process not in before]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="number of files")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as temporary:
        port = free_port()
        settings = environment(Path(home), port, VAVEN_UPLOADS_A_MINUTE="100000", TMPDIR=temporary)
        serving = Serving(Path(home), port, settings)
        with serving as site:
            before = started_processes(serving, site)
            outcome = send_hostile(site, options.count, options.seed)
            is_alive = requests.get(site.url + "healthz", timeout=30).ok
            left = left_after(serving.pid, before)
        files = sorted(path.name for path in Path(temporary).rglob("*"))
    for verdict, count in outcome.verdicts.most_common():
        print(f"{count:4} {verdict}")
    slowest = sorted(outcome.seconds.items(), key=lambda item: -item[1])[:5]
    print("slowest hostile files:", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest))
    longest = max(outcome.small_seconds, default=float("inf"))
    print(f"{len(outcome.small_seconds)} small files of another client, the slowest in {longest:.1f} s")
    print(f"the server is {'alive' if is_alive else 'gone'}; readers left: {left}; temporary files left: {files}")
    return int(not is_alive or bool(left) or bool(files) or longest > SMALL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
