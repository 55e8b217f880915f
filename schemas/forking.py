"""A process with modules loaded and a single thread, which forks itself for each piece of work.

A server runs threads, and must not fork itself; a new process would import modules for half a second. The server sends
descriptors and a message through a control socket, and the fork has both.

The process ends when the server's end of that socket is closed, which the kernel does however the server ends. Its
forks end with it.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from vaven.schemas.formats.child_process import end_with_parent

MAX_MESSAGE_BYTES, MAX_DESCRIPTORS = 1 << 16, 8
END_SECONDS = 5


class ForkingProcess:
    """A process started with the first request, and again when it was killed; for any number of threads.

    `command` returns its command line, given the number of the descriptor of the control socket.
    """

    def __init__(self, command: Callable[[str], Sequence[str]], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, message: bytes, descriptors: Sequence[int]) -> None:
        """Send a message and descriptors to a new fork. Raises OSError if there can be none."""
        with self._lock:
            if self._control is None:
                self._start()
            try:
                self._send(message, descriptors)
            except OSError:
                # It was killed; another one takes its place.
                self._stop()
                self._start()
                self._send(message, descriptors)

    def prepare(self, message: bytes) -> None:
        """Let the process do what it does before it forks for a message. Raises OSError if it cannot start."""
        self.fork(message, ())

    def close(self) -> None:
        """End the process with all its forks."""
        with self._lock:
            self._stop()

    def _send(self, message: bytes, descriptors: Sequence[int]) -> None:
        assert self._control
        socket.send_fds(self._control, [message], list(descriptors))

    def _start(self) -> None:
        # Messages stay apart, and the end of the socket is an empty one.
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                self._command(str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | self._environment,
            )

    def _stop(self) -> None:
        if self._control and self._process:
            self._control.close()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


class Forker(ABC):
    """The process that forks; subclasses say what a fork does."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._forks: set[int] = set()

    def serve(self) -> None:
        """Fork for each message with descriptors that arrives, until the server closes its end."""
        # The end of a fork is a byte to read, so that it is noticed at once.
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        poll = select.poll()
        for descriptor in (reader, self._control.fileno()):
            poll.register(descriptor, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if reader in ready:
                    os.read(reader, MAX_MESSAGE_BYTES)
                    self._reap()
                if self._control.fileno() in ready:
                    message, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, MAX_DESCRIPTORS)
                    if not message:
                        return
                    if descriptors:
                        self._fork(message, descriptors)
                    else:
                        self.prepare(message)
        finally:
            for process in self._forks:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)

    @abstractmethod
    def prepare(self, message: bytes) -> None:
        """Do what this process does before it forks for a message."""

    @abstractmethod
    def run(self, message: bytes, descriptors: list[int]) -> None:
        """Do the work of a fork."""

    def started(self, process: int, descriptors: list[int]) -> None:
        """Note in this process that a fork has begun, whose descriptors are open here too."""
        for descriptor in descriptors:
            os.close(descriptor)

    def ended(self, process: int, code: int) -> None:
        """Note in this process the exit code of a fork, negative for a signal."""
        return

    def _reap(self) -> None:
        for process in tuple(self._forks):
            reaped, status = os.waitpid(process, os.WNOHANG)
            if reaped:
                self._forks.discard(process)
                self.ended(process, os.waitstatus_to_exitcode(status))

    def _fork(self, message: bytes, descriptors: list[int]) -> None:
        self.prepare(message)
        parent = os.getpid()
        process = os.fork()
        if process:
            self._forks.add(process)
            self.started(process, descriptors)
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            end_with_parent(parent)
            self._control.close()
            self.run(message, descriptors)
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of the process that forks may run in a fork
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
