"""Content negotiation (RFC 9110, section 12.5.1): what a client accepts against what we offer."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Request, Response

RDF_FORMATS = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "nt": "application/n-triples",
    "rdf": "application/rdf+xml",
}


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
    ranges = [_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    weighed = [(_weight(kind, ranges), -i, kind) for i, kind in enumerate(offered)]
    best = max(weighed, default=(0.0, 0, ""))
    return best[2] if best[0] > 0 else None


def prefers_html(request: Request) -> bool:
    """Whether a browser asks: a client that names text/html and likes it no less than anything else it names."""
    accept = request.headers.get("Accept", "")
    return "text/html" in accept and choose(accept, ["text/html", "application/json", "text/turtle"]) == "text/html"


def see_other(location: str) -> Response:
    """303 See Other (RFC 9110, section 15.4.4): the thing is not a document, but here is one about it."""
    return Response(status=303, headers={"Location": location})


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
    return _Range(kind, weight, 0 if kind == "*/*" else 1 if kind.endswith("/*") else 2)


def _weight(kind: str, ranges: Sequence[_Range]) -> float:
    fitting = [r for r in ranges if r.kind in (kind, "*/*") or r.kind == kind.split("/", maxsplit=1)[0] + "/*"]
    return max(fitting, key=lambda r: r.rank).weight if fitting else 0.0
