"""A real CKAN on loopback: PostgreSQL, Redis, Solr, and CKAN with its plugins, started, made ready and stopped again.

What it needs of Debian is installed by `make system-packages`, CKAN's own Python packages (requirements-*.txt,
pinned) and Solr (pom.xml) are fetched once into build/ckan. Each CKAN has an environment of its own, since its pins are
not ours.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
BUILT = ROOT / "build" / "ckan"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
# Their order counts: the first plugin that knows a dataset type wins.
PLUGINS = "datastore structured_data dcat dcat_rdf_harvester harvest ckan_harvester"
SCHEMING = "scheming_datasets scheming_nerf_index"
# The newest has all plugins; the older ones, which portals still run, the datastore alone.
NEWEST, OLDER = "2.12", ("2.10", "2.11")


@dataclass(frozen=True)
class Ckan:
    """A serving CKAN. `token` is of a sysadmin; `folder` holds its configuration, logs and data."""

    url: str
    token: str
    folder: Path
    environment: Mapping[str, str]

    def requests(self) -> int:
        """How many requests were answered so far."""
        return (self.folder / "ckan.log").read_bytes().count(b" render time ")

    def run(self, *arguments: str) -> str:
        """The `ckan` command on this instance; returns what it printed. Raises RuntimeError."""
        return _ckan(self.environment, *arguments)

    @contextmanager
    def working(self, *arguments: str) -> Iterator[None]:
        """A `ckan` command that goes on beside the instance, such as a consumer of a queue."""
        command = [_program(self.environment, "ckan"), "-c", self.environment["CKAN_INI"], *arguments]
        with _stopped_later(_start(self.folder, arguments[-1], command, env=self.environment)):
            yield


def install(version: str = NEWEST) -> None:
    """CKAN's environment and Solr's libraries, where they are not there yet. The first time takes about a minute."""
    BUILT.mkdir(parents=True, exist_ok=True)
    requirements = HERE / f"requirements-{version}.txt"
    _once(f"environment-{version}", requirements, lambda: _install_ckan(requirements, _venv(version)))
    _once("solr", HERE / "pom.xml", _install_solr)


def _venv(version: str) -> Path:
    return BUILT / f"venv-{version}"


def _program(environment: Mapping[str, str], name: str) -> str:
    """A program of the CKAN that an environment is of."""
    found = shutil.which(name, path=environment["PATH"])
    assert found
    return found


def _once(name: str, source: Path, make: Callable[[], None]) -> None:
    """Make something again only when its source has changed since."""
    mark = BUILT / f"{name}.made"
    if not mark.exists() or mark.read_text("utf-8") != source.read_text("utf-8"):
        make()
        mark.write_text(source.read_text("utf-8"), "utf-8")


def _install_ckan(requirements: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    # Without resolving: CKAN asks for psycopg2, which has no wheel; psycopg2-binary is the same code built.
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(requirements)]
    subprocess.run([str(place / "bin" / "python"), "-m", "pip", "install", *options], check=True)


def _install_solr() -> None:
    target = BUILT / "solr"
    shutil.rmtree(target, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    subprocess.run([*command, f"-DoutputDirectory={target}"], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Stack:
    """PostgreSQL, Redis and Solr at work, with an empty CKAN database to copy for each instance."""

    folder: Path
    ports: Mapping[str, int]
    secret: str
    token: str
    venv: Path

    @contextmanager
    def serving(
        self,
        *,
        plugins: str = PLUGINS,
        more: Sequence[str] = (),
        port: int = 0,
        workers: int = 2,
        database: "Ckan | None" = None,
    ) -> Iterator[Ckan]:
        """A CKAN of its own on this stack, or another one over the `database` of one that was started before. `more`
        are lines of configuration, which win over ckan.ini's."""
        port = port or _free_port()
        with socket.socket() as probe:
            # Whoever has the port already would answer in our stead.
            probe.bind(("127.0.0.1", port))
        folder = self.folder / f"ckan-{port}"
        environment = _configure(self.venv, folder, {**self.ports, "ckan": port}, self.secret, plugins, more, database)
        if not database:
            for name in ("ckan", "datastore"):
                _sql(self.ports["postgres"], "postgres", f"CREATE DATABASE {name}_{port} OWNER ckan TEMPLATE {name}_0")
        with _stopped_later(_start_ckan(folder, port, environment, workers)):
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/api/3/action/status_show", folder / "ckan.log")
            yield Ckan(url, self.token, folder, environment)


