"""Real harvesters in a real CKAN: ckanext-dcat's takes our feed whole, ckanext-harvest's takes our Action API, and a
second run changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from ckanapi import RemoteCKAN

from tests.conftest import Site as OurSite
from tests.servers.ckan.stack import PLUGINS, Ckan, Stack

SLUG = "exempel-tre-kommuner"
ORGANISATION = "harvested"


@pytest.fixture(scope="module")
def harvester(ckan_stack: Stack) -> Iterator[Ckan]:
    """A CKAN with nothing in it but an organisation to harvest into."""
    with ckan_stack.serving(plugins=PLUGINS) as ckan:
        with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
            there.action.organization_create(name=ORGANISATION, title="Harvested")
        yield ckan


def harvest(ckan: Ckan, name: str, url: str, kind: str) -> dict[str, Any]:
    """Run a source once, in the process of the command; returns the job's counts."""
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
        known = {source["name"] for source in there.action.harvest_source_list()}
        if name not in known:
            there.action.harvest_source_create(
                name=name, url=url, source_type=kind, title=name, owner_org=ORGANISATION, frequency="MANUAL"
            )
        ckan.run("harvester", "run-test", name)
        source = there.action.harvest_source_show(id=name)
        status: dict[str, Any] = there.action.harvest_source_show_status(id=source["id"])
        return dict(status["last_job"]["stats"])


def harvested(ckan: Ckan) -> list[dict[str, Any]]:
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
        found = there.action.package_search(fq=f"organization:{ORGANISATION} AND dataset_type:dataset", rows=1000)
        return list(found["results"])


def test_ckans_own_harvester_takes_our_action_api(harvester: Ckan, whole_way: OurSite) -> None:
    first = harvest(harvester, "vaven-api", whole_way.url, "ckan")
    assert (first["added"], first["errored"]) == (1, 0)
    (found,) = harvested(harvester)
    assert found["name"] == SLUG
    assert found["num_resources"] > 5
    second = harvest(harvester, "vaven-api", whole_way.url, "ckan")
    assert (second["added"], second["updated"], second["errored"]) == (0, 0, 0)


def test_ckanext_dcat_takes_our_feed_whole(harvester: Ckan, whole_way: OurSite) -> None:
    first = harvest(harvester, "vaven-dcat", f"{whole_way.url}catalog.ttl", "dcat_rdf")
    assert (first["added"], first["errored"]) == (1, 0)
    extras = [{e["key"]: e["value"] for e in p["extras"]} for p in harvested(harvester)]
    (found,) = [e for e in extras if e.get("uri") == f"{whole_way.url}id/dataset/{SLUG}"]
    assert found["publisher_name"] == "Den sociala väven"
    second = harvest(harvester, "vaven-dcat", f"{whole_way.url}catalog.ttl", "dcat_rdf")
    assert (second["added"], second["errored"], second["deleted"]) == (0, 0, 0)
