"""What a release says of itself, as RDF: DCAT-AP-SE 3.0.1, its quality and provenance, and what it speaks of.

A dataset and each of its versions are datasets of their own, tied as DCAT 3 has it (section 11): the dataset is what
people cite and harvest, a version is what never changes. docs/metadata.md says why.
"""

from collections.abc import Sequence
from datetime import date, datetime

from rdflib import DCTERMS, QB, RDF, RDFS, Graph, Literal, URIRef
from rdflib.namespace import PROV, XSD

from vaven.publisher.cube.cube_link import add_cube
from vaven.publisher.metadata.distributions import DCAT, add_endpoint, add_file
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
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.vocabulary import add_area, add_texts, moment, new_graph

ADMS = NAMESPACES["adms"]
PUBLIC = URIRef("http://publications.europa.eu/resource/authority/access-right/PUBLIC")


def describe(
    release: Release,
    iris: Iris,
    files: Sequence[ReleasedFile],
    making: ProvenanceRecord,
    quality: Quality,
    census: ObservationCounts,
    *,
    first_issued_at: datetime,
) -> Graph:
    """The graph of `metadata.ttl`. `files` are the release's data files, `census` counts what
    the observations became; the dataset was first issued with its version 1."""
    graph = new_graph(iris)
    publisher = add_publisher(graph, iris, release.about)
    dataset = _add_dataset(graph, iris, release, making, publisher, first_issued_at)
    _add_version(graph, iris, release, making, publisher, dataset)
    distributions = [add_file(graph, iris, release, file) for file in files]
    distributions.append(add_endpoint(graph, iris, release))
    for distribution in distributions:
        graph.add((dataset, DCAT.distribution, distribution))
        graph.add((URIRef(iris.dataset(release.dataset, release.version)), DCAT.distribution, distribution))
    add_provenance(graph, iris, release, making, publisher)
    add_quality(graph, iris, release, making.report, quality)
    add_referenced_resources(graph, iris, release)
    add_cube(graph, iris, release)
    # Last of all, since it counts what there is.
    add_void(graph, iris, release, census)
    return graph


def _add_dataset(
    graph: Graph, iris: Iris, release: Release, making: ProvenanceRecord, publisher: URIRef, first_issued_at: datetime
) -> URIRef:
    """The dataset whatever its version: what it says is what its newest version says."""
    node = URIRef(iris.dataset(release.dataset))
    _add_common(graph, iris, release, node, publisher)
    graph.add((node, RDF.type, QB.DataSet))
    graph.add((node, QB.structure, URIRef(iris.structure)))
    add_texts(graph, node, RDFS.label, release.about.titles)
    graph.add((node, DCTERMS.issued, moment(first_issued_at)))
    graph.add((node, DCAT.landingPage, URIRef(iris.page(release.dataset))))
    _add_statement(graph, node, iris.provenance(release.dataset), making)
    return node


def _add_version(
    graph: Graph, iris: Iris, release: Release, making: ProvenanceRecord, publisher: URIRef, dataset: URIRef
) -> None:
    """The version and its place in the chain: section 11.1 of DCAT 3, where dcat:prev is of series alone."""
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
    _add_statement(graph, node, iris.provenance(release.dataset, release.version), making)


def _add_common(graph: Graph, iris: Iris, release: Release, node: URIRef, publisher: URIRef) -> None:
    """What a dataset and its version both say."""
    about = release.about
    graph.add((node, RDF.type, DCAT.Dataset))
    add_texts(graph, node, DCTERMS.title, about.titles)
    # The description is mandatory; a partner who wrote none gets the title said once more, not an invention.
    add_texts(graph, node, DCTERMS.description, {**about.titles, **{k: v for k, v in about.descriptions.items() if v}})
    graph.add((node, DCTERMS.publisher, publisher))
    graph.add((node, DCTERMS.creator, publisher))
    graph.add((node, DCTERMS.modified, moment(release.issued_at)))
    graph.add((node, DCTERMS.identifier, Literal(str(node))))
    graph.add((node, DCAT.version, Literal(str(release.version))))
    add_texts(graph, node, URIRef(ADMS + "versionNotes"), {"sv": about.version_note})
    graph.add((node, DCTERMS.accessRights, PUBLIC))
    for scheme in (iris.structure, iris.standard(standard().version)):
        graph.add((node, DCTERMS.conformsTo, URIRef(scheme)))
    for language, words in about.keywords.items():
        for word in words:
            graph.add((node, DCAT.keyword, Literal(word, lang=language)))
    for theme in {register.kpis()[slug].theme for slug in release.kpis}:
        graph.add((node, DCAT.theme, URIRef(register.themes()[theme].data_theme)))
    add_timespan(graph, iris, node, *release.period)
    for kommun in sorted({place.kommun for place in release.places.values() if place.kommun}):
        where = add_area(graph, iris, areas().kommuner[kommun])
        graph.add((where, RDF.type, DCTERMS.Location))
        graph.add((node, DCTERMS.spatial, where))
    if about.contact_email:
        graph.add((node, DCAT.contactPoint, add_contact(graph, iris, about)))


def _add_statement(graph: Graph, node: URIRef, told_at: str, making: ProvenanceRecord) -> None:
    """Where the data comes from in words, since the Swedish profile leaves PROV out."""
    # Named, since harvesters keep the name that a graph's reader gives a blank node, another each time.
    told = URIRef(told_at)
    graph.add((node, DCTERMS.provenance, told))
    graph.add((told, RDF.type, DCTERMS.ProvenanceStatement))
    for language, text in provenance_statement(making).items():
        graph.add((told, DCTERMS.description, Literal(text, lang=language)))


def add_timespan(graph: Graph, iris: Iris, thing: URIRef, first: date, last: date) -> None:
    """That a thing is of the time from the first to the last day."""
    node = URIRef(iris.timespan(str(thing)))
    graph.add((thing, DCTERMS.temporal, node))
    graph.add((node, RDF.type, DCTERMS.PeriodOfTime))
    graph.add((node, DCAT.startDate, Literal(first, datatype=XSD.date)))
    graph.add((node, DCAT.endDate, Literal(last, datatype=XSD.date)))
