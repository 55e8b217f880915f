"""Upload form: GET /validate shows it, POST /validate checks a file and redirects to its report."""

from flask import Blueprint, Response, abort, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from vaven.catalogue.http.content_negotiation import best_media_type
from vaven.catalogue.http.problem_details import problem, problem_of
from vaven.catalogue.validation.uploads import Uploads, read_options_of, uploaded_file
from vaven.schemas.reports.formats import render
from vaven.vocab import media_types
from vaven.vocab.areas import areas
from vaven.vocab.errors import WrongUse

# The report formats that a client may ask for instead of the redirect, by media type.
MEDIA_TYPES = {"html": media_types.HTML, "json": media_types.JSON, "text": media_types.TEXT}


def blueprint(uploads: Uploads) -> Blueprint:
    pages = Blueprint("validation_form", __name__)

    @pages.get("/validate")
    def form() -> Response:
        return _form_page()

    @pages.post("/validate")
    def upload() -> AnyResponse:
        return _upload(uploads, _report_format())

    return pages


def _upload(uploads: Uploads, report_format: str) -> AnyResponse:
    """Redirect a browser to its report; return the report itself to a program, and store nothing."""
    file = uploaded_file()
    if not uploads.admits():
        abort(429)
    if file is None:
        if report_format == "html":
            return _form_page(status=400, is_missing=True)
        return problem(400, "catalogue.no-file")
    try:
        options = read_options_of(request.form)
    except WrongUse as error:
        return _form_page(status=400, error=error) if report_format == "html" else problem_of(400, error)
    if report_format != "html":
        text = render(report_format, uploads.report(file, options), g.lang)
        return Response(text, mimetype=MEDIA_TYPES[report_format])
    key = uploads.add(file, options)
    uploads.start(key)
    return redirect(f"/validate/{key}", 303)


def _report_format() -> str:
    """Return html, json or text: by ?format=, else by Accept."""
    name = request.args.get("format")
    if name in MEDIA_TYPES:
        return str(name)
    media_type = best_media_type(request.headers.get("Accept"), list(MEDIA_TYPES.values()))
    return next((name for name, own in MEDIA_TYPES.items() if own == media_type), "html")


def _form_page(*, status: int = 200, is_missing: bool = False, error: WrongUse | None = None) -> Response:
    kommuner = sorted(areas().kommuner.values(), key=lambda area: area.name)
    page = render_template("validation/form.html", kommuner=kommuner, is_missing=is_missing, error=error)
    return Response(page, status=status)
