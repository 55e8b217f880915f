"""A process that answers queries from one snapshot, one at a time, and may be killed at any moment.

Started as `python -m vaven.publisher.engine.worker FOLDER MEMORY_MB ANSWER_MB`. Each line on standard input
is a job as JSON; its answer goes to the job's file, and a line on standard output says how it went.

A worker has no network: the kernel refuses it every socket. So a query that gets SERVICE past our own reading
of it (publisher/sparql_lexer.py), whatever the engine's next version may take for that word, reaches nobody.
"""

import contextlib
import ctypes
import errno
import json
import os
import platform
import re
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import IO, Any, cast

from pyoxigraph import (
    NamedNode,
    QueryBoolean,
    QueryResultsFormat,
    QuerySolutions,
    QueryTriples,
    RdfFormat,
    Store,
    serialize,
)

from vaven.publisher.graph.store import Snapshot, hold
from vaven.publisher.rdf.compression import IDENTITY, SMALLEST, packing
from vaven.publisher.rdf.json_ld import write_json_ld
from vaven.publisher.sparql.lexer import declared_prefixes, names_dataset
from vaven.publisher.sparql.rewrite import expand_star, in_order, sorted_last
from vaven.schemas.formats.child_process import enter, limit

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
# The number of the system call socket(2) by machine.
SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
RESULTS = {
    "application/sparql-results+json": QueryResultsFormat.JSON,
    "application/sparql-results+xml": QueryResultsFormat.XML,
    "text/csv": QueryResultsFormat.CSV,
    "text/tab-separated-values": QueryResultsFormat.TSV,
}
PREFIX = b"@prefix "
# How the engine writes a property without a local name that XML knows, in text that has no other such sign; control
# characters; and the two that are no characters (XML 1.0, section 2.2).
NAMELESS = b"<oxprefix: "
NOT_IN_XML = re.compile(rb"<oxprefix: |[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
GRAPHS = {
    "text/turtle": RdfFormat.TURTLE,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/rdf+xml": RdfFormat.RDF_XML,
    "application/ld+json": RdfFormat.JSON_LD,
}


def main(folder: str, memory_mb: str, answer_mb: str) -> None:
    _leave_network()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Without the handler a file beyond the limit would end the process; ignored, the write fails with EFBIG.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit(resource.RLIMIT_AS, int(memory_mb) << 20)
    limit(resource.RLIMIT_FSIZE, int(answer_mb) << 20)
    limit(resource.RLIMIT_CORE, 0)
    snapshot = Snapshot(Path(folder).name, Path(folder))
    if hold(snapshot) is None:
        _say({"state": "gone"})
        return
    store = Store.read_only(str(snapshot.data))
    _say({"state": "ready"})
    for line in sys.stdin:
        _say(_answer(store, json.loads(line), int(answer_mb) << 20))


def _leave_network() -> None:
    """Make socket(2) fail with EACCES from here on (seccomp, mode filter), for all threads that we start later.

    On another machine type, or a kernel without seccomp, the lexer's refusal stands alone.
    """
    if platform.machine() not in SOCKET_CALL:
        return
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the call's number
            (0x15, 0, 1, SOCKET_CALL[platform.machine()]),  # if it is not socket, skip one
            (0x06, 0, 0, 0x00050000 | errno.EACCES),  # return the error
            (0x06, 0, 0, 0x7FFF0000),  # allow
        )
    )
    kept = ctypes.create_string_buffer(program, len(program))
    pointer = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(kept)))
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(pointer), 0, 0)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _dataset(job: dict[str, Any]) -> dict[str, Any]:
    """The graphs that a query is about, as arguments of Store.query. Raises ValueError for what is no IRI."""
    if job["default_graphs"] or job["named_graphs"]:
        # The protocol's dataset replaces both the union and the query's own FROM (SPARQL 1.1 Protocol, 2.1.4).
        return {
            "default_graph": [NamedNode(iri) for iri in job["default_graphs"]],
            "named_graphs": [NamedNode(iri) for iri in job["named_graphs"]],
        }
    # The flag would win over the query's own FROM, so it is set only where the query has none.
    return {"use_default_graph_as_union": not names_dataset(job["query"])}


