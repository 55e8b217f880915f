"""Where the published triples live: embedded Oxigraph with checkpoint snapshots, or any SPARQL 1.1 server.

One process writes at a time. Readers never see the store that is written to: they open a snapshot, a
hard-link checkpoint that is switched to by replacing one small file. The snapshot carries `contents.json`
(dataset to version), so that pages and endpoint change over in the same instant.
"""

import fcntl
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from pyoxigraph import BlankNode, NamedNode, Quad, QuerySolution, RdfFormat, Store, parse

from vaven.publisher.graph.remote_store import RemoteStore
from vaven.publisher.graph.snapshot import Snapshot, try_lock
from vaven.publisher.graph.sparql_client import RemoteServer, addresses
from vaven.publisher.rdf.files import DAMAGE, PACKINGS, Graphs, form, unpacked
from vaven.publisher.settings import Settings
from vaven.vocab.errors import StoreUnavailable

FORMATS = {".nt": RdfFormat.N_TRIPLES, ".ttl": RdfFormat.TURTLE}
WRITER_WAIT_SECONDS = 600.0
# When a store is built anew instead of emptied in part: so many triples leave, and not so many more stay.
MANY_TRIPLES = 50_000
# A graph whose files are no longer than this is changed in part and not replaced: about 250,000 triples.
SMALL_BYTES = 32 << 20
STAYING_FOR_EACH_LEAVING = 4
# When layers are merged: so many bytes are loose, and not so many more are merged already.
LOOSE_BYTES = 16 << 20
MERGED_FOR_EACH_LOOSE = 4


class GraphStore(Protocol):
    """What publishing needs of a store. `replace` is all or nothing where the engine allows it."""

    def replace(self, graphs: Graphs, *, contents: Mapping[str, int]) -> str:
        """Make each named graph hold exactly its files' triples (.nt, .ttl, also packed); no files drop the graph.

        `contents` is dataset to version after the switch. Returns a name of the new state. Raises StoreUnavailable.
        """

    def contents(self) -> Mapping[str, int]:
        """Dataset to version as readers see it now; empty where the engine can't say."""

    def name(self) -> str:
        """The name of the state that readers see now, "" before the first. Raises StoreUnavailable."""

    def settle(self) -> None:
        """Make what is visible quicker to ask, where that is worth its time. Raises StoreUnavailable."""


def open_store(settings: Settings, step: Callable[[str], None] = lambda _: None) -> GraphStore:
    """The store that the configuration names. An embedded one tells `step` how far it has come."""
    if settings.sparql_query_url:
        return RemoteStore(RemoteServer(addresses(settings)), settings.iris.state, step)
    return EmbeddedStore(settings.graph_folder, step)


