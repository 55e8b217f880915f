"""Downloads of the tables on pages, as CSV, JSON and XLSX."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from flask import Response, json
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from vaven.publisher.releases.release import MEDIA_TYPES
from vaven.vocab import media_types

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
# Spreadsheets evaluate cells with these prefixes as formulas (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def table_response(form: str, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Return a table as CSV, JSON or XLSX for download."""
    if form == "json":
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        response = Response(json.dumps(records, ensure_ascii=False, sort_keys=False), mimetype=media_types.JSON)
    elif form == "csv":
        response = Response(_csv(columns, rows), content_type="text/csv; charset=utf-8")
    else:
        response = Response(_xlsx(columns, rows), mimetype=MEDIA_TYPES[".xlsx"])
    if form != "json":
        response.headers["Content-Disposition"] = f'attachment; filename="{UNSAFE.sub("-", name)}.{form}"'
    return response


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """Prefix a text that a spreadsheet would evaluate with an apostrophe; numbers are unchanged."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _xlsx(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("data")
    sheet.append(list(columns))
    for row in rows:
        sheet.append([_text_cell(sheet, value) if isinstance(value, str) else value for value in row])
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def _text_cell(sheet: Any, value: str) -> WriteOnlyCell:
    """Return a text cell, which no spreadsheet evaluates as a formula even if it begins with =."""
    cell = WriteOnlyCell(sheet, value=value)
    cell.data_type = "s"
    return cell
