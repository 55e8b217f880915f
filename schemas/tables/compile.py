"""Compilation of a Table Schema to SQL over text columns: checks of cells, and conversion of valid cells.

The SQL is DuckDB's, simple enough for sqlglot to transpile it. Lexical forms are those of Table Schema v1 with default
options (DESIGN section 3); numbers are already normalised.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from vaven.schemas.spreadsheets.cell_faults import is_date_like, is_error_value, is_uncalculated, shows_unit
from vaven.schemas.standard.sql import plain, quoted, rounded, text
from vaven.schemas.standard.table_schemas import Field, TableSchema
from vaven.schemas.tables.tables import Table
from vaven.vocab.messages import LANGUAGES
from vaven.vocab.register import TOTAL

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
# DuckDB interprets the year 0000 as 1 BC; it is invalid in Python and Table Schema.
DATE = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])-\d{2}-\d{2}"
LEXICAL = {"number": NUMBER, "integer": r"[+-]?\d+", "date": DATE}
SQL_TYPES = {"number": "DOUBLE", "integer": "BIGINT", "date": "DATE", "string": "VARCHAR"}
# Values of empty cells of these fields; `status` is normal wherever there is a value.
DEFAULTS = {"sex": f"'{TOTAL}'", "age_group": f"'{TOTAL}'"}
# Forms outside the pattern that one of our rules checks instead, with a more specific message (rules/areas.py).
REPAIRABLE = {"municipality": r"\d{3}"}


@dataclasses.dataclass(frozen=True)
class Check:
    """A check of single rows. `where` is SQL that is true for an invalid row; `params` are SQL of message parameters.

    `by_cell`: the text of the field alone decides, so that each distinct text is checked only once.
    """

    code: str
    field: str | None
    where: str
    params: dict[str, str] = dataclasses.field(default_factory=dict)
    by_cell: bool = False


def typed(schema_field: Field) -> str:
    """Return SQL of a cell's value in its type; NULL for an empty cell and for text of another form."""
    name = quoted(schema_field.name)
    if schema_field.type == "string":
        return name
    cast = loosely_typed(schema_field)
    return f"CASE WHEN regexp_full_match({name}, {text(LEXICAL[schema_field.type])}) THEN {cast} END"


def loosely_typed(schema_field: Field) -> str:
    """Return SQL as `typed`, at a fifth of the cost: DuckDB also accepts "0x1F" and "1_000" as numbers."""
    cast = f"TRY_CAST({quoted(schema_field.name)} AS {SQL_TYPES[schema_field.type]})"
    # DuckDB casts 1e999 to infinity, which a KPI without a maximum would accept.
    return f"CASE WHEN isfinite({cast}) THEN {cast} END" if schema_field.type == "number" else cast


def checks(table: Table, schema: TableSchema) -> Iterator[Check]:
    """Yield the schema's checks of single rows, for each column of the table."""
    for schema_field in schema.fields:
        if table.column(schema_field.name):
            yield from _field_checks(schema_field, has_kpi=table.column("kpi") is not None)


def _field_checks(schema_field: Field, *, has_kpi: bool) -> Iterator[Check]:
    name, limits = quoted(schema_field.name), schema_field.constraints
    at = schema_field.name
    if schema_field.required:
        yield Check("required-missing", at, f"{name} IS NULL")
    by_cell = functools.partial(Check, by_cell=True)
    # rules/spreadsheet_values.py reports these.
    is_no_fault = f"NOT ({is_error_value(name)} OR {is_uncalculated(name)})"
    if may_be_converted(schema_field):
        is_no_fault += f" AND NOT {is_date_like(name)}"
    if schema_field.type != "string":
        dashes = f"{name} IN ('-', '–', '—')" if schema_field.type in ("number", "integer") else "FALSE"
        yield by_cell("dash-ambiguous", at, dashes)
        # The message needs the KPI to recognise its unit after the number.
        kpi = {"kpi": "kpi"} if has_kpi and at == "value" else {}
        where = f"{name} IS NOT NULL AND NOT ({dashes}) AND {typed(schema_field)} IS NULL AND {is_no_fault}"
        where += f" AND NOT {shows_unit(name)}"
        yield by_cell("type-error", at, where, params=kpi)
    if pattern := limits.get("pattern"):
        also = f"|{REPAIRABLE[at]}" if at in REPAIRABLE else ""
        where = f"NOT regexp_full_match({name}, {text(f'(?:{pattern}){also}')}) AND {is_no_fault}"
        yield by_cell("pattern-mismatch", at, where)
    if allowed := limits.get("enum"):
        where = f"{name} NOT IN ({', '.join(text(a) for a in allowed)}) AND {is_no_fault}"
        yield by_cell("not-in-list", at, where)
    for key, code, sign in (("minimum", "below-minimum", "<"), ("maximum", "above-maximum", ">")):
        if key in limits:
            yield by_cell(code, at, f"{typed(schema_field)} {sign} {limits[key]}", params={"limit": text(limits[key])})


