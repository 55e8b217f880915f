"""Open the columns of a snapshot for reading: one connection with a memory limit, and no access to files."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from vaven.publisher.columns.dictionary import TermDictionary
from vaven.publisher.columns.observation_ids import FILE, FIRST_OBSERVATION, PARTS, observation_ids, union_of
from vaven.publisher.columns.terms import RDF
from vaven.schemas.standard.sql import text


class Columns:
    """The relations terms, triples, names, periods, parts and observations of a snapshot.

    `predicates` and `classes` are the IRIs of the properties and types in `triples`, `observation_predicates` those of
    properties that observations or quantities have there.
    """

    def __init__(self, folder: Path, memory_mb: int = 512, threads: int = 2) -> None:
        self.connection = duckdb.connect(config={"memory_limit": f"{memory_mb}MB", "threads": threads})
        work = self.connection
        work.execute("SET temp_directory = ''")
        work.execute(f"ATTACH {text(folder / FILE)} AS snapshot (READ_ONLY)")
        # Names in queries are tables of the snapshot: a view would be planned anew wherever a query names it.
        work.execute("SET search_path = 'memory.main,snapshot.main'")
        parts = work.execute("SELECT number, file FROM parts ORDER BY number").fetchall()
        for number, file in parts:
            work.execute(f"ATTACH {text(folder / PARTS / file)} AS part_{number} (READ_ONLY)")
        work.execute(f"CREATE VIEW observations AS {union_of(number for number, _ in parts)}")
        work.execute("SET enable_external_access = false")
        work.execute("SET lock_configuration = true")
        self.has_observations = bool(parts)
        # The ids of the graphs that observations are in.
        first = " UNION ALL ".join(f"(SELECT graph FROM part_{number}.columns LIMIT 1)" for number, _ in parts)
        rows = work.execute(first).fetchall() if parts else []
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

    def ids(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the ids of those terms that the snapshot has."""
        needed = list(dict.fromkeys(terms))
        return self.dictionary.ids(needed) | observation_ids(self.connection, self.base, needed)

    def close(self) -> None:
        self.dictionary.close()
        self.connection.close()
