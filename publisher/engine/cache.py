"""Cache of results until the published data change, with a single execution of equal concurrent requests.

The key is the snapshot and the request, with layout and comments removed from the query. Errors are not cached, nor are
results that depend on time or chance.
"""

import contextlib
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace

from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult
from vaven.publisher.engine.spooled_file import Spool
from vaven.publisher.rdf.compression import IDENTITY, PACKED, SMALLEST, packing, unpacked
from vaven.publisher.sparql.lexer import compact, is_deterministic
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryBusy, QuerySyntaxError, QueryTimeout

# Cost of an entry besides its bytes: the request and the table.
ENTRY_BYTES = 1024
# Largest share of the cache for one result.
LARGEST_SHARE = 0.25
FILES = 200
# Maximum number of requests waiting for an equal running one; each holds a thread of the server.
FOLLOWERS = 16
# State, request, and whether its time limit is shortened: no other request shall fail by that shorter limit.
Flight = tuple[str, QueryRequest, bool]


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
        self._lock = threading.Lock()
        self._cached: OrderedDict[QueryRequest, CachedResult] = OrderedDict()
        self._used, self._state = 0, ""
        self._flights: dict[Flight, Future[CachedResult]] = {}
        self._followers = 0

    def state(self) -> str:
        return self._engine.state()

    def close(self) -> None:
        self._engine.close()
        with self._lock:
            self._clear("")

    def execute(self, request: QueryRequest) -> QueryResult:
        return self.fetch(request).open()

    def lookup(self, normalised: QueryRequest) -> CachedResult | None:
        """Return the cached result for a request with a compact query, without calling the engine's `execute`."""
        state = self.state()
        with self._lock:
            return self._find(state, normalised)

    def fetch(self, request: QueryRequest) -> CachedResult:
        normalised = replace(request, query=compact(request.query))
        if not is_deterministic(normalised.query):
            return self._execute(normalised, request)
        while True:
            state = self.state()
            with self._lock:
                if cached := self._find(state, normalised):
                    return cached
                key = state, normalised, normalised.seconds > 0
                flight = self._flights.get(key)
                if flight is None:
                    own = self._flights[key] = Future()
            if flight is None:
                return self._run_flight(own, key, request)
            if cached := self._follow(flight, request):
                return cached

    def _run_flight(self, flight: "Future[CachedResult]", key: Flight, request: QueryRequest) -> CachedResult:
        """Execute for all waiting requests. They receive exceptions too."""
        state, normalised, _ = key
        try:
            result = self._recoded(state, normalised) or self._execute(normalised, request)
        except BaseException as error:
            self._end_flight(flight, key)
            flight.set_exception(error)
            # Marked as retrieved: without waiting requests the future would otherwise report an unhandled exception.
            flight.exception()
            raise
        with self._lock:
            self._store(normalised, result)
        self._end_flight(flight, key)
        flight.set_result(result)
        return result

    def _end_flight(self, flight: "Future[CachedResult]", key: Flight) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def _follow(self, flight: "Future[CachedResult]", request: QueryRequest) -> CachedResult | None:
        """Wait for the result of an equal request; None if that client was refused, since this one may not be."""
        seconds = request.time_limit(self._wait_seconds)
        with self._follower_slot():
            try:
                return flight.result(seconds)
            except FutureTimeout as cause:
                raise QueryTimeout(
                    query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy")
                ) from cause
            except QueryBusy:
                return None

    @contextlib.contextmanager
    def _follower_slot(self) -> Iterator[None]:
        with self._lock:
            if self._followers >= FOLLOWERS:
                raise QueryBusy(query_message("followers"), remedy=query_message("again.remedy"))
            self._followers += 1
        try:
            yield
        finally:
            with self._lock:
                self._followers -= 1

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
        with self._lock:
            others = (self._find(state, replace(normalised, encoding=name)) for name in (IDENTITY, *PACKED))
            cached = next((other for other in others if other), None)
        if cached is None or (cached.encoding == IDENTITY and cached.spool.size < SMALLEST):
            return cached
        with cached.spool.open() as source, contextlib.ExitStack() as unfinished:
            target = unfinished.enter_context(tempfile.TemporaryFile())
            plain = unpacked(cached.encoding, source)
            if normalised.encoding == IDENTITY:
                shutil.copyfileobj(plain, target)
            else:
                with packing(normalised.encoding, target) as compressed:
                    shutil.copyfileobj(plain, compressed)
            unfinished.pop_all()
        return replace(cached, spool=Spool(target, target.tell()), encoding=normalised.encoding)

    def _find(self, state: str, normalised: QueryRequest) -> CachedResult | None:
        if state != self._state:
            self._clear(state)
        cached = self._cached.get(normalised)
        if cached:
            self._cached.move_to_end(normalised)
        return cached

    def _clear(self, state: str) -> None:
        """Remove all entries: the published data, and with them every result, have changed."""
        self._cached.clear()
        self._used, self._state = 0, state

    def _store(self, normalised: QueryRequest, result: CachedResult) -> None:
        if (
            not result.state
            or result.state != self._state
            or self._cost(normalised, result) > self._max_bytes * LARGEST_SHARE
        ):
            return
        if replaced := self._cached.pop(normalised, None):
            self._used -= self._cost(normalised, replaced)
        self._cached[normalised] = result
        self._used += self._cost(normalised, result)
        while self._used > self._max_bytes:
            oldest, gone = self._cached.popitem(last=False)
            self._used -= self._cost(oldest, gone)

    def _cost(self, normalised: QueryRequest, result: CachedResult) -> int:
        # An open file costs more than its bytes: a process can have about a thousand.
        size = (
            result.spool.size if result.spool.content is not None else max(result.spool.size, self._max_bytes // FILES)
        )
        return ENTRY_BYTES + len(normalised.query) + size
