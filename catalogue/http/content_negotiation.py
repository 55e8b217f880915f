"""Content negotiation (RFC 9110, section 12.5.1): the formats that a client accepts against those offered."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from flask import Request, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from vaven.vocab import media_types

RDF_FORMATS = {
    "ttl": media_types.TURTLE,
    "jsonld": media_types.JSON_LD,
    "nt": media_types.N_TRIPLES,
    "rdf": media_types.RDF_XML,
}
# The names of the formats in rdflib.
SERIALISERS = {"ttl": "turtle", "jsonld": "json-ld", "nt": "nt", "rdf": "xml"}
# Formats of a document about a resource, by the extension in its IRI, in order of preference.
DOCUMENT_FORMATS = {"html": media_types.HTML, **RDF_FORMATS}
FORMAT_NAMES = {"html": "HTML", "ttl": "Turtle", "jsonld": "JSON-LD", "nt": "N-Triples", "rdf": "RDF/XML"}
# Other media types that tools ask for: former names, and the general types of which a format is a special case.
SYNONYMS = {
    "application/xhtml+xml": "html",
    "application/x-turtle": "ttl",
    "application/turtle": "ttl",
    "text/n3": "ttl",
    "text/rdf+n3": "ttl",
    media_types.JSON: "jsonld",
    media_types.TEXT: "nt",
    "application/xml": "rdf",
    "text/xml": "rdf",
}
EXTENSIONS = {media_type: extension for extension, media_type in DOCUMENT_FORMATS.items()} | SYNONYMS
# Values of ?format= in use beside extensions and media types.
FORMAT_WORDS = {"turtle": "ttl", "n3": "ttl", "json-ld": "jsonld", "json": "jsonld", "ntriples": "nt", "xml": "rdf"}
# A weight without a digit on one side of its point: Java's client sends .2, and RFC 9110 allows 1. too.
SHORT_WEIGHT = re.compile(r"(;[ \t]*q=)(?:\.(\d+)|(\d)\.(?!\d))", re.ASCII | re.IGNORECASE)


def parse_accept(header: str | None) -> MIMEAccept:
    """Parse an Accept header; without one, everything is accepted (RFC 9110, section 12.5.1).

    Parameters of media types are ignored, as none that we offer has any, but clients send a charset or a profile.
    """
    if not (header or "").strip(" \t,"):
        return MIMEAccept([("*/*", 1)])
    ranges = parse_accept_header(SHORT_WEIGHT.sub(_full_weight, header or ""), MIMEAccept)
    # Java's client sends * instead of */*.
    names = ((name.partition(";")[0].strip(), weight) for name, weight in ranges)
    return MIMEAccept([("*/*" if name == "*" else name, weight) for name, weight in names])


def _full_weight(match: re.Match[str]) -> str:
    return f"{match[1]}0.{match[2]}" if match[2] else f"{match[1]}{match[3]}"


def best_media_type(accept: str | None, offered: Iterable[str]) -> str | None:
    """Return the offered type with the highest weight; None if the client accepts none.

    The most specific range decides the weight of a type. Among equal weights a named type is better than one that only
    a wildcard covers, then the earlier one in `offered`.
    """
    return parse_accept(accept).best_match(offered)


def best_document_format(accept: str | None) -> str | None:
    """Return the extension in DOCUMENT_FORMATS that a client prefers; None if it accepts none of them.

    HTML is for clients that name it, as browsers do. A client that accepts anything (curl, R, most libraries) gets
    Turtle, which a program can read.
    """
    ranges = parse_accept(accept)
    named = MIMEAccept([media_range for media_range in ranges if media_range[0] != "*/*"])
    html, *others = DOCUMENT_FORMATS.values()
    offered = [html, *others, *SYNONYMS] if named.quality(html) > 0 else [*others, *SYNONYMS, html]
    media_type = ranges.best_match(offered)
    return EXTENSIONS[media_type] if media_type else None


def format_by_name(name: str) -> str | None:
    """Return the extension in DOCUMENT_FORMATS that a ?format= names, as extension, media type or another name."""
    folded = name.strip().lower()
    return folded if folded in DOCUMENT_FORMATS else (EXTENSIONS | FORMAT_WORDS).get(folded)


def requested_format(request: Request) -> str | None:
    """Return the extension in DOCUMENT_FORMATS by ?format=, else by Accept; None for any other format."""
    name = request.args.get("format")
    return format_by_name(name) if name else best_document_format(request.headers.get("Accept"))


def prefers_html(request: Request) -> bool:
    """Recognise a browser: a client that names text/html and gives it no lower weight than JSON and Turtle."""
    ranges = parse_accept(request.headers.get("Accept"))
    is_named = any(name.lower() == media_types.HTML for name, _ in ranges)
    return is_named and ranges.best_match([media_types.HTML, media_types.JSON, media_types.TURTLE]) == media_types.HTML


def see_other(location: str) -> Response:
    """Return 303 See Other (RFC 9110, section 15.4.4): the resource is no document, but there is one about it."""
    response = Response(status=303, headers={"Location": location})
    # It has no body, so no type and no language either.
    del response.headers["Content-Type"]
    return response


def links(targets: Iterable[tuple[str, str, str]]) -> str:
    """Return a Link header (RFC 8288) of (IRI, relation, media type or ""), with characters beyond ASCII escaped."""
    parts = []
    for iri, relation, media_type in targets:
        target = quote(iri, safe="/:?#[]@!$&'()*+,;=%~")
        parts.append(f'<{target}>; rel="{relation}"' + (f'; type="{media_type}"' if media_type else ""))
    return ", ".join(parts)
