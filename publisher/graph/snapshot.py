"""A snapshot of the embedded store and its lock: all that a query worker needs of the store.

A worker starts for a query that waits, so this module imports nothing else of the store (rdflib, pyarrow and an HTTP
client cost 0.6 s of processor time).
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

# Changes with the tables that publisher/columns writes.
FORMAT = "2"


@dataclass(frozen=True)
class Snapshot:
    """The published data at one time. `folder` has `columns.duckdb`, `parts`, `contents.json`, `format` and `lock`."""

    id: str
    folder: Path

    @property
    def is_of_this_format(self) -> bool:
        """False for the snapshot of another Väven: those without a format kept the triples in Oxigraph."""
        path = self.folder / "format"
        return path.exists() and path.read_text("utf-8") == FORMAT

    @property
    def contents(self) -> dict[str, int]:
        versions: dict[str, int] = json.loads((self.folder / "contents.json").read_text("utf-8"))
        return versions


def current_snapshot(folder: Path) -> Snapshot | None:
    """Return the snapshot that a store's folder names as current; None before the first."""
    try:
        name = (folder / "current").read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    return Snapshot(name, folder / "snapshots" / name)


def hold(snapshot: Snapshot) -> int | None:
    """Return an open descriptor that keeps a snapshot from being deleted; None if it is gone."""
    try:
        descriptor = os.open(snapshot.folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    if try_lock(descriptor, fcntl.LOCK_SH) and snapshot.folder.exists():
        return descriptor
    os.close(descriptor)
    return None


def try_lock(descriptor: int, kind: int) -> bool:
    """Return whether the lock (flock(2), LOCK_SH or LOCK_EX) was free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
