"""A pool of worker processes, each of which may die or be killed without affecting others, behind a fair queue.

A job is a JSON object with the name of a file that the worker unlinks and writes its result to. The pool limits its
time, memory, size of result, and the number of jobs at a time.
"""

import contextlib
import io
import json
import os
import selectors
import signal
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

from vaven.publisher.engine.fair_queue import LEAST_NICENESS, FairQueue, Slot
from vaven.publisher.engine.worker_process import WorkerCommand, WorkerProcess, load_ahead
from vaven.publisher.sparql.lexer import nesting_depth
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import (
    AnswerTooLarge,
    QueryBusy,
    QueryCrashed,
    QueryError,
    QueryMemoryExceeded,
    QueryTimeout,
    StoreUnavailable,
)

# Share of the deadline that a job may spend waiting for a worker.
WAITING_SHARE = 0.5
# Share of the deadline after which a job may have to yield its slot to a waiting one.
YIELD_SHARE = 0.25
# Slots per worker: long jobs mostly share the processors, not the memory.
SLOTS_PER_WORKER = 6
START_SECONDS = 30.0
# How a worker that gets no memory says so before it ends: Rust's allocator, Python, and the C++ of RocksDB and DuckDB.
OUT_OF_MEMORY = ("memory allocation of", "MemoryError", "bad_alloc")
# A query with so many levels may use up the stack, which ends the worker by SIGSEGV without a word.
DEEP_LEVELS = 500
LOG_BYTES = 100_000
TICK_SECONDS = 0.25
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class JobLimits:
    """Limits of a job: seconds from its arrival, MB of memory and MB of result."""

    seconds: float
    memory_mb: int
    result_mb: int


class WorkerSource(Protocol):
    """The data that workers run over, in states that replace each other."""

    def current(self) -> Any:
        """Return the state that a job is to be run on; equal states need no new worker."""

    def hold(self, state: Any) -> AbstractContextManager[bool]:
        """Keep a state from being deleted while a worker starts on it; false if it is gone already."""

    def command(self, state: Any) -> WorkerCommand:
        """Return what a worker on a state runs; None is the state before the first."""

    def switch(self, state: Any) -> Mapping[str, Any] | None:
        """Return the job by which a running worker moves to a state; None if workers have no states."""


@dataclass(eq=False)
class Worker:
    """A worker process over one state. `is_idle` once it has reported the outcome of its last job."""

    state: Any
    process: WorkerProcess
    log: IO[bytes]
    pending: bytes = b""
    is_idle: bool = False
    niceness: int = 0

    def send(self, job: Mapping[str, Any]) -> None:
        self.is_idle = False
        line = json.dumps(job).encode() + b"\n"
        while line:
            line = line[self.process.stdin.write(line) :]

    def receive(self, deadline: float) -> dict[str, Any] | None:
        """Return the worker's next message; None at the deadline. Raises EOFError when the process has died."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.pending:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    return None
                block = os.read(self.process.stdout.fileno(), 65536)
                if not block:
                    raise EOFError
                self.pending += block
        line, self.pending = self.pending.split(b"\n", 1)
        self.is_idle = True
        message: dict[str, Any] = json.loads(line)
        return message

    def is_reusable(self) -> bool:
        """Return whether the worker can run another job. A lowered priority can't be raised again.

        That of a short job in a crowd is kept: all have it then, and a new worker for each would take longer than jobs.
        """
        return self.niceness <= LEAST_NICENESS and self.process.poll() is None

    def lower_priority(self, niceness: int) -> None:
        """Lower the priority of all threads: the group is the worker's own (setpriority(2), PRIO_PGRP)."""
        if niceness > self.niceness:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PGRP, self.process.pid, niceness)
            self.niceness = niceness

    def private_memory(self) -> int:
        """Return the worker's private memory in bytes (proc(5), statm: resident without shared); 0 when it has died."""
        try:
            _, resident, shared, *_ = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return (int(resident) - int(shared)) * PAGE_BYTES

    def wait_for_end(self) -> tuple[int, str]:
        """Wait for a process that has closed its output. Returns its exit code and the end of its standard error."""
        code = self.process.wait()
        size = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(size - LOG_BYTES, 0))
        return code, self.log.read().decode("utf-8", "replace")

    def kill(self) -> None:
        self.is_idle = False
        self.process.kill()
        self.process.wait()
        self.process.close()
        self.log.close()


@dataclass(frozen=True)
class JobResult:
    """The result of a job, the worker's outcome, and the state that it ran on.

    `file` has `size` bytes: in memory those that the outcome has, else an open and unlinked file.
    """

    file: BinaryIO
    size: int
    outcome: Mapping[str, Any]
    state: Any


