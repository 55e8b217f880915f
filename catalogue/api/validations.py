"""Validations as resources: POST a file, then GET its status, its report and its copies, or DELETE it."""

from flask import Blueprint, Response, g, json, request

from vaven.catalogue.http.problem_details import problem, problem_of
from vaven.catalogue.validation.files import returned_file
from vaven.catalogue.validation.store import Validation
from vaven.catalogue.validation.uploads import Uploads, read_options_of, uploaded_file
from vaven.schemas.reports.formats import FORMS, media_type, render
from vaven.vocab import media_types
from vaven.vocab.errors import VavenError, WrongUse

RETRY_SECONDS = 1
# The errors of a copy that can't be written, by its kind.
NO_COPY = {"corrected": "catalogue.nothing-to-fix", "annotated": "catalogue.not-a-workbook"}


def blueprint(uploads: Uploads, root: str) -> Blueprint:
    """Return the blueprint whose parent serves it below the path `root`."""
    resources = Blueprint("validations", __name__, url_prefix="/validations")
    store = uploads.validations

    @resources.post("")
    def create() -> Response:
        return _create(uploads, root)

    @resources.get("/<key>")
    def status(key: str) -> Response:
        validation = store.get(key)
        return _status(validation, root, 200) if validation else _missing()

    @resources.delete("/<key>")
    def delete(key: str) -> Response:
        if store.get(key) is None:
            return _missing()
        store.drop(key)
        return Response(status=204)

    @resources.get("/<key>/report")
    def report(key: str) -> Response:
        return _report(store.get(key))

    @resources.get("/<key>/<any(corrected, annotated):kind>")
    def copy(key: str, kind: str) -> Response:
        validation = store.get(key)
        if validation is None or validation.report is None:
            return _unfinished(validation)
        return returned_file(uploads, validation, kind) or problem(404, NO_COPY[kind])

    return resources


def _create(uploads: Uploads, root: str) -> Response:
    if not uploads.admits():
        response = problem(429, "catalogue.too-many-files")
        response.headers["Retry-After"] = "60"
        return response
    file = uploaded_file()
    if file is None:
        return problem(400, "catalogue.no-file")
    try:
        options = read_options_of(request.form)
    except WrongUse as error:
        return problem_of(400, error)
    key = uploads.add(file, options)
    uploads.start(key, at_once="respond-async" not in request.headers.get("Prefer", ""))
    validation = uploads.validations.get(key)
    if validation is None:
        return _missing()
    response = _status(validation, root, 201 if validation.report else 202)
    response.headers["Location"] = f"{root}/validations/{key}"
    return response


def _report(validation: Validation | None) -> Response:
    name = request.args.get("format", "json")
    if name not in FORMS:
        return problem(400, "catalogue.unknown-format", format=name, formats=", ".join(FORMS))
    if validation is None or validation.report is None:
        return _unfinished(validation)
    return Response(render(name, validation.report, g.lang), mimetype=media_type(name))


def _status(validation: Validation, root: str, status: int) -> Response:
    path = f"{root}/validations/{validation.id}"
    report = validation.report
    body = {
        "id": validation.id,
        "name": validation.name,
        "state": validation.state,
        "stage": validation.stage,
        "share": validation.share,
        "expires": validation.expires.isoformat(),
        "verdict": report.verdict.value if report else None,
        "counts": dict(report.counts) if report else {},
        "links": {name: f"{path}/{name}" for name in ("report", "corrected", "annotated")} | {"self": path},
    }
    return Response(json.dumps(body, ensure_ascii=False) + "\n", status=status, mimetype=media_types.JSON)


def _missing() -> Response:
    return problem(404, "catalogue.no-validation")


def _unfinished(validation: Validation | None) -> Response:
    """Return the problem of a validation that has no report."""
    if validation is None:
        return _missing()
    if validation.state == "failed":
        return problem(409, "catalogue.validation-failed")
    response = problem_of(409, VavenError("catalogue.validation-pending"), state=validation.state)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
