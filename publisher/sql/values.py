"""Types of PostgreSQL, and SQL expressions of DuckDB that have one: Value.

Numeric values are computed as DECIMAL(38, scale), so that they are rounded as decimal numbers. PostgreSQL's rules for
unknown literals and for the common type of several expressions (its manual, chapter 10) are in `convert` and `unify`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum

from vaven.publisher.sql.errors import SqlError, SqlNotSupported

# Decimals of a column of numbers, and of a quotient.
COLUMN_SCALE, QUOTIENT_SCALE, MAX_SCALE = 12, 20, 26
INTEGER = re.compile(r"\s*[+-]?\d+\s*")
NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\s*")
DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}\s*")
TRUE, FALSE = ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"), ("f", "fa", "false", "n", "no", "off", "of", "0")


class Kind(Enum):
    """Types by PostgreSQL's internal name."""

    UNKNOWN = "unknown"
    BOOL = "bool"
    INT4 = "int4"
    INT8 = "int8"
    NUMERIC = "numeric"
    FLOAT8 = "float8"
    TEXT = "text"
    DATE = "date"


# Names in PostgreSQL's messages.
NAMES = {Kind.BOOL: "boolean", Kind.INT4: "integer", Kind.INT8: "bigint", Kind.FLOAT8: "double precision"}
# Each is converted to the later ones without a cast.
NUMBERS = (Kind.INT4, Kind.INT8, Kind.NUMERIC, Kind.FLOAT8)
INTEGERS = NUMBERS[:2]
DUCKDB = {
    Kind.BOOL: "BOOLEAN", Kind.INT4: "INTEGER", Kind.INT8: "BIGINT", Kind.FLOAT8: "DOUBLE", Kind.TEXT: "VARCHAR",
    Kind.DATE: "DATE", Kind.UNKNOWN: "VARCHAR",
}  # fmt: skip


@dataclass(frozen=True)
class Type:
    """A type; `scale` is the number of decimals with which a numeric is computed.

    `label` is its name in a result where that is another one: varchar is text in all other respects.
    """

    kind: Kind
    scale: int = 0
    label: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        return NAMES.get(self.kind, self.kind.value)

    @property
    def duckdb(self) -> str:
        return f"DECIMAL(38, {self.scale})" if self.kind is Kind.NUMERIC else DUCKDB[self.kind]


UNKNOWN, BOOL, INT4, INT8 = Type(Kind.UNKNOWN), Type(Kind.BOOL), Type(Kind.INT4), Type(Kind.INT8)
FLOAT8, TEXT, DATE_TYPE = Type(Kind.FLOAT8), Type(Kind.TEXT), Type(Kind.DATE)
VARCHAR = Type(Kind.TEXT, label="varchar")


@dataclass(frozen=True)
class Value:
    """An expression of DuckDB with its type and the name of its column in a result.

    `literal` is the text of an untyped literal or of an integer. `double` is the same number as stored, for a column of
    a table. `is_named` is false while a cast may replace the name by that of its type.
    """

    sql: str
    type: Type
    name: str = "?column?"
    is_named: bool = False
    literal: str | None = None
    double: str = ""

    @property
    def kind(self) -> Kind:
        return self.type.kind

    @property
    def is_null(self) -> bool:
        return self.kind is Kind.UNKNOWN and self.literal is None

    def named(self, name: str) -> "Value":
        return replace(self, name=name, is_named=True)


def text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def integer(number: int) -> Value:
    kind = INT4 if -(2**31) <= number < 2**31 else INT8 if -(2**63) <= number < 2**63 else Type(Kind.NUMERIC)
    return Value(f"CAST({number} AS {kind.duckdb})", kind, literal=str(number))


def decimal(text: str) -> Value:
    """Return a number with a decimal point or an exponent, which is numeric in PostgreSQL."""
    plain = f"{Decimal(text):f}"
    scale = len(plain.partition(".")[2])
    if scale > QUOTIENT_SCALE or len(plain) > 36:
        raise SqlNotSupported(f"the number {text[:60]}", "write at most 20 decimals and 36 digits")
    return Value(f"CAST({plain} AS DECIMAL(38, {scale}))", Type(Kind.NUMERIC, scale))


