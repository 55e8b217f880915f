"""Report page of an upload: progress until the check is done, then findings, options to decide, and deletion."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response, abort, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from vaven.catalogue.validation.files import private
from vaven.catalogue.validation.store import Validation
from vaven.catalogue.validation.uploads import CONSTANT, Uploads, read_options_of
from vaven.schemas.reports.cells import cells_sentence
from vaven.schemas.reports.fix import fixes
from vaven.schemas.reports.html import faulty_tables
from vaven.schemas.reports.text_and_json import (
    grouped,
    location,
    meaning,
    published_sentence,
    remedies,
    statements,
    table_name,
)
from vaven.schemas.standard.finding import Finding, Report, Severity
from vaven.schemas.standard.read_options import ENCODINGS, OTHER_COLUMNS
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.errors import WrongUse
from vaven.vocab.messages import messages
from vaven.vocab.register import codes, kpis

STATEMENT_LIMIT = 50
# Rules whose errors may come from our reading, or that only the user can decide: the options may fix them.
DECIDABLE = frozenset(
    ("not-the-standard", "missing-column", "kpi-scale", "kpi-scale-mixed", "qualifying-column",
     "required-missing", "not-in-list", "duplicate-label",
     "rows-left-out", "column-left-out", "number-ambiguous", "header-missing",
     "other-table", "not-readable-encoding", "not-readable-mixed", "not-readable-header-row", "not-readable-sheet",
     "not-readable-no-rows", "licence-publisher-missing", "metadata-unknown",
     "personal-number-possible", "possible-number-in-text")
)  # fmt: skip


def blueprint(uploads: Uploads) -> Blueprint:
    pages = Blueprint("validation_report", __name__)
    store = uploads.validations

    @pages.get("/validate/<key>")
    def report(key: str) -> Response:
        return private(_page(store.get(key) or abort(404)))

    @pages.post("/validate/<key>")
    def check_again(key: str) -> AnyResponse:
        return _check_again(uploads, store.get(key) or abort(404))

    @pages.post("/validate/<key>/delete")
    def delete(key: str) -> AnyResponse:
        store.drop(key)
        return redirect("/validate", 303)

    return pages


def _check_again(uploads: Uploads, validation: Validation) -> AnyResponse:
    """Check the upload with the options that the user decided."""
    if not validation.is_kept:
        abort(404)
    try:
        options = read_options_of(request.form)
    except WrongUse as error:
        return private(_page(validation, error=error, status=400))
    if not uploads.admits():
        abort(429)
    uploads.validations.decide(validation.id, options)
    uploads.start(validation.id)
    return redirect(f"/validate/{validation.id}", 303)


def _page(validation: Validation, *, error: WrongUse | None = None, status: int = 200) -> Response:
    if validation.report is None:
        return Response(render_template("validation/progress.html", validation=validation))
    page = render_template(
        "validation/report.html",
        validation=validation,
        report=validation.report,
        **_findings(validation.report),
        can_fix=validation.is_kept and bool(fixes(validation.report)),
        can_annotate=validation.can_annotate,
        form=_options_form(validation, validation.report),
        minutes_left=max(round((validation.expires - datetime.now(UTC)).total_seconds() / 60), 1),
        error=error,
    )
    return Response(page, status=status)


def _findings(report: Report) -> Mapping[str, object]:
    """Return the template's variables about findings, of the selected rule or severity only."""
    code, severity = _filter(report)
    groups = grouped(report)
    severities = {group_severity for _, group_severity, _ in groups}
    return {
        "all_groups": groups,
        "groups": [group for group in groups if code in (None, group[0]) and severity in (None, group[1])],
        "code": code,
        "severity": severity,
        "severities": [level for level in Severity if level in severities],
        "tables": faulty_tables(report, g.lang, code=code, severity=severity),
        "meaning": meaning(report, g.lang),
        "location": lambda finding: location(report, finding, g.lang),
        "statements": lambda findings: statements(report, findings, g.lang)[:STATEMENT_LIMIT],
        "remedies": lambda findings: remedies(report, findings, g.lang)[:STATEMENT_LIMIT],
        "decidable_codes": DECIDABLE,
        "cells": cells_sentence(report.cells, g.lang) if report.cells else "",
        "published": published_sentence(report, g.lang),
        "table_name": lambda resource: table_name(resource, g.lang),
        "report_text": messages(g.lang, "schemas"),
    }


def _filter(report: Report) -> tuple[str | None, Severity | None]:
    """Return the rule and the severity to select by ?code= and ?severity=; ignore values that no finding has."""
    code, severity = request.args.get("code"), request.args.get("severity")
    severities = {level.value: level for level in Severity}
    return (code if code in report.counts else None), severities.get(severity or "")


def _options_form(validation: Validation, report: Report) -> dict[str, object]:
    """Return the fields and values of the form of read options for this file, filled in with the present options."""
    schema = standard()["observations"]
    fields = {name: schema[name].label(g.lang) for name in schema.names}
    findings = (*report.assumptions, *report.findings)
    missing = {f.field for f in report.findings if f.code == "missing-column" and f.field} | {"kpi"}
    return {
        "options": validation.options,
        "encodings": [(name, name) for name in ENCODINGS],
        "licences": tuple(codes("licences").values()),
        "labels": _labels(validation, report),
        "sheets": dict.fromkeys(finding.sheet for finding in findings if finding.sheet),
        "other_columns": OTHER_COLUMNS,
        "fields": fields,
        "constants": [name for name in fields if name in missing | set(validation.options.constants)],
        "constant_prefix": CONSTANT,
        "kpis": kpis().values(),
    }


def _labels(validation: Validation, report: Report) -> list[str]:
    """Return the column labels to decide about: unknown ones, and those that a field was guessed for."""
    findings: list[Finding] = [*report.findings, *report.assumptions]
    own = [f.text for f in findings if f.code in ("unknown-column", "column-left-out", "assumed-header") and f.text]
    foreign = [str(label) for finding in findings for label in _label_list(finding)]
    labels = dict.fromkeys([*validation.options.columns, *own, *foreign])
    return [label for label in labels if label != OTHER_COLUMNS]


def _label_list(finding: Finding) -> list[object]:
    labels = finding.params.get("labels")
    return labels if isinstance(labels, list) else []
