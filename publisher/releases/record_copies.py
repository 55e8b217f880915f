"""Copies of the records beside the releases, from which a lost database is built again.

A copy is JSON with its own SHA-256, one file for each release and one for each tombstone. It is written when the record
has changed, so that it may lag behind the database after a process was killed, and never the other way round but for a
tombstone, which is written before it is recorded.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from vaven.publisher.releases.manifest import Manifest
from vaven.publisher.releases.records import Key, Records, ReleaseRecord, Withdrawal
from vaven.publisher.releases.storage import Storage

RELEASE, TOMBSTONE = ".release.json", ".withdrawal.json"


@dataclass(frozen=True)
class CopiedRecords:
    """The copies that can be read, by dataset and version, and the names of those that are damaged."""

    releases: Mapping[Key, ReleaseRecord]
    tombstones: Mapping[Key, Withdrawal]
    damaged: tuple[str, ...]


class RecordCopies:
    """The copies in a storage, one folder for each dataset."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def write(self, record: ReleaseRecord) -> None:
        """Write the copy of a finished release's record."""
        stored = {**asdict(record), "manifest": record.complete_manifest.as_json()}
        self._write(record.dataset, f"{record.version}{RELEASE}", stored)

    def write_tombstone(self, tombstone: Withdrawal) -> None:
        self._write(tombstone.dataset, f"{tombstone.version}{TOMBSTONE}", asdict(tombstone))

    def complete(self, records: Records) -> None:
        """Write the copies that are missing, older than their record or damaged."""
        copies = self.read()
        for record in records.finished():
            copy = copies.releases.get((record.dataset, record.version))
            if copy is None or (copy != record and is_older(copy, record)):
                self.write(record)
        for tombstone in records.withdrawals():
            if copies.tombstones.get((tombstone.dataset, tombstone.version)) != tombstone:
                self.write_tombstone(tombstone)

    def reconcile(self, records: Records) -> None:
        """Write the copies that are missing, and restore the records that only the copies have.

        Cost: one listing; a copy that differs from its record is not noticed.
        """
        names = set(self._names())
        for record in records.finished():
            if (name := f"{record.dataset}/{record.version}{RELEASE}") in names:
                names.remove(name)
            else:
                self.write(record)
        for tombstone in records.withdrawals():
            if (name := f"{tombstone.dataset}/{tombstone.version}{TOMBSTONE}") in names:
                names.remove(name)
            else:
                self.write_tombstone(tombstone)
        if names:
            lost = self._read_all(sorted(names))
            records.restore(lost.releases.values(), lost.tombstones.values())

    def read(self) -> CopiedRecords:
        return self._read_all(self._names())

    def _names(self) -> list[str]:
        return sorted(name for name in self._storage.sizes() if name.endswith((RELEASE, TOMBSTONE)))

    def _read_all(self, names: Iterable[str]) -> CopiedRecords:
        releases, tombstones, damaged = {}, {}, []
        for name in names:
            stored = self._read(name)
            try:
                if name.endswith(RELEASE):
                    release = _release(stored)
                    releases[release.dataset, release.version] = release
                else:
                    tombstone = Withdrawal(**{**stored, "withdrawn_at": _moment(stored["withdrawn_at"])})
                    tombstones[tombstone.dataset, tombstone.version] = tombstone
            except (KeyError, TypeError, ValueError):
                damaged.append(name)
        return CopiedRecords(releases, tombstones, tuple(damaged))

    def _write(self, dataset: str, name: str, stored: Mapping[str, Any]) -> None:
        text = json.dumps(stored, ensure_ascii=False, default=str)
        content = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "record": text}
        self._storage.make_folder(dataset)
        self._storage.write(json.dumps(content, ensure_ascii=False).encode(), dataset, name)

    def _read(self, name: str) -> dict[str, Any]:
        """Return the content of a copy, empty if it is damaged."""
        try:
            with self._storage.open(name) as file:
                content = json.loads(file.read())
            text = content["record"]
            if hashlib.sha256(text.encode()).hexdigest() != content["sha256"]:
                return {}
            stored: dict[str, Any] = json.loads(text)
            return stored
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def is_older(copy: ReleaseRecord, record: ReleaseRecord) -> bool:
    """Return whether a copy is an earlier state of a record, which may become visible and get more files.

    Any other difference is damage of the record: only the copy has a SHA-256.
    """
    files, newer = set(copy.complete_manifest.files), set(record.complete_manifest.files)
    later = replace(record, visible_at=copy.visible_at, manifest=copy.manifest)
    return copy == later and copy.visible_at in (None, record.visible_at) and files <= newer


def _release(stored: Mapping[str, Any]) -> ReleaseRecord:
    visible_at = stored["visible_at"]
    values = {
        "reserved_at": _moment(stored["reserved_at"]),
        "visible_at": visible_at and _moment(visible_at),
        "manifest": Manifest.from_json(stored["manifest"]),
    }
    return ReleaseRecord(**{**stored, **values})


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
