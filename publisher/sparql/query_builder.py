"""Build the values of query_tree.py from the syntax tree of a query: its groups and patterns with texts and positions.

Expressions remain text. A query that the grammar refuses (RDF-star, for example) raises UnsupportedSyntax.
"""

from collections.abc import Iterator, Sequence
from itertools import count

from lark import Token as Leaf
from lark import Tree

from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.sparql.lexer import DecodedQuery
from vaven.publisher.sparql.query_tree import (
    GraphPattern,
    GroupPattern,
    ParsedQuery,
    QueryTerm,
    TriplePattern,
    UnsupportedSyntax,
)
from vaven.publisher.sparql.tree import Node, child_nodes, child_words, end_of, first_leaf, last_leaf, leaves, start_of

# Nobody writes deeper nesting, and Python's own stack is limited.
MAX_DEPTH = 50
# Clauses after the group by the nodes and words of the grammar.
CLAUSES = {"group_by": "group", "having": "having", "order_by": "order"}
# Expressions that need no parentheses inside of another.
CLOSED_EXPRESSIONS = ("aggregate", "function", "call", "literal", "iri", "primary")
TERM_KINDS = {
    "VAR": "variable",
    "BLANK_NODE": "blank_node",
    "IRIREF": "iri",
    "PNAME_LN": "prefixed",
    "PNAME_NS": "prefixed",
    "A": "word",
}
NAMES = ("IRIREF", "PNAME_LN", "PNAME_NS", "A")
Part = Node | Leaf


def parse(query: str) -> ParsedQuery:
    """Parse a query. Raises UnsupportedSyntax. Cost: linear in its length."""
    tree = parse_tree(query)
    if isinstance(tree, SyntaxStop):
        raise UnsupportedSyntax
    return _Builder(DecodedQuery(query), tree).query()


