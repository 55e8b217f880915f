"""RDF terms as texts: a character for the kind, the datatype or language of a literal, and its lexical form.

`<` and an IRI; `_` and a blank node's label; `"`, the datatype (after `^`) or language (after `@`), `"`, and the
lexical form. Texts are equal exactly if the terms are (RDF 1.1 Concepts, section 3.3): a language tag is in lower case,
and the datatype of simple literals is left out.
"""

from functools import lru_cache

from pyoxigraph import BlankNode, Literal, NamedNode, Triple

XSD = "http://www.w3.org/2001/XMLSchema#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
STRING = XSD + "string"
LANGUAGE_STRING = RDF + "langString"
TRUE, FALSE = f'"^{XSD}boolean"true', f'"^{XSD}boolean"false'
Node = NamedNode | BlankNode | Literal


def iri(text: str) -> str:
    return f"<{text}"


def literal(lexical: str, datatype: str = STRING) -> str:
    return f'""{lexical}' if datatype == STRING else f'"^{datatype}"{lexical}'


def language_literal(lexical: str, language: str) -> str:
    return f'"@{language.lower()}"{lexical}'


def encode(node: Node | Triple) -> str:
    """Return the text of a term. Raises ValueError for a triple term."""
    if isinstance(node, NamedNode):
        return iri(node.value)
    if isinstance(node, BlankNode):
        return f"_{node.value}"
    if isinstance(node, Triple):
        raise ValueError("a triple is no term of RDF 1.1")
    if node.language:
        return language_literal(node.value, node.language)
    return literal(node.value, node.datatype.value)


def decode(term: str) -> Node:
    """Return the term of a text."""
    if term[0] == "<":
        return NamedNode(term[1:])
    if term[0] == "_":
        return BlankNode(term[1:])
    tag, lexical = split_literal(term)
    if tag.startswith("@"):
        return Literal(lexical, language=tag[1:])
    return Literal(lexical, datatype=_datatype(tag[1:] or STRING))


def decode_triple(terms: tuple[str, str, str]) -> Triple:
    """Return a triple of texts. Raises ValueError if a literal is its subject, or its predicate is no IRI."""
    subject, predicate, object_ = map(decode, terms)
    if isinstance(subject, Literal) or not isinstance(predicate, NamedNode):
        raise ValueError("this is no triple of RDF 1.1")
    return Triple(subject, predicate, object_)


def split_literal(term: str) -> tuple[str, str]:
    """Return the tag of a literal's text (`@sv`, `^…`, or "" for a string) and its lexical form."""
    tag, _, lexical = term[1:].partition('"')
    return tag, lexical


@lru_cache(maxsize=1024)
def _datatype(text: str) -> NamedNode:
    return NamedNode(text)
