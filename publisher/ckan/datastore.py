"""A released table as rows of CKAN's DataStore, with types, labels and its key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from vaven.publisher.ckan.client import Site
from vaven.schemas.standard.table_schemas import TableSchema, standard

# PostgreSQL's types by Table Schema's. Numbers keep all their digits.
TYPES = {"string": "text", "integer": "bigint", "number": "numeric", "date": "date", "boolean": "bool", "year": "int4"}
# As many rows a request as stay well below common limits on a request's size and time.
CHUNK = 5_000


def put_rows(site: Site, resource_id: str, table: str, path: Path, *, is_new: bool) -> int:
    """Make a resource's DataStore table hold a released CSV's rows; returns how many. `is_new` where it has none.

    Not all or nothing: whoever calls notes afterwards that it is whole, and does it again where that note is missing.
    """
    if not is_new:
        # No table is there where an earlier run ended before its first row.
        site.find("datastore_delete", resource_id=resource_id, force=True)
    described, key = columns_of(table), list(standard()[table].primary_key)
    site.write("datastore_create", resource_id=resource_id, force=True, fields=described, primary_key=key)
    count = 0
    for rows in _chunks(path):
        site.write("datastore_upsert", resource_id=resource_id, force=True, method="insert", records=rows)
        count += len(rows)
    return count


def columns_of(table: str) -> list[dict[str, Any]]:
    """The fields of a table as DataStore describes them."""
    schema = standard()[table]
    return [_column(schema, name) for name in schema.names]


def _column(schema: TableSchema, name: str) -> dict[str, Any]:
    field = schema[name]
    kind = TYPES.get(field.type, "text")
    return {"id": name, "type": kind, "info": {"label": field.label("sv"), "label_en": field.label("en")}}


def _chunks(path: Path) -> Iterator[list[dict[str, str | None]]]:
    """Rows in the table's order, empty cells as None. PostgreSQL reads numbers from their text, with all digits."""
    with duckdb.connect() as work:
        work.execute("SELECT * FROM read_csv(?, all_varchar = true, header = true)", [str(path)])
        names = [column[0] for column in work.description or ()]
        while rows := work.fetchmany(CHUNK):
            yield [dict(zip(names, row, strict=True)) for row in rows]
