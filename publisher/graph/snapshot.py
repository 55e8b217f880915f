"""A snapshot of the embedded store and its lock: all that a query worker needs of the store.

A worker starts for a query that waits, so this module imports nothing else of the store (rdflib, pyarrow and an HTTP
client cost 0.6 s of processor time).
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Snapshot:
    """An immutable checkpoint. `folder` contains `data` (RocksDB), `contents.json` and `lock`."""

    id: str
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def has_columns(self) -> bool:
        """True if the folder also contains `columns.duckdb` and `parts` (publisher/columns)."""
        return (self.folder / "columns.duckdb").exists()

    @property
    def contents(self) -> dict[str, int]:
        versions: dict[str, int] = json.loads((self.folder / "contents.json").read_text("utf-8"))
        return versions


def hold(snapshot: Snapshot) -> int | None:
    """Return an open descriptor that keeps a snapshot from being deleted; None if it is gone."""
    try:
        descriptor = os.open(snapshot.folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    if try_lock(descriptor, fcntl.LOCK_SH) and snapshot.data.exists():
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
