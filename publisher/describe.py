"""What a release says of itself, as RDF: DCAT-AP-SE 3.0.1, PROV, the areas, actors, investments and targets.

Tables of the profile: DOMAIN section 4 (read from DIGG's RDForms bundle 3.0.1). Small graphs, so rdflib.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rdflib import DCTERMS, FOAF, PROV, QB, RDF, RDFS, SKOS, XSD, BNode, Graph, Literal, Namespace, URIRef

from vaven.publisher.places import Place
from vaven.publisher.release import Release, read_rows
from vaven.schemas.tables import About
from vaven.vocab import register
from vaven.vocab.areas import areas
from vaven.vocab.concepts import CIDS, add_age, add_area, add_texts, new_graph
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.periods import parse_period

# rdflib's own DCAT is closed and of version 2, without dcat:version and dcat:DatasetSeries.
DCAT = Namespace(NAMESPACES["dcat"])
VCARD = Namespace(NAMESPACES["vcard"])
SPDX = Namespace(NAMESPACES["spdx"])
GEO = Namespace(NAMESPACES["geo"])
LANGUAGE_IRIS = {
    "sv": "http://publications.europa.eu/resource/authority/language/SWE",
    "en": "http://publications.europa.eu/resource/authority/language/ENG",
}
PUBLIC = URIRef("http://publications.europa.eu/resource/authority/access-right/PUBLIC")
MISSION = "Den sociala väven"


def describe(release: Release, iris: Iris, files: Sequence[Mapping[str, Any]]) -> Graph:
    """The graph of `metadata.ttl`. `files` are name, media_type, size and sha256 of the release's data files."""
    graph = new_graph(iris)
    dataset = URIRef(iris.dataset(release.dataset))
    version = URIRef(iris.dataset(release.dataset, release.version))
    distributions = [_add_distribution(graph, iris, release, file) for file in files]
    for node in (dataset, version):
        _add_dataset(graph, iris, release, node)
        for distribution in distributions:
            graph.add((node, DCAT.distribution, distribution))
    graph.add((dataset, RDF.type, QB.DataSet))
    graph.add((dataset, QB.structure, URIRef(iris.structure)))
    add_texts(graph, dataset, RDFS.label, release.about.titles)
    graph.add((dataset, DCAT.hasVersion, version))
    graph.add((version, DCAT.isVersionOf, dataset))
    if release.version > 1:
        graph.add((version, DCAT.prev, URIRef(iris.dataset(release.dataset, release.version - 1))))
        graph.add((version, PROV.wasRevisionOf, URIRef(iris.dataset(release.dataset, release.version - 1))))
    _add_provenance(graph, iris, release, version)
    _add_surroundings(graph, iris, release)
    return graph


def catalogue(iris: Iris, released: Mapping[str, About]) -> Graph:
    """The dcat:Catalog with the datasets by slug, its own publisher, licence and SPARQL service."""
    graph = new_graph(iris)
    node = URIRef(iris.catalogue)
    graph.add((node, RDF.type, DCAT.Catalog))
    for language in LANGUAGES:
        words = messages(language)
        graph.add((node, DCTERMS.title, Literal(words("catalogue.title"), lang=language)))
        graph.add((node, DCTERMS.description, Literal(words("catalogue.description"), lang=language)))
        graph.add((node, DCTERMS.language, URIRef(LANGUAGE_IRIS[language])))
    graph.add(
        (node, DCTERMS.publisher, _add_agent(graph, iris.organisation("den-sociala-vaven"), MISSION, "civil-society"))
    )
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")["cc0"].properties["iri"])))
    graph.add((node, FOAF.homepage, URIRef(iris.base)))
    graph.add((node, DCTERMS.spatial, URIRef("http://publications.europa.eu/resource/authority/country/SWE")))
    graph.add((node, DCAT.themeTaxonomy, URIRef("http://publications.europa.eu/resource/authority/data-theme")))
    graph.add((node, DCAT.service, _add_service(graph, iris, released)))
    for slug in released:
        graph.add((node, DCAT.dataset, URIRef(iris.dataset(slug))))
    return graph


