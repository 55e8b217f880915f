"""Take a version, or a whole dataset, back: it is shown no longer, and a tombstone says why (DESIGN section 4).

The number is never used again and the identifiers go on answering, with 410 and the reason. The graph is switched
first, then the records: killed in between, the same command ends in the same state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vaven.publisher.ckan.run import push_release, withdraw_dataset
from vaven.publisher.graph.store import open_store
from vaven.publisher.publish import catch_up, exclusive, load_graphs
from vaven.publisher.published.collection import visible_versions
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal, now
from vaven.publisher.settings import Settings
from vaven.vocab.errors import UnknownDataset, WrongUse


@dataclass(frozen=True)
class WithdrawnVersions:
    """What came of it: the versions that were withdrawn now, and the one that readers get instead, None if none."""

    dataset: str
    versions: tuple[int, ...]
    current: int | None


def withdraw(
    settings: Settings,
    dataset: str,
    version: int | None = None,
    *,
    reason: str,
    progress: Callable[[str], None] = lambda _: None,
) -> WithdrawnVersions:
    """Withdraw a version, or all of a dataset. `progress` is told each step before it begins.

    The files stay where releases are kept, but nothing shows them any more. Raises UnknownDataset for what there is
    not, and WrongUse for a reason without words, which would leave readers with nothing.
    """
    if not reason.strip():
        raise WrongUse("publisher.reason-missing")
    with exclusive(settings.home), Records(settings.database) as records:
        store = open_store(settings, progress)
        catch_up(records, store)
        shown = [r for r in records.finished() if r.dataset == dataset and r.visible_at]
        wanted = _wanted(shown, dataset, version)
        known = {w.version for w in records.withdrawals() if w.dataset == dataset}
        fresh = [r for r in wanted if r.version not in known]
        left = max((r.version for r in shown if r not in wanted and r.version not in known), default=None)
        before = visible_versions(records, store)
        contents = {slug: n for slug, n in before.items() if slug != dataset}
        contents |= {} if left is None else {dataset: left}
        if fresh or before != contents:
            tombstones = [Withdrawal(dataset, r.version, reason.strip(), now()) for r in fresh]
            load_graphs(settings, records, store, contents, dataset, [*records.withdrawals(), *tombstones])
            if left is not None and left != before.get(dataset):
                records.note_steps("in-graph", [((dataset, left), "")])
            progress("recorded")
            for tombstone in tombstones:
                records.withdraw(tombstone)
            progress("in-ckan")
            _tell_ckan(settings, records, fresh, left)
            store.settle()
        return WithdrawnVersions(dataset, tuple(r.version for r in fresh), left)


def _wanted(shown: Sequence[ReleaseRecord], dataset: str, version: int | None) -> list[ReleaseRecord]:
    if not shown:
        raise UnknownDataset("publisher.no-dataset", dataset=dataset)
    wanted = [r for r in shown if version in (None, r.version)]
    if not wanted:
        raise UnknownDataset("publisher.no-version", dataset=dataset, version=version)
    return wanted


def _tell_ckan(settings: Settings, records: Records, gone: Sequence[ReleaseRecord], left: int | None) -> None:
    """CKAN has one version of a dataset: the one that is left takes its place there, or the dataset goes."""
    if not settings.ckan_url or not gone:
        return
    remaining = None if left is None else records.release(gone[0].dataset, left)
    if remaining:
        push_release(settings, records, remaining)
    else:
        withdraw_dataset(settings, records, gone[-1])
