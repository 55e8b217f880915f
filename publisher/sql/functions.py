"""Functions of PostgreSQL that a query may call, each with its translation to DuckDB."""

from collections.abc import Callable, Sequence

from vaven.publisher.sql.errors import SqlError, SqlNotSupported
from vaven.publisher.sql.values import (
    BOOL,
    FLOAT8,
    INT4,
    INT8,
    INTEGERS,
    NUMBERS,
    QUOTIENT_SCALE,
    TEXT,
    Kind,
    Type,
    Value,
    as_text,
    implicit,
    unify,
)

NUMERIC = Type(Kind.NUMERIC, QUOTIENT_SCALE)
Translation = Callable[[Sequence[Value]], Value]


def refuse_call(name: str, arguments: Sequence[Value]) -> SqlError:
    """Return PostgreSQL's error for a call with arguments that no such function takes."""
    return SqlError(f"function {name}({', '.join(value.type.name for value in arguments)}) does not exist")


def text_function(template: str, *types: Type, returns: Type = TEXT, optional: int = 0) -> Translation:
    """Return the translation of a function with parameters of these types, the last `optional` ones optional."""

    def translate(arguments: Sequence[Value]) -> Value:
        least = len(types) - optional
        if not least <= len(arguments) <= len(types):
            raise SqlError("wrong number of arguments")
        converted = [implicit(value, kind).sql for value, kind in zip(arguments, types, strict=False)]
        defaults = ["' '"] * (len(types) - len(arguments))
        return Value(template.format(*converted, *defaults), returns)

    return translate


def _substring(arguments: Sequence[Value]) -> Value:
    """Translate substring(text, start, length), which counts positions before the text as well."""
    text, start = implicit(arguments[0], TEXT).sql, implicit(arguments[1], INT4).sql
    if len(arguments) == 2:
        return Value(f"substring({text}, greatest({start}, 1))", TEXT)
    length = implicit(arguments[2], INT4).sql
    first, last = f"CAST({start} AS BIGINT)", f"CAST({start} AS BIGINT) + {length}"
    checked = f"greatest(greatest({last}, 1) - greatest({first}, 1), 0)"
    error = "error('negative substring length not allowed')"
    return Value(
        f"CASE WHEN {length} < 0 THEN {error} ELSE substring({text}, greatest({first}, 1), {checked}) END", TEXT
    )


def _split_part(arguments: Sequence[Value]) -> Value:
    text, delimiter, number = arguments
    if not delimiter.literal or not (number.literal or "").isdigit() or number.literal == "0":
        raise SqlNotSupported("split_part with other than a literal delimiter and a positive literal number")
    sql = f"split_part({implicit(text, TEXT).sql}, {implicit(delimiter, TEXT).sql}, {implicit(number, INT4).sql})"
    return Value(sql, TEXT)


def _concat(arguments: Sequence[Value]) -> Value:
    return Value(f"concat({', '.join(as_text(value).sql for value in arguments)})", TEXT)


def _concat_ws(arguments: Sequence[Value]) -> Value:
    return Value(f"concat_ws({', '.join(as_text(value).sql for value in arguments)})", TEXT)


def _coalesce(arguments: Sequence[Value]) -> Value:
    values = unify(arguments, "COALESCE")
    return Value(f"coalesce({', '.join(v.sql for v in values)})", values[0].type)


def _extreme(name: str) -> Translation:
    def translate(arguments: Sequence[Value]) -> Value:
        values = unify(arguments, name.upper())
        return Value(f"{name}({', '.join(v.sql for v in values)})", values[0].type)

    return translate


def _nullif(arguments: Sequence[Value]) -> Value:
    first, second = unify(arguments, "NULLIF")
    # PostgreSQL compares integers of different length as they are.
    result = arguments[0] if arguments[0].kind in INTEGERS and second.kind in INTEGERS else first
    return Value(f"CASE WHEN {first.sql} = {second.sql} THEN NULL ELSE {result.sql} END", result.type)


def _number(value: Value, name: str) -> Value:
    value = implicit(value, FLOAT8) if value.kind is Kind.UNKNOWN else value
    if value.kind not in NUMBERS:
        raise refuse_call(name, (value,))
    return value


