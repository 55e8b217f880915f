"""How the faults of a query are told: the sentences all of them share, and tables of words.

`expected` makes a sentence of a set of the grammar's terminals (sparql.lark), in people's groups of them.
"""

import unicodedata
from dataclasses import dataclass

from vaven.publisher.sparql_grammar import END, FUNCTIONS, KEYWORDS, MARKS, Stop
from vaven.publisher.sparql_lexer import Token

# The most things that a sentence lists, and the most characters that it quotes.
MOST = 6
LONGEST_QUOTE = 80
# Terminals that must all be there, those that are then told, and how. What is rare beside others is told by nothing.
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
    ("VAR", "VAR", "a variable"),
    ("IRIREF PNAME_LN", "IRIREF PNAME_LN PNAME_NS", "a name (<…> or prefix:name)"),
    ("IRIREF", "IRIREF", "an address in <…>"),
    ("PNAME_NS", "PNAME_NS", "a prefix with its colon"),
    ("STRING INTEGER", "STRING INTEGER DECIMAL SIGNED TRUE FALSE UNDEF", "a value"),
    ("STRING", "STRING", "a text in quotation marks"),
    ("INTEGER", "INTEGER", "a whole number"),
    ("FUNCTION_1", " ".join(sorted({*FUNCTIONS.values(), "EXISTS", "NOT"})), "a function"),
    ("A", "A", "the word “a”"),
    ("DOT", "DOT", "“.”"),
    ("SEMI", "SEMI", "“;”"),
    ("COMMA", "COMMA", "“,”"),
    ("RPAR", "RPAR", "“)”"),
    ("RBRACKET", "RBRACKET", "“]”"),
    ("RBRACE", "RBRACE", "“}”"),
    ("AS", "AS", "AS"),
    ("ANDAND DASH", "ANDAND OROR EQ COMPARE IN NOT PLUS DASH STAR SLASH SIGNED", "an operator"),
    (END, END, "the end of the query"),
    (
        "OPTIONAL FILTER",
        "OPTIONAL FILTER BIND VALUES MINUS GRAPH SERVICE LBRACE",
        "a keyword such as FILTER or OPTIONAL",
    ),
    ("STAR", "STAR", "“*”"),
    ("LBRACE", "LBRACE", "“{”"),
    ("LPAR", "LPAR", "“(”"),
)
SIGNS = {terminal: f"“{mark}”" for mark, terminal in reversed(MARKS.items())}
# In the order in which they stand in a query.
WORDS = {
    **{word: word for word in ("PREFIX", "SELECT", "ASK", "CONSTRUCT", "DESCRIBE", "DISTINCT", "FROM", "WHERE")},
    **{"GROUP": "GROUP BY", "HAVING": "HAVING", "ORDER": "ORDER BY", "LIMIT": "LIMIT", "OFFSET": "OFFSET"},
}

