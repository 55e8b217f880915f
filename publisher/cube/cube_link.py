"""A release as a cube of cube.link, with a constraint by which its tools validate and draw it.

cube.link (https://cube.link/, "Cube Schema") keeps the shape of observations as SHACL beside them. What the release's
columns hold decides the shape: which terms each dimension has, between what the numbers lie, and what is missing.
docs/cube.md says how the two vocabularies of cubes go together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from rdflib import DCTERMS, PROV, QB, RDF, RDFS, SKOS, XSD, BNode, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.namespace import SH, TIME
from rdflib.term import Node

from vaven.publisher.cube.value_ranges import ColumnStatistics, column_statistics
from vaven.publisher.rdf.agents import publisher_key
from vaven.publisher.releases.release import Release
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.messages import LANGUAGES, messages
from vaven.vocab.periods import parse_period
from vaven.vocab.rdf.vocabulary import CIDS

CUBE, META, RELATION, QUDT, SDO, TOVE, I72 = (
    Namespace(NAMESPACES[name]) for name in ("cube", "meta", "relation", "qudt", "sdo", "tove", "i72")
)
DIMENSION, MEASURE, ATTRIBUTE = (
    Namespace(NAMESPACES[f"sdmx-{kind}"]) for kind in ("dimension", "measure", "attribute")
)
# The words of Swiss federal applications, by which they look for cubes; cube.link's profiles know no others.
PUBLISHED = URIRef("https://ld.admin.ch/vocabulary/CreativeWorkStatus/Published")
VISUALIZE = URIRef("https://ld.admin.ch/application/visualize")
# What observations say beside their dimensions: Data Cube's own, CIDS's, and free text.
BESIDE = (
    RDF.type, QB.dataSet, ATTRIBUTE.comment, CIDS.forIndicator, CIDS.forOrganization, TOVE.hasName,
    PROV.startedAtTime, PROV.endedAtTime, I72.value,
)  # fmt: skip
# Data Cube's attributes that are dimensions here where every observation has them: column, property, datatype.
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
    """A value of a coded dimension; its names stand where it is described.

    `position` is its place where they are ordered; cube.link sorts by it.
    """

    iri: URIRef
    position: Literal | None = None


@dataclass(frozen=True)
class CubeGraph:
    """The graph that the constraint `shape` is drawn into, and what is asked of everywhere."""

    graph: Graph
    iris: Iris
    release: Release
    spread: ColumnStatistics
    shape: URIRef

    def ours(self, name: str) -> URIRef:
        return URIRef(self.iris.ontology + name)


def add_cube(graph: Graph, iris: Iris, release: Release) -> None:
    """The release's version as a cube:Cube with its constraint. `graph` has the areas already.

    Some 20 triples, 10 more for each dimension and 2 or 3 for each of its terms.
    """
    cube = URIRef(iris.dataset(release.dataset, release.version))
    shape = URIRef(iris.constraint(release.dataset, release.version))
    observations = URIRef(iris.observation_set(release.dataset, release.version))
    _add_about(graph, iris, release, cube)
    graph.add((cube, CUBE.observationSet, observations))
    graph.add((observations, RDF.type, CUBE.ObservationSet))
    graph.add((cube, CUBE.observationConstraint, shape))
    graph.add((shape, RDF.type, CUBE.Constraint))
    graph.add((shape, RDF.type, SH.NodeShape))
    drawing = CubeGraph(graph, iris, release, column_statistics(release), shape)
    _add_keys(drawing)
    _add_measures(drawing)
    _add_attributes(drawing)
    _close(drawing)


def _add_about(graph: Graph, iris: Iris, release: Release, cube: URIRef) -> None:
    """The version in cube.link's words; the dataset is its history ("Version History of Cubes")."""
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
    """In both languages, or else without any: cube.link's tools show no Swedish, but what has no language."""
    known = {language: text for language, text in texts.items() if text}
    for language, text in known.items():
        graph.add((node, predicate, Literal(text, lang=language) if len(known) > 1 else Literal(text)))


def _add_keys(drawing: CubeGraph) -> None:
    """The five dimensions by which an observation is known, in the order of the data structure definition."""
    iris, release = drawing.iris, drawing.release
    areas = [URIRef(release.places[code].iri(iris)) for code in drawing.spread.codes["neighbourhood"]]
    area = _add_key(drawing, DIMENSION.refArea, [DimensionValue(iri) for iri in areas])
    _add_area_levels(drawing, area, areas)
    kpis = [DimensionValue(URIRef(iris.kpi(slug))) for slug in release.kpis]
    _add_themes(drawing, _add_key(drawing, drawing.ours("kpi"), kpis))
    periods = [DimensionValue(URIRef(iris.period(text)), Literal(text)) for text in release.periods]
    _add_data_kind(drawing, _add_key(drawing, DIMENSION.refPeriod, periods, QUDT.OrdinalScale))
    sexes = register.codes("sexes")
    used = [DimensionValue(URIRef(sexes[s].properties["sdmx_iri"])) for s in drawing.spread.codes["sex"]]
    _add_key(drawing, DIMENSION.sex, used)
    # Not their place among the release's, since another dataset has others.
    ages = sorted(release.ages, key=_first_year)
    _add_key(
        drawing,
        DIMENSION.age,
        [DimensionValue(URIRef(iris.age(age)), Literal(_first_year(age))) for age in ages],
        QUDT.OrdinalScale,
    )


