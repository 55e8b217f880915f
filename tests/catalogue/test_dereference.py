"""Every IRI that we mint is dereferenced in every format, by the standards of the web and of linked data."""

import http.client
import json
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

import pytest
from pyoxigraph import NamedNode, Quad, RdfFormat, parse
from rdflib import FOAF, Graph, URIRef
from rdflib.compare import isomorphic

from tests.conftest import Site
from vaven.vocab.iris import NAMESPACES, Iris

FORMS = {
    "ttl": ("text/turtle", RdfFormat.TURTLE),
    "jsonld": ("application/ld+json", RdfFormat.JSON_LD),
    "nt": ("application/n-triples", RdfFormat.N_TRIPLES),
    "rdf": ("application/rdf+xml", RdfFormat.RDF_XML),
}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KPI = "id/kpi/trygg-morker"
LINK = re.compile(r'<([^>]*)>; rel="([^"]*)"(?:; type="([^"]*)")?')
OUR_IRIS = """
SELECT DISTINCT ?x WHERE {
  { ?x ?p ?o } UNION { ?s ?x ?o } UNION { ?s ?p ?x } UNION { GRAPH ?x { ?s ?p ?o } }
  FILTER (isIRI(?x) && STRSTARTS(STR(?x), "%s"))
}
"""


@dataclass(frozen=True)
class Response:
    status: int
    headers: Message
    body: bytes

    @property
    def kind(self) -> str:
        return self.headers.get_content_type()

    def links(self, relation: str) -> dict[str, str]:
        """Return the URLs of the links of one relation by media type (or "")."""
        return {kind: to for to, rel, kind in LINK.findall(self.headers.get("Link", "")) if rel == relation}

    def problem(self) -> dict[str, object]:
        assert self.kind == "application/problem+json"
        problem: dict[str, object] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


