"""Common mistakes in the structure of a query: assignments, repeated subjects, prologue and brackets.

Each function of STRUCTURE_MISTAKES returns its mistake, or None if the error is another.
"""

from collections.abc import Callable

from vaven.publisher.sparql.error_text import (
    PATHS,
    TERMS,
    VALUES,
    QueryMistake,
    is_mark,
    is_word,
    mistake_at,
    shorten,
    token_text,
)
from vaven.publisher.sparql.grammar import CLOSING, MARKS, SyntaxStop
from vaven.publisher.sparql.lexer import TOKEN, Token, position_text
from vaven.publisher.sparql.messages import query_message

# Kinds of tokens that a term begins with.
TERM_KINDS = ("variable", "iri", "prefixed", "blank_node", "string", "number")
OPENING = {closing: opening for opening, closing in CLOSING.items()}


# --- assignments and triples


def _assignment(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise BIND(?x = …) and BIND(?x := …) for a ?x that is not used before."""
    if "AS" not in syntax_stop.accepted or "RPAR" in syntax_stop.accepted or not syntax_stop.open_brackets:
        return None
    opening = syntax_stop.before.index(syntax_stop.open_brackets[-1])
    name, *rest = syntax_stop.before[opening + 1 :]
    if not is_word(syntax_stop.before[opening - 1], "BIND") or name.kind != "variable":
        return None
    if syntax_stop.token.text == ":" and syntax_stop.query.startswith("=", syntax_stop.token.end) and not rest:
        return mistake_at(syntax_stop, query_message("unnamed.assigned", value="…", name=name.text))
    is_used = any(token.text[1:] == name.text[1:] for token in syntax_stop.before[:opening] if token.kind == "variable")
    if not is_mark(syntax_stop.token, ")") or len(rest) < 2 or not is_mark(rest[0], "=") or is_used:
        return None
    return mistake_at(
        syntax_stop,
        query_message(
            "unnamed.assigned",
            value=shorten(syntax_stop.query[rest[1].start : syntax_stop.token.start]),
            name=name.text,
        ),
    )


def _repeated_subject(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise a complete triple after a comma or semicolon."""
    token, before = syntax_stop.token, syntax_stop.before
    if len(before) < 4 or not (syntax_stop.accepts("DOT", "SEMI") or is_word(token, "A")):
        return None
    is_last = not any(
        token.kind in TERM_KINDS or token.text in (*PATHS, "A", "[", "(") for token in syntax_stop.after[:1]
    )
    if is_mark(before[-2], ",") and (syntax_stop.terminal in TERMS or is_word(token, "A")) and not is_last:
        key = "again.comma" if _is_subject(syntax_stop, before[-1]) else "again.comma.or"
        return mistake_at(
            syntax_stop,
            query_message(key, previous=query_message("quoted", text=token_text(syntax_stop, syntax_stop.previous))),
        )
    subject = before[-1] if is_word(token, "A") else before[-2]
    semicolon = before[before.index(subject) - 1]
    goes_on = syntax_stop.terminal in TERMS | VALUES or is_word(token, "A") or is_mark(token, *PATHS)
    if not is_mark(semicolon, ";") or not goes_on:
        return None
    if _is_subject(syntax_stop, subject):
        return mistake_at(syntax_stop, query_message("again.semicolon", subject=subject.text))
    if subject.kind == "variable" and is_last and not is_mark(token, *PATHS):
        return mistake_at(syntax_stop, query_message("again.semicolon.other", subject=subject.text))
    return None


def _is_subject(syntax_stop: SyntaxStop, term: Token) -> bool:
    """Return whether the term is the subject of the triples it occurs in."""
    depth = 0
    for i in range(len(syntax_stop.before) - 2, -1, -1):
        token = syntax_stop.before[i]
        depth += is_mark(token, "]", ")") - is_mark(token, "[", "(")
        if depth <= 0 and is_mark(token, ".", "{", "}"):
            return syntax_stop.before[i + 1] != term and syntax_stop.before[i + 1].text == term.text
    return False


# --- prologue


def _turtle_syntax(syntax_stop: SyntaxStop) -> QueryMistake | None:
    """Recognise @prefix, and a full stop after its IRI."""
    if not syntax_stop.is_at_start:
        return None
    word = syntax_stop.token.text[1:].upper()
    if syntax_stop.token.kind == "language" and word in ("PREFIX", "BASE"):
        rest = " ".join(token.text for token in syntax_stop.after[: 2 if word == "PREFIX" else 1])
        return mistake_at(syntax_stop, query_message("turtle.remedy", line=f"{word} {shorten(rest)}"))
    if is_mark(syntax_stop.token, ".") and syntax_stop.before:
        return mistake_at(syntax_stop, query_message("turtle-stop.remedy"))
    return None


def _prefix(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if syntax_stop.accepted == {"IRIREF"}:
        return mistake_at(syntax_stop, query_message("prefix-address.remedy"))
    # The declaration without PREFIX.
    is_line = (
        syntax_stop.is_at_start
        and syntax_stop.token.text.endswith(":")
        and [token.kind for token in syntax_stop.after[:1]] == ["iri"]
    )
    if not is_word(syntax_stop.previous, "PREFIX") and not is_line:
        return None
    name = (
        syntax_stop.source(syntax_stop.token).partition(":")[0]
        if syntax_stop.token.kind in ("word", "prefixed")
        else ""
    )
    iri = next((token.text for token in syntax_stop.after[:2] if token.kind == "iri"), "<http://…>")
    return mistake_at(
        syntax_stop, query_message("prefix.remedy", name=name or query_message("prefix.name"), address=shorten(iri))
    )


def _no_query(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if syntax_stop.token.kind != "end" or not syntax_stop.is_at_start:
        return None
    message = (
        query_message("no-query.prefixes", place=position_text(syntax_stop.token))
        if syntax_stop.before
        else query_message("no-query")
    )
    return mistake_at(syntax_stop, query_message("no-query.remedy"), message)


# --- brackets


def _unclosed_bracket(syntax_stop: SyntaxStop) -> QueryMistake | None:
    if (
        syntax_stop.token.kind != "end"
        or not syntax_stop.open_brackets
        or MARKS[CLOSING[syntax_stop.open_brackets[-1].text]] not in syntax_stop.accepted
    ):
        return None
    opening = syntax_stop.open_brackets[-1]
    closing = CLOSING[opening.text]
    message = query_message(
        "unclosed", place=position_text(syntax_stop.token), mark=opening.text, opened=position_text(opening)
    )
    remedy = (
        query_message("unclosed.remedy.group") if closing == "}" else query_message("unclosed.remedy", mark=closing)
    )
    comments = [part for part in TOKEN.finditer(syntax_stop.query, opening.end) if part.lastgroup == "comment"]
    if closing_comments := [comment for comment in comments if closing in comment.group()]:
        line = syntax_stop.query.count("\n", 0, closing_comments[-1].start()) + 1
        remedy = query_message("unclosed.remedy.comment", mark=closing, line=line)
    return mistake_at(syntax_stop, remedy, message)


def _unmatched_closing_bracket(syntax_stop: SyntaxStop) -> QueryMistake | None:
    token = syntax_stop.token
    if not is_mark(token, *OPENING):
        return None
    if OPENING[token.text] not in [opening.text for opening in syntax_stop.open_brackets]:
        message = query_message("closes-nothing", mark=token.text, place=position_text(token))
        return mistake_at(syntax_stop, query_message("closes-nothing.remedy", mark=OPENING[token.text]), message)
    opening = syntax_stop.open_brackets[-1]
    closing = CLOSING[opening.text]
    if closing == token.text or MARKS[closing] not in syntax_stop.accepted:
        return None
    message = query_message(
        "still-open", shown=token.text, place=position_text(token), mark=opening.text, opened=position_text(opening)
    )
    return mistake_at(syntax_stop, query_message("still-open.remedy", mark=closing), message)


STRUCTURE_MISTAKES: tuple[Callable[[SyntaxStop], QueryMistake | None], ...] = (
    _assignment, _turtle_syntax, _prefix, _no_query, _unclosed_bracket, _unmatched_closing_bracket, _repeated_subject,
)  # fmt: skip
