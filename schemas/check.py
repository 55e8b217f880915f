"""Validation of tables against the standard: complete counts, and findings up to a limit per rule and table."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from vaven.schemas.kpi_view import create_kpi_view, create_register_kpis
from vaven.schemas.rules import (
    area_names,
    areas,
    disclosure,
    periods,
    personal_numbers,
    references,
    spreadsheet_values,
    totals,
    units,
    unread_columns,
    values,
)
from vaven.schemas.rules.finding_text import (
    as_written,
    excerpts,
    finding_of,
    redacted,
    redacted_cells,
    redacted_choices,
)
from vaven.schemas.rules.metadata import metadata_findings
from vaven.schemas.rules.registry import RULES, Checking, FurtherMatches, Matches, Rule, RuleMatch
from vaven.schemas.standard.finding import MAX_FINDINGS, Excerpt, Finding, Report, Severity, Verdict
from vaven.schemas.standard.personal_number_forms import masked
from vaven.schemas.standard.read_options import DETECT, Progress, ReadOptions, no_progress
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import RESOURCES, STANDARD_VERSION, Field, standard
from vaven.schemas.standard.thresholds import PROPOSED, Thresholds
from vaven.schemas.tables.compile import DEFAULTS, SQL_TYPES, Check, checks, loosely_typed, typed
from vaven.schemas.tables.read import MEMORY_MB, read
from vaven.schemas.tables.tables import Table, Tables
from vaven.vocab.errors import NotReadable, is_full_disk

# A check of tables after the rules: it returns the report with its findings.
Further = Callable[[Tables, Report], Report]
RULES_VERSION = "1.0"
# Up to this many distinct invalid texts, rows are matched against the texts instead of the condition.
MAX_FAILING_TEXTS = 1_000
# Importing a module of rules registers its rules; the tuple makes the imports used.
RULE_MODULES = (
    values, periods, area_names, areas, references, disclosure, personal_numbers, totals, spreadsheet_values,
    unread_columns, units
)  # fmt: skip


@dataclass
class _FindingCollector:
    """Collected findings, up to `limit` per rule and table; counts continue beyond it."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    severities: set[Severity] = field(default_factory=set)
    per_rule: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    limit: int = MAX_FINDINGS
    excerpts: list[Excerpt] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.counts[finding.code] += 1
        self.severities.add(finding.severity)
        if self.has_room(finding.code, finding.resource):
            self.per_rule[finding.code, finding.resource] += 1
            self.findings.append(finding)

    def has_room(self, code: str, resource: str | None) -> bool:
        return self.per_rule[code, resource] < self.limit


def validate(
    source: Path | str,
    *,
    schema: Path | str | None = None,
    slug: str | None = None,
    today: date | None = None,
    choices: ReadOptions = DETECT,
    thresholds: Thresholds = PROPOSED,
    progress: Progress = no_progress,
    memory_mb: int = MEMORY_MB,
    max_findings: int = MAX_FINDINGS,
    seconds: float | None = None,
    further: Further = lambda _, report: report,
) -> Report:
    """Read and check a file. No content raises an exception: an unreadable file gives a report "not checked".

    With `schema` (a Table Schema as JSON), a table is validated against that schema instead of the standard; the only
    choice that applies is the sheet. A data
    package without any table of the standard is validated against its own schemas.
    `memory_mb` limits DuckDB's memory; data beyond it spills to the temporary folder. `max_findings` limits the
    findings per rule and table in the report; its counts are complete. `seconds` limits validation against a custom
    schema, whose regular expressions may backtrack without end. `further` checks tables of the standard after the rules
    do, and returns the report with its findings.
    """
    path = Path(source)
    try:
        if schema or _has_own_schema(path):
            # Importing Frictionless takes longer than checking most files.
            from vaven.schemas.tableschema.check import validate_described

            options: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
            return validate_described(path, Path(schema) if schema else None, sheet=choices.sheet, **options)
        with read(path, slug=slug, choices=choices, progress=progress, memory_mb=memory_mb) as tables:
            report = check(tables, today=today, thresholds=thresholds, progress=progress, max_findings=max_findings)
            return further(tables, report)
    except NotReadable as reason:
        return not_checked(path, reason)
    except (MemoryError, duckdb.OutOfMemoryException):
        return not_checked(path, _resources_exhausted(path, "minne", "memory"))
    except Exception as cause:
        if not is_full_disk(cause):
            raise
        return not_checked(path, _resources_exhausted(path, "diskutrymme", "disk space"))


def _has_own_schema(path: Path) -> bool:
    if not (path.is_dir() or path.suffix.lower() in (".json", ".zip")):
        return False
    from vaven.schemas.tableschema.check import is_described

    return is_described(path)


def _resources_exhausted(path: Path, what_sv: str, what_en: str) -> NotReadable:
    return NotReadable("not-readable-resources", file=path.name, what_sv=what_sv, what_en=what_en)


