"""The SPARQL endpoint: SPARQL 1.1 Protocol (query operation), its service description, and a plain editor.

A result is spooled completely before its first byte is sent, so a client never mistakes a truncated result for a
complete one.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, render_template, request, url_for
from rdflib import Graph
from werkzeug.wsgi import wrap_file

from vaven.catalogue.http import content_coding
from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SERIALISERS, requested_format
from vaven.catalogue.http.headers import OPEN
from vaven.catalogue.http.i18n import language_of_programs
from vaven.catalogue.http.problem_details import problem_in, problem_of, query_problem
from vaven.catalogue.http.rate_limit import client_of
from vaven.catalogue.sparql import explanations, protocol
from vaven.catalogue.sparql.cached_responses import remember
from vaven.catalogue.sparql.editor import editor_config
from vaven.catalogue.sparql.explanations import Explainer
from vaven.catalogue.sparql.protocol import RESULT_TYPES, ProtocolError, QueryOperation
from vaven.publisher.engine.interface import QueryEngine, QueryRequest, QueryResult, error_of
from vaven.publisher.rdf.compression import IDENTITY
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.syntax_check import find_mistake
from vaven.vocab import media_types
from vaven.vocab.errors import QueryError, VavenError
from vaven.vocab.example_queries import Examples
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES

MAX_ROWS = 1_000
MAX_CELL_CHARS = 1_000
BLOCK = 1 << 16
METHODS = "GET, HEAD, POST, OPTIONS"
FALSE_RESULT = re.compile(r'"boolean"\s*:\s*false')
TSV_ESCAPE = re.compile(r"\\(.)")
TSV_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}


@dataclass(frozen=True)
class Endpoint:
    """The parts of the endpoint. `examples` are queries by name; `service` returns the service description."""

    engine: QueryEngine
    iris: Iris
    examples: Examples
    service: Callable[[], Graph]
    explainer: Explainer


def blueprint(
    engine: QueryEngine, iris: Iris, examples: Examples, service: Callable[[], Graph], explainer: Explainer
) -> Blueprint:
    """Return the blueprint of /sparql."""
    config = Endpoint(engine, iris, examples, service, explainer)
    pages = Blueprint("sparql", __name__)

    @pages.route("/sparql", methods=["GET", "POST", "OPTIONS"])
    def endpoint() -> Response:
        response = _respond(config)
        # Pages as well, since programs of other sites may request them.
        response.headers.update(OPEN)
        response.vary.update(("Accept", "Accept-Encoding"))
        # Pages, explanations and errors depend on the language.
        is_localised = protocol.wants_page(request) or request.values.get("explain") or response.status_code >= 400
        g.is_same_in_every_language = not is_localised
        return response

    return pages


def _respond(config: Endpoint) -> Response:
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": METHODS, "Access-Control-Allow-Methods": METHODS})
    is_page = protocol.wants_page(request)
    try:
        operation = protocol.read_operation(request)
        if operation is None:
            return _editor(config) if is_page else _service_description(config.service)
        if operation.explain:
            return _explanation(config, operation, is_page=is_page)
        if is_page:
            return _result_page(config, operation)
        return _query_response(config.engine, operation)
    except QueryError as error:
        if is_page:
            return _editor(config, query=protocol.query_text(request), error=error)
        return query_problem(error, config.iris.base, language_of_programs())
    except VavenError as error:
        if is_page:
            raise  # the site's own error page
        return problem_of(503, error)
    except ProtocolError as error:
        if is_page:
            key = 413 if error.status == 413 else 400
            return Response(render_template("errors/error.html", key=key, status=error.status), status=error.status)
        return _protocol_error(error)


def _protocol_error(error: ProtocolError) -> Response:
    language = language_of_programs()
    response = problem_in(language, error.status, error.message.text(language))
    response.headers.update(error.headers)
    return response


def _query_response(engine: QueryEngine, operation: QueryOperation) -> Response:
    try:
        media_type = protocol.media_type(operation, request.headers.get("Accept"))
    except ProtocolError:
        # A syntax error is reported whatever result format was requested (protocol, section 2.1.5).
        if mistake := find_mistake(operation.query):
            raise error_of(mistake) from None
        raise
    query_request = _query_request(operation, media_type)
    state = engine.state() if operation.facts.is_deterministic else ""
    # A result too short to compress is sent uncompressed, so both tags are valid for the client.
    for encoding in {query_request.encoding, IDENTITY}:
        tag = _etag(state, query_request, encoding)
        # Only GET and HEAD are conditional (RFC 9110, section 13.1.2).
        if tag and request.method != "POST" and request.if_none_match.contains_weak(tag):
            return _with_etag(Response(status=304), tag)
    result = engine.execute(query_request)
    tag = _etag(state and result.state, query_request, result.encoding)
    if tag:
        remember(request.environ, query_request, result.state, tag)
    return _with_etag(_result_response(result), tag)


def _explanation(config: Endpoint, operation: QueryOperation, *, is_page: bool) -> Response:
    """Return the explanation of an empty result, in place of the result."""
    media_type = protocol.EXPLANATION_TYPES["json"]
    if not is_page:
        media_type = protocol.explanation_type(operation, request.headers.get("Accept"))
    if (language := request.form.get("lang")) in LANGUAGES:
        # A long query is sent by POST, with all its parameters.
        g.lang = language
    explanation = explanations.as_dict(
        config.explainer.explain(config.engine, _query_request(operation, RESULT_TYPES["json"], IDENTITY))
    )
    if is_page:
        return _editor(
            config,
            query=operation.query,
            why=explanation,
            lines=explanations.marked_lines(operation.query, explanation),
        )
    text = (
        explanations.as_text(explanation)
        if media_type == protocol.EXPLANATION_TYPES["text"]
        else json.dumps(explanation, ensure_ascii=False) + "\n"
    )
    response = Response(text, content_type=_with_charset(media_type))
    response.headers.update({"Content-Language": g.lang, "Cache-Control": "no-cache"})
    return response


def _query_request(operation: QueryOperation, media_type: str, encoding: str | None = None) -> QueryRequest:
    return QueryRequest(
        operation.query,
        media_type,
        operation.default_graphs,
        operation.named_graphs,
        encoding or content_coding.encoding(request.headers.get("Accept-Encoding")),
        client_of(request.remote_addr),
    )


def _result_response(result: QueryResult) -> Response:
    """Return the result as a file of the server's own, sent to slow clients without one of our threads."""
    body = wrap_file(request.environ, result.file, BLOCK)
    response = Response(body, content_type=_with_charset(result.media_type), direct_passthrough=True)
    response.content_length = result.size
    if result.encoding != IDENTITY:
        response.headers["Content-Encoding"] = result.encoding
    return response


