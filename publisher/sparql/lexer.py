"""The tokens of a SPARQL 1.1 query, so that words are judged by where they stand and not by how they look.

Terminals of SPARQL 1.1 Query Language, section 19.8. Engines differ in two ways that an attacker may use, so
both are met here:
- Section 19.2 undoes codepoint escapes before anything is read; Oxigraph undoes them inside strings and IRIs
  only. A query is judged by both readings.
- Oxigraph 0.5 has no tokens: `<` is an operator or opens an IRI by context, and keywords need no space after
  them (`trueSERVICE:x {` calls out). `guarded` writes a query so that this makes no difference.
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
# A prefix is bounded: without a bound, `a.a.a.…` costs the square of its length, with the interpreter held.
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
# Functions that give another value each time (SPARQL 1.1 Query Language, sections 17.4.2.12, 17.4.4.5 and 17.4.5.1).
OF_THE_MOMENT = frozenset(("NOW", "RAND", "UUID", "STRUUID"))
AGGREGATES = frozenset(("COUNT", "SUM", "MIN", "MAX", "AVG", "SAMPLE", "GROUP_CONCAT"))
UPDATES = frozenset(("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY"))


@dataclass(frozen=True)
class Token:
    """`kind` is a group of TOKEN; words come in upper case. `line` and `column` count from 1, `start` from 0."""

    kind: str
    text: str
    line: int
    column: int
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def place(token: Token) -> Message:
    """Where a token stands, for a sentence."""
    return query_message("place", line=token.line, column=token.column)


def tokens(query: str) -> Iterator[Token]:
    """All tokens but blanks and comments. Text that is no SPARQL comes as marks; nothing is an error here.

    Escapes stay as they stand. Cost: linear in the length, at worst 3 s for a million characters.
    """
    line, start = 1, 0
    for found in TOKEN.finditer(query):
        kind, text = found.lastgroup or "mark", found.group()
        if kind not in ("blank", "comment"):
            column = found.start() - start + 1
            yield Token(kind, text.upper() if kind == "word" else text, line, column, found.start())
        if breaks := text.count("\n"):
            line += breaks
            start = found.start() + text.rfind("\n") + 1


def query_form(query: str) -> str:
    """SELECT, ASK, CONSTRUCT or DESCRIBE; "" where the text is none of them (the engine then says why).

    Raises QueryRefused for SERVICE anywhere and for updates, in either reading of escapes, and QuerySyntaxError for
    what the engine would answer wrongly.
    """
    plain = ESCAPE.sub(_unescape, query)
    if plain != query:
        _judged(tokens(plain))
    found = list(tokens(query))
    form = _judged(found)
    if AGGREGATES & {token.text for token in found}:
        _refuse_nested_aggregate(found)
    return form


def guarded(query: str) -> str:
    """The query with the same meaning, in which no engine can find SERVICE where we see a string, IRI or comment.

    The word's first letter is escaped in strings and IRIs, and comments that have it are emptied; lines stay.
    For queries that `query_form` has let pass. Without it `FILTER(1<2#>'''` is an IRI and a string to us, an
    operator and a comment to Oxigraph.
    """
    if not SERVICE.search(query):
        return query
    return "".join(_guarded(found.lastgroup or "mark", found.group()) for found in TOKEN.finditer(query))


def compact(query: str) -> str:
    """The query without its comments and with one blank where there were several: the same tokens in the same order.

    Two queries that differ in layout alone come out equal. What comes out is what shall be run: an answer to it must
    not stand for the longer text, since engines differ in what they take for a comment. A text with a quotation mark
    that opens no string stays as it is, as a blank in place of a line break could make a string of it.
    """
    parts = []
    for found in TOKEN.finditer(query):
        kind, text = found.lastgroup or "mark", found.group()
        if kind == "mark" and text in QUOTES:
            return query
        if kind not in ("blank", "comment"):
            parts.append(text)
        elif parts and parts[-1] != " ":
            parts.append(" ")
    return "".join(parts).rstrip(" ")


def _guarded(kind: str, text: str) -> str:
    if kind == "comment":
        return "#" if SERVICE.search(text) else text
    if kind in ("string", "iri"):
        return SERVICE.sub(lambda letter: f"\\u{ord(letter[0]):04X}", text)
    return text


def _judged(words: Iterable[Token]) -> str:
    found, form = list(words), ""
    for i, token in enumerate(found):
        if _calls_out(token, found[i + 1].text if i + 1 < len(found) else ""):
            is_keyword = token.kind == "word"
            remedy = (
                query_message("service.remedy") if is_keyword else query_message("service.remedy.name", name=token.text)
            )
            message = query_message("service", place=place(token))
            raise QueryRefused(message, remedy=remedy, line=token.line, column=token.column)
        if token.kind != "word" or form:
            continue
        if token.text in UPDATES:
            message = query_message("update", word=token.text, place=place(token))
            raise QueryRefused(message, remedy=query_message("update.remedy"), line=token.line, column=token.column)
        if token.text in FORMS:
            form = token.text
    return form


def _refuse_nested_aggregate(found: Sequence[Token]) -> None:
    """Raises QuerySyntaxError for the first aggregate in the argument of another.

    SPARQL 1.1 Query Language, section 18.2.4.1, gives it no meaning, and Jena refuses it. Oxigraph takes it, and then
    answers without a value.
    """
    # For each bracket that is open, whether an aggregate holds it.
    inside: list[bool] = []
    for i, token in enumerate(found):
        is_aggregate = token.kind == "word" and token.text in AGGREGATES
        if is_aggregate and inside and inside[-1]:
            message, remedy = (
                query_message("nested-aggregate", word=token.text, place=place(token)),
                "nested-aggregate.remedy",
            )
            raise QuerySyntaxError(message, remedy=query_message(remedy), line=token.line, column=token.column)
        if token.kind != "mark":
            continue
        if token.text == "(":
            before = found[i - 1] if i else token
            holds = before.kind == "word" and before.text in AGGREGATES
            inside.append(holds or bool(inside and inside[-1]))
        elif token.text == "{":
            inside.append(False)
        elif token.text in (")", "}") and inside:
            inside.pop()


def _calls_out(token: Token, after: str) -> bool:
    """Whether a token is the keyword SERVICE, or one that an engine without word boundaries may read as it.

    `SERVICE:x {` has a prefixed name by the standard. That is right after GRAPH only, and even there we refuse it,
    since Oxigraph may see a comment where we see GRAPH.
    """
    if token.kind == "word":
        return "SERVICE" in token.text
    return token.kind == "prefixed" and after == "{" and "SERVICE" in token.text.partition(":")[0].upper()


def is_repeatable(query: str) -> bool:
    """Whether the same answer is right until something is published: it has no clock and no chance in it.

    In either reading of escapes.
    """
    return not any(t.kind == "word" and t.text in OF_THE_MOMENT for t in tokens(ESCAPE.sub(_unescape, query)))


def names_dataset(query: str) -> bool:
    """Whether the query says with FROM or FROM NAMED which graphs it is about (SPARQL 1.1, section 13.2)."""
    return any(token.kind == "word" and token.text.startswith("FROM") for token in tokens(query))


def declared_prefixes(query: str, base: str) -> dict[str, str]:
    """Prefix, without its colon, to namespace by the PREFIX and BASE lines; the last of a prefix counts.

    Each IRI is read against the BASE before it (SPARQL 1.1 Query Language, section 4.1.1.2), the first against `base`.
    """
    found, declared = list(tokens(query)), {}
    for word, name, iri in zip(found, found[1:], found[2:] + found[-1:], strict=False):
        if (word.text, name.kind, iri.kind) == ("PREFIX", "prefixed", "iri"):
            declared[name.text[:-1]] = _resolved(base, iri.text[1:-1])
        elif (word.text, name.kind) == ("BASE", "iri"):
            base = _resolved(base, name.text[1:-1])
    return declared


def _resolved(base: str, iri: str) -> str:
    """An IRI read against a base; with its fragment apart, since Python leaves out an empty one."""
    stem, mark, rest = iri.partition("#")
    return urljoin(base, stem) + mark + rest


def undeclared_prefix(query: str) -> Token | None:
    """The first prefixed name whose prefix no PREFIX line declares."""
    found = list(tokens(query))
    declared = {name.text for word, name in pairwise(found) if word.text == "PREFIX" and name.kind == "prefixed"}
    return next((t for t in found if t.kind == "prefixed" and t.text.partition(":")[0] + ":" not in declared), None)


def _unescape(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else found.group()
