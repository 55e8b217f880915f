"""Cell accounting: the non-empty cells of a submission, as cells that its tables contain and cells that they do not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from vaven.vocab.errors import NotReadable

# Bytes of a checksum, as a number that a column of DuckDB and JSON's readers can hold as hexadecimal digits.
CHECKSUM_BYTES = 8


def checksum_of(position: int, cells: Sequence[str]) -> int:
    """Return the checksum of texts at a position: a row's number, or that of the first row of a column's cells.

    The checksum of a range is that of its parts, combined by exclusive or: their order does not matter.
    """
    text = "\x03".join((str(position), *cells))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=CHECKSUM_BYTES).digest(), "big")


class RepeatedText(str):
    """Text that a cell has from another cell of the file: one above it, or the category of a dimension."""

    __slots__ = ()


def filled_in_file(cells: Iterable[str]) -> int:
    """Count the non-empty cells that are in the file."""
    return sum(1 for cell in cells if cell and type(cell) is not RepeatedText)


class CategoryTexts:
    """Texts that a file has once for many rows, such as the categories of its dimensions.

    Each text is `repeated`, but for its first use in a row of the grid.
    """

    def __init__(self) -> None:
        # By the identity of its repetition: categories of two dimensions may have the same text.
        self._unused: dict[int, str] = {}
        self._repeated: list[RepeatedText] = []

    def repeated(self, text: str) -> RepeatedText:
        """Return a text for use in rows, which `first` counts once."""
        repeated = RepeatedText(text)
        if text:
            self._repeated.append(repeated)
            self._unused[id(repeated)] = text
        return repeated

    def first(self, cells: Sequence[str]) -> list[str]:
        """Return the cells of a row, in which a text that no row above has is a cell of the file."""
        return [self._unused.pop(id(cell), cell) for cell in cells] if self._unused else list(cells)

    def forget(self, texts: Iterable[str]) -> None:
        """Do not count texts that are used in another way than in rows."""
        for text in texts:
            self._unused.pop(id(text), None)

    @property
    def unused(self) -> list[str]:
        """The texts that no row has."""
        return list(self._unused.values())


@dataclass(frozen=True)
class OmittedCells:
    """Non-empty cells of one range that no table contains.

    `reason` completes the message key `cells.reason.{reason}`. `rows` are the first and the last row, `column` is a
    letter; without both, the range is all of the sheet (or of the file, if `sheet` is None). `is_data`: the cells look
    like data, the sender has not confirmed that they are none, and no other finding is about them. `checksum` differs
    if the text of one of the cells differs; it is no part of a published receipt, which would confirm guesses of texts.
    """

    reason: str
    count: int
    sheet: str | None = None
    rows: tuple[int, int] | None = None
    column: str | None = None
    is_data: bool = False
    checksum: int = field(default=0, compare=False)


def omitted_texts(reason: str, texts: Sequence[str], sheet: str | None) -> list[OmittedCells]:
    """Return the range of texts that no table contains; none if all are empty."""
    count = filled_in_file(texts)
    return [OmittedCells(reason, count, sheet, checksum=checksum_of(0, texts))] if count else []


@dataclass(frozen=True)
class Cells:
    """Non-empty cells of a submission, from three independent counts.

    `total` is counted by the readers of formats, `used` in the tables, and `omitted` where a cell is dropped.
    """

    total: int
    used: int
    omitted: tuple[OmittedCells, ...] = ()

    @property
    def without_checksums(self) -> "Cells":
        return replace(self, omitted=tuple(replace(part, checksum=0) for part in self.omitted))

    @property
    def omitted_count(self) -> int:
        return sum(part.count for part in self.omitted)

    @property
    def is_complete(self) -> bool:
        return self.total == self.used + self.omitted_count

    def check(self) -> None:
        """Raise NotReadable if the account does not add up: some cell was then lost."""
        if not self.is_complete:
            counts = {"count": self.total, "cells": self.used, "empty": self.omitted_count}
            raise NotReadable("not-readable-unaccounted", **counts)
