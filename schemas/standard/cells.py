"""Cell accounting: the non-empty cells of a submission, as cells that its tables contain and cells that they do not."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OmittedCells:
    """Non-empty cells of one range that no table contains.

    `reason` completes the message key `cells.reason.{reason}`. `rows` are the first and the last row, `column` is a
    letter; without both, the range is all of the sheet (or of the file, if `sheet` is None). `is_data`: the cells look
    like data, the sender has not confirmed that they are none, and no other finding is about them.
    """

    reason: str
    count: int
    sheet: str | None = None
    rows: tuple[int, int] | None = None
    column: str | None = None
    is_data: bool = False


@dataclass(frozen=True)
class Cells:
    """Non-empty cells of a submission, from three independent counts.

    `total` is counted by the readers of formats, `used` in the tables, and `omitted` where a cell is dropped.
    """

    total: int
    used: int
    omitted: tuple[OmittedCells, ...] = ()

    @property
    def omitted_count(self) -> int:
        return sum(part.count for part in self.omitted)

    @property
    def is_complete(self) -> bool:
        return self.total == self.used + self.omitted_count
