"""PostgreSQL, Redis and Solr, which a CKAN needs, each a process of its own on loopback."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.process import (
    BUILD,
    NotInstalledError,
    ServerProcess,
    free_port,
    installed,
    program,
    stopped_at_end,
    wait,
    wait_for_port,
)

HERE = Path(__file__).parent
SOLR = BUILD / "ckan" / "solr"
SUPERUSER = "ckan"
# The data are of one test run and need not survive a power cut.
NOT_DURABLE = [part for name in ("fsync", "synchronous_commit", "full_page_writes") for part in ("-c", f"{name}=off")]


def start(folder: Path, name: str, command: Sequence[Any], **options: Any) -> ServerProcess:
    """Start a server that writes NAME.log in the folder."""
    with (folder / f"{name}.log").open("wb") as log:
        return ServerProcess(command, stdout=log, stderr=subprocess.STDOUT, **options)


@contextmanager
def postgres(folder: Path, *, data: Path | None = None) -> Iterator[int]:
    """Run a PostgreSQL with the superuser SUPERUSER; its port. It begins with a copy of `data`, or empty."""
    # The server has a user of its own, which has to reach its folder below.
    folder.chmod(0o755)
    port, target = free_port(), folder / "postgres"
    if data:
        subprocess.run(["cp", "-a", str(data), str(target)], check=True)
    else:
        _initialise(target)
    where = ["-h", "127.0.0.1", "-p", str(port), "-k", str(target)]
    command = [*_as_postgres(), _programs() / "postgres", "-D", target, *where, *NOT_DURABLE]
    # SIGTERM would let it wait for its clients.
    with stopped_at_end(start(folder, "postgres", command, cwd="/"), signal.SIGINT):
        wait_for_port(port)
        wait(lambda: sql(port, "postgres", "SELECT 1"), (folder / "postgres.log").read_text)
        yield port


def sql(port: int, database: str, text: str) -> None:
    command = [program("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER]
    subprocess.run([*command, database], input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def _programs() -> Path:
    """Return the folder of Debian's newest PostgreSQL server. Raises NotInstalledError."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        raise NotInstalledError("PostgreSQL")
    return folders[-1]


def _as_postgres() -> list[str]:
    """Return the prefix of a command that runs it as Debian's user for PostgreSQL, which refuses to run as root."""
    if os.geteuid():
        return []
    owner = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]


def _initialise(data: Path) -> None:
    data.mkdir(mode=0o700)
    if _as_postgres():
        shutil.chown(data, "postgres", "postgres")
    options = ["--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--no-locale", "--no-sync"]
    command = [*_as_postgres(), _programs() / "initdb", "-D", data, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Run a Redis that keeps nothing on disk; its port."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
    with stopped_at_end(start(folder, "redis", [program("redis-server"), *options])):
        wait_for_port(port)
        yield port


@contextmanager
def solr(folder: Path, schema: Path) -> Iterator[int]:
    """Run a Solr with the core `ckan` of a schema; its port. It may not be ready yet."""
    libraries = installed(SOLR, HERE / "pom.xml", HERE / "Solr.java")
    home = folder / "solr"
    configuration = home / "ckan" / "conf"
    configuration.mkdir(parents=True)
    (home / "solr.xml").write_text("<solr/>\n")
    (home / "ckan" / "core.properties").write_text("name=ckan\n")
    for file in (HERE / "solrconfig.xml", schema):
        shutil.copy(file, configuration)
    for name in ("synonyms.txt", "protwords.txt"):
        (configuration / name).touch()
    port = free_port()
    options = [
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        f"-Dsolr.log.dir={home}",
        "-cp",
        f"{libraries}/classes:{libraries}/*",
    ]
    command = [program("java"), *options, "Solr", home, port]
    with stopped_at_end(start(folder, "solr", command, stdin=subprocess.PIPE)):
        yield port
