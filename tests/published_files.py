"""A graph store that has the triples of the files that it is given."""

from collections.abc import Sequence

from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from vaven.publisher.columns.build import ReleasedColumns
from vaven.publisher.rdf.compression import decompressed_file
from vaven.publisher.rdf.files import Graphs


class PublishedFiles:
    """A graph store of quads, as the files have them."""

    def __init__(self) -> None:
        self.quads = list[Quad]()

    def replace(self, graphs: Graphs, *, releases: Sequence[ReleasedColumns] = (), **_: object) -> str:
        for graph, paths in {**graphs, **{release.graph: release.triples() for release in releases}}.items():
            for path in paths:
                with decompressed_file(path) as triples:
                    for q in parse(triples, format=RdfFormat.N_TRIPLES, rename_blank_nodes=True):
                        self.quads.append(Quad(q.subject, q.predicate, q.object, NamedNode(graph)))
        return ""

    def is_sound(self) -> bool:
        return True

    def without_columns(self) -> frozenset[str]:
        return frozenset()

    def prepare(self, *_: object) -> None:
        """No columns."""

    def contents(self) -> dict[str, int]:
        return {}

    def name(self) -> str:
        return ""
