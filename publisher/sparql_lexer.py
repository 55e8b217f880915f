"""The tokens of a SPARQL 1.1 query, so that words are judged by where they stand and not by how they look.

Terminals of SPARQL 1.1 Query Language, section 19.8; codepoint escapes of section 19.2 are undone first,
since a server may do so too and read `\\u0053ERVICE` as a keyword.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vaven.vocab.errors import QueryRefused

ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
TOKEN = re.compile(
    r"""
    (?P<blank>[\x20\t\r\n]+)
  | (?P<comment>\#[^\r\n]*)
  | (?P<iri><[^\x00-\x20<>"{}|^`\\]*>)
  | (?P<string>\"\"\"(?:[^"\\]|\\.|\"{1,2}(?!\"))*\"\"\"|'''(?:[^'\\]|\\.|'{1,2}(?!'))*'''
      |"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
  | (?P<variable>[?$]\w+)
  | (?P<blank_node>_:[\w](?:[\w.\-]*[\w\-])?)
  | (?P<language>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
  | (?P<prefixed>(?:[^\W\d_](?:[\w.\-]*[\w\-])?)?:(?:(?:[\w:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])
      (?:(?:[\w.\-:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])*(?:[\w\-:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%]))?)?)
  | (?P<word>[A-Za-z][A-Za-z0-9_]*)
  | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
FORMS = frozenset(("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"))
UPDATES = frozenset(("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY"))


@dataclass(frozen=True)
class Token:
    """`kind` is a group of TOKEN; words come in upper case. `line` and `column` count from 1."""

    kind: str
    text: str
    line: int
    column: int


def tokens(query: str) -> Iterator[Token]:
    """All tokens but blanks and comments. Text that is no SPARQL comes as marks; nothing is an error here."""
    plain = ESCAPE.sub(_unescape, query)
    line, start = 1, 0
    for found in TOKEN.finditer(plain):
        kind, text = found.lastgroup or "mark", found.group()
        if kind not in ("blank", "comment"):
            yield Token(kind, text.upper() if kind == "word" else text, line, found.start() - start + 1)
        if breaks := text.count("\n"):
            line += breaks
            start = found.start() + text.rfind("\n") + 1


def query_form(query: str) -> str:
    """SELECT, ASK, CONSTRUCT or DESCRIBE; "" where the text is none of them (the engine then says why).

    Raises QueryRefused for SERVICE anywhere and for updates.
    """
    form = ""
    for token in tokens(query):
        if token.kind != "word":
            continue
        if token.text == "SERVICE":
            raise QueryRefused(
                f"SERVICE (line {token.line}, column {token.column}) is not allowed: this endpoint calls no other.",
                remedy="Ask the other endpoint from your own program and join the answers there.",
            )
        if not form and token.text in UPDATES:
            raise QueryRefused(
                f"{token.text} (line {token.line}, column {token.column}) would change data; this endpoint only reads.",
                remedy="Ask with SELECT, ASK, CONSTRUCT or DESCRIBE. Data is changed by publishing a submission.",
            )
        if not form and token.text in FORMS:
            form = token.text
    return form


def names_dataset(query: str) -> bool:
    """Whether the query says with FROM or FROM NAMED which graphs it is about (SPARQL 1.1, section 13.2)."""
    return any(token.kind == "word" and token.text == "FROM" for token in tokens(query))


def _unescape(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else found.group()
