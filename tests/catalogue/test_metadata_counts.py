"""Statistics in VoID and the service description equal the endpoint's own counts."""

import gzip
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from flask.testing import FlaskClient
from rdflib import DCTERMS, FOAF, RDF, VOID, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from tests.conftest import SAMPLE
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from vaven.vocab.iris import NAMESPACES

SLUGS = ("exempel-tre-kommuner", "tvilling", "kort")
SD, DCAT = Namespace(NAMESPACES["sd"]), Namespace(NAMESPACES["dcat"])
# Rows with every optional cell filled, and with none; one of a part of the population.
COLUMNS = "neighbourhood,kpi,period,sex,age_group,value,numerator,denominator,sample_size,ci_lower,ci_upper,status"
EVERY_KIND = f"""{COLUMNS},method,note
0180C6070,trygg-morker,2024,T,T,50,100,200,200,45,55,A,survey,"Två
rader, ""citat"" och \\ snedstreck"
0180C6070,trygg-morker,2024,F,T,49,,,,,,A,,
0180C6070,trygg-morker,2024,M,T,,,,,,,O,,
0180C6070,trygg-morker,2023,T,16-24,50,,,,,,A,register,
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two datasets with the same rows, which share areas, periods and more, and one dataset with every kind of row."""
    home = tmp_path_factory.mktemp("counts")
    settings = Settings(home=home / "home", base_iri="https://data.example/")
    publish(SAMPLE / "exempel.xlsx", settings)
    twin = Path(shutil.copytree(SAMPLE / "package", home / "tvilling"))
    descriptor = json.loads((twin / "datapackage.json").read_text("utf-8"))
    (twin / "datapackage.json").write_text(json.dumps(descriptor | {"name": "tvilling"}), "utf-8")
    publish(twin, settings)
    (home / "kort.csv").write_text(EVERY_KIND, "utf-8")
    publish(home / "kort.csv", settings, choices=LICENCE_AND_PUBLISHER)
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


@pytest.fixture(scope="module")
def void(client: FlaskClient) -> Graph:
    return Graph().parse(data=client.get("/.well-known/void").text, format="turtle")


@pytest.fixture(scope="module")
def service(client: FlaskClient) -> Graph:
    return Graph().parse(data=client.get("/sparql", headers={"Accept": "text/turtle"}).text, format="turtle")


def query_rows(client: FlaskClient, query: str) -> list[list[str]]:
    response = client.get("/sparql", query_string={"query": query, "format": "csv"})
    assert response.status_code == 200, response.text
    return [line.split(",") for line in response.text.splitlines()[1:]]


def pattern(graph: str, triples: str) -> str:
    """Return a pattern in a named graph, or in the union: an RDF merge with each triple once, even without DISTINCT."""
    return f"GRAPH <{graph}> {{ {triples} }}" if graph else triples


def check_counts(description: Graph, node: Node, client: FlaskClient, graph: str) -> None:
    """Compare a description's counts with the endpoint's, for a named graph or ("") for the default graph."""
    everything = pattern(graph, "?s ?p ?o")
    ((triples, subjects),) = query_rows(
        client, f"SELECT (COUNT(*) AS ?n) (COUNT(DISTINCT ?s) AS ?m) {{ {everything} }}"
    )
    assert int(description.value(node, VOID.triples)) == int(triples)
    assert int(description.value(node, VOID.distinctSubjects)) == int(subjects)
    properties = query_rows(client, f"SELECT ?p (COUNT(*) AS ?n) {{ {everything} }} GROUP BY ?p")
    assert partition(description, node, VOID.propertyPartition, VOID.property, VOID.triples) == dict(properties)
    classes = query_rows(client, f"SELECT ?c (COUNT(*) AS ?n) {{ {pattern(graph, '?s a ?c')} }} GROUP BY ?c")
    assert partition(description, node, VOID.classPartition, VOID["class"], VOID.entities) == dict(classes)
    assert int(description.value(node, VOID.properties)) == len(properties)
    assert int(description.value(node, VOID.classes)) == len(classes)


def partition(description: Graph, node: Node, predicate: URIRef, key: URIRef, count: URIRef) -> dict[str, str]:
    parts = list(description[node:predicate])
    return {str(description.value(part, key)): str(description.value(part, count)) for part in parts}


@pytest.mark.parametrize("slug", SLUGS)
def test_a_dataset_s_counts_equal_those_of_its_graph(
    client: FlaskClient, settings: Settings, void: Graph, slug: str
) -> None:
    graph = settings.iris.dataset(slug)
    check_counts(void, URIRef(graph), client, graph)


def test_the_shared_graphs_are_counted_too(client: FlaskClient, settings: Settings, void: Graph) -> None:
    for graph in settings.iris.shared_graphs:
        check_counts(void, URIRef(graph), client, graph)


def test_the_total_counts_are_those_of_the_union_graph(client: FlaskClient, settings: Settings, void: Graph) -> None:
    """No triple is in two graphs: an engine that queries several would return it twice, and counts be too high."""
    everything = URIRef(settings.iris.everything)
    check_counts(void, everything, client, "")
    subsets = [int(void.value(subset, VOID.triples)) for subset in void[everything : VOID.subset]]
    assert len(subsets) == len(SLUGS) + 3
    assert sum(subsets) == int(void.value(everything, VOID.triples))


