"""Older CKAN versions, as many portals run them: the same push, by link and by upload, with the DataStore."""

from collections.abc import Iterator

import pytest

from tests.conftest import SAMPLE
from tests.servers.ckan.instance import OLDER, Ckan
from tests.servers.ckan.stack import running
from vaven.publisher.ckan.check import check_site
from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.push import Plan, compare, push, withdraw
from vaven.publisher.ckan.run import current_datasets
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("older-ckan"))
    publish(SAMPLE / "exempel.xlsx", settings)
    return settings


@pytest.fixture(scope="module", params=OLDER)
def older(request: pytest.FixtureRequest) -> Iterator[Ckan]:
    with running(request.param) as stack, stack.serving(plugins="datastore") as ckan:
        yield ckan


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", [Plan(), Plan(uploads=True)], ids=["link", "upload"])
def test_an_older_ckan_receives_the_whole_release(older: Ckan, home: Settings, plan: Plan) -> None:
    with Records(home.database) as records:
        ((_, dataset),) = current_datasets(home, records)
    storage = Storage(home.storage, home.home / "cache")
    site = Site(older.url, older.token)
    remarks = check_site(site, [dataset], plan)
    assert not [point for point in remarks if point.level == "stops"]
    assert "version" in {point.code for point in remarks}
    assert [outcome.result for outcome in push(site, [dataset], storage, plan)] == ["created"]
    assert compare(site, dataset, plan) == []
    package = site.read("package_show", id=dataset.name)
    assert package["num_resources"] == len(dataset.resources)
    (table,) = (r for r in package["resources"] if r.get("datastore_active"))
    assert site.read("datastore_search", resource_id=table["id"], limit=0)["total"] == 629
    assert site.read("package_search", q="Ohälsotal")["count"] == 1
    site.actions.clear()
    assert [outcome.result for outcome in push(site, [dataset], storage, plan)] == ["unchanged"]
    assert not [action for action in site.actions if action.endswith(("create", "update", "patch", "delete", "upsert"))]
    assert withdraw(site, dataset.name, dataset.version).result == "withdrawn"
    assert site.read("package_search", q="Ohälsotal")["count"] == 0
    site.close()
