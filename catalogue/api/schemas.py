"""The API's description (OpenAPI 3.1), and the JSON Schemas of reports and of publication status."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from flask import Blueprint, Response

from vaven.vocab import media_types


def blueprint() -> Blueprint:
    schemas = Blueprint("schemas", __name__)

    @schemas.get("/openapi.json")
    def description() -> Response:
        return _json_file(files(__package__) / "openapi.json")

    @schemas.get("/report.schema.json")
    def report() -> Response:
        return _json_file(files("vaven.schemas.reports") / "report.schema.json")

    @schemas.get("/publications.schema.json")
    def publications() -> Response:
        return _json_file(files("vaven.publisher") / "publications.schema.json")

    return schemas


def _json_file(path: Traversable) -> Response:
    response = Response(path.read_text("utf-8"), mimetype=media_types.JSON)
    response.headers["Cache-Control"] = "max-age=3600"
    return response
