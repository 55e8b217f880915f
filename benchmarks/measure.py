"""Time and peak memory of a command, children included."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """`seconds` of wall time; `megabytes` the largest resident set of the process or one of its children."""

    seconds: float
    megabytes: float
    exit_code: int

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.megabytes:.0f} MB"


@dataclass(frozen=True)
class Measured:
    """A measured `value` in `unit` ("x" is a ratio) with its `limit`, if it has one.

    With `at_least`, more is better ("15 times faster"); otherwise the value may be `limit` at most. `note` contains the
    numbers behind a ratio.
    """

    what: str
    value: float
    unit: str = "x"
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None where there is no limit."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        limit = ""
        if self.limit is not None:
            limit = f"{'at least' if self.at_least else 'at most'} {self.limit:g} {self.unit}"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return f"  {self.what:58} {self.value:>9.2f} {self.unit:3} {limit:18} {verdict:7} {self.note}".rstrip()


def measure(
    command: Sequence[str], *, repeat: int = 1, folder: Path | None = None, environment: dict[str, str] | None = None
) -> Cost:
    """Return the time of the fastest of `repeat` runs and the largest memory of all. Their output is discarded."""
    runs = [_run(command, folder, environment) for _ in range(repeat)]
    fastest = min(runs, key=lambda cost: cost.seconds)
    return Cost(fastest.seconds, max(cost.megabytes for cost in runs), fastest.exit_code)


def _run(command: Sequence[str], folder: Path | None, environment: dict[str, str] | None) -> Cost:
    started = time.perf_counter()
    settings = {**os.environ, **(environment or {})}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env=settings)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024, process.returncode)
