"""The triples of a release's observations: equal to an independent implementation's, complete, in every compression."""

import gzip
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard
from pyoxigraph import RdfFormat, Store, parse
from rdflib import PROV, QB, RDF, XSD, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from benchmarks.emission import OWN_EMITTERS, prepared, same_triples
from tests.tables_by_hand import Row, tables_of
from vaven.publisher.cube.observations import emit
from vaven.publisher.releases.release import Release, read_rows, release, stamp
from vaven.vocab import register
from vaven.vocab.errors import PublishingFailed
from vaven.vocab.iris import NAMESPACES, Iris, segment
from vaven.vocab.periods import parse_period

IRIS = Iris("https://vaven.example.org/")
OURS = Namespace(IRIS.ontology)
CUBE, CIDS, I72, TOVE = (Namespace(NAMESPACES[name]) for name in ("cube", "cids", "i72", "tove"))
DIMENSION, MEASURE, ATTRIBUTE = (
    Namespace(NAMESPACES[f"sdmx-{kind}"]) for kind in ("dimension", "measure", "attribute")
)
PUBLISHER = URIRef(IRIS.organisation("2120000142"))
ODD = 'Gård 7/8: "A" <b> #?% {x}|^`\\ \x85\ue000\U0001f3e1é'
ROWS: Sequence[Row] = (
    {"neighbourhood": "0180C1010", "kpi": "trygg-morker", "period": "2024", "value": "71.4", "sample_size": "212",
     "ci_lower": "65", "ci_upper": "77.8", "status": "A", "method": "survey", "note": "Svar från 212 boende"},
    {"neighbourhood": "0180C1010", "kpi": "trygg-morker", "period": "2024", "sex": "F", "value": "65.1", "status": "A",
     "note": "\"citat\" och \\ snett streck\nnästa rad\r\noch\ttabb"},
    {"neighbourhood": "0180C1010", "kpi": "trygg-morker", "period": "2024", "sex": "F", "age_group": "16-24",
     "value": None, "status": "Q", "note": "😀 𝔘 \x01\x0b\x7f\x85\u2028 U+0000: |\x00|"},
    {"neighbourhood": "0180C1010", "kpi": "arbetsloshet", "period": "2024-Q1", "value": "0", "numerator": "0",
     "denominator": "1200", "status": "A", "method": "register"},
    {"neighbourhood": ODD, "kpi": "arbetsloshet", "period": "2023-07-01/2024-06-30",
     "value": "0.0000000001", "status": "E"},
    {"neighbourhood": ODD, "kpi": "investerat-belopp", "period": "2024-02", "value": "123456789012.5", "status": "A"},
    {"neighbourhood": ODD, "kpi": "investerat-belopp", "period": "2024-03", "value": None, "status": "O"},
    {"neighbourhood": "0180", "kpi": "investerat-belopp", "period": "2024",
     "value": "71.4", "age_group": "80+", "status": "A"},
    {"neighbourhood": "0180", "kpi": "trygg-morker", "period": "2024", "value": "71.4", "status": "A"},
)  # fmt: skip
NEIGHBOURHOODS: Sequence[Row] = (
    {"code": ODD, "level": "own", "name": "Gård \"7\\8\"\noch mer", "municipality": "0180"},
    {"code": "0180C1010", "level": "deso", "vintage": "2018", "name": "Södermalm", "municipality": "0180"},
    {"code": "0180", "level": "kommun", "name": "Stockholm", "municipality": "0180"},
)  # fmt: skip


@pytest.fixture
def make_release(tmp_path: Path) -> Callable[..., Release]:
    def make(rows: Sequence[Row] = ROWS) -> Release:
        # Every row has every column, like the table.
        names = dict.fromkeys(name for row in (*rows, *ROWS) for name in row)
        full = [{name: row.get(name) for name in names} for row in rows]
        with tables_of({"observations": full, "neighbourhoods": NEIGHBOURHOODS}) as tables:
            draft = release(tables, tmp_path)
        about = replace(draft.about, licence="cc0", publisher_number="2120000142", publisher_name="Stockholms stad")
        return stamp(replace(draft, about=about), 3, datetime(2026, 1, 2, tzinfo=UTC), "")

    return make


def expected(released: Release) -> Iterator[tuple[Node, Node, Node]]:
    """Yield the expected triples, built one by one from the rows of the release."""
    rows = read_rows(released.table("observations"))
    has_interval = any(row["ci_lower"] is not None or row["ci_upper"] is not None for row in rows)
    for row in rows:
        yield from _observation(released, row, has_interval)


