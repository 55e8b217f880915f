"""Real harvesters in a real CKAN: ckanext-dcat's takes our feed whole, ckanext-harvest's takes our Action API, and a
second run changes nothing."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from ckanapi import RemoteCKAN

from tests.conftest import Site as OurSite
from tests.servers.ckan.stack import PLUGINS, Ckan, Stack

SLUG = "exempel-tre-kommuner"
ORGANISATION = "harvested"
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def harvester(ckan_stack: Stack) -> Iterator[Ckan]:
    """A CKAN with nothing in it but an organisation to harvest into."""
    with ckan_stack.serving(plugins=PLUGINS) as ckan:
        with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
            there.action.organization_create(name=ORGANISATION, title="Harvested")
        with ckan.working("harvester", "gather-consumer"), ckan.working("harvester", "fetch-consumer"):
            yield ckan


def harvest(ckan: Ckan, name: str, url: str, kind: str) -> dict[str, Any]:
    """Run a source once through the harvester's queues; returns the job's counts."""
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
        source = there.action.harvest_source_list()
        found = next((s for s in source if s["title"] == name), None) or there.action.harvest_source_create(
            name=name, url=url, source_type=kind, title=name, owner_org=ORGANISATION, frequency="MANUAL"
        )
        job = there.action.harvest_job_create(source_id=found["id"], run=True)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (shown := there.action.harvest_job_show(id=job["id"]))["status"] != "Finished":
            assert time.monotonic() < deadline, shown
            time.sleep(1)
            # It looks for jobs whose objects are all done, and marks them so.
            there.action.harvest_jobs_run(source_id=found["id"])
        assert not shown["gather_error_summary"], shown
        assert not shown["object_error_summary"], shown
        return dict(shown["stats"])


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
