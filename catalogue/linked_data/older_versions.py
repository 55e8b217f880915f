"""Things that only an earlier version of a dataset had: neither unknown nor withdrawn, but left out since."""

from collections.abc import Mapping

import duckdb
from pyoxigraph import NamedNode

from vaven.publisher.metadata.shared_graph import read_triples
from vaven.publisher.published.collection import Collection
from vaven.schemas.tables.sql import quoted
from vaven.vocab import register
from vaven.vocab.iris import Iris
from vaven.vocab.periods import period_from_slug

KEY = ("neighbourhood", "kpi", "period", "sex", "age_group")
# Of a dataset with more versions the newest are looked into.
MOST_VERSIONS = 20


def last_version_with(collection: Collection, iris: Iris, iri: str, parts: list[str]) -> tuple[str, int] | None:
    """The dataset whose own a thing would be, and its newest version before the current one that had it, withdrawn or
    not. `parts` are those of its path. Cost: for each version a scan of a Parquet, or the reading of its metadata."""
    slug = iris.owner(iri)
    if not slug:
        return None
    wanted = _cells(*parts)
    for version in collection.earlier(slug)[:MOST_VERSIONS]:
        if wanted is None:
            has = any(t.subject == NamedNode(iri) for t in read_triples(collection.kept(slug, version, "metadata.ttl")))
        else:
            has = _has_row(str(collection.kept(slug, version, "observations.parquet")), wanted)
        if has:
            return slug, version
    return None


def _cells(kind: str, *rest: str) -> Mapping[str, object] | None:
    """What an observation's row has, or one row of those that a quantity is of; None for what is no observation's."""
    try:
        if kind == "observation" and len(rest) == 1 + len(KEY):
            return dict(zip(KEY, rest[1:], strict=True)) | {"period": period_from_slug(rest[3]).text}
        if kind == "quantity" and len(rest) == 3:
            return {"kpi": rest[1], "value": float(rest[2]), "sex": register.TOTAL, "age_group": register.TOTAL}
    except ValueError:
        pass
    return {} if kind in ("observation", "quantity") else None


def _has_row(path: str, wanted: Mapping[str, object]) -> bool:
    if not wanted:
        return False
    where = " AND ".join(f"{quoted(name)} = ?" for name in wanted)
    with duckdb.connect() as work:
        found = work.execute(f"SELECT 1 FROM read_parquet(?) WHERE {where} LIMIT 1", [path, *wanted.values()])
        return found.fetchone() is not None
