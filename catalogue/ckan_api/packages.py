"""Datasets, organisations, groups and tags in the structure of CKAN's responses."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from vaven.publisher.ckan.client import Capabilities
from vaven.publisher.ckan.dataset import CkanDataset, dataset_of, to_package, to_resource
from vaven.publisher.ckan.push import ROWS_FILE
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.records import ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.vocab.register import themes

# A typical instance: without a schema of its own, so that our fields are extras.
PLAIN = Capabilities((2, 12), frozenset(("datastore",)), None)
# CKAN's titles and URLs of licences by id (ckan/config/licenses).
LICENCES = {
    "cc-zero": ("Creative Commons CCZero", "http://www.opendefinition.org/licenses/cc-zero"),
    "cc-by": ("Creative Commons Attribution", "http://www.opendefinition.org/licenses/cc-by"),
    "other-pd": ("Other (Public Domain)", ""),
}
Package = dict[str, Any]


@dataclass(frozen=True)
class SearchableTable:
    """The table of a release behind a resource whose rows can be searched."""

    dataset: str
    version: int
    name: str


class PackageList:
    """All published datasets in CKAN's structure, for one published state."""

    def __init__(self, settings: Settings, collection: Collection) -> None:
        self._settings = settings
        datasets = [(record, dataset_of(settings, record, versions)) for record, versions in collection.current()]
        self.packages: dict[str, Package] = {d.name: self._package(record, d) for record, d in datasets}
        self._versions = {d.name: d.version for _, d in datasets}

    def package(self, name: str) -> Package | None:
        return self.packages.get(name) or next((p for p in self.packages.values() if p["id"] == name), None)

    @cached_property
    def resources(self) -> Mapping[str, Package]:
        return {resource["id"]: resource for package in self.packages.values() for resource in package["resources"]}

    @cached_property
    def tables(self) -> Mapping[str, SearchableTable]:
        """Searchable tables by resource id."""
        return {
            resource["id"]: SearchableTable(name, self._versions[name], ROWS_FILE.removesuffix(".csv"))
            for name, package in self.packages.items()
            for resource in package["resources"]
            if resource["datastore_active"]
        }

    @cached_property
    def organisations(self) -> Mapping[str, Package]:
        organisations = {p["organization"]["name"]: p["organization"] for p in self.packages.values()}
        counts = Counter(p["organization"]["name"] for p in self.packages.values())
        return {name: _group(organisations[name], counts[name]) for name in sorted(organisations)}

    @cached_property
    def groups(self) -> Mapping[str, Package]:
        """The themes of all datasets."""
        counts = Counter(group["name"] for p in self.packages.values() for group in p["groups"])
        first = min((p["metadata_created"] for p in self.packages.values()), default="")
        groups = {name: {**self._theme(name), "created": first, "type": "group"} for name in sorted(counts)}
        return {name: _group(group, counts[name]) for name, group in groups.items()}

    @cached_property
    def tags(self) -> Mapping[str, Package]:
        tags = {tag["name"]: tag for p in self.packages.values() for tag in p["tags"]}
        return {name: {k: v for k, v in tags[name].items() if k != "state"} for name in sorted(tags)}

    def in_group(self, name: str, kind: str) -> list[Package]:
        """Return the datasets of an organisation (`kind` "organization") or of a group ("group")."""
        if kind == "organization":
            return [p for p in self.packages.values() if p["organization"]["name"] == name]
        return [p for p in self.packages.values() if name in {group["name"] for group in p["groups"]}]

    def _package(self, record: ReleaseRecord, dataset: CkanDataset) -> Package:
        pushed = to_package(dataset, PLAIN, frozenset(dataset.themes))
        title, url = LICENCES[pushed["license_id"]]
        moment = _moment(record.visible_at or record.reserved_at)
        organisation = self._organisation(dataset, moment)
        shared = {key: pushed[key] for key in ("name", "title", "notes", "url", "version", "license_id", "extras")}
        identity = self._id("dataset", dataset.name)
        return {
            "author": pushed.get("author"),
            "author_email": None,
            "creator_user_id": self._id("user", "vaven"),
            "id": identity,
            "isopen": True,
            "license_title": title,
            **({"license_url": url} if url else {}),
            "maintainer": pushed.get("maintainer"),
            "maintainer_email": pushed.get("maintainer_email"),
            "metadata_created": moment,
            "metadata_modified": moment,
            "num_resources": len(dataset.resources),
            "num_tags": len(pushed["tags"]),
            "organization": organisation,
            "owner_org": organisation["id"],
            "private": False,
            "state": "active",
            "type": "dataset",
            **shared,
            "groups": [self._theme(name) for name in sorted(dataset.themes)],
            "resources": [self._resource(dataset, i, moment, identity) for i in range(len(dataset.resources))],
            "tags": [self._tag(tag["name"]) for tag in pushed["tags"]],
            "relationships_as_subject": [],
            "relationships_as_object": [],
        }

    def _resource(self, dataset: CkanDataset, position: int, moment: str, package_id: str) -> Package:
        resource = dataset.resources[position]
        has_rows = resource["file"] == ROWS_FILE
        return {
            "cache_last_updated": None,
            "cache_url": None,
            "created": moment,
            "datastore_active": has_rows,
            "description": None,
            "hash": "",
            "id": self._id("resource", dataset.name, str(resource["file"])),
            "last_modified": None,
            "metadata_modified": moment,
            "mimetype_inner": None,
            "package_id": package_id,
            "position": position,
            "resource_type": None,
            "size": None,
            "state": "active",
            "url_type": "",
            **to_resource(resource, PLAIN),
            **({"rows_sha256": resource["hash"]} if has_rows else {}),
        }

    def _organisation(self, dataset: CkanDataset, moment: str) -> Package:
        return {
            "id": self._id("organization", dataset.organisation.name),
            "name": dataset.organisation.name,
            "title": dataset.organisation.title,
            "type": "organization",
            "description": "",
            "image_url": "",
            "created": moment,
            "is_organization": True,
            "approval_status": "approved",
            "state": "active",
        }

    def _theme(self, name: str) -> Package:
        theme = themes()[name]
        return {
            "description": theme.definition("sv"),
            "display_name": theme.text("sv"),
            "id": self._id("group", name),
            "image_display_url": "",
            "name": name,
            "title": theme.text("sv"),
        }

    def _tag(self, name: str) -> Package:
        tag_id = self._id("tag", name)
        return {"display_name": name, "id": tag_id, "name": name, "state": "active", "vocabulary_id": None}

    def _id(self, *parts: str) -> str:
        """Return a stable id in CKAN's form: a UUID of the object's URL (RFC 4122, version 5)."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self._settings.base_iri + "/".join(parts)))


def _group(group: Package, count: int) -> Package:
    """Return a group or an organisation as in CKAN's list and show actions."""
    return {
        "approval_status": "approved",
        "created": group["created"],
        "description": group["description"],
        "display_name": group["title"],
        "id": group["id"],
        "image_display_url": "",
        "image_url": "",
        "is_organization": group["type"] == "organization",
        "name": group["name"],
        "num_followers": 0,
        "package_count": count,
        "state": "active",
        "title": group["title"],
        "type": group["type"],
    }


