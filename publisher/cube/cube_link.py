"""A release as a cube:Cube of cube.link, with the constraint that its tools use to validate and to draw it.

cube.link (https://cube.link/, "Cube Schema") publishes the shape of the observations as SHACL beside them. The shape
follows from the release's columns: the terms of each dimension, the range of each number, and the missing values.
docs/cube.md describes how the two cube vocabularies are combined.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from rdflib import DCTERMS, PROV, QB, RDF, RDFS, SKOS, XSD, BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.namespace import SH, TIME
from rdflib.term import Node

from vaven.publisher.cube.column_statistics import ColumnStatistics, column_statistics
from vaven.publisher.rdf.agents import publisher_key
from vaven.publisher.releases.release import Release
from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.periods import parse_period
from vaven.vocab.rdf.namespaces import (
    CIDS,
    CUBE,
    I72,
    META,
    QUDT,
    RELATION,
    SDMX_ATTRIBUTE,
    SDMX_DIMENSION,
    SDMX_MEASURE,
    SDO,
    TOVE,
)

# The terms by which Swiss federal applications find cubes; cube.link's profiles know no others.
PUBLISHED = URIRef("https://ld.admin.ch/vocabulary/CreativeWorkStatus/Published")
VISUALIZE = URIRef("https://ld.admin.ch/application/visualize")
# Properties of observations that are not dimensions: Data Cube's own, CIDS's, and free text.
IGNORED_PROPERTIES = (
    RDF.type, QB.dataSet, SDMX_ATTRIBUTE.comment, CIDS.forIndicator, CIDS.forOrganization, TOVE.hasName,
    PROV.startedAtTime, PROV.endedAtTime, I72.value,
)  # fmt: skip
# Data Cube attributes that become dimensions here if every observation has them: column, property, datatype.
COUNTS = (
    ("numerator", "numerator", XSD.decimal),
    ("denominator", "denominator", XSD.decimal),
    ("sample_size", "sampleSize", XSD.integer),
)
BOUNDS = (
    ("ci_lower", "ciLower", RELATION.ConfidenceLowerBound),
    ("ci_upper", "ciUpper", RELATION.ConfidenceUpperBound),
)
UNITS_OF_TIME = {"year": TIME.unitYear, "month": TIME.unitMonth}
Texts = Mapping[str, str]


@dataclass(frozen=True)
class DimensionValue:
    """A value of a coded dimension, whose names are added by whatever describes the term.

    `position` is its rank on an ordinal dimension; cube.link sorts by it.
    """

    iri: URIRef
    position: Literal | None = None


@dataclass(frozen=True)
class CubeGraph:
    """The graph that receives the constraint `shape`, with the values that every step needs."""

    graph: Graph
    iris: Iris
    release: Release
    statistics: ColumnStatistics
    shape: URIRef

    def own_property(self, name: str) -> URIRef:
        """Return the property of this name in the catalogue's own ontology."""
        return URIRef(self.iris.ontology + name)


def add_cube(graph: Graph, iris: Iris, release: Release) -> None:
    """Add the release's version as a cube:Cube with its constraint.

    `graph` must contain the areas already. Adds some 20 triples, 10 more for each dimension, and 2 or 3 for each of
    its terms.
    """
    cube = URIRef(iris.dataset(release.dataset, release.version))
    shape = URIRef(iris.constraint(release.dataset, release.version))
    observations = URIRef(iris.observation_set(release.dataset, release.version))
    _add_description(graph, iris, release, cube)
    graph.add((cube, CUBE.observationSet, observations))
    graph.add((observations, RDF.type, CUBE.ObservationSet))
    graph.add((cube, CUBE.observationConstraint, shape))
    graph.add((shape, RDF.type, CUBE.Constraint))
    graph.add((shape, RDF.type, SH.NodeShape))
    cube_graph = CubeGraph(graph, iris, release, column_statistics(release), shape)
    _add_keys(cube_graph)
    _add_measures(cube_graph)
    _add_attributes(cube_graph)
    _close_shape(cube_graph)


