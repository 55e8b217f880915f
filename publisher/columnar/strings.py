"""Functions on strings (section 17.4.3) over the texts of terms; None is an error."""

import hashlib
import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from urllib.parse import quote

from vaven.publisher.columns.terms import (
    literal,
    split_literal,
)
from vaven.publisher.columns.values import (
    INTEGER,
    Number,
    number_of,
)

# Functions of XPath's regular expressions that Python writes otherwise (F&O 3.1, section 5.6.1).
FLAGS = {"s": re.DOTALL, "m": re.MULTILINE, "i": re.IGNORECASE, "x": re.VERBOSE}
NAME_CLASSES = {r"\i": r"[^\W\d]|[:_]", r"\c": r"[\w.:\-\u00b7]"}
GROUP = re.compile(r"\\([\\$])|\$(\d)|(\\|\$)", re.DOTALL)


def string_of(term: str) -> tuple[str, str] | None:
    """Return the lexical form and the language tag (`@sv` or "") of a string literal; None for any other term."""
    if term[0] != '"':
        return None
    tag, lexical = split_literal(term)
    return (lexical, tag) if tag[:1] != "^" else None


def simple(term: str) -> str | None:
    return term[2:] if term.startswith('""') else None


def with_tag(lexical: str, tag: str) -> str:
    return f'"{tag}"{lexical}'


def of_string(change: Callable[[str], str]) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        string = string_of(term)
        return with_tag(change(string[0]), string[1]) if string else None

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
    return with_tag(head, pair[2]) if mark else '""'


def after(left: str, right: str) -> str | None:
    pair = _compatible(left, right)
    if not pair:
        return None
    _, mark, tail = pair[0].partition(pair[1]) if pair[1] else ("", "x", pair[0])
    return with_tag(tail, pair[2]) if mark else '""'


def part(term: str, start: str, count: str | None = None) -> str | None:
    """SUBSTR: from position 1, both positions rounded (F&O, section 5.4.3)."""
    string, first = string_of(term), number_of(start)
    span = number_of(count) if count is not None else None
    if not string or first is None or (count is not None and span is None):
        return None
    begin = _position(first)
    end = float("inf") if span is None else begin + _position(span)
    if math.isnan(begin) or math.isnan(end):
        return with_tag("", string[1])
    lower = max(begin, 1)
    upper = min(end, len(string[0]) + 1)
    return with_tag(string[0][int(lower) - 1 : int(upper) - 1] if upper > lower else "", string[1])


def _position(number: Number) -> float:
    value = number.value
    if isinstance(value, float) and not math.isfinite(value):
        return value
    # Half is rounded up (F&O, section 4.4.4).
    return float(math.floor(Fraction(value) + Fraction(1, 2)))


def concatenated(*terms: str) -> str | None:
    strings = [string_of(term) for term in terms]
    if any(s is None for s in strings):
        return None
    tags = {s[1] for s in strings if s}
    return with_tag("".join(s[0] for s in strings if s), tags.pop() if len(tags) == 1 else "")


def language_matches(tag: str, pattern: str) -> bool | None:
    """Match a language range (RFC 4647, section 3.3.1)."""
    a, b = simple(tag), simple(pattern)
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
    string, expression, options = string_of(term), simple(pattern), simple(flags)
    compiled = _pattern(expression, options) if expression is not None and options is not None else None
    return bool(compiled.search(string[0])) if string and compiled else None


def replaced(term: str, pattern: str, replacement: str, flags: str = '""') -> str | None:
    """REPLACE (F&O, section 5.6.4): a pattern that matches the empty string is an error."""
    string, expression, new, options = string_of(term), simple(pattern), simple(replacement), simple(flags)
    if string is None or expression is None or new is None or options is None:
        return None
    compiled = _pattern(expression, options)
    if compiled is None or compiled.search(""):
        return None
    if "q" in options:
        return with_tag(compiled.sub(lambda _: new, string[0]), string[1])
    if any(match[3] for match in GROUP.finditer(new)):
        return None

    def expand(match: re.Match[str]) -> str:
        def group(reference: re.Match[str]) -> str:
            if reference[1]:
                return reference[1]
            number = int(reference[2])
            return (match[number] or "") if number <= compiled.groups else ""

        return GROUP.sub(group, new)

    return with_tag(compiled.sub(expand, string[0]), string[1])


def digest(name: str) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        text = simple(term)
        return literal(hashlib.new(name, text.encode()).hexdigest()) if text is not None else None

    return function
