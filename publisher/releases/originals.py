"""Submissions as their senders wrote them: each is copied before it is read, and stored by its hash, never public.

An upload, which is ours, and the copy become the stored original by their names alone: no content is copied again.

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
from vaven.publisher.releases.storage import Storage, copy_file, linked
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
    def receive(self, source: Path, encoding: str | None = None, *, is_upload: bool = False) -> Iterator[Original]:
        """Copy a submission and lend the copy for reading; `keep` stores it.

        An upload gets a second name instead of a copy, and loses its first one at the end: a process that is killed
        loses nothing. What is published is read from the copy, so it agrees with the original although the sender's
        file may change meanwhile. Raises NotReadable for a source that is no file or package.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._folder.glob(f"{PART}*"):
            # A copy of a process that was killed.
            shutil.rmtree(left)
        part = Path(tempfile.mkdtemp(prefix=PART, dir=self._folder))
        try:
            submission = submission_files(source, encoding)
            folder, path = _copy(submission, source, part, is_upload)
            sha256 = submission_files(path, encoding).sha256
            try:
                yield Original(source.name, path, sha256, folder)
            finally:
                for uploaded in submission.files.values() if is_upload else ():
                    uploaded.unlink()
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
            self._storage.put(folder, sha256, link=True)

    def _adopt(self, sha256: str) -> None:
        """Replace what version 0.1 stored of the same single file, which it named by the hash of its hash."""
        older = hashlib.sha256(bytes.fromhex(sha256)).hexdigest()
        if (self._folder / older).is_dir():
            self._records.replace_source_hash(older, sha256)
            shutil.rmtree(self._folder / older)


def _copy(submission: SubmissionFiles, source: Path, part: Path, is_upload: bool) -> tuple[Path, Path]:
    """Copy the files, or link those of an upload.

    Returns the folder that they are in, and what to read of it: a file, or a package's folder.
    File and folder have the names that the sender gave them, which reports and titles show.
    """
    folder = part
    if submission.descriptor:
        folder = part / (Path(os.path.abspath(source if source.is_dir() else source.parent)).name or "package")
    for name, path in submission.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (is_upload and linked(path, target)):
            copy_file(path, target)
    return folder, folder if source.is_dir() else folder / source.name
