"""Load a file into a graph, and end by SIGKILL at a named step: FOLDER GRAPH FILE CONTENT STEP."""

import os
import signal
import sys
from pathlib import Path

from vaven.publisher.graph.store import EmbeddedStore
from vaven.vocab.iris import Iris


def main(folder: str, graph: str, file: str, content: str, fatal: str) -> None:
    def at(step: str) -> None:
        if step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    store = EmbeddedStore(Path(folder), Iris("http://example.org/"), at)
    store.replace({graph: [Path(file)]}, contents={content: 1})


main(*sys.argv[1:])
