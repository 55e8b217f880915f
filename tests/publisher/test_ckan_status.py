"""The status of a CKAN against its actual state: after success, failure, newer versions and withdrawals.

Also: a dataset on CKAN has its series and its previous version.
"""

import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ckanapi import RemoteCKAN

from tests.conftest import SAMPLE
from tests.servers.ckan.instance import Ckan
from tests.servers.process import free_port
from tests.servers.proxy import proxy
from vaven.publisher.ckan.run import push_datasets
from vaven.publisher.graph.store import open_store
from vaven.publisher.operations.backup import back_up
from vaven.publisher.operations.doctor import examine, repair
from vaven.publisher.operations.publication_status import Publications, as_dict
from vaven.publisher.operations.restore import restore_backup
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.errors import CkanTooLarge

SLUG = "serie-provet"
SERIES = {"name": "trygghet", "title": {"sv": "Trygghetsmätningen", "en": "The safety survey"}}
BASE = "http://127.0.0.1:8000/"


def send(folder: Path, settings: Settings, value: str) -> int:
    """Publish the sample under another name, in a series, with another value, and return its version."""
    package = folder / f"package-{value}"
    shutil.copytree(SAMPLE / "package", package)
    about = json.loads((package / "datapackage.json").read_text("utf-8"))
    about["vaven"]["series"] = SERIES
    (package / "datapackage.json").write_text(json.dumps(about), "utf-8")
    path = package / "observations.csv"
    lines = path.read_text("utf-8").splitlines()
    cells = lines[5].split(",")
    cells[5] = value
    path.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:]]) + "\n", "utf-8")
    return publish(package, settings, dataset=SLUG).version


def push(settings: Settings) -> list[str]:
    with Records(settings.database) as records:
        return [outcome.result for outcome in push_datasets(settings, records)]


def ckan_states(settings: Settings) -> dict[int, dict[str, Any]]:
    """Return the state of each version on CKAN."""
    with Records(settings.database) as records:
        (dataset,) = as_dict(Publications(settings, records, open_store(settings)).status(), "en")["datasets"]
    return {v["version"]: p for v in dataset["versions"] for p in v["places"] if p["target"] == settings.ckan_url}


def states(settings: Settings) -> dict[int, str]:
    return {version: state["state"] for version, state in ckan_states(settings).items()}


def port_of(ckan: Ckan) -> int:
    return int(urllib.parse.urlsplit(ckan.url).port or 0)


@pytest.mark.parametrize("files", ["link", "upload"])
def test_the_status_follows_the_state_of_ckan(plain_ckan: Ckan, tmp_path: Path, files: str) -> None:
    with proxy(port_of(plain_ckan)) as gateway, RemoteCKAN(plain_ckan.url, apikey=plain_ckan.token) as remote:
        settings = Settings(home=tmp_path / "home", ckan_url=gateway.url, ckan_token=plain_ckan.token, ckan_files=files)
        try:
            assert send(tmp_path, settings, "12.3") == 1
            assert states(settings) == {1: "published"}
            with urllib.request.urlopen(ckan_states(settings)[1]["address"], timeout=60) as response:
                assert "Bostadsområden i tre kommuner" in response.read().decode("utf-8")
            # Version 2 fails, and CKAN still has version 1.
            gateway.before = lambda _n, path: (413, {}) if path.endswith(("package_patch", "resource_patch")) else None
            with pytest.raises(CkanTooLarge):
                send(tmp_path, settings, "12.4")
            assert states(settings) == {1: "out-of-date", 2: "failed"}
            state = ckan_states(settings)[2]
            assert (state["held"], state["problem"]["code"]) == (1, "ckan-too-large")
            assert remote.action.package_show(id=SLUG)["version"] == "1"
            gateway.before = lambda _n, _path: None
            for result in ("changed", "unchanged"):
                assert push(settings) == [result]
                assert states(settings) == {1: "replaced", 2: "published"}
            assert ckan_states(settings)[2]["result"] == "unchanged"
            package = remote.action.package_show(id=SLUG)
            assert package["version"] == "2"
            extras = {extra["key"]: extra["value"] for extra in package["extras"]}
            assert extras["previous_version"] == f"{BASE}id/dataset/{SLUG}/1"
            assert json.loads(extras["has_version"]) == [f"{BASE}id/dataset/{SLUG}/{n}" for n in (1, 2)]
            forms = {(r["name"], r["format"], r["url_type"] or "link") for r in package["resources"]}
            stored_as = "upload" if files == "upload" else "link"
            assert forms >= {
                ("Observationer, XLSX", "XLSX", stored_as),
                ("Observationer, CSV", "CSV", stored_as),
                ("Observationer, Parquet", "Parquet", stored_as),
                ("Observationer, TTL", "TTL", "link"),
                ("Metadata, TTL", "TTL", stored_as),
            }
            # The previous version becomes current again; then the dataset is deleted, at the second attempt.
            assert withdraw(settings, SLUG, 2, reason="Fel").current == 1
            assert states(settings) == {1: "published", 2: "withdrawn"}
            assert remote.action.package_show(id=SLUG)["version"] == "1"
            gateway.before = lambda _n, path: (413, {}) if path.endswith("package_delete") else None
            with pytest.raises(CkanTooLarge):
                withdraw(settings, SLUG, reason="Fel")
            assert states(settings) == {1: "remains", 2: "withdrawn"}
            gateway.before = lambda _n, _path: None
            assert push(settings) == ["withdrawn"]
            assert states(settings) == {1: "withdrawn", 2: "withdrawn"}
            assert push(settings) == []
            assert remote.action.package_search(q=f"name:{SLUG}")["count"] == 0
        finally:
            remote.action.dataset_purge(id=SLUG)


