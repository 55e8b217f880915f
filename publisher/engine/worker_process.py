"""Worker processes: forks of a process that has their modules loaded (schemas/forking.py).

A fork serves jobs on its standard input and output. Started as `python -m vaven.publisher.engine.worker_process`, this
module is the process that forks.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import IO

from vaven.schemas.forking import Forker, ForkingProcess
from vaven.schemas.formats.child_process import command

# glibc reserves 64 MB of addresses per thread's arena, hundreds in total, which the address space limit would count.
# NumPy starts a thread for each further processor, and a process that forks must have one.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
CODE_BYTES = 4
LOST = -signal.SIGKILL


@dataclass(frozen=True)
class WorkerCommand:
    """A module whose `main` runs with arguments."""

    module: str
    arguments: tuple[str, ...]

    @property
    def message(self) -> bytes:
        return json.dumps([self.module, self.arguments]).encode()


def load_ahead(worker: WorkerCommand) -> None:
    """Load the modules of a worker in the process that forks. Raises OSError if that cannot start."""
    _forking_process().prepare(worker.message)


class WorkerProcess:
    """A worker, with the interface of subprocess.Popen as far as a pool needs it."""

    def __init__(self, worker: WorkerCommand, log: IO[bytes]) -> None:
        """Start a worker whose standard error is a file. Raises OSError if it cannot start."""
        job_reader, job_writer = os.pipe()
        report_reader, report_writer = os.pipe()
        self._status, theirs = socket.socketpair()
        self.stdin, self.stdout = os.fdopen(job_writer, "wb", 0), os.fdopen(report_reader, "rb", 0)
        self.returncode: int | None = None
        # True once the process that forks has ended, and this one with it, for no fault of its own.
        self.is_lost = False
        self._pidfd = -1
        try:
            _forking_process().fork(worker.message, [job_reader, report_writer, log.fileno(), theirs.fileno()])
        except OSError:
            self.close()
            raise
        finally:
            os.close(job_reader)
            os.close(report_writer)
            theirs.close()
        number, descriptors, _, _ = socket.recv_fds(self._status, CODE_BYTES, 1)
        if not descriptors:
            self.close()
            raise OSError("the process that forks workers has ended")
        # A number may be another process's once this one has ended; its descriptor may not.
        self.pid, self._pidfd = int.from_bytes(number), descriptors[0]

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return self._ended(0)

    def wait(self) -> int:
        """Return the exit code when the process has ended."""
        code = self._ended(None)
        assert code is not None
        return code

    def kill(self) -> None:
        if self.poll() is None:
            # It may have ended since, with the process that forks.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Close the descriptors of this process."""
        self.stdin.close()
        self.stdout.close()
        self._status.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _ended(self, seconds: int | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._status, select.POLLIN)
            if poll.poll(seconds):
                code = self._status.recv(CODE_BYTES)
                self.is_lost = not code
                self.returncode = int.from_bytes(code, signed=True) if code else LOST
        return self.returncode


_lock = threading.Lock()
_processes: dict[int, ForkingProcess] = {}


def _forking_process() -> ForkingProcess:
    """Return the one process of this process; a fork of a server has its own."""
    with _lock:
        own = _processes.get(os.getpid())
        if own is None:
            _processes.clear()
            own = _processes[os.getpid()] = ForkingProcess(partial(command, __name__), ENVIRONMENT)
            atexit.register(own.close)
        return own


# --- in the process that forks


class _Workers(Forker):
    """Forks that run the main function of a module."""

    def __init__(self, control: socket.socket) -> None:
        super().__init__(control)
        self._statuses: dict[int, socket.socket] = {}

    def prepare(self, message: bytes) -> None:
        # Once for all forks.
        import_module(json.loads(message)[0])

    def run(self, message: bytes, descriptors: list[int]) -> None:
        # A group of its own: a priority can be given to all threads of a group, but to one of a process only.
        os.setpgid(0, 0)
        for target, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, target)
        # Those of other workers are open here as well.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        module, arguments = json.loads(message)
        import_module(module).main(*arguments)

    def started(self, process: int, descriptors: list[int]) -> None:
        super().started(process, descriptors[:3])
        status = self._statuses[process] = socket.socket(fileno=descriptors[3])
        pidfd = os.pidfd_open(process)
        _send(status, process.to_bytes(CODE_BYTES), pidfd)
        os.close(pidfd)

    def ended(self, process: int, code: int) -> None:
        status = self._statuses.pop(process)
        _send(status, code.to_bytes(CODE_BYTES, signed=True))
        status.close()


def _send(status: socket.socket, number: bytes, *descriptors: int) -> None:
    """Send a number to the pool, unless that has closed the worker."""
    try:
        socket.send_fds(status, [number], descriptors)
    except BrokenPipeError:
        return


def main(arguments: list[str]) -> None:
    # Ctrl-C in a terminal reaches the server, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(arguments[0])) as control:
        _Workers(control).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
