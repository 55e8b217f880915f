"""The embedded engine: worker processes over snapshots of the graph.

Slots are given by two fair queues (fair_queue.py): one for the public, one for the site's own pages, which never wait
for the first.
"""

import contextlib
import logging
import os
import pickle
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lark import Tree

from vaven.publisher.columnar.query_algebra import query_algebra
from vaven.publisher.engine.fair_queue import FairQueue
from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult, admitted, syntax_error
from vaven.publisher.engine.worker_pool import SLOTS_PER_WORKER, YIELD_SHARE, JobLimits, WorkerPool, nested_too_deeply
from vaven.publisher.engine.worker_process import WorkerCommand
from vaven.publisher.graph.snapshot import Snapshot, current_snapshot, hold
from vaven.publisher.sparql.grammar import parse_tree
from vaven.publisher.sparql.messages import query_message
from vaven.vocab.errors import QueryCrashed, QueryError
from vaven.vocab.iris import Iris

# One of the site's queries runs while another worker starts.
SITE_WORKERS = 2

log = logging.getLogger(__name__)


class Snapshots:
    """The snapshots of a store as a source of workers."""

    def __init__(self, folder: Path, limits: JobLimits) -> None:
        self._folder, self._limits = folder, limits

    def current(self) -> Snapshot | None:
        return current_snapshot(self._folder)

    @contextlib.contextmanager
    def hold(self, state: Snapshot) -> Iterator[bool]:
        snapshot_lock = hold(state)
        try:
            yield snapshot_lock is not None
        finally:
            if snapshot_lock is not None:
                os.close(snapshot_lock)

    def command(self, state: Snapshot | None) -> WorkerCommand:
        arguments = (str(state.folder) if state else "", str(self._limits.memory_mb), str(self._limits.result_mb))
        return WorkerCommand("vaven.publisher.engine.worker", arguments)

    def switch(self, state: Snapshot) -> Mapping[str, Any]:
        return {"open": str(state.folder)}


def _algebra(query: str, base: str) -> str:
    """Return the algebra of a query, pickled as base64: a worker is spared the parser. Raises QueryError."""
    tree = parse_tree(query)
    try:
        if not isinstance(tree, Tree):
            raise ValueError("not a query of SPARQL 1.1")
        return b64encode(pickle.dumps(query_algebra(tree, base))).decode("ascii")
    except RecursionError as cause:
        raise nested_too_deeply(query) from cause
    except (ValueError, KeyError) as cause:
        raise _failed(str(cause)) from cause


def _failed(words: str) -> QueryError:
    return QueryError(query_message("failed", words=words), remedy=query_message("failed.remedy"))


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
        if error := syntax_error(request.query, self._iris):
            raise error
        job = {
            "query": request.query,
            "algebra": _algebra(request.query, self._iris.base),
            "prefixes": facts.declared_prefixes(self._iris.base),
            "base": self._iris.base,
            "media_type": request.media_type,
            "encoding": request.encoding,
            "default_graphs": request.default_graphs,
            "named_graphs": request.named_graphs,
        }

        def error_of(outcome: Mapping[str, Any]) -> Exception:
            return self._error_of(outcome, request.query)

        pool = self._site if request.client == SITE else self._public
        result = pool.run(request.client, request.time_limit(self._seconds), job, error_of)
        return QueryResult(result.file, result.size, request.media_type, result.state.id, result.outcome["encoding"])

    def start_ahead(self) -> None:
        self._public.start_ahead()

    def wait_until_prepared(self) -> None:
        self._public.wait_until_prepared()

    def close(self) -> None:
        """Close. Running queries end with QueryBusy."""
        self._public.close()
        self._site.close()

    def _error_of(self, outcome: Mapping[str, Any], query: str) -> QueryError:
        """Return the error for a worker's outcome."""
        if outcome["state"] == "nested":
            return nested_too_deeply(query)
        if outcome["state"] == "crashed":
            log.error("the engine failed: %s: %r", outcome["message"], query[:1000])
            return QueryCrashed(query_message("crashed"), remedy=query_message("crashed.remedy"))
        return _failed(outcome["message"])
