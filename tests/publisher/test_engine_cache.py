"""Guarantees of the result cache: the same bytes as a new execution, never of an older snapshot, never an error."""

import gzip
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from vaven.publisher.engine.cache import CachedEngine
from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.rdf.compression import IDENTITY
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryBusy, QueryError, QuerySyntaxError, QueryTimeout, QueryTooMany
from vaven.vocab.iris import Iris

JSON = "application/sparql-results+json"
ROWS = "SELECT * { ?s ?p ?o } ORDER BY ?s"
COUNT = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"
TRIPLES = 3_000


class RecordingEngine(QueryEngine):
    """An engine that records the executed requests."""

    def __init__(self, engine: QueryEngine) -> None:
        self.engine = engine
        self.executed: list[QueryRequest] = []

    def execute(self, request: QueryRequest) -> QueryResult:
        self.executed.append(request)
        return self.engine.execute(request)

    def state(self) -> str:
        return self.engine.state()

    def close(self) -> None:
        self.engine.close()


def publish(folder: Path, count: int) -> None:
    lines = [f'<http://example.org/s{i:05}> <http://example.org/p> "{i}" .\n' for i in range(count)]
    (folder / "a.nt").write_text("".join(lines))
    EmbeddedStore(folder / "graph", Iris("http://example.org/")).replace(
        {"http://example.org/g": [folder / "a.nt"]}, contents={}
    )


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[RecordingEngine]:
    publish(tmp_path, TRIPLES)
    engine = RecordingEngine(EmbeddedEngine(tmp_path / "graph", iris=Iris("http://example.org/"), seconds=5.0))
    yield engine
    engine.close()


def content(engine: QueryEngine, query: str, encoding: str = IDENTITY, **options: str) -> bytes:
    result = engine.execute(QueryRequest(query, JSON, encoding=encoding, **options))
    with result.file:
        data = result.file.read()
    assert len(data) == result.size
    if result.encoding == "gzip":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if result.encoding == "zstd" else data


def test_a_repeated_request_is_not_executed_again_whatever_its_layout(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    first = content(engine, ROWS)
    assert len(json.loads(first)["results"]["bindings"]) == TRIPLES
    again = ("SELECT *\n\n{ ?s   ?p ?o } # all of it\nORDER BY ?s  ", ROWS + "\n#", f"# what\n{ROWS}")
    assert {content(engine, query) for query in again} == {first}
    assert len(recorder.executed) == 1
    assert content(engine, ROWS.replace("?s ?p", "?s  ?q")) != first
    assert len(recorder.executed) == 2


def test_blanks_in_strings_are_not_layout(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    texts = ("'a b'", "'a  b'", "'a # b'", "'a#b'", "'''a\n\n b'''", "'''a\n b'''", "'''a b  '''")
    assert len({content(engine, f"SELECT ({text} AS ?x) {{}}") for text in texts}) == len(texts)


@pytest.mark.parametrize("first", [IDENTITY, "gzip", "zstd"])
def test_other_content_codings_are_converted_from_the_cached_result(recorder: RecordingEngine, first: str) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    expected = content(recorder, ROWS)
    recorder.executed.clear()
    for encoding in (first, "zstd", "gzip", IDENTITY, first):
        result = engine.execute(QueryRequest(ROWS, JSON, encoding=encoding))
        result.close()
        assert result.encoding == encoding
        assert content(engine, ROWS, encoding) == expected
    assert len(recorder.executed) == 1


def test_a_short_result_is_not_compressed(recorder: RecordingEngine) -> None:
    for encoding in ("gzip", "zstd"):
        result = recorder.execute(QueryRequest("ASK {}", JSON, encoding=encoding))
        assert (result.encoding, json.loads(result.file.read())["boolean"]) == (IDENTITY, True)
        result.close()


def test_media_type_and_dataset_are_part_of_the_key_and_the_client_is_not(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    content(engine, COUNT, client="a")
    content(engine, COUNT, client="b")
    assert len(recorder.executed) == 1
    for request in (
        QueryRequest(COUNT, "text/csv"),
        QueryRequest(COUNT, JSON, default_graphs=("http://example.org/g",)),
        QueryRequest(COUNT, JSON, named_graphs=("http://example.org/g",)),
    ):
        engine.execute(request).close()
    assert len(recorder.executed) == 4


def test_a_new_snapshot_means_new_results(recorder: RecordingEngine, tmp_path: Path) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    before = engine.execute(QueryRequest(ROWS, JSON))
    publish(tmp_path, 5)
    assert len(json.loads(content(engine, ROWS))["results"]["bindings"]) == 5
    assert len(recorder.executed) == 2
    assert len(json.loads(before.file.read())["results"]["bindings"]) == TRIPLES, "who reads still reads on"
    before.close()
    assert before.state != engine.state()


def test_ten_equal_concurrent_requests_run_once(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=20.0)
    slow = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER(?c < ?f && STR(?a) < 'http://example.org/s00100') }"
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(content(engine, slow))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 10
    assert len(set(results)) == 1
    assert len(recorder.executed) == 1


def test_an_error_is_raised_for_all_waiting_requests_and_not_cached(tmp_path: Path) -> None:
    publish(tmp_path, TRIPLES)
    recorder = RecordingEngine(EmbeddedEngine(tmp_path / "graph", iris=Iris("http://example.org/"), seconds=1.5))
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=10.0)
    endless = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
    raised: list[type] = []

    def run() -> None:
        with pytest.raises(QueryError) as error:
            content(engine, endless)
        raised.append(error.type)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == [QueryTimeout] * 4
    assert len(recorder.executed) == 1
    run()
    assert len(recorder.executed) == 2
    engine.close()


def test_a_refusal_concerns_only_the_refused_client(recorder: RecordingEngine) -> None:
    """A request that waits for another client's is not refused with it."""
    entered, gate, refused = threading.Event(), threading.Event(), []

    def admit(client: str) -> None:
        if client == "greedy":
            entered.set()
            gate.wait(20)
            raise QueryTooMany(query_message("waiting"), remedy=query_message("again.remedy"))

    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=20.0, admit=admit)

    def greedy() -> None:
        with pytest.raises(QueryTooMany) as error:
            content(engine, COUNT, client="greedy")
        refused.append(error.value)

    results: list[bytes] = []
    threads = [threading.Thread(target=greedy)]
    threads[0].start()
    assert entered.wait(20)
    threads.append(threading.Thread(target=lambda: results.append(content(engine, COUNT, client="modest"))))
    threads[1].start()
    while not engine._results.waiting:
        time.sleep(0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert str(TRIPLES).encode() in results[0]


def test_admission_applies_to_executed_requests_and_not_to_the_site(recorder: RecordingEngine) -> None:
    admitted: list[str] = []
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0, admit=admitted.append)
    for client in ("a", "b", SITE):
        content(engine, COUNT, client=client)
    content(engine, "ASK {}", client=SITE)
    assert admitted == ["a"]


