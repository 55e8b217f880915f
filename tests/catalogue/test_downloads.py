"""Files over HTTP: ranges, conditions, digests; derived formats and the complete dump, created once."""

import base64
import gzip
import hashlib
import http.client
import io
import os
import subprocess
import sys
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from tests.catalogue.test_dereference import Client, Response
from tests.conftest import Site
from vaven.publisher.published.derivation import Recipe, Source, write
from vaven.publisher.published.derived_files import DerivedFiles
from vaven.publisher.published.derived_folder import make_room
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.iris import Iris

RELEASE_PATH = "dataset/exempel-tre-kommuner/1/"
CSV = RELEASE_PATH + "observations.csv"
DUMPS = ("dump.nq.zst", "dump.nq.gz", "dump.nt.zst", "dump.nt.gz")
EVERY_FILE = (
    CSV,
    RELEASE_PATH + "observations.nt.zst",
    RELEASE_PATH + "observations.nt.gz",
    RELEASE_PATH + "observations.ttl",
    *DUMPS,
)


@pytest.fixture(scope="module")
def client(whole_way: Site) -> Iterator[Client]:
    client = Client(whole_way)
    yield client
    client.close()


def unpacked(response: Response, name: str) -> bytes:
    if name.endswith(".gz"):
        return gzip.decompress(response.body)
    with pa.CompressedInputStream(io.BytesIO(response.body), "zstd") as file:
        return bytes(file.read())


def sha256(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@pytest.mark.parametrize("path", EVERY_FILE)
def test_a_file_is_served_with_its_length_digest_and_validators(client: Client, path: str) -> None:
    full = client.ask(path)
    assert full.status == 200
    assert int(full.headers["Content-Length"]) == len(full.body) > 1_000
    assert full.headers["Repr-Digest"] == full.headers["Content-Digest"] == sha256(full.body)
    assert full.headers["Accept-Ranges"] == "bytes"
    assert full.headers["Access-Control-Allow-Origin"] == "*"
    assert full.headers["ETag"].startswith('"')
    assert "attachment" in full.headers["Content-Disposition"]
    again = client.ask(path)
    assert (again.body, again.headers["Last-Modified"]) == (full.body, full.headers["Last-Modified"])


@pytest.mark.parametrize("path", [CSV, RELEASE_PATH + "observations.ttl", "dump.nt.zst"])
def test_head_has_the_headers_of_get(client: Client, path: str) -> None:
    got, head = client.ask(path), client.ask(path, "HEAD", Range="bytes=0-9")
    assert (head.status, head.body) == (200, b"")
    # Content-Digest is of the content, and a HEAD has none.
    varying = ("Date", "Content-Digest")
    expected = {k: v for k, v in got.headers.items() if k not in varying}
    assert {k: v for k, v in head.headers.items() if k not in varying} == expected


@pytest.mark.parametrize("path", [CSV, "dump.nq.zst"])
@pytest.mark.parametrize("byte_range", ["0-0", "0-99", "10-", "-7", "5-99999999", "64000-70000"])
def test_a_range_is_that_part_of_the_file(client: Client, path: str, byte_range: str) -> None:
    full = client.ask(path)
    size = len(full.body)
    first, last = byte_range.split("-")
    start = int(first) if first else size - int(last)
    end = min(int(last), size - 1) if first and last else size - 1
    part = client.ask(path, Range=f"bytes={byte_range}")
    assert part.status == 206
    assert part.body == full.body[start : end + 1]
    assert part.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
    assert int(part.headers["Content-Length"]) == len(part.body)
    assert part.headers["Repr-Digest"] == sha256(full.body)
    assert part.headers["ETag"] == full.headers["ETag"]
    assert "Content-Digest" not in part.headers


@pytest.mark.parametrize("byte_range", ["bytes=99999999-", "bytes=-0"])
def test_a_range_beyond_the_file_is_416_with_its_length(client: Client, byte_range: str) -> None:
    size = len(client.ask(CSV).body)
    response = client.ask(CSV, Range=byte_range)
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{size}"
    assert str(size) in str(response.problem()["detail"])


@pytest.mark.parametrize(
    "byte_range", ["bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=5-2", "bytes", "bytes=--1", "bytes=,"]
)
def test_an_ignored_range_returns_the_complete_file(client: Client, byte_range: str) -> None:
    """RFC 9110, section 14.2: other units must be ignored, several ranges may be, and an invalid range is ignored."""
    response = client.ask(CSV, Range=byte_range)
    assert response.status == 200
    assert response.body == client.ask(CSV).body


def test_if_range_resumes_only_the_same_file(client: Client) -> None:
    full = client.ask(CSV)
    tag, date = full.headers["ETag"], full.headers["Last-Modified"]
    for condition, status in (
        (tag, 206),
        (date, 206),
        ('"other"', 200),
        (f"W/{tag}", 200),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 200),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 200),
        ("not a date", 200),
    ):
        response = client.ask(CSV, Range="bytes=100-199", If_Range=condition)
        assert response.status == status, condition
        assert response.body == (full.body[100:200] if status == 206 else full.body), condition


