"""Reports and read options as JSON, for storage between requests, also across an upgrade of this software.

Field names are those of the dataclasses, so what another version has written is the same value or unreadable.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from vaven.schemas.standard.cells import Cells, OmittedCells
from vaven.schemas.standard.finding import Excerpt, Finding, Fix, Report, Severity, Verdict
from vaven.schemas.standard.read_options import ReadOptions
from vaven.vocab.errors import WrongUse
from vaven.vocab.messages import DEFAULT_LANGUAGE, messages


class UnreadableJson(ValueError):
    """Content that is no JSON, or whose fields are not those of this version."""


def dump_options(options: ReadOptions) -> bytes:
    return json.dumps(asdict(options)).encode()


def load_options(content: bytes) -> ReadOptions:
    """Raises UnreadableJson."""
    try:
        return ReadOptions(**json.loads(content))
    except (ValueError, TypeError, AttributeError, WrongUse) as error:
        raise UnreadableJson(str(error)) from error


def dump_report(report: Report) -> bytes:
    # A finding's parameters only fill its sentences, so one without a form in JSON is stored as its text.
    return json.dumps(asdict(report), default=_text).encode()


def load_report(content: bytes) -> Report:
    """Raises UnreadableJson, also for a finding whose sentences this version does not have."""
    try:
        report = _report(json.loads(content))
        for finding in {f.code: f for f in (*report.findings, *report.assumptions)}.values():
            finding.title(DEFAULT_LANGUAGE)
            finding.message(DEFAULT_LANGUAGE)
            finding.remedy(DEFAULT_LANGUAGE)
        for part in report.cells.omitted if report.cells else ():
            messages(DEFAULT_LANGUAGE, "schemas")(f"cells.reason.{part.reason}")
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise UnreadableJson(repr(error)) from error
    return report


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _report(fields: Mapping[str, Any]) -> Report:
    checked_at = fields["checked_at"]
    parsed = {
        "verdict": Verdict(fields["verdict"]),
        "findings": tuple(_finding(finding) for finding in fields["findings"]),
        "assumptions": tuple(_finding(finding) for finding in fields["assumptions"]),
        "cells": _cells(fields["cells"]) if fields.get("cells") else None,
        "excerpts": tuple(Excerpt(**excerpt) for excerpt in fields["excerpts"]),
        "checked_at": datetime.fromisoformat(checked_at) if checked_at else None,
    }
    return Report(**{**fields, **parsed})


def _cells(fields: Mapping[str, Any]) -> Cells:
    parts = (OmittedCells(**{**part, "rows": part["rows"] and tuple(part["rows"])}) for part in fields["omitted"])
    return Cells(**{**fields, "omitted": tuple(parts)})


def _finding(fields: Mapping[str, Any]) -> Finding:
    fix = fields["fix"]
    return Finding(**{**fields, "severity": Severity(fields["severity"]), "fix": Fix(**fix) if fix else None})
