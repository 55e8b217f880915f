"""Query in, complete result or error out: the one interface between the endpoint and an engine (DESIGN section 6).

Each result is spooled to a file before its first byte is sent, so that no client mistakes a truncated result for a
complete one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from vaven.publisher.rdf.compression import IDENTITY
from vaven.publisher.sparql.error_text import QueryMistake
from vaven.publisher.sparql.lexer import check_allowed
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.query_facts import QueryFacts, read_facts, undeclared_prefix
from vaven.publisher.sparql.syntax_check import find_mistake
from vaven.vocab.errors import QuerySyntaxError
from vaven.vocab.iris import Iris

# The site itself as a client: its pages and dereferencing.
SITE = "site"


@dataclass
class QueryResult:
    """A complete result. `file` is open for reading and already unlinked: closing it frees the disk space.

    `size` is the number of bytes in the file, compressed by the content coding `encoding`. `state` identifies the
    snapshot that was queried.
    """

    file: BinaryIO
    size: int
    media_type: str
    state: str
    encoding: str = IDENTITY

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class QueryRequest:
    """A query with everything its result depends on. `media_type` and `encoding` describe the requested representation.

    `client` identifies the client for fair queueing only: equal requests of different clients are equal. `seconds` may
    be less than the engine's deadline; 0 means the engine's deadline.
    """

    query: str
    media_type: str
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    encoding: str = IDENTITY
    client: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)

    def time_limit(self, engine_seconds: float) -> float:
        """Return the seconds allowed for this request by an engine with this deadline."""
        return min(self.seconds or engine_seconds, engine_seconds)


class QueryEngine(ABC):
    """An engine that returns a complete result or raises a QueryError. Safe to call from several threads."""

    @abstractmethod
    def execute(self, request: QueryRequest) -> QueryResult:
        """Run a request. The result states its own media type and content coding."""

    @abstractmethod
    def state(self) -> str:
        """Identify the published data: equal states mean equal results. "" if unknown."""

    @abstractmethod
    def close(self) -> None: ...

    def start_ahead(self) -> None:  # noqa: B027
        """Begin to prepare what the first query would wait for."""

    def wait_until_prepared(self) -> None:  # noqa: B027
        """Wait for the end of what `start_ahead` has begun."""

    def query(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> QueryResult:
        return self.execute(QueryRequest(query, media_type, tuple(default_graphs), tuple(named_graphs)))


@dataclass(frozen=True)
class ClientEngine(QueryEngine):
    """An engine that runs every request in the name of one client."""

    client: str
    engine: QueryEngine

    def execute(self, request: QueryRequest) -> QueryResult:
        return self.engine.execute(replace(request, client=self.client))

    def state(self) -> str:
        return self.engine.state()

    def close(self) -> None:
        self.engine.close()


def admitted(query: str) -> QueryFacts:
    """Return the facts of a query that may run here.

    Raises QueryRefused for SERVICE and updates, and QuerySyntaxError for a mistake that the engine would not report.
    """
    check_allowed(query)
    facts = read_facts(query)
    if facts.tolerated:
        raise error_of(facts.tolerated)
    return facts


def error_of(mistake: QueryMistake) -> QuerySyntaxError:
    return QuerySyntaxError(mistake.message, remedy=mistake.remedy, line=mistake.line, column=mistake.column)


def syntax_error(query: str, iris: Iris) -> QuerySyntaxError | None:
    """Return the first syntax error of a query: a mistake, or an undeclared prefix, with the PREFIX line to add."""
    mistake, name = find_mistake(query), undeclared_prefix(query)
    if mistake and not (name and (name.line, name.column) < (mistake.line, mistake.column)):
        return error_of(mistake)
    if name:
        prefix = name.text.partition(":")[0]
        declared = read_facts(query).declared_prefixes(iris.base)
        if declared_name := next((one for one in declared if one.lower() == prefix.lower()), ""):
            remedy = query_message("undeclared.case", declared=declared_name)
            return QuerySyntaxError(
                query_message("undeclared", prefix=prefix), remedy=remedy, line=name.line, column=name.column
            )
        known = iris.prefixes.get(prefix, "")
        line = f"PREFIX {prefix}: <{known or '…'}>"
        return QuerySyntaxError(
            query_message("undeclared", prefix=prefix),
            remedy=query_message("undeclared.remedy", line=line),
            line=name.line,
            column=name.column,
            repair=line if known else "",
        )
    return None
