import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Full

import pytest

from vaven.publisher.releases.cache import CachedByState

THREADS = 8


def in_threads(call: Callable[[], object], finish: Callable[[], None] = lambda: None) -> list[object]:
    """Call from THREADS threads at the same moment, then `finish`; returns the results, or the exceptions raised."""
    start = threading.Barrier(THREADS)

    def one() -> object:
        start.wait()
        try:
            return call()
        except (OSError, Full) as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(one) for _ in range(THREADS)]
        finish()
        return [future.result() for future in futures]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Builder:
    """A builder of a value that waits for `may_end` and counts its calls."""

    def __init__(self, value: object = "value", *, blocked: bool = True) -> None:
        self.value, self.calls = value, 0
        self.started, self.may_end = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        if not blocked:
            self.may_end.set()

    def __call__(self) -> object:
        with self._lock:
            self.calls += 1
        self.started.set()
        assert self.may_end.wait(20)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def end_when_all_wait(self, cache: CachedByState[str, object], count: int = THREADS - 1) -> None:
        until(lambda: cache.waiting == count)
        self.may_end.set()


def test_the_value_of_a_state_is_built_once_by_eight_threads_at_once() -> None:
    cache = CachedByState[str, object](10)
    build = Builder()
    finish = partial(build.end_when_all_wait, cache)
    assert in_threads(lambda: cache.get("one", "key", build), finish) == ["value"] * THREADS
    assert in_threads(lambda: cache.get("one", "key", build)) == ["value"] * THREADS
    assert build.calls == 1


def test_none_is_a_value_that_is_cached() -> None:
    cache = CachedByState[str, object](10)
    build = Builder(None, blocked=False)
    assert [cache.get("one", "key", build) for _ in range(3)] == [None] * 3
    assert build.calls == 1


def test_keys_are_built_side_by_side() -> None:
    cache = CachedByState[int, object](10)
    start = threading.Barrier(3, timeout=5)
    with ThreadPoolExecutor(3) as pool:
        values = list(pool.map(lambda key: cache.get("one", key, lambda: start.wait() * 0 + key), range(3)))
    assert values == [0, 1, 2]


def test_a_new_state_drops_every_value_of_the_old_one() -> None:
    cache = CachedByState[str, str](10)
    for key in "abc":
        cache.put("one", key, f"{key} of one")
    assert cache.peek("one", "a") == "a of one"
    assert cache.peek("two", "a") is None
    assert len(cache) == cache.used == 0
    assert cache.get("two", "a", lambda: "a of two") == "a of two"
    assert cache.peek("one", "b") is None


def test_a_value_finished_after_the_state_has_changed_is_returned_and_not_stored() -> None:
    cache = CachedByState[str, object](10)
    build = Builder("old")
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(cache.get, "one", "key", build)
        assert build.started.wait(5)
        assert cache.get("two", "key", lambda: "new") == "new"
        build.may_end.set()
        assert old.result() == "old"
    assert cache.peek("two", "key") == "new"
    cache.put("one", "key", "late")
    assert cache.peek("two", "key") == "new"


def test_a_value_that_knows_its_state_is_stored_under_that_one_only() -> None:
    cache = CachedByState[str, str](10, state_of=lambda value: value.split()[0])
    assert cache.get("one", "key", lambda: "two x") == "two x"
    assert len(cache) == 0
    assert cache.get("two", "key", lambda: "two y") == "two y"
    assert cache.peek("two", "key") == "two y"


@pytest.mark.parametrize("state", ["", None, ()])
def test_without_a_state_nothing_is_stored_and_concurrent_calls_share_a_build(state: object) -> None:
    cache = CachedByState[str, object](10)
    build = Builder()
    finish = partial(build.end_when_all_wait, cache)
    assert in_threads(lambda: cache.get(state, "key", build), finish) == ["value"] * THREADS
    assert build.calls == 1
    cache.put(state, "key", "value")
    assert cache.peek(state, "key") is None
    cache.get(state, "key", build)
    assert build.calls == 2


