"""Files made of released ones when somebody asks for them, once each: other forms, and the dump of everything.

They are made by a process of their own, one at a time, so that pages do not wait; whoever asks while one is being
made waits a little and then is told when to come back. A file is there whole or not at all. When all of them take more
room than is allowed, those that were longest unused go.

Program: `python -m vaven.publisher.published.derived_files FOLDER LIMIT_MB`, with a recipe as JSON on standard input.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
from pyoxigraph import NamedNode, Quad, RdfFormat, parse, serialize

from vaven.publisher.rdf.json_ld import write_json_ld
from vaven.schemas.formats.child_process import enter, run
from vaven.vocab.errors import StoreUnavailable

BLOCK = 4 << 20
PACKINGS = {".gz": "gzip", ".zst": "zstd"}
POLL_SECONDS = 0.05
# Who asks while so many wait already is told to come back at once, so that waiting never takes a server's threads.
WAITING = 3
# How often it is noted that a file is in use.
NOTED_SECONDS = 60.0
LEFT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Source:
    """A file of triples (.nt or .ttl, also packed) and the graph that they are in; "" where that is not told."""

    path: str
    graph: str = ""


@dataclass(frozen=True)
class Recipe:
    """What a file is made of. `name` ends with form and packing, e.g. observations.ttl or dump.nq.zst.

    Where it `replaces`, the other files of its family go once it is made.
    """

    name: str
    sources: Sequence[Source]
    prefixes: dict[str, str] = field(default_factory=dict)
    replaces: bool = False


@dataclass(frozen=True)
class DerivedFile:
    """A finished file; `made_at` is UTC."""

    path: Path
    size: int
    sha256: str
    made_at: datetime


# Given an empty folder for what it has to write first, the recipe.
Prepare = Callable[[Path], Recipe]


class DerivedFiles:
    """The made files below `folder`: one folder a family (what is made), in it one a key (of what). Safe in threads."""

    def __init__(self, folder: Path, limit_mb: int) -> None:
        self._folder, self._limit_mb = folder, limit_mb
        self._at_work: dict[Path, threading.Thread] = {}
        self._errors: dict[Path, str] = {}
        self._lock = threading.Lock()
        self._places = threading.Semaphore(WAITING)

    def get(self, family: str, key: str, prepare: Prepare, seconds: float) -> DerivedFile | None:
        """The file of a family for a key; None where it is not done after `seconds`. Raises StoreUnavailable."""
        place = self._folder / family / key
        if found := _read(place):
            return found
        self._started(place, prepare)
        if not self._places.acquire(blocking=False):
            return None
        try:
            return self._waited(place, prepare, time.monotonic() + seconds)
        finally:
            self._places.release()

    def _waited(self, place: Path, prepare: Prepare, deadline: float) -> DerivedFile | None:
        while (found := _read(place)) is None and time.monotonic() < deadline:
            thread = self._started(place, prepare)
            thread.join(POLL_SECONDS)
            if not thread.is_alive() and (error := self._errors.pop(place, "")):
                raise StoreUnavailable("publisher.file-not-made", cause=error)
        return found

    def _started(self, place: Path, prepare: Prepare) -> threading.Thread:
        """The thread that waits for the process that makes a file; a process lives no longer than its thread."""
        with self._lock:
            thread = self._at_work.get(place)
            if thread is None or not thread.is_alive():
                thread = threading.Thread(target=self._make, args=(place, prepare), daemon=True, name="vaven-derived")
                self._at_work = {p: t for p, t in self._at_work.items() if t.is_alive()} | {place: thread}
                thread.start()
            return thread

    def _make(self, place: Path, prepare: Prepare) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".inputs-", dir=self._folder) as inputs:
                recipe = prepare(Path(inputs))
                arguments = str(place), str(self._limit_mb)
                child = run("vaven.publisher.published.derived_files", *arguments, stdin=json.dumps(asdict(recipe)))
            if child.code:
                self._errors[place] = (child.stderr.strip().splitlines() or ["it ended"])[-1][:300]
        except Exception as cause:  # noqa: BLE001 - told to whoever waits, in another thread
            self._errors[place] = str(cause)[:300]


def _read(place: Path) -> DerivedFile | None:
    note = place / "made.json"
    try:
        kept = json.loads(note.read_text("utf-8"))
        if time.time() - note.stat().st_mtime > NOTED_SECONDS:
            note.touch()
    except FileNotFoundError:
        return None
    made_at = datetime.fromisoformat(kept["made_at"])
    return DerivedFile(place / kept["name"], kept["size"], kept["sha256"], made_at)


def main(place: str, limit_mb: str) -> None:
    os.nice(10)
    given = json.load(sys.stdin)
    recipe = Recipe(**{**given, "sources": [Source(**source) for source in given["sources"]]})
    target = Path(place)
    folder = target.parent.parent
    with (folder / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another server process may have been faster.
        if _read(target) is None:
            _sweep(folder)
            _make(recipe, target)
            make_room(folder, int(limit_mb) << 20, target)


def _sweep(folder: Path) -> None:
    """Delete what others left who were killed. Nobody else makes anything now, but may be writing its inputs."""
    for left in folder.glob("*/.part-*"):
        shutil.rmtree(left)
    for left in folder.glob(".inputs-*"):
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _make(recipe: Recipe, target: Path) -> None:
    """Write the file and the note about it into a folder that gets its name when both are whole."""
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    path = part / recipe.name
    write(recipe, path)
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat()
    note = {"name": recipe.name, "size": path.stat().st_size, "sha256": sha256, "made_at": now}
    (part / "made.json").write_text(json.dumps(note), "utf-8")
    if recipe.replaces:
        for other in target.parent.iterdir():
            if other != part:
                shutil.rmtree(other)
    part.replace(target)


def write(recipe: Recipe, path: Path) -> None:
    """Make the file of a recipe. Memory does not grow with its length."""
    form = recipe.name.removesuffix(path.suffix).rsplit(".", 1)[-1] if path.suffix in PACKINGS else path.suffix[1:]
    with _target(path) as target:
        if form in ("nt", "nq"):
            for source in recipe.sources:
                _write_lines(source, source.graph if form == "nq" else "", target)
        else:
            with _opened(recipe.sources[0].path) as file:
                triples = parse(file, RdfFormat.N_TRIPLES)
                if form == "jsonld":
                    write_json_ld(triples, target)
                else:
                    serialize(triples, target, format=RdfFormat.TURTLE, prefixes=recipe.prefixes)


def _write_lines(source: Source, graph: str, target: IO[bytes]) -> None:
    """Triples as lines. N-Triples become N-Quads by the graph before each line's end, since " ." and a line feed
    stand nowhere else: inside a literal the feed is escaped (N-Triples, section 2.4)."""
    with _opened(source.path) as triples:
        if ".ttl" in Path(source.path).suffixes:
            # Two files may call different nodes by the same name.
            found = parse(triples, RdfFormat.TURTLE, rename_blank_nodes=True)
            name = NamedNode(graph) if graph else None
            quads = (Quad(q.subject, q.predicate, q.object, name) for q in found)
            serialize(quads, target, format=RdfFormat.N_QUADS)
            return
        end = f" <{graph}> .\n".encode()
        for block in _whole_lines(triples):
            target.write(block.replace(b" .\n", end) if graph else block)


def _whole_lines(triples: IO[bytes]) -> Iterator[bytes]:
    kept = b""
    while block := triples.read(BLOCK):
        lines, feed, rest = (kept + block).rpartition(b"\n")
        kept = rest
        if feed:
            yield lines + feed
    if kept:
        yield kept + b"\n"


@contextlib.contextmanager
def _target(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix in PACKINGS:
        with pa.CompressedOutputStream(str(path), PACKINGS[path.suffix]) as target:
            yield cast(IO[bytes], target)
    else:
        with path.open("wb") as plain:
            yield plain


def _opened(path: str) -> Any:
    """A file for reading, unpacked on the way, also where it was packed in several parts."""
    packing = PACKINGS.get(Path(path).suffix)
    return pa.CompressedInputStream(path, packing) if packing else open(path, "rb")


def make_room(folder: Path, limit: int, newest: Path) -> None:
    """Delete the made files that were longest unused until all take `limit` bytes at most; `newest` stays."""
    notes = sorted(folder.glob("*/*/made.json"), key=lambda note: note.stat().st_mtime, reverse=True)
    used = _size(newest)
    for place in (note.parent for note in notes):
        if place != newest:
            used += _size(place)
            if used > limit:
                shutil.rmtree(place)


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir())


if __name__ == "__main__":
    # A stopped server leaves nothing at work.
    main(*enter(sys.argv[1:]))