# How SPARQL writes operators of other languages.
SPELLED = {"==": "=", "<>": "!=", "AND": "&&", "OR": "||", "&": "&&", "|": "||"}
# What SPARQL has for the words of other languages: "SPARQL has no …: write …".
INSTEAD = {
    "LENGTH": "STRLEN", "LEN": "STRLEN", "UPPER": "UCASE", "TOUPPER": "UCASE", "LOWER": "LCASE", "TOLOWER": "LCASE",
    "SUBSTRING": "SUBSTR", "MID": "SUBSTR", "LEFT": "SUBSTR(?x, 1, …)", "RIGHT": "SUBSTR", "CEILING": "CEIL",
    "LIKE": 'CONTAINS(?x, "…") or REGEX(?x, "…")', "ILIKE": 'REGEX(?x, "…", "i")', "RLIKE": 'REGEX(?x, "…")',
    "MATCHES": 'REGEX(?x, "…")', "MATCH": 'REGEX(?x, "…")', "STARTSWITH": "STRSTARTS", "STARTS_WITH": "STRSTARTS",
    "ENDSWITH": "STRENDS", "ENDS_WITH": "STRENDS", "INCLUDES": "CONTAINS", "INSTR": "CONTAINS",
    "TRIM": 'REPLACE(?x, "^\\\\s+|\\\\s+$", "")', "ISNULL": "!BOUND(?x)", "IS": "BOUND(?x) or !BOUND(?x)",
    "NULL": "!BOUND(?x) for what has no value", "ISBOUND": "BOUND", "IFNULL": "COALESCE", "NVL": "COALESCE",
    "CASE": "IF(condition, then, else)", "IIF": "IF", "BETWEEN": "?x >= 1 && ?x <= 9", "AVERAGE": "AVG", "MEAN": "AVG",
    "LISTAGG": "GROUP_CONCAT", "STRING_AGG": "GROUP_CONCAT", "FIRST": "SAMPLE",
    "CAST": "xsd:integer(?x), xsd:date(?x) …",
    "CONVERT": "xsd:integer(?x), xsd:date(?x) …", "INT": "xsd:integer(?x)", "INTEGER": "xsd:integer(?x)",
    "NUMBER": "xsd:decimal(?x)", "FLOAT": "xsd:double(?x)", "DATE": "xsd:date(?x)", "TOSTRING": "STR", "STRING": "STR",
    "TODAY": "NOW()", "CURRENT_DATE": "NOW()", "GETDATE": "NOW()", "TOP": "LIMIT 10 at the end", "UNIQUE": "DISTINCT",
    "EXCEPT": "MINUS { … }", "SORT": "ORDER BY", "JOIN": "both patterns side by side", "XOR": "!=",
    "BINDINGS": "VALUES",
}  # fmt: skip
# What belongs after a keyword where something else stands.
AFTER = {
    "SELECT": "Name the columns after SELECT, as ?a ?b, or write * for all.",
    "DISTINCT": "Name the columns, as ?a ?b, or write * for all.",
    "REDUCED": "Name the columns, as ?a ?b, or write * for all.",
    "ASK": "Put the pattern in brackets: ASK { … }.",
    "DESCRIBE": "Say what to describe: a name, a variable, or * for all.",
    "CONSTRUCT": "Say which triples to make: CONSTRUCT { ?s ?p ?o } WHERE { … }.",
    "FROM": "Name a graph by <…> or prefix:name, or leave FROM out: then all that is published is asked.",
    "NAMED": "Name a graph by <…> or prefix:name.",
    "WHERE": "Put “{” after WHERE, and “}” where the pattern ends.",
    "OPTIONAL": "Put what is optional in brackets: OPTIONAL { … }.",
    "MINUS": "Put what is taken away in brackets: MINUS { … }.",
    "UNION": "Put what it joins in brackets: { … } UNION { … }.",
    "EXISTS": "Put the pattern in brackets: EXISTS { … }.",
    "NOT": "Write ! for “not”, as in !BOUND(?x), or NOT EXISTS { … }, or NOT IN (…).",
    "GRAPH": "Say which graph, and put the pattern in brackets: GRAPH ?g { … }.",
    "FILTER": "Put the condition in parentheses: FILTER(…).",
    "HAVING": "Put the condition in parentheses: HAVING(…).",
    "BIND": "Write BIND(… AS ?name).",
    "AS": "Name a variable after AS, as ?n.",
    "VALUES": "Write VALUES ?name { … }, or VALUES (?a ?b) { (… …) }.",
    "GROUP": "Write GROUP BY, then what to group by.",
    "ORDER": "Write ORDER BY, then what to sort by.",
    "BY": "Say by what: a variable, or an expression in parentheses.",
    "ASC": "Put what to sort by in parentheses: ASC(?x).",
    "DESC": "Put what to sort by in parentheses: DESC(?x).",
    "LIMIT": "Write a whole number after LIMIT.",
    "OFFSET": "Write a whole number after OFFSET.",
    "IN": "Put the values in parentheses: IN (1, 2).",
    "SEPARATOR": 'Write SEPARATOR=", ".',
}
ARGUMENTS = {
    "FUNCTION_0": "no arguments", "FUNCTION_1": "one argument", "FUNCTION_2": "two arguments",
    "FUNCTION_3": "three arguments", "FUNCTION_2_3": "two or three arguments",
    "FUNCTION_3_4": "three or four arguments", "FUNCTION_ANY": "arguments with “,” between them",
    "BOUND": "a variable", "BNODE": "one argument or none", "COUNT": "one argument, or *",
    "AGGREGATE": "one argument", "GROUP_CONCAT": "one argument, and ; SEPARATOR=\"…\"",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """`line` and `column` count from 1, in characters; both sentences are English."""

    line: int
    column: int
    message: str
    remedy: str


def told(stop: Stop, remedy: str, message: str = "", at: Token | None = None) -> Fault:
    """A fault at the token that can't stand there, or at another; without a message, with what could stand there."""
    token = at or stop.token
    return Fault(token.line, token.column, printable(message or _unexpected(stop)), printable(remedy))


def _unexpected(stop: Stop) -> str:
    if stop.token.kind == "end":
        return f"The query ends too early, at {place(stop.token)}. {expected(stop.accepted)}"
    return f"“{shown(stop, stop.token)}” can't stand at {place(stop.token)}. {expected(stop.accepted)}"


def place(token: Token) -> str:
    return f"line {token.line}, column {token.column}"


def shown(stop: Stop, token: Token) -> str:
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


def printable(text: str) -> str:
    """Without what no answer may have in it, as half a character (a surrogate)."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def is_mark(token: Token, *texts: str) -> bool:
    return token.kind == "mark" and token.text in texts


def is_word(token: Token, *texts: str) -> bool:
    return token.kind == "word" and (not texts or token.text in texts)


def expected(terminals: frozenset[str]) -> str:
    """The sentence of what may stand where these are accepted, with no more than MOST things in it."""
    left, named = set(terminals), list[str]()
    for needed, told, name in GROUPS:
        if left.issuperset(needed.split()):
            left.difference_update(told.split())
            named += [name] if name else []
    named += [text for word, text in WORDS.items() if word in left]
    named += sorted(word for word in left & KEYWORDS if word not in WORDS)
    named += sorted(SIGNS[terminal] for terminal in left if terminal in SIGNS)
    shown = named[:MOST]
    more = ", among others, " if len(named) > MOST else ""
    return f"There may be{more or ' '}{_listed(shown)}."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
