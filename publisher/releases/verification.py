"""Verification of a release's files: no byte is read or sent that differs from what was published."""

import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.storage import COPY_BYTES, Storage
from vaven.vocab.errors import DamagedFile

# What changes with a file's content: on a disk inode, size and times, in a bucket size and time.
State = tuple[object, ...]
Key = tuple[str, int, str, str]
log = logging.getLogger(__name__)


class Verification:
    """Compares files with their manifests, each again only after it has changed. Safe to call from many threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._sound: dict[Key, State] = {}
        self._damaged: dict[Key, tuple[State, ReleasedFile]] = {}
        self._copies: dict[tuple[Path, str], State] = {}

    def check(self, dataset: str, version: int, file: ReleasedFile) -> None:
        """Raise DamagedFile for a file that is missing, or has another size or SHA-256 than its manifest says.

        Cost: the file is read once.
        """
        key = dataset, version, file.name, file.sha256
        state = self._state(dataset, version, file.name)
        with self._lock:
            if state and self._sound.get(key) == state:
                return
            is_known = self._damaged.get(key) == (state, file)
        error = DamagedFile("publisher.file-damaged", dataset=dataset, version=version, file=file.name)
        if is_known:
            raise error
        is_sound = bool(state) and self._has_content(dataset, version, file)
        with self._lock:
            if is_sound:
                self._sound[key] = state
                self._damaged.pop(key, None)
                return
            self._damaged[key] = state, file
        log.error("%s", error)
        raise error

    def local(self, dataset: str, version: int, file: ReleasedFile) -> Path:
        """Return a file as a path on this machine's disk. Raises DamagedFile.

        A local copy of a remote file that is damaged is copied again.
        """
        if self._storage.is_local:
            self.check(dataset, version, file)
            return self._storage.local(dataset, version, file.name)
        try:
            for _ in range(2):
                path = self._storage.local(dataset, version, file.name)
                if self._is_sound_copy(path, file):
                    return path
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        error = DamagedFile("publisher.file-damaged", dataset=dataset, version=version, file=file.name)
        log.error("%s", error)
        raise error

    def _is_sound_copy(self, path: Path, file: ReleasedFile) -> bool:
        status = path.stat()
        state = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        with self._lock:
            if self._copies.get((path, file.sha256)) == state:
                return True
        with path.open("rb") as content:
            is_sound = hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        if is_sound:
            with self._lock:
                self._copies[path, file.sha256] = state
        return is_sound

    def damaged(self, dataset: str, version: int, files: Iterable[ReleasedFile]) -> Iterator[ReleasedFile]:
        """Yield the files that `check` refuses."""
        for file in files:
            try:
                self.check(dataset, version, file)
            except DamagedFile:
                yield file

    def known_damaged(self) -> set[tuple[str, int, str]]:
        """Return dataset, version and name of the files that `check` has refused and would refuse now."""
        with self._lock:
            known = [(key[:2], file) for key, (_, file) in self._damaged.items()]
        return {(*key, file.name) for key, file in known if any(self.damaged(*key, [file]))}

    def _state(self, dataset: str, version: int, name: str) -> State:
        """Return the state of a file, empty if it is missing."""
        try:
            if self._storage.is_local:
                status = self._storage.local(dataset, version, name).stat()
                return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
            return self._storage.size(dataset, version, name), self._storage.modified(dataset, version, name)
        except FileNotFoundError:
            return ()

    def _has_content(self, dataset: str, version: int, file: ReleasedFile) -> bool:
        try:
            if self._storage.size(dataset, version, file.name) != file.size:
                return False
            content = hashlib.sha256()
            with self._storage.open(dataset, version, file.name) as blocks:
                while block := blocks.read(COPY_BYTES):
                    content.update(block)
            return content.hexdigest() == file.sha256
        except OSError:
            # A disk that cannot read it, or one that lost it meanwhile.
            return False
