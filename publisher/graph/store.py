"""Stores of the published triples: embedded Oxigraph with checkpoint snapshots, or any SPARQL 1.1 server.

One process writes at a time. Readers never see the store that is written to: they open a snapshot, a hard-link
checkpoint. Replacing one small file switches to a new snapshot. A snapshot contains `contents.json` (dataset to
version), so that pages and endpoint switch in the same instant.
"""

import fcntl
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import duckdb
from pyoxigraph import BlankNode, NamedNode, Quad, QuerySolution, RdfFormat, Store, parse

from vaven.publisher.columns.build import ReleasedColumns, build, link
from vaven.publisher.graph.remote_store import RemoteStore
from vaven.publisher.graph.snapshot import Snapshot, try_lock
from vaven.publisher.graph.sparql_client import RemoteServer, addresses
from vaven.publisher.rdf.compression import DAMAGE, SUFFIXES, decompressed_file
from vaven.publisher.rdf.files import Graphs, rdf_suffix
from vaven.publisher.settings import Settings
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.iris import Iris

FORMATS = {".nt": RdfFormat.N_TRIPLES, ".ttl": RdfFormat.TURTLE}
LOAD_ERRORS: tuple[type[Exception], ...] = (SyntaxError, duckdb.Error, *DAMAGE)
WRITER_WAIT_SECONDS = 600.0
# A store is rebuilt, instead of deleting graphs from it, if more triples than this are deleted, and fewer than this
# many times as many remain.
MANY_TRIPLES = 50_000
REMAINING_FOR_EACH_DELETED = 4
# A graph whose files are no longer than this is updated by its difference and not replaced: about 250,000 triples.
SMALL_BYTES = 32 << 20
# Layers are merged if at least so many bytes are unmerged, and at most this many times as many are merged.
UNMERGED_BYTES = 16 << 20
MERGED_FOR_EACH_UNMERGED = 4


class GraphStore(Protocol):
    """A store of named graphs. `replace` is atomic if the engine allows it."""

    def replace(self, graphs: Graphs, *, contents: Mapping[str, int], releases: Sequence[ReleasedColumns] = ()) -> str:
        """Replace each named graph by its files' triples (.nt, .ttl, also compressed); without files, drop it.

        `contents` is dataset to version after the switch, and `releases` are these versions. Returns the name of the
        new state. Raises StoreUnavailable.
        """

    def contents(self) -> Mapping[str, int]:
        """Return dataset to version as readers see it now; empty if the engine has no record of it."""

    def name(self) -> str:
        """Return the name of the state that readers see now, "" before the first. Raises StoreUnavailable."""

    def settle(self) -> None:
        """Optimise the visible state for queries, if that is worth its time. Raises StoreUnavailable."""


def open_store(settings: Settings, step: Callable[[str], None] = lambda _: None) -> GraphStore:
    """Open the configured store. `step` gets the name of each step of a load before it begins."""
    if settings.sparql_query_url:
        return RemoteStore(RemoteServer(addresses(settings)), settings.iris.state, step)
    return EmbeddedStore(settings.graph_folder, step, iris=settings.iris if settings.has_columns else None)


