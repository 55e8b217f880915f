"""The Swedish profile as SHACL: a complete catalogue conforms, and each violation names its node and path."""

from pathlib import Path

import pyshacl
import pytest
from rdflib import SH, Graph, URIRef

from tests.conftest import ROOT
from vaven.vocab.iris import NAMESPACES
from vaven.vocab.shapes import swedish_profile

HERE = "https://data.example/"
PREFIXES = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in NAMESPACES.items()) + (
    f"PREFIX : <{HERE}>\nPREFIX adms: <http://www.w3.org/ns/adms#>\nPREFIX locn: <http://www.w3.org/ns/locn#>\n"
    "PREFIX auth: <http://publications.europa.eu/resource/authority/>\n"
    "PREFIX sdo: <http://schema.org/>\nPREFIX odrs: <http://schema.theodi.org/odrs#>\n"
)
REGULATION = "<http://data.europa.eu/eli/reg_impl/2023/138/oj>"
# What is broken -> the node and the path that the report must name; "" is the node itself.
VIOLATIONS = {
    "DELETE WHERE { :catalogue dcterms:title ?x }": (":catalogue", "dcterms:title"),
    "DELETE WHERE { :catalogue dcterms:description ?x }": (":catalogue", "dcterms:description"),
    "DELETE WHERE { :catalogue dcterms:publisher ?x }": (":catalogue", "dcterms:publisher"),
    "DELETE WHERE { :catalogue dcterms:license ?x }": (":catalogue", "dcterms:license"),
    "DELETE WHERE { :catalogue dcterms:license ?x } ; INSERT DATA { :catalogue dcterms:license "
    "<http://creativecommons.org/licenses/by/4.0/> }": (":catalogue", "dcterms:license"),
    "DELETE WHERE { :catalogue dcat:dataset ?x }": (":catalogue", "dcat:dataset"),
    'INSERT DATA { :catalogue dcterms:issued "2024-01-01"^^xsd:date }': (":catalogue", "dcterms:issued"),
    'INSERT DATA { :catalogue dcterms:language "sv" }': (":catalogue", "dcterms:language"),
    "INSERT DATA { :catalogue foaf:homepage <https://other.example/> }": (":catalogue", "foaf:homepage"),
    "INSERT DATA { :record a dcat:CatalogRecord }": (":record", ""),
    "DELETE WHERE { :dataset dcterms:title ?x }": (":dataset", "dcterms:title"),
    'DELETE WHERE { :dataset dcterms:title ?x } ; INSERT DATA { :dataset dcterms:title "Trygghet" }': (
        ":dataset",
        "dcterms:title",
    ),
    "DELETE WHERE { :dataset dcterms:description ?x }": (":dataset", "dcterms:description"),
    "DELETE WHERE { :dataset dcterms:publisher ?x }": (":dataset", "dcterms:publisher"),
    "INSERT DATA { :dataset dcterms:publisher :two . :two a foaf:Agent }": (":dataset", "dcterms:publisher"),
    "DELETE WHERE { :agent a ?x }": (":dataset", "dcterms:publisher"),
    'INSERT DATA { :dataset dcat:keyword "trygghet" }': (":dataset", "dcat:keyword"),
    'INSERT DATA { :dataset dcat:theme "SOCI" }': (":dataset", "dcat:theme"),
    f"INSERT DATA {{ :dataset dcatap:applicableLegislation {REGULATION} }}": (":dataset", ""),
    "INSERT DATA { :dataset dcatap:hvdCategory <http://data.europa.eu/bna/c_00000000> }": (
        ":dataset",
        "dcatap:hvdCategory",
    ),
    'DELETE WHERE { :dataset dcterms:issued ?x } ; INSERT DATA { :dataset dcterms:issued "förra året" }': (
        ":dataset",
        "dcterms:issued",
    ),
    'INSERT DATA { :dataset dcat:landingPage "https://data.example/" }': (":dataset", "dcat:landingPage"),
    'INSERT DATA { :dataset dcterms:spatial "Sverige"@sv }': (":dataset", "dcterms:spatial"),
    'INSERT DATA { :dataset dcterms:temporal "2024" }': (":dataset", "dcterms:temporal"),
    'INSERT DATA { :dataset dcat:temporalResolution "ett år" }': (":dataset", "dcat:temporalResolution"),
    'INSERT DATA { :dataset dcat:spatialResolutionInMeters "10" }': (":dataset", "dcat:spatialResolutionInMeters"),
    "INSERT DATA { :dataset dcterms:accrualPeriodicity auth:YEARLY }": (":dataset", "dcterms:accrualPeriodicity"),
    "INSERT DATA { :dataset dcterms:accessRights :open }": (":dataset", "dcterms:accessRights"),
    'INSERT DATA { :dataset dcat:version "3" }': (":dataset", "dcat:version"),
    'INSERT DATA { :dataset adms:versionNotes "Ny." }': (":dataset", "adms:versionNotes"),
    'INSERT DATA { :dataset dcat:hasVersion "1" }': (":dataset", "dcat:hasVersion"),
    "INSERT DATA { :dataset dcat:inSeries :nothing }": (":dataset", "dcat:inSeries"),
    "INSERT DATA { :dataset dcat:distribution [ a dcat:Distribution ] }": (":dataset", "dcat:distribution"),
    "INSERT DATA { :dataset prov:qualifiedAttribution [ prov:agent :agent ] }": (
        ":dataset",
        "prov:qualifiedAttribution",
    ),
    "INSERT DATA { :dataset dcat:qualifiedRelation [ dcterms:relation :csv ] }": (":dataset", "dcat:qualifiedRelation"),
    "INSERT DATA { :dataset dcterms:provenance [ a dcterms:ProvenanceStatement ] }": (
        ":dataset",
        "dcterms:provenance",
    ),
    "INSERT DATA { :dataset sdo:offers [ a sdo:Offer ] }": (":dataset", "sdo:offers"),
    "DELETE WHERE { :series dcterms:title ?x }": (":series", "dcterms:title"),
    "DELETE WHERE { :series dcterms:publisher ?x }": (":series", "dcterms:publisher"),
    "INSERT DATA { :series dcat:inSeries :other . :other a dcat:DatasetSeries }": (":series", "dcat:inSeries"),
    "DELETE WHERE { :csv dcat:accessURL ?x }": (":csv", "dcat:accessURL"),
    "INSERT DATA { :csv dcat:accessURL <https://data.example/2> }": (":csv", "dcat:accessURL"),
    "DELETE WHERE { :csv dcterms:format ?x }": (":csv", "dcterms:format"),
    'DELETE WHERE { :csv dcterms:format ?x } ; INSERT DATA { :csv dcterms:format "CSV" }': (":csv", "dcterms:format"),
    'INSERT DATA { :csv dcterms:format "text/plain" }': (":csv", "dcterms:format"),
    "DELETE WHERE { :turtle dcterms:format ?x } ; INSERT DATA { :turtle dcterms:format "
    "<http://www.iana.org/assignments/media-types/text/turtle> }": (":turtle", "dcterms:format"),
    "INSERT DATA { :csv dcat:byteSize 12 }": (":csv", "dcat:byteSize"),
    "INSERT DATA { :csv adms:status :good }": (":csv", "adms:status"),
    "INSERT DATA { :csv dcatap:availability :always }": (":csv", "dcatap:availability"),
    "INSERT DATA { :csv dcterms:license <http://creativecommons.org/publicdomain/zero/1.0/> }": (
        ":csv",
        "dcterms:license",
    ),
    'DELETE WHERE { :turtle dcterms:license ?x } ; INSERT DATA { :turtle dcterms:license "CC BY" }': (
        ":turtle",
        "dcterms:license",
    ),
    "DELETE WHERE { ?c spdx:algorithm ?x }": (":csv", "spdx:checksum"),
    'INSERT DATA { :csv dcat:downloadURL "trygghet.csv" }': (":csv", "dcat:downloadURL"),
    "DELETE WHERE { :service dcterms:title ?x }": (":service", "dcterms:title"),
    "DELETE WHERE { :service dcat:endpointURL ?x }": (":service", "dcat:endpointURL"),
    "DELETE WHERE { :service dcterms:format ?x }": (":service", "dcterms:format"),
    "DELETE WHERE { :agent foaf:name ?x }": (":agent", "foaf:name"),
    "DELETE WHERE { :agent dcterms:type ?x }": (":agent", "dcterms:type"),
    "INSERT DATA { :agent dcterms:type :Municipality }": (":agent", "dcterms:type"),
    "DELETE WHERE { :contact vcard:fn ?x }": (":contact", "vcard:fn"),
    "DELETE WHERE { :contact vcard:hasEmail ?x }": (":contact", "vcard:hasEmail"),
    'DELETE WHERE { :contact vcard:hasEmail ?x } ; INSERT DATA { :contact vcard:hasEmail "data@data.example" }': (
        ":contact",
        "vcard:hasEmail",
    ),
    "DELETE WHERE { :contact a ?x } ; INSERT DATA { :contact a vcard:Kind }": (":contact", "rdf:type"),
}
WARNINGS = {
    f"DELETE WHERE {{ {node} {path} ?x }}": (node, path)
    for node, paths in {
        ":catalogue": "dcterms:issued dcterms:modified dcterms:language dcterms:spatial foaf:homepage "
        "dcat:themeTaxonomy",
        ":dataset": "dcat:contactPoint dcat:keyword dcat:theme dcterms:issued dcterms:spatial dcterms:temporal "
        "dcterms:accessRights dcterms:conformsTo",
        ":series": "dcat:contactPoint dcat:keyword dcat:theme dcterms:issued dcterms:spatial dcterms:temporal "
        "dcterms:conformsTo",
        ":turtle": "dcterms:description dcterms:license dcatap:availability",
        ":service": "dcat:endpointDescription dcat:contactPoint dcat:keyword dcterms:accessRights",
        ":agent": "dcterms:description dcterms:identifier",
        ":contact": "vcard:hasTelephone vcard:hasAddress",
    }.items()
    for path in paths.split()
} | {
    'INSERT DATA { :agent foaf:name "Exempel" }': (":agent", "foaf:name"),
    "INSERT DATA { :dataset dcterms:hasVersion :old }": (":dataset", "dcterms:hasVersion"),
    'INSERT DATA { :dataset owl:versionInfo "1" }': (":dataset", "owl:versionInfo"),
    "DELETE WHERE { :csv dcterms:license ?x } ; INSERT DATA { :csv dcterms:license "
    "<https://creativecommons.org/licenses/by/4.0/deed.sv> }": (":csv", "dcterms:license"),
}
Finding = tuple[str, str, str]


