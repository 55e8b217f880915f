"""Three engines for the same questions over the same data: the site, Virtuoso, and SQL written by hand for DuckDB.

The SQL of each example query is a file in sql/. It reads the releases' Parquet files and, for what these lack (labels,
the register, metadata), a Parquet file of all other triples, in one process that has them open.
"""

import gzip
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import duckdb
from pyoxigraph import RdfFormat, serialize

from benchmarks.site import AREA, BASE, EXAMPLE_KPIS, Server, Site
from tests.servers.graph import PASSWORD, USER, virtuoso
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import RDF, decode_triple
from vaven.schemas.standard.sql import text
from vaven.vocab.example_queries import examples

CSV = "text/csv"
SQL = Path(__file__).with_name("sql")
# The pages of 8 KB that Virtuoso may hold in memory, and the largest size of a result.
VIRTUOSO_PAGES, VIRTUOSO_ROWS = 170_000, 1_000_000
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
# Areas and years that constants are taken from, and years from the earlier to the later of a change.
MOST_AREAS, FIRST_YEAR, LAST_YEAR, YEARS_BETWEEN = 100, 2015, 2024, 4
SMALL_TRIPLES = """
    SELECT g.text, s.term, p.term, o.term FROM triples
    JOIN terms g ON g.id = triples.g JOIN terms s ON s.id = triples.s
    JOIN terms p ON p.id = triples.p JOIN terms o ON o.id = triples.o ORDER BY g.text
"""
FACTS = """
    COPY (
        SELECT subject, property, object, language,
            -- The code of a partner's own area follows the name of its dataset.
            regexp_extract(subject, '(?:/own/[^/.]*[.]|/)([^/]*)$', 1) AS code,
            CASE WHEN starts_with(subject, $base || 'id/area/') THEN 'area'
                WHEN starts_with(subject, $base || 'id/kpi/') THEN 'kpi'
                WHEN starts_with(subject, $base || 'id/status/') THEN 'status'
                WHEN starts_with(subject, 'http://reference.data.gov.uk/id/') THEN 'period' END AS kind
        FROM (
            SELECT coalesce(s.text, s.term) AS subject, coalesce(map($iris, $names)[p.text], p.text) AS property,
                coalesce(o.text, o.term) AS object, o.language
            FROM triples JOIN terms s ON s.id = triples.s JOIN terms p ON p.id = triples.p
            JOIN terms o ON o.id = triples.o
        ) ORDER BY property, subject
    ) TO {facts}
"""


@dataclass(frozen=True)
class Constants:
    """The area, KPI and years of one request; no two requests in a row have the same."""

    area: str
    kpi: str
    year: int
    first_year: int

    def in_sparql(self, name: str) -> str:
        """Return an example query about these."""
        query = examples()[name].query(BASE).replace(AREA, self.area)
        query = re.sub(rf"id/kpi/(?:{'|'.join(EXAMPLE_KPIS)})>", f"id/kpi/{self.kpi}>", query)
        years = {"2024": self.year, "2020": self.first_year}
        return re.sub(r"year:(2024|2020)", lambda match: f"year:{years[match[1]]}", query)

    def in_sql(self, name: str) -> str:
        """Return the SQL of an example query about these."""
        template = (SQL / f"{name}.sql").read_text("utf-8")
        values = {"area": self.area, "kpi": self.kpi, "year": self.year, "first_year": self.first_year, "base": BASE}
        return template.format(**values)


class Engine(Protocol):
    """Run an example query; returns the seconds until the last byte or row of its result, and its rows."""

    def __call__(self, name: str, constants: Constants) -> tuple[float, int]: ...


def all_constants(site: Site) -> Iterator[Constants]:
    """Yield constants that have values, without end."""
    with duckdb.connect() as work:
        observations = work.read_parquet(str(site.file("observations.parquet")))
        kpis = observations.aggregate("kpi, count(*) AS n").order("n DESC, kpi").limit(len(EXAMPLE_KPIS)).fetchall()
        areas = observations.select("neighbourhood").distinct().order("1").limit(MOST_AREAS).fetchall()
    number = 0
    while True:
        year = FIRST_YEAR + number % (LAST_YEAR + 1 - FIRST_YEAR)
        yield Constants(areas[number % len(areas)][0], kpis[number % len(kpis)][0], year, year - YEARS_BETWEEN)
        number += 1


