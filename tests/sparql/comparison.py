"""The same queries on two endpoints, and the differences of their results."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPException

from pyoxigraph import Literal

from tests.sparql.corpus import CorpusQuery
from tests.sparql.endpoint import QueryFailedError, SparqlClient
from tests.sparql.results import Table, by_value, equal

ERRORS = (QueryFailedError, HTTPException, OSError, SyntaxError, ValueError)
# A result, or the text of an error.
Outcome = Table | str


def run_all(url: str, queries: Sequence[CorpusQuery], clients: int = 1) -> list[Outcome]:
    """Run the queries on an endpoint by some clients at a time, and return their outcomes in the same order."""

    def run_share(first: int) -> list[Outcome]:
        client = SparqlClient(url)
        try:
            return [_run(client, query) for query in queries[first::clients]]
        finally:
            client.close()

    with ThreadPoolExecutor(clients) as pool:
        shares = list(pool.map(run_share, range(clients)))
    return [shares[index % clients][index // clients] for index in range(len(queries))]


def run_both(
    url: str, reference_url: str, queries: Sequence[CorpusQuery]
) -> Iterable[tuple[CorpusQuery, Outcome, Outcome]]:
    """Run the queries on both endpoints at the same time."""
    with ThreadPoolExecutor(2) as pool:
        own = pool.submit(run_all, url, queries, 2)
        reference = pool.submit(run_all, reference_url, queries)
        return list(zip(queries, own.result(), reference.result(), strict=True))


def difference(query: CorpusQuery, actual: Outcome, expected: Outcome, is_of_data: Callable[[Literal], bool]) -> str:
    """Return the difference of two outcomes of a query, "" if they are equal.

    Rows are compared as a multiset of full terms, as a sequence where the query orders all of them, and as a set after
    REDUCED. A computed number may have any form of its value; a literal of the data has its own. Two errors are equal.
    """
    if isinstance(actual, str) or isinstance(expected, str):
        return "" if isinstance(actual, str) and isinstance(expected, str) else f"{actual}\nreference: {expected}"
    one, other = (_comparable(query, by_value(table, is_of_data)) for table in (expected, actual))
    return "" if equal(one, other) else f"{other}\nreference: {one}"


def _comparable(query: CorpusQuery, table: Table) -> Table:
    rows = tuple(dict.fromkeys(table.rows)) if query.is_reduced else table.rows
    return replace(table, rows=rows, is_ordered=query.is_ordered)


def _run(client: SparqlClient, query: CorpusQuery) -> Outcome:
    try:
        return client.query(query.text)
    except ERRORS as error:
        return f"{type(error).__name__}: {error}"[:500]
