"""The linear system of the counts of one KPI: cells with bounds, and the equations that readers know between them.

Men and women add up to the total, age groups to the ages that they cover, areas to the area that contains them, and
quarters and months to the year (Hundepool et al., Statistical Disclosure Control, 2012, section 4.2).
"""

import math
import re
from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vaven.vocab.register import TOTAL

SEXES = ("F", "M")
AGES = re.compile(r"(\d{1,3})(?:-(\d{1,3})|(\+))?")
# Upper limit of an open age group such as "80+".
OPEN = 1_000
QUARTERS = ("Q1", "Q2", "Q3", "Q4")
MONTHS = tuple(f"{month:02}" for month in range(1, 13))


class ContradictionError(Exception):
    """The counts of a component cannot all be right: those of registers are perturbed, or some people have no area."""


class Cell(NamedTuple):
    """The position of a count: area, sex, age group and period, each as its code."""

    area: str
    sex: str
    age: str
    period: str


class Count(NamedTuple):
    """A count as readers know it: its bounds, equal for a published one, and whether it is suppressed.

    `row` identifies its row, None for a cell without one; `base` is the published denominator.
    """

    cell: Cell
    low: float = 0
    high: float = math.inf
    is_suppressed: bool = False
    row: int | None = None
    base: float | None = None


class Equation(NamedTuple):
    """An equation: the total equals the sum of the parts. `kind` is sex, age_group, neighbourhood or period."""

    kind: str
    total: int
    parts: tuple[int, ...]

    def terms(self) -> list[tuple[int, int]]:
        """Return the numbers of all counts, each with its sign in a sum of zero."""
        return [(self.total, 1), *((part, -1) for part in self.parts)]


@dataclass
class LinearSystem:
    """Counts by number, and the equations between them."""

    counts: list[Count] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    numbers: dict[Cell, int] = field(default_factory=dict)

    def number(self, cell: Cell) -> int:
        """Return the number of a cell, added as unknown if it is in no row."""
        if cell not in self.numbers:
            self.add(Count(cell))
        return self.numbers[cell]

    def unknown(self, equation: Equation) -> list[int]:
        """Return the numbers of the counts of an equation that are not known exactly."""
        counts = self.counts
        return [n for n in (equation.total, *equation.parts) if counts[n].low < counts[n].high]

    def add(self, count: Count) -> None:
        self.numbers[count.cell] = len(self.counts)
        self.counts.append(count)


def linear_system(
    counts: Iterable[Count],
    divided_areas: Iterable[tuple[str, Sequence[str]]],
    *,
    ages: tuple[int, int] | None = None,
    is_additive_in_time: bool = False,
) -> LinearSystem:
    """Build the system of one KPI and year.

    `divided_areas` are areas with those that they consist of; `ages` are the first age of the total and the first after
    it. An own area is divided as a municipality is; RegSO and the country can be divided in the same way.
    """
    system = LinearSystem()
    for count in counts:
        if (number := system.numbers.get(count.cell)) is None:
            system.add(count)
        else:
            system.counts[number] = _joined(system.counts[number], count)
    _add_sexes(system)
    _add_ages(system, ages)
    _add_sexes(system)
    _add_areas(system, divided_areas)
    if is_additive_in_time:
        _add_periods(system)
    system.equations = list(dict.fromkeys(system.equations))
    return system


def _joined(one: Count, other: Count) -> Count:
    """Join what two rows say of a cell; of two rows that contradict each other, the first counts."""
    low, high = max(one.low, other.low), min(one.high, other.high)
    if low > high:
        low, high = one.low, one.high
    is_suppressed = (one.is_suppressed or other.is_suppressed) and low < high
    return one._replace(low=low, high=high, is_suppressed=is_suppressed, base=one.base or other.base)


def _add_sexes(system: LinearSystem) -> None:
    for cell in [cell for cell in system.numbers if cell.sex in SEXES]:
        total = system.number(cell._replace(sex=TOTAL))
        system.equations.append(Equation("sex", total, tuple(system.number(cell._replace(sex=sex)) for sex in SEXES)))


def span_of(age: str) -> tuple[int, int] | None:
    """Return the first age of a group and the first after it, None for a text that is no age group ("99-1")."""
    if match := AGES.fullmatch(age):
        start = int(match[1])
        end = OPEN if match[3] else int(match[2] or start) + 1
        return (start, end) if start < end else None
    return None


