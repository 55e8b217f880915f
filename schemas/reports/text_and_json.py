"""A report as text for a terminal and as JSON for programs (DESIGN section 3, "Reports")."""

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vaven.schemas.reports.cells import cells_as_dict, cells_sentence
from vaven.schemas.standard.finding import Finding, Report, Severity, Verdict
from vaven.schemas.standard.table_schemas import RESOURCES, standard
from vaven.vocab.messages import messages

REPORT_VERSION = "1.3"
# Statements of one rule on the terminal before the number of remaining findings.
MAX_STATEMENTS = 5
# Different remedies of one rule on the terminal.
MAX_REMEDIES = 10
# Cell ranges of one statement before the number of remaining cells.
MAX_RANGES = 6
COLOURS = {
    Verdict.VALID: "32",
    Verdict.VALID_WITH_WARNINGS: "33",
    Verdict.INVALID: "31",
    Verdict.NOT_CHECKED: "35",
}


def as_text(report: Report, language: str, *, colour: bool = False) -> str:
    """Render a report as text: verdict, rules with the most frequent first, assumptions, and a final newline."""
    return "\n".join(_lines(report, language, colour)) + "\n"


def as_json(report: Report, language: str) -> str:
    """Render a report as JSON, with messages in one language (JSON Schema: schemas/reports/report.schema.json)."""
    text = json.dumps(as_dict(report, language), ensure_ascii=False, indent=2) + "\n"
    # A descriptor may contain "\\ud800", a lone surrogate, which can't be encoded.
    return text.encode("utf-8", "replace").decode("utf-8")


def as_dict(report: Report, language: str) -> dict[str, Any]:
    return {
        "version": REPORT_VERSION,
        "language": language,
        "source": report.source,
        "sha256": report.sha256,
        "verdict": report.verdict.value,
        "counts": dict(report.counts),
        "rows": dict(report.rows),
        "cells": cells_as_dict(report.cells) if report.cells else None,
        "judged_with_published": report.is_judged_with_published,
        "is_cut": report.is_cut,
        "findings": [_finding(f, language) for f in report.findings],
        "assumptions": [_finding(f, language) for f in report.assumptions],
        "excerpts": [
            {"resource": e.resource, "sheet": e.sheet, "row": e.row, "columns": dict(e.columns), "texts": dict(e.texts)}
            for e in report.excerpts
        ],
        "choices": dict(report.choices),
        "thresholds": dict(report.thresholds),
        "engine": report.engine,
        "standard_version": report.standard_version,
        "rules_version": report.rules_version,
        "checked_at": f"{report.checked_at:%Y-%m-%dT%H:%M:%SZ}" if report.checked_at else None,
    }