class EmbeddedStore:
    """Oxigraph in a folder: `live` (the writer's), `snapshots/{id}`, `current` (the id), `dirty` (a load has begun).

    The file `settled` is newer than the merged layers of `live`. `step` gets the name of each step before it begins; a
    process may be killed at any of them.
    """

    def __init__(
        self,
        folder: Path,
        step: Callable[[str], None] = lambda _: None,
        wait_seconds: float = WRITER_WAIT_SECONDS,
        unmerged_bytes: int = UNMERGED_BYTES,
        iris: Iris | None = None,
    ) -> None:
        """`iris` mints the IRIs of observations, if the snapshots are to have columns."""
        self.folder = folder
        self._iris = iris
        self._step = step
        self._wait_seconds = wait_seconds
        self._unmerged_bytes = unmerged_bytes

    def current(self) -> Snapshot | None:
        try:
            name = (self.folder / "current").read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        return Snapshot(name, self.folder / "snapshots" / name)

    def name(self) -> str:
        snapshot = self.current()
        return snapshot.id if snapshot else ""

    def contents(self) -> Mapping[str, int]:
        """Return the contents of the current snapshot, which may be replaced and deleted between two reads."""
        for _ in range(5):
            snapshot = self.current()
            if snapshot is None:
                return {}
            try:
                return snapshot.contents
            except FileNotFoundError:
                continue
        raise StoreUnavailable("publisher.snapshots-change")

    def replace(self, graphs: Graphs, *, contents: Mapping[str, int], releases: Sequence[ReleasedColumns] = ()) -> str:
        with self._exclusive():
            try:
                self._recover()
                self._step("load")
                snapshot = self._loaded(graphs, contents, releases)
            except LOAD_ERRORS as cause:
                # RocksDB releases its lock with the last reference, and the traceback's frames hold references.
                traceback.clear_frames(cause.__traceback__)
                raise StoreUnavailable("publisher.graph-not-loaded", cause=str(cause)[:500]) from cause
            self._step("switch")
            self._switch(snapshot)
            self._step("clean")
            (self.folder / "dirty").unlink()
            self._clean(snapshot)
        return snapshot.id

    def settle(self) -> None:
        """Merge the layers that loads have written, and switch to a snapshot of the result.

        A bulk load writes a layer for each million triples, and a query reads all layers: merged, they are queried 4 to
        13 times faster (a million observations). Cost: 3 microseconds for each triple of the store, which is why it is
        not done for every small load. It follows the switch, so that no release waits for it. Killed at any point, it
        leaves the visible state as it was, and is repeated.
        """
        with self._exclusive():
            current = self.current()
            if current is None or (self.folder / "dirty").exists() or not self._needs_merge():
                return
            self._step("settle")
            try:
                live = Store(str(self.folder / "live"))
                live.optimize()
                live.flush()
                columns = partial(link, previous=current.folder) if current.has_columns else None
                snapshot = self._checkpoint(live, current.contents, columns)
            except DAMAGE as cause:
                raise StoreUnavailable("publisher.layers-not-merged", cause=str(cause)[:500]) from cause
            self._step("settle-switch")
            self._switch(snapshot)
            (self.folder / "settled").touch()
            self._clean(snapshot)

    def _needs_merge(self) -> bool:
        """Return True if a large part of the store was written after the last merge."""
        mark = self.folder / "settled"
        merged_at = mark.stat().st_mtime_ns if mark.exists() else 0
        layers = [path.stat() for path in (self.folder / "live").glob("*.sst")]
        unmerged = sum(layer.st_size for layer in layers if layer.st_mtime_ns > merged_at)
        merged = sum(layer.st_size for layer in layers) - unmerged
        return unmerged >= self._unmerged_bytes and merged <= MERGED_FOR_EACH_UNMERGED * unmerged

    def _loaded(self, graphs: Graphs, contents: Mapping[str, int], releases: Sequence[ReleasedColumns]) -> Snapshot:
        """Load into the live store and return a checkpoint of it, which is not visible yet."""
        (self.folder / "dirty").touch()
        small = {graph for graph, paths in graphs.items() if paths and _is_small(paths)}
        live = self._cleared([graph for graph in graphs if graph not in small])
        for graph, paths in graphs.items():
            if graph in small and _size(live, graph):
                _change(live, NamedNode(graph), paths)
            else:
                for path in paths:
                    _load(live, NamedNode(graph), path)
        live.flush()
        self._step("checkpoint")
        columns = None if self._iris is None else partial(self._build_columns, self._iris, graphs, releases)
        return self._checkpoint(live, contents, columns)

    def _build_columns(self, iris: Iris, graphs: Graphs, releases: Sequence[ReleasedColumns], folder: Path) -> None:
        """Write the columns of a snapshot. The first snapshot with columns reads all graphs that the store has."""
        current, own = self.current(), {iris.dataset(release.dataset) for release in releases}
        others = {graph: paths for graph, paths in graphs.items() if graph not in own}
        build(folder, iris, others, releases, current.folder if current and current.has_columns else None)

    def _cleared(self, graphs: Sequence[str]) -> Store:
        """Return the live store without these graphs.

        Oxigraph deletes slowly: replacing 1.5 million triples took 90 s and 2.3 GB, loading them 9 s. So if more than a
        small part is deleted, the store is rebuilt from the rest.
        """
        live = Store(str(self.folder / "live"))
        deleted = sum(_size(live, graph) for graph in graphs)
        if deleted > MANY_TRIPLES and len(live) - deleted < REMAINING_FOR_EACH_DELETED * deleted:
            part = self.folder / "live.part"
            shutil.rmtree(part, ignore_errors=True)
            _copy_graphs(live, part, [g for g in live.named_graphs() if g.value not in graphs])
            del live
            shutil.rmtree(self.folder / "live")
            part.rename(self.folder / "live")
            return Store(str(self.folder / "live"))
        for graph in graphs:
            live.remove_graph(NamedNode(graph))
        return live

    def _recover(self) -> None:
        """Restore the live store from the current snapshot if an earlier load was interrupted; delete its remains."""
        for part in (self.folder / "snapshots").glob(".part-*"):
            shutil.rmtree(part)
        if not (self.folder / "dirty").exists():
            return
        live = self.folder / "live"
        shutil.rmtree(live, ignore_errors=True)
        if current := self.current():
            part = self.folder / "live.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(current.data, part, copy_function=_link_or_copy)
            part.rename(live)

    def _checkpoint(self, live: Store, contents: Mapping[str, int], columns: Callable[[Path], None] | None) -> Snapshot:
        name = f"{time.time_ns():020d}"
        part = self.folder / "snapshots" / f".part-{name}"
        part.mkdir(parents=True)
        live.backup(str(part / "data"))
        if columns:
            columns(part)
        (part / "lock").touch()
        _write_durably(part / "contents.json", json.dumps(dict(contents)))
        snapshot = Snapshot(name, self.folder / "snapshots" / name)
        part.rename(snapshot.folder)
        return snapshot

    def _switch(self, snapshot: Snapshot) -> None:
        _write_durably(self.folder / "current.part", snapshot.id)
        (self.folder / "current.part").replace(self.folder / "current")

    def _clean(self, current: Snapshot) -> None:
        """Delete the snapshots that no reader holds; others are deleted by a later replace."""
        for folder in list((self.folder / "snapshots").iterdir()):
            if folder.name != current.id and not folder.name.startswith("."):
                _delete_unless_held(folder)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the writer's lock, which the system releases with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "snapshots").mkdir(exist_ok=True)
        with (self.folder / "writer.lock").open("w") as lock:
            deadline = time.monotonic() + self._wait_seconds
            while not try_lock(lock.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise StoreUnavailable("publisher.graph-locked")
                time.sleep(0.2)
            yield


def _delete_unless_held(folder: Path) -> None:
    """Delete a snapshot that has no readers; it is renamed under its lock, so that no reader can begin meanwhile."""
    descriptor = os.open(folder / "lock", os.O_RDONLY)
    try:
        if try_lock(descriptor, fcntl.LOCK_EX):
            # After an interrupted deletion the next writer deletes this name.
            shutil.rmtree(folder.rename(folder.with_name(f".part-{folder.name}")))
    finally:
        os.close(descriptor)


def _size(live: Store, graph: str) -> int:
    # Twenty times faster than iterating over the quads in Python.
    solutions = live.query(f"SELECT (COUNT(*) AS ?n) {{ GRAPH {NamedNode(graph)} {{ ?s ?p ?o }} }}")
    return int(next(cast(Iterator[QuerySolution], solutions))["n"].value)


def _is_small(paths: Sequence[Path]) -> bool:
    """Return True if the files' triples fit into memory beside those of the graph."""
    return all(path.suffix not in SUFFIXES for path in paths) and sum(p.stat().st_size for p in paths) <= SMALL_BYTES


def _change(live: Store, graph: NamedNode, paths: Iterable[Path]) -> None:
    """Replace a graph by the files' triples by changing their difference: usually few, and Oxigraph deletes slowly."""
    new = {
        Quad(quad.subject, quad.predicate, quad.object, graph)
        for path in paths
        for quad in parse(path=str(path), format=FORMATS[path.suffix], rename_blank_nodes=True)
    }
    old = set(live.quads_for_pattern(None, None, None, graph))
    for quad in old - new:
        live.remove(quad)
    live.extend(new - old)


def _copy_graphs(live: Store, folder: Path, graphs: Iterable[NamedNode | BlankNode]) -> None:
    """Create a store in `folder` with these graphs. Cost: about 12 microseconds for each triple."""
    copy = Store(str(folder))
    dump = folder / "dump.nt"
    for graph in graphs:
        live.dump(output=str(dump), format=RdfFormat.N_TRIPLES, from_graph=graph)
        copy.bulk_load(path=str(dump), format=RdfFormat.N_TRIPLES, to_graph=graph)
    dump.unlink(missing_ok=True)
    copy.flush()


def _load(live: Store, graph: NamedNode, path: Path) -> None:
    """Load a file into a graph, by its path if it is uncompressed: then no triple passes through Python."""
    rdf_format = FORMATS[rdf_suffix(path)]
    if path.suffix not in SUFFIXES:
        live.bulk_load(path=str(path), format=rdf_format, to_graph=graph)
        return
    with decompressed_file(path) as triples:
        live.bulk_load(triples, rdf_format, to_graph=graph)


def _link_or_copy(source: str, target: str) -> None:
    """Link a table file, which RocksDB never changes; copy the small others, which it writes to."""
    if source.endswith(".sst"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
