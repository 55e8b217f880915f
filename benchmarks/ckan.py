"""500 releases to a real CKAN: pushing against `ckanapi load datasets` with the same metadata, and pushing again.

Each way is a command of its own, measured whole, on an empty CKAN of its own (tests/servers/ckan; the servers below
are shared). ckanapi loads what it dumped from the CKAN that was pushed to, which has organisation and groups already.
The releases are the sample under many names: published once, then written to storage and records as often.
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
from tests.servers.ckan.stack import Ckan, running
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings

BIN = Path(sys.executable).parent
SAMPLE = Path(__file__).parent.parent / "catalogue" / "sample" / "exempel.xlsx"
# ckanapi starts its workers by name.
PATH = {"PATH": f"{BIN}:{os.environ['PATH']}"}
RELEASES, WORKERS = 500, 2
WARMING, WARMED = "warming", 40
# The limits of the issue.
TIMES_CKANAPI, TIMES_FIRST = 1, 20
# What datasets refer to, which has to be there before them.
BEFOREHAND = ("organizations", "groups")


@dataclass(frozen=True)
class _Run:
    """A command on one CKAN: what it cost, and how many requests it took."""

    cost: Cost
    requests: int

    def __str__(self) -> str:
        return f"{self.cost.seconds:.2f} s, {self.requests:,} requests"


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ckan", description=__doc__)
    parser.add_argument("--releases", type=int, default=RELEASES, help="how many datasets")
    parser.add_argument("--no-rows", action="store_true", help="leave out the push that fills the DataStore too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder, running() as stack:
        settings = _published(Path(folder), given.releases)
        with stack.serving() as ours, stack.serving() as theirs:
            yield from _metadata(settings, ours, theirs, given.releases)
        if not given.no_rows:
            with stack.serving() as whole:
                first = _push(settings, whole, rows="true")
                _count(whole, given.releases)
                yield Measured("pushed with DataStore rows", given.releases / first.cost.seconds, "/s", note=str(first))


def _metadata(settings: Settings, ours: Ckan, theirs: Ckan, releases: int) -> Iterator[Measured]:
    for ckan in (ours, theirs):
        _warm(ckan)
    first = _push(settings, ours)
    _count(ours, releases)
    loaded = _load(settings.home, ours, theirs)
    _count(theirs, releases)
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


def _warm(ckan: Ckan) -> None:
    """Datasets made and purged again, since the first that a process, Solr and the database see take long, whoever
    sends them."""
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there, ThreadPoolExecutor(WORKERS) as pool:
        there.action.organization_create(name=WARMING)
        names = [f"{WARMING}-{number}" for number in range(WARMED)]
        list(pool.map(lambda name: there.action.package_create(name=name, owner_org=WARMING), names))
        list(pool.map(lambda name: there.action.dataset_purge(id=name), names))
        there.action.organization_purge(id=WARMING)
    _count(ckan, 0)


def _published(folder: Path, releases: int) -> Settings:
    """A data folder whose records and storage have the sample as so many datasets."""
    settings = Settings(home=folder / "home")
    made = publish(SAMPLE, settings, dataset="bench-0")
    storage = Storage(settings.storage, settings.home / "cache")
    with Records(settings.database) as records:
        (first,) = records.finished()
        manifest = first.complete_manifest
        files = storage.local(made.dataset, made.version, "datapackage.json").parent
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
    for kind in (*BEFOREHAND, "datasets"):
        _ckanapi("dump", kind, "--all", "-O", str(folder / f"{kind}.jsonl"), "-q", "-r", source.url, "-a", source.token)
    at = ["-q", "-r", target.url, "-a", target.token]
    for kind in BEFOREHAND:
        # A group lists its datasets, which the target does not have yet.
        listed = (folder / f"{kind}.jsonl").read_text("utf-8").splitlines()
        bare = [{**json.loads(line), "packages": []} for line in listed]
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


def _count(ckan: Ckan, releases: int) -> None:
    """That all of them are there and found, lest a command is fast because it failed."""
    with RemoteCKAN(ckan.url) as there:
        found = there.action.package_search(rows=0)["count"]
    if found != releases:
        raise SystemExit(f"{ckan.url} shows {found} datasets, not {releases}.")