class WorkerPool:
    """Workers over a source with their queue. Safe to call from several threads."""

    def __init__(self, source: WorkerSource, queue: FairQueue, limits: JobLimits) -> None:
        self.queue = queue
        self._source, self._limits = source, limits
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        # Set unless a worker is being started before any job.
        self._is_prepared = threading.Event()
        self._is_prepared.set()

    def run(
        self,
        client: str,
        seconds: float,
        job: Mapping[str, Any],
        error_of: Callable[[Mapping[str, Any]], Exception],
    ) -> JobResult:
        """Run a job within `seconds` and the pool's limits; `error_of` returns the error for an outcome.

        Raises QueryTimeout, QueryBusy, QueryTooMany, QueryMemoryExceeded, AnswerTooLarge or StoreUnavailable.
        """
        arrived, most = time.monotonic(), self._limits.seconds
        # A new worker serves later jobs too: its start may take the pool's time, whatever this job's limit.
        with (
            self.queue.slot(client, arrived + min(seconds, most * WAITING_SHARE)) as slot,
            self._worker(arrived + most) as worker,
            contextlib.ExitStack() as unfinished,
        ):
            # The file has no name, so that nothing is left of it however we end; a worker opens it by its descriptor.
            file = unfinished.enter_context(tempfile.TemporaryFile())
            path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
            outcome = self._run(slot, worker, {**job, "file": path}, seconds)
            if outcome["state"] != "done":
                raise self._limit_error(outcome) or error_of(outcome)
            if (content := outcome.get("content")) is not None:
                small = b64decode(content)
                return JobResult(io.BytesIO(small), len(small), outcome, worker.state)
            size = os.fstat(file.fileno()).st_size
            unfinished.pop_all()
            return JobResult(cast(BinaryIO, file), size, outcome, worker.state)

    def start_ahead(self) -> None:
        """Begin to start a worker: the first job need not wait for all of that."""
        self._is_prepared.clear()
        threading.Thread(target=self._prepare, name="vaven-first-worker", daemon=True).start()

    def wait_until_prepared(self) -> None:
        """Wait for the worker of `start_ahead`, if one is being started."""
        self._is_prepared.wait(START_SECONDS)

    def _prepare(self) -> None:
        try:
            # An error concerns the jobs, which meet it themselves.
            with contextlib.suppress(QueryError, StoreUnavailable, OSError, RuntimeError):
                current = self._source.current()
                if current is None:
                    load_ahead(self._source.command(None))
                elif worker := self._start_worker(current, time.monotonic() + START_SECONDS):
                    with self._lock:
                        if self._is_closed:
                            worker.kill()
                        else:
                            self._idle.append(worker)
        finally:
            self._is_prepared.set()

    def close(self) -> None:
        """Close. Running jobs end with QueryBusy."""
        with self._lock:
            self._is_closed = True
            self.queue.close()
            for worker in (*self._idle, *self._busy):
                worker.process.kill()
            while self._idle:
                self._idle.pop().kill()

    @contextlib.contextmanager
    def _worker(self, deadline: float) -> Iterator[Worker]:
        """Provide a worker on the current state, returned to the pool unless it is busy or dead."""
        worker = self._current_worker(deadline)
        with self._lock:
            self._busy.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                self._busy.discard(worker)
                can_wait = worker.is_idle and not self._is_closed and len(self._idle) < self.queue.concurrency
                if can_wait and worker.is_reusable():
                    self._idle.append(worker)
                else:
                    worker.kill()

    def _current_worker(self, deadline: float) -> Worker:
        self._is_prepared.wait(max(deadline - time.monotonic(), 0))
        for _ in range(5):
            current = self._source.current()
            if current is None:
                raise StoreUnavailable("publisher.nothing-published")
            until = min(deadline, time.monotonic() + START_SECONDS)
            if worker := self._idle_worker(current, until) or self._start_worker(current, until):
                return worker
        raise QueryBusy(query_message("replaced"), remedy=query_message("again.remedy"))

    def _idle_worker(self, current: Any, deadline: float) -> Worker | None:
        """Return an idle worker, moved to this state if it is on an older one."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                self._idle.sort(key=lambda worker: bool(worker.state == current))
                worker = self._idle.pop()
            if worker.is_reusable() and (worker.state == current or self._is_moved(worker, current, deadline)):
                return worker
            worker.kill()

    def _is_moved(self, worker: Worker, state: Any, deadline: float) -> bool:
        """Move an idle worker to another state; return False if it could not."""
        job = self._source.switch(state)
        if job is None:
            return False
        with self._source.hold(state) as is_available, contextlib.suppress(EOFError, BrokenPipeError):
            if is_available:
                worker.send(job)
                message = worker.receive(deadline)
                worker.state = state
                return bool(message and message["state"] == "ready")
        return False

    def _start_worker(self, state: Any, deadline: float) -> Worker | None:
        """Start a worker; None if the state has been deleted. The state is held while the worker starts."""
        with self._source.hold(state) as is_available:
            if not is_available:
                return None
            with contextlib.ExitStack() as unfinished:
                log = unfinished.enter_context(tempfile.TemporaryFile())
                try:
                    process = self._start_process(self._source.command(state), log)
                except OSError as error:
                    # The process that forks was killed meanwhile, or no descriptor is left.
                    sys.stderr.write(f"A query worker did not start: {error}\n")
                    raise QueryBusy(query_message("lost"), remedy=query_message("again.remedy")) from error
                worker = Worker(state, process, log)
                unfinished.pop_all()
            try:
                message = worker.receive(deadline)
            except EOFError:
                message = None
                sys.stderr.write(worker.wait_for_end()[1])
        if message and message["state"] == "ready":
            return worker
        worker.kill()
        return None

    def _start_process(self, command: WorkerCommand, log: IO[bytes]) -> WorkerProcess:
        # The first takes half a second, which returns of other workers don't wait for.
        process = WorkerProcess(command, log)
        with self._lock:
            if not self._is_closed:
                return process
        process.kill()
        process.close()
        raise QueryBusy(query_message("closing"), remedy=query_message("again.remedy"))

    def _run(self, slot: Slot, worker: Worker, job: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Send a job to the worker and wait for its outcome."""
        if time.monotonic() >= slot.arrived + seconds:
            raise _timeout(seconds)
        try:
            worker.send(job)
            return self._wait_for_outcome(slot, worker, seconds)
        except (EOFError, BrokenPipeError) as cause:
            if self._is_closed:
                raise QueryBusy(query_message("closing"), remedy=query_message("again.remedy")) from cause
            raise self._death_of(worker, str(job.get("query", ""))) from cause

    def _death_of(self, worker: Worker, query: str) -> QueryError:
        """Return the error for a query that ended its worker. The worker's last output goes to the server's log."""
        code, log = worker.wait_for_end()
        sys.stderr.write(f"A query worker ended with code {code}: {query[:1000]!r}\n{log}")
        if worker.process.is_lost:
            return QueryBusy(query_message("lost"), remedy=query_message("again.remedy"))
        # The kernel kills when the machine itself has no memory left.
        if code == -signal.SIGKILL or any(words in log for words in OUT_OF_MEMORY):
            return _memory_exceeded(self._limits)
        if code == -signal.SIGSEGV and nesting_depth(query) >= DEEP_LEVELS:
            return nested_too_deeply(query)
        return QueryCrashed(query_message("crashed"), remedy=query_message("crashed.remedy"))

    def _wait_for_outcome(self, slot: Slot, worker: Worker, seconds: float) -> dict[str, Any]:
        """Wait for the worker's outcome. Raises QueryTimeout, and QueryBusy if the job must yield to others."""
        deadline = slot.arrived + seconds
        while True:
            self._yield_when_crowded(slot, worker)
            if outcome := worker.receive(min(deadline, time.monotonic() + TICK_SECONDS)):
                return outcome
            if time.monotonic() >= deadline:
                raise _timeout(seconds)

    def _yield_when_crowded(self, slot: Slot, worker: Worker) -> None:
        """Lower the priority of a long job when the queue is crowded, or end it by raising QueryBusy."""
        retry_seconds = round(self._limits.seconds)
        if self.queue.is_crowded():
            worker.lower_priority(slot.niceness)
            with self._lock:
                memory = {other: other.private_memory() for other in self._busy}
            exceeds_memory = sum(memory.values()) > self.queue.concurrency * self._limits.memory_mb << 20
            if exceeds_memory and worker is max(memory, key=lambda other: memory[other]):
                raise QueryBusy(
                    query_message("crowded"), remedy=query_message("crowded.remedy"), retry_seconds=retry_seconds
                )
        if self.queue.must_yield(slot):
            raise QueryBusy(
                query_message("yielded", seconds=f"{slot.seconds:.0f}"),
                remedy=query_message("yielded.remedy"),
                retry_seconds=retry_seconds,
            )

    def _limit_error(self, outcome: Mapping[str, Any]) -> Exception | None:
        """Return the error for an outcome that stands for a limit, if it does."""
        if outcome["state"] == "too-large":
            return AnswerTooLarge(
                query_message("too-large", limit=self._limits.result_mb), remedy=query_message("too-large.remedy")
            )
        if outcome["state"] == "memory":
            return _memory_exceeded(self._limits)
        return StoreUnavailable("publisher.no-room-for-result") if outcome["state"] == "no-room" else None


def nested_too_deeply(query: str) -> QueryMemoryExceeded:
    levels = nesting_depth(query)
    return QueryMemoryExceeded(query_message("nested", levels=levels), remedy=query_message("nested.remedy"))


def _memory_exceeded(limits: JobLimits) -> QueryMemoryExceeded:
    return QueryMemoryExceeded(query_message("memory", limit=limits.memory_mb), remedy=query_message("memory.remedy"))


def _timeout(seconds: float) -> QueryTimeout:
    return QueryTimeout(query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy"))
