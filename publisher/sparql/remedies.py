"""Remedies for unexpected tokens, when no common mistake is recognised.

Each function of REMEDIES returns a remedy, or None if the error is another.
"""

from collections.abc import Callable
from difflib import get_close_matches

from vaven.publisher.sparql.error_text import (
    AFTER,
    INSTEAD,
    OPERATOR_SPELLINGS,
    PATHS,
    TERMS,
    VALUES,
    is_mark,
    is_word,
    join_with_or,
    shorten,
    token_text,
)
from vaven.publisher.sparql.grammar import AGGREGATES, END, FUNCTIONS, KEYWORDS, UNKNOWN, SyntaxStop
from vaven.publisher.sparql.lexer import position_text
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.messages import Message

MODIFIERS = ("GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET")
PATTERNS = ("OPTIONAL", "FILTER", "BIND", "VALUES", "MINUS", "GRAPH", "UNION")
PATH_QUANTIFIERS = ("*", "+", "?")


def _quote_previous(syntax_stop: SyntaxStop) -> Message:
    return query_message("quoted", text=token_text(syntax_stop, syntax_stop.previous))


# --- columns, functions and operators


def _wrong_column(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise text between SELECT and WHERE that is not a column."""
    token = syntax_stop.token
    if is_word(token, "DISTINCT", "REDUCED") and syntax_stop.accepts("FROM", "WHERE"):
        return query_message("column.distinct", word=token.text)
    is_among_columns = syntax_stop.accepts("VAR", "LPAR") and syntax_stop.accepted & {"STAR", "WHERE"}
    if not is_among_columns or syntax_stop.accepted & {"STRING", "COUNT", "A"}:
        return None
    if is_mark(token, ",", ".", ";"):
        return query_message("column.comma")
    if is_word(token, "AS"):
        name = syntax_stop.after[0].text if syntax_stop.after and syntax_stop.after[0].kind == "variable" else "?name"
        return query_message("column.as", column=f"({syntax_stop.source(syntax_stop.previous)} AS {name})")
    return (
        query_message("column.unnamed", column=_as_column(syntax_stop))
        if syntax_stop.terminal in FUNCTIONS.values()
        else None
    )


def _as_column(syntax_stop: SyntaxStop) -> str:
    """Return a call as written, with its name if one follows, in parentheses."""
    depth, name = 0, "?n"
    called = [token for token in syntax_stop.after[:2] if is_word(token, "DISTINCT") or token.kind == "variable"]
    if called and called[-1].kind == "variable":
        return f"({syntax_stop.source(syntax_stop.token)}({' '.join(token.text for token in called)}) AS {name})"
    for i, token in enumerate(syntax_stop.after):
        depth += is_mark(token, "(") - is_mark(token, ")")
        if not depth and i:
            words = syntax_stop.after[i + 1 : i + 3]
            if len(words) == 2 and is_word(words[0], "AS") and words[1].kind == "variable":
                name = words[1].text
            return f"({shorten(syntax_stop.query[syntax_stop.token.start : token.end])} AS {name})"
    return f"({syntax_stop.source(syntax_stop.token)}(…) AS {name})"


def _missing_name(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise an expression without AS, closed or followed by its name."""
    if "AS" not in syntax_stop.accepted or "RPAR" in syntax_stop.accepted:
        return None
    if syntax_stop.token.kind == "variable":
        return query_message("unnamed.as", name=syntax_stop.token.text)
    if not is_mark(syntax_stop.token, ")"):
        return None
    opening = syntax_stop.before.index(syntax_stop.open_brackets[-1])
    inside = shorten(syntax_stop.query[syntax_stop.open_brackets[-1].end : syntax_stop.token.start])
    if is_word(syntax_stop.before[opening - 1], "BIND"):
        return query_message("unnamed.bind", inside=inside)
    if syntax_stop.previous.kind == "variable" and opening == len(syntax_stop.before) - 2:
        return query_message("unnamed.variable", inside=inside)
    return query_message("unnamed.column", inside=inside)


def _foreign_operator(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise an operator in the spelling of another language."""
    sign = OPERATOR_SPELLINGS.get(syntax_stop.token.text) if syntax_stop.token.kind in ("mark", "word", "iri") else None
    if not sign or not syntax_stop.accepted & {"ANDAND", "COMPARE"}:
        return None
    return query_message("spelled", sign=sign, written=syntax_stop.source(syntax_stop.token))


def _unknown_word(syntax_stop: SyntaxStop) -> Message | None:
    if not is_word(syntax_stop.token) or syntax_stop.terminal != UNKNOWN:
        return None
    word = shorten(syntax_stop.source(syntax_stop.token))
    if "A" in (syntax_stop.accepted & {syntax_stop.token.text}):
        return query_message("small-letters", word=word.lower())
    if (instead := INSTEAD.get(syntax_stop.token.text)) is not None and not syntax_stop.is_at_start:
        return query_message("instead" if instead else f"instead.{syntax_stop.token.text}", word=word, instead=instead)
    fitting = [text for text in KEYWORDS if text in syntax_stop.accepted]
    fitting += [text for text, terminal in FUNCTIONS.items() if terminal in syntax_stop.accepted]
    close = get_close_matches(syntax_stop.token.text[:40], sorted(fitting), n=1, cutoff=0.7)
    return query_message("meant", word=close[0]) if close else None


def _in_aggregate(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise SUM(*), and DISTINCT that is not first in the parentheses."""
    opening = syntax_stop.before.index(syntax_stop.open_brackets[-1]) if syntax_stop.open_brackets else 0
    function = syntax_stop.before[opening - 1] if opening else syntax_stop.previous
    if is_word(syntax_stop.token, "DISTINCT") and syntax_stop.accepted == {"LPAR"}:
        function, inside = syntax_stop.previous, syntax_stop.after[0].text if syntax_stop.after else "…"
    else:
        inside = (
            shorten(syntax_stop.query[syntax_stop.open_brackets[-1].end : syntax_stop.previous.end])
            if syntax_stop.open_brackets
            else ""
        )
    if not is_word(function) or FUNCTIONS.get(function.text) not in AGGREGATES:
        return None
    if is_word(syntax_stop.token, "DISTINCT") and inside:
        return query_message("aggregate.distinct", call=f"{syntax_stop.source(function)}(DISTINCT {inside})")
    if is_mark(syntax_stop.token, "*") and (
        is_mark(syntax_stop.previous, "(") or is_word(syntax_stop.previous, "DISTINCT")
    ):
        return query_message("aggregate.star", function=syntax_stop.source(function))
    return None


def _arguments(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise too few or too many arguments of the function with the innermost open bracket."""
    if (
        not is_mark(syntax_stop.token, ",", ")")
        or not syntax_stop.open_brackets
        or not is_mark(syntax_stop.open_brackets[-1], "(")
    ):
        return None
    function = syntax_stop.before[syntax_stop.before.index(syntax_stop.open_brackets[-1]) - 1]
    terminal = FUNCTIONS.get(function.text, "") if is_word(function) else None
    if terminal == "GROUP_CONCAT" and is_mark(syntax_stop.token, ","):
        return query_message("separator")
    is_counted = syntax_stop.accepted & {"COMMA", "RPAR"} or syntax_stop.previous == syntax_stop.open_brackets[-1]
    return (
        query_message(f"arguments.{terminal}", function=syntax_stop.source(function))
        if terminal and is_counted
        else None
    )


def _missing_comma(syntax_stop: SyntaxStop) -> Message | None:
    is_value = syntax_stop.terminal in TERMS | VALUES or syntax_stop.terminal in FUNCTIONS.values()
    return (
        query_message("comma", previous=_quote_previous(syntax_stop))
        if is_value and syntax_stop.accepts("COMMA", "ANDAND")
        else None
    )


def _two_operands(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise two adjacent operands: an unclosed bracket or a missing operator."""
    if not syntax_stop.accepts("RPAR", "ANDAND") or syntax_stop.terminal not in TERMS | VALUES | {"AS"}:
        return None
    return query_message(
        "two-operands", previous=_quote_previous(syntax_stop), opened=position_text(syntax_stop.open_brackets[-1])
    )


# --- clauses


def _misplaced_modifier(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise a misplaced GROUP BY, LIMIT etc.: inside WHERE, before it, repeated, or out of order."""
    word = syntax_stop.token.text
    if not is_word(syntax_stop.token, *MODIFIERS):
        return None
    if syntax_stop.accepts("OPTIONAL", "RBRACE"):
        return query_message("modifier.inside", opened=position_text(syntax_stop.open_brackets[-1]))
    if syntax_stop.accepts("WHERE"):
        return query_message("modifier.before")
    if not syntax_stop.accepted & {END, "RBRACE"}:
        return None
    if word in _clauses(syntax_stop):
        return query_message("modifier.twice", word=word)
    return query_message("modifier.order")


def _misplaced_sorting(syntax_stop: SyntaxStop) -> Message | None:
    if not is_word(syntax_stop.token, "ASC", "DESC") or not syntax_stop.accepted & {"ORDER", END, "RBRACE"}:
        return None
    variable = next((token.text for token in syntax_stop.after[:2] if token.kind == "variable"), "…")
    return query_message("sorting", call=f"{syntax_stop.token.text}({variable})")


def _clauses(syntax_stop: SyntaxStop) -> set[str]:
    """Return the preceding words of the query or subquery, without those in brackets."""
    depth, words = 0, set[str]()
    for token in reversed(syntax_stop.before):
        depth += is_mark(token, "}") - is_mark(token, "{")
        if depth < 0:
            break
        if not depth and is_word(token):
            words.add(token.text)
    return words


def _outside_pattern(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise a part of the pattern after its end."""
    belongs = is_word(syntax_stop.token, *PATTERNS) or syntax_stop.terminal in TERMS
    if END not in syntax_stop.accepted or not belongs or not is_mark(syntax_stop.previous, "}"):
        return None
    return query_message("outside", place=position_text(syntax_stop.previous))


def _in_template(syntax_stop: SyntaxStop) -> Message | None:
    is_path = is_mark(syntax_stop.token, *PATHS) and "VAR" in syntax_stop.accepted
    if (
        not (is_path or is_word(syntax_stop.token, *PATTERNS))
        or not syntax_stop.open_brackets
        or syntax_stop.accepted & {"OPTIONAL", "PIPE"}
    ):
        return None
    opening = syntax_stop.before.index(syntax_stop.open_brackets[-1])
    if not any(is_word(token, "CONSTRUCT") for token in syntax_stop.before[max(opening - 2, 0) : opening]):
        return None
    if is_path:
        return query_message("template.path")
    return query_message("template.pattern")


def _mark_at_end(syntax_stop: SyntaxStop) -> Message | None:
    if END in syntax_stop.accepted and is_mark(syntax_stop.token, ";", "."):
        return query_message("at-the-end", mark=syntax_stop.token.text)
    return None


def _after_word(syntax_stop: SyntaxStop) -> Message | None:
    before = syntax_stop.previous
    is_inside = before.text == "DISTINCT" and syntax_stop.open_brackets and is_mark(syntax_stop.open_brackets[-1], "(")
    if is_word(before) and before.text in AFTER and not is_inside:
        return query_message(f"after.{before.text}")
    if is_word(before) and before.text in FUNCTIONS and syntax_stop.accepted == {"LPAR"}:
        is_one = syntax_stop.token.kind == "variable" and FUNCTIONS[before.text] in (*AGGREGATES, "FUNCTION_1", "BOUND")
        is_all = before.text == "COUNT" and is_mark(syntax_stop.token, "*")
        argument = syntax_stop.token.text if is_one or is_all else "…"
        return query_message("after.function", call=f"{syntax_stop.source(before)}({argument})")
    if "LBRACE" in syntax_stop.accepted and syntax_stop.accepted <= {"LBRACE", "WHERE", "FROM"}:
        return query_message("after.clause")
    return None


def _comma_in_list(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise a comma where SPARQL separates by space."""
    is_end = syntax_stop.accepted & {END, "RBRACE"}
    if is_mark(syntax_stop.token, ",") and (
        syntax_stop.accepts("UNDEF") or (is_end and "OPTIONAL" not in syntax_stop.accepted)
    ):
        return query_message("listed")
    return None


def _misplaced(syntax_stop: SyntaxStop) -> Message | None:
    if syntax_stop.is_at_start:
        is_name = syntax_stop.token.kind in ("iri", "prefixed") and not syntax_stop.after
        return query_message("begin.describe", address=syntax_stop.token.text) if is_name else query_message("begin")
    if is_word(syntax_stop.token, "UNION"):
        return query_message("after.UNION")
    if is_word(syntax_stop.token, "SELECT") and "OPTIONAL" in syntax_stop.accepted:
        return query_message("subquery")
    return query_message("prologue") if is_word(syntax_stop.token, "PREFIX", "BASE") else None


# --- triples


def _missing_stop(syntax_stop: SyntaxStop) -> Message | None:
    if not syntax_stop.accepts("DOT", "SEMI") or syntax_stop.terminal not in TERMS:
        return None
    line, previous = syntax_stop.previous.line + syntax_stop.previous.text.count("\n"), _quote_previous(syntax_stop)
    if line != syntax_stop.token.line:
        return query_message("stop.line", previous=previous, line=line)
    if len(syntax_stop.before) > 1 and syntax_stop.before[-2].line < line:
        # The first word of the line was read as the object of the line before.
        before = syntax_stop.before[-2]
        return query_message("stop.object", previous=previous, before=token_text(syntax_stop, before), line=before.line)
    return query_message("stop", previous=previous)


def _missing_term(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise a triple that ends before its object."""
    separators = (".", ";", ",")
    if (
        syntax_stop.token.kind != "end"
        and not is_mark(syntax_stop.token, *separators, "}", "]")
        and not is_word(syntax_stop.token, *PATTERNS)
    ):
        return None
    if is_mark(syntax_stop.token, *separators) and is_mark(syntax_stop.previous, *separators):
        return query_message("term.twice", one=syntax_stop.previous.text, other=syntax_stop.token.text)
    if syntax_stop.accepts("VAR", "A"):
        return query_message("term.property", previous=_quote_previous(syntax_stop))
    if syntax_stop.accepts("VAR", "BLANK_NODE", "STRING") and "RBRACE" not in syntax_stop.accepted:
        return query_message("term.object", previous=_quote_previous(syntax_stop))
    return None


def _path(syntax_stop: SyntaxStop) -> Message | None:
    """Recognise text that a property path can't contain."""
    if (
        is_mark(syntax_stop.token, *PATHS)
        and syntax_stop.previous.kind == "variable"
        and syntax_stop.accepts("VAR", "STRING")
    ):
        return query_message("path.after-variable")
    if syntax_stop.token.kind == "variable" and "A" in syntax_stop.accepted and "VAR" not in syntax_stop.accepted:
        return query_message("path.variable")
    if is_mark(syntax_stop.token, "{") and "PIPE" in syntax_stop.accepted:
        return query_message("path.count")
    if (
        is_mark(syntax_stop.token, *PATH_QUANTIFIERS)
        and is_mark(syntax_stop.previous, *PATH_QUANTIFIERS)
        and "PIPE" in syntax_stop.accepted
    ):
        return query_message(
            "path.twice", mark=syntax_stop.token.text if syntax_stop.token.text == syntax_stop.previous.text else "*"
        )
    if is_mark(syntax_stop.token, "^") and syntax_stop.accepts("PIPE", "SLASH"):
        return _inverse(syntax_stop)
    return None


def _inverse(syntax_stop: SyntaxStop) -> Message:
    name = "(…)" if is_mark(syntax_stop.previous, ")") else token_text(syntax_stop, syntax_stop.previous)
    follows = (
        syntax_stop.after[0] if syntax_stop.after and syntax_stop.after[0].start == syntax_stop.token.end else None
    )
    if follows and (follows.kind in ("iri", "prefixed") or is_word(follows, "A") or is_mark(follows, "(")):
        return query_message("path.sequence", previous=_quote_previous(syntax_stop))
    return query_message("path.inverse", name=name)


def _incomplete_literal(syntax_stop: SyntaxStop) -> Message | None:
    if is_mark(syntax_stop.token, "@") and syntax_stop.previous.kind == "string":
        return query_message("literal.language")
    return query_message("literal.datatype") if is_mark(syntax_stop.previous, "^^") else None


def _bare_word(syntax_stop: SyntaxStop) -> Message | None:
    if not is_word(syntax_stop.token) or syntax_stop.terminal != UNKNOWN:
        return None
    word = shorten(syntax_stop.source(syntax_stop.token))
    ways = {"VAR": "bare.variable", "PNAME_LN": "bare.name", "STRING": "bare.text"}
    alternatives = [query_message(way, word=word) for terminal, way in ways.items() if terminal in syntax_stop.accepted]
    return query_message("bare", ways=join_with_or(alternatives)) if alternatives else None


def _any_error(syntax_stop: SyntaxStop) -> Message:
    if syntax_stop.accepted == {"RPAR"} and (is_word(syntax_stop.token) or is_mark(syntax_stop.token, "{")):
        return query_message("still-open.remedy", mark=")")
    if syntax_stop.token.kind == "end":
        return query_message("anything.end", previous=_quote_previous(syntax_stop))
    if not syntax_stop.before:
        return query_message("anything.first", shown=token_text(syntax_stop, syntax_stop.token))
    return query_message(
        "anything", shown=token_text(syntax_stop, syntax_stop.token), previous=_quote_previous(syntax_stop)
    )


REMEDIES: tuple[Callable[[SyntaxStop], Message | None], ...] = (
    _wrong_column, _in_aggregate, _missing_name, _foreign_operator, _unknown_word, _misplaced_modifier,
    _misplaced_sorting, _outside_pattern, _in_template, _mark_at_end, _arguments, _after_word, _comma_in_list,
    _missing_comma, _two_operands, _path, _incomplete_literal, _missing_stop, _missing_term, _misplaced, _bare_word,
    _any_error,
)  # fmt: skip
