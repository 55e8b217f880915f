"""The published cube as a cube of cube.link: its shapes, the cube's own constraint, and the needs of its tools."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyshacl import validate
from rdflib import DCAT, DCTERMS, PROV, QB, RDF, SKOS, XSD, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.namespace import SH
from rdflib.term import Node

from vaven.vocab.iris import NAMESPACES

CUBE, META, RELATION, SDO, CIDS, I72, TOVE = (
    Namespace(NAMESPACES[name]) for name in ("cube", "meta", "relation", "sdo", "cids", "i72", "tove")
)
DIMENSION, MEASURE, ATTRIBUTE = (
    Namespace(NAMESPACES[f"sdmx-{kind}"]) for kind in ("dimension", "measure", "attribute")
)
IMPORTS = Namespace("https://code.described.at/").imports
PROFILES = (
    "basic-cube-constraint",
    "standalone-cube-constraint",
    "standalone-constraint-constraint",
    "profile-visualize",
)
# Requirements of opendata.swiss that a Swedish cube can't meet: its four languages, its list of themes, its form of
# identifiers, and terms that DCAT-AP models differently (a contact as blank node, a period with schema.org's dates,
# rights and dates of distributions). The profile of its harvester also requires that the cube is published there.
NOT_SWISS = {
    "profile-opendataswiss": {
        DCTERMS.identifier, DCTERMS.title, DCTERMS.description, DCTERMS.temporal,
        DCAT.contactPoint, DCAT.distribution, DCAT.keyword, DCAT.theme,
    },
    "profile-opendataswiss-lindas": {SDO.workExample},
}  # fmt: skip
# Errors that its shapes must find in the published cube, which shows that the shapes are effective: the triple to
# delete, the condition, and the reported path.
SHAPE_ERRORS = {
    "no-set": ("?s cube:observationSet ?o", "", CUBE.observationSet),
    "no-observer": ("?s cube:observedBy ?o", "", CUBE.observedBy),
    "no-name": ("?s sdo:name ?o", "?s sh:path sdmx-dimension:sex .", SH.property),
    "no-scale": ("?s qudt:scaleType ?o", "?s sh:path sdmx-dimension:age .", SH.property),
    "open": ("?s sh:closed ?o", "", SH.closed),
    "no-status": ("?s sdo:creativeWorkStatus ?o", "", SDO.creativeWorkStatus),
}
# Errors in observations that the cube's own constraint must find.
OBSERVATION_ERRORS = {
    "value-beyond": "DELETE { ?o sdmx-measure:obsValue ?v } INSERT { ?o sdmx-measure:obsValue 1e9 } ",
    "value-as-text": 'DELETE { ?o sdmx-measure:obsValue ?v } INSERT { ?o sdmx-measure:obsValue "1" } ',
    "two-values": "INSERT { ?o sdmx-measure:obsValue 0.0 } ",
    "unlisted-area": "DELETE { ?o sdmx-dimension:refArea ?a } INSERT { ?o sdmx-dimension:refArea <urn:nowhere> } ",
    "no-bound": "DELETE { ?o vaven:ciLower ?l } ",
    "no-status": "DELETE { ?o sdmx-attribute:obsStatus ?u } INSERT { ?o sdmx-attribute:obsStatus cube:Undefined } ",
    "unknown-property": "INSERT { ?o <urn:p> 1 } ",
}
FIRST_OBSERVATION = """WHERE {
    { SELECT ?o { ?o a cube:Observation ; sdmx-measure:obsValue ?v FILTER (isNumeric(?v)) } ORDER BY ?o LIMIT 1 }
    ?o sdmx-measure:obsValue ?v ; sdmx-dimension:refArea ?a ; vaven:ciLower ?l ; sdmx-attribute:obsStatus ?u
}"""


@pytest.fixture(scope="module")
def published(published_triples: bytes) -> Graph:
    return Graph().parse(data=published_triples, format="nt")


@pytest.fixture(scope="module")
def cube_link(shared: Path) -> Path:
    return shared / "cube-link"


def shapes(folder: Path, name: str) -> Graph:
    """Return a shape of cube.link with its imports."""
    path = (folder / f"{name}.ttl").resolve()
    graph = Graph().parse(path, format="turtle", publicID=path.as_uri())
    for imported in list(graph.objects(None, IMPORTS)):
        other = Path(str(imported).removeprefix("file://"))
        graph += shapes(other.parent, other.name)
    return graph


def results(data: Graph, shape: Graph) -> Iterator[tuple[Node | None, Node | None, Node | None]]:
    """Yield focus node, path and severity of each result."""
    _, report, _ = validate(data, shacl_graph=shape, advanced=True)
    assert isinstance(report, Graph)
    for node in report.subjects(RDF.type, SH.ValidationResult):
        yield tuple(report.value(node, p) for p in (SH.focusNode, SH.resultPath, SH.resultSeverity))  # type: ignore[misc]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_cube_conforms_to_the_shapes_of_cube_link(published: Graph, cube_link: Path, profile: str) -> None:
    assert [*results(published, shapes(cube_link / "validation", profile))] == []


@pytest.mark.parametrize("profile", NOT_SWISS)
def test_only_known_properties_differ_from_the_swiss_profiles(published: Graph, cube_link: Path, profile: str) -> None:
    report = results(published, shapes(cube_link / "validation", profile))
    assert {path for focus, path, _ in report if focus == published_cube(published)} == NOT_SWISS[profile]


@pytest.mark.parametrize("error", SHAPE_ERRORS)
def test_the_shapes_of_cube_link_detect_planted_errors(published: Graph, cube_link: Path, error: str) -> None:
    triple, where, path = SHAPE_ERRORS[error]
    broken = altered(published, f"DELETE {{ {triple} }} WHERE {{ {where} {triple} }}")
    assert path in {path for _, path, _ in results(broken, shapes(cube_link / "validation", "profile-visualize"))}


def test_the_examples_of_cube_link_have_their_approved_results(cube_link: Path) -> None:
    """The validator of these tests interprets cube.link's shapes like cube.link's own."""
    for folder in (
        "basic-cube-constraint",
        "standalone-cube-constraint",
        "standalone-constraint-constraint",
        "profile-visualize",
    ):
        shape = shapes(cube_link / "validation", folder)
        for example in sorted((cube_link / "test" / folder).glob("*.ttl")):
            # The shape of annotations has a path of one step as a list, which SHACL (section 2.3.1.2) does not allow.
            if "annotation" in example.name:
                continue
            data = Graph().parse(example, format="turtle", publicID="https://example.org/")
            approved = example.with_name(example.name + ".approved.txt")
            severities = {severity for _, _, severity in results(data, shape)}
            if approved.exists():
                expected = Graph().parse(approved, format="turtle")
                assert severities == {*expected.objects(None, SH.resultSeverity)}, example.name
            else:
                assert SH.Violation not in severities, example.name


def test_observations_conform_to_the_published_constraint(published: Graph) -> None:
    assert [*results(published, own_constraint(published))] == []


@pytest.mark.parametrize("error", OBSERVATION_ERRORS)
def test_the_published_constraint_detects_planted_errors(published: Graph, error: str) -> None:
    broken = altered(published, OBSERVATION_ERRORS[error] + FIRST_OBSERVATION)
    nodes = {focus for focus, _, _ in results(broken, own_constraint(published))}
    assert len(nodes) == 1


def own_constraint(published: Graph) -> Graph:
    """Return the published constraint with observations as its target, like barnard59-cube's check-observations."""
    shape = published.value(URIRef(published_cube(published)), CUBE.observationConstraint)
    graph = Graph() + published.cbd(shape)
    graph.add((shape, SH.targetClass, CUBE.Observation))
    return graph


