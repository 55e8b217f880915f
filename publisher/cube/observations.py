"""A release's observations as RDF in N-Triples, generated column by column (DESIGN section 5).

Data Cube, SDMX, cube.link and CIDS describe the same observation: docs/cube.md lists its triples with a reason for
each. DuckDB builds the text of an observation from dictionaries of minted IRIs; no triple becomes a Python object. The
text comes in batches of some megabytes, and each batch is compressed with gzip and with zstd while DuckDB builds the
next, so that more observations cost time and disk but no memory.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow
import pyarrow.compute

from vaven.publisher.cube.column_statistics import column_statistics
from vaven.publisher.rdf.agents import publisher_key
from vaven.publisher.rdf.compression import compressed_file
from vaven.publisher.releases.release import Release
from vaven.schemas.standard.sql import plain
from vaven.vocab import register
from vaven.vocab.errors import PublishingFailed
from vaven.vocab.iris import NAMESPACES, Iris, segment
from vaven.vocab.periods import parse_period

GZIP_FILE, ZSTD_FILE = "observations.nt.gz", "observations.nt.zst"
# DuckDB's own memory; beyond it, DuckDB spills to a folder among the system's temporary files.
MEMORY = "160MB"
# About 5 MB of text.
BATCH_ROWS = 2048
STOP = ".\n"
END = f" {STOP}"
# A full disk, reported by the system or by DuckDB, and a DuckDB that can't spill.
NO_ROOM = (OSError, duckdb.IOException, duckdb.OutOfMemoryException)
ESCAPED = r"""replace(replace(replace(replace(text, '\', '\\'), '"', '\"'), chr(10), '\n'), chr(13), '\r')"""


class Sink(Protocol):
    """A writable binary stream: a compressor or the file itself."""

    def write(self, data: Any, /) -> Any: ...


@dataclass(frozen=True)
class Emission:
    """The two compressed files and their number of lines, which a check then need not count by decompressing."""

    path: Path
    zstd: Path
    lines: int


def emit(release: Release, iris: Iris, *, folder: Path | None = None, uncompressed: Path | None = None) -> Emission:
    """Write `observations.nt.gz` and `observations.nt.zst`, the same lines in both.

    They are in the release's folder, or another one. The lines of an observation are adjacent, and no line occurs
    twice. `uncompressed` is a further file that receives the same lines uncompressed, for an immediate bulk load.
    Raises PublishingFailed if a row would be lost, or if the disk is full.
    """
    gzip, zstd = ((folder or release.folder) / name for name in (GZIP_FILE, ZSTD_FILE))
    with _sinks(gzip, zstd, uncompressed) as sinks:
        return Emission(gzip, zstd, write_triples(release, iris, sinks))


def write_triples(release: Release, iris: Iris, sinks: Sequence[Sink]) -> int:
    """Write the lines of all observations to each sink, whole lines at a time; return the number of lines.

    Raises PublishingFailed as `emit`.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="vaven-emit-") as folder,
            duckdb.connect(config=_limits(folder)) as work,
        ):
            parameters = _prepare(work, release, iris)
            rows, lines = _write(_batches(work, "observations", parameters), sinks)
            if rows != release.rows["observations"]:
                raise _lost(release.rows["observations"], rows)
            return lines + _write(_batches(work, "measures", parameters), sinks)[1]
    except NO_ROOM as cause:
        folders = {"folder": release.folder, "temporary": tempfile.gettempdir()}
        raise PublishingFailed("publisher.observations-not-written", cause=cause, **folders) from cause


@contextmanager
def _sinks(gzip: Path, zstd: Path, uncompressed: Path | None) -> Iterator[list[Sink]]:
    with ExitStack() as stack:
        paths = [gzip, zstd, *([uncompressed] if uncompressed else [])]
        yield [stack.enter_context(compressed_file(path)) for path in paths]


def _limits(folder: str) -> dict[str, Any]:
    # Joins of several threads lose the order of rows, and the same content shall give the same bytes. One thread is as
    # fast: the compression has threads of its own, and takes most of the time.
    return {"memory_limit": MEMORY, "temp_directory": folder, "threads": 1}


def _lost(rows: int, written: int) -> PublishingFailed:
    return PublishingFailed("publisher.observations-lost", lost=rows - written, rows=rows)


def _batches(work: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> Iterator[pyarrow.RecordBatch]:
    """Run a query of this package with the parameters that it names, and yield its result in batches."""
    sql = (files(__package__) / "queries" / f"{query}.sql").read_text("utf-8")
    [statement] = work.extract_statements(sql)
    parameters = {name: values[name] for name in statement.named_parameters}
    yield from work.sql(sql, params=parameters).to_arrow_reader(BATCH_ROWS)


def _write(batches: Iterator[pyarrow.RecordBatch], sinks: Sequence[Sink]) -> tuple[int, int]:
    """Write each batch to all files in parallel, and return the numbers of rows and lines."""
    rows = lines = 0
    writes: list[Future[Any]] = []
    with ThreadPoolExecutor(len(sinks)) as pool:
        for batch in batches:
            _await(writes)
            writes = [pool.submit(sink.write, _concatenated(batch.column("text"))) for sink in sinks]
            rows += batch.num_rows
            lines += pyarrow.compute.sum(batch.column("lines")).as_py() or 0
        _await(writes)
    return rows, lines


def _await(writes: Sequence[Future[Any]]) -> None:
    for write in writes:
        write.result()


def _concatenated(column: pyarrow.StringArray) -> pyarrow.Buffer:
    """Return all strings of a column as one buffer, without a copy: Arrow stores them one after the other."""
    _, offsets, text = column.buffers()
    if not len(column):
        return pyarrow.py_buffer(b"")
    begin, end = (memoryview(offsets).cast("i")[i] for i in (column.offset, column.offset + len(column)))
    return text.slice(begin, end - begin)


def _prepare(work: duckdb.DuckDBPyConnection, release: Release, iris: Iris) -> dict[str, Any]:
    """Create the relations and macros that the queries name, and return the queries' parameters."""
    # Lets DuckDB go on while earlier batches are compressed; can be set for the session only.
    work.execute("SET enable_progress_bar = false")
    work.execute("SET streaming_buffer_size = '16MB'")
    work.execute(f"CREATE MACRO plain(number) AS {plain('number')}")
    work.execute(f"CREATE MACRO escaped(text) AS {ESCAPED}")
    work.read_parquet(str(release.table("observations"))).create_view("observations")
    for name, columns, rows in _dictionaries(release, iris):
        cells = zip(*rows, strict=True) if rows else [()] * len(columns)
        arrays = [pyarrow.array(column, pyarrow.string()) for column in cells]
        work.register(name, pyarrow.table(arrays, names=list(columns)))
    return _parameters(release, iris)


def _tail(predicate: str, iri: str) -> str:
    """Return the rest of a line after its subject: predicate, object, full stop and line end."""
    return f"<{predicate}> <{iri}>{END}"


def _dictionaries(release: Release, iris: Iris) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Yield name, columns and rows of each small table that the queries join, with one row per distinct code."""
    ns, register_of = NAMESPACES, register.codes
    dimension, attribute = ns["sdmx-dimension"], ns["sdmx-attribute"]
    yield (
        "areas",
        ("code", "segment", "name", "tail"),
        [(c, segment(c), p.name, _tail(dimension + "refArea", p.iri(iris))) for c, p in release.areas.items()],
    )
    yield (
        "kpis",
        ("code", "segment", "name", "measure", "tail", "unit", "indicator"),
        [_kpi(k, iris, release.dataset) for k in release.kpis],
    )
    yield "periods", ("code", "segment", "tail", "began", "ended"), [_period(text, iris) for text in release.periods]
    yield (
        "ages",
        ("code", "segment", "tail"),
        [(age, segment(age), _tail(dimension + "age", iris.age(age))) for age in release.ages],
    )
    sexes = register_of("sexes").values()
    yield "sexes", ("code", "tail"), [(s.id, _tail(dimension + "sex", s.properties["sdmx_iri"])) for s in sexes]
    statuses = register_of("statuses")
    yield "statuses", ("code", "tail"), [(c, _tail(attribute + "obsStatus", iris.status(c))) for c in statuses]
    methods = register_of("methods")
    yield "methods", ("code", "tail"), [(c, _tail(iris.ontology + "method", iris.method(c))) for c in methods]


def _kpi(slug: str, iris: Iris, dataset: str) -> tuple[str, ...]:
    kpi, iri = register.kpis()[slug], iris.kpi(slug)
    return (
        slug,
        segment(slug),
        kpi.text("en"),
        iris.measure(dataset, slug, ""),
        _tail(iris.ontology + "kpi", iri),
        _tail(NAMESPACES["sdmx-attribute"] + "unitMeasure", kpi.unit_iri),
        _tail(NAMESPACES["cids"] + "forIndicator", iri),
    )


def _period(text: str, iris: Iris) -> tuple[str, ...]:
    period, prov, moment = parse_period(text), NAMESPACES["prov"], f"^^<{NAMESPACES['xsd']}dateTime>{END}"
    return (
        text,
        segment(period.slug),
        _tail(NAMESPACES["sdmx-dimension"] + "refPeriod", iris.period(text)),
        f'<{prov}startedAtTime> "{period.start}T00:00:00"{moment}',
        f'<{prov}endedAtTime> "{period.end}T23:59:59"{moment}',
    )


def _parameters(release: Release, iris: Iris) -> dict[str, Any]:
    """Return the constant texts of the queries; a text that ends a literal begins with its closing quote."""
    ns, ontology, kind = NAMESPACES, iris.ontology, NAMESPACES["rdf"] + "type"
    publisher = iris.organisation(publisher_key(release.about))
    # cube.link's literal for a missing value, so that IC-14 holds; the status gives the reason.
    undefined = f'""^^<{ns["cube"]}Undefined>{END}'
    return {
        "stop": STOP,
        "end": END,
        "string": f'"{END}',
        "decimal": f'"^^<{ns["xsd"]}decimal>{END}',
        "integer": f'"^^<{ns["xsd"]}integer>{END}',
        "iri_prefix": iris.observation_prefix(release.dataset),
        "is_observation": _tail(kind, ns["qb"] + "Observation"),
        "is_cube_observation": _tail(kind, ns["cube"] + "Observation"),
        "member": f"<{iris.observation_set(release.dataset, release.version)}> <{ns['cube']}observation> ",
        "in_dataset": _tail(ns["qb"] + "dataSet", iris.dataset(release.dataset)),
        "observed_by": _tail(ns["cube"] + "observedBy", publisher),
        "value": f'<{ns["sdmx-measure"]}obsValue> "',
        "no_value": f"<{ns['sdmx-measure']}obsValue> {undefined}",
        "numerator": f'<{ontology}numerator> "',
        "denominator": f'<{ontology}denominator> "',
        "sample_size": f'<{ontology}sampleSize> "',
        "has_interval": column_statistics(release).has_interval,
        "ci_lower": f'<{ontology}ciLower> "',
        "no_ci_lower": f"<{ontology}ciLower> {undefined}",
        "ci_upper": f'<{ontology}ciUpper> "',
        "no_ci_upper": f"<{ontology}ciUpper> {undefined}",
        "comment": f'<{ns["sdmx-attribute"]}comment> "',
        "is_report": _tail(kind, ns["cids"] + "IndicatorReport"),
        "for_organization": _tail(ns["cids"] + "forOrganization", publisher),
        "has_name": f'<{ns["tove"]}hasName> "',
        "has_quantity": f"<{ns['i72']}value> <",
        "is_quantity": _tail(kind, ns["i72"] + "Measure"),
        "number": f'<{ns["i72"]}hasNumericalValue> "',
    }
