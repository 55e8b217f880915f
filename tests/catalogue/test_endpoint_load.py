"""The endpoint for many: packed and repeated answers, shares of each client, pages beside queries without an end."""

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
# Counting takes no memory, so that only the deadline ends it.
COUNTLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(?a != <urn:NAME>) }"
FEW = 6
# What differs between two sendings of the same.
BY_THE_SERVER = ("Date",)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that answers each client six queries a minute and four at a time, behind a proxy of ours."""
    home, port = tmp_path_factory.mktemp("small"), free_port()
    limits = {"VAVEN_QUERY_SECONDS": "6", "VAVEN_QUERIES_A_MINUTE": str(FEW), "VAVEN_QUERIES_AT_ONCE": "4"}
    settings = environment(home, port, VAVEN_TRUSTED_PROXY="127.0.0.1", **limits)
    assert vaven("publish", SAMPLE / "exempel.xlsx", environment=settings).returncode == 0
    with Serving(home, port, settings) as site:
        yield site


def get(site: Site, query: str, **headers: str) -> requests.Response:
    told = {"Accept": JSON, "Accept-Encoding": "identity"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return requests.get(site.url + "sparql", params={"query": query}, headers=told, timeout=60)


def raw(site: Site, query: str, encoding: str) -> tuple[str, bytes]:
    """Content-Encoding and the bytes as they come."""
    address = f"{site.url}sparql?{urllib.parse.urlencode({'query': query})}"
    request = urllib.request.Request(address, headers={"Accept": JSON, "Accept-Encoding": encoding})
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        assert int(answer.headers["Content-Length"]) == len(body)
        assert "Accept-Encoding" in answer.headers["Vary"]
        return answer.headers.get("Content-Encoding", ""), body


def unpack(encoding: str, body: bytes) -> bytes:
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
def test_answers_are_packed_as_the_client_likes(whole_way: Site, accepted: str, expected: str) -> None:
    whole = get(whole_way, ROWS).content
    assert len(whole) > 200_000
    encoding, body = raw(whole_way, ROWS, accepted)
    assert encoding == expected
    assert unpack(encoding, body) == whole
    assert not expected or len(body) < len(whole) / 5


def test_every_form_is_packed_to_the_same_content(whole_way: Site) -> None:
    graph = "CONSTRUCT { ?s ?p ?o } WHERE { { SELECT * { ?s ?p ?o FILTER(!isBlank(?s) && !isBlank(?o)) } LIMIT 500 } }"
    for query, kinds in (
        (ROWS, (JSON, "application/sparql-results+xml", "text/csv", "text/tab-separated-values")),
        (graph, ("text/turtle", "application/n-triples", "application/rdf+xml", "application/ld+json")),
    ):
        for kind in kinds:
            plain = get(whole_way, query, Accept=kind)
            packed = get(whole_way, query, Accept=kind, Accept_Encoding="gzip")
            assert packed.headers["Content-Encoding"] == "gzip"
            assert packed.content == plain.content
            assert packed.headers["ETag"] != plain.headers["ETag"]
            assert packed.headers["Content-Type"] == plain.headers["Content-Type"]


def headers(answer: requests.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in BY_THE_SERVER}


def test_a_repeated_request_gets_the_same_bytes_and_headers(whole_way: Site) -> None:
    # Answers in memory and on disk; the first goes through the application, the others take the shortcut.
    for query in ("SELECT ?s { ?s ?p ?o } LIMIT 7", ROWS.replace("3000", "2999")):
        for encoding in ("identity", "gzip"):
            first, *others = (get(whole_way, query, Accept_Encoding=encoding) for _ in range(3))
            assert {other.content for other in others} == {first.content}
            assert [headers(other) for other in others] == [headers(first)] * 2


def test_an_unchanged_answer_is_told_so_on_both_ways(whole_way: Site) -> None:
    query = "SELECT ?s { ?s ?p ?o } LIMIT 8"
    address = whole_way.url + "sparql"
    posted = requests.post(address, data={"query": query}, headers={"Accept": JSON}, timeout=20)
    tag = posted.headers["ETag"]
    long_way = get(whole_way, query, If_None_Match=tag, Accept_Encoding="gzip")
    assert get(whole_way, query, Accept_Encoding="gzip").status_code == 200
    short_way = get(whole_way, query, If_None_Match=tag, Accept_Encoding="gzip")
    for answer in (long_way, short_way):
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert headers(long_way) == headers(short_way)
    for told in (f'W/{tag}, "x"', "*"):
        assert get(whole_way, query, If_None_Match=told, Accept_Encoding="gzip").status_code == 304
    assert get(whole_way, query, If_None_Match='"x"', Accept_Encoding="gzip").status_code == 200
    assert get(whole_way, query, If_None_Match=tag, Accept="text/csv").status_code == 200


def test_data_varies_with_no_language_and_no_cookie(whole_way: Site) -> None:
    for answer in (
        get(whole_way, "ASK {}"),
        requests.get(whole_way.url + "sparql", timeout=9),
    ):
        assert {name.strip() for name in answer.headers["Vary"].split(",")} == {"Accept", "Accept-Encoding"}
    # Pages and errors are written for a reader.
    for answer in (get(whole_way, "ASK {}", Accept="text/html"), get(whole_way, "ASK {")):
        assert "Accept-Language" in answer.headers["Vary"]


def test_what_was_published_anew_is_answered_anew(tmp_path: Path) -> None:
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


def test_a_client_that_asks_too_often_is_told_when_to_come_back(small: Site) -> None:
    mine, yours = "192.0.2.1", "192.0.2.2"
    statuses = [get(small, f"SELECT ({i} AS ?n) {{}}", X_Forwarded_For=mine) for i in range(FEW + 1)]
    assert [answer.status_code for answer in statuses] == [200] * FEW + [429]
    refused = statuses[-1]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    problem = refused.json()
    assert problem["type"].endswith("help/sparql-too-many")
    assert problem["remedy"]
    assert requests.get(problem["type"], timeout=9).status_code == 200
    # What is kept costs nothing, and is not counted.
    assert get(small, "SELECT (1 AS ?n) {}", X_Forwarded_For=mine).status_code == 200
    assert get(small, "SELECT (99 AS ?n) {}", X_Forwarded_For=yours).status_code == 200


def test_one_client_has_so_many_queries_at_a_time_and_others_have_theirs(small: Site) -> None:
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
    answers = [get(small, f"SELECT (1{i} AS ?n) {{}}", X_Forwarded_For=f"2001:db8:1::{i}") for i in range(FEW + 1)]
    assert [answer.status_code for answer in answers] == [200] * FEW + [429]


def test_nobody_but_the_proxy_says_whom_a_request_is_from(whole_way: Site) -> None:
    """Without a trusted proxy the header is ignored: an address can't be made up."""
    assert get(whole_way, "ASK {}", X_Forwarded_For="192.0.2.9").status_code == 200


