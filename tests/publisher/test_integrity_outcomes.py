"""The W3C Data Cube constraints, as implemented here, against the outcomes that their authors' tests expect.

The fixtures are merged as the authors do (base cube and error), normalised, and checked twice: by SPARQL over the
graph, and over columns for constraints on single observations.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pyoxigraph import RdfFormat, Store

from tests.conftest import SHARED
from tests.publisher.cube_table import columns_of
from vaven.publisher.integrity.columns import column_violations, structures
from vaven.publisher.integrity.constraints import CONSTRAINTS, normalise, sparql_violations

FOLDER = Path("qb-integrity") / "src" / "test" / "resources"
# IC-1 and IC-18 are about the data set of an observation, and in a table each observation is in one cube already.
BY_COLUMNS = {*(f"ic-{number}" for number in (*range(11, 18), 20, 21)), "ic-19a", "ic-19b"}


def outcomes() -> list[tuple[str, tuple[str, ...], bool]]:
    """Return constraint, files to merge, and True if the constraint is violated."""
    table = SHARED / "qb-integrity" / "QB_EXPECT.csv"
    if not table.exists():
        return []
    rows = csv.DictReader(table.read_text("utf-8").splitlines())
    return [
        (
            r["constraint"].lower(),
            tuple(r["graph_files_merged"].split(" + ")),
            r["expected_by_upstream_test"] == "violated",
        )
        for r in rows
    ]


OUTCOMES = outcomes()


@pytest.fixture
def merged(request: pytest.FixtureRequest, shared: Path) -> Store:
    graph = Store()
    for name in request.param:
        graph.load(path=str(shared / FOLDER / name), format=RdfFormat.TURTLE)
    normalise(graph)
    return graph


def test_the_fixtures_cover_every_constraint_and_both_outcomes(shared: Path) -> None:
    assert len(OUTCOMES) == 52
    assert {constraint for constraint, _, _ in OUTCOMES} == set(CONSTRAINTS)
    assert {violated for _, _, violated in OUTCOMES} == {True, False}


@pytest.mark.parametrize(("constraint", "merged", "violated"), OUTCOMES, indirect=["merged"])
def test_the_sparql_form_has_the_expected_outcome(constraint: str, merged: Store, violated: bool) -> None:
    assert bool(list(sparql_violations(merged, [constraint]))) is violated


@pytest.mark.parametrize(
    ("constraint", "merged", "violated"), [o for o in OUTCOMES if o[0] in BY_COLUMNS], indirect=["merged"]
)
def test_the_column_form_has_the_expected_outcome(constraint: str, merged: Store, violated: bool) -> None:
    assert (constraint in set(by_columns(merged))) is violated


@pytest.mark.parametrize("merged", sorted({files for _, files, _ in OUTCOMES}), indirect=True)
def test_both_forms_agree_on_every_cube(merged: Store) -> None:
    """Except for IC-12 and IC-17 on cubes that violate IC-11.

    If an observation lacks a dimension, the Recommendation's query ignores that dimension and so finds the observation
    equal to others; over columns a missing value equals no value.
    """
    by_graph = {v.constraint for v in sparql_violations(merged, sorted(BY_COLUMNS))}
    apart = {"ic-12", "ic-17"} if "ic-11" in by_graph else set()
    assert set(by_columns(merged)) - apart == by_graph - apart


def by_columns(graph: Store) -> Iterator[str]:
    with duckdb.connect() as work:
        for dataset, structure in structures(graph).items():
            yield from (v.constraint for v in column_violations(structure, columns_of(graph, dataset, work)))
