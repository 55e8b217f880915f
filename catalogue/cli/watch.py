"""Checks of files whenever they change: `vaven validate --watch`.

Changes are detected by time and size, not by events: this works everywhere, also for programs that save by renaming
(Excel, LibreOffice) and on network drives, and twice a second costs nothing.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PAUSE = 0.5
# Prefixes of the files that spreadsheet programs create while a file is open.
LOCK_PREFIXES = ("~$", ".~lock.")

Stamp = tuple[tuple[str, int, int], ...]


def watch(paths: Sequence[Path], check: Callable[[Path], int], *, pause: float = PAUSE) -> int:
    """Run `check` on each path, then on each that has changed and is no longer growing, until Ctrl-C.

    Returns the worst of the last outcomes. A missing file is awaited: a program may be saving it.
    """
    stamps: dict[Path, Stamp] = {}
    outcomes: dict[Path, int] = {}
    try:
        while True:
            for path in paths:
                stamp = _stable_stamp(path, pause)
                if stamp and stamp != stamps.get(path):
                    stamps[path] = stamp
                    _clear()
                    outcomes[path] = check(path)
                    print(f"… {path.name}: Ctrl-C", file=sys.stderr, flush=True)
            time.sleep(pause)
    except KeyboardInterrupt:
        return max(outcomes.values(), default=2)


def _stable_stamp(path: Path, pause: float) -> Stamp:
    """Return the stamp of a file; empty if it is missing or still growing."""
    first = _stamp(path)
    time.sleep(pause / 5)
    return first if first == _stamp(path) else ()


def _stamp(path: Path) -> Stamp:
    """Return name, time and size of the file, or of all files of a package's folder."""
    folder = path if path.is_dir() else path.parent if path.name == "datapackage.json" else None
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder else [path]
    stamps = []
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            # It was deleted since the listing: it is being replaced.
            return ()
        if not file.name.startswith(LOCK_PREFIXES):
            stamps.append((file.name, status.st_mtime_ns, status.st_size))
    return tuple(stamps)


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[2J\x1b[H")
