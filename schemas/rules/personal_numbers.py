"""Detection of personal identity numbers in text, so that no report repeats one (DOMAIN section 4)."""

import re
from datetime import date

NUMBER = re.compile(r"(?<!\d)(18|19|20)?(\d{2})(\d{2})(\d{2})[-+ ]?(\d{4})(?!\d)")
MASK = "······-····"
# A coordination number (samordningsnummer) has the day of birth plus 60.
COORDINATION_DAYS = 60


def masked(text: str) -> str:
    """Mask each personal identity or coordination number in a text.

    A number with a valid date and a valid Luhn check digit is masked, including a few codes of ten digits; that is
    the lesser harm in a report.
    """
    return NUMBER.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    century, year, month, day, last = match.groups()
    is_person = passes_luhn(year + month + day + last) and _is_date(century, int(year), int(month), int(day))
    return MASK if is_person else match[0]


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
    total = 0
    for i, digit in enumerate(digits):
        weighed = int(digit) * (2 - i % 2)
        total += weighed - 9 if weighed > 9 else weighed
    return total % 10 == 0
