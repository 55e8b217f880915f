"""What is published is a cube of cube.link: by its own shapes, by the constraint that it carries, and for its tools."""

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
# What opendata.swiss asks of a cube and a Swedish one cannot do: its four languages, its list of themes, its form of
# identifiers, and terms that DCAT-AP has otherwise (a contact as blank node, a period with schema.org's dates, rights
# and dates of distributions). The profile for its harvester asks in addition that the cube be shown there.
NOT_SWISS = {
    "profile-opendataswiss": {
        DCTERMS.identifier, DCTERMS.title, DCTERMS.description, DCTERMS.temporal,
        DCAT.contactPoint, DCAT.distribution, DCAT.keyword, DCAT.theme,
    },
    "profile-opendataswiss-lindas": {SDO.workExample},
}  # fmt: skip
# Faults that its shapes must find in what we publish, so that silence says something: what to do, and the path named.
BREACHES = {
    "no-set": ("?s cube:observationSet ?o", "", CUBE.observationSet),
    "no-observer": ("?s cube:observedBy ?o", "", CUBE.observedBy),
    "no-name": ("?s sdo:name ?o", "?s sh:path sdmx-dimension:sex .", SH.property),
    "no-scale": ("?s qudt:scaleType ?o", "?s sh:path sdmx-dimension:age .", SH.property),
    "open": ("?s sh:closed ?o", "", SH.closed),
    "no-status": ("?s sdo:creativeWorkStatus ?o", "", SDO.creativeWorkStatus),
}
# Faults of observations that the cube's own constraint must find.
FAULTS = {
    "value-beyond": "DELETE { ?o sdmx-measure:obsValue ?v } INSERT { ?o sdmx-measure:obsValue 1e9 } ",
    "value-as-text": 'DELETE { ?o sdmx-measure:obsValue ?v } INSERT { ?o sdmx-measure:obsValue "1" } ',
    "two-values": "INSERT { ?o sdmx-measure:obsValue 0.0 } ",
    "unlisted-area": "DELETE { ?o sdmx-dimension:refArea ?a } INSERT { ?o sdmx-dimension:refArea <urn:nowhere> } ",
    "no-bound": "DELETE { ?o vaven:ciLower ?l } ",
    "no-status": "DELETE { ?o sdmx-attribute:obsStatus ?u } INSERT { ?o sdmx-attribute:obsStatus cube:Undefined } ",
    "unknown-property": "INSERT { ?o <urn:p> 1 } ",
}
ONE = """WHERE {
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
    """A shape of cube.link with those that it imports."""
    path = (folder / f"{name}.ttl").resolve()
    graph = Graph().parse(path, format="turtle", publicID=path.as_uri())
    for imported in list(graph.objects(None, IMPORTS)):
        other = Path(str(imported).removeprefix("file://"))
        graph += shapes(other.parent, other.name)
    return graph


def results(data: Graph, shape: Graph) -> Iterator[tuple[Node | None, Node | None, Node | None]]:
    """Focus node, path and severity of each result."""
    _, report, _ = validate(data, shacl_graph=shape, advanced=True)
    assert isinstance(report, Graph)
    for node in report.subjects(RDF.type, SH.ValidationResult):
        yield tuple(report.value(node, p) for p in (SH.focusNode, SH.resultPath, SH.resultSeverity))  # type: ignore[misc]


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_to_report_by_its_own_shapes(published: Graph, cube_link: Path, profile: str) -> None:
    assert [*results(published, shapes(cube_link / "validation", profile))] == []


@pytest.mark.parametrize("profile", NOT_SWISS)
def test_what_its_swiss_profiles_find_is_known(published: Graph, cube_link: Path, profile: str) -> None:
    found = results(published, shapes(cube_link / "validation", profile))
    assert {path for focus, path, _ in found if focus == published_cube(published)} == NOT_SWISS[profile]


@pytest.mark.parametrize("breach", BREACHES)
def test_its_shapes_would_notice(published: Graph, cube_link: Path, breach: str) -> None:
    triple, where, path = BREACHES[breach]
    broken = altered(published, f"DELETE {{ {triple} }} WHERE {{ {where} {triple} }}")
    assert path in {path for _, path, _ in results(broken, shapes(cube_link / "validation", "profile-visualize"))}


def test_its_own_examples_come_out_as_approved(cube_link: Path) -> None:
    """That this validator reads cube.link's shapes as cube.link's own does."""
    for folder in (
        "basic-cube-constraint",
        "standalone-cube-constraint",
        "standalone-constraint-constraint",
        "profile-visualize",
    ):
        shape = shapes(cube_link / "validation", folder)
        for example in sorted((cube_link / "test" / folder).glob("*.ttl")):
            # The shape of annotations has a path of one step as a list, which SHACL (section 2.3.1.2) does not know.
            if "annotation" in example.name:
                continue
            data = Graph().parse(example, format="turtle", publicID="https://example.org/")
            approved = example.with_name(example.name + ".approved.txt")
            found = {severity for _, _, severity in results(data, shape)}
            if approved.exists():
                told = Graph().parse(approved, format="turtle")
                assert found == {*told.objects(None, SH.resultSeverity)}, example.name
            else:
                assert SH.Violation not in found, example.name


def test_observations_keep_their_own_constraint(published: Graph) -> None:
    assert [*results(published, own_constraint(published))] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_constraint_would_notice(published: Graph, fault: str) -> None:
    broken = altered(published, FAULTS[fault] + ONE)
    faulty = {focus for focus, _, _ in results(broken, own_constraint(published))}
    assert len(faulty) == 1


def own_constraint(published: Graph) -> Graph:
    """The published constraint, aimed at observations as barnard59-cube's check-observations does."""
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
    """The property shapes of the constraint by path."""
    shape = published.value(published_cube(published), CUBE.observationConstraint)
    return {published.value(node, SH.path): node for node in published.objects(shape, SH.property)}  # type: ignore[misc]


