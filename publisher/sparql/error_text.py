"""How the faults of a query are told: what all of them share, and tables of words.

`expected` makes a sentence of a set of the grammar's terminals (sparql.lark), in people's groups of them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from vaven.publisher.sparql.grammar import END, FUNCTIONS, KEYWORDS, MARKS, SyntaxStop
from vaven.publisher.sparql.lexer import Token, place
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.messages import Message

# The most things that a sentence lists, and the most characters that it quotes.
MOST = 6
LONGEST_QUOTE = 80
# Terminals that must all be there, those that are then told, and how: by the sentence `query.thing.…`, a mark or word
# of SPARQL by itself. What is rare beside others is told by nothing.
GROUPS: tuple[tuple[str, str, str], ...] = (
    ("QUESTION SLASH", "QUESTION SLASH STAR PLUS PIPE", ""),
    ("A CARET", "BANG CARET LPAR", ""),
    ("VAR FUNCTION_1 BANG", "BANG PLUS DASH EXISTS NOT", ""),
    ("VAR BLANK_NODE", "BLANK_NODE LBRACKET LPAR", ""),
    ("SELECT PREFIX", "BASE", ""),
    ("DISTINCT REDUCED", "REDUCED", ""),
    ("VALUES $END", "VALUES", ""),
    ("OPTIONAL SELECT", "SELECT", ""),
    ("HATHAT LANGTAG", "HATHAT LANGTAG", ""),
    ("VAR", "VAR", "variable"),
    ("IRIREF PNAME_LN", "IRIREF PNAME_LN PNAME_NS", "name"),
    ("IRIREF", "IRIREF", "address"),
    ("PNAME_NS", "PNAME_NS", "prefix"),
    ("STRING INTEGER", "STRING INTEGER DECIMAL SIGNED TRUE FALSE UNDEF", "value"),
    ("STRING", "STRING", "text"),
    ("INTEGER", "INTEGER", "whole-number"),
    ("FUNCTION_1", " ".join(sorted({*FUNCTIONS.values(), "EXISTS", "NOT"})), "function"),
    ("A", "A", "a"),
    ("DOT", "DOT", "."),
    ("SEMI", "SEMI", ";"),
    ("COMMA", "COMMA", ","),
    ("RPAR", "RPAR", ")"),
    ("RBRACKET", "RBRACKET", "]"),
    ("RBRACE", "RBRACE", "}"),
    ("AS", "AS", "AS"),
    ("ANDAND DASH", "ANDAND OROR EQ COMPARE IN NOT PLUS DASH STAR SLASH SIGNED", "operator"),
    (END, END, "end"),
    ("OPTIONAL FILTER", "OPTIONAL FILTER BIND VALUES MINUS GRAPH SERVICE LBRACE", "pattern"),
    ("STAR", "STAR", "*"),
    ("LBRACE", "LBRACE", "{"),
    ("LPAR", "LPAR", "("),
)
SIGNS = {terminal: mark for mark, terminal in reversed(MARKS.items())}
# In the order in which they stand in a query.
WORDS = {
    **{word: word for word in ("PREFIX", "SELECT", "ASK", "CONSTRUCT", "DESCRIBE", "DISTINCT", "FROM", "WHERE")},
    **{"GROUP": "GROUP BY", "HAVING": "HAVING", "ORDER": "ORDER BY", "LIMIT": "LIMIT", "OFFSET": "OFFSET"},
}

# How SPARQL writes operators of other languages.
SPELLED = {"==": "=", "=>": ">=", "<>": "!=", "AND": "&&", "OR": "||", "&": "&&", "|": "||"}
# What SPARQL has for the words of other languages; "" where a sentence `query.instead.…` of its own tells.
INSTEAD = {
    "LENGTH": "STRLEN", "LEN": "STRLEN", "UPPER": "UCASE", "TOUPPER": "UCASE", "LOWER": "LCASE", "TOLOWER": "LCASE",
    "SUBSTRING": "SUBSTR", "MID": "SUBSTR", "LEFT": "SUBSTR(?x, 1, …)", "RIGHT": "SUBSTR", "CEILING": "CEIL",
    "LIKE": "", "ILIKE": 'REGEX(?x, "…", "i")', "RLIKE": 'REGEX(?x, "…")', "MATCHES": 'REGEX(?x, "…")',
    "MATCH": 'REGEX(?x, "…")', "STARTSWITH": "STRSTARTS", "STARTS_WITH": "STRSTARTS", "ENDSWITH": "STRENDS",
    "ENDS_WITH": "STRENDS", "INCLUDES": "CONTAINS", "INSTR": "CONTAINS",
    "TRIM": 'REPLACE(?x, "^\\\\s+|\\\\s+$", "")', "ISNULL": "!BOUND(?x)", "IS": "", "NULL": "", "ISBOUND": "BOUND",
    "IFNULL": "COALESCE", "NVL": "COALESCE", "CASE": "", "IIF": "IF", "BETWEEN": "?x >= 1 && ?x <= 9",
    "AVERAGE": "AVG", "MEAN": "AVG", "LISTAGG": "GROUP_CONCAT", "STRING_AGG": "GROUP_CONCAT", "FIRST": "SAMPLE",
    "CAST": "xsd:integer(?x), xsd:date(?x) …", "CONVERT": "xsd:integer(?x), xsd:date(?x) …",
    "INT": "xsd:integer(?x)", "INTEGER": "xsd:integer(?x)", "NUMBER": "xsd:decimal(?x)", "FLOAT": "xsd:double(?x)",
    "DATE": "xsd:date(?x)", "TOSTRING": "STR", "STRING": "STR", "TODAY": "NOW()", "CURRENT_DATE": "NOW()",
    "GETDATE": "NOW()", "TOP": "", "UNIQUE": "DISTINCT", "EXCEPT": "MINUS { … }", "SORT": "ORDER BY", "JOIN": "",
    "XOR": "!=", "BINDINGS": "VALUES", "LET": "BIND(… AS ?x)",
}  # fmt: skip
# Keywords of which a sentence `query.after.…` says what belongs after them.
AFTER = frozenset((
    "SELECT", "DISTINCT", "REDUCED", "ASK", "DESCRIBE", "CONSTRUCT", "FROM", "NAMED", "WHERE", "OPTIONAL", "MINUS",
    "UNION", "EXISTS", "NOT", "GRAPH", "FILTER", "HAVING", "BIND", "AS", "VALUES", "GROUP", "ORDER", "BY", "ASC",
    "DESC", "LIMIT", "OFFSET", "IN", "SEPARATOR",
))  # fmt: skip
# Terminals that a term begins with, those of other values, and the marks of paths.
TERMS = frozenset(("VAR", "IRIREF", "PNAME_LN", "PNAME_NS", "BLANK_NODE", "LBRACKET"))
VALUES = frozenset(("STRING", "INTEGER", "DECIMAL"))
PATHS = ("/", "|", "*", "+", "?", "^", "!")


@dataclass(frozen=True)
class QueryMistake:
    """`line` and `column` count from 1, in characters."""

    line: int
    column: int
    message: Message
    remedy: Message


def mistake_at(
    stop: SyntaxStop, remedy: Message, message: Message | None = None, at: Token | None = None
) -> QueryMistake:
    """A fault at the token that can't stand there, or at another; without a message, with what could stand there."""
    token = at or stop.token
    return QueryMistake(token.line, token.column, message or _unexpected(stop), remedy)


