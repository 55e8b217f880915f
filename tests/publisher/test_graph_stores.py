"""Guarantees of every graph store: the embedded one, and the servers Virtuoso, Oxigraph and Fuseki."""

import csv
import gzip
import io
import itertools
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pyarrow
import pytest
from pyoxigraph import QueryBoolean, QueryResultsFormat, RdfFormat, parse, parse_query_results

from tests.conftest import SAMPLE
from tests.servers.graph import KINDS, GraphServer
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.engine.open import open_engine
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.engine.remote import RESULTS, RemoteEngine
from vaven.publisher.engine.worker import GRAPHS
from vaven.publisher.graph import remote_store
from vaven.publisher.graph.remote_store import RemoteStore
from vaven.publisher.graph.sparql_client import Addresses, Login, RemoteServer, addresses
from vaven.publisher.graph.store import EmbeddedStore, GraphStore
from vaven.publisher.publish import publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.settings import Settings
from vaven.vocab.errors import AnswerTooLarge, StoreUnavailable
from vaven.vocab.iris import Iris

VALUES_BY_GRAPH = "SELECT ?g ?o { GRAPH ?g { ?s ?p ?o } }"
UNION = "SELECT DISTINCT ?o { ?s ?p ?o }"
# No numbers: servers return their own lexical forms, such as 40.3 for 40.30.
VALUES = '"åäö 🌍"', '"a \\"quoted\\" \\\\ line\\nand another"', '"på svenska"@sv', "<http://example.org/ö>", '""'
numbers = itertools.count()


class Killed(BaseException):
    """The end of the writing process, as the store sees it."""


@dataclass
class StoreUnderTest:
    """An empty graph store, as its writer and its readers use it.

    `base` is the prefix of its graphs' IRIs; `server` is None for the embedded store.
    """

    base: str
    folder: Path
    server: GraphServer | None

    def store(self, step: Callable[[str], None] = lambda _: None) -> GraphStore:
        if self.server is None:
            return EmbeddedStore(self.folder, Iris("http://example.org/"), step)
        return RemoteStore(remote(self.server), self.base + "state", step)

    def engine(self) -> QueryEngine:
        if self.server is None:
            return EmbeddedEngine(self.folder, iris=Iris("http://example.org/"), workers=1, seconds=60)
        published = RemoteStore(remote(self.server), self.base + "state")
        return RemoteEngine(self.server.query, 60, published_graphs=published.published)

    def rows(self, query: str) -> list[dict[str, str]]:
        engine = self.engine()
        try:
            result = engine.query(query, media_type="text/csv")
            return list(csv.DictReader(io.StringIO(result.file.read().decode())))
        finally:
            engine.close()

    def values(self) -> dict[str, list[str]]:
        """Return the values of each graph, by the last segment of its IRI."""
        graphs: dict[str, list[str]] = {}
        for row in self.rows(VALUES_BY_GRAPH):
            graphs.setdefault(row["g"].rsplit("/", 1)[1], []).append(row["o"])
        return {name: sorted(values) for name, values in graphs.items()}

    def replace(self, version: int, /, **graphs: Sequence[Path]) -> str:
        named = {self.base + name: paths for name, paths in graphs.items()}
        return self.store().replace(named, contents={"a-dataset": version})


def remote(server: GraphServer, login: Login | None = None, **seconds: float) -> RemoteServer:
    login = login or Login(server.user, server.password)
    return RemoteServer(Addresses(server.query, server.update, server.graph, login), **seconds)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, GraphServer]]:
    """Each kind of server, started when a test first needs it."""
    started: dict[str, GraphServer] = {}

    class Started(dict[str, GraphServer]):
        def __missing__(self, kind: str) -> GraphServer:
            self[kind] = started[kind] = KINDS[kind](tmp_path_factory.mktemp(kind))
            return self[kind]

    yield Started()
    for server in started.values():
        server.stop()


