"""From a partner's workbook to a SPARQL result and a page, requested only through public interfaces."""

import csv
import hashlib
import io
import json
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook
from rdflib import Graph, URIRef
from SPARQLWrapper import CSV, JSON, XML, SPARQLWrapper

from tests.conftest import SAMPLE, Site
from vaven.vocab.iris import NAMESPACES, Iris

SLUG = "exempel-tre-kommuner"
OBS_VALUE = URIRef(NAMESPACES["sdmx-measure"] + "obsValue")
RDF = {
    "text/turtle": "turtle",
    "application/ld+json": "json-ld",
    "application/n-triples": "nt",
    "application/rdf+xml": "xml",
}
EVERY_VALUE = """
PREFIX sdmx-measure: <http://purl.org/linked-data/sdmx/2009/measure#>
PREFIX qb: <http://purl.org/linked-data/cube#>
SELECT ?observation ?value { ?observation a qb:Observation ; sdmx-measure:obsValue ?value }
"""


def get(url: str, accept: str = "*/*") -> tuple[int, str, bytes]:
    """Return status, media type and body; redirects are followed and error statuses are returned."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers.get_content_type(), response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read()


def sample_rows() -> list[dict[str, str]]:
    with (SAMPLE / "package" / "observations.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def expected_values(site: Site) -> dict[str, Decimal | None]:
    """Return the value of each observation by its IRI, from the CSV of the sample."""
    iris = Iris(site.url)
    return {
        iris.observation(SLUG, r["neighbourhood"], r["kpi"], r["period"], r["sex"], r["age_group"]): (
            Decimal(r["value"]) if r["value"] else None
        )
        for r in sample_rows()
    }


def test_sparqlwrapper_gets_every_value_of_the_sample_back(whole_way: Site) -> None:
    client = SPARQLWrapper(whole_way.url + "sparql", returnFormat=JSON)
    client.setQuery(EVERY_VALUE)
    bindings = client.queryAndConvert()["results"]["bindings"]
    values = {
        b["observation"]["value"]: Decimal(b["value"]["value"]) if b["value"]["value"] else None for b in bindings
    }
    assert len(bindings) == len(sample_rows()) == 629
    assert values == expected_values(whole_way)


@pytest.mark.parametrize("form", [CSV, XML])
def test_sparqlwrapper_gets_the_same_in_other_forms(whole_way: Site, form: str) -> None:
    client = SPARQLWrapper(whole_way.url + "sparql", returnFormat=form)
    client.setQuery(EVERY_VALUE)
    result = client.queryAndConvert()
    text = result.decode() if isinstance(result, bytes) else result.toxml()
    assert text.count("/id/observation/") == 629


@pytest.mark.parametrize("accept", RDF)
def test_each_observation_is_served_at_its_own_iri(whole_way: Site, accept: str) -> None:
    for iri, value in expected_values(whole_way).items():
        status, media_type, body = get(iri, accept)
        assert (status, media_type) == (200, accept)
        graph = Graph().parse(data=body, format=RDF[accept])
        literal = graph.value(URIRef(iri), OBS_VALUE)
        assert (Decimal(str(literal)) if str(literal) else None) == value


def test_every_kind_of_resource_we_mint_can_be_dereferenced(whole_way: Site) -> None:
    client = SPARQLWrapper(whole_way.url + "sparql", returnFormat=JSON)
    client.setQuery("SELECT DISTINCT ?s { ?s ?p ?o FILTER (isIRI(?s)) }")
    subjects = {b["s"]["value"] for b in client.queryAndConvert()["results"]["bindings"]}
    ours = sorted(s for s in subjects if s.startswith(whole_way.url + "id/") and "#" not in s)
    kinds = {iri.removeprefix(whole_way.url + "id/").split("/")[0] for iri in ours}
    assert kinds >= {
        "kpi",
        "theme",
        "area",
        "dataset",
        "observation",
        "investment",
        "target",
        "status",
        "scheme",
        "age",
    }
    one_of_each = [next(iri for iri in ours if f"/id/{kind}/" in iri or iri.endswith(f"/id/{kind}")) for kind in kinds]
    for iri in one_of_each:
        assert get(iri, "text/turtle")[:2] == (200, "text/turtle"), iri
        assert get(iri, "text/html")[:2] == (200, "text/html"), iri


def test_identifiers_follow_the_standards_of_content_negotiation(whole_way: Site) -> None:
    address = whole_way.url + "id/kpi/trygg-morker"
    assert get(address, "image/png")[0] == 406
    assert get(address, "text/turtle;q=0.2, application/ld+json;q=0.9")[1] == "application/ld+json"
    assert get(whole_way.url + "id/kpi/finns-inte", "text/turtle")[0] == 404
    assert get(whole_way.url + "id/kpi/x%3E%20%3Fp%20%3Fo%20%7D%20%23", "text/turtle")[0] == 404


def test_downloads_contain_the_values_of_the_sample(whole_way: Site) -> None:
    release = f"{whole_way.url}dataset/{SLUG}/1/"
    rows = list(csv.DictReader(io.StringIO(get(release + "observations.csv")[2].decode())))
    key = ("neighbourhood", "kpi", "period", "sex", "age_group")
    assert {tuple(r[k] for k in key): r for r in rows} == {tuple(r[k] for k in key): r for r in sample_rows()}
    parquet = pq.read_table(io.BytesIO(get(release + "observations.parquet")[2]))
    assert parquet.column("value").to_pylist() == [float(r["value"]) if r["value"] else None for r in rows]
    sheet = load_workbook(io.BytesIO(get(release + "observations.xlsx")[2]), read_only=True)["Observationer"]
    assert [row[5] for row in sheet.iter_rows(min_row=2, values_only=True)] == parquet.column("value").to_pylist()
    turtle = Graph().parse(data=get(release + "observations.ttl")[2], format="turtle")
    json_ld = Graph().parse(data=get(release + "observations.jsonld")[2], format="json-ld")
    assert len(turtle) == len(json_ld) > 6_000


def test_the_data_package_describes_its_files_correctly(whole_way: Site) -> None:
    release = f"{whole_way.url}dataset/{SLUG}/1/"
    package = json.loads(get(release + "datapackage.json")[2])
    assert [r["name"] for r in package["resources"]] == [
        "observations",
        "neighbourhoods",
        "actors",
        "investments",
        "targets",
    ]
    for resource in package["resources"]:
        content = get(release + resource["path"])[2]
        assert resource["hash"] == "sha256:" + hashlib.sha256(content).hexdigest()
        assert resource["bytes"] == len(content)


def test_a_released_package_is_valid_again(whole_way: Site, tmp_path: Path) -> None:
    release = f"{whole_way.url}dataset/{SLUG}/1/"
    package = json.loads(get(release + "datapackage.json")[2])
    for name in ["datapackage.json", *(r["path"] for r in package["resources"])]:
        (tmp_path / name).write_bytes(get(release + name)[2])
    done = whole_way.run("validate", tmp_path, "--format", "json")
    assert json.loads(done.stdout)["verdict"] == "valid"
    import frictionless

    assert frictionless.validate(str(tmp_path / "datapackage.json")).valid


@pytest.mark.parametrize("ending", ["ttl", "jsonld", "nt", "rdf"])
def test_the_feed_lists_the_dataset_with_its_distributions(whole_way: Site, ending: str) -> None:
    status, media_type, body = get(f"{whole_way.url}catalog.{ending}")
    graph = Graph().parse(data=body, format=RDF[media_type])
    iris = Iris(whole_way.url)
    assert status == 200
    dcat = NAMESPACES["dcat"]
    assert (URIRef(iris.catalogue), URIRef(dcat + "dataset"), URIRef(iris.dataset(SLUG))) in graph
    assert len(list(graph.objects(URIRef(iris.dataset(SLUG)), URIRef(dcat + "distribution")))) >= 3


def test_the_feed_conforms_to_dcat_ap(whole_way: Site, shared: Path) -> None:
    """SEMIC's own shapes; expected results are named by node and path, so that every new one fails the test."""
    import pyshacl

    shapes = next((shared / "dcat-ap-3").rglob("3.0.1/html/shacl/shapes.ttl"))
    graph = Graph().parse(data=get(whole_way.url + "catalog.ttl")[2], format="turtle")
    _, results, text = pyshacl.validate(graph, shacl_graph=Graph().parse(shapes), advanced=True)
    sh = "http://www.w3.org/ns/shacl#"
    violations = {
        str(results.value(node, URIRef(sh + "resultPath"))).rsplit("/", 1)[-1].rsplit("#", 1)[-1]
        for node in results.subjects(URIRef(sh + "resultSeverity"), URIRef(sh + "Violation"))
    }
    # The Swedish profile wants a MIME type as dcterms:format, where the European one wants an authority IRI.
    assert violations <= {"format"}, text


def test_the_data_of_a_page_equals_its_content(whole_way: Site) -> None:
    address = f"{whole_way.url}area/deso2018/0180C6070"
    rows = list(csv.DictReader(io.StringIO(get(address + ".csv")[2].decode())))
    records = json.loads(get(address + ".json")[2])
    mine = [r for r in sample_rows() if r["neighbourhood"] == "0180C6070"]
    assert len(rows) == len(records) == len(mine)
    page = get(address, "text/html")[2].decode()
    latest = next(r for r in mine if r["kpi"] == "trygg-morker" and r["period"] == "2024" and r["sex"] == "T")
    assert latest["value"].replace(".", ",") in page


def test_pages_load_no_file_from_another_host(whole_way: Site) -> None:
    """Every URL in the pages' own markup that a browser fetches by itself is ours."""
    for path in ("", "kpis", "sparql", "validate", "area/deso2018/0180C6070"):
        page = get(whole_way.url + path, "text/html")[2].decode()
        for attribute in ('src="', 'rel="stylesheet" href="'):
            assert all(part.startswith(("/", "data:")) for part in page.split(attribute)[1:]), path
