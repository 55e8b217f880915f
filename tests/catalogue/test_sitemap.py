"""The sitemap lists every page for readers, and no other."""

import re
import urllib.robotparser
import xml.etree.ElementTree as etree
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.conftest import SAMPLE
from vaven.catalogue.app import create_app
from vaven.catalogue.pages import sitemap
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings

NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}
BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(home=tmp_path_factory.mktemp("sitemap"))
    publish(SAMPLE / "exempel.xlsx", settings)
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def sitemap_entries(client: FlaskClient, base: str) -> list[etree.Element]:
    index = etree.fromstring(client.get("/sitemap.xml").data)
    assert index.tag == f"{{{NAMES['s']}}}sitemapindex"
    parts = [(loc.text or "").removeprefix(base) for loc in index.iterfind(".//s:loc", NAMES)]
    return [url for part in parts for url in etree.fromstring(client.get(f"/{part}").data).iterfind("s:url", NAMES)]


def paths(client: FlaskClient, language: str) -> dict[str, etree.Element]:
    """Return the pages in a language, by path without the language."""
    ending, base = f"?lang={language}", Settings().base_iri.rstrip("/")
    addresses = {url.findtext("s:loc", "", NAMES): url for url in sitemap_entries(client, base + "/")}
    return {at.removeprefix(base).removesuffix(ending): url for at, url in addresses.items() if at.endswith(ending)}


def test_every_listed_page_exists_in_both_languages(client: FlaskClient) -> None:
    base, urls = Settings().base_iri.rstrip("/"), paths(client, "sv")
    assert urls.keys() == paths(client, "en").keys()
    assert {"/", "/dataset/exempel-tre-kommuner", "/kpi/trygg-morker", "/area/deso2018/0180C6070"} <= urls.keys()
    for path, url in urls.items():
        links = {
            link.get("hreflang"): (link.get("href") or "").removeprefix(base) for link in url.iterfind("x:link", NAMES)
        }
        assert links == {"sv": f"{path}?lang=sv", "en": f"{path}?lang=en", "x-default": path}
        for language in ("sv", "en"):
            page = client.get(links[language], headers=BROWSER)
            assert (page.status_code, page.headers["Content-Language"]) == (200, language), path


def test_a_data_page_has_the_date_of_its_newest_release(client: FlaskClient) -> None:
    days = {path: url.findtext("s:lastmod", "", NAMES) for path, url in paths(client, "en").items()}
    assert date.fromisoformat(days["/dataset/exempel-tre-kommuner"]) == date.today()
    assert days["/about"] == ""


def test_every_linked_data_page_is_listed(client: FlaskClient) -> None:
    known = paths(client, "sv").keys()
    text = "\n".join(client.get(path, headers=BROWSER).text for path in known)
    links = re.findall(r'href="(/(?:area|kpi|dataset|investment|theme)/[^"?#]+)', text)
    pages = {link for link in links if not re.search(r"\.\w+$|/\d+(/|$)", link)}
    assert pages - known == set()


def test_pages_over_the_limit_of_a_file_are_split(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    total = len(sitemap_entries(client, Settings().base_iri))
    monkeypatch.setattr(sitemap, "MOST", 7)
    assert len(sitemap_entries(client, Settings().base_iri)) == total
    assert client.get("/sitemap-0.xml").status_code == client.get("/sitemap-99.xml").status_code == 404


def test_robots_are_excluded_from_pages_that_run_queries(client: FlaskClient) -> None:
    base = Settings().base_iri
    rules = urllib.robotparser.RobotFileParser()
    rules.parse(client.get("/robots.txt").text.splitlines())
    assert rules.site_maps() == [base + "sitemap.xml"]
    assert not rules.can_fetch("*", base + "sparql?query=ASK%7B%7D")
    assert not rules.can_fetch("*", base + "api/3/action/package_search")
    for path in ("", "sparql", "validate", "kpi/trygg-morker", "dataset/exempel-tre-kommuner"):
        assert rules.can_fetch("*", base + path)


def test_an_empty_site_lists_its_own_pages(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path))
    assert len(sitemap_entries(app.test_client(), Settings().base_iri)) >= len(sitemap.TOP)
    app.extensions["vaven"].close()
