"""The databases of an empty CKAN, prepared once per version: `python -m tests.servers.ckan.database VERSION FOLDER`.

FOLDER then contains the files of a stopped PostgreSQL, in which ckan_0 and datastore_0 belong to an instance that is
never served, and `credentials.json`: the secret that signs tokens, and a sysadmin's token. Takes half a minute.
"""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.servers.ckan.instance import NEWEST, PLUGINS, configure, requirements, run_ckan
from tests.servers.ckan.services import HERE, SUPERUSER, postgres, redis, sql
from tests.servers.process import BUILD, free_port, installed

USER = "vaven"


@dataclass(frozen=True)
class Credentials:
    """The secret that signs an instance's tokens, and the token of a sysadmin."""

    secret: str
    token: str


@dataclass(frozen=True)
class PreparedDatabase:
    """`data` is to be copied for a PostgreSQL of its own."""

    data: Path
    credentials: Credentials


def prepared(version: str) -> PreparedDatabase:
    """Return the prepared databases of a version. Raises NotInstalledError."""
    folder = installed(BUILD / "ckan" / f"database-{version}", requirements(version), HERE / "ckan.ini")
    return PreparedDatabase(folder / "postgres", Credentials(**json.loads((folder / "credentials.json").read_text())))


def prepare(version: str, target: Path) -> None:
    """Write the databases of a version to an empty folder."""
    with tempfile.TemporaryDirectory(prefix="vaven-ckan-") as temporary:
        folder = Path(temporary)
        with postgres(folder) as database, redis(folder) as queue:
            ports = {"postgres": database, "redis": queue, "solr": free_port(), "ckan": 0}
            credentials = _fill(version, folder, ports)
        subprocess.run(["cp", "-a", str(folder / "postgres"), str(target)], check=True)
    (target / "credentials.json").write_text(json.dumps(asdict(credentials)))


def _fill(version: str, folder: Path, ports: dict[str, int]) -> Credentials:
    secret = secrets.token_hex(16)
    plugins = PLUGINS if version == NEWEST else "datastore"
    environment = configure(version, folder / "ckan-0", ports, secret, plugins=plugins)
    sql(ports["postgres"], "postgres", "CREATE ROLE reader LOGIN")
    for name in ("ckan_0", "datastore_0"):
        create = f"CREATE DATABASE {name} OWNER {SUPERUSER} ENCODING 'utf-8' TEMPLATE template0"
        sql(ports["postgres"], "postgres", create)
    run_ckan(environment, "db", "upgrade")
    sql(ports["postgres"], "datastore_0", run_ckan(environment, "datastore", "set-permissions"))
    password = secrets.token_urlsafe(12)
    run_ckan(environment, "user", "add", USER, "email=vaven@example.org", f"password={password}")
    run_ckan(environment, "sysadmin", "add", USER)
    output = run_ckan(environment, "user", "token", "add", USER, "test", "-q")
    return Credentials(secret, output.strip().splitlines()[-1].strip())


if __name__ == "__main__":
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    Path(sys.argv[2]).mkdir(parents=True)
    prepare(sys.argv[1], Path(sys.argv[2]))
