"""What keeping answers promises: the same bytes as asking anew, never of an older snapshot, never an error."""

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


class Counted(QueryEngine):
    """An engine that notes what it is asked."""

    def __init__(self, engine: QueryEngine) -> None:
        self.engine = engine
        self.asked: list[QueryRequest] = []

    def ask(self, question: QueryRequest) -> QueryResult:
        self.asked.append(question)
        return self.engine.ask(question)

    def state(self) -> str:
        return self.engine.state()

    def close(self) -> None:
        self.engine.close()


def publish(folder: Path, count: int) -> None:
    lines = [f'<http://example.org/s{i:05}> <http://example.org/p> "{i}" .\n' for i in range(count)]
    (folder / "a.nt").write_text("".join(lines))
    EmbeddedStore(folder / "graph").replace({"http://example.org/g": [folder / "a.nt"]}, contents={})


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    publish(tmp_path, TRIPLES)
    engine = Counted(EmbeddedEngine(tmp_path / "graph", iris=Iris("http://example.org/"), seconds=5.0))
    yield engine
    engine.close()


def content(engine: QueryEngine, query: str, encoding: str = IDENTITY, **more: str) -> bytes:
    answer = engine.ask(QueryRequest(query, JSON, encoding=encoding, **more))
    with answer.file:
        data = answer.file.read()
    assert len(data) == answer.size
    if answer.encoding == "gzip":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if answer.encoding == "zstd" else data