def _unexpected(stop: SyntaxStop) -> Message:
    at, may = place(stop.token), expected(stop.accepted)
    if stop.token.kind == "end":
        return query_message("ends-too-early", place=at, expected=may)
    return query_message("unexpected", shown=token_text(stop, stop.token), place=at, expected=may)


def token_text(stop: SyntaxStop, token: Token) -> str:
    """A token for a sentence: on one line, not long, and what can't be seen by its number."""
    written = stop.source(token)
    if token.kind == "mark" and not _is_seen(written):
        return f"U+{ord(written[0]):04X}"
    return cut(written)


def _is_seen(letter: str) -> bool:
    return letter.isprintable() and unicodedata.category(letter[0]) not in ("Zs", "Cf")


def cut(text: str) -> str:
    """On one line, and not long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"


def is_mark(token: Token, *texts: str) -> bool:
    return token.kind == "mark" and token.text in texts


def is_word(token: Token, *texts: str) -> bool:
    return token.kind == "word" and (not texts or token.text in texts)


def expected(terminals: frozenset[str]) -> Message:
    """The sentence of what may stand where these are accepted, with no more than MOST things in it."""
    left, named = set(terminals), list[str]()
    for needed, told, name in GROUPS:
        if left.issuperset(needed.split()):
            left.difference_update(told.split())
            named += [name] if name else []
    named += [text for word, text in WORDS.items() if word in left]
    named += sorted(word for word in left & KEYWORDS if word not in WORDS)
    named += sorted(SIGNS[terminal] for terminal in left if terminal in SIGNS)
    return query_message("may-be.many" if len(named) > MOST else "may-be", names=one_of([*map(_thing, named[:MOST])]))


def one_of(things: Sequence[Message | str]) -> Message | str:
    *most, last = things
    return query_message("or", most=tuple(most), last=last) if most else last


def _thing(name: str) -> Message | str:
    if name.islower():
        return query_message(f"thing.{name}")
    return name if name[0].isalpha() else query_message("quoted", text=name)