@pytest.mark.parametrize("kind", ["plain_ckan", "ckan"])
def test_a_dataset_on_ckan_has_its_series(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    """Its series is in extras or in fields of their own; a search finds the members by the series' IRI and title."""
    instance: Ckan = request.getfixturevalue(kind)
    settings = Settings(
        home=tmp_path / "home", ckan_url=instance.url, ckan_token=instance.token, ckan_rows=False, ckan_files="link"
    )
    with RemoteCKAN(instance.url, apikey=instance.token) as remote:
        try:
            assert send(tmp_path, settings, "12.3") == 1
            package = remote.action.package_show(id=SLUG)
            values = package | {extra["key"]: extra["value"] for extra in package.get("extras", ())}
            assert values["series_title"] == SERIES["title"]["sv"]
            assert values["series_title_en"] == SERIES["title"]["en"]
            assert values["series_uri"] == f"{BASE}id/series/den-sociala-vaven.trygghet"
            for query in ({"q": "Trygghetsmätningen"}, {"q": "safety survey"}):
                names = {package["name"] for package in remote.action.package_search(**query)["results"]}
                assert SLUG in names, query
            members = remote.action.package_search(fq=f'series_uri:"{values["series_uri"]}"')["results"]
            assert [package["name"] for package in members] == [SLUG]
        finally:
            remote.action.dataset_purge(id=SLUG)


def test_the_doctor_compares_with_ckan_and_pushes_what_differs(plain_ckan: Ckan, tmp_path: Path) -> None:
    address = {"ckan_url": plain_ckan.url, "ckan_token": plain_ckan.token}
    settings = Settings(home=tmp_path / "home", ckan_rows=False, ckan_files="link", **address)
    with RemoteCKAN(plain_ckan.url, apikey=plain_ckan.token) as remote:
        try:
            assert send(tmp_path, settings, "12.3") == 1
            assert examine(settings) == []
            changes: list[Callable[[], object]] = [
                lambda: remote.action.package_patch(id=SLUG, notes="Något annat"),
                lambda: remote.action.resource_delete(id=remote.action.package_show(id=SLUG)["resources"][0]["id"]),
                lambda: remote.action.dataset_purge(id=SLUG),
            ]
            for change in changes:
                change()
                assert [defect.part for defect in examine(settings)] == ["ckan"]
                assert repair(settings) == []
            # A restored catalogue knows what CKAN has.
            back_up(settings, tmp_path / "backup")
            other = replace(settings, home=tmp_path / "other")
            restore_backup(other, tmp_path / "backup")
            assert examine(other) == []
            assert states(other) == states(settings)
            # A CKAN that is away is reported, and only that.
            away = replace(settings, ckan_url=f"http://127.0.0.1:{free_port()}")
            (defect,) = repair(away)
            assert (defect.part, defect.is_repairable) == ("ckan", False)
        finally:
            remote.action.dataset_purge(id=SLUG)
