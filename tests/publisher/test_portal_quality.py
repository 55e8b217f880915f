"""Quality checks of the portals that docs/metadata.md names, on the feed or the page that it recommends to each.

data.europa.eu rates a dataset by its Metadata Quality Assessment (MQA). tests/catalogues/mqa_metrics.csv has the 405
points of piveau's vocabulary (piveau-vocabularies, src/main/resources/piveau-dqv-vocabulary.ttl, commit 7b29f2a).
Of a dataset's distributions the one with most points counts, a status from 200 to 399 is a success, and the dates of
the dataset count where a distribution has none (piveau-metrics-score).
"""

import csv
import json
import re
from collections.abc import Iterator

import pyshacl
import pytest
from flask.testing import FlaskClient
from rdflib import DCTERMS, RDF, RDFS, SH, Graph, Namespace, URIRef

from tests.conftest import ROOT, SAMPLE, SHARED
from vaven.catalogue.app import create_app
from vaven.publisher.metadata.catalogue import SOCIETY
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from vaven.schemas.standard.read_options import ReadOptions
from vaven.vocab.iris import NAMESPACES

BASE = "https://data.example/"
DCAT, ODRS, VCARD = (Namespace(NAMESPACES[prefix]) for prefix in ("dcat", "odrs", "vcard"))
METRICS = ROOT / "tests" / "catalogues" / "mqa_metrics.csv"
AUTHORITY = "http://publications.europa.eu/resource/authority/"
IANA = "http://www.iana.org/assignments/media-types/"
# The formats of our distributions in both lists of data.europa.eu: machine-readable, and non-proprietary.
OPEN_FORMATS = {"CSV", "JSON", "JSON_LD", "RDF_N_TRIPLES", "RDF_TURTLE", "XML"}
# skos:exactMatch of the EU's authority table of licences and of piveau's additions to it.
KNOWN_LICENCES = {
    "http://creativecommons.org/publicdomain/zero/1.0/",
    "http://creativecommons.org/publicdomain/mark/1.0/",
    "http://creativecommons.org/licenses/by/4.0/",
}
SAMPLE_SLUG, MINIMAL_SLUG = "exempel-tre-kommuner", "minsta"
COMPLIANCE = 30


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The sample, and the least that a submission may contain: one value, a licence and a publisher."""
    folder = tmp_path_factory.mktemp("quality")
    settings = Settings(home=folder / "home", base_iri=BASE)
    publish(SAMPLE / "exempel.xlsx", settings)
    table = folder / f"{MINIMAL_SLUG}.csv"
    table.write_text("neighbourhood,kpi,period,value\n0180C6070,trygg-morker,2024,50\n")
    publish(table, settings, choices=ReadOptions(licence="cc-by", publisher="Bostadsbolaget"))
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


def feed(client: FlaskClient, portal: str) -> Graph:
    """Return the feed that docs/metadata.md recommends to a portal."""
    table = (ROOT / "docs" / "metadata.md").read_text("utf-8")
    (row,) = [line for line in table.splitlines() if line.startswith("|") and portal in line]
    path = re.findall(r"`(/catalog[^`]*)`", row)[0]
    return Graph().parse(data=client.get(path).data, format="xml" if ".rdf" in path else "turtle")


@pytest.fixture(scope="module")
def european(client: FlaskClient) -> Graph:
    return feed(client, "data.europa.eu")


def succeeds(client: FlaskClient, url: object) -> bool:
    return 200 <= client.head(str(url).removeprefix(BASE.rstrip("/"))).status_code < 400


def holds(graph: Graph, client: FlaskClient, node: URIRef, metric: str, values: list[object]) -> bool:
    """Return whether a metric other than compliance is true of a dataset or distribution with these values."""
    file_type = str(graph.value(node, DCTERMS.format) or "").removeprefix(f"{AUTHORITY}file-type/")
    if metric.endswith("StatusCode"):
        return bool(values) and succeeds(client, values[0])
    if metric == "formatMediaTypeVocabularyAlignment":
        return ":" not in file_type and str(graph.value(node, DCAT.mediaType)).startswith(IANA)
    if metric in ("formatMediaTypeNonProprietary", "formatMediaTypeMachineInterpretable"):
        return file_type in OPEN_FORMATS
    if metric == "knownLicence":
        return {str(value) for value in values} <= KNOWN_LICENCES
    if metric == "accessRightsVocabularyAlignment":
        return all(str(value).startswith(f"{AUTHORITY}access-right/") for value in values)
    return bool(values)


def points(graph: Graph, client: FlaskClient, dataset: URIRef) -> dict[str, int]:
    """Return the points of a dataset by metric, without those of compliance."""

    def of_node(node: URIRef, kind: str) -> dict[str, int]:
        scores = {}
        for row in csv.DictReader(METRICS.read_text("utf-8").splitlines()):
            if row["computed_on"] == kind and row["property"]:
                prefix, _, name = row["property"].partition(":")
                dates = [dataset] if name in ("issued", "modified") else []
                predicate = URIRef(NAMESPACES[prefix] + name)
                values: list[object] = [value for n in (node, *dates) for value in graph.objects(n, predicate)]
                scores[row["metric"]] = int(
                    row["points"] if holds(graph, client, node, row["metric"], values) else row["points_otherwise"]
                )
        return scores

    distributions = [of_node(URIRef(str(node)), "distribution") for node in graph.objects(dataset, DCAT.distribution)]
    return of_node(dataset, "dataset") | max(distributions, key=lambda scores: sum(scores.values()))


@pytest.fixture(scope="module")
def compliance(european: Graph) -> int:
    """Return the points of a feed that conforms to SEMIC's shapes; 30 are assumed where the shapes are absent."""
    if not SHARED.is_dir():
        return COMPLIANCE
    shapes = Graph().parse(SHARED / "dcat-ap-3" / "3.0.1" / "html" / "shacl" / "shapes.ttl")
    report = pyshacl.validate(european, shacl_graph=shapes)[1]
    return 0 if list(report.subjects(RDF.type, SH.ValidationResult)) else COMPLIANCE


