"""Datasets that share areas and organisations: each triple is in one graph, and counts over joins are right."""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pyoxigraph import NamedNode, Store

from tests.conftest import SAMPLE
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from vaven.publisher.store import EmbeddedStore
from vaven.publisher.withdraw import withdraw
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


def make(home: Path) -> Settings:
    return Settings(home=home, base_iri=BASE)


def publish_twin(
    settings: Settings, folder: Path, area: str = "Rinkeby", publisher: str = "Bolaget AB", sector: str = "private"
) -> None:
    """The sample under another name, with another name for an area."""
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
    settings = make(folder / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    publish_twin(settings, folder)
    return settings.home


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    return make(Path(shutil.copytree(published, tmp_path / "home")))


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def asked(client: FlaskClient, query: str) -> list[str]:
    answer = client.get("/sparql", query_string={"query": PREFIXES + query, "format": "csv"})
    assert answer.status_code == 200, answer.text
    return answer.text.splitlines()[1:]


def test_no_triple_is_in_two_graphs(settings: Settings, client: FlaskClient) -> None:
    (count,) = asked(client, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    (distinct,) = asked(client, "SELECT (COUNT(*) AS ?n) { SELECT DISTINCT ?s ?p ?o { ?s ?p ?o } }")
    assert int(count) == int(distinct) > 10_000
    graphs = asked(client, "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }")
    assert set(graphs) == {*settings.iris.shared_graphs, *(settings.iris.dataset(slug) for slug in (FIRST, SECOND))}


def test_a_join_has_a_row_for_each_observation(settings: Settings, client: FlaskClient) -> None:
    """Of the default graph, and of one that the query puts together from all."""
    graphs = (*settings.iris.shared_graphs, *(settings.iris.dataset(slug) for slug in (FIRST, SECOND)))
    for froms in ("", " ".join(f"FROM <{graph}>" for graph in graphs)):
        (found,) = asked(client, JOINS.replace("FROMS", froms))
        rows, observations = found.split(",")
        assert int(rows) == int(observations) > 100


def test_the_dump_has_no_line_twice(client: FlaskClient) -> None:
    answer = client.get("/dump.nt.gz")
    while answer.status_code == 503:
        answer = client.get("/dump.nt.gz")
    lines = gzip.decompress(answer.data).splitlines()
    assert len(lines) == len(set(lines)) == int(asked(client, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")[0])


def test_the_newest_name_is_the_name(settings: Settings, client: FlaskClient, tmp_path: Path) -> None:
    area = settings.iris.area("deso2018", "0180C6070")
    label = f"SELECT ?name {{ <{area}> rdfs:label ?name }}"
    company = f"SELECT ?name ?kind {{ <{settings.iris.organisation(NUMBER)}> foaf:name ?name ; dcterms:type ?kind }}"
    (before,) = asked(client, company)
    assert asked(client, label) == ["Rinkeby"]
    publish_twin(settings, tmp_path, "Rinkeby torg", "Nya Bolaget AB", "public")
    assert asked(client, label) == ["Rinkeby torg"]
    assert asked(client, label.replace("rdfs:label", "skos:altLabel")) == ["Rinkeby"]
    (after,) = asked(client, company)
    assert before.startswith("Bolaget AB,")
    assert after.startswith("Nya Bolaget AB,")
    assert before.partition(",")[2] != after.partition(",")[2]


def test_what_was_withdrawn_is_not_spoken_of(settings: Settings, client: FlaskClient) -> None:
    """An area that another dataset has is; a company that nobody else names is not."""
    assert asked(client, 'SELECT ?o { ?o foaf:name "Bolaget AB"@sv }')
    withdraw(settings, SECOND, reason="Fel fil.")
    held = asked(client, "SELECT ?s { GRAPH <id/reference> { ?s ?p ?o } }")
    assert settings.iris.area("deso2018", "0180C6070") in held
    withdraw(settings, FIRST, reason="Fel fil.")
    held = asked(client, "SELECT DISTINCT ?s { GRAPH <id/reference> { ?s ?p ?o } }")
    # Of what was withdrawn, a tombstone says who published it.
    assert {iri.removeprefix(f"{BASE}id/").partition("/")[0] for iri in held} == {"organisation"}


def test_what_releases_said_is_read_again_where_it_is_not_kept(settings: Settings, tmp_path: Path) -> None:
    def reference() -> list[str]:
        snapshot = EmbeddedStore(settings.graph_folder).current()
        assert snapshot
        graph = NamedNode(settings.iris.reference)
        quads = Store.read_only(str(snapshot.data)).quads_for_pattern(None, None, None, graph)
        return sorted(str(quad.triple) for quad in quads)

    before = reference()
    (settings.home / "cache" / "reference.sqlite").unlink()
    publish_twin(settings, tmp_path, "Rinkeby torg")
    publish_twin(settings, tmp_path)
    assert reference() == before


def test_the_graph_says_what_it_is(settings: Settings, client: FlaskClient) -> None:
    titles = asked(client, "SELECT ?title { <id/reference> dcterms:title ?title } ORDER BY ?title")
    assert titles == ["Reference data", "Referensdata"]
    answer = client.get("/id/reference", headers={"Accept": "text/turtle"}, follow_redirects=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/turtle")
