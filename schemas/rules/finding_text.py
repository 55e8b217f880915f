"""Conversion of a rule's match to a finding: location, message parameters, and a fix if one is safe."""

import difflib
from collections.abc import Mapping
from functools import lru_cache

from vaven.schemas.rules.advice import Advice, advice_on_number, advice_on_period
from vaven.schemas.rules.registry import Checking, RuleMatch, severity_of
from vaven.schemas.standard.finding import Finding, code_words, joined, uncapitalised
from vaven.schemas.standard.labels import codes_by_word, fold
from vaven.schemas.standard.table_schemas import Field
from vaven.schemas.tables.compile import describe_field
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES, messages

# Characters of a text that are compared with a code list.
COMPARED = 400
# Fields with periods.
PERIODS = ("period", "baseline_period")
# Numbers that programs write for a missing value.
SENTINELS = frozenset(("-1", "-9", "-99", "-999", "-9999", "99", "999", "9999", "99999"))
# A longer code list is not enumerated: the message refers to the sheet of code lists.
MAX_CODES = 20


def finding_of(on: Checking, code: str, match: RuleMatch) -> Finding:
    column = on.table.column(match.field) if match.field else None
    params = {**_words(on, match), **match.params}
    kpi = register.kpis().get(str(params.get("kpi")))
    if kpi:
        params |= {f"kpi_{language}": kpi.text(language) for language in LANGUAGES}
    if code == "not-in-list" and match.field:
        field, nearest = on.schema[match.field], _nearest(on, match)
        params |= {f"hint_{language}": _hint(field, nearest, language) for language in LANGUAGES}
        params["nearest"] = nearest
    if code in ("duplicate-key", "duplicate-row"):
        params |= {f"key_{language}": _key(on, language) for language in LANGUAGES}
    advice = _advice(on, code, match, kpi)
    if advice:
        params |= {**advice.params, "advice": advice.key}
    return Finding(
        code=code,
        severity=severity_of(code),
        resource=on.table.resource,
        sheet=on.table.sheet,
        row=match.row,
        column=column.letter if column else None,
        field=match.field,
        text=match.text,
        params=params,
        fix=match.fix or (advice.fix if advice else None),
    )


def _advice(on: Checking, code: str, match: RuleMatch, kpi: register.Kpi | None) -> Advice | None:
    """Return the remedy for the kind of text in the cell; None if the rule's own applies."""
    field = on.schema[match.field] if match.field in on.schema.names else None
    if field is None or not match.text:
        return None
    if code == "type-error" and field.type in ("number", "integer"):
        return advice_on_number(match.text, kpi, has_status="status" in on.schema.names)
    if code == "pattern-mismatch" and field.name in PERIODS:
        return advice_on_period(match.text)
    if code in ("kpi-range", "below-minimum", "above-maximum") and match.text in SENTINELS:
        return Advice("value.sentinel", {"status": "O"}) if "status" in on.schema.names else None
    if code == "not-in-list" and field.descriptor.get("codes") != "kpis":
        return Advice("list")
    return None


def _words(on: Checking, match: RuleMatch) -> Mapping[str, object]:
    """Return the message parameters of the match's field, if any."""
    return describe_field(on.schema[match.field]) if match.field and match.field in on.schema.names else {}


def _key(on: Checking, language: str) -> str:
    """Return the labels of the primary key's columns."""
    return joined([uncapitalised(on.schema[name].label(language)) for name in on.schema.primary_key], language)


def _nearest(on: Checking, match: RuleMatch) -> str:
    """Return the allowed code closest to the text by code or label, or ""."""
    field = on.schema[match.field or ""]
    code_list, allowed = field.descriptor.get("codes"), field.constraints["enum"]
    words = tuple(codes_by_word(code_list).items()) if code_list else tuple((str(code), str(code)) for code in allowed)
    return _nearest_word(fold((match.text or "")[:COMPARED]), words)


def _hint(field: Field, nearest: str, language: str) -> str:
    """Return a suggestion of the nearest code, or else all allowed codes."""
    code_list, say = field.descriptor.get("codes"), messages(language, "schemas")
    allowed = [str(code) for code in field.constraints["enum"]]
    if nearest:
        return say("hint.nearest", nearest=_named(code_list, nearest, language))
    if len(allowed) > MAX_CODES:
        return say("hint.kpis")
    return say("hint.allowed", allowed=", ".join(_named(code_list, code, language) for code in allowed))


def _named(code_list: str | None, code: str, language: str) -> str:
    if code_list == "kpis":
        return f"{register.kpis()[code].text(language)} ({code})"
    return code_words(code_list, code, language) if code_list else code


# Cached: a misspelling repeated in a thousand rows is compared with the list only once.
@lru_cache(maxsize=1_000)
def _nearest_word(text: str, words: tuple[tuple[str, str], ...]) -> str:
    codes = dict(words)
    near = difflib.get_close_matches(text, codes, n=1, cutoff=0.6)
    return codes[near[0]] if near else ""