def test_the_table_of_metrics_has_all_405_points() -> None:
    assert sum(int(row["points"]) for row in csv.DictReader(METRICS.read_text("utf-8").splitlines())) == 405


@pytest.mark.parametrize(("slug", "least"), [(SAMPLE_SLUG, 395), (MINIMAL_SLUG, 351)])
def test_the_feed_for_data_europa_eu_has_a_high_score(
    european: Graph, client: FlaskClient, compliance: int, slug: str, least: int
) -> None:
    scores = points(european, client, URIRef(f"{BASE}id/dataset/{slug}"))
    assert sum(scores.values()) + compliance >= least, scores


def test_no_portal_is_recommended_the_profile_with_literal_formats(client: FlaskClient, european: Graph) -> None:
    """data.europa.eu reads Swedish datasets from Sveriges dataportal, and rates a literal as no format."""
    assert set(feed(client, "Sveriges dataportal")) == set(european)


def test_the_attribution_wording_names_publisher_and_licence(european: Graph) -> None:
    (version,) = european.objects(URIRef(f"{BASE}id/dataset/{MINIMAL_SLUG}"), DCAT.hasVersion)
    (rights,) = {
        node
        for distribution in european.objects(URIRef(f"{BASE}id/dataset/{MINIMAL_SLUG}"), DCAT.distribution)
        for node in european.objects(distribution, DCTERMS.rights)
    }
    assert str(rights).startswith(str(version))
    assert {DCTERMS.RightsStatement, ODRS.RightsStatement} == set(european.objects(rights, RDF.type))
    texts = {text.language: str(text) for text in european.objects(rights, ODRS.attributionText)}  # type: ignore[attr-defined]
    assert set(texts) == {"sv", "en"}
    assert all("Bostadsbolaget" in text and "CC BY 4.0" in text for text in texts.values())


def test_a_licence_without_attribution_has_a_statement_without_attribution(european: Graph) -> None:
    distributions = european.objects(URIRef(f"{BASE}id/dataset/{SAMPLE_SLUG}"), DCAT.distribution)
    (rights,) = {node for distribution in distributions for node in european.objects(distribution, DCTERMS.rights)}
    assert european.value(rights, RDFS.label)
    assert european.value(rights, ODRS.attributionText) is None


def test_the_sparql_service_has_a_contact_and_a_theme(european: Graph) -> None:
    (service,) = european.subjects(RDF.type, DCAT.DataService)
    assert european.value(service, DCAT.theme) == SOCIETY
    contact = european.value(service, DCAT.contactPoint)
    assert european.value(contact, VCARD.hasEmail) == URIRef("mailto:webmaster@data.example")


def test_the_feed_states_which_properties_the_sender_left_out(european: Graph, client: FlaskClient) -> None:
    not_stated = URIRef(f"{BASE}ns#notStated")
    assert set(european.objects(URIRef(f"{BASE}id/dataset/{MINIMAL_SLUG}"), not_stated)) == {
        DCTERMS.title, DCTERMS.description, DCTERMS.type, DCAT.contactPoint, DCAT.keyword,
    }  # fmt: skip
    assert not list(european.objects(URIRef(f"{BASE}id/dataset/{SAMPLE_SLUG}"), not_stated))
    statement = european.value(URIRef(f"{BASE}id/dataset/{MINIMAL_SLUG}"), DCTERMS.provenance)
    texts = [str(text) for text in european.objects(statement, DCTERMS.description)]
    assert any("Titeln visas som beskrivning." in text for text in texts)
    assert "Titeln visas som beskrivning." in client.get(f"/dataset/{MINIMAL_SLUG}?lang=sv").text
    assert "visas som beskrivning." not in client.get(f"/dataset/{SAMPLE_SLUG}?lang=sv").text


# Google's recommended properties of Dataset; citation, funder, measurementTechnique and sameAs are in no submission.
GOOGLE = {
    "creator", "description", "distribution", "identifier", "includedInDataCatalog", "isAccessibleForFree", "keywords",
    "license", "name", "spatialCoverage", "temporalCoverage", "url", "variableMeasured", "version",
}  # fmt: skip


@pytest.mark.parametrize(("slug", "absent"), [(SAMPLE_SLUG, set()), (MINIMAL_SLUG, {"keywords"})])
def test_a_dataset_s_page_has_the_properties_that_google_recommends(
    client: FlaskClient, slug: str, absent: set[str]
) -> None:
    page = client.get(f"/dataset/{slug}", headers={"Accept": "text/html"}).text
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    dataset = json.loads(text)
    assert {name for name in GOOGLE if not dataset.get(name)} == absent
    assert 50 <= len(dataset["description"]) <= 5000
    assert all({"contentUrl", "encodingFormat"} <= set(file) for file in dataset["distribution"])
