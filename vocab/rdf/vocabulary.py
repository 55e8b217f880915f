"""Vocabulary as RDF: ontology and structure from Turtle files, SKOS concept schemes from the register.

It is generated for a base IRI and not stored. Areas are added per release (publisher/metadata), since 6,000 of them
would bury the rest of the vocabulary.
"""

from importlib.resources import files

from rdflib import DCTERMS, RDF, RDFS, SKOS, Graph, Literal, Namespace, URIRef

from vaven.vocab import register
from vaven.vocab.areas import Area, areas
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.rdf.cids import add_impact_theme, add_indicator, unit_names
from vaven.vocab.rdf.example_queries import add_examples
from vaven.vocab.rdf.literals import add_name, add_texts, decimal, new_graph
from vaven.vocab.rdf.mappings import add_match, add_registers
from vaven.vocab.rdf.namespaces import GEO, SDMX_CODE

# Files of the namespace `ns#`.
ONTOLOGY_FILES = ("ontology.ttl", "structure.ttl")
SCHEMES = {
    "kpi": ("Nyckeltal", "KPIs"),
    "theme": ("Teman", "Themes"),
    "area": ("Områden", "Areas"),
    "age": ("Åldersgrupper", "Age groups"),
    "status": ("Observationsstatus", "Observation status"),
    "method": ("Metoder", "Methods"),
    "sector": ("Sektorer", "Sectors"),
    "rule": ("Regler", "Rules"),
}
# Schemes of top concepts only. A KPI is narrower than its theme, which is in another scheme; an area than another area.
FLAT = ("theme", "age", "status", "method", "sector", "rule")


def vocabulary(iris: Iris) -> Graph:
    """Return ontology, data structure, concept schemes (without areas and rules), example queries: 1,500 triples."""
    graph = new_graph(iris)
    for name in ONTOLOGY_FILES:
        graph.parse(data=(files(__package__) / name).read_text("utf-8"), format="turtle", publicID=iris.base)
    for name in SCHEMES:
        _add_scheme(graph, iris, name)
    for theme in register.themes().values():
        add_impact_theme(graph, add_concept(graph, iris, "theme", iris.theme(theme.id), theme), theme)
    for kpi in register.kpis().values():
        _add_kpi(graph, iris, kpi)
    _add_codes(graph, iris)
    add_examples(graph, iris)
    for unit, names in unit_names().items():
        add_texts(graph, URIRef(unit), RDFS.label, names)
        add_name(graph, URIRef(unit), names)
    add_registers(graph, iris)
    # Only for schemes whose concepts are here; ages and areas come per release, with skos:topConceptOf alone.
    add_top_concepts(graph)
    return graph


def add_top_concepts(graph: Graph) -> None:
    """Add skos:hasTopConcept, the inverse of skos:topConceptOf."""
    for concept, scheme in list(graph.subject_objects(SKOS.topConceptOf)):
        graph.add((scheme, SKOS.hasTopConcept, concept))


def add_concept(graph: Graph, iris: Iris, scheme: str, iri: str, words: register.Labelled) -> URIRef:
    """Add a SKOS concept of one of our schemes with its labels and definitions."""
    concept = URIRef(iri)
    graph.add((concept, RDF.type, SKOS.Concept))
    graph.add((concept, SKOS.inScheme, URIRef(iris.scheme(scheme))))
    if scheme in FLAT:
        graph.add((concept, SKOS.topConceptOf, URIRef(iris.scheme(scheme))))
    graph.add((concept, SKOS.notation, Literal(words.id)))
    add_texts(graph, concept, SKOS.prefLabel, words.labels)
    add_name(graph, concept, words.labels)
    add_texts(graph, concept, SKOS.definition, words.definitions)
    return concept


def add_age(graph: Graph, iris: Iris, group: str) -> None:
    """An age group as a concept: 16-24, 80+, 7, or T for all ages."""
    ages = group.replace("-", "–")
    words = {"sv": f"{ages} år", "en": f"{ages} years"}
    if group == register.TOTAL:
        words = {"sv": "alla åldrar", "en": "all ages"}
    add_concept(graph, iris, "age", iris.age(group), register.Labelled(group, words))


