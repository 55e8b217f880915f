"""Resources that only an older version of a dataset has: neither unknown nor withdrawn, but no longer included."""

from collections.abc import Mapping

import duckdb
from pyoxigraph import NamedNode

from vaven.publisher.metadata.shared_graph import read_triples
from vaven.publisher.published.collection import Collection
from vaven.schemas.standard.sql import quoted
from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.periods import period_from_slug

KEY = ("neighbourhood", "kpi", "period", "sex", "age_group")
# The newest versions of a dataset to search.
MOST_VERSIONS = 20


def last_version_with(collection: Collection, iris: Iris, iri: str, parts: list[str]) -> tuple[str, int] | None:
    """Return the dataset that owns an IRI, and its newest version before the current one that has the resource.

    `parts` are those of the IRI's path. Withdrawn versions are searched too. Cost: for each version a scan of a Parquet
    file, or parsing its metadata.
    """
    slug = iris.owner(iri)
    if not slug:
        return None
    cells = _cells(*parts)
    for version in collection.older_versions(slug)[:MOST_VERSIONS]:
        if cells is None:
            metadata = read_triples(collection.local_unlisted(slug, version, "metadata.ttl"))
            is_included = any(triple.subject == NamedNode(iri) for triple in metadata)
        else:
            is_included = _has_row(str(collection.local_unlisted(slug, version, "observations.parquet")), cells)
        if is_included:
            return slug, version
    return None


def _cells(kind: str, *rest: str) -> Mapping[str, object] | None:
    """Return the cells of an observation's row, or of a row with a quantity; None for other kinds of resources."""
    try:
        if kind == "observation" and len(rest) == 1 + len(KEY):
            return dict(zip(KEY, rest[1:], strict=True)) | {"period": period_from_slug(rest[3]).text}
        if kind == "quantity" and len(rest) == 3:
            return {"kpi": rest[1], "value": float(rest[2]), "sex": register.TOTAL, "age_group": register.TOTAL}
    except ValueError:
        pass
    return {} if kind in ("observation", "quantity") else None


def _has_row(path: str, cells: Mapping[str, object]) -> bool:
    if not cells:
        return False
    where = " AND ".join(f"{quoted(name)} = ?" for name in cells)
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT 1 FROM read_parquet(?) WHERE {where} LIMIT 1", [path, *cells.values()])
        return rows.fetchone() is not None
