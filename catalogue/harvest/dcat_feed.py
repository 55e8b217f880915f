"""The DCAT feed of the catalogue, for portals that harvest it: whole or by page, in the forms that they read.

Sveriges dataportal reads RDF/XML from one address and follows no pages, so the whole is what an address without
`page` gives. ckanext-dcat follows hydra:next from page to page.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from pyoxigraph import BlankNode, Dataset, NamedNode, Quad, RdfFormat, Triple, parse, serialize
from pyoxigraph import Literal as Written
from rdflib import DCTERMS, FOAF, RDF, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SERIALISERS, requested_format, see_other
from vaven.catalogue.http.problem_details import problem
from vaven.publisher.metadata.catalogue import catalogue_record
from vaven.publisher.metadata.distributions import MEDIA_TYPES, SPARQL_RESULTS
from vaven.publisher.published.collection import Collection
from vaven.publisher.rdf.agents import add_publisher
from vaven.publisher.releases.versions import VersionHistory
from vaven.vocab import media_types
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.namespaces import DCAT, HYDRA
from vaven.vocab.rdf.vocabulary import new_graph

# DCAT-AP 3 as it is, or with the media types as literals that the table of the Swedish profile names.
PROFILES = ("dcat-ap", "dcat-ap-se")
KEPT_RECORDS = 1_000
KEPT_ANSWERS = 32
# As many as ckanext-dcat has on a page.
PAGE = 100
# What belongs to a catalogue record; the cube, its areas and their history are reached from the dataset itself.
# Versions are named but not described: a harvester takes every dcat:Dataset in the feed for one to list.
FOLLOWED = frozenset(
    NAMESPACES[prefix] + name
    for prefix, names in {
        "dcat": ("dataset", "service", "distribution", "contactPoint", "accessService"),
        "dcterms": ("publisher", "creator", "temporal", "spatial", "provenance", "conformsTo"),
        "spdx": ("checksum",),
    }.items()
    for name in names
)
STRING = NAMESPACES["xsd"] + "string"
Record = Callable[[str, int], bytes]


@dataclass(frozen=True)
class FeedRequest:
    """What a harvester asks for: the ending of the form, a profile, and a page from 1 on, None for the whole."""

    ending: str
    profile: str
    page: int | None

    def address(self, iris: Iris, page: int) -> str:
        given = {"page": page} | ({"profile": self.profile} if self.profile != PROFILES[0] else {})
        return f"{iris.base}catalog.{self.ending}?{urlencode(given)}"


def blueprint(collection: Collection, iris: Iris) -> Blueprint:
    pages = Blueprint("feed", __name__)

    @lru_cache(maxsize=KEPT_RECORDS)
    def record(slug: str, version: int) -> bytes:
        return _record(collection, iris, slug, version)

    @lru_cache(maxsize=KEPT_ANSWERS)
    def text(state: str, wanted: FeedRequest) -> str:
        return feed(collection.lineages(), iris, record, wanted).serialize(format=SERIALISERS[wanted.ending])

    @pages.get("/catalog")
    def negotiated() -> Response:
        ending = requested_format(request)
        if ending is None:
            return problem(406, "Not acceptable", f"The catalogue comes as {', '.join(RDF_FORMATS.values())}.")
        kept = urlencode([(key, value) for key, value in request.args.items(multi=True) if key != "format"])
        answer = see_other("/datasets" if ending == "html" else f"/catalog.{ending}{'?' * bool(kept)}{kept}")
        answer.vary.add("Accept")
        return answer

    @pages.get("/catalog.<any(ttl, jsonld, nt, rdf):ending>")
    def document(ending: str) -> Response:
        wanted = _wanted(ending, len(collection.visible()))
        if isinstance(wanted, Response):
            return wanted
        state = collection.state()
        answer = Response(mimetype=RDF_FORMATS[ending])
        answer.set_etag(hashlib.sha256(f"{state}\0{wanted}".encode()).hexdigest()[:32])
        if request.if_none_match.contains_weak(answer.get_etag()[0] or ""):
            answer.status_code = 304
        else:
            answer.set_data(text(state, wanted))
        return answer

    return pages


def _wanted(ending: str, count: int) -> FeedRequest | Response:
    """What the request asks for, or the problem with it."""
    profile, page = request.args.get("profile", PROFILES[0]), request.args.get("page")
    if profile not in PROFILES:
        return problem(400, "Unknown profile", f"profile may be {' or '.join(PROFILES)}.")
    if page is None:
        return FeedRequest(ending, profile, None)
    if not (page.isascii() and page.isdecimal() and int(page)):
        return problem(400, "Not a page", "page is a number from 1 on.")
    last = max(1, -(-count // PAGE))
    if int(page) > last:
        return problem(404, "No such page", f"The last page is {last}.")
    return FeedRequest(ending, profile, int(page))


def feed(listed: Sequence[VersionHistory], iris: Iris, record: Record, wanted: FeedRequest) -> Graph:
    """The catalogue, or one page of it, with the DCAT record of every current release."""
    shown = [lineage for lineage in listed if lineage.current is not None]
    part = shown if wanted.page is None else shown[PAGE * (wanted.page - 1) : PAGE * wanted.page]
    said = catalogue_record(iris, part).serialize(format="nt", encoding="utf-8")
    texts = [said, *(record(lineage.slug, lineage.current or 0) for lineage in part)]
    # Not a Store, which makes an xsd:integer of every kind of integer, and so of dcat:byteSize.
    parsed = (quad for text in texts for quad in parse(text, RdfFormat.N_TRIPLES))
    whole = _with_agents_of_now(parsed, iris, shown)
    found = new_graph(iris)
    for triple in _reached(whole, NamedNode(iris.catalogue)):
        found.add((_node(triple.subject), URIRef(triple.predicate.value), _node(triple.object)))
    for node, name in list(found.subject_objects(FOAF.name)):
        # A name is the same in every language, but a portal in English looks for its own tag only.
        found.add((node, FOAF.name, Literal(str(name), lang="en")))
    if wanted.page is not None:
        _add_page(found, iris, wanted, len(shown))
    if wanted.profile == "dcat-ap-se":
        _write_media_types(found)
    return found


def _node(term: NamedNode | BlankNode | Written | Triple) -> Node:
    """A term of pyoxigraph's as rdflib's, letter by letter: rdflib's parsers would write +00:00 for the Z of a time,
    and a reader of both feed and dump would find two terms."""
    if isinstance(term, NamedNode):
        return URIRef(term.value)
    if isinstance(term, BlankNode):
        return BNode(term.value)
    if isinstance(term, Written) and term.language:
        return Literal(term.value, lang=term.language)
    assert isinstance(term, Written)
    datatype = term.datatype.value
    # Of RDF 1.1 both are the same term, but rdflib's writers would write the datatype out.
    return Literal(term.value) if datatype == STRING else Literal(term.value, datatype=datatype, normalize=False)


def _with_agents_of_now(whole: Iterable[Quad], iris: Iris, shown: Sequence[VersionHistory]) -> Dataset:
    """Each publisher as the newest release names it, since a portal wants an organisation to be described once."""
    said: dict[str, Graph] = {}
    for lineage in sorted(shown, key=lambda lineage: lineage.newest.reserved_at):
        described = new_graph(iris)
        said[str(add_publisher(described, iris, lineage.newest.complete_manifest.about))] = described
    kept = [quad for quad in whole if not (isinstance(quad.subject, NamedNode) and quad.subject.value in said)]
    now = (graph.serialize(format="nt", encoding="utf-8") for graph in said.values())
    return Dataset([*kept, *(quad for text in now for quad in parse(text, RdfFormat.N_TRIPLES))])


def _add_page(graph: Graph, iris: Iris, wanted: FeedRequest, count: int) -> None:
    """Paging as ckanext-dcat reads it: hydra:PagedCollection with the names of either draft of Hydra."""
    page, last = wanted.page or 1, max(1, -(-count // PAGE))
    node = URIRef(wanted.address(iris, page))
    for kind in (HYDRA.PagedCollection, HYDRA.PartialCollectionView):
        graph.add((node, RDF.type, kind))
    around = {"first": 1, "last": last} | ({"previous": page - 1} if page > 1 else {})
    for name, number in (around | ({"next": page + 1} if page < last else {})).items():
        for predicate in (HYDRA[name], HYDRA[f"{name}Page"]):
            graph.add((node, predicate, URIRef(wanted.address(iris, number))))
    graph.add((node, HYDRA.totalItems, Literal(count)))
    graph.add((node, HYDRA.itemsPerPage, Literal(PAGE)))


def _write_media_types(graph: Graph) -> None:
    """Formats as the Swedish profile's table has them: text/csv, and application/n-triples+gzip for what is packed."""
    for node in set(graph.subjects(DCTERMS.format)):
        kind = str(graph.value(node, DCAT.mediaType) or "").removeprefix(MEDIA_TYPES)
        packed = str(graph.value(node, DCAT.compressFormat) or "").rpartition("/")[2]
        if not kind and graph.value(node, DCTERMS.format) == SPARQL_RESULTS:
            kind = media_types.SPARQL_JSON
        graph.set((node, DCTERMS.format, Literal(f"{kind}+{packed}" if packed else kind)))


def _record(collection: Collection, iris: Iris, slug: str, version: int) -> bytes:
    """What a release's metadata says of it as a catalogue record, in N-Triples."""
    with collection.open(slug, version, "metadata.ttl") as file:
        whole = Dataset(parse(file, RdfFormat.TURTLE))
    return serialize(_reached(whole, NamedNode(iris.dataset(slug))), format=RdfFormat.N_TRIPLES) or b""


def _reached(whole: Dataset, start: NamedNode) -> Iterator[Triple]:
    """The statements about a node and about all that its FOLLOWED properties lead to."""
    waiting: list[NamedNode | BlankNode] = [start]
    seen = {start.value}
    while waiting:
        for quad in whole.quads_for_subject(waiting.pop()):
            is_followed, value = quad.predicate.value in FOLLOWED, quad.object
            # A blank node that is not followed, such as an area's outline, would be a node of which nothing is said.
            if is_followed or not isinstance(value, BlankNode):
                yield quad.triple
            if is_followed and isinstance(value, NamedNode | BlankNode) and value.value not in seen:
                seen.add(value.value)
                waiting.append(value)
