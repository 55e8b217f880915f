"""Property paths as relations (section 18.4): alternatives, negated sets, and repetition by recursive SQL."""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Protocol

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar.context import RESOURCE, Context, QueryDataset, Sources
from vaven.publisher.columnar.relations import SolutionRelation, VariableColumn
from vaven.publisher.columns.terms import iri
from vaven.schemas.standard.sql import text


class TriplePatterns(Protocol):
    """The translation of triple patterns, which that of paths needs (basic.py)."""

    context: Context

    def relation(self, triples: Sequence[a.Triple], dataset: QueryDataset) -> SolutionRelation: ...

    def conjunction(
        self, triples: Sequence[a.Triple], dataset: QueryDataset, known: Set[a.Term] = frozenset()
    ) -> SolutionRelation: ...

    def nodes(self, variable: str, dataset: QueryDataset) -> SolutionRelation: ...

    def closed(self, source: Sources) -> SolutionRelation: ...

    def bind(self, term: a.Term, sql: str, column: VariableColumn, source: Sources) -> None: ...


class Paths:
    """Translation of property paths that are no sequence of triple patterns."""

    def __init__(self, basic: TriplePatterns) -> None:
        self._basic, self.context = basic, basic.context
        self.names, self.relations = self.context.names, self.context.relations

    def relation(
        self, triple: a.Triple, dataset: QueryDataset, stars: Set[a.Term], starts: SolutionRelation | None = None
    ) -> SolutionRelation:
        """Match a path pattern; `stars` are variables that are observations.

        `starts` has nodes that one end of the path is among, by the triple patterns around it.
        """
        path = triple.predicate
        if isinstance(path, a.Alternative):
            relations = [
                self._basic.relation([a.Triple(triple.subject, one, triple.object)], dataset) for one in path.paths
            ]
            return self.relations.union(relations)
        if isinstance(path, a.Negated):
            return self._negated(triple, path, dataset, stars)
        assert isinstance(path, a.Repeated)
        return self._repeated(triple, path, dataset, starts)

    def _negated(
        self, triple: a.Triple, path: a.Negated, dataset: QueryDataset, stars: Set[a.Term]
    ) -> SolutionRelation:
        variable = a.Variable(f" {self.names.new('property')}")
        relations = []
        for is_used, excluded, subject, object_ in (
            (path.has_forward, path.forward, triple.subject, triple.object),
            (path.has_backward, path.backward, triple.object, triple.subject),
        ):
            if is_used:
                relation = self._basic.conjunction([a.Triple(subject, variable, object_)], dataset, stars)
                relation = self.relations.with_terms(relation, [variable.name])
                name = self.names.of(variable.name)
                properties = ", ".join(text(iri(one)) for one in excluded)
                where = f" WHERE {name} NOT IN ({properties})" if properties else ""
                relation = replace(relation, sql=f"SELECT * FROM ({relation.sql}){where}")
                relations.append(self.relations.select(relation, [v for v in relation.columns if v != variable.name]))
        return self.relations.union(relations)

    def _repeated(
        self, triple: a.Triple, path: a.Repeated, dataset: QueryDataset, starts: SolutionRelation | None
    ) -> SolutionRelation:
        """Translate `*`, `+` and `?`: pairs of the path's inner part, their closure, and paths of length zero."""
        start, end = " " + self.names.new("start"), " " + self.names.new("end")
        pairs = self._basic.relation([a.Triple(a.Variable(start), path.path, a.Variable(end))], dataset)
        both = pairs.columns[start].kind == pairs.columns[end].kind == "id"
        nodes, node = None, ""
        if path.mark != "+" and isinstance(triple.subject, a.Variable) and isinstance(triple.object, a.Variable):
            node = next(iter(starts.columns)) if starts else " " + self.names.new("node")
            nodes = starts or self._basic.nodes(node, dataset)
            both = both and nodes.columns[node].kind == "id"
            nodes = nodes if both else self.relations.with_terms(nodes, [node])
        pairs = pairs if both else self.relations.with_terms(pairs, [start, end])
        graph = self.context.graph_names(pairs, dataset)
        x, y = self.names.of(start), self.names.of(end)
        g = f"{self.names.of(graph[0])} AS g" if graph else "0 AS g"
        p, r = self.names.new("p"), self.names.new("r")
        step = f"SELECT DISTINCT {g}, {x} AS s, {y} AS o FROM ({pairs.sql})"
        seed = self._path_end(triple.subject, both)
        first = f"SELECT * FROM {p}" + (f" WHERE s = {seed}" if seed is not None else "")
        if path.mark == "?":
            closure = f"WITH {p} AS ({step}) {first}"
        else:
            closure = (
                f"WITH RECURSIVE {p} AS MATERIALIZED ({step}), {r} AS ({first} UNION "
                f"SELECT {r}.g, {r}.s, {p}.o FROM {r} JOIN {p} ON {r}.o = {p}.s AND {r}.g = {p}.g) SELECT * FROM {r}"
            )
        if path.mark != "+":
            if nodes:
                name = self.names.of(node)
                zero = f"SELECT {self.names.of(graph[0]) if graph else '0'}, {name}, {name} FROM ({nodes.sql})"
            else:
                zero = self._zero_length(triple, both, graph, dataset)
            closure = f"SELECT g, s, o FROM ({closure}) UNION {zero}"
        alias = self.names.new("c")
        source = Sources([f"({closure}) AS {alias}"])
        a_column, b_column = pairs.columns[start], pairs.columns[end]
        column = a_column.with_values_of(b_column)
        if nodes:
            column = column.with_values_of(nodes.columns[node])
        elif path.mark != "+":
            column = replace(column, has_observations=self.context.columns.has_observations, is_resource=False)
        is_own = any(isinstance(end, str) and self.context.id(end) < 0 for end in (triple.subject, triple.object))
        column = replace(column, has_own=column.has_own or is_own)
        self._basic.bind(triple.subject, f"{alias}.s", column, source)
        self._basic.bind(triple.object, f"{alias}.o", column, source)
        if graph:
            self._basic.bind(a.Variable(graph[0]), f"{alias}.g", RESOURCE, source)
        return self._basic.closed(source)

    def _path_end(self, term: a.Term, is_id: bool) -> str | None:
        if isinstance(term, a.Variable):
            return None
        return str(self.context.id(term)) if is_id else text(term)

    def _zero_length(self, triple: a.Triple, is_id: bool, graph: Sequence[str], dataset: QueryDataset) -> str:
        """Return SQL of the paths of length zero of a constant, which are to itself (section 18.4)."""
        ends = [end for end in (triple.subject, triple.object) if isinstance(end, str)]
        graphs = f"SELECT g FROM ({self.context.all_graphs(dataset)})" if graph else "SELECT 0 AS g"
        if len(set(ends)) == 2:
            return "SELECT 0, NULL, NULL WHERE false"
        node = self._path_end(ends[0], is_id)
        return f"SELECT g, {node} AS s, {node} AS o FROM ({graphs})"
