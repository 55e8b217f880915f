"""Ways to have the same queries answered from the same triples: the site, pyoxigraph in a process, Virtuoso.

`python -m benchmarks.answering FOLDER` is pyoxigraph over the snapshot in a folder: each line on standard input is a
query as JSON, and the line that it answers with has the seconds and the rows of the whole answer.
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
# What Virtuoso may hold of the database in memory, in pages of 8 KB, and rows that it answers with.
VIRTUOSO_PAGES, VIRTUOSO_ROWS = 170_000, 1_000_000


class Way(Protocol):
    """How a query comes to its answer: seconds until its last byte is there, and its rows."""

    def __call__(self, query: str) -> tuple[float, int]: ...


def by_site(server: Server) -> Way:
    """Over HTTP, as a client would."""

    def ask(query: str) -> tuple[float, int]:
        started = time.perf_counter()
        status, body = server.ask(query, CSV)
        seconds = time.perf_counter() - started
        if status != 200:
            raise SystemExit(f"The endpoint answered {status}: {body.decode()[:500]}\n{query}")
        return seconds, _rows(body)

    return ask


@contextmanager
def in_process(site: Site) -> Iterator[Way]:
    """pyoxigraph with nothing around it, in a process that opens the snapshot once."""
    command = [sys.executable, "-m", "benchmarks.answering", str(site.snapshot.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        given, said = process.stdin, process.stdout

        def ask(query: str) -> tuple[float, int]:
            given.write(json.dumps(query) + "\n")
            given.flush()
            seconds, rows = json.loads(said.readline())
            return float(seconds), int(rows)

        yield ask
        given.close()


@contextmanager
def by_virtuoso(site: Site, folder: Path) -> Iterator[Way]:
    """Debian's Virtuoso 7 over HTTP, with the same named graphs, read by its bulk loader."""
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
            with urllib.request.urlopen(request, timeout=600) as answer:
                body = answer.read()
            return time.perf_counter() - started, _rows(body)

        yield ask
    finally:
        server.stop()


def _graphs(store: Store, folder: Path) -> Iterator[tuple[Path, str]]:
    """Each named graph as a file that Virtuoso may read, with its name."""
    for number, graph in enumerate(store.named_graphs()):
        path = folder / f"{number}.nt.gz"
        with gzip.open(path, "wb", compresslevel=1) as packed:
            store.dump(packed, RdfFormat.N_TRIPLES, from_graph=graph)
        yield path, graph.value


def _rows(body: bytes) -> int:
    """Of a CSV without line ends in its cells, as the examples' are, without its header."""
    return body.rstrip().count(b"\n")


def main(folder: str) -> None:
    store = Store.read_only(folder)
    for line in sys.stdin:
        answer = io.BytesIO()
        started = time.perf_counter()
        found = store.query(json.loads(line), base_iri=BASE, use_default_graph_as_union=True)
        assert isinstance(found, QuerySolutions)
        found.serialize(answer, QueryResultsFormat.CSV)
        seconds = time.perf_counter() - started
        print(json.dumps([seconds, _rows(answer.getvalue())]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
