"""A client of a SPARQL endpoint over HTTP, whichever engine is behind it."""

import http.client
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.sparql.results import Table, read_result

SELECT_TYPE = "application/sparql-results+json"
GRAPH_TYPE = "application/n-triples"
SECONDS = 90.0


class QueryFailedError(Exception):
    """A query that got no result: `status` and the body of the response."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:500]}")
        self.status = status


@dataclass
class SparqlClient:
    """A client with one connection; not safe to share between threads."""

    url: str
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def query(
        self,
        query: str,
        *,
        accept: str = f"{SELECT_TYPE}, {GRAPH_TYPE};q=0.9",
        default_graphs: Sequence[str] = (),
        named_graphs: Sequence[str] = (),
    ) -> Table:
        """Return the parsed result. Raises QueryFailedError, and SyntaxError or ValueError if it is not readable."""
        graphs = [("default-graph-uri", iri) for iri in default_graphs] + [
            ("named-graph-uri", iri) for iri in named_graphs
        ]
        server = urllib.parse.urlsplit(self.url)
        path = f"{server.path}?{urllib.parse.urlencode(graphs)}" if graphs else server.path
        headers = {"Content-Type": "application/sparql-query", "Accept": accept}
        if not self._connection:
            self._connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=SECONDS)
        try:
            self._connection.request("POST", path, query.encode(), headers)
            response = self._connection.getresponse()
            body = response.read()
        except (http.client.HTTPException, OSError):
            self.close()
            raise
        if response.status != 200:
            raise QueryFailedError(response.status, body.decode("utf-8", "replace"))
        return read_result(body, (response.headers["Content-Type"] or "").split(";")[0])

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None
