"""Slips of writing in a query: text that is no word of SPARQL, the lines before the query, and brackets.

Each function of SLIPS looks whether the fault is its own, and tells it; the first that does is right.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from vaven.publisher.sparql.error_text import (
    PATHS,
    TERMS,
    VALUES,
    QueryMistake,
    cut,
    is_mark,
    is_word,
    mistake_at,
    token_text,
)
from vaven.publisher.sparql.grammar import (
    CLOSING,
    KEYWORDS,
    MARKS,
    WRONG_PERCENT,
    WRONG_SCHEME,
    SyntaxStop,
    wrong_escape,
)
from vaven.publisher.sparql.lexer import QUOTES, TOKEN, Token, place
from vaven.publisher.sparql.messages import query_message

CURLY = re.compile("[“”„‟«»‘’‚]([^“”„‟«»‘’‚\n]*)")
ENTITY = re.compile("&(?:amp;)?(amp|lt|gt|quot|apos|#39|#34);")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "#39": "'", "#34": '"'}
BRACKETED = re.compile(r"<([^<>\n]*)>")
WRONG_IN_ADDRESS = re.compile(r'[\x00-\x20"{}|^`]|\\(?!u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})')
# Without the marks that end a sentence or a triple.
BARE_ADDRESS = re.compile(r"""[^\s<>"{}|\\^`]*[^\s<>"{}|\\^`.,;()\]]""")
# As people write them: thousands apart, and a decimal comma.
GROUPED = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?:,\d+)?(?![\w.])")
# What stands without quotation marks before ^^, and dates by themselves.
WRITTEN = re.compile(r"[\w.:+\-]+")
DATE = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?)?(?![\w\-])")
DATATYPES = {7: "xsd:gYearMonth", 10: "xsd:date"}
# The most characters that are looked back at.
BACK = 40
COMMENTS = ("//", "--", "/*", "<!--")
FENCE = "```"
# Tokens that a term begins with.
KINDS = ("variable", "iri", "prefixed", "blank_node", "string", "number")
OPENING = {closing: opening for opening, closing in CLOSING.items()}


def _unclosed_text(stop: SyntaxStop) -> QueryMistake | None:
    token, before = stop.token, stop.previous
    if not is_mark(token, *QUOTES):
        return None
    # Of three marks the first two are an empty text to the lexer.
    is_long = before.text == token.text * 2 and before.end == token.start
    at, mark = (before, token.text * 3) if is_long else (token, token.text)
    remedy = "text-unclosed.remedy.long" if is_long else "text-unclosed.remedy"
    return mistake_at(
        stop, query_message(remedy, mark=mark, long=token.text * 3), query_message("text-unclosed", place=place(at)), at
    )


def _text_closed_too_early(stop: SyntaxStop) -> QueryMistake | None:
    before, token = stop.previous, stop.token
    if (
        before.kind != "string"
        or before.end != token.start
        or token.kind not in ("word", "prefixed", "variable", "number")
    ):
        return None
    return mistake_at(stop, query_message("text-early.remedy", mark=before.text[0]))


def _curly_quotes(stop: SyntaxStop) -> QueryMistake | None:
    if not (found := CURLY.match(stop.query, stop.token.start)):
        return None
    text = cut(found[1].replace('"', "'")) or "…"
    return mistake_at(stop, query_message("curly.remedy", text=text), query_message("curly", place=place(stop.token)))


def _entity(stop: SyntaxStop) -> QueryMistake | None:
    if not (found := ENTITY.match(stop.query, stop.token.start)):
        return None
    sign = ENTITIES[found[1]]
    message = query_message("entity", entity=found[0], place=place(stop.token), sign=sign)
    return mistake_at(stop, query_message("entity.remedy", entity=found[0], sign=sign), message)


def _unseen(stop: SyntaxStop) -> QueryMistake | None:
    number = token_text(stop, stop.token)
    if stop.token.kind != "mark" or not number.startswith("U+"):
        return None
    name = unicodedata.name(stop.token.text[:1], "").lower() or query_message("unseen.control")
    message = query_message("unseen", number=number, name=name, place=place(stop.token))
    return mistake_at(stop, query_message("unseen.remedy"), message)


def _wrong_escape(stop: SyntaxStop) -> QueryMistake | None:
    token = stop.token
    if token.kind != "string" or (offset := wrong_escape(token)) is None:
        return None
    breaks = token.text.count("\n", 0, offset)
    column = offset - token.text.rindex("\n", 0, offset) if breaks else token.column + offset
    at = replace(token, text=token.text[offset : offset + 2].rstrip(), line=token.line + breaks, column=column)
    remedy = "escape.remedy.number" if at.text[1:] in ("u", "U") else "escape.remedy"
    return mistake_at(
        stop, query_message(remedy, text=at.text), query_message("escape", text=at.text, place=place(at)), at
    )


def _bare_address(stop: SyntaxStop) -> QueryMistake | None:
    token = stop.token
    has_scheme = token.kind == "prefixed" and stop.query.startswith("//", token.end)
    is_short = is_word(token, "WWW") and stop.query.startswith(".", token.end)
    if not has_scheme and not is_short:
        return None
    found = BARE_ADDRESS.match(stop.query, token.start)
    address = "http://" * is_short + (found[0] if found else token.text)
    is_query = stop.begins and found and not stop.query[found.end() :].strip()
    remedy = query_message("begin.describe" if is_query else "address-bare.remedy", address=f"<{address}>")
    return mistake_at(stop, remedy, query_message("address-bare", place=place(token)))


# --- what other languages have


def _comment(stop: SyntaxStop) -> QueryMistake | None:
    """The first of its marks may be an operator to the grammar."""
    marks = [token for token in (*stop.before[-2:], stop.token) if is_mark(token, "/", "-", "<")]
    found = [(token, mark) for token in marks for mark in COMMENTS if stop.query.startswith(mark, token.start)]
    if not found:
        return None
    at, mark = found[0]
    follows = stop.query[at.start + len(mark) : at.start + len(mark) + 1].strip()
    # ex:a//ex:b is a path with one mark too many, ex:a/* one with a wrong end.
    is_operator = at != stop.token and follows and not is_word(stop.token)
    if "*/" not in stop.query[at.end + 1 :] if mark == "/*" else is_operator:
        return None
    return mistake_at(
        stop, query_message("comment.remedy", mark=mark), query_message("comment", mark=mark, place=place(at)), at
    )


def _fence(stop: SyntaxStop) -> QueryMistake | None:
    if not is_mark(stop.token, "`") or not stop.query.startswith(FENCE, stop.token.start):
        return None
    return mistake_at(stop, query_message("fence.remedy"), query_message("fence", place=place(stop.token)))


# --- numbers, dates and languages


def _number(stop: SyntaxStop) -> QueryMistake | None:
    before, token = stop.previous, stop.token
    if before.kind != "number":
        return None
    is_in_list = bool(stop.open) and is_word(stop.before[stop.before.index(stop.open[-1]) - 1], "IN")
    grouped = GROUPED.match(stop.query, before.start)
    if grouped and token.start < grouped.end() and not is_in_list:
        number = re.sub(r"[^\d,+-]", "", grouped[0]).replace(",", ".")
        return mistake_at(stop, query_message("number.remedy", number=number))
    is_modulo = bool(stop.after) and stop.after[0].kind in ("number", "variable")
    if stop.query[before.end : before.end + 3].lstrip().startswith("%") and not is_modulo:
        return mistake_at(stop, query_message("number.percent", number=before.text))
    next_one = stop.after[0] if is_mark(token, ",") and stop.after else token
    if next_one == token or not next_one.text.isdigit() or not before.text.lstrip("+-").isdigit():
        return None
    if is_word(stop.before[-2], "LIMIT"):
        return mistake_at(stop, query_message("number.limit", count=next_one.text, first=before.text))
    is_one = before.end == token.start and token.end == next_one.start and not is_mark(stop.before[-2], ",")
    return mistake_at(stop, query_message("number.comma", number=f"{before.text}.{next_one.text}")) if is_one else None


def _unquoted(stop: SyntaxStop) -> QueryMistake | None:
    """A date, or what stands before ^^, without quotation marks."""
    token, before = stop.token, stop.previous
    if before.kind == "string":
        return None
    back = max(before.start - BACK, 0)
    if is_mark(token, "^^"):
        datatype = stop.after[0].text if stop.after and stop.after[0].kind in ("prefixed", "iri") else "xsd:…"
        if before.kind == "variable":
            return mistake_at(stop, query_message("literal.variable", call=f"{datatype}({before.text})"))
        written = next((found for found in WRITTEN.finditer(stop.query, back) if found.end() == token.start), None)
        return (
            mistake_at(stop, query_message("literal.quotes", literal=f'"{cut(written[0])}"^^{datatype}'))
            if written
            else None
        )
    dates = (found for found in DATE.finditer(stop.query, back) if found.start() < token.start < found.end())
    if before.kind != "number" or not (date := next(dates, None)) or date.start() > before.start:
        return None
    datatype = DATATYPES.get(len(date[0]), "xsd:dateTime")
    return mistake_at(stop, query_message("literal.quotes", literal=f'"{date[0]}"^^{datatype}'))


def _language(stop: SyntaxStop) -> QueryMistake | None:
    token, before = stop.token, stop.previous
    if token.kind != "language":
        return None
    language = token.text[1:]
    if before.kind == "variable" and stop.accepted & {"SEMI", "ANDAND"}:
        return mistake_at(stop, query_message("language.variable", name=before.text, language=language))
    return (
        mistake_at(stop, query_message("language.text", language=language)) if "FUNCTION_1" in stop.accepted else None
    )


def _wrong_address(stop: SyntaxStop) -> QueryMistake | None:
    token = stop.token
    faulty = {"address": token_text(stop, token), "place": place(token)}
    if token.kind == "iri" and WRONG_PERCENT.search(token.text):
        return mistake_at(stop, query_message("address-percent.remedy"), query_message("address-percent", **faulty))
    if token.kind == "iri" and WRONG_SCHEME.match(token.text):
        return mistake_at(stop, query_message("address-scheme.remedy"), query_message("address-scheme", **faulty))
    if not is_mark(token, "<") or "IRIREF" not in stop.accepted or stop.query[token.end : token.end + 1].strip() == "":
        return None
    whole = BRACKETED.match(stop.query, token.start)
    if not whole or not (wrong := WRONG_IN_ADDRESS.search(whole[1])):
        return mistake_at(
            stop, query_message("address-unclosed.remedy"), query_message("address-unclosed", place=place(token))
        )
    what = query_message("blank") if wrong[0] <= " " else query_message("quoted", text=wrong[0])
    message = query_message("address-wrong", address=cut(whole[0]), place=place(token), what=what)
    return mistake_at(stop, query_message("address-wrong.remedy", number=f"{ord(wrong[0]):02X}"), message)


def _variable_name(stop: SyntaxStop) -> QueryMistake | None:
    """?area-name is a variable, a minus and a word."""
    dash = next((token for token in (stop.token, stop.previous) if is_mark(token, "-")), None)
    if not dash:
        return None
    left = next((token for token in stop.before[::-1] if token.end == dash.start), None)
    right = next((token for token in (stop.token, *stop.after[:1]) if token.start == dash.end), None)
    if not left or not right or left.kind != "variable" or right.kind != "word":
        return None
    name = f"{left.text}_{stop.source(right)}"
    return mistake_at(stop, query_message("variable-name.remedy", name=name))


def _blank_in_variable(stop: SyntaxStop) -> QueryMistake | None:
    """A mark, a blank and a name. ? may be read as the end of a path."""
    word, mark = stop.token, stop.previous
    if is_mark(stop.token, "?", "$") and stop.after:
        word, mark = stop.after[0], stop.token
    elif len(stop.before) < 2 or stop.before[-2].end == mark.start:
        return None
    is_apart = is_mark(mark, "?", "$") and is_word(word) and word.start > mark.end
    if not is_apart or word.line != mark.line or word.text in KEYWORDS:
        return None
    return mistake_at(
        stop, query_message("variable-name.blank", name=f"{mark.text}{stop.source(word)}", mark=mark.text)
    )


# --- equations and triples


def _assigned(stop: SyntaxStop) -> QueryMistake | None:
    """BIND(?x = …) and BIND(?x := …), where ?x stands nowhere before."""
    if "AS" not in stop.accepted or "RPAR" in stop.accepted or not stop.open:
        return None
    opening = stop.before.index(stop.open[-1])
    name, *rest = stop.before[opening + 1 :]
    if not is_word(stop.before[opening - 1], "BIND") or name.kind != "variable":
        return None
    if stop.token.text == ":" and stop.query.startswith("=", stop.token.end) and not rest:
        return mistake_at(stop, query_message("unnamed.assigned", value="…", name=name.text))
    is_used = any(token.text[1:] == name.text[1:] for token in stop.before[:opening] if token.kind == "variable")
    if not is_mark(stop.token, ")") or len(rest) < 2 or not is_mark(rest[0], "=") or is_used:
        return None
    return mistake_at(
        stop, query_message("unnamed.assigned", value=cut(stop.query[rest[1].start : stop.token.start]), name=name.text)
    )


def _subject_again(stop: SyntaxStop) -> QueryMistake | None:
    """A whole triple behind a comma or semicolon."""
    token, before = stop.token, stop.before
    if len(before) < 4 or not (stop.takes("DOT", "SEMI") or is_word(token, "A")):
        return None
    is_last = not any(token.kind in KINDS or token.text in (*PATHS, "A", "[", "(") for token in stop.after[:1])
    if is_mark(before[-2], ",") and (stop.terminal in TERMS or is_word(token, "A")) and not is_last:
        key = "again.comma" if _is_subject(stop, before[-1]) else "again.comma.or"
        return mistake_at(
            stop, query_message(key, previous=query_message("quoted", text=token_text(stop, stop.previous)))
        )
    subject = before[-1] if is_word(token, "A") else before[-2]
    semicolon = before[before.index(subject) - 1]
    goes_on = stop.terminal in TERMS | VALUES or is_word(token, "A") or is_mark(token, *PATHS)
    if not is_mark(semicolon, ";") or not goes_on:
        return None
    if _is_subject(stop, subject):
        return mistake_at(stop, query_message("again.semicolon", subject=subject.text))
    if subject.kind == "variable" and is_last and not is_mark(token, *PATHS):
        return mistake_at(stop, query_message("again.semicolon.other", subject=subject.text))
    return None


def _is_subject(stop: SyntaxStop, term: Token) -> bool:
    """Whether a term is the subject of the triples that it stands in."""
    depth = 0
    for i in range(len(stop.before) - 2, -1, -1):
        token = stop.before[i]
        depth += is_mark(token, "]", ")") - is_mark(token, "[", "(")
        if depth <= 0 and is_mark(token, ".", "{", "}"):
            return stop.before[i + 1] != term and stop.before[i + 1].text == term.text
    return False


# --- the lines before the query


def _turtle(stop: SyntaxStop) -> QueryMistake | None:
    """@prefix, and a full stop after an address."""
    if not stop.begins:
        return None
    word = stop.token.text[1:].upper()
    if stop.token.kind == "language" and word in ("PREFIX", "BASE"):
        written = " ".join(token.text for token in stop.after[: 2 if word == "PREFIX" else 1])
        return mistake_at(stop, query_message("turtle.remedy", line=f"{word} {cut(written)}"))
    if is_mark(stop.token, ".") and stop.before:
        return mistake_at(stop, query_message("turtle-stop.remedy"))
    return None


def _prefix(stop: SyntaxStop) -> QueryMistake | None:
    if stop.accepted == {"IRIREF"}:
        return mistake_at(stop, query_message("prefix-address.remedy"))
    # The line without its word.
    is_line = stop.begins and stop.token.text.endswith(":") and [token.kind for token in stop.after[:1]] == ["iri"]
    if not is_word(stop.previous, "PREFIX") and not is_line:
        return None
    name = stop.source(stop.token).partition(":")[0] if stop.token.kind in ("word", "prefixed") else ""
    address = next((token.text for token in stop.after[:2] if token.kind == "iri"), "<http://…>")
    return mistake_at(
        stop, query_message("prefix.remedy", name=name or query_message("prefix.name"), address=cut(address))
    )


def _no_query(stop: SyntaxStop) -> QueryMistake | None:
    if stop.token.kind != "end" or not stop.begins:
        return None
    message = query_message("no-query.prefixes", place=place(stop.token)) if stop.before else query_message("no-query")
    return mistake_at(stop, query_message("no-query.remedy"), message)


# --- brackets


def _never_closed(stop: SyntaxStop) -> QueryMistake | None:
    if stop.token.kind != "end" or not stop.open or MARKS[CLOSING[stop.open[-1].text]] not in stop.accepted:
        return None
    opening = stop.open[-1]
    closing = CLOSING[opening.text]
    message = query_message("unclosed", place=place(stop.token), mark=opening.text, opened=place(opening))
    remedy = (
        query_message("unclosed.remedy.group") if closing == "}" else query_message("unclosed.remedy", mark=closing)
    )
    found = [part for part in TOKEN.finditer(stop.query, opening.end) if part.lastgroup == "comment"]
    if comments := [comment for comment in found if closing in comment.group()]:
        line = stop.query.count("\n", 0, comments[-1].start()) + 1
        remedy = query_message("unclosed.remedy.comment", mark=closing, line=line)
    return mistake_at(stop, remedy, message)


def _closes_nothing(stop: SyntaxStop) -> QueryMistake | None:
    token = stop.token
    if not is_mark(token, *OPENING):
        return None
    if OPENING[token.text] not in [opening.text for opening in stop.open]:
        message = query_message("closes-nothing", mark=token.text, place=place(token))
        return mistake_at(stop, query_message("closes-nothing.remedy", mark=OPENING[token.text]), message)
    opening = stop.open[-1]
    closing = CLOSING[opening.text]
    if closing == token.text or MARKS[closing] not in stop.accepted:
        return None
    message = query_message(
        "still-open", shown=token.text, place=place(token), mark=opening.text, opened=place(opening)
    )
    return mistake_at(stop, query_message("still-open.remedy", mark=closing), message)


SLIPS: tuple[Callable[[SyntaxStop], QueryMistake | None], ...] = (
    _unclosed_text, _text_closed_too_early, _curly_quotes, _entity, _comment, _fence, _number, _unquoted, _language,
    _unseen, _wrong_escape, _bare_address, _wrong_address, _variable_name, _blank_in_variable, _assigned,
    _turtle, _prefix, _no_query, _never_closed, _closes_nothing, _subject_again,
)  # fmt: skip
