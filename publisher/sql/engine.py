"""SELECTs of clients in worker processes: the same limits as for SPARQL queries, in a queue of their own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vaven.publisher.engine.fair_queue import FairQueue
from vaven.publisher.engine.worker_pool import SLOTS_PER_WORKER, YIELD_SHARE, JobLimits, WorkerPool
from vaven.publisher.engine.worker_process import WorkerCommand
from vaven.publisher.settings import Settings
from vaven.publisher.sparql.messages import query_message
from vaven.publisher.sql.errors import SqlError, SqlNotAuthorized
from vaven.publisher.sql.scope import UnknownTable
from vaven.vocab.errors import QueryError, QueryMemoryExceeded

ERRORS = {error.kind: error for error in (SqlError, SqlNotAuthorized, UnknownTable)}


@dataclass(frozen=True)
class QueryableTable:
    """A released table: its Parquet file and its fields in the DataStore's form."""

    path: Path
    fields: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _Workers:
    """A source of workers without a state: each job names the files that it reads."""

    limits: JobLimits

    def current(self) -> str:
        return "tables"

    @contextmanager
    def hold(self, _: Any) -> Iterator[bool]:
        yield True

    def command(self, _: Any) -> WorkerCommand:
        return WorkerCommand("vaven.publisher.sql.worker", (str(self.limits.memory_mb), str(self.limits.result_mb)))

    def switch(self, _: Any) -> None:
        return None


class SqlEngine:
    """Workers that run one SELECT at a time each. Safe to call from several threads."""

    def __init__(self, settings: Settings) -> None:
        limits = JobLimits(settings.query_seconds, settings.query_memory_mb, settings.answer_mb)
        queue = FairQueue(
            concurrency=settings.query_workers,
            slots=settings.query_workers * SLOTS_PER_WORKER,
            per_client=settings.queries_at_once,
            share_seconds=limits.seconds * YIELD_SHARE,
        )
        self._limits = limits
        self._pool = WorkerPool(_Workers(limits), queue, limits)

    def execute(self, sql: str, tables: Mapping[str, QueryableTable], client: str) -> BinaryIO:
        """Run a query and return the file of its result, as JSON. Raises SqlError, or a QueryError for a limit."""
        named = {name: {"path": str(table.path), "fields": list(table.fields)} for name, table in tables.items()}
        return self._pool.run(client, self._limits.seconds, {"sql": sql, "tables": named}, self._error_of).file

    def close(self) -> None:
        """Close. Running queries end with QueryBusy."""
        self._pool.close()

    def _error_of(self, outcome: Mapping[str, Any]) -> Exception:
        if outcome["state"] == "refused":
            return ERRORS[outcome["kind"]](outcome["message"])
        if outcome["state"] == "out-of-memory":
            message = query_message("memory", limit=self._limits.memory_mb)
            return QueryMemoryExceeded(message, remedy=query_message("memory.remedy"))
        return QueryError(
            query_message("failed", words=outcome.get("message", "")), remedy=query_message("failed.remedy")
        )
