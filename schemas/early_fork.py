"""A fork that loads what checks a file while its parent still reads the command line.

Loading DuckDB and the rules takes as long as all the rest of a small check. The fork then waits for its work, which it
does by schemas/isolation.py.
"""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaven.schemas.isolation import EarlyFork


# Process of the fork that waits, and the pipes of its assignments and messages.
_waiting: list[tuple[int, int, int]] = []


def start() -> None:
    """Fork this process, which should have loaded little and must run no other thread."""
    reading, assignments = os.pipe()
    messages, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(assignments)
            os.close(messages)
            _load_and_wait(reading, writing)
        except ImportError:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    os.close(reading)
    os.close(writing)
    _waiting.append((process, assignments, messages))


def take() -> "EarlyFork | None":
    """Return the fork that was started and waits, once."""
    from vaven.schemas.isolation import EarlyFork

    return EarlyFork(*_waiting.pop()) if _waiting else None


def _load_and_wait(reading: int, writing: int) -> None:
    # Ctrl-C is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from vaven.schemas import isolation

    isolation.collect_less_garbage()
    import duckdb

    # The first connection loads most of DuckDB, which takes no turn of the interpreter that imports the rules.
    connecting = threading.Thread(target=lambda: duckdb.connect().close())
    connecting.start()
    from vaven.schemas import check

    _ = check
    connecting.join()
    isolation.work_when_assigned(reading, writing)
