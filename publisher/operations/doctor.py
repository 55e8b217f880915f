"""Comparison of all stores with each other, and their repair from the releases (`vaven doctor`).

The records say what was published, the manifests in them what each file is. Everything else is derived from the
releases: graph, columns, copies of records and CKAN. Nothing is derived by guessing: a file is restored only if every
byte is as it was published.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vaven.publisher.ckan.push import compare
from vaven.publisher.ckan.run import current_datasets, open_site, plan_of, push_datasets
from vaven.publisher.columns.open import Columns
from vaven.publisher.graph.store import EmbeddedStore, GraphStore, open_store
from vaven.publisher.operations.defects import Defect
from vaven.publisher.operations.loading import catch_up, exclusive, load_graphs
from vaven.publisher.operations.rebuilding import rebuild_lost
from vaven.publisher.operations.release_files import damaged_files, quarantine, restore
from vaven.publisher.published.collection import recorded_versions
from vaven.publisher.releases.record_copies import RecordCopies, is_older
from vaven.publisher.releases.records import Records, ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.vocab.errors import (
    CkanError,
    DamagedFile,
    PublishingFailed,
    RecordsUnavailable,
    StoreUnavailable,
    VavenError,
)

# Names of what a killed process leaves in the data folder, and in the folders of submissions and snapshots.
LEFTOVERS = (".release-*", ".restore-*", "originals/part-*", "graph/snapshots/.part-*", "graph/current.part")


def examine(settings: Settings) -> list[Defect]:
    """Return all defects. Changes nothing, but that a missing database is created, and waits for a publication to end.

    Cost: every file of every release is read once.
    """
    with exclusive(settings.home):
        return list(_defects(settings))


def repair(settings: Settings, progress: Callable[[Defect], None] = lambda _: None) -> list[Defect]:
    """Repair what can be; return the defects that remain. `progress` gets each defect that was there before.

    Damaged files that cannot be restored are moved to the folder `quarantine`, and all others are served.
    """
    with exclusive(settings.home):
        for defect in _defects(settings):
            progress(defect)
        _repair_records(settings)
        with Records(settings.database) as records:
            store = open_store(settings)
            for record in records.finished():
                for _ in quarantine(settings, record, restore(settings, record)):
                    pass
            rebuild_lost(settings, records, store)
            catch_up(settings, records, store)
            RecordCopies(settings.record_storage).complete(records)
            if list(_graph_defects(settings, records)):
                _rebuild_graph(settings, records, store)
            for path in _leftovers(settings):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if settings.ckan_url and list(_ckan_defects(settings, records)):
                # An error is among the defects that remain.
                with suppress(CkanError):
                    push_datasets(settings, records)
        return list(_defects(settings))


def _defects(settings: Settings) -> Iterator[Defect]:
    with Records(settings.database) as records:
        try:
            finished = records.finished()
        except RecordsUnavailable as error:
            yield Defect("records", error, bool(_sqlite_path(settings)))
            return
        yield from _copy_defects(settings, records)
        for record in finished:
            if damaged := damaged_files(settings, record):
                names = tuple(file.name for file in damaged)
                yield _damaged(record, names)
        yield from _unrecorded(settings, records)
        yield from _graph_defects(settings, records)
        for path in _leftovers(settings):
            yield Defect("leftovers", PublishingFailed("publisher.leftover", path=path.relative_to(settings.home)))
        if settings.ckan_url:
            yield from _ckan_defects(settings, records)


def _damaged(record: ReleaseRecord, names: tuple[str, ...]) -> Defect:
    values: dict[str, Any] = {"dataset": record.dataset, "version": record.version, "files": names}
    return Defect("files", DamagedFile("publisher.release-damaged", **values))


def _copy_defects(settings: Settings, records: Records) -> Iterator[Defect]:
    """Compare the records with their copies: what only the copies have was lost from the database."""
    copies = RecordCopies(settings.record_storage).read()
    finished = {(r.dataset, r.version): r for r in records.finished()}
    tombstones = {(w.dataset, w.version): w for w in records.withdrawals()}
    for dataset, version in sorted(copies.releases.keys() - finished.keys()):
        yield Defect("records", PublishingFailed("publisher.record-lost", dataset=dataset, version=version))
    for dataset, version in sorted(copies.tombstones.keys() - tombstones.keys()):
        yield Defect("records", PublishingFailed("publisher.withdrawal-lost", dataset=dataset, version=version))
    other = {key for key, copy in copies.releases.items() if key in finished and finished[key] != copy}
    damaged = {key for key in other if not is_older(copies.releases[key], finished[key])}
    for dataset, version in sorted(damaged):
        yield Defect("records", PublishingFailed("publisher.record-damaged", dataset=dataset, version=version))
    stale = [*(other - damaged), *(finished.keys() - copies.releases.keys())]
    stale += [key for key, tombstone in tombstones.items() if copies.tombstones.get(key) != tombstone]
    if stale or copies.damaged:
        yield Defect("records", PublishingFailed("publisher.copies-stale", count=len(stale) or len(copies.damaged)))


def _unrecorded(settings: Settings, records: Records) -> Iterator[Defect]:
    """Yield folders of releases that no record or copy names; an unfinished publication has a record."""
    storage = settings.release_storage
    for dataset in storage.names():
        if dataset.startswith("_"):
            continue
        for name in storage.names(dataset):
            is_known = name.isdecimal() and records.release(dataset, int(name))
            if not is_known:
                yield Defect(
                    "files", PublishingFailed("publisher.release-unrecorded", folder=f"{dataset}/{name}"), False
                )


def _graph_defects(settings: Settings, records: Records) -> Iterator[Defect]:
    """Compare the graph with the records: the visible versions, and the number of observations of each."""
    store = open_store(settings)
    try:
        contents = store.contents()
        withdrawn = {(w.dataset, w.version) for w in records.withdrawals()}
        recorded = {
            r.dataset: r.version for r in records.finished() if r.visible_at and (r.dataset, r.version) not in withdrawn
        }
        if (recorded or contents) and not store.is_sound():
            yield Defect("graph", StoreUnavailable("publisher.snapshot-damaged"))
            return
        missing = set(store.without_columns())
        different = {d for d in recorded.keys() | contents.keys() if recorded.get(d) != contents.get(d)}
        if isinstance(store, EmbeddedStore):
            different |= _other_counts(store, records, contents)
    except VavenError as error:
        yield Defect("graph", error)
        return
    if missing:
        yield Defect("graph", StoreUnavailable("publisher.graph-lacks", datasets=tuple(sorted(missing))))
    if different:
        yield Defect("graph", StoreUnavailable("publisher.graph-differs", datasets=tuple(sorted(different))))


def _other_counts(store: EmbeddedStore, records: Records, contents: Mapping[str, int]) -> set[str]:
    """Return the datasets of which the columns have another number of observations than the manifest."""
    current = store.current()
    if not current or not contents:
        return set()
    columns = Columns(current.folder)
    try:
        counts = {
            part.file: (columns.connection.execute(f"SELECT count(*) FROM part_{number}.columns").fetchone() or (0,))[0]
            for number, part in columns.parts.items()
        }
    finally:
        columns.close()
    different = set()
    for dataset, version in contents.items():
        record, count = records.release(dataset, version), counts.get(f"{dataset}-{version}.duckdb")
        if record and count is not None and count != record.complete_manifest.rows["observations"]:
            different.add(dataset)
    return different


def _rebuild_graph(settings: Settings, records: Records, store: GraphStore) -> None:
    """Load what the records say that readers see, without anything of the state before."""
    recorded = recorded_versions(records)
    # A server keeps the graphs of datasets that are not named as changed.
    changed = sorted(recorded.keys() | store.contents().keys()) if settings.sparql_query_url else [""]
    for dataset in changed:
        store.distrust()
        load_graphs(settings, records, store, recorded, dataset, records.withdrawals())


def _ckan_defects(settings: Settings, records: Records) -> Iterator[Defect]:
    """Compare every current dataset with the configured CKAN."""
    try:
        with open_site(settings) as site:
            for record, dataset in current_datasets(settings, records):
                if differences := compare(site, dataset, plan_of(settings)):
                    values: dict[str, Any] = {"dataset": record.dataset, "count": len(differences)}
                    yield Defect("ckan", PublishingFailed("publisher.ckan-differs", **values))
    except CkanError as error:
        yield Defect("ckan", error, is_repairable=False)


def _leftovers(settings: Settings) -> list[Path]:
    return sorted(path for pattern in LEFTOVERS for path in settings.home.glob(pattern))


def _repair_records(settings: Settings) -> None:
    """Build a damaged or lost database again from the copies; the damaged file is put into the quarantine."""
    copies = RecordCopies(settings.record_storage).read()
    with Records(settings.database) as records:
        try:
            finished = {(r.dataset, r.version): r for r in records.finished()}
            records.restore(copies.releases.values(), copies.tombstones.values())
            for key, copy in copies.releases.items():
                if key in finished and finished[key] != copy and not is_older(copy, finished[key]):
                    records.overwrite(copy)
            return
        except RecordsUnavailable:
            path = _sqlite_path(settings)
            if not path or not path.exists() or not copies.releases:
                raise
    target = settings.home / "quarantine" / f"{path.name}-{time.time_ns()}"
    target.parent.mkdir(exist_ok=True)
    for file in path.parent.glob(f"{path.name}*"):
        # The journal belongs to it.
        file.rename(f"{target}{file.name.removeprefix(path.name)}")
    with Records(settings.database) as records:
        records.restore(copies.releases.values(), copies.tombstones.values())


def _sqlite_path(settings: Settings) -> Path | None:
    """Return the file of the embedded database; None for a server, which sees to its data itself."""
    return None if settings.database_url else settings.home / "records.sqlite"