def _same_type(name: str) -> Translation:
    """Translate a function whose result has its argument's type, for example abs."""

    def translate(arguments: Sequence[Value]) -> Value:
        value = _number(arguments[0], name)
        return Value(f"CAST({name}({value.sql}) AS {value.type.duckdb})", value.type)

    return translate


def _to_integer(name: str) -> Translation:
    """Translate ceil or floor, which is double precision for an integer."""

    def translate(arguments: Sequence[Value]) -> Value:
        value = _number(arguments[0], name)
        value = implicit(value, FLOAT8) if value.kind in INTEGERS else value
        target = Type(Kind.NUMERIC) if value.kind is Kind.NUMERIC else FLOAT8
        return Value(f"CAST({name}({value.sql}) AS {target.duckdb})", target)

    return translate


def _round(arguments: Sequence[Value]) -> Value:
    value = _number(arguments[0], "round")
    if len(arguments) == 1:
        if value.kind is Kind.NUMERIC:
            return Value(f"CAST(round({value.sql}, 0) AS DECIMAL(38, 0))", Type(Kind.NUMERIC))
        return Value(f"round_even({implicit(value, FLOAT8).sql}, 0)", FLOAT8)
    digits = (arguments[1].literal or "").lstrip("-")
    if value.kind is Kind.FLOAT8:
        raise SqlError("function round(double precision, integer) does not exist")
    if not digits.isdigit() or int(digits) > QUOTIENT_SCALE:
        raise SqlNotSupported(f"round with other than a literal number of 0 to {QUOTIENT_SCALE} digits")
    value = implicit(value, Type(Kind.NUMERIC)) if value.kind in INTEGERS else value
    if str(arguments[1].literal).startswith("-"):
        factor = 10 ** int(digits)
        raise SqlNotSupported("round to tens", f"divide first: round(value / {factor}) * {factor}")
    scale = min(int(digits), value.type.scale)
    return Value(f"CAST(round({value.sql}, {scale}) AS DECIMAL(38, {scale}))", Type(Kind.NUMERIC, scale))


def _trunc(arguments: Sequence[Value]) -> Value:
    if arguments[0].kind is Kind.UNKNOWN:
        raise SqlError("function trunc(unknown) is not unique")
    value = _number(arguments[0], "trunc")
    if len(arguments) != 1:
        raise SqlNotSupported("trunc with a number of digits", "use round")
    value = implicit(value, FLOAT8) if value.kind in INTEGERS else value
    target = Type(Kind.NUMERIC) if value.kind is Kind.NUMERIC else FLOAT8
    return Value(f"CAST(trunc({value.sql}) AS {target.duckdb})", target)


def _of_double(name: str, duckdb: str = "") -> Translation:
    """Translate a function of double precision; PostgreSQL's own for numeric has other digits."""

    def translate(arguments: Sequence[Value]) -> Value:
        values = [_number(value, name) for value in arguments]
        if not any(v.kind is Kind.FLOAT8 for v in values) and any(v.kind is Kind.NUMERIC for v in values):
            raise SqlNotSupported(f"{name} of numeric", "cast it to double precision")
        return Value(f"{duckdb or name}({', '.join(implicit(v, FLOAT8).sql for v in values)})", FLOAT8)

    return translate


def divide(left: Value, right: Value) -> Value:
    """Translate the operator / for operands of one type."""
    if left.kind is Kind.NUMERIC:
        return Value(f"numeric_divide(CAST({left.sql} AS VARCHAR), CAST({nonzero(right)} AS VARCHAR))", NUMERIC)
    operator = "//" if left.kind in INTEGERS else "/"
    return Value(f"CAST({left.sql} {operator} {nonzero(right)} AS {left.type.duckdb})", left.type)


def nonzero(value: Value) -> str:
    if value.literal and value.literal.strip("0"):
        return value.sql
    return f"CASE WHEN {value.sql} = 0 THEN error('division by zero') ELSE {value.sql} END"


def mod(left: Value, right: Value) -> Value:
    if left.kind is Kind.NUMERIC:
        return Value(f"numeric_remainder(CAST({left.sql} AS VARCHAR), CAST({nonzero(right)} AS VARCHAR))", NUMERIC)
    if left.kind not in INTEGERS:
        raise SqlError("operator does not exist: double precision % double precision")
    return Value(f"CAST({left.sql} % {nonzero(right)} AS {left.type.duckdb})", left.type)


