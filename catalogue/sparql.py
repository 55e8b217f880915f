"""The SPARQL endpoint: SPARQL 1.1 Protocol (query operation), its service description, and a plain editor.

The answer is spooled whole before its first byte is sent, so a client never takes half for all.
"""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any
from urllib.parse import urlencode

from flask import Blueprint, Request, Response, render_template, request, url_for
from rdflib import Graph

from vaven.catalogue.negotiate import RDF_FORMATS, choose, prefers_html
from vaven.catalogue.problem import problem, problem_of, query_problem
from vaven.publisher.answer import Answer, QueryEngine
from vaven.publisher.sparql_lexer import query_form
from vaven.vocab.errors import QueryError, QueryRefused, VavenError
from vaven.vocab.examples import Examples
from vaven.vocab.iris import Iris

RESULT_TYPES = {
    "json": "application/sparql-results+json",
    "xml": "application/sparql-results+xml",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
}
# Other names under which clients ask for the same forms.
ALIASES = {
    "application/json": RESULT_TYPES["json"],
    "application/xml": RESULT_TYPES["xml"],
    "text/xml": RESULT_TYPES["xml"],
    "application/n-triples": RDF_FORMATS["nt"],
    "text/plain": RDF_FORMATS["nt"],
}
# SPARQLWrapper says in `format`, beside Accept, what it wants; these are its names and other servers'.
GRAPH_NAMES = RDF_FORMATS | {
    "turtle": RDF_FORMATS["ttl"],
    "n3": RDF_FORMATS["ttl"],
    "ntriples": RDF_FORMATS["nt"],
    "xml": RDF_FORMATS["rdf"],
    "rdf+xml": RDF_FORMATS["rdf"],
    "json": RDF_FORMATS["jsonld"],
    "json-ld": RDF_FORMATS["jsonld"],
}
QUERY_TYPE = "application/sparql-query"
UPDATE_TYPE = "application/sparql-update"
FORM_TYPE = "application/x-www-form-urlencoded"
SHOWN_ROWS = 1_000
SHOWN_CHARS = 1_000
MAX_QUERY_CHARS = 200_000
MAX_QUERY_BYTES = 4 * MAX_QUERY_CHARS
BLOCK = 1 << 16
TSV_ESCAPE = re.compile(r"\\(.)")
TSV_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}


@dataclass(frozen=True)
class Asked:
    """A query operation of the protocol, section 2.1."""

    query: str
    default_graphs: tuple[str, ...]
    named_graphs: tuple[str, ...]
    format: str


def blueprint(engine: QueryEngine, iris: Iris, examples: Examples, service: Callable[[], Graph]) -> Blueprint:
    """The endpoint at /sparql. `examples` are queries by name; `service` gives its description."""
    pages = Blueprint("sparql", __name__)

    @pages.route("/sparql", methods=["GET", "POST", "OPTIONS"])
    def endpoint() -> Response:
        answer = _respond(engine, iris, examples, service)
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Access-Control-Allow-Headers"] = "Accept, Content-Type"
        answer.headers["Access-Control-Expose-Headers"] = "ETag, Content-Type, Retry-After"
        answer.vary.add("Accept")
        return answer

    return pages


def _respond(engine: QueryEngine, iris: Iris, examples: Examples, service: Callable[[], Graph]) -> Response:
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": "GET, HEAD, POST, OPTIONS", "Access-Control-Max-Age": "86400"})
    is_page = _is_page(request)
    try:
        asked = _asked(request)
        if asked is None:
            return _editor(iris, examples) if is_page else _service_description(service)
        if is_page:
            return _result_page(engine, iris, examples, asked)
        return _answer(engine, asked)
    except QueryError as error:
        if is_page:
            return _editor(iris, examples, query=_query_text(request), error=error)
        return query_problem(error, iris.base)
    except VavenError as error:
        if is_page:
            raise  # the site's own page for it
        return problem_of(503, error)
    except _Wrong as wrong:
        return wrong.answer


def _is_page(asked: Request) -> bool:
    """Whether a browser asks: text/html is named, and nothing that we can answer with is liked better."""
    if not prefers_html(asked) or asked.args.get("format") or (_is_form(asked) and asked.form.get("format")):
        return False
    return (
        choose(asked.headers.get("Accept"), ["text/html", *RESULT_TYPES.values(), *RDF_FORMATS.values()]) == "text/html"
    )


