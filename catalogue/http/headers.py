"""What every answer is given on its way out: whom it may be read by, what it may do in a browser, and its packing."""

import io

from flask import Flask, Response, request

from vaven.catalogue.http.content_coding import encoding
from vaven.catalogue.http.content_negotiation import RDF_FORMATS
from vaven.publisher.rdf.compression import IDENTITY, SMALLEST, packing
from vaven.vocab import media_types

# Everything comes from ourselves and no script or style stands in a page; JSON-LD in pages is data, not script.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# What any page of another site may do with our data, errors about it included (Fetch, "HTTP extensions"). No cookie
# goes with such a request.
OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Length, Content-Location, Content-Range, ETag, "
        "Last-Modified, Link, Location, Repr-Digest, Retry-After, Vary"
    ),
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Accept-Language, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Range, Range"
    ),
    "Access-Control-Max-Age": "86400",
}
# Those pages that are kept are packed there. None has a secret beside what its reader has written.
PACKABLE = (*RDF_FORMATS.values(), media_types.JSON, media_types.PROBLEM_JSON, media_types.CSV, media_types.HTML)


def register(app: Flask) -> None:
    """Headers that a view has set itself are left as they are."""

    @app.after_request
    def deliver(answer: Response) -> Response:
        headers = dict(SECURITY)
        if request.method == "OPTIONS":
            headers |= OPEN | PREFLIGHT
        elif answer.mimetype != media_types.HTML:
            headers |= OPEN
        for name, value in headers.items():
            answer.headers.setdefault(name, value)
        return _packed(answer)


def _packed(answer: Response) -> Response:
    """Packed as the client likes best; a file of which parts may be asked for stays as it is."""
    is_packable = answer.mimetype in PACKABLE or answer.status_code == 304
    is_file = answer.is_streamed or answer.direct_passthrough or "Accept-Ranges" in answer.headers
    if not is_packable or is_file or answer.content_encoding:
        return answer
    answer.vary.add("Accept-Encoding")
    name = encoding(request.headers.get("Accept-Encoding"))
    plain = answer.get_data()
    if name == IDENTITY or request.method not in ("GET", "HEAD") or len(plain) < SMALLEST:
        return answer
    target = io.BytesIO()
    with packing(name, target) as packed:
        packed.write(plain)
    answer.set_data(target.getvalue())
    answer.content_encoding = name
    tag, _ = answer.get_etag()
    if tag:
        # Other bytes of the same content: a strong tag would call them equal (RFC 9110, section 8.8.3.3).
        answer.set_etag(tag, weak=True)
    return answer
