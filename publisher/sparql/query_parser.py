"""Parse the groups and patterns of a SPARQL 1.1 query, each with its text and position.

Grammar of SPARQL 1.1 Query Language, section 19.8, as far as patterns are concerned; expressions remain text. For
queries that an engine has accepted: nothing is validated here, and unsupported syntax (RDF-star, for example) raises
UnsupportedSyntax instead of being guessed.
"""

from collections.abc import Sequence
from itertools import count

from vaven.publisher.sparql.lexer import FORMS, Token, tokens
from vaven.publisher.sparql.query_tree import (
    GraphPattern,
    GroupPattern,
    ParsedQuery,
    QueryTerm,
    TriplePattern,
    UnsupportedSyntax,
)

CLOSING = {"(": ")", "[": "]", "{": "}"}
# Solution modifiers and VALUES after them (rules 18 to 28), by their first word.
MODIFIERS = ("GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "VALUES")
ELEMENT_KEYWORDS = ("FILTER", "BIND", "VALUES", "OPTIONAL", "MINUS", "GRAPH")
# Nobody writes deeper nesting, and Python's own stack is limited.
MAX_DEPTH = 50


def parse(query: str) -> ParsedQuery:
    """Parse a query. Raises UnsupportedSyntax. Cost: linear in its length."""
    return _Parser(query).query()


class _Parser:
    """A recursive descent parser over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._index, self._depth = text, list(tokens(text)), 0, 0
        used = {token.text[1:] for token in self._tokens if token.kind == "variable"}
        self._fresh_variables = (f"?{name}" for name in map("node{}".format, count(1)) if name not in used)

    # --- tokens

    def _peek(self) -> Token:
        if self._index >= len(self._tokens):
            raise UnsupportedSyntax
        return self._tokens[self._index]

    def _is(self, *texts: str) -> bool:
        return (
            self._index < len(self._tokens)
            and self._tokens[self._index].text in texts
            and self._tokens[self._index].kind != "string"
        )

    def _is_word(self, *texts: str) -> bool:
        return self._is(*texts) and self._peek().kind == "word"

    def _next_token(self, *texts: str) -> Token:
        if texts and not self._is(*texts):
            raise UnsupportedSyntax
        token = self._peek()
        self._index += 1
        return token

    def _text_from(self, first: int) -> str:
        """Return the text from the token with this index to the last consumed one."""
        return self._text[self._tokens[first].start : self._tokens[self._index - 1].end] if self._index > first else ""

    def _span(self, first: int, last: int = 0) -> tuple[int, int, int, int]:
        """Return the position of the tokens from `first` to `last`, or to the last consumed one."""
        begin, end = self._tokens[first], self._tokens[last or self._index - 1]
        # A long string spans several lines.
        breaks = end.text.count("\n")
        column = len(end.text) - end.text.rindex("\n") if breaks else end.column + len(end.text)
        return begin.line, begin.column, end.line + breaks, column

    def _node_fields(self, first: int) -> tuple[str, int, int, int, int, frozenset[str]]:
        variables = frozenset(t.text[1:] for t in self._tokens[first : self._index] if t.kind == "variable")
        return self._text_from(first), *self._span(first), variables

    def _skip_brackets(self) -> None:
        """Skip from an opening bracket past its closing one."""
        closing_stack = [CLOSING[self._next_token(*CLOSING).text]]
        while closing_stack:
            if self._is(*CLOSING):
                closing_stack.append(CLOSING[self._next_token().text])
            elif self._is(closing_stack[-1]):
                self._next_token()
                closing_stack.pop()
            elif self._is(*CLOSING.values()):
                raise UnsupportedSyntax
            else:
                self._next_token()

    def _skip(self) -> None:
        if self._is(*CLOSING):
            self._skip_brackets()
        else:
            self._next_token()

    # --- queries

    def query(self) -> ParsedQuery:
        prefixes, base = {}, ""
        while self._is_word("BASE", "PREFIX"):
            if self._next_token().text == "BASE":
                base = self._iri().text[1:-1]
                continue
            name = self._next_token()
            if name.kind != "prefixed" or not name.text.endswith(":"):
                raise UnsupportedSyntax
            prefixes[name.text[:-1]] = self._iri()
        query = self._select(self._text[: self._peek().start], prefixes, base)
        if self._index != len(self._tokens):
            raise UnsupportedSyntax
        return query

    def _iri(self) -> QueryTerm:
        if self._peek().kind != "iri":
            raise UnsupportedSyntax
        return self._term()

    def _select(self, prologue: str, prefixes: dict[str, QueryTerm], base: str) -> ParsedQuery:
        if self._peek().kind != "word":
            raise UnsupportedSyntax
        form = self._next_token(*FORMS).text
        head, described = self._described_terms() if form == "DESCRIBE" else (self._head(form), ())
        first = self._index
        while self._is_word("FROM"):
            self._next_token()
            if self._is_word("NAMED"):
                self._next_token()
            self._next_token()
        dataset = self._text_from(first)
        if self._is_word("WHERE"):
            self._next_token("WHERE")
        where = self._group() if self._is("{") or form != "DESCRIBE" else None
        return ParsedQuery(prologue, prefixes, base, form, head, described, dataset, where, self._tail())

    def _head(self, form: str) -> str:
        first = self._index
        while not (self._is_word("FROM", "WHERE") or (self._is("{") and (form != "CONSTRUCT" or self._index > first))):
            # `CONSTRUCT WHERE { … }` has no template: the pattern is the template.
            self._skip()
        return self._text_from(first)

    def _described_terms(self) -> tuple[str, tuple[QueryTerm, ...]]:
        first, terms = self._index, []
        while self._index < len(self._tokens) and not (self._is_word(*MODIFIERS, "FROM", "WHERE") or self._is("{")):
            if self._is("*"):
                self._next_token()
            else:
                terms.append(self._term())
        return self._text_from(first), tuple(terms)

    def _tail(self) -> dict[str, GraphPattern]:
        modifiers = {}
        while self._index < len(self._tokens) and not self._is("}"):
            first, kind = self._index, self._peek().text.lower()
            if not self._is_word(*MODIFIERS) or kind in modifiers:
                raise UnsupportedSyntax
            self._next_token()
            while self._index < len(self._tokens) and not (self._is("}") or self._is_word(*MODIFIERS)):
                self._skip()
            modifiers[kind] = GraphPattern(*self._node_fields(first), kind, terms=self._terms_from(first))
        return modifiers

    # --- groups

    def _change_depth(self, change: int) -> None:
        self._depth += change
        if self._depth > MAX_DEPTH:
            raise UnsupportedSyntax

    def _group(self) -> GroupPattern:
        self._change_depth(1)
        first = self._index
        self._next_token("{")
        elements: list[TriplePattern | GraphPattern] = []
        if self._is_word("SELECT"):
            at = self._index
            inner = self._select("", {}, "")
            elements.append(
                GraphPattern(*self._node_fields(at), "select", (inner.where,) if inner.where else (), None, inner)
            )
        else:
            while not self._is("}"):
                elements += self._elements()
        self._next_token("}")
        self._change_depth(-1)
        return GroupPattern(self._text_from(first), tuple(elements))

    def _elements(self) -> Sequence[TriplePattern | GraphPattern]:
        if self._is("."):
            self._next_token()
            return ()
        if self._is("{"):
            return (self._group_or_union(),)
        if not self._is_word(*ELEMENT_KEYWORDS):
            return self._triples()
        word = self._peek().text
        if word == "FILTER":
            return (self._filter(),)
        if word in ("BIND", "VALUES"):
            return (self._values(),)
        return (self._with_group(),)

    def _group_or_union(self) -> GraphPattern:
        first, groups = self._index, [self._group()]
        while self._is_word("UNION"):
            self._next_token()
            groups.append(self._group())
        return GraphPattern(*self._node_fields(first), "union" if len(groups) > 1 else "group", tuple(groups))

    def _with_group(self) -> GraphPattern:
        first, kind = self._index, self._next_token().text.lower()
        graph = self._term() if kind == "graph" else None
        group = self._group()
        return GraphPattern(*self._node_fields(first), kind, (group,), graph)

    def _filter(self) -> GraphPattern:
        """Parse a FILTER. The group of EXISTS is parsed too; "not-exists" is a kind of its own."""
        first, kind = self._index, "filter"
        self._next_token("FILTER")
        if self._is_word("NOT", "EXISTS"):
            kind = "not-exists" if self._next_token().text == "NOT" else "exists"
            if kind == "not-exists":
                self._next_token("EXISTS")
            group = self._group()
            return GraphPattern(*self._node_fields(first), kind, (group,))
        if not self._is("("):
            self._next_token()
        self._skip_brackets()
        return GraphPattern(*self._node_fields(first), kind, terms=self._terms_from(first))

    def _values(self) -> GraphPattern:
        """Parse BIND (…), VALUES ?x {…} or VALUES (…) {…}."""
        first, kind = self._index, self._next_token().text.lower()
        self._skip()
        if kind == "values":
            self._skip_brackets()
        return GraphPattern(*self._node_fields(first), kind, terms=self._terms_from(first))

    def _terms_from(self, first: int) -> tuple[QueryTerm, ...]:
        """Return the IRIs and strings from this token to the last consumed one, without functions and datatypes."""
        end, self._index = self._index, first
        terms = []
        while self._index < end:
            kind = self._peek().kind
            term = self._term() if kind in ("iri", "prefixed", "string") else None
            if term and not self._is("("):
                terms.append(term)
            elif not term:
                self._next_token()
        self._index = end
        return tuple(terms)

    # --- triples

    def _triples(self) -> list[TriplePattern]:
        """Parse triples with one subject (rule 81), including those in brackets of their nodes."""
        first = self._index
        subject, triples = self._node()
        if triples and self._is_end():
            return triples
        return triples + self._properties(subject, first)

    def _is_end(self) -> bool:
        return self._is(".", "}", "]", "{") or self._is_word(*ELEMENT_KEYWORDS)

    def _properties(self, subject: QueryTerm, first: int) -> list[TriplePattern]:
        """Parse a property list (rule 83). `first` is the token at which its first triple begins."""
        triples: list[TriplePattern] = []
        while True:
            predicate = self._predicate()
            while True:
                if triples and first < 0:
                    first = self._index
                object_, inner = self._node()
                triples += [self._triple(first, subject, predicate, object_), *inner]
                first = -1
                if not self._is(","):
                    break
                self._next_token()
            while self._is(";"):
                self._next_token()
                first = self._index
            if first < 0 or self._is_end():
                return triples

    def _triple(self, first: int, subject: QueryTerm, predicate: QueryTerm, object_: QueryTerm) -> TriplePattern:
        """Return the triple that begins at this token; a triple with a node as object ends at its opening bracket."""
        begin = self._tokens[first]
        variables = frozenset[str]().union(*(t.variables for t in (subject, predicate, object_)))
        text = f"{subject.text} {predicate.text} {object_.text}"
        span = (begin.line, begin.column, object_.end_line, object_.end_column)
        return TriplePattern(text, *span, variables, subject, predicate, object_)

    def _node(self) -> tuple[QueryTerm, list[TriplePattern]]:
        """Parse a subject or object, and the triples in its brackets."""
        first = self._index
        if self._is("("):
            self._skip_brackets()
            return self._as_term(first, "list"), []
        if not self._is("["):
            return self._term(), []
        self._next_token()
        if self._is("]"):
            self._next_token()
            return self._as_term(first, "blank_node"), []
        self._change_depth(1)
        name = next(self._fresh_variables)
        node = QueryTerm("[]", *self._span(first, first), frozenset((name[1:],)), "node", name)
        triples = self._properties(node, self._index)
        self._next_token("]")
        self._change_depth(-1)
        return node, triples

    def _as_term(self, first: int, kind: str, names: tuple[QueryTerm, ...] = ()) -> QueryTerm:
        return QueryTerm(*self._node_fields(first), kind, self._text_from(first), names)

    def _term(self) -> QueryTerm:
        """Parse a variable, IRI, literal or blank node label (rules 106 and 109)."""
        first, token = self._index, self._next_token()
        if token.kind == "mark" and token.text in "+-" and self._peek().kind == "number":
            self._next_token()
        elif token.kind == "string":
            if self._index < len(self._tokens) and self._peek().kind == "language":
                self._next_token()
            elif self._is("^"):
                self._next_token("^")
                self._next_token("^")
                self._next_token()
        elif token.kind in ("iri", "prefixed", "variable", "blank_node"):
            return self._as_term(first, token.kind)
        elif token.kind != "number" and token.text not in ("TRUE", "FALSE"):
            raise UnsupportedSyntax
        return self._as_term(first, "literal")

    def _predicate(self) -> QueryTerm:
        """Parse a variable, a property or a property path (rules 82 to 96)."""
        first = self._index
        if self._peek().kind == "variable":
            return self._term()
        while True:
            while self._is("^", "!"):
                self._next_token()
            if self._is("("):
                self._skip_brackets()
            elif self._peek().kind in ("iri", "prefixed") or self._is_word("A"):
                self._next_token()
            else:
                raise UnsupportedSyntax
            if self._is("?", "*", "+"):
                self._next_token()
            if not self._is("/", "|"):
                return self._path(first)
            self._next_token()

    def _path(self, first: int) -> QueryTerm:
        indexes = [i for i in range(first, self._index) if self._tokens[i].kind in ("iri", "prefixed") or self._is_a(i)]
        names = tuple(self._property_name(i) for i in indexes)
        kind = self._tokens[first].kind if self._index - first == 1 else "path"
        return self._as_term(first, kind, names)

    def _is_a(self, at: int) -> bool:
        return self._tokens[at].kind == "word" and self._tokens[at].text == "A"

    def _property_name(self, at: int) -> QueryTerm:
        token = self._tokens[at]
        text = self._text[token.start : token.end]
        return QueryTerm(text, *self._span(at, at), frozenset(), token.kind, text)
