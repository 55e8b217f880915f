"""Detection of personal identity numbers in text, so that no report repeats one (DOMAIN section 4)."""

import re
from datetime import date

NUMBER = re.compile(r"(?<!\d)(18|19|20)?(\d{2})(\d{2})(\d{2})[-+ ]?(\d{4})(?!\d)")
MASK = "······-····"
# A coordination number (samordningsnummer) has the day of birth plus 60.
COORDINATION_DAYS = 60


class _PairSums(dict[str, int]):
    """Luhn sums of two digits, the first with the weight 2, computed once for each pair."""

    def __missing__(self, pair: str) -> int:
        doubled = int(pair[0]) * 2
        self[pair] = total = (doubled - 9 if doubled > 9 else doubled) + int(pair[1])
        return total


PAIR_SUMS = _PairSums()


def masked(text: str) -> str:
    """Mask each personal identity or coordination number in a text.

    A number with a valid date and a valid Luhn check digit is masked, including a few codes of ten digits; that is
    the lesser harm in a report.
    """
    return NUMBER.sub(_mask, text)


def has_personal_number(text: str) -> bool:
    """Return whether `masked` would change a text, at a third of its cost."""
    return any(_is_person(match) for match in NUMBER.finditer(text))


def _mask(match: re.Match[str]) -> str:
    return MASK if _is_person(match) else match[0]


def _is_person(match: re.Match[str]) -> bool:
    century, year, month, day, last = match.groups()
    # `passes_luhn` without its loop, which takes most of the time of a file with a number in every row.
    total = sum((PAIR_SUMS[year], PAIR_SUMS[month], PAIR_SUMS[day], PAIR_SUMS[last[:2]], PAIR_SUMS[last[2:]]))
    return total % 10 == 0 and _is_date(century, int(year), int(month), int(day))


def _is_date(century: str | None, year: int, month: int, day: int) -> bool:
    """Return whether the date of birth exists in its century or, without one, in any century since 1800."""
    born = day - COORDINATION_DAYS if day > COORDINATION_DAYS else day
    for hundreds in (int(century),) if century else (18, 19, 20):
        try:
            date(hundreds * 100 + year, month, born)
        except ValueError:
            continue
        return True
    return False


def passes_luhn(digits: str) -> bool:
    """Verify the check digit modulo 10 of ten digits with the weights 2, 1, 2, 1 … (ISO/IEC 7812-1, annex B)."""
    return sum(PAIR_SUMS[digits[i : i + 2]] for i in range(0, 10, 2)) % 10 == 0