def _is_form(asked: Request) -> bool:
    return asked.method == "POST" and asked.mimetype == FORM_TYPE


class _Wrong(Exception):
    """A request that the protocol forbids; `answer` says so."""

    def __init__(self, status: int, title: str, detail: str, **headers: str) -> None:
        super().__init__(title)
        self.answer = problem(status, title, detail)
        self.answer.headers.update(headers)


def _query_text(asked: Request) -> str:
    if asked.method == "POST" and asked.mimetype == QUERY_TYPE:
        return _body(asked)
    return asked.values.get("query", "")


def _body(asked: Request) -> str:
    """A body that is the query (protocol, section 2.1.3). Raises _Wrong before too much of it is read."""
    if (asked.content_length or 0) > MAX_QUERY_BYTES:
        raise _Wrong(413, "Query too long", f"A query may have {MAX_QUERY_CHARS} characters.")
    try:
        return asked.get_data().decode("utf-8")
    except UnicodeDecodeError as cause:
        raise _Wrong(400, "Not UTF-8", f"The query is not UTF-8: {cause.reason} at byte {cause.start}.") from cause


def _asked(asked: Request) -> Asked | None:
    """The operation of a request, None for a GET without a query. Raises _Wrong and QueryRefused."""
    if "update" in asked.args or (_is_form(asked) and "update" in asked.form):
        raise QueryRefused("Updates are refused: this endpoint only reads.", remedy="Data is changed by publishing.")
    if asked.method != "POST":
        values = asked.args
        if not {"query", "default-graph-uri", "named-graph-uri"} & set(values):
            return None
    elif asked.mimetype == QUERY_TYPE:
        return _checked([_body(asked), *asked.args.getlist("query")], asked.args)
    elif asked.mimetype == FORM_TYPE:
        values = asked.form
    elif asked.mimetype == UPDATE_TYPE:
        raise QueryRefused("Updates are refused: this endpoint only reads.", remedy="Data is changed by publishing.")
    else:
        detail = f"Send the query as {QUERY_TYPE} or as a field of {FORM_TYPE}."
        raise _Wrong(415, "Unsupported media type", detail, **{"Accept-Post": f"{QUERY_TYPE}, {FORM_TYPE}"})
    return _checked(values.getlist("query"), values)


def _checked(queries: list[str], values: Any) -> Asked:
    if not queries:
        raise _Wrong(400, "No query", "The parameter query is missing.")
    if len(queries) > 1:
        raise _Wrong(400, "More than one query", "Give the parameter query once.")
    if not queries[0].strip():
        raise _Wrong(400, "Empty query", "The query has no text.")
    if len(queries[0]) > MAX_QUERY_CHARS:
        raise _Wrong(413, "Query too long", f"A query may have {MAX_QUERY_CHARS} characters.")
    return Asked(
        queries[0],
        tuple(values.getlist("default-graph-uri")),
        tuple(values.getlist("named-graph-uri")),
        values.get("format", ""),
    )


def _media_type(asked: Asked) -> str:
    """The form of the answer: by `format`, else by Accept. Raises _Wrong with 406."""
    is_graph = query_form(asked.query) in ("CONSTRUCT", "DESCRIBE")
    offered = RDF_FORMATS if is_graph else RESULT_TYPES
    if asked.format:
        named = GRAPH_NAMES if is_graph else RESULT_TYPES
        if found := asked.format if asked.format in offered.values() else named.get(asked.format.lower()):
            return found
        raise _Wrong(406, "Not acceptable", f"format may be {', '.join(offered)} for this kind of query.")
    names = [*offered.values(), *(alias for alias, kind in ALIASES.items() if kind in offered.values())]
    chosen = choose(request.headers.get("Accept"), names)
    if chosen is None:
        raise _Wrong(406, "Not acceptable", f"This kind of query is answered as {', '.join(offered.values())}.")
    return ALIASES.get(chosen, chosen)


