"""Withdrawn versions are no longer shown, and their withdrawal is stated, in pages, files, graph and feed."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyshacl
import pytest
from flask.testing import FlaskClient
from rdflib import DCTERMS, PROV, RDF, SH, Graph, Literal, Namespace, URIRef

from tests.conftest import ROOT, SAMPLE, vaven
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.catalogue.app import create_app
from vaven.publisher.graph.store import open_store
from vaven.publisher.publish import publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.errors import UnknownDataset, WrongUse
from vaven.vocab.iris import NAMESPACES
from vaven.vocab.shapes import swedish_profile

SLUG = "provet"
DCAT, ADMS = Namespace(NAMESPACES["dcat"]), Namespace(NAMESPACES["adms"])
WITHDRAWN = URIRef("http://publications.europa.eu/resource/authority/dataset-status/WITHDRAWN")
REASON = "Enkäten var från ett annat område."
HTML = {"Accept": "text/html"}
VIOLATION = (SH.resultSeverity, SH.Violation)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the sample and a dataset of three versions, each with its number as the only value."""
    folder = tmp_path_factory.mktemp("published")
    settings = Settings(home=folder / "home")
    publish(SAMPLE / "exempel.xlsx", settings)
    for version in (1, 2, 3):
        publish_value(settings, folder, version)
    return settings.home


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    return Settings(home=Path(shutil.copytree(published, tmp_path / "home")))


def publish_value(settings: Settings, folder: Path, value: int) -> int:
    path = folder / "provet.csv"
    path.write_text(f"neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,{value}\n")
    return publish(path, settings, choices=LICENCE_AND_PUBLISHER).version


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def value_in_graph(client: FlaskClient) -> list[str]:
    query = (
        "SELECT ?v { ?o <http://purl.org/linked-data/cube#dataSet> <http://127.0.0.1:8000/id/dataset/provet> ;"
        " <http://purl.org/linked-data/sdmx/2009/measure#obsValue> ?v }"
    )
    response = client.get("/sparql", query_string={"query": query, "format": "csv"})
    assert response.status_code == 200
    return response.text.split()[1:]


def described(client: FlaskClient, name: str) -> Graph:
    response = client.get(f"/doc/{name}.ttl")
    assert response.status_code == 200
    return Graph().parse(data=response.text, format="turtle")


def feed(client: FlaskClient) -> Graph:
    return Graph().parse(data=client.get("/catalog.ttl").text, format="turtle")


def test_withdrawing_an_older_version_does_not_change_the_current_one(settings: Settings, client: FlaskClient) -> None:
    assert withdraw(settings, SLUG, 1, reason=REASON).current == 3
    assert value_in_graph(client) == ["3"]
    assert client.get(f"/dataset/{SLUG}", headers=HTML).status_code == 200
    assert [v.version for v in Collection(settings).dataset(SLUG).versions] == [3, 2]


@pytest.mark.parametrize("path", ["", "/observations.csv", "/metadata.ttl", "/report.json", "/observations.nt.gz"])
def test_a_withdrawn_version_is_gone_with_the_reason(settings: Settings, client: FlaskClient, path: str) -> None:
    withdraw(settings, SLUG, 1, reason=REASON)
    for headers in (HTML, {"Accept": "*/*"}):
        response = client.get(f"/dataset/{SLUG}/1{path}", headers=headers)
        assert response.status_code == 410
        assert "Enkäten var från ett annat område" in response.text


def test_the_identifier_still_resolves_to_the_tombstone(settings: Settings, client: FlaskClient) -> None:
    withdraw(settings, SLUG, 1, reason=REASON)
    assert client.get(f"/id/dataset/{SLUG}/1", headers={"Accept": "text/turtle"}).status_code == 303
    tombstone, node = described(client, f"dataset/{SLUG}/1"), URIRef(settings.iris.dataset(SLUG, 1))
    assert tombstone.value(node, ADMS.status) == WITHDRAWN
    assert tombstone.value(node, PROV.invalidatedAtTime) is not None
    texts = {text.language: str(text) for text in tombstone.objects(node, DCTERMS.description)}
    assert set(texts) == {"sv", "en"}
    assert REASON in texts["sv"]
    assert (node, DCAT.distribution, None) not in tombstone


def test_the_previous_version_replaces_a_withdrawn_current_version(settings: Settings, client: FlaskClient) -> None:
    assert withdraw(settings, SLUG, 3, reason=REASON).current == 2
    assert value_in_graph(client) == ["2"]
    (series,) = [s for s in Collection(settings).series(kpi="trygg-morker") if s.dataset == SLUG]
    assert [p.value for p in series.points] == [2.0]
    dataset = URIRef(settings.iris.dataset(SLUG))
    current = feed(client)
    assert current.value(dataset, DCAT.version) == Literal("2")
    assert current.value(dataset, DCAT.hasCurrentVersion) == URIRef(settings.iris.dataset(SLUG, 2))
    page = client.get(f"/dataset/{SLUG}", headers=HTML).text
    assert REASON in page


def test_a_version_number_is_never_reused_and_the_same_content_may_be_published_again(
    settings: Settings, client: FlaskClient, tmp_path: Path
) -> None:
    withdraw(settings, SLUG, 3, reason=REASON)
    assert publish_value(settings, tmp_path, 2) == 2
    assert publish_value(settings, tmp_path, 3) == 4
    assert value_in_graph(client) == ["3"]
    assert client.get(f"/dataset/{SLUG}/3", headers=HTML).status_code == 410


