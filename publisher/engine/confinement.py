"""Confinement of a worker process: no network, bounded memory and files, and an end with its parent."""

import ctypes
import errno
import json
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from vaven.schemas.formats.child_process import limit

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
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


def serve_jobs(run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Run the jobs that arrive, a line of standard input each, and report the outcomes."""
    # A pool that has ended reads no outcomes.
    with suppress(BrokenPipeError):
        report({"state": "ready"})
        for line in sys.stdin:
            report(run(json.loads(line)))


@contextmanager
def result_file(path: str) -> Iterator[IO[bytes]]:
    """Open the file of a job. The parent has it open too; unlinked, it leaves nothing when both are killed."""
    with open(path, "wb") as file:
        os.unlink(path)
        yield file
