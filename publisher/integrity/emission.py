"""What was really written as N-Triples, held against the columns that it was made of.

The number of lines shows that no row was lost or doubled on the way; a sample, parsed as any reader would, shows that
the lines say what the rows say. A sample is the beginning of the file: to unpack all of it would take seconds.
"""

import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import unquote

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from vaven.publisher.cube.observations import Emission
from vaven.publisher.integrity.columns import ComponentColumn, ObservationColumns
from vaven.publisher.integrity.constraints import Violation, as_text
from vaven.publisher.releases.release import Release
from vaven.schemas.tables.sql import quoted, text
from vaven.vocab.iris import NAMESPACES, Iris
from vaven.vocab.periods import period_from_slug

KEY = ("neighbourhood", "kpi", "period", "sex", "age_group")
NUMBERS = frozenset(NAMESPACES["xsd"] + kind for kind in ("decimal", "integer"))
# Some tens of observations; the limit is for those with notes as long as a file.
SAMPLE_BYTES = 1 << 16
SAMPLE_LIMIT = 1 << 24
SAMPLE_LINES = 100


@dataclass(frozen=True)
class SampledObservation:
    """An observation of the sample: its IRI, the triples that name it, and its row, None where no row is meant."""

    iri: str
    triples: Sequence[Quad]
    row: Mapping[str, object] | None

    def values(self, name: str) -> list[object]:
        """The values of a property: IRIs and texts as text, numbers as numbers."""
        return [_value(t.object) for t in self.triples if as_text(t.subject) == self.iri and t.predicate.value == name]


def line_violations(emitted: Emission, columns: ObservationColumns) -> Iterator[Violation]:
    """Whether as many lines were written as the cells have to say."""
    sql = (files(__package__) / "queries" / "lines.sql").read_text("utf-8")
    expected = int(columns.run(sql)[0][0])
    if emitted.lines != expected:
        yield Violation("lines", texts={"said": str(emitted.lines), "expected": str(expected)})


def read_sample(emitted: Emission, made: Release, iris: Iris, columns: ObservationColumns) -> list[SampledObservation]:
    """The first observations of the file that are there whole, each with its row."""
    triples: defaultdict[str, list[Quad]] = defaultdict(list)
    stem = iris.observation_stem(made.dataset)
    beginning, is_all = _beginning(emitted)
    for triple in parse(beginning, RdfFormat.N_TRIPLES):
        for term in (triple.subject, triple.object):
            if isinstance(term, NamedNode) and term.value.startswith(stem):
                triples[term.value].append(triple)
    whole = list(triples) if is_all else list(triples)[:-1]
    keys = {iri: key for iri in whole if (key := _key_in(iri.removeprefix(stem)))}
    rows = _rows(columns, set(keys.values()))
    return [SampledObservation(iri, triples[iri], rows.get(keys.get(iri, ()))) for iri in whole]


def sample_violations(
    sampled: Sequence[SampledObservation], made: Release, iris: Iris, columns: ObservationColumns
) -> Iterator[Violation]:
    """Where a sampled observation does not say what its row says."""
    if not sampled and columns.rows:
        yield Violation("sample", texts={"said": "", "expected": iris.observation_stem(made.dataset)})
    for one in sampled:
        if one.row is None:
            yield Violation("sample", one.iri, texts={"said": one.iri, "expected": ""})
        else:
            yield from _disagreeing(one, one.row, iris.dataset(made.dataset), columns)


def key_of(row: Mapping[str, object]) -> dict[str, str | None]:
    """The cells that name an observation."""
    return {name: str(row[name]) for name in KEY}


def _disagreeing(
    one: SampledObservation, row: Mapping[str, object], dataset: str, columns: ObservationColumns
) -> Iterator[Violation]:
    expected = {name: _expected(column, row[column.name]) for name, column in columns.columns.items()}
    expected[NAMESPACES["qb"] + "dataSet"] = [[dataset]]
    for name, allowed in expected.items():
        said = one.values(name)
        if said not in allowed:
            texts = {"said": ", ".join(map(str, said)), "expected": ", ".join(map(str, allowed[0]))}
            yield Violation("sample", one.iri, name, cells=key_of(row), texts=texts)


def _expected(column: ComponentColumn, cell: object) -> list[list[object]]:
    """The values that the graph may have for a cell: an empty one may also be said to be empty."""
    if cell is None:
        return [[""]] if column.is_filled else [[], [""]]
    return [[column.term(str(cell)) if column.terms is not None else cell]]


def _value(term: object) -> object:
    if isinstance(term, Literal) and term.datatype.value in NUMBERS:
        return float(term.value)
    return term.value if isinstance(term, Literal | NamedNode) else str(term)


def _beginning(emitted: Emission) -> tuple[bytes, bool]:
    """The first whole lines of the file, and whether they are all of them."""
    with gzip.open(emitted.path, "rb") as lines:
        found, more = b"", b"?"
        while more and len(found) < SAMPLE_LIMIT and found.count(b"\n") < SAMPLE_LINES:
            more = lines.read(SAMPLE_BYTES)
            found += more
    return found[: found.rfind(b"\n") + 1], not more


def _key_in(path: str) -> tuple[str, ...]:
    """The key that an observation's IRI is made of; () where it is made of something else."""
    parts = [unquote(part) for part in path.split("/")]
    try:
        parts[2] = period_from_slug(parts[2]).text
    except (ValueError, IndexError):
        return ()
    return tuple(parts) if len(parts) == len(KEY) else ()


def _rows(columns: ObservationColumns, keys: set[tuple[str, ...]]) -> dict[tuple[str, ...], dict[str, object]]:
    """The rows with these keys; one scan for all of them."""
    if not keys:
        return {}
    names = ", ".join(quoted(name) for name in KEY)
    wanted = ", ".join(f"({', '.join(text(part) for part in key)})" for key in sorted(keys))
    found = columns.work.execute(
        f"SELECT * FROM {columns.relation} JOIN (VALUES {wanted}) AS k({names}) USING ({names})"
    )
    heads = [head[0] for head in found.description or ()]
    rows = (dict(zip(heads, row, strict=True)) for row in found.fetchall())
    return {tuple(str(row[name]) for name in KEY): row for row in rows}
