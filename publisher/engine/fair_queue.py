"""Who may run a query now: few at a time, in fair order, and those that last long make room for those who come.

A query that is quick has a worker soon whatever the others do: what has run for YOUNG_SECONDS no longer counts among
the few, up to a number of places; and where all places are taken, one that has had its share of time gives up its
own. Long queries run on at a lower priority (NICENESS), so that the machine is there for the quick ones and the pages.
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
# Seconds at work, and the niceness (setpriority(2)) from then on.
NICENESS = ((0.0, 5), (YOUNG_SECONDS, 10), (4.0, 15), (10.0, 19))


@dataclass(eq=False)
class Slot:
    """One query of a client, on the clock of `time.monotonic`; `began` is 0 as long as it waits."""

    client: str
    arrived: float = field(default_factory=time.monotonic)
    began: float = 0.0

    @property
    def seconds(self) -> float:
        """At work."""
        return time.monotonic() - self.began if self.began else 0.0

    @property
    def niceness(self) -> int:
        return max(nice for since, nice in NICENESS if self.seconds >= since)


class FairQueue:
    """Turns in a number of places. `at_once` is how many young ones run, `each` how many turns a client may have.

    As many may wait as there are places. `share` is the seconds after which a turn may have to make room.
    """

    def __init__(self, *, at_once: int, places: int, each: int, share: float) -> None:
        self.at_once, self.places, self.each, self.share = at_once, max(places, at_once), each, share
        self._changed = threading.Condition()
        self._waiting: list[Slot] = []
        self._at_work: list[Slot] = []
        self._is_closed = False

    @contextmanager
    def turn(self, client: str, until: float) -> Iterator[Slot]:
        """A turn that has begun. Raises QueryBusy where that is not by `until`, QueryTooMany for one client's many."""
        turn = self._enter(client)
        try:
            self._wait(turn, until)
            yield turn
        finally:
            with self._changed:
                for listed in (self._waiting, self._at_work):
                    if turn in listed:
                        listed.remove(turn)
                self._changed.notify_all()

    def is_crowded(self) -> bool:
        """Whether more run than should at a time."""
        return len(self._at_work) > self.at_once

    def must_yield(self, turn: Slot) -> bool:
        """Whether this is the turn to end for those who wait: of the client with most, the one longest at work."""
        with self._changed:
            if not self._waiting or len(self._at_work) < self.places:
                return False
            counts = Counter(t.client for t in self._at_work)
            grown = [t for t in self._at_work if t.seconds >= self.share]
            return bool(grown) and turn is max(grown, key=lambda t: (counts[t.client], t.seconds))

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _enter(self, client: str) -> Slot:
        with self._changed:
            own = sum(turn.client == client for turn in (*self._waiting, *self._at_work))
            if own >= self.each:
                raise QueryTooMany(query_message("share", count=own), remedy=query_message("share.remedy"))
            if len(self._waiting) >= self.places:
                raise QueryBusy(query_message("waiting"), remedy=query_message("again.remedy"))
            turn = Slot(client)
            self._waiting.append(turn)
            return turn

    def _wait(self, turn: Slot, until: float) -> None:
        with self._changed:
            while self._is_closed or self._next() is not turn:
                left = until - time.monotonic()
                if self._is_closed or left <= 0:
                    raise QueryBusy(query_message("workers"), remedy=query_message("again.remedy"))
                self._changed.wait(min(left, self._until_grown()))
            self._waiting.remove(turn)
            turn.began = time.monotonic()
            self._at_work.append(turn)
            # There may be room for the one behind as well.
            self._changed.notify_all()

    def _next(self) -> Slot | None:
        """Who is to begin, if there is room: first those who have least at work, then those who came first."""
        young = sum(turn.seconds < YOUNG_SECONDS for turn in self._at_work)
        if young >= self.at_once or len(self._at_work) >= self.places or not self._waiting:
            return None
        counts = Counter(turn.client for turn in self._at_work)
        return min(self._waiting, key=lambda turn: (counts[turn.client], turn.arrived))

    def _until_grown(self) -> float:
        """Seconds until the oldest of the young no longer is."""
        left = [YOUNG_SECONDS - turn.seconds for turn in self._at_work]
        return min((seconds for seconds in left if seconds > 0), default=YOUNG_SECONDS) + 0.01
