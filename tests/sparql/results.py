"""Query results as rows of terms, and their comparison as multisets up to the labels of blank nodes.

A graph is a result with the columns subject, predicate and object. Terms keep their lexical forms: `1.0` differs from
`1`.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from pyoxigraph import (
    BlankNode,
    Literal,
    NamedNode,
    QueryBoolean,
    QueryResultsFormat,
    QuerySolutions,
    RdfFormat,
    Triple,
    parse,
    parse_query_results,
)

XSD = "http://www.w3.org/2001/XMLSchema#"
EXACT_NUMBERS = {f"{XSD}decimal", f"{XSD}integer"}
# XPath requires 18 digits in all of a decimal; quotients and means have more digits in some engines than in others.
DECIMALS = 15
FLOATS = {f"{XSD}double", f"{XSD}float"}
# Values by column; None is unbound, and a text is a CSV cell, which has no type.
Term = NamedNode | BlankNode | Literal | Triple | str
Row = tuple[Term | None, ...]
TRIPLE = ("subject", "predicate", "object")


@dataclass(frozen=True)
class Table:
    """A result: columns and rows, or the boolean of an ASK. `is_ordered` if the sequence of the rows is significant."""

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    boolean: bool | None = None
    is_ordered: bool = False
    is_graph: bool = False

    def __str__(self) -> str:
        if self.boolean is not None:
            return str(self.boolean)
        lines = [" | ".join("-" if term is None else str(term) for term in row) for row in self.rows[:20]]
        return "\n".join([f"{len(self.rows)} rows: {' '.join(self.columns)}", *lines])


def read_result(body: bytes, media_type: str) -> Table:
    """Parse a complete response. Raises SyntaxError or ValueError."""
    if media_type == "text/csv":
        header, *lines = csv.reader(io.StringIO(body.decode(), newline=""))
        return Table(tuple(header), tuple(tuple(map(_cell, line)) for line in lines))
    if results_format := QueryResultsFormat.from_media_type(media_type):
        result = parse_query_results(body, format=results_format)
        return Table(boolean=bool(result)) if isinstance(result, QueryBoolean) else read_solutions(result)
    graph_format = RdfFormat.from_media_type(media_type)
    if not graph_format:
        raise ValueError(f"no result is {media_type}")
    return graph_table({quad.triple for quad in parse(body, graph_format)})


def _cell(text: str) -> Term:
    return BlankNode(text.removeprefix("_:")) if text.startswith("_:") else text


def read_solutions(solutions: QuerySolutions) -> Table:
    columns = tuple(variable.value for variable in solutions.variables)
    return Table(columns, tuple(tuple(solution[name] for name in columns) for solution in solutions))


def graph_table(triples: set[Triple]) -> Table:
    rows = tuple((triple.subject, triple.predicate, triple.object) for triple in triples)
    return Table(TRIPLE, rows, is_graph=True)


def by_value(table: Table, significant: Callable[[Literal], bool] = lambda _: False) -> Table:
    """Return a table whose numbers have one lexical form for each value, but for those that are `significant`.

    The lexical form of a computed number is the engine's choice, and so are its digits beyond 18 (XPath functions,
    section 4.2). Doubles are compared by 13 digits.
    """
    rows = tuple(
        tuple(canonical(term) if isinstance(term, Literal) and not significant(term) else term for term in row)
        for row in table.rows
    )
    return replace(table, rows=rows)


def canonical(term: Literal) -> Literal:
    """Return the literal in one form for each value if it is a number or a boolean."""
    datatype = term.datatype.value
    try:
        if datatype in EXACT_NUMBERS:
            return Literal(_plain(Decimal(term.value)), datatype=term.datatype)
        if datatype in FLOATS:
            digits = 12 if datatype == f"{XSD}double" else 5
            return Literal(f"{float(term.value):.{digits}e}", datatype=term.datatype)
    except (InvalidOperation, ValueError):
        return term
    if datatype == f"{XSD}boolean" and term.value in ("0", "1"):
        return Literal("true" if term.value == "1" else "false", datatype=term.datatype)
    return term


def _plain(number: Decimal) -> str:
    """Return a number without exponent or zeros at the end, rounded to the decimals that every engine has."""
    if not number.is_finite():
        raise InvalidOperation
    if -int(number.as_tuple().exponent) > DECIMALS:
        number = number.quantize(Decimal(1).scaleb(-DECIMALS))
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def equal(expected: Table, actual: Table, *, is_lax: bool = False) -> bool:
    """Return whether two results are equal: as sequences if `expected` is ordered, else as multisets.

    `is_lax` is the cardinality of REDUCED (section 18.5): each row at least once and at most as often as expected.
    """
    if expected.boolean is not None or actual.boolean is not None:
        return expected.boolean == actual.boolean
    if set(expected.columns) != set(actual.columns) or expected.is_graph != actual.is_graph:
        return False
    order = [actual.columns.index(name) for name in expected.columns]
    rows = [tuple(row[index] for index in order) for row in actual.rows]
    if is_lax:
        most, counts = Counter(expected.rows), Counter(rows)
        return most.keys() == counts.keys() and all(counts[row] <= most[row] for row in most)
    if len(rows) != len(expected.rows):
        return False
    if expected.is_ordered:
        return _match(list(expected.rows), [[row] for row in rows])
    ground, other_ground = Counter(filter(_is_ground, expected.rows)), Counter(filter(_is_ground, rows))
    if ground != other_ground:
        return False
    nodes, other_nodes = ([row for row in side if not _is_ground(row)] for side in (expected.rows, rows))
    return _match_unordered(nodes, other_nodes)


def _is_ground(row: Row) -> bool:
    return not any(isinstance(term, BlankNode) for term in row)


def _match(rows: Sequence[Row], candidates: Sequence[Sequence[Row]]) -> bool:
    """Return whether each row equals its only candidate under one bijection of blank nodes."""
    forward: dict[BlankNode, BlankNode] = {}
    backward: dict[BlankNode, BlankNode] = {}
    return all(
        _unify(row, options[0], forward, backward) is not None for row, options in zip(rows, candidates, strict=True)
    )


def _match_unordered(rows: Sequence[Row], others: Sequence[Row]) -> bool:
    """Return whether a bijection of blank nodes makes these multisets equal.

    Nodes get colours of their surroundings first: without equal colours there is no bijection, and with them
    backtracking seldom goes back.
    """
    shapes, shapes_of_others = _shapes(rows), _shapes(others)
    if Counter(shapes) != Counter(shapes_of_others):
        return False
    by_shape: dict[Row, list[int]] = {}
    for index, shape in enumerate(shapes_of_others):
        by_shape.setdefault(shape, []).append(index)
    order = sorted(range(len(rows)), key=lambda index: len(by_shape[shapes[index]]))
    forward: dict[BlankNode, BlankNode] = {}
    backward: dict[BlankNode, BlankNode] = {}
    used: set[int] = set()
    # One iterator over candidates and one choice for each row so far: the depth is no recursion's.
    candidates: list[Iterator[int]] = []
    choices: list[tuple[int, list[BlankNode]]] = []
    while len(choices) < len(order):
        row = rows[order[len(choices)]]
        if len(candidates) == len(choices):
            candidates.append(iter(by_shape[shapes[order[len(choices)]]]))
        for index in candidates[-1]:
            if index not in used and (bound := _unify(row, others[index], forward, backward)) is not None:
                used.add(index)
                choices.append((index, bound))
                break
        else:
            candidates.pop()
            if not choices:
                return False
            index, bound = choices.pop()
            used.discard(index)
            for node in bound:
                del backward[forward.pop(node)]
    return True


def _shapes(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the colour of each blank node in its place, refined until no more nodes are told apart."""
    colours: dict[Term, int] = {term: 0 for row in rows for term in row if isinstance(term, BlankNode)}
    count = 0
    while True:
        shapes: list[Row] = [tuple(f"_:{colours[term]}" if term in colours else term for term in row) for row in rows]
        if len(set(colours.values())) == count:
            return shapes
        count = len(set(colours.values()))
        surroundings_of: dict[Term, list[int]] = {}
        for row, shape in zip(rows, shapes, strict=True):
            for term in set(row) & colours.keys():
                own = tuple(other == term for other in row)
                surroundings_of.setdefault(term, []).append(hash((own, shape)))
        colours = {term: hash(tuple(sorted(hashes))) for term, hashes in surroundings_of.items()}


def _unify(
    row: Row, other: Row, forward: dict[BlankNode, BlankNode], backward: dict[BlankNode, BlankNode]
) -> list[BlankNode] | None:
    """Extend the bijection so that the rows are equal, and return the new nodes; None and no change if impossible."""
    bound: list[BlankNode] = []
    for term, term_of_other in zip(row, other, strict=True):
        if isinstance(term, BlankNode) and isinstance(term_of_other, BlankNode):
            if term not in forward and term_of_other not in backward:
                forward[term], backward[term_of_other] = term_of_other, term
                bound.append(term)
            if forward.get(term) == term_of_other:
                continue
        elif term == term_of_other:
            continue
        for node in bound:
            del backward[forward.pop(node)]
        return None
    return bound
