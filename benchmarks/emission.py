"""Emission of a release as N-Triples, whole process: time against morph-kgc and bare strings, memory at any length.

Ours packs with gzip and zstd; the others write plain text. First, on a few observations, all ways are shown to give the
same triples. morph-kgc is installed from PyPI into a virtual environment of its own (build/peers), since what it pins
is not what we use, and reads a CSV in which the names and times of reports stand ready.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Cost, Measured, measure

HERE = Path(__file__).parent
PEERS = HERE.parent / "build" / "peers"
MORPH = "morph-kgc==2.10.0"
HERE_WAYS = ("bare", "oxigraph", "rdflib")
FEW, MILLION, LARGE = 3_000, 1_000_000, 10_000_000
# rdflib holds a gigabyte for half a million triples; what it takes for all is reckoned from this share, and said so.
RDFLIB_SHARE = 50
# The limits of the issue.
TIMES_MORPH, TIMES_BARE, MEGABYTES = 10, 1.5, 500
# Some write the datatype that a literal without any has.
STRING = b"^^<http://www.w3.org/2001/XMLSchema#string>"
HAS_NAME = b"tove/organization#hasName>"
CONFIGURATION = """[CONFIGURATION]
output_file = morph-kgc.nt
output_format = N-TRIPLES
number_of_processes = 2
safe_percent_encoding = +
logging_level = WARNING

[observations]
mappings = mapping.ttl
"""


@dataclass(frozen=True)
class _Folder:
    """A prepared folder of so many observations, in which each way runs `repeat` times; the fastest run counts."""

    path: Path
    rows: int
    repeat: int

    def cost(self, way: str, repeat: int | None = None) -> Cost:
        """Of one way, whose output is then taken away, so that no way waits for the disk of another."""
        if way == "morph-kgc":
            cost = measure([str(morph_kgc()), "-m", "morph_kgc", "config.ini"], repeat=repeat or 1, folder=self.path)
        else:
            command = [sys.executable, "-m", "benchmarks.emitters", way, str(self.path)]
            cost = measure(command, repeat=repeat or self.repeat)
        if cost.exit_code:
            raise SystemExit(f"{way} ended with exit code {cost.exit_code}.")
        for written in self.path.glob("*.nt"):
            written.unlink()
        return cost


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks emission", description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION, help="length at which all ways run")
    parser.add_argument("--large", type=int, default=LARGE, help="length at which ours runs again; 0 for none")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each way but morph-kgc and rdflib")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as temporary:
        yield same_triples(prepared(Path(temporary), FEW, 1), (*HERE_WAYS, "morph-kgc"))
        folder = prepared(Path(temporary), given.rows, given.repeat)
        ours = folder.cost("ours")
        yield from _against_peers(folder, ours)
        yield Measured(f"{given.rows:,} rows: memory", ours.megabytes, "MB", MEGABYTES, note=str(ours))
        if given.large:
            large = prepared(Path(temporary), given.large, 1).cost("ours")
            yield Measured(f"{given.large:,} rows: memory", large.megabytes, "MB", MEGABYTES, note=str(large))


def prepared(temporary: Path, rows: int, repeat: int) -> _Folder:
    path = temporary / str(rows)
    path.mkdir()
    subprocess.run([sys.executable, "-m", "benchmarks.emitters", "prepare", str(path), str(rows)], check=True)
    (path / "mapping.ttl").write_bytes((HERE / "emission_mapping.ttl").read_bytes())
    (path / "config.ini").write_text(CONFIGURATION)
    return _Folder(path, rows, repeat)


def _against_peers(folder: _Folder, ours: Cost) -> Iterator[Measured]:
    which = f"{folder.rows:,} rows:"
    bare = folder.cost("bare")
    yield Measured(
        f"{which} of bare string building", ours.seconds / bare.seconds, limit=TIMES_BARE, note=f"{ours} against {bare}"
    )
    loose = folder.cost("ours-unpacked")
    yield Measured(f"{which} of it, with a plain file beside the packed", loose.seconds / bare.seconds, note=str(loose))
    for way, limit in (("morph-kgc", TIMES_MORPH), ("oxigraph", None)):
        peer = folder.cost(way, repeat=1)
        times = peer.seconds / ours.seconds
        yield Measured(f"{which} faster than {way}", times, limit=limit, at_least=True, note=f"{way}: {peer}")
    few = prepared(folder.path, folder.rows // RDFLIB_SHARE, 1)
    peer = few.cost("rdflib")
    yield Measured(
        f"{which} faster than rdflib, reckoned from {few.rows:,} rows",
        peer.seconds * RDFLIB_SHARE / ours.seconds,
        note=f"rdflib for {few.rows:,}: {peer}",
    )


def same_triples(folder: _Folder, ways: Sequence[str]) -> Measured:
    """Ours and other ways on a few rows. The bare strings look up no label, so names are left out of theirs."""
    for way in ("ours", *ways):
        if way == "morph-kgc":
            subprocess.run([morph_kgc(), "-m", "morph_kgc", "config.ini"], cwd=folder.path, check=True)
        else:
            subprocess.run([sys.executable, "-m", "benchmarks.emitters", way, str(folder.path)], check=True)
    packed = (folder.path / "release" / "observations.nt.gz").read_bytes()
    ours = {*gzip.decompress(packed).splitlines()}
    for way in ways:
        theirs = {*(folder.path / f"{way}.nt").read_bytes().replace(STRING, b"").splitlines()} - {b""}
        of_both = ours ^ theirs
        if different := {line for line in of_both if way != "bare" or HAS_NAME not in line}:
            raise SystemExit(f"{way} gives other triples than ours, such as {sorted(different)[:2]}")
    return Measured(f"{folder.rows:,} rows: triples that {len(ways) + 1} ways agree on", len(ours), "")


def morph_kgc() -> Path:
    """The Python of an environment that has morph-kgc and nothing of ours."""
    python = PEERS / "morph-kgc" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", MORPH], check=True)
    return python
