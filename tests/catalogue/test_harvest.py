"""Harvesting of our feed by ckanext-dcat and of our Action API by ckanext-harvest, in a real CKAN.

A second run changes nothing.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ckanapi import RemoteCKAN

from tests.conftest import Site as OurSite
from tests.servers.ckan.instance import PLUGINS, Ckan
from tests.servers.ckan.stack import Stack

SLUG = "exempel-tre-kommuner"
ORGANISATION = "harvested"
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def harvester(ckan_stack: Stack) -> Iterator[Ckan]:
    """A CKAN with nothing in it but an organisation to harvest into."""
    with ckan_stack.serving(plugins=PLUGINS) as ckan:
        with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
            there.action.organization_create(name=ORGANISATION, title="Harvested")
        with ckan.working("harvester", "gather-consumer"), ckan.working("harvester", "fetch-consumer"):
            yield ckan


def harvest(ckan: Ckan, name: str, url: str, kind: str) -> dict[str, Any]:
    """Run a source once through the harvester's queues; return the job's counts."""
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
        sources = there.action.harvest_source_list()
        source = next((s for s in sources if s["title"] == name), None) or there.action.harvest_source_create(
            name=name, url=url, source_type=kind, title=name, owner_org=ORGANISATION, frequency="MANUAL"
        )
        job = there.action.harvest_job_create(source_id=source["id"], run=True)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := there.action.harvest_job_show(id=job["id"]))["status"] != "Finished":
            assert time.monotonic() < deadline, (ckan.folder / "gather-consumer.log").read_text()[-3000:]
            time.sleep(1)
            # It looks for jobs whose objects are all done, and marks them so.
            there.action.harvest_jobs_run(source_id=source["id"])
        assert not status["gather_error_summary"], status
        assert not status["object_error_summary"], status
        return dict(status["stats"])


def harvested(ckan: Ckan) -> list[dict[str, Any]]:
    with RemoteCKAN(ckan.url, apikey=ckan.token) as there:
        search = there.action.package_search(fq=f"organization:{ORGANISATION} AND dataset_type:dataset", rows=1000)
        return list(search["results"])


def unordered(value: str) -> Any:
    """Sort a list that ckanext-dcat reads from a graph, which has no order."""
    return sorted(json.loads(value)) if value.startswith("[") else value


def content(package: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a package that describe the dataset, without the identifiers and times of CKAN."""
    drawn = ("metadata_modified", "metadata_created", "created", "last_modified", "id", "resources", "extras")
    extras = {e["key"]: unordered(e["value"]) for e in package["extras"] if not e["key"].startswith("harvest_")}
    resources = [{k: v for k, v in r.items() if k not in drawn} for r in package["resources"]]
    rest = {key: value for key, value in package.items() if key not in drawn}
    return {**rest, "extras": extras, "resources": sorted(resources, key=lambda r: str(r.get("uri") or r["url"]))}


def test_ckanext_dcat_harvests_the_complete_feed_and_a_second_run_changes_nothing(
    harvester: Ckan, whole_way: OurSite
) -> None:
    first = harvest(harvester, "vaven-dcat", f"{whole_way.url}catalog.ttl", "dcat_rdf")
    assert (first["added"], first["errored"]) == (1, 0)
    (dataset,) = harvested(harvester)
    extras = {e["key"]: e["value"] for e in dataset["extras"]}
    assert extras["uri"] == f"{whole_way.url}id/dataset/{SLUG}"
    assert extras["publisher_name"] == "Den sociala väven"
    assert any(r["url"].endswith("/observations.csv") for r in dataset["resources"])
    # It imports again whatever it finds, so what counts is that nothing becomes another.
    second = harvest(harvester, "vaven-dcat", f"{whole_way.url}catalog.ttl", "dcat_rdf")
    assert (second["added"], second["errored"], second["deleted"]) == (0, 0, 0)
    (after,) = harvested(harvester)
    before, after = content(dataset), content(after)
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}


def test_ckan_s_own_harvester_harvests_our_action_api(harvester: Ckan, whole_way: OurSite) -> None:
    first = harvest(harvester, "vaven-api", whole_way.url, "ckan")
    assert (first["added"], first["errored"]) == (1, 0)
    (dataset,) = [p for p in harvested(harvester) if p["name"].startswith(SLUG)]
    assert dataset["num_resources"] > 5
    # It looks back an hour, so it may take again what was published since.
    second = harvest(harvester, "vaven-api", whole_way.url, "ckan")
    assert (second["added"], second["errored"]) == (0, 0)
