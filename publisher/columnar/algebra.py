"""The SPARQL algebra of a query, built from its syntax tree (SPARQL 1.1 Query Language, section 18.2).

Terms are texts (columns/terms.py). A blank node of a query is a variable whose name begins with a blank, which no
projection names.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Variable:
    """A variable of the query, or a blank node of it."""

    name: str

    @property
    def is_hidden(self) -> bool:
        return self.name.startswith(" ")


# The number of a solution, for BNODE(text), whose result is one in all columns of a solution (section 17.4.2.9).
ROW = " row"
# A constant is the text of its term.
Term = Variable | str


@dataclass(frozen=True)
class Link:
    """One property of a path."""

    iri: str


@dataclass(frozen=True)
class Inverse:
    path: "Path"


@dataclass(frozen=True)
class Sequence:
    steps: tuple["Path", ...]


@dataclass(frozen=True)
class Alternative:
    paths: tuple["Path", ...]


@dataclass(frozen=True)
class Repeated:
    """`*`, `+` and `?` by their mark."""

    path: "Path"
    mark: str


@dataclass(frozen=True)
class Negated:
    """All properties but these, in each direction that is written."""

    forward: tuple[str, ...]
    backward: tuple[str, ...]
    has_forward: bool
    has_backward: bool


Path = Link | Inverse | Sequence | Alternative | Repeated | Negated


@dataclass(frozen=True)
class Triple:
    """A triple pattern, or a property path pattern."""

    subject: Term
    predicate: Variable | Path
    object: Term


@dataclass(frozen=True)
class Aggregate:
    """An aggregate; `argument` is None for COUNT(*)."""

    name: str
    argument: "Expression | None"
    is_distinct: bool
    separator: str = " "


@dataclass(frozen=True)
class Call:
    """An operator or function by its name in upper case, or a cast or extension function by its IRI."""

    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Exists:
    pattern: "Pattern"
    is_negated: bool


Expression = Variable | str | Call | Aggregate | Exists


@dataclass(frozen=True)
class Basic:
    """Triple patterns. `possible` are the only terms that matter as values of some variables, by their names."""

    triples: tuple[Triple, ...] = ()
    possible: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Join:
    left: "Pattern"
    right: "Pattern"


@dataclass(frozen=True)
class LeftJoin:
    left: "Pattern"
    right: "Pattern"
    conditions: tuple[Expression, ...]


@dataclass(frozen=True)
class Filter:
    pattern: "Pattern"
    conditions: tuple[Expression, ...]


@dataclass(frozen=True)
class Union:
    patterns: tuple["Pattern", ...]


@dataclass(frozen=True)
class Graph:
    name: Term
    pattern: "Pattern"


@dataclass(frozen=True)
class Extend:
    pattern: "Pattern"
    variable: str
    expression: Expression


@dataclass(frozen=True)
class Minus:
    left: "Pattern"
    right: "Pattern"


@dataclass(frozen=True)
class Values:
    """Rows of constants; None is UNDEF."""

    variables: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class Group:
    """Groups by `keys`, which are variables, with aggregates by the names of hidden variables."""

    pattern: "Pattern"
    keys: tuple[str, ...]
    aggregates: tuple[tuple[str, Aggregate], ...]
    is_implicit: bool


@dataclass(frozen=True)
class OrderBy:
    """Solutions in order; True stands for descending."""

    pattern: "Pattern"
    keys: tuple[tuple[Expression, bool], ...]


@dataclass(frozen=True)
class Project:
    pattern: "Pattern"
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Distinct:
    pattern: "Pattern"


@dataclass(frozen=True)
class Slice:
    pattern: "Pattern"
    offset: int
    limit: int | None


Pattern = (
    Basic | Join | LeftJoin | Filter | Union | Graph | Extend | Minus | Values | Group | OrderBy | Project | Distinct
    | Slice
)  # fmt: skip


@dataclass(frozen=True)
class Query:
    """A query. `variables` are those that SELECT projects, `template` the triples of CONSTRUCT.

    `described` are the terms after DESCRIBE. The graphs are the IRIs in its FROM clauses; `base` resolves IRI().
    """

    form: str
    pattern: Pattern
    variables: tuple[str, ...] = ()
    template: tuple[Triple, ...] = ()
    described: tuple[Term, ...] = ()
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    prefixes: Mapping[str, str] = field(default_factory=dict)
    base: str = ""


def visible(pattern: Pattern) -> dict[str, None]:
    """Return the variables in scope of a pattern in the order of the query (section 18.2.1)."""
    match pattern:
        case Basic(triples, _):
            return _variables(
                term for t in triples for term in (t.subject, t.predicate, t.object) if isinstance(term, Variable)
            )
        case Join(left, right) | LeftJoin(left, right, _):
            return visible(left) | visible(right)
        case Filter(inner, _) | OrderBy(inner, _) | Distinct(inner) | Slice(inner, _, _) | Minus(inner, _):
            return visible(inner)
        case Union(patterns):
            return {name: None for inner in patterns for name in visible(inner)}
        case Graph(name, inner):
            return (_variables([name]) if isinstance(name, Variable) else {}) | visible(inner)
        case Extend(inner, variable, _):
            return visible(inner) | {variable: None}
        case Values(variables, _) | Project(_, variables):
            return dict.fromkeys(variables)
        case Group(_, keys, aggregates, _):
            return dict.fromkeys((*keys, *(name for name, _ in aggregates)))


def _variables(terms: "object") -> dict[str, None]:
    return {term.name: None for term in terms}  # type: ignore[attr-defined]


def has_labelled_node(expression: Expression) -> bool:
    """Return whether an expression calls BNODE with an argument."""
    if not isinstance(expression, Call):
        return False
    is_own = expression.name == "BNODE" and bool(expression.arguments)
    return is_own or any(map(has_labelled_node, expression.arguments))


def narrowed(pattern: Pattern, possible: Mapping[str, tuple[str, ...]] | None = None) -> Pattern:
    """Note in triple patterns which terms VALUES and filters around them leave to their variables.

    Solutions with another term are in no result of the pattern, whether or not they are matched.
    """
    known = dict(possible or {})
    match pattern:
        case Basic(triples, _):
            names = visible(pattern)
            return Basic(triples, tuple((name, terms) for name, terms in known.items() if name in names))
        case Join(left, right):
            known = _inline(pattern) | known
            return Join(narrowed(left, known), narrowed(right, known))
        case LeftJoin(left, right, conditions):
            # A variable that the left side may leave unbound has any value of the right one.
            bound = _bound(left)
            optional = {name: terms for name, terms in (_inline(left) | known).items() if name in bound}
            return LeftJoin(narrowed(left, known), narrowed(right, _compared(conditions) | optional), conditions)
        case Minus(left, right):
            return Minus(narrowed(left, known), narrowed(right))
        case Filter(inner, conditions):
            return Filter(narrowed(inner, _compared(conditions) | known), conditions)
        case Union(patterns):
            return Union(tuple(narrowed(inner, known) for inner in patterns))
        case Graph() | Extend() | OrderBy() | Distinct():
            return replace(pattern, pattern=narrowed(pattern.pattern, known))
        case Project(inner, names) | Group(inner, names, _, _):
            return replace(pattern, pattern=narrowed(inner, {name: known[name] for name in names if name in known}))
        case Slice(inner, _, _):
            return replace(pattern, pattern=narrowed(inner))
        case Values():
            return pattern


def _inline(pattern: Pattern) -> dict[str, tuple[str, ...]]:
    """Return the terms of VALUES that each solution of a pattern has one of, by variable."""
    match pattern:
        case Values(variables, rows):
            columns = {name: tuple(dict.fromkeys(row[i] for row in rows)) for i, name in enumerate(variables)}
            return {name: tuple(t for t in terms if t) for name, terms in columns.items() if None not in terms}
        case Join(left, right):
            return _inline(left) | _inline(right)
        case _:
            return {}


def _bound(pattern: Pattern) -> Set[str]:
    """Return variables that have a value in each solution of a pattern."""
    match pattern:
        case Basic():
            return visible(pattern).keys()
        case Values():
            return _inline(pattern).keys()
        case Join(left, right):
            return _bound(left) | _bound(right)
        case Filter(inner, _) | LeftJoin(inner, _, _) | Minus(inner, _) | Extend(inner, _, _):
            return _bound(inner)
        case _:
            return frozenset()


def _compared(conditions: Iterable[Expression]) -> dict[str, tuple[str, ...]]:
    """Return the IRIs that fulfil conditions by variable: no other term does."""
    result: dict[str, tuple[str, ...]] = {}
    for condition in conditions:
        match condition:
            case Call("&&", both):
                result |= _compared(both)
            case Call("=" | "IN", (Variable(name), *terms)) | Call("=", (*terms, Variable(name))):
                iris = tuple(term for term in terms if isinstance(term, str) and term[0] == "<")
                if len(iris) == len(terms):
                    result[name] = iris
    return result
