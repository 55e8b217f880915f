"""Trace of each violation in a release back to the row and cell of the submission that caused it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vaven.publisher.integrity.constraints import Violation
from vaven.publisher.integrity.run import component_columns
from vaven.publisher.releases.release import Release, read_rows
from vaven.schemas.standard.finding import Finding, Report, Severity, Verdict
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.tables.compile import DEFAULTS
from vaven.schemas.tables.read import read
from vaven.schemas.tables.tables import Table, Tables
from vaven.vocab.iris import Iris

# Limits on the findings listed, per violation and in total; the others are counted.
FINDINGS_PER_VIOLATION = 20
MAX_FINDINGS = 1_000
Origin = tuple[str, Mapping[str, str | None]]


@dataclass(frozen=True)
class Trace:
    """Data for tracing violations back to the submission.

    `tables` is the submission, `prefixes` shorten IRIs, `origins` maps an IRI to the row that it was minted from, and
    `fields` maps a property of an observation to its field.
    """

    tables: Tables
    prefixes: Mapping[str, str]
    origins: Mapping[str, Origin]
    fields: Mapping[str, str]

    def origin(self, violation: Violation) -> Origin | None:
        """Return the table and the cells of the rows that a violation comes from."""
        if violation.cells is not None:
            return violation.resource, violation.cells
        terms = [violation.focus, violation.value, violation.other]
        if violation.constraint == "iri":
            # The invalid IRI itself comes before the resource that refers to it.
            terms = [violation.value, violation.focus]
        return next((self.origins[term] for term in terms if term in self.origins), None)

    def short(self, term: str) -> str:
        """Shorten an IRI that has a prefix, and return any other term unchanged."""
        candidates = [(len(iri), name, iri) for name, iri in self.prefixes.items() if term.startswith(iri)]
        if not candidates:
            return term
        _, name, iri = max(candidates)
        return f"{name}:{term.removeprefix(iri)}"


def trace_violations(
    report: Report,
    violations: Sequence[Violation],
    original: Path,
    dataset: str | None,
    options: ReadOptions,
    release: Release,
    iris: Iris,
) -> Report:
    """Return the report of a submission whose release has violations: invalid, with findings at the cells concerned.

    The original is read again, with the same options: valid releases need not keep their submission's tables.
    """
    fields = {name: column.name for name, column in component_columns(release, iris).items()}
    with read(original, slug=dataset, choices=options) as tables:
        trace = Trace(tables, iris.prefixes, dict(_origins(release, iris)), fields)
        return report_with_violations(report, violations, trace)


def report_with_violations(report: Report, violations: Sequence[Violation], trace: Trace) -> Report:
    """Return the report with the violations as findings before its own findings."""
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    for violation in violations:
        violation_findings = list(_findings(violation, trace))
        counts[f"integrity-{violation.constraint}"] += max(violation.rows, len(violation_findings))
        findings += violation_findings[: MAX_FINDINGS - len(findings)]
    return replace(
        report,
        verdict=Verdict.INVALID,
        findings=(*findings, *report.findings),
        counts={**counts, **report.counts},
    )


def _origins(release: Release, iris: Iris) -> Iterator[tuple[str, Origin]]:
    """Yield every IRI that is minted from a row of the release, with that row."""
    declared = {row["code"] for row in read_rows(release.table("neighbourhoods"), "code")}
    for code, area in release.areas.items():
        in_sheet = code in declared
        yield (
            area.iri(iris),
            ("neighbourhoods", {"code": code}) if in_sheet else ("observations", {"neighbourhood": code}),
        )
    for period in release.periods:
        yield iris.period(period), ("observations", {"period": period})
    for age in release.ages:
        yield iris.age(age), ("observations", {"age_group": age})
    for row in read_rows(release.table("investments"), "id"):
        yield iris.investment(f"{release.dataset}.{row['id']}"), ("investments", {"id": row["id"]})
    for row in read_rows(release.table("actors"), "id, organisation_number"):
        key = row["organisation_number"] or f"{release.dataset}-{row['id']}"
        yield iris.organisation(key), ("actors", {"id": row["id"]})
    for row in read_rows(release.table("targets"), "neighbourhood, kpi, period"):
        yield iris.target(release.dataset, row["neighbourhood"], row["kpi"], row["period"]), ("targets", row)


def _findings(violation: Violation, trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each row of the violation, or a single one without a row."""
    params = {name: trace.short(getattr(violation, name)) for name in ("focus", "property", "value", "other")} | {
        "actual": "",
        "expected": "",
        **violation.texts,
    }
    finding = Finding(
        f"integrity-{violation.constraint}",
        Severity.ERROR,
        text=violation.value or None,
        params=params,
        room="publisher",
    )
    origin = trace.origin(violation)
    table = trace.tables.tables.get(origin[0]) if origin else None
    if not origin or table is None:
        yield finding
        return
    field = trace.fields.get(violation.property) or (next(iter(origin[1])) if len(origin[1]) == 1 else None)
    located = [replace(finding, **cell) for cell in _cells(trace.tables, table, origin[1], field)]
    yield from located or [replace(finding, resource=table.resource, sheet=table.sheet)]


def _cells(
    tables: Tables, table: Table, cells: Mapping[str, str | None], field: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the location of the first rows with these cells, and the partner's text in the field concerned."""
    column = table.column(field) if field else None
    text_column = quoted(column.name) if column else "NULL"
    # Values that reading adds (a default, a status from a mark) are in the normalised relation only.
    relation = table.original_relation if column and column.letter else table.relation
    where = " AND ".join(_condition(table, name, cell) for name, cell in cells.items()) or "TRUE"
    query = f"""SELECT _row, {text_column} FROM {relation}
        WHERE _row IN (SELECT _row FROM {table.relation} WHERE {where})
        ORDER BY _row LIMIT {FINDINGS_PER_VIOLATION}"""
    for key, written in tables.workspace.execute(query).fetchall():
        row, letter = table.cell_reference(key, field)
        yield {
            "resource": table.resource,
            "sheet": table.sheet_of(key),
            "row": row,
            "column": letter,
            "field": field,
            "text": written,
        }


def _condition(table: Table, name: str, cell: str | None) -> str:
    """Return SQL that matches a released cell in the submission, where an empty cell may mean a default."""
    default = {**DEFAULTS, "status": "'A'"}.get(name)
    cell_value = quoted(name) if table.column(name) else "NULL"
    value = f"coalesce({cell_value}, {default})" if default else cell_value
    return f"{value} IS NULL" if cell is None else f"{value} = {text(cell)}"
