"""Guarantees of the query engine: a complete result or a specific error, and no query affects another."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Site
from tests.publisher.test_sparql_lexer import DISARMED, REFUSED
from tests.servers.listener import Listener
from tests.servers.process import workers
from vaven.publisher.engine.pool import EmbeddedEngine, Snapshots
from vaven.publisher.engine.remote import RemoteEngine
from vaven.publisher.engine.worker_pool import JobLimits
from vaven.publisher.engine.worker_process import ENVIRONMENT, WorkerProcess, _forking_process
from vaven.publisher.graph.snapshot import current_snapshot
from vaven.publisher.graph.store import EmbeddedStore
from vaven.vocab.errors import (
    AnswerTooLarge,
    QueryBusy,
    QueryCrashed,
    QueryError,
    QueryMemoryExceeded,
    QueryRefused,
    QuerySyntaxError,
    QueryTimeout,
    StoreUnavailable,
)
from vaven.vocab.iris import Iris

IRIS = Iris("http://example.org/")
JSON = "application/sparql-results+json"
ENDLESS = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?a"
# Endless with little memory: counting stores nothing.
COUNTLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
TRIPLES = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a store of two graphs."""
    home = tmp_path_factory.mktemp("answer")
    for name in ("one", "two"):
        lines = [f'<http://example.org/s{i}> <http://example.org/p> "{name} {i}" .\n' for i in range(TRIPLES)]
        (home / f"{name}.nt").write_text("".join(lines))
    graphs = {f"http://example.org/{name}": [home / f"{name}.nt"] for name in ("one", "two")}
    EmbeddedStore(home / "graph", IRIS).replace(graphs, contents={})
    return home / "graph"


@pytest.fixture
def engine(folder: Path) -> Iterator[EmbeddedEngine]:
    embedded = EmbeddedEngine(folder, iris=IRIS, workers=2, seconds=3.0, memory_mb=2048, result_mb=1)
    yield embedded
    embedded.close()


def query_text(
    engine: EmbeddedEngine | RemoteEngine, query: str, media_type: str = JSON, **graphs: tuple[str, ...]
) -> str:
    result = engine.query(query, media_type=media_type, **graphs)
    try:
        text = result.file.read()
        assert len(text) == result.size
        return text.decode()
    finally:
        result.close()


def count(engine: EmbeddedEngine, query: str = COUNT, **graphs: tuple[str, ...]) -> int:
    return int(json.loads(query_text(engine, query, **graphs))["results"]["bindings"][0]["n"]["value"])


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_an_endless_query_ends_at_the_deadline_while_others_succeed(engine: EmbeddedEngine) -> None:
    raised: list[QueryError] = []

    def endless() -> None:
        with pytest.raises(QueryTimeout) as timeout:
            engine.query(COUNTLESS, media_type=JSON)
        raised.append(timeout.value)

    thread = threading.Thread(target=endless)
    thread.start()
    time.sleep(0.3)
    answered = 0
    while thread.is_alive() and answered < 10:
        assert count(engine) == 2 * TRIPLES
        answered += 1
    assert answered == 10
    assert not raised, "the others were answered while the endless query was at work"
    thread.join()
    assert raised[0].status == 504
    assert count(engine) == 2 * TRIPLES


def test_an_exploding_sort_ends_with_an_error(engine: EmbeddedEngine) -> None:
    with pytest.raises((QueryTimeout, QueryMemoryExceeded)):
        engine.query(ENDLESS, media_type=JSON)
    assert count(engine) == 2 * TRIPLES


def test_exhausted_memory_ends_only_that_query(folder: Path) -> None:
    # Workers for all three: otherwise one of them may have to yield (QueryBusy) before it reaches its own limit.
    engine = EmbeddedEngine(folder, iris=IRIS, workers=3, seconds=60.0, memory_mb=700)
    raised: list[QueryError] = []

    def explode() -> None:
        with pytest.raises(QueryMemoryExceeded) as exceeded:
            engine.query(ENDLESS, media_type=JSON)
        raised.append(exceeded.value)

    threads = [threading.Thread(target=explode) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert count(engine) == 2 * TRIPLES
    for thread in threads:
        thread.join()
    assert [error.status for error in raised] == [507] * 3
    engine.close()


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (signal.SIGABRT, QueryCrashed),
        (signal.SIGSEGV, QueryCrashed),
        # As the kernel does when the machine has no memory left.
        (signal.SIGKILL, QueryMemoryExceeded),
    ],
)
def test_only_a_worker_without_memory_is_reported_as_too_little_memory(
    folder: Path, capsys: pytest.CaptureFixture[str], sent: signal.Signals, kind: type[QueryError]
) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=30.0)
    raised: list[QueryError] = []

    def endless() -> None:
        with pytest.raises(QueryError) as error:
            engine.query(COUNTLESS, media_type=JSON)
        raised.append(error.value)

    thread = threading.Thread(target=endless)
    thread.start()
    while not (busy := list(engine._public._busy)):
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(busy[0].process.pid, sent)
    thread.join()
    assert [type(error) for error in raised] == [kind]
    if kind is QueryCrashed:
        assert raised[0].status == 500
        for language, words in (("sv", "kraschade"), ("en", "crashed")):
            assert words in raised[0].message(language)
            assert "MB" not in raised[0].message(language)
            assert raised[0].remedy(language)
    assert f"ended with code {-sent}" in capsys.readouterr().err
    assert count(engine) == 2 * TRIPLES
    engine.close()


