"""Rules about an area's name beside its code: the code of a municipality beside the name of a part of it."""

from collections.abc import Iterator
from functools import lru_cache

from vaven.schemas.rules.registry import Checking, RuleMatch, wide_rule
from vaven.schemas.standard.finding import Severity
from vaven.schemas.standard.labels import fold, known_labels
from vaven.schemas.standard.sql import quoted
from vaven.schemas.tables.tables import Column
from vaven.vocab.areas import areas, level_of
from vaven.vocab.areas.names import contains, has_one_name, is_name_of, kommun_of, split_name

# Labels of columns with names of areas, folded, besides those of the column of codes.
NAME_LABELS = frozenset(
    ("namn", "omradesnamn", "omradets namn", "kommunnamn", "lansnamn", "lan", "stadsdel", "stadsdelsnamn",
     "stadsdelsomrade", "bostadsomrade", "delomrade", "delomradesnamn", "kvarter", "distrikt", "basomrade",
     "primaromrade", "grannskap", "ort", "tatort", "by", "desonamn", "deso namn", "regsonamn", "regso namn", "plats",
     "name", "area name", "neighbourhood", "neighbourhood name", "municipality", "municipality name", "county",
     "district", "place", "nyko namn")
)  # fmt: skip


@lru_cache(maxsize=1 << 14)
def other_name(text: str) -> tuple[str, str] | None:
    """Return code and name of a cell with both if the name is not the name of the code's area."""
    both = split_name(text)
    return both if both and not is_name_of(*both) else None


@wide_rule("area-name", Severity.ERROR, "")
def area_name(on: Checking) -> Iterator[RuleMatch]:
    """A code of an area beside another area's name, in one cell or in two columns.

    The code 0180 beside "Rinkeby" would publish the value of a part as that of the whole municipality.
    """
    field = "code" if on.table.resource == "neighbourhoods" else "neighbourhood"
    if field not in on.schema.names or not on.has(field):
        return
    has_name = r"regexp_matches(cell, '\d') AND regexp_matches(cell, '\pL[^\d]') AND NOT regexp_full_match(cell, '\w+')"
    texts = on.tables.distinct.batches(on.table.relation, field, has_name)
    wrong = {text: both for batch in texts for text in batch if (both := other_name(text))}
    query = f"""SELECT _row, {quoted(field)} FROM {on.table.relation}
        WHERE {quoted(field)} IN (SELECT unnest(?::VARCHAR[])) ORDER BY _row"""
    for row, text in on.rows(query, [list(wrong)]) if wrong else ():
        yield RuleMatch(row, field, text, _words(*wrong[text]))
    for column in _columns_of_names(on):
        yield from _names_of_others(on, field, column)


def _words(code: str, name: str) -> dict[str, object]:
    return {"code": code, "right": areas().find(code).name, "name": name}  # type: ignore[union-attr]


def _columns_of_names(on: Checking) -> Iterator[Column]:
    if on.table.resource == "neighbourhoods":
        yield from (column for column in on.table.columns if column.name == "name")
    labels = NAME_LABELS | {label for label, name in known_labels("observations").items() if name == "neighbourhood"}
    yield from (column for column in on.table.beside if fold(column.label or "") in labels)


def _names_of_others(on: Checking, field: str, column: Column) -> Iterator[RuleMatch]:
    """Yield the cells of a column of names that are not the names of the codes in their rows."""
    names = quoted(column.name)
    pairs = f"""SELECT {quoted(field)}, {names} FROM {on.table.relation}
        WHERE {names} IS NOT NULL AND {quoted(field)} IS NOT NULL GROUP BY ALL"""
    wrong = [(code, name) for code, name in on.rows(pairs) if _is_other_name(code, name)]
    if not wrong:
        return
    columns = "unnest($1::VARCHAR[]) AS code, unnest($2::VARCHAR[]) AS name"
    table = f"CREATE OR REPLACE TEMP TABLE other_names AS SELECT {columns}"
    on.work.execute(table, [list(part) for part in zip(*wrong, strict=True)])
    query = f"""SELECT _row, other_names.code, other_names.name FROM {on.table.relation} t
        JOIN other_names ON other_names.code = t.{quoted(field)} AND other_names.name = t.{names} ORDER BY _row"""
    for row, code, name in on.rows(query):
        yield RuleMatch(row, column.name, name, _words(code, name))


def _is_other_name(code: str, name: str) -> bool:
    """Return True for a name that contradicts a known code.

    Beside a DeSO or RegSO, only another municipality's name does: a name for part of a city may extend over several.
    """
    if level_of(name) or not any(character.isalpha() for character in name) or not areas().find(code):
        return False
    part, name = split_name(name) or ("", name)
    is_own = is_name_of(code, name) or contains(name, code) or (part and code.startswith(part))
    return not is_own and (has_one_name(code) or kommun_of(name) is not None)
