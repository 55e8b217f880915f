"""Pages are cached until a release is published, and sent compressed, or as 304 if unchanged."""

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import template_rendered
from flask.testing import FlaskClient

from tests.conftest import SAMPLE
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.catalogue.app import create_app, warm
from vaven.publisher.publish import publish
from vaven.publisher.rdf.compression import decompressor
from vaven.publisher.settings import Settings
from vaven.publisher.withdraw import withdraw
from vaven.vocab.areas import areas
from vaven.vocab.messages import messages

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
KPI = "/kpi/trygg-morker"
DATASET = "/dataset/exempel-tre-kommuner"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("kept"))
    publish(SAMPLE / "exempel.xlsx", settings)
    return settings


@pytest.fixture
def client(home: Settings) -> Iterator[FlaskClient]:
    app = create_app(home)
    yield app.test_client()
    app.extensions["vaven"].close()


@pytest.fixture
def renderings() -> Iterator[Callable[[], int]]:
    """Count the templates rendered so far."""
    count = 0

    def add(*_: object, **__: object) -> None:
        nonlocal count
        count += 1

    with template_rendered.connected_to(add):
        yield lambda: count


def test_after_warming_no_request_reads_files_or_compiles_templates(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a request had to read or compile what was to be there")

    messages.cache_clear()
    areas.cache_clear()
    app = create_app(home)
    try:
        warm(app)
        for target in (
            "vaven.publisher.published.collection.PublishedView",
            "vaven.vocab.messages.tomllib.loads",
            "csv.DictReader",
        ):
            monkeypatch.setattr(target, refused)
        monkeypatch.setattr(app.jinja_env, "compile", refused)
        client = app.test_client()
        for address in ("/", "/kpis", KPI, "/datasets", DATASET, "/areas", "/areas?q=rinkeby", "/sparql"):
            for language in ("sv", "en"):
                assert client.get(address, headers=BROWSER | {"Accept-Language": language}).status_code == 200, address
    finally:
        app.extensions["vaven"].close()


def test_a_page_is_rendered_once_for_each_url_and_language(client: FlaskClient, renderings: Callable[[], int]) -> None:
    first = client.get(KPI, headers=BROWSER)
    assert first.status_code == 200
    assert client.get(KPI, headers=BROWSER).data == first.data
    assert client.head(KPI, headers=BROWSER).headers["ETag"] == first.headers["ETag"]
    assert renderings() == 1
    english = client.get(KPI, headers=BROWSER | {"Accept-Language": "en"})
    assert english.headers["Content-Language"] == "en"
    assert b'lang="en"' in english.data
    assert client.get(f"{KPI}?area=0180C6070", headers=BROWSER).status_code == 200
    assert renderings() == 3
    assert {"Accept-Language", "Cookie", "Accept-Encoding"} <= set(first.vary)


def test_a_cached_page_sets_the_cookie_of_the_chosen_language(client: FlaskClient) -> None:
    for _ in range(2):
        chosen = client.get("/kpis?lang=en", headers=BROWSER)
        assert "lang=en" in chosen.headers["Set-Cookie"]
        client.delete_cookie("lang")
    assert "Set-Cookie" not in client.get("/kpis", headers=BROWSER).headers


@pytest.mark.parametrize("name", ["zstd", "gzip"])
def test_a_page_is_compressed(client: FlaskClient, name: str) -> None:
    plain = client.get(KPI, headers=BROWSER)
    for _ in range(2):
        compressed = client.get(KPI, headers=BROWSER | {"Accept-Encoding": name})
        assert compressed.headers["Content-Encoding"] == name
        assert decompressor(name, io.BytesIO(compressed.data)).read() == plain.data
        assert len(compressed.data) < len(plain.data) / 3
        assert compressed.headers["ETag"] != plain.headers["ETag"]
    assert gzip.decompress(client.get(KPI, headers=BROWSER | {"Accept-Encoding": "gzip;q=1, zstd;q=0"}).data)


def test_an_unchanged_page_is_304(client: FlaskClient) -> None:
    for headers in (BROWSER, BROWSER | {"Accept-Encoding": "gzip"}):
        tag = client.get(KPI, headers=headers).headers["ETag"]
        again = client.get(KPI, headers=headers | {"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert client.get(KPI, headers=headers | {"If-None-Match": '"other"'}).status_code == 200


def test_a_page_with_the_publication_status_is_rendered_each_time(
    client: FlaskClient, renderings: Callable[[], int]
) -> None:
    address = client.get("/datasets", headers=BROWSER).text.split('href="/dataset/')[1].split('"')[0]
    tags = {client.get(f"/dataset/{address}", headers=BROWSER).headers["ETag"] for _ in range(2)}
    assert (len(tags), renderings()) == (1, 3)


def test_a_missing_page_is_not_cached(client: FlaskClient) -> None:
    for _ in range(2):
        missing = client.get("/kpi/no-such-thing", headers=BROWSER)
        assert (missing.status_code, missing.headers.get("ETag")) == (404, None)


@pytest.mark.parametrize("room", [0, 1])
def test_cached_pages_stay_within_the_limit(home: Settings, room: int) -> None:
    app = create_app(Settings(home=home.home, page_cache_mb=room))
    client = app.test_client()
    for number in range(80):
        response = client.get(f"/kpis?n={number}", headers=BROWSER | {"Accept-Encoding": "gzip" if number % 2 else ""})
        assert response.status_code == 200
    held = app.extensions["vaven"].pages.used
    assert held <= room << 20
    assert bool(held) == bool(room)
    app.extensions["vaven"].close()


def test_a_release_and_a_withdrawal_are_visible_at_once(client: FlaskClient, home: Settings, tmp_path: Path) -> None:
    """The running site has cached the pages while another process publishes to its data folder."""
    before = {page: client.get(page, headers=BROWSER) for page in ("/", KPI, "/datasets")}
    other = tmp_path / "halsa.csv"
    other.write_text("neighbourhood;kpi;period;value\n0180C6070;trygg-morker;2023;77,7\n")
    publish(other, home, dataset="another", choices=LICENCE_AND_PUBLISHER)
    after = {page: client.get(page, headers=BROWSER) for page in before}
    assert all(after[page].headers["ETag"] != before[page].headers["ETag"] for page in before)
    assert client.get("/dataset/another", headers=BROWSER).status_code == 200
    withdraw(home, "another", reason="Fel fil.")
    assert client.get("/dataset/another", headers=BROWSER).status_code == 410
    assert client.get("/", headers=BROWSER).data == before["/"].data


def test_options_requests_get_the_allowed_methods_without_a_page(client: FlaskClient) -> None:
    client.get(KPI, headers=BROWSER)
    for address in (KPI, "/", "/help"):
        response = client.options(address)
        assert {"GET", "HEAD", "OPTIONS"} <= {name.strip() for name in response.headers["Allow"].split(",")}
        assert response.data == b""
