"""Detection of a file's format by its bytes, not its name, and of files that are not safe to open."""

import gzip
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from vaven.schemas.formats.encodings import encoding_of
from vaven.schemas.formats.pcaxis import codepage, is_pcaxis
from vaven.schemas.formats.xml_safety import ZIP_DAMAGE, refuse_declarations
from vaven.vocab.errors import NotReadable

# Ours, chosen well above any real submission: all Sweden's DeSO for 20 years is about 3 GB as CSV.
MAX_UNCOMPRESSED_BYTES = 4_000_000_000
MAX_RATIO = 200
MAX_MEMBERS = 10_000
# Text in an honest workbook compresses at most some 30-fold; below this size the ratio is not checked.
RATIO_FREE_BYTES = 50_000_000

# The first bytes of an OLE compound file (MS-CFB, section 2.2).
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
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
# Extensions of the files in a zip without a descriptor.
TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".px", ".parquet", ".xlsx", ".xls", ".ods")


@dataclass(frozen=True)
class Content:
    """The format of a file, with the `encoding` of a text.

    `kind` is text, pcaxis, json or json-lines, which are texts; workbook, parquet, package, descriptor (a data
    package's), or compressed (gzip, or a zip of tables).
    """

    kind: str
    encoding: str = ""


def content_of(path: Path, encoding: str | None = None) -> Content:
    """Detect the format of a file. Raises NotReadable if it can't be a submission or is not safe to open.

    `encoding` is the one that the user has set for a text.
    """
    if not path.exists():
        raise NotReadable("not-readable-missing", file=path.name)
    if path.is_dir():
        if not (path / "datapackage.json").is_file():
            raise NotReadable("not-readable-folder", file=path.name)
        return Content("descriptor")
    if not path.is_file():
        # Reading a pipe or a device might never return.
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
    if head.startswith(COMPOUND):
        return _compound(path)
    if head.startswith(b"PAR1"):
        return Content("parquet")
    if head.startswith(b"\x1f\x8b"):
        return Content("compressed")
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            raise NotReadable("not-readable-format", file=path.name, format=name)
    return _text(path, head, encoding)


