"""Bring CKAN to hold what we publish: organisation, groups, dataset, files and DataStore rows.

Every step compares CKAN's state with ours and writes what differs, nothing else. So a push that was killed at any
request is taken up by the next one, and a push of what is there already writes nothing.
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
# The page of a version, which is the access address of its files.
OURS = re.compile(r"/dataset/[^/]+/[0-9]+$")


@dataclass(frozen=True)
class Plan:
    """How datasets go to an instance. `uploads` sends the files themselves, otherwise CKAN links to ours;
    `rows` fills the DataStore where the instance has one."""

    uploads: bool = False
    rows: bool = True


@dataclass(frozen=True)
class PushResult:
    """What became of one dataset: `result` is created, changed, unchanged, withdrawn or failed."""

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
    """Push datasets, `workers` at a time; one that fails does not stop the others. `told` hears of each when done."""
    groups = site.retry(lambda: _prepare(site, datasets))
    seen = site.retry(lambda: _search(site, datasets)) if len(datasets) > 1 else None

    def one(dataset: CkanDataset) -> PushResult:
        own = site.clone()
        # What the search saw holds for the first try alone.
        glance = [] if seen is None else [seen.get(dataset.name)]

        def step() -> PushResult:
            there = glance.pop() if glance else own.find("package_show", id=dataset.name)
            return _put(own, groups, dataset, storage, plan, there)

        try:
            try:
                outcome = own.retry(step)
            except NotFound:
                # Somebody took it from CKAN after we had looked; from the start it is made anew.
                outcome = own.retry(step)
        except NotFound as cause:
            error = CkanRefused("publisher.ckan-removed", dataset=dataset.name, cause=cause)
            outcome = PushResult(dataset.name, dataset.version, "failed", error)
        except CkanError as failure:
            outcome = PushResult(dataset.name, dataset.version, "failed", failure)
        finally:
            own.close()
        on_result(outcome)
        return outcome

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        return list(pool.map(one, datasets))


def withdraw(site: Site, name: str, version: int) -> PushResult:
    """Take a dataset from an instance's readers. CKAN keeps it as deleted; a later push of a version revives it."""

    def step() -> str:
        there = site.find("package_show", id=name)
        if not there or there["state"] == "deleted":
            return "unchanged"
        for resource in there["resources"]:
            if resource.get("datastore_active"):
                site.write("datastore_delete", resource_id=resource["id"], force=True)
        site.write("package_delete", id=there["id"])
        return "withdrawn"

    return PushResult(name, version, site.retry(step))


def compare(site: Site, dataset: CkanDataset, plan: Plan) -> list[Difference]:
    """What a push would change, field by field; for a dataset that is not there, everything."""
    there = site.retry(lambda: site.find("package_show", id=dataset.name)) or {}
    # Groups that are not there yet would be made.
    groups = _groups(site) | frozenset(dataset.themes)
    found = differences(there, to_package(dataset, site.capabilities, groups))
    by_file = _by_file(there)
    for resource in dataset.resources:
        theirs = by_file.get(resource["file"], {})
        wanted = to_resource(resource, site.capabilities)
        found += resource_differences(resource["file"], theirs, wanted, is_uploaded=_is_sent(resource, plan))
        if _lacks_rows(site, resource, theirs, plan):
            found.append(Difference(f"resources/{resource['file']}/rows", theirs.get("rows_sha256"), resource["hash"]))
    return found


def _prepare(site: Site, datasets: Sequence[CkanDataset]) -> frozenset[str]:
    """See to what datasets share, once: organisations and groups. Returns the groups that our user may fill; one
    without the right to make groups goes without those that are missing."""
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
    """The datasets that CKAN has already, a thousand a request; not those that are deleted, which nobody can find."""
    found: dict[str, Any] = {}
    owners = " OR ".join(sorted({f'"{dataset.organisation.name}"' for dataset in datasets}))
    while True:
        page = site.read(
            "package_search",
            fq=f"organization:({owners})",
            rows=SEARCH_PAGE,
            start=len(found),
            sort="name asc",
            include_drafts=True,
            include_private=True,
        )
        found |= {package["name"]: package for package in page["results"]}
        if not page["results"] or len(found) >= page["count"]:
            return found


def _put(
    site: Site,
    groups: frozenset[str],
    dataset: CkanDataset,
    storage: Storage,
    plan: Plan,
    there: Mapping[str, Any] | None,
) -> PushResult:
    wanted = to_package(dataset, site.capabilities, groups)
    there, is_made = (there, False) if there else _create(site, dataset, wanted, plan)
    is_new = is_made or there["state"] == "deleted"
    before = _by_file(there)
    resources = [_put_file(site, there, before.get(r["file"]), r, dataset, storage, plan) for r in dataset.resources]
    changed = [r for r, was in resources if was]
    listed = [r for r, _ in resources]
    for i, resource in enumerate(dataset.resources):
        if _lacks_rows(site, resource, listed[i], plan):
            listed[i] = _put_rows(site, there, listed, i, dataset, storage)
            changed.append(listed[i])
    others = [r for r in there["resources"] if _file_of(r) is None]
    gone = {r["id"] for r in there["resources"]} - {r.get("id") for r in [*listed, *others]}
    is_same = not changed and not gone and there["state"] == "active" and not differences(there, wanted)
    if not is_same:
        site.write(
            "package_patch", id=there["id"], **_emptied(there, wanted), resources=[*listed, *others], state="active"
        )
    result = "created" if is_new else "unchanged" if is_same else "changed"
    return PushResult(dataset.name, dataset.version, result)


