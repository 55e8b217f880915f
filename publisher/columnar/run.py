"""Run a query over the columns of a snapshot: its text in, solutions, a truth value or triples out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from itertools import count
from typing import Any, cast

# DuckDB imports it at the first function in Python, when a query may have left no memory for that. Loaded with this
# module, it is part of the process that forks workers.
import numpy  # noqa: F401
from duckdb.func import FunctionNullHandling

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar.context import Context, QueryDataset
from vaven.publisher.columnar.expressions import Functions
from vaven.publisher.columnar.patterns import Patterns
from vaven.publisher.columnar.relations import SolutionRelation, VariableColumn, number_term
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import FALSE, TRUE, iri, literal

BATCH = 4096
# Levels of blank nodes that a description follows.
MAX_DEPTH = 10
# So many resources are described one by one.
FEW = 20
Solution = tuple[str | None, ...]
Decoder = Callable[[Any], str]


@dataclass(frozen=True)
class Solutions:
    """The variables of a SELECT, and batches of its solutions as the columns have them.

    A decoder returns the text of the term that a value of its variable is; None is unbound.
    """

    variables: tuple[str, ...]
    decoders: tuple[Decoder, ...]
    batches: Iterator[Sequence[tuple[Any, ...]]]

    @property
    def rows(self) -> Iterator[Solution]:
        """Yield the solutions as texts of terms."""
        for batch in self.batches:
            for row in batch:
                yield tuple(
                    None if value is None else decode(value) for decode, value in zip(self.decoders, row, strict=True)
                )


def run(
    columns: Columns,
    query: a.Query,
    default_graphs: Sequence[str] = (),
    named_graphs: Sequence[str] = (),
) -> Solutions | bool | Iterator[tuple[str, str, str]]:
    """Run a query. Graphs of the protocol replace those of its FROM clauses (SPARQL 1.1 Protocol, section 2.1.4)."""
    if not default_graphs and not named_graphs:
        default_graphs, named_graphs = query.default_graphs, query.named_graphs
    # A query that ended before its last solution, such as ASK, leaves a result that DuckDB holds the connection for.
    columns.connection.abort()
    run_ = _Run(columns, query.base, tuple(default_graphs), tuple(named_graphs))
    if query.form == "ASK":
        return next(run_.solutions(query.pattern, ()).rows, None) is not None
    if query.form == "SELECT":
        return run_.solutions(query.pattern, query.variables)
    if query.form == "CONSTRUCT":
        return run_.constructed(query)
    return run_.described(query)


@dataclass(frozen=True)
class _Run:
    columns: Columns
    base: str
    default_graphs: tuple[str, ...]
    named_graphs: tuple[str, ...]

    def _patterns(self, pattern: a.Pattern) -> tuple[Patterns, QueryDataset]:
        """Return a translator that knows the ids of all constants of a pattern."""
        ontology = f"{self.columns.base}ns#"
        graphs = [iri(graph) for graph in (*self.default_graphs, *self.named_graphs)]
        properties = map(iri, Context.own_terms(ontology)) if self.columns.has_observations else ()
        inline = dict.fromkeys(_inline(pattern))
        # Those that may get into solutions have the first numbers.
        terms = dict.fromkeys((*inline, *_constants(pattern), *graphs, *properties))
        known = self.columns.ids(terms)
        numbers = count(-2, -1)
        constants = {term: known[term] if term in known else next(numbers) for term in terms}
        dataset = QueryDataset()
        if graphs:
            default = tuple(constants[iri(graph)] for graph in self.default_graphs)
            dataset = QueryDataset(default, tuple(constants[iri(graph)] for graph in self.named_graphs))
        own = [term for term in inline if constants[term] < 0]
        return Patterns(Context(self.columns, self.base, constants, own)), dataset

    def solutions(self, pattern: a.Pattern, variables: tuple[str, ...]) -> Solutions:
        patterns, dataset = self._patterns(pattern)
        relations = patterns.relations
        relation = relations.select(patterns.relation(a.narrowed(pattern), dataset), variables)
        relation = relations.with_terms(relation, [v for v, c in relation.columns.items() if c.has_observations])
        self._register(patterns.functions)
        own = {-2 - i: term for i, term in enumerate(relations.own)}
        decoders = tuple(self._decoder(relation.columns[v], own) for v in variables)
        return Solutions(variables, decoders, self._batches(patterns, relation, variables))

    def _batches(
        self, patterns: Patterns, relation: SolutionRelation, variables: Sequence[str]
    ) -> Iterator[Sequence[tuple[Any, ...]]]:
        names = ", ".join(patterns.names.of(v) for v in variables) or "1"
        order = ""
        if relation.order:
            keys = (
                f"{name} {'DESC NULLS LAST' if is_descending else 'ASC NULLS FIRST'}"
                for name, is_descending in relation.order
            )
            order = f" ORDER BY {', '.join(keys)}"
        cursor = self.columns.connection.execute(f"SELECT {names} FROM ({relation.sql}){order}")
        of_terms = [i for i, v in enumerate(variables) if relation.columns[v].kind == "id"]
        while rows := cursor.fetchmany(BATCH):
            if of_terms:
                self.columns.dictionary.load(row[i] for row in rows for i in of_terms)
            yield rows if variables else [()] * len(rows)

    def _decoder(self, column: VariableColumn, own: Mapping[int, str]) -> Decoder:
        """Return a function from the values of a column to texts of terms."""
        if column.kind == "id":
            term = self.columns.dictionary.term
            return term if not column.has_own else lambda number: own[number] if number < 0 else term(number)
        if column.kind == "number":
            return partial(number_term, column=column)
        if column.kind == "boolean":
            return lambda value: TRUE if value else FALSE
        return literal if column.kind == "text" else str

    def _register(self, functions: Functions) -> None:
        """Create the functions that the SQL calls, each once in a connection."""
        for name, (function, arguments, returns) in functions.used.items():
            if name in self.columns.functions:
                continue
            kinds: list[Any] = ["VARCHAR"] * arguments
            if name.startswith("fn_list_"):
                kinds[0] = "VARCHAR[]"
            self.columns.connection.create_function(
                name, _strict(function, arguments), kinds, returns, null_handling=FunctionNullHandling.SPECIAL,
                side_effects=name.startswith("fn_volatile_"),
            )  # fmt: skip
            self.columns.functions.add(name)

    # --- graphs

    def constructed(self, query: a.Query) -> Iterator[tuple[str, str, str]]:
        """Yield the triples of a template for all solutions, each once (section 16.2)."""
        variables = tuple(a.visible(query.pattern))
        seen = set[tuple[str, str, str]]()
        for number, row in enumerate(self.solutions(query.pattern, variables).rows):
            values = dict(zip(variables, row, strict=True))
            for triple in query.template:
                triple_terms = tuple(
                    _filled(term, values, number) for term in (triple.subject, triple.predicate, triple.object)
                )
                s, p, o = triple_terms
                if s and p and o and s[0] != '"' and p[0] == "<" and (s, p, o) not in seen:
                    seen.add((s, p, o))
                    yield s, p, o

    def described(self, query: a.Query) -> Iterator[tuple[str, str, str]]:
        """Yield the triples whose subjects are the described resources, and those of their blank nodes."""
        variables = tuple(t.name for t in query.described if isinstance(t, a.Variable))
        terms = dict.fromkeys(t for t in query.described if isinstance(t, str))
        if variables:
            terms |= {t: None for row in self.solutions(query.pattern, variables).rows for t in row if t}
        seen, level = set[tuple[str, str, str]](), [t for t in terms if t[0] != '"']
        done = set(level)
        for _ in range(MAX_DEPTH):
            if not level:
                return
            statements, level = self._statements(level), []
            for subject, predicate, object_ in statements:
                if (subject, predicate, object_) not in seen:
                    seen.add((subject, predicate, object_))
                    yield subject, predicate, object_
                    if object_[0] == "_" and object_ not in done:
                        done.add(object_)
                        level.append(object_)

    def _statements(self, subjects: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Yield the triples of subjects; each of a few is a query of its own, which reads no column without it."""
        s, p, o = (a.Variable(f" {name}") for name in "spo")
        if len(subjects) <= FEW:
            for subject in subjects:
                pattern: a.Pattern = a.Basic((a.Triple(subject, p, o),))
                for predicate, object_ in self.solutions(pattern, (p.name, o.name)).rows:
                    assert predicate
                    assert object_
                    yield subject, predicate, object_
            return
        values = a.Values((s.name,), tuple((term,) for term in subjects))
        pattern = a.Join(values, a.Basic((a.Triple(s, p, o),)))
        for row in self.solutions(pattern, (s.name, p.name, o.name)).rows:
            yield cast("tuple[str, str, str]", row)