@pytest.fixture(scope="module")
def profile() -> Graph:
    return swedish_profile()


@pytest.fixture
def complete() -> Graph:
    return Graph().parse(ROOT / "tests" / "catalogues" / "complete.ttl")


def findings(data: Graph, profile: Graph) -> set[Finding]:
    """Return severity, node and path of each result; "" if it concerns the node as a whole."""
    report = pyshacl.validate(data, shacl_graph=profile)[1]
    return {
        (
            str(report.value(result, SH.resultSeverity)).rpartition("#")[2],
            str(report.value(result, SH.focusNode)),
            str(report.value(result, SH.resultPath) or ""),
        )
        for result in report.subjects(None, SH.ValidationResult)
    }


def spelled(name: str) -> str:
    prefix, _, rest = name.partition(":")
    known = {"": HERE, "adms": "http://www.w3.org/ns/adms#", "sdo": "http://schema.org/"}
    return (known | NAMESPACES)[prefix] + rest if rest else ""


def test_the_shapes_are_valid_shacl(profile: Graph, complete: Graph) -> None:
    pyshacl.validate(complete, shacl_graph=profile, meta_shacl=True)


def test_every_shape_has_messages_in_both_languages(profile: Graph) -> None:
    for shape in set(profile.subjects(SH.message)):
        assert sorted(text.language for text in profile.objects(shape, SH.message)) == ["en", "sv"], shape
    # Parts of a message of the property that leads to them have none of their own.
    parts = {"Checksum", "Attribution", "Relationship", "ProvenanceStatement", "Offer"}
    named = {s for s in profile.subjects(SH.path) if isinstance(s, URIRef)}
    assert {s for s in named if not list(profile.objects(s, SH.message))} == set()
    nodes = {s for s in profile.subjects(None, SH.NodeShape) if not list(profile.objects(s, SH.property))}
    unsaid = {str(s).rpartition("#")[2] for s in nodes if not list(profile.objects(s, SH.message))}
    assert unsaid - parts == {"themes"}


