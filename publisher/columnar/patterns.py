"""Graph patterns as relations (section 18.6): basic graph patterns over triples and columns, and the algebra's operators."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar import observations as obs
from vaven.publisher.columnar.aggregates import aggregated
from vaven.publisher.columnar.expressions import Expressions, Functions, Scope, Value
from vaven.publisher.columnar.functions import order_text
from vaven.publisher.columnar.relations import (
    UNIT,
    Column,
    Names,
    Relation,
    Relations,
    as_term,
    empty,
    number_text,
)
from vaven.publisher.columns.build import UNDEFINED
from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import iri, literal
from vaven.publisher.columns.values import DATE_TIME, now_text, number_of, number_term
from vaven.schemas.standard.sql import text

RESOURCE = Column("id", is_resource=True)
NODE = Column("id")


@dataclass(frozen=True)
class Dataset:
    """The graphs that a pattern is matched in: those of the default graph (None: all), and the named ones.

    Inside of GRAPH, `graph` is the id of the one graph, or the hidden variable whose values are named graphs.
    """

    default: tuple[int, ...] | None = None
    named: tuple[int, ...] | None = None
    graph: int | str | None = None


@dataclass
class _Sources:
    """A conjunction: relations under aliases with conditions, and the SQL and column of each variable."""

    tables: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    bound: dict[str, tuple[str, Column]] = field(default_factory=dict)


class Patterns:
    """Translation of the patterns of one query over the columns of a snapshot."""

    def __init__(self, columns: Columns, base: str, constants: Mapping[str, int], terms: str = "terms") -> None:
        self.columns, self.base = columns, base
        self.names = Names()
        self.relations = Relations(self.names, terms)
        self.functions = Functions()
        self._constants = dict(constants)
        self._has_own_terms = terms != "terms"
        self._now = literal(now_text(), DATE_TIME)
        self._ontology = f"{columns.base}ns#"
        self._properties = obs.properties(self._ontology) if columns.has_observations else {}

    def id(self, term: str) -> int:
        """Return the id of a constant; one that the snapshot lacks has a negative id."""
        return self._constants[term]

    # --- the algebra

    def relation(self, pattern: a.Pattern, dataset: Dataset, outer: Scope | None = None) -> Relation:
        match pattern:
            case a.Basic(triples):
                return self._basic(triples, dataset)
            case a.Join(left, right):
                return self.relations.join(self.relation(left, dataset, outer), self.relation(right, dataset, outer))
            case a.LeftJoin(left, right, conditions):
                return self._left_join(left, right, conditions, dataset, outer)
            case a.Filter(inner, conditions):
                return self._filter(self.relation(inner, dataset, outer), conditions, dataset, outer)
            case a.Union(patterns):
                return self.relations.union([self.relation(inner, dataset, outer) for inner in patterns])
            case a.Graph(name, inner):
                return self._graph(name, inner, dataset, outer)
            case a.Extend(inner, variable, expression):
                return self._extend(self.relation(inner, dataset, outer), variable, expression, dataset, outer)
            case a.Minus(left, right):
                return self._minus(self.relation(left, dataset, outer), self.relation(right, dataset), dataset)
            case a.Values():
                return self._values(pattern)
            case a.Group():
                return self._group(pattern, dataset, outer)
            case a.OrderBy(inner, keys):
                return self._order(self.relation(inner, dataset, outer), keys, dataset, outer)
            case a.Project(inner, variables):
                relation = self.relation(inner, dataset, outer)
                return self.relations.select(relation, [*variables, *self._graph_names(relation, dataset)])
            case a.Distinct(inner):
                return self._distinct(self.relation(inner, dataset, outer))
            case a.Slice(inner, offset, limit):
                return self._slice(self.relation(inner, dataset, outer), offset, limit, dataset)

    @staticmethod
    def _graph_names(relation: Relation, dataset: Dataset) -> list[str]:
        """Return the hidden variable of the graph around a pattern, if the relation has it."""
        return [dataset.graph] if isinstance(dataset.graph, str) and dataset.graph in relation.columns else []

    def _expressions(self, relation: Relation, dataset: Dataset, outer: Scope | None) -> Expressions:
        scope = Scope(relation, self.names.new("f"), self.relations, outer)

        def pattern(inner: a.Pattern, around: Scope) -> Relation:
            return self.relation(inner, self._inner_dataset(dataset), around)

        return Expressions(scope, self.functions, pattern, self.id, self.base, self._now)

    @staticmethod
    def _inner_dataset(dataset: Dataset) -> Dataset:
        """Return the dataset for the pattern of an EXISTS, whose graph is that of the solution."""
        return dataset

    def _filter(
        self, relation: Relation, conditions: Sequence[a.Expression], dataset: Dataset, outer: Scope | None
    ) -> Relation:
        expressions = self._expressions(relation, dataset, outer)
        where = " AND ".join(expressions.condition(c) for c in conditions)
        return replace(relation, sql=f"{self._chosen(expressions.scope)} WHERE {where}")

    def _chosen(self, scope: Scope, *added: str) -> str:
        """Return SQL that selects the variables of a scope's relation, and further columns."""
        relation = scope.relation
        names = [f"{scope.alias}.{self.names.of(v)}" for v in relation.columns]
        names += [f"{scope.alias}.{name}" for name, _ in relation.order]
        return f"SELECT {', '.join((*names, *added)) or '1 AS unit'} FROM {scope.source()}"

    def _extend(
        self, relation: Relation, variable: str, expression: a.Expression, dataset: Dataset, outer: Scope | None
    ) -> Relation:
        expressions = self._expressions(relation, dataset, outer)
        value = expressions.value(expression)
        sql, column = value.sql, value.column
        if value.constant and column.kind == "term":
            column = replace(column, may_be_unbound=False)
        elif not value.variable and not value.constant:
            column = replace(column, may_be_unbound=True)
        if value.constant and column.kind == "number" and self._is_odd(value):
            sql, column = text(value.constant), Column("term")
        chosen = self._chosen(expressions.scope, f"{sql} AS {self.names.of(variable)}")
        return Relation(chosen, {**relation.columns, variable: column}, relation.order)

    @staticmethod
    def _is_odd(value: Value) -> bool:
        """Return whether a number is written in another than the canonical form, which its term keeps."""
        number = number_of(value.constant)
        return number is None or number_term(number) != value.constant

    def _left_join(
        self,
        left: a.Pattern,
        right: a.Pattern,
        conditions: Sequence[a.Expression],
        dataset: Dataset,
        outer: Scope | None,
    ) -> Relation:
        l, r = self.relation(left, dataset, outer), self.relation(right, dataset, outer)
        own = [c for c in conditions if _variables(c) <= r.columns.keys() and not _has_exists(c)]
        if own:
            r = self._filter(r, own, dataset, outer)
        rest = [c for c in conditions if c not in own]
        if not rest:
            return self.relations.join(l, r, "LEFT JOIN")
        # The solutions of the left side are numbered, joined and filtered, and those without a partner are added.
        shared = [v for v in l.columns if v in r.columns]
        l, r = self.relations.alike([l, r], shared)
        name, number = self.names.new("left"), " number"
        numbered = f"SELECT *, row_number() OVER () AS {self.names.of(number)} FROM ({l.sql})"
        known = Relation(f"FROM {name}", {**l.columns, number: Column("number")})
        matched = self._filter(self.relations.join(known, r), rest, dataset, outer)
        new = [v for v in matched.columns if v not in l.columns and v != number]
        x, y, n = self.names.new("l"), self.names.new("r"), self.names.of(number)
        columns = {v: l.columns[v] for v in l.columns}
        chosen = []
        for v in l.columns:
            if v in shared and l.columns[v].may_be_unbound:
                chosen.append(f"coalesce({x}.{self.names.of(v)}, {y}.{self.names.of(v)}) AS {self.names.of(v)}")
                columns[v] = l.columns[v].with_values_of(matched.columns[v])
            else:
                chosen.append(f"{x}.{self.names.of(v)}")
        for v in new:
            chosen.append(f"{y}.{self.names.of(v)}")
            columns[v] = replace(matched.columns[v], may_be_unbound=True)
        sql = (
            f"WITH {name} AS MATERIALIZED ({numbered}) SELECT {', '.join(chosen) or '1 AS unit'} "
            f"FROM {name} AS {x} LEFT JOIN ({matched.sql}) AS {y} ON {x}.{n} = {y}.{n}"
        )
        return Relation(sql, columns)

    def _minus(self, left: Relation, right: Relation, dataset: Dataset) -> Relation:
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
        sql = f"SELECT {x}.* FROM ({left.sql}) AS {x} WHERE NOT EXISTS (SELECT 1 FROM ({right.sql}) AS {y} WHERE {condition})"
        return replace(left, sql=sql)

    def _values(self, values: a.Values) -> Relation:
        if not values.rows:
            return empty(values.variables, self.names)
        names = [self.names.of(v) for v in values.variables]
        rows = ", ".join(
            f"({', '.join(['NULL' if t is None else f'{self.id(t)}' for t in row] or ['1'])})" for row in values.rows
        )
        columns = {}
        for i, variable in enumerate(values.variables):
            cells = [row[i] for row in values.rows]
            columns[variable] = Column(
                "id",
                may_be_unbound=None in cells,
                is_resource=all(t is None or t[0] != '"' for t in cells),
                has_observations=any(t is not None and self.id(t) >= FIRST_OBSERVATION for t in cells),
            )
        casts = ", ".join(f"{n}::BIGINT AS {n}" for n in names) or "1 AS unit"
        return Relation(f"SELECT {casts} FROM (VALUES {rows}) AS t({', '.join(names) or 'unit'})", columns)

    def _group(self, group: a.Group, dataset: Dataset, outer: Scope | None) -> Relation:
        relation = self.relation(group.pattern, dataset, outer)
        if isinstance(dataset.graph, str) and dataset.graph not in relation.columns:
            relation = self.relations.join(self._graphs(dataset.graph, dataset), relation)
        graph = self._graph_names(relation, dataset)
        result = aggregated(self._expressions(relation, dataset, outer), group, graph)
        if group.is_implicit and graph:
            # Each graph has one group, also without solutions; its sums are those of an empty group.
            nothing = aggregated(
                self._expressions(empty(list(relation.columns), self.names), dataset, outer), group, []
            )
            result = self._with_empty_groups(result, nothing, graph[0], dataset)
        return result

    def _with_empty_groups(self, result: Relation, nothing: Relation, graph: str, dataset: Dataset) -> Relation:
        graphs = self._graphs(graph, dataset)
        x, y, name = self.names.new("l"), self.names.new("r"), self.names.of(graph)
        missing = f"SELECT {x}.* FROM ({graphs.sql}) AS {x} WHERE NOT EXISTS (SELECT 1 FROM ({result.sql}) AS {y} WHERE {x}.{name} = {y}.{name})"
        return self.relations.union([result, self.relations.join(replace(graphs, sql=missing), nothing)])

    def _order(
        self,
        relation: Relation,
        keys: Sequence[tuple[a.Expression, bool]],
        dataset: Dataset,
        outer: Scope | None,
    ) -> Relation:
        expressions = self._expressions(relation, dataset, outer)
        added, order = [], []
        for expression, is_descending in keys:
            for sql in self._sort_keys(expressions, expressions.value(expression)):
                name = self.names.new("k")
                added.append(f"{sql} AS {name}")
                order.append((name, is_descending))
        return Relation(self._chosen(expressions.scope, *added), relation.columns, tuple(order))

    def _sort_keys(self, expressions: Expressions, value: Value) -> Iterator[str]:
        """Yield SQL of the keys that sort values as ORDER BY does."""
        column = value.column
        if column.kind == "number":
            if column.has_undefined:
                # Undefined follows the numbers, as any literal of another datatype.
                yield f"({value.sql} = {UNDEFINED})"
            yield value.sql
        elif column.kind in ("text", "boolean"):
            yield value.sql
        elif column.kind == "id" and not column.has_observations and not self._has_own_terms and not value.constant:
            assert value.scope is not None
            yield value.scope.lookup(value.variable, "rank")
        else:
            yield self.functions.call(order_text, "order", [expressions.term(value)], "VARCHAR")

    def _distinct(self, relation: Relation) -> Relation:
        names = ", ".join(self.names.of(v) for v in relation.columns) or "1 AS unit"
        if not relation.order:
            return replace(relation, sql=f"SELECT DISTINCT {names} FROM ({relation.sql})")
        sorted_ = _order_by(relation.order)
        keys = ", ".join(f"first({name} ORDER BY {sorted_}) AS {name}" for name, _ in relation.order)
        return replace(relation, sql=f"SELECT {names}, {keys} FROM ({relation.sql}) GROUP BY {names}")

    def _slice(self, relation: Relation, offset: int, limit: int | None, dataset: Dataset) -> Relation:
        graph = self._graph_names(relation, dataset)
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

    def _graph(self, name: a.Term, pattern: a.Pattern, dataset: Dataset, outer: Scope | None) -> Relation:
        if isinstance(name, str):
            number = self.id(name)
            is_named = dataset.named is None or number in dataset.named
            inner = replace(dataset, graph=number if is_named else -(1 << 30))
            relation = self.relation(pattern, inner, outer)
            # A graph that does not exist has no solution, not even the empty one (section 18.6).
            exists = f"EXISTS (SELECT 1 FROM ({self._all_graphs(inner)}) AS g WHERE g.g = {inner.graph})"
            return replace(relation, sql=f"SELECT * FROM ({relation.sql}) WHERE {exists}")
        hidden = f" graph{self.names.new('g')}"
        inner = replace(dataset, graph=hidden)
        relation = self.relation(pattern, inner, outer)
        if hidden not in relation.columns or relation.columns[hidden].may_be_unbound:
            relation = self.relations.join(self._graphs(hidden, inner), relation)
        variable = name.name
        graph = self.names.of(hidden)
        if variable in relation.columns:
            relation = self.relations.join(
                relation,
                Relation(
                    f"SELECT DISTINCT {graph}, {graph} AS {self.names.of(variable)} FROM ({self._graphs(hidden, inner).sql})",
                    {hidden: RESOURCE, variable: RESOURCE},
                ),
            )
            others = [v for v in relation.columns if v != hidden]
            return self.relations.select(relation, others)
        names = [self.names.of(v) for v in relation.columns if v != hidden]
        columns = {v: c for v, c in relation.columns.items() if v != hidden} | {variable: RESOURCE}
        chosen = ", ".join([*names, f"{graph} AS {self.names.of(variable)}"])
        return Relation(f"SELECT {chosen} FROM ({relation.sql})", columns)

    def _graphs(self, variable: str, dataset: Dataset) -> Relation:
        """Return all named graphs as values of a variable."""
        return Relation(
            f"SELECT g AS {self.names.of(variable)} FROM ({self._all_graphs(dataset)})", {variable: RESOURCE}
        )

    def _all_graphs(self, dataset: Dataset) -> str:
        sql = "SELECT DISTINCT g FROM triples"
        if dataset.named is not None:
            return f"SELECT g FROM ({sql}) WHERE g IN ({', '.join(map(str, dataset.named)) or 'NULL'})"
        return sql

    def _graph_condition(self, column: str, dataset: Dataset) -> Iterator[str]:
        """Yield the condition on the graph of a triple, unless it is bound to a variable."""
        if isinstance(dataset.graph, int):
            yield f"{column} = {dataset.graph}"
        elif isinstance(dataset.graph, str):
            if dataset.named is not None:
                yield f"{column} IN ({', '.join(map(str, dataset.named)) or 'NULL'})"
        elif dataset.default is not None:
            yield f"{column} IN ({', '.join(map(str, dataset.default)) or 'NULL'})"

    # --- basic graph patterns

    def _basic(self, triples: Sequence[a.Triple], dataset: Dataset) -> Relation:
        simple: list[a.Triple] = []
        paths: list[a.Triple] = []
        for triple in triples:
            self._flatten(triple, simple, paths)
        relation = self._conjunction(simple, dataset)
        for triple in paths:
            relation = self.relations.join(relation, self._path(triple, dataset))
        return relation

    def _flatten(self, triple: a.Triple, simple: list[a.Triple], paths: list[a.Triple]) -> None:
        """Write sequences and inverse properties as triple patterns (section 9.3 and 18.4)."""
        predicate = triple.predicate
        if isinstance(predicate, a.Sequence):
            subject = triple.subject
            for i, step in enumerate(predicate.steps):
                is_last = i + 1 == len(predicate.steps)
                target = triple.object if is_last else a.Variable(f" {self.names.new('step')}")
                self._flatten(a.Triple(subject, step, target), simple, paths)
                subject = target
        elif isinstance(predicate, a.Inverse):
            self._flatten(a.Triple(triple.object, predicate.path, triple.subject), simple, paths)
        elif isinstance(predicate, a.Variable | a.Link):
            simple.append(triple)
        else:
            paths.append(triple)

    def _conjunction(self, triples: Sequence[a.Triple], dataset: Dataset) -> Relation:
        if not triples:
            return self._graphs(dataset.graph, dataset) if isinstance(dataset.graph, str) else UNIT
        stars, measures = self._observed(triples)
        described = self._described(triples, stars)
        sources, others = _Sources(), list[Relation]()
        rest: list[a.Triple] = []
        by_subject: dict[a.Term, list[a.Triple]] = {}
        for triple in triples:
            subject = self._star_of(triple, stars, measures)
            if subject is not None:
                by_subject.setdefault(subject, []).append(triple)
            else:
                rest.append(triple)
        for subject, own in by_subject.items():
            self._add_star(subject, own, dataset, sources, others)
        for triple in rest:
            self._add_triple(triple, dataset, sources, others, is_small=triple.subject in described)
        parts = [self._closed(sources)] if sources.tables else []
        relation, *more = (*parts, *others)
        for other in more:
            relation = self.relations.join(relation, other)
        return relation

    def _observed(self, triples: Sequence[a.Triple]) -> tuple[set[a.Term], dict[a.Variable, a.Term]]:
        """Return the subjects that can only be observations, and the quantities by the observation they belong to."""
        stars: set[a.Term] = set()
        measures: dict[a.Variable, a.Term] = {}
        for triple in triples:
            if not isinstance(triple.predicate, a.Link) or not self.columns.has_observations:
                continue
            predicate = triple.predicate.iri
            if predicate in self._properties and predicate not in self.columns.predicates:
                stars.add(triple.subject)
            elif predicate == obs.OBSERVATION_OF and predicate not in self.columns.predicates:
                stars.add(triple.object)
            elif predicate == obs.RDF_TYPE and isinstance(triple.object, str):
                kind = triple.object[1:]
                if kind in obs.TYPES and kind not in self.columns.classes:
                    stars.add(triple.subject)
        stars = {s for s in stars if isinstance(s, a.Variable) or self.id(s) >= FIRST_OBSERVATION or self.id(s) < 0}
        for triple in triples:
            is_measure = isinstance(triple.predicate, a.Link) and triple.predicate.iri == obs.HAS_MEASURE
            if is_measure and triple.subject in stars and isinstance(triple.object, a.Variable):
                measures.setdefault(triple.object, triple.subject)
        return stars, measures

    def _described(self, triples: Sequence[a.Triple], stars: set[a.Term]) -> set[a.Term]:
        """Return the variables that cannot be observations or quantities: all their triples are small."""
        result: set[a.Term] = set()
        for triple in triples:
            if isinstance(triple.predicate, a.Link):
                property_ = self._properties.get(triple.predicate.iri)
                if not obs.is_own(triple.predicate.iri, self._ontology):
                    if triple.predicate.iri not in self.columns.observation_predicates:
                        result |= {triple.subject, triple.object}
                elif property_ and property_.column == RESOURCE and triple.subject in stars:
                    result.add(triple.object)
        return {term for term in result if isinstance(term, a.Variable)} - stars

    def _star_of(self, triple: a.Triple, stars: set[a.Term], measures: Mapping[a.Variable, a.Term]) -> a.Term | None:
        """Return the observation whose columns answer a triple pattern."""
        if not isinstance(triple.predicate, a.Link):
            return None
        predicate = triple.predicate.iri
        if triple.subject in stars:
            if predicate in self._properties:
                return triple.subject
            if predicate == obs.RDF_TYPE and isinstance(triple.object, str) and triple.object[1:] in obs.TYPES:
                return triple.subject
        if predicate == obs.OBSERVATION_OF and triple.object in stars:
            return triple.object
        if isinstance(triple.subject, a.Variable) and triple.subject in measures and triple.subject not in stars:
            is_type = predicate == obs.RDF_TYPE and triple.object == iri(obs.MEASURE)
            return measures[triple.subject] if is_type or predicate == obs.HAS_NUMBER else None
        return None

    def _add_star(
        self,
        subject: a.Term,
        triples: Sequence[a.Triple],
        dataset: Dataset,
        sources: _Sources,
        others: list[Relation],
    ) -> None:
        """Add one scan of the observations for all patterns with this subject."""
        o = self.names.new("o")
        source = _Sources([f"observations AS {o}"])
        self._bind(subject, f"{o}.id", obs.OBSERVATION, source)
        self._bind_graph(f"{o}.graph", dataset, source)
        for triple in triples:
            assert isinstance(triple.predicate, a.Link)
            predicate = triple.predicate.iri
            if predicate == obs.RDF_TYPE:
                if triple.object in (iri(obs.REPORT), iri(obs.MEASURE)):
                    source.conditions.append(f"{o}.is_report")
            elif predicate == obs.OBSERVATION_OF and triple.object == subject:
                self._bind(triple.subject, f"{o}.observation_set", RESOURCE, source)
            elif predicate == obs.HAS_NUMBER:
                source.conditions.append(f"{o}.is_report")
                self._bind(triple.object, number_text(f"{o}.value", obs.NUMBER), obs.TEXT, source)
            else:
                property_, j = self._properties[predicate], self.names.new("j")
                for table, on in property_.joined:
                    source.tables.append(table.replace("{j}", j))
                    source.conditions.append(on.replace("{j}", j).replace("{o}", o))
                if property_.condition:
                    source.conditions.append(property_.condition.replace("{o}", o))
                self._bind(triple.object, property_.sql.replace("{j}", j).replace("{o}", o), property_.column, source)
        self._merge(source, sources, others)

    def _bind(self, term: a.Term, sql: str, column: Column, source: _Sources) -> None:
        """Add a variable's binding, or a condition for a constant or a further occurrence."""
        if isinstance(term, str):
            source.conditions.append(self._equals(sql, column, term))
        elif term.name not in source.bound:
            source.bound[term.name] = sql, column
        else:
            known, other = source.bound[term.name]
            if other.is_alike(column):
                source.conditions.append(f"{known} = {sql}")
            else:
                # The two are compared as terms, by a join of its own.
                source.conditions.append(f"{self._term_of(known, other)} = {self._term_of(sql, column)}")

    def _term_of(self, sql: str, column: Column) -> str:
        if column.kind != "id":
            return as_term(sql, column)
        return f"(SELECT term FROM {self.relations.terms} AS x WHERE x.id = {sql})"

    def _equals(self, sql: str, column: Column, term: str) -> str:
        if column.kind == "id":
            return f"{sql} = {self.id(term)}"
        if column.kind == "text":
            return f"{sql} = {text(term[2:])}" if term.startswith('""') else "false"
        return f"{as_term(sql, column)} = {text(term)}"

    def _bind_graph(self, sql: str, dataset: Dataset, source: _Sources) -> None:
        source.conditions += self._graph_condition(sql, dataset)
        if isinstance(dataset.graph, str):
            self._bind(a.Variable(dataset.graph), sql, RESOURCE, source)

    def _merge(self, source: _Sources, sources: _Sources, others: list[Relation]) -> None:
        """Add a source to the conjunction if its variables have the same representation there, else beside it."""
        for name, (sql, column) in source.bound.items():
            if name in sources.bound and not sources.bound[name][1].is_alike(column):
                others.append(self._closed(source))
                return
        sources.tables += source.tables
        sources.conditions += source.conditions
        for name, (sql, column) in source.bound.items():
            if name in sources.bound:
                known, other = sources.bound[name]
                sources.conditions.append(f"{known} = {sql}")
                # Equal values are in both, so that the narrower description holds.
                narrower = replace(
                    other,
                    is_resource=other.is_resource or column.is_resource,
                    has_observations=other.has_observations and column.has_observations,
                    has_terms=other.has_terms and column.has_terms,
                    has_undefined=other.has_undefined and column.has_undefined,
                )
                sources.bound[name] = known, narrower
            else:
                sources.bound[name] = sql, column

    def _closed(self, source: _Sources) -> Relation:
        chosen = ", ".join(f"{sql} AS {self.names.of(name)}" for name, (sql, _) in source.bound.items()) or "1 AS unit"
        where = f" WHERE {' AND '.join(source.conditions)}" if source.conditions else ""
        columns = {name: column for name, (_, column) in source.bound.items()}
        return Relation(f"SELECT {chosen} FROM {', '.join(source.tables)}{where}", columns)

    def _add_triple(
        self, triple: a.Triple, dataset: Dataset, sources: _Sources, others: list[Relation], *, is_small: bool = False
    ) -> None:
        """Add a pattern over the small triples, and over those of observations where it may match some."""
        branches = self._branches(triple) if self.columns.has_observations and not is_small else []
        small = self._small(triple, dataset)
        if small is not None and not branches:
            self._merge(small, sources, others)
            return
        relations = [self._closed(small)] if small is not None else []
        for sql, subject, object_ in branches:
            alias = self.names.new("b")
            source = _Sources([f"({sql}) AS {alias}"])
            self._bind(triple.subject, f"{alias}.s", subject, source)
            if isinstance(triple.predicate, a.Variable):
                self._bind(triple.predicate, f"{alias}.p", RESOURCE, source)
            self._bind(triple.object, f"{alias}.o", object_, source)
            self._bind_graph(f"{alias}.g", dataset, source)
            relations.append(self._closed(source))
        names = [t.name for t in (triple.subject, triple.predicate, triple.object) if isinstance(t, a.Variable)]
        others.append(self.relations.union(relations) if relations else empty(names, self.names))

    def _small(self, triple: a.Triple, dataset: Dataset) -> _Sources | None:
        t = self.names.new("t")
        source = _Sources([f"triples AS {t}"])
        if isinstance(triple.predicate, a.Link):
            if triple.predicate.iri not in self.columns.predicates and self.columns.has_observations:
                if obs.is_own(triple.predicate.iri, self._ontology):
                    return None
            source.conditions.append(f"{t}.p = {self.id(iri(triple.predicate.iri))}")
        elif isinstance(triple.predicate, a.Variable):
            self._bind(triple.predicate, f"{t}.p", RESOURCE, source)
        special = self.columns.observation_predicates
        has_observations = triple.predicate.iri in special if isinstance(triple.predicate, a.Link) else bool(special)
        self._bind(triple.subject, f"{t}.s", replace(RESOURCE, has_observations=has_observations), source)
        self._bind(triple.object, f"{t}.o", replace(NODE, has_observations=has_observations), source)
        self._bind_graph(f"{t}.g", dataset, source)
        return source

    def _branches(self, triple: a.Triple) -> list[tuple[str, Column, Column]]:
        """Return the parts of the triples of observations that a pattern may match: SQL of s, p, o, g, and columns."""
        predicate = triple.predicate.iri if isinstance(triple.predicate, a.Link) else None
        if predicate is not None and not obs.is_own(predicate, self._ontology):
            return []
        known = {iri_: self.id(iri(iri_)) for iri_ in self.own_terms(self._ontology)}
        result = []
        for own in obs.all_triples(self._ontology, known):
            is_other = predicate is not None and predicate != own.predicate
            if not (
                is_other or self._is_never(triple.subject, own.subject) or self._is_never(triple.object, own.object)
            ):
                if own.constant is None or isinstance(triple.object, a.Variable) or triple.object == own.constant:
                    result.append((own.sql, own.subject, own.object))
        return result

    def _is_never(self, term: a.Term, column: Column) -> bool:
        """Return whether a column cannot contain a constant."""
        if isinstance(term, a.Variable):
            return False
        if column.kind == "id":
            is_observation = self.id(term) >= FIRST_OBSERVATION
            return is_observation != column.has_observations or (column.is_resource and term[0] == '"')
        return (term[0] == '"') == column.is_resource

    @staticmethod
    def own_terms(ontology: str) -> Iterable[str]:
        """Return the IRIs in triples of observations that a query's constants include."""
        return (*obs.properties(ontology), *obs.TYPES, obs.RDF_TYPE, obs.OBSERVATION_OF, obs.HAS_NUMBER, obs.MEASURE)

    # --- paths

    def _path(self, triple: a.Triple, dataset: Dataset) -> Relation:
        path = triple.predicate
        if isinstance(path, a.Alternative):
            relations = [self._basic([a.Triple(triple.subject, one, triple.object)], dataset) for one in path.paths]
            return self.relations.union(relations)
        if isinstance(path, a.Negated):
            return self._negated(triple, path, dataset)
        assert isinstance(path, a.Repeated)
        return self._repeated(triple, path, dataset)

    def _negated(self, triple: a.Triple, path: a.Negated, dataset: Dataset) -> Relation:
        variable = a.Variable(f" {self.names.new('property')}")
        relations = []
        for is_used, excluded, subject, object_ in (
            (path.has_forward, path.forward, triple.subject, triple.object),
            (path.has_backward, path.backward, triple.object, triple.subject),
        ):
            if is_used:
                relation = self._conjunction([a.Triple(subject, variable, object_)], dataset)
                relation = self.relations.with_terms(relation, [variable.name])
                name = self.names.of(variable.name)
                listed = ", ".join(text(iri(one)) for one in excluded)
                where = f" WHERE {name} NOT IN ({listed})" if listed else ""
                relation = replace(relation, sql=f"SELECT * FROM ({relation.sql}){where}")
                relations.append(self.relations.select(relation, [v for v in relation.columns if v != variable.name]))
        return self.relations.union(relations)

    def _repeated(self, triple: a.Triple, path: a.Repeated, dataset: Dataset) -> Relation:
        """Translate `*`, `+` and `?`: pairs of the path's inner part, their closure, and paths of length zero."""
        start, end = " " + self.names.new("start"), " " + self.names.new("end")
        pairs = self._basic([a.Triple(a.Variable(start), path.path, a.Variable(end))], dataset)
        both = pairs.columns[start].kind == pairs.columns[end].kind == "id"
        pairs = pairs if both else self.relations.with_terms(pairs, [start, end])
        graph = self._graph_names(pairs, dataset)
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
            closure = f"SELECT g, s, o FROM ({closure}) UNION {self._zero_length(triple, both, graph, dataset)}"
        alias = self.names.new("c")
        source = _Sources([f"({closure}) AS {alias}"])
        a_column, b_column = pairs.columns[start], pairs.columns[end]
        column = a_column.with_values_of(b_column)
        if path.mark != "+":
            column = replace(
                column, has_observations=column.has_observations or self.columns.has_observations, is_resource=False
            )
        self._bind(triple.subject, f"{alias}.s", column, source)
        self._bind(triple.object, f"{alias}.o", column, source)
        if graph:
            self._bind(a.Variable(graph[0]), f"{alias}.g", RESOURCE, source)
        return self._closed(source)

    def _path_end(self, term: a.Term, is_id: bool) -> str | None:
        if isinstance(term, a.Variable):
            return None
        return str(self.id(term)) if is_id else text(term)

    def _zero_length(self, triple: a.Triple, is_id: bool, graph: Sequence[str], dataset: Dataset) -> str:
        """Return SQL of the paths of length zero: of a constant itself, or of every node (section 18.4)."""
        ends = [end for end in (triple.subject, triple.object) if isinstance(end, str)]
        graphs = f"SELECT g FROM ({self._all_graphs(dataset)})" if graph else "SELECT 0 AS g"
        if len(set(ends)) == 2:
            return "SELECT 0, NULL, NULL WHERE false"
        if ends:
            node = self._path_end(ends[0], is_id)
            return f"SELECT g, {node} AS s, {node} AS o FROM ({graphs})"
        node_, property_, other = (a.Variable(" " + self.names.new("any")) for _ in range(3))
        # Every subject and object; what is no id is a term, and then all are.
        triples = self._conjunction([a.Triple(node_, property_, other)], dataset)
        if is_id:
            small = self._small(a.Triple(node_, property_, other), dataset)
            assert small is not None
            triples = self._closed(small)
        else:
            triples = self.relations.with_terms(triples, [node_.name, other.name])
        g = self.names.of(graph[0]) if graph else "0"
        s, o = self.names.of(node_.name), self.names.of(other.name)
        observed = ""
        if is_id and self.columns.has_observations and not graph:
            observed = " UNION SELECT 0, id, id FROM observations"
        return f"(SELECT {g}, {s}, {s} FROM ({triples.sql}) UNION SELECT {g}, {o}, {o} FROM ({triples.sql}){observed})"


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


def _has_exists(expression: a.Expression) -> bool:
    if isinstance(expression, a.Call):
        return any(map(_has_exists, expression.arguments))
    return isinstance(expression, a.Exists)
