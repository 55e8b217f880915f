"""Labels of columns and sheets, and names of codes, as partners write them, compared in folded form."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, combinations, pairwise

from vaven.schemas.standard.period_forms import period_of
from vaven.schemas.standard.table_schemas import RESOURCES, TableSchema, standard
from vaven.vocab import register

AGE_WORDS = re.compile(
    r"(?:(?:samtliga|alla|total|totalt|all)\s+)?"
    r"(?:(\d{1,3})\s*(?:-|–|till|to)\s*(\d{1,3})(?:\s*(?:år|years?))?"
    r"|(\d{1,3})\s*(?:\+(?:\s*(?:år|years?))?|[-–]\s*år|år och äldre|years and (?:over|older)))",
    re.IGNORECASE,
)
ALL_AGES = frozenset(("alla", "totalt", "total", "samtliga", "all", "alla aldrar", "all ages", "t"))
# A period inside a label: "2023", "år 2023", "2023-Q1", "2023 kv 1", "2022/2024", "2022–2024".
PERIOD = re.compile(
    r"(?<![\d.,])((?:19|20)\d\d)(?:\s*[/–-]\s*((?:19|20)\d\d)|\s*-?\s*(?:q|k|kv|kvartal)\.?\s*([1-4])|(?:-|\s*m)(0[1-9]|1[0-2]))?"
    r"(?![\d.,]\d|\d)",
    re.IGNORECASE,
)
# Longer labels are read as two runs of words at most: the number of ways to cut them grows with the square.
MAX_WORDS_OF_THREE = 15
# Words that add no meaning to a period or a sex in a label. A unit is compared with the KPI's (rules/units.py).
STOP_WORDS = frozenset(
    ("", "ar", "year", "procent", "percent", "%", "antal", "number", "share", "i", "in", "promille", "‰", "tkr", "kkr",
     "mkr", "mnkr", "msek", "kr", "sek", "kronor", "st", "per 1 000", "per 1000", "per 100 000", "per 1 000 invanare",
     "per 100 000 invanare")
)  # fmt: skip


# Characters without a shape: soft hyphens, zero-width characters, marks of direction and of byte order. The pattern
# contains the characters themselves, so that it is one of DuckDB too.
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# A mark of a footnote after a text: "2023¹", "2023*", "Värde 1)", "2023 (1)".
FOOTNOTE_MARK = re.compile(
    # Possessive: a row of asterisks before a word would else be cut in all ways, in exponential time.
    r"(?<!\s)(?:\s*+(?<!m)[¹²³⁰⁴-⁹*†‡]++\)?|\s*+\([1-9*]\)|(?:\s++|(?<=[^\W\d_])|(?<=(?:19|20)\d\d))\d{1,2}\)"
    r"|\s++[a-e]\))(?:\s*+,?\s*+[¹²³⁰⁴-⁹*†‡]++)*+\s*+$"
)


def visible(text: str) -> str:
    """Return a text without invisible characters, which copying from a page adds."""
    return text if text.isascii() else INVISIBLE.sub("", text)


def without_marks(label: str) -> str:
    """Remove invisible characters from a label, and the mark of a footnote at its end."""
    visible = INVISIBLE.sub("", label)
    return FOOTNOTE_MARK.sub("", visible) or visible


def fold(text: str) -> str:
    """Fold a label for comparison: lower case, no diacritics, single blanks between words, no marks at the ends."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", without_marks(text)) if not unicodedata.combining(c))
    return " ".join(re.sub("[_–-]", " ", plain.casefold()).split()).strip(" .:*")


@cache
def known_labels(resource: str) -> Mapping[str, str]:
    """Return field names by folded label: the standard's name, its labels in both languages, then synonyms."""
    fields: dict[str, str] = {}
    schema = standard()[resource]
    for labels in (_own_names, _label_synonyms):
        for field_name, label in labels(schema):
            fields.setdefault(fold(label), field_name)
    return fields


def _own_names(schema: TableSchema) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        yield from ((field.name, label) for label in (field.name, field.label("sv"), field.label("en")))


def _label_synonyms(schema: TableSchema) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        yield from ((field.name, label) for label in field.descriptor.get("synonyms", ()))


def resource_of_sheet(name: str) -> str | None:
    """Return the resource with a sheet of that name, in either language or by a synonym."""
    return _resources_by_sheet().get(fold(name))


