"""The HTTP API for programs: validations as resources, and where releases are published.

It is described by openapi.json (OpenAPI 3.1) beside this module.
"""

from importlib.resources import files

from flask import Blueprint, Response, g, json, request

from vaven.catalogue.http.problem_details import problem, problem_of
from vaven.catalogue.pages.publication_status import as_json, selected_status
from vaven.catalogue.validation.intake import Uploads, read_options_of, uploaded_file
from vaven.catalogue.validation.pages import handed_back
from vaven.catalogue.validation.uploads import Validation
from vaven.publisher.publication_status import Publications
from vaven.schemas.reports.formats import FORMS, media_type, render
from vaven.vocab.errors import UnknownDataset, WrongUse
from vaven.vocab.messages import LANGUAGES

ROOT = "/api/v1"
RETRY_SECONDS = 1


def blueprint(intake: Uploads, publications: Publications) -> Blueprint:
    api = Blueprint("api", __name__, url_prefix=ROOT)
    kept = intake.validations

    @api.before_request
    def only_known_languages() -> Response | None:
        given = request.args.get("lang")
        if given is None or given in LANGUAGES:
            return None
        return problem(400, "Unknown language", f"lang is {given!r}.", remedy=f"Choose of {', '.join(LANGUAGES)}.")

    @api.after_request
    def open_to_pages_of_others(answer: Response) -> Response:
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    @api.get("/openapi.json")
    def description() -> Response:
        return _document(files(__package__) / "openapi.json")

    @api.get("/report.schema.json")
    def report_schema() -> Response:
        return _document(files("vaven.schemas.reports") / "report.schema.json")

    @api.get("/publications.schema.json")
    def publications_schema() -> Response:
        return _document(files("vaven.publisher") / "publications.schema.json")

    @api.get("/publications")
    def published() -> Response:
        try:
            return as_json(selected_status(publications))
        except UnknownDataset as unknown:
            return problem_of(404, unknown)

    @api.post("/validations")
    def take() -> Response:
        if not intake.admits():
            answer = problem(429, "Too many files", "This address has sent its files of this minute.")
            answer.headers["Retry-After"] = "60"
            return answer
        uploaded = uploaded_file()
        if uploaded is None:
            return problem(400, "No file", "Send the file, with its name, as the multipart field `file`.")
        try:
            choices = read_options_of(request.form)
        except WrongUse as wrong:
            return problem_of(400, wrong)
        key = intake.take(uploaded, choices)
        intake.start(key, at_once="respond-async" not in request.headers.get("Prefer", ""))
        found = kept.get(key)
        if found is None:
            return _gone()
        answer = _status(found, 201 if found.report else 202)
        answer.headers["Location"] = f"{ROOT}/validations/{key}"
        return answer

    @api.get("/validations/<key>")
    def status(key: str) -> Response:
        found = kept.get(key)
        return _status(found, 200) if found else _gone()

    @api.delete("/validations/<key>")
    def drop(key: str) -> Response:
        if kept.get(key) is None:
            return _gone()
        kept.drop(key)
        return Response(status=204)

    @api.get("/validations/<key>/report")
    def report(key: str) -> Response:
        form = request.args.get("format", "json")
        if form not in FORMS:
            return problem(400, "Unknown format", f"format is {form!r}.", remedy=f"Choose of {', '.join(FORMS)}.")
        found = kept.get(key)
        if found is None or found.report is None:
            return _not_yet(found)
        return Response(render(form, found.report, g.lang), mimetype=media_type(form))

    @api.get("/validations/<key>/<any(corrected, annotated):how>")
    def back(key: str, how: str) -> Response:
        found = kept.get(key)
        if found is None or found.report is None:
            return _not_yet(found)
        sentence = {
            "corrected": "There is nothing in it that can be mended without asking.",
            "annotated": "This kind of file can't be handed back as a workbook.",
        }[how]
        return handed_back(intake, found, how) or problem(404, "No such file", sentence)

    return api


def _document(path: object) -> Response:
    answer = Response(path.read_text("utf-8"), mimetype="application/json")  # type: ignore[attr-defined]
    answer.headers["Cache-Control"] = "max-age=3600"
    return answer


def _gone() -> Response:
    return problem(404, "No such validation", "It never was, its hour is over, or it was deleted.")


def _not_yet(found: Validation | None) -> Response:
    if found is None:
        return _gone()
    if found.state == "failed":
        return problem(409, "The check was broken off", "Nothing is known of the file.", remedy="Send it again.")
    answer = problem(409, "Not done yet", f"It is {found.state}.", remedy="Ask its status until it is done.")
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def _status(found: Validation, status: int) -> Response:
    own = f"{ROOT}/validations/{found.id}"
    report = found.report
    told = {
        "id": found.id,
        "name": found.name,
        "state": found.state,
        "stage": found.stage,
        "share": found.share,
        "expires": found.expires.isoformat(),
        "verdict": report.verdict.value if report else None,
        "counts": dict(report.counts) if report else {},
        "links": {name: f"{own}/{name}" for name in ("report", "corrected", "annotated")} | {"self": own},
    }
    return Response(json.dumps(told, ensure_ascii=False) + "\n", status=status, mimetype="application/json")
