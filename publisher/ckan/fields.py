"""Our metadata fields on CKAN (fields.csv): where they belong, their kind, their names, and the schema made of them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

# ckanext-scheming's presets by kind. A text in two languages is kept as JSON by a preset of scheming's own, so that
# the schema works without ckanext-fluent, whose field names and JSON form these are. It is for programs (ckanext-dcat
# reads it); people see the fields of single languages beside it.
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
# Fields that CKAN has of its own come with scheming's presets or CKAN's forms.
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
    """`place` is dataset or resource; `kind` is core (CKAN's own), text, date, list, or languages (a text or a list
    by language)."""

    place: str
    name: str
    kind: str
    labels: Mapping[str, str]
    helps: Mapping[str, str]


@cache
def fields(place: str) -> tuple[CkanField, ...]:
    text = (files(__package__) / "fields.csv").read_text("utf-8")
    return tuple(_field(row) for row in csv.DictReader(text.splitlines()) if row["place"] == place)


def _field(row: Mapping[str, str]) -> CkanField:
    labels, helps = ({language: row[f"{what}_{language}"] for language in ("sv", "en")} for what in ("label", "help"))
    return CkanField(row["place"], row["name"], row["kind"], labels, {k: text for k, text in helps.items() if text})


def scheming_schema() -> dict[str, Any]:
    """A dataset schema for ckanext-scheming (version 2 of its format) that shows every field of ours as it is."""
    return {
        "scheming_version": 2,
        "dataset_type": "dataset",
        "about": "Väven: social-impact KPIs of neighbourhoods",
        "dataset_fields": [_described(field) for field in fields("dataset")],
        "resource_fields": [_described(field) for field in fields("resource")],
    }


def _described(field: CkanField) -> dict[str, Any]:
    found: dict[str, Any] = {"field_name": field.name, "label": dict(field.labels)}
    if field.kind == "core":
        found |= CORE.get((field.place, field.name), {})
    else:
        found |= PRESETS[field.kind]
        if field.name.endswith(("uri", "_url", "license", "previous_version")):
            found["display_snippet"] = "link.html"
    return found | ({"help_text": dict(field.helps)} if field.helps else {})
