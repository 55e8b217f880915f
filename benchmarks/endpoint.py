"""The endpoint over HTTP: all example queries, repeated queries, and ordinary queries beside eight endless ones.

The queries are those of queries/, each run in turn by the site, by SQL written for DuckDB (sql/) and by Virtuoso, about
another area, KPI and year each time; the site's cache is off then. Beside the generated observations the sample is
published, which has targets, investments and missing values. Everything runs on the same processors, the clients too.
"""

import argparse
import math
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import duckdb

from benchmarks.answering import CSV, Constants, Engine, all_constants, by_hand, by_site, by_virtuoso
from benchmarks.measure import Measured
from benchmarks.site import AREA, BASE, EXAMPLE_KPIS, SLUG, Server, Site, query_path, submission
from vaven.vocab.example_queries import examples

MILLION = 1_000_000
QUERIES = 12
TINY = ("--rows", "2000", "--rounds", "2", "--deadline", "30", "--load-seconds", "1")
# Our own limits: for all queries, and for the typical ones against Virtuoso.
TIMES_BY_HAND, MORE_SECONDS = 3, 0.020
FASTER_QUERIES, VIRTUOSO_MILLISECONDS = 10, 25
FIRST_MILLISECONDS = 300
REQUESTS_A_SECOND, PAGE_MILLISECONDS = 1_000, 200
ENDLESS_CLIENTS = 8
# The first takes time, the second memory as well.
ENDLESS = (
    "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER (?a != <urn:NAME>) }",
    "SELECT * { ?a ?b ?c . ?d ?e ?f FILTER (?a != <urn:NAME>) } ORDER BY ?f ?c ?a",
)
ORDINARY = "one-area-over-time"
PAGES = (
    "",
    "kpis",
    f"kpi/{EXAMPLE_KPIS[0]}",
    f"area/deso2018/{AREA}",
    "datasets",
    f"dataset/{SLUG}",
    "areas",
    "sparql",
)
LOAD_SECONDS = 10
WATCH_SECONDS = 0.1
SAMPLE = Path(__file__).parents[1] / "catalogue" / "sample" / "package" / "datapackage.json"
REMEDY = "apt-get install wrk virtuoso-opensource-7 (`make test-environment`)"


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks endpoint", description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION, help="observations that are published")
    parser.add_argument("--home", type=Path, help="a site that `publishing --home` has left, instead")
    parser.add_argument("--rounds", type=int, default=7, help="how often each engine runs each query; 2 or more")
    parser.add_argument("--deadline", type=int, default=10, help="seconds a query may take beside endless ones")
    parser.add_argument("--load-seconds", type=int, default=LOAD_SECONDS, help="length of the load by a repeated query")
    parser.add_argument("--only", choices=("typical", "repeated", "endless"), help="one of the parts")
    options = parser.parse_args(arguments)
    if missing := [program for program in ("wrk", "virtuoso-t") if not shutil.which(program)]:
        raise SystemExit(f"{' and '.join(missing)} must be installed: {REMEDY}.")
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as temporary:
        folder = Path(temporary)
        site = Site(options.home or folder / "home")
        if not options.home:
            site.publish(submission(folder / "submission.csv", options.rows))
        if options.only in (None, "typical"):
            site.publish(SAMPLE, dataset="")
            yield from _typical(site, folder, options.rounds)
            yield from _first(site, folder)
        if options.only in (None, "repeated"):
            yield _repeated(site, options.load_seconds)
        if options.only in (None, "endless"):
            yield from _beside_endless(site, options.deadline)


def _typical(site: Site, folder: Path, rounds: int) -> Iterator[Measured]:
    """Run each query on each engine in turn, so that other load on the machine affects all of them."""
    milliseconds: dict[str, tuple[float, float]] = {}
    with ExitStack() as stack:
        engines: dict[str, Engine] = {"Virtuoso": stack.enter_context(by_virtuoso(site, folder / "virtuoso"))}
        engines["by hand"] = stack.enter_context(by_hand(site, folder / "by-hand"))
        # Without a cache and without a deadline, as the others.
        unbounded = site.serving(query_cache_mb="0", query_seconds="600")
        engines["ours"] = by_site(stack.enter_context(unbounded))
        for name in examples():
            seconds: dict[str, list[float]] = {engine: [] for engine in engines}
            rows: dict[str, int] = {}
            for round_, constants in enumerate(islice(all_constants(site), rounds + 1)):
                for engine, ask in engines.items():
                    duration, rows[engine] = ask(name, constants)
                    # The first round warms files and caches.
                    if round_:
                        seconds[engine].append(duration)
                _check_rows(name, constants, rows)
            yield from _compared(name, seconds, rows)
            ours, virtuoso = (statistics.median(seconds[engine]) * 1000 for engine in ("ours", "Virtuoso"))
            # No result, or another one, is not fast.
            milliseconds[name] = ours, virtuoso if rows["Virtuoso"] == rows["ours"] else math.inf
    yield from _against_virtuoso([*milliseconds.values()][:QUERIES])


