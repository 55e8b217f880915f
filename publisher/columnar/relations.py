"""Relations of solutions as SQL: each variable is a column with one static representation (`Column`).

Joins, unions and lookups of terms; nothing here knows the algebra.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from vaven.publisher.columns.observation_ids import FIRST_OBSERVATION, KEY, PART_BITS, QUANTITY, UNDEFINED
from vaven.publisher.columns.terms import TRUE, XSD, literal, split_literal
from vaven.schemas.standard.sql import DECIMALS, text

DECIMAL, INTEGER = XSD + "decimal", XSD + "integer"
UNDEFINED_TERM = '"^https://cube.link/Undefined"'


@dataclass(frozen=True)
class VariableColumn:
    """The representation of a variable's values; NULL is unbound.

    `kind` is id (of a term or an observation), number (an integer scaled by `scale` decimals, of one `datatype`), text
    (a simple literal), boolean, or term (its text). `is_resource` excludes literals. `has_undefined` and the flags of
    ids say that such values may occur: terms of the dictionary, which has the observations that small triples name; any
    observations; and terms that only the query has, by negative ids.
    """

    kind: str
    datatype: str = ""
    scale: int = 0
    may_be_unbound: bool = False
    has_undefined: bool = False
    is_resource: bool = False
    has_observations: bool = False
    has_terms: bool = True
    has_own: bool = False

    @property
    def is_in_dictionary(self) -> bool:
        """Return whether the values are ids of the snapshot's dictionary."""
        return self.kind == "id" and not self.has_observations and not self.has_own

    def is_alike(self, other: "VariableColumn") -> bool:
        """Return whether equal values have equal representations in both."""
        return (self.kind, self.datatype, self.scale) == (other.kind, other.datatype, other.scale)

    def with_values_of(self, other: "VariableColumn") -> "VariableColumn":
        """Return the column that has the values of both, which are alike."""
        return replace(
            self,
            may_be_unbound=self.may_be_unbound or other.may_be_unbound,
            has_undefined=self.has_undefined or other.has_undefined,
            is_resource=self.is_resource and other.is_resource,
            has_observations=self.has_observations or other.has_observations,
            has_terms=self.has_terms or other.has_terms,
            has_own=self.has_own or other.has_own,
        )

    def narrowed_to(self, other: "VariableColumn") -> "VariableColumn":
        """Return the column that has the values in both, which are alike and bound."""
        in_dictionary = self.is_in_dictionary or other.is_in_dictionary
        return replace(
            self,
            may_be_unbound=False,
            has_undefined=self.has_undefined and other.has_undefined,
            is_resource=self.is_resource or other.is_resource,
            has_observations=not in_dictionary and self.has_observations and other.has_observations,
            has_terms=in_dictionary or (self.has_terms and other.has_terms),
            has_own=self.has_own and other.has_own,
        )


TERM = VariableColumn("term")


@dataclass(frozen=True)
class SolutionRelation:
    """SQL of a SELECT whose columns are named by `Names`, one for each variable, and keys of its order, if any.

    `order` has the names of columns to sort by, True for descending. `lookups` are lookups that are columns already.
    """

    sql: str
    columns: Mapping[str, VariableColumn]
    order: tuple[tuple[str, bool], ...] = ()
    lookups: frozenset[tuple[str, str]] = frozenset()


