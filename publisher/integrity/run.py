"""Integrity checks of a release before it becomes visible (docs/integrity.md).

The general constraints of RDF Data Cube and of SKOS run as SPARQL over the small graph of vocabulary, structure and
metadata; constraints on observations are checked over the columns in linear time; the emitted lines are counted and
sampled; the metadata is validated against SHACL shapes. The checks change nothing.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
from pyoxigraph import NamedNode, RdfFormat, Store
from rdflib import Graph, URIRef

from vaven.publisher.cube.observation_counts import emit_sample
from vaven.publisher.cube.observations import Emission
from vaven.publisher.integrity.columns import ComponentColumn, ObservationColumns, column_violations, structures
from vaven.publisher.integrity.constraints import (
    ABOUT_OBSERVATIONS,
    CONSTRAINTS,
    Violation,
    normalise,
    sparql_violations,
)
from vaven.publisher.integrity.disclosure import REVEALED, UNDECIDED
from vaven.publisher.integrity.emission import (
    KEY,
    SampledObservation,
    key_of,
    line_violations,
    read_sample,
    sample_violations,
)
from vaven.publisher.integrity.shacl import shape_violations
from vaven.publisher.metadata.rules import published_vocabulary, vocabulary_triples
from vaven.publisher.releases.release import Release
from vaven.schemas.standard.sql import text
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris

# The conditions of the SKOS Reference that data can violate, and the project's own condition on every concept.
SKOS_CONDITIONS = (*(f"skos-{number}" for number in ("s9", "s13", "s14", "s27", "s46")), "concept")
# Message codes of all violations: rule.integrity-*.
CODES = tuple(
    f"integrity-{name}"
    for names in (
        CONSTRAINTS,
        SKOS_CONDITIONS,
        ("code", "iri", "syntax", "lines", "sample", "shape"),
        (REVEALED, UNDECIDED),
    )
    for name in names
)
# The numeric attributes of an observation in the cube, and their columns.
NUMBERS = {
    "numerator": "numerator",
    "denominator": "denominator",
    "sampleSize": "sample_size",
    "ciLower": "ci_lower",
    "ciUpper": "ci_upper",
}
MEMORY = "256MB"


def unknown_codes(release: Release, iris: Iris) -> Iterator[Violation]:
    """Yield the codes of a release that have no term, so that their rows can be neither emitted nor described.

    Cost: one scan of the coded columns.
    """
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        columns = _columns(work, release, iris)
        seen: set[str] = set()
        for name, column in columns.columns.items():
            # Both the KPI dimension and the unit come from the KPI column; one violation for both is enough.
            for code, rows in columns.codes(column.name) if column.terms and column.name not in seen else ():
                if code is not None and column.term(code) is None:
                    yield Violation("code", property=name, value=code, cells={column.name: code}, rows=rows)
            seen.add(column.name)


def invalid_iris(graph: Graph) -> Iterator[Violation]:
    """Yield each IRI of a graph that is invalid by RFC 3987 once; no serialisation can contain it."""
    terms = {term for triple in graph for term in triple if isinstance(term, URIRef)}
    invalid = {term for term in terms if not _is_iri(term)}
    for subject, name, term in graph if invalid else ():
        for iri in invalid & {subject, name, term}:
            invalid.discard(iri)
            yield Violation("iri", str(subject), str(name), str(iri))


def check_integrity(release: Release, iris: Iris, emission: Emission | None, metadata: Graph) -> list[Violation]:
    """Return all violations in a release whose folder is complete except for its data package.

    `metadata` is the graph that was serialised as `metadata.ttl`. Without an emission, a sample is emitted. Cost:
    linear in observations, areas and metadata; benchmarks/integrity.py has figures.
    """
    return data_violations(release, iris, emission) + list(shape_violations(metadata, iris))


def data_violations(
    release: Release, iris: Iris, emission: Emission | None, sample: Emission | None = None
) -> list[Violation]:
    """Return the violations in the release's files: all but those of shapes.

    `sample` are some observations as emitted, for a release without an emission.
    """
    graph = Store()
    try:
        graph.load(vocabulary_triples(iris), RdfFormat.N_TRIPLES)
    except SyntaxError as error:
        return list(invalid_iris(published_vocabulary(iris))) or [_syntax_violation(error)]
    try:
        graph.load(path=str(release.folder / "metadata.ttl"), format=RdfFormat.TURTLE)
    except SyntaxError as error:
        return [_syntax_violation(error)]
    normalise(graph)
    general = (name for name in CONSTRAINTS if name not in ABOUT_OBSERVATIONS)
    violations = list(sparql_violations(graph, (*general, *SKOS_CONDITIONS)))
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        return violations + _observation_violations(
            graph, _columns(work, release, iris), release, iris, emission, sample
        )


def _syntax_violation(error: SyntaxError) -> Violation:
    return Violation("syntax", texts={"actual": str(error)})


def lost_lines(release: Release, iris: Iris, emission: Emission) -> list[Violation]:
    """Return the violation of an emission that has another number of lines than the release's cells require."""
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        return list(line_violations(emission, _columns(work, release, iris)))


