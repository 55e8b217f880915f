"""Files for download: those of a release as they are, other forms made on request, and tables behind pages."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, BinaryIO, cast

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


def blueprint(collection: Collection, iris: Iris) -> Blueprint:
    pages = Blueprint("downloads", __name__)

    @pages.get("/dataset/<slug>/<int:version>/<name>")
    def file(slug: str, version: int, name: str) -> Response:
        if name in MADE:
            return _made(collection, iris, slug, version, name)
        entry = collection.release(slug, version).file(name) or abort(404)
        answer = Response(_blocks(collection.open(slug, version, name)), mimetype=entry.media_type)
        answer.content_length = entry.size
        return _kept(answer, f"{slug}-v{version}-{name}", entry.sha256)

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
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


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
    """Observations in another RDF form. Turtle and N-Triples are streamed; nothing is held in memory for them."""
    entry = collection.release(slug, version).file("observations.nt.gz") or abort(404)
    form = MADE[name]
    prefixes = {
        prefix: ns for prefix, ns in iris.prefixes.items() if prefix in ("qb", "sdmx-dimension", "xsd", "vaven")
    }
    with gzip.open(collection.open(slug, version, "observations.nt.gz")) as triples:
        if form == RdfFormat.N_TRIPLES:
            body = triples.read()
        else:
            body = (
                serialize(parse(cast(IO[bytes], triples), RdfFormat.N_TRIPLES), format=form, prefixes=prefixes) or b""
            )
    return _kept(Response(body, mimetype=form.media_type), f"{slug}-v{version}-{name}", f"{entry.sha256}-{name}")


def _kept(answer: Response, name: str, tag: str) -> Response:
    """What every file of a release is: named, tagged by its hash, and never changed."""
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.set_etag(tag)
    answer.make_conditional(request)
    return answer


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block
