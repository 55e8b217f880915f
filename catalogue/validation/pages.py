"""The validate pages: a file comes in, its report stays for an hour under an address that only its owner knows."""

import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, Response, abort, g, redirect, render_template, request, send_file
from werkzeug.wrappers import Response as AnyResponse

from vaven.catalogue.http.content_negotiation import choose
from vaven.catalogue.http.problem_details import problem, problem_of
from vaven.catalogue.validation.intake import CONSTANT, Uploads, read_options_of, uploaded_file
from vaven.catalogue.validation.uploads import StoredValidations, Validation
from vaven.schemas.reports.fix import fixes
from vaven.schemas.reports.formats import media_type, render
from vaven.schemas.reports.html import faulty_tables
from vaven.schemas.reports.text_and_json import grouped, location, meaning, statements, table_name
from vaven.schemas.standard.finding import Finding, Report, Severity
from vaven.schemas.standard.read_options import ENCODINGS
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.areas import areas
from vaven.vocab.errors import VavenError, WrongUse
from vaven.vocab.messages import messages
from vaven.vocab.register import kpis

TYPES = {"html": "text/html", "json": "application/json", "text": "text/plain"}
# The forms of a report by the names of their files.
FILES = {"html": "html", "json": "json", "sarif": "sarif", "txt": "text"}
SHOWN_PLACES = 50
# Rules whose faults may be in our reading or in what is known to the user alone: the form of choices may mend them.
DECIDABLE = frozenset(
    ("not-the-standard", "missing-column", "kpi-scale", "required-missing", "not-in-list", "duplicate-label",
     "other-table", "not-readable-encoding", "not-readable-mixed", "not-readable-header-row", "not-readable-sheet",
     "not-readable-no-rows")
)  # fmt: skip
NEVER_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def blueprint(intake: Uploads) -> Blueprint:
    pages = Blueprint("validation", __name__)
    kept = intake.validations

    @pages.get("/validate")
    def page() -> Response:
        return _start()

    @pages.post("/validate")
    def take() -> AnyResponse:
        uploaded, form = uploaded_file(), _form()
        if not intake.admits():
            abort(429)
        if uploaded is None:
            if form == "html":
                return _start(status=400, is_missing=True)
            return problem(400, "No file", "Send the file as the multipart field `file`.")
        try:
            choices = read_options_of(request.form)
        except WrongUse as wrong:
            return _start(status=400, wrong=wrong) if form == "html" else problem_of(400, wrong)
        if form != "html":
            return Response(render(form, intake.report(uploaded, choices), g.lang), mimetype=TYPES[form])
        key = intake.take(uploaded, choices)
        intake.start(key)
        return redirect(f"/validate/{key}", 303)

    @pages.get("/validate/<key>")
    def report(key: str) -> Response:
        return _private(_page(kept, kept.get(key) or abort(404)))

    @pages.post("/validate/<key>")
    def again(key: str) -> AnyResponse:
        found = kept.get(key) or abort(404)
        try:
            choices = read_options_of(request.form)
        except WrongUse as wrong:
            return _private(_page(kept, found, wrong=wrong, status=400))
        if not intake.admits():
            abort(429)
        kept.decide(key, choices)
        intake.start(key)
        return redirect(f"/validate/{key}", 303)

    @pages.post("/validate/<key>/delete")
    def delete(key: str) -> AnyResponse:
        kept.drop(key)
        return redirect("/validate", 303)

    @pages.get("/validate/<key>/report.<ending>")
    def file(key: str, ending: str) -> Response:
        found = _done(kept.get(key))
        form = FILES.get(ending) or abort(404)
        answer = Response(render(form, found, g.lang), mimetype=media_type(form))
        if form != "html":
            answer.headers["Content-Disposition"] = f'attachment; filename="report.{ending}"'
        else:
            # The file carries its style with it, and nothing else.
            answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return _private(answer)

    @pages.get("/validate/<key>/corrected")
    def corrected(key: str) -> Response:
        return handed_back(intake, kept.get(key), "corrected") or abort(404)

    @pages.get("/validate/<key>/annotated")
    def annotated(key: str) -> Response:
        return handed_back(intake, kept.get(key), "annotated") or abort(404)

    return pages


