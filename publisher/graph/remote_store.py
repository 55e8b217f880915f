"""A graph store on any SPARQL 1.1 server: Query, Update and Graph Store HTTP Protocol.

A release is first sent to staging graphs beside the published graphs, in parts of bounded size. When it is complete,
one update moves the staging graphs to the published ones and records their contents. If the server runs an update as a
transaction (Oxigraph, Fuseki on TDB2), or admits no reader during one (Virtuoso), readers see the old release or the
new one. The triples are counted afterwards, so that a loss on the way is detected.

A small graph on the server, the state graph, records which versions are published, and in which graphs.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template

from rdflib import Literal

from vaven.publisher.columns.build import PreparedColumns, ReleasedColumns
from vaven.publisher.graph.sparql_client import RemoteServer
from vaven.publisher.rdf.files import N_TRIPLES, TURTLE, Graphs, rdf_suffix, uncompressed_parts
from vaven.vocab import media_types
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.iris import NAMESPACES

PART_BYTES = 32 << 20
# How long a state that was read is valid: every request for a page needs it.
STATE_SECONDS = 1.0
UNAVAILABLE_SECONDS = 5.0
MEDIA_TYPES = {TURTLE: media_types.TURTLE, N_TRIPLES: media_types.N_TRIPLES}
IDENTIFIER, VERSION = f"{NAMESPACES['dcterms']}identifier", f"{NAMESPACES['dcat']}version"
PUBLISHED, STAGED = f"{NAMESPACES['sd']}namedGraph", f"{NAMESPACES['prov']}used"


@dataclass(frozen=True)
class State:
    """The contents of the state graph: `id` of the state ("" before the first), dataset to version, and graph IRIs.

    `staged` are the graphs of a load that is running or was interrupted.
    """

    id: str = ""
    contents: Mapping[str, int] = field(default_factory=dict)
    graphs: tuple[str, ...] = ()
    staged: tuple[str, ...] = ()


class RemoteStore:
    """A GraphStore on a server. `state_graph` is the IRI of the state graph.

    `step` gets the name of each step before it begins. One process writes at a time: see publish.exclusive.
    """

    def __init__(self, server: RemoteServer, state_graph: str, step: Callable[[str], None] = lambda _: None) -> None:
        self._server, self._state_graph, self._step = server, state_graph, step
        self._cached: tuple[float, State | StoreUnavailable] | None = None
        self._lock = threading.Lock()

    def contents(self) -> Mapping[str, int]:
        return self.state().contents

    def name(self) -> str:
        return self.state().id

    def state(self) -> State:
        """Return the state, read within the last second or now. After an error the server has a pause."""
        with self._lock:
            if self._cached is None or time.monotonic() > self._cached[0]:
                self._cached = self._read_or_error()
            state = self._cached[1]
        if isinstance(state, StoreUnavailable):
            raise copy(state) from state
        return state

    def _read_or_error(self) -> tuple[float, State | StoreUnavailable]:
        """Return the state, or the error of an unavailable server, with the time until which it is valid."""
        try:
            return time.monotonic() + STATE_SECONDS, self._read()
        except StoreUnavailable as error:
            return time.monotonic() + UNAVAILABLE_SECONDS, error

    def published(self) -> tuple[str, ...]:
        """Return the IRIs of the graphs that queries read; none if nothing was ever loaded.

        If none are published any more, or not yet, a graph is named that doesn't exist: without one, queries would read
        all graphs.
        """
        state = self.state()
        return state.graphs or ((f"{self._state_graph}/nothing",) if state.id or state.staged else ())

    def replace(
        self,
        graphs: Graphs,
        *,
        contents: Mapping[str, int],
        releases: Sequence[ReleasedColumns] = (),
        changed: str = "",
        prepared: PreparedColumns | None = None,
    ) -> str:
        if changed:
            # The triples of the other releases are on the server.
            graphs = {**graphs, changed: next((r.triples() for r in releases if r.graph == changed), ())}
        before = self._read()
        staged = {graph: f"{self._state_graph}/staged/{i}" for i, graph in enumerate(graphs)}
        self._step("load")
        self._stage(before.staged, tuple(staged.values()))
        with tempfile.TemporaryDirectory(prefix="vaven-parts-") as folder:
            sizes = {graph: self._fill(staged[graph], paths, Path(folder)) for graph, paths in graphs.items()}
        self._step("switch")
        name = f"{time.time_ns():020d}"
        published = {*before.graphs} - {*graphs} | {graph for graph in graphs if sizes[graph]}
        after = State(name, contents, tuple(sorted(published)), tuple(staged.values()))
        changes = "".join(_change(graph, staged[graph], sizes[graph]) for graph in graphs)
        self._update("switch.ru", changes=changes, facts=_facts(self._state_graph, after))
        self._check(sizes, before)
        self._step("clean")
        self._stage(after.staged, ())
        self._cached = None
        return name

    def is_sound(self) -> bool:
        """The server sees to its data."""
        return True

    def without_columns(self) -> frozenset[str]:
        return frozenset()

    def distrust(self) -> None:
        """Every load replaces the graph of the changed dataset as a whole."""

    def prepare(self, release: ReleasedColumns, path: Path) -> None:
        """The server keeps triples."""

    def _stage(self, remains: Sequence[str], graphs: Sequence[str]) -> None:
        """Drop the graphs that an earlier load has left, and record those that are about to be filled."""
        drops = "".join(f"DROP SILENT GRAPH <{graph}> ;\n" for graph in remains)
        facts = _staged(self._state_graph, graphs)
        note = f"; INSERT DATA {{ GRAPH <{self._state_graph}> {{ {facts} }} }}" if facts else ""
        self._update("stage.ru", drops=drops, note=note)

    def _fill(self, staged: str, paths: Sequence[Path], folder: Path) -> int:
        """Send files to an empty graph; return the number of triples in it afterwards."""
        is_first = True
        for path in paths:
            for part in uncompressed_parts(path, folder, PART_BYTES):
                # An empty body has no length header, and without one Virtuoso loses its thread.
                if part.stat().st_size:
                    self._server.put(staged, part, MEDIA_TYPES[rdf_suffix(path)], adding=not is_first)
                    is_first = False
        return 0 if is_first else self._count(staged)

    def _check(self, sizes: Mapping[str, int], before: State) -> None:
        """Compare the published graphs with what was sent.

        Raises StoreUnavailable if a graph lacks triples, and restores the old state first.
        """
        counts = {graph: self._count(graph) for graph in sizes}
        if wrong := [graph for graph in sizes if counts[graph] != sizes[graph]]:
            self._update("switch.ru", changes="", facts=_facts(self._state_graph, before))
            graph = wrong[0]
            raise StoreUnavailable("publisher.graph-incomplete", graph=graph, held=counts[graph], sent=sizes[graph])

    def _count(self, graph: str) -> int:
        return int(self._server.select(_text("count.rq", graph=graph))[0]["n"])

    def _update(self, name: str, **parameters: str) -> None:
        self._server.update(_text(name, state=self._state_graph, **parameters))

    def _read(self) -> State:
        rows = self._server.select(_text("state.rq", state=self._state_graph))
        facts = [(row["s"], row["p"], row["o"]) for row in rows]
        of_state = [(p, o) for s, p, o in facts if s == self._state_graph]
        slugs = {s: o for s, p, o in facts if p == IDENTIFIER and s != self._state_graph}
        return State(
            id=next((o for p, o in of_state if p == IDENTIFIER), ""),
            contents={slugs[s]: int(o) for s, p, o in facts if p == VERSION},
            graphs=tuple(sorted(o for p, o in of_state if p == PUBLISHED)),
            staged=tuple(sorted(o for p, o in of_state if p == STAGED)),
        )


def _change(graph: str, staged: str, size: int) -> str:
    # Servers differ in their treatment of a graph to which an empty graph is added or moved.
    return _text("become.ru", graph=graph, staged=staged) if size else f"DROP SILENT GRAPH <{graph}> ;\n"


def _staged(name: str, graphs: Sequence[str]) -> str:
    return "".join(f"<{name}> <{STAGED}> <{graph}> .\n" for graph in graphs)


def _facts(name: str, state: State) -> str:
    """Return the triples of the state graph in N-Triples, one in each line."""
    lines = [f"<{name}> <{IDENTIFIER}> {Literal(state.id).n3()} ."]
    lines += [f"<{name}> <{PUBLISHED}> <{graph}> ." for graph in state.graphs]
    for i, (slug, version) in enumerate(sorted(state.contents.items())):
        entry = f"<{name}/{i}>"
        lines += [f"{entry} <{IDENTIFIER}> {Literal(slug).n3()} .", f'{entry} <{VERSION}> "{version}" .']
    return "\n".join([*lines, _staged(name, state.staged)])


def _text(name: str, **parameters: str) -> str:
    """Return a query or update of graph/queries with its parameters filled in."""
    text = (files(__package__) / "queries" / name).read_text("utf-8")
    return Template(text).substitute(parameters)
