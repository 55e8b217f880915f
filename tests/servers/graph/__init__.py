"""Real graph servers on loopback to publish to: Virtuoso, Oxigraph and Fuseki, each in a folder of its own.

Virtuoso comes from Debian (`make system-packages`), Oxigraph from PyPI with the other packages for tests, and Fuseki
(pom.xml) from Maven once into build/fuseki. What each does in its own way is written beside it.
"""

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
BUILT = ROOT / "build" / "fuseki"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
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

    `query`, `update` and `graph` are its addresses, `frozen` one that takes no graph. A user and a password are
    needed to write where `user` is not empty. `sql` is the address of its own protocol, where it has one.
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
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start and wait until it answers. Raises RuntimeError with its log."""
        # The kernel ends a server whose starter was killed and could not.
        command = ["setpriv", "--pdeathsig", "KILL", *self.command]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.query):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.1)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def virtuoso(folder: Path, *, pages: int = 20_000, rows: int = 5_000, readable: Path | None = None) -> GraphServer:
    """Needs a login by Digest to write. Its first start makes a database, which takes some seconds.

    `pages` of 8 KB are held in memory, `rows` is the most that it answers with; it loads files from `readable`.
    """
    http, sql = free_ports(2)
    settings = {"pages": pages, "dirty": pages * 3 // 4, "rows": rows, "readable": readable or folder}
    (folder / "virtuoso.ini").write_text(VIRTUOSO.format(http=http, sql=sql, **settings))
    at = f"http://127.0.0.1:{http}"
    server = GraphServer(
        kind="virtuoso",
        folder=folder,
        command=["virtuoso-t", "+foreground", "+configfile", str(folder / "virtuoso.ini")],
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
    login = ["isql-vt", server.sql, "dba", "dba"]
    subprocess.run([*login, f"exec={change}"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    return server


def oxigraph(folder: Path) -> GraphServer:
    """Asks nobody who he is."""
    (port,) = free_ports(1)
    at = f"http://127.0.0.1:{port}"
    program = Path(sys.executable).with_name("oxigraph")
    server = GraphServer(
        kind="oxigraph",
        folder=folder,
        command=[str(program), "serve", "--location", str(folder / "data"), "--bind", f"127.0.0.1:{port}"],
        query=f"{at}/query",
        update=f"{at}/update",
        graph=f"{at}/store",
        frozen=f"{at}/query",
    )
    server.start()
    return server


def fuseki(folder: Path) -> GraphServer:
    """On TDB2, whose default graph is the union of the others. Needs a login by Basic to write."""
    _install_fuseki()
    (port,) = free_ports(1)
    (folder / "passwd").write_text(f"{USER}: {PASSWORD}, writer\n")
    (folder / "config.ttl").write_text(FUSEKI.format(folder=folder, user=USER))
    at = f"http://127.0.0.1:{port}/ds"
    main = "org.apache.jena.fuseki.main.cmds.FusekiMainCmd"
    options = ["--localhost", "--port", str(port), "--config", str(folder / "config.ttl")]
    server = GraphServer(
        kind="fuseki",
        folder=folder,
        command=["java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-cp", f"{BUILT}/*", main, *options],
        query=f"{at}/sparql",
        update=f"{at}/update",
        graph=f"{at}/data",
        frozen=f"{at}/get",
        user=USER,
        password=PASSWORD,
    )
    server.start()
    return server


KINDS = {"virtuoso": virtuoso, "oxigraph": oxigraph, "fuseki": fuseki}


def _install_fuseki() -> None:
    """Its libraries, where they are not there yet or pom.xml has changed."""
    source, mark = HERE / "pom.xml", BUILT / "pom.xml"
    if mark.exists() and mark.read_text() == source.read_text():
        return
    shutil.rmtree(BUILT, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(source), "dependency:copy-dependencies", f"-DoutputDirectory={BUILT}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(source, mark)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _answers(query: str) -> bool:
    headers: Mapping[str, str] = {"Accept": "application/sparql-results+json"}
    request = urllib.request.Request(f"{query}?query=SELECT%20*%20%7B%7D%20LIMIT%201", headers=dict(headers))
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
