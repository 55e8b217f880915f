"""The comparison of `make fuzz` agrees with itself, and notices a missing triple and an error."""

from pyoxigraph import Literal, NamedNode, Triple

from tests.fuzz_cube import OXIGRAPH_ERRORS, compare, oxigraph_with
from tests.sparql.corpus import PREFIXES, CorpusQuery
from tests.sparql.results import XSD, Table

GRAPH = "http://data.example/id/dataset/kanter"
VALUE = NamedNode("http://purl.org/linked-data/sdmx/2009/measure#obsValue")
DECIMAL = NamedNode(f"{XSD}decimal")
TRIPLES = [
    Triple(NamedNode(f"http://data.example/o{text}"), VALUE, Literal(text, datatype=DECIMAL)) for text in ("1", "2.5")
]
QUERIES = [
    CorpusQuery(name, PREFIXES + text)
    for name, text in (
        ("rows", "SELECT ?o ?v { ?o measure:obsValue ?v }"),
        ("sum", "SELECT (SUM(?v) AS ?s) { GRAPH ?g { ?o measure:obsValue ?v } }"),
        ("construct", "CONSTRUCT { ?o <urn:p> ?v } { ?o measure:obsValue ?v }"),
        ("ask", "ASK { ?o measure:obsValue 2.5 }"),
    )
]


def refusing(_: str) -> Table:
    raise ValueError("refused")


def test_equal_engines_have_no_difference() -> None:
    graphs = {GRAPH: TRIPLES}
    comparison = compare(oxigraph_with(graphs), oxigraph_with(graphs), QUERIES, graphs)
    assert (comparison.queries, comparison.errors, comparison.differences) == (4, 0, {})


def test_a_missing_triple_is_a_difference_of_every_form_of_query() -> None:
    graphs = {GRAPH: TRIPLES}
    comparison = compare(oxigraph_with({GRAPH: TRIPLES[:1]}), oxigraph_with(graphs), QUERIES, graphs)
    assert len(comparison.differences) == 4


def test_errors_are_counted_and_differ_from_results() -> None:
    graphs = {GRAPH: TRIPLES}
    assert len(compare(refusing, oxigraph_with(graphs), QUERIES, graphs).differences) == 4
    assert compare(refusing, refusing, QUERIES, graphs).errors == 4


def by_term(query: str) -> Table:
    """Answer as Oxigraph, but that `1.0` is no term of the data, which has `1`."""
    return oxigraph_with({GRAPH: TRIPLES})(query.replace("1.0", "7"))


def test_a_known_error_of_oxigraph_hides_no_other_difference() -> None:
    graphs = {GRAPH: TRIPLES}
    query = CorpusQuery("values", PREFIXES + "SELECT ?o ?v { ?o measure:obsValue ?v VALUES ?v { 1.0 2.5 } }")
    comparison = compare(by_term, oxigraph_with(graphs), [query], graphs, OXIGRAPH_ERRORS)
    assert (comparison.differences, sum(comparison.known.values())) == ({}, 1)
    comparison = compare(oxigraph_with({GRAPH: []}), oxigraph_with(graphs), [query], graphs, OXIGRAPH_ERRORS)
    assert (len(comparison.differences), sum(comparison.known.values())) == (1, 0)
