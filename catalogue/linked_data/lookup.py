"""Lookup of the resources that our IRIs identify: in the graph, or, for an older version, in its release.

Also a resource's own page, and the number of its observations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from pyoxigraph import Dataset, NamedNode, QueryResultsFormat, QueryTriples, RdfFormat, Store

from vaven.catalogue.linked_data.documents import Observed, observed_of
from vaven.catalogue.linked_data.older_versions import last_version_with
from vaven.catalogue.linked_data.resource import NAMES, Execute, Resource, exists, gather
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.published.collection import Collection
from vaven.publisher.releases.cache import CachedByState
from vaven.vocab.errors import NoLongerIncluded, UnknownDataset, Withdrawn
from vaven.vocab.iris import Iris, segment
from vaven.vocab.periods import period_from_slug

# The code of an own area may contain a slash, which HTTP servers decode: the number of segments before and after the
# code in the paths that have one.
AROUND_CODE = {"area": (2, 0), "observation": (2, 4), "target": (2, 2)}
# Pages whose path differs from the one after `id/`.
PAGES = {
    ("catalogue",): "/datasets",
    ("sparql",): "/sparql",
    ("scheme", "kpi"): "/kpis",
    ("scheme", "theme"): "/kpis",
    ("scheme", "area"): "/areas",
}
OWN_PAGES = ("kpi", "theme")
COUNTED = {"kpi": "kpi", "age": "age", "status": "status", "method": "method", "dataset": "dataset"}
VERSION_DIGITS = 9
CACHE_SIZE = 256


class ResourceLookup:
    """All published resources, by the path after `id/` as Flask decodes it."""

    def __init__(self, engine: QueryEngine, collection: Collection, iris: Iris) -> None:
        self._engine, self._collection, self._iris = engine, collection, iris
        self._resources = CachedByState[str, Resource | None](CACHE_SIZE)

    def state(self) -> str:
        return self._engine.state()

    def iri(self, name: str) -> str | None:
        """Return the IRI of a path as minted; None for characters that no IRI may contain, so no SPARQL is injected."""
        if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name):
            return None
        return f"{self._iris.base}id/" + "/".join(map(segment, segments(name)))

    def knows(self, name: str) -> bool:
        iri = self.iri(name)
        return iri is not None and (exists(self._execute, iri) or self._in_release(name, iri) is not None)

    def find(self, name: str) -> Resource | None:
        """Return a resource; an older version and its files as their release describes them, with later statements."""
        iri = self.iri(name)
        if iri is None:
            return None
        return self._resources.get(self.state(), iri, lambda: self._gather(name, iri))

    def _gather(self, name: str, iri: str) -> Resource | None:
        current, released = gather(self._execute, self._iris, iri), self._in_release(name, iri)
        if released and current:
            # The release's own statements do not change; later ones about it are in the graph.
            return replace(current, graph=Dataset([*released.graph, *current.graph]))
        return released or current

    def _in_release(self, name: str, iri: str) -> Resource | None:
        """Return a resource from its older release, as the graph has current releases only."""
        parts = name.split("/")
        if len(parts) < 3 or parts[0] != "dataset" or not parts[2].isdecimal() or len(parts[2]) > VERSION_DIGITS:
            return None
        slug, version = parts[1], int(parts[2])
        if self._collection.visible().get(slug) == version:
            return None
        return self._resources.get(self.state(), f"release:{iri}", lambda: self._read(slug, version, iri))

    def _read(self, slug: str, version: int, iri: str) -> Resource | None:
        store = Store()
        dataset = NamedNode(self._iris.dataset(slug))
        try:
            with self._collection.open(slug, version, "metadata.ttl") as file:
                store.bulk_load(file, RdfFormat.TURTLE, to_graph=dataset)
        except UnknownDataset:
            return None
        resource = gather(executor(store), self._iris, iri)
        if resource and iri != dataset.value:
            # Of the dataset itself only its name: the graph describes it as it is now.
            quads = (q for q in resource.graph if q.subject != dataset or q.predicate in NAMES)
            resource = replace(resource, graph=Dataset(quads))
        has_statements = resource and any(True for _ in resource.graph.quads_for_subject(NamedNode(iri)))
        return resource if has_statements else None

    def withdrawn(self, name: str) -> Withdrawn | None:
        """Return the tombstone of the version or dataset that a resource belongs to, if that was withdrawn."""
        owner = _owner(self._iris, name)
        try:
            if owner and owner[1] is not None:
                self._collection.release(owner[0], owner[1])
            elif owner:
                self._collection.dataset(owner[0])
        except Withdrawn as tombstone:
            return tombstone
        except UnknownDataset:
            return None
        return None

    def no_longer_included(self, name: str) -> NoLongerIncluded | Withdrawn | None:
        """Return the error for a resource that an older version of a dataset has; None if no version has it."""
        iri = self.iri(name)
        version = last_version_with(self._collection, self._iris, iri, segments(name)) if iri else None
        try:
            if version:
                self._collection.release(*version)
                return NoLongerIncluded(*version)
        except Withdrawn as tombstone:
            return tombstone
        return None

    def page(self, name: str) -> str:
        """Return the path of a resource's own page; "" if it has none, such as a municipality without values."""
        kind, *rest = parts = segments(name)
        path = "/" + quote("/".join(map(segment, parts)), safe="/%+")
        if tuple(parts) in PAGES:
            return PAGES[tuple(parts)]
        if kind == "area":
            has_page = len(rest) == 2 and self._collection.area(rest[0], rest[1]) is not None
        elif kind == "investment":
            has_page = self._collection.investment("/".join(rest)) is not None
        elif kind == "dataset":
            has_page = len(rest) == 1 or (len(rest) == 2 and rest[1].isdecimal())
        else:
            has_page = kind in OWN_PAGES and len(rest) == 1
        return path if has_page else ""

    def observed(self, name: str) -> Observed | None:
        """Return the number of a resource's observations and links to them; None if it has none."""
        kind, *rest = segments(name)
        filters = _filters(kind, rest)
        count = self._collection.count(**filters) if filters else 0
        iri = self.iri(name)
        if not count or iri is None:
            return None
        file = f"{self._iris.base.rstrip('/')}{self.page(name)}.csv" if kind in ("kpi", "area") else ""
        return observed_of(self._iris, iri, kind, count, [file] if file else [])

    def _execute(self, query: str, media_type: str) -> bytes:
        result = self._engine.query(query, media_type=media_type)
        try:
            return result.file.read()
        finally:
            result.close()


