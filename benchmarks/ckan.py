"""500 releases to a real CKAN: pushing against `ckanapi load datasets` with the same metadata, and pushing again.

Each is a whole command on an empty CKAN of its own (tests/servers/ckan; the servers below are shared). ckanapi loads
its dump of the CKAN that was pushed to, which has organisation and groups already. The releases are the sample under
many names: published once, then copied in storage and records.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ckanapi import RemoteCKAN

from benchmarks.measure import Cost, Measured, measure
from tests.servers.ckan.instance import Ckan
from tests.servers.ckan.stack import running
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings

BIN = Path(sys.executable).parent
SAMPLE = Path(__file__).parent.parent / "catalogue" / "sample" / "exempel.xlsx"
# ckanapi starts its workers by name.
PATH = {"PATH": f"{BIN}:{os.environ['PATH']}"}
RELEASES, WORKERS = 500, 2
WARM_UP, WARM_UP_DATASETS = "warming", 40
TINY = ("--releases", "2", "--warm-up", "2")
# Our own limits.
TIMES_CKANAPI, TIMES_FIRST = 1, 20
# Datasets refer to them, so they are loaded first.
REFERENCED = ("organizations", "groups")


@dataclass(frozen=True)
class _Run:
    """Cost of a command on one CKAN, and the number of its requests."""

    cost: Cost
    requests: int

    def __str__(self) -> str:
        return f"{self.cost.seconds:.2f} s, {self.requests:,} requests"


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ckan", description=__doc__)
    parser.add_argument("--releases", type=int, default=RELEASES, help="how many datasets")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_DATASETS, help="datasets created and purged beforehand")
    parser.add_argument("--no-rows", action="store_true", help="leave out the push that fills the DataStore too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder, running() as stack:
        settings = _published(Path(folder), options.releases)
        with stack.serving() as ours, stack.serving() as theirs:
            for ckan in (ours, theirs):
                _warm_up(ckan, options.warm_up)
            yield from _metadata(settings, ours, theirs, options.releases)
        if not options.no_rows:
            with stack.serving() as ckan:
                first = _push(settings, ckan, rows="true")
                _check_count(ckan, options.releases)
                rate = options.releases / first.cost.seconds
                yield Measured("pushed with DataStore rows", rate, "/s", note=str(first))


def _metadata(settings: Settings, ours: Ckan, theirs: Ckan, releases: int) -> Iterator[Measured]:
    first = _push(settings, ours)
    _check_count(ours, releases)
    loaded = _load(settings.home, ours, theirs)
    _check_count(theirs, releases)
    again = _push(settings, ours)
    yield Measured("pushed", releases / first.cost.seconds, "/s", note=str(first))
    yield Measured("requests a dataset", first.requests / releases, "")
    yield Measured(
        f"faster than ckanapi load datasets -p {WORKERS}",
        loaded.cost.seconds / first.cost.seconds,
        limit=TIMES_CKANAPI,
        at_least=True,
        note=f"ckanapi: {loaded}",
    )
    yield Measured(
        "second push, unchanged: faster than the first",
        first.cost.seconds / again.cost.seconds,
        limit=TIMES_FIRST,
        at_least=True,
        note=str(again),
    )


def _warm_up(ckan: Ckan, datasets: int) -> None:
    """Create and purge datasets, since the first ones take a new process, Solr and the database long."""
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there, ThreadPoolExecutor(WORKERS) as pool:
        there.action.organization_create(name=WARM_UP)
        names = [f"{WARM_UP}-{number}" for number in range(datasets)]
        list(pool.map(lambda name: there.action.package_create(name=name, owner_org=WARM_UP), names))
        list(pool.map(lambda name: there.action.dataset_purge(id=name), names))
        there.action.organization_purge(id=WARM_UP)
    _check_count(ckan, 0)


def _published(folder: Path, releases: int) -> Settings:
    """Return the settings of a data folder that contains the sample as `releases` datasets."""
    settings = Settings(home=folder / "home")
    published = publish(SAMPLE, settings, dataset="bench-0")
    storage = Storage(settings.storage, settings.home / "cache")
    with Records(settings.database) as records:
        (first,) = records.finished()
        manifest = first.complete_manifest
        files = storage.local(published.dataset, published.version, "datapackage.json").parent
        for number in range(1, releases):
            name = f"bench-{number}"
            titles = {language: f"{text} {number}" for language, text in manifest.about.titles.items()}
            about = replace(manifest.about, slug=name, titles=titles)
            record = records.reserve(name, first.content_sha256, first.source_sha256, first.source_name)
            storage.put(files, name, 1)
            records.show(records.finish(record, replace(manifest, about=about)))
    return settings


def _push(settings: Settings, ckan: Ckan, rows: str = "false") -> _Run:
    environment = {
        "VAVEN_HOME": str(settings.home),
        "VAVEN_CKAN_URL": ckan.url,
        "VAVEN_CKAN_TOKEN": ckan.token,
        "VAVEN_CKAN_ROWS": rows,
    }
    return _counted(ckan, [str(BIN / "vaven"), "ckan", "push", "--workers", str(WORKERS)], environment)


def _load(folder: Path, source: Ckan, target: Ckan) -> _Run:
    for kind in (*REFERENCED, "datasets"):
        _ckanapi("dump", kind, "--all", "-O", str(folder / f"{kind}.jsonl"), "-q", "-r", source.url, "-a", source.token)
    at = ["-q", "-r", target.url, "-a", target.token]
    for kind in REFERENCED:
        # A group lists its datasets, which the target does not have yet.
        lines = (folder / f"{kind}.jsonl").read_text("utf-8").splitlines()
        bare = [{**json.loads(line), "packages": []} for line in lines]
        (folder / f"{kind}.jsonl").write_text("\n".join(map(json.dumps, bare)), "utf-8")
        _ckanapi("load", kind, "-I", str(folder / f"{kind}.jsonl"), *at)
    command = ["load", "datasets", "-p", str(WORKERS), "-I", str(folder / "datasets.jsonl"), *at]
    return _counted(target, [str(BIN / "ckanapi"), *command], PATH)


def _ckanapi(*arguments: str) -> None:
    subprocess.run([str(BIN / "ckanapi"), *arguments], check=True, stdout=subprocess.DEVNULL, env=os.environ | PATH)


def _counted(ckan: Ckan, command: Sequence[str], environment: dict[str, str]) -> _Run:
    before = ckan.requests()
    cost = measure(command, environment=environment)
    if cost.exit_code:
        raise SystemExit(f"{' '.join(command)} ended with exit code {cost.exit_code}.")
    return _Run(cost, ckan.requests() - before)


def _check_count(ckan: Ckan, releases: int) -> None:
    """Raise SystemExit unless a search finds all datasets: a command may be fast because it failed."""
    with RemoteCKAN(ckan.url) as there:
        count = there.action.package_search(rows=0)["count"]
    if count != releases:
        raise SystemExit(f"{ckan.url} has {count} datasets, not {releases}.")
