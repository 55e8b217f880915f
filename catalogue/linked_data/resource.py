"""What is said of one thing, as a small graph: its statements, what leads to it, and the names of all of these.

Bounded, whatever a thing is tied to: an area with a hundred thousand observations lists none of them, and whoever
shows it says how many there are. Neither does a thing with a million values of one property list more than EACH.

Terms are the engine's own (pyoxigraph), so that every literal keeps the letters that it was published with.
"""

import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pyoxigraph import BlankNode, Dataset, Literal, NamedNode, Quad, RdfFormat, parse

from vaven.vocab import media_types
from vaven.vocab.errors import QuerySyntaxError
from vaven.vocab.iris import NAMESPACES, Iris

# Statements that are shown whole; more than that, and EACH of one property are.
LINKS = 400
EACH = 100
MOST_NAMED = 1_000
KEPT = 256
# The properties of thing-names.rq, the best name first.
NAMES = tuple(
    NamedNode(NAMESPACES[prefix] + name)
    for prefix, name in (("skos", "prefLabel"), ("rdfs", "label"), ("foaf", "name"), ("dcterms", "title"))
)
# What is asked for of a thing with more statements than LINKS, beside what the first of them have.
USUAL = tuple(
    NAMESPACES[prefix] + name
    for prefix, names in {
        "rdf": "type",
        "dcterms": "description identifier publisher issued modified license conformsTo spatial temporal language",
        "dcat": "landingPage contactPoint keyword theme service dataset distribution hasVersion version endpointURL",
        "skos": "definition inScheme broader notation",
        "foaf": "homepage",
        "qb": "structure",
        "cube": "observedBy observationConstraint",
        "void": "sparqlEndpoint dataDump triples entities",
    }.items()
    for name in names.split()
)
# A query and the media type of its answer in, the whole answer out. Raises QueryError.
Ask = Callable[[str, str], bytes]


@dataclass(frozen=True)
class Resource:
    """A thing with the graph about it. `cut` are the properties of which only EACH values are listed, `cut_inverse`
    those by which more than EACH others lead to the thing, with their number."""

    iri: str
    graph: Dataset
    cut: tuple[str, ...] = ()
    cut_inverse: Mapping[str, int] = field(default_factory=dict)

    def names(self, thing: str | None = None) -> dict[str, str]:
        """Language to name of a thing of the graph; "" for a name in no language. Empty where it has none."""
        said = list(self.graph.quads_for_subject(NamedNode(thing or self.iri)))
        for property in NAMES:
            found = [q.object for q in said if q.predicate == property and isinstance(q.object, Literal)]
            if found:
                # Where there are several in one language, the first in order, so that it is always the same.
                return {name.language or "": name.value for name in sorted(found, key=_value, reverse=True)}
        return {}


class Resources:
    """The last things that were asked for, by the state of the graph. Safe to use from many threads."""

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[str, str], Resource | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, state: str, iri: str, find: Callable[[], Resource | None]) -> Resource | None:
        """What `find` says of a thing; asked once where the state has a name."""
        if not state:
            return find()
        with self._lock:
            if (state, iri) in self._kept:
                self._kept.move_to_end((state, iri))
                return self._kept[state, iri]
        found = find()
        with self._lock:
            self._kept[state, iri] = found
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


def exists(ask: Ask, iri: str) -> bool:
    """Whether anything is said of a thing, or leads to it."""
    try:
        return b"true" in ask(_query("thing-exists", iri=iri), media_types.SPARQL_JSON)
    except QuerySyntaxError:
        # Characters that no IRI may hold name nothing.
        return False


def gather(ask: Ask, iris: Iris, iri: str) -> Resource | None:
    """All that belongs into a document about a thing; None where nothing is said of it and nothing leads to it.

    Two to four small queries; some dozens more for the few things with very many statements of their own.
    """
    try:
        first = _triples(ask, "thing", iri=iri, links=str(LINKS + 1), inverse=str(EACH + 1))
    except QuerySyntaxError:
        return None
    thing = NamedNode(iri)
    if not len(first):
        return None
    own = [quad for quad in first if quad.subject == thing]
    if len(own) > LINKS:
        graph, cut = _some(ask, thing, own)
    else:
        graph, cut = _whole(ask, thing, own), ()
    inverse, many = _inverse(ask, iris, thing, [q for q in first if q.subject != thing])
    for quad in inverse:
        graph.add(quad)
    for quad in _names(ask, graph, thing):
        graph.add(quad)
    return Resource(iri, graph, cut, many)


