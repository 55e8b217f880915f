"""Restoration of released files that are missing or damaged, each only if every byte is as it was published."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from vaven.publisher.cube.observations import GZIP_FILE, ZSTD_FILE, emit
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.records import ReleaseRecord
from vaven.publisher.releases.release import stored_release, write_csv
from vaven.publisher.releases.storage import copy_file
from vaven.publisher.releases.verification import Verification
from vaven.publisher.settings import Settings
from vaven.vocab.errors import VavenError


def damaged_files(settings: Settings, record: ReleaseRecord) -> list[ReleasedFile]:
    """Return the files of a release that are missing, or differ from what was published. Cost: all are read once."""
    verification = Verification(settings.release_storage)
    return list(verification.damaged(record.dataset, record.version, record.complete_manifest.files))


def restore(settings: Settings, record: ReleaseRecord, converted: Path | None = None) -> list[ReleasedFile]:
    """Restore a release's damaged files; return those that remain damaged.

    A file comes from the folder `converted`, where the same submission was converted again, or is derived from the
    table again. Nothing is written that has another SHA-256 than the manifest.
    """
    damaged = damaged_files(settings, record)
    if damaged and converted:
        damaged = _replace(settings, record, damaged, converted)
    if damaged:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.home) as folder:
            damaged = _replace(settings, record, damaged, _derive(settings, record, damaged, Path(folder)))
    return damaged


def _replace(
    settings: Settings, record: ReleaseRecord, damaged: Sequence[ReleasedFile], folder: Path
) -> list[ReleasedFile]:
    """Replace damaged files by those of a folder that are the same as published; return the others."""
    for file in damaged:
        path = folder / file.name
        if path.is_file() and _sha256(path) == file.sha256:
            settings.release_storage.add(path, record.dataset, record.version)
    return damaged_files(settings, record)


def _derive(settings: Settings, record: ReleaseRecord, damaged: Sequence[ReleasedFile], folder: Path) -> Path:
    """Derive CSV and N-Triples again from undamaged tables, in an empty folder."""
    names = {file.name for file in damaged}
    key, storage = (record.dataset, record.version), settings.release_storage
    for resource in record.complete_manifest.rows:
        if f"{resource}.csv" in names and f"{resource}.parquet" not in names:
            with suppress(VavenError, duckdb.Error, OSError):
                write_csv(storage.local(*key, f"{resource}.parquet"), folder / f"{resource}.csv", resource)
    if names & {GZIP_FILE, ZSTD_FILE} and "observations.parquet" not in names:
        with suppress(VavenError, duckdb.Error, OSError):
            observations = storage.local(*key, "observations.parquet")
            emit(stored_release(record.complete_manifest, *key, observations.parent), settings.iris, folder=folder)
    return folder


def quarantine(settings: Settings, record: ReleaseRecord, files: Sequence[ReleasedFile]) -> Iterator[Path]:
    """Move damaged files out of a release, and yield where each that existed is now."""
    key, storage = (record.dataset, record.version), settings.release_storage
    for file in files:
        target = settings.home / "quarantine" / record.dataset / str(record.version) / file.name
        with suppress(FileNotFoundError, IsADirectoryError):
            with storage.local_copy(*key, file.name) as path:
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_file(path, target)
            storage.remove(*key, file.name)
            yield target


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
