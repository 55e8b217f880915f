"""Releases as CKAN datasets: field values in plain form, and packages and resources in the form that CKAN accepts."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vaven.publisher.ckan.client import Capabilities
from vaven.publisher.ckan.fields import CkanField, fields
from vaven.publisher.cube.observations import GZIP_FILE
from vaven.publisher.metadata.catalogue import LANGUAGE_IRIS, SWEDEN
from vaven.publisher.metadata.dataset import PUBLIC
from vaven.publisher.metadata.distributions import STABLE
from vaven.publisher.rdf.agents import name_key, publisher_key
from vaven.publisher.releases.manifest import Manifest
from vaven.publisher.releases.records import ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.tables import About
from vaven.vocab import media_types, register
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES

LICENCES = {"cc0": "cc-zero", "cc-by": "cc-by", "pdm": "other-pd"}
PUSHED_SUFFIXES = (".csv", ".parquet", ".xlsx", ".ttl", ".gz", ".zst")
FORMATS = {"csv": "CSV", "parquet": "Parquet", "xlsx": "XLSX", "ttl": "TTL", "nt": "N-Triples"}
# The observations in Turtle are generated on request (catalogue/harvest/downloads.py) from a stored file. They have no
# size and no hash, and CKAN always links to them.
TURTLE_FILE, TURTLE_SOURCE = {"name": "observations.ttl", "media_type": media_types.TURTLE}, GZIP_FILE
# CKAN accepts words, spaces, hyphens and dots in a tag of 2 to 100 characters
# (ckan.logic.validators.tag_name_validator).
NOT_IN_TAGS = re.compile(r"[^\w \-.]+")
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Organisation:
    """The CKAN organisation that owns a dataset."""

    name: str
    title: str


@dataclass(frozen=True)
class CkanDataset:
    """A release in the intended state on CKAN.

    `values` are by field of fields.csv in plain form: a text, a list of texts, or either by language. `resources` have
    the same form, each with its `file`; `themes` are the groups of the dataset.
    """

    name: str
    version: int
    organisation: Organisation
    values: Values
    themes: tuple[str, ...]
    resources: tuple[Values, ...]


def dataset_of(settings: Settings, record: ReleaseRecord, versions: Sequence[int]) -> CkanDataset:
    """Return the dataset of a release; `versions` are all visible versions."""
    manifest = record.complete_manifest
    about = manifest.about
    values = _texts(about) | _agents(settings.iris, about) | _extent(settings.iris, manifest)
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
    stored = [asdict(f) for f in manifest.files if f.name.endswith(PUSHED_SUFFIXES)]
    generated = [TURTLE_FILE] if any(f["name"] == TURTLE_SOURCE for f in stored) else []
    files = sorted([*stored, *generated], key=_sort_key)
    return CkanDataset(
        name=record.dataset,
        version=record.version,
        organisation=_organisation(settings, about),
        values={key: value for key, value in values.items() if value},
        themes=themes,
        resources=tuple(_resource(settings, record, about, file) for file in files),
    )


def _sort_key(file: Mapping[str, Any]) -> tuple[int, int, str]:
    """Sort by usefulness for people: observations before other tables, the workbook before files for programs."""
    table, _, suffix = file["name"].partition(".")
    order = ("xlsx", "csv", "parquet", "ttl")
    rank = order.index(suffix) if suffix in order else len(order)
    return (0 if table == "observations" else 2 if table == "metadata" else 1), rank, file["name"]


def _organisation(settings: Settings, about: About) -> Organisation:
    if settings.ckan_organisation:
        return Organisation(settings.ckan_organisation, settings.ckan_organisation)
    title = about.publisher_name or "Den sociala väven"
    return Organisation(name_key(title), title)


def _texts(about: About) -> dict[str, Any]:
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
    """Return the IRI of the previous visible version."""
    previous = max((version for version in versions if version < record.version), default=None)
    return None if previous is None else iris.dataset(record.dataset, previous)


def _series(iris: Iris, about: About) -> dict[str, Any]:
    """Return the dataset series, in fields of its own: ckanext-dcat's `in_series` takes ids of datasets on CKAN."""
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
        # ckanext-dcat has a field for one location only; a dataset about several municipalities gets the country.
        "spatial_uri": iris.area("kommun", kommuner[0]) if len(kommuner) == 1 else str(SWEDEN),
        "municipalities": [iris.area("kommun", code) for code in kommuner],
        "kpis": [iris.kpi(kpi.id) for kpi in kpis],
        **{f"kpi_names_{language}": [kpi.text(language) for kpi in kpis] for language in LANGUAGES},
        "observations": str(manifest.rows["observations"]),
    }


def _resource(settings: Settings, record: ReleaseRecord, about: About, file: Mapping[str, Any]) -> dict[str, Any]:
    page = f"{settings.base_iri}dataset/{record.dataset}/{record.version}"
    table, _, suffix = file["name"].removesuffix(".gz").removesuffix(".zst").partition(".")
    names = {language: f"{_table_name(table, language)}, {FORMATS[suffix]}" for language in LANGUAGES}
    if file["name"].endswith((".gz", ".zst")):
        names = {language: f"{name} ({file['name'].rsplit('.', 1)[1]})" for language, name in names.items()}
    return {
        "file": file["name"],
        "url": f"{page}/{file['name']}",
        "name": names["sv"],
        "name_en": names["en"],
        "name_translated": names,
        "format": FORMATS[suffix],
        "mimetype": file["media_type"],
        "license": register.codes("licences")[about.licence].properties["iri"],
        "access_url": page,
        "download_url": f"{page}/{file['name']}",
        "issued": f"{record.reserved_at:%Y-%m-%dT%H:%M:%SZ}",
        "availability": str(STABLE),
        **(_stored_file_values(settings.iris, record, file) if "sha256" in file else {}),
    }


