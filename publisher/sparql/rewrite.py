"""Rewrite a query to an equivalent one that is cheaper for the engine and keeps the order of columns.

Oxigraph sorts before it removes duplicates: a query for the distinct names of the 2,778 areas of a million observations
sorts a million rows (21 s; 0.4 s with the sorting outside of the DISTINCT). And it orders the columns of `SELECT *` by
name.
"""

from collections.abc import Sequence

from lark import Tree

from vaven.publisher.sparql.scopes import variables_in_scope
from vaven.publisher.sparql.tree import Node, child_nodes, child_words, end_of, leaves, start_of

# Tokens of an ORDER BY that may be moved, besides columns. Expressions are not moved: they may contain an aggregate, or
# a variable that is not a column.
MOVABLE = frozenset(("ORDER", "BY", "ASC", "DESC", "LPAR", "RPAR"))


def rewrite(query: str, tree: Node) -> str:
    """Return the query with the columns of `SELECT *` named, and with the sorting of a DISTINCT by its columns outside.

    The standard leaves the order of columns open (SPARQL 1.1 Query Language, 18.2.4.4); people expect their own.
    `SELECT DISTINCT ?a WHERE { … } ORDER BY ?a LIMIT 5` becomes `SELECT ?a WHERE { SELECT DISTINCT ?a WHERE { … } }
    ORDER BY ?a LIMIT 5`. Both are the same sequence by section 15, except for the order of rows that compare equal,
    which it leaves open. The original lines remain in sequence.
    """
    select = tree.children[-1]
    if not isinstance(select, Tree) or select.data != "select":
        return query
    (projection,) = child_nodes(select, "columns")
    star, columns = child_words(projection, "STAR"), _columns(projection, tree)
    edits = []
    if order := _movable_order(select, projection, columns):
        edits.append((start_of(select), start_of(select), f"SELECT {' '.join(columns) or '*'} WHERE {{\n"))
        edits.append((start_of(order), start_of(order), "\n}\n"))
    if star and columns:
        edits.append((start_of(star[0]), end_of(star[0]), f" {' '.join(columns)} "))
    return _edited(query, edits)


def lower_booleans(query: str, tree: Node) -> str:
    """Return the query with `true` and `false` in lower case."""
    words = [word for word in leaves(tree) if word.type in ("TRUE", "FALSE")]
    return _edited(query, [(start_of(word), end_of(word), word.lower()) for word in words])


def _edited(query: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """Replace parts of a text, each given by its start and end."""
    parts, position = [], 0
    for start, end, text in sorted(edits):
        parts += [query[position:start], text]
        position = end
    return "".join((*parts, query[position:]))


def _columns(projection: Node, tree: Node) -> list[str]:
    """Return the variables of a SELECT clause with question marks; those of `*` in the order of the query."""
    if child_words(projection, "STAR"):
        names = variables_in_scope(tree)
        written = dict.fromkeys(word[1:] for word in leaves(tree) if word.type == "VAR")
        return [f"?{name}" for name in written if name in names]
    words = [child_words(part, "VAR")[-1] if isinstance(part, Tree) else part for part in projection.children]
    return [f"?{word[1:]}" for word in words if word.type == "VAR"]


def _movable_order(select: Node, projection: Node, columns: Sequence[str]) -> Node | None:
    """Return the ORDER BY of a SELECT DISTINCT without FROM and VALUES if it sorts by columns only."""
    (modifiers,) = child_nodes(select, "modifiers")
    clauses = child_nodes(modifiers, "order_by")
    if not clauses or not child_words(projection, "DISTINCT") or child_nodes(select, "dataset", "values"):
        return None
    known = {column[1:] for column in columns}
    is_movable = all(w[1:] in known if w.type == "VAR" else w.type in MOVABLE for w in leaves(clauses[0]))
    return clauses[0] if is_movable else None
