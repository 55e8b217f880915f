"""Mappings of our KPIs to outside registers, in SKOS and SSSOM (https://w3id.org/sssom/).

Only verified mappings are published. Each mapping is a resource with its kind, reservation and status; its SKOS
statement asserts no more than the kind and the reservation allow.
"""

from rdflib import DCTERMS, FOAF, RDF, RDFS, SKOS, Graph, Literal, Namespace, URIRef

from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES
from vaven.vocab.rdf.namespaces import SSSOM
from vaven.vocab.register import Match

MANUAL = URIRef("https://w3id.org/semapv/vocab/ManualMappingCuration")
# "near" is the register's word for an indicator on the same subject that measures something else.
PREDICATES = {
    "exact": SKOS.exactMatch,
    "close": SKOS.closeMatch,
    "related": SKOS.relatedMatch,
    "near": SKOS.relatedMatch,
}


def add_registers(graph: Graph, iris: Iris) -> None:
    """Add the outside registers as concept schemes, which mappings refer to as their source."""
    for code in register.codes("outside_registers").values():
        node = URIRef(iris.scheme(code.id))
        graph.add((node, RDF.type, SKOS.ConceptScheme))
        graph.add((node, FOAF.homepage, URIRef(code.properties["homepage"])))
        properties = {SKOS.prefLabel: code.labels, DCTERMS.title: code.labels, DCTERMS.description: code.definitions}
        for predicate, texts in properties.items():
            for language, text in texts.items():
                graph.add((node, predicate, Literal(text, lang=language)))


def add_match(graph: Graph, iris: Iris, kpi: URIRef, match: Match) -> None:
    """Add a mapping of a KPI if it is verified."""
    if match.status != "verified":
        return
    ours, slug = Namespace(iris.ontology), str(kpi).rpartition("/")[2]
    node = URIRef(iris.match(slug, match.scheme, match.outside))
    graph.add((kpi, ours.match, node))
    for kind in (ours.Match, SSSOM.Mapping):
        graph.add((node, RDF.type, kind))
    graph.add((node, SSSOM.subject_id, kpi))
    graph.add((node, SSSOM.object_source, URIRef(iris.scheme(match.scheme))))
    graph.add((node, SSSOM.mapping_justification, MANUAL))
    graph.add((node, ours.matchStatus, Literal(match.status)))
    if match.kind:
        graph.add((node, ours.matchKind, Literal(match.kind)))
    for language in LANGUAGES if match.remark else ():
        graph.add((node, SSSOM.comment, Literal(match.reservation(language), lang=language)))
    if match.has_id:
        _add_target(graph, iris, kpi, node, match)
    else:
        graph.add((node, SSSOM.object_label, Literal(match.outside, lang="sv")))


def predicate(match: Match) -> URIRef | None:
    """Return the SKOS property of a mapping. "Exact" with a reservation is only related."""
    return SKOS.relatedMatch if match.kind == "exact" and match.remark else PREDICATES.get(match.kind)


def target(iris: Iris, match: Match) -> str:
    """Return the IRI of the outside entry: the register's own, or ours if it has none."""
    own = register.codes("outside_registers")[match.scheme].properties["iri"]
    return own.format(id=match.outside) if own else iris.outside(match.scheme, match.outside)


def page(match: Match) -> str:
    """Return the URL of a page about the outside entry, or "" if none is known."""
    return register.codes("outside_registers")[match.scheme].properties["page"].format(id=match.outside)


def _add_target(graph: Graph, iris: Iris, kpi: URIRef, node: URIRef, match: Match) -> None:
    outside = URIRef(target(iris, match))
    graph.add((node, SSSOM.object_id, outside))
    if mapping := predicate(match):
        graph.add((node, SSSOM.predicate_id, mapping))
        graph.add((kpi, mapping, outside))
    if not register.codes("outside_registers")[match.scheme].properties["iri"]:
        graph.add((outside, RDF.type, SKOS.Concept))
        for property_iri in (SKOS.inScheme, SKOS.topConceptOf):
            graph.add((outside, property_iri, URIRef(iris.scheme(match.scheme))))
        graph.add((outside, SKOS.notation, Literal(match.outside)))
        graph.add((outside, SKOS.prefLabel, Literal(f"{match.scheme.title()} {match.outside}")))
    if address := page(match):
        graph.add((outside, RDFS.seeAlso, URIRef(address)))
