"""Push of releases to CKAN: organisation, groups, dataset, files and DataStore rows.

Every step compares CKAN's state with the intended state and writes only the differences. So the next push continues
one that was killed at any request, and a push of unchanged datasets writes nothing.
"""

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ckanapi.errors import NotFound

from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.dataset import (
    CkanDataset,
    Difference,
    Organisation,
    Values,
    as_text,
    differences,
    resource_differences,
    to_package,
    to_resource,
)
from vaven.publisher.ckan.datastore import put_rows
from vaven.publisher.releases.storage import Storage
from vaven.vocab.errors import CkanError, CkanNotAllowed, CkanRefused, CkanWithoutSearch
from vaven.vocab.register import themes

# The table that goes into the DataStore, by its file.
ROWS_FILE, ROWS_TABLE = "observations.csv", "observations"
SEARCH_PAGE = 1_000
# The page of a version, which is the access URL of its files.
VERSION_PAGE = re.compile(r"/dataset/[^/]+/[0-9]+$")


@dataclass(frozen=True)
class Plan:
    """Options of a push.

    `uploads` sends the files themselves, otherwise CKAN links to the catalogue's; `rows` fills the DataStore if the
    instance has one.
    """

    uploads: bool = False
    rows: bool = True


@dataclass(frozen=True)
class PushResult:
    """The result for one dataset: created, changed, unchanged, withdrawn or failed."""

    name: str
    version: int
    result: str
    error: CkanError | None = None


def push(
    site: Site,
    datasets: Sequence[CkanDataset],
    storage: Storage,
    plan: Plan,
    *,
    workers: int = 2,
    on_result: Callable[[PushResult], None] = lambda _: None,
) -> list[PushResult]:
    """Push datasets, `workers` at a time, and call `on_result` after each; a failure does not stop the others."""
    groups = site.retry(lambda: _prepare(site, datasets))
    packages = site.retry(lambda: _search(site, datasets)) if len(datasets) > 1 else None

    def push_one(dataset: CkanDataset) -> PushResult:
        # The search result is valid for the first attempt only.
        cached = [] if packages is None else [packages.get(dataset.name)]
        result = _push_dataset(site.clone(), groups, dataset, storage, plan, cached)
        on_result(result)
        return result

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        return list(pool.map(push_one, datasets))


def _push_dataset(
    site: Site,
    groups: frozenset[str],
    dataset: CkanDataset,
    storage: Storage,
    plan: Plan,
    cached: list[Mapping[str, Any] | None],
) -> PushResult:
    """Push one dataset over its own client, which is closed afterwards; `cached` is its package for the first attempt.

    Failures become results.
    """

    def step() -> PushResult:
        remote = cached.pop() if cached else site.find("package_show", id=dataset.name)
        return _put(site, groups, dataset, storage, plan, remote)

    try:
        try:
            return site.retry(step)
        except NotFound:
            # Somebody deleted it on CKAN after the first request; starting again creates it anew.
            return site.retry(step)
    except NotFound as cause:
        error = CkanRefused("publisher.ckan-removed", dataset=dataset.name, cause=cause)
        return PushResult(dataset.name, dataset.version, "failed", error)
    except CkanError as failure:
        return PushResult(dataset.name, dataset.version, "failed", failure)
    finally:
        site.close()


def withdraw(site: Site, name: str, version: int) -> PushResult:
    """Delete a dataset on an instance.

    CKAN marks it as deleted, and a later push restores it.
    """

    def step() -> str:
        remote = site.find("package_show", id=name)
        if not remote or remote["state"] == "deleted":
            return "unchanged"
        for resource in remote["resources"]:
            if resource.get("datastore_active"):
                site.write("datastore_delete", resource_id=resource["id"], force=True)
        site.write("package_delete", id=remote["id"])
        return "withdrawn"

    return PushResult(name, version, site.retry(step))


def compare(site: Site, dataset: CkanDataset, plan: Plan) -> list[Difference]:
    """List the changes that a push would make, field by field; every field for a dataset that CKAN lacks."""
    remote = site.retry(lambda: site.find("package_show", id=dataset.name)) or {}
    # A push would create missing groups.
    groups = _groups(site) | frozenset(dataset.themes)
    changes = differences(remote, to_package(dataset, site.capabilities, groups))
    by_file = _by_file(remote)
    for resource in dataset.resources:
        file, existing = resource["file"], by_file.get(resource["file"], {})
        intended = to_resource(resource, site.capabilities)
        changes += resource_differences(file, existing, intended, is_uploaded=_is_uploaded(resource, plan))
        if _lacks_rows(site, resource, existing, plan):
            changes.append(Difference(f"resources/{file}/rows", existing.get("rows_sha256"), resource["hash"]))
    return changes


