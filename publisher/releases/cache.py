"""A cache of values that hold for one published state: thread-safe, bounded in size, each value built once.

The state names what is published (a snapshot, or the set of visible releases). Every value of a state is dropped when
the cache is first used with another one, so no reader gets a value of an older state.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Full
from typing import Generic, TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class _Entry(Generic[Value]):
    """A cached value with its cost, in the unit of the cache's size."""

    value: Value
    cost: int


class CachedByState(Generic[Key, Value]):
    """Values by key for the current published state, of which the least recently used leave when the cache is full.

    An empty state ("", None, ()) means that the state is unknown, as with a remote graph server: concurrent calls still
    share one build, and nothing is stored. Exceptions are never stored. All methods are safe to call from many threads.
    """

    def __init__(
        self,
        size: int,
        *,
        cost: Callable[[Key, Value], int] = lambda _key, _value: 1,
        largest: int | None = None,
        state_of: Callable[[Value], Hashable] | None = None,
        followers: int | None = None,
        unshared: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Bound the sum of all costs by `size`: a number of values, or bytes where `cost` returns bytes.

        A value that costs more than `largest` is returned and not stored. `state_of` returns the state that a value was
        built from, where the value knows it; by default it is the state that it was requested for. At most `followers`
        threads wait for other threads' builds. Exceptions of the types `unshared` concern only the thread that built
        (its client was refused): threads that waited for it build in turn.
        """
        self._cost = cost
        self._largest = size if largest is None else min(size, largest)
        self._state_of, self._followers, self._unshared = state_of, followers, unshared
        self._stored: LRUCache[Key, _Entry[Value]] = LRUCache(size, getsizeof=lambda entry: entry.cost)
        self._flights: dict[tuple[Hashable, Key, Hashable], Future[Value]] = {}
        self._state: Hashable = None
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """The sum of the costs of all stored values."""
        with self._lock:
            return int(self._stored.currsize)

    @property
    def waiting(self) -> int:
        """The number of threads that are waiting for another thread's build."""
        with self._lock:
            return self._waiting

    def __len__(self) -> int:
        """Return the number of stored values."""
        with self._lock:
            return len(self._stored)

    def get(
        self,
        state: Hashable,
        key: Key,
        build: Callable[[], Value],
        *,
        seconds: float | None = None,
        flight: Hashable = None,
    ) -> Value:
        """Return the value of a key in a state; build it unless it is stored or another thread is building it.

        Waits at most `seconds` for another thread's build (0: not at all) and raises TimeoutError then; raises
        queue.Full when too many threads wait. An exception of `build` is raised in all threads that waited for it.
        Calls with different `flight` do not wait for each other's builds. `build` must not request the same key.
        """
        while True:
            with self._lock:
                self._use(state)
                if (entry := self._stored.get(key)) is not None:
                    return entry.value
                running_key = state, key, flight
                running = self._flights.get(running_key)
                if running is None:
                    own = self._flights[running_key] = Future()
                else:
                    self._join()
            if running is None:
                return self._build(own, running_key, build)
            try:
                return running.result(seconds)
            except self._unshared:
                continue
            finally:
                with self._lock:
                    self._waiting -= 1

    def peek(self, state: Hashable, key: Key) -> Value | None:
        """Return the stored value of a key in a state; None if there is none, whether or not one is being built."""
        with self._lock:
            self._use(state)
            entry = self._stored.get(key)
            return None if entry is None else entry.value

    def put(self, state: Hashable, key: Key, value: Value) -> None:
        """Store a value, or a stored one anew when its cost has changed.

        Ignored when the cache has since been used with another state than `state`, or the value is too large.
        """
        with self._lock:
            if self._state is None:
                self._use(state)
            self._store(state, key, value)

    def clear(self) -> None:
        with self._lock:
            self._stored.clear()

    def _use(self, state: Hashable) -> None:
        if state != self._state:
            self._stored.clear()
            self._state = state

    def _store(self, state: Hashable, key: Key, value: Value) -> None:
        cost = self._cost(key, value)
        if not state or state != self._state:
            return
        if cost <= self._largest:
            self._stored[key] = _Entry(value, cost)
        else:
            self._stored.pop(key, None)

    def _join(self) -> None:
        if self._followers is not None and self._waiting >= self._followers:
            raise Full
        self._waiting += 1

    def _build(
        self, flight: "Future[Value]", running_key: tuple[Hashable, Key, Hashable], build: Callable[[], Value]
    ) -> Value:
        """Build a value for all threads that wait for it. Exceptions are theirs too."""
        state, key, _ = running_key
        try:
            value = build()
            with self._lock:
                self._store(self._state_of(value) if self._state_of else state, key, value)
        except BaseException as error:
            self._end(running_key)
            flight.set_exception(error)
            # Read once here, so that an exception for which nobody waited is not reported as unhandled.
            flight.exception()
            raise
        self._end(running_key)
        flight.set_result(value)
        return value

    def _end(self, running_key: tuple[Hashable, Key, Hashable]) -> None:
        with self._lock:
            del self._flights[running_key]
