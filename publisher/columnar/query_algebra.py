"""Build the algebra of a query from its syntax tree (SPARQL 1.1 Query Language, sections 18.2.1 to 18.2.5)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urljoin

from lark import Token as Leaf
from lark import Tree

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columns.terms import FALSE, RDF, TRUE, XSD, iri, language_literal, literal

Node = Tree[Leaf]
Child = Node | Leaf
RDF_TYPE, FIRST, REST, NIL = (RDF + name for name in ("type", "first", "rest", "nil"))
ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
# Digits of a number of rows that 64 bits hold, with another number added.
MOST_DIGITS = 18
CODEPOINT = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


def query_algebra(tree: Node, base: str) -> a.Query:
    """Return the algebra of a query; `base` resolves its relative IRIs."""
    return _Builder(base).query(tree)


def _is(child: Child, *types: str) -> bool:
    return not isinstance(child, Tree) and child.type in types


def _nodes(node: Node, *names: str) -> list[Node]:
    return [child for child in node.children if isinstance(child, Tree) and child.data in names]


def _words(node: Node, *types: str) -> list[Leaf]:
    return [child for child in node.children if not isinstance(child, Tree) and child.type in types]


def _first_positions(tree: Node) -> dict[str, int]:
    """Return the variables of a query by the position of their first occurrence."""
    positions: dict[str, int] = {}
    for leaf in tree.scan_values(lambda value: isinstance(value, Leaf) and value.type == "VAR"):
        name, position = leaf[1:], leaf.start_pos or 0
        positions[name] = min(position, positions.get(name, position))
    return positions


def _unescaped(text: str) -> str:
    return ESCAPE.sub(lambda m: ESCAPES[m[3]] if m[3] else chr(int(m[1] or m[2], 16)), text)


@dataclass
class _Builder:
    """A query under translation: its prefixes, and counters of hidden variables."""

    base: str
    prefixes: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def _hidden(self, kind: str) -> str:
        return f" {kind}{next(self._numbers)}"

    # --- queries

    def query(self, tree: Node) -> a.Query:
        words = iter(tree.children)
        node = None
        for word in words:
            if _is(word, "PREFIX"):
                name, target = next(words), next(words)
                self.prefixes[str(name)[:-1]] = self._resolved(str(target)[1:-1])
            elif _is(word, "BASE"):
                self.base = self._resolved(str(next(words))[1:-1])
            elif isinstance(word, Tree):
                node = word
        assert node is not None
        default, named = self._datasets(node)
        form = str(node.data)
        graphs = {"default_graphs": default, "named_graphs": named, "prefixes": self.prefixes, "base": self.base}
        if form == "select":
            pattern, variables = self._select(node)
            return a.Query("SELECT", pattern, variables, **graphs)  # type: ignore[arg-type]
        pattern = self._modified(self._where(node), node)
        if form == "ask":
            return a.Query("ASK", a.Slice(pattern, 0, 1), **graphs)  # type: ignore[arg-type]
        if form == "construct":
            template = self._template(_nodes(node, "template")[0])
            return a.Query("CONSTRUCT", pattern, template=template, **graphs)  # type: ignore[arg-type]
        described: list[a.Term] = [
            self._term(child) for child in node.children if _is(child, "VAR") or getattr(child, "data", "") == "iri"
        ]
        if _words(node, "STAR"):
            described = [a.Variable(name) for name in self._star(node, pattern)]
        return a.Query("DESCRIBE", pattern, described=tuple(described), **graphs)  # type: ignore[arg-type]

    def _datasets(self, node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
        default, named = list[str](), list[str]()
        for clause in _nodes(node, "dataset"):
            target = named if _words(clause, "NAMED") else default
            target.append(self._iri(_nodes(clause, "iri")[0]))
        return tuple(default), tuple(named)

    def _where(self, node: Node) -> a.Pattern:
        if node.data == "construct" and not _nodes(node, "group"):
            return a.Basic(self._template(_nodes(node, "template")[0]))
        groups = _nodes(node, "group")
        return self._group(groups[0]) if groups else a.Basic()

    def _star(self, node: Node, pattern: a.Pattern) -> tuple[str, ...]:
        """Return the visible variables in the order of the query."""
        positions = _first_positions(node)
        names = [name for name in a.visible(pattern) if not name.startswith(" ")]
        return tuple(sorted(names, key=lambda name: positions.get(name, 0)))

    def _select(self, node: Node) -> tuple[a.Pattern, tuple[str, ...]]:
        """Return a SELECT's pattern with its modifiers (section 18.2.4), and its columns."""
        (columns,) = _nodes(node, "columns")
        named: list[tuple[str, a.Expression]] = []
        variables: list[str] = []
        for child in columns.children:
            if _is(child, "VAR"):
                variables.append(str(child)[1:])
            elif isinstance(child, Tree):
                (name,) = _words(child, "VAR")[-1:]
                # (expression AS ?name), whose expression may itself be a variable.
                named.append((name[1:], self._expression(child.children[1])))
                variables.append(name[1:])
        where = self._where(node)
        star = None
        if _words(columns, "STAR"):
            star = self._star(node, where)
        pattern = self._modified(where, node, named, tuple(variables), star, columns)
        return pattern, tuple(variables) if star is None else _projected(pattern)

    def _modified(
        self,
        where: a.Pattern,
        node: Node,
        named: Sequence[tuple[str, a.Expression]] = (),
        variables: tuple[str, ...] | None = None,
        star: tuple[str, ...] | None = None,
        columns: Node | None = None,
    ) -> a.Pattern:
        """Return a pattern with grouping, HAVING, VALUES, columns, ORDER BY, projection, DISTINCT and slice."""
        modifiers = _nodes(node, "modifiers")[0] if _nodes(node, "modifiers") else Tree("modifiers", [])
        keys, where = self._keys(modifiers, where)
        having = [
            self._expression(child)
            for clause in _nodes(modifiers, "having")
            for child in _constraints(clause.children[1:])
        ]
        order = [pair for clause in _nodes(modifiers, "order_by") for pair in self._order_keys(clause)]
        aggregates: dict[str, a.Aggregate] = {}
        columns_of = [(name, self._without_aggregates(e, aggregates)) for name, e in named]
        conditions = tuple(self._without_aggregates(e, aggregates) for e in having)
        order = [(self._without_aggregates(e, aggregates), is_descending) for e, is_descending in order]
        pattern = where
        is_grouped = keys is not None or bool(aggregates)
        if is_grouped:
            pattern = a.Group(pattern, tuple(keys or ()), tuple(aggregates.items()), keys is None)
        if conditions:
            pattern = a.Filter(pattern, conditions)
        for values in _nodes(node, "values"):
            pattern = _joined(pattern, self._values(values))
        if any(a.has_labelled_node(expression) for _, expression in columns_of):
            pattern = a.Extend(pattern, a.ROW, a.Call("ROW", ()))
        for name, expression in columns_of:
            pattern = a.Extend(pattern, name, expression)
        if order:
            pattern = a.OrderBy(pattern, tuple(order))
        if variables is not None:
            if star is not None:
                values_names = [n for v in _nodes(node, "values") for n in a.visible(self._values(v))]
                variables = tuple(dict.fromkeys((*star, *values_names)))
            pattern = a.Project(pattern, variables)
        if columns is not None and _words(columns, "DISTINCT"):
            pattern = a.Distinct(pattern)
        return _sliced(pattern, modifiers)

    def _keys(self, modifiers: Node, where: a.Pattern) -> tuple[list[str] | None, a.Pattern]:
        clauses = _nodes(modifiers, "group_by")
        if not clauses:
            return None, where
        keys = []
        for child in clauses[0].children[2:]:
            if _is(child, "VAR"):
                keys.append(str(child)[1:])
                continue
            name = self._hidden("key")
            if isinstance(child, Tree) and child.data == "key":
                expression = self._expression(child.children[1])
                if _words(child, "AS"):
                    name = str(_words(child, "VAR")[-1])[1:]
            else:
                expression = self._expression(child)
            where = a.Extend(where, name, expression)
            keys.append(name)
        return keys, where

    def _order_keys(self, clause: Node) -> Iterator[tuple[a.Expression, bool]]:
        children, is_descending = iter(clause.children[2:]), False
        for child in children:
            if _is(child, "ASC", "DESC"):
                is_descending = _is(child, "DESC")
                continue
            is_enclosed = _is(child, "LPAR")
            yield self._expression(next(children) if is_enclosed else child), is_descending
            if is_enclosed:
                next(children)
            is_descending = False

    def _without_aggregates(self, expression: a.Expression, aggregates: dict[str, a.Aggregate]) -> a.Expression:
        """Replace the aggregates in an expression by hidden variables; equal ones share one."""
        if isinstance(expression, a.Aggregate):
            name = next((name for name, known in aggregates.items() if known == expression), None)
            if name is None:
                name = self._hidden("aggregate")
                aggregates[name] = expression
            return a.Variable(name)
        if isinstance(expression, a.Call):
            arguments = tuple(self._without_aggregates(e, aggregates) for e in expression.arguments)
            return a.Call(expression.name, arguments)
        return expression

    # --- groups

    def _group(self, node: Node) -> a.Pattern:
        pattern, conditions = self._parts(node)
        return a.Filter(pattern, conditions) if conditions else pattern

    def _parts(self, node: Node) -> tuple[a.Pattern, tuple[a.Expression, ...]]:
        """Return the pattern of a group, and the conditions of its own filters."""
        subselects = _nodes(node, "subselect")
        if subselects:
            return self._select(subselects[0])[0], ()
        pattern: a.Pattern = a.Basic()
        conditions: list[a.Expression] = []
        for child in node.children:
            if isinstance(child, Tree):
                if child.data == "filter":
                    (constraint,) = _constraints(child.children[1:])
                    conditions.append(self._expression(constraint))
                else:
                    pattern = self._with_part(pattern, child)
        return pattern, tuple(conditions)

    def _with_part(self, pattern: a.Pattern, child: Node) -> a.Pattern:
        if child.data == "triples":
            return _joined(pattern, a.Basic(tuple(self._triples(child))))
        if child.data == "bind":
            variable = str(_words(child, "VAR")[-1])[1:]
            return a.Extend(pattern, variable, self._expression(child.children[2]))
        if child.data == "values":
            return _joined(pattern, self._values(child))
        if child.data == "optional":
            return a.LeftJoin(pattern, *self._parts(_nodes(child, "group")[0]))
        groups = [self._group(group) for group in _nodes(child, "group")]
        if child.data == "minus":
            return a.Minus(pattern, groups[0])
        if child.data == "graph":
            return _joined(pattern, a.Graph(self._term(child.children[1]), groups[0]))
        return _joined(pattern, groups[0] if len(groups) == 1 else a.Union(tuple(groups)))

    def _values(self, node: Node) -> a.Values:
        header = _nodes(node, "header")
        if header:
            variables = tuple(str(word)[1:] for word in _words(header[0], "VAR"))
            rows = tuple(tuple(self._cells(row)) for row in _nodes(node, "row"))
        else:
            variables = (str(_words(node, "VAR")[0])[1:],)
            rows = tuple((cell,) for cell in self._cells(node))
        return a.Values(variables, rows)

    def _cells(self, node: Node) -> Iterator[str | None]:
        for child in node.children:
            if _is(child, "UNDEF"):
                yield None
            elif isinstance(child, Tree) and child.data in ("iri", "literal"):
                term = self._term(child)
                assert isinstance(term, str)
                yield term

    # --- triples

    def _template(self, node: Node) -> tuple[a.Triple, ...]:
        return tuple(self._triples(node))

    def _triples(self, node: Node) -> Iterator[a.Triple]:
        for same_subject in _nodes(node, "same_subject"):
            children = same_subject.children
            subject, triples = self._object(children[0])
            yield from triples
            yield from self._properties(subject, children[1:])

    def _properties(self, subject: a.Term, children: Sequence[Child]) -> Iterator[a.Triple]:
        predicate: a.Variable | a.Path | None = None
        for child in children:
            if isinstance(child, Tree) and child.data == "objects":
                for item in child.children:
                    if not _is(item, "COMMA"):
                        term, triples = self._object(item)
                        assert predicate is not None
                        yield a.Triple(subject, predicate, term)
                        yield from triples
            elif not _is(child, "SEMI", "LBRACKET", "RBRACKET"):
                predicate = a.Variable(str(child)[1:]) if _is(child, "VAR") else self._path(child)

    def _object(self, child: Child) -> tuple[a.Term, list[a.Triple]]:
        """Return a subject or object, and the triples in its brackets."""
        if isinstance(child, Tree) and child.data == "bracketed":
            node = a.Variable(self._hidden("node"))
            return node, list(self._properties(node, child.children[1:-1]))
        if isinstance(child, Tree) and child.data == "collection":
            return self._collection(child)
        return self._term(child), []

    def _collection(self, node: Node) -> tuple[a.Term, list[a.Triple]]:
        items = [child for child in node.children if not _is(child, "LPAR", "RPAR")]
        links = [a.Variable(self._hidden("list")) for _ in items]
        triples = []
        for i, item in enumerate(items):
            term, inner = self._object(item)
            rest: a.Term = links[i + 1] if i + 1 < len(items) else iri(NIL)
            triples += [a.Triple(links[i], a.Link(FIRST), term), *inner, a.Triple(links[i], a.Link(REST), rest)]
        return links[0], triples

    def _path(self, child: Child) -> a.Path:
        if not isinstance(child, Tree):
            return a.Link(RDF_TYPE)
        if child.data == "iri":
            return a.Link(self._iri(child))
        if child.data == "path":
            return a.Alternative(tuple(self._path(c) for c in child.children if not _is(c, "PIPE")))
        if child.data == "path_sequence":
            return a.Sequence(tuple(self._path(c) for c in child.children if not _is(c, "SLASH")))
        if child.data == "path_primary":
            return self._path(child.children[1])
        if child.data == "negated":
            ones = [(bool(_words(one, "CARET")), self._path(one.children[-1])) for one in _nodes(child, "path_one")]
            forward = tuple(link.iri for is_back, link in ones if not is_back and isinstance(link, a.Link))
            backward = tuple(link.iri for is_back, link in ones if is_back and isinstance(link, a.Link))
            return a.Negated(forward, backward, bool(forward) or not backward, bool(backward))
        # path_step: ^, a primary, and a mark after it, which binds more closely than ^ (rule 91).
        primary = next(c for c in child.children if not _is(c, "CARET", "QUESTION", "STAR", "PLUS"))
        path = self._path(primary)
        for mark in _words(child, "QUESTION", "STAR", "PLUS"):
            path = a.Repeated(path, str(mark))
        return a.Inverse(path) if _words(child, "CARET") else path

    # --- terms

    def _term(self, child: Child) -> a.Term:
        if not isinstance(child, Tree):
            return a.Variable(str(child)[1:]) if child.type == "VAR" else a.Variable(f" {child}")
        if child.data == "iri":
            return iri(self._iri(child))
        if child.data == "empty":
            return iri(NIL) if _words(child, "LPAR") else a.Variable(self._hidden("node"))
        return self._literal(child)

    def _iri(self, node: Node) -> str:
        (leaf,) = node.children
        assert not isinstance(leaf, Tree)
        if leaf.type == "IRIREF":
            return self._resolved(str(leaf)[1:-1])
        prefix, _, local = str(leaf).partition(":")
        return self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)

    def _resolved(self, text: str) -> str:
        text = CODEPOINT.sub(lambda m: chr(int(m[1] or m[2], 16)), text)
        if re.match("[A-Za-z][A-Za-z0-9+.-]*:", text):
            return text
        reference, mark, rest = text.partition("#")
        return urljoin(self.base, reference) + mark + rest

    def _literal(self, node: Node) -> str:
        first = node.children[0]
        assert not isinstance(first, Tree)
        text = str(first)
        if first.type in ("TRUE", "FALSE"):
            return TRUE if first.type == "TRUE" else FALSE
        if first.type != "STRING":
            return number(text)
        quotes = 3 if text.startswith(('"""', "'''")) and len(text) >= 6 else 1
        value = _unescaped(text[quotes:-quotes])
        if len(node.children) == 1:
            return literal(value)
        if _is(node.children[1], "LANGTAG"):
            return language_literal(value, str(node.children[1])[1:])
        return literal(value, self._iri(_nodes(node, "iri")[0]))

    # --- expressions

    def _expression(self, child: Child) -> a.Expression:
        if not isinstance(child, Tree):
            return number(str(child)) if child.type == "SIGNED" else a.Variable(str(child)[1:])
        if child.data in ("iri", "literal"):
            return self._term(child)
        if child.data == "expression":
            return self._chain(child, "||")
        handler = getattr(self, f"_{child.data}", None)
        assert handler is not None, child.data
        expression: a.Expression = handler(child)
        return expression

    def _chain(self, node: Node, name: str) -> a.Expression:
        return a.Call(name, tuple(self._expression(c) for c in node.children[::2]))

    def _conjunction(self, node: Node) -> a.Expression:
        return self._chain(node, "&&")

    def _primary(self, node: Node) -> a.Expression:
        return self._expression(node.children[1])

    def _unary(self, node: Node) -> a.Expression:
        mark, operand = node.children
        return a.Call({"!": "!", "+": "PLUS", "-": "MINUS"}[str(mark)], (self._expression(operand),))

    def _relation(self, node: Node) -> a.Expression:
        left = self._expression(node.children[0])
        if _words(node, "IN"):
            items = [c for c in node.children[1:] if not _is(c, "NOT", "IN", "LPAR", "RPAR", "COMMA")]
            name = "NOT IN" if _words(node, "NOT") else "IN"
            return a.Call(name, (left, *(self._expression(c) for c in items)))
        return a.Call(str(node.children[1]), (left, self._expression(node.children[2])))

    def _sum(self, node: Node) -> a.Expression:
        children = list(node.children)
        result, i = self._expression(children[0]), 1
        while i < len(children):
            child = children[i]
            if _is(child, "SIGNED"):
                # `?a -1*?b` is a sum of products, whose first factor is signed.
                right: a.Expression = number(str(child))
                i += 1
                while i < len(children) and _is(children[i], "STAR", "SLASH"):
                    right = a.Call(str(children[i]), (right, self._expression(children[i + 1])))
                    i += 2
                result = a.Call("+", (result, right))
            else:
                result = a.Call(str(child), (result, self._expression(children[i + 1])))
                i += 2
        return result

    def _product(self, node: Node) -> a.Expression:
        result = self._expression(node.children[0])
        for mark, operand in zip(node.children[1::2], node.children[2::2], strict=True):
            result = a.Call(str(mark), (result, self._expression(operand)))
        return result

    def _call(self, node: Node) -> a.Expression:
        arguments = [c for c in node.children[1:] if not _is(c, "LPAR", "RPAR", "COMMA", "DISTINCT")]
        function = node.children[0]
        assert isinstance(function, Tree)
        return a.Call(iri(self._iri(function)), tuple(self._expression(c) for c in arguments))

    def _function(self, node: Node) -> a.Expression:
        name = str(node.children[0])
        arguments = [c for c in node.children[1:] if not _is(c, "LPAR", "RPAR", "COMMA")]
        name = {"URI": "IRI", "ISURI": "ISIRI"}.get(name, name)
        return a.Call(name, tuple(self._expression(c) for c in arguments))

    def _aggregate(self, node: Node) -> a.Expression:
        name, is_distinct = str(node.children[0]), bool(_words(node, "DISTINCT"))
        separator = " "
        for leaf in _words(node, "STRING"):
            separator = self._literal(Tree("literal", [leaf]))[2:]
        if _words(node, "STAR"):
            return a.Aggregate(name, None, is_distinct)
        skipped = ("LPAR", "RPAR", "DISTINCT", "SEMI", "SEPARATOR", "EQ", "STRING")
        (argument,) = (c for c in node.children[1:] if not _is(c, *skipped))
        return a.Aggregate(name, self._expression(argument), is_distinct, separator)

    def _exists(self, node: Node) -> a.Expression:
        return a.Exists(self._group(_nodes(node, "group")[0]), bool(_words(node, "NOT")))


