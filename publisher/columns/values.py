"""Values of literals (XSD 1.1 Part 2): numbers, booleans, dates and times, and how they compare and are written.

A function returns None where SPARQL has an error: an ill-typed literal, or values of types that do not compare.
"""

import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache

from vaven.publisher.columns.terms import XSD, literal, split_literal

INTEGER, DECIMAL, FLOAT, DOUBLE = (XSD + name for name in ("integer", "decimal", "float", "double"))
BOOLEAN, DATE_TIME, DATE, TIME = (XSD + name for name in ("boolean", "dateTime", "date", "time"))
# The types derived from xsd:integer with their bounds (XSD 1.1, section 3.4).
BOUNDS: dict[str, tuple[float, float]] = {
    "integer": (-math.inf, math.inf),
    "nonPositiveInteger": (-math.inf, 0),
    "negativeInteger": (-math.inf, -1),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-128, 127),
    "nonNegativeInteger": (0, math.inf),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 255),
    "positiveInteger": (1, math.inf),
}
INTEGERS = {XSD + name: bounds for name, bounds in BOUNDS.items()}
NUMERIC = {*INTEGERS, DECIMAL, FLOAT, DOUBLE}
INTEGER_FORM = re.compile(r"[+-]?[0-9]+")
DECIMAL_FORM = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
DOUBLE_FORM = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?INF|NaN")
ZONE = r"(?P<zone>Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
DAY = r"(?P<year>-?(?:[1-9][0-9]{3,}|0[0-9]{3}))-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12][0-9]|3[01])"
CLOCK = r"(?P<hour>[01][0-9]|2[0-4]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9](?:\.[0-9]+)?)"
FORMS = {
    DATE_TIME: re.compile(f"{DAY}T{CLOCK}{ZONE}"),
    DATE: re.compile(f"{DAY}{ZONE}"),
    TIME: re.compile(f"{CLOCK}{ZONE}"),
}
# Digits after the point of a quotient, as Oxigraph and XPath processors with 18 digits have.
SCALE = 18
PRECISE = Context(prec=400)
# The order of numeric types (section 17.3, type promotion).
PROMOTION = (INTEGER, DECIMAL, FLOAT, DOUBLE)
# Comparing values of which only one has a time zone (XSD 1.1 Part 2, section D.2.1).
FOURTEEN_HOURS = 14 * 3600


@dataclass(frozen=True)
class Number:
    """A number with its type, one of PROMOTION: int, Decimal or float."""

    value: int | Decimal | float
    datatype: str

    def exact(self) -> Fraction | float:
        """Return the number as a fraction; infinities and NaN as float."""
        return self.value if isinstance(self.value, float) and not math.isfinite(self.value) else Fraction(self.value)


@dataclass(frozen=True)
class Moment:
    """A dateTime, date or time: its fields, seconds on the timeline in UTC (or without a zone), and its zone."""

    datatype: str
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: Decimal
    zone: str | None
    seconds: Fraction


@lru_cache(maxsize=8192)
def number_of(term: str) -> Number | None:
    """Return the number of a literal's text; None for any other term and for an ill-typed number."""
    if term[0] != '"' or term[1:2] != "^":
        return None
    tag, lexical = split_literal(term)
    return parse_number(lexical, tag[1:])


def parse_number(lexical: str, datatype: str) -> Number | None:
    text = lexical.strip(" \t\r\n")
    if datatype in INTEGERS:
        if not INTEGER_FORM.fullmatch(text) or len(text) > 4000:
            return None
        low, high = INTEGERS[datatype]
        value = int(text)
        return Number(value, INTEGER) if low <= value <= high else None
    if datatype == DECIMAL:
        return Number(Decimal(text), DECIMAL) if DECIMAL_FORM.fullmatch(text) else None
    if datatype in (DOUBLE, FLOAT) and DOUBLE_FORM.fullmatch(text):
        double = float(text.replace("INF", "inf"))
        return Number(single(double) if datatype == FLOAT else double, datatype)
    return None


