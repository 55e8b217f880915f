"""A report as SARIF 2.1.0 (OASIS Standard, 2020-03-27), for code hosts and editors that show findings beside lines."""

import json
from typing import Any

from vaven.schemas.finding import Finding, Report, Severity
from vaven.schemas.grid import column_index
from vaven.vocab.messages import messages

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def as_sarif(report: Report, language: str) -> str:
    """One run with a rule for each code that was found. A sheet is named in the logical location."""
    codes = list(dict.fromkeys(f.code for f in report.findings))
    run = {
        "tool": {
            "driver": {
                "name": "Väven",
                "version": report.rules_version,
                "rules": [_rule(code, language) for code in codes],
            }
        },
        "language": language,
        "artifacts": [{"location": {"uri": report.source}, "hashes": {"sha-256": report.sha256}}],
        "invocations": [{"executionSuccessful": bool(report.sha256)}],
        "results": [_result(f, report, codes.index(f.code), language) for f in report.findings],
        "properties": {"verdict": report.verdict.value, "counts": dict(report.counts)},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _rule(code: str, language: str) -> dict[str, Any]:
    words = messages(language)
    return {"id": code, "shortDescription": {"text": words(f"rule.{code}.title")}}


def _result(finding: Finding, report: Report, index: int, language: str) -> dict[str, Any]:
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": report.source, "index": 0}}}
    if finding.row:
        region = {"startLine": finding.row}
        if finding.column:
            region["startColumn"] = column_index(finding.column) + 1
        place["physicalLocation"]["region"] = region
    if finding.address:
        place["logicalLocations"] = [{"fullyQualifiedName": finding.address, "kind": "member"}]
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.message(language)} {finding.remedy(language)}"},
        "locations": [place],
    }