def _first_year(age: str) -> int:
    """Of an age group; that of all ages is before any other."""
    return -1 if age == "T" else int(age.partition("-")[0].rstrip("+"))


def _add_measures(drawing: CubeGraph) -> None:
    """The value, and the bounds of its interval where the release has any."""
    kpis = [register.kpis()[slug] for slug in drawing.release.kpis]
    from_zero = all(kpi.minimum == 0 for kpi in kpis)
    scale = QUDT.RatioScale if from_zero else QUDT.IntervalScale
    value = _add_number(drawing, "value", MEASURE.obsValue, XSD.decimal, scale)
    drawing.graph.add((value, RDF.type, CUBE.MeasureDimension))
    if len({(kpi.unit_iri, kpi.unit("en")) for kpi in kpis}) == 1:
        drawing.graph.add((value, QUDT.hasUnit, URIRef(kpis[0].unit_iri)))
    for column, name, relation in BOUNDS if drawing.spread.has_interval else ():
        bound, tie = _add_number(drawing, column, drawing.ours(name), XSD.decimal, scale), BNode()
        drawing.graph.add((bound, META.dimensionRelation, tie))
        drawing.graph.add((tie, RDF.type, relation))
        drawing.graph.add((tie, DCTERMS.type, Literal("Confidence interval")))
        drawing.graph.add((tie, META.relatesTo, MEASURE.obsValue))


def _add_attributes(drawing: CubeGraph) -> None:
    """Unit, status, who observed, and those of the optional attributes that no observation lacks.

    cube.link knows no optional dimensions. One that some observations lack is no dimension, as the alternative would
    be to state for a value from a register that its number of answers is undefined.
    """
    iris = drawing.iris
    units = dict.fromkeys(register.kpis()[slug].unit_iri for slug in drawing.release.kpis)
    _add_coded(drawing, ATTRIBUTE.unitMeasure, [DimensionValue(URIRef(iri)) for iri in units])
    used = drawing.spread.codes
    _add_coded(drawing, ATTRIBUTE.obsStatus, [DimensionValue(URIRef(iris.status(c))) for c in used["status"]])
    if drawing.spread.is_full("method"):
        terms = [DimensionValue(URIRef(iris.method(code))) for code in used["method"]]
        _add_coded(drawing, drawing.ours("method"), terms)
    for column, name, datatype in COUNTS:
        if drawing.spread.is_full(column):
            _add_number(drawing, column, drawing.ours(name), datatype, QUDT.RatioScale)
    observer = _add_property(drawing, CUBE.observedBy, SH.IRI)
    publisher = URIRef(iris.organisation(publisher_key(drawing.release.about)))
    drawing.graph.add((observer, SH["in"], _listed(drawing.graph, [publisher])))


def _close(drawing: CubeGraph) -> None:
    """Nothing else may be said of an observation than its dimensions and what is named here."""
    graph, shape = drawing.graph, drawing.shape
    stated = {path for node in graph.objects(shape, SH.property) for path in graph.objects(node, SH.path)}
    optional = [drawing.ours(name) for name in ("method", *(name for _, name, _ in COUNTS))]
    beside = [*BESIDE, *(path for path in optional if path not in stated)]
    graph.add((shape, SH.closed, Literal(True)))
    graph.add((shape, SH.ignoredProperties, _listed(graph, beside)))


def _add_property(drawing: CubeGraph, path: URIRef, node_kind: URIRef) -> BNode:
    """A dimension: one value on every observation."""
    graph, node = drawing.graph, BNode()
    graph.add((drawing.shape, SH.property, node))
    graph.add((node, SH.path, path))
    graph.add((node, SH.nodeKind, node_kind))
    graph.add((node, SH.minCount, Literal(1)))
    graph.add((node, SH.maxCount, Literal(1)))
    return node


def _add_dimension(drawing: CubeGraph, path: URIRef, node_kind: URIRef, scale: URIRef) -> BNode:
    """A dimension with its names, at the end of those there are."""
    graph = drawing.graph
    order = len({*graph.objects(drawing.shape, SH.property)})
    node = _add_property(drawing, path, node_kind)
    for label in component_labels(drawing.iris)[path]:
        graph.add((node, SDO.name, label))
        graph.add((node, SH.name, label))
    graph.add((node, QUDT.scaleType, scale))
    graph.add((node, SH.order, Literal(order)))
    return node


