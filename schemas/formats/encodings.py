"""In which encoding a text file is written, found in its bytes; a file in two of them is refused, never guessed at."""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from vaven.vocab.errors import NotReadable

BLOCK = 1 << 20
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# The letters å, ä and ö within words, as Windows, Mac and DOS write them. ” is one of these bytes in Windows-1252, but
# stands within no word.
NORDIC = {
    "cp1252": re.compile(rb"[A-Za-z][\xe5\xe4\xf6][a-z]"),
    "mac-roman": re.compile(rb"[A-Za-z][\x8c\x8a\x9a][a-z]"),
    "cp850": re.compile(rb"[A-Za-z][\x86\x84\x94][a-z]"),
}
# Letters of Latin 1 and dashes and quotation marks in UTF-8; in the one-byte encodings above they are never written
# after each other ("Ã¤", "â€”").
IN_UTF8 = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x90-\xa6]")


@dataclass(frozen=True)
class _Fault:
    """What is no text in an encoding, on the physical line `row`: a NUL, or bytes without a meaning."""

    is_nul: bool
    row: int


def encoding_of(path: Path, head: bytes, chosen: str | None = None) -> str:
    """The encoding in which the whole file is text; `chosen` is the user's word for it. One pass over the bytes.

    Raises NotReadable for a file that is no text, or that was put together from two encodings.
    """
    marked = next((name for mark, name in BOMS if head.startswith(mark)), "")
    if not marked and not chosen and b"\0" in head:
        raise NotReadable("not-readable-binary", file=path.name)
    first = chosen or marked or "utf-8"
    fault = _fault(path, first)
    if fault is None:
        return first
    if fault.is_nul:
        raise NotReadable("not-readable-binary", file=path.name)
    if marked == "utf-8-sig" and not chosen:
        raise NotReadable("not-readable-mixed", file=path.name, row=1, other=fault.row)
    if chosen or marked:
        raise NotReadable("not-readable-encoding", file=path.name, row=fault.row)
    return _of_one_byte(path, fault.row)


def _of_one_byte(path: Path, row: int) -> str:
    """The encoding of a text that is no UTF-8 from the line `row` on."""
    if in_utf8 := _row_in_utf8(path):
        raise NotReadable("not-readable-mixed", file=path.name, row=min(in_utf8, row), other=max(in_utf8, row))
    found = _likeliest(path)
    if fault := _fault(path, found):
        code = "not-readable-binary" if fault.is_nul else "not-readable-encoding"
        raise NotReadable(code, file=path.name, row=fault.row)
    return found


def _fault(path: Path, encoding: str) -> _Fault | None:
    decoder, rows = codecs.getincrementaldecoder(encoding)(), 1
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as cause:
                return _Fault(False, rows + cause.object[: cause.start].count(b"\n"))
            except UnicodeError:
                return _Fault(False, rows)
            if "\0" in text:
                return _Fault(True, rows + text[: text.index("\0")].count("\n"))
            if not block:
                return None
            rows += text.count("\n")


def _row_in_utf8(path: Path) -> int | None:
    """The first physical line that is certainly UTF-8."""
    rows, rest = 1, b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            whole = rest + block
            if found := IN_UTF8.search(whole):
                return rows + whole[: found.start()].count(b"\n")
            # A character may go on in the next block; no line break is part of one.
            rest = whole[-2:] if b"\n" not in whole[-2:] else b""
            rows += whole.count(b"\n")
    return None


def _likeliest(path: Path) -> str:
    """Of the one-byte encodings the one in which most of å, ä and ö stand within words; Windows-1252 where none do."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
    return max(NORDIC, key=lambda name: len(NORDIC[name].findall(block)))
