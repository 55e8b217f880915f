"""From a partner's file to a visible release: the one place that knows the order of the steps.

received → validated → integrity → released → in-graph → in-ckan. Each step may be done again without harm, and is
noted in the records. Readers see a release whole or not at all: what they see is switched at one point
(with the embedded store by its snapshot's pointer, else by the record's `visible_at`).
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pyoxigraph import RdfFormat, serialize
from rdflib import Graph

from vaven.publisher.ckan.run import push_release
from vaven.publisher.cube.observation_counts import observation_counts
from vaven.publisher.cube.observations import Emission, emit
from vaven.publisher.graph.store import GraphStore, open_store
from vaven.publisher.integrity.constraints import Violation, summary
from vaven.publisher.integrity.run import check_integrity, invalid_iris, unknown_codes
from vaven.publisher.integrity.trace import trace_violations
from vaven.publisher.metadata.catalogue import catalogue_record
from vaven.publisher.metadata.dataset import describe
from vaven.publisher.metadata.provenance import ProvenanceRecord
from vaven.publisher.metadata.quality import measure_quality
from vaven.publisher.metadata.rules import published_vocabulary
from vaven.publisher.metadata.shared_graph import merge_shared_triples, read_triples, split_shared
from vaven.publisher.published.collection import visible_versions
from vaven.publisher.rdf.turtle import as_turtle
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal, now
from vaven.publisher.releases.release import (
    Release,
    release,
    released_file,
    stamp,
    write_datapackage,
    write_receipt,
    write_workbook,
)
from vaven.publisher.releases.storage import Storage
from vaven.publisher.releases.versions import version_histories
from vaven.publisher.settings import Settings
from vaven.schemas.check import check
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import DETECT, ReadOptions
from vaven.schemas.tables.read import read
from vaven.vocab.errors import NotPublishable

Progress = Callable[[str], None]
# The files of Iris.shared_graphs.
SHARED = ("vocabulary", "catalogue", "reference")
METADATA = "metadata.ttl"


@dataclass(frozen=True)
class Published:
    """What came of it. `is_new` is False when the same content was already the current version."""

    dataset: str
    version: int
    is_new: bool
    report: Report
    ckan: str


@dataclass(frozen=True)
class _Whole:
    """A release before it is stored: its files, what was emitted, what it says of itself, and counted."""

    release: Release
    emission: Emission
    metadata: Graph
    statistics: Mapping[str, Any]


class SubmissionRefused(NotPublishable):
    """The submission was checked and has errors, or its release breaks a rule (integrity.py); `report` says which."""

    def __init__(self, report: Report) -> None:
        super().__init__("publisher.submission-refused")
        self.report = report


def publish(
    source: Path,
    settings: Settings,
    *,
    dataset: str | None = None,
    note: str = "",
    choices: ReadOptions = DETECT,
    progress: Progress = lambda _: None,
) -> Published:
    """Take a submission all the way. `progress` is told the name of each step before it begins.

    `choices` are what the sender decides of how the file is read; the release's receipt has them.

    Raises Refused when the report has errors, NotReadable and PublishingFailed as their names say. Killed at
    any point and run again with the same file it ends in the same state.
    """
    with alone(settings.home):
        records = Records(settings.database)
        try:
            return _publish(source, settings, records, dataset, note, choices, progress)
        finally:
            records.close()


def _publish(
    source: Path,
    settings: Settings,
    records: Records,
    dataset: str | None,
    note: str,
    choices: ReadOptions,
    progress: Progress,
) -> Published:
    store = open_store(settings, progress)
    catch_up(records, store)
    progress("received")
    began_at = now()
    kept = _keep_original(source, settings.home / "originals")
    with tempfile.TemporaryDirectory(prefix="vaven-release-") as folder:
        progress("validated")
        with read(source, slug=dataset, choices=choices) as tables:
            report = check(tables, thresholds=settings.thresholds)
            if not report.is_publishable:
                raise SubmissionRefused(report)
            progress("content")
            made = release(tables, Path(folder), default_licence=settings.default_licence)
        record = records.reserve(made.dataset, made.sha256, kept.name, source.name)
        is_new = record.visible_at is None
        if is_new:
            records.note_step(record, "received", kept.name)
            records.note_step(record, "validated", report.verdict.value)
        if record.manifest is None:
            progress("released")
            found = list(unknown_codes(made, settings.iris))
            whole = None if found else _complete(settings, records, record, made, report, note, began_at)
            progress("integrity")
            found += _breaches(settings, whole) if whole else []
            records.note_step(record, "integrity", summary(found) or "holds")
            if found or not whole:
                original = kept if source.is_dir() else kept / source.name
                raise SubmissionRefused(
                    trace_violations(report, found, original, dataset, choices, made, settings.iris)
                )
            record = _store_release(settings, records, record, whole)
        progress("in-graph")
        _load(settings, records, store, record)
        progress("visible")
        records.show(record)
        progress("in-ckan")
        result = "not configured"
        if settings.ckan_url:
            result = push_release(settings, records, record)
        else:
            records.note_step(record, "in-ckan", result)
        store.settle()
        progress("done")
        return Published(record.dataset, record.version, is_new, report, result)


def catch_up(records: Records, store: GraphStore) -> None:
    """Note as visible what the graph already shows: the trace of a process killed right after the switch."""
    for slug, version in store.contents().items():
        record = records.release(slug, version)
        if record and record.visible_at is None:
            records.show(record)


def _complete(
    settings: Settings,
    records: Records,
    record: ReleaseRecord,
    made: Release,
    report: Report,
    note: str,
    began_at: datetime,
) -> _Whole:
    """The release with all of its files but its descriptions."""
    stamped = stamp(made, record.version, record.reserved_at, note)
    write_receipt(stamped, report)
    write_workbook(stamped)
    emitted = emit(stamped, settings.iris)
    counted = observation_counts(stamped, emitted, settings.iris)
    files = [
        released_file(path)
        for path in sorted(stamped.folder.iterdir())
        if path.suffix in (".csv", ".parquet", ".xlsx", ".gz", ".zst")
    ]
    making, first = ProvenanceRecord(report, began_at, now()), records.release(record.dataset, 1) or record
    metadata = describe(
        stamped, settings.iris, files, making, measure_quality(stamped), counted, first_issued_at=first.reserved_at
    )
    return _Whole(stamped, emitted, metadata, asdict(counted))


def _breaches(settings: Settings, whole: _Whole) -> list[Violation]:
    """Write `metadata.ttl`, and say what of the release breaks a rule."""
    if found := list(invalid_iris(whole.metadata)):
        return found
    (whole.release.folder / METADATA).write_text(as_turtle(whole.metadata, settings.iris), "utf-8")
    return check_integrity(whole.release, settings.iris, whole.emission, whole.metadata)


def _store_release(settings: Settings, records: Records, record: ReleaseRecord, whole: _Whole) -> ReleaseRecord:
    """Put the folder where releases are kept, and note that it is whole."""
    made = whole.release
    manifest = write_datapackage(made, whole.statistics)
    storage(settings).put(made.folder, made.dataset, made.version)
    finished = records.finish(record, manifest)
    records.note_step(finished, "released")
    return finished


def _load(settings: Settings, records: Records, store: GraphStore, record: ReleaseRecord) -> None:
    """Put the release, the vocabulary, the catalogue's own record and the reference data into the graph, and switch."""
    contents = visible_versions(records, store) | {record.dataset: record.version}
    if store.contents().get(record.dataset) == record.version:
        return
    load_graphs(settings, records, store, contents, record.dataset, records.withdrawals())
    records.note_step(record, "in-graph")


