"""What a SPARQL query is made of, as values: pieces of its text with their places.

Made by sparql_shape, in the words of SPARQL 1.1 Query Language, section 19.8.
"""

from collections.abc import Iterator
from dataclasses import dataclass


class NotUnderstood(Exception):
    """The text has something that is not taken apart here. Never leaves this room."""


@dataclass(frozen=True)
class SyntaxNode:
    """A part of the query's text with its place, and the variables in it, without their sign.

    Lines and columns count from 1, in characters; the end is behind the last one.
    """

    text: str
    line: int
    column: int
    end_line: int
    end_column: int
    variables: frozenset[str]


@dataclass(frozen=True)
class QueryTerm(SyntaxNode):
    """A subject, predicate or object. `kind` is that of its token, "path", "literal", "list" or "node".

    A node is `[…]` with something in it: `text` is [] and `sparql` a variable that the query has nowhere else. `names`
    are the properties in a path, and of a single property itself.
    """

    kind: str
    sparql: str
    names: tuple["QueryTerm", ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it stands for anything, not for something named."""
        return self.kind in ("variable", "blank_node", "node", "list")


@dataclass(frozen=True)
class TriplePattern(SyntaxNode):
    """One triple pattern. `text` is written out, also where the query has `;` or `,`; its place is what stands there
    of it alone."""

    subject: QueryTerm
    predicate: QueryTerm
    object: QueryTerm

    @property
    def sparql(self) -> str:
        return f"{self.subject.sparql} {self.predicate.sparql} {self.object.sparql} ."


@dataclass(frozen=True)
class GraphPattern(SyntaxNode):
    """A part of a group that is no triple. `kind` is its keyword in lower case, "union", "group" or "select".

    `groups` are the groups within it in their order, `graph` the name behind GRAPH, `inner` the query of a subselect,
    `terms` the IRIs and strings in an expression or in VALUES.
    """

    kind: str
    groups: tuple["GroupPattern", ...] = ()
    graph: QueryTerm | None = None
    inner: "ParsedQuery | None" = None
    terms: tuple[QueryTerm, ...] = ()

    @property
    def sparql(self) -> str:
        return f"{{ {self.text} }}" if self.kind == "select" else self.text


@dataclass(frozen=True)
class GroupPattern:
    """What stands between two braces; `text` has them."""

    text: str
    parts: tuple[TriplePattern | GraphPattern, ...]

    def triples(self) -> Iterator[TriplePattern]:
        """Also those of the groups within, in the order of the text."""
        for part in self.parts:
            if isinstance(part, TriplePattern):
                yield part
            else:
                for group in part.groups:
                    yield from group.triples()


@dataclass(frozen=True)
class ParsedQuery:
    """A query or subselect.

    `prologue` is the text before its form, `prefixes` the IRIs of its PREFIX lines by prefix (without colon), `base`
    that of its BASE line. `head` is the projection, template or resources; `described` the terms behind DESCRIBE.
    `dataset` are the FROM clauses, `tail` what follows the group, by kind: group, having, order, limit, offset, values.
    """

    prologue: str
    prefixes: dict[str, QueryTerm]
    base: str
    form: str
    head: str
    described: tuple[QueryTerm, ...]
    dataset: str
    where: GroupPattern | None
    tail: dict[str, GraphPattern]

    def tail_text(self, *kinds: str) -> str:
        """The modifiers of these kinds, as the query has them in its order."""
        return " ".join(part.text for kind, part in self.tail.items() if kind in kinds)
