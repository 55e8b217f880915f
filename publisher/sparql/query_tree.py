"""The syntax tree of a SPARQL query, as values: parts of its text with their positions.

Built by query_builder.py, in the terms of SPARQL 1.1 Query Language, section 19.8.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


class UnsupportedSyntax(Exception):
    """The query has syntax that is not parsed here. Never leaves this room."""


@dataclass(frozen=True)
class SyntaxNode:
    """A part of the query's text with its position, and its variables, without ? or $.

    Lines and columns count from 1, in characters; the end is after the last character.
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

    A node is a non-empty `[…]`: its `text` is [] and its `sparql` a variable that is not used elsewhere in the query.
    `names` are the properties in a path, or the property itself.
    """

    kind: str
    sparql: str
    names: tuple["QueryTerm", ...] = ()

    @property
    def is_wildcard(self) -> bool:
        """True for a term that matches any value (variable, blank node, list), not one named resource."""
        return self.kind in ("variable", "blank_node", "node", "list")


@dataclass(frozen=True)
class TriplePattern(SyntaxNode):
    """One triple pattern.

    `text` is written in full, even if the query uses `;` or `,`; the position is that of its own tokens only.
    """

    subject: QueryTerm
    predicate: QueryTerm
    object: QueryTerm

    @property
    def sparql(self) -> str:
        return f"{self.subject.sparql} {self.predicate.sparql} {self.object.sparql} ."


@dataclass(frozen=True)
class GraphPattern(SyntaxNode):
    """A part of a group other than a triple pattern.

    `kind` is its keyword in lower case, "union", "group" or "select". `groups` are the nested groups in order, `graph`
    the name after GRAPH, `subselect` the nested query, `terms` the IRIs and strings in an expression or in VALUES.
    """

    kind: str
    groups: tuple["GroupPattern", ...] = ()
    graph: QueryTerm | None = None
    subselect: "ParsedQuery | None" = None
    terms: tuple[QueryTerm, ...] = ()

    @property
    def sparql(self) -> str:
        return f"{{ {self.text} }}" if self.kind == "select" else self.text


@dataclass(frozen=True)
class GroupPattern:
    """A group graph pattern; `text` includes its braces."""

    text: str
    elements: tuple[TriplePattern | GraphPattern, ...]

    def triples(self) -> Iterator[TriplePattern]:
        """Yield the triple patterns of this group and its nested groups, in the order of the text."""
        for part in self.elements:
            if isinstance(part, TriplePattern):
                yield part
            else:
                for group in part.groups:
                    yield from group.triples()


@dataclass(frozen=True)
class ParsedQuery:
    """A query or subselect.

    `prologue` is the text before the query form, `prefixes` the IRIs of its PREFIX lines by prefix (without colon),
    `base` the IRI of its BASE line. `head` is the projection, template or resources; `described` the terms after
    DESCRIBE. `dataset` is the text of the FROM clauses, `tail` the clauses after the group, by kind: group, having,
    order, limit, offset, values. `named` are the expressions of the columns `(… AS ?name)` by name, in parentheses
    where they need them inside of another expression.
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
    named: dict[str, str] = field(default_factory=dict)

    def tail_text(self, *kinds: str) -> str:
        """Return the modifiers of these kinds, in the order of the query."""
        return " ".join(part.text for kind, part in self.tail.items() if kind in kinds)

    def as_group(self, *kinds: str) -> str:
        """Return the query as a group, with the modifiers of these kinds, or with all that may leave no rows."""
        head = self.head
        if self.form != "SELECT":
            head = "(COUNT(*) AS ?n0)" if self.tail.keys() & {"group", "having"} else "*"
        tail = self.tail_text(*(kinds or ("group", "having", "limit", "offset", "values")))
        return f"{{ SELECT {head} {self.where.text if self.where else '{}'} {tail} }}"
