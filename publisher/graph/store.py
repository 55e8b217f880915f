"""Stores of the published triples: embedded snapshots of columns, or any SPARQL 1.1 server.

One process writes at a time. A snapshot never changes: readers open it, and the next one is built beside it, with links
to the columns of all unchanged releases. Replacing one small file switches to it. A snapshot contains `contents.json`
(dataset to version), so that pages and endpoint switch in the same instant.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import duckdb

from vaven.publisher.columns.build import PreparedColumns, ReleasedColumns, build, prepare
from vaven.publisher.graph.remote_store import RemoteStore
from vaven.publisher.graph.snapshot import COLUMNS, FORMAT, Snapshot, current_snapshot, try_lock
from vaven.publisher.graph.sparql_client import RemoteServer, addresses
from vaven.publisher.rdf.compression import DAMAGE
from vaven.publisher.rdf.files import Graphs
from vaven.publisher.settings import Settings
from vaven.vocab.errors import DiskFull, StoreUnavailable, is_full_disk
from vaven.vocab.iris import Iris

LOAD_ERRORS: tuple[type[Exception], ...] = (SyntaxError, duckdb.Error, *DAMAGE)
WRITER_WAIT_SECONDS = 600.0
# What an older Väven, which kept the triples in Oxigraph, has left in the folder.
FORMER = ("live", "live.part", "dirty", "settled")


class GraphStore(Protocol):
    """A store of named graphs. `replace` is atomic if the engine allows it."""

    def replace(
        self,
        graphs: Graphs,
        *,
        contents: Mapping[str, int],
        releases: Sequence[ReleasedColumns] = (),
        changed: str = "",
        prepared: PreparedColumns | None = None,
    ) -> str:
        """Replace each named graph by its files' triples (.nt, .ttl, also compressed); without files, drop it.

        `contents` is dataset to version after the switch, and `releases` are these versions. `changed` is the IRI of
        the dataset whose release or absence is new, and `prepared` are columns that `prepare` returned and that have
        been written. Returns the name of the new state. Raises StoreUnavailable.
        """

    def prepare(self, release: ReleasedColumns, path: Path) -> PreparedColumns | None:
        """Return the columns of a release for the next state, not written yet; None if the engine keeps triples.

        Raises StoreUnavailable.
        """

    def is_sound(self) -> bool:
        """Return False for a state that is damaged or of another format, so that it must be built again.

        A store before its first state is not sound either.
        """

    def without_columns(self) -> frozenset[str]:
        """Return the datasets that a sound state lacks, though readers see their pages."""

    def distrust(self) -> None:
        """Let the next `replace` build everything, without anything of the present state."""

    def contents(self) -> Mapping[str, int]:
        """Return dataset to version as readers see it now; empty if the engine has no record of it."""

    def name(self) -> str:
        """Return the name of the state that readers see now, "" before the first. Raises StoreUnavailable."""


def open_store(settings: Settings, step: Callable[[str], None] = lambda _: None) -> GraphStore:
    """Open the configured store. `step` gets the name of each step of a load before it begins."""
    if settings.sparql_query_url:
        return RemoteStore(RemoteServer(addresses(settings)), settings.iris.state, step)
    return EmbeddedStore(settings.graph_folder, settings.iris, step)


class EmbeddedStore:
    """Snapshots in a folder: `snapshots/{id}` and `current` (the id). `iris` mints the IRIs of observations.

    `step` gets the name of each step before it begins; a process may be killed at any of them.
    """

    def __init__(
        self,
        folder: Path,
        iris: Iris,
        step: Callable[[str], None] = lambda _: None,
        wait_seconds: float = WRITER_WAIT_SECONDS,
    ) -> None:
        self.folder = folder
        self._iris = iris
        self._step = step
        self._wait_seconds = wait_seconds
        # The id of a snapshot that this process has checked.
        self._sound = set[str]()
        # The id of a snapshot that is not used for the next one.
        self._distrusted = ""

    def current(self) -> Snapshot | None:
        return current_snapshot(self.folder)

    def name(self) -> str:
        snapshot = self.current()
        return snapshot.id if snapshot else ""

    def is_sound(self) -> bool:
        return self._previous() is not None

    def distrust(self) -> None:
        self._distrusted = self.name()

    def without_columns(self) -> frozenset[str]:
        current = self.current()
        return current.without_columns if current and self.is_sound() else frozenset()

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
            except ValueError as cause:
                raise StoreUnavailable("publisher.snapshot-damaged") from cause
        raise StoreUnavailable("publisher.snapshots-change")

    def replace(
        self,
        graphs: Graphs,
        *,
        contents: Mapping[str, int],
        releases: Sequence[ReleasedColumns] = (),
        changed: str = "",
        prepared: PreparedColumns | None = None,
    ) -> str:
        with self._exclusive():
            self._delete_remains()
            self._step("load")
            with _loading():
                snapshot = self._built(graphs, contents, releases, prepared)
            self._step("switch")
            _write_durably(self.folder / "current.part", snapshot.id)
            (self.folder / "current.part").replace(self.folder / "current")
            self._step("clean")
            self._clean(snapshot)
        return snapshot.id

    def prepare(self, release: ReleasedColumns, path: Path) -> PreparedColumns | None:
        with _loading():
            return prepare(release, self._iris, self._previous(), path)

    def _previous(self) -> Path | None:
        """Return the folder of the current snapshot, if it is sound."""
        current = self.current()
        if current and current.id == self._distrusted:
            return None
        if current and current.id not in self._sound and current.is_sound:
            self._sound = {current.id}
        return current.folder if current and current.id in self._sound else None

    def _built(
        self,
        graphs: Graphs,
        contents: Mapping[str, int],
        releases: Sequence[ReleasedColumns],
        prepared: PreparedColumns | None,
    ) -> Snapshot:
        """Build a snapshot, which is not visible yet, upon the current one, if that has this format."""
        name = f"{time.time_ns():020d}"
        part = self.folder / "snapshots" / f".part-{name}"
        part.mkdir(parents=True)
        try:
            return self._filled(name, part, graphs, contents, releases, prepared)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _filled(
        self,
        name: str,
        part: Path,
        graphs: Graphs,
        contents: Mapping[str, int],
        releases: Sequence[ReleasedColumns],
        prepared: PreparedColumns | None,
    ) -> Snapshot:
        previous = self._previous()
        build(part, self._iris, graphs, releases, previous, prepared)
        known = Snapshot(previous.name, previous).digests if previous else {}
        # Columns of releases are links to files that have been checked.
        Snapshot(name, part).write_digests({path: digest for path, digest in known.items() if path != COLUMNS})
        (part / "lock").touch()
        (part / "format").write_text(FORMAT, "utf-8")
        _write_durably(part / "contents.json", json.dumps(dict(contents)))
        snapshot = Snapshot(name, self.folder / "snapshots" / name)
        self._step("checkpoint")
        part.rename(snapshot.folder)
        return snapshot

    def _delete_remains(self) -> None:
        """Delete what an interrupted load or deletion has left."""
        for part in (self.folder / "snapshots").glob(".part-*"):
            shutil.rmtree(part)

    def _clean(self, current: Snapshot) -> None:
        """Delete the snapshots that no reader holds; others are deleted by a later replace."""
        for folder in list((self.folder / "snapshots").iterdir()):
            if folder.name != current.id and not folder.name.startswith("."):
                _delete_unless_held(folder)
        for former in map(self.folder.joinpath, FORMER):
            shutil.rmtree(former, ignore_errors=True)
            if former.is_file():
                former.unlink()

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


@contextmanager
def _loading() -> Iterator[None]:
    try:
        yield
    except LOAD_ERRORS as cause:
        if is_full_disk(cause):
            raise DiskFull from cause
        raise StoreUnavailable("publisher.graph-not-loaded", cause=str(cause)[:500]) from cause


def _delete_unless_held(folder: Path) -> None:
    """Delete a snapshot that has no readers; it is renamed under its lock, so that no reader can begin meanwhile."""
    # A damaged one may have lost its lock.
    descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CREAT)
    try:
        if try_lock(descriptor, fcntl.LOCK_EX):
            # After an interrupted deletion the next writer deletes this name.
            shutil.rmtree(folder.rename(folder.with_name(f".part-{folder.name}")))
    finally:
        os.close(descriptor)


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
