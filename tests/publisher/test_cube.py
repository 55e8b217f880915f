"""Integrity constraints of RDF Data Cube over the published graph (W3C Recommendation 2014-01-16, section 11)."""

import urllib.request
from pathlib import Path

import pytest
from pyoxigraph import QueryBoolean, RdfFormat, Store

from tests.conftest import Site
from vaven.vocab.iris import NAMESPACES

# IC-20 and IC-21 are templates for hierarchies with properties of their own, which the code lists do not use.
CONSTRAINTS = [*(str(i) for i in range(1, 19)), "19a", "19b"]
EVERYTHING = "CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }"
PLANTED_VIOLATIONS = {
    "1": "DELETE { ?o qb:dataSet ?d } WHERE { ?o a qb:Observation ; qb:dataSet ?d }",
    "11": "DELETE { ?o sdmx-dimension:sex ?x } WHERE { ?o sdmx-dimension:sex ?x }",
    "12": "INSERT { <urn:twin> ?p ?v } WHERE { { SELECT ?o { ?o a qb:Observation } LIMIT 1 } ?o ?p ?v }",
    "14": "DELETE { ?o sdmx-measure:obsValue ?v } WHERE { ?o sdmx-measure:obsValue ?v }",
    "19a": "DELETE { ?s skos:inScheme <BASEid/scheme/kpi> } WHERE { ?s skos:inScheme <BASEid/scheme/kpi> }",
}
PREFIXES = """
PREFIX qb: <http://purl.org/linked-data/cube#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX sdmx-dimension: <http://purl.org/linked-data/sdmx/2009/dimension#>
PREFIX sdmx-measure: <http://purl.org/linked-data/sdmx/2009/measure#>
"""


@pytest.fixture(scope="module")
def published(whole_way: Site) -> bytes:
    """Every triple that the endpoint returns, as N-Triples."""
    body = EVERYTHING.encode()
    headers = {"Accept": "application/n-triples", "Content-Type": "application/sparql-query"}
    request = urllib.request.Request(whole_way.url + "sparql", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        triples: bytes = response.read()
    return triples


@pytest.fixture
def cube(published: bytes, shared: Path) -> Store:
    """The published triples after the normalisation of section 10."""
    return normalised(published, "", shared)


def normalised(triples: bytes, breach: str, shared: Path) -> Store:
    store = Store()
    store.load(triples, RdfFormat.N_TRIPLES)
    if breach:
        store.update(PREFIXES + breach)
    for name in ("closure.ru", "flatten.ru"):
        store.update((shared / "qb-integrity" / "src" / "main" / "resources" / name).read_text("utf-8"))
    return store


def is_violated(store: Store, constraint: str, shared: Path) -> bool:
    query = shared / "qb-integrity" / "src" / "main" / "resources" / f"integrity-{constraint}.sparql"
    result = store.query(query.read_text("utf-8"), prefixes=NAMESPACES)
    assert isinstance(result, QueryBoolean)
    return bool(result)


def test_no_integrity_constraint_is_violated(cube: Store, shared: Path) -> None:
    assert [c for c in CONSTRAINTS if is_violated(cube, c, shared)] == []


@pytest.mark.parametrize("constraint", PLANTED_VIOLATIONS)
def test_the_constraints_detect_planted_violations(
    published: bytes, shared: Path, whole_way: Site, constraint: str
) -> None:
    breach = PLANTED_VIOLATIONS[constraint].replace("BASE", whole_way.url)
    assert is_violated(normalised(published, breach, shared), constraint, shared)


def test_every_concept_is_a_top_concept_or_has_a_broader_concept(published: bytes) -> None:
    store = Store()
    store.load(published, RdfFormat.N_TRIPLES)
    query = (
        PREFIXES + "SELECT ?c { ?c skos:inScheme ?s FILTER NOT EXISTS { ?c skos:topConceptOf ?s } FILTER NOT EXISTS "
    )
    query += "{ ?c skos:broader ?b } }"
    assert [str(row["c"]) for row in store.query(query)] == []
    count_tops = "SELECT ?s (COUNT(*) AS ?n) { ?c skos:topConceptOf ?s FILTER EXISTS { %s } } GROUP BY ?s"
    by_concept, by_scheme = (
        {
            str(row["s"]).rpartition("/")[2].rstrip(">"): int(row["n"].value)
            for row in store.query(PREFIXES + count_tops % pattern)
        }
        for pattern in ("?c skos:inScheme ?s", "?s skos:hasTopConcept ?c")
    )
    # Ages and areas are described by the releases, and their schemes do not list them.
    assert {name: by_concept[name] for name in by_concept if name not in ("age", "area")} == by_scheme
    assert {"theme", "status", "method", "sector", "rule", "code#sex"} <= set(by_scheme)
    # The three län of the sample.
    assert by_concept["area"] == 3


def test_every_term_of_the_ontology_has_a_label_in_both_languages(published: bytes, whole_way: Site) -> None:
    store = Store()
    store.load(published, RdfFormat.N_TRIPLES)
    query = f"""PREFIX rdfs: <{NAMESPACES["rdfs"]}>
    SELECT DISTINCT ?term {{
      ?term a ?kind FILTER (STRSTARTS(STR(?term), "{whole_way.url}ns#")) VALUES ?l {{ "sv" "en" }}
      FILTER NOT EXISTS {{ ?term rdfs:label ?label FILTER (LANG(?label) = ?l) }} }}"""
    assert [str(row["term"]) for row in store.query(query)] == []
