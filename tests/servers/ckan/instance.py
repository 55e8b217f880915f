"""One CKAN: its configuration, its commands, and the server process of its site."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ckan.services import HERE, start
from tests.servers.process import BUILD, ServerProcess, installed, stopped_at_end

# Their order counts: the first plugin that knows a dataset type wins.
PLUGINS = "datastore structured_data dcat dcat_rdf_harvester harvest ckan_harvester"
SCHEMING = "scheming_datasets scheming_nerf_index"
# The newest has all plugins; the older ones, which portals still run, the datastore alone.
NEWEST, OLDER = "2.12", ("2.10", "2.11")


@dataclass(frozen=True)
class Ckan:
    """A serving CKAN. `token` is of a sysadmin; `folder` contains its configuration, logs and data."""

    url: str
    token: str
    folder: Path
    environment: Mapping[str, str]

    def requests(self) -> int:
        """Return the number of requests that it has answered."""
        return (self.folder / "ckan.log").read_bytes().count(b" render time ")

    def run(self, *arguments: str) -> str:
        """Run a `ckan` command on this instance; returns its output. Raises RuntimeError."""
        return run_ckan(self.environment, *arguments)

    @contextmanager
    def working(self, *arguments: str) -> Iterator[None]:
        """Run a `ckan` command that does not end by itself, for example a consumer of a queue."""
        command = [*_ckan(self.environment), *arguments]
        with stopped_at_end(start(self.folder, arguments[-1], command, env=self.environment)):
            yield


def python_environment(version: str) -> Path:
    """Return the Python environment of a CKAN version. Raises NotInstalledError."""
    return installed(BUILD / "ckan" / f"venv-{version}", requirements(version))


def requirements(version: str) -> Path:
    return HERE / f"requirements-{version}.txt"


def configure(
    version: str,
    folder: Path,
    ports: Mapping[str, int],
    secret: str,
    *,
    plugins: str,
    settings: Sequence[str] = (),
    database: str = "",
) -> dict[str, str]:
    """Write an instance's configuration; returns the environment for its programs.

    `ports` has those of ckan, postgres, redis and solr. `settings` are lines that replace ckan.ini's. The databases are
    those of the instance whose port is `database`, or of its own port.
    """
    (folder / "storage").mkdir(parents=True)
    text = (HERE / "ckan.ini").read_text("utf-8").split("\n", 1)[1]
    replaced = {line.partition(" =")[0] for line in settings}
    text = "".join(line for line in text.splitlines(True) if line.partition(" =")[0] not in replaced)
    values = {
        **ports,
        "secret": secret,
        "database": database or ports["ckan"],
        "storage": folder / "storage",
        "plugins": plugins,
        "more": "\n".join(settings),
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    (folder / "ckan.ini").write_text(text, "utf-8")
    path = f"{python_environment(version) / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "CKAN_INI": str(folder / "ckan.ini"), "PATH": path, "PYTHONWARNINGS": "ignore"}


def run_ckan(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a `ckan` command; returns its output. Raises RuntimeError."""
    command = [*_ckan(environment), *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ckan {' '.join(arguments)}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout


def serve(folder: Path, port: int, environment: Mapping[str, str], workers: int) -> ServerProcess:
    options = ["--workers", str(workers), "--threads", "4", "--timeout", "120", "--graceful-timeout", "3"]
    command = [_program(environment, "gunicorn"), "--bind", f"127.0.0.1:{port}", *options]
    return start(folder, "ckan", [*command, "--chdir", HERE, "wsgi:application"], env=environment)


def _ckan(environment: Mapping[str, str]) -> list[str]:
    return [_program(environment, "ckan"), "-c", environment["CKAN_INI"]]


def _program(environment: Mapping[str, str], name: str) -> str:
    """Return a program of the CKAN version that an environment is of."""
    return str(Path(environment["PATH"].split(":", 1)[0]) / name)