class _Builder:
    """The values of one query. Texts and positions are those of the query as written."""

    def __init__(self, decoded: DecodedQuery, tree: Node) -> None:
        self._decoded, self._tree, self._depth = decoded, tree, 0
        used = {word[1:] for word in leaves(tree) if word.type == "VAR"}
        self._fresh_variables = (f"?{name}" for name in map("node{}".format, count(1)) if name not in used)

    # --- texts and positions

    def _text_of(self, *parts: Part) -> str:
        return self._decoded.written(start_of(parts[0]), end_of(parts[-1])) if parts else ""

    def _node_fields(self, *parts: Part) -> tuple[str, int, int, int, int, frozenset[str]]:
        """Return the fields of a SyntaxNode from the first of these parts to the last."""
        variables = frozenset(word[1:] for word in leaves(*parts) if word.type == "VAR")
        return self._text_of(*parts), *_begin(parts[0]), *self._end(parts[-1]), variables

    def _end(self, part: Part) -> tuple[int, int]:
        word = last_leaf(part)
        line, column, written = word.line or 1, word.column or 1, self._text_of(word)
        # A long string spans several lines.
        breaks = written.count("\n")
        return line + breaks, len(written) - written.rindex("\n") if breaks else column + len(written)

    # --- queries

    def query(self) -> ParsedQuery:
        *prologue, form = self._tree.children
        prefixes, base = {}, ""
        for word, name, *rest in zip(prologue, prologue[1:], [*prologue[2:], None], strict=False):
            if _type(word) == "BASE":
                base = str(name)[1:-1]
            elif _type(word) == "PREFIX" and rest[0] is not None:
                prefixes[str(name)[:-1]] = self._term(rest[0])
        assert isinstance(form, Tree)
        return self._query(form, self._decoded.written(0, start_of(form)), prefixes, base)

    def _query(self, form: Node, prologue: str, prefixes: dict[str, QueryTerm], base: str) -> ParsedQuery:
        groups = child_nodes(form, "group") or (child_nodes(form, "template") if form.data == "construct" else [])
        name = str(first_leaf(form))
        described = tuple(map(self._term, _described(form)))
        where = self._group(groups[0]) if groups else None
        dataset = self._text_of(*child_nodes(form, "dataset"))
        return ParsedQuery(
            *(prologue, prefixes, base, name, self._head(form), described, dataset, where, dict(self._tail(form))),
            dict(self._named(form)),
        )

    def _named(self, form: Node) -> Iterator[tuple[str, str]]:
        """Yield the columns `(… AS ?name)`: their names and expressions."""
        for columns in child_nodes(form, "columns"):
            for column in child_nodes(columns, "named"):
                _, expression, _, name, _ = column.children
                is_single = not isinstance(expression, Tree) or expression.data in CLOSED_EXPRESSIONS
                text = self._text_of(expression)
                yield str(name)[1:], text if is_single else f"({text})"

    def _head(self, form: Node) -> str:
        if form.data == "describe":
            return self._text_of(*(_described(form) or child_words(form, "STAR")))
        if columns := child_nodes(form, "columns"):
            return self._text_of(*columns[0].children[1:])
        # `CONSTRUCT WHERE { … }` has no template: the pattern is the template.
        return self._text_of(*(child_nodes(form, "template") if child_nodes(form, "group") else ()))

    def _tail(self, form: Node) -> Iterator[tuple[str, GraphPattern]]:
        """Yield the clauses after the group by kind, in the order of the query."""
        (modifiers,) = child_nodes(form, "modifiers")
        for part in child_nodes(modifiers, *CLAUSES):
            yield CLAUSES[part.data], self._clause(CLAUSES[part.data], part)
        limits = child_words(modifiers, "LIMIT", "OFFSET", "INTEGER")
        for word, number in zip(limits[::2], limits[1::2], strict=True):
            yield word.lower(), self._clause(word.lower(), word, number)
        for part in child_nodes(form, "values"):
            yield "values", self._clause("values", part)

    def _clause(self, kind: str, *parts: Part) -> GraphPattern:
        return GraphPattern(*self._node_fields(*parts), kind, terms=tuple(self._terms_in(*parts)))

    # --- groups

    def _change_depth(self, change: int) -> None:
        self._depth += change
        if self._depth > MAX_DEPTH:
            raise UnsupportedSyntax

    def _group(self, group: Node) -> GroupPattern:
        """Build a group, or a template of CONSTRUCT WHERE, which has triples only."""
        self._change_depth(1)
        elements: list[TriplePattern | GraphPattern] = []
        for part in group.children:
            if isinstance(part, Tree):
                elements += self._elements(part)
        self._change_depth(-1)
        return GroupPattern(self._text_of(group), tuple(elements))

    def _elements(self, part: Node) -> Sequence[TriplePattern | GraphPattern]:
        kind = str(part.data)
        if kind == "triples":
            return [triple for subject in child_nodes(part, "same_subject") for triple in self._triples(subject)]
        if kind == "same_subject":
            return self._triples(part)
        if kind == "filter":
            return (self._filter(part),)
        if kind in ("bind", "values"):
            return (self._clause(kind, part),)
        if kind == "subselect":
            inner = self._query(part, "", {}, "")
            groups = (inner.where,) if inner.where else ()
            return (GraphPattern(*self._node_fields(part), "select", groups, None, inner),)
        return (self._with_groups(part),)

    def _with_groups(self, part: Node) -> GraphPattern:
        kind, graph = str(part.data), None
        if kind == "service":
            raise UnsupportedSyntax
        if kind == "graph":
            graph = self._term(part.children[1])
        groups = tuple(map(self._group, child_nodes(part, "group")))
        if kind == "alternatives":
            kind = "union" if len(groups) > 1 else "group"
        return GraphPattern(*self._node_fields(part), kind, groups, graph)

    def _filter(self, part: Node) -> GraphPattern:
        """Build a FILTER. The group of EXISTS is built too; "not-exists" is a kind of its own."""
        if not (exists := child_nodes(part, "exists")):
            return self._clause("filter", part)
        kind = "not-exists" if child_words(exists[0], "NOT") else "exists"
        groups = tuple(map(self._group, child_nodes(exists[0], "group")))
        return GraphPattern(*self._node_fields(part), kind, groups)

    def _terms_in(self, *parts: Part) -> Iterator[QueryTerm]:
        """Yield the IRIs and strings in some parts, without functions, datatypes and numbers."""
        stack = list(parts[::-1])
        while stack:
            part = stack.pop()
            if not isinstance(part, Tree):
                continue
            if part.data == "iri" or (part.data == "literal" and _type(part.children[0]) == "STRING"):
                yield self._term(part)
            elif part.data == "call":
                stack.extend(part.children[:0:-1])
            else:
                stack.extend(part.children[::-1])

    # --- triples

    def _triples(self, same_subject: Node) -> list[TriplePattern]:
        """Build triples with one subject (rule 81), including those in brackets of their nodes."""
        subject, triples = self._node(same_subject.children[0])
        return triples + self._properties(subject, same_subject.children[1:], first=same_subject.children[0])

    def _properties(self, subject: QueryTerm, parts: Sequence[Part], *, first: Part | None) -> list[TriplePattern]:
        """Build a property list (rule 83). Its first triple begins at `first`, or at its verb."""
        triples: list[TriplePattern] = []
        verbs = [part for part in parts if _type(part) != "SEMI"]
        for verb, objects in zip(verbs[::2], verbs[1::2], strict=True):
            predicate = self._predicate(verb)
            assert isinstance(objects, Tree)
            for i, part in enumerate(objects.children[::2]):
                object_, inner = self._node(part)
                begin = part if i else first or verb
                triples += [_triple(begin, subject, predicate, object_), *inner]
            first = None
        return triples

    def _node(self, part: Part) -> tuple[QueryTerm, list[TriplePattern]]:
        """Build a subject or object, and the triples in its brackets."""
        if not isinstance(part, Tree) or part.data != "bracketed":
            return self._term(part), []
        self._change_depth(1)
        opening, *properties, _ = part.children
        name = next(self._fresh_variables)
        node = QueryTerm("[]", *_begin(opening), *self._end(opening), frozenset((name[1:],)), "node", name)
        triples = self._properties(node, properties, first=None)
        self._change_depth(-1)
        return node, triples

    def _term(self, part: Part, kind: str = "", names: tuple[QueryTerm, ...] = ()) -> QueryTerm:
        return QueryTerm(*self._node_fields(part), kind or _term_kind(part), self._text_of(part), names)

    def _predicate(self, verb: Part) -> QueryTerm:
        """Build a variable, a property or a property path (rules 82 to 96)."""
        if _type(verb) == "VAR":
            return self._term(verb)
        words = list(leaves(verb))
        names = tuple(self._property_name(word) for word in words if word.type in NAMES)
        return self._term(verb, TERM_KINDS[words[0].type] if len(words) == 1 else "path", names)

    def _property_name(self, word: Leaf) -> QueryTerm:
        text = self._text_of(word)
        return QueryTerm(text, *_begin(word), *self._end(word), frozenset(), TERM_KINDS[word.type], text)