def test_a_complete_catalogue_has_no_violations_and_no_warnings(complete: Graph, profile: Graph) -> None:
    assert findings(complete, profile) == set()


@pytest.mark.parametrize("breach", VIOLATIONS)
def test_a_missing_mandatory_property_is_a_violation(complete: Graph, profile: Graph, breach: str) -> None:
    node, path = VIOLATIONS[breach]
    complete.update(PREFIXES + breach)
    assert ("Violation", spelled(node), spelled(path)) in findings(complete, profile)


@pytest.mark.parametrize("lack", WARNINGS)
def test_a_missing_recommended_property_is_a_warning(complete: Graph, profile: Graph, lack: str) -> None:
    node, path = WARNINGS[lack]
    complete.update(PREFIXES + lack)
    assert findings(complete, profile) == {("Warning", spelled(node), spelled(path))}


def test_a_blank_node_cannot_be_harvested(complete: Graph, profile: Graph) -> None:
    for node in (":agent", ":contact", ":csv"):
        text = complete.serialize(format="nt").replace(f"<{spelled(node)}>", "_:nameless")
        results = findings(Graph().parse(data=text, format="nt"), profile)
        assert any(severity == "Violation" for severity, _, _ in results), node


def test_a_series_of_more_than_fifty_datasets_is_a_warning(complete: Graph, profile: Graph) -> None:
    members = " ".join(f":year{n} dcat:inSeries :series ." for n in range(60))
    complete.update(PREFIXES + f"INSERT DATA {{ {members} }}")
    (result,) = findings(complete, profile)
    assert result[:2] == ("Warning", HERE + "series")


