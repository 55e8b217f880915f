"""Periods of observations: ISO 8601 years, quarters, months and intervals (DESIGN section 2).

A quarter is written 2024-Q1 as in SDMX 2.1 (section 6, "reporting quarter"), since ISO 8601 has none.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

YEAR = re.compile(r"(\d{4})")
QUARTER = re.compile(r"(\d{4})-Q([1-4])")
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
# Moments are told in Swedish time, as the readers' clocks show it.
TIME_ZONE = "Europe/Stockholm"
MOMENTS = {"sv": ("sv_SE", "d MMMM y 'kl.' H.mm"), "en": ("en_GB", "d MMMM y, HH:mm z")}
INTERVAL = re.compile(r"(\d{4}(?:-\d{2}-\d{2})?)/(\d{4}(?:-\d{2}-\d{2})?)")


@dataclass(frozen=True)
class Period:
    """A range of days. `kind` is year, quarter, month or interval; `start` and `end` are inclusive."""

    text: str
    kind: str
    start: date
    end: date

    @property
    def slug(self) -> str:
        """Path segment: the text with an interval's slash as two hyphens (ISO 8601-1, 5.5.2.3 note)."""
        return self.text.replace("/", "--")


@lru_cache(maxsize=1 << 12)
def parse_period(text: str) -> Period:
    """Parse a period. Raises ValueError for another form, a day that does not exist, or an end before the start."""
    if match := YEAR.fullmatch(text):
        year = int(match[1])
        return Period(text, "year", date(year, 1, 1), date(year, 12, 31))
    if match := QUARTER.fullmatch(text):
        year, quarter = int(match[1]), int(match[2])
        return Period(text, "quarter", date(year, 3 * quarter - 2, 1), _month_end(year, 3 * quarter))
    if match := MONTH.fullmatch(text):
        year, month = int(match[1]), int(match[2])
        return Period(text, "month", date(year, month, 1), _month_end(year, month))
    if match := INTERVAL.fullmatch(text):
        start, end = _edge(match[1], first=True), _edge(match[2], first=False)
        if end < start:
            raise ValueError(f"the interval {text} ends before it starts")
        return Period(text, "interval", start, end)
    raise ValueError(f"{text!r} is not a year, quarter, month or interval")


def period_from_slug(slug: str) -> Period:
    """Parse a period's slug, the inverse of `Period.slug`."""
    return parse_period(slug.replace("--", "/"))


def written_moment(moment: datetime, language: str) -> str:
    """Return a moment in Swedish time: "29 november 2026 kl. 8.38"."""
    # Babel takes longer to load than most files take to check.
    from babel.dates import format_datetime, get_timezone

    locale, pattern = MOMENTS[language]
    text: str = format_datetime(moment, pattern, tzinfo=get_timezone(TIME_ZONE), locale=locale)
    return text


def _month_end(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def _edge(text: str, *, first: bool) -> date:
    if len(text) == 4:
        return date(int(text), 1, 1) if first else date(int(text), 12, 31)
    return date.fromisoformat(text)
