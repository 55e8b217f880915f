"""Unpivot wide tables (a column for each year, KPI or sex) to one observation in each row.

A row of the long relation has the key `row * STRIDE + column` (column from 0), which identifies the cell of a finding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from vaven.schemas.formats.grid import column_letter
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.labels import code_of
from vaven.schemas.standard.sql import checksum, quoted
from vaven.schemas.standard.sql import text as text_of_sql
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.cell_account import CellAccount
from vaven.schemas.tables.header import Header
from vaven.schemas.tables.normalise import MARKS
from vaven.schemas.tables.tables import STRIDE
from vaven.vocab import register
from vaven.vocab.messages import LANGUAGES

ROWS_A_BATCH = 10_000
# Statuses of a value as well as of its absence: derogation and strike.
VALUE_OR_NONE = frozenset(("J", "S"))


def header_for_loading(header: Header) -> Header:
    """Return the header for loading a wide table, with a distinct name for each column of values."""
    fields = tuple(_name(i) if i in header.wide else field for i, field in enumerate(header.fields))
    return replace(header, fields=fields, wide={})


def _name(position: int) -> str:
    return f"_wide_{position}"


def unpivot(
    work: duckdb.DuckDBPyConnection, raw: str, source: str, header: Header, added: Sequence[str] = ()
) -> tuple[int, Mapping[str, Any]]:
    """Create the long relation `raw`_long of a wide one, `source`. Returns its number of rows.

    The second result has the number of rows whose status is that of their empty cells only, and one such status. Empty
    cells have no row, except those of which the row's status states why they are empty. `added` are fields of `source`
    without a column.
    """
    names = [*(name for name in header.fields if name), *(column.name for column in header.beside), *added]
    columns_of_rows = "".join(f"{quoted(name)}, " for name in names)
    label_columns = ", ".join(f"labels.{quoted(name)}" for name in sorted(header.label_fields))
    positions = sorted(header.wide)
    texts = {"_name": [_name(i) for i in positions]} | {
        name: [header.wide[i][name] for i in positions] for name in sorted(header.label_fields)
    }
    unnested = ", ".join(f"unnest(${n}::VARCHAR[]) AS {quoted(name)}" for n, name in enumerate(texts, start=2))
    columns = ", ".join(quoted(_name(i)) for i in positions)
    query = f"CREATE OR REPLACE TEMP TABLE labels AS SELECT unnest($1::BIGINT[]) AS _position, {unnested}"
    work.execute(query, [positions, *texts.values()])
    mixed: Mapping[str, Any] = {}
    rows = f"UNPIVOT {source} ON {columns} INTO NAME _name VALUE value"
    if "status" in header.fields and (statuses := _statuses(work, source)):
        rows, mixed = _rows_with_status(work, source, [quoted(_name(i)) for i in positions], statuses)
    work.execute(
        f"CREATE TABLE {raw}_long AS "
        f"SELECT _row * {STRIDE} + labels._position AS _row, {columns_of_rows}{label_columns}, value "
        f"FROM ({rows}) JOIN labels USING (_name) ORDER BY _row"
    )
    (count,) = work.execute(f"SELECT count(*) FROM {raw}_long").fetchone() or (0,)
    return int(count), mixed


def _statuses(work: duckdb.DuckDBPyConnection, source: str) -> Mapping[str, str]:
    """Return the codes of the texts in a wide table's column of statuses; an unknown text is its own code."""
    texts = work.execute(f"SELECT DISTINCT status FROM {source} WHERE status IS NOT NULL").fetchall()
    return {text: code_of("statuses", text) or text.upper() for (text,) in texts}


