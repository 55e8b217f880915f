"""A line chart of series as plain geometry, for the template chart.svg to draw.

Gaps stay gaps, what is not measured is marked, and an axis that does not begin at zero says so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vaven.publisher.collection import Point, Series
from vaven.vocab.periods import parse_period

WIDTH, HEIGHT = 640, 280
WIDE = 1040
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 28, 34
COLOURS = 6
# Below this share of the greatest value the axis begins at zero, above it the change would hardly be seen.
ZERO_SHARE = 0.45


@dataclass(frozen=True)
class Mark:
    """A point of a line. `kind` is value, illustrative, provisional or break; `text` is what it says."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class Line:
    """`paths` are SVG paths, one for each stretch without a gap; `band` is the confidence interval, "" without one."""

    label: str
    colour: int
    paths: tuple[str, ...]
    band: str
    marks: tuple[Mark, ...]
    is_illustrative: bool


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Goal:
    """A horizontal line with words: the target or the baseline."""

    y: float
    text: str
    kind: str


@dataclass(frozen=True)
class Chart:
    width: int
    height: int
    left: int
    right: float
    top: int
    bottom: float
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    goals: tuple[Goal, ...]
    starts_at_zero: bool
    unit: str


Labeller = Callable[[Series], str]
Number = Callable[[float | None], str]


def draw(
    series: Sequence[Series],
    *,
    unit: str,
    number: Number,
    label: Labeller,
    goal_words: dict[str, str],
    width: int = WIDTH,
) -> Chart | None:
    """Lay series of one KPI out on a common pair of axes `width` wide; None where no point has a value.

    The first series shows its confidence interval, unless the series are of several areas.
    """
    values = [v for s in series for p in s.points for v in (p.value, p.ci_lower, p.ci_upper) if v is not None]
    goals = _goal_values(series)
    if not values:
        return None
    is_one_area = len({s.area.code for s in series}) == 1
    ticks = nice_ticks(min(values + [g[1] for g in goals]), max(values + [g[1] for g in goals]))
    days = sorted({_middle(p.period) for s in series for p in s.points})
    right, bottom = width - RIGHT, HEIGHT - BOTTOM

    def across(day: float) -> float:
        span = days[-1] - days[0]
        return round(LEFT + 14 + (day - days[0]) / span * (right - LEFT - 28) if span else (LEFT + right) / 2, 1)

    def up(value: float) -> float:
        return round(bottom - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - TOP), 1)

    return Chart(
        width=width,
        height=HEIGHT,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=bottom,
        lines=tuple(
            _line(s, i % COLOURS, across, up, number, label(s), has_band=i == 0 and is_one_area)
            for i, s in enumerate(series)
        ),
        x_ticks=_x_ticks(series, across),
        y_ticks=tuple(Tick(up(v), number(v)) for v in ticks),
        goals=tuple(
            Goal(up(value), f"{goal_words[kind]} {period}: {number(value)}", kind) for kind, value, period in goals
        ),
        starts_at_zero=ticks[0] == 0,
        unit=unit,
    )


def nice_ticks(least: float, greatest: float, wanted: int = 5) -> list[float]:
    """Four to eight round numbers that span the values; from zero where that leaves the change visible."""
    low = 0.0 if 0 <= least < ZERO_SHARE * greatest else least
    span = (greatest - low) or abs(greatest) or 1.0
    raw = span / wanted
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
    first = math.floor(low / step)
    last = max(math.ceil(greatest / step), first + 1)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _goal_values(series: Sequence[Series]) -> list[tuple[str, float, str]]:
    """Kind, value and period of target and baseline; only a chart of one area has them, or they would tangle."""
    found = []
    for s in series:
        if s.target:
            found.append(("target", s.target[1], s.target[0]))
        if s.baseline:
            found.append(("baseline", s.baseline[1], s.baseline[0]))
    return found if len({s.area.code for s in series}) == 1 else []


def _middle(period: str) -> float:
    found = parse_period(period)
    return (found.start.toordinal() + found.end.toordinal()) / 2


def _x_ticks(series: Sequence[Series], across: Callable[[float], float]) -> tuple[Tick, ...]:
    """A tick a period, thinned until neighbours have room."""
    texts = {_middle(p.period): p.period for s in series for p in s.points}
    days = sorted(texts)
    every = max(1, math.ceil(len(days) / 8))
    return tuple(Tick(across(day), texts[day]) for day in days[::every])


def _line(
    s: Series,
    colour: int,
    across: Callable[[float], float],
    up: Callable[[float], float],
    number: Number,
    label: str,
    *,
    has_band: bool,
) -> Line:
    stretches: list[list[Point]] = [[]]
    for point in s.points:
        if point.value is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    stretches = [stretch for stretch in stretches if stretch]

    def place(point: Point, value: float | None) -> str:
        return f"{across(_middle(point.period))},{up(value or 0.0)}"

    return Line(
        label=label,
        colour=colour,
        paths=tuple("M" + " L".join(place(p, p.value) for p in stretch) for stretch in stretches if len(stretch) > 1),
        band="".join(_band(stretch, place) for stretch in stretches) if has_band else "",
        marks=tuple(
            Mark(across(_middle(p.period)), up(p.value), _kind(p), f"{label}, {p.period}: {number(p.value)}")
            for p in s.points
            if p.value is not None
        ),
        is_illustrative=any(p.method == "illustrative" for p in s.points),
    )


def _band(stretch: Sequence[Point], place: Callable[[Point, float | None], str]) -> str:
    """The confidence interval as a closed path, over points that all have one."""
    if len(stretch) < 2 or any(p.ci_lower is None or p.ci_upper is None for p in stretch):
        return ""
    upper = [place(p, p.ci_upper) for p in stretch]
    lower = [place(p, p.ci_lower) for p in reversed(stretch)]
    return "M" + " L".join(upper + lower) + "Z"


def _kind(point: Point) -> str:
    return {"P": "provisional", "E": "provisional", "F": "provisional", "B": "break"}.get(point.status, "value")
