"""Findings, their counts and the verdict: the values that a check returns. Sentences are in the message catalogues."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vaven.schemas.standard.cells import Cells
from vaven.schemas.standard.table_schemas import RESOURCES, standard
from vaven.vocab import register
from vaven.vocab.messages import in_language, messages

# Parameters that are numbers. `text` and `limit` are numbers in a column of numbers only: 1950 may be a year.
NUMBERS = frozenset(
    ("before", "count", "cells", "column_count", "denominator", "empty", "expected", "greatest", "high", "low",
     "maximum", "megabytes", "minimum", "sum", "value")
)  # fmt: skip
OF_NUMERIC_FIELDS = frozenset(("limit", "text"))
NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
# Findings per rule and table in a report, as in Frictionless; counts are complete.
MAX_FINDINGS = 1_000
# Thousands separator, decimal sign and minus of each language.
SIGNS = {"sv": ("\u00a0", ",", "\u2212"), "en": (",", ".", "-")}


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Verdict(StrEnum):
    VALID = "valid"
    VALID_WITH_WARNINGS = "valid-with-warnings"
    INVALID = "invalid"
    NOT_CHECKED = "not-checked"

    @property
    def exit_code(self) -> int:
        """Exit code of a command: 0 for publishable, 1 for invalid, 2 for not checked."""
        return {Verdict.INVALID: 1, Verdict.NOT_CHECKED: 2}.get(self, 0)


@dataclass(frozen=True)
class Fix:
    """A fix that is safe without asking: replace the finding's cell with `text`."""

    text: str


@dataclass(frozen=True)
class Finding:
    """A finding about a cell, row, table or file of the submission.

    `row` is numbered as in the partner's program (the first line or sheet row is 1), `column` is its letter, `field`
    the standard's name. A finding about a whole table has no row, one about the file no resource. `params` fill the
    templates `rule.{code}.message` and `rule.{code}.remedy` in the message catalogues of `room`.
    """

    code: str
    severity: Severity
    resource: str | None = None
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    field: str | None = None
    text: str | None = None
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)
    fix: Fix | None = None
    room: str = "schemas"

    @property
    def cell(self) -> str:
        """Cell reference such as F17, or the part of it that is known."""
        return f"{self.column or ''}{self.row or ''}"

    @property
    def address(self) -> str:
        """Cell reference with its sheet, as in a spreadsheet: Observationer!F17, F17 in a CSV, or the sheet alone."""
        return "!".join(part for part in (self.sheet, self.cell) if part)

    def title(self, language: str) -> str:
        return messages(language, self.room)(f"rule.{self.code}.title")

    def message(self, language: str) -> str:
        return messages(language, self.room)(f"rule.{self.code}.message", **self._params(language))

    def remedy(self, language: str) -> str:
        """Return the remedy for this kind of cell (`advice` of the parameters), else the rule's."""
        advice = self.params.get("advice")
        key = f"remedy.{advice}" if advice else f"rule.{self.code}.remedy"
        return messages(language, self.room)(key, **self._params(language))

    def _params(self, language: str) -> dict[str, object]:
        """Return the parameters of the templates: `label_sv` is `label` in Swedish, and an empty value is a dash."""
        values = {"text": self.text, "field": self.field, "row": self.row, **in_language(self.params, language)}
        for name in ("type", "style", "beside"):
            if name in values:
                values[name] = messages(language, "schemas")(f"{name}.{values[name]}")
        if "status" in values:
            values["status"] = code_words("statuses", str(values["status"]), language)
        numbers = NUMBERS | OF_NUMERIC_FIELDS if self._is_numeric else NUMBERS
        values |= {name: as_written(values[name], language) for name in numbers & values.keys()}
        return {name: "–" if value in (None, "") else value for name, value in values.items()}

    @property
    def _is_numeric(self) -> bool:
        if self.resource not in RESOURCES:
            return False
        types = {field.name: field.type for field in standard()[self.resource].fields}
        return types.get(self.field or "") in ("number", "integer")


def code_words(code_list: str, code: str, language: str) -> str:
    """Return a code of a list with its name before it: "undertryckt (Q)"; the name alone where they are the same."""
    entry = register.codes(code_list).get(code)
    if entry is None:
        return code
    name = uncapitalised(entry.text(language))
    if name.casefold() == code.casefold():
        return name
    return messages(language, "schemas")("hint.code", label=name, code=code)


def uncapitalised(label: str) -> str:
    """Return a label as it is written within a sentence; names such as DeSO and KPI keep their capitals."""
    return label[:1].lower() + label[1:] if label[1:].islower() else label


def joined(words: Sequence[str], language: str) -> str:
    """Return words as a list within a sentence: "kön, ålder och period"."""
    *first, last = words
    return messages(language, "schemas")("report.and", first=", ".join(first), last=last) if first else last


def as_written(number: object, language: str) -> object:
    """Return a plain number with the language's signs and grouped thousands; anything else as it is."""
    match = NUMBER.fullmatch(str(number)) if isinstance(number, (int, str)) else None
    if match is None:
        return number
    grouping, decimal, minus = SIGNS[language]
    integer = f"{int(match[2]):,}".replace(",", grouping)
    return (minus if match[1] else "") + integer + (decimal + match[3] if match[3] else "")


@dataclass(frozen=True)
class Excerpt:
    """A row with a finding as the partner wrote it: the text and the column letter of each field's cell.

    Of a row of a wide table, it has the single value that the finding is about.
    """

    resource: str
    sheet: str | None
    row: int
    columns: Mapping[str, str | None]
    texts: Mapping[str, str | None]


@dataclass(frozen=True)
class Report:
    """The result of `check`. `counts` by code are complete even if `findings` is truncated (`is_cut`).

    `rows` counts the data rows checked by resource; `excerpts` are the first rows with findings of each table;
    `choices` are the options set by the user, `thresholds` those that differ from our proposal; `engine` names the
    software that ran; times are UTC. `cells` is None if the cells were not counted. `is_judged_with_published` says
    whether the counts were also judged together with all that is published.
    """

    source: str
    sha256: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    assumptions: tuple[Finding, ...] = ()
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    cells: Cells | None = None
    excerpts: tuple[Excerpt, ...] = ()
    choices: Mapping[str, object] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    engine: str = ""
    standard_version: str = ""
    rules_version: str = ""
    checked_at: datetime | None = None
    is_judged_with_published: bool = False

    @property
    def is_cut(self) -> bool:
        return sum(self.counts.values()) > len(self.findings)

    @property
    def is_publishable(self) -> bool:
        return self.verdict in (Verdict.VALID, Verdict.VALID_WITH_WARNINGS)