def _prepare(site: Site, datasets: Sequence[CkanDataset]) -> frozenset[str]:
    """Create missing organisations and groups, and return the groups that the user may add datasets to.

    A user without the right to create groups goes without the missing ones.
    """
    for organisation in {dataset.organisation for dataset in datasets}:
        _ensure_organisation(site, organisation)
    groups = _groups(site)
    with contextlib.suppress(CkanNotAllowed):
        for theme in sorted({theme for dataset in datasets for theme in dataset.themes} - groups):
            groups |= {_ensure_group(site, theme)}
    return groups


def _groups(site: Site) -> frozenset[str]:
    return frozenset(group["name"] for group in site.read("group_list_authz"))


def _search(site: Site, datasets: Sequence[CkanDataset]) -> dict[str, Any]:
    """Return the datasets that CKAN has, a thousand per request; deleted datasets can't be found by search."""
    packages: dict[str, Any] = {}
    owners = " OR ".join(sorted({f'"{dataset.organisation.name}"' for dataset in datasets}))
    while True:
        page = site.read(
            "package_search",
            fq=f"organization:({owners})",
            rows=SEARCH_PAGE,
            start=len(packages),
            sort="name asc",
            include_drafts=True,
            include_private=True,
        )
        packages |= {package["name"]: package for package in page["results"]}
        if not page["results"] or len(packages) >= page["count"]:
            return packages


def _put(
    site: Site,
    groups: frozenset[str],
    dataset: CkanDataset,
    storage: Storage,
    plan: Plan,
    remote: Mapping[str, Any] | None,
) -> PushResult:
    package = to_package(dataset, site.capabilities, groups)
    remote, is_created = (remote, False) if remote else _create(site, dataset, package, plan)
    is_new = is_created or remote["state"] == "deleted"
    existing = _by_file(remote)
    files = [_put_file(site, remote, existing.get(r["file"]), r, dataset, storage, plan) for r in dataset.resources]
    is_changed = any(is_other for _, is_other in files)
    resources = [r for r, _ in files]
    for i, resource in enumerate(dataset.resources):
        if _lacks_rows(site, resource, resources[i], plan):
            resources[i] = _put_rows(site, remote, resources, i, dataset, storage)
            is_changed = True
    others = [r for r in remote["resources"] if _file_of(r) is None]
    obsolete = {r["id"] for r in remote["resources"]} - {r.get("id") for r in [*resources, *others]}
    is_same = not is_changed and not obsolete and remote["state"] == "active" and not differences(remote, package)
    if not is_same:
        patch = _patch(remote, package)
        site.write("package_patch", id=remote["id"], **patch, resources=[*resources, *others], state="active")
    result = "created" if is_new else "unchanged" if is_same else "changed"
    return PushResult(dataset.name, dataset.version, result)


def _create(site: Site, dataset: CkanDataset, package: Values, plan: Plan) -> tuple[Mapping[str, Any], bool]:
    """Create the dataset, as a draft until its files and rows are complete: readers see all of it or nothing.

    If another dataset has the name, being deleted or moved to another organisation, return that dataset and False.
    """
    links = [] if plan.uploads else [to_resource(r, site.capabilities) for r in dataset.resources]
    is_complete = not plan.uploads and not (plan.rows and site.capabilities.has_datastore)
    try:
        state = "active" if is_complete else "draft"
        return site.write("package_create", **package, resources=links, state=state), True
    except CkanRefused as cause:
        if "name" not in str(cause):
            raise
        if existing := site.find("package_show", id=dataset.name):
            return existing, False
        # Only a sysadmin sees a deleted dataset, though others may restore it.
        with contextlib.suppress(NotFound, CkanNotAllowed):
            site.write("package_patch", id=dataset.name, state="draft")
        if not (existing := site.find("package_show", id=dataset.name)):
            raise
        return existing, True


