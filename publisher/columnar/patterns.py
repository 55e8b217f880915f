"""The operators of the algebra as relations (section 18.6)."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar.aggregates import aggregated
from vaven.publisher.columnar.basic import BasicPatterns
from vaven.publisher.columnar.context import RESOURCE, Context, QueryDataset
from vaven.publisher.columnar.expressions import SolutionScope, SparqlExpressions, TypedSql
from vaven.publisher.columnar.functions import VOLATILE
from vaven.publisher.columnar.relations import SolutionRelation, VariableColumn, empty
from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION
from vaven.publisher.columns.values import number_of, number_term, order_text
from vaven.schemas.standard.sql import text

Modifier = a.Filter | a.Extend | a.OrderBy | a.Project | a.Distinct | a.Slice


class Patterns:
    """Translation of the patterns of one query over the columns of a snapshot."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.names, self.relations, self.functions = context.names, context.relations, context.functions
        self._basic = BasicPatterns(context)

    # --- the algebra

    def relation(
        self, pattern: a.Pattern, dataset: QueryDataset, outer: SolutionScope | None = None
    ) -> SolutionRelation:
        match pattern:
            case a.Basic(triples, possible):
                return self._basic.relation(triples, dataset, possible=dict(possible))
            case a.Values():
                return self._values(pattern)
            case a.Join(left, right):
                described = self._described(left) | self._described(right)
                one, other = (self._joined(side, described, dataset, outer) for side in (left, right))
                return self.relations.join(one, other)
            case a.LeftJoin(left, right, conditions):
                return self._left_join(left, right, conditions, dataset, outer)
            case a.Union(patterns):
                return self.relations.union([self.relation(inner, dataset, outer) for inner in patterns])
            case a.Minus(left, right):
                return self._minus(self.relation(left, dataset, outer), self.relation(right, dataset), dataset)
            case a.Graph(name, inner):
                return self._graph(name, inner, dataset, outer)
            case a.Group():
                return self._group(pattern, dataset, outer)
            case a.Filter(a.Basic(), _) if (merged := _with_existing(pattern)) is not pattern:
                return self.relation(merged, dataset, outer)
            case a.Distinct(a.Project(a.Basic() | a.Filter(), variables) as project):
                relation = self._set(project.pattern, frozenset(variables), dataset, outer)
                return self._distinct(self._modified(project, relation, dataset, outer))
            case a.Distinct(a.Project(a.OrderBy(inner, keys), variables)) if _are_of(keys, variables):
                # Equal solutions have equal keys, so that the order of the distinct ones is the same.
                distinct = a.Distinct(a.Project(inner, variables))
                return self._order(self.relation(distinct, dataset, outer), keys, dataset, outer)
            case _:
                return self._modified(pattern, self.relation(pattern.pattern, dataset, outer), dataset, outer)

    def _joined(
        self, pattern: a.Pattern, described: Set[a.Term], dataset: QueryDataset, outer: SolutionScope | None
    ) -> SolutionRelation:
        """Translate one side of a join; `described` are variables that are no observations by either side."""
        if isinstance(pattern, a.Basic):
            return self._basic.relation(pattern.triples, dataset, None, dict(pattern.possible), described)
        return self.relation(pattern, dataset, outer)

    def _described(self, pattern: a.Pattern) -> Set[a.Term]:
        """Return variables that are neither observations nor quantities in any solution of a pattern."""
        match pattern:
            case a.Basic(triples, _):
                return self._basic.described(triples)
            case a.Join(left, right):
                return self._described(left) | self._described(right)
            case a.Filter(inner, _) | a.OrderBy(inner, _) | a.Distinct(inner) | a.Slice(inner, _, _):
                return self._described(inner)
            case a.Project(inner, variables):
                return self._described(inner) & {a.Variable(name) for name in variables}
            case _:
                return frozenset()

    def _set(
        self, pattern: a.Pattern, used: frozenset[str], dataset: QueryDataset, outer: SolutionScope | None
    ) -> SolutionRelation:
        """Translate a pattern whose solutions matter only as a set, and only with the variables `used`."""
        match pattern:
            case a.Basic(triples, possible):
                return self._basic.relation(triples, dataset, used, dict(possible))
            case a.Filter(a.Basic(triples, possible), conditions) if not any(map(_has_exists, conditions)):
                used = used.union(*map(_variables, conditions))
                relation = self._basic.relation(triples, dataset, used, dict(possible))
                return self._filter(relation, conditions, dataset, outer)
            case _:
                return self.relation(pattern, dataset, outer)

    def _modified(
        self, pattern: Modifier, relation: SolutionRelation, dataset: QueryDataset, outer: SolutionScope | None
    ) -> SolutionRelation:
        """Apply an operator to the relation of its pattern."""
        match pattern:
            case a.Filter(_, conditions):
                return self._filter(relation, conditions, dataset, outer)
            case a.Extend(_, variable, expression):
                return self._extend(relation, variable, expression, dataset, outer)
            case a.OrderBy(_, keys):
                return self._order(relation, keys, dataset, outer)
            case a.Project(_, variables):
                graph = self.context.graph_names(relation, dataset)
                return self.relations.select(relation, [*variables, *graph])
            case a.Distinct():
                return self._distinct(relation)
            case a.Slice(_, offset, limit):
                return self._slice(relation, offset, limit, dataset)

    def _expressions(
        self, relation: SolutionRelation, dataset: QueryDataset, outer: SolutionScope | None
    ) -> SparqlExpressions:
        scope = SolutionScope(relation, self.names.new("f"), self.relations, outer)

        def pattern(inner: a.Pattern, around: SolutionScope) -> SolutionRelation:
            return self._set(inner, frozenset(around.variables()), dataset, around)

        return SparqlExpressions(scope, self.functions, pattern, self.context.id, self.context.base, self.context.now)

    def _filter(
        self,
        relation: SolutionRelation,
        conditions: Sequence[a.Expression],
        dataset: QueryDataset,
        outer: SolutionScope | None,
    ) -> SolutionRelation:
        expressions = self._expressions(relation, dataset, outer)
        where = " AND ".join(expressions.condition(c) for c in conditions)
        if "fn_volatile_" in where:
            # DuckDB lets rows pass if a function of a volatile one returns NULL.
            where = f"coalesce({where}, false)"
        lookups = self._lookups(expressions.scope)
        return replace(relation, sql=f"{self._chosen(expressions.scope)} WHERE {where}", lookups=lookups)

    @staticmethod
    def _lookups(scope: SolutionScope) -> frozenset[tuple[str, str]]:
        """Return the lookups that `_chosen` keeps: with one of a variable, its rank for ORDER BY costs no further join.

        DuckDB leaves out what nothing uses.
        """
        for variable, _ in tuple(scope.lookups):
            if scope.relation.columns[variable].is_in_dictionary:
                scope.lookup(variable, "rank")
        return scope.relation.lookups | {
            (variable, what) for variable, what in scope.lookups if scope.relation.columns[variable].is_in_dictionary
        }

    def _chosen(self, scope: SolutionScope, *added: str) -> str:
        """Return SQL that selects the variables of a scope's relation with its lookups, and further columns."""
        relation = scope.relation
        names = [f"{scope.alias}.{self.names.of(v)}" for v in relation.columns]
        names += [f"{scope.alias}.{name}" for name, _ in relation.order]
        names += [f"{scope.alias}.{self.relations.lookup_name(*lookup)}" for lookup in sorted(self._lookups(scope))]
        return f"SELECT {', '.join((*names, *added)) or '1 AS unit'} FROM {scope.source()}"

    def _extend(
        self,
        relation: SolutionRelation,
        variable: str,
        expression: a.Expression,
        dataset: QueryDataset,
        outer: SolutionScope | None,
    ) -> SolutionRelation:
        expressions = self._expressions(relation, dataset, outer)
        value = expressions.value(expression)
        sql, column = value.sql, value.column
        if value.constant and column.kind == "term":
            column = replace(column, may_be_unbound=False)
        elif not value.variable and not value.constant:
            column = replace(column, may_be_unbound=True)
        if value.constant and column.kind == "number" and self._is_odd(value):
            sql, column = text(value.constant), VariableColumn("term")
        lookups = self._lookups(expressions.scope)
        chosen = self._chosen(expressions.scope, f"{sql} AS {self.names.of(variable)}")
        return SolutionRelation(chosen, {**relation.columns, variable: column}, relation.order, lookups)

    @staticmethod
    def _is_odd(value: TypedSql) -> bool:
        """Return whether a number is written in another than the canonical form, which its term keeps."""
        number = number_of(value.constant)
        return number is None or number_term(number) != value.constant

    def _left_join(
        self,
        left: a.Pattern,
        right: a.Pattern,
        conditions: Sequence[a.Expression],
        dataset: QueryDataset,
        outer: SolutionScope | None,
    ) -> SolutionRelation:
        before, after = self.relation(left, dataset, outer), self.relation(right, dataset, outer)
        own = [c for c in conditions if _variables(c) <= after.columns.keys() and not _has_exists(c)]
        if own:
            after = self._filter(after, own, dataset, outer)
        rest = [c for c in conditions if c not in own]
        if not rest:
            return self.relations.join(before, after, "LEFT JOIN")
        # The solutions of the left side are numbered, joined and filtered, and those without a partner are added.
        shared = [v for v in before.columns if v in after.columns]
        before, after = self.relations.alike([before, after], shared)
        name, number = self.names.new("left"), " number"
        numbered = f"SELECT *, row_number() OVER () AS {self.names.of(number)} FROM ({before.sql})"
        known = SolutionRelation(f"FROM {name}", {**before.columns, number: VariableColumn("number")})
        matched = self._filter(self.relations.join(known, after), rest, dataset, outer)
        new = [v for v in matched.columns if v not in before.columns and v != number]
        x, y, n = self.names.new("l"), self.names.new("r"), self.names.of(number)
        columns = {v: before.columns[v] for v in before.columns}
        chosen = []
        for v in before.columns:
            if v in shared and before.columns[v].may_be_unbound:
                chosen.append(f"coalesce({x}.{self.names.of(v)}, {y}.{self.names.of(v)}) AS {self.names.of(v)}")
                columns[v] = before.columns[v].with_values_of(matched.columns[v])
            else:
                chosen.append(f"{x}.{self.names.of(v)}")
        for v in new:
            chosen.append(f"{y}.{self.names.of(v)}")
            columns[v] = replace(matched.columns[v], may_be_unbound=True)
        sql = (
            f"WITH {name} AS MATERIALIZED ({numbered}) SELECT {', '.join(chosen) or '1 AS unit'} "
            f"FROM {name} AS {x} LEFT JOIN ({matched.sql}) AS {y} ON {x}.{n} = {y}.{n}"
        )
        return SolutionRelation(sql, columns)

    def _minus(self, left: SolutionRelation, right: SolutionRelation, dataset: QueryDataset) -> SolutionRelation:
        graph = dataset.graph if isinstance(dataset.graph, str) else None
        shared = [v for v in left.columns if v in right.columns]
        if not [v for v in shared if v != graph]:
            return left
        left, right = self.relations.alike([left, right], shared)
        x, y = self.names.new("l"), self.names.new("r")
        conditions = [self.relations.compatible(v, x, y, left.columns[v], right.columns[v]) for v in shared]
        # Solutions without a common variable are not removed (section 18.5).
        both = [
            f"({x}.{self.names.of(v)} IS NOT NULL AND {y}.{self.names.of(v)} IS NOT NULL)" for v in shared if v != graph
        ]
        certain = any(
            not left.columns[v].may_be_unbound and not right.columns[v].may_be_unbound for v in shared if v != graph
        )
        if not certain:
            conditions.append(f"({' OR '.join(both)})")
        condition = " AND ".join(conditions)
        removed = f"SELECT 1 FROM ({right.sql}) AS {y} WHERE {condition}"
        sql = f"SELECT {x}.* FROM ({left.sql}) AS {x} WHERE NOT EXISTS ({removed})"
        return replace(left, sql=sql)

    def _values(self, values: a.Values) -> SolutionRelation:
        if not values.rows:
            return empty(values.variables, self.names)
        columns, chosen = {}, []
        for i, variable in enumerate(values.variables):
            cells = [row[i] for row in values.rows]
            columns[variable] = VariableColumn(
                "id",
                may_be_unbound=None in cells,
                is_resource=all(t is None or t[0] != '"' for t in cells),
                has_observations=any(t is not None and self.context.id(t) >= FIRST_OBSERVATION for t in cells),
                has_own=any(t is not None and self.context.id(t) < 0 for t in cells),
            )
            # Lists take a fraction of the memory that DuckDB plans a VALUES of many rows with.
            ids = ", ".join("NULL" if t is None else str(self.context.id(t)) for t in cells)
            chosen.append(f"unnest([{ids}]::BIGINT[]) AS {self.names.of(variable)}")
        if not chosen:
            return SolutionRelation(f"SELECT 1 AS unit FROM range({len(values.rows)})", columns)
        return SolutionRelation(f"SELECT {', '.join(chosen)}", columns)

    def _group(self, group: a.Group, dataset: QueryDataset, outer: SolutionScope | None) -> SolutionRelation:
        relation = self.relation(group.pattern, dataset, outer)
        if isinstance(dataset.graph, str) and dataset.graph not in relation.columns:
            relation = self.relations.join(self.context.graphs(dataset.graph, dataset), relation)
        graph = self.context.graph_names(relation, dataset)
        result = aggregated(self._expressions(relation, dataset, outer), group, graph)
        if group.is_implicit and graph:
            # Each graph has one group, also without solutions; its sums are those of an empty group.
            nothing = aggregated(
                self._expressions(empty(list(relation.columns), self.names), dataset, outer), group, []
            )
            result = self._with_empty_groups(result, nothing, graph[0], dataset)
        return result

    def _with_empty_groups(
        self, result: SolutionRelation, nothing: SolutionRelation, graph: str, dataset: QueryDataset
    ) -> SolutionRelation:
        graphs = self.context.graphs(graph, dataset)
        x, y, name = self.names.new("l"), self.names.new("r"), self.names.of(graph)
        known = f"SELECT 1 FROM ({result.sql}) AS {y} WHERE {x}.{name} = {y}.{name}"
        missing = f"SELECT {x}.* FROM ({graphs.sql}) AS {x} WHERE NOT EXISTS ({known})"
        return self.relations.union([result, self.relations.join(replace(graphs, sql=missing), nothing)])

    def _order(
        self,
        relation: SolutionRelation,
        keys: Sequence[tuple[a.Expression, bool]],
        dataset: QueryDataset,
        outer: SolutionScope | None,
    ) -> SolutionRelation:
        expressions = self._expressions(relation, dataset, outer)
        added, order = [], []
        for expression, is_descending in keys:
            for sql in self._sort_keys(expressions, expressions.value(expression)):
                name = self.names.new("k")
                added.append(f"{sql} AS {name}")
                order.append((name, is_descending))
        lookups = self._lookups(expressions.scope)
        chosen = self._chosen(expressions.scope, *added)
        return SolutionRelation(chosen, relation.columns, tuple(order), lookups)

    def _sort_keys(self, expressions: SparqlExpressions, value: TypedSql) -> Iterator[str]:
        """Yield SQL of the keys that sort values as ORDER BY does."""
        column = value.column
        if column.kind == "number":
            # The least number stands for cube:Undefined, which precedes numbers as any literal of unknown datatype.
            yield value.sql
        elif column.kind in ("text", "boolean"):
            yield value.sql
        elif column.is_in_dictionary and not value.constant:
            assert value.scope is not None
            yield value.scope.lookup(value.variable, "rank")
        else:
            yield self.functions.call(order_text, "order", [expressions.term(value)], "VARCHAR")

    def _distinct(self, relation: SolutionRelation) -> SolutionRelation:
        names = ", ".join(self.names.of(v) for v in relation.columns) or "1 AS unit"
        relation = replace(relation, lookups=frozenset())
        if not relation.order:
            return replace(relation, sql=f"SELECT DISTINCT {names} FROM ({relation.sql})")
        sorted_ = _order_by(relation.order)
        keys = ", ".join(f"first({name} ORDER BY {sorted_}) AS {name}" for name, _ in relation.order)
        return replace(relation, sql=f"SELECT {names}, {keys} FROM ({relation.sql}) GROUP BY {names}")

    def _slice(
        self, relation: SolutionRelation, offset: int, limit: int | None, dataset: QueryDataset
    ) -> SolutionRelation:
        graph = self.context.graph_names(relation, dataset)
        ordered = f" ORDER BY {_order_by(relation.order)}" if relation.order else ""
        if graph:
            # One slice for each graph.
            row, name = self.names.new("n"), self.names.of(graph[0])
            numbered = f"SELECT *, row_number() OVER (PARTITION BY {name}{ordered}) AS {row} FROM ({relation.sql})"
            end = f" AND {row} <= {offset + limit}" if limit is not None else ""
            return replace(relation, sql=f"SELECT * EXCLUDE ({row}) FROM ({numbered}) WHERE {row} > {offset}{end}")
        bounds = (f" LIMIT {limit}" if limit is not None else "") + (f" OFFSET {offset}" if offset else "")
        return replace(relation, sql=f"SELECT * FROM ({relation.sql}){ordered}{bounds}")

    # --- graphs

    def _graph(
        self, name: a.Term, pattern: a.Pattern, dataset: QueryDataset, outer: SolutionScope | None
    ) -> SolutionRelation:
        if isinstance(name, str):
            number = self.context.id(name)
            is_named = dataset.named is None or number in dataset.named
            inner = replace(dataset, graph=number if is_named else -(1 << 30))
            relation = self.relation(pattern, inner, outer)
            # A graph that does not exist has no solution, not even the empty one (section 18.6).
            exists = f"EXISTS (SELECT 1 FROM ({self.context.all_graphs(inner)}) AS g WHERE g.g = {inner.graph})"
            return replace(relation, sql=f"SELECT * FROM ({relation.sql}) WHERE {exists}")
        hidden = f" graph{self.names.new('g')}"
        inner = replace(dataset, graph=hidden)
        relation = self.relation(pattern, inner, outer)
        if hidden not in relation.columns or relation.columns[hidden].may_be_unbound:
            relation = self.relations.join(self.context.graphs(hidden, inner), relation)
        variable = name.name
        graph = self.names.of(hidden)
        if variable in relation.columns:
            same = (
                f"SELECT {graph}, {graph} AS {self.names.of(variable)} FROM ({self.context.graphs(hidden, inner).sql})"
            )
            relation = self.relations.join(relation, SolutionRelation(same, {hidden: RESOURCE, variable: RESOURCE}))
            others = [v for v in relation.columns if v != hidden]
            return self.relations.select(relation, others)
        names = [self.names.of(v) for v in relation.columns if v != hidden]
        columns = {v: c for v, c in relation.columns.items() if v != hidden} | {variable: RESOURCE}
        chosen = ", ".join([*names, f"{graph} AS {self.names.of(variable)}"])
        return SolutionRelation(f"SELECT {chosen} FROM ({relation.sql})", columns)