def check_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip whose central directory declares sizes within our limits.

    zipfile stops reading at the declared size of a member, so a false declaration does not evade the limits.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (*ZIP_DAMAGE, ValueError) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    members = archive.infolist()
    uncompressed, compressed = sum(e.file_size for e in members), max(sum(e.compress_size for e in members), 1)
    is_bomb = uncompressed > RATIO_FREE_BYTES and uncompressed / compressed > MAX_RATIO
    if is_bomb or uncompressed > MAX_UNCOMPRESSED_BYTES or len(members) > MAX_MEMBERS:
        archive.close()
        raise NotReadable("not-readable-too-large", file=path.name, megabytes=uncompressed // 1_000_000)
    if link := next((e for e in members if stat.S_ISLNK(e.external_attr >> 16)), None):
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
        return Content("compressed")
    raise NotReadable("not-readable-format", file=path.name, format=_office_name(names))


def _tables_in(names: Iterable[str]) -> list[str]:
    """Return the members of a zip if all are tables by their extensions, apart from the metadata files of macOS."""
    files = [n for n in names if not n.endswith("/") and not n.startswith("__MACOSX/") and not n.endswith(".DS_Store")]
    return files if all(PurePosixPath(name).suffix.lower() in TABLES for name in files) else []


def extract_tables(path: Path, folder: Path) -> Mapping[str, Path]:
    """Extract a gzip or a zip of tables into `folder`, within the limits of an archive. Raises NotReadable.

    The keys are the files' names without extension; those of a zip have their folders if several have one name.
    """
    folder.mkdir(parents=True)
    if zipfile.is_zipfile(path):
        with check_archive(path) as archive:
            names = _tables_in(archive.namelist())
            # Each in a folder of its own: "2022/data.csv" and "2023/data.csv" have the same name.
            files = [_extract_member(path, archive, name, folder / str(i)) for i, name in enumerate(names)]
        return dict(zip(_labels(path, names), files, strict=True))
    # "fil.csv.gz" contains fil.csv; a name with another extension stays.
    target = folder / (path.stem if path.suffix.lower() == ".gz" else path.name)
    try:
        with gzip.GzipFile(path) as source:
            _copy_bounded(path, source, target, path.stat().st_size)
    except (OSError, EOFError, zlib.error) as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    return {target.stem: target}


def _labels(path: Path, names: Sequence[str]) -> Sequence[str]:
    """Return the shortest names that tell the members of a zip apart."""
    members = [PurePosixPath(name.replace("\\", "/")) for name in names]
    for labels in ([m.stem for m in members], [m.with_suffix("").as_posix() for m in members], [*map(str, members)]):
        if len(set(labels)) == len(labels):
            return labels
    raise NotReadable("not-readable-path", file=path.name, path=max(names, key=names.count))


def check_compressed(path: Path) -> None:
    """Raise NotReadable for a zip or gzip whose content exceeds our limits, before a library extracts it."""
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


def _extract_member(path: Path, archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    target = folder / PurePosixPath(name.replace("\\", "/")).name
    folder.mkdir()
    try:
        with archive.open(name) as source:
            _copy_bounded(path, source, target, archive.getinfo(name).compress_size)
    except ZIP_DAMAGE as cause:
        raise NotReadable("not-readable-damaged", file=path.name) from cause
    except RuntimeError as cause:
        # zipfile raises it for an encrypted member.
        raise NotReadable("not-readable-password", file=path.name) from cause
    return target


def _copy_bounded(path: Path, source: IO[bytes] | gzip.GzipFile, target: Path, compressed_size: int) -> None:
    limit = min(MAX_UNCOMPRESSED_BYTES, max(RATIO_FREE_BYTES, compressed_size * MAX_RATIO))
    size = 0
    with target.open("wb") as copy:
        while block := source.read(BLOCK):
            size += len(block)
            if size > limit:
                raise NotReadable("not-readable-too-large", file=path.name, megabytes=size // 1_000_000)
            copy.write(block)


def _mimetype(path: Path, archive: zipfile.ZipFile) -> bytes:
    """Read the member with an OpenDocument file's media type, which is stored uncompressed in an honest one."""
    if archive.getinfo("mimetype").compress_type != zipfile.ZIP_STORED:
        return b""
    try:
        with archive.open("mimetype") as entry:
            return entry.read(100)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError) as cause:
        # zipfile raises RuntimeError for an encrypted member.
        raise NotReadable("not-readable-damaged", file=path.name) from cause


def _office_name(names: set[str]) -> str:
    return "Word" if "word/document.xml" in names else "PowerPoint" if "ppt/presentation.xml" in names else "zip"


def _compound(path: Path) -> Content:
    """Detect the format of an OLE compound file: a protected workbook, an old .xls, or another old Office document."""
    import olefile

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


def _declared_encoding(path: Path, head: bytes, declared: str) -> str:
    """Return the encoding of a PC-Axis file if its characters are in it. Raises NotReadable with the keyword."""
    try:
        return encoding_of(path, head, declared)
    except NotReadable as cause:
        if cause.code != "not-readable-encoding":
            raise
        row = cause.params["row"]
        sv = f"CODEPAGE, eftersom tecken på rad {row} inte är i teckenkodningen {declared}"
        en = f"CODEPAGE, because characters on line {row} are not in the encoding {declared}"
        raise NotReadable("not-readable-pcaxis", file=path.name, what=declared, what_sv=sv, what_en=en) from cause


def _text(path: Path, head: bytes, override: str | None) -> Content:
    if MARKUP.match(head):
        raise NotReadable("not-readable-format", file=path.name, format="HTML/XML")
    detected = encoding_of(path, head, override)
    if is_pcaxis(head):
        declared = None if override or detected.startswith("utf-") else codepage(head)
        return Content("pcaxis", _declared_encoding(path, head, declared) if declared else detected)
    with path.open(encoding=detected) as file:
        first = file.read(4096).lstrip()[:1]
    if first == "[":
        return Content("json", detected)
    if first == "{":
        from vaven.schemas.formats.json import is_descriptor, is_lines

        if is_lines(path, detected):
            return Content("json-lines", detected)
        return Content("descriptor") if is_descriptor(path, detected) else Content("json", detected)
    return Content("text", detected)
