"""Turtle: readable for a short graph, fast for a long one."""

from pyoxigraph import RdfFormat, parse, serialize
from rdflib import Graph

from vaven.vocab.iris import Iris

# rdflib sorts subjects and nests blank nodes, at 30 microseconds a triple; nobody reads more than this.
READABLE_TRIPLES = 20_000


def as_turtle(graph: Graph, iris: Iris) -> str:
    """Serialise a graph as Turtle."""
    if len(graph) <= READABLE_TRIPLES:
        return graph.serialize(format="turtle")
    triples = parse(graph.serialize(format="nt", encoding="utf-8"), RdfFormat.N_TRIPLES)
    text = serialize((quad.triple for quad in triples), format=RdfFormat.TURTLE, prefixes=iris.prefixes)
    return (text or b"").decode("utf-8")
