"""What the grammar of SPARQL lets pass and the standard doesn't: variables and blank nodes out of their scopes.

Over the tree that sparql_grammar.py reads. Rules of SPARQL 1.1 Query Language: 18.2.1 (which variables are in scope),
18.2.4.1 and 19.8 notes 12 and 13 (grouping, AS), 19.6 (blank nodes), 10.2.2 (rows of VALUES). Where Oxigraph is
stricter its rule counts, as it answers: no variable twice in a SELECT, no grouping but in SELECT and DESCRIBE, no
blank node on both sides of an EXISTS.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lark import Token as Leaf
from lark import Tree

from vaven.publisher.sparql.messages import query_message
from vaven.vocab.messages import Message

# After these another basic graph pattern begins; FILTER, BIND and VALUES stand inside one, if no EXISTS is in them.
BREAKS = frozenset(("optional", "minus", "graph", "service", "alternatives", "subselect"))
# What is in scope inside of them is not so outside.
CLOSED = frozenset(("filter", "exists", "minus", "modifiers"))
# The most variables that a remedy lists.
MOST = 6
FORMS = frozenset(("select", "subselect", "construct", "describe", "ask"))

Node = Tree[Leaf]


@dataclass(frozen=True)
class MisusedVariable:
    """A word where it may not stand, with its place as lark's token has it, and what helps.

    `key` names the sentence of what is wrong with it, which tells the word (`word`) and its place (`place`) beside
    `params`.
    """

    word: Leaf
    key: str
    remedy: Message
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def start(self) -> int:
        return self.word.start_pos or 0


def first_misuse(tree: Node) -> MisusedVariable | None:
    """The first in the text, if there is one. Cost: linear in the tree, which may be as deep as it likes."""
    found = _Scopes()
    for node in _children_first(tree):
        found.enter(node)
    found.blank_nodes()
    return min(found.misuses, key=lambda misuse: misuse.start, default=None)


def _children_first(tree: Node) -> list[Node]:
    order, stack = [], [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(child for child in node.children if isinstance(child, Tree))
    return order[::-1]


def _leaves(*nodes: Node, outside: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The words under some nodes in their order, but for what stands under nodes of these names."""
    stack: list[Node | Leaf] = list(nodes[::-1])
    while stack:
        top = stack.pop()
        if not isinstance(top, Tree):
            yield top
        elif top.data not in outside:
            stack.extend(reversed(top.children))


def _nodes(node: Node, *names: str) -> list[Node]:
    return [child for child in node.children if isinstance(child, Tree) and child.data in names]


def _words(node: Node, terminal: str) -> list[Leaf]:
    return [child for child in node.children if not isinstance(child, Tree) and child.type == terminal]


def _name(word: Leaf) -> str:
    # ?x and $x are one variable.
    return word[1:]


def _aggregates(*nodes: Node) -> list[Leaf]:
    """The first words of aggregates, but for those of groups inside (EXISTS)."""
    return [word for word in _leaves(*nodes, outside=("group",)) if word.type in ("COUNT", "AGGREGATE", "GROUP_CONCAT")]


def _has_group(node: Node) -> bool:
    return any(word.type == "EXISTS" for word in _leaves(node, outside=("group",)))


