"""DCAT feed of the catalogue for harvesting portals: complete or by page, in each RDF format.

Sveriges dataportal reads RDF/XML from one URL and follows no pages, so a URL without `page` returns the complete feed.
ckanext-dcat follows hydra:next from page to page.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from pyoxigraph import BlankNode, Dataset, NamedNode, Quad, RdfFormat, Triple, parse, serialize
from pyoxigraph import Literal as OxigraphLiteral
from rdflib import DCTERMS, FOAF, RDF, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SERIALISERS, requested_format, see_other
from vaven.catalogue.http.problem_details import problem
from vaven.publisher.metadata.catalogue import catalogue_record
from vaven.publisher.metadata.distributions import MEDIA_TYPES, SPARQL_RESULTS
from vaven.publisher.published.collection import Collection
from vaven.publisher.rdf.agents import add_publisher
from vaven.publisher.releases.cache import CachedByState
from vaven.publisher.releases.versions import VersionHistory
from vaven.vocab import media_types
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.literals import new_graph
from vaven.vocab.rdf.namespaces import DCAT, HYDRA

# DCAT-AP 3, or DCAT-AP-SE with media types as the literals of the profile's table.
PROFILES = ("dcat-ap", "dcat-ap-se")
CACHED_RECORDS = 1_000
CACHED_FEEDS = 32
# The page size of ckanext-dcat.
PAGE = 100
# Properties of a catalogue record to follow; the cube, its areas and provenance are linked from the dataset itself.
# Versions are linked but not described: a harvester would list every dcat:Dataset in the feed.
FOLLOWED = frozenset(
    NAMESPACES[prefix] + name
    for prefix, names in {
        "dcat": ("dataset", "service", "distribution", "contactPoint", "accessService"),
        "dcterms": ("publisher", "creator", "temporal", "spatial", "provenance", "conformsTo", "rights"),
        "spdx": ("checksum",),
    }.items()
    for name in names
)
STRING = NAMESPACES["xsd"] + "string"
Record = Callable[[str, int], bytes]


@dataclass(frozen=True)
class FeedRequest:
    """Parameters of a feed: extension of the format, profile, and page from 1 on; None for the complete feed."""

    extension: str
    profile: str
    page: int | None

    def url(self, iris: Iris, page: int) -> str:
        parameters = {"page": page} | ({"profile": self.profile} if self.profile != PROFILES[0] else {})
        return f"{iris.base}catalog.{self.extension}?{urlencode(parameters)}"


def blueprint(collection: Collection, iris: Iris, contact: str) -> Blueprint:
    """Return the blueprint; `contact` is the operator's e-mail address."""
    pages = Blueprint("feed", __name__)
    texts = CachedByState[FeedRequest, str](CACHED_FEEDS)

    @lru_cache(maxsize=CACHED_RECORDS)
    def record(slug: str, version: int) -> bytes:
        return _record(collection, iris, slug, version)

    def text(feed_request: FeedRequest) -> str:
        graph = feed(collection.histories(), iris, contact, record, feed_request)
        return graph.serialize(format=SERIALISERS[feed_request.extension])

    @pages.get("/catalog")
    def negotiated() -> Response:
        extension = requested_format(request)
        if extension is None:
            types = ", ".join(RDF_FORMATS.values())
            return problem(406, "catalogue.not-acceptable", types=types, formats=", ".join(RDF_FORMATS))
        parameters = urlencode([(key, value) for key, value in request.args.items(multi=True) if key != "format"])
        query = f"?{parameters}" if parameters else ""
        response = see_other("/datasets" if extension == "html" else f"/catalog.{extension}{query}")
        response.vary.add("Accept")
        return response

    @pages.get("/catalog.<any(ttl, jsonld, nt, rdf):extension>")
    def document(extension: str) -> Response:
        feed_request = _feed_request(extension, len(collection.visible()))
        if isinstance(feed_request, Response):
            return feed_request
        state = collection.state()
        response = Response(mimetype=RDF_FORMATS[extension])
        response.set_etag(hashlib.sha256(f"{state}\0{feed_request}".encode()).hexdigest()[:32])
        if request.if_none_match.contains_weak(response.get_etag()[0] or ""):
            response.status_code = 304
        else:
            response.set_data(texts.get(state, feed_request, lambda: text(feed_request)))
        return response

    return pages


