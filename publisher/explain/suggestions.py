"""Suggestions for a pattern that matches nothing: what its author may have meant, according to the data.

Each replacement has been tried: it matches something in the place of the pattern.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files

import duckdb

from vaven.publisher.explain.probe import MatchScope, Prober, TermWriter
from vaven.publisher.sparql.lexer import tokens
from vaven.publisher.sparql.query_tree import GraphPattern, ParsedQuery, QueryTerm, SyntaxNode, TriplePattern
from vaven.vocab.iris import NAMESPACES, Iris

MAX_SAMPLES = 3
# Maximum number of terms of an expression for which variants are tried.
MAX_TERMS = 4
# Maximum share of changed characters between a name and a similar one.
MAX_CHANGED_SHARE = 0.34
RDF_TYPE = NAMESPACES["rdf"] + "type"
# The datatype of a missing value.
UNDEFINED = NAMESPACES["cube"] + "Undefined"
STRING = re.compile(r"(\"{3}.*?\"{3}|'{3}.*?'{3}|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')(.*)", re.DOTALL)
LANGUAGES = ("sv", "en")
# Datatypes that a number or date may be meant in, by its form.
DATATYPES_BY_FORM = (
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
    """A suggestion: the message `kind` with its parameters, and for a replacement the `node` and its new `text`."""

    kind: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    node: SyntaxNode | None = None
    text: str = ""


@dataclass(frozen=True)
class KnownTerms:
    """IRIs in the data: properties, classes, and resources that people name in queries.

    `older` are the areas that only an older version has, with its dataset and number.
    """

    properties: Sequence[str] = ()
    classes: Sequence[str] = ()
    resources: Sequence[str] = ()
    older: Mapping[str, tuple[str, int]] = field(default_factory=dict)


Candidate = tuple[str, str]


class Suggestions:
    """Suggestions for parts of one query. `known` is only called for an unknown name."""

    def __init__(self, prober: Prober, names: TermWriter, iris: Iris, known: Callable[[], KnownTerms]) -> None:
        self._prober, self._names, self._iris, self._known = prober, names, iris, known

    def for_pattern(self, triple: TriplePattern, scope: MatchScope, graph: QueryTerm | None) -> tuple[Suggestion, ...]:
        """Return suggestions for a triple pattern without matches. Raises as Prober.matches."""
        if elsewhere := self.in_other_graphs(triple.sparql, scope, graph):
            return (elsewhere,)
        return tuple(self._for_triple(triple, scope))

    def in_other_graphs(self, pattern: str, scope: MatchScope, graph: QueryTerm | None) -> Suggestion | None:
        """Return other graphs in which the pattern matches, outside the query's dataset."""
        if not (scope.graph or self._prober.has_dataset):
            return None
        rows = self._prober.rows(
            "?graph0", f"GRAPH ?graph0 {{ {pattern} }}", MatchScope(ignores_dataset=True), MAX_SAMPLES
        )
        if not rows:
            return None
        graphs = [self._names.write_term(row["graph0"]) for row in rows]
        if scope.graph and graph is not None and not graph.is_wildcard:
            return Suggestion("other-graph", {"graph": graph.text, "graphs": ", ".join(graphs)}, graph, graphs[0])
        return Suggestion("other-dataset", {"graphs": ", ".join(graphs)})

    def for_graph(self, element: GraphPattern, scope: MatchScope, graph: QueryTerm) -> tuple[Suggestion, ...]:
        """Return suggestions for an empty graph: other graphs that match its pattern, or any graphs."""
        elsewhere = self.in_other_graphs(element.groups[0].text[1:-1], scope, graph) or self.in_other_graphs(
            "?s0 ?p0 ?o0", scope, graph
        )
        return (elsewhere,) if elsewhere else ()

    def for_join(self, variables: Sequence[str], before: str, last: str, scope: MatchScope) -> tuple[Suggestion, ...]:
        """Return sample values of the variables shared by two patterns, in each of them."""
        suggestions = []
        for name in variables[:2]:
            here, there = self._samples(name, before, scope), self._samples(name, last, scope)
            if here and there:
                suggestions.append(Suggestion("apart", {"variable": f"?{name}", "here": here, "there": there}))
        return tuple(suggestions)

    def for_terms(self, clause: GraphPattern, pattern: str, scope: MatchScope) -> tuple[Suggestion, ...]:
        """Return variants of the terms in an expression or VALUES that are values of its variables in `pattern`."""
        pairs = [(name, term) for name in sorted(clause.variables)[:2] for term in clause.terms[:MAX_TERMS]]
        return tuple(suggestion for name, term in pairs for suggestion in self._for_value(name, term, pattern, scope))

    def _for_value(self, name: str, term: QueryTerm, pattern: str, scope: MatchScope) -> Iterator[Suggestion]:
        if term.kind == "literal":
            yield from self._similar_literal(term, f"?{name}", pattern, scope)
        elif (iri := self._names.resolve(term)) and (older := self._for_older(term, iri)):
            yield older
        elif iri:
            candidates = list(_similar_iris(iri, self._known().resources, self._iris))
            rows = " ".join(f"({i} <{candidate}>)" for i, (_, candidate) in enumerate(candidates))
            matches = self._prober.rows("?i0", f"VALUES (?i0 ?{name}) {{ {rows} }} {pattern}", scope, len(candidates))
            for index in sorted(int(row["i0"]["value"]) for row in matches)[:1]:
                yield self._rename(term, iri, *candidates[index])

    def for_filter(
        self, clause: GraphPattern, bound: frozenset[str], pattern: str, scope: MatchScope
    ) -> tuple[Suggestion, ...]:
        """Return suggestions for a filter that nothing passes: an unbound variable, else sample values."""
        suggestions = list(self.for_terms(clause, pattern, scope))
        for name in sorted(clause.variables - bound):
            near = _nearest(sorted(bound), name, 1)
            params = {"variable": f"?{name}", "nearest": f"?{near[0]}"} if near else {"variable": f"?{name}"}
            suggestions.append(Suggestion("unbound-nearest" if near else "unbound", params))
        if suggestions:
            return tuple(suggestions)
        names = sorted(clause.variables & bound)[:2]
        return tuple(suggestion for name in names for suggestion in self._for_values_of(name, pattern, scope))

    def _for_values_of(self, name: str, pattern: str, scope: MatchScope) -> Iterator[Suggestion]:
        """Yield sample values of a variable, or that all its values are missing."""
        has_missing = self._has_missing(name, pattern, scope)
        numbers = f"{pattern} FILTER (isNumeric(?{name}))"
        if values := self._samples(name, numbers if has_missing else pattern, scope):
            yield Suggestion("samples", {"variable": f"?{name}", "values": values})
        elif has_missing:
            yield Suggestion("missing", {"variable": f"?{name}", "value": self._missing})

    def for_having(
        self, query: ParsedQuery, clause: GraphPattern, bound: frozenset[str], scope: MatchScope
    ) -> tuple[Suggestion, ...]:
        """Return suggestions for a HAVING that no group passes: an alias of SELECT, or missing values in a group."""
        suggestions = list[Suggestion]()
        keys = query.tail["group"].variables if "group" in query.tail else frozenset[str]()
        text = clause.text
        if aliases := sorted((clause.variables & query.named.keys()) - bound - keys):
            text = _with_expressions(clause.text, query.named)
            other = replace(query, tail=query.tail | {"having": replace(clause, text=text)})
            is_passed = self._prober.matches(other.as_group("group", "having"), scope)
            names = ", ".join(f"?{name}" for name in aliases)
            node = clause if is_passed else None
            suggestions.append(Suggestion("alias", {"variables": names, "instead": text}, node, text))
            if is_passed:
                return tuple(suggestions)
        where = query.where.text if query.where else "{}"
        for name in dict.fromkeys(token.text[1:] for token in tokens(text) if token.kind == "variable"):
            if name in bound and self._has_missing(name, where, scope):
                suggestions.append(Suggestion("missing-in-group", {"variable": f"?{name}", "value": self._missing}))
        return tuple(suggestions)

    @property
    def _missing(self) -> str:
        """The missing value, as the query would write it."""
        return self._names.shorten_datatype(f'""^^<{UNDEFINED}>')

    def _has_missing(self, name: str, pattern: str, scope: MatchScope) -> bool:
        test = f"{pattern} FILTER (DATATYPE(?{name}) = <{UNDEFINED}>)"
        return bool(self._prober.rows(f"?{name}", test, scope, 1))

    def for_resource(self, term: QueryTerm, scope: MatchScope) -> tuple[Suggestion, ...]:
        """Return suggestions for a term that is not the subject of any triple."""
        return tuple(self._replace_iri(term, "?x0 ?p0 ?o0", self._known().resources, scope)) or (
            Suggestion("no-thing", {"term": term.text}),
        )

    def _samples(self, name: str, pattern: str, scope: MatchScope) -> str:
        rows = self._prober.rows(f"?{name}", pattern, scope, MAX_SAMPLES)
        return ", ".join(self._names.write_term(row[name]) for row in rows if name in row)

    # --- one pattern

    def _for_triple(self, triple: TriplePattern, scope: MatchScope) -> Iterator[Suggestion]:
        subject, predicate, object_ = (t.sparql for t in (triple.subject, triple.predicate, triple.object))
        matches = self._prober.matches
        if unknown := [name for name in self._properties(triple) if not matches(f"?s0 {name.sparql} ?o0", scope)]:
            for name in unknown:
                yield from self._for_property(name, scope)
        elif not triple.object.is_wildcard and not matches(f"?s0 {predicate} {object_}", scope):
            yield from self._for_object(triple, scope)
        elif not triple.subject.is_wildcard and not matches(f"{subject} {predicate} ?o0", scope):
            yield from self._for_subject(triple, scope)
        elif not triple.object.is_wildcard and not triple.subject.is_wildcard:
            yield from self._sample_values(triple, f"{subject} {predicate} ?x0", scope)

    def _properties(self, triple: TriplePattern) -> Sequence[QueryTerm]:
        # In a path, `!` excludes a property.
        return () if "!" in triple.predicate.text else triple.predicate.names

    def _for_property(self, name: QueryTerm, scope: MatchScope) -> Iterator[Suggestion]:
        suggestions = list(self._replace_iri(name, "?s0 ?x0 ?o0", self._known().properties, scope))
        yield from suggestions or [Suggestion("no-property", {"term": name.text})]

    def _for_object(self, triple: TriplePattern, scope: MatchScope) -> Iterator[Suggestion]:
        term, test = triple.object, f"?s0 {triple.predicate.sparql} ?x0"
        is_class = self._names.resolve(triple.predicate) == RDF_TYPE
        if term.kind == "literal":
            suggestions = list(self._replace_literal(term, test, scope))
        else:
            suggestions = list(
                self._replace_iri(term, test, self._known().classes if is_class else self._known().resources, scope)
            )
        if not suggestions and is_class:
            yield Suggestion("no-class", {"term": term.text})
        elif not suggestions:
            yield from self._sample_values(triple, test, scope)
        yield from suggestions

    def _for_subject(self, triple: TriplePattern, scope: MatchScope) -> Iterator[Suggestion]:
        term = triple.subject
        if self._prober.matches(f"{term.sparql} ?p0 ?o0", scope):
            rows = self._prober.rows("?p0", f"{term.sparql} ?p0 ?o0", scope, 4 * MAX_SAMPLES)
            properties = ", ".join(self._names.write_term(row["p0"]) for row in rows)
            yield Suggestion("properties", {"term": term.text, "properties": properties})
            return
        suggestions = list(
            self._replace_iri(term, f"?x0 {triple.predicate.sparql} ?o0", self._known().resources, scope)
        )
        yield from suggestions or [Suggestion("no-thing", {"term": term.text})]

    def _sample_values(self, triple: TriplePattern, pattern: str, scope: MatchScope) -> Iterator[Suggestion]:
        if values := self._samples("x0", pattern, scope):
            yield Suggestion("values", {"property": triple.predicate.text, "values": values})

    # --- other names

    def _replace_iri(self, term: QueryTerm, test: str, known: Sequence[str], scope: MatchScope) -> Iterator[Suggestion]:
        """Yield the first similar IRI with which `test` matches, in place of `?x0`."""
        iri = self._names.resolve(term)
        if older := self._for_older(term, iri):
            yield older
            return
        candidates = list(_similar_iris(iri, known, self._iris)) if iri else []
        index = self._first_match([f"<{candidate}>" for _, candidate in candidates], test, scope)
        if index is None:
            return
        yield self._rename(term, iri, *candidates[index])

    def _for_older(self, term: QueryTerm, iri: str) -> Suggestion | None:
        """Return the version that has an area which the current version of its dataset lacks."""
        if not (version := self._known().older.get(iri)):
            return None
        slug, number = version
        return Suggestion(
            "older", {"term": term.text, "dataset": slug, "version": number, "page": self._iris.page(slug, number)}
        )

    def _rename(self, term: QueryTerm, iri: str, kind: str, candidate: str) -> Suggestion:
        node, text = self._replacement(term, iri, candidate)
        is_prefix = node is not term
        params = {"term": term.text, "instead": text, "of": node.text, "prefix": term.text.partition(":")[0]}
        return Suggestion("prefix" if is_prefix else kind, params, node, text)

    def _replacement(self, term: QueryTerm, iri: str, candidate: str) -> tuple[SyntaxNode, str]:
        """Return the node to replace and its new text: the IRI of the PREFIX line if that is wrong, else the term."""
        prefix, _, name = term.text.partition(":")
        if term.kind == "prefixed" and name and candidate.endswith((f"/{name}", f"#{name}")):
            return self._names.prefixes[prefix], f"<{candidate.removesuffix(name)}>"
        return term, self._names.write_iri(candidate, term)

    def _replace_literal(self, term: QueryTerm, test: str, scope: MatchScope) -> Iterator[Suggestion]:
        """Yield literals of the data that differ only in language, datatype or letters."""
        candidates = list(_literal_variants(term.text))
        index = self._first_match(candidates, test, scope)
        if index is not None:
            yield _literal_suggestion(term, self._names.shorten_datatype(candidates[index]))
        elif alike := list(self._similar_literal(term, "?x0", test, scope)):
            yield from alike
        else:
            yield from self._containing_literals(term, test, scope)

    def _containing_literals(self, term: QueryTerm, test: str, scope: MatchScope) -> Iterator[Suggestion]:
        """Yield longer literals that contain the text."""
        text, _ = _split_literal(term.text)
        holding = f"{test} FILTER (isLiteral(?x0) && CONTAINS(LCASE(STR(?x0)), LCASE({text})))"
        if values := self._samples("x0", holding, scope):
            yield Suggestion("within", {"term": text, "values": values})

    def _similar_literal(self, term: QueryTerm, variable: str, pattern: str, scope: MatchScope) -> Iterator[Suggestion]:
        """Yield a value of a variable that differs only in language, datatype or case."""
        text, _ = _split_literal(term.text)
        alike = f"{pattern} FILTER (isLiteral({variable}) && LCASE(STR({variable})) = LCASE({text}))"
        for row in self._prober.rows(variable, alike, scope, 1):
            if (other := self._names.write_term(row[variable[1:]])) != term.text:
                yield _literal_suggestion(term, other)

    def _first_match(self, candidates: Sequence[str], test: str, scope: MatchScope) -> int | None:
        """Return the index of the first candidate with which a pattern matches."""
        if not candidates:
            return None
        rows = " ".join(f"({i} {candidate})" for i, candidate in enumerate(candidates))
        pattern = f"VALUES (?i0 ?x0) {{ {rows} }} FILTER EXISTS {{ {scope.wrap(test)} }}"
        matches = self._prober.rows("?i0", pattern, MatchScope(ignores_dataset=scope.ignores_dataset), len(candidates))
        return min((int(row["i0"]["value"]) for row in matches), default=None)


