"""Further counts to suppress, as few as can be found, so that no suppressed count can be derived.

The published count in most of the equations that reveal something comes first, of several the smallest. Those that
turn out to be unnecessary are published again.
"""

import heapq
import math
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from vaven.schemas.disclosure.intervals import Intervals, intervals
from vaven.schemas.disclosure.system import Count, Equation, LinearSystem, components

# Rounds of suppressing and computing again.
MAX_ROUNDS = 30
# Time for finding proposals that are needless.
TRIED_SECONDS = 5.0


def revealed(system: LinearSystem, result: Intervals, *, enough: int) -> set[int]:
    """Return the suppressed counts with fewer than `enough` possible numbers, and other unpublished counts below it.

    A count that is in no row is revealed if it is certainly small: from one to `enough`.
    """
    numbers = set()
    for number in system.numbers.values():
        count = system.counts[number]
        if count.is_suppressed:
            if result.possible(number) < enough:
                numbers.add(number)
        elif count.low < count.high and result.low[number] > 0 and result.high[number] < enough + 1:
            numbers.add(number)
    return numbers


def unpublished(system: LinearSystem) -> set[int]:
    """Return the counts whose intervals decide whether something is revealed."""
    return {number for number in system.numbers.values() if system.counts[number].low < system.counts[number].high}


def further_counts(
    system: LinearSystem, result: Intervals, *, enough: int, deadline: float = math.inf
) -> list[int] | None:
    """Return the numbers of the published counts to suppress as well, None if time was too short."""
    trial = LinearSystem(system.counts.copy(), system.equations, system.numbers)
    chosen: list[int] = []
    at_risk = revealed(system, result, enough=enough)
    for _ in range(MAX_ROUNDS):
        if not at_risk:
            return _without_needless(trial, system, chosen, enough, min(deadline, time.monotonic() + TRIED_SECONDS))
        added = _cover(trial, at_risk)
        if not added or time.monotonic() > deadline:
            return None
        for number in added:
            trial.counts[number] = _suppressed(system, number)
        chosen += added
        for part in _parts_with(trial, {*added, *at_risk}):
            at_risk -= set(part.numbers.values())
            result_of_part = intervals(part, unpublished(part), enough=enough, deadline=deadline)
            if result_of_part.undecided:
                return None
            at_risk |= revealed(part, result_of_part, enough=enough)
    return None


def _parts_with(system: LinearSystem, numbers: Collection[int]) -> list[LinearSystem]:
    """Return a system for each component with one of the counts. All share the counts, so that numbers are the same."""
    parts = []
    for group in components(system):
        own = {number for equation in group for number in system.unknown(equation)}
        if not own.isdisjoint(numbers):
            parts.append(LinearSystem(system.counts, group, {system.counts[n].cell: n for n in own}))
    return parts


def _cover(system: LinearSystem, at_risk: Collection[int]) -> list[int]:
    """Return published counts so that each equation with a revealed count has one more unknown.

    An equation without another published count takes one from the equations with which it shares unknown counts.
    """
    own: list[list[int]] = []
    risks = set(at_risk)
    for group in components(system):
        mine = [equation for equation in group if not risks.isdisjoint((equation.total, *equation.parts))]
        options = [_published(system, equation) for equation in mine]
        own += [option for option in options if option]
        if mine and not all(options):
            own.append([number for equation in group for number in _published(system, equation)])
    return _greedy_cover(system, [option for option in own if option])


def _greedy_cover(system: LinearSystem, options: Sequence[Collection[int]]) -> list[int]:
    """Return numbers that contain one of each of the options, as few as a greedy choice finds."""
    containing: dict[int, list[int]] = defaultdict(list)
    for i, option in enumerate(options):
        for number in set(option):
            containing[number].append(i)
    left = set(range(len(options)))

    alone = Counter(
        number
        for equation in system.equations
        if not system.unknown(equation)
        for number in (equation.total, *equation.parts)
        if number in containing
    )

    def rank(number: int) -> tuple[int, int, float, int]:
        # Alone in another equation it would be revealed itself.
        count, covered = system.counts[number], sum(i in left for i in containing[number])
        return -covered, alone[number], count.low, number

    chosen = []
    heap = [rank(number) for number in containing]
    heapq.heapify(heap)
    while left:
        best = heapq.heappop(heap)
        # Its rank may have fallen since.
        if (current := rank(best[-1])) > best:
            heapq.heappush(heap, current)
            continue
        chosen.append(best[-1])
        left.difference_update(containing[best[-1]])
    return chosen


def _published(system: LinearSystem, equation: Equation) -> list[int]:
    """Return the published parts of an equation, or its total if no part is."""
    counts = system.counts
    parts = [n for n in equation.parts if counts[n].low == counts[n].high and counts[n].row is not None]
    total = counts[equation.total]
    return parts or [equation.total] * (total.low == total.high and total.row is not None)


def _suppressed(system: LinearSystem, number: int) -> Count:
    count = system.counts[number]
    return count._replace(low=0.0, high=math.inf if count.base is None else count.base, is_suppressed=True)


def _without_needless(
    trial: LinearSystem, system: LinearSystem, chosen: list[int], enough: int, deadline: float
) -> list[int]:
    """Publish those again whose suppression reveals nothing, until the deadline."""
    needed = set(chosen)
    for part in _parts_with(trial, chosen):
        # The last ones added may have made the first ones needless.
        for number in (n for n in chosen if n in part.numbers.values()):
            if time.monotonic() > deadline:
                return sorted(needed)
            part.counts[number] = system.counts[number]
            result_of_part = intervals(part, unpublished(part), enough=enough, deadline=deadline)
            if result_of_part.undecided or revealed(part, result_of_part, enough=enough):
                part.counts[number] = _suppressed(system, number)
            else:
                needed.remove(number)
    return sorted(needed)
