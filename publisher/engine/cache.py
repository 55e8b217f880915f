"""Cache of results until the published data change, with a single execution of equal concurrent requests.

The key is the snapshot and the request, with layout and comments removed from the query. Errors are not cached, nor are
results that depend on time or chance.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Full

from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult
from vaven.publisher.engine.spooled_file import Spool
from vaven.publisher.rdf.compression import CODINGS, IDENTITY, MIN_COMPRESSED_BYTES, compressor, decompressor
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.sparql.lexer import compact
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.query_facts import read_facts
from vaven.vocab.errors import QueryBusy, QuerySyntaxError, QueryTimeout

# Cost of an entry besides its bytes: the request and the table.
ENTRY_BYTES = 1024
# Largest share of the cache for one result.
LARGEST_SHARE = 0.25
FILES = 200
# Maximum number of requests waiting for an equal running one; each holds a thread of the server.
FOLLOWERS = 16


@dataclass(frozen=True)
class CachedResult:
    """A result for any number of readers; `state` identifies the snapshot, `encoding` is the content coding."""

    spool: Spool
    media_type: str
    state: str
    encoding: str

    def open(self) -> QueryResult:
        return QueryResult(self.spool.open(), self.spool.size, self.media_type, self.state, self.encoding)


class CachedEngine(QueryEngine):
    """An engine with a cache of `max_bytes` of memory and disk. Of equal concurrent requests one is executed.

    `admit` is called with the client before a request is executed, and may raise QueryTooMany. Other requests wait at
    most `wait_seconds` for the result of an equal running one.
    """

    def __init__(
        self, engine: QueryEngine, *, max_bytes: int, wait_seconds: float, admit: Callable[[str], None] = lambda _: None
    ) -> None:
        self._engine, self._max_bytes, self._wait_seconds, self._admit = engine, max_bytes, wait_seconds, admit
        # A refusal (QueryBusy, QueryTooMany) concerns the client that got it, and not others with an equal request.
        self._results = CachedByState[QueryRequest, CachedResult](
            max_bytes,
            cost=self._cost,
            largest=int(max_bytes * LARGEST_SHARE),
            state_of=lambda result: result.state,
            followers=FOLLOWERS,
            unshared=(QueryBusy,),
        )

    def state(self) -> str:
        return self._engine.state()

    def start_ahead(self) -> None:
        self._engine.start_ahead()

    def wait_until_prepared(self) -> None:
        self._engine.wait_until_prepared()

    def close(self) -> None:
        self._engine.close()
        self._results.clear()

    def execute(self, request: QueryRequest) -> QueryResult:
        return self.fetch(request).open()

    def lookup(self, state: str, normalised: QueryRequest) -> CachedResult | None:
        """Return the cached result for a request with a compact query, without calling the engine's `execute`."""
        return self._results.peek(state, normalised)

    def fetch(self, request: QueryRequest) -> CachedResult:
        normalised = replace(request, query=compact(request.query))
        if not read_facts(normalised.query).is_deterministic:
            return self._execute(normalised, request)
        state, seconds = self.state(), request.time_limit(self._wait_seconds)
        try:
            return self._results.get(
                state,
                normalised,
                lambda: self._recoded(state, normalised) or self._execute(normalised, request),
                seconds=seconds,
                # No other request shall fail by the shortened time limit of this one.
                flight=normalised.seconds > 0,
            )
        except TimeoutError as cause:
            message, remedy = query_message("late", seconds=f"{seconds:g}"), query_message("late.remedy")
            raise QueryTimeout(message, remedy=remedy) from cause
        except Full as cause:
            raise QueryBusy(query_message("followers"), remedy=query_message("again.remedy")) from cause

    def _execute(self, normalised: QueryRequest, request: QueryRequest) -> CachedResult:
        if request.client != SITE:
            self._admit(request.client)
        try:
            result = self._engine.execute(normalised)
        except QuerySyntaxError:
            # Line and column must be those in the text sent by the client.
            result = self._engine.execute(request)
        return CachedResult(Spool(result.file, result.size), result.media_type, result.state, result.encoding)

    def _recoded(self, state: str, normalised: QueryRequest) -> CachedResult | None:
        """Return the result converted from a cached one with another content coding."""
        others = (self._results.peek(state, replace(normalised, encoding=name)) for name in (IDENTITY, *CODINGS))
        cached = next((other for other in others if other), None)
        if cached is None or (cached.encoding == IDENTITY and cached.spool.size < MIN_COMPRESSED_BYTES):
            return cached
        with cached.spool.open() as source, contextlib.ExitStack() as unfinished:
            target = unfinished.enter_context(tempfile.TemporaryFile())
            plain = decompressor(cached.encoding, source)
            if normalised.encoding == IDENTITY:
                shutil.copyfileobj(plain, target)
            else:
                with compressor(normalised.encoding, target) as compressed:
                    shutil.copyfileobj(plain, compressed)
            unfinished.pop_all()
        return replace(cached, spool=Spool(target, target.tell()), encoding=normalised.encoding)

    def _cost(self, normalised: QueryRequest, result: CachedResult) -> int:
        # An open file costs more than its bytes: a process can have about a thousand.
        size = (
            result.spool.size if result.spool.content is not None else max(result.spool.size, self._max_bytes // FILES)
        )
        return ENTRY_BYTES + len(normalised.query) + size
