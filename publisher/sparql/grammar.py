"""The grammar of a SPARQL 1.1 query over our own tokens: its tree, or the first token that can't stand where it does.

The grammar is sparql.lark. A query has no tree but by the standard's rule of the longest token, with one exception that
engines make too: where a comparison may stand and no IRI, `<` is the comparison (`?a<?b&&?c>?d`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files

from lark import Lark, Tree, UnexpectedToken
from lark import Token as Leaf
from lark.parsers.lalr_interactive_parser import InteractiveParser

from vaven.publisher.sparql.lexer import FORMS, Token, tokens

# How each mark is called in the grammar.
MARKS = {
    "{": "LBRACE", "}": "RBRACE", "(": "LPAR", ")": "RPAR", "[": "LBRACKET", "]": "RBRACKET",
    ".": "DOT", ";": "SEMI", ",": "COMMA", "*": "STAR", "/": "SLASH", "|": "PIPE", "^": "CARET", "?": "QUESTION",
    "!": "BANG", "+": "PLUS", "-": "DASH", "=": "EQ", "!=": "COMPARE", "<": "COMPARE", ">": "COMPARE",
    "<=": "COMPARE", ">=": "COMPARE", "&&": "ANDAND", "||": "OROR", "^^": "HATHAT",
}  # fmt: skip
# `==` and `=>` are no tokens of SPARQL, but whoever writes them means one.
JOINED = frozenset(("!=", "<=", ">=", "==", "=>", "&&", "||", "^^", "<<", ">>", "{|", "|}"))
KEYWORDS = FORMS | frozenset(
    (
        *("AS", "ASC", "BASE", "BIND", "BY", "DESC", "DISTINCT", "EXISTS", "FILTER", "FROM", "GRAPH", "GROUP"),
        *("HAVING", "IN", "LIMIT", "MINUS", "NAMED", "NOT", "OFFSET", "OPTIONAL", "ORDER", "PREFIX", "REDUCED"),
        *("SEPARATOR", "SERVICE", "SILENT", "UNDEF", "UNION", "VALUES", "WHERE"),
    )
)
# Functions by the number of their arguments; those of one name have rules of their own.
FUNCTIONS = {
    word: terminal
    for terminal, words in {
        "FUNCTION_0": "NOW RAND STRUUID UUID",
        "FUNCTION_1": "ABS CEIL DATATYPE DAY ENCODE_FOR_URI FLOOR HOURS IRI ISBLANK ISIRI ISLITERAL ISNUMERIC ISURI"
        " LANG LCASE MD5 MINUTES MONTH ROUND SECONDS SHA1 SHA256 SHA384 SHA512 STR STRLEN TIMEZONE TZ UCASE URI YEAR",
        "FUNCTION_2": "CONTAINS LANGMATCHES SAMETERM STRAFTER STRBEFORE STRDT STRENDS STRLANG STRSTARTS",
        "FUNCTION_3": "IF",
        "FUNCTION_2_3": "REGEX SUBSTR",
        "FUNCTION_3_4": "REPLACE",
        "FUNCTION_ANY": "COALESCE CONCAT",
        "BOUND": "BOUND",
        "BNODE": "BNODE",
        "COUNT": "COUNT",
        "AGGREGATE": "AVG MAX MIN SAMPLE SUM",
        "GROUP_CONCAT": "GROUP_CONCAT",
    }.items()
    for word in words.split()
}
AGGREGATES = frozenset(("COUNT", "AGGREGATE", "GROUP_CONCAT"))
KINDS = {"iri": "IRIREF", "variable": "VAR", "blank_node": "BLANK_NODE", "language": "LANGTAG"}
TERMINALS = frozenset(
    (
        *(*MARKS.values(), *KEYWORDS, *FUNCTIONS.values(), *KINDS.values()),
        *("A", "TRUE", "FALSE", "PNAME_LN", "PNAME_NS", "STRING", "INTEGER", "DECIMAL", "SIGNED"),
    )
)
# What no rule takes.
UNKNOWN = "UNKNOWN"
END = "$END"
CLOSING = {"(": ")", "[": "]", "{": "}"}
# A backslash in a string with none of what may follow it (rule 160, section 19.2). Halves of characters are none.
WRONG_ESCAPE = re.compile(
    r"""\\(?:[tbnrf\\"']|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}
      |U(?:0000(?![dD][89A-Fa-f])|000[1-9A-Fa-f]|0010)[0-9A-Fa-f]{4})|(\\.?)""",
    re.DOTALL | re.VERBOSE,
)
WRONG_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# A colon in the first part that isn't the scheme's (RFC 3987, rules IRI and irelative-ref).
WRONG_SCHEME = re.compile(r"<(?![A-Za-z][A-Za-z0-9+.\-]*:)[^/?#:>]*:")


@dataclass(frozen=True)
class SyntaxStop:
    """Where a query can't go on: the token that can't stand there, the terminals that could, and what stands before.

    At the query's end `token` has the kind "end" and stands right behind the last token.
    """

    query: str
    before: tuple[Token, ...]
    token: Token
    accepted: frozenset[str]

    @property
    def previous(self) -> Token:
        """The token before; one of the kind "start" where there is none."""
        return self.before[-1] if self.before else Token("start", "", 1, 1, 0)

    @cached_property
    def after(self) -> tuple[Token, ...]:
        """The tokens behind the one that can't stand there."""
        return tuple(tokens_from(self.query, self.token, self.token.end))

    @cached_property
    def open(self) -> tuple[Token, ...]:
        """The brackets that are open there, from the outermost."""
        found: list[Token] = []
        for token in self.before:
            if token.kind == "mark" and token.text in CLOSING:
                found.append(token)
            elif token.kind == "mark" and token.text in CLOSING.values():
                found.pop()
        return tuple(found)

    @cached_property
    def terminal(self) -> str:
        """What the token is called in the grammar."""
        return END if self.token.kind == "end" else terminal_of(self.token, self.query)

    @property
    def begins(self) -> bool:
        """Whether the query itself shall begin there."""
        return self.takes("PREFIX", "SELECT")

    def takes(self, *terminals: str) -> bool:
        """Whether each of these could stand there."""
        return self.accepted.issuperset(terminals)

    def source(self, token: Token) -> str:
        """A token as it is written: words come in upper case otherwise."""
        return self.query[token.start : token.end]


def read(query: str) -> Tree[Leaf] | SyntaxStop:
    """The tree of a query, whose leaves have their places, or where it stops to be one.

    Cost: some 30 µs for a token; the first call makes the tables.
    """
    parser, before = _parser(), list[Token]()
    at = _parsing(parser)
    coming = joined(tokens(query))
    while (token := next(coming, None)) is not None:
        terminal = terminal_of(token, query)
        if terminal == "IRIREF" and _is_comparison(at, token):
            coming = joined(tokens_from(query, token, token.start + 1))
            token, terminal = replace(token, kind="mark", text="<"), "COMPARE"
        try:
            at.feed_token(_leaf(token, terminal))
        except UnexpectedToken:
            return SyntaxStop(query, tuple(before), token, _accepted(query, before))
        before.append(token)
    try:
        tree: Tree[Leaf] = at.feed_eof()  # type: ignore[no-untyped-call]
        return tree
    except UnexpectedToken:
        return SyntaxStop(query, tuple(before), _end(before), _accepted(query, before))


def terminal_of(token: Token, query: str) -> str:
    """What a token is called in the grammar; UNKNOWN for what can stand nowhere."""
    if token.kind == "mark":
        return MARKS.get(token.text, UNKNOWN)
    if token.kind == "word":
        return _word(token.text, query[token.start : token.end])
    if token.kind == "number":
        return "SIGNED" if token.text[0] in "+-" else "INTEGER" if token.text.isdigit() else "DECIMAL"
    if token.kind == "string":
        return UNKNOWN if wrong_escape(token) else "STRING"
    if token.kind == "iri":
        is_wrong = WRONG_PERCENT.search(token.text) or WRONG_SCHEME.match(token.text)
        return UNKNOWN if is_wrong else "IRIREF"
    if token.kind == "prefixed":
        # An address without its brackets.
        if query.startswith("//", token.end) and token.text.endswith(":"):
            return UNKNOWN
        return "PNAME_NS" if token.text.index(":") == len(token.text) - 1 else "PNAME_LN"
    return KINDS[token.kind]


def _word(text: str, written: str) -> str:
    # The verb `a` is the one keyword that the standard wants in small letters; Oxigraph wants these two so as well.
    if written in ("a", "true", "false"):
        return text
    return text if text in KEYWORDS else FUNCTIONS.get(text, UNKNOWN)


def wrong_escape(token: Token) -> int | None:
    """Where in a string token a backslash stands with what it can't stand with; None if it stands nowhere so."""
    return next((found.start() for found in WRONG_ESCAPE.finditer(token.text) if found[1]), None)


def tokens_from(query: str, token: Token, start: int) -> Iterator[Token]:
    """The tokens from a place on, at or behind a token and on the line where that ends."""
    line = token.line + query.count("\n", token.start, start)
    column = start - query.rfind("\n", 0, start)
    for found in tokens(query[start:]):
        shift = column - 1 if found.line == 1 else 0
        yield replace(found, line=found.line + line - 1, column=found.column + shift, start=found.start + start)


def joined(found: Iterator[Token]) -> Iterator[Token]:
    """The tokens with adjacent marks as one where they are one in SPARQL, and signs with the numbers behind them."""
    held: Token | None = None
    for token in found:
        if held and held.end == token.start and _is_one(held, token):
            yield replace(held, kind=token.kind, text=held.text + token.text)
            held = None
            continue
        if held:
            yield held
        held = token if token.kind == "mark" else None
        if not held:
            yield token
    if held:
        yield held


def _is_one(mark: Token, token: Token) -> bool:
    if token.kind == "number":
        return mark.text in ("+", "-")
    return token.kind == "mark" and mark.text + token.text in JOINED


@cache
def _parser() -> Lark:
    grammar = (files(__package__) / "sparql.lark").read_text("utf-8")
    declared = f"%declare {' '.join(sorted(TERMINALS))}\n"
    # The text comes as tokens already, so lark's own lexer is never asked.
    return Lark(declared + grammar, parser="lalr", maybe_placeholders=False)


def _parsing(parser: Lark) -> InteractiveParser:
    return parser.parse_interactive("")


def _leaf(token: Token, terminal: str) -> Leaf:
    return Leaf(terminal, token.text, start_pos=token.start, line=token.line, column=token.column)


def _is_comparison(at: InteractiveParser, token: Token) -> bool:
    """Whether `<` can be no IRI here but a comparison. `<>` is what other languages write for `!=`."""
    return token.text != "<>" and not _takes(at, "IRIREF") and _takes(at, "COMPARE")


def _takes(at: InteractiveParser, terminal: str) -> bool:
    if terminal not in at.choices():  # type: ignore[no-untyped-call]
        return False
    ahead = at.copy(deepcopy_values=False)  # type: ignore[no-untyped-call]
    try:
        ahead.feed_token(Leaf(terminal, ""))
    except UnexpectedToken:
        return False
    return True


def _accepted(query: str, before: list[Token]) -> frozenset[str]:
    """What may stand behind these tokens. They are fed anew: on a refused one, the parser has given up other ways."""
    at = _parsing(_parser())
    for token in before:
        at.feed_token(_leaf(token, terminal_of(token, query)))
    return frozenset(at.accepts())  # type: ignore[no-untyped-call]


def _end(before: list[Token]) -> Token:
    if not before:
        return Token("end", "", 1, 1, 0)
    last = before[-1]
    breaks = last.text.count("\n")
    column = len(last.text) - last.text.rindex("\n") if breaks else last.column + len(last.text)
    return Token("end", "", last.line + breaks, column, last.end)