@pytest.fixture(params=["embedded", *KINDS])
def tested(request: pytest.FixtureRequest, servers: Mapping[str, GraphServer], tmp_path: Path) -> StoreUnderTest:
    server = None if request.param == "embedded" else servers[request.param]
    return StoreUnderTest(f"http://example.org/{next(numbers)}/", tmp_path / "graph", server)


@pytest.fixture(params=KINDS)
def remote_tested(request: pytest.FixtureRequest, servers: Mapping[str, GraphServer], tmp_path: Path) -> StoreUnderTest:
    """An empty graph store on a server."""
    return StoreUnderTest(f"http://example.org/{next(numbers)}/", tmp_path / "graph", servers[request.param])


def triples(path: Path, *values: str | int) -> Path:
    """Write a file with one triple for each value, compressed by its suffix."""
    text = "".join(f'<http://example.org/s/{value}> <http://example.org/p> "{value}" .\n' for value in values).encode()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text))
    elif path.suffix == ".zst":
        with pyarrow.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(text)
    else:
        path.write_bytes(text)
    return path


def test_a_graph_has_exactly_the_triples_of_its_files_in_any_compression(
    tested: StoreUnderTest, tmp_path: Path
) -> None:
    turtle = tmp_path / "turtle.ttl"
    turtle.write_text("@prefix : <http://example.org/> . :s :p 'turtle', 'more' .", encoding="utf-8")
    turtle_gz = tmp_path / "compressed.ttl.gz"
    turtle_gz.write_bytes(gzip.compress(b"@prefix : <http://example.org/> . :s :p 'turtle.gz' ."))
    plain, gz = triples(tmp_path / "a.nt", "plain"), triples(tmp_path / "b.nt.gz", "gz")
    zst = triples(tmp_path / "c.nt.zst", "zst")
    tested.replace(1, one=[plain, gz, zst, turtle, turtle_gz], two=[plain])
    assert tested.values() == {"one": ["gz", "more", "plain", "turtle", "turtle.gz", "zst"], "two": ["plain"]}
    tested.replace(2, one=[zst])
    assert tested.values() == {"one": ["zst"], "two": ["plain"]}
    tested.replace(3, one=[])
    assert tested.values() == {"two": ["plain"]}
    tested.replace(4, two=[triples(tmp_path / "empty.nt")])
    assert tested.values() == {}


def test_loading_the_same_files_again_changes_nothing(tested: StoreUnderTest, tmp_path: Path) -> None:
    files = [triples(tmp_path / "a.nt", 1, 2), triples(tmp_path / "b.nt", 2, 3)]
    for _ in range(2):
        tested.replace(1, one=files)
        assert tested.values() == {"one": ["1", "2", "3"]}
        assert tested.store().contents() == {"a-dataset": 1}


def test_the_store_states_the_contents_that_readers_see(tested: StoreUnderTest, tmp_path: Path) -> None:
    assert tested.store().contents() == {}
    names = set()
    for version in (1, 2):
        names.add(tested.replace(version, one=[triples(tmp_path / "a.nt", version)]))
        assert tested.store().contents() == {"a-dataset": version}
    assert len(names) == 2
    tested.store().replace({}, contents={"a-dataset": 2, "ö-ett": 1})
    assert tested.store().contents() == {"a-dataset": 2, "ö-ett": 1}
    assert tested.values() == {"one": ["2"]}


