"""Detection of personal identity, coordination and reserve numbers in text, however they are written.

A number has a date of birth, a birth number and a check digit (Skatteverket, SKV 704 and SKV 707). One in ten numbers
of that form passes the check digit by chance, so several numbers are judged together.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from vaven.schemas.standard.labels import INVISIBLE

MASK = "······-····"
# A coordination number (samordningsnummer) has the day of birth plus 60.
COORDINATION_DAYS = 60
CENTURIES = ("18", "19", "20")
# RE2 pattern of the texts that may contain a number; a reserve number has nine digits.
LIKE_A_NUMBER_SQL = r"(\pN\PN{0,4}){8}\pN|\d[.,]\d+[eE]\+?\d"
LIKE_A_NUMBER = re.compile(r"(?:\d\D{0,4}){8}\d|\d[.,]\d+[eE]\+?\d")
SHORTEST = 9
# Digits with up to three other characters between two of them.
RUN = re.compile(r"\d(?:[^\w]{0,3}\d|_{1,3}\d)*", re.ASCII)
GROUP = re.compile(r"\d+", re.ASCII)
EXPONENT = re.compile(r"(?<![\d.,])(\d[.,]\d{1,12})[eE]\+?(\d{1,2})(?!\d)", re.ASCII)
# Reserve numbers of the health service have a letter and three digits after the date.
RESERVE = re.compile(
    r"(?<!\d)(?:(18|19|20)\s?)?(\d\d)[-./ ]?(\d\d)[-./ ]?(\d\d)[^\w]{0,3}[TR] ?\d{3}(?!\d)", re.ASCII | re.IGNORECASE
)
# Lengths of the groups of digits that make a number: as it is written, and as phone numbers or amounts are.
WRITTEN = frozenset(
    ((6, 4), (2, 2, 2, 4), (6, 2, 2), (12,), (8, 4), (2, 6, 4), (4, 2, 2, 4), (2, 10), (8, 2, 2), (4, 4, 4))
)
GROUPED = frozenset(
    ((10,), (1, 3, 3, 3), (2, 2, 2, 2, 2), (3, 3, 4), (3, 3, 2, 2), (4, 2, 2, 2), (2, 3, 3, 2), (4, 3, 3), (3, 2, 2, 3),
     (2, 4, 4), (5, 5), (4, 4, 2), (4, 6), (2, 8), (8, 2), (1,) * 10, (1,) * 12)
)  # fmt: skip
RESERVE_ENDING = re.compile(r"[TRtr] ?\d{3}", re.ASCII)
LONG, SHORT = LENGTHS = (12, 10)
# Minus sign, middle dot and soft hyphen, which separate digits as a hyphen does.
HYPHENS = "\u2212\u00b7\u00ad"
# Fewer different numbers are too few to tell chance from persons.
FEW_NUMBERS = 20
CHANCE = 0.1
# Ten digits as such are persons' numbers where most of at least so many are valid.
COLUMN_NUMBERS = 3
STANDARD_DEVIATIONS = 5
# Ours: older days with a time are seldom in names and notes, and children of that age seldom in data.
YEARS_OF_FILES = 5


class Certainty(IntEnum):
    """The certainty that a number is a person's: none, PROBABLE until the sender says otherwise, or CERTAIN."""

    NONE = 0
    PROBABLE = 1
    CERTAIN = 2


class DatedNumber(NamedTuple):
    """A number with a valid date: its digits, its span in the text, and whether its check digit is valid.

    `is_written` is True for the forms of a personal number, False for ten digits as such or grouped in another way.
    """

    digits: str
    start: int
    end: int
    is_valid: bool
    is_written: bool


class _PairSums(dict[str, int]):
    """Luhn sums of two digits, the first with the weight 2, computed once for each pair."""

    def __missing__(self, pair: str) -> int:
        doubled = int(pair[0]) * 2
        self[pair] = total = (doubled - 9 if doubled > 9 else doubled) + int(pair[1])
        return total