def test_digg_s_own_minimal_example_has_exactly_the_known_gaps(shared: Path, profile: Graph) -> None:
    """DIGG's example is older than the profile: format came to services in 3.0 and the agent's type in 3.0.1."""
    data = Graph().parse(shared / "dcat-ap-se" / "exempel" / "obligatoriskt.ttl")
    assert {f for f in findings(data, profile) if f[0] == "Violation"} == {
        ("Violation", "https://example.com/distribution1", spelled("dcterms:format")),
        ("Violation", "https://example.com/dataservice1", spelled("dcterms:format")),
        ("Violation", "https://example.com/publisher1", spelled("dcterms:type")),
    }


def test_digg_s_own_full_example_has_exactly_the_known_gaps(shared: Path, profile: Graph) -> None:
    """Availability is given by the codes that 2.x had; spatial, conformsTo and more came later than the example."""
    data = Graph().parse(shared / "dcat-ap-se" / "exempel" / "rekommenderat.ttl")
    assert {f for f in findings(data, profile) if f[0] == "Violation"} == {
        ("Violation", "https://example.com/distribution1", spelled("dcatap:availability")),
        ("Violation", "https://example.com/distribution2", spelled("dcatap:availability")),
        ("Violation", "https://example.com/dataservice1", spelled("dcterms:format")),
    }
    assert {f[2] for f in findings(data, profile) if f[0] == "Warning"} == {
        spelled(path)
        for path in ("dcterms:spatial", "dcterms:conformsTo", "dcterms:description", "dcterms:identifier", "foaf:name")
    }