def _with_expressions(text: str, named: Mapping[str, str]) -> str:
    """Return an expression with the names of columns replaced by their expressions."""
    parts, position = list[str](), 0
    for token in tokens(text):
        if token.kind == "variable" and token.text[1:] in named:
            parts += [text[position : token.start], named[token.text[1:]]]
            position = token.end
    return "".join((*parts, text[position:]))


def _literal_suggestion(term: QueryTerm, other: str) -> Suggestion:
    """Return the suggestion for a variant of a literal in the data; its kind is the difference."""
    (text, kind), (other_text, other_kind) = _split_literal(term.text), _split_literal(other)
    is_same = text.strip("\"'") == other_text.strip("\"'")
    way = "language" if "@" in kind[:1] + other_kind[:1] else "datatype"
    return Suggestion(way if is_same else "letters", {"term": term.text, "instead": other}, term, other)


def _similar_iris(iri: str, known: Sequence[str], iris: Iris) -> Iterator[Candidate]:
    """Yield similar IRIs, the most likely first, with the kind of suggestion."""
    scheme, _, rest = iri.partition("://")
    if scheme in ("http", "https"):
        yield "scheme", ("https://" if scheme == "http" else "http://") + rest
    for part in ("id/", "ns#"):
        before, separator, name = iri.partition(f"/{part}")
        if separator and before + "/" != iris.base:
            yield "base", iris.base + part + name
    if iri[-1:] in ("/", "#"):
        yield "ending", iri[:-1]
    elif "#" not in iri:
        yield from (("ending", iri + "/"), ("ending", iri + "#"))
    start = max(iri.rfind("/"), iri.rfind("#")) + 1
    namespace, name = iri[:start], iri[start:]
    if not name:
        return
    yield from (("name", other) for other in known if other != iri and _local_name(other) == name)
    yield from (("letters", other) for other in known if other != iri and other.lower() == iri.lower())
    # Codes and years that differ in a digit are different resources, not misspellings.
    near = {
        _local_name(other): other for other in known if other.startswith(namespace) and not _is_code(_local_name(other))
    }
    yield from (
        ("nearest", near[separator]) for separator in _nearest(list(near), name, MAX_SAMPLES) if near[separator] != iri
    )


