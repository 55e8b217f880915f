"""datastore_search over the Parquet files of a release by DuckDB: filters, full text, sorting and paging."""

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from vaven.catalogue.ckan_api.responses import invalid, is_true, whole_number
from vaven.catalogue.ckan_api.text_query import ROW_WORD, Condition, matching, parsed_condition, plain_condition
from vaven.publisher.ckan.datastore import columns_of

# CKAN's ckan.datastore.search.rows_max.
MOST_ROWS = 32_000
SORT = re.compile(r'\s*"?([^"\s,]+)"?(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?\s*', re.IGNORECASE)
FORMATS = ("objects", "lists", "csv", "tsv")
# PostgreSQL's names of types, as datastore_search returns them.
POSTGRESQL_TYPES = {"bigint": "int8"}


def datastore_search(table: str, path: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Search the rows of a resource in the Parquet file at `path`. Raises ActionError like CKAN."""
    with duckdb.connect() as connection:
        create_rows_view(connection, path)
        query = RowQuery(parameters, row_types(connection), path)
        rows = connection.execute(f"{query.selection} {query.page}", query.values).fetchall()
        total = connection.execute(f"SELECT count(*) FROM ({query.selection})", query.values).fetchone()
    count = int(total[0]) if total else 0
    return {
        **query.echoed,
        "include_next_page": False,
        "include_total": query.includes_total,
        "limit": query.limit,
        "records_format": query.format,
        "records": _records(rows, query),
        "fields": fields_of(table, query.fields),
        **({"total": count} if query.includes_total else {}),
    }


def fields_of(table: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the named columns of a table with types and labels, as CKAN describes them."""
    columns = [
        {"id": "_id", "type": "int"},
        *({**f, "type": POSTGRESQL_TYPES.get(f["type"], f["type"])} for f in columns_of(table)),
    ]
    return [field for name in names for field in columns if field["id"] == name]


def create_rows_view(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the view `rows` of a table's Parquet file, with the number of each row."""
    connection.read_parquet(str(path), file_row_number=True).create_view("numbered")
    connection.execute(
        "CREATE VIEW rows AS SELECT file_row_number + 1 AS _id, * EXCLUDE (file_row_number) FROM numbered"
    )


def row_types(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute("DESCRIBE rows").fetchall()}


@lru_cache(maxsize=16)
def vocabulary(path: Path) -> frozenset[str]:
    """Return the words of a table's text columns. Cost: one pass over its file, which never changes."""
    with duckdb.connect() as connection:
        create_rows_view(connection, path)
        names = [name for name, kind in row_types(connection).items() if kind == "VARCHAR"]
        rows = connection.execute(f"SELECT DISTINCT unnest({_words_of(names)}) FROM rows").fetchall()
    return frozenset(word for (word,) in rows)


class RowQuery:
    """Parameters of a search, checked against the columns' `types`. `values` fill the placeholders of `selection`."""

    def __init__(self, parameters: Mapping[str, Any], types: Mapping[str, str], path: Path) -> None:
        self.types, self.names, self.path = types, list(types), path
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
        self.selection = f"SELECT {'DISTINCT ' * self.is_distinct}{_quoted(self.fields)} FROM rows {self.where}"
        self.page = f"{self.order} LIMIT {self.limit} OFFSET {self.offset}"

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
        query, is_plain = parameters.get("q"), is_true(parameters, "plain", True)
        if isinstance(query, str) and query[:1] != "{":
            tests += [self._matches(query, self.names[1:], is_plain=is_plain)] if query else []
        else:
            for name, words in self._object("q", query).items():
                tests.append(self._matches(str(words), [self._checked_field("q", name)], is_plain=is_plain))
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

    def _matches(self, query: str, names: Sequence[str], *, is_plain: bool) -> str:
        """Return the condition that the words of the fields match a text search query."""
        read = plain_condition if is_plain else parsed_condition
        # A query of stop words alone matches nothing.
        condition = read(query, _words_of(names), self._matching_words) or Condition("false")
        self.values += condition.values
        return condition.sql

    def _matching_words(self, word: str, is_prefix: bool) -> Collection[str]:
        return matching(vocabulary(self.path), word, is_prefix=is_prefix)

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


def _words_of(names: Sequence[str]) -> str:
    """Return the list of words in the fields, in lower case, in SQL."""
    texts = ", ".join(_text(name) for name in names)
    return f"regexp_extract_all(lower(concat_ws(' ', {texts})), '{ROW_WORD}')"


def _text(name: str) -> str:
    """Return a field as text; a whole number has no decimal point."""
    return f"regexp_replace({_name(name)}::VARCHAR, '^(-?[0-9]+)\\.0$', '\\1')"


def _records(rows: Sequence[Sequence[Any]], query: RowQuery) -> Any:
    plain = [[plain_value(value) for value in row] for row in rows]
    if query.format == "objects":
        return [dict(zip(query.fields, row, strict=True)) for row in plain]
    if query.format == "lists":
        return plain
    text = io.StringIO()
    csv.writer(text, delimiter="," if query.format == "csv" else "\t", lineterminator="\n").writerows(plain)
    return text.getvalue()


def plain_value(value: Any) -> Any:
    """Convert a value to JSON: whole numbers without a decimal point, dates as text."""
    if isinstance(value, (Decimal, float)):
        return int(value) if value == int(value) else float(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
