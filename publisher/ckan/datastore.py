"""Released tables as rows of CKAN's DataStore, with types, labels and primary key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from vaven.publisher.ckan.client import Site
from vaven.schemas.standard.table_schemas import TableSchema, standard

# PostgreSQL types by Table Schema type; numbers keep all their digits.
TYPES = {"string": "text", "integer": "bigint", "number": "numeric", "date": "date", "boolean": "bool", "year": "int4"}
# Stays well below common limits on a request's size and time.
ROWS_PER_REQUEST = 5_000


def put_rows(site: Site, resource_id: str, table: str, path: Path, *, is_new: bool) -> int:
    """Replace a resource's DataStore table by the rows of a released CSV, and return their number.

    `is_new` if the resource has no table yet. Not atomic: the caller marks the table as complete afterwards, and
    repeats the call if that mark is missing.
    """
    if not is_new:
        # The table may be missing if an earlier run ended before its first row.
        site.find("datastore_delete", resource_id=resource_id, force=True)
    fields, key = columns_of(table), list(standard()[table].primary_key)
    site.write("datastore_create", resource_id=resource_id, force=True, fields=fields, primary_key=key)
    count = 0
    for rows in _batches(path):
        site.write("datastore_upsert", resource_id=resource_id, force=True, method="insert", records=rows)
        count += len(rows)
    return count


def columns_of(table: str) -> list[dict[str, Any]]:
    """Return the fields of a table in the DataStore's form."""
    schema = standard()[table]
    return [_column(schema, name) for name in schema.names]


def _column(schema: TableSchema, name: str) -> dict[str, Any]:
    field = schema[name]
    kind = TYPES.get(field.type, "text")
    return {"id": name, "type": kind, "info": {"label": field.label("sv"), "label_en": field.label("en")}}


def _batches(path: Path) -> Iterator[list[dict[str, str | None]]]:
    """Yield the rows in the table's order, with empty cells as None.

    Numbers remain text, from which PostgreSQL reads all digits.
    """
    with duckdb.connect() as work:
        work.execute("SELECT * FROM read_csv(?, all_varchar = true, header = true)", [str(path)])
        names = [column[0] for column in work.description or ()]
        while rows := work.fetchmany(ROWS_PER_REQUEST):
            yield [dict(zip(names, row, strict=True)) for row in rows]
