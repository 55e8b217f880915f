"""A real CKAN on loopback: PostgreSQL, Redis, Solr, and CKAN with its plugins, started and stopped again.

`make test-environment` installs everything: Debian's packages, CKAN's own Python packages (requirements-*.txt, pinned),
Solr (pom.xml) and the databases of an empty CKAN, all of them in build/ckan. Each CKAN version has a Python environment
of its own, since its pins are not ours.
"""

import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ckan.database import Credentials, prepared
from tests.servers.ckan.instance import NEWEST, PLUGINS, Ckan, configure, python_environment, serve
from tests.servers.ckan.services import SUPERUSER, postgres, redis, solr, sql
from tests.servers.process import free_port, stopped_at_end, wait_for_url


@dataclass(frozen=True)
class Stack:
    """Running PostgreSQL, Redis and Solr, with the databases of an empty CKAN to copy for each instance."""

    version: str
    folder: Path
    ports: Mapping[str, int]
    credentials: Credentials

    @contextmanager
    def serving(
        self,
        *,
        plugins: str = PLUGINS,
        settings: Sequence[str] = (),
        port: int = 0,
        workers: int = 2,
        database: Ckan | None = None,
    ) -> Iterator[Ckan]:
        """Serve a CKAN with an empty database, or another one over the `database` of one that was started before.

        `settings` are lines of configuration, which replace ckan.ini's.
        """
        port = port or free_port()
        with socket.socket() as probe:
            # Another server on the port would answer in our stead.
            probe.bind(("127.0.0.1", port))
        if not database:
            for name in ("ckan", "datastore"):
                copy = f"CREATE DATABASE {name}_{port} OWNER {SUPERUSER} TEMPLATE {name}_0"
                sql(self.ports["postgres"], "postgres", copy)
        folder = self.folder / f"ckan-{port}"
        environment = configure(
            self.version,
            folder,
            {**self.ports, "ckan": port},
            self.credentials.secret,
            plugins=plugins,
            settings=settings,
            database=database.url.rsplit(":", 1)[1] if database else "",
        )
        with stopped_at_end(serve(folder, port, environment, workers)):
            url = f"http://127.0.0.1:{port}"
            wait_for_url(f"{url}/api/3/action/status_show", folder / "ckan.log")
            yield Ckan(url, self.credentials.token, folder, environment)


@contextmanager
def running(version: str = NEWEST) -> Iterator[Stack]:
    """Run the servers that a CKAN needs. All of them are stopped at the end, whatever happened."""
    (schema,) = python_environment(version).glob("lib/python3.*/site-packages/ckan/config/solr/schema.xml")
    database = prepared(version)
    with ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="vaven-ckan-")))
        ports = {
            "solr": servers.enter_context(solr(folder, schema)),
            "postgres": servers.enter_context(postgres(folder, data=database.data)),
            "redis": servers.enter_context(redis(folder)),
        }
        wait_for_url(f"http://127.0.0.1:{ports['solr']}/solr/ckan/admin/ping", folder / "solr.log")
        yield Stack(version, folder, ports, database.credentials)
