"""The W3C's tests of SPARQL 1.1 Protocol and Service Description, from their manifests, over HTTP.

Twenty-seven of the 34 protocol tests apply to a read-only endpoint. The seven in UPDATES write first and then check
what was written; here all their updates must be refused and change nothing.
"""

import http.client
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import rdflib
from pyoxigraph import parse_query_results
from rdflib import RDF, RDFS, Graph, Namespace, URIRef
from rdflib.collection import Collection

from tests.conftest import SHARED, Serving, Site, environment, free_port
from vaven.publisher.graph.store import EmbeddedStore
from vaven.vocab.iris import Iris

MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
UT = Namespace("http://www.w3.org/2009/sparql/tests/test-update#")
HT = Namespace("http://www.w3.org/2011/http#")
CNT = Namespace("http://www.w3.org/2011/content#")
SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
TESTS = SHARED / "sparql11-tests"
UPDATES = {
    "update_dataset_default_graph",
    "update_dataset_default_graphs",
    "update_dataset_named_graphs",
    "update_dataset_full",
    "update_post_form",
    "update_post_direct",
    "update_base_uri",
}
FORMATS = {
    "boolean": {"application/sparql-results+json", "application/sparql-results+xml"},
    "tabular": {
        "application/sparql-results+json",
        "application/sparql-results+xml",
        "text/csv",
        "text/tab-separated-values",
    },
    "RDF": {"text/turtle", "application/n-triples", "application/rdf+xml", "application/ld+json"},
}


@dataclass(frozen=True)
class ManifestRequest:
    """A request of a test, and the expected response."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None
    statuses: frozenset[str]
    format: str
    boolean: bool | None


def manifest(name: str) -> Graph:
    path = TESTS / name / "manifest.ttl"
    return Graph().parse(path, publicID=path.as_uri()) if path.exists() else Graph()


PROTOCOL, DESCRIPTION = manifest("protocol"), manifest("service-description")


def manifest_entries(graph: Graph) -> list[URIRef]:
    return [test for entry_list in graph.objects(None, MF.entries) for test in Collection(graph, entry_list)]  # type: ignore[arg-type,misc]


def local(iri: object) -> str:
    return str(iri).rpartition("#")[2]


def requests_of(graph: Graph, test: URIRef) -> list[ManifestRequest]:
    connection = graph.value(test, MF.action)
    request_list = graph.value(connection, HT.requests)
    return [_read_request(graph, node) for node in Collection(graph, request_list)]  # type: ignore[arg-type]


def _read_request(graph: Graph, node: rdflib.term.Node) -> ManifestRequest:
    fields = graph.value(node, HT.headers)
    headers = {
        str(graph.value(field, HT.fieldName)): str(graph.value(field, HT.fieldValue))
        for field in (Collection(graph, fields) if fields else ())  # type: ignore[arg-type]
    }
    expected_response, content = graph.value(node, HT.resp), graph.value(node, HT.body)
    body = None
    if content is not None:
        body = str(graph.value(content, CNT.chars)).encode(str(graph.value(content, CNT.characterEncoding)))
    boolean = graph.value(expected_response, MF.expectedBoolean)
    return ManifestRequest(
        str(graph.value(node, HT.methodName)),
        str(graph.value(node, HT.absolutePath)).replace("/sparql/", "/sparql", 1),
        headers,
        body,
        frozenset(local(status)[len("StatusCode")] for status in graph.objects(expected_response, MF.expectedStatus)),
        str(graph.value(expected_response, MF.expectedFormat) or ""),
        None if boolean is None else bool(boolean.toPython()),  # type: ignore[attr-defined]
    )


@pytest.fixture(scope="module")
def site(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with the graphs named in the manifest's tests."""
    home, port = tmp_path_factory.mktemp("w3c"), free_port()
    graphs = {}
    for data in PROTOCOL.objects(None, UT.graphData):
        path = Path(urllib.parse.urlsplit(str(PROTOCOL.value(data, UT.graph))).path)
        (home / f"{path.stem}.nt").write_bytes(path.read_bytes())
        graphs[str(PROTOCOL.value(data, RDFS.label))] = [home / f"{path.stem}.nt"]
    assert len(graphs) == 3
    EmbeddedStore(home / "graph", Iris("http://example.org/")).replace(graphs, contents={})
    with Serving(home, port, environment(home, port)) as running_site:
        yield running_site


