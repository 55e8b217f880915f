"""Common mistakes in single tokens: strings, IRIs, escapes, comments, numbers, literals and variable names.

Each function of TOKEN_MISTAKES returns its mistake, or None if the error is another; the first result is used.
"""

import re
import unicodedata
from collections.abc import Callable

from vaven.publisher.sparql.error_text import (
    QueryMistake,
    is_mark,
    is_word,
    mistake_at,
    shorten,
    token_text,
)
from vaven.publisher.sparql.grammar import (
    INVALID_PERCENT,
    INVALID_SCHEME,
    KEYWORDS,
    SyntaxStop,
    invalid_escape,
)
from vaven.publisher.sparql.lexer import QUOTES, position_text
from vaven.publisher.sparql.messages import query_message

CURLY_QUOTE = re.compile("[“”„‟«»‘’‚]([^“”„‟«»‘’‚\n]*)")
ENTITY = re.compile("&(?:amp;)?(amp|lt|gt|quot|apos|#39|#34);")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "#39": "'", "#34": '"'}
BRACKETED = re.compile(r"<([^<>\n]*)>")
INVALID_IN_IRI = re.compile(r'[\x00-\x20"{}|^`]|\\(?!u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})')
# Without the punctuation that ends a sentence or a triple.
BARE_IRI = re.compile(r"""[^\s<>"{}|\\^`]*[^\s<>"{}|\\^`.,;()\]]""")
# Numbers as people write them: grouped thousands, and a decimal comma.
GROUPED = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?:,\d+)?(?![\w.])")
# Text without quotation marks before ^^, and bare dates.
UNQUOTED_LITERAL = re.compile(r"[\w.:+\-]+")
DATE = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?)?(?![\w\-])")
DATATYPES = {7: "xsd:gYearMonth", 10: "xsd:date"}
# Maximum number of characters searched backwards.
MAX_LOOKBACK = 40
COMMENTS = ("//", "--", "/*", "<!--")
FENCE = "```"


def _unclosed_string(syntax_stop: SyntaxStop) -> QueryMistake | None:
    token, before = syntax_stop.token, syntax_stop.previous
    if not is_mark(token, *QUOTES):
        return None
    # The lexer reads the first two of three quotation marks as an empty string.
    is_long = before.text == token.text * 2 and before.end == token.start
    at, mark = (before, token.text * 3) if is_long else (token, token.text)
    remedy = "text-unclosed.remedy.long" if is_long else "text-unclosed.remedy"
    return mistake_at(
        syntax_stop,
        query_message(remedy, mark=mark, long=token.text * 3),
        query_message("text-unclosed", place=position_text(at)),
        at,
    )


def _string_closed_too_early(syntax_stop: SyntaxStop) -> QueryMistake | None:
    before, token = syntax_stop.previous, syntax_stop.token
    if (
        before.kind != "string"
        or before.end != token.start
        or token.kind not in ("word", "prefixed", "variable", "number")
    ):
        return None
    return mistake_at(syntax_stop, query_message("text-early.remedy", mark=before.text[0]))


