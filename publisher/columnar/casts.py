"""Functions on dates and times (section 17.4.5), and casts (section 17.5); None is an error."""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

from vaven.publisher.columnar.operators import boolean, effective
from vaven.publisher.columns.terms import (
    STRING,
    XSD,
    literal,
    split_literal,
)
from vaven.publisher.columns.values import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INTEGER,
    NUMERIC,
    TIME,
    Number,
    boolean_of,
    moment_of,
    number_of,
    number_term,
    parse_number,
    single,
    zone_offset,
)

DAY_TIME_DURATION = XSD + "dayTimeDuration"


def component(name: str, datatype_: str = INTEGER) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        moment = moment_of(term)
        if moment is None or (name in ("year", "month", "day") and moment.datatype == TIME):
            return None
        if name in ("hour", "minute", "second") and moment.datatype == DATE:
            return None
        value = getattr(moment, name)
        return number_term(Number(value, datatype_))

    return function


def zone(term: str) -> str | None:
    moment = moment_of(term)
    return None if moment is None else literal(moment.zone or "")


def zone_duration(term: str) -> str | None:
    moment = moment_of(term)
    seconds = zone_offset(moment.zone) if moment else None
    if seconds is None:
        return None
    hours, minutes = divmod(abs(seconds) // 60, 60)
    text = "".join((f"{hours}H" if hours else "", f"{minutes}M" if minutes else "")) or "0S"
    return literal(f"{'-' if seconds < 0 else ''}PT{text}", DAY_TIME_DURATION)


def _cast(target: str) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        if term[0] == "<":
            return literal(term[1:]) if target == STRING else None
        if term[0] == "_":
            return None
        tag, lexical = split_literal(term)
        if tag[:1] == "@":
            return literal(lexical) if target == STRING else None
        if target == STRING:
            number, flag = number_of(term), boolean_of(term)
            return literal(_number_string(number) if number else lexical if flag is None else str(flag).lower())
        if target in NUMERIC:
            return _to_number(term, tag, lexical, target)
        if target == BOOLEAN:
            number = number_of(term)
            if number:
                return boolean(effective(term))
            is_text = not tag or tag[1:] == BOOLEAN
            return boolean(boolean_of(literal(lexical, BOOLEAN))) if is_text else None
        return _to_moment(term, tag, lexical, target)

    return function


def _number_string(number: Number) -> str:
    """Write a number as casts to strings do (F&O, section 19.1.2): whole doubles without exponent."""
    value = number.value
    if isinstance(value, float) and math.isfinite(value) and (value == 0 or 1e-6 <= abs(value) < 1e6):
        return ("-0" if str(value) == "-0.0" else format(Decimal(repr(value)), "f").removesuffix(".0")) or "0"
    return split_literal(number_term(number))[1]


def _to_number(term: str, tag: str, lexical: str, target: str) -> str | None:
    if not tag:
        number = parse_number(lexical, target)
        return number_term(number) if number else None
    if tag[1:] == BOOLEAN:
        value = boolean_of(term)
        number = None if value is None else Number(int(value), INTEGER)
    else:
        number = number_of(term)
        if number and tag[1:] == target:
            return term
    if number is None:
        return None
    if target in (DOUBLE, FLOAT):
        double = float(number.value)
        return number_term(Number(single(double) if target == FLOAT else double, target))
    if isinstance(number.value, float) and not math.isfinite(number.value):
        return None
    if target == DECIMAL:
        with localcontext() as context:
            context.prec = 400
            return number_term(Number(Decimal(number.value), DECIMAL))
    return literal(str(int(number.value)), target)


def _to_moment(term: str, tag: str, lexical: str, target: str) -> str | None:
    if target not in (DATE_TIME, DATE, TIME):
        return None
    if not tag or tag[1:] == target:
        return literal(lexical.strip(), target) if moment_of(literal(lexical, target)) else None
    moment = moment_of(term)
    if moment is None or (moment.datatype == TIME) or (target == TIME and moment.datatype == DATE):
        return None
    if target == DATE_TIME:
        zone_text = moment.zone or ""
        day = lexical.strip().removesuffix(zone_text)
        return literal(f"{day}T00:00:00{zone_text}", DATE_TIME)
    day, _, clock = lexical.strip().partition("T")
    return literal(day + (moment.zone or ""), DATE) if target == DATE else literal(clock, TIME)


CASTS = {f"<{name}": _cast(name) for name in (STRING, INTEGER, DECIMAL, FLOAT, DOUBLE, BOOLEAN, DATE_TIME, DATE, TIME)}
