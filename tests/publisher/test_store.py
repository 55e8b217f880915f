"""Guarantees of the embedded store: snapshots are complete, survive a kill, and stay while they are read."""

import contextlib
import fcntl
import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest
from lark import Tree

from tests.conftest import ROOT
from vaven.publisher.columnar.query_algebra import query_algebra
from vaven.publisher.columnar.run import Solutions, run
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import decode
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.graph.snapshot import hold
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.sparql.grammar import Leaf, parse_tree
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.iris import Iris

ONE, TWO = "http://example.org/g/one", "http://example.org/g/two"
STEPS = ("load", "checkpoint", "switch", "clean")
IRIS = Iris("http://example.org/")


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "graph", IRIS, wait_seconds=0.5)


def triples(path: Path, *values: str | int) -> Path:
    """Write a file with one triple for each value."""
    text = "".join(f'<http://example.org/s> <http://example.org/p> "{value}" .\n' for value in values)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return path


def held(store: EmbeddedStore) -> dict[str, list[str]]:
    """Return the values of each graph, as a reader of the current snapshot sees them."""
    graphs: dict[str, list[str]] = {}
    for graph, value in solutions(store, "SELECT ?g ?o { GRAPH ?g { ?s ?p ?o } } ORDER BY ?g ?o"):
        graphs.setdefault(graph, []).append(value)
    return graphs


def solutions(store: EmbeddedStore, query: str) -> list[tuple[str, ...]]:
    """Return the solutions of a query as the text of their terms, without datatype and language."""
    snapshot = store.current()
    if snapshot is None:
        return []
    result = run(Columns(snapshot.folder), query_algebra(cast(Tree[Leaf], parse_tree(query)), IRIS.base))
    assert isinstance(result, Solutions)
    return [tuple(decode(str(term)).value for term in row) for row in result.rows]


def replace(store: EmbeddedStore, graphs: Mapping[str, Sequence[Path]], version: int = 1) -> str:
    return store.replace(graphs, contents={"a-dataset": version})


def snapshots(store: EmbeddedStore) -> list[str]:
    return sorted(path.name for path in (store.folder / "snapshots").iterdir())


