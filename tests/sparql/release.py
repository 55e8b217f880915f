"""A small adversarial release, published by our own pipeline, for queries whose results several engines must agree on.

`kanter` has equal values of different forms, ten decimals, negative limits, missing values, notes with quotes, escapes
and emoji, targets and investments; `grannar` has other values of the same areas and KPIs.
"""

import gzip
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from pyoxigraph import NamedNode, RdfFormat, Triple, parse

from tests.conftest import Site, environment
from tests.reading import LICENCE_AND_PUBLISHER
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings

BASE = "http://data.example/"
FOLDER = Path(__file__).parent / "adversarial"
GRAPHS = ("id/catalogue", "id/dataset/grannar", "id/dataset/kanter", "id/reference", "ns")


def publish_release(home: Path, port: int) -> dict[str, str]:
    """Publish both datasets, and return the environment of a server of them."""
    settings = Settings(home=home, base_iri=BASE)
    publish(FOLDER / "kanter" / "datapackage.json", settings)
    publish(FOLDER / "grannar.csv", settings, choices=LICENCE_AND_PUBLISHER)
    return environment(home, port, VAVEN_BASE_IRI=BASE, VAVEN_QUERIES_A_MINUTE="1000000", VAVEN_QUERY_SECONDS="60")


def published_graphs(site: Site) -> dict[str, list[Triple]]:
    """Return the graphs of a server as its dump has them: numbers of observations as published."""
    quads = parse(gzip.decompress(_dump(site)), RdfFormat.N_QUADS)
    graphs: dict[str, list[Triple]] = {}
    for quad in quads:
        if isinstance(quad.graph_name, NamedNode):
            graphs.setdefault(quad.graph_name.value, []).append(quad.triple)
    return graphs


def _dump(site: Site) -> bytes:
    """Return the dump, which the first request generates: on a busy machine the server says to come back (503)."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{site.url}dump.nq.gz", timeout=120) as response:
                body: bytes = response.read()
                return body
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise
            time.sleep(1)
