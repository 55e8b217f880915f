"""Build the columns of a snapshot: a dictionary of terms, the small triples, and one file of columns per release.

A file of a release is never changed, and the next snapshots link to it: the ids of terms stay the same when something
is published.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow
from pyoxigraph import RdfFormat, parse

from vaven.publisher.columns.observation_ids import (
    FILE,
    FIRST_OBSERVATION,
    PART_BITS,
    PARTS,
    QUANTITY,
    UNDEFINED,
    observation_ids,
    parts_of,
)
from vaven.publisher.columns.terms import XSD, encode, iri, literal, split_literal
from vaven.publisher.columns.values import order_text
from vaven.publisher.rdf.agents import publisher_key
from vaven.publisher.rdf.compression import decompressed_file
from vaven.publisher.rdf.files import rdf_suffix
from vaven.publisher.releases.areas import ReleasedArea
from vaven.schemas.standard.sql import DECIMALS, FEW_DIGITS, plain, text
from vaven.schemas.tables.tables import About
from vaven.vocab import register
from vaven.vocab.errors import StoreUnavailable
from vaven.vocab.iris import Iris, segment
from vaven.vocab.periods import parse_period
from vaven.vocab.register import TOTAL

FORMATS = {".nt": RdfFormat.N_TRIPLES, ".ttl": RdfFormat.TURTLE}
# Scaled numbers up to this one are BIGINT, and those of a release with a larger one HUGEINT.
LARGEST_NARROW = 900_000_000
NUMBERS = ("value", "numerator", "denominator", "ci_lower", "ci_upper")
# The columns of ids, and the released columns with their codes.
CODED = {
    "area": "neighbourhood",
    "kpi": "kpi",
    "period": "period",
    "age": "age_group",
    "sex": "sex",
    "status": "status",
    "method": "method",
    "unit": "kpi",
}
MEMORY = "512MB"


@dataclass(frozen=True)
class ReleasedColumns:
    """The data of a release: its description, its areas, and its files, asked for by need.

    `graph` is the IRI of its graph, and `triples` are the graph's files; `metadata` has its triples but those of
    observations, and `observations` is the Parquet file.
    """

    dataset: str
    version: int
    graph: str
    about: About
    areas: Sequence[ReleasedArea]
    observations: Callable[[], Path]
    metadata: Callable[[], Path]
    triples: Callable[[], Sequence[Path]]

    @property
    def file_name(self) -> str:
        return f"{self.dataset}-{self.version}.duckdb"


@dataclass(frozen=True)
class _Part:
    """A release in the snapshot: its number never belongs to another."""

    number: int
    release: ReleasedColumns


class Dictionary:
    """Terms by id, and ids by term, which are given once and for all; some are segments of observations' IRIs."""

    def __init__(self, rows: Iterable[tuple[str, str | None]] = ()) -> None:
        pairs = list(rows)
        self.terms = [term for term, _ in pairs]
        self.segments = {i: segment_ for i, (_, segment_) in enumerate(pairs) if segment_ is not None}
        self.ids = {term: i for i, term in enumerate(self.terms)}

    def id(self, term: str) -> int:
        known = self.ids.get(term)
        if known is None:
            known = self.ids[term] = len(self.terms)
            self.terms.append(term)
        return known

    def coded(self, target: str, part: str) -> int:
        """Return the id of a code's IRI, and note the code's segment in the IRIs of observations."""
        number = self.id(iri(target))
        self.segments[number] = part
        return number


