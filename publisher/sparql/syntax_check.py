"""What is wrong with a SPARQL query, told to whoever wrote it: the first word that can't stand there, and what helps.

An engine points at the furthest character that it has tried and lists what its parser knows. Here the query is read by
the standard's own grammar (sparql_grammar.py), and then judged by its scopes (sparql_scopes.py). What helps is told by
the first that knows its fault: of SLIPS, which have messages of their own, then of REMEDIES, from the surest sign to
the least.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches

from vaven.publisher.sparql.common_mistakes import SLIPS
from vaven.publisher.sparql.error_text import (
    AFTER,
    INSTEAD,
    PATHS,
    SPELLED,
    TERMS,
    VALUES,
    QueryMistake,
    cut,
    is_mark,
    is_word,
    mistake_at,
    one_of,
    token_text,
)
from vaven.publisher.sparql.grammar import AGGREGATES, END, FUNCTIONS, KEYWORDS, UNKNOWN, SyntaxStop, read
from vaven.publisher.sparql.lexer import place
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sparql.scopes import MisusedVariable, first_misuse
from vaven.vocab.messages import Message

# A longer text is no query that somebody has typed, and the engine's own words do for it.
LONGEST = 20_000
# What our engine knows and SPARQL 1.1 doesn't: where one of these can't stand, the engine says why.
LATER = frozenset(
    (
        *("<<", ">>", "{|", "|}", "~", "VERSION", "LATERAL", "TRIPLE", "SUBJECT", "PREDICATE", "OBJECT", "ISTRIPLE"),
        *("ADJUST", "HASLANG", "HASLANGDIR", "LANGDIR", "STRLANGDIR"),
    )
)
# Characters of names by rule 167, as far as Oxigraph takes them. Our tokens have Python's word characters alone.
IN_NAMES = re.compile(
    "[\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd]"
)
NAMES = ("prefixed", "variable", "blank_node")
MODIFIERS = ("GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET")
PATTERNS = ("OPTIONAL", "FILTER", "BIND", "VALUES", "MINUS", "GRAPH", "UNION")
COUNTS = ("*", "+", "?")


def find_mistake(query: str) -> QueryMistake | None:
    """The first fault of a query. None where there is none that we know: then an engine's refusal says more.

    So it is for a text of more than LONGEST characters and for what is newer than SPARQL 1.1. Cost: some 50 µs for a
    token, and 0.2 s the first time.
    """
    if len(query) > LONGEST:
        return None
    found = read(query)
    if not isinstance(found, SyntaxStop):
        misuse = first_misuse(found)
        return _misused(misuse) if misuse else None
    if _is_beyond(found):
        return None
    slip = next((slip for look in SLIPS if (slip := look(found))), None)
    return slip or mistake_at(found, next(remedy for look in REMEDIES if (remedy := look(found))))


def _misused(misuse: MisusedVariable) -> QueryMistake:
    line, column = misuse.word.line or 1, misuse.word.column or 1
    at = {"word": cut(misuse.word), "place": query_message("place", line=line, column=column)}
    return QueryMistake(line, column, query_message(misuse.key, **at, **misuse.params), misuse.remedy)


def _is_beyond(stop: SyntaxStop) -> bool:
    """Whether the engine may know what can't stand there by our grammar or tokens."""
    token, before = stop.token, stop.previous
    # "…"@ar--rtl
    is_directed = before.kind == "language" and stop.query.startswith("--", before.end)
    is_in_name = before.kind in NAMES and before.end == token.start and IN_NAMES.match(token.text)
    is_name = is_mark(token, "?", "$") and IN_NAMES.match(stop.query, token.end)
    return bool(is_directed or is_in_name or is_name or (token.kind in ("mark", "word") and token.text in LATER))


def _previous(stop: SyntaxStop) -> Message:
    return query_message("quoted", text=token_text(stop, stop.previous))


# --- columns, functions and operators. Each returns a remedy, or None where the fault is another.


def _column(stop: SyntaxStop) -> Message | None:
    """What is between SELECT and WHERE without being a column."""
    token = stop.token
    if is_word(token, "DISTINCT", "REDUCED") and stop.takes("FROM", "WHERE"):
        return query_message("column.distinct", word=token.text)
    is_among_columns = stop.takes("VAR", "LPAR") and stop.accepted & {"STAR", "WHERE"}
    if not is_among_columns or stop.accepted & {"STRING", "COUNT", "A"}:
        return None
    if is_mark(token, ",", ".", ";"):
        return query_message("column.comma")
    if is_word(token, "AS"):
        name = stop.after[0].text if stop.after and stop.after[0].kind == "variable" else "?name"
        return query_message("column.as", column=f"({stop.source(stop.previous)} AS {name})")
    return query_message("column.unnamed", column=_as_column(stop)) if stop.terminal in FUNCTIONS.values() else None