def test_values_stay_within_the_limit_in_bytes_and_the_least_recently_used_is_dropped() -> None:
    cache = CachedByState[str, bytes](100, cost=lambda key, value: len(key) + len(value), largest=50)
    for key in "abcd":
        cache.put("one", key, bytes(24))
    assert (cache.used, len(cache)) == (100, 4)
    assert cache.peek("one", "a")
    cache.put("one", "e", bytes(24))
    assert cache.peek("one", "b") is None
    assert [bool(cache.peek("one", key)) for key in "acde"] == [True] * 4
    assert cache.used == 100
    for number in range(200):
        cache.get("one", str(number), lambda size=number: bytes(size))  # type: ignore[misc]
        assert cache.used <= 100


def test_a_value_over_the_largest_size_is_returned_and_not_stored() -> None:
    cache = CachedByState[str, bytes](100, cost=lambda _, value: len(value), largest=50)
    cache.put("one", "small", bytes(40))
    assert cache.get("one", "large", lambda: bytes(51)) == bytes(51)
    assert cache.peek("one", "large") is None
    assert cache.peek("one", "small")


def test_the_size_of_a_value_that_has_grown_is_measured_again() -> None:
    cache = CachedByState[str, bytearray](100, cost=lambda _, value: len(value))
    page = bytearray(40)
    cache.put("one", "other", bytearray(40))
    cache.put("one", "page", page)
    page += bytes(30)
    cache.put("one", "page", page)
    assert cache.used == 70
    assert cache.peek("one", "other") is None
    page += bytes(300)
    cache.put("one", "page", page)
    assert cache.used == 0


def test_an_exception_reaches_all_waiting_callers_and_is_not_cached() -> None:
    cache = CachedByState[str, object](10)
    failing = Builder(OSError("no"))
    errors = in_threads(lambda: cache.get("one", "key", failing), partial(failing.end_when_all_wait, cache))
    assert [str(error) for error in errors] == ["no"] * THREADS
    assert failing.calls == 1
    assert cache.get("one", "key", lambda: "value") == "value"


def test_after_an_unshared_exception_a_waiting_caller_builds() -> None:
    cache = CachedByState[str, object](10, unshared=(PermissionError,))
    refused, build = Builder(PermissionError()), Builder(blocked=False)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "one", "key", refused)
        assert refused.started.wait(5)
        second = pool.submit(cache.get, "one", "key", build)
        refused.end_when_all_wait(cache, 1)
        assert second.result() == "value"
        assert isinstance(first.exception(), PermissionError)


def test_waiting_for_another_build_ends_at_the_time_limit() -> None:
    cache = CachedByState[str, object](10)
    build = Builder()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, "one", "key", build)
        assert build.started.wait(5)
        for seconds in (0, 0.05):
            with pytest.raises(TimeoutError):
                cache.get("one", "key", build, seconds=seconds)
        build.may_end.set()
        assert first.result() == "value"
    assert cache.get("one", "key", build, seconds=0) == "value"
    assert build.calls == 1


def test_no_more_threads_wait_than_are_allowed() -> None:
    cache = CachedByState[str, object](10, followers=3)
    build, refused = Builder(), []

    def call() -> object:
        try:
            return cache.get("one", "key", build)
        except Full:
            refused.append(1)
            raise

    def finish() -> None:
        until(lambda: len(refused) == THREADS - 1 - 3)
        build.may_end.set()

    results = in_threads(call, finish)
    assert sum(isinstance(result, Full) for result in results) == THREADS - 1 - 3
    assert results.count("value") == 1 + 3
    assert cache.get("two", "key", build) == "value"


def test_calls_of_different_flights_do_not_wait_for_each_other() -> None:
    cache = CachedByState[str, object](10)
    slow = Builder("slow")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, "one", "key", slow)
        assert slow.started.wait(5)
        assert cache.get("one", "key", lambda: "quick", flight="hurried") == "quick"
        assert cache.get("one", "key", slow) == "quick"
        slow.may_end.set()
        assert first.result() == "slow"