def _add_key(
    drawing: CubeGraph, path: URIRef, terms: Sequence[DimensionValue], scale: URIRef = QUDT.NominalScale
) -> BNode:
    node = _add_coded(drawing, path, terms, scale)
    drawing.graph.add((node, RDF.type, CUBE.KeyDimension))
    return node


def _add_coded(
    drawing: CubeGraph, path: URIRef, terms: Sequence[DimensionValue], scale: URIRef = QUDT.NominalScale
) -> BNode:
    graph = drawing.graph
    node = _add_dimension(drawing, path, SH.IRI, scale)
    graph.add((node, SH["in"], _listed(graph, [term.iri for term in terms])))
    for term in terms:
        if term.position is not None:
            graph.add((term.iri, SDO.position, term.position))
    return node


def _add_number(drawing: CubeGraph, column: str, path: URIRef, datatype: URIRef, scale: URIRef) -> BNode:
    """A dimension of numbers between the lowest and the highest there are, or cube:Undefined where one is missing."""
    graph, numbers = drawing.graph, drawing.spread.numbers[column]
    node = _add_dimension(drawing, path, SH.Literal, scale)
    limited: Node = node
    if not drawing.spread.is_full(column):
        limited, undefined = BNode(), BNode()
        graph.add((undefined, SH.datatype, CUBE.Undefined))
        graph.add((node, SH["or"], _listed(graph, [limited, undefined])))
    graph.add((limited, SH.datatype, datatype))
    for limit, text in ((SH.minInclusive, numbers.lowest), (SH.maxInclusive, numbers.highest)):
        if text:
            graph.add((limited, limit, Literal(text, datatype=datatype)))
    return node


def _add_data_kind(drawing: CubeGraph, node: BNode) -> None:
    """That a dimension is of time, with the unit where all periods are years or all are months."""
    kinds, kind = {parse_period(text).kind for text in drawing.release.periods}, BNode()
    drawing.graph.add((node, META.dataKind, kind))
    drawing.graph.add((kind, RDF.type, TIME.GeneralDateTimeDescription))
    if unit := UNITS_OF_TIME.get(min(kinds)) if len(kinds) == 1 else None:
        drawing.graph.add((kind, TIME.unitType, unit))


def _add_area_levels(drawing: CubeGraph, node: BNode, areas: Sequence[URIRef]) -> None:
    """Län, kommun, area. An area of a partner's own that lies in no municipality is outside."""
    graph = drawing.graph
    reached = (outer for area in areas for outer in graph.transitive_objects(area, SKOS.broader) if outer != area)
    around = {outer for outer in reached if outer}
    roots = {outer for outer in around if not graph.value(outer, SKOS.broader)}
    if roots:
        _add_hierarchy(drawing, node, roots, "cube.areas", ("cube.kommun", "cube.area"), drawing.ours("Area"))


def _add_themes(drawing: CubeGraph, node: BNode) -> None:
    themes = {register.kpis()[slug].theme for slug in drawing.release.kpis}
    roots = [URIRef(drawing.iris.theme(slug)) for slug in themes]
    _add_hierarchy(drawing, node, roots, "cube.themes", ("cube.kpi",), drawing.ours("Kpi"))


def _add_hierarchy(
    drawing: CubeGraph, node: BNode, roots: Iterable[Node], name: str, levels: Sequence[str], kind: URIRef
) -> None:
    """A hierarchy from its roots down, level by level against skos:broader, to members of a class."""
    graph, hierarchy = drawing.graph, BNode()
    graph.add((node, META.inHierarchy, hierarchy))
    graph.add((hierarchy, RDF.type, META.Hierarchy))
    _add_names(graph, hierarchy, SDO.name, _words(name))
    for root in roots:
        graph.add((hierarchy, META.hierarchyRoot, root))
    above: Node = hierarchy
    for level in levels:
        below, path = BNode(), BNode()
        graph.add((above, META.nextInHierarchy, below))
        graph.add((path, SH.inversePath, SKOS.broader))
        graph.add((below, SH.path, path))
        graph.add((below, SH.targetClass, kind))
        _add_names(graph, below, SDO.name, _words(level))
        above = below


def _words(key: str) -> dict[str, str]:
    return {language: messages(language, "publisher")(key) for language in LANGUAGES}


def _listed(graph: Graph, members: Sequence[Node]) -> Node:
    return Collection(graph, BNode(), [*members]).uri


@lru_cache(maxsize=4)
def component_labels(iris: Iris) -> Mapping[Node, tuple[Literal, ...]]:
    """What the components of our cubes are called, from the vocabulary's own Turtle."""
    graph = Graph()
    for name in ("ontology.ttl", "structure.ttl"):
        graph.parse(data=(files("vaven.vocab.rdf") / name).read_text("utf-8"), format="turtle", publicID=iris.base)
    named = {node for node in graph.subjects(RDFS.label) if (node, RDF.type, RDF.Property) in graph}
    return {node: tuple(o for o in graph.objects(node, RDFS.label) if isinstance(o, Literal)) for node in named}