def send(site: Site, sent: ManifestRequest) -> tuple[int, str, bytes]:
    server = urllib.parse.urlsplit(site.url)
    connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=30)
    try:
        # http.client adds no Content-Type by itself, which some tests are about.
        connection.request(sent.method, sent.path, sent.body, sent.headers)
        response = connection.getresponse()
        return response.status, (response.headers["Content-Type"] or "").split(";")[0], response.read()
    finally:
        connection.close()


def check_response(site: Site, sent: ManifestRequest) -> None:
    status, kind, body = send(site, sent)
    assert str(status)[0] in sent.statuses, (status, body)
    if sent.format:
        assert kind in FORMATS[sent.format]
    if sent.boolean is not None:
        assert bool(parse_query_results(body, format=_results(kind))) is sent.boolean
    if sent.format == "RDF":
        Graph().parse(data=body, format=kind)
    if str(status)[0] == "4":
        assert kind == "application/problem+json"


def _results(kind: str) -> object:
    from pyoxigraph import QueryResultsFormat

    return QueryResultsFormat.from_media_type(kind)


def test_the_manifests_have_the_expected_tests() -> None:
    if not TESTS.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    names = {local(test) for test in manifest_entries(PROTOCOL)}
    assert len(names) == 34
    assert names >= UPDATES
    assert {local(test) for test in manifest_entries(DESCRIPTION)} == {
        "has-endpoint-triple",
        "returns-rdf",
        "conforms-to-schema",
    }


@pytest.mark.parametrize("test", manifest_entries(PROTOCOL), ids=local)
def test_protocol(site: Site, test: URIRef) -> None:
    name = local(test)
    sent = requests_of(PROTOCOL, test)
    assert sent
    if name not in UPDATES:
        for one in sent:
            check_response(site, one)
        return
    status, kind, body = send(site, sent[0])
    assert (status, kind) == (403, "application/problem+json"), body
    for one in sent[1:]:
        # It queries the data that would have been written.
        assert b"true" not in send(site, one)[2]
    everything = "/sparql?query=SELECT%20*%20%7B%3Fs%20%3Fp%20%3Fo%7D&format=csv"
    rows = send(site, ManifestRequest("GET", everything, {}, None, frozenset("2"), "tabular", None))[2].splitlines()
    assert len(rows) == 1 + 3


@pytest.fixture(scope="module")
def description(site: Site) -> Graph:
    """GET on the endpoint without a query, in the format for clients without Accept."""
    status, kind, body = send(site, ManifestRequest("GET", "/sparql", {}, None, frozenset("2"), "RDF", None))
    assert status == 200
    assert kind in FORMATS["RDF"]
    return Graph().parse(data=body, format=kind)


# Service Description, section 3: domains and ranges of the properties that we use.
DOMAINS = {
    SD.endpoint: SD.Service,
    SD.feature: SD.Service,
    SD.supportedLanguage: SD.Service,
    SD.resultFormat: SD.Service,
    SD.inputFormat: SD.Service,
    SD.defaultDataset: SD.Service,
    SD.availableGraphs: SD.Service,
    SD.defaultEntailmentRegime: SD.Service,
    SD.entailmentRegime: SD.NamedGraph,
    SD.defaultGraph: SD.Dataset,
    SD.namedGraph: SD.Dataset,
    SD.graph: SD.NamedGraph,
    SD.name: SD.NamedGraph,
}
RANGES = {
    SD.defaultDataset: SD.Dataset,
    SD.defaultGraph: SD.Graph,
    SD.namedGraph: SD.NamedGraph,
    SD.graph: SD.Graph,
}
KNOWN = {
    SD.feature: {SD.DereferencesURIs, SD.UnionDefaultGraph, SD.RequiresDataset, SD.EmptyGraphs},
    SD.supportedLanguage: {SD.SPARQL10Query, SD.SPARQL11Query},
}


@pytest.mark.parametrize("test", manifest_entries(DESCRIPTION), ids=local)
def test_service_description(site: Site, description: Graph, test: URIRef) -> None:
    (service,) = description.subjects(RDF.type, SD.Service)
    if local(test) == "returns-rdf":
        assert len(description) > 0
    elif local(test) == "has-endpoint-triple":
        assert list(description.objects(service, SD.endpoint)) == [URIRef(site.url + "sparql")]
    else:
        own = [(s, p, o) for s, p, o in description if str(p).startswith(str(SD))]
        assert {p for _, p, _ in own} <= DOMAINS.keys()
        for s, p, o in own:
            assert (s, RDF.type, DOMAINS[p]) in description
            assert p not in RANGES or (o, RDF.type, RANGES[p]) in description
            assert o in KNOWN.get(p, {o})
        assert list(description.objects(service, SD.supportedLanguage)) == [SD.SPARQL11Query]