def check(
    tables: Tables,
    *,
    today: date | None = None,
    thresholds: Thresholds = PROPOSED,
    progress: Progress = no_progress,
    max_findings: int = MAX_FINDINGS,
) -> Report:
    """Check tables by all rules. Costs one scan per table, and one more for each rule with findings.

    Raises NotReadable if the account of cells does not add up: some cell was then lost.
    """
    if tables.cells:
        tables.cells.check()
    collector = _FindingCollector(limit=max_findings)
    about = [*metadata_findings(tables), *personal_numbers.personal_text_findings(tables)]
    for problem in (*tables.problems, *(f for f in about if f.severity != Severity.NOTE)):
        collector.add(redacted(problem))
    collector.counts.update(tables.unlisted)
    if "observations" not in tables.tables and not collector.counts.keys() & {
        "not-the-standard",
        "header-missing",
        "lines-in-cells",
    }:
        collector.add(Finding("observations-missing", Severity.ERROR))
    create_register_kpis(tables.workspace)
    for i, resource in enumerate(RESOURCES):
        if table := tables.tables.get(resource):
            start = len(collector.findings)
            _check_table(tables, table, today or date.today(), thresholds, collector, _part(progress, i))
            collector.excerpts += excerpts(tables, table, collector.findings[start:])
            collector.findings[start:] = as_written(tables, table, collector.findings[start:])
    order = {resource: i for i, resource in enumerate(RESOURCES)}
    collector.findings.sort(
        key=lambda f: (order.get(f.resource or "", -1), f.sheet or "", f.row or 0, f.column or "", f.code)
    )
    return Report(
        source=masked(tables.source.name),
        sha256=tables.sha256,
        verdict=_verdict(collector.severities),
        findings=tuple(collector.findings),
        counts=dict(collector.counts),
        assumptions=tuple(
            redacted(note) for note in (*tables.assumptions, *(f for f in about if f.severity == Severity.NOTE))
        ),
        rows={name: table.row_count for name, table in tables.tables.items()},
        cells=redacted_cells(tables.cells),
        excerpts=tuple(collector.excerpts),
        choices=redacted_choices(tables.choices.non_default),
        thresholds=thresholds.changed,
        engine=f"duckdb {duckdb.__version__}",
        standard_version=STANDARD_VERSION,
        rules_version=RULES_VERSION,
        checked_at=datetime.now(UTC).replace(microsecond=0),
    )


def not_checked(path: Path, reason: NotReadable) -> Report:
    findings = (
        redacted(Finding(reason.code, Severity.ERROR, params=reason.params)),
        *personal_numbers.name_findings(path.name),
    )
    return Report(
        source=masked(path.name),
        sha256="",
        verdict=Verdict.NOT_CHECKED,
        findings=findings,
        counts=dict(Counter(finding.code for finding in findings)),
        standard_version=STANDARD_VERSION,
        rules_version=RULES_VERSION,
        checked_at=datetime.now(UTC).replace(microsecond=0),
    )


def _verdict(severities: set[Severity]) -> Verdict:
    if Severity.ERROR in severities:
        return Verdict.INVALID
    return Verdict.VALID_WITH_WARNINGS if Severity.WARNING in severities else Verdict.VALID


def _part(progress: Progress, position: int) -> Progress:
    """Return the progress callback of one table, scaled to its share of all tables."""
    return lambda stage, share: progress(stage, (position + share) / len(RESOURCES))


def _check_table(
    tables: Tables, table: Table, today: date, thresholds: Thresholds, collector: _FindingCollector, progress: Progress
) -> None:
    schema = standard()[table.resource]
    on = Checking(tables, table, schema, standard(), _view(tables, table), today, thresholds, collector.limit)
    rules = [rule for rule in RULES.values() if rule.resource in ("", table.resource)]
    by_row = [*checks(table, schema), *(c for rule in rules if rule.by_row for c in rule.by_row(on))]
    _check_rows(on, by_row, collector)
    for i, rule in enumerate(rules):
        progress("checking", i / len(rules))
        for match in _matches(rule, on):
            # A rule may have a million matches: those beyond the limit are only counted.
            if isinstance(match, FurtherMatches):
                collector.counts[rule.code] += match.count
            elif collector.has_room(rule.code, table.resource):
                collector.add(finding_of(on, rule.code, match))
            else:
                collector.counts[rule.code] += 1


def _matches(rule: Rule, on: Checking) -> Iterable[Matches]:
    """Return a rule's matches, each cell once: in a wide table several observations share a label or a code."""
    matches = rule.wide(on) if rule.wide else ()
    if not on.table.wide:
        return matches
    seen: set[tuple[object, ...]] = set()
    return (
        match
        for match in matches
        if isinstance(match, FurtherMatches) or _is_new((*_cell_of(on.table, match), match.field), seen)
    )