def test_lists_hold_the_terms_that_occur_and_no_others(published: Graph) -> None:
    observations = {*published.objects(None, CUBE.observation)}
    assert observations == {*published.subjects(RDF.type, CUBE.Observation)}
    listed = {path: published.value(node, SH["in"]) for path, node in dimensions(published).items()}
    for path, head in listed.items():
        if head:
            occurring = {term for o in observations for term in published.objects(o, path)}
            assert {*Collection(published, head)} == occurring, path
    assert sum(head is not None for head in listed.values()) == 9


def test_every_term_and_dimension_has_a_name_that_its_tools_show(published: Graph) -> None:
    """They show German, French, Italian, English and what has no language."""
    nodes = {published_cube(published)}
    for path, node in dimensions(published).items():
        if path != CUBE.observedBy:
            nodes |= {node, *Collection(published, published.value(node, SH["in"]))}
    nodes |= {*published.objects(None, META.hierarchyRoot), *published.subjects(SH.targetClass)}
    nameless = [
        node for node in nodes
        if not any(isinstance(n, Literal) and n.language in ("en", None) for n in published.objects(node, SDO.name))
    ]  # fmt: skip
    assert nameless == []


def reached(published: Graph, path: Node) -> set[Node]:
    """All that the hierarchy of a dimension leads to, its roots included."""
    hierarchy = published.value(dimensions(published)[path], META.inHierarchy)
    found = level = {*published.objects(hierarchy, META.hierarchyRoot)}
    step = published.value(hierarchy, META.nextInHierarchy)
    while step:
        upwards = published.value(published.value(step, SH.path), SH.inversePath)
        kind = published.value(step, SH.targetClass)
        level = {s for o in level for s in published.subjects(upwards, o) if (s, RDF.type, kind) in published}
        found = found | level
        step = published.value(step, META.nextInHierarchy)
    return found


def test_hierarchies_lead_to_every_term(published: Graph) -> None:
    for path in (DIMENSION.refArea, ours(published)["kpi"]):
        listed = published.value(dimensions(published)[path], SH["in"])
        assert {*Collection(published, listed)} <= reached(published, path), path


