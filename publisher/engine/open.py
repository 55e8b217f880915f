"""The engine that the configuration names, and how many requests it may hold at a time."""

import sys
import time

from vaven.publisher.engine.cache import FOLLOWERS
from vaven.publisher.engine.fair_queue import FairQueue
from vaven.publisher.engine.interface import SITE, QueryEngine, QueryRequest, QueryResult
from vaven.publisher.engine.pool import PLACES_A_WORKER, WAITING_SHARE, EmbeddedEngine
from vaven.publisher.engine.remote import RemoteEngine
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
        each=settings.queries_at_once,
        seconds=settings.query_seconds,
        memory_mb=settings.query_memory_mb,
        answer_mb=settings.answer_mb,
    )


def waiting_requests(settings: Settings) -> int:
    """How many requests may be held by queries at work, by those that wait, and by those that wait for an equal one.

    A server with more threads than that has some left for its pages, whatever is asked.
    """
    return settings.query_workers * PLACES_A_WORKER * 2 + FOLLOWERS


class QueuedEngine(QueryEngine):
    """An engine that is asked few things at a time by the public; our own pages don't wait."""

    def __init__(self, engine: QueryEngine, lane: FairQueue, waiting_seconds: float) -> None:
        self._engine, self._lane, self._waiting_seconds = engine, lane, waiting_seconds

    def ask(self, question: QueryRequest) -> QueryResult:
        if question.client == SITE:
            return self._engine.ask(question)
        with self._lane.turn(question.client, time.monotonic() + question.within(self._waiting_seconds)):
            return self._engine.ask(question)

    def state(self) -> str:
        return self._engine.state()

    def close(self) -> None:
        self._lane.close()
        self._engine.close()


def _remote(settings: Settings) -> QueryEngine:
    """A server elsewhere shares out its own processors; we bound how many of our threads wait for it."""
    places = settings.query_workers * PLACES_A_WORKER
    lane = FairQueue(at_once=places, places=places, each=settings.queries_at_once, share=sys.float_info.max)
    at = addresses(settings)
    store = RemoteStore(RemoteServer(at), settings.iris.state)
    remote = RemoteEngine(
        at.query, settings.query_seconds, settings.answer_mb, login=at.login, published=store.published
    )
    return QueuedEngine(remote, lane, settings.query_seconds * WAITING_SHARE)
