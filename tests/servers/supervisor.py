"""Run a server, and kill it with all its descendants when the process PARENT has ended: PARENT COMMAND...

A test run killed by SIGKILL cannot stop its servers, and a parent-death signal reaches only a direct child of one
thread. This program is the subreaper (prctl(2)) of everything the server starts: a descendant in a session of its own
(PostgreSQL's backends, Chromium's zygotes) or whose parent has ended becomes a child of this program.

Signals are passed on to the server. SIGUSR1 kills it, since SIGKILL would end this program instead. The exit status is
the server's. Run as `python -I -S`: starting takes 15 ms and needs the standard library alone.
"""

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR2, signal.SIGCONT)
# Time for descendants that end by themselves once the server has ended.
GRACE_SECONDS = 2.0
LIBC = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def supervise(parent: int, command: Sequence[str]) -> int:
    """Run the command until it or the parent ends; returns its wait status, that of SIGKILL if the parent ended."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        parent_end = os.pidfd_open(parent)
    except ProcessLookupError:
        return signal.SIGKILL
    signals = _signal_numbers()
    server = _start(command)
    status = None
    while status is None:
        ready, _, _ = select.select([parent_end, signals], [], [])
        if parent_end in ready:
            _kill_children()
            return signal.SIGKILL
        for number in os.read(signals, 4096):
            if number != signal.SIGCHLD:
                with suppress(ProcessLookupError):
                    os.kill(server, signal.SIGKILL if number == signal.SIGUSR1 else number)
        status = _status(server)
    _wait_for_children(parent_end, signals)
    _kill_children()
    return status


def _signal_numbers() -> int:
    """Return a pipe from which the number of each received signal can be read as a byte."""
    readable, writable = os.pipe()
    for end in (readable, writable):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGCHLD, signal.SIGUSR1, *PASSED_ON):
        signal.signal(number, lambda *_: None)
    return readable


def _start(command: Sequence[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    # For the case that this program itself is killed.
    end_with_parent()
    # Python ignores them, and an ignored signal stays ignored in a new program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _status(server: int) -> int | None:
    """Reap ended children; returns the server's wait status if it is among them."""
    status = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == server:
                status = ended[1]
    return status


def _wait_for_children(parent_end: int, signals: int) -> None:
    """Wait GRACE_SECONDS at most, and no longer than the parent lives."""
    deadline = time.monotonic() + GRACE_SECONDS
    while any(_children()) and (seconds := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([parent_end, signals], [], [], seconds)
        if parent_end in ready:
            return
        if ready:
            os.read(signals, 4096)
        _status(0)


def _kill_children() -> None:
    """Kill each child. Their children become ours then, so it is repeated until there is none."""
    while True:
        for pid in _children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    own = str(os.getpid())
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may contain blanks and parentheses itself.
            if entry.read_text(errors="replace").rpartition(") ")[2].split()[1] == own:
                yield int(entry.parent.name)


def _end_like(status: int) -> None:
    """End this process with a wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    _end_like(supervise(int(sys.argv[1]), sys.argv[2:]))
