"""Queries that endpoints are known to answer wrongly, each with the section of the standard that decides its result."""

from typing import Any

import pytest
import requests

from tests.conftest import Site

KPI, AREA, VALUE = "<ns#kpi>", "<http://purl.org/linked-data/sdmx/2009/dimension#refArea>", "sdmx-measure:obsValue"
BROADER = "<http://www.w3.org/2004/02/skos/core#broader>"
PREFIXES = """PREFIX sdmx-measure: <http://purl.org/linked-data/sdmx/2009/measure#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#> PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
"""
Row = dict[str, str]


def rows(site: Site, query: str) -> list[Row]:
    parameters = {"query": PREFIXES + query, "format": "json"}
    response = requests.get(f"{site.url}sparql", params=parameters, timeout=60)
    assert response.status_code == 200, response.text
    bindings: list[dict[str, Any]] = response.json()["results"]["bindings"]
    return [{name: term["value"] for name, term in row.items()} for row in bindings]


# Query and solutions; the section is of SPARQL 1.1 Query unless it is named.
AWKWARD: dict[str, tuple[str, list[Row]]] = {
    "a member without a value is an error of the concatenation (18.5.1)": (
        'SELECT ?r (GROUP_CONCAT(?f; separator="+") AS ?c) '
        '{ VALUES (?r ?f) { (1 "a") (1 UNDEF) (1 "b") (2 UNDEF) } } GROUP BY ?r ORDER BY ?r',
        [{"r": "1"}, {"r": "2"}],
    ),
    "a concatenation has no language (18.5.1.7)": (
        'SELECT (LANG(?g) AS ?l) ?g { SELECT (GROUP_CONCAT(?o) AS ?g) { VALUES ?o { "1"@en } } }',
        [{"l": "", "g": "1"}],
    ),
    "an escape is read before the grammar (19.2)": (r"SELECT * { BIND (1 AS ?\u0061rea) }", [{"area": "1"}]),
    "a path of length zero starts at a term without triples (18.4)": (
        f"SELECT ?b {{ <http://a.example/x> {BROADER}* ?b }}",
        [{"b": "http://a.example/x"}],
    ),
    "and ends there (18.4)": (
        f"SELECT ?b {{ ?b {BROADER}? <http://a.example/x> }}",
        [{"b": "http://a.example/x"}],
    ),
    "a text with a language is true unless it is empty, an ill-typed number is false (17.2.2)": (
        'SELECT (IF("x"@en, 1, 2) AS ?a) (IF(""@en, 1, 2) AS ?b) (IF("a"^^xsd:integer, 1, 2) AS ?c) {}',
        [{"a": "1", "b": "2", "c": "2"}],
    ),
    "truth values have an order (17.3)": (
        "SELECT (true < false AS ?a) (false < true AS ?b) {}",
        [{"a": "false", "b": "true"}],
    ),
    "a pattern may refer back (XPath functions, 5.6.1)": (
        r'SELECT (REGEX("aa", "(a)\\1") AS ?a) (REGEX("ab", "(a)\\1") AS ?b) {}',
        [{"a": "true", "b": "false"}],
    ),
    "a replacement may have a dollar sign, and an empty match is an error (XPath functions, 5.6.3)": (
        r'SELECT (REPLACE("abc", "b", "\\$") AS ?a) (REPLACE("abc", "", "-") AS ?b) '
        '(REPLACE("ab", "(a)", "$1$1") AS ?c) {}',
        [{"a": "a$c", "c": "aab"}],
    ),
    "a variable of SELECT is not visible in HAVING (18.2.4.2)": (
        f"SELECT ?k (COUNT(*) AS ?n) {{ ?o {KPI} ?k }} GROUP BY ?k HAVING (?n > 0)",
        [],
    ),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_query_has_the_result_of_the_standard(whole_way: Site, name: str) -> None:
    query, expected = AWKWARD[name]
    assert rows(whole_way, query) == expected


def test_every_form_of_query_may_group(whole_way: Site) -> None:
    """SPARQL 1.1 Query, section 19.8, rules 10 to 12: a solution modifier may follow WHERE in each form."""
    groups = f"{{ ?o {KPI} ?k }} GROUP BY ?k HAVING (COUNT(*) > 100)"
    kpis = rows(whole_way, f"SELECT ?k WHERE {groups}")
    url, parameters = f"{whole_way.url}sparql", {"format": "json"}
    for limit, expected in ((100, True), (10_000, False)):
        query = f"ASK {groups.replace('100', str(limit))}"
        assert requests.get(url, params={**parameters, "query": query}, timeout=60).json()["boolean"] is expected
    query = f"CONSTRUCT {{ ?k <urn:n> true }} WHERE {groups}"
    response = requests.get(url, params={"query": query, "format": "nt"}, timeout=60)
    subjects = {line.split(">")[0][1:] for line in response.text.splitlines()}
    assert subjects == {row["k"] for row in kpis}
    assert subjects


def test_addresses_and_numbers_are_concatenated_by_their_text(whole_way: Site) -> None:
    query = f"SELECT (GROUP_CONCAT(DISTINCT ?k) AS ?l) (GROUP_CONCAT(?v) AS ?m) {{ ?o {KPI} ?k ; {VALUE} ?v }}"
    (row,) = rows(whole_way, query)
    assert len(row["l"].split()) == 12
    assert all(address.startswith(f"{whole_way.url}id/kpi/") for address in row["l"].split())
    assert len(row["m"].split(" ")) > 600


def test_a_negated_property_set_of_both_directions_is_a_multiset(whole_way: Site) -> None:
    """SPARQL 1.1 Query, sections 18.2.2.3 and 18.4."""
    subject, label = "<id/kpi/tillit>", "skos:prefLabel"
    (both,) = rows(whole_way, f"SELECT (COUNT(*) AS ?n) {{ {subject} !(^{KPI}|{label}) ?p }}")
    parts = f"{{ {subject} !{label} ?p }} UNION {{ {subject} !^{KPI} ?p }}"
    (sum_,) = rows(whole_way, f"SELECT (COUNT(*) AS ?n) {{ {parts} }}")
    assert both == sum_
    assert int(both["n"]) > 10


def test_a_subquery_in_a_graph_counts_that_graph(whole_way: Site) -> None:
    """SPARQL 1.1 Query, section 18.6."""
    graphs = "<id/dataset/exempel-tre-kommuner> <id/catalogue>"
    pattern = "GRAPH ?g { SELECT (COUNT(*) AS ?n) { ?s ?p ?o } }"
    counts = rows(whole_way, f"SELECT ?g ?n {{ VALUES ?g {{ {graphs} }} {pattern} }}")
    for row in counts:
        assert rows(whole_way, f"SELECT (COUNT(*) AS ?n) {{ GRAPH <{row['g']}> {{ ?s ?p ?o }} }}") == [{"n": row["n"]}]
    assert len({row["n"] for row in counts}) == 2


@pytest.mark.parametrize(
    "query", ["SELECT * { FILTER (?x<?a&&?b>?y) }", "SELECT * { BIND (1 AS ?x) FILTER (?x<?x&&?x>0) }"]
)
def test_the_longest_token_counts(whole_way: Site, query: str) -> None:
    """SPARQL 1.1 Query, section 19.8: `<?a&&?b>` is an IRI."""
    response = requests.get(f"{whole_way.url}sparql", params={"query": query}, timeout=60)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("-9223372036854775808 - 1", "-9223372036854775809"),
        ("99999999999999999999 * 10", "999999999999999999990"),
        ('"1.1234567890123456789"^^xsd:decimal + 1', "2.1234567890123456789"),
    ],
)
def test_large_numbers_are_computed_exactly(whole_way: Site, expression: str, value: str) -> None:
    """XPath functions, section 4.2: an overflow is an error or a number, and never a wrong number."""
    assert rows(whole_way, f"SELECT ({expression} AS ?a) {{}}") == [{"a": value}]
