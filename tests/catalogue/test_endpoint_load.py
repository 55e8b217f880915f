"""The endpoint under load: compressed and repeated results, limits per client, pages beside endless queries."""

import gzip
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import zstandard

from tests.conftest import SAMPLE, Serving, Site, environment, free_port, vaven

JSON = "application/sparql-results+json"
ROWS = "SELECT * { ?s ?p ?o } ORDER BY ?s ?p ?o LIMIT 3000"
# Counting takes no memory, so only the deadline ends it.
COUNTLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(?a != <urn:NAME>) }"
FEW = 6
# Headers that differ between two equal responses.
SERVER_HEADERS = ("Date",)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that allows each client six queries a minute and four at a time, behind our proxy."""
    home, port = tmp_path_factory.mktemp("small"), free_port()
    limits = {"VAVEN_QUERY_SECONDS": "6", "VAVEN_QUERIES_A_MINUTE": str(FEW), "VAVEN_QUERIES_AT_ONCE": "4"}
    settings = environment(home, port, VAVEN_TRUSTED_PROXY="127.0.0.1", **limits)
    assert vaven("publish", SAMPLE / "exempel.xlsx", environment=settings).returncode == 0
    with Serving(home, port, settings) as site:
        yield site


def get(site: Site, query: str, **headers: str) -> requests.Response:
    headers_sent = {"Accept": JSON, "Accept-Encoding": "identity"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return requests.get(site.url + "sparql", params={"query": query}, headers=headers_sent, timeout=60)


def raw(site: Site, query: str, encoding: str) -> tuple[str, bytes]:
    """Return Content-Encoding and the bytes as received."""
    address = f"{site.url}sparql?{urllib.parse.urlencode({'query': query})}"
    request = urllib.request.Request(address, headers={"Accept": JSON, "Accept-Encoding": encoding})
    with urllib.request.urlopen(request, timeout=60) as response:
        body = response.read()
        assert int(response.headers["Content-Length"]) == len(body)
        assert "Accept-Encoding" in response.headers["Vary"]
        return response.headers.get("Content-Encoding", ""), body


def decompress(encoding: str, body: bytes) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body) if encoding == "gzip" else body


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, zstd;q=0.5", "gzip"),
        ("gzip;q=0, zstd;q=0", ""),
        ("br", ""),
        ("identity", ""),
        ("", ""),
    ],
)
def test_results_are_compressed_by_accept_encoding(whole_way: Site, accepted: str, expected: str) -> None:
    uncompressed = get(whole_way, ROWS).content
    assert len(uncompressed) > 200_000
    encoding, body = raw(whole_way, ROWS, accepted)
    assert encoding == expected
    assert decompress(encoding, body) == uncompressed
    assert not expected or len(body) < len(uncompressed) / 5


def test_every_format_is_compressed_to_the_same_content(whole_way: Site) -> None:
    graph = "CONSTRUCT { ?s ?p ?o } WHERE { { SELECT * { ?s ?p ?o FILTER(!isBlank(?s) && !isBlank(?o)) } LIMIT 500 } }"
    for query, kinds in (
        (ROWS, (JSON, "application/sparql-results+xml", "text/csv", "text/tab-separated-values")),
        (graph, ("text/turtle", "application/n-triples", "application/rdf+xml", "application/ld+json")),
    ):
        for kind in kinds:
            plain = get(whole_way, query, Accept=kind)
            compressed = get(whole_way, query, Accept=kind, Accept_Encoding="gzip")
            assert compressed.headers["Content-Encoding"] == "gzip"
            assert compressed.content == plain.content
            assert compressed.headers["ETag"] != plain.headers["ETag"]
            assert compressed.headers["Content-Type"] == plain.headers["Content-Type"]


def headers(response: requests.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in SERVER_HEADERS}


def test_a_repeated_request_gets_the_same_bytes_and_headers(whole_way: Site) -> None:
    # Results in memory and on disk; the first response is from the application, the others from the response cache.
    for query in ("SELECT ?s { ?s ?p ?o } LIMIT 7", ROWS.replace("3000", "2999")):
        for encoding in ("identity", "gzip"):
            first, *others = (get(whole_way, query, Accept_Encoding=encoding) for _ in range(3))
            assert {other.content for other in others} == {first.content}
            assert [headers(other) for other in others] == [headers(first)] * 2


def test_an_unchanged_result_is_304_with_and_without_the_response_cache(whole_way: Site) -> None:
    query = "SELECT ?s { ?s ?p ?o } LIMIT 8"
    address = whole_way.url + "sparql"
    posted = requests.post(address, data={"query": query}, headers={"Accept": JSON}, timeout=20)
    tag = posted.headers["ETag"]
    uncached = get(whole_way, query, If_None_Match=tag, Accept_Encoding="gzip")
    assert get(whole_way, query, Accept_Encoding="gzip").status_code == 200
    cached = get(whole_way, query, If_None_Match=tag, Accept_Encoding="gzip")
    for response in (uncached, cached):
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["ETag"] == tag
    assert headers(uncached) == headers(cached)
    for condition in (f'W/{tag}, "x"', "*"):
        assert get(whole_way, query, If_None_Match=condition, Accept_Encoding="gzip").status_code == 304
    assert get(whole_way, query, If_None_Match='"x"', Accept_Encoding="gzip").status_code == 200
    assert get(whole_way, query, If_None_Match=tag, Accept="text/csv").status_code == 200


def test_results_do_not_vary_by_language_or_cookie(whole_way: Site) -> None:
    for response in (
        get(whole_way, "ASK {}"),
        requests.get(whole_way.url + "sparql", timeout=9),
    ):
        assert {name.strip() for name in response.headers["Vary"].split(",")} == {"Accept", "Accept-Encoding"}
    # Pages and errors depend on the language.
    for response in (get(whole_way, "ASK {}", Accept="text/html"), get(whole_way, "ASK {")):
        assert "Accept-Language" in response.headers["Vary"]


def test_new_data_are_in_results_at_once(tmp_path: Path) -> None:
    port = free_port()
    settings = environment(tmp_path, port)
    assert vaven("publish", SAMPLE / "exempel.xlsx", environment=settings).returncode == 0
    count = "SELECT (COUNT(*) AS ?n) { ?s <http://www.w3.org/ns/dcat#version> ?v }"
    with Serving(tmp_path, port, settings) as site:
        before = [get(site, count) for _ in range(2)][1]
        assert site.run("publish", SAMPLE / "package", "--dataset", "another").returncode == 0
        after = get(site, count)
        assert after.content != before.content
        assert after.headers["ETag"] != before.headers["ETag"]
        assert get(site, count, If_None_Match=before.headers["ETag"]).content == after.content


def test_the_rate_limit_has_retry_after(small: Site) -> None:
    mine, yours = "192.0.2.1", "192.0.2.2"
    responses = [get(small, f"SELECT ({i} AS ?n) {{}}", X_Forwarded_For=mine) for i in range(FEW + 1)]
    assert [response.status_code for response in responses] == [200] * FEW + [429]
    refused = responses[-1]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    problem = refused.json()
    assert problem["type"].endswith("help/sparql-too-many")
    assert problem["remedy"]
    assert requests.get(problem["type"], timeout=9).status_code == 200
    # Cached results cost nothing, and are not counted.
    assert get(small, "SELECT (1 AS ?n) {}", X_Forwarded_For=mine).status_code == 200
    assert get(small, "SELECT (99 AS ?n) {}", X_Forwarded_For=yours).status_code == 200


def test_concurrent_queries_are_limited_per_client(small: Site) -> None:
    statuses: list[int] = []

    def endless(i: int) -> None:
        statuses.append(get(small, COUNTLESS.replace("NAME", str(i)), X_Forwarded_For="192.0.2.3").status_code)

    threads = [threading.Thread(target=endless, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert get(small, "SELECT (98 AS ?n) {}", X_Forwarded_For="2001:db8::1").status_code == 200
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [429, 429, 504, 504, 504, 504]


def test_addresses_of_one_ipv6_network_are_one_client(small: Site) -> None:
    responses = [get(small, f"SELECT (1{i} AS ?n) {{}}", X_Forwarded_For=f"2001:db8:1::{i}") for i in range(FEW + 1)]
    assert [response.status_code for response in responses] == [200] * FEW + [429]


def test_only_a_trusted_proxy_names_the_client(whole_way: Site) -> None:
    """Without a trusted proxy the header is ignored: a client can't forge its address."""
    assert get(whole_way, "ASK {}", X_Forwarded_For="192.0.2.9").status_code == 200