def _mod(arguments: Sequence[Value]) -> Value:
    left, right = unify(arguments, "mod")
    return mod(left, right)


POWER = _of_double("power", "pow")
SCALAR: dict[str, Translation] = {
    "lower": text_function("lower({0})", TEXT),
    "upper": text_function("upper({0})", TEXT),
    "length": text_function("CAST(length({0}) AS INTEGER)", TEXT, returns=INT4),
    "char_length": text_function("CAST(length({0}) AS INTEGER)", TEXT, returns=INT4),
    "character_length": text_function("CAST(length({0}) AS INTEGER)", TEXT, returns=INT4),
    "btrim": text_function("trim({0}, {1})", TEXT, TEXT, optional=1),
    "ltrim": text_function("ltrim({0}, {1})", TEXT, TEXT, optional=1),
    "rtrim": text_function("rtrim({0}, {1})", TEXT, TEXT, optional=1),
    "left": text_function("left({0}, {1})", TEXT, INT4),
    "right": text_function("right({0}, {1})", TEXT, INT4),
    "strpos": text_function("CAST(strpos({0}, {1}) AS INTEGER)", TEXT, TEXT, returns=INT4),
    "starts_with": text_function("starts_with({0}, {1})", TEXT, TEXT, returns=BOOL),
    "replace": text_function("replace({0}, {1}, {2})", TEXT, TEXT, TEXT),
    "reverse": text_function("reverse({0})", TEXT),
    "repeat": text_function("repeat({0}, greatest({1}, 0))", TEXT, INT4),
    "lpad": text_function("lpad({0}, greatest({1}, 0), {2})", TEXT, INT4, TEXT, optional=1),
    "rpad": text_function("rpad({0}, greatest({1}, 0), {2})", TEXT, INT4, TEXT, optional=1),
    "md5": text_function("md5({0})", TEXT),
    "substr": _substring,
    "substring": _substring,
    "split_part": _split_part,
    "concat": _concat,
    "concat_ws": _concat_ws,
    "coalesce": _coalesce,
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "nullif": _nullif,
    "abs": _same_type("abs"),
    "ceil": _to_integer("ceil"),
    "ceiling": _to_integer("ceil"),
    "floor": _to_integer("floor"),
    "round": _round,
    "trunc": _trunc,
    "mod": _mod,
    "sqrt": _of_double("sqrt"),
    "exp": _of_double("exp"),
    "ln": _of_double("ln"),
    "log": _of_double("log", "log10"),
    "power": POWER,
    "pow": POWER,
}
# Numbers of arguments where a translation does not count them.
ARGUMENTS = {
    "substr": (2, 3), "substring": (2, 3), "split_part": (3, 3), "nullif": (2, 2), "abs": (1, 1), "ceil": (1, 1),
    "ceiling": (1, 1), "floor": (1, 1), "round": (1, 2), "trunc": (1, 2), "mod": (2, 2), "sqrt": (1, 1), "exp": (1, 1),
    "ln": (1, 1), "log": (1, 1), "power": (2, 2), "pow": (2, 2), "concat_ws": (2, 100),
}  # fmt: skip


def call(name: str, arguments: Sequence[Value]) -> Value:
    """Translate the call of a scalar function. Raises SqlError."""
    least, most = ARGUMENTS.get(name, (1, 100))
    if not least <= len(arguments) <= most:
        raise refuse_call(name, arguments)
    try:
        return SCALAR[name](arguments).named(name)
    except SqlError as cause:
        if "cannot be matched" in str(cause) or "wrong number" in str(cause):
            raise refuse_call(name, arguments) from cause
        raise


# --- aggregates and window functions: templates with {distinct}, the argument {x}, and {over} for FILTER and OVER