def single(value: float) -> float:
    """Round to IEEE single precision."""
    if not math.isfinite(value):
        return value
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
        return rounded
    except OverflowError:
        return math.copysign(math.inf, value)


def number_term(number: Number) -> str:
    """Return the literal of a number in its canonical form (XSD 1.1 Part 2, section E)."""
    return literal(number_text(number.value, number.datatype), number.datatype)


def number_text(value: int | Decimal | float, datatype: str) -> str:
    if isinstance(value, float):
        return _double_text(value, datatype == FLOAT)
    if isinstance(value, int):
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _double_text(value: float, is_single: bool) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    digits = repr(value)
    if is_single:
        digits = next(text for text in (f"{value:.{n}e}" for n in range(9)) if single(float(text)) == value)
    sign, figures, exponent = Decimal(digits).as_tuple()
    text = "".join(map(str, figures)).lstrip("0")
    if not text:
        return "-0.0E0" if math.copysign(1, value) < 0 else "0.0E0"
    power = len(text) - 1 + int(exponent)
    stripped = text.rstrip("0")
    return f"{'-' if sign else ''}{stripped[0]}.{stripped[1:] or '0'}E{power}"


def compute(operator: str, left: Number, right: Number) -> Number | None:
    """Compute `+`, `-`, `*` or `/` (XPath and XQuery Functions and Operators, section 6.2)."""
    datatype = max(left.datatype, right.datatype, key=PROMOTION.index)
    if datatype in (FLOAT, DOUBLE):
        operands = (float(left.value), float(right.value))
        x, y = map(single, operands) if datatype == FLOAT else operands
        return _compute_double(operator, x, y, datatype)
    a, b = _decimal(left), _decimal(right)
    if operator == "/":
        return divide(a, b)
    try:
        result = {"+": PRECISE.add, "-": PRECISE.subtract, "*": PRECISE.multiply}[operator](a, b)
    except InvalidOperation:
        return None
    return Number(int(result), INTEGER) if datatype == INTEGER else Number(result, DECIMAL)


def divide(a: Decimal, b: Decimal) -> Number | None:
    """Return a quotient of decimals, truncated; None for division by zero."""
    if not b:
        return None
    quotient = Fraction(a) / Fraction(b)
    scaled = abs(quotient.numerator) * 10**SCALE // quotient.denominator
    value = Decimal(scaled if quotient >= 0 else -scaled).scaleb(-SCALE, PRECISE)
    return Number(value, DECIMAL)


def _decimal(number: Number) -> Decimal:
    assert not isinstance(number.value, float)
    return Decimal(number.value)


def _compute_double(operator: str, a: float, b: float, datatype: str) -> Number:
    if operator == "+":
        result = a + b
    elif operator == "-":
        result = a - b
    elif operator == "*":
        result = a * b
    elif b:
        result = a / b
    else:
        sign = math.copysign(1, a) * math.copysign(1, b)
        result = math.nan if not a or math.isnan(a) else math.copysign(math.inf, sign)
    return Number(single(result) if datatype == FLOAT else result, datatype)


def compare_numbers(left: Number, right: Number) -> int | None:
    """Return -1, 0 or 1; None if one is NaN."""
    if {left.datatype, right.datatype} & {FLOAT, DOUBLE}:
        a, b = float(left.value), float(right.value)
        if FLOAT in (left.datatype, right.datatype) and DOUBLE not in (left.datatype, right.datatype):
            a, b = single(a), single(b)
        return None if math.isnan(a) or math.isnan(b) else (a > b) - (a < b)
    a_exact, b_exact = left.value, right.value
    return (a_exact > b_exact) - (a_exact < b_exact)


