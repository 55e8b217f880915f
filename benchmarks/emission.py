"""Emission of a release as N-Triples, whole process: time against morph-kgc and bare strings, memory at any length.

Ours compresses with gzip and zstd; the others write plain text. First, on a few observations, all emitters are shown to
give the same triples. morph-kgc has a virtual environment of its own (build/peers, installed by `make
test-environment`), since its pins are not ours, and reads a CSV that contains the names and times of reports.
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
from tests.servers.process import BUILD, installed

HERE = Path(__file__).parent
OWN_EMITTERS = ("bare", "oxigraph", "rdflib")
FEW, MILLION, LARGE = 3_000, 1_000_000, 10_000_000
TINY = ("--rows", "2000", "--large", "0", "--repeat", "1")
# rdflib holds a gigabyte for half a million triples; its time for all is estimated from this share, which is printed.
RDFLIB_SHARE = 50
# Our own limits.
TIMES_MORPH, TIMES_BARE, MEGABYTES = 10, 1.5, 500
# Some write the datatype of a literal that has none.
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
    """A prepared folder of `rows` observations; each emitter runs `repeat` times, of which the fastest counts."""

    path: Path
    rows: int
    repeat: int

    def cost(self, emitter: str, repeat: int | None = None) -> Cost:
        """Measure one emitter. Its output is then deleted, so that none waits for the disk because of another."""
        if emitter == "morph-kgc":
            cost = measure([str(morph_kgc()), "-m", "morph_kgc", "config.ini"], repeat=repeat or 1, folder=self.path)
        else:
            command = [sys.executable, "-m", "benchmarks.emitters", emitter, str(self.path)]
            cost = measure(command, repeat=repeat or self.repeat)
        if cost.exit_code:
            raise SystemExit(f"{emitter} ended with exit code {cost.exit_code}.")
        for output in self.path.glob("*.nt"):
            output.unlink()
        return cost


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks emission", description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION, help="length at which all emitters run")
    parser.add_argument("--large", type=int, default=LARGE, help="length at which ours runs again; 0 for none")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each emitter except morph-kgc and rdflib")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as temporary:
        yield same_triples(prepared(Path(temporary), FEW, 1), (*OWN_EMITTERS, "morph-kgc"))
        folder = prepared(Path(temporary), options.rows, options.repeat)
        ours = folder.cost("ours")
        yield from _against_peers(folder, ours)
        yield Measured(f"{options.rows:,} rows: memory", ours.megabytes, "MB", MEGABYTES, note=str(ours))
        if options.large:
            large = prepared(Path(temporary), options.large, 1).cost("ours")
            yield Measured(f"{options.large:,} rows: memory", large.megabytes, "MB", MEGABYTES, note=str(large))


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
    plain = folder.cost("ours-plain")
    yield Measured(
        f"{which} of it, with a plain file beside the compressed", plain.seconds / bare.seconds, note=str(plain)
    )
    for emitter, limit in (("morph-kgc", TIMES_MORPH), ("oxigraph", None)):
        peer = folder.cost(emitter, repeat=1)
        times = peer.seconds / ours.seconds
        yield Measured(f"{which} faster than {emitter}", times, limit=limit, at_least=True, note=f"{emitter}: {peer}")
    few = prepared(folder.path, folder.rows // RDFLIB_SHARE, 1)
    peer = few.cost("rdflib")
    yield Measured(
        f"{which} faster than rdflib, estimated from {few.rows:,} rows",
        peer.seconds * RDFLIB_SHARE / ours.seconds,
        note=f"rdflib for {few.rows:,}: {peer}",
    )


def same_triples(folder: _Folder, emitters: Sequence[str]) -> Measured:
    """Compare our triples of a few rows with those of other emitters; the bare strings have no names."""
    for emitter in ("ours", *emitters):
        if emitter == "morph-kgc":
            subprocess.run([morph_kgc(), "-m", "morph_kgc", "config.ini"], cwd=folder.path, check=True)
        else:
            subprocess.run([sys.executable, "-m", "benchmarks.emitters", emitter, str(folder.path)], check=True)
    compressed = (folder.path / "release" / "observations.nt.gz").read_bytes()
    ours = {*gzip.decompress(compressed).splitlines()}
    for emitter in emitters:
        theirs = {*(folder.path / f"{emitter}.nt").read_bytes().replace(STRING, b"").splitlines()} - {b""}
        if different := {line for line in ours ^ theirs if emitter != "bare" or HAS_NAME not in line}:
            raise SystemExit(f"{emitter} gives other triples than ours, for example {sorted(different)[:2]}")
    return Measured(f"{folder.rows:,} rows: triples that {len(emitters) + 1} emitters agree on", len(ours), "")


def morph_kgc() -> Path:
    """Return the Python of an environment that has morph-kgc and nothing of ours. Raises NotInstalledError."""
    return installed(BUILD / "peers" / "morph-kgc", HERE / "requirements-morph-kgc.txt") / "bin" / "python"
