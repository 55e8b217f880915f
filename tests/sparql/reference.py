"""Apache Jena as the reference: the same graphs in a Fuseki in memory, whose default graph is their union."""

import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from pyoxigraph import DefaultGraph, NamedNode, Quad, RdfFormat, Triple, serialize

from tests.servers.graph import GraphServer, jena


def jena_with(folder: Path, graphs: Mapping[str, Iterable[Triple]]) -> GraphServer:
    """Start a Jena with these graphs. A blank node's label means the same node in all of them."""
    server = jena(folder)
    body = serialize(_quads(graphs), format=RdfFormat.N_QUADS)
    request = urllib.request.Request(server.graph, data=body, headers={"Content-Type": "application/n-quads"})
    urllib.request.urlopen(request, timeout=120).close()
    return server


def _quads(graphs: Mapping[str, Iterable[Triple]]) -> Iterable[Quad]:
    for graph, triples in graphs.items():
        for triple in triples:
            yield Quad(*triple, NamedNode(graph))
            yield Quad(*triple, DefaultGraph())
