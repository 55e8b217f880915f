"""The DCAT feed of the whole catalogue, for portals that harvest it."""

from collections.abc import Callable
from functools import lru_cache

from flask import Blueprint, Response, request
from rdflib import Graph, URIRef
from rdflib.term import Node

from vaven.catalogue.negotiate import RDF_FORMATS, choose, see_other
from vaven.catalogue.problem import problem
from vaven.publisher.collection import Collection
from vaven.publisher.describe import catalogue
from vaven.vocab.concepts import new_graph
from vaven.vocab.iris import NAMESPACES, Iris

SERIALISERS = {"ttl": "turtle", "jsonld": "json-ld", "nt": "nt", "rdf": "xml"}
KEPT_RECORDS = 1_000
# What belongs to a catalogue record; the cube, its areas and their history are reached from the dataset itself.
FOLLOWED = frozenset(
    URIRef(NAMESPACES[prefix] + name)
    for prefix, name in (
        ("dcat", "dataset"),
        ("dcat", "service"),
        ("dcat", "distribution"),
        ("dcat", "contactPoint"),
        ("dcterms", "publisher"),
        ("dcterms", "temporal"),
        ("spdx", "checksum"),
    )
)


def blueprint(collection: Collection, iris: Iris) -> Blueprint:
    pages = Blueprint("feed", __name__)

    @lru_cache(maxsize=KEPT_RECORDS)
    def record(slug: str, version: int) -> Graph:
        return _record(collection, iris, slug, version)

    @pages.get("/catalog")
    def negotiated() -> Response:
        chosen = choose(request.headers.get("Accept"), ["text/html", *RDF_FORMATS.values()])
        if chosen is None:
            return problem(406, "Not acceptable", f"The catalogue comes as {', '.join(RDF_FORMATS.values())}.")
        ending = next((e for e, kind in RDF_FORMATS.items() if kind == chosen), None)
        answer = see_other(f"/catalog.{ending}" if ending else "/datasets")
        answer.vary.add("Accept")
        return answer

    @pages.get("/catalog.<any(ttl, jsonld, nt, rdf):ending>")
    def whole(ending: str) -> Response:
        text = feed(collection, iris, record).serialize(format=SERIALISERS[ending])
        answer = Response(text, mimetype=RDF_FORMATS[ending])
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    return pages


def feed(collection: Collection, iris: Iris, record: Callable[[str, int], Graph]) -> Graph:
    """The catalogue with the DCAT record of every current release."""
    datasets = collection.datasets()
    whole = catalogue(iris, {d.slug: d.current.about for d in datasets})
    for dataset in datasets:
        whole += record(dataset.slug, dataset.current.version)
    return whole


def _record(collection: Collection, iris: Iris, slug: str, version: int) -> Graph:
    """What a release's metadata says of it as a catalogue record. Seconds where it has thousands of areas, and
    never different for the same release, so it is worth keeping."""
    with collection.open(slug, version, "metadata.ttl") as file:
        whole = Graph().parse(file, format="turtle")
    return _reachable(whole, URIRef(iris.dataset(slug)), new_graph(iris))


def _reachable(whole: Graph, start: Node, into: Graph) -> Graph:
    """The statements about a node and about all that its FOLLOWED properties lead to."""
    waiting, seen = [start], {start}
    while waiting:
        node = waiting.pop()
        for predicate, value in whole.predicate_objects(node):
            into.add((node, predicate, value))
            if predicate in FOLLOWED and value not in seen:
                seen.add(value)
                waiting.append(value)
    return into
