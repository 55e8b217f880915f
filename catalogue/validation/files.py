"""Files of a validation: its report in each format, and the upload as a corrected or an annotated copy."""

import io
import tempfile
from pathlib import Path

from flask import Blueprint, Response, abort, g, send_file

from vaven.catalogue.validation.store import Validation
from vaven.catalogue.validation.uploads import Uploads
from vaven.schemas.reports.formats import media_type, render
from vaven.vocab.errors import VavenError

# Formats of a report by the extension of its file.
REPORT_FORMATS = {"html": "html", "json": "json", "sarif": "sarif", "txt": "text"}
# The URL is a secret, and the content may be confidential.
PRIVATE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def blueprint(uploads: Uploads) -> Blueprint:
    files = Blueprint("validation_files", __name__)
    store = uploads.validations

    @files.get("/validate/<key>/report.<extension>")
    def report(key: str, extension: str) -> Response:
        return private(_report_file(store.get(key), extension))

    @files.get("/validate/<key>/<any(corrected, annotated):kind>")
    def copy(key: str, kind: str) -> Response:
        return returned_file(uploads, store.get(key), kind) or abort(404)

    return files


def private(response: Response) -> Response:
    response.headers.update(PRIVATE_HEADERS)
    return response


def returned_file(uploads: Uploads, validation: Validation | None, kind: str) -> Response | None:
    """Return the partner's file, "corrected" or "annotated"; None where there is nothing to correct or no workbook."""
    if validation is None or validation.report is None or not validation.is_kept:
        return None
    store = uploads.validations
    with tempfile.TemporaryDirectory(prefix="vaven-back-") as folder:
        try:
            with uploads.reader() as run:
                path = (
                    store.corrected(validation, Path(folder), run)
                    if kind == "corrected"
                    else store.annotated(validation, Path(folder), g.lang, run)
                )
        except (VavenError, FileNotFoundError):
            return None
        if path is None:
            return None
        content = io.BytesIO(path.read_bytes())
    return private(send_file(content, download_name=path.name, as_attachment=True))


def _report_file(validation: Validation | None, extension: str) -> Response:
    if validation is None or validation.report is None or extension not in REPORT_FORMATS:
        abort(404)
    report_format = REPORT_FORMATS[extension]
    text = render(report_format, validation.report, g.lang)
    response = Response(text, mimetype=media_type(report_format))
    if report_format == "html":
        # The file contains its style, and loads nothing.
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    else:
        response.headers["Content-Disposition"] = f'attachment; filename="report.{extension}"'
    return response