@dataclass
class _Scopes:
    """What is found in the nodes so far. `visible` is by a node's id: the variables that are in scope after it."""

    misuses: list[MisusedVariable] = field(default_factory=list)
    visible: dict[int, set[str]] = field(default_factory=dict)
    # Label, where it stands, and the basic graph pattern that it is in.
    labels: list[tuple[Leaf, tuple[int, int]]] = field(default_factory=list)

    def enter(self, node: Node) -> None:
        """A node whose children have been entered."""
        special: dict[str, Callable[[Node], set[str]]] = {
            "group": self._group, "values": self._values, "bind": self._bound,
        }  # fmt: skip
        if node.data in CLOSED:
            seen = set[str]()
        elif node.data in FORMS:
            seen = self._form(node)
        else:
            seen = special.get(node.data, self._all)(node)
        self.visible[id(node)] = seen

    def _all(self, node: Node) -> set[str]:
        seen = set[str]()
        for child in node.children:
            if isinstance(child, Tree):
                seen = self._joined(seen, child)
            elif child.type == "VAR":
                seen.add(_name(child))
        return seen

    def _joined(self, seen: set[str], child: Node) -> set[str]:
        # The smaller into the larger, so that deep nesting costs no square. Each set is used once.
        more = self.visible.pop(id(child))
        if len(more) > len(seen):
            seen, more = more, seen
        seen |= more
        return seen

    def _bound(self, node: Node) -> set[str]:
        self._refuse_aggregates(node, "BIND")
        return {_name(_words(node, "VAR")[-1])}

    def _group(self, node: Node) -> set[str]:
        seen, pattern = set[str](), 0
        for child in _nodes(node, *BREAKS, "triples", "bind", "values", "filter"):
            if child.data == "bind":
                self._refuse_bound(_words(child, "VAR")[-1], seen)
            elif child.data == "filter":
                self._refuse_aggregates(child, "FILTER")
            elif child.data == "triples":
                self.labels += [(word, (id(node), pattern)) for word in _leaves(child) if word.type == "BLANK_NODE"]
            if child.data in BREAKS or (child.data in ("bind", "filter") and _has_group(child)):
                pattern += 1
            seen = self._joined(seen, child)
        return seen

    def _refuse_bound(self, word: Leaf, seen: set[str]) -> None:
        if _name(word) in seen:
            self.misuses.append(MisusedVariable(word, "bound", query_message("bound.remedy", name=_other(word))))

    def _refuse_aggregates(self, node: Node, where: str) -> None:
        for word in _aggregates(node):
            self.misuses.append(
                MisusedVariable(word, "aggregate", query_message("aggregate.remedy"), {"clause": where})
            )

    def _values(self, node: Node) -> set[str]:
        header = _nodes(node, "header")
        words = _words(header[0] if header else node, "VAR")
        self._refuse_twice(words, "VALUES")
        for row in _nodes(node, "row"):
            if (count := len(row.children) - 2) != len(words):
                first = row.children[0]
                assert not isinstance(first, Tree)
                counts = {"count": count, "named": len(words)}
                key = "row-long" if count > len(words) else "row-short"
                self.misuses.append(MisusedVariable(first, key, query_message("row.remedy"), counts))
        return {_name(word) for word in words}

    def _refuse_twice(self, words: list[Leaf], where: str) -> None:
        seen = set[str]()
        for word in words:
            if _name(word) in seen:
                self.misuses.append(
                    MisusedVariable(word, "named-twice", query_message("named-twice.remedy"), {"clause": where})
                )
            seen.add(_name(word))

    def _form(self, node: Node) -> set[str]:
        """A query or subquery: its columns against what its pattern and its grouping leave in scope."""
        (modifiers,) = _nodes(node, "modifiers")
        columns = _nodes(node, "columns")
        # What VALUES gives at the end is joined to the groups.
        given = {name for child in _nodes(node, "values") for name in self.visible[id(child)]}
        seen, keys = given.copy(), _keys(modifiers) | given
        for child in _nodes(node, "group"):
            seen = self._joined(seen, child)
        clause = _nodes(modifiers, "group_by")
        counted = _aggregates(*columns, modifiers)
        if not clause and not counted:
            return self._columns(columns[0], seen) if columns else seen
        begin = next((word for part in clause for word in _words(part, "GROUP")), counted[0] if counted else None)
        assert begin is not None
        if columns:
            self._refuse_ungrouped(columns[0], keys, has_clause=bool(clause))
            return self._columns(columns[0], keys)
        if node.data == "describe":
            self._refuse_ungrouped(node, keys, has_clause=bool(clause))
        else:
            form = {"form": str(node.data).upper()}
            self.misuses.append(MisusedVariable(begin, "no-groups", query_message("no-groups.remedy"), form))
        return keys

    def _columns(self, node: Node, seen: set[str]) -> set[str]:
        """What a SELECT lets out. `seen` is in scope before it."""
        if _words(node, "STAR"):
            return seen
        columns = list[Leaf]()
        for child in node.children:
            if not isinstance(child, Tree):
                columns += [child] if child.type == "VAR" else []
                continue
            word = _words(child, "VAR")[-1]
            columns.append(word)
            if _name(word) in seen:
                self.misuses.append(
                    MisusedVariable(word, "as-used", query_message("as-used.remedy", name=_other(word)))
                )
        self._refuse_twice(columns, "SELECT")
        return {_name(word) for word in columns}

    def _refuse_ungrouped(self, node: Node, keys: set[str], *, has_clause: bool) -> None:
        if star := _words(node, "STAR"):
            self.misuses.append(MisusedVariable(star[0], "star-grouped", query_message("star-grouped.remedy")))
        self._refuse_loose(_words(node, "VAR"), keys, has_clause=has_clause)
        for named in _nodes(node, "named"):
            variables = [word for word in _leaves(named, outside=("aggregate", "exists")) if word.type == "VAR"]
            # The last is the column's own name.
            self._refuse_loose(variables[:-1], keys, has_clause=has_clause, is_column=False)

    def _refuse_loose(self, words: list[Leaf], keys: set[str], *, has_clause: bool, is_column: bool = True) -> None:
        """Tell the first of the variables that a group may have many values of."""
        loose = list(dict.fromkeys(word for word in words if _name(word) not in keys))
        if not loose:
            return
        word, name = loose[0], _name(loose[0])
        sample = f"(SAMPLE({word}) AS ?any{name[:1].upper()}{name[1:]})" if is_column else f"SAMPLE({word})"
        if has_clause:
            self.misuses.append(
                MisusedVariable(word, "ungrouped", query_message("ungrouped.remedy", name=word, sample=sample))
            )
            return
        names = " ".join(loose[:MOST]) + " …" * (len(loose) > MOST)
        self.misuses.append(MisusedVariable(word, "loose", query_message("loose.remedy", names=names, sample=sample)))

    def blank_nodes(self) -> None:
        """Judge the labels of the whole query."""
        first: dict[str, tuple[int, int]] = {}
        for word, pattern in sorted(self.labels, key=lambda label: label[0].start_pos or 0):
            if first.setdefault(str(word), pattern) != pattern:
                variable = "?" + re.sub(r"\W", "_", word[2:])
                self.misuses.append(
                    MisusedVariable(word, "blank-node", query_message("blank-node.remedy", name=variable))
                )


def _keys(modifiers: Node) -> set[str]:
    """The variables that a query groups by."""
    keys = set[str]()
    for clause in _nodes(modifiers, "group_by"):
        keys |= {_name(word) for word in _words(clause, "VAR")}
        for key in _nodes(clause, "key"):
            keys |= {_name(word) for word in _words(key, "VAR")}
    return keys


def _other(word: Leaf) -> str:
    return f"{word}_2" if word[-1].isdigit() else f"{word}2"
