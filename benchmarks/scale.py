"""National scale: 21 datasets, one for each län, and the example queries over them.

The whole is `--share 1`: 5,984 DeSO of 2018, 48 KPIs, 20 years, 3 sexes and 6 age groups, 103 million observations. A
smaller share has that share of each län's areas. Each file is written, published by the installed command and deleted;
time, memory and disk are measured by step of the command. The temporary files of the command are below the same folder,
so that the disk's peak contains them. docs/scale.md has the figures.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.measure import Measured
from benchmarks.observations import LICENCE_AND_PUBLISHER
from benchmarks.site import AREA, BASE, VAVEN, Site
from vaven.vocab.areas import areas
from vaven.vocab.example_queries import examples
from vaven.vocab.messages import messages
from vaven.vocab.register import Kpi, kpis

TINY = ("--lan", "01", "--lan", "09", "--share", "0.0001", "--years", "2", "--rounds", "1")
MILLION = 1_000_000
YEARS, GROUPS = 20, 18
# Steps of the command as docs/scale.md has them, each with the names of its progress.
STEPS = {
    "receive": ("received",),
    "read and check": ("validated",),
    "write the tables": ("content",),
    "describe": ("released",),
    "check the release": ("integrity",),
    "columns and switch": ("in-graph", "load", "checkpoint", "switch", "clean", "visible"),
    "N-Triples": ("triples",),
    "record": ("in-ckan", "recorded", "done"),
}
# The steps between the check and the endpoint.
AFTER_CHECK = tuple(STEPS)[2:6]
# The limits of the whole.
SECONDS_AFTER_CHECK, MEGABYTES_A_MILLION, QUERY_SECONDS, DISK_GB = 5, 50, 3, 40
WATCH_SECONDS = 0.5
COUNTS = ("SEK", "persons", "hours", "dwellings", "meeting places")
MEMORY = "2GB"


@dataclass
class _Usage:
    """Seconds and largest resident memory (MB) of a step."""

    seconds: float = 0
    megabytes: float = 0


@dataclass
class _Watched:
    """A published dataset: its observations, the usage by step, processor seconds, and the disk's peak (GB)."""

    lan: str
    observations: int
    steps: dict[str, _Usage] = field(default_factory=lambda: defaultdict(_Usage))
    processor_seconds: float = 0
    disk_gb: float = 0

    @property
    def seconds(self) -> float:
        return sum(usage.seconds for usage in self.steps.values())


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument("--share", type=float, default=0.01, help="share of each län's areas; 1 is the whole country")
    parser.add_argument("--lan", action="append", help="only this län, by its code of two digits; may be repeated")
    parser.add_argument("--years", type=int, default=YEARS)
    parser.add_argument("--rounds", type=int, default=3, help="how often each query runs")
    parser.add_argument(
        "--home", type=Path, help="a folder to leave the site in; datasets that it has are not replaced"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-scale-", dir=options.home and options.home.parent) as temporary:
        folder = Path(temporary)
        site = Site(options.home or folder / "home")
        published = []
        for lan, codes in _areas_by_lan(options.share, options.lan).items():
            if not (site.home / "releases" / _slug(lan)).exists():
                published.append(_published(site, lan, codes, options.years, folder))
                print(f"  {_line(published[-1])}", file=sys.stderr, flush=True)
        if published:
            yield from _costs(site, published)
        yield from _queries(site, options.rounds)


def _areas_by_lan(share: float, only: Sequence[str] | None) -> dict[str, list[str]]:
    """Return the areas of each län, at least one; the area of the example queries is the first of its own."""
    every = sorted(areas().deso2018, key=lambda code: (code[:2], code != AREA))
    by_lan = {lan: list(codes) for lan, codes in groupby(every, key=lambda code: code[:2])}
    return {lan: codes[: max(round(share * len(codes)), 1)] for lan, codes in by_lan.items() if not only or lan in only}


def _slug(lan: str) -> str:
    return f"lan-{lan}"


def _published(site: Site, lan: str, codes: Sequence[str], years: int, folder: Path) -> _Watched:
    """Write the file of a län, publish it and delete it."""
    table = folder / f"{_slug(lan)}.csv"
    _write(table, codes, years)
    watched = _Watched(lan, len(codes) * len(kpis()) * years * GROUPS)
    options = ["--licence", str(LICENCE_AND_PUBLISHER.licence), "--publisher", str(LICENCE_AND_PUBLISHER.publisher)]
    command = [str(VAVEN), "publish", str(table), "--dataset", _slug(lan), "--lang", "en", *options]
    settings = {"VAVEN_HOME": str(site.home), "VAVEN_BASE_IRI": BASE, "TMPDIR": str(folder)}
    before = _processor_seconds()
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    _watch(process, watched, (folder, site.home))
    if process.wait():
        raise SystemExit(f"vaven publish of {table.name} ended with exit code {process.returncode}.")
    watched.processor_seconds = _processor_seconds() - before
    table.unlink()
    return watched


def _processor_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _write(path: Path, codes: Sequence[str], years: int) -> None:
    config = {"memory_limit": MEMORY, "temp_directory": str(path.parent / "sort")}
    with duckdb.connect(config=config) as work:
        work.execute("CREATE TABLE codes AS SELECT unnest($1::VARCHAR[]) AS code", [list(codes)])
        work.execute(
            """CREATE TABLE indicators (slug VARCHAR, lowest DOUBLE, highest DOUBLE, decimals INTEGER, is_count BOOLEAN,
            method VARCHAR)"""
        )
        work.executemany(
            "INSERT INTO indicators VALUES (?, ?, ?, ?, ?, ?)", [_indicator(kpi) for kpi in kpis().values()]
        )
        work.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").format(years=years, path=path))


def _indicator(kpi: Kpi) -> tuple[object, ...]:
    unit, highest = kpi.unit("en"), kpi.maximum or 1000
    highest = min(highest, 100) if unit == "%" else highest
    is_survey = kpi.denominators.get("en", "").startswith("respond")
    method = "survey" if is_survey else "count" if unit in COUNTS else "register"
    decimals = 3 if highest == 1 else 0 if unit.startswith("class") else 1
    return kpi.id, kpi.minimum or 0, highest, decimals, unit in COUNTS, method


def _watch(process: "subprocess.Popen[str]", watched: _Watched, folders: Sequence[Path]) -> None:
    """Follow the progress of the command to its end, and measure each step."""
    text = messages("en", "catalogue")
    steps = {f"… {text(f'cli.step.{name}')}": step for step, names in STEPS.items() for name in names}
    current, ended = ["receive"], threading.Event()

    def sample() -> None:
        while not ended.wait(WATCH_SECONDS):
            usage = watched.steps[current[0]]
            usage.megabytes = max(usage.megabytes, _resident_mb(process.pid))
            watched.disk_gb = max(watched.disk_gb, sum(map(_size, folders)) / 1e9)

    sampling = threading.Thread(target=sample)
    sampling.start()
    since = time.perf_counter()
    assert process.stderr is not None
    for line in process.stderr:
        if step := steps.get(line.rstrip("\n")):
            watched.steps[current[0]].seconds += time.perf_counter() - since
            since, current[0] = time.perf_counter(), step
    watched.steps[current[0]].seconds += time.perf_counter() - since
    ended.set()
    sampling.join()


def _resident_mb(pid: int) -> float:
    """Return the resident memory of a process and its children; shared pages of a fork count once for each."""
    command = ["ps", "-o", "rss=", "-p", str(pid), "--ppid", str(pid)]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return sum(map(int, output.split())) / 1024


def _size(folder: Path) -> int:
    """Return the bytes on disk below a folder; a file with two names counts once."""
    blocks = {}
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        blocks[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(blocks.values())


def _line(watched: _Watched) -> str:
    steps = ", ".join(f"{step} {u.seconds:.1f} s {u.megabytes:.0f} MB" for step, u in watched.steps.items())
    totals = f"{watched.seconds:.1f} s, {watched.processor_seconds:.1f} s of processors, {watched.disk_gb:.2f} GB"
    return f"{watched.lan}: {watched.observations:,} in {totals}: {steps}"


def _costs(site: Site, published: Sequence[_Watched]) -> Iterator[Measured]:
    total = sum(watched.observations for watched in published)
    for step in STEPS:
        seconds = sum(watched.steps[step].seconds for watched in published)
        memory = max(watched.steps[step].megabytes for watched in published)
        note = f"{seconds:.1f} s in all, {memory:.0f} MB at most"
        yield Measured(f"{step}, a million observations", seconds / total * MILLION, "s", note=note)
    seconds = sum(watched.processor_seconds for watched in published)
    yield Measured("processor time of all, a million observations", seconds / total * MILLION, "s")
    after = sum(watched.steps[step].seconds for watched in published for step in AFTER_CHECK)
    # A command of its own for each of 21 small files begins 21 times.
    limit = SECONDS_AFTER_CHECK if total >= 10 * MILLION else None
    yield Measured("from the check to the endpoint, a million", after / total * MILLION, "s", limit)
    peak = max(watched.disk_gb for watched in published)
    yield Measured(f"disk at its peak, {total:,} observations", peak, "GB", DISK_GB)
    releases, originals = (_size(site.home / name) / 1e9 for name in ("releases", "originals"))
    beside = _size(site.home) / 1e6 - 1000 * (releases + originals)
    limit = MEGABYTES_A_MILLION if total >= 10 * MILLION else None
    note = f"releases {releases:.2f} GB, originals {originals:.2f} GB"
    yield Measured("disk beside release and original, a million", beside / total * MILLION, "MB", limit, note=note)


def _queries(site: Site, rounds: int) -> Iterator[Measured]:
    """Run the example queries over HTTP without a cache, by a worker of two threads and 2 GB."""
    with site.serving(query_cache_mb="0", query_workers="1") as server:
        # The first query waits for the start of its worker.
        server.ask("ASK {}")
        for name, example in examples().items():
            query, seconds, rows = example.query(BASE), [], 0
            for _ in range(rounds):
                started = time.perf_counter()
                status, body = server.ask(query, "text/csv")
                seconds.append(time.perf_counter() - started)
                rows = body.count(b"\n") - 1
                if status != 200:
                    break
            note = f"{rows:,} rows; the first {seconds[0]:.2f} s, the slowest {max(seconds):.2f} s"
            note = note if status == 200 else f"status {status} after {seconds[-1]:.2f} s"
            yield Measured(name, median(seconds) if status == 200 else math.inf, "s", QUERY_SECONDS, note=note)
