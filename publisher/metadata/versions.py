"""A dataset's versions as a chain of datasets (DCAT 3, section 11), withdrawn versions included.

A single release cannot state this: it depends on all releases of the dataset.
"""

from rdflib import DCTERMS, PROV, RDF, Graph, Literal, URIRef

from vaven.publisher.rdf.agents import add_publisher
from vaven.publisher.releases.records import ReleaseRecord, Withdrawal
from vaven.publisher.releases.versions import VersionHistory
from vaven.schemas.tables.tables import About
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, moment
from vaven.vocab.rdf.namespaces import ADMS, DCAT

# The EU's authority table dataset-status; DCAT 3, section 11.3, leaves the vocabulary of adms:status open.
WITHDRAWN = URIRef("http://publications.europa.eu/resource/authority/dataset-status/WITHDRAWN")


def add_version_history(graph: Graph, iris: Iris, history: VersionHistory) -> None:
    """Add the dataset with its earlier versions; the current version is described by its own release."""
    dataset = URIRef(iris.dataset(history.slug))
    for record in history.versions:
        if record.version == history.current:
            continue
        version = URIRef(iris.dataset(history.slug, record.version))
        graph.add((dataset, DCAT.hasVersion, version))
        _add_earlier_version(graph, iris, record, version)
        if tombstone := history.withdrawn.get(record.version):
            _add_tombstone(graph, version, tombstone)
        else:
            add_texts(graph, version, DCTERMS.description, _description(record.complete_manifest.about))
    if history.current is None:
        _add_withdrawn_dataset(graph, iris, history, dataset)


def _add_earlier_version(graph: Graph, iris: Iris, record: ReleaseRecord, version: URIRef) -> None:
    """Describe a version whose own metadata is no longer in the graph."""
    about = record.complete_manifest.about
    graph.add((version, RDF.type, DCAT.Dataset))
    add_texts(graph, version, DCTERMS.title, about.titles)
    graph.add((version, DCTERMS.publisher, add_publisher(graph, iris, about)))
    graph.add((version, DCAT.version, Literal(str(record.version))))
    graph.add((version, DCAT.isVersionOf, URIRef(iris.dataset(record.dataset))))
    graph.add((version, DCTERMS.issued, moment(record.reserved_at)))
    graph.add((version, DCAT.landingPage, URIRef(iris.page(record.dataset, record.version))))
    add_texts(graph, version, ADMS.versionNotes, {"sv": about.version_note})
    if record.version > 1:
        graph.add((version, DCAT.previousVersion, URIRef(iris.dataset(record.dataset, record.version - 1))))


def _add_tombstone(graph: Graph, node: URIRef, tombstone: Withdrawal) -> None:
    graph.add((node, ADMS.status, WITHDRAWN))
    graph.add((node, PROV.invalidatedAtTime, moment(tombstone.withdrawn_at)))
    day = f"{tombstone.withdrawn_at:%Y-%m-%d}"
    for language in LANGUAGES:
        text = messages(language, "publisher")("catalogue.withdrawn", day=day, reason=tombstone.reason)
        graph.add((node, DCTERMS.description, Literal(text, lang=language)))


def _add_withdrawn_dataset(graph: Graph, iris: Iris, history: VersionHistory, dataset: URIRef) -> None:
    """Describe a dataset all of whose versions are withdrawn, since no release describes it any more."""
    about, last = history.newest.complete_manifest.about, max(history.withdrawn.values(), key=lambda w: w.withdrawn_at)
    graph.add((dataset, RDF.type, DCAT.Dataset))
    add_texts(graph, dataset, DCTERMS.title, about.titles)
    graph.add((dataset, DCTERMS.publisher, add_publisher(graph, iris, about)))
    graph.add((dataset, DCAT.landingPage, URIRef(iris.page(history.slug))))
    _add_tombstone(graph, dataset, last)


def _description(about: About) -> dict[str, str]:
    return {**about.titles, **{language: text for language, text in about.descriptions.items() if text}}
