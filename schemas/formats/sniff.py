"""What a file really is, by its bytes and not by its name, and whether it is safe to open."""

import gzip
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import olefile

from vaven.schemas.formats.encodings import encoding_of
from vaven.schemas.formats.json import is_descriptor, is_lines
from vaven.schemas.formats.pcaxis import codepage, is_pcaxis
from vaven.schemas.formats.xml_safety import ZIP_DAMAGE, refuse_declarations
from vaven.vocab.errors import NotReadable

# Ours, chosen well above any real submission: all Sweden's DeSO for 20 years is about 3 GB as CSV.
MAX_UNPACKED_BYTES = 4_000_000_000
MAX_RATIO = 200
MAX_ENTRIES = 10_000
# Text in an honest workbook compresses at most some 30-fold; the ratio counts only once it is worth anything.
RATIO_FREE_BYTES = 50_000_000

SIGNATURES = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"SQLite format 3", "SQLite"),
    (b"{\\rtf", "RTF"),
    (b"MZ", "Windows-program"),
    (b"\x7fELF", "Linux-program"),
)
MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|svg)", re.IGNORECASE)
BLOCK = 1 << 20
# What a zip without a descriptor may hold.
TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".px", ".parquet", ".xlsx", ".xls", ".ods")


@dataclass(frozen=True)
class Content:
    """`kind` is text, pcaxis, json or json-lines, with the text's `encoding`; or workbook, parquet, package,
    descriptor (a data package's), or packed (gzip, or a zip of tables).
    """

    kind: str
    encoding: str = ""


def content_of(path: Path, encoding: str | None = None) -> Content:
    """Look at a file. Raises NotReadable when it can't be a submission or is not safe to open.

    `encoding` is the user's word for what a text is written in.
    """
    if not path.exists():
        raise NotReadable("not-readable-missing", file=path.name)
    if path.is_dir():
        if not (path / "datapackage.json").is_file():
            raise NotReadable("not-readable-folder", file=path.name)
        return Content("descriptor")
    if not path.is_file():
        # A pipe or a device would be waited for without end.
        raise NotReadable("not-readable-access", file=path.name)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except PermissionError as cause:
        raise NotReadable("not-readable-access", file=path.name) from cause
    if not head:
        raise NotReadable("not-readable-empty", file=path.name)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _archive(path)
    if head.startswith(olefile.MAGIC):
        return _compound(path)
    if head.startswith(b"PAR1"):
        return Content("parquet")
    if head.startswith(b"\x1f\x8b"):
        return Content("packed")
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            raise NotReadable("not-readable-format", file=path.name, format=name)
    return _text(path, head, encoding)


