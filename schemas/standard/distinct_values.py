"""Distinct texts of columns, computed once, so that a check of single cells costs one evaluation for each text.

A million rows of observations have some thousand distinct texts in a column; DuckDB computes them faster than it
matches one regular expression against the rows.
"""

import itertools
from collections.abc import Iterator

import duckdb

from vaven.schemas.standard.sql import quoted

BATCH_TEXTS = 10_000


class DistinctTexts:
    """Distinct texts in one workspace. A relation must not change after its first use here."""

    def __init__(self, work: duckdb.DuckDBPyConnection) -> None:
        self._work = work
        self._tables: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._numbers = itertools.count()

    def of(self, relation: str, column: str) -> str:
        """Return the name of a table with one column `cell`: each text of the column once, without NULL."""
        if (relation, column) not in self._tables:
            name = f"distinct_{next(self._numbers)}"
            cell = quoted(column)
            created = self._work.execute(
                f"CREATE TEMP TABLE {name} AS SELECT DISTINCT {cell} AS cell FROM {relation} WHERE {cell} IS NOT NULL"
            )
            (self._counts[name],) = created.fetchone() or (0,)
            self._tables[relation, column] = name
        return self._tables[relation, column]

    def batches(self, relation: str, column: str, where: str = "TRUE") -> Iterator[list[str]]:
        """Yield the texts in lists of bounded length, for checks beyond SQL; `where` is SQL about `cell`."""
        name = self.of(relation, column)
        for start in range(0, self._counts[name], BATCH_TEXTS):
            # By position, so that other queries may run between two batches.
            span = f"rowid BETWEEN {start} AND {start + BATCH_TEXTS - 1}"
            texts = self._work.execute(f"SELECT cell FROM {name} WHERE {span} AND ({where})").fetchall()
            yield [text for (text,) in texts]

    def has(self, relation: str, column: str, where: str = "TRUE") -> bool:
        """Return True if some text `cell` of the column satisfies the SQL."""
        query = f"SELECT 1 FROM {self.of(relation, column)} WHERE {where} LIMIT 1"
        return self._work.execute(query).fetchone() is not None

    def alias(self, relation: str, column: str, original: str) -> None:
        """Reuse the texts of a column of `original` for the same, unchanged column of `relation`."""
        if (original, column) in self._tables:
            self._tables[relation, column] = self._tables[original, column]

    def forget(self, relation: str) -> None:
        """Drop the texts of a relation that is about to be dropped."""
        for key in [key for key in self._tables if key[0] == relation]:
            self._work.execute(f"DROP TABLE IF EXISTS {self._tables.pop(key)}")
