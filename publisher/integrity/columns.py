"""The integrity constraints that speak of observations, over columns in time linear in the observations.

What a cube must keep is read from its graph (`structures`); where its observations stand is said by `Columns`. The
same checks judge a release's Parquet and any cube whose observations were put into a table.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
from pyoxigraph import Store

from vaven.publisher.integrity.constraints import Violation, as_text, queries, query, solutions
from vaven.schemas.tables.sql import quoted, text
from vaven.vocab.iris import NAMESPACES

MEASURE_TYPE = NAMESPACES["qb"] + "measureType"
LIST_CASES = ("19a", "19b", "20", "21")
# How many observations of one constraint are named; the others are counted.
NAMED = 100


@dataclass(frozen=True)
class CodeList:
    """`case` is the constraint that speaks of lists of this kind: 19a, 19b, 20 or 21."""

    iri: str
    case: str
    members: frozenset[str]


@dataclass(frozen=True)
class Component:
    """`kind` is dimension, measure or attribute; `required` is said of attributes alone."""

    property: str
    kind: str
    required: bool
    lists: tuple[CodeList, ...] = ()


@dataclass(frozen=True)
class ComponentColumn:
    """Where the values of a component stand. `terms` is what each code stands for; without it the cells are the terms.

    `is_filled` tells that an empty cell is published too, as a value that says so.
    """

    name: str
    terms: Mapping[str, str] | None = None
    is_filled: bool = False

    def term(self, code: str | None) -> str | None:
        return None if code is None else code if self.terms is None else self.terms.get(code)

    @property
    def same(self) -> str:
        """SQL that is equal where the terms are: two codes may stand for one."""
        first: dict[str, str] = {}
        again = {code: first[term] for code, term in (self.terms or {}).items() if first.setdefault(term, code) != code}
        if not again:
            return quoted(self.name)
        cases = " ".join(f"WHEN {text(code)} THEN {text(one)}" for code, one in again.items())
        return f"CASE {quoted(self.name)} {cases} ELSE {quoted(self.name)} END"


@dataclass(frozen=True)
class ObservationColumns:
    """The observations of one cube: a row each in `relation`. `columns` are by property; `cells` name a row."""

    work: duckdb.DuckDBPyConnection
    relation: str
    columns: Mapping[str, ComponentColumn]
    cells: tuple[str, ...]
    _codes: dict[str, list[tuple[str | None, int]]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> int:
        return int(self.run("SELECT count(*) FROM {relation}")[0][0])

    def codes(self, name: str) -> list[tuple[str | None, int]]:
        """The different codes of a column, each with its number of rows."""
        if name not in self._codes:
            self._codes[name] = self.run(query("codes.sql"), column=quoted(name))
        return self._codes[name]

    def run(self, sql: str, **parts: str) -> list[Any]:
        for name, part in {"relation": self.relation, **parts}.items():
            sql = sql.replace(f"{{{name}}}", part)
        return self.work.execute(sql).fetchall()


def structures(graph: Store) -> dict[str, tuple[Component, ...]]:
    """The components of each cube of a normalised graph, by the IRI of its data set."""
    lists = _code_lists(graph)
    found: defaultdict[str, dict[str, Component]] = defaultdict(dict)
    for row in solutions(graph, query("structure.rq")):
        dataset, name, kind, listed = (
            as_text(row[n]) if n in row else "" for n in ("dataset", "property", "kind", "list")
        )
        before = found[dataset].get(name)
        required = as_text(row["required"]) == "true" or bool(before and before.required)
        of_list = lists.get(listed, ()) if kind == "dimension" else ()
        found[dataset][name] = Component(name, kind, required, (*(before.lists if before else ()), *of_list))
    return {dataset: tuple(sorted(parts.values(), key=lambda c: c.property)) for dataset, parts in found.items()}


def _code_lists(graph: Store) -> dict[str, tuple[CodeList, ...]]:
    """Each code list in every case that it is of."""
    members: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for case in LIST_CASES:
        for sparql in queries(graph, f"members-{case}"):
            for row in solutions(graph, sparql):
                members[as_text(row["list"]), case] |= {as_text(row["member"])} if "member" in row else set()
    found: defaultdict[str, tuple[CodeList, ...]] = defaultdict(tuple)
    for (iri, case), those in members.items():
        found[iri] += (CodeList(iri, case, frozenset(those)),)
    return dict(found)


def column_violations(structure: Sequence[Component], columns: ObservationColumns) -> Iterator[Violation]:
    """What breaks IC-11 to IC-17 and IC-19 to IC-21 in one cube, rows that have a code in common as one violation."""
    by_measure = any(c.property == MEASURE_TYPE for c in structure)
    for component in structure:
        if constraint := _must_have(component, by_measure):
            yield from _missing(constraint, component, columns)
        for code_list in component.lists:
            yield from _outside(component, code_list, columns)
    yield from _twins(structure, columns)
    if by_measure:
        yield from _by_measure(structure, columns)


def _must_have(component: Component, by_measure: bool) -> str:
    """The constraint by which every observation has a value for this component, or ""."""
    if component.kind == "dimension":
        return "ic-11"
    if component.kind == "measure":
        return "" if by_measure else "ic-14"
    return "ic-13" if component.required else ""


def _missing(constraint: str, component: Component, columns: ObservationColumns) -> Iterator[Violation]:
    column = columns.columns.get(component.property)
    if column is None:
        if columns.rows:
            yield Violation(constraint, property=component.property, cells={}, rows=columns.rows)
        return
    for code, rows in columns.codes(column.name):
        if column.term(code) is None and not (code is None and column.is_filled):
            cells = {column.name: code}
            yield Violation(constraint, property=component.property, value=code or "", cells=cells, rows=rows)


def _outside(component: Component, code_list: CodeList, columns: ObservationColumns) -> Iterator[Violation]:
    """IC-19, IC-20 and IC-21."""
    column = columns.columns.get(component.property)
    for code, rows in columns.codes(column.name) if column else ():
        term = column.term(code) if column else None
        if column and term is not None and term not in code_list.members:
            cells = {column.name: code}
            yield Violation(f"ic-{code_list.case}", code_list.iri, component.property, term, cells=cells, rows=rows)


def _twins(structure: Sequence[Component], columns: ObservationColumns) -> Iterator[Violation]:
    """IC-12. A release is in the order of its key, so that a look at each row and the one before it is enough."""
    key = _key(structure, columns)
    if not key:
        return
    plain = all(part == quoted(part[1:-1]) for part in key)
    if plain and columns.run(query("rising.sql"), key=", ".join(key))[0][0]:
        return
    yield from _named("ic-12", columns, query("twins.sql"), key=", ".join(key))


def _key(structure: Sequence[Component], columns: ObservationColumns, *, without: str = "") -> list[str]:
    """SQL of the values of all dimensions that stand in a column, in the order of the columns."""
    dimensions = {c.property for c in structure if c.kind == "dimension" and c.property != without}
    return [column.same for name, column in columns.columns.items() if name in dimensions]


def _named(constraint: str, columns: ObservationColumns, sql: str, **parts: str) -> Iterator[Violation]:
    """A violation for each of the first observations at fault, and one without cells for all others."""
    names = ", ".join(quoted(name) for name in columns.cells)
    rows = columns.run(sql, cells=names, limit=str(NAMED), **parts)
    for *cells, number, _ in rows:
        yield Violation(constraint, cells=dict(zip(columns.cells, cells, strict=True)), rows=number)
    if rows and (others := rows[0][-1] - sum(row[-2] for row in rows)):
        yield Violation(constraint, rows=others)


def _by_measure(structure: Sequence[Component], columns: ObservationColumns) -> Iterator[Violation]:
    """IC-15, IC-16 and IC-17, which speak of cubes with measure dimension."""
    of_measure = columns.columns.get(MEASURE_TYPE)
    measures = [c.property for c in structure if c.kind == "measure"]
    if of_measure is None:
        return
    for name in measures:
        own = [code for code, _ in columns.codes(of_measure.name) if of_measure.term(code) == name]
        codes = f"[{', '.join(text(str(code)) for code in own)}]::VARCHAR[]"
        value = columns.columns.get(name)
        parts = {"measure": quoted(of_measure.name), "value": quoted(value.name) if value else "NULL", "own": codes}
        without, beside = columns.run(query("measures.sql"), **parts)[0]
        for constraint, rows in (("ic-15", without), ("ic-16", beside)):
            if rows:
                yield Violation(constraint, property=name, rows=rows)
    key = ", ".join(_key(structure, columns, without=MEASURE_TYPE)) or "TRUE"
    parts = {"measure": of_measure.same, "measures": str(len(measures))}
    yield from _named("ic-17", columns, query("points.sql"), key=key, **parts)
