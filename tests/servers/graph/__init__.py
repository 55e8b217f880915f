"""Real graph servers on loopback to publish to: Virtuoso, Oxigraph and Fuseki, each in a folder of its own.

`make test-environment` installs them: Virtuoso from Debian, Oxigraph from PyPI, and Fuseki (pom.xml) from Maven into
build/fuseki. The peculiarities of each server are described at its function.
"""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import BUILD, START_SECONDS, ServerProcess, free_port, free_ports, installed, program

HERE = Path(__file__).parent
USER, PASSWORD = "dba", "correct horse"

VIRTUOSO = """
[Database]
DatabaseFile = virtuoso.db
ErrorLogFile = virtuoso.log
LockFile = virtuoso.lck
TransactionFile = virtuoso.trx
xa_persistent_file = virtuoso.pxa
FileExtend = 200
TempStorage = TempDatabase
[TempDatabase]
DatabaseFile = temporary.db
TransactionFile = temporary.trx
[Parameters]
ServerPort = 127.0.0.1:{sql}
DisableUnixSocket = 1
NumberOfBuffers = {pages}
MaxDirtyBuffers = {dirty}
DirsAllowed = {readable}
[HTTPServer]
ServerPort = 127.0.0.1:{http}
ServerRoot = .
[SPARQL]
ResultSetMaxRows = {rows}
"""
FUSEKI = """
PREFIX fuseki: <http://jena.apache.org/fuseki#>
PREFIX tdb2: <http://jena.apache.org/2016/tdb#>
[] a fuseki:Server ; fuseki:passwd "{folder}/passwd" ; fuseki:auth "basic" .
<#service> a fuseki:Service ; fuseki:name "ds" ; fuseki:dataset <#dataset> ;
    fuseki:endpoint [ fuseki:operation fuseki:query ; fuseki:name "sparql" ] ;
    fuseki:endpoint [ fuseki:operation fuseki:gsp-r ; fuseki:name "get" ] ;
    fuseki:endpoint [ fuseki:operation fuseki:update ; fuseki:name "update" ; fuseki:allowedUsers "{user}" ] ;
    fuseki:endpoint [ fuseki:operation fuseki:gsp-rw ; fuseki:name "data" ; fuseki:allowedUsers "{user}" ] .
<#dataset> a tdb2:DatasetTDB2 ; tdb2:location "{folder}/database" ; tdb2:unionDefaultGraph true .
"""


@dataclass
class GraphServer:
    """A server of a `kind`, which may be killed and started again over its own data.

    `query`, `update` and `graph` are its endpoints, `frozen` a graph endpoint that refuses to write. Writing needs a
    user and a password where `user` is not empty. `sql` is the address of its own protocol, where it has one.
    """

    kind: str
    folder: Path
    command: Sequence[str]
    query: str
    update: str
    graph: str
    frozen: str
    user: str = ""
    password: str = ""
    sql: str = ""
    process: ServerProcess | None = None

    def start(self) -> None:
        """Start and wait until it responds. Raises RuntimeError with its log."""
        with (self.folder / "log").open("ab") as log:
            self.process = ServerProcess(self.command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not _responds(self.query):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.1)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.stop(how)
            self.process = None


def virtuoso(folder: Path, *, pages: int = 20_000, rows: int = 5_000, readable: Path | None = None) -> GraphServer:
    """Start a Virtuoso. Writing needs a login by Digest. Creating its database takes some seconds.

    `pages` of 8 KB are held in memory, `rows` is the largest size of a result; it loads files from `readable`.
    """
    http, sql = free_ports(2)
    settings = {"pages": pages, "dirty": pages * 3 // 4, "rows": rows, "readable": readable or folder}
    (folder / "virtuoso.ini").write_text(VIRTUOSO.format(http=http, sql=sql, **settings))
    at = f"http://127.0.0.1:{http}"
    server = GraphServer(
        kind="virtuoso",
        folder=folder,
        command=[program("virtuoso-t"), "+foreground", "+configfile", str(folder / "virtuoso.ini")],
        query=f"{at}/sparql",
        update=f"{at}/sparql-auth",
        graph=f"{at}/sparql-graph-crud-auth",
        frozen=f"{at}/sparql-graph-crud",
        user=USER,
        password=PASSWORD,
        sql=f"127.0.0.1:{sql}",
    )
    server.start()
    # A killed server would have forgotten a password that no checkpoint has written down.
    change = f'set password "dba" "{PASSWORD}"; checkpoint;'
    login = [program("isql-vt"), server.sql, "dba", "dba"]
    subprocess.run([*login, f"exec={change}"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    return server


def oxigraph(folder: Path) -> GraphServer:
    """Start an Oxigraph, which anybody may write to."""
    port = free_port()
    at = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).with_name("oxigraph"), "serve", "--location", folder / "data"]
    server = GraphServer(
        kind="oxigraph",
        folder=folder,
        command=[*map(str, command), "--bind", f"127.0.0.1:{port}"],
        query=f"{at}/query",
        update=f"{at}/update",
        graph=f"{at}/store",
        frozen=f"{at}/query",
    )
    server.start()
    return server


def fuseki(folder: Path) -> GraphServer:
    """Start a Fuseki on TDB2, whose default graph is the union of the others. Writing needs a login by Basic."""
    (folder / "passwd").write_text(f"{USER}: {PASSWORD}, writer\n")
    (folder / "config.ttl").write_text(FUSEKI.format(folder=folder, user=USER))
    return _fuseki("fuseki", folder, ["--config", str(folder / "config.ttl")], user=USER, password=PASSWORD)


def jena(folder: Path) -> GraphServer:
    """Start a Fuseki in memory, where literals keep their lexical forms. Anybody may write to it."""
    return _fuseki("jena", folder, ["--mem", "--update", "/ds"])


def _fuseki(kind: str, folder: Path, options: list[str], *, user: str = "", password: str = "") -> GraphServer:
    libraries, port = installed(BUILD / "fuseki", HERE / "pom.xml"), free_port()
    at, main = f"http://127.0.0.1:{port}/ds", "org.apache.jena.fuseki.main.cmds.FusekiMainCmd"
    java = [program("java"), "-Xmx1g", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*", main]
    server = GraphServer(
        kind=kind,
        folder=folder,
        command=[*java, "--localhost", "--port", str(port), *options],
        query=f"{at}/sparql",
        update=f"{at}/update",
        graph=f"{at}/data",
        frozen=f"{at}/get",
        user=user,
        password=password,
    )
    server.start()
    return server


KINDS = {"virtuoso": virtuoso, "oxigraph": oxigraph, "fuseki": fuseki}


def _responds(query: str) -> bool:
    headers = {"Accept": "application/sparql-results+json"}
    request = urllib.request.Request(f"{query}?query=SELECT%20*%20%7B%7D%20LIMIT%201", headers=headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
