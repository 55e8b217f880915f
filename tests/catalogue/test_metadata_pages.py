"""What search engines and machine-learning tools read: schema.org in pages, and Croissant beside each release."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from rdflib import RDF, Graph, Namespace, URIRef

from tests.conftest import SAMPLE, Site
from vaven.catalogue.app import create_app
from vaven.catalogue.harvest.croissant import CONTEXT
from vaven.publisher.publish import publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.settings import Settings
from vaven.vocab import register

SLUG = "exempel-tre-kommuner"
SDO = Namespace("https://schema.org/")
NUMBERS = {"value", "numerator", "denominator", "sample_size", "ci_lower", "ci_upper"}
PAGES = (f"/dataset/{SLUG}", f"/dataset/{SLUG}/1", "/kpi/trygg-morker", "/area/deso2018/0180C6070")
# Reads the description as any user does, checks it, and prints one record set as JSON lines.
READING = """
import json, sys
import mlcroissant
found = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = found.metadata.ctx.issues
print(json.dumps({"errors": sorted(issues.errors), "warnings": sorted(issues.warnings)}))
for record in found.records(sys.argv[2]):
    print(json.dumps({k.split("/")[-1]: v.decode() if isinstance(v, bytes) else str(v) for k, v in record.items()}))
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("structured")
    settings = Settings(home=home / "home", base_iri="https://data.example/")
    publish(SAMPLE / "exempel.xlsx", settings)
    lone = home / "liten.csv"
    lone.write_text("neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,50\n")
    publish(lone, settings)
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def structured(client: FlaskClient, path: str, language: str = "sv") -> dict[str, Any]:
    page = client.get(path, headers={"Accept": "text/html", "Accept-Language": language}).text
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def properties(found: Any) -> Iterator[tuple[str, Any]]:
    """Every property in a JSON-LD document, however deep."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield key, value
            yield from properties(value)
    elif isinstance(found, list):
        for part in found:
            yield from properties(part)


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_a_dataset_as_google_asks_for_it(client: FlaskClient, path: str, language: str) -> None:
    found = structured(client, path, language)
    assert (found["@context"], found["@type"]) == ("https://schema.org/", "Dataset")
    assert found["name"]
    assert 50 <= len(found["description"]) <= 5000
    licences = found["license"] if isinstance(found["license"], list) else [found["license"]]
    assert licences
    assert set(licences) <= {code.properties["iri"] for code in register.codes("licences").values()}
    assert found["isAccessibleForFree"] is True
    creators = found["creator"] if isinstance(found["creator"], list) else [found["creator"]]
    assert all(c["@type"] == "Organization" and c["name"] for c in creators)
    begin, end = (date.fromisoformat(day) for day in found["temporalCoverage"].split("/"))
    assert begin < end
    assert all(
        place["name"] and place["@id"].startswith("https://data.example/id/") for place in found["spatialCoverage"]
    )
    assert all(v["name"] and v["unitText"] and v["description"] for v in found["variableMeasured"])
    assert found["includedInDataCatalog"]["@type"] == "DataCatalog"
    assert found["distribution"]
    assert all(d["@type"] == "DataDownload" and d["encodingFormat"] for d in found["distribution"])
    assert not [key for key, value in properties(found) if value in ("", None, [], {})]


PACKINGS = {"gz": "application/gzip", "zst": "application/zstd"}


@pytest.mark.parametrize("path", PAGES)
def test_every_download_that_a_page_names_is_there(client: FlaskClient, settings: Settings, path: str) -> None:
    for download in structured(client, path)["distribution"]:
        answer = client.get(download["contentUrl"].removeprefix(settings.base_iri.rstrip("/")))
        assert answer.status_code == 200
        # Of a packed file, the format is that of what is in it.
        packing = download["contentUrl"].rpartition(".")[2]
        assert answer.mimetype == PACKINGS.get(packing, download["encodingFormat"])
        if "sha256" in download:
            assert hashlib.sha256(answer.data).hexdigest() == download["sha256"]
            assert download["contentSize"] == f"{len(answer.data)} B"


def test_words_are_in_the_page_s_language(client: FlaskClient) -> None:
    swedish, english = (structured(client, "/kpi/trygg-morker", language) for language in ("sv", "en"))
    kpi = register.kpis()["trygg-morker"]
    assert (swedish["name"], english["name"]) == (kpi.text("sv"), kpi.text("en"))
    assert swedish["includedInDataCatalog"]["name"] != english["includedInDataCatalog"]["name"]


def test_what_is_measured_are_the_kpis_by_their_own_iris(client: FlaskClient, settings: Settings) -> None:
    collection = Collection(settings)
    kpis = collection.dataset(SLUG).current.kpis
    collection.close()
    measured = structured(client, f"/dataset/{SLUG}")["variableMeasured"]
    assert [v["@id"] for v in measured] == [settings.iris.kpi(slug) for slug in kpis]


def test_a_publisher_of_few_words_still_has_a_description(client: FlaskClient) -> None:
    found = structured(client, "/dataset/liten")
    assert found["name"] == "liten"
    assert register.kpis()["trygg-morker"].text("sv") in found["description"]


def test_the_catalogue_lists_its_datasets(client: FlaskClient, settings: Settings) -> None:
    found = structured(client, "/datasets")
    assert found["@type"] == "DataCatalog"
    assert {d["@id"] for d in found["dataset"]} == {settings.iris.dataset(slug) for slug in (SLUG, "liten")}


def test_it_is_json_ld_that_becomes_triples(client: FlaskClient, settings: Settings) -> None:
    found = structured(client, f"/dataset/{SLUG}")
    found["@context"] = {"@vocab": "https://schema.org/"}
    graph = Graph().parse(data=json.dumps(found), format="json-ld")
    node = URIRef(settings.iris.dataset(SLUG))
    assert (node, RDF.type, SDO.Dataset) in graph
    assert len(set(graph[node : SDO.distribution])) >= 10


def test_a_partner_s_words_cannot_end_the_script(tmp_path: Path) -> None:
    made = tmp_path / "illvilja.csv"
    made.write_text("neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,50\n")
    settings = Settings(home=tmp_path / "home")
    package = tmp_path / "package"
    package.mkdir()
    made.rename(package / "observations.csv")
    title = "</script><script>alert(1)</script>"
    descriptor = {
        "name": "illvilja",
        "title": title,
        "resources": [{"name": "observations", "path": "observations.csv"}],
    }
    (package / "datapackage.json").write_text(json.dumps(descriptor))
    publish(package, settings)
    app = create_app(settings)
    client = app.test_client()
    assert structured(client, "/dataset/illvilja")["name"] == title
    assert "<script>alert" not in client.get("/dataset/illvilja").text
    app.extensions["vaven"].close()


# Croissant


def croissant(client: FlaskClient) -> dict[str, Any]:
    answer = client.get(f"/dataset/{SLUG}/1/croissant.json")
    assert answer.status_code == 200
    found: dict[str, Any] = json.loads(answer.text)
    return found


def test_a_release_s_page_links_to_its_croissant(client: FlaskClient) -> None:
    page = client.get(f"/dataset/{SLUG}", headers={"Accept": "text/html"}).text
    assert f'href="/dataset/{SLUG}/1/croissant.json"' in page
    assert structured(client, f"/dataset/{SLUG}")["subjectOf"]["url"].endswith("/1/croissant.json")


def test_croissant_names_every_table_column_and_hash(client: FlaskClient, settings: Settings) -> None:
    found = croissant(client)
    collection = Collection(settings)
    entry = collection.release(SLUG, 1)
    assert {f["@id"]: f["sha256"] for f in found["distribution"]} == {
        name: entry.file(name).sha256 for resource in entry.rows for name in (f"{resource}.parquet", f"{resource}.csv")
    }
    sets = {s["@id"]: s for s in found["recordSet"]}
    for resource in entry.rows:
        with collection.open(SLUG, 1, f"{resource}.csv") as content:
            header = next(csv.reader([content.readline().decode()]))
        assert [f["source"]["extract"]["column"] for f in sets[resource]["field"]] == header
    collection.close()


def test_the_context_is_that_of_the_specification() -> None:
    script = """
