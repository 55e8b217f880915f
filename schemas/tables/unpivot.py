"""Unpivot wide tables (a column for each year, KPI or sex) to one observation in each row.

A row of the long relation has the key `row * STRIDE + column` (column from 0), which identifies the cell of a finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from vaven.schemas.formats.grid import column_letter
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.sql import quoted
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.cell_account import CellAccount
from vaven.schemas.tables.header import Header
from vaven.schemas.tables.tables import STRIDE
from vaven.vocab.messages import LANGUAGES

ROWS_A_BATCH = 10_000


def header_for_loading(header: Header) -> Header:
    """Return the header for loading a wide table, with a distinct name for each column of values."""
    fields = tuple(_name(i) if i in header.wide else field for i, field in enumerate(header.fields))
    return replace(header, fields=fields, wide={})


def _name(position: int) -> str:
    return f"_wide_{position}"


def unpivot(work: duckdb.DuckDBPyConnection, raw: str, header: Header) -> tuple[str, int]:
    """Create the long relation of a wide one, without its empty cells. Returns its name and number of rows."""
    names = [*(name for name in header.fields if name), *(column.name for column in header.beside)]
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
    work.execute(
        f"CREATE TABLE {raw}_long AS "
        f"SELECT _row * {STRIDE} + labels._position AS _row, {columns_of_rows}{label_columns}, value "
        f"FROM (UNPIVOT {raw} ON {columns} INTO NAME _name VALUE value) JOIN labels USING (_name) ORDER BY _row"
    )
    (count,) = work.execute(f"SELECT count(*) FROM {raw}_long").fetchone() or (0,)
    return f"{raw}_long", int(count)


def account_for_rows(
    work: duckdb.DuckDBPyConnection, account: CellAccount, raw: str, header: Header, own_cells: Sequence[str]
) -> None:
    """Account for the cells of a wide relation: its values, and the others of each row, unless the row has no value.

    `own_cells` are the SQL of the cells in the other columns, NULL for an empty one.
    """
    (value_count,) = work.execute(f"SELECT count(value) FROM {raw}_long").fetchone() or (0,)
    account.use(int(value_count))
    cells = " + ".join(f"({cell} IS NOT NULL)::BIGINT" for cell in own_cells) or "0"
    has_value = f"coalesce({', '.join(quoted(_name(i)) for i in header.wide)}) IS NOT NULL"
    (count,) = work.execute(f"SELECT coalesce(sum({cells}), 0)::BIGINT FROM {raw} WHERE {has_value}").fetchone() or (0,)
    account.use(int(count))
    checksum = f"md5_number_lower(concat_ws(chr(3), {', '.join(('_row', *own_cells))}))"
    query = f"SELECT _row, {cells} AS count, {checksum} FROM {raw} WHERE NOT {has_value} ORDER BY _row"
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
