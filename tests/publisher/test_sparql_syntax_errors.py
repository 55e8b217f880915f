"""Syntax errors: an invalid query is reported with its first unexpected word and a remedy, a valid one is not."""

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rdflib
from pyoxigraph import Store
from rdflib import RDF, Namespace

from tests.conftest import SHARED
from vaven.publisher.engine.interface import syntax_error
from vaven.publisher.sparql.error_text import MAX_ITEMS
from vaven.publisher.sparql.grammar import FUNCTIONS, KEYWORDS
from vaven.publisher.sparql.lexer import tokens
from vaven.publisher.sparql.query_facts import undeclared_prefix
from vaven.publisher.sparql.syntax_check import MAX_CHARS, NEWER_SYNTAX, find_mistake
from vaven.vocab.example_queries import examples
from vaven.vocab.iris import Iris
from vaven.vocab.messages import LANGUAGES

BASE = "https://data.example/"
MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
QT = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-query#")
TESTS = (SHARED / "sparql10-tests", SHARED / "sparql11-tests")
MUTATIONS = 3_000
P = "PREFIX qb: <http://purl.org/linked-data/cube#>\nPREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>\n"
# Query, line, column, and a phrase of its remedy.
MISTAKES = {
    "missing closing brace": (
        P + "SELECT ?o WHERE {\n  ?o a qb:Observation .\n", 4, 24, "Put “}” where the group ends"
    ),
    "extra closing brace": (P + "SELECT ?o WHERE {\n  ?o a qb:Observation .\n}}\n", 5, 2, "Remove it"),
    "missing dot": (
        P + "SELECT ?o WHERE {\n  ?o a qb:Observation\n  ?o rdfs:label ?l\n}", 5, 3,
        "Put “.” after “qb:Observation” at the end of line 4",
    ),
    "comma columns": (
        P + "SELECT ?o, ?l WHERE {\n  ?o a qb:Observation ; rdfs:label ?l\n}",
        3,
        10,
        "Write columns with spaces between them",
    ),
    "ungrouped": (
        P + "SELECT ?o (COUNT(*) AS ?n) WHERE {\n  ?o a qb:Observation ; rdfs:label ?l\n}", 3, 8,
        "Add GROUP BY ?o after the “}” that ends WHERE, or take one of its values: (SAMPLE(?o) AS ?anyO)",
    ),
    "ungrouped beside a key": (
        P + "SELECT ?o ?l (COUNT(*) AS ?n) WHERE {\n  ?o a qb:Observation ; rdfs:label ?l\n} GROUP BY ?o", 3, 11,
        "Add ?l to GROUP BY",
    ),
    "aggregate without parentheses": (
        P + "SELECT COUNT(?o) AS ?n WHERE {\n  ?o a qb:Observation ; rdfs:label ?l\n}", 3, 8, "(COUNT(?o) AS ?n)"
    ),
    "no AS": (
        P + "SELECT (COUNT(?o)) WHERE {\n  ?o a qb:Observation ; rdfs:label ?l\n}", 3, 18, "(COUNT(?o) AS ?n)"
    ),
    "unclosed string": (P + 'SELECT ?o WHERE {\n  ?o rdfs:label "Rinkeby\n}', 4, 17, 'Put " at the end'),
    "misspelt keyword": (P + "SELCT ?o WHERE {\n  ?o a qb:Observation\n}", 3, 1, "Did you mean SELECT?"),
    "misspelt FILTER": (
        P + "SELECT ?o WHERE {\n  ?o a qb:Observation\n FILTR(?o > 1)\n}", 5, 2, "Did you mean FILTER?"
    ),
    "unknown function": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l FILTER(LENGTH(?l) > 1)\n}", 4, 27, "has no LENGTH. Write STRLEN"
    ),
    "missing parenthesis": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l FILTER(STRLEN(?l > 1)\n}", 5, 1, "Put “)” first"
    ),
    "AND": (P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l FILTER(?l > 1 AND ?l < 3)\n}", 4, 34, "Write && instead of AND"),
    "==": (P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l FILTER(?l == 1)\n}", 4, 30, "Write = instead of =="),
    "ORDER without BY": (P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l } ORDER ?o", 4, 28, "Write ORDER BY"),
    "HAVING before GROUP BY": (
        P + "SELECT ?l (COUNT(*) AS ?n) WHERE {\n  ?o rdfs:label ?l } HAVING(?n>1) GROUP BY ?l", 4, 35,
        "GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET",
    ),
    "LIMIT before ORDER BY": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l } LIMIT 5 ORDER BY ?o", 4, 30,
        "GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET",
    ),
    "semicolon at the end": (P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l };", 4, 21, "A query ends without “;”"),
    "blank in an IRI": (
        P + "SELECT ?o WHERE {\n  ?o <http://a b> ?l }",
        4,
        6,
        "Remove the character from <…>, or write %20",
    ),
    "curly quotes": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label “Rinkeby” }",
        4,
        17,
        'Use straight quotation marks: "Rinkeby"',
    ),
    "BIND to a used variable": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l BIND(1 AS ?l) }", 4, 30, "Use another name, for example ?l2"
    ),
    "AS a used variable": (
        P + "SELECT ?o (1 AS ?o) WHERE {\n  ?o rdfs:label ?l }", 3, 17, "Use another name after AS, for example ?o2"
    ),
    "SQL": ("SELECT * FROM table WHERE x = 1", 1, 15, "Remove FROM"),
    "WHERE without a brace": (P + "SELECT ?o WHERE ?o a qb:Observation", 3, 17, "Put “{” after WHERE"),
    "blank node in two groups": (
        P + "SELECT ?o WHERE { _:a rdfs:label ?l OPTIONAL { _:a rdfs:comment ?o } }", 3, 48, "Use a variable"
    ),
    "missing object": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label .\n ?o a qb:Observation }", 4, 17, "Add an object after “rdfs:label”"
    ),
    "aggregate in WHERE": (
        P + "SELECT ?o WHERE {\n  ?o rdfs:label ?l FILTER(COUNT(?l) > 1)\n}", 4, 27, "in HAVING(…) after GROUP BY"
    ),
    "PREFIX without colon": (
        "PREFIX qb <http://purl.org/linked-data/cube#>\nSELECT ?o { ?o a qb:X }", 1, 8,
        "Write PREFIX qb: <http://purl.org/linked-data/cube#>",
    ),
    "@prefix": (
        "@prefix qb: <http://purl.org/linked-data/cube#> .\nSELECT ?o { ?o a qb:X }", 1, 1,
        "Write PREFIX qb: <http://purl.org/linked-data/cube#>, without “@” and without “.”",
    ),
    "PREFIX with a full stop": (
        "PREFIX qb: <http://purl.org/linked-data/cube#> .\nSELECT ?o { ?o a qb:X }", 1, 48, "Remove it. In SPARQL a"
    ),
    "no columns": (P + "SELECT WHERE { ?o a qb:Observation }", 3, 8, "Give the columns after SELECT"),
    "no query": (P, 2, 53, "Add one, for example SELECT"),
    "HTML": (P + "SELECT ?o WHERE { ?o rdfs:label ?l FILTER(?l &gt; 3) }", 3, 46, "Write > instead of &gt;"),
}  # fmt: skip
# The same on one line: query, column, phrase of the remedy.
SHORT = (
    ("SELECT * { ?s ?p ?o FILTER ?o > 1 }", 28, "FILTER(…)"),
    ("SELECT * { ?s ?p ?o FILTER(NOT ?o) }", 32, "Write ! for"),
    ("SELECT * { ?s ?p ?o FILTER(?o IN 1, 2) }", 34, "IN (1, 2)"),
    ("SELECT * { ?s ?p ?o FILTER(?o LIKE '%a%') }", 31, "Write CONTAINS"),
    ("SELECT * { ?s ?p ?o FILTER(?o <> 3) }", 31, "Write != instead of <>"),
    ("SELECT * { ?s ?p ?o FILTER(?s<?p&&?p>?o) }", 30, "put spaces around “<”: ?s < …"),
    ("SELECT * { ?s ?p ?o FILTER(1<2#>\n) }", 29, "put spaces around “<”: 1 < …"),
    ("SELECT * { ?s ?p ?o FILTER(?o = 3 & ?p = 4) }", 35, "Write && instead of &"),
    ("SELECT * { ?s ?p ?o FILTER REGEX(?o, '\\d+') }", 39, "Write \\\\d"),
    ("SELECT * { ?s ?p ?o FILTER(CONTAINS(?o)) }", 39, "CONTAINS takes two arguments"),
    ("SELECT * { ?s ?p ?o FILTER(STRLEN(?o, 3)) }", 37, "STRLEN takes one argument"),
    ("SELECT * { ?s ?p ?o FILTER(STRLEN ?o) }", 35, "STRLEN(?o)"),
    ("SELECT * { ?s ?p ?o FILTER(?o > 1)) }", 35, "Remove it"),
    ("SELECT * { ?s ?p ?o FILTER((?o > 1) }", 37, "Put “)” first"),
    ("SELECT (COUNT(?s AS ?n) { ?s ?p ?o }", 18, "Put “)” after “?s”"),
    ("SELECT (COUNT(?s) ?n) { ?s ?p ?o }", 19, "AS ?n"),
    ("SELECT (GROUP_CONCAT(?o, ', ') AS ?x) { ?s ?p ?o }", 24, "; SEPARATOR="),
    ("SELECT ?s AS ?x { ?s ?p ?o }", 11, "(?s AS ?x)"),
    ("SELECT (?s) { ?s ?p ?o }", 11, "without parentheses"),
    ("SELECT ?area-name { ?s ?p ?o }", 13, "?area_name"),
    ("SELECT ?s ?s { ?s ?p ?o }", 11, "Remove one of them"),
    ("SELECT * { ?s ?p ?o } ORDER BY ?o DESC", 39, "DESC(?x)"),
    ("SELECT * { ?s ?p ?o } ORDER BY ?o, ?s", 34, "with spaces between them"),
    ("SELECT * { ?s ?p ?o } LIMIT ten", 29, "whole number"),
    ("SELECT * { ?s ?p ?o } LIMIT 5 LIMIT 6", 31, "may have LIMIT once"),
    ("SELECT * { ?s ?p ?o LIMIT 5 }", 21, "the “}” that closes the “{” at line 1, column 10"),
    ("SELECT * { ?s ?p ?o } OPTIONAL { ?s ?q ?r }", 23, "before the “}” at line 1, column 21"),
    ("SELECT * { ?s ?p ?o UNION { ?s ?q ?r } }", 21, "{ … } UNION { … }"),
    ("SELECT * { ?s ?p ?o BIND(?o + 1) }", 32, "BIND(?o + 1 AS ?n)"),
    ("SELECT * { VALUES ?x { 1, 2 } }", 25, "with spaces between them"),
    ("SELECT * { VALUES (?x ?y) { (1) } }", 29, "UNDEF"),
    ("SELECT * { ?s a http://x.y/z#Q . }", 17, "<http://x.y/z#Q>"),
    ("SELECT * { ?s a <http://x.y/z ?o }", 17, "Put “>” where it ends"),
    ("SELECT * { ?s ?p <http://x/100%> }", 18, "%25"),
    ("SELECT * { ?s ?p 'it's' }", 22, "\\'"),
    ("SELECT * { ?s ?p ?o # }", 20, "part of a comment"),
    ("SELECT * { ?s ?p o }", 18, "a variable ?o"),
    ("SELECT * { ?s A ?o }", 15, "Write a, in lower case"),
    ("SELECT * { ?s . }", 15, "a property and an object"),
    ("SELECT * { ?s ?p ?o .. }", 22, "Remove either"),
    ("SELECT * { ?s ?p+ ?o }", 17, "Write a name instead of the variable"),
    ("SELECT\u00a0* { ?s ?p ?o }", 7, "with a space"),
    ("SELECT * { ?s ?p ?o } GROUP BY ?s", 8, "Name the columns"),
    ("CONSTRUCT WHERE { ?s ?p ?o FILTER(?o > 1) }", 28, "WHERE { pattern }"),
    # A triple behind a comma or semicolon.
    ("SELECT * { ?s ?p ?o, ?s ?q ?r }", 25, "Write “.” instead of the “,” before “?s”."),
    ("SELECT * { ?s a ex:C, ?x ex:p ?o }", 26, "or “;” after “?x”"),
    ("SELECT * { ?s a ?t ; ?s ?p ?o }", 28, "Write “.” instead of the “;” before ?s, or remove ?s"),
    ("SELECT * { ?s a ?t ; ?s a ?o }", 25, "Write “.” instead of the “;” before ?s, or remove ?s"),
    ("SELECT * { ?s a ?t ; ?s ex:p/ex:q ?o }", 29, "Write “.” instead of the “;” before ?s, or remove ?s"),
    ("SELECT * { ?s a ?t ; ?s ?p", 27, "Put “}” where the group ends"),
    ("SELECT * { ?s a ?t ; ?x ex:p ?o }", 30, "Write “.” instead of the “;” before ?x."),
    ("SELECT * { ?s a ?t ; ?p ?o ?x a ?y }", 28, "Put “.” after “?o”"),
    ("CONSTRUCT { ?s a ?t, ?s ?p ?o } WHERE { ?s ?p ?o }", 25, "Write “.” instead of the “,” before “?s”."),
    # Numbers, dates and languages.
    ("SELECT * { ?s ?p ?o FILTER(?o > 3 900 000) }", 35, "Write 3900000."),
    ("SELECT * { ?s ?p ?o FILTER(?o > 3\u00a0900,5) }", 34, "Write 3900.5."),
    ("SELECT * { ?s ?p ?o } LIMIT 1 000", 31, "Write 1000."),
    ("SELECT * { ?s ?p ?o } LIMIT 10, 20", 31, "Write LIMIT 20 OFFSET 10"),
    ("SELECT * { ?s ?p ?o FILTER(?o > 3,5) }", 34, "Write 3.5"),
    ("SELECT * { ?s ?p ?o FILTER(ROUND(?o * -3,5) > 1) }", 41, "Write -3.5"),
    ("SELECT * { ?s ?p ?o FILTER(SUBSTR(?o,1,2,3) = 'a') }", 41, "SUBSTR takes two or three arguments"),
    ("SELECT * { ?s ?p ?o FILTER(?o > 52 %) }", 36, "only the number: 52"),
    ("SELECT * { ?s ?p ?o FILTER(?o > 52\u00a0%) }", 35, "only the number: 52"),
    ("SELECT * { ?s ?p ?o FILTER(?o > 2020-01-01^^xsd:date) }", 43, '"2020-01-01"^^xsd:date'),
    ("SELECT * { ?s ?p 2020-01-01^^xsd:date }", 22, '"2020-01-01"^^xsd:date'),
    ("SELECT * { ?s ?p 2020-01-01T10:00:00Z }", 22, '"2020-01-01T10:00:00Z"^^xsd:dateTime'),
    ("SELECT * { ?s ?p 5^^xsd:integer }", 19, '"5"^^xsd:integer'),
    ("SELECT * { ?s ?p ?o FILTER(?o = ?s^^xsd:integer) }", 35, "Write xsd:integer(?s)"),
    ("SELECT * { ?s ?p ?l FILTER(lang(?l)=@sv) }", 37, 'Write the language as a text: "sv"'),
    ("SELECT * { ?s ?p ?o@sv }", 20, 'FILTER(LANG(?o) = "sv")'),
    # Values, aggregates and columns.
    ("SELECT * { ?s ?p ?o FILTER(?o IN (1 2)) }", 37, "Put “,” after “1”"),
    ("SELECT * { ?s ?p ?o FILTER(?o IN (100 200)) }", 39, "Put “,” after “100”"),
    ("SELECT * { ?s ?p ?o FILTER(CONTAINS(?o 'a')) }", 40, "Put “,” after “?o”"),
    ("SELECT * { ?s ?p ?o FILTER(?o => 3) }", 31, "Write >= instead of =>"),
    ("SELECT * { ?s ?p ?o BIND(?o AS ?x + 1) }", 35, "Remove “+”"),
    ("SELECT * { ?s ?p ?o BIND(?x = ?o) }", 33, "BIND(?o AS ?x)"),
    ("SELECT * { ?s ?p ?o BIND(?x := ?o) }", 29, "BIND(… AS ?x)"),
    ("SELECT * { ?s ?p ?o BIND(?s = ?o) }", 33, "BIND(?s = ?o AS ?n)"),
    ("SELECT * { ?s ?p ?o LET (?x := ?o) }", 21, "Write BIND(… AS ?x)"),
    ("SELECT (SUM(*) AS ?n) { ?s ?p ?o }", 13, "Use a variable: SUM(?x). COUNT(*) counts rows."),
    ("SELECT (COUNT DISTINCT ?s AS ?n) { ?s ?p ?o }", 15, "COUNT(DISTINCT ?s)"),
    ("SELECT (COUNT(?s DISTINCT) AS ?n) { ?s ?p ?o }", 18, "COUNT(DISTINCT ?s)"),
    ("SELECT COUNT DISTINCT ?s { ?s ?p ?o }", 8, "(COUNT(DISTINCT ?s) AS ?n)"),
    ("SELECT * { ?s ?p ?o } HAVING COUNT *", 36, "COUNT(*)"),
    ("SELECT (COUNT(?s) AS ?n { ?s ?p ?o }", 25, "Put “)” first"),
    ("SELECT ?s DISTINCT { ?s ?p ?o }", 11, "Write DISTINCT right after SELECT"),
    ("SELECT ?s. WHERE { ?s ?p ?o }", 10, "Write columns with spaces between them"),
    ("SELECT * { ?s ?p ?o } DESC(?s)", 23, "Write ORDER BY DESC(?s) after the “}” that ends WHERE"),
    ("SELECT * { ?s ?p ?o DESC(?s) }", 21, "Write ORDER BY DESC(?s) after the “}” that ends WHERE"),
    # Paths and names.
    ("SELECT * { ?s skos:broader+* ?o }", 28, "Write only one “*”"),
    ("SELECT * { ?s skos:broader++ ?o }", 28, "Write only one “+”"),
    ("SELECT * { ?s skos:broader^ ?o }", 27, "before the name: ^skos:broader"),
    ("SELECT * { ?s ex:p ^ex:q ?o }", 20, "Put “/” between the steps, after “ex:p”"),
    ("SELECT * { ?s ex:p//ex:q ?o }", 20, "Remove “/”"),
    ("SELECT * { ? s ?p ?o }", 12, "Write ?s, without a space"),
    ("SELECT * { ?s ex:p ? o }", 22, "Write ?o, without a space"),
    ("SELECT * { ?s ?p www.example.se/x }", 18, "<http://www.example.se/x>"),
    # Codepoint escapes count as written.
    ("SELECT * { ?\\u0061rea ?\\U00000062 o }", 35, "a variable ?o"),
    ("SELECT * { ?\\u0073 ?p ?o", 25, "Put “}” where the group ends"),
    ("SELECT * { ?s ?p '\\u00e5\\d' }", 25, "Write \\\\d"),
    ("SELECT * { ?s ?p ?a\\u0020b }", 26, "Remove “b”"),
    # What is no query.
    ("http://a.example/b", 1, "Write DESCRIBE <http://a.example/b>"),
    ("<http://a.example/b>", 1, "Write DESCRIBE <http://a.example/b>"),
    ("http://a.example/b ?p ?o", 1, "Write it in angle brackets: <http://a.example/b>"),
    ("qb: <http://a.example/> SELECT * { ?s ?p ?o }", 1, "Write PREFIX qb: <http://a.example/>"),
    ("MATCH (n) RETURN n", 1, "Begin with SELECT"),
    ("// all\nSELECT * { ?s ?p ?o }", 1, "with “#” instead of “//”"),
    ("SELECT * { ?s ?p ?o } -- all", 23, "with “#” instead of “--”"),
    ("SELECT * { ?s ?p ?o FILTER(?o > 3 -- all\n) }", 35, "with “#” instead of “--”"),
    ("SELECT * { ?s ex:p /* all */ ?o }", 20, "with “#” instead of “/*”"),
    ("```sparql\nSELECT * { ?s ?p ?o }\n```", 1, "Remove the lines with ```"),
    ("{ ?s ?p ?o }", 1, "Begin with SELECT"),
    ("", 1, "Add one"),
)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_its_position_and_a_remedy(name: str) -> None:
    query, line, column, remedy = MISTAKES[name]
    mistake = find_mistake(query)
    assert mistake
    assert (mistake.line, mistake.column) == (line, column), mistake
    assert remedy in mistake.remedy.text("en")
    # Readable for everyone: no character class and no terminal of the parser.
    assert not re.search(r"\[_\]|[A-Z]+_[A-Z]+|RBRACE|\$END", mistake.message.text("en"))