def _observation(released: Release, row: dict[str, Any], has_interval: bool) -> Iterator[tuple[Node, Node, Node]]:
    period, area, kpi = parse_period(row["period"]), released.areas[row["neighbourhood"]], register.kpis()[row["kpi"]]
    node = URIRef(
        IRIS.observation(released.dataset, row["neighbourhood"], kpi.id, row["period"], row["sex"], row["age_group"])
    )
    undefined = Literal("", datatype=CUBE.Undefined)

    def number(value: float | None) -> Literal:
        return undefined if value is None else Literal(Decimal(f"{value:.10f}"))

    yield node, RDF.type, QB.Observation
    yield node, RDF.type, CUBE.Observation
    yield URIRef(IRIS.observation_set(released.dataset, released.version)), CUBE.observation, node
    yield node, QB.dataSet, URIRef(IRIS.dataset(released.dataset))
    yield node, CUBE.observedBy, PUBLISHER
    yield node, DIMENSION.refArea, URIRef(area.iri(IRIS))
    yield node, OURS.kpi, URIRef(IRIS.kpi(kpi.id))
    yield node, DIMENSION.refPeriod, URIRef(IRIS.period(row["period"]))
    yield node, DIMENSION.sex, URIRef(register.codes("sexes")[row["sex"]].properties["sdmx_iri"])
    yield node, DIMENSION.age, URIRef(IRIS.age(row["age_group"]))
    yield node, MEASURE.obsValue, number(row["value"])
    yield node, ATTRIBUTE.unitMeasure, URIRef(kpi.unit_iri)
    yield node, ATTRIBUTE.obsStatus, URIRef(IRIS.status(row["status"]))
    for name in ("numerator", "denominator"):
        if row[name] is not None:
            yield node, OURS[name], number(row[name])
    if row["sample_size"] is not None:
        yield node, OURS.sampleSize, Literal(row["sample_size"], datatype=XSD.integer)
    if has_interval:
        yield node, OURS.ciLower, number(row["ci_lower"])
        yield node, OURS.ciUpper, number(row["ci_upper"])
    if row["method"]:
        yield node, OURS.method, URIRef(IRIS.method(row["method"]))
    if row["note"]:
        yield node, ATTRIBUTE.comment, Literal(row["note"])
    if (row["sex"], row["age_group"]) == ("T", "T") and row["value"] is not None:
        name = f"{kpi.text('en')}, {area.name}, {row['period']}"
        text = format(Decimal(f"{row['value']:.10f}").normalize(), "f")
        measure = URIRef(IRIS.measure(released.dataset, kpi.id, text))
        yield node, RDF.type, CIDS.IndicatorReport
        yield node, CIDS.forIndicator, URIRef(IRIS.kpi(kpi.id))
        yield node, CIDS.forOrganization, PUBLISHER
        yield node, TOVE.hasName, Literal(name)
        yield node, PROV.startedAtTime, Literal(datetime.combine(period.start, datetime.min.time()))
        yield node, PROV.endedAtTime, Literal(datetime.combine(period.end, datetime.max.time().replace(microsecond=0)))
        yield node, I72.value, measure
        yield measure, RDF.type, I72.Measure
        yield measure, I72.hasNumericalValue, Literal(text)


def comparable(triples: Iterator[tuple[Node, Node, Node]]) -> set[tuple[str, ...]]:
    """Return the triples with decimals by value and all other nodes by term."""

    def term(node: Node) -> str:
        if isinstance(node, Literal) and node.datatype == XSD.decimal:
            return f"decimal {Decimal(str(node)).normalize()}"
        return repr((type(node).__name__, str(node), str(getattr(node, "datatype", None) or "")))

    return {tuple(term(node) for node in triple) for triple in triples}


def parsed(path: Path) -> Graph:
    """Parse the file with rdflib, without any module of the project."""
    return Graph().parse(data=gzip.decompress(path.read_bytes()), format="nt")


def decompress_zstd(path: Path) -> bytes:
    """Decompress with the reference library: one frame with a checksum."""
    done = zstandard.ZstdDecompressor().decompressobj()
    data = done.decompress(path.read_bytes())
    assert done.eof
    assert not done.unused_data
    return data


def test_the_triples_equal_an_independent_implementation(make_release: Callable[..., Release]) -> None:
    released = make_release()
    assert comparable(iter(parsed(emit(released, IRIS).path))) == comparable(expected(released))


def test_a_strict_parser_accepts_every_line(make_release: Callable[..., Release]) -> None:
    emission = emit(make_release(), IRIS)
    lines = gzip.decompress(emission.path.read_bytes())
    assert len({*parse(lines, RdfFormat.N_TRIPLES)}) == emission.lines == lines.count(b"\n")
    assert b"  " not in re.sub(rb'"[^\n]*"', b'""', lines)


