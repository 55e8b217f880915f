"""Operators and functions of SPARQL 1.1 (section 17) over the texts of terms (columns/terms.py).

Each takes texts of terms and returns one, or True or False; None is an error. They are the definition: translated SQL
returns the same where it is used instead.
"""

import hashlib
import math
import random
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urljoin

from vaven.publisher.columns.terms import (
    FALSE,
    LANGUAGE_STRING,
    STRING,
    TRUE,
    XSD,
    iri,
    language_literal,
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
    Moment,
    Number,
    boolean_of,
    compare_moments,
    compare_numbers,
    compute,
    moment_of,
    number_of,
    number_term,
    order_text,
    parse_number,
    single,
    zone_offset,
)

DAY_TIME_DURATION = XSD + "dayTimeDuration"
# Functions of XPath's regular expressions that Python writes otherwise (F&O 3.1, section 5.6.1).
FLAGS = {"s": re.DOTALL, "m": re.MULTILINE, "i": re.IGNORECASE, "x": re.VERBOSE}
NAME_CLASSES = {r"\i": r"[^\W\d]|[:_]", r"\c": r"[\w.:\-\u00b7]"}
GROUP = re.compile(r"\\([\\$])|\$(\d)|(\\|\$)", re.DOTALL)


def boolean(value: bool | None) -> str | None:
    return None if value is None else TRUE if value else FALSE


def string_of(term: str) -> tuple[str, str] | None:
    """Return the lexical form and the language tag (`@sv` or "") of a string literal; None for any other term."""
    if term[0] != '"':
        return None
    tag, lexical = split_literal(term)
    return (lexical, tag) if tag[:1] != "^" else None


def _simple(term: str) -> str | None:
    return term[2:] if term.startswith('""') else None


def _with_tag(lexical: str, tag: str) -> str:
    return f'"{tag}"{lexical}'


def _datatype(term: str) -> str:
    tag, _ = split_literal(term)
    return tag[1:] if tag[:1] == "^" else LANGUAGE_STRING if tag else STRING


# --- truth, equality and order


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


def compare(left: str, right: str) -> int | None:
    """Return -1, 0 or 1 for values that `<` compares (section 17.3); None for others."""
    a, b = number_of(left), number_of(right)
    if a and b:
        return compare_numbers(a, b)
    x, y = _simple(left), _simple(right)
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


# --- arithmetic


def arithmetic(operator: str) -> Callable[[str, str], str | None]:
    def function(left: str, right: str) -> str | None:
        a, b = number_of(left), number_of(right)
        if a and b:
            result = compute(operator, a, b)
            return number_term(result) if result else None
        return None

    return function


def plus(term: str) -> str | None:
    number = number_of(term)
    return number_term(number) if number else None


def minus(term: str) -> str | None:
    number = number_of(term)
    return number_term(Number(-number.value, number.datatype)) if number else None


def _rounded(rounding: Callable[[Number], Any]) -> Callable[[str], str | None]:
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
        return number_term(Number(rounding(number), number.datatype))

    return function


def _in_type(number: Number, integral: int) -> int | Decimal | float:
    if isinstance(number.value, float):
        # -0.0 of a negative fraction (F&O, section 4.4.4).
        return -0.0 if integral == 0 and number.value < 0 else float(integral)
    return Decimal(integral)


