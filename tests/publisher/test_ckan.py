"""Releases on a real CKAN: published data is returned, nothing is written twice, and every failure is reported.

No failure leaves an incomplete dataset visible.
"""

import csv
import json
import os
import random
import signal
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ckanapi import RemoteCKAN
from ckanapi.errors import NotFound
from playwright.sync_api import sync_playwright
from rdflib import DCTERMS, Graph, Literal, URIRef

from tests.conftest import ROOT, SAMPLE, environment, vaven
from tests.servers.ckan.instance import Ckan
from tests.servers.ckan.stack import Stack
from tests.servers.proxy import Proxy, proxy
from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.dataset import CkanDataset
from vaven.publisher.ckan.push import Plan, compare, push, withdraw
from vaven.publisher.ckan.run import current_datasets
from vaven.publisher.releases.records import Records
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings
from vaven.vocab.errors import (
    CkanError,
    CkanIncompatible,
    CkanNotAllowed,
    CkanTooLarge,
    CkanUnreachable,
    CkanWithoutSearch,
)
from vaven.vocab.iris import NAMESPACES

SLUG = "exempel-tre-kommuner"
WRITES = ("create", "update", "patch", "delete", "upsert", "purge")
# Values that CKAN generates anew each time, or that depend on its own URLs of the files.
VOLATILE = {
    "id", "package_id", "metadata_created", "metadata_modified", "created", "last_modified", "creator_user_id",
    "owner_org", "organization", "url", "position", "state",
}  # fmt: skip
KILLS = 30


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the sample published in it."""
    folder = tmp_path_factory.mktemp("ckan-home")
    done = vaven("publish", SAMPLE / "exempel.xlsx", environment=environment(folder, 8000))
    assert done.returncode == 0, done.stderr
    return Settings(home=folder)


@pytest.fixture(scope="module")
def dataset(home: Settings) -> CkanDataset:
    with Records(home.database) as records:
        ((_, current),) = current_datasets(home, records)
    return current


@pytest.fixture(scope="module")
def storage(home: Settings) -> Storage:
    return Storage(home.storage, home.home / "cache")


def settings_for(home: Settings, ckan: Ckan, **more: str) -> dict[str, str]:
    return environment(home.home, 8000, VAVEN_CKAN_URL=ckan.url, VAVEN_CKAN_TOKEN=ckan.token, **more)


def remote(ckan: Ckan) -> RemoteCKAN:
    return RemoteCKAN(ckan.url, apikey=ckan.token)


def observations() -> list[dict[str, str]]:
    return list(csv.DictReader((SAMPLE / "package" / "observations.csv").open(encoding="utf-8")))


@contextmanager
def emptied(ckan: Ckan) -> Iterator[Site]:
    """Open a site without the dataset, and delete the dataset afterwards."""
    site = Site(ckan.url, ckan.token, wait=lambda _: None)
    try:
        purge(ckan)
        yield site
    finally:
        site.close()
        purge(ckan)


def purge(ckan: Ckan, name: str = SLUG) -> None:
    with remote(ckan) as there:
        for package in there.action.package_search(
            q=f"name:{name}", include_drafts=True, include_deleted=True, rows=10
        )["results"]:
            there.action.dataset_purge(id=package["id"])


def without_volatile(package: dict[str, Any]) -> Any:
    """Return a package without the values that differ between CKANs with the same content."""
    if isinstance(package, dict):
        return {key: without_volatile(value) for key, value in package.items() if key not in VOLATILE}
    return [without_volatile(entry) for entry in package] if isinstance(package, list) else package


# --- published data is returned ---------------------------------------------------------------------------------


def test_publishing_with_a_configured_ckan_pushes_the_sample(tmp_path: Path, plain_ckan: Ckan) -> None:
    """Run the command as a user types it, then use only CKAN's own API."""
    settings = environment(tmp_path, 8000, VAVEN_CKAN_URL=plain_ckan.url, VAVEN_CKAN_TOKEN=plain_ckan.token)
    done = vaven("publish", SAMPLE / "exempel.xlsx", environment=settings)
    assert done.returncode == 0, done.stderr
    about = json.loads((SAMPLE / "package" / "datapackage.json").read_text())["vaven"]
    with remote(plain_ckan) as there:
        package = there.action.package_show(id=SLUG)
        assert (package["state"], package["title"], package["version"]) == ("active", about["title"]["sv"], "1")
        extras = {extra["key"]: extra["value"] for extra in package["extras"]}
        assert (extras["title_en"], extras["notes_en"]) == (about["title"]["en"], about["description"]["en"])
        assert json.loads(extras["keywords_en"]) == about["keywords"]["en"]
        assert package["organization"]["title"] == "Den sociala väven"
        assert "trygghet" in {group["name"] for group in package["groups"]}
        for words in ("Ohälsotal", "Sick-leave", "trygga mörkt", "safe outdoors"):
            assert SLUG in {p["name"] for p in there.action.package_search(q=words)["results"]}, words
        table = next(r for r in package["resources"] if r["uri"].endswith("/observations.csv"))
        rows = there.action.datastore_search(
            resource_id=table["id"], filters={"neighbourhood": "0180C6070"}, limit=1_000
        )["records"]
        key = ("kpi", "period", "sex", "age_group", "value")
        expected = [r for r in observations() if r["neighbourhood"] == "0180C6070"]
        assert {tuple(str(r[k] or "") for k in key) for r in rows} == {tuple(r[k] for k in key) for r in expected}
        mean = f"SELECT count(*) AS n FROM \"{table['id']}\" WHERE kpi = 'tillit'"
        counted = there.action.datastore_search_sql(sql=mean)["records"][0]["n"]
        assert int(counted) == sum(r["kpi"] == "tillit" for r in observations())
        labels = {f["id"]: f["info"]["label"] for f in there.action.datastore_info(id=table["id"])["fields"]}
        assert labels["neighbourhood"] == "Område"


