"""Headers of all responses: security policy, cross-origin access (CORS), and content coding."""

import io

from flask import Flask, Response, request

from vaven.catalogue.http.content_coding import encoding
from vaven.catalogue.http.content_negotiation import RDF_FORMATS
from vaven.publisher.rdf.compression import IDENTITY, MIN_COMPRESSED_BYTES, compressor
from vaven.vocab import media_types

# Everything is loaded from this site, and pages have no inline script or style; JSON-LD in pages is data, not script.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Access to our data and errors for pages of all other sites (Fetch, "HTTP extensions"). Such a request has no cookie.
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
# The page cache compresses its pages itself. No page has a secret beside text that its reader wrote (BREACH).
COMPRESSIBLE = (*RDF_FORMATS.values(), media_types.JSON, media_types.PROBLEM_JSON, media_types.CSV, media_types.HTML)


def register(app: Flask) -> None:
    """Add the headers that a view has not set itself."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = dict(SECURITY)
        if request.method == "OPTIONS":
            headers |= OPEN | PREFLIGHT
        elif response.mimetype != media_types.HTML:
            headers |= OPEN
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return _compressed(response)


def _compressed(response: Response) -> Response:
    """Compress a response as the client prefers; a file with range requests stays as it is."""
    is_compressible = response.mimetype in COMPRESSIBLE or response.status_code == 304
    is_file = response.is_streamed or response.direct_passthrough or "Accept-Ranges" in response.headers
    if not is_compressible or is_file or response.content_encoding:
        return response
    response.vary.add("Accept-Encoding")
    name = encoding(request.headers.get("Accept-Encoding"))
    content = response.get_data()
    if name == IDENTITY or request.method not in ("GET", "HEAD") or len(content) < MIN_COMPRESSED_BYTES:
        return response
    target = io.BytesIO()
    with compressor(name, target) as file:
        file.write(content)
    response.set_data(target.getvalue())
    response.content_encoding = name
    tag, _ = response.get_etag()
    if tag:
        # A strong tag would identify the bytes, which differ by content coding (RFC 9110, section 8.8.3.3).
        response.set_etag(tag, weak=True)
    return response