def _check_rows(name: str, constants: Constants, rows: Mapping[str, int]) -> None:
    if rows["ours"] != rows["by hand"]:
        raise SystemExit(f"{name} has {rows['ours']} rows, {rows['by hand']} by hand, with {constants}.")
    if not rows["ours"]:
        raise SystemExit(f"{name} has no rows with {constants}, so its time means nothing.")


def _compared(name: str, seconds: Mapping[str, Sequence[float]], rows: Mapping[str, int]) -> Iterator[Measured]:
    """Yield median and 95th percentile as shares of the limit, which is the median's."""
    for what, of in (("median", statistics.median), ("p95", _p95)):
        ours, by_hand_, virtuoso = (of(seconds[engine]) for engine in ("ours", "by hand", "Virtuoso"))
        allowed = TIMES_BY_HAND * by_hand_ + MORE_SECONDS
        note = f"{_ms(ours)} against {_ms(by_hand_)} by hand, Virtuoso {_ms(virtuoso)}"
        if rows["Virtuoso"] != rows["ours"]:
            note += f" ({rows['Virtuoso']} rows instead of {rows['ours']})"
        limit = 1 if what == "median" else None
        yield Measured(f"{name}, {what}, of 3 by hand + 20 ms", ours / allowed, limit=limit, note=note)


def _against_virtuoso(medians: Sequence[tuple[float, float]]) -> Iterator[Measured]:
    """Compare the medians of the typical queries, which are the first ones: ours and Virtuoso's in milliseconds."""
    slower = [ours - virtuoso for ours, virtuoso in medians if ours >= virtuoso]
    faster, limit = len(medians) - len(slower), FASTER_QUERIES
    yield Measured("typical queries faster than in Virtuoso", faster, "", limit, True, f"of {len(medians)}")
    most = max(slower, default=0.0)
    yield Measured("… the others, slower by", most, "ms", VIRTUOSO_MILLISECONDS, note="the slowest")


def _first(site: Site, folder: Path) -> Iterator[Measured]:
    """Time the first query of a server, and the first one after something has been published."""
    constants = islice(all_constants(site), 3)
    with site.serving(query_cache_mb="0") as server:
        ask = by_site(server)
        seconds, _ = ask(ORDINARY, next(constants))
        yield Measured("the first query after a start", seconds * 1000, "ms", FIRST_MILLISECONDS)
        ask(ORDINARY, next(constants))
        site.publish(submission(folder / "more.csv", 2000), dataset="more")
        seconds, _ = ask(ORDINARY, next(constants))
        yield Measured("the first query after a publication", seconds * 1000, "ms", FIRST_MILLISECONDS)


