"""Work on a partner's file in a forked process with limits, so that no file ends the process that reports on it.

The file may crash native code, exhaust the memory, fill the disk or never come to an end. Work therefore runs in a fork
of this process; the fork limits itself, ends with its parent however that ends, and sends back what the work returns or
raises. The end of the fork without a result is a verdict: NotReadable with the code "not-readable-ended".

The process that forks must run no other thread of Python: a lock that one held would stay locked in the fork. A server
forks through catalogue/validation/fork_server.py.
"""

import fcntl
import gc
import os
import pickle
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

from vaven.schemas.formats.child_process import end_with_parent, ended, limit
from vaven.schemas.standard.finding import Report
from vaven.schemas.standard.read_options import Progress, no_progress
from vaven.vocab.errors import NotReadable, VavenError

Value = TypeVar("Value")
# Work gets the function that sends its progress to the parent.
Work = Callable[[Progress], Value]
PREFIX = "vaven-isolated-"
HEADER = struct.Struct("!Q")
BLOCK_BYTES = 1 << 16
TICK_SECONDS = 0.25
# Age of a folder whose creator has certainly locked it, unless it was killed.
ABANDONED_SECONDS = 60
# Objects made between two collections of garbage; Python's 700 costs a tenth of a small check.
COLLECTED_OBJECTS = 50_000
# Niceness (setpriority(2)) of work by its age in seconds, where a limit asks for it.
SHARE_SECONDS = 3.0
NICENESS = ((1.0, 5), (4.0, 10))


@dataclass(frozen=True)
class Limits:
    """Limits of a fork: memory (RLIMIT_DATA) and size of a written file in bytes, wall and processor time in seconds.

    The memory is what the work adds to that of the process which forks. Each process that the work starts has the same
    limits. With `yields` the work loses priority as it grows older.
    """

    memory_bytes: int = 4_000_000_000
    file_bytes: int = 40_000_000_000
    seconds: float = 3_600
    cpu_seconds: float = 4 * 3_600
    yields: bool = False


COMMAND = Limits()


class EarlyFork(NamedTuple):
    """A fork that waits for work: its process, and the pipes of its assignments and messages."""

    process: int
    assignments: int
    messages: int

    def end(self) -> None:
        """End a fork that got no work."""
        os.close(self.assignments)
        os.close(self.messages)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


class Runner(Protocol):
    """Run work on a file apart from the caller; see `isolated`."""

    def __call__(
        self, path: Path, work: Work[Value], *, limits: Limits = COMMAND, progress: Progress = no_progress
    ) -> Value: ...


def isolated(
    path: Path,
    work: Work[Value],
    *,
    limits: Limits = COMMAND,
    progress: Progress = no_progress,
    until_closed: int | None = None,
    early: EarlyFork | None = None,
) -> Value:
    """Return the value of `work` on the file `path`, run in a fork of this process, and raise its exceptions.

    Raises NotReadable("not-readable-ended") for work that a crash or a limit ended. Its temporary files are removed.
    `until_closed` is a file descriptor: once its other end is closed, the work is ended. A byte from there asks it to
    make room for other work: it ends with TimeoutError if it has had SHARE_SECONDS of processor time. Costs a few
    milliseconds. `early` is a fork that waits for work, which must then be possible to pickle.
    """
    with beside(path, work, limits=limits, progress=progress, until_closed=until_closed, early=early) as value:
        return value()


@contextmanager
def beside(
    path: Path,
    work: Work[Value],
    *,
    limits: Limits = COMMAND,
    progress: Progress = no_progress,
    until_closed: int | None = None,
    early: EarlyFork | None = None,
) -> Iterator[Callable[[], Value]]:
    """Run `work` as `isolated` does, beside this process: lend a function that waits for its value.

    The fork is ended where the value is not waited for.
    """
    with temporary_folder() as folder:
        assignment = _Assignment(os.getpid(), folder, work, limits, progress is not no_progress)
        child, reading = _assigned(early, assignment) or _forked(assignment)
        with open(reading, "rb"):
            fork = _Fork(child, reading, time.monotonic(), limits)
            try:
                yield lambda: _result(path, fork, progress, until_closed)
            finally:
                fork.end()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Lend a folder that is removed at the end; by the next such call where this process and its forks are killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                _remove_abandoned(left)
    folder, owner = Path(tempfile.mkdtemp(prefix=PREFIX)), os.getpid()
    descriptor = lock(folder)
    try:
        yield folder
    finally:
        # A fork of this process may leave the block too.
        if os.getpid() == owner:
            os.close(descriptor)
            _remove(folder)