def _rows_with_status(
    work: duckdb.DuckDBPyConnection, source: str, columns: Sequence[str], statuses: Mapping[str, str]
) -> tuple[str, Mapping[str, Any]]:
    """Return SQL of the unpivoted rows, with the empty cells that the status of their row is about.

    The status of a missing value is that of the row's empty cells only, if it has values too. The second result has the
    number of these rows, and one such status.
    """
    absent_codes = {
        code.id for code in register.codes("statuses").values() if code.properties["value_missing"] == "true"
    }
    absent = _texts(text for text, code in statuses.items() if code in absent_codes)
    explained = _texts(text for text, code in statuses.items() if code in absent_codes | VALUE_OR_NONE)
    marks = ", ".join(map(text_of_sql, MARKS))
    is_empty = f"({{cell}} IS NULL OR {{cell}} IN ({marks}))"
    some_empty = " OR ".join(is_empty.format(cell=cell) for cell in columns)
    none_filled = " AND ".join(f"{cell} IS NULL" for cell in columns)
    is_filled = f"NOT {is_empty.format(cell='value')}"
    status = f"CASE WHEN _some_empty AND status IN ({absent}) AND {is_filled} THEN NULL ELSE status END"
    cells = f"SELECT *, ({some_empty}) AS _some_empty, ({none_filled}) AS _none_filled FROM {source}"
    work.execute(f"CREATE VIEW {source}_marked AS {cells}")
    query = f"""SELECT count(*), min(status) FROM {source}_marked
        WHERE _some_empty AND NOT _none_filled AND status IN ({absent})"""
    count, example = work.execute(query).fetchone() or (0, "")
    return (
        f"SELECT * REPLACE ({status} AS status) FROM {source}_marked "
        f"UNPIVOT INCLUDE NULLS (value FOR _name IN ({', '.join(columns)})) "
        f"WHERE value IS NOT NULL OR status IN ({explained}) OR (_none_filled AND status IS NOT NULL)"
    ), {"count": count, "text": example}


def _texts(texts: Iterable[str]) -> str:
    return ", ".join(map(text_of_sql, texts)) or "NULL"


def account_for_rows(
    work: duckdb.DuckDBPyConnection, account: CellAccount, raw: str, header: Header, own_cells: Sequence[str]
) -> None:
    """Account for the cells of a wide relation: its values, and the others of each row with a value or a status.

    `own_cells` are the SQL of the cells in the other columns, NULL for an empty one.
    """
    (value_count,) = work.execute(f"SELECT count(value) FROM {raw}_long").fetchone() or (0,)
    account.use(int(value_count))
    cells = " + ".join(f"({cell} IS NOT NULL)::BIGINT" for cell in own_cells) or "0"
    status = ["status"] if "status" in header.fields else []
    has_value = f"coalesce({', '.join([*(quoted(_name(i)) for i in header.wide), *status])}) IS NOT NULL"
    (count,) = work.execute(f"SELECT coalesce(sum({cells}), 0)::BIGINT FROM {raw} WHERE {has_value}").fetchone() or (0,)
    account.use(int(count))
    query = (
        f"SELECT _row, {cells} AS count, {checksum('_row', *own_cells)} FROM {raw} WHERE NOT {has_value} ORDER BY _row"
    )
    rows = work.execute(query)
    while batch := rows.fetchmany(ROWS_A_BATCH):
        for row, row_count, row_checksum in batch:
            account.omit_cells("row-without-values", row, row_count, row_checksum)


def wide_table_note(header: Header, location: Mapping[str, str | None], resource: str, empty: int) -> Finding:
    """Return the note that a table was read as wide, with the fields of its labels; `empty` cells were omitted."""
    positions = sorted(header.wide)
    schema = standard()[resource]
    fields = {
        f"fields_{language}": ", ".join(
            schema[name].label(language) for name in schema.names if name in header.label_fields
        )
        for language in LANGUAGES
    }
    params: dict[str, Any] = {
        **fields,
        "count": len(positions),
        "first": f"{column_letter(positions[0])} ({header.labels[positions[0]]})",
        "last": f"{column_letter(positions[-1])} ({header.labels[positions[-1]]})",
        "empty": empty,
    }
    return Finding("assumed-wide", Severity.NOTE, **location, row=header.row or None, params=params)  # type: ignore[arg-type]
