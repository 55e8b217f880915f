"""Compression with gzip and zstd: of files by their suffix, of HTTP responses by their content coding.

Equal content gives equal bytes: no header states a time or a file name. Zstandard (RFC 8878) is from the package
zstandard until Python's own compression.zstd is in every version we run on.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard
from isal import igzip
from isal.igzip_lib import IsalError

IDENTITY = "identity"
# Content codings (RFC 9110, section 8.4.1) in order of preference: zstd compresses as well as gzip in a fifth of the
# time.
CODINGS = ("zstd", "gzip")
GZIP_LEVEL, ZSTD_LEVEL = 4, 3
# Shorter responses are sent uncompressed: compressed they would hardly be shorter.
MIN_COMPRESSED_BYTES = 1024

# Suffixes of compressed files.
SUFFIXES = {".gz": "gzip", ".zst": "zstd"}
# Every line of triples begins like the line before it, so that even a fast level compresses them 20 times with gzip
# and 60 times with zstd.
FILE_LEVEL = 1
# Errors of reading a compressed file that is damaged or was cut off.
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, cast(type[Exception], IsalError))


def compressor(coding: str, target: IO[bytes]) -> IO[bytes]:
    """Return a stream that writes to `target` in a content coding; closing it completes the coding, not `target`."""
    if coding == "gzip":
        stream = gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)
        return cast(IO[bytes], stream)
    return cast(IO[bytes], zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(target, closefd=False))


def decompressor(coding: str, source: IO[bytes]) -> IO[bytes]:
    """Return a stream that reads the content of `source`, which is in a content coding."""
    if coding == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=source, mode="rb"))
    if coding == "zstd":
        return io.BufferedReader(cast(io.RawIOBase, zstandard.ZstdDecompressor().stream_reader(source, closefd=False)))
    return source


@contextmanager
def compressed_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file, compressed if its suffix says so."""
    with path.open("wb") as file:
        match SUFFIXES.get(path.suffix):
            case "gzip":
                # Three times as fast as zlib.
                options = {"filename": "", "fileobj": file, "mode": "wb", "compresslevel": FILE_LEVEL, "mtime": 0}
                with igzip.IGzipFile(**options) as stream:  # type: ignore[no-untyped-call]
                    yield cast(IO[bytes], stream)
            case "zstd":
                compression = zstandard.ZstdCompressor(FILE_LEVEL, write_checksum=True)
                with compression.stream_writer(file, closefd=False) as stream:
                    yield cast(IO[bytes], stream)
            case _:
                yield file


@contextmanager
def decompressed_file(path: Path) -> Iterator[IO[bytes]]:
    """Read a file, decompressed if its suffix says so, also one of several gzip members or zstd frames.

    Damage is found while reading: see DAMAGE.
    """
    match SUFFIXES.get(path.suffix):
        case "gzip":
            with igzip.open(path, "rb") as stream:  # type: ignore[no-untyped-call]
                yield stream
        case "zstd":
            # zstandard's own reader ends without an error where a file was cut off. Slow to load.
            import pyarrow

            with pyarrow.CompressedInputStream(str(path), "zstd") as stream:
                yield cast(IO[bytes], stream)
        case _:
            with path.open("rb") as stream:
                yield stream