def _add_dataset(graph: Graph, iris: Iris, release: Release, node: URIRef) -> None:
    about = release.about
    graph.add((node, RDF.type, DCAT.Dataset))
    add_texts(graph, node, DCTERMS.title, about.titles)
    # The description is mandatory; a partner who wrote none gets the title said once more, not an invention.
    add_texts(graph, node, DCTERMS.description, {**about.titles, **{k: v for k, v in about.descriptions.items() if v}})
    graph.add((node, DCTERMS.publisher, _publisher(graph, iris, about)))
    graph.add((node, DCTERMS.issued, _moment(release)))
    graph.add((node, DCTERMS.modified, _moment(release)))
    graph.add((node, DCAT.version, Literal(str(release.version))))
    graph.add((node, DCTERMS.identifier, Literal(str(node))))
    graph.add((node, DCTERMS.accessRights, PUBLIC))
    graph.add((node, DCTERMS.conformsTo, URIRef(iris.structure)))
    graph.add((node, DCAT.landingPage, URIRef(f"{iris.base}dataset/{release.dataset}")))
    for language, words in about.keywords.items():
        for word in words:
            graph.add((node, DCAT.keyword, Literal(word, lang=language)))
    for theme in {register.kpis()[slug].theme for slug in release.kpis}:
        graph.add((node, DCAT.theme, URIRef(register.themes()[theme].data_theme)))
    if about.version_note:
        graph.add((node, URIRef("http://www.w3.org/ns/adms#versionNotes"), Literal(about.version_note, lang="sv")))
    graph.add((node, DCTERMS.temporal, _add_span(graph, *release.period)))
    for kommun in sorted({place.kommun for place in release.places.values() if place.kommun}):
        graph.add((node, DCTERMS.spatial, add_area(graph, iris, areas().kommuner[kommun])))
    if about.contact_email:
        graph.add((node, DCAT.contactPoint, _add_contact(graph, about)))


def _add_distribution(graph: Graph, iris: Iris, release: Release, file: Mapping[str, Any]) -> URIRef:
    node = URIRef(iris.distribution(release.dataset, release.version, file["name"]))
    address = URIRef(f"{iris.base}dataset/{release.dataset}/{release.version}/{file['name']}")
    graph.add((node, RDF.type, DCAT.Distribution))
    graph.add((node, DCTERMS.title, Literal(file["name"])))
    graph.add((node, DCAT.accessURL, URIRef(f"{iris.base}dataset/{release.dataset}/{release.version}")))
    graph.add((node, DCAT.downloadURL, address))
    # The Swedish profile puts the MIME type here, where the EU profile expects a file-type authority IRI.
    graph.add((node, DCTERMS.format, Literal(file["media_type"])))
    graph.add((node, DCAT.byteSize, Literal(file["size"], datatype=XSD.nonNegativeInteger)))
    graph.add((node, DCTERMS.license, URIRef(register.codes("licences")[release.about.licence].properties["iri"])))
    graph.add((node, DCTERMS.issued, _moment(release)))
    available = URIRef("http://publications.europa.eu/resource/authority/planned-availability/STABLE")
    graph.add((node, URIRef(NAMESPACES["dcatap"] + "availability"), available))
    checksum = BNode()
    graph.add((node, SPDX.checksum, checksum))
    graph.add((checksum, RDF.type, SPDX.Checksum))
    graph.add((checksum, SPDX.algorithm, SPDX.checksumAlgorithm_sha256))
    graph.add((checksum, SPDX.checksumValue, Literal(file["sha256"], datatype=XSD.hexBinary)))
    return node


def _add_service(graph: Graph, iris: Iris, released: Iterable[str]) -> URIRef:
    node = URIRef(iris.service)
    graph.add((node, RDF.type, DCAT.DataService))
    for language in LANGUAGES:
        graph.add((node, DCTERMS.title, Literal(messages(language)("catalogue.sparql"), lang=language)))
    graph.add((node, DCAT.endpointURL, URIRef(iris.base + "sparql")))
    graph.add((node, DCAT.endpointDescription, URIRef(iris.base + "sparql")))
    graph.add((node, DCTERMS.format, Literal("application/sparql-results+json")))
    graph.add((node, DCTERMS.accessRights, PUBLIC))
    for slug in released:
        graph.add((node, DCAT.servesDataset, URIRef(iris.dataset(slug))))
    return node


