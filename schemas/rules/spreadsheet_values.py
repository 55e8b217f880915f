"""Rules about what spreadsheet programs leave in cells instead of values: errors, and formulas not calculated."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from vaven.schemas.formats.encodings import GARBLED, LOST, repaired
from vaven.schemas.rules.registry import Checking, Matches, RuleMatch, row_rule, wide_rule
from vaven.schemas.spreadsheets.cell_faults import is_date_like, is_error_value, is_uncalculated, shows_unit
from vaven.schemas.standard.finding import Fix, Severity
from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.standard.table_schemas import Field
from vaven.schemas.tables.compile import Check, may_be_converted


@row_rule("error-value", Severity.ERROR, "")
def error_value(on: Checking) -> Iterator[Check]:
    """A cell with an error value of a spreadsheet (#N/A, #DIV/0!), in any column."""
    yield from _checks(on, "error-value", is_error_value)


@row_rule("formula-without-value", Severity.ERROR, "")
def formula_without_value(on: Checking) -> Iterator[Check]:
    """A formula that the program which wrote the file has not calculated, in any column."""
    yield from _checks(on, "formula-without-value", is_uncalculated)


@row_rule("unit-differs", Severity.ERROR, "", "type-error")
def unit_differs(on: Checking) -> Iterator[Check]:
    """A number whose number format shows a unit that is not that of the KPI or column."""
    for field in on.schema.fields:
        if on.has(field.name) and field.type in ("number", "integer"):
            yield Check("unit-differs", field.name, shows_unit(quoted(field.name)), by_cell=True)


@row_rule("converted-to-date", Severity.ERROR, "", "type-error")
def converted_to_date(on: Checking) -> Iterator[Check]:
    """A date in a column of numbers, ages or codes: Excel converts 12.5, 3-4 and the ages 6-12 to one."""
    for field in on.schema.fields:
        if on.has(field.name) and may_be_converted(field):
            params = {"example": _text_before_conversion(quoted(field.name), field)}
            yield Check("converted-to-date", field.name, is_date_like(quoted(field.name)), params, by_cell=True)


@wide_rule("garbled-text", Severity.ERROR, "")
def garbled_text(on: Checking) -> Iterator[Matches]:
    """A text that was decoded twice ("MalmÃ¶"), or whose letters are lost ("Malm\ufffd")."""
    is_garbled = f"regexp_matches(cell, {text('|'.join((*map(re.escape, GARBLED), LOST)))})"
    names = [field.name for field in on.schema.fields if field.type == "string" and on.has(field.name)]
    exist = (f"EXISTS (SELECT 1 FROM {on.distinct(name)} WHERE {is_garbled})" for name in names)
    occurs = on.work.execute(f"SELECT {', '.join(exist)}").fetchone() if names else None
    for name in (name for name, is_in_column in zip(names, occurs or (), strict=True) if is_in_column):
        texts = on.work.execute(f"SELECT cell FROM {on.distinct(name)} WHERE {is_garbled}").fetchall()
        pairs = [[cell for (cell,) in texts], [repaired(cell) for (cell,) in texts]]
        query = f"""SELECT _row, cell, repaired FROM {on.table.relation}
            JOIN (SELECT unnest(?::VARCHAR[]) AS cell, unnest(?::VARCHAR[]) AS repaired) ON {quoted(name)} = cell"""
        yield from on.matches(query, partial(_garbled, name), field=name, parameters=pairs)


def _garbled(name: str, row: int, cell: str, repaired_text: str | None) -> RuleMatch:
    if repaired_text is None:
        return RuleMatch(row, name, cell, {"advice": "garbled-lost"})
    return RuleMatch(row, name, cell, {"expected": repaired_text}, Fix(repaired_text))


def _text_before_conversion(cell: str, field: Field) -> str:
    """Return SQL of the text that Excel most likely converted; a number in a date format is a day about 1900."""
    year, month, day = (f"ltrim(substr({cell}, {start}, {length}), '0')" for start, length in ((3, 2), (6, 2), (9, 2)))
    numbers = f"TRY_CAST({day} AS INT), TRY_CAST({month} AS INT)"
    ascending = f"least({numbers}) || '-' || greatest({numbers})"
    both = ascending if field.name == "age_group" else f"{day} || '{',' if field.type != 'string' else '-'}' || {month}"
    # Excel has a 29 February 1900, before which its days are one fewer.
    days = f"date_diff('day', DATE '1899-12-30', TRY_CAST(substr({cell}, 1, 10) AS DATE))"
    serial = f"({days} - ({cell} < '1900-03-01')::INT)::VARCHAR"
    return (
        f"CASE WHEN contains(substr({cell}, 1, 4), ':') THEN substr({cell}, 1, 5) "
        f"WHEN length({cell}) < 10 THEN {month} || '-' || {year} "
        f"WHEN {cell} < '1930' THEN {serial} ELSE {both} END"
    )


def has_unit(on: Checking) -> str:
    """Return SQL of the condition that the number format of a row's value shows a unit."""
    original, condition = on.table.original_relation, shows_unit("cell")
    if not on.tables.distinct.has(original, "value", condition):
        return "FALSE"
    return f"_row IN (SELECT _row FROM {original} WHERE {shows_unit('value')})"


def _checks(on: Checking, code: str, condition: Callable[[str], str]) -> Iterator[Check]:
    for field in on.schema.fields:
        if on.has(field.name):
            yield Check(code, field.name, condition(quoted(field.name)), by_cell=_has_few_texts(field))


def _has_few_texts(field: Field) -> bool:
    """Return False for free text, whose distinct texts are not computed otherwise."""
    return field.type != "string" or bool(field.constraints or field.descriptor.get("codes"))