def _feed_request(extension: str, count: int) -> FeedRequest | Response:
    """Return the parameters of the request, or the problem with them."""
    profile, page = request.args.get("profile", PROFILES[0]), request.args.get("page")
    if profile not in PROFILES:
        return problem(400, "catalogue.unknown-profile", profile=profile, profiles=", ".join(PROFILES))
    if page is None:
        return FeedRequest(extension, profile, None)
    if not (page.isascii() and page.isdecimal() and int(page)):
        return problem(400, "catalogue.not-a-page-number", page=page)
    last = max(1, -(-count // PAGE))
    if int(page) > last:
        return problem(404, "catalogue.no-page", page=page, last=last)
    return FeedRequest(extension, profile, int(page))


def feed(
    histories: Sequence[VersionHistory], iris: Iris, contact: str, record: Record, feed_request: FeedRequest
) -> Graph:
    """Return the catalogue, or one page of it, with the DCAT record of every current release."""
    current = [history for history in histories if history.current is not None]
    part = current if feed_request.page is None else current[PAGE * (feed_request.page - 1) : PAGE * feed_request.page]
    catalogue = catalogue_record(iris, part, contact).serialize(format="nt", encoding="utf-8")
    texts = [catalogue, *(record(history.slug, history.current or 0) for history in part)]
    # Not in a Store, which converts every integer type, such as that of dcat:byteSize, to xsd:integer.
    parsed = (quad for text in texts for quad in parse(text, RdfFormat.N_TRIPLES))
    dataset = _with_current_agents(parsed, iris, current)
    graph = new_graph(iris)
    for triple in _reached(dataset, NamedNode(iris.catalogue)):
        graph.add((_node(triple.subject), URIRef(triple.predicate.value), _node(triple.object)))
    for node, name in list(graph.subject_objects(FOAF.name)):
        # A name is the same in every language, but a portal in English reads its own language tag only.
        graph.add((node, FOAF.name, Literal(str(name), lang="en")))
    if feed_request.page is not None:
        _add_page(graph, iris, feed_request, len(current))
    if feed_request.profile == "dcat-ap-se":
        _write_media_types(graph)
    return graph


def _node(term: NamedNode | BlankNode | OxigraphLiteral | Triple) -> Node:
    """Convert a term to rdflib with its lexical form unchanged.

    rdflib's parsers would write +00:00 for the Z of a time, so that feed and dump would have two different terms.
    """
    if isinstance(term, NamedNode):
        return URIRef(term.value)
    if isinstance(term, BlankNode):
        return BNode(term.value)
    if isinstance(term, OxigraphLiteral) and term.language:
        return Literal(term.value, lang=term.language)
    assert isinstance(term, OxigraphLiteral)
    datatype = term.datatype.value
    # Both are the same term in RDF 1.1, but rdflib's serializers would write the datatype.
    return Literal(term.value) if datatype == STRING else Literal(term.value, datatype=datatype, normalize=False)


def _with_current_agents(quads: Iterable[Quad], iris: Iris, histories: Sequence[VersionHistory]) -> Dataset:
    """Describe each publisher by its newest release, since portals require one description of an organisation."""
    agents: dict[str, Graph] = {}
    for history in sorted(histories, key=lambda history: history.newest.reserved_at):
        graph = new_graph(iris)
        agents[str(add_publisher(graph, iris, history.newest.complete_manifest.about))] = graph
    others = [quad for quad in quads if not (isinstance(quad.subject, NamedNode) and quad.subject.value in agents)]
    texts = (graph.serialize(format="nt", encoding="utf-8") for graph in agents.values())
    return Dataset([*others, *(quad for text in texts for quad in parse(text, RdfFormat.N_TRIPLES))])


def _add_page(graph: Graph, iris: Iris, feed_request: FeedRequest, count: int) -> None:
    """Add paging for ckanext-dcat: hydra:PagedCollection with the names of both drafts of Hydra."""
    page, last = feed_request.page or 1, max(1, -(-count // PAGE))
    node = URIRef(feed_request.url(iris, page))
    for kind in (HYDRA.PagedCollection, HYDRA.PartialCollectionView):
        graph.add((node, RDF.type, kind))
    around = {"first": 1, "last": last} | ({"previous": page - 1} if page > 1 else {})
    for name, number in (around | ({"next": page + 1} if page < last else {})).items():
        for predicate in (HYDRA[name], HYDRA[f"{name}Page"]):
            graph.add((node, predicate, URIRef(feed_request.url(iris, number))))
    graph.add((node, HYDRA.totalItems, Literal(count)))
    graph.add((node, HYDRA.itemsPerPage, Literal(PAGE)))


def _write_media_types(graph: Graph) -> None:
    """Write formats as in the Swedish profile's table: text/csv, or application/n-triples+gzip if compressed."""
    for node in set(graph.subjects(DCTERMS.format)):
        media_type = str(graph.value(node, DCAT.mediaType) or "").removeprefix(MEDIA_TYPES)
        compression = str(graph.value(node, DCAT.compressFormat) or "").rpartition("/")[2]
        if not media_type and graph.value(node, DCTERMS.format) == SPARQL_RESULTS:
            media_type = media_types.SPARQL_JSON
        graph.set((node, DCTERMS.format, Literal(f"{media_type}+{compression}" if compression else media_type)))


def _record(collection: Collection, iris: Iris, slug: str, version: int) -> bytes:
    """Return the catalogue record in a release's metadata, as N-Triples."""
    with collection.open(slug, version, "metadata.ttl") as file:
        metadata = Dataset(parse(file, RdfFormat.TURTLE))
    return serialize(_reached(metadata, NamedNode(iris.dataset(slug))), format=RdfFormat.N_TRIPLES) or b""


def _reached(dataset: Dataset, start: NamedNode) -> Iterator[Triple]:
    """Return the statements about a node and about all nodes that FOLLOWED properties lead to."""
    nodes: list[NamedNode | BlankNode] = [start]
    seen = {start.value}
    while nodes:
        for quad in dataset.quads_for_subject(nodes.pop()):
            is_followed, value = quad.predicate.value in FOLLOWED, quad.object
            # A blank node that is not followed, such as an area's outline, would be a node without statements.
            if is_followed or not isinstance(value, BlankNode):
                yield quad.triple
            if is_followed and isinstance(value, NamedNode | BlankNode) and value.value not in seen:
                seen.add(value.value)
                nodes.append(value)
