"""A resource's graph as rows for its page: properties and values by name, parts and blank nodes as nested rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import g
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from vaven.catalogue.http import i18n
from vaven.catalogue.linked_data.documents import shortened
from vaven.catalogue.linked_data.resource import Resource
from vaven.vocab.iris import NAMESPACES

# A blank node nested deeper is shown as three dots; RDF has all of it.
DEPTH = 4
LONGEST = 600
FIRST, REST = (NamedNode(NAMESPACES["rdf"] + name) for name in ("first", "rest"))
TYPE = NamedNode(NAMESPACES["rdf"] + "type")
STRING = NamedNode(NAMESPACES["xsd"] + "string")


@dataclass(frozen=True)
class StatementTerm:
    """A value or a property: `text` is its name or itself, `code` its short form if that differs."""

    text: str
    code: str = ""
    link: str = ""
    language: str = ""
    rows: tuple["StatementRow", ...] = ()


@dataclass(frozen=True)
class StatementRow:
    """`total` is set where not all values are listed: their number, or "" if they are not counted."""

    property: StatementTerm
    values: tuple[StatementTerm, ...]
    total: int | str | None = None


def own_rows(resource: Resource, prefixes: Mapping[str, str]) -> tuple[StatementRow, ...]:
    """Return the statements about a resource, its type first."""
    return _rows(resource, prefixes, resource.graph.quads_for_subject(NamedNode(resource.iri)), 0)


def inverse_rows(resource: Resource, prefixes: Mapping[str, str]) -> tuple[StatementRow, ...]:
    """Return the links to a resource from others that have an IRI."""
    grouped: dict[NamedNode, list[StatementTerm]] = {}
    for quad in sorted(resource.graph.quads_for_object(NamedNode(resource.iri)), key=str):
        if isinstance(quad.subject, NamedNode) and quad.subject.value != resource.iri:
            grouped.setdefault(quad.predicate, []).append(_named(resource, prefixes, quad.subject))
    return tuple(
        StatementRow(_named(resource, prefixes, property), tuple(terms), resource.cut_inverse.get(property.value))
        for property, terms in grouped.items()
    )


def _rows(
    resource: Resource, prefixes: Mapping[str, str], quads: Iterable[Quad], depth: int
) -> tuple[StatementRow, ...]:
    grouped: dict[NamedNode, list[StatementTerm]] = {}
    for quad in sorted(quads, key=lambda q: (q.predicate != TYPE, str(q))):
        grouped.setdefault(quad.predicate, []).append(_term(resource, prefixes, quad.object, depth))
    return tuple(
        StatementRow(
            _named(resource, prefixes, property),
            tuple(terms),
            "" if depth == 0 and property.value in resource.cut else None,
        )
        for property, terms in grouped.items()
    )


def _term(resource: Resource, prefixes: Mapping[str, str], value: object, depth: int) -> StatementTerm:
    if isinstance(value, NamedNode):
        # No other document describes a resource whose IRI is that of this one with a fragment.
        is_part = depth < DEPTH and value.value.startswith(f"{resource.iri}#")
        quads = list(resource.graph.quads_for_subject(value)) if is_part else []
        return (
            StatementTerm("", rows=_rows(resource, prefixes, quads, depth + 1))
            if quads
            else _named(resource, prefixes, value)
        )
    if isinstance(value, Literal):
        datatype = "" if value.language or value.datatype == STRING else shortened(prefixes, value.datatype.value)
        return StatementTerm(_cut(value.value), datatype, language=value.language or "")
    if not isinstance(value, BlankNode) or depth >= DEPTH:
        return StatementTerm("…")
    statements = list(resource.graph.quads_for_subject(value))
    if any(quad.predicate == FIRST for quad in statements):
        return StatementTerm(
            "", rows=(StatementRow(StatementTerm(i18n.t("resource.list")), _members(resource, prefixes, value, depth)),)
        )
    return StatementTerm("", rows=_rows(resource, prefixes, statements, depth + 1))


def _members(
    resource: Resource, prefixes: Mapping[str, str], start: BlankNode, depth: int
) -> tuple[StatementTerm, ...]:
    """Return the members of an RDF collection; a circular one ends where it began."""
    members, node, seen = [], start, set()
    while isinstance(node, BlankNode) and node not in seen:
        seen.add(node)
        objects = {quad.predicate: quad.object for quad in resource.graph.quads_for_subject(node)}
        if FIRST in objects:
            members.append(_term(resource, prefixes, objects[FIRST], depth + 1))
        node = objects.get(REST)  # type: ignore[assignment]
    return tuple(members)


def _named(resource: Resource, prefixes: Mapping[str, str], node: NamedNode) -> StatementTerm:
    short = shortened(prefixes, node.value)
    name = i18n.words(resource.names(node.value))
    link = node.value if node.value.startswith(("http://", "https://", "mailto:")) else ""
    return StatementTerm(_cut(name) or short, short if name else "", link)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def title(resource: Resource) -> str:
    """Return a resource's name in the visitor's language, or the last segment of its IRI."""
    names = resource.names()
    return names.get(g.lang) or names.get("") or i18n.words(names) or resource.iri.rsplit("/", 1)[-1]
