"""From a wide table (a column for each year, KPI or sex) to one observation a row.

A row of the long relation has the key `row * STRIDE + column` (column from 0), so that a finding still knows its cell.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb

from vaven.schemas.formats.grid import column_letter
from vaven.schemas.standard.finding import Finding, Severity
from vaven.schemas.standard.table_schemas import standard
from vaven.schemas.tables.header import Header
from vaven.schemas.tables.sql import quoted
from vaven.schemas.tables.tables import STRIDE
from vaven.vocab.messages import LANGUAGES


def loading(header: Header) -> Header:
    """The header under which a wide table is loaded: every column of values by a name of its own."""
    fields = tuple(_name(i) if i in header.wide else field for i, field in enumerate(header.fields))
    return replace(header, fields=fields, wide={})


def _name(position: int) -> str:
    return f"_wide_{position}"


def lengthen(work: duckdb.DuckDBPyConnection, raw: str, header: Header) -> tuple[str, int]:
    """Make the long relation of a wide one: its name and its number of rows. A cell without text makes no row."""
    known = "".join(f"{quoted(name)}, " for name in header.fields if name)
    spread = ", ".join(f"labels.{quoted(name)}" for name in sorted(header.spread))
    positions = sorted(header.wide)
    texts = {"_name": [_name(i) for i in positions]} | {
        name: [header.wide[i][name] for i in positions] for name in sorted(header.spread)
    }
    listed = ", ".join(f"unnest(${n}::VARCHAR[]) AS {quoted(name)}" for n, name in enumerate(texts, start=2))
    columns = ", ".join(quoted(_name(i)) for i in positions)
    query = f"CREATE OR REPLACE TEMP TABLE labels AS SELECT unnest($1::BIGINT[]) AS _position, {listed}"
    work.execute(query, [positions, *texts.values()])
    work.execute(
        f"CREATE TABLE {raw}_long AS SELECT _row * {STRIDE} + labels._position AS _row, {known}{spread}, value "
        f"FROM (UNPIVOT {raw} ON {columns} INTO NAME _name VALUE value) JOIN labels USING (_name) ORDER BY _row"
    )
    (count,) = work.execute(f"SELECT count(*) FROM {raw}_long").fetchone() or (0,)
    return f"{raw}_long", int(count)


def note(header: Header, place: Mapping[str, str | None], resource: str, empty: int) -> Finding:
    """That the table was read as wide, and what its labels were taken for; `empty` cells were left out."""
    positions = sorted(header.wide)
    schema = standard()[resource]
    fields = {
        f"fields_{language}": ", ".join(schema[name].label(language) for name in schema.names if name in header.spread)
        for language in LANGUAGES
    }
    params: dict[str, Any] = {
        **fields,
        "count": len(positions),
        "first": f"{column_letter(positions[0])} ({header.labels[positions[0]]})",
        "last": f"{column_letter(positions[-1])} ({header.labels[positions[-1]]})",
        "empty": empty,
    }
    return Finding("assumed-wide", Severity.NOTE, **place, row=header.row, params=params)  # type: ignore[arg-type]
