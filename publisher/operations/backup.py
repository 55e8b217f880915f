"""Backup of everything that cannot be built again: records, releases and submissions (`vaven backup`).

A backup is a folder: `releases` and `originals` as in the storages, and `backup.json` with the rows of the records and
the SHA-256 of each file. Releases never change, so that only new files are copied, and a backup may run while others
publish: the rows are of one moment, and their files exist by then. `backup.json` is replaced at the end; a backup that
is killed leaves the one before.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vaven.publisher.releases.records import Records, now
from vaven.publisher.releases.storage import COPY_BYTES, Storage
from vaven.publisher.settings import Settings
from vaven.vocab.errors import DamagedFile, WrongUse

INDEX = "backup.json"
RELEASES, ORIGINALS = "releases", "originals"
VERSION = 1


@dataclass(frozen=True)
class Backup:
    """The content of `backup.json`: rows by table, and SHA-256 by path below the folder."""

    rows: Mapping[str, list[dict[str, Any]]]
    files: Mapping[str, str]


def back_up(settings: Settings, folder: Path, progress: Callable[[str], None] = lambda _: None) -> tuple[int, int]:
    """Write a backup into a folder, which may have an earlier one; return the numbers of files, and of those copied.

    `progress` gets the path of each file that is copied. Every file in the folder is compared with the SHA-256 of its
    publication. Raises DamagedFile, WrongUse for a folder with anything else, and OSError.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / INDEX).exists() and not _is_unfinished(folder):
        raise WrongUse("publisher.backup-folder", folder=folder)
    with Records(settings.database) as records:
        rows = records.dump()
    known = read_backup(folder).files if (folder / INDEX).exists() else {}
    files, copied = dict[str, str](), 0
    # Submissions may have personal data.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, expected, source in _sources(settings, rows):
        target = folder / path
        if not (expected or known.get(path)) or _sha256(target) != (expected or known[path]):
            progress(path)
            _copy(source, target)
            copied += 1
        files[path] = _sha256(target)
        if files[path] != (expected or files[path]):
            raise DamagedFile("publisher.backup-damaged", file=path)
    content = {"version": VERSION, "created_at": f"{now().isoformat()}Z", "rows": rows, "files": files}
    part = folder / f".{INDEX}"
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
    part.replace(folder / INDEX)
    return len(files), copied


def read_backup(folder: Path) -> Backup:
    """Read a backup's index. Raises WrongUse for a folder without one, or with one of a newer Väven."""
    try:
        content = json.loads((folder / INDEX).read_text("utf-8"))
        if content["version"] != VERSION:
            raise WrongUse("publisher.backup-newer", folder=folder)
        return Backup(content["rows"], content["files"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise WrongUse("publisher.no-backup", folder=folder) from cause


def damaged_files(folder: Path, backup: Backup) -> list[str]:
    """Return the paths of files that are missing, or differ from what was backed up. Cost: all are read once."""
    return [path for path, sha256 in backup.files.items() if _sha256(folder / path) != sha256]


def _sources(
    settings: Settings, rows: Mapping[str, list[dict[str, Any]]]
) -> Iterator[tuple[str, str, Callable[[], BinaryIO]]]:
    """Yield path in the backup, SHA-256 where the records know it, and what opens the file."""
    releases, originals = settings.release_storage, settings.original_storage
    for row in rows["releases"]:
        for file in (row["manifest"] or {}).get("files", ()):
            key = row["dataset"], row["version"], file["name"]
            yield "/".join(map(str, (RELEASES, *key))), file["sha256"], _opening(releases, *key)
    for sha256 in sorted({row["source_sha256"] for row in rows["releases"]}):
        for name in sorted(originals.sizes(sha256)):
            yield f"{ORIGINALS}/{sha256}/{name}", "", _opening(originals, sha256, name)


def _opening(storage: Storage, *parts: str | int) -> Callable[[], BinaryIO]:
    return lambda: storage.open(*parts)


def _copy(source: Callable[[], BinaryIO], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}")
    try:
        with source() as reading, part.open("wb") as writing:
            while block := reading.read(COPY_BYTES):
                writing.write(block)
    except FileNotFoundError as cause:
        part.unlink(missing_ok=True)
        raise DamagedFile("publisher.backup-damaged", file=target.name) from cause
    part.replace(target)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, "" if it is missing."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _is_unfinished(folder: Path) -> bool:
    """True for what the first backup into a folder has left when it was killed."""
    return {path.name for path in folder.iterdir()} <= {RELEASES, ORIGINALS, f".{INDEX}"}