@pytest.mark.parametrize(("query", "column", "remedy"), SHORT)
def test_mistakes_in_one_line(query: str, column: int, remedy: str) -> None:
    mistake = find_mistake(query)
    assert mistake
    assert (mistake.line, mistake.column) == (1, column), mistake
    assert remedy in mistake.remedy.text("en")


def test_accepted_tokens_are_listed_in_groups() -> None:
    mistake = find_mistake(MISTAKES["missing dot"][0])
    assert mistake
    expected = "Expected “.”, “;”, “,”, “}” or a keyword such as FILTER or OPTIONAL."
    assert mistake.message.text("en") == f"“?o” is not allowed at line 5, column 3. {expected}"


def test_a_mistake_is_described_in_swedish_too() -> None:
    missing, where = find_mistake(MISTAKES["missing dot"][0]), find_mistake(MISTAKES["SQL"][0])
    assert missing
    assert where
    may = "Här väntades ”.”, ”;”, ”,”, ”}” eller ett nyckelord som FILTER eller OPTIONAL."
    assert missing.message.text("sv") == f"”?o” är inte tillåtet på rad 5, kolumn 3. {may}"
    assert missing.remedy.text("sv").startswith("Sätt ”.” efter ”qb:Observation” i slutet av rad 4")
    assert "Ta bort FROM" in where.remedy.text("sv")
    for query in (*(query for query, *_ in MISTAKES.values()), *(query for query, *_ in SHORT)):
        mistake = find_mistake(query)
        assert mistake
        for sentence in (mistake.message, mistake.remedy):
            # No field of the template is left, and no English word that is not SPARQL.
            swedish = re.sub(r"”[^”]*”", "", sentence.text("sv"))
            assert not re.search(r"\b(the|is|of|write|put|take|there|line)\b|{\w+}", swedish), swedish


