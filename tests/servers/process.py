"""Server processes of a test run: started under supervisor.py, so that none outlives the run, and waited for."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / "build"
SUPERVISOR = Path(__file__).with_name("supervisor.py")
# A loaded machine starts CKAN and its servers ten times as slowly as a quiet one.
START_SECONDS = 300.0
STOP_SECONDS = 20.0


class NotInstalledError(RuntimeError):
    """A part of the test environment is missing, or its source has changed since it was installed."""

    def __init__(self, part: str) -> None:
        super().__init__(f"{part} is missing or out of date: run `make test-environment`")


def installed(folder: Path, *sources: Path) -> Path:
    """Return the folder if the stamp that the Makefile leaves there equals its sources. Raises NotInstalledError."""
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_bytes() != b"".join(source.read_bytes() for source in sources):
        raise NotInstalledError(os.path.relpath(folder, ROOT))
    return folder


def program(name: str) -> str:
    """Return the path of a program of Debian's. Raises NotInstalledError."""
    path = shutil.which(name)
    if not path:
        raise NotInstalledError(f"the program {name}")
    return path


class ServerProcess(subprocess.Popen[bytes]):
    """A supervised process in a session of its own, so that Ctrl-C in a terminal reaches the test run alone."""

    def __init__(self, command: Sequence[Any], **options: Any) -> None:
        supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid())]
        super().__init__([*supervisor, *map(str, command)], start_new_session=True, **options)

    def send_signal(self, sig: int) -> None:
        super().send_signal(signal.SIGUSR1 if sig == signal.SIGKILL else sig)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, by SIGKILL if it has not ended after STOP_SECONDS."""
        if self.stdin:
            self.stdin.close()
        self.send_signal(how)
        try:
            self.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()


def run_supervised(command: Sequence[Any], *, timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run a command that starts processes of its own; it ends with this process. Raises subprocess.TimeoutExpired."""
    with ServerProcess(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output.decode())


@contextmanager
def stopped_at_end(process: ServerProcess, how: signal.Signals = signal.SIGTERM) -> Iterator[ServerProcess]:
    try:
        yield process
    finally:
        process.stop(how)


def free_ports(count: int) -> list[int]:
    """Return different ports of loopback that nothing listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_port() -> int:
    (port,) = free_ports(1)
    return port


def wait_for_port(port: int) -> None:
    wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), lambda: f"nothing listens on {port}")


def wait_for_url(url: str, log: Path) -> None:
    wait(lambda: urllib.request.urlopen(url, timeout=30).close(), lambda: log.read_text(errors="replace")[-4000:])


def wait(attempt: Callable[[], None], reason: Callable[[], str]) -> None:
    """Repeat an attempt until it succeeds. Raises RuntimeError with the reason after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return attempt()
        except (OSError, subprocess.CalledProcessError) as cause:
            if time.monotonic() > deadline:
                raise RuntimeError(reason()) from cause
            time.sleep(0.1)


def workers(parent: int) -> list[int]:
    """Return the query workers of a process: the forks of its child that forks them."""
    parents = dict[int, int]()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, arguments = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it ended between the listing and the reading
            continue
        state, own_parent, *_ = status.rsplit(")", 1)[1].split()
        if state != "Z" and b"publisher.engine.worker_process" in arguments:
            parents[int(folder.name)] = int(own_parent)
    return [worker for worker, own_parent in parents.items() if parents.get(own_parent) == parent]
