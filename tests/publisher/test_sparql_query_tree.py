"""The syntax tree of a query: its groups and elements with their positions, and unsupported syntax."""

from pathlib import Path

import pytest
from pyoxigraph import Store
from rdflib.plugins.sparql.parser import parseQuery

from vaven.publisher.sparql.query_builder import parse
from vaven.publisher.sparql.query_tree import GraphPattern, GroupPattern, TriplePattern, UnsupportedSyntax
from vaven.vocab.example_queries import examples

BASE = "http://example.org/"
PREFIX = "PREFIX a: <http://a.example/> "


def where(query: str) -> GroupPattern:
    group = parse(PREFIX + query).where
    assert group is not None
    return group


def element_texts(query: str) -> list[str]:
    return [part.text for part in where(query).elements]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("?s ?p ?o", ["?s ?p ?o"]),
        ("?s a a:T ; a:p 1, -2 ;; a:q ?x", ["?s a a:T", "?s a:p 1", "?s a:p -2", "?s a:q ?x"]),
        ("?s a:p [ a:q ?x ; a:r [] ] . ?x a a:T", ["?s a:p []", "[] a:q ?x", "[] a:r []", "?x a a:T"]),
        ("[ a a:T ] a:p ?x", ["[] a a:T", "[] a:p ?x"]),
        ("[ a a:T ] . ?x a:p ?y", ["[] a a:T", "?x a:p ?y"]),
        ("(1 ?x) a:p (?y [ a:q 1 ])", ["(1 ?x) a:p (?y [ a:q 1 ])"]),
        ("?s ^a:p/(a:q|!(a:r|^a:s))*/a:t? ?o", ["?s ^a:p/(a:q|!(a:r|^a:s))*/a:t? ?o"]),
        ('?s a:p "x"@sv, """y\nz""", "1"^^a:int, true, 1.5e3', [
            '?s a:p "x"@sv', '?s a:p """y\nz"""', '?s a:p "1"^^a:int', "?s a:p true", "?s a:p 1.5e3"]),
        ("_:b a:p _:c . $s a:p '}'", ["_:b a:p _:c", "$s a:p '}'"]),
        ("?s a:p ?o FILTER (?o > 1) ?o a:q ?x", ["?s a:p ?o", "FILTER (?o > 1)", "?o a:q ?x"]),
        ("FILTER regex(?x, '}') BIND (1 AS ?y) VALUES ?z { 1 UNDEF }",
            ["FILTER regex(?x, '}')", "BIND (1 AS ?y)", "VALUES ?z { 1 UNDEF }"]),
        ("VALUES (?a ?b) { (1 2) } . # a comment with }\n FILTER NOT EXISTS { ?a ?b ?c }",
            ["VALUES (?a ?b) { (1 2) }", "FILTER NOT EXISTS { ?a ?b ?c }"]),
        ("{ ?a ?b ?c } UNION { ?d ?e ?f } UNION {} { ?x ?y ?z }",
            ["{ ?a ?b ?c } UNION { ?d ?e ?f } UNION {}", "{ ?x ?y ?z }"]),
        ("OPTIONAL { ?a ?b ?c } MINUS { ?d ?e ?f } GRAPH ?g { ?x ?y ?z }",
            ["OPTIONAL { ?a ?b ?c }", "MINUS { ?d ?e ?f }", "GRAPH ?g { ?x ?y ?z }"]),
        ("{ SELECT ?a { ?a ?b ?c } LIMIT 1 }", ["{ SELECT ?a { ?a ?b ?c } LIMIT 1 }"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_group_is_split_into_its_elements(pattern: str, expected: list[str]) -> None:
    assert element_texts(f"SELECT * WHERE {{ {pattern} }}") == expected


def test_elements_have_kinds_and_nested_groups() -> None:
    parts = where(
        "SELECT * { { ?a ?b ?c } UNION { ?d ?e ?f } FILTER EXISTS { ?g ?h ?i }"
        " GRAPH a:g { ?j ?k ?l } { SELECT ?m { ?m ?n ?o } } }"
    ).elements
    assert [part.kind for part in parts if isinstance(part, GraphPattern)] == ["union", "exists", "graph", "group"]
    triples = where("SELECT * { ?a ?b ?c { ?d ?e ?f } GRAPH ?g { ?h ?i ?j OPTIONAL { ?k ?l ?m } } }").triples()
    assert [triple.subject.text for triple in triples] == ["?a", "?d", "?h", "?k"]
    inner = where("SELECT * { SELECT ?m { ?m ?n ?o } LIMIT 5 }").elements[0]
    assert isinstance(inner, GraphPattern)
    assert inner.subselect is not None
    assert (inner.subselect.head, list(inner.subselect.tail)) == ("?m", ["limit"])


@pytest.mark.parametrize(
    ("text", "kind"), [("FILTER (EXISTS { ?a a:p ?b })", "exists"), ("FILTER((NOT EXISTS{?a a:p ?b}))", "filter")]
)
def test_an_exists_in_parentheses_has_its_group(text: str, kind: str) -> None:
    (part,) = where(f"SELECT * {{ {text} }}").elements
    assert isinstance(part, GraphPattern)
    assert (part.kind, [len(list(group.triples())) for group in part.groups]) == (kind, [1] * (kind == "exists"))
    assert [term.text for term in part.terms] == ["a:p"] * (kind == "filter")


def test_positions_count_from_one() -> None:
    query = 'SELECT * WHERE {\n  ?s <a:a> ?x ;\n     <a:b> "ö" , """1\n2""" .\n\tFILTER (?x > 1)\n}'
    lines = query.split("\n")
    positions = [(p.line, p.column, p.end_line, p.end_column) for p in parse(query).where.elements]  # type: ignore[union-attr]
    assert positions == [(2, 3, 2, 14), (3, 6, 3, 15), (3, 18, 4, 5), (5, 2, 5, 17)]
    assert lines[1][2:13] == "?s <a:a> ?x"
    assert lines[2][5:14] == '<a:b> "ö"'


def test_positions_and_texts_are_those_of_the_query_as_written() -> None:
    query = "SELECT * {\n ?\\u0061rea <caf\\u00e9> '\\u0062' ; <b> 1\n}"
    first, second = parse(query).where.elements  # type: ignore[union-attr]
    assert (first.variables, first.text) == (frozenset(("area",)), "?\\u0061rea <caf\\u00e9> '\\u0062'")
    assert (first.line, first.column, first.end_line, first.end_column) == (2, 2, 2, 33)
    assert (second.column, second.end_column) == (36, 41)


def test_prologue_head_dataset_and_modifiers_are_parsed() -> None:
    query = parse(
        "BASE <http://b/> PREFIX a: <x#> # no\nSELECT (COUNT(*) AS ?n) FROM <g> FROM NAMED a:h WHERE { ?s ?p ?o }"
        " GROUP BY ?s (STR(?o) AS ?t) HAVING (COUNT(*) > 1) ORDER BY DESC(?n) LIMIT 3 OFFSET 4 VALUES ?s { a:v }"
    )
    assert (query.base, {name: term.text for name, term in query.prefixes.items()}) == ("http://b/", {"a": "<x#>"})
    assert (query.form, query.head, query.dataset) == ("SELECT", "(COUNT(*) AS ?n)", "FROM <g> FROM NAMED a:h")
    assert list(query.tail) == ["group", "having", "order", "limit", "offset", "values"]
    assert query.tail_text("having", "offset") == "HAVING (COUNT(*) > 1) OFFSET 4"
    assert [term.text for term in query.tail["values"].terms] == ["a:v"]


@pytest.mark.parametrize(
    ("query", "form", "head", "has_group"),
    [
        ("DESCRIBE <a:b> a:c", "DESCRIBE", "<a:b> a:c", False),
        ("DESCRIBE * WHERE { ?s ?p ?o } LIMIT 1", "DESCRIBE", "*", True),
        ("CONSTRUCT { ?s ?p [] } FROM a:g { ?s ?p ?o }", "CONSTRUCT", "{ ?s ?p [] }", True),
        ("CONSTRUCT WHERE { ?s ?p ?o }", "CONSTRUCT", "", True),
        ("ASK { }", "ASK", "", True),
    ],
)
def test_all_query_forms_are_parsed(query: str, form: str, head: str, has_group: bool) -> None:
    parsed = parse(PREFIX + query)
    assert (parsed.form, parsed.head, parsed.where is not None) == (form, head, has_group)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SELECT",
        "SELECT * {",
        "SELECT * { ?s ?p }",
        "SELECT * { ?s ?p ?o } }",
        "SELECT * { ?s ?p ?o ) }",
        "SELECT * { (1] }",
        "SELECT * { ?s ?p << ?a ?b ?c >> }",
        "SELECT * { LATERAL { ?s ?p ?o } }",
        "SELECT * { ?s a:p{2} ?o }",
        "SELECT * { ?s ?p ?o } LIMIT 1 LIMIT 2",
        "SELECT * { ?s ?p ?o } FOO",
        "INSERT DATA { <a:b> <a:b> <a:b> }",
        "PREFIX a <a:b> SELECT * {}",
        'SELECT * { ?s ?p "a }',
        "SELECT * { " + "{" * 200 + "}" * 200 + "}",
        "SELECT * { ?s ?p " + "[ ?p " * 200 + "1" + "]" * 200 + "}",
        "SELECT * { FILTER " + "(" * 100_000 + "}",
    ],
)
def test_unsupported_syntax_is_an_error(query: str) -> None:
    with pytest.raises(UnsupportedSyntax):
        parse(query)