def _floor(number: Number) -> int | Decimal | float:
    fraction = Fraction(number.value)
    return _in_type(number, fraction.numerator // fraction.denominator)


def _ceiling(number: Number) -> int | Decimal | float:
    fraction = Fraction(number.value)
    return _in_type(number, -(-fraction.numerator // fraction.denominator))


def _round(number: Number) -> int | Decimal | float:
    # Half is rounded up (F&O, section 4.4.4).
    fraction = Fraction(number.value) + Fraction(1, 2)
    return _in_type(number, fraction.numerator // fraction.denominator)


def absolute(term: str) -> str | None:
    number = number_of(term)
    return number_term(Number(abs(number.value), number.datatype)) if number else None


# --- terms


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


def to_iri(base: str) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        if term[0] == "<":
            return term
        text = _simple(term)
        if text is None or re.search(r"[\x00-\x20<>\"{}|^`\\]", text):
            return None
        if re.match("[A-Za-z][A-Za-z0-9+.-]*:", text):
            return iri(text)
        reference, mark, rest = text.partition("#")
        return iri(urljoin(base, reference) + mark + rest)

    return function


def typed(lexical: str, kind: str) -> str | None:
    text = _simple(lexical)
    return literal(text, kind[1:]) if text is not None and kind[0] == "<" and kind[1:] != LANGUAGE_STRING else None


def tagged(lexical: str, tag: str) -> str | None:
    text, name = _simple(lexical), _simple(tag)
    if text is None or name is None or not re.fullmatch("[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", name):
        return None
    return language_literal(text, name)


# --- strings


def _of_string(change: Callable[[str], str]) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        string = string_of(term)
        return _with_tag(change(string[0]), string[1]) if string else None

    return function


def length(term: str) -> str | None:
    string = string_of(term)
    return literal(str(len(string[0])), INTEGER) if string else None


def _compatible(left: str, right: str) -> tuple[str, str, str] | None:
    """Return two strings that functions accept together, and the tag of the first (section 17.4.3.1.2)."""
    a, b = string_of(left), string_of(right)
    return (a[0], b[0], a[1]) if a and b and (not b[1] or a[1] == b[1]) else None


def contains(left: str, right: str) -> bool | None:
    pair = _compatible(left, right)
    return pair[1] in pair[0] if pair else None


def starts(left: str, right: str) -> bool | None:
    pair = _compatible(left, right)
    return pair[0].startswith(pair[1]) if pair else None


def ends(left: str, right: str) -> bool | None:
    pair = _compatible(left, right)
    return pair[0].endswith(pair[1]) if pair else None


def before(left: str, right: str) -> str | None:
    pair = _compatible(left, right)
    if not pair:
        return None
    head, mark, _ = pair[0].partition(pair[1]) if pair[1] else ("", pair[2] or "x", "")
    return _with_tag(head, pair[2]) if mark else '""'


def after(left: str, right: str) -> str | None:
    pair = _compatible(left, right)
    if not pair:
        return None
    _, mark, tail = pair[0].partition(pair[1]) if pair[1] else ("", "x", pair[0])
    return _with_tag(tail, pair[2]) if mark else '""'


def part(term: str, start: str, count: str | None = None) -> str | None:
    """SUBSTR: from position 1, both positions rounded (F&O, section 5.4.3)."""
    string, first = string_of(term), number_of(start)
    span = number_of(count) if count is not None else None
    if not string or first is None or (count is not None and span is None):
        return None
    begin = _position(first)
    end = float("inf") if span is None else begin + _position(span)
    if math.isnan(begin) or math.isnan(end):
        return _with_tag("", string[1])
    lower = max(begin, 1)
    upper = min(end, len(string[0]) + 1)
    return _with_tag(string[0][int(lower) - 1 : int(upper) - 1] if upper > lower else "", string[1])


def _position(number: Number) -> float:
    value = number.value
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return float(Fraction(_round(number)) if not isinstance(value, int) else value)


def concatenated(*terms: str) -> str | None:
    strings = [string_of(term) for term in terms]
    if any(s is None for s in strings):
        return None
    tags = {s[1] for s in strings if s}
    return _with_tag("".join(s[0] for s in strings if s), tags.pop() if len(tags) == 1 else "")


def language_matches(tag: str, pattern: str) -> bool | None:
    """Match a language range (RFC 4647, section 3.3.1)."""
    a, b = _simple(tag), _simple(pattern)
    if a is None or b is None:
        return None
    if b == "*":
        return a != ""
    a, b = a.lower(), b.lower()
    return a == b or a.startswith(f"{b}-")


def encoded(term: str) -> str | None:
    string = string_of(term)
    return literal(quote(string[0], safe="-_.~")) if string else None


@lru_cache(maxsize=256)
def _pattern(pattern: str, flags: str) -> re.Pattern[str] | None:
    """Return an XPath regular expression as Python's; None if it is invalid."""
    if re.search("[^smixq]", flags):
        return None
    options = 0
    for flag in flags.replace("q", ""):
        options |= FLAGS[flag]
    if "q" in flags:
        return re.compile(re.escape(pattern), options & re.IGNORECASE)
    for name, characters in NAME_CLASSES.items():
        pattern = pattern.replace(name, f"(?:{characters})")
    # A dollar is the end of the text alone; Python accepts a line break after it.
    if "m" not in flags:
        pattern = re.sub(r"(?<!\\)((?:\\\\)*)\$(?![^\[]*\])", r"\1\\Z", pattern)
    try:
        return re.compile(pattern, options)
    except re.error:
        return None


def matches(term: str, pattern: str, flags: str = '""') -> bool | None:
    string, wanted, options = string_of(term), _simple(pattern), _simple(flags)
    compiled = _pattern(wanted, options) if wanted is not None and options is not None else None
    return bool(compiled.search(string[0])) if string and compiled else None


def replaced(term: str, pattern: str, replacement: str, flags: str = '""') -> str | None:
    """REPLACE (F&O, section 5.6.4): a pattern that matches the empty string is an error."""
    string, wanted, new, options = string_of(term), _simple(pattern), _simple(replacement), _simple(flags)
    if string is None or wanted is None or new is None or options is None:
        return None
    compiled = _pattern(wanted, options)
    if compiled is None or compiled.search(""):
        return None
    if "q" in options:
        return _with_tag(compiled.sub(lambda _: new, string[0]), string[1])
    if any(match[3] for match in GROUP.finditer(new)):
        return None

    def expand(match: re.Match[str]) -> str:
        def group(reference: re.Match[str]) -> str:
            if reference[1]:
                return reference[1]
            number = int(reference[2])
            return (match[number] or "") if number <= compiled.groups else ""

        return GROUP.sub(group, new)

    return _with_tag(compiled.sub(expand, string[0]), string[1])


def _hashed(name: str) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        text = _simple(term)
        return literal(hashlib.new(name, text.encode()).hexdigest()) if text is not None else None

    return function


# --- dates and times


def _field(name: str, datatype_: str = INTEGER) -> Callable[[str], str | None]:
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


# --- casts (section 17.5)


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

# --- aggregates: lists of terms, in which None is an error


def total(terms: Sequence[str | None]) -> str | None:
    """SUM: of an empty group 0 (section 18.5.1.3)."""
    result: Number | None = Number(0, INTEGER)
    for term in terms:
        number = number_of(term) if term else None
        result = compute("+", result, number) if result and number else None
        if result is None:
            return None
    return number_term(result) if result else None


def mean(terms: Sequence[str | None]) -> str | None:
    if not terms:
        return literal("0", INTEGER)
    summed = total(terms)
    count = Number(len(terms), INTEGER)
    number = number_of(summed) if summed else None
    result = compute("/", number, count) if number else None
    return number_term(result) if result else None


def joined(terms: Sequence[str | None], separator: str) -> str | None:
    """GROUP_CONCAT (section 18.5.1.7) as a simple literal: of the texts of IRIs and literals; errors are left out."""
    texts = (text_of(term) for term in terms if term is not None)
    return literal(separator.join(text[2:] for text in texts if text is not None))


def lowest(terms: Sequence[str | None]) -> str | None:
    return None if not terms or None in terms else min((t for t in terms if t), key=order_text)


def highest(terms: Sequence[str | None]) -> str | None:
    return None if not terms or None in terms else max((t for t in terms if t), key=order_text)


# --- the names of functions; those of each row's own value are in `VOLATILE`

TERM_FUNCTIONS: dict[str, Callable[..., str | None]] = {
    "+": arithmetic("+"), "-": arithmetic("-"), "*": arithmetic("*"), "/": arithmetic("/"), "PLUS": plus,
    "MINUS": minus, "ABS": absolute, "CEIL": _rounded(_ceiling), "FLOOR": _rounded(_floor),
    "ROUND": _rounded(_round), "STR": text_of, "LANG": language, "DATATYPE": datatype, "STRDT": typed,
    "STRLANG": tagged, "UCASE": _of_string(str.upper), "LCASE": _of_string(str.lower), "STRLEN": length,
    "STRBEFORE": before, "STRAFTER": after, "SUBSTR": part, "CONCAT": concatenated, "ENCODE_FOR_URI": encoded,
    "REPLACE": replaced, "MD5": _hashed("md5"), "SHA1": _hashed("sha1"), "SHA256": _hashed("sha256"),
    "SHA384": _hashed("sha384"), "SHA512": _hashed("sha512"), "YEAR": _field("year"), "MONTH": _field("month"),
    "DAY": _field("day"), "HOURS": _field("hour"), "MINUTES": _field("minute"), "SECONDS": _field("second", DECIMAL),
    "TZ": zone, "TIMEZONE": zone_duration, **CASTS,
}  # fmt: skip
BOOLEAN_FUNCTIONS: dict[str, Callable[..., bool | None]] = {
    "=": equal, "<": less, "<=": at_most, "EBV": effective, "ISIRI": is_iri, "ISBLANK": is_blank,
    "ISLITERAL": is_literal, "ISNUMERIC": is_numeric, "CONTAINS": contains, "STRSTARTS": starts, "STRENDS": ends,
    "LANGMATCHES": language_matches, "REGEX": matches,
}  # fmt: skip
LIST_FUNCTIONS: dict[str, Callable[..., str | None]] = {
    "SUM": total, "AVG": mean, "MIN": lowest, "MAX": highest, "GROUP_CONCAT": joined,
}  # fmt: skip
VOLATILE: dict[str, Callable[[], str]] = {
    "RAND": lambda: number_term(Number(random.random(), DOUBLE)),
    "UUID": lambda: iri(f"urn:uuid:{uuid.uuid4()}"),
    "STRUUID": lambda: literal(str(uuid.uuid4())),
    "BNODE": lambda: f"_{uuid.uuid4().hex}",
}
