"""What all our graphs hold together, counted once for each state of what is published.

The named graphs overlap: a municipality is described in each dataset that has areas in it. So the whole is counted of
the small graphs put together, and of the observations, which no two datasets have in common.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import cast

from pyoxigraph import NamedNode, QuerySolutions, RdfFormat, Store

from vaven.publisher.answer import QueryEngine
from vaven.publisher.collection import Collection
from vaven.publisher.entries import Dataset
from vaven.publisher.statistics import Statistics
from vaven.vocab.iris import Iris

RESULTS = "application/sparql-results+json"


@dataclass(frozen=True)
class Overview:
    """Counts of each named graph by its IRI, and of the default graph, which is their union."""

    graphs: Mapping[str, Statistics]
    whole: Statistics
    datasets: tuple[Dataset, ...]


class Overviews:
    """Makes the overview of what is published now; the last one made is kept. Safe to use from many threads."""

    def __init__(self, engine: QueryEngine, collection: Collection, iris: Iris) -> None:
        self._engine, self._collection, self._iris = engine, collection, iris
        self._lock = threading.Lock()
        self._last: tuple[str, Overview] | None = None

    def now(self) -> Overview:
        """Cost where something was published since: parsing what is said of every dataset, seconds for hundreds."""
        state = f"{self._collection.state()} {self._engine.state()}"
        with self._lock:
            if self._last is None or self._last[0] != state:
                self._last = state, self._made()
            return self._last[1]

    def _made(self) -> Overview:
        datasets, iris = self._collection.datasets(), self._iris
        if not self._collection.lineages():
            # Nothing was ever published, so there is no graph to ask yet.
            return Overview({}, Statistics(), ())
        store = Store()
        graphs = {iris.dataset(d.slug): d.current.counted.whole for d in datasets}
        for graph in (iris.ontology.rstrip("#"), iris.catalogue):
            graphs[graph] = self._loaded(store, graph)
        for d in datasets:
            with self._collection.open(d.slug, d.current.version, "metadata.ttl") as file:
                store.bulk_load(file, RdfFormat.TURTLE)
        own = reduce(add, (d.current.counted.own for d in datasets), Statistics())
        return Overview(graphs, statistics_in(store) + own + self._shared(datasets), datasets)

    def _loaded(self, store: Store, graph: str) -> Statistics:
        """Put a small graph of the endpoint's into the store; returns its own counts."""
        query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
        alone = Store()
        triples = self._ask(query, "application/n-triples")
        for into in (store, alone):
            into.bulk_load(triples, RdfFormat.N_TRIPLES)
        return statistics_in(alone)

    def _shared(self, datasets: Iterable[Dataset]) -> Statistics:
        """The nodes that observations of several datasets may share: as many as the endpoint has."""
        parts = [d.current.counted.shared for d in datasets if d.current.counted.shared.triples]
        if len(parts) < 2:
            return reduce(add, parts, Statistics())
        (kind,) = parts[0].classes
        answer = self._ask(f"SELECT (COUNT(DISTINCT ?node) AS ?n) WHERE {{ ?node a <{kind}> }}", "text/csv")
        return parts[0].scaled(int(answer.decode().split()[1]))

    def _ask(self, query: str, media_type: str) -> bytes:
        answer = self._engine.answer(query, media_type=media_type)
        try:
            return answer.file.read()
        finally:
            answer.close()


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
