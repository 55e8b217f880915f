"""Rewrite a query to an equivalent one that is cheaper for the engine or keeps the order of columns.

Oxigraph sorts before it removes duplicates: a query for the distinct names of the 2,778 areas of a million observations
sorts a million rows (21 s; 0.4 s with the sorting outside of the DISTINCT).
"""

from collections.abc import Sequence

from vaven.publisher.sparql.lexer import FORMS, Token, tokens

OPENING, CLOSING = "{(", "})"
# Tokens allowed in an ORDER BY that we move, and after it. Expressions are not moved: they may contain an aggregate, or
# a variable that is not a column.
MOVABLE_TOKENS = frozenset(("ORDER", "BY", "ASC", "DESC", "(", ")", "LIMIT", "OFFSET"))


def sort_outside_distinct(query: str) -> str:
    """Move the sorting of a SELECT DISTINCT by its own columns outside; return any other query unchanged.

    `SELECT DISTINCT ?a WHERE { … } ORDER BY ?a LIMIT 5` becomes `SELECT ?a WHERE { SELECT DISTINCT ?a WHERE { … } }
    ORDER BY ?a LIMIT 5`. Both are the same sequence by SPARQL 1.1 Query Language, section 15, except for the order of
    rows that compare equal, which it leaves open. The original lines remain in sequence.
    """
    token_list = list(tokens(query))
    select = next(
        (i for i, token in enumerate(token_list) if token.kind == "word" and token.text in FORMS), len(token_list)
    )
    if [token.text for token in token_list[select : select + 2]] != ["SELECT", "DISTINCT"]:
        return query
    where = _find(token_list, select, ("{",))
    columns = _columns(token_list[select + 2 : where])
    order = _find(token_list, _closing_brace(token_list, where), ("ORDER",))
    if not columns or order == len(token_list) or not _is_movable(token_list[order:], columns):
        return query
    begin, end = token_list[select].start, token_list[order].start
    outer = f"{query[:begin]}SELECT {' '.join(columns)} WHERE {{\n"
    return f"{outer}{query[begin:end]}\n}}\n{query[end:]}"


def star_token(query: str) -> Token | None:
    """Return the `*` token of a `SELECT *`."""
    token_list = list(tokens(query))
    select = next(
        (i for i, token in enumerate(token_list) if token.kind == "word" and token.text in FORMS), len(token_list)
    )
    head = [token for token in token_list[select : select + 3] if token.text not in ("DISTINCT", "REDUCED")]
    return head[1] if [token.text for token in head[:2]] == ["SELECT", "*"] else None


def expand_star(query: str, columns: Sequence[str]) -> str:
    """Replace the `*` of a `SELECT *` by its columns (names without question marks) in the order of the query.

    The standard leaves that order open (SPARQL 1.1 Query Language, section 18.2.4.4); people expect their own.
    """
    if (star := star_token(query)) is None or not columns:
        return query
    variables = dict.fromkeys(token.text[1:] for token in tokens(query) if token.kind == "variable")
    ordered = sorted(columns, key=list(variables).index)
    return f"{query[: star.start]} {' '.join(f'?{name}' for name in ordered)} {query[star.end :]}"


def _columns(projection: Sequence[Token]) -> list[str]:
    """Return the variables of a SELECT clause, or `*`; none if the query also has a FROM clause."""
    columns, depth = [], 0
    for i, token in enumerate(projection):
        depth += (token.text in OPENING) - (token.text in CLOSING)
        if token.text == "FROM":
            return []
        is_named = depth == 0 or (depth == 1 and projection[i - 1].text == "AS")
        if (token.kind == "variable" and is_named) or (depth == 0 and token.text == "*"):
            columns.append(token.text)
    return columns


def _is_movable(tail: Sequence[Token], columns: Sequence[str]) -> bool:
    """Return whether these are only a sorting by columns and LIMIT and OFFSET."""
    known = {column[1:] for column in columns}
    for token in tail:
        if token.kind == "variable":
            if columns != ["*"] and token.text[1:] not in known:
                return False
        elif token.kind != "number" and token.text not in MOVABLE_TOKENS:
            return False
    return True


def _find(token_list: Sequence[Token], start: int, texts: Sequence[str]) -> int:
    """Return the index of the first word or mark from `start` on with one of these texts, else the number of tokens."""
    kinds = ("word", "mark")
    return next(
        (i for i in range(start, len(token_list)) if token_list[i].kind in kinds and token_list[i].text in texts),
        len(token_list),
    )


def _closing_brace(token_list: Sequence[Token], opening: int) -> int:
    """Return the index of the brace that closes the one at `opening`."""
    depth = 0
    for i in range(opening, len(token_list)):
        if token_list[i].kind == "mark" and token_list[i].text in "{}":
            depth += 1 if token_list[i].text == "{" else -1
            if not depth:
                return i
    return len(token_list)