def bounded(graph: Iterable[Quad], start: Iterable[NamedNode | BlankNode]) -> Dataset:
    """The concise bounded description of some nodes: their statements, and those of the blank nodes these lead to."""
    whole, found = Dataset(graph), Dataset()
    waiting = list(start)
    while waiting:
        for quad in whole.quads_for_subject(waiting.pop()):
            if isinstance(quad.object, BlankNode) and not any(True for _ in found.quads_for_subject(quad.object)):
                waiting.append(quad.object)
            found.add(quad)
    return found


def _whole(ask: Ask, thing: NamedNode, own: list[Quad]) -> Dataset:
    """A thing's statements with its blank nodes and with what is named by a # behind its own IRI (httpRange-14)."""
    parts = _parts(thing, own)
    if parts or any(isinstance(quad.object, BlankNode) for quad in own):
        # An engine may say more in a DESCRIBE than that; some add all that leads to a thing.
        return bounded(_triples(ask, "thing-whole", things=_listed([thing, *parts])), [thing, *parts])
    return Dataset(own)


def _parts(thing: NamedNode, said: Iterable[Quad]) -> set[NamedNode]:
    objects = (quad.object for quad in said)
    return {part for part in objects if isinstance(part, NamedNode) and part.value.startswith(f"{thing.value}#")}


def _some(ask: Ask, thing: NamedNode, own: list[Quad]) -> tuple[Dataset, tuple[str, ...]]:
    """The first values of each property, and the properties that have more."""
    graph, cut = Dataset(), []
    for property in sorted({q.predicate.value for q in own} | {p.value for p in NAMES} | set(USUAL)):
        found = list(_triples(ask, "thing-property", iri=thing.value, property=property, limit=str(EACH + 1)))
        if len(found) > EACH:
            cut.append(property)
        for quad in found[:EACH]:
            graph.add(quad)
    if parts := _parts(thing, graph):
        # They stand in no other document.
        for quad in bounded(_triples(ask, "thing-whole", things=_listed(parts)), parts):
            graph.add(quad)
    return graph, tuple(cut)


def _inverse(ask: Ask, iris: Iris, thing: NamedNode, first: list[Quad]) -> tuple[list[Quad], dict[str, int]]:
    """What leads to a thing, observations left out, and how much does by the properties that are not listed whole."""
    if len(first) > EACH:
        first = list(_triples(ask, "thing-inverse", iri=thing.value, base=iris.base, limit=str(EACH + 1)))
    listed: Counter[str] = Counter()
    found = []
    for quad in first:
        if isinstance(quad.subject, NamedNode) and not quad.subject.value.startswith(iris.observations):
            listed[quad.predicate.value] += 1
            if listed[quad.predicate.value] <= EACH:
                found.append(quad)
    many = sorted(property for property, count in listed.items() if count > EACH)
    return found, {property: _count(ask, thing, property) for property in many}


def _count(ask: Ask, thing: NamedNode, property: str) -> int:
    answer = ask(_query("thing-count", iri=thing.value, property=property), media_types.SPARQL_JSON)
    return int(json.loads(answer)["results"]["bindings"][0]["count"]["value"])


def _names(ask: Ask, graph: Dataset, thing: NamedNode) -> Iterable[Quad]:
    """The names of all that a graph speaks of, but for the thing itself, whose own statements have them."""
    spoken = {term for q in graph for term in (q.subject, q.predicate, q.object) if isinstance(term, NamedNode)}
    wanted = sorted(spoken - {thing}, key=_value)[:MOST_NAMED]
    return _triples(ask, "thing-names", things=_listed(wanted)) if wanted else ()


def _listed(things: Iterable[NamedNode]) -> str:
    return " ".join(map(str, things))


def _value(term: NamedNode | Literal) -> str:
    return term.value


def _triples(ask: Ask, name: str, **values: str) -> Dataset:
    return Dataset(_read(ask(_query(name, **values), media_types.N_TRIPLES)))


def _read(answer: bytes) -> Iterator[Quad]:
    yield from parse(answer, RdfFormat.N_TRIPLES)


@cache
def _text(name: str) -> str:
    return (files(__package__) / "queries" / f"{name}.rq").read_text("utf-8")


def _query(name: str, **values: str) -> str:
    """A query of queries/ with its values in their places; IRIs are as minted, so nothing can be smuggled in."""
    lines = [line for line in _text(name).split("\n") if not line.startswith("#")]
    query = "\n".join(lines)
    for key, value in values.items():
        query = query.replace(f"{{{key}}}", value)
    return query