@contextmanager
def running(version: str = NEWEST) -> Iterator[Stack]:
    """The servers that a CKAN needs; everything that was started is stopped at the end, whatever happened."""
    install(version)
    venv = _venv(version)
    with ExitStack() as everything:
        folder = Path(everything.enter_context(tempfile.TemporaryDirectory(prefix="vaven-ckan-")))
        # The database runs as a user of its own, who has to reach its folder below.
        folder.chmod(0o755)
        ports = {name: _free_port() for name in ("postgres", "redis", "solr")}
        for start in (_start_postgres, _start_redis):
            everything.enter_context(_stopped_later(start(folder, ports[start.__name__.removeprefix("_start_")])))
        everything.enter_context(_stopped_later(_start_solr(folder, ports["solr"], venv)))
        _wait_for_port(ports["postgres"])
        _wait_for_port(ports["redis"])
        secret = secrets.token_hex(16)
        token = _fill_databases(folder, ports, secret, venv)
        _wait_for(f"http://127.0.0.1:{ports['solr']}/solr/ckan/admin/ping", folder / "solr.log")
        yield Stack(folder, ports, secret, token, venv)


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """A PostgreSQL alone, whose superuser is `ckan`; its port."""
    # The database runs as a user of its own, who has to reach its folder below.
    folder.chmod(0o755)
    port = _free_port()
    with _stopped_later(_start_postgres(folder, port)):
        _wait_for_port(port)
        _wait(lambda: _sql(port, "postgres", "SELECT 1"), (folder / "postgres.log").read_text)
        yield port


def _configure(
    venv: Path,
    folder: Path,
    ports: Mapping[str, int],
    secret: str,
    plugins: str,
    more: Sequence[str] = (),
    database: Ckan | None = None,
) -> dict[str, str]:
    """Write an instance's configuration; returns the environment for its programs."""
    (folder / "storage").mkdir(parents=True)
    text = (HERE / "ckan.ini").read_text("utf-8").split("\n", 1)[1]
    base = database.url.rsplit(":", 1)[1] if database else str(ports["ckan"])
    names = {"secret": secret, "database": base, "storage": folder / "storage", "plugins": plugins, **ports}
    given = {line.partition(" =")[0] for line in more}
    text = "".join(line for line in text.splitlines(True) if line.partition(" =")[0] not in given)
    for name, value in {**names, "more": "\n".join(more)}.items():
        text = text.replace(f"{{{name}}}", str(value))
    (folder / "ckan.ini").write_text(text, "utf-8")
    path = f"{venv / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "CKAN_INI": str(folder / "ckan.ini"), "PATH": path, "PYTHONWARNINGS": "ignore"}


