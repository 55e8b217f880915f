"""Conversion of released triples to other formats: a dataset's observations in Turtle or JSON-LD, and the dumps."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pyoxigraph import NamedNode, Quad, RdfFormat, parse, serialize

from vaven.publisher.cube.observations import ZSTD_FILE, write_triples
from vaven.publisher.rdf.compression import SUFFIXES, compressed_file, decompressed_file
from vaven.publisher.rdf.json_ld import write_json_ld
from vaven.publisher.releases.manifest import Manifest
from vaven.publisher.releases.release import Release, stored_release
from vaven.vocab.iris import Iris

BLOCK = 4 << 20


@dataclass(frozen=True)
class GeneratedTriples:
    """A release whose N-Triples are generated from its Parquet; `manifest` is Manifest.as_json()."""

    base_iri: str
    dataset: str
    version: int
    manifest: Mapping[str, Any]

    @property
    def iris(self) -> Iris:
        return Iris(self.base_iri)

    def release(self, parquet: Path) -> Release:
        return stored_release(Manifest.from_json(self.manifest), self.dataset, self.version, parquet.parent)


@dataclass(frozen=True)
class Source:
    """A file of triples (.nt or .ttl, also compressed), and their named graph; "" for the default graph.

    With `columns` it is a release's observations.parquet.
    """

    path: str
    graph: str = ""
    columns: GeneratedTriples | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Source":
        columns = stored.get("columns")
        return cls(stored["path"], stored["graph"], GeneratedTriples(**columns) if columns else None)


@dataclass(frozen=True)
class Recipe:
    """The contents of a derived file. `name` ends with format and compression, e.g. observations.ttl or dump.nq.zst.

    With `replaces`, the other files of its family are deleted once it is complete.
    """

    name: str
    sources: Sequence[Source]
    prefixes: dict[str, str] = field(default_factory=dict)
    replaces: bool = False


def write(recipe: Recipe, path: Path) -> None:
    """Write the file of a recipe. Memory does not grow with its length."""
    rdf_format = (path.with_suffix("") if path.suffix in SUFFIXES else path).suffix[1:]
    with compressed_file(path) as target:
        if rdf_format in ("nt", "nq"):
            for source in recipe.sources:
                _write_lines(source, source.graph if rdf_format == "nq" else "", target)
        else:
            with _decompressed(recipe.sources[0], path.parent) as file:
                triples = parse(file, RdfFormat.N_TRIPLES)
                if rdf_format == "jsonld":
                    write_json_ld(triples, target)
                else:
                    serialize(triples, target, format=RdfFormat.TURTLE, prefixes=recipe.prefixes)


def _write_lines(source: Source, graph: str, target: IO[bytes]) -> None:
    """Write triples as lines. N-Triples become N-Quads by the graph before the end of each line.

    " ." with a line feed ends a line and occurs nowhere else: a line feed in a literal is escaped (N-Triples, section
    2.4).
    """
    path = Path(source.path)
    end = f" <{graph}> .\n".encode()
    if source.columns:
        sink = _QuadSink(target, end) if graph else target
        write_triples(source.columns.release(path), source.columns.iris, [sink])
        return
    with decompressed_file(path) as triples:
        if ".ttl" in path.suffixes:
            # Two files may use the same label for different nodes.
            quads = parse(triples, RdfFormat.TURTLE, rename_blank_nodes=True)
            name = NamedNode(graph) if graph else None
            named = (Quad(q.subject, q.predicate, q.object, name) for q in quads)
            serialize(named, target, format=RdfFormat.N_QUADS)
            return
        for block in _whole_lines(triples):
            target.write(block.replace(b" .\n", end) if graph else block)


@dataclass(frozen=True)
class _QuadSink:
    """A stream that writes whole lines of N-Triples as N-Quads; `end` is the end of their lines, with the graph."""

    target: IO[bytes]
    end: bytes

    def write(self, lines: Any) -> None:
        self.target.write(bytes(lines).replace(b" .\n", self.end))


@contextmanager
def _decompressed(source: Source, folder: Path) -> Iterator[IO[bytes]]:
    """Read a source as N-Triples; generated ones are stored compressed meanwhile, as a parser reads them slowly."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        path = Path(source.path)
        if source.columns:
            path = Path(temporary) / ZSTD_FILE
            with compressed_file(path) as sink:
                write_triples(source.columns.release(Path(source.path)), source.columns.iris, [sink])
        with decompressed_file(path) as file:
            yield file


def _whole_lines(triples: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := triples.read(BLOCK):
        lines, feed, rest = (rest + block).rpartition(b"\n")
        if feed:
            yield lines + feed
    if rest:
        yield rest + b"\n"