def add_area(graph: Graph, iris: Iris, area: Area) -> URIRef:
    """Add an official area and the areas that contain it: a DeSO's or RegSO's kommun, a kommun's län."""
    label = area.name if area.level in ("kommun", "lan") else f"{area.name} ({area.code})" if area.name else area.code
    node = add_concept(
        graph, iris, "area", iris.area(area.area_vintage, area.code), register.Labelled(area.code, {"sv": label})
    )
    graph.add((node, RDF.type, URIRef(iris.ontology + "Area")))
    graph.add((node, DCTERMS.identifier, Literal(area.code)))
    if area.level == "kommun":
        _add_within(graph, iris, node, areas().lan[area.code[:2]])
        add_geometry(graph, iris, node, areas().outlines[area.code])
    elif area.level == "lan":
        graph.add((node, SKOS.topConceptOf, URIRef(iris.scheme("area"))))
    else:
        _add_within(graph, iris, node, areas().kommuner[area.kommun])
    return node


def add_geometry(graph: Graph, iris: Iris, node: URIRef, geometry: str) -> None:
    """Add a geometry as a GeoJSON literal (GeoSPARQL 1.1, section 8.5.3)."""
    shape = URIRef(iris.geometry(str(node)))
    graph.add((node, GEO.hasGeometry, shape))
    graph.add((shape, RDF.type, GEO.Geometry))
    graph.add((shape, GEO.asGeoJSON, Literal(geometry, datatype=GEO.geoJSONLiteral)))


def _add_within(graph: Graph, iris: Iris, node: URIRef, outer: Area) -> None:
    around = URIRef(iris.area(outer.area_vintage, outer.code))
    # Thousands of areas share a few containing areas, which are added once.
    if (around, SKOS.notation, None) not in graph:
        add_area(graph, iris, outer)
    graph.add((node, SKOS.broader, around))


def _add_scheme(graph: Graph, iris: Iris, name: str) -> None:
    scheme = URIRef(iris.scheme(name))
    swedish, english = SCHEMES[name]
    graph.add((scheme, RDF.type, SKOS.ConceptScheme))
    add_texts(graph, scheme, SKOS.prefLabel, {"sv": swedish, "en": english})
    add_texts(graph, scheme, DCTERMS.title, {"sv": swedish, "en": english})


def _add_kpi(graph: Graph, iris: Iris, kpi: register.Kpi) -> None:
    node = add_concept(graph, iris, "kpi", iris.kpi(kpi.id), kpi)
    ours = Namespace(iris.ontology)
    graph.add((node, RDF.type, ours.Kpi))
    add_indicator(graph, iris, node, kpi)
    graph.add((node, SKOS.broader, URIRef(iris.theme(kpi.theme))))
    graph.add((node, URIRef(NAMESPACES["sdmx-attribute"] + "unitMeasure"), URIRef(kpi.unit_iri)))
    graph.add((node, ours.indicates, URIRef(kpi.cids_class)))
    graph.add((node, ours.direction, Literal(kpi.direction)))
    graph.add((node, ours.tier, Literal(kpi.tier)))
    add_texts(graph, node, DCTERMS.source, kpi.sources)
    for predicate, number in (
        (ours.multiplier, kpi.multiplier),
        (ours.minimum, kpi.minimum),
        (ours.maximum, kpi.maximum),
    ):
        if number is not None:
            graph.add((node, predicate, decimal(number)))
    for match in kpi.matches:
        add_match(graph, iris, node, match)


def _add_codes(graph: Graph, iris: Iris) -> None:
    for name, mint in (("statuses", iris.status), ("methods", iris.method), ("sectors", iris.sector)):
        for code in register.codes(name).values():
            scheme = {"statuses": "status", "methods": "method", "sectors": "sector"}[name]
            node = add_concept(graph, iris, scheme, mint(code.id), code)
            if same := code.properties.get("sdmx_iri"):
                graph.add((node, SKOS.exactMatch, URIRef(same)))
    _add_sexes(graph)


def _add_sexes(graph: Graph) -> None:
    sexes, labels = SDMX_CODE.sex, {"sv": "Kön", "en": "Sex"}
    graph.add((sexes, RDF.type, SKOS.ConceptScheme))
    # DCAT-AP also requires a title for every concept scheme.
    for predicate in (SKOS.prefLabel, DCTERMS.title):
        add_texts(graph, sexes, predicate, labels)
    for code in register.codes("sexes").values():
        node = URIRef(code.properties["sdmx_iri"])
        graph.add((node, RDF.type, SKOS.Concept))
        graph.add((node, RDF.type, SDMX_CODE.Sex))
        graph.add((node, SKOS.inScheme, sexes))
        graph.add((node, SKOS.topConceptOf, sexes))
        graph.add((node, SKOS.notation, Literal(code.id)))
        add_texts(graph, node, SKOS.prefLabel, code.labels)
        add_texts(graph, node, RDFS.label, code.labels)
        add_name(graph, node, code.labels)