@dataclass
class Names:
    """The names of columns and aliases in the SQL of one query: SQL's identifiers don't distinguish case."""

    variables: dict[str, str] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def of(self, variable: str) -> str:
        return self.variables.setdefault(variable, f"v{len(self.variables)}")

    def new(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"


def number_text(value: str, column: VariableColumn) -> str:
    """Return SQL of the digits of a scaled number in the canonical form of its datatype."""
    if not column.scale:
        return f"({value})::VARCHAR"
    exact = f"(({value})::DECIMAL(38,0) * 1e-{column.scale}::DECIMAL({column.scale},{column.scale}))::VARCHAR"
    return f"rtrim(rtrim({exact}, '0'), '.')"


def number_term(value: int, column: VariableColumn) -> str:
    """Return the text of the literal of a scaled number, as `as_term` does in SQL."""
    if column.has_undefined and value == UNDEFINED:
        return UNDEFINED_TERM
    digits = str(value)
    if column.scale:
        integral, decimals = divmod(abs(value), 10**column.scale)
        digits = f"{'-' if value < 0 else ''}{integral}.{decimals:0{column.scale}d}".rstrip("0").rstrip(".")
    return literal(digits, column.datatype)


def as_term(value: str, column: VariableColumn) -> str:
    """Return SQL of the text of a term; of an id, only after `with_terms`."""
    if column.kind == "number":
        term = f"{text(f'{chr(34)}^{column.datatype}{chr(34)}')} || {number_text(value, column)}"
        if column.has_undefined:
            return f"CASE WHEN {value} = {UNDEFINED} THEN {text(UNDEFINED_TERM)} ELSE {term} END"
        return f"({term})"
    if column.kind == "text":
        return f"('\"\"' || {value})"
    if column.kind == "boolean":
        return f"({text(TRUE.removesuffix('true'))} || ({value})::VARCHAR)"
    return value


class Relations:
    """Operations on relations of one query. `own` are the terms that only the query has, from id -2 downwards."""

    def __init__(self, names: Names, own: Sequence[str] = ()) -> None:
        self.names, self.own = names, own

    # --- lookups

    def with_lookups(self, relation: SolutionRelation, lookups: Iterable[tuple[str, str]]) -> SolutionRelation:
        """Add columns with the term, text, language or rank of variables, as `lookup_name` names them."""
        alias = self.names.new("a")
        added, joins = [], []
        needed: dict[str, list[str]] = {}
        for variable, what in dict.fromkeys(lookups):
            if (variable, what) in relation.lookups:
                continue
            needed.setdefault(variable, []).append(what)
        for variable, whats in needed.items():
            column, name = relation.columns[variable], f"{alias}.{self.names.of(variable)}"
            if column.kind == "id":
                values, joined = self._of_id(name, column, whats)
                joins += joined
            else:
                values = {"term": as_term(name, column)}
            added += [f"{values[what]} AS {self.lookup_name(variable, what)}" for what in whats]
        if not added:
            return relation
        sql = f"SELECT {alias}.*, {', '.join(added)} FROM ({relation.sql}) AS {alias} {' '.join(joins)}"
        present = relation.lookups | {(variable, what) for variable, whats in needed.items() for what in whats}
        return replace(relation, sql=sql, lookups=present)

    def lookup_name(self, variable: str, what: str) -> str:
        return f"{self.names.of(variable)}_{what}"

    def _of_id(self, value: str, column: VariableColumn, whats: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        terms = self.names.new("t")
        values = {what: f"{terms}.{what}" for what in whats}
        # A variable that is neither a term nor an observation by the patterns around it has no values.
        is_term = column.has_terms or not column.has_observations
        joins = [f"LEFT JOIN terms AS {terms} ON {terms}.id = {value}"] if is_term else []
        if column.has_own:
            values = {what: f"CASE WHEN {value} < 0 THEN {self._own(what)}[-1 - {value}] ELSE {sql} END"
                      for what, sql in values.items()}  # fmt: skip
        if not column.has_observations:
            return values, joins
        iri, joined = self._own_iri(value)
        own = {"term": f"'<' || {iri}", "text": iri, "language": "NULL", "rank": "NULL"}
        if column.has_terms:
            return {what: f"coalesce({values[what]}, {own[what]})" for what in whats}, joins + joined
        return {what: own[what] for what in whats}, joined

    def _own(self, what: str) -> str:
        """Return SQL of a list: the terms that only the query has, or their texts, languages or (unknown) ranks."""
        items = []
        for term in self.own:
            tag, lexical = split_literal(term) if term[0] == '"' else ("", term[1:])
            language = "NULL" if term[0] != '"' else text(tag[1:] if tag[:1] == "@" else "")
            items.append({"term": text(term), "text": text(lexical), "language": language, "rank": "NULL"}[what])
        return f"([{', '.join(items)}]::{'INTEGER' if what == 'rank' else 'VARCHAR'}[])"

    def _own_iri(self, value: str) -> tuple[str, list[str]]:
        """Return SQL of the IRI of the observation or quantity with an id, and the joins that it needs."""
        o, p = self.names.new("o"), self.names.new("p")
        number = f"({value} & {QUANTITY - 1})"
        joins = [
            f"LEFT JOIN observations AS {o} ON {o}.id = {number}",
            f"LEFT JOIN parts AS {p} ON {p}.number = {part_number(number)}",
        ]
        segments = []
        for column in KEY:
            s = self.names.new("s")
            joins.append(f"LEFT JOIN terms AS {s} ON {s}.id = {o}.{column}")
            segments.append(f"{s}.segment")
        observation = f"{p}.prefix || {' || chr(47) || '.join(segments)}"
        digits = number_text(f"{o}.value", VariableColumn("number", DECIMAL, DECIMALS))
        quantity = f"{p}.measure_prefix || {segments[1]} || '/' || {digits}"
        return f"CASE WHEN {value} >= {QUANTITY} THEN {quantity} ELSE {observation} END", joins

    def with_terms(self, relation: SolutionRelation, variables: Iterable[str]) -> SolutionRelation:
        """Represent some variables by the texts of their terms."""
        changed = [v for v in variables if relation.columns[v].kind != "term"]
        if not changed:
            return relation
        looked_up = self.with_lookups(relation, [(v, "term") for v in changed])
        others = [self.names.of(v) for v in relation.columns if v not in changed]
        others += [f"{self.lookup_name(v, 'term')} AS {self.names.of(v)}" for v in changed]
        columns = {
            v: VariableColumn("term", may_be_unbound=c.may_be_unbound, is_resource=c.is_resource) if v in changed else c
            for v, c in relation.columns.items()
        }
        # The keys of an order are no variables.
        others += [name for name, _ in relation.order]
        return SolutionRelation(f"SELECT {', '.join(others)} FROM ({looked_up.sql})", columns, relation.order)

    def alike(self, relations: Sequence[SolutionRelation], variables: Iterable[str]) -> list[SolutionRelation]:
        """Give each of these variables one representation in all relations that have it."""
        result = list(relations)
        for variable in variables:
            columns = [r.columns[variable] for r in result if variable in r.columns]
            if not all(columns[0].is_alike(column) for column in columns[1:]):
                result = [self.with_terms(r, [variable]) if variable in r.columns else r for r in result]
        return result

    # --- joins

    def compatible(self, variable: str, left: str, right: str, a: VariableColumn, b: VariableColumn) -> str:
        """Return SQL of the compatibility of two columns with these aliases (section 18.3)."""
        x, y = f"{left}.{self.names.of(variable)}", f"{right}.{self.names.of(variable)}"
        conditions = [f"{x} = {y}"]
        if a.may_be_unbound:
            conditions.append(f"{x} IS NULL")
        if b.may_be_unbound:
            conditions.append(f"{y} IS NULL")
        return f"({' OR '.join(conditions)})" if len(conditions) > 1 else conditions[0]

    def join(self, left: SolutionRelation, right: SolutionRelation, how: str = "JOIN") -> SolutionRelation:
        """Join on the compatibility of shared variables."""
        shared = [v for v in left.columns if v in right.columns]
        left, right = self.alike([left, right], shared)
        a, b = self.names.new("l"), self.names.new("r")
        conditions = [self.compatible(v, a, b, left.columns[v], right.columns[v]) for v in shared]
        columns: dict[str, VariableColumn] = {}
        selected = []
        is_outer = how == "LEFT JOIN"
        for v in [*left.columns, *(v for v in right.columns if v not in left.columns)]:
            name = self.names.of(v)
            if v in shared:
                x, y = left.columns[v], right.columns[v]
                unbound = x.may_be_unbound and (y.may_be_unbound or is_outer)
                is_in_both = not x.may_be_unbound and not y.may_be_unbound and not is_outer
                columns[v] = x.narrowed_to(y) if is_in_both else replace(x.with_values_of(y), may_be_unbound=unbound)
                selected.append(f"coalesce({a}.{name}, {b}.{name}) AS {name}" if x.may_be_unbound else f"{a}.{name}")
            elif v in left.columns:
                columns[v] = left.columns[v]
                selected.append(f"{a}.{name}")
            else:
                column = right.columns[v]
                columns[v] = replace(column, may_be_unbound=column.may_be_unbound or is_outer)
                selected.append(f"{b}.{name}")
        on = f"ON {' AND '.join(conditions)}" if conditions else "ON true" if is_outer else ""
        how = how if conditions or is_outer else "CROSS JOIN"
        chosen = ", ".join(selected) or "1 AS unit"
        return SolutionRelation(f"SELECT {chosen} FROM ({left.sql}) AS {a} {how} ({right.sql}) AS {b} {on}", columns)

    def union(self, relations: Sequence[SolutionRelation]) -> SolutionRelation:
        """Return all solutions. Relations with the same representations are united before a change of them."""
        variables = list(dict.fromkeys(v for r in relations for v in r.columns))
        groups: dict[tuple[object, ...], list[SolutionRelation]] = {}
        for relation in relations:
            kinds = tuple((c.kind, c.datatype, c.scale) if (c := relation.columns.get(v)) else None for v in variables)
            groups.setdefault(kinds, []).append(relation)
        united = [self._union(group, list(group[0].columns)) for group in groups.values()]
        return self._union(self.alike(united, variables), variables) if len(united) > 1 else united[0]

    def _union(self, alike: Sequence[SolutionRelation], variables: Sequence[str]) -> SolutionRelation:
        columns = dict[str, VariableColumn]()
        for variable in variables:
            present = [r.columns[variable] for r in alike if variable in r.columns]
            column = present[0]
            for other in present[1:]:
                column = column.with_values_of(other)
            columns[variable] = replace(column, may_be_unbound=column.may_be_unbound or len(present) < len(alike))
        selects = []
        for relation in alike:
            names = [
                self.names.of(v) if v in relation.columns else f"NULL AS {self.names.of(v)}" for v in variables
            ] or ["1 AS unit"]
            selects.append(f"SELECT {', '.join(names)} FROM ({relation.sql})")
        return SolutionRelation(" UNION ALL ".join(selects), columns)

    def select(self, relation: SolutionRelation, variables: Iterable[str]) -> SolutionRelation:
        """Keep these variables; those that the relation does not have are unbound."""
        names, columns = [], dict[str, VariableColumn]()
        for v in variables:
            name = self.names.of(v)
            names.append(name if v in relation.columns else f"NULL::VARCHAR AS {name}")
            columns[v] = relation.columns.get(v, VariableColumn("term", may_be_unbound=True))
        names += [name for name, _ in relation.order]
        return SolutionRelation(
            f"SELECT {', '.join(names) or '1 AS unit'} FROM ({relation.sql})", columns, relation.order
        )


def part_number(value: str) -> str:
    """Return SQL of the number of the release that an observation's id belongs to."""
    return f"(({value} - {FIRST_OBSERVATION}) >> {PART_BITS})"


def empty(variables: Iterable[str], names: Names) -> SolutionRelation:
    """Return no solution."""
    columns = dict.fromkeys(variables, TERM)
    chosen = ", ".join(f"NULL::VARCHAR AS {names.of(v)}" for v in columns) or "1 AS unit"
    return SolutionRelation(f"SELECT {chosen} WHERE false", columns)


UNIT = SolutionRelation("SELECT 1 AS unit", {})
