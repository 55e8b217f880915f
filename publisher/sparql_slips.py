"""Slips of writing in a query: text that is no word of SPARQL, the lines before the query, and brackets.

Each function of SLIPS looks whether the fault is its own, and tells it; the first that does is right.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from vaven.publisher.sparql_grammar import CLOSING, MARKS, WRONG_PERCENT, WRONG_SCHEME, Stop, wrong_escape
from vaven.publisher.sparql_lexer import QUOTES, TOKEN
from vaven.publisher.sparql_wording import Fault, cut, is_mark, is_word, place, shown, told

CURLY = re.compile("[“”„‟«»‘’‚]([^“”„‟«»‘’‚\n]*)")
ENTITY = re.compile("&(?:amp;)?(amp|lt|gt|quot|apos|#39|#34);")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "#39": "'", "#34": '"'}
BRACKETED = re.compile(r"<([^<>\n]*)>")
WRONG_IN_ADDRESS = re.compile(r'[\x00-\x20"{}|^`]|\\(?!u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})')
# Without the marks that end a sentence or a triple.
BARE_ADDRESS = re.compile(r"""[^\s<>"{}|\\^`]*[^\s<>"{}|\\^`.,;()\]]""")
OPENING = {closing: opening for opening, closing in CLOSING.items()}


def _unclosed_text(stop: Stop) -> Fault | None:
    token, before = stop.token, stop.previous
    if not is_mark(token, *QUOTES):
        return None
    # Of three marks the first two are an empty text to the lexer.
    is_long = before.text == token.text * 2 and before.end == token.start
    at, mark = (before, token.text * 3) if is_long else (token, token.text)
    message = f"The text that opens at {place(at)} has no closing quotation mark."
    remedy = f"Put {mark} at its end."
    if not is_long:
        remedy += f" A text of several lines stands between {token.text * 3} and {token.text * 3}."
    return told(stop, remedy, message, at)


def _text_closed_too_early(stop: Stop) -> Fault | None:
    before, token = stop.previous, stop.token
    if (
        before.kind != "string"
        or before.end != token.start
        or token.kind not in ("word", "prefixed", "variable", "number")
    ):
        return None
    return told(stop, f"Has the text ended too early? A {before.text[0]} inside of it is written \\{before.text[0]}.")


def _curly_quotes(stop: Stop) -> Fault | None:
    if not (found := CURLY.match(stop.query, stop.token.start)):
        return None
    text = cut(found[1].replace('"', "'")) or "…"
    return told(stop, f'Write straight ones: "{text}".', f"A curly quotation mark stands at {place(stop.token)}.")


def _entity(stop: Stop) -> Fault | None:
    if not (found := ENTITY.match(stop.query, stop.token.start)):
        return None
    sign = ENTITIES[found[1]]
    message = f"“{found[0]}” at {place(stop.token)} is how HTML writes “{sign}”."
    return told(stop, f"Write {sign} for {found[0]}, everywhere in the query.", message)


def _unseen(stop: Stop) -> Fault | None:
    number = shown(stop, stop.token)
    if stop.token.kind != "mark" or not number.startswith("U+"):
        return None
    name = unicodedata.name(stop.token.text[:1], "a control character").lower()
    message = f"A character that can't be seen, {number} ({name}), stands at {place(stop.token)}."
    return told(stop, "Put an ordinary blank in its place, or take it away.", message)


def _wrong_escape(stop: Stop) -> Fault | None:
    token = stop.token
    if token.kind != "string" or (offset := wrong_escape(token)) is None:
        return None
    breaks = token.text.count("\n", 0, offset)
    column = offset - token.text.rindex("\n", 0, offset) if breaks else token.column + offset
    at = replace(token, text=token.text[offset : offset + 2].rstrip(), line=token.line + breaks, column=column)
    message = f"“{at.text}” at {place(at)} means nothing in a text."
    remedy = f"Write \\{at.text}: a backslash in a text is written as two."
    if at.text[1:] in ("u", "U"):
        remedy = "The number of a character stands after it: four hexadecimal digits after \\u, eight after \\U."
    return told(stop, remedy, message, at)


def _bare_address(stop: Stop) -> Fault | None:
    token = stop.token
    if token.kind != "prefixed" or not stop.query.startswith("//", token.end):
        return None
    found = BARE_ADDRESS.match(stop.query, token.start)
    message = f"An address stands at {place(token)} without its brackets."
    return told(stop, f"Put it in angle brackets: <{found[0] if found else token.text}>.", message)


def _wrong_address(stop: Stop) -> Fault | None:
    token = stop.token
    if token.kind == "iri" and WRONG_PERCENT.search(token.text):
        message = (
            f"“{shown(stop, token)}” at {place(token)} is no address: two hexadecimal digits belong after its “%”."
        )
        return told(stop, "Write %25 for the sign “%” itself.", message)
    if token.kind == "iri" and WRONG_SCHEME.match(token.text):
        message = f"“{shown(stop, token)}” at {place(token)} is no address: what stands before its “:” is no scheme."
        return told(stop, "Begin it with a scheme such as http: or https:.", message)
    if not is_mark(token, "<") or "IRIREF" not in stop.accepted or stop.query[token.end : token.end + 1].strip() == "":
        return None
    whole = BRACKETED.match(stop.query, token.start)
    if not whole or not (wrong := WRONG_IN_ADDRESS.search(whole[1])):
        return told(stop, "Put “>” where it ends.", f"The address that opens at {place(token)} is never closed.")
    what = "a blank" if wrong[0] <= " " else f"“{wrong[0]}”"
    message = f"“{cut(whole[0])}” at {place(token)} is no address: there is {what} in it."
    return told(stop, f"Take it out of <…>, or write %{ord(wrong[0]):02X} for it.", message)


def _variable_name(stop: Stop) -> Fault | None:
    """?area-name is a variable, a minus and a word."""
    dash = next((token for token in (stop.token, stop.previous) if is_mark(token, "-")), None)
    if not dash:
        return None
    left = next((token for token in stop.before[::-1] if token.end == dash.start), None)
    right = next((token for token in (stop.token, *stop.after[:1]) if token.start == dash.end), None)
    if not left or not right or left.kind != "variable" or right.kind != "word":
        return None
    name = f"{left.text}_{stop.source(right)}"
    return told(stop, f"The name of a variable has letters, digits and “_” alone: write {name}.")


# --- the lines before the query


def _turtle(stop: Stop) -> Fault | None:
    """@prefix, and a full stop after an address."""
    if not stop.accepted.issuperset(("PREFIX", "SELECT")):
        return None
    word = stop.token.text[1:].upper()
    if stop.token.kind == "language" and word in ("PREFIX", "BASE"):
        written = " ".join(token.text for token in stop.after[: 2 if word == "PREFIX" else 1])
        return told(stop, f"Write {word} {cut(written)}, without “@” and without “.” at its end.")
    if is_mark(stop.token, ".") and stop.before:
        return told(stop, "Take it away: in SPARQL a PREFIX line ends without “.”.")
    return None


def _prefix(stop: Stop) -> Fault | None:
    if stop.accepted == {"IRIREF"}:
        return told(stop, "An address in angle brackets belongs here: <http://…>.")
    if not is_word(stop.previous, "PREFIX"):
        return None
    name = stop.source(stop.token).partition(":")[0] if stop.token.kind in ("word", "prefixed") else ""
    address = next((token.text for token in stop.after[:2] if token.kind == "iri"), "<http://…>")
    return told(stop, f"Write PREFIX {name or 'name'}: {cut(address)}, with the colon right after the prefix.")


def _no_query(stop: Stop) -> Fault | None:
    if stop.token.kind != "end" or not stop.accepted.issuperset(("PREFIX", "SELECT")):
        return None
    message = f"The query itself is missing, after the PREFIX lines at {place(stop.token)}."
    return told(
        stop, "Add one, as SELECT * WHERE { ?s ?p ?o } LIMIT 10.", message if stop.before else "There is no query."
    )


# --- brackets


def _never_closed(stop: Stop) -> Fault | None:
    if stop.token.kind != "end" or not stop.open or MARKS[CLOSING[stop.open[-1].text]] not in stop.accepted:
        return None
    opening = stop.open[-1]
    closing = CLOSING[opening.text]
    message = f"The query ends at {place(stop.token)}, but the “{opening.text}” of {place(opening)} is never closed."
    remedy = f"Put “{closing}” where what it holds ends."
    found = [part for part in TOKEN.finditer(stop.query, opening.end) if part.lastgroup == "comment"]
    if comments := [comment for comment in found if closing in comment.group()]:
        line = stop.query.count("\n", 0, comments[-1].start()) + 1
        remedy += f" The one of line {line} is in a comment, as all is after “#”."
    return told(stop, remedy, message)


def _closes_nothing(stop: Stop) -> Fault | None:
    token = stop.token
    if not is_mark(token, *OPENING):
        return None
    if OPENING[token.text] not in [opening.text for opening in stop.open]:
        message = f"The “{token.text}” of {place(token)} closes nothing."
        return told(stop, f"Take it away, or put a “{OPENING[token.text]}” where it shall begin.", message)
    opening = stop.open[-1]
    closing = CLOSING[opening.text]
    if closing == token.text or MARKS[closing] not in stop.accepted:
        return None
    message = f"“{token.text}” can't stand at {place(token)}: the “{opening.text}” of {place(opening)} is still open."
    return told(stop, f"Put “{closing}” before it.", message)


SLIPS: tuple[Callable[[Stop], Fault | None], ...] = (
    _unclosed_text, _text_closed_too_early, _curly_quotes, _entity, _unseen, _wrong_escape, _bare_address,
    _wrong_address, _variable_name, _turtle, _prefix, _no_query, _never_closed, _closes_nothing,
)  # fmt: skip