def _as_column(stop: SyntaxStop) -> str:
    """A call as it is written, with its name if one follows, in parentheses."""
    depth, name = 0, "?n"
    called = [token for token in stop.after[:2] if is_word(token, "DISTINCT") or token.kind == "variable"]
    if called and called[-1].kind == "variable":
        return f"({stop.source(stop.token)}({' '.join(token.text for token in called)}) AS {name})"
    for i, token in enumerate(stop.after):
        depth += is_mark(token, "(") - is_mark(token, ")")
        if not depth and i:
            words = stop.after[i + 1 : i + 3]
            if len(words) == 2 and is_word(words[0], "AS") and words[1].kind == "variable":
                name = words[1].text
            return f"({cut(stop.query[stop.token.start : token.end])} AS {name})"
    return f"({stop.source(stop.token)}(…) AS {name})"


def _unnamed(stop: SyntaxStop) -> Message | None:
    """An expression that AS belongs to, closed or followed by its name."""
    if "AS" not in stop.accepted or "RPAR" in stop.accepted:
        return None
    if stop.token.kind == "variable":
        return query_message("unnamed.as", name=stop.token.text)
    if not is_mark(stop.token, ")"):
        return None
    opening = stop.before.index(stop.open[-1])
    inside = cut(stop.query[stop.open[-1].end : stop.token.start])
    if is_word(stop.before[opening - 1], "BIND"):
        return query_message("unnamed.bind", inside=inside)
    if stop.previous.kind == "variable" and opening == len(stop.before) - 2:
        return query_message("unnamed.variable", inside=inside)
    return query_message("unnamed.column", inside=inside)


def _spelled(stop: SyntaxStop) -> Message | None:
    """An operator that other languages write so."""
    sign = SPELLED.get(stop.token.text) if stop.token.kind in ("mark", "word", "iri") else None
    if not sign or not stop.accepted & {"ANDAND", "COMPARE"}:
        return None
    return query_message("spelled", sign=sign, written=stop.source(stop.token))


def _unknown_word(stop: SyntaxStop) -> Message | None:
    if not is_word(stop.token) or stop.terminal != UNKNOWN:
        return None
    word = cut(stop.source(stop.token))
    if stop.token.text in ("TRUE", "FALSE") or "A" in (stop.accepted & {stop.token.text}):
        return query_message("small-letters", word=word.lower())
    if (instead := INSTEAD.get(stop.token.text)) is not None and not stop.begins:
        return query_message("instead" if instead else f"instead.{stop.token.text}", word=word, instead=instead)
    fitting = [text for text in KEYWORDS if text in stop.accepted]
    fitting += [text for text, terminal in FUNCTIONS.items() if terminal in stop.accepted]
    close = get_close_matches(stop.token.text[:40], sorted(fitting), n=1, cutoff=0.7)
    return query_message("meant", word=close[0]) if close else None


def _in_aggregate(stop: SyntaxStop) -> Message | None:
    """SUM(*), and DISTINCT where it isn't the first in the parentheses."""
    opening = stop.before.index(stop.open[-1]) if stop.open else 0
    function = stop.before[opening - 1] if opening else stop.previous
    if is_word(stop.token, "DISTINCT") and stop.accepted == {"LPAR"}:
        function, inside = stop.previous, stop.after[0].text if stop.after else "…"
    else:
        inside = cut(stop.query[stop.open[-1].end : stop.previous.end]) if stop.open else ""
    if not is_word(function) or FUNCTIONS.get(function.text) not in AGGREGATES:
        return None
    if is_word(stop.token, "DISTINCT") and inside:
        return query_message("aggregate.distinct", call=f"{stop.source(function)}(DISTINCT {inside})")
    if is_mark(stop.token, "*") and (is_mark(stop.previous, "(") or is_word(stop.previous, "DISTINCT")):
        return query_message("aggregate.star", function=stop.source(function))
    return None


def _arguments(stop: SyntaxStop) -> Message | None:
    """Too few or too many arguments, by the function whose bracket is the innermost."""
    if not is_mark(stop.token, ",", ")") or not stop.open or not is_mark(stop.open[-1], "("):
        return None
    function = stop.before[stop.before.index(stop.open[-1]) - 1]
    terminal = FUNCTIONS.get(function.text, "") if is_word(function) else None
    if terminal == "GROUP_CONCAT" and is_mark(stop.token, ","):
        return query_message("separator")
    is_counted = stop.accepted & {"COMMA", "RPAR"} or stop.previous == stop.open[-1]
    return query_message(f"arguments.{terminal}", function=stop.source(function)) if terminal and is_counted else None


