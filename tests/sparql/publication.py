"""Publication of graphs: the only function of these tests that depends on how the engine under test stores data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pyoxigraph import RdfFormat, Triple, serialize

from vaven.publisher.graph.store import EmbeddedStore
from vaven.vocab.iris import Iris

# Triples by graph IRI. A blank node's label means the same node in all graphs.
GraphTriples = Mapping[str, Iterable[Triple]]


def publish_graphs(home: Path, graphs: GraphTriples, *, has_columns: bool = False) -> None:
    """Make these graphs the data of the site in `home`, as named graphs whose union is the default graph.

    `has_columns` adds the snapshot's columns, for the engine that runs over them.
    """
    folder = home / "graphs"
    folder.mkdir()
    files = {}
    for number, (graph, triples) in enumerate(graphs.items()):
        path = folder / f"{number}.nt"
        serialize(triples, output=str(path), format=RdfFormat.N_TRIPLES)
        files[graph] = [path]
    iris = Iris("http://127.0.0.1/") if has_columns else None
    EmbeddedStore(home / "graph", iris=iris).replace(files, contents={})
