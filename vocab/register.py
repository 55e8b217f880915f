"""KPI register and code lists, read from the CSV files of this room (sources: vocab/SOURCES.md)."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from vaven.vocab.messages import messages

# The code of a total over sexes (SDMX CL_SEX) or over ages, which is the default of both columns.
TOTAL = "T"
# The status of a value that exists but is not shown (SDMX CL_OBS_STATUS).
SUPPRESSED = "Q"


@dataclass(frozen=True)
class Labelled:
    """An entry of the register or a code list with its labels and definitions by language."""

    id: str
    labels: Mapping[str, str]
    definitions: Mapping[str, str] = field(default_factory=dict)

    def text(self, language: str) -> str:
        return self.labels[language]

    def definition(self, language: str) -> str:
        return self.definitions.get(language, "")


@dataclass(frozen=True)
class Match:
    """A mapping of a KPI to an entry of an outside register (vocab/outside_registers.csv).

    `outside` is the entry's id, or its name if the register has no ids. `kind` is exact, close, near or related, "" if
    unspecified; `remark` is a reservation. Only `status` "verified" may be published (DESIGN section 2).
    """

    scheme: str
    outside: str
    kind: str
    status: str
    remark: str = ""

    @property
    def has_id(self) -> bool:
        return self.scheme != "segregationsbarometern"

    def reservation(self, language: str) -> str:
        """Return the remark in a language, worded as the end of a sentence."""
        key = re.sub(r"\W+", "-", self.remark).strip("-")
        return messages(language, "vocab")(f"match.remark.{key}") if key else ""


@dataclass(frozen=True)
class Kpi(Labelled):
    """A row of kpis.csv. `minimum` and `maximum` are in `unit`; `multiplier` is value / (numerator / denominator).

    `synonyms` are other ways of writing its name, former names among them.
    """

    tier: str = ""
    theme: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    unit_iri: str = ""
    direction: str = ""
    numerators: Mapping[str, str] = field(default_factory=dict)
    denominators: Mapping[str, str] = field(default_factory=dict)
    multiplier: float = 1.0
    minimum: float | None = None
    maximum: float | None = None
    geo_level: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    cids_class: str = ""
    note: str = ""
    synonyms: tuple[str, ...] = ()

    def unit(self, language: str) -> str:
        return self.units[language]

    def source(self, language: str) -> str:
        """Return the organisations or surveys that collect the values."""
        return self.sources[language]

    @property
    def is_ratio(self) -> bool:
        """True if value = multiplier x numerator / denominator, so that the three can be compared."""
        return self.is_mean and self.unit_iri != "http://qudt.org/vocab/unit/UNITLESS"

    @property
    def is_mean(self) -> bool:
        """True for a share, a rate or a mean: the total lies between the values of its parts."""
        return bool(self.denominators.get("en"))

    @property
    def is_sum(self) -> bool:
        """True for a count or an amount: the parts add up to the total."""
        return not self.is_mean and self.minimum == 0 and self.maximum is None


@dataclass(frozen=True)
class Theme(Labelled):
    data_theme: str = ""


@dataclass(frozen=True)
class Code(Labelled):
    """A code of a code list; `properties` are all columns of its row, e.g. `value_missing` of a status."""

    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Return other ways of writing the code, in lower case."""
        return tuple(word for word in self.properties.get("synonyms", "").split("|") if word)


def rows(name: str) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV file of this room, e.g. "kpis.csv"; every cell is text, a blank one is ""."""
    yield from csv.DictReader((files(__package__) / name).read_text("utf-8").splitlines())


@cache
def kpis() -> Mapping[str, Kpi]:
    """Return all KPIs by slug, in the register's order."""
    return {row["id"]: _kpi(row) for row in rows("kpis.csv")}


@cache
def themes() -> Mapping[str, Theme]:
    return {
        row["id"]: Theme(row["id"], _by_language(row, "label"), _by_language(row, "definition"), row["data_theme"])
        for row in rows("themes.csv")
    }


@cache
def codes(name: str) -> Mapping[str, Code]:
    """Return a code list by its name.

    It is sexes, statuses, methods, sectors, levels, investment_kinds, populations, file_types, outside_registers
    (column `code`) or licences (column `id`).
    """
    code_list = {}
    for row in rows(f"{name}.csv"):
        code = row.get("code") or row["id"]
        code_list[code] = Code(code, _by_language(row, "label"), _by_language(row, "definition"), row)
    return code_list


def _by_language(row: Mapping[str, str], column: str) -> dict[str, str]:
    return {language: row.get(f"{column}_{language}", "") for language in ("sv", "en")}


def _number(text: str) -> float | None:
    return float(text) if text else None


def _kpi(row: Mapping[str, str]) -> Kpi:
    return Kpi(
        id=row["id"],
        labels=_by_language(row, "label"),
        definitions=_by_language(row, "definition"),
        tier=row["tier"],
        theme=row["theme"],
        units={"sv": row["unit_sv"], "en": row["unit"]},
        unit_iri=row["unit_iri"],
        direction=row["direction"],
        numerators={"sv": row["numerator_sv"], "en": row["numerator"]},
        denominators={"sv": row["denominator_sv"], "en": row["denominator"]},
        multiplier=float(row["multiplier"]),
        minimum=_number(row["min"]),
        maximum=_number(row["max"]),
        geo_level=row["geo_level"],
        sources={"sv": row["source_body_sv"], "en": row["source_body"]},
        matches=tuple(_matches(row)),
        cids_class=row["cids_class"],
        note=row["note"],
        synonyms=tuple(word for word in row["synonyms"].split("|") if word),
    )


def _matches(row: Mapping[str, str]) -> Iterator[Match]:
    for scheme, column in (("kolada", "kolada_ids"), ("sdg", "sdg_iri"), ("iris", "iris_ids")):
        text, status = row[f"{scheme}_match"], row[f"{scheme}_status"]
        for outside in (iri.rpartition("/")[2] for iri in row[column].split()):
            kind, remark = _kind(text, outside)
            yield Match(scheme, outside, kind, status, remark)
    # Segregationsbarometern's indicators have names only: "verified: boendeformer", "unverified", "unverified (…)".
    status, _, name = row["segregationsbarometern"].partition(":")
    if status != "no":
        bare, _, remark = status.partition(" (")
        yield Match("segregationsbarometern", name.strip(), "", bare, remark.rstrip(")"))


def _kind(text: str, outside: str) -> tuple[str, str]:
    """Parse kind and remark of "exact", "exact (men: N00923)", "exact, …" or "N00666 exact; U01413 inverse wording"."""
    parts = dict(part.strip().split(" ", 1) for part in text.split(";")) if outside in text else {outside: text}
    match = re.match(r"(exact|close|near|related)\b[ ,]*(.*)", parts[outside])
    return (match[1], match[2].strip("() ")) if match else ("", parts[outside])
