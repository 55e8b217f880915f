"""The tokens of a SPARQL 1.1 query, for judging words by their syntactic context and not by their looks.

Terminals of SPARQL 1.1 Query Language, section 19.8. Engines differ in two ways that an attacker may use, so both are
handled here:
- Section 19.2 replaces codepoint escapes before parsing; Oxigraph replaces them only inside strings and IRIs. A query
  is checked under both readings.
- Oxigraph 0.5 has no tokens: `<` is an operator or opens an IRI by context, and keywords need no space after them
  (`trueSERVICE:x {` calls out). `escape_service` rewrites a query so that this makes no difference.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urljoin

from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryRefused, QuerySyntaxError
from vaven.vocab.messages import Message

SERVICE = re.compile("s(?=ervice)", re.IGNORECASE)
ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
# The length of a prefix is bounded: otherwise `a.a.a.…` costs the square of its length, with the interpreter blocked.
TOKEN = re.compile(
    r"""
    (?P<blank>[\x20\t\r\n]+)
  | (?P<comment>\#[^\r\n]*)
  | (?P<iri><(?:[^\x00-\x20<>"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*>)
  | (?P<string>\"\"\"(?:[^"\\]|\\.|\"{1,2}(?!\"))*\"\"\"|'''(?:[^'\\]|\\.|'{1,2}(?!'))*'''
      |"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
  | (?P<variable>[?$]\w+)
  | (?P<blank_node>_:[\w](?:[\w.\-]*[\w\-])?)
  | (?P<language>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
  | (?P<prefixed>(?:[^\W\d_](?:[\w.\-]{0,127}[\w\-])?)?:(?:(?:[\w:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])
      (?:(?:[\w.\-:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%])*(?:[\w\-:]|%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%]))?)?)
  | (?P<word>[A-Za-z][A-Za-z0-9_]*)
  | (?P<number>\d+\.\d*[eE][+-]?\d+|\d*\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
QUOTES = ("'", '"')
FORMS = frozenset(("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"))
# Functions that return another value each time (SPARQL 1.1 Query Language, sections 17.4.2.12, 17.4.4.5 and 17.4.5.1).
NONDETERMINISTIC = frozenset(("NOW", "RAND", "UUID", "STRUUID"))
AGGREGATES = frozenset(("COUNT", "SUM", "MIN", "MAX", "AVG", "SAMPLE", "GROUP_CONCAT"))
UPDATES = frozenset(("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY"))


@dataclass(frozen=True)
class Token:
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
        if breaks := text.count("\n"):
            line += breaks
            start = match.start() + text.rfind("\n") + 1


def query_form(query: str) -> str:
    """Return SELECT, ASK, CONSTRUCT or DESCRIBE; "" for any other text (the engine then reports the error).

    Raises QueryRefused for SERVICE anywhere and for updates, in either reading of escapes, and QuerySyntaxError for a
    query that the engine would answer wrongly.
    """
    plain = ESCAPE.sub(_unescape, query)
    if plain != query:
        _check_tokens(tokens(plain))
    token_list = list(tokens(query))
    form = _check_tokens(token_list)
    if AGGREGATES & {token.text for token in token_list}:
        _refuse_nested_aggregate(token_list)
    return form


def escape_service(query: str) -> str:
    """Return an equivalent query in which no engine can read SERVICE inside our strings, IRIs or comments.

    The word's first letter is escaped in strings and IRIs, and comments that contain it are emptied; line numbers are
    unchanged. For queries accepted by `query_form`. Otherwise `FILTER(1<2#>'''` is an IRI and a string to us, an
    operator and a comment to Oxigraph.
    """
    if not SERVICE.search(query):
        return query
    return "".join(_escape_token(match.lastgroup or "mark", match.group()) for match in TOKEN.finditer(query))


def compact(query: str) -> str:
    """Return the query without comments and with single blanks: the same tokens in the same order.

    Two queries that differ only in layout are then equal. The returned text is also the one to run: its result must not
    be stored for the longer text, since engines differ in what they accept as a comment. A text with a quotation mark
    that opens no string is returned unchanged, as a blank in place of a line break could make a string of it.
    """
    parts = []
    for match in TOKEN.finditer(query):
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


def _check_tokens(words: Iterable[Token]) -> str:
    token_list, form = list(words), ""
    for i, token in enumerate(token_list):
        if _is_service(token, token_list[i + 1].text if i + 1 < len(token_list) else ""):
            is_keyword = token.kind == "word"
            remedy = (
                query_message("service.remedy") if is_keyword else query_message("service.remedy.name", name=token.text)
            )
            message = query_message("service", place=position_text(token))
            raise QueryRefused(message, remedy=remedy, line=token.line, column=token.column)
        if token.kind != "word" or form:
            continue
        if token.text in UPDATES:
            message = query_message("update", word=token.text, place=position_text(token))
            raise QueryRefused(message, remedy=query_message("update.remedy"), line=token.line, column=token.column)
        if token.text in FORMS:
            form = token.text
    return form


def _refuse_nested_aggregate(token_list: Sequence[Token]) -> None:
    """Raise QuerySyntaxError for the first aggregate in the argument of another.

    SPARQL 1.1 Query Language, section 18.2.4.1, gives it no meaning, and Jena refuses it. Oxigraph accepts it, and
    returns no value.
    """
    # For each open bracket, whether it belongs to an aggregate.
    inside: list[bool] = []
    for i, token in enumerate(token_list):
        is_aggregate = token.kind == "word" and token.text in AGGREGATES
        if is_aggregate and inside and inside[-1]:
            message, remedy = (
                query_message("nested-aggregate", word=token.text, place=position_text(token)),
                "nested-aggregate.remedy",
            )
            raise QuerySyntaxError(message, remedy=query_message(remedy), line=token.line, column=token.column)
        if token.kind != "mark":
            continue
        if token.text == "(":
            before = token_list[i - 1] if i else token
            holds = before.kind == "word" and before.text in AGGREGATES
            inside.append(holds or bool(inside and inside[-1]))
        elif token.text == "{":
            inside.append(False)
        elif token.text in (")", "}") and inside:
            inside.pop()


def _is_service(token: Token, after: str) -> bool:
    """Return whether a token is SERVICE, or may be read as SERVICE by an engine without word boundaries.

    `SERVICE:x {` contains a prefixed name by the standard. This is valid only after GRAPH, and even there we refuse it,
    since Oxigraph may read a comment where we read GRAPH.
    """
    if token.kind == "word":
        return "SERVICE" in token.text
    return token.kind == "prefixed" and after == "{" and "SERVICE" in token.text.partition(":")[0].upper()


def is_deterministic(query: str) -> bool:
    """Return whether the result is the same until new data are published: no function of time or chance.

    In either reading of escapes.
    """
    return not any(t.kind == "word" and t.text in NONDETERMINISTIC for t in tokens(ESCAPE.sub(_unescape, query)))


def has_dataset_clause(query: str) -> bool:
    """Return whether the query specifies its dataset with FROM or FROM NAMED (SPARQL 1.1, section 13.2)."""
    return any(token.kind == "word" and token.text.startswith("FROM") for token in tokens(query))


def declared_prefixes(query: str, base: str) -> dict[str, str]:
    """Return the namespaces of the PREFIX lines by prefix, without its colon; the last declaration counts.

    Each IRI is resolved against the BASE before it (SPARQL 1.1 Query Language, section 4.1.1.2), the first against
    `base`.
    """
    token_list, declared = list(tokens(query)), {}
    for word, name, iri in zip(token_list, token_list[1:], token_list[2:] + token_list[-1:], strict=False):
        if (word.text, name.kind, iri.kind) == ("PREFIX", "prefixed", "iri"):
            declared[name.text[:-1]] = _resolve(base, iri.text[1:-1])
        elif (word.text, name.kind) == ("BASE", "iri"):
            base = _resolve(base, name.text[1:-1])
    return declared


def _resolve(base: str, iri: str) -> str:
    """Resolve an IRI against a base; with its fragment separate, since Python omits an empty one."""
    reference, mark, rest = iri.partition("#")
    return urljoin(base, reference) + mark + rest


def undeclared_prefix(query: str) -> Token | None:
    """Return the first prefixed name whose prefix is not declared."""
    token_list = list(tokens(query))
    declared = {name.text for word, name in pairwise(token_list) if word.text == "PREFIX" and name.kind == "prefixed"}
    return next(
        (t for t in token_list if t.kind == "prefixed" and t.text.partition(":")[0] + ":" not in declared), None
    )


def _unescape(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else match.group()