def test_ckanext_dcat_returns_the_published_metadata(home: Settings, ckan: Ckan) -> None:
    """With the scheming schema: titles in both languages, the catalogue's IRIs, the files with their hashes."""
    assert vaven("ckan", "push", environment=settings_for(home, ckan)).returncode == 0
    graph = Graph().parse(f"{ckan.url}/dataset/{SLUG}.ttl", format="turtle")
    node = URIRef(f"http://127.0.0.1:8000/id/dataset/{SLUG}")
    about = json.loads((SAMPLE / "package" / "datapackage.json").read_text())["vaven"]
    assert set(graph.objects(node, DCTERMS.title)) == {Literal(t, lang=k) for k, t in about["title"].items()}
    assert set(graph.objects(node, DCTERMS.description)) == {
        Literal(t, lang=k) for k, t in about["description"].items()
    }
    keywords = {Literal(word, lang=k) for k, words in about["keywords"].items() for word in words}
    assert set(graph.objects(node, URIRef(NAMESPACES["dcat"] + "keyword"))) == keywords
    with Records(home.database) as records:
        manifest = records.finished()[0].complete_manifest
    sums = {f.name: f.sha256 for f in manifest.files}
    checksum, value = URIRef(NAMESPACES["spdx"] + "checksum"), URIRef(NAMESPACES["spdx"] + "checksumValue")
    hashes = {
        str(file).rsplit("/", 1)[-1]: str(graph.value(graph.value(file, checksum), value))
        for file in graph.objects(node, URIRef(NAMESPACES["dcat"] + "distribution"))
        if graph.value(file, checksum)
    }
    assert hashes == {name: sums[name] for name in hashes}
    addresses = {str(a) for a in graph.objects(None, URIRef(NAMESPACES["dcat"] + "downloadURL"))}
    assert f"http://127.0.0.1:8000/dataset/{SLUG}/1/observations.ttl" in addresses
    assert {"observations.csv", "observations.parquet", "observations.xlsx", "metadata.ttl"} <= set(hashes)


