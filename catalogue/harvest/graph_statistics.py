"""Statistics of all published graphs together, counted once for each published state.

The named graphs have no triple in common, but they have subjects: the catalogue and a dataset's own graph both describe
the dataset. So the union is counted from the small graphs put together, and from the counts of observations.
"""

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
from vaven.publisher.releases.cache import CachedByState
from vaven.vocab import media_types
from vaven.vocab.iris import Iris


@dataclass(frozen=True)
class GraphStatistics:
    """Counts of each named graph by its IRI, and of the default graph, which is their union."""

    graphs: Mapping[str, Statistics]
    union: Statistics
    datasets: tuple[Dataset, ...]


class GraphStatisticsCache:
    """The statistics of the current published state. Safe to use from many threads."""

    def __init__(self, engine: QueryEngine, collection: Collection, iris: Iris) -> None:
        self._engine, self._collection, self._iris = engine, collection, iris
        self._statistics = CachedByState[str, GraphStatistics](1)

    def now(self) -> GraphStatistics:
        """Return the current statistics. Cost after a publication: parsing the metadata of all datasets."""
        state = f"{self._collection.state()} {self._engine.state()}"
        return self._statistics.get(state, "", self._count)

    def _count(self) -> GraphStatistics:
        datasets, iris = self._collection.datasets(), self._iris
        if not self._collection.histories():
            # Before the first publication there is no graph to query.
            return GraphStatistics({}, Statistics(), ())
        union, graphs = Store(), {}
        for d in datasets:
            metadata = self._collection.local(d.slug, d.current.version, "metadata.ttl")
            own, _ = split_shared(read_triples(metadata), iris)
            triples = serialize(own, format=RdfFormat.N_TRIPLES) or b""
            graphs[iris.dataset(d.slug)] = _load(union, triples) + d.current.counted
        for graph in iris.shared_graphs:
            query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
            graphs[graph] = _load(union, self._query(query, media_types.N_TRIPLES))
        total = reduce(add, (d.current.counted for d in datasets), statistics_in(union))
        return GraphStatistics(graphs, total, datasets)

    def _query(self, query: str, media_type: str) -> bytes:
        result = self._engine.query(query, media_type=media_type)
        try:
            return result.file.read()
        finally:
            result.close()


def _load(union: Store, triples: bytes) -> Statistics:
    """Add a small graph to the union, and return its own statistics."""
    graph = Store()
    for store in (union, graph):
        store.bulk_load(triples, RdfFormat.N_TRIPLES)
    return statistics_in(graph)


def statistics_in(store: Store) -> Statistics:
    """Count the default graph of a store in memory."""
    subjects = _counts(store, "SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s ?p ?o }")
    properties = _counts(store, "SELECT ?key (COUNT(*) AS ?n) { ?s ?key ?o } GROUP BY ?key")
    classes = _counts(store, "SELECT ?key (COUNT(*) AS ?n) { ?s a ?key } GROUP BY ?key")
    return Statistics(len(store), subjects[""], classes, properties)


def _counts(store: Store, query: str) -> dict[str, int]:
    """Return counts by the IRI of their key; "" is the key of a query without one."""
    counts = {}
    for solution in cast(QuerySolutions, store.query(query)):
        key = solution["key"] if "?key" in query else None
        counts[key.value if isinstance(key, NamedNode) else ""] = int(cast(NamedNode, solution["n"]).value)
    return counts
