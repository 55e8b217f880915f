"""Small questions about the data behind a query: whether a pattern matches anything, and what it matches.

Asked of the same engine as the query itself, one after the other, with its prologue and its dataset, by the same
client: each has its turn and counts as a query of that client's. All together they have one query's time.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from vaven.publisher.engine.interface import QueryEngine, QueryRequest, QueryResult
from vaven.publisher.sparql.query_tree import NotUnderstood, ParsedQuery, QueryTerm
from vaven.vocab.errors import QueryBusy, QueryError, QueryRefused, QuerySyntaxError
from vaven.vocab.iris import NAMESPACES, Iris

RESULTS = "application/sparql-results+json"
TRIPLES = "application/n-triples"
# The share of the time left that one probe may take, so that one hard join does not hide all that could be said.
SHARE = 0.5
LEAST_SECONDS = 0.05
PLAIN_NAME = re.compile(r"[^\W_](?:[\w.-]*[\w-])?")
ESCAPED = re.compile(r"\\(.)")
WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Literals that SPARQL writes without quotes (rules 130 to 134), by datatype.
BARE = {"integer": r"[+-]?\d+", "decimal": r"[+-]?\d*\.\d+", "boolean": "true|false"}
# Solutions that a template is tried on before all are.
FEW = 1000
Row = Mapping[str, Mapping[str, str]]
Found = dict[str, Any]


class DeadlineExceeded(Exception):
    """The time is used up."""


@dataclass(frozen=True)
class MatchScope:
    """Where a pattern is to be matched: in the default graph, or in what `graph`, a SPARQL term, names.

    `is_anywhere` leaves the query's own dataset aside.
    """

    graph: str = ""
    is_anywhere: bool = False

    def around(self, pattern: str) -> str:
        return f"GRAPH {self.graph} {{ {pattern} }}" if self.graph else pattern


class Prober:
    """`question` has the query's dataset and client. `asked` counts; `is_unsure` once a probe had no answer."""

    def __init__(self, engine: QueryEngine, question: QueryRequest, shape: ParsedQuery, seconds: float) -> None:
        self._engine, self._question = engine, replace(question, media_type=RESULTS)
        self._prologue, self._dataset = shape.prologue, shape.dataset
        self._ends = time.monotonic() + seconds
        self.has_dataset = bool(shape.dataset or question.default_graphs or question.named_graphs)
        self.asked, self.is_unsure = 0, False

    def matches(self, pattern: str, place: MatchScope) -> bool:
        """Whether a pattern matches anything. True too where that could not be told: then `is_unsure`.

        Raises Late, NotUnderstood, and what refuses the client: QueryBusy, StoreUnavailable.
        """
        found = self.tells(pattern, place)
        self.is_unsure = self.is_unsure or found is None
        return found is not False

    def tells(self, pattern: str, place: MatchScope, share: float = SHARE) -> bool | None:
        """Whether a pattern matches anything; None where that could not be told in a share of the time left."""
        found = self._json("ASK {0} {{ {1} }}", place, pattern, share)
        return None if found is None else bool(found["boolean"])

    def rows(self, variables: str, pattern: str, place: MatchScope, limit: int) -> Sequence[Row]:
        """Different solutions of a pattern; none where that could not be told. Raises as `matches`."""
        found = self._json(f"SELECT DISTINCT {variables} {{0}} {{{{ {{1}} }}}} LIMIT {limit}", place, pattern)
        rows: Sequence[Row] = found["results"]["bindings"] if found else ()
        return rows

    def builds(self, taken: ParsedQuery) -> bool:
        """Whether a query that builds a graph has a triple in it. Raises as `matches`."""
        whole = replace(self._question, media_type=TRIPLES)
        where = taken.where.text if taken.where else "{}"
        few = f"{taken.prologue}{taken.form} {taken.head} {taken.dataset} WHERE {where}"
        # A limit of the query's own may be behind its order, so it stands as it is then.
        tries = (whole,) if taken.tail else (replace(whole, query=f"{few} LIMIT {FEW}"), whole)
        for question in tries:
            answer = self._ask(question, SHARE)
            self.is_unsure = self.is_unsure or answer is None
            if answer is None:
                return True
            answer.close()
            if answer.size:
                return True
        return False

    def _json(self, form: str, place: MatchScope, pattern: str, share: float = SHARE) -> Found | None:
        query = self._prologue + form.format("" if place.is_anywhere else self._dataset, place.around(pattern))
        question = replace(self._question, query=query)
        if place.is_anywhere:
            question = replace(question, default_graphs=(), named_graphs=())
        answer = self._ask(question, share)
        if answer is None:
            return None
        try:
            found: Found = json.load(answer.file)
        finally:
            answer.close()
        return found

    def _ask(self, question: QueryRequest, share: float) -> QueryResult | None:
        """An answer within a share of the time left; None where there is none in that, or it takes too much memory."""
        left = self._ends - time.monotonic()
        if left < LEAST_SECONDS:
            raise DeadlineExceeded
        self.asked += 1
        try:
            return self._engine.ask(replace(question, seconds=left * share))
        except QuerySyntaxError as cause:
            # The query's parts don't stand alone as we thought they would.
            raise NotUnderstood from cause
        except (QueryBusy, QueryRefused):
            raise
        except QueryError:
            return None


