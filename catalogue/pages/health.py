"""Health of the site, for supervisors and load balancers: `/healthz` and `/readyz`."""

import json

from flask import Blueprint, Response

from vaven.catalogue.http.i18n import language_of_programs
from vaven.catalogue.http.unconfigured_proxy import UnconfiguredProxy
from vaven.publisher.operations.readiness import UNAVAILABLE, readiness
from vaven.publisher.published.collection import Collection
from vaven.vocab import media_types


def blueprint(collection: Collection, proxy: UnconfiguredProxy) -> Blueprint:
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def health() -> Response:
        return _uncached(Response("ok\n", mimetype=media_types.TEXT))

    @pages.get("/readyz")
    def ready() -> Response:
        """Return the visible releases, and what is degraded; 503 if nothing published can be served."""
        state, language = readiness(collection, proxy.defects()), language_of_programs()
        body = {
            "status": state.status,
            "releases": state.releases or {},
            "problems": [
                {"part": part, "detail": error.message(language), "remedy": error.remedy(language)}
                for part, error in ((defect.part, defect.error.for_public()) for defect in state.defects)
            ],
        }
        text = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
        status = 503 if state.status == UNAVAILABLE else 200
        return _uncached(Response(text, status=status, mimetype=media_types.JSON))

    return pages


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
