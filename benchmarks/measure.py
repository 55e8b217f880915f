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

    def against(self, other: "Cost") -> str:
        return f"{self.seconds / other.seconds:.2f} x"


def measure(command: Sequence[str], *, repeat: int = 1, folder: Path | None = None) -> Cost:
    """The fastest of `repeat` runs in a working folder; output is thrown away."""
    runs = [_run(command, folder) for _ in range(repeat)]
    return min(runs, key=lambda cost: cost.seconds)


def _run(command: Sequence[str], folder: Path | None) -> Cost:
    started = time.perf_counter()
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024, process.returncode)