@dataclass
class _Tables:
    """The rows of a snapshot's tables. `next_number` is the first number that no release has had.

    `codes` are the ids that the columns of a part may have, by the columns' names: a query for a term reads no others.
    """

    dictionary: Dictionary = field(default_factory=Dictionary)
    triples: list[tuple[int, ...]] = field(default_factory=list)
    codes: list[tuple[int, int, str, str | None]] = field(default_factory=list)
    names: list[tuple[int, int, str]] = field(default_factory=list)
    periods: dict[int, tuple[int, int]] = field(default_factory=dict)
    next_number: int = 0

    @classmethod
    def start(cls, work: duckdb.DuckDBPyConnection, previous: Path | None) -> Self:
        """Read the dictionary of the snapshot before, if any, and the first number that it has not used."""
        if previous is None:
            return cls()
        work.execute(f"ATTACH {text(previous / FILE)} AS previous (READ_ONLY)")
        query = f"SELECT term, segment FROM previous.terms WHERE id < {FIRST_OBSERVATION} ORDER BY id"
        dictionary = Dictionary(work.execute(query).fetchall())
        (next_number,) = work.execute("SELECT next_number FROM previous.state").fetchone() or (0,)
        work.execute("DETACH previous")
        return cls(dictionary, next_number=next_number)

    def read(self, work: duckdb.DuckDBPyConnection, previous: Path, changed: Iterable[str]) -> None:
        """Add the tables of the snapshot before, without the triples of changed graphs."""
        work.execute(f"ATTACH {text(previous / FILE)} AS previous (READ_ONLY)")
        dictionary = self.dictionary
        graphs = [dictionary.ids.get(iri(graph), -1) for graph in changed]
        # An observation is a mere term again until `_resolve`: its release may have been replaced.
        query = f"SELECT id, term FROM previous.terms WHERE id >= {FIRST_OBSERVATION}"
        plain = {number: dictionary.id(term) for number, term in work.execute(query).fetchall()}
        query = "SELECT g, s, p, o FROM previous.triples WHERE NOT list_contains($1, g) ORDER BY ALL"
        rows = work.execute(query, [graphs]).fetchall()
        triples: list[tuple[int, ...]] = [(g, plain.get(s, s), p, plain.get(o, o)) for g, s, p, o in rows]
        self.triples += triples
        self.codes += work.execute("SELECT part, id, name, segment FROM previous.codes ORDER BY ALL").fetchall()
        self.names += work.execute("SELECT part, id, name FROM previous.names ORDER BY ALL").fetchall()
        self.periods |= {i: (a, b) for i, a, b in work.execute("FROM previous.periods ORDER BY ALL").fetchall()}
        work.execute("DETACH previous")


@dataclass(frozen=True)
class PreparedColumns:
    """The columns of a release that is in no snapshot yet, and the dictionary with the terms of its codes.

    `prepare` numbers these terms as the next snapshot after `previous` will have them, so that `write` can run before
    the rest of that snapshot is known, in another process too.
    """

    part: _Part
    previous: Path | None
    path: Path
    tables: _Tables
    codes: Mapping[str, Sequence[tuple[str, int]]]
    constants: Mapping[str, int]

    def write(self, *, is_beside: bool = False) -> None:
        """Write the file of columns: ids of terms, and exact decimals. Raises StoreUnavailable for an unknown code.

        `is_beside` leaves a processor to the process that goes on meanwhile.
        """
        _write_columns(self, {"threads": max(len(os.sched_getaffinity(0)) - 1, 1)} if is_beside else {})


def prepare(release: ReleasedColumns, iris: Iris, previous: Path | None, path: Path) -> PreparedColumns:
    """Number the terms of a release's codes. `previous` is the folder of the current snapshot.

    Cost: a scan of the coded columns.
    """
    with duckdb.connect(config={"memory_limit": MEMORY}) as work:
        return _prepared(work, _Tables.start(work, previous), release, iris, previous, path)


def build(
    folder: Path,
    iris: Iris,
    graphs: Mapping[str, Sequence[Path]],
    releases: Sequence[ReleasedColumns],
    previous: Path | None = None,
    prepared: PreparedColumns | None = None,
) -> None:
    """Write the columns of a snapshot into its folder.

    `releases` are all that the snapshot shows. `graphs` are the other graphs that have changed, with the files of their
    triples (.nt, .ttl, also compressed); without files, a graph is dropped. `previous` is the folder of the snapshot
    before, whose releases and unchanged graphs are taken from there. `prepared` are columns that have been written
    upon that snapshot; their file is moved.
    """
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(folder / FILE), config={"memory_limit": MEMORY}) as work:
        known = _known_numbers(work, previous) if previous else {}
        new = [release for release in releases if (release.dataset, release.version) not in known]
        datasets = {release.dataset for release in releases}
        changed = [*graphs, *(release.graph for release in new)]
        changed += [iris.dataset(dataset) for dataset, _ in known if dataset not in datasets]
        if prepared and prepared.previous == previous:
            tables = prepared.tables
        else:
            tables, prepared = _Tables.start(work, previous), None
        if previous:
            tables.read(work, previous, changed)
        files = dict(graphs) | {release.graph: [release.metadata()] for release in new}
        tables.triples += _small_triples(files, tables.dictionary)
        parts = []
        for release in releases:
            target, number = folder / PARTS / release.file_name, known.get((release.dataset, release.version))
            if number is not None and previous:
                os.link(previous / PARTS / release.file_name, target)
                parts.append(_Part(number, release))
            elif prepared and prepared.part.release.file_name == release.file_name:
                shutil.move(prepared.path, target)
                parts.append(_Part(prepared.part.number, release))
            else:
                columns = _prepared(work, tables, release, iris, previous, target)
                columns.write()
                parts.append(columns.part)
        _write(work, tables, parts, iris)
        _resolve(work, folder, parts, iris)