def _missing_comma(stop: SyntaxStop) -> Message | None:
    is_value = stop.terminal in TERMS | VALUES or stop.terminal in FUNCTIONS.values()
    return query_message("comma", previous=_previous(stop)) if is_value and stop.takes("COMMA", "ANDAND") else None


def _two_operands(stop: SyntaxStop) -> Message | None:
    """Nothing stands between two operands: a bracket is left open, or an operator is missing."""
    if not stop.takes("RPAR", "ANDAND") or stop.terminal not in TERMS | VALUES | {"AS"}:
        return None
    return query_message("two-operands", previous=_previous(stop), opened=place(stop.open[-1]))


# --- clauses


def _modifier(stop: SyntaxStop) -> Message | None:
    """GROUP BY, LIMIT and the like where they don't stand: inside of WHERE, before it, twice, or in another order."""
    word = stop.token.text
    if not is_word(stop.token, *MODIFIERS):
        return None
    if stop.takes("OPTIONAL", "RBRACE"):
        return query_message("modifier.inside", opened=place(stop.open[-1]))
    if stop.takes("WHERE"):
        return query_message("modifier.before")
    if not stop.accepted & {END, "RBRACE"}:
        return None
    if word in _clauses(stop):
        return query_message("modifier.twice", word=word)
    return query_message("modifier.order")


def _sorting(stop: SyntaxStop) -> Message | None:
    if not is_word(stop.token, "ASC", "DESC") or not stop.accepted & {"ORDER", END, "RBRACE"}:
        return None
    variable = next((token.text for token in stop.after[:2] if token.kind == "variable"), "…")
    return query_message("sorting", call=f"{stop.token.text}({variable})")


def _clauses(stop: SyntaxStop) -> set[str]:
    """The words of the query or subquery that stand before, but for those in brackets."""
    depth, words = 0, set[str]()
    for token in reversed(stop.before):
        depth += is_mark(token, "}") - is_mark(token, "{")
        if depth < 0:
            break
        if not depth and is_word(token):
            words.add(token.text)
    return words


def _outside(stop: SyntaxStop) -> Message | None:
    """What belongs into the pattern, after its end."""
    belongs = is_word(stop.token, *PATTERNS) or stop.terminal in TERMS
    if END not in stop.accepted or not belongs or not is_mark(stop.previous, "}"):
        return None
    return query_message("outside", place=place(stop.previous))


def _in_template(stop: SyntaxStop) -> Message | None:
    is_path = is_mark(stop.token, *PATHS) and "VAR" in stop.accepted
    if not (is_path or is_word(stop.token, *PATTERNS)) or not stop.open or stop.accepted & {"OPTIONAL", "PIPE"}:
        return None
    opening = stop.before.index(stop.open[-1])
    if not any(is_word(token, "CONSTRUCT") for token in stop.before[max(opening - 2, 0) : opening]):
        return None
    if is_path:
        return query_message("template.path")
    return query_message("template.pattern")


def _at_the_end(stop: SyntaxStop) -> Message | None:
    if END in stop.accepted and is_mark(stop.token, ";", "."):
        return query_message("at-the-end", mark=stop.token.text)
    return None


def _after_word(stop: SyntaxStop) -> Message | None:
    before = stop.previous
    is_inside = before.text == "DISTINCT" and stop.open and is_mark(stop.open[-1], "(")
    if is_word(before) and before.text in AFTER and not is_inside:
        return query_message(f"after.{before.text}")
    if is_word(before) and before.text in FUNCTIONS and stop.accepted == {"LPAR"}:
        is_one = stop.token.kind == "variable" and FUNCTIONS[before.text] in (*AGGREGATES, "FUNCTION_1", "BOUND")
        is_all = before.text == "COUNT" and is_mark(stop.token, "*")
        argument = stop.token.text if is_one or is_all else "…"
        return query_message("after.function", call=f"{stop.source(before)}({argument})")
    if "LBRACE" in stop.accepted and stop.accepted <= {"LBRACE", "WHERE", "FROM"}:
        return query_message("after.clause")
    return None


def _listed(stop: SyntaxStop) -> Message | None:
    """A comma in what SPARQL writes side by side."""
    is_end = stop.accepted & {END, "RBRACE"}
    if is_mark(stop.token, ",") and (stop.takes("UNDEF") or (is_end and "OPTIONAL" not in stop.accepted)):
        return query_message("listed")
    return None