class _PlainCharacters(dict[int, str | None]):
    """ASCII digits, hyphens and blanks for similar characters, and None for those without a shape, by code point."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        self[code] = plain = character if code < 128 else _plain(character)
        return plain


def _plain(character: str) -> str | None:
    digit, category = unicodedata.digit(character, None), unicodedata.category(character)
    if digit is not None:
        return str(digit)
    if category == "Pd" or character in HYPHENS:
        return "-"
    if category in ("Cf", "Mn") or INVISIBLE.fullmatch(character):
        return None
    folded = unicodedata.normalize("NFKC", character)
    return " " if character.isspace() else folded if len(folded) == 1 else character


PAIR_SUMS = _PairSums()
PLAIN = _PlainCharacters()


def masked(text: str) -> str:
    """Mask each personal identity or coordination number in a text.

    A number with a valid date and a valid Luhn check digit is masked, including a few codes of ten digits; that is
    the lesser harm in a report.
    """
    spans: list[tuple[int, int]] = []
    for number in sorted((n for n in dated_numbers(text) if n.is_valid), key=lambda n: n.start):
        if spans and number.start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(number.end, spans[-1][1])
        else:
            spans.append((number.start, number.end))
    for start, end in reversed(spans):
        text = text[:start] + MASK + text[end:]
    return text


def judged(numbers: Iterable[DatedNumber]) -> tuple[Certainty, Certainty]:
    """Judge the numbers of a text together. Returns the certainty of written and of grouped numbers."""
    different = {number.digits: number.is_valid for number in numbers}
    return judged_counts(len(different), sum(different.values()))


def judged_counts(different: int, valid: int) -> tuple[Certainty, Certainty]:
    """Judge the different dated numbers of a column by how many of them have a valid check digit.

    Returns the certainty of numbers in a written form and of ten digits in another form. Numbers of which no more pass
    than chance explains are codes.
    """
    expected = different * CHANCE
    by_chance = expected + STANDARD_DEVIATIONS * (expected * (1 - CHANCE)) ** 0.5
    if not valid or (different >= FEW_NUMBERS and valid <= by_chance):
        return Certainty.NONE, Certainty.NONE
    is_column = different >= COLUMN_NUMBERS
    if 2 * valid < different:
        return Certainty.PROBABLE, Certainty.NONE if is_column else Certainty.PROBABLE
    return Certainty.CERTAIN, Certainty.CERTAIN if is_column else Certainty.PROBABLE


def dated_numbers(text: str) -> list[DatedNumber]:
    """Return the numbers in a text that have a date of birth. Of groups of digits in a row several may be one."""
    if len(text) < SHORT and "E" not in text.upper():
        return []
    plain = text if text.isascii() else text.translate(PLAIN)
    numbers = [*(_reserve_numbers(plain) if RESERVE_ENDING.search(plain) else ()), *_exponents(plain)]
    for run in RUN.finditer(plain):
        if run.end() - run.start() >= SHORT:
            numbers += _in_run(run)
    if len(plain) == len(text):
        return numbers
    visible = [position for position, character in enumerate(text) if PLAIN[ord(character)] is not None]
    return [number._replace(start=visible[number.start], end=visible[number.end - 1] + 1) for number in numbers]


def _in_run(run: re.Match[str]) -> Iterator[DatedNumber]:
    """Yield the dated numbers in a run of groups of digits."""
    text, offset = run[0], run.start()
    groups = [(match.start(), match.end()) for match in GROUP.finditer(text)]
    for first in range(len(groups)):
        lengths: list[int] = []
        total = 0
        for start, end in groups[first:]:
            lengths.append(end - start)
            total += end - start
            if total > LONG:
                break
            if total in LENGTHS:
                last = first + len(lengths) - 1
                if number := _number(text, groups, first, last, offset):
                    yield number


def _number(text: str, groups: list[tuple[int, int]], first: int, last: int, offset: int) -> DatedNumber | None:
    lengths = tuple(end - start for start, end in groups[first : last + 1])
    is_written = lengths in WRITTEN
    if not is_written and lengths not in GROUPED:
        return None
    start, end = groups[first][0], groups[last][1]
    digits = "".join(text[a:b] for a, b in groups[first : last + 1])
    before = text[groups[first - 1][1] : start] if first else ""
    after = text[end : groups[last + 1][0]] if last + 1 < len(groups) else ""
    if before in (".", ",") and len(lengths) == 1:
        # The digits of a decimal fraction.
        return None
    following = text[groups[last + 1][0] : groups[last + 1][1]] if after else ""
    if lengths == (4, 2, 2, 4) and after in ("-", ".", "/") and len(following) <= 2:
        # The year of another date.
        return None
    is_part = _joins(before) or (_joins(after) and following.strip("0") != "")
    separators = {text[groups[i][1] : groups[i + 1][0]] for i in range(first, last)}
    is_list = separators == {" "} and lengths in ((2, 2, 2, 4), (6, 2, 2), (4, 4, 4))
    if not is_dated(digits):
        return None
    is_written = is_written and not is_part and not is_list and not _is_time(digits)
    return DatedNumber(digits, offset + start, offset + end, passes_luhn(digits[-10:]), is_written)


def _is_time(digits: str) -> bool:
    """Return True for a day of the last years with a time of day, as in names of files: 20260115-1430."""
    is_recent = len(digits) == LONG and int(digits[:4]) > date.today().year - YEARS_OF_FILES
    return is_recent and int(digits[8:10]) < 24 and int(digits[10:]) < 60


def _joins(separator: str) -> bool:
    """Return whether a separator makes one number of two, as in "2023-811218-9876"; a blank or comma does not."""
    return bool(separator) and not any(c.isspace() or c in ",;" for c in separator)


def _reserve_numbers(text: str) -> Iterator[DatedNumber]:
    for match in RESERVE.finditer(text):
        century, year, month, day = match.groups()
        if _is_date(century, int(year), int(month), int(day)):
            yield DatedNumber(match[0], match.start(), match.end(), is_valid=True, is_written=True)


def _exponents(text: str) -> Iterator[DatedNumber]:
    for match in EXPONENT.finditer(text):
        number = Decimal(match[1].replace(",", ".")).scaleb(int(match[2]))
        digits = f"{number:.0f}"
        if number == number.to_integral_value() and len(digits) in LENGTHS and is_dated(digits):
            is_written = len(digits) == LONG
            yield DatedNumber(digits, match.start(), match.end(), passes_luhn(digits[-10:]), is_written)


def is_dated(digits: str) -> bool:
    """Return whether ten or twelve digits begin with a date of birth."""
    century, ten = (None, digits) if len(digits) == SHORT else (digits[:2], digits[2:])
    if century not in (None, *CENTURIES):
        return False
    return _is_date(century, int(ten[:2]), int(ten[2:4]), int(ten[4:6]))


def _is_date(century: str | None, year: int, month: int, day: int) -> bool:
    """Return whether the date of birth exists in its century or, without one, in any century since 1800."""
    born = day - COORDINATION_DAYS if day > COORDINATION_DAYS else day
    if not 1 <= month <= 12 or not 1 <= born <= 31:
        return False
    if century is None and born <= 28:
        return True
    return any(_exists(int(hundreds) * 100 + year, month, born) for hundreds in ((century,) if century else CENTURIES))


@cache
def _exists(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day) <= date.today()
    except ValueError:
        return False


def passes_luhn(digits: str) -> bool:
    """Verify the check digit modulo 10 of ten digits with the weights 2, 1, 2, 1 … (ISO/IEC 7812-1, annex B)."""
    return sum(PAIR_SUMS[digits[i : i + 2]] for i in range(0, 10, 2)) % 10 == 0
