"""The W3C's query evaluation tests of SPARQL 1.0 and 1.1, as their manifests define them.

Outside are tests that this endpoint has no function for: entailment regimes, federation (SERVICE) and updates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import rdflib
from pyoxigraph import Literal, NamedNode, RdfFormat, Triple, parse
from rdflib import RDF, Graph, Namespace
from rdflib.collection import Collection

from tests.conftest import SHARED
from tests.sparql.results import Table, Term, graph_table, read_result
from vaven.publisher.sparql.query_facts import read_facts

MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
QT = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-query#")
RS = "http://www.w3.org/2001/sw/DataAccess/tests/result-set#"
# The folders by the IRI that their files have on the web.
SUITES = {
    "http://www.w3.org/2009/sparql/docs/tests/data-sparql11/": SHARED / "sparql11-tests",
    "http://www.w3.org/2001/sw/DataAccess/tests/data-r2/": SHARED / "sparql10-tests",
}
OUTSIDE = {"entailment", "service"}
KINDS = (MF.QueryEvaluationTest, MF.CSVResultFormatTest)
DATA_FORMATS = {".ttl": RdfFormat.TURTLE, ".rdf": RdfFormat.RDF_XML, ".nt": RdfFormat.N_TRIPLES}
RESULT_TYPES = {
    ".srx": "application/sparql-results+xml",
    ".srj": "application/sparql-results+json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
}
GRAPH_TYPE = "application/n-triples"
# A graph without triples: the default graph of a test without data.
EMPTY = "http://www.w3.org/2009/sparql/docs/tests/data-sparql11/no-data"


@dataclass(frozen=True)
class EvaluationTest:
    """A test: the IRIs of its files, and what it expects. `id` is suite, group and name."""

    id: str
    query: str
    default_graphs: tuple[str, ...]
    named_graphs: tuple[str, ...]
    result: str
    is_lax: bool

    @property
    def group(self) -> str:
        return self.id.rpartition("/")[0]

    @property
    def text(self) -> str:
        """The query, whose relative IRIs are resolved against the file that it is in."""
        return f"BASE <{self.query}>\n{path_of(self.query).read_text('utf-8')}"

    @property
    def accept(self) -> str:
        """The media types to request: of the file with the expected result, or of a graph."""
        result_type = RESULT_TYPES.get(path_of(self.result).suffix, RESULT_TYPES[".srx"])
        return f"{result_type}, {GRAPH_TYPE};q=0.9"

    @property
    def dataset(self) -> dict[str, tuple[str, ...]]:
        """The protocol's parameters for the test's dataset; none if the query itself has one."""
        if read_facts(self.text).has_dataset:
            return {}
        return {"default_graphs": self.default_graphs or (EMPTY,), "named_graphs": self.named_graphs}

    def expected(self) -> Table:
        return read_expected(self.result)


def path_of(iri: str) -> Path:
    """Return the path of a file of a suite by its IRI."""
    base = next(base for base in SUITES if iri.startswith(base))
    return SUITES[base] / iri.removeprefix(base)


def evaluation_tests() -> Iterator[EvaluationTest]:
    """Yield the tests of both suites in the order of folders and manifests."""
    for base, folder in SUITES.items():
        suite = folder.name.removesuffix("-tests")
        for path in sorted(folder.glob("*/manifest.ttl")):
            if path.parent.name not in OUTSIDE:
                manifest = Graph().parse(path, publicID=f"{base}{path.parent.name}/manifest.ttl")
                for test in _test_nodes(manifest):
                    if any((test, RDF.type, kind) in manifest for kind in KINDS):
                        yield _read_test(manifest, test, f"{suite}/{path.parent.name}")


def _test_nodes(manifest: Graph) -> Iterator[rdflib.term.Node]:
    for entries_node in manifest.objects(None, MF.entries):
        yield from dict.fromkeys(Collection(manifest, entries_node))


def _read_test(manifest: Graph, test: rdflib.term.Node, group: str) -> EvaluationTest:
    action = manifest.value(test, MF.action)
    query = manifest.value(action, QT["query"])
    return EvaluationTest(
        id=f"{group}/{str(test).rpartition('#')[2]}",
        query=str(query or action),
        default_graphs=tuple(sorted(map(str, manifest.objects(action, QT.data)))),
        named_graphs=tuple(sorted(map(str, manifest.objects(action, QT.graphData)))),
        result=str(manifest.value(test, MF.result)),
        is_lax=(test, MF.resultCardinality, MF.LaxCardinality) in manifest,
    )


def read_graph(iri: str) -> list[Triple]:
    """Parse a data file; its blank nodes differ from those of all other files."""
    path = path_of(iri)
    quads = parse(path=str(path), format=DATA_FORMATS[path.suffix], base_iri=iri, rename_blank_nodes=True)
    return [quad.triple for quad in quads]


def data_files() -> list[str]:
    """Return the IRIs of all files that may be a graph of a test, also by a FROM of its query."""
    tests = list(evaluation_tests())
    data = {iri for test in tests for iri in (*test.default_graphs, *test.named_graphs)}
    results = {test.result for test in tests} - data
    return [
        iri
        for base, folder in SUITES.items()
        for path in sorted(folder.rglob("*"))
        if path.suffix in DATA_FORMATS
        and path.name != "manifest.ttl"
        and path.parent != folder
        and (iri := base + path.relative_to(folder).as_posix()) not in results
    ]


def read_expected(iri: str) -> Table:
    path = path_of(iri)
    body = path.read_bytes()
    if path.suffix in RESULT_TYPES:
        return read_result(body, RESULT_TYPES[path.suffix])
    triples = {quad.triple for quad in parse(body, DATA_FORMATS[path.suffix], base_iri=iri)}
    return _result_set(triples) or graph_table(triples)


def _result_set(triples: set[Triple]) -> Table | None:
    """Return the result that a graph describes in the result set vocabulary; None for another graph."""
    values: dict[Term, dict[str, list[Term]]] = {}
    for triple in triples:
        name = triple.predicate.value.removeprefix(RS)
        values.setdefault(triple.subject, {}).setdefault(name, []).append(triple.object)
    node = next((triple.subject for triple in triples if triple.object == NamedNode(f"{RS}ResultSet")), None)
    if node is None:
        return None
    if boolean := values[node].get("boolean"):
        return Table(boolean=boolean[0].value == "true")
    columns = tuple(sorted(name.value for name in values[node].get("resultVariable", ())))
    numbered = []
    for solution in values[node].get("solution", ()):
        row = {}
        for binding in values.get(solution, {}).get("binding", ()):
            row[values[binding]["variable"][0].value] = values[binding]["value"][0]
        index = values.get(solution, {}).get("index", [Literal("0")])[0]
        numbered.append((int(index.value), tuple(row.get(name) for name in columns)))
    is_ordered = len({index for index, _ in numbered}) > 1
    rows = sorted(numbered, key=lambda pair: pair[0])
    return Table(columns, tuple(row for _, row in rows), is_ordered=is_ordered)
