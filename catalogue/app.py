"""The Flask application, put together from its blueprints; nothing happens at import time."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from vaven.catalogue import delivery, i18n
from vaven.catalogue.kept_pages import KeptPages
from vaven.catalogue.negotiate import prefers_html
from vaven.catalogue.problem import problem
from vaven.publisher.answer_cache import CachedEngine
from vaven.publisher.collection import Collection
from vaven.publisher.settings import Settings
from vaven.vocab.areas import areas
from vaven.vocab.errors import LeftOut, QueryError, UnknownDataset, VavenError, Withdrawn
from vaven.vocab.examples import examples
from vaven.vocab.iris import segment
from vaven.vocab.register import codes, themes


@dataclass(frozen=True)
class Parts:
    """What lives as long as the application: the reading side, the query workers, and pages that are kept."""

    collection: Collection
    engine: CachedEngine
    pages: KeptPages

    def close(self) -> None:
        self.engine.close()
        self.collection.close()


def create_app(settings: Settings) -> Flask:
    """The site for a configuration. Close it with `app.extensions["vaven"].close()`."""
    from vaven.catalogue import (
        api,
        completions,
        croissant,
        documentation,
        downloads,
        feed,
        identifiers,
        ontology,
        pages,
        publications,
        service,
        sitemap,
        sparql,
        validation,
        wellknown,
    )
    from vaven.catalogue.action import api as action_api
    from vaven.catalogue.intake import Intake
    from vaven.catalogue.overview import Overviews
    from vaven.catalogue.reasons import Explainer
    from vaven.catalogue.shortcut import Shortcut
    from vaven.catalogue.things import Things
    from vaven.catalogue.throttle import Throttle
    from vaven.publisher.answer import SITE, InTheNameOf
    from vaven.publisher.derived import Derived
    from vaven.publisher.engine import open_engine
    from vaven.publisher.publications import Publications

    # Flask can't find the folder of a package inside a namespace, so it is told.
    app = Flask(__name__, root_path=str(Path(__file__).parent), instance_path=str(settings.home.absolute()))
    app.config["MAX_CONTENT_LENGTH"] = settings.upload_mb << 20
    app.config["SECRET_KEY"] = settings.signing_key
    app.jinja_env.filters["segment"] = segment
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    throttle = Throttle(settings)
    engine = CachedEngine(
        open_engine(settings),
        room=settings.query_cache_mb << 20,
        patience=settings.query_seconds,
        admit=lambda client: throttle.admit_query(client, settings.queries_a_minute),
    )
    parts = Parts(Collection(settings), engine, KeptPages(settings.page_cache_mb << 20))
    app.extensions["vaven"] = parts
    delivery.register(app)
    i18n.register(app)
    names = {"iris": settings.iris, "base": settings.base_iri, "theme_names": themes(), "codes": codes}
    app.context_processor(lambda: names)
    app.register_blueprint(pages.blueprint(parts.collection, parts.pages))
    intake = Intake(settings)
    app.register_blueprint(validation.blueprint(intake))
    whereabouts = Publications(settings, parts.collection.records, parts.collection.store, parts.collection.lineages)
    app.register_blueprint(api.blueprint(intake, whereabouts))
    app.register_blueprint(publications.blueprint(whereabouts))
    site = InTheNameOf(SITE, engine)
    derived = Derived(settings.made_folder, settings.made_mb)
    app.register_blueprint(downloads.blueprint(parts.collection, site, derived, settings.iris))
    app.register_blueprint(croissant.blueprint(parts.collection, settings.iris))
    app.register_blueprint(action_api.blueprint(settings, parts.collection))
    app.register_blueprint(feed.blueprint(parts.collection, settings.iris))
    things = Things(site, parts.collection, settings.iris)
    app.register_blueprint(identifiers.blueprint(things, settings.iris))
    app.register_blueprint(ontology.blueprint(settings.iris))
    overviews = Overviews(site, parts.collection, settings.iris)
    app.register_blueprint(wellknown.blueprint(overviews, settings.iris))
    app.register_blueprint(sitemap.blueprint(parts.collection, settings.iris))
    app.register_blueprint(completions.blueprint(site, parts.collection, overviews, settings.iris))
    app.register_blueprint(
        sparql.blueprint(
            engine,
            settings.iris,
            examples(),
            lambda: service.describe_service(settings.iris, overviews.now()),
            Explainer(site, overviews, settings.iris, settings.query_seconds),
        )
    )
    app.register_blueprint(documentation.blueprint(settings.iris))
    app.wsgi_app = Shortcut(app.wsgi_app, engine)  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(VavenError, _own_error)
    return app


def warm(app: Flask) -> None:
    """Do before anybody asks what the first readers would wait for: templates, words, the view of what is published."""
    parts: Parts = app.extensions["vaven"]
    for name in app.jinja_env.list_templates(extensions=["html"]):
        app.jinja_env.get_template(name)
    i18n.warm()
    for level, vintage in (("kommun", ""), ("deso", "2018")):
        areas().listed(level, vintage)
    # Where the records are away, pages say so, and may recover.
    with suppress(VavenError):
        parts.collection.areas()


def _http_error(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error
    if not prefers_html(request):
        answer = problem(status, error.name, error.description or "")
    else:
        key = status if status in (404, 405, 413, 429) else 400 if status < 500 else 500
        answer = Response(render_template("error.html", key=key, status=status), status=status)
    if status == 405:
        answer.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ["GET"])
    return answer


def _gone(error: Withdrawn) -> Response:
    """410 Gone (RFC 9110, section 15.5.11): it was here, and is not to come back under this address."""
    if not prefers_html(request):
        return problem(410, error.message, error.message, remedy=error.remedy, reason=error.reason, day=error.day)
    return Response(render_template("gone.html", tombstone=error), status=410)


def _left_out(error: LeftOut) -> Response:
    """410 Gone: not in the current version, but its last one still stands."""
    if not prefers_html(request):
        remedy = error.remedy
        return problem(410, error.message, error.message, remedy=remedy, dataset=error.dataset, version=error.version)
    return Response(render_template("left_out.html", left=error), status=410)


def _own_error(error: VavenError) -> Response:
    status = 404 if isinstance(error, UnknownDataset) else error.status if isinstance(error, QueryError) else 503
    if isinstance(error, Withdrawn):
        return _gone(error)
    if isinstance(error, LeftOut):
        return _left_out(error)
    if not prefers_html(request):
        return problem(status, error.message, error.message, remedy=error.remedy)
    key = 404 if status == 404 else 500
    return Response(render_template("error.html", key=key, status=status), status=status)