def killed_load(store: EmbeddedStore, graph: str, file: Path, step: str) -> None:
    """Load in a process that ends itself by SIGKILL when it comes to a step."""
    driver = ROOT / "tests" / "publisher" / "load_and_die.py"
    command = [sys.executable, str(driver), str(store.folder), graph, str(file), "killed", step]
    done = subprocess.run(command, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, f"the step {step} was never reached"


def test_a_graph_holds_exactly_its_files(store: EmbeddedStore, tmp_path: Path) -> None:
    turtle = tmp_path / "c.ttl"
    turtle.write_text('@prefix : <http://example.org/> . :s :p "turtle", "åäö"@sv .', encoding="utf-8")
    turtle_gz = tmp_path / "d.ttl.gz"
    turtle_gz.write_bytes(gzip.compress(b'@prefix : <http://example.org/> . :s :p "compressed" .'))
    plain, gz = triples(tmp_path / "a.nt", "plain"), triples(tmp_path / "b.nt.gz", "gz")
    replace(store, {ONE: [plain, gz, turtle, turtle_gz], TWO: [plain]})
    assert held(store) == {ONE: ["compressed", "gz", "plain", "turtle", "åäö"], TWO: ["plain"]}
    replace(store, {ONE: [gz]})
    assert held(store) == {ONE: ["gz"], TWO: ["plain"]}
    replace(store, {ONE: []})
    assert held(store) == {TWO: ["plain"]}


def test_blank_nodes_of_two_graphs_remain_distinct(store: EmbeddedStore, tmp_path: Path) -> None:
    file = tmp_path / "a.nt"
    file.write_text('_:x <http://example.org/p> "1" .\n')
    replace(store, {ONE: [file], TWO: [file]})
    assert solutions(store, "SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s ?p ?o }") == [("2",)]


def test_visible_content_changes_with_the_snapshot(store: EmbeddedStore, tmp_path: Path) -> None:
    assert (store.current(), store.contents()) == (None, {})
    first = replace(store, {ONE: [triples(tmp_path / "a.nt", 1)]}, version=1)
    assert store.contents() == {"a-dataset": 1}
    second = replace(store, {ONE: [triples(tmp_path / "a.nt", 2)]}, version=2)
    assert store.contents() == {"a-dataset": 2}
    assert first < second
    assert snapshots(store) == [second]


@pytest.mark.parametrize("step", STEPS)
def test_a_writer_killed_at_any_step_leaves_the_old_snapshot_and_the_next_load_succeeds(
    store: EmbeddedStore, tmp_path: Path, step: str
) -> None:
    old, new = triples(tmp_path / "old.nt", "old"), triples(tmp_path / "new.nt", "new")
    replace(store, {ONE: [old], TWO: [old]})
    killed_load(store, ONE, new, step)
    if step == "clean":
        assert held(store) == {ONE: ["new"], TWO: ["old"]}
    else:
        assert held(store) == {ONE: ["old"], TWO: ["old"]}
        assert store.contents() == {"a-dataset": 1}
    last = replace(store, {ONE: [new]})
    assert held(store) == {ONE: ["new"], TWO: ["old"]}
    assert snapshots(store) == [last]


@pytest.mark.parametrize("step", STEPS[:3])
def test_a_graph_of_an_interrupted_load_is_restored_by_a_load_of_another(
    store: EmbeddedStore, tmp_path: Path, step: str
) -> None:
    old, new = triples(tmp_path / "old.nt", "old"), triples(tmp_path / "new.nt", "new")
    replace(store, {ONE: [old], TWO: [old]})
    killed_load(store, ONE, new, step)
    replace(store, {TWO: [new]})
    assert held(store) == {ONE: ["old"], TWO: ["new"]}


@pytest.mark.parametrize("step", STEPS[:3])
def test_a_kill_of_the_very_first_load_leaves_nothing(store: EmbeddedStore, tmp_path: Path, step: str) -> None:
    killed_load(store, ONE, triples(tmp_path / "a.nt", "a"), step)
    assert held(store) == {}
    replace(store, {TWO: [triples(tmp_path / "b.nt", "b")]})
    assert held(store) == {TWO: ["b"]}


def test_a_writer_killed_in_the_middle_of_a_file_leaves_the_old_snapshot(store: EmbeddedStore, tmp_path: Path) -> None:
    old = triples(tmp_path / "old.nt", "old")
    replace(store, {ONE: [old], TWO: [old]})
    pipe = tmp_path / "endless.nt.gz"
    os.mkfifo(pipe)
    driver = ROOT / "tests" / "publisher" / "load_and_die.py"
    writer = subprocess.Popen([sys.executable, str(driver), str(store.folder), ONE, str(pipe), "killed", "never"])
    # Content still in gzip's buffer when the reader is killed cannot be written.
    with contextlib.suppress(BrokenPipeError), pipe.open("wb", buffering=0) as raw, gzip.open(raw, "wb") as half:
        for i in range(200_000):
            half.write(b'<http://example.org/s> <http://example.org/p> "%d" .\n' % i)
        half.flush()
        assert writer.poll() is None
        writer.kill()
        writer.wait()
    assert held(store) == {ONE: ["old"], TWO: ["old"]}
    replace(store, {TWO: [triples(tmp_path / "new.nt", "new")]})
    assert held(store) == {ONE: ["old"], TWO: ["new"]}


@pytest.mark.parametrize("name", ["bad.nt", "missing.nt", "bad.nt.gz"])
def test_a_file_that_cannot_be_loaded_changes_nothing_and_the_next_load_succeeds(
    store: EmbeddedStore, tmp_path: Path, name: str
) -> None:
    replace(store, {ONE: [triples(tmp_path / "a.nt", "a")]})
    for bad in (tmp_path / "bad.nt", tmp_path / "bad.nt.gz"):
        bad.write_text('<http://example.org/s> <http://example.org/p> "half" .\nno triple\n')
    with pytest.raises(StoreUnavailable) as refused:
        replace(store, {ONE: [tmp_path / name]})
    assert held(store) == {ONE: ["a"]}
    # The error is still referenced here, as in a job's report; the store must be unlocked all the same.
    replace(store, {TWO: [triples(tmp_path / "b.nt", "b")]})
    assert held(store) == {ONE: ["a"], TWO: ["b"]}
    assert refused.value.remedy("en")


def test_a_second_writer_waits_and_then_raises_an_error(store: EmbeddedStore, tmp_path: Path) -> None:
    replace(store, {ONE: [triples(tmp_path / "a.nt", "a")]})
    with (store.folder / "writer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailable, match="Another process"):
            replace(store, {ONE: []})
    replace(store, {ONE: []})
    assert held(store) == {}


def test_a_snapshot_is_deleted_after_its_last_reader(store: EmbeddedStore, tmp_path: Path) -> None:
    first = replace(store, {ONE: [triples(tmp_path / "a.nt", 1)]})
    snapshot = store.current()
    assert snapshot is not None
    readers = [hold(snapshot), hold(snapshot)]
    second = replace(store, {ONE: [triples(tmp_path / "a.nt", 2)]})
    assert snapshots(store) == [first, second]
    for reader in readers:
        assert reader is not None
        os.close(reader)
    third = replace(store, {ONE: [triples(tmp_path / "a.nt", 3)]})
    assert snapshots(store) == [third]
    assert hold(snapshot) is None


def test_a_snapshot_of_another_format_is_replaced_as_a_whole(store: EmbeddedStore, tmp_path: Path) -> None:
    """As those of an older Väven, which kept the triples in Oxigraph; its other files go as well."""
    replace(store, {ONE: [triples(tmp_path / "a.nt", "a")]})
    older = store.current()
    assert older
    (older.folder / "format").unlink()
    (older.folder / "columns.duckdb").write_bytes(b"of another format")
    (store.folder / "live").mkdir()
    (store.folder / "settled").touch()
    assert not older.is_of_this_format
    last = replace(store, {TWO: [triples(tmp_path / "b.nt", "b")]})
    assert held(store) == {TWO: ["b"]}
    assert snapshots(store) == [last]
    assert sorted(path.name for path in store.folder.iterdir()) == ["current", "snapshots", "writer.lock"]


def test_the_remains_of_an_interrupted_deletion_are_deleted(store: EmbeddedStore, tmp_path: Path) -> None:
    replace(store, {ONE: [triples(tmp_path / "a.nt", 1)]})
    half = store.folder / "snapshots" / ".part-00000000000000000001"
    (half / "parts").mkdir(parents=True)
    (half / "columns.duckdb").write_bytes(b"half")
    last = replace(store, {ONE: [triples(tmp_path / "a.nt", 2)]})
    assert snapshots(store) == [last]


def test_readers_see_one_state_or_the_next_while_snapshots_change_under_them(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    """Both graphs have the same number at any time; a result with two numbers would be an incomplete change."""
    replace(store, {g: [triples(tmp_path / "0.nt", 0)] for g in (ONE, TWO)}, version=0)
    engine = EmbeddedEngine(store.folder, iris=IRIS, workers=2, seconds=60)
    results: list[tuple[str, str]] = []
    is_done = threading.Event()

    def read() -> None:
        while not is_done.is_set():
            result = engine.query("SELECT DISTINCT ?o { ?s ?p ?o }", media_type="text/csv")
            results.append((result.state, result.file.read().decode()))
            result.close()

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for version in range(1, 16):
        replace(store, {g: [triples(tmp_path / f"{version}.nt", version)] for g in (ONE, TWO)}, version=version)
        # The next change follows when this one has been read, which takes a loaded machine some time.
        current, deadline = store.current(), time.monotonic() + 20
        while current and (not results or results[-1][0] != current.id) and time.monotonic() < deadline:
            time.sleep(0.01)
    is_done.set()
    for reader in readers:
        reader.join()
    last = engine.query("SELECT DISTINCT ?o { ?s ?p ?o }", media_type="text/csv")
    assert last.file.read().split() == [b"o", b"15"]
    engine.close()
    assert all(len(text.split()) == 2 for _, text in results)
    assert len({state for state, _ in results}) > 3
    assert {text for state, text in results if state == results[0][0]} == {results[0][1]}
