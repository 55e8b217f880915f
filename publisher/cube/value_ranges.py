"""What the columns of a release's observations hold: what is a dimension of the cube, and between what it lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import duckdb

from vaven.publisher.releases.release import Release
from vaven.schemas.tables.compile import plain

NUMBERS = ("value", "numerator", "denominator", "sample_size", "ci_lower", "ci_upper")
INTERVAL = ("ci_lower", "ci_upper")


@dataclass(frozen=True)
class NumberRange:
    """A column of numbers: how many rows have one, and the lowest and highest as xsd:decimal has them ("" for none)."""

    filled: int
    lowest: str
    highest: str


@dataclass(frozen=True)
class ColumnStatistics:
    """`numbers` is by column, `methods` the rows that name one, and `codes` what a coded column has, by column."""

    rows: int
    numbers: Mapping[str, NumberRange]
    methods: int
    codes: Mapping[str, tuple[str, ...]]

    @property
    def has_interval(self) -> bool:
        """Whether any value has a bound. Then every observation states both, if only as undefined (cube.link)."""
        return any(self.numbers[name].filled for name in INTERVAL)

    def is_full(self, column: str) -> bool:
        """Whether every observation has it, so that it can be a dimension: cube.link knows no optional ones."""
        return self.rows == (self.methods if column == "method" else self.numbers[column].filled)


def column_statistics(release: Release) -> ColumnStatistics:
    """Cost: one scan of the columns."""
    with duckdb.connect() as reading:
        reading.execute(f"CREATE MACRO plain(number) AS {plain('number')}")
        reading.read_parquet(str(release.table("observations"))).create_view("observations")
        found = reading.execute((files(__package__) / "queries" / "components.sql").read_text("utf-8"))
        row = dict(zip((column[0] for column in found.description or ()), found.fetchone() or (), strict=True))
    return ColumnStatistics(
        rows=row["rows"],
        numbers={
            name: NumberRange(row[name]["filled"], row[name]["lowest"] or "", row[name]["highest"] or "")
            for name in NUMBERS
        },
        methods=row["methods"],
        codes={
            "neighbourhood": tuple(row["neighbourhoods"]),
            "sex": tuple(row["sexes"]),
            "status": tuple(row["statuses"]),
            "method": tuple(row["listed_methods"]),
        },
    )