def implicit(value: Value, target: Type) -> Value:
    """Convert as PostgreSQL does without a cast: an untyped literal to any type, a number to a wider one."""
    if value.kind is Kind.UNKNOWN:
        return _of_literal(value, target)
    if value.type == target:
        return value
    if value.kind in NUMBERS and target.kind in NUMBERS:
        if target.kind is Kind.FLOAT8:
            return replace(value, sql=as_double(value), type=FLOAT8, double="")
        return replace(value, sql=f"CAST({value.sql} AS {target.duckdb})", type=target)
    raise SqlError(f"types {value.type.name} and {target.name} cannot be matched")


def as_double(value: Value) -> str:
    """Return a number as DOUBLE, the nearest to all its digits."""
    if value.kind is Kind.NUMERIC:
        return value.double or f"CAST(CAST({value.sql} AS VARCHAR) AS DOUBLE)"
    return f"CAST({value.sql} AS DOUBLE)"


def _of_literal(value: Value, target: Type) -> Value:
    if value.literal is None:
        return replace(value, sql=f"CAST(NULL AS {target.duckdb})", type=target)
    text, kind = value.literal, target.kind
    stripped = text.strip()
    if kind in (Kind.TEXT, Kind.UNKNOWN):
        return replace(value, sql=text_literal(text), type=TEXT)
    if kind is Kind.BOOL and stripped.lower() in (*TRUE, *FALSE):
        return replace(value, sql=str(stripped.lower() in TRUE), type=BOOL)
    if kind in INTEGERS and INTEGER.fullmatch(text):
        return replace(value, sql=f"CAST({int(stripped)} AS {target.duckdb})", type=target)
    if kind in (Kind.NUMERIC, Kind.FLOAT8) and NUMBER.fullmatch(text):
        number = decimal(stripped)
        if kind is Kind.FLOAT8:
            return replace(number, sql=f"CAST('{stripped}' AS DOUBLE)", type=FLOAT8)
        return number if number.type.scale >= target.scale else implicit(number, target)
    if kind is Kind.DATE and DATE.fullmatch(text):
        return replace(value, sql=f"CAST('{stripped}' AS DATE)", type=target)
    if kind is Kind.DATE:
        raise SqlNotSupported(f'the date "{text[:60]}"', "write it as YYYY-MM-DD")
    raise SqlError(f'invalid input syntax for type {target.name}: "{text[:200]}"')


def common_type(values: Sequence[Value], context: str) -> Type:
    """Return the type to which PostgreSQL converts all of them (its manual, section 10.5)."""
    types = [value.type for value in values if value.kind is not Kind.UNKNOWN]
    if not types:
        return TEXT
    if all(t.kind in NUMBERS for t in types):
        kind = max((t.kind for t in types), key=NUMBERS.index)
        return Type(kind, max(t.scale for t in types) if kind is Kind.NUMERIC else 0)
    for other in types[1:]:
        if other.kind is not types[0].kind:
            raise SqlError(f"{context} types {types[0].name} and {other.name} cannot be matched")
    return types[0]


def unify(values: Sequence[Value], context: str) -> list[Value]:
    """Convert all to their common type.

    All get the same scale, since DuckDB lowers the scale of decimals of different ones to have room for their digits.
    """
    target = common_type(values, context)
    typed = [implicit(value, target) for value in values]
    return [implicit(value, common_type(typed, context)) for value in typed]


def operands(operator: str, left: Value, right: Value) -> list[Value]:
    """Convert both operands of a comparison or an arithmetic operator to their common type."""
    try:
        return unify((left, right), operator)
    except SqlError as cause:
        if "cannot be matched" not in str(cause):
            raise
        names = f"{left.type.name} {operator} {right.type.name}"
        raise SqlError(f"operator does not exist: {names}; add a cast, for example period::int") from cause