def _known_numbers(work: duckdb.DuckDBPyConnection, previous: Path) -> dict[tuple[str, int], int]:
    """Return the numbers of the releases in the snapshot before."""
    work.execute(f"ATTACH {text(previous / FILE)} AS previous (READ_ONLY)")
    rows = work.execute("SELECT dataset, version, number FROM previous.parts").fetchall()
    work.execute("DETACH previous")
    return {(dataset, version): number for dataset, version, number in rows}


def _resolve(work: duckdb.DuckDBPyConnection, folder: Path, parts: Sequence[_Part], iris: Iris) -> None:
    """Give observations and quantities that small triples name the ids that they have as observations.

    The dictionary has them by both ids, so that looking up a term of a small triple needs no observations.
    """
    prefixes = [f"<{iris.base}id/{kind}/" for kind in ("observation", "quantity")]
    starts = " OR ".join(f"starts_with(term, {text(prefix)})" for prefix in prefixes)
    # Triples of unchanged graphs already have them, so that no column of another release is read.
    used = "id IN (SELECT s FROM triples UNION ALL SELECT o FROM triples)"
    terms = work.execute(f"SELECT term, id FROM terms WHERE ({starts}) AND {used}").fetchall()
    if not terms:
        return
    for part in parts:
        work.execute(f"ATTACH {text(folder / PARTS / part.release.file_name)} AS part_{part.number} (READ_ONLY)")
    known = observation_ids(work, parts_of(work), [term for term, _ in terms])
    changes = [(known[term], number) for term, number in terms if term in known]
    for column in ("s", "o"):
        for new, old in changes:
            work.execute(f"UPDATE triples SET {column} = $1 WHERE {column} = $2", [new, old])
    for new, old in changes:
        work.execute("INSERT INTO terms SELECT $1, * EXCLUDE (id, segment), NULL FROM terms WHERE id = $2", [new, old])
    for part in parts:
        work.execute(f"DETACH part_{part.number}")


def _small_triples(graphs: Mapping[str, Sequence[Path]], dictionary: Dictionary) -> Iterator[tuple[int, ...]]:
    """Yield the triples of the changed graphs as ids, each once; blank nodes get labels of their graph."""
    for graph, paths in graphs.items():
        g, seen = dictionary.id(iri(graph)), set()
        for i, path in enumerate(paths):
            with decompressed_file(path) as text_:
                for quad in parse(text_, format=FORMATS[rdf_suffix(path)]):
                    terms = map(encode, (quad.subject, quad.predicate, quad.object))
                    triple = tuple(dictionary.id(f"_g{g}f{i}{t[1:]}" if t[0] == "_" else t) for t in terms)
                    if triple not in seen:
                        seen.add(triple)
                        yield (g, *triple)


def _write(work: duckdb.DuckDBPyConnection, tables: _Tables, parts: Sequence[_Part], iris: Iris) -> None:
    numbers = {part.number for part in parts}
    codes = list(dict.fromkeys(row for row in tables.codes if row[0] in numbers))
    names = [row for row in tables.names if row[0] in numbers]
    periods = [(i, *ends) for i, ends in tables.periods.items()]
    prefix = "id/quantity/"
    rows = [
        (
            part.number,
            part.release.dataset,
            part.release.version,
            part.release.file_name,
            iris.observation_prefix(part.release.dataset),
            f"{iris.base}{prefix}{segment(part.release.dataset)}/",
        )
        for part in parts
    ]
    # Ids have one type everywhere: a join of columns of two types casts one, and filters no scan by the other.
    id_, integer, string = pyarrow.int64(), pyarrow.int32(), pyarrow.string()
    _create(work, "triples", tables.triples, dict.fromkeys("gspo", id_), "p, s, o, g")
    kinds = {"part": integer, "id": id_, "name": string, "segment": string}
    _create(work, "codes", codes, kinds, "id, part, name")
    _create(work, "names", names, {"part": integer, "id": id_, "name": string}, "part, id")
    _create(work, "periods", periods, {"id": id_, "started": id_, "ended": id_}, "id")
    kinds = {"number": integer, "dataset": string, "version": integer, "file": string, "prefix": string}
    _create(work, "parts", rows, kinds | {"measure_prefix": string}, "number")
    _create(work, "state", [(tables.next_number, iris.base)], {"next_number": integer, "base": string}, "base")
    _write_terms(work, tables.dictionary)


