"""Admission of queries to a limited number of slots, in fair order; long queries yield to waiting ones.

A quick query soon gets a worker whatever the others do: a query older than YOUNG_SECONDS no longer counts towards
`concurrency`, up to the number of slots; and when all slots are taken, a query that has had its share of time gives up
its slot. Long queries continue at a lower priority (NICENESS), which leaves the machine to quick queries and pages.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryBusy, QueryTooMany

YOUNG_SECONDS = 1.0
# Seconds of running, and the niceness (setpriority(2)) from then on.
LEAST_NICENESS = 5
NICENESS = ((0.0, LEAST_NICENESS), (YOUNG_SECONDS, 10), (4.0, 15), (10.0, 19))


@dataclass(eq=False)
class Slot:
    """One query of a client, on the clock of `time.monotonic`; `started` is 0 while it waits."""

    client: str
    arrived: float = field(default_factory=time.monotonic)
    started: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of running; 0 while waiting."""
        return time.monotonic() - self.started if self.started else 0.0

    @property
    def niceness(self) -> int:
        return max(nice for since, nice in NICENESS if self.seconds >= since)


class FairQueue:
    """A queue for `slots` slots, of which `concurrency` may be held by queries younger than YOUNG_SECONDS.

    `per_client` limits the queries of one client, waiting and running. As many queries may wait as there are slots. A
    query older than `share_seconds` may have to yield.
    """

    def __init__(self, *, concurrency: int, slots: int, per_client: int, share_seconds: float) -> None:
        self.concurrency, self.slots, self.per_client, self.share_seconds = (
            concurrency,
            max(slots, concurrency),
            per_client,
            share_seconds,
        )
        self._changed = threading.Condition()
        self._waiting: list[Slot] = []
        self._running: list[Slot] = []
        self._is_closed = False

    @contextmanager
    def slot(self, client: str, until: float) -> Iterator[Slot]:
        """Wait for a slot and hold it. Raises QueryBusy if none is free by `until`, QueryTooMany at `per_client`."""
        slot = self._enter(client)
        try:
            self._wait(slot, until)
            yield slot
        finally:
            with self._changed:
                for queue in (self._waiting, self._running):
                    if slot in queue:
                        queue.remove(slot)
                self._changed.notify_all()

    def is_crowded(self) -> bool:
        """Return whether more queries are running than `concurrency`."""
        return len(self._running) > self.concurrency

    def must_yield(self, slot: Slot) -> bool:
        """Return whether this query must end for waiting ones: the longest-running of the client with most."""
        with self._changed:
            if not self._waiting or len(self._running) < self.slots:
                return False
            counts = Counter(t.client for t in self._running)
            yieldable = [t for t in self._running if t.seconds >= self.share_seconds]
            return bool(yieldable) and slot is max(yieldable, key=lambda t: (counts[t.client], t.seconds))

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _enter(self, client: str) -> Slot:
        with self._changed:
            own = sum(slot.client == client for slot in (*self._waiting, *self._running))
            if own >= self.per_client:
                raise QueryTooMany(query_message("share", count=own), remedy=query_message("share.remedy"))
            if len(self._waiting) >= self.slots:
                raise QueryBusy(query_message("waiting"), remedy=query_message("again.remedy"))
            slot = Slot(client)
            self._waiting.append(slot)
            return slot

    def _wait(self, slot: Slot, until: float) -> None:
        with self._changed:
            while self._is_closed or self._next() is not slot:
                left = until - time.monotonic()
                if self._is_closed or left <= 0:
                    raise QueryBusy(query_message("workers"), remedy=query_message("again.remedy"))
                self._changed.wait(min(left, self._seconds_until_old()))
            self._waiting.remove(slot)
            slot.started = time.monotonic()
            self._running.append(slot)
            # There may be room for the next in the queue as well.
            self._changed.notify_all()

    def _next(self) -> Slot | None:
        """Return the next query to start, if any may: of the client with fewest running, then the earliest."""
        young = sum(slot.seconds < YOUNG_SECONDS for slot in self._running)
        if young >= self.concurrency or len(self._running) >= self.slots or not self._waiting:
            return None
        counts = Counter(slot.client for slot in self._running)
        return min(self._waiting, key=lambda slot: (counts[slot.client], slot.arrived))

    def _seconds_until_old(self) -> float:
        """Seconds until the oldest young query no longer counts as young."""
        left = [YOUNG_SECONDS - slot.seconds for slot in self._running]
        return min((seconds for seconds in left if seconds > 0), default=YOUNG_SECONDS) + 0.01