def test_each_compression_has_the_same_lines(make_release: Callable[..., Release], tmp_path: Path) -> None:
    uncompressed = tmp_path / "loose.nt"
    emission = emit(make_release(), IRIS, uncompressed=uncompressed)
    assert uncompressed.read_bytes() == gzip.decompress(emission.path.read_bytes()) == decompress_zstd(emission.zstd)
    assert uncompressed.read_bytes().count(b"\n") == emission.lines


def test_the_lines_of_an_observation_are_adjacent(make_release: Callable[..., Release], tmp_path: Path) -> None:
    emit(make_release(), IRIS, uncompressed=tmp_path / "loose.nt")
    iri_prefix = IRIS.observation_prefix("by-hand")
    subjects = [
        match[0]
        for line in (tmp_path / "loose.nt").read_text("utf-8").split("\n")
        if (match := re.findall(rf"<({re.escape(iri_prefix)}[^>]*)>", line))
    ]
    changes = sum(a != b for a, b in pairwise(subjects))
    assert changes + 1 == len(set(subjects)) == len(ROWS)


def test_without_intervals_no_bound_is_stated(make_release: Callable[..., Release]) -> None:
    released = make_release([{k: v for k, v in row.items() if not k.startswith("ci_")} for row in ROWS])
    graph = parsed(emit(released, IRIS).path)
    assert not {*graph.subjects(OURS.ciLower)}
    assert comparable(iter(graph)) == comparable(expected(released))


def test_a_code_without_words_stops_the_release(make_release: Callable[..., Release]) -> None:
    released = make_release()
    lacking = replace(released, areas={code: area for code, area in released.areas.items() if code != "0180"})
    with pytest.raises(PublishingFailed, match="2 of 9 observations"):
        emit(lacking, IRIS)


def test_a_full_disk_is_an_error_with_a_remedy_instead_of_a_truncated_file(
    make_release: Callable[..., Release],
) -> None:
    with pytest.raises(PublishingFailed, match="No space left") as caught:
        emit(make_release(), IRIS, uncompressed=Path("/dev/full"))
    assert "Free space" in caught.value.remedy("en")


def test_memory_does_not_grow_with_the_number_of_observations(
    make_release: Callable[..., Release], tmp_path: Path
) -> None:
    """Measured in separate processes, with distinct values, so that there are as many quantities as observations."""
    small, large = (peak_megabytes(lengthened(make_release(), rows, tmp_path)) for rows in (60_000, 600_000))
    assert large < small + 100


def test_the_same_release_gives_the_same_bytes(make_release: Callable[..., Release], tmp_path: Path) -> None:
    """Joins of several threads would mix the parts of a table, and a hash would mix the quantities."""
    released = pickle.loads(lengthened(make_release(), 400_000, tmp_path).read_bytes())
    first, second = ({path.read_bytes() for path in (e.path, e.zstd)} for e in (emit(released, IRIS) for _ in "12"))
    assert first == second


def lengthened(released: Release, rows: int, folder: Path) -> Path:
    """Pickle a release with this number of observations, all of them reports."""
    table = released.table("observations")
    with duckdb.connect() as work:
        work.execute(f"""COPY (
            SELECT o.* REPLACE (i / 1000 AS value, 'T' AS sex, 'T' AS age_group)
            FROM (SELECT * FROM read_parquet('{table}') LIMIT 1) o, range({rows}) r(i)
        ) TO '{folder}/longer.parquet' (FORMAT parquet)""")
    (folder / "longer.parquet").replace(table)
    path = folder / f"{rows}.pickle"
    path.write_bytes(pickle.dumps(replace(released, rows={**released.rows, "observations": rows})))
    return path


def peak_megabytes(release_file: Path) -> float:
    program = (
        "import pickle, resource, sys; from vaven.publisher.cube.observations import emit; "
        "from vaven.vocab.iris import Iris; "
        "emit(pickle.load(open(sys.argv[1], 'rb')), Iris(sys.argv[2])); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", program, str(release_file), IRIS.base]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


def test_unusual_codes_give_valid_iris() -> None:
    iri = IRIS.area("own", ODD)
    store = Store()
    store.load(f"<{iri}> <urn:p> <urn:o> .".encode(), RdfFormat.N_TRIPLES)
    assert len(store) == 1
    assert segment("\x85\ue000\ufffe") == "%C2%85%EE%80%80%EF%BF%BE"
    assert segment("Ö é 🏡") == "Ö%20é%20🏡"


def test_the_benchmark_s_alternatives_emit_the_same_triples(tmp_path: Path) -> None:
    """An alternative that missed a change of the model would be no fair comparison (the benchmark runs morph-kgc)."""
    assert same_triples(prepared(tmp_path, 400, 1), OWN_EMITTERS).value > 4_000