def _moment(time: datetime) -> str:
    """Format a time like CKAN: UTC with microseconds and without a time zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def facets(packages: Sequence[Package], fields: Sequence[str], limit: int) -> dict[str, Counter[str]]:
    """Count the packages with each value of a field, most frequent first. A negative limit is no limit."""
    return {
        field: Counter(dict(_count(packages, field).most_common(limit if limit >= 0 else None))) for field in fields
    }


def _count(packages: Sequence[Package], field: str) -> Counter[str]:
    return Counter(value for package in packages for value in values_of(package, field))


def values_of(package: Package, field: str) -> set[str]:
    """Return a package's values of a field of CKAN's search index."""
    if field == "organization":
        return {package["organization"]["name"]}
    if field in ("tags", "groups"):
        return {entry["name"] for entry in package[field]}
    if field.startswith("res_"):
        return {str(r[field[4:]]) for r in package["resources"] if r.get(field[4:])}
    if field.startswith("extras_"):
        return {extra["value"] for extra in package["extras"] if extra["key"] == field[7:]}
    if field == "capacity":
        return {"public"}
    if field == "dataset_type":
        return {"dataset"}
    value = package.get(field)
    if value is None:
        return {extra["value"] for extra in package["extras"] if extra["key"] == field}
    return set() if isinstance(value, (list, dict)) else {str(value)}
