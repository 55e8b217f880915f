"""The metadata fields on CKAN (fields.csv), and the ckanext-scheming schema generated from them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

# ckanext-scheming's presets by kind. A text in two languages is stored as JSON with scheming's own preset, so that the
# schema works without ckanext-fluent, whose field names and JSON form it uses. It is for programs (ckanext-dcat reads
# it); people see the fields of the single languages beside it.
PRESETS: dict[str, dict[str, Any]] = {
    "text": {},
    "date": {"preset": "date"},
    "list": {"preset": "multiple_text", "validators": "ignore_missing scheming_multiple_text"},
    "languages": {
        "preset": "json_object",
        "validators": "ignore_missing scheming_valid_json_object",
        "display_snippet": None,
    },
}
# CKAN's own fields use scheming's presets or CKAN's forms.
CORE: dict[tuple[str, str], dict[str, Any]] = {
    ("dataset", "title"): {"preset": "title", "required": True},
    ("dataset", "name"): {"preset": "dataset_slug"},
    ("dataset", "notes"): {"form_snippet": "markdown.html"},
    ("dataset", "tag_string"): {"preset": "tag_string_autocomplete"},
    ("dataset", "license_id"): {"form_snippet": "license.html"},
    ("dataset", "owner_org"): {"preset": "dataset_organization"},
    ("dataset", "url"): {"display_snippet": "link.html"},
    ("dataset", "maintainer_email"): {"display_snippet": "email.html"},
    ("resource", "url"): {"preset": "resource_url_upload"},
    ("resource", "format"): {"preset": "resource_format_autocomplete"},
}


@dataclass(frozen=True)
class CkanField:
    """A metadata field of a dataset or a resource (`entity`).

    `kind` is core (CKAN's own), text, date, list, or languages (a text or a list by language).
    """

    entity: str
    name: str
    kind: str
    labels: Mapping[str, str]
    helps: Mapping[str, str]


@cache
def fields(entity: str) -> tuple[CkanField, ...]:
    """Return the fields of "dataset" or "resource"."""
    text = (files(__package__) / "fields.csv").read_text("utf-8")
    return tuple(_field(row) for row in csv.DictReader(text.splitlines()) if row["entity"] == entity)


def _field(row: Mapping[str, str]) -> CkanField:
    labels, helps = ({language: row[f"{part}_{language}"] for language in ("sv", "en")} for part in ("label", "help"))
    return CkanField(row["entity"], row["name"], row["kind"], labels, {k: text for k, text in helps.items() if text})


def scheming_schema() -> dict[str, Any]:
    """Return a dataset schema for ckanext-scheming (version 2 of its format) with every field as a field of its own."""
    return {
        "scheming_version": 2,
        "dataset_type": "dataset",
        "about": "Väven: social-impact KPIs of neighbourhoods",
        "dataset_fields": [_scheming_field(field) for field in fields("dataset")],
        "resource_fields": [_scheming_field(field) for field in fields("resource")],
    }


def _scheming_field(field: CkanField) -> dict[str, Any]:
    entry: dict[str, Any] = {"field_name": field.name, "label": dict(field.labels)}
    if field.kind == "core":
        entry |= CORE.get((field.entity, field.name), {})
    else:
        entry |= PRESETS[field.kind]
        if field.name.endswith(("uri", "_url", "license", "previous_version")):
            entry["display_snippet"] = "link.html"
    return entry | ({"help_text": dict(field.helps)} if field.helps else {})
