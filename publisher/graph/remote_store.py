"""A graph store behind SPARQL 1.1: Query, Update and Graph Store HTTP Protocol, of any server that keeps to them.

A release is sent to graphs beside the published ones first, in parts of bounded size. When all of it is there, one
update makes the published graphs the same and notes what they hold. Where the server does an update as a transaction
(Oxigraph, Fuseki on TDB2), or lets no reader in between (Virtuoso), readers see the old release or the new one. What
came of it is counted; a server that lost something on the way is found out.

What readers see is kept in a small graph of the server's own, the state graph: which versions, and in which graphs.
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

from vaven.publisher.graph.sparql_client import RemoteServer
from vaven.publisher.rdf.files import N_TRIPLES, TURTLE, Graphs, form, parts
from vaven.vocab import media_types
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.iris import NAMESPACES

PART_BYTES = 32 << 20
# How long a reader takes what the server said of its state for true: pages ask at every request.
STATE_SECONDS = 1.0
AWAY_SECONDS = 5.0
MEDIA_TYPES = {TURTLE: media_types.TURTLE, N_TRIPLES: media_types.N_TRIPLES}
IDENTIFIER, VERSION = f"{NAMESPACES['dcterms']}identifier", f"{NAMESPACES['dcat']}version"
PUBLISHED, STAGED = f"{NAMESPACES['sd']}namedGraph", f"{NAMESPACES['prov']}used"


@dataclass(frozen=True)
class State:
    """What the state graph says: `id` of the state ("" before the first), dataset to version, and graph IRIs.

    `staged` are graphs of a load that is going on, or was cut off.
    """

    id: str = ""
    contents: Mapping[str, int] = field(default_factory=dict)
    graphs: tuple[str, ...] = ()
    staged: tuple[str, ...] = ()


class RemoteStore:
    """A GraphStore on a server. `state_graph` is the IRI of the graph that tells what is published there.

    `step` is told the name of each step before it begins. One process writes at a time: see publish.alone.
    """

    def __init__(self, server: RemoteServer, state_graph: str, step: Callable[[str], None] = lambda _: None) -> None:
        self._server, self._state_graph, self._step = server, state_graph, step
        self._kept: tuple[float, State | StoreUnavailable] | None = None
        self._lock = threading.Lock()

    def contents(self) -> Mapping[str, int]:
        return self.state().contents

    def name(self) -> str:
        return self.state().id

    def settle(self) -> None:
        """A server keeps its own house in order."""

    def state(self) -> State:
        """As the server said within the last second, or says now. One that is away is not asked again for a while."""
        with self._lock:
            if self._kept is None or time.monotonic() > self._kept[0]:
                self._kept = self._asked()
            said = self._kept[1]
        if isinstance(said, StoreUnavailable):
            raise copy(said) from said
        return said

    def _asked(self) -> tuple[float, State | StoreUnavailable]:
        """What the server says of its state, or that it is away, and until when to believe it."""
        try:
            return time.monotonic() + STATE_SECONDS, self._read()
        except StoreUnavailable as away:
            return time.monotonic() + AWAY_SECONDS, away

    def published(self) -> tuple[str, ...]:
        """The graphs that readers are to see; none where nothing of ours has come to the server yet.

        Where none are published any more, or not yet, one is named that doesn't exist: else all would be shown.
        """
        state = self.state()
        return state.graphs or ((f"{self._state_graph}/nothing",) if state.id or state.staged else ())

    def replace(self, graphs: Graphs, *, contents: Mapping[str, int]) -> str:
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
        self._kept = None
        return name

    def _stage(self, left: Sequence[str], graphs: Sequence[str]) -> None:
        """Drop the graphs that a load has left, and note those that are about to be filled."""
        drops = "".join(f"DROP SILENT GRAPH <{graph}> ;\n" for graph in left)
        facts = _staged(self._state_graph, graphs)
        note = f"; INSERT DATA {{ GRAPH <{self._state_graph}> {{ {facts} }} }}" if facts else ""
        self._update("stage.ru", drops=drops, note=note)

    def _fill(self, staged: str, paths: Sequence[Path], folder: Path) -> int:
        """Send files to a graph that is empty now. Returns how many triples it holds then."""
        is_first = True
        for path in paths:
            for part in parts(path, folder, PART_BYTES):
                # Without a body there is no length to send either, and then Virtuoso loses its thread.
                if part.stat().st_size:
                    self._server.put(staged, part, MEDIA_TYPES[form(path)], adding=not is_first)
                    is_first = False
        return 0 if is_first else self._count(staged)

    def _check(self, sizes: Mapping[str, int], before: State) -> None:
        """Raise StoreUnavailable where a graph does not hold what was sent, and let the state say that it's the old."""
        found = {graph: self._count(graph) for graph in sizes}
        if wrong := [graph for graph in sizes if found[graph] != sizes[graph]]:
            self._update("switch.ru", changes="", facts=_facts(self._state_graph, before))
            counts = {"graph": wrong[0], "held": found[wrong[0]], "sent": sizes[wrong[0]]}
            raise StoreUnavailable("publisher.graph-incomplete", **counts)

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
    # Servers disagree on what becomes of a graph to which one without triples is added or moved.
    return _text("become.ru", graph=graph, staged=staged) if size else f"DROP SILENT GRAPH <{graph}> ;\n"


def _staged(name: str, graphs: Sequence[str]) -> str:
    return "".join(f"<{name}> <{STAGED}> <{graph}> .\n" for graph in graphs)


def _facts(name: str, state: State) -> str:
    """The triples of the state graph in N-Triples, one a line."""
    lines = [f"<{name}> <{IDENTIFIER}> {Literal(state.id).n3()} ."]
    lines += [f"<{name}> <{PUBLISHED}> <{graph}> ." for graph in state.graphs]
    for i, (slug, version) in enumerate(sorted(state.contents.items())):
        entry = f"<{name}/{i}>"
        lines += [f"{entry} <{IDENTIFIER}> {Literal(slug).n3()} .", f'{entry} <{VERSION}> "{version}" .']
    return "\n".join([*lines, _staged(name, state.staged)])


def _text(name: str, **parameters: str) -> str:
    """A query or update of graph/queries with its parameters filled in."""
    text = (files(__package__) / "queries" / name).read_text("utf-8")
    return Template(text).substitute(parameters)
