"""Who may run a query now: what is quick passes what is long, and nobody takes all places."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from vaven.publisher.engine.fair_queue import YOUNG_SECONDS, FairQueue, Slot
from vaven.vocab.errors import QueryBusy, QueryTooMany


def soon(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


class Client:
    """A thread with a turn, which it keeps until told."""

    def __init__(self, lane: FairQueue, name: str, seconds: float = 20.0) -> None:
        self.turn: Slot | None = None
        self.refused: QueryBusy | None = None
        self._done = threading.Event()
        self._lane, self._name, self._seconds = lane, name, seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._lane.turn(self._name, time.monotonic() + self._seconds) as self.turn:
                self._done.wait()
        except QueryBusy as refused:
            self.refused = refused

    @property
    def is_at_work(self) -> bool:
        return self.turn is not None and not self._done.is_set()

    def end(self) -> None:
        self._done.set()
        self._thread.join()


@contextmanager
def clients(lane: FairQueue, *names: str) -> Iterator[list[Client]]:
    """Each has come before the next one comes."""
    made: list[Client] = []
    try:
        for name in names:
            made.append(Client(lane, name))
            assert soon(lambda: len(lane._waiting) + len(lane._at_work) == len(made))
        yield made
    finally:
        for client in made:
            client.end()


def test_as_many_run_as_should_until_they_last_long() -> None:
    lane = FairQueue(at_once=2, places=3, each=10, share=60.0)
    with clients(lane, *"abcde") as (a, b, c, d, e):
        assert soon(lambda: a.is_at_work and b.is_at_work)
        assert not c.is_at_work
        assert not lane.is_crowded()
        assert soon(lambda: c.is_at_work)
        assert c.turn
        assert a.turn
        assert c.turn.began - a.turn.began >= YOUNG_SECONDS
        assert lane.is_crowded()
        time.sleep(YOUNG_SECONDS * 1.2)
        assert not d.is_at_work, "there are three places"
        a.end()
        assert soon(lambda: d.is_at_work)
        assert not e.is_at_work


def test_who_has_least_at_work_is_next() -> None:
    lane = FairQueue(at_once=1, places=4, each=10, share=60.0)
    with clients(lane, "many", "many", "many", "one") as (_, second, third, one):
        assert soon(lambda: one.is_at_work)
        assert not second.is_at_work
        assert not third.is_at_work
        assert soon(lambda: second.is_at_work)
        assert not third.is_at_work


def test_who_waits_too_long_or_comes_too_often_is_refused() -> None:
    lane = FairQueue(at_once=1, places=1, each=2, share=60.0)
    with clients(lane, "a"):
        waiting = Client(lane, "a", seconds=0.3)
        assert soon(lambda: len(lane._waiting) == 1)
        with pytest.raises(QueryTooMany) as many, lane.turn("a", time.monotonic() + 9):
            pass
        assert (many.value.status, many.value.retry_seconds) == (429, 2)
        with pytest.raises(QueryBusy, match="Too many queries are waiting") as full, lane.turn("b", 0.0):
            pass
        assert full.value.status == 503
        assert soon(lambda: waiting.refused is not None)
        assert isinstance(waiting.refused, QueryBusy)
        waiting.end()
    with lane.turn("a", time.monotonic() + 1) as turn:
        assert turn.began


def test_of_a_full_house_the_busiest_clients_oldest_makes_room() -> None:
    lane = FairQueue(at_once=3, places=3, each=10, share=0.5)
    with clients(lane, "a", "b", "b") as (a, older, newer):
        assert soon(lambda: newer.is_at_work)
        time.sleep(0.6)
        assert a.turn
        assert older.turn
        assert newer.turn
        assert not any(lane.must_yield(c.turn) for c in (a, older, newer) if c.turn), "nobody waits"
        waiting = Client(lane, "c")
        assert soon(lambda: len(lane._waiting) == 1)
        assert [lane.must_yield(turn) for turn in (a.turn, older.turn, newer.turn)] == [False, True, False]
        older.end()
        assert soon(lambda: waiting.is_at_work)
        assert not lane.must_yield(newer.turn)
        waiting.end()


def test_nobody_makes_room_before_a_share_of_time() -> None:
    lane = FairQueue(at_once=1, places=1, each=10, share=60.0)
    with clients(lane, "a", "b") as (a, _):
        assert soon(lambda: a.is_at_work)
        assert a.turn
        assert not lane.must_yield(a.turn)
        a.turn.began -= 60
        assert lane.must_yield(a.turn)
        assert a.turn.niceness == 19
        assert Slot("x").niceness < 19


def test_closing_sends_those_away_who_wait() -> None:
    lane = FairQueue(at_once=1, places=1, each=10, share=60.0)
    with clients(lane, "a", "b") as (_, waiting):
        lane.close()
        assert soon(lambda: waiting.refused is not None)