def test_a_withdrawn_dataset_is_listed_nowhere(settings: Settings, client: FlaskClient) -> None:
    done = withdraw(settings, SLUG, reason=REASON)
    assert (done.versions, done.current) == ((1, 2, 3), None)
    assert value_in_graph(client) == []
    assert client.get(f"/dataset/{SLUG}", headers=HTML).status_code == 410
    assert SLUG not in client.get("/datasets", headers=HTML).text
    node = URIRef(settings.iris.dataset(SLUG))
    assert (node, None, None) not in feed(client)
    assert described(client, f"dataset/{SLUG}").value(node, ADMS.status) == WITHDRAWN
    assert [d.slug for d in Collection(settings).datasets()] == ["exempel-tre-kommuner"]
    assert client.get("/dataset/exempel-tre-kommuner", headers=HTML).status_code == 200


def test_a_withdrawn_dataset_can_be_published_again(settings: Settings, client: FlaskClient, tmp_path: Path) -> None:
    withdraw(settings, SLUG, reason=REASON)
    assert publish_value(settings, tmp_path, 9) == 4
    assert value_in_graph(client) == ["9"]
    assert (URIRef(settings.iris.dataset(SLUG)), RDF.type, DCAT.Dataset) in feed(client)
    assert (URIRef(settings.iris.dataset(SLUG)), ADMS.status, None) not in described(client, f"dataset/{SLUG}")


def test_older_versions_and_tombstones_conform_to_the_profiles_too(
    settings: Settings, client: FlaskClient, shared: Path
) -> None:
    """A validation of the endpoint's graphs has no violation, older versions included."""
    withdraw(settings, SLUG, 1, reason=REASON)
    withdraw(settings, "exempel-tre-kommuner", reason=REASON)
    graphs = (*settings.iris.shared_graphs, settings.iris.dataset(SLUG))
    where = " UNION ".join(f"{{ GRAPH <{graph}> {{ ?s ?p ?o }} }}" for graph in graphs)
    query = {"query": f"CONSTRUCT {{ ?s ?p ?o }} {{ {where} }}"}
    response = client.get("/sparql", query_string=query, headers={"Accept": "application/n-triples"})
    data = Graph().parse(data=response.text, format="nt")
    semic = Graph().parse(shared / "dcat-ap-3" / "3.0.1" / "html" / "shacl" / "shapes.ttl")
    for shapes in (swedish_profile(), semic):
        report = pyshacl.validate(data, shacl_graph=shapes)[1]
        # Oxigraph stores every integer type as xsd:integer, where DCAT requires xsd:nonNegativeInteger.
        paths = {report.value(r, SH.resultPath) for r in report.subjects(*VIOLATION)} - {DCAT.byteSize}
        assert paths == set()


def test_withdrawing_again_changes_nothing_not_even_the_reason(settings: Settings) -> None:
    withdraw(settings, SLUG, 1, reason=REASON)
    again = withdraw(settings, SLUG, 1, reason="Något annat")
    assert again.versions == ()
    with Records(settings.database) as records:
        (tombstone,) = records.withdrawals()
        assert tombstone.reason == REASON
        assert [s.step for s in records.steps(SLUG, 1)].count("withdrawn") == 1


@pytest.mark.parametrize("step", ["load", "checkpoint", "switch", "clean", "recorded"])
def test_a_withdrawal_killed_at_any_step_and_run_again_ends_in_the_same_state(settings: Settings, step: str) -> None:
    withdraw(settings, SLUG, 3, reason="Fel")
    driver = ROOT / "tests" / "publisher" / "withdraw_and_die.py"
    command = [sys.executable, str(driver), str(settings.home), SLUG, step]
    done = subprocess.run(command, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, f"the step {step} was never reached"
    # Readers in between see the old state or the new one.
    assert Collection(settings).dataset(SLUG).current.version in (1, 2)
    assert withdraw(settings, SLUG, 2, reason="Fel").current == 1
    assert open_store(settings).contents()[SLUG] == 1
    with Records(settings.database) as records:
        assert [w.version for w in records.withdrawals()] == [2, 3]
    collection = Collection(settings)
    assert [v.version for v in collection.dataset(SLUG).versions] == [1]


@pytest.mark.parametrize(
    ("dataset", "version", "reason", "error"),
    [
        ("nothing", None, "x", UnknownDataset),
        (SLUG, 7, "x", UnknownDataset),
        (SLUG, 1, "  ", WrongUse),
    ],
)
def test_an_unknown_version_and_an_empty_reason_are_refused(
    settings: Settings, dataset: str, version: int | None, reason: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        withdraw(settings, dataset, version, reason=reason)


def test_the_command_states_its_result_in_both_languages(settings: Settings) -> None:
    environment = {"VAVEN_HOME": str(settings.home), "PATH": "/usr/bin:/bin"}
    done = vaven("withdraw", SLUG, "3", "--reason", REASON, environment=environment)
    assert done.stdout == "Tillbakadragen: provet, version 3.\nAktuell version är nu 2.\n", done.stderr
    done = vaven("withdraw", SLUG, "3", "--reason", REASON, "--lang", "en", environment=environment)
    assert (done.returncode, done.stdout) == (0, "Withdrawn already.\n")
    done = vaven("withdraw", SLUG, "8", "--reason", REASON, environment=environment)
    assert done.returncode == 2
    assert "har ingen version 8" in done.stderr
