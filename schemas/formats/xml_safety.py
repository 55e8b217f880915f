"""XML parts of workbooks: one that declares entities is refused, since whoever reads it after us may unfold them.

Neither Excel nor LibreOffice writes a document type: OOXML forbids it in a package (ECMA-376 part 2, 10.1.2), and
the manifest of old OpenOffice.org files names one without declaring anything.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from pyexpat import ExpatError, ParserCreate

from vaven.vocab.errors import NotReadable

# How zipfile says that an archive is broken; NotImplementedError is for versions and packings that it does not know.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)

BLOCK = 1 << 14
ENDINGS = (".xml", ".rels", ".vml", ".rdf")
# Its document type in OpenOffice.org 2 and 3 has no declarations of its own.
MANIFEST = "META-INF/manifest.xml"


class _Seen(Exception):
    """What comes first of a document type and the root element ends the look. Never leaves this module."""


class _Declared(_Seen):
    """There is a document type."""


def refuse_declarations(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise NotReadable where an XML part of a workbook has a document type. Only what is above its root is read."""
    for entry in archive.infolist():
        if entry.filename.lower().endswith(ENDINGS) and _declares(archive, entry):
            raise NotReadable("not-readable-declarations", file=path.name, part=entry.filename)


def _declares(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    parser = ParserCreate()

    def begin(name: str, system: str | None, public: str | None, has_declarations: int) -> None:
        if has_declarations or entry.filename != MANIFEST:
            raise _Declared

    def root(name: str, attributes: object) -> None:
        raise _Seen

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = begin, root
    last = b""
    try:
        for last in _blocks(archive, entry):
            parser.Parse(last, False)
    except _Declared:
        return True
    except _Seen:
        return False
    except (ExpatError, LookupError, ValueError):
        # No XML to expat, or in an encoding that Python does not know, may be XML to others: then the word alone is
        # too much.
        return b"<!DOCTYPE" in last.replace(b"\0", b"").upper()
    return False


def _blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The part from its start. What can't be unpacked is for the reader to say."""
    try:
        with archive.open(entry) as part:
            while block := part.read(BLOCK):
                yield block
    except (*ZIP_DAMAGE, RuntimeError, ValueError):
        return
