"""What a release is on CKAN: its fields as plain values, and those values in the shape that an instance takes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vaven.publisher.ckan.client import Capabilities
from vaven.publisher.ckan.fields import CkanField, fields
from vaven.publisher.metadata.catalogue import LANGUAGE_IRIS
from vaven.publisher.metadata.dataset import PUBLIC
from vaven.publisher.rdf.agents import name_key, publisher_key
from vaven.publisher.releases.manifest import Manifest
from vaven.publisher.releases.records import ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.tables import About
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES

LICENCES = {"cc0": "cc-zero", "cc-by": "cc-by", "pdm": "other-pd"}
LISTED = (".csv", ".parquet", ".xlsx", ".ttl", ".gz", ".zst")
FORMATS = {"csv": "CSV", "parquet": "Parquet", "xlsx": "XLSX", "ttl": "TTL", "nt": "N-Triples"}
# The observations in Turtle are made when they are asked for (catalogue/downloads.py), of a file that is kept: a form
# without size and hash, which CKAN links to in any case.
MADE, MADE_OF = {"name": "observations.ttl", "media_type": "text/turtle"}, "observations.nt.gz"
STABLE = "http://publications.europa.eu/resource/authority/planned-availability/STABLE"
# CKAN takes words, blanks, hyphens and dots in a tag, 2 to 100 of them (ckan.logic.validators.tag_name_validator).
NOT_IN_TAGS = re.compile(r"[^\w \-.]+")
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Organisation:
    name: str
    title: str


@dataclass(frozen=True)
class CkanDataset:
    """A release as CKAN shall have it. `values` by field of fields.csv, in plain form: a text, a list of texts, or
    either by language; `resources` likewise, each with its `file`; `themes` are the groups that it belongs to."""

    name: str
    version: int
    organisation: Organisation
    values: Values
    themes: tuple[str, ...]
    resources: tuple[Values, ...]


def dataset_of(settings: Settings, record: ReleaseRecord, versions: Sequence[int]) -> CkanDataset:
    """The release's dataset; `versions` are all that readers can see."""
    manifest = record.complete_manifest
    about = manifest.about
    values = _words(about) | _agents(settings.iris, about) | _extent(settings.iris, manifest)
    values |= _series(settings.iris, about) | {
        "name": record.dataset,
        "license_id": LICENCES[about.licence],
        "url": f"{settings.base_iri}dataset/{record.dataset}",
        "version": str(record.version),
        "uri": settings.iris.dataset(record.dataset),
        "identifier": settings.iris.dataset(record.dataset),
        "issued": f"{record.reserved_at:%Y-%m-%dT%H:%M:%SZ}",
        "modified": f"{record.reserved_at:%Y-%m-%dT%H:%M:%SZ}",
        "version_notes": about.version_note,
        "previous_version": _previous(settings.iris, record, versions),
        "has_version": [settings.iris.dataset(record.dataset, version) for version in sorted(versions)],
        "language": list(LANGUAGE_IRIS.values()),
        "conforms_to": [settings.iris.structure],
        "access_rights": str(PUBLIC),
    }
    themes = tuple(t for t in register.themes() if any(register.kpis()[k].theme == t for k in manifest.kpis))
    values["theme"] = sorted({register.themes()[theme].data_theme for theme in themes})
    kept = [asdict(f) for f in manifest.files if f.name.endswith(LISTED)]
    made = [MADE] if any(f["name"] == MADE_OF for f in kept) else []
    files = sorted([*kept, *made], key=_rank)
    return CkanDataset(
        name=record.dataset,
        version=record.version,
        organisation=_organisation(settings, about),
        values={key: value for key, value in values.items() if value},
        themes=themes,
        resources=tuple(_resource(settings, record, about, file) for file in files),
    )


def _rank(file: Mapping[str, Any]) -> tuple[int, int, str]:
    """What people want first: the observations before the rest, the workbook before what programs read."""
    stem, _, ending = file["name"].partition(".")
    order = ("xlsx", "csv", "parquet", "ttl")
    place = order.index(ending) if ending in order else len(order)
    return (0 if stem == "observations" else 2 if stem == "metadata" else 1), place, file["name"]


def _organisation(settings: Settings, about: About) -> Organisation:
    if settings.ckan_organisation:
        return Organisation(settings.ckan_organisation, settings.ckan_organisation)
    title = about.publisher_name or "Den sociala väven"
    return Organisation(name_key(title), title)