class Client:
    """A persistent connection, so that a few thousand requests are quick. Redirects are not followed."""

    def __init__(self, site: Site) -> None:
        self.base = site.url
        self._connection = http.client.HTTPConnection(urllib.parse.urlsplit(site.url).netloc, timeout=60)

    def ask(self, address: str, method: str = "GET", **headers: str) -> Response:
        """Request a URL, absolute or below the base; `headers` are named with _ for -. Other than ASCII is escaped."""
        path = "/" + urllib.parse.quote(address.removeprefix(self.base), safe="/:?#[]@!$&'()*+,;=%~")
        self._connection.request(
            method, path.partition("#")[0], headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        response = self._connection.getresponse()
        return Response(response.status, response.headers, response.read())

    def follow(self, address: str, **headers: str) -> Response:
        response = self.ask(address, **headers)
        for _ in range(3):
            if response.status not in (303, 308):
                break
            response = self.ask(response.headers["Location"].lstrip("/"), **headers)
        return response

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def client(whole_way: Site) -> Iterator[Client]:
    client = Client(whole_way)
    yield client
    client.close()


@pytest.fixture(scope="module")
def ours(client: Client) -> list[str]:
    """Return every IRI of ours that occurs in the graph."""
    query = urllib.parse.urlencode({"query": OUR_IRIS % client.base})
    rows = client.ask(f"sparql?{query}", Accept="text/csv").body.decode("utf-8").split("\r\n")[1:-1]
    assert len(rows) > 800
    return rows


def quads(response: Response, form: RdfFormat, base: str) -> list[Quad]:
    return list(parse(response.body, form, base_iri=base))


def test_every_own_iri_in_the_graph_is_served_as_turtle_and_as_a_page(client: Client, ours: list[str]) -> None:
    """A resource is 303 and its document 200; a term of ns# is described in `ns`; pages and files are 200."""
    kinds = set()
    for iri in ours:
        path, _, fragment = iri.removeprefix(client.base).partition("#")
        kinds.add("/".join(path.split("/")[:2]) if path.startswith("id/") else path.split("/")[0])
        first = client.ask(iri, Accept="text/turtle")
        if path.startswith("id/"):
            assert (first.status, first.body) == (303, b""), iri
            document = client.ask(first.headers["Location"].lstrip("/"))
            assert (document.status, document.kind) == (200, "text/turtle"), iri
            spoken = {term for q in quads(document, RdfFormat.TURTLE, iri) for term in (q.subject, q.object)}
            assert NamedNode(iri) in spoken, iri
            page = client.follow(iri, **BROWSER)
            assert (page.status, page.kind) == (200, "text/html"), iri
        elif path == "ns":
            assert first.status == 200
            assert not fragment or NamedNode(iri) in {q.subject for q in quads(first, RdfFormat.TURTLE, client.base)}
        else:
            assert first.status == 200, iri
    minted = {"kpi", "theme", "scheme", "area", "organisation", "investment", "dataset", "observation", "target", "age"}
    minted |= {"status", "method", "sector", "catalogue", "reference", "sparql"}
    assert kinds >= {f"id/{kind}" for kind in minted} | {"ns", "dataset", "sparql", ""}


def test_every_method_that_mints_has_a_resource_in_the_graph(client: Client, ours: list[str]) -> None:
    """A method added to vocab/iris.py must be published with something, or be named here with its reason."""
    # The sample has no own interval as its period and is in no series; other tests have these.
    elsewhere = {"period", "series"}
    # These are not below id/, and the graph's own or answered by other tests, or mint nothing.
    addresses = {"document", "page", "download", "dump", "owner"}
    first = {iri.removeprefix(client.base).split("/")[1] for iri in ours if iri.startswith(client.base + "id/")}
    methods = {name for name in vars(Iris) if not name.startswith("_") and callable(getattr(Iris, name))}
    segments = {"distribution": "dataset", "release_part": "dataset", "provenance": "dataset"}
    segments |= {"observation_prefix": "observation", "example": "query", "measure": "quantity", "geometry": "area"}
    segments |= {"observation_set": "dataset", "constraint": "dataset", "observations_over": "observation"}
    segments |= {"checksum": "dataset", "timespan": "dataset"}
    missing = {name for name in methods - elsewhere - addresses if segments.get(name, name) not in first}
    assert missing == set()


@pytest.mark.parametrize("ending", FORMS)
@pytest.mark.parametrize(
    "path",
    [
        KPI,
        "id/area/deso2018/0180C6070",
        "id/area/own/exempel-tre-kommuner.rinkeby-centrum",
        "id/dataset/exempel-tre-kommuner",
        "id/dataset/exempel-tre-kommuner/1",
        "id/dataset/exempel-tre-kommuner/1/observations.csv",
        "id/observation/exempel-tre-kommuner/0180C6070/trygg-morker/2024/T/T",
        "id/scheme/area",
        "id/catalogue",
        "id/status/Q",
    ],
)
def test_a_document_has_the_same_triples_in_every_format(client: Client, path: str, ending: str) -> None:
    kind, form = FORMS[ending]
    sent = client.ask(path, Accept=kind)
    document = client.ask(sent.headers["Location"].lstrip("/"))
    assert (sent.status, document.status, document.kind) == (303, 200, kind)
    plain = client.ask(f"doc/{path.removeprefix('id/')}.nt")
    assert_same(quads(document, form, client.base), quads(plain, RdfFormat.N_TRIPLES, client.base))


def assert_same(first: list[Quad], second: list[Quad]) -> None:
    """Assert equal triples: as sets without blank nodes, else up to the blank nodes' labels."""
    one, two = ([f"{q.subject} {q.predicate} {q.object} ." for q in graph] for graph in (first, second))
    if any("_:" in line for line in one):
        assert isomorphic(*(Graph().parse(data="\n".join(lines), format="nt") for lines in (one, two)))
    else:
        assert set(one) == set(two)


def test_a_document_has_the_triples_of_the_endpoint(client: Client) -> None:
    """No literal is normalised on the way, for example 2026-01-01T00:00:00Z to +00:00."""
    observation = "id/observation/exempel-tre-kommuner/0180C6070/trygg-morker/2024/T/T"
    for path in (KPI, "id/dataset/exempel-tre-kommuner/1", observation):
        pattern = f"<{client.base}{path}> ?p ?o"
        text = f"CONSTRUCT {{ {pattern} }} WHERE {{ {pattern} FILTER (!isBlank(?o)) }}"
        query = urllib.parse.urlencode({"query": text})
        expected = client.ask(f"sparql?{query}", Accept="application/n-triples").body.decode("utf-8").splitlines()
        lines = client.ask(f"doc/{path.removeprefix('id/')}.nt").body.decode("utf-8").splitlines()
        assert expected
        assert set(expected) <= set(lines)


def test_a_document_states_its_topic_and_names_the_linked_resources(client: Client) -> None:
    path = "observation/exempel-tre-kommuner/0180C6070/trygg-morker/2024/T/T"
    graph = Graph().parse(data=client.ask(f"doc/{path}.ttl").body, format="turtle")
    resource = URIRef(f"{client.base}id/{path}")
    assert (URIRef(f"{client.base}doc/{path}"), FOAF.primaryTopic, resource) in graph
    labels = {str(label) for label in graph.objects(None, URIRef(NAMESPACES["skos"] + "prefLabel"))}
    assert {
        "Svarande som är trygga utomhus i området när det är mörkt",
        "Respondents who feel safe outdoors in the area after dark",
    } <= labels
    unnamed = {
        o
        for o in graph.objects(resource)
        if str(o).startswith(client.base) and not list(graph.predicate_objects(URIRef(str(o))))
    }
    # A quantity is a number and a unit, and has no name.
    assert {iri for iri in unnamed if "/id/quantity/" not in str(iri)} == set()


def test_a_page_includes_resources_that_have_no_document(client: Client) -> None:
    path = "dataset/exempel-tre-kommuner/1/observations.csv"
    graph = Graph().parse(data=client.ask(f"doc/{path}.ttl").body, format="turtle")
    checksum = URIRef(f"{client.base}id/{path}#checksum")
    digest = str(graph.value(checksum, URIRef(NAMESPACES["spdx"] + "checksumValue")))
    assert len(digest) == 64
    assert digest in client.ask(f"doc/{path}.html").body.decode("utf-8")


def test_a_document_includes_the_links_to_its_resource(client: Client) -> None:
    graph = Graph().parse(data=client.ask("doc/theme/trygghet.ttl").body, format="turtle")
    theme = URIRef(client.base + "id/theme/trygghet")
    assert URIRef(client.base + KPI) in set(graph.subjects(URIRef(NAMESPACES["skos"] + "broader"), theme))
    graph = Graph().parse(data=client.ask("doc/area/deso2018/0180C6070.ttl").body, format="turtle")
    leading = {
        str(s).removeprefix(client.base)
        for s in graph.subjects(None, URIRef(client.base + "id/area/deso2018/0180C6070"))
    }
    assert any(path.startswith("id/target/") for path in leading)
    assert not any(path.startswith("id/observation/") for path in leading)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("kpi/trygg-morker", 110),
        ("status/Q", None),
        ("dataset/exempel-tre-kommuner", 629),
        ("area/deso2018/0180C6070", None),
        ("age/T", 629),
    ],
)
def test_a_document_counts_its_observations_and_links_to_them(client: Client, path: str, count: int | None) -> None:
    graph = Graph().parse(data=client.ask(f"doc/{path}.ttl").body, format="turtle")
    subset = URIRef(f"{client.base}doc/{path}#observations")
    entities = int(str(graph.value(subset, URIRef(NAMESPACES["void"] + "entities"))))
    assert entities == (count or entities) > 0
    for address in graph.objects(subset, URIRef(NAMESPACES["rdfs"] + "seeAlso")):
        response = client.ask(str(address), Accept="text/csv")
        assert (response.status, response.kind) == (200, "text/csv"), address
        assert len(response.body.decode("utf-8").strip().splitlines()) == entities + 1, address


