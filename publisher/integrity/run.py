"""A release's integrity, before anybody sees it (docs/integrity.md).

The general constraints of RDF Data Cube and of SKOS are asked of the small graph (vocabulary, structure, metadata) by
SPARQL; those that speak of observations are judged over the columns, in linear time; what was written is counted and
sampled; what the release says of itself is held against the SHACL shapes. Nothing here changes anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb
from pyoxigraph import NamedNode, RdfFormat, Store
from rdflib import Graph, URIRef

from vaven.publisher.cube.observations import Emission
from vaven.publisher.integrity.columns import ComponentColumn, ObservationColumns, column_violations, structures
from vaven.publisher.integrity.constraints import (
    ABOUT_OBSERVATIONS,
    CONSTRAINTS,
    Violation,
    normalise,
    sparql_violations,
)
from vaven.publisher.integrity.emission import (
    KEY,
    SampledObservation,
    key_of,
    line_violations,
    read_sample,
    sample_violations,
)
from vaven.publisher.integrity.shacl import shape_violations
from vaven.publisher.metadata.rules import published_vocabulary
from vaven.publisher.releases.release import Release
from vaven.schemas.tables.sql import text
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris

# Those of the SKOS Reference that can be broken, and our own of every concept.
SKOS_CONDITIONS = (*(f"skos-{number}" for number in ("s9", "s13", "s14", "s27", "s46")), "concept")
# What can be wrong, as message codes: rule.integrity-*.
CODES = tuple(
    f"integrity-{name}"
    for name in (*CONSTRAINTS, *SKOS_CONDITIONS, "code", "iri", "syntax", "lines", "sample", "shape")
)
# The cube's attributes of an observation that are numbers, and their columns.
NUMBERS = {
    "numerator": "numerator",
    "denominator": "denominator",
    "sampleSize": "sample_size",
    "ciLower": "ci_lower",
    "ciUpper": "ci_upper",
}
MEMORY = "256MB"


def unknown_codes(made: Release, iris: Iris) -> Iterator[Violation]:
    """The codes of a release that stand for nothing: neither lines nor a description can be made of their rows.

    Cost: one scan of the coded columns.
    """
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        columns = _columns(work, made, iris)
        seen: set[str] = set()
        for name, column in columns.columns.items():
            # Of the KPI's column are both the dimension and the unit; it is enough to be told of one.
            for code, rows in columns.codes(column.name) if column.terms and column.name not in seen else ():
                if code is not None and column.term(code) is None:
                    yield Violation("code", property=name, value=code, cells={column.name: code}, rows=rows)
            seen.add(column.name)


def invalid_iris(graph: Graph) -> Iterator[Violation]:
    """The IRIs of a graph that are none by RFC 3987, which no serialisation can carry; each once."""
    terms = {term for triple in graph for term in triple if isinstance(term, URIRef)}
    bad = {term for term in terms if not _is_iri(term)}
    for subject, name, term in graph if bad else ():
        for iri in bad & {subject, name, term}:
            bad.discard(iri)
            yield Violation("iri", str(subject), str(name), str(iri))


def check_integrity(made: Release, iris: Iris, emitted: Emission, metadata: Graph) -> list[Violation]:
    """All that breaks a rule in a release whose folder has everything but its data package.

    `metadata` is what `metadata.ttl` there was written from. Cost: linear in observations, areas and metadata;
    benchmarks/integrity.py has figures.
    """
    graph, words = Store(), published_vocabulary(iris)
    if bad := list(invalid_iris(words)):
        return bad
    try:
        graph.load(words.serialize(format="nt", encoding="utf-8"), RdfFormat.N_TRIPLES)
        graph.load(path=str(made.folder / "metadata.ttl"), format=RdfFormat.TURTLE)
    except SyntaxError as fault:
        return [Violation("syntax", texts={"said": str(fault)})]
    normalise(graph)
    general = (name for name in CONSTRAINTS if name not in ABOUT_OBSERVATIONS)
    found = [*sparql_violations(graph, (*general, *SKOS_CONDITIONS)), *shape_violations(metadata, iris)]
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        return found + _of_observations(graph, _columns(work, made, iris), made, iris, emitted)


def _of_observations(
    graph: Store, columns: ObservationColumns, made: Release, iris: Iris, emitted: Emission
) -> list[Violation]:
    structure = structures(graph).get(iris.dataset(made.dataset), ())
    found = [*column_violations(structure, columns), *line_violations(emitted, columns)]
    try:
        sampled = read_sample(emitted, made, iris, columns)
    except SyntaxError as fault:
        return [*found, Violation("syntax", texts={"said": str(fault)})]
    found += sample_violations(sampled, made, iris, columns)
    known = {(v.constraint, v.property) for v in found}
    return found + [v for v in _by_sparql(graph, sampled) if (v.constraint, v.property) not in known]


def _by_sparql(graph: Store, sampled: Sequence[SampledObservation]) -> Iterator[Violation]:
    """The same constraints in the W3C's own form, of the observations in the sample as they were written."""
    graph.extend(triple for one in sampled for triple in one.triples)
    normalise(graph)
    rows = {one.iri: one.row for one in sampled}
    for found in sparql_violations(graph, sorted(ABOUT_OBSERVATIONS)):
        row = rows.get(found.focus)
        yield replace(found, cells=key_of(row) if row else None)


def _columns(work: duckdb.DuckDBPyConnection, made: Release, iris: Iris) -> ObservationColumns:
    relation = f"read_parquet({text(made.table('observations'))})"
    return ObservationColumns(work, relation, component_columns(made, iris), KEY)


def component_columns(made: Release, iris: Iris) -> dict[str, ComponentColumn]:
    """Where a released table has what the cube says, by property, and what its codes stand for.

    It is said here once more, so that an emission that says something else is found out. The key comes first, in the
    order of the rows.
    """
    dimension, attribute, measure = (NAMESPACES[f"sdmx-{kind}"] for kind in ("dimension", "attribute", "measure"))
    kpis = register.kpis()
    return {
        f"{dimension}refArea": ComponentColumn(
            "neighbourhood", {code: place.iri(iris) for code, place in made.places.items()}
        ),
        f"{iris.ontology}kpi": ComponentColumn("kpi", {slug: iris.kpi(slug) for slug in kpis}),
        f"{dimension}refPeriod": ComponentColumn("period", {period: iris.period(period) for period in made.periods}),
        f"{dimension}sex": ComponentColumn(
            "sex", {c.id: c.properties["sdmx_iri"] for c in register.codes("sexes").values()}
        ),
        f"{dimension}age": ComponentColumn("age_group", {age: iris.age(age) for age in made.ages}),
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