@lru_cache(maxsize=8192)
def moment_of(term: str) -> Moment | None:
    """Return the value of an xsd:dateTime, xsd:date or xsd:time; None for any other term."""
    if not term.startswith('"^'):
        return None
    tag, lexical = split_literal(term)
    form = FORMS.get(tag[1:])
    match = form.fullmatch(lexical.strip(" \t\r\n")) if form else None
    if not match:
        return None
    parts = match.groupdict()
    year, month, day = (int(parts.get(name) or value) for name, value in (("year", 1972), ("month", 12), ("day", 31)))
    hour, minute = (int(parts.get(name) or 0) for name in ("hour", "minute"))
    second = Decimal(parts.get("second") or 0)
    if hour == 24 and (minute or second):
        return None
    try:
        # Years beyond Python's range are moved by whole cycles of the calendar.
        cycles = (year - 1) // 400 if not 1 <= year <= 9998 else 0
        base = datetime(year - cycles * 400, month, day, tzinfo=UTC)
    except ValueError:
        return None
    days = (base - datetime(1, 1, 1, tzinfo=UTC)).days + cycles * 146_097
    seconds = Fraction(days * 86_400 + hour * 3600 + minute * 60) + Fraction(second)
    zone = parts["zone"]
    if hour == 24:
        moved = base + timedelta(days=1)
        year, month, day, hour = moved.year + cycles * 400, moved.month, moved.day, 0
    offset = zone_offset(zone)
    return Moment(tag[1:], year, month, day, hour, minute, second, zone, seconds - (offset or 0))


def zone_offset(zone: str | None) -> int | None:
    """Return a zone's offset in seconds."""
    if zone is None or zone == "Z":
        return None if zone is None else 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)


def compare_moments(left: Moment, right: Moment) -> int | None:
    """Return -1, 0 or 1; None if the order is indeterminate (XSD 1.1 Part 2, section D.2.1)."""
    if left.datatype != right.datatype:
        return None
    if (left.zone is None) == (right.zone is None):
        return (left.seconds > right.seconds) - (left.seconds < right.seconds)
    sign, local, zoned = (1, left, right) if left.zone is None else (-1, right, left)
    if local.seconds + FOURTEEN_HOURS < zoned.seconds:
        return -sign
    if local.seconds - FOURTEEN_HOURS > zoned.seconds:
        return sign
    return None


def boolean_of(term: str) -> bool | None:
    tag, lexical = split_literal(term)
    if tag != f"^{BOOLEAN}":
        return None
    return {"true": True, "1": True, "false": False, "0": False}.get(lexical.strip(" \t\r\n"))


def now_text() -> str:
    """Return the time of a query as a lexical form of xsd:dateTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def order_text(term: str) -> str:
    """Return a text by whose code points terms have the order of ORDER BY (section 15.1).

    Blank nodes, IRIs, then literals by value: the standard leaves the order of literals of different types open; here
    those of unknown datatypes come first, as cube:Undefined, then numbers, strings, booleans and times.
    """
    if term[0] != '"':
        return ("0" if term[0] == "_" else "1") + term
    number = number_of(term)
    if number:
        return "3" + _sortable(number.value)
    tag, lexical = split_literal(term)
    if tag[:1] != "^":
        return f"4{lexical}\x01{tag}"
    flag = boolean_of(term)
    if flag is not None:
        return f"5{flag:d}"
    moment = moment_of(term)
    if moment:
        return f"6{moment.datatype}\x01{_sortable(moment.seconds)}"
    return f"2{tag}\x01{lexical}"


def _sortable(value: int | Decimal | float | Fraction) -> str:
    """Return digits in the order of numbers: of the nearest double, then of the difference to it."""
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf if value > 0 else -math.inf
    rest = float(Fraction(value) - Fraction(nearest)) if math.isfinite(nearest) else 0.0
    return "".join(_double_digits(part) for part in (nearest, rest))


def _double_digits(value: float) -> str:
    if math.isnan(value):
        return "0" * 16
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return f"{(~bits & 0xFFFF_FFFF_FFFF_FFFF) if bits >> 63 else bits | 1 << 63:016x}"