def test_browsers_get_the_page_and_programs_get_rdf(client: Client) -> None:
    assert client.ask(KPI, **BROWSER).headers["Location"] == "/kpi/trygg-morker"
    assert client.ask("id/status/Q", **BROWSER).headers["Location"] == "/doc/status/Q"
    assert client.ask(KPI).headers["Location"] == "/doc/kpi/trygg-morker.ttl"
    assert client.ask(KPI, Accept="*/*").headers["Location"] == "/doc/kpi/trygg-morker.ttl"
    accept = "application/rdf+xml;q=0.9, text/turtle;q=0.3, */*;q=0.1"
    assert client.ask(KPI, Accept=accept).headers["Location"] == "/doc/kpi/trygg-morker.rdf"


@pytest.mark.parametrize(
    ("format_name", "ending"),
    [("ttl", "ttl"), ("json-ld", "jsonld"), ("html", "html"), ("text/turtle", "ttl"), ("xml", "rdf")],
)
def test_format_and_extension_override_accept(client: Client, format_name: str, ending: str) -> None:
    sent = client.ask(f"id/status/Q?format={format_name}", Accept="application/n-triples")
    assert (sent.status, sent.headers["Location"]) == (303, f"/doc/status/Q.{ending}")
    kind = {"html": "text/html", **{e: k for e, (k, _) in FORMS.items()}}[ending]
    assert client.ask(f"doc/status/Q.{ending}", Accept="image/png").kind == kind
    assert client.ask(f"doc/status/Q?format={format_name}", Accept="image/png").kind == kind
    assert client.ask(f"id/status/Q.{ending}").headers["Location"] == f"/doc/status/Q.{ending}"