def test_a_syntax_error_has_its_position_in_the_submitted_text(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    for _ in range(2):
        with pytest.raises(QuerySyntaxError) as error:
            content(engine, "# a comment\n\n\nSELECT *\n\n{ ?s    ?p }")
        assert (error.value.line, error.value.column) == (6, 12)


def test_an_invalid_query_does_not_become_valid_by_its_layout(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    for query in ('SELECT ("a\nb" AS ?x) {}', 'SELECT ("a # b"\n" AS ?x) {}', "SELECT ('a\r' AS ?x) {}"):
        with pytest.raises(QuerySyntaxError):
            content(engine, query)


def test_the_cache_is_bounded_and_drops_the_least_recently_used(recorder: RecordingEngine) -> None:
    size = len(content(recorder, ROWS))
    max_bytes = size * 9
    engine = CachedEngine(recorder, max_bytes=max_bytes, wait_seconds=5.0)
    before = len(os.listdir("/proc/self/fd"))
    for name in "abcdefghijklmnop":
        content(engine, ROWS.replace("?p", f"?{name}"))
        content(engine, ROWS.replace("?p", "?a"))
        assert engine._results.used <= max_bytes
    assert 0 < len(engine._results) <= 9
    # The first is requested all the time, so it stays; others are dropped, and with them their files.
    recorder.executed.clear()
    content(engine, ROWS.replace("?p", "?a"))
    assert recorder.executed == []
    assert len(os.listdir("/proc/self/fd")) - before <= 9 + 2
    content(engine, ROWS.replace("?p", "?b"))
    assert len(recorder.executed) == 1


def test_a_result_larger_than_its_share_is_not_cached(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=1 << 18, wait_seconds=5.0)
    assert content(engine, ROWS) == content(engine, ROWS)
    assert len(recorder.executed) == 2
    engine = CachedEngine(recorder, max_bytes=0, wait_seconds=5.0)
    content(engine, COUNT)
    content(engine, COUNT)
    assert len(recorder.executed) == 4


def test_readers_of_one_result_are_independent(recorder: RecordingEngine) -> None:
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=5.0)
    one, other = (engine.execute(QueryRequest(ROWS, JSON)) for _ in range(2))
    first = one.file.read(1000)
    assert other.file.read(1000) == first
    one.file.seek(0, os.SEEK_END)
    assert one.file.tell() == one.size
    one.close()
    assert len(other.file.read()) == other.size - 1000
    other.close()


def test_followers_are_bounded(recorder: RecordingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaven.publisher.engine.cache.FOLLOWERS", 1)
    gate = threading.Event()
    engine = CachedEngine(recorder, max_bytes=10 << 20, wait_seconds=20.0, admit=lambda _: gate.wait(20) and None)
    threads = [threading.Thread(target=content, args=(engine, COUNT)) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not engine._results.waiting:
        time.sleep(0.01)
    with pytest.raises(QueryBusy):
        content(engine, COUNT)
    gate.set()
    for thread in threads:
        thread.join()
