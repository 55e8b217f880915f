"""Metadata for search engines (schema.org in pages) and for machine-learning tools (Croissant of each release)."""

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
from tests.reading import LICENCE_AND_PUBLISHER
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
    publish(lone, settings, choices=LICENCE_AND_PUBLISHER)
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def structured(client: FlaskClient, path: str, language: str = "sv") -> dict[str, Any]:
    page = client.get(path, headers={"Accept": "text/html", "Accept-Language": language}).text
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    document: dict[str, Any] = json.loads(text)
    return document


def properties(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield every property in a JSON-LD document, at every depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from properties(value)
    elif isinstance(node, list):
        for part in node:
            yield from properties(part)


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_the_dataset_properties_required_by_google(client: FlaskClient, path: str, language: str) -> None:
    dataset = structured(client, path, language)
    assert (dataset["@context"], dataset["@type"]) == ("https://schema.org/", "Dataset")
    assert dataset["name"]
    assert 50 <= len(dataset["description"]) <= 5000
    licences = dataset["license"] if isinstance(dataset["license"], list) else [dataset["license"]]
    assert licences
    assert set(licences) <= {code.properties["iri"] for code in register.codes("licences").values()}
    assert dataset["isAccessibleForFree"] is True
    creators = dataset["creator"] if isinstance(dataset["creator"], list) else [dataset["creator"]]
    assert all(c["@type"] == "Organization" and c["name"] for c in creators)
    begin, end = (date.fromisoformat(day) for day in dataset["temporalCoverage"].split("/"))
    assert begin < end
    assert all(
        area["name"] and area["@id"].startswith("https://data.example/id/") for area in dataset["spatialCoverage"]
    )
    assert all(v["name"] and v["unitText"] and v["description"] for v in dataset["variableMeasured"])
    assert dataset["includedInDataCatalog"]["@type"] == "DataCatalog"
    assert dataset["distribution"]
    assert all(d["@type"] == "DataDownload" and d["encodingFormat"] for d in dataset["distribution"])
    assert not [key for key, value in properties(dataset) if value in ("", None, [], {})]


PACKINGS = {"gz": "application/gzip", "zst": "application/zstd"}


@pytest.mark.parametrize("path", PAGES)
def test_every_download_of_a_page_exists(client: FlaskClient, settings: Settings, path: str) -> None:
    for download in structured(client, path)["distribution"]:
        response = client.get(download["contentUrl"].removeprefix(settings.base_iri.rstrip("/")))
        assert response.status_code == 200
        # Of a packed file, the format is that of what is in it.
        extension = download["contentUrl"].rpartition(".")[2]
        assert response.mimetype == PACKINGS.get(extension, download["encodingFormat"])
        if "sha256" in download:
            assert hashlib.sha256(response.data).hexdigest() == download["sha256"]
            assert download["contentSize"] == f"{len(response.data)} B"


def test_structured_data_is_in_the_page_s_language(client: FlaskClient) -> None:
    swedish, english = (structured(client, "/kpi/trygg-morker", language) for language in ("sv", "en"))
    kpi = register.kpis()["trygg-morker"]
    assert (swedish["name"], english["name"]) == (kpi.text("sv"), kpi.text("en"))
    assert swedish["includedInDataCatalog"]["name"] != english["includedInDataCatalog"]["name"]


def test_the_variables_measured_are_the_kpis_iris(client: FlaskClient, settings: Settings) -> None:
    collection = Collection(settings)
    kpis = collection.dataset(SLUG).current.kpis
    collection.close()
    measured = structured(client, f"/dataset/{SLUG}")["variableMeasured"]
    assert [v["@id"] for v in measured] == [settings.iris.kpi(slug) for slug in kpis]


def test_a_dataset_without_a_description_has_a_generated_one(client: FlaskClient) -> None:
    dataset = structured(client, "/dataset/liten")
    assert dataset["name"] == "liten"
    assert register.kpis()["trygg-morker"].text("sv") in dataset["description"]


def test_the_catalogue_lists_its_datasets(client: FlaskClient, settings: Settings) -> None:
    catalogue = structured(client, "/datasets")
    assert catalogue["@type"] == "DataCatalog"
    assert {d["@id"] for d in catalogue["dataset"]} == {settings.iris.dataset(slug) for slug in (SLUG, "liten")}


def test_structured_data_is_json_ld_that_converts_to_triples(client: FlaskClient, settings: Settings) -> None:
    document = structured(client, f"/dataset/{SLUG}")
    document["@context"] = {"@vocab": "https://schema.org/"}
    graph = Graph().parse(data=json.dumps(document), format="json-ld")
    node = URIRef(settings.iris.dataset(SLUG))
    assert (node, RDF.type, SDO.Dataset) in graph
    assert len(set(graph[node : SDO.distribution])) >= 10


def test_a_partner_s_text_cannot_close_the_script_element(tmp_path: Path) -> None:
    table = tmp_path / "illvilja.csv"
    table.write_text("neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,50\n")
    settings = Settings(home=tmp_path / "home")
    package = tmp_path / "package"
    package.mkdir()
    table.rename(package / "observations.csv")
    title = "</script><script>alert(1)</script>"
    descriptor = {
        "name": "illvilja",
        "title": title,
        "resources": [{"name": "observations", "path": "observations.csv"}],
    }
    (package / "datapackage.json").write_text(json.dumps(descriptor))
    publish(package, settings, choices=LICENCE_AND_PUBLISHER)
    app = create_app(settings)
    client = app.test_client()
    assert structured(client, "/dataset/illvilja")["name"] == title
    assert "<script>alert" not in client.get("/dataset/illvilja").text
    app.extensions["vaven"].close()


# Croissant


def croissant(client: FlaskClient) -> dict[str, Any]:
    response = client.get(f"/dataset/{SLUG}/1/croissant.json")
    assert response.status_code == 200
    document: dict[str, Any] = json.loads(response.text)
    return document


def test_a_release_s_page_links_to_its_croissant(client: FlaskClient) -> None:
    page = client.get(f"/dataset/{SLUG}", headers={"Accept": "text/html"}).text
    assert f'href="/dataset/{SLUG}/1/croissant.json"' in page
    assert structured(client, f"/dataset/{SLUG}")["subjectOf"]["url"].endswith("/1/croissant.json")


def test_croissant_names_every_table_column_and_hash(client: FlaskClient, settings: Settings) -> None:
    document = croissant(client)
    collection = Collection(settings)
    entry = collection.release(SLUG, 1)
    assert {f["@id"]: f["sha256"] for f in document["distribution"]} == {
        name: entry.file(name).sha256 for resource in entry.rows for name in (f"{resource}.parquet", f"{resource}.csv")
    }
    sets = {s["@id"]: s for s in document["recordSet"]}
    for resource in entry.rows:
        with collection.open(SLUG, 1, f"{resource}.csv") as content:
            header = next(csv.reader([content.readline().decode()]))
        assert [f["source"]["extract"]["column"] for f in sets[resource]["field"]] == header
    collection.close()


def test_the_context_equals_that_of_the_specification() -> None:
    script = """
import json
from mlcroissant._src.core.context import Context, CroissantVersion
from mlcroissant._src.core.rdf import make_context
print(json.dumps(make_context(Context(conforms_to=CroissantVersion.V_1_1))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == CONTEXT, done.stderr


@pytest.mark.parametrize("records", ["observations", "neighbourhoods", "kpis"])
def test_mlcroissant_reports_no_error_and_reads_the_rows(whole_way: Site, tmp_path: Path, records: str) -> None:
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
    issues, *rows = (json.loads(line) for line in done.stdout.splitlines())
    assert issues == {"errors": [], "warnings": []}
    if records == "kpis":
        assert [row["code"] for row in rows] == list(register.kpis())
        return
    with urllib.request.urlopen(f"{whole_way.url}dataset/{SLUG}/1/{records}.csv", timeout=30) as content:
        published = list(csv.DictReader(content.read().decode("utf-8").splitlines()))
    assert len(rows) == len(published)
    for row, expected in zip(rows, published, strict=True):
        values = {name: "" if text in ("nan", "None") else text for name, text in row.items()}
        # A code stays the text that it is, with its zeros: 0180, 2018.
        assert {n: t for n, t in values.items() if n not in NUMBERS} == {
            n: t for n, t in expected.items() if n not in NUMBERS
        }
        assert all(float(values[n] or 0) == float(expected[n] or 0) for n in NUMBERS & set(values))
