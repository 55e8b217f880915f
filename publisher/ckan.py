"""Push a release's metadata to a CKAN instance through ckanapi: create or patch by name, resources as links.

The same release pushed again changes nothing. Uploads, DataStore and series come with the CKAN issue.
"""

from typing import Any

import requests
from ckanapi import RemoteCKAN
from ckanapi.errors import CKANAPIError, NotAuthorized, NotFound, SearchIndexError, ValidationError

from vaven.publisher.collection import about_from
from vaven.publisher.records import ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.vocab import register
from vaven.vocab.errors import CkanRefused, CkanUnreachable

ORGANISATION = "den-sociala-vaven"
LINKED = (".csv", ".parquet", ".xlsx", ".ttl", ".gz")


def push(settings: Settings, record: ReleaseRecord) -> str:
    """Publish the record's metadata on the configured CKAN. Returns "created", "changed" or "unchanged".

    Raises CkanUnreachable when there is no CKAN at the address, CkanRefused when it says no.
    """
    dataset = package(settings, record)
    try:
        with RemoteCKAN(settings.ckan_url, apikey=settings.ckan_token, user_agent="vaven") as site:
            _ensure_organisation(site)
            try:
                there = site.action.package_show(id=dataset["name"])
            except NotFound:
                site.action.package_create(**dataset)
                return "created"
            if not _differs(there, dataset):
                return "unchanged"
            site.action.package_patch(id=there["id"], **dataset)
            return "changed"
    except requests.RequestException as cause:
        remedy = "Check VAVEN_CKAN_URL and that the instance is up, then publish again."
        raise CkanUnreachable(f"CKAN at {settings.ckan_url} did not answer.", remedy=remedy) from cause
    except NotAuthorized as cause:
        raise CkanRefused("CKAN refused the token.", remedy="Make a new API token and set VAVEN_CKAN_TOKEN.") from cause
    except (ValidationError, SearchIndexError, CKANAPIError) as cause:
        raise CkanRefused(
            f"CKAN refused the dataset: {cause}", remedy="See what it names, then publish again."
        ) from cause


def package(settings: Settings, record: ReleaseRecord) -> dict[str, Any]:
    """The dataset as CKAN's package_create takes it."""
    manifest = record.manifest or {}
    about = about_from(manifest)
    address = f"{settings.base_iri}dataset/{record.dataset}"
    return {
        "name": record.dataset,
        "title": about.titles.get("sv") or about.titles.get("en", record.dataset),
        "notes": about.descriptions.get("sv") or about.descriptions.get("en", ""),
        "owner_org": ORGANISATION,
        "version": str(record.version),
        "license_id": {"cc0": "cc-zero", "cc-by": "cc-by", "pdm": "other-pd"}[about.licence],
        "url": address,
        "author": about.publisher_name,
        "maintainer": about.contact_name,
        "maintainer_email": about.contact_email,
        "tags": [{"name": word} for word in about.keywords.get("sv", ())],
        "extras": [
            {"key": "uri", "value": settings.iris.dataset(record.dataset)},
            {"key": "kpis", "value": ", ".join(register.kpis()[slug].text("sv") for slug in manifest["kpis"])},
        ],
        "resources": [
            {
                "name": file["name"],
                "url": f"{address}/{record.version}/{file['name']}",
                "format": file["name"].rsplit(".", 1)[-1].upper(),
                "mimetype": file["media_type"],
                "hash": file["sha256"],
                "size": file["size"],
            }
            for file in manifest["files"]
            if file["name"].endswith(LINKED)
        ],
    }


def _ensure_organisation(site: RemoteCKAN) -> None:
    try:
        site.action.organization_show(id=ORGANISATION)
    except NotFound:
        site.action.organization_create(name=ORGANISATION, title="Den sociala väven")


def _differs(there: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether CKAN's copy lacks anything of ours. CKAN adds keys of its own, so only ours are compared."""
    plain = ("name", "title", "notes", "version", "license_id", "url", "author", "maintainer", "maintainer_email")
    if any(there.get(key) != wanted[key] for key in plain):
        return True
    if {t["name"] for t in there["tags"]} != {t["name"] for t in wanted["tags"]}:
        return True
    return [r.get("hash") for r in there["resources"]] != [r["hash"] for r in wanted["resources"]]
