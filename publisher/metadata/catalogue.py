"""The catalogue's own record: dcat:Catalog with its datasets, their versions and series, and the SPARQL service."""

from collections.abc import Sequence

from rdflib import DCTERMS, FOAF, RDF, VOID, Graph, Literal, URIRef

from vaven.publisher.metadata.dataset import PUBLIC
from vaven.publisher.metadata.dataset_series import add_all_series
from vaven.publisher.metadata.distributions import DCAT, SPARQL_RESULTS
from vaven.publisher.metadata.versions import add_version_history
from vaven.publisher.rdf.agents import add_mission
from vaven.publisher.releases.versions import VersionHistory
from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.vocabulary import add_texts, moment, new_graph

LANGUAGE_IRIS = {
    "sv": "http://publications.europa.eu/resource/authority/language/SWE",
    "en": "http://publications.europa.eu/resource/authority/language/ENG",
}
SWEDEN = URIRef("http://publications.europa.eu/resource/authority/country/SWE")
DATA_THEMES = URIRef("http://publications.europa.eu/resource/authority/data-theme")


def catalogue_record(iris: Iris, listed: Sequence[VersionHistory]) -> Graph:
    """The dcat:Catalog with its own publisher, licence and service, and what ties datasets together.

    Withdrawn datasets and versions have their tombstones here; the catalogue no longer lists them.
    """
    graph = new_graph(iris)
    shown = [lineage for lineage in listed if lineage.current is not None]
    node = _add_catalogue(graph, iris, shown)
    for lineage in listed:
        add_version_history(graph, iris, lineage)
    for lineage in shown:
        graph.add((node, DCAT.dataset, URIRef(iris.dataset(lineage.slug))))
    for series in add_all_series(graph, iris, shown):
        graph.add((node, DCAT.dataset, series))
    graph.add((node, DCAT.service, _add_service(graph, iris, shown)))
    _add_reference(graph, iris)
    return graph


def _add_catalogue(graph: Graph, iris: Iris, shown: Sequence[VersionHistory]) -> URIRef:
    node = URIRef(iris.catalogue)
    graph.add((node, RDF.type, DCAT.Catalog))
    _add_words(graph, node, "title", "description")
    for language in LANGUAGES:
        graph.add((node, DCTERMS.language, URIRef(LANGUAGE_IRIS[language])))
    graph.add((node, DCTERMS.publisher, add_mission(graph, iris)))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["rdf_iri"])))
    graph.add((node, FOAF.homepage, URIRef(iris.base)))
    graph.add((node, DCTERMS.spatial, SWEDEN))
    graph.add((node, DCAT.themeTaxonomy, DATA_THEMES))
    if shown:
        graph.add((node, DCTERMS.issued, moment(min(s.versions[0].reserved_at for s in shown))))
        graph.add((node, DCTERMS.modified, moment(max(s.newest.reserved_at for s in shown))))
    return node


def _add_reference(graph: Graph, iris: Iris) -> None:
    """What the graph is that no dataset has for its own."""
    node = URIRef(iris.reference)
    graph.add((node, RDF.type, VOID.Dataset))
    _add_words(graph, node, "reference", "reference_description")
    graph.add((node, DCTERMS.publisher, add_mission(graph, iris)))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["rdf_iri"])))


def _add_service(graph: Graph, iris: Iris, shown: Sequence[VersionHistory]) -> URIRef:
    """The SPARQL endpoint; what it can do is told by its own description (catalogue/service.py)."""
    node = URIRef(iris.service)
    graph.add((node, RDF.type, DCAT.DataService))
    _add_words(graph, node, "sparql", "sparql_description")
    for language in LANGUAGES:
        for word in messages(language, "publisher")("catalogue.sparql_keywords").split(";"):
            graph.add((node, DCAT.keyword, Literal(word, lang=language)))
    graph.add((node, DCTERMS.publisher, add_mission(graph, iris)))
    graph.add((node, DCAT.endpointURL, URIRef(iris.endpoint)))
    graph.add((node, DCAT.endpointDescription, URIRef(iris.endpoint)))
    graph.add((node, DCTERMS.conformsTo, URIRef("https://www.w3.org/TR/sparql11-protocol/")))
    graph.add((node, DCTERMS.format, SPARQL_RESULTS))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["rdf_iri"])))
    graph.add((node, DCTERMS.accessRights, PUBLIC))
    for lineage in shown:
        graph.add((node, DCAT.servesDataset, URIRef(iris.dataset(lineage.slug))))
    return node


def _add_words(graph: Graph, node: URIRef, title: str, description: str) -> None:
    """A title and a description of the catalogue's messages, in each language."""
    for predicate, key in ((DCTERMS.title, title), (DCTERMS.description, description)):
        add_texts(
            graph,
            node,
            predicate,
            {language: messages(language, "publisher")(f"catalogue.{key}") for language in LANGUAGES},
        )