def published_cube(published: Graph) -> Node:
    [cube] = published.subjects(RDF.type, CUBE.Cube)
    return cube


def altered(graph: Graph, update: str) -> Graph:
    broken = Graph() + graph
    broken.update(update, initNs=NAMESPACES | {"vaven": ours(graph)})
    assert len(broken - graph) + len(graph - broken) > 0
    return broken


def ours(published: Graph) -> Namespace:
    [kpi] = (s for s in published.subjects(RDF.type, RDF.Property) if str(s).endswith("ns#kpi"))
    return Namespace(str(kpi).removesuffix("kpi"))


def dimensions(published: Graph) -> dict[Node, Node]:
    """Return the property shapes of the constraint by path."""
    shape = published.value(published_cube(published), CUBE.observationConstraint)
    return {published.value(node, SH.path): node for node in published.objects(shape, SH.property)}  # type: ignore[misc]


def test_the_listed_terms_are_exactly_the_terms_that_occur(published: Graph) -> None:
    observations = {*published.objects(None, CUBE.observation)}
    assert observations == {*published.subjects(RDF.type, CUBE.Observation)}
    heads = {path: published.value(node, SH["in"]) for path, node in dimensions(published).items()}
    for path, head in heads.items():
        if head:
            occurring = {term for o in observations for term in published.objects(o, path)}
            assert {*Collection(published, head)} == occurring, path
    assert sum(head is not None for head in heads.values()) == 9


def test_every_term_and_dimension_has_a_name_that_the_tools_of_cube_link_show(published: Graph) -> None:
    """The tools show texts in German, French, Italian, English and without a language."""
    nodes = {published_cube(published)}
    for path, node in dimensions(published).items():
        if path != CUBE.observedBy:
            nodes |= {node, *Collection(published, published.value(node, SH["in"]))}
    nodes |= {*published.objects(None, META.hierarchyRoot), *published.subjects(SH.targetClass)}
    unnamed = [
        node for node in nodes
        if not any(isinstance(n, Literal) and n.language in ("en", None) for n in published.objects(node, SDO.name))
    ]  # fmt: skip
    assert unnamed == []


