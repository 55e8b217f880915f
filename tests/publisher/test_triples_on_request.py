"""A release with many observations has no N-Triples: nothing names such a file, and its URL still answers."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest
from flask.testing import FlaskClient
from pyoxigraph import RdfFormat, Store, parse

from tests.conftest import SAMPLE
from tests.published_files import PublishedFiles
from vaven.catalogue.app import create_app
from vaven.publisher.ckan.dataset import dataset_of
from vaven.publisher.operations.loading import load_graphs
from vaven.publisher.publish import publish
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import STORED_TRIPLES_ROWS, Settings, load_settings

SLUG = "exempel-tre-kommuner"
PATH = f"/dataset/{SLUG}/1/"
TRIPLES = ("observations.nt.gz", "observations.nt.zst")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with N-Triples in its release."""
    settings = Settings(home=tmp_path_factory.mktemp("stored") / "home")
    publish(SAMPLE / "package", settings)
    return settings


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose release has more observations than N-Triples are stored of."""
    settings = Settings(home=tmp_path_factory.mktemp("generated") / "home", triples_rows=1)
    publish(SAMPLE / "package", settings)
    return settings


@pytest.fixture(scope="module")
def client(generated: Settings) -> Iterator[FlaskClient]:
    app = create_app(generated)
    try:
        yield app.test_client()
    finally:
        app.extensions["vaven"].close()


def released(settings: Settings) -> Path:
    return settings.home / "releases" / SLUG / "1"


def lines(body: bytes, name: str) -> set[bytes]:
    if name.endswith(".gz"):
        return set(gzip.decompress(body).splitlines())
    if name.endswith(".zst"):
        with pyarrow.CompressedInputStream(io.BytesIO(body), "zstd") as file:
            return set(bytes(file.read()).splitlines())
    return set(body.splitlines())


def test_the_limit_is_ten_million_observations_unless_it_is_set() -> None:
    assert load_settings({}, Path("no-file")).triples_rows == STORED_TRIPLES_ROWS == 10_000_000
    assert load_settings({"VAVEN_TRIPLES_ROWS": "5"}, Path("no-file")).triples_rows == 5


def test_a_release_above_the_limit_has_no_triples_and_its_metadata_and_ckan_name_none(
    stored: Settings, generated: Settings
) -> None:
    for settings, is_stored in ((stored, True), (generated, False)):
        folder = released(settings)
        assert all((folder / name).exists() == is_stored for name in TRIPLES)
        for name in ("metadata.ttl", "datapackage.json"):
            assert (".nt" in (folder / name).read_text("utf-8")) == (is_stored and name == "metadata.ttl"), name
        with Records(settings.database) as records:
            record = records.release(SLUG, 1)
        assert record
        names = {resource["file"] for resource in dataset_of(settings, record, [1]).resources}
        assert names.isdisjoint({*TRIPLES, "observations.ttl"}) != is_stored


def test_the_counts_of_triples_do_not_depend_on_stored_triples(stored: Settings, generated: Settings) -> None:
    statistics = []
    for settings in (stored, generated):
        with Records(settings.database) as records:
            record = records.release(SLUG, 1)
        assert record
        statistics.append(json.dumps(record.complete_manifest.statistics, sort_keys=True))
    assert statistics[0] == statistics[1]


def test_pages_and_void_name_no_triples_above_the_limit(client: FlaskClient) -> None:
    for path in (f"/dataset/{SLUG}", "/datasets", "/.well-known/void"):
        text = client.get(path).text
        for name in ("observations.nt", "observations.ttl", "dump.n"):
            assert name not in text, path


@pytest.mark.parametrize("name", [*TRIPLES, "observations.nt"])
def test_the_url_of_the_triples_still_answers(client: FlaskClient, stored: Settings, name: str) -> None:
    response = client.get(PATH + name)
    assert response.status_code == 200
    assert lines(response.data, name) == lines((released(stored) / TRIPLES[0]).read_bytes(), TRIPLES[0])


def test_other_formats_have_the_same_triples(client: FlaskClient, stored: Settings) -> None:
    stored_triples = gzip.decompress((released(stored) / TRIPLES[0]).read_bytes())
    expected = set(parse(stored_triples, RdfFormat.N_TRIPLES))
    response = client.get(PATH + "observations.ttl")
    assert set(parse(response.data, RdfFormat.TURTLE)) == expected


@pytest.mark.parametrize("name", ["dump.nq.zst", "dump.nt.gz"])
def test_the_dump_has_the_generated_triples_in_the_graph_of_their_dataset(
    client: FlaskClient, stored: Settings, generated: Settings, name: str
) -> None:
    dump = lines(client.get(f"/{name}").data, name)
    triples = lines((released(stored) / TRIPLES[0]).read_bytes(), TRIPLES[0])
    end = f" <{generated.iris.dataset(SLUG)}> .".encode() if ".nq" in name else b" ."
    assert {line.removesuffix(b" .") + end for line in triples} <= dump


def test_a_file_that_is_being_generated_is_announced_by_503(
    generated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaven.catalogue.harvest.downloads.WAIT_SECONDS", 0.0)
    app = create_app(generated)
    try:
        response = app.test_client().get(PATH + "observations.jsonld")
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
    finally:
        app.extensions["vaven"].close()


def test_a_store_of_triples_loads_generated_ones(tmp_path: Path, stored: Settings) -> None:
    """Loading is as for a remote one (tests/publisher/test_graph_stores.py)."""
    settings, store = Settings(home=tmp_path / "home", triples_rows=1), PublishedFiles()
    publish(SAMPLE / "package", settings)
    with Records(settings.database) as records:
        load_graphs(settings, records, store, {SLUG: 1}, "", ())
    triples = gzip.decompress((released(stored) / TRIPLES[0]).read_bytes())
    assert {quad.triple for quad in parse(triples, RdfFormat.N_TRIPLES)} <= {quad.triple for quad in store.quads}


def test_triples_that_are_written_later_are_the_same(
    stored: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while they are written, the release is visible, they are generated, and the next publication adds them."""
    monkeypatch.setattr("vaven.publisher.publish.TRIPLES_LATER_ROWS", 100)
    settings, steps = Settings(home=tmp_path / "home"), list[str]()

    def full(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("vaven.publisher.publish.emit", full)
        with pytest.raises(KeyboardInterrupt):
            publish(SAMPLE / "package", settings)
    assert not (released(settings) / TRIPLES[0]).exists()
    app = create_app(settings)
    try:
        for name in TRIPLES:
            response = app.test_client().get(PATH + name)
            assert response.status_code == 200
            assert lines(response.data, name) == lines((released(stored) / name).read_bytes(), name)
    finally:
        app.extensions["vaven"].close()
    publish(SAMPLE / "package", settings, progress=steps.append)
    assert steps.index("visible") < steps.index("triples") < steps.index("done")
    with Records(settings.database) as records:
        record = records.release(SLUG, 1)
    assert record
    names = [file.name for file in record.complete_manifest.files]
    assert names == sorted(names)
    assert set(TRIPLES) < set(names)
    for file in record.complete_manifest.files:
        content = (released(settings) / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
    for name in TRIPLES:
        assert lines((released(settings) / name).read_bytes(), name) == lines(
            (released(stored) / name).read_bytes(), name
        )
    metadata = Store()
    metadata.load(path=str(released(settings) / "metadata.ttl"), format=RdfFormat.TURTLE)
    node = f"<{settings.base_iri}dataset/{SLUG}/1/observations.nt.gz>"
    query = f"SELECT ?d ?size {{ ?d <http://www.w3.org/ns/dcat#downloadURL> {node}"
    query += " OPTIONAL { ?d <http://www.w3.org/ns/dcat#byteSize> ?size } }"
    (row,) = metadata.query(query)
    assert row["size"] is None
    steps.clear()
    publish(SAMPLE / "package", settings, progress=steps.append)
    assert "triples" not in steps
