"""What a user decides instead of leaving it to our guess; each guess is a note in the report that names its choice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# How far a check has come: the stage ("reading", "checking") and the share of it that is done, from 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Choices:
    """None or empty means "find out". `header_row` counts as the partner's program does, from 1.

    `decimal` is "," or ".". `columns` gives a partner's label (compared folded) its field of the standard, or ""
    for "leave it out"; `constants` gives a field one text for every row, such as {"kpi": "trygg-morker"}.
    `wide` says whether columns are years, KPIs or sexes (True) or the sheet has one value a row (False).
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: bool | None = None


AS_FOUND = Choices()


def quietly(stage: str, share: float) -> None:
    """Progress that nobody asked for."""