def _add_description(graph: Graph, iris: Iris, release: Release, cube: URIRef) -> None:
    """Describe the version in cube.link's terms; the dataset is its history ("Version History of Cubes")."""
    about, history = release.about, URIRef(iris.dataset(release.dataset))
    publisher = URIRef(iris.organisation(publisher_key(about)))
    graph.add((cube, RDF.type, CUBE.Cube))
    _add_names(graph, cube, SDO.name, about.titles)
    _add_names(graph, cube, SDO.description, about.descriptions)
    for role in (SDO.publisher, SDO.creator, SDO.contributor):
        graph.add((cube, role, publisher))
    graph.add((cube, SDO.contactPoint, URIRef(iris.contact(about.slug)) if about.contact_email else publisher))
    day = Literal(f"{release.issued_at:%Y-%m-%d}", datatype=XSD.date)
    for role in (SDO.dateCreated, SDO.datePublished, SDO.dateModified):
        graph.add((cube, role, day))
    graph.add((cube, SDO.version, Literal(release.version)))
    graph.add((cube, SDO.creativeWorkStatus, PUBLISHED))
    graph.add((cube, SDO.workExample, VISUALIZE))
    graph.add((history, RDF.type, SDO.CreativeWork))
    graph.add((history, SDO.hasPart, cube))


def _add_names(graph: Graph, node: Node, predicate: URIRef, texts: Texts) -> None:
    """Add the texts with language tags, or a single text without one.

    cube.link's tools show no Swedish, but they show literals without a language tag.
    """
    nonempty = {language: text for language, text in texts.items() if text}
    for language, text in nonempty.items():
        graph.add((node, predicate, Literal(text, lang=language) if len(nonempty) > 1 else Literal(text)))


def _add_keys(cube_graph: CubeGraph) -> None:
    """Add the five key dimensions of an observation, in the order of the data structure definition."""
    iris, release = cube_graph.iris, cube_graph.release
    areas = [URIRef(release.areas[code].iri(iris)) for code in cube_graph.statistics.codes["neighbourhood"]]
    area = _add_key(cube_graph, SDMX_DIMENSION.refArea, [DimensionValue(iri) for iri in areas])
    _add_area_levels(cube_graph, area, areas)
    kpis = [DimensionValue(URIRef(iris.kpi(slug))) for slug in release.kpis]
    _add_themes(cube_graph, _add_key(cube_graph, cube_graph.own_property("kpi"), kpis))
    periods = [DimensionValue(URIRef(iris.period(text)), Literal(text)) for text in release.periods]
    _add_data_kind(cube_graph, _add_key(cube_graph, SDMX_DIMENSION.refPeriod, periods, QUDT.OrdinalScale))
    sexes = register.codes("sexes")
    sex_terms = [DimensionValue(URIRef(sexes[s].properties["sdmx_iri"])) for s in cube_graph.statistics.codes["sex"]]
    _add_key(cube_graph, SDMX_DIMENSION.sex, sex_terms)
    # The position is the first year of age, not the rank in this release: another dataset has other age groups.
    ages = sorted(release.ages, key=_first_year)
    _add_key(
        cube_graph,
        SDMX_DIMENSION.age,
        [DimensionValue(URIRef(iris.age(age)), Literal(_first_year(age))) for age in ages],
        QUDT.OrdinalScale,
    )


def _first_year(age: str) -> int:
    """Return the first year of an age group; the total of all ages sorts before any other."""
    return -1 if age == register.TOTAL else int(age.partition("-")[0].rstrip("+"))


def _add_measures(cube_graph: CubeGraph) -> None:
    """Add the value, and the bounds of its confidence interval if the release has any."""
    kpis = [register.kpis()[slug] for slug in cube_graph.release.kpis]
    from_zero = all(kpi.minimum == 0 for kpi in kpis)
    scale = QUDT.RatioScale if from_zero else QUDT.IntervalScale
    value = _add_number(cube_graph, "value", SDMX_MEASURE.obsValue, XSD.decimal, scale)
    cube_graph.graph.add((value, RDF.type, CUBE.MeasureDimension))
    if len({(kpi.unit_iri, kpi.unit("en")) for kpi in kpis}) == 1:
        cube_graph.graph.add((value, QUDT.hasUnit, URIRef(kpis[0].unit_iri)))
    for column, name, relation in BOUNDS if cube_graph.statistics.has_interval else ():
        bound = _add_number(cube_graph, column, cube_graph.own_property(name), XSD.decimal, scale)
        relation_node = BNode()
        cube_graph.graph.add((bound, META.dimensionRelation, relation_node))
        cube_graph.graph.add((relation_node, RDF.type, relation))
        cube_graph.graph.add((relation_node, DCTERMS.type, Literal("Confidence interval")))
        cube_graph.graph.add((relation_node, META.relatesTo, SDMX_MEASURE.obsValue))