def test_texts_and_numbers_are_sorted_without_a_crash(engine: EmbeddedEngine, shared: Path) -> None:
    """Oxigraph's sort panics on this query; SPARQL 1.1 leaves the order of a text and a number open (section 15.1)."""
    query = (shared / "wild-cases" / "sparql" / "18-crash-called-memory" / "query.rq").read_text("utf-8")
    rows = query_text(engine, query, "text/tab-separated-values").split("\n")[1:-1]
    assert len(rows) == len(set(rows)) == 120


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * {" + "{" * 60_000 + "}" * 60_000 + "}",
        "SELECT * { FILTER(" + "(" * 90_000 + "1" + ")" * 90_000 + ")}",
        "SELECT * { FILTER(" + "!" * 190_000 + "1)}",
    ],
)
def test_too_deep_nesting_ends_only_that_query(folder: Path, query: str) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=30.0)
    with pytest.raises(QueryError) as refused:
        engine.query(query, media_type=JSON)
    assert refused.value.status in (400, 507)
    assert count(engine) == 2 * TRIPLES
    engine.close()


def test_a_result_beyond_the_size_limit_is_an_error_and_not_truncated(engine: EmbeddedEngine) -> None:
    with pytest.raises(AnswerTooLarge) as refused:
        engine.query("SELECT * { ?a ?b ?c . ?d ?e ?f }", media_type=JSON)
    assert refused.value.status == 413
    for media_type in ("text/csv", "application/sparql-results+xml", "text/tab-separated-values"):
        with pytest.raises(AnswerTooLarge):
            engine.query("SELECT * { ?a ?b ?c . ?d ?e ?f }", media_type=media_type)
    with pytest.raises(AnswerTooLarge):
        engine.query("CONSTRUCT { ?a ?b ?f } { ?a ?b ?c . ?d ?e ?f }", media_type="text/turtle")
    assert count(engine) == 2 * TRIPLES


def test_a_query_without_a_worker_in_time_is_busy(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=2, slots=2, seconds=3.0)
    raised: list[type] = []

    def run() -> None:
        with pytest.raises(QueryError) as error:
            engine.query(COUNTLESS, media_type=JSON)
        raised.append(error.type)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(raised) == {QueryTimeout, QueryBusy}
    assert count(engine) == 2 * TRIPLES
    engine.close()


def test_waiting_counts_towards_the_deadline(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, slots=1, seconds=4.0)
    count(engine)
    ended: list[float] = []

    def run() -> None:
        started = time.monotonic()
        # The first may have to yield to the second.
        with pytest.raises((QueryTimeout, QueryBusy)):
            engine.query(COUNTLESS, media_type=JSON)
        ended.append(time.monotonic() - started)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(2.5)
    for thread in threads:
        thread.join()
    # The second waits 1.5 s for the first's slot; a deadline that began there would end it after 5.5 s.
    assert max(ended) < 5.2
    assert workers(os.getpid()) == []
    engine.close()


@pytest.mark.parametrize("module", ["vaven.publisher.engine.worker", "vaven.publisher.sql.worker"])
def test_the_process_that_forks_workers_has_one_thread_and_what_queries_need(module: str) -> None:
    """No library that is slow to load, since the first query may wait for it; the import of pyarrow starts a thread.

    DuckDB imports NumPy at the first function in Python, and said that it was not installed where memory was short.
    """
    code = f"import os, sys, {module}; print(len(os.listdir('/proc/self/task')), *sys.modules)"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=os.environ | ENVIRONMENT)
    threads, *modules = done.stdout.split()
    assert threads == "1"
    assert {"rdflib", "pyarrow", "requests", "SPARQLWrapper"} & set(modules) == set()
    assert "numpy" in modules