def _answer(engine: QueryEngine, asked: Asked) -> Response:
    media_type = _media_type(asked)
    tag = _tag(engine.state(), asked, media_type)
    if tag and request.if_none_match.contains(tag):
        unchanged = Response(status=304)
        unchanged.set_etag(tag)
        return unchanged
    found = _run(engine, asked, media_type)
    answer = Response(_blocks(found), content_type=_with_charset(found.media_type))
    answer.call_on_close(found.close)
    answer.content_length = found.size
    if tag := _tag(found.state, asked, media_type):
        answer.set_etag(tag)
        answer.headers["Cache-Control"] = "public, max-age=0, must-revalidate"
    return answer


def _run(engine: QueryEngine, asked: Asked, media_type: str) -> Answer:
    return engine.answer(
        asked.query, media_type=media_type, default_graphs=asked.default_graphs, named_graphs=asked.named_graphs
    )


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _blocks(found: Answer) -> Iterator[bytes]:
    while block := found.file.read(BLOCK):
        yield block


def _tag(state: str, asked: Asked, media_type: str) -> str:
    """An entity tag that changes with the snapshot; "" where the engine can't name its state."""
    if not state:
        return ""
    parts = (state, asked.query, media_type, *asked.default_graphs, "", *asked.named_graphs)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _editor(iris: Iris, examples: Examples, **shown: Any) -> Response:
    error = shown.get("error")
    known = {"prefixes": iris.prefixes, "examples": examples, "permalink": _permalink}
    page = render_template("sparql/editor.html", **known, **shown)
    return Response(page, status=error.status if error else 200, mimetype="text/html")


def _permalink(query: str, form: str = "") -> str:
    given = {"query": query, "format": form} if form else {"query": query}
    return f"{url_for('sparql.endpoint')}?{urlencode(given)}"


def _result_page(engine: QueryEngine, iris: Iris, examples: Examples, asked: Asked) -> Response:
    """The answer as a table under the editor; a graph is shown as Turtle."""
    is_graph = query_form(asked.query) in ("CONSTRUCT", "DESCRIBE")
    media_type = RDF_FORMATS["ttl"] if is_graph else RESULT_TYPES["tsv"]
    is_ask = query_form(asked.query) == "ASK"
    found = _run(engine, asked, RESULT_TYPES["json"] if is_ask else media_type)
    try:
        text = io.TextIOWrapper(found.file, encoding="utf-8", newline="\n")
        if is_graph or is_ask:
            shown: dict[str, Any] = {"text": text.read(200_000)}
        else:
            shown = _table(text)
    finally:
        found.close()
    forms = [form for form in (RDF_FORMATS if is_graph else RESULT_TYPES) if not (is_ask and form in ("csv", "tsv"))]
    return _editor(iris, examples, query=asked.query, result=shown, forms=forms)


def _table(answer: IO[str]) -> dict[str, Any]:
    """The first rows of a TSV answer for the page. Python's csv has one field limit for the whole process, ours."""
    rows = (line.rstrip("\n").split("\t") for line in answer)
    header = [name.removeprefix("?") for name in next(rows, [])]
    listed = [[_shown(term) for term in row] for row in islice(rows, SHOWN_ROWS + 1)]
    return {"header": header, "rows": listed[:SHOWN_ROWS], "is_cut": len(listed) > SHOWN_ROWS}


def _shown(term: str) -> str:
    """A term in Turtle's syntax as people read it; geometries and other long texts are cut short."""
    if term.startswith("<"):
        return term[1:-1]
    if term.startswith('"'):
        term = TSV_ESCAPE.sub(lambda found: TSV_ESCAPES.get(found[1], found[1]), term[1 : term.rindex('"')])
    return term if len(term) <= SHOWN_CHARS else f"{term[:SHOWN_CHARS]} …"


def _service_description(service: Callable[[], Graph]) -> Response:
    """SPARQL 1.1 Service Description, section 3: what the endpoint speaks and holds."""
    chosen = choose(request.headers.get("Accept"), list(RDF_FORMATS.values()))
    if chosen is None:
        return problem(406, "Not acceptable", f"The description comes as {', '.join(RDF_FORMATS.values())}.")
    name = {"text/turtle": "turtle", "application/ld+json": "json-ld", "application/n-triples": "nt"}.get(chosen, "xml")
    return Response(service().serialize(format=name), content_type=_with_charset(chosen))
