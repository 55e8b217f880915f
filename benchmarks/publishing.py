"""From a valid submission to its last observation in the endpoint: seconds after the check, and disk.

`vaven publish` reads, checks, releases, describes, emits, checks integrity and builds a snapshot, while `vaven serve`
runs and is queried for the last observation. The triples are stored once: as the columns of a snapshot, whose size is
the disk that the endpoint needs in addition to the release.
"""

import argparse
import csv
import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Cost, Measured
from benchmarks.site import SLUG, Site, submission, wait_for
from vaven.publisher.integrity.emission import KEY
from vaven.vocab.messages import messages

MILLION = 1_000_000
TINY = ("--rows", "2000")
# Our own limits: seconds from the end of the check, MB of the snapshot.
SECONDS, MEGABYTES = 5, 50
LANGUAGE = "en"
# The step that follows the check.
AFTER_CHECK = "cli.step.content"


@dataclass(frozen=True)
class _Publication:
    """Seconds from the start until the check has ended, and until the endpoint has the data; the command's cost."""

    checked: float
    visible: float
    command: Cost


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks publishing", description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION, help="observations of the submission")
    parser.add_argument("--home", type=Path, help="a folder to leave the site in, for `endpoint --home`")
    options = parser.parse_args(arguments)
    which = f"{options.rows:,} rows:"
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as temporary:
        folder = Path(temporary)
        site = Site(options.home or folder / "home")
        publication = _published(site, submission(folder / "submission.csv", options.rows))
        megabytes = sum(file.stat().st_size for file in site.snapshot.folder.rglob("*") if file.is_file()) / 1e6
    note = f"the check ended after {publication.checked:.1f} s, the command after {publication.command.seconds:.1f} s"
    seconds = publication.visible - publication.checked
    yield Measured(f"{which} from the check to the endpoint", seconds, "s", SECONDS, note=note)
    yield Measured(f"{which} disk in addition to the release", megabytes, "MB", MEGABYTES)
    yield Measured(f"{which} memory of the largest process", publication.command.megabytes, "MB")


def _published(site: Site, table: Path) -> _Publication:
    with table.open(newline="") as lines:
        last = deque(csv.DictReader(lines), maxlen=1)[0]
    iri = site.iris.observation(SLUG, *(last[name] for name in KEY))
    with site.serving() as server, ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        command = pool.submit(_publish, site, table)
        wait_for(server, f"ASK {{ GRAPH <{site.iris.dataset(SLUG)}> {{ <{iri}> ?p ?o }} }}", command)
        visible = time.perf_counter() - started
        checked, cost = command.result()
        return _Publication(checked, visible, cost)


def _publish(site: Site, table: Path) -> tuple[float, Cost]:
    """Run `vaven publish`; returns the seconds until the check has ended, and the command's cost."""
    started, checked = time.perf_counter(), 0.0
    step = messages(LANGUAGE, "catalogue")(AFTER_CHECK)
    command = [*site.publish_command(table), "--lang", LANGUAGE]
    environment = {**os.environ, **site.environment}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if step in line:
                checked = time.perf_counter() - started
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cost = Cost(time.perf_counter() - started, usage.ru_maxrss / 1024, process.returncode)
    if cost.exit_code or not checked:
        raise SystemExit(f"vaven publish ended with exit code {cost.exit_code}.")
    return checked, cost
