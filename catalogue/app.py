"""The Flask application, composed of its blueprints; nothing happens at import time."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, render_template, request
from jinja2 import StrictUndefined
from jinja2.utils import missing
from werkzeug.exceptions import HTTPException

from vaven.catalogue.ckan_api.routes import SqlQueries
from vaven.catalogue.http import headers, i18n
from vaven.catalogue.http.content_negotiation import prefers_html
from vaven.catalogue.http.page_cache import PageCache
from vaven.catalogue.http.problem_details import problem, problem_of
from vaven.catalogue.validation.uploads import Uploads
from vaven.publisher.engine.cache import CachedEngine
from vaven.publisher.published.collection import Collection
from vaven.publisher.settings import Settings
from vaven.publisher.sql.engine import SqlEngine
from vaven.vocab.areas import areas
from vaven.vocab.errors import (
    DiskFull,
    NoLongerIncluded,
    QueryError,
    RecordsUnavailable,
    UnknownDataset,
    VavenError,
    Withdrawn,
    WrongUse,
    for_people,
    is_full_disk,
)
from vaven.vocab.example_queries import examples
from vaven.vocab.iris import segment
from vaven.vocab.register import codes, themes

# The errors of HTTP itself that say more than "bad request", by status.
HTTP_ERRORS = {
    404: "catalogue.no-resource",
    405: "catalogue.method-not-allowed",
    413: "catalogue.request-too-large",
    429: "catalogue.too-many-files",
    503: "catalogue.readers-busy",
}


@dataclass(frozen=True)
class Parts:
    """Objects with the application's lifetime: published data, query workers, page cache, readers of uploads.

    `engine` runs SPARQL, `sql` the SQL of the Action API.
    """

    collection: Collection
    engine: CachedEngine
    sql: SqlQueries
    pages: PageCache
    uploads: Uploads

    def close(self) -> None:
        self.uploads.close()
        self.sql.engine.close()
        self.engine.close()
        self.collection.close()


class CheckedUndefined(StrictUndefined):
    """An undefined value in a template: an error in any use, except that an optional variable may be tested.

    A misspelt attribute would otherwise be an empty text, and false.
    """

    def __bool__(self) -> bool:  # type: ignore[override]
        if self._undefined_obj is missing:
            return False
        self._fail_with_undefined_error()


def create_app(settings: Settings) -> Flask:
    """Create the site for a configuration. Close it with `app.extensions["vaven"].close()`."""
    from vaven.catalogue.http.rate_limit import RateLimit
    from vaven.catalogue.http.unconfigured_proxy import UnconfiguredProxy
    from vaven.catalogue.pages import health
    from vaven.catalogue.sparql.cached_responses import ResponseCache
    from vaven.publisher.engine.open import open_engine
    from vaven.publisher.operations.rebuilding import renew

    # Flask can't find the folder of a package inside a namespace by itself.
    app = Flask(__name__, root_path=str(Path(__file__).parent), instance_path=str(settings.home.absolute()))
    try:
        renew(settings)
    except Exception as cause:
        # What does not need the graph is served; the next start or publication tries again.
        error = for_people(cause)
        if error is None or isinstance(error, WrongUse):
            raise
        app.logger.error("%s", error)
    app.config["MAX_CONTENT_LENGTH"] = settings.upload_mb << 20
    app.config["SECRET_KEY"] = settings.signing_key
    app.jinja_env.filters["segment"] = segment
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.undefined = CheckedUndefined
    rate_limit = RateLimit(settings)

    def admit(client: str) -> None:
        rate_limit.admit_query(client, settings.queries_a_minute)

    engine = CachedEngine(
        open_engine(settings),
        max_bytes=settings.query_cache_mb << 20,
        wait_seconds=settings.query_seconds,
        admit=admit,
    )
    sql = SqlQueries(SqlEngine(settings), admit)
    parts = Parts(Collection(settings), engine, sql, PageCache(settings.page_cache_mb << 20), Uploads(settings))
    app.extensions["vaven"] = parts
    proxy = UnconfiguredProxy(app, settings)
    headers.register(app)
    i18n.register(app)
    names = {"iris": settings.iris, "base": settings.base_iri, "theme_names": themes(), "codes": codes}
    app.context_processor(lambda: names)
    for blueprint in (*_pages(settings, parts), *_machine_access(settings, parts)):
        app.register_blueprint(blueprint)
    app.register_blueprint(health.blueprint(parts.collection, proxy))
    app.wsgi_app = ResponseCache(app.wsgi_app, engine)  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(VavenError, _own_error)
    app.register_error_handler(Exception, _system_error)
    return app


def _pages(settings: Settings, parts: Parts) -> Iterator[Blueprint]:
    """Return the blueprints of pages for people, and of the API that has the same content."""
    from vaven.catalogue.api import routes as api
    from vaven.catalogue.pages import (
        areas,
        datasets,
        docs,
        help,
        investments,
        kpis,
        publication_status,
        sitemap,
        start,
    )
    from vaven.catalogue.validation import files, form, report
    from vaven.publisher.operations.publication_status import Publications

    collection = parts.collection
    for pages in (start, datasets, areas, kpis, investments, help):
        yield pages.blueprint(collection, parts.pages)
    uploads = parts.uploads
    for pages in (form, report, files):
        yield pages.blueprint(uploads)
    publications = Publications(settings, collection.records, collection.store, collection.histories)
    yield api.blueprint(uploads, publications)
    yield publication_status.blueprint(publications)
    yield sitemap.blueprint(collection, settings.iris)
    yield docs.blueprint(settings.iris)


def _machine_access(settings: Settings, parts: Parts) -> Iterator[Blueprint]:
    """Return the blueprints of files, feeds, identifiers, the Action API and the SPARQL endpoint."""
    from vaven.catalogue.ckan_api import routes as ckan_api
    from vaven.catalogue.harvest import croissant, dcat_feed, downloads, service_description, well_known
    from vaven.catalogue.harvest.graph_statistics import GraphStatisticsCache
    from vaven.catalogue.linked_data import dereference, ontology
    from vaven.catalogue.linked_data.lookup import ResourceLookup
    from vaven.catalogue.sparql import completions, endpoint
    from vaven.catalogue.sparql.explanations import Explainer
    from vaven.publisher.engine.interface import SITE, ClientEngine
    from vaven.publisher.published.derived_files import DerivedFiles

    collection, iris = parts.collection, settings.iris
    site = ClientEngine(SITE, parts.engine)
    statistics = GraphStatisticsCache(site, collection, iris)
    yield downloads.blueprint(
        collection, site, DerivedFiles(settings.derived_folder, settings.made_mb, settings.derived_storage), iris
    )
    yield croissant.blueprint(collection, iris)
    yield ckan_api.blueprint(settings, collection, parts.sql)
    yield dcat_feed.blueprint(collection, iris, settings.contact)
    yield dereference.blueprint(ResourceLookup(site, collection, iris), iris)
    yield ontology.blueprint(iris)
    yield well_known.blueprint(statistics, iris)
    yield completions.blueprint(site, collection, statistics, iris)
    yield endpoint.blueprint(
        parts.engine,
        iris,
        examples(),
        lambda: service_description.describe_service(iris, statistics.now()),
        Explainer(site, collection, statistics, iris, settings.query_seconds),
    )


def warm(app: Flask) -> None:
    """Load what would delay the first requests: templates, messages, parser, register of areas, and published data."""
    from vaven.publisher.sparql.query_facts import read_facts

    parts: Parts = app.extensions["vaven"]
    parts.engine.start_ahead()
    read_facts("ASK {}")
    for name in app.jinja_env.list_templates(extensions=["html"]):
        app.jinja_env.get_template(name)
    i18n.warm()
    for level, vintage in (("kommun", ""), ("deso", "2018")):
        areas().by_code(level, vintage)
    # If the database is unavailable, pages report it until it recovers.
    with suppress(VavenError):
        parts.collection.areas()
    parts.engine.wait_until_prepared()


def _http_error(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error
    if not prefers_html(request):
        default = "catalogue.bad-request" if status < 500 else "catalogue.internal-error"
        response = problem(status, HTTP_ERRORS.get(status, default))
    else:
        key = status if status in (404, 405, 413, 429) else 400 if status < 500 else 500
        response = Response(render_template("errors/error.html", key=key, status=status), status=status)
    if status == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ["GET"])
    return response


def _withdrawn(error: Withdrawn) -> Response:
    """Return 410 Gone (RFC 9110, section 15.5.11) for a resource that was removed for good."""
    if not prefers_html(request):
        return problem_of(410, error, reason=error.reason, day=error.day)
    return Response(render_template("errors/withdrawn.html", tombstone=error), status=410)


def _no_longer_included(error: NoLongerIncluded) -> Response:
    """Return 410 Gone for a resource that only an older version has, with a link to that."""
    if not prefers_html(request):
        return problem_of(410, error, dataset=error.dataset, version=error.version)
    return Response(render_template("errors/no_longer_included.html", error=error), status=410)


def _system_error(cause: Exception) -> Response:
    """Return 503 for a full disk; anything else is a fault of ours, of which only the log has the details."""
    if not is_full_disk(cause):
        raise cause
    current_app.logger.error("%s", DiskFull())
    return _own_error(DiskFull())


def _own_error(error: VavenError) -> Response:
    status = 404 if isinstance(error, UnknownDataset) else error.status if isinstance(error, QueryError) else 503
    if isinstance(error, Withdrawn):
        return _withdrawn(error)
    if isinstance(error, RecordsUnavailable):
        current_app.logger.error("%s", error)
    if isinstance(error, NoLongerIncluded):
        return _no_longer_included(error)
    if not prefers_html(request):
        return problem_of(status, error.for_public())
    key = 404 if status == 404 else 500
    return Response(render_template("errors/error.html", key=key, status=status), status=status)
