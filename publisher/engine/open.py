"""Open the configured engine, and compute how many requests it may hold at a time."""

import sys
import time

from vaven.publisher.engine.cache import FOLLOWERS
from vaven.publisher.engine.fair_queue import FairQueue
from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult
from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.publisher.engine.remote import RemoteEngine
from vaven.publisher.engine.worker_pool import SLOTS_PER_WORKER, WAITING_SHARE
from vaven.publisher.graph.remote_store import RemoteStore
from vaven.publisher.graph.sparql_client import RemoteServer, addresses
from vaven.publisher.settings import Settings


def open_engine(settings: Settings) -> QueryEngine:
    if settings.sparql_query_url:
        return _remote(settings)
    return EmbeddedEngine(
        settings.graph_folder,
        iris=settings.iris,
        workers=settings.query_workers,
        per_client=settings.queries_at_once,
        seconds=settings.query_seconds,
        memory_mb=settings.query_memory_mb,
        result_mb=settings.answer_mb,
    )


def max_open_requests(settings: Settings) -> int:
    """Return the maximum number of requests held by running queries, waiting queries and followers of an equal query.

    A server with more threads than this has some left for its pages, whatever the query load.
    """
    return settings.query_workers * SLOTS_PER_WORKER * 2 + FOLLOWERS


class QueuedEngine(QueryEngine):
    """An engine behind a fair queue for the public; the site's own queries bypass it."""

    def __init__(self, engine: QueryEngine, queue: FairQueue, waiting_seconds: float) -> None:
        self._engine, self._queue, self._waiting_seconds = engine, queue, waiting_seconds

    def execute(self, request: QueryRequest) -> QueryResult:
        if request.client == SITE:
            return self._engine.execute(request)
        with self._queue.slot(request.client, time.monotonic() + request.time_limit(self._waiting_seconds)):
            return self._engine.execute(request)

    def state(self) -> str:
        return self._engine.state()

    def close(self) -> None:
        self._queue.close()
        self._engine.close()


def _remote(settings: Settings) -> QueryEngine:
    """Build the engine for a remote server: it schedules its own processors, we limit the threads waiting for it."""
    slots = settings.query_workers * SLOTS_PER_WORKER
    queue = FairQueue(
        concurrency=slots, slots=slots, per_client=settings.queries_at_once, share_seconds=sys.float_info.max
    )
    endpoints = addresses(settings)
    store = RemoteStore(RemoteServer(endpoints), settings.iris.state)
    remote = RemoteEngine(
        endpoints.query,
        settings.query_seconds,
        settings.answer_mb,
        login=endpoints.login,
        published_graphs=store.published,
    )
    return QueuedEngine(remote, queue, settings.query_seconds * WAITING_SHARE)
