"""The linear program of the unpublished counts of a component, solved by HiGHS."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import highspy

from vaven.schemas.disclosure.system import ContradictionError, Equation

# The least and the greatest value of a count.
SENSES = (highspy.ObjSense.kMinimize, highspy.ObjSense.kMaximize)


class LinearProgram:
    """Equations between counts, and the least and greatest value of each requested count in the solutions so far.

    Each solution is an example of all counts, so that a count which differs enough between two needs none of its own.
    After `deadline` (time.monotonic) nothing more is solved.
    """

    def __init__(
        self,
        equations: Sequence[Equation],
        bounds: Mapping[int, tuple[float, float]],
        requested: Sequence[int],
        deadline: float,
    ) -> None:
        self.bounds = bounds
        self.columns = {number: i for i, number in enumerate(bounds)}
        self.least = dict.fromkeys(requested, math.inf)
        self.greatest = dict.fromkeys(requested, -math.inf)
        self.solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self.solver.silent()
        self.solver.setOptionValue("threads", 1)
        if math.isfinite(deadline):
            self.solver.setOptionValue("time_limit", max(0.0, deadline - time.monotonic()))
        for low, high in bounds.values():
            self.solver.addVar(low, high)
        for equation in equations:
            columns = [self.columns[number] for number, _ in equation.terms()]
            self.solver.addRow(0, 0, len(columns), columns, [float(sign) for _, sign in equation.terms()])

    def solve_spread(self, enough: int) -> None:
        """Look for two solutions of which one exceeds the other by `enough` in every count: often these decide all.

        Raises Contradiction if there is no solution.
        """
        status = self._solve()
        if status == highspy.HighsModelStatus.kInfeasible:
            raise ContradictionError
        if status != highspy.HighsModelStatus.kOptimal:
            return
        for number, least in self.least.items():
            high = self.bounds[number][1]
            self.solver.changeColBounds(self.columns[number], min(least + enough, high), high)
        self._solve()
        for number in self.least:
            self.solver.changeColBounds(self.columns[number], *self.bounds[number])

    def solve_for(self, number: int, sense: Any) -> bool:
        """Find the least or greatest value of a count. Returns False if there was no time; raises Contradiction."""
        self.solver.changeColCost(self.columns[number], 1.0)
        self.solver.changeObjectiveSense(sense)
        status = self._solve()
        self.solver.changeColCost(self.columns[number], 0.0)
        if status == highspy.HighsModelStatus.kInfeasible:
            raise ContradictionError
        if status in (highspy.HighsModelStatus.kUnbounded, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            self.greatest[number] = math.inf
            return True
        return bool(status == highspy.HighsModelStatus.kOptimal)

    def _solve(self) -> Any:
        self.solver.run()
        # A change of the model discards both.
        status, solution = self.solver.getModelStatus(), self.solver.getSolution().col_value
        if status == highspy.HighsModelStatus.kOptimal:
            for number in self.least:
                value = solution[self.columns[number]]
                self.least[number] = min(self.least[number], value)
                self.greatest[number] = max(self.greatest[number], value)
        return status