def test_the_scheming_schema_has_every_field(home: Settings, ckan: Ckan) -> None:
    done = vaven("ckan", "check", "--lang", "en", environment=settings_for(home, ckan))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing" not in done.stdout
    assert vaven("ckan", "push", environment=settings_for(home, ckan)).returncode == 0
    with remote(ckan) as there:
        package = there.action.package_show(id=SLUG)
    assert (
        package["title_en"] == package["title_translated"]["en"] == "Neighbourhoods in three municipalities – example"
    )
    assert not package.get("extras")
    assert len(package["kpis"]) == 12


def test_the_pages_of_ckan_show_the_dataset_and_its_rows(home: Settings, ckan: Ckan, chromium: str) -> None:
    assert vaven("ckan", "push", environment=settings_for(home, ckan)).returncode == 0
    with remote(ckan) as there:
        package = there.action.package_show(id=SLUG)
    table = next(r for r in package["resources"] if r["uri"].endswith("/observations.csv"))
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.goto(f"{ckan.url}/dataset/{SLUG}")
        assert page.get_by_text("Bostadsområden i tre kommuner").first.is_visible()
        assert page.get_by_text("trygga utomhus i området").first.is_visible()
        page.screenshot(path=folder / "ckan-dataset.png", full_page=True)
        page.goto(f"{ckan.url}/dataset/{SLUG}/resource/{table['id']}")
        assert page.get_by_text("Område").first.is_visible()
        page.screenshot(path=folder / "ckan-resource.png", full_page=True)
        browser.close()


# --- nothing is written twice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("uploads", [False, True], ids=["links", "uploads"])
def test_a_second_push_writes_nothing(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage, uploads: bool) -> None:
    plan = Plan(uploads=uploads)
    with emptied(plain_ckan) as site:
        (first,) = push(site, [dataset], storage, plan)
        assert (first.result, first.error) == ("created", None)
        assert compare(site, dataset, plan) == []
        sent = len(site.actions)
        (second,) = push(site, [dataset], storage, plan)
        assert second.result == "unchanged"
        again = site.actions[sent:]
        assert not [action for action in again if action.endswith(WRITES)]
        assert len(again) <= 3