@contextmanager
def temporary_files_in(parent: Path) -> Iterator[None]:
    """Let this process and those that it starts make temporary files below a folder, and remove them at the end.

    What killed processes have left there is removed. Where it cannot be written, they are where the system has them.
    """
    previous, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    try:
        with ExitStack() as stack:
            try:
                parent.mkdir(parents=True, exist_ok=True)
                tempfile.tempdir = str(parent)
                folder = str(stack.enter_context(temporary_folder()))
            except OSError:
                tempfile.tempdir = previous
            else:
                os.environ["TMPDIR"] = tempfile.tempdir = folder
            yield
    finally:
        tempfile.tempdir = previous
        os.environ.pop("TMPDIR", None)
        if variable is not None:
            os.environ["TMPDIR"] = variable


def lock(folder: Path) -> int:
    """Mark a folder as in use. Returns the file descriptor of the lock, which forks of this process inherit."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder that no process holds. Raises OSError for any other."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a folder in which processes that were killed may write for another moment."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(TICK_SECONDS)


def validate_isolated(path: Path, *, limits: Limits = COMMAND, run: Runner = isolated, **options: Any) -> Report:
    """Validate a file as `validate` with its options, but in a process of its own."""
    progress = options.pop("progress", no_progress)
    try:
        return run(path, _Validation(path, options), limits=limits, progress=progress)
    except NotReadable as reason:
        from vaven.schemas.check import not_checked

        return not_checked(path, reason)


@dataclass(frozen=True)
class _Validation:
    """Work that validates a file with the options of `validate`."""

    path: Path
    options: dict[str, Any]

    def __call__(self, progress: Progress) -> Report:
        # Imported here, in the fork: a fork of a process without DuckDB copies less memory.
        from vaven.schemas.check import validate

        return validate(self.path, progress=progress, **self.options)


@dataclass(frozen=True)
class _Assignment:
    """The work of a fork, with its parent, its folder for temporary files, its limits, and whether it reports."""

    parent: int
    folder: Path
    work: Work[Any]
    limits: Limits
    reports: bool


# --- in the parent


def _forked(assignment: _Assignment) -> tuple[int, int]:
    """Fork this process for work. Returns the fork's process and the pipe of its messages."""
    # Buffered output would be written twice.
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work_and_exit(writing, assignment)
    os.close(writing)
    return child, reading


def _assigned(early: EarlyFork | None, assignment: _Assignment) -> tuple[int, int] | None:
    """Give the work to a fork that waits for it, as `_forked` does. Returns None if there is none, or it has ended."""
    if early is None:
        return None
    try:
        _send(early.assignments, assignment)
    except BrokenPipeError:
        early.end()
        return None
    os.close(early.assignments)
    return early.process, early.messages


class _OutOfTimeError(Exception):
    """The work has reached its limit of wall time."""


class _Fork:
    """A forked process, the pipe of its messages, and the time since its start."""

    def __init__(self, child: int, reading: int, started: float, limits: Limits) -> None:
        self.child, self.reading, self.started, self.limits = child, reading, started, limits
        self.status: int | None = None
        self.pending = bytearray()

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.started

    def receive(self, until_closed: int | None) -> Any:
        """Return the next message. Raises EOFError at the end of the process, _OutOfTime at the limit.

        Raises BrokenPipeError if the other end of `until_closed` is closed, TimeoutError if it asks to make room.
        """
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        if until_closed is not None:
            poll.register(until_closed, select.POLLIN)
        while (message := self._message()) is None:
            left = self.limits.seconds - self.seconds
            if left <= 0:
                raise _OutOfTimeError
            self._lower_priority()
            ready = {file for file, _ in poll.poll(min(left, TICK_SECONDS if self.limits.yields else left) * 1000)}
            if until_closed is not None and until_closed in ready:
                if not os.read(until_closed, 1):
                    raise BrokenPipeError
                if processor_seconds(self.child) >= SHARE_SECONDS:
                    raise TimeoutError
            if self.reading in ready:
                block = os.read(self.reading, BLOCK_BYTES)
                if not block:
                    raise EOFError
                self.pending += block
        return message

    def end(self) -> int:
        """End the process and those that it started. Returns its status as os.waitstatus_to_exitcode."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.child, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return self.status

    def wait(self) -> int:
        """Wait for a process that has closed its pipe. Returns its status."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return self.status

    def _message(self) -> Any:
        if len(self.pending) < HEADER.size:
            return None
        (size,) = HEADER.unpack_from(self.pending)
        if len(self.pending) < HEADER.size + size:
            return None
        content = bytes(self.pending[HEADER.size : HEADER.size + size])
        del self.pending[: HEADER.size + size]
        # From a process of the same user, which could do all that a pickle can.
        return pickle.loads(content)

    def _lower_priority(self) -> None:
        niceness = max((nice for since, nice in NICENESS if self.seconds >= since), default=0)
        if self.limits.yields and niceness:
            with suppress(ProcessLookupError, PermissionError):
                os.setpriority(os.PRIO_PGRP, self.child, niceness)


