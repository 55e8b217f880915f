"""The submission's description of itself, from a data package's descriptor or a sheet of names and values."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaven.schemas.formats.grid import Grid, column_letter
from vaven.schemas.formats.json_syntax import texts_of
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import fold
from vaven.schemas.standard.licences import licence_id
from vaven.schemas.standard.read_options import ReadOptions
from vaven.schemas.tables.cell_account import CellAccount
from vaven.schemas.tables.normalise import CONTROL_CHARACTERS
from vaven.schemas.tables.tables import About, AboutCell, AboutSource
from vaven.vocab import register

SHEET_NAMES = frozenset(("om", "about", "dataset", "datamangd", "metadata", "information"))
# Labels in the first column of the sheet "Om", by the property that they set.
KEYS = {
    "slug": ("kortnamn", "short name", "slug", "name", "id"),
    "title_sv": ("titel", "title", "titel svenska", "title swedish", "title sv", "rubrik", "namn"),
    "title_en": ("titel engelska", "title english", "title en", "engelsk titel"),
    "description_sv": ("beskrivning", "description", "beskrivning svenska", "description swedish", "description sv"),
    "description_en": ("beskrivning engelska", "description english", "description en", "engelsk beskrivning"),
    "publisher_name": ("utgivare", "publisher", "organisation"),
    "publisher_number": ("organisationsnummer", "organisation number", "orgnr"),
    "publisher_sector": ("sektor", "sector"),
    "contact_name": ("kontakt", "contact", "kontaktnamn", "kontaktperson", "contact name"),
    "contact_email": ("e post", "epost", "email", "e mail", "kontakt e post", "contact email"),
    "licence": ("licens", "licence", "license"),
    "keywords_sv": ("nyckelord", "keywords", "nyckelord svenska", "keywords swedish", "keywords sv"),
    "keywords_en": ("nyckelord engelska", "keywords english", "keywords en"),
    "series_sv": ("serie", "series", "datamangdsserie", "dataset series", "serie svenska", "series swedish"),
    "series_en": ("serie engelska", "series english", "dataset series english"),
    "version_note": (
        "nytt i versionen",
        "new in this version",
        "versionsanmarkning",
        "version note",
        "andring",
        "vad ar nytt",
    ),
}

KEYWORDS = frozenset(("keywords_sv", "keywords_en"))
# Properties of a descriptor with numbers and codes of programs.
NO_TEXTS = frozenset(("bytes", "hash", "pattern"))


def slug_of(text: str, otherwise: str = "dataset") -> str:
    """Derive a short name from a title or file name: lower-case ASCII letters, digits and single hyphens, at most 80.

    `otherwise` is for a text that has none of these letters.
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or otherwise


def about_of_file(path: Path, slug: str | None) -> About:
    return About(slug=slug or slug_of(path.stem), titles={"sv": path.stem})


def about_of_sheet(
    grid: Grid, path: Path, slug: str | None, account: CellAccount
) -> tuple[About, AboutSource, list[Finding]]:
    """Read a sheet whose rows have a name in the first filled cell and its value in the next.

    A property with two different texts is an error; keywords may have several rows.
    """
    by_key = {fold(label): key for key, labels in KEYS.items() for label in labels}
    texts: dict[str, str] = {}
    about_cells: dict[str, AboutCell] = {}
    repeated: list[Finding] = []
    others: list[str] = []
    for number, cells in grid.rows:
        filled = [(i, cell) for i, cell in enumerate(cells) if cell]
        key = by_key.get(fold(filled[0][1].replace("(", "").replace(")", ""))) if filled else None
        if key and key not in texts:
            position = filled[1][0] if len(filled) > 1 else filled[0][0] + 1
            about_cells[key] = AboutCell(filled[0][1], number, column_letter(position))
        if key and len(filled) >= 2 and (key not in texts or key in KEYWORDS):
            texts[key] = "; ".join(filter(None, (texts.get(key), filled[1][1])))
            account.use(2)
            filled = filled[2:]
        elif key and len(filled) >= 2 and fold(filled[1][1]) != fold(texts[key]):
            at = {"sheet": grid.sheet, "row": number, "column": column_letter(filled[1][0]), "text": filled[1][1]}
            other = f"{about_cells[key].column}{about_cells[key].row}"
            params = {"label": filled[0][1], "other": other, "value": texts[key]}
            repeated.append(Finding("metadata-repeated", Severity.ERROR, params=params, **at))  # type: ignore[arg-type]
        account.omit_row("about", (number, [cell for _, cell in filled]))
        others += [cell for _, cell in filled]
    source = _source("sheet", texts, "\n".join(others), grid.sheet, about_cells)
    return _about(texts, path, slug), source, repeated


