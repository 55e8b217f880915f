"""The validate page: a file comes in, a report goes out, and nothing is kept."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, Response, g, render_template, request
from werkzeug.datastructures import FileStorage

from vaven.catalogue.negotiate import choose
from vaven.catalogue.problem import problem
from vaven.schemas.check import validate
from vaven.schemas.finding import Report
from vaven.schemas.report import as_json, as_text, grouped, meaning, place, table_name
from vaven.vocab.areas import areas
from vaven.vocab.messages import messages

TYPES = {"html": "text/html", "json": "application/json", "text": "text/plain"}
NAME_CHARS = 60
SHOWN_PLACES = 50


def blueprint() -> Blueprint:
    pages = Blueprint("validation", __name__)

    @pages.route("/validate", methods=["GET", "POST"])
    def page() -> Response:
        kommuner = sorted(areas().kommuner.values(), key=lambda a: a.name)
        if request.method == "GET":
            return Response(render_template("validate.html", kommuner=kommuner, report=None))
        uploaded = request.files.get("file")
        form = _form()
        if uploaded is None or not uploaded.filename:
            if form != "html":
                return problem(400, "No file", "Send the file as the multipart field `file`.")
            text = render_template("validate.html", kommuner=kommuner, report=None, is_missing=True)
            return Response(text, status=400)
        return _answer(_checked(uploaded), form, kommuner)

    return pages


def _form() -> str:
    """html, json or text: by ?format=, else by Accept."""
    if (given := request.args.get("format")) in TYPES:
        return str(given)
    chosen = choose(request.headers.get("Accept"), list(TYPES.values()))
    return next((name for name, kind in TYPES.items() if kind == chosen), "html")


def _checked(uploaded: FileStorage) -> Report:
    """Check an upload in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vaven-upload-") as folder:
        path = Path(folder) / _file_name(uploaded.filename or "")
        uploaded.save(path)
        return validate(path)


def _file_name(given: str) -> str:
    """The last part of an upload's name, as a name that any file system takes; its ending stays."""
    name = given.replace("\\", "/").rpartition("/")[2].replace("\0", "").lstrip(".")
    # File systems allow 255 bytes, and a character may take four.
    return name[-NAME_CHARS:] or "file"


def _answer(report: Report, form: str, kommuner: Sequence[object]) -> Response:
    if form == "json":
        return Response(as_json(report, g.lang), mimetype="application/json")
    if form == "text":
        return Response(as_text(report, g.lang), mimetype="text/plain")
    page = render_template(
        "validate.html",
        kommuner=kommuner,
        report=report,
        groups=grouped(report),
        meaning=meaning(report, g.lang),
        place=lambda finding: place(report, finding, g.lang),
        table_name=lambda resource: table_name(resource, g.lang),
        shown=SHOWN_PLACES,
        words=messages(g.lang),
    )
    return Response(page)
