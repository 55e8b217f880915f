"""Turtle: readable for a short graph, fast for a long one."""

from io import BytesIO

from pyoxigraph import RdfFormat, parse, serialize
from rdflib import XSD, Graph, Literal
from rdflib.plugins.serializers.turtle import TurtleSerializer
from rdflib.term import Node

from vaven.vocab.iris import Iris

# rdflib writes classes first and nests blank nodes, at 30 microseconds a triple; nobody reads more than this.
READABLE_TRIPLES = 5_000


def as_turtle(graph: Graph, iris: Iris) -> str:
    """Serialise a graph as Turtle."""
    if len(graph) <= READABLE_TRIPLES:
        target = BytesIO()
        _ExactSerializer(graph).serialize(target)
        return target.getvalue().decode("utf-8")
    lines = graph.serialize(format="nt", encoding="utf-8").splitlines(keepends=True)
    # A subject's triples are written together if they come together.
    triples = parse(b"".join(sorted(lines)), RdfFormat.N_TRIPLES)
    text = serialize((quad.triple for quad in triples), format=RdfFormat.TURTLE, prefixes=iris.prefixes)
    return (text or b"").decode("utf-8")


class _ExactSerializer(TurtleSerializer):
    """rdflib's serialiser, which would write the decimal 52 as 52.0: another term of the same value.

    It looks up the short name of each IRI once before the prefixes are written, and once after.
    """

    def reset(self) -> None:
        super().reset()
        self._names: dict[tuple[Node, bool], str | None] = {}

    def startDocument(self) -> None:
        self._names.clear()
        super().startDocument()

    def get_pname(self, uri: Node, gen_prefix: bool = True) -> str | None:
        key = uri, gen_prefix
        if key not in self._names:
            self._names[key] = super().get_pname(uri, gen_prefix)
        return self._names[key]

    def label(self, node: Node, position: int) -> str:
        if isinstance(node, Literal) and node.datatype == XSD.decimal and "." not in node:
            return f'"{node}"^^{self.get_pname(XSD.decimal, gen_prefix=True) or XSD.decimal.n3()}'
        text: str = super().label(node, position)
        return text
