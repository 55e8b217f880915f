"""Fair queueing: quick queries overtake long ones, and no client takes all slots."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from vaven.publisher.engine.fair_queue import YOUNG_SECONDS, FairQueue, Slot
from vaven.vocab.errors import QueryBusy, QueryTooMany


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


class Client:
    """A thread with a slot, held until `finish`."""

    def __init__(self, queue: FairQueue, name: str, seconds: float = 20.0) -> None:
        self.slot: Slot | None = None
        self.refused: QueryBusy | None = None
        self._done = threading.Event()
        self._queue, self._name, self._seconds = queue, name, seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._queue.slot(self._name, time.monotonic() + self._seconds) as self.slot:
                self._done.wait()
        except QueryBusy as refused:
            self.refused = refused

    @property
    def is_running(self) -> bool:
        return self.slot is not None and not self._done.is_set()

    def finish(self) -> None:
        self._done.set()
        self._thread.join()


@contextmanager
def clients(queue: FairQueue, *names: str) -> Iterator[list[Client]]:
    """Start clients in order, each once the previous one is in the queue."""
    started: list[Client] = []
    try:
        for name in names:
            started.append(Client(queue, name))
            assert wait_until(lambda: len(queue._waiting) + len(queue._running) == len(started))
        yield started
    finally:
        for client in started:
            client.finish()


def test_concurrency_is_limited_until_queries_run_long() -> None:
    queue = FairQueue(concurrency=2, slots=3, per_client=10, share_seconds=60.0)
    with clients(queue, *"abcde") as (a, b, c, d, e):
        assert wait_until(lambda: a.is_running and b.is_running)
        assert not c.is_running
        assert not queue.is_crowded()
        assert wait_until(lambda: c.is_running)
        assert c.slot
        assert a.slot
        assert c.slot.started - a.slot.started >= YOUNG_SECONDS
        assert queue.is_crowded()
        time.sleep(YOUNG_SECONDS * 1.2)
        assert not d.is_running, "there are three places"
        a.finish()
        assert wait_until(lambda: d.is_running)
        assert not e.is_running


def test_the_client_with_fewest_running_is_next() -> None:
    queue = FairQueue(concurrency=1, slots=4, per_client=10, share_seconds=60.0)
    with clients(queue, "many", "many", "many", "one") as (_, second, third, one):
        assert wait_until(lambda: one.is_running)
        assert not second.is_running
        assert not third.is_running
        assert wait_until(lambda: second.is_running)
        assert not third.is_running


def test_waiting_too_long_or_exceeding_the_client_limit_is_refused() -> None:
    queue = FairQueue(concurrency=1, slots=1, per_client=2, share_seconds=60.0)
    with clients(queue, "a"):
        waiting = Client(queue, "a", seconds=0.3)
        assert wait_until(lambda: len(queue._waiting) == 1)
        with pytest.raises(QueryTooMany) as many, queue.slot("a", time.monotonic() + 9):
            pass
        assert (many.value.status, many.value.retry_seconds) == (429, 2)
        with pytest.raises(QueryBusy, match="Too many queries are waiting") as full, queue.slot("b", 0.0):
            pass
        assert full.value.status == 503
        assert wait_until(lambda: waiting.refused is not None)
        assert isinstance(waiting.refused, QueryBusy)
        waiting.finish()
    with queue.slot("a", time.monotonic() + 1) as slot:
        assert slot.started


def test_in_a_full_queue_the_longest_running_of_the_busiest_client_yields() -> None:
    queue = FairQueue(concurrency=3, slots=3, per_client=10, share_seconds=0.5)
    with clients(queue, "a", "b", "b") as (a, older, newer):
        assert wait_until(lambda: newer.is_running)
        time.sleep(0.6)
        assert a.slot
        assert older.slot
        assert newer.slot
        assert not any(queue.must_yield(c.slot) for c in (a, older, newer) if c.slot), "nobody waits"
        waiting = Client(queue, "c")
        assert wait_until(lambda: len(queue._waiting) == 1)
        assert [queue.must_yield(slot) for slot in (a.slot, older.slot, newer.slot)] == [False, True, False]
        older.finish()
        assert wait_until(lambda: waiting.is_running)
        assert not queue.must_yield(newer.slot)
        waiting.finish()


def test_no_query_yields_before_its_share_of_time() -> None:
    queue = FairQueue(concurrency=1, slots=1, per_client=10, share_seconds=60.0)
    with clients(queue, "a", "b") as (a, _):
        assert wait_until(lambda: a.is_running)
        assert a.slot
        assert not queue.must_yield(a.slot)
        a.slot.started -= 60
        assert queue.must_yield(a.slot)
        assert a.slot.niceness == 19
        assert Slot("x").niceness < 19


def test_closing_refuses_waiting_queries() -> None:
    queue = FairQueue(concurrency=1, slots=1, per_client=10, share_seconds=60.0)
    with clients(queue, "a", "b") as (_, waiting):
        queue.close()
        assert wait_until(lambda: waiting.refused is not None)
