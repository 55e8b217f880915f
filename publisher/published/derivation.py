"""Conversion of released triples to other formats: a dataset's observations in Turtle or JSON-LD, and the dumps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pyoxigraph import NamedNode, Quad, RdfFormat, parse, serialize

from vaven.publisher.rdf.compression import SUFFIXES, compressed_file, decompressed_file
from vaven.publisher.rdf.json_ld import write_json_ld

BLOCK = 4 << 20


@dataclass(frozen=True)
class Source:
    """A file of triples (.nt or .ttl, also compressed), and their named graph; "" for the default graph."""

    path: str
    graph: str = ""


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
            with decompressed_file(Path(recipe.sources[0].path)) as file:
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
    with decompressed_file(path) as triples:
        if ".ttl" in path.suffixes:
            # Two files may use the same label for different nodes.
            quads = parse(triples, RdfFormat.TURTLE, rename_blank_nodes=True)
            name = NamedNode(graph) if graph else None
            named = (Quad(q.subject, q.predicate, q.object, name) for q in quads)
            serialize(named, target, format=RdfFormat.N_QUADS)
            return
        end = f" <{graph}> .\n".encode()
        for block in _whole_lines(triples):
            target.write(block.replace(b" .\n", end) if graph else block)


def _whole_lines(triples: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := triples.read(BLOCK):
        lines, feed, rest = (rest + block).rpartition(b"\n")
        if feed:
            yield lines + feed
    if rest:
        yield rest + b"\n"
