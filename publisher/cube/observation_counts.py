"""How many triples of which kind the observations became, without reading them all again.

The triples of an observation depend on which of its cells are filled and whether it is of the whole population. So one
row of each such kind is emitted once more and its triples are multiplied by the number of rows of that kind; what is
left of the lines that were written are the nodes that observations share.
"""

import gzip
import tempfile
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import duckdb

from vaven.publisher.cube.observations import Emission, emit
from vaven.publisher.rdf.triple_counts import ObservationCounts, Statistics
from vaven.publisher.releases.release import Release
from vaven.vocab.iris import NAMESPACES, Iris

TYPE = f"<{NAMESPACES['rdf']}type>"
WHOLE = ("sex = 'T'", "age_group = 'T'")
Triple = tuple[str, str, str]


def observation_counts(release: Release, emission: Emission, iris: Iris) -> ObservationCounts:
    """Count what `emit` wrote. Cost: one scan of the columns, and the emission of some dozens of rows."""
    with tempfile.TemporaryDirectory(prefix="vaven-census-") as folder:
        kinds = _write_kinds(release, Path(folder), iris)
        triples = _emitted(release, Path(folder), iris, len(kinds))
    own = _weighed([(t, kinds.get(t[0]) or kinds.get(t[2]) or 0) for t in triples], sum(kinds.values()))
    # A node that no observation's triple begins with is one that several may share.
    others = [t for t in triples if t[0] not in kinds and t[2] not in kinds]
    nodes = {subject for subject, _, _ in others}
    shared = _weighed([(t, 1) for t in others], len(nodes))
    left = emission.lines - own.triples
    return ObservationCounts(
        own, shared.scaled(left * len(nodes) // shared.triples if nodes else 0), next(iter(kinds))[1:-1]
    )


def _weighed(counted: list[tuple[Triple, int]], subjects: int) -> Statistics:
    """The statistics of triples that stand for several each."""
    classes: Counter[str] = Counter()
    properties: Counter[str] = Counter()
    for (_, predicate, value), times in counted:
        properties[predicate[1:-1]] += times
        if predicate == TYPE:
            classes[value[1:-1]] += times
    return Statistics(properties.total(), subjects, dict(+classes), dict(+properties))


def _write_kinds(release: Release, folder: Path, iris: Iris) -> dict[str, int]:
    """Write one row of each kind as observations.parquet; returns how many rows are like it, by its IRI in brackets."""
    with duckdb.connect() as work:
        view = work.read_parquet(str(release.table("observations")))
        view.create_view("observations")
        kinds = ", ".join([*(f'"{column}" IS NULL' for column in view.columns), *WHOLE])
        query = (files(__package__) / "queries" / "patterns.sql").read_text("utf-8").format(kinds=kinds)
        work.execute(f"CREATE TABLE kinds AS {query}")
        target = str(folder / "observations.parquet").replace("'", "''")
        work.execute(f"COPY (SELECT unnest(row) FROM kinds) TO '{target}' (FORMAT parquet)")
        rows = work.execute("SELECT row.neighbourhood, row.kpi, row.period, row.sex, row.age_group, n FROM kinds")
        return {f"<{iris.observation(release.dataset, *key)}>": n for *key, n in rows.fetchall()}


def _emitted(release: Release, folder: Path, iris: Iris, rows: int) -> list[Triple]:
    """The triples of the rows in `folder`, as the texts of their terms."""
    emission = emit(replace(release, folder=folder, rows={"observations": rows}), iris)
    with gzip.open(emission.path, "rt", encoding="utf-8") as lines:
        found = (line.rstrip("\n").removesuffix(" .").split(" ", 2) for line in lines)
        return [(subject, predicate, value) for subject, predicate, value in found]
