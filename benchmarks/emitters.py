"""Emitters of the same triples, each as a process of its own: `python -m benchmarks.emitters NAME FOLDER`.

`python -m benchmarks.emitters prepare FOLDER ROWS` writes the folder that they start from: a release of generated
observations, as a pickle beside its files, and the tables that morph-kgc's mapping reads.
"""

import pickle
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyoxigraph
import rdflib

from benchmarks.observations import LICENCE_AND_PUBLISHER, write_observations
from vaven.publisher.cube.observations import emit
from vaven.publisher.releases.release import Release, release, stamp
from vaven.schemas.tables.read import read
from vaven.vocab.iris import NAMESPACES as NS
from vaven.vocab.iris import Iris
from vaven.vocab.periods import parse_period
from vaven.vocab.register import kpis

# The same as in benchmarks/emission_mapping.ttl and emission_bare.sql.
BASE, SLUG = "https://vaven.example.org/", "bench"
HERE = Path(__file__).parent
BATCH = 10_000


def prepare(folder: Path, rows: int) -> None:
    files = folder / "release"
    files.mkdir()
    table = write_observations(folder / "submission.csv", rows)
    with read(table, slug=SLUG, choices=LICENCE_AND_PUBLISHER) as tables:
        stamped = stamp(release(tables, files), 1, datetime(2026, 1, 1, tzinfo=UTC), "")
    table.unlink()
    (folder / "release.pickle").write_bytes(pickle.dumps(stamped))
    with duckdb.connect() as work:
        _write_reports(work, stamped, folder)
        # The mapping reads no empty columns.
        work.execute(f"""COPY (SELECT * EXCLUDE (numerator, denominator, ci_lower, ci_upper, note)
            FROM read_csv('{files}/observations.csv', all_varchar = true)) TO '{folder}/observations.csv'""")


def _write_reports(work: duckdb.DuckDBPyConnection, stamped: Release, folder: Path) -> None:
    """Write the table of CIDS reports, with the names and times that no mapping can derive from codes."""
    work.execute("CREATE TABLE named (code VARCHAR, name VARCHAR)")
    work.executemany("INSERT INTO named VALUES (?, ?)", [*_names(stamped).items()])
    work.execute(f"""COPY (
        SELECT neighbourhood, o.kpi, period, value, k.name || ', ' || a.name || ', ' || period AS name,
            period || '-01-01T00:00:00' AS began, period || '-12-31T23:59:59' AS ended
        FROM read_csv('{stamped.folder}/observations.csv', all_varchar = true) o
        JOIN named k ON k.code = o.kpi JOIN named a ON a.code = o.neighbourhood
        WHERE sex = 'T' AND age_group = 'T') TO '{folder}/reports.csv'""")


def _names(stamped: Release) -> dict[str, str]:
    return {slug: kpis()[slug].text("en") for slug in stamped.kpis} | {c: p.name for c, p in stamped.areas.items()}


def _release(folder: Path) -> Release:
    stamped: Release = pickle.loads((folder / "release.pickle").read_bytes())
    return stamped


def ours(folder: Path) -> None:
    """Emit as a publication does, compressed with gzip and with zstd."""
    emit(_release(folder), Iris(BASE))


def ours_plain(folder: Path) -> None:
    """Emit as a publication does, and write the plain lines too, for a bulk load."""
    emit(_release(folder), Iris(BASE), uncompressed=folder / "ours.nt")


def bare(folder: Path) -> None:
    """Concatenate strings in DuckDB, without look-ups and without escaping."""
    query = (HERE / "emission_bare.sql").read_text("utf-8").rstrip().rstrip(";")
    with duckdb.connect() as work:
        work.execute("SET preserve_insertion_order = false")
        work.read_parquet(str(folder / "release" / "observations.parquet")).create_view("observations")
        options = r"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\x01'"
        work.execute(f"COPY ({query}) TO '{folder}/bare.nt' ({options})")


def oxigraph(folder: Path) -> None:
    """Serialise pyoxigraph's triples by its serialiser."""
    triples = (
        pyoxigraph.Triple(s, p, o)
        for s, p, o in _triples(
            _release(folder),
            pyoxigraph.NamedNode,
            lambda text, kind: pyoxigraph.Literal(text, datatype=pyoxigraph.NamedNode(kind)),
        )
    )
    pyoxigraph.serialize(triples, str(folder / "oxigraph.nt"), pyoxigraph.RdfFormat.N_TRIPLES)