def executor(store: Store) -> Execute:
    """Return a function that executes queries on a small store in memory."""

    def execute(query: str, media_type: str) -> bytes:
        result = store.query(query, use_default_graph_as_union=True)
        if isinstance(result, QueryTriples):
            return result.serialize(format=RdfFormat.N_TRIPLES) or b""
        return result.serialize(format=QueryResultsFormat.JSON) or b""

    return execute


def segments(name: str) -> list[str]:
    """Split a path into the segments that it was minted from: a decoded slash inside a code is no separator."""
    parts = name.split("/")
    before, after = AROUND_CODE.get(parts[0], (len(parts), 0))
    end = len(parts) - after
    return [*parts[:before], "/".join(parts[before:end]), *parts[end:]] if end > before else parts


def _filters(kind: str, rest: Sequence[str]) -> Mapping[str, str]:
    """Return the arguments of Collection.count for a resource; none if observations are not about its kind."""
    if kind == "area" and len(rest) == 2:
        return {"area_vintage": rest[0], "key": rest[1]}
    if len(rest) != 1:
        return {}
    if kind == "period":
        try:
            return {"period": period_from_slug(rest[0]).text}
        except ValueError:
            return {}
    return {COUNTED[kind]: rest[0]} if kind in COUNTED else {}


def _owner(iris: Iris, name: str) -> tuple[str, int | None] | None:
    """Return the dataset, and the version if there is one, in the path of a resource."""
    owner = iris.owner(f"{iris.base}id/{name}")
    if not owner:
        return None
    rest = name.split("/")[2:] if name.startswith("dataset/") else []
    is_version = bool(rest) and rest[0].isdecimal() and len(rest[0]) <= VERSION_DIGITS
    return owner, int(rest[0]) if is_version else None
