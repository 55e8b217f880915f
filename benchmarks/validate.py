"""`vaven validate` against `frictionless validate` and DuckDB's bare read of the same file."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import Cost, Measured, measure

BIN = Path(sys.executable).parent
FRICTIONLESS_ROWS = 1_000_000
DUCKDB_READ = "import duckdb, sys; duckdb.sql(f\"CREATE TABLE t AS FROM read_csv('{sys.argv[1]}', all_varchar=true)\")"


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks validate", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--faults", type=float, nargs="+", default=[0.0, 0.001], help="shares of faulty cells")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command but frictionless")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder:
        for rows in given.rows:
            for share in given.faults:
                yield from _validate(Path(folder), rows, share, given.repeat)


def _validate(folder: Path, rows: int, share: float, repeat: int) -> Iterator[Measured]:
    path = folder / f"{rows}-{share}.csv"
    # In a process of its own: a child's peak memory counts from its parent's.
    subprocess.run([sys.executable, "-m", "benchmarks.observations", str(path), str(rows), str(share)], check=True)
    which = f"{rows:,} rows, {share:.1%} faulty:"
    ours = measure([str(BIN / "vaven"), "validate", str(path)], repeat=repeat)
    bare = measure([sys.executable, "-c", DUCKDB_READ, str(path)], repeat=repeat)
    yield Measured(f"{which} of DuckDB's bare read", ours.seconds / bare.seconds, note=f"{ours} against {bare}")
    if rows <= FRICTIONLESS_ROWS:
        peer = _frictionless(folder, path)
        yield Measured(f"{which} faster than frictionless", peer.seconds / ours.seconds, note=f"frictionless: {peer}")
    path.unlink()


def _frictionless(folder: Path, path: Path) -> Cost:
    schema = folder / "observations.json"
    schema.write_text(_schema())
    # Frictionless takes absolute paths for unsafe, so it runs in the folder.
    return measure([str(BIN / "frictionless"), "validate", path.name, "--schema", schema.name], folder=folder)


def _schema() -> str:
    """Our schema of observations with the columns that the generated files have, for the peer to check."""
    from vaven.schemas.standard import standard

    descriptor = dict(standard()["observations"].descriptor)
    left_out = {"ci_lower", "ci_upper"}
    descriptor["fields"] = [f for f in descriptor["fields"] if f["name"] not in left_out]
    descriptor.pop("foreignKeys", None)
    return json.dumps(descriptor)
