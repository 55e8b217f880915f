"""Counts of the triples that a release's observations became, without reading them all again.

The triples of an observation depend on which of its cells are filled and on whether it is a total over sex and age. So
one row of each such pattern is emitted once more, and its triples are multiplied by the number of rows with that
pattern. The remaining lines describe the nodes that observations share.
"""

import io
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import duckdb

from vaven.publisher.cube.observations import Emission, emit
from vaven.publisher.rdf.compression import decompressed_file
from vaven.publisher.rdf.triple_counts import ObservationCounts, Statistics
from vaven.publisher.releases.release import Release
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.register import TOTAL

TYPE = f"<{NAMESPACES['rdf']}type>"
IS_TOTAL = (f"sex = '{TOTAL}'", f"age_group = '{TOTAL}'")
Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Sample:
    """One observation of each pattern as emitted; `rows` is the number of rows with the pattern by the IRI of its own.

    The IRIs have angle brackets.
    """

    rows: Mapping[str, int]
    emission: Emission


def emit_sample(release: Release, folder: Path, iris: Iris) -> Sample:
    """Emit one observation of each pattern into an empty folder.

    Cost: one scan of the columns, and the emission of some dozens of rows.
    """
    rows_by_pattern = _write_patterns(release, folder, iris)
    rows = {"observations": len(rows_by_pattern)}
    return Sample(rows_by_pattern, emit(replace(release, folder=folder, rows=rows), iris))


def observation_counts(
    release: Release, emission: Emission | None, iris: Iris, sample: Sample | None = None
) -> ObservationCounts:
    """Count the triples that `emit` wrote, or would write where there is no emission, by a sample that may be there."""
    if sample is None:
        with tempfile.TemporaryDirectory(prefix="vaven-counts-") as folder:
            return observation_counts(release, emission, iris, emit_sample(release, Path(folder), iris))
    rows_by_pattern, triples = sample.rows, list(_read_triples(sample.emission))
    weighted = [(t, rows_by_pattern.get(t[0]) or rows_by_pattern.get(t[2]) or 0) for t in triples]
    own = _weighted_statistics(weighted, sum(rows_by_pattern.values()))
    # Triples that name no observation describe nodes that several observations may share.
    others = [t for t in triples if t[0] not in rows_by_pattern and t[2] not in rows_by_pattern]
    nodes = {subject for subject, _, _ in others}
    shared = _weighted_statistics([(t, 1) for t in others], len(nodes))
    if emission is None:
        shared_nodes = _count_measures(release) if nodes else 0
    else:
        shared_nodes = (emission.lines - own.triples) * len(nodes) // shared.triples if nodes else 0
    return ObservationCounts(own, shared.scaled(shared_nodes), next(iter(rows_by_pattern))[1:-1])


def _weighted_statistics(weighted: list[tuple[Triple, int]], subjects: int) -> Statistics:
    """Count triples, each of which represents a number of triples."""
    classes: Counter[str] = Counter()
    properties: Counter[str] = Counter()
    for (_, predicate, value), weight in weighted:
        properties[predicate[1:-1]] += weight
        if predicate == TYPE:
            classes[value[1:-1]] += weight
    return Statistics(properties.total(), subjects, dict(+classes), dict(+properties))


def _write_patterns(release: Release, folder: Path, iris: Iris) -> dict[str, int]:
    """Write the first row of each pattern as observations.parquet.

    Returns the number of rows with each pattern, by the IRI of the row written, in angle brackets.
    """
    with duckdb.connect() as work:
        view = work.read_parquet(str(release.table("observations")), file_row_number=True)
        view.create_view("observations")
        pattern = ", ".join([*(f'"{column}" IS NULL' for column in view.columns), *IS_TOTAL])
        query = (files(__package__) / "queries" / "patterns.sql").read_text("utf-8").format(pattern=pattern)
        work.execute(f"CREATE TABLE patterns AS {query}")
        target = str(folder / "observations.parquet").replace("'", "''")
        sample = "SELECT * EXCLUDE (file_row_number) FROM (SELECT unnest(row) FROM patterns)"
        work.execute(f"COPY ({sample}) TO '{target}' (FORMAT parquet)")
        rows = work.execute("SELECT row.neighbourhood, row.kpi, row.period, row.sex, row.age_group, n FROM patterns")
        return {f"<{iris.observation(release.dataset, *key)}>": n for *key, n in rows.fetchall()}


def _read_triples(emission: Emission) -> Iterator[Triple]:
    """Yield the triples of a short emission as the texts of their terms."""
    with decompressed_file(emission.path) as file, io.TextIOWrapper(file, encoding="utf-8") as lines:
        for line in lines:
            subject, predicate, value = line.rstrip("\n").removesuffix(" .").split(" ", 2)
            yield subject, predicate, value


def _count_measures(release: Release) -> int:
    """Count the quantities that indicator reports refer to (measures.sql)."""
    totals = " AND ".join((*IS_TOTAL, "value IS NOT NULL"))
    with duckdb.connect() as work:
        work.read_parquet(str(release.table("observations"))).create_view("observations")
        query = f"SELECT count(*) FROM (SELECT DISTINCT kpi, value FROM observations WHERE {totals})"
        return int((work.execute(query).fetchone() or (0,))[0])
