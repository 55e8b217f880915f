"""Operators of SPARQL (section 17.3) and functions on terms over the texts of terms; None is an error."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import urljoin

from vaven.publisher.columnar.strings import simple
from vaven.publisher.columns.terms import (
    FALSE,
    LANGUAGE_STRING,
    STRING,
    TRUE,
    iri,
    language_literal,
    literal,
    split_literal,
)
from vaven.publisher.columns.values import (
    BOOLEAN,
    NUMERIC,
    Moment,
    Number,
    boolean_of,
    compare_moments,
    compare_numbers,
    compute,
    moment_of,
    number_of,
    number_term,
)


def boolean(value: bool | None) -> str | None:
    return None if value is None else TRUE if value else FALSE


def _datatype(term: str) -> str:
    tag, _ = split_literal(term)
    return tag[1:] if tag[:1] == "^" else LANGUAGE_STRING if tag else STRING


def effective(term: str) -> bool | None:
    """Return the effective boolean value (section 17.2.2)."""
    if term[0] != '"':
        return None
    tag, lexical = split_literal(term)
    if tag[:1] != "^":
        return bool(lexical)
    if tag[1:] == BOOLEAN:
        # Ill-typed booleans and numbers are false.
        return bool(boolean_of(term))
    if tag[1:] in NUMERIC:
        number = number_of(term)
        return number is not None and not math.isnan(number.value) and bool(number.value)
    return None


def equal(left: str, right: str) -> bool | None:
    """Compare by value (section 17.4.1.7); None for literals that may have equal values."""
    if left[0] != '"' or right[0] != '"':
        return left == right
    a, b = number_of(left), number_of(right)
    if a and b:
        order = compare_numbers(a, b)
        return order == 0
    if left == right:
        return True
    if left[1] == "@" or right[1] == "@":
        # No value of another datatype has a language.
        return False
    x, y = _value(left), _value(right)
    if x is None or y is None:
        return None
    if isinstance(x, Moment) and isinstance(y, Moment) and x.datatype == y.datatype:
        order = compare_moments(x, y)
        return None if order is None else order == 0
    return bool(x == y)


def _value(term: str) -> object:
    """Return a literal's value; None if its datatype is unknown or it is ill-typed."""
    tag, _ = split_literal(term)
    if tag[:1] != "^":
        return term
    if tag[1:] == BOOLEAN:
        value = boolean_of(term)
        # A boolean is no number, though Python says that True is 1.
        return None if value is None else (BOOLEAN, value)
    return number_of(term) or moment_of(term)


def compare(left: str, right: str) -> float | None:
    """Return -1, 0 or 1 for values that `<` compares (section 17.3), NaN if one is; None for others."""
    a, b = number_of(left), number_of(right)
    if a and b:
        order = compare_numbers(a, b)
        # NaN is neither less, equal nor greater, which is no error (F&O, section 4.3).
        return math.nan if order is None else order
    x, y = simple(left), simple(right)
    if x is not None and y is not None:
        return (x > y) - (x < y)
    if left[0] == right[0] == '"':
        m, n = moment_of(left), moment_of(right)
        if m and n:
            return compare_moments(m, n)
        p, q = boolean_of(left), boolean_of(right)
        if p is not None and q is not None:
            return p - q
    return None


def less(left: str, right: str) -> bool | None:
    order = compare(left, right)
    return None if order is None else order < 0


def at_most(left: str, right: str) -> bool | None:
    order = compare(left, right)
    return None if order is None else order <= 0


def arithmetic(operator: str) -> Callable[[str, str], str | None]:
    def function(left: str, right: str) -> str | None:
        a, b = number_of(left), number_of(right)
        if a and b:
            result = compute(operator, a, b)
            return number_term(result) if result else None
        return None

    return function


def plus(term: str) -> str | None:
    """Return the operand unchanged (F&O, section 4.2.7)."""
    return term if number_of(term) else None


def minus(term: str) -> str | None:
    number = number_of(term)
    if number is None:
        return None
    # The operator of decimals would round to the digits of Python's context.
    value = number.value.copy_negate() if isinstance(number.value, Decimal) else -number.value
    return number_term(Number(value, number.datatype))


def rounded(rounding: Callable[[Number], Any]) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        number = number_of(term)
        if number is None:
            return None
        value = number.value
        if (
            isinstance(value, int)
            or (isinstance(value, float) and value in (value + 1, value - 1))
            or math.isnan(value)
        ):
            return number_term(number)
        result: int | Decimal | float = rounding(number)
        return number_term(Number(result, number.datatype))

    return function


def _in_type(number: Number, integral: int) -> int | Decimal | float:
    if isinstance(number.value, float):
        # -0.0 of a negative fraction (F&O, section 4.4.4).
        return -0.0 if integral == 0 and number.value < 0 else float(integral)
    return Decimal(integral)


def floor(number: Number) -> int | Decimal | float:
    fraction = Fraction(number.value)
    return _in_type(number, fraction.numerator // fraction.denominator)


def ceiling(number: Number) -> int | Decimal | float:
    fraction = Fraction(number.value)
    return _in_type(number, -(-fraction.numerator // fraction.denominator))


def nearest(number: Number) -> int | Decimal | float:
    # Half is rounded up (F&O, section 4.4.4).
    fraction = Fraction(number.value) + Fraction(1, 2)
    return _in_type(number, fraction.numerator // fraction.denominator)


def absolute(term: str) -> str | None:
    number = number_of(term)
    if number is None:
        return None
    # Of negative zero, too (F&O, section 4.4.1).
    value = number.value.copy_abs() if isinstance(number.value, Decimal) else abs(number.value)
    return number_term(Number(value, number.datatype))


def is_iri(term: str) -> bool:
    return term[0] == "<"


def is_blank(term: str) -> bool:
    return term[0] == "_"


def is_literal(term: str) -> bool:
    return term[0] == '"'


def is_numeric(term: str) -> bool:
    return number_of(term) is not None


def text_of(term: str) -> str | None:
    """STR: the lexical form of a literal, or an IRI, as a string."""
    if term[0] == "_":
        return None
    return f'""{term[1:]}' if term[0] == "<" else f'""{split_literal(term)[1]}'


def language(term: str) -> str | None:
    if term[0] != '"':
        return None
    tag, _ = split_literal(term)
    return f'""{tag[1:]}' if tag[:1] == "@" else '""'


def datatype(term: str) -> str | None:
    return iri(_datatype(term)) if term[0] == '"' else None


def to_iri(term: str, base: str) -> str | None:
    """IRI: resolve a string against the base of the query (section 17.4.2.8)."""
    if term[0] == "<":
        return term
    text = simple(term)
    if text is None or re.search(r"[\x00-\x20<>\"{}|^`\\]", text):
        return None
    if re.match("[A-Za-z][A-Za-z0-9+.-]*:", text):
        return iri(text)
    reference, mark, rest = text.partition("#")
    return iri(urljoin(base, reference) + mark + rest)


def typed(lexical: str, kind: str) -> str | None:
    text = simple(lexical)
    return literal(text, kind[1:]) if text is not None and kind[0] == "<" and kind[1:] != LANGUAGE_STRING else None


def tagged(lexical: str, tag: str) -> str | None:
    text, name = simple(lexical), simple(tag)
    if text is None or name is None or not re.fullmatch("[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", name):
        return None
    return language_literal(text, name)
