"""Push what is published to the configured CKAN, and keep in the records what came of it.

One process of a data folder pushes at a time, and a second one waits for it. That an attempt is made is noted before
anything is sent, so that one which is killed is known as interrupted; only what was whole there counts as held.
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
from vaven.publisher.releases.storage import Storage
from vaven.publisher.settings import Settings
from vaven.vocab.errors import BadSettings, CkanError, UnknownDataset

STEP = "in-ckan"
NOTED_EVERY_SECONDS = 1.0
CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@contextmanager
def open_site(settings: Settings) -> Iterator[Site]:
    if not settings.ckan_url:
        raise BadSettings("publisher.no-ckan-configured")
    site = Site(settings.ckan_url, settings.ckan_token)
    try:
        yield site
    finally:
        site.close()


def plan_of(settings: Settings) -> Plan:
    return Plan(uploads=settings.ckan_files == "upload", rows=settings.ckan_rows)


def target_of(settings: Settings) -> str:
    """The configured CKAN's address as everybody may read it, without a login that it may have; "" where there is none.

    It names the target in the records.
    """
    return without_login(settings.ckan_url)[1].rstrip("/")


def is_pushing(settings: Settings) -> bool:
    """Whether a process of this data folder is at work on CKAN now."""
    try:
        with _lock(settings).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def code_of(error: CkanError) -> str:
    """The short name of a failure, from its class: ckan-not-allowed. Its sentences stand in publisher/messages."""
    return CAPITALS.sub("-", type(error).__name__).lower()


def current_datasets(
    settings: Settings, records: Records, names: Sequence[str] = ()
) -> list[tuple[ReleaseRecord, CkanDataset]]:
    """The current release of each dataset, or of those named. Raises UnknownDataset."""
    visible: dict[str, list[ReleaseRecord]] = {}
    gone = {(w.dataset, w.version) for w in records.withdrawals()}
    for record in records.finished():
        if record.visible_at and (record.dataset, record.version) not in gone:
            visible.setdefault(record.dataset, []).append(record)
    for name in names:
        if name not in visible:
            raise UnknownDataset("publisher.no-dataset", dataset=name)
    chosen = [(visible[name][-1], [r.version for r in visible[name]]) for name in names or visible]
    return [(record, dataset_of(settings, record, versions)) for record, versions in chosen]


def push_datasets(
    settings: Settings,
    records: Records,
    names: Sequence[str] = (),
    *,
    workers: int = 2,
    on_result: Callable[[PushResult], None] = lambda _: None,
) -> list[PushResult]:
    """Push all datasets, or those named. What came of each is noted in the records; failures do not raise.

    A push of all takes those from CKAN that were withdrawn here since. Raises CkanError where the instance as a whole
    can't be used; that is noted for every release then.
    """
    with open_site(settings) as site, _alone(settings, records):
        # Asked for when it is our turn, since the push before may have waited for a newer release.
        datasets = [dataset for _, dataset in current_datasets(settings, records, names)]
        with _Noted(settings, records, "push", [(d.name, d.version) for d in datasets]) as noted:

            def heard(outcome: PushResult) -> None:
                noted.end(outcome)
                on_result(outcome)

            storage = Storage(settings.storage, settings.home / "cache")
            outcomes = push(site, datasets, storage, plan_of(settings), workers=workers, on_result=heard)
        if not names:
            outcomes += _withdraw_gone(site, settings, records, {d.name for d in datasets}, on_result)
    return outcomes


class _Noted:
    """Attempts in the records: noted as begun on entering, and each by its end.

    Ends are noted together every second, since each transaction waits for the disk; a CkanError that leaves the block
    is what became of all that have no end.
    """

    def __init__(self, settings: Settings, records: Records, action: str, keys: Sequence[tuple[str, int]]) -> None:
        self._address, self._target, self._records, self._action = (
            settings.ckan_url,
            target_of(settings),
            records,
            action,
        )
        self._open, self._ended = set(keys), list[PushResult]()
        self._lock, self._noted_at = threading.Lock(), time.monotonic()

    def __enter__(self) -> "_Noted":
        self._records.begin_pushes(self._target, self._action, sorted(self._open))
        return self

    def end(self, outcome: PushResult) -> None:
        """Called from several threads."""
        with self._lock:
            self._open.discard((outcome.name, outcome.version))
            self._ended.append(outcome)
            if time.monotonic() - self._noted_at > NOTED_EVERY_SECONDS:
                self._note()

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if isinstance(error, CkanError):
            self._ended += [PushResult(name, version, FAILED, error) for name, version in sorted(self._open)]
        self._note()

    def _note(self) -> None:
        outcomes, self._ended, self._noted_at = self._ended, [], time.monotonic()
        self._records.end_pushes(self._target, [self._end(outcome) for outcome in outcomes])
        words = [f"{o.result}: {self._shown(str(o.error))}" if o.error else o.result for o in outcomes]
        keys = [(outcome.name, outcome.version) for outcome in outcomes]
        self._records.note_steps(STEP, list(zip(keys, words, strict=True)))

    def _end(self, outcome: PushResult) -> PushEnd:
        error = outcome.error
        if error is None:
            return PushEnd(outcome.name, outcome.version, outcome.result)
        return PushEnd(outcome.name, outcome.version, FAILED, code_of(error), self._shown(error.message("en")))

    def _shown(self, text: str) -> str:
        return text.replace(self._address.rstrip("/"), self._target)


def _withdraw_gone(
    site: Site, settings: Settings, records: Records, current: set[str], on_result: Callable[[PushResult], None]
) -> list[PushResult]:
    """Take the datasets from CKAN whose versions were all withdrawn, once; only what we have sent there ourselves."""
    outcomes = []
    sent = {p.dataset: p for p in records.pushes() if p.target == target_of(settings) and p.dataset not in current}
    for last in sent.values():
        if last.action != "withdraw" or last.result in (None, FAILED, INTERRUPTED):
            try:
                outcome = _withdraw(site, settings, records, last.dataset, last.version)
            except CkanError as error:
                outcome = PushResult(last.dataset, last.version, FAILED, error)
            outcomes.append(outcome)
            on_result(outcome)
    return outcomes


def push_release(settings: Settings, records: Records, record: ReleaseRecord) -> str:
    """Push one dataset after publishing. Returns what came of it; raises the CkanError that kept it away."""
    (outcome,) = push_datasets(settings, records, [record.dataset])
    if outcome.error:
        raise outcome.error
    return outcome.result


def withdraw_dataset(settings: Settings, records: Records, record: ReleaseRecord) -> PushResult:
    with open_site(settings) as site, _alone(settings, records):
        return _withdraw(site, settings, records, record.dataset, record.version)


def _withdraw(site: Site, settings: Settings, records: Records, name: str, version: int) -> PushResult:
    with _Noted(settings, records, "withdraw", [(name, version)]) as noted:
        outcome = withdraw(site, name, version)
        noted.end(outcome)
    return outcome


def _lock(settings: Settings) -> Path:
    return settings.home / "ckan.lock"


@contextmanager
def _alone(settings: Settings, records: Records) -> Iterator[None]:
    """Wait for one's turn. What is noted as begun then has been cut off, since nobody else is at work."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with _lock(settings).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        records.interrupt_pushes()
        yield
