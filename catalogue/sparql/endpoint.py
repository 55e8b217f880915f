"""The SPARQL endpoint: SPARQL 1.1 Protocol (query operation), its service description, and a plain editor.

The answer is spooled whole before its first byte is sent, so a client never takes half for all.
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
from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SERIALISERS, wanted_document
from vaven.catalogue.http.headers import OPEN
from vaven.catalogue.http.i18n import language_of_programs
from vaven.catalogue.http.problem_details import problem, problem_of, query_problem
from vaven.catalogue.http.rate_limit import client_of
from vaven.catalogue.sparql import explanations, protocol
from vaven.catalogue.sparql.cached_responses import remember
from vaven.catalogue.sparql.editor import editor_config
from vaven.catalogue.sparql.explanations import Explainer
from vaven.catalogue.sparql.protocol import RESULT_TYPES, ProtocolError, QueryOperation
from vaven.publisher.engine.interface import QueryEngine, QueryRequest, QueryResult
from vaven.publisher.rdf.compression import IDENTITY
from vaven.publisher.sparql.lexer import is_repeatable, query_form
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.syntax_check import find_mistake
from vaven.vocab.errors import QueryError, QuerySyntaxError, VavenError
from vaven.vocab.example_queries import Examples
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES

SHOWN_ROWS = 1_000
SHOWN_CHARS = 1_000
BLOCK = 1 << 16
METHODS = "GET, HEAD, POST, OPTIONS"
NO = re.compile(r'"boolean"\s*:\s*false')
TSV_ESCAPE = re.compile(r"\\(.)")
TSV_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}


@dataclass(frozen=True)
class Endpoint:
    """What an answer is made with. `examples` are queries by name; `service` gives the endpoint's description."""

    engine: QueryEngine
    iris: Iris
    examples: Examples
    service: Callable[[], Graph]
    explainer: Explainer


def blueprint(
    engine: QueryEngine, iris: Iris, examples: Examples, service: Callable[[], Graph], explainer: Explainer
) -> Blueprint:
    """The endpoint at /sparql."""
    of = Endpoint(engine, iris, examples, service, explainer)
    pages = Blueprint("sparql", __name__)

    @pages.route("/sparql", methods=["GET", "POST", "OPTIONS"])
    def endpoint() -> Response:
        answer = _respond(of)
        # Pages as well, which other sites' programs may ask for.
        answer.headers.update(OPEN)
        answer.vary.update(("Accept", "Accept-Encoding"))
        # Pages, explanations and errors are written for a reader.
        is_written = protocol.is_page(request) or request.values.get("explain") or answer.status_code >= 400
        g.is_same_in_every_language = not is_written
        return answer

    return pages


def _respond(of: Endpoint) -> Response:
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": METHODS, "Access-Control-Allow-Methods": METHODS})
    is_page = protocol.is_page(request)
    try:
        asked = protocol.read(request)
        if asked is None:
            return _editor(of) if is_page else _service_description(of.service)
        if asked.explain:
            return _explanation(of, asked, is_page=is_page)
        if is_page:
            return _result_page(of, asked)
        return _answer(of.engine, asked)
    except QueryError as error:
        if is_page:
            return _editor(of, query=protocol.query_text(request), error=error)
        return query_problem(error, of.iris.base, language_of_programs())
    except VavenError as error:
        if is_page:
            raise  # the site's own page for it
        return problem_of(503, error)
    except ProtocolError as wrong:
        if is_page:
            key = 413 if wrong.status == 413 else 400
            return Response(render_template("errors/error.html", key=key, status=wrong.status), status=wrong.status)
        return _refusal(wrong)


def _refusal(wrong: ProtocolError) -> Response:
    language = language_of_programs()
    answer = problem(wrong.status, wrong.message.text(language))
    answer.content_language.add(language)
    answer.headers.update(wrong.headers)
    return answer


def _answer(engine: QueryEngine, asked: QueryOperation) -> Response:
    try:
        media_type = protocol.media_type(asked, request.headers.get("Accept"))
    except ProtocolError:
        # A query that can't be read is told so, whatever form its answer was to have (protocol, section 2.1.5).
        if wrong := find_mistake(asked.query):
            message, remedy, line = wrong.message, wrong.remedy, wrong.line
            raise QuerySyntaxError(message, remedy=remedy, line=line, column=wrong.column) from None
        raise
    question = _question(asked, media_type)
    state = engine.state() if is_repeatable(asked.query) else ""
    # The packed form and the plain one of an answer too short to pack are both what the client would get.
    for encoding in {question.encoding, IDENTITY}:
        tag = _tag(state, question, encoding)
        # A condition is of a GET alone (RFC 9110, section 13.1.2).
        if tag and request.method != "POST" and request.if_none_match.contains_weak(tag):
            return _tagged(Response(status=304), tag)
    found = engine.ask(question)
    tag = _tag(state and found.state, question, found.encoding)
    if tag:
        remember(request.environ, question, found.state, tag)
    return _tagged(_whole(found), tag)


