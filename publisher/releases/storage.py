"""A folder of files, local or remote, through fsspec (DESIGN section 4): releases, and uploads.

A release's files are written under their final names; readers learn of them from the records only, so a
store without atomic renames (S3) is as safe as a disk.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec


@dataclass(frozen=True)
class Storage:
    """`url` is an fsspec URL without closing slash; `cache` a local folder for copies of remote files.

    Files are addressed by the parts of their path below `url`, such as dataset, version and name. With `is_private`
    local folders can be read by their owner only.
    """

    url: str
    cache: Path
    is_private: bool = False

    @cached_property
    def _place(self) -> tuple[Any, str]:
        # Other processes write to the same store, so no listing of it is cached.
        files, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        return files, root

    @property
    def _is_local(self) -> bool:
        return "file" in self._place[0].protocol

    def _path(self, *parts: str | int) -> str:
        return "/".join((self._place[1], *map(str, parts)))

    def put(self, folder: Path, dataset: str, version: int) -> None:
        """Copy the files of a local folder into a release's folder, which is emptied first."""
        files, _ = self._place
        target = self._path(dataset, version)
        if files.exists(target):
            files.rm(target, recursive=True)
        files.makedirs(target, exist_ok=True)
        for path in sorted(folder.iterdir()):
            files.put_file(str(path), f"{target}/{path.name}")

    def open(self, *parts: str | int) -> BinaryIO:
        """Open a file for reading. Raises FileNotFoundError."""
        return cast(BinaryIO, self._place[0].open(self._path(*parts), "rb"))

    def make_folder(self, *parts: str | int) -> None:
        """Make a folder and those above it; an object store has none."""
        if not self._is_local:
            return
        folder = Path(self._place[1])
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts:
            folder /= str(part)
            folder.mkdir(mode=0o700 if self.is_private else 0o777, exist_ok=True)

    def create(self, *parts: str | int) -> BinaryIO:
        """Open a new file for writing. Raises FileNotFoundError if its folder is missing."""
        return cast(BinaryIO, self._place[0].open(self._path(*parts), "wb"))

    def write(self, content: bytes, *parts: str | int) -> None:
        """Write a file as a whole: readers find the previous content or all of the new one.

        Raises FileNotFoundError if its folder is missing, such as one deleted by another process.
        """
        path = self._path(*parts)
        if not self._is_local:
            # An object store shows an object when it has all of it.
            self._place[0].pipe_file(path, content)
            return
        target = Path(path)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
            part.write(content)
        Path(part.name).replace(target)

    def names(self, *parts: str | int) -> list[str]:
        """List the names in a folder, sorted; a folder that is missing has none."""
        try:
            paths = self._place[0].ls(self._path(*parts), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def size(self, *parts: str | int) -> int:
        """Return a file's size in bytes. Raises FileNotFoundError."""
        return int(self._place[0].size(self._path(*parts)))

    def modified(self, *parts: str | int) -> datetime:
        """Return the time of a file's last change, in UTC. Raises FileNotFoundError."""
        return cast(datetime, self._place[0].modified(self._path(*parts)))

    def remove(self, *parts: str | int) -> None:
        """Delete a file, or a folder with all that is in it; a missing one is ignored."""
        path = self._path(*parts)
        if self._is_local:
            # Another process may be deleting the same folder.
            shutil.rmtree(path, ignore_errors=True)
            return
        with suppress(FileNotFoundError):
            self._place[0].rm(path, recursive=True)

    def local(self, dataset: str, version: int, name: str) -> Path:
        """A path on this machine's disk; a remote file is copied once, as releases never change."""
        if self._is_local:
            return Path(self._path(dataset, version, name))
        copy = self.cache / dataset / str(version) / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_suffix(copy.suffix + ".part")
            with self.open(dataset, version, name) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
            part.replace(copy)
        return copy

    @contextmanager
    def local_copy(self, *parts: str | int) -> Iterator[Path]:
        """Yield a path on this machine's disk for the block: the file itself, or a copy that is deleted after it."""
        if self._is_local:
            yield Path(self._path(*parts))
            return
        with tempfile.TemporaryDirectory(prefix="vaven-copy-") as folder:
            copy = Path(folder) / str(parts[-1])
            with self.open(*parts) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            yield copy