def _ckan(environment: Mapping[str, str], *arguments: str) -> str:
    command = [_program(environment, "ckan"), "-c", environment["CKAN_INI"], *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ckan {' '.join(arguments)}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout


def _fill_databases(folder: Path, ports: Mapping[str, int], secret: str, venv: Path) -> str:
    """The databases of an instance that is never served; the others are copies of them, with its sysadmin, whose
    token is returned."""
    plugins = PLUGINS if venv == _venv(NEWEST) else "datastore"
    environment = _configure(venv, folder / "ckan-0", {**ports, "ckan": 0}, secret, plugins)
    _sql(ports["postgres"], "postgres", "CREATE ROLE reader LOGIN")
    for name in ("ckan_0", "datastore_0"):
        _sql(ports["postgres"], "postgres", f"CREATE DATABASE {name} OWNER ckan ENCODING 'utf-8' TEMPLATE template0")
    _ckan(environment, "db", "upgrade")
    _sql(ports["postgres"], "datastore_0", _ckan(environment, "datastore", "set-permissions"))
    user, password = "vaven", secrets.token_urlsafe(12)
    _ckan(environment, "user", "add", user, "email=vaven@example.org", f"password={password}")
    _ckan(environment, "sysadmin", "add", user)
    return _ckan(environment, "user", "token", "add", user, "test", "-q").strip().splitlines()[-1].strip()


def _sql(port: int, database: str, text: str) -> None:
    command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "ckan", database]
    subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def _start_postgres(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """PostgreSQL refuses to run as root, so root hands it to Debian's user for it."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(data, owner.pw_uid, owner.pw_gid)
        as_user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    settings = ["--auth=trust", "--username=ckan", "--encoding=UTF8", "--no-locale", "--no-sync"]
    subprocess.run(
        [programs / "initdb", "-D", data, *settings], check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user
    )
    # Nothing here outlives the test, so nothing need survive a power cut.
    fast = [
        argument for name in ("fsync", "synchronous_commit", "full_page_writes") for argument in ("-c", f"{name}=off")
    ]
    where = ["-h", "127.0.0.1", "-p", str(port), "-k", str(data)]
    return _start(folder, "postgres", [programs / "postgres", "-D", data, *where, *fast], cwd="/", **as_user)


def _start_redis(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    return _start(
        folder, "redis", ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
    )


def _start_solr(folder: Path, port: int, venv: Path) -> "subprocess.Popen[bytes]":
    home = folder / "solr"
    configuration = home / "ckan" / "conf"
    configuration.mkdir(parents=True)
    (home / "solr.xml").write_text("<solr/>\n")
    (home / "ckan" / "core.properties").write_text("name=ckan\n")
    shutil.copy(HERE / "solrconfig.xml", configuration)
    (schema,) = (venv / "lib").glob("python3.*/site-packages/ckan/config/solr/schema.xml")
    shutil.copy(schema, configuration)
    for name in ("synonyms.txt", "protwords.txt"):
        (configuration / name).touch()
    options = ["-Xmx512m", f"-Dsolr.log.dir={home}", "-cp", f"{BUILT / 'solr'}/*"]
    return _start(
        folder, "solr", ["java", *options, str(HERE / "Solr.java"), str(home), str(port)], stdin=subprocess.PIPE
    )


def _start_ckan(folder: Path, port: int, environment: Mapping[str, str], workers: int) -> "subprocess.Popen[bytes]":
    options = [
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        str(workers),
        "--threads",
        "4",
        "--timeout",
        "120",
        "--graceful-timeout",
        "3",
    ]
    command = [_program(environment, "gunicorn"), *options, "--chdir", str(HERE), "wsgi:application"]
    return _start(folder, "ckan", command, env=environment)


def _start(folder: Path, name: str, command: Sequence[Any], **options: Any) -> "subprocess.Popen[bytes]":
    # The kernel ends a server whose starter was killed and could not.
    command = ["setpriv", "--pdeathsig", "INT", *map(str, command)]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options)


@contextmanager
def _stopped_later(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        if process.stdin:
            process.stdin.close()
        # PostgreSQL takes SIGTERM as the wish to wait for its clients; SIGINT ends it at once.
        process.send_signal(signal.SIGINT if any("postgres" in part for part in process.args) else signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int) -> None:
    _wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), lambda: f"nothing listens on {port}")


def _wait_for(address: str, log: Path) -> None:
    _wait(lambda: urllib.request.urlopen(address, timeout=30).close(), lambda: log.read_text(errors="replace")[-4000:])


def _wait(attempt: Callable[[], None], why: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return attempt()
        except (OSError, subprocess.CalledProcessError) as cause:
            if time.monotonic() > deadline:
                raise RuntimeError(why()) from cause
            time.sleep(0.1)