def _projected(pattern: a.Pattern) -> tuple[str, ...]:
    while not isinstance(pattern, a.Project):
        pattern = pattern.pattern  # type: ignore[union-attr]
    return pattern.variables


def number(text: str) -> str:
    """Return the literal of a number as written (rules 146 to 148)."""
    datatype = "double" if "e" in text.lower() else "decimal" if "." in text else "integer"
    return literal(text, XSD + datatype)


def _constraints(children: Sequence[Child]) -> Iterator[Child]:
    """Yield the expressions of constraints, without their parentheses."""
    return (child for child in children if not _is(child, "LPAR", "RPAR"))


def _joined(left: a.Pattern, right: a.Pattern) -> a.Pattern:
    if left == a.Basic():
        return right
    if isinstance(left, a.Basic) and isinstance(right, a.Basic):
        return a.Basic(left.triples + right.triples)
    return a.Join(left, right)


def _bounded(digits: str) -> int:
    """Return a number of rows, at most more than any result has: SQL's integers end, SPARQL's do not."""
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= MOST_DIGITS else 10**MOST_DIGITS


def _sliced(pattern: a.Pattern, modifiers: Node) -> a.Pattern:
    offset, limit = 0, None
    words = [child for child in modifiers.children if not isinstance(child, Tree)]
    for word, value in zip(words[::2], words[1::2], strict=True):
        if word.type == "LIMIT":
            limit = _bounded(value)
        else:
            offset = _bounded(value)
    return a.Slice(pattern, offset, limit) if offset or limit is not None else pattern
