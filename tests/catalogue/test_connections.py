"""Connections of the real server: bodies that nobody wants, headers without end, and clients with many connections."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import requests

from tests.conftest import Serving, Site, environment, free_port
from vaven.catalogue.cli.connections import CLIENT_SHARE, LINGER_SECONDS
from vaven.catalogue.cli.server import HEADER_BYTES, MAX_FILES
from vaven.catalogue.sparql.cached_responses import MAX_KEY_CHARS, _key

SECONDS = 30
MANY = 500
HALF = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\nhalf"
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose uploads may have 1 MB."""
    home, port = tmp_path_factory.mktemp("connections"), free_port()
    with Serving(home, port, environment(home, port, VAVEN_UPLOAD_MB="1")) as serving:
        yield serving


def address(site: Site) -> tuple[str, int]:
    return "127.0.0.1", int(site.url.rstrip("/").rpartition(":")[2])


def connect(site: Site, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(address(site), timeout=SECONDS, source_address=(source, 0))


def response(site: Site, sent: bytes) -> bytes:
    """Return what the server answers to bytes, until it closes the connection."""
    with closing(connect(site)) as connection:
        connection.sendall(sent)
        received = b""
        while block := connection.recv(65536):
            received += block
        return received


def header(line: str, **fields: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"{line} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode()


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("POST /", 1), ("GET /datasets", 10), ("PUT /validate/x", 5 << 20), ("POST /datasets", 1 << 40),
        ("POST /validate", 3 << 20), ("POST /api/v1/validations", 3 << 20), ("POST /sparql", 5 << 20),
    ],
)  # fmt: skip
def test_a_body_that_the_route_does_not_take_is_refused_by_its_header(site: Site, line: str, size: int) -> None:
    for expect in ({}, {"Expect": "100-continue"}):
        started = time.monotonic()
        received = response(site, header(line, Content_Length=str(size), Accept_Language="sv", **expect))
        assert received.startswith(b"HTTP/1.1 413 ")
        assert "större än gränsen" in received.decode()
        assert time.monotonic() - started < SECONDS / 2


def test_a_chunked_body_is_refused_where_it_becomes_too_large(site: Site) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    received = response(site, header("POST /datasets", Transfer_Encoding="chunked") + chunk)
    assert received.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_a_large_file_at_once_reads_why_it_is_refused(site: Site) -> None:
    refused = requests.post(f"{site.url}validate", files={"file": ("a.csv", bytes(20 << 20))}, timeout=SECONDS)
    assert refused.status_code == 413
    assert "vaven validate" in refused.text


@pytest.mark.parametrize("sends_on", [False, True])
def test_a_refused_client_that_stays_is_closed(site: Site, sends_on: bool) -> None:
    with closing(connect(site)) as connection:
        connection.sendall(header("POST /datasets", Content_Length=str(1 << 40)))
        while connection.recv(65536):
            pass
        # The server has said all, and reads on for a moment.
        deadline = time.monotonic() + LINGER_SECONDS + 5
        while established(connection) and time.monotonic() < deadline:
            if sends_on:
                with suppress(OSError):
                    connection.sendall(b"a" * 1000)
            time.sleep(0.2)
        assert not established(connection)


def established(connection: socket.socket) -> bool:
    """Return whether a process has the other end open, by the table of the system (proc(5), net/tcp)."""
    port = f"{connection.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # An end that was closed and waits for late packets has no inode.
    return any(row[2].endswith(f":{port}") and row[9] != "0" for row in rows)


def test_what_a_route_takes_is_still_received(site: Site) -> None:
    query = {"query": "ASK {}", "padding": "x" * 100_000}
    # Nothing is published here.
    assert requests.post(f"{site.url}sparql", data=query, timeout=SECONDS).status_code == 503
    upload = {"file": ("a.csv", b"kpi;value\n" * 90_000)}
    assert requests.post(f"{site.url}validate", files=upload, timeout=SECONDS).status_code in (200, 202)


def test_a_header_without_end_is_refused(site: Site) -> None:
    assert response(site, header("GET /", Accept="a" * HEADER_BYTES)).split(b" ")[1] == b"431"


def test_half_sent_requests_of_one_client_do_not_keep_another_from_its_response(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(MANY):
            connection = stack.enter_context(closing(connect(site, "127.0.0.2")))
            connection.sendall(HALF)
        started = time.monotonic()
        assert requests.get(f"{site.url}kpis", timeout=SECONDS).status_code == 200
        assert time.monotonic() - started < SECONDS / 3


def test_one_client_has_a_share_of_the_connections(site: Site) -> None:
    most = MAX_FILES // 2 // CLIENT_SHARE
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(site, "127.0.0.3"))) for _ in range(most + 5)]
        connections[-1].settimeout(SECONDS)
        assert connections[-1].recv(1) == b""
        assert requests.get(f"{site.url}healthz", timeout=SECONDS).status_code == 200
        connections[0].sendall(header("GET /healthz", Connection="close"))
        assert connections[0].recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_cached_response_has_no_key_of_any_length(tmp_path: Path) -> None:
    request = {"PATH_INFO": "/sparql", "REQUEST_METHOD": "GET", "QUERY_STRING": "query=ASK%7B%7D"}
    assert _key(request)
    assert _key(request | {"HTTP_ACCEPT": "a" * MAX_KEY_CHARS}) is None
    assert _key(request | {"HTTP_ACCEPT_ENCODING": "a" * MAX_KEY_CHARS}) is None