def test_a_repeated_question_is_not_asked_again_however_it_is_laid_out(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    first = content(engine, ROWS)
    assert len(json.loads(first)["results"]["bindings"]) == TRIPLES
    again = ("SELECT *\n\n{ ?s   ?p ?o } # all of it\nORDER BY ?s  ", ROWS + "\n#", f"# what\n{ROWS}")
    assert {content(engine, query) for query in again} == {first}
    assert len(counted.asked) == 1
    assert content(engine, ROWS.replace("?s ?p", "?s  ?q")) != first
    assert len(counted.asked) == 2


def test_blanks_in_strings_are_no_layout(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    texts = ("'a b'", "'a  b'", "'a # b'", "'a#b'", "'''a\n\n b'''", "'''a\n b'''", "'''a b  '''")
    assert len({content(engine, f"SELECT ({text} AS ?x) {{}}") for text in texts}) == len(texts)


@pytest.mark.parametrize("first", [IDENTITY, "gzip", "zstd"])
def test_other_encodings_are_made_of_what_is_kept(counted: Counted, first: str) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    expected = content(counted, ROWS)
    counted.asked.clear()
    for encoding in (first, "zstd", "gzip", IDENTITY, first):
        answer = engine.ask(QueryRequest(ROWS, JSON, encoding=encoding))
        answer.close()
        assert answer.encoding == encoding
        assert content(engine, ROWS, encoding) == expected
    assert len(counted.asked) == 1


def test_a_short_answer_is_not_packed(counted: Counted) -> None:
    for encoding in ("gzip", "zstd"):
        answer = counted.ask(QueryRequest("ASK {}", JSON, encoding=encoding))
        assert (answer.encoding, json.loads(answer.file.read())["boolean"]) == (IDENTITY, True)
        answer.close()


def test_form_and_dataset_belong_to_the_question_and_the_client_does_not(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    content(engine, COUNT, client="a")
    content(engine, COUNT, client="b")
    assert len(counted.asked) == 1
    for question in (
        QueryRequest(COUNT, "text/csv"),
        QueryRequest(COUNT, JSON, default_graphs=("http://example.org/g",)),
        QueryRequest(COUNT, JSON, named_graphs=("http://example.org/g",)),
    ):
        engine.ask(question).close()
    assert len(counted.asked) == 4


def test_a_new_snapshot_means_new_answers(counted: Counted, tmp_path: Path) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    before = engine.ask(QueryRequest(ROWS, JSON))
    publish(tmp_path, 5)
    assert len(json.loads(content(engine, ROWS))["results"]["bindings"]) == 5
    assert len(counted.asked) == 2
    assert len(json.loads(before.file.read())["results"]["bindings"]) == TRIPLES, "who reads still reads on"
    before.close()
    assert before.state != engine.state()


def test_ten_equal_questions_at_once_run_once(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=20.0)
    slow = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER(?c < ?f && STR(?a) < 'http://example.org/s00100') }"
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(content(engine, slow))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 10
    assert len(set(answers)) == 1
    assert len(counted.asked) == 1


def test_an_error_is_told_to_all_who_wait_and_not_kept(tmp_path: Path) -> None:
    publish(tmp_path, TRIPLES)
    counted = Counted(EmbeddedEngine(tmp_path / "graph", iris=Iris("http://example.org/"), seconds=1.5))
    engine = CachedEngine(counted, room=10 << 20, patience=10.0)
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
    assert len(counted.asked) == 1
    run()
    assert len(counted.asked) == 2
    engine.close()


def test_a_refusal_is_the_clients_own(counted: Counted) -> None:
    """Who waits for another's answer does not go away with a refusal that was meant for the other."""
    gate, refused = threading.Event(), []

    def admit(client: str) -> None:
        if client == "greedy":
            gate.wait(20)
            raise QueryTooMany(query_message("waiting"), remedy=query_message("again.remedy"))

    engine = CachedEngine(counted, room=10 << 20, patience=20.0, admit=admit)

    def greedy() -> None:
        with pytest.raises(QueryTooMany) as error:
            content(engine, COUNT, client="greedy")
        refused.append(error.value)

    found: list[bytes] = []
    threads = [threading.Thread(target=greedy)]
    threads[0].start()
    while not engine._flights:
        time.sleep(0.01)
    threads.append(threading.Thread(target=lambda: found.append(content(engine, COUNT, client="modest"))))
    threads[1].start()
    while not engine._followers:
        time.sleep(0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert str(TRIPLES).encode() in found[0]


def test_admission_is_for_what_must_be_asked_and_not_for_our_own_pages(counted: Counted) -> None:
    admitted: list[str] = []
    engine = CachedEngine(counted, room=10 << 20, patience=5.0, admit=admitted.append)
    for client in ("a", "b", SITE):
        content(engine, COUNT, client=client)
    content(engine, "ASK {}", client=SITE)
    assert admitted == ["a"]


def test_a_syntax_error_is_placed_in_the_text_that_was_sent(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    for _ in range(2):
        with pytest.raises(QuerySyntaxError) as error:
            content(engine, "# a comment\n\n\nSELECT *\n\n{ ?s    ?p }")
        assert (error.value.line, error.value.column) == (6, 12)


def test_what_is_no_query_does_not_become_one_by_its_layout(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    for query in ('SELECT ("a\nb" AS ?x) {}', 'SELECT ("a # b"\n" AS ?x) {}', "SELECT ('a\r' AS ?x) {}"):
        with pytest.raises(QuerySyntaxError):
            content(engine, query)


def test_the_room_is_bounded_and_the_longest_unused_goes(counted: Counted) -> None:
    size = len(content(counted, ROWS))
    room = size * 9
    engine = CachedEngine(counted, room=room, patience=5.0)
    before = len(os.listdir("/proc/self/fd"))
    for name in "abcdefghijklmnop":
        content(engine, ROWS.replace("?p", f"?{name}"))
        content(engine, ROWS.replace("?p", "?a"))
        assert engine._used <= room
    assert 0 < len(engine._kept) <= 9
    # The first is asked for all the time, so it stays; others went, and with them their files.
    counted.asked.clear()
    content(engine, ROWS.replace("?p", "?a"))
    assert counted.asked == []
    assert len(os.listdir("/proc/self/fd")) - before <= 9 + 2
    content(engine, ROWS.replace("?p", "?b"))
    assert len(counted.asked) == 1


def test_an_answer_larger_than_its_share_is_not_kept(counted: Counted) -> None:
    engine = CachedEngine(counted, room=1 << 18, patience=5.0)
    assert content(engine, ROWS) == content(engine, ROWS)
    assert len(counted.asked) == 2
    engine = CachedEngine(counted, room=0, patience=5.0)
    content(engine, COUNT)
    content(engine, COUNT)
    assert len(counted.asked) == 4


def test_readers_of_one_answer_do_not_disturb_each_other(counted: Counted) -> None:
    engine = CachedEngine(counted, room=10 << 20, patience=5.0)
    one, other = (engine.ask(QueryRequest(ROWS, JSON)) for _ in range(2))
    first = one.file.read(1000)
    assert other.file.read(1000) == first
    one.file.seek(0, os.SEEK_END)
    assert one.file.tell() == one.size
    one.close()
    assert len(other.file.read()) == other.size - 1000
    other.close()


def test_followers_are_bounded(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaven.publisher.engine.cache.FOLLOWERS", 1)
    gate = threading.Event()
    engine = CachedEngine(counted, room=10 << 20, patience=20.0, admit=lambda _: gate.wait(20) and None)
    threads = [threading.Thread(target=content, args=(engine, COUNT)) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not engine._followers:
        time.sleep(0.01)
    with pytest.raises(QueryBusy):
        content(engine, COUNT)
    gate.set()
    for thread in threads:
        thread.join()
