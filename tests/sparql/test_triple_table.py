"""The translator gives equal results over the columns of observations and over a table of all their triples.

The same published files are loaded twice: as releases, whose observations are columns, and as plain graphs.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.sparql.corpus import CorpusQuery, corpus
from tests.sparql.digests import digest
from tests.sparql.release import BASE, publish_release
from vaven.publisher.columns.build import ReleasedColumns
from vaven.publisher.columns.open import Columns
from vaven.publisher.graph.snapshot import Snapshot, current_snapshot
from vaven.publisher.graph.store import EmbeddedStore
from vaven.publisher.operations.loading import load_graphs
from vaven.publisher.rdf.files import Graphs
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings
from vaven.publisher.sparql.query_facts import read_facts
from vaven.vocab.iris import Iris

# Of the corpus, one query in so many.
STEP = 5


class PlainStore:
    """A store of snapshots that has releases as plain graphs."""

    def __init__(self, folder: Path) -> None:
        self.store = EmbeddedStore(folder, Iris(BASE))

    def replace(self, graphs: Graphs, *, releases: Sequence[ReleasedColumns] = (), **_: object) -> str:
        return self.store.replace({**graphs, **{r.graph: r.triples() for r in releases}}, contents={})

    def is_sound(self) -> bool:
        return True

    def without_columns(self) -> frozenset[str]:
        return frozenset()

    def prepare(self, *_: object) -> None:
        """No columns."""

    def contents(self) -> dict[str, int]:
        return {}

    def name(self) -> str:
        return ""


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Snapshot]:
    """The same data with columns and without."""
    home = tmp_path_factory.mktemp("triple-table")
    publish_release(home, 0)
    settings = Settings(home=home, base_iri=BASE)
    with Records(settings.database) as records:
        load_graphs(settings, records, PlainStore(home / "plain"), {"kanter": 1, "grannar": 1}, "", ())
    columns, plain = current_snapshot(settings.graph_folder), current_snapshot(home / "plain")
    assert columns
    assert plain
    assert [len(list((snapshot.folder / "parts").iterdir())) for snapshot in (columns, plain)] == [2, 0]
    return columns, plain


def compared(queries: Sequence[CorpusQuery], snapshots: tuple[Snapshot, Snapshot]) -> dict[str, str]:
    """Return the text of each query that has two results."""
    one, other = (Columns(snapshot.folder) for snapshot in snapshots)
    assert one.has_observations
    assert not other.has_observations
    return {query.name: query.text for query in queries if digest(one, query) != digest(other, query)}


@pytest.mark.timeout(900)
def test_columns_and_a_table_of_triples_give_the_same_results(snapshots: tuple[Snapshot, Snapshot]) -> None:
    queries = [query for query in corpus()[::STEP] if read_facts(query.text).is_deterministic]
    assert len(queries) > 800
    assert compared(queries, snapshots) == {}
