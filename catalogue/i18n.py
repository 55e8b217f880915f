"""The visitor's language, and words, numbers and dates in it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from flask import Flask, Response, g, request

from vaven.vocab.messages import DEFAULT_LANGUAGE, LANGUAGES, messages

COOKIE = "lang"
YEAR_SECONDS = 365 * 24 * 3600
LOCALES = {"sv": "sv_SE", "en": "en_GB"}


def language() -> str:
    """By ?lang=, then the cookie, then Accept-Language; Swedish where nothing speaks for English."""
    for given in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if given and given in LANGUAGES:
            return given
    return request.accept_languages.best_match(LANGUAGES) or DEFAULT_LANGUAGE


def t(key: str, /, **params: object) -> str:
    return messages(g.lang, "vaven.catalogue")(key, **params)


def number(value: float | None, decimals: int | None = None) -> str:
    """A number as people write it; None is an en dash. Without `decimals` at most one."""
    if value is None:
        return "–"
    pattern = "#,##0.#" if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
    return format_decimal(value, format=pattern, locale=LOCALES[g.lang])


def day(value: date | None) -> str:
    return format_date(value, "d MMMM y", locale=LOCALES[g.lang]) if value else "–"


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


def register(app: Flask) -> None:
    """Set `g.lang` for every request, keep a choice made by ?lang=, and give templates the functions here."""

    @app.before_request
    def set_language() -> None:
        g.lang = language()

    @app.after_request
    def keep_language(answer: Response) -> Response:
        if request.args.get("lang") in LANGUAGES and answer.mimetype == "text/html":
            answer.set_cookie(COOKIE, g.lang, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
        if answer.mimetype == "text/html":
            answer.headers["Content-Language"] = g.lang
            answer.vary.update(("Accept-Language", "Cookie"))
        return answer

    @app.context_processor
    def for_templates() -> dict[str, Any]:
        found = {"t": t, "number": number, "day": day, "moment": moment, "size": size, "words": words}
        return {**found, "lang": g.lang, "other_lang": "en" if g.lang == "sv" else "sv", "here": _in_other_language}


def _in_other_language() -> str:
    """This page in the other language, all other parameters kept."""
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return f"{request.path}?{urlencode([*kept, ('lang', 'en' if g.lang == 'sv' else 'sv')])}"
