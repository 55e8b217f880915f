"""Query in, complete answer or error out: the one interface between the endpoint and an engine (DESIGN section 6).

The embedded engine keeps a small pool of worker processes. Each answer is spooled to a file before the
first byte is sent, so that nobody takes half an answer for a whole one.
"""

import contextlib
import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

from SPARQLWrapper import POST, SPARQLWrapper
from SPARQLWrapper.SPARQLExceptions import QueryBadFormed, SPARQLWrapperException

from vaven.publisher.settings import Settings
from vaven.publisher.sparql_lexer import guarded, query_form, undeclared_prefix
from vaven.publisher.store import EmbeddedStore, Snapshot
from vaven.vocab.errors import (
    AnswerTooLarge,
    QueryBusy,
    QueryError,
    QueryMemoryExceeded,
    QuerySyntaxError,
    QueryTimeout,
    StoreUnavailable,
)
from vaven.vocab.iris import Iris

# The share of the deadline that a query may spend waiting for a worker.
WAITING_SHARE = 0.5
START_SECONDS = 30.0
BLOCK = 1 << 16
POSITION = re.compile(r"error at (\d+):(\d+): (.*)", re.DOTALL)


@dataclass
class Answer:
    """A finished answer. `file` is open for reading and has no name any more: closing it frees the disk."""

    file: BinaryIO
    size: int
    media_type: str
    state: str

    def close(self) -> None:
        self.file.close()


