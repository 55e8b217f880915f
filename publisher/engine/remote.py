"""A SPARQL 1.1 server of somebody else's as the endpoint's engine. It keeps its own limits; ours are time and size.

The server may hold more than we publish, and a release that is on its way. So a query that names no graphs is asked
of the published ones, whose union is then the default graph whatever the server takes for one.
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

from vaven.publisher.engine.interface import QueryEngine, QueryRequest, QueryResult
from vaven.publisher.engine.worker import RESULTS
from vaven.publisher.graph.sparql_client import JSON_RESULTS, NOBODY, Login
from vaven.publisher.sparql.lexer import guarded, names_dataset, query_form
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import AnswerTooLarge, QuerySyntaxError, QueryTimeout, StoreUnavailable

BLOCK = 1 << 16
# Virtuoso answers ASK with tables, and its TSV isn't SPARQL's; JSON is the form in which servers differ least.
TSV = "text/tab-separated-values"
# Its word for a literal with a datatype, from before SPARQL 1.1. Inside a string the quotes would be escaped.
OLD_TYPE, TYPE = b'"type": "typed-literal"', b'"type": "literal"'


def no_graphs() -> Sequence[str]:
    """Where it isn't known what is published, the server decides what a query is about."""
    return ()


class RemoteEngine(QueryEngine):
    """`published` tells the IRIs of the graphs that readers are to see; `login` is for servers that want Basic."""

    def __init__(
        self,
        query_url: str,
        seconds: float,
        answer_mb: int = 512,
        *,
        login: Login = NOBODY,
        published: Callable[[], Sequence[str]] = no_graphs,
    ) -> None:
        self._query_url, self._seconds, self._answer_mb = query_url, seconds, answer_mb
        self._login, self._published = login, published

    def state(self) -> str:
        return ""

    def ask(self, question: QueryRequest) -> QueryResult:
        form = query_form(question.query)
        request = self._request(question)
        is_rewritten = form == "ASK" or (form == "SELECT" and question.media_type == TSV)
        request.addCustomHttpHeader("Accept", JSON_RESULTS if is_rewritten else question.media_type)
        answer = self._fetched(request, question.within(self._seconds))
        return _rewritten(answer, form, question.media_type) if is_rewritten else answer

    def _request(self, question: QueryRequest) -> SPARQLWrapper:
        request = SPARQLWrapper(self._query_url)
        request.setQuery(guarded(question.query))
        # It guesses the kind from the text, and sends what it takes for an update elsewhere.
        request.queryType = "SELECT"
        request.setMethod(POST)
        request.setTimeout(max(1, round(question.within(self._seconds))))
        request.setOnlyConneg(True)
        if self._login.user:
            request.setCredentials(self._login.user, self._login.password)
        default, named = question.default_graphs, question.named_graphs
        if not default and not named and not names_dataset(question.query):
            default = named = tuple(self._published())
        for graph in default:
            request.addParameter("default-graph-uri", graph)
        for graph in named:
            request.addParameter("named-graph-uri", graph)
        return request

    def _fetched(self, request: SPARQLWrapper, seconds: float) -> QueryResult:
        deadline = time.monotonic() + seconds
        late = QueryTimeout(query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy"))
        try:
            response = request.query().response
            file = self._read(response, deadline)
        except QueryBadFormed as cause:
            message = query_message("engine.elsewhere", words=str(cause)[:450])
            raise QuerySyntaxError(message, remedy=query_message("engine.remedy")) from cause
        except TimeoutError as cause:
            raise late from cause
        except (SPARQLWrapperException, OSError) as cause:
            if isinstance(getattr(cause, "reason", None), TimeoutError):
                raise late from cause
            raise StoreUnavailable("publisher.graph-server-silent", cause=str(cause)[:500]) from cause
        # Virtuoso answers some forms in another type than the one asked for, and then says so.
        size = file.tell()
        file.seek(0)
        return QueryResult(cast(BinaryIO, file), size, response.headers.get_content_type(), "")

    def _read(self, response: Any, deadline: float) -> IO[bytes]:
        """The whole body in a file without a name, whose position is its end. Raises AnswerTooLarge, TimeoutError."""
        if cut := response.headers.get("X-SPARQL-MaxRows"):
            # Virtuoso's way to say that there is more; an answer is whole or an error here.
            raise AnswerTooLarge(query_message("cut-off", rows=cut), remedy=query_message("cut-off.remedy"))
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.TemporaryFile())
            rest = b""
            while block := response.read(BLOCK):
                # What may be the beginning of an old type waits for the next block.
                text = (rest + block).replace(OLD_TYPE, TYPE)
                kept = max(len(text) - len(OLD_TYPE) + 1, 0)
                file.write(text[:kept])
                rest = text[kept:]
                if file.tell() > self._answer_mb << 20:
                    raise AnswerTooLarge(
                        query_message("too-large", limit=self._answer_mb), remedy=query_message("too-large.remedy")
                    )
                if time.monotonic() > deadline:
                    raise TimeoutError
            file.write(rest)
            unfinished.pop_all()
        return file

    def close(self) -> None:
        """Nothing is held between queries."""


def _rewritten(answer: QueryResult, form: str, media_type: str) -> QueryResult:
    """An answer in JSON in the form that was wanted. Raises StoreUnavailable where it's no such answer."""
    with contextlib.closing(answer.file) as said, contextlib.ExitStack() as unfinished:
        try:
            result = _truth(json.load(said)) if form == "ASK" else parse_query_results(said, QueryResultsFormat.JSON)
            file = unfinished.enter_context(tempfile.TemporaryFile())
            result.serialize(file, RESULTS[media_type])
        except (ValueError, KeyError, TypeError, SyntaxError) as cause:
            raise StoreUnavailable("publisher.result-not-readable", cause=str(cause)[:500]) from cause
        unfinished.pop_all()
    size = file.tell()
    file.seek(0)
    return QueryResult(cast(BinaryIO, file), size, media_type, answer.state)


def _truth(found: Any) -> QueryBoolean:
    # Virtuoso says no with a table that has no rows.
    value = found["boolean"] if "boolean" in found else bool(found["results"]["bindings"])
    # Python has no other way to such a value.
    return cast(QueryBoolean, Store().query("ASK {}" if value else "ASK { FILTER (false) }"))