def _strict(function: Callable[..., object], count_: int) -> Callable[..., Any]:
    """Return a function of so many arguments that is an error if one of them is: DuckDB asks for its signature."""
    if count_ == 0:
        return function
    if count_ == 1:
        return lambda a: None if a is None else function(a)
    if count_ == 2:
        return lambda a, b: None if a is None or b is None else function(a, b)
    if count_ == 3:
        return lambda a, b, c: None if a is None or b is None or c is None else function(a, b, c)
    return lambda a, b, c, d: None if a is None or b is None or c is None or d is None else function(a, b, c, d)


def _filled(term: Any, values: dict[str, str | None], number: int) -> str | None:
    """Return a template's term for one solution; blank nodes are new in each."""
    if isinstance(term, str):
        return term
    if isinstance(term, a.Link):
        return iri(term.iri)
    if term.is_hidden:
        return f"_t{number}{term.name.strip().lstrip('_:')}"
    return values.get(term.name)


def _constants(value: Any) -> Iterator[str]:
    """Yield all terms in a pattern, with the properties of its paths."""
    if isinstance(value, str):
        if value[:1] in ("<", '"', "_"):
            yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _constants(item)
    elif isinstance(value, a.Link):
        yield iri(value.iri)
    elif is_dataclass(value) and not isinstance(value, a.Variable):
        for field in fields(value):
            yield from _constants(getattr(value, field.name))


def _inline(value: Any) -> Iterator[str]:
    """Yield the terms that a query's own text may put into solutions, as ids: in VALUES, and at the ends of paths."""
    if isinstance(value, a.Values):
        yield from (term for row in value.rows for term in row if term is not None)
    elif isinstance(value, a.Triple):
        if isinstance(value.predicate, a.Repeated | a.Alternative | a.Sequence | a.Inverse):
            yield from (term for term in (value.subject, value.object) if isinstance(term, str))
    elif isinstance(value, tuple):
        for item in value:
            yield from _inline(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _inline(getattr(value, field.name))