def by_site(server: Server) -> Engine:
    """Return the site as a client sees it, over HTTP."""

    def ask(name: str, constants: Constants) -> tuple[float, int]:
        query = constants.in_sparql(name)
        started = time.perf_counter()
        status, body = server.ask(query, CSV)
        seconds = time.perf_counter() - started
        if status != 200:
            raise SystemExit(f"The endpoint answered {status}: {body.decode()[:500]}\n{query}")
        return seconds, _rows(body)

    return ask


@contextmanager
def by_hand(site: Site, folder: Path) -> Iterator[Engine]:
    """Run the SQL of this folder in this process."""
    folder.mkdir()
    files = [str(path) for path in site.home.glob("releases/*/*/observations.parquet")]
    columns = Columns(site.snapshot.folder)
    prefixes = {**site.iris.prefixes, "rdf": RDF, "rdfs": RDFS}
    names = {
        predicate: f"{prefix}:{predicate.removeprefix(iri)}"
        for predicate in columns.predicates
        for prefix, iri in prefixes.items()
        if re.fullmatch(re.escape(iri) + r"[\w-]+", predicate)
    }
    columns.close()
    facts = folder / "facts.parquet"
    with duckdb.connect() as work:
        work.execute(f"ATTACH {text(site.snapshot.folder / 'columns.duckdb')} AS snapshot (READ_ONLY)")
        work.execute("USE snapshot")
        work.execute(
            FACTS.format(facts=text(facts)), {"base": BASE, "iris": list(names), "names": list(names.values())}
        )
    with duckdb.connect() as work:
        tables = (SQL / "tables.sql").read_text("utf-8").format(observations=files, facts=text(facts))
        work.execute(tables)

        def ask(name: str, constants: Constants) -> tuple[float, int]:
            query = constants.in_sql(name)
            started = time.perf_counter()
            rows = work.execute(query).fetchall()
            return time.perf_counter() - started, len(rows)

        yield ask


@contextmanager
def by_virtuoso(site: Site, folder: Path) -> Iterator[Engine]:
    """Run Debian's Virtuoso 7 with the same named graphs, loaded by its bulk loader, and query it over HTTP."""
    folder.mkdir()
    server = virtuoso(folder, pages=VIRTUOSO_PAGES, rows=VIRTUOSO_ROWS, readable=folder)
    try:
        statements = [f"ld_add('{path}', '{graph}');" for path, graph in _graphs(site, folder)]
        statements += ["rdf_loader_run();"] * 2 + ["checkpoint;"]
        login = ["isql-vt", server.sql, USER, PASSWORD]
        subprocess.run([*login, f"exec={' '.join(statements)}"], check=True, stdout=subprocess.DEVNULL)

        def ask(name: str, constants: Constants) -> tuple[float, int]:
            parameters = urllib.parse.urlencode({"query": f"BASE <{BASE}> {constants.in_sparql(name)}"})
            request = urllib.request.Request(f"{server.query}?{parameters}", headers={"Accept": CSV})
            started = time.perf_counter()
            with urllib.request.urlopen(request, timeout=600) as response:
                body = response.read()
            return time.perf_counter() - started, _rows(body)

        yield ask
    finally:
        server.stop()


def _graphs(site: Site, folder: Path) -> Iterator[tuple[Path, str]]:
    """Write the triples of the snapshot as compressed N-Triples; yields path and graph name."""
    columns = Columns(site.snapshot.folder)
    rows = columns.connection.execute(SMALL_TRIPLES).fetchall()
    columns.close()
    for number, (graph, triples) in enumerate(groupby(rows, key=lambda row: row[0])):
        path = folder / f"{number}.nt.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            serialize((decode_triple(triple) for _, *triple in triples), file, RdfFormat.N_TRIPLES)
        yield path, graph
    for dataset, version in site.snapshot.contents.items():
        path = folder / f"{dataset}.nt.gz"
        shutil.copyfile(site.home / "releases" / dataset / str(version) / "observations.nt.gz", path)
        yield path, site.iris.dataset(dataset)


def _rows(body: bytes) -> int:
    """Count the rows of a CSV without line ends in its cells, as the examples' results are; the header is no row."""
    return body.rstrip().count(b"\n")
