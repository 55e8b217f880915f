"""Read options: decisions of the user that replace detection. Each detection is a note that names its option."""

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from vaven.schemas.standard.licences import licence_id
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab import register
from vaven.vocab.areas import AREA_VINTAGES
from vaven.vocab.errors import WrongUse

# Encodings of tables: Unicode, and the code pages of Windows, Mac and DOS in the Nordic countries.
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

# Label of all columns without a label of the standard or of the user, which can only be omitted.
OTHER_COLUMNS = "*"

# Progress of a check: the stage ("opening", "reading", "checking") and the completed share of it, 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading a file; None or empty means detection. `header_row` is numbered from 1, as in the file.

    `decimal` is "," or ".". `columns` maps a partner's label (compared folded) to a field of the standard, to the
    KPI that the column has the values of, or to "" to omit the column; {"*": ""} omits all others. `constants` sets
    a field to one text in every row, e.g. {"kpi": "trygg-morker"}. `wide` is True if columns are years, KPIs or
    sexes, False if the sheet has one value in each row. Rows below `last_row` are omitted, and all above it are
    data. `fill_down`: an empty area, KPI or period repeats the row above. `shares`: values of KPIs in per cent
    range from 0 to 1. `vintage` is the area vintage ("2018", "2025") of DeSO and RegSO codes that no sheet of
    neighbourhoods declares. `licence` (an id of vocab/licences.csv or any of its names) and `publisher` (an
    organisation's name) replace the submission's own. `not_personal` says what numbers are that look like personal
    identity numbers.
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
    licence: str | None = None
    publisher: str | None = None
    not_personal: str | None = None

    @property
    def non_default(self) -> dict[str, object]:
        """Options set by the user, by name."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {})}

    def __post_init__(self) -> None:
        """Raise WrongUse with the allowed values for an invalid option."""
        if self.encoding is not None and codec_of(self.encoding) is None:
            raise WrongUse("schemas.encoding-unknown", encoding=self.encoding, encodings=tuple(ENCODINGS))
        if self.delimiter is not None and not _is_delimiter(self.delimiter):
            raise WrongUse("schemas.delimiter-invalid", delimiter=self.delimiter)
        if self.decimal not in (None, ",", "."):
            raise WrongUse("schemas.decimal-invalid", decimal=self.decimal)
        if (row := min(n for n in (self.header_row, self.last_row, 1) if n is not None)) < 1:
            raise WrongUse("schemas.row-invalid", row=row)
        if self.vintage is not None and self.vintage not in AREA_VINTAGES:
            raise WrongUse("schemas.vintage-unknown", vintage=self.vintage, vintages=tuple(AREA_VINTAGES))
        if self.licence is not None and not licence_id(self.licence):
            raise WrongUse("schemas.licence-unknown", licence=self.licence, licences=tuple(register.codes("licences")))
        names = {name for schema in standard().schemas.values() for name in schema.names}
        for name in ({*self.columns.values()} - register.kpis().keys() | {*self.constants}) - names - {""}:
            raise WrongUse("schemas.column-unknown", column=name, columns=tuple(sorted(names)))


def pairs(texts: Sequence[str], *, is_label: bool) -> dict[str, str]:
    """Parse texts of the form "NAME=TEXT".

    With `is_label` the name is a partner's label and may contain an equals sign; a field's name never does. Raises
    WrongUse for a text without an equals sign.
    """
    for pair in texts:
        if "=" not in pair:
            raise WrongUse("schemas.pair-invalid", pair=pair)
    parts = [pair.rpartition("=") if is_label else pair.partition("=") for pair in texts]
    return {name: text for name, _, text in parts}


def _is_delimiter(delimiter: str) -> bool:
    return len(delimiter) == 1 and not delimiter.isalnum() and delimiter not in '"\r\n\0'


def codec_of(name: str) -> str | None:
    """Return Python's name of a supported encoding, or None for any other."""
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return codec if codec in {codecs.lookup(encoding).name for encoding in ENCODINGS} else None


DETECT = ReadOptions()


def no_progress(stage: str, share: float) -> None:
    """Ignore progress."""
