"""Fixtures: a published and served sample, real CKANs, a browser, and the folder of shared data where it exists."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.servers.ckan.instance import PLUGINS, SCHEMING, Ckan
from tests.servers.ckan.stack import Stack, running
from tests.servers.listener import Listener
from tests.servers.process import ROOT, START_SECONDS, ServerProcess, free_port, program
from tests.servers.supervisor import end_with_parent

SHARED = ROOT.parent / "shared" / "data"
VAVEN = Path(sys.executable).with_name("vaven")
SAMPLE = ROOT / "catalogue" / "sample"
# Files whose tests share a CKAN.
WITH_CKAN = ("test_ckan", "test_ckan_status", "test_ckan_api", "test_harvest")
# Their first use starts servers, which counts towards the time of a test.
SERVERS, SERVER_SECONDS = {"ckan_stack", "ckan", "plain_ckan"}, 900
# `make quick` runs these files: little processor time, and nothing beyond the Python packages.
QUICK_FILES = {
    "test_shapes", "test_vocab_data",
    "test_cases", "test_check", "test_disclosure", "test_messy_sheets", "test_packages", "test_read_options",
    "test_twenty_faults",
    "test_cached_by_state", "test_cube_link", "test_empty_answer", "test_fair_queue", "test_integrity_outcomes",
    "test_json_ld", "test_manifest", "test_sparql_lexer", "test_sparql_query_tree", "test_sparql_syntax_errors",
    "test_content_negotiation", "test_dereference_awkward", "test_headers",
    "test_house", "test_errors",
}  # fmt: skip
# Of these files, five seconds or more each.
SLOW_TESTS = {
    "test_every_command_line_of_the_readme_runs",
    "test_every_empty_w3c_query_has_a_reason_and_no_other",
    "test_the_cube_conforms_to_the_shapes_of_cube_link[basic-cube-constraint]",
}
# The files that take longest begin first, so that no process runs one of them alone at the end.
FIRST = (
    *WITH_CKAN, "test_ckan_versions", "test_publish", "test_hostile", "test_load_csv", "test_integrity_publish",
    "test_bad_queries", "test_graph_stores", "test_differential",
)  # fmt: skip


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Send a file's tests to one process, and all files that share a CKAN to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return "ckan" if Path(path).stem in WITH_CKAN else path


def pytest_configure(config: pytest.Config) -> None:
    # A worker in the middle of a test would go on after its controller has been killed, and its servers with it.
    if hasattr(config, "workerinput"):
        end_with_parent()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SERVER_SECONDS))
        if item.path.stem in QUICK_FILES and item.name not in SLOW_TESTS:
            item.add_marker(pytest.mark.quick)
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@dataclass(frozen=True)
class Site:
    """A serving process: its URL with closing slash, its data folder, and the environment of its commands."""

    url: str
    home: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a `vaven` command on the same data folder."""
        return vaven(*arguments, environment=self.environment)


def vaven(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the installed command in a folder, as a user types it."""
    command = [str(VAVEN), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, cwd=folder, check=False
    )


def environment(home: Path, port: int, **more: str) -> dict[str, str]:
    """Return the settings of a site on `port` with its data in `home`, without any of the caller's own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VAVEN_")}
    return inherited | {"VAVEN_HOME": str(home), "VAVEN_BASE_IRI": f"http://127.0.0.1:{port}/"} | more


class Serving:
    """`vaven serve` in a process of its own."""

    def __init__(self, home: Path, port: int, settings: Mapping[str, str]) -> None:
        command = [VAVEN, "serve", "--port", port]
        self.site = Site(f"http://127.0.0.1:{port}/", home, settings)
        with (home / "serve.log").open("w") as log:
            self._process = ServerProcess(command, env=settings, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self) -> Site:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.site.url + "healthz", timeout=5).close()
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.1)
            else:
                return self.site
        self.__exit__()
        raise RuntimeError((self.site.home / "serve.log").read_text())

    def __exit__(self, *_: object) -> None:
        self._process.stop(signal.SIGINT)

    @property
    def pid(self) -> int:
        """Id of the process that supervises the server, the only one that it starts."""
        return self._process.pid


@pytest.fixture(scope="session")
def whole_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Publish the sample by the installed command, and serve it by a real process."""
    home, port = tmp_path_factory.mktemp("whole-way"), free_port()
    settings = environment(home, port, VAVEN_QUERY_SECONDS="8")
    done = vaven("publish", SAMPLE / "exempel.xlsx", environment=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    with Serving(home, port, settings) as site:
        yield site


@pytest.fixture
def listener() -> Iterator[Listener]:
    counting = Listener()
    yield counting
    counting.close()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a copy of the sample package to change."""
    return Path(shutil.copytree(SAMPLE / "package", tmp_path / "package"))


@pytest.fixture(scope="module")
def published_triples(whole_way: Site) -> bytes:
    """Return every triple of the endpoint as N-Triples."""
    headers = {"Accept": "application/n-triples", "Content-Type": "application/sparql-query"}
    query = b"CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }"
    request = urllib.request.Request(whole_way.url + "sparql", data=query, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        triples: bytes = response.read()
    return triples


@pytest.fixture(scope="session")
def ckan_stack() -> Iterator[Stack]:
    with running() as stack:
        yield stack


@pytest.fixture(scope="session")
def plain_ckan(ckan_stack: Stack) -> Iterator[Ckan]:
    """Serve a CKAN without our dataset schema, as most are."""
    with ckan_stack.serving() as ckan:
        yield ckan


@pytest.fixture(scope="session")
def ckan(ckan_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ckan]:
    """Serve a CKAN with our dataset schema (ckanext-scheming), as `vaven ckan schema` writes it."""
    schema = tmp_path_factory.mktemp("scheming") / "vaven.json"
    assert vaven("ckan", "schema", "--output", schema).returncode == 0
    settings = [f"scheming.dataset_schemas = {schema.as_uri()}"]
    with ckan_stack.serving(plugins=f"{PLUGINS} {SCHEMING}", settings=settings) as ckan:
        yield ckan


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data; tests that need it are skipped where only the project is checked out."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def chromium() -> str:
    return program("chromium")


@pytest.fixture
def text_file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "data.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    def write(sheets: dict[str, list[list[Any]]], name: str = "data.xlsx") -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


def words(text: str) -> str:
    """Return a text in which each run of whitespace is a single blank."""
    return re.sub(r"\s+", " ", text).strip()
