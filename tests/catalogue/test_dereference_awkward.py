"""Unusual identifiers: names that need escapes, replaced versions, resources with very many links."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyoxigraph import NamedNode, Quad, RdfFormat, Store, parse

from tests.catalogue.test_pages import BROWSER, OWN, awkward_package
from tests.conftest import SAMPLE
from vaven.catalogue.app import create_app
from vaven.catalogue.linked_data.documents import document, serialized
from vaven.catalogue.linked_data.lookup import executor
from vaven.catalogue.linked_data.resource import EACH, LINKS, gather
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.iris import NAMESPACES, Iris

BASE = "http://localhost/"
IRIS = Iris(BASE)
TURTLE = {"Accept": "text/turtle"}


def corrected(folder: Path) -> Path:
    """Write the sample with another title, which makes it another version."""
    shutil.copytree(SAMPLE / "package", folder, dirs_exist_ok=True)
    package = json.loads((folder / "datapackage.json").read_text("utf-8"))
    package["vaven"]["title"]["sv"] += ", rättad"
    (folder / "datapackage.json").write_text(json.dumps(package), "utf-8")
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A dataset with unusual names, and the sample in two versions."""
    settings = Settings(home=tmp_path_factory.mktemp("identifiers"), base_iri=BASE)
    publish(awkward_package(tmp_path_factory.mktemp("awkward")), settings)
    publish(SAMPLE / "exempel.xlsx", settings)
    publish(corrected(tmp_path_factory.mktemp("corrected")), settings, note="Rättad")
    app = create_app(settings)
    yield app
    app.extensions["vaven"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def subjects(client: FlaskClient, iri: str) -> dict[str, set[str]]:
    """Return the properties of each subject in the Turtle document of an IRI."""
    sent = client.get(uri(iri).removeprefix(BASE), headers=TURTLE)
    assert sent.status_code == 303, iri
    assert sent.headers["Location"].isascii()
    response = client.get(sent.headers["Location"])
    assert (response.status_code, response.mimetype) == (200, "text/turtle"), iri
    predicates: dict[str, set[str]] = {}
    for quad in parse(response.data, RdfFormat.TURTLE):
        if isinstance(quad.subject, NamedNode):
            predicates.setdefault(quad.subject.value, set()).add(quad.predicate.value)
    return predicates


def uri(iri: str) -> str:
    """Return an IRI as a URI (RFC 3987, section 3.1)."""
    return quote(iri, safe="/:?#[]@!$&'()*+,;=%~")


@pytest.mark.parametrize(
    "iri",
    [
        IRIS.area("own", f"awkward.{OWN}"),
        IRIS.observation("awkward", OWN, "trygg-morker", "2023", "T", "T"),
        IRIS.observation("awkward", OWN, "trygg-morker", "2024", "F", "65+"),
        IRIS.observation("awkward", OWN, "arbetsloshet", "2023-Q4", "T", "T"),
        IRIS.observation("awkward", "0180C6070", "anmalda-brott", "2022-07-01/2023-06-30", "T", "T"),
        IRIS.period("2022-07-01/2023-06-30"),
        IRIS.age("65+"),
        IRIS.investment("awkward.i"),
    ],
)
def test_iris_that_need_escapes_are_dereferenced(client: FlaskClient, iri: str) -> None:
    assert iri in subjects(client, iri)
    page = client.get(uri(iri).removeprefix(BASE), headers=BROWSER, follow_redirects=True)
    assert (page.status_code, page.mimetype) == (200, "text/html")


def test_an_interval_has_the_number_of_its_observations(client: FlaskClient) -> None:
    iri = IRIS.period("2022-07-01/2023-06-30")
    assert NAMESPACES["void"] + "entities" in subjects(client, iri)[f"{IRIS.document(iri)}#observations"]


def test_an_escaped_slash_and_a_plain_one_are_the_same_code(client: FlaskClient) -> None:
    """Servers unescape the path before the app reads it, so both must name the one IRI."""
    iri = IRIS.area("own", f"awkward.{OWN}")
    assert "%2F" in iri
    escaped, unescaped = uri(iri), uri(iri).replace("%2F", "/")
    locations = {
        client.get(path.removeprefix(BASE), headers=TURTLE).headers["Location"] for path in (escaped, unescaped)
    }
    assert locations == {"/" + uri(IRIS.document(iri, "ttl")).removeprefix(BASE)}


def test_names_in_pages_are_escaped(client: FlaskClient) -> None:
    page = client.get("/doc/" + quote(f"area/own/awkward.{OWN}", safe="") + ".html", headers=BROWSER)
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_replaced_version_has_its_description_and_its_successor(client: FlaskClient) -> None:
    old, new = (IRIS.dataset("exempel-tre-kommuner", version) for version in (1, 2))
    predicates = subjects(client, old)
    assert {NAMESPACES["dcterms"] + "title", NAMESPACES["dcat"] + "distribution"} <= predicates[old]
    # What came after is said in the graph alone, since the release is older than that.
    assert NAMESPACES["dcat"] + "previousVersion" in predicates[new]
    assert NAMESPACES["dcat"] + "landingPage" in predicates[old]
    file = IRIS.distribution("exempel-tre-kommuner", 1, "observations.csv")
    assert NAMESPACES["dcat"] + "byteSize" in subjects(client, file)[file]
    page = client.get(old.removeprefix(BASE), headers=BROWSER)
    assert page.headers["Location"] == "/dataset/exempel-tre-kommuner/1"
    assert client.get(IRIS.dataset("exempel-tre-kommuner", 3).removeprefix(BASE)).status_code == 404


def test_entity_tags_depend_on_the_state_of_the_graph(app: Flask, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", base_iri=BASE)
    publish(SAMPLE / "exempel.xlsx", settings)
    site = create_app(settings)
    try:
        client = site.test_client()
        before = client.get("/doc/dataset/exempel-tre-kommuner.ttl")
        publish(corrected(tmp_path / "corrected"), settings)
        after = client.get("/doc/dataset/exempel-tre-kommuner.ttl", headers={"If-None-Match": before.headers["ETag"]})
        assert after.status_code == 200
        assert b'dcat:version "2"' in after.data
    finally:
        site.extensions["vaven"].close()


def test_a_withdrawn_version_is_410_with_a_link_to_its_tombstone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", base_iri=BASE)
    publish(SAMPLE / "exempel.xlsx", settings)
    publish(corrected(tmp_path / "corrected"), settings)
    publish(awkward_package(tmp_path), settings)
    app = create_app(settings)
    try:
        client = app.test_client()
        old = "/id/dataset/exempel-tre-kommuner/1"
        assert client.get(f"/doc{old[3:]}.ttl").status_code == 200
        withdraw(settings, "exempel-tre-kommuner", 1, reason="Fel fil")
        # The version is still spoken of, and what is said is why it is gone; its files are nothing any more.
        tombstone = client.get(client.get(old, headers=TURTLE).headers["Location"])
        assert (tombstone.status_code, "Fel fil" in tombstone.get_data(as_text=True)) == (200, True)
        assert client.get(old, headers=BROWSER, follow_redirects=True).status_code == 410
        gone = client.get(f"{old}/observations.csv")
        assert (gone.status_code, gone.mimetype) == (410, "application/problem+json")
        assert gone.get_json()["reason"] == "Fel fil"
        assert "Accept" in gone.headers["Vary"]
        assert gone.headers["Access-Control-Allow-Origin"] == "*"
        withdraw(settings, "awkward", reason="Tillbakadragen")
        for iri in (
            IRIS.observation("awkward", OWN, "trygg-morker", "2023", "T", "T"),
            IRIS.area("own", f"awkward.{OWN}"),
            IRIS.investment("awkward.i"),
        ):
            for headers in (TURTLE, BROWSER):
                assert client.get(uri(iri).removeprefix(BASE), headers=headers).status_code == 410, iri
        assert client.get("/dataset/awkward/1/observations.nt.zst").status_code == 410
        assert client.get("/id/observation/never-was/x/y/2023/T/T").status_code == 404
    finally:
        app.extensions["vaven"].close()


def test_without_a_release_the_site_is_unavailable(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, base_iri=BASE))
    try:
        response = app.test_client().get("/id/kpi/trygg-morker")
        assert (response.status_code, response.mimetype) == (503, "application/problem+json")
        assert app.test_client().get("/ns", headers=TURTLE).status_code == 200
    finally:
        app.extensions["vaven"].close()


def store_of(*triples: tuple[str, str, str]) -> Store:
    store = Store()
    graph = NamedNode("http://g.example/")
    store.bulk_extend(Quad(NamedNode(s), NamedNode(p), NamedNode(o), graph) for s, p, o in triples)
    return store


def test_a_resource_with_very_many_incoming_links_lists_some_and_counts_all() -> None:
    area, broader = IRIS.area("kommun", "0180"), NAMESPACES["skos"] + "broader"
    observed = NAMESPACES["sdmx-dimension"] + "refArea"
    inner = [(IRIS.area("deso2018", f"0180C{i:04}"), broader, area) for i in range(3 * EACH)]
    seen = [(f"{IRIS.observations}a/0180/k/{i}/T/T", observed, area) for i in range(3 * EACH)]
    description = gather(executor(store_of(*inner, *seen)), IRIS, area)
    assert description
    leading = [quad for quad in description.graph if quad.object == NamedNode(area)]
    assert len(leading) == EACH
    assert {quad.predicate.value for quad in leading} == {broader}
    assert description.cut_inverse == {broader: 3 * EACH}
    turtle = serialized(document(IRIS, description, "", None), "ttl", IRIS).decode("utf-8")
    assert f"{EACH} av {3 * EACH} resurser som hänvisar hit med skos:broader visas." in turtle


def test_a_resource_with_very_many_values_lists_some_of_each_property() -> None:
    """An example is an observation set, which cube.link links to each of its observations."""
    cube, member = f"{BASE}id/cube/a", NAMESPACES["cube"] + "observation"
    kind = (cube, NAMESPACES["rdf"] + "type", NAMESPACES["cube"] + "ObservationSet")
    members = [(cube, member, f"{IRIS.observations}a/{i}") for i in range(3 * LINKS)]
    description = gather(executor(store_of(kind, *members)), IRIS, cube)
    assert description
    own = [quad.predicate.value for quad in description.graph.quads_for_subject(NamedNode(cube))]
    assert own.count(member) == EACH
    assert own.count(kind[1]) == 1
    assert description.cut == (member,)
    assert f"De första {EACH} värdena av cube:observation visas" in serialized(
        document(IRIS, description, "", None), "ttl", IRIS
    ).decode("utf-8")


@pytest.mark.parametrize("many", [0, 3 * LINKS])
def test_a_fragment_s_resource_is_described_in_the_document_without_fragment(many: int) -> None:
    dataset, start = IRIS.dataset("a"), NAMESPACES["dcat"] + "startDate"
    period = IRIS.timespan(dataset)
    led = (dataset, NAMESPACES["dcterms"] + "temporal", period)
    members = [(dataset, NAMESPACES["dcterms"] + "hasPart", f"{BASE}id/x/{i}") for i in range(many)]
    description = gather(executor(store_of(led, (period, start, f"{BASE}id/day"), *members)), IRIS, dataset)
    assert description
    assert [quad.predicate.value for quad in description.graph.quads_for_subject(NamedNode(period))] == [start]


def test_a_resource_that_is_only_an_object_has_a_document() -> None:
    description = gather(
        executor(store_of((f"{BASE}id/a", NAMESPACES["dcat"] + "prev", f"{BASE}id/b"))), IRIS, f"{BASE}id/b"
    )
    assert description
    assert [quad.subject.value for quad in description.graph] == [f"{BASE}id/a"]
    assert gather(executor(store_of()), IRIS, f"{BASE}id/b") is None
