"""Push what is published to the configured CKAN, and keep in the records what came of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from vaven.publisher.ckan.dataset import CkanDataset, dataset_of
from vaven.publisher.ckan.push import Outcome, Plan, push, withdraw
from vaven.publisher.ckan.site import Site
from vaven.publisher.records import Records, ReleaseRecord
from vaven.publisher.settings import Settings
from vaven.publisher.storage import Storage
from vaven.vocab.errors import BadSettings, CkanError, UnknownDataset

STEP = "in-ckan"


@contextmanager
def open_site(settings: Settings) -> Iterator[Site]:
    if not settings.ckan_url:
        raise BadSettings("No CKAN is configured.", remedy="Set VAVEN_CKAN_URL and VAVEN_CKAN_TOKEN.")
    site = Site(settings.ckan_url, settings.ckan_token)
    try:
        yield site
    finally:
        site.close()


def plan_of(settings: Settings) -> Plan:
    return Plan(uploads=settings.ckan_files == "upload", rows=settings.ckan_rows)


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
            raise UnknownDataset(f"There is no dataset {name!r}.", remedy="See the list of datasets.")
    chosen = [(visible[name][-1], [r.version for r in visible[name]]) for name in names or visible]
    return [(record, dataset_of(settings, record, versions)) for record, versions in chosen]


def push_datasets(
    settings: Settings,
    records: Records,
    names: Sequence[str] = (),
    *,
    workers: int = 2,
    told: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Push all datasets, or those named. Each outcome is noted as a step of its release; failures do not raise.

    A push of all takes those from CKAN that were withdrawn here since. Raises CkanError where the instance as a whole
    can't be used; that is noted for every release then.
    """
    pairs = current_datasets(settings, records, names)
    storage = Storage(settings.storage, settings.home / "cache")
    try:
        with open_site(settings) as site:
            outcomes = push(site, [d for _, d in pairs], storage, plan_of(settings), workers=workers, told=told)
    except CkanError as error:
        for record, _ in pairs:
            records.note_step(record, STEP, f"failed: {error}")
        raise
    for (record, _), outcome in zip(pairs, outcomes, strict=True):
        records.note_step(record, STEP, f"{outcome.result}: {outcome.error}" if outcome.error else outcome.result)
    return outcomes if names else [*outcomes, *_withdraw_gone(settings, records, {r.dataset for r, _ in pairs}, told)]


def _withdraw_gone(
    settings: Settings, records: Records, current: set[str], told: Callable[[Outcome], None]
) -> list[Outcome]:
    """Take the datasets from CKAN whose versions were all withdrawn, once."""
    outcomes = []
    for record in {r.dataset: r for r in records.finished() if r.visible_at and r.dataset not in current}.values():
        steps = [step for step in records.steps(record.dataset, record.version) if step.step == STEP]
        if steps and steps[-1].result != "withdrawn":
            outcomes.append(withdraw_dataset(settings, records, record))
            told(outcomes[-1])
    return outcomes


def push_release(settings: Settings, records: Records, record: ReleaseRecord) -> str:
    """Push one dataset after publishing. Returns what came of it; raises the CkanError that kept it away."""
    (outcome,) = push_datasets(settings, records, [record.dataset])
    if outcome.error:
        raise outcome.error
    return outcome.result


def withdraw_dataset(settings: Settings, records: Records, record: ReleaseRecord) -> Outcome:
    with open_site(settings) as site:
        outcome = withdraw(site, record.dataset, record.version)
    records.note_step(record, STEP, outcome.result)
    return outcome
