"""Where the things are that our identifiers name: in the graph, or, of an older version, in its release.

Also which page is a thing's own, and which observations it counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from pyoxigraph import Dataset, NamedNode, QueryResultsFormat, QueryTriples, RdfFormat, Store

from vaven.catalogue.linked_data.documents import Observed, observed
from vaven.catalogue.linked_data.older_versions import last_version_with
from vaven.catalogue.linked_data.resource import NAMES, Ask, Resource, Resources, exists, gather
from vaven.publisher.engine.interface import QueryEngine
from vaven.publisher.published.collection import Collection
from vaven.vocab.errors import NoLongerIncluded, UnknownDataset, Withdrawn
from vaven.vocab.iris import Iris, segment
from vaven.vocab.periods import period_from_slug

# An own area's code may hold a slash, which HTTP servers undo from its escape: how many segments stand
# before and after the code in the paths that have one.
AROUND_CODE = {"area": (2, 0), "observation": (2, 4), "target": (2, 2)}
# Things whose page is not at the path behind `id/`.
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


class ResourceLookup:
    """All that is published, by the path behind `id/` as Flask gives it, its escapes undone."""

    def __init__(self, engine: QueryEngine, collection: Collection, iris: Iris) -> None:
        self._engine, self._collection, self._iris = engine, collection, iris
        self._kept = Resources()

    def state(self) -> str:
        return self._engine.state()

    def iri(self, name: str) -> str | None:
        """The IRI of a path as it is minted; None where it holds what no IRI may, so no query can be smuggled in."""
        if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name):
            return None
        return f"{self._iris.base}id/" + "/".join(map(segment, segments(name)))

    def knows(self, name: str) -> bool:
        iri = self.iri(name)
        return iri is not None and (exists(self._ask, iri) or self._of_release(name, iri) is not None)

    def find(self, name: str) -> Resource | None:
        """What is said of a thing; of an older version or its files what its release says, and what came after it."""
        iri = self.iri(name)
        if iri is None:
            return None
        return self._kept.get(self.state(), iri, lambda: self._found(name, iri))

    def _found(self, name: str, iri: str) -> Resource | None:
        now, before = gather(self._ask, self._iris, iri), self._of_release(name, iri)
        if before and now:
            # What the release said stays as it was; what is said of it since comes from the graph.
            return replace(now, graph=Dataset([*before.graph, *now.graph]))
        return before or now

    def _of_release(self, name: str, iri: str) -> Resource | None:
        """The graph holds current releases only; an earlier one says of itself what it did when it was new."""
        parts = name.split("/")
        if len(parts) < 3 or parts[0] != "dataset" or not parts[2].isdecimal() or len(parts[2]) > VERSION_DIGITS:
            return None
        if self._collection.visible().get(parts[1]) == int(parts[2]):
            return None
        return self._kept.get(self.state(), f"release:{iri}", lambda: self._read(parts[1], int(parts[2]), iri))

    def _read(self, slug: str, version: int, iri: str) -> Resource | None:
        store = Store()
        try:
            with self._collection.open(slug, version, "metadata.ttl") as file:
                store.bulk_load(file, RdfFormat.TURTLE, to_graph=NamedNode(self._iris.dataset(slug)))
        except UnknownDataset:
            return None
        found = gather(asking(store), self._iris, iri)
        if found and iri != self._iris.dataset(slug):
            # Of the dataset itself the graph tells, and not what was so when this was released; but its name.
            dataset = NamedNode(self._iris.dataset(slug))
            kept = (q for q in found.graph if q.subject != dataset or q.predicate in NAMES)
            found = replace(found, graph=Dataset(kept))
        return found if found and any(True for _ in found.graph.quads_for_subject(NamedNode(iri))) else None

    def withdrawn(self, name: str) -> Withdrawn | None:
        """The tombstone of what a thing belonged to, where that was taken back."""
        found = _belongs_to(self._iris, name)
        try:
            if found and found[1] is not None:
                self._collection.release(found[0], found[1])
            elif found:
                self._collection.dataset(found[0])
        except Withdrawn as tombstone:
            return tombstone
        except UnknownDataset:
            return None
        return None

    def left_out(self, name: str) -> NoLongerIncluded | Withdrawn | None:
        """Why a thing that an earlier version of a dataset had is not there any more; None for what none ever had."""
        iri = self.iri(name)
        found = last_version_with(self._collection, self._iris, iri, segments(name)) if iri else None
        try:
            if found:
                self._collection.release(*found)
                return NoLongerIncluded(*found)
        except Withdrawn as tombstone:
            return tombstone
        return None

    def page(self, name: str) -> str:
        """The path of a thing's own page; "" where it has none, as municipalities, without figures of their own."""
        kind, *rest = parts = segments(name)
        path = "/" + quote("/".join(map(segment, parts)), safe="/%+")
        if tuple(parts) in PAGES:
            return PAGES[tuple(parts)]
        if kind == "area":
            has_one = len(rest) == 2 and self._collection.area(rest[0], rest[1]) is not None
        elif kind == "investment":
            has_one = self._collection.investment("/".join(rest)) is not None
        elif kind == "dataset":
            has_one = len(rest) == 1 or (len(rest) == 2 and rest[1].isdecimal())
        else:
            has_one = kind in OWN_PAGES and len(rest) == 1
        return path if has_one else ""

    def observed(self, name: str) -> Observed | None:
        """How many observations there are of a thing, and where; None for what none are of."""
        kind, *rest = segments(name)
        wanted = _counted(kind, rest)
        count = self._collection.count(**wanted) if wanted else 0
        iri = self.iri(name)
        if not count or iri is None:
            return None
        file = f"{self._iris.base.rstrip('/')}{self.page(name)}.csv" if kind in ("kpi", "area") else ""
        return observed(self._iris, iri, kind, count, [file] if file else [])

    def _ask(self, query: str, media_type: str) -> bytes:
        answer = self._engine.query(query, media_type=media_type)
        try:
            return answer.file.read()
        finally:
            answer.close()


def asking(store: Store) -> Ask:
    """A small store in memory as something that answers queries."""

    def ask(query: str, media_type: str) -> bytes:
        found = store.query(query, use_default_graph_as_union=True)
        if isinstance(found, QueryTriples):
            return found.serialize(format=RdfFormat.N_TRIPLES) or b""
        return found.serialize(format=QueryResultsFormat.JSON) or b""

    return ask


def segments(name: str) -> list[str]:
    """The parts of a path as they were before a slash inside a code was undone from its escape."""
    parts = name.split("/")
    before, after = AROUND_CODE.get(parts[0], (len(parts), 0))
    end = len(parts) - after
    return [*parts[:before], "/".join(parts[before:end]), *parts[end:]] if end > before else parts


def _counted(kind: str, rest: Sequence[str]) -> Mapping[str, str]:
    """What Collection.count is asked for a thing."""
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


def _belongs_to(iris: Iris, name: str) -> tuple[str, int | None] | None:
    """The dataset, and the version where it is told, that a thing's path names."""
    owner = iris.owner(f"{iris.base}id/{name}")
    if not owner:
        return None
    rest = name.split("/")[2:] if name.startswith("dataset/") else []
    is_version = bool(rest) and rest[0].isdecimal() and len(rest[0]) <= VERSION_DIGITS
    return owner, int(rest[0]) if is_version else None
