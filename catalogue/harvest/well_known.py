"""`/.well-known/void`, the description of all published RDF (VoID, section 7.2), and the SHACL shapes."""

import hashlib
from collections.abc import Callable

from flask import Blueprint, Response, request
from rdflib import DCTERMS, FOAF, RDF, VOID, Graph, Literal, URIRef

from vaven.catalogue.harvest.graph_statistics import GraphStatistics, GraphStatisticsCache
from vaven.catalogue.http.content_negotiation import RDF_FORMATS, SERIALISERS, requested_format
from vaven.catalogue.http.problem_details import problem
from vaven.publisher.metadata.void import FEATURES, VOCABULARIES, add_counts
from vaven.publisher.published.values import Dataset
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, new_graph
from vaven.vocab.rdf.namespaces import FORMATS
from vaven.vocab.shapes import swedish_profile


def blueprint(statistics: GraphStatisticsCache, iris: Iris) -> Blueprint:
    pages = Blueprint("wellknown", __name__)

    @pages.get("/.well-known/void")
    def void() -> Response:
        return _negotiated(lambda: describe(iris, statistics.now()))

    @pages.get("/ns/dcat-ap-se")
    def shapes() -> Response:
        return _negotiated(lambda: swedish_profile(iris))

    return pages


def _negotiated(build: Callable[[], Graph]) -> Response:
    """Return a graph in the format that the client prefers, Turtle by default."""
    extension = requested_format(request)
    if extension is None:
        types = ", ".join(RDF_FORMATS.values())
        response = problem(406, "catalogue.not-acceptable", types=types, formats=", ".join(RDF_FORMATS))
    else:
        # There is no page, and Turtle serves a browser better than an error.
        extension = "ttl" if extension == "html" else extension
        graph, media_type = build(), RDF_FORMATS[extension]
        body = graph.serialize(format=SERIALISERS[extension])
        response = Response(
            body, content_type=f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
        )
        # Blank nodes have new labels in each serialization, so the tag is computed without them.
        statements = "\n".join(sorted(line for line in graph.serialize(format="nt").splitlines() if "_:" not in line))
        response.set_etag(hashlib.sha256(f"{media_type}\0{statements}".encode()).hexdigest()[:32])
        response.make_conditional(request)
    response.vary.add("Accept")
    return response


def describe(iris: Iris, statistics: GraphStatistics) -> Graph:
    """Describe all RDF as one void:Dataset, with a subset for each named graph."""
    graph, everything = new_graph(iris), URIRef(iris.everything)
    document = URIRef(iris.void)
    graph.add((document, RDF.type, VOID.DatasetDescription))
    graph.add((document, FOAF.primaryTopic, everything))
    graph.add((document, DCTERMS.creator, URIRef(iris.organisation("den-sociala-vaven"))))
    for language in LANGUAGES:
        text = messages(language, "publisher")
        for node in (document, everything):
            graph.add((node, DCTERMS.title, Literal(text("catalogue.title"), lang=language)))
        graph.add((everything, DCTERMS.description, Literal(text("catalogue.description"), lang=language)))
    _add_access(graph, iris, everything)
    # A dump that must be generated from many observations takes long, and is not announced.
    for extension in ("nt.gz", "nt.zst") if all(d.current.has_triples for d in statistics.datasets) else ():
        graph.add((everything, VOID.dataDump, URIRef(iris.dump(extension))))
    add_counts(graph, everything, statistics.union)
    for name, counts in statistics.graphs.items():
        subset = URIRef(name)
        graph.add((everything, VOID.subset, subset))
        graph.add((subset, RDF.type, VOID.Dataset))
        graph.add((subset, VOID.sparqlEndpoint, URIRef(iris.endpoint)))
        add_counts(graph, subset, counts)
    for dataset in statistics.datasets:
        _add_dataset(graph, iris, dataset)
    return graph


def _add_access(graph: Graph, iris: Iris, node: URIRef) -> None:
    graph.add((node, RDF.type, VOID.Dataset))
    graph.add((node, VOID.sparqlEndpoint, URIRef(iris.endpoint)))
    graph.add((node, VOID.uriSpace, Literal(f"{iris.base}id/")))
    graph.add((node, VOID.rootResource, URIRef(iris.catalogue)))
    graph.add((node, FOAF.homepage, URIRef(iris.base)))
    graph.add((node, VOID.exampleResource, URIRef(iris.kpi(next(iter(register.kpis()))))))
    for prefix in VOCABULARIES:
        graph.add((node, VOID.vocabulary, URIRef(NAMESPACES[prefix])))
    graph.add((node, VOID.vocabulary, URIRef(iris.ontology)))
    for name in FEATURES:
        graph.add((node, VOID.feature, FORMATS[name]))


def _add_dataset(graph: Graph, iris: Iris, dataset: Dataset) -> None:
    """Add title, licence and page of a dataset's subset."""
    node, release = URIRef(iris.dataset(dataset.slug)), dataset.current
    add_texts(graph, node, DCTERMS.title, release.about.titles)
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")[release.about.licence].properties["rdf_iri"])))
    graph.add((node, VOID.uriSpace, Literal(iris.observation_prefix(dataset.slug))))
    graph.add((node, FOAF.homepage, URIRef(iris.page(dataset.slug))))
