"""Periods as partners write them: other notations of the standard's, and advice for those of uncertain meaning."""

import re
from datetime import date, timedelta

YEAR = r"((?:19|20)\d\d)"
MONTH_NAMES = (
    ("januari", "january", "jan"), ("februari", "february", "feb", "febr"), ("mars", "march", "mar"),
    ("april", "apr"), ("maj", "may"), ("juni", "june", "jun"), ("juli", "july", "jul"),
    ("augusti", "august", "aug"), ("september", "sep", "sept"), ("oktober", "october", "okt", "oct"),
    ("november", "nov"), ("december", "dec"),
)  # fmt: skip
MONTHS = {name: number for number, names in enumerate(MONTH_NAMES, start=1) for name in names}
MONTH = rf"({'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
BETWEEN = r"[\s,/-]*"
QUARTER_WORD = r"(?:q|k|kv|kvartal|kvartalet|quarter)\.?"
DAY = r"(\d{4}-\d\d-\d\d)"
YEAR_ALONE = re.compile(rf"(?:år\s*)?{YEAR}(?:[.,]0+)?")
TWO_YEARS = re.compile(rf"{YEAR}\s*[/–-]\s*{YEAR}")
TWO_DAYS = re.compile(rf"{DAY}\s*(?:--|[/–]|\s-|till|t\.?o\.?m\.?|to)\s*{DAY}")
QUARTERS = (
    re.compile(rf"{YEAR}{BETWEEN}{QUARTER_WORD}\s*([1-4])"),
    re.compile(rf"(?P<quarter>[1-4])(?::?[ae]|st|nd|rd|th)\s*(?:kvartalet|kvartal|quarter){BETWEEN}(?P<year>{YEAR})"),
    re.compile(rf"{QUARTER_WORD}\s*(?P<quarter>[1-4]){BETWEEN}(?P<year>{YEAR})"),
)
MONTH_FORMS = (
    re.compile(rf"(?P<month>{MONTH}){BETWEEN}(?P<year>{YEAR})"),
    re.compile(rf"(?P<year>{YEAR}){BETWEEN}(?P<month>{MONTH})"),
    re.compile(rf"(?P<year>{YEAR})(?:-|\s*m|)(?P<month>0[1-9]|1[0-2])"),
    re.compile(rf"(?P<month>0?[1-9]|1[0-2])\s*[/.-]\s*(?P<year>{YEAR})"),
    re.compile(rf"(?P<year>{YEAR})(?:-|\s*m)(?P<month>[5-9])"),
)
SCHOOL_YEAR = re.compile(rf"(läsår|läsåret|school year)?\s*{YEAR}\s*[/–-]\s*(?:(?:19|20)?(\d\d))")
TERM = re.compile(
    rf"(?:(?P<term>vt|ht|vår|höst|vårterminen|höstterminen|vårtermin|hösttermin){BETWEEN}(?P<year>(?:19|20)?\d\d)"
    rf"|(?P<year2>{YEAR}){BETWEEN}(?P<term2>vt|ht|vår|höst))"
)
FOOTNOTE = re.compile(r"(.*?\S)\s*(?:[*†‡#]+|[¹²³⁴-⁹]+\)?|\s\d\)|\(\d\))")
PROVISIONAL = re.compile(
    r"(.*?\d)\s*\(?(?:p|prel|prel\.|preliminär|preliminärt|preliminära|provisional)\)?", re.IGNORECASE
)
WEEK = re.compile(
    rf"(?:v|v\.|vecka|week)\s*(?P<week>\d\d?){BETWEEN}(?P<year>{YEAR})|(?P<year2>{YEAR})-?(?:w|v){BETWEEN}(?P<week2>\d\d?)"
)
ONE_DIGIT = re.compile(rf"{YEAR}-([1-4])")
SHORT_YEAR = re.compile(r"'?(\d\d)")
ONE_DAY = re.compile(rf"{DAY}(?:[ T]\d\d:\d\d.*)?")
MIDNIGHT = re.compile(rf"{DAY}[ T]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?")


def period_of(text: str) -> str | None:
    """Return the standard's form of a period in another notation of certain meaning, or None."""
    text = " ".join(text.casefold().split())
    if match := YEAR_ALONE.fullmatch(text):
        return match[1]
    if match := TWO_YEARS.fullmatch(text):
        return f"{match[1]}/{match[2]}"
    if match := TWO_DAYS.fullmatch(text):
        return f"{match[1]}/{match[2]}"
    if match := QUARTERS[0].fullmatch(text):
        return f"{match[1]}-Q{match[2]}"
    for form in QUARTERS[1:]:
        if match := form.fullmatch(text):
            return f"{match['year']}-Q{match['quarter']}"
    for form in MONTH_FORMS:
        if match := form.fullmatch(text):
            return f"{match['year']}-{month_of(match['month']):02}"
    return None


def month_of(text: str) -> int | None:
    """Return the number of a month by its number or name, or None."""
    text = text.strip().casefold().rstrip(".")
    if number := MONTHS.get(text):
        return number
    return int(text) if re.fullmatch(r"0?[1-9]|1[0-2]", text) else None


def day_of_midnight(text: str) -> str:
    """Return the date of a date with the time 00:00, which programs add; any other text unchanged."""
    match = MIDNIGHT.fullmatch(text)
    return match[1] if match else text


def period_advice(text: str) -> tuple[str, dict[str, str]] | None:
    """Return the key of a remedy and its parameters for a period of uncertain meaning, None for other texts."""
    folded = " ".join(text.casefold().split())
    if (match := FOOTNOTE.fullmatch(folded)) and (period := period_of(match[1])):
        return "period.footnote", {"period": period}
    if (match := PROVISIONAL.fullmatch(folded)) and (period := period_of(match[1])):
        return "period.provisional", {"period": period}
    if match := TERM.fullmatch(folded):
        return "period.term", {"period": _term(match["term"] or match["term2"], match["year"] or match["year2"])}
    if is_school_year(folded) and (match := SCHOOL_YEAR.fullmatch(folded)):
        first, second = int(match[2]), int(match[2]) + 1
        key = "period.school-year" if match[1] else "period.two-years"
        return key, {"period": f"{first}-07-01/{second}-06-30", "other_period": f"{first}/{second}"}
    if match := WEEK.fullmatch(folded):
        return _week(int(match["year"] or match["year2"]), int(match["week"] or match["week2"]))
    if match := ONE_DIGIT.fullmatch(folded):
        return "period.digit", {"period": f"{match[1]}-0{match[2]}", "other_period": f"{match[1]}-Q{match[2]}"}
    if match := SHORT_YEAR.fullmatch(folded):
        return "period.short-year", {"period": f"20{match[1]}"}
    if match := ONE_DAY.fullmatch(text.strip()):
        return "period.day", {"period": match[1][:7], "other_period": match[1][:4]}
    return None


def is_school_year(text: str) -> bool:
    """Return True for a year and the last two digits of the next: 2009-10, which may also be a month; 2012/13."""
    match = SCHOOL_YEAR.fullmatch(" ".join(text.casefold().split()))
    return match is not None and (int(match[2]) + 1) % 100 == int(match[3])


def _term(term: str, year: str) -> str:
    year = year if len(year) == 4 else f"20{year}"
    return f"{year}-01-01/{year}-06-30" if term.startswith("v") else f"{year}-07-01/{year}-12-31"


def _week(year: int, week: int) -> tuple[str, dict[str, str]] | None:
    try:
        monday = date.fromisocalendar(year, week, 1)
    except ValueError:
        return None
    return "period.week", {"period": f"{monday}/{monday + timedelta(days=6)}"}