def _publisher(graph: Graph, iris: Iris, about: About) -> URIRef:
    key = about.publisher_number or f"{about.slug}-publisher"
    node = _add_agent(graph, iris.organisation(key), about.publisher_name or MISSION, about.publisher_sector)
    if about.publisher_number:
        graph.add((node, DCTERMS.identifier, Literal(about.publisher_number)))
    return node


def _add_agent(graph: Graph, iri: str, name: str, sector: str) -> URIRef:
    node = URIRef(iri)
    kind = register.codes("sectors")[sector or "civil-society"].properties["adms_iri"]
    graph.add((node, RDF.type, FOAF.Agent))
    graph.add((node, FOAF.name, Literal(name, lang="sv")))
    graph.add((node, DCTERMS.type, URIRef(kind)))
    return node


def _add_contact(graph: Graph, about: About) -> BNode:
    node = BNode()
    graph.add((node, RDF.type, VCARD.Organization))
    graph.add((node, VCARD.fn, Literal(about.contact_name or about.publisher_name or about.contact_email)))
    graph.add((node, VCARD.hasEmail, URIRef(f"mailto:{about.contact_email}")))
    return node


def _add_span(graph: Graph, first: object, last: object) -> BNode:
    node = BNode()
    graph.add((node, RDF.type, DCTERMS.PeriodOfTime))
    graph.add((node, DCAT.startDate, Literal(first, datatype=XSD.date)))
    graph.add((node, DCAT.endDate, Literal(last, datatype=XSD.date)))
    return node


def _moment(release: Release) -> Literal:
    return Literal(f"{release.released_at:%Y-%m-%dT%H:%M:%SZ}", datatype=XSD.dateTime)


def _add_provenance(graph: Graph, iris: Iris, release: Release, version: URIRef) -> None:
    """How the release came to be (PROV-O): made by an activity from a submission that is known by its hash alone."""
    activity, submission = URIRef(f"{version}#release"), URIRef(f"{version}#submission")
    graph.add((version, PROV.wasGeneratedBy, activity))
    graph.add((version, PROV.wasDerivedFrom, submission))
    graph.add((version, PROV.generatedAtTime, _moment(release)))
    graph.add((activity, RDF.type, PROV.Activity))
    graph.add((activity, PROV.used, submission))
    graph.add((activity, PROV.used, URIRef(iris.structure)))
    graph.add((submission, RDF.type, PROV.Entity))


def _add_surroundings(graph: Graph, iris: Iris, release: Release) -> None:
    """What the observations speak of: periods, ages, areas, and the actors, investments and targets."""
    for text in release.periods:
        _add_period(graph, iris, text)
    for age in release.ages:
        add_age(graph, iris, age)
    for place in release.places.values():
        _add_place(graph, iris, place)
    actors = {row["id"]: _add_actor(graph, iris, release, row) for row in read_rows(release.table("actors"))}
    for row in read_rows(release.table("investments")):
        _add_investment(graph, iris, release, row, actors)
    for row in read_rows(release.table("targets")):
        _add_target(graph, iris, release, row)


def _add_period(graph: Graph, iris: Iris, text: str) -> URIRef:
    period, node = parse_period(text), URIRef(iris.period(text))
    graph.add((node, RDF.type, DCTERMS.PeriodOfTime))
    graph.add((node, RDFS.label, Literal(text)))
    graph.add((node, DCAT.startDate, Literal(period.start, datatype=XSD.date)))
    graph.add((node, DCAT.endDate, Literal(period.end, datatype=XSD.date)))
    return node


