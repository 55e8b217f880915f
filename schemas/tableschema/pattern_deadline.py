"""A deadline for each match of a schema's pattern: a backtracking pattern may need years for one value.

The matcher of `re` checks for signals, so a timer's handler can end it with an exception.
"""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from vaven.vocab.errors import NotReadable

TICK_SECONDS = 0.25
# Frictionless's function that matches a value, with the pattern as its local `constraint`.
MATCHER = ("frictionless.schema.field", "check_pattern")


@contextmanager
def pattern_deadline(file: str, descriptors: Any, seconds: float) -> Iterator[None]:
    """Raise NotReadable with field and pattern once a match takes longer than `seconds`. For the main thread only."""
    if '"pattern"' not in json.dumps(descriptors, default=str):
        yield
        return
    before = signal.signal(signal.SIGALRM, _Watch(file, seconds).tick)
    # System calls of DuckDB and Frictionless are not interrupted by the timer.
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Watch:
    def __init__(self, file: str, seconds: float) -> None:
        self.file, self.seconds = file, seconds
        # The call that the last tick interrupted. Each call has a frame of its own.
        self.call: FrameType | None = None
        self.since = 0.0

    def tick(self, _signal: int, frame: FrameType | None) -> None:
        call = frame if frame and (frame.f_globals.get("__name__"), frame.f_code.co_name) == MATCHER else None
        now = time.monotonic()
        if call is None or call is not self.call:
            self.call, self.since = call, now
        elif now - self.since > self.seconds:
            raise NotReadable("not-readable-pattern", file=self.file, **_named(call))


def _named(call: FrameType) -> dict[str, str]:
    """Return the field and the pattern of a call. The caller is a cell reader, whose `self` is the field."""
    field = call.f_back.f_locals.get("self") if call.f_back else None
    pattern = field.constraints["pattern"] if field else call.f_locals["constraint"].pattern
    return {"field": str(field.name) if field else "?", "pattern": str(pattern)[:200]}