def test_a_worker_moves_to_a_new_snapshot(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "graph")
    engine = EmbeddedEngine(tmp_path / "graph", iris=IRIS, workers=1, seconds=30.0)
    assert count(engine) == 2 * TRIPLES
    before = workers(os.getpid())
    EmbeddedStore(tmp_path / "graph", IRIS).replace({"http://example.org/two": []}, contents={})
    assert count(engine) == TRIPLES
    assert workers(os.getpid()) == before
    assert len(list((tmp_path / "graph" / "snapshots").iterdir())) == 2, "the worker held the old one until then"
    EmbeddedStore(tmp_path / "graph", IRIS).replace({"http://example.org/one": []}, contents={})
    assert len(list((tmp_path / "graph" / "snapshots").iterdir())) == 2, "and no longer holds it"
    assert count(engine) == 0
    engine.close()


def test_a_worker_started_ahead_runs_the_first_query(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=30.0)
    engine.start_ahead()
    engine.wait_until_prepared()
    (worker,) = workers(os.getpid())
    assert count(engine) == 2 * TRIPLES
    assert workers(os.getpid()) == [worker]
    engine.close()
    assert workers(os.getpid()) == []


def test_a_worker_outlives_the_thread_that_started_it(folder: Path) -> None:
    # The kernel's death signal belongs to the thread that starts a process, and a web server's threads come and go.
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=30.0)
    seen = []
    for _ in range(3):
        thread = threading.Thread(target=count, args=(engine,))
        thread.start()
        thread.join()
        time.sleep(0.1)
        seen.append(workers(os.getpid()))
    assert len(seen[0]) == 1
    assert seen == [seen[0]] * 3
    engine.close()
    assert workers(os.getpid()) == []


def test_no_worker_and_no_file_is_left_when_the_server_is_killed(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "publisher" / "query_and_wait.py"), str(folder), COUNTLESS]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout
        assert server.stdout.readline() == b"under way\n"
        (worker,) = workers(server.pid)
        server.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_has_no_network_even_for_queries_the_lexer_accepts(
    folder: Path, tmp_path: Path, listener: Listener
) -> None:
    snapshot = current_snapshot(folder)
    assert snapshot is not None
    pool = Snapshots(folder, JobLimits(30, 2048, 1))
    with tempfile.TemporaryFile() as log, contextlib.closing(WorkerProcess(pool.command(snapshot), log)) as worker:
        assert json.loads(worker.stdout.readline()) == {"state": "ready"}
        for text in REFUSED + DISARMED:
            with tempfile.NamedTemporaryFile(dir=tmp_path, delete=False) as spool:
                job = {"query": text.replace("LISTENER", listener.address), "file": spool.name, "media_type": JSON}
            job |= {"base": IRIS.base, "encoding": "identity", "default_graphs": [], "named_graphs": []}  # type: ignore[operator]
            worker.stdin.write(json.dumps(job).encode() + b"\n")
            # The pool refuses these before a worker sees them.
            assert json.loads(worker.stdout.readline())["state"] in ("failed", "done")
        worker.stdin.close()
        assert worker.wait() == 0
    assert listener.connections == 0


@pytest.mark.parametrize("text", REFUSED + DISARMED)
def test_service_is_refused_before_a_worker_sees_it(engine: EmbeddedEngine, text: str) -> None:
    with pytest.raises((QueryRefused, QuerySyntaxError)):
        engine.query(text.replace("LISTENER", "http://127.0.0.1:1/"), media_type=JSON)


def test_the_default_graph_is_the_union_unless_query_or_protocol_specify_a_dataset(engine: EmbeddedEngine) -> None:
    one, two, no = "http://example.org/one", "http://example.org/two", "http://example.org/no"
    in_graphs = "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }"
    assert count(engine) == 2 * TRIPLES
    assert count(engine, in_graphs) == 2 * TRIPLES
    assert count(engine, f"SELECT (COUNT(*) AS ?n) FROM <{one}> {{ ?s ?p ?o }}") == TRIPLES
    assert count(engine, f"SELECT (COUNT(*) AS ?n) FROM <{one}> FROM <{two}> {{ ?s ?p ?o }}") == 2 * TRIPLES
    assert count(engine, f"SELECT (COUNT(*) AS ?n) FROM <{no}> {{ ?s ?p ?o }}") == 0
    assert count(engine, f"SELECT (COUNT(*) AS ?n) FROM NAMED <{one}> {{ ?s ?p ?o }}") == 0
    assert count(engine, default_graphs=(one,)) == TRIPLES
    assert count(engine, in_graphs, default_graphs=(one,)) == 0
    assert count(engine, in_graphs, named_graphs=(two,)) == TRIPLES
    assert count(engine, f"SELECT (COUNT(*) AS ?n) FROM <{one}> {{ ?s ?p ?o }}", default_graphs=(no,)) == 0


