"""A release's metadata as RDF: DCAT-AP-SE 3.0.1, quality, provenance, and the resources that its observations refer to.

A dataset and each of its versions are separate dcat:Datasets, related as in DCAT 3 (section 11): people cite and
harvest the dataset, and a version never changes. docs/metadata.md gives the reasons.
"""

from collections.abc import Sequence
from datetime import date, datetime

from rdflib import DCTERMS, QB, RDF, RDFS, Graph, Literal, Namespace, URIRef
from rdflib.namespace import PROV, XSD

from vaven.publisher.cube.cube_link import add_cube
from vaven.publisher.metadata.distributions import add_download, add_endpoint, add_file
from vaven.publisher.metadata.provenance import ProvenanceRecord, add_provenance, provenance_statement
from vaven.publisher.metadata.quality import Quality, add_quality
from vaven.publisher.metadata.referenced_things import add_referenced_resources
from vaven.publisher.metadata.void import add_void
from vaven.publisher.rdf.agents import add_contact, add_publisher
from vaven.publisher.rdf.triple_counts import ObservationCounts
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.release import Release
from vaven.schemas.standard.table_schemas import standard
from vaven.vocab import register
from vaven.vocab.areas import areas
from vaven.vocab.iris import Iris
from vaven.vocab.rdf.literals import add_texts, moment, new_graph
from vaven.vocab.rdf.namespaces import ADMS, DCAT
from vaven.vocab.rdf.vocabulary import add_area

# The property of each part of a description that the sender may leave out (schemas/rules/metadata.py).
PROPERTIES = {
    "title_sv": DCTERMS.title,
    "description_sv": DCTERMS.description,
    "publisher_sector": DCTERMS.type,
    "contact_name": DCAT.contactPoint,
    "contact_email": DCAT.contactPoint,
    "keywords_sv": DCAT.keyword,
}
PUBLIC = URIRef("http://publications.europa.eu/resource/authority/access-right/PUBLIC")


def describe(
    release: Release,
    iris: Iris,
    files: Sequence[ReleasedFile],
    provenance: ProvenanceRecord,
    quality: Quality,
    counts: ObservationCounts,
    *,
    first_issued_at: datetime,
    later: Sequence[str] = (),
) -> Graph:
    """Return the graph of `metadata.ttl`.

    `files` are the release's data files, `later` the names of those that are written when it is visible, without size
    and checksum. `counts` are the triples of its observations, and `first_issued_at` the issue of the dataset's
    version 1.
    """
    graph = new_graph(iris)
    publisher = add_publisher(graph, iris, release.about)
    dataset = _add_dataset(graph, iris, release, provenance, publisher, first_issued_at)
    _add_version(graph, iris, release, provenance, publisher, dataset)
    distributions = [add_file(graph, iris, release, file) for file in files]
    distributions += [add_download(graph, iris, release, name) for name in later]
    distributions.append(add_endpoint(graph, iris, release))
    for distribution in distributions:
        graph.add((dataset, DCAT.distribution, distribution))
        graph.add((URIRef(iris.dataset(release.dataset, release.version)), DCAT.distribution, distribution))
    add_provenance(graph, iris, release, provenance, publisher)
    add_quality(graph, iris, release, provenance.report, quality)
    add_referenced_resources(graph, iris, release)
    add_cube(graph, iris, release)
    # Comes last, since it counts the triples of the graph.
    add_void(graph, iris, release, counts)
    return graph


def _add_dataset(
    graph: Graph,
    iris: Iris,
    release: Release,
    provenance: ProvenanceRecord,
    publisher: URIRef,
    first_issued_at: datetime,
) -> URIRef:
    """Add the dataset independent of version, described like its newest version."""
    node = URIRef(iris.dataset(release.dataset))
    _add_common(graph, iris, release, node, publisher)
    graph.add((node, RDF.type, QB.DataSet))
    graph.add((node, QB.structure, URIRef(iris.structure)))
    add_texts(graph, node, RDFS.label, release.about.titles)
    graph.add((node, DCTERMS.issued, moment(first_issued_at)))
    graph.add((node, DCAT.landingPage, URIRef(iris.page(release.dataset))))
    _add_statement(graph, node, iris.provenance(release.dataset), release, provenance)
    return node


