"""The KPI register and its code lists, read from the CSV files of this room (sources: vocab/SOURCES.md)."""

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
    """Something with a code and words in both languages. `text(lang)` is its label, `definition(lang)` its meaning."""

    id: str
    labels: Mapping[str, str]
    definitions: Mapping[str, str] = field(default_factory=dict)

    def text(self, language: str) -> str:
        return self.labels[language]

    def definition(self, language: str) -> str:
        return self.definitions.get(language, "")


@dataclass(frozen=True)
class Match:
    """A KPI's tie to an entry of an outside register (vocab/outside_registers.csv).

    `outside` is the entry's id, or its name where the register has no ids. `kind` is exact, close, near or related, ""
    where nobody has said; `remark` is a reservation. Only `status` "verified" may be published (DESIGN section 2).
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
        """The remark as a sentence's end in either language."""
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
        """Whether the value is multiplier x numerator / denominator, so that the three can be compared."""
        return self.is_mean and self.unit_iri != "http://qudt.org/vocab/unit/UNITLESS"

    @property
    def is_mean(self) -> bool:
        """Whether the value for all lies between those of its parts: a share, a rate or a mean."""
        return bool(self.denominators.get("en"))

    @property
    def is_sum(self) -> bool:
        """Whether the value is a count or an amount, so that parts add up to it."""
        return not self.is_mean and self.minimum == 0 and self.maximum is None


@dataclass(frozen=True)
class Theme(Labelled):
    data_theme: str = ""


@dataclass(frozen=True)
class Code(Labelled):
    """A code of a code list; `properties` are the list's further columns, e.g. `value_missing` of a status."""

    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Return other ways of writing the code, in lower case."""
        return tuple(word for word in self.properties.get("synonyms", "").split("|") if word)


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file of this room, e.g. "kpis.csv"; every cell is text, a blank one is ""."""
    yield from csv.DictReader((files(__package__) / name).read_text("utf-8").splitlines())


@cache
def kpis() -> Mapping[str, Kpi]:
    """All KPIs by slug, in the register's order."""
    return {row["id"]: _kpi(row) for row in rows("kpis.csv")}


@cache
def themes() -> Mapping[str, Theme]:
    return {
        row["id"]: Theme(row["id"], _both(row, "label"), _both(row, "definition"), row["data_theme"])
        for row in rows("themes.csv")
    }


@cache
def codes(name: str) -> Mapping[str, Code]:
    """A code list by name: sexes, statuses, methods, sectors, levels, investment_kinds, populations, file_types,
    outside_registers (column `code`) or licences (column `id`)."""
    listed = {}
    for row in rows(f"{name}.csv"):
        code = row.get("code") or row["id"]
        listed[code] = Code(code, _both(row, "label"), _both(row, "definition"), row)
    return listed


def _both(row: Mapping[str, str], stem: str) -> dict[str, str]:
    return {language: row.get(f"{stem}_{language}", "") for language in ("sv", "en")}


def _number(text: str) -> float | None:
    return float(text) if text else None


def _kpi(row: Mapping[str, str]) -> Kpi:
    return Kpi(
        id=row["id"],
        labels=_both(row, "label"),
        definitions=_both(row, "definition"),
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
    # Its indicators have names only: "verified: boendeformer", "unverified", "unverified (…)".
    status, _, name = row["segregationsbarometern"].partition(":")
    if status != "no":
        bare, _, remark = status.partition(" (")
        yield Match("segregationsbarometern", name.strip(), "", bare, remark.rstrip(")"))


def _kind(text: str, outside: str) -> tuple[str, str]:
    """Kind and remark out of "exact", "exact (men: N00923)", "exact, …" or "N00666 exact; U01413 inverse wording"."""
    parts = dict(part.strip().split(" ", 1) for part in text.split(";")) if outside in text else {outside: text}
    found = re.match(r"(exact|close|near|related)\b[ ,]*(.*)", parts[outside])
    return (found[1], found[2].strip("() ")) if found else ("", parts[outside])
