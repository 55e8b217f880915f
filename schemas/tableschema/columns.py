"""Columnar validation of any table against any Table Schema, with the errors of frictionless-py.

Frictionless reads the metadata, header and dialect, and its cell readers check each distinct text of a column once;
DuckDB joins the results to the rows, and finds repeated and missing keys. The few invalid rows are passed to
Frictionless's own Row, so that errors are identical to its own. A resource that can't be validated by columns (cells
that are not text, declared sizes or hashes) is validated by Frictionless itself, and the result's `engine` says so.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import islice
from math import isnan
from typing import Any

import duckdb
import pyarrow as pa
from frictionless import Checklist, FrictionlessException, Resource, errors
from frictionless.resources import TableResource
from frictionless.table.row import Row

from vaven.schemas.formats.grid import Grid
from vaven.schemas.standard.finding import MAX_FINDINGS
from vaven.schemas.standard.sql import text
from vaven.schemas.tableschema.by_rows import TableResult, judge_by_rows
from vaven.schemas.tableschema.row_account import RowAccount, accounted
from vaven.schemas.tableschema.rows import (
    LoadedRows,
    NotColumnar,
    ReadColumn,
    count_cells,
    create_table,
    load_rows,
    number_of,
    refuse_wide,
)
from vaven.schemas.tableschema.table_schema_v2 import (
    hashable,
    named_by_categories,
    primary_key_null_error,
    unique_key_error,
    unique_keys,
    with_categories,
)

COLUMNS = "duckdb"

# SQL conditions for certainly valid texts, by type and format; Frictionless checks all others.
CERTAIN: Mapping[tuple[str, str], str] = {
    ("string", "default"): "true",
    ("any", "default"): "true",
    ("integer", "default"): r"regexp_full_match({c}, '-?[0-9]{{1,15}}')",
    ("number", "default"): r"regexp_full_match({c}, '-?[0-9]{{1,12}}(\.[0-9]{{1,12}})?')",
    ("year", "default"): r"regexp_full_match({c}, '[1-9][0-9]{{3}}')",
}
# Properties that change the notation of numbers; Frictionless checks each text of a column with any of them.
MARKS_OF_NUMBERS = ("decimalChar", "groupChar", "bareNumber")


def judge(
    resource: TableResource,
    work: duckdb.DuckDBPyConnection,
    *,
    max_findings: int = MAX_FINDINGS,
    sheet: Grid | None = None,
) -> TableResult:
    """Validate one resource as `resource.validate()` does, and the properties of v2 that Frictionless ignores.

    The caller must have checked its paths. `sheet` is that of a workbook, as another reader has read it.
    """
    resource, categories = with_categories(resource)
    try:
        result = _Judging(resource, work, max_findings, RowAccount(sheet)).outcome()
    except (NotColumnar, FrictionlessException, duckdb.Error, UnicodeError):
        # Frictionless reports errors of metadata, sources and encodings itself.
        result = judge_by_rows(resource, max_findings, RowAccount(sheet))
    return replace(result, errors=tuple(named_by_categories(error, categories) for error in result.errors))


class _Judging:
    def __init__(
        self, resource: TableResource, work: duckdb.DuckDBPyConnection, limit: int, account: RowAccount
    ) -> None:
        # The original, never opened: opening a resource with foreign keys reads the other tables row by row.
        self.original, self.work, self.limit, self.account = resource, work, limit, account
        self.keys = [dict(key) for key in resource.schema.foreign_keys]
        self.ids: dict[Hashable, int] = {}
        self.counts: Counter[str] = Counter()

    def outcome(self) -> TableResult:
        resource = _without_keys(self.original)
        _refuse_uncommon(resource)
        refuse_wide(resource)
        resource.to_descriptor(validate=True)
        with accounted(resource, self.account):
            if not (resource.labels or resource.fragment):
                raise NotColumnar
            header = list(resource.header.errors)
            loaded = load_rows(resource, self.work, "tabular", self.account)
            labels = tuple(map(str, resource.labels))
            self._judge_cells(loaded)
            count_cells(self.work, loaded, self.account)
            keyed = self._keyed(resource, loaded)
        rows = self._errors_of_rows(loaded, keyed)
        self.counts.update(error.type for error in header)
        name = self.original.name or ""
        first = tuple([*header, *rows][: self.limit])
        return TableResult(name, first, +self.counts, COLUMNS, loaded.count, labels, self.account)

    # Cells

    def _judge_cells(self, loaded: LoadedRows) -> None:
        for column in loaded.columns:
            _judge_texts(self.work, loaded, column)
        blank = _blank(loaded)
        for column in loaded.columns:
            if column.error_counts:
                self._count_cells(loaded, column, blank)
        self.counts["blank-row"] += number_of(self.work, f"SELECT count(*) FROM {loaded.name} WHERE {blank}")
        for number, cells in loaded.odd.items():
            row = Row(cells, handlers=loaded.handlers, row_number=number)
            self.counts.update(e.type for e in row.errors if e.type in ("extra-cell", "missing-cell"))

    def _count_cells(self, loaded: LoadedRows, column: ReadColumn, blank: str) -> None:
        relation = f"errors_{column.number}"
        pairs = [(cell, *counts) for cell, counts in column.error_counts.items()]
        create_table(self.work, relation, {"cell": pa.string(), "types": pa.int64(), "others": pa.int64()}, pairs)
        query = (
            f"SELECT coalesce(sum(types), 0), coalesce(sum(others), 0) FROM {loaded.name} "
            f"JOIN {relation} ON cell IS NOT DISTINCT FROM {column.sql} WHERE NOT ({blank})"
        )
        types, others = self.work.execute(query).fetchone() or (0, 0)
        self.counts["type-error"] += int(types)
        self.counts["constraint-error"] += int(others)

    # Keys

    def _keyed(self, resource: TableResource, loaded: LoadedRows) -> list[tuple[int, Callable[[Any], Any]]]:
        """Return rows with a repeated or missing key, each with a constructor of Frictionless's error."""
        by_name = {column.field.name: column for column in loaded.columns}
        keyed: list[tuple[int, Callable[[Any], Any]]] = []
        for column in loaded.columns:
            if column.field.constraints.get("unique"):
                keyed += self._unique(loaded, column)
        primary = list(resource.schema.primary_key)
        if primary and set(primary) <= by_name.keys():
            keyed += self._primary(loaded, [by_name[name] for name in primary])
        for names in unique_keys(resource.schema):
            if set(names) <= by_name.keys():
                keyed += self._unique_key(loaded, [by_name[name] for name in names])
        for key in self.keys:
            if set(key["fields"]) <= by_name.keys():
                keyed += self._foreign(resource, loaded, key, [by_name[name] for name in key["fields"]])
        return keyed

    def _identified(self, loaded: LoadedRows, column: ReadColumn) -> str:
        """Create a relation (`cell`, `id`) of the column's texts; texts of equal value have the same id."""
        name = f"ids_{loaded.name}_{column.number}"
        texts = self.work.execute(f"SELECT DISTINCT {column.sql} FROM {loaded.name}").fetchall()
        pairs = [(cell, self._id(column.reader(cell))) for (cell,) in texts]
        create_table(self.work, name, {"cell": pa.string(), "id": pa.int64()}, pairs)
        return name

    def _id(self, read: tuple[Any, Any]) -> int | None:
        value, notes = read
        if value is None or (notes and "type" in notes):
            return None
        if isinstance(value, float | Decimal) and isnan(value):
            # Frictionless treats each NaN as distinct.
            raise NotColumnar
        return self.ids.setdefault(hashable(value), len(self.ids))

    def _with_ids(self, loaded: LoadedRows, columns: Sequence[ReadColumn]) -> tuple[str, list[str]]:
        """Return SQL of the rows with the ids of the key's values, and the names of the id columns."""
        ids = [f"k{i}" for i in range(len(columns))]
        joins = "".join(
            f" JOIN {self._identified(loaded, column)} AS j{i} ON j{i}.cell IS NOT DISTINCT FROM t.{column.sql}"
            for i, column in enumerate(columns)
        )
        picked = ", ".join(f"j{i}.id AS {name}" for i, name in enumerate(ids))
        return f"SELECT t._row, {picked} FROM {loaded.name} AS t{joins}", ids

    def _repeated(self, rows: str, ids: Sequence[str]) -> list[tuple[int, int]]:
        """Return rows whose key occurs in an earlier row, with the nearest such row."""
        names = ", ".join(ids)
        some = " OR ".join(f"{name} IS NOT NULL" for name in ids)
        query = (
            f"SELECT _row, lag(_row) OVER (PARTITION BY {names} ORDER BY _row) AS before FROM ({rows}) WHERE {some} "
            "QUALIFY before IS NOT NULL ORDER BY _row"
        )
        return self.work.execute(query).fetchall()

    def _unique(self, loaded: LoadedRows, column: ReadColumn) -> Iterator[tuple[int, Callable[[Any], Any]]]:
        repeated = self._repeated(*self._with_ids(loaded, [column]))
        self.counts["unique-error"] += len(repeated)
        for number, before in repeated[: self.limit]:
            note = f"the same as in the row at position {before}"
            yield number, partial(errors.UniqueError.from_row, note=note, field_name=column.field.name)

    def _primary(self, loaded: LoadedRows, columns: Sequence[ReadColumn]) -> Iterator[tuple[int, Callable[[Any], Any]]]:
        rows, ids = self._with_ids(loaded, columns)
        none = " AND ".join(f"{name} IS NULL" for name in ids)
        empty = self.work.execute(f"SELECT _row FROM ({rows}) WHERE {none} ORDER BY _row").fetchall()
        nulls = self._partly_null(loaded, columns, f"SELECT _row FROM ({rows}) WHERE {none}")
        repeated = [(number, before) for number, before in self._repeated(rows, ids) if number not in nulls]
        self.counts["primary-key-null"] += len(nulls)
        self.counts["primary-key"] += len(empty) + len(repeated)
        notes = [(number, 'cells composing the primary keys are all "None"') for (number,) in empty[: self.limit]]
        notes += [(n, f"the same as in the row at position {before}") for n, before in repeated[: self.limit]]
        for number, note in notes:
            yield number, partial(errors.PrimaryKeyError.from_row, note=note)
        names = [column.field.name for column in columns]
        for number in sorted(nulls)[: self.limit]:
            yield number, partial(primary_key_null_error, names=names)

    def _partly_null(self, loaded: LoadedRows, columns: Sequence[ReadColumn], without_key: str) -> set[int]:
        """Return rows with a blank cell in some columns of the key, but with a value in others."""
        some = " OR ".join(_blank_cell(column) for column in columns)
        query = f"SELECT _row FROM {loaded.name} WHERE ({some}) AND _row NOT IN ({without_key})"
        return {number for (number,) in self.work.execute(query).fetchall()}

    def _unique_key(
        self, loaded: LoadedRows, columns: Sequence[ReadColumn]
    ) -> Iterator[tuple[int, Callable[[Any], Any]]]:
        rows, ids = self._with_ids(loaded, columns)
        # As in SQL, a key with a null is equal to no other.
        complete = " AND ".join(f"{name} IS NOT NULL" for name in ids)
        repeated = self._repeated(f"SELECT * FROM ({rows}) WHERE {complete}", ids)
        self.counts["unique-key"] += len(repeated)
        names = [column.field.name for column in columns]
        for number, before in repeated[: self.limit]:
            yield number, partial(unique_key_error, names=names, before=before)

    def _foreign(
        self, resource: TableResource, loaded: LoadedRows, key: Mapping[str, Any], columns: Sequence[ReadColumn]
    ) -> Iterator[tuple[int, Callable[[Any], Any]]]:
        rows, ids = self._with_ids(loaded, columns)
        known = self._lookup(resource, loaded, key)
        some = " OR ".join(f"{name} IS NOT NULL" for name in ids)
        same = " AND ".join(f"rows.{name} IS NOT DISTINCT FROM known.{name}" for name in ids)
        query = f"SELECT _row FROM ({rows}) AS rows ANTI JOIN {known} AS known ON {same} WHERE {some} ORDER BY _row"
        missing = self.work.execute(query).fetchall()
        self.counts["foreign-key"] += len(missing)
        reference = key["reference"]
        for (number,) in missing[: self.limit]:
            yield number, partial(_foreign_error, names=key["fields"], reference=reference)

    def _lookup(self, resource: TableResource, loaded: LoadedRows, key: Mapping[str, Any]) -> str:
        """Create a relation of the ids of the referenced keys, without entirely empty keys."""
        name = f"known_{len(self.work.execute('SHOW TABLES').fetchall())}"
        source, field_names = key["reference"]["resource"], list(key["reference"]["fields"])
        if source in ("", resource.name):
            other = loaded
        else:
            if not self.original.package or not self.original.package.has_resource(source):
                raise NotColumnar
            other_resource = _without_keys(self.original.package.get_resource(source))
            _refuse_uncommon(other_resource)
            with other_resource:
                other = load_rows(other_resource, self.work, f"{name}_rows")
        by_name = {column.field.name: column for column in other.columns}
        if not set(field_names) <= by_name.keys():
            raise NotColumnar
        rows, ids = self._with_ids(other, [by_name[field_name] for field_name in field_names])
        some = " OR ".join(f"{i} IS NOT NULL" for i in ids)
        self.work.execute(f"CREATE TABLE {name} AS SELECT DISTINCT {', '.join(ids)} FROM ({rows}) WHERE {some}")
        return name

    # Rows

    def _errors_of_rows(self, loaded: LoadedRows, keyed: list[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
        """Return the errors of the first invalid rows in row order, from Frictionless's own Row."""
        by_row: dict[int, list[Callable[[Any], Any]]] = {}
        for number, make in keyed:
            by_row.setdefault(number, []).append(make)
        suspects = self._suspects(loaded)
        numbers = sorted({*suspects, *islice(sorted(by_row), self.limit), *islice(sorted(loaded.odd), self.limit)})
        row_errors: list[Any] = []
        for number, cells in self._cells(loaded, numbers[: self.limit]):
            row = Row(loaded.odd.get(number, cells), handlers=loaded.handlers, row_number=number)
            row_errors += [*row.errors, *(make(row) for make in by_row.get(number, ()))]
        return row_errors

    def _suspects(self, loaded: LoadedRows) -> list[int]:
        """Return the first rows with an invalid cell or with only blank cells."""
        invalid = [
            f"EXISTS (FROM errors_{c.number} WHERE cell IS NOT DISTINCT FROM {c.sql})"
            for c in loaded.columns
            if c.error_counts
        ]
        where = " OR ".join([*invalid, f"({_blank(loaded)})"])
        query = f"SELECT _row FROM {loaded.name} WHERE {where} ORDER BY _row LIMIT {self.limit}"
        return [number for (number,) in self.work.execute(query).fetchall()]

    def _cells(self, loaded: LoadedRows, numbers: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
        if not numbers:
            return
        create_table(self.work, "selected_rows", {"_row": pa.int64()}, [(number,) for number in numbers])
        names = ", ".join(column.sql for column in loaded.columns)
        query = f"SELECT _row, {names} FROM {loaded.name} SEMI JOIN selected_rows USING (_row) ORDER BY _row"
        for number, *cells in self.work.execute(query).fetchall():
            yield number, cells


def _foreign_error(row: Any, names: Sequence[str], reference: Mapping[str, Any]) -> Any:
    cells = [row[name] for name in names]
    note = (
        f'for "{", ".join(names)}": values "{", ".join(map(str, cells))}" not found in the lookup table '
        f'"{reference["resource"]}" as "{", ".join(reference["fields"])}"'
    )
    return errors.ForeignKeyError.from_row(
        row,
        note=note,
        field_names=list(names),
        field_values=cells,
        reference_name=reference["resource"],
        reference_field_names=list(reference["fields"]),
    )


def _without_keys(resource: Resource) -> TableResource:
    copy = resource.to_copy()
    if not isinstance(copy, TableResource):
        raise NotColumnar
    if copy.schema.foreign_keys:
        copy.schema.foreign_keys = []
    return copy


def _refuse_uncommon(resource: TableResource) -> None:
    """Raise NotColumnar for features left to Frictionless: sizes, hashes, other checks, case-insensitive labels.

    Texts repeated in merged cells are, too: they are not in the file, and a relation does not tell them apart.
    """
    sums = (resource.hash, resource.bytes, resource.fields, resource.rows)
    has_checks = any(check.type != "baseline" for check in (getattr(resource, "checklist", None) or Checklist()).checks)
    is_filled = any(getattr(control, "fill_merged_cells", False) for control in resource.dialect.controls)
    if any(sums) or has_checks or is_filled or not resource.dialect.header_case or resource.data is not None:
        raise NotColumnar


# --- texts


def _judge_texts(work: duckdb.DuckDBPyConnection, loaded: LoadedRows, column: ReadColumn) -> None:
    """Determine the column's invalid texts and blank texts."""
    column.blanks = {cell for cell in (*loaded.missing, *column.field.missing_values, None) if _is_blank(column, cell)}
    texts = f"SELECT DISTINCT {column.sql} FROM {loaded.name}"
    certain = _certain(column)
    if certain:
        texts += f" WHERE ({certain}) IS NOT TRUE"
    for (cell,) in work.execute(texts).fetchall():
        _, notes = column.reader(cell)
        if notes:
            column.error_counts[cell] = (int("type" in notes), len(notes) - int("type" in notes))


def _is_blank(column: ReadColumn, cell: str | None) -> bool:
    value, notes = column.reader(cell)
    return value is None and "type" not in (notes or {})


def _certain(column: ReadColumn) -> str | None:
    """Return an SQL condition that only valid texts meet, or None if there is none."""
    field = column.field
    pattern = CERTAIN.get((field.type, field.format))
    judged = set(field.constraints) - {"unique", "required"}
    descriptor = field.to_descriptor()
    if pattern is None or judged or any(mark in descriptor for mark in (*MARKS_OF_NUMBERS, "trueValues")):
        return None
    blanks = ", ".join(text(cell) for cell in column.blanks if cell is not None)
    is_filled = f"{column.sql} NOT IN ({blanks})" if blanks else "true"
    needs = is_filled if field.constraints.get("required") else "true"
    if pattern == "true" and needs == "true":
        return f"{column.sql} IS NOT NULL"
    return f"{pattern.format(c=column.sql)} AND {needs}"


def _blank(loaded: LoadedRows) -> str:
    """Return an SQL condition for rows with only blank cells."""
    return " AND ".join(map(_blank_cell, loaded.columns))


def _blank_cell(column: ReadColumn) -> str:
    """Return an SQL condition for the column's blank cells."""
    blanks = ", ".join(text(cell) for cell in column.blanks if cell is not None)
    return f"({column.sql} IS NULL{f' OR {column.sql} IN ({blanks})' if blanks else ''})"