def _cell_of(table: Table, match: RuleMatch) -> tuple[object, ...]:
    return table.sheet_of(match.row), *table.cell_reference(match.row or 0, match.field)


def _is_new(cell: tuple[object, ...], seen: set[tuple[object, ...]]) -> bool:
    is_new = cell not in seen
    seen.add(cell)
    return is_new


def _view(tables: Tables, table: Table) -> str:
    """Return the relation that rules query: if rows have a KPI, a view that adds the register's columns."""
    schema = standard()[table.resource]
    if "kpi" not in schema.names:
        return table.relation
    numeric = [f for f in schema.fields if f.type in ("number", "integer")]
    numbers = ", ".join(f"{_number(tables, table, f)} AS {f.name}_n" for f in numeric)
    view, kpi = f"{table.resource}_view", "t.kpi" if table.column("kpi") else "NULL"
    create_kpi_view(tables.workspace, view, table.relation, numbers, kpi)
    return view


def _number(tables: Tables, table: Table, field: Field) -> str:
    """Return SQL of a numeric column's values: the cheaper cast if it is exact for all texts of the column."""
    if not table.column(field.name):
        return f"NULL::{SQL_TYPES[field.type]}"
    texts = f"SELECT cell AS {quoted(field.name)} FROM {tables.distinct.of(table.relation, field.name)}"
    odd = f"SELECT 1 FROM ({texts}) WHERE {typed(field)} IS DISTINCT FROM {loosely_typed(field)} LIMIT 1"
    return typed(field) if tables.workspace.execute(odd).fetchone() else loosely_typed(field)


def _check_rows(on: Checking, by_row: list[Check], collector: _FindingCollector) -> None:
    """Collect findings of single rows: counted by one scan for all checks, then queried for the failing checks."""
    occurring = {(c.code, c.field): c for c in _failing_checks(on, [c for c in by_row if c.by_cell])}
    by_row = [occurring.get((c.code, c.field), c) for c in by_row if not c.by_cell or (c.code, c.field) in occurring]
    if not by_row:
        return
    counts = ", ".join(f"{_count_expression(on, c)} FILTER ({c.where})" for c in by_row)
    counted = on.work.execute(f"SELECT {counts} FROM {on.view}").fetchone() or ()
    for row_check, count in zip(by_row, counted, strict=True):
        if count:
            findings = [
                finding_of(on, row_check.code, match) for match in _failing_cells(on, row_check, collector.limit)
            ]
            for finding in findings:
                collector.add(finding)
            collector.counts[row_check.code] += count - len(findings)


def _count_expression(on: Checking, row_check: Check) -> str:
    key = on.table.cell_key(row_check.field)
    return "count(*)" if key == "_row" else f"count(DISTINCT {key})"


def _failing_checks(on: Checking, by_cell: list[Check]) -> Iterator[Check]:
    """Yield the checks of single cells that fail somewhere, evaluated once per distinct text.

    If few texts fail, the condition is replaced by membership of these texts, at a fifth of the cost of a pattern.
    """
    for name in sorted({c.field for c in by_cell if c.field and not _is_filled_in(on, c.field)}):
        alone = [c for c in by_cell if c.field == name]
        texts = f"(SELECT cell AS {quoted(name)} FROM {on.distinct(name)})"
        failing = ", ".join(f"count(*) FILTER ({c.where})" for c in alone)
        for cell_check, count in zip(
            alone, on.work.execute(f"SELECT {failing} FROM {texts}").fetchone() or (), strict=True
        ):
            if 0 < count <= MAX_FAILING_TEXTS:
                few = f"SELECT {quoted(name)} FROM {texts} WHERE {cell_check.where}"
                yield replace(cell_check, where=f"{quoted(name)} IN ({few})")
            elif count:
                yield cell_check


def _is_filled_in(on: Checking, name: str) -> bool:
    """Return True for a column that the file lacks, in which reading has filled in the standard's default."""
    column = on.table.column(name)
    is_in_file = column is None or column.label or column.letter or name in on.table.wide
    return name in DEFAULTS and not is_in_file and name not in on.tables.choices.constants


def _failing_cells(on: Checking, row_check: Check, limit: int) -> Iterator[RuleMatch]:
    cell = quoted(row_check.field) if row_check.field and on.has(row_check.field) else "NULL"
    params = "".join(f", {sql}" for sql in row_check.params.values())
    key = on.table.cell_key(row_check.field)
    once = "" if key == "_row" else f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _row) = 1"
    query = f"SELECT _row, {cell}{params} FROM {on.view} WHERE {row_check.where} {once} ORDER BY _row LIMIT {limit}"
    for row, cell_text, *param_values in on.work.execute(query).fetchall():
        yield RuleMatch(row, row_check.field, cell_text, dict(zip(row_check.params, param_values, strict=True)))
