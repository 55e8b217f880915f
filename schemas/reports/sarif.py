"""A report as SARIF 2.1.0 (OASIS Standard, 2020-03-27), for code hosts and editors that annotate lines."""

import json
from typing import Any
from urllib.parse import quote

from vaven.schemas.formats.grid import column_index
from vaven.schemas.standard.finding import Finding, Report, Severity
from vaven.vocab.messages import messages

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def as_sarif(report: Report, language: str, *, path: str = "") -> str:
    """Render a report as one run, with a rule per finding code and the sheet in the logical location.

    `path` is the file's path in its repository, which code hosts need; the default is the file name.
    """
    uri = quote(path or report.source)
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
        "artifacts": [_artifact(report, uri)],
        "invocations": [{"executionSuccessful": bool(report.sha256)}],
        "results": [_result(f, uri, codes.index(f.code), language) for f in report.findings],
        "properties": {"verdict": report.verdict.value, "counts": dict(report.counts)},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _artifact(report: Report, uri: str) -> dict[str, Any]:
    """Return the artifact of the file: its URI reference (section 3.4.3), and its hash if it could be read."""
    location = {"location": {"uri": uri}}
    return location | ({"hashes": {"sha-256": report.sha256}} if report.sha256 else {})


def _rule(code: str, language: str) -> dict[str, Any]:
    words = messages(language, "schemas")
    return {"id": code, "shortDescription": {"text": words(f"rule.{code}.title")}}


def _result(finding: Finding, uri: str, index: int, language: str) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": uri, "index": 0}}}
    if finding.row:
        region = {"startLine": finding.row}
        if finding.column:
            region["startColumn"] = column_index(finding.column) + 1
        location["physicalLocation"]["region"] = region
    if finding.address:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.address, "kind": "member"}]
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.message(language)} {finding.remedy(language)}"},
        "locations": [location],
    }
