"""The terms of an open snapshot by id, and ids by term: those of a small dictionary in memory, others on demand."""

from collections.abc import Iterable

import duckdb

from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION

# Texts of so many terms are about 50 MB.
MAX_TERMS = 200_000


class TermDictionary:
    """Look up terms beside a running query: the connection has the snapshot attached as `snapshot`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, max_terms: int = MAX_TERMS) -> None:
        """Read the first `max_terms` terms."""
        self._work, self._max_terms = connection.cursor(), max_terms
        rows = self._work.execute(f"SELECT id, term FROM snapshot.terms LIMIT {max_terms + 1}").fetchall()
        self._is_complete = len(rows) <= max_terms
        self._terms: dict[int, str] = dict(rows)
        self._ids = {term: number for number, term in rows if number < FIRST_OBSERVATION}

    def ids(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the ids of those terms that the dictionary has; IRIs of observations have those of mere terms."""
        needed = list(dict.fromkeys(terms))
        known = {term: self._ids[term] for term in needed if term in self._ids}
        missing = [] if self._is_complete else [term for term in needed if term not in known]
        if missing:
            query = "SELECT term, id FROM snapshot.terms JOIN (SELECT unnest($1::VARCHAR[]) AS needed) ON needed = term"
            rows = self._work.execute(f"{query} WHERE id < {FIRST_OBSERVATION}", [missing]).fetchall()
            known |= dict(rows)
        return known

    def load(self, ids: Iterable[int | None]) -> None:
        """Make sure that `term` knows these."""
        if self._is_complete:
            return
        needed = {number for number in ids if number is not None}
        if len(self._terms) + len(needed) > 2 * self._max_terms:
            self._terms.clear()
        if missing := needed - self._terms.keys():
            query = "SELECT id, term FROM snapshot.terms WHERE id IN (SELECT unnest($1::BIGINT[]))"
            self._terms.update(self._work.execute(query, [list(missing)]).fetchall())

    def term(self, number: int) -> str:
        """Return a term by its id, which `load` has been called with."""
        return self._terms[number]

    def close(self) -> None:
        self._work.close()
