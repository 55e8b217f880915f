"""A release's observations as RDF Data Cube in N-Triples, by columns (DESIGN section 5).

The text of every line is put together by DuckDB from dictionaries of minted IRIs; no Python object stands
for a triple, so length costs time and disk but no memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from vaven.publisher.release import Release
from vaven.schemas.compile import plain
from vaven.vocab import register
from vaven.vocab.iris import NAMESPACES, Iris, segment
from vaven.vocab.periods import parse_period

FILE = "observations.nt.gz"


@dataclass(frozen=True)
class Emission:
    """What was written: the file and the number of its lines, so that a check need not unpack it to count them."""

    path: Path
    lines: int


def emit(release: Release, iris: Iris) -> Emission:
    """Write `observations.nt.gz` into the release's folder. The lines of an observation stand together."""
    target = release.folder / FILE
    with duckdb.connect() as work:
        work.execute("SET preserve_insertion_order = false")
        work.execute(f"CREATE MACRO plain(number) AS {plain('number')}")
        work.read_parquet(str(release.table("observations"))).create_view("observations")
        for name, columns, rows in _dictionaries(release, iris):
            work.execute(f"CREATE TABLE {name} ({', '.join(f'{column} VARCHAR' for column in columns)})")
            if rows := list(rows):
                work.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", rows)
        _create_terms(work, release, iris)
        query = (files(__package__) / "queries" / "observations.sql").read_text("utf-8").rstrip().rstrip(";")
        path = str(target).replace("'", "''")
        # A line is the only column and every escape is already in it, so the CSV writer may add nothing.
        options = r"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\x01', COMPRESSION gzip"
        written = work.execute(f"COPY ({query}) TO '{path}' ({options})").fetchone()
    return Emission(target, int(written[0]) if written else 0)


def _dictionaries(release: Release, iris: Iris) -> Iterator[tuple[str, tuple[str, ...], Iterable[tuple[str, ...]]]]:
    """Name, columns and rows of each small table that the query joins: one row a distinct code."""
    kpis = register.kpis()
    yield (
        "areas",
        ("code", "iri", "segment"),
        [(code, f"<{place.iri(iris)}>", segment(code)) for code, place in release.places.items()],
    )
    yield (
        "kpis",
        ("code", "iri", "unit", "segment"),
        [(slug, f"<{iris.kpi(slug)}>", f"<{kpis[slug].unit_iri}>", segment(slug)) for slug in release.kpis],
    )
    yield (
        "periods",
        ("code", "iri", "segment"),
        [(text, f"<{iris.period(text)}>", segment(parse_period(text).slug)) for text in release.periods],
    )
    yield "ages", ("code", "iri", "segment"), [(age, f"<{iris.age(age)}>", segment(age)) for age in release.ages]
    yield (
        "sexes",
        ("code", "iri"),
        [(code.id, f"<{code.properties['sdmx_iri']}>") for code in register.codes("sexes").values()],
    )
    yield "statuses", ("code", "iri"), [(code, f"<{iris.status(code)}>") for code in register.codes("statuses")]
    yield "methods", ("code", "iri"), [(code, f"<{iris.method(code)}>") for code in register.codes("methods")]


def _create_terms(work: duckdb.DuckDBPyConnection, release: Release, iris: Iris) -> None:
    """The constant texts of the query as one row."""
    ns, ours = NAMESPACES, iris.ontology
    kind = f"<{ns['rdf']}type>"
    terms = {
        "stem": iris.observation_stem(release.dataset),
        "is_observation": f"{kind} <{ns['qb']}Observation> .",
        "is_report": f"{kind} <{ns['cids']}IndicatorReport> .",
        "in_dataset": f"<{ns['qb']}dataSet> <{iris.dataset(release.dataset)}> .",
        "ref_area": f"<{ns['sdmx-dimension']}refArea> ",
        "kpi_dimension": f"<{ours}kpi> ",
        "for_indicator": f"<{ns['cids']}forIndicator> ",
        "ref_period": f"<{ns['sdmx-dimension']}refPeriod> ",
        "sex_dimension": f"<{ns['sdmx-dimension']}sex> ",
        "age_dimension": f"<{ns['sdmx-dimension']}age> ",
        "obs_value": f"<{ns['sdmx-measure']}obsValue> ",
        "unit_measure": f"<{ns['sdmx-attribute']}unitMeasure> ",
        "obs_status": f"<{ns['sdmx-attribute']}obsStatus> ",
        "numerator_attribute": f"<{ours}numerator> ",
        "denominator_attribute": f"<{ours}denominator> ",
        "sample_size_attribute": f"<{ours}sampleSize> ",
        "ci_lower_attribute": f"<{ours}ciLower> ",
        "ci_upper_attribute": f"<{ours}ciUpper> ",
        "method_attribute": f"<{ours}method> ",
        "comment": f"<{ns['rdfs']}comment> ",
        "decimal_type": f"^^<{ns['xsd']}decimal>",
        "integer_type": f"^^<{ns['xsd']}integer>",
        # cube.link's word for "there is no value here", so that IC-14 holds and the status says why.
        "undefined_type": f"^^<{ns['cube']}Undefined>",
    }
    work.execute(f"CREATE TABLE terms ({', '.join(f'{name} VARCHAR' for name in terms)})")
    work.execute(f"INSERT INTO terms VALUES ({', '.join('?' * len(terms))})", list(terms.values()))