def grouped(report: Report) -> list[tuple[str, Severity, list[Finding]]]:
    """Return code, severity and findings of each rule with findings: errors first, most frequent first."""
    groups: dict[str, list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault(finding.code, []).append(finding)
    order = list(Severity)
    rules = [(code, findings[0].severity, findings) for code, findings in groups.items()]
    return sorted(rules, key=lambda g: (order.index(g[1]), -report.counts[g[0]], g[0]))


def table_name(resource: str, language: str) -> str:
    """Return the label of a table of the standard; for other tables, the name."""
    return standard()[resource].label(language) if resource in RESOURCES else resource


def location(report: Report, finding: Finding, language: str) -> str:
    """Return the cell reference of a finding, prefixed by the table in a package of several tables without sheets."""
    table = finding.resource if finding.sheet is None and len(report.rows) > 1 else None
    return "!".join(part for part in (table_name(table, language) if table else None, finding.address) if part)


@dataclass(frozen=True)
class Statement:
    """A message with the cells that it applies to ("Blad1!C2:C15, C18"); `count` is the number of findings."""

    cells: str
    message: str
    count: int


def statements(report: Report, findings: Sequence[Finding], language: str) -> list[Statement]:
    """Group the findings of one rule by message, in the order of the first finding of each."""
    return _grouped_by_text(report, findings, language, lambda finding: finding.message(language))


def remedies(report: Report, findings: Sequence[Finding], language: str) -> list[Statement]:
    """Group the findings of one rule by remedy. A single remedy for all of them has no cells."""
    groups = _grouped_by_text(report, findings, language, lambda finding: finding.remedy(language))
    texts = {group.message for group in groups}
    return groups if len(texts) > 1 else [Statement("", text, len(findings)) for text in texts]


def _grouped_by_text(
    report: Report, findings: Sequence[Finding], language: str, text_of: Callable[[Finding], str]
) -> list[Statement]:
    groups: dict[tuple[str, str | None, str | None], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((text_of(finding), finding.resource, finding.sheet), []).append(finding)
    return [Statement(_cell_ranges(report, same, language), text, len(same)) for (text, _, _), same in groups.items()]


def _cell_ranges(report: Report, same: Sequence[Finding], language: str) -> str:
    ranges = list(_ranges(same))
    first = location(report, same[0], language)
    if len(ranges) < 2 and ranges[0][0] == ranges[0][1]:
        return first
    # The sheet is named only once, before the first cell.
    front = first.removesuffix(same[0].cell)
    visible = ", ".join(start if start == end else f"{start}:{end}" for start, end, _ in ranges[:MAX_RANGES])
    rest = sum(count for _, _, count in ranges[MAX_RANGES:])
    return front + visible + (" " + messages(language, "schemas")("report.more", count=rest) if rest else "")


def _ranges(same: Sequence[Finding]) -> Iterator[tuple[str, str, int]]:
    """Yield first cell, last cell and length of each vertical range of adjacent cells."""
    run: list[Finding] = []
    for finding in same:
        below = run and finding.column == run[-1].column and finding.row == (run[-1].row or 0) + 1
        if run and not below:
            yield run[0].cell, run[-1].cell, len(run)
            run = []
        run.append(finding)
    yield run[0].cell, run[-1].cell, len(run)


def meaning(report: Report, language: str) -> str:
    """Return the consequence of the verdict: only submissions that conform to the standard can be published."""
    if report.is_publishable and report.counts.get("licence-publisher-missing"):
        return messages(language, "schemas")("report.meaning.unanswered")
    is_ours = report.standard_version or report.verdict == Verdict.NOT_CHECKED
    return messages(language, "schemas")(f"report.meaning.{'' if is_ours else 'described-'}{report.verdict.value}")


def published_sentence(report: Report, language: str) -> str:
    """Say whether small counts were judged together with published data; empty for a file that can't be published."""
    if not (report.is_publishable and report.standard_version):
        return ""
    return messages(language, "schemas")(f"report.published.{'judged' if report.is_judged_with_published else 'later'}")


def _finding(finding: Finding, language: str) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "resource": finding.resource,
        "sheet": finding.sheet,
        "row": finding.row,
        "column": finding.column,
        "field": finding.field,
        "cell": finding.address or None,
        "text": finding.text,
        "message": finding.message(language),
        "remedy": finding.remedy(language),
        "fix": {"text": finding.fix.text} if finding.fix else None,
    }


def _lines(report: Report, language: str, colour: bool) -> Iterator[str]:
    t = messages(language, "schemas")

    def painted(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour else text

    verdict = t(f"report.verdict.{report.verdict.value}").upper()
    yield f"{painted(verdict, '1;' + COLOURS[report.verdict])}  {harmless(report.source)}"
    yield meaning(report, language)
    for resource, count in report.rows.items():
        yield "  " + t("report.rows", sheet=table_name(resource, language), count=count)
    if report.cells:
        yield "  " + harmless(cells_sentence(report.cells, language))
    if text := published_sentence(report, language):
        yield "  " + text
    for code, severity, findings in grouped(report):
        yield ""
        yield from _group(report, language, painted(findings[0].title(language), "1"), code, severity, findings)
    if report.assumptions:
        yield ""
        yield painted(t("report.assumed"), "1")
        yield from (_line(report, f, language) for f in report.assumptions)


def _group(
    report: Report, language: str, title: str, code: str, severity: Severity, findings: list[Finding]
) -> Iterator[str]:
    t = messages(language, "schemas")
    yield f"{t(f'report.severity.{severity.value}')}: {title} ({report.counts[code]})  [{code}]"
    visible = statements(report, findings, language)[:MAX_STATEMENTS]
    yield from ("  " + harmless(f"{s.cells}: {s.message}" if s.cells else s.message) for s in visible)
    if rest := report.counts[code] - sum(s.count for s in visible):
        yield "  " + t("report.more", count=rest)
    actions = remedies(report, findings, language)
    yield from (f"  → {harmless(f'{a.cells}: {a.message}' if a.cells else a.message)}" for a in actions[:MAX_REMEDIES])
    if rest := sum(a.count for a in actions[MAX_REMEDIES:]):
        yield "  → " + t("report.more", count=rest)


def _line(report: Report, finding: Finding, language: str) -> str:
    where = location(report, finding, language)
    return "  " + harmless(f"{where}: {finding.message(language)}" if where else finding.message(language))


def harmless(text: str) -> str:
    """Replace control and format characters by �: a cell must not send escape sequences or reverse text direction."""
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
