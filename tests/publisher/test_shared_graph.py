"""Datasets that share areas and organisations: each triple is in one graph, and counts over joins are right."""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from rdflib import DCAT, DCTERMS, FOAF, OWL, Graph, Literal, URIRef

from tests.conftest import SAMPLE
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.rdf.agents import name_key
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.schemas.standard.read_options import ReadOptions
from vaven.vocab.iris import NAMESPACES

BASE = "https://data.example/"
FIRST, SECOND = "exempel-tre-kommuner", "tvilling"
NUMBER = "556036-0793"
USED = ("skos", "rdfs", "foaf", "dcterms", "geo")
PREFIXES = "".join(f"PREFIX {prefix}: <{NAMESPACES[prefix]}>\n" for prefix in USED)
# Joins with everything that datasets share.
JOINS = f"""
PREFIX dim: <{NAMESPACES["sdmx-dimension"]}> PREFIX attribute: <{NAMESPACES["sdmx-attribute"]}>
PREFIX qb: <{NAMESPACES["qb"]}> PREFIX cube: <{NAMESPACES["cube"]}> PREFIX i72: <{NAMESPACES["i72"]}>
SELECT (COUNT(*) AS ?rows) (COUNT(DISTINCT ?o) AS ?observations) FROMS WHERE {{
  ?o a qb:Observation ; dim:refArea ?area ; dim:refPeriod/rdfs:label ?period ; dim:age/skos:notation ?age ;
    cube:observedBy/foaf:name ?name ; i72:value/i72:hasNumericalValue ?number .
  ?area skos:notation ?code ; skos:broader/geo:hasGeometry/geo:asGeoJSON ?outline ; rdfs:label ?label .
}}"""


def settings_in(home: Path) -> Settings:
    return Settings(home=home, base_iri=BASE)


