"""Long work outside the web process: Huey on SQLite, or on Redis where VAVEN_REDIS_URL is set (DESIGN section 10).

`vaven jobs` is the consumer; `vaven serve` starts one beside itself and ends it.
"""

import logging
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from huey import Huey, RedisHuey, SqliteHuey, crontab

from vaven.catalogue.validation.store import StoredValidations
from vaven.publisher.settings import Settings
from vaven.schemas.formats.child_process import command, end_with_parent

WORKERS = 2
STOP_SECONDS = 10


def queue(settings: Settings) -> Huey:
    """The queue of jobs of this configuration; results are not kept in it, as each job has a folder."""
    if settings.redis_url:
        return RedisHuey("vaven", url=settings.redis_url, results=False)
    settings.home.mkdir(parents=True, exist_ok=True)
    return SqliteHuey("vaven", filename=str(settings.home / "jobs.sqlite"), results=False)


def tasks(jobs: Huey, validations: StoredValidations) -> Callable[[str], object]:
    """Register the tasks on a queue. Returns what puts a validation into it."""

    @jobs.task(name="check")  # type: ignore[untyped-decorator]
    def check(key: str) -> None:
        validations.run(key)

    @jobs.periodic_task(crontab(minute="*/5"), name="sweep")  # type: ignore[untyped-decorator]
    def sweep() -> None:
        validations.sweep()

    return check  # type: ignore[no-any-return]


@contextmanager
def consumer() -> Iterator[None]:
    """A consumer in a process of its own for as long as the block lasts."""
    process = subprocess.Popen(command("vaven.catalogue.cli.main", "jobs"))
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def consume(settings: Settings, *, with_parent: int | None = None) -> None:
    """Work on the queue until a signal ends it, or the end of the process above where `with_parent` is its id."""
    if with_parent is not None:
        end_with_parent(with_parent, signal.SIGTERM)
    logging.basicConfig(level=logging.WARNING)
    jobs = queue(settings)
    tasks(jobs, StoredValidations(settings))
    # Processes, not threads: a check is bounded and killed as one.
    jobs.create_consumer(workers=WORKERS, worker_type="process", initial_delay=0.1, max_delay=1.0).run()