def _add_attributes(cube_graph: CubeGraph) -> None:
    """Add unit, status, observer, and each optional attribute that every observation has.

    cube.link has no optional dimensions. An attribute that some observations lack is no dimension: otherwise a value
    from a register would have to state an undefined number of respondents.
    """
    iris = cube_graph.iris
    units = dict.fromkeys(register.kpis()[slug].unit_iri for slug in cube_graph.release.kpis)
    _add_coded(cube_graph, SDMX_ATTRIBUTE.unitMeasure, [DimensionValue(URIRef(iri)) for iri in units])
    codes = cube_graph.statistics.codes
    _add_coded(cube_graph, SDMX_ATTRIBUTE.obsStatus, [DimensionValue(URIRef(iris.status(c))) for c in codes["status"]])
    if cube_graph.statistics.is_full("method"):
        terms = [DimensionValue(URIRef(iris.method(code))) for code in codes["method"]]
        _add_coded(cube_graph, cube_graph.own_property("method"), terms)
    for column, name, datatype in COUNTS:
        if cube_graph.statistics.is_full(column):
            _add_number(cube_graph, column, cube_graph.own_property(name), datatype, QUDT.RatioScale)
    observer = _add_property(cube_graph, CUBE.observedBy, SH.IRI)
    publisher = URIRef(iris.organisation(publisher_key(cube_graph.release.about)))
    cube_graph.graph.add((observer, SH["in"], _rdf_list(cube_graph.graph, [publisher])))


def _close_shape(cube_graph: CubeGraph) -> None:
    """Close the shape: observations have their dimensions and the ignored properties, and no others."""
    graph, shape = cube_graph.graph, cube_graph.shape
    constrained = {path for node in graph.objects(shape, SH.property) for path in graph.objects(node, SH.path)}
    optional = [cube_graph.own_property(name) for name in ("method", *(name for _, name, _ in COUNTS))]
    ignored = [*IGNORED_PROPERTIES, *(path for path in optional if path not in constrained)]
    graph.add((shape, SH.closed, Literal(True)))
    graph.add((shape, SH.ignoredProperties, _rdf_list(graph, ignored)))


def _add_property(cube_graph: CubeGraph, path: URIRef, node_kind: URIRef) -> BNode:
    """Add a property shape that requires exactly one value on every observation."""
    graph, node = cube_graph.graph, BNode()
    graph.add((cube_graph.shape, SH.property, node))
    graph.add((node, SH.path, path))
    graph.add((node, SH.nodeKind, node_kind))
    graph.add((node, SH.minCount, Literal(1)))
    graph.add((node, SH.maxCount, Literal(1)))
    return node


def _add_dimension(cube_graph: CubeGraph, path: URIRef, node_kind: URIRef, scale: URIRef) -> BNode:
    """Append a dimension with its names to the dimensions of the shape."""
    graph = cube_graph.graph
    order = len({*graph.objects(cube_graph.shape, SH.property)})
    node = _add_property(cube_graph, path, node_kind)
    for label in component_labels(cube_graph.iris)[path]:
        graph.add((node, SDO.name, label))
        graph.add((node, SH.name, label))
    graph.add((node, QUDT.scaleType, scale))
    graph.add((node, SH.order, Literal(order)))
    return node


def _add_key(
    cube_graph: CubeGraph, path: URIRef, terms: Sequence[DimensionValue], scale: URIRef = QUDT.NominalScale
) -> BNode:
    node = _add_coded(cube_graph, path, terms, scale)
    cube_graph.graph.add((node, RDF.type, CUBE.KeyDimension))
    return node


def _add_coded(
    cube_graph: CubeGraph, path: URIRef, terms: Sequence[DimensionValue], scale: URIRef = QUDT.NominalScale
) -> BNode:
    graph = cube_graph.graph
    node = _add_dimension(cube_graph, path, SH.IRI, scale)
    graph.add((node, SH["in"], _rdf_list(graph, [term.iri for term in terms])))
    for term in terms:
        if term.position is not None:
            graph.add((term.iri, SDO.position, term.position))
    return node


