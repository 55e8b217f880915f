"""Run a command and say how long it took and how much memory it peaked at, children included."""

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
    """One thing that was measured: `value` in `unit` ("x" is a ratio), and the `limit` it was set, if it was.

    `at_least` says that more is better ("15 times faster"); otherwise the value may be `limit` at most. `note` holds
    what the ratio was made of. A fact that is only told has no limit.
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
    """The fastest of `repeat` runs in a working folder, with the largest memory of all; output is thrown away."""
    runs = [_run(command, folder, environment) for _ in range(repeat)]
    fastest = min(runs, key=lambda cost: cost.seconds)
    return Cost(fastest.seconds, max(cost.megabytes for cost in runs), fastest.exit_code)


def _run(command: Sequence[str], folder: Path | None, environment: dict[str, str] | None) -> Cost:
    started = time.perf_counter()
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(
            command, stdout=nowhere, stderr=nowhere, cwd=folder, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024, process.returncode)
