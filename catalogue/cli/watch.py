"""Check files again whenever they change: `vaven validate --watch`.

The files are looked at by time and size, not by events: a program that saves by renaming (Excel, LibreOffice) or on a
network drive is noticed the same way everywhere, and twice a second costs nothing.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PAUSE = 0.5
# What spreadsheets leave beside a file while it is open.
LOCKS = ("~$", ".~lock.")

Stamp = tuple[tuple[str, int, int], ...]


def watch(paths: Sequence[Path], check: Callable[[Path], int], *, pause: float = PAUSE) -> int:
    """Run `check` on each path, then on each that has changed and come to rest, until Ctrl-C. The last worst outcome.

    A file that is gone is waited for: a program may be saving it.
    """
    seen: dict[Path, Stamp] = {}
    outcomes: dict[Path, int] = {}
    try:
        while True:
            for path in paths:
                stamp = _at_rest(path, pause)
                if stamp and stamp != seen.get(path):
                    seen[path] = stamp
                    _clear()
                    outcomes[path] = check(path)
                    print(f"… {path.name}: Ctrl-C", file=sys.stderr, flush=True)
            time.sleep(pause)
    except KeyboardInterrupt:
        return max(outcomes.values(), default=2)


def _at_rest(path: Path, pause: float) -> Stamp:
    """The stamp of a file that nobody is writing; empty where it is missing or still growing."""
    first = _stamp(path)
    time.sleep(pause / 5)
    return first if first == _stamp(path) else ()


def _stamp(path: Path) -> Stamp:
    """Name, time and size of the file, or of every file of a package's folder."""
    folder = path if path.is_dir() else path.parent if path.name == "datapackage.json" else None
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder else [path]
    found = []
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            # Gone between listing and looking: it is being replaced.
            return ()
        if not file.name.startswith(LOCKS):
            found.append((file.name, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[2J\x1b[H")
