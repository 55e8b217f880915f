"""Query in, complete answer or error out: the one interface between the endpoint and an engine (DESIGN section 6).

The embedded engine keeps a small pool of worker processes. Each answer is spooled to a file before the
first byte is sent, so that nobody takes half an answer for a whole one.
"""

import contextlib
import io
import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from SPARQLWrapper import POST, SPARQLWrapper
from SPARQLWrapper.SPARQLExceptions import SPARQLWrapperException

from vaven.publisher.settings import Settings
from vaven.publisher.sparql_lexer import query_form
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
POSITION = re.compile(r"error at (\d+):(\d+): (.*)", re.DOTALL)
MISSING_PREFIX = re.compile(r"([A-Za-z][\w.-]*)?:[\w.%-]*$")


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
        return RemoteEngine(settings.sparql_query_url, settings.query_seconds)
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
    """A process of query_worker on one snapshot."""

    snapshot: Snapshot
    process: "subprocess.Popen[bytes]"
    pending: bytes = field(default=b"")

    def ask(self, job: dict[str, Any]) -> None:
        assert self.process.stdin
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
        found: dict[str, Any] = json.loads(line)
        return found

    def kill(self) -> None:
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
        keep: _Worker | None = None
        try:
            worker = self._fresh(worker, deadline)
            with tempfile.NamedTemporaryFile(prefix="vaven-answer-", delete=False) as spool:
                path = Path(spool.name)
            try:
                job = {
                    "query": query,
                    "base": self._iris.base,
                    "media_type": media_type,
                    "file": str(path),
                    "default_graphs": list(default_graphs),
                    "named_graphs": list(named_graphs),
                }
                self._run(worker, job, deadline)
                keep = worker
                return Answer(path.open("rb"), path.stat().st_size, media_type, worker.snapshot.id)
            except QuerySyntaxError:
                keep = worker
                raise
            finally:
                # The open file outlives its name, so that nothing is left when the process is killed later.
                path.unlink(missing_ok=True)
        finally:
            if worker and keep is None:
                worker.kill()
            self._give(keep)

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            for worker in self._free:
                if worker:
                    worker.kill()
            self._free = []

    def _run(self, worker: _Worker, job: dict[str, Any], deadline: float) -> None:
        """Give the job to the worker and wait. Raises the QueryError that its end stands for."""
        try:
            worker.ask(job)
            said = worker.wait(deadline)
        except (EOFError, BrokenPipeError) as cause:
            raise QueryMemoryExceeded(
                f"The query needed more than {self._memory_mb} MB of memory.",
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
        with self._changed:
            if self._is_closed:
                if worker:
                    worker.kill()
                return
            # Places with a worker are taken first, so that a quiet server keeps few processes.
            self._free.append(worker) if worker else self._free.insert(0, None)
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
        limits = [str(self._memory_mb), str(self._answer_mb)]
        command = [sys.executable, "-m", "vaven.publisher.query_worker", str(snapshot.folder), *limits]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
    """A SPARQL 1.1 server of somebody else's. It keeps its own limits; ours is the time we wait."""

    def __init__(self, query_url: str, seconds: float) -> None:
        self._query_url, self._seconds = query_url, seconds

    def state(self) -> str:
        return ""

    def answer(
        self, query: str, *, media_type: str, default_graphs: Sequence[str] = (), named_graphs: Sequence[str] = ()
    ) -> Answer:
        query_form(query)
        client = SPARQLWrapper(self._query_url)
        client.setQuery(query)
        client.setMethod(POST)
        client.setTimeout(int(self._seconds))
        client.setOnlyConneg(True)
        client.addCustomHttpHeader("Accept", media_type)
        for name, graphs in (("default-graph-uri", default_graphs), ("named-graph-uri", named_graphs)):
            for graph in graphs:
                client.addParameter(name, graph)
        try:
            body: bytes = client.query().response.read()
        except TimeoutError as cause:
            raise QueryTimeout(f"No answer within {self._seconds:g} seconds.", remedy="Narrow the query.") from cause
        except (SPARQLWrapperException, urllib.error.URLError, OSError) as cause:
            raise QueryError(f"The graph server gave no answer: {cause}", remedy="Change the query.") from cause
        return Answer(io.BytesIO(body), len(body), media_type, "")

    def close(self) -> None:
        """Nothing is held between queries."""


def syntax_error(message: str, query: str, iris: Iris) -> QuerySyntaxError:
    """The engine's words with their place; for a prefix that we know, the line that declares it."""
    found = POSITION.match(message)
    if not found:
        return QuerySyntaxError(message[:500], remedy="See SPARQL 1.1 Query Language for the grammar.")
    line, column, text = int(found[1]), int(found[2]), found[3]
    if "Prefix not found" in text:
        if prefix := _prefix_before(query, line, column):
            known = iris.prefixes.get(prefix)
            remedy = f"Begin the query with: PREFIX {prefix}: <{known or '…'}>"
            return QuerySyntaxError(f"The prefix {prefix}: is not declared.", remedy=remedy, line=line, column=column)
        text = "a prefix is not declared"
    near = text.split(", ['")[0].replace("\n", " ")[:200]
    return QuerySyntaxError(
        f"{near} (line {line}, column {column})", remedy="Mend the query there.", line=line, column=column
    )


def _prefix_before(query: str, line: int, column: int) -> str | None:
    """The prefix of the name that ends at a place of the query."""
    lines = query.splitlines()
    if line > len(lines):
        return None
    found = MISSING_PREFIX.search(lines[line - 1][: column - 1])
    return found[1] or "" if found else None