def test_an_unclosed_bracket_is_named_with_its_position() -> None:
    mistake = find_mistake(MISTAKES["missing closing brace"][0])
    assert mistake
    assert "the “{” at line 3, column 17 is never closed" in mistake.message.text("en")


# --- together with undeclared prefixes and the engine's own messages


def reported(query: str) -> tuple[int | None, int | None, str, str]:
    """Return the endpoint's error for a query, which Oxigraph refuses too."""
    with pytest.raises(SyntaxError):
        Store().query(query, base_iri=BASE)
    problem = syntax_error(query, Iris(BASE))
    assert problem
    return problem.line, problem.column, str(problem), problem.remedy("en")


def test_the_engine_refuses_each_mistake() -> None:
    for query, line, column, _ in MISTAKES.values():
        assert reported(query)[:2] == (line, column)


@pytest.mark.parametrize("name", ["PREFIX without colon", "@prefix", "blank in an IRI"])
def test_a_mistake_before_an_undeclared_prefix_is_reported(name: str) -> None:
    query, line, column, remedy = MISTAKES[name]
    problem = reported(query)
    assert problem[:2] == (line, column)
    assert remedy in problem[3]


def test_an_undeclared_prefix_before_a_mistake_is_reported() -> None:
    line, column, message, _ = reported("SELECT * {\n ?s skos:prefLabel ?o\n ?s ?p }")
    assert (line, column) == (2, 5)
    assert "skos:" in message