def _put_file(
    site: Site,
    remote: Mapping[str, Any],
    existing: Mapping[str, Any] | None,
    resource: Values,
    dataset: CkanDataset,
    storage: Storage,
    plan: Plan,
) -> tuple[dict[str, Any], bool]:
    """Return a resource for the final patch, with True if it differs from CKAN's.

    An upload happens immediately.
    """
    intended = to_resource(resource, site.capabilities)
    if not _is_uploaded(resource, plan):
        is_other = existing is None or bool(
            resource_differences(resource["file"], existing, intended, is_uploaded=False)
        )
        # An upload of an earlier run becomes a link; CKAN does not change the URL of an upload.
        return {**(existing or {}), **intended, "url_type": ""}, is_other
    if existing is None or existing.get("hash") != resource["hash"] or existing.get("url_type") != "upload":
        existing, is_other = _upload(site, remote, existing, resource, intended, dataset, storage), True
    else:
        is_other = bool(resource_differences(resource["file"], existing, intended, is_uploaded=True))
    return {**existing, **{key: value for key, value in intended.items() if key != "url"}}, is_other


def _upload(
    site: Site,
    remote: Mapping[str, Any],
    existing: Mapping[str, Any] | None,
    resource: Values,
    intended: Values,
    dataset: CkanDataset,
    storage: Storage,
) -> Mapping[str, Any]:
    """Upload a file into its resource, and return the resource that CKAN then has."""
    with storage.open(dataset.name, dataset.version, resource["file"]) as file:
        params = {key: as_text(value) for key, value in intended.items()}
        # The hash is sent with the file, so that one without the other never looks complete.
        params |= {"package_id": remote["id"]} if existing is None else {"id": existing["id"]}
        action = "resource_create" if existing is None else "resource_patch"
        uploaded: Mapping[str, Any] = site.write(
            action, upload=(resource["file"], file), **(params | {"url": resource["file"]})
        )
    return uploaded


def _is_uploaded(resource: Values, plan: Plan) -> bool:
    """Return True if the file itself is sent to CKAN; files generated on request are only linked."""
    return plan.uploads and "hash" in resource


def _lacks_rows(site: Site, resource: Values, existing: Mapping[str, Any], plan: Plan) -> bool:
    if resource["file"] != ROWS_FILE or not plan.rows or not site.capabilities.has_datastore:
        return False
    return existing.get("rows_sha256") != resource["hash"] or not existing.get("datastore_active")


def _put_rows(
    site: Site,
    remote: Mapping[str, Any],
    resources: Sequence[dict[str, Any]],
    i: int,
    dataset: CkanDataset,
    storage: Storage,
) -> dict[str, Any]:
    """Fill the DataStore table of resource `i`, after creating the resource if it has no id yet."""
    resource = resources[i]
    if "id" not in resource:
        resource = site.write("resource_create", package_id=remote["id"], **resource)
    path = storage.local(dataset.name, dataset.version, ROWS_FILE)
    put_rows(site, resource["id"], ROWS_TABLE, path, is_new=not resource.get("datastore_active"))
    return {**resource, "rows_sha256": dataset.resources[i]["hash"], "datastore_active": True}


def _patch(remote: Mapping[str, Any], package: Values) -> dict[str, Any]:
    """Return the patch, which empties own fields that are no longer filled and keeps other people's extras."""
    patch = dict(package)
    emptied = {difference.field for difference in differences(remote, package) if difference.local is None}
    patch |= {name: "" for name in emptied if remote.get(name) not in (None, "", [], {})}
    own = {extra["key"] for extra in package["extras"]} | emptied
    patch["extras"] = [*package["extras"], *(e for e in remote.get("extras", ()) if e["key"] not in own)]
    return patch


def _by_file(remote: Mapping[str, Any]) -> dict[str, Any]:
    return {file: r for r in remote.get("resources", ()) if (file := _file_of(r))}


def _file_of(resource: Mapping[str, Any]) -> str | None:
    """Return the name of a resource's file by its IRI, or else by its URLs; None for other people's resources."""
    uri, url = resource.get("uri") or "", resource.get("download_url") or ""
    if "/id/dataset/" in uri:
        return uri.rsplit("/", 1)[-1]
    folder, _, file = url.rpartition("/")
    return file if folder == resource.get("access_url") and VERSION_PAGE.search(folder) else None


def _ensure_organisation(site: Site, organisation: Organisation) -> None:
    """Create an organisation unless it exists, be it left over from a failed organization_create (no Solr)."""
    if existing := site.find("organization_show", id=organisation.name, include_datasets=False):
        if existing.get("state") == "deleted":
            site.write("organization_patch", id=existing["id"], state="active")
        return
    try:
        site.write("organization_create", name=organisation.name, title=organisation.title)
    except CkanWithoutSearch:
        if not site.find("organization_show", id=organisation.name):
            raise


def _ensure_group(site: Site, name: str) -> str:
    theme = themes()[name]
    if not site.find("group_show", id=name):
        site.write("group_create", name=name, title=theme.text("sv"), description=theme.definition("sv"))
    return name