@cache
def _resources_by_sheet() -> Mapping[str, str]:
    """Return the resources by the folded names of their sheets."""
    resources: dict[str, str] = {}
    for resource in RESOURCES:
        schema = standard()[resource]
        for name in (resource, schema.label("sv"), schema.label("en"), *schema.descriptor["sheets"]):
            resources.setdefault(fold(name), resource)
    return resources


def _codes_in(code_list: str) -> Iterator[register.Kpi | register.Code]:
    yield from register.kpis().values() if code_list == "kpis" else register.codes(code_list).values()


@cache
def codes_by_word(code_list: str) -> Mapping[str, str]:
    """Return the codes of a code list by folded text: codes, labels in both languages, synonyms."""
    codes: dict[str, str] = {}
    for code in _codes_in(code_list):
        for text in (code.id, *code.labels.values(), *code.synonyms):
            codes.setdefault(fold(text), code.id)
    return codes


@cache
def _codes_by_label_and_code(code_list: str) -> Mapping[str, str]:
    """Return codes by their label and code together, as our messages and lists write them: "Undertryckt (Q)"."""
    codes: dict[str, str] = {}
    for code in _codes_in(code_list):
        for label in (*code.labels.values(), *code.synonyms):
            both = (f"{label} ({code.id})", f"{code.id} ({label})", f"{code.id}: {label}", f"{code.id} {label}")
            codes |= {fold(text): code.id for text in both}
    return codes


def code_of(code_list: str, text: str) -> str | None:
    """Return the code of a list that a text means, None for an unknown text."""
    # Most columns have codes alone, for which the labels need not be folded.
    if text in (register.kpis() if code_list == "kpis" else register.codes(code_list)):
        return text
    folded = fold(text)
    if len(folded) == 1 and folded not in unicodedata.normalize("NFC", text).casefold():
        # A letter with a diacritic is another letter: Ä is not the code A.
        return None
    return codes_by_word(code_list).get(folded) or _codes_by_label_and_code(code_list).get(folded)


def age_of(text: str) -> str:
    """Return the standard's form of an age group, or the text itself if it is none."""
    if fold(text).removesuffix(" (t)") in ALL_AGES:
        return register.TOTAL
    if match := AGE_WORDS.fullmatch(text):
        return f"{match[3]}+" if match[3] else f"{match[1]}-{match[2]}"
    return text


@cache
def values_in_label(label: str) -> Mapping[str, str]:
    """Return the fields that a column's label fixes for all its values: {"period": "2023", "sex": "F"}.

    Empty if any part of the label is unknown: a partial reading would be a guess.
    """
    if period := period_of(label):
        return {"period": period}
    values: dict[str, str] = {}
    rest = label = without_marks(label)
    if match := PERIOD.search(label):
        values["period"] = _period_text(match)
        rest = f"{label[: match.start()]} {label[match.end() :]}"
    words = re.sub(r"[,;:()|/]", " ", rest).split()
    if _are_stop_words(words):
        return values
    for field, code in _field_codes(words):
        if field in values:
            return {}
        values[field] = code
    return values if len(values) > ("period" in values) else {}


def _period_text(match: re.Match[str]) -> str:
    year, until, quarter, month = match.groups()
    if until:
        return f"{year}/{until}"
    return f"{year}-Q{quarter}" if quarter else f"{year}-{month}" if month else year


@cache
def _stop_words() -> frozenset[str]:
    return STOP_WORDS | {w for w, name in known_labels("observations").items() if name in ("value", "period")}


def _are_stop_words(words: Sequence[str]) -> bool:
    return fold(" ".join(words)) in _stop_words()


def _field_codes(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Parse words as up to three runs, each a field and a code; nothing if some word is unknown."""
    most = 3 if len(words) <= MAX_WORDS_OF_THREE else 2
    for cuts in chain.from_iterable(combinations(range(1, len(words)), count) for count in range(most)):
        ends = (0, *cuts, len(words))
        runs = [run for first, last in pairwise(ends) if not _are_stop_words(run := words[first:last])]
        # A range of numbers alone may be a class of anything, but beside women or a KPI it is an age.
        codes = [code for run in runs if (code := _field_code(" ".join(run), is_alone=len(runs) == 1))]
        if len(codes) == len(runs):
            yield from codes
            return


def _field_code(words: str, *, is_alone: bool) -> tuple[str, str] | None:
    folded = fold(words)
    if kpi := codes_by_word("kpis").get(folded):
        return "kpi", kpi
    if sex := codes_by_word("sexes").get(folded):
        return "sex", sex
    age = age_of(words)
    is_age = age != words or (not is_alone and AGE_WORDS.fullmatch(words))
    return ("age_group", age) if is_age else None
