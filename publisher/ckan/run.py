"""Push of the published datasets to the configured CKAN, with the results in the records.

One process per data folder pushes at a time; a second process waits for it. An attempt is recorded before anything is
sent, so that a killed push is known as interrupted; only complete datasets count as held by CKAN.
"""

import fcntl
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vaven.publisher.ckan.client import Site
from vaven.publisher.ckan.dataset import CkanDataset, dataset_of
from vaven.publisher.ckan.push import Plan, PushResult, push, withdraw
from vaven.publisher.graph.sparql_client import without_login
from vaven.publisher.releases.records import FAILED, INTERRUPTED, PushEnd, Records, ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.vocab.errors import BadSettings, CkanError, UnknownDataset

STEP = "in-ckan"
FLUSH_SECONDS = 1.0
CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@contextmanager
def open_site(settings: Settings) -> Iterator[Site]:
    """Open a client of the configured CKAN, and close it on leaving.

    Raises BadSettings if no CKAN is configured.
    """
    if not settings.ckan_url:
        raise BadSettings("publisher.no-ckan-configured")
    site = Site(settings.ckan_url, settings.ckan_token)
    try:
        yield site
    finally:
        site.close()


def plan_of(settings: Settings) -> Plan:
    """Return the configured options of a push."""
    return Plan(uploads=settings.ckan_files == "upload", rows=settings.ckan_rows)


def target_of(settings: Settings) -> str:
    """Return the public URL of the configured CKAN, without any login in it, or "" if none is configured.

    It identifies the target in the records.
    """
    return without_login(settings.ckan_url)[1].rstrip("/")


def is_pushing(settings: Settings) -> bool:
    """Return True if a process of this data folder is pushing to CKAN now."""
    try:
        with _lock(settings).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def code_of(error: CkanError) -> str:
    """Return the code of a failure, derived from its class: ckan-not-allowed.

    Its texts are in publisher/messages.
    """
    return CAPITALS.sub("-", type(error).__name__).lower()


def current_datasets(
    settings: Settings, records: Records, names: Sequence[str] = ()
) -> list[tuple[ReleaseRecord, CkanDataset]]:
    """Return the current release of each dataset, or of the named datasets.

    Raises UnknownDataset.
    """
    visible: dict[str, list[ReleaseRecord]] = {}
    withdrawn = {(w.dataset, w.version) for w in records.withdrawals()}
    for record in records.finished():
        if record.visible_at and (record.dataset, record.version) not in withdrawn:
            visible.setdefault(record.dataset, []).append(record)
    for name in names:
        if name not in visible:
            raise UnknownDataset("publisher.no-dataset", dataset=name)
    current = [(visible[name][-1], [r.version for r in visible[name]]) for name in names or visible]
    return [(record, dataset_of(settings, record, versions)) for record, versions in current]


def push_datasets(
    settings: Settings,
    records: Records,
    names: Sequence[str] = (),
    *,
    workers: int = 2,
    on_result: Callable[[PushResult], None] = lambda _: None,
) -> list[PushResult]:
    """Push all datasets, or the named datasets, and record each result; failures of single datasets do not raise.

    A push of all datasets also deletes from CKAN the datasets that were withdrawn since. Raises CkanError if the
    instance as a whole can't be used; the error is then recorded for every release.
    """
    with open_site(settings) as site, _push_lock(settings, records):
        # Read after the lock is acquired, since a newer release may have been published during the wait.
        datasets = [dataset for _, dataset in current_datasets(settings, records, names)]
        with _PushLog(settings, records, "push", [(d.name, d.version) for d in datasets]) as log:

            def record_result(result: PushResult) -> None:
                log.end(result)
                on_result(result)

            storage = settings.release_storage
            results = push(site, datasets, storage, plan_of(settings), workers=workers, on_result=record_result)
        if not names:
            results += _withdraw_deleted(site, settings, records, {d.name for d in datasets}, on_result)
    return results


class _PushLog:
    """Log of push attempts in the records: their beginning on entering, and the end of each.

    Ends are written together once a second, since each transaction waits for the disk. A CkanError that leaves the
    block is the result of all attempts without an end.
    """

    def __init__(self, settings: Settings, records: Records, action: str, keys: Sequence[tuple[str, int]]) -> None:
        self._url, self._target = settings.ckan_url, target_of(settings)
        self._records, self._action = records, action
        self._open, self._ended = set(keys), list[PushResult]()
        self._lock, self._flushed_at = threading.Lock(), time.monotonic()

    def __enter__(self) -> "_PushLog":
        self._records.begin_pushes(self._target, self._action, sorted(self._open))
        return self

    def end(self, result: PushResult) -> None:
        """Log the end of an attempt; thread-safe."""
        with self._lock:
            self._open.discard((result.name, result.version))
            self._ended.append(result)
            if time.monotonic() - self._flushed_at > FLUSH_SECONDS:
                self._flush()

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if isinstance(error, CkanError):
            self._ended += [PushResult(name, version, FAILED, error) for name, version in sorted(self._open)]
        self._flush()

    def _flush(self) -> None:
        results, self._ended, self._flushed_at = self._ended, [], time.monotonic()
        self._records.end_pushes(self._target, [self._end(result) for result in results])
        texts = [f"{r.result}: {self._without_login(str(r.error))}" if r.error else r.result for r in results]
        keys = [(result.name, result.version) for result in results]
        self._records.note_steps(STEP, list(zip(keys, texts, strict=True)))

    def _end(self, result: PushResult) -> PushEnd:
        error = result.error
        if error is None:
            return PushEnd(result.name, result.version, result.result)
        return PushEnd(result.name, result.version, FAILED, code_of(error), self._without_login(error.message("en")))

    def _without_login(self, text: str) -> str:
        return text.replace(self._url.rstrip("/"), self._target)


def _withdraw_deleted(
    site: Site, settings: Settings, records: Records, current: set[str], on_result: Callable[[PushResult], None]
) -> list[PushResult]:
    """Delete from CKAN, once, each dataset pushed earlier whose versions are all withdrawn."""
    results = []
    pushed = {p.dataset: p for p in records.pushes() if p.target == target_of(settings) and p.dataset not in current}
    for last in pushed.values():
        if last.action != "withdraw" or last.result in (None, FAILED, INTERRUPTED):
            try:
                result = _withdraw(site, settings, records, last.dataset, last.version)
            except CkanError as error:
                result = PushResult(last.dataset, last.version, FAILED, error)
            results.append(result)
            on_result(result)
    return results


def push_release(settings: Settings, records: Records, record: ReleaseRecord) -> str:
    """Push one dataset after publishing, and return the result.

    Raises the CkanError of a failed push.
    """
    (result,) = push_datasets(settings, records, [record.dataset])
    if result.error:
        raise result.error
    return result.result


def withdraw_dataset(settings: Settings, records: Records, record: ReleaseRecord) -> PushResult:
    """Delete a dataset from the configured CKAN, and record the result."""
    with open_site(settings) as site, _push_lock(settings, records):
        return _withdraw(site, settings, records, record.dataset, record.version)


def _withdraw(site: Site, settings: Settings, records: Records, name: str, version: int) -> PushResult:
    with _PushLog(settings, records, "withdraw", [(name, version)]) as log:
        result = withdraw(site, name, version)
        log.end(result)
    return result


def _lock(settings: Settings) -> Path:
    return settings.home / "ckan.lock"


@contextmanager
def _push_lock(settings: Settings, records: Records) -> Iterator[None]:
    """Wait for the lock, and mark unfinished attempts as interrupted, since no other process is pushing then."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with _lock(settings).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        records.interrupt_pushes()
        yield