def _add_number(cube_graph: CubeGraph, column: str, path: URIRef, datatype: URIRef, scale: URIRef) -> BNode:
    """Add a numeric dimension with the range of its column, or cube:Undefined if values are missing."""
    graph, numbers = cube_graph.graph, cube_graph.statistics.numbers[column]
    node = _add_dimension(cube_graph, path, SH.Literal, scale)
    ranged: Node = node
    if not cube_graph.statistics.is_full(column):
        ranged, undefined = BNode(), BNode()
        graph.add((undefined, SH.datatype, CUBE.Undefined))
        graph.add((node, SH["or"], _rdf_list(graph, [ranged, undefined])))
    graph.add((ranged, SH.datatype, datatype))
    for limit, text in ((SH.minInclusive, numbers.lowest), (SH.maxInclusive, numbers.highest)):
        if text:
            graph.add((ranged, limit, Literal(text, datatype=datatype)))
    return node


def _add_data_kind(cube_graph: CubeGraph, node: BNode) -> None:
    """Mark a dimension as temporal, with the unit if all periods are years or all are months."""
    kinds, kind = {parse_period(text).kind for text in cube_graph.release.periods}, BNode()
    cube_graph.graph.add((node, META.dataKind, kind))
    cube_graph.graph.add((kind, RDF.type, TIME.GeneralDateTimeDescription))
    if unit := UNITS_OF_TIME.get(min(kinds)) if len(kinds) == 1 else None:
        cube_graph.graph.add((kind, TIME.unitType, unit))


def _add_area_levels(cube_graph: CubeGraph, node: BNode, areas: Sequence[URIRef]) -> None:
    """Add the levels county, municipality and area, without partners' own areas outside all municipalities."""
    graph = cube_graph.graph
    outer_areas = (outer for area in areas for outer in graph.transitive_objects(area, SKOS.broader) if outer != area)
    ancestors = {outer for outer in outer_areas if outer}
    roots = {outer for outer in ancestors if not graph.value(outer, SKOS.broader)}
    if roots:
        _add_hierarchy(
            cube_graph, node, roots, "cube.areas", ("cube.kommun", "cube.area"), cube_graph.own_property("Area")
        )


def _add_themes(cube_graph: CubeGraph, node: BNode) -> None:
    themes = {register.kpis()[slug].theme for slug in cube_graph.release.kpis}
    roots = [URIRef(cube_graph.iris.theme(slug)) for slug in themes]
    _add_hierarchy(cube_graph, node, roots, "cube.themes", ("cube.kpi",), cube_graph.own_property("Kpi"))


def _add_hierarchy(
    cube_graph: CubeGraph, node: BNode, roots: Iterable[Node], name: str, levels: Sequence[str], kind: URIRef
) -> None:
    """Add a hierarchy from its roots down, level by level against skos:broader, to the members of a class."""
    graph, hierarchy = cube_graph.graph, BNode()
    graph.add((node, META.inHierarchy, hierarchy))
    graph.add((hierarchy, RDF.type, META.Hierarchy))
    _add_names(graph, hierarchy, SDO.name, _texts(name))
    for root in roots:
        graph.add((hierarchy, META.hierarchyRoot, root))
    above: Node = hierarchy
    for level in levels:
        below, path = BNode(), BNode()
        graph.add((above, META.nextInHierarchy, below))
        graph.add((path, SH.inversePath, SKOS.broader))
        graph.add((below, SH.path, path))
        graph.add((below, SH.targetClass, kind))
        _add_names(graph, below, SDO.name, _texts(level))
        above = below


def _texts(key: str) -> dict[str, str]:
    return {language: messages(language, "publisher")(key) for language in LANGUAGES}


def _rdf_list(graph: Graph, members: Sequence[Node]) -> Node:
    return Collection(graph, BNode(), [*members]).uri


@lru_cache(maxsize=4)
def component_labels(iris: Iris) -> Mapping[Node, tuple[Literal, ...]]:
    """Return the labels of the cube's components, from the vocabulary's own Turtle."""
    graph = Graph()
    for name in ("ontology.ttl", "structure.ttl"):
        graph.parse(data=(files("vaven.vocab.rdf") / name).read_text("utf-8"), format="turtle", publicID=iris.base)
    properties = {node for node in graph.subjects(RDFS.label) if (node, RDF.type, RDF.Property) in graph}
    return {node: tuple(o for o in graph.objects(node, RDFS.label) if isinstance(o, Literal)) for node in properties}
