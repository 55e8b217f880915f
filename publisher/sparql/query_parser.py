"""The shape of a SPARQL 1.1 query: its groups and what stands in them, each with its own piece of the text.

Grammar of SPARQL 1.1 Query Language, section 19.8, as far as patterns go; expressions stay text. For queries that an
engine has taken: nothing is checked here, and what isn't understood (RDF-star, say) is NotUnderstood, never guessed.
"""

from collections.abc import Sequence
from itertools import count

from vaven.publisher.sparql.lexer import FORMS, Token, tokens
from vaven.publisher.sparql.query_tree import (
    GraphPattern,
    GroupPattern,
    NotUnderstood,
    ParsedQuery,
    QueryTerm,
    TriplePattern,
)

ENDS = {"(": ")", "[": "]", "{": "}"}
# Solution modifiers and the values behind them (rules 18 to 28), by their first word.
MODIFIERS = ("GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "VALUES")
PARTS = ("FILTER", "BIND", "VALUES", "OPTIONAL", "MINUS", "GRAPH")
# Deeper nesting is no query of a person, and Python's own stack has an end.
DEEPEST = 50


def parse(query: str) -> ParsedQuery:
    """Take a query apart. Raises NotUnderstood. Cost: linear in its length."""
    return _Reader(query).query()


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text, self._all, self._at, self._depth = text, list(tokens(text)), 0, 0
        used = {token.text[1:] for token in self._all if token.kind == "variable"}
        self._fresh = (f"?{name}" for name in map("node{}".format, count(1)) if name not in used)

    # --- tokens

    def _peek(self) -> Token:
        if self._at >= len(self._all):
            raise NotUnderstood
        return self._all[self._at]

    def _is(self, *texts: str) -> bool:
        return self._at < len(self._all) and self._all[self._at].text in texts and self._all[self._at].kind != "string"

    def _is_word(self, *texts: str) -> bool:
        return self._is(*texts) and self._peek().kind == "word"

    def _take(self, *texts: str) -> Token:
        if texts and not self._is(*texts):
            raise NotUnderstood
        token = self._peek()
        self._at += 1
        return token

    def _since(self, first: int) -> str:
        """The text from a token on, by its index, to the last taken."""
        return self._text[self._all[first].start : self._all[self._at - 1].end] if self._at > first else ""

    def _place(self, first: int, last: int = 0) -> tuple[int, int, int, int]:
        """Where the tokens from `first` to `last`, or to the last taken, stand."""
        begin, end = self._all[first], self._all[last or self._at - 1]
        # A long string has lines of its own.
        breaks = end.text.count("\n")
        column = len(end.text) - end.text.rindex("\n") if breaks else end.column + len(end.text)
        return begin.line, begin.column, end.line + breaks, column

    def _piece(self, first: int) -> tuple[str, int, int, int, int, frozenset[str]]:
        variables = frozenset(t.text[1:] for t in self._all[first : self._at] if t.kind == "variable")
        return self._since(first), *self._place(first), variables

    def _skip_brackets(self) -> None:
        """From an opening bracket to behind the one that closes it."""
        open_ones = [ENDS[self._take(*ENDS).text]]
        while open_ones:
            if self._is(*ENDS):
                open_ones.append(ENDS[self._take().text])
            elif self._is(open_ones[-1]):
                self._take()
                open_ones.pop()
            elif self._is(*ENDS.values()):
                raise NotUnderstood
            else:
                self._take()

    def _skip(self) -> None:
        if self._is(*ENDS):
            self._skip_brackets()
        else:
            self._take()

    # --- queries

    def query(self) -> ParsedQuery:
        prefixes, base = {}, ""
        while self._is_word("BASE", "PREFIX"):
            if self._take().text == "BASE":
                base = self._iri().text[1:-1]
                continue
            name = self._take()
            if name.kind != "prefixed" or not name.text.endswith(":"):
                raise NotUnderstood
            prefixes[name.text[:-1]] = self._iri()
        found = self._select(self._text[: self._peek().start], prefixes, base)
        if self._at != len(self._all):
            raise NotUnderstood
        return found

    def _iri(self) -> QueryTerm:
        if self._peek().kind != "iri":
            raise NotUnderstood
        return self._term()

    def _select(self, prologue: str, prefixes: dict[str, QueryTerm], base: str) -> ParsedQuery:
        if self._peek().kind != "word":
            raise NotUnderstood
        form = self._take(*FORMS).text
        head, described = self._described() if form == "DESCRIBE" else (self._head(form), ())
        first = self._at
        while self._is_word("FROM"):
            self._take()
            if self._is_word("NAMED"):
                self._take()
            self._take()
        dataset = self._since(first)
        if self._is_word("WHERE"):
            self._take("WHERE")
        where = self._group() if self._is("{") or form != "DESCRIBE" else None
        return ParsedQuery(prologue, prefixes, base, form, head, described, dataset, where, self._tail())

    def _head(self, form: str) -> str:
        first = self._at
        while not (self._is_word("FROM", "WHERE") or (self._is("{") and (form != "CONSTRUCT" or self._at > first))):
            # `CONSTRUCT WHERE { … }` has no template: what is found is what is built.
            self._skip()
        return self._since(first)

    def _described(self) -> tuple[str, tuple[QueryTerm, ...]]:
        first, found = self._at, []
        while self._at < len(self._all) and not (self._is_word(*MODIFIERS, "FROM", "WHERE") or self._is("{")):
            if self._is("*"):
                self._take()
            else:
                found.append(self._term())
        return self._since(first), tuple(found)

    def _tail(self) -> dict[str, GraphPattern]:
        found = {}
        while self._at < len(self._all) and not self._is("}"):
            first, kind = self._at, self._peek().text.lower()
            if not self._is_word(*MODIFIERS) or kind in found:
                raise NotUnderstood
            self._take()
            while self._at < len(self._all) and not (self._is("}") or self._is_word(*MODIFIERS)):
                self._skip()
            found[kind] = GraphPattern(*self._piece(first), kind, terms=self._named(first))
        return found

    # --- groups

    def _deeper(self, change: int) -> None:
        self._depth += change
        if self._depth > DEEPEST:
            raise NotUnderstood

    def _group(self) -> GroupPattern:
        self._deeper(1)
        first = self._at
        self._take("{")
        parts: list[TriplePattern | GraphPattern] = []
        if self._is_word("SELECT"):
            at = self._at
            inner = self._select("", {}, "")
            parts.append(GraphPattern(*self._piece(at), "select", (inner.where,) if inner.where else (), None, inner))
        else:
            while not self._is("}"):
                parts += self._parts()
        self._take("}")
        self._deeper(-1)
        return GroupPattern(self._since(first), tuple(parts))

    def _parts(self) -> Sequence[TriplePattern | GraphPattern]:
        if self._is("."):
            self._take()
            return ()
        if self._is("{"):
            return (self._union(),)
        if not self._is_word(*PARTS):
            return self._triples()
        word = self._peek().text
        if word == "FILTER":
            return (self._filter(),)
        if word in ("BIND", "VALUES"):
            return (self._values(),)
        return (self._with_group(),)

    def _union(self) -> GraphPattern:
        first, groups = self._at, [self._group()]
        while self._is_word("UNION"):
            self._take()
            groups.append(self._group())
        return GraphPattern(*self._piece(first), "union" if len(groups) > 1 else "group", tuple(groups))

    def _with_group(self) -> GraphPattern:
        first, kind = self._at, self._take().text.lower()
        graph = self._term() if kind == "graph" else None
        group = self._group()
        return GraphPattern(*self._piece(first), kind, (group,), graph)

    def _filter(self) -> GraphPattern:
        """Also FILTER EXISTS, whose group is taken apart; "not-exists" is a kind of its own."""
        first, kind = self._at, "filter"
        self._take("FILTER")
        if self._is_word("NOT", "EXISTS"):
            kind = "not-exists" if self._take().text == "NOT" else "exists"
            if kind == "not-exists":
                self._take("EXISTS")
            group = self._group()
            return GraphPattern(*self._piece(first), kind, (group,))
        if not self._is("("):
            self._take()
        self._skip_brackets()
        return GraphPattern(*self._piece(first), kind, terms=self._named(first))

    def _values(self) -> GraphPattern:
        """BIND (…), VALUES ?x {…} or VALUES (…) {…}."""
        first, kind = self._at, self._take().text.lower()
        self._skip()
        if kind == "values":
            self._skip_brackets()
        return GraphPattern(*self._piece(first), kind, terms=self._named(first))

    def _named(self, first: int) -> tuple[QueryTerm, ...]:
        """The IRIs and strings from a token on to the last taken; functions and datatypes are none of them."""
        end, self._at = self._at, first
        found = []
        while self._at < end:
            kind = self._peek().kind
            term = self._term() if kind in ("iri", "prefixed", "string") else None
            if term and not self._is("("):
                found.append(term)
            elif not term:
                self._take()
        self._at = end
        return tuple(found)

    # --- triples

    def _triples(self) -> list[TriplePattern]:
        """Triples with one subject (rule 81), and those in the brackets of their nodes."""
        first = self._at
        subject, found = self._node()
        if found and self._is_end():
            return found
        return found + self._properties(subject, first)

    def _is_end(self) -> bool:
        return self._is(".", "}", "]", "{") or self._is_word(*PARTS)

    def _properties(self, subject: QueryTerm, first: int) -> list[TriplePattern]:
        """A property list (rule 83). `first` is the token at which its first triple begins."""
        found: list[TriplePattern] = []
        while True:
            predicate = self._verb()
            while True:
                if found and first < 0:
                    first = self._at
                object_, inner = self._node()
                found += [self._triple(first, subject, predicate, object_), *inner]
                first = -1
                if not self._is(","):
                    break
                self._take()
            while self._is(";"):
                self._take()
                first = self._at
            if first < 0 or self._is_end():
                return found

    def _triple(self, first: int, subject: QueryTerm, predicate: QueryTerm, object_: QueryTerm) -> TriplePattern:
        """The triple that begins at a token; where its object is a node, it ends at the bracket that opens it."""
        begin = self._all[first]
        variables = frozenset[str]().union(*(t.variables for t in (subject, predicate, object_)))
        text = f"{subject.text} {predicate.text} {object_.text}"
        place = (begin.line, begin.column, object_.end_line, object_.end_column)
        return TriplePattern(text, *place, variables, subject, predicate, object_)

    def _node(self) -> tuple[QueryTerm, list[TriplePattern]]:
        """A subject or object, and the triples in its brackets."""
        first = self._at
        if self._is("("):
            self._skip_brackets()
            return self._as_term(first, "list"), []
        if not self._is("["):
            return self._term(), []
        self._take()
        if self._is("]"):
            self._take()
            return self._as_term(first, "blank_node"), []
        self._deeper(1)
        name = next(self._fresh)
        node = QueryTerm("[]", *self._place(first, first), frozenset((name[1:],)), "node", name)
        found = self._properties(node, self._at)
        self._take("]")
        self._deeper(-1)
        return node, found

    def _as_term(self, first: int, kind: str, names: tuple[QueryTerm, ...] = ()) -> QueryTerm:
        return QueryTerm(*self._piece(first), kind, self._since(first), names)

    def _term(self) -> QueryTerm:
        """A variable, IRI, literal or blank node's label (rules 106 and 109)."""
        first, token = self._at, self._take()
        if token.kind == "mark" and token.text in "+-" and self._peek().kind == "number":
            self._take()
        elif token.kind == "string":
            if self._at < len(self._all) and self._peek().kind == "language":
                self._take()
            elif self._is("^"):
                self._take("^")
                self._take("^")
                self._take()
        elif token.kind in ("iri", "prefixed", "variable", "blank_node"):
            return self._as_term(first, token.kind)
        elif token.kind != "number" and token.text not in ("TRUE", "FALSE"):
            raise NotUnderstood
        return self._as_term(first, "literal")

    def _verb(self) -> QueryTerm:
        """A variable, a property or a property path (rules 82 to 96)."""
        first = self._at
        if self._peek().kind == "variable":
            return self._term()
        while True:
            while self._is("^", "!"):
                self._take()
            if self._is("("):
                self._skip_brackets()
            elif self._peek().kind in ("iri", "prefixed") or self._is_word("A"):
                self._take()
            else:
                raise NotUnderstood
            if self._is("?", "*", "+"):
                self._take()
            if not self._is("/", "|"):
                return self._path(first)
            self._take()

    def _path(self, first: int) -> QueryTerm:
        places = [i for i in range(first, self._at) if self._all[i].kind in ("iri", "prefixed") or self._is_a(i)]
        names = tuple(self._name(i) for i in places)
        kind = self._all[first].kind if self._at - first == 1 else "path"
        return self._as_term(first, kind, names)

    def _is_a(self, at: int) -> bool:
        return self._all[at].kind == "word" and self._all[at].text == "A"

    def _name(self, at: int) -> QueryTerm:
        token = self._all[at]
        text = self._text[token.start : token.end]
        return QueryTerm(text, *self._place(at, at), frozenset(), token.kind, text)