def _repeated(site: Site, load_seconds: int) -> Measured:
    """Load the site with one query by wrk, on the same processors as the server."""
    query = examples()[ORDINARY].query(BASE)
    with site.serving() as server:
        _, body = server.ask(query, CSV)
        options = ["-t1", "-c16", "--timeout", "60s", f"-d{load_seconds}s", "-H", f"Accept: {CSV}"]
        command = ["wrk", *options, server.url + query_path(query)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if rate is None or "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"Output of wrk:\n{output}")
    note = f"{len(body):,} bytes each, wrk with 16 connections"
    return Measured("a repeated query", float(rate[1]), "/s", REQUESTS_A_SECOND, at_least=True, note=note)


@dataclass
class _Siege:
    """Clients that send endless queries until `stop`; counts of statuses, and the largest memory of a worker (KB)."""

    server: Server
    stop: threading.Event = field(default_factory=threading.Event)
    statuses: Counter[int] = field(default_factory=Counter)
    space: int = 0
    resident: int = 0

    def ask(self, client: int) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            query = ENDLESS[(client + number) % len(ENDLESS)].replace("NAME", f"{client}-{number}")
            status, _ = self.server.ask(query, X_Forwarded_For=f"192.0.2.{client}")
            self.statuses[status] += 1

    def watch(self) -> None:
        while not self.stop.is_set():
            for pid in self.server.workers():
                self.space = max(self.space, _kilobytes(pid, "VmPeak"))
                self.resident = max(self.resident, _kilobytes(pid, "VmHWM"))
            time.sleep(WATCH_SECONDS)


def _beside_endless(site: Site, deadline: int) -> Iterator[Measured]:
    with site.serving(query_seconds=str(deadline), trusted_proxy="127.0.0.1") as server:
        codes = _areas(site)[: 2 * QUERIES]
        quiet_seconds, before = _ordinary(server, codes[::2])
        quiet = statistics.median(quiet_seconds)
        quiet_pages = _pages(server)
        with _besieged(server) as siege:
            time.sleep(2)
            seconds, statuses = _ordinary(server, codes[1::2])
            pages = [page for _ in range(5) for page in _pages(server)]
    allowed = deadline + 2 * quiet
    if set(before) != {200}:
        raise SystemExit(f"Without other clients, the statuses of the ordinary query are {dict(before)}.")
    note = f"{statuses[200]} of {statuses.total()}"
    yield Measured("ordinary queries with a result", statuses[200] / statuses.total(), "", 1, True, note)
    note = f"slowest {max(seconds):.2f} s, median {_ms(statistics.median(seconds))}, quiet {_ms(quiet)}"
    yield Measured("an ordinary query, of deadline + 2 quiet", max(seconds) / allowed, limit=1, note=note)
    note = f"median {statistics.median(ms for ms, _ in pages):.0f} ms, the slowest {max(pages)[1] or '/'}"
    note += f"; quiet {statistics.median(ms for ms, _ in quiet_pages):.0f} and {max(quiet_pages)[0]:.0f} ms"
    yield Measured("a page, the slowest", max(pages)[0], "ms", PAGE_MILLISECONDS, note=note)
    note = f"{siege.resident >> 10} MB resident; endless: {dict(sorted(siege.statuses.items()))}"
    yield Measured("a worker's memory, the largest", siege.space / 1024, "MB", 2048, note=note)
    explained = sum(n for status, n in siege.statuses.items() if status in (429, 503, 504, 507))
    share = explained / siege.statuses.total()
    yield Measured("endless queries ended with an explanation", share, "", 1, at_least=True)


@contextmanager
def _besieged(server: Server) -> Iterator[_Siege]:
    siege = _Siege(server)
    threads = [threading.Thread(target=siege.ask, args=(client,)) for client in range(ENDLESS_CLIENTS)]
    threads.append(threading.Thread(target=siege.watch))
    for thread in threads:
        thread.start()
    try:
        yield siege
    finally:
        siege.stop.set()
        for thread in threads:
            thread.join()


def _ordinary(server: Server, codes: Sequence[str]) -> tuple[list[float], Counter[int]]:
    """Send the same query about different areas, so that none is cached; returns seconds and statuses."""
    query, seconds, statuses = examples()[ORDINARY].query(BASE), [], Counter[int]()
    for code in codes:
        started = time.perf_counter()
        status, _ = server.ask(query.replace(AREA, code))
        seconds.append(time.perf_counter() - started)
        statuses[status] += 1
    return seconds, statuses


def _pages(server: Server) -> list[tuple[float, str]]:
    """Return milliseconds and path of each page."""
    pages = []
    for path in PAGES:
        started = time.perf_counter()
        status, _ = server.get(path, Accept="text/html")
        pages.append(((time.perf_counter() - started) * 1000, path))
        if status != 200:
            raise SystemExit(f"/{path} has status {status}.")
    return pages


def _areas(site: Site) -> list[str]:
    with duckdb.connect() as reading:
        query = "SELECT DISTINCT neighbourhood FROM read_parquet(?) ORDER BY 1"
        return [code for (code,) in reading.execute(query, [str(site.file("observations.parquet"))]).fetchall()]


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _kilobytes(pid: int, name: str) -> int:
    """Return a value of /proc/PID/status; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    match = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(match[1]) if match else 0
