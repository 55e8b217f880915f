"""Content coding of a response (RFC 9110, section 8.4.1), by the request's Accept-Encoding."""

from werkzeug.http import parse_accept_header

from vaven.publisher.rdf.compression import CODINGS, IDENTITY


def encoding(accept: str | None) -> str:
    """Return the content coding to use by Accept-Encoding (RFC 9110, section 12.5.3); identity without that header."""
    return parse_accept_header(accept).best_match((*CODINGS, IDENTITY)) or IDENTITY