def test_a_client_error_does_not_cost_the_worker(engine: EmbeddedEngine) -> None:
    count(engine)
    before = workers(os.getpid())
    with pytest.raises(QuerySyntaxError) as syntax:
        engine.query("SELECT *\n{ ?s ?p }", media_type=JSON)
    assert (syntax.value.line, syntax.value.column) == (2, 9)
    with pytest.raises(QuerySyntaxError) as prefix:
        engine.query("SELECT *\n{ ?s kpi:x ?o }", media_type=JSON)
    assert (prefix.value.line, prefix.value.column) == (2, 6)
    assert prefix.value.remedy("en") == "Begin the query with: PREFIX kpi: <http://example.org/id/kpi/>"
    with pytest.raises(QueryError, match="Invalid IRI"):
        engine.query("ASK {}", media_type=JSON, default_graphs=("not an iri",))
    assert count(engine) == 2 * TRIPLES
    assert workers(os.getpid()) == before


def test_an_empty_store_is_unavailable(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path, iris=IRIS, seconds=5.0)
    assert engine.state() == ""
    with pytest.raises(StoreUnavailable, match="Nothing has been published"):
        engine.query("ASK {}", media_type=JSON)
    engine.close()


def test_closing_ends_running_queries(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=60.0)
    count(engine)
    ended: list[BaseException] = []

    def run() -> None:
        with pytest.raises(QueryBusy) as busy:
            engine.query(COUNTLESS, media_type=JSON)
        ended.append(busy.value)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    engine.close()
    for thread in threads:
        thread.join()
    assert len(ended) == 2
    assert workers(os.getpid()) == []


def test_a_remote_engine_queries_a_sparql_server(whole_way: Site) -> None:
    remote = RemoteEngine(whole_way.url + "sparql", 20.0)
    assert json.loads(query_text(remote, "ASK { ?s ?p ?o }"))["boolean"] is True
    assert query_text(remote, "SELECT (1 AS ?one) {}", "text/csv").split() == ["one", "1"]
    # SPARQLWrapper alone takes this for an update and sends it to another address.
    assert query_text(remote, "PREFIX insert: <a:b> CONSTRUCT { <a:a> <a:a> 'service' } {}", "application/n-triples")
    assert (
        json.loads(query_text(remote, "ASK { ?s ?p ?o }", default_graphs=("http://example.org/no",)))["boolean"]
        is False
    )
    with pytest.raises(QueryRefused):
        remote.query("SELECT * { SERVICE <a:b> {} }", media_type=JSON)
    with pytest.raises(QuerySyntaxError):
        remote.query("SELECT * { ?s ?p }", media_type=JSON)
    with pytest.raises(StoreUnavailable):
        RemoteEngine(whole_way.url + "nowhere", 20.0).query("ASK {}", media_type=JSON)
    with pytest.raises(QueryTimeout):
        RemoteEngine(whole_way.url + "sparql", 1.0).query(COUNTLESS, media_type=JSON)


def test_another_process_takes_the_place_of_a_killed_one_that_forks_workers(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=30.0)
    assert count(engine) == 2 * TRIPLES
    forking = _forking_process()._process
    assert forking
    assert "\nThreads:\t1\n" in Path(f"/proc/{forking.pid}/status").read_text()
    forking.kill()
    deadline = time.monotonic() + 20
    while engine._public._idle[0].process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert engine._public._idle[0].process.poll() == -signal.SIGKILL
    assert count(engine) == 2 * TRIPLES
    engine.close()
    assert workers(os.getpid()) == []


def test_a_query_that_loses_its_worker_to_another_s_end_may_be_sent_again(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=30.0)
    raised: list[QueryError] = []

    def endless() -> None:
        with pytest.raises(QueryBusy) as error:
            engine.query(COUNTLESS, media_type=JSON)
        raised.append(error.value)

    thread = threading.Thread(target=endless)
    thread.start()
    while not engine._public._busy:
        time.sleep(0.05)
    forking = _forking_process()._process
    assert forking
    forking.kill()
    thread.join()
    assert raised[0].status == 503
    assert raised[0].remedy("sv")
    assert count(engine) == 2 * TRIPLES
    engine.close()


def test_all_threads_of_a_long_query_lose_priority(folder: Path) -> None:
    engine = EmbeddedEngine(folder, iris=IRIS, workers=1, seconds=6.0)

    def endless() -> None:
        with pytest.raises(QueryError):
            engine.query(COUNTLESS, media_type=JSON)

    thread = threading.Thread(target=endless)
    thread.start()
    while not (busy := list(engine._public._busy)):
        time.sleep(0.05)
    time.sleep(0.5)
    busy[0].lower_priority(7)
    tasks = list(Path(f"/proc/{busy[0].process.pid}/task").iterdir())
    niceness = [int((task / "stat").read_text().rsplit(")", 1)[1].split()[16]) for task in tasks]
    assert len(niceness) > 1
    assert set(niceness) == {7}
    thread.join()
    assert count(engine) == 2 * TRIPLES
    engine.close()
