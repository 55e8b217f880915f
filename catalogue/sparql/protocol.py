"""Parse a request by the SPARQL 1.1 Protocol: query, dataset, media type and content coding."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Request
from pyoxigraph import NamedNode

from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SYNONYMS, best_media_type, prefers_html
from vaven.publisher.sparql.lexer import check_allowed, compact
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.query_facts import QueryFacts, read_facts
from vaven.vocab import media_types
from vaven.vocab.errors import QueryRefused
from vaven.vocab.messages import Message

RESULT_TYPES = {
    "json": media_types.SPARQL_JSON,
    "xml": media_types.SPARQL_XML,
    "csv": media_types.CSV,
    "tsv": media_types.TSV,
}
# Other media types that clients use for the same formats.
ALIASES = {
    media_types.JSON: RESULT_TYPES["json"],
    "application/xml": RESULT_TYPES["xml"],
    "text/xml": RESULT_TYPES["xml"],
}
GRAPH_ALIASES = {kind: RDF_FORMATS[ending] for kind, ending in SYNONYMS.items() if ending in RDF_FORMATS}
# SPARQLWrapper sends `format` in addition to Accept; these are its names and other servers'.
GRAPH_NAMES = RDF_FORMATS | {
    "turtle": RDF_FORMATS["ttl"],
    "n3": RDF_FORMATS["ttl"],
    "ntriples": RDF_FORMATS["nt"],
    "xml": RDF_FORMATS["rdf"],
    "rdf+xml": RDF_FORMATS["rdf"],
    "json": RDF_FORMATS["jsonld"],
    "json-ld": RDF_FORMATS["jsonld"],
}
# The explanation that a request can ask for instead of a result, and its media types.
EXPLAIN_EMPTY = "empty"
EXPLANATION_TYPES = {"json": media_types.JSON, "text": media_types.TEXT}
MAX_QUERY_CHARS = 200_000
MAX_QUERY_BYTES = 4 * MAX_QUERY_CHARS


@dataclass(frozen=True)
class QueryOperation:
    """A query operation (protocol, section 2.1). `explain` names an explanation to return instead of the result."""

    query: str
    default_graphs: tuple[str, ...]
    named_graphs: tuple[str, ...]
    format: str
    explain: str

    @cached_property
    def facts(self) -> QueryFacts:
        """The facts of the query. They are read from the text that the engine's cache runs, so it is parsed once."""
        return read_facts(compact(self.query))

    @property
    def is_graph(self) -> bool:
        return self.facts.form in ("CONSTRUCT", "DESCRIBE")


class ProtocolError(Exception):
    """A request that violates the protocol; the response has `status`, `message` and `headers`."""

    def __init__(self, status: int, message: Message, **headers: str) -> None:
        super().__init__(message.text("en"))
        self.status = status
        self.message = message
        self.headers = headers


def read_operation(request: Request) -> QueryOperation | None:
    """Return the operation of a request, None for a GET without a query. Raises ProtocolError and QueryRefused."""
    if "update" in request.args or (is_form(request) and "update" in request.form):
        raise QueryRefused(query_message("updates"), remedy=query_message("updates.remedy"))
    _check_url_encoding(request.query_string)
    if request.method != "POST":
        values = request.args
        if not {"query", "default-graph-uri", "named-graph-uri"} & set(values):
            return None
    elif request.mimetype == media_types.SPARQL_QUERY:
        return _operation([_query_body(request), *request.args.getlist("query")], request.args, request.values)
    elif request.mimetype == media_types.FORM:
        return _operation(
            [*request.form.getlist("query"), *request.args.getlist("query")], request.form, request.values
        )
    elif request.mimetype == media_types.SPARQL_UPDATE:
        raise QueryRefused(query_message("updates"), remedy=query_message("updates.remedy"))
    else:
        message = query_message("request.kind", query=media_types.SPARQL_QUERY, form=media_types.FORM)
        raise ProtocolError(415, message, **{"Accept-Post": f"{media_types.SPARQL_QUERY}, {media_types.FORM}"})
    return _operation(values.getlist("query"), values, values)


def _check_url_encoding(query_string: bytes) -> None:
    """Raise ProtocolError for a URL that is not UTF-8, whose characters would be replaced silently."""
    try:
        unquote_to_bytes(query_string).decode("utf-8")
    except UnicodeDecodeError as cause:
        raise ProtocolError(400, query_message("request.address-letters", at=cause.start)) from cause


