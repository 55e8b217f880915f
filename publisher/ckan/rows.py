"""A released table as rows of CKAN's DataStore, with types, labels and its key."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from vaven.publisher.ckan.site import Site
from vaven.schemas.standard import TableSchema, standard

# PostgreSQL's types by Table Schema's. Numbers keep all their digits.
TYPES = {"string": "text", "integer": "bigint", "number": "numeric", "date": "date", "boolean": "bool", "year": "int4"}
# As many rows a request as stay well below common limits on a request's size and time.
CHUNK = 5_000


def put_rows(site: Site, resource_id: str, table: str, path: Path, *, is_new: bool) -> int:
    """Make a resource's DataStore table hold the Parquet's rows; returns how many. `is_new` where it has none.

    Not all or nothing: whoever calls notes afterwards that it is whole, and does it again where that note is missing.
    """
    schema = standard()[table]
    if not is_new:
        # No table is there where an earlier run ended before its first row.
        site.find("datastore_delete", resource_id=resource_id, force=True)
    count = 0
    described = [_column(schema, name) for name in _columns(path)]
    key = [name for name in schema.primary_key if any(field["id"] == name for field in described)]
    for first, rows in _chunks(path):
        given: dict[str, Any] = {"resource_id": resource_id, "force": True, "records": rows}
        if first:
            site.write("datastore_create", **given, fields=described, primary_key=key)
        else:
            site.write("datastore_upsert", **given, method="upsert" if key else "insert")
        count += len(rows)
    return count


def _columns(path: Path) -> list[str]:
    with duckdb.connect() as work:
        return work.read_parquet(str(path)).columns


def _column(schema: TableSchema, name: str) -> dict[str, Any]:
    field = schema[name]
    kind = TYPES.get(field.type, "text")
    return {"id": name, "type": kind, "info": {"label": field.label("sv"), "label_en": field.label("en")}}


def _chunks(path: Path) -> Iterator[tuple[bool, list[Mapping[str, Any]]]]:
    """Rows as JSON takes them, in the table's order, and whether they are the first. An empty table has one chunk."""
    with duckdb.connect() as work:
        found = work.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description or ()]
        is_first = True
        while (rows := found.fetchmany(CHUNK)) or is_first:
            yield is_first, [dict(zip(names, map(_json, row), strict=True)) for row in rows]
            is_first = False


def _json(value: Any) -> Any:
    # A number as text keeps its digits, and PostgreSQL reads it.
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
