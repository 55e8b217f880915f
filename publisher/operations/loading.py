"""Load of the visible releases into the graph store: the shared graphs, and the columns of each release.

The order of a publication's steps is in publish.py.
"""

import fcntl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pyoxigraph import RdfFormat, serialize
from rdflib import Graph

from vaven.publisher.columns.build import PreparedColumns, ReleasedColumns
from vaven.publisher.cube.observations import GZIP_FILE, ZSTD_FILE, write_triples
from vaven.publisher.graph.snapshot import try_lock
from vaven.publisher.graph.store import GraphStore
from vaven.publisher.integrity.disclosure import OBSERVATIONS
from vaven.publisher.metadata.catalogue import catalogue_record
from vaven.publisher.metadata.rules import vocabulary_triples
from vaven.publisher.metadata.shared_graph import merge_shared_triples, read_triples, split_shared
from vaven.publisher.rdf.compression import compressed_file
from vaven.publisher.releases.record_copies import RecordCopies
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal
from vaven.publisher.releases.release import stored_release
from vaven.publisher.releases.verification import Verification
from vaven.publisher.releases.versions import VersionHistory, version_histories
from vaven.publisher.settings import Settings
from vaven.vocab.errors import is_full_disk

# The files of Iris.shared_graphs.
SHARED = ("vocabulary", "catalogue", "reference")
METADATA = "metadata.ttl"


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Hold the lock of a data folder's only publishing process; wait for another one to end."""
    with _publish_lock(home) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def exclusive_now(home: Path) -> Iterator[bool]:
    """Hold the same lock, or yield False while another process holds it."""
    with _publish_lock(home) as descriptor:
        yield try_lock(descriptor, fcntl.LOCK_EX)


@contextmanager
def _publish_lock(home: Path) -> Iterator[int]:
    path = home / "publish.lock"
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as cause:
        if not (is_full_disk(cause) and path.exists()):
            raise
        # A disk that cannot be written can be examined.
        lock = path.open()
    with lock:
        yield lock.fileno()


def catch_up(settings: Settings, records: Records, store: GraphStore) -> None:
    """Record as visible the versions that the graph shows: a process may have been killed right after the switch."""
    for slug, version in store.contents().items():
        record = records.release(slug, version)
        if record and record.visible_at is None:
            RecordCopies(settings.record_storage).write(records.show(record))


def load_graphs(
    settings: Settings,
    records: Records,
    store: GraphStore,
    contents: Mapping[str, int],
    changed: str,
    withdrawals: Sequence[Withdrawal],
    columns: PreparedColumns | None = None,
) -> None:
    """Load the dataset `changed`, if any, in the version that `contents` states, and the shared graphs; then switch.

    `contents` is dataset to version of all that readers see afterwards; a dataset that is not in it is dropped.
    `columns` are those of the changed dataset, if they have been written.
    """
    iris = settings.iris
    damaged = damaged_datasets(settings, records, store, contents)
    readable = {dataset: version for dataset, version in contents.items() if dataset not in damaged}
    with tempfile.TemporaryDirectory(prefix="vaven-graph-") as folder:
        histories = version_histories(records.finished(), withdrawals, contents)
        described = [history for history in histories if history.slug not in damaged]
        shared = _shared_graphs(settings, histories, described, Path(folder))
        graphs = {graph: [path] for graph, path in zip(iris.shared_graphs, shared, strict=True)}
        releases = _released_columns(settings, records, readable, Path(folder))
        changed = iris.dataset(changed) if changed else ""
        store.replace(graphs, contents=contents, releases=releases, changed=changed, prepared=columns)


def damaged_datasets(settings: Settings, records: Records, store: GraphStore, contents: Mapping[str, int]) -> set[str]:
    """Return the datasets whose columns must be built of files that are not as they were published."""
    to_build = store.without_columns() if store.is_sound() else contents.keys()
    verification, damaged = Verification(settings.release_storage), set()
    for dataset in contents.keys() & to_build:
        record = records.release(dataset, contents[dataset])
        files = record.complete_manifest.files if record else ()
        needed = [file for file in files if file.name in (OBSERVATIONS, METADATA)]
        if any(verification.damaged(dataset, contents[dataset], needed)):
            damaged.add(dataset)
    return damaged


def _released_columns(
    settings: Settings, records: Records, contents: Mapping[str, int], folder: Path
) -> list[ReleasedColumns]:
    """Return the visible releases, whose files are read only where a snapshot lacks their columns."""
    releases, storage = [], settings.release_storage
    for dataset, version in contents.items():
        record = records.release(dataset, version)
        if record and record.manifest:
            observations = partial(storage.local, dataset, version, OBSERVATIONS)
            metadata = partial(_own_metadata, settings, dataset, version, folder)
            triples = partial(_own_graph, settings, record, folder)
            graph, about, areas = settings.iris.dataset(dataset), record.manifest.about, record.manifest.areas
            releases.append(ReleasedColumns(dataset, version, graph, about, areas, observations, metadata, triples))
    return releases


def _shared_graphs(
    settings: Settings, histories: Sequence[VersionHistory], described: Sequence[VersionHistory], folder: Path
) -> list[Path]:
    """Write the vocabulary, the catalogue's own record and the reference data, the files of Iris.shared_graphs.

    The reference data are of the `described` datasets.
    """
    iris, releases = settings.iris, settings.release_storage
    vocabulary, catalogue, reference = (folder / f"{name}.nt" for name in SHARED)
    vocabulary.write_bytes(vocabulary_triples(iris))
    _write(catalogue_record(iris, histories, settings.contact), catalogue)
    own, common = split_shared(read_triples(catalogue), iris)
    serialize(own, str(catalogue), format=RdfFormat.N_TRIPLES)
    current = sorted((h.newest for h in described if h.current is not None), key=lambda r: r.reserved_at)
    metadata = [(_metadata_hash(r), partial(releases.local, r.dataset, r.version, METADATA)) for r in current]
    known = set(read_triples(vocabulary))
    triples = merge_shared_triples(settings.home / "cache" / "reference.sqlite", iris, common, metadata)
    serialize((t for t in triples if t not in known), str(reference), format=RdfFormat.N_TRIPLES)
    return [vocabulary, catalogue, reference]


def _own_graph(settings: Settings, record: ReleaseRecord, folder: Path) -> list[Path]:
    """Return the files of a dataset's own graph: its metadata without shared triples, and its observations.

    N-Triples that the release does not have are generated for a store that must load them.
    """
    key, local = (record.dataset, record.version), settings.release_storage.local
    metadata = _own_metadata(settings, *key, folder)
    if record.complete_manifest.file(GZIP_FILE):
        return [metadata, local(*key, GZIP_FILE)]
    observations = folder / ZSTD_FILE
    columns = stored_release(record.complete_manifest, *key, local(*key, OBSERVATIONS).parent)
    with compressed_file(observations) as sink:
        write_triples(columns, settings.iris, [sink])
    return [metadata, observations]


def _own_metadata(settings: Settings, dataset: str, version: int, folder: Path) -> Path:
    """Write the triples of a release's metadata that no other graph has."""
    path = folder / f"{dataset}.nt"
    if not path.exists():
        own, _ = split_shared(read_triples(settings.release_storage.local(dataset, version, METADATA)), settings.iris)
        serialize(own, str(path), format=RdfFormat.N_TRIPLES)
    return path


def _write(graph: Graph, path: Path) -> None:
    graph.serialize(path, format="nt", encoding="utf-8")


def _metadata_hash(record: ReleaseRecord) -> str:
    return next(file.sha256 for file in record.complete_manifest.files if file.name == METADATA)
