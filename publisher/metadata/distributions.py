"""The files of a release as dcat:Distributions, and the SPARQL endpoint as another distribution of the same data."""

from rdflib import DCTERMS, RDF, RDFS, XSD, Graph, Literal, URIRef

from vaven.publisher.rdf.agents import MISSION
from vaven.publisher.releases.manifest import ReleasedFile
from vaven.publisher.releases.release import Release
from vaven.schemas.standard.table_schemas import RESOURCES, standard
from vaven.vocab import media_types, register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.rdf.literals import add_texts, moment
from vaven.vocab.rdf.namespaces import DCAT, DCATAP, ODRS, SPDX
from vaven.vocab.register import Code

MEDIA_TYPES = "http://www.iana.org/assignments/media-types/"
# The licence of vocab/licences.csv that requires attribution.
ATTRIBUTION = "cc-by"
STABLE = URIRef("http://publications.europa.eu/resource/authority/planned-availability/STABLE")
SPARQL_RESULTS = URIRef("http://publications.europa.eu/resource/authority/file-type/SPARQLQRES")


def file_type(name: str) -> Code:
    """Return the type of a release's file by its suffix (vocab/file_types.csv)."""
    return register.codes("file_types")[name.partition(".")[2]]


def add_file(graph: Graph, iris: Iris, release: Release, file: ReleasedFile) -> URIRef:
    """Add a file as a distribution with its size and checksum, and return its node."""
    node = add_download(graph, iris, release, file.name)
    graph.add((node, DCAT.byteSize, Literal(file.size, datatype=XSD.nonNegativeInteger)))
    add_checksum(graph, iris, node, file.sha256)
    return node


def add_download(graph: Graph, iris: Iris, release: Release, name: str) -> URIRef:
    """Add a file of a release by its name as a distribution, and return its node."""
    node = URIRef(iris.distribution(release.dataset, release.version, name))
    kind = file_type(name)
    _add_common(graph, iris, release, node)
    for language in LANGUAGES:
        title = f"{_content(name, language)} – {kind.text(language)}"
        graph.add((node, DCTERMS.title, Literal(title, lang=language)))
    add_texts(graph, node, DCTERMS.description, kind.definitions)
    graph.add((node, DCAT.accessURL, URIRef(iris.page(release.dataset, release.version))))
    graph.add((node, DCAT.downloadURL, URIRef(iris.download(release.dataset, release.version, name))))
    # Both the EU's file type and the media type, which the Swedish portal also accepts; docs/metadata.md says why.
    graph.add((node, DCTERMS.format, URIRef(kind.properties["file_type"])))
    graph.add((node, DCAT.mediaType, URIRef(MEDIA_TYPES + kind.properties["media_type"])))
    if compression := kind.properties["packed_as"]:
        graph.add((node, DCAT.compressFormat, URIRef(MEDIA_TYPES + compression)))
    is_cube = kind.properties["media_type"] == media_types.N_TRIPLES
    scheme = iris.structure if is_cube else iris.standard(standard().version)
    graph.add((node, DCTERMS.conformsTo, URIRef(scheme)))
    return node


def add_endpoint(graph: Graph, iris: Iris, release: Release) -> URIRef:
    """Add the SPARQL endpoint as a distribution, which relates service and dataset (DIGG's recommendation 6)."""
    node = URIRef(iris.release_part(release.dataset, release.version, "sparql"))
    _add_common(graph, iris, release, node)
    for language in LANGUAGES:
        graph.add((node, DCTERMS.title, Literal(messages(language, "publisher")("catalogue.sparql"), lang=language)))
        description = messages(language, "publisher")("catalogue.sparql_description")
        graph.add((node, DCTERMS.description, Literal(description, lang=language)))
    graph.add((node, DCAT.accessURL, URIRef(iris.endpoint)))
    graph.add((node, DCAT.accessService, URIRef(iris.service)))
    graph.add((node, DCTERMS.format, SPARQL_RESULTS))
    graph.add((node, DCAT.mediaType, URIRef(MEDIA_TYPES + media_types.SPARQL_JSON)))
    return node


def _add_rights(graph: Graph, iris: Iris, release: Release) -> URIRef:
    """Add the version's rights statement, in the terms of ODRS as the Swedish profile has it; return its node.

    A licence that requires attribution has the wording to use, with the page to link to.
    """
    node = URIRef(iris.release_part(release.dataset, release.version, "rights"))
    about = release.about
    graph.add((node, RDF.type, DCTERMS.RightsStatement))
    graph.add((node, RDF.type, ODRS.RightsStatement))
    texts = {}
    for language in LANGUAGES:
        title = about.titles.get(language) or next(iter(about.titles.values()))
        params = {"publisher": about.publisher_name or MISSION, "title": title}
        texts[language] = messages(language, "publisher")(f"rights.{about.licence}", **params)
    add_texts(graph, node, RDFS.label, texts)
    if about.licence == ATTRIBUTION:
        add_texts(graph, node, ODRS.attributionText, texts)
        graph.add((node, ODRS.attributionURL, URIRef(iris.page(release.dataset, release.version))))
    return node


def add_checksum(graph: Graph, iris: Iris, resource: URIRef, sha256: str) -> None:
    """Add the SHA-256 checksum of a file."""
    # An IRI and no blank node, of which a reader of both the feed and the graph would see two.
    node = URIRef(iris.checksum(str(resource)))
    graph.add((resource, SPDX.checksum, node))
    graph.add((node, RDF.type, SPDX.Checksum))
    graph.add((node, SPDX.algorithm, SPDX.checksumAlgorithm_sha256))
    graph.add((node, SPDX.checksumValue, Literal(sha256, datatype=XSD.hexBinary)))


def _add_common(graph: Graph, iris: Iris, release: Release, node: URIRef) -> None:
    licence = register.codes("licences")[release.about.licence]
    graph.add((node, RDF.type, DCAT.Distribution))
    graph.add((node, DCTERMS.license, URIRef(licence.properties["rdf_iri"])))
    graph.add((node, DCTERMS.rights, _add_rights(graph, iris, release)))
    graph.add((node, DCTERMS.issued, moment(release.issued_at)))
    graph.add((node, DCATAP.availability, STABLE))


def _content(name: str, language: str) -> str:
    """Return the label of the file's table, or of all tables together."""
    resource = name.partition(".")[0]
    is_table = resource in RESOURCES and not name.endswith(".xlsx")
    return standard()[resource].label(language) if is_table else messages(language, "publisher")("catalogue.all_tables")