def _create(site: Site, dataset: CkanDataset, wanted: Values, plan: Plan) -> tuple[Mapping[str, Any], bool]:
    """The dataset, as a draft while its files or rows are not there yet: readers see it whole or not at all.

    Where its name is taken, what has it, and False: one that is deleted, or was given to another organisation.
    """
    links = [] if plan.uploads else [to_resource(r, site.capabilities) for r in dataset.resources]
    is_whole = not plan.uploads and not (plan.rows and site.capabilities.has_datastore)
    try:
        state = "active" if is_whole else "draft"
        return site.write("package_create", **wanted, resources=links, state=state), True
    except CkanRefused as cause:
        if "name" not in str(cause):
            raise
        if found := site.find("package_show", id=dataset.name):
            return found, False
        # Only a sysadmin sees a deleted dataset, though others may revive it.
        with contextlib.suppress(NotFound, CkanNotAllowed):
            site.write("package_patch", id=dataset.name, state="draft")
        if not (found := site.find("package_show", id=dataset.name)):
            raise
        return found, True


def _put_file(
    site: Site,
    there: Mapping[str, Any],
    theirs: Mapping[str, Any] | None,
    resource: Values,
    dataset: CkanDataset,
    storage: Storage,
    plan: Plan,
) -> tuple[dict[str, Any], bool]:
    """A resource as the final patch lists it, and whether it differs from CKAN's. An upload is done at once."""
    wanted = to_resource(resource, site.capabilities)
    if not _is_sent(resource, plan):
        is_other = theirs is None or bool(resource_differences(resource["file"], theirs, wanted, is_uploaded=False))
        # An upload of an earlier run becomes a link; CKAN keeps the address of what it takes for an upload.
        return {**(theirs or {}), **wanted, "url_type": ""}, is_other
    kept = {key: value for key, value in wanted.items() if key != "url"}
    is_sent = False
    if theirs is None or theirs.get("hash") != resource["hash"] or theirs.get("url_type") != "upload":
        with storage.open(dataset.name, dataset.version, resource["file"]) as file:
            sent = {key: as_text(value) for key, value in wanted.items()}
            # The hash comes with the file, so that one without the other is never taken for whole.
            sent |= {"package_id": there["id"]} if theirs is None else {"id": theirs["id"]}
            action = "resource_create" if theirs is None else "resource_patch"
            theirs = site.write(action, upload=(resource["file"], file), **(sent | {"url": resource["file"]}))
            is_sent = True
    is_other = is_sent or bool(resource_differences(resource["file"], theirs, wanted, is_uploaded=True))
    return {**theirs, **kept}, is_other


def _is_sent(resource: Values, plan: Plan) -> bool:
    """Whether the file itself goes to CKAN: one that is made when it is asked for is linked to."""
    return plan.uploads and "hash" in resource


def _lacks_rows(site: Site, resource: Values, theirs: Mapping[str, Any], plan: Plan) -> bool:
    if resource["file"] != ROWS_FILE or not plan.rows or not site.capabilities.has_datastore:
        return False
    return theirs.get("rows_sha256") != resource["hash"] or not theirs.get("datastore_active")


def _put_rows(
    site: Site,
    there: Mapping[str, Any],
    listed: Sequence[dict[str, Any]],
    i: int,
    dataset: CkanDataset,
    storage: Storage,
) -> dict[str, Any]:
    """Fill the DataStore of resource `i`; one that has no id yet is made first."""
    resource = listed[i]
    if "id" not in resource:
        resource = site.write("resource_create", package_id=there["id"], **resource)
    path = storage.local(dataset.name, dataset.version, ROWS_FILE)
    put_rows(site, resource["id"], ROWS_TABLE, path, is_new=not resource.get("datastore_active"))
    return {**resource, "rows_sha256": dataset.resources[i]["hash"], "datastore_active": True}


def _emptied(there: Mapping[str, Any], wanted: Values) -> dict[str, Any]:
    """The patch, in which fields of ours that are no longer filled are emptied, and others' extras stay."""
    found = dict(wanted)
    ours = {difference.field for difference in differences(there, wanted) if difference.here is None}
    found |= {name: "" for name in ours if there.get(name) not in (None, "", [], {})}
    names = {extra["key"] for extra in wanted["extras"]} | ours
    found["extras"] = [*wanted["extras"], *(e for e in there.get("extras", ()) if e["key"] not in names)]
    return found


def _by_file(there: Mapping[str, Any]) -> dict[str, Any]:
    return {file: r for r in there.get("resources", ()) if (file := _file_of(r))}


def _file_of(resource: Mapping[str, Any]) -> str | None:
    """The file of a release that a resource of CKAN's is, by its IRI, or by its addresses where it has none; None for
    one that is not ours."""
    uri, address = resource.get("uri") or "", resource.get("download_url") or ""
    if "/id/dataset/" in uri:
        return uri.rsplit("/", 1)[-1]
    folder, _, file = address.rpartition("/")
    return file if folder == resource.get("access_url") and OURS.search(folder) else None


def _ensure_organisation(site: Site, organisation: Organisation) -> None:
    """One that is there is taken as it is, also where a failed organization_create left it behind (no Solr)."""
    if there := site.find("organization_show", id=organisation.name, include_datasets=False):
        if there.get("state") == "deleted":
            site.write("organization_patch", id=there["id"], state="active")
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
