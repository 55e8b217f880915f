"""`/.well-known/void`, where machines look for a description of all our RDF (VoID, section 7.2), and the shapes."""

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
from vaven.vocab.rdf.namespaces import FORMATS
from vaven.vocab.rdf.vocabulary import add_texts, new_graph
from vaven.vocab.shapes import swedish_profile


def blueprint(overviews: GraphStatisticsCache, iris: Iris) -> Blueprint:
    pages = Blueprint("wellknown", __name__)

    @pages.get("/.well-known/void")
    def void() -> Response:
        return _negotiated(lambda: describe(iris, overviews.now()))

    @pages.get("/ns/dcat-ap-se")
    def shapes() -> Response:
        return _negotiated(lambda: swedish_profile(iris))

    return pages


def _negotiated(made: Callable[[], Graph]) -> Response:
    """The graph in the form that the client likes best, Turtle where it does not say."""
    ending = requested_format(request)
    if ending is None:
        answer = problem(406, "Not acceptable", f"This comes as {', '.join(RDF_FORMATS.values())}.")
    else:
        # There is no page, and a browser is better off with Turtle than with nothing.
        ending = "ttl" if ending == "html" else ending
        graph, chosen = made(), RDF_FORMATS[ending]
        body = graph.serialize(format=SERIALISERS[ending])
        answer = Response(body, content_type=f"{chosen}; charset=utf-8" if chosen.startswith("text/") else chosen)
        # Blank nodes get new names every time, so the tag is of what is said and not of how.
        said = "\n".join(sorted(line for line in graph.serialize(format="nt").splitlines() if "_:" not in line))
        answer.set_etag(hashlib.sha256(f"{chosen}\0{said}".encode()).hexdigest()[:32])
        answer.make_conditional(request)
    answer.vary.add("Accept")
    return answer


def describe(iris: Iris, overview: GraphStatistics) -> Graph:
    """All our RDF as one void:Dataset, with a subset for each named graph."""
    graph, everything = new_graph(iris), URIRef(iris.everything)
    document = URIRef(iris.void)
    graph.add((document, RDF.type, VOID.DatasetDescription))
    graph.add((document, FOAF.primaryTopic, everything))
    graph.add((document, DCTERMS.creator, URIRef(iris.organisation("den-sociala-vaven"))))
    for language in LANGUAGES:
        words = messages(language, "publisher")
        for node in (document, everything):
            graph.add((node, DCTERMS.title, Literal(words("catalogue.title"), lang=language)))
        graph.add((everything, DCTERMS.description, Literal(words("catalogue.description"), lang=language)))
    _add_access(graph, iris, everything)
    add_counts(graph, everything, overview.whole)
    for name, counts in overview.graphs.items():
        subset = URIRef(name)
        graph.add((everything, VOID.subset, subset))
        graph.add((subset, RDF.type, VOID.Dataset))
        graph.add((subset, VOID.sparqlEndpoint, URIRef(iris.endpoint)))
        add_counts(graph, subset, counts)
    for dataset in overview.datasets:
        _add_dataset(graph, iris, dataset)
    return graph


def _add_access(graph: Graph, iris: Iris, node: URIRef) -> None:
    graph.add((node, RDF.type, VOID.Dataset))
    graph.add((node, VOID.sparqlEndpoint, URIRef(iris.endpoint)))
    graph.add((node, VOID.uriSpace, Literal(f"{iris.base}id/")))
    graph.add((node, VOID.rootResource, URIRef(iris.catalogue)))
    graph.add((node, FOAF.homepage, URIRef(iris.base)))
    for ending in ("nt.gz", "nt.zst"):
        graph.add((node, VOID.dataDump, URIRef(iris.dump(ending))))
    graph.add((node, VOID.exampleResource, URIRef(iris.kpi(next(iter(register.kpis()))))))
    for prefix in VOCABULARIES:
        graph.add((node, VOID.vocabulary, URIRef(NAMESPACES[prefix])))
    graph.add((node, VOID.vocabulary, URIRef(iris.ontology)))
    for name in FEATURES:
        graph.add((node, VOID.feature, FORMATS[name]))


def _add_dataset(graph: Graph, iris: Iris, dataset: Dataset) -> None:
    """A dataset's subset: what it is called, its licence and its page."""
    node, entry = URIRef(iris.dataset(dataset.slug)), dataset.current
    add_texts(graph, node, DCTERMS.title, entry.about.titles)
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")[entry.about.licence].properties["rdf_iri"])))
    graph.add((node, VOID.uriSpace, Literal(iris.observation_stem(dataset.slug))))
    graph.add((node, FOAF.homepage, URIRef(iris.page(dataset.slug))))
