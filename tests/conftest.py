"""Fixtures: the whole way as one running product, and the shared data where it is at hand."""

import os
import re
import shutil
import signal
import socket
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

from tests.servers.ckan.stack import PLUGINS, SCHEMING, Ckan, Stack, running
from tests.servers.listener import Listener

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
VAVEN = Path(sys.executable).with_name("vaven")
SAMPLE = ROOT / "catalogue" / "sample"
START_SECONDS = 60
# Files whose tests share a CKAN.
WITH_CKAN = ("test_ckan", "test_ckan_status", "test_ckan_api", "test_harvest")
# What takes longest begins first, so that no process is alone with it at the end.
FIRST = (
    *WITH_CKAN, "test_ckan_versions", "test_publish", "test_hostile", "test_load_csv", "test_integrity_publish",
    "test_bad_queries", "test_graph_stores",
)  # fmt: skip


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file's tests go to one process, and those of all files that share a CKAN to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return "ckan" if Path(path).stem in WITH_CKAN else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@dataclass(frozen=True)
class Site:
    """A serving process: its address with closing slash, its data folder, and the environment of its commands."""

    url: str
    home: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """A `vaven` command on the same data folder."""
        return vaven(*arguments, environment=self.environment)


def vaven(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """The installed command, as a person types it in a folder."""
    command = [str(VAVEN), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, cwd=folder, check=False
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(home: Path, port: int, **more: str) -> dict[str, str]:
    """The settings of a site on `port` with its data in `home`; nothing of the caller's own settings is left."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VAVEN_")}
    return kept | {"VAVEN_HOME": str(home), "VAVEN_BASE_IRI": f"http://127.0.0.1:{port}/"} | more


class Serving:
    """`vaven serve` in a process of its own, stopped by its id."""

    def __init__(self, home: Path, port: int, settings: Mapping[str, str]) -> None:
        command = [str(VAVEN), "serve", "--port", str(port)]
        self.site = Site(f"http://127.0.0.1:{port}/", home, settings)
        self._log = (home / "serve.log").open("w")
        self._process = subprocess.Popen(command, env=settings, stdout=self._log, stderr=subprocess.STDOUT)

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
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@pytest.fixture(scope="session")
def whole_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The installed command publishes the sample, and a real process serves it."""
    home, port = tmp_path_factory.mktemp("whole-way"), free_port()
    settings = environment(home, port, VAVEN_QUERY_SECONDS="8")
    done = vaven("publish", SAMPLE / "exempel.xlsx", environment=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    with Serving(home, port, settings) as site:
        yield site


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the sample package to change."""
    return Path(shutil.copytree(SAMPLE / "package", tmp_path / "package"))


@pytest.fixture(scope="module")
def published_triples(whole_way: Site) -> bytes:
    """Every triple that the endpoint gives, as N-Triples."""
    headers = {"Accept": "application/n-triples", "Content-Type": "application/sparql-query"}
    query = b"CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }"
    request = urllib.request.Request(whole_way.url + "sparql", data=query, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        triples: bytes = answer.read()
    return triples


@pytest.fixture(scope="session")
def ckan_stack() -> Iterator[Stack]:
    with running() as stack:
        yield stack


@pytest.fixture(scope="session")
def plain_ckan(ckan_stack: Stack) -> Iterator[Ckan]:
    """A CKAN as most are: no schema of ours."""
    with ckan_stack.serving() as ckan:
        yield ckan


@pytest.fixture(scope="session")
def ckan(ckan_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ckan]:
    """A CKAN that has our dataset schema (ckanext-scheming), as `vaven ckan schema` writes it."""
    schema = tmp_path_factory.mktemp("scheming") / "vaven.json"
    assert vaven("ckan", "schema", "--output", schema).returncode == 0
    more = [f"scheming.dataset_schemas = {schema.as_uri()}"]
    with ckan_stack.serving(plugins=f"{PLUGINS} {SCHEMING}", more=more) as ckan:
        yield ckan


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; tests that need it are skipped where only the project is checked out."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium")
    assert found, "make test installs chromium"
    return found


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
    """A text with blanks of every kind as single ones."""
    return re.sub(r"\s+", " ", text).strip()
