"""Confinement of a worker process: no network, bounded memory and files, and an end with its parent."""

import ctypes
import errno
import json
import platform
import resource
import signal
import struct
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any

from vaven.schemas.formats.child_process import limit

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
# Half of what a pipe holds (pipe(7)), as base64.
SMALL_BYTES = 24 << 10
# Number of the system call socket(2) by machine type.
SOCKET_CALL = {"x86_64": 41, "aarch64": 198}


def confine(memory_mb: int, result_mb: int) -> None:
    """Limit this process. A write beyond `result_mb` then fails with EFBIG."""
    _forbid_sockets()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # By default a file beyond the limit ends the process; with the signal ignored, the write fails with EFBIG.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit(resource.RLIMIT_AS, memory_mb << 20)
    limit(resource.RLIMIT_FSIZE, result_mb << 20)
    limit(resource.RLIMIT_CORE, 0)


def _forbid_sockets() -> None:
    """Make socket(2) fail with EACCES from here on (seccomp, mode filter), in all threads started later.

    On another machine type, or a kernel without seccomp, the checks of the query are the only protection.
    """
    if platform.machine() not in SOCKET_CALL:
        return
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the call's number
            (0x15, 0, 1, SOCKET_CALL[platform.machine()]),  # if it is not socket, skip one
            (0x06, 0, 0, 0x00050000 | errno.EACCES),  # return the error
            (0x06, 0, 0, 0x7FFF0000),  # allow
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    pointer = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(pointer), 0, 0)


def report(message: dict[str, Any]) -> None:
    """Send a message to the pool."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def outcome_of_write(error: OSError) -> dict[str, Any]:
    """Return the outcome of a job whose result could not be written."""
    if error.errno == errno.EFBIG:
        return {"state": "too-large"}
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return {"state": "no-room"}
    return {"state": "failed", "message": str(error)}


class SmallResult:
    """A result that is written to its file only when it exceeds SMALL_BYTES: a small one is part of the report."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._bytes = bytearray()
        self._files = ExitStack()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "SmallResult":
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    @property
    def content(self) -> str | None:
        """The bytes as base64; None if they are in the file."""
        return None if self._file else b64encode(self._bytes).decode("ascii")

    def write(self, data: bytes) -> int:
        if self._file is None and len(self._bytes) + len(data) <= SMALL_BYTES:
            self._bytes += data
            return len(data)
        if self._file is None:
            self._file = self._files.enter_context(result_file(self._path))
            self._file.write(self._bytes)
        return self._file.write(data)

    def flush(self) -> None:
        if self._file:
            self._file.flush()


def serve_jobs(run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Run the jobs that arrive, a line of standard input each, and report the outcomes."""
    # A pool that has ended reads no outcomes.
    with suppress(BrokenPipeError):
        report({"state": "ready"})
        for line in sys.stdin:
            report(run(json.loads(line)))


@contextmanager
def result_file(path: str) -> Iterator[IO[bytes]]:
    """Open the file of a job, which the parent has open and which has no name: it is gone when both are killed."""
    with open(path, "wb") as file:
        yield file