def _order_by(order: Sequence[tuple[str, bool]]) -> str:
    return ", ".join(
        f"{name} {'DESC NULLS LAST' if is_descending else 'ASC NULLS FIRST'}" for name, is_descending in order
    )


def _variables(expression: a.Expression) -> set[str]:
    if isinstance(expression, a.Variable):
        return {expression.name}
    if isinstance(expression, a.Call):
        return set[str]().union(*(_variables(e) for e in expression.arguments))
    return set()


def _with_existing(filter_: a.Filter) -> a.Pattern:
    """Match triple patterns of FILTER EXISTS together with those that bind all of their variables.

    A solution of these makes each a triple, which is there or not, so that nothing is matched twice.
    """
    assert isinstance(filter_.pattern, a.Basic)
    triples, rest = list(filter_.pattern.triples), list[a.Expression]()
    bound = a.visible(filter_.pattern).keys()
    for condition in filter_.conditions:
        match condition:
            case a.Exists(a.Basic(inner, _) as basic, False) if a.visible(basic).keys() <= bound and all(
                isinstance(triple.predicate, a.Link | a.Variable) for triple in inner
            ):
                triples += [triple for triple in inner if triple not in triples]
            case _:
                rest.append(condition)
    if len(rest) == len(filter_.conditions):
        return filter_
    basic = a.Basic(tuple(triples), filter_.pattern.possible)
    return a.Filter(basic, tuple(rest)) if rest else basic


def _are_of(keys: Sequence[tuple[a.Expression, bool]], variables: Sequence[str]) -> bool:
    """Return whether equal values of these variables have equal keys of an order."""
    return all(_variables(key) <= {*variables} and _is_determined(key) for key, _ in keys)


def _is_determined(expression: a.Expression) -> bool:
    if isinstance(expression, a.Call):
        return expression.name not in VOLATILE and all(map(_is_determined, expression.arguments))
    return not isinstance(expression, a.Exists)


def _has_exists(expression: a.Expression) -> bool:
    if isinstance(expression, a.Call):
        return any(map(_has_exists, expression.arguments))
    return isinstance(expression, a.Exists)
