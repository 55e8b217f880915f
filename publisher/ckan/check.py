"""What an instance supports and what would be lost on it, told before anything is pushed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ckanapi.errors import NotFound

from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.dataset import CkanDataset, split_fields
from vaven.publisher.ckan.push import Plan
from vaven.vocab.errors import CkanNotAllowed

# What we have been run against; others are told so.
TESTED_VERSIONS = ((2, 10), (2, 11), (2, 12))
MINIMUM_VERSION = (2, 10)


@dataclass(frozen=True)
class SiteRemark:
    """One thing about an instance: `level` is good, lost (something will not be shown there) or stops (no push can
    be done); `code` and `params` make its sentence (publisher/messages, ckan.point.…)."""

    level: str
    code: str
    params: dict[str, str]


def check_site(site: Site, datasets: Sequence[CkanDataset], plan: Plan) -> list[SiteRemark]:
    """All points about an instance, for the datasets that are to go there. Raises CkanError where none can be told."""
    found = [_version(site), _user(site)]
    found += [_organisation(site, name) for name in sorted({dataset.organisation.name for dataset in datasets})]
    found += [_groups(site, datasets), _languages(site), _fields(site), _rows(site, plan), _search(site), _feed(site)]
    return found


def _point(level: str, code: str, **params: str) -> SiteRemark:
    return SiteRemark(level, code, params)


def _version(site: Site) -> SiteRemark:
    version = site.capabilities.version
    text = ".".join(map(str, version))
    if version < MINIMUM_VERSION:
        return _point("stops", "too-old", version=text, oldest=".".join(map(str, MINIMUM_VERSION)))
    return _point("good", "version" if version in TESTED_VERSIONS else "version-untried", version=text)


def _user(site: Site) -> SiteRemark:
    """Who the token is: CKAN 2.10 and newer show a user to themselves by the token alone."""
    try:
        name = site.read("user_show", include_plugin_extras=False)["name"]
    except (NotFound, CkanNotAllowed):
        return _point("stops", "token")
    return _point("good", "user", name=name)


def _organisation(site: Site, name: str) -> SiteRemark:
    mine = {
        organisation["name"] for organisation in site.read("organization_list_for_user", permission="create_dataset")
    }
    if name in mine:
        return _point("good", "organisation", name=name)
    if site.find("organization_show", id=name, include_datasets=False):
        return _point("stops", "organisation-closed", name=name)
    return _point("good", "organisation-new", name=name)


def _groups(site: Site, datasets: Sequence[CkanDataset]) -> SiteRemark:
    ours = {group["name"] for group in site.read("group_list_authz")}
    missing = sorted({theme for dataset in datasets for theme in dataset.themes} - ours)
    return _point("lost" if missing else "good", "groups-missing" if missing else "groups", names=", ".join(missing))


def _languages(site: Site) -> SiteRemark:
    own, _ = split_fields(site.capabilities)
    if any(field.kind == "languages" for field in own):
        return _point("good", "languages")
    return _point("lost", "languages-as-extras")


def _fields(site: Site) -> SiteRemark:
    own, extras = split_fields(site.capabilities)
    if not extras:
        return _point("good", "fields", count=str(len(own)))
    return _point("lost", "fields-as-extras", count=str(len(extras)), names=", ".join(field.name for field in extras))


def _rows(site: Site, plan: Plan) -> SiteRemark:
    if not plan.rows:
        return _point("good", "rows-unwanted")
    return _point("good", "rows") if site.capabilities.has_datastore else _point("lost", "rows-missing")


def _search(site: Site) -> SiteRemark:
    site.read("package_search", rows=0)
    return _point("good", "search")


def _feed(site: Site) -> SiteRemark:
    return _point("good", "dcat") if "dcat" in site.capabilities.plugins else _point("lost", "dcat-missing")
