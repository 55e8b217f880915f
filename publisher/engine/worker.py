"""A process that runs queries against one snapshot, one at a time, and may be killed at any moment.

Started as `python -m vaven.publisher.engine.worker FOLDER MEMORY_MB RESULT_MB`. Each line on standard input is a job as
JSON; its result is written to the job's file, and a line on standard output reports the outcome.

A worker has no network: the kernel refuses it every socket. A query whose SERVICE escapes our own lexer
(publisher/sparql/lexer.py), whatever a later version of the engine may accept as that keyword, therefore reaches no
server.
"""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from pyoxigraph import (
    NamedNode,
    QueryBoolean,
    QueryResultsFormat,
    QueryTriples,
    RdfFormat,
    Store,
    Triple,
    serialize,
)

from vaven.publisher.columns.terms import decode_triple
from vaven.publisher.engine.confinement import confine, outcome_of_write, report, result_file, serve_jobs
from vaven.publisher.graph.snapshot import Snapshot, hold
from vaven.publisher.rdf.compression import IDENTITY, MIN_COMPRESSED_BYTES, compressor
from vaven.publisher.rdf.json_ld import write_json_ld
from vaven.schemas.formats.child_process import enter
from vaven.vocab import media_types

if TYPE_CHECKING:
    from vaven.publisher.columns.open import Columns

# One part in so many of a worker's memory is for DuckDB's buffers; threads, code and results take addresses as well.
COLUMNS_SHARE = 2
RESULTS = {
    media_types.SPARQL_JSON: QueryResultsFormat.JSON,
    media_types.SPARQL_XML: QueryResultsFormat.XML,
    media_types.CSV: QueryResultsFormat.CSV,
    media_types.TSV: QueryResultsFormat.TSV,
}
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
    confine(int(memory_mb), int(result_mb))
    snapshot = Snapshot(Path(folder).name, Path(folder))
    if hold(snapshot) is None:
        report({"state": "gone"})
        return
    engines = _Engines(snapshot, int(memory_mb))
    serve_jobs(lambda job: _run_job(engines, job, int(result_mb) << 20))


class _Engines:
    """The engines over a snapshot: its columns, if it has any, and Oxigraph, which then opens at its first query."""

    def __init__(self, snapshot: Snapshot, memory_mb: int) -> None:
        self._snapshot = snapshot
        self.columns: Columns | None = None
        if snapshot.has_columns:
            # DuckDB is imported only where it is used.
            from vaven.publisher.columns import open as columns

            self.columns = columns.Columns(snapshot.folder, memory_mb // COLUMNS_SHARE)
        else:
            # Opened before the worker is ready.
            _ = self.store

    @cached_property
    def store(self) -> Store:
        return Store.read_only(str(self._snapshot.data))


def _dataset(job: dict[str, Any]) -> dict[str, Any]:
    """Return the query's dataset as arguments of Store.query. Raises ValueError for an invalid IRI."""
    if job["default_graphs"] or job["named_graphs"]:
        # The protocol's dataset replaces both the union and the query's own FROM (SPARQL 1.1 Protocol, 2.1.4).
        return {
            "default_graph": [NamedNode(iri) for iri in job["default_graphs"]],
            "named_graphs": [NamedNode(iri) for iri in job["named_graphs"]],
        }
    # The flag would override the query's own FROM, so it is set only for queries without FROM.
    return {"use_default_graph_as_union": not job["has_dataset"]}


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


def _run_job(engines: _Engines, job: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """Run a job: a request with the facts of its query (publisher/sparql/query_facts.py) and a file for the result.

    Returns the outcome: the content coding of the result and the engine, or the error.
    """
    try:
        with result_file(job["file"]) as file:
            target = _ResultWriter(file, job["encoding"], max_bytes)
            reason = _run_over_columns(engines.columns, job, target) if engines.columns else ""
            if reason or not engines.columns:
                # Nothing has been written: a query that is not covered runs as a whole in Oxigraph.
                _serialize(_execute(engines.store, job), job, target)
            target.finish()
            return {"state": "done", "encoding": target.encoding, "fallback": reason}
    except SyntaxError as error:
        return {"state": "syntax", "message": str(error)}
    except OSError as error:
        return outcome_of_write(error)
    except MemoryError:
        return {"state": "memory"}
    except (ValueError, KeyError, RuntimeError) as error:
        return {"state": "failed", "message": str(error)}


def _run_over_columns(columns: "Columns", job: dict[str, Any], target: _ResultWriter) -> str:
    """Write the result of a query over columns; return why it has to run elsewhere, "" if it has run.

    Raises MemoryError if the memory does not suffice.
    """
    import duckdb

    from vaven.publisher.columnar.query_algebra import query_algebra
    from vaven.publisher.columnar.run import Solutions, run
    from vaven.publisher.engine.result_formats import write_boolean, write_solutions
    from vaven.publisher.sparql.grammar import SyntaxStop, parse_tree
    from vaven.publisher.sparql.scopes import find_misuse

    tree = parse_tree(job["query"])
    if isinstance(tree, SyntaxStop) or find_misuse(tree):
        # Oxigraph's message, or its answer to syntax that is newer than SPARQL 1.1.
        return "syntax"
    media_type = job["media_type"]
    try:
        query = query_algebra(tree, job["base"])
        result = run(columns, query, job["default_graphs"], job["named_graphs"])
        if isinstance(result, Solutions | bool) != (media_type in RESULTS):
            return "media-type"
        if isinstance(result, Solutions):
            write_solutions(result, media_type, _XmlWriter(target) if media_type.endswith("+xml") else target)
        elif isinstance(result, bool):
            write_boolean(result, media_type, target)
        else:
            _serialize_triples(map(decode_triple, result), job, target)
    except duckdb.OutOfMemoryException as cause:
        raise MemoryError from cause
    except RecursionError:
        return "depth"
    except duckdb.Error as error:
        if target.has_begun:
            raise RuntimeError(str(error)) from error
        return type(error).__name__
    return ""


def _execute(store: Store, job: dict[str, Any]) -> Any:
    """Run the query as rewritten. A syntax error is reported at its position in the client's own text."""
    options = {"base_iri": job["base"], **_dataset(job)}
    try:
        return store.query(job["text_to_run"], **options)
    except SyntaxError:
        return store.query(job["query"], **options)


def _serialize(result: Any, job: dict[str, Any], target: _ResultWriter) -> None:
    media_type = job["media_type"]
    if isinstance(result, QueryTriples):
        _serialize_triples(result, job, target)
    elif isinstance(result, QueryBoolean) and media_type not in RESULTS:
        raise ValueError("ASK has no such form")
    else:
        is_xml = media_type.endswith("+xml")
        result.serialize(cast(IO[bytes], _XmlWriter(target) if is_xml else target), RESULTS[media_type])


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


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        # A killed server leaves no worker at work.
        main(*enter(sys.argv[1:]))