class _Target:
    """What an answer is written through into its file: packed where that is asked for and worth it, and bounded."""

    def __init__(self, file: IO[bytes], encoding: str, largest: int) -> None:
        self.encoding = encoding
        self._file, self._largest = file, largest
        self._size, self._held = 0, b""
        self._sink: IO[bytes] | None = file if encoding == IDENTITY else None

    def write(self, data: bytes) -> int:
        self._size += len(data)
        if self._size > self._largest:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if self._sink is None and self._size >= SMALLEST:
            self._sink = packing(self.encoding, self._file)
            self._sink.write(self._held)
        if self._sink is None:
            self._held += data
        else:
            self._sink.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is sent before the end."""

    def finish(self) -> None:
        if self._sink is None:
            self.encoding = IDENTITY
            self._file.write(self._held)
        elif self._sink is not self._file:
            self._sink.close()


def _with_columns(job: dict[str, Any]) -> str:
    """The query; one with `SELECT *` by its columns, which the engine would give by the alphabet."""
    if expand_star(job["query"]) is None:
        return cast(str, job["query"])
    found = cast(QuerySolutions, Store().query(job["query"], base_iri=job["base"]))
    return in_order(job["query"], [variable.value for variable in found.variables])


class _WellFormed:
    """A target for XML that raises ValueError for what the engine writes and no XML can hold."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._end = b""

    def write(self, data: bytes) -> int:
        if found := NOT_IN_XML.search(self._end + data):
            is_name = found[0] == NAMELESS
            what = "a property whose name begins with a digit or is empty" if is_name else "a control character"
            raise ValueError(f"there is {what} in it, which XML can't hold; ask for JSON, or for Turtle")
        self._end = data[-len(NAMELESS) :]
        return self._target.write(data)

    def flush(self) -> None:
        """Nothing is sent before the end."""


class _PrefixesInOrder:
    """A target that gets the lines of prefixes by name: the engine writes them in another order each time."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._held: bytes | None = b""

    def __enter__(self) -> "_PrefixesInOrder":
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def write(self, data: bytes) -> int:
        if self._held is None:
            return self._target.write(data)
        self._held += data
        *whole, last = self._held.split(b"\n")
        if not all(line.startswith(PREFIX) for line in whole) or not (
            PREFIX.startswith(last) or last.startswith(PREFIX)
        ):
            self._release()
        return len(data)

    def flush(self) -> None:
        """Nothing is sent before the end."""

    def _release(self) -> None:
        if self._held is not None:
            lines = self._held.split(b"\n")
            count = next((i for i, line in enumerate(lines) if not line.startswith(PREFIX)), len(lines))
            self._target.write(b"\n".join([*sorted(lines[:count]), *lines[count:]]))
            self._held = None


def _answer(store: Store, job: dict[str, Any], largest: int) -> dict[str, Any]:
    """Run a job: query, media_type, encoding, file, default_graphs, named_graphs.

    What it says names how the answer is packed, or what went wrong.
    """
    try:
        with open(job["file"], "wb") as file:
            # The parent has it open as well. Without a name nothing is left of it when both of us are killed.
            os.unlink(job["file"])
            target = _Target(file, job["encoding"], largest)
            _serialize(_found(store, job), job, target)
            target.finish()
            return {"state": "done", "encoding": target.encoding}
    except SyntaxError as problem:
        return {"state": "syntax", "message": str(problem)}
    except OSError as problem:
        if problem.errno == errno.EFBIG:
            return {"state": "too-large"}
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return {"state": "no-room"}
        return {"state": "failed", "message": str(problem)}
    except (ValueError, KeyError, RuntimeError) as problem:
        return {"state": "failed", "message": str(problem)}


def _found(store: Store, job: dict[str, Any]) -> Any:
    """The engine's result. What can't be read is reported by the place in the client's own text."""
    given = {"base_iri": job["base"], **_dataset(job)}
    try:
        return store.query(sorted_last(_with_columns(job)), **given)
    except SyntaxError:
        return store.query(job["query"], **given)


def _serialize(result: Any, job: dict[str, Any], target: _Target) -> None:
    media_type = job["media_type"]
    if isinstance(result, QueryTriples) and media_type == "text/turtle":
        with _PrefixesInOrder(target) as ordered:
            serialize(result, cast(IO[bytes], ordered), format=GRAPHS[media_type], prefixes=_prefixes(job))
    elif isinstance(result, QueryTriples) and media_type == "application/ld+json":
        write_json_ld(result, cast(IO[bytes], target))
    elif isinstance(result, QueryBoolean) and media_type not in RESULTS:
        raise ValueError("ASK has no such form")
    else:
        form = GRAPHS[media_type] if isinstance(result, QueryTriples) else RESULTS[media_type]
        is_xml = media_type.endswith("+xml")
        result.serialize(cast(IO[bytes], _WellFormed(target) if is_xml else target), form)


def _prefixes(job: dict[str, Any]) -> dict[str, str]:
    """Those that the query declares itself, as whoever wrote it reads its answer."""
    declared = declared_prefixes(job["query"], job["base"])
    return {name: iri for name, iri in declared.items() if _is_fit(name, iri)}


def _is_fit(name: str, iri: str) -> bool:
    """Whether a declaration can be written again: one with escapes, for one, can't."""
    try:
        serialize((), format=RdfFormat.TURTLE, prefixes={name: iri})
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        # A killed server leaves no worker at work.
        main(*enter(sys.argv[1:]))
