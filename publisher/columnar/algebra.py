"""The SPARQL algebra of a query, built from its syntax tree (SPARQL 1.1 Query Language, section 18.2).

Terms are texts (columns/terms.py). A blank node of a query is a variable whose name begins with a blank, which no
projection names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    triples: tuple[Triple, ...] = ()


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
        case Basic(triples):
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
