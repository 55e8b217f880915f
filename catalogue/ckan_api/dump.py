"""GET /datastore/dump/<resource>: rows of a resource as a file, in CKAN's formats."""

import csv
import io
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape

import duckdb

from vaven.catalogue.ckan_api.datastore import RowQuery, create_rows_view, fields_of, plain_value, row_types
from vaven.catalogue.ckan_api.responses import invalid, is_true, whole_number
from vaven.vocab import media_types

BOM = "\N{BYTE ORDER MARK}"
ROWS_PER_BLOCK = 5_000
MOST_ROWS = 10**12
SEARCH_PARAMETERS = ("filters", "q", "plain", "fields", "distinct", "sort")
Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class DumpFormat:
    """A format of dumps: the beginning of a file with these fields, a block of rows, and the end.

    A block gets whether it is the first.
    """

    media_type: str
    begin: Callable[[Sequence[Mapping[str, Any]]], str]
    block: Callable[[Rows, Sequence[str], bool], str]
    end: str = ""


def dump(table: str, path: Path, parameters: Mapping[str, Any]) -> tuple[IO[bytes], DumpFormat]:
    """Write all rows of a resource that the parameters select to an unlinked file. Raises ActionError like CKAN."""
    name = str(parameters.get("format") or "csv")
    if name not in FORMATS:
        raise invalid("format", f"Value must be one of {', '.join(FORMATS)}")
    chosen, search = FORMATS[name], {k: parameters[k] for k in SEARCH_PARAMETERS if parameters.get(k)}
    offset = whole_number(parameters, "offset", 0, most=MOST_ROWS) if parameters.get("offset") else 0
    limit = whole_number(parameters, "limit", MOST_ROWS, most=MOST_ROWS) if parameters.get("limit") else MOST_ROWS
    with ExitStack() as unfinished:
        file = unfinished.enter_context(tempfile.TemporaryFile(prefix="vaven-dump-"))
        connection = unfinished.enter_context(duckdb.connect(config={"threads": 1}))
        create_rows_view(connection, path)
        query = RowQuery(search, row_types(connection), path)
        cursor = connection.execute(f"{query.selection} {query.order} LIMIT {limit} OFFSET {offset}", query.values)
        _write(file, cursor, table, query.fields, chosen, has_bom=is_true(parameters, "bom"))
        connection.close()
        file.seek(0)
        unfinished.pop_all()
        return file, chosen


def _write(
    file: IO[bytes],
    cursor: duckdb.DuckDBPyConnection,
    table: str,
    names: Sequence[str],
    chosen: DumpFormat,
    *,
    has_bom: bool,
) -> None:
    file.write((BOM * has_bom + chosen.begin(fields_of(table, names))).encode())
    for number, rows in enumerate(_blocks(cursor)):
        plain = [[plain_value(value) for value in row] for row in rows]
        file.write(chosen.block(plain, names, number == 0).encode())
    file.write(chosen.end.encode())


def _blocks(cursor: duckdb.DuckDBPyConnection) -> Iterator[Rows]:
    return itertools.takewhile(bool, iter(lambda: cursor.fetchmany(ROWS_PER_BLOCK), None))


def _header(delimiter: str) -> Callable[[Sequence[Mapping[str, Any]]], str]:
    # CKAN ends the header by CRLF and the rows, which PostgreSQL writes, by LF.
    return lambda fields: _separated([[field["id"] for field in fields]], delimiter, "\r\n")


def _body(delimiter: str) -> Callable[[Rows, Sequence[str], bool], str]:
    return lambda rows, names, is_first: _separated(rows, delimiter, "\n")


def _separated(rows: Rows, delimiter: str, line_end: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return text.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json_rows(rows: Rows, _: Sequence[str], is_first: bool) -> str:
    lines = [f"\n    {_json(row)}" for row in rows]
    return ("" if is_first else ",") + ",".join(lines)


def _xml_rows(rows: Rows, names: Sequence[str], _: bool) -> str:
    return "".join(_xml_row(row, names) for row in rows)


def _xml_row(row: Sequence[Any], names: Sequence[str]) -> str:
    values = dict(zip(names, row, strict=True))
    # CKAN writes the number of the row as an attribute where it is the first column.
    number = f' _id="{values.pop("_id")}"' if names[0] == "_id" else ""
    return f"<row{number}>{''.join(_element(name, value) for name, value in values.items())}</row>\n"


def _element(name: str, value: Any) -> str:
    return f'<{name} xsi:nil="true" />' if value is None else f"<{name}>{escape(str(value))}</{name}>"


FORMATS = {
    "csv": DumpFormat(media_types.CSV, _header(","), _body(",")),
    "tsv": DumpFormat(media_types.TSV, _header("\t"), _body("\t")),
    "json": DumpFormat(
        media_types.JSON, lambda fields: f'{{\n  "fields": {_json(fields)},\n  "records": [', _json_rows, "\n]}\n"
    ),
    "xml": DumpFormat(
        "text/xml",
        lambda _: '<data xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n',
        _xml_rows,
        "</data>\n",
    ),
}
