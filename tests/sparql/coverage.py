"""Operators and functions of a query, counted in the tree that our grammar makes of its text."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from lark import Token, Tree

from vaven.publisher.sparql.grammar import FUNCTIONS, SyntaxStop, parse_tree

# Operators by the node of the tree; `_operators` has those with conditions.
NODES = {
    "filter": "filter", "bind": "bind", "optional": "optional", "minus": "minus", "graph": "graph", "values": "values",
    "subselect": "subselect", "group_by": "group", "having": "having", "order_by": "order", "negated": "path-negated",
    "bracketed": "blank-node", "collection": "collection",
}  # fmt: skip
# Operators by the terminal of a leaf.
LEAVES = {
    "REDUCED": "reduced", "LIMIT": "limit", "OFFSET": "offset", "QUESTION": "path-zero-or-one",
    "UNDEF": "undef", "OROR": "or", "ANDAND": "and", "EQ": "=",
}  # fmt: skip
FORMS = ("select", "ask", "construct", "describe")
# Solution patterns and modifiers, of which every pair occurs in a query of the corpus.
ALGEBRA = (
    "filter", "bind", "optional", "minus", "graph", "values", "union", "subselect", "exists", "not-exists", "group",
    "having", "order", "distinct", "reduced", "limit", "offset", "from", "from-named", "aggregate", "path-sequence",
    "path-alternative", "path-inverse", "path-zero-or-more", "path-one-or-more", "path-zero-or-one", "path-negated",
)  # fmt: skip
EXPRESSIONS = ("=", "!=", "<", ">", "<=", ">=", "in", "not-in", "or", "and", "not", "+", "-", "*", "/", "negative")
OTHERS = ("blank-node", "collection", "undef", "distinct-aggregate")
OPERATORS = (*FORMS, *ALGEBRA, *EXPRESSIONS, *OTHERS)
CASTS = ("boolean", "dateTime", "decimal", "double", "float", "integer", "string")
XSD = ("xsd:", "<http://www.w3.org/2001/XMLSchema#")


def features(query: str) -> Counter[str]:
    """Count operators, functions (in capitals) and casts (`xsd:…`) of a query. Raises ValueError for another text."""
    tree = parse_tree(query)
    if isinstance(tree, SyntaxStop):
        raise ValueError(f"no SPARQL at {tree.token}: {query}")
    return Counter(name for node in tree.iter_subtrees() for name in _operators(node))


def pairs(counts: Counter[str]) -> set[frozenset[str]]:
    """Return the pairs of algebra operators that occur together."""
    return {frozenset(pair) for pair in combinations(sorted(counts.keys() & set(ALGEBRA)), 2)}


def _operators(node: Tree[Token]) -> Iterator[str]:
    name = str(node.data)
    leaves = [child for child in node.children if isinstance(child, Token)]
    terminals = [leaf.type for leaf in leaves]
    is_negated = "NOT" in terminals
    yield from (LEAVES[terminal] for terminal in terminals if terminal in LEAVES)
    match name:
        case "select" | "ask" | "construct" | "describe":
            yield name
        case "relation":
            yield from (leaf.value for leaf in leaves if leaf.type == "COMPARE")
            yield from ("not-in" if is_negated else "in" for terminal in terminals if terminal == "IN")
        case "sum" | "product":
            yield from (leaf.value[0] for leaf in leaves if leaf.type in ("PLUS", "DASH", "STAR", "SLASH", "SIGNED"))
        case "unary":
            yield {"BANG": "not", "DASH": "negative", "PLUS": "positive"}[terminals[0]]
        case "function" | "aggregate":
            yield from (leaves[0].value, *(("aggregate",) if name == "aggregate" else ()))
            yield from ("distinct-aggregate" for terminal in terminals if terminal == "DISTINCT")
        case "exists":
            yield "not-exists" if is_negated else "exists"
        case "alternatives" if "UNION" in terminals:
            yield "union"
        case "dataset":
            yield "from-named" if "NAMED" in terminals else "from"
        case "columns" if "DISTINCT" in terminals:
            yield "distinct"
        case "call":
            yield from _casts(node)
        case _:
            yield from (NODES[name],) if name in NODES else _path_operators(name, terminals)


def _casts(node: Tree[Token]) -> Iterator[str]:
    iri = node.children[0]
    if isinstance(iri, Tree) and (text := str(iri.children[0])).startswith(XSD):
        yield f"xsd:{text.strip('>').replace('#', ':').rpartition(':')[2]}"


def _path_operators(name: str, terminals: list[str]) -> Iterator[str]:
    if name == "path_sequence" and "SLASH" in terminals:
        yield "path-sequence"
    if name == "path" and "PIPE" in terminals:
        yield "path-alternative"
    if name in ("path_step", "path_one") and "CARET" in terminals:
        yield "path-inverse"
    if name == "path_step" and "STAR" in terminals:
        yield "path-zero-or-more"
    if name == "path_step" and "PLUS" in terminals:
        yield "path-one-or-more"


def functions() -> list[str]:
    """Return the names of all functions and aggregates, and of the casts."""
    return [*FUNCTIONS, *(f"xsd:{name}" for name in CASTS)]
