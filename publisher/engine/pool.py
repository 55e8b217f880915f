"""The embedded engine: worker processes over snapshots, each of which may die or be killed without affecting others.

Slots are given by two fair queues (fair_queue.py): one for the public, one for the site's own pages, which never wait
for the first.
"""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from vaven.publisher.engine.fair_queue import FairQueue, Slot
from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult, syntax_error
from vaven.publisher.graph.snapshot import Snapshot, hold
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.sparql.lexer import escape_service, query_form
from vaven.publisher.sparql.messages import query_message
from vaven.schemas.formats.child_process import command
from vaven.vocab.errors import (
    AnswerTooLarge,
    QueryBusy,
    QueryError,
    QueryMemoryExceeded,
    QueryTimeout,
    StoreUnavailable,
)
from vaven.vocab.iris import Iris

# Share of the deadline that a query may spend waiting for a worker.
WAITING_SHARE = 0.5
# Share of the deadline after which a query may have to yield its slot to a waiting one.
YIELD_SHARE = 0.25
# Slots per worker: long queries mostly share the processors, not the memory.
SLOTS_PER_WORKER = 6
# One of the site's queries runs while another worker starts.
SITE_WORKERS = 2
# glibc reserves 64 MB of addresses per thread's arena, hundreds in total, which the address space limit would count.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
START_SECONDS = 30.0
TICK_SECONDS = 0.25
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(eq=False)
class Worker:
    """A worker process over one snapshot. `is_idle` once it has reported the outcome of its last job."""

    snapshot: Snapshot
    process: "subprocess.Popen[bytes]"
    pending: bytes = b""
    is_idle: bool = False
    niceness: int = 0

    def send(self, job: dict[str, Any]) -> None:
        assert self.process.stdin
        self.is_idle = False
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self, deadline: float) -> dict[str, Any] | None:
        """Return the worker's next message; None at the deadline. Raises EOFError when the process has died."""
        assert self.process.stdout
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

    def is_reusable(self, current: Snapshot | None) -> bool:
        """Return whether the worker can run a query on this snapshot. A lowered priority can't be raised again."""
        return bool(current and self.snapshot.id == current.id and not self.niceness and self.process.poll() is None)

    def lower_priority(self, niceness: int) -> None:
        if niceness > self.niceness:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, self.process.pid, niceness)
            self.niceness = niceness

    def private_memory(self) -> int:
        """Return the worker's private memory in bytes (proc(5), statm: resident without shared); 0 when it has died."""
        try:
            _, resident, shared, *_ = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return (int(resident) - int(shared)) * PAGE_BYTES

    def kill(self) -> None:
        self.is_idle = False
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@dataclass(eq=False)
class WorkerPool:
    """A queue with its idle and busy workers."""

    queue: FairQueue
    idle: list[Worker] = field(default_factory=list)
    busy: set[Worker] = field(default_factory=set)


