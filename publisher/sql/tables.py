"""Released tables as DuckDB views with PostgreSQL's columns and types, in a database that reads nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from vaven.publisher.sql import arithmetic
from vaven.publisher.sql.values import (
    BOOL,
    COLUMN_SCALE,
    DATE_TYPE,
    INT4,
    INT8,
    TEXT,
    Kind,
    Type,
    Value,
    quoted,
    text_literal,
)

ROW_ID = "_id"
# Types of CKAN's DataStore.
TYPES = {
    "text": TEXT, "bigint": INT8, "int4": INT4, "bool": BOOL, "date": DATE_TYPE,
    "numeric": Type(Kind.NUMERIC, COLUMN_SCALE),
}  # fmt: skip
Columns = Sequence[tuple[str, Value]]


def columns_in_sql(fields: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns of a table with these fields of the DataStore, the number of the row first."""
    columns = [(ROW_ID, Value("{t}." + quoted(ROW_ID), INT4))]
    for field in fields:
        name, kind = field["id"], TYPES[field["type"]]
        double = "{t}." + quoted(_double(name)) if kind.kind is Kind.NUMERIC else ""
        columns.append((name, Value("{t}." + quoted(name), kind, double=double)))
    return columns


def open_tables(tables: Mapping[str, Mapping[str, Any]], memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Open a database with a view for each table (`path` of its Parquet file, `fields`), and lock its configuration."""
    connection = duckdb.connect(config={"threads": 1, "memory_limit": f"{memory_mb}MB", "temp_directory": ""})
    arithmetic.register(connection)
    for name, table in tables.items():
        connection.execute(_view(name, table["path"], table["fields"]))
    paths = ", ".join(text_literal(table["path"]) for table in tables.values())
    for setting in (
        f"allowed_paths = [{paths}]",
        "enable_external_access = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "default_null_order = 'nulls_last_on_asc_first_on_desc'",
        "integer_division = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _view(name: str, path: str, fields: Sequence[Mapping[str, Any]]) -> str:
    items = [f"CAST(file_row_number + 1 AS INTEGER) AS {quoted(ROW_ID)}"]
    for field in fields:
        column, kind = quoted(field["id"]), TYPES[field["type"]]
        if kind.kind is Kind.NUMERIC:
            items += [f"{_exact(column, kind)} AS {column}", f"{column} AS {quoted(_double(field['id']))}"]
        else:
            items.append(f"CAST({column} AS {kind.duckdb}) AS {column}")
    source = f"read_parquet({text_literal(path)}, file_row_number = true)"
    return f"CREATE VIEW {quoted(name)} AS SELECT {', '.join(items)} FROM {source}"


def _exact(column: str, kind: Type) -> str:
    """Return a stored number as decimal. A number with more decimals is an error, never rounded."""
    decimal = f"CAST({column} AS {kind.duckdb})"
    error = f"error('{column} has a number with more than {kind.scale} decimals, which SQL does not support here')"
    return f"CASE WHEN CAST({decimal} AS DOUBLE) = {column} OR {column} IS NULL THEN {decimal} ELSE {error} END"


def _double(name: str) -> str:
    return f"{name} as stored"