def _curly_quotes(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if not (match := CURLY_QUOTE.match(syntax_stop.query, syntax_stop.token.start)):
        return None
    text = shorten(match[1].replace('"', "'")) or "…"
    return mistake_at(
        syntax_stop,
        query_message("curly.remedy", text=text),
        query_message("curly", place=position_text(syntax_stop.token)),
    )


def _entity(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if not (match := ENTITY.match(syntax_stop.query, syntax_stop.token.start)):
        return None
    sign = ENTITIES[match[1]]
    message = query_message("entity", entity=match[0], place=position_text(syntax_stop.token), sign=sign)
    return mistake_at(syntax_stop, query_message("entity.remedy", entity=match[0], sign=sign), message)


def _invisible_character(syntax_stop: SyntaxStop) -> QueryMistake | None:
    number = token_text(syntax_stop, syntax_stop.token)
    if syntax_stop.token.kind != "mark" or not number.startswith("U+"):
        return None
    name = unicodedata.name(syntax_stop.token.text[:1], "").lower() or query_message("unseen.control")
    message = query_message("unseen", number=number, name=name, place=position_text(syntax_stop.token))
    return mistake_at(syntax_stop, query_message("unseen.remedy"), message)


def _wrong_escape(syntax_stop: SyntaxStop) -> QueryMistake | None:
    token = syntax_stop.token
    if token.kind != "string" or (offset := invalid_escape(token)) is None:
        return None
    breaks = token.text.count("\n", 0, offset)
    written = syntax_stop.decoded.written(token.start, token.start + offset)
    column = len(written) - written.rindex("\n") if breaks else token.column + len(written)
    at = token._replace(text=token.text[offset : offset + 2].rstrip(), line=token.line + breaks, column=column)
    remedy = "escape.remedy.number" if at.text[1:] in ("u", "U") else "escape.remedy"
    return mistake_at(
        syntax_stop,
        query_message(remedy, text=at.text),
        query_message("escape", text=at.text, place=position_text(at)),
        at,
    )


def _bare_iri(syntax_stop: SyntaxStop) -> QueryMistake | None:
    token = syntax_stop.token
    has_scheme = token.kind == "prefixed" and syntax_stop.query.startswith("//", token.end)
    is_short = is_word(token, "WWW") and syntax_stop.query.startswith(".", token.end)
    if not has_scheme and not is_short:
        return None
    match = BARE_IRI.match(syntax_stop.query, token.start)
    iri = "http://" * is_short + (match[0] if match else token.text)
    is_query = syntax_stop.is_at_start and match and not syntax_stop.query[match.end() :].strip()
    remedy = query_message("begin.describe" if is_query else "address-bare.remedy", address=f"<{iri}>")
    return mistake_at(syntax_stop, remedy, query_message("address-bare", place=position_text(token)))


# --- syntax of other languages


def _comment(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise a comment of another language, whose first character may be an operator to the grammar."""
    marks = [token for token in (*syntax_stop.before[-2:], syntax_stop.token) if is_mark(token, "/", "-", "<")]
    marked = [(token, mark) for token in marks for mark in COMMENTS if syntax_stop.query.startswith(mark, token.start)]
    if not marked:
        return None
    at, mark = marked[0]
    follows = syntax_stop.query[at.start + len(mark) : at.start + len(mark) + 1].strip()
    # ex:a//ex:b is a path with one mark too many, ex:a/* one with a wrong end.
    is_operator = at != syntax_stop.token and follows and not is_word(syntax_stop.token)
    if "*/" not in syntax_stop.query[at.end + 1 :] if mark == "/*" else is_operator:
        return None
    return mistake_at(
        syntax_stop,
        query_message("comment.remedy", mark=mark),
        query_message("comment", mark=mark, place=position_text(at)),
        at,
    )


def _fence(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if not is_mark(syntax_stop.token, "`") or not syntax_stop.query.startswith(FENCE, syntax_stop.token.start):
        return None
    return mistake_at(
        syntax_stop, query_message("fence.remedy"), query_message("fence", place=position_text(syntax_stop.token))
    )


# --- numbers, dates and languages


def _number(syntax_stop: SyntaxStop) -> QueryMistake | None:
    before, token = syntax_stop.previous, syntax_stop.token
    if before.kind != "number":
        return None
    is_in_list = bool(syntax_stop.open_brackets) and is_word(
        syntax_stop.before[syntax_stop.before.index(syntax_stop.open_brackets[-1]) - 1], "IN"
    )
    grouped = GROUPED.match(syntax_stop.query, before.start)
    if grouped and token.start < grouped.end() and not is_in_list:
        number = re.sub(r"[^\d,+-]", "", grouped[0]).replace(",", ".")
        return mistake_at(syntax_stop, query_message("number.remedy", number=number))
    is_modulo = bool(syntax_stop.after) and syntax_stop.after[0].kind in ("number", "variable")
    if syntax_stop.query[before.end : before.end + 3].lstrip().startswith("%") and not is_modulo:
        return mistake_at(syntax_stop, query_message("number.percent", number=before.text))
    next_one = syntax_stop.after[0] if is_mark(token, ",") and syntax_stop.after else token
    if next_one == token or not next_one.text.isdigit() or not before.text.lstrip("+-").isdigit():
        return None
    if is_word(syntax_stop.before[-2], "LIMIT"):
        return mistake_at(syntax_stop, query_message("number.limit", count=next_one.text, first=before.text))
    is_decimal_comma = (
        before.end == token.start and token.end == next_one.start and not is_mark(syntax_stop.before[-2], ",")
    )
    return (
        mistake_at(syntax_stop, query_message("number.comma", number=f"{before.text}.{next_one.text}"))
        if is_decimal_comma
        else None
    )


def _unquoted_literal(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise a date, or a literal before ^^, without quotation marks."""
    token, before = syntax_stop.token, syntax_stop.previous
    if before.kind == "string":
        return None
    back = max(before.start - MAX_LOOKBACK, 0)
    if is_mark(token, "^^"):
        datatype = (
            syntax_stop.after[0].text
            if syntax_stop.after and syntax_stop.after[0].kind in ("prefixed", "iri")
            else "xsd:…"
        )
        if before.kind == "variable":
            return mistake_at(syntax_stop, query_message("literal.variable", call=f"{datatype}({before.text})"))
        literal = next(
            (match for match in UNQUOTED_LITERAL.finditer(syntax_stop.query, back) if match.end() == token.start), None
        )
        return (
            mistake_at(syntax_stop, query_message("literal.quotes", literal=f'"{shorten(literal[0])}"^^{datatype}'))
            if literal
            else None
        )
    dates = (match for match in DATE.finditer(syntax_stop.query, back) if match.start() < token.start < match.end())
    if before.kind != "number" or not (date := next(dates, None)) or date.start() > before.start:
        return None
    datatype = DATATYPES.get(len(date[0]), "xsd:dateTime")
    return mistake_at(syntax_stop, query_message("literal.quotes", literal=f'"{date[0]}"^^{datatype}'))


def _language_without_string(syntax_stop: SyntaxStop) -> QueryMistake | None:
    token, before = syntax_stop.token, syntax_stop.previous
    if token.kind != "language":
        return None
    language = token.text[1:]
    if before.kind == "variable" and syntax_stop.accepted & {"SEMI", "ANDAND"}:
        return mistake_at(syntax_stop, query_message("language.variable", name=before.text, language=language))
    return (
        mistake_at(syntax_stop, query_message("language.text", language=language))
        if "FUNCTION_1" in syntax_stop.accepted
        else None
    )


def _invalid_iri(syntax_stop: SyntaxStop) -> QueryMistake | None:
    token = syntax_stop.token
    params = {"address": token_text(syntax_stop, token), "place": position_text(token)}
    if token.kind == "iri" and INVALID_PERCENT.search(token.text):
        return mistake_at(
            syntax_stop, query_message("address-percent.remedy"), query_message("address-percent", **params)
        )
    if token.kind == "iri" and INVALID_SCHEME.match(token.text):
        return mistake_at(
            syntax_stop, query_message("address-scheme.remedy"), query_message("address-scheme", **params)
        )
    if (
        not is_mark(token, "<")
        or "IRIREF" not in syntax_stop.accepted
        or syntax_stop.query[token.end : token.end + 1].strip() == ""
    ):
        return None
    bracketed = BRACKETED.match(syntax_stop.query, token.start)
    if not bracketed or not (character := INVALID_IN_IRI.search(bracketed[1])):
        return mistake_at(
            syntax_stop,
            query_message("address-unclosed.remedy"),
            query_message("address-unclosed", place=position_text(token)),
        )
    character_text = query_message("blank") if character[0] <= " " else query_message("quoted", text=character[0])
    message = query_message(
        "address-wrong", address=shorten(bracketed[0]), place=position_text(token), what=character_text
    )
    return mistake_at(syntax_stop, query_message("address-wrong.remedy", number=f"{ord(character[0]):02X}"), message)


def is_read_as_comparison(syntax_stop: SyntaxStop) -> bool:
    """Return whether `<` begins an IRI by the longest token, and a comparison in engines that read by context.

    `<>` is != in other languages, and a comparison nowhere.
    """
    is_misplaced = syntax_stop.accepts("COMPARE") and "IRIREF" not in syntax_stop.accepted
    return syntax_stop.token.kind == "iri" and syntax_stop.token.text != "<>" and is_misplaced


def _comparison_as_iri(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if not is_read_as_comparison(syntax_stop):
        return None
    params = {"address": token_text(syntax_stop, syntax_stop.token), "place": position_text(syntax_stop.token)}
    return mistake_at(
        syntax_stop,
        query_message("comparison.remedy", previous=token_text(syntax_stop, syntax_stop.previous)),
        query_message("comparison", **params),
    )


def _variable_name(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise `?area-name`, which is a variable, a minus and a word."""
    minus = next((token for token in (syntax_stop.token, syntax_stop.previous) if is_mark(token, "-")), None)
    if not minus:
        return None
    left = next((token for token in syntax_stop.before[::-1] if token.end == minus.start), None)
    right = next((token for token in (syntax_stop.token, *syntax_stop.after[:1]) if token.start == minus.end), None)
    if not left or not right or left.kind != "variable" or right.kind != "word":
        return None
    name = f"{left.text}_{syntax_stop.source(right)}"
    return mistake_at(syntax_stop, query_message("variable-name.remedy", name=name))


def _space_in_variable(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise a space between ? or $ and the name. The grammar may read ? as the end of a path."""
    word, mark = syntax_stop.token, syntax_stop.previous
    if is_mark(syntax_stop.token, "?", "$") and syntax_stop.after:
        word, mark = syntax_stop.after[0], syntax_stop.token
    elif len(syntax_stop.before) < 2 or syntax_stop.before[-2].end == mark.start:
        return None
    is_apart = is_mark(mark, "?", "$") and is_word(word) and word.start > mark.end
    if not is_apart or word.line != mark.line or word.text in KEYWORDS:
        return None
    return mistake_at(
        syntax_stop, query_message("variable-name.blank", name=f"{mark.text}{syntax_stop.source(word)}", mark=mark.text)
    )


TOKEN_MISTAKES: tuple[Callable[[SyntaxStop], QueryMistake | None], ...] = (
    _unclosed_string, _string_closed_too_early, _curly_quotes, _entity, _comment, _fence, _number, _unquoted_literal,
    _language_without_string, _invisible_character, _wrong_escape, _bare_iri, _comparison_as_iri, _invalid_iri,
    _variable_name, _space_in_variable,
)  # fmt: skip
