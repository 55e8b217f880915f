"""What the writer of a pattern that matches nothing may have meant, as far as the data can tell.

Each remedy has been tried: what it proposes matches something where the pattern stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import duckdb

from vaven.publisher.explain.probe import MatchScope, Names, Prober
from vaven.publisher.sparql.query_tree import GraphPattern, QueryTerm, SyntaxNode, TriplePattern
from vaven.vocab.iris import NAMESPACES, Iris

SHOWN = 3
# Names of an expression that are looked for in another form.
TRIED = 4
# How much of a name may be otherwise for another one to be meant.
CHANGED_SHARE = 0.34
RDF_TYPE = NAMESPACES["rdf"] + "type"
STRING = re.compile(r"(\"{3}.*?\"{3}|'{3}.*?'{3}|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')(.*)", re.DOTALL)
LANGUAGES = ("sv", "en")
# Datatypes that a number or a date may be meant in, by how it looks.
LOOKS = (
    (re.compile(r"\d{4}"), ("gYear", "integer", "string", "decimal", "double")),
    (re.compile(r"[+-]?\d+"), ("integer", "string", "decimal", "double")),
    (re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?"), ("decimal", "double", "string")),
    (re.compile(r"\d{4}-\d\d"), ("gYearMonth", "string")),
    (re.compile(r"\d{4}-\d\d-\d\d"), ("date", "string")),
    (re.compile(r"\d{4}-\d\d-\d\dT.*"), ("dateTime", "string")),
    (re.compile("true|false"), ("boolean", "string")),
)


@dataclass(frozen=True)
class Suggestion:
    """`kind` names a sentence, which `given` fills in. `piece` is to be replaced by `text` where both are there."""

    kind: str
    given: Mapping[str, str | int] = field(default_factory=dict)
    piece: SyntaxNode | None = None
    text: str = ""


@dataclass(frozen=True)
class KnownTerms:
    """IRIs that the data have: properties and classes, and things that people name in queries."""

    properties: Sequence[str] = ()
    classes: Sequence[str] = ()
    things: Sequence[str] = ()


Candidate = tuple[str, str]


class Suggestions:
    """Gives remedies for parts of one query. `known` is asked only where a name is unknown."""

    def __init__(self, prober: Prober, names: Names, iris: Iris, known: Callable[[], KnownTerms]) -> None:
        self._prober, self._names, self._iris, self._known = prober, names, iris, known

    def of_pattern(self, triple: TriplePattern, place: MatchScope, graph: QueryTerm | None) -> tuple[Suggestion, ...]:
        """For a triple pattern without matches. Raises as Prober.matches."""
        if found := self.elsewhere(triple.sparql, place, graph):
            return (found,)
        return tuple(self._of_terms(triple, place))

    def elsewhere(self, pattern: str, place: MatchScope, graph: QueryTerm | None) -> Suggestion | None:
        """Where a pattern matches in other graphs than those that the query is about."""
        if not (place.graph or self._prober.has_dataset):
            return None
        rows = self._prober.rows("?graph0", f"GRAPH ?graph0 {{ {pattern} }}", MatchScope(is_anywhere=True), SHOWN)
        if not rows:
            return None
        graphs = [self._names.term(row["graph0"]) for row in rows]
        if place.graph and graph is not None and not graph.is_open:
            return Suggestion("other-graph", {"graph": graph.text, "graphs": ", ".join(graphs)}, graph, graphs[0])
        return Suggestion("other-dataset", {"graphs": ", ".join(graphs)})

    def of_graph(self, element: GraphPattern, place: MatchScope, graph: QueryTerm) -> tuple[Suggestion, ...]:
        """For a graph that has nothing: others that have what is asked of it, or any."""
        found = self.elsewhere(element.groups[0].text[1:-1], place, graph) or self.elsewhere(
            "?s0 ?p0 ?o0", place, graph
        )
        return (found,) if found else ()

    def of_join(self, variables: Sequence[str], before: str, last: str, place: MatchScope) -> tuple[Suggestion, ...]:
        """What the variables that two patterns share are in each of them."""
        found = []
        for name in variables[:2]:
            here, there = self._samples(name, before, place), self._samples(name, last, place)
            if here and there:
                found.append(Suggestion("apart", {"variable": f"?{name}", "here": here, "there": there}))
        return tuple(found)

    def of_terms(self, part: GraphPattern, pattern: str, place: MatchScope) -> tuple[Suggestion, ...]:
        """For an expression or VALUES: names in it that are otherwise in what `pattern` gives their variable."""
        pairs = [(name, term) for name in sorted(part.variables)[:2] for term in part.terms[:TRIED]]
        return tuple(remedy for name, term in pairs for remedy in self._of_value(name, term, pattern, place))

    def _of_value(self, name: str, term: QueryTerm, pattern: str, place: MatchScope) -> Iterator[Suggestion]:
        if term.kind == "literal":
            yield from self._alike(term, f"?{name}", pattern, place)
        elif iri := self._names.iri(term):
            candidates = list(_like(iri, self._known().things, self._iris))
            rows = " ".join(f"({i} <{candidate}>)" for i, (_, candidate) in enumerate(candidates))
            found = self._prober.rows("?i0", f"VALUES (?i0 ?{name}) {{ {rows} }} {pattern}", place, len(candidates))
            for place_in in sorted(int(row["i0"]["value"]) for row in found)[:1]:
                yield self._renamed(term, iri, *candidates[place_in])

    def of_filter(
        self, part: GraphPattern, bound: frozenset[str], pattern: str, place: MatchScope
    ) -> tuple[Suggestion, ...]:
        """For a filter that nothing passes: a variable that has no value there, else what the values are like."""
        found = list(self.of_terms(part, pattern, place))
        for name in sorted(part.variables - bound):
            near = _nearest(sorted(bound), name, 1)
            given = {"variable": f"?{name}", "nearest": f"?{near[0]}"} if near else {"variable": f"?{name}"}
            found.append(Suggestion("unbound-nearest" if near else "unbound", given))
        if found:
            return tuple(found)
        samples = ((name, self._samples(name, pattern, place)) for name in sorted(part.variables & bound)[:2])
        return tuple(
            Suggestion("samples", {"variable": f"?{name}", "values": shown}) for name, shown in samples if shown
        )

    def of_resource(self, term: QueryTerm, place: MatchScope) -> tuple[Suggestion, ...]:
        """For a term that is the subject of nothing."""
        return tuple(self._instead(term, "?x0 ?p0 ?o0", self._known().things, place)) or (
            Suggestion("no-thing", {"term": term.text}),
        )

    def _samples(self, name: str, pattern: str, place: MatchScope) -> str:
        rows = self._prober.rows(f"?{name}", pattern, place, SHOWN)
        return ", ".join(self._names.term(row[name]) for row in rows if name in row)

    # --- one pattern

    def _of_terms(self, triple: TriplePattern, place: MatchScope) -> Iterator[Suggestion]:
        subject, predicate, object_ = (t.sparql for t in (triple.subject, triple.predicate, triple.object))
        matches = self._prober.matches
        if unknown := [name for name in self._properties(triple) if not matches(f"?s0 {name.sparql} ?o0", place)]:
            for name in unknown:
                yield from self._of_property(name, place)
        elif not triple.object.is_open and not matches(f"?s0 {predicate} {object_}", place):
            yield from self._of_object(triple, place)
        elif not triple.subject.is_open and not matches(f"{subject} {predicate} ?o0", place):
            yield from self._of_subject(triple, place)
        elif not triple.object.is_open and not triple.subject.is_open:
            yield from self._values(triple, f"{subject} {predicate} ?x0", place)

    def _properties(self, triple: TriplePattern) -> Sequence[QueryTerm]:
        # In a path, `!` asks for what is not so.
        return () if "!" in triple.predicate.text else triple.predicate.names

    def _of_property(self, name: QueryTerm, place: MatchScope) -> Iterator[Suggestion]:
        found = list(self._instead(name, "?s0 ?x0 ?o0", self._known().properties, place))
        yield from found or [Suggestion("no-property", {"term": name.text})]

    def _of_object(self, triple: TriplePattern, place: MatchScope) -> Iterator[Suggestion]:
        term, test = triple.object, f"?s0 {triple.predicate.sparql} ?x0"
        is_class = self._names.iri(triple.predicate) == RDF_TYPE
        if term.kind == "literal":
            found = list(self._literal_instead(term, test, place))
        else:
            found = list(self._instead(term, test, self._known().classes if is_class else self._known().things, place))
        if not found and is_class:
            yield Suggestion("no-class", {"term": term.text})
        elif not found:
            yield from self._values(triple, test, place)
        yield from found

    def _of_subject(self, triple: TriplePattern, place: MatchScope) -> Iterator[Suggestion]:
        term = triple.subject
        if self._prober.matches(f"{term.sparql} ?p0 ?o0", place):
            rows = self._prober.rows("?p0", f"{term.sparql} ?p0 ?o0", place, 4 * SHOWN)
            shown = ", ".join(self._names.term(row["p0"]) for row in rows)
            yield Suggestion("properties", {"term": term.text, "properties": shown})
            return
        found = list(self._instead(term, f"?x0 {triple.predicate.sparql} ?o0", self._known().things, place))
        yield from found or [Suggestion("no-thing", {"term": term.text})]

    def _values(self, triple: TriplePattern, pattern: str, place: MatchScope) -> Iterator[Suggestion]:
        if shown := self._samples("x0", pattern, place):
            yield Suggestion("values", {"property": triple.predicate.text, "values": shown})

    # --- other names

    def _instead(self, term: QueryTerm, test: str, known: Sequence[str], place: MatchScope) -> Iterator[Suggestion]:
        """The first candidate for an IRI with which `test` matches; `?x0` stands there for it."""
        iri = self._names.iri(term)
        candidates = list(_like(iri, known, self._iris)) if iri else []
        found = self._first([f"<{candidate}>" for _, candidate in candidates], test, place)
        if found is None:
            return
        yield self._renamed(term, iri, *candidates[found])

    def _renamed(self, term: QueryTerm, iri: str, kind: str, candidate: str) -> Suggestion:
        piece, text = self._mended(term, iri, candidate)
        is_prefix = piece is not term
        given = {"term": term.text, "instead": text, "of": piece.text, "prefix": term.text.partition(":")[0]}
        return Suggestion("prefix" if is_prefix else kind, given, piece, text)

    def _mended(self, term: QueryTerm, iri: str, candidate: str) -> tuple[SyntaxNode, str]:
        """What to replace: the IRI behind PREFIX where that is at fault, else the term."""
        prefix, _, name = term.text.partition(":")
        if term.kind == "prefixed" and name and candidate.endswith((f"/{name}", f"#{name}")):
            return self._names.prefixes[prefix], f"<{candidate.removesuffix(name)}>"
        return term, self._names.written(candidate, term)

    def _literal_instead(self, term: QueryTerm, test: str, place: MatchScope) -> Iterator[Suggestion]:
        """A literal that is the same but for language, datatype or letters, and that the data have."""
        candidates = list(_like_literal(term.text))
        found = self._first(candidates, test, place)
        if found is not None:
            yield _otherwise(term, self._names.shortened(candidates[found]))
        elif alike := list(self._alike(term, "?x0", test, place)):
            yield from alike
        else:
            yield from self._within(term, test, place)

    def _within(self, term: QueryTerm, test: str, place: MatchScope) -> Iterator[Suggestion]:
        """Longer literals that have the text in them."""
        text, _ = _parted(term.text)
        holding = f"{test} FILTER (isLiteral(?x0) && CONTAINS(LCASE(STR(?x0)), LCASE({text})))"
        if shown := self._samples("x0", holding, place):
            yield Suggestion("within", {"term": text, "values": shown})

    def _alike(self, term: QueryTerm, variable: str, pattern: str, place: MatchScope) -> Iterator[Suggestion]:
        """A literal among a variable's values that differs in language, datatype or capitals alone."""
        text, _ = _parted(term.text)
        alike = f"{pattern} FILTER (isLiteral({variable}) && LCASE(STR({variable})) = LCASE({text}))"
        for row in self._prober.rows(variable, alike, place, 1):
            if (other := self._names.term(row[variable[1:]])) != term.text:
                yield _otherwise(term, other)

    def _first(self, candidates: Sequence[str], test: str, place: MatchScope) -> int | None:
        """The place of the first candidate with which a pattern matches."""
        if not candidates:
            return None
        rows = " ".join(f"({i} {candidate})" for i, candidate in enumerate(candidates))
        pattern = f"VALUES (?i0 ?x0) {{ {rows} }} FILTER EXISTS {{ {place.around(test)} }}"
        found = self._prober.rows("?i0", pattern, MatchScope(is_anywhere=place.is_anywhere), len(candidates))
        return min((int(row["i0"]["value"]) for row in found), default=None)


