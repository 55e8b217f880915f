"""A report as a Report descriptor of frictionless-py 5, for tools that read that format.

Only errors are listed as errors, since Frictionless has no other severity; warnings, notes and assumptions are
sentences in `warnings`. Findings have Frictionless's error type if there is one, else a general type with our code as
a tag.
"""

import json
from itertools import chain
from typing import Any

from vaven.schemas.formats.grid import column_index
from vaven.schemas.rules.registry import READING_RULES, RULES, SCHEMA_RULES
from vaven.schemas.standard.finding import Finding, Report, Severity, Verdict

# Error types by the object of a finding: a label, cell, row, table or file.
OF_A_LABEL = ("missing-label", "extra-label", "blank-label", "duplicate-label")
OF_A_CELL = ("type-error", "constraint-error", "unique-error", "missing-cell", "extra-cell")
# Types of our own in tables with their own schema.
OF_OUR_OWN = {
    "primary-key-null": "primary-key",
    "unique-key": "row-error",
    "first-row": "row-error",
    "joined-row": "row-error",
    "unread-key": "table-error",
    "unread-sheet": "table-error",
    "hidden-sheet": "table-error",
}
OF_A_ROW, OF_A_TABLE, OF_A_FILE = "row-error", "table-error", "source-error"


def as_frictionless(report: Report, language: str) -> str:
    """Render a report as JSON for `frictionless.Report.from_descriptor`."""
    tasks = [_task(report, resource, language) for resource in report.rows]
    elsewhere = [f for f in report.findings if f.severity == Severity.ERROR and f.resource not in report.rows]
    errors = [_error(f, language) for f in elsewhere]
    count = _error_count(report)
    descriptor = {
        "valid": report.verdict in (Verdict.VALID, Verdict.VALID_WITH_WARNINGS),
        "stats": {"tasks": len(tasks), "errors": count, "warnings": len(report.assumptions), "seconds": 0},
        "warnings": _warnings(report, None, language),
        "errors": errors,
        "tasks": tasks,
    }
    text = json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def _error_count(report: Report) -> int:
    severe = {f.code for f in report.findings if f.severity == Severity.ERROR}
    return sum(count for code, count in report.counts.items() if code in severe)


def _task(report: Report, resource: str, language: str) -> dict[str, Any]:
    errors = [f for f in report.findings if f.resource == resource and f.severity == Severity.ERROR]
    warnings = _warnings(report, resource, language)
    return {
        "name": resource,
        "type": "table",
        "valid": not errors,
        "place": report.source,
        "labels": [],
        "stats": {"errors": len(errors), "warnings": len(warnings), "seconds": 0, "rows": report.rows[resource]},
        "warnings": warnings,
        "errors": [_error(f, language) for f in errors],
    }


def _warnings(report: Report, resource: str | None, language: str) -> list[str]:
    non_errors = chain((f for f in report.findings if f.severity != Severity.ERROR), report.assumptions)
    cut = [f"{len(report.findings)} of {sum(report.counts.values())} findings are listed."] if report.is_cut else []
    own = [
        f"{f.address}: {f.message(language)}".removeprefix(": ")
        for f in non_errors
        if _task_name(report, f) == resource
    ]
    return own + (cut if resource is None else [])


def _task_name(report: Report, finding: Finding) -> str | None:
    return finding.resource if finding.resource in report.rows else None


def _error(finding: Finding, language: str) -> dict[str, Any]:
    kind = error_type(finding)
    descriptor: dict[str, Any] = {
        "type": kind,
        "title": finding.title(language),
        "description": finding.remedy(language),
        "message": finding.message(language),
        "tags": [f"#{finding.code}"],
        "note": finding.message(language),
    }
    number = column_index(finding.column) + 1 if finding.column else 0
    cell = {"fieldName": finding.field or "", "fieldNumber": number}
    if kind in OF_A_LABEL:
        return descriptor | {"labels": [], "rowNumbers": [finding.row or 1], "label": finding.text or ""} | cell
    if finding.row:
        descriptor |= {"rowNumber": finding.row, "cells": []}
    if kind == "foreign-key":
        descriptor |= {"fieldNames": [finding.field or ""], "fieldCells": [finding.text or ""]}
        descriptor |= {"referenceName": str(finding.params.get("resource", "")), "referenceFieldNames": []}
    elif number:
        descriptor |= {"cell": finding.text or "", **cell}
    return descriptor


def error_type(finding: Finding) -> str:
    """Return Frictionless's error type of a finding, or a general type if it has none or needs a missing location."""
    if finding.code.startswith("table-"):
        # Findings about a table with its own schema are Frictionless's errors, except for some of ours.
        kind = finding.code.removeprefix("table-")
        return f"{kind}-error" if kind in ("source",) else OF_OUR_OWN.get(kind, kind)
    rule = RULES.get(finding.code)
    known = rule.frictionless if rule else (SCHEMA_RULES | READING_RULES).get(finding.code, (None, ""))[1]
    has_location = finding.row and (finding.column or known not in OF_A_CELL)
    if known and (has_location or known in OF_A_LABEL):
        return known
    return OF_A_ROW if finding.row else OF_A_TABLE if finding.resource else OF_A_FILE