class EmbeddedEngine(QueryEngine):
    """Workers over the snapshots of an EmbeddedStore. Limits: seconds from arrival, MB of memory, MB of result.

    `workers` queries run at a time, and up to `slots` long ones, within the memory of `workers`. `per_client` limits
    the queries of one client, waiting and running.
    """

    def __init__(
        self,
        folder: Path,
        *,
        iris: Iris,
        workers: int = 2,
        slots: int = 0,
        per_client: int = 10,
        seconds: float = 30.0,
        memory_mb: int = 2048,
        result_mb: int = 512,
    ) -> None:
        self._store = EmbeddedStore(folder)
        self._iris, self._seconds = iris, seconds
        self._memory_mb, self._result_mb = memory_mb, result_mb
        slots = slots or workers * SLOTS_PER_WORKER
        share_seconds = seconds * YIELD_SHARE
        self._public = WorkerPool(
            FairQueue(concurrency=workers, slots=slots, per_client=per_client, share_seconds=share_seconds)
        )
        self._site = WorkerPool(
            FairQueue(
                concurrency=SITE_WORKERS, slots=SITE_WORKERS * 2, per_client=sys.maxsize, share_seconds=share_seconds
            )
        )
        self._lock = threading.Lock()
        # A worker dies with the thread that started it (PR_SET_PDEATHSIG), so one lasting thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="vaven-query-workers")
        self._is_closed = False

    def state(self) -> str:
        current = self._store.current()
        return current.id if current else ""

    def execute(self, request: QueryRequest) -> QueryResult:
        query_form(request.query)
        arrived, seconds = time.monotonic(), request.time_limit(self._seconds)
        pool = self._site if request.client == SITE else self._public
        # A new worker serves later requests too: its start may take the engine's time, whatever this request's limit.
        with (
            pool.queue.slot(request.client, arrived + min(seconds, self._seconds * WAITING_SHARE)) as slot,
            self._worker(pool, arrived + self._seconds) as worker,
        ):
            return self._run_to_file(pool, slot, worker, request)

    def close(self) -> None:
        """Close. Running queries end with QueryBusy."""
        with self._lock:
            self._is_closed = True
            for pool in (self._public, self._site):
                pool.queue.close()
                for worker in (*pool.idle, *pool.busy):
                    worker.process.kill()
                while pool.idle:
                    pool.idle.pop().kill()
        self._starter.shutdown()

    @contextlib.contextmanager
    def _worker(self, pool: WorkerPool, deadline: float) -> Iterator[Worker]:
        """Provide a worker on the current snapshot, returned to the pool unless it is busy, dead or outdated."""
        worker = self._current_worker(pool, deadline)
        with self._lock:
            pool.busy.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                pool.busy.discard(worker)
                can_wait = worker.is_idle and not self._is_closed and len(pool.idle) < pool.queue.concurrency
                if can_wait and worker.is_reusable(self._store.current()):
                    pool.idle.append(worker)
                else:
                    worker.kill()

    def _current_worker(self, pool: WorkerPool, deadline: float) -> Worker:
        for _ in range(5):
            current = self._store.current()
            if current is None:
                raise StoreUnavailable("publisher.nothing-published")
            if worker := self._idle_worker(pool, current):
                return worker
            if started := self._start_worker(current, min(deadline, time.monotonic() + START_SECONDS)):
                return started
        raise QueryBusy(query_message("replaced"), remedy=query_message("again.remedy"))

    def _idle_worker(self, pool: WorkerPool, current: Snapshot) -> Worker | None:
        """Return an idle worker on this snapshot; kill idle workers on older ones."""
        with self._lock:
            while pool.idle:
                worker = pool.idle.pop()
                if worker.is_reusable(current):
                    return worker
                worker.kill()
        return None

    def _start_worker(self, snapshot: Snapshot, deadline: float) -> Worker | None:
        """Start a worker; None if the snapshot has been deleted. The snapshot is held while the worker starts."""
        snapshot_lock = hold(snapshot)
        if snapshot_lock is None:
            return None
        try:
            worker = Worker(snapshot, self._start_process(snapshot))
            try:
                message = worker.receive(deadline)
            except EOFError:
                message = None
        finally:
            os.close(snapshot_lock)
        if message and message["state"] == "ready":
            return worker
        worker.kill()
        return None

    def _start_process(self, snapshot: Snapshot) -> "subprocess.Popen[bytes]":
        limits = [str(self._memory_mb), str(self._result_mb)]
        line = command("vaven.publisher.engine.worker", str(snapshot.folder), *limits)
        with self._lock:
            if self._is_closed:
                raise QueryBusy(query_message("closing"), remedy=query_message("again.remedy"))
            start = self._starter.submit(
                subprocess.Popen, line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | ONE_ARENA
            )
            return start.result()

    def _run_to_file(self, pool: WorkerPool, slot: Slot, worker: Worker, request: QueryRequest) -> QueryResult:
        """Run a request into a file that is unlinked at once, so that nothing is left of it however we end."""
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.NamedTemporaryFile(prefix="vaven-answer-", delete=False))
            try:
                outcome = self._run(pool, slot, worker, request, file.name)
            finally:
                # The worker unlinks it at the start; this is for a job that never started.
                Path(file.name).unlink(missing_ok=True)
            size = os.fstat(file.fileno()).st_size
            unfinished.pop_all()
        result_file = cast(BinaryIO, file)
        return QueryResult(result_file, size, request.media_type, worker.snapshot.id, outcome["encoding"])

    def _run(self, pool: WorkerPool, slot: Slot, worker: Worker, request: QueryRequest, file: str) -> dict[str, Any]:
        """Send the request to the worker and wait. Raises the QueryError that its outcome stands for."""
        seconds = request.time_limit(self._seconds)
        if time.monotonic() >= slot.arrived + seconds:
            raise _timeout(seconds)
        job = {
            "query": escape_service(request.query),
            "base": self._iris.base,
            "media_type": request.media_type,
            "encoding": request.encoding,
            "default_graphs": request.default_graphs,
            "named_graphs": request.named_graphs,
            "file": file,
        }
        try:
            worker.send(job)
            outcome = self._wait_for_outcome(pool, slot, worker, seconds)
        except (EOFError, BrokenPipeError) as cause:
            if self._is_closed:
                raise QueryBusy(query_message("closing"), remedy=query_message("again.remedy")) from cause
            message, remedy = query_message("memory", limit=self._memory_mb), query_message("memory.remedy")
            raise QueryMemoryExceeded(message, remedy=remedy) from cause
        if outcome["state"] != "done":
            raise self._error_of(outcome, request)
        return outcome

    def _wait_for_outcome(self, pool: WorkerPool, slot: Slot, worker: Worker, seconds: float) -> dict[str, Any]:
        """Wait for the worker's outcome. Raises QueryTimeout, and QueryBusy if the query must yield to others."""
        deadline = slot.arrived + seconds
        while True:
            self._yield_when_crowded(pool, slot, worker)
            if outcome := worker.receive(min(deadline, time.monotonic() + TICK_SECONDS)):
                return outcome
            if time.monotonic() >= deadline:
                raise _timeout(seconds)

    def _yield_when_crowded(self, pool: WorkerPool, slot: Slot, worker: Worker) -> None:
        """Lower the priority of a long query when the queue is crowded, or end it by raising QueryBusy."""
        if pool.queue.is_crowded():
            worker.lower_priority(slot.niceness)
            with self._lock:
                memory = {other: other.private_memory() for other in pool.busy}
            exceeds_memory = sum(memory.values()) > pool.queue.concurrency * self._memory_mb << 20
            if exceeds_memory and worker is max(memory, key=lambda other: memory[other]):
                retry_seconds = round(self._seconds)
                raise QueryBusy(
                    query_message("crowded"), remedy=query_message("crowded.remedy"), retry_seconds=retry_seconds
                )
        if pool.queue.must_yield(slot):
            raise QueryBusy(
                query_message("yielded", seconds=f"{slot.seconds:.0f}"),
                remedy=query_message("yielded.remedy"),
                retry_seconds=round(self._seconds),
            )

    def _error_of(self, outcome: dict[str, Any], request: QueryRequest) -> QueryError | StoreUnavailable:
        """Return the error for a worker's outcome."""
        if outcome["state"] == "syntax":
            return syntax_error(outcome["message"], request.query, self._iris)
        if outcome["state"] == "too-large":
            return AnswerTooLarge(
                query_message("too-large", limit=self._result_mb), remedy=query_message("too-large.remedy")
            )
        if outcome["state"] == "memory":
            message, remedy = query_message("memory", limit=self._memory_mb), query_message("memory.remedy")
            return QueryMemoryExceeded(message, remedy=remedy)
        if outcome["state"] == "no-room":
            return StoreUnavailable("publisher.no-room-for-result")
        return QueryError(
            query_message("failed", words=outcome.get("message", "")), remedy=query_message("failed.remedy")
        )


def _timeout(seconds: float) -> QueryTimeout:
    return QueryTimeout(query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy"))