def _local_name(iri: str) -> str:
    return iri[max(iri.rfind("/"), iri.rfind("#")) + 1 :]


def _is_code(name: str) -> bool:
    return sum(letter.isdigit() for letter in name) * 2 >= len(name)


def _nearest(names: Sequence[str], unknown_name: str, count: int) -> list[str]:
    """Return the names most similar to one that is not among them, by queries/nearest.sql."""
    query = (files(__package__) / "queries" / "nearest.sql").read_text("utf-8")
    max_changes = max(1, int(len(unknown_name) * MAX_CHANGED_SHARE))
    params = {"names": list(names), "name": unknown_name, "max_changes": max_changes, "count": count}
    with duckdb.connect() as work:
        return [unknown_name for (unknown_name,) in work.execute(query, params).fetchall()] if names else []


def _split_literal(literal: str) -> tuple[str, str]:
    """Return the quoted text of a literal, and its language tag or datatype; numbers are quoted."""
    match = STRING.fullmatch(literal)
    return (match[1], match[2]) if match else (f'"{literal}"', "")


def _literal_variants(literal: str) -> Iterator[str]:
    """Yield the same text without language and datatype, in our languages, and in the datatypes of its form."""
    text, _ = _split_literal(literal)
    inner = text.strip("\"'")
    written = [text, *(f"{text}@{language}" for language in LANGUAGES)]
    kinds = next((kinds for look, kinds in DATATYPES_BY_FORM if look.fullmatch(inner)), ())
    written += [f"{text}^^<{NAMESPACES['xsd']}{kind}>" for kind in kinds]
    yield from (other for other in written if other != literal)
