"""Any cube of a graph as a table of its observations, for the checks over columns."""

from collections import defaultdict

import duckdb
from pyoxigraph import Store

from vaven.publisher.integrity.columns import ComponentColumn, ObservationColumns
from vaven.publisher.integrity.constraints import as_text, solutions

OBSERVATIONS = """
PREFIX qb: <http://purl.org/linked-data/cube#>
SELECT ?observation ?property ?value
WHERE { ?observation qb:dataSet <DATASET> ; ?property ?value . FILTER (?property != qb:dataSet) }
"""


def columns_of(graph: Store, dataset: str, work: duckdb.DuckDBPyConnection) -> ObservationColumns:
    """Return the observations of a normalised cube, one column per property, each with one value per observation."""
    observations: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in solutions(graph, OBSERVATIONS.replace("DATASET", dataset)):
        observation, name, value = (as_text(row[n]) for n in ("observation", "property", "value"))
        observations[observation][name] = value
    names = sorted({name for values in observations.values() for name in values})
    columns = {name: ComponentColumn(f"c{i}") for i, name in enumerate(names)}
    work.execute(
        f"CREATE OR REPLACE TABLE cube ({', '.join(['obs VARCHAR', *(f'c{i} VARCHAR' for i in range(len(names)))])})"
    )
    for observation, values in observations.items():
        cells = [observation, *(values.get(name) for name in names)]
        work.execute(f"INSERT INTO cube VALUES ({', '.join('?' * len(cells))})", cells)
    return ObservationColumns(work, "cube", columns, ("obs",))
