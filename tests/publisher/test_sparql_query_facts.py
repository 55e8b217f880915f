"""Facts of a query, read from its syntax tree, or from its words where only the engine knows its syntax."""

import time

import pytest

from vaven.publisher.sparql.query_facts import read_facts, undeclared_prefix
from vaven.publisher.sparql.syntax_check import find_mistake


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("select * {}", "SELECT"),
        ("# ASK\nBASE <http://ask/> PREFIX ask: <a:b> CONSTRUCT {} {}", "CONSTRUCT"),
        ("PREFIX insert: <a:b> DESCRIBE insert:x", "DESCRIBE"),
        ("ASK { ?s ?p 'INSERT DATA' , \"DROP\" FILTER(?add) }", "ASK"),
        ("SELECT * { << ?s ?p ?o >> ?q 1 }", "SELECT"),
        ("no query", ""),
        ("", ""),
    ],
)
def test_the_query_form_is_recognised(query: str, form: str) -> None:
    assert read_facts(query).form == form


def test_an_undeclared_prefix_is_found() -> None:
    token = undeclared_prefix("PREFIX a: <a:a>\nprefix : <a:b>\nSELECT * { a:x :y å:z , '''b:c''' }")
    assert token is not None
    assert (token.text, token.line, token.column) == ("å:z", 3, 19)
    assert undeclared_prefix("PREFIX a: <a:a> SELECT * { a:x a:y a: }") is None


def test_a_from_clause_is_recognised() -> None:
    assert read_facts("SELECT * FROM <a:b> {}").has_dataset
    assert read_facts("SELECT*FROM<a:b>{}").has_dataset
    assert read_facts("ASK FROM NAMED <a:b> { << ?s ?p ?o >> ?q 1 }").has_dataset
    assert not read_facts("SELECT ?from { ?from ?p 'FROM' } # FROM <a:b>").has_dataset


def test_booleans_are_sent_to_a_server_in_lower_case() -> None:
    """As in the W3C test case-insensitive-booleans; Oxigraph knows them in lower case only."""
    query = "SELECT (TRUE AS ?t) (False AS ?f) { FILTER (tRUE = true) } # TRUE"
    assert read_facts(query).text == "SELECT (true AS ?t) (false AS ?f) { FILTER (true = true) } # TRUE"


@pytest.mark.parametrize("call", ["NOW()", "rand()", "UUID ( )", "StrUUID()"])
def test_a_function_of_time_or_chance_makes_a_query_not_deterministic(call: str) -> None:
    assert not read_facts(f"SELECT ({call} AS ?x) {{}}").is_deterministic
    assert not read_facts(
        f"SELECT * {{ {{ SELECT ?s {{ ?s ?p ?o FILTER EXISTS {{ BIND ({call} AS ?x) }} }} }} }}"
    ).is_deterministic
    assert read_facts(f"SELECT ?now {{ ?now <NOW()> '{call}' }} # {call}").is_deterministic


def test_prefixes_are_resolved_against_the_base_before_them() -> None:
    query = "PREFIX a: <x#> BASE <http://b/c/> prefix b: <d/> base <e> PREFIX : <../f> PREFIX a: <g#> ASK {}"
    expected = {"a": "http://b/c/g#", "b": "http://b/c/d/", "": "http://b/f"}
    for text in (query, query.replace("{}", "{ << ?s ?p ?o >> ?q 1 }")):
        assert read_facts(text).declared_prefixes("http://site/") == expected
    assert read_facts("PREFIX a: <x#> ASK {}").declared_prefixes("http://site/y") == {"a": "http://site/x#"}


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("SELECT (SUM(COUNT(?s)) AS ?n) { ?s ?p ?o }", 13),
        ("SELECT (avg(1 + (2 * max(?o))) AS ?n) { ?s ?p ?o }", 22),
        ("SELECT ?s { ?s ?p ?o } GROUP BY ?s HAVING(MIN(SAMPLE(?o)) > 1)", 47),
    ],
)
def test_a_nested_aggregate_is_a_mistake_that_the_engine_tolerates(query: str, column: int) -> None:
    for mistake in (read_facts(query).tolerated, find_mistake(query)):
        assert mistake is not None
        assert (mistake.line, mistake.column) == (1, column)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT (SUM(?n) + COUNT(?n) AS ?all) { { SELECT (COUNT(?s) AS ?n) { ?s ?p ?o } } }",
        "SELECT (SUM(IF(EXISTS { { SELECT (COUNT(?s) AS ?n) { ?s ?p ?o } } }, 1, 0)) AS ?n) { ?s ?p ?o }",
        'SELECT (GROUP_CONCAT(?count; SEPARATOR="SUM(") AS ?n) { ?s a <COUNT(x)> ; ?sum "MIN(MAX(1))" }',
    ],
)
def test_aggregates_side_by_side_and_in_subqueries_are_accepted(query: str) -> None:
    assert read_facts(query).tolerated is None


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("SELECT * WHERE { FILTER (?x<?a&&?b>?y) }", 28),
        ("SELECT * { ?s ?p ?o FILTER(1<2#>\n) }", 29),
        ("ASK { BIND (?a<?b&&?c>?d AS ?e) }", 15),
    ],
)
def test_an_iri_that_the_engine_reads_as_a_comparison_is_a_mistake(query: str, column: int) -> None:
    """By the standard's longest token, as in its test syn-bad-26; SPARQL 1.1 Query Language, section 19.8, note 4."""
    for mistake in (read_facts(query).tolerated, find_mistake(query)):
        assert mistake is not None
        assert (mistake.line, mistake.column) == (1, column)
        assert "put spaces around “<”" in mistake.remedy.text("en")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { FILTER (?x < ?a && ?b > ?y) }",
        "SELECT * { FILTER (?x<?a && ?b>?y) }",
        "SELECT * { FILTER (?x<5) }",
        "SELECT * { FILTER (?x IN (<?a&&?b>)) }",
        "SELECT * { ?s ?p <?a&&?b> }",
    ],
)
def test_comparisons_with_spaces_and_iris_with_marks_are_accepted(query: str) -> None:
    assert find_mistake(query) is None
    assert read_facts(query).tolerated is None


HOSTILE = {
    "nested aggregates": "SELECT (" + "SUM(" * 40_000 + "1" + ")" * 40_000 + " AS ?n) {}",
    "nested groups": "SELECT * " + "{" * 50_000 + "}" * 50_000,
    "nested parentheses": "SELECT DISTINCT * { FILTER" + "(" * 90_000 + "1" + ")" * 90_000 + "} ORDER BY ?x",
    "many variables": "SELECT DISTINCT * { " + "".join(f"?v{i} ?p 1." for i in range(15_000)) + "} ORDER BY ?v1",
    "a stop at the end": "SELECT * { " + "?a ?b 1." * 20_000 + "} }",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_slow_or_raises(name: str) -> None:
    began = time.monotonic()
    assert read_facts(HOSTILE[name]).form == "SELECT"
    # At most 3 s on an idle machine, for the longest texts that the endpoint takes.
    assert time.monotonic() - began < 20