def _observation_violations(
    graph: Store,
    columns: ObservationColumns,
    release: Release,
    iris: Iris,
    emission: Emission | None,
    sample: Emission | None,
) -> list[Violation]:
    structure = structures(graph).get(iris.dataset(release.dataset), ())
    violations = [*column_violations(structure, columns), *(line_violations(emission, columns) if emission else ())]
    try:
        with _sampled(emission or sample, release, iris) as sampled:
            observations = read_sample(sampled, release, iris, columns)
    except SyntaxError as error:
        return [*violations, _syntax_violation(error)]
    violations += sample_violations(observations, release, iris, columns)
    known = {(v.constraint, v.property) for v in violations}
    return violations + [
        v for v in _sparql_sample_violations(graph, observations) if (v.constraint, v.property) not in known
    ]


@contextmanager
def _sampled(emission: Emission | None, release: Release, iris: Iris) -> Iterator[Emission]:
    """Lend the emission, or one of a few observations where there is none."""
    if emission:
        yield emission
        return
    with tempfile.TemporaryDirectory(prefix="vaven-sample-") as folder:
        yield emit_sample(release, Path(folder), iris).emission


def _sparql_sample_violations(graph: Store, sample: Sequence[SampledObservation]) -> Iterator[Violation]:
    """Check the same constraints in the W3C's own form on the sampled observations as emitted."""
    graph.extend(triple for observation in sample for triple in observation.triples)
    normalise(graph)
    rows = {observation.iri: observation.row for observation in sample}
    for violation in sparql_violations(graph, sorted(ABOUT_OBSERVATIONS)):
        row = rows.get(violation.focus)
        yield replace(violation, cells=key_of(row) if row else None)


def _columns(work: duckdb.DuckDBPyConnection, release: Release, iris: Iris) -> ObservationColumns:
    relation = f"read_parquet({text(release.table('observations'))})"
    return ObservationColumns(work, relation, component_columns(release, iris), KEY)


def component_columns(release: Release, iris: Iris) -> dict[str, ComponentColumn]:
    """Map each property of the cube to its column in the released table, and the column's codes to their terms.

    The mapping is independent of the emission's, so that an emission with other terms is detected. The key columns
    come first, in the order of the rows.
    """
    dimension, attribute, measure = (NAMESPACES[f"sdmx-{kind}"] for kind in ("dimension", "attribute", "measure"))
    kpis = register.kpis()
    return {
        f"{dimension}refArea": ComponentColumn(
            "neighbourhood", {code: area.iri(iris) for code, area in release.areas.items()}
        ),
        f"{iris.ontology}kpi": ComponentColumn("kpi", {slug: iris.kpi(slug) for slug in kpis}),
        f"{dimension}refPeriod": ComponentColumn("period", {period: iris.period(period) for period in release.periods}),
        f"{dimension}sex": ComponentColumn(
            "sex", {c.id: c.properties["sdmx_iri"] for c in register.codes("sexes").values()}
        ),
        f"{dimension}age": ComponentColumn("age_group", {age: iris.age(age) for age in release.ages}),
        f"{measure}obsValue": ComponentColumn("value", is_filled=True),
        f"{attribute}unitMeasure": ComponentColumn(
            "kpi", {slug: kpi.unit_iri for slug, kpi in kpis.items() if kpi.unit_iri}
        ),
        f"{attribute}obsStatus": ComponentColumn(
            "status", {code: iris.status(code) for code in register.codes("statuses")}
        ),
        f"{iris.ontology}method": ComponentColumn(
            "method", {code: iris.method(code) for code in register.codes("methods")}
        ),
        **{f"{iris.ontology}{name}": ComponentColumn(column) for name, column in NUMBERS.items()},
    }


def _is_iri(text: str) -> bool:
    try:
        NamedNode(text)
    except ValueError:
        return False
    return True
