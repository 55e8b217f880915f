"""PostgreSQL's division of numeric values, as functions of Python that a worker registers in DuckDB.

DuckDB divides decimals as floating-point numbers, whose halves are rounded in the other direction.
"""

import decimal
from collections.abc import Sequence
from decimal import Decimal

import duckdb

# For the process that forks workers: see columnar/run.py.
import numpy  # noqa: F401
from duckdb.func import FunctionNullHandling

from vaven.publisher.sql.values import QUOTIENT_SCALE

# Significant digits of a quotient (NUMERIC_MIN_SIG_DIGITS), and digits in each group of PostgreSQL's representation.
MIN_DIGITS, GROUP_DIGITS = 16, 4
CONTEXT = decimal.Context(prec=80, rounding=decimal.ROUND_HALF_UP)


def divide(dividend: str, divisor: str) -> Decimal:
    """Divide with as many decimals as PostgreSQL (numeric.c, select_div_scale). Raises ValueError."""
    a, b = Decimal(dividend), Decimal(divisor)
    if not b:
        raise ValueError("division by zero")
    scale = min(max(_scale(a, b), 0), QUOTIENT_SCALE)
    return CONTEXT.quantize(CONTEXT.divide(a, b), Decimal(1).scaleb(-scale))


def multiply(left: str, right: str) -> Decimal:
    product = CONTEXT.multiply(Decimal(left), Decimal(right))
    return CONTEXT.quantize(product, Decimal(1).scaleb(-QUOTIENT_SCALE))


def remainder(dividend: str, divisor: str) -> Decimal:
    if not Decimal(divisor):
        raise ValueError("division by zero")
    return CONTEXT.remainder(Decimal(dividend), Decimal(divisor))


def var_samp(numbers: Sequence[str | None] | None) -> Decimal | None:
    return _variance(numbers, is_sample=True, is_root=False)


def var_pop(numbers: Sequence[str | None] | None) -> Decimal | None:
    return _variance(numbers, is_sample=False, is_root=False)


def stddev_samp(numbers: Sequence[str | None] | None) -> Decimal | None:
    return _variance(numbers, is_sample=True, is_root=True)


def stddev_pop(numbers: Sequence[str | None] | None) -> Decimal | None:
    return _variance(numbers, is_sample=False, is_root=True)


def _variance(numbers: Sequence[str | None] | None, *, is_sample: bool, is_root: bool) -> Decimal | None:
    """Return variance or standard deviation, rounded as in numeric.c, numeric_stddev_internal; None if undefined."""
    values = [Decimal(number) for number in numbers or () if number is not None]
    count = len(values)
    if count <= is_sample:
        return None
    with decimal.localcontext(CONTEXT):
        total, squares = sum(values, Decimal()), sum((value * value for value in values), Decimal())
        numerator, denominator = count * squares - total * total, Decimal(count * (count - is_sample))
    if numerator <= 0:
        return Decimal()
    scale = _scale(numerator, denominator)
    result = CONTEXT.divide(numerator, denominator).quantize(Decimal(1).scaleb(-scale), context=CONTEXT)
    result = CONTEXT.sqrt(result) if is_root else result
    return result.quantize(Decimal(1).scaleb(-min(scale, QUOTIENT_SCALE)), context=CONTEXT)


def _scale(a: Decimal, b: Decimal) -> int:
    (weight_a, first_a), (weight_b, first_b) = _leading_group(a), _leading_group(b)
    weight = weight_a - weight_b - (first_a <= first_b)
    return max(MIN_DIGITS - weight * GROUP_DIGITS, _decimals(a), _decimals(b))


def _leading_group(number: Decimal) -> tuple[int, int]:
    """Return weight and value of the first group of four digits that is not zero."""
    if not number:
        return 0, 0
    weight = number.adjusted() // GROUP_DIGITS
    return weight, int(abs(number).scaleb(-weight * GROUP_DIGITS, CONTEXT))


def _decimals(number: Decimal) -> int:
    return max(-int(number.normalize(CONTEXT).as_tuple().exponent), 0)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Define numeric_divide, numeric_variance and the others on a connection."""
    number = duckdb.decimal_type(38, QUOTIENT_SCALE)
    text = duckdb.type("VARCHAR")
    for function in (divide, multiply, remainder):
        connection.create_function(f"numeric_{function.__name__}", function, [text, text], number)
    texts, with_nulls = duckdb.list_type(text), FunctionNullHandling.SPECIAL
    for dispersion in (var_samp, var_pop, stddev_samp, stddev_pop):
        name = f"numeric_{dispersion.__name__}"
        connection.create_function(name, dispersion, [texts], number, null_handling=with_nulls)
