"""Three engines for the same queries over the same triples: the site, pyoxigraph in a process, Virtuoso.

`python -m benchmarks.answering FOLDER` is pyoxigraph over the snapshot in a folder: each line on standard input is a
query as JSON, and each line on standard output has the seconds and the number of rows of its result.
"""

import gzip
import io
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pyoxigraph import QueryResultsFormat, QuerySolutions, RdfFormat, Store

from benchmarks.site import BASE, Server, Site
from tests.servers.graph import PASSWORD, USER, virtuoso

CSV = "text/csv"
# The pages of 8 KB that Virtuoso may hold in memory, and the largest size of a result.
VIRTUOSO_PAGES, VIRTUOSO_ROWS = 170_000, 1_000_000


class Engine(Protocol):
    """Run a query; returns the seconds until the last byte of its result, and its rows."""

    def __call__(self, query: str) -> tuple[float, int]: ...


def by_site(server: Server) -> Engine:
    """Return the site as a client sees it, over HTTP."""

    def ask(query: str) -> tuple[float, int]:
        started = time.perf_counter()
        status, body = server.ask(query, CSV)
        seconds = time.perf_counter() - started
        if status != 200:
            raise SystemExit(f"The endpoint answered {status}: {body.decode()[:500]}\n{query}")
        return seconds, _rows(body)

    return ask


@contextmanager
def in_process(site: Site) -> Iterator[Engine]:
    """Run pyoxigraph by itself in a process that opens the snapshot once."""
    command = [sys.executable, "-m", "benchmarks.answering", str(site.snapshot.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        queries, results = process.stdin, process.stdout

        def ask(query: str) -> tuple[float, int]:
            queries.write(json.dumps(query) + "\n")
            queries.flush()
            seconds, rows = json.loads(results.readline())
            return float(seconds), int(rows)

        yield ask
        queries.close()


@contextmanager
def by_virtuoso(site: Site, folder: Path) -> Iterator[Engine]:
    """Run Debian's Virtuoso 7 with the same named graphs, loaded by its bulk loader, and query it over HTTP."""
    folder.mkdir()
    server = virtuoso(folder, pages=VIRTUOSO_PAGES, rows=VIRTUOSO_ROWS, readable=folder)
    try:
        statements = [
            f"ld_add('{path}', '{graph}');" for path, graph in _graphs(Store.read_only(str(site.snapshot.data)), folder)
        ]
        statements += ["rdf_loader_run();"] * 2 + ["checkpoint;"]
        login = ["isql-vt", server.sql, USER, PASSWORD]
        subprocess.run([*login, f"exec={' '.join(statements)}"], check=True, stdout=subprocess.DEVNULL)

        def ask(query: str) -> tuple[float, int]:
            request = urllib.request.Request(
                f"{server.query}?{urllib.parse.urlencode({'query': f'BASE <{BASE}> {query}'})}", headers={"Accept": CSV}
            )
            started = time.perf_counter()
            with urllib.request.urlopen(request, timeout=600) as response:
                body = response.read()
            return time.perf_counter() - started, _rows(body)

        yield ask
    finally:
        server.stop()


def _graphs(store: Store, folder: Path) -> Iterator[tuple[Path, str]]:
    """Write each named graph to a file; yields path and graph name."""
    for number, graph in enumerate(store.named_graphs()):
        path = folder / f"{number}.nt.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            store.dump(file, RdfFormat.N_TRIPLES, from_graph=graph)
        yield path, graph.value


def _rows(body: bytes) -> int:
    """Count the rows of a CSV without line ends in its cells, as the examples' results are; the header is no row."""
    return body.rstrip().count(b"\n")


def main(folder: str) -> None:
    store = Store.read_only(folder)
    for line in sys.stdin:
        result = io.BytesIO()
        started = time.perf_counter()
        solutions = store.query(json.loads(line), base_iri=BASE, use_default_graph_as_union=True)
        assert isinstance(solutions, QuerySolutions)
        solutions.serialize(result, QueryResultsFormat.CSV)
        seconds = time.perf_counter() - started
        print(json.dumps([seconds, _rows(result.getvalue())]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
