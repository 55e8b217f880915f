"""What a check says: findings, their counts, and the verdict. Values only; no sentence stands here."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vaven.vocab.messages import in_language, messages

# Parameters that we computed, and so have a point: a Swedish sentence has a comma.
NUMBERS = frozenset(("before", "expected", "greatest", "high", "low", "limit", "maximum", "minimum", "sum"))
DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


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
        """0 may be published, 1 may not, 2 was not checked."""
        return {Verdict.INVALID: 1, Verdict.NOT_CHECKED: 2}.get(self, 0)


@dataclass(frozen=True)
class Fix:
    """A repair that is safe without asking: put `text` into the finding's cell."""

    text: str


@dataclass(frozen=True)
class Finding:
    """One thing to say about a place in the submission.

    `row` counts as the partner's program shows it (first line or sheet row is 1), `column` is its letter,
    `field` the standard's name. A finding about a whole table has no row; one about the file no resource.
    `params` fill the sentences `rule.{code}.message` and `rule.{code}.remedy` of the messages of `room`.
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
        """F17, or what is known of it."""
        return f"{self.column or ''}{self.row or ''}"

    @property
    def address(self) -> str:
        """The cell as a spreadsheet names it: Observationer!F17, F17 in a CSV, or the sheet alone."""
        return "!".join(part for part in (self.sheet, self.cell) if part)

    def title(self, language: str) -> str:
        return messages(language, self.room)(f"rule.{self.code}.title")

    def message(self, language: str) -> str:
        return messages(language, self.room)(f"rule.{self.code}.message", **self._words(language))

    def remedy(self, language: str) -> str:
        return messages(language, self.room)(f"rule.{self.code}.remedy", **self._words(language))

    def _words(self, language: str) -> dict[str, object]:
        """What fills the sentences: a parameter `label_sv` is `label` in Swedish, and nothing is shown as a dash."""
        given = {"text": self.text, "field": self.field, "row": self.row, **in_language(self.params, language)}
        for name in ("type", "style"):
            if name in given:
                given[name] = messages(language, "schemas")(f"{name}.{given[name]}")
        if language == "sv":
            given |= {name: _with_comma(given[name]) for name in NUMBERS & given.keys()}
        return {name: "–" if value in (None, "") else value for name, value in given.items()}


def _with_comma(number: object) -> object:
    return number.replace(".", ",") if isinstance(number, str) and DECIMAL.fullmatch(number) else number


@dataclass(frozen=True)
class Excerpt:
    """A row with a finding, as the partner wrote it: the text of each field's cell, beside the cell's column letter.

    In a table that was wide, it is the one value of the row that the finding is about.
    """

    resource: str
    sheet: str | None
    row: int
    columns: Mapping[str, str | None]
    texts: Mapping[str, str | None]


@dataclass(frozen=True)
class Report:
    """The outcome of `check`. `counts` by code are complete even where `findings` is cut (`is_cut`).

    `rows` counts the data rows checked by resource; `excerpts` are the first rows with findings of each table;
    `choices` are those that the user made, `thresholds` those that are not as proposed; `engine` says what ran;
    times are UTC.
    """

    source: str
    sha256: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    assumptions: tuple[Finding, ...] = ()
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    excerpts: tuple[Excerpt, ...] = ()
    choices: Mapping[str, object] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    engine: str = ""
    standard_version: str = ""
    rules_version: str = ""
    checked_at: datetime | None = None

    @property
    def is_cut(self) -> bool:
        return sum(self.counts.values()) > len(self.findings)

    @property
    def is_publishable(self) -> bool:
        return self.verdict in (Verdict.VALID, Verdict.VALID_WITH_WARNINGS)
