"""What a user decides instead of leaving it to our guess; each guess is a note in the report that names its choice."""

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.areas import AREA_VINTAGES
from vaven.vocab.errors import WrongUse

# The encodings that tables come in: Unicode, and what Windows, Mac and DOS wrote in the Nordic countries.
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1252",
    "iso8859-1",
    "iso8859-15",
    "mac-roman",
    "cp850",
    "cp865",
    "cp437",
)

# How far a check has come: the stage ("opening", "reading", "checking") and the share of it that is done, 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ReadOptions:
    """None or empty means "find out". `header_row` counts as the partner's program does, from 1.

    `decimal` is "," or ".". `columns` gives a partner's label (compared folded) its field of the standard, or ""
    for "leave it out"; `constants` gives a field one text for every row, such as {"kpi": "trygg-morker"}.
    `wide` says whether columns are years, KPIs or sexes (True) or the sheet has one value a row (False). Rows below
    `last_row` are left out, and all above it are data. `fill_down`: an empty area, KPI or period is that of the row
    above. `shares`: values of KPIs in per cent are given from 0 to 1. `vintage` is the division ("2018", "2025") of
    codes of DeSO and RegSO that no sheet of neighbourhoods gives a vintage.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: bool | None = None
    last_row: int | None = None
    fill_down: bool | None = None
    shares: bool | None = None
    vintage: str | None = None

    @property
    def made(self) -> dict[str, object]:
        """Those that the user made, by name."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {})}

    def __post_init__(self) -> None:
        """Raises WrongUse that says what may be chosen."""
        if self.encoding is not None and codec_of(self.encoding) is None:
            raise WrongUse("schemas.encoding-unknown", encoding=self.encoding, encodings=tuple(ENCODINGS))
        if self.delimiter is not None and not _divides(self.delimiter):
            raise WrongUse("schemas.delimiter-invalid", delimiter=self.delimiter)
        if self.decimal not in (None, ",", "."):
            raise WrongUse("schemas.decimal-invalid", decimal=self.decimal)
        if (row := min(n for n in (self.header_row, self.last_row, 1) if n is not None)) < 1:
            raise WrongUse("schemas.row-invalid", row=row)
        if self.vintage is not None and self.vintage not in AREA_VINTAGES:
            raise WrongUse("schemas.vintage-unknown", vintage=self.vintage, vintages=tuple(AREA_VINTAGES))
        names = {name for schema in standard().schemas.values() for name in schema.names}
        for name in {*self.columns.values(), *self.constants} - names - {""}:
            raise WrongUse("schemas.column-unknown", column=name, columns=tuple(sorted(names)))


def pairs(given: Sequence[str], *, is_label: bool) -> dict[str, str]:
    """Texts "NAME=TEXT" as a mapping.

    With `is_label` the name is a partner's label and may hold an equals sign; a field's name never does. Raises
    WrongUse for a text that says nothing.
    """
    for pair in given:
        if "=" not in pair:
            raise WrongUse("schemas.pair-invalid", pair=pair)
    parts = [pair.rpartition("=") if is_label else pair.partition("=") for pair in given]
    return {name: text for name, _, text in parts}


def _divides(delimiter: str) -> bool:
    return len(delimiter) == 1 and not delimiter.isalnum() and delimiter not in '"\r\n\0'


def codec_of(name: str) -> str | None:
    """Python's name of an encoding in which tables come; None for any other."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if found in {codecs.lookup(known).name for known in ENCODINGS} else None


DETECT = ReadOptions()


def no_progress(stage: str, share: float) -> None:
    """Progress that nobody asked for."""
