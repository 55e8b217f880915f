"""Files of triples that stores load: N-Triples and Turtle, uncompressed or compressed with gzip or zstd."""

import mmap
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vaven.publisher.rdf.compression import DAMAGE, SUFFIXES, decompressed_file
from vaven.vocab.errors import StoreUnavailable

# The named graphs to replace, each with the files whose triples it is to hold.
Graphs = Mapping[str, Sequence[Path]]
N_TRIPLES, TURTLE = ".nt", ".ttl"
BLOCK = 1 << 20


def rdf_suffix(path: Path) -> str:
    """Return the suffix of the RDF format, `.nt` or `.ttl`, of a file that may be compressed.

    Raises StoreUnavailable for any other.
    """
    suffix = path.with_suffix("").suffix if path.suffix in SUFFIXES else path.suffix
    if suffix not in (N_TRIPLES, TURTLE):
        raise StoreUnavailable("publisher.not-triples", file=path.name)
    return suffix


def uncompressed_parts(path: Path, folder: Path, size: int) -> Iterator[Path]:
    """Yield the triples as uncompressed files, of about `size` bytes at most each if lines can be separated.

    Turtle isn't split, nor are N-Triples with blank nodes: a label means the same node within one file only. A part
    in `folder` is deleted when the next one is requested. Raises StoreUnavailable for a missing or damaged file.
    """
    if not path.is_file():
        raise StoreUnavailable("publisher.triples-missing", file=path)
    uncompressed = path
    if path.suffix in SUFFIXES:
        uncompressed = folder / f"uncompressed{rdf_suffix(path)}"
        _decompress(path, uncompressed)
    if rdf_suffix(path) == N_TRIPLES and uncompressed.stat().st_size > size and not _has_blank_nodes(uncompressed):
        yield from _split(uncompressed, folder, size)
    else:
        yield uncompressed
    if uncompressed != path:
        uncompressed.unlink()


def _decompress(path: Path, target: Path) -> None:
    try:
        with decompressed_file(path) as source, target.open("wb") as uncompressed:
            shutil.copyfileobj(source, uncompressed, BLOCK)
    except DAMAGE as cause:
        raise StoreUnavailable("publisher.triples-damaged", file=path.name, cause=cause) from cause


def _has_blank_nodes(path: Path) -> bool:
    """True if the text contains `_:` anywhere, a literal included, which then is not split either."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(b"_:") >= 0


def _split(path: Path, folder: Path, size: int) -> Iterator[Path]:
    part = folder / "part.nt"
    with path.open("rb") as source:
        while block := source.read(size):
            part.write_bytes(block + source.readline())
            yield part
    part.unlink(missing_ok=True)
