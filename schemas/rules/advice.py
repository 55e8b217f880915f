"""Advice on a cell that is no number or period: the remedy for its kind of text, and a fix if one is safe."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vaven.schemas.standard.finding import Fix
from vaven.schemas.standard.labels import fold
from vaven.schemas.standard.period_forms import FOOTNOTE, period_advice
from vaven.vocab import register
from vaven.vocab.areas import areas
from vaven.vocab.areas.names import COUNTRY, kommun_without_diacritics

NUMBER = r"[-+−]?\d[\d\s.,]*"
LONGEST = 60
APPROXIMATE = re.compile(
    rf"(?:~|≈|±|ca|ca\.|c:a|cirka|circa|omkring|runt|ungefär|drygt|knappt|about|approx\.?|roughly)\s*({NUMBER}).*", re.I
)
BELOW = re.compile(
    rf"(?:<|≤|<=|under|färre än|mindre än|högst|max|below|fewer than|less than|at most)\s*({NUMBER}).*", re.I
)
ABOVE = re.compile(rf"(?:>|≥|>=|över|fler än|mer än|minst|above|more than|at least)\s*({NUMBER}).*", re.I)
RANGE = re.compile(rf"({NUMBER}?)\s*(?:[–—-]|till|to)\s*(\d[\d\s.,]*)(?:\s*%)?", re.I)
APOSTROPHE = re.compile(rf"['’‘`´]\s*({NUMBER})")
GROUPED_BY_APOSTROPHES = re.compile(r"[-+−]?\d{1,3}(?:['’]\d{3})+(?:[.,]\d+)?")
FRACTIONS = {"½": "5", "¼": "25", "¾": "75"}
WITH_FRACTION = re.compile(r"(\d+)\s*([½¼¾])")
# A number in any common notation, followed by a word.
WITH_WORD = re.compile(r"([-+−]?[0-9][0-9\s.,]*?)\s*\(?([^0-9\s.,()]+(?: \S+)*?)\.?\)?")
WITH_UNIT_OF_PER_MILLE = ("‰", "promille", "per mille", "per 1 000", "per 1000")
# Marks after a number that stand for a status, as in Swedish official statistics.
STATUS_MARKS = {
    **dict.fromkeys(("p", "prel", "prel.", "preliminär", "preliminärt", "provisional"), "P"),
    **dict.fromkeys(("e", "est", "est.", "skattat", "skattning", "uppskattat", "estimated"), "E"),
    **dict.fromkeys(("f", "prognos", "forecast"), "F"),
    **dict.fromkeys(("u", "osäkert", "osäker", "uncertain"), "U"),
    **dict.fromkeys(("b", "brott"), "B"),
    **dict.fromkeys(("r", "rev", "rev.", "reviderat", "reviderad", "revised"), "A"),
}
MISSING_WORDS = {
    **dict.fromkeys(
        ("n/a", "na", "n.a", "#n/a", "nan", "null", "none", "nil", "saknas", "uppgift saknas", "uppg saknas", "u.s",
         "us", "inga uppgifter", "ingen uppgift", "missing", "no data", "e.t", "ej tillgänglig", "ej tillgängligt", "x",
         "xx", "?", "saknat värde", "tomt"), "O"),
    **dict.fromkeys(("e.u", "eu", "för få svar", "för få", "få svar", "sekretess", "dolt", "undertryckt", "suppressed",
                     "confidential", "döljs", "prickad", "prickat"), "Q"),
    **dict.fromkeys(("ej insamlat", "ej mätt", "inte mätt", "ej undersökt", "not collected"), "L"),
    **dict.fromkeys(("ej aktuellt", "inte aktuellt", "ej relevant", "not applicable"), "M"),
}  # fmt: skip
# Common notations of a unit of the register, besides its name.
UNIT_WORDS = {
    "%": ("procent", "percent"),
    "SEK": ("kronor", ":-"),
    "persons": ("st", "pers"),
    "hours": ("tim", "h"),
    "per 100,000 residents": ("per 100 000",),
    "per 1,000 residents": ("per 1 000",),
    "per resident": ("per person",),
}
# Factors of amounts in Swedish kronor.
AMOUNTS = {
    **dict.fromkeys(("tkr", "kkr", "ksek", "tusen kronor", "tusen kr", "tsek"), 1_000),
    **dict.fromkeys(
        ("mkr", "mnkr", "msek", "milj kr", "milj. kr", "miljoner kronor", "miljoner kr", "mn kr"), 1_000_000
    ),
    **dict.fromkeys(("mdkr", "mdr kr", "miljarder kronor", "miljarder kr"), 1_000_000_000),
}


@dataclass(frozen=True)
class Advice:
    """The key of a remedy with its parameters, and a fix of the cell if it is safe without asking."""

    key: str
    params: Mapping[str, object] = field(default_factory=dict)
    fix: Fix | None = None


def advice_on_period(text: str) -> Advice | None:
    if len(text) > LONGEST or not (advice := period_advice(text)):
        return None
    key, params = advice
    # An asterisk may stand for a preliminary value, a numbered footnote for anything; only the number is no content.
    is_numbered = key == "period.footnote" and not text.rstrip().endswith(("*", "†", "‡", "#"))
    return Advice(key, params, Fix(params["period"]) if is_numbered else None)


def advice_on_number(text: str, kpi: register.Kpi | None, *, has_status: bool) -> Advice | None:
    """Return advice on a text in a column of numbers. Without `has_status`, the table has no column Status."""
    text = " ".join(text.split())
    if len(text) > LONGEST:
        return None
    return (
        _advice_on_notation(text)
        or _advice_on_unit(text, kpi)
        or (_advice_on_status(text, kpi) if has_status else None)
        or (_advice_on_inexact(text) if has_status else None)
    )


# Suffix of the remedies that put the status of a value into its cell.
IN_CELL = ".in-cell"
WITH_STATUS = {"value.marked", "value.approximate", "value.missing", "value.below", "value.above", "value.footnote"}


def in_cell(advice: Advice | None) -> Advice:
    """Return the same advice for a table without a column Status, which reads "57,1 (P)" and "undertryckt (Q)"."""
    if advice is None:
        return Advice("value.other" + IN_CELL)
    if advice.key not in WITH_STATUS:
        return advice
    if advice.key not in ("value.marked", "value.approximate"):
        return replace(advice, key=advice.key + IN_CELL)
    # Number and status stay together, so that nothing is lost.
    return Advice("value.marked" + IN_CELL, advice.params, Fix("{number} ({status})".format_map(advice.params)))


def _advice_on_notation(text: str) -> Advice | None:
    """Return advice on a number in another notation, whose fix is certain."""
    if match := APOSTROPHE.fullmatch(text):
        return _replaced(match[1])
    if GROUPED_BY_APOSTROPHES.fullmatch(text):
        return _replaced(re.sub("['’]", "", text))
    if match := WITH_FRACTION.fullmatch(text):
        return _replaced(f"{match[1]},{FRACTIONS[match[2]]}")
    if (match := FOOTNOTE.fullmatch(text)) and re.fullmatch(NUMBER, match[1]):
        is_numbered = not text.endswith(("*", "†", "‡", "#"))
        return Advice("value.footnote", {"number": match[1]}, Fix(match[1]) if is_numbered else None)
    return None


def _replaced(number: str) -> Advice:
    return Advice("value.number", {"number": number}, Fix(number))


def _advice_on_unit(text: str, kpi: register.Kpi | None) -> Advice | None:
    match = WITH_WORD.fullmatch(text)
    if not match or not kpi:
        return None
    number, word = match[1], match[2].casefold()
    if word in _own_units(kpi):
        return _replaced(number)
    factor = _factor(word, kpi)
    if factor and (converted := _product(number, factor)):
        return Advice("value.converted", {"number": converted}, Fix(converted))
    is_unit = word in AMOUNTS or word in WITH_UNIT_OF_PER_MILLE or word in _all_unit_words()
    units = {"unit_sv": kpi.unit("sv"), "unit_en": kpi.unit("en")}
    return Advice("value.unit", units) if is_unit else None


def _own_units(kpi: register.Kpi) -> frozenset[str]:
    names = (kpi.unit("sv"), kpi.unit("en"), *UNIT_WORDS.get(kpi.unit("en"), ()))
    return frozenset(name.casefold() for name in names)


def _without_unit(text: str, kpi: register.Kpi | None) -> str:
    """Return "44,9 (prel)" for "44,9 % (prel)" of a KPI in per cent; other texts unchanged."""
    number, unit, mark = (*text.split(" "), "", "")[:3]
    joined = f"{number} {mark}" if kpi and mark and unit.casefold() in _own_units(kpi) else text
    return joined if len(joined.split(" ")) == len(text.split(" ")) - 1 else text


def _factor(word: str, kpi: register.Kpi) -> float | None:
    if kpi.unit("en") == "SEK":
        return AMOUNTS.get(word)
    return 0.1 if kpi.unit("en") == "%" and word in WITH_UNIT_OF_PER_MILLE else None


def _product(number: str, factor: float) -> str | None:
    """Return a number of one notation times a factor, as plain decimal digits with a comma."""
    plain = re.sub(r"\s", "", number).replace("−", "-").replace(",", ".")
    if plain.count(".") > 1:
        return None
    product = f"{float(plain) * factor:.6f}".rstrip("0").rstrip(".")
    return product.replace(".", ",")


def _all_unit_words() -> frozenset[str]:
    units = {kpi.unit(language).casefold() for kpi in register.kpis().values() for language in ("sv", "en")}
    return frozenset(units | {word for words in UNIT_WORDS.values() for word in words})


def _advice_on_status(text: str, kpi: register.Kpi | None) -> Advice | None:
    """Return advice on a text for a missing value, and on a number with a mark for its status, also after its unit."""
    if status := MISSING_WORDS.get(text.casefold().strip(" .()[]")):
        return Advice("value.missing", {"status": status})
    match = WITH_WORD.fullmatch(_without_unit(text, kpi))
    if match and (status := STATUS_MARKS.get(match[2].casefold())):
        return Advice("value.marked", {"number": match[1], "status": status})
    return None


def _advice_on_inexact(text: str) -> Advice | None:
    if match := APPROXIMATE.fullmatch(text):
        return Advice("value.approximate", {"number": match[1].strip(), "status": "E"})
    if match := BELOW.fullmatch(text):
        return Advice("value.below", {"number": match[1].strip(), "status": "Q"})
    if match := ABOVE.fullmatch(text):
        return Advice("value.above", {"number": match[1].strip()})
    if match := RANGE.fullmatch(text):
        return Advice("value.range", {"lowest": match[1].strip(), "highest": match[2].strip()})
    return None


# Words in place of an area for a sum or mean over areas, folded.
SUMMARY_WORDS = frozenset(
    ("summa", "totalt", "total", "sum", "totalsumma", "summa totalt", "grand total", "medel", "snitt", "genomsnitt",
     "medelvarde", "medeltal", "medelvardet", "genomsnittet", "average", "mean", "median", "samtliga", "alla",
     "alla omraden", "samtliga omraden", "hela kommunen", "kommunen", "kommunen totalt", "kommun totalt",
     "hela omradet",      "all areas", "ovriga", "ovrigt", "okant", "restomrade")
)  # fmt: skip


# Words in place of an area for a row with the number of respondents of each column, as in exports of survey tools.
RESPONDENTS_WORDS = frozenset(
    ("n", "n=", "antal", "antal svar", "antal svarande", "antal respondenter", "svarande", "respondenter", "bas",
     "svarsantal", "antal svar (n)", "antal svarande (n)", "antal (n)", "bas (n)", "base", "respondents", "count",
     "number of respondents")
)  # fmt: skip


def advice_on_area(text: str, nearest: str) -> Advice:
    """Return advice on an unknown area; `nearest` is the most similar known code, "" if there is none."""
    if fold(text) in COUNTRY:
        return Advice("area.country")
    if fold(text) in SUMMARY_WORDS:
        return Advice("area.summary")
    if fold(text) in RESPONDENTS_WORDS:
        return Advice("area.respondents")
    if kommun := areas().kommuner.get(nearest):
        is_certain = kommun_without_diacritics(text) == nearest
        return Advice("area.kommun", {"right": kommun.name, "code": nearest}, Fix(nearest) if is_certain else None)
    return Advice("area.code" if any(map(str.isdigit, text)) else "area.name")