def _explanation(of: Endpoint, asked: QueryOperation, *, is_page: bool) -> Response:
    """Why the answer to a query is empty, in place of the answer."""
    form = protocol.EXPLAINED["json"]
    if not is_page:
        form = protocol.explanation_type(asked, request.headers.get("Accept"))
    if (language := request.form.get("lang")) in LANGUAGES:
        # A long query comes by POST, with all that is said beside it.
        g.lang = language
    found = explanations.as_dict(of.explainer.explain(of.engine, _question(asked, RESULT_TYPES["json"], IDENTITY)))
    if is_page:
        return _editor(of, query=asked.query, why=found, lines=explanations.marked(asked.query, found))
    text = (
        explanations.plain(found)
        if form == protocol.EXPLAINED["text"]
        else json.dumps(found, ensure_ascii=False) + "\n"
    )
    answer = Response(text, content_type=_with_charset(form))
    answer.headers.update({"Content-Language": g.lang, "Cache-Control": "no-cache"})
    return answer


def _question(asked: QueryOperation, media_type: str, encoding: str | None = None) -> QueryRequest:
    return QueryRequest(
        asked.query,
        media_type,
        asked.default_graphs,
        asked.named_graphs,
        encoding or content_coding.encoding(request.headers.get("Accept-Encoding")),
        client_of(request.remote_addr),
    )


def _whole(found: QueryResult) -> Response:
    """The answer as the server's own file: it sends it to slow readers without a thread of ours."""
    file = wrap_file(request.environ, found.file, BLOCK)
    answer = Response(file, content_type=_with_charset(found.media_type), direct_passthrough=True)
    answer.content_length = found.size
    if found.encoding != IDENTITY:
        answer.headers["Content-Encoding"] = found.encoding
    return answer


def _tagged(answer: Response, tag: str) -> Response:
    if tag:
        answer.set_etag(tag)
        answer.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    return answer


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _tag(state: str, question: QueryRequest, encoding: str) -> str:
    """An entity tag that changes with the snapshot; "" where the engine can't name its state."""
    if not state:
        return ""
    graphs = (*question.default_graphs, "", *question.named_graphs)
    parts = (state, question.query, question.media_type, encoding, *graphs)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _editor(of: Endpoint, **shown: Any) -> Response:
    error = shown.get("error")
    known = {"prefixes": of.iris.prefixes, "examples": of.examples, "permalink": _permalink}
    known |= editor_config(of.iris, of.examples)
    page = render_template("sparql/editor.html", **known, **shown)
    return Response(page, status=error.status if error else 200, mimetype="text/html")


def _permalink(query: str, form: str = "") -> str:
    given = {"query": query, "format": form} if form else {"query": query}
    return f"{url_for('sparql.endpoint')}?{urlencode(given)}"


def _result_page(of: Endpoint, asked: QueryOperation) -> Response:
    """The answer as a table under the editor; a graph is shown as Turtle."""
    is_graph = asked.is_graph
    media_type = RDF_FORMATS["ttl"] if is_graph else RESULT_TYPES["tsv"]
    is_ask = query_form(asked.query) == "ASK"
    found = of.engine.ask(_question(asked, RESULT_TYPES["json"] if is_ask else media_type, IDENTITY))
    try:
        text = io.TextIOWrapper(found.file, encoding="utf-8", newline="\n")
        if is_graph or is_ask:
            shown: dict[str, Any] = {"text": text.read(200_000)}
            shown["is_empty"] = NO.search(shown["text"]) if is_ask else not shown["text"].strip()
        else:
            shown = _table(text)
    finally:
        found.close()
    forms = [form for form in (RDF_FORMATS if is_graph else RESULT_TYPES) if not (is_ask and form in ("csv", "tsv"))]
    return _editor(of, query=asked.query, result=shown, forms=forms)


def _table(answer: IO[str]) -> dict[str, Any]:
    """The first rows of a TSV answer for the page. Python's csv has one field limit for the whole process, ours."""
    rows = (line.rstrip("\n").split("\t") for line in answer)
    header = [name.removeprefix("?") for name in next(rows, [])]
    listed = [[_shown(term) for term in row] for row in islice(rows, SHOWN_ROWS + 1)]
    rows_shown = listed[:SHOWN_ROWS]
    return {"header": header, "rows": rows_shown, "is_cut": len(listed) > SHOWN_ROWS, "is_empty": not listed}


def _shown(term: str) -> str:
    """A term in Turtle's syntax as people read it; geometries and other long texts are cut short."""
    if term.startswith("<"):
        return term[1:-1]
    if term.startswith('"'):
        term = TSV_ESCAPE.sub(lambda found: TSV_ESCAPES.get(found[1], found[1]), term[1 : term.rindex('"')])
    return term if len(term) <= SHOWN_CHARS else f"{term[:SHOWN_CHARS]} …"


def _service_description(service: Callable[[], Graph]) -> Response:
    """SPARQL 1.1 Service Description, section 3: what the endpoint speaks and holds."""
    ending = wanted_document(request)
    if ending is None:
        raise ProtocolError(406, query_message("request.description", types=tuple(RDF_FORMATS.values())))
    ending = "ttl" if ending == "html" else ending
    body = service().serialize(format=SERIALISERS[ending])
    return Response(body, content_type=_with_charset(RDF_FORMATS[ending]))
