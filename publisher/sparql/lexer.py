"""The tokens of a SPARQL 1.1 query, for judging words by their syntactic context and not by their looks.

Terminals of SPARQL 1.1 Query Language, section 19.8. Engines differ in two ways that an attacker may use, so both are
handled here:
- Section 19.2 replaces codepoint escapes before parsing; Oxigraph replaces them only inside strings and IRIs. We
  replace them (DecodedQuery), and check a query under all readings.
- Oxigraph 0.5 has no tokens: `<` is an operator or opens an IRI by context, and keywords need no space after them
  (`trueSERVICE:x {` calls out). `escape_service` rewrites a query so that this makes no difference.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryRefused
from vaven.vocab.messages import Message

SERVICE = re.compile("s(?=ervice)", re.IGNORECASE)
SIGNS = re.compile("[!+-]+")
ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
# With other backslashes, so that `\\u0041` in a string remains a backslash and five characters.
BACKSLASH = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
# Characters that would begin or end a string if they were not escaped.
KEPT_ESCAPES = frozenset("\"'\\\n\r")
# Characters of names by rules 164 to 167: those that may begin a name, and with \u00b7 and combining marks all but the
# hyphen and the point.
LETTERS = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
IN_NAME = f"{LETTERS}_0-9\u00b7\u0300-\u036f\u203f\u2040"
# The length of a prefix is bounded: otherwise `a.a.a.…` costs the square of its length, with the interpreter blocked.
TOKEN = re.compile(
    rf"""
    (?P<blank>[\x20\t\r\n]+)
  | (?P<comment>\#[^\r\n]*)
  | (?P<iri><(?:[^\x00-\x20<>"{{}}|^`\\]|\\u[0-9A-Fa-f]{{4}}|\\U[0-9A-Fa-f]{{8}})*>)
  | (?P<string>\"\"\"(?:[^"\\]|\\.|\"{{1,2}}(?!\"))*\"\"\"|'''(?:[^'\\]|\\.|'{{1,2}}(?!'))*'''
      |"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
  | (?P<variable>[?$][{LETTERS}_0-9][{IN_NAME}]*)
  | (?P<blank_node>_:[{LETTERS}_0-9](?:[{IN_NAME}.\-]*[{IN_NAME}\-])?)
  | (?P<language>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
  | (?P<prefixed>(?:[{LETTERS}](?:[{IN_NAME}.\-]{{0,127}}[{IN_NAME}\-])?)?:
      (?:(?:[{LETTERS}_0-9:]|%[0-9A-Fa-f]{{2}}|\\[_~.\-!$&'()*+,;=/?\#@%])
      (?:(?:[{IN_NAME}.\-:]|%[0-9A-Fa-f]{{2}}|\\[_~.\-!$&'()*+,;=/?\#@%])*
         (?:[{IN_NAME}\-:]|%[0-9A-Fa-f]{{2}}|\\[_~.\-!$&'()*+,;=/?\#@%]))?)?)
  | (?P<word>[A-Za-z][A-Za-z0-9_]*)
  | (?P<number>\d+\.\d*[eE][+-]?\d+|\d*\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
QUOTES = ("'", '"')
# Kinds that may contain line breaks.
MULTILINE = ("blank", "string")
FORMS = frozenset(("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"))
UPDATES = frozenset(("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY"))


class Token(NamedTuple):
    """A token; `kind` is a group of TOKEN; words are upper case. `line` and `column` count from 1, `start` from 0."""

    kind: str
    text: str
    line: int
    column: int
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def position_text(token: Token) -> Message:
    """Return the position of a token for a message."""
    return query_message("place", line=token.line, column=token.column)


def tokens(query: str) -> Iterator[Token]:
    """Yield all tokens except blanks and comments. Text that is not SPARQL is yielded as marks; nothing is an error.

    Escapes are not replaced. Cost: linear in the length, at worst 3 s for a million characters.
    """
    line, start = 1, 0
    for match in TOKEN.finditer(query):
        kind, text = match.lastgroup or "mark", match.group()
        if kind not in ("blank", "comment"):
            column = match.start() - start + 1
            yield Token(kind, text.upper() if kind == "word" else text, line, column, match.start())
        if kind in MULTILINE and (breaks := text.count("\n")):
            line += breaks
            start = match.start() + text.rfind("\n") + 1


class DecodedQuery:
    """A query with its codepoint escapes replaced (SPARQL 1.1 Query Language, section 19.2).

    `text` is the query without escapes, except those of quotation marks, backslashes and line breaks: they are left to
    strings, where the engine reads them. Offsets are those in `text`.
    """

    def __init__(self, query: str) -> None:
        self._query, self._offsets, self._extra = query, list[int](), [0]
        self.text = query
        if "\\u" in query or "\\U" in query:
            self.text = BACKSLASH.sub(self._decode, query)

    def _decode(self, match: re.Match[str]) -> str:
        escape = match[0]
        letter = ESCAPE.sub(_unescape, escape)
        if len(letter) > 1 or letter in KEPT_ESCAPES:
            return escape
        self._offsets.append(match.start() - self._extra[-1])
        self._extra.append(self._extra[-1] + len(escape) - 1)
        return letter

    def written(self, start: int, end: int) -> str:
        """Return a part of the query as written."""
        return self._query[start + self._extra_before(start) : end + self._extra_before(end)]

    def tokens(self) -> Iterator[Token]:
        """Yield the tokens of `text` with their lines and columns in the query as written."""
        return (self._located(token) for token in tokens(self.text)) if self._offsets else tokens(self.text)

    def _located(self, token: Token) -> Token:
        line_start = token.start - token.column + 1
        return token._replace(column=len(self.written(line_start, token.start)) + 1)

    def _extra_before(self, offset: int) -> int:
        return self._extra[bisect_left(self._offsets, offset)]


def check_allowed(query: str) -> None:
    """Raise QueryRefused for SERVICE anywhere and for updates, in every reading of escapes.

    A scan of tokens and not of the syntax tree, on purpose: an engine may read SERVICE in a text that our grammar
    refuses, or at another position than our grammar. Cost: without that word in the text, only the tokens up to the
    query form are read.
    """
    for text in dict.fromkeys((ESCAPE.sub(_unescape, query), DecodedQuery(query).text, query)):
        _check_service(text)
        _check_update(text)


def escape_service(query: str) -> str:
    """Return an equivalent query in which no engine can read SERVICE inside our strings, IRIs or comments.

    The word's first letter is escaped in strings and IRIs, and comments that contain it are emptied; line numbers are
    unchanged. For queries accepted by `check_allowed`. Otherwise `FILTER(1<2#>'''` is an IRI and a string to us, an
    operator and a comment to Oxigraph.
    """
    if not SERVICE.search(query):
        return query
    return "".join(_escape_token(match.lastgroup or "mark", match.group()) for match in TOKEN.finditer(query))


@lru_cache(16)
def compact(query: str) -> str:
    """Return the query without comments and with single blanks: the same tokens in the same order.

    Two queries that differ only in layout and escapes are then equal. The returned text is also the one to run: its
    result must not be stored for the longer text, since engines differ in what they accept as a comment. A text with a
    quotation mark that opens no string is returned unchanged, as a blank in place of a line break could make a string
    of it. On tokens and not on the tree, since the cache is asked before anything is parsed.
    """
    parts = []
    for match in TOKEN.finditer(DecodedQuery(query).text):
        kind, text = match.lastgroup or "mark", match.group()
        if kind == "mark" and text in QUOTES:
            return query
        if kind not in ("blank", "comment"):
            parts.append(text)
        elif parts and parts[-1] != " ":
            parts.append(" ")
    return "".join(parts).rstrip(" ")


def _escape_token(kind: str, text: str) -> str:
    if kind == "comment":
        return "#" if SERVICE.search(text) else text
    if kind in ("string", "iri"):
        return SERVICE.sub(lambda letter: f"\\u{ord(letter[0]):04X}", text)
    return text


def _check_service(text: str) -> None:
    # Upper case makes that word of the same letters as in _is_service.
    if "SERVICE" not in text.upper():
        return
    for token, after in pairwise((*tokens(text), None)):
        if token and _is_service(token, after.text if after else ""):
            raise _service_refused(token)


def _check_update(text: str) -> None:
    for token in tokens(text):
        if token.kind == "word" and token.text in FORMS:
            return
        if token.kind == "word" and token.text in UPDATES:
            message = query_message("update", word=token.text, place=position_text(token))
            raise QueryRefused(message, remedy=query_message("update.remedy"), line=token.line, column=token.column)


def _service_refused(token: Token) -> QueryRefused:
    is_keyword = token.kind == "word"
    remedy = query_message("service.remedy") if is_keyword else query_message("service.remedy.name", name=token.text)
    message = query_message("service", place=position_text(token))
    return QueryRefused(message, remedy=remedy, line=token.line, column=token.column)


def _is_service(token: Token, after: str) -> bool:
    """Return whether a token is SERVICE, or may be read as SERVICE by an engine without word boundaries.

    `SERVICE:x {` contains a prefixed name by the standard. This is valid only after GRAPH, and even there we refuse it,
    since Oxigraph may read a comment where we read GRAPH.
    """
    if token.kind == "word":
        return "SERVICE" in token.text
    return token.kind == "prefixed" and after == "{" and "SERVICE" in token.text.partition(":")[0].upper()


def nesting_depth(query: str) -> int:
    """Return the most brackets open at a time, or the most signs in a row, in texts and comments too."""
    depth = deepest = 0
    for character in query:
        depth += (character in "({[") - (character in ")}]")
        deepest = max(deepest, depth)
    return max(deepest, *(len(run) for run in SIGNS.findall(query)), 0)


def _unescape(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else match.group()
