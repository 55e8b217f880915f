"""A file over HTTP as RFC 9110 has it: entity tag, conditions, one range, and digests (RFC 9530).

Werkzeug's own answer to ranges refuses what it must ignore (several ranges, other units, HEAD), so it is not used.
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
# A release never changes, but it may be withdrawn, and then no cache shall show it for long.
FOR_A_DAY = "public, max-age=86400"
UNTIL_CHANGED = "public, max-age=0, must-revalidate"
# One range of bytes (RFC 9110, section 14.1.2); numbers beyond any file's length are no numbers.
RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class FileResponse:
    """A file as its reader gets it, under a `name`: `size` in bytes, `sha256` in hex, `modified` in UTC."""

    name: str
    media_type: str
    size: int
    sha256: str
    modified: datetime
    caching: str = FOR_A_DAY


def send(sent: FileResponse, open_file: Callable[[], IO[bytes]]) -> Response:
    """The file, a range of it, or what the request's conditions leave of it."""
    g.is_same_in_every_language = True
    answer = Response(mimetype=sent.media_type)
    _describe(answer, sent)
    without_range = {key: value for key, value in request.environ.items() if key != "HTTP_RANGE"}
    answer.make_conditional(without_range)
    if answer.status_code != 200:
        return answer
    answer.content_length = sent.size
    # A range is defined for GET alone (RFC 9110, section 14.2).
    asked = _range(answer, sent) if request.method == "GET" else None
    if asked is not None and not asked:
        refused = problem(416, "Range not satisfiable", f"The file has {sent.size} bytes.")
        refused.headers.update({"Content-Range": f"bytes */{sent.size}"})
        return refused
    if asked:
        answer.status_code = 206
        answer.content_length = len(asked)
        answer.headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{sent.size}"
    elif request.method == "GET":
        # Of the content that is sent; for a range it would be another one.
        answer.headers["Content-Digest"] = answer.headers["Repr-Digest"]
    if request.method == "GET":
        file = open_file()
        answer.response = _blocks(file, asked or range(sent.size))
        answer.call_on_close(file.close)
    return answer


def _describe(answer: Response, sent: FileResponse) -> None:
    answer.set_etag(sent.sha256)
    answer.last_modified = sent.modified.replace(tzinfo=UTC)
    digest = base64.b64encode(bytes.fromhex(sent.sha256)).decode("ascii")
    answer.headers.update(
        {
            "Accept-Ranges": "bytes",
            "Cache-Control": sent.caching,
            "Content-Disposition": f'attachment; filename="{sent.name}"',
            "Repr-Digest": f"sha-256=:{digest}:",
        }
    )


def _range(answer: Response, sent: FileResponse) -> range | None:
    """The bytes that are asked for; an empty range where there are none such, None where the whole is to be sent.

    Several ranges at once may be ignored (RFC 9110, section 14.2), and another unit than bytes must be.
    """
    found = RANGE.fullmatch(request.headers.get("Range", ""))
    if not found or found[1] == found[2] == "" or not _is_the_same(answer):
        return None
    if not found[1]:
        return range(max(sent.size - int(found[2]), 0), sent.size)
    first = int(found[1])
    last = int(found[2]) if found[2] else max(first, sent.size)
    return range(first, min(last + 1, sent.size)) if first <= last else None


def _is_the_same(answer: Response) -> bool:
    """Whether If-Range, where there is one, names what we have: by a strong tag, or by the very date."""
    condition = request.if_range
    if condition.etag is not None:
        return not request.headers["If-Range"].startswith("W/") and condition.etag == answer.get_etag()[0]
    return condition.date is None or condition.date == answer.last_modified


def _blocks(file: IO[bytes], wanted: range) -> Iterator[bytes]:
    file.seek(wanted.start)
    left = len(wanted)
    while left and (block := file.read(min(BLOCK, left))):
        left -= len(block)
        yield block
