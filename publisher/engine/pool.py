"""The embedded engine: worker processes over snapshots, each of which may die or be killed without harm to others.

Places are given by publisher/lanes.py: one lane for the public, one for our own pages, which never wait behind it.
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
from vaven.publisher.graph.store import EmbeddedStore, Snapshot, hold
from vaven.publisher.sparql.lexer import guarded, query_form
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

# The share of the deadline that a query may spend waiting for a worker.
WAITING_SHARE = 0.5
# The share of the deadline after which a query may have to make room for those who wait.
ROOM_SHARE = 0.25
# Long queries at work for each that shall run at a time: mostly they share the processors, not the memory.
PLACES_A_WORKER = 6
# One query for pages runs while another worker starts.
SITE_WORKERS = 2
# glibc reserves 64 MB of addresses for each thread's arena, hundreds in all, which the limit on addresses would count.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
START_SECONDS = 30.0
TICK_SECONDS = 0.25
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(eq=False)
class Worker:
    """A process of query_worker on one snapshot. `is_idle` when it has said all that it was asked."""

    snapshot: Snapshot
    process: "subprocess.Popen[bytes]"
    pending: bytes = b""
    is_idle: bool = False
    niceness: int = 0

    def ask(self, job: dict[str, Any]) -> None:
        assert self.process.stdin
        self.is_idle = False
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, deadline: float) -> dict[str, Any] | None:
        """The worker's next line; None at the deadline. Raises EOFError when the process has died."""
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
        found: dict[str, Any] = json.loads(line)
        return found

    def fits(self, current: Snapshot | None) -> bool:
        """Whether it can take a query about the current snapshot. A priority once lowered can't be raised again."""
        return bool(current and self.snapshot.id == current.id and not self.niceness and self.process.poll() is None)

    def lower(self, niceness: int) -> None:
        if niceness > self.niceness:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, self.process.pid, niceness)
            self.niceness = niceness

    def memory(self) -> int:
        """Bytes that are its alone (proc(5), statm: resident without shared); 0 when it has died."""
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
    """A lane with its workers: those that wait for a query, and those at one."""

    lane: FairQueue
    idle: list[Worker] = field(default_factory=list)
    busy: set[Worker] = field(default_factory=set)