def _triple(begin: Part, subject: QueryTerm, predicate: QueryTerm, object_: QueryTerm) -> TriplePattern:
    """Return the triple that begins at this part; a triple with a node as object ends at its opening bracket."""
    variables = frozenset[str]().union(*(t.variables for t in (subject, predicate, object_)))
    text = f"{subject.text} {predicate.text} {object_.text}"
    end = (object_.end_line, object_.end_column)
    return TriplePattern(text, *_begin(begin), *end, variables, subject, predicate, object_)


def _type(part: Part | None) -> str:
    """Return the terminal of a token; "" for a node."""
    return "" if part is None or isinstance(part, Tree) else part.type


def _term_kind(part: Part) -> str:
    if not isinstance(part, Tree):
        return TERM_KINDS[part.type]
    if part.data == "iri":
        return TERM_KINDS[_type(part.children[0])]
    if part.data == "empty":
        return "blank_node" if _type(part.children[0]) == "LBRACKET" else "list"
    return "list" if part.data == "collection" else "literal"


def _described(form: Node) -> list[Part]:
    """Return the variables and IRIs after DESCRIBE."""
    if form.data != "describe":
        return []
    return [part for part in form.children if _type(part) == "VAR" or (isinstance(part, Tree) and part.data == "iri")]


def _begin(part: Part) -> tuple[int, int]:
    word = first_leaf(part)
    return word.line or 1, word.column or 1
