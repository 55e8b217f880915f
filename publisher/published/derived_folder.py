"""Folders of derived files: `{family}/{key}/` has the file and `made.json`, which describes it. Complete or absent.

The local folder is bounded in size: the least recently used files are deleted first. A remote storage, which several
servers share, is bounded alike by the time of writing.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vaven.publisher.published.derivation import Recipe
from vaven.publisher.releases.storage import Storage

# Named by version 0.1, as are its properties.
NOTE = "made.json"
PART, INPUTS = ".part-", ".inputs-"
# How often the use of a file is recorded, by the time of its note.
USE_RECORDED_SECONDS = 60.0
# Inputs of a process that was killed are older than those of any process at work.
INPUTS_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class DerivedFile:
    """A complete file; `created_at` is UTC."""

    path: Path
    size: int
    sha256: str
    created_at: datetime


def read_derived(entry: Path) -> DerivedFile | None:
    """Return the file of `{family}/{key}/`, and record its use; None if there is none."""
    note = entry / NOTE
    try:
        properties = json.loads(note.read_text("utf-8"))
        if time.time() - note.stat().st_mtime > USE_RECORDED_SECONDS:
            note.touch()
    except FileNotFoundError:
        return None
    created_at = datetime.fromisoformat(properties["made_at"])
    return DerivedFile(entry / properties["name"], properties["size"], properties["sha256"], created_at)


def write_derived(recipe: Recipe, write: Callable[[Recipe, Path], None], entry: Path) -> None:
    """Write the file and its note into a folder that is renamed to `{family}/{key}/` when both are complete."""
    part = Path(tempfile.mkdtemp(prefix=PART, dir=entry.parent))
    path = part / recipe.name
    write(recipe, path)
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    note = {
        "name": recipe.name,
        "size": path.stat().st_size,
        "sha256": sha256,
        "made_at": datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat(),
        "replaces": recipe.replaces,
    }
    (part / NOTE).write_text(json.dumps(note), "utf-8")
    _adopt(part, entry)


def _adopt(part: Path, entry: Path) -> None:
    if _replaces(part):
        for other in entry.parent.iterdir():
            if other != part:
                shutil.rmtree(other)
    part.replace(entry)


def _replaces(entry: Path) -> bool:
    return bool(json.loads((entry / NOTE).read_text("utf-8")).get("replaces"))


def delete_remains(folder: Path) -> None:
    """Delete the remains of killed processes. The caller is the only one who derives; others may write inputs."""
    for part in folder.glob(f"*/{PART}*"):
        shutil.rmtree(part)
    for inputs in folder.glob(f"{INPUTS}*"):
        if time.time() - inputs.stat().st_mtime > INPUTS_SECONDS:
            shutil.rmtree(inputs, ignore_errors=True)


def make_room(folder: Path, limit: int, newest: Path) -> None:
    """Delete the least recently used files until all take `limit` bytes at most; `newest` stays."""
    notes = sorted(folder.glob(f"*/*/{NOTE}"), key=lambda note: note.stat().st_mtime, reverse=True)
    used = _size(newest)
    for entry in (note.parent for note in notes):
        if entry != newest:
            used += _size(entry)
            if used > limit:
                shutil.rmtree(entry)


def _size(entry: Path) -> int:
    return sum(path.stat().st_size for path in entry.iterdir())


@dataclass(frozen=True)
class SharedFiles:
    """The derived files in a remote storage, `limit` bytes at most."""

    storage: Storage
    limit: int

    def fetch(self, entry: Path) -> bool:
        """Copy the file of `{family}/{key}/` to the local folder; False if there is none."""
        family, key = entry.parent.name, entry.name
        if NOTE not in self.storage.names(family, key):
            return False
        part = Path(tempfile.mkdtemp(prefix=PART, dir=entry.parent))
        try:
            self.storage.get(part, family, key)
            _adopt(part, entry)
        except FileNotFoundError:
            # Another server has deleted it meanwhile.
            return False
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return True

    def add(self, entry: Path) -> None:
        """Copy a local file to the storage, and make room for it."""
        family, key = entry.parent.name, entry.name
        self.storage.put(entry, family, key, last=NOTE)
        if _replaces(entry):
            for other in self.storage.names(family):
                if other != key:
                    self.storage.remove(family, other)
        self._make_room((family, key))

    def _make_room(self, newest: tuple[str, str]) -> None:
        """Delete the files that were written first until all take `limit` bytes at most; `newest` stays."""
        sizes: Counter[tuple[str, str]] = Counter()
        for path, size in self.storage.sizes().items():
            family, key, _ = path.split("/", 2)
            sizes[family, key] += size
        used = sizes.pop(newest)
        times = {entry: self.storage.modified(*entry, NOTE) for entry in sizes if NOTE in self.storage.names(*entry)}
        for entry in sorted(times, key=lambda entry: times[entry], reverse=True):
            used += sizes[entry]
            if used > self.limit:
                self.storage.remove(*entry)