def test_an_unavailable_media_type_is_406_with_the_available_ones(client: Client) -> None:
    for path in (KPI, KPI.replace("id/", "doc/"), "ns", f"{KPI}?format=hdt"):
        response = client.ask(path, Accept="image/png")
        problem = response.problem()
        assert response.status == 406
        assert "Accept" in response.headers["Vary"]
        kinds = {entry["type"]: entry["href"] for entry in problem["available"]}  # type: ignore[attr-defined]
        assert set(kinds) == {"text/html"} | {kind for kind, _ in FORMS.values()}
        assert response.links("alternate") == kinds
        for kind, address in kinds.items():
            assert client.ask(address).kind == kind


def test_only_negotiated_responses_vary_by_accept(client: Client) -> None:
    for path, headers in (
        (KPI, {}),
        (KPI, BROWSER),
        ("id/kpi/finns-inte", {}),
        (KPI, {"Accept": "image/png"}),
        ("doc/kpi/trygg-morker", {}),
        ("ns", {}),
    ):
        assert "Accept" in client.ask(path, **headers).headers["Vary"].split(", "), (path, headers)
    turtle = client.ask("doc/kpi/trygg-morker.ttl").headers
    assert turtle["Vary"] == "Accept-Encoding"
    assert "Content-Language" not in turtle
    assert "Accept-Language" in client.ask("doc/kpi/trygg-morker.html").headers["Vary"]


def test_a_generic_document_names_the_selected_format(client: Client) -> None:
    for ending, (kind, _) in FORMS.items():
        response = client.ask("doc/kpi/trygg-morker", Accept=kind)
        assert (response.status, response.kind) == (200, kind)
        assert response.headers["Content-Location"] == f"/doc/kpi/trygg-morker.{ending}"
    assert client.ask("doc/kpi/trygg-morker", **BROWSER).headers["Content-Location"] == "/doc/kpi/trygg-morker.html"


@pytest.mark.parametrize(
    "path",
    [KPI, "doc/kpi/trygg-morker.ttl", "doc/kpi/trygg-morker", "doc/status/Q.html", "ns", "ns.rdf", "id/kpi/finns-inte"],
)
def test_head_has_the_headers_of_get_and_no_body(client: Client, path: str) -> None:
    for accept in ("*/*", "text/html", "image/png"):
        got, head = client.ask(path, Accept=accept), client.ask(path, "HEAD", Accept=accept)
        assert head.body == b""
        assert head.status == got.status
        varying = ("Date",)
        assert {k: v for k, v in head.headers.items() if k not in varying} == {
            k: v for k, v in got.headers.items() if k not in varying
        }