def test_literals_of_every_kind_arrive_unchanged(tested: StoreUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "a.nt"
    lines = (f"<http://example.org/å> <http://example.org/p> {value} .\n" for value in VALUES)
    file.write_text("".join(lines), encoding="utf-8")
    tested.replace(1, one=[file])
    engine = tested.engine()
    result = engine.query("CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }", media_type="application/n-triples")
    objects = {str(triple.object) for triple in parse(result.file.read(), RdfFormat.N_TRIPLES)}
    engine.close()
    assert objects == {*VALUES}


def test_blank_nodes_of_two_graphs_or_files_remain_distinct(tested: StoreUnderTest, tmp_path: Path) -> None:
    for name in ("a.nt", "b.nt"):
        (tmp_path / name).write_text(f'_:x <http://example.org/p> "{name}" .\n_:x <http://example.org/q> "{name}" .\n')
    tested.replace(1, one=[tmp_path / "a.nt", tmp_path / "b.nt"], two=[tmp_path / "a.nt"])
    (row,) = tested.rows("SELECT (COUNT(DISTINCT ?s) AS ?n) { GRAPH ?g { ?s ?p ?o } }")
    assert row["n"] == "3"


def test_the_default_graph_is_the_union_of_the_published_ones(tested: StoreUnderTest, tmp_path: Path) -> None:
    one, two = triples(tmp_path / "a.nt", 1, 2), triples(tmp_path / "b.nt", 2, 3)
    tested.replace(1, one=[one], two=[two])
    assert sorted(row["o"] for row in tested.rows(UNION)) == ["1", "2", "3"]
    from_one = UNION.replace("{", f"FROM <{tested.base}one> {{")
    assert sorted(row["o"] for row in tested.rows(from_one)) == ["1", "2"]


@pytest.mark.parametrize("name", ["bad.nt", "bad.nt.gz", "cut.nt.gz", "damaged.nt.zst", "bad.ttl", "missing.nt"])
def test_a_file_that_cannot_be_loaded_changes_nothing_and_the_next_load_succeeds(
    tested: StoreUnderTest, tmp_path: Path, name: str
) -> None:
    good = triples(tmp_path / "good.nt", "good")
    tested.replace(1, one=[good], two=[good])
    half = b'<http://example.org/s> <http://example.org/p> "half" .\nno triple\n'
    (tmp_path / "bad.nt").write_bytes(half)
    (tmp_path / "bad.ttl").write_bytes(half)
    (tmp_path / "bad.nt.gz").write_bytes(gzip.compress(half))
    (tmp_path / "cut.nt.gz").write_bytes(triples(tmp_path / "x.nt.gz", *range(50_000)).read_bytes()[:20_000])
    damaged = bytearray(triples(tmp_path / "x.nt.zst", *range(50_000)).read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 50] = bytes(50)
    (tmp_path / "damaged.nt.zst").write_bytes(damaged)
    with pytest.raises(StoreUnavailable) as refused:
        tested.replace(2, one=[good, tmp_path / name])
    assert refused.value.remedy("en")
    assert tested.values() == {"one": ["good"], "two": ["good"]}
    assert tested.store().contents() == {"a-dataset": 1}
    tested.replace(2, two=[triples(tmp_path / "new.nt", "new")])
    assert tested.values() == {"one": ["good"], "two": ["new"]}


def test_a_large_file_is_sent_in_parts_and_each_triple_arrives_once(
    tested: StoreUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_store, "PART_BYTES", 50_000)
    count = "SELECT (COUNT(*) AS ?n) (COUNT(DISTINCT ?o) AS ?m) { GRAPH ?g { ?s ?p ?o } }"
    for version, values in enumerate((range(4000), range(3000, 7000), range(4000)), start=1):
        file = triples(tmp_path / "large.nt.gz", *values)
        assert len(gzip.decompress(file.read_bytes())) > 4 * 50_000
        tested.replace(version, one=[file])
        assert tested.rows(count) == [{"n": "4000", "m": "4000"}]
    blank = tmp_path / "blank.nt"
    blank.write_text("".join(f'_:same <http://example.org/p> "{i}" .\n' for i in range(4000)))
    tested.replace(9, one=[blank])
    assert tested.rows("SELECT (COUNT(DISTINCT ?s) AS ?n) { GRAPH ?g { ?s ?p ?o } }") == [{"n": "1"}]


def test_readers_see_one_release_or_the_next(tested: StoreUnderTest, tmp_path: Path) -> None:
    """Both graphs have one number for each release; a result with two numbers, or none, would be half a change."""
    releases = [triples(tmp_path / f"{i}.nt", *[f"{i}-{n}" for n in range(300)]) for i in range(6)]
    tested.replace(0, one=[releases[0]], two=[releases[0]])
    seen: list[list[str]] = []
    is_done = threading.Event()

    def read() -> None:
        engine = tested.engine()
        query = "SELECT ?v (COUNT(*) AS ?n) { ?s ?p ?o BIND (STRBEFORE(?o, '-') AS ?v) } GROUP BY ?v"
        while not is_done.is_set():
            seen.append(engine.query(query, media_type="text/csv").file.read().decode().replace('"', "").split()[1:])
        engine.close()

    reader = threading.Thread(target=read)
    reader.start()
    for version, file in enumerate(releases):
        tested.replace(version, one=[file], two=[file])
        answered, deadline = len(seen), time.monotonic() + 60
        while len(seen) == answered and time.monotonic() < deadline:
            time.sleep(0.01)
    is_done.set()
    reader.join()
    assert {len(lines) for lines in seen} == {1}
    assert {lines[0].split(",")[1] for lines in seen} <= {"300", "600"}
    assert len({lines[0] for lines in seen}) > 1


@pytest.mark.parametrize("fatal", ["load", "switch", "clean"])
def test_a_writer_killed_at_any_step_leaves_old_or_new_content_and_the_next_run_completes(
    remote_tested: StoreUnderTest, tmp_path: Path, fatal: str
) -> None:
    old, new = triples(tmp_path / "old.nt", "old"), triples(tmp_path / "new.nt", "new")
    remote_tested.replace(1, one=[old], two=[old])
    with pytest.raises(Killed):
        remote_tested.store(killed_at(fatal)).replace(
            {remote_tested.base + "one": [new], remote_tested.base + "two": [new]}, contents={"a-dataset": 2}
        )
    state = "new" if fatal == "clean" else "old"
    assert remote_tested.values() == {"one": [state], "two": [state]}
    assert remote_tested.store().contents() == {"a-dataset": 2 if fatal == "clean" else 1}
    remote_tested.replace(2, one=[new], two=[new])
    assert remote_tested.values() == {"one": ["new"], "two": ["new"]}
    assert remaining_graphs(remote_tested) == set()


def remaining_graphs(tested: StoreUnderTest) -> set[str]:
    """Return the names of staging and foreign graphs on a server."""
    assert tested.server
    server, names = remote(tested.server), ("state/staged/0", "state/staged/1", "foreign")
    # One by one: listing all graphs takes Virtuoso longer than the deadline of a query.
    count = "SELECT (COUNT(*) AS ?n) {{ GRAPH <{}> {{ ?s ?p ?o }} }}"
    return {name for name in names if server.select(count.format(tested.base + name))[0]["n"] != "0"}


@pytest.mark.parametrize("fatal", ["load", "switch", "clean"])
def test_a_server_killed_at_any_step_and_restarted_ends_in_the_same_state(
    remote_tested: StoreUnderTest, tmp_path: Path, fatal: str
) -> None:
    server = remote_tested.server
    assert server

    def step(name: str) -> None:
        if name == fatal:
            server.kill()

    old, new = triples(tmp_path / "old.nt", *range(100)), triples(tmp_path / "new.nt", *range(50, 200))
    remote_tested.replace(1, one=[old])
    with pytest.raises(StoreUnavailable):
        remote_tested.store(step).replace({remote_tested.base + "one": [new]}, contents={"a-dataset": 2})
    server.start()
    version = remote_tested.store().contents()["a-dataset"]
    assert len(remote_tested.values()["one"]) == {1: 100, 2: 150}[version]
    remote_tested.replace(2, one=[new])
    assert len(remote_tested.values()["one"]) == 150
    assert remaining_graphs(remote_tested) == set()


def test_foreign_graphs_on_the_server_are_not_shown_and_not_changed(
    remote_tested: StoreUnderTest, tmp_path: Path
) -> None:
    assert remote_tested.server
    foreign = f"{remote_tested.base}foreign"
    remote(remote_tested.server).put(foreign, triples(tmp_path / "a.nt", "foreign"), "application/n-triples")
    remote_tested.replace(1, one=[triples(tmp_path / "b.nt", "ours")])
    assert [row["o"] for row in remote_tested.rows(UNION)] == ["ours"]
    assert remote_tested.values() == {"one": ["ours"]}
    assert remaining_graphs(remote_tested) == {"foreign"}


def test_every_media_type_of_results_can_be_read(tested: StoreUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "a.ttl"
    # No booleans: Virtuoso stores them as the integers 1 and 0.
    file.write_text("@prefix : <http://example.org/> . :s :p 'å'@sv, 1.5, 7, :o, 'text' .", encoding="utf-8")
    tested.replace(1, one=[file])
    engine = tested.engine()
    for media_type, form in RESULTS.items():
        result = engine.query("SELECT ?o { ?s ?p ?o }", media_type=media_type)
        assert (result.media_type, len(result.file.read().splitlines()) >= 1) == (media_type, True)
        result.file.seek(0)
        if form != QueryResultsFormat.CSV:
            rows = list(parse_query_results(result.file, form))
            assert {row["o"].value for row in rows} == {"å", "1.5", "7", "http://example.org/o", "text"}
        for query, value in (("ASK { ?s ?p ?o }", True), ("ASK { ?s ?p 'no' }", False)):
            result = engine.query(query, media_type=media_type)
            assert result.media_type == media_type
            if form in (QueryResultsFormat.CSV, QueryResultsFormat.TSV):
                assert result.file.read().decode().strip() == str(value).lower()
            else:
                boolean = parse_query_results(result.file, form)
                assert isinstance(boolean, QueryBoolean)
                assert bool(boolean) is value
    for media_type, graph_form in GRAPHS.items():
        for query in ("CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }", "DESCRIBE <http://example.org/s>"):
            result = engine.query(query, media_type=media_type)
            objects = {triple.object.value for triple in parse(result.file.read(), graph_form)}
            assert (result.media_type, len(objects)) == (media_type, 5), (media_type, query, objects)
    typed = json.loads(engine.query("SELECT ?o { ?s ?p ?o }", media_type="application/sparql-results+json").file.read())
    assert {row["o"]["type"] for row in typed["results"]["bindings"]} == {"literal", "uri"}
    engine.close()


def test_a_truncated_result_of_the_server_is_an_error(remote_tested: StoreUnderTest, tmp_path: Path) -> None:
    """Virtuoso returns only the first rows, with status 200 and a header that states it."""
    remote_tested.replace(1, one=[triples(tmp_path / "a.nt", *range(80))])
    query = "SELECT ?o ?q { ?s ?p ?o . ?t ?p ?q }"
    if remote_tested.server and remote_tested.server.kind == "virtuoso":
        with pytest.raises(AnswerTooLarge, match="5000"):
            remote_tested.rows(query)
    else:
        assert len(remote_tested.rows(query)) == 80 * 80


@pytest.mark.parametrize("login", [Login(), Login("dba", "wrong secret"), Login("nobody", "wrong secret")])
def test_a_wrong_login_is_reported_without_the_password(
    servers: Mapping[str, GraphServer], tmp_path: Path, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = triples(tmp_path / "a.nt", 1)
    for kind in ("virtuoso", "fuseki"):
        server = servers[kind]
        store = RemoteStore(remote(server, login), "http://example.org/login/state")
        with pytest.raises(StoreUnavailable, match="401") as refused:
            store.replace({"http://example.org/login/one": [file]}, contents={})
        assert "VAVEN_SPARQL_USER" in refused.value.remedy("en")
        assert "wrong secret" not in f"{refused.value}{refused.value.__cause__!r}{login!r}{caplog.text}"
        with pytest.raises(StoreUnavailable, match="401"):
            remote(server, login).put("http://example.org/login/one", file, "application/n-triples")


def test_a_server_without_write_access_is_reported(remote_tested: StoreUnderTest, tmp_path: Path) -> None:
    server = remote_tested.server
    assert server
    frozen = RemoteServer(Addresses(server.query, server.query, server.frozen, Login(server.user, server.password)))
    with pytest.raises(StoreUnavailable, match=r"responded (4|5)") as refused:
        RemoteStore(frozen, remote_tested.base + "state").replace({remote_tested.base + "one": []}, contents={})
    assert refused.value.remedy("en")
    with pytest.raises(StoreUnavailable, match=r"responded (4|5)"):
        frozen.put(remote_tested.base + "one", triples(tmp_path / "a.nt", 1), "application/n-triples")
    assert remote_tested.store().contents() == {}


def test_a_url_without_a_graph_server_is_reported(remote_tested: StoreUnderTest) -> None:
    assert remote_tested.server
    at = remote_tested.server.query.rsplit("/", 1)[0]
    wrong = RemoteServer(Addresses(f"{at}/nothing-here", f"{at}/nothing-here", f"{at}/nothing-here"))
    with pytest.raises(StoreUnavailable, match="nothing-here"):
        RemoteStore(wrong, remote_tested.base + "state").contents()


def test_a_server_that_is_unreachable_or_silent_is_named(tmp_path: Path) -> None:
    file = triples(tmp_path / "a.nt", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        at = f"http://127.0.0.1:{probe.getsockname()[1]}/"
        unreachable = RemoteServer(
            Addresses(at + "query", at + "update", at + "graph"), query_seconds=0.5, work_seconds=0.5
        )
        with pytest.raises(StoreUnavailable, match=r"query can't be reached: .*refused"):
            RemoteStore(unreachable, "http://example.org/state").contents()
        with pytest.raises(StoreUnavailable, match=r"graph can.t be reached"):
            unreachable.put("http://example.org/g", file, "application/n-triples")
        # Connections are accepted, and nobody responds.
        probe.listen()
        with pytest.raises(StoreUnavailable, match="query did not respond within"):
            RemoteStore(unreachable, "http://example.org/state").contents()
        with pytest.raises(StoreUnavailable, match="graph did not respond within"):
            unreachable.put("http://example.org/g", file, "application/n-triples")


@pytest.mark.parametrize("kind", KINDS)
def test_a_publish_goes_to_the_server_that_the_settings_name(
    kind: str, servers: Mapping[str, GraphServer], tmp_path: Path
) -> None:
    server = servers[kind]
    login = f"{quote(server.user)}:{quote(server.password)}@" if server.user else ""
    settings = Settings(
        home=tmp_path / "home",
        base_iri=f"http://example.org/{next(numbers)}/",
        sparql_query_url=server.query,
        sparql_update_url=server.update,
        # A login may be part of a URL, or configured separately.
        sparql_graph_url=server.graph.replace("http://", f"http://{login}"),
    )
    assert not server.user or server.password not in repr(addresses(settings))
    query = "SELECT (COUNT(?v) AS ?n) { ?o <http://purl.org/linked-data/sdmx/2009/measure#obsValue> ?v }"
    engine = open_engine(settings)
    with pytest.raises(Killed):
        publish(SAMPLE / "exempel.xlsx", settings, progress=killed_at("switch"))
    assert engine.query(query, media_type="text/csv").file.read().split() in ([b"n", b"0"], [b'"n"', b"0"])
    done = publish(SAMPLE / "exempel.xlsx", settings)
    assert (done.version, done.is_new) == (1, True)
    assert publish(SAMPLE / "exempel.xlsx", settings).is_new is False
    again = open_engine(settings)
    rows = list(csv.DictReader(io.StringIO(again.query(query, media_type="text/csv").file.read().decode())))
    with (SAMPLE / "package" / "observations.csv").open(encoding="utf-8") as lines:
        assert rows == [{"n": str(sum(1 for _ in csv.DictReader(lines)))}]
    collection = Collection(settings)
    assert dict(collection.visible()) == {done.dataset: 1}
    collection.close()
    nowhere = replace(settings, sparql_query_url="http://127.0.0.1:9/query")
    collection = Collection(nowhere)
    assert dict(collection.visible()) == {done.dataset: 1}, "pages work while the graph server is unavailable"
    collection.close()
    for opened in (engine, again):
        opened.close()


def killed_at(fatal: str) -> Callable[[str], None]:
    def step(name: str) -> None:
        if name == fatal:
            raise Killed

    return step
