"""The integrity constraints of RDF Data Cube over any graph, by SPARQL (W3C Recommendation 2014-01-16, section 11).

Each constraint is a query in `queries/` that returns its violations. IC-12 and IC-17 compare observations in pairs, as
the Recommendation does; a release's observations are checked by `columns` instead.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import cast

from pyoxigraph import BlankNode, Literal, NamedNode, QuerySolution, QuerySolutions, Store, Triple

# In the Recommendation's order.
CONSTRAINTS = tuple(f"ic-{number}" for number in (*range(1, 19), "19a", "19b", 20, 21))
# The constraints on single observations; all others depend on structure and code lists only.
ABOUT_OBSERVATIONS = frozenset(f"ic-{number}" for number in (1, *range(11, 19), "19a", "19b", 20, 21))
Term = NamedNode | BlankNode | Literal | Triple


@dataclass(frozen=True)
class Violation:
    """A violation of a constraint.

    `focus`, `property`, `value` and `other` are terms as text, IRIs without angle brackets. `cells` identifies the
    violating rows of the released table `resource` by their cells ({} for all rows, None if no row is concerned), and
    `rows` is their number.
    """

    constraint: str
    focus: str = ""
    property: str = ""
    value: str = ""
    other: str = ""
    resource: str = "observations"
    cells: Mapping[str, str | None] | None = None
    rows: int = 1
    texts: Mapping[str, str] = field(default_factory=dict)


def summary(violations: Iterable[Violation]) -> str:
    """Name the violated constraints, each with its number of violations."""
    return ", ".join(f"{name} {count}" for name, count in Counter(v.constraint for v in violations).items())


@cache
def query(name: str) -> str:
    """Return the text of a query or update in `queries/`."""
    return (files(__package__) / "queries" / name).read_text("utf-8")


def normalise(graph: Store) -> None:
    """Add the statements that a cube may leave out, so that the constraints see them (sections 10.1 and 10.2)."""
    for name in ("closure.ru", "flatten.ru"):
        graph.update(query(name))


def sparql_violations(graph: Store, constraints: Iterable[str] = CONSTRAINTS) -> Iterator[Violation]:
    """Yield the violations of these constraints in a normalised graph."""
    for constraint in constraints:
        for text in queries(graph, constraint):
            for row in solutions(graph, text):
                terms = {name: as_text(term) for name, term in row.items()}
                focus, name, value, other = (terms.get(n, "") for n in ("focus", "property", "value", "other"))
                yield Violation(constraint, focus, name, value, other)


def queries(graph: Store, name: str) -> list[str]:
    """Return the query of this name, or one query per hierarchy if it is a template (IC-20, IC-21)."""
    text = query(f"{name}.rq")
    for placeholder in ("child", "parent"):
        if f"{{{placeholder}}}" in text:
            hierarchies = solutions(graph, query("hierarchies.rq"))
            return [
                text.replace(f"{{{placeholder}}}", str(row[placeholder])) for row in hierarchies if placeholder in row
            ]
    return [text]


def solutions(graph: Store, text: str) -> Iterator[dict[str, Term]]:
    """Yield the solutions of a SELECT by variable, without unbound variables."""
    result = cast(QuerySolutions, graph.query(text))
    names = [variable.value for variable in result.variables]
    for row in cast(Iterable[QuerySolution], result):
        yield {name: term for name in names if (term := row[name]) is not None}


def as_text(term: Term) -> str:
    """Return the IRI or the lexical form of a term, and any other term in N-Triples syntax."""
    return term.value if isinstance(term, NamedNode | Literal) else str(term)