def test_pages_and_quick_queries_are_answered_beside_eight_clients_without_an_end(whole_way: Site) -> None:
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
            thing = requests.get(whole_way.url + "id/kpi/trygg-morker", headers={"Accept": "text/turtle"}, timeout=20)
            assert (thing.status_code, len(thing.history)) == (200, 1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) <= {429, 503, 504}
    assert 504 in statuses


def test_a_slow_reader_holds_no_thread(small: Site) -> None:
    """More of them than the server has threads; each has a large answer on its way and reads nothing."""
    import socket

    place = urllib.parse.urlsplit(small.url)
    big = "SELECT * { ?s ?p ?o . ?a ?b ?c } LIMIT 40000"
    assert len(get(small, big, X_Forwarded_For="192.0.2.7").content) > 10_000_000
    address = "/sparql?" + urllib.parse.urlencode({"query": big})
    readers = []
    try:
        for _ in range(100):
            reader = socket.create_connection((place.hostname, place.port))
            reader.sendall(f"GET {address} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept: {JSON}\r\n\r\n".encode())
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


def test_problems_are_never_kept(whole_way: Site) -> None:
    for _ in range(2):
        answer = get(whole_way, "SELECT")
        assert answer.status_code == 400
        assert "ETag" not in answer.headers
        assert json.loads(answer.content)["line"] == 1