def test_whatever_a_hierarchy_leads_to_has_a_name_in_both_languages(published: Graph) -> None:
    """Also KPIs and areas without observations, where a tool walks the levels; the Swedish one is the label."""
    path = ours(published)["kpi"]
    kpis = reached(published, path)
    assert kpis > {*Collection(published, published.value(dimensions(published)[path], SH["in"]))}
    for node in kpis | reached(published, DIMENSION.refArea):
        names, labels = (
            {name.language: str(name) for name in published.objects(node, term)} for term in (SDO.name, SKOS.prefLabel)
        )
        assert set(names) == {"sv", "en"}, node
        assert names | labels == names, node


def test_what_is_missing_is_undefined_to_the_letter(published: Graph) -> None:
    """ "NULL and Empty values": an empty literal of type cube:Undefined, which the shape allows beside the number."""
    undefined = Literal("", datatype=CUBE.Undefined)
    missing = {*published.subjects(MEASURE.obsValue, undefined)}
    assert missing
    for path in (MEASURE.obsValue, ours(published)["ciLower"], ours(published)["ciUpper"]):
        assert {*published.subjects(path)} == {*published.subjects(RDF.type, CUBE.Observation)}
        [allowed] = published.objects(dimensions(published)[path], SH["or"])
        kinds = {published.value(item, SH.datatype) for item in Collection(published, allowed)}
        assert kinds == {CUBE.Undefined, XSD.decimal}
    # An annotation says why: the status, which SDMX has for that.
    assert all(published.value(o, ATTRIBUTE.obsStatus) for o in missing)


def test_bounds_tell_what_they_bound(published: Graph) -> None:
    for name, kind in (("ciLower", RELATION.ConfidenceLowerBound), ("ciUpper", RELATION.ConfidenceUpperBound)):
        tie = published.value(dimensions(published)[ours(published)[name]], META.dimensionRelation)
        assert (tie, RDF.type, kind) in published
        assert (tie, META.relatesTo, MEASURE.obsValue) in published


def test_a_cube_is_a_version_in_its_history(published: Graph) -> None:
    cube = published_cube(published)
    history = published.value(predicate=SDO.hasPart, object=cube)
    assert str(cube) == f"{history}/1"
    assert (history, RDF.type, SDO.CreativeWork) in published
    assert published.value(cube, SDO.version) == Literal(1)


def test_reports_keep_the_basic_tier_of_cids(published: Graph, shared: Path) -> None:
    tier = Graph().parse(shared / "cids" / "validation" / "shacl" / "cids.basictier.shacl.ttl")
    assert [*results(published, tier)] == []
    reports = {*published.subjects(RDF.type, CIDS.IndicatorReport)}
    assert reports
    assert reports <= {*published.subjects(RDF.type, CUBE.Observation)}
    [some, *_] = sorted(reports)
    broken = Graph() + published
    broken.remove((some, I72.value, None))
    assert [focus for focus, _, _ in results(broken, tier)] == [some]


def test_observations_say_nothing_that_the_structure_does_not_know(published: Graph) -> None:
    """Beside the components of the W3C's structure: what the three vocabularies need of every observation."""
    said = {p for o in published.subjects(RDF.type, QB.Observation) for p in published.predicates(o)}
    structure = published.value(published.value(predicate=RDF.type, object=QB.DataSet), QB.structure)
    components = {
        prop
        for part in published.objects(structure, QB.component)
        for kind in (QB.dimension, QB.measure, QB.attribute)
        for prop in published.objects(part, kind)
    }
    of_cids = {CIDS.forIndicator, CIDS.forOrganization, TOVE.hasName, PROV.startedAtTime, PROV.endedAtTime, I72.value}
    assert said - components == {RDF.type, QB.dataSet, CUBE.observedBy} | of_cids
    assert components - said <= {ours(published)[name] for name in ("numerator", "denominator", "sampleSize")}
