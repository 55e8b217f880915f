"""The endpoint and Apache Jena agree on every query of the corpus, but for known differences.

Each known difference has a reason, the engine that is right and the section that decides; docs/sparql.md lists them. A
query in the list on which the engines agree fails, so the list may only shrink.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyoxigraph import Literal

from tests.conftest import ROOT, SHARED, Serving, free_port
from tests.sparql.comparison import difference, run_both
from tests.sparql.corpus import CorpusQuery, adapted, corpus
from tests.sparql.reference import jena_with
from tests.sparql.release import GRAPHS, publish_release, published_graphs
from tests.sparql.w3c import evaluation_tests

KNOWN = Path(__file__).with_name("jena_differences.toml")
DOCUMENT = ROOT / "docs" / "sparql.md"
RIGHT = {"Jena", "the endpoint", "both", "neither"}
pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Differential:
    """The queries that ran, the difference of each on which the engines disagree, and those that both refused."""

    queries: tuple[CorpusQuery, ...]
    differences: dict[str, str]
    errors: dict[str, str]


def known_differences() -> list[dict[str, object]]:
    differences: list[dict[str, object]] = tomllib.loads(KNOWN.read_text("utf-8"))["difference"]
    return differences


def known_queries() -> set[str]:
    """Return the queries with known differences, without the W3C's where the shared data is absent."""
    names = {name for known in known_differences() for name in known["queries"]}  # type: ignore[attr-defined]
    return {name for name in names if SHARED.is_dir() or not name.startswith("w3c/")}


def documented_differences(text: str) -> list[tuple[str, str, str, int]]:
    """Return difference, right engine, section and number of queries of each row of the table in docs/sparql.md."""
    section = text[text.index("### Differences from Apache Jena") :]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| (\d+) \|$", section, re.MULTILINE)
    return [(what, right, decides, int(count)) for what, right, decides, count in rows]


@pytest.fixture(scope="module")
def differential(tmp_path_factory: pytest.TempPathFactory) -> Differential:
    home, port = tmp_path_factory.mktemp("differential"), free_port()
    queries = corpus()
    if SHARED.is_dir():
        queries += adapted((test.id, test.text) for test in evaluation_tests())
    with Serving(home, port, publish_release(home, port)) as site:
        graphs = published_graphs(site)
        assert {graph.removeprefix("http://data.example/") for graph in graphs} == set(GRAPHS)
        terms = {triple.object for triples in graphs.values() for triple in triples}
        jena = jena_with(tmp_path_factory.mktemp("jena"), graphs)
        try:
            outcomes = run_both(f"{site.url}sparql", jena.query, queries)
        finally:
            jena.stop()

    def is_of_data(literal: Literal) -> bool:
        return literal in terms

    texts = {query.name: difference(query, own, reference, is_of_data) for query, own, reference in outcomes}
    errors = {
        query.name: own for query, own, reference in outcomes if isinstance(own, str) and isinstance(reference, str)
    }
    return Differential(tuple(queries), {name: text for name, text in texts.items() if text}, errors)


def test_the_engines_agree_but_for_known_differences(differential: Differential) -> None:
    unknown = {name: text for name, text in differential.differences.items() if name not in known_queries()}
    texts = {query.name: query.text for query in differential.queries}
    assert not unknown, "\n\n".join(f"{name}: {texts[name]}\n{text}" for name, text in unknown.items())


def test_a_known_difference_that_is_gone_leaves_the_list(differential: Differential) -> None:
    assert sorted(known_queries() - differential.differences.keys()) == []


def test_no_query_fails_on_both_engines(differential: Differential) -> None:
    """Two errors count as equal, so a corpus of errors would agree."""
    assert len(differential.queries) > 4_000
    assert differential.errors == {}


def test_the_documentation_lists_every_known_difference() -> None:
    known = known_differences()
    assert {str(entry["right"]) for entry in known} <= RIGHT
    names = [name for entry in known for name in entry["queries"]]  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    assert documented_differences(DOCUMENT.read_text("utf-8")) == [
        (entry["what"], entry["right"], entry["section"], len(entry["queries"]))  # type: ignore[arg-type]
        for entry in known
    ]
