"""Find the first syntax error of a SPARQL query, with a remedy for its author.

The query is parsed by the standard's own grammar (grammar.py), then checked for variables out of scope (scopes.py). The
remedy is from the first function that recognises the error: of TOKEN_MISTAKES and STRUCTURE_MISTAKES, which have their
own messages, then of REMEDIES, from the most to the least certain.
"""

from vaven.publisher.sparql.error_text import QueryMistake, mistake_at, shorten, token_text
from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
from vaven.publisher.sparql.lexer import position_text
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.remedies import REMEDIES
from vaven.publisher.sparql.scopes import MisusedVariable, find_misuse, find_nested_aggregate
from vaven.publisher.sparql.structure_mistakes import STRUCTURE_MISTAKES
from vaven.publisher.sparql.token_mistakes import TOKEN_MISTAKES, is_read_as_comparison
from vaven.publisher.sparql.tree import Node

# Nobody has typed a longer query; the list of what may stand there suffices for it.
MAX_CHARS = 20_000
# Syntax that other engines have and SPARQL 1.1 has not.
NEWER_SYNTAX = frozenset(
    (
        *("<<", ">>", "{|", "|}", "~", "VERSION", "LATERAL", "TRIPLE", "SUBJECT", "PREDICATE", "OBJECT", "ISTRIPLE"),
        *("ADJUST", "HASLANG", "HASLANGDIR", "LANGDIR", "STRLANGDIR"),
    )
)


def find_mistake(query: str) -> QueryMistake | None:
    """Return the first mistake of a query. Cost: about 50 µs per token, and 0.2 s at the first call."""
    tree = parse_tree(query)
    if isinstance(tree, SyntaxStop):
        return _mistake_at_stop(tree)
    misuse = find_misuse(tree)
    return _mistake_of(misuse) if misuse else None


def find_tolerated_mistake(parsed: Node | SyntaxStop) -> QueryMistake | None:
    """Return a mistake in a query that our engine would run all the same, with a result that nobody asked for."""
    if isinstance(parsed, SyntaxStop):
        return _mistake_at_stop(parsed) if is_read_as_comparison(parsed) else None
    misuse = find_nested_aggregate(parsed)
    return _mistake_of(misuse) if misuse else None


def _mistake_at_stop(syntax_stop: SyntaxStop) -> QueryMistake:
    if _is_newer_syntax(syntax_stop):
        words = {"word": token_text(syntax_stop, syntax_stop.token), "place": position_text(syntax_stop.token)}
        return mistake_at(syntax_stop, query_message("newer.remedy"), query_message("newer", **words))
    if len(syntax_stop.query) > MAX_CHARS:
        return mistake_at(syntax_stop, query_message("unread.remedy"))
    for detect in (*TOKEN_MISTAKES, *STRUCTURE_MISTAKES):
        if mistake := detect(syntax_stop):
            return mistake
    return mistake_at(syntax_stop, next(remedy for detect in REMEDIES if (remedy := detect(syntax_stop))))


def _mistake_of(misuse: MisusedVariable) -> QueryMistake:
    line, column = misuse.word.line or 1, misuse.word.column or 1
    at = {"word": shorten(misuse.word), "place": query_message("place", line=line, column=column)}
    return QueryMistake(line, column, query_message(misuse.key, **at, **misuse.params), misuse.remedy)


def _is_newer_syntax(syntax_stop: SyntaxStop) -> bool:
    token, before = syntax_stop.token, syntax_stop.previous
    # "…"@ar--rtl
    is_directed = before.kind == "language" and syntax_stop.query.startswith("--", before.end)
    return is_directed or (token.kind in ("mark", "word") and token.text in NEWER_SYNTAX)
