"""Answers that are kept as long as what is published stays the same, and questions asked at once that run once.

An answer is kept by the snapshot that it is of and by its question without layout and comments. No error is kept, and
no answer that depends on the moment or on chance.
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
from vaven.publisher.sparql.lexer import compact, is_repeatable
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryBusy, QuerySyntaxError, QueryTimeout

# What an entry costs beside its bytes: its question, and the table.
ENTRY_BYTES = 1024
# One answer may fill this share of the room.
LARGEST_SHARE = 0.25
FILES = 200
# So many may wait for the answer to a question that somebody else has asked; each holds a thread of the server.
FOLLOWERS = 16
# State, question, and whether it has fewer seconds than others: nobody else's question shall end with such a one.
Flight = tuple[str, QueryRequest, bool]


@dataclass(frozen=True)
class CachedResult:
    """An answer that many may read; `state` names the snapshot, `encoding` says how it is packed."""

    spool: Spool
    media_type: str
    state: str
    encoding: str

    def answer(self) -> QueryResult:
        return QueryResult(self.spool.open(), self.spool.size, self.media_type, self.state, self.encoding)


class CachedEngine(QueryEngine):
    """An engine whose answers are kept in `room` bytes of memory and disk. Of equal questions at once one is asked.

    `admit` is told the client before a question is asked of the engine, and may raise QueryTooMany. `patience` is for
    how many seconds others wait for an answer on its way.
    """

    def __init__(
        self, engine: QueryEngine, *, room: int, patience: float, admit: Callable[[str], None] = lambda _: None
    ) -> None:
        self._engine, self._room, self._patience, self._admit = engine, room, patience, admit
        self._lock = threading.Lock()
        self._kept: OrderedDict[QueryRequest, CachedResult] = OrderedDict()
        self._used, self._state = 0, ""
        self._flights: dict[Flight, Future[CachedResult]] = {}
        self._followers = 0

    def state(self) -> str:
        return self._engine.state()

    def close(self) -> None:
        self._engine.close()
        with self._lock:
            self._forget("")

    def ask(self, question: QueryRequest) -> QueryResult:
        return self.kept(question).answer()

    def peek(self, asked: QueryRequest) -> CachedResult | None:
        """What is kept for a question whose query is compact, without asking the engine."""
        state = self.state()
        with self._lock:
            return self._find(state, asked)

    def kept(self, question: QueryRequest) -> CachedResult:
        asked = replace(question, query=compact(question.query))
        if not is_repeatable(asked.query):
            return self._asked(asked, question)
        while True:
            state = self.state()
            with self._lock:
                if found := self._find(state, asked):
                    return found
                key = state, asked, asked.seconds > 0
                flight = self._flights.get(key)
                if flight is None:
                    own = self._flights[key] = Future()
            if flight is None:
                return self._fly(own, key, question)
            if found := self._followed(flight, question):
                return found

    def _fly(self, flight: "Future[CachedResult]", key: Flight, question: QueryRequest) -> CachedResult:
        """Find the answer for all who wait for it. Exceptions are theirs too."""
        state, asked, _ = key
        try:
            found = self._repacked(state, asked) or self._asked(asked, question)
        except BaseException as error:
            self._land(flight, key)
            flight.set_exception(error)
            # Told to those who wait; where nobody does, it is no unhandled one.
            flight.exception()
            raise
        with self._lock:
            self._keep(asked, found)
        self._land(flight, key)
        flight.set_result(found)
        return found

    def _land(self, flight: "Future[CachedResult]", key: Flight) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def _followed(self, flight: "Future[CachedResult]", question: QueryRequest) -> CachedResult | None:
        """The answer that another client's asking finds; None where that client was refused, and we may not be."""
        seconds = question.within(self._patience)
        with self._following():
            try:
                return flight.result(seconds)
            except FutureTimeout as cause:
                raise QueryTimeout(
                    query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy")
                ) from cause
            except QueryBusy:
                return None

    @contextlib.contextmanager
    def _following(self) -> Iterator[None]:
        with self._lock:
            if self._followers >= FOLLOWERS:
                raise QueryBusy(query_message("followers"), remedy=query_message("again.remedy"))
            self._followers += 1
        try:
            yield
        finally:
            with self._lock:
                self._followers -= 1

    def _asked(self, asked: QueryRequest, question: QueryRequest) -> CachedResult:
        if question.client != SITE:
            self._admit(question.client)
        try:
            answer = self._engine.ask(asked)
        except QuerySyntaxError:
            # Its line and column shall be those of the text that the client sent.
            answer = self._engine.ask(question)
        return CachedResult(Spool(answer.file, answer.size), answer.media_type, answer.state, answer.encoding)

    def _repacked(self, state: str, asked: QueryRequest) -> CachedResult | None:
        """The answer from one that is kept in another encoding."""
        with self._lock:
            others = (self._find(state, replace(asked, encoding=name)) for name in (IDENTITY, *PACKED))
            found = next((other for other in others if other), None)
        if found is None or (found.encoding == IDENTITY and found.spool.size < SMALLEST):
            return found
        with found.spool.open() as source, contextlib.ExitStack() as unfinished:
            target = unfinished.enter_context(tempfile.TemporaryFile())
            plain = unpacked(found.encoding, source)
            if asked.encoding == IDENTITY:
                shutil.copyfileobj(plain, target)
            else:
                with packing(asked.encoding, target) as packed:
                    shutil.copyfileobj(plain, packed)
            unfinished.pop_all()
        return replace(found, spool=Spool(target, target.tell()), encoding=asked.encoding)

    def _find(self, state: str, asked: QueryRequest) -> CachedResult | None:
        if state != self._state:
            self._forget(state)
        found = self._kept.get(asked)
        if found:
            self._kept.move_to_end(asked)
        return found

    def _forget(self, state: str) -> None:
        """What was published has changed, and with it every answer."""
        self._kept.clear()
        self._used, self._state = 0, state

    def _keep(self, asked: QueryRequest, found: CachedResult) -> None:
        if not found.state or found.state != self._state or self._cost(asked, found) > self._room * LARGEST_SHARE:
            return
        if replaced := self._kept.pop(asked, None):
            self._used -= self._cost(asked, replaced)
        self._kept[asked] = found
        self._used += self._cost(asked, found)
        while self._used > self._room:
            oldest, gone = self._kept.popitem(last=False)
            self._used -= self._cost(oldest, gone)

    def _cost(self, asked: QueryRequest, found: CachedResult) -> int:
        # An open file is dear beside its bytes: a process may have about a thousand.
        size = found.spool.size if found.spool.content is not None else max(found.spool.size, self._room // FILES)
        return ENTRY_BYTES + len(asked.query) + size
