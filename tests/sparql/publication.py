"""Publication of graphs: the only function of these tests that depends on how the engine under test stores data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pyoxigraph import RdfFormat, Triple, serialize

from vaven.publisher.graph.store import EmbeddedStore
from vaven.vocab.iris import Iris

# Triples by graph IRI. A blank node's label means the same node in all graphs.
GraphTriples = Mapping[str, Iterable[Triple]]


def publish_graphs(home: Path, graphs: GraphTriples) -> None:
    """Make these graphs the data of the site in `home`, as named graphs whose union is the default graph."""
    folder = home / "graphs"
    folder.mkdir()
    files = {}
    for number, (graph, triples) in enumerate(graphs.items()):
        path = folder / f"{number}.nt"
        serialize(triples, output=str(path), format=RdfFormat.N_TRIPLES)
        files[graph] = [path]
    EmbeddedStore(home / "graph", Iris("http://127.0.0.1/")).replace(files, contents={})
