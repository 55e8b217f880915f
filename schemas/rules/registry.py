"""Registry of rules: each is a function with a code, a severity and an error type of Frictionless."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import duckdb

from vaven.schemas.standard.finding import MAX_FINDINGS, Fix, Severity
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import Standard, TableSchema
from vaven.schemas.standard.thresholds import PROPOSED, Thresholds
from vaven.schemas.tables.compile import Check, key_of
from vaven.schemas.tables.tables import Table, Tables

BATCH_ROWS = 10_000
Result = TypeVar("Result")


@dataclass(frozen=True)
class Checking:
    """Input of a rule: one table with its schema, and all other tables. `view` is created in check.py.

    `max_findings` is the length of a report's list of one rule and table.
    """

    tables: Tables
    table: Table
    schema: TableSchema
    standard: Standard
    view: str
    today: date
    thresholds: Thresholds = PROPOSED
    max_findings: int = MAX_FINDINGS

    @property
    def work(self) -> duckdb.DuckDBPyConnection:
        return self.tables.workspace

    def distinct(self, name: str) -> str:
        """Return a table of the distinct texts of a column, in `cell`."""
        return self.tables.distinct.of(self.table.relation, name)

    def occurs(self, name: str, where: str = "TRUE") -> bool:
        """Return whether a text `cell` of a column matches the SQL condition, so that a rule can avoid a scan."""
        return self.has(name) and self.tables.distinct.has(self.table.relation, name, where)

    def occurs_between(self, name: str, low: float, high: float) -> bool:
        """Return whether a column has a number from `low` to `high`; texts that DuckDB casts to a number count too."""
        return self.occurs(name, f"TRY_CAST(cell AS DOUBLE) BETWEEN {low} AND {high}")

    def rows(self, query: str, parameters: object = None) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query: each of millions of rows may have a finding.

        Execute no other query in the workspace before the iterator is exhausted.
        """
        cursor = self.work.execute(query, parameters)
        while batch := cursor.fetchmany(BATCH_ROWS):
            yield from batch

    def matches(
        self, query: str, match: "Callable[..., RuleMatch]", *, field: str | None = None, parameters: object = None
    ) -> "Iterator[Matches]":
        """Yield a match for each row of a query until the list is full, then the number of the other rows.

        The query returns `_row` first and, in a wide table, several rows for one cell of `field`, of which the first
        counts. Millions of rows may match, and converting each takes longer than all checks of a valid table.
        """
        self.work.execute(f"CREATE OR REPLACE TEMP TABLE matching AS {query}", parameters)
        key = self.table.cell_key(field)
        if key != "_row":
            first = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _row) = 1"
            self.work.execute(f"CREATE OR REPLACE TEMP TABLE matching AS SELECT * FROM matching {first}")
        (count,) = self.work.execute("SELECT count(*) FROM matching").fetchone() or (0,)
        if count:
            rows = self.rows(f"SELECT * FROM matching ORDER BY _row LIMIT {self.max_findings}")
            yield from (match(*row) for row in rows)
        if count > self.max_findings:
            yield FurtherMatches(count - self.max_findings)

    def once(self, name: str, compute: "Callable[[Checking], Result]") -> Result:
        """Return the result of `compute` for this table, computed once and cached under `name`."""
        if name not in self._results:
            self._results[name] = compute(self)
        return self._results[name]  # type: ignore[no-any-return]

    @cached_property
    def _results(self) -> dict[str, Any]:
        return {}

    @cached_property
    def repeated(self) -> str | None:
        """Return a table of the hashes `h` of repeated keys, whose rows need a full comparison, or None without any."""
        if not self.has(*(name for name in self.schema.primary_key if self.schema[name].required)):
            return None
        name = f"repeated_{self.table.resource}"
        created = self.work.execute(
            f"""CREATE OR REPLACE TEMP TABLE {name} AS SELECT hash({self.key}) AS h FROM {self.table.relation}
            WHERE {self.has_key} GROUP BY h HAVING count(*) > 1"""
        )
        (count,) = created.fetchone() or (0,)
        return name if count else None

    @property
    def key(self) -> str:
        """SQL list of the primary key's fields."""
        return ", ".join(key_of(self.table, self.schema))

    @property
    def has_key(self) -> str:
        """SQL condition: all required fields of the primary key have a value."""
        required = [name for name in self.schema.primary_key if self.schema[name].required]
        return " AND ".join(f"{quoted(name)} IS NOT NULL" for name in required)

    def has(self, *names: str) -> bool:
        return all(self.table.column(name) for name in names)


