"""Rules about the submission's description of itself: nothing that the catalogue fills in is left unsaid.

Licence and publisher must be answered before the submission is published; the others are requested, since harvesters
find and rate a dataset by them.
"""

from collections.abc import Iterator, Sequence

from vaven.schemas.standard.finding import Finding, Severity, joined, uncapitalised
from vaven.schemas.tables.tables import About, Tables
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES, messages

REQUIRED = ("licence", "publisher_name")
# Properties that the catalogue replaces or omits, in the order of the sheet "Om".
REQUESTED = ("title_sv", "description_sv", "publisher_sector", "contact_name", "contact_email", "keywords_sv")
CODE_LISTS = {"licence": "licences", "publisher_sector": "sectors"}
# A description of this length says more than a title; ours, as data.europa.eu has no limit.
DESCRIPTION_CHARACTERS = 50
DESCRIPTOR_KEYS = {
    "licence": "licenses",
    "publisher_name": "vaven.publisher.name",
    "publisher_sector": "vaven.publisher.sector",
    "title_sv": "title",
    "description_sv": "description",
    "contact_name": "vaven.contact.name",
    "contact_email": "vaven.contact.email",
    "keywords_sv": "keywords",
}


def metadata_findings(tables: Tables) -> Iterator[Finding]:
    """Yield a finding for each unknown code, one for all required and one for all requested properties missing."""
    unknown = [key for key in tables.about_source.unread if not _is_answered(tables, key)]
    for key in unknown:
        yield _unknown(tables, key)
    # A file without observations has other problems.
    if "observations" not in tables.tables:
        return
    required = [key for key in missing_answers(tables.about) if key not in unknown]
    if required:
        yield _missing(tables, "licence-publisher-missing", Severity.WARNING, required)
    requested = [key for key in _requested(tables) if key not in unknown]
    if requested:
        is_described = tables.about_source.kind != "file"
        severity = Severity.WARNING if is_described else Severity.NOTE
        yield _missing(tables, "metadata-requested", severity, requested)


def missing_answers(about: About) -> list[str]:
    """Return the properties without which nothing is published, of those that a description lacks."""
    texts = {"licence": about.licence, "publisher_name": about.publisher_name}
    return [key for key in REQUIRED if not texts[key]]


def defaults_of(tables: Tables) -> tuple[str, ...]:
    """Return the requested properties that the sender left out, and that the catalogue fills in or shows without."""
    about = tables.about
    is_stated = {
        "title_sv": not tables.about_source.stated.isdisjoint(("title_sv", "title_en")),
        "description_sv": bool(about.descriptions),
        "publisher_sector": bool(about.publisher_sector),
        "contact_name": bool(about.contact_name),
        "contact_email": bool(about.contact_email),
        "keywords_sv": bool(about.keywords),
    }
    return tuple(key for key in REQUESTED if not is_stated[key])


def effects(defaults: Sequence[str], language: str) -> list[str]:
    """Return what the catalogue shows instead of each property that the sender left out."""
    return [messages(language, "schemas")(f"metadata.default.{key}") for key in defaults]


def _requested(tables: Tables) -> list[str]:
    is_short = max(map(len, tables.about.descriptions.values()), default=0) < DESCRIPTION_CHARACTERS
    missing = {*defaults_of(tables), *(("description_sv",) if is_short else ())}
    return [key for key in REQUESTED if key in missing]


def _is_answered(tables: Tables, key: str) -> bool:
    return (tables.choices.licence if key == "licence" else tables.choices.publisher) is not None


def _unknown(tables: Tables, key: str) -> Finding:
    codes = register.codes(CODE_LISTS[key]).values()
    params: dict[str, object] = {}
    for language in LANGUAGES:
        params[f"property_{language}"] = _label(key, language)
        params[f"allowed_{language}"] = "; ".join(f"{code.text(language)} ({code.id})" for code in codes)
    return _located(tables, "metadata-unknown", Severity.ERROR, key, params, tables.about_source.unread[key])


def _missing(tables: Tables, code: str, severity: Severity, keys: Sequence[str]) -> Finding:
    params: dict[str, object] = {}
    filled_in = [key for key in defaults_of(tables) if key in keys]
    for language in LANGUAGES:
        say = messages(language, "schemas")
        items = [say(f"metadata.item.{key}", minimum=DESCRIPTION_CHARACTERS) for key in keys]
        params[f"items_{language}"] = joined(items, language)
        params[f"effect_{language}"] = " ".join(effects(filled_in, language))
        licences = say("metadata.where.licences") if "licence" in keys else ""
        params[f"where_{language}"] = f"{place_of(tables, keys, language)} {licences}".strip()
    return _located(tables, code, severity, keys[0], params)


def _located(
    tables: Tables, code: str, severity: Severity, key: str, params: dict[str, object], text: str | None = None
) -> Finding:
    """Return a finding at the property's cell of the sheet "Om", if it has one."""
    source = tables.about_source
    cell = source.cells.get(key)
    return Finding(
        code,
        severity,
        sheet=source.sheet,
        row=cell.row if cell else None,
        column=cell.column if cell else None,
        text=text,
        params=params,
    )


def place_of(tables: Tables, keys: Sequence[str], language: str) -> str:
    """Return where to state the properties: cells of the sheet "Om", keys of the descriptor, or how to add them."""
    say, source = messages(language, "schemas"), tables.about_source
    if source.kind == "descriptor":
        return say("metadata.where.descriptor", keys=joined([DESCRIPTOR_KEYS[key] for key in keys], language))
    if source.kind == "sheet":
        labels = []
        for key in keys:
            cell = source.cells.get(key)
            reference = f"{cell.column}{cell.row}" if cell else say("metadata.where.new-row")
            labels.append(f"{cell.label if cell else say(f'template.about.{key}')} ({reference})")
        return say("metadata.where.sheet", sheet=source.sheet, places=joined(labels, language))
    return say("metadata.where.answer" if set(keys) <= set(REQUIRED) else "metadata.where.file")


def _label(key: str, language: str) -> str:
    return uncapitalised(messages(language, "schemas")(f"template.about.{key}"))
