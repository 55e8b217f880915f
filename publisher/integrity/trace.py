"""From what breaks a rule in a release back to the row and cell of the submission that it came from."""

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
from vaven.schemas.tables.compile import DEFAULTS
from vaven.schemas.tables.read import read
from vaven.schemas.tables.sql import quoted, text
from vaven.schemas.tables.tables import Table, Tables
from vaven.vocab.iris import Iris

# How many rows of one violation are listed, and how many in all; the others are counted.
ROWS = 20
LISTED = 1_000
Origin = tuple[str, Mapping[str, str | None]]


@dataclass(frozen=True)
class Trace:
    """What leads back: the submission's tables, the prefixes that shorten IRIs, the row that each IRI was made of,
    and the field that each property of an observation comes from."""

    tables: Tables
    prefixes: Mapping[str, str]
    origins: Mapping[str, Origin]
    fields: Mapping[str, str]

    def origin(self, violation: Violation) -> Origin | None:
        if violation.cells is not None:
            return violation.resource, violation.cells
        terms = [violation.focus, violation.value, violation.other]
        if violation.constraint == "iri":
            # What can't be written is at fault, not what names it.
            terms = [violation.value, violation.focus]
        return next((self.origins[term] for term in terms if term in self.origins), None)

    def short(self, term: str) -> str:
        """An IRI by its prefix, where it has one; anything else as it is."""
        fitting = [(len(iri), name, iri) for name, iri in self.prefixes.items() if term.startswith(iri)]
        if not fitting:
            return term
        _, name, iri = max(fitting)
        return f"{name}:{term.removeprefix(iri)}"


def trace_violations(
    report: Report,
    found: Sequence[Violation],
    original: Path,
    dataset: str | None,
    choices: ReadOptions,
    made: Release,
    iris: Iris,
) -> Report:
    """The report of a submission whose release breaks rules: not valid, each violation as findings with their cells.

    The original is read once more, by the same choices: good releases need not keep their submission's tables at hand.
    """
    fields = {name: column.name for name, column in component_columns(made, iris).items()}
    with read(original, slug=dataset, choices=choices) as tables:
        return report_with_violations(report, found, Trace(tables, iris.prefixes, dict(_origins(made, iris)), fields))


def report_with_violations(report: Report, found: Sequence[Violation], trail: Trace) -> Report:
    """The report with the violations as findings before its own."""
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    for violation in found:
        traced = list(_findings(violation, trail))
        counts[f"integrity-{violation.constraint}"] += max(violation.rows, len(traced))
        findings += traced[: LISTED - len(findings)]
    return replace(
        report,
        verdict=Verdict.INVALID,
        findings=(*findings, *report.findings),
        counts={**counts, **report.counts},
    )


def _origins(made: Release, iris: Iris) -> Iterator[tuple[str, Origin]]:
    """The IRI of everything that a row of the release names, with that row."""
    declared = {row["code"] for row in read_rows(made.table("neighbourhoods"), "code")}
    for code, place in made.places.items():
        in_sheet = code in declared
        yield (
            place.iri(iris),
            ("neighbourhoods", {"code": code}) if in_sheet else ("observations", {"neighbourhood": code}),
        )
    for period in made.periods:
        yield iris.period(period), ("observations", {"period": period})
    for age in made.ages:
        yield iris.age(age), ("observations", {"age_group": age})
    for row in read_rows(made.table("investments"), "id"):
        yield iris.investment(f"{made.dataset}.{row['id']}"), ("investments", {"id": row["id"]})
    for row in read_rows(made.table("actors"), "id, organisation_number"):
        key = row["organisation_number"] or f"{made.dataset}-{row['id']}"
        yield iris.organisation(key), ("actors", {"id": row["id"]})
    for row in read_rows(made.table("targets"), "neighbourhood, kpi, period"):
        yield iris.target(made.dataset, row["neighbourhood"], row["kpi"], row["period"]), ("targets", row)


def _findings(violation: Violation, trail: Trace) -> Iterator[Finding]:
    """One for each row that the violation is about; one without a row where it is about none."""
    words = {name: trail.short(getattr(violation, name)) for name in ("focus", "property", "value", "other")} | {
        "said": "",
        "expected": "",
        **violation.texts,
    }
    plain = Finding(
        f"integrity-{violation.constraint}",
        Severity.ERROR,
        text=violation.value or None,
        params=words,
        room="publisher",
    )
    origin = trail.origin(violation)
    table = trail.tables.tables.get(origin[0]) if origin else None
    if not origin or table is None:
        yield plain
        return
    field = trail.fields.get(violation.property) or (next(iter(origin[1])) if len(origin[1]) == 1 else None)
    found = [replace(plain, **place) for place in _places(trail.tables, table, origin[1], field)]
    yield from found or [replace(plain, resource=table.resource, sheet=table.sheet)]


def _places(
    tables: Tables, table: Table, cells: Mapping[str, str | None], field: str | None
) -> Iterator[dict[str, Any]]:
    """Where the first rows with these cells stand, and what the partner wrote in the field at fault."""
    column = table.column(field) if field else None
    shown = quoted(column.name) if column else "NULL"
    # What reading adds (a default, a status out of a mark) is in the tidied relation alone.
    relation = table.written if column and column.letter else table.relation
    where = " AND ".join(_condition(table, name, cell) for name, cell in cells.items()) or "TRUE"
    query = f"""SELECT _row, {shown} FROM {relation}
        WHERE _row IN (SELECT _row FROM {table.relation} WHERE {where}) ORDER BY _row LIMIT {ROWS}"""
    for key, written in tables.workspace.execute(query).fetchall():
        row, letter = table.place(key, field)
        yield {
            "resource": table.resource,
            "sheet": table.sheet,
            "row": row,
            "column": letter,
            "field": field,
            "text": written,
        }


def _condition(table: Table, name: str, cell: str | None) -> str:
    """SQL that finds a released cell among the submission's, where an empty one may stand for a default."""
    default = {**DEFAULTS, "status": "'A'"}.get(name)
    given = quoted(name) if table.column(name) else "NULL"
    value = f"coalesce({given}, {default})" if default else given
    return f"{value} IS NULL" if cell is None else f"{value} = {text(cell)}"
