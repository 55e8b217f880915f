"""The columns of a result are in the order of the query, and so are its rows."""

from typing import Any

import pytest
import requests

from tests.conftest import Site

PREFIXES = "PREFIX : <http://example.org/>\n"


def _query(site: Site, query: str) -> tuple[int, dict[str, Any]]:
    response = requests.get(site.url + "sparql", params={"query": query}, timeout=60)
    return response.status_code, response.json()


def test_a_syntax_error_has_its_position_in_the_submitted_text(whole_way: Site) -> None:
    query = "SELECT DISTINCT ?s\nWHERE { ?s ?p ?o . BIND (1 AS ?o) }\nORDER BY ?s"
    status, document = _query(whole_way, query)
    assert status == 400
    assert (document["line"], document["column"]) == (2, 31)
    status, document = _query(whole_way, query.replace("BIND (1 AS ?o)", "FILTER (?o = )"))
    assert status == 400
    assert (document["line"], document["column"]) == (2, 33)


def test_the_endpoint_returns_distinct_sorted_rows(whole_way: Site) -> None:
    status, document = _query(whole_way, "SELECT DISTINCT ?p { ?s ?p ?o } ORDER BY DESC(?p) LIMIT 20")
    seen = [row["p"]["value"] for row in document["results"]["bindings"]]
    assert status == 200
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 20


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT * { ?s :p ?n ; :q ?a }", "s n a"),
        ("select distinct * where { ?z :p ?n OPTIONAL { ?z :q $b } } order by ?b", "z n b"),
        ("SELECT REDUCED * { ?s :p ?n { SELECT ?s (MAX(?q) AS ?a) { ?s :q ?q } GROUP BY ?s } }", "s n a"),
        ("SELECT * { ?s :p ?n MINUS { ?s :q ?hidden } FILTER NOT EXISTS { ?s :none ?also } }", "s n"),
        ("SELECT * { ?s :p ?n . BIND (?n * 2 AS ?double) FILTER (?n * 2 > 1) }", "s n double"),
        ("SELECT ?n ?s { ?s :p ?n { SELECT * { ?s :q ?a } } }", "n s"),
        ("SELECT * { ?b·1 :p ?ö, ?𐎄 }", "b·1 ö 𐎄"),
        ("SELECT * {}", ""),
        ("SELECT * { :a :p 1 }", ""),
    ],
)
def test_the_columns_of_select_star_are_in_the_order_of_the_query(whole_way: Site, query: str, columns: str) -> None:
    params = {"query": PREFIXES + query, "format": "csv"}
    response = requests.get(whole_way.url + "sparql", params=params, timeout=60)
    assert response.status_code == 200
    response.encoding = "utf-8"
    assert response.text.splitlines()[0].split(",") == (columns.split() or [""])
