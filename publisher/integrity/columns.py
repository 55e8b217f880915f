"""The integrity constraints on observations, checked over columns in time linear in the observations.

The structure of a cube is read from its graph (`structures`); `ObservationColumns` describes the table of its
observations. The same checks apply to a release's Parquet and to any cube whose observations are in a table.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
from pyoxigraph import Store

from vaven.publisher.integrity.constraints import Violation, as_text, queries, query, solutions
from vaven.schemas.standard.sql import quoted, text
from vaven.vocab.iris import NAMESPACES

MEASURE_TYPE = NAMESPACES["qb"] + "measureType"
LIST_CASES = ("19a", "19b", "20", "21")
# Limit on the observations listed per constraint; the others are counted.
LISTED_OBSERVATIONS = 100


@dataclass(frozen=True)
class CodeList:
    """A code list with its members.

    `case` is the constraint that covers this kind of list: 19a, 19b, 20 or 21.
    """

    iri: str
    case: str
    members: frozenset[str]


@dataclass(frozen=True)
class Component:
    """A component of a data structure definition.

    `kind` is dimension, measure or attribute; `required` applies to attributes only.
    """

    property: str
    kind: str
    required: bool
    lists: tuple[CodeList, ...] = ()


@dataclass(frozen=True)
class ComponentColumn:
    """The column with the values of a component.

    `terms` maps codes to terms; without it the cells are the terms. With `is_filled` an empty cell is published too,
    as a value that marks it as missing.
    """

    name: str
    terms: Mapping[str, str] | None = None
    is_filled: bool = False

    def term(self, code: str | None) -> str | None:
        """Return the term of a code, None if the cell is empty or the code unknown."""
        return None if code is None else code if self.terms is None else self.terms.get(code)

    @property
    def canonical_code(self) -> str:
        """SQL of the first code with the same term, since two codes may have one term."""
        first: dict[str, str] = {}
        aliases = {
            code: first[term] for code, term in (self.terms or {}).items() if first.setdefault(term, code) != code
        }
        if not aliases:
            return quoted(self.name)
        cases = " ".join(f"WHEN {text(code)} THEN {text(alias)}" for code, alias in aliases.items())
        return f"CASE {quoted(self.name)} {cases} ELSE {quoted(self.name)} END"


@dataclass(frozen=True)
class ObservationColumns:
    """The observations of one cube, one per row of `relation`.

    `columns` are by property; `cells` are the columns that identify a row.
    """

    work: duckdb.DuckDBPyConnection
    relation: str
    columns: Mapping[str, ComponentColumn]
    cells: tuple[str, ...]
    _codes: dict[str, list[tuple[str | None, int]]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> int:
        """The number of observations."""
        return int(self.run("SELECT count(*) FROM {relation}")[0][0])

    def codes(self, name: str) -> list[tuple[str | None, int]]:
        """Return the distinct codes of a column, each with its number of rows."""
        if name not in self._codes:
            self._codes[name] = self.run(query("codes.sql"), column=quoted(name))
        return self._codes[name]

    def run(self, template: str, **parts: str) -> list[Any]:
        """Run an SQL template whose placeholders are the relation and the given parts."""
        sql = template
        for name, part in {"relation": self.relation, **parts}.items():
            sql = sql.replace(f"{{{name}}}", part)
        return self.work.execute(sql).fetchall()


def structures(graph: Store) -> dict[str, tuple[Component, ...]]:
    """Return the components of each cube of a normalised graph, by the IRI of its data set."""
    code_lists = _code_lists(graph)
    components: defaultdict[str, dict[str, Component]] = defaultdict(dict)
    for row in solutions(graph, query("structure.rq")):
        dataset, name, kind, list_iri = (
            as_text(row[n]) if n in row else "" for n in ("dataset", "property", "kind", "list")
        )
        previous = components[dataset].get(name)
        required = as_text(row["required"]) == "true" or bool(previous and previous.required)
        lists = code_lists.get(list_iri, ()) if kind == "dimension" else ()
        components[dataset][name] = Component(name, kind, required, (*(previous.lists if previous else ()), *lists))
    return {dataset: tuple(sorted(parts.values(), key=lambda c: c.property)) for dataset, parts in components.items()}


def _code_lists(graph: Store) -> dict[str, tuple[CodeList, ...]]:
    """Return each code list once for every case that applies to it."""
    members: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for case in LIST_CASES:
        for sparql in queries(graph, f"members-{case}"):
            for row in solutions(graph, sparql):
                members[as_text(row["list"]), case] |= {as_text(row["member"])} if "member" in row else set()
    lists: defaultdict[str, tuple[CodeList, ...]] = defaultdict(tuple)
    for (iri, case), codes in members.items():
        lists[iri] += (CodeList(iri, case, frozenset(codes)),)
    return dict(lists)


def column_violations(structure: Sequence[Component], columns: ObservationColumns) -> Iterator[Violation]:
    """Yield the violations of IC-11 to IC-17 and IC-19 to IC-21 in one cube, one for all rows with the same code."""
    has_measure_type = any(c.property == MEASURE_TYPE for c in structure)
    for component in structure:
        if constraint := _requirement(component, has_measure_type):
            yield from _missing_values(constraint, component, columns)
        for code_list in component.lists:
            yield from _codes_outside_list(component, code_list, columns)
    yield from _duplicate_keys(structure, columns)
    if has_measure_type:
        yield from _measure_dimension_violations(structure, columns)


def _requirement(component: Component, has_measure_type: bool) -> str:
    """Return the constraint that requires a value for this component on every observation, or ""."""
    if component.kind == "dimension":
        return "ic-11"
    if component.kind == "measure":
        return "" if has_measure_type else "ic-14"
    return "ic-13" if component.required else ""


def _missing_values(constraint: str, component: Component, columns: ObservationColumns) -> Iterator[Violation]:
    column = columns.columns.get(component.property)
    if column is None:
        if columns.rows:
            yield Violation(constraint, property=component.property, cells={}, rows=columns.rows)
        return
    for code, rows in columns.codes(column.name):
        if column.term(code) is None and not (code is None and column.is_filled):
            cells = {column.name: code}
            yield Violation(constraint, property=component.property, value=code or "", cells=cells, rows=rows)


def _codes_outside_list(component: Component, code_list: CodeList, columns: ObservationColumns) -> Iterator[Violation]:
    """Check IC-19, IC-20 and IC-21."""
    column = columns.columns.get(component.property)
    for code, rows in columns.codes(column.name) if column else ():
        term = column.term(code) if column else None
        if column and term is not None and term not in code_list.members:
            cells = {column.name: code}
            yield Violation(f"ic-{code_list.case}", code_list.iri, component.property, term, cells=cells, rows=rows)


def _duplicate_keys(structure: Sequence[Component], columns: ObservationColumns) -> Iterator[Violation]:
    """Check IC-12; since a release is sorted by its key, comparing adjacent rows is enough."""
    key = _key(structure, columns)
    if not key:
        return
    is_plain = all(part == quoted(part[1:-1]) for part in key)
    if is_plain and columns.run(query("key_is_ascending.sql"), key=", ".join(key))[0][0]:
        return
    yield from _listed_violations("ic-12", columns, query("duplicate_keys.sql"), key=", ".join(key))


def _key(structure: Sequence[Component], columns: ObservationColumns, *, without: str = "") -> list[str]:
    """Return SQL of the values of all dimensions that have a column, in the order of the columns."""
    dimensions = {c.property for c in structure if c.kind == "dimension" and c.property != without}
    return [column.canonical_code for name, column in columns.columns.items() if name in dimensions]


def _listed_violations(constraint: str, columns: ObservationColumns, sql: str, **parts: str) -> Iterator[Violation]:
    """Yield a violation for each of the first violating observations, and one without cells for all others."""
    names = ", ".join(quoted(name) for name in columns.cells)
    rows = columns.run(sql, cells=names, limit=str(LISTED_OBSERVATIONS), **parts)
    for *cells, number, _ in rows:
        yield Violation(constraint, cells=dict(zip(columns.cells, cells, strict=True)), rows=number)
    if rows and (others := rows[0][-1] - sum(row[-2] for row in rows)):
        yield Violation(constraint, rows=others)


def _measure_dimension_violations(structure: Sequence[Component], columns: ObservationColumns) -> Iterator[Violation]:
    """Check IC-15, IC-16 and IC-17, which apply to cubes with a measure dimension."""
    type_column = columns.columns.get(MEASURE_TYPE)
    measures = [c.property for c in structure if c.kind == "measure"]
    if type_column is None:
        return
    for name in measures:
        own = [code for code, _ in columns.codes(type_column.name) if type_column.term(code) == name]
        codes = f"[{', '.join(text(str(code)) for code in own)}]::VARCHAR[]"
        value = columns.columns.get(name)
        parts = {"measure": quoted(type_column.name), "value": quoted(value.name) if value else "NULL", "own": codes}
        missing, superfluous = columns.run(query("measures.sql"), **parts)[0]
        for constraint, rows in (("ic-15", missing), ("ic-16", superfluous)):
            if rows:
                yield Violation(constraint, property=name, rows=rows)
    key = ", ".join(_key(structure, columns, without=MEASURE_TYPE)) or "TRUE"
    parts = {"measure": type_column.canonical_code, "measures": str(len(measures))}
    yield from _listed_violations("ic-17", columns, query("missing_measures.sql"), key=key, **parts)