def _create(
    work: duckdb.DuckDBPyConnection,
    name: str,
    rows: Sequence[tuple[Any, ...]],
    kinds: Mapping[str, pyarrow.DataType],
    order: str,
) -> None:
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    arrays = [pyarrow.array(column, kind) for column, kind in zip(cells, kinds.values(), strict=True)]
    work.register("batch", pyarrow.table(arrays, names=list(kinds)))
    work.execute(f"CREATE TABLE {name} AS SELECT * FROM batch ORDER BY {order}")
    work.unregister("batch")


def _write_terms(work: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """Write the dictionary with what queries ask of a term: its rank in ORDER BY, text, language and IRI segment."""
    ranks = [0] * len(dictionary.terms)
    ordered = sorted(range(len(ranks)), key=lambda i: order_text(dictionary.terms[i]))
    for rank, i in enumerate(ordered):
        ranks[i] = rank
    rows = []
    for i, term in enumerate(dictionary.terms):
        tag, lexical = split_literal(term) if term[0] == '"' else ("", term[1:])
        readable = None if term[0] == "_" else lexical
        language = None if term[0] != '"' else tag[1:] if tag[:1] == "@" else ""
        rows.append((i, term, ranks[i], readable, language, dictionary.segments.get(i)))
    integer, string = pyarrow.int32(), pyarrow.string()
    kinds = {
        "id": pyarrow.int64(),
        "term": string,
        "rank": integer,
        "text": string,
        "language": string,
        "segment": string,
    }
    _create(work, "terms", rows, kinds, "id")


def _prepared(
    work: duckdb.DuckDBPyConnection,
    tables: _Tables,
    release: ReleasedColumns,
    iris: Iris,
    previous: Path | None,
    path: Path,
) -> PreparedColumns:
    part, dictionary = _Part(tables.next_number, release), tables.dictionary
    tables.next_number += 1
    targets = {
        "graph": release.graph,
        "publisher": iris.organisation(publisher_key(release.about)),
        "observation_set": iris.observation_set(release.dataset, release.version),
    }
    constants = {name: dictionary.id(iri(target)) for name, target in targets.items()}
    tables.codes += [(part.number, number, name, None) for name, number in constants.items()]
    observations = work.read_parquet(str(release.observations()))
    return PreparedColumns(part, previous, path, tables, _codes(observations, part, iris, tables), constants)


def _write_columns(columns: PreparedColumns, settings: Mapping[str, Any]) -> None:
    part, path = columns.part, columns.path
    fixed = ", ".join(f"{number}::BIGINT AS {name}" for name, number in columns.constants.items())
    with duckdb.connect(str(path), config={"memory_limit": MEMORY, **settings}) as work:
        work.read_parquet(str(part.release.observations()), file_row_number=True).create_view("observations")
        coded = [_coded(work, name, column, columns.codes[name]) for name, column in CODED.items()]
        largest = f"max(greatest({', '.join(f'abs({name})' for name in NUMBERS)}))"
        query = f"SELECT count(*), {largest}, count(ci_lower) + count(ci_upper), count(method) FROM observations"
        count, maximum, bounds, methods = work.execute(query).fetchone() or (0, 0, 0, 0)
        kind = "BIGINT" if (maximum or 0) < LARGEST_NARROW else "HUGEINT"
        numbers = []
        for name in NUMBERS:
            is_stated = name == "value" or (bounds and name.startswith("ci_"))
            exact = _scaled(name, kind)
            numbers.append(f"coalesce({exact}, ({UNDEFINED})::{kind}) AS {name}" if is_stated else f"{exact} AS {name}")
        first = FIRST_OBSERVATION + (part.number << PART_BITS)
        # No join: rows after one are in the order in which threads wrote them, and to sort them takes twice as long.
        work.execute(
            f"""CREATE TABLE columns AS SELECT {first} + file_row_number AS id, {fixed}, {", ".join(coded)},
                {", ".join(numbers)}, sample_size, note,
                sex = '{TOTAL}' AND age_group = '{TOTAL}' AND value IS NOT NULL AS is_report FROM observations"""
        )
        work.execute("ALTER TABLE columns ADD COLUMN quantity BIGINT")
        quantity = f"SELECT kpi, value, min(id) + {QUANTITY} AS id FROM columns WHERE is_report GROUP BY ALL"
        work.execute(
            f"""UPDATE columns SET quantity = q.id FROM ({quantity}) q
                WHERE q.kpi = columns.kpi AND q.value = columns.value AND is_report"""
        )
        required = " AND ".join(f"{name} IS NOT NULL" for name in CODED if name != "method")
        query = f"SELECT count(*) FILTER ({required}), count(method) FROM columns"
        written, written_methods = work.execute(query).fetchone() or (0, 0)
        for name in CODED:
            work.execute(f"DROP TYPE {name}_code")
    if unknown := max(count - written, methods - written_methods):
        raise StoreUnavailable("publisher.graph-not-loaded", cause=f"{unknown} rows have unknown codes")


def _coded(work: duckdb.DuckDBPyConnection, name: str, column: str, rows: Sequence[tuple[str, int]]) -> str:
    """Return SQL of the ids of a column's codes, NULL for an unknown one; its type is to be dropped afterwards."""
    work.execute(f"CREATE TYPE {name}_code AS ENUM ({', '.join(text(code) for code, _ in rows)})")
    ids = ", ".join(str(number) for _, number in rows)
    return f"([{ids}]::BIGINT[])[enum_code(TRY_CAST({column} AS {name}_code))::BIGINT + 1] AS {name}"


def _scaled(name: str, kind: str) -> str:
    """Return SQL of a number as the digits that publisher/cube writes as xsd:decimal, without their point."""
    digits = f"replace(CAST(CAST({plain(name)} AS DECIMAL(38, {DECIMALS})) AS VARCHAR), '.', '')::{kind}"
    # The product of a number with few digits differs from the exact integer by less than a quarter.
    return f"CASE WHEN abs({name}) < {FEW_DIGITS} THEN round({name} * 1e{DECIMALS})::{kind} ELSE {digits} END"


def _codes(
    observations: duckdb.DuckDBPyRelation, part: _Part, iris: Iris, tables: _Tables
) -> dict[str, list[tuple[str, int]]]:
    """Return for each coded column its codes with the ids of their terms, and add these to the snapshot's tables."""
    dictionary, known = tables.dictionary, register.kpis()
    areas = {area.code: area for area in part.release.areas}

    def values(column: str) -> list[str]:
        return [value for (value,) in observations.select(column).distinct().order("1").fetchall() if value is not None]

    codes = {
        "area": [(c, dictionary.coded(areas[c].iri(iris), segment(c))) for c in values("neighbourhood")],
        "kpi": [(c, dictionary.coded(iris.kpi(c), segment(c))) for c in values("kpi")],
        "period": [(c, dictionary.coded(iris.period(c), segment(parse_period(c).slug))) for c in values("period")],
        "age": [(c, dictionary.coded(iris.age(c), segment(c))) for c in values("age_group")],
        "sex": [(s.id, dictionary.coded(s.properties["sdmx_iri"], s.id)) for s in register.codes("sexes").values()],
        "status": [(c, dictionary.id(iri(iris.status(c)))) for c in register.codes("statuses")],
        "method": [(c, dictionary.id(iri(iris.method(c)))) for c in register.codes("methods")],
    }
    codes["unit"] = [(c, dictionary.id(iri(known[c].unit_iri))) for c, _ in codes["kpi"]]
    for name, rows in codes.items():
        tables.codes += [(part.number, number, name, dictionary.segments.get(number)) for _, number in rows]
    tables.names += [(part.number, number, areas[c].name) for c, number in codes["area"]]
    tables.names += [(part.number, number, known[c].text("en")) for c, number in codes["kpi"]]
    tables.names += [(part.number, number, c) for c, number in codes["period"]]
    for code, number in codes["period"]:
        period = parse_period(code)
        moments = (f"{period.start}T00:00:00", f"{period.end}T23:59:59")
        started, ended = (dictionary.id(literal(moment, f"{XSD}dateTime")) for moment in moments)
        tables.periods[number] = started, ended
        tables.codes += [(part.number, started, "started", None), (part.number, ended, "ended", None)]
    return codes