def handed_back(intake: Uploads, found: Validation | None, how: str) -> Response | None:
    """The partner's own file, "corrected" or "annotated"; None where that can't be had of this one."""
    if found is None or found.report is None:
        return None
    with tempfile.TemporaryDirectory(prefix="vaven-back-") as folder:
        try:
            path = (
                intake.validations.corrected(found, Path(folder))
                if how == "corrected"
                else intake.validations.annotated(found, Path(folder), g.lang)
            )
        except (VavenError, FileNotFoundError):
            return None
        if path is None:
            return None
        content = io.BytesIO(path.read_bytes())
    return _private(send_file(content, download_name=path.name, as_attachment=True))


def _private(answer: Response) -> Response:
    """The address is a secret, and what is behind it may be too."""
    answer.headers.update(NEVER_KEPT)
    return answer


def _form() -> str:
    """html, json or text: by ?format=, else by Accept."""
    if (given := request.args.get("format")) in TYPES:
        return str(given)
    chosen = choose(request.headers.get("Accept"), list(TYPES.values()))
    return next((name for name, kind in TYPES.items() if kind == chosen), "html")


def _done(found: Validation | None) -> Report:
    return (found and found.report) or abort(404)


def _start(*, status: int = 200, is_missing: bool = False, wrong: WrongUse | None = None) -> Response:
    kommuner = sorted(areas().kommuner.values(), key=lambda a: a.name)
    page = render_template("validate.html", kommuner=kommuner, is_missing=is_missing, wrong=wrong)
    return Response(page, status=status)


def _page(kept: StoredValidations, found: Validation, *, wrong: WrongUse | None = None, status: int = 200) -> Response:
    if found.report is None:
        return Response(render_template("validating.html", found=found))
    report = found.report
    code, severity = _filter(report)
    groups = [(c, s, listed) for c, s, listed in grouped(report) if code in (None, c) and severity in (None, s)]
    page = render_template(
        "report.html",
        found=found,
        report=report,
        groups=groups,
        every=grouped(report),
        code=code,
        severity=severity,
        severities=[s for s in Severity if any(s is other for _, other, _ in grouped(report))],
        tables=faulty_tables(report, g.lang, code=code, severity=severity),
        meaning=meaning(report, g.lang),
        place=lambda finding: location(report, finding, g.lang),
        said=lambda listed: statements(report, listed, g.lang),
        decidable_codes=DECIDABLE,
        minutes_left=max(round((found.expires - datetime.now(UTC)).total_seconds() / 60), 1),
        table_name=lambda resource: table_name(resource, g.lang),
        shown=SHOWN_PLACES,
        say=messages(g.lang, "schemas"),
        can_mend=bool(fixes(report)),
        can_annotate=kept.can_annotate(found),
        decided=_decidable(found),
        wrong=wrong,
    )
    return Response(page, status=status)


def _filter(report: Report) -> tuple[str | None, Severity | None]:
    """The rule or the severity that alone is asked for; what no finding has is no filter."""
    code, severity = request.args.get("code"), request.args.get("severity")
    known = {s.value: s for s in Severity}
    return (code if code in report.counts else None), known.get(severity or "")


def _decidable(found: Validation) -> dict[str, object]:
    """What the form lets a user decide about this file, with what was decided already."""
    assert found.report
    schema = standard()["observations"]
    fields = {name: schema[name].label(g.lang) for name in schema.names}
    lacking = {f.field for f in found.report.findings if f.code == "missing-column" and f.field} | {"kpi"}
    return {
        "choices": found.choices,
        "encodings": [(name, name) for name in ENCODINGS],
        "labels": _labels(found),
        "sheets": dict.fromkeys(f.sheet for f in (*found.report.assumptions, *found.report.findings) if f.sheet),
        "fields": fields,
        "constants": [name for name in fields if name in lacking | set(found.choices.constants)],
        "constant": CONSTANT,
        "kpis": kpis().values(),
    }


def _labels(found: Validation) -> list[str]:
    """The labels that a user may want to say something about: those not known, and those taken for something."""
    assert found.report
    said: list[Finding] = [*found.report.findings, *found.report.assumptions]
    own = [f.text for f in said if f.code in ("unknown-column", "assumed-header") and f.text]
    foreign = [str(label) for f in said for label in _listed(f)]
    return list(dict.fromkeys([*found.choices.columns, *own, *foreign]))


def _listed(finding: Finding) -> list[object]:
    labels = finding.params.get("labels")
    return labels if isinstance(labels, list) else []
