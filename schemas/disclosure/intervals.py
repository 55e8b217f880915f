"""Intervals of unpublished counts: the lowest and the highest number that the published ones allow.

An equation with one unknown count gives it at once. Bounds then pass from equation to equation until none changes.
Only what remains, several equations with common unknown counts, needs linear programming: the least and the greatest
value of each count subject to all equations of its component (Fischetti and Salazar, 2001, section 2).
"""

import math
import resource
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaven.schemas.disclosure.system import ContradictionError, Equation, LinearSystem, components

# Counts come from values with few decimals.
EPSILON = 1e-6
# Passes over the equations of a component; each more tightens bounds that linear programming finds as well.
MAX_PASSES = 50


@dataclass
class Intervals:
    """The lowest and highest possible count by number. `undecided` are counts not computed before the deadline."""

    low: dict[int, float]
    high: dict[int, float]
    undecided: set[int] = field(default_factory=set)

    def possible(self, number: int) -> float:
        """Return how many whole numbers a count may be."""
        if math.isinf(self.high[number]):
            return math.inf
        return math.floor(self.high[number] + EPSILON) - math.ceil(self.low[number] - EPSILON) + 1


def deadline_in(seconds: float) -> float:
    """Return the time (time.monotonic) at which a computation of at most `seconds` ends.

    Where the system limits the processor time of this process, a computation may use half of what is left.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_CPU)
    if limit != resource.RLIM_INFINITY:
        seconds = min(seconds, max(0.0, limit - time.process_time()) / 2)
    return time.monotonic() + seconds


def intervals(
    system: LinearSystem, requested: Collection[int], *, enough: int, deadline: float = math.inf
) -> Intervals:
    """Compute the intervals of the counts `requested`.

    An interval with `enough` whole numbers may be narrower than the widest that is possible. After `deadline`
    (time.monotonic) bounds still pass from equation to equation, but no further component is solved.
    """
    numbers = {n for equation in system.equations for n in (equation.total, *equation.parts)} | set(requested)
    result = Intervals({n: system.counts[n].low for n in numbers}, {n: system.counts[n].high for n in numbers})
    requested = set(requested)
    for group in components(system):
        _narrow(system, result, group, requested, enough, deadline)
    return result


def _narrow(
    system: LinearSystem,
    result: Intervals,
    group: Sequence[Equation],
    requested: set[int],
    enough: int,
    deadline: float,
) -> None:
    """Compute the intervals of one component."""
    numbers = {number for equation in group for number in system.unknown(equation)}
    open_numbers = numbers & requested
    if not open_numbers:
        return
    before = {number: (result.low[number], result.high[number]) for number in numbers}
    try:
        _propagate(result, group)
        left = [number for number in open_numbers if result.low[number] < result.high[number] - EPSILON]
        if left and len(group) > 1 and time.monotonic() > deadline:
            result.undecided.update(left)
        elif left and len(group) > 1:
            _optimise(result, group, sorted(left), enough, deadline)
    except ContradictionError:
        # Each equation says what it says without the others, unless it contradicts itself.
        for number, (low, high) in before.items():
            result.low[number], result.high[number] = low, high
        bounds = [bound for equation in group for bound in _bounds(result, equation.terms()) if bound[0] in before]
        for number, low, high in bounds:
            if max(low, result.low[number]) <= min(high, result.high[number]) + EPSILON:
                result.low[number] = max(low, result.low[number])
                result.high[number] = min(high, result.high[number])


def _bounds(result: Intervals, terms: Iterable[tuple[int, int]]) -> Iterator[tuple[int, float, float]]:
    """Yield the bounds of each count that follow from those of the others in an equation whose sum is zero."""
    terms = list(terms)
    lows = [result.low[n] if sign > 0 else -result.high[n] for n, sign in terms]
    highs = [result.high[n] if sign > 0 else -result.low[n] for n, sign in terms]
    # Of infinite bounds, one alone leaves its own count bounded.
    sum_low, open_low = _finite_sum(lows)
    sum_high, open_high = _finite_sum(highs)
    for (number, sign), low, high in zip(terms, lows, highs, strict=True):
        others_low = -math.inf if open_low - math.isinf(low) else sum_low - (0 if math.isinf(low) else low)
        others_high = math.inf if open_high - math.isinf(high) else sum_high - (0 if math.isinf(high) else high)
        yield (number, -others_high, -others_low) if sign > 0 else (number, others_low, others_high)


def _finite_sum(values: Iterable[float]) -> tuple[float, int]:
    total, infinite = 0.0, 0
    for value in values:
        if math.isinf(value):
            infinite += 1
        else:
            total += value
    return total, infinite


def _propagate(result: Intervals, group: Sequence[Equation]) -> None:
    """Narrow bounds by one equation at a time. Raises Contradiction for counts that cannot all be right."""
    signed = [equation.terms() for equation in group]
    # Perturbed counts may have decimals.
    is_whole = all(float(result.low[n]).is_integer() for terms in signed for n, _ in terms)
    for _ in range(MAX_PASSES):
        is_changed = False
        for terms in signed:
            for number, *bounds in list(_bounds(result, terms)):
                low, high = map(_integer, bounds, (math.ceil, math.floor)) if is_whole else bounds
                if low > result.low[number] + EPSILON:
                    result.low[number], is_changed = low, True
                if high < result.high[number] - EPSILON:
                    result.high[number], is_changed = high, True
                if result.low[number] > result.high[number] + EPSILON:
                    raise ContradictionError
        if not is_changed:
            return


def _integer(bound: float, rounded: Any) -> float:
    """Return the nearest whole number inside a bound: a count is one."""
    if math.isinf(bound):
        return bound
    nearest = round(bound)
    return float(nearest) if abs(bound - nearest) < EPSILON else float(rounded(bound))


def _optimise(result: Intervals, group: Sequence[Equation], left: Sequence[int], enough: int, deadline: float) -> None:
    """Find the least and the greatest value of counts by linear programming, until each has `enough` whole numbers."""
    # HiGHS takes 0.2 s to load, and few tables need it.
    from vaven.schemas.disclosure.linear_program import SENSES, LinearProgram

    numbers = sorted({number for equation in group for number, _ in equation.terms()})
    program = LinearProgram(group, {n: (result.low[n], result.high[n]) for n in numbers}, left, deadline)
    program.solve_spread(enough)
    undecided = result.undecided
    for number in left:
        for sense in SENSES:
            if program.greatest[number] - program.least[number] >= enough - 1:
                break
            if time.monotonic() > deadline:
                undecided.update(n for n in left if program.greatest[n] - program.least[n] < enough - 1)
                return
            if not program.solve_for(number, sense):
                undecided.add(number)
                break
    for number in set(left) - undecided:
        result.low[number] = max(result.low[number], program.least[number])
        result.high[number] = min(result.high[number], program.greatest[number])
