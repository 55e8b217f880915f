"""A process that runs SELECTs over released tables, one at a time, and may be killed at any moment.

A fork that runs `main` (engine/worker_process.py). A job has `sql` of the client, `tables` by the
name that a query uses (`path` of the Parquet file, `fields` of the DataStore) and `file`, which its result is written
to as JSON. The query is parsed here, so that no text of a client can occupy the server.
"""

import contextlib
import json
import logging
import math
import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import IO, Any

import duckdb

from vaven.publisher.engine.confinement import confine, outcome_of_write, result_file, serve_jobs
from vaven.publisher.sql.errors import SqlError
from vaven.publisher.sql.select import Translated, translate
from vaven.publisher.sql.tables import columns_in_sql, open_tables

# CKAN's ckan.datastore.search.rows_max.
MAX_ROWS = 32_000
ROWS_PER_FETCH = 1_000
# Share of the address space that DuckDB may use for data; Python, DuckDB's code and sqlglot take the rest.
DATA_SHARE = 0.5
# Names of columns as the translation writes them, and the beginning of DuckDB's messages.
INTERNAL = re.compile(r"\bt\d+\.")
PREFIX = re.compile(r"^[A-Z][A-Za-z ]* Error: ")


def main(memory_mb: str, result_mb: str) -> None:
    """Serve jobs until the pool closes standard input."""
    confine(int(memory_mb), int(result_mb))
    # sqlglot warns of statements that are refused in any case.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    data_mb = int(int(memory_mb) * DATA_SHARE)
    serve_jobs(lambda job: _run_job(job, data_mb))


def _run_job(job: dict[str, Any], data_mb: int) -> dict[str, Any]:
    """Run a job. Returns the outcome: done, or the error."""
    try:
        columns = {name: columns_in_sql(table["fields"]) for name, table in job["tables"].items()}
        translated = translate(job["sql"], columns)
        with result_file(job["file"]) as file, contextlib.closing(open_tables(job["tables"], data_mb)) as database:
            _write(file, database, translated, job["sql"])
        return {"state": "done"}
    except SqlError as error:
        return {"state": "refused", "kind": error.kind, "message": str(error)}
    except OSError as error:
        return outcome_of_write(error)
    except (MemoryError, duckdb.OutOfMemoryException):
        return {"state": "out-of-memory"}
    except duckdb.Error as error:
        return {"state": "refused", "kind": "invalid", "message": _message(error)}


def _message(error: duckdb.Error) -> str:
    """Return DuckDB's message in the client's terms: its first line, without internal names."""
    first = str(error).split("\n", maxsplit=1)[0]
    return INTERNAL.sub("", PREFIX.sub("", first))


def _write(file: IO[bytes], database: duckdb.DuckDBPyConnection, translated: Translated, sql: str) -> None:
    """Write the result as CKAN's datastore_search_sql returns it."""
    cursor = database.execute(f"SELECT * FROM ({translated.sql}) LIMIT {MAX_ROWS + 1}")
    names = [name for name, _ in translated.columns]
    fields = [{"id": name, "type": value.type.label or value.kind.value} for name, value in translated.columns]
    file.write(b'{"records": [')
    count = 0
    for row in _rows(cursor):
        count += 1
        if count <= MAX_ROWS:
            file.write((", " if count > 1 else "").encode() + _record(names, row).encode())
    file.write(f'], "fields": {_json(fields)}, "sql": {_json(sql)}'.encode())
    file.write(b', "records_truncated": true}' if count > MAX_ROWS else b"}")


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(ROWS_PER_FETCH):
        yield from rows


def _record(names: Sequence[str], row: Sequence[Any]) -> str:
    """Write a row as a JSON object. Of several columns with one name it has the last, as CKAN's has."""
    record = dict(zip(names, row, strict=True))
    return "{" + ", ".join(f"{_json(name)}: {_value(value)}" for name, value in record.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, Decimal):
        # A decimal has the scale of its computation, and a JSON number needs no zeros at its end.
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") or "0" if "." in text else text
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SqlError("value out of range: overflow")
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return _json(str(value) if isinstance(value, date) else value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