def check_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip whose directory promises no more than our limits; what it really holds is bounded on reading.

    zipfile stops at the promised size of an entry, so that a directory that lies is no way around.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (*ZIP_DAMAGE, ValueError) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    entries = archive.infolist()
    unpacked, packed = sum(e.file_size for e in entries), max(sum(e.compress_size for e in entries), 1)
    is_bomb = unpacked > RATIO_FREE_BYTES and unpacked / packed > MAX_RATIO
    if is_bomb or unpacked > MAX_UNPACKED_BYTES or len(entries) > MAX_ENTRIES:
        archive.close()
        raise NotReadable("not-readable-too-large", file=path.name, megabytes=unpacked // 1_000_000)
    if link := next((e for e in entries if stat.S_ISLNK(e.external_attr >> 16)), None):
        archive.close()
        raise NotReadable("not-readable-link", file=path.name, path=link.filename)
    return archive


def _archive(path: Path) -> Content:
    with check_archive(path) as archive:
        names = set(archive.namelist())
        is_ods = "mimetype" in names and _mimetype(path, archive).endswith(b"opendocument.spreadsheet")
        is_workbook = is_ods or bool(names & {"xl/workbook.xml", "xl/workbook.bin"})
        if is_workbook:
            refuse_declarations(path, archive)
    if any(PurePosixPath(name).name == "datapackage.json" and name.count("/") <= 1 for name in names):
        return Content("package")
    if is_workbook:
        return Content("workbook")
    if _tables_in(names):
        return Content("packed")
    raise NotReadable("not-readable-format", file=path.name, format=_office_name(names))


def _tables_in(names: Iterable[str]) -> list[str]:
    """The entries of a zip, where all of them are tables by their endings (but for what macOS leaves)."""
    files = [n for n in names if not n.endswith("/") and not n.startswith("__MACOSX/") and not n.endswith(".DS_Store")]
    return files if all(PurePosixPath(name).suffix.lower() in TABLES for name in files) else []


def unpack_tables(path: Path, folder: Path) -> list[Path]:
    """Unpack a gzip or a zip of tables into `folder`, by the limits of an archive. Raises NotReadable."""
    folder.mkdir(parents=True)
    if zipfile.is_zipfile(path):
        with check_archive(path) as archive:
            return [_unpack_entry(path, archive, name, folder) for name in _tables_in(archive.namelist())]
    # "fil.csv.gz" holds fil.csv; a name that says nothing is a text's.
    target = folder / (path.stem if path.suffix.lower() == ".gz" else path.name)
    try:
        with gzip.GzipFile(path) as source:
            _copy_bounded(path, source, target, path.stat().st_size)
    except (OSError, EOFError, zlib.error) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    return [target]


def check_packed(path: Path) -> None:
    """Refuse a zip or gzip that unpacks to more than our limits, before anyone unpacks it. Raises NotReadable."""
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"PK":
        check_archive(path).close()
    elif magic == b"\x1f\x8b":
        try:
            with gzip.GzipFile(path) as source:
                _copy_bounded(path, source, Path(os.devnull), path.stat().st_size)
        except (OSError, EOFError, zlib.error) as cause:
            raise NotReadable("not-readable-damaged", file=path.name) from cause


def _unpack_entry(path: Path, archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    target = folder / PurePosixPath(name.replace("\\", "/")).name
    if target.exists():
        raise NotReadable("not-readable-path", file=path.name, path=name)
    try:
        with archive.open(name) as source:
            _copy_bounded(path, source, target, archive.getinfo(name).compress_size)
    except ZIP_DAMAGE as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    except RuntimeError as cause:
        # So zipfile says that an entry is encrypted.
        raise NotReadable("not-readable-password", file=path.name) from cause
    return target


def _copy_bounded(path: Path, source: IO[bytes] | gzip.GzipFile, target: Path, packed: int) -> None:
    limit = min(MAX_UNPACKED_BYTES, max(RATIO_FREE_BYTES, packed * MAX_RATIO))
    size = 0
    with target.open("wb") as copy:
        while block := source.read(BLOCK):
            size += len(block)
            if size > limit:
                raise NotReadable("not-readable-too-large", file=path.name, megabytes=size // 1_000_000)
            copy.write(block)


def _mimetype(path: Path, archive: zipfile.ZipFile) -> bytes:
    """The entry by which an OpenDocument file names its kind; stored plainly in an honest one."""
    if archive.getinfo("mimetype").compress_type != zipfile.ZIP_STORED:
        return b""
    try:
        with archive.open("mimetype") as entry:
            return entry.read(100)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError) as cause:
        # RuntimeError is how zipfile says that an entry is encrypted.
        raise NotReadable("not-readable-damaged", file=path.name) from cause


def _office_name(names: set[str]) -> str:
    return "Word" if "word/document.xml" in names else "PowerPoint" if "ppt/presentation.xml" in names else "zip"


def _compound(path: Path) -> Content:
    """An OLE compound file: a protected workbook, an old .xls, or another old Office document."""
    try:
        with olefile.OleFileIO(path) as compound:
            streams = {"/".join(parts) for parts in compound.listdir()}
    except (OSError, ValueError, IndexError) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    if "EncryptedPackage" in streams:
        raise NotReadable("not-readable-password", file=path.name)
    if streams & {"Workbook", "Book"}:
        return Content("workbook")
    raise NotReadable("not-readable-format", file=path.name, format="Office 97–2003")


def _text(path: Path, head: bytes, chosen: str | None) -> Content:
    if MARKUP.match(head):
        raise NotReadable("not-readable-format", file=path.name, format="HTML/XML")
    found = encoding_of(path, head, chosen)
    if is_pcaxis(head):
        return Content("pcaxis", chosen or (found if found == "utf-8" else codepage(head) or found))
    with path.open(encoding=found) as file:
        first = file.read(4096).lstrip()[:1]
    if first == "[":
        return Content("json", found)
    if first == "{":
        if is_lines(path, found):
            return Content("json-lines", found)
        return Content("descriptor") if is_descriptor(path, found) else Content("json", found)
    return Content("text", found)
