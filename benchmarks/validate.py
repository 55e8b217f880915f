"""`vaven validate`: speed and memory against `frictionless validate` and DuckDB's bare read of the same file."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Cost, Measured, measure
from benchmarks.observations import WRONG_CELLS

BIN = Path(sys.executable).parent
SMALL, MILLION, LARGE, WORKBOOK = 1_000, 1_000_000, 10_000_000, 100_000
TINY = (
    "--rows",
    "1000",
    "--faults",
    "0.001",
    "--repeat",
    "1",
    "--workbook",
    "1000",
    "--wrong",
    "1000",
    "--warned",
    "1000",
)
# Our own limits.
TIMES_FRICTIONLESS, TIMES_DUCKDB, LINEAR, TIMES_CLEAN = 15, 3.5, 1, 1.5
WARNED = 200_000
MEGABYTES, LARGE_MEGABYTES = 600, 2_000
# The kernel's limit is on the process's writable memory that is not backed by a file.
GIGABYTE = 1 << 30
DUCKDB_READ = "import duckdb, sys; duckdb.sql(f\"CREATE TABLE t AS FROM read_csv('{sys.argv[1]}', all_varchar=true)\")"
UNDER_A_LIMIT = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class _Run:
    """One generated file at a time in `folder`; each command runs `repeat` times, of which the fastest counts."""

    folder: Path
    repeat: int

    def file(self, rows: int, share: float, ending: str = ".csv", *options: str) -> Path:
        path = self.folder / f"{rows}-{share}{''.join(options)}{ending}"
        # In a process of its own: a child's peak memory counts from its parent's.
        command = [sys.executable, "-m", "benchmarks.observations", str(path), str(rows), "--faulty", str(share)]
        command += options
        subprocess.run(command, check=True)
        return path

    def ours(self, path: Path, repeat: int | None = None) -> Cost:
        return measure([str(BIN / "vaven"), "validate", str(path)], repeat=repeat or self.repeat)

    def bare(self, path: Path) -> Cost:
        return measure([sys.executable, "-c", DUCKDB_READ, str(path)], repeat=self.repeat)

    def frictionless(self, path: Path, repeat: int = 1) -> Cost:
        schema = self.folder / "observations.json"
        schema.write_text(_schema())
        # Frictionless regards absolute paths as unsafe, so it runs in the folder.
        command = [str(BIN / "frictionless"), "validate", path.name, "--schema", schema.name]
        return measure(command, folder=self.folder, repeat=repeat)


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks validate", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[SMALL, MILLION, LARGE], help="lengths of the CSV")
    parser.add_argument("--faults", type=float, nargs="+", default=[0.0, 0.001], help="shares of faulty values")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command, of which the fastest counts")
    parser.add_argument("--workbook", type=int, default=WORKBOOK, help="length of the XLSX; 0 for none")
    parser.add_argument("--wrong", type=int, default=MILLION, help="length of the CSV of wrong cells; 0 for none")
    parser.add_argument("--warned", type=int, default=WARNED, help="length of the CSV of warnings; 0 for none")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder:
        runs = _Run(Path(folder), options.repeat)
        for share in options.faults:
            yield from _lengths(runs, sorted(options.rows), share)
        if options.workbook:
            yield from _workbook(runs, options.workbook)
        if options.wrong:
            yield from _every_cell_wrong(runs, options.wrong)
        if options.warned:
            yield _warned(runs, options.warned)


def _lengths(runs: _Run, lengths: Sequence[int], share: float) -> Iterator[Measured]:
    """Measure CSVs of one share of faulty values; the longest are compared with the million of the same run."""
    million: Cost | None = None
    for rows in lengths:
        path = runs.file(rows, share)
        which = f"{rows:,} rows, {share:.1%} faulty"
        ours, bare = runs.ours(path), runs.bare(path)
        limit = TIMES_DUCKDB if rows == MILLION else None
        note = f"{ours} against {bare}"
        yield Measured(f"{which}: times DuckDB's bare read", ours.seconds / bare.seconds, "x", limit, note=note)
        if rows <= MILLION:
            yield from _against_frictionless(runs, path, ours, which, rows)
        if rows >= MILLION:
            limit = LARGE_MEGABYTES if rows > MILLION else MEGABYTES
            yield Measured(f"{which}: peak memory", ours.megabytes, "MB", limit)
        if million and rows > MILLION:
            linear = ours.seconds / million.seconds / (rows / MILLION)
            yield Measured(f"{which}: of what a million predicts", linear, "x", LINEAR, note=f"{million} each")
            yield _under_a_limit(path, which)
        million = ours if rows == MILLION else million
        path.unlink()


def _against_frictionless(runs: _Run, path: Path, ours: Cost, which: str, rows: int) -> Iterator[Measured]:
    limit = {SMALL: 1, MILLION: TIMES_FRICTIONLESS}.get(rows)
    # A million rows take half a minute, in which a disturbance is small.
    peer = runs.frictionless(path, repeat=runs.repeat if rows <= SMALL else 1)
    faster = peer.seconds / ours.seconds
    yield Measured(
        f"{which}: faster than frictionless", faster, "x", limit, at_least=True, note=f"frictionless: {peer}"
    )


def _under_a_limit(path: Path, which: str) -> Measured:
    command = [sys.executable, "-c", UNDER_A_LIMIT, str(GIGABYTE), str(BIN / "vaven"), "validate", str(path)]
    cost = measure(command)
    # 0 and 1 are verdicts; 2 means that the file was not checked.
    finished = float(cost.exit_code in (0, 1))
    return Measured(f"{which}: ends under a limit of 1 GB", finished, "", 1, at_least=True, note=str(cost))


def _workbook(runs: _Run, rows: int) -> Iterator[Measured]:
    path = runs.file(rows, 0.001, ".xlsx")
    ours, peer = runs.ours(path), runs.frictionless(path)
    which, note = f"XLSX of {rows:,} rows", f"{ours} against {peer}"
    yield Measured(f"{which}: faster than frictionless", peer.seconds / ours.seconds, "x", 1, at_least=True, note=note)
    yield Measured(
        f"{which}: peak memory", ours.megabytes, "MB", MEGABYTES, note=f"frictionless: {peer.megabytes:.0f} MB"
    )
    path.unlink()


def _every_cell_wrong(runs: _Run, rows: int) -> Iterator[Measured]:
    """Measure a file in which every cell is wrong: each is counted, and memory is that of any file of its length."""
    path = runs.file(rows, 1)
    ours = runs.ours(path, repeat=1)
    which = f"{rows:,} rows, every cell wrong"
    command = [BIN / "vaven", "validate", path, "--format", "json"]
    report = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    counted = sum(report["counts"].values()) / (rows * WRONG_CELLS)
    note = f"{len(report['findings']):,} findings listed, cut: {'yes' if report['is_cut'] else 'no'}"
    yield Measured(f"{which}: findings counted of all", counted, "x", 1, at_least=True, note=note)
    yield Measured(f"{which}: peak memory", ours.megabytes, "MB", MEGABYTES, note=str(ours))
    path.unlink()


def _warned(runs: _Run, rows: int) -> Measured:
    """Measure a file in which nearly every row gives a warning against one without, in the same run."""
    clean, jumping = runs.file(rows, 0), runs.file(rows, 0, ".csv", "--jumping")
    ours, base = runs.ours(jumping), runs.ours(clean)
    limit = TIMES_CLEAN if rows == WARNED else None
    which = f"{rows:,} rows with warnings: times clean rows"
    clean.unlink()
    jumping.unlink()
    return Measured(which, ours.seconds / base.seconds, "x", limit, note=f"{ours} against {base}")


def _schema() -> str:
    """Return our schema of observations with the columns of the generated files alone, for the peer."""
    from vaven.schemas.standard.table_schemas import standard

    descriptor = dict(standard()["observations"].descriptor)
    descriptor["fields"] = [f for f in descriptor["fields"] if f["name"] not in ("ci_lower", "ci_upper")]
    descriptor.pop("foreignKeys", None)
    return json.dumps(descriptor)
