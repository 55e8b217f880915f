"""A site as users run it, published to and served by the installed command, for the benchmarks that query it."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Cost, measure
from benchmarks.observations import LICENCE_AND_PUBLISHER, write_observations
from tests.servers.process import free_port
from vaven.publisher.graph.snapshot import Snapshot, current_snapshot
from vaven.publisher.settings import Settings
from vaven.vocab.areas import areas
from vaven.vocab.iris import Iris

VAVEN = Path(sys.executable).with_name("vaven")
SLUG = "bench"
BASE = "http://vaven.example/"
START_SECONDS = 120.0
POLL_SECONDS = 0.2
# The example queries are about this area and these KPIs.
AREA, EXAMPLE_KPIS = "0180C6070", ("trygg-morker", "sysselsatta", "uvas-16-24")
ROWS_AN_AREA = 360
KPIS = 5


@dataclass(frozen=True)
class Server:
    """A serving process: its URL with closing slash, and its id."""

    url: str
    pid: int

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body, whatever the status; `headers` have underscores instead of hyphens."""
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, headers=spelled)
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def ask(self, query: str, accept: str = "application/sparql-results+json", **headers: str) -> tuple[int, bytes]:
        return self.get(query_path(query), Accept=accept, Accept_Encoding="identity", **headers)

    def workers(self) -> list[int]:
        """Return the ids of its current query workers."""
        parents = [self.pid]
        # They are forks of a child of the web process, which is a child of the server.
        for words in ("serve", "vaven.publisher.engine.worker_process", "vaven.publisher.engine.worker_process"):
            command = ["pgrep", "-f", words, "-P", ",".join(map(str, parents)) or "0"]
            output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            parents = [int(number) for number in output.split()]
        return parents


@dataclass(frozen=True)
class Site:
    """A data folder with one base IRI wherever it is served."""

    home: Path

    @property
    def iris(self) -> Iris:
        return Iris(BASE)

    @property
    def snapshot(self) -> Snapshot:
        current = current_snapshot(Settings(home=self.home).graph_folder)
        if current is None:
            raise SystemExit(f"Nothing is published in {self.home}.")
        return current

    def file(self, name: str) -> Path:
        return self.home / "releases" / SLUG / "1" / name

    def publish_command(self, table: Path, dataset: str = SLUG) -> list[str]:
        """Return the command that publishes a table; with `dataset` "", a data package, which states more itself."""
        command = [str(VAVEN), "publish", str(table)]
        if dataset:
            command += ["--dataset", dataset, "--licence", str(LICENCE_AND_PUBLISHER.licence)]
            command += ["--publisher", str(LICENCE_AND_PUBLISHER.publisher)]
        return command

    def publish(self, table: Path, dataset: str = SLUG) -> Cost:
        cost = measure(self.publish_command(table, dataset), environment=self.environment)
        if cost.exit_code:
            raise SystemExit(f"vaven publish ended with exit code {cost.exit_code}.")
        return cost

    @contextmanager
    def serving(self, **settings: str) -> Iterator[Server]:
        """Run `vaven serve`. `settings` are VAVEN_… without the prefix, in lower case."""
        port = free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        variables = {f"VAVEN_{name.upper()}": value for name, value in settings.items()}
        with (self.home / "serve.log").open("w") as log:
            process = subprocess.Popen(
                [str(VAVEN), "serve", "--port", str(port)],
                env={**os.environ, **self.environment, **variables},
                stdout=log,
                stderr=log,
            )
            try:
                server = Server(f"http://127.0.0.1:{port}/", process.pid)
                _wait(server, process, self.home / "serve.log")
                yield server
            finally:
                process.terminate()
                process.wait(60)

    @property
    def environment(self) -> dict[str, str]:
        return {"VAVEN_HOME": str(self.home), "VAVEN_BASE_IRI": BASE}


def submission(path: Path, rows: int) -> Path:
    """Write a CSV of valid observations: areas from all of Sweden, with the KPIs of the example queries first."""
    count = max(rows // (ROWS_AN_AREA * KPIS), 1)
    every = list(areas().deso2018)
    chosen = [AREA, *(code for code in every[:: len(every) // count] if code != AREA)]
    return write_observations(path, rows, codes=chosen[: count + 1], first_kpis=EXAMPLE_KPIS)


def query_path(query: str) -> str:
    return f"sparql?{urllib.parse.urlencode({'query': query})}"


def wait_for(server: Server, query: str, publishing: "Future[Cost]") -> None:
    """Wait until an ASK is true. Raises SystemExit if it is not when publishing has ended."""
    while re.search(rb'"boolean"\s*:\s*true', server.ask(query)[1]) is None:
        if publishing.done() and re.search(rb'"boolean"\s*:\s*true', server.ask(query)[1]) is None:
            raise SystemExit(f"The endpoint lacks the published observation: {query}")
        time.sleep(POLL_SECONDS)


def _wait(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if server.get("healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"vaven serve did not start:\n{log.read_text()}")
