"""Comparison of results: multisets of full terms up to the labels of blank nodes, sequences where order counts."""

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode

from tests.sparql.results import XSD, Row, Table, by_value, equal, read_result

A, B = NamedNode("urn:a"), NamedNode("urn:b")
DECIMAL = NamedNode(f"{XSD}decimal")


def node(name: str) -> BlankNode:
    return BlankNode(name)


def table(*rows: Row, ordered: bool = False) -> Table:
    columns = ("x", "y", "z")[: len(rows[0])] if rows else ("x",)
    return Table(columns, rows, is_ordered=ordered)


def test_rows_are_compared_as_a_multiset() -> None:
    assert equal(table((A,), (B,), (A,)), table((B,), (A,), (A,)))
    assert not equal(table((A,), (B,), (A,)), table((B,), (A,), (B,)))
    assert not equal(table((A,)), table((A,), (A,)))
    assert not equal(table((A,)), table((None,)))


def test_columns_may_be_in_another_order() -> None:
    assert equal(Table(("x", "y"), ((A, B),)), Table(("y", "x"), ((B, A),)))
    assert not equal(Table(("x", "y"), ((A, B),)), Table(("x", "z"), ((A, B),)))


def test_a_sequence_is_compared_in_its_order() -> None:
    assert equal(table((A,), (B,), ordered=True), table((A,), (B,)))
    assert not equal(table((A,), (B,), ordered=True), table((B,), (A,)))


def test_reduced_rows_occur_at_least_once_and_at_most_as_often() -> None:
    expected = table((A,), (A,), (B,))
    assert equal(expected, table((B,), (A,)), is_lax=True)
    assert not equal(expected, table((A,), (A,)), is_lax=True)
    assert not equal(expected, table((A,), (B,), (B,)), is_lax=True)


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        ([("p", "q")], [("r", "s")], True),
        ([("p", "p")], [("r", "s")], False),
        ([("p", "q"), ("q", "p")], [("r", "s"), ("s", "r")], True),
        ([("p", "q"), ("q", "p")], [("r", "s"), ("r", "s")], False),
        # A circle of six and two of three: equal by the surroundings of each node.
        ([("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f"), ("f", "a")],
         [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "f"), ("f", "d")], False),
        ([("a", "b"), ("b", "c"), ("c", "a")], [("u", "w"), ("v", "u"), ("w", "v")], True),
    ],
)  # fmt: skip
def test_blank_nodes_are_compared_by_a_bijection(
    one: list[tuple[str, str]], other: list[tuple[str, str]], is_equal: bool
) -> None:
    rows = [tuple(map(node, pair)) for pair in one]
    others = [tuple(map(node, pair)) for pair in other]
    assert equal(table(*rows), table(*others)) is is_equal


def test_equal_numbers_are_different_terms_unless_compared_by_value() -> None:
    long, short = Literal("1.0", datatype=DECIMAL), Literal("1", datatype=DECIMAL)
    assert not equal(table((long,)), table((short,)))
    assert equal(by_value(table((long,))), by_value(table((short,))))
    assert not equal(by_value(table((long,)), lambda term: term == long), by_value(table((short,))))
    assert not equal(by_value(table((short,))), by_value(table((Literal(1),))))


def test_a_csv_result_has_texts_and_blank_nodes() -> None:
    assert read_result(b"x,y\r\n_:b0,1\r\n", "text/csv") == Table(("x", "y"), ((node("b0"), "1"),))
    with pytest.raises(ValueError, match="no result"):
        read_result(b"", "image/png")
