"""Parts of error messages about a query, and tables of words.

`expected` formats a set of the grammar's terminals (sparql.lark) as a list, in groups that people know.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from vaven.publisher.sparql.grammar import END, FUNCTIONS, KEYWORDS, MARKS, SyntaxStop
from vaven.publisher.sparql.lexer import Token, position_text
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.messages import Message

# Maximum number of list items in a sentence, and of quoted characters.
MAX_ITEMS = 6
MAX_QUOTE_CHARS = 80
# Terminals that must all be accepted, terminals covered by this entry, and its name: the message `query.thing.…`, or a
# mark or keyword of SPARQL itself. An empty name omits terminals that are rare beside others.
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
# In the order of their occurrence in a query.
WORDS = {
    **{word: word for word in ("PREFIX", "SELECT", "ASK", "CONSTRUCT", "DESCRIBE", "DISTINCT", "FROM", "WHERE")},
    **{"GROUP": "GROUP BY", "HAVING": "HAVING", "ORDER": "ORDER BY", "LIMIT": "LIMIT", "OFFSET": "OFFSET"},
}

# SPARQL's spelling of operators of other languages.
OPERATOR_SPELLINGS = {"==": "=", "=>": ">=", "<>": "!=", "AND": "&&", "OR": "||", "&": "&&", "|": "||"}
# SPARQL's equivalents of words of other languages; "" for a word with its own message `query.instead.…`.
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
# Keywords with a message `query.after.…` about what may follow them.
AFTER = frozenset((
    "SELECT", "DISTINCT", "REDUCED", "ASK", "DESCRIBE", "CONSTRUCT", "FROM", "NAMED", "WHERE", "OPTIONAL", "MINUS",
    "UNION", "EXISTS", "NOT", "GRAPH", "FILTER", "HAVING", "BIND", "AS", "VALUES", "GROUP", "ORDER", "BY", "ASC",
    "DESC", "LIMIT", "OFFSET", "IN", "SEPARATOR",
))  # fmt: skip
# Terminals that a term begins with, terminals of other values, and the marks of paths.
TERMS = frozenset(("VAR", "IRIREF", "PNAME_LN", "PNAME_NS", "BLANK_NODE", "LBRACKET"))
VALUES = frozenset(("STRING", "INTEGER", "DECIMAL"))
PATHS = ("/", "|", "*", "+", "?", "^", "!")


@dataclass(frozen=True)
class QueryMistake:
    """A mistake with its remedy; `line` and `column` count from 1, in characters."""

    line: int
    column: int
    message: Message
    remedy: Message


def mistake_at(
    syntax_stop: SyntaxStop, remedy: Message, message: Message | None = None, at: Token | None = None
) -> QueryMistake:
    """Return a mistake at the unexpected token or at another; without a message, list the accepted terminals."""
    token = at or syntax_stop.token
    return QueryMistake(token.line, token.column, message or _unexpected(syntax_stop), remedy)


def _unexpected(syntax_stop: SyntaxStop) -> Message:
    at, may = position_text(syntax_stop.token), expected(syntax_stop.accepted)
    if syntax_stop.token.kind == "end":
        return query_message("ends-too-early", place=at, expected=may)
    return query_message("unexpected", shown=token_text(syntax_stop, syntax_stop.token), place=at, expected=may)


def token_text(syntax_stop: SyntaxStop, token: Token) -> str:
    """Return a token for a message: on one line, shortened, and an invisible character by its code point."""
    source = syntax_stop.source(token)
    if token.kind == "mark" and not _is_visible(source):
        return f"U+{ord(source[0]):04X}"
    return shorten(source)


def _is_visible(letter: str) -> bool:
    return letter.isprintable() and unicodedata.category(letter[0]) not in ("Zs", "Cf")


def shorten(text: str) -> str:
    """Return the text on one line, shortened to MAX_QUOTE_CHARS."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_QUOTE_CHARS else line[: MAX_QUOTE_CHARS - 1] + "…"


def is_mark(token: Token, *texts: str) -> bool:
    return token.kind == "mark" and token.text in texts


def is_word(token: Token, *texts: str) -> bool:
    return token.kind == "word" and (not texts or token.text in texts)


def expected(terminals: frozenset[str]) -> Message:
    """Return the list of accepted terminals, with at most MAX_ITEMS items."""
    left, named = set(terminals), list[str]()
    for needed, covered, name in GROUPS:
        if left.issuperset(needed.split()):
            left.difference_update(covered.split())
            named += [name] if name else []
    named += [text for word, text in WORDS.items() if word in left]
    named += sorted(word for word in left & KEYWORDS if word not in WORDS)
    named += sorted(SIGNS[terminal] for terminal in left if terminal in SIGNS)
    return query_message(
        "may-be.many" if len(named) > MAX_ITEMS else "may-be",
        names=join_with_or([*map(_display_name, named[:MAX_ITEMS])]),
    )


def join_with_or(alternatives: Sequence[Message | str]) -> Message | str:
    *most, last = alternatives
    return query_message("or", most=tuple(most), last=last) if most else last


def _display_name(name: str) -> Message | str:
    if name.islower():
        return query_message(f"thing.{name}")
    return name if name[0].isalpha() else query_message("quoted", text=name)