def publish_twin(
    settings: Settings, folder: Path, area: str = "Rinkeby", publisher: str = "Bolaget AB", sector: str = "private"
) -> None:
    """Publish the sample under another name, with another name for an area."""
    twin = Path(shutil.copytree(SAMPLE / "package", folder / SECOND, dirs_exist_ok=True))
    descriptor = json.loads((twin / "datapackage.json").read_text("utf-8")) | {"name": SECOND}
    descriptor["vaven"]["publisher"] = {"name": publisher, "organisation_number": NUMBER, "sector": sector}
    (twin / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    rows = (twin / "neighbourhoods.csv").read_text("utf-8").replace("2018,Rinkeby,", f"2018,{area},")
    (twin / "neighbourhoods.csv").write_text(rows, "utf-8")
    publish(twin, settings)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    settings = settings_in(folder / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    publish_twin(settings, folder)
    return settings.home


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    return settings_in(Path(shutil.copytree(published, tmp_path / "home")))


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def select(client: FlaskClient, query: str) -> list[str]:
    response = client.get("/sparql", query_string={"query": PREFIXES + query, "format": "csv"})
    assert response.status_code == 200, response.text
    return response.text.splitlines()[1:]


def test_no_triple_is_in_two_graphs(settings: Settings, client: FlaskClient) -> None:
    (count,) = select(client, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    (distinct,) = select(client, "SELECT (COUNT(*) AS ?n) { SELECT DISTINCT ?s ?p ?o { ?s ?p ?o } }")
    assert int(count) == int(distinct) > 10_000
    graphs = select(client, "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }")
    assert set(graphs) == {*settings.iris.shared_graphs, *(settings.iris.dataset(slug) for slug in (FIRST, SECOND))}


def test_a_join_has_a_row_for_each_observation(settings: Settings, client: FlaskClient) -> None:
    """The same holds in the default graph and in a dataset of all graphs (FROM)."""
    graphs = (*settings.iris.shared_graphs, *(settings.iris.dataset(slug) for slug in (FIRST, SECOND)))
    for froms in ("", " ".join(f"FROM <{graph}>" for graph in graphs)):
        (row,) = select(client, JOINS.replace("FROMS", froms))
        rows, observations = row.split(",")
        assert int(rows) == int(observations) > 100


def test_the_dump_has_no_duplicate_lines(client: FlaskClient) -> None:
    response = client.get("/dump.nt.gz")
    while response.status_code == 503:
        response = client.get("/dump.nt.gz")
    lines = gzip.decompress(response.data).splitlines()
    assert len(lines) == len(set(lines)) == int(select(client, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")[0])


def test_the_newest_release_decides_names(settings: Settings, client: FlaskClient, tmp_path: Path) -> None:
    area = settings.iris.area("deso2018", "0180C6070")
    label = f"SELECT ?name {{ <{area}> rdfs:label ?name }}"
    company = f"SELECT ?name ?kind {{ <{settings.iris.organisation(NUMBER)}> foaf:name ?name ; dcterms:type ?kind }}"
    (before,) = select(client, company)
    assert select(client, label) == ["Rinkeby"]
    publish_twin(settings, tmp_path, "Rinkeby torg", "Nya Bolaget AB", "public")
    assert select(client, label) == ["Rinkeby torg"]
    assert select(client, label.replace("rdfs:label", "skos:altLabel")) == ["Rinkeby"]
    (after,) = select(client, company)
    assert before.startswith("Bolaget AB,")
    assert after.startswith("Nya Bolaget AB,")
    assert before.partition(",")[2] != after.partition(",")[2]


def test_resources_of_withdrawn_datasets_are_not_described(settings: Settings, client: FlaskClient) -> None:
    """An area of another dataset is still described; a company of no other dataset is not."""
    assert select(client, 'SELECT ?o { ?o foaf:name "Bolaget AB"@sv }')
    withdraw(settings, SECOND, reason="Fel fil.")
    subjects = select(client, "SELECT ?s { GRAPH <id/reference> { ?s ?p ?o } }")
    assert settings.iris.area("deso2018", "0180C6070") in subjects
    withdraw(settings, FIRST, reason="Fel fil.")
    subjects = select(client, "SELECT DISTINCT ?s { GRAPH <id/reference> { ?s ?p ?o } }")
    # The tombstone of a withdrawn dataset names its publisher, and the SPARQL service its contact.
    kinds = {iri.removeprefix(f"{BASE}id/").partition("/")[0] for iri in subjects}
    assert kinds == {"organisation", "sparql#contact"}


def test_descriptions_missing_from_the_cache_are_read_again(
    settings: Settings, client: FlaskClient, tmp_path: Path
) -> None:
    def reference() -> list[str]:
        return sorted(select(client, "SELECT ?s ?p ?o { GRAPH <id/reference> { ?s ?p ?o } }"))

    before, cache = reference(), settings.home / "cache" / "reference.sqlite"
    cache.unlink()
    publish_twin(settings, tmp_path, "Rinkeby torg")
    cache.write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    publish_twin(settings, tmp_path)
    assert len(before) > 100
    assert reference() == before


def test_the_reference_graph_is_described(settings: Settings, client: FlaskClient) -> None:
    titles = select(client, "SELECT ?title { <id/reference> dcterms:title ?title } ORDER BY ?title")
    assert titles == ["Reference data", "Referensdata"]
    response = client.get("/id/reference", headers={"Accept": "text/turtle"}, follow_redirects=True)
    assert (response.status_code, response.mimetype) == (200, "text/turtle")


def test_the_feed_names_an_organisation_once_as_in_the_newest_release(
    settings: Settings, client: FlaskClient, tmp_path: Path
) -> None:
    publish_twin(settings, tmp_path, "Rinkeby", "Nya Bolaget AB", "public")
    node = URIRef(settings.iris.organisation(NUMBER))
    for path in ("/catalog.nt", "/catalog.nt?page=1", "/catalog.nt?profile=dcat-ap-se"):
        feed = Graph().parse(data=client.get(path).text, format="nt")
        assert {str(name) for name in feed.objects(node, FOAF.name)} == {"Nya Bolaget AB"}
        assert len(list(feed.objects(node, DCTERMS.type))) == 1


def test_an_actor_without_a_number_belongs_to_its_dataset(settings: Settings, client: FlaskClient) -> None:
    """No slug of another dataset, and no other organisation, can give the same identifier."""
    actors = select(client, f"SELECT DISTINCT ?a {{ ?i <{settings.iris.ontology}actor> ?a }}")
    keys = {iri.removeprefix(f"{BASE}id/organisation/") for iri in actors}
    assert {f"{slug}.exempelbostader" for slug in (FIRST, SECOND)} <= keys
    assert {settings.iris.owner(iri) for iri in actors} == {FIRST, SECOND}
    withdraw(settings, SECOND, reason="Fel fil.")
    assert client.get(f"/id/organisation/{SECOND}.exempelbostader").status_code == 410
    assert client.get(f"/id/organisation/{FIRST}.exempelbostader").status_code == 303


def test_names_in_other_scripts_have_distinct_keys() -> None:
    names = ("Общество", "協会", "協会 1", "1", "2023", "!!", "Väst", "Øst")
    keys = [name_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)
    assert (name_key("Väst"), name_key("Den sociala väven")) == ("vast", "den-sociala-vaven")
    assert name_key("協会") == name_key("協会")


def test_only_organisations_with_a_number_are_linked_to_the_portal_s(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "home")
    (tmp_path / "liten").mkdir()
    (tmp_path / "liten" / "observations.csv").write_text(
        "neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,50\n"
    )
    resources = [{"name": "observations", "path": "observations.csv"}]
    descriptor = {"name": "liten", "title": "Liten", "resources": resources, "vaven": {"publisher": {"name": "112"}}}
    (tmp_path / "liten" / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    publish(tmp_path / "liten", settings, choices=ReadOptions(licence="cc0"))
    app = create_app(settings)
    try:
        feed = Graph().parse(data=app.test_client().get("/catalog.nt").text, format="nt")
    finally:
        app.extensions["vaven"].close()
    assert Literal("112", lang="sv") in set(feed.objects(None, FOAF.name))
    assert not list(feed.subject_objects(OWL.sameAs))


def test_resources_missing_from_a_new_version_refer_to_their_last_version(
    settings: Settings, client: FlaskClient, tmp_path: Path
) -> None:
    page = {"Accept": "text/html"}
    path = f"/id/observation/{FIRST}/0180C6070/trygg-morker/2023/T/T"
    (value,) = select(client, f"SELECT ?v {{ <{BASE}{path[1:]}> <{NAMESPACES['sdmx-measure']}obsValue> ?v }}")
    few = tmp_path / f"{FIRST}.csv"
    few.write_text("neighbourhood,kpi,period,value\n0180C6090,trygg-morker,2024,50\n", "utf-8")
    publish(few, settings)
    quantity, target = f"/id/quantity/{FIRST}/trygg-morker/{value}", f"/id/target/{FIRST}/0180C6070/trygg-morker/2030"
    for gone in (path, quantity, target, f"/id/organisation/{FIRST}.exempelbostader"):
        response = client.get(gone)
        assert (response.status_code, response.mimetype) == (410, "application/problem+json"), gone
        assert (response.json["dataset"], response.json["version"]) == (FIRST, 1)
    page_response = client.get(path, headers=page)
    assert page_response.status_code == 410
    assert f"/dataset/{FIRST}/1" in page_response.text
    for never in (path.replace("2023", "1999"), path.replace("2023", "x"), f"/id/quantity/{FIRST}/trygg-morker/x"):
        assert client.get(never).status_code == 404, never
    withdraw(settings, FIRST, 1, reason="Fel värden.")
    assert client.get(quantity).json["reason"] == "Fel värden."


def test_an_earlier_file_s_document_describes_the_dataset_s_current_state(
    settings: Settings, client: FlaskClient, tmp_path: Path
) -> None:
    publish_twin(settings, tmp_path, "Rinkeby torg")
    iri = settings.iris.distribution(SECOND, 1, "observations.csv")
    address = iri.removeprefix(BASE)
    response = client.get(f"/{address}", headers={"Accept": "application/n-triples"}, follow_redirects=True)
    graph = Graph().parse(data=response.text, format="nt")
    leading = {str(s) for s in graph.subjects(DCAT.distribution, URIRef(iri))}
    assert leading == {settings.iris.dataset(SECOND, 1)}
