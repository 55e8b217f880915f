"""A remote SPARQL 1.1 server as the endpoint's engine. It enforces its own limits; we limit time and size.

The server may hold more than we publish, including a release that is being loaded. A query that names no graphs is
therefore sent with the published ones as its dataset, so that their union is the default graph whatever the server's
own default is.
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO, Any, BinaryIO, cast

from pyoxigraph import QueryBoolean, QueryResultsFormat, Store, parse_query_results
from SPARQLWrapper import POST, SPARQLWrapper
from SPARQLWrapper.SPARQLExceptions import QueryBadFormed, SPARQLWrapperException

from vaven.publisher.engine.interface import QueryEngine, QueryRequest, QueryResult, admitted
from vaven.publisher.graph.sparql_client import NO_LOGIN, Login
from vaven.publisher.sparql.lexer import escape_service
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.query_facts import QueryFacts
from vaven.vocab import media_types
from vaven.vocab.errors import AnswerTooLarge, QuerySyntaxError, QueryTimeout, StoreUnavailable

BLOCK = 1 << 16
RESULTS = {
    media_types.SPARQL_JSON: QueryResultsFormat.JSON,
    media_types.SPARQL_XML: QueryResultsFormat.XML,
    media_types.CSV: QueryResultsFormat.CSV,
    media_types.TSV: QueryResultsFormat.TSV,
}
# Virtuoso answers ASK with tables, and its media_types.TSV is not SPARQL's; servers differ least in JSON.
# Virtuoso's type for a literal with a datatype, from before SPARQL 1.1. Inside a string the quotes would be escaped.
OLD_LITERAL_TYPE, LITERAL_TYPE = b'"type": "typed-literal"', b'"type": "literal"'


def no_graphs() -> Sequence[str]:
    """No graphs: the server then uses its own default dataset."""
    return ()


class RemoteEngine(QueryEngine):
    """A client of `query_url`. `published_graphs` returns the IRIs of the visible graphs; `login` is for HTTP Basic."""

    def __init__(
        self,
        query_url: str,
        seconds: float,
        result_mb: int = 512,
        *,
        login: Login = NO_LOGIN,
        published_graphs: Callable[[], Sequence[str]] = no_graphs,
    ) -> None:
        self._query_url, self._seconds, self._result_mb = query_url, seconds, result_mb
        self._login, self._published_graphs = login, published_graphs

    def state(self) -> str:
        return ""

    def execute(self, request: QueryRequest) -> QueryResult:
        facts = admitted(request.query)
        form, client = facts.form, self._client(request, facts)
        is_rewritten = form == "ASK" or (form == "SELECT" and request.media_type == media_types.TSV)
        client.addCustomHttpHeader("Accept", media_types.SPARQL_JSON if is_rewritten else request.media_type)
        result = self._fetch(client, request.time_limit(self._seconds))
        return _convert(result, form, request.media_type) if is_rewritten else result

    def _client(self, request: QueryRequest, facts: QueryFacts) -> SPARQLWrapper:
        client = SPARQLWrapper(self._query_url)
        client.setQuery(escape_service(facts.text))
        # SPARQLWrapper guesses the operation from the text, and sends supposed updates to another address.
        client.queryType = "SELECT"
        client.setMethod(POST)
        client.setTimeout(max(1, round(request.time_limit(self._seconds))))
        client.setOnlyConneg(True)
        if self._login.user:
            client.setCredentials(self._login.user, self._login.password)
        default, named = request.default_graphs, request.named_graphs
        if not default and not named and not facts.has_dataset:
            default = named = tuple(self._published_graphs())
        for graph in default:
            client.addParameter("default-graph-uri", graph)
        for graph in named:
            client.addParameter("named-graph-uri", graph)
        return client

    def _fetch(self, client: SPARQLWrapper, seconds: float) -> QueryResult:
        deadline = time.monotonic() + seconds
        timeout = QueryTimeout(query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy"))
        try:
            response = client.query().response
            file = self._read(response, deadline)
        except QueryBadFormed as cause:
            message = query_message("engine.elsewhere", words=str(cause)[:450])
            raise QuerySyntaxError(message, remedy=query_message("engine.remedy")) from cause
        except TimeoutError as cause:
            raise timeout from cause
        except (SPARQLWrapperException, OSError) as cause:
            if isinstance(getattr(cause, "reason", None), TimeoutError):
                raise timeout from cause
            raise StoreUnavailable("publisher.graph-server-silent", cause=str(cause)[:500]) from cause
        # Virtuoso answers some requests in another media type than requested, and says so in Content-Type.
        size = file.tell()
        file.seek(0)
        return QueryResult(cast(BinaryIO, file), size, response.headers.get_content_type(), "")

    def _read(self, response: Any, deadline: float) -> IO[bytes]:
        """Read the complete body into an unlinked file positioned at its end. Raises AnswerTooLarge, TimeoutError."""
        if cut := response.headers.get("X-SPARQL-MaxRows"):
            # Virtuoso's sign of a truncated result; a result is complete or an error here.
            raise AnswerTooLarge(query_message("cut-off", rows=cut), remedy=query_message("cut-off.remedy"))
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.TemporaryFile())
            rest = b""
            while block := response.read(BLOCK):
                # A possible beginning of the old type waits for the next block.
                text = (rest + block).replace(OLD_LITERAL_TYPE, LITERAL_TYPE)
                end = max(len(text) - len(OLD_LITERAL_TYPE) + 1, 0)
                file.write(text[:end])
                rest = text[end:]
                if file.tell() > self._result_mb << 20:
                    raise AnswerTooLarge(
                        query_message("too-large", limit=self._result_mb), remedy=query_message("too-large.remedy")
                    )
                if time.monotonic() > deadline:
                    raise TimeoutError
            file.write(rest)
            unfinished.pop_all()
        return file

    def close(self) -> None:
        """Do nothing: no connection is kept between queries."""


def _convert(source: QueryResult, form: str, media_type: str) -> QueryResult:
    """Convert a JSON result to the requested media type. Raises StoreUnavailable if it is not a JSON result."""
    with contextlib.closing(source.file) as body, contextlib.ExitStack() as unfinished:
        try:
            result = _boolean(json.load(body)) if form == "ASK" else parse_query_results(body, QueryResultsFormat.JSON)
            file = unfinished.enter_context(tempfile.TemporaryFile())
            result.serialize(file, RESULTS[media_type])
        except (ValueError, KeyError, TypeError, SyntaxError) as cause:
            raise StoreUnavailable("publisher.result-not-readable", cause=str(cause)[:500]) from cause
        unfinished.pop_all()
    size = file.tell()
    file.seek(0)
    return QueryResult(cast(BinaryIO, file), size, media_type, source.state)


def _boolean(document: Any) -> QueryBoolean:
    # Virtuoso answers "no" with a table without rows.
    value = document["boolean"] if "boolean" in document else bool(document["results"]["bindings"])
    # pyoxigraph has no constructor for QueryBoolean.
    return cast(QueryBoolean, Store().query("ASK {}" if value else "ASK { FILTER (false) }"))
