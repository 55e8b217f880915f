"""Checks of the emitted N-Triples against the columns that they were generated from.

The number of lines shows that no row was lost or duplicated; a sample, parsed like any reader would, shows that the
triples agree with the rows. The sample is the beginning of the file: decompressing all of it would take seconds.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import unquote

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from vaven.publisher.cube.observations import Emission
from vaven.publisher.integrity.columns import ComponentColumn, ObservationColumns
from vaven.publisher.integrity.constraints import Violation, as_text
from vaven.publisher.rdf.compression import decompressed_file
from vaven.publisher.releases.release import Release
from vaven.schemas.standard.sql import quoted, text
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.periods import period_from_slug

KEY = ("neighbourhood", "kpi", "period", "sex", "age_group")
NUMBERS = frozenset(NAMESPACES["xsd"] + kind for kind in ("decimal", "integer"))
# Some tens of observations; the limit is for notes as long as a file.
SAMPLE_BYTES = 1 << 16
SAMPLE_LIMIT = 1 << 24
SAMPLE_LINES = 100


@dataclass(frozen=True)
class SampledObservation:
    """A sampled observation: its IRI, the triples that name it, and its row, None if no row has its key."""

    iri: str
    triples: Sequence[Quad]
    row: Mapping[str, object] | None

    def values(self, name: str) -> list[object]:
        """Return the values of a property: IRIs and texts as text, numbers as numbers."""
        return [_value(t.object) for t in self.triples if as_text(t.subject) == self.iri and t.predicate.value == name]


def line_violations(emission: Emission, columns: ObservationColumns) -> Iterator[Violation]:
    """Compare the number of lines written with the number that the cells require."""
    sql = (files(__package__) / "queries" / "lines.sql").read_text("utf-8")
    expected = int(columns.run(sql)[0][0])
    if emission.lines != expected:
        yield Violation("lines", texts={"actual": str(emission.lines), "expected": str(expected)})


def read_sample(
    emission: Emission, release: Release, iris: Iris, columns: ObservationColumns
) -> list[SampledObservation]:
    """Read the first complete observations of the file, each with its row."""
    triples: defaultdict[str, list[Quad]] = defaultdict(list)
    iri_prefix = iris.observation_prefix(release.dataset)
    beginning, is_all = _beginning(emission)
    for triple in parse(beginning, RdfFormat.N_TRIPLES):
        for term in (triple.subject, triple.object):
            if isinstance(term, NamedNode) and term.value.startswith(iri_prefix):
                triples[term.value].append(triple)
    # The last observation of a partial sample may lack triples.
    complete = list(triples) if is_all else list(triples)[:-1]
    keys = {iri: key for iri in complete if (key := _key_in(iri.removeprefix(iri_prefix)))}
    rows = _rows(columns, set(keys.values()))
    return [SampledObservation(iri, triples[iri], rows.get(keys.get(iri, ()))) for iri in complete]


def sample_violations(
    sample: Sequence[SampledObservation], release: Release, iris: Iris, columns: ObservationColumns
) -> Iterator[Violation]:
    """Compare each sampled observation with its row."""
    if not sample and columns.rows:
        yield Violation("sample", texts={"actual": "", "expected": iris.observation_prefix(release.dataset)})
    for observation in sample:
        if observation.row is None:
            yield Violation("sample", observation.iri, texts={"actual": observation.iri, "expected": ""})
        else:
            yield from _differences(observation, observation.row, iris.dataset(release.dataset), columns)


def key_of(row: Mapping[str, object]) -> dict[str, str | None]:
    """Return the cells that identify an observation."""
    return {name: str(row[name]) for name in KEY}


def _differences(
    observation: SampledObservation, row: Mapping[str, object], dataset: str, columns: ObservationColumns
) -> Iterator[Violation]:
    expected = {name: _expected(column, row[column.name]) for name, column in columns.columns.items()}
    expected[NAMESPACES["qb"] + "dataSet"] = [[dataset]]
    for name, allowed in expected.items():
        actual = observation.values(name)
        if actual not in allowed:
            texts = {"actual": ", ".join(map(str, actual)), "expected": ", ".join(map(str, allowed[0]))}
            yield Violation("sample", observation.iri, name, cells=key_of(row), texts=texts)


def _expected(column: ComponentColumn, cell: object) -> list[list[object]]:
    """Return the value lists that the graph may have for a cell; an empty cell may have an explicit empty value."""
    if cell is None:
        return [[""]] if column.is_filled else [[], [""]]
    return [[column.term(str(cell)) if column.terms is not None else cell]]


def _value(term: object) -> object:
    if isinstance(term, Literal) and term.datatype.value in NUMBERS:
        return float(term.value)
    return term.value if isinstance(term, Literal | NamedNode) else str(term)


def _beginning(emission: Emission) -> tuple[bytes, bool]:
    """Return the first complete lines of the file, with True if they are the whole file."""
    with decompressed_file(emission.path) as lines:
        content, block = b"", b"?"
        while block and len(content) < SAMPLE_LIMIT and content.count(b"\n") < SAMPLE_LINES:
            block = lines.read(SAMPLE_BYTES)
            content += block
    return content[: content.rfind(b"\n") + 1], not block


def _key_in(path: str) -> tuple[str, ...]:
    """Return the key in the path of an observation's IRI, or () if it has none."""
    parts = [unquote(part) for part in path.split("/")]
    try:
        parts[2] = period_from_slug(parts[2]).text
    except (ValueError, IndexError):
        return ()
    return tuple(parts) if len(parts) == len(KEY) else ()


def _rows(columns: ObservationColumns, keys: set[tuple[str, ...]]) -> dict[tuple[str, ...], dict[str, object]]:
    """Return the rows with these keys, in one scan."""
    if not keys:
        return {}
    names = ", ".join(quoted(name) for name in KEY)
    values = ", ".join(f"({', '.join(text(part) for part in key)})" for key in sorted(keys))
    result = columns.work.execute(
        f"SELECT * FROM {columns.relation} JOIN (VALUES {values}) AS k({names}) USING ({names})"
    )
    headers = [column[0] for column in result.description or ()]
    rows = (dict(zip(headers, row, strict=True)) for row in result.fetchall())
    return {tuple(str(row[name]) for name in KEY): row for row in rows}
