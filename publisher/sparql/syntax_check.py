"""Find the first syntax error of a SPARQL query, with a remedy for its author.

An engine points at the furthest character that it has tried and lists what its parser knows. Here the query is parsed
by the standard's own grammar (grammar.py), then checked for variables out of scope (scopes.py). The remedy is from the
first function that recognises the error: of TOKEN_MISTAKES and STRUCTURE_MISTAKES, which have their own messages, then
of REMEDIES, from the most to the least certain.
"""

import re

from vaven.publisher.sparql.error_text import QueryMistake, is_mark, mistake_at, shorten
from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.remedies import REMEDIES
from vaven.publisher.sparql.scopes import MisusedVariable, find_misuse, find_nested_aggregate
from vaven.publisher.sparql.structure_mistakes import STRUCTURE_MISTAKES
from vaven.publisher.sparql.token_mistakes import TOKEN_MISTAKES, is_read_as_comparison
from vaven.publisher.sparql.tree import Node

# Nobody has typed a longer query; the engine's own message suffices for it.
MAX_CHARS = 20_000
# Syntax of our engine that is not in SPARQL 1.1: for an error at one of these, the engine's message is used.
NEWER_SYNTAX = frozenset(
    (
        *("<<", ">>", "{|", "|}", "~", "VERSION", "LATERAL", "TRIPLE", "SUBJECT", "PREDICATE", "OBJECT", "ISTRIPLE"),
        *("ADJUST", "HASLANG", "HASLANGDIR", "LANGDIR", "STRLANGDIR"),
    )
)
# Characters of names by rule 167, as far as Oxigraph accepts them. Our tokens have only Python's word characters.
NAME_CHARACTERS = re.compile(
    "[\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd]"
)
NAME_KINDS = ("prefixed", "variable", "blank_node")


def find_mistake(query: str) -> QueryMistake | None:
    """Return the first mistake of a query; None if we recognise none, and the engine's message says more.

    This is the case for a query of more than MAX_CHARS characters and for syntax newer than SPARQL 1.1. Cost: about 50
    µs per token, and 0.2 s at the first call.
    """
    if len(query) > MAX_CHARS:
        return None
    tree = parse_tree(query)
    if isinstance(tree, SyntaxStop):
        return None if _is_newer_syntax(tree) else _mistake_at_stop(tree)
    misuse = find_misuse(tree)
    return _mistake_of(misuse) if misuse else None


def find_tolerated_mistake(parsed: Node | SyntaxStop) -> QueryMistake | None:
    """Return a mistake in a query that our engine would run all the same, with a result that nobody asked for."""
    if isinstance(parsed, SyntaxStop):
        return _mistake_at_stop(parsed) if is_read_as_comparison(parsed) else None
    misuse = find_nested_aggregate(parsed)
    return _mistake_of(misuse) if misuse else None


def _mistake_at_stop(syntax_stop: SyntaxStop) -> QueryMistake:
    for detect in (*TOKEN_MISTAKES, *STRUCTURE_MISTAKES):
        if mistake := detect(syntax_stop):
            return mistake
    return mistake_at(syntax_stop, next(remedy for detect in REMEDIES if (remedy := detect(syntax_stop))))


def _mistake_of(misuse: MisusedVariable) -> QueryMistake:
    line, column = misuse.word.line or 1, misuse.word.column or 1
    at = {"word": shorten(misuse.word), "place": query_message("place", line=line, column=column)}
    return QueryMistake(line, column, query_message(misuse.key, **at, **misuse.params), misuse.remedy)


def _is_newer_syntax(syntax_stop: SyntaxStop) -> bool:
    """Return whether the engine may accept a token that our grammar or lexer refuses."""
    token, before = syntax_stop.token, syntax_stop.previous
    # "…"@ar--rtl
    is_directed = before.kind == "language" and syntax_stop.query.startswith("--", before.end)
    is_in_name = before.kind in NAME_KINDS and before.end == token.start and NAME_CHARACTERS.match(token.text)
    is_name = is_mark(token, "?", "$") and NAME_CHARACTERS.match(syntax_stop.query, token.end)
    return bool(is_directed or is_in_name or is_name or (token.kind in ("mark", "word") and token.text in NEWER_SYNTAX))