def _words(about: About) -> dict[str, Any]:
    titles = {language: text for language, text in about.titles.items() if text}
    notes = titles | {language: text for language, text in about.descriptions.items() if text}
    keywords = {language: list(words) for language, words in about.keywords.items() if words}
    return {
        "title": titles.get("sv") or titles.get("en") or about.slug,
        "notes": notes.get("sv") or notes.get("en") or about.slug,
        "title_en": titles.get("en"),
        "notes_en": notes.get("en"),
        "keywords_en": keywords.get("en"),
        "title_translated": titles,
        "notes_translated": notes,
        "tags_translated": keywords,
    }


def _previous(iris: Iris, record: ReleaseRecord, versions: Sequence[int]) -> str | None:
    """The version before, of those that readers can see."""
    before = max((version for version in versions if version < record.version), default=None)
    return None if before is None else iris.dataset(record.dataset, before)


def _series(iris: Iris, about: About) -> dict[str, Any]:
    """The dataset series. ckanext-dcat's own field `in_series` takes ids of datasets on CKAN, so ours is another."""
    if not about.series:
        return {}
    titles = {language: text for language, text in about.series_titles.items() if text}
    return {
        "series_uri": iris.series(publisher_key(about), about.series),
        "series_title": titles.get("sv") or titles.get("en"),
        "series_title_en": titles.get("en"),
    }


def _agents(iris: Iris, about: About) -> dict[str, Any]:
    key = about.publisher_number or f"{about.slug}-publisher"
    sector = register.codes("sectors")[about.publisher_sector or "civil-society"]
    return {
        "author": about.publisher_name,
        "maintainer": about.contact_name,
        "maintainer_email": about.contact_email,
        "publisher_uri": iris.organisation(key),
        "publisher_name": about.publisher_name,
        "publisher_type": sector.properties["adms_iri"],
        "publisher_identifier": about.publisher_number,
        "contact_name": about.contact_name or about.publisher_name,
        "contact_email": about.contact_email,
    }


def _extent(iris: Iris, manifest: Manifest) -> dict[str, Any]:
    first, last = (day.isoformat() for day in manifest.period)
    kommuner = manifest.kommuner
    kpis = [register.kpis()[slug] for slug in manifest.kpis]
    return {
        "temporal_start": first,
        "temporal_end": last,
        # ckanext-dcat's field for one place; a dataset about several municipalities is about the country.
        "spatial_uri": iris.area("kommun", kommuner[0])
        if len(kommuner) == 1
        else "http://publications.europa.eu/resource/authority/country/SWE",
        "municipalities": [iris.area("kommun", code) for code in kommuner],
        "kpis": [iris.kpi(kpi.id) for kpi in kpis],
        **{f"kpi_names_{language}": [kpi.text(language) for kpi in kpis] for language in LANGUAGES},
        "observations": str(manifest.rows["observations"]),
    }


def _resource(settings: Settings, record: ReleaseRecord, about: About, file: Mapping[str, Any]) -> dict[str, Any]:
    address = f"{settings.base_iri}dataset/{record.dataset}/{record.version}"
    stem, _, ending = file["name"].removesuffix(".gz").removesuffix(".zst").partition(".")
    names = {language: f"{_table_name(stem, language)}, {FORMATS[ending]}" for language in LANGUAGES}
    if file["name"].endswith((".gz", ".zst")):
        names = {language: f"{name} ({file['name'].rsplit('.', 1)[1]})" for language, name in names.items()}
    return {
        "file": file["name"],
        "url": f"{address}/{file['name']}",
        "name": names["sv"],
        "name_en": names["en"],
        "name_translated": names,
        "format": FORMATS[ending],
        "mimetype": file["media_type"],
        "license": register.codes("licences")[about.licence].properties["iri"],
        "access_url": address,
        "download_url": f"{address}/{file['name']}",
        "issued": f"{record.reserved_at:%Y-%m-%dT%H:%M:%SZ}",
        "availability": STABLE,
        **(_kept(settings.iris, record, file) if "sha256" in file else {}),
    }