@pytest.mark.parametrize(
    "path", ["doc/kpi/trygg-morker.ttl", "doc/kpi/trygg-morker", "doc/status/Q.html", "ns", "ns.jsonld"]
)
def test_an_unchanged_document_is_304(client: Client, path: str) -> None:
    first = client.ask(path, Accept="text/turtle")
    tag = first.headers["ETag"]
    for condition in (tag, f'"x", {tag}', "W/" + tag.removeprefix("W/"), "*"):
        again = client.ask(path, Accept="text/turtle", If_None_Match=condition)
        assert (again.status, again.body) == (304, b""), condition
        for name in ("ETag", "Cache-Control", "Vary", "Content-Location"):
            assert again.headers[name] == first.headers[name], name
    assert client.ask(path, Accept="text/turtle", If_None_Match='"other"').status == 200


def test_each_format_and_language_has_its_own_entity_tag(client: Client) -> None:
    tags = [client.ask(f"doc/status/Q.{ending}").headers["ETag"] for ending in FORMS]
    tags += [client.ask("doc/status/Q.html", Accept_Language=language).headers["ETag"] for language in ("sv", "en")]
    assert len(set(tags)) == 6


def test_link_headers_lead_to_the_stated_media_types(client: Client) -> None:
    sent = client.ask(KPI)
    assert set(sent.links("describedby")) == {"text/html"} | {kind for kind, _ in FORMS.values()}
    document = client.ask("doc/kpi/trygg-morker.ttl")
    assert document.links("describes") == {"": client.base + KPI}
    assert document.links("canonical") == {"": "/doc/kpi/trygg-morker"}
    assert set(document.links("alternate")) == {
        "text/html",
        "application/ld+json",
        "application/n-triples",
        "application/rdf+xml",
    }
    for response in (sent, document):
        for relation in ("describedby", "alternate"):
            for kind, address in response.links(relation).items():
                assert client.ask(address.lstrip("/")).kind == kind
    page = client.ask("kpi/trygg-morker", **BROWSER)
    assert page.links("cite-as") == {"": client.base + KPI}
    assert page.links("describedby")["text/turtle"] == "/doc/kpi/trygg-morker.ttl"
    assert client.ask("doc/kpi/trygg-morker.html").links("canonical") == {"": "/kpi/trygg-morker"}


def test_cors_and_preflight_requests_are_allowed(client: Client) -> None:
    for path in (KPI, "doc/kpi/trygg-morker.ttl", "ns", "id/kpi/finns-inte"):
        assert client.ask(path, Origin="https://a.example").headers["Access-Control-Allow-Origin"] == "*"
        preflight = client.ask(path, "OPTIONS", Origin="https://a.example", Access_Control_Request_Method="GET")
        assert preflight.status == 200
        assert preflight.body == b""
        assert "Accept" in preflight.headers["Access-Control-Allow-Headers"]
        assert {"GET", "HEAD", "OPTIONS"} <= set(preflight.headers["Allow"].split(", "))
    for name in ("Link", "ETag", "Content-Location"):
        assert name in client.ask(KPI).headers["Access-Control-Expose-Headers"]
    refused = client.ask(KPI, "POST")
    assert refused.status == 405
    assert "GET" in refused.headers["Allow"]


def test_a_trailing_slash_redirects_to_the_resource(client: Client) -> None:
    response = client.ask(f"{KPI}/")
    assert (response.status, response.headers["Location"]) == (308, f"/{KPI}")
    response = client.ask("doc/kpi/trygg-morker/")
    assert (response.status, response.headers["Location"]) == (308, "/doc/kpi/trygg-morker")
    assert client.ask("id/kpi/finns-inte/").status == 404


