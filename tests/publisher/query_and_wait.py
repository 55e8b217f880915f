"""Run a query by an engine of this process, and print "under way" when it runs: FOLDER QUERY."""

import sys
import threading
from pathlib import Path

from vaven.publisher.engine.pool import EmbeddedEngine
from vaven.vocab.iris import Iris

JSON = "application/sparql-results+json"


def main(folder: str, query: str) -> None:
    engine = EmbeddedEngine(Path(folder), iris=Iris("http://example.org/"), workers=2, seconds=120)
    engine.query("ASK {}", media_type=JSON).close()
    threading.Timer(1.0, lambda: print("under way", flush=True)).start()
    engine.query(query, media_type=JSON)


main(*sys.argv[1:])
