"""The catalogue's own record: a dcat:Catalog with its datasets, their versions and series, and the SPARQL service."""

from collections.abc import Sequence

from rdflib import DCTERMS, FOAF, RDF, VOID, Graph, Literal, URIRef

from vaven.publisher.metadata.dataset import PUBLIC
from vaven.publisher.metadata.dataset_series import add_all_series
from vaven.publisher.metadata.distributions import SPARQL_RESULTS
from vaven.publisher.metadata.versions import add_version_history
from vaven.publisher.rdf.agents import add_mission, add_operator_contact
from vaven.publisher.releases.versions import VersionHistory
from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, moment, new_graph
from vaven.vocab.rdf.namespaces import DCAT

LANGUAGE_IRIS = {
    "sv": "http://publications.europa.eu/resource/authority/language/SWE",
    "en": "http://publications.europa.eu/resource/authority/language/ENG",
}
SWEDEN = URIRef("http://publications.europa.eu/resource/authority/country/SWE")
SOCIETY = URIRef("http://publications.europa.eu/resource/authority/data-theme/SOCI")
DATA_THEMES = URIRef("http://publications.europa.eu/resource/authority/data-theme")


def catalogue_record(iris: Iris, histories: Sequence[VersionHistory], contact: str) -> Graph:
    """Describe the catalogue: its publisher, licence and service, and the relations between datasets.

    The record has the tombstones of withdrawn datasets and versions; the catalogue itself no longer lists them.
    `contact` is the operator's e-mail address.
    """
    graph = new_graph(iris)
    current = [history for history in histories if history.current is not None]
    node = _add_catalogue(graph, iris, current)
    for history in histories:
        add_version_history(graph, iris, history)
    for history in current:
        graph.add((node, DCAT.dataset, URIRef(iris.dataset(history.slug))))
    for series in add_all_series(graph, iris, current):
        graph.add((node, DCAT.dataset, series))
    graph.add((node, DCAT.service, _add_service(graph, iris, current, contact)))
    _add_reference_graph(graph, iris)
    return graph


def _add_catalogue(graph: Graph, iris: Iris, current: Sequence[VersionHistory]) -> URIRef:
    node = URIRef(iris.catalogue)
    graph.add((node, RDF.type, DCAT.Catalog))
    _add_texts(graph, node, "title", "description")
    for language in LANGUAGES:
        graph.add((node, DCTERMS.language, URIRef(LANGUAGE_IRIS[language])))
    graph.add((node, DCTERMS.publisher, add_mission(graph, iris)))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["rdf_iri"])))
    graph.add((node, FOAF.homepage, URIRef(iris.base)))
    graph.add((node, DCTERMS.spatial, SWEDEN))
    graph.add((node, DCAT.themeTaxonomy, DATA_THEMES))
    if current:
        graph.add((node, DCTERMS.issued, moment(min(h.versions[0].reserved_at for h in current))))
        graph.add((node, DCTERMS.modified, moment(max(h.newest.reserved_at for h in current))))
    return node


def _add_reference_graph(graph: Graph, iris: Iris) -> None:
    """Describe the named graph of reference data, which belongs to no single dataset."""
    node = URIRef(iris.reference)
    graph.add((node, RDF.type, VOID.Dataset))
    _add_texts(graph, node, "reference", "reference_description")
    graph.add((node, DCTERMS.publisher, add_mission(graph, iris)))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["rdf_iri"])))


def _add_service(graph: Graph, iris: Iris, current: Sequence[VersionHistory], contact: str) -> URIRef:
    """Add the SPARQL endpoint; its features are in its own description (catalogue/harvest/service_description.py)."""
    node = URIRef(iris.service)
    graph.add((node, RDF.type, DCAT.DataService))
    _add_texts(graph, node, "sparql", "sparql_description")
    for language in LANGUAGES:
        for keyword in messages(language, "publisher")("catalogue.sparql_keywords").split(";"):
            graph.add((node, DCAT.keyword, Literal(keyword, lang=language)))
    graph.add((node, DCTERMS.publisher, add_mission(graph, iris)))
    graph.add((node, DCAT.contactPoint, add_operator_contact(graph, iris, contact)))
    graph.add((node, DCAT.theme, SOCIETY))
    graph.add((node, DCAT.endpointURL, URIRef(iris.endpoint)))
    graph.add((node, DCAT.endpointDescription, URIRef(iris.endpoint)))
    graph.add((node, DCTERMS.conformsTo, URIRef("https://www.w3.org/TR/sparql11-protocol/")))
    graph.add((node, DCTERMS.format, SPARQL_RESULTS))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["rdf_iri"])))
    graph.add((node, DCTERMS.accessRights, PUBLIC))
    for history in current:
        graph.add((node, DCAT.servesDataset, URIRef(iris.dataset(history.slug))))
    return node


def _add_texts(graph: Graph, node: URIRef, title: str, description: str) -> None:
    """Add title and description from the catalogue's messages, in each language."""
    for predicate, key in ((DCTERMS.title, title), (DCTERMS.description, description)):
        add_texts(
            graph,
            node,
            predicate,
            {language: messages(language, "publisher")(f"catalogue.{key}") for language in LANGUAGES},
        )
