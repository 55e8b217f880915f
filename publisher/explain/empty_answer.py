"""Why a query has an empty answer: the first pattern, join, filter or modifier of it that leaves nothing.

Found by asking the engine reduced queries: each pattern alone, then the patterns joined one by one in their order, then
the filters one by one, then what stands behind the group. Elements of a group are evaluated in their order and its
filters at the end (SPARQL 1.1, section 18.2.2), and a group within is evaluated by itself, so it is looked into alone.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from vaven.publisher.engine.interface import QueryEngine, QueryRequest
from vaven.publisher.explain.probe import LEAST_SECONDS, DeadlineExceeded, MatchScope, Names, Prober
from vaven.publisher.explain.suggestions import KnownTerms, Suggestion, Suggestions
from vaven.publisher.sparql.query_parser import parse
from vaven.publisher.sparql.query_tree import (
    GraphPattern,
    GroupPattern,
    NotUnderstood,
    ParsedQuery,
    QueryTerm,
    SyntaxNode,
    TriplePattern,
)
from vaven.vocab.iris import Iris

FILTERS = ("filter", "exists", "not-exists")
# What can leave nothing by itself. The other parts only add to what is there, or take from it.
GIVERS = ("group", "union", "graph", "values", "select")
EVERYTHING = "?s0 ?p0 ?o0"
# The share of the time that is spent on the query as a whole.
FIRST_SHARE = 0.25
# Branches of a UNION that are told one by one.
BRANCHES = 5
VARIABLE = re.compile(r"[?$](\w+)")
Element = TriplePattern | GraphPattern


@dataclass(frozen=True)
class EmptyReason:
    """`reason` names a sentence; `pieces` are the parts of the query that it is about, the one at fault first.

    pattern     a triple pattern that matches nothing
    graph       a graph without triples, or none of this name
    values      VALUES without rows
    join        each part matches something, together they match nothing
    minus       MINUS takes all that the parts before it give
    filter      nothing passes this filter; also exists, not-exists
    filters     each filter lets something pass, together they don't
    resource    nothing is said of what is to be described; described: nor of anything that was found
    having, rows (VALUES at the end), limit, offset, template    what stands outside of the group leaves nothing
    """

    reason: str
    pieces: tuple[SyntaxNode, ...]
    remedies: tuple[Suggestion, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class EmptyResultExplanation:
    """`answer` is "empty"; "aggregate" (rows all the same, that count or sum up nothing); "not-empty";
    "not-understood" (the query isn't taken apart here) or "unfinished" (time or memory ran out before it was found).

    `asked` is the number of reduced queries. `is_least` says that none of them was without an answer, so that the
    first piece at fault is the first, and a join the smallest.
    """

    answer: str
    findings: tuple[EmptyReason, ...] = ()
    asked: int = 0
    seconds: float = 0.0
    is_least: bool = True


def explain(
    engine: QueryEngine, question: QueryRequest, seconds: float, iris: Iris, known: Callable[[], KnownTerms]
) -> EmptyResultExplanation:
    """Say why the answer to a question is empty, within so many seconds. `known` gives names that the data have.

    Raises QuerySyntaxError for what is no query, and what refuses a client or its query. Cost: some two queries for
    each part of it, each bounded as any other; those that match end with their first match.
    """
    began = time.monotonic()
    try:
        taken = parse(question.query)
        return _Search(engine, question, taken, seconds, iris, known).run(began)
    except NotUnderstood:
        # Where the engine can't read it either, that is the better answer.
        left = seconds - (time.monotonic() - began)
        engine.ask(replace(question, seconds=max(left, LEAST_SECONDS))).close()
        return EmptyResultExplanation("not-understood", seconds=time.monotonic() - began)


class _Search:
    """One explanation. The methods that look into something yield what they find; none is no reason found."""

    def __init__(
        self,
        engine: QueryEngine,
        question: QueryRequest,
        taken: ParsedQuery,
        seconds: float,
        iris: Iris,
        known: Callable[[], KnownTerms],
    ) -> None:
        self._prober = Prober(engine, question, taken, seconds)
        self._adviser = Suggestions(self._prober, Names(taken, iris), iris, known)
        self._taken = taken

    def run(self, began: float) -> EmptyResultExplanation:
        try:
            answer, found = self._whole(self._taken)
        except DeadlineExceeded:
            answer, found = "unfinished", ()
        took = time.monotonic() - began
        return EmptyResultExplanation(answer, tuple(found), self._prober.asked, took, not self._prober.is_unsure)

    def _whole(self, taken: ParsedQuery) -> tuple[str, Sequence[EmptyReason]]:
        """The answer's kind and what was found."""
        found: Sequence[EmptyReason]
        if taken.where is None:
            found = list(self._resources(taken))
            return ("empty", found) if len(found) == len(taken.described) else ("not-empty", ())
        place, where = MatchScope(), taken.where
        # A join may be too hard as a whole, and its patterns be told apart all the same.
        has_rows = self._prober.tells(where.text, place, FIRST_SHARE)
        if has_rows:
            found = self._until_late(self._tail(taken, place))
            return ("empty" if found else "unfinished" if self._prober.is_unsure else "not-empty"), found
        found = self._until_late(self._group(where, place, None))
        if not found:
            return ("unfinished" if has_rows is None or self._prober.is_unsure else "not-understood"), ()
        return ("aggregate" if self._is_aggregate(taken, place) else "empty"), found

    def _is_aggregate(self, taken: ParsedQuery, place: MatchScope) -> bool:
        """Whether there is a row although the group has none."""
        try:
            return bool(self._prober.tells(_select(taken), place))
        except DeadlineExceeded:
            return False

    def _until_late(self, found: Iterator[EmptyReason]) -> Sequence[EmptyReason]:
        """What is found before the time is used up."""
        listed = []
        while finding := self._next(found):
            listed.append(finding)
        return listed

    def _next(self, found: Iterator[EmptyReason]) -> EmptyReason | None:
        try:
            return next(found, None)
        except DeadlineExceeded:
            self._prober.is_unsure = True
            return None

    # --- groups

    def _group(self, group: GroupPattern, place: MatchScope, graph: QueryTerm | None) -> Iterator[EmptyReason]:
        """Why a group that gives nothing does so. `graph` is the term behind GRAPH that `place` has."""
        elements = [part for part in group.parts if not _is_filter(part)]
        for element in elements:
            if _gives(element) and not self._prober.matches(element.sparql, place):
                yield from self._alone(element, place, graph)
                return
        for i in range(1, len(elements)):
            if not self._prober.matches(_joined(elements[: i + 1]), place):
                yield self._join(elements[: i + 1], place)
                return
        yield from self._filters(group, elements, place, graph)

    def _alone(self, element: Element, place: MatchScope, graph: QueryTerm | None) -> Iterator[EmptyReason]:
        """Why an element gives nothing by itself."""
        if isinstance(element, TriplePattern):
            yield EmptyReason(
                "pattern", (element,), self._advice(partial(self._adviser.of_pattern, element, place, graph))
            )
        elif element.kind == "values":
            yield EmptyReason("values", (element,))
        elif element.kind == "graph" and element.graph:
            yield from self._in_graph(element, element.graph)
        elif element.inner:
            yield from self._subselect(element.inner, place, graph)
        else:
            for branch in element.groups[:BRANCHES]:
                yield from self._group(branch, place, graph)

    def _in_graph(self, element: GraphPattern, name: QueryTerm) -> Iterator[EmptyReason]:
        place = MatchScope(name.sparql)
        if self._prober.matches(EVERYTHING, place):
            yield from self._group(element.groups[0], place, name)
            return
        yield EmptyReason("graph", (name,), self._advice(partial(self._adviser.of_graph, element, place, name)))

    def _subselect(self, inner: ParsedQuery, place: MatchScope, graph: QueryTerm | None) -> Iterator[EmptyReason]:
        if inner.where and not self._prober.matches(inner.where.text, place):
            yield from self._group(inner.where, place, graph)
        else:
            yield from self._tail(inner, place)

    def _join(self, elements: list[Element], place: MatchScope) -> EmptyReason:
        """The elements of which the last is the first to leave nothing, without those that it does so without."""
        last, needed = elements[-1], elements[:-1]
        try:
            for element in elements[:-1] if len(elements) > 2 else ():
                fewer = [other for other in needed if other is not element]
                if fewer and not self._prober.matches(_joined([*fewer, last]), place):
                    needed = fewer
        except DeadlineExceeded:
            self._prober.is_unsure = True
        if isinstance(last, GraphPattern) and last.kind == "minus":
            return EmptyReason("minus", (last,))
        return EmptyReason("join", (last, *needed), self._advice(partial(self._of_join, last, needed, place)))

    def _of_join(self, last: Element, needed: Sequence[Element], place: MatchScope) -> tuple[Suggestion, ...]:
        for part in (last, *needed):
            if isinstance(part, GraphPattern) and part.kind == "values":
                others = _joined([element for element in (*needed, last) if element is not part])
                if found := self._adviser.of_terms(part, others, place):
                    return found
        shared = sorted(last.variables & frozenset[str]().union(*(element.variables for element in needed)))
        written = [name for name in shared if f"?{name}" in last.text or f"${name}" in last.text]
        return self._adviser.of_join(written, _joined(needed), last.sparql, place)

    def _filters(
        self, group: GroupPattern, elements: list[Element], place: MatchScope, graph: QueryTerm | None
    ) -> Iterator[EmptyReason]:
        filters = [part for part in group.parts if isinstance(part, GraphPattern) and _is_filter(part)]
        given = _joined(elements)
        for part in filters:
            if not self._prober.matches(f"{given} {part.text}", place):
                yield from self._filter(part, elements, place, graph)
                return
        for i in range(1, len(filters)):
            passed = " ".join(part.text for part in filters[: i + 1])
            if not self._prober.matches(f"{given} {passed}", place):
                yield EmptyReason("filters", (filters[i], *filters[:i]))
                return

    def _filter(
        self, part: GraphPattern, elements: list[Element], place: MatchScope, graph: QueryTerm | None
    ) -> Iterator[EmptyReason]:
        """Why a filter lets nothing pass: for EXISTS, what its group has that matches nothing."""
        if part.kind == "exists" and not self._prober.matches(part.groups[0].text, place):
            yield from self._group(part.groups[0], place, graph)
            return
        bound = frozenset[str]().union(*(_binds(element) for element in elements))
        advice: tuple[Suggestion, ...] = ()
        if part.kind == "filter":
            advice = self._advice(partial(self._adviser.of_filter, part, bound, _joined(elements), place))
        yield EmptyReason(part.kind, (part,), advice)

    def _advice(self, give: Callable[[], tuple[Suggestion, ...]]) -> tuple[Suggestion, ...]:
        """Remedies, if there is time for them and they can be asked for: what was found stands without."""
        try:
            return give()
        except (DeadlineExceeded, NotUnderstood):
            return ()

    # --- outside of the group

    def _tail(self, taken: ParsedQuery, place: MatchScope) -> Iterator[EmptyReason]:
        """Why a query whose group gives something has an empty answer."""
        steps = (("having", "having"), ("values", "rows"), ("limit", "limit"), ("offset", "offset"))
        kept = ["group"]
        for kind, reason in steps:
            if kind not in taken.tail:
                continue
            kept.append(kind)
            if not self._prober.matches(_select(taken, *kept), place):
                part = taken.tail[kind]
                rows = self._count(taken, kept, place) if kind == "offset" else 0
                yield EmptyReason(reason, (part,), self._of_rows(taken, part, place), rows)
                return
        if taken.form in ("CONSTRUCT", "DESCRIBE") and not self._prober.builds(taken):
            yield EmptyReason("template" if taken.form == "CONSTRUCT" else "described", ())

    def _of_rows(self, taken: ParsedQuery, part: GraphPattern, place: MatchScope) -> tuple[Suggestion, ...]:
        if part.kind != "values" or taken.where is None or "group" in taken.tail:
            return ()
        bound = frozenset[str]().union(*(_binds(element) for element in taken.where.parts))
        return self._advice(partial(self._adviser.of_filter, part, bound, taken.where.text, place))

    def _count(self, taken: ParsedQuery, kept: Sequence[str], place: MatchScope) -> int:
        """How many rows there are before the first."""
        inside = _select(taken, *(kind for kind in kept if kind not in ("limit", "offset")))
        rows = self._prober.rows("?n0", f"{{ SELECT (COUNT(*) AS ?n0) {{ {inside} }} }}", place, 1)
        return int(rows[0]["n0"]["value"]) if rows else 0

    def _resources(self, taken: ParsedQuery) -> Iterator[EmptyReason]:
        """What DESCRIBE without a pattern names, and nothing is said of."""
        place = MatchScope()
        for term in taken.described:
            if not self._prober.matches(f"{term.sparql} ?p0 ?o0", place):
                yield EmptyReason("resource", (term,), self._advice(partial(self._adviser.of_resource, term, place)))


def _is_filter(element: Element) -> bool:
    return isinstance(element, GraphPattern) and element.kind in FILTERS


def _gives(element: Element) -> bool:
    return isinstance(element, TriplePattern) or element.kind in GIVERS


def _joined(elements: Sequence[Element]) -> str:
    return " ".join(element.sparql for element in elements)


def _select(taken: ParsedQuery, *kinds: str) -> str:
    """A query as a group, with the modifiers of these kinds, or with all that may leave nothing."""
    head = taken.head
    if taken.form != "SELECT":
        head = "(COUNT(*) AS ?n0)" if taken.tail.keys() & {"group", "having"} else "*"
    tail = taken.tail_text(*(kinds or ("group", "having", "limit", "offset", "values")))
    return f"{{ SELECT {head} {taken.where.text if taken.where else '{}'} {tail} }}"


def _binds(element: Element) -> frozenset[str]:
    """The variables that an element can give a value to."""
    if isinstance(element, TriplePattern):
        return element.variables
    if element.kind == "minus" or _is_filter(element):
        return frozenset()
    if element.inner and "*" not in element.inner.head:
        return frozenset(VARIABLE.findall(element.inner.head))
    if not element.groups:
        return element.variables
    inside = (_binds(part) for group in element.groups for part in group.parts)
    return frozenset[str]().union(element.graph.variables if element.graph else (), *inside)