def test_a_prefix_in_another_case_is_reported_with_its_declaration() -> None:
    query = "PREFIX skos: <http://www.w3.org/2004/02/skos/core#>\nSELECT * { ?s SKOS:prefLabel ?o }"
    line, column, message, remedy = reported(query)
    assert (line, column) == (2, 15)
    assert message.startswith("The prefix SKOS: is not declared.")
    assert "Write skos: as in the PREFIX line" in remedy
    problem = syntax_error(query, Iris(BASE))
    assert problem
    assert problem.repair == ""


@pytest.mark.parametrize(
    ("query", "word", "column"),
    [
        ("SELECT * { << ?s ?p ?o >> ?q 1 }", "<<", 12),
        ("SELECT * { ?s ?p ?o LATERAL { ?a ?b ?c } }", "LATERAL", 21),
        ("SELECT (TRIPLE(?s, ?p, ?o) AS ?t) { ?s ?p ?o }", "TRIPLE", 9),
        ('SELECT * { ?s ?p "x"@ar--rtl }', "-", 24),
    ],
)
def test_newer_syntax_is_named(query: str, word: str, column: int) -> None:
    problem = syntax_error(query, Iris(BASE))
    assert problem
    assert str(problem).startswith(f"“{word}” at line 1, column {column} is not SPARQL 1.1. Write ")
    assert "SPARQL 1.1" in problem.remedy("en")


