"""Description of the SPARQL endpoint (SPARQL 1.1 Service Description, W3C Recommendation 2013-03-21).

The same resource is the dcat:DataService of the catalogue. Federated queries are refused, so sd:BasicFederatedQuery is
not claimed; neither is sd:DereferencesURIs, since FROM accepts only graphs of this store.
"""

from rdflib import DCTERMS, RDF, VOID, BNode, Graph, Literal, URIRef

from vaven.catalogue.harvest.graph_statistics import GraphStatistics
from vaven.publisher.metadata.void import add_counts
from vaven.publisher.rdf.triple_counts import Statistics
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import new_graph
from vaven.vocab.rdf.namespaces import DCAT, FORMATS, SD

SIMPLE = URIRef("http://www.w3.org/ns/entailment/Simple")
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


def describe_service(iris: Iris, statistics: GraphStatistics) -> Graph:
    graph = new_graph(iris)
    service = URIRef(iris.service)
    for kind in (SD.Service, DCAT.DataService):
        graph.add((service, RDF.type, kind))
    for language in LANGUAGES:
        text = messages(language, "publisher")
        graph.add((service, DCTERMS.title, Literal(text("catalogue.sparql"), lang=language)))
        graph.add((service, DCTERMS.description, Literal(text("catalogue.sparql_description"), lang=language)))
    graph.add((service, SD.endpoint, URIRef(iris.endpoint)))
    graph.add((service, DCAT.endpointURL, URIRef(iris.endpoint)))
    graph.add((service, SD.supportedLanguage, SD.SPARQL11Query))
    graph.add((service, SD.feature, SD.UnionDefaultGraph))
    graph.add((service, SD.defaultEntailmentRegime, SIMPLE))
    for name in RESULT_FORMATS:
        graph.add((service, SD.resultFormat, FORMATS[name]))
    for dataset in statistics.datasets:
        graph.add((service, DCAT.servesDataset, URIRef(iris.dataset(dataset.slug))))
    graph.add((service, SD.defaultDataset, _add_dataset(graph, iris, statistics)))
    return graph


def _add_dataset(graph: Graph, iris: Iris, statistics: GraphStatistics) -> BNode:
    """Add the default graph, which is the union, and each named graph, with their statistics."""
    dataset, default = BNode(), URIRef(iris.everything)
    graph.add((dataset, RDF.type, SD.Dataset))
    graph.add((dataset, SD.defaultGraph, default))
    _add_graph(graph, default, statistics.union)
    for name, counts in statistics.graphs.items():
        named, content = BNode(), BNode()
        graph.add((dataset, SD.namedGraph, named))
        graph.add((named, RDF.type, SD.NamedGraph))
        graph.add((named, SD.name, URIRef(name)))
        graph.add((named, SD.entailmentRegime, SIMPLE))
        graph.add((named, SD.graph, content))
        _add_graph(graph, content, counts)
    return dataset


def _add_graph(graph: Graph, node: URIRef | BNode, counts: Statistics) -> None:
    for kind in (SD.Graph, VOID.Dataset):
        graph.add((node, RDF.type, kind))
    add_counts(graph, node, counts)
