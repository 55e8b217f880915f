"""Repair of the graph store from the releases, which are the source of all that it has."""

from vaven.publisher.graph.store import GraphStore, open_store
from vaven.publisher.operations.loading import damaged_datasets, exclusive_now, load_graphs
from vaven.publisher.published.collection import visible_versions
from vaven.publisher.releases.record_copies import RecordCopies
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings


def renew(settings: Settings) -> None:
    """Build the graph again from the releases if its snapshot is lost, damaged or of another format.

    Records that were lost are restored from their copies first. A process that publishes meanwhile builds the graph
    itself, so nothing waits for it here.
    """
    store = open_store(settings)
    with Records(settings.database) as records:
        if not records.finished():
            RecordCopies(settings.record_storage).reconcile(records)
        if store.is_sound() and not store.without_columns():
            return
        if not store.name() and not visible_versions(records, store):
            return
        with exclusive_now(settings.home) as is_held:
            if is_held:
                rebuild_lost(settings, records, open_store(settings))


def rebuild_lost(settings: Settings, records: Records, store: GraphStore) -> None:
    """Build a store's state again if it is not sound: with what it says that readers see, else what the records say.

    A release with damaged files is left out, so that all others are served; the next call tries again.
    """
    contents = visible_versions(records, store)
    if store.is_sound() and store.without_columns() <= damaged_datasets(settings, records, store, contents):
        return
    if contents or store.name():
        load_graphs(settings, records, store, contents, "", records.withdrawals())
