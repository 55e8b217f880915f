"""Names of areas as partners write them: beside a code, in one cell with it, or instead of it."""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

from vaven.vocab.areas import Area, areas, level_of

LONG_CODE = r"\d{4}[ABCabc]\d{4}|\d{4}[Rr]\d{3}|\d{4}"
SUFFIX = r"(?:_(?:DeSO|RegSO)20\d\d)?"
# "0180 Stockholm", "0180 - Stockholm", "0180 (Stockholm)", "0180: Stockholm".
CODE_FIRST = re.compile(rf"({LONG_CODE}|\d{{2,3}}){SUFFIX}[\s:;,./(_–—-]+(?!(?:DeSO|RegSO)20)([^\W\d].*?)\)?")
# "Stockholm (0180)", "Stockholm, 0180", "Stockholm 0180"; "Norra 14" has no code.
CODE_LAST = re.compile(rf"([^\W\d].*?)[\s:;,/(_–—-]+({LONG_CODE}){SUFFIX}\)?")
# Longer texts are no area with its name.
LONGEST = 200
# Names in use that differ from the register's name, with its usual endings, in more than the ending.
OTHER_NAMES = {"falu kommun": "2080", "region gotland": "0980", "gotlands region": "0980"}
# Abbreviations that are suggested, not read.
ABBREVIATIONS = {"sthlm": "0180", "gbg": "1480", "gbg stad": "1480"}
# Words beside a name, or instead of it, for the whole of an area.
WHOLE_WORDS = frozenset(
    ("hela", "totalt", "total", "samtliga", "alla", "kommunen", "kommun", "stad", "staden", "summa", "snitt")
)
COUNTRY = frozenset(("riket", "hela riket", "sverige", "hela sverige", "sweden", "landet"))


def folded(name: str) -> str:
    """Fold a name for comparison: lower case, single blanks, no hyphens. Diacritics remain: Habo and Håbo are two."""
    return " ".join(re.sub(r"[\s_–—-]+", " ", unicodedata.normalize("NFC", name).casefold()).split())


def without_diacritics(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", folded(name)) if not unicodedata.combining(c))


def kommun_of(name: str) -> str | None:
    """Return the code of the municipality with this name, also in "Göteborgs stad", "Falu kommun", "Kommun: Solna"."""
    name = folded(name)
    return _kommun_codes().get(name) or _kommun_codes().get(name.removeprefix("kommun").lstrip(" :"))


def kommun_without_diacritics(name: str) -> str | None:
    """Return the code of the municipality with this name without its diacritics, if there is exactly one."""
    return _plain_kommun_codes().get(without_diacritics(name))


@lru_cache(maxsize=1_000)
def similar_kommun(name: str) -> str | None:
    """Return the code of the municipality with the most similar name, None if none is similar."""
    plain = without_diacritics(name[:LONGEST])
    near = difflib.get_close_matches(plain, _plain_kommun_codes(), n=1, cutoff=0.8)
    return ABBREVIATIONS.get(plain) or (_plain_kommun_codes()[near[0]] if near else None)


@lru_cache(maxsize=1 << 14)
def split_name(text: str) -> tuple[str, str] | None:
    """Return code and name of a text with both, the code with its leading zero; None for any other text."""
    if len(text) > LONGEST:
        return None
    if match := CODE_FIRST.fullmatch(text):
        code, name = match.groups()
    elif match := CODE_LAST.fullmatch(text):
        name, code = match.groups()
    else:
        return None
    code = code.upper().zfill(4) if len(code) == 3 else code.upper()
    return (code, name.strip()) if areas().find(code) else None


def is_name_of(code: str, name: str) -> bool:
    """Return True unless the name is another area's.

    A municipality or county has one official name. A DeSO or RegSO has any name but that of another municipality or
    of another RegSO in its municipality.
    """
    area = areas().find(code)
    if area is None or without_diacritics(name) in _names(area):
        return True
    words = [word for word in without_diacritics(name).split() if word not in WHOLE_WORDS]
    if not words or " ".join(words) in _names(area):
        return True
    return area.level in ("deso", "regso") and not _is_other_area(area, name)


def contains(name: str, code: str) -> bool:
    """Return True if the name is of an area that the area with the code is a part of: its county, or Sweden."""
    plain = without_diacritics(name)
    county = areas().lan.get(code[:2])
    return plain in COUNTRY or bool(county and plain in _names(county))


@cache
def _names(area: Area) -> frozenset[str]:
    """Return the names of an area and, for a DeSO or RegSO, of its municipality, without diacritics."""
    names = {area.name} if area.name else set()
    if area.level == "lan":
        # "Stockholms län", and "Stockholm län" as foreign programs write it.
        names |= {re.sub(r"s län$", " län", area.name)}
    if kommun := areas().kommuner.get(area.kommun):
        names |= set(_kommun_names(kommun))
    return frozenset(map(without_diacritics, names))


def _is_other_area(area: Area, name: str) -> bool:
    kommun = kommun_of(name)
    if kommun and kommun != area.kommun:
        return (area.kommun, without_diacritics(name)) not in _plain_regso_names()
    return (area.kommun, without_diacritics(name)) in _plain_regso_names() and bool(area.name)


def _kommun_names(kommun: Area) -> Iterator[str]:
    genitive = kommun.name if kommun.name.endswith(("s", "x", "z")) else f"{kommun.name}s"
    yield kommun.name
    yield from (f"{name} {kind}" for name in (genitive, kommun.name) for kind in ("kommun", "stad"))
    yield from (other for other, code in OTHER_NAMES.items() if code == kommun.code)


@cache
def _kommun_codes() -> Mapping[str, str]:
    return {folded(name): kommun.code for kommun in areas().kommuner.values() for name in _kommun_names(kommun)}


@cache
def _plain_kommun_codes() -> Mapping[str, str]:
    codes: dict[str, set[str]] = {}
    for name, code in _kommun_codes().items():
        codes.setdefault(without_diacritics(name), set()).add(code)
    return {name: next(iter(same)) for name, same in codes.items() if len(same) == 1}


@cache
def _plain_regso_names() -> frozenset[tuple[str, str]]:
    return frozenset((kommun, without_diacritics(name)) for kommun, name in areas().regso_names)


def has_one_name(code: str) -> bool:
    """Return True for the code of a municipality or county, which has one official name."""
    return level_of(code) in ("kommun", "lan")
