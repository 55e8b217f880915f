"""File responses by RFC 9110: entity tag, conditional requests, one range, and digests (RFC 9530).

Werkzeug's range support refuses requests that it must ignore (several ranges, other units, HEAD), so it is not used.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from flask import Response, g, request

from vaven.catalogue.http.problem_details import problem

BLOCK = 1 << 16
# A release never changes, but it may be withdrawn, and no cache may then serve it for long.
FOR_A_DAY = "public, max-age=86400"
UNTIL_CHANGED = "public, max-age=0, must-revalidate"
# One range of bytes (RFC 9110, section 14.1.2); numbers longer than any file's length do not match.
RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class FileResponse:
    """A file to send under a `name`: `size` in bytes, `sha256` in hex, `modified` in UTC."""

    name: str
    media_type: str
    size: int
    sha256: str
    modified: datetime
    caching: str = FOR_A_DAY


def send(file: FileResponse, open_file: Callable[[], IO[bytes]]) -> Response:
    """Return the file, one range of it, or 304 or 412 by the request's conditions."""
    g.is_same_in_every_language = True
    response = Response(mimetype=file.media_type)
    _describe(response, file)
    without_range = {key: value for key, value in request.environ.items() if key != "HTTP_RANGE"}
    response.make_conditional(without_range)
    if response.status_code != 200:
        return response
    response.content_length = file.size
    # A range is defined for GET alone (RFC 9110, section 14.2).
    selected = _range(response, file) if request.method == "GET" else None
    if selected is not None and not selected:
        refused = problem(416, "catalogue.range-beyond-file", size=file.size)
        refused.headers.update({"Content-Range": f"bytes */{file.size}"})
        return refused
    if selected:
        response.status_code = 206
        response.content_length = len(selected)
        response.headers["Content-Range"] = f"bytes {selected.start}-{selected.stop - 1}/{file.size}"
    elif request.method == "GET":
        # The digest of the content; that of a range would differ.
        response.headers["Content-Digest"] = response.headers["Repr-Digest"]
    if request.method == "GET":
        content = open_file()
        response.response = _blocks(content, selected or range(file.size))
        response.call_on_close(content.close)
    return response


def _describe(response: Response, file: FileResponse) -> None:
    response.set_etag(file.sha256)
    response.last_modified = file.modified.replace(tzinfo=UTC)
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode("ascii")
    response.headers.update(
        {
            "Accept-Ranges": "bytes",
            "Cache-Control": file.caching,
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "Repr-Digest": f"sha-256=:{digest}:",
        }
    )


def _range(response: Response, file: FileResponse) -> range | None:
    """Return the requested range, which is empty if not satisfiable; None if the complete file is to be sent.

    Several ranges in one request may be ignored (RFC 9110, section 14.2), and units other than bytes must be.
    """
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    if not match or match[1] == match[2] == "" or not _matches_if_range(response):
        return None
    if not match[1]:
        return range(max(file.size - int(match[2]), 0), file.size)
    first = int(match[1])
    last = int(match[2]) if match[2] else max(first, file.size)
    return range(first, min(last + 1, file.size)) if first <= last else None


def _matches_if_range(response: Response) -> bool:
    """Check that If-Range, if present, matches the file: by a strong tag, or by the exact date."""
    condition = request.if_range
    if condition.etag is not None:
        return not request.headers["If-Range"].startswith("W/") and condition.etag == response.get_etag()[0]
    return condition.date is None or condition.date == response.last_modified


def _blocks(file: IO[bytes], selected: range) -> Iterator[bytes]:
    file.seek(selected.start)
    remaining = len(selected)
    while remaining and (block := file.read(min(BLOCK, remaining))):
        remaining -= len(block)
        yield block
