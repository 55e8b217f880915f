"""Texts of a workbook beside its cells: comments, text boxes, headers, and properties of the file.

XLSX: ECMA-376 part 1, 15.2.12 (properties), 18.7 (comments), 18.3.1.46 (headers and footers) and 20.1 (drawings), and
threaded comments of [MS-XLSX] 2.6.205. ODS: OpenDocument 1.2 part 1, 4 (metadata) and 14.1 (annotations). No table
contains them, but they are stored with the original.
"""

import html
import re
import zipfile
import zlib
from collections.abc import Iterator
from pyexpat import ExpatError, ParserCreate

BLOCK = 1 << 18
PROPERTIES = re.compile(r"docProps/.*\.xml|meta\.xml|styles\.xml")
COMMENTS = re.compile(r"xl/(comments[^/]*|(comments|threadedComments|persons|drawings)/[^/]*)\.xml")
SHEETS = re.compile(r"xl/(worksheets|chartsheets)/[^/]*\.xml")
CONTENT = "content.xml"
# Elements that are one text each, although runs of differently formatted characters divide it.
TEXTS = frozenset(
    ("title", "subject", "creator", "keywords", "keyword", "description", "lastModifiedBy", "category", "Company",
     "Manager", "lpwstr", "initial-creator", "user-defined", "comment", "threadedComment", "annotation", "header",
     "footer")
)  # fmt: skip
PARAGRAPHS = frozenset(("p",))
PERSON = "displayName"
# Headers and footers follow the rows of a sheet.
HEADERS = re.compile(rb"<(?:[\w.-]+:)?(?:odd|even|first)(?:Header|Footer)(?:\s[^>]*)?>([^<]*)<")
TAIL = 1 << 16
TAG = re.compile(r"<[^>]*>?")
# Exceptions of zipfile for a damaged member.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError)


def texts_beside(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the texts of an XLSX, XLSB or ODS that are in no cell.

    A broken part, which is no reason to refuse the cells, is one text without its tags, as far as it is readable.
    """
    for entry in archive.infolist():
        texts: list[str] = []
        try:
            texts += _texts_of_part(archive, entry.filename)
        except (ExpatError, LookupError, ValueError):
            texts = [_without_tags(archive, entry.filename)]
        except UNREADABLE:
            texts = []
        yield from texts


def _texts_of_part(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    if PROPERTIES.fullmatch(name) or COMMENTS.fullmatch(name):
        yield from _texts(archive, name, PARAGRAPHS if name.startswith("xl/drawings/") else TEXTS)
    elif name == CONTENT and any(b"annotation" in block for block in _blocks(archive, name)):
        yield from _texts(archive, name, TEXTS)
    elif SHEETS.fullmatch(name):
        tail = b""
        for block in _blocks(archive, name):
            tail = (tail + block)[-TAIL:]
        yield from (html.unescape(text.decode("utf-8", "replace")) for text in HEADERS.findall(tail))


def _without_tags(archive: zipfile.ZipFile, name: str) -> str:
    content = b"".join(_blocks(archive, name)).replace(b"\0", b"")
    return html.unescape(TAG.sub("", content.decode("utf-8", "replace")))


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as part:
        while block := part.read(BLOCK):
            yield block


def _texts(archive: zipfile.ZipFile, name: str, elements: frozenset[str]) -> Iterator[str]:
    """Yield the text of each element with one of these local names, with that of the elements inside."""
    texts: list[str] = []
    runs: list[str] = []
    depth = 0

    def start(element: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += element.rpartition(":")[2] in elements
        if PERSON in attributes:
            texts.append(attributes[PERSON])

    def end(element: str) -> None:
        nonlocal depth
        if element.rpartition(":")[2] in elements:
            depth -= 1
            if not depth:
                texts.append("".join(runs))
                runs.clear()

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: runs.append(text) if depth else None
    for block in _blocks(archive, name):
        parser.Parse(block, False)
    parser.Parse(b"", True)
    yield from texts
