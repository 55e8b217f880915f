"""Comparison of a release's tables with the checked tables: no value that was read may be absent."""

from pathlib import Path

import duckdb

from vaven.schemas.standard.sql import quoted, text
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.compile import key_of
from vaven.schemas.tables.tables import Table
from vaven.vocab.errors import NotPublishable


def check_complete(workspace: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    """Count the values of each field in the checked table and in its Parquet and CSV, which are read for it.

    Of rows with the same key, of which a release has one, each field counts once, and rows without a value do not count
    beside one with a value. A default makes the release's number larger. Raises NotPublishable.
    """
    schema = standard()[table.resource]
    names = [field.name for field in schema.fields if table.column(field.name)]
    where = f"WHERE {quoted('value')} IS NOT NULL" if "value" in names else ""
    counts = ", ".join(f"count({quoted(name)})" for name in names)
    firsts = ", ".join(f"any_value({quoted(name)}) AS {quoted(name)}" for name in names)
    key = ", ".join(part for part in key_of(table, schema) if '"' in part)
    rows = f"{table.relation} {where}"
    (count,) = workspace.execute(f"SELECT count(*) FROM {rows}").fetchone() or (0,)
    for path in (folder / f"{table.resource}.parquet", folder / f"{table.resource}.csv"):
        is_csv = path.suffix == ".csv"
        read = f"read_csv({text(str(path))}, all_varchar = true, header = true)" if is_csv else text(str(path))
        count_released, *released = workspace.execute(f"SELECT count(*), {counts} FROM {read} {where}").fetchone() or ()
        # Grouping by the key takes longer, and only repeated rows need it.
        own = rows if count == count_released else f"(SELECT {firsts} FROM {rows} GROUP BY {key})"
        expected = workspace.execute(f"SELECT {counts} FROM {own}").fetchone() or ()
        for name, values, written in zip(names, expected, released, strict=True):
            if written < values:
                field = schema[name]
                labels = {f"field_{language}": field.label(language) for language in ("sv", "en")}
                raise NotPublishable("publisher.release-incomplete", file=path.name, count=values - written, **labels)
