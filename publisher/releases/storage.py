"""Folders of files, local or remote, through fsspec (DESIGN section 4): releases, originals, derived files, uploads.

Files are written under their final names; readers learn of them from the records only, so a store without atomic
renames (S3) is as safe as a disk.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

COPY_BYTES = 1 << 20
# ioctl_ficlone(2).
FICLONE = 0x40049409


@dataclass(frozen=True)
class Storage:
    """`url` is an fsspec URL or a path, without closing slash; `cache` a local folder for copies of remote files.

    Files are addressed by the parts of their path below `url`, such as dataset, version and name. With `is_private`
    local folders can be read by their owner only.
    """

    url: str
    cache: Path
    is_private: bool = False

    @cached_property
    def _root(self) -> tuple[Any, str]:
        # Configuration refers to storages, and most commands open none.
        import fsspec

        # Other processes write to the same store, so no listing of it is cached.
        files, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        return files, root.rstrip("/")

    @property
    def is_local(self) -> bool:
        """True if the files are on this machine's disk."""
        return "file" in self._root[0].protocol

    def _path(self, *parts: str | int) -> str:
        return "/".join((self._root[1], *map(str, parts)))

    def put(self, folder: Path, *parts: str | int, last: str = "", link: bool = False) -> None:
        """Copy a local folder with all it contains to another folder, which is emptied first.

        The file named `last` is written after all others, so that readers who look for it find them too. With `link`
        the files are linked where both folders are on one disk: the caller deletes its own and never writes to them.
        """
        self.remove(*parts)
        self.make_folder(*parts)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(paths, key=lambda path: (path.name == last, path)):
            name = path.relative_to(folder)
            self.make_folder(*parts, *name.parts[:-1])
            target = self._path(*parts, *name.parts)
            if not (link and self.is_local and linked(path, Path(target))):
                self._root[0].put_file(str(path), target)

    def add(self, file: Path, *parts: str | int) -> None:
        """Copy a local file into a folder, where readers find the previous content or all of the new one."""
        self.make_folder(*parts)
        target = self._path(*parts, file.name)
        if not self.is_local:
            self._root[0].put_file(str(file), target)
            return
        with tempfile.TemporaryDirectory(prefix=".part-", dir=Path(target).parent) as folder:
            part = Path(folder) / file.name
            copy_file(file, part)
            part.replace(target)

    def get(self, folder: Path, *parts: str | int) -> None:
        """Copy the files of a folder, which contains no folders, into a local one. Raises FileNotFoundError."""
        for name in self.sizes(*parts):
            self._root[0].get_file(self._path(*parts, name), str(folder / name))

    def open(self, *parts: str | int) -> BinaryIO:
        """Open a file for reading. Raises FileNotFoundError."""
        return cast(BinaryIO, self._root[0].open(self._path(*parts), "rb"))

    def make_folder(self, *parts: str | int) -> None:
        """Make a folder and those above it; an object store has none."""
        if not self.is_local:
            return
        folder = Path(self._root[1])
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts:
            folder /= str(part)
            folder.mkdir(mode=0o700 if self.is_private else 0o777, exist_ok=True)

    def create(self, *parts: str | int) -> BinaryIO:
        """Open a new file for writing. Raises FileNotFoundError if its folder is missing."""
        return cast(BinaryIO, self._root[0].open(self._path(*parts), "wb"))

    def write(self, content: bytes, *parts: str | int) -> None:
        """Write a file as a whole: readers find the previous content or all of the new one.

        Raises FileNotFoundError if its folder is missing, such as one deleted by another process.
        """
        path = self._path(*parts)
        if not self.is_local:
            # An object store shows an object when it has all of it.
            self._root[0].pipe_file(path, content)
            return
        target = Path(path)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
            part.write(content)
        Path(part.name).replace(target)

    def names(self, *parts: str | int) -> list[str]:
        """List the names in a folder, sorted; a folder that is missing has none."""
        try:
            paths = self._root[0].ls(self._path(*parts), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def size(self, *parts: str | int) -> int:
        """Return a file's size in bytes. Raises FileNotFoundError."""
        return int(self._root[0].size(self._path(*parts)))

    def modified(self, *parts: str | int) -> datetime:
        """Return the time of a file's last change, in UTC. Raises FileNotFoundError."""
        return cast(datetime, self._root[0].modified(self._path(*parts)))

    def sizes(self, *parts: str | int) -> dict[str, int]:
        """Return the size in bytes of each file below a folder, by its path there; a missing folder has none."""
        folder = self._path(*parts)
        details = self._root[0].find(folder, detail=True)
        return {path.removeprefix(f"{folder}/"): int(d["size"]) for path, d in details.items() if path != folder}

    def remove(self, *parts: str | int) -> None:
        """Delete a file, or a folder with all that is in it, and the local copies of it; a missing one is ignored."""
        path = self._path(*parts)
        if self.is_local:
            if Path(path).is_dir():
                # Another process may be deleting the same folder.
                shutil.rmtree(path, ignore_errors=True)
            else:
                Path(path).unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):
            self._root[0].rm(path, recursive=True)
        shutil.rmtree(self.cache.joinpath(*map(str, parts)), ignore_errors=True)

    def local(self, *parts: str | int) -> Path:
        """Return a path on this machine's disk; a remote file is copied once, as releases never change."""
        if self.is_local:
            return Path(self._path(*parts))
        copy = self.cache.joinpath(*map(str, parts))
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            # A folder of its own, since several threads may copy the same file at once.
            with tempfile.TemporaryDirectory(prefix=".part-", dir=copy.parent) as folder:
                part = Path(folder) / copy.name
                self._copy_to(part, *parts)
                part.replace(copy)
        return copy

    @contextmanager
    def local_copy(self, *parts: str | int) -> Iterator[Path]:
        """Yield a path on this machine's disk for the block: the file itself, or a copy that is deleted after it."""
        if self.is_local:
            yield Path(self._path(*parts))
            return
        with tempfile.TemporaryDirectory(prefix="vaven-copy-") as folder:
            copy = Path(folder) / str(parts[-1])
            self._copy_to(copy, *parts)
            yield copy

    def _copy_to(self, path: Path, *parts: str | int) -> None:
        with self.open(*parts) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, COPY_BYTES)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file; on a disk that shares blocks between files (btrfs, XFS) without copying its content."""
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            fcntl.ioctl(writing.fileno(), FICLONE, reading.fileno())
            return
        except OSError:
            # Another disk, or one that shares no blocks.
            pass
    shutil.copyfile(source, target)


def linked(source: Path, target: Path) -> bool:
    """Give a file a second name; False where the disk cannot."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
