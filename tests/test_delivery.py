"""What every answer is given on its way out: open to scripts of other sites, packed, the same in every language."""

import gzip
from collections.abc import Iterator

import pytest
import zstandard
from flask.testing import FlaskClient

from tests.conftest import SAMPLE
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings

SLUG = "exempel-tre-kommuner"
DATA = (
    "/catalog.ttl",
    "/.well-known/void",
    "/dump.nt.gz",
    f"/dataset/{SLUG}/1/observations.csv",
    f"/dataset/{SLUG}/1/observations.nt",
    f"/dataset/{SLUG}/1/croissant.json",
    f"/dataset/{SLUG}/1/datapackage.json",
    "/kpi/trygg-morker.csv",
    "/doc/kpi/trygg-morker.ttl",
    "/ns",
    "/sparql",
    "/publications.json",
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(home=tmp_path_factory.mktemp("delivery") / "home", base_iri="https://data.example/")
    publish(SAMPLE / "exempel.xlsx", settings)
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


@pytest.mark.parametrize("path", [*DATA, f"/dataset/{SLUG}/9/observations.csv", "/kpi/finns-inte.csv", "/dump.zip"])
def test_a_script_of_another_site_may_read_data_and_errors(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Origin": "https://a.example", "Accept": "*/*"})
    assert answer.status_code in (200, 404, 503)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"ETag", "Link"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range, if-none-match"}
    preflight = client.options(path, headers={"Origin": "https://a.example", **asked})
    if path in DATA:
        assert preflight.status_code in (200, 204)
        assert {"Range", "If-None-Match"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
        assert "GET" in preflight.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("path", ["/catalog.ttl", "/.well-known/void", "/doc/kpi/trygg-morker.ttl", "/ns.ttl"])
def test_rdf_comes_packed_and_depends_on_no_language(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    assert "Accept-Encoding" in plain.vary
    assert not {"Cookie", "Accept-Language"} & set(plain.vary)
    for name, unpack in (("gzip", gzip.decompress), ("zstd", zstandard.ZstdDecompressor().decompressobj().decompress)):
        packed = client.get(path, headers={"Accept-Encoding": name})
        assert packed.headers["Content-Encoding"] == name
        assert sorted(unpack(packed.data).splitlines()) == sorted(plain.data.splitlines()) or "void" in path
        assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data)
        again = client.get(path, headers={"Accept-Encoding": name, "If-None-Match": packed.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "identity"}).headers


def test_a_page_is_kept_to_itself(client: FlaskClient) -> None:
    page = client.get("/validate", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "Access-Control-Allow-Origin" not in page.headers
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
