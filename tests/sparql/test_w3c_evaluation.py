"""The W3C's query evaluation tests of SPARQL 1.0 and 1.1 over HTTP: each passes, or is a known failure with a reason.

All data files are published as named graphs. A test's dataset is requested by the protocol's parameters, so that
default graph and named graphs are those of its manifest, or by the query's own FROM. Entailment regimes, federation and
updates are outside: the endpoint has no such functions.
"""

import re
import tomllib
from collections import Counter
from http.client import HTTPException
from pathlib import Path

import pytest
from pyoxigraph import Literal

from tests.conftest import ROOT, Serving, environment, free_port
from tests.sparql.endpoint import QueryFailedError, SparqlClient
from tests.sparql.publication import publish_graphs
from tests.sparql.results import by_value, equal
from tests.sparql.w3c import EvaluationTest, data_files, evaluation_tests, read_graph

KNOWN = Path(__file__).with_name("w3c_failures.toml")
DOCUMENT = ROOT / "docs" / "sparql.md"


def known_failures() -> dict[str, str]:
    """Return the reason of each known failure by the id of its test."""
    failures = tomllib.loads(KNOWN.read_text("utf-8"))["failure"]
    return {test: failure["reason"] for failure in failures for test in failure["tests"]}


def documented_counts(text: str) -> dict[str, tuple[int, int]]:
    """Return passed and all tests by group as the table in docs/sparql.md has them."""
    rows = re.findall(r"^\| (sparql1[01]/[\w-]+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    return {group: (int(passed), int(count)) for group, passed, count in rows}


@pytest.fixture(scope="module")
def tests(shared: Path) -> list[EvaluationTest]:
    assert shared.is_dir()
    return list(evaluation_tests())


@pytest.fixture(scope="module")
def failures(tests: list[EvaluationTest], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run all tests, and return the difference to the expected result by the id of each test that fails."""
    home, port = tmp_path_factory.mktemp("w3c-evaluation"), free_port()
    graphs = {iri: read_graph(iri) for iri in data_files()}
    terms = {iri: {triple.object for triple in triples} for iri, triples in graphs.items()}
    publish_graphs(home, graphs)
    configured = environment(home, port, VAVEN_QUERIES_A_MINUTE="1000000")
    with Serving(home, port, configured) as site:
        client = SparqlClient(f"{site.url}sparql")
        differences = {}
        for test in tests:
            own_terms = set[object]().union(
                *(terms.get(iri, set()) for iri in (*test.default_graphs, *test.named_graphs))
            )
            differences[test.id] = difference(client, test, own_terms)
        client.close()
    return {test_id: text for test_id, text in differences.items() if text}


def difference(client: SparqlClient, test: EvaluationTest, terms: set[object]) -> str:
    """Return the difference between the expected result and the response, "" if they are equal.

    A literal of the data has its own lexical form in a result; a computed number has any form of its value.
    """

    def is_of_data(literal: Literal) -> bool:
        return literal in terms

    try:
        actual = by_value(client.query(test.text, accept=test.accept, **test.dataset), is_of_data)
    except (QueryFailedError, HTTPException, OSError, SyntaxError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    expected = by_value(test.expected(), is_of_data)
    return "" if equal(expected, actual, is_lax=test.is_lax) else f"expected {expected}\nactual {actual}"


def test_the_suites_are_complete(tests: list[EvaluationTest]) -> None:
    assert len(tests) == len({test.id for test in tests}) == 518
    assert len({test.group for test in tests}) == 38


@pytest.mark.timeout(600)
def test_every_evaluation_test_passes_but_known_failures(failures: dict[str, str]) -> None:
    unknown = {test: text for test, text in failures.items() if test not in known_failures()}
    assert not unknown, "\n\n".join(f"{test}: {text}" for test, text in unknown.items())


def test_a_known_failure_that_passes_leaves_the_list(failures: dict[str, str]) -> None:
    assert sorted(known_failures().keys() - failures.keys()) == []


def test_every_known_failure_has_a_reason_and_a_section(tests: list[EvaluationTest]) -> None:
    ids = {test.id for test in tests}
    failures = tomllib.loads(KNOWN.read_text("utf-8"))["failure"]
    for failure in failures:
        assert failure["reason"].endswith("."), failure
        assert re.search(r"\d", failure["section"]), failure
        assert failure["tests"] == sorted(set(failure["tests"]) & ids), failure
    assert len(known_failures()) == sum(len(failure["tests"]) for failure in failures)


def test_the_documentation_has_the_counts_of_each_group(tests: list[EvaluationTest], failures: dict[str, str]) -> None:
    counts = Counter(test.group for test in tests)
    failed = Counter(test.rpartition("/")[0] for test in failures)
    actual = {group: (count - failed[group], count) for group, count in counts.items()}
    assert documented_counts(DOCUMENT.read_text("utf-8")) == actual