def test_a_mistake_in_a_long_query_has_its_position() -> None:
    problem = syntax_error("x" * (MAX_CHARS + 1), Iris(BASE))
    assert problem
    assert (problem.line, problem.column) == (1, 1)
    assert "PREFIX, SELECT" in str(problem) or "SELECT" in str(problem)


@pytest.mark.parametrize("name", ["·a", "a\u0300", "a‿b", "ⅷ", "豈", "\U00010384", "٣", "a·b", "_1", "9"])
def test_names_have_the_characters_of_the_standard(name: str) -> None:
    """Rules 164 to 168: a middle dot, combining marks and U+203F may not begin a name."""
    query = f"SELECT ?{name} {{ ?{name} ?p ?o }}"
    assert bool(find_mistake(query)) == (name[0] == "·")
    assert bool(find_mistake(f"PREFIX x: <a:b> ASK {{ x:{name} ?p _:{name} }}")) == (name[0] == "·")


# --- the standard's own queries


def actions(*kinds: str) -> Iterator[Path]:
    """Yield the queries of the tests of these kinds, except updates, whatever kind they claim."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    for manifest in sorted(path for folder in TESTS for path in folder.glob("*/manifest*.ttl")):
        graph = rdflib.Graph().parse(manifest, publicID=manifest.as_uri())
        for kind in kinds:
            for test in graph.subjects(RDF.type, MF[kind]):
                action = graph.value(test, MF.action)
                path = Path(str(graph.value(action, QT["query"]) or action).removeprefix("file://"))
                if path.suffix == ".rq":
                    yield path


def test_every_valid_w3c_query_is_accepted() -> None:
    paths = set(actions("PositiveSyntaxTest", "PositiveSyntaxTest11", "QueryEvaluationTest", "CSVResultFormatTest"))
    assert len(paths) > 500
    mistakes = {path.name: find_mistake(path.read_text("utf-8")) for path in paths}
    assert {name: problem for name, problem in mistakes.items() if problem} == {}


def test_every_invalid_w3c_query_has_a_mistake() -> None:
    paths = set(actions("NegativeSyntaxTest", "NegativeSyntaxTest11"))
    assert len(paths) >= 90
    assert [path.name for path in paths if not find_mistake(path.read_text("utf-8"))] == []


def test_every_example_query_is_accepted() -> None:
    for example in examples().values():
        assert find_mistake(example.query(BASE)) is None, example.id


# --- arbitrary text


def mutate(query: str, rng: random.Random) -> str:
    """Remove, repeat or move a few tokens or characters."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        token_list = list(tokens(query))
        one, other = rng.choice(token_list), rng.choice(token_list)
        replacement = rng.choice(("", "", f"{one.text} {one.text}", other.text, f"{other.text} {one.text}"))
        start, end = one.start, one.end
        if rng.random() < 0.3:
            start = rng.randrange(len(query))
            end = start + rng.randrange(3)
            replacement = rng.choice(("", "", chr(rng.randrange(32, 127)), chr(rng.randrange(0x3000)), "\n"))
        query = query[:start] + replacement + query[end:]
    return query


