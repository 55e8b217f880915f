"""Open the columns of a snapshot for reading: one connection with a memory limit, and no access to files."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from vaven.publisher.columns.dictionary import TermDictionary
from vaven.publisher.columns.observation_ids import (
    FILE,
    FIRST_OBSERVATION,
    PARTS,
    is_observation,
    observation_ids,
    parts_of,
    union_of,
)
from vaven.publisher.columns.terms import RDF
from vaven.schemas.standard.sql import text

# So many results of each kind of lookup are remembered.
MOST_REMEMBERED = 100_000


class Columns:
    """The relations terms, triples, codes, names, periods, parts and observations of a snapshot.

    `parts` are the attached releases by number; `predicates` and `classes` are the IRIs of the properties and types in
    `triples`, `observation_predicates` those of properties that observations or quantities have there.
    """

    def __init__(self, folder: Path, memory_mb: int = 512, threads: int = 2) -> None:
        self.connection = duckdb.connect(config={"memory_limit": f"{memory_mb}MB", "threads": threads})
        work = self.connection
        work.execute("SET temp_directory = ''")
        work.execute(f"ATTACH {text(folder / FILE)} AS snapshot (READ_ONLY)")
        # Names in queries are tables of the snapshot: a view would be planned anew wherever a query names it.
        work.execute("SET search_path = 'memory.main,snapshot.main'")
        self.parts = parts_of(work)
        for part in self.parts.values():
            work.execute(f"ATTACH {text(folder / PARTS / part.file)} AS part_{part.number} (READ_ONLY)")
        work.execute(f"CREATE VIEW observations AS {union_of(self.parts)}")
        work.execute("SET enable_external_access = false")
        work.execute("SET lock_configuration = true")
        self.has_observations = bool(self.parts)
        # The ids of the graphs that observations are in.
        first = " UNION ALL ".join(f"(SELECT graph FROM part_{number}.columns LIMIT 1)" for number in self.parts)
        rows = work.execute(first).fetchall() if self.parts else []
        self.observation_graphs = frozenset(graph for (graph,) in rows)
        # The names of the functions that have been created.
        self.functions = set[str]()
        (self.base,) = work.execute("SELECT base FROM snapshot.state").fetchone() or ("",)
        query = "SELECT DISTINCT text FROM triples JOIN terms ON id = p"
        self.predicates = frozenset(iri for (iri,) in work.execute(query).fetchall())
        kind = f"(SELECT id FROM terms WHERE term = {text('<' + RDF + 'type')})"
        query = f"SELECT DISTINCT text FROM triples JOIN terms ON id = o WHERE p = {kind}"
        self.classes = frozenset(iri for (iri,) in work.execute(query).fetchall())
        query = f"SELECT DISTINCT text FROM triples JOIN terms ON id = p WHERE greatest(s, o) >= {FIRST_OBSERVATION}"
        self.observation_predicates = frozenset(iri for (iri,) in work.execute(query).fetchall())
        self.dictionary = TermDictionary(work)
        # The ids of the first and last moments of periods.
        self.periods = {i: (a, b) for i, a, b in work.execute("SELECT id, started, ended FROM periods").fetchall()}
        query = "SELECT id, list(DISTINCT name) FROM codes GROUP BY id"
        self._coded_columns = {number: frozenset(names) for number, names in work.execute(query).fetchall()}
        self._observation_ids = dict[str, int | None]()

    def ids(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the ids of those terms that the snapshot has."""
        needed = list(dict.fromkeys(terms))
        known = {term: self._observation_ids[term] for term in needed if term in self._observation_ids}
        new = [term for term in needed if term not in known and is_observation(term, self.base)]
        if new:
            if len(self._observation_ids) > MOST_REMEMBERED:
                self._observation_ids.clear()
            known |= dict.fromkeys(new) | observation_ids(self.connection, self.parts, new)
            self._observation_ids |= known
        return self.dictionary.ids(needed) | {term: number for term, number in known.items() if number is not None}

    def coded_columns(self, ids: Iterable[int]) -> frozenset[str]:
        """Return the names of the columns of observations that may have terms with these ids."""
        return frozenset[str]().union(*(self._coded_columns.get(number, ()) for number in ids))

    def close(self) -> None:
        self.dictionary.close()
        self.connection.close()
