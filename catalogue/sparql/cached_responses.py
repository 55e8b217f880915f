"""A shortcut past the application for answers that are kept: a repeated request gets the same bytes and headers.

What the application once sent for a request is noted here without its body; the body is the engine's, so nothing is
sent that the engine has let go, or that is of an older snapshot.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from werkzeug.http import parse_etags, remove_entity_headers
from werkzeug.wsgi import wrap_file

from vaven.publisher.engine.cache import CachedEngine
from vaven.publisher.engine.interface import QueryRequest
from vaven.publisher.sparql.lexer import compact

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BLOCK = 1 << 16
NOTE = "vaven.kept-answer"
PATH = "/sparql"
# Longer ones are rare and go the long way.
LONGEST = 8_192
KNOWN = 2_000
Key = tuple[str, str, str]


@dataclass(frozen=True)
class SentResponse:
    """What was sent for a request: to which question, of which state, with which tag and headers."""

    question: QueryRequest
    state: str
    tag: str
    headers: list[tuple[str, str]]
    bare: list[tuple[str, str]]


def remember(environ: "WSGIEnvironment", question: QueryRequest, state: str, tag: str) -> None:
    """Note on a request that its answer may be sent again as long as the engine keeps it."""
    environ[NOTE] = (question, state, tag)


class ResponseCache:
    """WSGI middleware over an application whose endpoint calls `remember`."""

    def __init__(self, application: "WSGIApplication", engine: CachedEngine) -> None:
        self._application, self._engine = application, engine
        self._known: OrderedDict[Key, SentResponse] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        key = _key(environ)
        if key is None:
            return self._application(environ, start_response)
        sent = self._known.get(key)
        kept = self._engine.peek(sent.question) if sent else None
        if sent is None or kept is None or kept.state != sent.state:
            return self._application(environ, self._noting(key, environ, start_response))
        if (tags := environ.get("HTTP_IF_NONE_MATCH")) and parse_etags(tags).contains_weak(sent.tag):
            start_response("304 NOT MODIFIED", sent.bare)
            return ()
        start_response("200 OK", sent.headers)
        if kept.spool.content is not None:
            return (kept.spool.content,)
        return wrap_file(environ, kept.spool.open(), BLOCK)

    def _noting(self, key: Key, environ: "WSGIEnvironment", start_response: "StartResponse") -> "StartResponse":
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            note = environ.get(NOTE)
            if note and status == "200 OK" and not any(name == "Set-Cookie" for name, _ in headers):
                question, state, tag = note
                self._note(key, SentResponse(question, state, tag, headers, _without_entity(headers)))
            return start_response(status, headers, *error)

        return start

    def _note(self, key: Key, sent: SentResponse) -> None:
        asked = replace(sent.question, query=compact(sent.question.query))
        with self._lock:
            self._known[key] = replace(sent, question=asked)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)


def _without_entity(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What of the headers stands in a 304 too, as werkzeug sends it (RFC 9110, section 15.4.5)."""
    bare = list(headers)
    remove_entity_headers(bare)
    return bare


def _key(environ: "WSGIEnvironment") -> Key | None:
    """What the answer to a request depends on; None for one that is no plain query by GET."""
    query = environ.get("QUERY_STRING", "")
    if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "GET" or not 0 < len(query) <= LONGEST:
        return None
    return query, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", "")
