"""The embedded engine: worker processes over snapshots of the graph.

Slots are given by two fair queues (fair_queue.py): one for the public, one for the site's own pages, which never wait
for the first.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vaven.publisher.engine.fair_queue import FairQueue
from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult, admitted, syntax_error
from vaven.publisher.engine.worker_pool import SLOTS_PER_WORKER, YIELD_SHARE, JobLimits, WorkerPool
from vaven.publisher.graph.snapshot import Snapshot, hold
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.sparql.lexer import escape_service
from vaven.publisher.sparql.messages import query_message
from vaven.schemas.formats.child_process import command
from vaven.vocab.errors import QueryError
from vaven.vocab.iris import Iris

# One of the site's queries runs while another worker starts.
SITE_WORKERS = 2

log = logging.getLogger(__name__)


class Snapshots:
    """The snapshots of a store as a source of workers."""

    def __init__(self, folder: Path, limits: JobLimits) -> None:
        self._store, self._limits = EmbeddedStore(folder), limits

    def current(self) -> Snapshot | None:
        return self._store.current()

    @contextlib.contextmanager
    def hold(self, state: Snapshot) -> Iterator[bool]:
        snapshot_lock = hold(state)
        try:
            yield snapshot_lock is not None
        finally:
            if snapshot_lock is not None:
                os.close(snapshot_lock)

    def command(self, state: Snapshot) -> Sequence[str]:
        limits = [str(self._limits.memory_mb), str(self._limits.result_mb)]
        return command("vaven.publisher.engine.worker", str(state.folder), *limits)


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
        limits = JobLimits(seconds, memory_mb, result_mb)
        self._snapshots = Snapshots(folder, limits)
        self._iris, self._seconds = iris, seconds
        slots = slots or workers * SLOTS_PER_WORKER
        share_seconds = seconds * YIELD_SHARE
        public = FairQueue(concurrency=workers, slots=slots, per_client=per_client, share_seconds=share_seconds)
        site = FairQueue(
            concurrency=SITE_WORKERS, slots=SITE_WORKERS * 2, per_client=sys.maxsize, share_seconds=share_seconds
        )
        self._public, self._site = (WorkerPool(self._snapshots, queue, limits) for queue in (public, site))

    def state(self) -> str:
        current = self._snapshots.current()
        return current.id if current else ""

    def execute(self, request: QueryRequest) -> QueryResult:
        facts = admitted(request.query)
        job = {
            "query": escape_service(facts.text),
            "text_to_run": escape_service(facts.text_to_run),
            "has_dataset": facts.has_dataset,
            "prefixes": facts.declared_prefixes(self._iris.base),
            "base": self._iris.base,
            "media_type": request.media_type,
            "encoding": request.encoding,
            "default_graphs": request.default_graphs,
            "named_graphs": request.named_graphs,
        }

        def error_of(outcome: Mapping[str, Any]) -> Exception:
            return self._error_of(outcome, request)

        pool = self._site if request.client == SITE else self._public
        result = pool.run(request.client, request.time_limit(self._seconds), job, error_of)
        if reason := result.outcome["fallback"]:
            log.info("a query ran in Oxigraph instead of the columns: %s", reason)
        return QueryResult(result.file, result.size, request.media_type, result.state.id, result.outcome["encoding"])

    def close(self) -> None:
        """Close. Running queries end with QueryBusy."""
        self._public.close()
        self._site.close()

    def _error_of(self, outcome: Mapping[str, Any], request: QueryRequest) -> QueryError:
        """Return the error for a worker's outcome."""
        if outcome["state"] == "syntax":
            return syntax_error(outcome["message"], request.query, self._iris)
        return QueryError(
            query_message("failed", words=outcome.get("message", "")), remedy=query_message("failed.remedy")
        )
