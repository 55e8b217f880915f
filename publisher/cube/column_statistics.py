"""Statistics of the columns of a release's observations, from which the cube's dimensions and their ranges follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import duckdb

from vaven.publisher.releases.release import Release
from vaven.schemas.standard.sql import plain

NUMBERS = ("value", "numerator", "denominator", "sample_size", "ci_lower", "ci_upper")
INTERVAL = ("ci_lower", "ci_upper")


@dataclass(frozen=True)
class NumberRange:
    """The number of filled cells of a numeric column, with its lowest and highest value.

    Both values are written as xsd:decimal, "" in an empty column.
    """

    filled: int
    lowest: str
    highest: str


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics by column: `numbers` of the numeric columns and `codes` of the coded columns.

    `rows_with_method` is the number of rows with a method.
    """

    rows: int
    numbers: Mapping[str, NumberRange]
    rows_with_method: int
    codes: Mapping[str, tuple[str, ...]]

    @property
    def has_interval(self) -> bool:
        """True if any value has a bound; then every observation states both, undefined if missing (cube.link)."""
        return any(self.numbers[name].filled for name in INTERVAL)

    def is_full(self, column: str) -> bool:
        """Return True if every observation has a value in the column, as cube.link requires of a dimension."""
        return self.rows == (self.rows_with_method if column == "method" else self.numbers[column].filled)


def column_statistics(release: Release) -> ColumnStatistics:
    """Compute the statistics of a release's observations.

    Cost: one scan of the columns.
    """
    with duckdb.connect() as work:
        work.execute(f"CREATE MACRO plain(number) AS {plain('number')}")
        work.read_parquet(str(release.table("observations"))).create_view("observations")
        result = work.execute((files(__package__) / "queries" / "column_statistics.sql").read_text("utf-8"))
        row = dict(zip((column[0] for column in result.description or ()), result.fetchone() or (), strict=True))
    return ColumnStatistics(
        rows=row["rows"],
        numbers={
            name: NumberRange(row[name]["filled"], row[name]["lowest"] or "", row[name]["highest"] or "")
            for name in NUMBERS
        },
        rows_with_method=row["rows_with_method"],
        codes={
            "neighbourhood": tuple(row["neighbourhoods"]),
            "sex": tuple(row["sexes"]),
            "status": tuple(row["statuses"]),
            "method": tuple(row["method_codes"]),
        },
    )
