"""Functions on strings (section 17.4.3) over the texts of terms; None is an error."""

import hashlib
import math
import re
import sys
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from functools import cache, lru_cache
from itertools import groupby
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

FLAGS = {"s": re.DOTALL, "m": re.MULTILINE, "i": re.IGNORECASE}
GROUP = re.compile(r"\\([\\$])|\$(\d+)|(\\|\$)", re.DOTALL)
# Sets of characters by their first and last code points: those of names (XML 1.0, rules 4 and 4a), and space.
Ranges = tuple[tuple[int, int], ...]
NAME_START: Ranges = (
    (0x3A, 0x3A), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x2FF),
    (0x370, 0x37D), (0x37F, 0x1FFF), (0x200C, 0x200D), (0x2070, 0x218F), (0x2C00, 0x2FEF), (0x3001, 0xD7FF),
    (0xF900, 0xFDCF), (0xFDF0, 0xFFFD), (0x10000, 0xEFFFF),
)  # fmt: skip
NAME: Ranges = (*NAME_START, (0x2D, 0x2E), (0x30, 0x39), (0xB7, 0xB7), (0x300, 0x36F), (0x203F, 0x2040))
SPACE: Ranges = ((9, 10), (13, 13), (32, 32))
ESCAPED = re.compile(r"\\(?:([pP])\{(\w+)\}|(.))", re.DOTALL)


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
        # Spaces (x) are left out by the translation: Python would take `#` for a comment.
        options |= FLAGS.get(flag, 0)
    if "q" in flags:
        return re.compile(re.escape(pattern), options & re.IGNORECASE)
    try:
        return re.compile(_translated(pattern, flags), options)
    except (re.error, IndexError):
        return None


def _translated(pattern: str, flags: str) -> str:
    """Write an XPath regular expression (F&O, section 5.6.1; XSD 1.1 Part 2, appendix G) as Python does."""
    parts, i = [], 0
    while i < len(pattern):
        character = pattern[i]
        if character == "[":
            part, i = _character_class(pattern, i + 1)
        elif character == "\\":
            part, characters, i = _escape(pattern, i)
            part = part or f"[{_body(characters)}]"
        elif character == "$" and "m" not in flags:
            # The end of the text alone; Python accepts a line break after it.
            part, i = r"\Z", i + 1
        else:
            part, i = "" if "x" in flags and character.isspace() else character, i + 1
        parts.append(part)
    return "".join(parts)


def _character_class(pattern: str, i: int) -> tuple[str, int]:
    """Translate a class after its bracket, with subtraction: `[a-z-[aeiou]]`. Return it and the position after it."""
    is_negated = pattern[i] == "^"
    i += is_negated
    body, subtracted = "", ""
    while pattern[i] != "]":
        if pattern.startswith("-[", i):
            subtracted, i = _character_class(pattern, i + 2)
        elif pattern[i] == "\\":
            part, characters, i = _escape(pattern, i)
            body += part or _body(characters)
        else:
            # Python reserves some characters for set operations.
            body, i = body + (f"\\{pattern[i]}" if pattern[i] in "[&~|" else pattern[i]), i + 1
    if not body:
        raise re.error("an empty class", pattern, i)
    text = f"[{'^' * is_negated}{body}]"
    return f"(?:(?!{subtracted}){text})" if subtracted else text, i + 1


def _escape(pattern: str, i: int) -> tuple[str, Ranges, int]:
    """Return an escape of one character as Python's, or else its set of characters, and the position after it."""
    match = ESCAPED.match(pattern, i)
    if not match:
        raise re.error("an escape without a character", pattern, i)
    if match[1]:
        characters = _category(match[2])
        return "", _complement(characters) if match[1] == "P" else characters, match.end()
    sets = {"i": NAME_START, "c": NAME, "s": SPACE}
    letter = match[3]
    if letter.lower() in sets:
        characters = sets[letter.lower()]
        return "", characters if letter.islower() else _complement(characters), match.end()
    if letter in "wW":
        names = "LMNS" if letter == "w" else "PZC"
        return "", tuple(pair for name in names for pair in _category(name)), match.end()
    return match[0], (), match.end()


@lru_cache(maxsize=64)
def _category(name: str) -> Ranges:
    """Return the characters of a general category of Unicode, as `L` or `Lu`. Raises re.error if there is none."""
    pairs = tuple(pair for category, pair in _categories() if category.startswith(name))
    if not pairs:
        raise re.error(f"no category is {name}")
    return pairs


@cache
def _categories() -> list[tuple[str, tuple[int, int]]]:
    """Return the general categories of runs of characters; a pass over all takes a quarter of a second."""
    runs = []
    for category, group in groupby(range(sys.maxunicode + 1), key=lambda point: unicodedata.category(chr(point))):
        points = list(group)
        runs.append((category, (points[0], points[-1])))
    return runs


def _complement(pairs: Ranges) -> Ranges:
    edges, start = [], 0
    for first, last in sorted(pairs):
        if first > start:
            edges.append((start, first - 1))
        start = last + 1
    return (*edges, (start, sys.maxunicode)) if start <= sys.maxunicode else tuple(edges)


def _body(pairs: Ranges) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in pairs)


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
            # As many digits as there is a group for, at least one.
            digits = reference[2]
            while len(digits) > 1 and int(digits) > compiled.groups:
                digits = digits[:-1]
            number = int(digits)
            return ((match[number] or "") if number <= compiled.groups else "") + reference[2][len(digits) :]

        return GROUP.sub(group, new)

    return with_tag(compiled.sub(expand, string[0]), string[1])


def digest(name: str) -> Callable[[str], str | None]:
    def function(term: str) -> str | None:
        text = simple(term)
        return literal(hashlib.new(name, text.encode()).hexdigest()) if text is not None else None

    return function