class EmbeddedStore:
    """Oxigraph in a folder: `live` (the writer's), `snapshots/{id}`, `current` (the id), `dirty` (a load was begun).

    `settled` is younger than the layers of `live` that are merged. `step` is told the name of each step before it
    begins; a process may be killed at any of them.
    """

    def __init__(
        self,
        folder: Path,
        step: Callable[[str], None] = lambda _: None,
        wait_seconds: float = WRITER_WAIT_SECONDS,
        loose_bytes: int = LOOSE_BYTES,
    ) -> None:
        self.folder = folder
        self._step = step
        self._wait_seconds = wait_seconds
        self._loose_bytes = loose_bytes

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
        """Of the current snapshot. A snapshot may vanish between two reads when another one took its place."""
        for _ in range(5):
            snapshot = self.current()
            if snapshot is None:
                return {}
            try:
                return snapshot.contents
            except FileNotFoundError:
                continue
        raise StoreUnavailable("publisher.snapshots-change")

    def replace(self, graphs: Graphs, *, contents: Mapping[str, int]) -> str:
        with self._alone():
            try:
                self._mend()
                self._step("load")
                snapshot = self._loaded(graphs, contents)
            except (SyntaxError, *DAMAGE) as cause:
                # RocksDB gives its lock back when the last reference goes, and the traceback's frames hold some.
                traceback.clear_frames(cause.__traceback__)
                raise StoreUnavailable("publisher.graph-not-loaded", cause=str(cause)[:500]) from cause
            self._step("switch")
            self._switch(snapshot)
            self._step("clean")
            (self.folder / "dirty").unlink()
            self._clean(snapshot)
        return snapshot.id

    def settle(self) -> None:
        """Merge the layers that loads have left, and switch to a snapshot of that.

        A bulk load writes a layer for each million triples, and a query looks in all: merged they are asked 4 to 13
        times faster (a million observations). Cost: 3 microseconds a triple of all that is here, which is why it is
        not done for every small load. It comes after the switch, so that nobody waits for it to see a release; killed
        at any point, it leaves what was visible, and is done again.
        """
        with self._alone():
            current = self.current()
            if current is None or (self.folder / "dirty").exists() or not self._is_loose():
                return
            self._step("settle")
            try:
                live = Store(str(self.folder / "live"))
                live.optimize()
                live.flush()
                snapshot = self._checkpoint(live, current.contents)
            except DAMAGE as cause:
                raise StoreUnavailable("publisher.layers-not-merged", cause=str(cause)[:500]) from cause
            self._step("settle-switch")
            self._switch(snapshot)
            (self.folder / "settled").touch()
            self._clean(snapshot)

    def _is_loose(self) -> bool:
        """Whether much has been written since the layers were merged, of what there is."""
        mark = self.folder / "settled"
        since = mark.stat().st_mtime_ns if mark.exists() else 0
        layers = [path.stat() for path in (self.folder / "live").glob("*.sst")]
        loose = sum(layer.st_size for layer in layers if layer.st_mtime_ns > since)
        merged = sum(layer.st_size for layer in layers) - loose
        return loose >= self._loose_bytes and merged <= MERGED_FOR_EACH_LOOSE * loose

    def _loaded(self, graphs: Graphs, contents: Mapping[str, int]) -> Snapshot:
        """Load into the live store and checkpoint it; nobody sees it yet."""
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
        return self._checkpoint(live, contents)

    def _cleared(self, graphs: Sequence[str]) -> Store:
        """The live store without these graphs.

        Oxigraph deletes slowly: replacing 1.5 million triples took 90 s and 2.3 GB, loading them 9 s. So where more
        than a small part leaves, the store is built anew from what stays.
        """
        live = Store(str(self.folder / "live"))
        leaving = sum(_size(live, graph) for graph in graphs)
        if leaving > MANY_TRIPLES and len(live) - leaving < STAYING_FOR_EACH_LEAVING * leaving:
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

    def _mend(self) -> None:
        """Begin from the last good snapshot when an earlier load was cut off, and sweep up what it left."""
        for left in (self.folder / "snapshots").glob(".part-*"):
            shutil.rmtree(left)
        if not (self.folder / "dirty").exists():
            return
        live = self.folder / "live"
        shutil.rmtree(live, ignore_errors=True)
        if current := self.current():
            part = self.folder / "live.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(current.data, part, copy_function=_link_or_copy)
            part.rename(live)

    def _checkpoint(self, live: Store, contents: Mapping[str, int]) -> Snapshot:
        name = f"{time.time_ns():020d}"
        part = self.folder / "snapshots" / f".part-{name}"
        part.mkdir(parents=True)
        live.backup(str(part / "data"))
        (part / "lock").touch()
        _write_durably(part / "contents.json", json.dumps(dict(contents)))
        snapshot = Snapshot(name, self.folder / "snapshots" / name)
        part.rename(snapshot.folder)
        return snapshot

    def _switch(self, snapshot: Snapshot) -> None:
        _write_durably(self.folder / "current.part", snapshot.id)
        (self.folder / "current.part").replace(self.folder / "current")

    def _clean(self, current: Snapshot) -> None:
        """Delete the snapshots that no reader holds; one that is still read goes with a later replace."""
        for folder in list((self.folder / "snapshots").iterdir()):
            if folder.name != current.id and not folder.name.startswith("."):
                _delete_unless_held(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the writer's lock; it goes with the process, however that ends."""
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
    """Delete a snapshot that nobody reads. Renamed while we hold its lock, so that no reader can begin meanwhile."""
    descriptor = os.open(folder / "lock", os.O_RDONLY)
    try:
        if try_lock(descriptor, fcntl.LOCK_EX):
            # A deletion cut short leaves a name that the next writer sweeps up.
            shutil.rmtree(folder.rename(folder.with_name(f".part-{folder.name}")))
    finally:
        os.close(descriptor)


def _size(live: Store, graph: str) -> int:
    # Twenty times faster than to walk over the quads in Python.
    found = live.query(f"SELECT (COUNT(*) AS ?n) {{ GRAPH {NamedNode(graph)} {{ ?s ?p ?o }} }}")
    return int(next(cast(Iterator[QuerySolution], found))["n"].value)


def _is_small(paths: Sequence[Path]) -> bool:
    """Whether what these files say may be held in memory, with what a graph says now."""
    return all(path.suffix not in PACKINGS for path in paths) and sum(p.stat().st_size for p in paths) <= SMALL_BYTES


def _change(live: Store, graph: NamedNode, paths: Iterable[Path]) -> None:
    """Make a graph hold what files say by what is not the same: little, as a rule, and Oxigraph deletes slowly."""
    wanted = {
        Quad(quad.subject, quad.predicate, quad.object, graph)
        for path in paths
        for quad in parse(path=str(path), format=FORMATS[path.suffix], rename_blank_nodes=True)
    }
    there = set(live.quads_for_pattern(None, None, None, graph))
    for quad in there - wanted:
        live.remove(quad)
    live.extend(wanted - there)


def _copy_graphs(live: Store, folder: Path, graphs: Iterable[NamedNode | BlankNode]) -> None:
    """A new store in `folder` with these graphs. Cost: about 12 microseconds a triple."""
    anew = Store(str(folder))
    between = folder / "between.nt"
    for graph in graphs:
        live.dump(output=str(between), format=RdfFormat.N_TRIPLES, from_graph=graph)
        anew.bulk_load(path=str(between), format=RdfFormat.N_TRIPLES, to_graph=graph)
    between.unlink(missing_ok=True)
    anew.flush()


def _load(live: Store, graph: NamedNode, path: Path) -> None:
    """Load a file into a graph. By its path it costs least: then nothing of it passes through Python."""
    kind = FORMATS[form(path)]
    if path.suffix not in PACKINGS:
        live.bulk_load(path=str(path), format=kind, to_graph=graph)
        return
    with unpacked(path) as triples:
        live.bulk_load(triples, kind, to_graph=graph)


def _link_or_copy(source: str, target: str) -> None:
    """RocksDB never changes a table file, so a link will do; the small others it writes to."""
    if source.endswith(".sst"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
