"""How a rule is written down: a function with its code, severity and Frictionless's word for it."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import duckdb

from vaven.schemas.standard.finding import Fix, Severity
from vaven.schemas.standard.table_schemas import Standard, TableSchema
from vaven.schemas.standard.thresholds import PROPOSED, Thresholds
from vaven.schemas.tables.compile import Check, key_of
from vaven.schemas.tables.sql import quoted
from vaven.schemas.tables.tables import Table, Tables

BATCH_ROWS = 10_000
Result = TypeVar("Result")


@dataclass(frozen=True)
class Checking:
    """What a rule may look at: one table with its schema, beside all others. `view` is made in check.py."""

    tables: Tables
    table: Table
    schema: TableSchema
    standard: Standard
    view: str
    today: date
    thresholds: Thresholds = PROPOSED

    @property
    def work(self) -> duckdb.DuckDBPyConnection:
        return self.tables.workspace

    def distinct(self, name: str) -> str:
        """A table with the different texts of a column in `cell`."""
        return self.tables.distinct.of(self.table.relation, name)

    def occurs(self, name: str, where: str = "TRUE") -> bool:
        """Whether some text `cell` of a column is as the SQL says; a rule that needs one else costs no scan."""
        return self.has(name) and self.tables.distinct.has(self.table.relation, name, where)

    def occurs_between(self, name: str, low: float, high: float) -> bool:
        """Whether some number of a column lies from `low` to `high`; a text that is no number may seem to."""
        return self.occurs(name, f"TRY_CAST(cell AS DOUBLE) BETWEEN {low} AND {high}")

    def rows(self, query: str, parameters: object = None) -> Iterator[tuple[Any, ...]]:
        """The rows of a query as they come: a fault may stand in every row of millions.

        Nothing else may be asked of the workspace until they are walked.
        """
        cursor = self.work.execute(query, parameters)
        while batch := cursor.fetchmany(BATCH_ROWS):
            yield from batch

    def once(self, name: str, compute: "Callable[[Checking], Result]") -> Result:
        """What `find` says of this table, asked for once however many rules want it."""
        if name not in self._results:
            self._results[name] = compute(self)
        return self._results[name]  # type: ignore[no-any-return]

    @cached_property
    def _results(self) -> dict[str, Any]:
        return {}

    @cached_property
    def repeated(self) -> str:
        """A table of the hashes `h` of keys that stand in more than one row: those alone need be compared in full."""
        name = f"repeated_{self.table.resource}"
        self.work.execute(
            f"""CREATE OR REPLACE TEMP TABLE {name} AS SELECT hash({self.key}) AS h FROM {self.table.relation}
            WHERE {self.has_key} GROUP BY h HAVING count(*) > 1"""
        )
        return name

    @property
    def key(self) -> str:
        """SQL of the primary key's parts, as a list."""
        return ", ".join(key_of(self.table, self.schema))

    @property
    def has_key(self) -> str:
        """SQL that tells whether a row has every part of its key that it must have."""
        required = [name for name in self.schema.primary_key if self.schema[name].required]
        return " AND ".join(f"{quoted(name)} IS NOT NULL" for name in required)

    def has(self, *names: str) -> bool:
        return all(self.table.column(name) for name in names)


@dataclass(frozen=True)
class RuleMatch:
    """A fault found by a rule that looks beyond single rows. `row` is None for a fault of the whole table."""

    row: int | None
    field: str | None
    text: str | None = None
    params: dict[str, object] = dataclasses.field(default_factory=dict)
    fix: Fix | None = None


RowRule = Callable[[Checking], Iterator[Check]]
WideRule = Callable[[Checking], Iterator[RuleMatch]]


@dataclass(frozen=True)
class Rule:
    """`frictionless` is the error type of frictionless-py for the same fault, "" where it has none."""

    code: str
    severity: Severity
    resource: str
    frictionless: str
    by_row: RowRule | None = None
    wide: WideRule | None = None


RULES: dict[str, Rule] = {}

# Faults that the schema defines (compile.checks) and that reading finds; they have no function of their own here.
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
    "observations-missing": (Severity.ERROR, ""),
    "area-vintages-mixed": (Severity.ERROR, ""),
}


def row_rule(code: str, severity: Severity, resource: str, frictionless: str = "") -> Callable[[RowRule], RowRule]:
    """Register a rule that judges single rows by SQL; all of them run in one scan of the table."""

    def register(function: RowRule) -> RowRule:
        RULES[code] = Rule(code, severity, resource, frictionless, by_row=function)
        return function

    return register


def wide_rule(code: str, severity: Severity, resource: str, frictionless: str = "") -> Callable[[WideRule], WideRule]:
    """Register a rule that compares rows or looks codes up; it runs by itself and yields its hits."""

    def register(function: WideRule) -> WideRule:
        RULES[code] = Rule(code, severity, resource, frictionless, wide=function)
        return function

    return register


def severity_of(code: str) -> Severity:
    if code in RULES:
        return RULES[code].severity
    return (SCHEMA_RULES | READING_RULES)[code][0]