def is_extension(query: str) -> bool:
    """Return whether Oxigraph accepts a text that is not SPARQL 1.1.

    It requires no blank between words (`LIMIT5`, `aqb:x`), allows blanks in numbers (`- 1`), and allows aggregates in
    FILTER if the query has them elsewhere.
    """
    token_list = list(tokens(query))
    words = {token.text for token in token_list if token.kind == "word"}
    known = {*KEYWORDS, *FUNCTIONS, "A", "TRUE", "FALSE"}
    glued = words - known or undeclared_prefix(query)
    return bool(glued or re.search(r"[+-]\s+[\d.]", query) or any(token.text in NEWER_SYNTAX for token in token_list))


def test_no_mistake_in_queries_the_engine_accepts_and_no_exception() -> None:
    seeds = [example.query(BASE) for example in examples().values()]
    store = Store()
    accepted = unrecognised = 0
    for number in range(MUTATIONS):
        query = mutate(random.Random(number).choice(seeds), random.Random(number))
        mistake = find_mistake(query)
        if mistake:
            expected = re.search(r"Expected(?:, among other things,)? (.*)\.$", mistake.message.text("en"))
            assert mistake.line <= query.count("\n") + 1
            assert not expected or len(re.split(r", (?!”)| or (?!OPTIONAL|prefix:name)", expected[1])) <= MAX_ITEMS, (
                mistake
            )
        try:
            store.query(query, base_iri=BASE)
        except SyntaxError:
            unrecognised += not mistake and not undeclared_prefix(query)
            continue
        except (ValueError, RuntimeError):
            continue
        accepted += 1
        # The engine is more tolerant of aggregates in FILTER, and reads `1<2#>` as a comparison.
        tolerated = mistake and re.search(
            "is an aggregate, and is not allowed in|is one IRI", mistake.message.text("en")
        )
        assert not mistake or tolerated or is_extension(query), (number, mistake, query)
    # If nearly all were refused, or nearly all errors left to the engine, little would have been tested.
    assert accepted > MUTATIONS / 10
    assert unrecognised < MUTATIONS / 100


