"""datastore_search over the Parquet files of a release by DuckDB: filters, full text, sorting and paging."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from vaven.catalogue.ckan_api.responses import invalid, is_true, whole_number
from vaven.publisher.ckan.datastore import columns_of

# CKAN's ckan.datastore.search.rows_max.
MOST_ROWS = 32_000
SORT = re.compile(r'\s*"?([^"\s,]+)"?(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?\s*', re.IGNORECASE)
FORMATS = ("objects", "lists", "csv", "tsv")
# PostgreSQL's names of types, as datastore_search returns them.
POSTGRESQL_TYPES = {"bigint": "int8"}


def datastore_search(table: str, path: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Search the rows of a resource in the Parquet file at `path`. Raises ActionError like CKAN."""
    columns = [
        {"id": "_id", "type": "int"},
        *({**f, "type": POSTGRESQL_TYPES.get(f["type"], f["type"])} for f in columns_of(table)),
    ]
    with duckdb.connect() as connection:
        connection.read_parquet(str(path), file_row_number=True).create_view("numbered")
        connection.execute(
            "CREATE VIEW rows AS SELECT file_row_number + 1 AS _id, * EXCLUDE (file_row_number) FROM numbered"
        )
        types = {row[0]: row[1] for row in connection.execute("DESCRIBE rows").fetchall()}
        query = _RowQuery(parameters, types)
        selection = f"SELECT {'DISTINCT ' * query.is_distinct}{_quoted(query.fields)} FROM rows {query.where}"
        rows = connection.execute(
            f"{selection} {query.order} LIMIT {query.limit} OFFSET {query.offset}", query.values
        ).fetchall()
        total = connection.execute(f"SELECT count(*) FROM ({selection})", query.values).fetchone()
    count = int(total[0]) if total else 0
    return {
        **query.echoed,
        "include_next_page": False,
        "include_total": query.includes_total,
        "limit": query.limit,
        "records_format": query.format,
        "records": _records(rows, query),
        "fields": [field for name in query.fields for field in columns if field["id"] == name],
        **({"total": count} if query.includes_total else {}),
    }


class _RowQuery:
    """Parameters of a search, checked against the columns' `types`. `values` fill the placeholders of `where`."""

    def __init__(self, parameters: Mapping[str, Any], types: Mapping[str, str]) -> None:
        self.types, self.names = types, list(types)
        self.limit = whole_number(parameters, "limit", 100, most=MOST_ROWS)
        self.offset = whole_number(parameters, "offset", 0, most=10**12)
        self.format = str(parameters.get("records_format") or "objects")
        if self.format not in FORMATS:
            raise invalid("records_format", f"Value must be one of {', '.join(FORMATS)}")
        self.includes_total = is_true(parameters, "include_total", True)
        self.is_distinct = is_true(parameters, "distinct")
        self.fields = self._names_in("fields", parameters.get("fields")) or self.names
        self.echoed = {key: parameters[key] for key in ("resource_id", "q", "sort") if parameters.get(key)}
        self.echoed |= {"offset": self.offset} if self.offset else {}
        self.echoed |= {"distinct": True} if self.is_distinct else {}
        self.values: list[Any] = []
        self.where = self._where(parameters)
        self.order = self._order(str(parameters.get("sort") or ""))

    def _names_in(self, key: str, value: Any) -> list[str]:
        parts = value.split(",") if isinstance(value, str) else list(value or ())
        names = [str(name).strip().strip('"') for name in parts if str(name).strip()]
        for name in names:
            self._checked_field(key, name)
        return names

    def _checked_field(self, key: str, name: str) -> str:
        if name not in self.names:
            raise invalid(key, f"Unknown field: {name}")
        return name

    def _where(self, parameters: Mapping[str, Any]) -> str:
        tests = [self._test(name, value) for name, value in self._object("filters", parameters.get("filters")).items()]
        query = parameters.get("q")
        if isinstance(query, str) and query[:1] != "{":
            tests += [self._contains(word, self.names[1:]) for word in query.split()]
        else:
            for name, words in self._object("q", query).items():
                tests += [self._contains(word, [self._checked_field("q", name)]) for word in str(words).split()]
        return f"WHERE {' AND '.join(tests)}" if tests else ""

    def _object(self, key: str, value: Any) -> dict[str, Any]:
        if isinstance(value, str) and value:
            try:
                value = json.loads(value)
            except ValueError as cause:
                raise invalid(key, "Cannot parse JSON") from cause
        if not isinstance(value or {}, dict):
            raise invalid(key, "Must be an object")
        if key == "filters" and value:
            self.echoed[key] = value
        return value or {}

    def _test(self, name: str, value: Any) -> str:
        """Return the condition that a field equals a value, or one of a list."""
        values = value if isinstance(value, list) else [value]
        self._checked_field("filters", name)
        self.values += [str(v) for v in values if v is not None]
        # A text that is no value of the column's type equals no value.
        tests = [
            f"{_name(name)} IS NULL" if v is None else f"{_name(name)} = TRY_CAST(? AS {self.types[name]})"
            for v in values
        ]
        return f"({' OR '.join(tests) or 'false'})"

    def _contains(self, word: str, names: Sequence[str]) -> str:
        """Return the condition that a word in any of the fields starts with `word`."""
        self.values += [rf"(?i)(^|[^\pL\pN]){re.escape(word)}"] * len(names)
        return f"({' OR '.join(f'regexp_matches({_name(name)}::VARCHAR, ?)' for name in names)})"

    def _order(self, sort: str) -> str:
        parts = []
        for part in filter(str.strip, sort.split(",")):
            match = SORT.fullmatch(part)
            if not match:
                raise invalid("sort", f"Cannot sort by {part.strip()}")
            name = self._checked_field("sort", match[1])
            last = match[3] or ("first" if (match[2] or "").lower() == "desc" else "last")
            parts.append(f"{_name(name)} {match[2] or 'asc'} NULLS {last}")
        if not parts and not self.is_distinct:
            parts = ["_id"]
        return f"ORDER BY {', '.join(parts)}" if parts else ""


def _name(field: str) -> str:
    return '"' + field.replace('"', '""') + '"'


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names))


def _records(rows: Sequence[Sequence[Any]], query: _RowQuery) -> Any:
    plain = [[_plain(value) for value in row] for row in rows]
    if query.format == "objects":
        return [dict(zip(query.fields, row, strict=True)) for row in plain]
    if query.format == "lists":
        return plain
    text = io.StringIO()
    csv.writer(text, delimiter="," if query.format == "csv" else "\t", lineterminator="\n").writerows(plain)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Convert a value to JSON: whole numbers without a decimal point, dates as text."""
    if isinstance(value, (Decimal, float)):
        return int(value) if value == int(value) else float(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