def _add_ages(system: LinearSystem, ages: tuple[int, int] | None) -> None:
    spans = {cell.age: span for cell in system.numbers if (span := span_of(cell.age))}
    if not spans:
        return
    lowest, highest = min(start for start, _ in spans.values()), max(end for _, end in spans.values())
    # Groups beyond the ages of the KPI show that its total has those ages as well.
    of_total = (min(ages[0], lowest), max(ages[1], highest)) if ages else (lowest, highest)
    complete = dict(_partitions({**spans, TOTAL: (lowest, highest)}))
    partitions = dict(_partitions({**spans, TOTAL: of_total}))
    for rest in dict.fromkeys(cell._replace(age="") for cell in system.numbers if cell.age in spans):
        is_complete = _is_complete(system, rest, complete.get(TOTAL, ()))
        for total, parts in (complete if is_complete else partitions).items():
            numbers = [system.number(rest._replace(age=part)) for part in parts]
            system.equations.append(Equation("age_group", system.number(rest._replace(age=total)), tuple(numbers)))


def _is_complete(system: LinearSystem, rest: Cell, parts: Sequence[str]) -> bool:
    """Return True if the groups have together the denominator of the total."""
    bases = [system.counts[n].base if (n := system.numbers.get(rest._replace(age=a))) is not None else None
             for a in (TOTAL, *parts)]  # fmt: skip
    if not parts or None in bases:
        return False
    total, *others = (base or 0 for base in bases)
    return abs(total - sum(others)) <= max(1, 0.001 * total)


def _partitions(edges: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each span with the shorter spans that it consists of; gaps are spans of their own ("gap:25-64")."""
    ordered = sorted(edges.items(), key=lambda item: (item[1][1] - item[1][0], item[0] == TOTAL))
    shorter: dict[int, list[tuple[int, str]]] = {}
    for name, (start, end) in ordered:
        parts = _longest_path(shorter, start, end)
        # A span that is one gap has no parts.
        if len(parts) > 1 or parts[0] in edges:
            yield name, parts
        insort(shorter.setdefault(start, []), (end, name))


def _longest_path(spans: Mapping[int, Sequence[tuple[int, str]]], start: int, end: int) -> tuple[str, ...]:
    """Return spans that follow each other from start to end, as long ones as possible, with gaps between them.

    `spans` are ends and names by start, in ascending order.
    """
    starts = sorted(first for first, ends in spans.items() if start <= first and ends[0][0] <= end)
    path: list[str] = []
    at = start
    while at < end:
        following = [(last, name) for last, name in spans.get(at, ()) if last <= end]
        if following:
            at, name = following[-1]
            path.append(name)
            continue
        next_start = bisect(starts, at)
        until = starts[next_start] if next_start < len(starts) else end
        path.append(f"gap:{at}-{until - 1}")
        at = until
    return tuple(path)


def _add_areas(system: LinearSystem, divided_areas: Iterable[tuple[str, Sequence[str]]]) -> None:
    cells: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for cell in system.numbers:
        cells[cell.area].add(cell[1:])
    for total, parts in divided_areas:
        published = [part for part in parts if part in cells]
        for other in cells.get(total, ()):
            present = [part for part in published if other in cells[part]]
            if not present:
                continue
            absent = [part for part in parts if part not in present]
            # One absent area is a cell; several are one unknown together.
            rest = absent if len(absent) == 1 else [f"rest:{total}"] * bool(absent)
            numbers = tuple(system.number(Cell(area, *other)) for area in (*present, *rest))
            system.equations.append(Equation("neighbourhood", system.number(Cell(total, *other)), numbers))


def _add_periods(system: LinearSystem) -> None:
    by_year: dict[Cell, set[str]] = defaultdict(set)
    for cell in system.numbers:
        year, _, part = cell.period.partition("-")
        if part in QUARTERS or part in MONTHS:
            by_year[cell._replace(period=year)].add(part)
    for total, present in by_year.items():
        has_quarters = not present.isdisjoint(QUARTERS)
        _add_period(system, total, "", QUARTERS if has_quarters else MONTHS)
        for i, quarter in enumerate(QUARTERS):
            months = MONTHS[3 * i : 3 * i + 3]
            if has_quarters and not present.isdisjoint(months):
                _add_period(system, total, quarter, months)


def _add_period(system: LinearSystem, year: Cell, total: str, parts: Sequence[str]) -> None:
    """Add the equation of the year, or of one of its quarters, and its parts."""
    numbers = [system.number(year._replace(period=f"{year.period}-{part}")) for part in parts]
    number = system.number(year._replace(period=f"{year.period}-{total}" if total else year.period))
    system.equations.append(Equation("period", number, tuple(numbers)))


def components(system: LinearSystem) -> list[list[Equation]]:
    """Return the equations with unknown counts, in groups that share none."""
    parents: dict[int, int] = {}

    def root(number: int) -> int:
        while parents.setdefault(number, number) != number:
            parents[number] = number = parents[parents[number]]
        return number

    unknown = [(equation, numbers) for equation in system.equations if (numbers := system.unknown(equation))]
    for _, (first, *others) in unknown:
        for other in others:
            parents[root(other)] = root(first)
    groups: dict[int, list[Equation]] = defaultdict(list)
    for equation, (first, *_) in unknown:
        groups[root(first)].append(equation)
    return list(groups.values())
