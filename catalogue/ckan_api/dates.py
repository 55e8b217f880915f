"""Dates of Solr in a query: 2026-01-31T00:00:00Z and date math such as NOW-7DAYS/DAY (Solr Reference Guide)."""

import calendar
import re
from datetime import UTC, datetime, timedelta

from vaven.catalogue.ckan_api.responses import ActionError

DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?Z")
UNITS = (
    "YEAR", "YEARS", "MONTH", "MONTHS", "DAY", "DAYS", "DATE", "HOUR", "HOURS", "MINUTE", "MINUTES", "SECOND",
    "SECONDS", "MILLI", "MILLIS", "MILLISECOND", "MILLISECONDS",
)  # fmt: skip
STEP = re.compile(rf"(?:([+-])(\d{{1,9}})|/)({'|'.join(sorted(UNITS, key=len, reverse=True))})(?=[+/-]|$)")
SECONDS = {"DAY": 86_400.0, "DATE": 86_400.0, "HOUR": 3_600.0, "MINUTE": 60.0, "SECOND": 1.0}
FIELDS = ("year", "month", "day", "hour", "minute", "second")


def solr_date(text: str, now: datetime) -> datetime:
    """Return a moment in UTC. Raises ActionError like CKAN."""
    text = text.replace("\\", "").strip('"')
    if text.startswith("NOW"):
        moment, rest = now, text[3:]
    elif match := DATE.match(text):
        moment, rest = _date(match, text), text[match.end() :]
    else:
        raise _invalid("Date String", text)
    try:
        return _moved(moment, rest, text)
    except (OverflowError, ValueError) as cause:
        raise _invalid("Date Math String", text) from cause


def _date(match: re.Match[str], text: str) -> datetime:
    try:
        moment = datetime.strptime(match[0][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        return moment + timedelta(microseconds=int((match[7] or "0").ljust(6, "0")))
    except ValueError as cause:
        raise _invalid("Date String", text) from cause


def _moved(moment: datetime, steps: str, text: str) -> datetime:
    while steps:
        match = STEP.match(steps)
        if not match:
            raise _invalid("Date Math String", text)
        sign, count, unit = match.groups()
        unit = unit if unit == "DATE" else unit.removesuffix("S")
        moment = _added(moment, int(sign + count), unit) if sign else _rounded(moment, unit)
        steps = steps[match.end() :]
    return moment


def _added(moment: datetime, count: int, unit: str) -> datetime:
    if unit in ("YEAR", "MONTH"):
        months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "YEAR" else 1)
        year, month = months // 12, months % 12 + 1
        # The last day of a shorter month, as in java.time.
        return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
    return moment + timedelta(seconds=count * SECONDS.get(unit, 0.001))


def _rounded(moment: datetime, unit: str) -> datetime:
    """Return the beginning of the unit that a moment is in."""
    if unit.startswith("MILLI"):
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    first = {"year": 1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
    name = "day" if unit == "DATE" else unit.lower()
    lower = FIELDS[FIELDS.index(name) + 1 :]
    return moment.replace(microsecond=0, **{field: first[field] for field in lower})  # type: ignore[arg-type]


def _invalid(kind: str, text: str) -> ActionError:
    return ActionError(409, "Search Error", message=f"Search error: Invalid {kind}:'{text}'")
