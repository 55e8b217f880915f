"""Explanations of empty results in words: as JSON (its structure is in docs/sparql.md), plain text, and for a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaven.catalogue.harvest.graph_statistics import GraphStatisticsCache
from vaven.catalogue.http.i18n import t
from vaven.catalogue.sparql.completions import all_terms
from vaven.publisher.engine.interface import QueryEngine, QueryRequest
from vaven.publisher.explain.empty_answer import EmptyReason, EmptyResultExplanation, explain
from vaven.publisher.explain.suggestions import KnownTerms, Suggestion
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.releases.versions import areas_of_older_versions
from vaven.publisher.sparql.query_tree import SyntaxNode
from vaven.vocab.errors import QueryError
from vaven.vocab.iris import Iris

MAX_CHARS = 160


class Explainer:
    """Explains empty results within `seconds`. `site` is the engine for the site's own queries.

    Safe to use from several threads; the known terms are cached for each state of the graph.
    """

    def __init__(
        self, site: QueryEngine, collection: Collection, statistics: GraphStatisticsCache, iris: Iris, seconds: float
    ) -> None:
        self._site, self._collection, self._statistics, self._iris = site, collection, statistics, iris
        self._seconds = seconds
        self._terms = CachedByState[str, KnownTerms](1)

    def explain(self, engine: QueryEngine, request: QueryRequest) -> EmptyResultExplanation:
        """Explain an empty result. Raises QuerySyntaxError, and refusals of the client or query."""
        return explain(engine, request, self._seconds, self._iris, self._known_terms)

    def _known_terms(self) -> KnownTerms:
        return self._terms.get(self._site.state(), "", self._query_known_terms)

    def _query_known_terms(self) -> KnownTerms:
        """Return the terms in the data. Without them there are fewer suggestions, and the explanation stands."""
        older = areas_of_older_versions(self._collection.histories())
        try:
            counts = self._statistics.now().union
            resources = [term["iri"] for term in all_terms(self._site, self._iris)["terms"]]
        except QueryError:
            return KnownTerms()
        return KnownTerms(
            tuple(counts.properties),
            tuple(counts.classes),
            (*resources, *counts.classes, *counts.properties),
            {self._iris.area(*area): version for area, version in older.items()},
        )


@dataclass(frozen=True)
class QueryLine:
    """A line of a query: its number, and its text in parts, of which the failing ones are marked."""

    number: int
    parts: Sequence[tuple[str, bool]]

    @property
    def is_marked(self) -> bool:
        return any(is_marked for _, is_marked in self.parts)


def as_dict(explanation: EmptyResultExplanation) -> dict[str, Any]:
    """Return an explanation in the request's language, for JSON."""
    return {
        "answer": explanation.outcome,
        "message": " ".join(_summary(explanation)),
        "findings": [_finding(finding) for finding in explanation.findings],
        "isLeast": explanation.is_minimal,
        "asked": explanation.query_count,
        "seconds": round(explanation.seconds, 3),
    }


def as_text(explanation: Mapping[str, Any]) -> str:
    """Return the explanation from `as_dict` as plain text."""
    lines = [explanation["message"]]
    for finding in explanation["findings"]:
        lines += ["", finding["message"], *(f"  → {suggestion['message']}" for suggestion in finding["remedies"])]
    return "\n".join(lines) + "\n"


def marked_lines(query: str, explanation: Mapping[str, Any]) -> list[QueryLine]:
    """Return the lines of a query with the first position of each finding marked."""
    positions = [finding["places"][0] for finding in explanation["findings"] if finding["places"]]
    return [QueryLine(i, list(_parts(text, i, positions))) for i, text in enumerate(query.rstrip().split("\n"), 1)]


def _parts(text: str, number: int, positions: Sequence[Mapping[str, int]]) -> Iterator[tuple[str, bool]]:
    offset, text = 0, text.rstrip("\r")
    for position in positions:
        if not position["line"] <= number <= position["endLine"]:
            continue
        begin = max(position["column"] - 1 if number == position["line"] else 0, offset)
        end = position["endColumn"] - 1 if number == position["endLine"] else len(text)
        if begin < end:
            yield from ((text[offset:begin], False), (text[begin:end], True))
            offset = end
    yield text[offset:], False


def _summary(explanation: EmptyResultExplanation) -> Iterator[str]:
    yield t(f"why.answer.{explanation.outcome}")
    if len(explanation.findings) > 1:
        yield t("why.branches")
    if explanation.findings and not explanation.is_minimal:
        yield t("why.not-least")


def _finding(finding: EmptyReason) -> dict[str, Any]:
    first = finding.nodes[0] if finding.nodes else None
    others = ", ".join(t("why.other", text=_shorten(node), line=node.line) for node in finding.nodes[1:])
    params = {"line": first.line, "text": _shorten(first)} if first else {}
    return {
        "reason": finding.reason,
        "message": t(f"why.reason.{finding.reason}", others=others, count=finding.count, **params),
        "places": [_position(node) for node in finding.nodes],
        "remedies": [_suggestion(remedy) for remedy in finding.suggestions],
    }


def _suggestion(suggestion: Suggestion) -> dict[str, Any]:
    message = t(f"why.remedy.{suggestion.kind}", **suggestion.params)
    replace = {"replace": _position(suggestion.node) | {"by": suggestion.text}} if suggestion.node else {}
    return {"kind": suggestion.kind, "message": message, **replace}


def _position(node: SyntaxNode) -> dict[str, Any]:
    lines = {"line": node.line, "column": node.column, "endLine": node.end_line, "endColumn": node.end_column}
    return {**lines, "text": node.text}


def _shorten(node: SyntaxNode) -> str:
    text = " ".join(node.text.split())
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} …"
