"""Query in, complete answer or error out: the one interface between the endpoint and an engine (DESIGN section 6).

Each answer is spooled to a file before its first byte is sent, so that nobody takes half an answer for a whole one.
"""

import contextlib
import re
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, BinaryIO, cast

from SPARQLWrapper import POST, SPARQLWrapper
from SPARQLWrapper.SPARQLExceptions import QueryBadFormed, SPARQLWrapperException

from vaven.publisher.encodings import IDENTITY
from vaven.publisher.sparql_lexer import guarded, query_form, undeclared_prefix
from vaven.vocab.errors import AnswerTooLarge, QuerySyntaxError, QueryTimeout, StoreUnavailable
from vaven.vocab.iris import Iris

BLOCK = 1 << 16
POSITION = re.compile(r"error at (\d+):(\d+): (.*)", re.DOTALL)
# The client that is ourselves: pages and dereferencing.
SITE = "site"


@dataclass
class Answer:
    """A finished answer. `file` is open for reading and has no name any more: closing it frees the disk.

    `size` is what the file holds, which is packed as `encoding` says. `state` names the snapshot it is of.
    """

    file: BinaryIO
    size: int
    media_type: str
    state: str
    encoding: str = IDENTITY

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class Question:
    """A query with all that its answer depends on. `media_type` and `encoding` are the form that is wanted.

    `client` is who asks, for fairness alone: equal questions of different clients are equal.
    """

    query: str
    media_type: str
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    encoding: str = IDENTITY
    client: str = field(default="", compare=False)


class QueryEngine(ABC):
    """An engine that answers whole or raises a QueryError. Safe to call from many threads."""

    @abstractmethod
    def ask(self, question: Question) -> Answer:
        """The answer; it says itself in which form it is."""

    @abstractmethod
    def state(self) -> str:
        """A name of what is published now; two equal names mean equal answers. "" where it can't be known."""

    @abstractmethod
    def close(self) -> None: ...

    def answer(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> Answer:
        return self.ask(Question(query, media_type, tuple(default_graphs), tuple(named_graphs)))


@dataclass(frozen=True)
class InTheNameOf(QueryEngine):
    """An engine asked by a certain client, whoever the question says."""

    client: str
    engine: QueryEngine

    def ask(self, question: Question) -> Answer:
        return self.engine.ask(replace(question, client=self.client))

    def state(self) -> str:
        return self.engine.state()

    def close(self) -> None:
        self.engine.close()


class RemoteEngine(QueryEngine):
    """A SPARQL 1.1 server of somebody else's. It keeps its own limits; ours are the time we wait and the size."""

    def __init__(self, query_url: str, seconds: float, answer_mb: int = 512) -> None:
        self._query_url, self._seconds, self._answer_mb = query_url, seconds, answer_mb

    def state(self) -> str:
        return ""

    def ask(self, question: Question) -> Answer:
        query_form(question.query)
        request = SPARQLWrapper(self._query_url)
        request.setQuery(guarded(question.query))
        # It guesses the kind from the text, and sends what it takes for an update elsewhere.
        request.queryType = "SELECT"
        request.setMethod(POST)
        request.setTimeout(max(1, round(self._seconds)))
        request.setOnlyConneg(True)
        request.addCustomHttpHeader("Accept", question.media_type)
        for graph in question.default_graphs:
            request.addParameter("default-graph-uri", graph)
        for graph in question.named_graphs:
            request.addParameter("named-graph-uri", graph)
        return self._fetched(request)

    def _fetched(self, request: SPARQLWrapper) -> Answer:
        deadline = time.monotonic() + self._seconds
        late = QueryTimeout(f"No answer within {self._seconds:g} seconds.", remedy="Narrow the query.")
        try:
            response = request.query().response
            file = self._read(response, deadline)
        except QueryBadFormed as cause:
            raise QuerySyntaxError(f"The graph server can't read the query: {cause}"[:500]) from cause
        except TimeoutError as cause:
            raise late from cause
        except (SPARQLWrapperException, OSError) as cause:
            if isinstance(getattr(cause, "reason", None), TimeoutError):
                raise late from cause
            text = f"The graph server gave no answer: {cause}"[:500]
            raise StoreUnavailable(text, remedy="Try again later, or narrow the query.") from cause
        # Virtuoso answers some forms in another type than the one asked for, and then says so.
        size = file.tell()
        file.seek(0)
        return Answer(cast(BinaryIO, file), size, response.headers.get_content_type(), "")

    def _read(self, response: Any, deadline: float) -> IO[bytes]:
        """The whole body in a file without a name, whose position is its end. Raises AnswerTooLarge, TimeoutError."""
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.TemporaryFile())
            while block := response.read(BLOCK):
                file.write(block)
                if file.tell() > self._answer_mb << 20:
                    raise AnswerTooLarge(f"The answer is larger than {self._answer_mb} MB.", remedy="Ask for less.")
                if time.monotonic() > deadline:
                    raise TimeoutError
            unfinished.pop_all()
        return file

    def close(self) -> None:
        """Nothing is held between queries."""


def syntax_error(message: str, query: str, iris: Iris) -> QuerySyntaxError:
    """The engine's words with their place; for a prefix that nobody declares, the line that does."""
    if name := undeclared_prefix(query):
        prefix = name.text.partition(":")[0]
        remedy = f"Begin the query with: PREFIX {prefix}: <{iris.prefixes.get(prefix, '…')}>"
        text = f"The prefix {prefix}: is not declared."
        return QuerySyntaxError(text, remedy=remedy, line=name.line, column=name.column)
    found = POSITION.match(message)
    if not found:
        return QuerySyntaxError(message[:500], remedy="See SPARQL 1.1 Query Language for the grammar.")
    line, column = int(found[1]), int(found[2])
    near = "".join(query.split("\n")[line - 1 : line])[max(column - 1, 0) :].strip()[:30]
    # Words that this endpoint refuses are no help as the next thing to write.
    expected = found[3].split(", ['")[0].replace("SERVICE, ", "").replace("\n", " ")[:200]
    text = f"The query can't be read at line {line}, column {column}, near “{near or 'its end'}”: {expected}."
    return QuerySyntaxError(text, remedy="Mend the query there.", line=line, column=column)