def _otherwise(term: QueryTerm, other: str) -> Suggestion:
    """The remedy for a literal that the data have in another way; which way is its kind."""
    (text, kind), (other_text, other_kind) = _parted(term.text), _parted(other)
    is_same = text.strip("\"'") == other_text.strip("\"'")
    way = "language" if "@" in kind[:1] + other_kind[:1] else "datatype"
    return Suggestion(way if is_same else "letters", {"term": term.text, "instead": other}, term, other)


def _like(iri: str, known: Sequence[str], iris: Iris) -> Iterator[Candidate]:
    """What an IRI may stand for, the likeliest first, with the kind of remedy."""
    scheme, _, rest = iri.partition("://")
    if scheme in ("http", "https"):
        yield "scheme", ("https://" if scheme == "http" else "http://") + rest
    for part in ("id/", "ns#"):
        before, found, name = iri.partition(f"/{part}")
        if found and before + "/" != iris.base:
            yield "base", iris.base + part + name
    if iri[-1:] in ("/", "#"):
        yield "ending", iri[:-1]
    elif "#" not in iri:
        yield from (("ending", iri + "/"), ("ending", iri + "#"))
    start = max(iri.rfind("/"), iri.rfind("#")) + 1
    namespace, name = iri[:start], iri[start:]
    if not name:
        return
    yield from (("name", other) for other in known if other != iri and _name(other) == name)
    yield from (("letters", other) for other in known if other != iri and other.lower() == iri.lower())
    # Codes and years that differ in a figure are different things, not misspelt ones.
    near = {_name(other): other for other in known if other.startswith(namespace) and not _is_code(_name(other))}
    yield from (("nearest", near[found]) for found in _nearest(list(near), name, SHOWN) if near[found] != iri)


