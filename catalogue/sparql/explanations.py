"""Why an answer is empty, in words: as JSON (docs/sparql.md has its shape), as plain text, and for a page."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaven.catalogue.harvest.graph_statistics import GraphStatisticsCache
from vaven.catalogue.http.i18n import t
from vaven.catalogue.sparql.completions import all_terms
from vaven.publisher.engine.interface import QueryEngine, QueryRequest
from vaven.publisher.explain.empty_answer import EmptyReason, EmptyResultExplanation, explain
from vaven.publisher.explain.suggestions import KnownTerms, Suggestion
from vaven.publisher.sparql.query_tree import SyntaxNode
from vaven.vocab.errors import QueryError
from vaven.vocab.iris import Iris

LONGEST = 160


class Explainer:
    """Explains empty answers within `seconds`. `site` is the engine as our own pages ask it. Safe to use from many
    threads; the names that the data have are kept for each state of the graph."""

    def __init__(self, site: QueryEngine, overviews: GraphStatisticsCache, iris: Iris, seconds: float) -> None:
        self._site, self._overviews, self._iris, self._seconds = site, overviews, iris, seconds
        self._lock = threading.Lock()
        self._kept: tuple[str, KnownTerms] | None = None

    def explain(self, engine: QueryEngine, question: QueryRequest) -> EmptyResultExplanation:
        """As publisher/emptiness.py: raises QuerySyntaxError, and what refuses a client or its query."""
        return explain(engine, question, self._seconds, self._iris, self._known)

    def _known(self) -> KnownTerms:
        state = self._site.state()
        with self._lock:
            if self._kept is None or not state or self._kept[0] != state:
                self._kept = state, self._counted()
            return self._kept[1]

    def _counted(self) -> KnownTerms:
        """Without names there are fewer remedies, and the rest stands."""
        try:
            whole = self._overviews.now().whole
            things = [term["iri"] for term in all_terms(self._site, self._iris)["terms"]]
        except QueryError:
            return KnownTerms()
        return KnownTerms(tuple(whole.properties), tuple(whole.classes), (*things, *whole.classes, *whole.properties))


@dataclass(frozen=True)
class QueryLine:
    """A line of a query: its number, and its text in parts, of which the marked ones are at fault."""

    number: int
    parts: Sequence[tuple[str, bool]]

    @property
    def is_marked(self) -> bool:
        return any(is_marked for _, is_marked in self.parts)


def as_dict(found: EmptyResultExplanation) -> dict[str, Any]:
    """An explanation in the reader's language, ready to be written as JSON."""
    return {
        "answer": found.answer,
        "message": " ".join(_summary(found)),
        "findings": [_finding(finding) for finding in found.findings],
        "isLeast": found.is_least,
        "asked": found.asked,
        "seconds": round(found.seconds, 3),
    }


def plain(explanation: Mapping[str, Any]) -> str:
    """What `told` gives, as text."""
    lines = [explanation["message"]]
    for finding in explanation["findings"]:
        lines += ["", finding["message"], *(f"  → {remedy['message']}" for remedy in finding["remedies"])]
    return "\n".join(lines) + "\n"


def marked(query: str, explanation: Mapping[str, Any]) -> list[QueryLine]:
    """The lines of a query with what is at fault in them: the first place of each finding."""
    places = [finding["places"][0] for finding in explanation["findings"] if finding["places"]]
    return [QueryLine(i, list(_parts(text, i, places))) for i, text in enumerate(query.rstrip().split("\n"), 1)]


def _parts(text: str, number: int, places: Sequence[Mapping[str, int]]) -> Iterator[tuple[str, bool]]:
    done, text = 0, text.rstrip("\r")
    for place in places:
        if not place["line"] <= number <= place["endLine"]:
            continue
        begin = max(place["column"] - 1 if number == place["line"] else 0, done)
        end = place["endColumn"] - 1 if number == place["endLine"] else len(text)
        if begin < end:
            yield from ((text[done:begin], False), (text[begin:end], True))
            done = end
    yield text[done:], False


def _summary(found: EmptyResultExplanation) -> Iterator[str]:
    yield t(f"why.answer.{found.answer}")
    if len(found.findings) > 1:
        yield t("why.branches")
    if found.findings and not found.is_least:
        yield t("why.not-least")


def _finding(finding: EmptyReason) -> dict[str, Any]:
    first = finding.pieces[0] if finding.pieces else None
    others = ", ".join(t("why.other", text=_short(piece), line=piece.line) for piece in finding.pieces[1:])
    given = {"line": first.line, "text": _short(first)} if first else {}
    return {
        "reason": finding.reason,
        "message": t(f"why.reason.{finding.reason}", others=others, count=finding.count, **given),
        "places": [_place(piece) for piece in finding.pieces],
        "remedies": [_remedy(remedy) for remedy in finding.remedies],
    }


def _remedy(remedy: Suggestion) -> dict[str, Any]:
    message = t(f"why.remedy.{remedy.kind}", **remedy.given)
    replace = {"replace": _place(remedy.piece) | {"by": remedy.text}} if remedy.piece else {}
    return {"kind": remedy.kind, "message": message, **replace}


def _place(piece: SyntaxNode) -> dict[str, Any]:
    lines = {"line": piece.line, "column": piece.column, "endLine": piece.end_line, "endColumn": piece.end_column}
    return {**lines, "text": piece.text}


def _short(piece: SyntaxNode) -> str:
    text = " ".join(piece.text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
