"""A graph as Turtle: as people like to read it, or, where it is too long for that, as fast as can be."""

from pyoxigraph import RdfFormat, parse, serialize
from rdflib import Graph

from vaven.vocab.iris import Iris

# rdflib sorts subjects and writes blank nodes in place, at 30 microseconds a triple; nobody reads more than this.
READ = 20_000


def as_turtle(graph: Graph, iris: Iris) -> str:
    if len(graph) <= READ:
        return graph.serialize(format="turtle")
    triples = parse(graph.serialize(format="nt", encoding="utf-8"), RdfFormat.N_TRIPLES)
    text = serialize((quad.triple for quad in triples), format=RdfFormat.TURTLE, prefixes=iris.prefixes)
    return (text or b"").decode("utf-8")
