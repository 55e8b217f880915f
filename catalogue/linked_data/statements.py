"""A thing's graph as rows for its page: by their names; its parts, and blank nodes, as rows inside rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import g
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from vaven.catalogue.http import i18n
from vaven.catalogue.linked_data.documents import shortened
from vaven.catalogue.linked_data.resource import Resource
from vaven.vocab.iris import NAMESPACES

# Deeper than this, a blank node is shown as three dots; in RDF it is whole.
DEPTH = 4
LONGEST = 600
FIRST, REST = (NamedNode(NAMESPACES["rdf"] + name) for name in ("first", "rest"))
TYPE = NamedNode(NAMESPACES["rdf"] + "type")
STRING = NamedNode(NAMESPACES["xsd"] + "string")


@dataclass(frozen=True)
class StatementTerm:
    """A value or a property: `text` is its name or itself, `code` its short form where that says more."""

    text: str
    code: str = ""
    address: str = ""
    language: str = ""
    rows: tuple["StatementRow", ...] = ()


@dataclass(frozen=True)
class StatementRow:
    """`total` is given where not all values are listed: their number, or "" where nobody has counted."""

    property: StatementTerm
    values: tuple[StatementTerm, ...]
    total: int | str | None = None


def own_rows(thing: Resource, prefixes: Mapping[str, str]) -> tuple[StatementRow, ...]:
    """What is said of a thing, its type first."""
    return _rows(thing, prefixes, thing.graph.quads_for_subject(NamedNode(thing.iri)), 0)


def inverse_rows(thing: Resource, prefixes: Mapping[str, str]) -> tuple[StatementRow, ...]:
    """What leads to a thing from others that have an IRI."""
    grouped: dict[NamedNode, list[StatementTerm]] = {}
    for quad in sorted(thing.graph.quads_for_object(NamedNode(thing.iri)), key=str):
        if isinstance(quad.subject, NamedNode) and quad.subject.value != thing.iri:
            grouped.setdefault(quad.predicate, []).append(_named(thing, prefixes, quad.subject))
    return tuple(
        StatementRow(_named(thing, prefixes, property), tuple(terms), thing.cut_inverse.get(property.value))
        for property, terms in grouped.items()
    )


def _rows(thing: Resource, prefixes: Mapping[str, str], quads: Iterable[Quad], depth: int) -> tuple[StatementRow, ...]:
    grouped: dict[NamedNode, list[StatementTerm]] = {}
    for quad in sorted(quads, key=lambda q: (q.predicate != TYPE, str(q))):
        grouped.setdefault(quad.predicate, []).append(_term(thing, prefixes, quad.object, depth))
    return tuple(
        StatementRow(
            _named(thing, prefixes, property), tuple(terms), "" if depth == 0 and property.value in thing.cut else None
        )
        for property, terms in grouped.items()
    )


def _term(thing: Resource, prefixes: Mapping[str, str], value: object, depth: int) -> StatementTerm:
    if isinstance(value, NamedNode):
        # What has its IRI by a fragment of the thing's is described here and nowhere else.
        is_part = depth < DEPTH and value.value.startswith(f"{thing.iri}#")
        said = list(thing.graph.quads_for_subject(value)) if is_part else []
        return (
            StatementTerm("", rows=_rows(thing, prefixes, said, depth + 1)) if said else _named(thing, prefixes, value)
        )
    if isinstance(value, Literal):
        kind = "" if value.language or value.datatype == STRING else shortened(prefixes, value.datatype.value)
        return StatementTerm(_cut(value.value), kind, language=value.language or "")
    if not isinstance(value, BlankNode) or depth >= DEPTH:
        return StatementTerm("…")
    inner = list(thing.graph.quads_for_subject(value))
    if any(quad.predicate == FIRST for quad in inner):
        return StatementTerm(
            "", rows=(StatementRow(StatementTerm(i18n.t("resource.list")), _members(thing, prefixes, value, depth)),)
        )
    return StatementTerm("", rows=_rows(thing, prefixes, inner, depth + 1))


def _members(thing: Resource, prefixes: Mapping[str, str], start: BlankNode, depth: int) -> tuple[StatementTerm, ...]:
    """The members of an RDF collection; one that runs in a circle ends where it began."""
    found, node, seen = [], start, set()
    while isinstance(node, BlankNode) and node not in seen:
        seen.add(node)
        said = {quad.predicate: quad.object for quad in thing.graph.quads_for_subject(node)}
        if FIRST in said:
            found.append(_term(thing, prefixes, said[FIRST], depth + 1))
        node = said.get(REST)  # type: ignore[assignment]
    return tuple(found)


def _named(thing: Resource, prefixes: Mapping[str, str], node: NamedNode) -> StatementTerm:
    short = shortened(prefixes, node.value)
    name = i18n.words(thing.names(node.value))
    address = node.value if node.value.startswith(("http://", "https://", "mailto:")) else ""
    return StatementTerm(_cut(name) or short, short if name else "", address)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def title(thing: Resource) -> str:
    """A thing's name in the visitor's language, or the end of its IRI."""
    names = thing.names()
    return names.get(g.lang) or names.get("") or i18n.words(names) or thing.iri.rsplit("/", 1)[-1]