class QueryEngine(Protocol):
    """An engine that answers whole or raises a QueryError. Safe to call from many threads."""

    def answer(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> Answer: ...

    def state(self) -> str:
        """A name of what is published now; two equal names mean equal answers. "" where it can't be known."""

    def close(self) -> None: ...


def open_engine(settings: Settings) -> QueryEngine:
    """The engine that the configuration names."""
    if settings.sparql_query_url:
        return RemoteEngine(settings.sparql_query_url, settings.query_seconds, settings.answer_mb)
    return EmbeddedEngine(
        settings.graph_folder,
        iris=settings.iris,
        workers=settings.query_workers,
        seconds=settings.query_seconds,
        memory_mb=settings.query_memory_mb,
        answer_mb=settings.answer_mb,
    )


@dataclass
class _Worker:
    """A process of query_worker on one snapshot. `is_idle` when it has said all that it was asked."""

    snapshot: Snapshot
    process: "subprocess.Popen[bytes]"
    pending: bytes = b""
    is_idle: bool = False

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

    def kill(self) -> None:
        self.is_idle = False
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class EmbeddedEngine:
    """Workers over the snapshots of an EmbeddedStore. Limits: seconds from arrival, MB of memory, MB of answer."""

    def __init__(
        self,
        folder: Path,
        *,
        iris: Iris,
        workers: int = 2,
        seconds: float = 30.0,
        memory_mb: int = 2048,
        answer_mb: int = 512,
    ) -> None:
        self._store = EmbeddedStore(folder)
        self._iris, self._seconds = iris, seconds
        self._memory_mb, self._answer_mb = memory_mb, answer_mb
        self._free: list[_Worker | None] = [None] * workers
        self._changed = threading.Condition()
        # A worker dies with the thread that started it (PR_SET_PDEATHSIG), so one lasting thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="vaven-query-workers")
        self._is_closed = False

    def state(self) -> str:
        current = self._store.current()
        return current.id if current else ""

    def answer(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> Answer:
        query_form(query)
        deadline = time.monotonic() + self._seconds
        worker = self._take(time.monotonic() + self._seconds * WAITING_SHARE)
        try:
            worker = self._fresh(worker, deadline)
            job = {
                "query": guarded(query),
                "base": self._iris.base,
                "media_type": media_type,
                "default_graphs": list(default_graphs),
                "named_graphs": list(named_graphs),
            }
            return self._spooled(worker, job, deadline)
        finally:
            self._give(worker)

    def close(self) -> None:
        """Queries still at work end with QueryBusy."""
        with self._changed:
            self._is_closed = True
            for worker in self._free:
                if worker:
                    worker.kill()
            self._free = []
            self._changed.notify_all()
        self._starter.shutdown()

    def _spooled(self, worker: _Worker, job: dict[str, Any], deadline: float) -> Answer:
        """Run a job into a file that loses its name at once, so that nothing is left of it however we end."""
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.NamedTemporaryFile(prefix="vaven-answer-", delete=False))
            try:
                self._run(worker, job | {"file": file.name}, deadline)
            finally:
                # The worker takes the name away when it begins; this is for the one that never began.
                Path(file.name).unlink(missing_ok=True)
            size = os.fstat(file.fileno()).st_size
            unfinished.pop_all()
        return Answer(cast(BinaryIO, file), size, job["media_type"], worker.snapshot.id)

    def _run(self, worker: _Worker, job: dict[str, Any], deadline: float) -> None:
        """Give the job to the worker and wait. Raises the QueryError that its end stands for."""
        try:
            worker.ask(job)
            said = worker.wait(deadline)
        except (EOFError, BrokenPipeError) as cause:
            if self._is_closed:
                raise QueryBusy("The server is closing.", remedy="Try again in a moment.") from cause
            raise QueryMemoryExceeded(
                f"The query needed more than {self._memory_mb} MB of memory, or is nested too deeply.",
                remedy="Ask for less at a time: add a triple pattern that narrows it, or a LIMIT without ORDER BY.",
            ) from cause
        if said is None:
            raise QueryTimeout(
                f"The query was not done within {self._seconds:g} seconds.",
                remedy="Narrow it, or take the dataset's download and ask that.",
            )
        if said["state"] == "syntax":
            raise syntax_error(said["message"], job["query"], self._iris)
        if said["state"] == "too-large":
            raise AnswerTooLarge(
                f"The answer is larger than {self._answer_mb} MB.", remedy="Ask for fewer rows, or take the download."
            )
        if said["state"] == "no-room":
            raise StoreUnavailable("There is no room on disk for the answer.", remedy="Try again later.")
        if said["state"] != "done":
            raise QueryError(f"The query could not be answered: {said.get('message', '')}", remedy="Change the query.")

    def _take(self, until: float) -> _Worker | None:
        """A place in the pool, with its worker where one has been started."""
        with self._changed:
            while not self._free:
                if self._is_closed or not self._changed.wait(max(until - time.monotonic(), 0)):
                    raise QueryBusy("All query workers are busy.", remedy="Try again in a moment.")
            return self._free.pop()

    def _give(self, worker: _Worker | None) -> None:
        """Take a worker back; one that is still at work, or dead, leaves an empty place."""
        if worker and not worker.is_idle:
            worker.kill()
        with self._changed:
            if self._is_closed and worker:
                worker.kill()
            # Places with a worker are taken first, so that a quiet server keeps few processes.
            self._free.insert(len(self._free) if worker and worker.is_idle else 0, worker)
            self._changed.notify()

    def _fresh(self, worker: _Worker | None, deadline: float) -> _Worker:
        """The worker if it reads the current snapshot and lives, else a new one."""
        current = self._store.current()
        if worker and current and worker.snapshot.id == current.id and worker.process.poll() is None:
            return worker
        if worker:
            worker.kill()
        for _ in range(5):
            current = self._store.current()
            if current is None:
                raise StoreUnavailable("Nothing has been published yet.", remedy="Publish a submission first.")
            if started := self._start(current, min(deadline, time.monotonic() + START_SECONDS)):
                return started
        raise QueryBusy("The data is being replaced.", remedy="Try again in a moment.")

    def _start(self, snapshot: Snapshot, deadline: float) -> _Worker | None:
        """A new worker, or None when the snapshot was deleted before it could be opened."""
        if self._is_closed:
            raise QueryBusy("The server is closing.", remedy="Try again in a moment.")
        limits = [str(self._memory_mb), str(self._answer_mb)]
        command = [sys.executable, "-m", "vaven.publisher.query_worker", str(snapshot.folder), *limits]
        process = self._starter.submit(
            subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ).result()
        worker = _Worker(snapshot, process)
        try:
            said = worker.wait(deadline)
        except EOFError:
            said = None
        if said and said["state"] == "ready":
            return worker
        worker.kill()
        return None


class RemoteEngine:
    """A SPARQL 1.1 server of somebody else's. It keeps its own limits; ours are the time we wait and the size."""

    def __init__(self, query_url: str, seconds: float, answer_mb: int = 512) -> None:
        self._query_url, self._seconds, self._answer_mb = query_url, seconds, answer_mb

    def state(self) -> str:
        return ""

    def answer(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> Answer:
        query_form(query)
        client = SPARQLWrapper(self._query_url)
        client.setQuery(guarded(query))
        # It guesses the kind from the text, and sends what it takes for an update elsewhere.
        client.queryType = "SELECT"
        client.setMethod(POST)
        client.setTimeout(max(1, round(self._seconds)))
        client.setOnlyConneg(True)
        client.addCustomHttpHeader("Accept", media_type)
        for name, graphs in (("default-graph-uri", default_graphs), ("named-graph-uri", named_graphs)):
            for graph in graphs:
                client.addParameter(name, graph)
        return self._fetched(client)

    def _fetched(self, client: SPARQLWrapper) -> Answer:
        deadline = time.monotonic() + self._seconds
        late = QueryTimeout(f"No answer within {self._seconds:g} seconds.", remedy="Narrow the query.")
        try:
            response = client.query().response
            file = self._read(response, deadline)
        except QueryBadFormed as cause:
            raise QuerySyntaxError(f"The graph server can't read the query: {cause}"[:500]) from cause
        except TimeoutError as cause:
            raise late from cause
        except (SPARQLWrapperException, OSError) as cause:
            if isinstance(getattr(cause, "reason", None), TimeoutError):
                raise late from cause
            text = f"The graph server gave no answer: {cause}"[:500]
            raise StoreUnavailable(text, remedy="Try again later, or narrow the query.") from cause
        # Virtuoso answers some forms in another type than the one asked for, and then says so.
        size = file.tell()
        file.seek(0)
        return Answer(cast(BinaryIO, file), size, response.headers.get_content_type(), "")

    def _read(self, response: Any, deadline: float) -> IO[bytes]:
        """The whole body in a file without a name, whose position is its end. Raises AnswerTooLarge, TimeoutError."""
        with contextlib.ExitStack() as unfinished:
            file = unfinished.enter_context(tempfile.TemporaryFile())
            while block := response.read(BLOCK):
                file.write(block)
                if file.tell() > self._answer_mb << 20:
                    raise AnswerTooLarge(f"The answer is larger than {self._answer_mb} MB.", remedy="Ask for less.")
                if time.monotonic() > deadline:
                    raise TimeoutError
            unfinished.pop_all()
        return file

    def close(self) -> None:
        """Nothing is held between queries."""


def syntax_error(message: str, query: str, iris: Iris) -> QuerySyntaxError:
    """The engine's words with their place; for a prefix that nobody declares, the line that does."""
    if name := undeclared_prefix(query):
        prefix = name.text.partition(":")[0]
        remedy = f"Begin the query with: PREFIX {prefix}: <{iris.prefixes.get(prefix, '…')}>"
        text = f"The prefix {prefix}: is not declared."
        return QuerySyntaxError(text, remedy=remedy, line=name.line, column=name.column)
    found = POSITION.match(message)
    if not found:
        return QuerySyntaxError(message[:500], remedy="See SPARQL 1.1 Query Language for the grammar.")
    line, column = int(found[1]), int(found[2])
    near = "".join(query.split("\n")[line - 1 : line])[max(column - 1, 0) :].strip()[:30]
    # Words that this endpoint refuses are no help as the next thing to write.
    expected = found[3].split(", ['")[0].replace("SERVICE, ", "").replace("\n", " ")[:200]
    text = f"The query can't be read at line {line}, column {column}, near “{near or 'its end'}”: {expected}."
    return QuerySyntaxError(text, remedy="Mend the query there.", line=line, column=column)
