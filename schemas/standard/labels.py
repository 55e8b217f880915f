"""What partners call things: labels of columns and sheets, and words for codes, compared without regard to spelling."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

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
# What may stand beside a period or a sex in a label without saying anything of its own.
IDLE_WORDS = frozenset(("", "ar", "year", "procent", "percent", "%", "antal", "number", "share", "i", "in"))


def fold(text: str) -> str:
    """A label as it is compared: lower case, no diacritics, words joined by single blanks, no marks at its ends."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.sub("[_–-]", " ", plain.casefold()).split()).strip(" .:*")


@cache
def known_labels(resource: str) -> Mapping[str, str]:
    """Folded label to field name: the standard's name, its labels in both languages, then synonyms."""
    found: dict[str, str] = {}
    schema = standard()[resource]
    for spelled in (_own_names, _label_synonyms):
        for field_name, label in spelled(schema):
            found.setdefault(fold(label), field_name)
    return found


def _own_names(schema: TableSchema) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        yield from ((field.name, label) for label in (field.name, field.label("sv"), field.label("en")))


def _label_synonyms(schema: TableSchema) -> Iterator[tuple[str, str]]:
    for field in schema.fields:
        yield from ((field.name, label) for label in field.descriptor.get("synonyms", ()))


def resource_of_sheet(name: str) -> str | None:
    """The resource whose sheet is called so, in either language or by a synonym."""
    wanted = fold(name)
    for resource in RESOURCES:
        schema = standard()[resource]
        names = (resource, schema.label("sv"), schema.label("en"), *schema.descriptor["sheets"])
        if wanted in {fold(n) for n in names}:
            return resource
    return None


@cache
def codes_by_word(listed: str) -> Mapping[str, str]:
    """Folded text to code, for a code list: codes, labels in both languages, synonyms."""
    words: Mapping[str, register.Kpi | register.Code] = register.kpis() if listed == "kpis" else register.codes(listed)
    found: dict[str, str] = {}
    for code in words.values():
        for text in (code.id, *code.labels.values(), *code.synonyms):
            found.setdefault(fold(text), code.id)
    return found


def age_of(text: str) -> str:
    if fold(text) in ALL_AGES:
        return register.TOTAL
    if found := AGE_WORDS.fullmatch(text):
        return f"{found[3]}+" if found[3] else f"{found[1]}-{found[2]}"
    return text


@cache
def meaning(label: str) -> Mapping[str, str]:
    """What the label of a column of values says of every value below it: {"period": "2023", "sex": "F"}.

    Empty where some part of the label is not understood: half an understanding would be a guess.
    """
    found: dict[str, str] = {}
    rest = label
    if match := PERIOD.search(label):
        found["period"] = _as_period(match)
        rest = f"{label[: match.start()]} {label[match.end() :]}"
    words = re.sub(r"[,;:()|/]", " ", rest).split()
    if _is_idle(words):
        return found
    for field, code in _parts(words):
        if field in found:
            return {}
        found[field] = code
    return found if len(found) > ("period" in found) else {}


def period_of(text: str) -> str | None:
    """The standard's form of a period written in another way, where the text is a period and nothing else."""
    match = PERIOD.fullmatch(text.strip())
    return _as_period(match) if match else None


def _as_period(match: re.Match[str]) -> str:
    year, until, quarter, month = match.groups()
    if until:
        return f"{year}/{until}"
    return f"{year}-Q{quarter}" if quarter else f"{year}-{month}" if month else year


@cache
def _idle_words() -> frozenset[str]:
    return IDLE_WORDS | {w for w, name in known_labels("observations").items() if name in ("value", "period")}


def _is_idle(words: Sequence[str]) -> bool:
    return fold(" ".join(words)) in _idle_words()


def _parts(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Field and code of the words, taken as one or as two runs of words; nothing where some are not understood."""
    for i in range(len(words)):
        runs = [run for run in (words[:i], words[i:]) if not _is_idle(run)]
        codes = [code for run in runs if (code := _code(" ".join(run)))]
        if len(codes) == len(runs):
            yield from codes
            return


def _code(words: str) -> tuple[str, str] | None:
    folded = fold(words)
    if kpi := codes_by_word("kpis").get(folded):
        return "kpi", kpi
    if sex := codes_by_word("sexes").get(folded):
        return "sex", sex
    age = age_of(words)
    return ("age_group", age) if age != words else None