import json
from mlcroissant._src.core.context import Context, CroissantVersion
from mlcroissant._src.core.rdf import make_context
print(json.dumps(make_context(Context(conforms_to=CroissantVersion.V_1_1))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == CONTEXT, done.stderr


@pytest.mark.parametrize("records", ["observations", "neighbourhoods", "kpis"])
def test_mlcroissant_finds_no_fault_and_reads_the_rows(whole_way: Site, tmp_path: Path, records: str) -> None:
    """The Croissant project's own reader: it downloads the files, checks their hashes and types their columns."""
    address = f"{whole_way.url}dataset/{SLUG}/1/croissant.json"
    done = subprocess.run(
        [sys.executable, "-c", READING, address, records],
        capture_output=True,
        text=True,
        env=os.environ | {"CROISSANT_CACHE": str(tmp_path)},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, *rows = (json.loads(line) for line in done.stdout.splitlines())
    assert said == {"errors": [], "warnings": []}
    if records == "kpis":
        assert [row["code"] for row in rows] == list(register.kpis())
        return
    with urllib.request.urlopen(f"{whole_way.url}dataset/{SLUG}/1/{records}.csv", timeout=30) as content:
        published = list(csv.DictReader(content.read().decode("utf-8").splitlines()))
    assert len(rows) == len(published)
    for row, expected in zip(rows, published, strict=True):
        found = {name: "" if text in ("nan", "None") else text for name, text in row.items()}
        # A code stays the text that it is, with its zeros: 0180, 2018.
        assert {n: t for n, t in found.items() if n not in NUMBERS} == {
            n: t for n, t in expected.items() if n not in NUMBERS
        }
        assert all(float(found[n] or 0) == float(expected[n] or 0) for n in NUMBERS & set(found))
