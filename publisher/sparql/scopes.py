"""Find variables and blank nodes that the grammar of SPARQL accepts and the standard forbids by their scope.

Operates on the tree of grammar.py. Rules of SPARQL 1.1 Query Language: 18.2.1 (variables in scope), 18.2.4.1 and 19.8
notes 12 and 13 (grouping, AS), 19.6 (blank nodes), 10.2.2 (rows of VALUES). One is stricter, since nobody means it: no
variable twice in a SELECT.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lark import Token as Leaf
from lark import Tree

from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.tree import Node, child_nodes, child_words, children_first, first_leaf, leaves
from vaven.vocab.messages import Message

# After these another basic graph pattern begins; FILTER, BIND and VALUES are inside one, unless they contain EXISTS.
PATTERN_BOUNDARIES = frozenset(("optional", "minus", "graph", "service", "alternatives", "subselect"))
# Variables in scope inside of them are not in scope outside.
CLOSED_SCOPES = frozenset(("filter", "exists", "minus", "modifiers"))
# Maximum number of variables in a remedy.
MAX_VARIABLES = 6
FORMS = frozenset(("select", "subselect", "construct", "describe", "ask"))


@dataclass(frozen=True)
class MisusedVariable:
    """A misused variable, blank node or keyword as a token of lark, with its position and a remedy.

    `key` names the message, whose parameters are `word`, `place` and `params`.
    """

    word: Leaf
    key: str
    remedy: Message
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def start(self) -> int:
        return self.word.start_pos or 0


def find_misuse(tree: Node) -> MisusedVariable | None:
    """Return the first misuse in the query. Cost: linear in the tree, which may be arbitrarily deep."""
    checker = _ScopeChecker()
    checker.visit_all(tree)
    checker.check_blank_nodes()
    return min((*checker.misuses, *_nested_aggregates(tree)), key=lambda misuse: misuse.start, default=None)


def find_nested_aggregate(tree: Node) -> MisusedVariable | None:
    """Return the first aggregate in the argument of another.

    SPARQL 1.1 Query Language, section 18.2.4.1, gives it no meaning, and Jena refuses it. Oxigraph accepts it, and
    returns no value.
    """
    return min(_nested_aggregates(tree), key=lambda misuse: misuse.start, default=None)


def variables_in_scope(tree: Node) -> set[str]:
    """Return the names of the variables in scope after the query: the columns of a `SELECT *`."""
    checker = _ScopeChecker()
    checker.visit_all(tree)
    return checker.visible[id(tree)]


def _nested_aggregates(tree: Node) -> Iterator[MisusedVariable]:
    # With each node, whether it is in the argument of an aggregate.
    stack = [(tree, False)]
    while stack:
        node, is_inside = stack.pop()
        if node.data == "aggregate":
            if is_inside:
                yield MisusedVariable(first_leaf(node), "nested-aggregate", query_message("nested-aggregate.remedy"))
            is_inside = True
        elif node.data == "group":
            is_inside = False
        stack.extend((child, is_inside) for child in node.children if isinstance(child, Tree))


def _name(word: Leaf) -> str:
    # ?x and $x are one variable.
    return word[1:]


def _aggregates(*nodes: Node) -> list[Leaf]:
    """Return the first tokens of aggregates, except those in nested groups (EXISTS)."""
    return [word for word in leaves(*nodes, outside=("group",)) if word.type in ("COUNT", "AGGREGATE", "GROUP_CONCAT")]


def _has_group(node: Node) -> bool:
    return any(word.type == "EXISTS" for word in leaves(node, outside=("group",)))


@dataclass
class _ScopeChecker:
    """The misuses in the visited nodes. `visible` maps a node's id to the variables in scope after it."""

    misuses: list[MisusedVariable] = field(default_factory=list)
    visible: dict[int, set[str]] = field(default_factory=dict)
    # The label, and its group and basic graph pattern.
    labels: list[tuple[Leaf, tuple[int, int]]] = field(default_factory=list)

    def visit_all(self, tree: Node) -> None:
        for node in children_first(tree):
            self.visit(node)

    def visit(self, node: Node) -> None:
        """Visit a node whose children have been visited."""
        special: dict[str, Callable[[Node], set[str]]] = {
            "group": self._visit_group, "values": self._visit_values, "bind": self._visit_bind,
        }  # fmt: skip
        if node.data in CLOSED_SCOPES:
            seen = set[str]()
        elif node.data in FORMS:
            seen = self._visit_form(node)
        else:
            seen = special.get(node.data, self._visit_children)(node)
        self.visible[id(node)] = seen

    def _visit_children(self, node: Node) -> set[str]:
        seen = set[str]()
        for child in node.children:
            if isinstance(child, Tree):
                seen = self._merge(seen, child)
            elif child.type == "VAR":
                seen.add(_name(child))
        return seen

    def _merge(self, seen: set[str], child: Node) -> set[str]:
        # The smaller set is added to the larger, so that deep nesting is not quadratic. Each set is used once.
        other = self.visible.pop(id(child))
        if len(other) > len(seen):
            seen, other = other, seen
        seen |= other
        return seen

    def _visit_bind(self, node: Node) -> set[str]:
        self._refuse_aggregates(node, "BIND")
        return {_name(child_words(node, "VAR")[-1])}

    def _visit_group(self, node: Node) -> set[str]:
        seen, pattern = set[str](), 0
        for child in child_nodes(node, *PATTERN_BOUNDARIES, "triples", "bind", "values", "filter"):
            if child.data == "bind":
                self._refuse_bound_variable(child_words(child, "VAR")[-1], seen)
            elif child.data == "filter":
                self._refuse_aggregates(child, "FILTER")
            elif child.data == "triples":
                self.labels += [(word, (id(node), pattern)) for word in leaves(child) if word.type == "BLANK_NODE"]
            if child.data in PATTERN_BOUNDARIES or (child.data in ("bind", "filter") and _has_group(child)):
                pattern += 1
            seen = self._merge(seen, child)
        return seen

    def _refuse_bound_variable(self, word: Leaf, seen: set[str]) -> None:
        if _name(word) in seen:
            self.misuses.append(
                MisusedVariable(word, "bound", query_message("bound.remedy", name=_alternative_name(word)))
            )

    def _refuse_aggregates(self, node: Node, where: str) -> None:
        for word in _aggregates(node):
            self.misuses.append(
                MisusedVariable(word, "aggregate", query_message("aggregate.remedy"), {"clause": where})
            )

    def _visit_values(self, node: Node) -> set[str]:
        header = child_nodes(node, "header")
        words = child_words(header[0] if header else node, "VAR")
        self._refuse_duplicates(words, "VALUES")
        for row in child_nodes(node, "row"):
            if (count := len(row.children) - 2) != len(words):
                first = row.children[0]
                assert not isinstance(first, Tree)
                counts = {"count": count, "named": len(words)}
                key = "row-long" if count > len(words) else "row-short"
                self.misuses.append(MisusedVariable(first, key, query_message("row.remedy"), counts))
        return {_name(word) for word in words}

    def _refuse_duplicates(self, words: list[Leaf], where: str) -> None:
        seen = set[str]()
        for word in words:
            if _name(word) in seen:
                self.misuses.append(
                    MisusedVariable(word, "named-twice", query_message("named-twice.remedy"), {"clause": where})
                )
            seen.add(_name(word))

    def _visit_form(self, node: Node) -> set[str]:
        """Check the columns of a query or subquery against the variables in scope after pattern and grouping."""
        (modifiers,) = child_nodes(node, "modifiers")
        columns = child_nodes(node, "columns")
        # VALUES at the end is joined to the groups.
        values_variables = {name for child in child_nodes(node, "values") for name in self.visible[id(child)]}
        seen, keys = values_variables.copy(), _keys(modifiers) | values_variables
        for child in child_nodes(node, "group"):
            seen = self._merge(seen, child)
        clause = child_nodes(modifiers, "group_by")
        aggregates = _aggregates(*columns, modifiers)
        if not clause and not aggregates:
            return self._projected(columns[0], seen) if columns else seen
        if columns:
            self._refuse_ungrouped_columns(columns[0], keys, has_clause=bool(clause))
            return self._projected(columns[0], keys)
        if node.data == "describe":
            self._refuse_ungrouped_columns(node, keys, has_clause=bool(clause))
        return keys

    def _projected(self, node: Node, seen: set[str]) -> set[str]:
        """Return the variables that a SELECT projects. `seen` are the variables in scope before it."""
        if child_words(node, "STAR"):
            return seen
        columns = list[Leaf]()
        for child in node.children:
            if not isinstance(child, Tree):
                columns += [child] if child.type == "VAR" else []
                continue
            word = child_words(child, "VAR")[-1]
            columns.append(word)
            if _name(word) in seen:
                self.misuses.append(
                    MisusedVariable(word, "as-used", query_message("as-used.remedy", name=_alternative_name(word)))
                )
        self._refuse_duplicates(columns, "SELECT")
        return {_name(word) for word in columns}

    def _refuse_ungrouped_columns(self, node: Node, keys: set[str], *, has_clause: bool) -> None:
        if star := child_words(node, "STAR"):
            self.misuses.append(MisusedVariable(star[0], "star-grouped", query_message("star-grouped.remedy")))
        self._refuse_ungrouped_variables(child_words(node, "VAR"), keys, has_clause=has_clause)
        for column in child_nodes(node, "named"):
            variables = [word for word in leaves(column, outside=("aggregate", "exists")) if word.type == "VAR"]
            # The last is the column's own name.
            self._refuse_ungrouped_variables(variables[:-1], keys, has_clause=has_clause, is_column=False)

    def _refuse_ungrouped_variables(
        self, words: list[Leaf], keys: set[str], *, has_clause: bool, is_column: bool = True
    ) -> None:
        """Report the first variable that may have several values in a group."""
        ungrouped = list(dict.fromkeys(word for word in words if _name(word) not in keys))
        if not ungrouped:
            return
        word, name = ungrouped[0], _name(ungrouped[0])
        sample = f"(SAMPLE({word}) AS ?any{name[:1].upper()}{name[1:]})" if is_column else f"SAMPLE({word})"
        if has_clause:
            self.misuses.append(
                MisusedVariable(word, "ungrouped", query_message("ungrouped.remedy", name=word, sample=sample))
            )
            return
        names = " ".join(ungrouped[:MAX_VARIABLES]) + " …" * (len(ungrouped) > MAX_VARIABLES)
        self.misuses.append(MisusedVariable(word, "loose", query_message("loose.remedy", names=names, sample=sample)))

    def check_blank_nodes(self) -> None:
        """Check the blank node labels of the query."""
        first: dict[str, tuple[int, int]] = {}
        for word, pattern in sorted(self.labels, key=lambda label: label[0].start_pos or 0):
            if first.setdefault(str(word), pattern) != pattern:
                variable = "?" + re.sub(r"\W", "_", word[2:])
                self.misuses.append(
                    MisusedVariable(word, "blank-node", query_message("blank-node.remedy", name=variable))
                )


def _keys(modifiers: Node) -> set[str]:
    """Return the variables that a query groups by."""
    keys = set[str]()
    for clause in child_nodes(modifiers, "group_by"):
        keys |= {_name(word) for word in child_words(clause, "VAR")}
        for key in child_nodes(clause, "key"):
            keys |= {_name(word) for word in child_words(key, "VAR")}
    return keys


def _alternative_name(word: Leaf) -> str:
    return f"{word}_2" if word[-1].isdigit() else f"{word}2"