def _add_version(
    graph: Graph, iris: Iris, release: Release, provenance: ProvenanceRecord, publisher: URIRef, dataset: URIRef
) -> None:
    """Add the version and its position in the version chain (DCAT 3, section 11.1; dcat:prev is for series only)."""
    node = URIRef(iris.dataset(release.dataset, release.version))
    _add_common(graph, iris, release, node, publisher)
    graph.add((node, DCTERMS.issued, moment(release.issued_at)))
    graph.add((node, DCAT.landingPage, URIRef(iris.page(release.dataset, release.version))))
    graph.add((node, DCAT.isVersionOf, dataset))
    graph.add((dataset, DCAT.hasVersion, node))
    graph.add((dataset, DCAT.hasCurrentVersion, node))
    if release.version > 1:
        previous = URIRef(iris.dataset(release.dataset, release.version - 1))
        graph.add((node, DCAT.previousVersion, previous))
        graph.add((node, PROV.wasRevisionOf, previous))
    _add_statement(graph, node, iris.provenance(release.dataset, release.version), release, provenance)


def _add_common(graph: Graph, iris: Iris, release: Release, node: URIRef, publisher: URIRef) -> None:
    """Add the properties that a dataset and its version share."""
    about = release.about
    graph.add((node, RDF.type, DCAT.Dataset))
    add_texts(graph, node, DCTERMS.title, about.titles)
    # The description is mandatory: without one the title is repeated, rather than a description invented.
    add_texts(graph, node, DCTERMS.description, {**about.titles, **{k: v for k, v in about.descriptions.items() if v}})
    graph.add((node, DCTERMS.publisher, publisher))
    graph.add((node, DCTERMS.creator, publisher))
    graph.add((node, DCTERMS.modified, moment(release.issued_at)))
    graph.add((node, DCTERMS.identifier, Literal(str(node))))
    graph.add((node, DCAT.version, Literal(str(release.version))))
    add_texts(graph, node, ADMS.versionNotes, {"sv": about.version_note})
    graph.add((node, DCTERMS.accessRights, PUBLIC))
    for scheme in (iris.structure, iris.standard(standard().version)):
        graph.add((node, DCTERMS.conformsTo, URIRef(scheme)))
    for language, keywords in about.keywords.items():
        for keyword in keywords:
            graph.add((node, DCAT.keyword, Literal(keyword, lang=language)))
    for name in {PROPERTIES[name] for name in release.defaults}:
        graph.add((node, Namespace(iris.ontology).notStated, name))
    for theme in {register.kpis()[slug].theme for slug in release.kpis}:
        graph.add((node, DCAT.theme, URIRef(register.themes()[theme].data_theme)))
    add_timespan(graph, iris, node, *release.period)
    for kommun in sorted({area.kommun for area in release.areas.values() if area.kommun}):
        location = add_area(graph, iris, areas().kommuner[kommun])
        graph.add((location, RDF.type, DCTERMS.Location))
        graph.add((node, DCTERMS.spatial, location))
    if about.contact_email:
        graph.add((node, DCAT.contactPoint, add_contact(graph, iris, about)))


def _add_statement(
    graph: Graph, node: URIRef, statement_iri: str, release: Release, provenance: ProvenanceRecord
) -> None:
    """Add the provenance as text, since the Swedish profile leaves PROV out."""
    # An IRI and no blank node: harvesters store the label that a parser gives a blank node, which changes each time.
    statement = URIRef(statement_iri)
    graph.add((node, DCTERMS.provenance, statement))
    graph.add((statement, RDF.type, DCTERMS.ProvenanceStatement))
    for language, text in provenance_statement(provenance, release.defaults).items():
        graph.add((statement, DCTERMS.description, Literal(text, lang=language)))


def add_timespan(graph: Graph, iris: Iris, resource: URIRef, first: date, last: date) -> None:
    """Add the temporal coverage of a resource, from the first to the last day."""
    node = URIRef(iris.timespan(str(resource)))
    graph.add((resource, DCTERMS.temporal, node))
    graph.add((node, RDF.type, DCTERMS.PeriodOfTime))
    graph.add((node, DCAT.startDate, Literal(first, datatype=XSD.date)))
    graph.add((node, DCAT.endDate, Literal(last, datatype=XSD.date)))
