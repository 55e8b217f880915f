"""Files of triples as stores take them: N-Triples and Turtle, plain or packed with gzip or zstd."""

import gzip
import mmap
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow

from vaven.vocab.errors import StoreUnavailable

# The named graphs to replace, each with the files whose triples it is to hold.
Graphs = Mapping[str, Sequence[Path]]
N_TRIPLES, TURTLE = ".nt", ".ttl"
PACKINGS = (".gz", ".zst")
# How unpacking fails: the end of a file that was cut off, and a damaged one, have errors of their own in gzip.
DAMAGE = (OSError, EOFError, zlib.error)
BLOCK = 1 << 20


def form(path: Path) -> str:
    """`.nt` or `.ttl`, whatever the file is packed in. Raises StoreUnavailable for another."""
    inner = path.with_suffix("").suffix if path.suffix in PACKINGS else path.suffix
    if inner not in (N_TRIPLES, TURTLE):
        raise StoreUnavailable("publisher.not-triples", file=path.name)
    return inner


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The triples as a stream of bytes. Damage is found while reading: see DAMAGE."""
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as stream:
            yield cast(IO[bytes], stream)
    elif path.suffix == ".zst":
        with pyarrow.input_stream(str(path), compression="zstd") as stream:
            yield cast(IO[bytes], stream)
    else:
        with path.open("rb") as plain:
            yield plain


def parts(path: Path, folder: Path, size: int) -> Iterator[Path]:
    """The triples as plain files, each of about `size` bytes at most where lines can be told apart.

    Turtle isn't cut, nor are N-Triples with blank nodes: a label means the same node within one file only. A part
    in `folder` is gone when the next one is asked for. Raises StoreUnavailable for a file that can't be unpacked.
    """
    if not path.is_file():
        raise StoreUnavailable("publisher.triples-missing", file=path)
    plain = path
    if path.suffix in PACKINGS:
        plain = folder / f"plain{form(path)}"
        _unpack(path, plain)
    if form(path) == N_TRIPLES and plain.stat().st_size > size and not _has_blank_nodes(plain):
        yield from _cut(plain, folder, size)
    else:
        yield plain
    if plain != path:
        plain.unlink()


def _unpack(path: Path, target: Path) -> None:
    try:
        with unpacked(path) as stream, target.open("wb") as plain:
            shutil.copyfileobj(stream, plain, BLOCK)
    except DAMAGE as cause:
        raise StoreUnavailable("publisher.triples-damaged", file=path.name, cause=cause) from cause


def _has_blank_nodes(path: Path) -> bool:
    """Whether the text has `_:` anywhere; in a literal it means nothing, and then the file is not cut either."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(b"_:") >= 0


def _cut(plain: Path, folder: Path, size: int) -> Iterator[Path]:
    target = folder / "part.nt"
    with plain.open("rb") as source:
        while block := source.read(size):
            target.write_bytes(block + source.readline())
            yield target
    target.unlink(missing_ok=True)
