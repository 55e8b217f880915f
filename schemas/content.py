"""What a file really is, by its bytes and not by its name, and whether it is safe to open."""

import codecs
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import olefile

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
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"SQLite format 3", "SQLite"),
    (b"{\\rtf", "RTF"),
    (b"MZ", "Windows-program"),
    (b"\x7fELF", "Linux-program"),
    (b"PAR1", "Parquet"),
)
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|svg)", re.IGNORECASE)
BLOCK = 1 << 20


@dataclass(frozen=True)
class Content:
    """`kind` is workbook, package, descriptor or text; `encoding` is set for text."""

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
    except (zipfile.BadZipFile, OSError, ValueError) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    entries = archive.infolist()
    unpacked, packed = sum(e.file_size for e in entries), max(sum(e.compress_size for e in entries), 1)
    is_bomb = unpacked > RATIO_FREE_BYTES and unpacked / packed > MAX_RATIO
    if is_bomb or unpacked > MAX_UNPACKED_BYTES or len(entries) > MAX_ENTRIES:
        archive.close()
        raise NotReadable("not-readable-too-large", file=path.name, megabytes=unpacked // 1_000_000)
    return archive


def _archive(path: Path) -> Content:
    with check_archive(path) as archive:
        names = set(archive.namelist())
        is_ods = "mimetype" in names and _mimetype(path, archive).endswith(b"opendocument.spreadsheet")
    if any(PurePosixPath(name).name == "datapackage.json" and name.count("/") <= 1 for name in names):
        return Content("package")
    if names & {"xl/workbook.xml", "xl/workbook.bin"} or is_ods:
        return Content("workbook")
    raise NotReadable("not-readable-format", file=path.name, format=_office_name(names))


def _mimetype(path: Path, archive: zipfile.ZipFile) -> bytes:
    """The entry by which an OpenDocument file names its kind; stored plainly in an honest one."""
    if archive.getinfo("mimetype").compress_type != zipfile.ZIP_STORED:
        return b""
    try:
        with archive.open("mimetype") as entry:
            return entry.read(100)
    except (zipfile.BadZipFile, EOFError, RuntimeError) as cause:
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
    encoding = next((name for mark, name in BOMS if head.startswith(mark)), "")
    if not encoding and not chosen and b"\0" in head:
        raise NotReadable("not-readable-binary", file=path.name)
    if MARKUP.match(head):
        raise NotReadable("not-readable-format", file=path.name, format="HTML/XML")
    found = chosen or encoding or ("utf-8" if _decodes(path, "utf-8") else "cp1252")
    if (chosen or found != "utf-8") and not _decodes(path, found):
        raise NotReadable("not-readable-encoding", file=path.name)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return Content("descriptor")
    return Content("text", found)


def _decodes(path: Path, encoding: str) -> bool:
    """Whether the whole file is text in the encoding, without a NUL; one pass over the bytes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while block := file.read(BLOCK):
                if "\0" in decoder.decode(block):
                    return False
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
