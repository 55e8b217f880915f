"""What a finding says of a rule's hit: its place, the words that fill its sentences, and a repair where one is safe."""

import difflib
import re
from collections.abc import Mapping
from functools import cache, lru_cache

from vaven.schemas.rules.registry import Checking, RuleMatch, severity_of
from vaven.schemas.standard.finding import Finding, Fix
from vaven.schemas.tables.compile import describe_field
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES

# How much of a text is compared with a list, in characters.
COMPARED = 400
# A number as people write it, with a word behind it.
WITH_UNIT = re.compile(r"([-+−]?[0-9][0-9\s.,]*?)\s*([^0-9\s.,]+(?: \S+)*?)\.?")
LONGEST_NUMBER = 40
# What people write for a unit of the register beside its own name.
UNIT_WORDS = {"%": ("procent", "percent"), "SEK": ("kronor", ":-"), "persons": ("st", "pers"), "hours": ("tim", "h")}


def finding_of(on: Checking, code: str, hit: RuleMatch) -> Finding:
    column = on.table.column(hit.field) if hit.field else None
    params = {**_words(on, hit), **hit.params}
    kpi = register.kpis().get(str(params.get("kpi")))
    if kpi:
        params |= {f"kpi_{language}": kpi.text(language) for language in LANGUAGES}
    if code == "not-in-list" and hit.field:
        params |= _nearest_words(on, hit)
    return Finding(
        code=code,
        severity=severity_of(code),
        resource=on.table.resource,
        sheet=on.table.sheet,
        row=hit.row,
        column=column.letter if column else None,
        field=hit.field,
        text=hit.text,
        params=params,
        fix=hit.fix or (_without_unit(hit.text, kpi) if kpi and code == "type-error" else None),
    )


def _without_unit(text: str | None, kpi: register.Kpi) -> Fix | None:
    """The number alone, where the cell has the KPI's own unit behind it."""
    found = WITH_UNIT.fullmatch(text) if text and len(text) <= LONGEST_NUMBER else None
    words = (kpi.unit("sv"), kpi.unit("en"), *UNIT_WORDS.get(kpi.unit("en"), ()))
    return Fix(found[1]) if found and found[2].casefold() in (word.casefold() for word in words) else None


def _words(on: Checking, hit: RuleMatch) -> Mapping[str, object]:
    """What messages may say of the hit's field, if it has one."""
    return describe_field(on.schema[hit.field]) if hit.field and hit.field in on.schema.names else {}


def _nearest_words(on: Checking, hit: RuleMatch) -> Mapping[str, object]:
    nearest = _nearest(on, hit)
    kpi = register.kpis().get(nearest) if hit.field == "kpi" else None
    names = {f"nearest_{language}": f"{kpi.text(language)} ({kpi.id})" for language in LANGUAGES} if kpi else {}
    return {"nearest": nearest, **names}


def _nearest(on: Checking, hit: RuleMatch) -> str:
    """The allowed code most like the one given; for a KPI its labels count too."""
    field_name = hit.field or ""
    allowed = tuple(str(code) for code in on.schema[field_name].constraints["enum"])
    if field_name == "kpi":
        return _nearest_word((hit.text or "").casefold()[:COMPARED], _kpi_words())
    words = tuple((code.casefold(), code) for code in allowed)
    return _nearest_word((hit.text or "").casefold()[:COMPARED], words) or ", ".join(allowed[:20])


@cache
def _kpi_words() -> tuple[tuple[str, str], ...]:
    return tuple((word.casefold(), k.id) for k in register.kpis().values() for word in (k.id, *k.labels.values()))


# A thousand findings of one misspelling cost one comparison with the list.
@lru_cache(maxsize=1_000)
def _nearest_word(wanted: str, words: tuple[tuple[str, str], ...]) -> str:
    codes = dict(words)
    near = difflib.get_close_matches(wanted, codes, n=1, cutoff=0.6)
    return codes[near[0]] if near else ""
