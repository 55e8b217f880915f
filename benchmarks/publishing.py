"""From a valid submission to its last observation in the endpoint, against a bare pyoxigraph bulk load.

Ours is everything: `vaven publish` reads, checks, releases, describes, emits, checks integrity, stores, loads and
checkpoints, while `vaven serve` runs and is queried for the last observation. The peer loads the same triples, as plain
N-Triples, into a graph of the same name. Its time without a graph name is printed too: Oxigraph then writes three
indexes instead of six, and a dataset cannot be replaced.
"""

import argparse
import csv
import gzip
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measure import Cost, Measured, measure
from benchmarks.site import SLUG, Site, submission, wait_for
from vaven.publisher.integrity.emission import KEY

MILLION = 1_000_000
TINY = ("--rows", "2000")
# Our own limit.
TIMES_BARE = 1.3
BARE = """
import sys
from pyoxigraph import NamedNode, RdfFormat, Store
folder, triples, *graph = sys.argv[1:]
store = Store(folder)
store.bulk_load(path=triples, format=RdfFormat.N_TRIPLES, to_graph=NamedNode(graph[0]) if graph else None)
store.flush()
"""
BLOCK = 1 << 20


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks publishing", description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION, help="observations of the submission")
    parser.add_argument("--home", type=Path, help="a folder to leave the site in, for `endpoint --home`")
    options = parser.parse_args(arguments)
    which = f"{options.rows:,} rows:"
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as temporary:
        folder = Path(temporary)
        site = Site(options.home or folder / "home")
        cost, seconds = _published(site, submission(folder / "submission.csv", options.rows))
        triples = _plain(site.file("observations.nt.gz"), folder / "observations.nt")
        named = _bare(folder, triples, site.iris.dataset(SLUG))
        nameless = _bare(folder, triples)
    note = f"{seconds:.1f} s, {cost.megabytes:.0f} MB against {named}"
    yield Measured(f"{which} publishing, of the bare bulk load", seconds / named.seconds, limit=TIMES_BARE, note=note)
    note = f"{cost.seconds:.1f} s with the layers of the store merged"
    yield Measured(f"{which} … to the end of the command", cost.seconds / named.seconds, note=note)
    yield Measured(f"{which} … of a bare load without a graph's name", seconds / nameless.seconds, note=str(nameless))


def _published(site: Site, table: Path) -> tuple[Cost, float]:
    """Publish; returns the command's cost, and the seconds until the endpoint has the last observation.

    The command goes on after that: it merges the layers of the store.
    """
    with table.open(newline="") as lines:
        last = deque(csv.DictReader(lines), maxlen=1)[0]
    iri = site.iris.observation(SLUG, *(last[name] for name in KEY))
    with site.serving() as server, ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        command = pool.submit(site.publish, table)
        wait_for(server, f"ASK {{ GRAPH <{site.iris.dataset(SLUG)}> {{ <{iri}> ?p ?o }} }}", command)
        seconds = time.perf_counter() - started
        return command.result(), seconds


def _plain(compressed: Path, target: Path) -> Path:
    with gzip.open(compressed, "rb") as source, target.open("wb") as plain:
        shutil.copyfileobj(source, plain, BLOCK)
    return target


def _bare(folder: Path, triples: Path, *graph: str) -> Cost:
    cost = measure([sys.executable, "-c", BARE, str(folder / "bare"), str(triples), *graph])
    if cost.exit_code:
        raise SystemExit(f"The bare bulk load ended with exit code {cost.exit_code}.")
    shutil.rmtree(folder / "bare")
    return cost
