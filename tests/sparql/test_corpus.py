"""The corpus has queries enough of every kind, each of them readable by our own grammar, and always the same ones."""

import hashlib
from collections import Counter
from itertools import combinations

import pytest

from tests.sparql.corpus import CorpusQuery, corpus
from tests.sparql.coverage import ALGEBRA, OPERATORS, features, functions, pairs
from tests.sparql.cube_queries import cube_query
from vaven.publisher.sparql.syntax_check import find_mistake

LEAST_QUERIES = 2_000
LEAST_OF_EACH = 15


@pytest.fixture(scope="module")
def queries() -> list[CorpusQuery]:
    return corpus()


@pytest.fixture(scope="module")
def counted(queries: list[CorpusQuery]) -> list[Counter[str]]:
    return [features(query.text) for query in queries]


def test_the_corpus_has_two_thousand_different_queries(queries: list[CorpusQuery]) -> None:
    assert len({query.text for query in queries}) >= LEAST_QUERIES
    assert len({query.name for query in queries}) == len(queries)


def test_every_operator_and_function_occurs_in_fifteen_queries(counted: list[Counter[str]]) -> None:
    totals = Counter(name for counts in counted for name in counts)
    assert {name: totals[name] for name in (*OPERATORS, *functions()) if totals[name] < LEAST_OF_EACH} == {}


def test_every_pair_of_algebra_operators_occurs_in_a_query(counted: list[Counter[str]]) -> None:
    present = set().union(*map(pairs, counted))
    assert [pair for pair in combinations(sorted(ALGEBRA), 2) if frozenset(pair) not in present] == []


def test_the_corpus_is_the_same_each_time(queries: list[CorpusQuery]) -> None:
    texts = [hashlib.sha256("\0".join(query.text for query in some).encode()) for some in (queries, corpus())]
    assert texts[0].hexdigest() == texts[1].hexdigest()


def test_ten_thousand_cube_queries_are_readable_and_differ() -> None:
    texts = [cube_query(seed) for seed in range(10_000)]
    assert len(set(texts)) > 9_800
    assert [text for text in texts[::100] if find_mistake(f"BASE <urn:a:b>\n{text}")] == []


def test_operators_are_counted_in_the_tree() -> None:
    text = (
        "SELECT DISTINCT ?s FROM NAMED <a:b> { ?s ^a:b/(a:c|!(a:d|^a:e))* ?o, [a:q 1] ; a ?k . {?s ?p -1} UNION {}"
        " FILTER (?s NOT IN (1) && !BOUND(?o) || ?x + 1 >= 2 -3 * 5) FILTER NOT EXISTS { BIND (xsd:integer(5) AS ?t) }"
        " } GROUP BY ?s HAVING (COUNT(DISTINCT *) > 1) ORDER BY DESC(?s) LIMIT 1 OFFSET 2"
    )
    once = {
        *("select", "distinct", "from-named", "path-sequence", "path-alternative", "path-negated", "path-zero-or-more"),
        *("blank-node", "union", "not-in", "and", "or", "not", "+", "-", "*", ">=", ">", "not-exists", "bind", "group"),
        *("having", "order", "limit", "offset", "BOUND", "xsd:integer", "COUNT", "aggregate", "distinct-aggregate"),
    }
    assert features(text) == Counter(dict.fromkeys(once, 1) | {"path-inverse": 2, "filter": 2})
    assert frozenset(("union", "not-exists")) in pairs(features(text))
