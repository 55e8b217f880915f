"""Walk the tree of grammar.py. No function recurses, since a query may be nested arbitrarily deep."""

from collections.abc import Iterator

from lark import Token as Leaf
from lark import Tree

Node = Tree[Leaf]


def children_first(tree: Node) -> list[Node]:
    """Return all nodes, each after the nodes in it."""
    order, stack = [], [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(child for child in node.children if isinstance(child, Tree))
    return order[::-1]


def leaves(*nodes: Node | Leaf, outside: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield the tokens under some nodes in order, except those under nodes of the names `outside`."""
    stack: list[Node | Leaf] = list(nodes[::-1])
    while stack:
        top = stack.pop()
        if not isinstance(top, Tree):
            yield top
        elif top.data not in outside:
            stack.extend(reversed(top.children))


def child_nodes(node: Node, *names: str) -> list[Node]:
    """Return the direct children that are nodes of these names."""
    return [child for child in node.children if isinstance(child, Tree) and child.data in names]


def child_words(node: Node, *terminals: str) -> list[Leaf]:
    """Return the direct children that are tokens of these terminals."""
    return [child for child in node.children if not isinstance(child, Tree) and child.type in terminals]


def first_leaf(part: Node | Leaf) -> Leaf:
    """Return the first token of a node."""
    while isinstance(part, Tree):
        part = next(child for child in part.children if not _is_empty(child))
    return part


def last_leaf(part: Node | Leaf) -> Leaf:
    """Return the last token of a node."""
    while isinstance(part, Tree):
        part = next(child for child in reversed(part.children) if not _is_empty(child))
    return part


def start_of(part: Node | Leaf) -> int:
    """Return the offset at which a node begins."""
    return first_leaf(part).start_pos or 0


def end_of(part: Node | Leaf) -> int:
    """Return the offset right after a node."""
    last = last_leaf(part)
    return (last.start_pos or 0) + len(last)


def _is_empty(part: Node | Leaf) -> bool:
    """Return whether a node has no tokens: only `modifiers` may have no child."""
    return isinstance(part, Tree) and not part.children
