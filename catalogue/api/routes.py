"""The blueprint of /api/v1, with the language check and the headers that all its resources share."""

from flask import Blueprint, Response, request

from vaven.catalogue.api import publications, schemas, validations
from vaven.catalogue.http.problem_details import problem
from vaven.catalogue.validation.uploads import Uploads
from vaven.publisher.operations.publication_status import Publications
from vaven.vocab.messages import LANGUAGES

ROOT = "/api/v1"


def blueprint(uploads: Uploads, status: Publications) -> Blueprint:
    api = Blueprint("api", __name__, url_prefix=ROOT)
    api.register_blueprint(schemas.blueprint())
    api.register_blueprint(publications.blueprint(status))
    api.register_blueprint(validations.blueprint(uploads, ROOT))

    @api.before_request
    def refuse_unknown_language() -> Response | None:
        language = request.args.get("lang")
        if language is None or language in LANGUAGES:
            return None
        return problem(400, "catalogue.unknown-language", language=language, languages=", ".join(LANGUAGES))

    @api.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return api