def test_conditions_take_precedence_over_ranges(client: Client) -> None:
    tag, date = (client.ask(CSV).headers[name] for name in ("ETag", "Last-Modified"))
    assert client.ask(CSV, If_None_Match=tag, Range="bytes=0-9").status == 304
    assert client.ask(CSV, If_None_Match=f"W/{tag}").status == 304
    assert client.ask(CSV, If_Modified_Since=date).status == 304
    assert client.ask(CSV, If_Modified_Since="Mon, 01 Jan 2024 00:00:00 GMT").status == 200
    assert client.ask(CSV, If_Match='"other"', Range="bytes=0-9").status == 412
    assert client.ask(CSV, If_Match=tag, Range="bytes=0-9").status == 206
    unchanged = client.ask("dump.nt.gz", If_None_Match=client.ask("dump.nt.gz").headers["ETag"])
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_an_interrupted_download_is_resumed_by_curl(whole_way: Site, client: Client, tmp_path: Path) -> None:
    content = client.ask("dump.nq.gz").body
    target = tmp_path / "dump.nq.gz"
    target.write_bytes(content[:50_000])
    command = ["curl", "-sS", "--fail", "-C", "-", "-o", str(target), whole_way.url + "dump.nq.gz"]
    subprocess.run(command, check=True, timeout=60)
    assert target.read_bytes() == content


@pytest.mark.parametrize("name", ["observations.nt.gz", "observations.nt.zst"])
def test_compressed_observations_equal_the_uncompressed_ones(client: Client, name: str) -> None:
    plain = client.ask(RELEASE_PATH + "observations.nt").body
    assert unpacked(client.ask(RELEASE_PATH + name), name) == plain
    turtle = parse(client.ask(RELEASE_PATH + "observations.ttl").body, RdfFormat.TURTLE)
    assert {str(q) for q in turtle} == {str(q) for q in parse(plain, RdfFormat.N_TRIPLES)}


@pytest.mark.parametrize("name", DUMPS)
def test_the_dump_has_the_triples_of_the_endpoint(client: Client, name: str) -> None:
    """Numbers and times have the same lexical forms in both."""
    dumped = defaultdict[str, list[Quad]](list)
    for quad in parse(unpacked(client.ask(name), name), RdfFormat.N_QUADS if ".nq" in name else RdfFormat.N_TRIPLES):
        dumped[quad.graph_name.value if isinstance(quad.graph_name, NamedNode) else ""].append(quad)
    assert set(dumped) == (set(graphs_of(client)) if ".nq" in name else {""})
    for graph, quads in dumped.items():
        mine, where = triples(quads), f"GRAPH <{graph}> {{ ?s ?p ?o }}" if graph else "?s ?p ?o"
        held = triples(parse(construct(client, where), RdfFormat.N_TRIPLES))
        assert {t for t in mine if "_:" not in t} == {t for t in held if "_:" not in t}
        # The default graph has what two graphs say once, but the blank nodes of both.
        assert len(mine) == len(held)


def triples(quads: Iterable[Quad]) -> set[str]:
    return {f"{q.subject} {q.predicate} {q.object}" for q in quads}


def graphs_of(client: Client) -> list[str]:
    query = urllib.parse.urlencode({"query": "SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } }"})
    return client.ask(f"sparql?{query}", Accept="text/csv").body.decode("utf-8").split()[1:]


def construct(client: Client, where: str) -> bytes:
    query = urllib.parse.urlencode({"query": f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ {where} }}"})
    return client.ask(f"sparql?{query}", Accept="application/n-triples").body


def test_the_dump_is_served_at_its_minted_iri(client: Client) -> None:
    iris = Iris(client.base)
    assert {client.ask(iris.dump(name.partition(".")[2])).status for name in DUMPS} == {200}
    assert client.ask("dump.nq").status == 404


def test_only_the_latest_dump_is_stored(whole_way: Site, client: Client) -> None:
    client.ask("dump.nq.zst")
    assert len(list((whole_way.home / "made" / "dump.nq.zst").iterdir())) == 1


# Making files.


def recipe(folder: Path, name: str = "a.nt.zst", lines: int = 3) -> Recipe:
    source = folder / "source.nt"
    source.write_bytes(b"".join(b'<http://a/%d> <http://b/> "c .\\n d" .\n' % i for i in range(lines)))
    return Recipe(name, [Source(str(source), "http://g/")])


