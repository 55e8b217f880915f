"""Headers of every response: CORS, content codings, and RDF that does not vary by language."""

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
    response = client.get(path, headers={"Origin": "https://a.example", "Accept": "*/*"})
    assert response.status_code in (200, 404, 503)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert {"ETag", "Link"} <= set(response.headers["Access-Control-Expose-Headers"].split(", "))
    request_headers = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range, if-none-match"}
    preflight = client.options(path, headers={"Origin": "https://a.example", **request_headers})
    if path in DATA:
        assert preflight.status_code in (200, 204)
        assert {"Range", "If-None-Match"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
        assert "GET" in preflight.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("path", ["/catalog.ttl", "/.well-known/void", "/doc/kpi/trygg-morker.ttl", "/ns.ttl"])
def test_rdf_is_compressed_and_does_not_vary_by_language(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    assert "Accept-Encoding" in plain.vary
    assert not {"Cookie", "Accept-Language"} & set(plain.vary)
    for name, unpack in (("gzip", gzip.decompress), ("zstd", zstandard.ZstdDecompressor().decompressobj().decompress)):
        compressed = client.get(path, headers={"Accept-Encoding": name})
        assert compressed.headers["Content-Encoding"] == name
        assert sorted(unpack(compressed.data).splitlines()) == sorted(plain.data.splitlines()) or "void" in path
        assert int(compressed.headers["Content-Length"]) == len(compressed.data) < len(plain.data)
        again = client.get(path, headers={"Accept-Encoding": name, "If-None-Match": compressed.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "identity"}).headers


def test_a_page_allows_no_cross_origin_access(client: FlaskClient) -> None:
    page = client.get("/validate", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "Access-Control-Allow-Origin" not in page.headers
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_head_returns_the_headers_of_get(client: FlaskClient) -> None:
    for path in ("/catalog.ttl", "/doc/kpi/trygg-morker.ttl"):
        request_headers = {"Accept-Encoding": "gzip"}
        got, head = client.get(path, headers=request_headers), client.head(path, headers=request_headers)
        for name in ("ETag", "Content-Length", "Content-Encoding", "Vary"):
            assert head.headers[name] == got.headers[name], (path, name)


@pytest.mark.parametrize(
    ("query", "accept", "location"),
    [
        ("?profile=dcat-ap-se&page=1", "application/rdf+xml", "/catalog.rdf?profile=dcat-ap-se&page=1"),
        ("?format=rdf", "text/turtle", "/catalog.rdf"),
        ("?format=json-ld&page=1", "", "/catalog.jsonld?page=1"),
        ("", "*/*", "/catalog.ttl"),
        ("", "application/json", "/catalog.jsonld"),
        ("", "text/html,*/*;q=0.8", "/datasets"),
    ],
)
def test_the_catalogue_redirects_to_the_requested_format(
    client: FlaskClient, query: str, accept: str, location: str
) -> None:
    response = client.get(f"/catalog{query}", headers={"Accept": accept} if accept else {})
    assert (response.status_code, response.headers["Location"]) == (303, location)


@pytest.mark.parametrize("path", ["/.well-known/void", "/sparql", "/ns", "/ns/dcat-ap-se"])
def test_descriptions_are_selected_by_format_and_by_general_media_types(client: FlaskClient, path: str) -> None:
    for query, accept, kind in (
        ("?format=rdf", "text/turtle", "application/rdf+xml"),
        ("", "application/json", "application/ld+json"),
        ("", "application/xml", "application/rdf+xml"),
        ("", "*/*", "text/turtle"),
    ):
        response = client.get(path + query, headers={"Accept": accept})
        assert (response.status_code, response.mimetype) == (200, kind), (query, accept)
    assert client.get(path, headers={"Accept": "image/png"}).status_code == 406