def _misplaced(stop: SyntaxStop) -> Message | None:
    if stop.begins:
        is_name = stop.token.kind in ("iri", "prefixed") and not stop.after
        return query_message("begin.describe", address=stop.token.text) if is_name else query_message("begin")
    if is_word(stop.token, "UNION"):
        return query_message("after.UNION")
    if is_word(stop.token, "SELECT") and "OPTIONAL" in stop.accepted:
        return query_message("subquery")
    return query_message("prologue") if is_word(stop.token, "PREFIX", "BASE") else None


# --- triples


def _missing_stop(stop: SyntaxStop) -> Message | None:
    if not stop.takes("DOT", "SEMI") or stop.terminal not in TERMS:
        return None
    line, previous = stop.previous.line + stop.previous.text.count("\n"), _previous(stop)
    if line != stop.token.line:
        return query_message("stop.line", previous=previous, line=line)
    if len(stop.before) > 1 and stop.before[-2].line < line:
        # The line's first word has been read as the object of the line before.
        before = stop.before[-2]
        return query_message("stop.object", previous=previous, before=token_text(stop, before), line=before.line)
    return query_message("stop", previous=previous)


def _missing_term(stop: SyntaxStop) -> Message | None:
    """A triple that ends before its third part."""
    separators = (".", ";", ",")
    if (
        stop.token.kind != "end"
        and not is_mark(stop.token, *separators, "}", "]")
        and not is_word(stop.token, *PATTERNS)
    ):
        return None
    if is_mark(stop.token, *separators) and is_mark(stop.previous, *separators):
        return query_message("term.twice", one=stop.previous.text, other=stop.token.text)
    if stop.takes("VAR", "A"):
        return query_message("term.property", previous=_previous(stop))
    if stop.takes("VAR", "BLANK_NODE", "STRING") and "RBRACE" not in stop.accepted:
        return query_message("term.object", previous=_previous(stop))
    return None


def _path(stop: SyntaxStop) -> Message | None:
    """What a path can't have in it."""
    if is_mark(stop.token, *PATHS) and stop.previous.kind == "variable" and stop.takes("VAR", "STRING"):
        return query_message("path.after-variable")
    if stop.token.kind == "variable" and "A" in stop.accepted and "VAR" not in stop.accepted:
        return query_message("path.variable")
    if is_mark(stop.token, "{") and "PIPE" in stop.accepted:
        return query_message("path.count")
    if is_mark(stop.token, *COUNTS) and is_mark(stop.previous, *COUNTS) and "PIPE" in stop.accepted:
        return query_message("path.twice", mark=stop.token.text if stop.token.text == stop.previous.text else "*")
    if is_mark(stop.token, "^") and stop.takes("PIPE", "SLASH"):
        return _inverse(stop)
    return None


def _inverse(stop: SyntaxStop) -> Message:
    name = "(…)" if is_mark(stop.previous, ")") else token_text(stop, stop.previous)
    follows = stop.after[0] if stop.after and stop.after[0].start == stop.token.end else None
    if follows and (follows.kind in ("iri", "prefixed") or is_word(follows, "A") or is_mark(follows, "(")):
        return query_message("path.sequence", previous=_previous(stop))
    return query_message("path.inverse", name=name)


def _literal(stop: SyntaxStop) -> Message | None:
    if is_mark(stop.token, "@") and stop.previous.kind == "string":
        return query_message("literal.language")
    return query_message("literal.datatype") if is_mark(stop.previous, "^^") else None


def _bare_word(stop: SyntaxStop) -> Message | None:
    if not is_word(stop.token) or stop.terminal != UNKNOWN:
        return None
    word = cut(stop.source(stop.token))
    ways = {"VAR": "bare.variable", "PNAME_LN": "bare.name", "STRING": "bare.text"}
    found = [query_message(way, word=word) for terminal, way in ways.items() if terminal in stop.accepted]
    return query_message("bare", ways=one_of(found)) if found else None


def _anything(stop: SyntaxStop) -> Message:
    if stop.accepted == {"RPAR"} and (is_word(stop.token) or is_mark(stop.token, "{")):
        return query_message("still-open.remedy", mark=")")
    if stop.token.kind == "end":
        return query_message("anything.end", previous=_previous(stop))
    if not stop.before:
        return query_message("anything.first", shown=token_text(stop, stop.token))
    return query_message("anything", shown=token_text(stop, stop.token), previous=_previous(stop))


REMEDIES: tuple[Callable[[SyntaxStop], Message | None], ...] = (
    _column, _in_aggregate, _unnamed, _spelled, _unknown_word, _modifier, _sorting, _outside, _in_template,
    _at_the_end, _arguments, _after_word, _listed, _missing_comma, _two_operands, _path, _literal, _missing_stop,
    _missing_term, _misplaced, _bare_word, _anything,
)  # fmt: skip
