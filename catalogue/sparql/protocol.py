"""What a request asks for by the SPARQL 1.1 Protocol: the query, its dataset, form and packing of the answer."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Request
from pyoxigraph import NamedNode

from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SYNONYMS, choose, prefers_html
from vaven.publisher.sparql.lexer import query_form
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryRefused
from vaven.vocab.messages import Message

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
}
GRAPH_ALIASES = {kind: RDF_FORMATS[ending] for kind, ending in SYNONYMS.items() if ending in RDF_FORMATS}
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
# What can be asked for about a query, in place of its answer, and the forms in which that comes.
EMPTY = "empty"
EXPLAINED = {"json": "application/json", "text": "text/plain"}
MAX_QUERY_CHARS = 200_000
MAX_QUERY_BYTES = 4 * MAX_QUERY_CHARS


@dataclass(frozen=True)
class QueryOperation:
    """A query operation of the protocol, section 2.1. `explain` is what is to be said about the query instead."""

    query: str
    default_graphs: tuple[str, ...]
    named_graphs: tuple[str, ...]
    format: str
    explain: str

    @property
    def is_graph(self) -> bool:
        return query_form(self.query) in ("CONSTRUCT", "DESCRIBE")


class ProtocolError(Exception):
    """A request that the protocol forbids, to be answered with `status`, `message` and `headers`."""

    def __init__(self, status: int, message: Message, **headers: str) -> None:
        super().__init__(message.text("en"))
        self.status = status
        self.message = message
        self.headers = headers


def read(request: Request) -> QueryOperation | None:
    """The operation of a request, None for a GET without a query. Raises WrongRequest and QueryRefused."""
    if "update" in request.args or (is_form(request) and "update" in request.form):
        raise QueryRefused(query_message("updates"), remedy=query_message("updates.remedy"))
    _refuse_other_letters(request.query_string)
    if request.method != "POST":
        values = request.args
        if not {"query", "default-graph-uri", "named-graph-uri"} & set(values):
            return None
    elif request.mimetype == QUERY_TYPE:
        return _checked([_body(request), *request.args.getlist("query")], request.args, request.values)
    elif request.mimetype == FORM_TYPE:
        return _checked([*request.form.getlist("query"), *request.args.getlist("query")], request.form, request.values)
    elif request.mimetype == UPDATE_TYPE:
        raise QueryRefused(query_message("updates"), remedy=query_message("updates.remedy"))
    else:
        message = query_message("request.kind", query=QUERY_TYPE, form=FORM_TYPE)
        raise ProtocolError(415, message, **{"Accept-Post": f"{QUERY_TYPE}, {FORM_TYPE}"})
    return _checked(values.getlist("query"), values, values)


def _refuse_other_letters(query_string: bytes) -> None:
    """Raises WrongRequest for an address in another encoding, which would be read with its letters replaced."""
    try:
        unquote_to_bytes(query_string).decode("utf-8")
    except UnicodeDecodeError as cause:
        raise ProtocolError(400, query_message("request.address-letters", at=cause.start)) from cause


def _checked(queries: list[str], graphs: Any, ours: Any) -> QueryOperation:
    """The operation by where the protocol has its graphs, and where what it has not may stand."""
    # Editors on Windows put a mark before a text.
    queries = [query.removeprefix("\ufeff") for query in queries]
    if not queries:
        raise ProtocolError(400, query_message("request.none"))
    if len(queries) > 1:
        raise ProtocolError(400, query_message("request.several"))
    if not queries[0].strip():
        raise ProtocolError(400, query_message("request.empty"))
    if len(queries[0]) > MAX_QUERY_CHARS:
        raise ProtocolError(413, query_message("request.long", limit=MAX_QUERY_CHARS))
    if (explain := ours.get("explain", "")) not in ("", EMPTY):
        raise ProtocolError(400, query_message("request.explain", word=EMPTY))
    return QueryOperation(
        queries[0],
        _graphs(graphs, "default-graph-uri"),
        _graphs(graphs, "named-graph-uri"),
        ours.get("format", ""),
        explain,
    )


def _graphs(values: Any, name: str) -> tuple[str, ...]:
    """The graphs that a parameter names (protocol, section 2.1.4). Raises WrongRequest for what is no absolute IRI."""
    for graph in values.getlist(name):
        try:
            NamedNode(graph)
        except ValueError as cause:
            raise ProtocolError(400, query_message("request.graph", name=name, graph=graph)) from cause
    return tuple(values.getlist(name))


def media_type(asked: QueryOperation, accept: str | None) -> str:
    """The form of the answer: by `format`, else by Accept. Raises WrongRequest with 406."""
    is_graph = asked.is_graph
    offered = RDF_FORMATS if is_graph else RESULT_TYPES
    if asked.format:
        named = GRAPH_NAMES if is_graph else RESULT_TYPES
        if found := asked.format if asked.format in offered.values() else named.get(asked.format.lower()):
            return found
        raise ProtocolError(406, query_message("request.format", forms=tuple(offered)))
    aliases = GRAPH_ALIASES if is_graph else ALIASES
    chosen = choose(accept, [*offered.values(), *aliases])
    if chosen is None:
        raise ProtocolError(406, query_message("request.accept", types=tuple(offered.values())))
    return aliases.get(chosen, chosen)


def explanation_type(asked: QueryOperation, accept: str | None) -> str:
    """The form of an explanation: by `format`, else by Accept. Raises WrongRequest with 406."""
    if asked.format:
        # Who names the form of an answer, as SPARQLWrapper does, means the explanation's nearest to it.
        return EXPLAINED["text"] if asked.format in ("text", "txt", EXPLAINED["text"]) else EXPLAINED["json"]
    chosen = choose(accept, (EXPLAINED["json"], EXPLAINED["text"], RESULT_TYPES["json"]))
    if chosen is None:
        raise ProtocolError(406, query_message("request.explanation", types=(*EXPLAINED.values(), "text/html")))
    return EXPLAINED["text"] if chosen == EXPLAINED["text"] else EXPLAINED["json"]


def is_page(request: Request) -> bool:
    """Whether a browser asks: text/html is named, and nothing that we can answer with is liked better."""
    if not prefers_html(request) or request.args.get("format") or (is_form(request) and request.form.get("format")):
        return False
    return (
        choose(request.headers.get("Accept"), ["text/html", *RESULT_TYPES.values(), *RDF_FORMATS.values()])
        == "text/html"
    )


def is_form(request: Request) -> bool:
    return request.method == "POST" and request.mimetype == FORM_TYPE


def query_text(request: Request) -> str:
    if request.method == "POST" and request.mimetype == QUERY_TYPE:
        return _body(request)
    return request.values.get("query", "")


def _body(request: Request) -> str:
    """A body that is the query (protocol, section 2.1.3). Raises WrongRequest before too much of it is read."""
    if (request.content_length or 0) > MAX_QUERY_BYTES:
        raise ProtocolError(413, query_message("request.long", limit=MAX_QUERY_CHARS))
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise ProtocolError(415, query_message("request.charset", charset=charset))
    try:
        return request.get_data().decode("utf-8")
    except UnicodeDecodeError as cause:
        raise ProtocolError(400, query_message("request.letters", at=cause.start)) from cause
