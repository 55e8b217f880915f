"""The visitor's language, and sentences, numbers and dates in it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from babel.dates import format_date
from babel.numbers import format_compact_decimal, format_decimal
from flask import Flask, Response, g, request
from werkzeug.datastructures import LanguageAccept

from vaven.catalogue.http.content_negotiation import RDF_FORMATS
from vaven.vocab import media_types
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.periods import parse_period, written_moment

COOKIE = "lang"
LANGUAGES_OF_PROGRAMS = ("en", "sv")
YEAR_SECONDS = 365 * 24 * 3600
LOCALES = {"sv": "sv_SE", "en": "en_GB"}


def language(offered: Sequence[str] = LANGUAGES) -> str:
    """Choose a language by ?lang=, then the cookie, then Accept-Language; by default the first that is offered."""
    for name in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if name and name in offered:
            return name
    return accepted_language(request.accept_languages, offered)


def accepted_language(accepted: LanguageAccept, offered: Sequence[str]) -> str:
    """Choose a language by Accept-Language alone; by default the first that is offered."""
    # In order of preference; en-GB is English, also if followed by Swedish.
    preferred = (tag.partition("-")[0].lower() for tag, weight in accepted if weight > 0)
    return next((offered[0] if tag == "*" else tag for tag in preferred if tag == "*" or tag in offered), offered[0])


def language_of_programs() -> str:
    """Choose a language for programs, most of which name none: English, unless Swedish is requested."""
    return language(LANGUAGES_OF_PROGRAMS)


def t(key: str, /, **params: object) -> str:
    """Return the sentence of a key in the visitor's language."""
    return messages(g.lang, "catalogue")(key, **params)


def number(value: float | None, decimals: int | None = None) -> str:
    """Format a number; None is an en dash. Without `decimals` there is at most one."""
    if value is None:
        return "–"
    pattern = "#,##0.#" if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
    # Minus zero equals zero as a key of the cache, and must look the same.
    return _formatted(value + 0, pattern, LOCALES[g.lang])


@lru_cache(1 << 16)
def _formatted(value: float, pattern: str, locale: str) -> str:
    """Format and cache: a page has thousands of numbers, few of them different, and each costs 0.1 ms."""
    text: str = format_decimal(value, format=pattern, locale=locale)
    return text


def axis_number(value: float, decimals: int) -> str:
    """Format a tick of an axis; from a million on in compact form, such as 12,5 md."""
    if abs(value) >= 1_000_000:
        short: str = format_compact_decimal(value, locale=LOCALES[g.lang], fraction_digits=2)
        return short
    return number(value, decimals)


def change(value: float, decimals: int, unit: str = "") -> str:
    """Format a difference with its sign, a minus as wide as the plus, and its unit; of shares in percentage points."""
    text = number(abs(value), decimals)
    signed = f"+{text}" if value > 0 else f"−{text}" if value < 0 else text
    suffix = t("change.points", count=text) if unit == "%" else unit
    return f"{signed} {suffix}" if suffix else signed


def age(group: str) -> str:
    """Return an age group as people write it: 16–24 år, 80+ år."""
    return t("area.age", group=group.replace("-", "–"))


def exact(text: str) -> str:
    """Return a number of a table with all of its decimals; other text as it is."""
    try:
        return _formatted(float(text), "#,##0.##########", LOCALES[g.lang])
    except ValueError:
        return text


def day(value: date | None) -> str:
    return format_date(value, "d MMMM y", locale=LOCALES[g.lang]) if value else "–"


def period(text: str) -> str:
    """Format a period of the standard: 2024, kvartal 1 2024, mars 2024, 2022–2024, juli 2023 – juni 2024."""
    interval = parse_period(text)
    locale = LOCALES[g.lang]
    if interval.kind == "year":
        return text
    if interval.kind == "quarter":
        return t("period.quarter", quarter=text[-1], year=text[:4])
    if interval.kind == "month":
        month: str = format_date(interval.start, "LLLL y", locale=locale)
        return month
    if (interval.start.month, interval.start.day, interval.end.month, interval.end.day) == (1, 1, 12, 31):
        return (
            f"{interval.start.year}–{interval.end.year}"
            if interval.start.year < interval.end.year
            else f"{interval.start.year}"
        )
    is_months = interval.start.day == 1 and (interval.end + timedelta(days=1)).day == 1
    pattern = "MMM y" if is_months else "d MMM y"
    return " – ".join(format_date(edge, pattern, locale=locale) for edge in (interval.start, interval.end))


def moment(value: datetime) -> str:
    return written_moment(value, g.lang)


def size(count: int) -> str:
    """Format a number of bytes in the unit that gives few digits (decimal units, as in file managers)."""
    for unit, limit in (("B", 1_000), ("kB", 1_000_000), ("MB", 1_000_000_000)):
        if count < limit:
            return f"{number(count * 1000 / limit, 0)} {unit}"
    return f"{number(count / 1_000_000_000)} GB"


def words(texts: Mapping[str, str]) -> str:
    """Return the text in the visitor's language, or in the other one."""
    return texts.get(g.lang) or next((text for text in texts.values() if text), "")


def warm() -> None:
    """Load all messages and the data of the locales, which otherwise delay the first page of a process."""
    for language, locale in LOCALES.items():
        for room in ("vocab", "schemas", "publisher", "catalogue"):
            # A catalogue is else read when one of its keys is used.
            len(messages(language, room).texts)
        _formatted(0, "0", locale)
        format_date(date.min, locale=locale)


def register(app: Flask) -> None:
    """Set `g.lang` for every request, store a choice by ?lang= in a cookie, and pass these functions to templates."""

    @app.before_request
    def set_language() -> None:
        g.lang = language()

    @app.after_request
    def store_language(response: Response) -> Response:
        if request.args.get("lang") in LANGUAGES and response.mimetype == media_types.HTML:
            response.set_cookie(COOKIE, g.lang, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
        if response.mimetype == media_types.HTML:
            response.headers["Content-Language"] = g.lang
        # An error is in the client's language, also where the resource itself has none.
        is_error = response.status_code >= 400 and response.mimetype in (media_types.HTML, media_types.PROBLEM_JSON)
        is_same = g.get("is_same_in_every_language") or response.mimetype in RDF_FORMATS.values()
        if is_error or not is_same:
            response.vary.update(("Accept-Language", "Cookie"))
        return response

    @app.context_processor
    def for_templates() -> dict[str, Any]:
        functions = (t, number, change, age, exact, day, moment, size, period, words)
        languages = {
            "lang": g.lang,
            "other_lang": "en" if g.lang == "sv" else "sv",
            "other_lang_url": _in_other_language(),
        }
        return {function.__name__: function for function in functions} | languages


def _in_other_language() -> str:
    """Return the URL of this page in the other language, with all other parameters."""
    parameters = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return f"{quote(request.path)}?{urlencode([*parameters, ('lang', 'en' if g.lang == 'sv' else 'sv')])}"
