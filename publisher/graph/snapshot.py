"""A snapshot of the embedded store and its lock: all that a query worker needs of the store.

A worker starts for a query that waits, so this module imports nothing else of the store (rdflib, pyarrow and an HTTP
client cost 0.6 s of processor time).
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Changes with the tables that publisher/columns writes.
FORMAT = "2"
COLUMNS, PARTS, DIGESTS = "columns.duckdb", "parts", "digests.json"
# Names are times in nanoseconds.
NAME = re.compile("[0-9]{20}")


@dataclass(frozen=True)
class Snapshot:
    """The published data at one time.

    `folder` has `columns.duckdb`, `parts`, `digests.json`, `contents.json`, `format` and `lock`.
    """

    id: str
    folder: Path

    @property
    def is_of_this_format(self) -> bool:
        """False for the snapshot of another Väven: those without a format kept the triples in Oxigraph."""
        path = self.folder / "format"
        return path.exists() and path.read_text("utf-8") == FORMAT

    @property
    def contents(self) -> dict[str, int]:
        """Dataset to version. Raises FileNotFoundError for a snapshot that is gone, ValueError for a damaged one."""
        versions = json.loads((self.folder / "contents.json").read_text("utf-8"))
        if not isinstance(versions, dict) or not all(isinstance(version, int) for version in versions.values()):
            raise ValueError("contents.json is damaged")
        return versions

    def write_digests(self, known: Mapping[str, str]) -> None:
        """Note the digests of the snapshot's files, some of which are known."""
        digests = {name: known.get(name) or _digest(path) for name, path in self._files().items()}
        (self.folder / DIGESTS).write_text(json.dumps(digests), "utf-8")

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file of columns, by its path. Raises OSError or ValueError where they cannot be read."""
        digests: dict[str, str] = json.loads((self.folder / DIGESTS).read_text("utf-8"))
        return digests

    @property
    def is_sound(self) -> bool:
        """True if the snapshot has this format, and every file of columns is as it was written.

        Cost: each file is read once.
        """
        try:
            digests, _ = self.digests, self.contents
            return (
                self.is_of_this_format
                and (self.folder / "lock").exists()
                and COLUMNS in digests
                and all(_digest(self.folder / name) == digest for name, digest in digests.items())
            )
        except (OSError, ValueError, AttributeError):
            return False

    @property
    def without_columns(self) -> frozenset[str]:
        """The datasets in the contents that have no columns: their releases were damaged when it was built."""
        files = self.digests
        return frozenset(d for d, version in self.contents.items() if f"{PARTS}/{d}-{version}.duckdb" not in files)

    def _files(self) -> dict[str, Path]:
        paths = (self.folder / COLUMNS, *(self.folder / PARTS).glob("*.duckdb"))
        return {str(path.relative_to(self.folder)): path for path in paths if path.exists()}


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def current_snapshot(folder: Path) -> Snapshot | None:
    """Return the snapshot that a store's folder names as current; None before the first, or if the name is damaged."""
    try:
        name = (folder / "current").read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return None
    return Snapshot(name, folder / "snapshots" / name) if NAME.fullmatch(name) else None


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
