"""Parse a SPARQL 1.1 query from our own tokens: its tree, or the first unexpected token.

The grammar is sparql.lark. Tokens are the longest possible, by the standard: `?a<?b&&?c>?d` contains an IRI, although
engines read a comparison.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files

from lark import Lark, Tree, UnexpectedToken
from lark import Token as Leaf
from lark.parsers.lalr_interactive_parser import InteractiveParser

from vaven.publisher.sparql.lexer import FORMS, DecodedQuery, Token

# Names of marks in the grammar.
MARKS = {
    "{": "LBRACE", "}": "RBRACE", "(": "LPAR", ")": "RPAR", "[": "LBRACKET", "]": "RBRACKET",
    ".": "DOT", ";": "SEMI", ",": "COMMA", "*": "STAR", "/": "SLASH", "|": "PIPE", "^": "CARET", "?": "QUESTION",
    "!": "BANG", "+": "PLUS", "-": "DASH", "=": "EQ", "!=": "COMPARE", "<": "COMPARE", ">": "COMPARE",
    "<=": "COMPARE", ">=": "COMPARE", "&&": "ANDAND", "||": "OROR", "^^": "HATHAT",
}  # fmt: skip
# `==` and `=>` are not tokens of SPARQL, but are meant as one by the author.
MULTI_CHARACTER_MARKS = frozenset(("!=", "<=", ">=", "==", "=>", "&&", "||", "^^", "<<", ">>", "{|", "|}"))
KEYWORDS = FORMS | frozenset(
    (
        *("AS", "ASC", "BASE", "BIND", "BY", "DESC", "DISTINCT", "EXISTS", "FILTER", "FROM", "GRAPH", "GROUP"),
        *("HAVING", "IN", "LIMIT", "MINUS", "NAMED", "NOT", "OFFSET", "OPTIONAL", "ORDER", "PREFIX", "REDUCED"),
        *("SEPARATOR", "SERVICE", "SILENT", "UNDEF", "UNION", "VALUES", "WHERE"),
    )
)
# Functions by the number of arguments; functions alone in a group have their own rules.
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
# The terminal that no rule accepts.
UNKNOWN = "UNKNOWN"
END = "$END"
CLOSING = {"(": ")", "[": "]", "{": "}"}
# Number of cached trees, and the longest text for them: 20,000 characters are up to 3 MB as a tree.
MAX_CACHED, MAX_CACHED_CHARS = 32, 20_000
# A backslash in a string without a valid escape after it (rule 160, section 19.2). Surrogates are invalid.
INVALID_ESCAPE = re.compile(
    r"""\\(?:[tbnrf\\"']|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}
      |U(?:0000(?![dD][89A-Fa-f])|000[1-9A-Fa-f]|0010)[0-9A-Fa-f]{4})|(\\.?)""",
    re.DOTALL | re.VERBOSE,
)
INVALID_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# A colon in the first segment that is not the scheme's (RFC 3987, rules IRI and irelative-ref).
INVALID_SCHEME = re.compile(r"<(?![A-Za-z][A-Za-z0-9+.\-]*:)[^/?#:>]*:")


@dataclass(frozen=True)
class SyntaxStop:
    """The position where parsing stops: the unexpected token, the accepted terminals, the tokens before and after.

    At the end of the query `token` has the kind "end" and is positioned right after the last token. The tokens after
    the unexpected one are not joined: `^` and `^`, not `^^`.
    """

    decoded: DecodedQuery
    before: tuple[Token, ...]
    token: Token
    accepted: frozenset[str]
    after: tuple[Token, ...] = ()

    @property
    def query(self) -> str:
        """The query with its escapes replaced; offsets of tokens are those in this text."""
        return self.decoded.text

    @property
    def previous(self) -> Token:
        """The preceding token; one of the kind "start" if there is none."""
        return self.before[-1] if self.before else Token("start", "", 1, 1, 0)

    @property
    def all_tokens(self) -> tuple[Token, ...]:
        """The tokens of the whole query."""
        return *self.before, *((self.token,) if self.token.kind != "end" else ()), *self.after

    @cached_property
    def open_brackets(self) -> tuple[Token, ...]:
        """The open brackets, from the outermost."""
        brackets: list[Token] = []
        for token in self.before:
            if token.kind == "mark" and token.text in CLOSING:
                brackets.append(token)
            elif token.kind == "mark" and token.text in CLOSING.values():
                brackets.pop()
        return tuple(brackets)

    @cached_property
    def terminal(self) -> str:
        """The token's name in the grammar."""
        return END if self.token.kind == "end" else terminal_of(self.token, self.query)

    @property
    def is_at_start(self) -> bool:
        """True where the query form, or its prologue, is expected."""
        return self.accepts("PREFIX", "SELECT")

    def accepts(self, *terminals: str) -> bool:
        """Return whether all of these terminals are accepted."""
        return self.accepted.issuperset(terminals)

    def source(self, token: Token) -> str:
        """Return the token as written: words are otherwise in upper case."""
        return self.query[token.start : token.end]


def parse_tree(query: str) -> Tree[Leaf] | SyntaxStop:
    """Return the tree of a query, whose leaves have positions, or the position where parsing stops.

    Codepoint escapes are replaced first: a leaf has its line and column in the query as written, and its `start_pos` in
    DecodedQuery(query).text, which is the same text if there are no escapes.
    The tree must not be modified: the last MAX_CACHED trees are shared by all callers, so that a query is parsed once.
    Cost: 7 to 30 µs per token; the first call builds the tables.
    """
    return _parse_cached(query) if len(query) <= MAX_CACHED_CHARS else _parse(query)


@lru_cache(MAX_CACHED)
def _parse_cached(query: str) -> Tree[Leaf] | SyntaxStop:
    return _parse(query)


def _parse(query: str) -> Tree[Leaf] | SyntaxStop:
    decoded, parse, before = DecodedQuery(query), _new_parse(_parser()), list[Token]()
    state = parse.parser_state
    for token in join_tokens(decoded.tokens()):
        try:
            state.feed_token(_leaf(token, terminal_of(token, decoded.text)))
        except UnexpectedToken:
            return _stop(decoded, before, token)
        before.append(token)
    try:
        tree: Tree[Leaf] = parse.feed_eof()  # type: ignore[no-untyped-call]
        return tree
    except UnexpectedToken:
        return _stop(decoded, before, _end(decoded, before))


def _stop(decoded: DecodedQuery, before: list[Token], token: Token) -> SyntaxStop:
    after = tuple(following for following in decoded.tokens() if following.start >= token.end)
    return SyntaxStop(decoded, tuple(before), token, _accepted(decoded.text, before), after)


def terminal_of(token: Token, query: str) -> str:
    """Return the token's name in the grammar; UNKNOWN if no rule accepts it."""
    if token.kind == "mark":
        return MARKS.get(token.text, UNKNOWN)
    if token.kind == "word":
        return _word(token.text, query[token.start : token.end])
    if token.kind == "number":
        return "SIGNED" if token.text[0] in "+-" else "INTEGER" if token.text.isdigit() else "DECIMAL"
    if token.kind == "string":
        return UNKNOWN if invalid_escape(token) else "STRING"
    if token.kind == "iri":
        is_wrong = INVALID_PERCENT.search(token.text) or INVALID_SCHEME.match(token.text)
        return UNKNOWN if is_wrong else "IRIREF"
    if token.kind == "prefixed":
        # An IRI without angle brackets.
        if query.startswith("//", token.end) and token.text.endswith(":"):
            return UNKNOWN
        return "PNAME_NS" if token.text.index(":") == len(token.text) - 1 else "PNAME_LN"
    return KINDS[token.kind]


def _word(text: str, written: str) -> str:
    # The verb `a` is the only keyword that the standard requires in lower case.
    if written == "a" or text in ("TRUE", "FALSE"):
        return text
    return text if text in KEYWORDS else FUNCTIONS.get(text, UNKNOWN)


def invalid_escape(token: Token) -> int | None:
    """Return the offset of the first invalid escape in a string token, else None."""
    return next((match.start() for match in INVALID_ESCAPE.finditer(token.text) if match[1]), None)


def join_tokens(stream: Iterator[Token]) -> Iterator[Token]:
    """Yield the tokens, with adjacent marks joined where they are one in SPARQL, and signs joined to numbers."""
    pending: Token | None = None
    for token in stream:
        if pending and pending.end == token.start and _is_one_token(pending, token):
            yield pending._replace(kind=token.kind, text=pending.text + token.text)
            pending = None
            continue
        if pending:
            yield pending
        pending = token if token.kind == "mark" else None
        if not pending:
            yield token
    if pending:
        yield pending


def _is_one_token(mark: Token, token: Token) -> bool:
    if token.kind == "number":
        return mark.text in ("+", "-")
    return token.kind == "mark" and mark.text + token.text in MULTI_CHARACTER_MARKS


@cache
def _parser() -> Lark:
    grammar = (files(__package__) / "sparql.lark").read_text("utf-8")
    declared = f"%declare {' '.join(sorted(TERMINALS))}\n"
    # The input consists of tokens already, so lark's own lexer is never used.
    return Lark(declared + grammar, parser="lalr", maybe_placeholders=False)


def _new_parse(parser: Lark) -> InteractiveParser:
    return parser.parse_interactive("")


def _leaf(token: Token, terminal: str) -> Leaf:
    return Leaf(terminal, token.text, start_pos=token.start, line=token.line, column=token.column)


def _accepted(query: str, before: list[Token]) -> frozenset[str]:
    """Return the terminals accepted after these tokens.

    They are parsed again: on a refused token the parser has already reduced, and lost other alternatives.
    """
    parse = _new_parse(_parser())
    for token in before:
        parse.feed_token(_leaf(token, terminal_of(token, query)))
    return frozenset(parse.accepts())  # type: ignore[no-untyped-call]


def _end(decoded: DecodedQuery, before: list[Token]) -> Token:
    if not before:
        return Token("end", "", 1, 1, 0)
    last = before[-1]
    written = decoded.written(last.start, last.end)
    breaks = written.count("\n")
    column = len(written) - written.rindex("\n") if breaks else last.column + len(written)
    return Token("end", "", last.line + breaks, column, last.end)
