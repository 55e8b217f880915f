"""Metadata of releases: DCAT-AP and its Swedish profile, versions and series, quality, provenance, mappings."""

import csv
import gzip
import hashlib
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyshacl
import pytest
from flask.testing import FlaskClient
from pyoxigraph import BlankNode, Dataset, RdfFormat, parse, serialize
from rdflib import DCTERMS, FOAF, PROV, RDF, SH, SKOS, BNode, Graph, Literal, Namespace, URIRef

from tests.conftest import SAMPLE
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.catalogue.app import create_app
from vaven.catalogue.harvest import dcat_feed
from vaven.publisher.metadata.rules import published_vocabulary
from vaven.publisher.publish import publish
from vaven.publisher.published.collection import Collection
from vaven.publisher.settings import Settings
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES
from vaven.vocab.rdf.mappings import target
from vaven.vocab.shapes import swedish_profile

SLUG = "exempel-tre-kommuner"
DCAT, DQV, ADMS = (Namespace(NAMESPACES[prefix]) for prefix in ("dcat", "dqv", "adms"))
SPDX, OWL, HYDRA, SSSOM = (Namespace(NAMESPACES[prefix]) for prefix in ("spdx", "owl", "hydra", "sssom"))
FILE_TYPES = "http://publications.europa.eu/resource/authority/file-type/"
# Recommended properties without data: addresses, telephone numbers, descriptions of partners.
UNKNOWN = {"hasAddress", "hasTelephone", "description", "identifier"}