def as_text(value: Value) -> Value:
    """Convert to text as PostgreSQL writes it."""
    if value.kind in (Kind.UNKNOWN, Kind.TEXT):
        return implicit(value, TEXT)
    if value.kind is Kind.NUMERIC:
        if not value.double:
            raise SqlNotSupported("a computed number as text", "round it and cast it to integer, or select the number")
        # A released table writes a number without superfluous zeros.
        stripped = f"rtrim(CAST({value.sql} AS VARCHAR), '0')"
        return replace(value, sql=f"rtrim({stripped}, '.')", type=TEXT, double="")
    if value.kind is Kind.FLOAT8:
        raise SqlNotSupported("double precision as text", "select the number")
    return replace(value, sql=f"CAST({value.sql} AS VARCHAR)", type=TEXT)


def cast(value: Value, target: Type, digits: int | None = None) -> Value:
    """Convert as PostgreSQL's CAST does. `digits` is the precision of numeric(digits, scale)."""
    name = value.name if value.is_named else target.label or target.kind.value
    converted = _cast(value, target, digits)
    kind = replace(converted.type, label=target.label)
    return replace(converted, type=kind, name=name, is_named=value.is_named, literal=None)


def _cast(value: Value, target: Type, digits: int | None) -> Value:
    kind = value.kind
    if target.kind is Kind.NUMERIC and digits is not None:
        number = value if kind in NUMBERS else _cast(value, Type(Kind.NUMERIC, COLUMN_SCALE), None)
        if number.kind is Kind.FLOAT8:
            raise SqlNotSupported("double precision to numeric", "use the column itself, which is numeric")
        return replace(number, sql=f"CAST({number.sql} AS DECIMAL({digits}, {target.scale}))", type=target, double="")
    if kind is Kind.UNKNOWN:
        return _of_literal(value, target)
    if target.kind is Kind.TEXT:
        return as_text(value)
    if target.kind is Kind.NUMERIC:
        if kind is Kind.NUMERIC:
            return value
        target = Type(Kind.NUMERIC, COLUMN_SCALE if kind is Kind.TEXT else 0)
    if kind is target.kind:
        return value
    if kind is Kind.TEXT:
        return _of_text(value, target)
    if kind is Kind.FLOAT8 and target.kind is Kind.NUMERIC:
        raise SqlNotSupported("double precision to numeric", "use the column itself, which is numeric")
    if target.kind is Kind.FLOAT8 and kind in NUMBERS:
        return replace(value, sql=as_double(value), type=FLOAT8, double="")
    is_number = kind in NUMBERS and target.kind in NUMBERS
    if is_number or (kind, target.kind) in ((Kind.BOOL, Kind.INT4), (Kind.INT4, Kind.BOOL)):
        return replace(value, sql=f"CAST({value.sql} AS {target.duckdb})", type=target, double="")
    raise SqlError(f"cannot cast type {value.type.name} to {target.name}")


# Texts that are values of a type in PostgreSQL 15 and here; DuckDB accepts more.
VALID_TEXTS = {
    Kind.INT4: r"\s*[+-]?[0-9]+\s*",
    Kind.INT8: r"\s*[+-]?[0-9]+\s*",
    Kind.NUMERIC: r"\s*[+-]?([0-9]+(\.[0-9]{0,12})?|\.[0-9]{1,12})\s*",
    Kind.FLOAT8: r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*",
    Kind.DATE: r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*",
}


def _of_text(value: Value, target: Type) -> Value:
    if target.kind not in VALID_TEXTS:
        raise SqlNotSupported(f"text to {target.name}", "compare the text, for example sex = 'K'")
    message = f"'invalid input syntax for type {target.name}: \"' || {value.sql} || '\"'"
    # A CASE evaluates the cast for valid texts only.
    sql = (
        f"CASE WHEN {value.sql} IS NULL THEN NULL WHEN regexp_full_match({value.sql}, '{VALID_TEXTS[target.kind]}')"
        f" THEN TRY_CAST(trim({value.sql}) AS {target.duckdb}) ELSE error({message}) END"
    )
    return replace(value, sql=sql, type=target)