def test_pages_and_quick_queries_succeed_beside_eight_endless_clients(whole_way: Site) -> None:
    stop = threading.Event()
    statuses: list[int] = []

    def endless(i: int) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            statuses.append(get(whole_way, COUNTLESS.replace("NAME", f"{i}-{n}")).status_code)

    threads = [threading.Thread(target=endless, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    try:
        for i in range(3):
            assert get(whole_way, f"SELECT (COUNT(*) + {i} AS ?n) {{ ?s ?p ?o }}").status_code == 200
            page = requests.get(whole_way.url + "kpi/trygg-morker", timeout=20)
            assert page.status_code == 200
            resource = requests.get(
                whole_way.url + "id/kpi/trygg-morker", headers={"Accept": "text/turtle"}, timeout=20
            )
            assert (resource.status_code, len(resource.history)) == (200, 1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) <= {429, 503, 504}
    assert 504 in statuses


def test_a_slow_client_holds_no_thread(small: Site) -> None:
    """More clients than the server has threads; each has a large response under way and reads nothing."""
    import socket

    server = urllib.parse.urlsplit(small.url)
    big = "SELECT * { ?s ?p ?o . ?a ?b ?c } LIMIT 40000"
    assert len(get(small, big, X_Forwarded_For="192.0.2.7").content) > 10_000_000
    address = "/sparql?" + urllib.parse.urlencode({"query": big})
    readers = []
    try:
        for _ in range(100):
            reader = socket.create_connection((server.hostname, server.port))
            reader.sendall(f"GET {address} HTTP/1.1\r\nHost: {server.netloc}\r\nAccept: {JSON}\r\n\r\n".encode())
            readers.append(reader)
        time.sleep(1)
        assert get(small, "SELECT (97 AS ?n) {}", X_Forwarded_For="192.0.2.8").status_code == 200
        assert requests.get(small.url + "kpi/trygg-morker", timeout=20).status_code == 200
        reader = readers[0]
        reader.settimeout(20)
        assert b"200 OK" in reader.recv(65536)
    finally:
        for reader in readers:
            reader.close()


def test_errors_are_never_cached(whole_way: Site) -> None:
    for _ in range(2):
        response = get(whole_way, "SELECT")
        assert response.status_code == 400
        assert "ETag" not in response.headers
        assert json.loads(response.content)["line"] == 1
