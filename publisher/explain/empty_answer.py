"""Explain an empty result: find the first pattern, join, filter or modifier that leaves no solutions.

This is done by running reduced queries: each pattern alone, then the patterns joined one by one in order, then the
filters one by one, then the modifiers after the group. Elements of a group are evaluated in order and its filters at
the end (SPARQL 1.1, section 18.2.2); a nested group is evaluated on its own, so it is examined on its own.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from vaven.publisher.engine.interface import QueryEngine, QueryRequest
from vaven.publisher.explain.probe import MIN_SECONDS, DeadlineExceeded, MatchScope, Prober, TermWriter
from vaven.publisher.explain.suggestions import KnownTerms, Suggestion, Suggestions
from vaven.publisher.sparql.query_builder import parse
from vaven.publisher.sparql.query_tree import (
    GraphPattern,
    GroupPattern,
    ParsedQuery,
    QueryTerm,
    SyntaxNode,
    TriplePattern,
    UnsupportedSyntax,
)
from vaven.vocab.iris import Iris

FILTERS = ("filter", "exists", "not-exists")
# Elements that can have no solutions on their own. Other elements only extend the solutions, or remove some.
CAN_BE_EMPTY = ("group", "union", "graph", "values", "select")
ANY_TRIPLE = "?s0 ?p0 ?o0"
# Share of the time for the query as a whole.
WHOLE_QUERY_SHARE = 0.25
# Maximum number of branches of a UNION that are explained.
MAX_BRANCHES = 5
VARIABLE = re.compile(r"[?$](\w+)")
Element = TriplePattern | GraphPattern


@dataclass(frozen=True)
class EmptyReason:
    """A reason for an empty result. `reason` names a message; `nodes` are the parts concerned, the failing one first.

    pattern     a triple pattern that matches nothing
    graph       a graph without triples, or that does not exist
    values      VALUES without rows
    join        each part matches something, together they match nothing
    minus       MINUS removes all solutions of the preceding parts
    filter      nothing passes this filter; also exists, not-exists
    filters     each filter passes something, together they don't
    resource    the resource to describe has no triples; described: nor has any resource found by the pattern
    having, rows (VALUES at the end), limit, offset, template    a part outside of the group leaves nothing
    """

    reason: str
    nodes: tuple[SyntaxNode, ...]
    suggestions: tuple[Suggestion, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class EmptyResultExplanation:
    """An explanation of an empty result.

    `outcome` is "empty"; "aggregate" (there are rows, but they aggregate nothing); "not-empty"; "not-understood"
    (unsupported syntax) or "unfinished" (time or memory ran out first). `query_count` is the number of reduced queries.
    `is_minimal` means that each of them had a result, so that the first failing node is really the first, and a join is
    minimal.
    """

    outcome: str
    findings: tuple[EmptyReason, ...] = ()
    query_count: int = 0
    seconds: float = 0.0
    is_minimal: bool = True


def explain(
    engine: QueryEngine, request: QueryRequest, seconds: float, iris: Iris, known: Callable[[], KnownTerms]
) -> EmptyResultExplanation:
    """Explain the empty result of a request within so many seconds. `known` returns the IRIs in the data.

    Raises QuerySyntaxError for an invalid query, and refusals of the client or query. Cost: about two queries per part
    of the query, each limited like any other; those that match end with their first match.
    """
    began = time.monotonic()
    try:
        query = parse(request.query)
        return _EmptyResultSearch(engine, request, query, seconds, iris, known).run(began)
    except UnsupportedSyntax:
        # If the engine can't parse it either, its error is the better response.
        left = seconds - (time.monotonic() - began)
        engine.execute(replace(request, seconds=max(left, MIN_SECONDS))).close()
        return EmptyResultExplanation("not-understood", seconds=time.monotonic() - began)


class _EmptyResultSearch:
    """The search for one explanation. The methods yield the reasons found in a part; none means that none was found."""

    def __init__(
        self,
        engine: QueryEngine,
        request: QueryRequest,
        query: ParsedQuery,
        seconds: float,
        iris: Iris,
        known: Callable[[], KnownTerms],
    ) -> None:
        self._prober = Prober(engine, request, query, seconds)
        self._suggestions = Suggestions(self._prober, TermWriter(query, iris), iris, known)
        self._query = query

    def run(self, began: float) -> EmptyResultExplanation:
        try:
            outcome, findings = self._explain_query(self._query)
        except DeadlineExceeded:
            outcome, findings = "unfinished", ()
        took = time.monotonic() - began
        return EmptyResultExplanation(
            outcome, tuple(findings), self._prober.query_count, took, not self._prober.is_unsure
        )

    def _explain_query(self, query: ParsedQuery) -> tuple[str, Sequence[EmptyReason]]:
        """Return the outcome and the reasons."""
        findings: Sequence[EmptyReason]
        if query.where is None:
            findings = list(self._explain_described(query))
            return ("empty", findings) if len(findings) == len(query.described) else ("not-empty", ())
        scope, where = MatchScope(), query.where
        # A join may be too hard as a whole, and its patterns be explained all the same.
        has_rows = self._prober.matches_in_time(where.text, scope, WHOLE_QUERY_SHARE)
        if has_rows:
            findings = self._collect_in_time(self._explain_modifiers(query, scope))
            return ("empty" if findings else "unfinished" if self._prober.is_unsure else "not-empty"), findings
        findings = self._collect_in_time(self._explain_group(where, scope, None))
        if not findings:
            return ("unfinished" if has_rows is None or self._prober.is_unsure else "not-understood"), ()
        return ("aggregate" if self._is_aggregate(query, scope) else "empty"), findings

    def _is_aggregate(self, query: ParsedQuery, scope: MatchScope) -> bool:
        """Return whether there is a row although the group has no solutions."""
        try:
            return bool(self._prober.matches_in_time(query.as_group(), scope))
        except DeadlineExceeded:
            return False

    def _collect_in_time(self, reasons: Iterator[EmptyReason]) -> Sequence[EmptyReason]:
        """Return the reasons found within the time limit."""
        findings = []
        while finding := self._next(reasons):
            findings.append(finding)
        return findings

    def _next(self, reasons: Iterator[EmptyReason]) -> EmptyReason | None:
        try:
            return next(reasons, None)
        except DeadlineExceeded:
            self._prober.is_unsure = True
            return None

    # --- groups

    def _explain_group(self, group: GroupPattern, scope: MatchScope, graph: QueryTerm | None) -> Iterator[EmptyReason]:
        """Explain a group without solutions. `graph` is the term after GRAPH, in `scope`."""
        elements = [element for element in group.elements if not _is_filter(element)]
        for element in elements:
            if _can_be_empty(element) and not self._prober.matches(element.sparql, scope):
                yield from self._explain_element(element, scope, graph)
                return
        for i in range(1, len(elements)):
            if not self._prober.matches(_join_text(elements[: i + 1]), scope):
                yield self._explain_join(elements[: i + 1], scope)
                return
        yield from self._explain_filters(group, elements, scope, graph)

    def _explain_element(self, element: Element, scope: MatchScope, graph: QueryTerm | None) -> Iterator[EmptyReason]:
        """Explain an element that has no solutions on its own."""
        if isinstance(element, TriplePattern):
            yield EmptyReason(
                "pattern", (element,), self._suggest(partial(self._suggestions.for_pattern, element, scope, graph))
            )
        elif element.kind == "values":
            yield EmptyReason("values", (element,))
        elif element.kind == "graph" and element.graph:
            yield from self._explain_graph(element, element.graph)
        elif element.subselect:
            yield from self._explain_subselect(element.subselect, scope, graph)
        else:
            for branch in element.groups[:MAX_BRANCHES]:
                yield from self._explain_group(branch, scope, graph)

    def _explain_graph(self, element: GraphPattern, name: QueryTerm) -> Iterator[EmptyReason]:
        scope = MatchScope(name.sparql)
        if self._prober.matches(ANY_TRIPLE, scope):
            yield from self._explain_group(element.groups[0], scope, name)
            return
        yield EmptyReason("graph", (name,), self._suggest(partial(self._suggestions.for_graph, element, scope, name)))

    def _explain_subselect(
        self, subselect: ParsedQuery, scope: MatchScope, graph: QueryTerm | None
    ) -> Iterator[EmptyReason]:
        if subselect.where and not self._prober.matches(subselect.where.text, scope):
            yield from self._explain_group(subselect.where, scope, graph)
        else:
            yield from self._explain_modifiers(subselect, scope)

    def _explain_join(self, elements: list[Element], scope: MatchScope) -> EmptyReason:
        """Return a minimal set of elements whose last one is the first that leaves no solutions."""
        last, needed = elements[-1], elements[:-1]
        try:
            for element in elements[:-1] if len(elements) > 2 else ():
                fewer = [other for other in needed if other is not element]
                if fewer and not self._prober.matches(_join_text([*fewer, last]), scope):
                    needed = fewer
        except DeadlineExceeded:
            self._prober.is_unsure = True
        if isinstance(last, GraphPattern) and last.kind == "minus":
            return EmptyReason("minus", (last,))
        return EmptyReason("join", (last, *needed), self._suggest(partial(self._suggest_for_join, last, needed, scope)))

    def _suggest_for_join(self, last: Element, needed: Sequence[Element], scope: MatchScope) -> tuple[Suggestion, ...]:
        for clause in (last, *needed):
            if isinstance(clause, GraphPattern) and clause.kind == "values":
                others = _join_text([element for element in (*needed, last) if element is not clause])
                if suggestions := self._suggestions.for_terms(clause, others, scope):
                    return suggestions
        shared = sorted(last.variables & frozenset[str]().union(*(element.variables for element in needed)))
        written = [name for name in shared if f"?{name}" in last.text or f"${name}" in last.text]
        return self._suggestions.for_join(written, _join_text(needed), last.sparql, scope)

    def _explain_filters(
        self, group: GroupPattern, elements: list[Element], scope: MatchScope, graph: QueryTerm | None
    ) -> Iterator[EmptyReason]:
        filters = [
            filter_clause
            for filter_clause in group.elements
            if isinstance(filter_clause, GraphPattern) and _is_filter(filter_clause)
        ]
        joined = _join_text(elements)
        for filter_clause in filters:
            if not self._prober.matches(f"{joined} {filter_clause.text}", scope):
                yield from self._explain_filter(filter_clause, elements, scope, graph)
                return
        for i in range(1, len(filters)):
            passed = " ".join(filter_clause.text for filter_clause in filters[: i + 1])
            if not self._prober.matches(f"{joined} {passed}", scope):
                yield EmptyReason("filters", (filters[i], *filters[:i]))
                return

    def _explain_filter(
        self, filter_clause: GraphPattern, elements: list[Element], scope: MatchScope, graph: QueryTerm | None
    ) -> Iterator[EmptyReason]:
        """Explain a filter that nothing passes: for EXISTS, the part of its group that matches nothing."""
        if filter_clause.kind == "exists" and not self._prober.matches(filter_clause.groups[0].text, scope):
            yield from self._explain_group(filter_clause.groups[0], scope, graph)
            return
        bound = frozenset[str]().union(*(_bindable_variables(element) for element in elements))
        advice: tuple[Suggestion, ...] = ()
        if filter_clause.kind == "filter":
            advice = self._suggest(
                partial(self._suggestions.for_filter, filter_clause, bound, _join_text(elements), scope)
            )
        yield EmptyReason(filter_clause.kind, (filter_clause,), advice)

    def _suggest(self, give: Callable[[], tuple[Suggestion, ...]]) -> tuple[Suggestion, ...]:
        """Return suggestions if time permits; a reason stands without them."""
        try:
            return give()
        except (DeadlineExceeded, UnsupportedSyntax):
            return ()

    # --- outside of the group

    def _explain_modifiers(self, query: ParsedQuery, scope: MatchScope) -> Iterator[EmptyReason]:
        """Explain the empty result of a query whose group has solutions."""
        steps = (("having", "having"), ("values", "rows"), ("limit", "limit"), ("offset", "offset"))
        kinds = ["group"]
        for kind, reason in steps:
            if kind not in query.tail:
                continue
            kinds.append(kind)
            if not self._prober.matches(query.as_group(*kinds), scope):
                modifier = query.tail[kind]
                rows = self._count_rows(query, kinds, scope) if kind == "offset" else 0
                yield EmptyReason(reason, (modifier,), self._suggest_for_clause(query, modifier, scope), rows)
                return
        if query.form in ("CONSTRUCT", "DESCRIBE") and not self._prober.builds_triples(query):
            yield EmptyReason("template" if query.form == "CONSTRUCT" else "described", ())

    def _suggest_for_clause(
        self, query: ParsedQuery, clause: GraphPattern, scope: MatchScope
    ) -> tuple[Suggestion, ...]:
        if query.where is None or clause.kind not in ("having", "values"):
            return ()
        bound = frozenset[str]().union(*(_bindable_variables(element) for element in query.where.elements))
        if clause.kind == "having":
            return self._suggest(partial(self._suggestions.for_having, query, clause, bound, scope))
        if "group" in query.tail:
            return ()
        return self._suggest(partial(self._suggestions.for_filter, clause, bound, query.where.text, scope))

    def _count_rows(self, query: ParsedQuery, kinds: Sequence[str], scope: MatchScope) -> int:
        """Return the number of rows before OFFSET."""
        inside = query.as_group(*(kind for kind in kinds if kind not in ("limit", "offset")))
        rows = self._prober.rows("?n0", f"{{ SELECT (COUNT(*) AS ?n0) {{ {inside} }} }}", scope, 1)
        return int(rows[0]["n0"]["value"]) if rows else 0

    def _explain_described(self, query: ParsedQuery) -> Iterator[EmptyReason]:
        """Explain DESCRIBE without a pattern: resources without triples."""
        scope = MatchScope()
        for term in query.described:
            if not self._prober.matches(f"{term.sparql} ?p0 ?o0", scope):
                yield EmptyReason(
                    "resource", (term,), self._suggest(partial(self._suggestions.for_resource, term, scope))
                )


def _is_filter(element: Element) -> bool:
    return isinstance(element, GraphPattern) and element.kind in FILTERS


def _can_be_empty(element: Element) -> bool:
    return isinstance(element, TriplePattern) or element.kind in CAN_BE_EMPTY


def _join_text(elements: Sequence[Element]) -> str:
    return " ".join(element.sparql for element in elements)


def _bindable_variables(element: Element) -> frozenset[str]:
    """Return the variables that an element can bind."""
    if isinstance(element, TriplePattern):
        return element.variables
    if element.kind == "minus" or _is_filter(element):
        return frozenset()
    if element.subselect and "*" not in element.subselect.head:
        return frozenset(VARIABLE.findall(element.subselect.head))
    if not element.groups:
        return element.variables
    inside = (_bindable_variables(child) for group in element.groups for child in group.elements)
    return frozenset[str]().union(element.graph.variables if element.graph else (), *inside)