def may_be_converted(schema_field: Field) -> bool:
    """Return True for a field of numbers, ages or area codes, none of which is ever a date."""
    return schema_field.type in ("number", "integer") or schema_field.name in ("age_group", "neighbourhood", "code")


def key_of(table: Table, schema: TableSchema) -> list[str]:
    """Return SQL of the primary key's parts, with defaults for optional ones."""
    parts = []
    for name in schema.primary_key:
        default = DEFAULTS.get(name)
        cell = quoted(name) if table.column(name) else None
        parts.append(f"coalesce({cell}, {default})" if cell and default else cell or default or "NULL")
    return parts


def typed_select(table: Table, schema: TableSchema, *, unique: bool = False) -> str:
    """Return SQL of the canonical table: every field of the schema, typed, ordered by key.

    Numbers are rounded to 10 decimals and 15 significant digits, so that they have one short decimal form everywhere.
    With `unique` there is one row for each key: of two rows with one key the one with a value. Only for tables that
    have been checked.
    """
    columns = ", ".join(f"{_canonical(table, f)} AS {quoted(f.name)}" for f in schema.fields)
    # A missing part of the key is constant, and DuckDB does not order by constants.
    key = ", ".join(part for part in key_of(table, schema) if '"' in part)
    order = f"{key}, {quoted('value')} IS NULL, _row" if table.column("value") else f"{key}, _row"
    distinct = f"DISTINCT ON ({key}) " if unique else ""
    return f"SELECT {distinct}{columns} FROM {table.relation} ORDER BY {order}"


def text_select(select: str, schema: TableSchema) -> str:
    """Return SQL of a canonical table with every column as text, as in its CSV."""
    columns = ", ".join(
        f"{plain(quoted(f.name))} AS {quoted(f.name)}" if f.type == "number" else quoted(f.name) for f in schema.fields
    )
    return f"SELECT {columns} FROM ({select})"


def _canonical(table: Table, schema_field: Field) -> str:
    if not table.column(schema_field.name):
        if schema_field.name == "status" and table.column("value"):
            return "CASE WHEN value IS NOT NULL THEN 'A' END"
        return DEFAULTS.get(schema_field.name, f"CAST(NULL AS {SQL_TYPES[schema_field.type]})")
    value = typed(schema_field)
    if schema_field.type == "number":
        return rounded(value)
    if schema_field.name in DEFAULTS:
        return f"coalesce({value}, {DEFAULTS[schema_field.name]})"
    if schema_field.name == "status":
        return f"coalesce({value}, 'A')"
    return _harmless(schema_field, value)


def _harmless(schema_field: Field, value: str) -> str:
    """Prefix free text that a spreadsheet would run as a formula with an apostrophe (OWASP, "CSV Injection")."""
    if schema_field.type != "string" or schema_field.constraints.get("pattern") or schema_field.descriptor.get("codes"):
        return value
    return f"CASE WHEN regexp_matches({value}, '^[=+@\\t\\r-]') THEN '''' || {value} ELSE {value} END"


def describe_field(schema_field: Field) -> dict[str, Any]:
    """Return the message parameters of a field: its labels, its descriptions and its type."""
    words = {f"label_{language}": schema_field.label(language) for language in LANGUAGES}
    helps = {f"help_{language}": schema_field.describe(language) for language in LANGUAGES}
    return {**words, **helps, "type": schema_field.type}