def _with_etag(response: Response, tag: str) -> Response:
    if tag:
        response.set_etag(tag)
        response.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    return response


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _etag(state: str, query_request: QueryRequest, encoding: str) -> str:
    """Return an entity tag that changes with the snapshot; "" if the state of the engine is unknown."""
    if not state:
        return ""
    graphs = (*query_request.default_graphs, "", *query_request.named_graphs)
    parts = (state, query_request.query, query_request.media_type, encoding, *graphs)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _editor(config: Endpoint, **context: Any) -> Response:
    error = context.get("error")
    values = {"prefixes": config.iris.prefixes, "examples": config.examples, "permalink": _permalink}
    values |= editor_config(config.iris, config.examples)
    page = render_template("sparql/editor.html", **values, **context)
    return Response(page, status=error.status if error else 200, mimetype=media_types.HTML)


def _permalink(query: str, form: str = "") -> str:
    params = {"query": query, "format": form} if form else {"query": query}
    return f"{url_for('sparql.endpoint')}?{urlencode(params)}"


def _result_page(config: Endpoint, operation: QueryOperation) -> Response:
    """Return the editor page with the result as a table, or a graph as Turtle."""
    is_graph = operation.is_graph
    media_type = RDF_FORMATS["ttl"] if is_graph else RESULT_TYPES["tsv"]
    is_ask = operation.facts.form == "ASK"
    result = config.engine.execute(_query_request(operation, RESULT_TYPES["json"] if is_ask else media_type, IDENTITY))
    try:
        text = io.TextIOWrapper(result.file, encoding="utf-8", newline="\n")
        if is_graph or is_ask:
            table: dict[str, Any] = {"text": text.read(200_000)}
            table["is_empty"] = FALSE_RESULT.search(table["text"]) if is_ask else not table["text"].strip()
        else:
            table = _table(text)
    finally:
        result.close()
    forms = [form for form in (RDF_FORMATS if is_graph else RESULT_TYPES) if not (is_ask and form in ("csv", "tsv"))]
    return _editor(config, query=operation.query, result=table, forms=forms)


def _table(lines: IO[str]) -> dict[str, Any]:
    """Return the first rows of a TSV result. Python's csv has one field size limit for the process, which is ours."""
    rows = (line.rstrip("\n").split("\t") for line in lines)
    header = [name.removeprefix("?") for name in next(rows, [])]
    displayed = [[_display(term) for term in row] for row in islice(rows, MAX_ROWS + 1)]
    displayed_rows = displayed[:MAX_ROWS]
    return {"header": header, "rows": displayed_rows, "is_cut": len(displayed) > MAX_ROWS, "is_empty": not displayed}


def _display(term: str) -> str:
    """Return a Turtle term for people; geometries and other long texts are shortened."""
    if term.startswith("<"):
        return term[1:-1]
    if term.startswith('"'):
        term = TSV_ESCAPE.sub(lambda match: TSV_ESCAPES.get(match[1], match[1]), term[1 : term.rindex('"')])
    return term if len(term) <= MAX_CELL_CHARS else f"{term[:MAX_CELL_CHARS]} …"


def _service_description(service: Callable[[], Graph]) -> Response:
    """Return the service description (SPARQL 1.1 Service Description, section 3)."""
    format_name = requested_format(request)
    if format_name is None:
        raise ProtocolError(406, query_message("request.description", types=tuple(RDF_FORMATS.values())))
    format_name = "ttl" if format_name == "html" else format_name
    body = service().serialize(format=SERIALISERS[format_name])
    return Response(body, content_type=_with_charset(RDF_FORMATS[format_name]))
