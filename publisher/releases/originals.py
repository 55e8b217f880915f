"""Submissions as their senders wrote them: each is copied before it is read, and stored by its hash, never public.

One that contains personal identity numbers is not stored.

A submission's hash is that of schemas.formats.submission, which its report and its record state too: whoever must erase
a submission finds it by the hash that was published.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vaven.publisher.releases.records import Records
from vaven.publisher.releases.storage import Storage
from vaven.schemas.formats.submission import SubmissionFiles, submission_files

PART = "part-"


@dataclass(frozen=True)
class Original:
    """A submission as received: `path` in `folder` is our own copy, to read, and `name` the sender's name of it."""

    name: str
    path: Path
    sha256: str
    folder: Path


class Originals:
    """The originals in a storage, one folder `{sha256}` each; `folder` is a local one for copies being read.

    One process at a time receives (publish.exclusive).
    """

    def __init__(self, storage: Storage, folder: Path, records: Records) -> None:
        self._storage, self._folder, self._records = storage, folder, records

    @contextmanager
    def receive(self, source: Path, encoding: str | None = None) -> Iterator[Original]:
        """Copy a submission and lend the copy for reading; `keep` stores it.

        What is published is read from the copy, so it agrees with the original although the sender's file may change
        meanwhile. Raises NotReadable for a source that is no file or package.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._folder.glob(f"{PART}*"):
            # A copy of a process that was killed.
            shutil.rmtree(left)
        part = Path(tempfile.mkdtemp(prefix=PART, dir=self._folder))
        try:
            folder, path = _copy(submission_files(source, encoding), source, part)
            sha256 = submission_files(path, encoding).sha256
            yield Original(source.name, path, sha256, folder)
        finally:
            shutil.rmtree(part)

    def keep(self, original: Original) -> None:
        """Store the copy, unless it is stored already."""
        self._store(original.folder, original.sha256)
        if original.path.is_file() and original.path.parent == original.folder:
            self._adopt(original.sha256)

    def _store(self, folder: Path, sha256: str) -> None:
        """Put the files into the storage, unless they are there; a copy that was cut off has other sizes."""
        sizes = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        if self._storage.sizes(sha256) != sizes:
            self._storage.put(folder, sha256)

    def _adopt(self, sha256: str) -> None:
        """Replace what version 0.1 stored of the same single file, which it named by the hash of its hash."""
        older = hashlib.sha256(bytes.fromhex(sha256)).hexdigest()
        if (self._folder / older).is_dir():
            self._records.replace_source_hash(older, sha256)
            shutil.rmtree(self._folder / older)


def _copy(submission: SubmissionFiles, source: Path, part: Path) -> tuple[Path, Path]:
    """Copy the files; returns the folder that they are in, and what to read of it: a file, or a package's folder.

    File and folder have the names that the sender gave them, which reports and titles show.
    """
    folder = part
    if submission.descriptor:
        folder = part / (Path(os.path.abspath(source if source.is_dir() else source.parent)).name or "package")
    for name, path in submission.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder, folder if source.is_dir() else folder / source.name
