"""`make bench`: every benchmark, as a table of ratios. `python -m benchmarks --rows 1000 1000000` chooses lengths."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, measure

BIN = Path(sys.executable).parent
FRICTIONLESS_ROWS = 1_000_000
DUCKDB_READ = "import duckdb, sys; duckdb.sql(f\"CREATE TABLE t AS FROM read_csv('{sys.argv[1]}', all_varchar=true)\")"


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of Väven against its peers, in one run.")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--faults", type=float, nargs="+", default=[0.0, 0.001], help="shares of faulty cells")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command but frictionless")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder:
        print(f"{'rows':>10} {'faults':>7} {'command':22} {'seconds':>9} {'MB':>7}  against")
        for rows in given.rows:
            for share in given.faults:
                _validate(Path(folder), rows, share, given.repeat)


def _validate(folder: Path, rows: int, share: float, repeat: int) -> None:
    path = folder / f"{rows}-{share}.csv"
    # In a process of its own: a child's peak memory counts from its parent's.
    subprocess.run([sys.executable, "-m", "benchmarks.observations", str(path), str(rows), str(share)], check=True)
    ours = measure([str(BIN / "vaven"), "validate", str(path)], repeat=repeat)
    bare = measure([sys.executable, "-c", DUCKDB_READ, str(path)], repeat=repeat)
    _show(rows, share, "vaven validate", ours, f"{ours.against(bare)} of DuckDB's bare read")
    _show(rows, share, "duckdb read_csv", bare, "")
    if rows <= FRICTIONLESS_ROWS:
        schema = folder / "observations.json"
        schema.write_text(_schema())
        # Frictionless takes absolute paths for unsafe, so it runs in the folder.
        command = [str(BIN / "frictionless"), "validate", path.name, "--schema", schema.name]
        peer = measure(command, folder=folder)
        _show(rows, share, "frictionless validate", peer, f"{peer.seconds / ours.seconds:.1f} times vaven's time")
    path.unlink()


def _show(rows: int, share: float, name: str, cost: Cost, against: str) -> None:
    print(f"{rows:>10} {share:>7.1%} {name:22} {cost.seconds:>9.2f} {cost.megabytes:>7.0f}  {against}", flush=True)


def _schema() -> str:
    """Our schema of observations with the columns that the generated files have, for the peer to check."""
    import json

    from vaven.schemas.standard import standard

    descriptor = dict(standard()["observations"].descriptor)
    left_out = {"ci_lower", "ci_upper"}
    descriptor["fields"] = [f for f in descriptor["fields"] if f["name"] not in left_out]
    descriptor.pop("foreignKeys", None)
    return json.dumps(descriptor)


if __name__ == "__main__":
    main()
