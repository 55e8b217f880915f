"""Small searches of CKAN: licences, names of datasets, resources by a field, vocabularies."""

from collections.abc import Mapping, Sequence
from typing import Any

from vaven.catalogue.ckan_api.packages import LICENCES, Package, PackageList
from vaven.catalogue.ckan_api.responses import ActionError, required, whole_number

# Licences whose domain is content or data by CKAN's list; the others have none.
DOMAINS = {"cc-zero": ("content", "data"), "cc-by": (), "other-pd": ("content",)}
# CKAN's fields of a resource that can be searched, by their type (ckan.model.resource, CORE_RESOURCE_COLUMNS).
TEXT_FIELDS = (
    "url", "format", "description", "hash", "name", "resource_type", "mimetype", "mimetype_inner", "cache_url",
    "url_type",
)  # fmt: skip
OTHER_FIELDS = ("size", "created", "last_modified", "metadata_modified", "cache_last_updated")
MOST_RESULTS = 10_000


def license_list(_: PackageList, __: Mapping[str, Any]) -> list[Package]:
    """Return the licences that a dataset can have here, in CKAN's form, where even truth values are text."""
    return [
        {
            **{f"domain_{name}": str(name in DOMAINS[identity]) for name in ("content", "data", "software")},
            "family": "",
            "id": identity,
            "is_generic": str(identity.startswith("other-")),
            "maintainer": "",
            "od_conformance": "approved",
            "osd_conformance": "not reviewed",
            "status": "active",
            "title": title,
            "url": url,
        }
        for identity, (title, url) in LICENCES.items()
    ]


def vocabulary_list(_: PackageList, __: Mapping[str, Any]) -> list[Package]:
    """Return no vocabulary: all tags are free."""
    return []


def package_autocomplete(package_list: PackageList, parameters: Mapping[str, Any]) -> list[Package]:
    """Return the datasets whose name or title contains `q`."""
    query = required(parameters, "q").lower()
    limit = whole_number(parameters, "limit", 10, most=MOST_RESULTS)
    matches = [p for p in package_list.packages.values() if query in p["name"] or query in p["title"].lower()]
    return [_suggestion(package, query) for package in matches[:limit]]


def _suggestion(package: Package, query: str) -> Package:
    name, title = package["name"], package["title"]
    field, text = ("name", name) if query in name else ("title", f"{title} ({name})")
    return {"name": name, "title": title, "match_field": field, "match_displayed": text}


def resource_search(package_list: PackageList, parameters: Mapping[str, Any]) -> Package:
    """Return the resources that match all pairs `field:term` of `query`: a text contains its term in any case."""
    pairs = _pairs(parameters.get("query"))
    offset = whole_number(parameters, "offset", 0, most=10**9)
    limit = whole_number(parameters, "limit", MOST_RESULTS, most=MOST_RESULTS)
    resources = [r for r in package_list.resources.values() if all(_matches(r, *pair) for pair in pairs)]
    order = parameters.get("order_by")
    if order in (*TEXT_FIELDS, *OTHER_FIELDS):
        resources.sort(key=lambda r: (r.get(order) is None, r.get(order)))
    return {"count": len(resources), "results": resources[offset : offset + limit]}


def _pairs(query: Any) -> Sequence[tuple[str, str]]:
    if query is None:
        raise _invalid("Missing value")
    texts = [query] if isinstance(query, str) else query if isinstance(query, list) else [""]
    pairs = [str(text).partition(":") for text in texts]
    for field, colon, _ in pairs:
        if not colon:
            raise _invalid("Must be <field>:<value> pair(s)")
        if field not in (*TEXT_FIELDS, *OTHER_FIELDS):
            raise _invalid(f'Field "{field}" not recognised in resource_search.')
    return [(field, term) for field, _, term in pairs]


def _matches(resource: Package, field: str, term: str) -> bool:
    value = resource.get(field)
    if value is None:
        return False
    if field == "hash":
        return str(value).lower().startswith(term.lower())
    return term.lower() in str(value).lower() if field in TEXT_FIELDS else str(value) == term


def _invalid(message: str) -> ActionError:
    # Here CKAN's message is a text, not a list.
    return ActionError(409, "Validation Error", query=message)