def _sum(value: Value) -> tuple[str, Type]:
    if value.kind is Kind.INT4:
        return "CAST(sum({distinct}{x}){over} AS BIGINT)", INT8
    if value.kind is Kind.INT8:
        return "CAST(sum({distinct}{x}){over} AS DECIMAL(38, 0))", Type(Kind.NUMERIC)
    if value.kind is Kind.NUMERIC:
        return "CAST(sum({distinct}{x}){over} AS " + value.type.duckdb + ")", value.type
    if value.kind is Kind.FLOAT8:
        return "sum({distinct}{x}){over}", FLOAT8
    raise refuse_call("sum", (value,))


def _avg(value: Value) -> tuple[str, Type]:
    if value.kind is Kind.FLOAT8:
        return "avg({distinct}{x}){over}", FLOAT8
    if value.kind in NUMBERS:
        total, count = "CAST(sum({distinct}{x}){over} AS VARCHAR)", "CAST(count({distinct}{x}){over} AS VARCHAR)"
        return f"numeric_divide({total}, {count})", NUMERIC
    raise refuse_call("avg", (value,))


def _extreme_of(name: str) -> Callable[[Value], tuple[str, Type]]:
    def translate(value: Value) -> tuple[str, Type]:
        if value.kind is Kind.BOOL:
            raise refuse_call(name, (value,))
        return name + "({distinct}{x}){over}", value.type

    return translate


def _boolean(name: str) -> Callable[[Value], tuple[str, Type]]:
    def translate(value: Value) -> tuple[str, Type]:
        if value.kind is not Kind.BOOL:
            raise refuse_call(name, (value,))
        return name + "({distinct}{x}){over}", BOOL

    return translate


def _dispersion(name: str) -> Callable[[Value], tuple[str, Type]]:
    def translate(value: Value) -> tuple[str, Type]:
        if value.kind is Kind.FLOAT8:
            raise SqlNotSupported(f"{name} of double precision", "use the column itself, which is numeric")
        if value.kind not in NUMBERS:
            raise refuse_call(name, (value,))
        return f"numeric_{name}(list({{distinct}}CAST({{x}} AS VARCHAR)){{over}})", NUMERIC

    return translate


AGGREGATES: dict[str, Callable[[Value], tuple[str, Type]]] = {
    "count": lambda _: ("count({distinct}{x}){over}", INT8),
    "sum": _sum,
    "avg": _avg,
    "min": _extreme_of("min"),
    "max": _extreme_of("max"),
    "bool_and": _boolean("bool_and"),
    "bool_or": _boolean("bool_or"),
    "stddev": _dispersion("stddev_samp"),
    "stddev_samp": _dispersion("stddev_samp"),
    "stddev_pop": _dispersion("stddev_pop"),
    "variance": _dispersion("var_samp"),
    "var_samp": _dispersion("var_samp"),
    "var_pop": _dispersion("var_pop"),
}
# Without an argument: the type of the result.
RANKS = {
    "row_number": INT8, "rank": INT8, "dense_rank": INT8, "percent_rank": FLOAT8, "cume_dist": FLOAT8,
}  # fmt: skip
# With a value of any type as first argument.
OFFSETS = {"lag": (1, 3), "lead": (1, 3), "first_value": (1, 1), "last_value": (1, 1), "nth_value": (2, 2)}
ALLOWED = frozenset((*SCALAR, *AGGREGATES, *RANKS, *OFFSETS, "ntile", "string_agg", "percentile_cont"))


def offset_call(name: str, arguments: Sequence[Value]) -> tuple[str, Type]:
    """Translate lag, lead and their kin: the call without OVER, and its type."""
    least, most = OFFSETS[name]
    if not least <= len(arguments) <= most:
        raise refuse_call(name, arguments)
    value = implicit(arguments[0], TEXT) if arguments[0].kind is Kind.UNKNOWN else arguments[0]
    parts = [value.sql, *(implicit(number, INT4).sql for number in arguments[1:2])]
    if len(arguments) == 3:
        default = arguments[2]
        if default.kind is not value.kind and default.kind is not Kind.UNKNOWN:
            value, default = unify((value, default), name)
            parts[0] = value.sql
        parts.append(implicit(default, value.type).sql)
    return f"{name}({', '.join(parts)})", value.type


def with_double(value: Value) -> Value:
    """Convert a number to double precision for percentile_cont."""
    return implicit(_number(value, "percentile_cont"), FLOAT8)