def hierarchy_terms(published: Graph, path: Node) -> set[Node]:
    """Return all terms in the hierarchy of a dimension, including its roots."""
    hierarchy = published.value(dimensions(published)[path], META.inHierarchy)
    terms = level = {*published.objects(hierarchy, META.hierarchyRoot)}
    step = published.value(hierarchy, META.nextInHierarchy)
    while step:
        upwards = published.value(published.value(step, SH.path), SH.inversePath)
        kind = published.value(step, SH.targetClass)
        level = {s for o in level for s in published.subjects(upwards, o) if (s, RDF.type, kind) in published}
        terms = terms | level
        step = published.value(step, META.nextInHierarchy)
    return terms


def test_hierarchies_contain_every_term(published: Graph) -> None:
    for path in (DIMENSION.refArea, ours(published)["kpi"]):
        head = published.value(dimensions(published)[path], SH["in"])
        assert {*Collection(published, head)} <= hierarchy_terms(published, path), path


def test_every_term_of_a_hierarchy_has_a_name_in_both_languages(published: Graph) -> None:
    """KPIs and areas without observations have names too, since tools walk the levels."""
    path = ours(published)["kpi"]
    kpis = hierarchy_terms(published, path)
    assert kpis > {*Collection(published, published.value(dimensions(published)[path], SH["in"]))}
    for node in kpis | hierarchy_terms(published, DIMENSION.refArea):
        names, labels = (
            {name.language: str(name) for name in published.objects(node, term)} for term in (SDO.name, SKOS.prefLabel)
        )
        assert set(names) == {"sv", "en"}, node
        assert names | labels == names, node


def test_missing_values_are_exactly_cube_undefined(published: Graph) -> None:
    """Section "NULL and Empty values": an empty cube:Undefined literal, which the shape allows beside the number."""
    undefined = Literal("", datatype=CUBE.Undefined)
    missing = {*published.subjects(MEASURE.obsValue, undefined)}
    assert missing
    for path in (MEASURE.obsValue, ours(published)["ciLower"], ours(published)["ciUpper"]):
        assert {*published.subjects(path)} == {*published.subjects(RDF.type, CUBE.Observation)}
        [allowed] = published.objects(dimensions(published)[path], SH["or"])
        kinds = {published.value(item, SH.datatype) for item in Collection(published, allowed)}
        assert kinds == {CUBE.Undefined, XSD.decimal}
    # The reason is in an annotation: the SDMX observation status.
    assert all(published.value(o, ATTRIBUTE.obsStatus) for o in missing)


def test_bounds_relate_to_the_value(published: Graph) -> None:
    for name, kind in (("ciLower", RELATION.ConfidenceLowerBound), ("ciUpper", RELATION.ConfidenceUpperBound)):
        relation = published.value(dimensions(published)[ours(published)[name]], META.dimensionRelation)
        assert (relation, RDF.type, kind) in published
        assert (relation, META.relatesTo, MEASURE.obsValue) in published


def test_a_cube_is_a_version_in_its_history(published: Graph) -> None:
    cube = published_cube(published)
    history = published.value(predicate=SDO.hasPart, object=cube)
    assert str(cube) == f"{history}/1"
    assert (history, RDF.type, SDO.CreativeWork) in published
    assert published.value(cube, SDO.version) == Literal(1)


def test_reports_conform_to_the_basic_tier_of_cids(published: Graph, shared: Path) -> None:
    tier = Graph().parse(shared / "cids" / "validation" / "shacl" / "cids.basictier.shacl.ttl")
    assert [*results(published, tier)] == []
    reports = {*published.subjects(RDF.type, CIDS.IndicatorReport)}
    assert reports
    assert reports <= {*published.subjects(RDF.type, CUBE.Observation)}
    [some, *_] = sorted(reports)
    broken = Graph() + published
    broken.remove((some, I72.value, None))
    assert [focus for focus, _, _ in results(broken, tier)] == [some]


def test_observations_have_only_properties_of_the_structure_and_the_vocabularies(published: Graph) -> None:
    """Allowed are the components of the W3C's structure, and properties that the three vocabularies require."""
    used = {p for o in published.subjects(RDF.type, QB.Observation) for p in published.predicates(o)}
    structure = published.value(published.value(predicate=RDF.type, object=QB.DataSet), QB.structure)
    components = {
        prop
        for part in published.objects(structure, QB.component)
        for kind in (QB.dimension, QB.measure, QB.attribute)
        for prop in published.objects(part, kind)
    }
    of_cids = {CIDS.forIndicator, CIDS.forOrganization, TOVE.hasName, PROV.startedAtTime, PROV.endedAtTime, I72.value}
    assert used - components == {RDF.type, QB.dataSet, CUBE.observedBy} | of_cids
    assert components - used <= {ours(published)[name] for name in ("numerator", "denominator", "sampleSize")}
