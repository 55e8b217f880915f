"""The different texts of a column, found once: what is true of single cells costs what they cost, not what rows do.

A million rows of observations have some thousand different texts a column; finding them takes DuckDB less time
than one regular expression over the rows.
"""

import itertools
from collections.abc import Iterator

import duckdb

from vaven.schemas.tables.sql import quoted

BATCH_TEXTS = 10_000


class Distinct:
    """Of one workspace. Relations must not change once they were asked for."""

    def __init__(self, work: duckdb.DuckDBPyConnection) -> None:
        self._work = work
        self._known: dict[tuple[str, str], str] = {}
        self._numbers = itertools.count()

    def of(self, relation: str, column: str) -> str:
        """The name of a table with one column `cell`: each text of the column once, without NULL."""
        if (relation, column) not in self._known:
            name = f"distinct_{next(self._numbers)}"
            cell = quoted(column)
            self._work.execute(
                f"CREATE TEMP TABLE {name} AS SELECT DISTINCT {cell} AS cell FROM {relation} WHERE {cell} IS NOT NULL"
            )
            self._known[relation, column] = name
        return self._known[relation, column]

    def batches(self, relation: str, column: str, where: str = "TRUE") -> Iterator[list[str]]:
        """The same in lists of bounded length, for judgements that SQL can't make; `where` is SQL about `cell`."""
        name = self.of(relation, column)
        (count,) = self._work.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,)
        for start in range(0, count, BATCH_TEXTS):
            # By position, so that other queries may be asked between two batches.
            span = f"rowid BETWEEN {start} AND {start + BATCH_TEXTS - 1}"
            found = self._work.execute(f"SELECT cell FROM {name} WHERE {span} AND ({where})").fetchall()
            yield [text for (text,) in found]

    def has(self, relation: str, column: str, where: str = "TRUE") -> bool:
        """Whether some text `cell` of the column is as the SQL says."""
        query = f"SELECT 1 FROM {self.of(relation, column)} WHERE {where} LIMIT 1"
        return self._work.execute(query).fetchone() is not None

    def alias(self, relation: str, column: str, original: str) -> None:
        """Say that a column of `relation` is that of the relation `original`, unchanged."""
        if (original, column) in self._known:
            self._known[relation, column] = self._known[original, column]

    def forget(self, relation: str) -> None:
        """Of a relation that is about to be dropped."""
        for key in [key for key in self._known if key[0] == relation]:
            self._work.execute(f"DROP TABLE IF EXISTS {self._known.pop(key)}")