def _result(path: Path, fork: _Fork, progress: Progress, until_closed: int | None) -> Any:
    try:
        while True:
            kind, value = fork.receive(until_closed)
            if kind == "progress":
                progress(*value)
            elif kind == "error":
                raise load_error(value)
            else:
                return value
    except _OutOfTimeError as cause:
        raise ended(path, fork.seconds, None) from cause
    except EOFError as cause:
        raise ended(path, fork.seconds, fork.wait()) from cause
    except MemoryError as cause:
        raise ended(path, fork.seconds, -signal.SIGKILL) from cause


def processor_seconds(group: int) -> float:
    """Return the processor time of the processes of a group, and of those that they waited for (proc(5), stat)."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


# --- in the fork


def work_when_assigned(assignments: int, writing: int) -> None:
    """Wait for an assignment and work on it until the end of this process. Returns if there is none."""
    with open(assignments, "rb") as file:
        header = file.read(HEADER.size)
        if len(header) == HEADER.size:
            # From a process of the same user, which could do all that a pickle can.
            _work_and_exit(writing, pickle.loads(file.read(*HEADER.unpack(header))))


def _work_and_exit(writing: int, assignment: _Assignment) -> NoReturn:
    """Run the work within its limits, send its result, and leave without the handlers of the parent's exit."""
    status = 1
    try:
        _confine(assignment.parent, assignment.folder, assignment.limits)
        progress = (lambda *value: _send(writing, ("progress", value))) if assignment.reports else no_progress
        _send(writing, ("value", assignment.work(progress)))
        status = 0
    finally:
        try:
            if error := sys.exc_info()[1]:
                _send(writing, ("error", dump_error(error)))
                status = 0
        finally:
            os._exit(status)


def _data_bytes() -> int:
    """Return the size of this process's data (proc(5), statm): a fork begins with what its parent has reserved.

    DuckDB reserves a gigabyte of addresses that it may never use.
    """
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


def _confine(parent: int, folder: Path, limits: Limits) -> None:
    # A group of its own: whatever it starts can be ended with it, and Ctrl-C is the parent's to handle.
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    end_with_parent(parent)
    # The messages of native code that aborts are no output of the command.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    collect_less_garbage()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    for kind, value in (
        (resource.RLIMIT_DATA, _data_bytes() + limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        limit(kind, value)
    seconds = round(limits.cpu_seconds)
    # At the hard limit comes SIGKILL, which would be taken for that of a machine without memory.
    limit(resource.RLIMIT_CPU, seconds + 5)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, hard), hard))


def collect_less_garbage() -> None:
    """Collect garbage seldom: a traversal would copy the parent's memory, and most of what work makes has no cycles."""
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS)


def _send(writing: int, message: object) -> None:
    content = memoryview(frame(message))
    while content:
        content = content[os.write(writing, content) :]


def frame(message: object) -> bytes:
    content = pickle.dumps(message)
    return HEADER.pack(len(content)) + content


def dump_error(error: BaseException) -> tuple[type[BaseException], tuple[Any, ...], dict[str, Any], str]:
    """Return class, arguments and attributes of an exception, and its traceback."""
    trace = "".join(traceback.format_exception(error))
    parts = (type(error), error.args, dict(vars(error)), trace)
    try:
        pickle.loads(pickle.dumps(parts))
    except (pickle.PickleError, TypeError, AttributeError, ValueError):
        return RuntimeError, (f"{type(error).__name__}: {error}",), {}, trace
    return parts


def load_error(parts: tuple[type[BaseException], tuple[Any, ...], dict[str, Any], str]) -> BaseException:
    kind, arguments, attributes, trace = parts
    if issubclass(kind, VavenError):
        # The constructors of our errors take other arguments than Exception keeps.
        error: BaseException = kind.__new__(kind, *arguments)
    else:
        try:
            error = kind(*arguments)
        except TypeError:
            error = RuntimeError(f"{kind.__name__}: {arguments}")
        error.add_note(trace)
    vars(error).update(attributes)
    return error
