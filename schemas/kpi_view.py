"""Tables of KPI values beside what the register says of their KPI (kpi_view.sql)."""

from functools import cache
from importlib.resources import files

import duckdb

from vaven.vocab import register

# Columns of the table register_kpis.
REGISTER_COLUMNS = {
    "id": "VARCHAR", "minimum": "DOUBLE", "maximum": "DOUBLE", "multiplier": "DOUBLE", "is_percent": "BOOLEAN",
    "is_ratio": "BOOLEAN", "is_mean": "BOOLEAN", "is_sum": "BOOLEAN",
}  # fmt: skip


def create_kpi_view(
    work: duckdb.DuckDBPyConnection, view: str, relation: str, numbers: str, kpi: str = "t.kpi"
) -> None:
    """Create a view of a relation with the register's columns; kpi_view.sql states the SQL of `numbers` and `kpi`."""
    query = _query()
    for name, part in {"view": view, "relation": relation, "numbers": numbers, "kpi": kpi}.items():
        query = query.replace("{" + name + "}", part)
    work.execute(query)


@cache
def _query() -> str:
    return (files(__package__) / "kpi_view.sql").read_text("utf-8")


def create_register_kpis(work: duckdb.DuckDBPyConnection) -> None:
    """Create the table register_kpis, which the views join."""
    columns = ", ".join(f"unnest(?::{kind}[]) AS {name}" for name, kind in REGISTER_COLUMNS.items())
    rows = (
        (k.id, k.minimum, k.maximum, k.multiplier, k.unit("en") == "%", k.is_ratio, k.is_mean, k.is_sum)
        for k in register.kpis().values()
    )
    values_by_column = [list(column) for column in zip(*rows, strict=True)]
    work.execute(f"CREATE OR REPLACE TABLE register_kpis AS SELECT {columns}", values_by_column)
