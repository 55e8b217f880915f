"""XML parts of workbooks: parts that declare entities are refused, since a later reader may expand them.

Neither Excel nor LibreOffice writes a document type declaration: OOXML forbids it in a package (ECMA-376 part 2,
10.1.2), and the manifest of old OpenOffice.org files has one without declarations.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from pyexpat import ExpatError, ParserCreate

from vaven.vocab.errors import NotReadable

# Exceptions of zipfile for a damaged archive; NotImplementedError is for unknown versions and compression methods.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)

BLOCK = 1 << 14
ENDINGS = (".xml", ".rels", ".vml", ".rdf")
# Its document type in OpenOffice.org 2 and 3 has no declarations of its own.
MANIFEST = "META-INF/manifest.xml"


class _ParsingStopped(Exception):
    """Ends parsing at the document type declaration or the root element. Never leaves this module."""


class _DoctypeDeclared(_ParsingStopped):
    """Ends parsing at a document type declaration."""


def refuse_declarations(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise NotReadable if an XML part of a workbook has a document type declaration. Parts are read to their root."""
    for entry in archive.infolist():
        if entry.filename.lower().endswith(ENDINGS) and _declares(archive, entry):
            raise NotReadable("not-readable-declarations", file=path.name, part=entry.filename)


def _declares(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    parser = ParserCreate()

    def begin(name: str, system: str | None, public: str | None, has_declarations: int) -> None:
        if has_declarations or entry.filename != MANIFEST:
            raise _DoctypeDeclared

    def root(name: str, attributes: object) -> None:
        raise _ParsingStopped

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = begin, root
    last = b""
    try:
        for last in _blocks(archive, entry):
            parser.Parse(last, False)
    except _DoctypeDeclared:
        return True
    except _ParsingStopped:
        return False
    except (ExpatError, LookupError, ValueError):
        # A part that is no XML to expat, or in an encoding unknown to Python, may be XML to others: then the keyword
        # alone is refused.
        return b"<!DOCTYPE" in last.replace(b"\0", b"").upper()
    return False


def _blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the part from its start. Damage is left for the reader to report."""
    try:
        with archive.open(entry) as part:
            while block := part.read(BLOCK):
                yield block
    except (*ZIP_DAMAGE, RuntimeError, ValueError):
        return