class EmbeddedEngine(QueryEngine):
    """Workers over the snapshots of an EmbeddedStore. Limits: seconds from arrival, MB of memory, MB of answer.

    `workers` queries run at a time; of those that last, `places` in all, within the memory of `workers`. `each` is
    how many queries of one client may be waiting or at work.
    """

    def __init__(
        self,
        folder: Path,
        *,
        iris: Iris,
        workers: int = 2,
        places: int = 0,
        each: int = 10,
        seconds: float = 30.0,
        memory_mb: int = 2048,
        answer_mb: int = 512,
    ) -> None:
        self._store = EmbeddedStore(folder)
        self._iris, self._seconds = iris, seconds
        self._memory_mb, self._answer_mb = memory_mb, answer_mb
        places = places or workers * PLACES_A_WORKER
        share = seconds * ROOM_SHARE
        self._public = WorkerPool(FairQueue(at_once=workers, places=places, each=each, share=share))
        self._site = WorkerPool(FairQueue(at_once=SITE_WORKERS, places=SITE_WORKERS * 2, each=sys.maxsize, share=share))
        self._lock = threading.Lock()
        # A worker dies with the thread that started it (PR_SET_PDEATHSIG), so one lasting thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="vaven-query-workers")
        self._is_closed = False

    def state(self) -> str:
        current = self._store.current()
        return current.id if current else ""

    def ask(self, question: QueryRequest) -> QueryResult:
        query_form(question.query)
        arrived, seconds = time.monotonic(), question.within(self._seconds)
        crew = self._site if question.client == SITE else self._public
        # A worker starts for those who come later too, so it has the engine's time for that, whatever the question's.
        with (
            crew.lane.turn(question.client, arrived + min(seconds, self._seconds * WAITING_SHARE)) as turn,
            self._worker(crew, arrived + self._seconds) as worker,
        ):
            return self._spooled(crew, turn, worker, question)

    def close(self) -> None:
        """Queries still at work end with QueryBusy."""
        with self._lock:
            self._is_closed = True
            for crew in (self._public, self._site):
                crew.lane.close()
                for worker in (*crew.idle, *crew.busy):
                    worker.process.kill()
                while crew.idle:
                    crew.idle.pop().kill()
        self._starter.shutdown()

    @contextlib.contextmanager
    def _worker(self, crew: WorkerPool, deadline: float) -> Iterator[Worker]:
        """A worker on the current snapshot; afterwards it waits for the next, unless it is at work still or dead."""
        worker = self._fresh(crew, deadline)
        with self._lock:
            crew.busy.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                crew.busy.discard(worker)
                kept = worker.is_idle and not self._is_closed and len(crew.idle) < crew.lane.at_once
                if kept and worker.fits(self._store.current()):
                    crew.idle.append(worker)
                else:
                    worker.kill()

    def _fresh(self, crew: WorkerPool, deadline: float) -> Worker:
        for _ in range(5):
            current = self._store.current()
            if current is None:
                raise StoreUnavailable("publisher.nothing-published")
            if worker := self._idle(crew, current):
                return worker
            if started := self._start(current, min(deadline, time.monotonic() + START_SECONDS)):
                return started
        raise QueryBusy(query_message("replaced"), remedy=query_message("again.remedy"))

    def _idle(self, crew: WorkerPool, current: Snapshot) -> Worker | None:
        """One that waits on this snapshot; those on an older one go."""
        with self._lock:
            while crew.idle:
                worker = crew.idle.pop()
                if worker.fits(current):
                    return worker
                worker.kill()
        return None

    def _start(self, snapshot: Snapshot, deadline: float) -> Worker | None:
        """A new worker, or None when the snapshot was deleted already. It stays while the worker comes up."""
        held = hold(snapshot)
        if held is None:
            return None
        try:
            worker = Worker(snapshot, self._process(snapshot))
            try:
                told = worker.wait(deadline)
            except EOFError:
                told = None
        finally:
            os.close(held)
        if told and told["state"] == "ready":
            return worker
        worker.kill()
        return None

    def _process(self, snapshot: Snapshot) -> "subprocess.Popen[bytes]":
        limits = [str(self._memory_mb), str(self._answer_mb)]
        line = command("vaven.publisher.engine.worker", str(snapshot.folder), *limits)
        with self._lock:
            if self._is_closed:
                raise QueryBusy(query_message("closing"), remedy=query_message("again.remedy"))
            start = self._starter.submit(
                subprocess.Popen, line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | ONE_ARENA
            )
            return start.result()

    def _spooled(self, crew: WorkerPool, turn: Slot, worker: Worker, question: QueryRequest) -> QueryResult:
        """Run a question into a file that loses its name at once, so that nothing is left of it however we end."""
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.NamedTemporaryFile(prefix="vaven-answer-", delete=False))
            try:
                told = self._run(crew, turn, worker, question, file.name)
            finally:
                # The worker takes the name away when it begins; this is for the one that never began.
                Path(file.name).unlink(missing_ok=True)
            size = os.fstat(file.fileno()).st_size
            unfinished.pop_all()
        kept = cast(BinaryIO, file)
        return QueryResult(kept, size, question.media_type, worker.snapshot.id, told["encoding"])

    def _run(self, crew: WorkerPool, turn: Slot, worker: Worker, question: QueryRequest, file: str) -> dict[str, Any]:
        """Give the question to the worker and wait. Raises the QueryError that its end stands for."""
        seconds = question.within(self._seconds)
        if time.monotonic() >= turn.arrived + seconds:
            raise _late(seconds)
        job = {
            "query": guarded(question.query),
            "base": self._iris.base,
            "media_type": question.media_type,
            "encoding": question.encoding,
            "default_graphs": question.default_graphs,
            "named_graphs": question.named_graphs,
            "file": file,
        }
        try:
            worker.ask(job)
            told = self._watched(crew, turn, worker, seconds)
        except (EOFError, BrokenPipeError) as cause:
            if self._is_closed:
                raise QueryBusy(query_message("closing"), remedy=query_message("again.remedy")) from cause
            message, remedy = query_message("memory", limit=self._memory_mb), query_message("memory.remedy")
            raise QueryMemoryExceeded(message, remedy=remedy) from cause
        if told["state"] != "done":
            raise self._error(told, question)
        return told

    def _watched(self, crew: WorkerPool, turn: Slot, worker: Worker, seconds: float) -> dict[str, Any]:
        """What the worker says in the end. Raises QueryTimeout, and QueryBusy where it must make room for others."""
        deadline = turn.arrived + seconds
        while True:
            self._make_room(crew, turn, worker)
            if told := worker.wait(min(deadline, time.monotonic() + TICK_SECONDS)):
                return told
            if time.monotonic() >= deadline:
                raise _late(seconds)

    def _make_room(self, crew: WorkerPool, turn: Slot, worker: Worker) -> None:
        """Where more are at work than should be at a time, the long ones step back, and may have to end."""
        if crew.lane.is_crowded():
            worker.lower(turn.niceness)
            with self._lock:
                memory = {other: other.memory() for other in crew.busy}
            beyond = sum(memory.values()) > crew.lane.at_once * self._memory_mb << 20
            if beyond and worker is max(memory, key=lambda other: memory[other]):
                retry_seconds = round(self._seconds)
                raise QueryBusy(
                    query_message("crowded"), remedy=query_message("crowded.remedy"), retry_seconds=retry_seconds
                )
        if crew.lane.must_yield(turn):
            raise QueryBusy(
                query_message("yielded", seconds=f"{turn.seconds:.0f}"),
                remedy=query_message("yielded.remedy"),
                retry_seconds=round(self._seconds),
            )

    def _error(self, told: dict[str, Any], question: QueryRequest) -> QueryError | StoreUnavailable:
        """The error that a worker's words stand for."""
        if told["state"] == "syntax":
            return syntax_error(told["message"], question.query, self._iris)
        if told["state"] == "too-large":
            return AnswerTooLarge(
                query_message("too-large", limit=self._answer_mb), remedy=query_message("too-large.remedy")
            )
        if told["state"] == "no-room":
            return StoreUnavailable("publisher.no-room-for-result")
        return QueryError(query_message("failed", words=told.get("message", "")), remedy=query_message("failed.remedy"))


def _late(seconds: float) -> QueryTimeout:
    return QueryTimeout(query_message("late", seconds=f"{seconds:g}"), remedy=query_message("late.remedy"))
