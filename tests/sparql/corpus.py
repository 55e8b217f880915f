"""The corpus: queries that any two engines must agree on, deterministic, over the adversarial release.

The names of queries are stable: lists of known differences refer to them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.sparql.adaptation import adapt
from tests.sparql.cube_queries import cube_queries
from tests.sparql.expression_queries import expression_queries
from tests.sparql.pattern_queries import pattern_queries
from tests.sparql.release import BASE
from vaven.vocab.example_queries import examples

PREFIXES = f"""\
BASE <{BASE}>
PREFIX v: <{BASE}ns#>
PREFIX qb: <http://purl.org/linked-data/cube#>
PREFIX cube: <https://cube.link/>
PREFIX dimension: <http://purl.org/linked-data/sdmx/2009/dimension#>
PREFIX measure: <http://purl.org/linked-data/sdmx/2009/measure#>
PREFIX attribute: <http://purl.org/linked-data/sdmx/2009/attribute#>
PREFIX code: <http://purl.org/linked-data/sdmx/2009/code#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX dcat: <http://www.w3.org/ns/dcat#>
PREFIX dcterms: <http://purl.org/dc/terms/>
PREFIX void: <http://rdfs.org/ns/void#>
PREFIX sh: <http://www.w3.org/ns/shacl#>
PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
"""
CUBE_QUERIES = 500


@dataclass(frozen=True)
class CorpusQuery:
    """A query by its stable name. `is_ordered` if the sequence of its rows is determined, `is_reduced` if REDUCED."""

    name: str
    text: str
    is_ordered: bool = False
    is_reduced: bool = False


def corpus() -> list[CorpusQuery]:
    """Return all queries, each with the prefixes that it needs."""
    return [*_generated(), *_examples()]


def _generated() -> Iterator[CorpusQuery]:
    for name, text in (*expression_queries(), *pattern_queries(), *cube_queries(CUBE_QUERIES)):
        yield CorpusQuery(
            name, PREFIXES + " ".join(text.split()), is_ordered=name.startswith("order/"), is_reduced="REDUCED" in text
        )


def adapted(shared_queries: Iterable[tuple[str, str]]) -> list[CorpusQuery]:
    """Return the W3C's queries by id about our data: their classes, properties and resources replaced by ours.

    Without those whose result is not determined, or that match all triples.
    """
    return [
        CorpusQuery(f"w3c/{name}", text, is_reduced="REDUCED" in text)
        for name, query in shared_queries
        if (text := adapt(query)) is not None
    ]


def _examples() -> Iterator[CorpusQuery]:
    """The examples of the editor, unchanged, counted, and as an ASK."""
    for example in examples().values():
        text = example.query(BASE)
        yield CorpusQuery(f"example/{example.id}/unchanged", text)
        prologue, body = _split(text.splitlines(keepends=True))
        if body.startswith("SELECT"):
            yield CorpusQuery(f"example/{example.id}/count", f"{prologue}SELECT (COUNT(*) AS ?n) {{ {{ {body} }} }}")
            yield CorpusQuery(f"example/{example.id}/ask", f"{prologue}ASK {{ {{ {body} }} }}")


def _split(lines: Sequence[str]) -> tuple[str, str]:
    """Return the PREFIX lines and the rest of a query."""
    prologue = [line for line in lines if line.startswith(("PREFIX", "BASE"))]
    return "".join(prologue), "".join(line for line in lines if line not in prologue).strip()
