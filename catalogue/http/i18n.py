"""The visitor's language, and words, numbers and dates in it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from babel.dates import format_date, format_datetime
from babel.numbers import format_compact_decimal, format_decimal
from flask import Flask, Response, g, request

from vaven.catalogue.http.content_negotiation import RDF_FORMATS
from vaven.vocab import media_types
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.periods import parse_period

COOKIE = "lang"
YEAR_SECONDS = 365 * 24 * 3600
LOCALES = {"sv": "sv_SE", "en": "en_GB"}


def language(offered: Sequence[str] = LANGUAGES) -> str:
    """By ?lang=, then the cookie, then Accept-Language; the first that is offered where nothing speaks for another."""
    for given in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if given and given in offered:
            return given
    # The best liked first; en-GB is English too, also where plain Swedish stands behind it.
    liked = (tag.partition("-")[0].lower() for tag, weight in request.accept_languages if weight > 0)
    return next((offered[0] if tag == "*" else tag for tag in liked if tag == "*" or tag in offered), offered[0])


def language_of_programs() -> str:
    """The same for what programs read, most of which name no language: English where nothing speaks for Swedish."""
    return language(("en", "sv"))


def t(key: str, /, **params: object) -> str:
    """The sentence for a key; where `count` is one, its form `{key}.one` if it has one."""
    found = messages(g.lang, "catalogue")
    is_one = str(params.get("count")) == "1" and f"{key}.one" in found.texts
    return found(f"{key}.one" if is_one else key, **params)


def number(value: float | None, decimals: int | None = None) -> str:
    """A number as people write it; None is an en dash. Without `decimals` at most one."""
    if value is None:
        return "–"
    pattern = "#,##0.#" if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
    # To the cache minus zero is zero, and so it is to people.
    return _formatted(value + 0, pattern, LOCALES[g.lang])


@lru_cache(1 << 16)
def _formatted(value: float, pattern: str, locale: str) -> str:
    """A page has thousands of numbers, few of them different, and each costs a tenth of a millisecond."""
    text: str = format_decimal(value, format=pattern, locale=locale)
    return text


def axis_number(value: float, decimals: int) -> str:
    """A tick of an axis; millions and more in short, as 12,5 md."""
    if abs(value) >= 1_000_000:
        short: str = format_compact_decimal(value, locale=LOCALES[g.lang], fraction_digits=2)
        return short
    return number(value, decimals)


def change(value: float, decimals: int) -> str:
    """A difference with its sign; a minus as wide as the plus."""
    text = number(abs(value), decimals)
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def day(value: date | None) -> str:
    return format_date(value, "d MMMM y", locale=LOCALES[g.lang]) if value else "–"


def period(text: str) -> str:
    """A period of the standard as people say it: 2024, kvartal 1 2024, mars 2024, 2022–2024, juli 2023 – juni 2024."""
    found = parse_period(text)
    locale = LOCALES[g.lang]
    if found.kind == "year":
        return text
    if found.kind == "quarter":
        return t("period.quarter", quarter=text[-1], year=text[:4])
    if found.kind == "month":
        month: str = format_date(found.start, "LLLL y", locale=locale)
        return month
    if (found.start.month, found.start.day, found.end.month, found.end.day) == (1, 1, 12, 31):
        return f"{found.start.year}–{found.end.year}" if found.start.year < found.end.year else f"{found.start.year}"
    is_months = found.start.day == 1 and (found.end + timedelta(days=1)).day == 1
    pattern = "MMM y" if is_months else "d MMM y"
    return " – ".join(format_date(edge, pattern, locale=locale) for edge in (found.start, found.end))


def moment(value: datetime) -> str:
    return format_datetime(value, "d MMMM y HH:mm", locale=LOCALES[g.lang]) + " UTC"


def size(count: int) -> str:
    """Bytes in the unit that gives few digits (decimal units, as the file managers of today)."""
    for unit, limit in (("B", 1_000), ("kB", 1_000_000), ("MB", 1_000_000_000)):
        if count < limit:
            return f"{number(count * 1000 / limit, 0)} {unit}"
    return f"{number(count / 1_000_000_000)} GB"


def words(texts: Mapping[str, str]) -> str:
    """The text in the visitor's language, or in the other one."""
    return texts.get(g.lang) or next((text for text in texts.values() if text), "")


def warm() -> None:
    """Read all sentences and what the locales know, which take the first page of a process a while."""
    for language, locale in LOCALES.items():
        for room in ("vocab", "schemas", "publisher", "catalogue"):
            messages(language, room)
        _formatted(0, "0", locale)
        format_date(date.min, locale=locale)


def register(app: Flask) -> None:
    """Set `g.lang` for every request, keep a choice made by ?lang=, and give templates the functions here."""

    @app.before_request
    def set_language() -> None:
        g.lang = language()

    @app.after_request
    def keep_language(answer: Response) -> Response:
        if request.args.get("lang") in LANGUAGES and answer.mimetype == media_types.HTML:
            answer.set_cookie(COOKIE, g.lang, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
        if answer.mimetype == media_types.HTML:
            answer.headers["Content-Language"] = g.lang
        # Problems that are told in one language say in which.
        is_english = answer.mimetype == media_types.PROBLEM_JSON and not answer.content_language
        is_same = g.get("is_same_in_every_language") or answer.mimetype in RDF_FORMATS.values() or is_english
        if not is_same:
            answer.vary.update(("Accept-Language", "Cookie"))
        return answer

    @app.context_processor
    def for_templates() -> dict[str, Any]:
        found = {
            "t": t,
            "number": number,
            "change": change,
            "day": day,
            "moment": moment,
            "size": size,
            "period": period,
        }
        spoken = {"lang": g.lang, "other_lang": "en" if g.lang == "sv" else "sv", "here": _in_other_language}
        return {**found, **spoken, "words": words}


def _in_other_language() -> str:
    """This page in the other language, all other parameters kept."""
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return f"{quote(request.path)}?{urlencode([*kept, ('lang', 'en' if g.lang == 'sv' else 'sv')])}"
