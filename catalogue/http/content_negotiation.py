"""Content negotiation (RFC 9110, section 12.5.1): what a client accepts against what we offer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flask import Request, Response
from werkzeug.http import parse_list_header

RDF_FORMATS = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "nt": "application/n-triples",
    "rdf": "application/rdf+xml",
}
# What rdflib calls them.
SERIALISERS = {"ttl": "turtle", "jsonld": "json-ld", "nt": "nt", "rdf": "xml"}
# The forms of a document about a thing, by the ending of its address; a tie goes to the earlier.
DOCUMENT_FORMATS = {"html": "text/html", **RDF_FORMATS}
FORMAT_NAMES = {"html": "HTML", "ttl": "Turtle", "jsonld": "JSON-LD", "nt": "N-Triples", "rdf": "RDF/XML"}
# Other names under which tools ask for a form: older ones, and the general type that a form is a kind of.
SYNONYMS = {
    "application/xhtml+xml": "html",
    "application/x-turtle": "ttl",
    "application/turtle": "ttl",
    "text/n3": "ttl",
    "text/rdf+n3": "ttl",
    "application/json": "jsonld",
    "text/plain": "nt",
    "application/xml": "rdf",
    "text/xml": "rdf",
}
# What people write behind ?format= beside the endings and the media types.
FORMAT_WORDS = {"turtle": "ttl", "n3": "ttl", "json-ld": "jsonld", "json": "jsonld", "ntriples": "nt", "xml": "rdf"}


@dataclass(frozen=True)
class _Range:
    """A media range of an Accept header with its weight; `rank` orders */* below text/* below text/html."""

    kind: str
    weight: float
    rank: int


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered type that the client likes best; ties go to the earlier in `offered`. None if it accepts none.

    No header accepts everything. The most specific range decides the weight of a type.
    """
    ranges = _ranges(accept)
    weighed = [(_weight(kind, ranges), -i, kind) for i, kind in enumerate(offered)]
    best = max(weighed, default=(0.0, 0, ""))
    return best[2] if best[0] > 0 else None


def choose_document(accept: str | None) -> str | None:
    """The ending of DOCUMENT_FORMATS that a client likes best, None if it accepts none of them.

    A page is for those who name it, as browsers do. Who takes anything (curl, R, most libraries) gets Turtle, which
    a program can read.
    """
    ranges = _ranges(accept)
    offered = [*((kind, ending) for ending, kind in DOCUMENT_FORMATS.items()), *SYNONYMS.items()]

    def liking(place: int) -> tuple[float, bool, bool, int]:
        found = _fitting(offered[place][0], ranges)
        is_named = bool(found and found.rank)
        return found.weight if found else 0.0, is_named, not is_named and offered[place][1] != "html", -place

    best = max(range(len(offered)), key=liking)
    return offered[best][1] if liking(best)[0] > 0 else None


def asked_format(word: str) -> str | None:
    """The ending of DOCUMENT_FORMATS that a ?format= means: an ending, a media type, or another of its names."""
    wanted = word.strip().lower()
    kinds = {kind: ending for ending, kind in DOCUMENT_FORMATS.items()}
    return wanted if wanted in DOCUMENT_FORMATS else (kinds | SYNONYMS | FORMAT_WORDS).get(wanted)


def wanted_document(request: Request) -> str | None:
    """The ending of DOCUMENT_FORMATS that a request is for: by ?format=, else by Accept. None for another form."""
    wanted = request.args.get("format")
    return asked_format(wanted) if wanted else choose_document(request.headers.get("Accept"))


def prefers_html(request: Request) -> bool:
    """Whether a browser asks: a client that names text/html and likes it no less than anything else it names."""
    accept = request.headers.get("Accept", "")
    return "text/html" in accept and choose(accept, ["text/html", "application/json", "text/turtle"]) == "text/html"


def see_other(location: str) -> Response:
    """303 See Other (RFC 9110, section 15.4.4): the thing is not a document, but here is one about it."""
    answer = Response(status=303, headers={"Location": location})
    # It has no body, so no type and no language either.
    del answer.headers["Content-Type"]
    return answer


def links(addresses: Iterable[tuple[str, str, str]]) -> str:
    """A Link header (RFC 8288) of (address, relation, media type or ""), letters beyond ASCII escaped."""
    written = []
    for address, relation, kind in addresses:
        kept = quote(address, safe="/:?#[]@!$&'()*+,;=%~")
        written.append(f'<{kept}>; rel="{relation}"' + (f'; type="{kind}"' if kind else ""))
    return ", ".join(written)


def _ranges(accept: str | None) -> list[_Range]:
    """The ranges of a header; commas inside quoted parameters, as JSON-LD's profiles may have, part nothing."""
    return [_range(part) for part in parse_list_header(accept or "*/*")] or [_range("*/*")]


def _range(part: str) -> _Range:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = min(max(float(value), 0.0), 1.0)
            except ValueError:
                weight = 0.0
    # Java's own client writes * for */*.
    kind = "*/*" if kind == "*" else kind
    return _Range(kind, weight, 0 if kind == "*/*" else 1 if kind.endswith("/*") else 2)


def _fitting(kind: str, ranges: Sequence[_Range]) -> _Range | None:
    """The most specific range that a type falls under, the first of several."""
    general = kind.split("/", maxsplit=1)[0] + "/*"
    return max((r for r in ranges if r.kind in (kind, general, "*/*")), key=lambda r: r.rank, default=None)


def _weight(kind: str, ranges: Sequence[_Range]) -> float:
    found = _fitting(kind, ranges)
    return found.weight if found else 0.0
