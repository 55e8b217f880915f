"""Publication status of each release, as JSON."""

from flask import Blueprint, Response

from vaven.catalogue.http.problem_details import problem_of
from vaven.catalogue.pages.publication_status import as_json, selected_status
from vaven.publisher.operations.publication_status import Publications
from vaven.vocab.errors import UnknownDataset


def blueprint(publications: Publications) -> Blueprint:
    resources = Blueprint("publications", __name__)

    @resources.get("/publications")
    def status() -> Response:
        try:
            return as_json(selected_status(publications))
        except UnknownDataset as error:
            return problem_of(404, error)

    return resources
