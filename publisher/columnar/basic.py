"""Basic graph patterns as relations: patterns over the small triples, and over the columns of observations.

All patterns about one observation are one scan of the columns (a star). A pattern that may match both kinds of triples
is a union.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from vaven.publisher.columnar import algebra as a
from vaven.publisher.columnar import observations as obs
from vaven.publisher.columnar.context import RESOURCE, Context, QueryDataset, Sources
from vaven.publisher.columnar.paths import Paths
from vaven.publisher.columnar.relations import (
    UNDEFINED_TERM,
    UNIT,
    SolutionRelation,
    VariableColumn,
    as_term,
    empty,
    number_text,
)
from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION, PART_BITS, QUANTITY
from vaven.publisher.columns.terms import iri
from vaven.schemas.standard.sql import text

NODE = VariableColumn("id")
# The only terms that matter as values of variables, by their names (algebra.py, `narrowed`).
Possible = Mapping[str, Sequence[str]]
NOT_NARROWED: Possible = {}


class BasicPatterns:
    """Translation of basic graph patterns."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.names, self.relations = context.names, context.relations
        self._paths = Paths(self)

    def relation(
        self,
        triples: Sequence[a.Triple],
        dataset: QueryDataset,
        used: Set[str] | None = None,
        possible: Possible = NOT_NARROWED,
        described: Set[a.Term] = frozenset(),
    ) -> SolutionRelation:
        """Match triple patterns and paths.

        With `used`, only the set of solutions matters, and only these of their variables. Solutions with other terms
        than the `possible` ones of a variable may be left out, and those where a `described` one is an observation.
        """
        simple: list[a.Triple] = []
        paths: list[a.Triple] = []
        for triple in triples:
            self._flatten(triple, simple, paths)
        stars, _ = self._observed(simple)
        used = None if paths else used
        relation = self.conjunction(simple, dataset, used=used, possible=possible, described=described)
        nodes = {term.name for triple in simple for term in _ends(triple)}
        for triple in paths:
            ends = _ends(triple)
            known = next((term.name for term in ends if term.name in nodes), None)
            of_graph = self.context.graph_names(relation, dataset)
            starts = self.relations.select(relation, [known, *of_graph]) if known else None
            relation = self.relations.join(relation, self._paths.relation(triple, dataset, stars, starts))
            nodes |= {term.name for term in ends} if len(ends) == 2 else set()
        return relation

    def nodes(self, variable: str, dataset: QueryDataset) -> SolutionRelation:
        """Return all subjects and objects of triples as values of a variable, by graph."""
        parts = [("triples", "s", RESOURCE), ("triples", "o", NODE)]
        if self.context.columns.has_observations:
            known = {own: self.context.id(iri(own)) for own in self.context.own_terms(self.context.ontology)}
            for own in obs.all_triples(self.context.ontology, known):
                # Each observation and quantity is looked at once, by a type that all have.
                if not own.object.has_observations:
                    parts.append((f"({own.sql})", "o", own.object))
                if own.predicate == obs.OBSERVATION_OF or own.constant in (iri(obs.TYPES[0]), iri(obs.MEASURE)):
                    parts.append((f"({own.sql})", "s", own.subject))
        relations = []
        for table, side, column in parts:
            alias = self.names.new("n")
            source = Sources([f"{table} AS {alias}"])
            self.bind(a.Variable(variable), f"{alias}.{side}", column, source)
            self._bind_graph(f"{alias}.g", dataset, source)
            relation = self.closed(source)
            relations.append(replace(relation, sql=f"SELECT DISTINCT * FROM ({relation.sql})"))
        return self.relations.union(relations)

    def _flatten(self, triple: a.Triple, simple: list[a.Triple], paths: list[a.Triple]) -> None:
        """Write sequences and inverse properties as triple patterns (section 9.3 and 18.4)."""
        predicate = triple.predicate
        if isinstance(predicate, a.Sequence):
            subject = triple.subject
            for i, step in enumerate(predicate.steps):
                is_last = i + 1 == len(predicate.steps)
                target = triple.object if is_last else a.Variable(f" {self.names.new('step')}")
                self._flatten(a.Triple(subject, step, target), simple, paths)
                subject = target
        elif isinstance(predicate, a.Inverse):
            self._flatten(a.Triple(triple.object, predicate.path, triple.subject), simple, paths)
        elif isinstance(predicate, a.Variable | a.Link):
            simple.append(triple)
        else:
            paths.append(triple)

    def conjunction(
        self,
        triples: Sequence[a.Triple],
        dataset: QueryDataset,
        known: Set[a.Term] = frozenset(),
        used: Set[str] | None = None,
        possible: Possible = NOT_NARROWED,
        described: Set[a.Term] = frozenset(),
    ) -> SolutionRelation:
        """Match triple patterns together.

        `known` are variables that are observations by other patterns, and `described` those that are none.
        """
        if not triples:
            return self.context.graphs(dataset.graph, dataset) if isinstance(dataset.graph, str) else UNIT
        stars, measures = self._observed(triples)
        stars |= known
        described = (described | self._described(triples, stars)) - stars
        sources, others = Sources(), list[SolutionRelation]()
        rest: list[a.Triple] = []
        by_subject: dict[a.Term, list[a.Triple]] = {}
        for triple in triples:
            subject = self._star_of(triple, stars, measures)
            if subject is not None:
                by_subject.setdefault(subject, []).append(triple)
            else:
                rest.append(triple)
        for subject, own in by_subject.items():
            star = self._star(subject, own, dataset)
            if used is not None:
                around = {name for triple in triples if triple not in own for name in _names(triple)}
                star = self._distinct(star, {*used, *around, dataset.graph})
            self._merge(star, sources, others)
        for triple in rest:
            is_star = triple.subject in stars or self._is_observation(triple.subject)
            if is_star and isinstance(triple.predicate, a.Variable):
                others.append(self._unpivoted(triple, dataset))
                continue
            is_small = triple.subject in described or not self.context.columns.has_observations
            is_small |= not self.context.has_observations(dataset)
            is_about = triple.object in stars
            needed = {*used, dataset.graph} if used is not None and len(triples) == 1 else None
            branches = [] if is_small else self._branches(triple, possible)
            self._add_triple(triple, dataset, sources, others, branches, about=is_about, used=needed)
        parts = [self.closed(sources)] if sources.tables else []
        relation, *more = (*parts, *others)
        for other in more:
            relation = self.relations.join(relation, other)
        return relation

    def _observed(self, triples: Sequence[a.Triple]) -> tuple[set[a.Term], dict[a.Variable, a.Term]]:
        """Return the subjects that can only be observations, and the quantities by the observation they belong to."""
        stars: set[a.Term] = set()
        measures: dict[a.Variable, a.Term] = {}
        for triple in triples:
            if not isinstance(triple.predicate, a.Link) or not self.context.columns.has_observations:
                continue
            predicate = triple.predicate.iri
            if predicate in self.context.properties and predicate not in self.context.columns.predicates:
                stars.add(triple.subject)
            elif predicate == obs.OBSERVATION_OF and predicate not in self.context.columns.predicates:
                stars.add(triple.object)
            elif predicate == obs.RDF_TYPE and isinstance(triple.object, str):
                kind = triple.object[1:]
                if kind in obs.TYPES and kind not in self.context.columns.classes:
                    stars.add(triple.subject)
        stars = {
            s
            for s in stars
            if isinstance(s, a.Variable) or self.context.id(s) >= FIRST_OBSERVATION or self.context.id(s) < 0
        }
        for triple in triples:
            is_measure = isinstance(triple.predicate, a.Link) and triple.predicate.iri == obs.HAS_MEASURE
            if is_measure and triple.subject in stars and isinstance(triple.object, a.Variable):
                measures.setdefault(triple.object, triple.subject)
        return stars, measures

    def described(self, triples: Sequence[a.Triple]) -> Set[a.Term]:
        """Return the variables of triple patterns that are neither observations nor quantities."""
        simple: list[a.Triple] = []
        paths: list[a.Triple] = []
        for triple in triples:
            self._flatten(triple, simple, paths)
        stars, _ = self._observed(simple)
        return self._described(simple, stars)

    def _described(self, triples: Sequence[a.Triple], stars: set[a.Term]) -> Set[a.Term]:
        """Return the variables that cannot be observations or quantities: all their triples are small."""
        result: set[a.Term] = set()
        for triple in triples:
            if isinstance(triple.predicate, a.Link):
                property_ = self.context.properties.get(triple.predicate.iri)
                if not obs.is_own(triple.predicate.iri, self.context.ontology):
                    if triple.predicate.iri not in self.context.columns.observation_predicates:
                        result |= {triple.subject, triple.object}
                elif triple.predicate.iri == obs.RDF_TYPE:
                    observed = {iri(kind) for kind in (*obs.TYPES, obs.MEASURE)}
                    is_other = isinstance(triple.object, str) and triple.object not in observed
                    if is_other and not self._types_observations():
                        result.add(triple.subject)
                elif property_ and property_.column == RESOURCE and triple.subject in stars:
                    result.add(triple.object)
        return {term for term in result - stars if isinstance(term, a.Variable)}

    def _star_of(self, triple: a.Triple, stars: set[a.Term], measures: Mapping[a.Variable, a.Term]) -> a.Term | None:
        """Return the observation whose columns answer a triple pattern."""
        if not isinstance(triple.predicate, a.Link):
            return None
        predicate = triple.predicate.iri
        if triple.subject in stars:
            if predicate in self.context.properties:
                return triple.subject
            if predicate == obs.RDF_TYPE and isinstance(triple.object, str) and triple.object[1:] in obs.TYPES:
                return triple.subject
        if predicate == obs.OBSERVATION_OF and triple.object in stars:
            return triple.object
        if isinstance(triple.subject, a.Variable) and triple.subject in measures and triple.subject not in stars:
            is_type = predicate == obs.RDF_TYPE and triple.object == iri(obs.MEASURE)
            return measures[triple.subject] if is_type or predicate == obs.HAS_NUMBER else None
        return None

    def _star(self, subject: a.Term, triples: Sequence[a.Triple], dataset: QueryDataset) -> Sources:
        """Return one scan of the observations for all patterns with this subject."""
        o = self.names.new("o")
        source = Sources([f"observations AS {o}"])
        self.bind(subject, f"{o}.id", obs.OBSERVATION, source)
        self._bind_graph(f"{o}.graph", dataset, source)
        for triple in triples:
            assert isinstance(triple.predicate, a.Link)
            predicate = triple.predicate.iri
            if predicate == obs.RDF_TYPE:
                if triple.object in (iri(obs.REPORT), iri(obs.MEASURE)):
                    source.conditions.append(f"{o}.is_report")
            elif predicate == obs.OBSERVATION_OF and triple.object == subject:
                self.bind(triple.subject, f"{o}.observation_set", RESOURCE, source)
            elif predicate == obs.HAS_NUMBER:
                source.conditions.append(f"{o}.is_report")
                self.bind(triple.object, number_text(f"{o}.value", obs.NUMBER), obs.TEXT, source)
            else:
                property_, j = self.context.properties[predicate], self.names.new("j")
                for table, on in property_.joined:
                    source.tables.append(table.replace("{j}", j))
                    source.conditions.append(on.replace("{j}", j).replace("{o}", o))
                if property_.condition:
                    source.conditions.append(property_.condition.replace("{o}", o))
                self.bind(triple.object, property_.sql.replace("{j}", j).replace("{o}", o), property_.column, source)
        return source

    def _distinct(self, star: Sources, used: Set[object]) -> Sources:
        """Return the distinct terms of a scan, which are far fewer than observations: joins then have less to do."""
        bound = {name: (sql, column) for name, (sql, column) in star.bound.items() if name in used}
        if not bound or not all(column.is_in_dictionary for _, column in bound.values()):
            return star
        alias = self.names.new("d")
        relation = self.closed(replace(star, bound=bound))
        table = f"({relation.sql.replace('SELECT', 'SELECT DISTINCT', 1)}) AS {alias}"
        return Sources([table], [], {n: (f"{alias}.{self.names.of(n)}", column) for n, (_, column) in bound.items()})

    def bind(self, term: a.Term, sql: str, column: VariableColumn, source: Sources) -> None:
        """Add a variable's binding, or a condition for a constant or a further occurrence."""
        if isinstance(term, str):
            source.conditions.append(self._equals(sql, column, term))
        elif term.name not in source.bound:
            source.bound[term.name] = sql, column
        else:
            known, other = source.bound[term.name]
            if other.is_alike(column):
                source.conditions.append(f"{known} = {sql}")
            else:
                # The two are compared as terms, by a join of its own.
                source.conditions.append(f"{self._term_of(known, other)} = {self._term_of(sql, column)}")

    def _term_of(self, sql: str, column: VariableColumn) -> str:
        if column.kind != "id":
            return as_term(sql, column)
        return f"(SELECT term FROM terms AS x WHERE x.id = {sql})"

    def _equals(self, sql: str, column: VariableColumn, term: str) -> str:
        if column.kind == "id":
            return f"{sql} = {self.context.id(term)}"
        if column.kind == "text":
            return f"{sql} = {text(term[2:])}" if term.startswith('""') else "false"
        return f"{as_term(sql, column)} = {text(term)}"

    def _bind_graph(self, sql: str, dataset: QueryDataset, source: Sources) -> None:
        source.conditions += self.context.graph_condition(sql, dataset)
        if isinstance(dataset.graph, str):
            self.bind(a.Variable(dataset.graph), sql, RESOURCE, source)

    def _merge(self, source: Sources, sources: Sources, others: list[SolutionRelation]) -> None:
        """Add a source to the conjunction if its variables have the same representation there, else beside it."""
        for name, (_, column) in source.bound.items():
            if name in sources.bound and not sources.bound[name][1].is_alike(column):
                others.append(self.closed(source))
                return
        sources.tables += source.tables
        sources.conditions += source.conditions
        for name, (sql, column) in source.bound.items():
            if name in sources.bound:
                known, other = sources.bound[name]
                sources.conditions.append(f"{known} = {sql}")
                sources.bound[name] = known, other.narrowed_to(column)
            else:
                sources.bound[name] = sql, column

    def closed(self, source: Sources) -> SolutionRelation:
        chosen = ", ".join(f"{sql} AS {self.names.of(name)}" for name, (sql, _) in source.bound.items()) or "1 AS unit"
        where = f" WHERE {' AND '.join(source.conditions)}" if source.conditions else ""
        columns = {name: column for name, (_, column) in source.bound.items()}
        return SolutionRelation(f"SELECT {chosen} FROM {', '.join(source.tables)}{where}", columns)

    def _add_triple(
        self,
        triple: a.Triple,
        dataset: QueryDataset,
        sources: Sources,
        others: list[SolutionRelation],
        branches: Sequence[obs.OwnTriples],
        *,
        about: bool,
        used: Set[object] | None = None,
    ) -> None:
        """Add a pattern over the small triples, and over the parts of those of observations that it may match.

        `about` says that its object is an observation; for `used`, see `relation`.
        """
        small = self.small(triple, dataset)
        if about:
            branches = [branch for branch in branches if branch.object.has_observations]
            small = small if self.context.columns.observation_predicates else None
        if small is not None and not branches:
            self._merge(small, sources, others)
            return
        relations = [self.closed(small)] if small is not None else []
        for branch in branches:
            alias = self.names.new("b")
            source = Sources([f"({branch.sql}) AS {alias}"])
            self.bind(triple.subject, f"{alias}.s", branch.subject, source)
            if isinstance(triple.predicate, a.Variable):
                self.bind(triple.predicate, f"{alias}.p", RESOURCE, source)
            self.bind(triple.object, f"{alias}.o", branch.object, source)
            self._bind_graph(f"{alias}.g", dataset, source)
            relations.append(self.closed(source if used is None else self._distinct(source, used)))
        names = [t.name for t in (triple.subject, triple.predicate, triple.object) if isinstance(t, a.Variable)]
        others.append(self.relations.union(relations) if relations else empty(names, self.names))

    def _unpivoted(self, triple: a.Triple, dataset: QueryDataset) -> SolutionRelation:
        """Match a pattern with a variable property, whose subject is an observation."""
        if isinstance(triple.subject, str):
            return self._statements(triple, dataset)
        known = {own: self.context.id(iri(own)) for own in self.context.own_terms(self.context.ontology)}
        alias = self.names.new("u")
        source = Sources([f"({obs.unpivoted(self.context.ontology, known)}) AS {alias}"])
        self.bind(triple.subject, f"{alias}.s", obs.OBSERVATION, source)
        self.bind(triple.predicate, f"{alias}.p", RESOURCE, source)  # type: ignore[arg-type]
        self._bind_graph(f"{alias}.g", dataset, source)
        if isinstance(triple.object, str):
            text_ = f"{alias}.t = {text(triple.object)}"
            source.conditions.append(f"({alias}.o = {self.context.id(triple.object)} OR {text_})")
            return self.closed(source)
        number, term = " " + self.names.new("number"), " " + self.names.new("term")
        column = VariableColumn("id", may_be_unbound=True)
        self.bind(a.Variable(number), f"{alias}.o", column, source)
        self.bind(a.Variable(term), f"{alias}.t", VariableColumn("term", may_be_unbound=True), source)
        relation = self.relations.with_terms(self.closed(source), [number])
        others = [v for v in relation.columns if v not in (number, term)]
        x, y = self.names.of(number), self.names.of(term)
        if triple.object.name in others:
            # A variable in two positions of one pattern.
            relation = self.relations.with_terms(relation, [triple.object.name])
            own = self.names.of(triple.object.name)
            relation = replace(relation, sql=f"SELECT * FROM ({relation.sql}) WHERE {own} = coalesce({x}, {y})")
            return self.relations.select(relation, others)
        chosen = [*(self.names.of(v) for v in others), f"coalesce({x}, {y}) AS {self.names.of(triple.object.name)}"]
        columns = {v: relation.columns[v] for v in others} | {triple.object.name: VariableColumn("term")}
        return SolutionRelation(f"SELECT {', '.join(chosen)} FROM ({relation.sql})", columns)

    def _statements(self, triple: a.Triple, dataset: QueryDataset) -> SolutionRelation:
        """Match a pattern with a variable property, whose subject is one observation."""
        number, alias = self.context.id(str(triple.subject)), self.names.new("u")
        statements = obs.statements(self.context.columns, number)
        ids = ", ".join(str(self.context.id(iri(own))) for own, _ in statements)
        terms = ", ".join(text(term) for _, term in statements)
        graph = f"(SELECT graph FROM part_{(number - FIRST_OBSERVATION) >> PART_BITS}.columns LIMIT 1)"
        source = Sources([f"(SELECT unnest([{ids}]::BIGINT[]) AS p, unnest([{terms}]) AS o, {graph} AS g) AS {alias}"])
        self.bind(triple.predicate, f"{alias}.p", RESOURCE, source)  # type: ignore[arg-type]
        self.bind(triple.object, f"{alias}.o", VariableColumn("term"), source)
        self._bind_graph(f"{alias}.g", dataset, source)
        return self.closed(source)

    def small(self, triple: a.Triple, dataset: QueryDataset) -> Sources | None:
        t = self.names.new("t")
        source = Sources([f"triples AS {t}"])
        if isinstance(triple.predicate, a.Link):
            is_small = triple.predicate.iri in self.context.columns.predicates
            if self.context.properties and not is_small and obs.is_own(triple.predicate.iri, self.context.ontology):
                return None
            source.conditions.append(f"{t}.p = {self.context.id(iri(triple.predicate.iri))}")
        elif isinstance(triple.predicate, a.Variable):
            self.bind(triple.predicate, f"{t}.p", RESOURCE, source)
        self.bind(triple.subject, f"{t}.s", RESOURCE, source)
        self.bind(triple.object, f"{t}.o", NODE, source)
        self._bind_graph(f"{t}.g", dataset, source)
        return source

    def _branches(self, triple: a.Triple, possible: Possible) -> list[obs.OwnTriples]:
        """Return the parts of the triples of observations that a pattern may match."""
        predicates = _terms(triple.predicate, possible)
        if predicates is not None and not any(obs.is_own(p[1:], self.context.ontology) for p in predicates):
            return []
        subjects, objects = _terms(triple.subject, possible), _terms(triple.object, possible)
        known = {iri_: self.context.id(iri(iri_)) for iri_ in self.context.own_terms(self.context.ontology)}
        return [
            own
            for own in obs.all_triples(self.context.ontology, known)
            if predicates is None or iri(own.predicate) in predicates
            if own.constant is None or objects is None or own.constant in objects
            if subjects is None or self._may_have(own.subject, own.subject_column, subjects)
            if objects is None or own.constant is not None or self._may_have(own.object, own.object_column, objects)
        ]

    def _may_have(self, column: VariableColumn, name: str, terms: Sequence[str]) -> bool:
        """Return whether a column of observations may have one of these terms."""
        if column.kind == "text":
            return any(term.startswith('""') for term in terms)
        if column.kind == "number":
            typed = f'"^{column.datatype}"'
            return any(term.startswith(typed) or term == UNDEFINED_TERM for term in terms)
        ids = [self.context.id(term) for term in terms]
        if name == "id":
            return any(FIRST_OBSERVATION <= number < QUANTITY for number in ids)
        if name == "quantity":
            return any(number >= QUANTITY for number in ids)
        return name in self.context.columns.coded_columns(ids)

    def _types_observations(self) -> bool:
        """Return whether small triples give observations or quantities a type."""
        return obs.RDF_TYPE in self.context.columns.observation_predicates

    def _is_observation(self, term: a.Term) -> bool:
        return isinstance(term, str) and FIRST_OBSERVATION <= self.context.id(term) < QUANTITY


def _terms(term: a.Term | a.Path, possible: Possible) -> Sequence[str] | None:
    """Return the terms that a position of a pattern may have; None if it may have any."""
    match term:
        case str():
            return (term,)
        case a.Link(predicate):
            return (iri(predicate),)
        case a.Variable(name):
            return possible.get(name)
        case _:
            return None


def _ends(triple: a.Triple) -> list[a.Variable]:
    return [term for term in (triple.subject, triple.object) if isinstance(term, a.Variable)]


def _names(triple: a.Triple) -> list[str]:
    terms = (triple.subject, triple.predicate, triple.object)
    return [term.name for term in terms if isinstance(term, a.Variable)]
