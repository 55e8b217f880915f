"""Work outside the web process: Huey on SQLite, or on Redis where VAVEN_REDIS_URL is set (DESIGN section 10).

`vaven jobs` is the consumer; `vaven serve` starts one as a child process and ends it.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from huey import Huey, RedisHuey, SqliteHuey, crontab
from huey.api import Task
from huey.exceptions import HueyException
from huey.registry import Message
from huey.serializer import Serializer

from vaven.catalogue.validation.store import StoredValidations
from vaven.publisher.settings import Settings
from vaven.schemas.formats.child_process import Backoff, end_with_parent
from vaven.vocab.errors import DiskFull, StoreUnavailable, is_full_disk

WORKERS = 2
STOP_SECONDS = 10
log = logging.getLogger(__name__)


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Jobs as JSON: id, task and arguments. A job names no module, so that it outlives the move of a module."""

    def _serialize(self, data: Message) -> bytes:
        task = data.name.rpartition(".")[2]
        return json.dumps({"id": data.id, "task": task, "arguments": data.args}).encode()

    def _deserialize(self, data: bytes) -> Message:
        job = json.loads(data)
        return Message(job["id"], f"{__name__}.{job['task']}", args=tuple(job["arguments"]), kwargs={})


class _Queue(Huey):  # type: ignore[misc]
    """A queue of JSON, which drops jobs that this version can't read."""

    def dequeue(self) -> Task | None:
        while (data := self.storage.dequeue()) is not None:
            try:
                return self.deserialize_task(data)
            except (ValueError, LookupError, TypeError, HueyException) as error:
                log.warning("Dropped a job that this version can't read: %r", error)
        return None


class _SqliteQueue(_Queue, SqliteHuey):  # type: ignore[misc]
    pass


class _RedisQueue(_Queue, RedisHuey):  # type: ignore[misc]
    pass


def queue(settings: Settings) -> Huey:
    """Return the queue of jobs of this configuration; it stores no results, as each job has a folder."""
    if settings.redis_url:
        return _RedisQueue("vaven", url=settings.redis_url, results=False, serializer=JsonSerializer())
    settings.home.mkdir(parents=True, exist_ok=True)
    file = str(settings.home / "jobs.sqlite")
    return _SqliteQueue("vaven", filename=file, results=False, serializer=JsonSerializer())


@contextmanager
def queue_errors() -> Iterator[None]:
    """Raise DiskFull or StoreUnavailable instead of the errors of SQLite and Redis."""
    try:
        yield
    except Exception as cause:
        # Redis is imported only where it is configured.
        kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(cause).__mro__}
        if not kinds & {"sqlite3.Error", "redis.exceptions.RedisError"}:
            raise
        if is_full_disk(cause):
            raise DiskFull from cause
        raise StoreUnavailable("catalogue.queue-unavailable", cause=cause) from cause


def tasks(jobs: Huey, validations: StoredValidations) -> Callable[[str], object]:
    """Register the tasks on a queue. Return the function that puts a validation into it."""

    @jobs.task(name="check")  # type: ignore[untyped-decorator]
    def check(key: str) -> None:
        validations.run(key)

    @jobs.periodic_task(crontab(minute="*/5"), name="sweep")  # type: ignore[untyped-decorator]
    def sweep() -> None:
        validations.sweep()

    return check  # type: ignore[no-any-return]


@contextmanager
def consumer() -> Iterator[None]:
    """Run a consumer in a process of its own for as long as the block lasts, and another one when it ends."""
    running = _Consumer()
    try:
        yield
    finally:
        running.stop()


class _Consumer:
    """A consumer, with a thread that starts it again."""

    def __init__(self) -> None:
        self._is_stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        # The process ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG).
        self._thread = threading.Thread(target=self._run, name="vaven-consumer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._is_stopping.set()
            if self._process:
                self._process.terminate()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive() and self._process:
            self._process.kill()
            self._thread.join()

    def _run(self) -> None:
        backoff = Backoff()
        command = [sys.executable, "-P", "-m", "vaven.catalogue.cli.main", "jobs", "--with-parent", str(os.getpid())]
        while True:
            with self._lock:
                if self._is_stopping.is_set():
                    return
                self._process, started = subprocess.Popen(command), time.monotonic()
            code = self._process.wait()
            if self._is_stopping.is_set():
                return
            seconds = backoff.after(time.monotonic() - started)
            log.error("The process of queued jobs ended with code %s; another starts in %s s.", code, seconds)
            self._is_stopping.wait(seconds)


def consume(settings: Settings, *, with_parent: int | None = None) -> None:
    """Work on the queue until a signal ends it, or the end of the parent process where `with_parent` is its id."""
    if with_parent is not None:
        end_with_parent(with_parent, signal.SIGTERM)
    logging.basicConfig(level=logging.WARNING)
    _bind_forks()
    with queue_errors():
        jobs = queue(settings)
    tasks(jobs, StoredValidations(settings))
    # Processes, not threads: a check is bounded and killed as one.
    jobs.create_consumer(workers=WORKERS, worker_type="process", initial_delay=0.1, max_delay=1.0).run()


def _bind_forks() -> None:
    """Let each process that this one forks end with it, also by SIGKILL: the workers of the queue and its scheduler."""
    parents: list[int] = []
    os.register_at_fork(
        before=lambda: parents.append(os.getpid()),
        after_in_parent=parents.clear,
        after_in_child=lambda: end_with_parent(parents.pop()),
    )
