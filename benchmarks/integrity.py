"""Integrity of a release: columns against a bare scan and against SPARQL, and all of it against the emission."""

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from pyoxigraph import RdfFormat, Store
from rdflib import Graph

from benchmarks.measure import Measured
from benchmarks.observations import LICENCE_AND_PUBLISHER, write_observations
from vaven.publisher.cube.observation_counts import observation_counts
from vaven.publisher.cube.observations import Emission, emit
from vaven.publisher.integrity.columns import ObservationColumns, column_violations, structures
from vaven.publisher.integrity.constraints import ABOUT_OBSERVATIONS, normalise, sparql_violations
from vaven.publisher.integrity.emission import KEY, line_violations
from vaven.publisher.integrity.run import check_integrity, component_columns, invalid_iris
from vaven.publisher.metadata.dataset import describe
from vaven.publisher.metadata.provenance import ProvenanceRecord
from vaven.publisher.metadata.quality import measure_quality
from vaven.publisher.metadata.rules import published_vocabulary
from vaven.publisher.releases.release import Release, release, stamp
from vaven.schemas.check import check
from vaven.schemas.tables.read import read
from vaven.vocab.iris import Iris

IRIS = Iris("https://data.example/")
MILLION, SHORT = 1_000_000, 1_000
TINY = ("--rows", "2000", "--short", "100", "--repeat", "1")
# Our own limits: publishing has a third of the bulk load's time for everything else.
OF_EMISSION, TIMES_LINEAR = 0.25, 1.2
# Reads every cell of the key and of the value, and keeps nothing.
BARE = "SELECT bit_xor(hash(neighbourhood, kpi, period, sex, age_group, value)) FROM read_parquet(?)"


@dataclass(frozen=True)
class _Finished:
    release: Release
    emission: Emission
    metadata: Graph
    emission_seconds: float


def run(arguments: Sequence[str]) -> Iterator[Measured]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks integrity", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, MILLION], help="lengths of the release")
    parser.add_argument("--short", type=int, nargs="+", default=[SHORT // 4, SHORT // 2], help="lengths for SPARQL")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each check, of which the fastest counts")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vaven-bench-") as folder:
        for rows in sorted(options.short):
            yield from _by_sparql(_finish(Path(folder), rows), rows, options.repeat)
        shortest = 0.0
        for rows in sorted(options.rows):
            finished = _finish(Path(folder), rows)
            seconds = _columns_seconds(finished, options.repeat)
            yield from _against_a_scan(finished, rows, seconds, options.repeat)
            if shortest:
                linear = seconds / shortest / (rows / min(options.rows))
                yield Measured(f"{rows:,} rows: columns, of what the shortest predicts", linear, "x", TIMES_LINEAR)
            shortest = shortest or seconds
            yield _all_of_it(finished, rows, options.repeat)


def _finish(folder: Path, rows: int) -> _Finished:
    """Return a release of generated observations as publishing checks it."""
    target, at = folder / f"{rows}", datetime.now(UTC).replace(tzinfo=None)
    target.mkdir()
    source = folder / f"{rows}.csv"
    write_observations(source, rows)
    with read(source, choices=LICENCE_AND_PUBLISHER) as tables:
        report = check(tables)
        stamped = stamp(release(tables, target), 1, at, "")
    source.unlink()
    started = time.perf_counter()
    emission = emit(stamped, IRIS)
    seconds = time.perf_counter() - started
    provenance, counts = ProvenanceRecord(report, at, at), observation_counts(stamped, emission, IRIS)
    metadata = describe(stamped, IRIS, [], provenance, measure_quality(stamped), counts, first_issued_at=at)
    (target / "metadata.ttl").write_text(metadata.serialize(format="turtle"), "utf-8")
    return _Finished(stamped, emission, metadata, seconds)


def _small_graph(finished: _Finished) -> Store:
    graph = Store()
    graph.load(published_vocabulary(IRIS).serialize(format="nt", encoding="utf-8"), RdfFormat.N_TRIPLES)
    graph.load(path=str(finished.release.folder / "metadata.ttl"), format=RdfFormat.TURTLE)
    normalise(graph)
    return graph


def _columns_seconds(finished: _Finished, repeat: int) -> float:
    """Time every constraint about observations and the count of lines; structure and code lists are known."""
    structure = structures(_small_graph(finished))[IRIS.dataset(finished.release.dataset)]

    def check_columns() -> None:
        with duckdb.connect() as work:
            relation = f"read_parquet('{finished.release.table('observations')}')"
            columns = ObservationColumns(work, relation, component_columns(finished.release, IRIS), KEY)
            assert not list(column_violations(structure, columns))
            assert not list(line_violations(finished.emission, columns))

    return _fastest(check_columns, repeat)


def _against_a_scan(finished: _Finished, rows: int, seconds: float, repeat: int) -> Iterator[Measured]:
    path = str(finished.release.table("observations"))
    with duckdb.connect() as work:
        bare = _fastest(lambda: work.execute(BARE, [path]).fetchall(), repeat)
    note = f"{seconds:.3f} s against {bare:.3f} s"
    yield Measured(f"{rows:,} rows: columns, times a bare scan of the key", seconds / bare, "x", note=note)


def _all_of_it(finished: _Finished, rows: int, repeat: int) -> Measured:
    """Time everything that publish does: IRIs, constraints, SKOS, columns, lines, sample and SHACL."""

    def everything() -> None:
        assert not list(invalid_iris(finished.metadata))
        assert not check_integrity(finished.release, IRIS, finished.emission, finished.metadata)

    seconds = _fastest(everything, repeat)
    share = seconds / finished.emission_seconds
    limit = OF_EMISSION if rows >= MILLION else None
    note = f"{seconds:.2f} s against {finished.emission_seconds:.2f} s, {len(finished.release.areas):,} areas"
    return Measured(f"{rows:,} rows: all of integrity, of the emission's time", share, "x", limit, note=note)


def _by_sparql(finished: _Finished, rows: int, repeat: int) -> Iterator[Measured]:
    """Time the constraints about observations in the Recommendation's own SPARQL, on the triples."""
    graph = _small_graph(finished)
    with gzip.open(finished.emission.path, "rb") as lines:
        graph.load(lines.read(), RdfFormat.N_TRIPLES)
    normalise(graph)
    columns = _columns_seconds(finished, repeat)
    for name, constraints in (("IC-12", ["ic-12"]), ("all", sorted(ABOUT_OBSERVATIONS))):
        sparql = _fastest(lambda names=constraints: list(sparql_violations(graph, names)), repeat)
        note = f"SPARQL {sparql:.2f} s, columns {columns:.3f} s for all"
        yield Measured(f"{rows:,} rows: SPARQL, {name}, times the columns", sparql / columns, "x", note=note)


def _fastest(work: Callable[[], object], repeat: int) -> float:
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
