"""A process that forks a reader for each upload (schemas/forking.py), so that none can end or block the server.

The server sends it one end of a socket for each piece of work, and keeps the other end: the fork reads the work from
there, runs it by schemas/isolation.py, and answers with the messages of that module. This process removes the
temporary files of its forks.
"""

import contextlib
import os
import pickle
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from vaven.schemas.forking import Forker, ForkingProcess
from vaven.schemas.formats.child_process import command, ended
from vaven.schemas.isolation import (
    COMMAND,
    HEADER,
    Limits,
    Value,
    Work,
    dump_error,
    frame,
    isolated,
    load_error,
    lock,
    temporary_folder,
)
from vaven.schemas.standard.read_options import Progress, no_progress
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab.areas import areas
from vaven.vocab.register import kpis

# Time beyond the limit of the work that a reader may need to begin and to answer.
MARGIN_SECONDS = 10.0
TICK_SECONDS = 0.25
BLOCK_BYTES = 1 << 16
# NumPy, which openpyxl imports, starts a thread for each further processor.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
# Modules that a reader imports when a file needs them; without pyarrow, whose import starts a thread.
LOADED = (
    "vaven.schemas.check",
    "vaven.schemas.formats.json",
    "vaven.schemas.formats.pcaxis",
    "vaven.schemas.formats.workbook",
    "vaven.schemas.reports.annotated_workbook",
    "vaven.schemas.reports.fix",
)


class ForkServer:
    """Run work in forks of a process that starts with the first of it; for any number of threads."""

    def __init__(self) -> None:
        self._forking = ForkingProcess(partial(command, "vaven.catalogue.validation.fork_server"), ONE_THREAD)

    def __call__(
        self,
        path: Path,
        work: Work[Value],
        *,
        limits: Limits = COMMAND,
        progress: Progress = no_progress,
        is_crowded: Callable[[], bool] = lambda: False,
    ) -> Value:
        """Run `work`, which can be pickled, as `isolated`; where `is_crowded`, it is asked to make room."""
        connection, start = self._connection(), time.monotonic()
        deadline = start + limits.seconds + MARGIN_SECONDS
        with connection:
            # A reader that has died does not take the work; the end of its answer tells.
            with contextlib.suppress(OSError):
                connection.sendall(frame((path, work, limits)))
            while (message := _receive(connection, deadline, is_crowded)) is not None:
                kind, value = message
                if kind == "progress":
                    progress(*value)
                elif kind == "error":
                    raise load_error(value)
                else:
                    result: Value = value
                    return result
        raise ended(path, time.monotonic() - start, None if time.monotonic() > deadline else -signal.SIGKILL)

    def close(self) -> None:
        """End the process with all its forks."""
        self._forking.close()

    def _connection(self) -> socket.socket:
        """Return a connection to a new fork."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._forking.fork(b"+", [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours


def _receive(connection: socket.socket, deadline: float, is_crowded: Callable[[], bool] = lambda: False) -> Any:
    """Return the next message; None at the end of the fork or at the deadline. Where `is_crowded`, say so."""
    size, content = HEADER.size, bytearray()
    is_header = True
    # Not select(2): a server may have more than 1,024 open files.
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while True:
        while len(content) < size:
            if time.monotonic() > deadline:
                return None
            if is_crowded():
                with contextlib.suppress(OSError):
                    connection.send(b"?")
            if not poll.poll(TICK_SECONDS * 1000):
                continue
            block = b""
            with contextlib.suppress(ConnectionResetError):
                block = connection.recv(min(size - len(content), BLOCK_BYTES))
            if not block:
                return None
            content += block
        if not is_header:
            # From a process of the same user, which could do all that a pickle can.
            return pickle.loads(bytes(content))
        (size,) = HEADER.unpack(bytes(content))
        is_header, content = False, bytearray()


# --- in the process that forks


class _Readers(Forker):
    """Forks that read uploads, with a folder for their temporary files."""

    def __init__(self, control: socket.socket, root: Path) -> None:
        super().__init__(control)
        self._root = root

    def prepare(self, message: bytes) -> None:
        if not self._root.exists():
            # Systems delete temporary files that are days old.
            self._root.mkdir(mode=0o700)
            lock(self._root)

    def run(self, message: bytes, descriptors: list[int]) -> None:
        with socket.socket(fileno=descriptors[0]) as connection:
            _run_work(connection)


def _run_work(connection: socket.socket) -> None:
    """Run the work that the connection brings, and send its messages; a closed connection ends the work."""
    path, work, limits = _receive(connection, time.monotonic() + MARGIN_SECONDS)

    def send(kind: str, value: object) -> None:
        connection.sendall(frame((kind, value)))

    try:
        value = isolated(
            path,
            work,
            limits=limits,
            progress=lambda stage, share: send("progress", (stage, share)),
            until_closed=connection.fileno(),
        )
    except OSError as error:
        # BrokenPipeError: nobody waits for the answer.
        if not isinstance(error, BrokenPipeError):
            send("error", dump_error(error))
    except Exception as error:  # noqa: BLE001 - told to the server, which raises it
        send("error", dump_error(error))
    else:
        send("value", value)


def main(arguments: list[str]) -> None:
    # Ctrl-C in a terminal reaches the server, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Once for all forks.
    for module in LOADED:
        import_module(module)
    standard()
    kpis()
    areas()
    with socket.socket(fileno=int(arguments[0])) as control, temporary_folder() as root:
        os.environ["TMPDIR"] = tempfile.tempdir = str(root)
        _Readers(control, root).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