def load_graphs(
    settings: Settings,
    records: Records,
    store: GraphStore,
    contents: Mapping[str, int],
    changed: str,
    withdrawals: Sequence[Withdrawal],
) -> None:
    """Make the graph hold what `contents` says of the dataset `changed`, with what is not its own, and switch."""
    iris, kept, version = settings.iris, storage(settings), contents.get(changed)
    with tempfile.TemporaryDirectory(prefix="vaven-graph-") as folder:
        files = {name: Path(folder) / f"{name}.nt" for name in (*SHARED, "own")}
        finished, own = records.finished(), list[Path]()
        _write(published_vocabulary(iris), files["vocabulary"])
        _write(catalogue_record(iris, version_histories(finished, withdrawals, contents)), files["catalogue"])
        listed, common = split_shared(read_triples(files["catalogue"]), iris)
        serialize(listed, str(files["catalogue"]), format=RdfFormat.N_TRIPLES)
        current = sorted((r for r in finished if contents.get(r.dataset) == r.version), key=lambda r: r.reserved_at)
        described = [(_metadata_hash(r), partial(kept.local, r.dataset, r.version, METADATA)) for r in current]
        known = set(read_triples(files["vocabulary"]))
        reference = merge_shared_triples(settings.home / "cache" / "reference.sqlite", iris, common, described)
        serialize((t for t in reference if t not in known), str(files["reference"]), format=RdfFormat.N_TRIPLES)
        if version is not None:
            said, _ = split_shared(read_triples(kept.local(changed, version, METADATA)), iris)
            serialize(said, str(files["own"]), format=RdfFormat.N_TRIPLES)
            own = [files["own"], kept.local(changed, version, "observations.nt.gz")]
        graphs: dict[str, Sequence[Path]] = {
            graph: [files[name]] for graph, name in zip(iris.shared_graphs, SHARED, strict=True)
        }
        store.replace(graphs | {iris.dataset(changed): own}, contents=contents)


def _write(graph: Graph, path: Path) -> None:
    graph.serialize(path, format="nt", encoding="utf-8")


def _metadata_hash(record: ReleaseRecord) -> str:
    return next(file.sha256 for file in record.complete_manifest.files if file.name == METADATA)


def storage(settings: Settings) -> Storage:
    return Storage(settings.storage, settings.home / "cache")


def _keep_original(source: Path, folder: Path) -> Path:
    """Copy the submission to `originals/{sha256}/`, which is never public. A folder is kept as its files."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob("part-*"):
        # A copy that was cut off: nobody else is at work here, since one process publishes at a time.
        shutil.rmtree(left)
    paths = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    kept = folder / digest.hexdigest()
    if not kept.exists():
        part = Path(tempfile.mkdtemp(prefix="part-", dir=folder))
        for path in paths:
            target = part / (path.relative_to(source) if source.is_dir() else path.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        part.replace(kept)
    return kept


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One publishing process a data folder; a second one waits for the first."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "publish.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
