"""Content coding of a response (RFC 9110, section 8.4.1), by the request's Accept-Encoding."""

from vaven.catalogue.http.content_negotiation import choose
from vaven.publisher.rdf.compression import IDENTITY, PACKED


def encoding(accept: str | None) -> str:
    """How the answer is to be packed by Accept-Encoding (RFC 9110, section 12.5.3); without that header, not at all."""
    if not accept:
        return IDENTITY
    return choose(accept, (*PACKED, IDENTITY)) or IDENTITY