def test_deep_brackets_of_expressions_are_parsed() -> None:
    assert parse("SELECT * { FILTER " + "(" * 20_000 + "1" + ")" * 20_000 + "}").where


def queries(shared: Path) -> list[str]:
    """Return the queries of the SPARQL 1.1 tests that an engine accepts, and our own examples."""
    files = sorted((shared / "sparql11-tests").rglob("*.rq"))
    texts = [file.read_text("utf-8") for file in files if "service" not in file.name and "fed" not in file.parts]
    accepted = [text for text in texts if is_accepted(text)]
    return [*accepted, *(example.query(BASE) for example in examples().values())]


def is_accepted(query: str) -> bool:
    try:
        Store().query(query, base_iri=BASE)
    except (SyntaxError, ValueError, RuntimeError):
        return False
    return True


def join_elements(group: GroupPattern) -> str:
    return "{ " + " ".join(part.sparql for part in group.elements) + " }"


def test_every_accepted_query_is_parsed_and_its_elements_form_a_valid_query(shared: Path) -> None:
    texts = queries(shared)
    assert len(texts) > 300
    for query in texts:
        parsed = parse(query)
        if parsed.where is None:
            continue
        again = f"{parsed.prologue} ASK {parsed.dataset} {join_elements(parsed.where)}"
        assert is_accepted(again), (query, again)


def count_triples(parsed: object) -> int:
    """Return the number of triples in the groups of a query according to rdflib's parser, with brackets expanded."""
    if getattr(parsed, "name", "") == "TriplesBlock":
        return sum(len(list(block)) // 3 for block in parsed.triples)  # type: ignore[attr-defined]
    values = parsed.values() if hasattr(parsed, "values") else parsed if isinstance(parsed, (list, tuple)) else ()
    return sum(map(count_triples, values))


@pytest.mark.parametrize("name", list(examples()))
def test_rdflib_counts_the_same_triples(name: str) -> None:
    query = examples()[name].query(BASE)
    _, parsed = parseQuery(query)
    group = parse(query).where
    assert group is not None
    assert len(list(group.triples())) == count_triples(parsed.where)


def test_a_blank_node_property_list_gets_an_unused_variable() -> None:
    (outer, inner, _) = where("SELECT * { ?s a:p [ a:q ?node1 ] . ?node2 a:r ?x }").elements
    assert isinstance(outer, TriplePattern)
    assert isinstance(inner, TriplePattern)
    assert outer.object.sparql == inner.subject.sparql == "?node3"