def about_of_descriptor(descriptor: Mapping[str, Any], path: Path, slug: str | None) -> tuple[About, AboutSource]:
    """Read Data Package properties, and Väven's own under `vaven` (standard/descriptors/datapackage.json)."""
    ours = descriptor.get("vaven", {})
    publisher, contact = ours.get("publisher", {}), ours.get("contact", {})
    contributors = descriptor.get("contributors", ())
    words = ours.get("keywords", {"sv": descriptor.get("keywords", [])})
    texts = {
        "slug": descriptor.get("name", ""),
        "title_sv": ours.get("title", {}).get("sv") or descriptor.get("title", ""),
        "title_en": ours.get("title", {}).get("en", ""),
        "description_sv": ours.get("description", {}).get("sv") or descriptor.get("description", ""),
        "description_en": ours.get("description", {}).get("en", ""),
        "publisher_name": publisher.get("name") or _contributor(contributors, "publisher").get("title", ""),
        "publisher_number": publisher.get("organisation_number", ""),
        "publisher_sector": publisher.get("sector", ""),
        "contact_name": contact.get("name") or _contributor(contributors, "contact").get("title", ""),
        "contact_email": contact.get("email") or _contributor(contributors, "contact").get("email", ""),
        "licence": _licences(descriptor.get("licenses", ())),
        "keywords_sv": ";".join(words.get("sv", ())),
        "keywords_en": ";".join(words.get("en", ())),
        "version_note": ours.get("version_note", ""),
        "area_vintage": ours.get("area_vintage", ""),
        "series": ours.get("series", {}).get("name", ""),
        "series_sv": ours.get("series", {}).get("title", {}).get("sv", ""),
        "series_en": ours.get("series", {}).get("title", {}).get("en", ""),
    }
    about = _about(texts, path.parent if path.name == "datapackage.json" else path, slug)
    return about, _source("descriptor", texts, "\n".join(texts_of(descriptor, without=NO_TEXTS)))


def _contributor(contributors: Sequence[Mapping[str, Any]], role: str) -> Mapping[str, str]:
    """Return the first contributor with a role (`role` in Data Package v1, `roles` in v2)."""
    return next((c for c in contributors if role in (c.get("role"), *c.get("roles", ()))), {})


def _licences(licences: Sequence[Mapping[str, str]]) -> str:
    """Return the licence's URL or name; several different licences are joined, and no code list has such a text."""
    texts: dict[str, str] = {}
    for licence in licences:
        names = [text for text in (licence.get("path"), licence.get("name")) if text]
        text = next((text for text in names if licence_id(text)), next(iter(names), ""))
        texts.setdefault(licence_id(text) or text, text)
    return ", ".join(texts.values())


def _source(
    kind: str,
    texts: Mapping[str, str],
    others: str,
    sheet: str | None = None,
    cells: Mapping[str, AboutCell] | None = None,
) -> AboutSource:
    stated = frozenset(key for key, text in texts.items() if text.strip())
    codes = {"licence": licence_id, "publisher_sector": _sector}
    unread = {key: texts[key] for key, code_of in codes.items() if key in stated and not code_of(texts[key])}
    return AboutSource(kind, sheet, stated, cells or {}, unread, {**texts, "other": others})


def with_answers(about: About, options: ReadOptions) -> About:
    """Return the description with the sender's options; another publisher has another number and sector."""
    if options.licence is not None:
        about = replace(about, licence=licence_id(options.licence))
    if options.publisher is not None and options.publisher != about.publisher_name:
        about = replace(about, publisher_name=options.publisher, publisher_number="", publisher_sector="")
    return about


def _about(originals: Mapping[str, str], path: Path, slug: str | None) -> About:
    texts = {key: re.sub(CONTROL_CHARACTERS, " ", text).strip() for key, text in originals.items()}

    def by_language(key: str) -> dict[str, str]:
        return {lang: texts[f"{key}_{lang}"] for lang in ("sv", "en") if texts.get(f"{key}_{lang}")}

    keywords = {
        lang: tuple(w.strip() for w in re.split("[;,]", text) if w.strip())
        for lang, text in by_language("keywords").items()
    }
    series = by_language("series")
    series_name = texts.get("series") or series.get("sv") or series.get("en", "")
    return About(
        slug=slug or slug_of(texts.get("slug") or path.stem),
        titles=by_language("title") or {"sv": path.stem},
        descriptions=by_language("description"),
        publisher_name=texts.get("publisher_name", ""),
        publisher_number=texts.get("publisher_number", ""),
        publisher_sector=_sector(texts.get("publisher_sector", "")),
        contact_name=texts.get("contact_name", ""),
        contact_email=texts.get("contact_email", ""),
        licence=licence_id(texts.get("licence", "")),
        keywords=keywords,
        version_note=texts.get("version_note", ""),
        series=slug_of(series_name) if series_name else "",
        area_vintage=texts.get("area_vintage", ""),
        series_titles=series or ({"sv": series_name} if series_name else {}),
    )


def _sector(text: str) -> str:
    for code in register.codes("sectors").values():
        if fold(text) in {fold(w) for w in (code.id, *code.labels.values(), *code.properties["synonyms"].split("|"))}:
            return code.id
    return ""
