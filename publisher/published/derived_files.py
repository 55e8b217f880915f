"""Files derived from released ones on request, once each: other formats, and the dump of everything.

A process of its own derives them, one at a time, so that pages do not wait; a request for a file in progress waits a
little and is then told when to come back.

Program: `python -m vaven.publisher.published.derived_files ENTRY LIMIT_MB`, with a recipe as JSON on standard input.
"""

import fcntl
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from vaven.publisher.published.derivation import Recipe, Source, write
from vaven.publisher.published.derived_folder import (
    INPUTS,
    DerivedFile,
    SharedFiles,
    delete_remains,
    make_room,
    read_derived,
    write_derived,
)
from vaven.publisher.releases.storage import Storage
from vaven.schemas.formats.child_process import enter, run
from vaven.vocab.errors import StoreUnavailable

POLL_SECONDS = 0.05
# With more requests waiting, a request is told at once to come back, so that waiting never takes all of a server's
# threads.
MAX_WAITING = 3
LOCK = "making.lock"

# Writes the sources that exist in no file yet into an empty folder; returns the recipe.
Prepare = Callable[[Path], Recipe]


class DerivedFiles:
    """The derived files below `folder`, of `limit_mb` MB at most. Safe to use from many threads.

    A family is a kind of file, a key names its contents. A remote `storage` shares the files with other servers.
    """

    def __init__(self, folder: Path, limit_mb: int, storage: Storage | None = None) -> None:
        self._folder, self._limit_mb = folder, limit_mb
        is_shared = storage is not None and not storage.is_local
        self._shared = SharedFiles(storage, limit_mb << 20) if storage and is_shared else None
        self._threads: dict[Path, threading.Thread] = {}
        self._errors: dict[Path, str] = {}
        self._lock = threading.Lock()
        self._waiting = threading.Semaphore(MAX_WAITING)

    def get(self, family: str, key: str, prepare: Prepare, seconds: float) -> DerivedFile | None:
        """Return the file of a family for a key; None if it isn't complete after `seconds`. Raises StoreUnavailable."""
        entry = self._folder / family / key
        if file := read_derived(entry):
            return file
        self._start(entry, prepare)
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            return self._wait(entry, prepare, time.monotonic() + seconds)
        finally:
            self._waiting.release()

    def _wait(self, entry: Path, prepare: Prepare, deadline: float) -> DerivedFile | None:
        while (file := read_derived(entry)) is None and time.monotonic() < deadline:
            thread = self._start(entry, prepare)
            thread.join(POLL_SECONDS)
            if not thread.is_alive() and (error := self._errors.pop(entry, "")):
                raise StoreUnavailable("publisher.file-not-made", cause=error)
        return file

    def _start(self, entry: Path, prepare: Prepare) -> threading.Thread:
        """Return the thread that waits for the process that derives a file; the process ends with its thread."""
        with self._lock:
            thread = self._threads.get(entry)
            if thread is None or not thread.is_alive():
                thread = threading.Thread(target=self._run, args=(entry, prepare), daemon=True, name="vaven-derived")
                self._threads = {p: t for p, t in self._threads.items() if t.is_alive()} | {entry: thread}
                thread.start()
            return thread

    def _run(self, entry: Path, prepare: Prepare) -> None:
        self._errors.pop(entry, None)
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            if self._shared and self._shared.fetch(entry):
                self._make_room(entry)
                return
            self._derive(entry, prepare)
            if self._shared and entry.exists():
                self._shared.add(entry)
        except Exception as cause:  # noqa: BLE001 - told to the requests that wait, in other threads
            self._errors[entry] = str(cause)[:300]

    def _derive(self, entry: Path, prepare: Prepare) -> None:
        with tempfile.TemporaryDirectory(prefix=INPUTS, dir=self._folder) as inputs:
            recipe = prepare(Path(inputs))
            arguments = str(entry), str(self._limit_mb)
            child = run("vaven.publisher.published.derived_files", *arguments, stdin=json.dumps(asdict(recipe)))
        if child.code:
            self._errors[entry] = (child.stderr.strip().splitlines() or ["it ended"])[-1][:300]

    def _make_room(self, entry: Path) -> None:
        """Make room for a fetched file, unless a process at work will do so when it is done."""
        with (self._folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            make_room(self._folder, self._limit_mb << 20, entry)


def main(entry: str, limit_mb: str) -> None:
    os.nice(10)
    properties = json.load(sys.stdin)
    recipe = Recipe(**{**properties, "sources": [Source.from_json(source) for source in properties["sources"]]})
    target = Path(entry)
    folder = target.parent.parent
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another server process may have been faster.
        if read_derived(target) is None:
            delete_remains(folder)
            write_derived(recipe, write, target)
            make_room(folder, int(limit_mb) << 20, target)


if __name__ == "__main__":
    # A server that stops leaves no process at work.
    main(*enter(sys.argv[1:]))
