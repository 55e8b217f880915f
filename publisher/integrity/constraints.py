"""The integrity constraints of RDF Data Cube over any graph, by SPARQL (W3C Recommendation 2014-01-16, section 11).

Each constraint is a query of its own in `queries/`, which names what breaks it. IC-12 and IC-17 compare
observations two by two, as the Recommendation does; a release's observations are judged by `columns` instead.
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
# Those that speak of single observations; the others hold or fail by structure and code lists alone.
ABOUT_OBSERVATIONS = frozenset(f"ic-{number}" for number in (1, *range(11, 19), "19a", "19b", 20, 21))
Term = NamedNode | BlankNode | Literal | Triple


@dataclass(frozen=True)
class Violation:
    """What breaks a constraint. `focus`, `property`, `value` and `other` are terms as text, an IRI without brackets.

    `cells` are what the rows at fault have in the released table `resource` ({} for all of its rows, None where no
    row is at fault), and `rows` how many they are.
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


def summary(found: Iterable[Violation]) -> str:
    """The constraints that were broken, each with the number of its violations."""
    return ", ".join(f"{name} {count}" for name, count in Counter(v.constraint for v in found).items())


@cache
def query(name: str) -> str:
    """The text of a query or update in `queries/`."""
    return (files(__package__) / "queries" / name).read_text("utf-8")


def normalise(graph: Store) -> None:
    """State what a cube may leave out, so that the constraints see it (sections 10.1 and 10.2)."""
    for name in ("closure.ru", "flatten.ru"):
        graph.update(query(name))


def sparql_violations(graph: Store, constraints: Iterable[str] = CONSTRAINTS) -> Iterator[Violation]:
    """What in a normalised graph breaks these constraints, one violation for each thing at fault."""
    for constraint in constraints:
        for text in queries(graph, constraint):
            for found in solutions(graph, text):
                named = {name: as_text(term) for name, term in found.items()}
                focus, name, value, other = (named.get(n, "") for n in ("focus", "property", "value", "other"))
                yield Violation(constraint, focus, name, value, other)


def queries(graph: Store, name: str) -> list[str]:
    """The query of this name, or of a template one for each hierarchy that there is (IC-20, IC-21)."""
    text = query(f"{name}.rq")
    for hole in ("child", "parent"):
        if f"{{{hole}}}" in text:
            found = solutions(graph, query("hierarchies.rq"))
            return [text.replace(f"{{{hole}}}", str(row[hole])) for row in found if hole in row]
    return [text]


def solutions(graph: Store, text: str) -> Iterator[dict[str, Term]]:
    """The rows of a SELECT by variable; what a row leaves unbound is not in it."""
    found = cast(QuerySolutions, graph.query(text))
    names = [variable.value for variable in found.variables]
    for row in cast(Iterable[QuerySolution], found):
        yield {name: term for name in names if (term := row[name]) is not None}


def as_text(term: Term) -> str:
    return term.value if isinstance(term, NamedNode | Literal) else str(term)
