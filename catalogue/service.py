"""What the SPARQL endpoint says of itself: SPARQL 1.1 Service Description (W3C Recommendation 2013-03-21)."""

from rdflib import RDF, Graph, Namespace, URIRef

from vaven.vocab.concepts import new_graph
from vaven.vocab.iris import NAMESPACES, Iris

SD = Namespace(NAMESPACES["sd"])
FORMATS = Namespace("http://www.w3.org/ns/formats/")
RESULT_FORMATS = (
    "SPARQL_Results_JSON",
    "SPARQL_Results_XML",
    "SPARQL_Results_CSV",
    "SPARQL_Results_TSV",
    "Turtle",
    "JSON-LD",
    "N-Triples",
    "RDF_XML",
)


def describe_service(iris: Iris) -> Graph:
    graph = new_graph(iris)
    service, dataset, default = URIRef(iris.service), URIRef(f"{iris.service}#dataset"), URIRef(f"{iris.service}#union")
    graph.add((service, RDF.type, SD.Service))
    graph.add((service, SD.endpoint, URIRef(iris.base + "sparql")))
    graph.add((service, SD.supportedLanguage, SD.SPARQL11Query))
    graph.add((service, SD.feature, SD.UnionDefaultGraph))
    for name in RESULT_FORMATS:
        graph.add((service, SD.resultFormat, FORMATS[name]))
    graph.add((service, SD.defaultDataset, dataset))
    graph.add((dataset, RDF.type, SD.Dataset))
    graph.add((dataset, SD.defaultGraph, default))
    graph.add((default, RDF.type, SD.Graph))
    return graph
