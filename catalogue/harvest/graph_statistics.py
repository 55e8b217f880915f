"""What all our graphs hold together, counted once for each state of what is published.

The named graphs have no triple in common, but they have subjects: the catalogue and a dataset's own graph both speak of
the dataset. So the whole is counted of the small graphs put together, and of the observations.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import cast

from pyoxigraph import NamedNode, QuerySolutions, RdfFormat, Store, serialize

from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.metadata.shared_graph import read_triples, split_shared
from vaven.publisher.published.collection import Collection
from vaven.publisher.published.values import Dataset
from vaven.publisher.rdf.triple_counts import Statistics
from vaven.vocab import media_types
from vaven.vocab.iris import Iris


@dataclass(frozen=True)
class GraphStatistics:
    """Counts of each named graph by its IRI, and of the default graph, which is their union."""

    graphs: Mapping[str, Statistics]
    whole: Statistics
    datasets: tuple[Dataset, ...]


class GraphStatisticsCache:
    """Makes the overview of what is published now; the last one made is kept. Safe to use from many threads."""

    def __init__(self, engine: QueryEngine, collection: Collection, iris: Iris) -> None:
        self._engine, self._collection, self._iris = engine, collection, iris
        self._lock = threading.Lock()
        self._last: tuple[str, GraphStatistics] | None = None

    def now(self) -> GraphStatistics:
        """Cost where something was published since: parsing what is said of every dataset, seconds for hundreds."""
        state = f"{self._collection.state()} {self._engine.state()}"
        with self._lock:
            if self._last is None or self._last[0] != state:
                self._last = state, self._made()
            return self._last[1]

    def _made(self) -> GraphStatistics:
        datasets, iris = self._collection.datasets(), self._iris
        if not self._collection.lineages():
            # Nothing was ever published, so there is no graph to ask yet.
            return GraphStatistics({}, Statistics(), ())
        small, graphs = Store(), {}
        for d in datasets:
            own, _ = split_shared(read_triples(self._collection.local(d.slug, d.current.version, "metadata.ttl")), iris)
            said = serialize(own, format=RdfFormat.N_TRIPLES) or b""
            graphs[iris.dataset(d.slug)] = _loaded(small, said) + d.current.counted
        for graph in iris.shared_graphs:
            query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
            graphs[graph] = _loaded(small, self._ask(query, media_types.N_TRIPLES))
        whole = reduce(add, (d.current.counted for d in datasets), statistics_in(small))
        return GraphStatistics(graphs, whole, datasets)

    def _ask(self, query: str, media_type: str) -> bytes:
        answer = self._engine.query(query, media_type=media_type)
        try:
            return answer.file.read()
        finally:
            answer.close()


def _loaded(small: Store, triples: bytes) -> Statistics:
    """Put a small graph into the store of all of them; returns its own counts."""
    alone = Store()
    for into in (small, alone):
        into.bulk_load(triples, RdfFormat.N_TRIPLES)
    return statistics_in(alone)


def statistics_in(store: Store) -> Statistics:
    """Count the default graph of a store in memory."""
    subjects = _rows(store, "SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s ?p ?o }")
    properties = _rows(store, "SELECT ?key (COUNT(*) AS ?n) { ?s ?key ?o } GROUP BY ?key")
    classes = _rows(store, "SELECT ?key (COUNT(*) AS ?n) { ?s a ?key } GROUP BY ?key")
    return Statistics(len(store), subjects[""], classes, properties)


def _rows(store: Store, query: str) -> dict[str, int]:
    """Counts by the IRI of their key, "" for the only one."""
    found = {}
    for row in cast(QuerySolutions, store.query(query)):
        key = row["key"] if "?key" in query else None
        found[key.value if isinstance(key, NamedNode) else ""] = int(cast(NamedNode, row["n"]).value)
    return found
