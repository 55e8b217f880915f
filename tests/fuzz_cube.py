"""`make fuzz`, third part: random queries about observations on two engines, which must agree.

The queries follow from their seeds (tests/sparql/cube_queries.py), and run over the adversarial release. One engine is
that of the endpoint, whichever publisher/engine/open.py opens; the other is Oxigraph in this process, or Jena.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from pyoxigraph import NamedNode, Quad, QueryBoolean, QuerySolutions, QueryTriples, Store, Triple

from tests.conftest import Serving, free_port
from tests.sparql.comparison import ERRORS, Outcome, difference
from tests.sparql.corpus import PREFIXES, CorpusQuery
from tests.sparql.cube_queries import cube_queries
from tests.sparql.endpoint import SparqlClient
from tests.sparql.reference import jena_with
from tests.sparql.release import publish_release, published_graphs
from tests.sparql.results import Table, graph_table, read_solutions
from vaven.publisher.sparql.query_facts import read_facts

QUERIES = 10_000
# An engine as this comparison sees it.
Engine = Callable[[str], Table]


@dataclass(frozen=True)
class KnownError:
    """An error of the other engine, and a change of a query that avoids it."""

    reason: str
    pattern: re.Pattern[str]
    replacement: str

    def avoided(self, query: str) -> str:
        return self.pattern.sub(self.replacement, query)


OXIGRAPH_ERRORS = (
    KnownError(
        "Oxigraph stores numbers by value: 1.0 is the same term as 1 (RDF 1.1 Concepts, section 3.3)",
        re.compile(r"\b1\.0\b"),
        "1.25",
    ),
    KnownError(
        "A product of decimals with more than 18 decimals is unbound in Oxigraph (XPath functions, section 4.2)",
        re.compile(r"\?v \* \?v"),
        "?v + ?v",
    ),
)


@dataclass(frozen=True)
class Comparison:
    """Number of compared queries, of those with an error on both engines, and the differences by query.

    `known` has the numbers of differences by the reasons of known errors, which `differences` leaves out.
    """

    queries: int
    errors: int
    differences: Mapping[str, str]
    known: Mapping[str, int]


def oxigraph_with(graphs: Mapping[str, Iterable[Triple]]) -> Engine:
    """Return Oxigraph in this process with these graphs, whose union is the default graph."""
    store = Store()
    store.extend(Quad(*triple, NamedNode(graph)) for graph, triples in graphs.items() for triple in triples)

    def run(query: str) -> Table:
        result = store.query(query, use_default_graph_as_union=not read_facts(query).has_dataset)
        if isinstance(result, QueryBoolean):
            return Table(boolean=bool(result))
        if isinstance(result, QueryTriples):
            return graph_table(set(result))
        return read_solutions(cast(QuerySolutions, result))

    return run


def compare(
    one: Engine,
    other: Engine,
    queries: Iterable[CorpusQuery],
    graphs: Mapping[str, Iterable[Triple]],
    known_errors: Sequence[KnownError] = (),
) -> Comparison:
    """Run the queries on both engines. A difference is a known error's if it is gone where the query avoids that."""
    terms = {triple.object for triples in graphs.values() for triple in triples}
    differences, known = dict[str, str](), Counter[str]()
    count, errors = 0, 0

    def run_both(query: CorpusQuery) -> tuple[bool, str]:
        results = [_outcome(engine, query.text) for engine in (one, other)]
        text = difference(query, results[0], results[1], lambda literal: literal in terms)
        return all(isinstance(result, str) for result in results), text

    for query in queries:
        is_error, text = run_both(query)
        count += 1
        errors += is_error
        if not text:
            continue
        avoided, reasons = query.text, []
        for error in known_errors:
            if error.pattern.search(avoided):
                avoided = error.avoided(avoided)
                reasons.append(error.reason)
        if reasons and run_both(replace(query, text=avoided)) == (False, ""):
            known[", ".join(reasons)] += 1
        else:
            differences[f"{query.name}: {query.text[len(PREFIXES) :]}"] = text
    return Comparison(count, errors, differences, known)


def _outcome(engine: Engine, query: str) -> Outcome:
    try:
        return engine(query)
    except ERRORS as error:
        return f"{type(error).__name__}: {error}"[:500]


def run(count: int, first: int, other_engine: str, report: Callable[[str], None]) -> int:
    """Compare the endpoint with `oxigraph` or `jena`, and return the number of differences."""
    with tempfile.TemporaryDirectory(prefix="vaven-fuzz-cube-") as folder:
        home, port = Path(folder) / "home", free_port()
        with Serving(home, port, publish_release(home, port)) as site:
            graphs = published_graphs(site)
            client = SparqlClient(f"{site.url}sparql")
            queries = (CorpusQuery(name, PREFIXES + text) for name, text in cube_queries(count, first))
            if other_engine == "oxigraph":
                comparison = compare(client.query, oxigraph_with(graphs), queries, graphs, OXIGRAPH_ERRORS)
            else:
                (Path(folder) / "jena").mkdir()
                jena = jena_with(Path(folder) / "jena", graphs)
                try:
                    comparison = compare(client.query, SparqlClient(jena.query).query, queries, graphs)
                finally:
                    jena.stop()
            client.close()
    for name, text in comparison.differences.items():
        report(f"{name}\n{text}")
    for reason, number in comparison.known.items():
        report(f"{number} known differences: {reason}")
    report(
        f"{comparison.queries} queries, {len(comparison.differences)} differences, {comparison.errors} errors on both"
    )
    return len(comparison.differences)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first query")
    parser.add_argument("--engine", choices=("oxigraph", "jena"), default="oxigraph", help="compared with the endpoint")
    options = parser.parse_args()
    return min(run(options.queries, options.seed, options.engine, lambda line: print(line, flush=True)), 1)


if __name__ == "__main__":
    sys.exit(main())