def by_rdflib(folder: Path) -> None:
    """Fill and serialise an rdflib graph, the usual first solution."""
    graph = rdflib.Graph()
    for triple in _triples(
        _release(folder),
        rdflib.URIRef,
        lambda text, kind: rdflib.Literal(text, datatype=rdflib.URIRef(kind), normalize=False),
    ):
        graph.add(triple)
    graph.serialize(folder / "rdflib.nt", format="nt", encoding="utf-8")


def _triples(
    stamped: Release, iri: Callable[[str], Any], literal: Callable[[str, str], Any]
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield every triple as three objects. Terms that depend on a code alone are created once per code."""
    iris, known, names, seen = Iris(BASE), cache(iri), _names(stamped), set()
    kind, value = known(NS["rdf"] + "type"), known(NS["sdmx-measure"] + "obsValue")
    publisher = iri(iris.mission)
    members = iri(iris.observation_set(SLUG, 1))
    for area, kpi, period, sex, age, number, size in _rows(stamped):
        node = iri(iris.observation(SLUG, area, kpi, period, sex, age))
        yield node, kind, known(NS["qb"] + "Observation")
        yield node, kind, known(NS["cube"] + "Observation")
        yield members, known(NS["cube"] + "observation"), node
        yield node, known(NS["qb"] + "dataSet"), known(iris.dataset(SLUG))
        yield node, known(NS["cube"] + "observedBy"), publisher
        yield node, known(NS["sdmx-dimension"] + "refArea"), known(iris.area("deso2018", area))
        yield node, known(iris.ontology + "kpi"), known(iris.kpi(kpi))
        yield node, known(NS["sdmx-dimension"] + "refPeriod"), known(iris.period(period))
        yield node, known(NS["sdmx-dimension"] + "sex"), known(f"{NS['sdmx-code']}sex-{sex}")
        yield node, known(NS["sdmx-dimension"] + "age"), known(iris.age(age))
        yield node, value, literal(number, NS["xsd"] + "decimal")
        yield node, known(NS["sdmx-attribute"] + "unitMeasure"), known(kpis()[kpi].unit_iri)
        yield node, known(NS["sdmx-attribute"] + "obsStatus"), known(iris.status("A"))
        yield node, known(iris.ontology + "sampleSize"), literal(size, NS["xsd"] + "integer")
        yield node, known(iris.ontology + "method"), known(iris.method("survey"))
        if (sex, age) != ("T", "T"):
            continue
        yield node, kind, known(NS["cids"] + "IndicatorReport")
        yield node, known(NS["cids"] + "forIndicator"), known(iris.kpi(kpi))
        yield node, known(NS["cids"] + "forOrganization"), publisher
        name = f"{names[kpi]}, {names[area]}, {period}"
        yield node, known(NS["tove"] + "hasName"), literal(name, NS["xsd"] + "string")
        span = parse_period(period)
        moment = NS["xsd"] + "dateTime"
        yield node, known(NS["prov"] + "startedAtTime"), literal(f"{span.start}T00:00:00", moment)
        yield node, known(NS["prov"] + "endedAtTime"), literal(f"{span.end}T23:59:59", moment)
        measure = known(iris.measure("bench", kpi, number))
        yield node, known(NS["i72"] + "value"), measure
        if measure not in seen:
            seen.add(measure)
            yield measure, kind, known(NS["i72"] + "Measure")
            yield measure, known(NS["i72"] + "hasNumericalValue"), literal(number, NS["xsd"] + "string")


def _rows(stamped: Release) -> Iterator[tuple[str, ...]]:
    with duckdb.connect() as work:
        result = work.execute(
            """SELECT neighbourhood, kpi, period, sex, age_group, value, sample_size
            FROM read_csv(?, all_varchar = true)""",
            [str(stamped.folder / "observations.csv")],
        )
        while rows := result.fetchmany(BATCH):
            yield from rows


EMITTERS: dict[str, Callable[[Path], None]] = {
    "ours": ours,
    "ours-plain": ours_plain,
    "bare": bare,
    "oxigraph": oxigraph,
    "rdflib": by_rdflib,
}

if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        EMITTERS[sys.argv[1]](Path(sys.argv[2]))
