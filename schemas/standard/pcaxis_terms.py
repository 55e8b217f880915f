"""Terms of PC-Axis files: symbols in place of a missing value, and measures beside the value, by their texts."""

from collections.abc import Iterator, Mapping

from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import codes_by_word, fold, known_labels
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES

# Symbols in place of a value, by the keyword of the text that PxWeb shows for them.
SYMBOLS = {f"DATASYMBOL{count}": "." * count for count in range(1, 7)} | {
    "DATASYMBOLNIL": "-",
    "DATASYMBOLSUM": "." * 7,
}
# Folded beginnings of words in those texts, by the status that they mean.
SYMBOL_WORDS = {
    "Q": ("sekret", "skydd", "undertryck", "rojande", "confidential", "suppress"),
    "M": ("ej tillamp", "inte tillamp", "not applicable", "kan ej", "kan inte", "cannot"),
    "L": ("ej insaml", "inte insaml", "not collected"),
    "O": ("saknas", "ej tillgang", "inte tillgang", "not available", "missing", "osaker"),
}

# Fields beside the value that a contents variable may have, and words of their labels that the standard lacks.
MEASURES = ("ci_lower", "ci_upper", "sample_size", "numerator", "denominator")
BOUNDS = {"ci_lower": ("undre", "nedre", "lower"), "ci_upper": ("ovre", "upper")}


def status_of(text: str) -> str | None:
    """Return the status of a missing value that a symbol's text states: its name, a part of it, or another symbol."""
    if text in SYMBOLS.values():
        return {".": "M", "-": None}.get(text, "O")
    folded = fold(text)
    statuses = register.codes("statuses")
    code = codes_by_word("statuses").get(folded)
    if code and len(folded) > 1 and statuses[code].properties["value_missing"] == "true":
        return code
    matches = [status for status, words in SYMBOL_WORDS.items() if any(word in folded for word in words)]
    # A text with several reasons states none of them.
    return (matches[0] if len(matches) == 1 else "O") if matches else None


def symbol_notes(texts: Mapping[str, str], statuses: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a note of the status of each symbol that the file declares."""
    for symbol, status in statuses.items():
        params = {"mark": symbol, "contents": texts[symbol], "status": status}
        yield Finding("assumed-pcaxis-symbol", Severity.NOTE, params=params)


def measure_note(label: str, fields: Mapping[str, str]) -> Finding:
    """Return the note of the field that each text of a contents variable was read as."""
    params: dict[str, object] = {"label": label}
    for language in LANGUAGES:
        names = {text: standard()["observations"][name].label(language) for text, name in fields.items()}
        params[f"contents_{language}"] = "; ".join(f"{text} = {name}" for text, name in names.items())
    return Finding("assumed-pcaxis-measures", Severity.NOTE, params=params)


def measure_of(text: str) -> str | None:
    """Return the field that a text of a contents variable names."""
    field = known_labels("observations").get(fold(text))
    if field in ("value", *MEASURES):
        return field
    words = fold(text).split()
    return next((name for name, starts in BOUNDS.items() if any(word in starts for word in words)), None)
