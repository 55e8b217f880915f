"""A child process with bounded memory and time that ends with its parent.

A partner's file or a query can exhaust memory, crash native code or never come to an end. Such work runs as
`python -P -m MODULE ARGUMENTS --with-parent PID`, and costs that process alone. The parent calls `run`, or starts
`command` itself where it talks to the child; the child calls `end_with_parent` and `limit` before any work. A process
with a single thread of Python forks itself instead (schemas/isolation.py), which costs milliseconds.
"""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from vaven.vocab.errors import NotReadable, mentions_full_disk

PR_SET_PDEATHSIG = 1
WITH_PARENT = "--with-parent"
# Signals of faults in native code. SIGABRT may as well be the end of one that gets no memory.
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
# The exit code of a child that refuses its input and has written why.
REFUSED = 3


class ExitReason(Enum):
    """Reasons for the end of a child process."""

    FINISHED = "finished"
    REFUSED = "refused"
    OUT_OF_MEMORY = "out-of-memory"
    # A panic of an extension module in Rust.
    PANICKED = "panicked"
    DISK_FULL = "disk-full"
    # By a signal: the kernel's for want of memory, or that of native code which aborts.
    KILLED = "killed"
    TIMED_OUT = "timed-out"
    FAILED = "failed"


@dataclass(frozen=True)
class ChildExit:
    """The end of a child process; `code` is its exit code, negative for a signal, None after a timeout."""

    reason: ExitReason
    code: int | None = None
    stderr: str = ""

    @property
    def has_crashed(self) -> bool:
        """Return whether native code faulted."""
        return self.code is not None and -self.code in CRASHES

    def check(self) -> None:
        """Raise an error for a child that neither finished nor refused: OSError for a full disk, else RuntimeError."""
        if self.reason is ExitReason.DISK_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.reason not in (ExitReason.FINISHED, ExitReason.REFUSED):
            raise RuntimeError(f"a child process ended ({self.reason.value}, {self.code}): {self.stderr[-2000:]}")


# --- in the parent


class Backoff:
    """The time before a process is started again: doubled as long as it ends early."""

    FIRST_SECONDS, MOST_SECONDS = 0.5, 30.0
    # A process that has run for so long did not fail by starting.
    STEADY_SECONDS = 60.0

    def __init__(self) -> None:
        self._seconds = 0.0

    def after(self, lived_seconds: float) -> float:
        """Return the seconds to wait after a process that has run for some time."""
        is_steady = lived_seconds >= self.STEADY_SECONDS
        self._seconds = self.FIRST_SECONDS if is_steady else min(self._seconds * 2, self.MOST_SECONDS)
        self._seconds = max(self._seconds, self.FIRST_SECONDS)
        return self._seconds


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module as a child of this process."""
    # -P: a partner's folder, where the command may well run, is not a place to import Python modules from.
    return [sys.executable, "-P", "-m", module, *arguments, WITH_PARENT, str(os.getpid())]


def run(
    module: str, *arguments: str, seconds: float | None = None, stdin: str = "", folder: Path | None = None
) -> ChildExit:
    """Run a module to its end, at most `seconds` of wall time, and classify how it ended.

    The child also ends with the thread that calls this (prctl(2), PR_SET_PDEATHSIG), which waits for it.
    """
    try:
        process = subprocess.run(
            command(module, *arguments),
            input=stdin.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        return ChildExit(ExitReason.TIMED_OUT)
    stderr = process.stderr.decode("utf-8", "replace")
    return ChildExit(_reason(process.returncode, stderr), process.returncode, stderr)


def _reason(code: int, stderr: str) -> ExitReason:
    if code < 0:
        return ExitReason.KILLED
    if "MemoryError" in stderr:
        return ExitReason.OUT_OF_MEMORY
    if "PanicException" in stderr:
        return ExitReason.PANICKED
    if mentions_full_disk(stderr):
        return ExitReason.DISK_FULL
    return {0: ExitReason.FINISHED, REFUSED: ExitReason.REFUSED}.get(code, ExitReason.FAILED)


def read_result(child: ChildExit, path: Path) -> Any:
    """Return the value that a child wrote with `write_result`. Raises NotReadable with the reason of a refusal."""
    value = json.loads(path.read_text("utf-8"))
    if child.reason is ExitReason.REFUSED:
        raise NotReadable(value["code"], **value["params"])
    return value


def ended(path: Path, seconds: float, status: int | None) -> NotReadable:
    """Return the error for a file that ended its reader after `seconds` (`status` None: out of time)."""
    if status in (None, -signal.SIGXCPU):
        count = max(int(seconds), 1)
        what = (f"den inte var läst efter {count} sekunder", f"it was not read after {count} seconds")
    elif status == -signal.SIGKILL:
        what = ("minnet tog slut när den lästes", "the memory ran out while it was read")
    else:
        what = (f"läsaren kraschade (kod {status})", f"the reader crashed (code {status})")
    return NotReadable("not-readable-ended", file=path.name, what_sv=what[0], what_en=what[1])


# --- in the child


def end_with_parent(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel send a signal to this process when the thread that started it ends (Linux only)."""
    if sys.platform == "linux":
        # Loading ctypes takes milliseconds that no command needs before its first child.
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)
    # The kernel announces an end to come, not one that came while this process began.
    if os.getppid() != parent:
        signal.raise_signal(by)


def enter(arguments: Sequence[str]) -> list[str]:
    """Bind this process to the parent that its arguments name, if any. Returns the other arguments."""
    if WITH_PARENT not in arguments:
        return list(arguments)
    position = arguments.index(WITH_PARENT)
    end_with_parent(int(arguments[position + 1]))
    return [*arguments[:position], *arguments[position + 2 :]]


def limit(kind: int, value: int) -> None:
    """Set a resource limit of this process (resource.RLIMIT_*), or keep a lower one that it has already."""
    _, allowed = resource.getrlimit(kind)
    value = value if allowed == resource.RLIM_INFINITY else min(value, allowed)
    resource.setrlimit(kind, (value, value))


def write_result(path: Path, work: Callable[[], object]) -> int:
    """Write what `work` returns to a file as JSON, or the code and parameters of its NotReadable.

    Returns the exit code.
    """
    try:
        value, code = work(), 0
    except NotReadable as reason:
        value, code = {"code": reason.code, "params": reason.params}, REFUSED
    path.write_text(json.dumps(value, default=str), "utf-8")
    return code
