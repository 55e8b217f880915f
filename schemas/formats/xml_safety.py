"""XML parts of workbooks: entity declarations and cells outside the largest sheet are refused before a reader has them.

A reader may expand entities, and allocates or counts the rows up to a cell: one in row 4,000,000,000 costs it minutes,
and calamine drops rows of an ODS beyond the largest sheet.
Neither Excel nor LibreOffice writes a document type declaration: OOXML forbids it in a package (ECMA-376 part 2,
10.1.2), and the manifest of old OpenOffice.org files has one without declarations.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from pyexpat import ExpatError, ParserCreate

from vaven.schemas.formats.grid import column_letter
from vaven.vocab.errors import NotReadable

# Exceptions of zipfile for a damaged archive; NotImplementedError is for unknown versions and compression methods.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)

BLOCK = 1 << 14
ENDINGS = (".xml", ".rels", ".vml", ".rdf")
# Its document type in OpenOffice.org 2 and 3 has no declarations of its own.
MANIFEST = "META-INF/manifest.xml"
# The largest sheet of Excel and LibreOffice.
MAX_SHEET_ROWS, MAX_SHEET_COLUMNS = 1 << 20, 1 << 14
# References of rows and cells (`r` in ECMA-376 part 1, 18.3.1.4 and 18.3.1.73) that may be outside it.
FAR_REFERENCE = re.compile(
    rb"""\sr\s*=\s*["']([A-Za-z]{4,}[0-9]+|[X-Zx-z][A-Za-z]{2}[0-9]+|[A-Za-z]{0,3}[0-9]{7,})["']"""
)
# A reference, its attribute and white space between two blocks.
SEAM = 100
# Beginnings of tables and rows, and repeated rows and cells of an OpenDocument sheet (1.2 part 1, 9.1).
OPENDOCUMENT_TABLE = re.compile(
    rb"""<[\w.-]*:?table(-row)?[\s/>]|number-(row|column)s-repeated\s*=\s*["']0*([0-9]{1,18})"""
)
CONTENT = "content.xml"
# Repeated cells of a row, from which on its width is worth counting.
LONG_REPEAT = 1_000


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


def far_reference(archive: zipfile.ZipFile, part: str) -> str | None:
    """Return the first reference outside the largest sheet, of a row ("4000000000") or a cell ("ABCD5") of an XLSX."""
    end = b""
    for block in _blocks(archive, archive.getinfo(part)):
        for match in FAR_REFERENCE.finditer(end + block):
            reference = match[1].decode()
            letters = reference.rstrip("0123456789")
            if int(reference[len(letters) :][:18]) > MAX_SHEET_ROWS or _column_number(letters) > MAX_SHEET_COLUMNS:
                return reference[:40]
        end = (end + block)[-SEAM:]
    return None


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters[:8].upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def far_opendocument_cells(archive: zipfile.ZipFile) -> Mapping[str, str]:
    """Return the first row or cell outside the largest sheet, by table of an ODS. Empty cells do not count."""
    if CONTENT not in archive.namelist() or not _repeats_far(archive):
        return {}
    references: dict[str, str] = {}
    name, row, column, row_repeat = "", 0, 0, 1

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal name, row, column, row_repeat
        local = tag.rsplit(":", 1)[-1]
        values = {key.rsplit(":", 1)[-1]: value for key, value in attributes.items()}
        if local == "table":
            name, row, row_repeat = values.get("name", ""), 0, 1
        elif local == "table-row":
            row, column, row_repeat = row + row_repeat if row else 1, 0, _repeat(values, "rows")
        elif local in ("table-cell", "covered-table-cell"):
            column += _repeat(values, "columns")
            last = row + row_repeat - 1
            if "value-type" in values and (last > MAX_SHEET_ROWS or column > MAX_SHEET_COLUMNS):
                letters = column_letter(column - 1) if column > MAX_SHEET_COLUMNS else ""
                references.setdefault(name, f"{letters}{last}")

    parser = ParserCreate()
    parser.StartElementHandler = start
    try:
        for block in _blocks(archive, archive.getinfo(CONTENT)):
            parser.Parse(block, False)
    except (ExpatError, LookupError, ValueError):
        # Damage is left for the reader to report.
        return references
    return references


def _repeats_far(archive: zipfile.ZipFile) -> bool:
    """Return whether a table may reach beyond the largest sheet, by a scan that is faster than parsing."""
    rows, end = 0, b""
    for block in _blocks(archive, archive.getinfo(CONTENT)):
        text = end + block
        cut = max(text.rfind(b"<"), 0) if len(block) == BLOCK else len(text)
        for match in OPENDOCUMENT_TABLE.finditer(text, 0, cut):
            if match[2] == b"column":
                rows += (MAX_SHEET_ROWS + 1) * (int(match[3]) > LONG_REPEAT)
            elif match[2] or match[1]:
                rows += int(match[3]) - 1 if match[2] else 1
            else:
                rows = 0
            if rows > MAX_SHEET_ROWS:
                return True
        end = text[cut:][: 16 * BLOCK]
    return False


def _repeat(values: Mapping[str, str], what: str) -> int:
    text = values.get(f"number-{what}-repeated", "1")
    return int(text[:18]) if text.isascii() and text.isdigit() else 1
