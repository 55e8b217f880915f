"""Detection of a text file's encoding from its bytes; a file in two encodings is refused, never guessed."""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from vaven.vocab.errors import NotReadable

BLOCK = 1 << 20
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# The letters å, ä and ö within words in the code pages of Windows, Mac and DOS. ” is one of these bytes in
# Windows-1252, but never within a word.
NORDIC = {
    "cp1252": re.compile(rb"[A-Za-z][\xe5\xe4\xf6][a-z]"),
    "mac-roman": re.compile(rb"[A-Za-z][\x8c\x8a\x9a][a-z]"),
    "cp850": re.compile(rb"[A-Za-z][\x86\x84\x94][a-z]"),
}
# Letters of Latin 1, dashes and quotation marks in UTF-8; in the single-byte encodings above these bytes never follow
# each other ("Ã¤", "â€”").
IN_UTF8 = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x90-\xa6]")
# The letters å, ä, ö and é in UTF-8 that was decoded as Windows-1252, Mac Roman or DOS, and saved in UTF-8 again.
GARBLED = {
    letter.encode("utf-8").decode(encoding): letter
    for encoding in ("cp437", "cp850", "mac-roman", "latin-1", "cp1252")
    for letter in "åäöéÅÄÖ"
}
DECODED_TWICE = re.compile(b"|".join(text.encode("utf-8") for text in GARBLED))
# Programs write it for a character that they could not decode.
LOST = "\ufffd"


@dataclass(frozen=True)
class _DecodingError:
    """A NUL, or bytes that are invalid in an encoding, on the physical line `row`."""

    is_nul: bool
    row: int


def encoding_of(path: Path, head: bytes, override: str | None = None) -> str:
    """Return the encoding in which the whole file is text, in one pass over the bytes.

    `override` is the encoding that the user has set. Raises NotReadable for a file that is no text, or a mixture of
    two encodings.
    """
    by_mark = next((name for mark, name in BOMS if head.startswith(mark)), "")
    if not by_mark and not override and b"\0" in head:
        raise NotReadable("not-readable-binary", file=path.name)
    first = override or by_mark or "utf-8"
    error = _decoding_error(path, first)
    if error is None:
        if first.startswith("utf-8") and (row := _first_row_with(path, DECODED_TWICE)):
            raise NotReadable("not-readable-mojibake", file=path.name, row=row)
        return first
    if error.is_nul:
        raise NotReadable("not-readable-binary", file=path.name)
    if by_mark == "utf-8-sig" and not override:
        raise NotReadable("not-readable-mixed", file=path.name, row=1, other=error.row)
    if override or by_mark:
        raise NotReadable("not-readable-encoding", file=path.name, row=error.row)
    return _one_byte_encoding(path, error.row)


def repaired(text: str) -> str | None:
    """Return a text that was decoded twice with its letters, None if some are lost."""
    garbled = re.compile("|".join(map(re.escape, GARBLED)))
    return None if LOST in text else garbled.sub(lambda match: GARBLED[match[0]], text)


def _one_byte_encoding(path: Path, row: int) -> str:
    """Return the encoding of a text that is not UTF-8 from the line `row` on."""
    if in_utf8 := _first_row_with(path, IN_UTF8):
        raise NotReadable("not-readable-mixed", file=path.name, row=min(in_utf8, row), other=max(in_utf8, row))
    encoding = _likeliest_encoding(path)
    if error := _decoding_error(path, encoding):
        code = "not-readable-binary" if error.is_nul else "not-readable-encoding"
        raise NotReadable(code, file=path.name, row=error.row)
    return encoding


def _decoding_error(path: Path, encoding: str) -> _DecodingError | None:
    decoder, rows, position = codecs.getincrementaldecoder(encoding)(), 1, 0
    is_utf8 = encoding == "utf-8"
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK)
            if is_utf8 and block and block.isascii() and b"\0" not in block and not decoder.getstate()[0]:
                position += len(block)
                continue
            # Lines of UTF-8 are counted only where an error is.
            before = position - len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as cause:
                start = cause.object[: cause.start].count(b"\n")
                return _DecodingError(False, (_row_at(path, before) if is_utf8 else rows) + start)
            except UnicodeError:
                return _DecodingError(False, rows)
            if "\0" in text:
                start = text[: text.index("\0")].count("\n")
                return _DecodingError(True, (_row_at(path, before) if is_utf8 else rows) + start)
            if not block:
                return None
            position += len(block)
            rows += 0 if is_utf8 else text.count("\n")


def _first_row_with(path: Path, pattern: re.Pattern[bytes]) -> int | None:
    """Return the first physical line with a sequence of bytes outside ASCII, of at most six without a line break."""
    position, rest = 0, b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            data = rest + block
            # Most blocks of most tables are ASCII, which is decided a hundred times faster.
            if not data.isascii() and (match := pattern.search(data)):
                return _row_at(path, position + match.start())
            # A character may continue in the next block; a line break is never part of one.
            rest = data[-5:].rpartition(b"\n")[2]
            position += len(data) - len(rest)
    return None


def _row_at(path: Path, position: int) -> int:
    """Return the number of the physical line of a byte."""
    rows = 1
    with path.open("rb") as file:
        while position > 0 and (block := file.read(min(BLOCK, position))):
            rows += block.count(b"\n")
            position -= len(block)
    return rows


def _likeliest_encoding(path: Path) -> str:
    """Return the single-byte encoding with most å, ä and ö within words; Windows-1252 if there are none."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
    return max(NORDIC, key=lambda name: len(NORDIC[name].findall(block)))
