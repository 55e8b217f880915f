"""Withdrawal of a version or a whole dataset: it is no longer shown, and a tombstone states why (DESIGN section 4).

The number is never used again; the identifiers still resolve, with 410 and the reason. The graph is switched first,
then the records: killed in between, the same command ends in the same state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vaven.publisher.ckan.run import push_release, withdraw_dataset
from vaven.publisher.graph.store import open_store
from vaven.publisher.operations.loading import catch_up, exclusive, load_graphs
from vaven.publisher.operations.rebuilding import rebuild_lost
from vaven.publisher.publish import require_no_person
from vaven.publisher.published.collection import visible_versions
from vaven.publisher.releases.record_copies import RecordCopies
from vaven.publisher.releases.records import Records, ReleaseRecord, Withdrawal, now
from vaven.publisher.settings import Settings
from vaven.vocab.errors import UnknownDataset, WrongUse


@dataclass(frozen=True)
class WithdrawnVersions:
    """The versions that were withdrawn now, and the version that replaces them, None if none is left."""

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
    """Withdraw a version, or all versions of a dataset. `progress` gets the name of each step before it begins.

    The files stay in the storage, but nothing shows them any more. Raises UnknownDataset for a dataset or version that
    does not exist, and WrongUse for an empty reason, since readers are shown the reason.
    """
    if not reason.strip():
        raise WrongUse("publisher.reason-missing")
    require_no_person(reason)
    with exclusive(settings.home), Records(settings.database) as records:
        store = open_store(settings, progress)
        RecordCopies(settings.record_storage).reconcile(records)
        rebuild_lost(settings, records, store)
        catch_up(settings, records, store)
        releases = [r for r in records.finished() if r.dataset == dataset and r.visible_at]
        matching = _matching(releases, dataset, version)
        withdrawn = {w.version for w in records.withdrawals() if w.dataset == dataset}
        new = [r for r in matching if r.version not in withdrawn]
        left = max((r.version for r in releases if r not in matching and r.version not in withdrawn), default=None)
        before = visible_versions(records, store)
        contents = {slug: n for slug, n in before.items() if slug != dataset}
        contents |= {} if left is None else {dataset: left}
        if new or before != contents:
            tombstones = [Withdrawal(dataset, r.version, reason.strip(), now()) for r in new]
            load_graphs(settings, records, store, contents, dataset, [*records.withdrawals(), *tombstones])
            if left is not None and left != before.get(dataset):
                records.note_steps("in-graph", [((dataset, left), "")])
            progress("recorded")
            copies = RecordCopies(settings.record_storage)
            for tombstone in tombstones:
                copies.write_tombstone(tombstone)
                records.withdraw(tombstone)
            progress("in-ckan")
            _update_ckan(settings, records, new, left)
        return WithdrawnVersions(dataset, tuple(r.version for r in new), left)


def _matching(releases: Sequence[ReleaseRecord], dataset: str, version: int | None) -> list[ReleaseRecord]:
    if not releases:
        raise UnknownDataset("publisher.no-dataset", dataset=dataset)
    matching = [r for r in releases if version in (None, r.version)]
    if not matching:
        raise UnknownDataset("publisher.no-version", dataset=dataset, version=version)
    return matching


def _update_ckan(settings: Settings, records: Records, withdrawn: Sequence[ReleaseRecord], left: int | None) -> None:
    """Replace the version on CKAN, which has one version of a dataset, by the remaining one, or delete the dataset."""
    if not settings.ckan_url or not withdrawn:
        return
    remaining = None if left is None else records.release(withdrawn[0].dataset, left)
    if remaining:
        push_release(settings, records, remaining)
    else:
        withdraw_dataset(settings, records, withdrawn[-1])
