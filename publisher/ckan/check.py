"""Check of an instance before a push: what it supports, and what would be lost on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ckanapi.errors import NotFound

from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.dataset import CkanDataset, split_fields
from vaven.publisher.ckan.push import Plan
from vaven.vocab.errors import CkanNotAllowed

# Versions covered by tests; other versions are reported as untested.
TESTED_VERSIONS = ((2, 10), (2, 11), (2, 12))
MINIMUM_VERSION = (2, 10)


@dataclass(frozen=True)
class SiteRemark:
    """A remark on an instance.

    `level` is good, lost (something will not be visible there) or stops (no push is possible); `code` and `params`
    select and fill its message (publisher/messages, ckan.point.…).
    """

    level: str
    code: str
    params: dict[str, str]


def check_site(site: Site, datasets: Sequence[CkanDataset], plan: Plan) -> list[SiteRemark]:
    """Return all remarks on an instance for the datasets to be pushed there.

    Raises CkanError if the instance can't be queried.
    """
    remarks = [_version(site), _user(site)]
    remarks += [_organisation(site, name) for name in sorted({dataset.organisation.name for dataset in datasets})]
    remarks += [_groups(site, datasets), _languages(site), _fields(site), _rows(site, plan), _search(site), _feed(site)]
    return remarks


def _remark(level: str, code: str, **params: str) -> SiteRemark:
    return SiteRemark(level, code, params)


def _version(site: Site) -> SiteRemark:
    version = site.capabilities.version
    text = ".".join(map(str, version))
    if version < MINIMUM_VERSION:
        return _remark("stops", "too-old", version=text, oldest=".".join(map(str, MINIMUM_VERSION)))
    return _remark("good", "version" if version in TESTED_VERSIONS else "version-untried", version=text)


def _user(site: Site) -> SiteRemark:
    """Check the token's user: CKAN 2.10 and newer return the user of the token without a name."""
    try:
        name = site.read("user_show", include_plugin_extras=False)["name"]
    except (NotFound, CkanNotAllowed):
        return _remark("stops", "token")
    return _remark("good", "user", name=name)


def _organisation(site: Site, name: str) -> SiteRemark:
    editable = {
        organisation["name"] for organisation in site.read("organization_list_for_user", permission="create_dataset")
    }
    if name in editable:
        return _remark("good", "organisation", name=name)
    if site.find("organization_show", id=name, include_datasets=False):
        return _remark("stops", "organisation-closed", name=name)
    return _remark("good", "organisation-new", name=name)


def _groups(site: Site, datasets: Sequence[CkanDataset]) -> SiteRemark:
    existing = {group["name"] for group in site.read("group_list_authz")}
    missing = sorted({theme for dataset in datasets for theme in dataset.themes} - existing)
    return _remark("lost" if missing else "good", "groups-missing" if missing else "groups", names=", ".join(missing))


def _languages(site: Site) -> SiteRemark:
    own, _ = split_fields(site.capabilities)
    if any(field.kind == "languages" for field in own):
        return _remark("good", "languages")
    return _remark("lost", "languages-as-extras")


def _fields(site: Site) -> SiteRemark:
    own, extras = split_fields(site.capabilities)
    if not extras:
        return _remark("good", "fields", count=str(len(own)))
    return _remark("lost", "fields-as-extras", count=str(len(extras)), names=", ".join(field.name for field in extras))


def _rows(site: Site, plan: Plan) -> SiteRemark:
    if not plan.rows:
        return _remark("good", "rows-unwanted")
    return _remark("good", "rows") if site.capabilities.has_datastore else _remark("lost", "rows-missing")


def _search(site: Site) -> SiteRemark:
    site.read("package_search", rows=0)
    return _remark("good", "search")


def _feed(site: Site) -> SiteRemark:
    return _remark("good", "dcat") if "dcat" in site.capabilities.plugins else _remark("lost", "dcat-missing")
