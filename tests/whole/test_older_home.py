"""A data folder that an older commit wrote is opened, served and published to (tests/fixtures/older_home)."""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Serving, Site, environment, free_port, vaven
from tests.fixtures.older_home.record import (
    counts,
    datasets,
    get,
    hashes,
    hidden_releases,
    observations,
    stored_hashes,
)

FIXTURE = ROOT / "tests" / "fixtures" / "older_home"
INPUTS = FIXTURE / "inputs"
BASE = "https://vaven.example.org/"
CORRECTED = "trygga-gardar"
WITHDRAWN = "boendeenkat"
REASON = "Rättelsen gällde ett annat område."
# Paths, and what their Swedish pages show of the inputs.
PAGES = {
    "datasets": ("Trygga gårdar i Rinkeby (påhittad)", "boendeenkat"),
    "dataset/trygga-gardar": ("Trygga gårdar i Rinkeby (påhittad)", "Ett värde rättat."),
    "dataset/trygga-gardar/1": ("Trygga gårdar i Rinkeby (påhittad)",),
    "dataset/boendeenkat": ("boendeenkat", REASON),
    "dataset/boendeenkat/1": ("boendeenkat",),
    # One value of each dataset.
    "area/deso2018/0180C6070": ("Rinkeby", "54,6", "55,3"),
    "area/own/trygga-gardar.rinkeby-centrum": ("Rinkeby centrum", "51,7"),
    "kpi/trygg-morker": ("54,6", "68,4"),
    "investment/trygga-gardar.belysta-gardar": ("Belysta gårdar", "Exempelföreningen (påhittad)"),
    "publications": ("Trygga gårdar i Rinkeby (påhittad)", "boendeenkat"),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """Facts about the home as the older commit published it."""
    facts: dict[str, Any] = json.loads((FIXTURE / "expected.json").read_text("utf-8"))
    return facts


def unpack(folder: Path) -> Path:
    with tarfile.open(FIXTURE / "home.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "home"


def serving(home: Path) -> Serving:
    port = free_port()
    return Serving(home, port, environment(home, port, VAVEN_BASE_IRI=BASE))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The older folder as this commit serves it; its tests only read."""
    with serving(unpack(tmp_path_factory.mktemp("older"))) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The older folder as this commit serves it, to publish to."""
    with serving(unpack(tmp_path)) as site:
        yield site


@pytest.fixture
def correction(tmp_path: Path) -> Path:
    """The current version of the corrected dataset with one more value changed."""
    package = Path(shutil.copytree(INPUTS / "gardar-2", tmp_path / "gardar-3"))
    table = package / "observations.csv"
    rows = table.read_text("utf-8")
    assert rows.count("2023,F,T,47.2,") == 1
    table.write_text(rows.replace("2023,F,T,47.2,", "2023,F,T,48.9,"), "utf-8")
    return package


def published(site: Site) -> dict[str, Any]:
    status, body = get(site.url + "publications.json", "application/json")
    assert status == 200
    return datasets(body)


def test_a_home_of_an_older_version_lists_its_datasets(tmp_path: Path, expected: dict[str, Any]) -> None:
    """Only the command line is used: no server has opened the folder before."""
    settings = environment(
        unpack(tmp_path), 8000, VAVEN_BASE_IRI=BASE, VAVEN_CKAN_URL=f"http://127.0.0.1:{free_port()}"
    )
    done = vaven("ckan", "status", "--format", "json", environment=settings)
    assert datasets(done.stdout) == expected["datasets"], done.stderr
    for name in expected["datasets"]:
        assert vaven("ckan", "status", name, environment=settings).returncode != 2
    assert vaven("ckan", "status", "bredbandsenkat", environment=settings).returncode == 2


@pytest.mark.parametrize("path", PAGES)
def test_a_home_of_an_older_version_is_served(older: Site, path: str) -> None:
    assert get(f"{older.url}{path}?lang=en")[0] == 200
    status, body = get(f"{older.url}{path}?lang=sv")
    assert status == 200
    page = body.decode()
    assert [text for text in PAGES[path] if text not in page] == []


def test_publications_of_an_older_home_are_unchanged(older: Site, expected: dict[str, Any]) -> None:
    assert published(older) == expected["datasets"]


def test_downloads_of_an_older_home_are_the_same_bytes(older: Site, expected: dict[str, Any]) -> None:
    assert {path.rsplit("/", 1)[0] for path in expected["downloads"]} == {
        f"{CORRECTED}/1", f"{CORRECTED}/2", f"{WITHDRAWN}/1",
    }  # fmt: skip
    assert hashes(older.url, expected["downloads"]) == expected["downloads"]


@pytest.mark.parametrize("release", [f"{CORRECTED}/1", f"{CORRECTED}/2", f"{WITHDRAWN}/1"])
def test_downloads_of_an_older_home_agree_with_its_manifests(older: Site, release: str) -> None:
    address = f"{older.url}dataset/{release}/"
    manifest = json.loads(get(address + "datapackage.json", "*/*")[1])
    hashes = {resource["path"]: resource["hash"] for resource in manifest["resources"]}
    assert "observations.csv" in hashes
    for path, digest in hashes.items():
        assert f"sha256:{hashlib.sha256(get(address + path, '*/*')[1]).hexdigest()}" == digest


def test_the_endpoint_answers_from_an_older_home(older: Site, expected: dict[str, Any]) -> None:
    assert counts(older.url) == expected["counts"]
    assert observations(older.url) == expected["observations"]
    assert sum(expected["counts"].values()) == len(expected["observations"]) == 13


@pytest.mark.parametrize("path", ["", "/observations.csv", "/observations.jsonld", "/metadata.ttl", "/report.json"])
def test_a_version_that_an_older_version_withdrew_stays_withdrawn(older: Site, path: str) -> None:
    for accept in ("text/html", "*/*"):
        status, body = get(f"{older.url}dataset/{WITHDRAWN}/2{path}", accept)
        assert (status, REASON in body.decode()) == (410, True)


def test_a_correction_to_an_older_home_becomes_the_next_version(
    site: Site, correction: Path, expected: dict[str, Any]
) -> None:
    changed = f"{BASE}id/observation/{CORRECTED}/0180C6070/trygg-morker/2023/F/T"
    for _ in ("a new version", "the same content again"):
        done = site.run("publish", correction)
        assert done.returncode == 0, done.stdout + done.stderr
        state = published(site)
        assert state[CORRECTED]["current"] == 3
        assert state[CORRECTED]["versions"] == {"1": None, "2": None, "3": None}
        assert state[WITHDRAWN] == expected["datasets"][WITHDRAWN]
        assert counts(site.url) == expected["counts"]
        assert observations(site.url) == {**expected["observations"], changed: "48.9"}
        assert hashes(site.url, expected["downloads"]) == expected["downloads"]
    status, table = get(f"{site.url}dataset/{CORRECTED}/3/observations.csv", "*/*")
    assert (status, b",48.9," in table) == (200, True)
    assert get(f"{site.url}dataset/{CORRECTED}/4/observations.csv", "*/*")[0] == 404
    assert get(f"{site.url}dataset/{WITHDRAWN}/2")[0] == 410


@pytest.mark.parametrize("source", ["gardar-2", "enkat-1/boendeenkat.csv"])
def test_the_content_of_an_older_home_creates_no_new_version(site: Site, source: str, expected: dict[str, Any]) -> None:
    done = site.run("publish", INPUTS / source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert published(site) == expected["datasets"]
    assert observations(site.url) == expected["observations"]


def test_the_number_of_a_withdrawn_version_is_not_reused(site: Site, expected: dict[str, Any]) -> None:
    source = INPUTS / "enkat-2" / "boendeenkat.csv"
    refused = site.run("publish", source)
    assert (refused.returncode, "metadata-unanswered" in refused.stdout) == (1, True)
    done = site.run("publish", source, "--publisher", "Bostadsbolaget")
    assert done.returncode == 0, done.stdout + done.stderr
    state = published(site)
    assert state[WITHDRAWN]["current"] == 3
    assert state[WITHDRAWN]["versions"] == {"1": None, "2": REASON, "3": None}
    assert state[CORRECTED] == expected["datasets"][CORRECTED]
    assert get(f"{site.url}dataset/{WITHDRAWN}/2")[0] == 410


def test_a_release_that_an_older_version_refused_remains_refused(site: Site, expected: dict[str, Any]) -> None:
    """Its record and its original remain, and no reader sees anything of it.

    A file that is sent again is stored under its own hash, which reports state; the older version had named it by the
    hash of that.
    """
    originals = dict(expected["originals"])
    for _ in ("opened", "sent again"):
        assert hidden_releases(site.home) == expected["hidden_releases"]
        assert stored_hashes(site.home / "originals") == originals
        assert published(site) == expected["datasets"]
        assert get(f"{site.url}dataset/bredbandsenkat")[0] == 404
        assert get(f"{site.url}dataset/{CORRECTED}/3")[0] == 404
        (path,) = (path for path in originals if path.endswith("/bredbandsenkat.csv"))
        sha256 = originals.pop(path)
        originals[f"{sha256}/bredbandsenkat.csv"] = sha256
        done = site.run("publish", INPUTS / "refused" / "bredbandsenkat.csv")
        assert (done.returncode, "kpi-range" in done.stdout) == (1, True), done.stderr
