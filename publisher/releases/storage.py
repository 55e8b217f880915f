"""The folder of all releases, local or remote, through fsspec (DESIGN section 4).

A release's files are written under their final names; readers learn of them from the records only, so a
store without atomic renames (S3) is as safe as a disk.
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec


@dataclass(frozen=True)
class Storage:
    """`url` is an fsspec URL without closing slash; `cache` a local folder for copies of remote files."""

    url: str
    cache: Path

    @cached_property
    def _place(self) -> tuple[Any, str]:
        files, root = fsspec.core.url_to_fs(self.url)
        return files, root

    def _path(self, dataset: str, version: int, name: str = "") -> str:
        return "/".join(part for part in (self._place[1], dataset, str(version), name) if part)

    def put(self, folder: Path, dataset: str, version: int) -> None:
        """Copy the files of a local folder into a release's folder, which is emptied first."""
        files, _ = self._place
        target = self._path(dataset, version)
        if files.exists(target):
            files.rm(target, recursive=True)
        files.makedirs(target, exist_ok=True)
        for path in sorted(folder.iterdir()):
            files.put_file(str(path), f"{target}/{path.name}")

    def open(self, dataset: str, version: int, name: str) -> BinaryIO:
        """A file for reading. Raises FileNotFoundError."""
        return cast(BinaryIO, self._place[0].open(self._path(dataset, version, name), "rb"))

    def local(self, dataset: str, version: int, name: str) -> Path:
        """A path on this machine's disk; a remote file is copied once, as releases never change."""
        files, _ = self._place
        path = self._path(dataset, version, name)
        if "file" in files.protocol:
            return Path(path)
        copy = self.cache / dataset / str(version) / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_suffix(copy.suffix + ".part")
            with files.open(path, "rb") as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
            part.replace(copy)
        return copy
