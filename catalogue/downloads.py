"""Files for download: those of a release as they are, other forms made on request, and tables behind pages."""

import csv
import gzip
import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, cast

from flask import Blueprint, Response, abort, json, request
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from pyoxigraph import RdfFormat, parse, serialize

from vaven.publisher.collection import Collection
from vaven.publisher.release import MEDIA_TYPES
from vaven.vocab.iris import Iris

BLOCK = 1 << 16
# Forms of the observations that a release does not keep, made from its N-Triples as they are asked for.
MADE = {
    "observations.ttl": RdfFormat.TURTLE,
    "observations.jsonld": RdfFormat.JSON_LD,
    "observations.nt": RdfFormat.N_TRIPLES,
}
# Behind `area:` stand slashes, which a prefixed name has to escape.
LEFT_OUT_PREFIXES = ("area",)
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
# A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def blueprint(collection: Collection, iris: Iris) -> Blueprint:
    pages = Blueprint("downloads", __name__)

    @pages.get("/dataset/<slug>/<int:version>/<name>")
    def file(slug: str, version: int, name: str) -> Response:
        if name in MADE:
            return _made(collection, iris, slug, version, name)
        entry = collection.release(slug, version).file(name) or abort(404)
        answer = Response(_blocks(collection.open(slug, version, name)), mimetype=entry.media_type)
        answer.content_length = entry.size
        return _kept(answer, f"{slug}-v{version}-{name}", entry.sha256, entry.size)

    return pages


def table_response(form: str, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A table as csv, json or xlsx for download."""
    if form == "json":
        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        answer = Response(json.dumps(listed, ensure_ascii=False, sort_keys=False), mimetype="application/json")
    elif form == "csv":
        answer = Response(_csv(columns, rows), content_type="text/csv; charset=utf-8")
    else:
        answer = Response(_xlsx(columns, rows), mimetype=MEDIA_TYPES[".xlsx"])
    answer.headers["Access-Control-Allow-Origin"] = "*"
    if form != "json":
        answer.headers["Content-Disposition"] = f'attachment; filename="{UNSAFE.sub("-", name)}.{form}"'
    return answer


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would run gets an apostrophe before it; numbers stay what they are."""
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
    """A cell that stays text even where it begins with =, so that no spreadsheet runs it."""
    cell = WriteOnlyCell(sheet, value=value)
    cell.data_type = "s"
    return cell


def _made(collection: Collection, iris: Iris, slug: str, version: int, name: str) -> Response:
    """Observations in another RDF form, converted triple by triple through a file that is gone afterwards."""
    entry = collection.release(slug, version).file("observations.nt.gz") or abort(404)
    form = MADE[name]
    answer = Response(mimetype=form.media_type)
    named = _kept(answer, f"{slug}-v{version}-{name}", f"{entry.sha256}-{name}")
    if request.method == "HEAD" or named.status_code == 304:
        return named
    made = tempfile.TemporaryFile()  # noqa: SIM115 - _blocks closes it, once the last byte is sent
    with gzip.open(collection.open(slug, version, "observations.nt.gz")) as triples:
        if form == RdfFormat.N_TRIPLES:
            shutil.copyfileobj(triples, made)
        else:
            prefixes = {prefix: ns for prefix, ns in iris.prefixes.items() if prefix not in LEFT_OUT_PREFIXES}
            serialize(parse(cast(IO[bytes], triples), RdfFormat.N_TRIPLES), made, format=form, prefixes=prefixes)
    named.content_length = made.tell()
    made.seek(0)
    named.response = _blocks(made)
    return named


def _kept(answer: Response, name: str, tag: str, size: int | None = None) -> Response:
    """What every file of a release is: named, tagged by its hash, and never changed. With its size, in ranges too."""
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Access-Control-Expose-Headers"] = "ETag, Content-Length, Content-Range, Accept-Ranges"
    answer.set_etag(tag)
    answer.make_conditional(request, accept_ranges=size is not None, complete_length=size)
    return answer


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block
