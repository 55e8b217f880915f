"""Query in, complete answer or error out: the one interface between the endpoint and an engine (DESIGN section 6).

Each answer is spooled to a file before its first byte is sent, so that nobody takes half an answer for a whole one.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from vaven.publisher.rdf.compression import IDENTITY
from vaven.publisher.sparql.lexer import declared_prefixes, undeclared_prefix
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.syntax_check import find_mistake
from vaven.vocab.errors import QuerySyntaxError
from vaven.vocab.iris import Iris

POSITION = re.compile(r"error at (\d+):(\d+): (.*)", re.DOTALL)
# Sets of characters, as Oxigraph's parser writes them.
PATTERN = re.compile(r"\[.*\]|\.\.=")
# The client that is ourselves: pages and dereferencing.
SITE = "site"


@dataclass
class QueryResult:
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
class QueryRequest:
    """A query with all that its answer depends on. `media_type` and `encoding` are the form that is wanted.

    `client` is who asks, for fairness alone: equal questions of different clients are equal. `seconds` may be fewer
    than the engine's deadline; 0 is just that.
    """

    query: str
    media_type: str
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    encoding: str = IDENTITY
    client: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)

    def within(self, seconds: float) -> float:
        """The seconds that it has of an engine whose deadline these are."""
        return min(self.seconds or seconds, seconds)


class QueryEngine(ABC):
    """An engine that answers whole or raises a QueryError. Safe to call from many threads."""

    @abstractmethod
    def ask(self, question: QueryRequest) -> QueryResult:
        """The answer; it says itself in which form it is."""

    @abstractmethod
    def state(self) -> str:
        """A name of what is published now; two equal names mean equal answers. "" where it can't be known."""

    @abstractmethod
    def close(self) -> None: ...

    def answer(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> QueryResult:
        return self.ask(QueryRequest(query, media_type, tuple(default_graphs), tuple(named_graphs)))


@dataclass(frozen=True)
class ClientEngine(QueryEngine):
    """An engine asked by a certain client, whoever the question says."""

    client: str
    engine: QueryEngine

    def ask(self, question: QueryRequest) -> QueryResult:
        return self.engine.ask(replace(question, client=self.client))

    def state(self) -> str:
        return self.engine.state()

    def close(self) -> None:
        self.engine.close()


def syntax_error(message: str, query: str, iris: Iris) -> QuerySyntaxError:
    """The first fault of a query that the engine has refused with this message.

    That is what the grammar finds, or an earlier prefix that nobody declares, with the line that does. Where both find
    nothing (SPARQL 1.2, long texts), it is the engine's own words with their place.
    """
    found, name = find_mistake(query), undeclared_prefix(query)
    if found and not (name and (name.line, name.column) < (found.line, found.column)):
        return QuerySyntaxError(found.message, remedy=found.remedy, line=found.line, column=found.column)
    if name:
        prefix = name.text.partition(":")[0]
        declared = declared_prefixes(query, iris.base)
        if other := next((one for one in declared if one.lower() == prefix.lower()), ""):
            remedy = query_message("undeclared.case", declared=other)
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
    return _in_the_engines_words(message, query)


def _in_the_engines_words(message: str, query: str) -> QuerySyntaxError:
    found = POSITION.match(message)
    if not found:
        return QuerySyntaxError(query_message("engine", words=message[:500]), remedy=query_message("engine.remedy"))
    line, column = int(found[1]), int(found[2])
    place = query_message("place", line=line, column=column)
    if "IRI parsing failed" in found[3]:
        remedy = query_message("engine.address.remedy")
        return QuerySyntaxError(query_message("engine.address", place=place), remedy=remedy, line=line, column=column)
    near = "".join(query.split("\n")[line - 1 : line])[max(column - 1, 0) :].strip()[:30]
    told: dict[str, object] = {
        "place": place,
        "near": query_message("quoted", text=near) if near else query_message("engine.its-end"),
    }
    # Words that this endpoint refuses are no help as the next thing to write, and patterns of characters are none.
    words = found[3].replace("\n", " ").removeprefix("expected ").removeprefix("one of ").split(", ")
    if listed := [word for word in words if word not in ("SERVICE", "<unreported>") and not PATTERN.search(word)]:
        told["words"] = ", ".join(listed)[:200]
    key = "engine.place" if not listed else "engine.expected.many" if len(listed) > 1 else "engine.expected"
    return QuerySyntaxError(
        query_message(key, **told), remedy=query_message("engine.place.remedy"), line=line, column=column
    )