HOSTILE = {
    "opening braces": "{" * MAX_CHARS,
    "a query of opening braces": "SELECT * " + "{" * (MAX_CHARS - 9),
    "nested groups": "SELECT * " + "{" * 9_900 + "}" * 9_900,
    "nested parentheses": "SELECT * { FILTER" + "(" * 9_900 + "1" + ")" * 9_900 + "}",
    "exclamation marks": "SELECT * { FILTER(" + "!" * 19_900 + "1) }",
    "blank nodes in one another": "SELECT * { " + "[?p " * 4_900,
    "subqueries in one another": "SELECT * {{" * 1_800,
    "comparisons that look like addresses": "SELECT * { FILTER(?a" + "<?b&&?c>?d&&?e" * 1_400 + ") }",
    "addresses in deep parentheses": "SELECT * { FILTER" + "(" * 6_000 + "?a IN (" + "<a>," * 3_400,
    "many columns": "SELECT " + "?abc " * 3_900 + "{?s ?p ?o} GROUP BY ?s",
    "many rows": "SELECT * { VALUES (?a) {" + "(1 2)" * 3_900 + "}}",
    "quotation marks": '"' * MAX_CHARS,
    "a long word": "SELECT " + "A" * 19_900,
    "backslashes": 'SELECT * { ?s ?p "' + "\\" * 19_001 + '" }',
    "binary": "\x00\x01\ud800\x7f" * 5_000,
    "half a character": 'SELECT * { ?s ?p "\ud800" \ud800 }',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_slow_or_raises(name: str) -> None:
    find_mistake("ASK {}")
    began = time.monotonic()
    mistake = find_mistake(HOSTILE[name])
    # 0.3 s on an idle machine.
    assert time.monotonic() - began < 5
    if mistake:
        for language in LANGUAGES:
            for sentence in (mistake.message.text(language), mistake.remedy.text(language)):
                sentence.encode()
                assert len(sentence) < 500
