"""datastore_search over the columns of a release: filters, full text, sorting, paging, by DuckDB over Parquet."""

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
# PostgreSQL's names of its types, as datastore_search gives them.
SHOWN_TYPES = {"bigint": "int8"}


def datastore_search(table: str, path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for a resource whose rows are the Parquet at `path`. Raises ActionError as CKAN would."""
    described = [
        {"id": "_id", "type": "int"},
        *({**f, "type": SHOWN_TYPES.get(f["type"], f["type"])} for f in columns_of(table)),
    ]
    with duckdb.connect() as work:
        work.read_parquet(str(path), file_row_number=True).create_view("numbered")
        work.execute("CREATE VIEW rows AS SELECT file_row_number + 1 AS _id, * EXCLUDE (file_row_number) FROM numbered")
        types = {row[0]: row[1] for row in work.execute("DESCRIBE rows").fetchall()}
        asked = _Asked(given, types)
        chosen = f"SELECT {'DISTINCT ' * asked.is_distinct}{_quoted(asked.fields)} FROM rows {asked.where}"
        rows = work.execute(
            f"{chosen} {asked.order} LIMIT {asked.limit} OFFSET {asked.offset}", asked.values
        ).fetchall()
        total = work.execute(f"SELECT count(*) FROM ({chosen})", asked.values).fetchone()
    counted = int(total[0]) if total else 0
    return {
        **asked.echoed,
        "include_next_page": False,
        "include_total": asked.includes_total,
        "limit": asked.limit,
        "records_format": asked.format,
        "records": _records(rows, asked),
        "fields": [field for name in asked.fields for field in described if field["id"] == name],
        **({"total": counted} if asked.includes_total else {}),
    }


class _Asked:
    """The parameters of a search, checked against the columns' `types`. `values` fill the question marks of `where`."""

    def __init__(self, given: Mapping[str, Any], types: Mapping[str, str]) -> None:
        self.types, self.names = types, list(types)
        self.limit = whole_number(given, "limit", 100, most=MOST_ROWS)
        self.offset = whole_number(given, "offset", 0, most=10**12)
        self.format = str(given.get("records_format") or "objects")
        if self.format not in FORMATS:
            raise invalid("records_format", f"Value must be one of {', '.join(FORMATS)}")
        self.includes_total = is_true(given, "include_total", True)
        self.is_distinct = is_true(given, "distinct")
        self.fields = self._listed("fields", given.get("fields")) or self.names
        self.echoed = {key: given[key] for key in ("resource_id", "q", "sort") if given.get(key)}
        self.echoed |= {"offset": self.offset} if self.offset else {}
        self.echoed |= {"distinct": True} if self.is_distinct else {}
        self.values: list[Any] = []
        self.where = self._where(given)
        self.order = self._order(str(given.get("sort") or ""))

    def _listed(self, key: str, value: Any) -> list[str]:
        listed = value.split(",") if isinstance(value, str) else list(value or ())
        found = [str(name).strip().strip('"') for name in listed if str(name).strip()]
        for name in found:
            self._known(key, name)
        return found

    def _known(self, key: str, name: str) -> str:
        if name not in self.names:
            raise invalid(key, f"Unknown field: {name}")
        return name

    def _where(self, given: Mapping[str, Any]) -> str:
        tests = [self._test(name, value) for name, value in self._object("filters", given.get("filters")).items()]
        query = given.get("q")
        if isinstance(query, str) and query[:1] != "{":
            tests += [self._holds(word, self.names[1:]) for word in query.split()]
        else:
            for name, words in self._object("q", query).items():
                tests += [self._holds(word, [self._known("q", name)]) for word in str(words).split()]
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
        """A field that is equal to a value, or to one of a list."""
        values = value if isinstance(value, list) else [value]
        self._known("filters", name)
        self.values += [str(v) for v in values if v is not None]
        # What is no value of the column's type is equal to nothing.
        tests = [
            f"{_name(name)} IS NULL" if v is None else f"{_name(name)} = TRY_CAST(? AS {self.types[name]})"
            for v in values
        ]
        return f"({' OR '.join(tests) or 'false'})"

    def _holds(self, word: str, names: Sequence[str]) -> str:
        """A word at the start of a word in any of the fields."""
        self.values += [rf"(?i)(^|[^\pL\pN]){re.escape(word)}"] * len(names)
        return f"({' OR '.join(f'regexp_matches({_name(name)}::VARCHAR, ?)' for name in names)})"

    def _order(self, sort: str) -> str:
        parts = []
        for part in filter(str.strip, sort.split(",")):
            match = SORT.fullmatch(part)
            if not match:
                raise invalid("sort", f"Cannot sort by {part.strip()}")
            name = self._known("sort", match[1])
            last = match[3] or ("first" if (match[2] or "").lower() == "desc" else "last")
            parts.append(f"{_name(name)} {match[2] or 'asc'} NULLS {last}")
        if not parts and not self.is_distinct:
            parts = ["_id"]
        return f"ORDER BY {', '.join(parts)}" if parts else ""


def _name(field: str) -> str:
    return '"' + field.replace('"', '""') + '"'


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names))


def _records(rows: Sequence[Sequence[Any]], asked: _Asked) -> Any:
    plain = [[_plain(value) for value in row] for row in rows]
    if asked.format == "objects":
        return [dict(zip(asked.fields, row, strict=True)) for row in plain]
    if asked.format == "lists":
        return plain
    text = io.StringIO()
    csv.writer(text, delimiter="," if asked.format == "csv" else "\t", lineterminator="\n").writerows(plain)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """A value as JSON has it: whole numbers without a decimal point, dates as text."""
    if isinstance(value, (Decimal, float)):
        return int(value) if value == int(value) else float(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