class Names:
    """How a query writes IRIs: by its own prefixes and base."""

    def __init__(self, shape: ParsedQuery, iris: Iris) -> None:
        self.prefixes, self.base = shape.prefixes, _resolved(iris.base, shape.base)
        self._namespaces = {name: _resolved(self.base, term.text[1:-1]) for name, term in self.prefixes.items()}

    def iri(self, term: QueryTerm) -> str:
        """The whole IRI of a term; "" for what is none, or has escapes in it."""
        if term.text == "a":
            return NAMESPACES["rdf"] + "type"
        if term.kind == "iri" and "\\" not in term.text:
            return _resolved(self.base, term.text[1:-1])
        prefix, _, name = term.text.partition(":")
        if term.kind == "prefixed" and prefix in self.prefixes:
            return self._namespaces[prefix] + ESCAPED.sub(r"\1", name)
        return ""

    def written(self, iri: str, like: QueryTerm | None = None) -> str:
        """An IRI as the query would write it: with a prefix, else in full; against the base where `like` is so."""
        for prefix, namespace in self._namespaces.items():
            if iri.startswith(namespace) and PLAIN_NAME.fullmatch(iri[len(namespace) :]):
                return f"{prefix}:{iri[len(namespace) :]}"
        is_relative = like is not None and like.kind == "iri" and ":" not in like.text and iri.startswith(self.base)
        return f"<{iri[len(self.base) :]}>" if is_relative else f"<{iri}>"

    def shortened(self, literal: str) -> str:
        """A literal with its datatype as the query would write it."""
        text, mark, kind = literal.rpartition("^^<")
        return f"{text}^^{self.written(kind[:-1])}" if mark else literal

    def term(self, found: Mapping[str, str]) -> str:
        """A term of an answer in JSON (SPARQL 1.1 Query Results JSON Format, section 3.2.2) as a query writes it."""
        value = found["value"]
        if found["type"] == "uri":
            return self.written(value)
        if found["type"] == "bnode":
            return "[]"
        kind = found.get("datatype", "")
        if re.fullmatch(BARE.get(kind.removeprefix(NAMESPACES["xsd"]), "(?!)"), value):
            return value
        text = '"' + "".join(WRITTEN.get(letter, letter) for letter in value) + '"'
        if language := found.get("xml:lang"):
            return f"{text}@{language}"
        return f"{text}^^{self.written(kind)}" if kind else text


def _resolved(base: str, reference: str) -> str:
    """An IRI reference against a base (RFC 3986, section 5.2); urljoin takes an empty fragment away."""
    if SCHEME.match(reference):
        return reference
    return urljoin(base, reference) + ("#" if reference.endswith("#") else "")