def _kept(iris: Iris, record: ReleaseRecord, file: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a file that the release keeps."""
    return {
        "size": file["size"],
        "hash": file["sha256"],
        "uri": iris.distribution(record.dataset, record.version, file["name"]),
        "hash_algorithm": f"{NAMESPACES['spdx']}checksumAlgorithm_sha256",
    }


def _table_name(stem: str, language: str) -> str:
    if stem == "metadata":
        return {"sv": "Metadata", "en": "Metadata"}[language]
    return standard()[stem].label(language)


def to_package(dataset: CkanDataset, abilities: Capabilities, groups: frozenset[str]) -> dict[str, Any]:
    """The dataset as package_create takes it on this instance, but for its resources, in those of its groups that
    are there; what is published is open to all. What the instance's schema knows stands in a field of its own; the
    rest goes into extras, lists as JSON. A value by language is for schemas only: single languages have fields of
    their own."""
    known = abilities.schema["dataset"] if abilities.schema else frozenset()
    found: dict[str, Any] = {
        "owner_org": dataset.organisation.name,
        "private": False,
        "groups": [{"name": name} for name in dataset.themes if name in groups],
    }
    extras = {}
    for field in fields("dataset"):
        value = dataset.values.get(field.name)
        if not value:
            continue
        if field.kind == "core" or field.name in known:
            found[field.name] = value
        elif field.kind != "languages":
            extras[field.name] = _text(value)
    found["tags"] = [{"name": name} for name in _tags(dataset.values.get("tags_translated", {}))]
    return found | {"extras": [{"key": key, "value": value} for key, value in sorted(extras.items())]}


def to_resource(resource: Values, abilities: Capabilities) -> dict[str, Any]:
    """A resource as this instance takes it. Fields that no schema knows may stand beside CKAN's own, as texts, but for
    those by language, which ckanext-dcat would take for one text."""
    known = abilities.schema["resource"] if abilities.schema else frozenset()
    return {
        field.name: resource[field.name] if field.name in known or field.kind == "core" else _text(resource[field.name])
        for field in fields("resource")
        if resource.get(field.name) and (field.kind != "languages" or field.name in known)
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _tags(words: Mapping[str, Sequence[str]]) -> list[str]:
    """Keywords of both languages as CKAN takes them, so that a search finds either."""
    cleaned = (NOT_IN_TAGS.sub(" ", word).strip()[:100] for language in LANGUAGES for word in words.get(language, ()))
    return sorted({word for word in cleaned if len(word) > 1})


@dataclass(frozen=True)
class Difference:
    """A field whose value on CKAN (`there`) is not ours (`here`); None where there is none. A resource's field is
    named `resources/{file}/{field}`."""

    field: str
    there: Any
    here: Any


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Difference]:
    """What of the dataset's own fields is not on CKAN as it shall be. CKAN's and other people's keys don't count,
    but a field of ours that we no longer fill does."""
    found = []
    if there.get("private"):
        found.append(Difference("private", True, False))
    for field in ("owner_org", *(f.name for f in fields("dataset") if f.name != "tag_string"), "tags", "groups"):
        ours, theirs = _plain(wanted, field), _plain(there, field)
        if field == "owner_org":
            theirs = (there.get("organization") or {}).get("name")
        if ours != theirs:
            found.append(Difference(field, theirs, ours))
    return found


def resource_differences(file: str, there: Mapping[str, Any], wanted: Values, *, is_uploaded: bool) -> list[Difference]:
    """The same for a resource; `wanted` as `shaped_resource` gives it. An uploaded file has CKAN's own address."""
    names = [name for name in wanted if not (is_uploaded and name == "url")]
    pairs = [(name, as_text(there.get(name)), as_text(wanted[name])) for name in names]
    return [Difference(f"resources/{file}/{name}", theirs, ours) for name, theirs, ours in pairs if ours != theirs]


def _plain(package: Mapping[str, Any], field: str) -> Any:
    """A field's value in one form, wherever it stands: in its own field or among the extras."""
    if field in ("tags", "groups"):
        return sorted(entry["name"] for entry in package.get(field) or ())
    value = package.get(field)
    if value in (None, "", [], {}):
        value = next((extra["value"] for extra in package.get("extras", ()) if extra["key"] == field), None)
    return as_text(value)


def as_text(value: Any) -> str | None:
    """One form for a value that CKAN may give back as JSON text, as a list or as an object."""
    if value in (None, "", [], {}):
        return None
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return _text(json.loads(value))
        except ValueError:
            return value
    return str(value) if isinstance(value, int) else _text(value)


def split_fields(abilities: Capabilities) -> tuple[list[CkanField], list[CkanField]]:
    """Our fields by where they go on an instance: in fields of their own, and among the extras."""
    known = abilities.schema["dataset"] if abilities.schema else frozenset()
    ours = [f for f in fields("dataset") if f.kind != "core" and (f.kind != "languages" or f.name in known)]
    return [f for f in ours if f.name in known], [f for f in ours if f.name not in known]
