"""Cache of SPARQL responses in front of the application: a repeated request gets the same bytes and headers.

The headers of a response are stored without its body; the body is in the engine's cache, so no result is sent that the
engine has dropped, or that is of an older snapshot.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from werkzeug.http import parse_etags, remove_entity_headers
from werkzeug.wsgi import wrap_file

from vaven.publisher.engine.cache import CachedEngine
from vaven.publisher.engine.interface import QueryRequest
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.sparql.lexer import compact

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BLOCK = 1 << 16
ENVIRON_KEY = "vaven.kept-answer"
PATH = "/sparql"
# Longer keys are rare and bypass this cache, of which they would be most of the memory.
MAX_KEY_CHARS = 8_192
MAX_ENTRIES = 2_000
Key = tuple[str, str, str]


@dataclass(frozen=True)
class SentResponse:
    """The headers of an earlier response, with its query request, state and entity tag."""

    request: QueryRequest
    state: str
    tag: str
    headers: list[tuple[str, str]]
    not_modified_headers: list[tuple[str, str]]


def remember(environ: "WSGIEnvironment", request: QueryRequest, state: str, tag: str) -> None:
    """Mark the response to a request as reusable for as long as the engine caches its result."""
    environ[ENVIRON_KEY] = (request, state, tag)


class ResponseCache:
    """WSGI middleware around an application whose endpoint calls `remember`."""

    def __init__(self, application: "WSGIApplication", engine: CachedEngine) -> None:
        self._application, self._engine = application, engine
        self._responses = CachedByState[Key, SentResponse](MAX_ENTRIES)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        key = _key(environ)
        if key is None:
            return self._application(environ, start_response)
        state = self._engine.state()
        known = self._responses.peek(state, key)
        cached = self._engine.lookup(state, known.request) if known else None
        if known is None or cached is None:
            return self._application(environ, self._recording(key, environ, start_response))
        if (tags := environ.get("HTTP_IF_NONE_MATCH")) and parse_etags(tags).contains_weak(known.tag):
            start_response("304 NOT MODIFIED", known.not_modified_headers)
            return ()
        start_response("200 OK", known.headers)
        if cached.spool.content is not None:
            return (cached.spool.content,)
        return wrap_file(environ, cached.spool.open(), BLOCK)

    def _recording(self, key: Key, environ: "WSGIEnvironment", start_response: "StartResponse") -> "StartResponse":
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            note = environ.get(ENVIRON_KEY)
            if note and status == "200 OK" and not any(name == "Set-Cookie" for name, _ in headers):
                request, state, tag = note
                self._record(key, SentResponse(request, state, tag, headers, _without_entity(headers)))
            return start_response(status, headers, *error)

        return start

    def _record(self, key: Key, sent: SentResponse) -> None:
        request = replace(sent.request, query=compact(sent.request.query))
        self._responses.put(sent.state, key, replace(sent, request=request))


def _without_entity(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of a 304 response, as werkzeug sends it (RFC 9110, section 15.4.5)."""
    bare = list(headers)
    remove_entity_headers(bare)
    return bare


def _key(environ: "WSGIEnvironment") -> Key | None:
    """Return the cache key of a request; None for a request other than a plain query by GET."""
    query = environ.get("QUERY_STRING", "")
    if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "GET" or not query:
        return None
    key = query, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", "")
    return key if sum(map(len, key)) <= MAX_KEY_CHARS else None