def test_concurrent_requests_create_a_file_once(tmp_path: Path) -> None:
    prepared: list[Path] = []

    def prepare(folder: Path) -> Recipe:
        prepared.append(folder)
        return recipe(folder)

    derived_files = DerivedFiles(tmp_path, 100)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: derived_files.get("a", "k", prepare, 60), range(8)))
    files = [f for f in results if f]
    # Three wait; the others are told to come back.
    assert len(files) >= 3
    assert len(prepared) == 1
    assert {f.sha256 for f in files} == {hashlib.sha256(files[0].path.read_bytes()).hexdigest()}
    assert derived_files.get("a", "k", prepare, 0) == files[0]
    assert DerivedFiles(tmp_path, 100).get("a", "k", prepare, 0) == files[0]
    gone_by = time.monotonic() + 10
    while list(tmp_path.glob(".inputs-*")):
        assert time.monotonic() < gone_by
        time.sleep(0.05)


def test_a_request_that_does_not_wait_returns_without_a_file(tmp_path: Path) -> None:
    derived_files = DerivedFiles(tmp_path, 100)
    assert derived_files.get("a", "k", recipe, 0) is None
    assert derived_files.get("a", "k", recipe, 60) is not None


def test_a_failed_file_is_an_error_and_tried_again(tmp_path: Path) -> None:
    derived_files = DerivedFiles(tmp_path, 100)

    def broken(folder: Path) -> Recipe:
        (folder / "x.nt").write_bytes(b"this is no triple .\n")
        return Recipe("a.ttl", [Source(str(folder / "x.nt"))])

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="could not be created"):
            derived_files.get("a", "k", broken, 60)
    assert derived_files.get("a", "k", recipe, 60) is not None
    assert not list(tmp_path.glob("*/.part-*"))


def test_a_new_dump_replaces_the_old_one(tmp_path: Path) -> None:
    derived_files = DerivedFiles(tmp_path, 100)
    for key in ("1", "2"):
        derived_files.get("a", key, lambda folder: Recipe("a.nt", recipe(folder).sources, replaces=True), 60)
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["2"]


def test_the_least_recently_used_files_are_deleted_when_the_limit_is_reached(tmp_path: Path) -> None:
    for i, name in enumerate("abc"):
        folder = tmp_path / name / "k"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 1_000)
        (folder / "made.json").write_text("{}")
        os.utime(folder / "made.json", (i, i))
    make_room(tmp_path, 2_500, tmp_path / "a" / "k")
    assert sorted(path.parent.name for path in tmp_path.glob("*/k")) == ["a", "c"]


def test_n_quads_have_the_graph_in_every_line_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaven.publisher.published.derivation.BLOCK", 7)
    write(recipe(tmp_path, "a.nq", lines=50), tmp_path / "a.nq")
    quads = list(parse((tmp_path / "a.nq").read_bytes(), RdfFormat.N_QUADS))
    assert len(quads) == 50
    assert {str(q.graph_name) for q in quads} == {"<http://g/>"}
    assert {str(q.object) for q in quads} == {'"c .\\n d"'}
    (tmp_path / "source.nt").write_bytes(b"<http://a/> <http://b/> <http://c/> .")
    write(Recipe("b.nq", [Source(str(tmp_path / "source.nt"), "http://g/")] * 2), tmp_path / "b.nq")
    assert len(list(parse((tmp_path / "b.nq").read_bytes(), RdfFormat.N_QUADS))) == 2


def test_a_server_that_ends_stops_the_creation_of_files(tmp_path: Path) -> None:
    """The creating process ends with the process that started it, and the next one starts from the beginning."""
    script = f"""
import time
from pathlib import Path
from vaven.publisher.published.derived_files import DerivedFiles
from tests.catalogue.test_downloads import recipe
DerivedFiles(Path({str(tmp_path)!r}), 100).get("a", "k", lambda folder: recipe(folder, "a.ttl", 3_000_000), 0)
while not list(Path({str(tmp_path)!r}).glob("a/.part-*")):
    time.sleep(0.01)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
    time.sleep(0.5)
    parts = list(tmp_path.glob("a/.part-*"))
    assert len(parts) == 1
    before = sum(p.stat().st_size for p in parts[0].iterdir())
    time.sleep(0.5)
    assert sum(p.stat().st_size for p in parts[0].iterdir()) == before
    assert DerivedFiles(tmp_path, 100).get("a", "k", recipe, 60) is not None
    assert not list(tmp_path.glob("a/.part-*"))


def test_a_connection_that_closes_early_leaves_no_open_file(whole_way: Site) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(whole_way.url).netloc, timeout=60)
    for _ in range(20):
        connection.request("HEAD", "/" + CSV)
        connection.getresponse().read()
    connection.request("GET", "/" + CSV)
    connection.getresponse().close()
    connection.close()
    response = Client(whole_way).ask(CSV)
    assert response.status == 200