def _stored_file_values(iris: Iris, record: ReleaseRecord, file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that only files stored in the release have."""
    return {
        "size": file["size"],
        "hash": file["sha256"],
        "uri": iris.distribution(record.dataset, record.version, file["name"]),
        "hash_algorithm": f"{NAMESPACES['spdx']}checksumAlgorithm_sha256",
    }


def _table_name(table: str, language: str) -> str:
    if table == "metadata":
        return {"sv": "Metadata", "en": "Metadata"}[language]
    return standard()[table].label(language)


def to_package(dataset: CkanDataset, capabilities: Capabilities, groups: frozenset[str]) -> dict[str, Any]:
    """Return the dataset without its resources, in the form that package_create accepts on this instance.

    It is public, and in those of its groups that exist. Fields of the instance's schema are fields of their own; all
    others go into extras, lists as JSON. Values by language are for schemas only: the single languages have fields of
    their own.
    """
    known = capabilities.schema["dataset"] if capabilities.schema else frozenset()
    package: dict[str, Any] = {
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
            package[field.name] = value
        elif field.kind != "languages":
            extras[field.name] = _text(value)
    package["tags"] = [{"name": name} for name in _tags(dataset.values.get("tags_translated", {}))]
    return package | {"extras": [{"key": key, "value": value} for key, value in sorted(extras.items())]}


def to_resource(resource: Values, capabilities: Capabilities) -> dict[str, Any]:
    """Return a resource in the form that this instance accepts.

    Fields outside the schema may be added beside CKAN's own as texts, except values by language, which ckanext-dcat
    would read as a single text.
    """
    known = capabilities.schema["resource"] if capabilities.schema else frozenset()
    return {
        field.name: resource[field.name] if field.name in known or field.kind == "core" else _text(resource[field.name])
        for field in fields("resource")
        if resource.get(field.name) and (field.kind != "languages" or field.name in known)
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _tags(keywords: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the keywords of both languages as valid CKAN tags, so that a search finds either."""
    words = (word for language in LANGUAGES for word in keywords.get(language, ()))
    cleaned = (NOT_IN_TAGS.sub(" ", word).strip()[:100] for word in words)
    return sorted({word for word in cleaned if len(word) > 1})


@dataclass(frozen=True)
class Difference:
    """A field whose value on CKAN (`remote`) differs from the release's (`local`), None if empty.

    A resource's field is named `resources/{file}/{field}`.
    """

    field: str
    remote: Any
    local: Any


def differences(remote: Mapping[str, Any], package: Mapping[str, Any]) -> list[Difference]:
    """Compare a package on CKAN with the one that `to_package` returned, by the catalogue's own fields.

    Other keys on CKAN are ignored, but a field of the catalogue's own that is no longer filled is a difference.
    """
    result = []
    if remote.get("private"):
        result.append(Difference("private", True, False))
    for field in ("owner_org", *(f.name for f in fields("dataset") if f.name != "tag_string"), "tags", "groups"):
        local_value, remote_value = _normalised(package, field), _normalised(remote, field)
        if field == "owner_org":
            remote_value = (remote.get("organization") or {}).get("name")
        if local_value != remote_value:
            result.append(Difference(field, remote_value, local_value))
    return result


def resource_differences(
    file: str, remote: Mapping[str, Any], resource: Values, *, is_uploaded: bool
) -> list[Difference]:
    """Compare a resource on CKAN with the one that `to_resource` returned.

    The URL of an uploaded file is CKAN's own, and is ignored.
    """
    names = [name for name in resource if not (is_uploaded and name == "url")]
    pairs = [(name, as_text(remote.get(name)), as_text(resource[name])) for name in names]
    return [Difference(f"resources/{file}/{name}", theirs, value) for name, theirs, value in pairs if value != theirs]


def _normalised(package: Mapping[str, Any], field: str) -> Any:
    """Return a field's value in one form, from a field of its own or from the extras."""
    if field in ("tags", "groups"):
        return sorted(entry["name"] for entry in package.get(field) or ())
    value = package.get(field)
    if value in (None, "", [], {}):
        value = next((extra["value"] for extra in package.get("extras", ()) if extra["key"] == field), None)
    return as_text(value)


def as_text(value: Any) -> str | None:
    """Normalise a value that CKAN may return as JSON text, as a list or as an object."""
    if value in (None, "", [], {}):
        return None
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return _text(json.loads(value))
        except ValueError:
            return value
    return str(value) if isinstance(value, int) else _text(value)


def split_fields(capabilities: Capabilities) -> tuple[list[CkanField], list[CkanField]]:
    """Separate the fields that the instance's schema has from the fields that go into extras."""
    known = capabilities.schema["dataset"] if capabilities.schema else frozenset()
    own = [f for f in fields("dataset") if f.kind != "core" and (f.kind != "languages" or f.name in known)]
    return [f for f in own if f.name in known], [f for f in own if f.name not in known]