@dataclass(frozen=True)
class RuleMatch:
    """A match of a rule in a cell or row. `row` is None for a match of the whole table."""

    row: int | None
    field: str | None
    text: str | None = None
    params: dict[str, object] = dataclasses.field(default_factory=dict)
    fix: Fix | None = None


@dataclass(frozen=True)
class FurtherMatches:
    """Number of a rule's matches that no report lists."""

    count: int


Matches = RuleMatch | FurtherMatches
RowRule = Callable[[Checking], Iterator[Check]]
WideRule = Callable[[Checking], Iterator[Matches]]


@dataclass(frozen=True)
class Rule:
    """A registered rule. `frictionless` is the corresponding error type of frictionless-py, or ""."""

    code: str
    severity: Severity
    resource: str
    frictionless: str
    by_row: RowRule | None = None
    wide: WideRule | None = None


RULES: dict[str, Rule] = {}

# Findings of schema checks (compile.checks) and of reading, which have no rule function.
SCHEMA_RULES = {
    "required-missing": (Severity.ERROR, "constraint-error"),
    "type-error": (Severity.ERROR, "type-error"),
    "dash-ambiguous": (Severity.ERROR, "type-error"),
    "pattern-mismatch": (Severity.ERROR, "constraint-error"),
    "not-in-list": (Severity.ERROR, "constraint-error"),
    "below-minimum": (Severity.ERROR, "constraint-error"),
    "above-maximum": (Severity.ERROR, "constraint-error"),
}
READING_RULES = {
    "missing-column": (Severity.ERROR, "missing-label"),
    "duplicate-label": (Severity.ERROR, "duplicate-label"),
    "blank-label": (Severity.WARNING, "blank-label"),
    "unknown-column": (Severity.WARNING, "extra-label"),
    "blank-row": (Severity.WARNING, "blank-row"),
    "missing-cell": (Severity.ERROR, "missing-cell"),
    "extra-cell": (Severity.ERROR, "extra-cell"),
    "not-the-standard": (Severity.ERROR, ""),
    "other-table": (Severity.ERROR, ""),
    "columns-differ": (Severity.ERROR, ""),
    "values-hidden": (Severity.ERROR, ""),
    "observations-missing": (Severity.ERROR, ""),
    "header-missing": (Severity.ERROR, ""),
    "lines-in-cells": (Severity.ERROR, ""),
    "number-ambiguous": (Severity.ERROR, ""),
    "other-delimiter": (Severity.ERROR, ""),
    "rows-left-out": (Severity.ERROR, ""),
    "group-row": (Severity.ERROR, ""),
    "column-left-out": (Severity.ERROR, ""),
    "area-vintages-mixed": (Severity.ERROR, ""),
    "metadata-unknown": (Severity.ERROR, ""),
    "metadata-repeated": (Severity.ERROR, ""),
    "values-left-out": (Severity.ERROR, ""),
    "personal-number-in-text": (Severity.ERROR, ""),
    "possible-number-in-text": (Severity.ERROR, ""),
    "licence-publisher-missing": (Severity.WARNING, ""),
    # An assumption about a table that has no place for a description of itself.
    "metadata-requested": (Severity.WARNING, ""),
    "merged-value": (Severity.ERROR, ""),
    "hidden-rows": (Severity.WARNING, ""),
    "hidden-columns": (Severity.WARNING, ""),
}


def row_rule(code: str, severity: Severity, resource: str, frictionless: str = "") -> Callable[[RowRule], RowRule]:
    """Register a rule that checks single rows by SQL; all row rules share one scan of the table."""

    def register(function: RowRule) -> RowRule:
        RULES[code] = Rule(code, severity, resource, frictionless, by_row=function)
        return function

    return register


def wide_rule(code: str, severity: Severity, resource: str, frictionless: str = "") -> Callable[[WideRule], WideRule]:
    """Register a rule that compares rows or looks up codes, and yields its matches."""

    def register(function: WideRule) -> WideRule:
        RULES[code] = Rule(code, severity, resource, frictionless, wide=function)
        return function

    return register


def severity_of(code: str) -> Severity:
    if code in RULES:
        return RULES[code].severity
    return (SCHEMA_RULES | READING_RULES)[code][0]