def test_only_the_changed_file_is_uploaded_again(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    """A file with another hash is uploaded into the same resource; the others are unchanged."""
    plan = Plan(uploads=True)
    with emptied(plain_ckan) as site, remote(plain_ckan) as there:
        push(site, [dataset], storage, plan)
        before = {r["name"]: r for r in there.action.package_show(id=SLUG)["resources"]}
        resources = [{**r, "hash": "0" * 64} if r["file"] == "targets.csv" else r for r in dataset.resources]
        sent = len(site.actions)
        push(site, [replace(dataset, resources=tuple(resources))], storage, plan)
        assert site.actions[sent:].count("resource_patch") == 1
        after = {r["name"]: r for r in there.action.package_show(id=SLUG)["resources"]}
        assert {name: r["id"] for name, r in before.items()} == {name: r["id"] for name, r in after.items()}
        changed = [r["uri"].rsplit("/", 1)[-1] for name, r in after.items() if r["hash"] != before[name]["hash"]]
        assert changed == ["targets.csv"]


def test_a_dataset_purged_during_a_push_is_created_again(
    plain_ckan: Ckan, dataset: CkanDataset, storage: Storage
) -> None:
    left = 1

    class Purging(Storage):
        """A storage that purges the dataset whenever a file is opened, `left` times."""

        def open(self, dataset: str, version: int, name: str) -> Any:
            nonlocal left
            if left:
                left -= 1
                purge(plain_ckan)
            return super().open(dataset, version, name)

    purging = Purging(storage.url, storage.cache)
    with emptied(plain_ckan) as site, remote(plain_ckan) as there:
        (outcome,) = push(site, [dataset], purging, Plan(uploads=True))
        assert outcome.result == "created"
        assert len(there.action.package_show(id=SLUG)["resources"]) == len(dataset.resources)
        purge(plain_ckan)
        left = 1_000
        (outcome,) = push(site, [dataset], purging, Plan(uploads=True))
        assert outcome.result == "failed"
        assert "removed" in str(outcome.error)


def test_other_people_s_additions_stay_and_their_changes_are_reverted(
    plain_ckan: Ckan, dataset: CkanDataset, storage: Storage
) -> None:
    with emptied(plain_ckan) as site, remote(plain_ckan) as there:
        push(site, [dataset], storage, Plan())
        package = there.action.package_show(id=SLUG)
        there.action.resource_create(package_id=package["id"], name="Karta", url="https://example.org/map")
        extras = [*package["extras"], {"key": "curator", "value": "Stadsarkivet"}]
        there.action.package_patch(id=package["id"], title="Fel", extras=extras)
        (difference,) = compare(site, dataset, Plan())
        assert (difference.field, difference.remote) == ("title", "Fel")
        push(site, [dataset], storage, Plan())
        package = there.action.package_show(id=SLUG)
        assert package["title"] == dataset.values["title"]
        assert {"key": "curator", "value": "Stadsarkivet"} in package["extras"]
        assert "Karta" in {r["name"] for r in package["resources"]}


def test_a_withdrawn_dataset_is_deleted_and_can_be_restored(
    plain_ckan: Ckan, dataset: CkanDataset, storage: Storage
) -> None:
    with emptied(plain_ckan) as site, remote(plain_ckan) as there:
        push(site, [dataset], storage, Plan())
        assert withdraw(site, SLUG, 1).result == "withdrawn"
        assert there.action.package_search(q=f"name:{SLUG}")["count"] == 0
        assert withdraw(site, SLUG, 1).result == "unchanged"
        assert push(site, [dataset], storage, Plan())[0].result == "created"
        assert there.action.package_search(q=f"name:{SLUG}")["count"] == 1
        assert compare(site, dataset, Plan()) == []


# --- killed at any request --------------------------------------------------------------------------------------


def push_in_a_process(url: str, token: str, dataset: CkanDataset, storage: Storage, plan: Plan) -> int:
    """Push in a child process that may be killed, and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            push(Site(url, token), [dataset], storage, plan, workers=1)
        finally:
            os._exit(0)
    return pid


@pytest.mark.timeout(1200)
def test_a_push_killed_at_any_request_is_completed_by_the_next(
    plain_ckan: Ckan, dataset: CkanDataset, storage: Storage
) -> None:
    plan = Plan(uploads=True)
    dice = random.Random(2026)
    with emptied(plain_ckan) as site, remote(plain_ckan) as there, proxy(port_of(plain_ckan)) as way:
        push(site, [dataset], storage, plan)
        expected = without_volatile(there.action.package_show(id=SLUG))
        # The number of requests of a complete push.
        purge(plain_ckan)
        os.waitpid(push_in_a_process(way.url, plain_ckan.token, dataset, storage, plan), 0)
        length = len(way.paths)
        assert length > len(dataset.resources)
        killed = 0
        for _ in range(KILLS):
            purge(plain_ckan)
            killed += kill_at(way, dice.randint(1, length), dice.random() < 0.5, plain_ckan, dataset, storage, plan)
            assert push(site, [dataset], storage, plan)[0].error is None
            assert without_volatile(there.action.package_show(id=SLUG)) == expected
            table = next(
                r for r in there.action.package_show(id=SLUG)["resources"] if r["uri"].endswith("/observations.csv")
            )
            assert there.action.datastore_search(resource_id=table["id"], limit=0)["total"] == len(observations())
        assert killed >= KILLS - 2


def kill_at(
    way: Proxy, fatal: int, is_after: bool, ckan: Ckan, dataset: CkanDataset, storage: Storage, plan: Plan
) -> bool:
    """Kill a push before its request number `fatal` reaches CKAN, or after CKAN has processed it."""
    way.paths.clear()
    pid = 0

    def kill(number: int, _path: str) -> None:
        if number == fatal:
            os.kill(pid, signal.SIGKILL)

    def before(number: int, path: str) -> tuple[int, dict[str, str]] | None:
        kill(number, path)
        return (500, {}) if number >= fatal else None

    way.before, way.after = (lambda _n, _p: None, kill) if is_after else (before, lambda _n, _p: None)
    pid = push_in_a_process(way.url, ckan.token, dataset, storage, plan)
    _, status = os.waitpid(pid, 0)
    way.before, way.after = lambda _n, _p: None, lambda _n, _p: None
    return os.WIFSIGNALED(status)


def port_of(ckan: Ckan) -> int:
    return int(urllib.parse.urlsplit(ckan.url).port or 0)


# --- every failure has its own error ----------------------------------------------------------------------------


def failure(dataset: CkanDataset, storage: Storage, url: str, token: str, plan: Plan | None = None) -> CkanError:
    site = Site(url, token, wait=lambda _: None)
    try:
        outcome = push(site, [dataset], storage, plan or Plan())[0]
        assert outcome.error, "nothing failed"
        return outcome.error
    except CkanError as error:
        return error
    finally:
        site.close()


def test_a_temporarily_unavailable_server_is_retried(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    """Covers a 502 in between, and an overloaded server with Retry-After."""
    with emptied(plain_ckan), proxy(port_of(plain_ckan)) as way:
        waits: list[float] = []
        site = Site(way.url, plain_ckan.token, wait=waits.append)
        bad = {5: (502, {}), 9: (503, {"Retry-After": "7"}), 12: (504, {})}
        way.before = lambda number, _path: bad.get(number)
        (outcome,) = push(site, [dataset], storage, Plan(uploads=True), workers=1)
        site.close()
        assert (outcome.result, outcome.error) in (("created", None), ("changed", None))
        assert len(waits) == 3
        assert 7 in waits
        again = Site(plain_ckan.url, plain_ckan.token)
        assert compare(again, dataset, Plan(uploads=True)) == []
        again.close()


def test_a_proxy_that_refuses_large_files_is_reported(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    with emptied(plain_ckan), proxy(port_of(plain_ckan)) as way:
        way.before = lambda _number, path: (413, {}) if path.endswith("resource_create") else None
        error = failure(dataset, storage, way.url, plain_ckan.token, Plan(uploads=True))
    assert isinstance(error, CkanTooLarge)
    assert "VAVEN_CKAN_FILES" in error.remedy("en")


def test_an_unavailable_server_is_reported(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    with proxy(port_of(plain_ckan)) as way:
        way.before = lambda _number, _path: (502, {})
        assert "502" in failure(dataset, storage, way.url, plain_ckan.token).message("en")


def test_an_invalid_or_revoked_token_is_reported(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    with remote(plain_ckan) as there:
        token = there.action.api_token_create(user="vaven", name="short-lived")["token"]
        there.action.api_token_revoke(token=token)
    for bad in (token, "nonsense", ""):
        error = failure(dataset, storage, plain_ckan.url, bad)
        assert isinstance(error, CkanNotAllowed)
        assert "VAVEN_CKAN_TOKEN" in error.remedy("en")


def test_a_user_without_permission_is_reported(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    """A read-only instance behaves in the same way."""
    with emptied(plain_ckan) as site, remote(plain_ckan) as there:
        push(site, [dataset], storage, Plan())
        name = f"reader-{time.time_ns()}"
        there.action.user_create(name=name, email=f"{name}@example.org", password="long-enough-1")
        token = there.action.api_token_create(user=name, name="t")["token"]
        changed = replace(dataset, values={**dataset.values, "title": "Annan titel"})
        assert isinstance(failure(changed, storage, plain_ckan.url, token), CkanNotAllowed)
        assert there.action.package_show(id=SLUG)["title"] == dataset.values["title"]


def test_a_url_without_a_ckan_is_reported(dataset: CkanDataset, storage: Storage, plain_ckan: Ckan) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    assert isinstance(failure(dataset, storage, nobody, "x"), CkanUnreachable)
    wrong = failure(dataset, storage, f"{plain_ckan.url}/dataset", plain_ckan.token)
    assert isinstance(wrong, CkanIncompatible)
    assert "VAVEN_CKAN_URL" in wrong.remedy("en")
    with proxy(port_of(plain_ckan)) as way:
        way.before = lambda _number, _path: (301, {"Location": "https://example.org/api/action/status_show"})
        moved = failure(dataset, storage, way.url, plain_ckan.token)
    assert isinstance(moved, CkanIncompatible)
    assert "https://example.org/" in moved.message("en")


def test_an_organisation_created_without_solr_is_reused(
    ckan_stack: Stack, dataset: CkanDataset, storage: Storage
) -> None:
    """Without Solr, organization_create fails but is committed (CKAN 2.12)."""
    with ckan_stack.serving(settings=["solr_url = http://127.0.0.1:1/solr/ckan"]) as blind:
        error = failure(dataset, storage, blind.url, blind.token)
        assert isinstance(error, CkanWithoutSearch)
        assert "Solr" in error.message("en")
        with ckan_stack.serving(database=blind) as seeing:
            site = Site(seeing.url, blind.token)
            assert site.find("organization_show", id="den-sociala-vaven")
            assert push(site, [dataset], storage, Plan())[0].result == "created"
            site.close()


def test_a_ckan_without_plugins_receives_the_dataset(
    ckan_stack: Stack, home: Settings, dataset: CkanDataset, storage: Storage
) -> None:
    with ckan_stack.serving(plugins="") as bare:
        done = vaven("ckan", "check", "--lang", "en", environment=settings_for(home, bare))
        assert done.returncode == 0, done.stderr
        assert "The plugin datastore is missing" in done.stdout
        assert "The plugin dcat is missing" in done.stdout
        site = Site(bare.url, bare.token)
        assert push(site, [dataset], storage, Plan())[0].result == "created"
        assert push(site, [dataset], storage, Plan())[0].result == "unchanged"
        site.close()


def test_a_dry_run_lists_changes_by_field_and_changes_nothing(plain_ckan: Ckan, home: Settings) -> None:
    with emptied(plain_ckan) as site:
        done = vaven("ckan", "push", "--dry-run", "--lang", "en", environment=settings_for(home, plain_ckan))
        assert done.returncode == 0, done.stderr
        assert "title: (nothing) → Bostadsområden i tre kommuner" in done.stdout
        assert site.find("package_show", id=SLUG) is None


def test_many_datasets_are_found_with_one_search(plain_ckan: Ckan, dataset: CkanDataset, storage: Storage) -> None:
    """A new dataset among many costs one request, and a push without changes a handful in total.

    Datasets that the search does not return (deleted, of another organisation) are pushed as well.
    """
    many = [replace(dataset, name=f"many-{i}", values={**dataset.values, "name": f"many-{i}"}) for i in range(12)]
    site = Site(plain_ckan.url, plain_ckan.token)
    try:
        assert {o.result for o in push(site, many, storage, Plan(rows=False))} == {"created"}
        assert (site.actions.count("package_create"), site.actions.count("package_show")) == (len(many), 0)
        sent = len(site.actions)
        assert {o.result for o in push(site, many, storage, Plan(rows=False))} == {"unchanged"}
        assert len(site.actions) - sent <= 4
        other = site.write("organization_create", name="another-one")
        site.write("package_patch", id="many-0", owner_org=other["id"])
        site.write("package_delete", id="many-1")
        site.write("package_patch", id="many-2", state="draft")
        site.write("package_patch", id="many-3", private=True)
        results = {o.name: o.result for o in push(site, many, storage, Plan(rows=False))}
        assert [results[f"many-{i}"] for i in range(5)] == ["changed", "created", "changed", "changed", "unchanged"]
        assert {o.result for o in push(site, many, storage, Plan(rows=False))} == {"unchanged"}
    finally:
        for one in many:
            purge(plain_ckan, one.name)
        with suppress(NotFound):
            site.write("organization_purge", id="another-one")
        site.close()