def _operation(queries: list[str], graphs: Any, extensions: Any) -> QueryOperation:
    """Return the operation, with its graphs from `graphs` and our extensions of the protocol from `extensions`."""
    # Editors on Windows put a byte order mark before a text.
    queries = [query.removeprefix("\ufeff") for query in queries]
    if not queries:
        raise ProtocolError(400, query_message("request.none"))
    if len(queries) > 1:
        raise ProtocolError(400, query_message("request.several"))
    if not queries[0].strip():
        raise ProtocolError(400, query_message("request.empty"))
    if len(queries[0]) > MAX_QUERY_CHARS:
        raise ProtocolError(413, query_message("request.long", limit=MAX_QUERY_CHARS))
    if (explain := extensions.get("explain", "")) not in ("", EXPLAIN_EMPTY):
        raise ProtocolError(400, query_message("request.explain", word=EXPLAIN_EMPTY))
    check_allowed(queries[0])
    return QueryOperation(
        queries[0],
        _graphs(graphs, "default-graph-uri"),
        _graphs(graphs, "named-graph-uri"),
        extensions.get("format", ""),
        explain,
    )


def _graphs(values: Any, name: str) -> tuple[str, ...]:
    """Return the graphs of a parameter (protocol, section 2.1.4). Raises ProtocolError unless absolute IRIs."""
    for graph in values.getlist(name):
        try:
            NamedNode(graph)
        except ValueError as cause:
            raise ProtocolError(400, query_message("request.graph", name=name, graph=graph)) from cause
    return tuple(values.getlist(name))


def media_type(operation: QueryOperation, accept: str | None) -> str:
    """Return the media type of the result, by `format`, else by Accept. Raises ProtocolError with 406."""
    is_graph = operation.is_graph
    offered = RDF_FORMATS if is_graph else RESULT_TYPES
    if operation.format:
        names = GRAPH_NAMES if is_graph else RESULT_TYPES
        if (
            named_type := operation.format
            if operation.format in offered.values()
            else names.get(operation.format.lower())
        ):
            return named_type
        raise ProtocolError(406, query_message("request.format", forms=tuple(offered)))
    aliases = GRAPH_ALIASES if is_graph else ALIASES
    match = best_media_type(accept, [*offered.values(), *aliases])
    if match is None:
        raise ProtocolError(406, query_message("request.accept", types=tuple(offered.values())))
    return aliases.get(match, match)


def explanation_type(operation: QueryOperation, accept: str | None) -> str:
    """Return the media type of an explanation, by `format`, else by Accept. Raises ProtocolError with 406."""
    if operation.format:
        # A client that requests a result format, as SPARQLWrapper does, gets the nearest format of an explanation.
        return (
            EXPLANATION_TYPES["text"]
            if operation.format in ("text", "txt", EXPLANATION_TYPES["text"])
            else EXPLANATION_TYPES["json"]
        )
    match = best_media_type(accept, (EXPLANATION_TYPES["json"], EXPLANATION_TYPES["text"], RESULT_TYPES["json"]))
    if match is None:
        raise ProtocolError(
            406, query_message("request.explanation", types=(*EXPLANATION_TYPES.values(), media_types.HTML))
        )
    return EXPLANATION_TYPES["text"] if match == EXPLANATION_TYPES["text"] else EXPLANATION_TYPES["json"]


def wants_page(request: Request) -> bool:
    """Return whether to respond with a page: text/html is accepted, and no other type that we offer is preferred."""
    if not prefers_html(request) or request.args.get("format") or (is_form(request) and request.form.get("format")):
        return False
    return (
        best_media_type(
            request.headers.get("Accept"), [media_types.HTML, *RESULT_TYPES.values(), *RDF_FORMATS.values()]
        )
        == media_types.HTML
    )


def is_form(request: Request) -> bool:
    return request.method == "POST" and request.mimetype == media_types.FORM


def query_text(request: Request) -> str:
    if request.method == "POST" and request.mimetype == media_types.SPARQL_QUERY:
        return _query_body(request)
    return request.values.get("query", "")


def _query_body(request: Request) -> str:
    """Return the query in a body (protocol, section 2.1.3). Raises ProtocolError before reading too much of it."""
    if (request.content_length or 0) > MAX_QUERY_BYTES:
        raise ProtocolError(413, query_message("request.long", limit=MAX_QUERY_CHARS))
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise ProtocolError(415, query_message("request.charset", charset=charset))
    try:
        return request.get_data().decode("utf-8")
    except UnicodeDecodeError as cause:
        raise ProtocolError(400, query_message("request.letters", at=cause.start)) from cause
