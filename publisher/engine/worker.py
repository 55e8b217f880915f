"""A process that runs queries against one snapshot, one at a time, and may be killed at any moment.

A fork that runs `main` (worker_process.py). Each line on standard input is a job as JSON; its result is written to the
job's file, and a line on standard output reports the outcome. The job `open` is another snapshot's folder.

A worker has no network: the kernel refuses it every socket.
"""

import errno
import os
import pickle
import re
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast

import duckdb
from pyoxigraph import NamedNode, RdfFormat, Triple, serialize

from vaven.publisher.columnar.run import Solutions, run
from vaven.publisher.columns.open import Columns
from vaven.publisher.columns.terms import decode_triple
from vaven.publisher.engine.confinement import SmallResult, confine, outcome_of_write, report, serve_jobs
from vaven.publisher.engine.result_formats import SOLUTION_FORMATS, write_boolean, write_solutions
from vaven.publisher.graph.snapshot import Snapshot, hold
from vaven.publisher.rdf.compression import IDENTITY, MIN_COMPRESSED_BYTES, compressor
from vaven.publisher.rdf.json_ld import write_json_ld
from vaven.vocab import media_types

# One part in so many of a worker's memory is for DuckDB's buffers; threads, code and results take addresses as well.
COLUMNS_SHARE = 2
PREFIX_LINE = b"@prefix "
# How the engine writes a property without a valid local name in XML; no other text contains this string. Then control
# characters, and the two code points that are not characters (XML 1.0, section 2.2).
UNNAMED_PROPERTY = b"<oxprefix: "
NOT_IN_XML = re.compile(rb"<oxprefix: |[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
GRAPHS = {
    media_types.TURTLE: RdfFormat.TURTLE,
    media_types.N_TRIPLES: RdfFormat.N_TRIPLES,
    media_types.RDF_XML: RdfFormat.RDF_XML,
    media_types.JSON_LD: RdfFormat.JSON_LD,
}


def main(folder: str, memory_mb: str, result_mb: str) -> None:
    """Serve jobs over a snapshot until the pool closes standard input."""
    confine(int(memory_mb), int(result_mb))
    snapshots = _Snapshots(int(memory_mb) // COLUMNS_SHARE)
    if not snapshots.open(folder):
        report({"state": "gone"})
        return

    def run_job(job: dict[str, Any]) -> dict[str, Any]:
        if "open" in job:
            return {"state": "ready" if snapshots.open(job["open"]) else "gone"}
        assert snapshots.columns
        return _run_job(snapshots.columns, job, int(result_mb) << 20)

    serve_jobs(run_job)


class _Snapshots:
    """The columns of one snapshot at a time, which is kept from being deleted."""

    def __init__(self, memory_mb: int) -> None:
        self.columns: Columns | None = None
        self._memory_mb, self._lock = memory_mb, -1

    def open(self, folder: str) -> bool:
        """Open a snapshot instead of the current one; return False if it is gone."""
        lock = hold(Snapshot(Path(folder).name, Path(folder)))
        if lock is None:
            return False
        if self.columns:
            self.columns.close()
            os.close(self._lock)
        self.columns, self._lock = Columns(Path(folder), self._memory_mb), lock
        return True


class _ResultWriter:
    """Writer of a result into its file: size-limited, and compressed if requested and large enough."""

    def __init__(self, file: IO[bytes], encoding: str, max_bytes: int) -> None:
        self.encoding = encoding
        self._file, self._max_bytes = file, max_bytes
        self._size, self._pending = 0, b""
        self._sink: IO[bytes] | None = file if encoding == IDENTITY else None

    @property
    def has_begun(self) -> bool:
        return self._size > 0

    def write(self, data: bytes) -> int:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if self._sink is None and self._size >= MIN_COMPRESSED_BYTES:
            self._sink = compressor(self.encoding, self._file)
            self._sink.write(self._pending)
        if self._sink is None:
            self._pending += data
        else:
            self._sink.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: a result is sent when it is complete."""

    def finish(self) -> None:
        if self._sink is None:
            self.encoding = IDENTITY
            self._file.write(self._pending)
        elif self._sink is not self._file:
            self._sink.close()


class _XmlWriter:
    """Writer of XML that raises ValueError for engine output that is not well-formed XML."""

    def __init__(self, target: _ResultWriter) -> None:
        self._target = target
        self._end = b""

    def write(self, data: bytes) -> int:
        if match := NOT_IN_XML.search(self._end + data):
            is_name = match[0] == UNNAMED_PROPERTY
            error = "a property whose name begins with a digit or is empty" if is_name else "a control character"
            raise ValueError(f"there is {error} in it, which XML can't hold; ask for JSON, or for Turtle")
        self._end = data[-len(UNNAMED_PROPERTY) :]
        return self._target.write(data)

    def flush(self) -> None:
        """Do nothing: a result is sent when it is complete."""


class _SortedPrefixWriter:
    """Writer that sorts the prefix lines by name: the engine writes them in a different order each time."""

    def __init__(self, target: _ResultWriter) -> None:
        self._target = target
        self._pending: bytes | None = b""

    def __enter__(self) -> "_SortedPrefixWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def write(self, data: bytes) -> int:
        if self._pending is None:
            return self._target.write(data)
        self._pending += data
        *complete, last = self._pending.split(b"\n")
        if not all(line.startswith(PREFIX_LINE) for line in complete) or not (
            PREFIX_LINE.startswith(last) or last.startswith(PREFIX_LINE)
        ):
            self._release()
        return len(data)

    def flush(self) -> None:
        """Do nothing: a result is sent when it is complete."""

    def _release(self) -> None:
        if self._pending is not None:
            lines = self._pending.split(b"\n")
            count = next((i for i, line in enumerate(lines) if not line.startswith(PREFIX_LINE)), len(lines))
            self._target.write(b"\n".join([*sorted(lines[:count]), *lines[count:]]))
            self._pending = None


def _run_job(columns: Columns, job: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """Run a job: a request (pool.py) and a file for the result.

    Returns the outcome: the content coding of the result, with a small result itself, or the error.
    """
    try:
        with SmallResult(job["file"]) as result:
            target = _ResultWriter(cast(IO[bytes], result), job["encoding"], max_bytes)
            _write_result(columns, job, target)
            target.finish()
            return {"state": "done", "encoding": target.encoding, "content": result.content}
    except OSError as error:
        return outcome_of_write(error)
    except (MemoryError, duckdb.OutOfMemoryException):
        return {"state": "memory"}
    except RecursionError:
        return {"state": "nested"}
    except duckdb.Error as error:
        return {"state": "crashed", "message": f"{type(error).__name__}: {error}"}
    except (ValueError, KeyError) as error:
        return {"state": "failed", "message": str(error)}


def _write_result(columns: Columns, job: dict[str, Any], target: _ResultWriter) -> None:
    """Write the result of a query. Raises ValueError for an invalid graph, and for a media type of another form."""
    # From a process of the same user, which could do all that a pickle can.
    query, media_type = pickle.loads(b64decode(job["algebra"])), job["media_type"]
    for graph in (*job["default_graphs"], *job["named_graphs"]):
        NamedNode(graph)
    result = run(columns, query, job["default_graphs"], job["named_graphs"])
    if isinstance(result, Solutions | bool) != (media_type in SOLUTION_FORMATS):
        raise ValueError(f"the result has no form {media_type}")
    if isinstance(result, Solutions):
        write_solutions(result, media_type, _XmlWriter(target) if media_type.endswith("+xml") else target)
    elif isinstance(result, bool):
        write_boolean(result, media_type, target)
    else:
        _serialize_triples(map(decode_triple, result), job, target)


def _serialize_triples(triples: Iterable[Triple], job: dict[str, Any], target: _ResultWriter) -> None:
    media_type = job["media_type"]
    if media_type == media_types.TURTLE:
        with _SortedPrefixWriter(target) as ordered:
            serialize(triples, cast(IO[bytes], ordered), format=GRAPHS[media_type], prefixes=_prefixes(job))
    elif media_type == media_types.JSON_LD:
        write_json_ld(triples, cast(IO[bytes], target))
    else:
        is_xml = media_type.endswith("+xml")
        serialize(triples, cast(IO[bytes], _XmlWriter(target) if is_xml else target), GRAPHS[media_type])


def _prefixes(job: dict[str, Any]) -> dict[str, str]:
    """Return the query's own prefixes: the author reads the result in the same terms."""
    return {name: iri for name, iri in job["prefixes"].items() if _is_writable(name, iri)}


def _is_writable(name: str, iri: str) -> bool:
    """Return whether Turtle can express a prefix declaration: an IRI with escapes, for example, it cannot."""
    try:
        serialize((), format=RdfFormat.TURTLE, prefixes={name: iri})
    except ValueError:
        return False
    return True