def _add_place(graph: Graph, iris: Iris, place: Place) -> None:
    node = URIRef(place.iri(iris))
    area = (
        None
        if place.division == "own"
        else areas().find(place.code, place.division[-4:] if place.division[-4:].isdecimal() else None)
    )
    if area:
        add_area(graph, iris, area)
    else:
        graph.add((node, RDF.type, URIRef(iris.ontology + "Area")))
        graph.add((node, RDF.type, SKOS.Concept))
        graph.add((node, SKOS.inScheme, URIRef(iris.scheme("area"))))
        graph.add((node, SKOS.notation, Literal(place.code)))
        if place.kommun in areas().kommuner:
            graph.add((node, SKOS.broader, add_area(graph, iris, areas().kommuner[place.kommun])))
    graph.add((node, RDFS.label, Literal(place.name, lang="sv")))
    for part in place.parts:
        if inside := areas().find(part):
            graph.add((node, DCTERMS.hasPart, add_area(graph, iris, inside)))
    if place.geometry:
        shape = BNode()
        graph.add((node, GEO.hasGeometry, shape))
        graph.add((shape, GEO.asGeoJSON, Literal(place.geometry, datatype=GEO.geoJSONLiteral)))


def _add_actor(graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any]) -> URIRef:
    key = row["organisation_number"] or f"{release.dataset}-{row['id']}"
    node = _add_agent(graph, iris.organisation(key), row["name"], row["sector"])
    graph.add((node, RDF.type, CIDS.Organization))
    graph.add((node, RDF.type, PROV.Organization))
    return node


def _add_investment(
    graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any], actors: Mapping[str, URIRef]
) -> None:
    node, ours = URIRef(iris.investment(f"{release.dataset}.{row['id']}")), Namespace(iris.ontology)
    graph.add((node, RDF.type, ours.Investment))
    graph.add((node, RDF.type, CIDS.Activity))
    graph.add((node, RDFS.label, Literal(row["name"], lang="sv")))
    graph.add((node, DCTERMS.isPartOf, URIRef(iris.dataset(release.dataset))))
    if row["description"]:
        graph.add((node, DCTERMS.description, Literal(row["description"], lang="sv")))
    graph.add((node, ours.investmentKind, Literal(row["kind"])))
    if row["target_group"]:
        graph.add((node, ours.targetGroup, Literal(row["target_group"], lang="sv")))
    graph.add((node, DCAT.startDate, Literal(row["start"], datatype=XSD.date)))
    if row["end"]:
        graph.add((node, DCAT.endDate, Literal(row["end"], datatype=XSD.date)))
    if row["amount"] is not None:
        graph.add((node, ours.amount, _decimal(row["amount"])))
    for column, predicate in (("neighbourhoods", ours.neighbourhood), ("comparison_areas", ours.comparisonArea)):
        for code in split(row[column]):
            graph.add((node, predicate, URIRef(release.places[code].iri(iris))))
    for slug in split(row["kpis"]):
        graph.add((node, ours.targetedKpi, URIRef(iris.kpi(slug))))
    for actor in split(row["actors"]):
        graph.add((node, ours.actor, actors[actor]))


def _add_target(graph: Graph, iris: Iris, release: Release, row: Mapping[str, Any]) -> None:
    node = URIRef(iris.target(release.dataset, row["neighbourhood"], row["kpi"], row["period"]))
    ours = Namespace(iris.ontology)
    graph.add((node, RDF.type, ours.Target))
    graph.add((node, DCTERMS.isPartOf, URIRef(iris.dataset(release.dataset))))
    graph.add((node, ours.neighbourhood, URIRef(release.places[row["neighbourhood"]].iri(iris))))
    graph.add((node, CIDS.forIndicator, URIRef(iris.kpi(row["kpi"]))))
    graph.add((node, ours.targetPeriod, _add_period(graph, iris, row["period"])))
    graph.add((node, ours.targetValue, _decimal(row["target_value"])))
    graph.add((node, ours.baselinePeriod, _add_period(graph, iris, row["baseline_period"])))
    graph.add((node, ours.baselineValue, _decimal(row["baseline_value"])))


def split(cell: str | None) -> list[str]:
    """The parts of a list cell; the standard separates them by semicolons."""
    return [part.strip() for part in (cell or "").split(";") if part.strip()]


def _decimal(number: object) -> Literal:
    return Literal(str(number), datatype=XSD.decimal)