def _name(iri: str) -> str:
    return iri[max(iri.rfind("/"), iri.rfind("#")) + 1 :]


def _is_code(name: str) -> bool:
    return sum(letter.isdigit() for letter in name) * 2 >= len(name)


def _nearest(names: Sequence[str], wanted: str, count: int) -> list[str]:
    """Of some names those like one that isn't among them, by queries/nearest.sql."""
    query = (files(__package__) / "queries" / "nearest.sql").read_text("utf-8")
    most = max(1, int(len(wanted) * CHANGED_SHARE))
    given = {"names": list(names), "wanted": wanted, "most": most, "count": count}
    with duckdb.connect() as work:
        return [name for (name,) in work.execute(query, given).fetchall()] if names else []


def _parted(literal: str) -> tuple[str, str]:
    """The quoted text of a literal, and its language tag or datatype; numbers get quotes."""
    found = STRING.fullmatch(literal)
    return (found[1], found[2]) if found else (f'"{literal}"', "")


def _like_literal(literal: str) -> Iterator[str]:
    """The same text without language and datatype, in our languages, and in the datatypes that it looks like."""
    text, _ = _parted(literal)
    inner = text.strip("\"'")
    written = [text, *(f"{text}@{language}" for language in LANGUAGES)]
    kinds = next((kinds for look, kinds in LOOKS if look.fullmatch(inner)), ())
    written += [f"{text}^^<{NAMESPACES['xsd']}{kind}>" for kind in kinds]
    yield from (other for other in written if other != literal)
