"""Number formats of spreadsheets (ECMA-376 part 1, 18.8.30 and 18.8.31), as far as they change what a cell says.

A format may scale the number (per cent, thousands), put a unit after it, or show a month or year of a date.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

# Between a number and the unit that its format shows: typographically right, and rare in typed text.
UNIT_SPACE = "\u202f"
# Built-in formats that differ from plain numbers; the others have their code in the file.
BUILT_IN = {
    9: "0%", 10: "0.00%", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    **dict.fromkeys((*range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"), **dict.fromkeys(range(32, 36), "h:mm"),
}  # fmt: skip
# Whole numbers in a date format that are read as years; 2023 is shown as 1905-07-15.
YEARS = range(1900, 2101)
# Parts of a format code: literal text, conditions and currencies, and characters.
PART = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[([^\]]*)\]|(General|.)', re.IGNORECASE | re.DOTALL)
CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[0-9.]+)")
ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
# Signs of units and of currencies, besides words.
UNIT_SIGNS = "%‰:€$£"
EPOCHS = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}


@dataclass(frozen=True)
class NumberFormat:
    """One section of a format code.

    `scale` is the power of ten by which the number is shown larger (per cent) or smaller (thousands); `unit` is the
    text after the number, such as "%" or "tkr"; `date_parts` has the letters y, m, d and h of a date or time.
    """

    scale: int = 0
    unit: str = ""
    date_parts: frozenset[str] = frozenset()
    condition: tuple[str, float] | None = None

    @property
    def is_plain(self) -> bool:
        """Return whether a cell's value alone says what the cell shows."""
        return not self.unit and not self.date_parts


@lru_cache(maxsize=5_000)
def sections_of(code: str) -> tuple[NumberFormat, ...]:
    """Return the sections of a format code: positive, negative and zero numbers, or by their conditions."""
    sections: list[list[re.Match[str]]] = [[]]
    for match in PART.finditer(code):
        if match[4] == ";":
            sections.append([])
        else:
            sections[-1].append(match)
    return tuple(_section(parts) for parts in sections[:3])


def _section(parts: Sequence[re.Match[str]]) -> NumberFormat:
    literal, tokens, condition = "", "", None
    is_elapsed = False
    for part in parts:
        text, escaped, bracket, character = part.groups()
        if bracket is not None:
            is_elapsed = is_elapsed or bool(ELAPSED.fullmatch(bracket))
            if match := CONDITION.fullmatch(bracket):
                condition = match[1], float(match[2])
            elif bracket.startswith("$"):
                literal += bracket[1:].split("-", 1)[0]
        elif character is None:
            literal += _unit_text(text or escaped or "", tokens)
        elif character in "%‰€$£":
            literal, tokens = literal + character, tokens + character
        elif character == "/" and "0" not in tokens and "#" not in tokens and "?" not in tokens:
            continue
        else:
            tokens += character
    digits = re.sub("general|am/pm|a/p", "", tokens, flags=re.IGNORECASE)
    if is_elapsed:
        return NumberFormat(date_parts=frozenset("e"), condition=condition)
    if not any(c in "0#?" for c in digits) and (letters := set(digits.lower()) & set("ymdhs")):
        return NumberFormat(date_parts=_date_parts(letters), condition=condition)
    end = digits.rstrip(" %‰€$£-+()")
    thousands = len(end) - len(end.rstrip(","))
    unit = " ".join(literal.replace("\u00a0", " ").strip(" -+()").split())
    scale = 2 * tokens.count("%") + 3 * tokens.count("‰") - 3 * thousands
    return NumberFormat(scale, unit if any(c.isalpha() or c in UNIT_SIGNS for c in unit) else "", condition=condition)


def _unit_text(literal: str, before: str) -> str:
    """Return the part of a literal text that may be a unit: text before the digits is none, except for a currency."""
    is_after_digits = any(token in "0#?" for token in before) or "general" in before.lower()
    return literal if is_after_digits or literal.strip() in ("€", "$", "£", "kr") else ""


def _date_parts(letters: set[str]) -> frozenset[str]:
    # The minutes of a time are an m, too.
    return frozenset(letters) - ({"m"} if letters & {"h", "s"} and not letters & {"y", "d"} else set())


def format_of(number: float, sections: Sequence[NumberFormat]) -> NumberFormat:
    """Return the section that shows a number."""
    if any(section.condition for section in sections):
        matches = (s for s in sections if s.condition is None or _satisfies(number, *s.condition))
        return next(matches, sections[-1])
    if number < 0 and len(sections) > 1:
        return sections[1]
    return sections[2] if number == 0 and len(sections) > 2 else sections[0]


def _satisfies(number: float, operator: str, limit: float) -> bool:
    return {
        "<": number < limit, ">": number > limit, "=": number == limit,
        "<=": number <= limit, ">=": number >= limit, "<>": number != limit,
    }[operator]  # fmt: skip


def shown_text(number: float, sections: Sequence[NumberFormat], *, is_1904: bool = False) -> str | None:
    """Return what a cell says beyond its value: "51.2 %", "1250 tkr", "2022-01" or "2023"; None if the value says it.

    Number and unit are separated by UNIT_SPACE. Digits are not rounded to those that are shown. A scale without unit
    is for the eye alone: the number is the value.
    """
    form = format_of(number, sections)
    if form.is_plain:
        return None
    whole_year = number.is_integer() and int(number) in YEARS
    if form.date_parts:
        # A time of day or a duration has no year, whatever its number.
        if whole_year and form.date_parts <= set("ymd"):
            return str(int(number))
        return _part_of_date(number, form.date_parts, is_1904=is_1904)
    if whole_year and form.scale > 0:
        # A year in a column formatted as per cent.
        return None
    text = f"{number * 10.0**form.scale if form.scale >= 0 else number / 10.0**-form.scale:.15g}"
    if "e" in text:
        text = f"{float(text):.20f}".rstrip("0").rstrip(".")
    return f"{text}{UNIT_SPACE}{form.unit}"


def _part_of_date(number: float, parts: frozenset[str], *, is_1904: bool) -> str | None:
    """Return the month or year that a format without day shows."""
    if "y" not in parts or not parts <= {"y", "m"}:
        return None
    try:
        moment = EPOCHS[is_1904] + timedelta(days=number)
    except (OverflowError, ValueError):
        return None
    return f"{moment:%Y-%m}" if "m" in parts else f"{moment:%Y}"