def test_iris_are_case_sensitive_and_the_right_spelling_is_suggested(client: Client) -> None:
    response = client.ask("id/kpi/Trygg-Morker")
    assert response.status == 404
    assert client.base + KPI in str(response.problem()["remedy"])
    response = client.ask("id/area/deso2018/0180c6070")
    assert client.base + "id/area/deso2018/0180C6070" in str(response.problem()["remedy"])
    assert client.ask("ID/kpi/trygg-morker").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("id/kpi/finns-inte", 404),
        ("id/kpi", 404),
        ("id/", 404),
        ("id/%00", 404),
        ("id/kpi/trygg-morker%00", 404),
        ("id/kpi/%FF%FE", 404),
        ("id/kpi/%C2%80", 404),
        ("id/kpi/trygg%0Amorker", 404),
        ("id/kpi/x%3E%20%3Fp%20%3Fo%20%7D%20%23", 404),
        ("id/kpi/%7D%20UNION%20%7B", 404),
        ("id/kpi/a%EF%BF%BEb", 404),
        ("id/../kpi/trygg-morker", 404),
        ("id/dataset/exempel-tre-kommuner/99", 404),
        ("id/dataset/exempel-tre-kommuner/99999999999999999999", 404),
        ("id/dataset/exempel-tre-kommuner/1/finns-inte.csv", 404),
        ("id/dataset/exempel-tre-kommuner/%C2%B2", 404),
        ("id/" + "a" * 2_001, 404),
        ("doc/" + "a" * 2_001, 404),
        ("doc/kpi/finns-inte.ttl", 404),
        ("doc/.ttl", 404),
    ],
)
def test_an_unknown_iri_is_a_problem_document(client: Client, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(client.base).netloc, timeout=60)
    connection.request("GET", f"/{path}")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == status
    assert response.headers.get_content_type() == "application/problem+json"
    assert json.loads(body)["status"] == status


def test_a_browser_gets_an_error_page_for_an_unknown_iri(client: Client) -> None:
    response = client.ask("id/kpi/finns-inte", **BROWSER)
    assert (response.status, response.kind) == (404, "text/html")


def test_equivalent_escapes_name_the_same_resource(client: Client) -> None:
    """RFC 3986, section 6.2.2: %6B is k."""
    assert client.ask("id/%6Bpi/trygg%2Dmorker").headers["Location"] == "/doc/kpi/trygg-morker.ttl"


def test_the_ontology_has_an_anchor_for_each_term(client: Client) -> None:
    page = client.ask("ns", **BROWSER)
    assert (page.status, page.kind, page.headers["Content-Location"]) == (200, "text/html", "/ns.html")
    anchors = re.findall(r'<article class="term" id="([^"]+)"', page.body.decode("utf-8"))
    graph = Graph().parse(data=client.ask("ns.ttl").body, format="turtle")
    terms = {str(s).partition("#")[2] for s in graph.subjects() if str(s).startswith(client.base + "ns#")}
    assert len(anchors) == len(set(anchors)) > 25
    assert set(anchors) == terms - {""}
    assert {"kpi", "Kpi", "structure"} <= set(anchors)


@pytest.mark.parametrize("ending", FORMS)
def test_the_ontology_is_available_in_every_format(client: Client, ending: str) -> None:
    kind, form = FORMS[ending]
    for address, accept in (("ns", kind), (f"ns.{ending}", "image/png"), (f"ns?format={ending}", "image/png")):
        response = client.ask(address, Accept=accept)
        assert (response.status, response.kind) == (200, kind)
        assert len(set(map(str, quads(response, form, client.base)))) > 150


def test_rdflib_dereferences_an_identifier(client: Client) -> None:
    """Without a format, rdflib sends its own Accept header, follows the 303 and parses the response."""
    graph = Graph().parse(client.base + KPI)
    assert graph.value(URIRef(client.base + KPI), URIRef(NAMESPACES["skos"] + "notation")) is not None
