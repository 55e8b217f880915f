"""The files that a submission consists of, and its one SHA-256: in reports, in the records and of the stored original.

A single file, a zip too, has the hash of its bytes. A data package, named by its folder or by its descriptor, consists
of the descriptor and the files that it names; other files in the folder are no part of it. Its hash is that of the text
which `sha256sum` prints for these files in the order of their paths (bytewise), with two blanks and a line feed:

    sha256sum datapackage.json observations.csv | sha256sum
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vaven.schemas.formats.sniff import Content, content_of
from vaven.vocab.errors import NotReadable

DESCRIPTOR = "datapackage.json"


@dataclass(frozen=True)
class SubmissionFiles:
    """The files of a submission by their POSIX path inside it; of a package, one is the `descriptor`."""

    files: Mapping[str, Path]
    descriptor: str = ""

    @property
    def sha256(self) -> str:
        """Read all files and return the submission's hash."""
        hashes = {name: _sha256(path) for name, path in self.files.items()}
        if not self.descriptor:
            return next(iter(hashes.values()))
        lines = sorted((name.encode("utf-8", "surrogateescape"), digest) for name, digest in hashes.items())
        return hashlib.sha256(b"".join(b"%s  %s\n" % (digest.encode(), name) for name, digest in lines)).hexdigest()


def submission_files(source: Path, encoding: str | None = None, content: Content | None = None) -> SubmissionFiles:
    """Find the files of a submission; `encoding` is the sender's word for a text's encoding, `content` if it is known.

    A file that the descriptor names and that does not exist is left out: reading the package reports it. Raises
    NotReadable for a source that is missing or no file, and for a named file outside the package (a symbolic link).
    """
    is_descriptor = content.kind == "descriptor" if content else _is_descriptor(source, encoding)
    if source.is_file() and not is_descriptor:
        return SubmissionFiles({source.name: source})
    if content is None:
        content_of(source, encoding)
    descriptor = source / DESCRIPTOR if source.is_dir() else source
    named = {name: descriptor.parent / name for name in _named(descriptor)}
    return SubmissionFiles({descriptor.name: descriptor, **named}, descriptor.name)


def _is_descriptor(file: Path, encoding: str | None) -> bool:
    try:
        return content_of(file, encoding).kind == "descriptor"
    except NotReadable:
        return file.name == DESCRIPTOR


def _named(descriptor: Path) -> Iterator[str]:
    """The paths of all existing files that a descriptor names: tables, and metadata in files of its own."""
    # Loads Frictionless, which takes longer than most files take to check.
    from vaven.schemas.formats.datapackage import POINTERS, is_inside, read_json

    try:
        content = read_json(descriptor)
    except (NotReadable, OSError):
        return
    folder = descriptor.parent.resolve()
    for resource in _resources(content):
        for path in (*_paths(resource.get("path")), *(resource.get(pointer) for pointer in POINTERS)):
            if isinstance(path, str) and is_inside(path) and _is_file(folder / path):
                if not (folder / path).resolve().is_relative_to(folder):
                    raise NotReadable("not-readable-path", file=descriptor.name, path=path)
                yield str(PurePosixPath(path))


def _resources(content: Any) -> Iterator[Mapping[str, Any]]:
    resources = content.get("resources") if isinstance(content, dict) else None
    yield from (r for r in resources if isinstance(r, dict)) if isinstance(resources, list) else ()


def _paths(path: Any) -> list[Any]:
    return path if isinstance(path, list) else [path]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name longer than the system allows.
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
