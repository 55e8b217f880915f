"""Small queries about the data behind a query: whether a pattern matches anything, and what it matches.

They run on the same engine as the query itself, one after the other, with its prologue and dataset, for the same
client: each waits for its own slot and counts as a query of that client. Together they have the time of one query.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from vaven.publisher.engine.interface import QueryEngine, QueryRequest, QueryResult
from vaven.publisher.sparql.query_tree import ParsedQuery, QueryTerm, UnsupportedSyntax
from vaven.vocab import media_types
from vaven.vocab.errors import QueryBusy, QueryError, QueryRefused, QuerySyntaxError
from vaven.vocab.iris import NAMESPACES, Iris

# Share of the remaining time for one probe, so that one hard join does not prevent all other findings.
PROBE_SHARE = 0.5
MIN_SECONDS = 0.05
PLAIN_NAME = re.compile(r"[^\W_](?:[\w.-]*[\w-])?")
LOCAL_NAME_ESCAPE = re.compile(r"\\(.)")
STRING_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Literals that SPARQL writes without quotes (rules 130 to 134), by datatype.
UNQUOTED = {"integer": r"[+-]?\d+", "decimal": r"[+-]?\d*\.\d+", "boolean": "true|false"}
# Number of solutions that a template is first tried on.
TEMPLATE_TRIAL_ROWS = 1000
Row = Mapping[str, Mapping[str, str]]
JsonDocument = dict[str, Any]


class DeadlineExceeded(Exception):
    """The time limit is exceeded."""


@dataclass(frozen=True)
class MatchScope:
    """The graph to match a pattern in: the default graph, or the graph named by the SPARQL term `graph`.

    `ignores_dataset` ignores the query's own dataset.
    """

    graph: str = ""
    ignores_dataset: bool = False

    def wrap(self, pattern: str) -> str:
        return f"GRAPH {self.graph} {{ {pattern} }}" if self.graph else pattern


class Prober:
    """A runner of probes with the dataset and client of `request`.

    `query_count` is the number of probes, `is_unsure` is set once a probe has no result.
    """

    def __init__(self, engine: QueryEngine, request: QueryRequest, query: ParsedQuery, seconds: float) -> None:
        self._engine, self._request = engine, replace(request, media_type=media_types.SPARQL_JSON)
        self._prologue, self._dataset = query.prologue, query.dataset
        self._deadline = time.monotonic() + seconds
        self.has_dataset = bool(query.dataset or request.default_graphs or request.named_graphs)
        self.query_count, self.is_unsure = 0, False

    def matches(self, pattern: str, scope: MatchScope) -> bool:
        """Return whether a pattern matches anything. If unknown, return True and set `is_unsure`.

        Raises DeadlineExceeded, UnsupportedSyntax, and refusals of the client: QueryBusy, StoreUnavailable.
        """
        match = self.matches_in_time(pattern, scope)
        self.is_unsure = self.is_unsure or match is None
        return match is not False

    def matches_in_time(self, pattern: str, scope: MatchScope, share: float = PROBE_SHARE) -> bool | None:
        """Return whether a pattern matches anything; None if unknown after a share of the remaining time."""
        document = self._json("ASK {0} {{ {1} }}", scope, pattern, share)
        return None if document is None else bool(document["boolean"])

    def rows(self, variables: str, pattern: str, scope: MatchScope, limit: int) -> Sequence[Row]:
        """Return distinct solutions of a pattern; none if unknown. Raises as `matches`."""
        document = self._json(f"SELECT DISTINCT {variables} {{0}} {{{{ {{1}} }}}} LIMIT {limit}", scope, pattern)
        rows: Sequence[Row] = document["results"]["bindings"] if document else ()
        return rows

    def builds_triples(self, parsed: ParsedQuery) -> bool:
        """Return whether a CONSTRUCT or DESCRIBE returns any triple. Raises as `matches`."""
        complete = replace(self._request, media_type=media_types.N_TRIPLES)
        where = parsed.where.text if parsed.where else "{}"
        limited = f"{parsed.prologue}{parsed.form} {parsed.head} {parsed.dataset} WHERE {where}"
        # The query's own modifiers may include an order and a limit, so it is then run unchanged.
        tries = (
            (complete,)
            if parsed.tail
            else (replace(complete, query=f"{limited} LIMIT {TEMPLATE_TRIAL_ROWS}"), complete)
        )
        for request in tries:
            result = self._execute(request, PROBE_SHARE)
            self.is_unsure = self.is_unsure or result is None
            if result is None:
                return True
            result.close()
            if result.size:
                return True
        return False

    def _json(self, form: str, scope: MatchScope, pattern: str, share: float = PROBE_SHARE) -> JsonDocument | None:
        query = self._prologue + form.format("" if scope.ignores_dataset else self._dataset, scope.wrap(pattern))
        request = replace(self._request, query=query)
        if scope.ignores_dataset:
            request = replace(request, default_graphs=(), named_graphs=())
        result = self._execute(request, share)
        if result is None:
            return None
        try:
            document: JsonDocument = json.load(result.file)
        finally:
            result.close()
        return document

    def _execute(self, request: QueryRequest, share: float) -> QueryResult | None:
        """Run a query within a share of the remaining time; None if it exceeds that or its memory limit."""
        left = self._deadline - time.monotonic()
        if left < MIN_SECONDS:
            raise DeadlineExceeded
        self.query_count += 1
        try:
            return self._engine.execute(replace(request, seconds=left * share))
        except QuerySyntaxError as cause:
            # The parts of the query are not valid on their own.
            raise UnsupportedSyntax from cause
        except (QueryBusy, QueryRefused):
            raise
        except QueryError:
            return None


class TermWriter:
    """Terms as a query writes them: IRIs by its own prefixes and base."""

    def __init__(self, query: ParsedQuery, iris: Iris) -> None:
        self.prefixes, self.base = query.prefixes, _resolved(iris.base, query.base)
        self._namespaces = {name: _resolved(self.base, term.text[1:-1]) for name, term in self.prefixes.items()}

    def resolve(self, term: QueryTerm) -> str:
        """Return the absolute IRI of a term; "" if it is not an IRI, or contains escapes."""
        if term.text == "a":
            return NAMESPACES["rdf"] + "type"
        if term.kind == "iri" and "\\" not in term.text:
            return _resolved(self.base, term.text[1:-1])
        prefix, _, name = term.text.partition(":")
        if term.kind == "prefixed" and prefix in self.prefixes:
            return self._namespaces[prefix] + LOCAL_NAME_ESCAPE.sub(r"\1", name)
        return ""

    def write_iri(self, iri: str, like: QueryTerm | None = None) -> str:
        """Return an IRI as the query would write it: with a prefix, else in full; relative to the base if `like` is."""
        for prefix, namespace in self._namespaces.items():
            if iri.startswith(namespace) and PLAIN_NAME.fullmatch(iri[len(namespace) :]):
                return f"{prefix}:{iri[len(namespace) :]}"
        is_relative = like is not None and like.kind == "iri" and ":" not in like.text and iri.startswith(self.base)
        return f"<{iri[len(self.base) :]}>" if is_relative else f"<{iri}>"

    def shorten_datatype(self, literal: str) -> str:
        """Return a literal with its datatype as the query would write it."""
        text, mark, kind = literal.rpartition("^^<")
        return f"{text}^^{self.write_iri(kind[:-1])}" if mark else literal

    def write_term(self, binding: Mapping[str, str]) -> str:
        """Return a term of a JSON result as the query would write it.

        SPARQL 1.1 Query Results JSON Format, section 3.2.2.
        """
        value = binding["value"]
        if binding["type"] == "uri":
            return self.write_iri(value)
        if binding["type"] == "bnode":
            return "[]"
        kind = binding.get("datatype", "")
        if re.fullmatch(UNQUOTED.get(kind.removeprefix(NAMESPACES["xsd"]), "(?!)"), value):
            return value
        text = '"' + "".join(STRING_ESCAPES.get(letter, letter) for letter in value) + '"'
        if language := binding.get("xml:lang"):
            return f"{text}@{language}"
        return f"{text}^^{self.write_iri(kind)}" if kind else text


def _resolved(base: str, reference: str) -> str:
    """Resolve an IRI reference against a base (RFC 3986, section 5.2); urljoin drops an empty fragment."""
    if SCHEME.match(reference):
        return reference
    return urljoin(base, reference) + ("#" if reference.endswith("#") else "")
