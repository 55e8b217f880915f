"""Points and commas of a column of numbers: cells that could be read in two ways, by all cells of the column."""

from collections.abc import Iterator, Set

import duckdb

from vaven.schemas.standard.sql import text

# Forms of a number by its signs: "decimal" cannot group thousands, "group" cannot be a decimal, "either" can be both.
FORMS = {
    "comma-both": r"\d{1,3}(\.\d{3})+,\d+",
    "point-both": r"\d{1,3}(,\d{3})+\.\d+",
    "comma-group": r"\d{1,3}(,\d{3}){2,}",
    "point-group": r"\d{1,3}(\.\d{3}){2,}",
    "comma-either": r"[1-9]\d{0,2},\d{3}",
    "point-either": r"[1-9]\d{0,2}\.\d{3}",
    "comma-decimal": r"\d*,\d+",
    "point-decimal": r"\d*\.\d+",
}
# Forms that show which sign is the decimal one, certainly also for the other sign.
COMMA_IS_DECIMAL = frozenset(("comma-both", "point-group"))
POINT_IS_DECIMAL = frozenset(("point-both", "comma-group"))
MAX_EXAMPLES = 3


def ambiguous_numbers(
    work: duckdb.DuckDBPyConnection, cells: str, *, decimal_comma: bool, is_decided: bool, is_text: bool
) -> tuple[list[str], list[str]]:
    """Return texts of `cells` (a table with the column `cell`) whose signs are ambiguous, and other texts with signs.

    `decimal_comma`: commas are more likely decimal, or certainly if the user has decided (`is_decided`). Outside text
    files (`is_text`) a point is that of a number in the file. Cost: one scan of the texts.
    """
    examples = dict(_examples(work, cells))
    doubtful = set(_doubtful(examples.keys(), decimal_comma=decimal_comma, is_decided=is_decided, is_text=is_text))
    return (
        [example for form in sorted(doubtful & examples.keys()) for example in examples[form]],
        [example for form in sorted(examples.keys() - doubtful) for example in examples[form]],
    )


def _examples(work: duckdb.DuckDBPyConnection, cells: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each form that occurs, with its first texts."""
    bare = r"regexp_replace(cell, '[-+−\s\x{00a0}\x{202f}\x{2009}]', '', 'g')"
    forms = " ".join(f"WHEN regexp_full_match(bare, {text(form)}) THEN {text(name)}" for name, form in FORMS.items())
    query = (
        f"SELECT form, list(cell ORDER BY cell)[:{MAX_EXAMPLES}] FROM (SELECT cell, CASE {forms} END AS form "
        f"FROM (SELECT cell, {bare} AS bare FROM {cells} WHERE contains(cell, ',') OR contains(cell, '.'))) "
        "WHERE form IS NOT NULL GROUP BY form"
    )
    yield from work.execute(query).fetchall()


def _doubtful(forms: Set[str], *, decimal_comma: bool, is_decided: bool, is_text: bool) -> Set[str]:
    """Return the forms that contradict the others of the column, or the user's decision."""
    by_comma, by_point = forms & COMMA_IS_DECIMAL, forms & POINT_IS_DECIMAL
    points = {"point-decimal"} | (set() if is_text else {"point-either"})
    if is_decided:
        against_comma = {*POINT_IS_DECIMAL, *(points if is_text else ())}
        return against_comma if decimal_comma else {*COMMA_IS_DECIMAL, "comma-decimal"}
    if by_comma and forms & {*POINT_IS_DECIMAL, *points}:
        return {*POINT_IS_DECIMAL, *points, *by_comma}
    if by_point and "comma-decimal" in forms:
        return {"comma-decimal", *by_point}
    if by_comma or by_point:
        return set()
    doubtful = set()
    # "1.250" beside "12,5", or alone where commas are decimal; numbers of a workbook have points.
    if is_text and "point-decimal" not in forms and (decimal_comma or "comma-decimal" in forms):
        doubtful.add("point-either")
    if "point-decimal" in forms and ("comma-decimal" in forms or decimal_comma):
        doubtful |= {"comma-either"} | ({"point-either"} if is_text and "comma-decimal" in forms else set())
    return doubtful