def test_a_release_has_the_same_counts_in_the_graph(client: FlaskClient, settings: Settings) -> None:
    graph = settings.iris.dataset("kort")
    query = f"CONSTRUCT {{ ?s ?p ?o }} {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
    response = client.get("/sparql", query_string={"query": query}, headers={"Accept": "text/turtle"})
    check_counts(Graph().parse(data=response.text, format="turtle"), URIRef(graph), client, graph)


def test_every_url_of_the_description_responds(client: FlaskClient, settings: Settings, void: Graph) -> None:
    site = settings.base_iri.rstrip("/")
    examples = set(void.objects(None, VOID.exampleResource))
    for resource in examples | set(void.objects(None, VOID.rootResource)):
        assert client.get(str(resource).removeprefix(site)).status_code == 303
    for space in void.objects(None, VOID.uriSpace):
        assert str(space).startswith(f"{site}/id/")
    document = URIRef(settings.iris.void)
    assert void.value(document, FOAF.primaryTopic) == URIRef(settings.iris.everything)
    assert {t.language for t in void.objects(document, DCTERMS.title)} == {"sv", "en"}


def test_a_dump_has_as_many_triples_as_its_graphs(client: FlaskClient, settings: Settings, void: Graph) -> None:
    dumps = list(void.subject_objects(VOID.dataDump))
    assert {str(address).rpartition("/")[2] for _, address in dumps} == {"dump.nt.gz", "dump.nt.zst"}
    for node, address in dumps:
        # Made when it is first asked for, and says when to come back.
        while (response := client.get(str(address).removeprefix(settings.base_iri.rstrip("/")))).status_code == 503:
            time.sleep(0.1)
        assert response.status_code == 200
        unpacked = gzip.decompress(response.data) if str(address).endswith("gz") else unzstd(response.data)
        assert unpacked.count(b"\n") == int(void.value(node, VOID.triples))


def unzstd(compressed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True) as text:
        return text.read()


@pytest.mark.parametrize("path", ["/.well-known/void", "/ns/dcat-ap-se"])
@pytest.mark.parametrize(
    ("accept", "kind", "form"),
    [
        ("text/turtle", "text/turtle", "turtle"),
        ("application/ld+json", "application/ld+json", "json-ld"),
        ("application/rdf+xml", "application/rdf+xml", "xml"),
        ("application/n-triples", "application/n-triples", "nt"),
        ("text/html,*/*;q=0.8", "text/turtle", "turtle"),
    ],
)
def test_the_description_is_available_in_every_format(
    client: FlaskClient, path: str, accept: str, kind: str, form: str
) -> None:
    response = client.get(path, headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (200, kind)
    assert "Accept" in response.vary
    assert len(Graph().parse(data=response.text, format=form)) > 100
    assert client.get(path, headers={"Accept": "image/png"}).status_code == 406
    again = client.get(path, headers={"Accept": accept, "If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_the_service_description_uses_the_terms_of_the_recommendation(service: Graph, settings: Settings) -> None:
    node = URIRef(settings.iris.service)
    assert (node, RDF.type, SD.Service) in service
    assert service.value(node, SD.endpoint) == URIRef(settings.iris.endpoint)
    assert set(service[node : SD.supportedLanguage]) == {SD.SPARQL11Query}
    assert set(service[node : SD.feature]) == {SD.UnionDefaultGraph}
    assert len(set(service[node : SD.resultFormat])) == 8
    dataset = service.value(node, SD.defaultDataset)
    assert (dataset, RDF.type, SD.Dataset) in service
    assert (service.value(dataset, SD.defaultGraph), RDF.type, SD.Graph) in service


def test_federation_is_refused_and_not_claimed(client: FlaskClient, service: Graph) -> None:
    assert (None, SD.feature, SD.BasicFederatedQuery) not in service
    query = "SELECT * { SERVICE <https://other.example/sparql> { ?s ?p ?o } }"
    assert client.get("/sparql", query_string={"query": query}).status_code == 403


def test_every_named_graph_is_described_with_its_counts(
    client: FlaskClient, settings: Settings, service: Graph
) -> None:
    dataset = service.value(URIRef(settings.iris.service), SD.defaultDataset)
    check_counts(service, service.value(dataset, SD.defaultGraph), client, "")
    named = {str(service.value(n, SD.name)): service.value(n, SD.graph) for n in service[dataset : SD.namedGraph]}
    assert set(named) == {name for (name,) in query_rows(client, "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }")}
    for name, node in named.items():
        check_counts(service, node, client, name)


def test_the_service_is_the_catalogue_s_data_service(client: FlaskClient, settings: Settings, service: Graph) -> None:
    feed = Graph().parse(data=client.get("/catalog.ttl").text, format="turtle")
    node = URIRef(settings.iris.service)
    for predicate in (DCAT.endpointURL, DCAT.servesDataset, DCTERMS.title, DCTERMS.description):
        assert set(service[node:predicate]) == set(feed[node:predicate])
    described = feed.value(node, DCAT.endpointDescription)
    assert client.get(str(described).removeprefix(settings.base_iri.rstrip("/"))).status_code == 200


def test_both_descriptions_exist_before_the_first_release(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path / "home", base_iri="https://data.example/"))
    client = app.test_client()
    for path in ("/.well-known/void", "/sparql"):
        response = client.get(path, headers={"Accept": "text/turtle"})
        assert response.status_code == 200
        description = Graph().parse(data=response.text, format="turtle")
        assert Literal(0) in set(description.objects(None, VOID.triples))
    app.extensions["vaven"].close()