def package(folder: Path, name: str, years: tuple[int, int] = (2020, 2024), **more: object) -> Path:
    """Copy the sample under another name, with the observations of some years."""
    copy = Path(shutil.copytree(SAMPLE / "package", folder / name))
    descriptor = json.loads((copy / "datapackage.json").read_text("utf-8"))
    descriptor["name"] = name
    descriptor["vaven"] |= more
    descriptor["resources"] = [r for r in descriptor["resources"] if r["name"] in ("observations", "neighbourhoods")]
    (copy / "datapackage.json").write_text(json.dumps(descriptor), "utf-8")
    rows = list(csv.DictReader((copy / "observations.csv").read_text("utf-8").splitlines()))
    selected = [row for row in rows if years[0] <= int(row["period"][:4]) <= years[1]]
    with (copy / "observations.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(selected)
    return copy


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample in two versions, and two years of a series of another publisher."""
    home = tmp_path_factory.mktemp("metadata")
    settings = Settings(home=home / "home", base_iri="https://data.example/")
    publish(SAMPLE / "exempel.xlsx", settings)
    publish(package(home, SLUG, (2021, 2024)), settings, note="Utan 2020")
    series = {"name": "matningen", "title": {"sv": "Mätningen", "en": "The survey"}}
    publisher = {"name": "Exempelbolaget", "organisation_number": "556036-0793", "sector": "private"}
    for year in (2022, 2021):
        source = package(home, f"matning-{year}", (year, year), series=series, publisher=publisher)
        publish(source, settings)
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(settings)
    yield app.test_client()
    app.extensions["vaven"].close()


@pytest.fixture(scope="module")
def metadata(settings: Settings) -> Graph:
    """The metadata.ttl of the sample's second version."""
    collection = Collection(settings)
    with collection.open(SLUG, 2, "metadata.ttl") as file:
        graph = Graph().parse(file, format="turtle")
    collection.close()
    return graph


def graph_at(client: FlaskClient, address: str, form: str = "turtle") -> Graph:
    response = client.get(address)
    assert response.status_code == 200, response.text
    return Graph().parse(data=response.text, format=form)


def results(data: Graph, shapes: Graph) -> set[tuple[str, str]]:
    """Return severity and path of each validation result, both as local names."""
    report = pyshacl.validate(data, shacl_graph=shapes)[1]
    rows = ((report.value(r, SH.resultSeverity), report.value(r, SH.resultPath)) for r in report.subjects(SH.focusNode))
    return {(re.split("[/#]", str(severity))[-1], re.split("[/#]", str(path))[-1]) for severity, path in rows}


def dataset_node(settings: Settings, slug: str, version: int | None = None) -> URIRef:
    return URIRef(settings.iris.dataset(slug, version))


# DCAT-AP and the Swedish profile


@pytest.mark.parametrize("address", ["/catalog.ttl", "/catalog.ttl?page=1", "/catalog.ttl?profile=dcat-ap-se"])
def test_the_feed_conforms_to_the_swedish_profile(client: FlaskClient, address: str) -> None:
    violations = results(graph_at(client, address), swedish_profile())
    assert {severity for severity, _ in violations} <= {"Warning"}
    assert {path for _, path in violations} <= UNKNOWN


def test_a_release_s_metadata_conforms_to_the_swedish_profile(metadata: Graph) -> None:
    violations = results(metadata, swedish_profile())
    assert {severity for severity, _ in violations} <= {"Warning"}
    assert {path for _, path in violations} <= UNKNOWN


def test_feed_and_metadata_conform_to_semic_s_shapes(client: FlaskClient, metadata: Graph, shared: Path) -> None:
    shapes = Graph().parse(shared / "dcat-ap-3" / "3.0.1" / "html" / "shacl" / "shapes.ttl")
    assert results(graph_at(client, "/catalog.ttl"), shapes) == set()
    assert results(metadata, shapes) == set()


@pytest.fixture(scope="module")
def merged(client: FlaskClient) -> Dataset:
    """Feed and dump in one graph, without rdflib, which would rewrite times."""
    while (response := client.get("/dump.nt.gz")).status_code == 503:
        time.sleep(0.1)
    texts = (gzip.decompress(response.data), client.get("/catalog.nt").data)
    return Dataset(quad for text in texts for quad in parse(text, RdfFormat.N_TRIPLES, rename_blank_nodes=True))


@pytest.mark.parametrize("ending", ["ttl", "nt", "rdf", "jsonld"])
def test_feed_and_dump_write_times_alike(client: FlaskClient, merged: Dataset, ending: str) -> None:
    text = client.get(f"/catalog.{ending}").text
    assert re.search(r"\d\d:\d\d:\d\dZ", text)
    assert "+00:00" not in text
    times = {f"<{term}>" for term in (DCTERMS.issued, DCTERMS.modified)}
    counts = Counter((str(q.subject), str(q.predicate)) for q in merged if str(q.predicate) in times)
    assert set(counts.values()) == {1}


def test_feed_and_dump_have_no_blank_node_in_common(client: FlaskClient) -> None:
    feed = [*parse(client.get("/catalog.nt").data, RdfFormat.N_TRIPLES)]
    assert [str(q) for q in feed if isinstance(q.subject, BlankNode) or isinstance(q.object, BlankNode)] == []


def test_feed_and_dump_together_conform_to_semic_s_shapes(merged: Dataset, shared: Path) -> None:
    shapes = Graph().parse(shared / "dcat-ap-3" / "3.0.1" / "html" / "shacl" / "shapes.ttl")
    triples = serialize((quad.triple for quad in merged), format=RdfFormat.N_TRIPLES)
    assert results(Graph().parse(data=triples, format="nt"), shapes) == set()


def test_the_swedish_variant_differs_from_semic_s_shapes_only_in_format(client: FlaskClient, shared: Path) -> None:
    shapes = Graph().parse(shared / "dcat-ap-3" / "3.0.1" / "html" / "shacl" / "shapes.ttl")
    assert results(graph_at(client, "/catalog.ttl?profile=dcat-ap-se"), shapes) == {("Violation", "format")}


def test_the_swedish_variant_has_the_media_types_that_the_bundle_requires(client: FlaskClient, shared: Path) -> None:
    bundle = (shared / "dcat-ap-se" / "3.0.1" / "bundle.json").read_text("utf-8")
    templates = {template.get("id"): template for template in json.loads(bundle)["templates"]}
    pattern = re.compile(templates["dcat:format_generic"]["pattern"])
    graph = graph_at(client, "/catalog.ttl?profile=dcat-ap-se")
    formats = {value for node in graph.subjects(RDF.type, DCAT.Distribution) for value in graph[node : DCTERMS.format]}
    assert all(isinstance(value, Literal) and pattern.match(value) for value in formats)
    assert {str(value) for value in formats} >= {"text/csv", "application/n-triples+gzip"}


def test_formats_are_the_eu_s_file_types_with_media_types_by_default(client: FlaskClient) -> None:
    graph = graph_at(client, "/catalog.ttl")
    for node in graph.subjects(RDF.type, DCAT.Distribution):
        assert str(graph.value(node, DCTERMS.format)).startswith(FILE_TYPES)
        assert str(graph.value(node, DCAT.mediaType)).startswith("http://www.iana.org/assignments/media-types/")


@pytest.mark.parametrize("kind", [DCAT.Catalog, DCAT.Dataset, DCAT.Distribution, FOAF.Agent, DCAT.DatasetSeries])
def test_harvested_resources_have_iris(client: FlaskClient, kind: URIRef) -> None:
    nodes = set(graph_at(client, "/catalog.ttl").subjects(RDF.type, kind))
    assert nodes
    assert not any(isinstance(node, BNode) for node in nodes)


def test_an_organisation_is_described_once_and_linked_to_the_portal_s(client: FlaskClient, settings: Settings) -> None:
    graph = graph_at(client, "/catalog.ttl")
    names = [str(name) for name in graph.objects(None, FOAF.name) if name.language == "sv"]
    assert sorted(names) == ["Den sociala väven", "Exempelbolaget"]
    node = URIRef(settings.iris.organisation("556036-0793"))
    assert graph.value(node, OWL.sameAs) == URIRef("http://dataportal.se/organisation/SE5560360793")


def test_titles_and_descriptions_are_in_both_languages(client: FlaskClient) -> None:
    graph = graph_at(client, "/catalog.ttl")
    for predicate in (DCTERMS.title, DCTERMS.description, FOAF.name):
        for node in set(graph.subjects(predicate)):
            assert {text.language for text in graph.objects(node, predicate)} == {"sv", "en"}, (node, predicate)


def test_every_distribution_has_its_stated_size_and_checksum(client: FlaskClient, settings: Settings) -> None:
    graph = graph_at(client, "/catalog.ttl")
    checked = 0
    for node, address in graph.subject_objects(DCAT.downloadURL):
        content = client.get(str(address).removeprefix(settings.base_iri.rstrip("/"))).data
        checksum = graph.value(node, SPDX.checksum)
        assert int(str(graph.value(node, DCAT.byteSize))) == len(content)
        value = graph.value(checksum, SPDX.checksumValue)
        assert str(value).lower() == hashlib.sha256(content).hexdigest()
        checked += 1
    assert checked >= 10


# Harvesting


def test_a_harvester_finds_each_dataset_once_and_no_version_as_a_dataset(
    client: FlaskClient, settings: Settings
) -> None:
    """ckanext-dcat lists every dcat:Dataset of the graph, even if the catalogue does not list it."""
    graph = graph_at(client, "/catalog.ttl")
    datasets = {dataset_node(settings, slug) for slug in (SLUG, "matning-2021", "matning-2022")}
    assert set(graph.subjects(RDF.type, DCAT.Dataset)) == datasets
    assert set(graph[dataset_node(settings, SLUG) : DCAT.hasVersion]) == {
        dataset_node(settings, SLUG, n) for n in (1, 2)
    }


def test_ckanext_dcat_can_follow_the_pages_of_the_feed(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcat_feed, "PAGE", 1)
    address, seen = "/catalog.rdf?page=1", []
    while address:
        graph = graph_at(client, address, "xml")
        (page,) = graph.subjects(RDF.type, HYDRA.PagedCollection)
        seen += list(graph.subjects(RDF.type, DCAT.Dataset))
        assert graph.value(page, HYDRA.totalItems) == Literal(3)
        following = graph.value(page, HYDRA.next)
        assert following == graph.value(page, HYDRA.nextPage)
        address = str(following or "").removeprefix(settings.base_iri.rstrip("/"))
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize(("query", "status"), [("page=2", 404), ("page=0", 400), ("page=x", 400), ("profile=x", 400)])
def test_an_unknown_page_or_profile_is_an_error(client: FlaskClient, query: str, status: int) -> None:
    response = client.get(f"/catalog.ttl?{query}")
    assert response.status_code == status
    assert response.json
    assert response.json["detail"]


def test_an_unchanged_feed_is_not_modified(client: FlaskClient) -> None:
    first = client.get("/catalog.rdf")
    again = client.get("/catalog.rdf", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    other = client.get("/catalog.rdf?profile=dcat-ap-se", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


# Versions and series (DCAT 3, sections 11 and 12)


def test_versions_form_a_chain_below_their_dataset(metadata: Graph, settings: Settings) -> None:
    dataset, first, second = (dataset_node(settings, SLUG, n) for n in (None, 1, 2))
    assert metadata.value(second, DCAT.isVersionOf) == dataset
    assert metadata.value(second, DCAT.previousVersion) == first
    assert metadata.value(second, PROV.wasRevisionOf) == first
    assert metadata.value(dataset, DCAT.hasCurrentVersion) == second
    assert metadata.value(second, DCAT.version) == metadata.value(dataset, DCAT.version) == Literal("2")
    assert Literal("Utan 2020", lang="sv") in metadata[second : ADMS.versionNotes]
    # dcat:prev is of series: a version is no member of one.
    assert (None, DCAT.prev, None) not in metadata


def test_a_dataset_keeps_its_first_issue_date(settings: Settings, metadata: Graph) -> None:
    collection = Collection(settings)
    first, second = (collection.release(SLUG, n).released_at for n in (1, 2))
    collection.close()
    dataset, version = dataset_node(settings, SLUG), dataset_node(settings, SLUG, 2)
    assert metadata.value(dataset, DCTERMS.issued).toPython().replace(tzinfo=None) == first
    assert metadata.value(dataset, DCTERMS.modified).toPython().replace(tzinfo=None) == second
    assert metadata.value(version, DCTERMS.issued).toPython().replace(tzinfo=None) == second


def test_a_series_has_its_publisher_s_members_ordered_by_year(client: FlaskClient, settings: Settings) -> None:
    graph = graph_at(client, "/catalog.ttl")
    series = URIRef(settings.iris.series("556036-0793", "matningen"))
    first, second = dataset_node(settings, "matning-2021"), dataset_node(settings, "matning-2022")
    assert (series, RDF.type, DCAT.DatasetSeries) in graph
    assert set(graph.subjects(DCAT.inSeries, series)) == {first, second}
    assert (graph.value(series, DCAT.first), graph.value(series, DCAT.last)) == (first, second)
    assert (graph.value(second, DCAT.prev), graph.value(first, DCAT.next)) == (first, second)
    assert set(graph[series : DCTERMS.title]) == {Literal("Mätningen", lang="sv"), Literal("The survey", lang="en")}
    assert graph.value(series, DCTERMS.publisher) == graph.value(second, DCTERMS.publisher)
    assert client.get(str(series).removeprefix(settings.base_iri.rstrip("/"))).status_code == 303
    # A dataset outside all series has none.
    assert graph.value(dataset_node(settings, SLUG), DCAT.inSeries) is None


# Provenance and quality


def test_provenance_leads_from_the_release_to_the_submitted_file(settings: Settings, metadata: Graph) -> None:
    version = dataset_node(settings, SLUG, 2)
    releasing = metadata.value(version, PROV.wasGeneratedBy)
    checking = metadata.value(releasing, PROV.wasInformedBy)
    submission = metadata.value(version, PROV.wasDerivedFrom)
    assert {(releasing, PROV.used, submission), (checking, PROV.used, submission)} <= set(metadata)
    assert metadata.value(releasing, PROV.used, any=True) is not None
    assert URIRef(settings.iris.structure) in metadata[releasing : PROV.used]
    collection = Collection(settings)
    with collection.open(SLUG, 2, "report.json") as content:
        receipt = json.load(content)
    collection.close()
    checksum = metadata.value(submission, SPDX.checksum)
    assert str(metadata.value(checksum, SPDX.checksumValue)).lower() == receipt["sha256"]
    software = metadata.value(checking, PROV.wasAssociatedWith)
    assert (software, RDF.type, PROV.SoftwareAgent) in metadata
    association = metadata.value(checking, PROV.qualifiedAssociation)
    assert metadata.value(association, PROV.hadPlan) == URIRef(settings.iris.rules(receipt["rules_version"]))
    for activity in (checking, releasing):
        assert metadata.value(activity, PROV.startedAtTime) <= metadata.value(activity, PROV.endedAtTime)


def measurement(metadata: Graph, version: URIRef, metric: str) -> Literal:
    for node in metadata[version : DQV.hasQualityMeasurement]:
        if str(metadata.value(node, DQV.isMeasurementOf)).endswith(metric):
            assert metadata.value(node, DQV.computedOn) == version
            value = metadata.value(node, DQV.value)
            assert isinstance(value, Literal)
            return value
    raise AssertionError(f"{metric} was not measured")


def test_quality_measurements_agree_with_the_rows(settings: Settings, metadata: Graph) -> None:
    collection = Collection(settings)
    with collection.open(SLUG, 2, "observations.csv") as content:
        rows = list(csv.DictReader(content.read().decode("utf-8").splitlines()))
    with collection.open(SLUG, 2, "report.json") as content:
        receipt = json.load(content)
    collection.close()
    version = dataset_node(settings, SLUG, 2)
    with_value, suppressed = sum(bool(r["value"]) for r in rows), sum(r["status"] == "Q" for r in rows)
    assert 0 < suppressed < with_value < len(rows)
    completeness = float(measurement(metadata, version, "#valueCompleteness"))
    assert completeness == pytest.approx(100 * with_value / len(rows), abs=0.005)
    assert float(measurement(metadata, version, "#suppressedShare")) == pytest.approx(
        100 * suppressed / len(rows), abs=0.005
    )
    assert int(measurement(metadata, version, "#rowsChecked")) == sum(receipt["rows"].values())
    assert int(measurement(metadata, version, "#errors")) == 0
    warnings = {f["code"] for f in receipt["findings"] if f["severity"] == "warning"}
    assert int(measurement(metadata, version, "#warnings")) == sum(receipt["counts"][code] for code in warnings)


def test_warnings_are_counted_by_rule(tmp_path: Path) -> None:
    source = tmp_path / "hopp.csv"
    # A jump from the area's own earlier values is a warning, which does not stop a release.
    values = enumerate((50, 51, 50, 52, 99), 2020)
    rows = "".join(f"0180C6070,trygg-morker,{year},{value}\n" for year, value in values)
    source.write_text("neighbourhood,kpi,period,value\n" + rows)
    settings = Settings(home=tmp_path / "home", base_iri="https://data.example/")
    report = publish(source, settings, choices=LICENCE_AND_PUBLISHER).report
    warnings = {f.code for f in report.findings if f.severity == "warning"}
    assert warnings
    collection = Collection(settings)
    with collection.open("hopp", 1, "metadata.ttl") as file:
        metadata = Graph().parse(file, format="turtle")
    collection.close()
    for code in warnings:
        assert int(measurement(metadata, dataset_node(settings, "hopp", 1), f"id/rule/{code}")) == report.counts[code]


def test_every_metric_and_dimension_is_defined(settings: Settings, metadata: Graph) -> None:
    vocabulary = published_vocabulary(settings.iris)
    metrics = set(metadata.objects(None, DQV.isMeasurementOf))
    assert len(metrics) >= 5
    for metric in metrics:
        assert (metric, RDF.type, DQV.Metric) in vocabulary
        assert (vocabulary.value(metric, DQV.inDimension), RDF.type, DQV.Dimension) in vocabulary
        assert vocabulary.value(metric, DQV.expectedDataType) is not None


def test_the_receipt_is_the_quality_certificate(client: FlaskClient, settings: Settings, metadata: Graph) -> None:
    certificate = metadata.value(dataset_node(settings, SLUG, 2), DQV.hasQualityAnnotation)
    assert (certificate, RDF.type, DQV.QualityCertificate) in metadata
    body = metadata.value(certificate, Namespace(NAMESPACES["oa"]).hasBody)
    assert body == URIRef(settings.iris.distribution(SLUG, 2, "report.json"))
    assert (body, RDF.type, FOAF.Document) in metadata


# Mappings


def test_exactly_the_verified_matches_are_published(settings: Settings) -> None:
    graph = published_vocabulary(settings.iris)
    expected = {
        (URIRef(settings.iris.kpi(kpi.id)), URIRef(target(settings.iris, match)))
        for kpi in register.kpis().values()
        for match in kpi.matches
        if match.status == "verified" and match.kind
    }
    predicates = (SKOS.exactMatch, SKOS.closeMatch, SKOS.relatedMatch)
    kpis = {URIRef(settings.iris.kpi(slug)) for slug in register.kpis()}
    published = {(s, o) for p in predicates for s, o in graph.subject_objects(p) if s in kpis}
    assert published == expected
    assert len(expected) > 70
    for node in graph.subjects(RDF.type, SSSOM.Mapping):
        assert str(graph.value(node, URIRef(settings.iris.ontology + "matchStatus"))) == "verified"
    # These have not been verified against Boverket's own list.
    (unverified,) = (m for m in register.kpis()["meritvarde"].matches if m.scheme == "segregationsbarometern")
    assert unverified.status == "unverified"
    assert (None, SSSOM.subject_id, URIRef(settings.iris.kpi("meritvarde"))) not in graph.subjects(
        SSSOM.object_source, URIRef(settings.iris.scheme("segregationsbarometern"))
    )


def test_a_match_with_a_reservation_is_not_published_as_exact(settings: Settings) -> None:
    graph = published_vocabulary(settings.iris)
    kpi = URIRef(settings.iris.kpi("otrygg-sen-kvall"))
    outside = URIRef(settings.iris.outside("kolada", "N07609"))
    assert (kpi, SKOS.relatedMatch, outside) in graph
    assert (kpi, SKOS.exactMatch, None) not in graph
    node = URIRef(settings.iris.match("otrygg-sen-kvall", "kolada", "N07609"))
    assert {text.language for text in graph.objects(node, SSSOM.comment)} == {"sv", "en"}
    assert str(graph.value(outside, SKOS.notation)) == "N07609"


def test_sdg_indicators_are_the_un_s_http_iris(settings: Settings, shared: Path) -> None:
    with (shared / "derived" / "sdg_indicator_iris.csv").open(encoding="utf-8") as lines:
        known = {URIRef(row["iri"]) for row in csv.DictReader(lines)}
    graph = published_vocabulary(settings.iris)
    used = {o for o in graph.objects(None, SSSOM.object_id) if "/sdg/" in str(o)}
    assert used
    assert used <= known


def test_iris_metrics_are_in_the_common_approach_s_code_list(settings: Settings, shared: Path) -> None:
    with (shared / "derived" / "iris53_metric_ids.csv").open(encoding="utf-8") as lines:
        iri_prefix = "https://codelist.commonapproach.org/codeLists/IrisMetric53#"
        known = {URIRef(iri_prefix + row["iris_id"]) for row in csv.DictReader(lines)}
    graph = published_vocabulary(settings.iris)
    used = {o for o in graph.objects(None, SSSOM.object_id) if "IrisMetric53" in str(o)}
    assert len(used) > 15
    assert used <= known


@pytest.mark.parametrize(("language", "words"), [("sv", "obekräftad"), ("en", "unverified")])
def test_a_kpi_s_page_marks_unverified_matches(client: FlaskClient, language: str, words: str) -> None:
    page = client.get("/kpi/meritvarde", headers={"Accept-Language": language, "Accept": "text/html"}).text
    assert "Segregationsbarometern" in page
    assert words in page
