"""What is said of a CKAN is what stands there: through success, failure, newer versions and withdrawals; and a dataset
there knows its series and the version before."""

import json
import shutil
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from ckanapi import RemoteCKAN

from tests.conftest import SAMPLE
from tests.servers.ckan.instance import Ckan
from tests.servers.proxy import proxy
from vaven.publisher.ckan.run import push_datasets
from vaven.publisher.graph.store import open_store
from vaven.publisher.publication_status import Publications, as_dict
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.errors import CkanTooLarge

SLUG = "serie-provet"
SERIES = {"name": "trygghet", "title": {"sv": "Trygghetsmätningen", "en": "The safety survey"}}
BASE = "http://127.0.0.1:8000/"


def send(folder: Path, settings: Settings, value: str) -> int:
    """Publish the sample under another name, in a series, with a value of its own; its version."""
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


def told(settings: Settings) -> dict[int, dict[str, Any]]:
    """How each version stands on CKAN."""
    with Records(settings.database) as records:
        (dataset,) = as_dict(Publications(settings, records, open_store(settings)).status(), "en")["datasets"]
    return {v["version"]: p for v in dataset["versions"] for p in v["places"] if p["target"] == settings.ckan_url}


def states(settings: Settings) -> dict[int, str]:
    return {version: place["state"] for version, place in told(settings).items()}


def port_of(ckan: Ckan) -> int:
    return int(urllib.parse.urlsplit(ckan.url).port or 0)


@pytest.mark.parametrize("files", ["link", "upload"])
def test_the_status_follows_what_ckan_holds(plain_ckan: Ckan, tmp_path: Path, files: str) -> None:
    with proxy(port_of(plain_ckan)) as way, RemoteCKAN(plain_ckan.url, apikey=plain_ckan.token) as there:
        given = Settings(home=tmp_path / "home", ckan_url=way.url, ckan_token=plain_ckan.token, ckan_files=files)
        try:
            assert send(tmp_path, given, "12.3") == 1
            assert states(given) == {1: "published"}
            with urllib.request.urlopen(told(given)[1]["address"], timeout=60) as answer:
                assert "Bostadsområden i tre kommuner" in answer.read().decode("utf-8")
            # Version 2 does not get through: CKAN has version 1 still.
            way.before = lambda _n, path: (413, {}) if path.endswith(("package_patch", "resource_patch")) else None
            with pytest.raises(CkanTooLarge):
                send(tmp_path, given, "12.4")
            assert states(given) == {1: "out-of-date", 2: "failed"}
            place = told(given)[2]
            assert (place["held"], place["problem"]["code"]) == (1, "ckan-too-large")
            assert there.action.package_show(id=SLUG)["version"] == "1"
            way.before = lambda _n, _path: None
            for result in ("changed", "unchanged"):
                assert push(given) == [result]
                assert states(given) == {1: "replaced", 2: "published"}
            assert told(given)[2]["result"] == "unchanged"
            shown = there.action.package_show(id=SLUG)
            assert shown["version"] == "2"
            extras = {extra["key"]: extra["value"] for extra in shown["extras"]}
            assert extras["previous_version"] == f"{BASE}id/dataset/{SLUG}/1"
            assert json.loads(extras["has_version"]) == [f"{BASE}id/dataset/{SLUG}/{n}" for n in (1, 2)]
            forms = {(r["name"], r["format"], r["url_type"] or "link") for r in shown["resources"]}
            kept = "upload" if files == "upload" else "link"
            assert forms >= {
                ("Observationer, XLSX", "XLSX", kept),
                ("Observationer, CSV", "CSV", kept),
                ("Observationer, Parquet", "Parquet", kept),
                ("Observationer, TTL", "TTL", "link"),
                ("Metadata, TTL", "TTL", kept),
            }
            # The one before takes its place again, and then all of it goes, at the second try.
            assert withdraw(given, SLUG, 2, reason="Fel").current == 1
            assert states(given) == {1: "published", 2: "withdrawn"}
            assert there.action.package_show(id=SLUG)["version"] == "1"
            way.before = lambda _n, path: (413, {}) if path.endswith("package_delete") else None
            with pytest.raises(CkanTooLarge):
                withdraw(given, SLUG, reason="Fel")
            assert states(given) == {1: "remains", 2: "withdrawn"}
            way.before = lambda _n, _path: None
            assert push(given) == ["withdrawn"]
            assert states(given) == {1: "withdrawn", 2: "withdrawn"}
            assert push(given) == []
            assert there.action.package_search(q=f"name:{SLUG}")["count"] == 0
        finally:
            there.action.dataset_purge(id=SLUG)


@pytest.mark.parametrize("kind", ["plain_ckan", "ckan"])
def test_a_dataset_there_knows_its_series(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    """As extras, and in fields of their own; a search finds the series' members by its IRI and by its title."""
    instance: Ckan = request.getfixturevalue(kind)
    given = Settings(
        home=tmp_path / "home", ckan_url=instance.url, ckan_token=instance.token, ckan_rows=False, ckan_files="link"
    )
    with RemoteCKAN(instance.url, apikey=instance.token) as there:
        try:
            assert send(tmp_path, given, "12.3") == 1
            shown = there.action.package_show(id=SLUG)
            found = shown | {extra["key"]: extra["value"] for extra in shown.get("extras", ())}
            assert found["series_title"] == SERIES["title"]["sv"]
            assert found["series_title_en"] == SERIES["title"]["en"]
            assert found["series_uri"] == f"{BASE}id/series/den-sociala-vaven.trygghet"
            for query in ({"q": "Trygghetsmätningen"}, {"q": "safety survey"}):
                names = {package["name"] for package in there.action.package_search(**query)["results"]}
                assert SLUG in names, query
            members = there.action.package_search(fq=f'series_uri:"{found["series_uri"]}"')["results"]
            assert [package["name"] for package in members] == [SLUG]
        finally:
            there.action.dataset_purge(id=SLUG)
